# SPDX-License-Identifier: Apache-2.0
"""`ringway reload`, SIGHUP and `ringway save`: what changed in a configuration
file changes in the daemon, and nothing else."""
import os
import signal
import subprocess

import lab
import pytest
from frames import ether
from conftest import BINARY

FILE = '''
workers 1
netdev vhost-user,id=a,path={0}/a.sock,mtu=1400
netdev vhost-user,id=b,path={0}/b.sock
netdev null,id=gone
netdev null,id=old,net=x,max-macs=5
chardev socket,id=c0,path={0}/c0,server=on,wait=off
object filter-dump,id=d,netdev=a,file={0}/d.pcap
object filter-buffer,id=buf,netdev=b,interval=1000
'''


class Daemon:
    """A daemon that is made by a file."""

    def __init__(self, up, folder, text=FILE, extra=()):
        self.folder = folder
        self.path = os.path.join(folder, 'conf')
        self.write(text)
        self.switch = up(extra=['--config', self.path, *extra])

    def write(self, text):
        with open(self.path, 'w') as f:
            f.write(text.format(self.folder))

    def run(self, *words):
        return subprocess.run([BINARY, *words, '--control',
                               self.switch.control], capture_output=True,
                              text=True)

    def ports(self):
        return [p['id'] for p in self.switch.call('port.list')['ports']]

    def config(self, port):
        return self.switch.call('port.show', id=port)['config']

    def filters(self):
        return {f['id'] for f in self.switch.call('filter.list')['filters']}


def edit(text, *changes):
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def test_by_difference(up, folder):
    d = Daemon(up, folder)
    s = d.switch
    s.call('port.add', netdev='null,id=mine')
    s.call('port.set', id='b', mtu=9000)
    a, b = s.front('a'), s.front('b')
    connections = s.call('port.show', id='b')['state']['connections']
    d.write(edit(FILE, ('netdev null,id=gone\n', ''), ('mtu=1400', 'mtu=1300'),
                 ('net=x,max-macs=5', 'net=y,max-macs=5'),
                 ('id=d,netdev=a', 'id=d,netdev=b'),
                 ('object filter-buffer,id=buf,netdev=b,interval=1000\n',
                  'netdev null,id=fresh,vlan=7\n'),
                 ('workers 1', 'workers 2')))
    done = d.run('reload')
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.splitlines() == [
        'removed d', 'removed buf', 'removed gone', 'changed a',
        'replaced old', 'added fresh', 'added d',
        'at the next start: workers']
    assert sorted(d.ports()) == ['a', 'b', 'fresh', 'mine', 'old']
    assert d.config('a')['mtu'] == 1300
    assert d.config('b')['mtu'] == 9000  # as `port set` left it
    assert d.config('old')['net'] == 'y'
    assert d.config('fresh')['vlan'] == '7'
    assert d.filters() == {'d'}
    # guests of ports that did not go are still there
    assert s.call('port.show', id='b')['state']['connections'] == connections
    frame = ether(1, 2)
    a.send(frame)
    assert b.recv()[1] == frame
    done = d.run('reload')
    assert done.stdout.splitlines() == ['at the next start: workers',
                                        'no port changed']


def test_no_frame_is_lost(up, folder):
    """Frames pass between two guests while other ports come and go."""
    d = Daemon(up, folder)
    a, b = d.switch.front('a'), d.switch.front('b')
    other = edit(FILE, ('netdev null,id=gone\n', 'netdev null,id=new\n'))
    for i in range(40):
        d.write(other if i % 2 == 0 else FILE)
        process = subprocess.Popen([BINARY, 'reload', '--control',
                                    d.switch.control],
                                   stdout=subprocess.DEVNULL)
        for k in range(20):
            frame = ether(1, 2, size=60 + i, fill=k)
            a.send(frame)
            assert b.recv()[1] == frame
        assert process.wait(10) == 0
    assert sorted(d.ports()) == ['a', 'b', 'gone', 'old']


def test_signal_and_log(up, folder):
    log, old = os.path.join(folder, 'x.log'), os.path.join(folder, 'x.1')
    d = Daemon(up, folder, extra=['--log', log])
    os.rename(log, old)
    d.write(edit(FILE, ('id=gone', 'id=came'), ('workers 1',
                                                'log-level debug')))
    os.kill(d.switch.pid, signal.SIGHUP)
    lab.wait_until(lambda: 'came' in d.ports(), 5, 'reload')
    lab.wait_until(lambda: os.path.exists(log) and
                   'reload: done' in open(log).read(), 5, 'log')
    assert 'reload: came: added' in open(log).read()
    assert 'reload' not in open(old).read()
    assert d.switch.call('version')['log_level'] == 'debug'


@pytest.mark.parametrize('text, told', [
    ('netdev null,id=a\nnetdev nul,id=b\n', "conf:2: unknown netdev type 'nul'"),
    ('netdev null,id=a\nnetdev null,id=a\n', 'conf:2: netdev a: id=a is used'),
    ('workers x\n', 'conf:1: workers=x'),
])
def test_bad_file(up, folder, text, told):
    """A file that cannot be read changes nothing."""
    d = Daemon(up, folder)
    before = d.ports()
    d.write(text)
    done = d.run('reload')
    assert done.returncode and told in done.stderr, done.stderr
    os.kill(d.switch.pid, signal.SIGHUP)
    lab.wait_until(lambda: 'nothing is changed' in d.switch.log_text(), 5,
                   'log')
    assert d.ports() == before
    os.unlink(d.path)
    done = d.run('reload')
    assert done.returncode == 1 and 'No such file' in done.stderr
    assert d.ports() == before


def test_port_that_cannot_be_made(up, folder):
    """The port is as it was, and the rest of the file is made."""
    d = Daemon(up, folder)
    d.write(edit(FILE, ('{0}/b.sock', '/nowhere/b.sock'), ('gone', 'came')))
    done = d.run('reload')
    assert done.returncode == 1
    assert 'failed b: netdev b: path=/nowhere/b.sock: ' in done.stdout
    assert 'added came' in done.stdout
    assert d.config('b')['path'] == f'{folder}/b.sock'
    d.switch.front('b')
    d.write(edit(FILE, ('gone', 'came')))
    assert d.run('reload').stdout == 'no port changed\n'


def test_filter_that_cannot_be_made(up, folder):
    """The filter is as it was; once the line is right, it is made."""
    d = Daemon(up, folder)
    d.write(edit(FILE, ('{0}/d.pcap', '/nowhere/d.pcap')))
    done = d.run('reload')
    assert done.returncode == 1
    assert 'failed d: object d: file=/nowhere/d.pcap' in done.stdout
    assert f'object filter-dump,id=d,netdev=a,file={folder}/d.pcap\n' in \
        d.run('save').stdout
    d.write(edit(FILE, ('{0}/d.pcap', '{0}/e.pcap')))
    assert d.run('reload').returncode == 0
    assert f'file={folder}/e.pcap\n' in d.run('save').stdout


def test_hub_is_taken_apart(up, folder):
    """A port that another one brings into a hub goes after that one."""
    text = 'netdev null,id=p\nnetdev hubport,id=h,hubid=3,netdev=p\n'
    d = Daemon(up, folder, text)
    d.write('netdev null,id=q\n')
    done = d.run('reload')
    assert done.stdout.splitlines() == ['removed h', 'removed p', 'added q']


def test_nothing_to_read(up, folder):
    """A daemon without a file: SIGHUP changes nothing and does not end it."""
    s = up('null,id=a')
    s.call('port.set', id='a', **{'max-macs': 7})
    os.kill(s.pid, signal.SIGHUP)
    lab.wait_until(lambda: 'reload: done' in s.log_text(), 5, 'log')
    assert s.call('port.show', id='a')['config']['max-macs'] == 7


def test_no_parameters(up):
    s = up('null,id=a')
    with pytest.raises(Exception, match="unknown option 'x': there are none"):
        s.call('config.reload', x=1)


def test_ignored(up):
    """nohup(1) ignores SIGHUP: so does the daemon."""
    s = up('null,id=a', prefix=('sh', '-c', 'trap "" HUP; exec "$@"', 'sh'))
    os.kill(s.pid, signal.SIGHUP)
    s.call('version')
    assert 'reload' not in s.log_text()


def test_terminal_goes_away(folder):
    """A daemon in the foreground of a terminal ends with it."""
    control = os.path.join(folder, 'c.sock')
    pid, fd = os.forkpty()
    if pid == 0:
        os.execv(BINARY, [BINARY, 'up', '-netdev', 'null,id=a', '--control',
                          control])
    lab.wait_until(lambda: os.path.exists(control), 5, 'start')
    os.close(fd)
    assert os.waitpid(pid, 0)[1] == 0
    assert not os.path.exists(control)


SAVED = '''
netdev user,id=n,net=lan,net=10.9.0.0/24,hostfwd=tcp:127.0.0.1:PORT-:22,hostname=a,,b
netdev vhost-user,id=v,net=lan,path={0}/v.sock,queues=2,mode=666,trunk=1:3-5
netdev null,id=z,full=drop
netdev hubport,id=h,hubid=0,path={0}/h.sock
netdev vxlan,id=x,net=lan,vni=0,remote=127.0.0.2,dstport=PORT
chardev socket,id=c0,path={0}/c0,server=on,wait=off
object filter-mirror,id=m,netdev=v,queue=rx,outdev=c0
mac-age 77
'''


def test_save(up, folder):
    port = lab.free_port()
    d = Daemon(up, folder, SAVED.replace('PORT', str(port)))
    done = d.run('save')
    assert done.returncode == 0, done.stderr
    shown = {p: d.config(p) for p in d.ports()}
    assert 'mac-age 77\n' in done.stdout
    assert f'netdev vhost-user,id=v,net=lan,trunk=1:3-5,path={folder}/v.sock,' \
        'queues=2,mode=666\n' in done.stdout
    assert 'object filter-mirror,id=m,netdev=v,queue=rx,outdev=c0' in \
        done.stdout
    assert 'hubid=0' in done.stdout and 'vni=0' in done.stdout
    d.write(done.stdout.replace('{', '{{').replace('}', '}}'))
    assert d.run('reload').stdout == 'no port changed\n'
    assert d.switch.stop()[0] == 0
    again = Daemon(up, folder, done.stdout)
    assert {p: again.config(p) for p in again.ports()} == shown
    assert again.run('save').stdout == done.stdout
    assert again.filters() == {'m'}


def test_save_of_what_no_file_can_have(up, folder):
    """A "#" behind a blank begins a comment there: the line is one, too."""
    s = up('null,id=a', f'vhost-user,id=v,path={folder}/x #y')
    done = subprocess.run([BINARY, 'save', '--control', s.control],
                          capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        f'control {s.control}', 'netdev null,id=a',
        '# a file cannot hold a line end, " #" or a blank at the end:',
        f'# netdev vhost-user,id=v,path={folder}/x #y']


def test_not_a_file(up, folder):
    """A pipe, or what /dev/stdin became, is empty the second time: that is no
    configuration without ports, and the daemon does not wait for a writer."""
    pipe = os.path.join(folder, 'pipe')
    d = Daemon(up, folder)
    before = d.ports()
    os.mkfifo(pipe)
    for path in pipe, '/dev/null':
        os.unlink(d.path)
        os.symlink(path, d.path)
        done = d.run('reload')
        assert (done.returncode, done.stdout) == (2, '')
        assert 'a pipe or a device, which cannot be read again' in done.stderr
        assert d.ports() == before


def test_bad_access_of_a_socket(up, folder):
    """What can be seen in the line is refused while the guest is still on."""
    d = Daemon(up, folder)
    d.switch.front('b')
    state = d.switch.call('port.show', id='b')['state']
    for option in 'mode=999', 'owner=no-such-user', 'group=no-such-group':
        d.write(edit(FILE, ('b.sock', 'b.sock,' + option)))
        done = d.run('reload')
        assert done.returncode == 2 and option in done.stderr, done.stderr
    assert d.switch.call('port.show', id='b')['state']['connections'] == \
        state['connections']


def test_save_order_of_filters(up, folder):
    """The lines are in the order of the chain, whatever position= made it."""
    buffer = 'object filter-buffer,netdev=a,interval=1000,id='
    d = Daemon(up, folder, 'netdev null,id=a\n' + buffer + 't\n' +
               buffer + 'h1,position=head\n' + buffer + 'h2,position=head\n' +
               buffer + 'b,position=id=t,insert=before\n')
    saved = d.run('save').stdout
    assert d.switch.stop()[0] == 0
    again = Daemon(up, folder, saved)
    ids = [f['id'] for f in again.switch.call('filter.list')['filters']]
    assert ids == ['h2', 'h1', 'b', 't']


def test_save_what_no_file_can_have(up, folder):
    """It is a comment, not a line that means something else."""
    s = up('null,id=a')
    control = ['--control', s.control]

    def run(*words):
        done = subprocess.run([BINARY, *words, *control], capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    for i, name in enumerate(['x #y', 'line\nnetdev null,id=evil', 'blank ']):
        run('port', 'add', f'vhost-user,id=v{i},path={folder}/{name}')
    run('filter', 'add', f'filter-dump,id=d,netdev=v0,file={folder}/d.pcap')
    run('filter', 'add', f'filter-dump,id=e,netdev=a,file={folder}/e #.pcap')
    saved = run('save')
    lines = [x for x in saved.splitlines() if not x.startswith('#')]
    assert [x for x in lines if x.startswith(('netdev', 'object'))] == \
        ['netdev null,id=a']
    assert f'# netdev vhost-user,id=v0,path={folder}/x #y\n' in saved
    assert 'line?netdev' in saved
    assert '# its port is a comment:\n# object filter-dump,id=d' in saved
    assert s.stop()[0] == 0
    Daemon(up, folder, saved)


def test_hubport_of_a_port_has_no_socket(up):
    s = up('null,id=p')
    done = subprocess.run([BINARY, 'port', 'add', 'hubport,id=h,hubid=1,'
                           'netdev=p,mode=600', '--control', s.control],
                          capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count('\n') == 1


def test_paths_change_places(up, folder):
    """Two ports that get each other's socket: both leave before one comes."""
    text = 'netdev vhost-user,id=a,path={0}/1.sock\n' \
        'netdev vhost-user,id=b,path={0}/2.sock\n'
    d = Daemon(up, folder, text)
    d.write(text.replace('1.sock', '?').replace('2.sock', '1.sock')
            .replace('?', '2.sock'))
    done = d.run('reload')
    assert done.stdout.splitlines() == ['replaced a', 'replaced b'], done
    assert d.config('a')['path'] == f'{folder}/2.sock'
    assert d.config('b')['path'] == f'{folder}/1.sock'
