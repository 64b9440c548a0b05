#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ringway beside DPDK testpmd and Open vSwitch: the table of
docs/performance.md.

One generator core, one switch core. The devices are measured in turns, row by
row, round after round, since the machine's own speed drifts; a cell is the
median of its windows, a ratio the median of the rounds' ratios. Under fifteen
minutes; BENCH_QUICK=1 about four. Prints a table with spread, limiting side and
ratios, and writes JSON.

  bench.py [--dut NAME]... [--row NAME]... [--rounds N] [--secs S] [--json FILE]
"""
import os
import statistics
import subprocess
import time

import harness as h

PEERS = ('testpmd', 'ovs')
# What Ringway is to reach, as a multiple of a peer.
GOAL = {'64': ('testpmd', 1), '64-packed': ('testpmd', 1),
        '64-packed-inorder': ('testpmd', 1), '512': ('testpmd', 1.5),
        '1518': ('testpmd', 1.7), '1518-cold': ('testpmd', 1.8),
        'tso-16k': ('ovs', 2.5), 'tso-4k': ('ovs', 2.5)}


def cell(samples, name, row):
    """'9.31 Mpps +-3%', '43.3 Gbit/s +-1%, 50% lost'"""
    value = h.median(samples, name, row.key, row.unit)
    if value is None:
        return '-'
    text = f'{value:.2f} Mpps' if row.unit == 'mpps' else f'{value:.1f} Gbit/s'
    if len(samples[(name, row.key)]) > 1:
        v = h.values(samples, name, row.key, row.unit)
        text += f' +-{h.spread(v):.0f}%'
    loss = h.median(samples, name, row.key, 'loss')
    return text + (f', {loss:.0f}% lost' if loss >= 1 else '')


def limits(samples, names, row):
    """The side that sets the number, where it is not the device."""
    found = []
    for n in names:
        sides = {s['limit'] for s in samples.get((n, row.key), [])}
        found += [f'{n}: {s}' for s in sorted(sides) if s != 'DUT']
    return ', '.join(found) or ('device' if any(
        (n, row.key) in samples for n in names) else '-')


def forward_table(samples, names, rows):
    peers = [n for n in names if n in PEERS and 'ringway' in names]
    table = [['frame', 'virtqueue', *names, *(f'x {p}' for p in peers), 'goal',
              'limited by']]
    for row in rows:
        line = [row.title, row.variant]
        line += [cell(samples, n, row) for n in names]
        for p in peers:
            x = h.ratios(samples, 'ringway', p, row.key, row.unit)
            line.append(f'{statistics.median(x):.2f}' if x else '-')
        goal = GOAL.get(row.key)
        line.append(f'{goal[1]} x {goal[0]}' if goal else '')
        line.append(limits(samples, names, row))
        table.append(line)
    h.print_table(table)


def single_table(samples, names):
    """Round trip, idle CPU, start, memory."""
    def number(n, key, field, form):
        v = h.median(samples, n, key, field)
        return '-' if v is None else form.format(v)
    table = [['', *names]]
    for title, key, field, form in [
            ('round trip of 64 B, p50', 'rtt', 'p50_us', '{:.2f} us'),
            ('round trip of 64 B, p99', 'rtt', 'p99_us', '{:.2f} us'),
            ('idle CPU, two silent ports', 'idle', 'cpu', '{:.2f} %'),
            ('start to ready', 'idle', 'startup_s', '{:.3f} s'),
            ('resident memory', 'idle', 'rss_MiB', '{:.0f} MiB'),
            ('hugepages', 'idle', 'hugepages_MiB', '{:.0f} MiB')]:
        table.append([title, *(number(n, key, field, form) for n in names)])
    if any(c != '-' for line in table[1:] for c in line[1:]):
        print()
        h.print_table(table)


def stage_table(samples, rows):
    """Ringway's own account of the rows."""
    stages, lines = [], []
    for row in rows:
        s = [x['stages'] for x in samples.get(('ringway', row.key), [])
             if 'stages' in x]
        if not s:
            continue
        stages = stages or list(s[0])
        lines.append((row, s))
    if not lines:
        return
    stages = [k for k in stages if any(x[k] for _, s in lines for x in s)]
    table = [['Ringway, TSC cycles a frame', 'virtqueue', *stages, 'sum',
              'working time']]
    for row, s in lines:
        per = [sorted(x[k] for x in s)[len(s) // 2] for k in stages]
        table.append([row.title, row.variant, *(f'{v:.1f}' for v in per),
                      f'{sum(per):.1f}', '{:.1f}'.format(
                          h.median(samples, 'ringway', row.key,
                                   'cycles_frame') or 0)])
    print()
    h.print_table(table)


def report(samples, names, rows):
    if rows:
        forward_table(samples, names, rows)
    single_table(samples, names)
    stage_table(samples, rows)
    if ('memcpy', 'libc') in samples:
        print('\nOne core copying 1500 B chunks, GB/s: ' + '; '.join(
            f'{m} ' + ', '.join(f'{ws} {h.median(samples, "memcpy", m, ws):.1f}'
                                for ws in ('warm', 'l3', 'cold'))
            for m in ('libc', 'nt')))


def main():
    p, quick = h.arguments(__doc__, 'bench', (5, 1), (1.5, 1.5))
    keys = [r.key for r in h.FORWARD] + ['rtt', 'idle', 'memcpy']
    p.add_argument('--dut', action='append', choices=list(h.DEVICES))
    p.add_argument('--row', action='append', choices=keys)
    args = p.parse_args()
    h.check_rights()
    subprocess.run([os.path.join(h.HERE, 'build.sh'), 'vgen', 'membench'],
                   check=True)
    devices = []
    for name in args.dut or h.DEVICES:
        why = h.DEVICES[name].missing()
        print(f'{name} is left out: {why}') if why else \
            devices.append(h.DEVICES[name])
    wanted = args.row or keys
    rows = [r for r in h.FORWARD if r.key in wanted]
    steps = [(f'{r.title}, {r.variant}',
              lambda d, s, r=r: h.measure(d, r, args.secs, s)) for r in rows]
    if 'rtt' in wanted:
        steps.append(('round trip',
                      lambda d, s: h.round_trip(d, args.secs, s)))
    samples, start = {}, time.monotonic()

    def say(what, ok):
        print(f'{time.monotonic() - start:5.0f} s  {what}'
              f'{"" if ok else ": incomplete, see the logs in " + h.OUT}',
              flush=True)
    with h.Hugepages():
        for r in range(args.rounds):
            for title, step in steps:
                for d in h.in_turn(devices, r):
                    ok = step(d, samples)
                    say(f'round {r + 1} of {args.rounds}: {title}: {d.name}',
                        ok)
        if 'idle' in wanted:
            for d in devices:
                say(f'idle: {d.name}', h.idle(d, 2 if quick else 10, samples))
        if 'memcpy' in wanted:
            h.memcpy(samples)
    print()
    report(samples, [d.name for d in devices], rows)
    print(f'\n{time.monotonic() - start:.0f} s')
    h.save(args.json, devices, samples, rounds=args.rounds, seconds=args.secs)


main()
