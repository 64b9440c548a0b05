# SPDX-License-Identifier: Apache-2.0
"""The tunnel ports against the devices of a user-mode-linux guest, whose kernel
has more kinds of them. The daemon is in a network namespace; its tap in there
and the guest's card are the underlay, which is a network of the daemon, too."""
import os

import lab
import pytest
from test_tap import name, namespaces, sh  # noqa: F401
from test_tunnel import DEVICES, FAR4, FAR6, GUEST, NEAR4, NEAR6, PEER
from test_uml import images  # noqa: F401

pytestmark = [pytest.mark.guests, pytest.mark.root]


IP = '/bin/ip'  # the shell's own makes no tunnels


def test_devices(images, up, folder, namespaces):  # noqa: F811
    near, inner = namespaces.new('n'), namespaces.new('g')
    under, tap = name('u'), name('t')
    s = up('vhost-user,id=vm,net=under', f'tap,id=u,net=under,ifname={under}',
           f'tap,id=g,ifname={tap}', prefix=('ip', 'netns', 'exec', near))
    sh('ip', '-n', near, 'link', 'set', tap, 'netns', inner)
    configure(near, under, NEAR4, NEAR6)
    configure(inner, tap, GUEST)
    sh('ip', '-n', inner, 'link', 'set', tap, 'mtu', '1400')
    guest = lab.Uml('far', folder, os.path.join(folder, 'vm.sock'),
                    images=images)
    try:
        guest.wait_boot()
        guest.run('for m in $(cat /lib/modules/tunnels); do '
                  'insmod /lib/modules/$m.ko; done')
        guest.run(f'{IP} addr add {FAR4}/24 dev eth0 && '
                  f'{IP} addr add {FAR6}/64 dev eth0 nodad && '
                  f'{IP} link set eth0 up')
        # The host hands on what the guest leaves to its card: checksums.
        guest.run('ethtool -K eth0 tx off')
        guest.run('iperf3 -s -D')
        for line, device in DEVICES:
            check(s, guest, namespaces, inner, line, device)
    finally:
        guest.stop()


def configure(ns, link, *addresses):
    for a in addresses:
        sh('ip', '-n', ns, 'addr', 'add', f'{a}/{64 if ":" in a else 24}',
           'dev', link, *(['nodad'] if ':' in a else []))
    sh('ip', '-n', ns, 'link', 'set', link, 'up')


def check(s, guest, namespaces, inner, line, device):  # noqa: F811
    guest.run(f'{IP} link add tun type {device} && '
              f'{IP} addr add {PEER}/24 dev tun && '
              f'{IP} link set tun mtu 1400 up')
    s.command('port', 'add', line.replace(',', ',id=v,', 1))
    sh('ip', '-n', inner, 'neigh', 'flush', 'all')
    for size in (0, 1, 1000, 1372):
        namespaces.run(inner, 'busybox', 'ping', '-q', '-W', '3', '-c', '1',
                       '-s', str(size), PEER)
    for way in ('', '-R'):
        transfer(namespaces, inner, way)
    rx, = s.call('port.show', id='v')['stats']['rx']
    assert not set(rx.get('drops', ())) - {'rx-no-receiver'}, line
    s.command('port', 'del', 'v')
    guest.run(f'{IP} link del tun')


def transfer(namespaces, inner, *way):  # noqa: F811
    def done():
        try:
            return lab.iperf(lambda: namespaces.run(
                inner, 'iperf3', '-J', '-n', '4M', '-c', PEER,
                *filter(None, way))) > 2e6
        except lab.LabError:  # the server still closes the last connection
            return False
    lab.wait_until(done, 10, 'a transfer', every=0.2)
