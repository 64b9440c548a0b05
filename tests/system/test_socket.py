# SPDX-License-Identifier: Apache-2.0
"""The ports stream, dgram and socket with peers that check every byte or
misbehave, and with lines of options, good and bad."""
import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import lab
import pytest
from conftest import BINARY
from frames import BROADCAST, IP, UDP, Ether, ether, mac
from scapy.layers.dhcp import BOOTP, DHCP


def framed(frame):
    return struct.pack('!I', len(frame)) + frame


class Peer:
    """The other end of a stream."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(5)
        self.data = b''

    def send(self, *frames):
        self.sock.sendall(b''.join(framed(f) for f in frames))

    def exactly(self, n):
        while len(self.data) < n:
            more = self.sock.recv(1 << 20)
            if not more:
                raise ConnectionError('closed')
            self.data += more
        got, self.data = self.data[:n], self.data[n:]
        return got

    def recv(self):
        return self.exactly(struct.unpack('!I', self.exactly(4))[0])

    def is_closed(self):
        try:
            return self.sock.recv(1) == b''
        except ConnectionError:
            return True

    def close(self):
        self.sock.close()


def tcp_port():
    return lab.free_port()


def tcp_client(port):
    return Peer(socket.create_connection(('127.0.0.1', port), 5))


def unix_client(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    return Peer(sock)


@contextlib.contextmanager
def tcp_server(port=0):
    with socket.create_server(('127.0.0.1', port)) as server:
        server.settimeout(5)
        yield server


def accept(server):
    return Peer(server.accept()[0])


def show(switch, port):
    return switch.call('port.show', id=port)['state']


def both_ways(front, send, recv):
    """Frames of many sizes pass in both directions, byte for byte."""
    for size in (60, 61, 1514, 9000, 65000):
        frame = ether(2, BROADCAST, size, fill=size)
        send(frame)
        assert front.recv()[1] == frame
        frame = ether(1, 2, size, fill=size + 1)
        front.send(frame)
        assert recv() == frame


STREAMS = {
    'tcp server': ('stream,id=s,server=on,addr.type=inet,addr.host=127.0.0.1,'
                   'addr.port={port}', 'client'),
    'tcp client': ('stream,id=s,addr.type=inet,addr.host=localhost,'
                   'addr.port={port}', 'server'),
    'unix server': ('stream,id=s,server=on,addr.type=unix,'
                    'addr.path={folder}/s.sock', 'unix client'),
    'socket listen': ('socket,id=s,listen=127.0.0.1:{port}', 'client'),
    'socket listen any': ('socket,id=s,listen=:{port}', 'client'),
    'socket connect': ('socket,id=s,connect=127.0.0.1:{port}', 'server'),
}


@pytest.mark.parametrize('how', STREAMS)
def test_stream(up, folder, how):
    port = tcp_port()
    text, kind = STREAMS[how]
    text = text.format(port=port, folder=folder)
    with tcp_server(port) if kind == 'server' else \
            contextlib.nullcontext() as server:
        s = up('vhost-user,id=vm', text)
        front = s.front('vm')
        peer = accept(server) if server else \
            tcp_client(port) if kind == 'client' else \
            unix_client(f'{folder}/s.sock')
        s.wait_link('s')
        both_ways(front, peer.send, peer.recv)
        # many frames in one segment, and one in many
        burst = [ether(2, 1, 60 + i, fill=i) for i in range(200)]
        peer.send(*burst)
        assert [front.recv()[1] for _ in burst] == burst
        for byte in framed(burst[0]):
            peer.sock.send(bytes([byte]))
        assert front.recv()[1] == burst[0]
        peer.close()
        s.wait_link('s', False)
    assert show(s, 's')['last_disconnect']


def test_passed_descriptors(folder, up):
    ours, theirs = socket.socketpair()
    gram, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs, gram, far:
        fds = ours.fileno(), gram.fileno()
        s = up('vhost-user,id=vm', f'stream,id=s,addr.type=fd,addr.str={fds[0]}',
               'vhost-user,id=vm2,net=b',
               f'dgram,id=d,net=b,local.type=fd,local.str={fds[1]}',
               pass_fds=fds)
        peer = Peer(theirs)
        both_ways(s.front('vm'), peer.send, peer.recv)
        far.settimeout(5)
        both_ways(s.front('vm2'), far.send, lambda: far.recv(1 << 17))


def test_old_socket_fd(up):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        s = up('vhost-user,id=vm', f'socket,id=s,fd={ours.fileno()}',
               pass_fds=[ours.fileno()])
        peer = Peer(theirs)
        both_ways(s.front('vm'), peer.send, peer.recv)


@pytest.mark.parametrize('length,is_closed', [
    (0, False), (1, False), (13, False), (14, True), (65550, True),
    (65551, False), (69632, False), (69633, None), (70000, None),
    (0xffffffff, None)])
def test_lengths(up, length, is_closed):
    """A frame of any length that QEMU may send is taken or counted; any other
    length ends the connection."""
    port = tcp_port()
    s = up('vhost-user,id=vm', f'socket,id=s,listen=127.0.0.1:{port}')
    front = s.front('vm', size=64)
    peer = tcp_client(port)
    s.wait_link('s')
    after = ether(2, 1, 64)
    if is_closed is None:
        peer.sock.sendall(struct.pack('!I', length) + after)
        assert peer.is_closed()
        lab.wait_until(lambda: str(length) in
                       show(s, 's').get('last_disconnect', ''), 5,
                       'a reason that names the length')
        return
    frame = (ether(2, 1, 14) + bytes(length))[:length]
    peer.send(frame, after)
    if is_closed:
        assert front.recv()[1] == frame
    assert front.recv()[1] == after
    drops = s.stats('s')['rx_drops']
    assert drops == (0 if is_closed else 1)


def test_server_takes_one_peer_after_another(up):
    """A second peer waits until the first is gone. Nothing is logged for each
    frame that nobody takes, and nothing spins."""
    port = tcp_port()
    s = up('vhost-user,id=vm', f'socket,id=s,listen=127.0.0.1:{port}')
    front = s.front('vm')
    first, second = tcp_client(port), tcp_client(port)
    s.wait_link('s')
    second.send(ether(3, 1, 60))
    first.send(ether(2, 1, 60))
    assert front.recv()[1] == ether(2, 1, 60)
    assert front.recv(0.2) is None
    time.sleep(1)  # a longer session: the next begins at once
    first.close()
    assert front.recv()[1] == ether(3, 1, 60)
    second.close()
    s.wait_link('s', False)
    lines, ticks = s.log_text().count('\n'), s.cpu_ticks()
    for _ in range(200):
        front.send(ether(1, BROADCAST, 60))
    assert s.log_text().count('\n') == lines
    time.sleep(0.5)
    assert s.cpu_ticks() - ticks < 20


def test_client_reconnects(up, folder):
    """A client tries for ever, first at once; frames pass after each return."""
    port = tcp_port()
    s = up('vhost-user,id=vm', 'stream,id=s,addr.type=inet,addr.host=127.0.0.1,'
           f'addr.port={port},reconnect-ms=50')
    front = s.front('vm')
    assert not s.link('s')
    for turn in range(1, 4):
        with tcp_server(port) as server:
            peer = accept(server)
            s.wait_link('s')
            both_ways(front, peer.send, peer.recv)
            peer.close()
        s.wait_link('s', False)
        assert show(s, 's')['connections'] == turn


def test_client_of_a_unix_path_that_comes_later(up, folder):
    path = f'{folder}/later'
    s = up('vhost-user,id=vm',
           f'stream,id=s,addr.type=unix,addr.path={path},reconnect-ms=50')
    assert show(s, 's')['state'] == 'waiting to try again'
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        server.settimeout(5)
        peer = accept(server)
        s.wait_link('s')
        both_ways(s.front('vm'), peer.send, peer.recv)


def test_peer_that_reads_slowly_gets_every_frame(up, folder):
    """Frames that the socket takes in part are completed, also when no other
    frame follows."""
    s = up('vhost-user,id=vm', 'stream,id=s,server=on,addr.type=unix,'
           f'addr.path={folder}/s.sock,full-us=1000000')
    front = s.front('vm', size=256)
    peer = unix_client(f'{folder}/s.sock')
    s.wait_link('s')
    peer.send(ether(2, 1, 60))  # so that frames for it are not flooded
    front.recv()
    frames = [ether(1, 2, 60 + 160 * i, fill=i) for i in range(400)]
    got = []

    def read():
        while len(got) < len(frames):
            if not len(got) % 50:
                time.sleep(0.1)
            got.append(peer.recv())
    reader = threading.Thread(target=read)
    reader.start()
    for frame in frames:
        front.send(frame, wait=False)
    reader.join(20)
    assert got == frames
    assert s.stats('s')['tx_drops'] == 0


def test_peer_that_never_reads(up):
    """Its frames are dropped and counted; other ports are not disturbed, and
    memory does not grow."""
    port = tcp_port()
    s = up('vhost-user,id=vm', 'vhost-user,id=vm2',
           f'socket,id=s,listen=127.0.0.1:{port},full-us=1000')
    front, other = s.front('vm', size=256), s.front('vm2', size=256)
    peer = tcp_client(port)
    s.wait_link('s')
    memory = None
    for i in range(3000):
        front.send(ether(1, BROADCAST, 9000), wait=False)
        if i == 1500:
            memory = s.status('VmRSS')
        if i % 50 == 0:
            other.recv_all(0)
    lab.wait_until(lambda: s.stats('s')['tx_drops'] > 0, 5, 'drops')
    other.recv_all()
    front.send(ether(1, BROADCAST, 60))
    assert other.recv()[1] == ether(1, BROADCAST, 60)
    assert s.status('VmRSS') < memory + 2048
    peer.close()


def udp_socket(port=0):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(('127.0.0.1', port))
    sock.settimeout(5)
    return sock


@pytest.mark.parametrize('text', [
    'dgram,id=d,local.type=inet,local.host=127.0.0.1,local.port={ours},'
    'remote.type=inet,remote.host=127.0.0.1,remote.port={theirs}',
    'socket,id=d,udp=127.0.0.1:{theirs},localaddr=127.0.0.1:{ours}'])
def test_udp(up, text):
    ours = lab.free_port(socket.SOCK_DGRAM)
    with udp_socket() as peer:
        theirs = peer.getsockname()[1]
        s = up('vhost-user,id=vm', text.format(ours=ours, theirs=theirs))
        front = s.front('vm')
        both_ways(front, lambda f: peer.sendto(f, ('127.0.0.1', ours)),
                  lambda: peer.recv(1 << 17))
        for length in (0, 1, 13):
            peer.sendto(bytes(length), ('127.0.0.1', ours))
        burst = [ether(2, 1, 60 + i, fill=i) for i in range(100)]
        for f in burst:
            peer.sendto(f, ('127.0.0.1', ours))
        assert [front.recv()[1] for _ in burst] == burst
        assert s.stats('d')['rx_drops'] == 3
    # Nobody receives any more, and then somebody does again.
    for _ in range(20):
        front.send(ether(1, 2, 60))
    with udp_socket(theirs) as peer:
        front.send(ether(1, 2, 99))
        lab.wait_until(lambda: peer.recv(1 << 17) == ether(1, 2, 99), 5,
                       'the frame after the pause')


def test_udp_frame_that_is_too_big(up):
    ours = lab.free_port(socket.SOCK_DGRAM)
    with udp_socket() as peer:
        s = up('vhost-user,id=vm', f'socket,id=d,localaddr=127.0.0.1:{ours},'
               f'udp=127.0.0.1:{peer.getsockname()[1]}')
        front = s.front('vm')
        front.send(ether(1, BROADCAST, 65530))  # UDP takes 65507
        front.send(ether(1, BROADCAST, 60))
        assert peer.recv(1 << 17) == ether(1, BROADCAST, 60)
        assert s.stats('d')['tx_drops'] == 1


def test_unix_datagrams(up, folder):
    ours, theirs = f'{folder}/d.sock', f'{folder}/peer'
    text = (f'dgram,id=d,local.type=unix,local.path={ours},remote.type=unix,'
            f'remote.path={theirs}')
    s = up('vhost-user,id=vm', text)
    front = s.front('vm')
    front.send(ether(1, BROADCAST, 60))  # nobody is there yet
    lab.wait_until(lambda: s.stats('d')['tx_drops'] == 1, 5, 'a drop')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
        peer.settimeout(5)
        peer.bind(theirs)
        both_ways(front, lambda f: peer.sendto(f, ours),
                  lambda: peer.recv(1 << 17))
    # Another daemon cannot take the path of a live one.
    done = subprocess.run([BINARY, 'up', '--control', f'{folder}/c2.sock',
                           '-netdev', text], capture_output=True, text=True)
    assert done.returncode and 'd.sock' in done.stderr, done.stderr
    front.send(ether(1, BROADCAST, 60))


def test_multicast(up, folder):
    """All members get a frame once; none gets its own back, which would move
    its guest's address."""
    port = lab.free_port(socket.SOCK_DGRAM)
    group = f'230.0.0.1:{port},localaddr=127.0.0.1'
    dgram = ('dgram,id=m,remote.type=inet,remote.host=230.0.0.1,'
             f'remote.port={port},local.type=inet,local.host=127.0.0.1')
    switches = [up('vhost-user,id=vm', text, sub=str(i)) for i, text in
                enumerate((f'socket,id=m,mcast={group}', dgram,
                           f'socket,id=m,mcast={group}'))]
    fronts = [s.front('vm') for s in switches]
    for i, front in enumerate(fronts):
        frame = ether(i, BROADCAST, 60, fill=i)
        front.send(frame)
        for other in fronts:
            got = [f for _, f in other.recv_all(0.2)]
            assert got == ([] if other is front else [frame])
    for i, s in enumerate(switches):
        assert {m: p for (_, m), p in s.macs().items()} == \
            {mac(k): 'vm' if k == i else 'm' for k in range(3)}


@pytest.mark.skipif(not shutil.which('passt'), reason='passt is not installed')
def test_passt(up, folder):
    """A passt that the user started answers the guest's DHCP request, and is
    found again when it was restarted."""
    os.chmod(folder, 0o777)  # passt becomes nobody when root starts it
    path = f'{folder}/passt.s'
    s = up('vhost-user,id=vm',
           f'stream,id=s,addr.type=unix,addr.path={path},reconnect-ms=100')
    front = s.front('vm')
    request = Ether(src=mac(1), dst=BROADCAST) / \
        IP(src='0.0.0.0', dst='255.255.255.255') / UDP(sport=68, dport=67) / \
        BOOTP(chaddr=bytes.fromhex(mac(1).replace(':', '')), xid=7) / \
        DHCP(options=[('message-type', 'discover'), 'end'])
    for _ in range(2):
        with open(f'{folder}/passt.log', 'w') as log:
            passt = subprocess.Popen(['passt', '-f', '-s', path], stdout=log,
                                     stderr=log)
        try:
            lab.wait_until(lambda: os.path.exists(path) or passt.poll(), 5,
                           'passt')
            if passt.poll():
                pytest.skip(f'passt ended: {lab.tail(log.name)}')
            s.wait_link('s')
            front.send(bytes(request))
            while BOOTP not in (got := Ether(front.recv()[1])):
                pass
            assert ('message-type', 2) in got[DHCP].options
        finally:
            passt.kill()
            passt.wait()
            if os.path.exists(path):
                os.unlink(path)
        s.wait_link('s', False)


LINES = [
    # QEMU's manual (docs of -netdev), the id and files changed
    ('stream,id=a,server=on,addr.type=inet,addr.host=localhost,addr.port=1234',
     None),
    ('stream,id=a,server=off,addr.type=unix,addr.path=/tmp/none,reconnect=5',
     None),
    ('socket,id=a,listen=:1234', None),
    ('socket,id=a,listen=[::1]:1234', None),
    ('socket,id=a,mcast=230.0.0.1:1234,localaddr=127.0.0.1', None),
    ('socket,id=a,udp=127.0.0.1:1235,localaddr=127.0.0.1:1234', None),
    ('dgram,id=a,remote.type=inet,remote.host=224.0.0.1,remote.port=1234,'
     'local.type=inet,local.host=127.0.0.1', None),
    ('dgram,id=a,local.type=inet,local.host=localhost,local.port=1234,'
     'remote.type=inet,remote.host=localhost,remote.port=1235', None),
    # no peer
    ('socket,id=a,connect=127.0.0.1:1', 'connect.*127.0.0.1:1.*refused'),
    ('stream,id=a,addr.type=unix,addr.path=/tmp/none',
     'addr.path.*/tmp/none.*No such file'),
    # wrong values
    ('stream,id=a', 'addr.type'),
    ('stream,id=a,addr.type=tcp', 'addr.type=tcp.*inet'),
    ('stream,id=a,addr.type=inet,addr.port=80', 'addr.host'),
    ('stream,id=a,addr.type=inet,addr.host=1.2.3.4', 'addr.port'),
    ('stream,id=a,addr.type=inet,addr.host=example.com,addr.port=80',
     'example.com.*address'),
    ('stream,id=a,addr.type=inet,addr.host=1.2.3.4,addr.port=99999',
     'addr.port=99999'),
    ('stream,id=a,addr.type=inet,addr.host=1.2.3.4,addr.port=http',
     'addr.port=http'),
    ('stream,id=a,addr.type=inet,addr.host=[::1],addr.port=1', 'refused'),
    ('stream,id=a,addr.type=unix,addr.path=/x,addr.port=1',
     'addr.port.*inet.*unix'),
    ('stream,id=a,addr.type=unix', 'addr.path'),
    ('stream,id=a,addr.type=unix,addr.path=/tmp/' + 'x' * 120, 'too long'),
    ('stream,id=a,addr.type=fd', 'addr.str'),
    ('stream,id=a,addr.type=fd,addr.str=999', 'descriptor 999 is not open in this command'),
    ('stream,id=a,addr.type=fd,addr.str=x', 'addr.str=x'),
    ('stream,id=a,server=on,addr.type=unix,addr.path=/x,reconnect=1',
     'reconnect'),
    ('stream,id=a,addr.type=unix,addr.path=/x,reconnect=1,reconnect-ms=1',
     'reconnect.*reconnect-ms'),
    ('socket,id=a', 'one of fd=, listen='),
    ('socket,id=a,listen=:1,connect=127.0.0.1:1', 'only one of'),
    ('socket,id=a,listen=1234', 'HOST:PORT'),
    ('socket,id=a,mcast=10.0.0.1:1234', 'mcast=10.0.0.1:1234.*no multicast'),
    ('socket,id=a,udp=230.0.0.1:1,localaddr=127.0.0.1:1', 'udp.*a multicast'),
    ('socket,id=a,udp=127.0.0.1:1', 'localaddr'),
    ('socket,id=a,listen=:1,localaddr=127.0.0.1', 'localaddr'),
    ('dgram,id=a', 'local.type'),
    ('dgram,id=a,local.type=inet,local.host=127.0.0.1', 'local.port'),
    ('dgram,id=a,local.type=unix', 'local.path'),
    ('dgram,id=a,local.type=fd', 'local.str'),
    ('dgram,id=a,local.type=inet,local.port=1,local.path=/x', 'local.path'),
    ('dgram,id=a,local.type=unix,local.path=/tmp/none,remote.type=inet,'
     'remote.host=127.0.0.1,remote.port=1',
     'remote.host: must be of the same kind as the local address'),
    ('dgram,id=a,remote.type=inet,remote.host=1.2.3.4', 'remote.port'),
    ('dgram,id=a,remote.type=inet,remote.host=230.0.0.1,remote.port=1,'
     'local.type=inet,local.host=::1', 'IPv4'),
    ('socket,id=a,mcast=230.0.0.1:1234,localaddr=192.0.2.99',
     'find an interface with 192.0.2.99'),
    ('socket,id=a,mcast=230.0.0.1:0,localaddr=127.0.0.1', 'port 0'),
    ('socket,id=a,udp=127.0.0.1:0,localaddr=127.0.0.1:1234', 'port 0'),
    ('socket,id=a,udp=127.0.0.1:1234,localaddr=127.0.0.1:1234',
     'udp: must not be the address that the port itself receives at'),
    ('dgram,id=a,local.type=unix,local.path=/tmp/none,remote.type=unix,'
     'remote.path=/tmp/none',
     'remote.path: must not be the address that the port itself'),
]


@pytest.mark.parametrize('text,words', LINES)
def test_lines(up, text, words):
    """A line is taken, or refused with words that name what is wrong; nothing
    is left behind."""
    s = up('null,id=n')

    def descriptors():
        return len(os.listdir(f'/proc/{s.pid}/fd'))
    before = descriptors()
    done = s.command('port', 'add', text, check=False)
    if words:
        assert done.returncode and re.search(words, done.stderr), done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert s.command('port', 'show', 'a')
        s.command('port', 'del', 'a')
    lab.wait_until(lambda: descriptors() == before, 5, 'no descriptor is left')


@pytest.mark.parametrize('path,words', [
    ('dgram.sock', 'datagram'), ('file', 'refused|not a socket')])
def test_wrong_kind_of_socket(up, folder, path, words):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f'{folder}/dgram.sock')
        with open(f'{folder}/file', 'w'):
            pass
        s = up('null,id=n')
        done = s.command('port', 'add', 'stream,id=a,addr.type=unix,addr.path='
                         f'{folder}/{path}', check=False)
        assert done.returncode and re.search(words, done.stderr), done.stderr
    os.unlink(f'{folder}/dgram.sock')


def test_descriptors_that_are_not_ours_to_take(up):
    """Only sockets that the daemon was started with can be named, each once:
    its own are refused."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        fd = server.fileno()
        s = up('null,id=n', f'stream,id=a,addr.type=fd,addr.str={fd}',
               pass_fds=[fd])
        for other in os.listdir(f'/proc/{s.pid}/fd'):
            for text in (f'stream,id=b,addr.type=fd,addr.str={other}',
                         f'socket,id=b,fd={other}',
                         f'dgram,id=b,local.type=fd,local.str={other}'):
                with pytest.raises(lab.RpcError, match='started with'):
                    s.call('port.add', netdev=text)
        assert s.command('port', 'show', 'a')


def test_file_that_took_the_place_of_ours_stays(up, folder):
    path = f'{folder}/d'
    s = up('null,id=n', f'dgram,id=d,local.type=unix,local.path={path}')
    os.unlink(path)
    with open(path, 'w') as f:
        f.write('precious')
    s.command('port', 'del', 'd')
    assert os.path.exists(path)


def test_many_dead_connections_do_not_lock_a_server(up):
    port = tcp_port()
    s = up('vhost-user,id=vm', f'socket,id=s,listen=127.0.0.1:{port}')
    front = s.front('vm')
    for _ in range(40):
        tcp_client(port).close()
    peer = tcp_client(port)
    peer.send(ether(2, 1, 60))
    assert front.recv(timeout=3)[1] == ether(2, 1, 60)


def test_aborted_connections_do_not_lock_a_server(up):
    """Reset before they are accepted: the next one is served at once."""
    port = tcp_port()
    s = up('vhost-user,id=vm', f'socket,id=s,listen=127.0.0.1:{port}')
    front = s.front('vm')
    os.kill(s.pid, signal.SIGSTOP)
    for _ in range(40):
        c = socket.create_connection(('127.0.0.1', port))
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack('ii', 1, 0))
        c.close()
    peer = tcp_client(port)
    os.kill(s.pid, signal.SIGCONT)
    peer.send(ether(2, 1, 60))
    assert front.recv(timeout=10)[1] == ether(2, 1, 60)


def test_data_and_end_at_once(up):
    """A peer that sends and closes at once is not taken for connected."""
    port = tcp_port()
    s = up('vhost-user,id=vm', f'socket,id=s,listen=127.0.0.1:{port}')
    front = s.front('vm')
    for i in range(50):
        peer = tcp_client(port)
        peer.send(ether(2, 1, 60 + i))
        peer.close()
        assert front.recv()[1] == ether(2, 1, 60 + i)
    s.wait_link('s', False)
    lab.wait_until(lambda: show(s, 's')['connections'] == 50, 5,
                   'all connections')


def test_address_in_use(up):
    with tcp_server() as server:
        port = server.getsockname()[1]
        s = up('null,id=n')
        done = s.command('port', 'add', f'socket,id=a,listen=127.0.0.1:{port}',
                         check=False)
        assert done.returncode
        assert re.search(rf'listen.*127.0.0.1:{port}.*in use', done.stderr)
