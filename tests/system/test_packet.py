# SPDX-License-Identifier: Apache-2.0
"""The packet port on one end of a veth pair, whose other end is a raw socket
that sees every byte, or a network namespace with the kernel's own stack."""
import contextlib
import fcntl
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import time

import lab
import pytest
from frames import BROADCAST, ether, mac
from test_tap import iperf, name, namespaces, sh, state  # noqa: F401

pytestmark = pytest.mark.root
TAGS = {'802.1Q': b'\x81\x00\x00\x07', '802.1ad': b'\x88\xa8\x20\x64',
        'QinQ': b'\x88\xa8\x00\x64\x81\x00\x60\x07'}


@contextlib.contextmanager
def veth(what, mtu=1500):
    """Yields the names of a veth pair that is up."""
    pair = name(what + 'a'), name(what + 'b')
    done = subprocess.run(['ip', 'link', 'add', pair[0], 'mtu', str(mtu),
                           'type', 'veth', 'peer', 'name', pair[1], 'mtu',
                           str(mtu)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f'no veth: {done.stderr.strip()}')
    try:
        for link in pair:
            # the kernel's own frames would come between ours
            with open(f'/proc/sys/net/ipv6/conf/{link}/disable_ipv6', 'w') as f:
                f.write('1')
            sh('ip', 'link', 'set', link, 'up')
        yield pair
    finally:
        subprocess.run(['ip', 'link', 'del', pair[0]], capture_output=True)


@contextlib.contextmanager
def raw(link):
    """Yields a packet socket that sees what arrives at the link."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.setsockopt(263, 23, 1)  # SOL_PACKET, PACKET_IGNORE_OUTGOING
        sock.setsockopt(263, 8, 1)  # PACKET_AUXDATA
        sock.bind((link, 3))  # nothing arrives before, as from lo
        sock.settimeout(5)
        yield sock


def receive(sock):
    """Returns the next frame with its tag."""
    data, control, _, _ = sock.recvmsg(1 << 17, 64)
    for _, _, aux in control:
        status, _, _, _, _, tci, tpid = struct.unpack('IIIHHHH', aux)
        if status & 0x10:
            data = data[:12] + struct.pack('!HH', tpid, tci) + data[12:]
    return data


def exchange(s, front, sock, sizes):
    """Sends frames between guest vm, which has address 1, and the socket at the
    other end of port p, which has 2."""
    for size in sizes:
        for i in range(20):
            frame = ether(2, BROADCAST if i % 2 else 1, size, fill=i)
            sock.send(frame)
            assert front.recv()[1] == frame
            frame = ether(1, BROADCAST if i % 2 else 2, size, fill=i + 1)
            front.send(frame)
            assert receive(sock) == frame
    # What the port sends does not come back to it.
    assert front.recv(0.1) is None
    assert {m: p for (_, m), p in s.macs().items()} == \
        {mac(1): 'vm', mac(2): 'p'}


@pytest.mark.skipif(not os.path.exists('/dev/net/tun'), reason='no tun here')
def test_frames_that_the_kernel_cannot_describe(up):
    """More of them in a row than a burst has: the good one behind them comes
    without another event."""
    link = name('ufo')
    with open('/dev/net/tun', 'r+b', buffering=0) as tap:
        fcntl.ioctl(tap, 0x400454ca, struct.pack(  # TAP, NO_PI, VNET_HDR
            '16sH22x', link.encode(), 0x2 | 0x1000 | 0x4000))
        sh('ip', 'link', 'set', link, 'up')
        s = up('vhost-user,id=vm', f'packet,id=p,ifname={link}')
        front = s.front('vm')
        data = bytes(3000)
        udp = struct.pack('!HHHH', 99, 9, 8 + len(data), 0) + data
        ip = bytes([0x45, 0]) + struct.pack('!H', 20 + len(udp)) + \
            bytes.fromhex('0000000040110000') + bytes([10, 0, 0, 1, 10, 0, 0, 2])
        bad = struct.pack('<BBHHHH', 1, 3, 42, 1400, 34, 6) + \
            ether(2, 1)[:12] + b'\x08\x00' + ip + udp
        good = ether(2, BROADCAST)
        os.kill(s.pid, signal.SIGSTOP)
        for _ in range(20):
            os.write(tap.fileno(), bad)
        os.write(tap.fileno(), bytes(10) + good)
        os.kill(s.pid, signal.SIGCONT)
        assert front.recv(timeout=5)[1] == good


def test_interface_that_was_away(up):
    """Moved to another namespace and back, it has its number again; the kernel
    has unbound the sockets meanwhile."""
    ns = name('away')
    with veth('p') as (ours, theirs), raw(theirs) as sock:
        s = up('vhost-user,id=vm', f'packet,id=p,ifname={ours}')
        front = s.front('vm')
        with open(f'/sys/class/net/{ours}/ifindex') as f:
            number = f.read()
        sh('ip', 'netns', 'add', ns)
        try:
            os.kill(s.pid, signal.SIGSTOP)
            sh('ip', 'link', 'set', ours, 'netns', ns)
            sh('ip', '-n', ns, 'link', 'set', ours, 'netns', str(os.getpid()))
            sh('ip', 'link', 'set', ours, 'up')
        finally:
            os.kill(s.pid, signal.SIGCONT)
            sh('ip', 'netns', 'del', ns)
        with open(f'/sys/class/net/{ours}/ifindex') as f:
            assert f.read() == number
        s.wait_link('p')
        frame = ether(2, BROADCAST)

        def comes():
            sock.send(frame)
            return (front.recv(0.2) or (0, 0))[1] == frame
        lab.wait_until(comes, 5, 'a frame')


def test_without_descriptors_nothing_is_lost(up):
    """An event of the interface comes while the daemon can open nothing."""
    group = '239.7.7.7'
    with veth('p') as (ours, _):
        sh('ip', 'addr', 'add', '192.0.2.1/24', 'dev', ours)
        s = up('vhost-user,id=vm', f'packet,id=p,ifname={ours}',
               f'tap,id=t,ifname={name("tap")}',
               'dgram,id=d,remote.type=inet,remote.port=7,remote.host='
               f'{group},local.type=inet,local.host=192.0.2.1',
               f'vxlan,id=v,vni=1,remote=192.0.2.9,dev={ours}')
        sh('ip', 'link', 'set', name('tap'), 'up')
        for port in 'ptdv':
            s.wait_link(port)
        limits = resource.prlimit(s.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(s.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            for link in (ours, name('tap')):
                sh('ip', 'link', 'set', link, 'mtu', '1400')
            time.sleep(0.3)  # the look is 50 ms after the event
            assert all(s.link(port) for port in 'ptdv')
        finally:
            resource.prlimit(s.pid, resource.RLIMIT_NOFILE, limits)
        assert all(s.link(port) for port in 'ptdv')
        assert state(s, 't')['interface_state'] == 'up'


def test_both_ways(up):
    with veth('p', mtu=9000) as (ours, theirs), raw(theirs) as sock:
        s = up('vhost-user,id=vm', f'packet,id=p,ifname={ours}')
        front = s.front('vm')
        exchange(s, front, sock, (60, 61, 1514, 4000, 9014))
        burst = [ether(2, 1, 60 + i, fill=i) for i in range(200)]
        for frame in burst:
            sock.send(frame)
        assert [front.recv()[1] for _ in burst] == burst
        front.send(ether(1, 2, 9019))  # more than the interface takes
        lab.wait_until(lambda: s.stats('p')['tx_drops'] == 1, 5, 'a drop')


@pytest.mark.parametrize('tag', TAGS)
def test_tags_stay(up, tag):
    """The kernel takes the outer tag out of a frame that comes in; the port
    puts it back."""
    def tagged(frame):
        return frame[:12] + TAGS[tag] + frame[12:]
    with veth('v') as (ours, theirs), raw(theirs) as sock:
        s = up('vhost-user,id=vm', f'packet,id=p,ifname={ours}')
        front = s.front('vm')
        for size in (60, 1000, 1514 - len(TAGS[tag])):
            sock.send(tagged(ether(2, 1, size)))
            assert front.recv()[1] == tagged(ether(2, 1, size))
            front.send(tagged(ether(1, 2, size)))
            assert receive(sock) == tagged(ether(1, 2, size))


@pytest.mark.parametrize('queues', [1, 2])
def test_tcp_between_namespaces(up, namespaces, queues):  # noqa: F811
    """Large frames and missing checksums pass as they are."""
    with veth('a') as (oa, ta), veth('b') as (ob, tb):
        s = up(f'packet,id=a,ifname={oa},queues={queues}',
               f'packet,id=b,ifname={ob},queues={queues}')
        a, b = namespaces.new('a'), namespaces.new('b')
        namespaces.take(a, ta, '10.77.1.1/24')
        namespaces.take(b, tb, '10.77.1.2/24')
        namespaces.start(b, 'iperf3', '-s')
        lab.wait_until(lambda: ':5201' in namespaces.run(b, 'ss', '-ltn'), 5,
                       'iperf3 server')
        before = s.stats('a')
        assert iperf(namespaces, a, '10.77.1.2', '-P', '4') > 50e6
        after = s.stats('a')
        size = (after['rx_bytes'] - before['rx_bytes']) / \
            (after['rx_frames'] - before['rx_frames'])
        assert size > 4000, 'no large frames: offloads are not in use'
        assert iperf(namespaces, a, '10.77.1.2', '-R') > 50e6


@pytest.mark.alone
@pytest.mark.parametrize('queues', [1, 2])
def test_interface_that_goes(up, queues):
    """The daemon and other ports go on, without CPU time. The port takes the
    next interface of that name."""
    with veth('g') as (ours, theirs):
        s = up('vhost-user,id=vm', 'vhost-user,id=vm2',
               f'packet,id=p,ifname={ours},queues={queues}')
        front, other = s.front('vm'), s.front('vm2')
        sh('ip', 'link', 'set', ours, 'down')
        front.send(ether(1, BROADCAST, 60))
        assert other.recv()[1] == ether(1, BROADCAST, 60)
        s.wait_link('p', up=False)
        assert state(s, 'p')['interface_state'] == 'down'
        sh('ip', 'link', 'set', ours, 'up')
        s.wait_link('p')
        sh('ip', 'link', 'set', theirs, 'down')
        lab.wait_until(lambda: state(s, 'p')['interface_state'] ==
                       'no carrier', 3, 'no carrier')
        sh('ip', 'link', 'set', theirs, 'up')
        s.wait_link('p')

        def check_frames():
            def goes_out():
                front.send(ether(1, BROADCAST, 61))
                with contextlib.suppress(TimeoutError):
                    return receive(sock) == ether(1, BROADCAST, 61)

            def comes_in():
                sock.send(ether(3, 1, 60))
                got = front.recv(0.2)
                return got and got[1] == ether(3, 1, 60)

            # The kernel drops frames for a moment after it said "up".
            with raw(theirs) as sock:
                sock.settimeout(0.2)
                lab.wait_until(goes_out, 5, 'a frame out')
                lab.wait_until(comes_in, 5, 'a frame in')
            front.recv_all(0.1)
            other.recv_all(0.1)

        check_frames()
        for i in range(30):
            front.send(ether(1, BROADCAST, 60))
            if i == 10:
                sh('ip', 'link', 'del', ours)
            assert other.recv()[1] == ether(1, BROADCAST, 60)
        lab.wait_until(lambda: state(s, 'p')['interface_state'] == 'gone', 3,
                       'gone')
        ticks = s.cpu_ticks()
        for _ in range(10):
            front.send(ether(1, BROADCAST, 60))
            assert other.recv()[1] == ether(1, BROADCAST, 60)
        time.sleep(0.3)
        assert s.cpu_ticks() - ticks < 15
        for _ in range(2):  # another one comes, and goes again
            with veth('g') as again:
                assert again == (ours, theirs)
                s.wait_link('p')
                check_frames()
            s.wait_link('p', up=False)


@pytest.mark.parametrize('queues', [1, 2])
def test_fragments_keep_their_order(up, queues):
    """Fragments of a datagram go by one queue, although only the first has
    ports."""
    with veth('f') as (ours, theirs), socket.socket(
            socket.AF_INET, socket.SOCK_DGRAM) as u:
        s = up('vhost-user,id=vm', f'packet,id=p,ifname={ours},queues={queues}',
               extra=('--workers', '2'))
        front = s.front('vm')
        sh('ip', 'addr', 'add', '10.77.8.1/24', 'dev', theirs)
        sh('ip', 'neigh', 'add', '10.77.8.2', 'lladdr', mac(1), 'dev', theirs)
        front.send(ether(1, 2))
        for i in range(30):
            u.sendto(struct.pack('!H', i) * 4500, ('10.77.8.2', 1000 + i))
        got = []
        while len(got) < 30 * 7:
            frame = front.recv()[1]
            if frame[12:14] == b'\x08\x00' and frame[23] == 17:
                got.append((frame[-2:],
                            struct.unpack('!H', frame[20:22])[0] & 0x1fff))
        assert got == [(struct.pack('!H', i), offset * 185)
                       for i in range(30) for offset in range(7)]


def test_bad_lines(up, folder, nobody):
    s = up('null,id=n')
    for text, words in (
            ('packet,id=p', 'ifname'),
            ('packet,id=p,ifname=rwnone', 'rwnone.*no such interface'),
            ('packet,id=p,ifname=lo,queues=17', 'queues=17.*16')):
        done = s.command('port', 'add', text, check=False)
        assert done.returncode and re.search(words, done.stderr), done.stderr
    binary, prefix = nobody
    done = subprocess.run(
        [*prefix, binary, 'up', '--control', f'{folder}/nobody.sock', '-netdev',
         'packet,id=p,ifname=lo'], stdin=subprocess.DEVNULL,
        capture_output=True, text=True)
    assert done.returncode and 'CAP_NET_RAW' in done.stderr
