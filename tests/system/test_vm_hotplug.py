# SPDX-License-Identifier: Apache-2.0
"""Devices of `ringway vm` that come and go while the guest runs.

The machines run in a guest of their own, see vm_lab.py; theirs take commands
from a pipe that is their serial port.
"""
import base64
import json
import re

import pytest
from vm_lab import KERNEL, NET, answers, number

APPEND = 'console=ttyS0 quiet mitigations=off tsc=reliable no_timer_check ' \
    'panic=-1 rdinit=/init'
CONTROL = '--control /tmp/ringway/vm-hp.sock'


class Machine:
    """A machine that runs in the background, and its guest."""

    def __init__(self, l1):
        self.l1 = l1
        self.tag = 0

    def start(self, options, append):
        l1 = self.l1
        l1.run('rm -f /tmp/hp.*; mkfifo /tmp/hp.in; '
               '(XDG_RUNTIME_DIR=/tmp ringway vm -name hp -m 192 '
               f'{KERNEL} -append "{APPEND} {append}" --log /tmp/hp.log '
               f'{options} <>/tmp/hp.in >/tmp/hp.out 2>&1; '
               'echo over $? >>/tmp/hp.out) & sleep 0.1; echo')
        self.booted(1)

    def out(self):
        return self.l1.run('cat /tmp/hp.out', 60).replace('\r', '')

    def wait(self, mark, times, seconds):
        """Waits until @mark begins so many lines. The lab has one processor: it
        looks itself, and not often."""
        self.l1.run(f'for i in $(seq {4 * seconds}); do '
                    f'[ $(grep -c "^{mark}" /tmp/hp.out) -ge {times} ] && '
                    'exit; usleep 250000; done; tail -5 /tmp/hp.out; exit 1',
                    4 * seconds)

    def booted(self, times):
        self.wait('RW READY', times, 60)

    def run(self, command, check=True, seconds=40):
        """Runs a command in the guest and returns what it printed."""
        self.tag += 1
        word = base64.b64encode(command.encode()).decode()
        self.l1.run(f"echo 't{self.tag} echo; echo {word} | base64 -d | sh' "
                    '>/tmp/hp.in')
        self.wait(f'RW END t{self.tag} ', 1, seconds)
        text = self.out()
        found = re.search(rf'RW END t{self.tag} (\d+)$', text, re.M)
        if check:
            assert found.group(1) == '0', text[-2000:]
        before = re.split(r'RW (?:END \S+|READY) \S+\n', text[:found.start()])
        return before[-1].strip()

    def until(self, command, what):
        """Waits until the command succeeds in the guest."""
        self.run(f'for i in $(seq 200); do {command} && exit 0; '
                 f'usleep 100000; done; echo no {what}; exit 1')

    def ringway(self, what, check=True):
        """Runs a command of `ringway vm`; unchecked with its status."""
        return self.l1.run('XDG_RUNTIME_DIR=/tmp ringway vm '
                           f'{what} --name hp 2>&1', 120, check)

    def add(self, netdev, device):
        if netdev:
            self.ringway(f'netdev add {netdev}')
        return self.ringway(f'device add {device}')

    def devices(self):
        """Returns {id: device}."""
        found = json.loads(self.ringway('device list --json'))
        return {d['id']: d for d in found['devices']}

    def refused(self, what, *words):
        status, text = self.ringway(what, check=False)
        assert status in (1, 2), text
        for word in words:
            assert word in text, text
        assert len(text.strip().splitlines()) == 1, text

    def end(self):
        """Ends the machine; nothing may be left on the host."""
        self.l1.run(f'ringway down {CONTROL}', 60)
        self.wait('over 0', 1, 30)
        assert 'hp' not in self.l1.run('ls /tmp/ringway')


@pytest.fixture
def machine(l1):
    made = []

    def make(options='', append=''):
        made.append(Machine(l1))
        made[-1].start(options, append)
        return made[-1]
    yield make
    for m in made:
        m.end()


def host_state(l1):
    """Returns what a device could leave behind: interfaces and descriptors."""
    pid = l1.run("pidof ringway | tr ' ' '\\n' | head -1").strip()
    return (l1.run('ls /sys/class/net').split(),
            number(l1.run(f'ls /proc/{pid}/fd | wc -l')))


@pytest.mark.guests
def test_come_and_go(l1, machine):
    """Cards of two kinds, a disk, entropy and a console come, work, and go, and
    nothing is left of them; what is wrong is refused with a reason."""
    m = machine('-smp 2')
    assert number(m.run('dmesg | grep -c "acpiphp: Slot .* registered"')) == 31
    assert m.devices() == {}
    before = host_state(l1)
    for device, words in (
            ('nothing', ("no type 'nothing'", 'virtio-net-pci')),
            ('virtio-net-pci', ('netdev',)),
            ('virtio-net-pci,netdev=n', ('netdev=n', 'no -netdev')),
            ('virtio-rng-pci,colour=red', ('colour',)),
            ('virtio-rng-pci,addr=0', ('slot 0', 'host bridge')),
            ('virtio-rng-pci,addr=20', ('addr=20', '1 to 1f')),
            ('virtio-rng-pci,vectors=9999', ('vectors=9999',)),
            ('virtio-blk-pci,file=/nowhere', ('/nowhere',)),
            ('virtio-blk-pci,drive=d', ('drive=d', 'no -drive'))):
        m.refused(f'device add {device}', *words)
    m.refused('netdev add tape,id=t', 'tape')
    m.refused('netdev add user', 'id')
    m.refused('netdev del n', 'n')
    m.refused('device del x', "no device 'x'")
    assert host_state(l1) == before and m.devices() == {}

    m.add('user,id=n', 'virtio-net-pci,netdev=n,mac=52:54:00:00:00:11')
    m.until('[ -e /sys/class/net/eth0 ]', 'eth0')
    m.run(NET + 'ping -q -c 2 10.0.2.2')
    m.refused('netdev add user,id=n', 'id=n')
    m.refused('device add virtio-net-pci,netdev=n', 'netdev=n', 'n.card')
    m.refused('device add virtio-rng-pci,id=n.card', 'n.card')
    m.refused('device add virtio-rng-pci,addr=1', 'slot 1', 'n.card')
    m.refused('netdev del n', 'n.card', 'device del')
    m.ringway('netdev add tap,id=s,ifname=rwvm9,vhost=on,script=/bin/true')
    m.refused('device add virtio-net-pci,netdev=s', 'script or helper')
    m.ringway('netdev del s')
    status, text = l1.run(f'ringway port del n.card {CONTROL} 2>&1',
                          check=False)
    assert status == 1 and 'vm device del n.card' in text
    status, text = l1.run(f'ringway port del n {CONTROL} 2>&1', check=False)
    assert status == 1 and 'n.card is plugged into it' in text

    m.add('tap,id=t,ifname=rwvm0,vhost=on',
          'virtio-net-pci,netdev=t,id=fast,mac=52:54:00:00:00:12')
    l1.run('ip addr add 10.9.0.1/24 dev rwvm0')
    m.until('[ -e /sys/class/net/eth1 ]', 'eth1')
    m.run('ip link set eth1 up; ip addr add 10.9.0.2/24 dev eth1; '
          'ping -q -c 2 10.9.0.1')
    assert "the kernel's vhost-net" in m.ringway('explain') or \
        'moved by vhost-net' in m.ringway('explain')
    l1.run('dd if=/dev/urandom of=/tmp/hp.disk bs=1M count=2 2>/dev/null')
    m.add('', 'virtio-blk-pci,file=/tmp/hp.disk,id=disk')
    m.until('[ -e /sys/block/vda ]', 'vda')
    assert l1.run('md5sum </tmp/hp.disk').split()[0] in m.run(
        'md5sum </dev/vda')
    m.add('', 'virtio-rng-pci')
    m.add('', 'virtio-console,id=con,path=/tmp/hp.con')
    m.until('[ -e /dev/hwrng ] && [ -e /dev/hvc0 ]', 'rng and console')
    assert {d: v['plug'] for d, v in m.devices().items()} == dict.fromkeys(
        ('n.card', 'fast', 'disk', 'virtio-rng-pci-0', 'con'), 'added')
    assert m.devices()['fast']['netdev'] == 't'
    assert 'added' in m.ringway('show')

    l1.run(f'ringway watch device-removed {CONTROL} >/tmp/hp.events & sleep 1')
    for device in ('fast', 'n.card', 'disk', 'virtio-rng-pci-0', 'con'):
        m.ringway(f'device del {device} --wait 60')
    assert m.devices() == {}
    m.run('[ ! -e /sys/class/net/eth0 ] && [ ! -e /sys/class/net/eth1 ] && '
          '[ ! -e /sys/block/vda ]')
    assert len(l1.run('grep device-removed /tmp/hp.events').splitlines()) == 5
    assert l1.run('ip link show rwvm0', check=False)[0]
    assert 'n.card' not in l1.run(f'ringway port list {CONTROL}')
    m.ringway('netdev del n')
    m.ringway('netdev del t')
    m.refused('netdev del t', 't')
    assert host_state(l1)[0] == before[0]
    assert l1.run('ls /tmp/hp.con', check=False)[0]
    # the watcher's connection may be one of these
    assert host_state(l1)[1] <= before[1] + 1


@pytest.mark.guests
def test_again_and_again(l1, machine):
    """Ten times; in the middle of traffic; and over a reset."""
    m = machine('-netdev user,id=old -device virtio-net-pci,netdev=old,'
                'mac=52:54:00:00:00:21')
    m.ringway('netdev add user,id=n')
    first = None
    for i in range(10):
        m.add('', 'virtio-net-pci,netdev=n,mac=52:54:00:00:00:22')
        m.until('grep -q 00:22 /sys/class/net/*/address', 'the card')
        if i == 9:
            m.run('ip link set eth1 up; ip addr add 10.0.2.15/24 dev eth1; '
                  '(ping -A -s 1400 10.0.2.2 >/tmp/pings 2>&1 &); sleep 1; '
                  '[ $(cat /sys/class/net/eth1/statistics/rx_packets) -gt 5 ]')
        m.ringway('device del n.card --wait 60')
        m.run('! grep -q 00:22 /sys/class/net/*/address')
        first = first or host_state(l1)
    assert host_state(l1) == first
    m.run(NET.replace('-q -n', '-q -n -t 5') + 'ping -q -c 1 10.0.2.2')

    # The card of the start goes for ever, the added one stays.
    m.add('', 'virtio-net-pci,netdev=n,addr=9,mac=52:54:00:00:00:23')
    m.ringway('device del old.card --wait 60')
    m.ringway('reset')
    m.booted(2)
    assert '00:23' in m.run('cat /sys/class/net/eth0/address')
    assert '00:09.0' in m.run('readlink -f /sys/class/net/eth0/device')
    m.run(NET + 'ping -q -c 1 10.0.2.2')
    assert list(m.devices()) == ['n.card']
    m.add('', 'virtio-rng-pci')
    shown = json.loads(m.ringway('show --json'))['devices']
    assert [d['slot'] for d in shown] == [1, 9]
    m.ringway('device del n.card --wait 60')
    m.add('', 'virtio-net-pci,netdev=old')
    m.until('[ -e /sys/class/net/eth0 ]', 'the card')
    m.run(NET + 'ping -q -c 1 10.0.2.2')
    # A stop and a cont at once
    for _ in range(10):
        m.ringway('stop --name hp & XDG_RUNTIME_DIR=/tmp ringway vm cont')
        m.ringway('cont')
    m.run('true')


@pytest.mark.guests
def test_disk_of_the_start(l1, machine):
    """The disk that the guest booted with may go, and its -drive be used again.
    A full bus takes no more."""
    l1.run('for i in boot short; do dd if=/dev/zero of=/tmp/$i.disk bs=1M '
           'count=1 2>/dev/null; done')
    m = machine('-drive file=/tmp/boot.disk,if=none,id=d -device '
                'virtio-blk-pci,drive=d,id=boot -drive '
                'file=/tmp/short.disk,id=short')
    m.refused('device add virtio-blk-pci,drive=short', 'another device')
    m.ringway('device del short --wait 60')
    m.add('', 'virtio-blk-pci,drive=short,id=again')
    m.ringway('device del again --wait 60')
    m.refused('device add virtio-blk-pci,drive=d', 'drive=d', 'another device')
    m.ringway('device del boot --wait 60')
    m.run('[ ! -e /sys/block/vda ]')
    m.add('', 'virtio-blk-pci,drive=d')
    m.until('[ -e /sys/block/vda ]', 'vda')
    for _ in range(30):
        m.add('', 'virtio-rng-pci')
    m.refused('device add virtio-rng-pci', 'no PCI slot is free')
    m.refused('device add virtio-rng-pci,addr=2', 'slot 2 is taken by')
    assert len(m.devices()) == 31


@pytest.mark.guests
@pytest.mark.parametrize('append,listens', [
    ('acpiphp.disable=1', True), ('acpi=off', False)])
def test_guest_that_does_not(l1, machine, append, listens):
    """A guest that does not let go keeps its device until it is reset, or the
    device is taken away. One without ACPI is not asked."""
    m = machine('-netdev user,id=n -device virtio-net-pci,netdev=n -device '
                'virtio-rng-pci,id=rng', append)
    if listens:
        for _ in range(2):
            m.ringway('device del rng')
            assert m.devices()['rng']['plug'] == 'leaving'
        m.refused('device del rng --wait 1', 'rng', 'leaving')
        assert 'leaving' in m.ringway('show')
        m.run(NET + 'ping -q -c 1 10.0.2.2')
    else:
        m.refused('device del rng', 'does not listen', '--force')
        text = m.add('', 'virtio-rng-pci,id=late')
        assert 'late is in slot 3' in text and 'reset' in text
    m.ringway('device del n.card --force --wait 60')
    m.run('ip addr; true')
    assert 'n.card' not in m.devices()
    m.ringway('reset')
    m.booted(2)
    assert set(m.devices()) == (set() if listens else {'rng', 'late'})


@pytest.mark.guests
def test_vhost_user(l1, machine):
    """A card on a switch of its own comes, works, and goes; a switch that is not
    there is said, and leaves nothing."""
    m = machine()
    m.refused('netdev add vhost-user,id=u,chardev=c', 'chardev=c')
    m.ringway('netdev add vhost-user-front,id=u,path=/tmp/hp.vm')
    status, text = l1.run(f'ringway port add null,id=u {CONTROL} 2>&1',
                          check=False)
    assert status == 1 and 'id=u is taken' in text, text
    before = host_state(l1)
    m.refused('device add virtio-net-pci,netdev=u', '/tmp/hp.vm')
    assert host_state(l1) == before and m.devices() == {}
    l1.run('ringway up --control /tmp/hp.sw -netdev vhost-user,id=vm,path='
           '/tmp/hp.vm -netdev user,id=n >/dev/null 2>&1 & ' +
           answers('/tmp/hp.sw'))
    try:
        for _ in range(2):
            m.add('', 'virtio-net-pci,netdev=u')
            m.until('[ -e /sys/class/net/eth0 ]', 'eth0')
            m.run(NET + 'ping -q -c 2 10.0.2.2')
            m.ringway('device del u.card --wait 60')
            m.run('[ ! -e /sys/class/net/eth0 ]')
        m.ringway('netdev del u')
    finally:
        l1.run('ringway down --control /tmp/hp.sw')
