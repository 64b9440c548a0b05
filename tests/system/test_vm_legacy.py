# SPDX-License-Identifier: Apache-2.0
"""Drivers from before virtio 1.0: Linux's legacy driver of virtio_pci on legacy
and transitional devices of `ringway vm`. The machines run in a guest of their
own, see vm_lab.py.
"""
import re
import subprocess

import pytest
from conftest import BINARY
from vm_lab import NET

# Features of the devices, bit 0 first: VERSION_1 is 32.
FEATURES = 'for d in /sys/bus/virtio/devices/*; do echo "v1:$(cut -c33 ' \
    '$d/features)"; done; '
LEGACY = 'rmmod virtio_pci; insmod /lib/modules/virtio_pci.ko ' \
    'force_legacy=1; for i in $(seq 50); do test -e /sys/class/net/eth0 && ' \
    'break; usleep 100000; done; '
PING = NET + 'ping -q -c 3 10.0.2.2; ping -q -s 4000 -c 1 10.0.2.2; '


def boot(l1, script, net):
    """As Lab.boot(), with time for several starts of drivers on a busy host."""
    return l1.boot(script, net=net, timeout=400)


def served(l1):
    """Makes the lab serve a file by HTTP, and returns its checksum."""
    l1.run('mkdir -p /tmp/legacy; dd if=/dev/urandom of=/tmp/legacy/data bs=1M '
           'count=2 2>/dev/null; (httpd -p 127.0.0.1:8081 -h /tmp/legacy) '
           '2>/dev/null; true')
    return l1.run('md5sum /tmp/legacy/data').split()[0]


@pytest.mark.guests
@pytest.mark.parametrize('options,interrupts', [
    ('', 'MSI'),
    (',vectors=0', 'IO-APIC'),
])
def test_legacy(l1, options, interrupts):
    """Devices without modern registers: each works, and nobody negotiates
    VERSION_1. The disk keeps what was written over a new start of all drivers.
    """
    want = served(l1)
    l1.run('cp /tmp/legacy/data /tmp/legacy.disk')
    kind = ',disable-modern=on' + options
    text, status = boot(
        l1, PING + 'wget -q -O /tmp/d http://10.0.2.2:8081/data; '
        'md5sum </tmp/d | sed s/^/tcp:/; md5sum </dev/vda | sed s/^/disk:/; '
        'grep virtio /proc/interrupts; ' + FEATURES +
        'head -c 1000 /dev/hwrng | wc -c | sed s/^/rng:/; '
        'echo mark | dd of=/dev/vda seek=100 conv=fsync 2>/dev/null; '
        'rmmod virtio_pci; insmod /lib/modules/virtio_pci.ko; sleep 1; '
        'dd if=/dev/vda skip=100 count=1 2>/dev/null | head -c 4; echo; '
        + PING, net='-netdev user,id=n '
        f'-device virtio-net-pci,netdev=n{kind} '
        '-drive file=/tmp/legacy.disk,if=none,id=d '
        f'-device virtio-blk-pci,drive=d{kind} -device virtio-rng-pci{kind}')
    assert status == 0, text
    assert text.count('3 packets received') == 2, text
    assert text.count('1 packets received') == 2, text
    assert f'tcp:{want}' in text and f'disk:{want}' in text, text
    assert re.search(rf'{interrupts}.*virtio0', text), text
    assert text.count('v1:0') == 3 and 'v1:1' not in text, text
    assert 'rng:1000' in text and '\nmark\n' in text, text
    assert l1.run('dd if=/tmp/legacy.disk skip=100 count=1 2>/dev/null | '
                  'head -c 4; echo').strip() == 'mark'


@pytest.mark.guests
def test_transitional(l1):
    """Both drivers, one after the other, on the same devices: the modern one
    takes the modern registers, the legacy one the others, with the short header
    of frames."""
    want = served(l1)
    l1.run('cp /tmp/legacy/data /tmp/legacy.disk')
    both = PING + 'md5sum </dev/vda | sed s/^/disk:/; ' + FEATURES
    text, status = boot(
        l1, both + LEGACY + 'echo legacy; ' + both + 'rmmod virtio_pci; '
        'insmod /lib/modules/virtio_pci.ko; sleep 1; ' + both,
        net='-netdev user,id=n '
        '-device virtio-net-pci-transitional,netdev=n,mrg_rxbuf=off '
        '-drive file=/tmp/legacy.disk,if=none,id=d '
        '-device virtio-blk-pci-transitional,drive=d')
    assert status == 0, text
    assert text.count('3 packets received') == 3, text
    assert text.count('1 packets received') == 3, text
    assert text.count(f'disk:{want}') == 3, text
    assert re.sub('[^01]', '', ''.join(re.findall(r'v1:\d', text)
                                       ).replace('v1', '')) == '110011', text


@pytest.mark.guests
def test_reset(l1):
    """A legacy guest reboots, and works again."""
    l1.run('rm -f /tmp/boots')
    l1.run("printf '#!/bin/sh\\necho >>/tmp/boots; wc -l </tmp/boots\\n' "
           '>/tmp/count; chmod +x /tmp/count')
    text, status = boot(
        l1, NET + 'n=$(nc 10.0.2.100 7); echo "boot $n"; ping -q -c 1 10.0.2.2; '
        '[ "$n" = 2 ] || reboot -f',
        net='-netdev user,id=n,guestfwd=tcp:10.0.2.100:7-cmd:/tmp/count '
        '-device virtio-net-pci,netdev=n,disable-modern=on')
    assert status == 0 and 'boot 1' in text and 'boot 2' in text, text
    assert text.count('1 packets received') == 2, text


@pytest.mark.guests
@pytest.mark.parametrize('options', ['', ',mrg_rxbuf=off', ',vectors=0'])
def test_vhost_net(l1, options):
    """The kernel's vhost-net serves a legacy driver, with either header."""
    l1.run('(for i in $(seq 200); do ip addr add 10.9.7.1/24 dev rwvm0 '
           '2>/dev/null && break; usleep 100000; done) >/dev/null 2>&1 &')
    text, status = boot(
        l1, 'ip link set eth0 up; ip addr add 10.9.7.2/24 dev eth0; sleep 1; '
        'ping -q -c 3 10.9.7.1; ping -q -c 1 -s 30000 10.9.7.1; ' + FEATURES,
        net='-netdev tap,id=t,ifname=rwvm0,script=no,downscript=no,vhost=on,'
        'vhostforce=on -device '
        f'virtio-net-pci,netdev=t,disable-modern=on{options}')
    assert status == 0 and '3 packets received' in text, text
    assert '1 packets received' in text and 'v1:0' in text, text


@pytest.mark.guests
def test_vhost_user(l1):
    """A Ringway switch serves a legacy driver over vhost-user."""
    l1.run('rm -rf /tmp/lsw; mkdir -p /tmp/lsw; (ringway up --control '
           '/tmp/lsw/c -netdev vhost-user,id=v,path=/tmp/lsw/v,net=lan '
           '-netdev user,id=u,net=lan </dev/null >/tmp/lsw/log 2>&1 & '
           'echo $! >/tmp/lsw/pid); for i in $(seq 50); do test -S /tmp/lsw/v '
           '&& break; usleep 100000; done')
    try:
        text, status = boot(
        l1,     PING + FEATURES, net='-chardev socket,id=c,path=/tmp/lsw/v -netdev '
            'vhost-user,id=n,chardev=c -device virtio-net-pci,netdev=n,'
            'disable-modern=on,mrg_rxbuf=off')
    finally:
        l1.run('kill $(cat /tmp/lsw/pid)')
    assert status == 0 and '3 packets received' in text, text
    assert '1 packets received' in text and 'v1:0' in text, text


@pytest.mark.parametrize('device,words', [
    ('virtio-net-pci,netdev=n,disable-modern=on,disable-legacy=on',
     'disable-modern=on: the device has no other registers'),
    ('virtio-net-pci-transitional,netdev=n,disable-legacy=on',
     'disable-legacy: the type says it'),
    ('virtio-rng-pci-non-transitional,disable-modern=on',
     'disable-modern: the type says it'),
    ('virtio-rng-pci,disable-legacy=maybe', 'disable-legacy=maybe'),
])
def test_bad_options(device, words):
    done = subprocess.run(
        [BINARY, 'vm', '-kernel', 'x', '-netdev', 'null,id=n', '-device',
         device, '--dry-run'], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert done.stderr.count('\n') == 1
