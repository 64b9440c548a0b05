#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""guests.txt -> Markdown table.  usage: gtable.py FILE [backend ...]"""
import re, sys
runs, cur = [], None
for l in open(sys.argv[1]):
    if l.startswith('=='):
        cur = dict(x.split('=', 1) for x in re.findall(r'(\w+=(?:\d \d|\S+))', l)) | {'tcp': [], 'rtt': '-', 'sec': None}
        runs.append(cur)
    elif l.startswith('G_FEATURES'):
        cur['off'] = 'on' if 'segmentation-offload: on' in l else 'off'
    elif 'min/avg/max' in l:
        cur['rtt'] = l.split('=')[1].strip().replace(' ms', '')
    elif l.startswith('G_TCP'):
        cur['sec'] = 'to' if 'to peer' in l else 'from'
    elif l.startswith('G_UDP'):
        cur['sec'] = 'udp'
    elif 'receiver' in l and cur['sec'] == 'udp':
        m = re.search(r'(\d+)/(\d+) \((\S+)%\)', l); t = float(re.search(r'-(\d+\.\d+)\s+sec', l)[1])
        cur['udp'] = f"{(int(m[2]) - int(m[1])) / t / 1000:.0f} kpps ({m[3]} %)"
    elif 'receiver' in l:
        v, u = re.search(r'([\d.]+) ([MG])bits/sec', l).groups()
        cur['tcp'].append((cur['sec'], float(v) * (1000 if u == 'G' else 1)))
want = sys.argv[2:]
print('| backend | guest MTU | TSO in guest | cores (guests) | TCP to peer, Mbit/s | TCP from peer, Mbit/s | UDP 64 B | ping min/avg/max ms |')
print('|---|---|---|---|---|---|---|---|')
for r in runs:
    n = r.get('dut') if r['backend'] == 'dut' else r['backend']
    if want and r['backend'] not in want or not r['tcp']: continue
    to = ' and '.join(f'{v:.0f}' for s, v in r['tcp'] if s == 'to'); fr = ' and '.join(f'{v:.0f}' for s, v in r['tcp'] if s == 'from')
    print(f"| {n}{' (vhost-user)' if r['backend'] in ('ovs', 'dut') else ''} | {r.get('mtu', 1500)} | {r.get('off', '?')} | {r['cores']} | {to} | {fr} | {r.get('udp', '-')} | {r['rtt']} |")
