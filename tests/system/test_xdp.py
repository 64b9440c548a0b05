# SPDX-License-Identifier: Apache-2.0
"""The xdp port on one end of a veth pair, whose other end is a raw socket that
sees every byte, or a network namespace with the kernel's own stack."""
import os
import re
import signal
import socket
import subprocess
import time

import lab
import pytest
from frames import BROADCAST, checksums_are_good, ether, mac
from test_packet import TAGS, exchange, raw, receive, veth
from test_tap import iperf, name, namespaces, sh, state  # noqa: F401

pytestmark = [pytest.mark.root, pytest.mark.alone]


@pytest.fixture(autouse=True)
def built_in(folder, up):
    """Skips the tests of a build or a kernel that has no AF_XDP."""
    s = up('null,id=n', sub='probe')
    done = s.command('port', 'add', 'xdp,id=p,ifname=rwnone', check=False)
    if 'without libxdp' in done.stderr:
        pytest.skip('built without libxdp')
    s.stop_cleanly()


def program(link):
    """Returns what `ip link show` says about XDP programs."""
    out = sh('ip', '-d', 'link', 'show', link)
    return ' '.join(re.findall(r'xdp\S*|prog/xdp.*', out))


def without_offloads(namespaces, ns, link):  # noqa: F811
    """AF_XDP carries no offloads: the peer's stack fills checksums in itself.
    """
    namespaces.run(ns, 'ethtool', '-K', link, 'tx', 'off')


@pytest.mark.parametrize('mode', ['skb', 'native'])
def test_both_ways(up, mode):
    with veth('x') as (ours, theirs), raw(theirs) as sock:
        s = up('vhost-user,id=vm', f'xdp,id=p,ifname={ours},mode={mode}')
        front = s.front('vm')
        exchange(s, front, sock, (60, 61, 64, 128, 1000, 1513, 1514))
        assert state(s, 'p')['mode'] == mode
        assert not state(s, 'p')['zero_copy']
        front.send(ether(1, 2, 1519))  # more than the interface takes
        lab.wait_until(lambda: s.stats('p')['tx_drops'] == 1, 5, 'a drop')
    assert 'tx-too-big' in s.command('stats', 'p')


@pytest.mark.parametrize('mode', ['skb', 'native'])
def test_bursts(up, mode):
    """A thousand frames wait for a receiver that takes none, in order; and
    thousands leave."""
    with veth('x') as (ours, theirs), raw(theirs) as sock:
        s = up('vhost-user,id=vm,full-us=1000000',
               f'xdp,id=p,ifname={ours},mode={mode},force-copy=on')
        front = s.front('vm')
        front.send(ether(1, 2))  # a known address: its frames wait
        assert receive(sock) == ether(1, 2)
        for _ in range(3):  # more frames than chunks
            frames = [ether(2, 1, 60 + i % 1400, fill=i) for i in range(1000)]
            for f in frames:
                sock.send(f)
            assert [front.recv()[1] for _ in frames] == frames
        sock.setsockopt(1, 33, 64 << 20)  # SO_RCVBUFFORCE
        frames = [ether(1, 2, 60 + i % 1400, fill=i) for i in range(5000)]
        for f in frames:
            front.send(f)
        assert [receive(sock) for _ in frames] == frames
        assert s.drops('p') == s.drops('vm') == 0


@pytest.mark.parametrize('mode', ['skb', 'native'])
def test_queues(up, mode):
    """Each of two queues has a socket; frames of a queue without one go to the
    host's stack."""
    pair = name('qa'), name('qb')
    queues = ['numrxqueues', '2', 'numtxqueues', '2']
    sh('ip', 'link', 'add', pair[0], *queues, 'type', 'veth', 'peer', 'name',
       pair[1], *queues)
    try:
        for link in pair:
            with open(f'/proc/sys/net/ipv6/conf/{link}/disable_ipv6', 'w') as f:
                f.write('1')
            sh('ip', 'link', 'set', link, 'up')
        s = up('vhost-user,id=vm',
               f'xdp,id=p,ifname={pair[0]},mode={mode},queues=2')
        front = s.front('vm')
        with raw(pair[1]) as sock:
            got = set()
            for cpu in sorted(os.sched_getaffinity(0)) * 20:
                os.sched_setaffinity(0, {cpu})
                sock.send(ether(2, 1, 100, fill=cpu))
                assert front.recv()[1] == ether(2, 1, 100, fill=cpu)
                got.add(cpu)
            front.send(ether(1, 2, 90))
            assert receive(sock) == ether(1, 2, 90)
        done = s.command('port', 'add', f'xdp,id=o,ifname={pair[1]},'
                         'start-queue=1,queues=2', check=False)
        assert done.returncode and 'no queue 2' in done.stderr
        assert not program(pair[1]), 'a program was left behind'
        s.command('port', 'add', f'xdp,id=o,ifname={pair[1]},start-queue=1')
    finally:
        os.sched_setaffinity(0, range(os.cpu_count()))
        subprocess.run(['ip', 'link', 'del', pair[0]], capture_output=True)


@pytest.mark.parametrize('mode', ['skb', 'native'])
def test_tcp_between_namespaces(up, namespaces, mode):  # noqa: F811
    with veth('a') as (oa, ta), veth('b') as (ob, tb):
        up(f'xdp,id=a,ifname={oa},mode={mode}',
           f'xdp,id=b,ifname={ob},mode={mode}')
        a, b = namespaces.new('a'), namespaces.new('b')
        namespaces.take(a, ta, '10.77.1.1/24')
        namespaces.take(b, tb, '10.77.1.2/24')
        without_offloads(namespaces, a, ta)
        without_offloads(namespaces, b, tb)
        namespaces.start(b, 'iperf3', '-s')
        lab.wait_until(lambda: ':5201' in namespaces.run(b, 'ss', '-ltn'), 5,
                       'iperf3 server')
        assert iperf(namespaces, a, '10.77.1.2', '-P', '4') > 20e6
        assert iperf(namespaces, a, '10.77.1.2', '-R') > 20e6


@pytest.mark.parametrize('mode', ['skb', 'native'])
def test_tags_and_checksums(up, mode):
    """Tags in the frame stay. The peer's stack fills checksums in when it is
    told that nobody else does."""
    def tagged(frame, tag):
        return frame[:12] + tag + frame[12:]
    with veth('v') as (ours, theirs), raw(theirs) as sock:
        s = up('vhost-user,id=vm', f'xdp,id=p,ifname={ours},mode={mode}')
        front = s.front('vm')
        for tag in TAGS.values():
            for size in (60, 1514):
                sock.send(tagged(ether(2, 1, size - len(tag)), tag))
                assert front.recv()[1] == \
                    tagged(ether(2, 1, size - len(tag)), tag)
            front.send(tagged(ether(1, 2, 1514), TAGS['802.1Q']))
            assert receive(sock) == tagged(ether(1, 2, 1514), TAGS['802.1Q'])
        sh('ethtool', '-K', theirs, 'tx', 'off')
        sh('ip', 'addr', 'add', '10.77.9.1/24', 'dev', theirs)
        sh('ip', 'neigh', 'add', '10.77.9.2', 'lladdr', mac(1), 'dev', theirs)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
            u.sendto(b'x' * 333, ('10.77.9.2', 9))
        while True:
            frame = front.recv()[1]
            if frame[12:14] == b'\x08\x00' and frame[23] == 17:
                break
        assert checksums_are_good(frame)


def test_interface_that_goes(up):
    """The port waits for an interface of that name, without CPU time, and
    takes it when it is there."""
    with veth('g') as (ours, theirs):
        s = up('vhost-user,id=vm', 'vhost-user,id=vm2',
               f'xdp,id=p,ifname={ours}')
        front, other = s.front('vm'), s.front('vm2')
        sh('ip', 'link', 'set', theirs, 'down')
        s.wait_link('p', up=False)
        assert state(s, 'p')['interface_state'] == 'no carrier'
        sh('ip', 'link', 'set', ours, 'down')
        lab.wait_until(lambda: state(s, 'p')['interface_state'] == 'down', 3, 'down')
        sh('ip', 'link', 'set', ours, 'up')
        sh('ip', 'link', 'set', theirs, 'up')
        s.wait_link('p')
        for i in range(50):
            front.send(ether(1, BROADCAST, 60))
            if i == 20:
                sh('ip', 'link', 'del', ours)
            assert other.recv()[1] == ether(1, BROADCAST, 60)
        lab.wait_until(lambda: state(s, 'p')['interface_state'] == 'gone', 3, 'gone')
        ticks = s.cpu_ticks()
        time.sleep(0.3)
        assert s.cpu_ticks() - ticks < 15
        # One that the port cannot use, which then becomes one that it can.
        sh('ip', 'link', 'add', ours, 'mtu', '9000', 'type', 'veth', 'peer',
           'name', theirs)
        lab.wait_until(lambda: state(s, 'p')['interface_state'] == 'refused', 3,
                       'refused')
        assert '9000' in state(s, 'p')['reason']
        for link in (ours, theirs):
            with open(f'/proc/sys/net/ipv6/conf/{link}/disable_ipv6', 'w') as f:
                f.write('1')
            sh('ip', 'link', 'set', link, 'mtu', '1500', 'up')
        s.wait_link('p')
        other.recv_all(0.1)
        with raw(theirs) as sock:
            front.send(ether(1, BROADCAST, 61))
            assert receive(sock) == ether(1, BROADCAST, 61)
            sock.send(ether(3, 1, 60))
            lab.wait_until(lambda: (front.recv() or (0, 0))[1] ==
                           ether(3, 1, 60), 3, 'the frame')


def test_nothing_is_left(up):
    """Neither by a port that was removed nor by a process that was killed."""
    with veth('k') as (ours, theirs):
        s = up('null,id=n')
        s.command('port', 'add', f'xdp,id=p,ifname={ours}')
        assert program(ours)
        done = up('null,id=n', sub='two').command(
            'port', 'add', f'xdp,id=q,ifname={ours}', check=False)
        assert done.returncode
        assert re.search('an xdp port has it already', done.stderr)
        s.command('port', 'del', 'p')
        lab.wait_until(lambda: not program(ours), 3, 'no program')
        s.command('port', 'add', f'xdp,id=p,ifname={ours},mode=skb')
        assert program(ours)
        killed = subprocess.Popen(
            [s.binary, 'up', '--control', f'{s.folder}/k.sock', '-netdev',
             f'xdp,id=p,ifname={theirs}'], stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        try:
            lab.wait_until(lambda: program(theirs) and
                           os.path.exists(f'{s.folder}/k.sock'), 5, 'a start')
        finally:
            killed.send_signal(signal.SIGKILL)
            killed.wait()
            os.unlink(f'{s.folder}/k.sock')
        lab.wait_until(lambda: not program(theirs), 3, 'no program')


@pytest.mark.parametrize('mode', ['skb', 'native'])
def test_mtu(up, mode):
    with veth('m', mtu=3822) as (ours, theirs), raw(theirs) as sock:
        s = up('vhost-user,id=vm', f'xdp,id=p,ifname={ours},mode={mode}')
        front = s.front('vm')
        for size in (3498, 3507, 3600, 3836):
            sock.send(ether(2, 1, size))
            assert front.recv()[1] == ether(2, 1, size)
            front.send(ether(1, 2, size))
            assert receive(sock) == ether(1, 2, size)
        for link in (ours, theirs):
            sh('ip', 'link', 'set', link, 'mtu', '9000')
        sock.send(ether(2, 1, 5000))
        front.send(ether(1, 2, 5000))
        sock.send(ether(2, 1, 3836))
        front.send(ether(1, 2, 3840))
        assert front.recv()[1] == ether(2, 1, 3836)
        assert receive(sock) == ether(1, 2, 3840)
        assert s.drops('p') == 1
        assert state(s, 'p')['kernel_rx_dropped'] == 1
        s.command('port', 'del', 'p')
        for link in (ours, theirs):
            sh('ip', 'link', 'set', link, 'mtu', '3823')
        done = s.command('port', 'add', f'xdp,id=p,ifname={ours}', check=False)
        assert done.returncode and 'at most 3822' in done.stderr


def test_map_of_somebody_else(up, folder):
    """Another program redirects to the sockets of the port."""
    source = """
        struct ctx { unsigned d, e, m, i, queue, o; };
        struct { int (*type)[17]; unsigned *key; int *value;
                 int (*max_entries)[8]; } xsks
            __attribute__((section(".maps"), used));
        __attribute__((section("xdp"), used)) int their_prog(struct ctx *c)
        { return ((long (*)(void *, long, long))51)(&xsks, c->queue + 3, 2); }
        """
    with open(f'{folder}/p.c', 'w') as f:
        f.write(source)
    pin = f'/sys/fs/bpf/{name("x")}'
    for command in (['clang', '-O2', '-g', '-target', 'bpf', '-c',
                     f'{folder}/p.c', '-o', f'{folder}/p.o'],
                    ['bpftool', 'prog', 'loadall', f'{folder}/p.o', pin,
                     'type', 'xdp', 'pinmaps', pin]):
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip(f'{command[0]} is not installed')
        if done.returncode:
            pytest.skip(f'{command[0]}: {done.stderr[-200:]}')
    try:
        with veth('f') as (ours, theirs), raw(theirs) as sock:
            sh('ip', 'link', 'set', ours, 'xdpgeneric', 'pinned',
               f'{pin}/their_prog')
            s = up('vhost-user,id=vm')
            done = s.command('port', 'add', f'xdp,id=p,ifname={ours}',
                             check=False)
            assert done.returncode and 'program their_prog (id' in done.stderr
            line = f'af-xdp,id=p,ifname={ours},inhibit=on,map-path={pin}/xsks'
            done = s.command('port', 'add', line + ',map-start-index=8',
                             check=False)
            assert done.returncode and 'room for 8' in done.stderr
            s.command('port', 'add', line + ',map-start-index=3')
            front = s.front('vm')
            sock.send(ether(2, 1, 100))
            assert front.recv()[1] == ether(2, 1, 100)
            front.send(ether(1, 2, 101))
            assert receive(sock) == ether(1, 2, 101)
            s.command('port', 'del', 'p')
            assert program(ours)
    finally:
        for path in (f'{pin}/their_prog', f'{pin}/xsks', pin):
            subprocess.run(['rm', '-rf', path], check=False)


def test_bad_lines(up, folder, nobody):
    s = up('null,id=n')
    for text, words in (
            ('xdp,id=p', 'ifname'),
            ('xdp,id=p,ifname=rwnone', 'rwnone.*no such interface'),
            ('xdp,id=p,ifname=lo,queues=65', 'queues=65.*64'),
            ('xdp,id=p,ifname=lo,mode=fast', 'mode=fast.*native'),
            ('xdp,id=p,ifname=lo,inhibit=on', 'map-path'),
            ('xdp,id=p,ifname=lo,map-path=/x', 'inhibit'),
            ('xdp,id=p,ifname=lo', 'MTU is 65536'),
            ('xdp,id=p,ifname=lo,sock-fds=3', 'sock-fds.*map-path')):
        done = s.command('port', 'add', text, check=False)
        assert done.returncode and re.search(words, done.stderr), done.stderr
    with veth('n') as (ours, _):
        done = s.command('port', 'add', f'xdp,id=p,ifname={ours},queues=2',
                         check=False)
        assert done.returncode and 'no queue 1' in done.stderr
        done = s.command('port', 'add', f'xdp,id=p,ifname={ours},inhibit=on,'
                         'map-path=/rwnone', check=False)
        assert done.returncode and '/rwnone: No such file' in done.stderr
        assert not program(ours)
        binary, prefix = nobody
        done = subprocess.run(
            [*prefix, binary, 'up', '--control', f'{folder}/nobody.sock',
             '-netdev', f'xdp,id=p,ifname={ours}'],
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode and 'CAP_NET_ADMIN' in done.stderr


def test_rights_that_are_enough(up, nobody, folder):
    """The capabilities of the manual, and the limit of locked memory."""
    binary, prefix = nobody

    def with_caps(caps):
        return [*prefix, f'--inh-caps={caps}', f'--ambient-caps={caps}', binary]
    caps = '+net_raw,+net_admin,+bpf'
    with veth('r') as (ours, theirs), raw(theirs) as sock:
        done = subprocess.run(
            ['prlimit', '--memlock=1048576', *with_caps(caps), 'up',
             '--control', f'{folder}/few.sock', '-netdev', f'xdp,id=p,ifname={ours}'],
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode and 'locked memory: 16 MiB' in done.stderr, \
            done.stderr
        assert not program(ours)
        s = up('vhost-user,id=vm', f'xdp,id=p,ifname={ours},mode=native',
               binary=binary, prefix=with_caps(caps + ',+ipc_lock')[:-1])
        front = s.front('vm')
        sock.send(ether(2, 1))
        assert front.recv()[1] == ether(2, 1)
        front.send(ether(1, 2))
        assert receive(sock) == ether(1, 2)
        done = s.command('port', 'add', f'xdp,id=q,ifname={ours}', check=False)
        assert done.returncode and re.search(
            r'an xdp port has it|program \w*\s?\(id \d+\) is there',
            done.stderr)
