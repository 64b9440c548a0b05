# SPDX-License-Identifier: Apache-2.0
"""The machine of `ringway vm`: interrupt chips, vCPUs, memory, serial port,
kernels, resets.

The machines run in a guest of their own, see vm_lab.py.
"""
import base64
import re
import subprocess

import lab
import pytest
from conftest import BINARY
from vm_lab import APPEND, KERNEL, NET


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
    ('cpus=3,sockets=1', '0-2 / 0'),
])
def test_vcpus(l1, smp, topology):
    """The guest sees as many vCPUs as there are, in their groups."""
    count = int(re.search(r'\d+', smp).group())
    text, status = l1.boot(
        'cd /sys/devices/system/cpu; echo online: $(cat online); '
        'echo core: $(cat cpu0/topology/core_cpus_list) package: '
        '$(cat cpu0/topology/package_cpus_list) ids: '
        '$(cat cpu*/topology/physical_package_id); '
        'grep apicid /proc/cpuinfo; nproc', f'-smp {smp}', net='')
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


@pytest.mark.guests
def test_serial_at_a_socket(l1):
    """Clients come and go; what one wrote just before it went arrives."""
    script = 'echo ready; n=0; while read -r l; do n=$((n+1)); echo "got $n $l"; ' \
        '[ "$l" = bye ] && break; done'
    word = base64.b64encode(script.encode()).decode()
    l1.run('(XDG_RUNTIME_DIR=/tmp ringway vm -name ser -m 192 '
           f'{KERNEL} -append "{APPEND} rw.run={word}" -chardev '
           'socket,id=c,host=127.0.0.1,port=4500,server=on,wait=off '
           '-serial chardev:c </dev/null; echo status $?) >/tmp/ser.log 2>&1 &')
    lab.wait_until(lambda: not l1.run(
        'XDG_RUNTIME_DIR=/tmp ringway vm show --name ser --json | '
        'grep -q \'"lost_bytes": [1-9]\'', check=False)[0], 60,
        'output that nobody takes')
    l1.run('for i in 1 2 3 4 5 6; do echo word$i | nc 127.0.0.1 4500; done')
    seen = l1.run('(sleep 1; echo two; sleep 20) | nc 127.0.0.1 4500 '
                  '>/tmp/seen & sleep 0.3; nc 127.0.0.1 4500 </dev/null; '
                  'for i in $(seq 150); do grep -q "got.*two" /tmp/seen && '
                  'break; usleep 100000; done; cat /tmp/seen; kill $!', 60)
    assert 'another client is connected' in seen, seen
    assert 'got 7 two' in seen, seen
    assert 'listens at 127.0.0.1:4500' in l1.run('cat /tmp/ser.log')
    l1.run('sleep 0.5; echo bye | nc 127.0.0.1 4500')
    lab.wait_until(lambda: 'status 0' in l1.run('cat /tmp/ser.log'), 30,
                   'an end')


@pytest.mark.guests
def test_ways_to_reset(l1):
    """Whatever way a kernel takes to reset the machine, it boots again; and it
    can switch it off by SysRq."""
    l1.run('dd if=/dev/zero bs=512 count=8 2>/dev/null | tr "\\0" 1 >/tmp/boots')
    text, status = l1.boot(
        'n=$(head -c 1 /dev/vda); echo "boot $n"; '
        '(echo -n $((n + 1)); head -c 511 /dev/zero) >/dev/vda; sync; '
        'case $n in 1) t=acpi;; 2) t=kbd;; 3) t=triple;; 4) t=pci;; '
        '5) echo b >/proc/sysrq-trigger; sleep 9;; '
        '6) echo o >/proc/sysrq-trigger; sleep 20;; esac; '
        'echo $t >/sys/kernel/reboot/type; echo "by $(cat '
        '/sys/kernel/reboot/type)"; reboot -f', net='-drive file=/tmp/boots',
        timeout=300)
    assert status == 0, text
    assert re.findall(r'boot (\d)', text) == list('123456'), text
    assert re.findall(r'^by (\w+)', text, re.M) == \
        ['acpi', 'kbd', 'triple', 'pci'], text
