# SPDX-License-Identifier: Apache-2.0
"""A dgram port in a multicast group whose interface goes and comes again. The
daemon and the interface are in a network namespace of their own."""
import os
import struct
import subprocess
import time

import lab
import pytest
from frames import BROADCAST, ether, mac
from test_packet import raw
from test_tap import name, namespaces, sh  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.alone]
OURS, PORT = '10.80.1.1', 4321
GROUPS = {
    'v4': ('230.0.0.7', f',local.type=inet,local.host={OURS}'),
    'v4, by the route': ('230.0.0.7', ''),
    'v6': ('ff05::7', ',local.type=inet,local.host=fd80::1'),
    'v6, link': ('ff02::7%{link}', ''),
}


def state(s):
    return s.call('port.show', id='d')['state']['state']


class Wire:
    """A veth into the namespace, whose other end sees every byte."""

    def __init__(self, namespaces):  # noqa: F811
        self.n = namespaces
        self.ns = namespaces.new('m')
        self.ours, self.theirs = name('ma'), name('mb')
        # addresses are there at once
        namespaces.run(self.ns, 'sh', '-c', 'echo 0 > '
                       '/proc/sys/net/ipv6/conf/default/accept_dad')
        self.make()

    def make(self):
        sh('ip', 'link', 'add', self.ours, 'type', 'veth', 'peer', 'name',
           self.theirs)
        sh('ip', 'link', 'set', self.theirs, 'up')
        self.n.take(self.ns, self.ours, f'{OURS}/24', 'fd80::1/64')
        sh('ip', '-n', self.ns, 'route', 'add', '224.0.0.0/4', 'dev',
           self.ours)

    def delete(self):
        sh('ip', '-n', self.ns, 'link', 'del', self.ours)


@pytest.fixture
def wire(namespaces):  # noqa: F811
    made = Wire(namespaces)
    yield made
    subprocess.run(['ip', 'link', 'del', made.theirs], capture_output=True)


def udp_data(packet):
    """Returns the data of a datagram to our port, or None."""
    at = {b'\x08\x00': 14 + 20, b'\x86\xdd': 14 + 40}.get(packet[12:14])
    if at and packet[at + 2:at + 4] == struct.pack('!H', PORT):
        return packet[at + 8:]
    return None


def goes_out(front, sock, frame):
    front.send(frame)
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        try:
            if udp_data(sock.recv(1 << 16)) == frame:
                return True
        except TimeoutError:
            pass
    return False


@pytest.mark.parametrize('how', GROUPS)
def test_interface_that_comes_again(up, wire, how):
    group, local = GROUPS[how]
    group = group.format(link=wire.ours)
    s = up('vhost-user,id=vm', f'dgram,id=d,remote.type=inet,remote.host='
           f'{group},remote.port={PORT}{local}',
           prefix=('ip', 'netns', 'exec', wire.ns))
    front = s.front('vm')
    # more often than a socket may be in groups (igmp_max_memberships)
    for turn in range(25 if how == 'v4' else 3):
        assert state(s) == 'in the group'
        if turn < 3:
            with raw(wire.theirs) as sock:
                sock.settimeout(0.05)
                frame = ether(1, BROADCAST, 90 + turn)
                lab.wait_until(lambda: goes_out(front, sock, frame), 5,
                               'a frame in the group')
            check_member(wire, group)
        wire.delete()
        s.wait_link('d', False)
        assert state(s) == 'waiting for its interface'
        front.send(ether(1, BROADCAST, 60))
        wire.make()
        s.wait_link('d')
    # what it sends itself did not come back
    assert {m: p for (_, m), p in s.macs().items()} == {mac(1): 'vm'}


def check_member(wire, group):
    kind = '-6' if ':' in group else '-4'
    assert group.partition('%')[0] in sh('ip', '-n', wire.ns, kind, 'maddr',
                                         'show', 'dev', wire.ours)


@pytest.mark.parametrize('options', [
    'dgram,id=d,remote.type=inet,remote.host=230.0.0.7,remote.port={},'
    'local.type=inet,local.host={}',
    'socket,id=d,mcast=230.0.0.7:{},localaddr={}'])
def test_address_of_the_sender(up, wire, options):
    """The second address of an interface is one to send from, too."""
    second = OURS[:-1] + '99'
    sh('ip', '-n', wire.ns, 'addr', 'add', f'{second}/24', 'dev', wire.ours)
    s = up('null,id=n', options.format(PORT, second),
           prefix=('ip', 'netns', 'exec', wire.ns))
    told = s.call('port.show', id='d')['state']['sends_from']
    assert told.startswith(f'{second}:')


def test_link_local_group_without_interface(up):
    s = up('null,id=n')
    done = s.command('port', 'add', 'dgram,id=d,remote.type=inet,'
                     'remote.host=ff02::7,remote.port=7', check=False)
    assert 'link-local: name its interface' in done.stderr


def test_address_that_moves(up, wire):
    """The address counts, not the name: here another interface gets it."""
    s = up('vhost-user,id=vm', 'dgram,id=d,remote.type=inet,remote.host='
           f'230.0.0.7,remote.port={PORT},local.type=inet,local.host={OURS}',
           prefix=('ip', 'netns', 'exec', wire.ns))
    sh('ip', '-n', wire.ns, 'addr', 'del', f'{OURS}/24', 'dev', wire.ours)
    s.wait_link('d', False)
    sh('ip', '-n', wire.ns, 'link', 'add', 'other', 'type', 'veth', 'peer',
       'name', 'end')
    sh('ip', '-n', wire.ns, 'addr', 'add', f'{OURS}/24', 'dev', 'other')
    sh('ip', '-n', wire.ns, 'link', 'set', 'other', 'up')
    s.wait_link('d')
    assert '230.0.0.7' in sh('ip', '-n', wire.ns, 'maddr', 'show', 'dev',
                             'other')
    before = len(os.listdir(f'/proc/{s.pid}/fd'))
    sh('ip', '-n', wire.ns, 'link', 'del', 'other')
    s.wait_link('d', False)
    assert len(os.listdir(f'/proc/{s.pid}/fd')) == before - 2

