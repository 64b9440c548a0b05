# SPDX-License-Identifier: Apache-2.0
"""The vhost-user-front port: the driver side of another switch (two daemons in
a row) and of DPDK's vhost; back-ends that end, say nothing or are none."""
import hashlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time

import lab
import pytest
import vuback
import vufront as v
from conftest import BINARY
from frames import (BROADCAST, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4,
                    NEEDS_CSUM, ether, header, parse_header, partial, tcp, udp)
from test_offload import RECV_TCP, SEND_TCP
from test_switch import ping
from test_tap import name, namespaces  # noqa: F401
from test_watch import Watcher

USO = v.OFFLOADS | v.bits(54, 55, 56)
SIZES = (60, 61, 64, 127, 500, 1514, 1518, 2048, 2239, 2240, 2241, 4470, 4480,
         9000, 9014)
RINGS = ('off', 'on')


class Row:
    """Two daemons in a row: front-end a, switch left, switch right, front-end
    b."""

    def __init__(self, up, packed='off', queues=1, options='', front=(),
                 ends=''):
        self.up, self.queues, self.ends = up, queues, ends
        self.right = self.new_right()
        self.path = f'{self.right.folder}/link.sock'
        self.left = up(f'vhost-user,id=a,queues={queues}{ends}',
                       f'vhost-user-front,id=link,path={self.path},'
                       f'queues={queues},packed={packed}{options}', *front,
                       sub='left')
        self.left.wait_link('link')

    def new_right(self):
        return self.up(f'vhost-user,id=link,queues={self.queues}',
                       f'vhost-user,id=b,queues={self.queues}{self.ends}',
                       sub='right')

    def fronts(self, **options):
        return (self.left.front('a', **options),
                self.right.front('b', **options))

    def show(self):
        return self.left.call('port.show', id='link')['state']

    def check_drops(self):
        for s, port in ((self.left, 'a'), (self.right, 'b')):
            for stats in (s.stats('link'), s.stats(port)):
                assert not stats['rx_drops'] and not stats['tx_drops'], stats


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
    row.check_drops()


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
    row.check_drops()


@pytest.mark.parametrize('packed, queues', [('off', 1), ('on', 1), ('off', 4)])
def test_dpdk_sends_back(up, testpmd, folder, packed, queues):
    """DPDK's vhost library as the back-end: it returns what it gets, also after
    a crash."""
    path = f'{folder}/dpdk.sock'
    t = testpmd([path], None, queues=queues)
    s = up('vhost-user,id=a', f'vhost-user-front,id=link,path={path},'
           f'reconnect-ms=50,packed={packed},queues={queues}')
    s.foreign = [path]
    s.wait_link('link')
    a = s.front('a', features=USO)
    for is_last in (True,) if queues == 1 else (False, True):
        t.command('start')
        for size in SIZES[:6]:
            frame = ether(1, 2, size)
            a.send(frame)
            got = a.recv()
            assert got and got[1] == frame[6:12] + frame[:6] + frame[12:]
        # A flow for each queue.
        for n in range(32 if queues > 1 else 0):
            frame = bytes(udp(1, 2, b'x' * (20 + n)))
            frame = frame[:34] + struct.pack('!H', 5000 + n) + frame[36:]
            a.send(frame)
            assert a.recv()[1][12:] == frame[12:]
        assert all(q['frames'] for q in s.stats('link')['tx'])
        if not is_last:
            t.kill()
            os.unlink(path)  # DPDK does not listen on a stale socket
            s.wait_link('link', False)
            t = testpmd([path], None, queues=queues)
            s.wait_link('link')


@pytest.mark.parametrize('packed', RINGS)
def test_load_on_four_queues(up, testpmd, packed):
    """Frames that DPDK sends in circles through both switches."""
    row = Row(up, packed, queues=4, ends=',full-us=1000000')
    t = testpmd([f'{row.left.folder}/a.sock', f'{row.right.folder}/b.sock'],
                'mergeable', queues=4)
    t.start()
    lab.wait_until(lambda: min(t.received()) > 3000, 10, 'frames in circles',
                   every=0.1)
    assert t.errors() == 0


@pytest.mark.parametrize('packed', RINGS)
def test_flows_spread_over_queues(up, packed):
    row = Row(up, packed, queues=4)
    a, b = row.fronts(pairs=4)
    for src, dst, s, d in ((a, b, 1, 2), (b, a, 2, 1)):
        for n in range(100):
            # A flow each; it arrives on some queue.
            frame = bytes(udp(s, d, b'x' * (20 + n)))
            frame = frame[:34] + struct.pack('!H', 5000 + n) + frame[36:]
            src.send(frame, queue=n & 3)
            end = time.monotonic() + 2
            got = None
            while not got and time.monotonic() < end:
                for q in range(4):
                    got = got or dst.recv(0, queue=q)
            assert got and got[1] == frame
    for s in (row.left, row.right):
        stats = s.stats('link')
        assert all(q['frames'] for q in stats['rx'] + stats['tx']), stats
    row.check_drops()


def send_tcp(namespaces, one, two, path):  # noqa: F811
    """Sends the file from one namespace to the other; returns what came."""
    def run(n, script, *args, **how):
        return subprocess.Popen(['ip', 'netns', 'exec', name(f'f{n}'),
                                 sys.executable, '-c', script, *args], **how)

    receiver, sender = run(two, RECV_TCP, stdout=subprocess.PIPE), None
    try:
        lab.wait_until(lambda: ':7000' in namespaces.run(
            name(f'f{two}'), 'ss', '-ltn'), 5, 'listener')
        with open(path, 'rb') as f:
            sender = run(one, SEND_TCP, f'10.1.0.{two}', stdin=f)
        got = receiver.communicate(timeout=20)[0]
        assert sender.wait(10) == 0
        return got
    finally:
        lab.end_process(receiver)
        if sender:
            lab.end_process(sender)


@pytest.mark.root
@pytest.mark.skipif(not os.path.exists('/dev/net/tun'),
                    reason='there is no /dev/net/tun')
@pytest.mark.parametrize('packed, queues', [('off', 1), ('on', 2)])
def test_tcp_between_kernels(up, namespaces, packed, queues):  # noqa: F811
    """TCP between the kernels behind both switches, each with a tap: large
    frames without checksums, in both directions."""
    row = Row(up, packed, queues)
    for n, s in enumerate((row.left, row.right), 1):
        tap, ns = name(f'f{n}'), namespaces.new(f'f{n}')
        s.call('port.add', netdev=f'tap,id=t,ifname={tap},queues={queues}')
        namespaces.take(ns, tap, f'10.1.0.{n}/24')
    data = os.urandom(1 << 20) * 24
    with open(f'{row.left.folder}/data', 'wb') as f:
        f.write(data)
    for one, two in ((1, 2), (2, 1)):
        got = send_tcp(namespaces, one, two, f.name)
        assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
    for s in (row.left, row.right):
        stats = s.stats('link')
        assert stats['tx_bytes'] / stats['tx_frames'] > 3000
        # The kernels speak before both taps have a link.
        assert not {d for q in stats['rx'] for d in q['drops']} - \
            {'rx-no-receiver'}, stats


def check_pair(row):
    row.left.wait_link('link')
    a, b = row.fronts()
    ping(a, b)
    ping(b, a)
    a.close()
    b.close()


def kill(s):
    """Kills the daemon, as a crash does."""
    s.process.send_signal(signal.SIGKILL)
    s.process.wait()
    s.process.returncode = 0  # the end was intended
    os.unlink(s.control)


@pytest.mark.parametrize('packed', RINGS)
def test_back_end_killed_and_back(up, packed):
    row = Row(up, packed, options=',reconnect-ms=50',
              front=('vhost-user,id=other',))
    a, other = row.left.front('a'), row.left.front('other')
    ping(a, other)
    for n in (2, 3):
        kill(row.right)
        row.left.wait_link('link', False)
        ping(a, other)
        assert 'disconnected: the back-end closed' in row.left.log_text()
        row.right = row.new_right()
        row.left.wait_link('link')
        b = row.right.front('b')
        ping(a, b, 1, 3)
        other.recv_all()
        b.close()
        assert row.show()['connections'] == n
    assert 'Sanitizer' not in row.left.log_text()


def test_port_of_the_other_side_removed(up):
    row = Row(up, options=',reconnect-ms=50')
    row.right.call('port.del', id='link')
    row.left.wait_link('link', False)
    assert row.show()['state'] == 'waiting to try again'
    row.right.command('port', 'add', f'vhost-user,id=link,path={row.path}')
    row.left.wait_link('link')
    check_pair(row)
    # and of this side: the other one waits for the next front-end
    row.left.call('port.del', id='link')
    row.right.wait_link('link', False)
    row.left.command('port', 'add',
                     f'vhost-user-front,id=link,path={row.path}')
    check_pair(row)


def test_without_reconnect_it_stays_down(up):
    row = Row(up)
    row.right.call('port.del', id='link')
    row.left.wait_link('link', False)
    time.sleep(0.2)
    assert row.show()['state'] == 'down'


@pytest.fixture
def listener(folder):
    """Returns a socket that listens and takes nobody."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(f'{folder}/silent.sock')
        sock.listen(8)
        sock.settimeout(5)
        yield sock
    os.unlink(f'{folder}/silent.sock')


def test_silent_back_end(up, folder, listener):
    """A back-end that never answers has a time limit; others go on."""
    s = up('vhost-user,id=a', 'vhost-user,id=b',
           f'vhost-user-front,id=link,path={folder}/silent.sock,'
           'reconnect-ms=50')
    assert state(s)['state'] == 'negotiating'
    ping(s.front('a'), s.front('b'))
    silent, _ = listener.accept()
    # Accepted, and still no answer.
    lab.wait_until(lambda: 'no answer' in state(s).get('last_disconnect', ''),
                   5, 'the time limit')
    silent.close()
    # It comes again.
    again, _ = listener.accept()
    again.close()


def test_back_end_with_a_client(up):
    """A switch serves one front-end of a socket; the next one gets its turn
    when that is gone."""
    row = Row(up)
    third = up(f'vhost-user-front,id=link,path={row.path},reconnect-ms=50',
               'vhost-user,id=c', sub='third')
    time.sleep(0.2)
    assert not third.link('link')
    check_pair(row)
    row.left.call('port.del', id='link')
    third.wait_link('link', timeout=10)
    ping(third.front('c'), row.right.front('b'))


def test_back_ends_that_connect(up, folder):
    """server=on: one back-end at a time, the next one gets its turn; a peer
    that is none costs nothing."""
    path = f'{folder}/link.sock'
    left = up('vhost-user,id=a', 'vhost-user-front,id=link,server=on,'
              f'path={path}', sub='left')
    assert state(left)['state'] == 'waiting for a back-end'
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(path)
    lab.wait_until(lambda: 'GET_FEATURES' in state(left).get(
        'last_disconnect', ''), 5, 'the end of a connection')
    a = left.front('a')
    switches = [up('vhost-user,id=b', 'vhost-user,id=link,server=off,'
                   f'path={path}', sub=f'right{i}') for i in range(2)]
    for n, s in enumerate(switches, 1):
        left.wait_link('link')
        assert state(left)['connections'] == n
        assert s.link('link')
        b = s.front('b')
        ping(a, b)
        if n == 1:
            assert not switches[1].link('link')
        b.close()
        s.call('port.del', id='link')
        left.wait_link('link', False)
    left.call('port.del', id='link')
    assert not os.path.exists(path)
    done = left.command('port', 'add', 'vhost-user-front,id=x,server=on,'
                        f'path={path},reconnect=1', check=False)
    assert done.returncode and 'reconnect: cannot stand together with ' \
        'server=on' in done.stderr


def test_dpdk_connects(up, testpmd, folder):
    """DPDK's vhost library as the client of its socket (client=1), also after a
    crash."""
    path = f'{folder}/link.sock'
    s = up('vhost-user,id=a', f'vhost-user-front,id=link,path={path},'
           'server=on')
    a = s.front('a', features=USO)
    for n in range(2):
        t = testpmd([path], None, connects=True)
        s.wait_link('link')
        t.command('start')
        frame = ether(1, 2, 600)
        a.send(frame)
        got = a.recv()
        assert got and got[1] == frame[6:12] + frame[:6] + frame[12:]
        if n == 0:
            t.kill()
            s.wait_link('link', False)


def test_wrong_paths(up, folder):
    """An error names what is wrong; with reconnect= the port waits."""
    s = up('vhost-user,id=a')
    open(f'{folder}/plain', 'w').close()
    dgram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dgram.bind(f'{folder}/dgram')
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(f'{folder}/stale')
    for path, why in (('nothing', 'No such file'), ('plain', 'no socket'),
                      ('stale', 'nobody listens'),
                      ('dgram', 'for datagrams'), ('a/b', 'No such file'),
                      ('x' * 200, 'at most')):
        line = f'vhost-user-front,id=x,path={folder}/{path}'
        done = s.command('port', 'add', line, check=False)
        assert done.returncode and why in done.stderr, done.stderr
        assert [p['id'] for p in s.call('port.list')['ports']] == ['a']
    dgram.close()
    s.command('port', 'add', f'vhost-user-front,id=x,path={folder}/nothing,'
              'reconnect=1')
    shown = s.call('port.show', id='x')['state']
    assert shown['state'] == 'waiting to try again'
    assert 'No such file' in shown['last_disconnect']
    for wrong, why in (('queues=0', 'queues'), ('queues=129', 'queues'),
                       ('reconnect=1,reconnect-ms=1', 'reconnect-ms')):
        done = s.command('port', 'add', 'vhost-user-front,id=y,path=/x,' +
                         wrong, check=False)
        assert done.returncode and why in done.stderr, done.stderr


def state(s, port='link'):
    return s.call('port.show', id=port)['state']


@pytest.fixture
def back(folder):
    """Returns start(**options), which makes a back-end in Python."""
    started = []

    def start(**options):
        started.append(vuback.Back(f'{folder}/back.sock', **options))
        return started[-1]

    yield start
    for b in started:
        b.stop()


def link_to(b, options=''):
    return f'vhost-user-front,id=link,path={b.path}{options}'


def test_python_back_end(up, back):
    """It takes a frame and gives one; the file behind the memory cannot be
    made shorter."""
    b = back()
    s = up('vhost-user,id=a', link_to(b))
    s.foreign = [b.path]
    a = s.front('a')
    assert not b.could_shrink
    frame = ether(2, BROADCAST, 100)
    b.use(0, [b.put(0, 0, frame)], 1)
    assert a.recv()[1] == frame
    # two buffers, of which the second comes later
    b.use(0, [(0, 112), b.put(0, 1, frame, 2)], 2)
    assert not a.recv(0.1)
    at = b.buffer(0, 2)
    b.mem[at:at + 50] = b'x' * 50
    b.use(0, [(0, 112), (1, 112), (2, 50)], 3)
    assert a.recv()[1] == frame + b'x' * 50
    a.send(ether(1, 2, 77))
    at = b.buffer(1, 0)
    assert b.mem[at:at + 89] == bytes(12) + ether(1, 2, 77)


def test_queues_are_announced(up, back):
    """All queues are known before one starts: Open vSwitch counts them
    then."""
    b = back(pairs=2)
    s = up('vhost-user,id=a', link_to(b, ',queues=2'))
    s.foreign = [b.path]
    s.wait_link('link')
    first = b.seen[:b.seen.index(v.SET_VRING_NUM)]
    assert first.count(v.SET_VRING_CALL) == 4


@pytest.mark.parametrize('what, queue, entries, idx, why', [
    ('an id out of range', 0, [(512, 100)], 1, 'used id not outstanding'),
    ('a huge id', 0, [(0xffffffff, 100)], 1, 'used id not outstanding'),
    ('an id twice', 0, [(0, 100), (0, 100)], 2, 'used id not outstanding'),
    ('an id that was not given', 1, [(3, 0)], 1, 'used id not outstanding'),
    ('a long jump', 0, [(0, 100)], 40000, 'used index out of range'),
    ('a length that is too large', 0, [(0, 4096)], 1, 'a length of'),
    ('no length', 0, [(0, 0)], 1, 'a length of 0 bytes'),
    ('less than a header', 0, [(0, 11)], 1, 'a length of 11 bytes'),
    ('a frame without buffers', 0, [(0, 100)], 1, 'cannot have 0 buffers')])
def test_hostile_back_end(up, back, what, queue, entries, idx, why):
    """A wrong answer ends the connection with a reason and an event; the next
    connection is good again, and others go on."""
    b = back()
    s = up('vhost-user,id=a', 'vhost-user,id=b', link_to(b, ',reconnect-ms=50'))
    s.foreign = [b.path]
    s.wait_link('link')
    watcher = Watcher(s, 'fault')
    fronts = s.front('a'), s.front('b')
    ping(*fronts)
    fronts[0].send(ether(1, 99))  # our transmit queue is looked at
    if 'buffers' not in why:
        b.put(0, 0, ether(7, 99, 88))
    b.use(queue, entries, idx)
    lab.wait_until(lambda: fronts[0].send(ether(1, 99)) or
                   state(s).get('last_disconnect'), 2, what)
    assert why in state(s)['last_disconnect']
    event = watcher.next()
    assert event['port'] == 'link' and event['queue'] == queue
    assert why in event['text']
    watcher.close()
    lab.wait_until(lambda: b.sessions == 2, 3, 'the next connection')
    s.wait_link('link')
    fronts[1].recv_all(0.05)
    ping(*fronts)


@pytest.mark.parametrize('lacks, agreed', [
    (v.F_CSUM, [v.F_GUEST_TSO4, v.F_GUEST_ECN]),
    (v.F_GUEST_CSUM, [v.F_HOST_TSO4, v.F_HOST_ECN])])
def test_features_that_need_others(up, back, lacks, agreed):
    """Without the checksums of a direction nothing else of it is agreed."""
    every = [v.F_HOST_TSO4, v.F_HOST_ECN, v.F_GUEST_TSO4, v.F_GUEST_ECN]
    b = back(features=(vuback.GOOD | v.bits(*every)) & ~v.bits(lacks))
    s = up('vhost-user,id=a', link_to(b))
    s.foreign = [b.path]
    s.wait_link('link')
    assert b.agreed & v.bits(*every) == v.bits(*agreed)


def test_kick_that_blocks(up, back):
    """A back-end that makes our write to its descriptor sleep is cut off."""
    b = back()
    s = up('vhost-user,id=a', 'vhost-user,id=b', link_to(b))
    s.foreign = [b.path]
    s.wait_link('link')
    a = s.front('a')
    b.block_kick(1)
    lab.wait_until(lambda: a.send(ether(1, 99)) or
                   state(s)['state'] == 'down', 3, 'the end')
    assert 'kick descriptor' in state(s)['last_disconnect']
    ping(a, s.front('b'))


@pytest.mark.parametrize('options, of_back, why', [
    ('', {'features': vuback.GOOD & ~v.bits(v.F_VERSION_1)}, 'lacks VERSION_1'),
    ('', {'features': vuback.GOOD & ~v.bits(v.F_MRG_RXBUF)}, 'lacks MRG_RXBUF'),
    (',packed=on', {}, 'no packed rings'),
    (',queues=2', {}, '2 queue pairs are needed, the back-end has 1'),
    ('', {'refuses': v.SET_MEM_TABLE}, 'refused'),
    ('', {'refuses': v.SET_VRING_KICK}, 'refused'),
    ('', {'close_at': v.GET_FEATURES}, 'closed the connection'),
    ('', {'close_at': v.SET_VRING_ADDR}, 'closed the connection')])
def test_unfit_back_end(up, back, options, of_back, why):
    """`ringway up` ends with the reason; a live port shows it and goes on
    trying."""
    b = back(**of_back)
    done = subprocess.run(
        [BINARY, 'up', '--control', f'{b.path}.ctl', '-netdev',
         link_to(b, options)], capture_output=True, text=True, timeout=5)
    assert done.returncode and why in done.stderr, done.stderr
    s = up('vhost-user,id=a', link_to(b, options + ',reconnect-ms=50'))
    s.foreign = [b.path]
    lab.wait_until(lambda: why in state(s).get('last_disconnect', ''), 3, why)
    lab.wait_until(lambda: b.sessions >= 3, 3, 'the next try')


def test_old_back_end(up, back):
    """No protocol features: one queue pair, which needs no enabling."""
    b = back(features=vuback.GOOD & ~v.bits(v.F_PROTOCOL))
    s = up('vhost-user,id=a', link_to(b))
    s.foreign = [b.path]
    s.wait_link('link')
    assert v.SET_VRING_ENABLE not in b.seen
    frame = ether(2, BROADCAST, 100)
    a = s.front('a')
    b.use(0, [b.put(0, 0, frame)], 1)
    assert a.recv()[1] == frame


@pytest.mark.measures
def test_idle_costs_nothing(up):
    row = Row(up)
    a, b = row.fronts()
    ping(a, b)
    time.sleep(0.3)
    before = row.left.wakeups()
    time.sleep(1)
    assert row.left.wakeups() - before < 20
    ping(b, a)


@pytest.mark.parametrize('packed', RINGS)
def test_full_receiver_holds_frames(up, packed):
    """Frames from the back-end wait in the ring for a receiver that has no
    buffers, and come in order."""
    row = Row(up, packed, ends=',full-us=1000000')
    b = row.right.front('b', size=256)
    a = row.left.front('a', size=16)
    ping(a, b)
    for n in range(80):
        b.send(ether(2, 1, 60 + n * 20, n))
    got = []
    while len(got) < 80 and (frame := a.recv()):
        got.append(frame[1])
    assert got == [ether(2, 1, 60 + n * 20, n) for n in range(80)]
    assert row.left.stats('link')['rx'][0]['waits']
    row.check_drops()
