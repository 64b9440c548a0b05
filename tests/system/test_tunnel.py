# SPDX-License-Identifier: Apache-2.0
"""The tunnel ports against the kernel's devices: a daemon in one network
namespace, the other end in a second one, a guest's stack in a third."""
import subprocess

import lab
import pytest
from test_tap import iperf, name, namespaces, sh  # noqa: F401

pytestmark = pytest.mark.root
NEAR4, FAR4, NEAR6, FAR6 = '10.78.0.1', '10.78.0.2', 'fd78::1', 'fd78::2'
GUEST, PEER = '10.79.0.1', '10.79.0.2'


def lost(rx):
    """Returns the drops, without those of frames that the kernel sent on its
    own before the other port had its link."""
    return {k: v for k, v in rx.get('drops', {}).items()
            if k != 'rx-no-receiver'}


class Underlay:
    """Two namespaces that a veth pair connects, and a guest's."""

    def __init__(self, namespaces, mtu=1500):  # noqa: F811
        self.n = namespaces
        self.near, self.far = namespaces.new('n'), namespaces.new('f')
        self.guest = namespaces.new('g')
        self.links = name('ua'), name('ub')
        self.mtu = mtu
        self.connect()

    def connect(self):
        done = subprocess.run(
            ['ip', 'link', 'add', self.links[0], 'mtu', str(self.mtu), 'type',
             'veth', 'peer', 'name', self.links[1], 'mtu', str(self.mtu),
             'address', '02:00:00:00:77:02'],
            capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f'no veth: {done.stderr.strip()}')
        self.n.take(self.near, self.links[0], f'{NEAR4}/24', f'{NEAR6}/64')
        self.n.take(self.far, self.links[1], f'{FAR4}/24', f'{FAR6}/64')

    def up(self, up, *netdevs, **options):
        """Starts a daemon in the near namespace, with a tap in the guest's."""
        tap = name('t')
        s = up(f'tap,id=g,ifname={tap}', *netdevs,
               prefix=('ip', 'netns', 'exec', self.near), **options)
        sh('ip', '-n', self.near, 'link', 'set', tap, 'netns', self.guest)
        self.address(self.guest, tap, GUEST)
        s.wait_link('g')
        self.tap = tap
        return s

    def address(self, ns, link, address, mtu=None):
        sh('ip', '-n', ns, 'addr', 'add', f'{address}/24', 'dev', link)
        sh('ip', '-n', ns, 'link', 'set', link, 'mtu',
           str(mtu or self.mtu - 100), 'up')

    def device(self, kind, *options):
        """Makes the kernel's device in the far namespace, or skips."""
        done = subprocess.run(
            ['ip', '-n', self.far, 'link', 'add', 'tun', 'type', kind,
             *options], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f'this kernel has no {kind}: {done.stderr.strip()}')
        # Over a veth the kernel hands on missing checksums, which a socket
        # does not see.
        sh('ip', 'netns', 'exec', self.far, 'ethtool', '-K', self.links[1],
           'tx', 'off')
        self.address(self.far, 'tun', PEER)

    def ping(self, *options, to=PEER, ns=None):
        return self.n.run(ns or self.guest, 'busybox', 'ping', '-q', '-W', '2',
                          '-c', '1', *options, to)


@pytest.fixture
def underlay(namespaces):  # noqa: F811
    return Underlay(namespaces)


def check_ping(u):
    for size in (0, 1, 56, 1000, 1372):
        u.ping('-s', str(size))
        u.ping('-s', str(size), to=GUEST, ns=u.far)


@pytest.mark.parametrize('near,far,options,device', [
    (NEAR4, FAR4, '', ()),
    (NEAR6, FAR6, '', ('udp6zerocsumrx',)),
    (NEAR4, FAR4, ',udp-csum=off,dstport=8472', ('dstport', '8472')),
    (NEAR6, FAR6, ',udp6zerocsumtx=on,udp6zerocsumrx=on',
     ('udp6zerocsumtx', 'udp6zerocsumrx')),
    (NEAR4, FAR4, ',df=inherit,tos=inherit,ttl=9', ('tos', 'inherit')),
])
def test_vxlan_unicast(up, underlay, near, far, options, device):
    u = underlay
    if 'dstport' not in device:
        device += ('dstport', '4789')
    u.device('vxlan', 'id', '7', 'local', far, 'remote', near, *device)
    s = u.up(up, f'vxlan,id=v,vni=7,remote={far}{options}')
    check_ping(u)
    rx, = s.call('port.show', id='v')['stats']['rx']
    assert not lost(rx)


# Ours, and the kernel's device for the other end.
DEVICES = [
    (f'geneve,remote={FAR4},vni=7', f'geneve id 7 remote {NEAR4}'),
    (f'geneve,remote={FAR6},vni=7', f'geneve id 7 remote {NEAR6}'),
    (f'geneve,remote={FAR4},vni=8,dstport=7000,udp-csum=off,df=unset',
     f'geneve id 8 remote {NEAR4} dstport 7000 noudpcsum df inherit'),
    (f'vxlan,remote={FAR6},vni=7', f'vxlan id 7 remote {NEAR6} dstport 4789'),
    (f'gre,remote={FAR4}', f'gretap local {FAR4} remote {NEAR4}'),
    (f'gre,remote={FAR4},ikey=1,okey=0xffffffff,csum=on,seq=on',
     f'gretap local {FAR4} remote {NEAR4} okey 1 ikey 4294967295 csum seq'),
    (f'gre,remote={FAR4},key=5,seq=on,ttl=9,df=inherit',
     f'gretap local {FAR4} remote {NEAR4} key 5 seq'),
    (f'gre,remote={FAR6},key=5',
     f'ip6gretap local {FAR6} remote {NEAR6} key 5'),
]


@pytest.mark.parametrize('line,device', DEVICES)
def test_other_devices(up, underlay, line, device):
    u = underlay
    u.device(*device.split())
    s = u.up(up, line.replace(',', ',id=v,', 1))
    check_ping(u)
    check_tcp(u, s, stays_large='gre' not in device)
    rx, = s.call('port.show', id='v')['stats']['rx']
    assert not lost(rx)


def check_tcp(u, s, port='v', stays_large=True):
    """TCP both ways with the guest's offloads on; then with them off."""
    u.n.start(u.far, 'iperf3', '-s')
    lab.wait_until(lambda: ':5201' in u.n.run(u.far, 'ss', '-ltn'), 5,
                   'iperf3 server')
    before = s.stats(port)
    assert iperf(u.n, u.guest, PEER) > 20e6
    after = s.stats(port)
    size = (after['tx_bytes'] - before['tx_bytes']) / \
        (after['tx_frames'] - before['tx_frames'])
    assert size > 4000 or not stays_large, 'offloads are not in use'
    assert iperf(u.n, u.guest, PEER, '-R') > 20e6
    u.n.run(u.guest, 'ethtool', '-K', u.tap, 'tso', 'off', 'gso', 'off', 'tx',
            'off')
    assert iperf(u.n, u.guest, PEER) > 5e6


def test_tcp(up, underlay):
    u = underlay
    u.device('vxlan', 'id', '7', 'remote', NEAR4, 'dstport', '4789')
    s = u.up(up, f'vxlan,id=v,vni=7,remote={FAR4}')
    check_tcp(u, s)


class Pair:
    """Two daemons with tunnels to each other, and a tap each whose other side
    is a namespace."""

    def __init__(self, up, u, tunnel, tap=''):
        self.u = u
        self.peer = u.n.new('p')
        u.tap, far_tap = name('t'), name('s')
        self.near = up(f'tap,id=g,ifname={u.tap}{tap}',
                       tunnel.format(local=NEAR4, remote=FAR4,
                                     remote6=FAR6),
                       prefix=('ip', 'netns', 'exec', u.near))
        self.far = up(f'tap,id=g,ifname={far_tap}{tap}',
                      tunnel.format(local=FAR4, remote=NEAR4,
                                    remote6=NEAR6), sub='far',
                      prefix=('ip', 'netns', 'exec', u.far))
        sh('ip', '-n', u.near, 'link', 'set', u.tap, 'netns', u.guest)
        sh('ip', '-n', u.far, 'link', 'set', far_tap, 'netns', self.peer)
        u.address(u.guest, u.tap, GUEST)
        u.address(self.peer, far_tap, PEER)
        self.near.wait_link('g')
        self.far.wait_link('g')
        u.far = self.peer  # where the pings and iperf3 are


@pytest.mark.parametrize('tap,tunnel', [
    (',vlan=5', 'vxlan,id=v,vni=9,local={local},remote={remote}'),
    ('', 'geneve,id=v,vni=9,remote={remote6}'),
    (',vlan=5', 'gre,id=v,remote={remote},csum=on,seq=on,key=3'),
    ('', 'gre,id=v,remote={remote6}'),
])
def test_two_ringways(up, underlay, tap, tunnel):
    """Large frames stay large on the way: the kernel cuts datagrams and puts
    them together, the daemons frames. Tags inside stay, and the offsets of
    checksums and segments follow them."""
    if tap:
        tunnel += ',trunk=5:6'
    p = Pair(up, underlay, tunnel, tap)
    for size in (0, 1, 56, 1000, 1371, 1372):
        underlay.ping('-s', str(size))
    before = p.far.stats('g')
    check_tcp(underlay, p.near, 'v', 'gre' not in tunnel)
    after = p.far.stats('g')
    size = (after['tx_bytes'] - before['tx_bytes']) / \
        (after['tx_frames'] - before['tx_frames'])
    assert size > 2000, 'frames were not merged'
    far = p.far.call('port.show', id='v')
    rx, = far['stats']['rx']
    assert not lost(rx)
    if 'gre' not in tunnel:
        assert rx['frames'] > 2 * far['state']['endpoint']['calls'] > 0


@pytest.mark.parametrize('near,far,mtu', [(NEAR4, FAR4, 1450),
                                          (NEAR6, FAR6, 1430)])
def test_mtu(up, underlay, near, far, mtu):
    """The port tells the largest MTU that fits, and counts frames beyond."""
    u = underlay

    def add(options):
        s.command('port', 'del', 'v')
        s.command('port', 'add', f'vxlan,id=v,vni=7,remote={far}{options}')
    u.device('vxlan', 'id', '7', 'remote', near, 'dstport', '4789')
    s = u.up(up, f'vxlan,id=v,vni=7,remote={far}')
    remote, = s.call('port.show', id='v')['state']['remotes']
    assert remote['mtu'] == mtu
    for ns, link in ((u.guest, u.tap), (u.far, 'tun')):
        sh('ip', '-n', ns, 'link', 'set', link, 'mtu', '1500')
    u.ping('-s', str(mtu - 28))
    with pytest.raises(AssertionError):
        u.ping('-s', str(mtu + 1 - 28), '-W', '1')
    tx, = s.call('port.show', id='v')['stats']['tx']
    assert tx['drops'] == {'tx-too-big': 1}
    add(',df=unset')  # fragments, which the kernel sends with IPv4 only
    if near == NEAR4:
        u.ping('-s', str(1500 - 28))
    u.n.start(u.far, 'iperf3', '-s')
    lab.wait_until(lambda: ':5201' in u.n.run(u.far, 'ss', '-ltn'), 5,
                   'iperf3 server')
    assert iperf(u.n, u.guest, PEER) > 1e6
    add(',df=inherit')  # ping's packets may not be cut
    with pytest.raises(AssertionError):
        u.ping('-s', str(1500 - 28), '-W', '1')


GROUPS = {4: '239.1.1.7', 6: 'ff05::7'}


@pytest.mark.parametrize('family', GROUPS)
def test_vxlan_multicast(up, underlay, family):
    """The members of a group find each other. The membership outlives a link
    that is down, an address that changes, an interface that is made anew."""
    u = underlay

    def far_device():
        u.device('vxlan', 'id', '7', 'group', GROUPS[family], 'dev', u.links[1],
                 'dstport', '4789')

    def check(what):
        # Without a neighbour the first packet is a broadcast.
        lab.wait_until(is_member, 5, f'the group after {what}')
        for ns, to in ((u.guest, PEER), (u.far, GUEST)):
            for where, link in ((u.guest, u.tap), (u.far, 'tun')):
                sh('ip', '-n', where, 'neigh', 'flush', 'dev', link)
            u.ping(to=to, ns=ns)

    def is_member():
        text = u.n.run(u.near, 'ip', 'maddr', 'show', 'dev', u.links[0])
        return GROUPS[family] in text
    far_device()
    s = u.up(up, f'vxlan,id=v,vni=7,group={GROUPS[family]},dev={u.links[0]}')
    check('the start')
    state = s.call('port.show', id='v')['state']
    assert state['state'] == 'member' and state['addresses'] == 1
    assert state['mtu'] == (1450 if family == 4 else 1430)
    for ns, link in ((u.near, u.links[0]), (u.far, u.links[1])):
        sh('ip', '-n', ns, 'link', 'set', link, 'down')
        sh('ip', '-n', ns, 'link', 'set', link, 'up')
        if family == 6:  # lost with the link
            sh('ip', '-n', ns, 'addr', 'add',
               f'{NEAR6 if ns == u.near else FAR6}/64', 'dev', link, 'nodad')
        check(f'{link} down and up')
    sh('ip', '-n', u.near, 'addr', 'del', f'{NEAR4}/24', 'dev', u.links[0])
    sh('ip', '-n', u.near, 'addr', 'add', '10.78.0.3/24', 'dev', u.links[0])
    check('another address')
    sh('ip', '-n', u.far, 'link', 'del', 'tun')
    sh('ip', '-n', u.near, 'link', 'del', u.links[0])
    lab.wait_until(lambda: s.call('port.show', id='v')['state']['state'] ==
                   'dev is gone', 5, 'the loss of the interface')
    u.connect()
    far_device()
    check('a new interface')
    s.command('port', 'del', 'v')
    lab.wait_until(lambda: not is_member(), 5, 'the end of the membership')
    near = NEAR4 if family == 4 else NEAR6
    s.command('port', 'add', f'vxlan,id=v,vni=7,group={GROUPS[family]},'
              f'dev={u.links[0]},local={near},ttl=2')
    check('a source address')
    # Two ports are members; one goes.
    s.command('port', 'add', f'vxlan,id=w,vni=8,group={GROUPS[family]},net=w,'
              f'dev={u.links[0]}')
    s.command('port', 'del', 'w')
    check('another member of the same address')


def test_link_local(up, underlay):
    """A remote that is reached by one interface only, which is made anew."""
    u = underlay

    def local_address(ns, link):
        def find():
            text = u.n.run(ns, 'ip', '-6', '-o', 'addr', 'show', 'dev', link,
                           'scope', 'link')
            return 'tentative' not in text and 'fe80::' in text and text
        return lab.wait_until(find, 5, 'a link-local address') \
            .split('inet6 ')[1].split('/')[0]

    def far_device():
        u.device('vxlan', 'id', '7', 'local', local_address(u.far, u.links[1]),
                 'remote', local_address(u.near, u.links[0]), 'dev',
                 u.links[1], 'dstport', '4789')
    def state():
        return s.call('port.show', id='v')['state'].get('state')
    far_device()
    s = u.up(up, 'vxlan,id=v,vni=7,dev=' + u.links[0] + ',remote=' +
             local_address(u.far, u.links[1]))
    u.ping()
    sh('ip', '-n', u.far, 'link', 'del', 'tun')
    sh('ip', '-n', u.near, 'link', 'del', u.links[0])
    lab.wait_until(lambda: state() == 'dev is gone', 5, 'its loss')
    u.connect()
    far_device()
    lab.wait_until(lambda: not state(), 5, 'the new one')
    sh('ip', '-n', u.guest, 'neigh', 'flush', 'dev', u.tap)
    u.ping()
