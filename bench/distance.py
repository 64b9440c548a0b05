# SPDX-License-Identifier: Apache-2.0
"""Measures the distance between the two processors before and after each
sample, and says which samples may be compared.

A virtual machine's processors move on the host, every few seconds to minutes.
The round trip of a cache line between the two then changes by a factor of ten
and more, and every rate and latency of the bench with it. So each sample has
the class of distances in which it was taken, a sample during which the distance
changed is left out, and medians and ratios are made within one class.
"""
import argparse
import os
import subprocess
import time

CLASSES = ('close', 'apart', 'far', 'shared')
# The ns at which apart, far and shared begin. Measured distances were 110, 470
# and 800 on Zen 3, and 50 to 65, 155, 320 to 370 and 800 to 1100 on Zen 4; the
# bounds lie in the gaps of both. Thousands mean that the host lets the two take
# turns on one processor.
BOUNDS = (200, 620, 2000)
# Largest ratio of the distances before and after a sample that counts. Readings
# of one place differ by a factor of 1.3.
STEADY = 1.5
UNKNOWN = 'unknown'  # samples without distances, such as those of older files
CHANGED = 'changed'
POLL_S = 0.25


class NotReached(Exception):
    """The processors did not reach the wanted class in time."""


def class_of(ns, bounds=BOUNDS):
    return CLASSES[sum(ns >= b for b in bounds)] if ns else UNKNOWN


def class_between(before, after, bounds=BOUNDS):
    """Returns the class of a sample with these distances before and after."""
    if not before or not after:
        return UNKNOWN
    if max(before, after) > STEADY * min(before, after):
        return CHANGED
    first, last = class_of(before, bounds), class_of(after, bounds)
    return first if first == last else CHANGED


def label(before, after, bounds=BOUNDS):
    """Returns the members of a sample about its distances."""
    return {'distance_before': before, 'distance_after': after,
            'class': class_between(before, after, bounds)}


def label_all(samples, bounds=BOUNDS):
    """Returns the samples with their labels made by @bounds."""
    return [{**s, **label(s.get('distance_before'), s.get('distance_after'),
                          bounds)} for s in samples]


def of_class(samples, name):
    """Returns the samples of one class: {key: [sample, ...]}, without keys that
    have none."""
    found = {k: [s for s in v if s.get('class', UNKNOWN) == name]
             for k, v in samples.items()}
    return {k: v for k, v in found.items() if v}


def classes(samples):
    """Returns the classes that have samples, the nearest first."""
    return [c for c in (*CLASSES, UNKNOWN) if of_class(samples, c)]


def pairs(a, b):
    """Returns pairs of samples, one of @a and one of @b, of the same round and
    class."""
    def by_place(samples):
        return {(s['round'], s.get('class', UNKNOWN)): s for s in samples
                if 'round' in s and s.get('class') != CHANGED}
    others = by_place(b)
    return [(s, others[place]) for place, s in by_place(a).items()
            if place in others]


def distances(samples):
    return [s[k] for v in samples.values() for s in v
            for k in ('distance_before', 'distance_after') if s.get(k)]


def title(samples, name):
    """Returns 'apart (320 to 351 ns between the processors), 12 samples'."""
    mine = of_class(samples, name)
    count = sum(len(v) for v in mine.values())
    ns = distances(mine)
    where = f' ({min(ns)} to {max(ns)} ns between the processors)' if ns else ''
    return f'{name}{where}, {count} sample{"s" if count != 1 else ""}'


def remarks(samples):
    """Returns sentences about samples left out and about doubtful classes."""
    total = sum(len(v) for v in samples.values())
    changed = of_class(samples, CHANGED)
    count = sum(len(v) for v in changed.values())
    said = [f'{count} of {total} samples left out, the distance changed '
            f'meanwhile' + (': ' if count else '') + ', '.join(
                f'{" ".join(map(str, k))} {len(v)}'
                for k, v in changed.items())] if total else ['no samples']
    for name in classes(samples):
        ns = distances(of_class(samples, name))
        if name == 'shared':
            said.append('WARNING: shared: the host let the two processors take '
                        'turns; these numbers measure the host')
        elif ns and max(ns) > 2 * min(ns):
            said.append(f'WARNING: {name}: {min(ns)} to {max(ns)} ns is more '
                        f'than one place; --bounds draws the limits of this '
                        f'machine')
    return said


def add_arguments(parser):
    def one_class(text):
        if text and text not in CLASSES:
            raise argparse.ArgumentTypeError(
                f'{text!r} is no class; there are {", ".join(CLASSES)}')
        return text

    def limits(text):
        try:
            found = tuple(int(v) for v in text.split(','))
        except ValueError:
            found = ()
        if len(found) != len(BOUNDS) or list(found) != sorted(set(found)) or \
                found[0] <= 0:
            raise argparse.ArgumentTypeError(
                f'{text!r} is not {len(BOUNDS)} rising numbers of ns, such as '
                f'{",".join(map(str, BOUNDS))}')
        return found
    parser.add_argument(
        '--class', dest='wanted', type=one_class, metavar='NAME',
        default=os.environ.get('BENCH_CLASS', ''),
        help='wait before each sample until the processors are so: '
        f'{", ".join(CLASSES)}\n(or BENCH_CLASS)')
    parser.add_argument(
        '--wait', type=float, default=300, metavar='SECONDS',
        help='longest wait for one sample, after which the run ends (300)')
    parser.add_argument(
        '--bounds', type=limits, metavar='NS,NS,NS',
        default=os.environ.get('BENCH_BOUNDS', ','.join(map(str, BOUNDS))),
        help='where apart, far and shared begin (or BENCH_BOUNDS; '
        f'{",".join(map(str, BOUNDS))})')


class Busy:
    """Keeps processors busy with loops that run only while nothing else does
    (SCHED_IDLE). A host puts two busy processors apart and two idle ones
    together, within seconds, and devices are idle while they start and stop."""

    def __init__(self, cpus):
        self.cpus = cpus

    def __enter__(self):
        self.loops = [subprocess.Popen(
            ['taskset', '-c', str(c), 'chrt', '--idle', '0', 'sh', '-c',
             'while :; do :; done']) for c in self.cpus]
        return self

    def __exit__(self, *_):
        for loop in self.loops:
            loop.kill()
            loop.wait()


class Meter:
    """Takes samples and labels them. @program: linebench; @cpus: the two
    processors that the bench uses; @args: of add_arguments()."""

    def __init__(self, program, cpus, args=None):
        self.cpus = cpus
        self.command = [program, *(str(c) for c in cpus)]
        self.wanted = args.wanted if args else ''
        self.limit = args.wait if args else 0
        self.bounds = args.bounds if args else BOUNDS

    def read(self):
        """Returns the distance in ns, or None when it cannot be measured."""
        try:
            r = subprocess.run(self.command, capture_output=True, text=True,
                               timeout=10)
            return int(r.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return None

    def wait(self):
        """Returns the distance when it is of the wanted class; waits for that.
        """
        end = time.monotonic() + self.limit
        while True:
            ns = self.read()
            if not self.wanted or class_of(ns, self.bounds) == self.wanted:
                return ns
            if not ns:
                raise NotReached('the distance between the processors cannot '
                                 'be measured: ' + ' '.join(self.command))
            if time.monotonic() >= end:
                raise NotReached(
                    f'the processors did not come to be {self.wanted} within '
                    f'{self.limit:g} s; they are '
                    f'{class_of(ns, self.bounds)}, {ns} ns')
            time.sleep(POLL_S)

    def busy(self, turn):
        """Returns a Busy for the processors when another class than close is
        wanted, and in every other round when any is welcome."""
        is_busy = self.wanted != CLASSES[0] if self.wanted else turn % 2
        return Busy(self.cpus if is_busy else ())

    def take(self, samples, key, turn, step):
        """Takes a sample of @key in round @turn by step(), which returns its
        measurement or None. Returns the sample, or None."""
        with self.busy(turn):
            before = self.wait()
            got = step()
            after = self.read()
        if not got:
            return None
        got = {'round': turn, **got, **label(before, after, self.bounds)}
        samples.setdefault(key, []).append(got)
        return got


def told(sample):
    """Returns 'close, 53 and 55 ns', for the line about a sample."""
    ns = [sample.get(k) or '?' for k in ('distance_before', 'distance_after')]
    out = ', left out' if sample['class'] == CHANGED else ''
    return f'{sample["class"]}, {ns[0]} and {ns[1]} ns{out}'


def ratios(a, b, field):
    """Returns a / b of each pair."""
    return [x[field] / y[field] for x, y in pairs(a, b)
            if field in x and y.get(field)]
