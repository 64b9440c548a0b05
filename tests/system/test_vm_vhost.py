# SPDX-License-Identifier: Apache-2.0
"""Cards of `ringway vm` on vhost back-ends: the kernel's vhost-net, and
vhost-user. The machines run in a guest of their own, see vm_lab.py."""
import base64
import os
import re
import signal
import subprocess

import lab
import pytest
from conftest import BINARY
from vm_lab import APPEND, KERNEL, NET, number


def host_address(l1, address):
    """Gives rwvm0 an address as soon as it is there."""
    l1.run(f'(for i in $(seq 200); do ip addr add {address}/24 dev rwvm0 '
           '2>/dev/null && break; usleep 100000; done) >/dev/null 2>&1 &')


PINGS = 'ip link set eth0 up; ip addr add 10.9.0.2/24 dev eth0; sleep 1; ' \
    'ping -q -c 3 10.9.0.1; ping -q -c 1 -s 30000 10.9.0.1; ' \
    'wget -q -O - http://10.9.0.1:8090/data | md5sum; '


@pytest.mark.guests
@pytest.mark.parametrize('queues,card', [
    (1, ''), (2, ',mq=on'), (1, ',vectors=0,ctrl_vq=off'),
    (1, ',csum=off,gso=off,guest_csum=off,guest_gso=off,mrg_rxbuf=off')])
def test_vhost_net(l1, queues, card):
    """The kernel moves the frames: it has a thread for each pair of queues."""
    l1.run('mkdir -p /tmp/w; dd if=/dev/urandom of=/tmp/w/data bs=1M count=2 '
           '2>/dev/null; (httpd -p 8090 -h /tmp/w) 2>/dev/null; true')
    want = l1.run('md5sum /tmp/w/data').split()[0]
    host_address(l1, '10.9.0.1')
    l1.run('echo 0 >/tmp/threads; (for i in $(seq 1500); do cat '
           '/proc/[0-9]*/comm /proc/[0-9]*/task/*/comm | grep ^vhost- | '
           'sort -u | wc -l >/tmp/n; grep -q "^0" /tmp/n || break; '
           'usleep 100000; done; mv /tmp/n /tmp/threads) >/dev/null 2>&1 &')
    text, status = l1.boot(
        PINGS + 'ls /sys/class/net/eth0/queues', f'-smp {queues}',
        f'-netdev tap,id=t,ifname=rwvm0,queues={queues},vhost=on,poll-us=20 '
        f'-device virtio-net-pci,netdev=t{card}')
    assert status == 0 and '3 packets received' in text, text
    assert '1 packets received' in text and want in text, text
    assert ('rx-1' in text) == (queues == 2), text
    assert number(l1.run('cat /tmp/threads')) >= 1
    assert l1.run('ip link show rwvm0', check=False)[0]


@pytest.mark.guests
def test_vhost_net_with_scripts(l1):
    """The up script ends before the machine begins; the down script has the
    interface. Without a header at the tap the kernel has it."""
    for name, body in (('up', 'ip addr add 10.9.0.1/24 dev $1; '
                        'ip link set $1 up; echo up $1'),
                       ('down', 'echo down $1 $(ls /sys/class/net)')):
        l1.run(f"echo '#!/bin/sh' >/tmp/v{name}; "
               f"echo '{body}' >>/tmp/v{name}; chmod +x /tmp/v{name}")
    text, status = l1.boot(
        'ip link set eth0 up; ip addr add 10.9.0.2/24 dev eth0; sleep 1; '
        'ping -q -c 3 10.9.0.1; ping -q -c 1 -s 30000 10.9.0.1',
        net='-netdev tap,id=t,ifname=rwvm0,vhost=on,script=/tmp/vup,'
        'downscript=/tmp/vdown,vnet_hdr=off -device virtio-net-pci,netdev=t',
        timeout=240)
    assert status == 0 and '3 packets received' in text, text
    assert '1 packets received' in text and 'up rwvm0' in text, text
    assert re.search('^down rwvm0 .*rwvm0', text, re.M), text
    assert l1.run('ip link show rwvm0', check=False)[0]


@pytest.mark.guests
def test_vhost_net_is_not_there(l1):
    """Then this process moves the frames, unless it must not."""
    line = '-netdev tap,id=t,ifname=rwvm0,vhost=on{} -device ' \
        'virtio-net-pci,netdev=t'
    l1.run('mv /dev/vhost-net /dev/away')
    try:
        host_address(l1, '10.9.0.1')
        text, status = l1.boot(PINGS, net=line.format(''))
        assert status == 0 and '3 packets received' in text, text
        assert 'vhost=on: /dev/vhost-net: No such file' in text, text
        text, status = l1.boot(PINGS, net=line.format(',vhostforce=on'))
        assert status == 1 and 'modprobe vhost_net' in text, text
    finally:
        l1.run('mv /dev/away /dev/vhost-net')


SWITCH = 'ringway up --control /tmp/sw.sock -netdev vhost-user,id=vm,path=' \
    '/tmp/vm.sock,queues=2 -netdev user,id=n >/tmp/sw.log 2>&1 & ' \
    'echo $! >/tmp/sw.pid; sleep 1'
TO_SWITCH = '-chardev socket,id=c,path=/tmp/vm.sock,reconnect=1 -netdev ' \
    'vhost-user,id=n,chardev=c,queues={} -device virtio-net-pci,netdev=n{}'


@pytest.mark.guests
@pytest.mark.parametrize('queues,card', [
    (1, ''), (2, ',mq=on,packed=on'), (1, ',vectors=0,in_order=on')])
def test_vhost_user(l1, queues, card):
    """A switch of its own moves the frames, also after a reset."""
    l1.run(SWITCH)
    try:
        text, status = l1.boot(
            NET + 'ping -q -c 3 10.0.2.2; ls /sys/class/net/eth0/queues; '
            'true', f'-smp {queues}',
            TO_SWITCH.format(queues, card))
        assert status == 0 and '3 packets received' in text, text
        assert ('rx-1' in text) == (queues == 2), text
        assert 'front-end connected' in l1.run('cat /tmp/sw.log')
        status, text = l1.run('ringway vm -name nobody ' + KERNEL + ' ' +
                              TO_SWITCH.format(4, ',mq=on') + ' </dev/null',
                              check=False)
        assert status == 1 and '4 queue pairs are needed' in text, text
    finally:
        l1.run('kill $(cat /tmp/sw.pid); sleep 0.5')


@pytest.mark.guests
@pytest.mark.parametrize('packed', ['off', 'on'])
def test_back_end_that_restarts(l1, packed):
    """The guest goes on without a reset: the link goes and comes. Packed rings
    cannot be taken up; the driver is told."""
    l1.run(SWITCH)
    word = base64.b64encode((NET + 'while :; do ping -q -c 1 -W 1 10.0.2.2 '
                             '>/dev/null && echo alive; sleep 0.2; done'
                             ).encode()).decode()
    l1.run(f'XDG_RUNTIME_DIR=/tmp ringway vm -name re -m 192 {KERNEL} -append '
           f'"{APPEND} rw.run={word}" ' +
           TO_SWITCH.format(1, f',packed={packed}') +
           ' </dev/null >/tmp/re.log 2>&1 & echo $! >/tmp/re.pid')

    def alive():
        text = l1.run('grep -c alive /tmp/re.log', check=False)[1]
        return number(text)
    try:
        lab.wait_until(lambda: alive() > 2, 200, 'a guest that pings')
        l1.run('kill -9 $(cat /tmp/sw.pid); sleep 1; ' + SWITCH)
        before = alive()
        if packed == 'off':
            lab.wait_until(lambda: alive() > before + 3, 30,
                           'that it goes on')
        else:
            lab.wait_until(lambda: 'packed rings do not say' in
                           l1.run('cat /tmp/re.log'), 30, 'word of it')
        log = l1.run('cat /tmp/re.log')
        assert 'the back-end closed the connection' in log, log
        assert ': connected' in log, log
    finally:
        l1.run('kill $(cat /tmp/re.pid) $(cat /tmp/sw.pid); sleep 0.5')


CLIENT = 'ringway up --control /tmp/sw.sock -netdev vhost-user,id=vm,path=' \
    '/tmp/vs.sock,server=off,reconnect-ms=100 -netdev user,id=n ' \
    '>/tmp/sw.log 2>&1 & echo $! >/tmp/sw.pid; '
LISTENS = '-chardev socket,id=c,path=/tmp/vs.sock,server=on{} -netdev ' \
    'vhost-user,id=n,chardev=c -device virtio-net-pci,netdev=n '


def in_background(l1, name, script, net):
    """Starts a machine of this name; its console goes to /tmp/NAME.log."""
    word = base64.b64encode(script.encode()).decode()
    l1.run(f'XDG_RUNTIME_DIR=/tmp ringway vm -name {name} -m 192 {KERNEL} '
           f'-append "{APPEND} rw.run={word}" {net} </dev/null '
           f'>/tmp/{name}.log 2>&1 & echo $! >/tmp/{name}.pid')


def count(l1, word, log):
    return number(l1.run(f'grep -c "{word}" {log}', check=False)[1])


PING_ON = 'ip link set eth0 up; while :; do [ -n "$up" ] || udhcpc -i eth0 ' \
    '-q -n -t 2 >/dev/null 2>&1 && up=1; ping -q -c 1 -W 1 10.0.2.2 ' \
    '>/dev/null 2>&1 && echo alive; sleep 0.2; done'


@pytest.mark.guests
def test_back_end_connects(l1):
    """server=on,wait=off: the guest boots without a back-end, and goes on with
    each that comes, without a reset."""
    in_background(l1, 'srv', 'echo booted; ' + PING_ON,
                  LISTENS.format(',wait=off'))
    try:
        lab.wait_until(lambda: count(l1, 'booted', '/tmp/srv.log'), 240, 'boot',
                       every=0.5)
        assert not count(l1, 'alive', '/tmp/srv.log')
        for n in (1, 2):
            before = count(l1, 'alive', '/tmp/srv.log')
            l1.run(CLIENT)
            lab.wait_until(lambda: count(l1, 'alive', '/tmp/srv.log') >
                           before + 2, 120, f'back-end {n}')
            if n == 1:
                l1.run('kill -9 $(cat /tmp/sw.pid); sleep 1')
        assert count(l1, ': connected', '/tmp/srv.log') == 2
    finally:
        l1.run('kill $(cat /tmp/srv.pid) $(cat /tmp/sw.pid); sleep 0.5')
    assert l1.run('test -e /tmp/vs.sock', check=False)[0]


@pytest.mark.guests
def test_machine_waits_for_back_end(l1):
    """server=on alone waits, as QEMU does; then the card has what the back-end
    offers."""
    l1.run('(sleep 3; ' + CLIENT + ') >/dev/null 2>&1 &')
    text, status = l1.boot(NET + 'ping -q -c 3 10.0.2.2; ethtool -k eth0',
                           net=LISTENS.format(''), timeout=240)
    l1.run('kill $(cat /tmp/sw.pid); sleep 0.5')
    assert status == 0 and '3 packets received' in text, text
    assert 'waits for a vhost-user back-end to connect to /tmp/vs.sock' in text
    assert 'tcp-segmentation-offload: on' in text, text


@pytest.mark.guests
def test_silent_back_end(l1):
    """A back-end that answers no more does not hold the guest: a driver that
    lets go of its rings goes on after a second, and the next one has the card
    again when the back-end is back."""
    l1.run(SWITCH)
    in_background(
        l1, 'mute', 'd=/sys/bus/virtio/drivers/virtio_net; '
        'while sleep 1; do ip link set eth0 up; '
        'ip link show eth0 | grep -q NO-CARRIER && break; '
        'echo virtio0 >$d/unbind; echo virtio0 >$d/bind; '
        'echo "took $?"; done; echo "no link"; ' + PING_ON, TO_SWITCH.format(1, ''))
    try:
        lab.wait_until(lambda: count(l1, 'took 0', '/tmp/mute.log'), 240,
                       'boot', every=0.5)
        l1.run('kill -STOP $(cat /tmp/sw.pid)')
        lab.wait_until(lambda: count(l1, 'no answer within 1000 ms',
                                     '/tmp/mute.log'), 60, 'the end of it')
        lab.wait_until(lambda: count(l1, 'no link', '/tmp/mute.log'), 60,
                       'that the guest sees it')
        l1.run('kill -CONT $(cat /tmp/sw.pid)')
        lab.wait_until(lambda: count(l1, 'alive', '/tmp/mute.log') > 2, 120,
                       'that it goes on')
    finally:
        l1.run('kill -CONT $(cat /tmp/sw.pid); '
               'kill $(cat /tmp/mute.pid) $(cat /tmp/sw.pid); sleep 0.5')


def command(folder, *words):
    """Runs a command about the machine; returns its status and output."""
    done = subprocess.run(
        [BINARY, 'vm', *words, '--control', f'{folder}/c.sock'],
        capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize('sig', [signal.SIGINT, signal.SIGTERM])
def test_end_while_waiting(folder, sig):
    """A machine that waits for a back-end says so, to commands, too, and a
    signal ends it."""
    path = f'{folder}/vs.sock'
    p = subprocess.Popen(
        [BINARY, 'vm', '--control', f'{folder}/c.sock', '-kernel', 'x',
         '-chardev', f'socket,id=c,path={path},server=on', '-netdev',
         'vhost-user,id=n,chardev=c', '-device', 'virtio-net-pci,netdev=n'],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert f'waits for a vhost-user back-end to connect to {path}' in \
            p.stderr.readline()
        assert os.path.exists(path)
        status, said = command(folder, 'show')
        assert status == 0 and 'starting' in said, said
        for what in ('stop', 'reset', 'device add virtio-rng-pci'):
            status, said = command(folder, *what.split())
            assert status == 1 and 'has not started: it waits' in said, said
        status, said = command(folder, 'device', 'list')
        assert status == 0 and 'n.card' in said, said
        p.send_signal(sig)
        text = p.communicate(timeout=10)[1]
    finally:
        p.kill()
    assert p.returncode == 1, text
    assert text.splitlines()[-1] == \
        f'ringway: device n.card: path={path}: ended while no back-end had ' \
        'connected'
    assert os.listdir(folder) == []


def with_script(folder, body):
    """Starts a machine on a tap whose up script is @body."""
    for name, text in (('up', body), ('down', f'echo down >>{folder}/said')):
        with open(f'{folder}/{name}', 'w', encoding='ascii') as f:
            f.write(f'#!/bin/sh\n{text}\n')
        os.chmod(f'{folder}/{name}', 0o755)
    return subprocess.Popen(
        [BINARY, 'vm', '--control', f'{folder}/c.sock', '-kernel', 'x',
         '-netdev', f'tap,id=t,ifname={IFNAME},vhostforce=on,script='
         f'{folder}/up,downscript={folder}/down', '-device',
         'virtio-net-pci,netdev=t'],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


IFNAME = f'rwvs{os.getpid()}'


@pytest.mark.root
@pytest.mark.skipif(not os.path.exists('/dev/net/tun'),
                    reason='there is no /dev/net/tun')
@pytest.mark.parametrize('body,words', [
    ('exit 3', 'ringway: device t.card: script={}/up: ended with status 3'),
    ('echo up >{}/said; exec sleep 100',
     'ringway: device t.card: ended while a script or helper ran'),
])
def test_up_script_of_a_card(folder, body, words):
    """One that fails, and a signal while one runs: nothing is left."""
    p = with_script(folder, body.format(folder))
    try:
        if 'sleep' in body:
            lab.wait_until(lambda: os.path.exists(f'{folder}/said'), 20,
                           'the script')
            p.send_signal(signal.SIGINT)
        text = p.communicate(timeout=20)[1]
    finally:
        p.kill()
    assert p.returncode == 1, text
    assert text.splitlines()[-1] == words.format(folder)
    with open(f'{folder}/said', encoding='ascii') as f:
        assert f.read().endswith('down\n')
    assert not os.path.exists(f'/sys/class/net/{IFNAME}')
    assert sorted(os.listdir(folder)) == ['down', 'said', 'up']
