# SPDX-License-Identifier: Apache-2.0
"""Runs guests with `ringway vm` and QEMU in the lab, one after the other, and
counts: for scripts/demo-vm.py and tests/system/test_vm_compare.py."""
import base64
import re

import kvm_guest

lab = kvm_guest.lab

PINGS = 200
LIMIT = 200  # seconds of a machine's life
APPEND = 'console=ttyS0 mitigations=off tsc=reliable no_timer_check panic=-1 ' \
    'rdinit=/init'

# What the guest does; a mark makes the lab read its counters.
PING = f'''
echo MARK shell
ip link set eth0 up; ip addr add 10.9.0.2/24 dev eth0
ping -q -c 3 10.9.0.1 >/dev/null
echo MARK idle
sleep 4
echo MARK ping
ping -q -A -c {PINGS} 10.9.0.1 | grep -E "received|round-trip"
echo MARK tcp
'''
TCP = '''
iperf3 -c 10.9.0.1 -t 4 -f m | grep receiver
iperf3 -c 10.9.0.1 -t 4 -R -f m | grep receiver
'''
# The machine lives until the lab has read its counters.
END = 'echo MARK end; sleep 2'

# Counts system calls of each thread of the lab, since a run began.
HIST = '/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter'
COUNT = f'echo hist:keys=common_pid:size=16384 >{HIST}/trigger; '

# Reads the machine's console and adds to each mark: the time, exits of all
# vCPUs, and system calls of the monitor and the switch.
WATCH = r'''
tids() { for p in $(cat /tmp/monitor.pid /tmp/switch.pid 2>/dev/null); do
	ls /proc/$p/task 2>/dev/null; done | tr '\n' ' '; }
calls() { awk -v t=" $(tids)" '/common_pid:/ { p = $3; sub(/,/, "", p)
	if (index(t, " " p " ")) n += $NF } END { print n + 0 }' \
	HIST/hist; }
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
'''.replace('HIST', HIST)

TAP = '/tools/bin/ip tuntap add rwv0 mode tap vnet_hdr; ' \
    'ip addr add 10.9.0.1/24 dev rwv0; ip link set rwv0 up; '
SWITCH = TAP + \
    'ringway up --control /tmp/sw.sock -netdev vhost-user,id=vm,path=' \
    '/tmp/vm.sock -netdev tap,id=t,ifname=rwv0 >/tmp/sw.log 2>&1 & ' \
    'echo $! >/tmp/switch.pid; sleep 1; '

QTAP = '-netdev tap,id=n,ifname=rwv0,script=no,downscript=no,vhost='
VHOST_USER = '-chardev socket,id=c,path=/tmp/vm.sock -netdev ' \
    'vhost-user,id=n,chardev=c'
VIRTIO = 'virtio-net-pci'
Q35 = 'q35'
MICRO = 'microvm,pcie=on,acpi=on,rtc=on'


def guest_of(folder):
    return f'-m 192 -kernel {folder}/vmlinuz -initrd {folder}/initrd.gz ' \
        '-append "$(cat /tmp/append)" '


def ringway(back_end, card=VIRTIO, folder='/guest'):
    return f'ringway vm {guest_of(folder)} {back_end} -device {card},netdev=n'


def qemu(machine, back_end, card=VIRTIO, folder='/guest'):
    return '/tools/bin/qemu-system-x86_64 -accel kvm -cpu host -nodefaults ' \
        '-no-user-config -display none -no-reboot -serial stdio -object ' \
        'memory-backend-memfd,id=ram,size=192M,share=on -machine ' \
        f'{machine},memory-backend=ram {guest_of(folder)} {back_end} ' \
        f'-device {card},romfile=,netdev=n'


def emulated(card):
    """Returns the mode of an emulated card, whose driver is in /full."""
    return (card, [
        ('ringway vm', TAP, ringway('-netdev tap,id=n,ifname=rwv0', card,
                                    '/full')),
        ('QEMU q35', TAP, qemu(Q35, QTAP + 'off', card, '/full'))])


# (card, [(monitor, what comes before it, its command line)])
MODES = [
    ('in the monitor', [
        ('ringway vm', TAP, ringway('-netdev tap,id=n,ifname=rwv0')),
        ('QEMU q35', TAP, qemu(Q35, QTAP + 'off')),
        ('QEMU microvm', TAP, qemu(MICRO, QTAP + 'off'))]),
    ('vhost-net', [
        ('ringway vm', TAP, ringway('-netdev tap,id=n,ifname=rwv0,vhost=on')),
        ('QEMU q35', TAP, qemu(Q35, QTAP + 'on'))]),
    ('vhost-user', [
        ('ringway vm', SWITCH, ringway(VHOST_USER)),
        ('QEMU q35', SWITCH, qemu(Q35, VHOST_USER))]),
    emulated('e1000'),
    emulated('e1000e'),
    emulated('rtl8139'),
]
# Cards that `ringway vm` has, too, and what this lab lacks for them.
ABSENT = [
    ('vhost-vdpa', 'its kernel has no VDUSE'),
    ('vfio-pci', 'it has no IOMMU'),
]


def prepare(guest, script, append=APPEND):
    """Makes the lab ready for run(); @script is what its guests do, @append the
    command line of their kernel."""
    guest.put('/tmp/watch.sh', WATCH)
    word = base64.b64encode((script + END).encode()).decode()
    guest.put('/tmp/append', f'{append} rw.run={word}')
    guest.run('mount -t debugfs none /sys/kernel/debug; ' + COUNT +
              'iperf3 -s -D')


def figures(text):
    """Returns what a run was, of what the watcher printed: seconds to the
    kernel's first line and to the shell, ms of a ping, Gbit/s of TCP from and
    to the guest, exits and system calls a packet, MiB of the monitor. What is
    not known is NaN."""
    mark, first = {}, re.search(r'FIRST ([\d.]+)', text)
    # The memory of a monitor that has just ended is not known.
    for m in re.finditer(r'MARK (\w+) ([\d.]+) (\d+) (\d+) (\d*)', text):
        mark[m.group(1)] = [float(v or 'nan') for v in m.groups()[1:]]
    begun = float(re.search(r'BEGIN ([\d.]+)', text).group(1))
    idle = [(mark['ping'][i] - mark['idle'][i]) /
            (mark['ping'][0] - mark['idle'][0]) for i in range(3)]
    seconds = mark['tcp'][0] - mark['ping'][0]

    def packet(i):
        spent = mark['tcp'][i] - mark['ping'][i] - idle[i] * seconds
        return max(0, spent) / (2 * PINGS)
    rtt = re.search(r'round-trip min/avg/max = [\d.]+/([\d.]+)', text)
    rates = re.findall(r'([\d.]+) Mbits/sec.*receiver', text)
    out, back = [float(r) / 1000 for r in (rates + ['nan', 'nan'])[:2]]
    return {'kernel': float(first.group(1)) - begun if first else float('nan'),
            'shell': mark['shell'][0] - begun,
            'rtt': float(rtt.group(1)) if rtt else float('nan'),
            'tcp_out': out, 'tcp_in': back,
            'exits': packet(1), 'calls': packet(2),
            'memory': mark['ping'][3] / 1024}


def run(guest, before, command):
    """Runs a monitor with its guest after the shell commands @before. Returns
    its figures()."""
    guest.run('rm -f /tmp/*.pid; ' + COUNT + before, 20)
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
