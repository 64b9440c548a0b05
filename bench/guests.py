#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two real Linux guests over Ringway, tap + Linux bridge, QEMU's stream netdev
and Open vSwitch: TCP (iperf3), ping, and what it costs in CPU time.

The backends are measured in turns, round after round (guests.sh, both guests
booted anew). Without KVM the guests are emulated and the bottleneck; the CPU
time a Gbit of what lies between them still tells the switches apart. Open
vSwitch keeps a core busy, so beside it both guests share the other one; Ringway
is measured like that too.

  guests.py [--backend NAME]... [--rounds N] [--secs S] [--json FILE]
"""
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time

import gtable
import harness as h

BACKENDS = {
    'ringway': {'BACKEND': 'dut', 'DUT': 'ringway', 'PIN': 'no'},
    'tap': {'BACKEND': 'tap'},
    'stream': {'BACKEND': 'stream'},
    'ringway, one core': {'BACKEND': 'dut', 'DUT': 'ringway', 'CORES': '0 0'},
    'ovs, one core': {'BACKEND': 'ovs', 'CORES': '0 0'},
}


def measure(backend, secs):
    res = tempfile.mkdtemp(prefix='res.', dir=h.OUT)
    env = dict(os.environ, RES=res, SECS=str(int(secs)), RINGWAY=h.RINGWAY,
               **BACKENDS[backend])
    with open(os.path.join(h.OUT, 'log-guests.txt'), 'a') as log:
        subprocess.run([os.path.join(h.HERE, 'guests.sh')], env=env,
                       stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        with open(f'{res}/guests.txt') as f:
            runs = gtable.parse(f)
    except OSError:
        runs = []
    shutil.rmtree(res, ignore_errors=True)
    return runs[0] if runs else None


def number(values, form):
    """'476 +-12%'"""
    if not values:
        return '-'
    return (f'{form.format(statistics.median(values))} '
            f'+-{h.spread(values):.0f}%')


def report(samples):
    table = [['backend', 'TCP, Mbit/s', 'ping avg, ms',
              'CPU s a Gbit: switch', 'switch and guests']]
    for name, runs in samples.items():
        tcp = [t for r in runs for t in r['tcp'] if 'cost' in t]
        table.append([
            name, number([t['mbps'] for t in tcp], '{:.0f}'),
            number([float(r['rtt'].split('/')[1]) for r in runs
                    if '/' in r['rtt']], '{:.2f}'),
            number([t['cost'][0] for t in tcp], '{:.3f}')
            if 'dut' in runs[0]['backend'] or 'ovs' in runs[0]['backend']
            else 'in QEMU and kernel',
            number([sum(t['cost']) for t in tcp], '{:.2f}')])
    print()
    h.print_table(table)


def main():
    p, _ = h.arguments(__doc__, 'guests', (3, 1), (5, 3))
    p.add_argument('--backend', action='append', choices=list(BACKENDS))
    args = p.parse_args()
    h.check_rights()
    samples, start = {}, time.monotonic()
    with h.Hugepages():
        for r in range(args.rounds):
            for name in args.backend or BACKENDS:
                run = measure(name, args.secs)
                if run:
                    samples.setdefault(name, []).append(run)
                print(f'{time.monotonic() - start:5.0f} s  round {r + 1} of '
                      f'{args.rounds}: {name}'
                      f'{"" if run else ": failed, see the logs in " + h.OUT}',
                      flush=True)
    report(samples)
    with open(args.json, 'w') as f:
        json.dump({'commit': h.commit(), 'machine': h.machine(),
                   'runs': samples}, f, indent=1)
    print(f'JSON: {os.path.relpath(args.json)}')


main()
