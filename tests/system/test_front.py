# SPDX-License-Identifier: Apache-2.0
"""The vhost-user-front port: the driver side of another switch (two daemons in
a row) and of DPDK's vhost; back-ends that end, say nothing or are none."""
import os
import signal
import socket
import time

import lab
import pytest
import vufront
from frames import (BROADCAST, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM, ether,
                    header, mac, parse_header, partial, tcp, udp)
from test_switch import ping

USO = vufront.OFFLOADS | vufront.bits(54, 55, 56)
SIZES = (60, 61, 64, 127, 500, 1514, 1518, 2048, 2239, 2240, 2241, 4470, 4480,
         9000, 9014)
RINGS = ('off', 'on')


class Row:
    """Two daemons in a row: front-end a, switch left, switch right, front-end
    b."""

    def __init__(self, up, packed='off', queues=1, options='', front=(),
                 **options_b):
        self.up, self.queues = up, queues
        self.right = self.new_right()
        self.path = f'{self.right.folder}/link.sock'
        self.left = up(f'vhost-user,id=a,queues={queues}',
                       f'vhost-user-front,id=link,path={self.path},'
                       f'queues={queues},packed={packed}{options}', *front,
                       sub='left')
        self.left.wait_link('link')

    def new_right(self):
        return self.up(f'vhost-user,id=link,queues={self.queues}',
                       f'vhost-user,id=b,queues={self.queues}', sub='right')

    def fronts(self, **options):
        return (self.left.front('a', **options),
                self.right.front('b', **options))

    def show(self):
        return self.left.call('port.show', id='link')['state']

    def drops(self):
        return [s.stats(p)[f'{way}_drops'] for s in (self.left, self.right)
                for p in ('link', 'a' if s is self.left else 'b')
                for way in ('rx', 'tx')]


def pass_one(src, dst, frame, hdr=b''):
    src.send(frame, hdr)
    got = dst.recv()
    assert got, f'{len(frame)} bytes did not arrive'
    assert got[1] == bytes(frame)
    return parse_header(got[0])


def pass_large(src, dst, packet, gso=GSO_NONE):
    frame, start, offset = partial(packet)
    return pass_one(src, dst, frame, header(
        NEEDS_CSUM, gso, gso and 54, gso and 1400, start, offset))


@pytest.mark.parametrize('packed', RINGS)
def test_frames_of_every_size(up, packed):
    row = Row(up, packed)
    assert ('RING_PACKED' in row.show()['features']) == (packed == 'on')
    a, b = row.fronts()
    for src, dst, s, d in ((a, b, 1, 2), (b, a, 2, 1)):
        for size in SIZES:
            pass_one(src, dst, ether(s, d, size, size & 255))
    # many rounds of the rings
    for i in range(1500):
        src, dst, s, d = (a, b, 1, 2) if i & 1 else (b, a, 2, 1)
        pass_one(src, dst, ether(s, d, 60 + i % 1455, i & 255))
    assert not any(row.drops())


@pytest.mark.parametrize('packed', RINGS)
def test_offloads(up, packed):
    """Frames without a checksum and frames of 64 KiB pass as they are."""
    row = Row(up, packed)
    a, b = row.fronts(features=USO)
    a.send(ether(1, BROADCAST))
    b.send(ether(2, BROADCAST))
    a.recv_all()
    b.recv_all()
    for v6 in (False, True):
        for n in (1, 100, 1400):
            got = pass_large(a, b, tcp(1, 2, bytes(n), v6))
            assert got['gso'] == GSO_NONE and got['flags'] == NEEDS_CSUM
        gso = GSO_TCPV6 if v6 else GSO_TCPV4
        for n in (2000, 30000, 64000):
            data = bytes(i * 7 & 255 for i in range(n))
            for src, dst, s, d in ((a, b, 1, 2), (b, a, 2, 1)):
                got = pass_large(src, dst, tcp(s, d, data, v6), gso)
                assert got['gso'] == gso and got['gso_size'] == 1400
                assert got['flags'] == NEEDS_CSUM
        got = pass_large(a, b, udp(1, 2, data, v6), GSO_UDP_L4)
        assert got['gso'] == GSO_UDP_L4
    assert not any(row.drops())
