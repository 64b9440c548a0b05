# SPDX-License-Identifier: Apache-2.0
"""Command line, control socket, bad input, and files that a daemon leaves."""
import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import time

import lab
import pytest
import vufront
from conftest import BINARY
from frames import BROADCAST, ether


def ringway(*args, timeout=5, **options):
    return subprocess.run([BINARY, *args], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout,
                          **options)


def refused(folder, *args, status=(1, 2), **options):
    """Runs `ringway up`, asserts that it ends by itself with one line, and
    returns that line."""
    done = ringway('up', '--control', f'{folder}/ctl.sock', *args, **options)
    assert done.returncode in status, done
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert not [f for f in os.listdir(folder) if f.endswith('.sock')]
    return lines[0]


def test_version_and_help():
    assert re.search(r'ringway \d+\.\d+', ringway('--version').stdout)
    text = ringway('--help').stdout
    for word in ('up', 'show', 'port', 'mac', 'stats', 'capture', 'qemu-args',
                 'down'):
        assert re.search(rf'\b{word}\b', text), word


def test_options_before_the_command(up):
    s = up('null,id=a')
    where = ('--control', s.control)
    want = json.loads(ringway('port', 'list', '--json', *where).stdout)
    for before, behind in ([['--json', *where], []], [where, ['--json']],
                           [['--json', '--timeout', '5'], where],
                           [[f'--control={s.control}', '-json'], []]):
        done = ringway(*before, 'port', 'list', *behind)
        assert json.loads(done.stdout) == want, done
    for args, told in ((['--json'], 'the command is missing'),
                       (['--jso', 'show'], 'did you mean json'),
                       (['--json', 'shwo'], 'did you mean show'),
                       (['--json', 'vm', '-m', '1'], 'json')):
        done = ringway(*args)
        assert done.returncode == 2 and told in done.stderr, done


def test_control_in_the_environment(up, folder):
    """RINGWAY_CONTROL names the socket of clients and of the daemon."""
    s = up('null,id=a')
    env = dict(os.environ, RINGWAY_CONTROL=s.control)
    assert 'a' in ringway('port', 'list', env=env).stdout
    done = ringway('up', '-netdev', 'null,id=b', env=env)
    assert done.returncode == 1 and s.control in done.stderr
    env['RINGWAY_CONTROL'] = os.path.join(folder, LONG * 3)
    done = ringway('port', 'list', env=env)
    assert done.returncode == 2 and 'RINGWAY_CONTROL' in done.stderr


LONG = 'x' * 108

# (netdevs, words that the message must have)
BAD = [
    (['nosuch,id=a'], ['nosuch']),
    (['vhost-user,path={0}/a.sock'], ['id']),
    (['vhost-user,id=a'], ['a', 'path']),
    (['vhost-user,id=a,path='], ['a', 'path']),
    (['vhost-user,id=a,path={0}/a.sock,nosuch=1'], ['a', 'nosuch']),
    (['vhost-user,id=a,path={0}/a.sock,queues=0'], ['a', 'queues', '0', '64']),
    (['vhost-user,id=a,path={0}/a.sock,queues=65'], ['a', 'queues', '65']),
    (['vhost-user,id=a,path={0}/a.sock,queues=two'], ['a', 'queues', 'two']),
    (['vhost-user,id=a,path={0}/a.sock,server=maybe'],
     ['a', 'server', 'maybe', 'on']),
    (['vhost-user,id=a,path={0}/a.sock,mtu=10'], ['a', 'mtu', '10']),
    (['vhost-user,id=a,path={0}/' + LONG], ['a', 'path', '107']),
    (['vhost-user,id=a,path={0}/none/a.sock'], ['a', 'path', 'none']),
    (['vhost-user,id=a,path={0}/a.sock', 'null,id=a'], ['a']),
    (['vhost-user,id=a,path={0}/a.sock', 'vhost-user,id=b,path={0}/a.sock'],
     ['b', 'path', 'a.sock']),
    (['tap,id=t,ifname=averyverylongname1'], ['t', 'ifname']),
    (['tap,id=t,fd=999'], ['t', 'fd', '999']),
    (['user,id=u,net=10.0.2.0/33'], ['u', 'net']),
    (['user,id=u,net=banana/24'], ['u', 'net', 'banana']),
    (['user,id=u,hostfwd=tcp::1-:2-3'], ['u', 'hostfwd']),
    (['user,id=u,hostfwd=icmp::1111-:22'], ['u', 'hostfwd', 'icmp']),
    (['user,id=u,dhcpstart=192.168.9.9'], ['u', 'dhcpstart']),
    (['null,id=a b'], ['id']),
    (['bridge,id=a,br=a/b'], ['a', 'br=a/b', 'interface name']),
    (['hubport,id=a,hubid=0'], ['a', 'path', 'netdev=']),
    (['hubport,id=a,hubid=0,netdev=b', 'null,id=b'], ['a', 'netdev=b', 'before']),
    (['passt,id=a'], ['passt', 'stream,addr.type=unix']),
    ([''], []),
]


@pytest.mark.parametrize('old,new', [
    (['-net', 'nic', '-net', 'user'], "nic is the guest's card"),
    (['-net', 'nic,model=virtio'], "nic is the guest's card"),
    (['-net', 'user'], 'write -netdev user,id=user0$'),
    (['-net', 'tap,ifname=tap0,script=no'],
     'write -netdev tap,id=tap0,ifname=tap0,script=no$'),
    (['-net', 'bridge,name=b,br=br1'], 'write -netdev bridge,id=b,br=br1$'),
    (['-net', 'none'], 'leave it out'),
    (['-nic', 'none'], 'leave it out'),
    (['-nic', 'user,id=n1,ipv6=off,model=e1000,mac=52:54:98:76:54:32'],
     'write -netdev user,id=n1,ipv6=off$'),
    (['-nic', 'user,guestfwd=tcp:10.0.2.100:1234-cmd:nc 10.1.1.1 4321'],
     'write -netdev user,id=user0,guestfwd=tcp:10.0.2.100:1234-cmd:nc '
     '10.1.1.1 4321$'),
    (['-nic', 'tap,script=/a,,b'], 'tap,id=tap0,script=/a,,b$'),
    (['-nic', 'vhost-user,chardev=c1'],
     'write -netdev vhost-user,id=vhost-user0,path=PATH$'),
    (['-nic', 'user,hostname=' + 'x' * 400], 'xxx...$'),
    (['-net'], 'write -netdev TYPE,id=NAME'),
    (['-nic', '=,x'], 'write -netdev TYPE,id=NAME'),
    (['-net', 'x' * 600], 'unknown netdev type'),
    (['-nic', 'tapp'], 'did you mean tap?'),
])
def test_old_options(folder, old, new):
    """One sentence says what to write instead of -net and -nic."""
    done = subprocess.run([BINARY, 'up', '--control', f'{folder}/c.sock',
                           *old], capture_output=True, text=True)
    assert done.returncode == 2
    line, = done.stderr.splitlines()
    assert line.startswith(f'ringway: {old[0]}'), line
    assert new in f'{line}$'  # $: its end


@pytest.mark.parametrize('netdevs,words', BAD, ids=lambda x: str(x[0])[:40]
                         if x else '-')
def test_bad_netdev(folder, netdevs, words):
    args = []
    for n in netdevs:
        args += ['-netdev', n.format(folder)]
    line = refused(folder, *args)
    for word in words:
        assert word in line, line


@pytest.mark.parametrize('args', [
    ['up', '--nosuch'], ['up', '-netdev'], ['up', '--workers', '0'],
    ['up', '--workers', 'x'], ['up', '--cpus', 'x'], ['nosuch'], [],
    ['port'], ['port', 'nosuch'], ['capture'], ['qemu-args'],
    ['up', '--rebalance', 'on'],
])
def test_usage(args):
    done = ringway(*args)
    assert done.returncode == 2
    assert done.stderr.strip() or done.stdout.strip()


def test_no_daemon(folder):
    done = ringway('show', '--control', f'{folder}/ctl.sock')
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert 'ctl.sock' in done.stderr


def test_daemon_that_hangs(up):
    """No command waits without end for an answer; one that waits for events
    does."""
    s = up('null,id=n')
    watch = subprocess.Popen([BINARY, 'watch', '--timeout', '1', '--control',
                              s.control], stdout=subprocess.PIPE, text=True)
    for _ in range(50):  # until it listens, it sees nothing
        s.call('port.add', netdev='null,id=m')
        s.call('port.del', id='m')
        if select.select([watch.stdout], [], [], 0.1)[0]:
            break
    os.kill(s.pid, signal.SIGSTOP)
    try:
        for words in (['show'], ['port', 'del', 'n'], ['down'], ['watch'],
                      ['capture', 'n', '-w', '/dev/null']):
            began = time.monotonic()
            done = ringway(*words, '--timeout', '1', '--control', s.control)
            assert done.returncode == 1, (words, done)
            assert 'no answer within 1 s: ' in done.stderr, (words, done)
            assert '--timeout SECONDS' in done.stderr
            assert 0.9 < time.monotonic() - began < 4
        assert watch.poll() is None
    finally:
        os.kill(s.pid, signal.SIGCONT)
    lab.wait_until(lambda: s.process.poll() is not None, 5, 'an end by down')
    assert watch.wait(5) == 1


def test_stale_sockets_are_replaced_live_ones_not(up, folder):
    s = up('vhost-user,id=a')
    line = refused_in(folder, f'vhost-user,id=b,path={folder}/a.sock', 'other')
    assert 'a.sock' in line and 'b' in line
    done = ringway('up', '--control', s.control)
    assert done.returncode == 1 and 'ctl.sock' in done.stderr
    s.front('a').close()            # the first daemon still serves
    s.process.send_signal(signal.SIGKILL)
    s.process.wait()
    s.process.returncode = 0        # the end was intended
    assert os.path.exists(f'{folder}/a.sock')
    s = up('vhost-user,id=a')
    s.front('a').close()


def refused_in(folder, netdev, sub):
    os.makedirs(f'{folder}/{sub}')
    return refused(f'{folder}/{sub}', '-netdev', netdev, status=(1,))


def test_a_file_in_the_way_is_left_alone(folder):
    path = f'{folder}/precious'
    with open(path, 'w') as f:
        f.write('data')
    line = refused(folder, '-netdev', f'vhost-user,id=a,path={path}')
    assert 'precious' in line
    assert open(path).read() == 'data'


def test_tap_without_right(folder, nobody):
    binary, prefix = nobody
    done = subprocess.run(
        [*prefix, binary, 'up', '--control', f'{folder}/ctl.sock', '-netdev',
         'tap,id=t,ifname=rwnotap'], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=5)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert 't' in done.stderr and 'rwnotap' in done.stderr
    assert not os.path.exists(f'{folder}/ctl.sock')


def test_config_file(up, folder):
    path = f'{folder}/conf'
    with open(path, 'w') as f:
        f.write(f'''# two guests
netdev vhost-user,id=a,path={folder}/a.sock
-netdev vhost-user,id=b,path={folder}/b.sock   # with dashes

workers 1
''')
    s = up(extra=['--config', path])
    assert [p['id'] for p in s.call('port.list')['ports']] == ['a', 'b']


def test_bad_config_file_names_the_line(folder):
    path = f'{folder}/conf'
    with open(path, 'w') as f:
        f.write('netdev null,id=a\n\nnosuch 3\n')
    line = refused(folder, '--config', path)
    assert 'conf' in line and '3' in line and 'nosuch' in line
    line = refused(folder, '--config', f'{folder}/missing')
    assert 'missing' in line


def test_control_socket_is_the_owners(up, folder, nobody):
    s = up('null,id=a')
    mode = os.stat(s.control).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) & 0o077 == 0
    binary, prefix = nobody
    done = subprocess.run([*prefix, binary, 'show', '--control', s.control],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=5)
    assert done.returncode == 1


def test_rpc_errors(up):
    s = up('null,id=a')
    rpc = lab.Rpc(s.control)

    def ask(text):
        return json.loads(rpc.raw(text.encode() + b'\n'))

    assert ask('{nonsense')['error']['code'] == -32700
    assert ask('{"id": 1}')['error']['code'] == -32600
    assert ask('{"jsonrpc":"2.0","id":"x","method":"nosuch"}') \
        ['error']['code'] == -32601
    assert ask('{"jsonrpc":"2.0","id":2,"method":"port.show"}') \
        ['error']['code'] == -32602
    reply = ask('{"jsonrpc":"2.0","id":3,"method":"port.show",'
                '"params":{"id":"nosuch"}}')
    assert reply['id'] == 3 and 'nosuch' in reply['error']['message']
    batch = ask('[{"jsonrpc":"2.0","id":1,"method":"version"},'
                '{"jsonrpc":"2.0","method":"version"},'
                '{"jsonrpc":"2.0","id":2,"method":"port.list"}]')
    assert sorted(r['id'] for r in batch) == [1, 2]
    rpc.sock.sendall(b'x' * (3 << 20))      # a line without an end
    s.call('version')                       # another client is still served
    rpc.close()
    for _ in range(300):                    # silent connections
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as x:
            x.connect(s.control)
    s.call('version')


def test_commands(up, folder):
    s = up('vhost-user,id=a', 'null,id=n')
    assert 'a' in s.command('show')
    front = s.front('a')
    front.send(ether(1, BROADCAST))
    for args in (['show'], ['stats'], ['mac'], ['port', 'show', 'a'],
                 ['stats', 'a']):
        assert s.command(*args).strip(), args
        json.loads(s.command(*args, '--json'))
    s.command('port', 'add', f'vhost-user,id=b,path={folder}/b.sock')
    assert os.path.exists(f'{folder}/b.sock')
    s.front('b').close()
    again = s.command('port', 'add', 'null,id=b', check=False)
    assert again.returncode == 1 and 'b' in again.stderr
    s.command('port', 'del', 'b')
    assert not os.path.exists(f'{folder}/b.sock')
    gone = s.command('port', 'show', 'b', check=False)
    assert gone.returncode == 1 and 'b' in gone.stderr
    args = s.qemu_args('a')
    assert any(f'{folder}/a.sock' in x for x in args)
    assert any('virtio-net-pci' in x for x in args)
    s.command('down')
    assert s.process.wait(2) == 0


def test_rebalance(up):
    s = up('vhost-user,id=a', 'vhost-user,id=b', 'vhost-user,id=c',
           extra=['--workers', '2', '--rebalance', 'off'])
    a, b, c = s.front('a'), s.front('b'), s.front('c')
    workers = s.call('stats')['workers']
    assert sorted(w['queues'] for w in workers) == [1, 2]
    assert all(0 <= w['busy_percent'] <= 100 for w in workers)
    assert s.call('rebalance')['moves'] == []
    assert 'nothing' in s.command('rebalance')
    s.command('port', 'del', 'b')  # leaves two queues on one worker
    assert b.is_closed()
    moves = s.call('rebalance')['moves']
    assert [(m['from'], m['to']) for m in moves] == [(0, 1)]
    assert [w['queues'] for w in s.call('stats')['workers']] == [1, 1]
    assert 'WORKER' in s.command('stats')
    for one, other in ((a, c), (c, a)):
        frame = bytes.fromhex('ffffffffffff020000000001') + bytes(60)
        one.send(frame)
        assert other.recv()[1] == frame


@pytest.mark.parametrize('sig', [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it(up, sig):
    s = up('vhost-user,id=a', 'user,id=u', extra=['--workers', '2'])
    front = s.front('a')
    status, seconds = s.stop(sig)
    assert status == 0 and seconds < 1
    assert os.listdir(s.folder) == ['ringway.log']
    assert front.is_closed()


def test_half_made_daemon_leaves_nothing(folder):
    refused(folder, '-netdev', f'vhost-user,id=a,path={folder}/a.sock',
            '-netdev', 'user,id=u', '-netdev',
            f'vhost-user,id=c,path={folder}/no/c.sock')
    assert os.listdir(folder) == []


def test_background_and_notify(folder):
    """-d returns when all is ready; the service manager is notified."""
    control = f'{folder}/ctl.sock'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(f'{folder}/notify')
        notify.settimeout(5)
        env = dict(os.environ, NOTIFY_SOCKET=f'{folder}/notify')
        args = ['-netdev', 'vhost-user,id=a,path=a.sock', '-netdev',
                'null,id=n']
        done = ringway('up', '-d', '--control', control, *args, env=env,
                       cwd=folder)
        assert done.returncode == 0, done.stderr
        assert notify.recv(100) == b'READY=1'
    try:
        assert f'control {control}, log {control}.log' in done.stderr
        assert os.path.exists(f'{folder}/a.sock')
        rpc = lab.Rpc(control)
        assert [p['id'] for p in rpc.call('port.list')['ports']] == ['a', 'n']
        again = ringway('up', '-d', '--control', control)
        assert again.returncode == 1 and 'ctl.sock' in again.stderr
    finally:
        assert ringway('down', '--control', control).returncode == 0
    # down returns when all is gone, also a socket with a relative path.
    assert sorted(os.listdir(folder)) == ['ctl.sock.log', 'notify']


@pytest.mark.parametrize('options', [['-d'], ['--daemonize=yes'],
                                     ['-d', '--log', 'a.log']])
def test_log_in_the_background(folder, options):
    """The log has events after the start, and the ready line names the log."""
    control = f'{folder}/ctl.sock'
    log = f'{folder}/a.log' if '--log' in options else f'{control}.log'
    done = ringway('up', *options, '--control', control, '-netdev',
                   'vhost-user,id=a,path=a.sock', cwd=folder)
    try:
        assert done.returncode == 0, done.stderr
        vufront.Front(f'{folder}/a.sock').close()
        lab.wait_until(lambda: 'front-end connected' in open(log).read(), 3,
                       'a line in the log')
    finally:
        assert ringway('down', '--control', control).returncode == 0
    lines = open(log).read().splitlines()
    assert re.fullmatch(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ringway: ready: .*',
                        lines[0])
    assert lines[-1].endswith('asked to end')


def test_log_to_a_file(up, folder):
    s = up('null,id=n', extra=['--log', f'{folder}/own.log'])
    s.command('port', 'del', 'n')
    s.stop_cleanly()
    assert 'ready' in s.log_text() and 'SIG' not in s.log_text()
    assert 'Terminated: ending' in open(f'{folder}/own.log').read()
    assert 'ending' not in s.log_text()


def test_log_that_cannot_be(folder):
    text = refused(folder, '--log', f'{folder}/no/file')
    assert f'log={folder}/no/file: cannot write to it: No such file' in text
    os.mkfifo(f'{folder}/fifo')  # opening it must not wait for a reader
    assert 'cannot write to it' in refused(folder, '--log', f'{folder}/fifo')


@pytest.mark.parametrize('value,code', [('no', 0), ('off', 0), ('0', 0),
                                        ('false', 0), ('nonsense', 2)])
def test_flags_that_are_off(folder, value, code):
    """A flag takes a boolean: --daemonize=no stays in the foreground."""
    control = f'{folder}/ctl.sock'
    p = subprocess.Popen([BINARY, 'up', f'--daemonize={value}', '--control',
                          control], stderr=subprocess.PIPE, text=True)
    try:
        if code:
            assert p.wait(5) == code
            assert 'daemonize=nonsense' in p.stderr.read()
            return
        lab.wait_until(lambda: os.path.exists(control), 5, 'the daemon')
        time.sleep(0.1)
        assert p.poll() is None, 'it went to the background'
        # With --json=no, a command prints no JSON.
        done = ringway('version', f'--json={value}', '--control', control)
        assert done.returncode == 0 and not done.stdout.startswith('{')
    finally:
        if os.path.exists(control):
            ringway('down', '--control', control)
        p.wait(5)


def test_port_set(up):
    s = up('null,id=n', 'null,id=m')
    s.command('port', 'set', 'n', 'max-macs=7')
    assert s.call('port.show', id='n')['config']['max-macs'] == 7
    for change, words in (('net=x', ['net', 'live']),
                          ('max-macs=x', ['max-macs', 'x', 'number']),
                          ('max-macs+=1', ['several times']),
                          ('vlan=8', ['vlan: takes one value']),
                          ('nosuch=1', ['nosuch']), ('max-macs', ['KEY'])):
        done = s.command('port', 'set', 'n', 'vlan=9', change, check=False)
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1
        assert all(w in done.stderr for w in words), done.stderr
    # A refused port.set changes no option.
    config = s.call('port.show', id='n')['config']
    assert config['max-macs'] == 7 and not config.get('vlan')
    log = s.log_text()
    assert log.count('port=n: changed') == 1
    assert 'port=n: changed: {"max-macs":"7"}' in log


def test_add_by_name(up):
    s = up('null,id=n')
    assert s.call('port.add', type='null', id='x', net='lab',
                  offload=False) == {'id': 'x'}
    port = s.call('port.show', id='x')
    assert port['net'] == 'lab' and port['config']['offload'] is False
    nets = {n['name']: [p['id'] for p in n['ports']]
            for n in s.call('show')['networks']}
    assert nets == {'default': ['n'], 'lab': ['x']}


def test_netdev_help():
    types = ringway('up', '-netdev', 'help').stdout
    for t in ('vhost-user', 'tap', 'user', 'null'):
        assert re.search(rf'^{t}\s', types, re.M)
        text = ringway('up', '-netdev', t + ',help')
        assert text.returncode == 0 and 'max-macs' in text.stdout
    for words in (['port', 'add'], ['vm', 'netdev', 'add', '--name', 'none']):
        assert ringway(*words, 'help').stdout == types
        assert 'max-macs' in ringway(*words, 'null,help').stdout
    page = ringway('help', '--man').stdout
    assert '.SH NAME' in page and 'hostfwd' in page


def test_standard_files_closed(folder):
    control = f'{folder}/ctl.sock'
    process = subprocess.Popen(
        ['sh', '-c', f'exec {BINARY} up --control {control} '
         '-netdev null,id=n <&- >&- 2>&-'])
    lab.wait_until(lambda: os.path.exists(control), 5, 'ready')
    for fd in (0, 1, 2):
        assert os.readlink(f'/proc/{process.pid}/fd/{fd}') == '/dev/null'
    assert ringway('down', '--control', control).returncode == 0
    assert process.wait(2) == 0


def test_capture_counts_and_ends(up, folder):
    s = up('vhost-user,id=a', 'vhost-user,id=b')
    assert ringway('capture', 'nosuch', '-w', f'{folder}/x', '--control',
                   s.control).returncode == 1
    assert not os.path.exists(f'{folder}/x')
    first = subprocess.Popen(
        [s.binary, 'capture', 'a', '-w', f'{folder}/a.pcap', '--control',
         s.control], stderr=subprocess.PIPE, text=True)
    lab.wait_until(lambda: [p for p in s.call('port.list')['ports']
                            if p['captured']], 5, 'capture')
    second = s.command('capture', 'a', '-w', f'{folder}/y', check=False)
    assert second.returncode == 1 and 'captured already' in second.stderr
    assert not os.path.exists(f'{folder}/y')
    s.command('port', 'del', 'a')       # this ends the capture
    assert first.wait(5) == 0
    assert '0 frames captured (the port was removed)' in first.stderr.read()
