#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Boots a guest with each kind of network card, one after the other, and
compares: `ringway vm`, and QEMU with the same kernel and card.

Run by `make demo-vm`. All machines run in a guest of their own (tests/lab),
which has KVM and vhost-net whether this machine has them or not, and needs no
rights here. Where that KVM is emulated, times mean little: compare the counts.
"""
import argparse
import os
import sys
import tempfile

TOP = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..')
sys.path.append(os.path.join(TOP, 'tests', 'lab'))
import kvm_guest  # noqa: E402
import vm_compare  # noqa: E402

HEAD = ['CARD', 'MONITOR', 'KERNEL s', 'SHELL s', 'RTT ms', 'TCP OUT', 'TCP IN',
        'EXITS/PKT', 'CALLS/PKT', 'MONITOR MiB']


def cells(f):
    return [f'{f["kernel"]:.2f}', f'{f["shell"]:.1f}', f'{f["rtt"]:.2f}',
            f'{f["tcp_out"]:.2f}', f'{f["tcp_in"]:.2f}', f'{f["exits"]:.1f}',
            f'{f["calls"]:.1f}', f'{f["memory"]:.1f}']


def table(rows):
    width = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for row in rows:
        print('  '.join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in
                        enumerate(zip(row, width))).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--build', default='build')
    args = parser.parse_args()
    build = os.path.realpath(args.build)
    images = os.path.join(build, 'guest')
    kvm_guest.prepare(images, os.path.join(build, 'ringway'))
    kvm_guest.prepare_full(images)
    rows = [HEAD]
    with tempfile.TemporaryDirectory() as folder:
        guest = kvm_guest.start(folder, images, disks=('tools', 'full'))
        try:
            vm_compare.prepare(guest, vm_compare.PING + vm_compare.TCP)
            for card, monitors in vm_compare.MODES:
                for name, before, command in monitors:
                    print(f'{card}: {name} ...', flush=True)
                    try:
                        got = cells(vm_compare.run(guest, before, command))
                    except vm_compare.lab.LabError as e:
                        print(f'  failed: {e}')
                        got = ['-'] * (len(HEAD) - 2)
                    rows.append([card, name, *got])
        finally:
            guest.stop()
    print()
    table(rows)
    for card, why in vm_compare.ABSENT:
        print(f'{card}: skipped, this lab cannot show it: {why}')
    print(f'''
KERNEL, SHELL: from the monitor's start to the kernel's first line on the
console, and to the guest's shell. RTT: of {vm_compare.PINGS} pings to the tap.
TCP: Gbit/s from and to the guest. EXITS, CALLS: exits of the vCPU, and system
calls of the monitor and the switch, for each packet of those pings, less what
the idle machine has. MONITOR: its memory without the guest's.''')


if __name__ == '__main__':
    main()
