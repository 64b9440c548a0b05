#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs iperf3 and ping between two guests, or one guest and the host; called
by guests.sh. Arguments: FOLDER NET1 NET2 DEVICE-OPTIONS SECS MTU CORE1 CORE2
(NET1 empty: the peer is 10.9.0.1 on the other side of NET2; uml:SOCKET: the
guest is user-mode-linux on a vhost-user socket). SWITCH_PIDS in the
environment: processes between the guests, whose CPU time is separate."""
import os
import shlex
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'scripts'))
import lab  # noqa: E402
import harness  # noqa: E402
from proc import cpu_seconds, family_seconds  # noqa: E402

folder, net1, net2, options, secs, mtu, core1, core2 = sys.argv[1:9]
switch = os.environ.get('SWITCH_PIDS', '').split()
guests = []
meter = harness.meter()


def spent():
    """Returns the CPU seconds of the processes between the guests and of the
    guests."""
    return (sum(cpu_seconds(p) for p in switch),
            sum(family_seconds(g.pids()) for g in guests))


def tell_distance():
    """Prints the distance between the processors; runs before and after each
    measurement."""
    print('G_DISTANCE', meter.read() or 0)


def boot(number, net, core):
    device = f'virtio-net-pci,netdev=n,mac=52:54:00:00:00:0{number},romfile='
    if net.startswith('uml:'):
        guest = lab.Uml(f'g{number}', folder, net[4:], memory='256M',
                        cpu_list=core)
    else:
        guest = lab.Guest(f'g{number}', folder, shlex.split(net) +
                          ['-device', device + options], memory='256M',
                          with_memory=True, cpu_list=core)
    guests.append(guest)
    return guest


def up(guest, address):
    guest.run(f'ip link set eth0 mtu {mtu} up; '
              f'ip addr add {address}/24 dev eth0')


try:
    server = boot(1, net1, core1) if net1 else None
    if server:
        server.wait_boot()  # a listening netdev must exist first
    client = boot(2, net2, core2)
    client.wait_boot()
    if server:
        up(server, '10.9.0.1')
        server.run('iperf3 -s -D')
    up(client, '10.9.0.2')
    features = client.run('ethtool -k eth0 | grep -e tcp-segmentation-offload '
                          '-e tx-checksumming: -e " large-receive"')
    print('G_FEATURES', features.replace('\n', ' ').replace('\t', ''))
    client.run('for i in 1 2 3 4 5 6 7 8; do ping -c 1 -W 1 10.9.0.1 >/dev/null'
               ' && break; sleep 1; done')
    tell_distance()
    print(client.run('ping -c 100 -i 0.05 -q 10.9.0.1', check=False)[1])
    tell_distance()
    # without -O: the CPU time belongs to all that was sent
    tcp = f'iperf3 -c 10.9.0.1 -t {secs} %s | grep -e sender -e receiver'
    for title, extra in (('TCP to peer', ''), ('TCP to peer', ''),
                         ('TCP from peer', '-R')):
        print('G_' + title)
        before = spent()
        print(client.run(tcp % extra, timeout=30 + 3 * int(secs)))
        cost = [b - a for a, b in zip(before, spent())]
        print('G_CPU switch=%.4f guests=%.4f' % tuple(cost))
        tell_distance()
    print('G_UDP 64 B payload, unlimited')
    print(client.run('iperf3 -c 10.9.0.1 -u -l 64 -b 0 -t 4 | '
                     'grep -e sender -e receiver', timeout=60))
finally:
    for g in guests:
        g.stop()
