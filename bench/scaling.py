#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures how more queue pairs and more workers scale: by rate up to the
number of processors, and by instructions beyond.

Runs build/tests/bench/scale_bench: two ports send 64-byte frames of many flows
to each other on all their queue pairs; the workers play the guests as well.
Each class of distances between the two processors (distance.py) has a table:
the rate is the median of all rounds, the ratio to one worker the median of the
rounds' ratios. valgrind (callgrind) counts instructions inside forward_poll(),
the path of a burst, without the guests' part. Needs no root.

  scaling.py [--rounds N] [--secs S] [--no-count] [--json FILE]
             [--class NAME [--wait SECONDS]] [--bounds NS,NS,NS]
"""
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

import distance
import harness as h

BENCH = os.path.join(h.TOP, 'build', 'tests', 'bench', 'scale_bench')
STEPS = (1, 2, 4)
GUEST = ('guest_send', 'guest_receive')


def run(argv):
    """Returns the line that scale_bench prints for one shape, as numbers."""
    out = subprocess.run(argv, check=True, capture_output=True,
                         text=True).stdout
    return [float(v) for v in out.splitlines()[1].split()[2:]]


def measure(pairs, workers, secs):
    mpps, cycles, *_ = run([BENCH, str(secs), str(pairs), str(workers)])
    return {'mpps': mpps, 'cycles_frame': cycles}


def rates(args, meter, cpus, samples):
    """Measures all rounds. Returns the reason of an early end, or None."""
    try:
        for turn in range(args.rounds):
            for pairs in STEPS:
                for workers in STEPS:
                    if workers <= cpus:
                        meter.take(samples, (pairs, workers), turn,
                                   lambda p=pairs, w=workers: measure(
                                       p, w, args.secs))
    except distance.NotReached as e:
        return str(e)
    return None


def instructions(pairs, workers):
    """Returns the instructions a frame of forward_poll() and the functions that
    it calls, without the guests' part."""
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, 'out')
        argv = ['valgrind', '-q', '--tool=callgrind', '--fair-sched=yes',
                '--toggle-collect=forward_poll',
                f'--callgrind-out-file={out}', BENCH, '1', str(pairs),
                str(workers)]
        frames = run(argv)[3]
        text = subprocess.run(
            ['callgrind_annotate', '--inclusive=yes', '--threshold=100', out],
            check=True, capture_output=True, text=True).stdout
    count = {}
    for line in text.splitlines():
        m = re.match(r'\s*([\d,]+) \(.*?%\)\s+(?:.*:)?(.*?)( \[.*)?$', line)
        if m:
            count.setdefault(m[2], int(m[1].replace(',', '')))
    return (count['forward_poll'] - sum(count[g] for g in GUEST)) / frames


def rate_table(samples):
    table = [['queue pairs', 'workers', 'samples', 'Mpps', 'of one worker',
              'cycles a frame']]
    for (pairs, workers), mine in samples.items():
        x = distance.ratios(mine, samples.get((pairs, 1), []), 'mpps')
        table.append([
            str(pairs), str(workers), str(len(mine)),
            f'{h.median(samples, pairs, workers, "mpps"):.2f}',
            f'{statistics.median(x):.2f}' if x else '-',
            f'{h.median(samples, pairs, workers, "cycles_frame"):.0f}'])
    h.print_table(table)


def count_table():
    table = [['queue pairs', 'workers', 'instructions a frame']]
    for pairs in STEPS:
        for workers in STEPS:
            table.append([str(pairs), str(workers),
                          f'{instructions(pairs, workers):.0f}'])
    print()
    h.print_table(table)


def main():
    p, _ = h.arguments(__doc__, 'scaling', (5, 2), (0.5, 0.3))
    p.add_argument('--no-count', action='store_true')
    args = p.parse_args()
    h.build()
    cpus = sorted(os.sched_getaffinity(0))
    meter = h.meter(args, (cpus[0], cpus[-1] if len(cpus) < 2 else cpus[1]))
    samples = {}
    early = rates(args, meter, len(cpus), samples)
    for _, mine in h.each_class(samples):
        rate_table(mine)
    if args.no_count:
        pass
    elif shutil.which('valgrind'):
        count_table()
    else:
        print('instructions are left out: valgrind is not installed')
    h.save(args.json, [], samples, rounds=args.rounds, seconds=args.secs,
           bounds=args.bounds)
    if early:
        sys.exit(f'scaling.py: ended early: {early}')


if __name__ == '__main__':
    main()
