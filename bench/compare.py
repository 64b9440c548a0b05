#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two builds of Ringway, or two runs of the bench.

  compare.py OLD NEW [--row NAME]... [--rounds N] [--secs S] [--json FILE]

OLD and NEW are ringway binaries: both are measured in this session, in turns,
each round beginning with the other one, so that the machine's drift hits both.
Or they are JSON files of earlier runs: their Ringway columns are compared,
which is only as good as the machine was the same. The ratio is the median of
the rounds', and counts as a change when it is larger than their spread; of two
files, that of the medians, and larger than the spread of both.
"""
import os
import statistics
import subprocess
import sys
import time

import harness as h


def from_files(old, new):
    samples = {}
    for name, path in (('old', old), ('new', new)):
        run, rows = h.restore(path)
        print(f'{name}: {path}: commit {run["commit"]}, {run["when"]}, '
              f'{run["machine"]["cpu"]}')
        names = {d for d, _ in rows}
        ours = 'ringway' if 'ringway' in names else name
        for (device, key), s in rows.items():
            if device == ours:
                samples[(name, key)] = s
    return samples


def from_binaries(old, new, args):
    devices = [h.Device(name, 'ringway', {'RINGWAY': os.path.abspath(path)})
               for name, path in (('old', old), ('new', new))]
    for d in devices:
        print(f'{d.name}: {d.env["RINGWAY"]}: {d.version()}')
    h.check_rights()
    subprocess.run([os.path.join(h.HERE, 'build.sh'), 'vgen'], check=True)
    rows = [r for r in h.FORWARD if not args.row or r.key in args.row]
    samples, start = {}, time.monotonic()
    with h.Hugepages():
        for r in range(args.rounds):
            for row in rows:
                for d in h.in_turn(devices, r):
                    ok = h.measure(d, row, args.secs, samples)
                    print(f'{time.monotonic() - start:5.0f} s  round {r + 1} '
                          f'of {args.rounds}: {row.title}, {row.variant}: '
                          f'{d.name}'
                          f'{"" if ok else ": incomplete, see " + h.OUT}',
                          flush=True)
            if not args.row or 'rtt' in args.row:
                for d in h.in_turn(devices, r):
                    h.round_trip(d, args.secs, samples)
    h.save(args.json, devices, samples, rounds=args.rounds, seconds=args.secs)
    return samples


def verdict(ratio, noise, is_better_up):
    if abs(ratio - 1) <= noise:
        return 'the same'
    return 'better' if (ratio > 1) == is_better_up else 'worse'


def compare(samples, key, field, is_paired):
    """The ratio new / old and its spread in percent."""
    if is_paired:
        x = h.ratios(samples, 'new', 'old', key, field)
        return statistics.median(x), h.spread(x)
    v = [h.values(samples, n, key, field) for n in ('new', 'old')]
    return (statistics.median(v[0]) / statistics.median(v[1]),
            max(h.spread(x) for x in v))


def report(samples, is_paired):
    table = [['row', 'virtqueue', 'old', 'new', 'new / old', 'spread',
              'verdict', 'cycles old', 'cycles new']]
    lines = [(r.key, r.title, r.variant, r.unit, True) for r in h.FORWARD]
    lines.append(('rtt', 'round trip p50, us', 'split-mrg', 'p50_us', False))
    for key, title, variant, field, is_better_up in lines:
        m = [h.median(samples, n, key, field) for n in ('old', 'new')]
        if not m[0] or not m[1]:
            continue
        cycles = [h.median(samples, n, key, 'cycles_frame')
                  for n in ('old', 'new')]
        ratio, spread = compare(samples, key, field, is_paired)
        table.append([title, variant, f'{m[0]:.2f}', f'{m[1]:.2f}',
                      f'{ratio:.3f}', f'+-{spread:.0f}%',
                      verdict(ratio, ratio * spread / 100, is_better_up),
                      *(f'{c:.0f}' if c else '-' for c in cycles)])
    print()
    h.print_table(table)


def main():
    p, _ = h.arguments(__doc__, 'compare', (4, 2), (2.5, 1))
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
        report(from_files(args.old, args.new), False)
    else:
        report(from_binaries(args.old, args.new, args), True)


main()
