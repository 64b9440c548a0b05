#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Boots a guest with each kind of network card, one after the other, and
compares: `ringway vm`, and QEMU with the same kernel and card.

Run by `make demo-vm`. All machines run in a guest of their own (tests/lab),
which has KVM and vhost-net whether this machine has them or not, and needs no
rights here. Where that KVM is emulated, times mean little: compare the counts.
"""
import argparse
import base64
import os
import re
import sys
import tempfile

TOP = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..')
sys.path.append(os.path.join(TOP, 'tests', 'lab'))
import kvm_guest  # noqa: E402

lab = kvm_guest.lab

PINGS = 200
LIMIT = 100  # seconds of a machine's life
APPEND = 'console=ttyS0 mitigations=off tsc=reliable no_timer_check panic=-1 ' \
    'rdinit=/init'

# What the guest does; a mark makes the lab read its counters.
GUEST = f'''
echo MARK shell
ip link set eth0 up; ip addr add 10.9.0.2/24 dev eth0
ping -q -c 3 10.9.0.1 >/dev/null
echo MARK idle
sleep 4
echo MARK ping
ping -q -A -c {PINGS} 10.9.0.1 | grep -E "received|round-trip"
echo MARK tcp
iperf3 -c 10.9.0.1 -t 4 -f m | grep receiver
iperf3 -c 10.9.0.1 -t 4 -R -f m | grep receiver
echo MARK end
'''

# Reads the machine's console and adds to each mark: the time, exits of all
# vCPUs, and system calls of the monitor and the switch.
WATCH = r'''
tids() { for p in $(cat /tmp/monitor.pid /tmp/switch.pid 2>/dev/null); do
	ls /proc/$p/task 2>/dev/null; done | tr '\n' ' '; }
calls() { awk -v t=" $(tids)" '/common_pid:/ { p = $3; sub(/,/, "", p)
	if (index(t, " " p " ")) n += $NF } END { print n + 0 }' \
	/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/hist; }
rss() { awk '/^[0-9a-f]+-/ { ram = /memfd/ } /^Rss:/ && !ram { n += $2 }
	END { print n + 0 }' /proc/$(cat /tmp/monitor.pid)/smaps; }
first=
while read -r line; do
	[ -n "$first" ] || case $line in *Linux*version*)
		first=1; echo "FIRST $(cut -d' ' -f1 /proc/uptime)" ;;
	esac
	case $line in
	*MARK*) echo "MARK ${line##*MARK } $(cut -d' ' -f1 /proc/uptime)" \
		"$(cat /sys/kernel/debug/kvm/exits) $(calls) $(rss)" ;;
	*) echo "$line" ;;
	esac
done
'''

TAP = '/tools/bin/ip tuntap add rwv0 mode tap vnet_hdr; ' \
    'ip addr add 10.9.0.1/24 dev rwv0; ip link set rwv0 up; '
SWITCH = TAP + \
    'ringway up --control /tmp/sw.sock -netdev vhost-user,id=vm,path=' \
    '/tmp/vm.sock -netdev tap,id=t,ifname=rwv0 >/tmp/sw.log 2>&1 & ' \
    'echo $! >/tmp/switch.pid; sleep 1; '

RINGWAY = 'ringway vm -m 192 -kernel /guest/vmlinuz -initrd /guest/initrd.gz ' \
    '-append "$(cat /tmp/append)" -device virtio-net-pci,netdev=n '
QEMU = '/tools/bin/qemu-system-x86_64 -accel kvm -cpu host -nodefaults ' \
    '-no-user-config -display none -no-reboot -serial stdio -m 192 -object ' \
    'memory-backend-memfd,id=ram,size=192M,share=on -machine ' \
    '{machine},memory-backend=ram -kernel /guest/vmlinuz -initrd ' \
    '/guest/initrd.gz -append "$(cat /tmp/append)" -device ' \
    '{card},netdev=n '
Q35 = {'machine': 'q35', 'card': 'virtio-net-pci,romfile='}
MICRO = {'machine': 'microvm,pcie=on,acpi=on,rtc=on',
         'card': 'virtio-net-pci,romfile='}
VHOST_USER = '-chardev socket,id=c,path=/tmp/vm.sock -netdev ' \
    'vhost-user,id=n,chardev=c'
QTAP = '-netdev tap,id=n,ifname=rwv0,script=no,downscript=no,vhost='

MODES = [
    ('in the monitor', [
        ('ringway vm', TAP, RINGWAY + '-netdev tap,id=n,ifname=rwv0'),
        ('QEMU q35', TAP, QEMU.format(**Q35) + QTAP + 'off'),
        ('QEMU microvm', TAP, QEMU.format(**MICRO) + QTAP + 'off')]),
    ('vhost-net', [
        ('ringway vm', TAP,
         RINGWAY + '-netdev tap,id=n,ifname=rwv0,vhost=on'),
        ('QEMU q35', TAP, QEMU.format(**Q35) + QTAP + 'on')]),
    ('vhost-user', [
        ('ringway vm', SWITCH, RINGWAY + VHOST_USER),
        ('QEMU q35', SWITCH, QEMU.format(**Q35) + VHOST_USER)]),
]
HEAD = ['CARD', 'MONITOR', 'KERNEL s', 'SHELL s', 'RTT ms', 'TCP OUT', 'TCP IN',
        'EXITS/PKT', 'CALLS/PKT', 'MONITOR MiB']


def put(guest, path, text):
    """Writes a file in the lab, through its console."""
    word = base64.b64encode(text.encode()).decode()
    guest.run(f'rm -f {path}.b64')
    for i in range(0, len(word), 700):
        guest.run(f'echo {word[i:i + 700]} >>{path}.b64')
    guest.run(f'base64 -d {path}.b64 >{path}')


def figures(text):
    """Returns the columns of a run, of what the watcher printed."""
    mark, first = {}, re.search(r'FIRST ([\d.]+)', text)
    for m in re.finditer(r'MARK (\w+) ([\d.]+) (\d+) (\d+) (\d+)', text):
        mark[m.group(1)] = [float(v) for v in m.groups()[1:]]
    begun = float(re.search(r'BEGIN ([\d.]+)', text).group(1))
    idle = [(mark['ping'][i] - mark['idle'][i]) /
            (mark['ping'][0] - mark['idle'][0]) for i in range(3)]
    seconds = mark['tcp'][0] - mark['ping'][0]

    def packet(i):
        spent = mark['tcp'][i] - mark['ping'][i] - idle[i] * seconds
        return max(0, spent) / (2 * PINGS)
    rtt = re.search(r'round-trip min/avg/max = [\d.]+/([\d.]+)', text)
    rates = re.findall(r'([\d.]+) Mbits/sec.*receiver', text)
    return [f'{float(first.group(1)) - begun:.2f}',
            f'{mark["shell"][0] - begun:.1f}',
            rtt.group(1) if rtt else '-',
            *[f'{float(r) / 1000:.2f}' for r in (rates + ['nan', 'nan'])[:2]],
            f'{packet(1):.1f}', f'{packet(2):.1f}',
            f'{mark["ping"][3] / 1024:.1f}']


def run(guest, prepare, command):
    guest.run('rm -f /tmp/*.pid; ' + prepare, 20)
    try:
        guest.run(
            'echo "BEGIN $(cut -d" " -f1 /proc/uptime)" >/tmp/out; '
            f'(({command} </dev/null & echo $! >/tmp/monitor.pid; '
            'wait $(cat /tmp/monitor.pid)) 2>&1 | sh /tmp/watch.sh '
            '>>/tmp/out) >/dev/null 2>&1 &')
        try:
            lab.wait_until(
                lambda: 'MARK end' in guest.run('tail -n 9 /tmp/out'),
                LIMIT, 'the end of the guest', 1)
        finally:
            text = guest.run('cat /tmp/out')
        return figures(text)
    except lab.LabError as e:
        raise lab.LabError(f'{e}\n' + '\n'.join(text.splitlines()[-8:]))
    finally:
        guest.run('kill -9 $(cat /tmp/switch.pid /tmp/monitor.pid) '
                  '2>/dev/null; sleep 0.3; ip link del rwv0 2>/dev/null; '
                  'rm -f /tmp/*.pid /tmp/*.sock', check=False)


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
    rows = [HEAD]
    with tempfile.TemporaryDirectory() as folder:
        guest = kvm_guest.start(folder, images)
        try:
            put(guest, '/tmp/watch.sh', WATCH)
            word = base64.b64encode(GUEST.encode()).decode()
            put(guest, '/tmp/append', f'{APPEND} rw.run={word}')
            guest.run('mount -t debugfs none /sys/kernel/debug; '
                      'echo hist:keys=common_pid >/sys/kernel/debug/tracing/'
                      'events/raw_syscalls/sys_enter/trigger; iperf3 -s -D')
            for card, monitors in MODES:
                for name, prepare, command in monitors:
                    print(f'{card}: {name} ...', flush=True)
                    try:
                        got = run(guest, prepare, command)
                    except lab.LabError as e:
                        print(f'  failed: {e}')
                        got = ['-'] * (len(HEAD) - 2)
                    rows.append([card, name, *got])
        finally:
            guest.stop()
    print()
    table(rows)
    print(f'''
KERNEL, SHELL: from the monitor's start to the kernel's first line on the
console, and to the guest's shell. RTT: of {PINGS} pings to the tap. TCP: Gbit/s
from and to the guest. EXITS, CALLS: exits of the vCPU, and system calls of the
monitor and the switch, for each packet of those pings, less what the idle
machine has. MONITOR: its memory without the guest's.''')


if __name__ == '__main__':
    main()
