#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""guests.txt -> Markdown table.  usage: gtable.py FILE [backend ...]"""
import re
import sys


def parse(lines):
    """Returns a dict for each run of guests.sh: backend, tso, ..., and tcp: the
    Mbit/s that arrived and the CPU seconds a Gbit of (processes between the
    guests, QEMU). Each tcp and ping has the distance of the processors before
    and after it, in ns or None."""
    runs, cur = [], None
    distance, last = None, {}  # last reading; last connection or ping
    for line in lines:
        if line.startswith('=='):
            words = re.findall(r'(\w+=(?:\d \d|\S+))', line)
            cur = dict(w.split('=', 1) for w in words) | {
                'tcp': [], 'rtt': '-', 'ping': {}, 'sec': None}
            runs.append(cur)
            distance, last = None, {}
        elif line.startswith('G_DISTANCE'):
            distance = int(line.split()[1]) or None
            last['distance_after'] = distance
        elif line.startswith('G_FEATURES'):
            cur['off'] = 'on' if 'segmentation-offload: on' in line else 'off'
        elif 'min/avg/max' in line:
            cur['rtt'] = line.split('=')[1].strip().replace(' ms', '')
            last = cur['ping'] = {'avg_ms': float(cur['rtt'].split('/')[1]),
                                  'distance_before': distance}
        elif line.startswith('G_TCP'):
            cur['sec'] = 'to' if 'to peer' in line else 'from'
        elif line.startswith('G_UDP'):
            cur['sec'] = 'udp'
        elif line.startswith('G_CPU') and cur['tcp']:
            run = cur['tcp'][-1]
            run['cost'] = [float(v) / run['gbit']
                           for v in re.findall(r'=([\d.]+)', line)]
        elif 'receiver' in line and cur['sec'] == 'udp':
            m = re.search(r'(\d+)/(\d+) \((\S+)%\)', line)
            t = float(re.search(r'-(\d+\.\d+)\s+sec', line)[1])
            cur['udp'] = (f'{(int(m[2]) - int(m[1])) / t / 1000:.0f} kpps '
                          f'({m[3]} %)')
        elif 'receiver' in line:
            t, v, u = re.search(r'-([\d.]+)\s+sec.* ([\d.]+) ([MG])bits/sec',
                                line).groups()
            mbps = float(v) * (1000 if u == 'G' else 1)
            last = {'way': cur['sec'], 'mbps': mbps,
                    'gbit': mbps * float(t) / 1000,
                    'distance_before': distance}
            cur['tcp'].append(last)
    return runs


def rates(run, way):
    return ' and '.join(f'{t["mbps"]:.0f}' for t in run['tcp']
                        if t['way'] == way)


def main():
    with open(sys.argv[1]) as f:
        runs = parse(f)
    want = sys.argv[2:]
    print('| backend | guest MTU | TSO in guest | cores (guests) | TCP to peer,'
          ' Mbit/s | TCP from peer, Mbit/s | UDP 64 B | ping min/avg/max ms |')
    print('|---|---|---|---|---|---|---|---|')
    for r in runs:
        n = r.get('dut') if r['backend'] == 'dut' else r['backend']
        if want and r['backend'] not in want or not r['tcp']:
            continue
        kind = ' (vhost-user)' if r['backend'] in ('ovs', 'dut') else ''
        print(f"| {n}{kind} | {r.get('mtu', 1500)} | {r.get('off', '?')} | "
              f"{r['cores']} | {rates(r, 'to')} | {rates(r, 'from')} | "
              f"{r.get('udp', '-')} | {r['rtt']} |")


if __name__ == '__main__':
    main()
