# SPDX-License-Identifier: Apache-2.0
"""The l2tpv3 port: every byte of its header, and what is no frame for it."""
import os
import re
import socket
import struct

import lab
import pytest
from frames import BROADCAST, ether

SESSIONS = 'txsession=0xfffffff1,rxsession=0x10'


def udp_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(('127.0.0.1', 0))
    sock.settimeout(5)
    return sock


class Tunnel:
    """The port over UDP, its guest, and the peer's socket."""

    def __init__(self, up, options):
        self.sock = udp_socket()
        self.port = lab.free_port(socket.SOCK_DGRAM)
        self.s = up('vhost-user,id=vm',
                    f'l2tpv3,id=t,src=127.0.0.1,dst=127.0.0.1,udp=on,'
                    f'srcport={self.port},dstport='
                    f'{self.sock.getsockname()[1]},{options}')
        self.front = self.s.front('vm')

    def send(self, data):
        self.sock.sendto(data, ('127.0.0.1', self.port))

    def recv(self):
        return self.sock.recv(1 << 17)

    def drops(self):
        rx, = self.s.call('port.show', id='t')['stats']['rx']
        return rx.get('drops', {})


@pytest.mark.parametrize('options,sent,taken', [
    ('', '', ''),
    ('txcookie=0x11223344,rxcookie=7', '11223344', '00000007'),
    ('cookie64=on,txcookie=0x1122334455667788,rxcookie=0x99',
     '1122334455667788', '0000000000000099'),
    ('counter=on', '{n:08x}', 'deadbeef'),
    ('counter=on,pincounter=on', '00000000', 'deadbeef'),
    ('offset=3', '000000', 'aabbcc'),
    ('txcookie=1,rxcookie=2,counter=on,offset=4', '00000001{n:08x}00000000',
     '000000020000000100000000')])
def test_header(up, options, sent, taken):
    t = Tunnel(up, f'{SESSIONS},{options}'.strip(','))
    for n in (1, 2, 3):
        frame = ether(1, BROADCAST, 60 * n, fill=n)
        t.front.send(frame)
        assert t.recv() == bytes.fromhex(
            '00030000' 'fffffff1' + sent.format(n=n)) + frame
        frame = ether(2, 1, 500 * n, fill=n)
        t.send(bytes.fromhex('00030000' '00000010' + taken) + frame)
        assert t.front.recv()[1] == frame
    assert not t.drops()


def test_what_is_no_frame(up):
    t = Tunnel(up, f'{SESSIONS},cookie64=on,txcookie=1,'
               'rxcookie=0x1122334455667788,counter=on')
    frame = ether(2, 1, 60)

    def packet(flags=0x30000, session=0x10, cookie=0x1122334455667788):
        return struct.pack('!IIQI', flags, session, cookie, 1) + frame
    for length in range(20):
        t.send(packet()[:length])
    for length in range(20, 34):
        t.send(packet()[:length])  # a frame without its Ethernet header
    t.send(packet(flags=0xc8030000))
    t.send(packet(session=0x11))
    t.send(packet(session=0xfffffff1))
    t.send(packet(cookie=0x1122334455667789))
    t.send(packet(cookie=0x0122334455667788))
    t.send(packet())
    assert t.front.recv()[1] == frame
    assert t.front.recv(0.1) is None
    assert t.drops() == {'rx-bad-header': 21, 'rx-bad-frame': 14,
                         'rx-unknown-session': 2, 'rx-bad-cookie': 2}


def test_peer_that_is_not_there(up):
    """An answer that the port is closed ends nothing."""
    t = Tunnel(up, SESSIONS)
    where = t.sock.getsockname()
    t.sock.close()
    for _ in range(50):
        t.front.send(ether(1, BROADCAST, 60))
    t.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    t.sock.bind(where)
    t.sock.settimeout(5)
    t.front.send(ether(1, BROADCAST, 61))
    assert t.recv()[8:] == ether(1, BROADCAST, 61)


@pytest.mark.root
@pytest.mark.parametrize('family,ours,theirs,extra', [
    (socket.AF_INET, '127.0.0.1', '127.0.0.2', ''),
    (socket.AF_INET6, '::1', '::1', ',ipv6=on')])
def test_over_ip(up, family, ours, theirs, extra):
    sock = socket.socket(family, socket.SOCK_RAW, 115)
    sock.settimeout(5)
    try:
        sock.bind((theirs, 0))
    except OSError as e:
        pytest.skip(f'{theirs}: {e}')
    s = up('vhost-user,id=vm', f'l2tpv3,id=t,src={ours},dst={theirs},{SESSIONS}'
           f'{extra}')
    front = s.front('vm')
    for size in (60, 1514, 9000):
        frame = ether(2, 1, size)
        sock.sendto(struct.pack('!I', 0x10) + frame, (ours, 0))
        assert front.recv()[1] == frame
        frame = ether(1, 2, size)
        front.send(frame)
        want = struct.pack('!I', 0xfffffff1) + frame
        # to its own address, the socket also gets what it sent
        got = b''
        while not got.endswith(want):
            got = sock.recv(1 << 17)


@pytest.mark.skipif(os.geteuid() == 0, reason='root may open raw sockets')
def test_over_ip_without_right(up):
    s = up('null,id=n')
    done = s.command('port', 'add', 'l2tpv3,id=t,src=127.0.0.1,dst=127.0.0.2,'
                     'txsession=1', check=False)
    assert done.returncode and 'CAP_NET_RAW' in done.stderr


@pytest.mark.parametrize('options,words', [
    ('src=127.0.0.1,dst=127.0.0.1', 'txsession'),
    ('src=127.0.0.1,txsession=1', 'dst'),
    ('src=127.0.0.1,dst=127.0.0.1,txsession=1,udp=on', 'srcport.*udp=on'),
    ('src=127.0.0.1,dst=127.0.0.1,txsession=1,udp=on,srcport=1', 'dstport'),
    ('src=127.0.0.1,dst=127.0.0.1,txsession=1,srcport=1', 'srcport.*udp=on'),
    ('src=127.0.0.1,dst=::1,txsession=1', 'dst=::1.*IPv6.*ipv6=on'),
    ('src=127.0.0.1,dst=127.0.0.1,txsession=1,ipv6=on', 'src=.*IPv4'),
    ('src=127.0.0.1,dst=127.0.0.1,txsession=1,txcookie=1', 'rxcookie'),
    ('src=127.0.0.1,dst=127.0.0.1,txsession=1,rxcookie=1', 'txcookie'),
    ('src=127.0.0.1,dst=127.0.0.1,txsession=1,cookie64=on', 'txcookie'),
    ('src=127.0.0.1,dst=127.0.0.1,txsession=1,txcookie=1,'
     'rxcookie=0x100000000', 'rxcookie.*cookie64'),
    ('src=127.0.0.1,dst=127.0.0.1,txsession=1,pincounter=on', 'counter'),
    ('src=127.0.0.1,dst=127.0.0.1,txsession=0x100000000', 'txsession'),
    ('src=127.0.0.1,dst=127.0.0.1,txsession=1,offset=17', 'offset=17'),
    ('src=192.0.2.1,dst=192.0.2.2,txsession=1,udp=on,srcport=1701,'
     'dstport=1701', '192.0.2.1:1701.*assign'),
])
def test_bad_lines(up, options, words):
    s = up('null,id=n')
    done = s.command('port', 'add', f'l2tpv3,id=t,{options}', check=False)
    assert done.returncode and re.search(words, done.stderr), done.stderr
