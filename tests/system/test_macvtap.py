# SPDX-License-Identifier: Apache-2.0
"""The macvtap port on one end of a veth pair, whose other end is a raw socket
or a network namespace with the kernel's own stack."""
import contextlib
import json
import os
import socket
import struct
import subprocess
import time

import lab
import pytest
from conftest import BINARY
from frames import BROADCAST, ether, mac
from test_packet import TAGS, raw, receive, veth
from test_tap import (iperf, links, name, namespaces, sh,  # noqa: F401
                      state)

MODES = ['bridge', 'vepa', 'private', 'passthru']


def has_macvtap():
    link = f'rwmx{os.getpid()}'
    if os.geteuid() or subprocess.run(
            ['ip', 'link', 'add', link, 'type', 'veth'],
            capture_output=True).returncode:
        return False
    try:
        return not subprocess.run(
            ['ip', 'link', 'add', link + 'm', 'link', link, 'type',
             'macvtap'], capture_output=True).returncode
    finally:
        subprocess.run(['ip', 'link', 'del', link], capture_output=True)


pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not has_macvtap(), reason='no macvtap here'),
]


@pytest.fixture
def pair():
    with veth('mv') as p:
        yield p


def details(link):
    return json.loads(sh('ip', '-j', '-d', 'link', 'show', link))[0]


def on(below):
    """Returns the names of the macvtaps on an interface."""
    return {link['ifname'] for link in
            json.loads(sh('ip', '-j', 'link', 'show', 'type', 'macvtap'))
            if link.get('link') == below}


def fds(s):
    return len(os.listdir(f'/proc/{s.pid}/fd'))


@contextlib.contextmanager
def macvtap(below):
    link = name('mt')
    sh('ip', 'link', 'add', link, 'link', below, 'type', 'macvtap', 'mode',
       'bridge')
    try:
        sh('ip', 'link', 'set', link, 'up')
        yield link
    finally:
        subprocess.run(['ip', 'link', 'del', link], capture_output=True)


def test_made_and_removed(up, pair):
    below, outer = pair
    s = up('vhost-user,id=vm')
    s.call('version')
    before = fds(s)
    for mode in MODES:
        s.call('port.add', netdev=f'macvtap,id=m,link={below},mode={mode},'
               'queues=2')
        link, = on(below)
        assert link.startswith('macvtap')
        info = details(link)
        assert info['linkinfo']['info_kind'] == 'macvtap'
        assert info['linkinfo']['info_data']['mode'] == mode
        s.wait_link('m')
        shown = state(s, 'm')
        assert shown['interface'] == link and shown['vnet_hdr']
        assert shown['created'] and shown['mtu'] == 1500
        assert len(s.stats('m')['rx']) == 2
        vm = s.front('vm')
        with raw(outer) as out:
            vm.send(ether(1, BROADCAST))
            while (got := receive(out))[12:14] != b'\x88\xb5':
                pass
            assert got == ether(1, BROADCAST)
            out.send(ether(2, info['address']))
            assert ether(2, info['address']) in [f for _, f in vm.recv_all()]
        vm.close()
        s.call('port.del', id='m')
        assert not on(below)
    lab.wait_until(lambda: fds(s) == before, 3, 'descriptors')
    s.call('port.add', netdev=f'macvtap,id=m,link={below},ifname={name("mn")},'
           f'mac={mac(7)}')
    assert details(name('mn'))['address'] == mac(7)
    s.stop_cleanly()
    assert not on(below)


# What arrives at the port, by mode, from the other end of the cable: with and
# without a sniffer on the macvtap. docs/back-ends.md has this table.
GROUPS = {
    'STP': '01:80:c2:00:00:00',
    'LACP': '01:80:c2:00:00:02',
    'LLDP': '01:80:c2:00:00:0e',
    'PTP': '01:1b:19:00:00:00',
    'mDNS': '01:00:5e:00:00:fb',
    'IPv6 nodes': '33:33:00:00:00:01',
    'broadcast': BROADCAST,
}
ARRIVES = {
    'bridge': {*GROUPS, 'own'},
    'vepa': {*GROUPS, 'own'},
    'private': {*GROUPS, 'own'},
    'passthru': {*GROUPS, 'own', 'other'},
}


def arrived(vm, marks):
    got = set()
    for _, frame in vm.recv_all(0.3):
        if frame[12:14] == b'\x88\xb5':
            got.add(marks[frame[:6].hex(':')])
    return got


@pytest.mark.parametrize('made', [True, False], ids=['made', 'there before'])
@pytest.mark.parametrize('mode', MODES)
def test_what_arrives(up, pair, mode, made):
    below, outer = pair
    link = name('mt')
    if not made:
        sh('ip', 'link', 'add', link, 'link', below, 'type', 'macvtap',
           'mode', mode)
        sh('ip', 'link', 'set', link, 'up')
    s = up('vhost-user,id=vm', f'macvtap,id=m,link={below},ifname={link},'
           f'mode={mode}' if made else f'macvtap,id=m,ifname={link}')
    s.wait_link('m')
    own = details(link)['address']
    sent = {**GROUPS, 'own': own, 'other': mac(9)}
    marks = {address: what for what, address in sent.items()}
    assert details(below)['allmulti'] >= 1, 'a NIC would filter else'
    vm = s.front('vm')
    with raw(outer) as out:
        for sniffs in (False, True, False):
            with contextlib.ExitStack() as stack:
                if sniffs:
                    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                            socket.htons(3))
                    stack.enter_context(sniffer)
                    sniffer.bind((link, 3))
                    sniffer.setsockopt(263, 1, struct.pack(
                        'iHH8s', socket.if_nametoindex(link), 1, 0, b''))
                for address in sent.values():
                    out.send(ether(2, address))
                assert arrived(vm, marks) == ARRIVES[mode], f'{sniffs}'
            # all of it leaves
            for address in GROUPS.values():
                vm.send(ether(1, address))
            left = set()
            out.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                while True:
                    frame = receive(out)
                    if frame[12:14] == b'\x88\xb5':
                        left.add(marks[frame[:6].hex(':')])
            assert left == set(GROUPS)


def test_tags(up, pair):
    """Tags pass both ways, also where the kernel keeps them beside the frame.
    """
    below, outer = pair
    s = up('vhost-user,id=vm', f'macvtap,id=m,link={below}')
    s.wait_link('m')
    own = details(state(s, 'm')['interface'])['address']
    vm = s.front('vm')
    with raw(outer) as out:
        for what, tag in TAGS.items():
            for address in (own, BROADCAST):
                plain = ether(2, address)
                frame = plain[:12] + tag + plain[12:]
                out.send(frame)
                assert frame in [f for _, f in vm.recv_all(0.1)], what
            plain = ether(1, BROADCAST)
            frame = plain[:12] + tag + plain[12:]
            vm.send(frame)
            while (got := receive(out))[6:12] != frame[6:12]:
                pass
            assert got == frame, what


def test_between_macvtaps(up, pair):
    """Two on one interface: as the mode says."""
    below, outer = pair
    for mode, reach in (('bridge', True), ('vepa', False), ('private', False)):
        s = up('vhost-user,id=v1,net=a', 'vhost-user,id=v2,net=b',
               f'macvtap,id=m1,net=a,link={below},mode={mode},mac={mac(1)}',
               f'macvtap,id=m2,net=b,link={below},mode={mode},mac={mac(2)}')
        for port in ('m1', 'm2'):
            s.wait_link(port)
        a, b = s.front('v1'), s.front('v2')
        a.send(ether(1, mac(2)))
        assert (ether(1, mac(2)) in
                [f for _, f in b.recv_all(0.3)]) == reach, mode
        a.close(), b.close()
        s.stop_cleanly()


def test_the_interface_below(up, pair):
    below, outer = pair
    s = up('vhost-user,id=vm', f'macvtap,id=m,link={below}')
    s.wait_link('m')
    vm = s.front('vm')
    with raw(outer) as out:
        out.send(ether(2, BROADCAST))
    lab.wait_until(lambda: ('default', mac(2)) in s.macs(), 3, 'learning')
    sh('ip', 'link', 'set', outer, 'down')
    s.wait_link('m', up=False)
    before = s.stats('m')['tx_down']
    vm.send(ether(1, mac(2)))
    assert state(s, 'm')['interface_state'] == 'no carrier'
    lab.wait_until(lambda: s.stats('m')['tx_down'] == before + 1, 3, 'a drop')
    sh('ip', 'link', 'set', outer, 'up')
    s.wait_link('m')
    sh('ip', 'link', 'set', below, 'mtu', '1280')
    lab.wait_until(lambda: state(s, 'm')['mtu'] == 1280, 3, 'the MTU')
    sh('ip', 'link', 'del', below)
    s.wait_link('m', up=False)
    assert state(s, 'm')['interface_state'] == 'gone'
    ticks = s.cpu_ticks()
    time.sleep(0.3)
    assert s.cpu_ticks() - ticks < 10
    s.call('port.del', id='m')
    assert 'cannot remove' not in s.log_text()


def test_one_that_is_there(up, pair):
    below, outer = pair
    with macvtap(below) as link:
        s = up('null,id=n')
        s.call('version')
        before = fds(s)
        s.call('port.add', netdev=f'macvtap,id=m,ifname={link},queues=2')
        s.wait_link('m')
        assert details(link)['allmulti'] == 1
        assert not state(s, 'm')['created']
        with pytest.raises(lab.RpcError, match='another port has it'):
            s.call('port.add', netdev=f'macvtap,id=x,ifname={link}')
        s.call('port.del', id='m')
        assert link in links() and details(link)['allmulti'] == 0
        lab.wait_until(lambda: fds(s) == before, 3, 'descriptors')


def test_by_descriptor(up, pair):
    below, outer = pair
    with macvtap(below) as link:
        path = f'/dev/tap{socket.if_nametoindex(link)}'
        if not os.path.exists(path):
            pytest.skip(f'there is no {path}')
        own = details(link)['address']
        one, two = (os.open(path, os.O_RDWR) for _ in range(2))
        s = up('vhost-user,id=vm', f'tap,id=m,fds={one}:{two}',
               pass_fds=[one, two])
        for fd in (one, two):
            os.close(fd)
        s.wait_link('m')
        assert state(s, 'm')['interface'] == link
        vm = s.front('vm')
        with raw(outer) as out:
            for address in (own, GROUPS['LLDP']):
                out.send(ether(2, address))
                assert ether(2, address) in [f for _, f in vm.recv_all()]
        assert details(link)['allmulti'] == 1
        s.call('port.del', id='m')
        assert details(link)['allmulti'] == 0
        done = subprocess.run(
            ['sh', '-c', f'exec {BINARY} port add tap,id=m,fd=7 --control '
             f'{s.control} 7<>{path}'], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        s.wait_link('m')
        sh('ip', 'link', 'del', link)
        s.wait_link('m', up=False)
        assert state(s, 'm')['interface_state'] == 'gone'


def test_tcp_to_a_namespace(up, pair, namespaces):  # noqa: F811
    """Behind the macvtap is a tap in one namespace, before it the kernel of
    another one: large frames pass both ways."""
    below, outer = pair
    tap = name('mp')
    s = up(f'tap,id=t,ifname={tap}', f'macvtap,id=m,link={below},mac={mac(5)}')
    a, b = namespaces.new('ma'), namespaces.new('mb')
    sh('ip', 'link', 'set', tap, 'down', 'address', mac(5))
    namespaces.take(a, tap, '10.88.0.1/24')
    namespaces.take(b, outer, '10.88.0.2/24')
    s.wait_link('t'), s.wait_link('m')
    namespaces.start(b, 'iperf3', '-s')
    lab.wait_until(lambda: ':5201' in namespaces.run(b, 'ss', '-ltn'), 5,
                   'iperf3 server')
    for extra in ([], ['-R']):
        before = s.stats('m')
        assert iperf(namespaces, a, '10.88.0.2', *extra) > 50e6
        after = s.stats('m')
        way = 'rx' if extra else 'tx'
        assert (after[f'{way}_bytes'] - before[f'{way}_bytes']) / \
            (after[f'{way}_frames'] - before[f'{way}_frames']) > 4000


# A /dev without the devices of macvtaps. {link} and {stale} are macvtaps.
DEV = '''
mount -t tmpfs -o {options},mode=755 tmpfs /dev
[ {options} = nodev ] && touch /dev/null || mknod -m 666 /dev/null c 1 3
mknod /dev/urandom c 1 9
[ -z "{stale}" ] || mknod /dev/tap{index} c {stale}
exec "$@"
'''


@pytest.mark.parametrize('options,stale,words', [
    ('dev', False, None),
    ('dev', True, None),
    ('nodev', False, 'cannot open .*nor make a node'),
])
def test_a_container_without_the_device(up, folder, pair, options, stale,
                                        words):
    below, outer = pair
    with macvtap(below) as link:
        index = socket.if_nametoindex(link)
        number = ''
        if stale:
            sh('ip', 'link', 'add', name('ms'), 'link', below, 'type',
               'macvtap')
            other = socket.if_nametoindex(name('ms'))
            with open(f'/sys/class/net/{name("ms")}/macvtap/tap{other}/dev') \
                    as f:
                number = f.read().strip().replace(':', ' ')
        text = DEV.format(options=options, stale=number, index=index)
        s = up('null,id=n', prefix=['unshare', '-m', 'sh', '-c', text, 'sh'])
        netdev = f'macvtap,id=m,ifname={link}'
        if words:
            with pytest.raises(lab.RpcError, match=words):
                s.call('port.add', netdev=netdev)
            with pytest.raises(lab.RpcError, match=words):
                s.call('port.add', netdev=f'macvtap,id=m,link={below}')
            assert on(below) == {link}
        else:
            s.call('port.add', netdev=netdev)
            s.wait_link('m')
            assert state(s, 'm')['interface'] == link
        assert not [f for f in os.listdir(f'/proc/{s.pid}/root/dev')
                    if f.startswith('ringway')]


@pytest.mark.parametrize('keys,words', [
    ('', 'link: is needed'),
    ('mode=bridge', 'link: is needed'),
    ('ifname=lo,mode=vepa', 'mode: is for a macvtap that is made'),
    (f'ifname=lo,mac={mac(1)}', 'mac: is for a macvtap that is made'),
    ('ifname=lo', 'ifname=lo: is no macvtap'),
    ('ifname=nosuchif', 'ifname=nosuchif: no such interface; link='),
    ('link=nosuchif', 'link=nosuchif: no such interface'),
    ('link=lo', 'link=lo: takes no macvtap: it is no Ethernet'),
    ('link={below},mode=source', 'mode=source: must be'),
    ('link={below},ifname=lo', 'ifname=lo: is there already'),
    ('link={below},ifname=averyverylongname1', 'must be an interface name'),
    ('link=a b', 'link=a b: must be an interface name'),
    ('link={below},mac=01:00:5e:00:00:01', 'mac=01:.*of one interface'),
    ('link={below},mac=52:54:00:12:34', 'must be an address'),
    ('link={below},mac=52:54:00:12:34:56x', 'must be an address'),
    ('link={below},mac=00:00:00:00:00:00', 'must be an address'),
    ('link={below},queues=65', 'queues=65'),
    ('link={below},vhost=on', 'vhost'),
])
def test_bad_lines(up, pair, keys, words):
    s = up('null,id=n')
    s.call('version')
    before = fds(s)
    with pytest.raises(lab.RpcError, match=words):
        s.call('port.add', netdev=f'macvtap,id=m,{keys}'.format(
            below=pair[0]).rstrip(','))
    assert not on(pair[0]) and fds(s) == before


def test_passthru_is_for_one(up, pair):
    s = up(f'macvtap,id=m,link={pair[0]},mode=passthru')
    for mode in MODES:
        with pytest.raises(lab.RpcError, match='passthru, which is for one'):
            s.call('port.add', netdev=f'macvtap,id=x,link={pair[0]},'
                   f'mode={mode}')
    assert len(on(pair[0])) == 1


def test_as_an_ordinary_user(up, nobody, pair):
    binary, prefix = nobody
    s = up('null,id=n', binary=binary, prefix=prefix)
    with pytest.raises(lab.RpcError, match='no right to make a macvtap'):
        s.call('port.add', netdev=f'macvtap,id=m,link={pair[0]}')
    with macvtap(pair[0]) as link:
        path = f'/dev/tap{socket.if_nametoindex(link)}'
        with pytest.raises(lab.RpcError, match='no right to open /dev/tap'):
            s.call('port.add', netdev=f'macvtap,id=m,ifname={link}')
        sh('chown', 'nobody', path)
        s.call('port.add', netdev=f'macvtap,id=m,ifname={link}')
        s.wait_link('m')
        assert 'only multicast of groups that the host joined' in s.log_text()
