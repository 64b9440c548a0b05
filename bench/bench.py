#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""VM-to-VM forwarding rate of Ringway beside DPDK testpmd and Open vSwitch.

One generator core, one switch core. The devices are measured in turns, round
after round, since the machine's own speed drifts; a cell is the median of its
windows. About ten minutes; BENCH_QUICK=1 about three. Prints a table and
writes JSON.

  bench.py [--dut NAME]... [--rounds N] [--secs S] [--json FILE]
"""
import argparse
import csv
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.environ.get('BENCH_TMP', os.path.join(HERE, '..', 'build', 'bench'))

# (title, virtqueue, size, tso): one line of the table each
CELLS = [
    ('64 B', 'split-mrg', 64, False),
    ('512 B', 'split-mrg', 512, False),
    ('1518 B', 'split-mrg', 1518, False),
    ('64 KiB TSO', 'split-mrg', 65000, True),
    ('64 B', 'packed', 64, False),
    ('512 B', 'packed', 512, False),
    ('1518 B', 'packed', 1518, False),
    ('64 KiB TSO', 'packed-mrg', 65000, True),
]

# Each peer in the form that does best; for TSO testpmd needs large buffers.
DUTS = {
    'testpmd': {'tso': {'LARGE': '1', 'MBUF': '65535', 'DUT_MBUFS': '3000',
                        'DUT_RXD': '128', 'DUT_MEM': '1024'}},
    'ovs': {'tso': {}},
    'ringway': {'tso': {}},
}
PEERS = ('testpmd', 'ovs')


def missing(dut):
    """Why this device cannot be measured here, or None."""
    if dut == 'ringway':
        return None
    program = {'testpmd': 'dpdk-testpmd', 'ovs':
               '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk'}[dut]
    return None if shutil.which(program) else f'{program} is not installed'


def measure(dut, tso, secs, samples):
    """One start of the device, one window of every cell of this kind."""
    cells = [c for c in CELLS if c[3] == tso]
    path = os.path.join(OUT, 'bench-round.csv')
    if os.path.exists(path):
        os.remove(path)
    for variants, sizes in group(cells):
        env = dict(os.environ, DUT=dut, CSV=path, SECS=str(secs), WARM='0.5',
                   REPEAT='1', VARIANTS=' '.join(variants),
                   SIZES=' '.join(str(s) for s in sizes))
        if tso:
            env.update(TSO='1', GEN_MEM='1024',
                       EXTRA='--rxbuf 16384 --tso 1448', **DUTS[dut]['tso'])
        with open(os.path.join(OUT, f'bench-{dut}.log'), 'a') as log:
            subprocess.run([os.path.join(HERE, 'vm2vm.sh')], env=env,
                           stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        with open(path) as f:
            rows = list(csv.DictReader(f))
    except OSError:
        rows = []
    for row in rows:
        key = (dut, row['variant'], int(row['size']))
        samples.setdefault(key, []).append({
            'mpps': float(row['mpps']), 'gbps': float(row['gbps']),
            'txfull': float(row['txfull_pct']), 'loss': float(row['loss_pct']),
            'limit': row['limit']})
    return len(rows) == len(cells)


def group(cells):
    """Cells that one start of the device can measure: same set of sizes."""
    sizes = {}
    for _, variant, size, _ in cells:
        sizes.setdefault(variant, []).append(size)
    groups = {}
    for variant, s in sizes.items():
        groups.setdefault(tuple(s), []).append(variant)
    return [(v, s) for s, v in groups.items()]


def median(samples, key, field):
    values = [s[field] for s in samples.get(key, [])]
    return statistics.median(values) if values else None


def text(samples, key, tso):
    """'9.31 Mpps +-3 %', '43.3 Gbit/s'"""
    rate = median(samples, key, 'mpps')
    if not rate:
        return '-'
    values = [s['mpps'] for s in samples[key]]
    spread = 50 * (max(values) - min(values)) / rate
    loss = median(samples, key, 'loss')
    value = f'{median(samples, key, "gbps"):.1f} Gbit/s' if tso else \
        f'{rate:.2f} Mpps'
    return value + (f' +-{spread:.0f}%' if len(values) > 1 else '') + \
        (f', {loss:.0f}% lost' if loss >= 1 else '')


def report(samples, duts):
    head = ['virtqueue', 'frame', *duts]
    head += [f'ringway/{p}' for p in duts if p in PEERS and 'ringway' in duts]
    rows = [head]
    for title, variant, size, tso in CELLS:
        row = [variant, title]
        row += [text(samples, (d, variant, size), tso) for d in duts]
        ours = median(samples, ('ringway', variant, size), 'mpps')
        for peer in duts:
            if peer in PEERS and 'ringway' in duts:
                other = median(samples, (peer, variant, size), 'mpps')
                row.append(f'{ours / other:.2f}' if ours and other else '-')
        rows.append(row)
    width = [max(len(r[i]) for r in rows) for i in range(len(head))]
    rows.insert(1, ['-' * w for w in width])
    for row in rows:
        print('| ' + ' | '.join(c.ljust(w) for c, w in zip(row, width)) + ' |')
    sides = {s['limit'] for (d, *_), c in samples.items() if d == 'ringway'
             for s in c}
    if sides - {'DUT'}:
        print('Side that limits Ringway\'s rows:', ', '.join(sorted(sides)))


def main():
    quick = os.environ.get('BENCH_QUICK', '0') not in ('', '0')
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument('--dut', action='append', choices=list(DUTS))
    p.add_argument('--rounds', type=int, default=1 if quick else 3)
    p.add_argument('--secs', type=float, default=2 if quick else 3)
    p.add_argument('--json', default=os.path.join(OUT, 'bench.json'))
    args = p.parse_args()
    os.makedirs(OUT, exist_ok=True)
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit('bench: two cores are needed, one for the generator')
    if os.geteuid() != 0:
        sys.exit('bench: please run as root: the generator and the peers '
                 'need hugepages')
    subprocess.run([os.path.join(HERE, 'build.sh'), 'vgen'], check=True)
    duts = []
    for dut in args.dut or DUTS:
        why = missing(dut)
        print(f'{dut} is left out: {why}') if why else duts.append(dut)
    pages = '/proc/sys/vm/nr_hugepages'
    with open(pages) as f:
        before = f.read()
    samples, start = {}, time.monotonic()
    try:
        for r in range(args.rounds):
            for dut in duts:
                for tso in (False, True):
                    ok = measure(dut, tso, args.secs, samples)
                    print(f'{time.monotonic() - start:5.0f} s  round {r + 1} '
                          f'of {args.rounds}: {dut}{" TSO" if tso else ""}'
                          f'{"" if ok else ": incomplete, see the log in " + OUT}',
                          flush=True)
    finally:
        with open(pages, 'w') as f:
            f.write(before)
    print()
    report(samples, duts)
    with open(args.json, 'w') as f:
        json.dump({
            'when': time.strftime('%Y-%m-%dT%H:%M:%S%z'),
            'kernel': platform.release(), 'cpu': cpu_model(),
            'rounds': args.rounds, 'seconds': args.secs,
            'cells': [{
                'dut': d, 'virtqueue': v, 'size': s,
                'mpps': median(samples, (d, v, s), 'mpps'),
                'gbps': median(samples, (d, v, s), 'gbps'), 'samples': c,
            } for (d, v, s), c in samples.items()]}, f, indent=1)
    print(f'\n{time.monotonic() - start:.0f} s; JSON in '
          f'{os.path.relpath(args.json)}')


def cpu_model():
    with open('/proc/cpuinfo') as f:
        for line in f:
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return '?'


main()
