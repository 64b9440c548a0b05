# SPDX-License-Identifier: Apache-2.0
"""Datagrams that the kernel joins and cuts, at the ports dgram and l2tpv3."""
import os
import socket
import struct
import time

import lab
import pytest
from frames import BROADCAST, ether, mac
from test_packet import raw, veth
from test_socket import udp_socket
from test_tap import sh

UDP_SEGMENT, UDP_GRO = 103, 104


def send_joined(sock, frames, to):
    """Sends datagrams of one size, the last may be shorter, in one call."""
    sock.sendmsg([b''.join(frames)], [(socket.SOL_UDP, UDP_SEGMENT,
                                       struct.pack('H', len(frames[0])))], 0,
                 to)


def receive_joined(sock):
    """Returns the datagrams that came as one message."""
    data, control, _, _ = sock.recvmsg(1 << 17, 64)
    size = len(data)
    for level, kind, value in control:
        if (level, kind) == (socket.SOL_UDP, UDP_GRO):
            size, = struct.unpack('i', value)
    return [data[i:i + size] for i in range(0, len(data), size)]


def dgram_port(name, ours, theirs, host='127.0.0.1', at='127.0.0.1'):
    return (f'dgram,id={name},local.type=inet,local.host={at},'
            f'local.port={ours},remote.type=inet,remote.host={host},'
            f'remote.port={theirs}')


def test_joined_datagrams(up):
    """The kernel joins datagrams of one size on the way in and cuts them on the
    way out."""
    ours = [lab.free_port(socket.SOCK_DGRAM) for _ in 'ab']
    with udp_socket() as a, udp_socket() as b:
        b.setsockopt(socket.SOL_UDP, UDP_GRO, 1)
        s = up('vhost-user,id=vm', *(
            dgram_port(name, our, peer.getsockname()[1])
            for name, our, peer in zip('ab', ours, (a, b))))
        front = s.front('vm')
        to = ('127.0.0.1', ours[0])
        b.sendto(ether(2, BROADCAST, 60), ('127.0.0.1', ours[1]))
        assert a.recv(1 << 17) == ether(2, BROADCAST, 60)
        assert front.recv()[1] == ether(2, BROADCAST, 60)
        most = 0
        for count, size, last in ((2, 60, 60), (64, 60, 60), (64, 1000, 999),
                                  (40, 1500, 14), (7, 9000, 100)):
            burst = [ether(1, 2, size, fill=i) for i in range(count - 1)]
            burst.append(ether(1, 2, last, fill=99))
            send_joined(a, burst, to)
            got = []
            while len(got) < count:
                some = receive_joined(b)
                most = max(most, len(some))
                got += some
            assert got == burst
            burst = [ether(1, BROADCAST, len(f), fill=i)
                     for i, f in enumerate(burst)]
            send_joined(a, burst, to)
            assert [front.recv()[1] for _ in burst] == burst
            while burst:
                for frame in receive_joined(b):
                    assert frame == burst.pop(0)
        assert most > 1, 'frames of a burst did not leave together'
        # Nonsense among good datagrams is dropped one by one.
        before = s.stats('a')['rx_drops']
        send_joined(a, [bytes(13)] * 5, to)
        a.sendto(ether(1, 2, 61), to)
        assert receive_joined(b) == [ether(1, 2, 61)]
        assert s.stats('a')['rx_drops'] == before + 5


def test_joined_datagrams_wait_for_a_full_receiver(up):
    ours = lab.free_port(socket.SOCK_DGRAM)
    with udp_socket() as peer:
        s = up('vhost-user,id=vm,full-us=1000000',
               dgram_port('d', ours, peer.getsockname()[1]))
        front = s.front('vm')
        front.send(ether(1, BROADCAST, 60))
        assert peer.recv(1 << 17)
        burst = [ether(2, 1, 200 + (i >= 320), fill=i) for i in range(640)]
        for i in range(0, len(burst), 64):
            send_joined(peer, burst[i:i + 64], ('127.0.0.1', ours))
        time.sleep(0.3)  # the receiver is full for a time
        assert [front.recv()[1] for _ in burst] == burst
        stats = s.stats('d')
        assert stats['rx_drops'] == s.drops('vm') == 0
        assert stats['rx'][0]['waits']


@pytest.mark.root
def test_datagrams_larger_than_the_interface_takes(up):
    """They cannot leave together, and are cut into fragments one by one."""
    ours = [lab.free_port(socket.SOCK_DGRAM) for _ in 'ab']
    with udp_socket() as a, veth('j') as (near, far), raw(far) as sock:
        net = f'10.{os.getpid() >> 8 & 127 | 128}.{os.getpid() & 255}'
        sh('ip', 'addr', 'add', f'{net}.1/24', 'dev', near)
        sh('ip', 'neigh', 'add', f'{net}.2', 'lladdr', mac(9), 'dev', near)
        s = up(dgram_port('a', ours[0], a.getsockname()[1]),
               dgram_port('b', ours[1], 7, f'{net}.2', f'{net}.1'))
        send_joined(a, [ether(1, 2, 2000, fill=i) for i in range(20)],
                    ('127.0.0.1', ours[0]))
        seen = []
        while len(seen) < 40:
            frame = sock.recv(1 << 17)
            if frame[12:14] == b'\x08\x00':
                seen.append(frame)
        assert all(len(f) <= 1514 for f in seen)
        stats = s.stats('b')
        assert (stats['tx_frames'], stats['tx_drops']) == (20, 0)


def test_joined_tunnel(up):
    """Each datagram of a message has a header of its own."""
    def header(counter):
        return struct.pack('!IIII', 0x30000, 5, 6, counter)
    ours = [lab.free_port(socket.SOCK_DGRAM) for _ in 'ab']
    with udp_socket() as a, udp_socket() as b:
        b.setsockopt(socket.SOL_UDP, UDP_GRO, 1)
        up(*(f'l2tpv3,id={n},src=127.0.0.1,dst=127.0.0.1,udp=on,srcport={our},'
             f'dstport={peer.getsockname()[1]},txsession=5,txcookie=6,'
             'rxcookie=6,counter=on' for n, our, peer in zip('ab', ours,
                                                             (a, b))))
        burst = [ether(1, 2, 500, fill=i) for i in range(64)]
        send_joined(a, [header(0) + f for f in burst], ('127.0.0.1', ours[0]))
        got = []
        while len(got) < len(burst):
            got += receive_joined(b)
        assert got == [header(i + 1) + f for i, f in enumerate(burst)]
