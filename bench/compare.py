#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares two builds of Ringway, or two runs of the bench.

  compare.py OLD NEW [--row NAME]... [--rounds N] [--secs S] [--json FILE]
             [--class NAME [--wait SECONDS]] [--bounds NS,NS,NS]

When OLD and NEW are ringway binaries, both are measured now in pairs of short
windows, in immediate succession; pairs begin with OLD and NEW in turn. A pair
counts when both windows have one class of distances between the processors
(distance.py); any other pair is measured once more. When OLD and NEW are JSON
files of earlier runs, their Ringway columns are compared; that means little
when the machine has changed.
Each row and class has a line. The ratio is the median of the pairs' ratios, and
is a change when it is larger than their spread. For two files it is the ratio
of the medians, and is a change when it is larger than the spread of either.
Fewer than five samples get no verdict.
"""
import os
import statistics
import sys

import distance
import harness as h

# Samples that a verdict needs. All ratios of the same build lie on one side of
# 1 in every fourth run with three pairs, in every sixteenth with five.
AT_LEAST = 5
WARM = 0.3  # seconds, shorter than bench.py's: keeps a pair's windows close


def from_files(old, new, bounds):
    samples = {}
    for name, path in (('old', old), ('new', new)):
        run, rows = h.restore(path)
        print(f'{name}: {path}: commit {run["commit"]}, {run["when"]}, '
              f'{run["machine"]["cpu"]}')
        names = {d for d, _ in rows}
        ours = 'ringway' if 'ringway' in names else name
        for (device, key), s in rows.items():
            if device == ours:
                samples[(name, key)] = distance.label_all(s, bounds)
    return samples


def measure_pair(step, devices, turn, meter, samples, row, log):
    """Measures a pair of row @row: (key, title). Returns whether both samples
    have the same class."""
    got = []
    for d in h.in_turn(devices, turn):
        got.append(meter.take(samples, (d.name, row[0]), turn,
                              lambda d=d: step(d)))
        log.say(turn, f'{row[1]}: {d.name}', got[-1])
    return all(got) and bool(distance.pairs(got[:1], got[1:]))


def rounds(args, devices, meter, log, samples, pages):
    """Measures all rounds. Returns the reason of an early end, or None."""
    steps = [((r.key, f'{r.title}, {r.variant}'),
              lambda d, r=r: h.measure(d, r, args.secs, WARM))
             for r in h.FORWARD]
    steps.append((('rtt', 'round trip'),
                  lambda d: h.round_trip(d, args.secs, WARM)))
    try:
        for turn in range(args.rounds):
            pages.renew()
            for row, step in steps:
                if args.row and row[0] not in args.row:
                    continue
                # A second try is a separate pair, with its own number.
                for again in (turn, args.rounds + turn):
                    if measure_pair(step, devices, again, meter, samples, row,
                                    log):
                        break
    except distance.NotReached as e:
        return str(e)
    except KeyboardInterrupt:
        return 'interrupted'
    return None


def from_binaries(old, new, args):
    devices = [h.Device(name, 'ringway', {'RINGWAY': os.path.abspath(path)})
               for name, path in (('old', old), ('new', new))]
    for d in devices:
        print(f'{d.name}: {d.env["RINGWAY"]}: {d.version()}')
    h.check_rights()
    h.build('vgen')
    samples = {}
    with h.Hugepages() as pages:
        early = rounds(args, devices, h.meter(args), h.Log(args.rounds),
                       samples, pages)
    h.save(args.json, devices, samples, rounds=args.rounds, seconds=args.secs,
           bounds=args.bounds)
    return samples, early


def verdict(ratio, noise, is_better_up, count):
    if count < AT_LEAST:
        return 'too few samples'
    if abs(ratio - 1) <= noise:
        return 'the same'
    return 'better' if (ratio > 1) == is_better_up else 'worse'


def compare(samples, key, field, is_paired):
    """Returns (ratio new / old, its spread in percent, number of pairs or of
    samples of the smaller side), or None when there are no samples."""
    if is_paired:
        x = h.ratios(samples, 'new', 'old', key, field)
        return (statistics.median(x), h.spread(x), len(x)) if x else None
    v = [h.values(samples, n, key, field) for n in ('new', 'old')]
    if not all(v) or not statistics.median(v[1]):
        return None
    return (statistics.median(v[0]) / statistics.median(v[1]),
            max(h.spread(x) for x in v), min(len(x) for x in v))


def line(samples, name, row, is_paired):
    """Returns the line of one row in one class, or None when a side is missing.
    """
    key, title, variant, field, is_better_up = row
    found = compare(samples, key, field, is_paired)
    if not found:
        return None
    ratio, spread, count = found
    m = [h.median(samples, n, key, field) for n in ('old', 'new')]
    cycles = [h.median(samples, n, key, 'cycles_frame')
              for n in ('old', 'new')]
    return [title, variant, name, str(count), f'{m[0]:.2f}', f'{m[1]:.2f}',
            f'{ratio:.3f}', f'+-{spread:.0f}%',
            verdict(ratio, ratio * spread / 100, is_better_up, count),
            *(f'{c:.0f}' if c else '-' for c in cycles)]


def report(samples, is_paired):
    table = [['row', 'virtqueue', 'processors',
              'pairs' if is_paired else 'samples', 'old', 'new', 'new / old',
              'spread', 'verdict', 'cycles old', 'cycles new']]
    rows = [(r.key, r.title, r.variant, r.unit, True) for r in h.FORWARD]
    rows.append(('rtt', 'round trip p50, us', 'split-mrg', 'p50_us', False))
    for row in rows:
        for name in distance.classes(samples):
            found = line(distance.of_class(samples, name), name, row,
                         is_paired)
            if found:
                table.append(found)
    print()
    h.print_table(table)
    print()
    for name in distance.classes(samples):
        print(distance.title(samples, name))
    for sentence in distance.remarks(samples):
        print(sentence)


def main():
    p, _ = h.arguments(__doc__, 'compare', (8, 5), (1, 0.7))
    p.add_argument('old')
    p.add_argument('new')
    p.add_argument('--row', action='append',
                   choices=[r.key for r in h.FORWARD] + ['rtt'])
    args = p.parse_args()
    kinds = [path.endswith('.json') for path in (args.old, args.new)]
    if kinds[0] != kinds[1]:
        sys.exit('compare.py: two binaries or two JSON files, not one of each')
    for path in (args.old, args.new):
        if not os.path.isfile(path):
            sys.exit(f'compare.py: {path}: no such file')
        if not kinds[0] and not os.access(path, os.X_OK):
            sys.exit(f'compare.py: {path}: neither a program nor *.json')
    if kinds[0]:
        report(from_files(args.old, args.new, args.bounds), False)
        return
    samples, early = from_binaries(args.old, args.new, args)
    report(samples, True)
    if early:
        sys.exit(f'compare.py: ended early: {early}')


if __name__ == '__main__':
    main()
