# SPDX-License-Identifier: Apache-2.0
"""The tunnel ports against the kernel's devices: a daemon in one network
namespace, the other end in a second one, a guest's stack in a third."""
import contextlib
import shutil
import subprocess

import lab
import pytest
from test_tap import iperf, name, namespaces, sh  # noqa: F401

pytestmark = pytest.mark.root
NEAR4, FAR4, NEAR6, FAR6 = '10.78.0.1', '10.78.0.2', 'fd78::1', 'fd78::2'
GUEST, PEER = '10.79.0.1', '10.79.0.2'


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
             'veth', 'peer', 'name', self.links[1], 'mtu', str(self.mtu)],
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
    assert not rx.get('drops')
