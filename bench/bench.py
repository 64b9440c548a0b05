#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares Ringway with DPDK testpmd and Open vSwitch: prints the table of
docs/performance.md.

The generator and the switch have one core each. Each round measures every row
with the devices in turn, and the distance between the two processors before and
after each window (distance.py). Each class of distances has a table: a cell is
the median of its windows, a ratio the median of the rounds' ratios. A run takes
under fifteen minutes, with BENCH_QUICK=1 about four. Writes JSON.

  bench.py [--dut NAME]... [--row NAME]... [--rounds N] [--secs S] [--json FILE]
           [--class NAME [--wait SECONDS]] [--bounds NS,NS,NS]
"""
import statistics
import sys

import distance
import harness as h

PEERS = ('testpmd', 'ovs')
# Ringway's goals: (peer, multiple of the peer's rate).
GOAL = {'64': ('testpmd', 1), '64-packed': ('testpmd', 1),
        '64-packed-inorder': ('testpmd', 1), '512': ('testpmd', 1.5),
        '1518': ('testpmd', 1.7), '1518-cold': ('testpmd', 1.8),
        'tso-16k': ('ovs', 2.5), 'tso-4k': ('ovs', 2.5)}


def cell(samples, name, row):
    """Returns a cell such as '9.31 Mpps +-3% (5)' or '43.3 Gbit/s +-1% (5), 50%
    lost', with the number of samples in parentheses."""
    value = h.median(samples, name, row.key, row.unit)
    if value is None:
        return '-'
    text = f'{value:.2f} Mpps' if row.unit == 'mpps' else f'{value:.1f} Gbit/s'
    v = h.values(samples, name, row.key, row.unit)
    if len(v) > 1:
        text += f' +-{h.spread(v):.0f}%'
    text += f' ({len(v)})'
    loss = h.median(samples, name, row.key, 'loss')
    return text + (f', {loss:.0f}% lost' if loss >= 1 else '')


def limits(samples, names, row):
    """Returns the sides that limit the rate, where the device does not."""
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
            line.append(f'{statistics.median(x):.2f} ({len(x)})' if x else '-')
        goal = GOAL.get(row.key)
        line.append(f'{goal[1]} x {goal[0]}' if goal else '')
        line.append(limits(samples, names, row))
        table.append(line)
    h.print_table(table)


def single_table(samples, names, lines):
    """Prints a table with a row for each of @lines: (title, row, field, form).
    """
    def number(n, key, field, form):
        v = h.median(samples, n, key, field)
        return '-' if v is None else form.format(v)
    table = [['', *names]]
    for title, key, field, form in lines:
        table.append([title, *(number(n, key, field, form) for n in names)])
    if any(c != '-' for line in table[1:] for c in line[1:]):
        print()
        h.print_table(table)


def stage_table(samples, rows):
    """Prints Ringway's own measurement of the rows, in cycles a frame."""
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


ROUND_TRIP = [('round trip of 64 B, p50', 'rtt', 'p50_us', '{:.2f} us'),
              ('round trip of 64 B, p99', 'rtt', 'p99_us', '{:.2f} us')]
IDLE = [('idle CPU, two silent ports', 'idle', 'cpu', '{:.2f} %'),
        ('start to ready', 'idle', 'startup_s', '{:.3f} s'),
        ('resident memory', 'idle', 'rss_MiB', '{:.0f} MiB'),
        ('hugepages', 'idle', 'hugepages_MiB', '{:.0f} MiB')]


def report(samples, single, names, rows):
    """Prints all tables. @samples: those with the distance between two
    processors; @single: those that need one processor or none."""
    for _, mine in h.each_class(samples):
        shown = [r for r in rows if any((n, r.key) in mine for n in names)]
        if shown:
            forward_table(mine, names, shown)
        single_table(mine, names, ROUND_TRIP)
        stage_table(mine, shown)
    single_table(single, names, IDLE)
    if ('memcpy', 'libc') in single:
        print('\nOne core copying 1500 B chunks, GB/s: ' + '; '.join(
            f'{m} ' + ', '.join(f'{ws} {h.median(single, "memcpy", m, ws):.1f}'
                                for ws in ('warm', 'l3', 'cold'))
            for m in ('libc', 'nt')))


def steps(wanted, secs):
    """Returns the steps of a round: [(title, row, function, devices)]."""
    found = [(f'{r.title}, {r.variant}', r.key,
              lambda d, r=r: h.measure(d, r, secs), r.duts)
             for r in h.FORWARD if r.key in wanted]
    if 'rtt' in wanted:
        found.append(('round trip', 'rtt', lambda d: h.round_trip(d, secs),
                      None))
    return found


def rounds(args, devices, wanted, meter, log, samples, pages):
    """Measures all rounds. Returns the reason of an early end, or None."""
    try:
        for turn in range(args.rounds):
            pages.renew()
            for title, key, step, duts in steps(wanted, args.secs):
                for d in h.in_turn(devices, turn):
                    if duts and d.dut not in duts:
                        continue
                    got = meter.take(samples, (d.name, key), turn,
                                     lambda d=d: step(d))
                    log.say(turn, f'{title}: {d.name}', got)
    except distance.NotReached as e:
        return str(e)
    except KeyboardInterrupt:
        return 'interrupted'
    return None


def main():
    p, quick = h.arguments(__doc__, 'bench', (5, 1), (1.5, 1.5))
    keys = [r.key for r in h.FORWARD] + ['rtt', 'idle', 'memcpy']
    p.add_argument('--dut', action='append', choices=list(h.DEVICES))
    p.add_argument('--row', action='append', choices=keys)
    args = p.parse_args()
    h.check_rights()
    h.build('vgen', 'membench')
    devices = []
    for name in args.dut or h.DEVICES:
        why = h.DEVICES[name].missing()
        print(f'{name} is left out: {why}') if why else \
            devices.append(h.DEVICES[name])
    wanted = args.row or keys
    samples, single, log = {}, {}, h.Log(args.rounds)
    with h.Hugepages() as pages:
        early = rounds(args, devices, wanted, h.meter(args), log, samples,
                       pages)
        for d in devices if 'idle' in wanted else []:
            got = h.idle(d, 2 if quick else 10)
            print(f'{log.seconds():5.0f} s  idle: {d.name}'
                  f'{"" if got else ": incomplete, see the logs in " + h.OUT}')
            if got:
                single[(d.name, 'idle')] = [got]
        if 'memcpy' in wanted:
            h.memcpy(single)
    report(samples, single, [d.name for d in devices],
           [r for r in h.FORWARD if r.key in wanted])
    print(f'\n{log.seconds():.0f} s')
    h.save(args.json, devices, {**samples, **single}, rounds=args.rounds,
           seconds=args.secs, bounds=args.bounds)
    if early:
        sys.exit(f'bench.py: ended early: {early}')


if __name__ == '__main__':
    main()
