# SPDX-License-Identifier: Apache-2.0
"""Front-ends that misbehave: the connection closes or the queue stops, the log
has one line, and the traffic of other ports goes on."""
import os
import select
import socket
import struct
import time

import pytest
import vufront as v
from frames import ether
from test_switch import ping


def u64(n):
    return struct.pack('<Q', n)


def state(idx, num):
    return struct.pack('<II', idx, num)


def addr(idx, desc=v.UVA, used=v.UVA, avail=v.UVA, flags=0):
    return struct.pack('<IIQQQQ', idx, flags, desc, used, avail, 0)


def table(*regions, count=None):
    return struct.pack('<II', len(regions) if count is None else count, 0) + \
        b''.join(struct.pack('<QQQQ', *r) for r in regions)


GOOD = (v.GPA, 1 << 16, v.UVA, 0)

# {name: the last message of a front-end that has negotiated features}, as
# (request, payload, number of descriptors[, keywords of send_msg()]).
MESSAGES = {
    'unknown request': (99, b'', 0),
    'request 0': (0, b'', 0),
    'huge request': (0xffffffff, b'', 0),
    'wrong version': (v.GET_FEATURES, b'', 0, {'flags': 2}),
    'reply flag': (v.GET_FEATURES, b'', 0, {'flags': v.VERSION | v.REPLY}),
    'payload without need': (v.GET_FEATURES, bytes(8), 0),
    'payload too short': (v.SET_FEATURES, bytes(4), 0),
    'payload too long': (v.SET_FEATURES, bytes(16), 0),
    'size of 4 GiB': (v.SET_FEATURES, bytes(8), 0, {'size': 0xffffffff}),
    'size over the limit': (v.SET_MEM_TABLE, bytes(64), 0, {'size': 5000}),
    'fd without need': (v.GET_FEATURES, b'', 1),
    'features not offered': (v.SET_FEATURES, u64(1 << 63), 0),
    'queue out of range': (v.SET_VRING_NUM, state(3, 64), 0),
    'queue far out of range': (v.SET_VRING_BASE, state(0xffffffff, 0), 0),
    'queue of kick': (v.SET_VRING_KICK, u64(200), 1),
    'kick without fd': (v.SET_VRING_KICK, u64(0), 0),
    'kick with fd and no-fd': (v.SET_VRING_KICK, u64(v.NOFD), 1),
    'kick with two fds': (v.SET_VRING_KICK, u64(0), 2),
    'kick of unknown bits': (v.SET_VRING_KICK, u64(1 << 40), 1),
    'queue size 0': (v.SET_VRING_NUM, state(0, 0), 0),
    'queue size 3': (v.SET_VRING_NUM, state(0, 3), 0),
    'queue size 65536': (v.SET_VRING_NUM, state(0, 65536), 0),
    'enable 2': (v.SET_VRING_ENABLE, state(0, 2), 0),
    'table of no known fd': (v.SET_MEM_TABLE, table(GOOD), 0),
    'table with too many fds': (v.SET_MEM_TABLE, table(GOOD), 3),
    'table of 9': (v.SET_MEM_TABLE, table(*[GOOD] * 9), 8),
    'table count beyond its size': (v.SET_MEM_TABLE, table(GOOD, count=8), 8),
    'region wraps': (v.SET_MEM_TABLE,
                     table(((1 << 64) - 4096, 1 << 16, v.UVA, 0)), 1),
    'region of no size': (v.SET_MEM_TABLE, table((v.GPA, 0, v.UVA, 0)), 1),
    'region offset wraps': (v.SET_MEM_TABLE, table(
        (v.GPA, 1 << 16, v.UVA, (1 << 64) - 4096)), 1),
    'region beyond its file': (v.SET_MEM_TABLE,
                               table((v.GPA, 1 << 40, v.UVA, 0)), 1),
    'overlapping regions': (v.SET_MEM_TABLE, table(GOOD, GOOD), 2),
    'migration log': (v.SET_LOG_BASE, struct.pack('<QQ', 4096, 0), 1),
    'inflight': (v.GET_INFLIGHT_FD, bytes(24), 0),
    'mem slots not negotiated': (v.ADD_MEM_REG, bytes(8) + struct.pack(
        '<QQQQ', *GOOD), 1),
}


@pytest.fixture
def bystanders(up):
    """Starts a switch with two ports that have traffic, and a port `bad`."""
    s = up('vhost-user,id=a', 'vhost-user,id=b', 'vhost-user,id=bad')
    return s, s.front('a'), s.front('b')


@pytest.fixture
def culprit(bystanders):
    """Returns culprit(...), which connects a front-end to the port `bad`."""
    s = bystanders[0]

    def connect(**options):
        front = v.Front(os.path.join(s.folder, 'bad.sock'), **options)
        if options.get('start', True):
            s.wait_link('bad')
        return front

    return connect


def refused(s, bad):
    """Asserts that the connection is closed and logged in exactly one line."""
    assert bad.is_closed(), 'the connection stays'
    lines = [line for line in s.log_text()[s.mark:].splitlines()
             if 'port=bad' in line and 'closed' in line]
    assert len(lines) == 1, lines


@pytest.mark.parametrize('name', MESSAGES)
def test_bad_message(bystanders, culprit, name):
    s, a, b = bystanders
    request, payload, fds, *more = MESSAGES[name]
    s.mark = len(s.log_text())
    bad = culprit(start=False)
    bad.send_msg(v.SET_OWNER)
    bad.send_msg(v.SET_FEATURES, u64(v.PLAIN | v.bits(v.F_PROTOCOL)))
    bad.sync()
    bad.send_msg(request, payload, [bad.memfd] * fds, **(more[0] if more
                                                         else {}))
    refused(s, bad)
    ping(a, b)
    ping(b, a, 2, 1)


RINGS = {
    'descriptors outside': addr(1, desc=0x1000),
    'used outside': addr(1, used=v.UVA + (1 << 40)),
    'avail at the very end': addr(1, avail=v.UVA + 2 * v.Ring.room(64) - 4),
    'wraps': addr(1, desc=(1 << 64) - 16),
    'not aligned': addr(1, desc=v.UVA + 3),
}


@pytest.mark.parametrize('name', RINGS)
def test_ring_outside_memory(bystanders, culprit, name):
    s, a, b = bystanders
    s.mark = len(s.log_text())
    bad = culprit(start=False)
    bad.negotiate(v.PLAIN)
    bad.reply_ack = False
    bad.set_memory()
    bad.send_msg(v.SET_VRING_NUM, state(1, 64))
    payload = RINGS[name]
    bad.send_msg(v.SET_VRING_ADDR, payload)
    bad.send_msg(v.SET_VRING_KICK, u64(1), [bad.rings[1].kick])
    refused(s, bad)
    ping(a, b)


# {fault of a driver: function that writes it into a transmit ring}
FAULTS = {
    'head out of range': lambda r: r.publish(r.size),
    'head far out of range': lambda r: r.publish(0xffff),
    'avail runs ahead': lambda r: (
        struct.pack_into('<H', r.front.mem, r.avail + 2, 5000), None),
    'next out of range': lambda r: (
        r.put_desc(0, v.GPA, 64, 1, r.size + 7), r.publish(0)),
    'loop': lambda r: (
        r.put_desc(0, v.GPA, 64, 1, 1), r.put_desc(1, v.GPA, 64, 1, 0),
        r.publish(0)),
    'buffer outside': lambda r: (
        r.put_desc(0, 0x1234, 100, 0), r.publish(0)),
    'buffer leaves the region': lambda r: (
        r.put_desc(0, v.GPA + r.front.mem_size - 10, 100, 0), r.publish(0)),
    'buffer wraps': lambda r: (
        r.put_desc(0, (1 << 64) - 50, 100, 0), r.publish(0)),
    'buffer of 4 GiB': lambda r: (
        r.put_desc(0, v.GPA, 0xffffffff, 0), r.publish(0)),
    'indirect without leave': lambda r: (
        r.put_desc(0, v.GPA, 32, 4), r.publish(0)),
}


@pytest.mark.parametrize('name', FAULTS)
def test_bad_ring_stops_that_queue(bystanders, culprit, name):
    s, a, b = bystanders
    bad = culprit()
    FAULTS[name](bad.rings[1])
    os.eventfd_write(bad.rings[1].kick, 1)
    assert select.select([bad.rings[1].err], [], [], 2)[0], 'no error event'
    bad.sync()                      # the connection stays
    # The other direction of the same port still works.
    frame = ether(1, 'ff:ff:ff:ff:ff:ff', 70)
    a.send(frame)
    assert b.recv()[1] == frame
    assert bad.recv()[1] == frame
    ping(a, b)


@pytest.mark.parametrize('how', ['no header', 'header only', 'short frame',
                                 'frame of 100 KB', 'bad offload'])
def test_bad_frames_are_counted_and_given_back(bystanders, culprit, how):
    s, a, b = bystanders
    bad = culprit()
    before = s.stats('bad')['rx_drops']
    if how == 'no header':
        bad.rings[1].add(5, False, b'12345')
        bad.rings[1].notify()
    elif how == 'header only':
        bad.send(b'')
    elif how == 'short frame':
        bad.send(b'1234567890123')
    elif how == 'frame of 100 KB':
        bad.send(ether(3, 1, 100000))
    else:
        # Asks for offloads that were not negotiated, and for a checksum beyond
        # the frame.
        bad.send(ether(3, 1, 100), struct.pack('<BBHHHHH', 1, 1, 54, 1448, 34,
                                               9999, 0))
    deadline = time.monotonic() + 2
    while bad.rings[1].chains:
        assert time.monotonic() < deadline, 'never given back'
        bad.reap(bad.rings[1])
    assert s.stats('bad')['rx_drops'] == before + 1
    bad.send(ether(3, 'ff:ff:ff:ff:ff:ff', 77))
    assert a.recv()[1] == b.recv()[1] == ether(3, 'ff:ff:ff:ff:ff:ff', 77)


def test_goes_away_at_every_step(bystanders, culprit):
    s, a, b = bystanders
    for step in range(12):
        bad = culprit(start=False)
        ring = bad.rings[1]
        steps = [
            lambda: bad.send_msg(v.SET_OWNER),
            lambda: bad.ask(v.GET_FEATURES),
            lambda: bad.negotiate(v.PLAIN),
            bad.set_memory,
            lambda: bad.tell(v.SET_VRING_NUM, state(1, 64)),
            lambda: bad.tell(v.SET_VRING_BASE, state(1, 0)),
            lambda: bad.start_ring(ring, kick=False, enable=False),
            lambda: bad.tell(v.SET_VRING_KICK, u64(1), [ring.kick]),
            lambda: bad.tell(v.SET_VRING_ENABLE, state(1, 1)),
            lambda: bad.start_ring(bad.rings[0]),
            lambda: bad.send(ether(3, 1)),
            lambda: bad.send_msg(v.GET_VRING_BASE, b'123', size=8),
        ]
        for f in steps[:step + 1]:
            f()
        bad.close()
        ping(a, b)
    s.wait_link('bad', False)
    fds = len(os.listdir(f'/proc/{s.pid}/fd'))
    for _ in range(30):
        bad = s.front('bad')
        bad.close()
        s.wait_link('bad', False)
    assert len(os.listdir(f'/proc/{s.pid}/fd')) <= fds, 'descriptors leak'
    assert not any('front' in os.readlink(f'/proc/{s.pid}/map_files/{m}')
                   for m in os.listdir(f'/proc/{s.pid}/map_files')) or \
        s.link('a')


def test_memory_file_shrinks(up):
    """A front-end cuts its memory file while the daemon has it mapped."""
    s = up('vhost-user,id=a', 'vhost-user,id=b', 'vhost-user,id=bad')
    a, b, bad = s.front('a'), s.front('b'), s.front('bad')
    ping(bad, a, 3, 1)
    os.ftruncate(bad.memfd, 0)
    os.eventfd_write(bad.rings[1].kick, 1)
    for n in range(20):
        a.send(ether(1, 'ff:ff:ff:ff:ff:ff', 100, n))
        frames = [b.recv() for _ in range(1)]
        assert frames[0]
    assert s.process.poll() is None
    bad.sock.close()


def test_garbage_on_the_socket(bystanders):
    s, a, b = bystanders
    for n in range(20):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as x:
            x.settimeout(2)
            x.connect(os.path.join(s.folder, 'bad.sock'))
            try:
                x.sendall(os.urandom(100 + n))
            except OSError:
                pass
    ping(a, b)
