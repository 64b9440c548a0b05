# SPDX-License-Identifier: Apache-2.0
"""Taps with virtio-net headers, whose other side is a network namespace."""
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import time

import lab
import pytest
import vufront
from conftest import BINARY
from frames import (BROADCAST, IP, NEEDS_CSUM, UDP, Ether, Raw,
                    checksums_are_good, ether, mac, parse_header)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not os.path.exists('/dev/net/tun'),
                       reason='there is no /dev/net/tun'),
]

IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, TUNSETIFF = 2, 0x1000, 0x4000, 0x400454ca


def sh(*argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, **options)
    assert done.returncode == 0, f'{" ".join(argv)}: {done.stderr.strip()}'
    return done.stdout


def name(what):
    return f'rw{what}{os.getpid()}'


@pytest.fixture
def namespaces():
    """Yields new(what), which makes a network namespace and returns its name.
    """
    made, processes = [], []

    class Namespaces:
        @staticmethod
        def new(what):
            ns = name(what)
            for command in (['ip', 'netns', 'add', ns],
                            ['ip', '-n', ns, 'link', 'set', 'lo', 'up']):
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    pytest.skip('network namespaces cannot be used here: ' +
                                done.stderr.strip())
                if ns not in made:
                    made.append(ns)
            return ns

        @staticmethod
        def take(ns, link, *addresses):
            """Moves a link into the namespace and configures it."""
            sh('ip', 'link', 'set', link, 'netns', ns)
            for a in addresses:
                sh('ip', '-n', ns, 'addr', 'add', a, 'dev', link, 'nodad') \
                    if ':' in a else \
                    sh('ip', '-n', ns, 'addr', 'add', a, 'dev', link)
            sh('ip', '-n', ns, 'link', 'set', link, 'up')

        @staticmethod
        def run(ns, *argv):
            return sh('ip', 'netns', 'exec', ns, *argv, timeout=30)

        @staticmethod
        def start(ns, *argv):
            p = subprocess.Popen(['ip', 'netns', 'exec', ns, *argv],
                                 stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL)
            processes.append(p)
            return p

    yield Namespaces
    for p in processes:
        lab.end_process(p)
    for ns in made:
        subprocess.run(['ip', 'netns', 'del', ns])


def links():
    return os.listdir('/sys/class/net')


def iperf(namespaces, client, address, *extra):
    """Returns the bits a second that arrived."""
    return lab.iperf(lambda: namespaces.run(
        client, 'iperf3', '-J', '-t', '1', '-c', address, *extra))


def test_tcp_between_namespaces(up, namespaces):
    ta, tb = name('ta'), name('tb')
    s = up(f'tap,id=a,ifname={ta}', f'tap,id=b,ifname={tb}')
    a, b = namespaces.new('a'), namespaces.new('b')
    namespaces.take(a, ta, '10.77.0.1/24', 'fd77::1/64')
    namespaces.take(b, tb, '10.77.0.2/24', 'fd77::2/64')
    s.wait_link('a')
    namespaces.start(b, 'iperf3', '-s')
    lab.wait_until(lambda: ':5201' in namespaces.run(b, 'ss', '-ltn'), 5,
                   'iperf3 server')
    namespaces.run(a, 'ping', '-c', '2', '-W', '2', '10.77.0.2') \
        if shutil.which('ping') else \
        namespaces.run(a, 'busybox', 'ping', '-c', '2', '10.77.0.2')
    before = s.stats('a')
    assert iperf(namespaces, a, '10.77.0.2') > 50e6
    after = s.stats('a')
    size = (after['rx_bytes'] - before['rx_bytes']) / \
        (after['rx_frames'] - before['rx_frames'])
    assert size > 4000, 'no large frames: offloads are not in use'
    assert iperf(namespaces, a, '10.77.0.2', '-R') > 50e6
    assert iperf(namespaces, a, 'fd77::2', '-6') > 50e6
    # Without offloads the sender makes small frames with whole checksums.
    namespaces.run(a, 'ethtool', '-K', ta, 'tso', 'off', 'gso', 'off', 'tx',
                   'off')
    before = s.stats('a')
    assert iperf(namespaces, a, '10.77.0.2') > 20e6
    after = s.stats('a')
    assert (after['rx_bytes'] - before['rx_bytes']) / \
        (after['rx_frames'] - before['rx_frames']) <= 1514
    s.stop_cleanly()
    for ns, link in ((a, ta), (b, tb)):
        assert link not in namespaces.run(ns, 'ip', 'link'), 'tap left behind'


def test_against_a_small_guest(up, namespaces):
    """Large frames of the kernel are cut for a guest that takes small ones."""
    tap = name('tc')
    s = up(f'tap,id=t,ifname={tap}', 'vhost-user,id=small',
           'vhost-user,id=large')
    ns = namespaces.new('c')
    small = s.front('small', size=256)
    large = s.front('large', size=256, features=vufront.OFFLOADS)
    namespaces.take(ns, tap, '10.78.0.1/24')
    s.wait_link('t')
    for n, front in ((2, small), (3, large)):
        sh('ip', '-n', ns, 'neigh', 'add', f'10.78.0.{n}', 'lladdr', mac(n),
           'dev', tap)
        front.send(ether(n, BROADCAST))
    small.recv_all(0.2), large.recv_all(0.2)    # the kernel's own frames
    for n in (2, 3):
        namespaces.run(ns, 'bash', '-c',
                       f'echo -n hello there >/dev/udp/10.78.0.{n}/999')

    def udp_frames(front):
        return [(h, f) for h, f in front.recv_all()
                if f[12:14] == b'\x08\x00' and f[23] == 17]

    (head, frame), = udp_frames(small)
    assert frame.endswith(b'hello there') and checksums_are_good(frame)
    assert parse_header(head)['flags'] & NEEDS_CSUM == 0
    (head, frame), = udp_frames(large)
    assert parse_header(head)['flags'] & NEEDS_CSUM
    assert frame.endswith(b'hello there')


def test_multi_queue_tap(up, namespaces):
    ta, tb = name('ta'), name('tb')
    s = up(f'tap,id=a,ifname={ta},queues=2', f'tap,id=b,ifname={tb},queues=2')
    a, b = namespaces.new('a'), namespaces.new('b')
    namespaces.take(a, ta, '10.77.0.1/24')
    namespaces.take(b, tb, '10.77.0.2/24')
    s.wait_link('a')
    namespaces.start(b, 'iperf3', '-s')
    lab.wait_until(lambda: ':5201' in namespaces.run(b, 'ss', '-ltn'), 5,
                   'iperf3 server')
    assert iperf(namespaces, a, '10.77.0.2', '-P', '8') > 50e6
    assert len(s.stats('a')['rx']) == 2


@pytest.mark.parametrize('vnet_hdr', ['on', 'off'])
def test_large_frames_arrive(up, vnet_hdr):
    """The kernel takes frames larger than the interface's MTU."""
    tap = name('tu')
    s = up('vhost-user,id=a', f'tap,id=t,ifname={tap},vnet_hdr={vnet_hdr}')
    a = s.front('a', size=256)
    sh('ip', 'addr', 'add', '10.79.0.1/24', 'dev', tap)
    with open(f'/sys/class/net/{tap}/address') as f:
        own = f.read().strip()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
        host.bind(('10.79.0.1', 0))
        host.settimeout(3)
        for size in (1473, 8972, 60000):
            a.send(bytes(Ether(src=mac(1), dst=own) /
                         IP(src='10.79.0.2', dst='10.79.0.1') /
                         UDP(sport=4000, dport=host.getsockname()[1]) /
                         Raw(b'x' * size)))
            assert host.recv(65536) == b'x' * size
    assert s.drops('t') == 0


def test_bridge(up):
    bridge, tap = name('br'), name('td')
    done = subprocess.run(['ip', 'link', 'add', bridge, 'type', 'bridge'],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f'no bridges here: {done.stderr.strip()}')
    try:
        s = up(f'tap,id=t,ifname={tap},br={bridge}')
        assert os.path.basename(os.readlink(
            f'/sys/class/net/{tap}/master')) == bridge
        s.stop_cleanly()
        assert tap not in links()
    finally:
        sh('ip', 'link', 'del', bridge)


def test_scripts(up, folder):
    tap = name('te')
    for script in ('up', 'down'):
        path = os.path.join(folder, script)
        with open(path, 'w') as f:
            f.write(f'#!/bin/sh\necho "$1" >{folder}/{script}.ran\n')
        os.chmod(path, 0o755)
    s = up(f'tap,id=t,ifname={tap},script={folder}/up,'
           f'downscript={folder}/down')
    assert open(f'{folder}/up.ran').read().strip() == tap
    s.call('port.del', id='t')
    lab.wait_until(lambda: tap not in links(), 2, 'end of the downscript')
    assert open(f'{folder}/down.ran').read().strip() == tap


def script(folder, what, text):
    path = os.path.join(folder, what)
    with open(path, 'w') as f:
        f.write(f'#!/bin/sh\n{text}\n')
    os.chmod(path, 0o755)
    return path


def state(switch, port):
    return switch.call('port.show', id=port)['state']


def test_scripts_keep_nobody_waiting(up, folder):
    """Sessions go on while a script runs; only the tap's link waits for it."""
    tap = name('th')
    slow = script(folder, 'slow', 'sleep 1.5')
    down = script(folder, 'down', f'sleep 1; echo $1 >{folder}/down.ran')
    s = up('vhost-user,id=vm')

    def seconds(method, **params):
        begin = time.monotonic()
        s.call(method, **params)
        return time.monotonic() - begin

    assert seconds('port.add', netdev=f'tap,id=t,ifname={tap},script={slow},'
                   f'downscript={down}') < 0.7
    assert not s.link('t')
    assert state(s, 't')['interface_state'] == 'script running'
    s.front('vm')                        # a session begins meanwhile
    assert not s.link('t')
    s.wait_link('t')
    assert state(s, 't')['interface_state'] == 'up'
    assert seconds('port.del', id='t') < 0.5
    assert tap in links(), 'the downscript needs it'
    with pytest.raises(lab.RpcError, match='downscript still runs'):
        s.call('port.add', netdev=f'tap,id=t,ifname={tap}')
    lab.wait_until(lambda: tap not in links(), 3, 'end of the downscript')
    assert open(f'{folder}/down.ran').read().strip() == tap


def test_script_that_fails(up, folder):
    tap = name('ti')
    bad = script(folder, 'bad', 'sleep 0.2; exit 7')
    s = up('null,id=n')
    s.call('port.add', netdev=f'tap,id=t,ifname={tap},script={bad}')
    lab.wait_until(lambda: state(s, 't')['interface_state'] == 'failed', 3,
                   'failure')
    assert state(s, 't')['reason'] == f'script={bad}: ended with status 7'
    assert f'port=t: script={bad}: ended with status 7' in s.log_text()
    assert not s.link('t')
    s.call('port.del', id='t')
    assert tap not in links()


def test_script_that_deletes_the_interface(up, folder):
    tap = name('tv')
    bad = script(folder, 'bad', 'ip link del $1')
    s = up('null,id=n')
    s.call('port.add', netdev=f'tap,id=t,ifname={tap},script={bad}')
    lab.wait_until(lambda: state(s, 't')['interface_state'] == 'failed', 3,
                   'end of the script')
    reason = f'script={bad}: cannot use interface {tap} after it: ' \
        'No such device'
    assert state(s, 't')['reason'] == reason
    assert f'warning: port=t: {reason}' in s.log_text()
    ticks = s.cpu_ticks()
    time.sleep(0.5)
    assert s.cpu_ticks() - ticks < 10
    s.call('port.del', id='t')


def test_ready_means_after_scripts(up, folder):
    slow = script(folder, 'slow', f'sleep 0.7; echo x >>{folder}/ran')
    begin = time.monotonic()
    s = up(f'tap,id=a,ifname={name("tj")},script={slow}',
           f'tap,id=b,ifname={name("tk")},script={slow}')
    assert len(open(f'{folder}/ran').readlines()) == 2
    assert time.monotonic() - begin < 2, 'one after the other'
    assert s.link('a') and s.link('b')


def test_up_fails_with_its_script(folder):
    bad = script(folder, 'bad', 'exit 3')
    down = script(folder, 'down', f'sleep 0.3; echo $1 >{folder}/down.ran')
    tap = name('tl')
    done = subprocess.run(
        [BINARY, 'up', '--control', f'{folder}/ctl.sock', '-netdev',
         f'tap,id=t,ifname={tap},script={bad},downscript={down}'],
        capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == \
        f'ringway: netdev t: script={bad}: ended with status 3'
    assert tap not in links()
    assert open(f'{folder}/down.ran').read().strip() == tap


def test_end_while_scripts_run(up, folder):
    """The daemon's end waits for downscripts, and kills those that hang."""
    down = script(folder, 'down', f'sleep 0.4; echo $1 >>{folder}/ran')
    hang = script(folder, 'hang', 'sleep 60')
    s = up(f'tap,id=a,ifname={name("tm")},downscript={down}')
    s.call('port.add', netdev=f'tap,id=b,ifname={name("tn")},script={hang},'
           f'downscript={down}')
    s.stop_cleanly()
    assert len(open(f'{folder}/ran').readlines()) == 2


def test_link_follows_the_interface(up, namespaces):
    tap = name('to')
    sh('ip', 'tuntap', 'add', tap, 'mode', 'tap')
    try:
        s = up(f'tap,id=t,ifname={tap}', 'vhost-user,id=vm')
        assert not s.link('t'), 'nobody brought it up'
        assert state(s, 't')['interface_state'] == 'down'
        vm = s.front('vm')
        sh('ip', 'link', 'set', tap, 'up')
        s.wait_link('t')
        with open(f'/sys/class/net/{tap}/address') as f:
            own = f.read().strip()
        lab.wait_until(lambda: ('default', own) in s.macs(), 5,
                       'first frame of the kernel')
        sh('ip', 'link', 'set', tap, 'down')
        s.wait_link('t', up=False)
        before = s.stats('t')['tx_down']
        for _ in range(5):
            vm.send(ether(1, own))
        lab.wait_until(lambda: s.stats('t')['tx_down'] == before + 5, 3,
                       'drops')
        sh('ip', 'link', 'set', tap, 'up')
        s.wait_link('t')
        sh('ip', 'link', 'set', tap, 'down', 'name', tap + 'x')
        s.wait_link('t', up=False)
        sh('ip', 'link', 'set', tap + 'x', 'up')
        s.wait_link('t')
        assert state(s, 't')['interface'] == tap + 'x'
        sh('ip', 'link', 'del', tap + 'x')
        s.wait_link('t', up=False)
        assert state(s, 't')['interface_state'] == 'gone'
    finally:
        for link in (tap, tap + 'x'):
            subprocess.run(['ip', 'link', 'del', link], capture_output=True)


def test_link_in_another_namespace(up, namespaces):
    """The kernel reports no state from another namespace, so `port show` has
    none for the interface; the interface's end is still noticed."""
    tap = name('tp')
    ns = namespaces.new('p')
    s = up(f'tap,id=t,ifname={tap}')
    namespaces.take(ns, tap)
    lab.wait_until(lambda: state(s, 't')['interface_state'] ==
                   'in another namespace', 3, 'the move')
    assert s.link('t')
    sh('ip', '-n', ns, 'link', 'set', tap, 'netns', str(s.pid))
    lab.wait_until(lambda: state(s, 't')['interface_state'] == 'down', 3,
                   'the way back')
    assert not s.link('t')
    namespaces.take(ns, tap)
    s.wait_link('t')
    sh('ip', '-n', ns, 'link', 'del', tap)
    s.wait_link('t', up=False)
    assert state(s, 't')['interface_state'] == 'gone'


def test_persistent_tap_as_an_ordinary_user(up, nobody):
    binary, prefix = nobody
    tap = name('tf')
    sh('ip', 'tuntap', 'add', tap, 'mode', 'tap', 'user', 'nobody')
    try:
        sh('ip', 'link', 'set', tap, 'up')
        s = up(f'tap,id=t,ifname={tap},script=no,downscript=no',
               binary=binary, prefix=prefix)
        s.wait_link('t')
        s.stop_cleanly()
        assert tap in links(), 'it was not ours to remove'
    finally:
        sh('ip', 'link', 'del', tap)


def settings(tap):
    """Returns what the next program that opens the tap finds."""
    fd = os.open('/dev/net/tun', os.O_RDWR)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack(
            '16sH22x', tap.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
        numbers = [struct.unpack('i', fcntl.ioctl(fd, request, bytes(4)))[0]
                   for request in (0x800454d7, 0x800454d3)]
    finally:
        os.close(fd)
    features = sh('ethtool', '-k', tap) if shutil.which('ethtool') else ''
    return numbers, [f.split(' [')[0] for f in features.splitlines()
                     if 'segm' in f]


def test_persistent_tap_is_left_as_it_was(up):
    """The size of its header, its send buffer and its offloads."""
    tap = name('tp')
    sh('ip', 'tuntap', 'add', tap, 'mode', 'tap', 'vnet_hdr')
    try:
        sh('ip', 'link', 'set', tap, 'up')
        before = settings(tap)
        assert before[0][0] == 10, before
        s = up(f'tap,id=t,ifname={tap},script=no,sndbuf=100000')
        s.wait_link('t')
        s.stop_cleanly()
        assert settings(tap) == before
    finally:
        sh('ip', 'link', 'del', tap)


def test_tap_by_descriptor(up):
    tap = name('tg')
    fd = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack(
        '16sH22x', tap.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    try:
        sh('ip', 'link', 'set', tap, 'up')
        s = up(f'tap,id=t,fd={fd}', pass_fds=[fd])
        s.wait_link('t')
    finally:
        os.close(fd)


def test_a_descriptor_belongs_to_one_port(up):
    fds = []
    for n in ('tq', 'tr'):
        fds.append(os.open('/dev/net/tun', os.O_RDWR))
        fcntl.ioctl(fds[-1], TUNSETIFF, struct.pack(
            '16sH22x', name(n).encode(), IFF_TAP | IFF_NO_PI))
    a, b = fds
    try:
        s = up(f'tap,id=a,fd={a}', pass_fds=fds)
        for keys in (f'fd={a}', f'fds={b}:{a}'):
            with pytest.raises(lab.RpcError, match=f'descriptor {a} is in use '
                               f'already, for the interface {name("tq")}'):
                s.call('port.add', netdev=f'tap,id=x,{keys}')
        with pytest.raises(lab.RpcError, match=f'descriptor {b} is in use'):
            s.call('port.add', netdev=f'tap,id=x,fds={b}:{b}')
        s.call('port.add', netdev=f'tap,id=b,fd={b}')
        # A descriptor that the daemon opened itself is refused as well.
        s.call('port.add', netdev=f'tap,id=c,ifname={name("ts")}')
        own = max(int(f) for f in os.listdir(f'/proc/{s.pid}/fd')
                  if os.readlink(f'/proc/{s.pid}/fd/{f}') == '/dev/net/tun')
        with pytest.raises(lab.RpcError, match='is in use already'):
            s.call('port.add', netdev=f'tap,id=x,fd={own}')
        s.call('port.del', id='a')
        with pytest.raises(lab.RpcError, match='is no open tap'):
            s.call('port.add', netdev=f'tap,id=x,fd={a}')
    finally:
        for fd in fds:
            os.close(fd)


def test_options_about_vhost_net(up):
    """QEMU's command lines work; the log says that there is no vhost-net."""
    s = up(f'tap,id=t,ifname={name("vh")},vhost=on,vhostforce=on,poll-us=50')
    assert 'vhost-net have no effect' in s.log_text()
    done = s.command('port', 'add', 'tap,id=u,vhost=perhaps', check=False)
    assert done.returncode and 'vhost=perhaps' in done.stderr
