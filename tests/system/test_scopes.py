# SPDX-License-Identifier: Apache-2.0
"""Addresses that belong to an interface: link-local ones and groups, of streams
and tunnels. The daemon is in a network namespace of its own; its interface is
made anew while it runs."""
import socket
import subprocess
import time

import lab
import pytest
from frames import BROADCAST, ether
from test_group import Wire, state as group_state  # noqa: F401
from test_packet import raw
from test_tap import name, namespaces, sh  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.alone]
VNI = 'vni=7'


class LocalWire(Wire):
    """A wire with a link-local address at either end."""

    def make(self):
        super().make()
        self.set_address(self.ours, 'fe80::aa', self.ns)
        self.set_address(self.theirs, 'fe80::bb')

    @staticmethod
    def set_address(link, address, ns=None):
        at = ['-n', ns] if ns else []
        sh('ip', *at, 'addr', 'add', f'{address}/64', 'dev', link, 'nodad')


@pytest.fixture
def wire(namespaces):  # noqa: F811
    made = LocalWire(namespaces)
    yield made
    subprocess.run(['ip', 'link', 'del', made.theirs], capture_output=True)


@pytest.fixture
def inside(up, wire):
    """Starts a daemon in the namespace."""
    return lambda *netdevs: up(*netdevs, prefix=('ip', 'netns', 'exec',
                                                 wire.ns))


def state(s, port):
    return s.call('port.show', id=port)['state']


def test_stream_to_an_interface_that_is_made_anew(inside, wire):
    at = (f'fe80::bb%{wire.theirs}', lab.free_port())

    def serve():
        address = socket.getaddrinfo(*at)[0][4]
        return socket.create_server(address, family=socket.AF_INET6)
    with serve():
        s = inside('null,id=n', f'stream,id=s,addr.type=inet,addr.host=fe80::'
                   f'bb%{wire.ours},addr.port={at[1]},reconnect-ms=50')
        s.wait_link('s')
    s.wait_link('s', False)
    wire.delete()
    wire.make()
    with serve() as server:
        server.accept()[0].close()  # it came to the new interface


def vxlan_frame(sock, frame):
    """Returns whether the frame arrives in a VXLAN packet."""
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        try:
            if sock.recv(1 << 16).endswith(frame):
                return True
        except TimeoutError:
            pass
    return False


def check_out(front, link, size):
    frame = ether(1, BROADCAST, size)

    def goes_out():
        front.send(frame)
        return vxlan_frame(sock, frame)
    with raw(link) as sock:
        sock.settimeout(0.05)
        lab.wait_until(goes_out, 5, 'a frame in a VXLAN packet')


def check_in(front, link, size):
    frame = ether(2, BROADCAST, size)
    to = (f'fe80::aa%{link}', 4789)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(socket.getaddrinfo(f'fe80::bb%{link}', 0)[0][4])

        def comes_in():
            sock.sendto(bytes.fromhex('0800000000000700') + frame,
                        socket.getaddrinfo(*to)[0][4])
            try:
                return front.recv(timeout=0.2)[1] == frame
            except (TimeoutError, OSError, AssertionError):
                return False
        lab.wait_until(comes_in, 5, 'a frame from a VXLAN packet')


@pytest.mark.parametrize('options', [
    'remote=fe80::bb%{0},local=fe80::aa',
    'remote=fe80::bb,local=fe80::aa%{0}',
    'remote=fe80::bb,local=fe80::aa,dev={0}',
    'remote=fe80::bb%{0}'])
def test_tunnel_by_link_local_addresses(inside, wire, options):
    s = inside('vhost-user,id=vm', f'vxlan,id=v,{VNI},' +
               options.format(wire.ours))
    front = s.front('vm')
    for turn in range(3):
        check_out(front, wire.theirs, 70 + turn)
        check_in(front, wire.theirs, 80 + turn)
        wire.delete()
        s.wait_link('v', False)
        assert state(s, 'v')['state'] == 'dev is gone'
        wire.make()
        s.wait_link('v')


def test_one_link_local_address_on_two_interfaces(inside, wire, namespaces):  # noqa: F811
    ours, theirs = name('mc'), name('md')
    sh('ip', 'link', 'add', ours, 'type', 'veth', 'peer', 'name', theirs)
    try:
        sh('ip', 'link', 'set', theirs, 'up')
        namespaces.take(wire.ns, ours, 'fe80::aa/64')
        s = inside('vhost-user,id=a,net=a', 'vhost-user,id=b,net=b',
                   f'vxlan,id=va,net=a,{VNI},remote=fe80::bb,local=fe80::aa,'
                   f'dev={wire.ours}',
                   f'vxlan,id=vb,net=b,{VNI},remote=fe80::bb,local=fe80::aa,'
                   f'dev={ours}')
        wire.set_address(theirs, 'fe80::bb')
        check_in(s.front('a'), wire.theirs, 90)
        check_in(s.front('b'), theirs, 91)
        assert s.stats('vb')['tx_drops'] == 0
    finally:
        subprocess.run(['ip', 'link', 'del', theirs], capture_output=True)


@pytest.fixture
def other(wire, namespaces):  # noqa: F811
    """A second interface in the daemon's namespace, which has fe80::bb."""
    ours, theirs = name('mc'), name('md')
    sh('ip', 'link', 'add', ours, 'type', 'veth', 'peer', 'name', theirs)
    sh('ip', 'link', 'set', theirs, 'up')
    namespaces.take(wire.ns, ours, 'fe80::bb/64')
    yield ours, theirs
    subprocess.run(['ip', 'link', 'del', theirs], capture_output=True)


@pytest.mark.parametrize('line', [
    'vxlan,id=v,vni=7,remote=fe80::bb%{0}',
    'vxlan,id=v,vni=7,remote=fe80::bb,local=fe80::aa,dev={0}',
    'dgram,id=v,local.type=inet,local.host=::,local.port=4000,'
    'remote.type=inet,remote.host=fe80::bb%{0},remote.port=4000',
    'dgram,id=v,local.type=inet,local.host=fe80::bb%{1},local.port=4000,'
    'remote.type=inet,remote.host=fe80::bb%{0},remote.port=4000',
    'gre,id=v,ikey=1,okey=2,remote=10.80.1.1'])
def test_not_our_own_address(inside, wire, other, line):
    """Our own link-local address may be another host's on another link."""
    s = inside('null,id=n')
    s.call('port.add', netdev=line.format(wire.ours, other[0]))
    assert s.link('v')


def test_sender_on_another_interface(inside, wire, other):
    """The tunnel's remote is fe80::bb of one interface only."""
    s = inside('vhost-user,id=vm',
               f'vxlan,id=v,vni=7,remote=fe80::bb%{wire.ours}')
    wire.set_address(other[1], 'fe80::bc')
    sh('ip', '-n', wire.ns, 'addr', 'add', 'fe80::ab/64', 'dev', other[0],
       'nodad')
    sh('ip', 'addr', 'add', 'fe80::bb/64', 'dev', other[1], 'nodad')
    front = s.front('vm')
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(socket.getaddrinfo(f'fe80::bb%{other[1]}', 0)[0][4])
        to = socket.getaddrinfo(f'fe80::ab%{other[1]}', 4789)[0][4]
        for _ in range(5):
            sock.sendto(bytes.fromhex('0800000000000700') +
                        ether(2, BROADCAST, 66), to)
    lab.wait_until(lambda: s.stats('v')['rx_drops'] == 5, 5, 'drops')
    check_in(front, wire.theirs, 77)
    # and the same session on the other interface is another tunnel
    s.call('port.add', netdev='vxlan,id=w,vni=7,remote=fe80::bd%' + other[0])


def test_port_that_comes_right_after_the_interface(inside, wire):
    """It shares the endpoint that still has the old number."""
    line = 'vxlan,id={},vni={},remote=fe80::bb,local=fe80::aa,dev=' + wire.ours
    s = inside('null,id=n', line.format('a', 7))
    wire.delete()
    wire.make()
    s.call('port.add', netdev=line.format('b', 8))
    for port in 'ab':
        s.wait_link(port)
    assert state(s, 'a')['endpoint']['ports'] == 2


def test_local_address_that_is_late(inside, wire):
    """The interface is back, and its address a moment later."""
    s = inside('vhost-user,id=vm', 'vxlan,id=v,vni=7,remote=fe80::bb,'
               f'local=fe80::aa,dev={wire.ours}')
    wire.delete()
    s.wait_link('v', False)
    Wire.make(wire)
    lab.wait_until(lambda: state(s, 'v').get('state') ==
                   'dev has not the local address', 5, 'the reason')
    wire.set_address(wire.ours, 'fe80::aa', wire.ns)
    wire.set_address(wire.theirs, 'fe80::bb')
    s.wait_link('v')
    check_in(s.front('vm'), wire.theirs, 70)


@pytest.mark.parametrize('port', [
    'vxlan,id=d,vni=7,group=239.1.1.8,dev={}',
    'dgram,id=d,remote.type=inet,remote.host=239.1.1.8,remote.port=4000,'
    'local.type=inet,local.host=10.80.1.1'])
def test_interface_with_the_same_number(inside, wire, port):
    """It takes the place of the old one within one look, and is in no group."""
    inside('null,id=n', port.format(wire.ours))
    assert members(wire, '239.1.1.8')
    index = sh('ip', '-n', wire.ns, '-o', 'link', 'show',
               wire.ours).split(':')[0]
    batch = f'link del {wire.ours}\nlink add {wire.ours} index {index} ' \
        f'type veth peer name {wire.theirs}\naddr add 10.80.1.1/24 dev ' \
        f'{wire.ours}\nlink set {wire.ours} up\n'
    subprocess.run(['ip', '-n', wire.ns, '-batch', '-'], input=batch,
                   text=True, check=True)
    lab.wait_until(lambda: members(wire, '239.1.1.8'), 5, 'a member again')


def members(wire, group):
    kind = '-6' if ':' in group else '-4'
    return group in sh('ip', '-n', wire.ns, kind, 'maddr', 'show', 'dev',
                       wire.ours)


def test_group_of_an_interface(inside, wire):
    """The scope of a group says where to join it."""
    s = inside('null,id=n', f'vxlan,id=v,{VNI},group=ff02::77%{wire.ours}')
    assert members(wire, 'ff02::77')
    wire.delete()
    s.wait_link('v', False)
    wire.make()
    lab.wait_until(lambda: members(wire, 'ff02::77'), 5, 'a member again')


@pytest.mark.parametrize('first,last', ['ab', 'ba'])
def test_one_membership_of_two_tunnels(inside, wire, first, last):
    """One of them finds the interface by the route, the other is told it."""
    s = inside('null,id=n', 'vxlan,id=a,vni=1,group=239.1.1.8',
               f'vxlan,id=b,vni=2,group=239.1.1.8,dev={wire.ours}')
    s.command('port', 'del', first)
    assert members(wire, '239.1.1.8')
    assert state(s, last)['state'] == 'member'
    s.command('port', 'del', last)
    assert not members(wire, '239.1.1.8')


def test_group_by_the_route_leaves_what_is_deleted(inside, wire):
    """More often than a socket may be in groups (igmp_max_memberships)."""
    s = inside('null,id=n', f'vxlan,id=v,{VNI},group=239.1.1.8')
    for _ in range(25):
        wire.delete()
        lab.wait_until(lambda: state(s, 'v')['state'] == 'not in the group', 5,
                       'that the group is left')
        wire.make()
        lab.wait_until(lambda: state(s, 'v')['state'] == 'member', 5,
                       'a member again')
    assert members(wire, '239.1.1.8')


def test_silent_and_slow_peers(inside, wire):
    """A peer that takes nothing, but answers, stays; one that does not answer
    is given up within a minute."""
    address = ('10.80.1.2', lab.free_port())
    sh('ip', 'addr', 'add', '10.80.1.2/24', 'dev', wire.theirs)
    sh('ip', 'link', 'add', name('me'), 'type', 'veth', 'peer', 'name',
       name('mf'))
    try:
        sh('ip', 'link', 'set', name('mf'), 'netns', wire.ns)
        sh('ip', '-n', wire.ns, 'addr', 'add', '10.80.2.1/24', 'dev',
           name('mf'))
        sh('ip', '-n', wire.ns, 'link', 'set', name('mf'), 'up')
        sh('ip', 'addr', 'add', '10.80.2.2/24', 'dev', name('me'))
        sh('ip', 'link', 'set', name('me'), 'up')
        with socket.create_server(address) as slow, \
                socket.create_server(('10.80.2.2', address[1])) as silent:
            s = inside('vhost-user,id=vm')
            for port, host in ('slow', '10.80.1.2'), ('silent', '10.80.2.2'):
                s.call('port.add', netdev=f'stream,id={port},addr.type=inet,'
                       f'addr.host={host},addr.port={address[1]}')
            peers = slow.accept(), silent.accept()
            s.wait_link('slow', timeout=15)
            s.wait_link('silent', timeout=15)
            sh('ip', 'link', 'set', name('me'), 'down')
            front, begin = s.front('vm'), time.monotonic()

            def gone():
                for _ in range(200):
                    front.send(ether(1, BROADCAST, 1500))
                return not s.link('silent')
            lab.wait_until(gone, 60, 'that the silent peer is given up', 0.1)
            assert time.monotonic() - begin > 15
            assert state(s, 'silent')['last_disconnect'] == \
                'Connection timed out'
            assert s.stats('slow')['tx_drops']  # it is full
            while time.monotonic() - begin < 45:
                gone()
                time.sleep(0.5)
            assert s.link('slow')
            assert peers
    finally:
        subprocess.run(['ip', 'link', 'del', name('me')], capture_output=True)


@pytest.mark.parametrize('line,words', [
    ('vxlan,id=v,vni=1,remote=fe80::2', 'remote=fe80::2: is link-local: name'),
    ('vxlan,id=v,vni=1,group=ff02::2', 'group=ff02::2: is link-local: name'),
    ('vxlan,id=v,vni=1,remote=fd80::9,local=fe80::2',
     'local=fe80::2: is link-local: name'),
    ('vxlan,id=v,vni=1,remote=fe80::2%lo,dev={ours}',
     'remote=fe80::2%lo: another interface is given already: {ours}'),
    ('vxlan,id=v,vni=1,remote=fe80::2%lo,remote=fe80::2%{ours}',
     'remote=fe80::2%{ours}: another interface is given already: lo'),
    ('vxlan,id=v,vni=1,remote=fe80::2%nope', "no interface 'nope'"),
    ('vxlan,id=v,vni=1,remote=fe80::2,dev=nope',
     'dev=nope: there is no such interface'),
    ('vxlan,id=v,vni=1,remote=10.80.1.1', 'is an address of this host'),
    ('vxlan,id=v,vni=1,remote=fd80::1', 'is an address of this host'),
    ('vxlan,id=v,vni=1,remote=10.80.1.1,local=10.80.1.1',
     'is an address of this host'),
    ('vxlan,id=v,vni=1,remote=0.0.0.0', 'stands for all addresses'),
    ('vxlan,id=v,vni=1,remote=::', 'stands for all addresses'),
    ('vxlan,id=v,vni=1,remote=255.255.255.255', 'broadcast address'),
    ('vxlan,id=v,vni=1,remote=::ffff:192.0.2.2', 'IPv4 address'),
    ('vxlan,id=v,vni=1,remote=10.80.1.2,local=239.1.1.1',
     'local=239.1.1.1: is a multicast group'),
    ('stream,id=v,addr.type=inet,addr.host=fe80::2,addr.port=1',
     'addr.host: fe80::2 is link-local: name its interface, as in '
     'fe80::2%eth0'),
    ('dgram,id=v,local.type=inet,local.port=1,remote.type=inet,'
     'remote.host=fe80::2,remote.port=1', 'remote.host: .* is link-local'),
    ('socket,id=v,mcast=239.1.1.1:4000,localaddr=1.2.3.4',
     'localaddr: cannot find an interface with 1.2.3.4: No such device'),
    ('socket,id=v,udp=10.80.1.2:4000,localaddr=1.2.3.4:9',
     'localaddr: cannot use 1.2.3.4:9'),
    ('socket,id=v,listen=:70000', 'listen=:70000: the port must be'),
    ('l2tpv3,id=v,src=10.80.1.1,dst=10.80.1.1,txsession=1',
     'dst: must not be the address'),
    ('l2tpv3,id=v,src=10.80.1.1,dst=239.1.1.1,txsession=1',
     'dst: a multicast group needs udp=on'),
])
def test_lines(inside, wire, line, words):
    s = inside('null,id=n')
    with pytest.raises(lab.RpcError, match=words.format(ours=wire.ours)):
        s.call('port.add', netdev=line.format(ours=wire.ours))


def test_broadcast(inside, wire):
    """The network's broadcast address is a remote like others."""
    s = inside('vhost-user,id=vm', 'dgram,id=d,local.type=inet,'
               'local.host=10.80.1.1,local.port=4000,remote.type=inet,'
               'remote.host=10.80.1.255,remote.port=4000')
    check_out(s.front('vm'), wire.theirs, 60)
    assert s.stats('d')['tx_drops'] == 0


def test_own_port_is_named(inside, wire):
    """One tunnel has all addresses, the other wants one of them."""
    s = inside('null,id=n', 'vxlan,id=a,vni=1,remote=10.80.1.2')
    with pytest.raises(lab.RpcError, match='port a has all addresses'):
        s.call('port.add', netdev='vxlan,id=b,vni=2,remote=10.80.1.2,'
               'local=10.80.1.1')
    s.call('port.add', netdev='dgram,id=d,local.type=inet,local.port=0,'
           'remote.type=inet,remote.host=10.80.1.2,remote.port=9')
    assert not state(s, 'd')['local'].endswith(':0')
    assert ':' in state(s, 'd')['local']
    s.call('port.add', netdev='gre,id=g,remote=10.80.1.2')
    assert state(s, 'g')['remotes'][0]['address'] == '10.80.1.2'
