# SPDX-License-Identifier: Apache-2.0
"""filter-mirror and filter-redirector with peers that see every byte, that
misbehave, and with QEMU's filters of the same names."""
import os
import shutil
import socket
import struct
import subprocess
import threading
import time

import lab
import pytest
from frames import (BROADCAST, GSO_NONE, GSO_TCPV4, NEEDS_CSUM,
                    checksums_are_good, ether, header, partial, tcp)

from test_filter_buffer import start
from test_filter_dump import numbers
from vufront import OFFLOADS


class Stream:
    """The peer of a filter."""

    def __init__(self, sock, has_hdr=False):
        self.sock = sock
        self.sock.settimeout(5)
        self.has_hdr = has_hdr

    def exactly(self, n):
        data = b''
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise ConnectionError('closed')
            data += more
        return data

    def number(self):
        return struct.unpack('!I', self.exactly(4))[0]

    def recv(self):
        """Returns the frame, or (header, frame)."""
        size = self.number()
        if not self.has_hdr:
            return self.exactly(size)
        hdr_len = self.number()
        data = self.exactly(size)
        return data[:hdr_len], data[hdr_len:]

    def is_silent(self, seconds=0.1):
        self.sock.settimeout(seconds)
        try:
            return not self.sock.recv(1)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(5)

    def send(self, frame, hdr=b''):
        head = struct.pack('!I', len(hdr) + len(frame))
        if self.has_hdr:
            head += struct.pack('!I', len(hdr))
        self.sock.sendall(head + hdr + frame)

    def is_closed(self):
        try:
            return self.sock.recv(1) == b''
        except ConnectionError:
            return True


def connect(path, has_hdr=False):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    return Stream(sock, has_hdr)


def wait_state(s, name, side, state):
    lab.wait_until(lambda: numbers(s, name)[side]['state'] == state, 5,
                   f'{name}: {side} {state}')


def mirror(folder, more='', name='m'):
    return f'filter-mirror,id={name},netdev=a,' \
        f'outdev=unix:{folder}/{name}.out,,server=on{more}'


def redirector(folder, sides, more='', name='r'):
    return f'filter-redirector,id={name},netdev=a' + ''.join(
        f',{side}dev=unix:{folder}/{name}.{side},,server=on'
        for side in sides) + more


def test_mirror(up, folder):
    s, a, b = start(up, mirror(folder), mirror(folder, ',queue=rx', 'rx'),
                    mirror(folder, ',queue=tx', 'tx'))
    peers = {n: connect(f'{folder}/{n}.out') for n in ('m', 'rx', 'tx')}
    for name in peers:
        wait_state(s, name, 'out', 'connected')
    for size in (60, 61, 1514, 9000, 65000):
        there, back = ether(1, 2, size), ether(2, 1, size, fill=3)
        a.send(there)
        assert b.recv()[1] == there
        b.send(back)
        assert a.recv()[1] == back
        assert peers['m'].recv() == there
        assert peers['m'].recv() == back
        assert peers['rx'].recv() == there
        assert peers['tx'].recv() == back
    assert numbers(s, 'm')['out']['sent'] == 10
    s.command('filter', 'set', 'rx', 'status=off')
    a.send(ether(1, 2))
    assert b.recv() and peers['m'].recv()
    assert peers['rx'].is_silent()
    assert 'out connected' in s.command('filter', 'list')
    s.command('filter', 'del', 'm')
    assert peers['m'].is_closed()
    assert not os.path.exists(f'{folder}/m.out')


def test_offloads(up, folder):
    """Without headers, large frames are cut and missing checksums filled in;
    with headers, frames go as they are."""
    s, a, b = start(up, mirror(folder), mirror(folder, ',vnet_hdr_support=on',
                                               'h'), features=OFFLOADS)
    plain = connect(f'{folder}/m.out')
    full = connect(f'{folder}/h.out', True)
    for name in 'mh':
        wait_state(s, name, 'out', 'connected')
    frame, at, offset = partial(tcp(1, 2, b'x' * 3000))
    hdr = header(NEEDS_CSUM, GSO_TCPV4, at + 20, 1000, at, offset)
    a.send(frame, hdr)
    for i in range(3):
        part = plain.recv()
        assert len(part) == 14 + 40 + 1000
        assert checksums_are_good(part)
    got_hdr, got = full.recv()
    assert got == frame and len(got_hdr) == 12
    assert struct.unpack('<BBHHHHH', got_hdr)[:2] == (NEEDS_CSUM, GSO_TCPV4)
    assert struct.unpack('<BBHHHHH', got_hdr)[3:6] == (1000, at, offset)
    frame, at, offset = partial(tcp(1, 2, b'y' * 100))
    a.send(frame, header(NEEDS_CSUM, GSO_NONE, 0, 0, at, offset))
    assert checksums_are_good(plain.recv())
    assert full.recv()[1] == frame


def test_redirector_out(up, folder):
    """Frames of the direction leave the path while a peer is connected."""
    s, a, b = start(up, redirector(folder, ['out'], ',queue=rx'))
    a.send(ether(1, BROADCAST, 70))
    assert len(b.recv()[1]) == 70
    peer = connect(f'{folder}/r.out')
    wait_state(s, 'r', 'out', 'connected')
    a.send(ether(1, BROADCAST, 80))
    assert peer.recv() == ether(1, BROADCAST, 80)
    b.send(ether(2, BROADCAST, 90))
    assert len(a.recv()[1]) == 90
    assert b.recv(0.1) is None
    s.command('filter', 'set', 'r', 'status=off')
    a.send(ether(1, BROADCAST, 81))
    assert len(b.recv()[1]) == 81
    s.command('filter', 'set', 'r', 'status=on')
    peer.sock.close()
    lab.wait_until(lambda: numbers(s, 'r')['out']['state'] != 'connected', 5,
                   'end of the connection')
    a.send(ether(1, BROADCAST, 82))
    assert len(b.recv()[1]) == 82
    # the next peer gets no frame of before
    peer = connect(f'{folder}/r.out')
    wait_state(s, 'r', 'out', 'connected')
    a.send(ether(1, BROADCAST, 83))
    assert peer.recv() == ether(1, BROADCAST, 83)
    assert s.stats('a')['rx'][0]['frames'] == 5


def test_redirector_tx(up, folder):
    s, a, b = start(up, redirector(folder, ['out', 'in'], ',queue=tx'))
    out, into = connect(f'{folder}/r.out'), connect(f'{folder}/r.in')
    wait_state(s, 'r', 'out', 'connected')
    b.send(ether(2, BROADCAST, 70))
    assert out.recv() == ether(2, BROADCAST, 70)
    assert a.recv(0.1) is None
    for i in range(200):
        into.send(ether(2, 1, 60 + i))
        assert a.recv()[1] == ether(2, 1, 60 + i)
    assert numbers(s, 'r')['in']['received'] == 200
    assert b.recv(0) is None
    a.send(ether(1, BROADCAST, 77))
    assert len(b.recv()[1]) == 77


@pytest.mark.parametrize('queue', ['rx', 'tx', 'all'])
def test_redirector_in(up, folder, queue):
    s, a, b = start(up, redirector(folder, ['in'], f',queue={queue}'))
    peer = connect(f'{folder}/r.in')
    frames = [ether(3, BROADCAST, size) for size in (60, 1514, 9000, 65000)]
    for f in frames:
        peer.send(f)
        if queue in ('rx', 'all'):
            assert b.recv()[1] == f
        if queue in ('tx', 'all'):
            assert a.recv()[1] == f
    assert a.recv(0.05) is None and b.recv(0.05) is None
    if queue != 'tx':  # the switch has learned the sender behind the port
        assert s.macs()['default', '02:00:00:00:01:03'] == 'a'
    s.command('filter', 'set', 'r', 'status=off')
    peer.send(frames[0])
    assert a.recv(0.1) is None and b.recv(0) is None
    s.command('filter', 'set', 'r', 'status=on')
    assert (b if queue == 'rx' else a).recv()[1] == frames[0]


def test_through_two_redirectors(up, folder):
    """What one redirector takes out, another puts back: a way around through a
    peer, here another daemon's port in between is none: the bytes come back as
    they are."""
    s, a, b = start(up, redirector(folder, ['out', 'in'], ',queue=rx'))
    out, into = connect(f'{folder}/r.out'), connect(f'{folder}/r.in')
    wait_state(s, 'r', 'out', 'connected')
    stop = threading.Event()

    def carry():
        out.sock.settimeout(0.1)
        while not stop.is_set():
            try:
                data = out.sock.recv(1 << 16)
            except TimeoutError:
                continue
            for i in range(0, len(data), 1000):
                into.sock.sendall(data[i:i + 1000])

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        for i in range(300):
            a.send(ether(1, BROADCAST, 60 + i * 7, fill=i))
            assert b.recv()[1] == ether(1, BROADCAST, 60 + i * 7, fill=i)
    finally:
        stop.set()
        thread.join()


def test_headers_from_a_peer(up, folder):
    s, a, b = start(up, redirector(folder, ['in'],
                                   ',queue=rx,vnet_hdr_support=on'))
    peer = connect(f'{folder}/r.in', True)
    frame, at, offset = partial(tcp(3, 2, b'x' * 3000))
    peer.send(frame, header(NEEDS_CSUM, GSO_TCPV4, at + 20, 1000, at, offset))
    for _ in range(3):
        assert checksums_are_good(b.recv()[1])
    peer.send(ether(3, BROADCAST, 100), header()[:10])
    assert len(b.recv()[1]) == 100
    peer.send(ether(3, BROADCAST, 101))
    assert len(b.recv()[1]) == 101
    # offloads that do not fit the frame
    peer.send(frame, header(NEEDS_CSUM, GSO_TCPV4, 0, 0, at, offset))
    peer.send(frame, header(NEEDS_CSUM, GSO_NONE, 0, 0, 60000, offset))
    peer.send(frame, header(0, 99, 0, 1000, 0, 0))
    peer.send(ether(3, BROADCAST, 102))
    assert len(b.recv()[1]) == 102
    assert numbers(s, 'r')['in']['bad'] == 3


HOSTILE = {
    'nothing': (b'\0\0\0\0', None),
    'one byte': (b'\0\0\0\1x', None),
    'thirteen': (b'\0\0\0\x0d' + bytes(13), None),
    'over FRAME_MAX': (struct.pack('!I', 65551) + bytes(65551), None),
    '70000': (struct.pack('!I', 70000) + bytes(100), 'impossible length'),
    'all ones': (b'\xff\xff\xff\xff', 'impossible length'),
    'cut in the length': (b'\0\0', 'closed by the peer'),
    'cut in the frame': (b'\0\0\0\x40' + bytes(20), 'closed by the peer'),
}


@pytest.mark.parametrize('how', HOSTILE)
def test_hostile_lengths(up, folder, how):
    data, reason = HOSTILE[how]
    s, a, b = start(up, redirector(folder, ['in'], ',queue=rx'))
    peer = connect(f'{folder}/r.in')
    peer.sock.sendall(data)
    if not reason:
        peer.send(ether(3, BROADCAST, 100))
        assert len(b.recv()[1]) == 100
        assert numbers(s, 'r')['in']['bad'] == 1
        return
    if 'cut' in how:
        peer.sock.close()
    else:
        assert peer.is_closed()
    lab.wait_until(lambda: reason in numbers(s, 'r')['in'].get('reason', ''),
                   5, reason)
    peer = connect(f'{folder}/r.in')
    peer.send(ether(3, BROADCAST, 100))
    assert len(b.recv()[1]) == 100


def test_hostile_header_lengths(up, folder):
    s, a, b = start(up, redirector(folder, ['in'],
                                   ',queue=rx,vnet_hdr_support=on'))
    for size, hdr in ((64, 13), (64, 65), (64, 0xffffffff), (8, 10)):
        peer = connect(f'{folder}/r.in', True)
        peer.sock.sendall(struct.pack('!II', size, hdr) + bytes(64))
        assert peer.is_closed()
    peer = connect(f'{folder}/r.in', True)
    peer.send(ether(3, BROADCAST, 100), header())
    assert len(b.recv()[1]) == 100


def test_a_peer_that_never_reads(up, folder):
    """Memory is bounded, copies are dropped and counted, and the port works as
    before."""
    s, a, b = start(up, mirror(folder))
    peer = connect(f'{folder}/m.out')
    wait_state(s, 'm', 'out', 'connected')
    b.send(ether(2, BROADCAST))
    n = 400
    for i in range(n):
        a.send(ether(1, 2, 60000, fill=i))
        assert len(b.recv()[1]) == 60000
    dropped = numbers(s, 'm')['out']['dropped']
    # 4 MiB of the filter, and the buffers of the socket
    assert n - dropped < (16 << 20) / 60000
    s.command('filter', 'del', 'm')
    assert peer.sock.recv(4)


def test_a_full_receiver_slows_the_peer_down(up, folder):
    """Frames of indev wait for their port's guest, and are not lost."""
    s, a, b = start(up, redirector(folder, ['in'], ',queue=tx'))
    peer = connect(f'{folder}/r.in')
    s.command('port', 'set', 'a', 'full-us=1000000')
    n = 5000
    thread = threading.Thread(target=lambda: [
        peer.send(ether(2, 1, 1000, fill=i)) for i in range(n)])
    thread.start()
    time.sleep(0.2)
    for i in range(n):
        assert a.recv()[1] == ether(2, 1, 1000, fill=i)
    thread.join()


def test_client_and_reconnect(up, folder):
    with socket.create_server(('127.0.0.1', 0)) as server:
        server.settimeout(5)
        port = server.getsockname()[1]
        s, a, b = start(up, f'filter-mirror,id=m,netdev=a,outdev=tcp:127.0.0.1:'
                        f'{port},,reconnect-ms=20')
        for _ in range(3):
            peer = Stream(server.accept()[0])
            wait_state(s, 'm', 'out', 'connected')
            a.send(ether(1, BROADCAST, 70))
            assert peer.recv() == ether(1, BROADCAST, 70)
            peer.sock.close()
            lab.wait_until(lambda: numbers(s, 'm')['out']['state'] !=
                           'connected', 5, 'end')
    lab.wait_until(lambda: 'refused' in numbers(s, 'm')['out']['reason'], 5,
                   'refusal')
    done = s.command('filter', 'add', 'filter-mirror,id=x,netdev=a,'
                     f'outdev=tcp:127.0.0.1:{port}', check=False)
    assert 'outdev: cannot connect to 127.0.0.1:' in done.stderr
    assert 'Connection refused' in done.stderr
    with socket.create_server(('127.0.0.1', port)) as server:
        assert server.accept()


def test_chardevs(up, folder):
    with open(f'{folder}/conf', 'w') as f:
        f.write(f'chardev socket,id=c1,path={folder}/c1,server=on,wait=off\n')
    port = lab.free_port()
    s = up('vhost-user,id=a', 'vhost-user,id=b', extra=[
        '-object', 'filter-redirector,id=r,netdev=a,queue=rx,indev=c0,'
        'outdev=c1', '-chardev',
        f'socket,id=c0,host=127.0.0.1,port={port},server=on,wait=off',
        '--config', f'{folder}/conf'])
    a, b = s.front('a'), s.front('b')
    out = connect(f'{folder}/c1')
    into = Stream(socket.create_connection(('127.0.0.1', port)))
    wait_state(s, 'r', 'out', 'connected')
    a.send(ether(1, BROADCAST, 70))
    into.send(out.recv())
    assert b.recv()[1] == ether(1, BROADCAST, 70)
    # Each has one user; free again when that is gone.
    mirror = 'filter-mirror,id=m,netdev=b,outdev=c1'
    done = s.command('filter', 'add', mirror, check=False)
    assert 'outdev=c1: r has this chardev' in done.stderr
    s.command('filter', 'del', 'r')
    s.command('filter', 'add', mirror)


BAD = {
    'filter-mirror,id=x,netdev=a': 'outdev=CHARDEV is missing',
    'filter-redirector,id=x,netdev=a': 'indev=CHARDEV or outdev=CHARDEV is',
    'filter-mirror,id=x,netdev=a,outdev=c0':
        'outdev=c0: must be the id of a chardev, or unix:PATH',
    'filter-redirector,id=x,netdev=a,indev=unix:/x,outdev=unix:/x':
        'must not be the same',
    'filter-mirror,id=x,netdev=a,outdev=unix:/no/such': 'No such file',
    'filter-mirror,id=x,netdev=a,outdev=tcp:localhost': 'HOST:PORT',
    'filter-mirror,id=x,netdev=a,outdev=tcp:h:1': 'not looked up',
    'filter-mirror,id=x,netdev=a,outdev=unix:/x,,serv=on': 'server',
    'filter-mirror,id=x,netdev=a,outdev=unix:/x,,server=on,,wait=on':
        'wait=off',
    'filter-mirror,id=x,netdev=a,outdev=unix:/x,,server=on,,reconnect=1':
        'reconnect',
}


@pytest.mark.parametrize('text', BAD)
def test_bad_options(up, text):
    s = up('null,id=a')
    threads = len(s.threads())
    done = s.command('filter', 'add', text, check=False)
    assert done.returncode and BAD[text] in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert s.call('filter.list') == {'filters': []}
    assert len(s.threads()) == threads


@pytest.mark.parametrize('text, wrong', [
    ('file,id=c,path=/x', 'the type must be socket'),
    ('socket,path=/x', 'id=NAME is missing'),
    ('socket,id=c', 'needs path=PATH, or host=ADDRESS,port=N'),
    ('socket,id=c,path=/x,port=1', 'needs path=PATH, or'),
    ('socket,id=c,path=/x,telnet=on', 'telnet'),
    ('socket,id=c,path=/x,server=on,wait=on', 'wait=off'),
])
def test_bad_chardevs(up, text, wrong):
    with pytest.raises(lab.LabError, match=wrong):
        up('null,id=a', extra=['-chardev', text, '-object',
                               'filter-mirror,id=m,netdev=a,outdev=c'])


def test_changes_under_load(up, folder):
    s, a, b = start(up)
    stop = threading.Event()

    def load():
        i = 0
        while not stop.is_set():
            a.send(ether(1, 2, 60 + i % 1000))
            b.recv(0)
            i += 1

    b.send(ether(2, 1))
    thread = threading.Thread(target=load)
    thread.start()
    try:
        for i in range(15):
            s.call('filter.add', object=mirror(folder))
            s.call('filter.add', object=redirector(
                folder, ['in', 'out'], ',position=head'))
            peers = [connect(f'{folder}/{n}')
                     for n in ('m.out', 'r.out', 'r.in')]
            wait_state(s, 'r', 'out', 'connected')
            wait_state(s, 'm', 'out', 'connected')
            peers[2].send(peers[1].recv())
            peers[0].recv()
            s.call('filter.set', id='r', status='off')
            s.call('filter.del', id='m')
            s.call('filter.set', id='r', status='on')
            s.call('filter.del', id='r')
    finally:
        stop.set()
        thread.join()
    b.recv_all(0.05)
    a.send(ether(1, 2, 99))
    assert b.recv()[1] == ether(1, 2, 99)


# QEMU's filters of the same names

@pytest.fixture
def qemu(folder):
    if not shutil.which('qemu-system-x86_64'):
        pytest.skip('qemu-system-x86_64 is not installed')
    started = []

    def run(*args):
        """Runs a machine without a guest; its netdev n sends to the UDP socket
        that is returned, and receives from it. A hub of QEMU takes what
        comes: a card without a driver would not."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(('127.0.0.1', 0))
        sock.settimeout(5)
        port = lab.free_port(socket.SOCK_DGRAM)
        log = open(f'{folder}/qemu.log', 'wb')
        process = subprocess.Popen([
            'qemu-system-x86_64', '-nodefaults', '-display', 'none', '-m',
            '16M', '-netdev', 'dgram,id=n,remote.type=inet,'
            'remote.host=127.0.0.1,remote.port='
            f'{sock.getsockname()[1]},local.type=inet,local.host=127.0.0.1,'
            f'local.port={port}', '-netdev', 'hubport,id=h,hubid=0,netdev=n',
            '-netdev', 'user,id=u,restrict=on', '-netdev',
            'hubport,id=k,hubid=0,netdev=u', *args],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        started.append((process, sock))
        sock.connect(('127.0.0.1', port))
        return sock

    yield run
    for process, sock in started:
        lab.end_process(process)
        sock.close()


def test_mirror_to_qemu(up, folder, qemu):
    s, a, b = start(up, mirror(folder, ',queue=rx'))
    sock = qemu('-chardev', f'socket,id=c,path={folder}/m.out',
                '-object', 'filter-redirector,id=r,netdev=n,indev=c,queue=rx')
    wait_state(s, 'm', 'out', 'connected')
    time.sleep(0.2)  # the machine runs
    for size in (60, 1514, 9000):
        a.send(ether(1, BROADCAST, size))
        assert sock.recv(70000) == ether(1, BROADCAST, size)


def first_frame(sock, front):
    """Sends frames until QEMU is there and one arrives."""
    def arrives():
        try:
            sock.send(ether(1, BROADCAST, 99))
        except ConnectionRefusedError:
            return None
        return front.recv(0.1)

    frame = lab.wait_until(arrives, 5, 'a frame')[1]
    while front.recv(0.2):
        pass
    return frame


@pytest.mark.parametrize('has_hdr', ['off', 'on'])
def test_mirror_of_qemu(up, folder, qemu, has_hdr):
    """The netdev of QEMU has no virtio_net_hdr: vnet_hdr_support says so with a
    length of 0."""
    s, a, b = start(up, redirector(folder, ['in'], ',queue=rx,'
                                   f'vnet_hdr_support={has_hdr}'))
    sock = qemu('-chardev', f'socket,id=c,path={folder}/r.in', '-object',
                'filter-mirror,id=m,netdev=n,outdev=c,queue=tx,'
                f'vnet_hdr_support={has_hdr}')
    wait_state(s, 'r', 'in', 'connected')
    assert first_frame(sock, b) == ether(1, BROADCAST, 99)
    for size in (60, 1514, 9000):
        sock.send(ether(1, BROADCAST, size))
        assert b.recv()[1] == ether(1, BROADCAST, size)


def test_redirectors_of_qemu(up, folder, qemu):
    """Frames of a port take a way through QEMU's redirector and come back."""
    s, a, b = start(up, redirector(folder, ['out', 'in'], ',queue=rx'))
    qemu('-chardev', f'socket,id=i,path={folder}/r.out',
         '-chardev', f'socket,id=o,path={folder}/r.in',
         '-object', 'filter-redirector,id=x,netdev=n,indev=i,queue=rx,'
         'position=tail',
         '-object', 'filter-redirector,id=y,netdev=n,outdev=o,queue=rx,'
         'position=head')
    wait_state(s, 'r', 'out', 'connected')
    wait_state(s, 'r', 'in', 'connected')
    time.sleep(0.2)  # the machine runs
    for i in range(100):
        a.send(ether(1, BROADCAST, 60 + 11 * i))
        assert b.recv()[1] == ether(1, BROADCAST, 60 + 11 * i)


@pytest.mark.root
@pytest.mark.skipif(not os.path.exists('/dev/net/tun'),
                    reason='there is no /dev/net/tun')
@pytest.mark.skipif(not shutil.which('qemu-system-x86_64'),
                    reason='qemu-system-x86_64 is not installed')
def test_headers_of_qemu(up, folder):
    """QEMU's tap has a virtio_net_hdr, which its mirror sends along. A card
    without a driver has no offloads, so the kernel cuts the frame; and the card
    takes no frame after the first."""
    s, a, b = start(up, redirector(folder, ['in'],
                                   ',queue=rx,vnet_hdr_support=on'),
                    features=OFFLOADS)
    tap = f'rwq{os.getpid()}'
    with open(f'{folder}/qemu.log', 'wb') as log:
        process = subprocess.Popen([
            'qemu-system-x86_64', '-nodefaults', '-display', 'none', '-m',
            '16M', '-netdev', f'tap,id=n,ifname={tap},script=no,downscript=no,'
            'vnet_hdr=on', '-device', 'virtio-net-pci,netdev=n,romfile=',
            '-chardev', f'socket,id=c,path={folder}/r.in', '-object',
            'filter-mirror,id=m,netdev=n,outdev=c,queue=tx,'
            'vnet_hdr_support=on'], stdin=subprocess.DEVNULL, stdout=log,
            stderr=log)
    try:
        wait_state(s, 'r', 'in', 'connected')
        switch = f'/proc/sys/net/ipv6/conf/{tap}/disable_ipv6'
        lab.wait_until(lambda: os.path.exists(switch), 5, 'the tap')
        with open(switch, 'w') as f:
            f.write('1')
        subprocess.run(['ip', 'link', 'set', tap, 'up'], check=True)
        frame, at, offset = partial(tcp(1, 2, b'x' * 3000))
        hdr = header(NEEDS_CSUM, GSO_TCPV4, at + 20, 1000, at, offset)
        time.sleep(0.2)  # the machine runs
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind((tap, 0))
            sock.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR
            sock.send(hdr[:10] + frame)
        got = b.recv(5)[1]
        assert len(got) == 14 + 40 + 1000 and checksums_are_good(got)
        assert numbers(s, 'r')['in']['bad'] == 0
    finally:
        lab.end_process(process)
