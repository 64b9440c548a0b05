# SPDX-License-Identifier: Apache-2.0
"""filter-buffer: frames go on at the end of an interval, in order, in the
directions asked for; the memory is bounded; filters behind it get them."""
import time

import lab
import pytest
from frames import (BROADCAST, GSO_TCPV4, NEEDS_CSUM, checksums_are_good,
                    ether, header, partial, tcp)

from test_filter_dump import dump, numbers, read, wait_frames
from vufront import OFFLOADS

pytestmark = pytest.mark.alone


def start(up, *objects, **options):
    extra = []
    for o in objects:
        extra += ['-object', o]
    s = up('vhost-user,id=a', 'vhost-user,id=b', extra=extra)
    return s, s.front('a', size=256, **options), \
        s.front('b', size=256, **options)


def buffer(interval_ms, more='', name='f', port='a'):
    return f'filter-buffer,id={name},netdev={port},' \
        f'interval={int(interval_ms * 1000)}{more}'


def arrivals(front, n):
    """Returns the frames and the times at which they came."""
    frames = []
    for _ in range(n):
        frames.append((front.recv(3)[1], time.monotonic()))
    return frames


def test_all_at_the_end_of_an_interval(up):
    s, a, b = start(up, buffer(200))
    sent = [ether(1, BROADCAST, 60 + i, fill=i) for i in range(40)]
    got = []
    for f in sent:
        a.send(f)
        while frame := b.recv(0.01):
            got.append((frame[1], time.monotonic()))
    got += arrivals(b, 40 - len(got))
    assert [g[0] for g in got] == sent
    # 400 ms of frames came in two or three groups, 200 ms apart.
    groups = [[got[0][1]]]
    for _, t in got[1:]:
        if t - groups[-1][-1] > 0.1:
            groups.append([])
        groups[-1].append(t)
    assert 2 <= len(groups) <= 4
    for before, after in zip(groups, groups[1:]):
        assert 0.15 < after[0] - before[0] < 0.4
    assert numbers(s, 'f')['frames'] == 40
    # counted after the last frame is out
    lab.wait_until(lambda: not numbers(s, 'f')['held'], 2, 'an empty buffer')


@pytest.mark.parametrize('queue', ['rx', 'tx'])
def test_one_direction(up, queue):
    s, a, b = start(up, buffer(300, f',queue={queue}'))
    # The switch learns b while a's frames to it pass.
    slow, fast = ((a, b), (b, a)) if queue == 'rx' else ((b, a), (a, b))
    fast[0].send(ether(1, BROADCAST))
    assert fast[1].recv(0.2)
    began = time.monotonic()
    for i in range(10):
        slow[0].send(ether(2, BROADCAST, 60 + i))
    assert slow[1].recv(0) is None
    assert [len(g[0]) for g in arrivals(slow[1], 10)] == \
        list(range(60, 70))
    assert time.monotonic() - began < 0.6


def test_an_interval_of_microseconds(up):
    s, a, b = start(up, buffer(0.05))
    for i in range(200):
        a.send(ether(1, BROADCAST, 60 + i))
        b.send(ether(2, BROADCAST, 60 + i))
        assert len(b.recv()[1]) == 60 + i
        assert len(a.recv()[1]) == 60 + i


def test_filters_around_it(up, folder):
    """Incoming frames pass from tail to head, outgoing ones from head to
    tail."""
    s, a, b = start(up, dump(folder, 'head', 'a'), buffer(60000),
                    dump(folder, 'tail', 'a'))
    a.send(ether(1, BROADCAST, 100))
    b.send(ether(2, BROADCAST, 200))
    wait_frames(s, 'tail', 1)
    wait_frames(s, 'head', 1)
    lab.wait_until(lambda: numbers(s, 'f')['held'] == 2, 2, 'held frames')
    assert [f[1] for f in read(f'{folder}/tail.pcap')] == [100]
    assert [f[1] for f in read(f'{folder}/head.pcap')] == [200]
    s.command('filter', 'set', 'f', 'status=off')
    assert len(a.recv()[1]) == 200
    assert len(b.recv()[1]) == 100
    wait_frames(s, 'tail', 2)
    wait_frames(s, 'head', 2)
    assert [f[1] for f in read(f'{folder}/tail.pcap')] == [100, 200]
    assert [f[1] for f in read(f'{folder}/head.pcap')] == [200, 100]
    # the port's own counters have each frame once
    assert s.stats('a')['rx'][0]['frames'] == 1
    assert s.stats('a')['tx'][0]['frames'] == 1


@pytest.mark.parametrize('how', ['set', 'del', 'port del'])
def test_held_frames_go_on(up, how):
    s, a, b = start(up, buffer(60000))
    for i in range(100):
        a.send(ether(1, BROADCAST, 60 + i))
    lab.wait_until(lambda: numbers(s, 'f')['held'] == 100, 2, 'held frames')
    assert b.recv(0) is None
    args = {'set': ['filter', 'set', 'f', 'status=off'],
            'del': ['filter', 'del', 'f'], 'port del': ['port', 'del', 'a']}
    s.command(*args[how])
    got = [len(g[0]) for g in arrivals(b, 100)]
    assert got == list(range(60, 160))
    if how != 'port del':
        a.send(ether(1, BROADCAST, 400))
        while (frame := b.recv(1)) and len(frame[1]) != 400:
            pass
        assert frame
    if how == 'set':
        s.command('filter', 'set', 'f', 'status=on')
        a.send(ether(1, BROADCAST, 500))
        assert b.recv(0.1) is None


def test_two_buffers(up):
    s, a, b = start(up, buffer(100), buffer(100, name='g'),
                    buffer(100, name='h', port='b'))
    for i in range(20):
        a.send(ether(1, BROADCAST, 60 + i))
    assert [len(g[0]) for g in arrivals(b, 20)] == list(range(60, 80))
    for name in 'fgh':
        assert numbers(s, name)['frames'] == 20


def test_the_memory_is_bounded(up):
    s, a, b = start(up, buffer(60000))
    for _ in range(600):
        a.send(ether(1, BROADCAST, 60000))
    lab.wait_until(lambda: numbers(s, 'f')['dropped'] > 0, 2, 'drops')
    n = numbers(s, 'f')
    assert n['held'] + n['dropped'] == 600 and n['held'] > 200
    assert n['held'] * 60000 <= 16 << 20
    s.command('filter', 'del', 'f')
    a.send(ether(1, BROADCAST, 100))
    lab.wait_until(lambda: len(b.recv(1)[1]) == 100, 2, 'the port works')


def test_offloads(up):
    """Large frames and missing checksums wait as they are."""
    s = up('vhost-user,id=a', 'vhost-user,id=b', 'vhost-user,id=c',
           extra=['-object', buffer(1)])
    a = s.front('a', size=256, features=OFFLOADS)
    b = s.front('b', size=256, features=OFFLOADS)
    c = s.front('c', size=256)
    frame, at, offset = partial(tcp(1, 255, b'x' * 30000))
    frame = b'\xff' * 6 + frame[6:]
    hdr = header(NEEDS_CSUM, GSO_TCPV4, at + 20, 1000, at, offset)
    for _ in range(3):
        a.send(frame, hdr)
        got = b.recv()
        assert got[1] == frame
        assert got[0][:2] == hdr[:2] and got[0][4:10] == hdr[4:10]
        for _ in range(30):
            assert checksums_are_good(c.recv()[1])


def test_an_idle_buffer_wakes_nobody(up):
    s, a, b = start(up, buffer(0.1))
    a.send(ether(1, BROADCAST))
    assert b.recv()
    time.sleep(0.1)
    before = s.wakeups()
    time.sleep(0.5)
    assert s.wakeups() - before < 20


def test_bad_interval(up):
    s, a, b = start(up)
    for text, wrong in (('', 'interval=MICROSECONDS is missing'),
                        (',interval=0', 'interval=0: must be'),
                        (',interval=1ms', 'interval=1ms: must be')):
        done = s.command('filter', 'add', 'filter-buffer,id=x,netdev=a' + text,
                         check=False)
        assert wrong in done.stderr and len(done.stderr.splitlines()) == 1
