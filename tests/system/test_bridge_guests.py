# SPDX-License-Identifier: Apache-2.0
"""QEMU's own netdevs as peers on the same bridge and on the same interface: one
guest is on vhost-user ports of the switch, whose ports are `bridge` and
`macvtap`; the other behind QEMU's `bridge`, and its `tap` on a macvtap."""
import os
import re
import socket
import subprocess

import lab
import pytest
from test_bridge import HELPER
from test_guests import VECTORS
from test_macvtap import has_macvtap
from test_packet import veth
from test_tap import name, sh

pytestmark = [pytest.mark.guests, pytest.mark.root]
NETS = ('bridge', 'macvtap')


class Guest(lab.Guest):
    """A guest whose QEMU has an /etc of its own and inherits descriptors."""

    def __init__(self, prefix, fds, *args, **options):
        self.prefix, self.fds = prefix, fds
        super().__init__(*args, **options)

    def start(self, argv, **how):
        super().start(self.prefix + argv, pass_fds=self.fds, **how)


def card(guest, net):
    return f'52:54:00:77:{guest:02x}:{NETS.index(net):02x}'


def set_up(guest, g):
    guest.wait_boot(120)
    out = guest.run('for i in /sys/class/net/*; do '
                    'echo $(basename $i) $(cat $i/address); done')
    by_mac = {m: i for i, m in re.findall(r'^(\S+) (\S+)$', out, re.M)}
    for n, net in enumerate(NETS):
        nic = by_mac[card(g, net)]
        guest.run(f'ip link set {nic} up; '
                  f'ip addr add 10.19.{n}.{g}/24 dev {nic}')


@pytest.fixture(scope='module')
def places(module_folder):
    """Yields (bridge, interface for macvtaps, prefix that lets the helper use
    all bridges)."""
    if not os.path.exists(HELPER):
        pytest.skip(f'there is no {HELPER}')
    if not has_macvtap():
        pytest.skip('no macvtap here')
    etc = os.path.join(module_folder, 'etc', 'qemu')
    os.makedirs(etc)
    with open(os.path.join(etc, 'bridge.conf'), 'w') as f:
        f.write('allow all\n')
    br = name('bg')
    sh('ip', 'link', 'add', br, 'type', 'bridge')
    try:
        sh('ip', 'link', 'set', br, 'up')
        with veth('mg') as (below, _):
            yield br, below, [
                'unshare', '-m', 'sh', '-c', f'mount --bind '
                f'{os.path.dirname(etc)} /etc && exec "$@"', 'sh']
    finally:
        subprocess.run(['ip', 'link', 'del', br])


@pytest.fixture(scope='module')
def world(images, module_up, module_folder, places):
    br, below, prefix = places
    s = module_up(*(f'vhost-user,id=vm-{net},net={net}' for net in NETS),
                  f'bridge,id=bridge,net=bridge,br={br}',
                  f'macvtap,id=macvtap,net=macvtap,link={below},'
                  f'mac={card(1, "macvtap")}', prefix=prefix)
    link = name('mq')
    sh('ip', 'link', 'add', link, 'link', below, 'address',
       card(2, 'macvtap'), 'type', 'macvtap', 'mode', 'bridge')
    sh('ip', 'link', 'set', link, 'up')
    tap = os.open(f'/dev/tap{socket.if_nametoindex(link)}', os.O_RDWR)
    ours = []
    for net in NETS:
        ours += ['-chardev', f'socket,id=c-{net},path={module_folder}/'
                 f'vm-{net}.sock', '-netdev',
                 f'vhost-user,id={net},chardev=c-{net}', '-device',
                 f'virtio-net-pci,netdev={net},romfile={VECTORS},'
                 f'mac={card(1, net)}']
    theirs = []
    for net, other in zip(NETS, (f'bridge,br={br}', f'tap,fd={tap}')):
        theirs += ['-netdev', f'{other},id={net}', '-device',
                   f'virtio-net-pci,netdev={net},romfile=,mac={card(2, net)}']
    guests = []
    try:
        guests.append(Guest([], [], 'vm', module_folder, ours, images=images,
                            with_memory=True))
        guests.append(Guest(prefix, [tap], 'qemu', module_folder, theirs,
                            images=images))
        for g, guest in enumerate(guests, 1):
            set_up(guest, g)
            guest.run('iperf3 -s -D')
        yield s, *guests
    finally:
        os.close(tap)
        for guest in guests:
            guest.stop()
        subprocess.run(['ip', 'link', 'del', link], capture_output=True)


@pytest.mark.parametrize('net', NETS)
def test_guests_talk(world, net):
    s, vm, qemu = world
    n = NETS.index(net)
    s.wait_link(net)
    for guest, to in ((vm, f'10.19.{n}.2'), (qemu, f'10.19.{n}.1')):
        out = guest.run(f'ping -c 3 -i 0.2 -W 2 -s 1400 -q {to}', check=False)
        assert '3 packets received' in out[1], out[1]
        rate = lab.iperf(lambda g=guest, t=to: g.run(f'iperf3 -J -t 1 -c {t}',
                                                     timeout=40))
        assert rate > 5e6
    stats = s.stats(net)
    for way in ('rx', 'tx'):
        assert stats[f'{way}_frames'] > 1000
        assert stats[f'{way}_bytes'] / stats[f'{way}_frames'] > 500
