# SPDX-License-Identifier: Apache-2.0
"""`ringway vm`: its options, and machines that it boots.

The machines run in a guest of their own, see vm_lab.py.
"""
import base64
import os
import re
import subprocess
import time

import lab
import pytest
from conftest import BINARY, TOP
from vm_lab import APPEND, KERNEL, NET, number


@pytest.mark.guests
@pytest.mark.parametrize('card,interrupts', [
    ('', 'MSI'),
    (',packed=on,in_order=on', 'MSI'),
    (',vectors=0', 'IO-APIC'),
    (',mq=on', 'MSI'),
    (',event_idx=off,indirect_desc=off,mrg_rxbuf=off,csum=off,gso=off,'
     'guest_csum=off,guest_gso=off,ctrl_vq=off,rx_queue_size=64', 'MSI'),
])
def test_card(l1, card, interrupts):
    """A card of each kind: DHCP, ping, interrupts, an end by the guest."""
    text, status = l1.boot(
        NET + 'ping -q -c 3 10.0.2.2; ping -q -s 4000 -c 1 10.0.2.2; '
        'grep virtio /proc/interrupts; ls /sys/class/net/eth0/queues; '
        'ethtool -g eth0; ethtool -k eth0',
        '-smp 2' if 'mq' in card else '',
        f'-netdev user,id=n -device virtio-net-pci,netdev=n{card}')
    assert status == 0, text
    assert '3 packets received' in text and '1 packets received' in text, text
    assert re.search(rf'{interrupts}.*virtio0', text), text
    assert ('tx-1' in text) == ('mq' in card), text
    is_plain = 'csum=off' in card
    assert ('tcp-segmentation-offload: off' in text) == is_plain, text
    if is_plain:
        assert re.search(r'RX:\s+64\n', text), text


@pytest.mark.guests
def test_two_cards_and_tcp(l1):
    """Two cards in one network: what one sends, the other gets. TCP through
    the user port, both ways, is as it was."""
    l1.run('mkdir -p /tmp/w; dd if=/dev/urandom of=/tmp/w/data bs=1M count=2 '
           '2>/dev/null; httpd -p 127.0.0.1:8080 -h /tmp/w')
    want = l1.run('md5sum /tmp/w/data').split()[0]
    text, status = l1.boot(
        'ip link set eth0 up; ip link set eth1 up; '
        'wget -q -O /tmp/d http://10.0.2.2:8080/data; '
        'udhcpc -i eth0 -q -n >/dev/null 2>&1; '
        'wget -q -O /tmp/d http://10.0.2.2:8080/data; md5sum /tmp/d; '
        'cat /sys/class/net/eth1/statistics/rx_packets | sed s/^/eth1:/; '
        'cat /sys/class/net/*/address',
        net='-netdev user,id=n,net=lan -netdev null,id=m,net=lan -device '
        'virtio-net-pci,netdev=n,mac=52:54:00:00:00:0a -device '
        'virtio-net-pci,netdev=m,id=second')
    assert status == 0 and want in text, text
    assert '52:54:00:00:00:0a' in text
    assert int(re.search(r'eth1:(\d+)', text).group(1)) > 0, text


@pytest.mark.guests
def test_reset(l1):
    """A reset boots again, on new devices; with -no-reboot it is the end."""
    l1.run('rm -f /tmp/boots')
    script = NET + 'n=$(nc 10.0.2.100 7); echo "boot $n"; ' \
        'ping -q -c 1 10.0.2.2; [ "$n" = 2 ] || reboot -f'
    count = 'echo >>/tmp/boots; wc -l </tmp/boots'
    l1.run(f"printf '#!/bin/sh\\n{count}\\n' >/tmp/count; chmod +x /tmp/count")
    net = '-netdev user,id=n,guestfwd=tcp:10.0.2.100:7-cmd:/tmp/count -device ' \
        'virtio-net-pci,netdev=n'
    text, status = l1.boot(script, net=net, timeout=120)
    assert status == 0 and 'boot 1' in text and 'boot 2' in text, text
    assert text.count('1 packets received') == 2, text
    l1.run('rm -f /tmp/boots')
    text, status = l1.boot(script, '-no-reboot', net=net)
    assert status == 0 and 'boot 1' in text and 'boot 2' not in text, text


@pytest.mark.guests
def test_other_commands_reach_it(l1):
    """The machine runs in the background; its switch answers, the guest is seen
    from outside, and SIGTERM ends it and leaves nothing."""
    word = base64.b64encode((NET + 'sleep 1000').encode()).decode()
    l1.run('rm -rf /tmp/ringway; '
           f'XDG_RUNTIME_DIR=/tmp ringway vm -name one -m 192 {KERNEL} -append '
           f'"{APPEND} rw.run={word}" -netdev user,id=n -device '
           'virtio-net-pci,netdev=n,id=card,mac=52:54:00:00:00:0b '
           '--log /tmp/one.lines </dev/null >/tmp/one.log 2>&1 & echo $! >/tmp/one.pid')
    control = '--control /tmp/ringway/vm-one.sock'
    lab.wait_until(lambda: '52:54:00:00:00:0b' in l1.run(
        f'ringway mac {control}', check=False)[1], 200, 'address of the guest')
    assert 'card' in l1.run(f'ringway show {control}')
    assert 'virtio-net-pci' in l1.run(f'ringway port show card {control}')
    status, said = l1.run('XDG_RUNTIME_DIR=/tmp ringway vm -name one -m 192 '
                          f'{KERNEL} </dev/null', check=False)
    assert status == 1 and 'vm-one.sock' in said
    l1.run('kill $(cat /tmp/one.pid); for i in $(seq 50); do '
           'kill -0 $(cat /tmp/one.pid) 2>/dev/null || break; '
           'usleep 100000; done')
    assert l1.run('kill -0 $(cat /tmp/one.pid)', check=False)[0]
    assert l1.run('ls /tmp/ringway').strip() == ''
    assert l1.run('test -e /tmp/one.lines') == ''


@pytest.mark.guests
def test_tap(l1):
    """A guest on a tap: the host answers, and the tap goes with the machine."""
    l1.run("printf '#!/bin/sh\\nip addr add 10.9.0.1/24 dev $1\\n"
           "ip link set $1 up\\n' >/tmp/up; chmod +x /tmp/up")
    text, status = l1.boot(
        'ip link set eth0 up; ip addr add 10.9.0.2/24 dev eth0; sleep 1; '
        'ping -q -c 3 10.9.0.1; ping -q -c 1 -s 30000 10.9.0.1',
        net='-netdev tap,id=t,ifname=rwvm0,script=/tmp/up -device '
        'virtio-net-pci,netdev=t')
    assert status == 0 and '3 packets received' in text, text
    assert '1 packets received' in text, text
    assert l1.run('ip link show rwvm0', check=False)[0]


@pytest.mark.guests
def test_commands(l1):
    """A machine that runs is seen, stopped, reset and switched off."""
    word = base64.b64encode((
        NET + 'echo booted; n=0; while :; do ping -q -c 1 -W 1 10.0.2.2 '
        '>/dev/null; echo "alive $n"; n=$((n+1)); '
        'grep -q "^ *[1-9]" /sys/firmware/acpi/interrupts/ff_pwr_btn && '
        'echo pressed && poweroff -f; usleep 200000; done').encode()).decode()
    l1.run('rm -f /tmp/vm.conf')
    for line in ('# a machine', 'name cmd', 'm 192', 'smp 2',
                 'kernel /guest/vmlinuz', 'initrd /guest/initrd.gz',
                 f'append {APPEND} rw.run={word}', 'netdev user,id=n',
                 'device virtio-net-pci,netdev=n'):
        l1.run(f"echo '{line}' >>/tmp/vm.conf")
    plan = l1.run('ringway vm -config /tmp/vm.conf --dry-run')
    for words in ('machine cmd: 2 vCPUs, 192 MiB', 'n.card', 'user',
                  'workers of this process'):
        assert words in plan, plan
    l1.run('(XDG_RUNTIME_DIR=/tmp ringway vm -config /tmp/vm.conf </dev/null; '
           'echo status $?) >/tmp/cmd.log 2>&1 &')

    def ringway(what, check=True):
        return l1.run(f'XDG_RUNTIME_DIR=/tmp ringway vm {what} --name cmd',
                      check=check)

    def count(word):
        return number(l1.run(f'grep -c "{word}" /tmp/cmd.log',
                             check=False)[1])
    lab.wait_until(lambda: count('alive') > 2, 200, 'a guest that pings')
    text = ringway('show')
    for words in ('machine cmd: running, 2 vCPUs, 192 MiB', 'vcpu1',
                  'worker0', 'workers of this process', 'driver-ok',
                  'kvm-vcpu', 'EXITS/S'):
        assert words in text, text
    text = ringway('explain')
    assert 'frames are moved by worker 0' in text and 'irqfd' in text, text
    ringway('stop')
    time.sleep(1)
    before = count('alive')
    assert '"stopped"' in ringway('show --json')
    time.sleep(1)
    assert count('alive') == before
    ringway('cont')
    lab.wait_until(lambda: count('alive') > before, 20, 'that it goes on')
    ringway('stop')
    ringway('reset')
    lab.wait_until(lambda: not ringway('show --json', False)[0], 60, 'a reset')
    assert '"stopped"' in ringway('show --json')
    ringway('cont')
    lab.wait_until(lambda: count('booted') == 2, 200, 'a second boot')
    assert '"running"' in ringway('show --json')
    ringway('powerdown')
    lab.wait_until(lambda: count('status 0'), 30, 'an end')
    assert count('pressed') == 1
    status, text = ringway('stop', check=False)
    assert status == 1 and "no machine called 'cmd' runs" in text


@pytest.mark.guests
def test_idle_guest(l1):
    """KVM answers requests about a vCPU only when it leaves the guest, which an
    idle one does not do for long: nothing waits for that."""
    word = base64.b64encode(b'sleep 1000').decode()
    l1.run(f'XDG_RUNTIME_DIR=/tmp ringway vm -name idle -accel kvm -cpu host '
           f'-m 192 {KERNEL} -append "{APPEND} nohz=on rw.run={word}" '
           '</dev/null >/tmp/idle.log 2>&1 & echo $! >/tmp/idle.pid; sleep 8')
    for _ in range(3):
        text = l1.run('XDG_RUNTIME_DIR=/tmp ringway vm show --name idle', 20)
        assert 'machine idle: running' in text and 'EXITS/S' in text, text
    l1.run('kill $(cat /tmp/idle.pid)')


@pytest.mark.guests
@pytest.mark.parametrize('options', ['', ',packed=on,num-queues=2,serial=one'])
def test_disk(l1, options):
    """What the guest reads is the image; what it writes is there afterwards."""
    l1.run('dd if=/dev/urandom of=/tmp/disk bs=1M count=8 2>/dev/null')
    want = l1.run('md5sum </tmp/disk').split()[0]
    text, status = l1.boot(
        'md5sum </dev/vda; cat /sys/block/vda/serial; '
        'dd if=/dev/zero of=/dev/vda bs=4096 seek=5 count=1 2>/dev/null; '
        'echo mark | dd of=/dev/vda bs=512 seek=100 conv=sync 2>/dev/null; '
        'sync; dd if=/dev/vda of=/dev/null bs=512 skip=20000 2>&1; '
        'blockdev --getsize64 /dev/vda',
        '-smp 2' if options else '', '-drive file=/tmp/disk,if=none,id=d '
        f'-device virtio-blk-pci,drive=d{options}')
    assert status == 0 and want in text, text
    assert str(8 << 20) in text and ('one' in text) == bool(options), text
    assert l1.run('dd if=/tmp/disk bs=512 skip=100 count=1 2>/dev/null | '
                  'head -c 4; echo').strip() == 'mark'
    assert l1.run('dd if=/tmp/disk bs=4096 skip=5 count=1 2>/dev/null | '
                  "tr -d '\\0' | wc -c").strip() == '0'


@pytest.mark.guests
def test_other_devices(l1):
    """A disk that cannot be written, random numbers, a console without a
    client, which does not hold the guest up."""
    l1.run('rm -f /tmp/con; dd if=/dev/zero of=/tmp/disk bs=1M count=1 '
           '2>/dev/null')
    text, status = l1.boot(
        'cat /sys/block/vda/ro; echo x | dd of=/dev/vda conv=fsync 2>&1; '
        'head -c 1000 /dev/hwrng | wc -c; '
        'for i in $(seq 100); do echo line $i >/dev/hvc0; done; echo "end"',
        net='-drive file=/tmp/disk,readonly=on -device virtio-rng-pci '
        '-device virtio-console,path=/tmp/con')
    assert status == 0 and 'end' in text, text
    assert re.search('^1000$', text, re.M), text
    assert 'Operation not permitted' in text or 'Read-only' in text, text
    assert l1.run('test -e /tmp/con', check=False)[0]


@pytest.mark.guests
def test_image_in_use(l1):
    """A second machine does not get an image that one writes to."""
    l1.run('dd if=/dev/zero of=/tmp/disk bs=1M count=1 2>/dev/null; '
           "printf 'QFI\\373rest of it' >/tmp/qcow; dd if=/dev/zero "
           'of=/tmp/qcow bs=1k seek=1 count=9 2>/dev/null; : >/tmp/empty')
    word = base64.b64encode(b'sleep 1000').decode()
    l1.run(f'ringway vm -name two -m 192 {KERNEL} -append "{APPEND} '
           f'rw.run={word}" -drive file=/tmp/disk </dev/null >/tmp/two.log '
           '2>&1 & echo $! >/tmp/two.pid; sleep 1')
    for options, words in (
            ('file=/tmp/disk', 'another machine has it, or a disk of this one'),
            ('file=/tmp/qcow', 'is a qcow2 image.*qemu-img convert'),
            ('file=/tmp/empty', 'not even a sector'),
            ('file=/tmp', 'file=/tmp: '),
            ('file=/tmp/no', 'file=/tmp/no: No such file')):
        status, text = l1.run(f'ringway vm -name three {KERNEL} -drive '
                              f'{options} </dev/null', check=False)
        assert status in (1, 2) and re.search(words, text), text
    l1.run('kill $(cat /tmp/two.pid)')


@pytest.mark.guests
@pytest.mark.parametrize('options,words', [
    (f'{KERNEL} -m 64G', 'memory: 65536 MiB are more than this machine'),
    (f'{KERNEL} -smp 65', 'smp: cpus=65: must be'),
    ('-kernel /guest/initrd.gz', '/guest/initrd.gz.*gzip'),
    ('-kernel /init', '/init.*text|/init.*no kernel'),
    ('-kernel /none', '/none: .*No such file'),
    (f'{KERNEL} -m 16', 'memory'),
])
def test_refused_in_the_lab(l1, options, words):
    status, text = l1.run(f'ringway vm {options} </dev/null', check=False)
    assert status in (1, 2) and re.search(words, text), text
    assert len(text.strip().splitlines()) == 1, text


@pytest.mark.guests
def test_no_right_to_kvm(l1):
    l1.run('mv /dev/kvm /dev/kvm.away')
    try:
        status, text = l1.run(f'ringway vm {KERNEL} </dev/null', check=False)
    finally:
        l1.run('mv /dev/kvm.away /dev/kvm')
    assert status == 1 and '/dev/kvm: No such file' in text, text
    assert 'kvm_intel or kvm_amd' in text


def vm(folder, *options):
    return subprocess.run([BINARY, 'vm', '--control', f'{folder}/c.sock',
                           *options], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize('options,words', [
    ([], 'kernel: missing'),
    (['-kernel', 'x', '-m', '12'], 'm=12M: must be'),
    (['-kernel', 'x', '-m', 'size=512,slots=2'], "m: 'slots' is not known"),
    (['-kernel', 'x', '-smp', '0'], 'smp: cpus=0: must be'),
    (['-kernel', 'x', '-smp', 'corse=2'], "smp: unknown option 'corse'"),
    (['-kernel', 'x', '-device', 'pcnet,netdev=n'],
     "no type 'pcnet': there are virtio-net-pci, e1000"),
    (['-kernel', 'x', '-device', 'virtio-net-pci'],
     'device card: netdev=ID is missing'),
    (['-kernel', 'x', '-device', 'virtio-net-pci,netdev=n'],
     'netdev=n: there is no -netdev of this id'),
    (['-kernel', 'x', '-netdev', 'null,id=n', '-device',
      'virtio-net-pci,netdev=n', '-device', 'virtio-net-pci,netdev=n,id=b'],
     'netdev=n: device n.card is plugged into it'),
    (['-kernel', 'x', '-netdev', 'null,id=n', '-netdev', 'null,id=m',
      '-device', 'virtio-net-pci,netdev=n,mac=52:54:00:00:00:01', '-device',
      'virtio-net-pci,netdev=m,mac=52:54:00:00:00:01'],
     'mac=52:54:00:00:00:01: is the address of device n.card'),
    (['-kernel', 'x', '-netdev', 'null,id=n', '-device',
      'virtio-net-pci,netdev=n,rx_queue_size=100'], 'power of two'),
    (['-kernel', 'x', '-netdev', 'null,id=n', '-device',
      'virtio-net-pci,netdev=n,queues=2,ctrl_vq=off'], 'ctrl_vq=on'),
    (['-kernel', 'x', '-netdev', 'null,id=n', '-device',
      'virtio-net-pci,netdev=n,mac=1'], 'mac=1: must be'),
    (['-kernel', 'x', '-netdev', 'null,id=n', '-device',
      'virtio-net-pci,netdev=n,packd=on'], 'did you mean packed'),
    (['-kernel', 'x', '-drive', 'file=x,format=qcow2'],
     'format=qcow2: only raw images'),
    (['-kernel', 'x', '-drive', 'file=x,if=none'], 'if=none: needs id=NAME'),
    (['-kernel', 'x', '-device', 'virtio-blk-pci,drive=d'],
     'drive=d: there is no -drive of this id'),
    (['-kernel', 'x', '-netdev', 'vhost-user,id=n,chardev=c', '-device',
      'virtio-net-pci,netdev=n'], 'chardev=c: there is no -chardev'),
    (['-kernel', 'x', '-chardev', 'socket,id=c,path=/x,server=on,reconnect=1'],
     'reconnect: is for a peer that is connected to'),
    (['-kernel', 'x', '-chardev', 'socket,id=c,path=/nowhere/x,server=on',
      '-netdev', 'vhost-user,id=n,chardev=c', '-device',
      'virtio-net-pci,netdev=n'], 'device n.card: path=/nowhere/x: '),
    (['-kernel', 'x', '-chardev', 'socket,id=c,path=/nowhere/x', '-netdev',
      'vhost-user,id=n,chardev=c', '-device', 'virtio-net-pci,netdev=n'],
     'device n.card: path=/nowhere/x: '),
    (['-kernel', 'x', '-chardev', 'socket,id=c,path=/nowhere/a,,b', '-netdev',
      'vhost-user,id=n,chardev=c', '-device', 'virtio-net-pci,netdev=n'],
     'device n.card: path=/nowhere/a,b: '),
    (['-kernel', 'x', '-netdev', 'vhost-user-front,id=n,path=/nowhere/x',
      '-device', 'virtio-net-pci,netdev=n,mac=zz'],
     'device n.card: mac=zz: must be'),
    (['-kernel', 'x', '-netdev', 'tap,id=t,vhostforce=on,net=lan', '-netdev',
      'null,id=m,net=lan', '-device', 'virtio-net-pci,netdev=t'],
     'netdev t: vhost: port m is in its network, lan, too'),
    (['-kernel', 'x', '-drive', 'if=virtio'],
     'file=FILE is missing: a raw image'),
    (['-kernel', 'x', '-netdev', 'null,id=n', '-device',
      'virtio-net-pci,netdev=n,mac=zz', '--dry-run'], 'mac=zz: must be'),
    (['-kernel', 'x', '-cpu', 'qemu64'], 'cpu=qemu64: must be one of: host'),
    (['-kernel', 'x', '-nic', 'user'], 'write -netdev user,id=user0'),
    (['-kernel', 'x', '-name', ''], 'name'),
    (['x'], "'x' is no option"),
])
def test_bad_options(folder, options, words):
    done = vm(folder, *options)
    assert done.returncode in (1, 2) and words in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not os.path.exists(f'{folder}/c.sock')


def test_log(folder):
    """The log goes to the file that is named, errors to standard error."""
    done = vm(folder, '-kernel', '/etc/passwd', '--log', f'{folder}/no/log')
    assert done.returncode == 1
    assert f'log={folder}/no/log: cannot write to it' in done.stderr


def test_help(folder):
    assert 'virtio-net-pci' in vm(folder, '-device', 'help').stdout
    text = vm(folder, '-device', 'virtio-net-pci,help').stdout
    for key in ('netdev=ID', 'mac=', 'mq=', 'packed=', 'vectors='):
        assert key in text
    assert '-kernel' in vm(folder, '--help').stdout or \
        'kernel' in vm(folder, '--help').stdout


def test_commands_of_a_machine_need_one(up):
    s = up('null,id=n')
    for what in ('show', 'explain', 'stop', 'cont', 'reset', 'powerdown'):
        done = s.command('vm', what, check=False)
        assert done.returncode == 1 and 'no machine: this is a switch' in \
            done.stderr


def test_plan(folder):
    """--dry-run opens nothing."""
    done = vm(folder, '-kernel', '/nowhere/k', '-m', '1G', '-netdev',
              'tap,id=t,vhostforce=on', '-device', 'virtio-net-pci,netdev=t',
              '-chardev', 'socket,id=c,path=/nowhere/s', '-netdev',
              'vhost-user,id=u,chardev=c,queues=2', '-device',
              'virtio-net-pci,netdev=u,mq=on,id=second', '-device',
              'virtio-rng-pci', '--dry-run')
    assert done.returncode == 0, done.stderr
    for words in ('1024 MiB', '/nowhere/k', "the kernel's vhost-net",
                  'a vhost-user back-end', 'second', 'virtio-rng-pci'):
        assert words in done.stdout, done.stdout
    assert not os.path.exists(f'{folder}/c.sock')


@pytest.mark.skipif(os.path.exists('/dev/kvm'), reason='there is /dev/kvm')
def test_without_kvm(folder):
    done = vm(folder, '-kernel', '/etc/passwd')
    assert done.returncode == 1
    assert done.stderr.startswith('ringway: /dev/kvm: ')
    assert not os.path.exists(f'{folder}/c.sock')
