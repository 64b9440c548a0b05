# SPDX-License-Identifier: Apache-2.0
"""Descriptors that come along with port.add over the control socket: those of
the command `port add`, and those of other programs."""
import fcntl
import json
import os
import socket
import struct
import subprocess

import lab
import pytest
from frames import BROADCAST, ether
from test_tap import IFF_NO_PI, IFF_TAP, IFF_VNET_HDR, TUNSETIFF, links, name

IFF_MULTI_QUEUE = 0x100


def fds(s):
    return len(os.listdir(f'/proc/{s.pid}/fd'))


def settled(s, count):
    """Waits until the daemon has @count descriptors: it sees the end of other
    connections in its own time."""
    lab.wait_until(lambda: fds(s) == count, 3,
                   f'{count} descriptors, of {fds(s)}')


def port_add(s, netdev, pass_fds=()):
    return subprocess.run(
        [s.binary, 'port', 'add', netdev, '--control', s.control],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20,
        pass_fds=pass_fds)


def added(s, netdev, *pass_fds):
    done = port_add(s, netdev, pass_fds)
    assert done.returncode == 0, done.stderr


def request(s, params, passed=(), rpc=None, send=socket.send_fds):
    """Sends port.add with descriptors; returns the reply."""
    rpc = rpc or s.rpc
    line = json.dumps({'jsonrpc': '2.0', 'id': 9, 'method': 'port.add',
                       'params': params}).encode() + b'\n'
    if passed:
        send(rpc.sock, [line], list(passed))
        line = b''
    return json.loads(rpc.raw(line))


def refused(s, params, passed=()):
    return request(s, params, passed)['error']['message']


def tap(what, flags=0):
    fd = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack(
        '16sH22x', name(what).encode(), IFF_TAP | IFF_NO_PI | flags))
    return fd


def frames_pass(s, peer, kind):
    """A frame goes from the socket port to a guest and back."""
    vm = s.front('vm')
    lengths = kind == socket.SOCK_STREAM
    for frame in (ether(5, BROADCAST), ether(1, 5)):
        head = struct.pack('!I', len(frame)) if lengths else b''
        if frame[6:12] == ether(5, BROADCAST)[6:12]:
            peer.sendall(head + frame)
            assert vm.recv()[1] == frame
        else:
            vm.send(frame)
            peer.settimeout(3)
            assert peer.recv(4096) == head + frame
    vm.close()


@pytest.mark.parametrize('netdev,kind', [
    ('stream,id=p,addr.type=fd,addr.str={}', socket.SOCK_STREAM),
    ('dgram,id=p,local.type=fd,local.str={}', socket.SOCK_DGRAM),
    ('socket,id=p,fd={}', socket.SOCK_STREAM),
    ('socket,id=p,fd={}', socket.SOCK_DGRAM),
    ('{{"type":"stream","id":"p","addr.type":"fd","addr.str":"{}"}}',
     socket.SOCK_STREAM),
])
def test_a_socket_of_the_command(up, netdev, kind):
    s = up('vhost-user,id=vm')
    s.call('version')
    before = fds(s)
    for _ in range(2):
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        added(s, netdev.format(theirs.fileno()), theirs.fileno())
        theirs.close()
        with ours:
            frames_pass(s, ours, kind)
            s.call('port.del', id='p')
            ours.settimeout(3)
            if kind == socket.SOCK_STREAM:
                assert ours.recv(1) == b'', 'the daemon has closed its copy'
        settled(s, before)


def test_a_listening_socket_of_the_command(up):
    s = up('vhost-user,id=vm')
    with socket.create_server(('127.0.0.1', 0)) as server:
        address = server.getsockname()
        added(s, f'stream,id=p,addr.type=fd,addr.str={server.fileno()}',
              server.fileno())
    with socket.create_connection(address) as peer:
        s.wait_link('p')
        frames_pass(s, peer, socket.SOCK_STREAM)


@pytest.mark.root
@pytest.mark.skipif(not os.path.exists('/dev/net/tun'),
                    reason='there is no /dev/net/tun')
def test_taps_of_the_command(up):
    s = up('null,id=n')
    s.call('version')
    before = fds(s)
    one = tap('pa', IFF_VNET_HDR)
    added(s, f'tap,id=t,fd={one}', one)
    done = port_add(s, f'tap,id=u,fd={one}', [one])
    assert done.returncode == 1 and 'is in use already, for the interface ' \
        f'{name("pa")}' in done.stderr, 'a copy of the same queue'
    os.close(one)
    shown = s.call('port.show', id='t')
    assert shown['state']['interface'] == name('pa')
    assert shown['state']['vnet_hdr'] and shown['config']['fd'] == str(one)
    two = [tap('pb', IFF_MULTI_QUEUE) for _ in range(2)]
    done = port_add(s, f'tap,id=u,fds={two[0]}:{two[0]}', two)
    assert done.returncode == 1 and 'is in use already' in done.stderr
    settled(s, before + 3)  # of t: its tap; of all taps: netlink, wake-up
    added(s, f'tap,id=u,fds={two[0]}:{two[1]}', *two)
    for fd in two:
        os.close(fd)
    assert len(s.stats('u')['rx']) == 2
    for port in 'tu':
        s.call('port.del', id=port)
    assert not {name('pa'), name('pb')} & set(links())
    settled(s, before)


def is_alive(s):
    """Other ports work, and the daemon answers."""
    c, d = s.front('c'), s.front('d')
    c.send(ether(7, BROADCAST))
    assert d.recv()[1] == ether(7, BROADCAST)
    s.call('stats')
    c.close()
    d.close()


def test_a_stream_that_its_owner_makes_blocking(up):
    ours, peer = socket.socketpair()
    s = up('vhost-user,id=c', 'vhost-user,id=d')
    added(s, f'stream,id=p,addr.type=fd,addr.str={ours.fileno()}',
          ours.fileno())
    s.wait_link('p')
    ours.setblocking(True)
    frame = ether(9, BROADCAST)
    peer.sendall(struct.pack('!I', len(frame)) + frame)
    lab.wait_until(lambda: s.stats('p')['rx_frames'] == 1, 3, 'the frame')
    is_alive(s)
    s.call('port.del', id='p')


@pytest.mark.root
def test_a_tap_that_its_owner_makes_blocking(up):
    fd = tap('blk')
    s = up('vhost-user,id=c', 'vhost-user,id=d')
    added(s, f'tap,id=p,fd={fd}', fd)
    subprocess.run(['ip', 'link', 'set', name('blk'), 'up'], check=True)
    s.wait_link('p')
    os.set_blocking(fd, True)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((name('blk'), 0x88b5))
        for _ in range(3):
            wire.send(ether(9, BROADCAST))
        lab.wait_until(lambda: s.stats('p')['rx_frames'] >= 3, 3, 'frames')
        is_alive(s)
        c = s.front('c')
        c.send(ether(7, BROADCAST))
        lab.wait_until(lambda: s.stats('p')['tx_frames'] >= 2, 3, 'frames out')
    s.call('port.del', id='p')
    os.close(fd)


def test_numbers_that_the_command_has_not(up):
    s = up('null,id=n')
    for netdev in ('tap,id=t,fd=777', 'tap,id=t,fds=0:777',
                   'stream,id=t,addr.type=fd,addr.str=777',
                   'socket,id=t,fd=777', 'dgram,id=t,local.type=fd,'
                   'local.str=777'):
        done = port_add(s, netdev)
        assert done.returncode == 1
        assert 'descriptor 777 is not open in this command' in done.stderr
    for netdev, words in (('tap,id=t,fd=0', 'descriptor 0 is no open tap'),
                          ('tap,id=t,fd=x', 'fd=x: must be'),
                          ('socket,id=t,fd=1', 'fd=1: is no open socket')):
        done = port_add(s, netdev)
        assert done.returncode and words in done.stderr, done.stderr


def test_a_program_names_them_as_it_likes(up):
    s = up('vhost-user,id=vm')
    s.call('version')
    before = fds(s)
    ours, theirs = socket.socketpair()
    spare = os.open('/dev/null', os.O_RDONLY)
    with ours, theirs:
        reply = request(s, {'type': 'stream', 'id': 'p', 'addr.type': 'fd',
                            'addr.str': 1000, 'descriptors': [5, 1000]},
                        [spare, theirs.fileno()])
        assert reply['result'] == {'id': 'p'}
        theirs.close()
        frames_pass(s, ours, socket.SOCK_STREAM)
        s.call('port.del', id='p')
    os.close(spare)
    settled(s, before)


def test_what_is_refused_is_closed(up):
    s = up('null,id=n')
    s.call('version')
    before = fds(s)
    ours, theirs = socket.socketpair()
    netdev = 'stream,id=p,addr.type=fd,addr.str=7'
    fd = theirs.fileno()
    with ours, theirs:
        for names, passed, words in (
                ([7, 8], [fd], '1 file descriptor of 2 came along'),
                ([7], [], '0 file descriptors of 1 came along'),
                ([], [fd], 'an array of 1 to 64'),
                ('7', [fd], 'an array of 1 to 64'),
                (['7'], [fd], 'an array of 1 to 64'),
                ([-1], [fd], 'an array of 1 to 64'),
                ([7, 7], [fd, fd], 'different numbers'),
                ([1 << 40], [fd], 'different numbers'),
                (list(range(65)), [fd] * 65, 'an array of 1 to 64'),
                ([8], [fd], 'addr.str=7: must be a socket that came along '
                 'with the request'),
                (None, [fd], 'that `ringway up` was started with')):
            params = {'netdev': netdev}
            if names is not None:
                params['descriptors'] = names
            assert words in refused(s, params, passed), words
            settled(s, before)
        for params, words in (
                ({'netdev': 'stream,id=n,addr.type=fd,addr.str=7'},
                 'id=n is taken'),
                ({'netdev': 'stream,id=p,addr.type=fd'}, 'addr.str'),
                ({'netdev': 'dgram,id=p,local.type=fd,local.str=7'},
                 'must be a datagram socket'),
                ({'netdev': netdev, 'id': 'x'}, 'netdev: must stand alone'),
                ({}, 'type is missing')):
            params['descriptors'] = [7]
            assert words in refused(s, params, [fd]), words
            settled(s, before)
        # A method that takes none: they are closed.
        socket.send_fds(s.rpc.sock, [b'{"jsonrpc":"2.0","id":1,'
                                     b'"method":"version"}\n'], [fd] * 60)
        assert b'result' in s.rpc.raw(b'')
        settled(s, before)
        theirs.close()
        ours.settimeout(3)
        assert ours.recv(1) == b'', 'nobody has it'


def test_what_was_passed_hides_what_was_inherited(up):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        n = theirs.fileno()
        s = up('null,id=n', pass_fds=[n])
        netdev = f'stream,id=p,addr.type=fd,addr.str={n}'
        assert 'came along with the request' in refused(
            s, {'netdev': netdev, 'descriptors': [n + 1]}, [ours.fileno()])
        s.call('port.add', netdev=netdev)


def test_requests_at_once(up):
    """Each takes as many as it names, however they arrive."""
    s = up('null,id=n')
    pairs = [socket.socketpair() for _ in range(3)]
    lines = [json.dumps({'jsonrpc': '2.0', 'id': i, 'method': 'port.add',
                         'params': {'netdev': f'stream,id=p{i},net=x{i},'
                                    'addr.type=fd,addr.str=0',
                                    'descriptors': [0]}}).encode() + b'\n'
             for i in range(3)]
    theirs = [b.fileno() for _, b in pairs]
    socket.send_fds(s.rpc.sock, [lines[0] + lines[1][:20]], theirs[:2])
    s.rpc.sock.sendall(lines[1][20:])
    socket.send_fds(s.rpc.sock, [lines[2]], theirs[2:])
    for _ in range(3):
        assert b'result' in s.rpc.raw(b'')
    for i, (a, b) in enumerate(pairs):
        b.close()
        s.call('port.del', id=f'p{i}')
        a.settimeout(3)
        assert a.recv(1) == b''
        a.close()


def test_half_requests_do_not_fill_the_daemon(up):
    s = up('null,id=n')
    s.call('version')
    before = fds(s)
    spare = os.open('/dev/null', os.O_RDONLY)
    crowd = [lab.Rpc(s.control) for _ in range(6)]
    for rpc in crowd:
        for _ in range(3):
            socket.send_fds(rpc.sock, [b'{"jsonrpc"'], [spare] * 50)
    s.call('version')
    # Those of a request are open for a moment before they are counted.
    lab.wait_until(lambda: 250 <= fds(s) - before - 6 <= 256, 3,
                   'their arrival')
    # One that comes meanwhile is told.
    assert 'was lost' in refused(
        s, {'netdev': 'stream,id=p,addr.type=fd,addr.str=7',
            'descriptors': [7]}, [spare])
    for rpc in crowd:
        rpc.close()
    os.close(spare)
    settled(s, before)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        added(s, f'stream,id=p,addr.type=fd,addr.str={theirs.fileno()}',
              theirs.fileno())


def test_a_socket_has_one_port(up):
    s = up('null,id=n')
    ours, theirs = socket.socketpair()
    stream = 'stream,id={},addr.type=fd,addr.str=7'
    with ours, theirs:
        first = request(s, {'netdev': stream.format('p'), 'descriptors': [7]},
                        [theirs.fileno()])
        assert 'result' in first
        assert 'another port has this socket' in refused(
            s, {'netdev': stream.format('q'), 'descriptors': [7]},
            [theirs.fileno()])
        s.call('port.del', id='p')
        assert 'result' in request(
            s, {'netdev': stream.format('q'), 'descriptors': [7]},
            [theirs.fileno()])


@pytest.mark.parametrize('family', [socket.AF_NETLINK, socket.AF_PACKET])
def test_sockets_of_other_kinds(up, family):
    """On a netlink socket frames would be requests to the kernel."""
    if family == socket.AF_PACKET and os.geteuid():
        pytest.skip('needs root')
    s = up('null,id=n')
    with socket.socket(family, socket.SOCK_DGRAM, 0) as sock:
        assert 'must be a UNIX, IPv4 or IPv6 socket' in refused(
            s, {'netdev': 'dgram,id=p,local.type=fd,local.str=7',
                'descriptors': [7]}, [sock.fileno()])


@pytest.mark.parametrize('method,params', [
    ('port.add', {'netdev': [1], 'descriptors': [5]}),
    ('port.ad', {'descriptors': [5]}),
    ('capture.start', {'port': 'n', 'snaplen': 'x'}),
    (7, {'descriptors': [5]})])
def test_a_failed_request_takes_its_own_along(up, method, params):
    """The next request of the line does not get what came with it."""
    s = up('vhost-user,id=vm', 'null,id=n')
    wrong, right = socket.socketpair(), socket.socketpair()
    batch = [{'jsonrpc': '2.0', 'id': 1, 'method': method, 'params': params},
             {'jsonrpc': '2.0', 'id': 2, 'method': 'port.add', 'params': {
                 'netdev': 'stream,id=p,addr.type=fd,addr.str=6',
                 'descriptors': [6]}}]
    socket.send_fds(s.rpc.sock, [json.dumps(batch).encode() + b'\n'],
                    [wrong[1].fileno(), right[1].fileno()])
    replies = json.loads(s.rpc.raw(b''))
    assert 'error' in replies[0] and 'result' in replies[1], replies
    wrong[1].close()
    wrong[0].settimeout(3)
    assert wrong[0].recv(1) == b''  # nobody has its other end
    frames_pass(s, right[0], socket.SOCK_STREAM)


@pytest.mark.parametrize('line', [b'no JSON', b'[]', b'7', b'{"jsonrpc": "2.0", '
                                  b'"id": 1, "method": "show", "params": [1]}'])
def test_what_came_with_no_request(up, line):
    """It is closed: the next request is told that it has none."""
    s = up('null,id=n')
    ours, theirs = socket.socketpair()
    ask = json.dumps({'jsonrpc': '2.0', 'id': 2, 'method': 'port.add', 'params': {
        'netdev': 'stream,id=p,addr.type=fd,addr.str=6',
        'descriptors': [6]}}).encode()
    socket.send_fds(s.rpc.sock, [line + b'\n' + ask + b'\n'],
                    [theirs.fileno()])
    assert b'error' in s.rpc.raw(b'')
    assert b'0 file descriptors of 1 came along' in s.rpc.raw(b'')
    theirs.close()
    ours.settimeout(3)
    assert ours.recv(1) == b''


@pytest.mark.root
def test_a_tap_with_packet_information(up):
    """Frames of such a tap have four bytes in front."""
    s = up('null,id=n')
    fd = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack('16sH22x', name('pi').encode(),
                                           IFF_TAP))
    done = port_add(s, f'tap,id=t,fd={fd}', [fd])
    os.close(fd)
    assert 'must be opened with IFF_TAP and IFF_NO_PI' in done.stderr


@pytest.mark.parametrize('server', ['on', 'off'])
def test_a_socket_that_is_no_such_server(up, server):
    s = up('null,id=n')
    a, b = socket.socketpair()
    with a, b, socket.create_server(('127.0.0.1', 0)) as listener:
        fd = (a if server == 'on' else listener).fileno()
        done = port_add(s, f'stream,id=s,addr.type=fd,addr.str={fd},server='
                        + server, [fd])
        assert f'server={server}: the socket' in done.stderr


def test_a_datagram_socket_and_its_addresses(up):
    s = up('null,id=n')
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with a, b, socket.socket(type=socket.SOCK_DGRAM) as udp:
        done = port_add(s, f'dgram,id=d,local.type=fd,local.str={a.fileno()},'
                        'remote.type=inet,remote.host=127.0.0.1,'
                        'remote.port=9', [a.fileno()])
        assert "remote.host: must be an address of the socket's kind, UNIX" \
            in done.stderr
        udp.bind(('127.0.0.1', 0))
        udp.connect(('127.0.0.1', 9))
        added(s, f'dgram,id=u,local.type=fd,local.str={udp.fileno()}',
              udp.fileno())
        state = s.call('port.show', id='u')['state']
        assert state['local'] == f'127.0.0.1:{udp.getsockname()[1]}'
        assert state['remote'] == '127.0.0.1:9'


def test_a_pair_whose_other_end_is_closed(up):
    s = up('vhost-user,id=vm')
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    added(s, f'dgram,id=d,local.type=fd,local.str={a.fileno()}', a.fileno())
    a.close()
    b.close()
    front = s.front('vm')
    for _ in range(3):
        front.send(ether(1, BROADCAST))
    lab.wait_until(lambda: s.stats('d')['tx'][0]['drops'] == {'tx-down': 3},
                   3, 'drops')


def test_large_numbers(up):
    """Shells and programs with many files may pass such ones."""
    a, b = socket.socketpair()
    with a, b:
        fd = fcntl.fcntl(a.fileno(), fcntl.F_DUPFD, 2000)
        try:
            s = up('vhost-user,id=vm',
                   f'stream,id=s,addr.type=fd,addr.str={fd}', pass_fds=[fd])
        finally:
            os.close(fd)
        assert s.link('s')


@pytest.mark.parametrize('kind', ['udp', 'connected', 'unix'])
def test_a_socket_that_hears_itself(up, folder, kind):
    """Each frame would come back, and go out again."""
    s = up('null,id=n')
    with socket.socket(socket.AF_UNIX if kind == 'unix' else socket.AF_INET,
                       socket.SOCK_DGRAM) as sock:
        sock.bind(f'{folder}/own' if kind == 'unix' else ('127.0.0.1', 0))
        remote = ''
        if kind == 'udp':
            remote = ',remote.type=inet,remote.host=127.0.0.1,remote.port=' \
                f'{sock.getsockname()[1]}'
        else:
            sock.connect(sock.getsockname())
        done = port_add(s, 'dgram,id=d,local.type=fd,local.str='
                        f'{sock.fileno()}{remote}', [sock.fileno()])
        assert 'must not be the address that the port itself' in done.stderr
