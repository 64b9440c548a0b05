# SPDX-License-Identifier: Apache-2.0
"""Helpers that bring an interface: QEMU's qemu-bridge-helper as an ordinary
user, and small programs of our own in its place."""
import os
import re
import shutil
import subprocess
import time

import lab
import pytest
from conftest import BINARY
from frames import BROADCAST, ether, mac
from test_packet import raw, receive
from test_tap import links, name, sh, state
from test_watch import Watcher

HELPER = '/usr/lib/qemu/qemu-bridge-helper'
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not os.path.exists('/dev/net/tun'),
                       reason='there is no /dev/net/tun'),
]


@pytest.fixture
def bridge():
    br = name('bh')
    done = subprocess.run(['ip', 'link', 'add', br, 'type', 'bridge'],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f'no bridges here: {done.stderr.strip()}')
    with open(f'/proc/sys/net/ipv6/conf/{br}/disable_ipv6', 'w') as f:
        f.write('1')
    sh('ip', 'link', 'set', br, 'up')
    yield br
    sh('ip', 'link', 'del', br)


def members(br):
    return os.listdir(f'/sys/class/net/{br}/brif')


def fds(s):
    return len(os.listdir(f'/proc/{s.pid}/fd'))


class User:
    """An ordinary user with a helper of his own that has the setuid bit, and
    with an /etc of his own, in a mount namespace."""

    def __init__(self, folder, nobody):
        self.binary, become = nobody
        self.etc = os.path.join(folder, 'etc')
        os.makedirs(os.path.join(self.etc, 'qemu'))
        for file in ('passwd', 'group'):
            shutil.copy(f'/etc/{file}', self.etc)
        self.helper = shutil.copy(HELPER, folder)
        os.chmod(self.helper, 0o4755)
        self.prefix = ['unshare', '-m', 'sh', '-c',
                       f'mount --bind {self.etc} /etc && exec "$@"', 'sh',
                       *become]
        done = subprocess.run([*self.prefix, 'true'], capture_output=True,
                              text=True)
        if done.returncode:
            pytest.skip(f'no mount namespaces: {done.stderr.strip()}')

    def allow(self, *lines):
        with open(os.path.join(self.etc, 'qemu', 'bridge.conf'), 'w') as f:
            f.write(''.join(line + '\n' for line in lines))


@pytest.fixture
def user(folder, nobody):
    if not os.path.exists(HELPER):
        pytest.skip(f'there is no {HELPER}')
    return User(folder, nobody)


@pytest.mark.parametrize('netdev', ['bridge,id=b,br={br},helper={helper}',
                                    'tap,id=b,br={br},helper={helper}'])
def test_an_ordinary_user_gets_onto_a_bridge(up, user, bridge, netdev):
    user.allow(f'allow {bridge}')
    s = up('vhost-user,id=vm',
           netdev.format(br=bridge, helper=user.helper),
           binary=user.binary, prefix=user.prefix)
    s.wait_link('b')
    tap, = members(bridge)
    shown = state(s, 'b')
    assert shown['interface'] == tap and shown['interface_state'] == 'up'
    assert shown['vnet_hdr'] and shown['mtu'] == 1500
    vm = s.front('vm')
    with raw(bridge) as host:
        vm.send(ether(1, BROADCAST))
        assert receive(host) == ether(1, BROADCAST)
        host.send(ether(2, mac(1)))
        assert ether(2, mac(1)) in [f for _, f in vm.recv_all()]
    s.call('port.del', id='b')
    lab.wait_until(lambda: not members(bridge), 3, 'the end of the tap')
    before = fds(s)
    for _ in range(3):
        s.call('port.add', netdev=netdev.format(br=bridge, helper=user.helper))
        s.wait_link('b')
        s.call('port.del', id='b')
    assert fds(s) == before


@pytest.mark.parametrize('conf,words', [
    (['allow other'], 'access denied by acl file.*allow {br}.*bridge.conf'),
    (['allow {br}', 'deny {br}'], 'access denied by acl file'),
    (None, "failed to parse default acl file .*must exist.*allow {br}"),
    (['allow all'], 'failed to get mtu of bridge.*is there a bridge nosuch'),
])
def test_what_the_helper_complains_of(folder, user, bridge, conf, words):
    br = 'nosuch' if conf == ['allow all'] else bridge
    if conf:
        user.allow(*(line.format(br=bridge) for line in conf))
    done = subprocess.run(
        [*user.prefix, user.binary, 'up', '--control', f'{folder}/c.sock',
         '-netdev', f'bridge,id=b,br={br},helper={user.helper}'],
        capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f'ringway: netdev b: helper={user.helper}: ended '
                           'with status 1: '), done.stderr
    assert re.search(words.format(br=bridge), last), last
    assert not members(bridge)


def test_a_helper_without_the_setuid_bit(folder, user, bridge):
    user.allow('allow all')
    os.chmod(user.helper, 0o755)
    done = subprocess.run(
        [*user.prefix, user.binary, 'up', '--control', f'{folder}/c.sock',
         '-netdev', f'bridge,id=b,br={bridge},helper={user.helper}'],
        capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and 'chmod u+s' in done.stderr, done.stderr


def test_no_helper(folder):
    done = subprocess.run(
        [BINARY, 'up', '--control', f'{folder}/c.sock', '-netdev',
         f'bridge,id=b,helper={folder}/none'],
        capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert f'helper={folder}/none: there is no such program' in done.stderr


def helper(folder, text):
    """Makes a helper in Python, which has the number of its socket in fd, the
    bridge in br, and pass_tap()."""
    path = os.path.join(folder, 'helper.py')
    with open(path, 'w') as f:
        f.write('#!/usr/bin/python3\n' '''
import fcntl, os, socket, struct, sys, time
fd = int([a for a in sys.argv if a.startswith('--fd=')][-1][5:])
br = [a for a in sys.argv if a.startswith('--br=')][-1][5:]
def pass_tap(flags=0x5002):
    tap = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(tap, 0x400454ca, struct.pack('16sH22x', NAME, flags))
    os.system(f'ip link set {NAME.decode()} up')
    socket.send_fds(socket.socket(fileno=fd), [b'x'], [tap])
''' f'NAME = {name("hp").encode()!r}\n{text}\n')
    os.chmod(path, 0o755)
    return path


def test_a_helper_keeps_nobody_waiting(up, folder):
    tap = name('hp')
    path = helper(folder, 'time.sleep(1.5); pass_tap()')
    s = up('vhost-user,id=vm')
    before = fds(s)

    def seconds(method, **params):
        begin = time.monotonic()
        s.call(method, **params)
        return time.monotonic() - begin

    assert seconds('port.add', netdev=f'bridge,id=b,helper={path}') < 0.7
    assert state(s, 'b')['interface_state'] == 'helper running'
    assert not s.link('b')
    s.front('vm')  # a session begins meanwhile
    assert not s.link('b')
    s.wait_link('b')
    assert state(s, 'b')['interface'] == tap
    assert seconds('port.del', id='b') < 0.5
    lab.wait_until(lambda: tap not in links(), 3, 'the end of the tap')
    # A port that goes first ends its helper, and what that passes is closed.
    path = helper(folder, 'pass_tap(); time.sleep(60)')
    fast = seconds('port.add', netdev=f'tap,id=b,helper={path}')
    lab.wait_until(lambda: tap in links(), 3, 'the tap')
    assert fast < 0.7 and seconds('port.del', id='b') < 0.5
    lab.wait_until(lambda: tap not in links(), 3, 'the end of the helper')
    lab.wait_until(lambda: not s.children(), 3, 'reaping')
    s.call('port.del', id='vm')
    assert fds(s) <= before


def test_the_end_of_the_daemon(up, folder):
    path = helper(folder, 'pass_tap(); time.sleep(60)')
    s = up('null,id=n')
    s.call('port.add', netdev=f'bridge,id=b,helper={path}')
    lab.wait_until(lambda: name('hp') in links(), 3, 'the tap')
    s.stop_cleanly()
    assert name('hp') not in links()


@pytest.mark.parametrize('text,words', [
    ('pass', 'ended without passing a descriptor'),
    ('os.write(2, b"no luck\\ntoday\\n"); sys.exit(3)',
     'ended with status 3: no luck today'),
    ('os.write(2, b"no luck\\n")', 'without passing a descriptor: no luck'),
    ('os.kill(os.getpid(), 9)', 'ended by signal 9'),
    ('socket.send_fds(socket.socket(fileno=fd), [b"x"], [0])',
     'what it passed is no open tap'),
    ('pass_tap(0x1)', 'what it passed must be opened with IFF_TAP'),
    ('pass_tap(); sys.exit(1)', 'ended with status 1'),
    ('socket.socket(fileno=fd).send(b"x" * 5000)', 'without passing'),
    ('for _ in range(9): os.write(2, b"x" * 1000)\npass_tap()', 'status 1'),
])
def test_helpers_that_fail(up, folder, text, words):
    """The last one writes more than is kept, which fails for it."""
    s = up('null,id=n')
    s.call('version')
    before = fds(s)
    path = helper(folder, text)
    watcher = Watcher(s, 'fault')
    s.call('port.add', netdev=f'bridge,id=b,helper={path}')
    event, = watcher.brief(1)
    watcher.close()
    lab.wait_until(lambda: state(s, 'b')['interface_state'] == 'failed', 5,
                   'failure')
    reason = state(s, 'b')['reason']
    assert reason.startswith(f'helper={path}: ') and words in reason
    assert event['port'] == 'b' and event['text'] == reason
    assert not s.link('b') and name('hp') not in links()
    s.call('port.del', id='b')
    lab.wait_until(lambda: fds(s) == before, 3, 'descriptors')


def test_a_helper_that_passes_too_many(up, folder):
    """The descriptors that are not taken are closed."""
    path = f'{folder}/helper.py'
    with open(path, 'w') as f:
        f.write('#!/usr/bin/python3\nimport os, socket, sys\n'
                'fd = int([a for a in sys.argv if a.startswith("--fd=")][0]'
                '[5:])\nn = os.open("/dev/null", 0)\n'
                'socket.send_fds(socket.socket(fileno=fd), [b"x"], [n, n, n])')
    os.chmod(path, 0o755)
    s = up('null,id=n')
    before = fds(s)
    for _ in range(3):
        s.call('port.add', netdev=f'bridge,id=b,br=br0,helper={path}')
        lab.wait_until(lambda: 'passed several descriptors' in
                       state(s, 'b').get('reason', ''), 5, 'the reason')
        s.call('port.del', id='b')
    lab.wait_until(lambda: fds(s) == before, 3, 'all are closed')


def test_a_command_of_the_shell(up, folder):
    """As in QEMU: blanks make it one, and it may name the bridge itself."""
    path = helper(folder, f'open("{folder}/args", "w").write(br)\npass_tap()')
    for value, br in ((f'{path} --x', 'br0'), (f'{path} --br=br7', 'br7')):
        s = up('null,id=n', f'bridge,id=b,helper={value}')
        s.wait_link('b')
        assert open(f'{folder}/args').read() == br
        s.stop_cleanly()


@pytest.mark.parametrize('keys', ['ifname=x', 'queues=2', 'vnet_hdr=on',
                                  'script=/x', 'downscript=/x', 'fd=3'])
def test_options_that_a_helper_excludes(up, folder, keys):
    s = up('null,id=n')
    with pytest.raises(lab.RpcError, match='cannot stand together with'):
        s.call('port.add', netdev=f'tap,id=t,helper=/bin/true,{keys}')
    with pytest.raises(lab.RpcError, match='br=a b: must be an interface'):
        s.call('port.add', netdev='bridge,id=t,br=a b')
