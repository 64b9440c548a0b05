#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints vm2vm.csv as Markdown.

  report.py CSV [pivot]   pivot: Mpps or Gbit/s of the plain runs, by frame size
                          and virtqueue
"""
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1])))
if len(sys.argv) > 2:
    plain = [r for r in rows if r['qsize'] == '256' and not r['extra'] and '/' not in r['mode']]
    cols = list(dict.fromkeys((r['dut'], r['mode'], r['role'], r['variant']) for r in plain))
    sizes = sorted({int(r['size']) for r in plain})
    cell = {(r['dut'], r['mode'], r['role'], r['variant'], int(r['size'])): r for r in plain}
    print('| DUT, mode, DUT socket role, virtqueue | ' + ' | '.join(f'{s} B' for s in sizes) + ' |')
    print('|---' * (len(sizes) + 1) + '|')
    for c in cols:
        def v(s):
            r = cell.get(c + (s,))
            return f"{float(r['mpps']):.2f} / {float(r['gbps']):.1f}" if r else ''
        print(f"| {', '.join(c)} | " + ' | '.join(v(s) for s in sizes) + ' |')
    sys.exit()
print('| DUT | mode | DUT role | virtqueue | ring | size | extra | Mpps (min..max) | Gbit/s | Tx full % | loss % | limit |')
print('|---|---|---|---|---|---|---|---|---|---|---|---|')
for r in rows:
    print(f"| {r['dut']} | {r['mode']} | {r['role']} | {r['variant']} | {r['qsize']} | {r['size']} | {r['extra']} | "
          f"{float(r['mpps']):.3f} ({float(r['min']):.3f}..{float(r['max']):.3f}) | {float(r['gbps']):.1f} | {r['txfull_pct']} | {r['loss_pct']} | {r['limit']} |")
