#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures two real Linux guests over Ringway, tap + Linux bridge, QEMU's
stream netdev and Open vSwitch: TCP (iperf3), ping, and their CPU time.

Each round measures the backends in turn (guests.sh, which boots both guests
anew). Without KVM the guests are emulated and are the bottleneck; the CPU time
a Gbit of the processes between them still shows how the switches differ. Open
vSwitch keeps a core busy, so beside it both guests share the other core;
Ringway is measured that way too. The guests of "ringway, uml" are
user-mode-linux, which runs at native speed without KVM. The distance between
the processors (distance.py) is measured before and after each connection and
ping; each class has a table. --class waits before the guests boot.

  guests.py [--backend NAME]... [--rounds N] [--secs S] [--json FILE]
            [--class NAME [--wait SECONDS]] [--bounds NS,NS,NS]
"""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import distance
import gtable
import harness as h

BACKENDS = {
    'ringway': {'BACKEND': 'dut', 'DUT': 'ringway', 'PIN': 'no'},
    'tap': {'BACKEND': 'tap'},
    'stream': {'BACKEND': 'stream'},
    'ringway, one core': {'BACKEND': 'dut', 'DUT': 'ringway', 'CORES': '0 0'},
    'ovs, one core': {'BACKEND': 'ovs', 'CORES': '0 0'},
    'ringway, uml': {'BACKEND': 'uml', 'DUT': 'ringway', 'PIN': 'no'},
}
TCP_A_RUN = 3  # connections that guest_pair.py makes


def measure(backend, secs):
    res = tempfile.mkdtemp(prefix='res.', dir=h.OUT)
    env = dict(os.environ, RES=res, SECS=str(int(secs)), RINGWAY=h.RINGWAY,
               **BACKENDS[backend])
    with open(os.path.join(h.OUT, 'log-guests.txt'), 'a') as log:
        h.run_group([os.path.join(h.HERE, 'guests.sh')], env=env,
                    stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        with open(f'{res}/guests.txt') as f:
            runs = gtable.parse(f)
    except OSError:
        runs = []
    shutil.rmtree(res, ignore_errors=True)
    return runs[0] if runs else None


def samples_of(run, bounds):
    """Returns the samples of a run with their classes: three TCP connections
    and the ping."""
    return {'tcp': distance.label_all([t for t in run['tcp'] if 'cost' in t],
                                      bounds),
            'ping': distance.label_all([run['ping']] if run['ping'] else [],
                                       bounds)}


def number(values, form):
    """Returns text such as '476 +-12% (9)'."""
    if not values:
        return '-'
    return (f'{form.format(statistics.median(values))} '
            f'+-{h.spread(values):.0f}% ({len(values)})')


def report(samples, backends):
    """Prints the table of one class."""
    table = [['backend', 'TCP, Mbit/s', 'Ringway / this', 'ping avg, ms',
              'CPU s a Gbit: switch', 'switch and guests']]
    for name in backends:
        tcp = samples.get((name, 'tcp'), [])
        x = distance.ratios(samples.get(('ringway', 'tcp'), []), tcp, 'mbps')
        has_switch = 'DUT' in BACKENDS[name] or \
            BACKENDS[name]['BACKEND'] == 'ovs'
        table.append([
            name, number([t['mbps'] for t in tcp], '{:.0f}'),
            f'{statistics.median(x):.2f} ({len(x)})'
            if x and name != 'ringway' else '-',
            number([p['avg_ms'] for p in samples.get((name, 'ping'), [])],
                   '{:.2f}'),
            number([t['cost'][0] for t in tcp], '{:.3f}') if has_switch
            else 'in QEMU and kernel',
            number([sum(t['cost']) for t in tcp], '{:.2f}')])
    h.print_table(table)


def rounds(args, backends, meter, samples):
    """Measures all rounds. Returns the reason of an early end, or None."""
    log = h.Log(args.rounds)
    try:
        for turn in range(args.rounds):
            for name in backends:
                with meter.busy(turn):
                    meter.wait()
                run = measure(name, args.secs)
                found = samples_of(run, args.bounds) if run else {}
                for kind, those in found.items():
                    for i, s in enumerate(those):
                        s['round'] = turn * TCP_A_RUN + i
                        samples.setdefault((name, kind), []).append(s)
                        log.say(turn, f'{name}: {kind}', s)
                if not run:
                    log.say(turn, name, None)
    except distance.NotReached as e:
        return str(e)
    return None


def main():
    p, _ = h.arguments(__doc__, 'guests', (3, 1), (5, 3))
    p.add_argument('--backend', action='append', choices=list(BACKENDS))
    args = p.parse_args()
    h.check_rights()
    h.build()
    samples, backends = {}, args.backend or list(BACKENDS)
    with h.Hugepages():
        early = rounds(args, backends, h.meter(args), samples)
    for _, mine in h.each_class(samples):
        report(mine, [b for b in backends
                      if any(name == b for name, _ in mine)])
    h.save(args.json, [], samples, rounds=args.rounds, seconds=args.secs,
           bounds=args.bounds)
    if early:
        sys.exit(f'guests.py: ended early: {early}')


if __name__ == '__main__':
    main()
