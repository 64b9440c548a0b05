# SPDX-License-Identifier: Apache-2.0
"""The vde port in Debian's vde_switch, and in switches that misbehave. Frames
are seen by a second plug of the vde_switch, or by the bad switch.
Networks that vde_plug reaches end in a UDP socket of the test.
test_socket_guests.py has QEMU's netdev vde as a peer."""
import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import time

import lab
import pytest
from conftest import BINARY
from frames import (BROADCAST, GSO_TCPV4, NEEDS_CSUM, checksums_are_good,
                    ether, header, partial, tcp)
from vufront import OFFLOADS

SUN = 110  # bytes of struct sockaddr_un
MAX = 1518  # the longest frame that vde_switch does not cut


class VdeSwitch:
    """A vde_switch, which runs until its standard input closes."""

    def __init__(self, folder, options=(), prefix=()):
        if not shutil.which('vde_switch'):
            pytest.skip('vde_switch is not installed')
        self.folder = folder
        self.process = subprocess.Popen(
            [*prefix, 'vde_switch', '-s', folder, *options],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        lab.wait_until(lambda: os.path.exists(f'{folder}/ctl'), 5,
                       'vde_switch')

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        lab.end_process(self.process)
        self.process.stdin.close()


class Plug:
    """A plug of the test in a vde_switch."""

    def __init__(self, folder):
        self.ctl = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.ctl.settimeout(5)
        self.ctl.connect(f'{folder}/ctl')
        self.data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = f'{folder}/plug'
        self.data.bind(path)
        os.chmod(path, 0o777)
        self.ctl.sendall(struct.pack('=III', 0xfeedface, 3, 0) + sun(path))
        self.data.connect(self.ctl.recv(SUN)[2:].split(b'\0')[0])
        os.unlink(path)
        self.data.settimeout(5)

    def recv(self, timeout=5):
        self.data.settimeout(timeout)
        try:
            return self.data.recv(1 << 17)
        except TimeoutError:
            return None

    def close(self):
        self.ctl.close()
        self.data.close()


def sun(path):
    return struct.pack('=H108s', socket.AF_UNIX, path.encode())


@pytest.fixture
def vde(folder):
    """Yields start(...), which returns a VdeSwitch, and ends them all."""
    with contextlib.ExitStack() as stack:
        def start(name='sw', **how):
            switch = VdeSwitch(f'{folder}/{name}', **how)
            stack.callback(switch.stop)
            return switch

        yield start


def state(s, port='v'):
    return s.call('port.show', id=port)['state']


def files(folder):
    """Returns the data sockets of plugs in the folder of a switch."""
    return glob.glob(f'{folder}/.*') + glob.glob(f'{folder}/plug')


def test_both_ways(up, vde):
    sw = vde()
    s = up('vhost-user,id=vm', f'vde,id=v,sock={sw.folder}')
    front, plug = s.front('vm'), Plug(sw.folder)
    assert state(s)['state'] == 'connected'
    assert files(sw.folder) == []
    for size in (60, 61, 1000, 1514, MAX):
        for i in range(10):
            frame = ether(2, BROADCAST if i % 2 else 1, size, fill=i)
            plug.data.send(frame)
            assert front.recv()[1] == frame
            frame = ether(1, BROADCAST if i % 2 else 2, size, fill=i + 1)
            front.send(frame)
            assert plug.recv() == frame
    for tag in (b'\x88\xa8\x00\x05', b'\x88\xa8\x00\x05\x81\x00\x00\x07'):
        frame = ether(1, 2, 1000)
        frame = frame[:12] + tag + frame[12:]
        front.send(frame)
        assert plug.recv() == frame
    burst = [ether(2, 1, 60 + i, fill=i) for i in range(200)]
    for i in range(0, 200, 50):  # the front-end has room for no more
        for frame in burst[i:i + 50]:
            plug.data.send(frame)
        assert [front.recv()[1] for _ in range(50)] == burst[i:i + 50]
    plug.close()
    s.call('port.del', id='v')
    assert files(sw.folder) == []


def test_too_big(up, vde):
    """vde_switch cuts what is longer than 1518 bytes. Such frames are counted
    and not sent; those around them pass."""
    sw = vde()
    s = up('vhost-user,id=vm', f'vde,id=v,sock={sw.folder}')
    front, plug = s.front('vm'), Plug(sw.folder)
    sizes = [60, MAX + 1, 1514, 9000, 70, 65000, MAX, MAX + 1]
    for i in range(5):
        for size in sizes:
            front.send(ether(1, BROADCAST, size, fill=i), wait=False)
        for size in sizes:
            if size <= MAX:
                assert plug.recv() == ether(1, BROADCAST, size, fill=i)
    qinq = ether(1, BROADCAST, 1514)
    qinq = qinq[:12] + b'\x88\xa8\x00\x05\x81\x00\x00\x07' + qinq[12:]
    front.send(qinq)
    assert plug.recv(0.1) is None
    stats = s.stats('v')
    assert stats['tx_drops'] == 21
    assert stats['tx'][0]['drops'] == {'tx-too-big': 21}
    plug.close()


def test_large_frame_of_a_guest(up, vde):
    sw = vde()
    s = up('vhost-user,id=vm', f'vde,id=v,sock={sw.folder}')
    front = s.front('vm', features=OFFLOADS)
    plug = Plug(sw.folder)
    frame, start, offset = partial(tcp(1, 2, bytes(range(256)) * 40))
    front.send(frame, header(NEEDS_CSUM, GSO_TCPV4, 54, 1460, start, offset))
    got = [plug.recv() for _ in range(8)]
    assert b''.join(f[54:] for f in got) == bytes(range(256)) * 40
    assert all(checksums_are_good(f) and len(f) <= 1514 for f in got)
    plug.close()


def test_switch_goes_and_comes_back(up, vde):
    sw = vde()
    s = up('vhost-user,id=vm', f'vde,id=v,sock={sw.folder}')
    front = s.front('vm')
    sw.stop()
    s.wait_link('v', False)
    assert state(s)['state'] == 'waiting to try again'
    assert 'the switch closed' in state(s)['last_disconnect']
    front.send(ether(1, BROADCAST))
    time.sleep(1.2)  # a try fails
    assert 'no vde_switch is there' in state(s)['last_disconnect']
    sw = vde()
    s.wait_link('v')
    assert state(s)['connections'] == 2
    plug = Plug(sw.folder)
    front.send(ether(1, BROADCAST, 77))
    assert plug.recv() == ether(1, BROADCAST, 77)
    plug.data.send(ether(2, 1))
    assert front.recv()[1] == ether(2, 1)
    plug.close()


def test_switch_that_stops(up, vde):
    """Senders wait for a stopped switch at most full-us; others go on, and the
    control thread too. Its queue keeps what it took."""
    sw = vde()
    s = up('vhost-user,id=a', 'vhost-user,id=b',
           f'vde,id=v,sock={sw.folder},full-us=1000')
    a, b = s.front('a'), s.front('b')
    plug = Plug(sw.folder)
    plug.data.send(ether(9, BROADCAST))
    assert a.recv()[1] == b.recv()[1] == ether(9, BROADCAST)
    b.send(ether(2, 1))
    assert a.recv()[1] == ether(2, 1)
    assert plug.recv() == ether(2, 1)  # a's address was unknown
    sw.process.send_signal(signal.SIGSTOP)
    for i in range(20000):
        a.send(ether(1, 9, 1000))
        if i % 1000 == 0:
            a.send(ether(1, 2, fill=i // 1000))
            assert b.recv()[1] == ether(1, 2, fill=i // 1000)
            if s.stats('v')['tx_drops']:
                break
    assert set(s.stats('v')['tx'][0]['drops']) == {'tx-full'}
    # a second port waits for the answer; nothing else does
    s.call('port.add', netdev=f'vde,id=w,sock={sw.folder}')
    assert state(s, 'w')['state'] == 'connecting'
    lab.wait_until(lambda: 'not answer' in
                   state(s, 'w').get('last_disconnect', ''), 5, 'timeout')
    assert files(sw.folder) == []
    s.call('port.del', id='w')
    sw.process.send_signal(signal.SIGCONT)
    assert plug.recv() == ether(1, 9, 1000)
    while plug.recv(0.2):
        pass
    a.send(ether(1, 9, 99))
    assert plug.recv() == ether(1, 9, 99)
    plug.close()


def test_port_numbers(up, vde):
    """The same user may plug in twice at one port; a number that the switch
    does not have is never answered."""
    sw = vde(options=('-n', '8'))
    s = up('vhost-user,id=vm', f'vde,id=v,sock={sw.folder},port=5')
    assert '/005.' in state(s)['peer']
    s.call('port.add', netdev=f'vde,id=w,sock={sw.folder},port=5')
    s.wait_link('w')
    s.call('port.add', netdev=f'vde,id=x,sock={sw.folder},port=99')
    lab.wait_until(lambda: 'port=99: the switch does not answer' in
                   state(s, 'x').get('last_disconnect', ''), 5, 'refusal')
    s.call('port.del', id='x')
    done = subprocess.run(
        [BINARY, 'up', '--control', f'{s.folder}/x.sock', '-netdev',
         f'vde,id=x,sock={sw.folder},port=99'], capture_output=True, text=True)
    assert done.returncode == 1
    assert 'netdev x: port=99: the switch does not answer' in done.stderr
    assert files(sw.folder) == []


def as_user(name):
    user = pwd.getpwnam(name)
    return ['setpriv', f'--reuid={user.pw_uid}', f'--regid={user.pw_gid}',
            '--clear-groups']


@pytest.mark.root
@pytest.mark.parametrize('mode', [None, '0', '0700', '0777'])
@pytest.mark.parametrize('switch_user,our_user', [
    ('nobody', 'root'), ('root', 'root'), ('nobody', 'nobody'),
    ('daemon', 'nobody'), ('root', 'nobody')])
def test_users(up, vde, folder, nobody, mode, switch_user, our_user):
    """The switch may reach our socket, whoever runs it, also with mode=0."""
    binary, prefix = nobody
    os.chmod(folder, 0o755)
    for sub in ('d', 'd/n'):
        os.makedirs(f'{folder}/{sub}')
        os.chmod(f'{folder}/{sub}', 0o777)
    how = {} if switch_user == 'root' else {'prefix': as_user(switch_user)}
    # others may plug in
    sw = vde(name='d/sw', options=('-m', '0777', '--dirmode', '0777'), **how)
    text = f'vde,id=v,sock={sw.folder}' + (f',mode={mode}' if mode else '')
    if our_user == 'root':
        s = up(text, 'null,id=n')
    else:
        s = up(text, 'null,id=n', sub='d/n', binary=binary, prefix=prefix)
    assert state(s)['state'] == 'connected'
    plug = Plug(sw.folder)
    plug.data.send(ether(1, BROADCAST))
    lab.wait_until(lambda: s.stats('v')['rx_frames'] == 1, 2, 'frame')
    plug.close()


@pytest.mark.root
def test_group(up, vde):
    """The file that the switch finds has our group and mode."""
    with fake(vde) as (folder, listener):
        s = up('null,id=n')
        for group, number in (('daemon', 1), ('23', 23)):
            s.call('port.add', netdev=f'vde,id=v,sock={folder},group={group},'
                   'mode=0640')
            ctl, request = take(listener)
            found = os.stat(request)
            assert (found.st_gid, found.st_mode & 0o777) == (number, 0o640)
            s.call('port.del', id='v')
            assert not os.path.exists(request)
            ctl.close()


@contextlib.contextmanager
def fake(vde):
    """Yields (folder, listener) of a switch that the test plays."""
    folder = f'{vde.__closure__[0].cell_contents}/fake'
    os.makedirs(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(f'{folder}/ctl')
        listener.listen(4)
        listener.settimeout(5)
        yield folder, listener


def take(listener):
    """Takes a plug; returns its connection and the path of its data socket."""
    ctl, _ = listener.accept()
    ctl.settimeout(5)
    request = ctl.recv(512)
    magic, version, kind = struct.unpack_from('=III', request)
    assert (magic, version, kind) == (0xfeedface, 3, 0)
    assert request[122:].startswith(b'ringway v user=')
    return ctl, request[14:122].split(b'\0')[0].decode()


def test_bad_switches(up, vde):
    with fake(vde) as (folder, listener):
        s = up('vhost-user,id=vm', 'null,id=n')
        front = s.front('vm')
        for answer, words in (
                (b'', 'refused'), (b'x', 'no vde_switch'),
                (b'\1\0', 'no vde_switch'), (b'\1\0\0', 'no vde_switch'),
                (b'\2\0' + b'x' * 108, 'no vde_switch'),
                (sun('/nowhere'), 'No such file'),
                (b'\1\0' + b'/' * 108, 'switch\'s socket'),
                (b'\1\0/' + b'x' * 300, 'switch\'s socket'),
                (sun(f'{folder}/ctl'), 'switch\'s socket')):
            s.call('port.add', netdev=f'vde,id=v,sock={folder}')
            ctl, path = take(listener)
            ctl.sendall(answer)
            if not answer:
                ctl.close()
            lab.wait_until(lambda: words in
                           state(s).get('last_disconnect', ''), 5, words)
            assert not os.path.exists(path)
            s.call('port.del', id='v')
            ctl.close()
        s.call('port.add', netdev=f'vde,id=v,sock={folder}')
        ctl, path = take(listener)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as data, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
            data.bind(f'{folder}/data')
            stranger.connect(path)
            stranger.send(ether(66, BROADCAST))
            data.connect(path)
            ctl.sendall(sun(f'{folder}/data'))
            s.wait_link('v')
            with pytest.raises(OSError):
                stranger.send(ether(66, BROADCAST))
            # bad frames are counted
            for frame in (b'', b'x', ether(2, BROADCAST)[:13]):
                data.send(frame)
            data.send(ether(2, BROADCAST))
            assert front.recv()[1] == ether(2, BROADCAST)
            assert s.stats('v')['rx'][0]['drops'] == {'rx-bad-frame': 3}
            ctl.sendall(b'hello')
            s.wait_link('v', False)
            assert 'something unknown' in state(s)['last_disconnect']
        ctl.close()


@pytest.fixture
def wire():
    """Yields (URL, UDP socket) of a network that vde_plug knows."""
    if not shutil.which('vde_plug'):
        pytest.skip('vde_plug is not installed')
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(('127.0.0.1', 0))
        sock.settimeout(5)
        port = lab.free_port(socket.SOCK_DGRAM)
        here = sock.getsockname()[1]
        sock.connect(('127.0.0.1', port))
        yield f'udp://127.0.0.1:{port}->127.0.0.1:{here}', sock


def test_url(up, wire):
    url, sock = wire
    s = up('vhost-user,id=vm', f'vde,id=v,sock={url}')
    front = s.front('vm')
    assert state(s)['state'] == 'connected'
    for size in (60, 1514, 2000, 9234):
        for i in range(5):
            frame = ether(2, BROADCAST if i % 2 else 1, size, fill=i)
            sock.send(frame)
            assert front.recv()[1] == frame
            frame = ether(1, BROADCAST if i % 2 else 2, size, fill=i + 1)
            front.send(frame)
            assert sock.recv(1 << 16) == frame
    front.send(ether(1, 2, 9235))
    front.send(ether(1, 2, 61))
    assert sock.recv(1 << 16) == ether(1, 2, 61)
    assert s.stats('v')['tx'][0]['drops'] == {'tx-too-big': 1}
    # vde_plug ends, and is started again
    pid = state(s)['peer_pid']
    os.kill(pid, signal.SIGKILL)
    s.wait_link('v', False)
    assert 'signal 9' in state(s)['last_disconnect']
    for i in range(20):
        front.send(ether(1, 2))
    s.wait_link('v')
    assert state(s)['peer_pid'] != pid
    assert 'rx-bad-frame' not in s.stats('v')['rx'][0]['drops']
    front.send(ether(1, 2, 77))
    while len(got := sock.recv(1 << 16)) != 77:
        assert got == ether(1, 2)
    # and ends with its port
    pid = state(s)['peer_pid']
    s.call('port.del', id='v')
    lab.wait_until(lambda: not os.path.exists(f'/proc/{pid}'), 2, 'end')


def test_bad_url(up, folder):
    if not shutil.which('vde_plug'):
        pytest.skip('vde_plug is not installed')
    with pytest.raises(lab.LabError, match='vde_plug ended with status 1'):
        up('vde,id=v,sock=nosuch://x')
    with open(f'{folder}/ringway.log') as f:
        assert 'vde_open nosuch://x' in f.read()
    env = dict(os.environ, PATH=folder)
    with pytest.raises(lab.LabError, match='needs the program vde_plug'):
        up('vde,id=v,sock=udp://1->127.0.0.1:2', env=env)


def test_url_of_a_vde_switch(up, vde):
    """Needs no vde_plug."""
    sw = vde()
    s = up(f'vde,id=v,sock=vde://{sw.folder}')
    assert state(s)['peer'].startswith(sw.folder)
    assert s.children() == []


def test_bad_lines(folder):
    def error(options):
        done = subprocess.run([BINARY, 'up', '--control', f'{folder}/c.sock',
                               '-netdev', f'vde,id=v,{options}'],
                              capture_output=True, text=True)
        assert done.returncode in (1, 2)
        assert done.stderr.count('\n') == 1, done.stderr
        return done.stderr

    for options, words in (
            (f'sock={folder}/no', [f'sock={folder}/no', 'no vde_switch']),
            (f'sock={folder}', ['no vde_switch', 'vde_switch -s']),
            (f'sock={folder}/' + 'x' * 120, ['sock=', 'too long']),
            ('sock=udp://1->[::1]:2,port=3', ['port', 'udp://']),
            (f'sock=vde://{folder}/no', [f'sock={folder}/no', 'no vde_switch']),
            (f'sock={__file__}', ['folder of a vde_switch']),
            (f'sock={folder},mode=8', ['mode=8', 'octal']),
            (f'sock={folder},mode=01777', ['mode=01777', '0777']),
            (f'sock={folder},mode=', ['mode']),
            (f'sock={folder},group=nosuchgroup', ['group=nosuchgroup']),
            (f'sock={folder},port=-1', ['port=-1']),
            (f'sock={folder},port=99999999', ['port=99999999', '8388607'])):
        text = error(options)
        for word in words:
            assert word in text, text
