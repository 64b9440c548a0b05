# SPDX-License-Identifier: Apache-2.0
"""The tunnel ports against Open vSwitch's own datapath in user space, in a
network namespace of its own."""
import contextlib
import os
import shutil
import subprocess

import lab
import pytest
from test_tap import iperf, namespaces, sh  # noqa: F401
from test_tunnel import FAR4, NEAR4, PEER, Underlay

SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not shutil.which('ovs-vswitchd') or
                       not os.path.exists(SCHEMA),
                       reason='Open vSwitch is not installed'),
    pytest.mark.skipif(not os.path.exists('/dev/net/tun'),
                       reason='there is no /dev/net/tun'),
]


class Ovs:
    """The daemons of Open vSwitch in a namespace."""

    def __init__(self, folder, ns):
        self.folder, self.ns = folder, ns
        self.database = f'unix:{folder}/db.sock'
        self.env = dict(os.environ, OVS_RUNDIR=folder, OVS_LOGDIR=folder,
                        OVS_DBDIR=folder, OVS_SYSCONFDIR=folder)
        sh('ovsdb-tool', 'create', f'{folder}/conf.db', SCHEMA)
        self.processes = [self.start(
            'ovsdb-server', f'{folder}/conf.db',
            f'--remote=punix:{folder}/db.sock', f'--unixctl={folder}/db.ctl')]
        lab.wait_until(lambda: os.path.exists(f'{folder}/db.sock'), 5,
                       'ovsdb-server')
        self.vsctl('--no-wait', 'init')
        self.processes.append(self.start(
            'ovs-vswitchd', self.database, f'--unixctl={folder}/vs.ctl'))

    def start(self, program, *argv):
        return subprocess.Popen(
            ['ip', 'netns', 'exec', self.ns, program, *argv,
             f'--log-file={self.folder}/{program}.log'], env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    def vsctl(self, *argv):
        sh('ovs-vsctl', '--timeout=10', f'--db={self.database}', *argv,
           env=self.env)

    def bridge(self, bridge, *more):
        self.vsctl('add-br', bridge, '--', 'set', 'bridge', bridge,
                   'datapath_type=netdev', '--', *more)

    def end(self):
        for p in reversed(self.processes):
            lab.end_process(p)


@contextlib.contextmanager
def running(folder, ns):
    where = os.path.join(folder, 'ovs')
    os.mkdir(where)
    ovs = Ovs(where, ns)
    try:
        yield ovs
    finally:
        ovs.end()


def test_openvswitch(up, folder, namespaces):  # noqa: F811
    u = Underlay(namespaces)
    # Open vSwitch reads from packet sockets, and looks at checksums.
    for ns, link in ((u.near, u.links[0]), (u.far, u.links[1])):
        sh('ip', 'netns', 'exec', ns, 'ethtool', '-K', link, 'tx', 'off')
    sh('ip', '-n', u.far, 'addr', 'flush', 'dev', u.links[1])
    with running(folder, u.far) as ovs:
        ovs.bridge('phy', 'add-port', 'phy', u.links[1])
        u.address(u.far, 'phy', FAR4, 1500)
        ovs.bridge('int', 'set', 'interface', 'int', 'mtu_request=1400')
        u.address(u.far, 'int', PEER)
        s = u.up(up)
        u.n.start(u.far, 'iperf3', '-s')
        for kind, ours, theirs in (
                ('geneve', 'vni=7', ['key=7']),
                ('geneve', 'vni=8,udp-csum=off', ['key=8', 'csum=true']),
                ('vxlan', 'vni=7', ['key=7', 'csum=true']),
                ('gre', 'key=5', ['key=5']),
                # not with seq: it numbers packets after their checksum
                ('gre', 'ikey=1,okey=2,csum=on,seq=on',
                 ['in_key=2', 'out_key=1', 'csum=true']),
                ('gre', 'seq=on', ['seq=true'])):
            s.command('port', 'add', f'{kind},id=v,remote={FAR4},{ours}')
            ovs.vsctl('add-port', 'int', 'tun', '--', 'set', 'interface', 'tun',
                      f'type={kind}', f'options:remote_ip={NEAR4}',
                      *(f'options:{o}' for o in theirs))
            for size in (0, 1, 100, 1372):
                u.ping('-s', str(size))
            if ours in ('vni=8,udp-csum=off', 'key=5'):
                assert iperf(u.n, u.guest, PEER) > 2e6
                assert iperf(u.n, u.guest, PEER, '-R') > 2e6
            rx, = s.call('port.show', id='v')['stats']['rx']
            assert not set(rx.get('drops', ())) - {'rx-no-receiver'}
            s.command('port', 'del', 'v')
            ovs.vsctl('del-port', 'int', 'tun')
