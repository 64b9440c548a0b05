# SPDX-License-Identifier: Apache-2.0
"""Everything that is made from the table of commands is complete."""
import json
import os
import re
import subprocess

import lab
import pytest
from conftest import BINARY, TOP
from frames import BROADCAST, ether


def ringway(*args):
    return subprocess.run([BINARY, *args], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=5)


def names():
    """Returns the names of all commands, from the overview."""
    text = ringway('help').stdout.split('\n\n')[1]
    return re.findall(r'^  ([a-z-]+(?: [a-z]+){0,2})(?= )', text, re.M)


def methods():
    return ringway('help', '--methods').stdout


def test_the_document_has_the_table():
    with open(f'{TOP}/docs/control-socket.md') as f:
        assert methods() in f.read()
    assert '| `port.del` | `id` |' in methods()


def test_every_command_has_its_help_and_its_place_in_the_manual():
    page = ringway('help', '--man').stdout.replace('\\-', '-')
    assert len(names()) > 15
    for name in names():
        help_text = ringway('help', *name.split())
        assert help_text.returncode == 0, name
        assert help_text.stdout.startswith(f'usage: ringway {name}')
        assert f'.SS "ringway {name}' in page, name
        if name != 'help':
            assert ringway(*name.split(), '--help').stdout == help_text.stdout
    for method in re.findall(r'^\| `(.*?)`', methods(), re.M):
        assert f'.B "{method}' in page, method


@pytest.mark.parametrize('typed,message', [
    ('port del', 'usage: ringway port del PORT'),
    ('port del a b', "'b' is too much: usage: ringway port del PORT"),
    ('port add', 'usage: ringway port add NETDEV'),
    ('port set a', 'usage: ringway port set PORT KEY=VALUE...'),
    ('port set a id=b', 'id cannot be changed'),
    ('port set a =b', 'KEY=VALUE'),
    ('show a', "'a' is too much: usage: ringway show"),
    ('mac --limit x', 'limit=x: must be a number from 0 to 500000'),
    ('mac --id a', 'unknown option'),
    ('capture a', '--write=FILE is missing'),
    ('capture a -w', 'needs a value: --write=FILE'),
    ('capture a -w x -s 70000000', 'snaplen=70000000: must be'),
    ('capture a -w x --direction up', 'must be one of: both, in, out'),
    ('qemu-args a --memory 1', 'memory=1: must be a size from 1M'),
    ('log-level loud', 'level=loud: must be one of'),
    ('stats --watch 0', 'watch=0: must be a number from 1'),
    (b'mac --net \xff'.decode(errors='surrogateescape'), 'UTF-8'),
])
def test_bad_words_need_no_daemon(typed, message):
    """The command line checks words by the rows, before it connects."""
    done = ringway(*typed.split(' '), *(
        [] if typed.endswith('-w') else ['--control', '/nonexistent/c.sock']))
    assert done.returncode == 2, done
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_words_and_options_reach_the_daemon(up):
    s = up('null,id=n', 'null,id=m,net=lab')
    s.command('port', 'set', 'n', 'max-macs=7', 'full=drop')
    config = s.call('port.show', id='n')['config']
    assert config['max-macs'] == 7 and config['full'] == 'drop'
    assert s.command('log-level') == 'info\n'
    assert s.command('log-level', 'debug') == 'debug\n'
    for args in (['--port', 'nosuch'], ['--net', 'nosuch']):
        for name in (['mac'], ['mac', 'flush']):
            done = s.command(*name, *args, check=False)
            assert done.returncode == 1 and 'nosuch' in done.stderr
    assert s.command('mac', 'flush', '--net', 'lab') == '0 forgotten\n'
    assert s.command('mac', '--limit', '0') == 'MAC  NET  PORT  AGE\n'
    assert 'vhost-user' in s.command('port', 'add', 'help')
    assert json_of(s, 'port', 'add', 'null,id=x') == {'id': 'x'}
    assert json_of(s, 'port', 'del', 'x') == {}


def json_of(s, *args):
    return json.loads(s.command(*args, '--json'))


def complete(*words, path=None):
    """Returns the completions of dist/ringway.bash for these words."""
    script = f'''. {TOP}/dist/ringway.bash
compopt() {{ :; }}
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_ringway
printf '%s\\n' "${{COMPREPLY[@]}}"'''
    env = dict(os.environ, PATH=f'{os.path.dirname(BINARY)}:/usr/bin:/bin')
    done = subprocess.run(['bash', '-c', script, 'x', 'ringway', *words],
                          capture_output=True, text=True, timeout=5, env=env,
                          cwd=path)
    assert done.returncode == 0 and not done.stderr, done
    return done.stdout.split()


def test_completion(up, folder):
    s = up('null,id=n', 'null,id=m,net=lab')
    control = ['--control', s.control]
    assert set(complete('')) == {n.split()[0] for n in names()}
    assert complete('po') == ['port']
    assert set(complete('port', '')) == \
        {n.split()[1] for n in names() if n.startswith('port ')}
    assert complete('mac', '') == ['flush']
    assert complete('capture', 'x', '--s') == ['--snaplen']
    assert complete('capture', 'x', '--direction', 'o') == ['out']
    assert complete('log-level', 'w') == ['warning']
    assert complete('port', 'show', *control, '') == ['n', 'm']
    assert complete('mac', *control, '--port', 'n') == ['n']
    assert complete('mac', *control, '--net', 'l') == ['lab']
    assert complete('stats', 'n', *control, '') == []
    assert complete('up', '-netdev', 'vh') == ['vhost-user',
                                               'vhost-user-front',
                                               'vhost-vdpa']
    assert complete('vm', '-device', 'e1') == ['e1000', 'e1000e']
    assert complete('vm', 'device', 'add', 'vf') == ['vfio-pci']
    assert 'ctl.sock' in complete('show', '--control', 'ctl', path=folder)
    assert complete('help', 'reb') == ['rebalance']
    assert complete('nosuch', '') == []


def test_json_is_honoured_by_every_command(up):
    s = up('vhost-user,id=a', 'null,id=n')
    front = s.front('a')
    commands = {
        'show': [], 'port list': [], 'port add': ['null,id=x'],
        'port set': ['x', 'max-macs=5'], 'port show': ['x'], 'port del': ['x'],
        'filter add': ['filter-replay,id=f,netdev=a'],
        'filter list': [], 'filter set': ['f', 'status=off'],
        'filter del': ['f'], 'mac': [], 'mac flush': [], 'stats': [], 'rebalance': [],
        'qemu-args': ['a'], 'log-level': [], 'version': [], 'reload': [],
        'save': [],
    }
    skipped = {'up', 'vm', 'help', 'capture', 'down', 'watch'}   # see below
    skipped |= {n for n in names() if n.startswith('vm ')}  # test_vm.py
    skipped |= {n for n in names() if n.startswith('vf ')}  # test_vf.py
    assert set(commands) | skipped >= set(names())
    for name, args in commands.items():
        assert isinstance(json_of(s, *name.split(), *args), dict), name
    # A capture to standard output prints its numbers to standard error.
    for where in ('-', f'{s.folder}/a.pcap'):
        capture = subprocess.Popen(
            [BINARY, 'capture', 'a', '-w', where, '-c', '1', '--json',
             '--control', s.control],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lab.wait_until(lambda: s.call('port.show', id='a')['captured'], 5,
                       'capture')
        front.send(ether(1, BROADCAST))
        out, err = capture.communicate(timeout=5)
        assert capture.returncode == 0
        assert json.loads(err if where == '-' else out)['frames'] == 1
        assert (err if where != '-' else b'') == b''
    assert json_of(s, 'down') == {}
    assert s.process.wait(2) == 0


def test_stats_watch_as_json(up):
    s = up('null,id=n')
    watch = subprocess.Popen(
        [BINARY, 'stats', 'n', '--watch', '1', '--json', '--control',
         s.control], stdout=subprocess.PIPE, text=True)
    for _ in range(2):
        reply = json.loads(watch.stdout.readline())
        assert [p['id'] for p in reply['ports']] == ['n']
    lab.end_process(watch)
    watch.stdout.close()


def test_version(up, folder):
    nothing = f'{folder}/nosuch.sock'
    for args in (['--json'], []):
        done = ringway('version', '--control', nothing, *args)
        assert done.returncode == 1 and nothing in done.stderr
        assert done.stdout == ''
    s = up('null,id=n')
    reply = json_of(s, 'version')
    promised = re.search(r'^\| `version` \| \| (.*?) \|', methods(), re.M)
    assert {f'`{key}`' for key in reply} == set(promised[1].split(', '))
    assert reply['pid'] == s.pid
    text = s.command('version')
    assert text.startswith(f'ringway {reply["version"]}\n')
    assert f'pid {s.pid}' in text
    # Without a daemon it prints the program's own version.
    done = subprocess.run([BINARY, 'version'], capture_output=True, text=True,
                          env=dict(os.environ, XDG_RUNTIME_DIR=folder))
    assert done.returncode == 0
    assert done.stdout == f'ringway {reply["version"]}\n'


def test_vlans_are_shown(up):
    s = up('vhost-user,id=a,vlan=10', 'null,id=t,trunk=10:20-30,native=10',
           'null,id=n')
    s.front('a').send(ether(1, BROADCAST))
    lab.wait_until(lambda: s.call('mac.list')['total'], 5, 'an address')
    for args in (['show'], ['port', 'list']):
        text = s.command(*args)
        assert 'VLANS' in text and re.search(r'\ba .*vlan 10 ', text)
        assert re.search(r'\bt .*trunk 10\S20-30 native 10 ', text)
    mac = s.command('mac').splitlines()
    assert mac[0].split() == ['MAC', 'NET', 'VLAN', 'PORT', 'AGE']
    assert mac[1].split()[2:4] == ['10', 'a']
    s.command('port', 'set', 'a', 'vlan=')
    s.command('port', 'del', 't')
    assert 'VLAN' not in s.command('show')
