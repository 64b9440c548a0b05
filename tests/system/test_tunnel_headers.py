# SPDX-License-Identifier: Apache-2.0
"""The tunnel ports byte by byte: their headers, what is no frame for them,
which packets a frame becomes. The far end is a socket."""
import itertools
import os
import re
import socket
import struct
import subprocess

import lab
import pytest
import vufront
from frames import (BROADCAST, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, IP, NEEDS_CSUM,
                    UDP, Ether, IPv6, Raw, checksum, checksums_are_good, ether,
                    header, mac, partial, tcp, udp)

USO = vufront.OFFLOADS | vufront.bits(54, 55, 56)  # GUEST_USO4, 6, HOST_USO
# raw sockets of tests that run at the same time must not see each other's
NET = f'127.{os.getpid() >> 8 & 127 | 128}.{os.getpid() & 255}'
OURS, THEIRS, OTHER, STRANGER = (f'{NET}.{i}' for i in range(1, 5))
VXLAN_7 = bytes.fromhex('0800000000000700')
GENEVE_7 = bytes.fromhex('0000655800000700')


def udp_socket(host, port=0):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, port))
    sock.settimeout(5)
    return sock


class Tunnel:
    """A port over UDP, its guest, and the far end's socket."""

    def __init__(self, up, kind, options='', others=(), **front):
        self.port = lab.free_port(socket.SOCK_DGRAM)
        self.sock = udp_socket(THEIRS, self.port)
        self.s = up('vhost-user,id=vm', f'{kind},id=t,local={OURS},'
                    f'dstport={self.port},vni=7,remote={THEIRS}{options}',
                    *others)
        self.front = self.s.front('vm', **front)

    def send(self, data, sock=None):
        (sock or self.sock).sendto(data, (OURS, self.port))

    def recv(self):
        return self.sock.recv(1 << 17)

    def drops(self, port='t'):
        rx, = self.s.call('port.show', id=port)['stats']['rx']
        return rx.get('drops', {})

    def show(self, port='t'):
        return self.s.call('port.show', id=port)['state']

    def calls(self):
        tx, = self.s.call('port.show', id='t')['stats']['tx']
        return tx['calls']


@pytest.mark.parametrize('kind,head', [('vxlan', VXLAN_7),
                                       ('geneve', GENEVE_7)])
def test_header(up, kind, head):
    t = Tunnel(up, kind)
    for n in (1, 2, 3):
        frame = ether(1, BROADCAST, 60 * n, fill=n)
        t.front.send(frame)
        assert t.recv() == head + frame
        frame = ether(2, 1, 500 * n, fill=n)
        t.send(head + frame)
        assert t.front.recv()[1] == frame
    assert not t.drops()
    assert t.show()['gro']
    t.s.command('port', 'set', 't', 'gro=off')
    assert not t.show()['gro']
    frame = ether(1, 2, 9000)
    t.front.send(frame)
    assert t.recv() == head + frame
    frame = ether(2, 1, 9000)
    t.send(head + frame)
    assert t.front.recv()[1] == frame


def drops_of(up, kind, packets, good):
    """Sends packets, of which the good ones must arrive as one frame each.
    Returns the drops."""
    t = Tunnel(up, kind)
    for p in packets:
        t.send(p)
    frame = ether(2, 1, 60)
    for p in good:
        t.send(p + frame)
        assert t.front.recv()[1] == frame
    assert t.front.recv(0.1) is None
    return t.drops()


def test_what_is_no_vxlan(up):
    frame = ether(2, 1, 60)
    short = [VXLAN_7[:n] for n in range(8)]
    cut = [VXLAN_7 + frame[:n] for n in range(14)]
    flags = [bytes([f]) + VXLAN_7[1:] + frame for f in (0, 0x80, 0xf7, 0x0c)]
    vni = [VXLAN_7[:4] + struct.pack('!I', v << 8) + frame
           for v in (0, 6, 8, 0x70000, 0xffffff)]
    # reserved bits are ignored
    good = [VXLAN_7, b'\x88' + VXLAN_7[1:], VXLAN_7[:7] + b'\xff',
            b'\x08\xff\xff\xff' + VXLAN_7[4:]]
    assert drops_of(up, 'vxlan', short + cut + flags + vni, good) == {
        'rx-bad-header': 8 + 4, 'rx-bad-frame': 14, 'rx-unknown-session': 5}


def geneve(options=b'', flags=0, protocol=0x6558, vni=7, length=None):
    if length is None:
        length = len(options) // 4
    return struct.pack('!BBHI', length, flags, protocol, vni << 8) + options


def option(kind=1, size=0, length=None):
    return struct.pack('!HBB', 0x102, kind, size // 4 if length is None
                       else length) + bytes(size)


def test_what_is_no_geneve(up):
    """Options are skipped, one that we must know is not."""
    frame = ether(2, 1, 60)
    bad = [geneve()[:n] for n in range(8)]
    bad += [geneve(option(size=60))[:n] for n in range(8, 72, 4)]
    bad += [geneve(length=63) + frame]  # 252 bytes of options, 60 there
    bad += [geneve(option(length=1)) + frame]  # longer than all options
    bad += [geneve(option(size=4) + option(length=31)) + frame]
    bad += [geneve(protocol=p) + frame for p in (0x800, 0x6559)]
    bad += [geneve(flags=0x80) + frame, b'\x40' + geneve()[1:] + frame]
    option_drops = [geneve(flags=0x40) + frame,
                    geneve(option(0x80)) + frame,
                    geneve(option() + option(size=8) + option(0xff)) + frame,
                    geneve(flags=0x40, options=option(0x80, 124) * 1) + frame]
    good = [geneve(), geneve(option()), geneve(option(size=124) * 1),
            geneve(option(size=124) + option(size=120)),  # 252 bytes
            geneve(flags=0x3f), geneve(option() * 63), geneve()[:7] + b'\xff']
    assert drops_of(up, 'geneve', bad + option_drops, good) == {
        'rx-bad-header': len(bad), 'rx-unknown-option': len(option_drops)}


def test_sessions_of_an_endpoint(up):
    """Many VNIs on one socket, each a network; a VNI with another remote is
    another tunnel; senders that are not listed are nobody."""
    t = Tunnel(up, 'vxlan', others=['vhost-user,id=vm2,net=other'])
    other = t.s.front('vm2')
    for vni in range(8, 200):
        t.s.command('port', 'add', f'vxlan,id=v{vni},local={OURS},vni={vni},'
                    f'dstport={t.port},remote={THEIRS},net=n{vni}')
    t.s.command('port', 'add', f'vxlan,id=o,local={OURS},vni=7,net=other,'
                f'dstport={t.port},remote={OTHER}')
    assert t.show()['endpoint']['ports'] == 194
    with udp_socket(OTHER) as sock, udp_socket(STRANGER) as stranger:
        t.send(VXLAN_7 + ether(3, 1, 60), sock)
        assert other.recv()[1] == ether(3, 1, 60)
        t.send(VXLAN_7 + ether(3, 1, 60), stranger)
        t.send(VXLAN_7[:4] + struct.pack('!I', 8 << 8) + ether(3, 1, 60),
               stranger)
        t.send(VXLAN_7 + ether(2, 1, 60))
        assert t.front.recv()[1] == ether(2, 1, 60)
        assert t.front.recv(0.1) is None and other.recv(0.1) is None
    assert t.drops() == {'rx-unknown-session': 2}
    # The first port of the endpoint goes; the others stay.
    t.s.command('port', 'del', 't')
    with udp_socket(OTHER) as sock:
        t.send(VXLAN_7 + ether(3, 1, 60), sock)
        assert other.recv()[1] == ether(3, 1, 60)
        t.send(VXLAN_7 + ether(2, 1, 60))
        lab.wait_until(lambda: t.drops('v8') == {'rx-unknown-session': 1}, 5,
                       'a drop at the next port')
    for port in ['o'] + [f'v{vni}' for vni in range(8, 200)]:
        t.s.command('port', 'del', port)
    udp_socket(OURS, t.port).close()  # the address is free again


def test_ports_that_come_and_go_under_load(up):
    """Frames wait for a full receiver while ports of the endpoint are removed
    and added; those of others are not lost."""
    t = Tunnel(up, 'vxlan', ',net=a', others=['vhost-user,id=vm2,net=b'],
               size=16)
    other = t.s.front('vm2', size=16)
    assert other
    line = (f'vxlan,id=x,local={OURS},vni=8,dstport={t.port},'
            f'remote={THEIRS},net=b')
    eight = VXLAN_7[:4] + struct.pack('!I', 8 << 8)
    for _ in range(20):
        t.s.command('port', 'add', line)
        for i in range(40):
            t.send(eight + ether(2, BROADCAST, 60, fill=i))
            t.send(eight + ether(2, 1, 60, fill=i))
        t.s.command('port', 'del', 'x')
        other.recv_all(0.01)
    assert t.show()['endpoint']['ports'] == 1


def test_several_remotes(up):
    """Unknown and broadcast go to all, known addresses to one; addresses
    move."""
    t = Tunnel(up, 'vxlan', f',remote={OTHER}')
    with udp_socket(OTHER, t.port) as sock:
        def heard(s):
            s.settimeout(0.1)
            try:
                return s.recv(1 << 16)[8:]
            except TimeoutError:
                return None

        def ask(dst, here, there):
            frame = ether(1, dst, 60, fill=next(fill) & 255)
            t.front.send(frame)
            assert (heard(t.sock), heard(sock)) == (frame if here else None,
                                                    frame if there else None)
        fill = itertools.count()
        ask(BROADCAST, True, True)
        ask(2, True, True)
        t.send(VXLAN_7 + ether(2, 1, 60))
        t.send(VXLAN_7 + ether(3, 1, 60), sock)
        assert t.front.recv()[1] and t.front.recv()[1]
        ask(2, True, False)
        ask(3, False, True)
        ask(4, True, True)
        ask(BROADCAST, True, True)
        assert t.show()['addresses'] == 2
        t.send(VXLAN_7 + ether(2, 1, 60), sock)
        assert t.front.recv()[1]
        ask(2, False, True)
        # A frame from one remote is not sent to the other.
        t.send(VXLAN_7 + ether(5, BROADCAST, 60))
        assert t.front.recv()[1]
        assert heard(sock) is None
        t.s.command('port', 'del', 't')
        t.s.command('port', 'add', f'vxlan,id=t,local={OURS},dstport={t.port},'
                    f'vni=7,remote={THEIRS},remote={OTHER},ageing=1')
        t.send(VXLAN_7 + ether(2, 1, 60))
        lab.wait_until(lambda: t.show()['addresses'] == 1, 5, 'an address')
        lab.wait_until(lambda: t.show()['addresses'] == 0, 5, 'ageing')
        t.front.recv_all(0.1)
        ask(2, True, True)


def test_addresses_are_bounded(up):
    t = Tunnel(up, 'vxlan', f',remote={OTHER}')
    for i in range(9000):
        src = b'\x02\x10' + struct.pack('!I', i)
        t.send(VXLAN_7 + b'\xff' * 6 + src + bytes(46))
        if not i % 100:
            t.front.recv_all(0.01)
    assert 1000 < t.show()['addresses'] <= 4096


def inner_flows(n):
    for i in range(n):
        for v6 in (False, True):
            net = IPv6(src='fd00::1', dst=f'fd00::{i + 2:x}') if v6 else \
                IP(src='10.1.0.1', dst=f'10.1.{i}.2')
            yield i, Ether(src=mac(1), dst=mac(2)) / net / \
                UDP(sport=1000 + i, dport=53) / Raw(bytes(8))


@pytest.mark.parametrize('options,first,last,least', [
    ('', 49152, 65535, 8), (',srcport=50000-50003', 50000, 50003, 3)])
def test_source_ports(up, options, first, last, least):
    """They differ per flow, and stay within one; both families, fragments."""
    t = Tunnel(up, 'geneve', options)
    ports = {}
    for _ in range(2):
        for i, packet in inner_flows(100):
            t.front.send(bytes(packet))
            data, (_, port) = t.sock.recvfrom(1 << 16)
            assert data == GENEVE_7 + bytes(packet)
            assert first <= port <= last
            assert ports.setdefault((i, IP in packet), port) == port
    assert len(set(ports.values())) >= least
    assert set(ports.values()) <= \
        {int(port) for port in t.show()['source_ports']}
    # all fragments of a packet have one port
    seen = set()
    for offset, more in ((0, 'MF'), (1, 'MF'), (2, 0)):
        t.front.send(bytes(
            Ether(src=mac(1), dst=mac(2)) / IP(
                src='10.1.0.1', dst='10.1.0.2', id=9, frag=offset, flags=more,
                proto=17) / Raw(b'\x01\x02' * 4)))
        seen.add(t.sock.recvfrom(1 << 16)[1][1])
    assert len(seen) == 1
    # What comes to such a port is dropped, and nothing waits there.
    for port in t.show()['source_ports']:
        t.sock.sendto(GENEVE_7 + ether(2, 1, 60), (OURS, int(port)))
    assert t.front.recv(0.1) is None


@pytest.mark.parametrize('v6', [False, True])
@pytest.mark.parametrize('options', ['', ',udp-csum=off'])
def test_large_frames(up, v6, options):
    """A guest's large frame becomes datagrams of one size, each with a frame
    whose checksums are good. One call sends many of them."""
    t = Tunnel(up, 'vxlan', options, features=USO)
    payload = bytes(i * 7 & 255 for i in range(60000))
    packet, at, offset = partial(tcp(1, 2, payload, v6))
    hdr = header(NEEDS_CSUM, GSO_TCPV6 if v6 else GSO_TCPV4, 0, 1400, at,
                 offset)
    t.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    before = t.calls()
    t.front.send(packet, hdr)
    got = b''
    while len(got) < len(payload):
        data = t.recv()
        assert data[:8] == VXLAN_7
        assert checksums_are_good(data[8:])
        got += data[8 + at + 20:]
        assert len(data) == 8 + at + 20 + 1400 or len(got) == len(payload)
    assert got == payload
    assert t.calls() - before <= 3, 'not one call for many datagrams'
    # a missing checksum alone is filled in
    packet, at, offset = partial(udp(1, 2, b'x' * 100, v6))
    t.front.send(packet, header(NEEDS_CSUM, 0, 0, 0, at, offset))
    data = t.recv()[8:]
    assert checksums_are_good(data) and data[-100:] == b'x' * 100
    # UDP segments
    packet, at, offset = partial(udp(1, 2, payload[:20000], v6))
    t.front.send(packet, header(NEEDS_CSUM, GSO_UDP_L4, 0, 1000, at, offset))
    got = b''
    while len(got) < 20000:
        data = t.recv()[8:]
        assert checksums_are_good(data)
        got += data[at + 8:]
    assert got == payload[:20000]


def get_flags(gre):
    return struct.unpack('!H', gre[:2])[0]


@pytest.mark.root
@pytest.mark.parametrize('flags', range(8))
def test_gre(up, flags):
    """All combinations of checksum, key and sequence number, both ways."""
    has_csum, has_key, has_seq = flags & 1, flags & 2, flags & 4
    options = (',csum=on' if has_csum else '') + \
        (',ikey=5,okey=0xfffffff1' if has_key else '') + \
        (',seq=on' if has_seq else '')

    def head(key, seq, frame):
        bits = (has_csum and 0x8000) | (has_key and 0x2000) | \
            (has_seq and 0x1000)
        data = struct.pack('!HH', bits, 0x6558)
        data += bytes(4) if has_csum else b''
        data += struct.pack('!I', key) if has_key else b''
        data += struct.pack('!I', seq) if has_seq else b''
        data += frame
        if has_csum:
            data = data[:4] + struct.pack('!H', checksum(data) ^ 0xffff) + \
                data[6:]
        return data
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 47) as sock:
        sock.bind((THEIRS, 0))
        sock.settimeout(5)
        s = up('vhost-user,id=vm', f'gre,id=t,local={OURS},remote={THEIRS}'
               f'{options}')
        front = s.front('vm')
        for n, size in enumerate((60, 61, 1514, 9000)):
            frame = ether(1, BROADCAST, size, fill=n)
            front.send(frame)
            assert sock.recv(1 << 17)[20:] == head(0xfffffff1, n, frame)
            frame = ether(2, 1, size, fill=n)
            sock.sendto(head(5, 99 - n, frame), (OURS, 0))
            assert front.recv()[1] == frame
        frame = ether(2, 1, 60)
        good = head(5, 1, frame)
        bad = [good[:n] for n in range(4 + 4 * bin(flags).count('1'))]
        bad += [struct.pack('!HH', 0x4000, 0x6558) + bytes(20) + frame,
                struct.pack('!HH', 1, 0x6558) + frame,
                struct.pack('!HH', 0, 0x800) + frame]
        for data in bad:
            sock.sendto(data, (OURS, 0))
        drops = {'rx-bad-header': len(bad), 'rx-unknown-session': 1}
        sock.sendto(head(6, 1, frame) if has_key else
                    struct.pack('!HHI', 0x2000, 0x6558, 0) + frame, (OURS, 0))
        if has_csum:
            sock.sendto(good[:4] + b'\x12\x34' + good[6:], (OURS, 0))
            sock.sendto(good[:-1] + b'\0', (OURS, 0))
            drops['rx-bad-checksum'] = 2
        sock.sendto(good, (OURS, 0))
        assert front.recv()[1] == frame
        if not has_csum:  # RFC 2784, 2.3: ignored
            sock.sendto(struct.pack('!H', 0x3f8 | get_flags(good)) + good[2:],
                        (OURS, 0))
            assert front.recv()[1] == frame
        assert front.recv(0.1) is None
        rx, = s.call('port.show', id='t')['stats']['rx']
        assert rx['drops'] == drops


@pytest.mark.parametrize('line,words', [
    ('vxlan,remote=127.0.0.2', 'vni'),
    ('vxlan,vni=1', 'remote.*group'),
    ('vxlan,vni=1,remote=127.0.0.2,group=239.1.1.1', 'remote.*not both'),
    ('vxlan,vni=0x1000000,remote=127.0.0.2', 'vni.*16777215'),
    ('vxlan,vni=1,remote=host', "remote.*'host'.*address"),
    ('vxlan,vni=1,remote=127.0.0.2,remote=127.0.0.2', 'remote=.*twice'),
    ('vxlan,vni=1,remote=127.0.0.2,remote=::1', 'remote=::1.*all'),
    ('vxlan,vni=1,remote=127.0.0.2,local=::1', 'local=::1.*all'),
    ('vxlan,vni=1,remote=239.1.1.1', 'group='),
    ('vxlan,vni=1,group=127.0.0.2', 'remote='),
    ('vxlan,vni=1,remote=fe80::1', 'remote=fe80::1: is link-local.*%eth0'),
    ('vxlan,vni=1,group=ff02::7', 'group=ff02::7: is link-local.*dev='),
    ('vxlan,vni=1,options:remote_ip=::1', 'write remote=ADDRESS'),
    ('geneve,key=1,remote=::1', 'key: write vni=N'),
    ('vxlan,vni=1,group=239.1.1.1,dev=none0', 'dev=none0.*no such'),
    ('vxlan,vni=1,remote=127.0.0.2,srcport=7', 'srcport=7.*49152-65535'),
    ('vxlan,vni=1,remote=127.0.0.2,srcport=9-7', 'srcport=9-7'),
    ('vxlan,vni=1,remote=127.0.0.2,srcport=1-70000', 'srcport=1-70000'),
    ('vxlan,vni=1,remote=127.0.0.2,tos=256', 'tos=256.*inherit'),
    ('vxlan,vni=1,remote=127.0.0.2,tos=high', 'tos=high.*inherit'),
    ('vxlan,vni=1,remote=127.0.0.2,df=maybe', 'df=maybe.*set.*unset.*inherit'),
    ('vxlan,vni=1,remote=127.0.0.2,local=192.0.2.1', '192.0.2.1.*assign'),
    ('geneve,vni=1,remote=127.0.0.2,key=1', 'key'),
    ('gre,remote=127.0.0.2,key=1,ikey=2', 'key.*ikey'),
    ('gre,remote=127.0.0.2,dstport=2', 'dstport'),
])
def test_bad_lines(up, line, words):
    s = up('null,id=n')
    done = s.command('port', 'add', line.replace(',', ',id=t,', 1),
                     check=False)
    assert done.returncode and re.search(words, done.stderr), done.stderr
    assert len(s.call('port.list')['ports']) == 1


def test_ports_that_do_not_go_together(up):
    port = lab.free_port(socket.SOCK_DGRAM)
    base = f'local={OURS},dstport={port}'
    s = up(f'vxlan,id=t,{base},vni=7,remote={THEIRS}')

    def refused(line):
        done = s.command('port', 'add', line, check=False)
        assert done.returncode, line
        return done.stderr
    assert re.search('vni=7.*port t', refused(
        f'vxlan,id=u,{base},vni=7,remote={OTHER},remote={THEIRS}'))
    assert re.search('srcport.*port t', refused(
        f'vxlan,id=u,{base},vni=8,remote={THEIRS},srcport=50000-50001'))
    assert re.search('udp6zerocsumrx.*port t', refused(
        f'vxlan,id=u,{base},vni=8,remote={THEIRS},udp6zerocsumrx=on'))
    assert re.search(f'dstport={port}: port t .vxlan. has it', refused(
        f'geneve,id=u,{base},vni=7,remote={THEIRS}'))
    with udp_socket(OURS) as sock:
        number = sock.getsockname()[1]
        assert re.search('srcport=.*free', refused(
            f'vxlan,id=u,local={OURS},dstport=1{port % 1000:03},vni=7,'
            f'remote={THEIRS},srcport={number}-{number}'))
    s.command('port', 'add', f'vxlan,id=u,{base},vni=7,remote={OTHER}')


@pytest.mark.root
def test_gre_ports_that_would_get_the_same(up):
    s = up(f'gre,id=t,remote={THEIRS}')
    done = s.command('port', 'add', f'gre,id=u,remote={THEIRS},local={OURS}',
                     check=False)
    assert 'ikey: port t has the same remote' in done.stderr
    s.command('port', 'add', f'gre,id=u,remote={THEIRS},local={OURS},key=1')
    s.command('port', 'add', f'gre,id=v,remote={OTHER},local={OURS}')


@pytest.mark.root
@pytest.mark.parametrize('where', [f'remote={THEIRS}', 'group=239.1.1.9'])
def test_dev_that_goes_and_comes(up, where):
    """Without its interface a tunnel has no link, and nothing leaves by another
    way. Many interfaces later it is in its group as before."""
    link = f'rwd{os.getpid()}'
    make = ['ip', 'link', 'add', link, 'type', 'bridge']
    if subprocess.run(make, capture_output=True).returncode:
        pytest.skip('no bridges here')
    try:
        s = up('vhost-user,id=vm', f'vxlan,id=t,vni=7,{where},dev={link}')
        for _ in range(24):
            subprocess.run(['ip', 'link', 'del', link], check=True)
            s.wait_link('t', False)
            subprocess.run(make, check=True)
            subprocess.run(['ip', 'link', 'set', link, 'up'], check=True)
            s.wait_link('t')
        if 'group' in where:
            lab.wait_until(lambda: '239.1.1.9' in subprocess.run(
                ['ip', 'maddr', 'show', 'dev', link], capture_output=True,
                text=True).stdout, 5, 'the membership')
            assert s.call('port.show', id='t')['state']['state'] == 'member'
    finally:
        subprocess.run(['ip', 'link', 'del', link], capture_output=True)


def raw_udp(port, payload, sum_as):
    """Returns a UDP packet to the port, with the outer checksum that is right,
    wrong, absent or 0xffff."""
    head = struct.pack('!HHHH', 50000, port, 8 + len(payload), 0)
    pseudo = socket.inet_aton(THEIRS) + socket.inet_aton(OURS) + \
        struct.pack('!HH', 17, 8 + len(payload))
    right = checksum(pseudo + head + payload) ^ 0xffff or 0xffff
    value = {'right': right, 'wrong': right ^ 0x100 or 1, 'absent': 0,
             'all ones': 0xffff}[sum_as]
    return head[:6] + struct.pack('!H', value) + payload


def kernel_checksum_errors():
    with open('/proc/net/snmp') as f:
        names, values = [line.split() for line in f if line.startswith('Udp:')]
    return int(values[names.index('InCsumErrors')])


@pytest.mark.root
def test_outer_checksums(up):
    """None is taken, a right one, too; a wrong one is dropped and counted, by
    the kernel."""
    t = Tunnel(up, 'vxlan')
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 17) as sock:
        sock.bind((THEIRS, 0))
        for n, sum_as in enumerate(('right', 'absent')):
            frame = ether(2, 1, 60 + n)
            sock.sendto(raw_udp(t.port, VXLAN_7 + frame, sum_as), (OURS, 0))
            assert t.front.recv()[1] == frame
        before = kernel_checksum_errors()
        for sum_as in ('wrong', 'all ones'):
            sock.sendto(raw_udp(t.port, VXLAN_7 + ether(2, 1, 60), sum_as),
                        (OURS, 0))
        # a sum that is 0 is written as 0xffff
        for i in range(0x10000):
            frame = ether(2, 1, 60)[:-2] + struct.pack('!H', i)
            packet = raw_udp(t.port, VXLAN_7 + frame, 'right')
            if packet[6:8] == b'\xff\xff':
                sock.sendto(packet, (OURS, 0))
                break
        assert t.front.recv()[1] == frame
        assert t.front.recv(0.1) is None
    assert kernel_checksum_errors() >= before + 2
    assert not t.drops()


def ip_packet(tos, df, v6=False, src=1, dst=2):
    net = IPv6(src='fd00::1', dst='fd00::2', tc=tos) if v6 else \
        IP(src='10.1.0.1', dst='10.1.0.2', tos=tos,
           flags='DF' if df else 0)
    return bytes(Ether(src=mac(src), dst=mac(dst)) / net /
                 UDP(sport=1, dport=2) / Raw(b'x'))


@pytest.mark.root
@pytest.mark.parametrize('kind', ['vxlan', 'gre'])
@pytest.mark.parametrize('options,ttl,tos,df', [
    ('', 64, lambda inner: inner & 3, lambda inner: True),
    (',ttl=9,tos=0x20,df=unset', 9, lambda inner: 0x20 | inner & 3,
     lambda inner: False),
    (',tos=inherit,df=inherit', 64, lambda inner: inner, lambda inner: inner)])
def test_outer_header(up, kind, options, ttl, tos, df):
    """TTL, type of service and DF of the packets; ECN follows RFC 6040."""
    port = lab.free_port(socket.SOCK_DGRAM)
    more = f',vni=7,dstport={port}' if kind == 'vxlan' else ''
    with socket.socket(socket.AF_INET, socket.SOCK_RAW,
                       17 if kind == 'vxlan' else 47) as sock:
        sock.bind((THEIRS, 0))
        sock.settimeout(5)
        s = up('vhost-user,id=vm', f'{kind},id=t,local={OURS},'
               f'remote={THEIRS}{more}{options}')
        front = s.front('vm')
        for inner_tos in (0, 1, 2, 3, 0xb8, 0xb9):
            for v6, inner_df in ((False, False), (False, True), (True, True)):
                frame = ip_packet(inner_tos, inner_df, v6)
                front.send(frame)
                data = sock.recv(1 << 16)
                assert data.endswith(frame)
                assert data[8] == ttl
                assert data[1] == tos(inner_tos)
                assert bool(data[6] & 0x40) == df(inner_df)
        # not IP
        front.send(ether(1, 2, 60))
        data = sock.recv(1 << 16)
        assert (data[1], bool(data[6] & 0x40)) == (tos(0), df(False))


@pytest.mark.parametrize('v6', [False, True])
@pytest.mark.parametrize('tags', ['', '81000005', '88a8000581000006'])
def test_congestion(up, v6, tags):
    """A mark of the outer packet goes to the inner one, if its sender knows
    such marks; else the frame is dropped (RFC 6040, figure 4)."""
    t = Tunnel(up, 'geneve')

    def packet(tos):
        frame = ip_packet(tos, False, v6, 2, 1)
        return frame[:12] + bytes.fromhex(tags) + frame[12:]
    for outer in (1, 2, 3, 0x33):
        t.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, outer)
        for inner in (0, 1, 2, 3, 0x69):
            t.send(GENEVE_7 + packet(inner))
            want = inner
            if outer & 3 == 3 and inner & 3:
                want = inner | 3
            elif outer & 3 == 3:
                continue
            elif outer & 3 == 1 and inner & 3 == 2:
                want = 1  # ECT(0) becomes ECT(1)
            assert t.front.recv()[1] == packet(want)
        t.send(GENEVE_7 + ether(2, 1, 60))  # not IP
        assert t.front.recv()[1] == ether(2, 1, 60)
        t.send(GENEVE_7 + packet(0)[:20])  # cut short
        assert t.front.recv()
    assert t.drops() == {'rx-congested': 2}
