# SPDX-License-Identifier: Apache-2.0
"""The machine of `ringway vm`: interrupt chips, vCPUs, memory, serial port,
kernels, resets.

The machines run in a guest of their own, see vm_lab.py.
"""
import base64
import fcntl
import os
import pty
import re
import subprocess
import termios

import lab
import pytest
from conftest import BINARY
from vm_lab import APPEND, KERNEL, NET, number


@pytest.mark.guests
@pytest.mark.parametrize('options,card,interrupts', [
    ('-machine q35,accel=kvm,kernel-irqchip=split', '', 'MSI'),
    ('-M kernel-irqchip=split -smp 2', ',vectors=0', 'IO-APIC'),
    ('-accel kvm,kernel-irqchip=split -smp 2', ',mq=on', 'MSI'),
    ('-machine pc,kernel-irqchip=on,usb=off', ',vectors=0', 'IO-APIC'),
])
def test_irqchip(l1, options, card, interrupts):
    """Interrupts of cards, the serial port and ACPI by an I/O APIC of ours, or
    by KVM's; there is no 8259 then, and no 8254."""
    is_split = 'split' in options
    text, status = l1.boot(
        NET + 'ping -q -c 3 10.0.2.2; ping -q -s 4000 -c 1 10.0.2.2; '
        'cat /proc/interrupts; dmesg | grep -i "legacy PIC"',
        options, f'-netdev user,id=n -device virtio-net-pci,netdev=n{card}')
    assert status == 0, text
    assert '3 packets received' in text and '1 packets received' in text, text
    assert re.search(rf'{interrupts}.*virtio0', text), text
    assert re.search(r'IO-APIC.*ttyS0', text), text
    assert re.search(r'IO-APIC.*acpi', text), text
    assert ('NULL legacy PIC' in text) == is_split, text


@pytest.mark.guests
@pytest.mark.parametrize('smp,topology', [
    ('8', '0-7 / 0'),
    ('4,sockets=2,cores=1,threads=2', '0-1 / 0'),
])
def test_vcpus(l1, smp, topology):
    """The guest sees as many vCPUs as there are, in their groups."""
    count = int(re.search(r'\d+', smp).group())
    text, status = l1.boot(
        'cd /sys/devices/system/cpu; echo online: $(cat online); '
        'echo core: $(cat cpu0/topology/core_cpus_list) package: '
        '$(cat cpu0/topology/package_cpus_list) ids: '
        '$(cat cpu*/topology/physical_package_id); '
        'grep ^apicid /proc/cpuinfo; nproc', f'-smp {smp}', net='')
    assert status == 0, text
    assert f'online: 0-{count - 1}\n' in text, text
    package = topology.split(' /')[0]
    core = '0'
    if 'threads=2' in smp and 'the guest takes threads for cores' not in text:
        core = '0-1'
    assert f'core: {core} package: {package} ids:' in text, text


def vm(folder, *options):
    return subprocess.run([BINARY, 'vm', '--control', f'{folder}/c.sock',
                           '-kernel', 'x', '--dry-run', *options],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=20)


@pytest.mark.parametrize('options,words', [
    ('-machine virt', 'machine=virt: there is one machine here: q35, pc'),
    ('-M q35,usb=on', 'machine: usb=on: must be one of: off'),
    ('-M q35,accel=tcg', 'machine: accel=tcg: must be one of: kvm'),
    ('-M kernel-irqchip=off', 'kernel-irqchip=off: must be one of: on, split'),
    ('-M q35,kernel_irqchip=on', 'did you mean kernel-irqchip'),
    ('-accel tcg', 'accel: accel=tcg: must be one of: kvm'),
    ('-smp 6,cores=4', 'sockets=1,cores=4,threads=1 make 4 vCPUs, not 6'),
    ('-smp 2,maxcpus=4', 'maxcpus=4: no vCPU comes later'),
    ('-smp cores=64,threads=2', 'smp: 128 vCPUs: 64 are the most'),
    ('-smp 2,dies=2', 'dies=2: must be'),
    ('-mem-path /nowhere', 'mem-path=/nowhere: No such file'),
    ('-mem-path /tmp', 'mem-path=/tmp: is no hugetlbfs'),
    ('-serial vc', 'serial=vc: must be stdio, none, null, pty'),
    ('-serial unix:/tmp/x', 'server=off is not here'),
    ('-serial unix:/tmp/x,server=on,wait=on', 'write wait=off'),
    ('-serial tcp:nohost,server=on', 'serial=nohost'),
    ('-serial tcp:127.0.0.1:99999,server=on', '99999'),
    ('-serial unix:/tmp/x,sever=on', "did you mean server"),
    ('-serial chardev:c', 'chardev:c: there is no -chardev of this id'),
    ('-chardev socket,id=c,path=/tmp/x -serial chardev:c', 'server=off'),
])
def test_bad_options(folder, options, words):
    done = vm(folder, *options.split())
    assert done.returncode in (1, 2) and words in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize('options,words', [
    ('-M q35,accel=kvm,kernel-irqchip=split -smp 4,sockets=2',
     ['4 vCPUs', '2 sockets of 2 cores of 1 threads', 'irqchip  split']),
    ('-machine type=pc-q35-7.2,vmport=off,smm=off,graphics=off -enable-kvm',
     ['1 vCPU,']),
    ('-smp 6,sockets=1,dies=1,cores=3,threads=2,maxcpus=6',
     ['6 vCPUs', '1 sockets of 3 cores of 2 threads']),
    ('-smp cores=2,threads=2', ['4 vCPUs']),
    ('-smp 4,cores=2', ['2 sockets of 2 cores of 1 threads']),
    ('-smp 4,cores=1,threads=2', ['2 sockets of 1 cores of 2 threads']),
    ('-smp 8,sockets=2,cores=2', ['2 sockets of 2 cores of 2 threads']),
    ('-serial unix:/tmp/x,server,nowait', ['serial   unix:/tmp/x']),
    ('-serial tcp::4500,server=on,wait=off', ['serial   tcp::4500']),
    ('-chardev socket,id=c,path=/tmp/x,server=on,wait=off -serial chardev:c',
     ['serial   chardev:c']),
    ('-serial pty', ['serial   pty']),
])
def test_lines_of_qemu(folder, options, words):
    done = vm(folder, *options.split())
    assert done.returncode == 0, done.stderr
    for word in words:
        assert word in done.stdout, done.stdout


@pytest.mark.parametrize('option', ['-machine', '-M', '-accel', '-cpu'])
def test_help(folder, option):
    done = vm(folder, option, 'help')
    assert done.returncode == 0 and 'vCPU' not in done.stdout
    assert ('split' in done.stdout) == (option != '-cpu')


# In the lab: clients of the serial port at port 4500, one after the other.
CLIENTS = r"""
wait_for() { # FILE WORDS
	for i in $(seq 150); do
		grep -q "$2" $1 && return
		sleep 1
	done
	echo "no '$2' in $1"
}
sleep 200 | nc 127.0.0.1 4500 >/tmp/a &
wait_for /tmp/a ready
nc 127.0.0.1 4500 </dev/null
kill $!
sleep 1
for i in 1 2 3 4 5 6; do echo word$i | nc 127.0.0.1 4500; done
XDG_RUNTIME_DIR=/tmp ringway vm show --name ser --json | grep -A 9 serial
(sleep 1; echo two; sleep 60) | nc 127.0.0.1 4500 >/tmp/b &
wait_for /tmp/b 'got 7 two'
kill $!
sleep 1
echo bye | nc 127.0.0.1 4500
wait_for /tmp/ser.log status
cat /tmp/a /tmp/b /tmp/ser.log
"""


@pytest.mark.guests
def test_serial_at_a_socket(l1):
    """Clients come and go; what one wrote just before it went arrives."""
    script = 'echo ready; n=0; while read -r l; do n=$((n+1)); ' \
        'echo "got $n $l"; [ "$l" = bye ] && break; done </dev/ttyS0'
    word = base64.b64encode(script.encode()).decode()
    l1.run('rm -f /tmp/a /tmp/b; (XDG_RUNTIME_DIR=/tmp ringway vm -name ser '
           f'-m 192 {KERNEL} -append "{APPEND} rw.run={word}" -chardev '
           'socket,id=c,host=127.0.0.1,port=4500,server=on,wait=off -serial '
           'chardev:c </dev/null; echo status $?) >/tmp/ser.log 2>&1 &')
    clients = base64.b64encode(CLIENTS.encode()).decode()
    text = l1.run('sleep 2; echo ' + clients + ' | base64 -d >/tmp/clients; '
                  'sh /tmp/clients', 400).replace('\r', '')
    for words in ('ready', 'another client is connected', 'got 7 two',
                  'listens at 127.0.0.1:4500', 'status 0', '"lost_bytes": '):
        assert words in text, text


@pytest.mark.guests
def test_ways_to_reset(l1):
    """Whatever way a kernel takes to reset the machine, it boots again (ACPI's
    is in test_vm.py); and it can switch it off by SysRq."""
    l1.run('dd if=/dev/zero bs=512 count=8 2>/dev/null | tr "\\0" 1 >/tmp/boots')
    text, status = l1.boot(
        'n=$(head -c 1 /dev/vda); echo "boot $n"; '
        '(echo -n $((n + 1)); head -c 511 /dev/zero) >/dev/vda; sync; '
        'case $n in 1) t=kbd;; 2) t=triple;; 3) t=pci;; '
        '4) echo b >/proc/sysrq-trigger; sleep 9;; '
        '5) echo o >/proc/sysrq-trigger; sleep 20;; esac; '
        'echo $t >/sys/kernel/reboot/type; echo "by $(cat '
        '/sys/kernel/reboot/type)"; reboot -f', net='-drive file=/tmp/boots',
        timeout=500)
    assert status == 0, text
    assert re.findall(r'boot (\d)', text) == list('12345'), text
    assert re.findall(r'^by (\w+)', text, re.M) == \
        ['kbd', 'triple', 'pci'], text


class Terminal:
    """`ringway vm` on a pseudo terminal of its own."""

    def __init__(self, folder, *options):
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(self.master)
        self.text = b''
        self.process = subprocess.Popen(
            [BINARY, 'vm', '--control', f'{folder}/c.sock', *options],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        os.set_blocking(self.master, False)

    def is_raw(self):
        try:
            self.text += os.read(self.master, 65536)
        except (BlockingIOError, OSError):
            pass
        return not termios.tcgetattr(self.master)[3] & termios.ICANON

    def wait(self):
        """Returns the status at the end, after which nothing is raw."""
        def ended():
            self.is_raw()
            return self.process.poll() is not None
        lab.wait_until(ended, 60, 'an end')
        assert termios.tcgetattr(self.master) == self.before, self.text
        os.close(self.master)
        return self.process.returncode


@pytest.mark.parametrize('options', [
    ('-kernel', '/nowhere/kernel'),
    ('-kernel', '/etc/passwd', '-serial', 'mon:stdio', '-log', '/nowhere/l'),
    ('-kernel', '/etc/passwd', '-netdev', 'tap,id=t,ifname=a/b', '-device',
     'virtio-net-pci,netdev=t'),
])
def test_terminal_after_an_error(folder, options):
    assert Terminal(folder, *options).wait() in (1, 2)


@pytest.mark.guests
def test_terminal_of_a_machine(l1):
    """The guest has the terminal raw; after every end it is as before."""
    if l1.run('test -c /dev/tty1', check=False)[0]:
        pytest.skip('the lab has no second terminal')
    before = l1.run('stty -F /dev/tty1 -g')
    for end in ('TERM', 'INT', 'HUP', 'ABRT'):
        l1.run("setsid sh -c 'exec ringway vm -name tty -m 192 -kernel "
               '/guest/vmlinuz -append console=ttyS0 </dev/tty1 >/dev/tty1 '
               "2>/tmp/tty.log' & echo $! >/tmp/tty.pid")
        lab.wait_until(lambda: ' -icanon' in l1.run('stty -F /dev/tty1 -a'),
                       60, 'a raw terminal', 0.5)
        l1.run(f'kill -{end} $(cat /tmp/tty.pid); wait')
        lab.wait_until(lambda: l1.run('stty -F /dev/tty1 -g') == before, 60,
                       f'the terminal as before, after SIG{end}', 0.5)


@pytest.mark.guests
def test_memory(l1):
    """Huge pages by each of their names, all of the memory at once, and what
    is refused."""
    l1.run('echo 110 >/proc/sys/vm/nr_hugepages; mkdir -p /tmp/huge; '
           'mount -t hugetlbfs none /tmp/huge')
    if number(l1.run('cat /proc/sys/vm/nr_hugepages')) < 110:
        pytest.skip('the lab has no 110 free pages of 2 MiB')
    free = 'grep -o "HugePages_Free.*" /proc/meminfo | grep -o "[0-9]*"'
    try:
        l1.run(f'touch /tmp/on; (while [ -e /tmp/on ]; do {free}; sleep 1; '
               'done >/tmp/free) >/dev/null 2>&1 &')
        text, status = l1.boot('grep "System RAM" /proc/iomem',
                               '-mem-path /tmp/huge -mem-prealloc', net='')
        assert status == 0 and '-0bffffff : System RAM' in text, text
        l1.run('rm /tmp/on')
        assert number(l1.run('sort -rn /tmp/free')) <= 110 - 96
        assert number(l1.run(free)) == 110
        l1.run('echo 50 >/proc/sys/vm/nr_hugepages')
        text, status = l1.boot('true', '-hugepages', net='')
        assert status == 1 and 'has not enough free pages of 2 MiB' in text
        text, status = l1.boot('true', '-hugepages -m 193', net='')
        assert status == 2 and 'hugepages a multiple of 2 MiB' in text, text
    finally:
        l1.run('umount /tmp/huge; echo 0 >/proc/sys/vm/nr_hugepages')


@pytest.mark.guests
def test_64_bit_entry(l1):
    """A bzImage whose header does not say how long its payload is cannot be
    unpacked here: it unpacks itself."""
    l1.run("cp /guest/vmlinuz /tmp/k64; printf '\\0\\0\\0\\0' | dd "
           f'of=/tmp/k64 bs=1 seek={0x24c} conv=notrunc 2>/dev/null')
    text, status = l1.boot('echo user $(uname -s)', '-mem-prealloc', net='',
                           kernel='-kernel /tmp/k64 -initrd /guest/initrd.gz',
                           timeout=300)
    assert status == 0 and 'user Linux' in text, text
