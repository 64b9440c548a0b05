# SPDX-License-Identifier: Apache-2.0
"""Sessions on a vhost-user socket, and what the port shows of them: front-ends
that connect again and again, wait, or have private memory; sockets that are
deleted or replaced; and a daemon without descriptors."""
import fcntl
import os
import pwd
import resource
import select
import socket
import stat
import struct
import subprocess
import time

import lab
import pytest
import vufront as v
from frames import ether, udp
from test_switch import ping


def u64(n):
    return struct.pack('<Q', n)


def lines(s, text):
    return [line for line in s.log_text().splitlines() if text in line]


def show(s, port):
    return s.call('port.show', id=port)['state']


def connect(s, port):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(3)
    sock.connect(os.path.join(s.folder, port + '.sock'))
    return sock


def leave_at_once(sock):
    del sock


def send_nonsense(sock):
    sock.sendall(b'GET / HTTP/1.0\r\n\r\n')


def ask_for_too_many_queues(sock):
    sock.sendall(struct.pack('<III', v.SET_VRING_NUM, v.VERSION, 8) +
                 struct.pack('<II', 200, 64))


def negotiate_and_leave(sock):
    sock.sendall(struct.pack('<III', v.GET_FEATURES, v.VERSION, 0))
    sock.recv(100)


@pytest.mark.measures
@pytest.mark.parametrize('what', [
    leave_at_once, send_nonsense, ask_for_too_many_queues,
    negotiate_and_leave])
def test_front_end_in_a_loop(up, what):
    """A front-end that connects in a loop fills no log and takes little CPU
    time, and other ports go on."""
    s = up('vhost-user,id=a', 'vhost-user,id=b', 'vhost-user,id=mad')
    a, b = s.front('a'), s.front('b')
    before, ticks = len(s.log_text().splitlines()), s.cpu_ticks()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        with connect(s, 'mad') as sock:
            try:
                what(sock)
                select.select([sock], [], [], 1.5)
            except OSError:
                pass
    new = s.log_text().splitlines()[before:]
    assert len(new) < 50, '\n'.join(new)
    assert s.cpu_ticks() - ticks < 40
    ping(a, b)
    # A good front-end is accepted afterwards.
    mad = s.front('mad')
    ping(mad, a, 3, 1)


def test_no_descriptors(up, eventually):
    """A daemon without free descriptors logs it once, rests, and accepts
    front-ends as soon as it can."""
    s = up('vhost-user,id=a', 'vhost-user,id=b')
    a = s.front('a')
    used = len(os.listdir(f'/proc/{s.pid}/fd'))
    old = resource.prlimit(s.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, (used, old[1]))
    ticks = s.cpu_ticks()
    sock = connect(s, 'b')
    time.sleep(2.5)
    assert s.cpu_ticks() - ticks < 30
    assert len(lines(s, 'port=b')) == 1, lines(s, 'port=b')
    assert 'cannot accept front-ends: Too many open files' in s.log_text()
    # For an accepted front-end whose descriptors are lost, the log has the true
    # reason.
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, (used + 1, old[1]))
    eventually(lambda: lines(s, 'port=b: accepts front-ends again, after'))
    front = v.Front(sock=sock, start=False)
    front.send_msg(v.SET_OWNER)
    front.send_msg(v.SET_VRING_CALL, u64(0), [front.memfd])
    assert front.is_closed()
    assert 'ulimit -n' in show(s, 'b')['last_disconnect']
    assert 'more than 8' not in s.log_text()
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, old)
    b = s.front('b')
    ping(a, b)


def test_second_front_end_waits(up, eventually):
    s = up('vhost-user,id=a', 'vhost-user,id=b')
    a, first = s.front('a'), s.front('b')
    others = [connect(s, 'b') for _ in range(6)]
    eventually(lambda: len(show(s, 'b').get('waiting', [])) == 4)
    state = show(s, 'b')
    assert state['peer_pid'] == os.getpid()
    assert state['waiting'][0]['pid'] == os.getpid()
    assert f'a front-end (pid {os.getpid()}) waits: pid {os.getpid()} has ' \
        'had the socket for' in s.log_text()
    ping(a, first)
    # When waiting front-ends give up, the first of the others has its turn.
    others[1].close()
    others[2].close()
    others[3].close()
    eventually(lambda: len(show(s, 'b').get('waiting', [])) == 3)
    second = v.Front(sock=others[0], start=False)
    second.send_msg(v.GET_FEATURES)
    assert not select.select([second.sock], [], [], 0.2)[0]
    first.close()
    assert second.recv_msg()[0] == v.GET_FEATURES
    second.negotiate(v.PLAIN)
    second.set_memory()
    for ring in second.rings:
        second.start_ring(ring)
    second.fill(second.rings[0])
    s.wait_link('b')
    ping(a, second)
    assert len(show(s, 'b')['waiting']) == 2
    for sock in others[4:]:
        sock.close()
    eventually(lambda: 'waiting' not in show(s, 'b'))


def test_waiting_ones_are_dropped_with_the_port(up):
    s = up('vhost-user,id=a', 'vhost-user,id=b')
    s.front('b')
    fds = len(os.listdir(f'/proc/{s.pid}/fd'))
    s.call('port.add', netdev=f'vhost-user,id=c,path={s.folder}/c.sock')
    first, *others = [connect(s, 'c') for _ in range(8)]
    time.sleep(0.1)
    s.call('port.del', id='c')
    for sock in [first] + others:
        sock.settimeout(2)
        try:
            assert not sock.recv(1)
        except ConnectionResetError:
            pass
        sock.close()
    assert len(os.listdir(f'/proc/{s.pid}/fd')) == fds


def test_path_is_lost(up, eventually):
    """A port reports that its socket was deleted or replaced."""
    s = up('vhost-user,id=a', 'vhost-user,id=b', 'vhost-user,id=c')
    path = {p: os.path.join(s.folder, p + '.sock') for p in 'abc'}
    assert 'path_is' not in show(s, 'a')
    os.chmod(path['c'], 0o600)
    os.unlink(path['a'])
    eventually(lambda: lines(s, 'port=a'))
    assert 'the socket was deleted' in lines(s, 'port=a')[0]
    assert show(s, 'a')['path_is'] == 'deleted'
    # The socket is moved away and back.
    os.rename(path['b'], path['b'] + '.away')
    eventually(lambda: lines(s, 'port=b: path='))
    assert show(s, 'b')['path_is'] == 'deleted'
    os.rename(path['b'] + '.away', path['b'])
    eventually(lambda: lines(s, 'the socket is there again'))
    assert 'path_is' not in show(s, 'b')
    # The socket is replaced by another process's.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as x:
        x.bind(path['b'] + '.new')
        os.rename(path['b'] + '.new', path['b'])
        eventually(lambda: lines(s, 'the socket was replaced'))
        assert show(s, 'b')['path_is'] == 'replaced'
    assert len(lines(s, 'the socket was deleted')) == 2
    assert not lines(s, 'port=c')
    s.call('port.del', id='b')
    assert os.path.exists(path['b']), 'removed what was not its own'
    os.unlink(path['b'])


def private_front(s, port):
    """Returns a front-end whose driver does not write into the shared memory,
    as with a private mapping."""
    front = v.Front(os.path.join(s.folder, port + '.sock'), start=False)
    shared = os.memfd_create('shared')
    os.ftruncate(shared, front.mem_size)
    front.negotiate(v.PLAIN)
    front.tell(v.SET_MEM_TABLE, struct.pack(
        '<IIQQQQ', 1, 0, v.GPA, front.mem_size, v.UVA, 0), [shared])
    os.close(shared)
    for ring in front.rings:
        front.start_ring(ring)
    s.wait_link(port)
    return front


def test_memory_that_is_not_shared(up, eventually):
    s = up('vhost-user,id=a', 'vhost-user,id=b')
    a, b = s.front('a'), private_front(s, 'b')
    for n in range(3):
        os.eventfd_write(b.rings[1].kick, 1)
        time.sleep(0.05)
    eventually(lambda: lines(s, 'share=on'), what='hint in the log')
    assert 'port=b: queue 1: the guest kicks' in lines(s, 'share=on')[0]
    queue, = [q for q in show(s, 'b')['queues'] if q['queue'] == 1]
    assert 'share=on' in queue['hint']
    for n in range(20):
        os.eventfd_write(b.rings[1].kick, 1)
    time.sleep(1.2)
    assert len(lines(s, 'share=on')) == 1
    # The other front-end is a good guest: empty kicks after a good one.
    a.send(ether(1, 2))
    for n in range(5):
        os.eventfd_write(a.rings[1].kick, 1)
        time.sleep(0.05)
    time.sleep(1.2)
    assert not lines(s, 'port=a: queue')


def test_buffer_outside_is_explained(up, eventually):
    s = up('vhost-user,id=a', 'vhost-user,id=b')
    bad = s.front('b')
    ring = bad.rings[1]
    ring.put_desc(0, v.GPA - 0x1000, 100, 0)
    ring.publish(0)
    os.eventfd_write(ring.kick, 1)
    eventually(lambda: lines(s, 'port=b: queue 1 stopped'), timeout=0.5)
    line, = lines(s, 'port=b: queue 1 stopped')
    assert f'{v.GPA - 0x1000:#x}+0x64' in line
    assert f'{v.GPA:#x}+{bad.mem_size:#x}' in line and 'share=on' in line
    queue, = [q for q in show(s, 'b')['queues'] if q['queue'] == 1]
    assert queue['state'] == 'faulted'
    assert queue['fault'] == 'buffer outside guest memory'


def test_ring_outside_is_explained(up):
    s = up('vhost-user,id=a')
    bad = v.Front(os.path.join(s.folder, 'a.sock'), start=False)
    bad.negotiate(v.PLAIN)
    bad.set_memory()
    bad.reply_ack = False
    bad.tell(v.SET_VRING_NUM, struct.pack('<II', 1, 64))
    bad.tell(v.SET_VRING_ADDR, struct.pack('<IIQQQQ', 1, 0, 1 << 20, 2 << 20,
                                           3 << 20, 0))
    bad.tell(v.SET_VRING_KICK, u64(1), [bad.rings[1].kick])
    assert bad.is_closed()
    assert 'share=on' in show(s, 'a')['last_disconnect']


def test_mtu_that_the_guest_was_told(up):
    """Frames above the MTU are counted as drops at the receiver; frames that
    are cut pass."""
    s = up('vhost-user,id=a', 'vhost-user,id=b,mtu=1500')
    a = s.front('a', features=v.OFFLOADS)
    b = s.front('b', features=v.OFFLOADS | v.bits(v.F_MTU), size=32)
    ping(a, b, size=9014)           # no MTU has been set
    b.tell(v.NET_SET_MTU, u64(1500))
    before = s.drops('b')
    for size, fits in ((1518, True), (1519, False), (9014, False), (60, True)):
        a.send(ether(1, 2, size))
        got = b.recv(2 if fits else 0.2)
        assert bool(got) == fits, size
    assert s.drops('b') == before + 2
    b.close()
    s.wait_link('b', False)
    b = s.front('b')
    ping(a, b, size=9014)


@pytest.mark.measures
def test_connected_and_idle(up):
    """No thread wakes up while connected front-ends are idle."""
    s = up('vhost-user,id=a', 'vhost-user,id=b',
           extra=('--mac-age', '36000'))    # ageing ticks every 10 minutes
    a, b = s.front('a'), s.front('b')
    ping(a, b)
    time.sleep(1.5)
    before = s.wakeups()
    time.sleep(3)
    assert s.wakeups() - before == 0


def make_block(fd):
    """Makes a shared eventfd block its writers, as a hostile front-end can."""
    fcntl.fcntl(fd, fcntl.F_SETFL,
                fcntl.fcntl(fd, fcntl.F_GETFL) & ~os.O_NONBLOCK)
    if select.select([fd], [], [], 0)[0]:
        os.eventfd_read(fd)
    os.eventfd_write(fd, 0xfffffffffffffffe)


@pytest.mark.parametrize('which', ['call of receiveq', 'call of transmitq',
                                   'err'])
def test_eventfd_that_blocks(up, which):
    """The session with the blocking eventfd ends; no other port waits for long.
    """
    s = up('vhost-user,id=a', 'vhost-user,id=b', 'vhost-user,id=bad')
    a, b, bad = s.front('a'), s.front('b'), s.front('bad')
    ping(a, bad, 1, 3)
    ring = bad.rings[0 if which == 'call of receiveq' else 1]
    start = time.monotonic()
    if which == 'err':
        make_block(ring.err)
        ring.publish(999)
        os.eventfd_write(ring.kick, 1)
    else:
        make_block(ring.call)
        if ring.idx:
            bad.send(ether(3, 1), wait=False)
        else:
            a.send(ether(1, 3))
    assert bad.is_closed()
    assert time.monotonic() - start < 1
    assert 'blocks' in show(s, 'bad')['last_disconnect']
    b.recv_all()
    ping(a, b)


def test_many_eventfds_that_block(up):
    """A burst that is flooded to many queues of a front-end whose eventfds block
    holds up its worker once, not once for each queue."""
    s = up('vhost-user,id=a', 'vhost-user,id=b', 'vhost-user,id=bad,queues=32')
    a, b = s.front('a', size=256), s.front('b', size=256)
    bad = s.front('bad', pairs=32, size=4,
                  features=v.PLAIN | v.bits(v.F_MQ))
    for ring in bad.rings[::2]:
        make_block(ring.call)
    flows = a.rings[1]
    for i in range(64):
        # one flow each: bytes 34 and 35 are the source port
        frame = bytearray(bytes(udp(1, 2, b'x' * 20)))
        frame[:6] = b'\xff' * 6
        struct.pack_into('!H', frame, 34, 1000 + 7 * i)
        data = bytes(12) + bytes(frame)
        assert flows.add(len(data), False, data)
    start = time.monotonic()
    flows.notify()
    time.sleep(0.05)
    b.send(ether(2, 1), timeout=10)
    assert time.monotonic() - start < 1
    assert bad.is_closed()


def socket_of(folder, port):
    st = os.stat(os.path.join(folder, port + '.sock'))
    return stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid


@pytest.mark.root
def test_who_may_connect(up, folder):
    """mode=, owner= and group= say whose the socket is, whatever the umask;
    a front-end of another user then connects."""
    s = up('vhost-user,id=a,mode=666,owner=nobody,group=nogroup',
           'vhost-user,id=b,group=0', 'vhost-user,id=c,mode=600,owner=65534',
           prefix=('sh', '-c', 'umask 077; exec "$@"', 'sh'))
    nobody, nogroup = pwd.getpwnam('nobody')[2:4]
    assert socket_of(folder, 'a') == (0o666, nobody, nogroup)
    assert socket_of(folder, 'b') == (0o600, 0, 0)
    assert socket_of(folder, 'c') == (0o600, nobody, 0)
    assert s.call('port.show', id='a')['config']['mode'] == '666'
    os.chmod(folder, 0o755)
    done = subprocess.run(
        ['setpriv', f'--reuid={nobody}', f'--regid={nogroup}',
         '--clear-groups', '/usr/bin/python3', '-c',
         'import socket, sys; s = socket.socket(socket.AF_UNIX); '
         's.connect(sys.argv[1])', os.path.join(folder, 'a.sock')])
    assert done.returncode == 0


@pytest.mark.parametrize('options, told', [
    ('mode=888', 'mode=888: must be an octal number'),
    ('mode=1777', 'mode=1777: must be an octal number'),
    ('mode=rw', 'mode=rw: must be an octal number'),
    ('owner=no-such-user', "owner=no-such-user: must be a user's number, or its name"),
    ('group=-1', "group=-1: must be a group's number"),
    ('server=off,mode=660', 'mode=: is for a socket that the port makes'),
])
def test_who_may_not(up, folder, options, told):
    s = up()
    path = os.path.join(folder, 'x.sock')
    with pytest.raises(lab.RpcError, match=told):
        s.call('port.add', netdev=f'vhost-user,id=x,path={path},{options}')
    assert not os.path.exists(path)


def test_socket_for_a_group_that_one_is_not_in(up, folder, nobody):
    """Nothing is left of a socket that cannot be given away."""
    binary, prefix = nobody
    s = up(binary=binary, prefix=prefix)
    path = os.path.join(folder, 'x.sock')
    for option, told in (('owner=root', 'cannot give'),
                         ('group=root', 'must be in the group')):
        with pytest.raises(lab.RpcError, match=told):
            s.call('port.add', netdev=f'vhost-user,id=x,path={path},{option}')
        assert not os.path.exists(path)
