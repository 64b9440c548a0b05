# SPDX-License-Identifier: Apache-2.0
"""QEMU's own netdevs stream, dgram, socket, hubport and vde as peers: one guest
is on vhost-user ports of the switch, the other behind QEMU's netdevs."""
import os
import re
import shutil
import socket

import lab
import pytest
from test_guests import VECTORS
from test_vde import VdeSwitch

pytestmark = pytest.mark.guests


def udp():
    return lab.free_port(socket.SOCK_DGRAM)


def wires(folder):
    """Returns {network: (our netdev, QEMU's netdev)}, without ids."""
    tunnel = (f'udp=on,src=127.0.0.1,dst=127.0.0.1,cookie64=on,counter=on,'
              f'offset=4,')
    tcp = [lab.free_port() for _ in range(4)]
    a, b, c, d, e, f, group = (udp() for _ in range(7))
    inet = 'addr.type=inet,addr.host=127.0.0.1,addr.port='
    wires = {
        'tcp-server': (f'stream,server=on,{inet}{tcp[0]}',
                       f'stream,server=off,{inet}{tcp[0]}'),
        'tcp-client': (f'stream,{inet}{tcp[1]},reconnect-ms=100',
                       f'stream,server=on,{inet}{tcp[1]}'),
        'unix': (f'stream,addr.type=unix,addr.path={folder}/q.s,'
                 'reconnect-ms=100',
                 f'stream,server=on,addr.type=unix,addr.path={folder}/q.s'),
        'udp': (f'dgram,local.type=inet,local.host=127.0.0.1,local.port={a},'
                f'remote.type=inet,remote.host=127.0.0.1,remote.port={b}',
                f'dgram,local.type=inet,local.host=127.0.0.1,local.port={b},'
                f'remote.type=inet,remote.host=127.0.0.1,remote.port={a}'),
        'unix-dgram': (f'dgram,local.type=unix,local.path={folder}/d.sock,'
                       f'remote.type=unix,remote.path={folder}/q.d',
                       f'dgram,local.type=unix,local.path={folder}/q.d,'
                       f'remote.type=unix,remote.path={folder}/d.sock'),
        'old-tcp': (f'socket,listen=127.0.0.1:{tcp[2]}',
                    f'socket,connect=127.0.0.1:{tcp[2]}'),
        'old-udp': (f'socket,udp=127.0.0.1:{d},localaddr=127.0.0.1:{c}',
                    f'socket,udp=127.0.0.1:{c},localaddr=127.0.0.1:{d}'),
        'l2tpv3-udp': (f'l2tpv3,{tunnel}srcport={e},dstport={f},txsession=1,'
                       'rxsession=2,txcookie=0x123456789a,rxcookie=3',
                       f'l2tpv3,{tunnel}srcport={f},dstport={e},txsession=2,'
                       'rxsession=1,txcookie=3,rxcookie=0x123456789a'),
        'multicast': (f'socket,mcast=230.0.0.1:{group},localaddr=127.0.0.1',
                      f'socket,mcast=230.0.0.1:{group},localaddr=127.0.0.1'),
        # a hub on both sides, see world()
        'hub0': (f'stream,server=on,{inet}{tcp[3]}',
                 f'stream,server=off,{inet}{tcp[3]}'),
    }
    if shutil.which('vde_switch'):
        wires['vde'] = 2 * (f'vde,sock={folder}/vde',)
    if os.geteuid() == 0:
        wires['l2tpv3-ip'] = (
            'l2tpv3,src=127.0.0.1,dst=127.0.0.2,txsession=1,txcookie=1,'
            'rxcookie=2',
            'l2tpv3,src=127.0.0.2,dst=127.0.0.1,txsession=1,txcookie=2,'
            'rxcookie=1')
    return wires


NETS = list(wires(''))


def card(guest, net):
    return f'52:54:00:00:{guest:02x}:{NETS.index(net):02x}'


def address(net, guest, v6=False):
    n = NETS.index(net)
    return f'fd09:{n}::{guest}' if v6 else f'10.9.{n}.{guest}'


def set_up(guest, g):
    """Gives the guest's cards their addresses."""
    guest.wait_boot(120)
    out = guest.run('for i in /sys/class/net/*; do '
                    'echo $(basename $i) $(cat $i/address); done')
    by_mac = {m: i for i, m in re.findall(r'^(\S+) (\S+)$', out, re.M)}
    for net in NETS:
        nic = by_mac[card(g, net)]
        guest.run(f'echo 0 >/proc/sys/net/ipv6/conf/{nic}/accept_dad; '
                  f'ip link set {nic} up; '
                  f'ip addr add {address(net, g)}/24 dev {nic}; '
                  f'ip -6 addr add {address(net, g, True)}/64 dev {nic}')


@pytest.fixture(scope='module')
def world(images, module_up, module_folder):
    """Yields the switch, the guest on it and the guest behind QEMU."""
    netdevs, ours, theirs = [], [], []
    for net, (mine, other) in wires(module_folder).items():
        plug = net
        if net == 'hub0':
            netdevs += [f'hubport,id=vm-{net},hubid=0,'
                        f'path={module_folder}/vm-{net}.sock',
                        f'{mine},id={net}', f'hubport,id=j,hubid=0,netdev={net}']
            plug = 'plug'
            hub = ['-netdev', f'hubport,id=wire,hubid=7,netdev={net}',
                   '-netdev', f'hubport,id={plug},hubid=7']
        else:
            netdevs += [f'vhost-user,id=vm-{net},net={net}',
                        f'{mine},id={net},net={net}']
            hub = []
        ours += ['-chardev', f'socket,id=c-{net},'
                 f'path={module_folder}/vm-{net}.sock',
                 '-netdev', f'vhost-user,id={net},chardev=c-{net}',
                 '-device', f'virtio-net-pci,netdev={net},romfile={VECTORS},'
                 f'mac={card(1, net)}']
        theirs += ['-netdev', f'{other},id={net}', *hub, '-device',
                   f'virtio-net-pci,netdev={plug},romfile=,mac={card(2, net)}']
    guests, vde = [], None
    try:
        if 'vde' in NETS:
            vde = VdeSwitch(f'{module_folder}/vde')
        s = module_up(*netdevs)
        guests.append(lab.Guest('vm', module_folder, ours, with_memory=True,
                                images=images))
        guests.append(lab.Guest('qemu', module_folder, theirs, images=images))
        for g, guest in enumerate(guests, 1):
            set_up(guest, g)
        guests[1].run('iperf3 -s -D')
        guests[0].run('iperf3 -s -D')
        yield s, *guests
    finally:
        for guest in guests:
            guest.stop()
        if vde:
            vde.stop()
        for name in ('q.s', 'q.d'):
            if os.path.exists(f'{module_folder}/{name}'):
                os.unlink(f'{module_folder}/{name}')


@pytest.mark.parametrize('net', NETS)
def test_ping(world, net):
    s, vm, qemu = world
    s.wait_link(net)
    for guest, to in ((vm, address(net, 2)), (qemu, address(net, 1)),
                      (vm, address(net, 2, True))):
        out = guest.run(f'ping -c 3 -i 0.2 -W 2 -s 1400 -q {to}', check=False)
        assert '3 packets received' in out[1], out[1]


@pytest.mark.parametrize('net', NETS)
def test_tcp(world, net):
    s, vm, qemu = world
    for guest, to in ((vm, address(net, 2)), (qemu, address(net, 1))):
        rate = lab.iperf(lambda g=guest, t=to: g.run(f'iperf3 -J -t 1 -c {t}',
                                                     timeout=40))
        assert rate > 5e6
    assert s.stats(net)['rx_frames'] > 1000
    assert s.stats(net)['tx_frames'] > 1000


def test_qemu_goes_and_comes_back(world):
    """Must be the last: ends the guest behind QEMU's netdevs."""
    s, _, qemu = world
    qemu.process.kill()
    for net in ('tcp-server', 'tcp-client', 'unix', 'old-tcp'):
        s.wait_link(net, False)
