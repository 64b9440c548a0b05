# SPDX-License-Identifier: Apache-2.0
"""filter-dump and the commands about filters: files that tcpdump and scapy
read, wrong options, changes at run time."""
import json
import os
import shutil
import struct
import subprocess
import threading
import time

import lab
import pytest
from frames import BROADCAST, ether
from scapy.utils import RawPcapReader


def read(path):
    """Returns [(time in microseconds, length, bytes kept)] of a pcap file."""
    reader = RawPcapReader(path)
    try:
        assert not reader.nano and reader.linktype == 1
        return [(m.sec * 1000000 + m.usec, m.wirelen, bytes(data))
                for data, m in reader]
    finally:
        reader.close()


def wait_frames(s, name, n):
    lab.wait_until(lambda: numbers(s, name)['frames'] >= n, 5,
                   f'{n} frames at {name}')


def numbers(s, name):
    return {f['id']: f for f in s.call('filter.list')['filters']}[name]


def dump(folder, name, port, more=''):
    return f'filter-dump,id={name},netdev={port},file={folder}/{name}.pcap' + \
        more


def start(up, folder, *dumps):
    extra = []
    for d in dumps:
        extra += ['-object', dump(folder, *d)]
    s = up('vhost-user,id=a', 'vhost-user,id=b', extra=extra)
    return s, s.front('a'), s.front('b')


def test_directions_and_lengths(up, folder):
    s, a, b = start(up, folder, ('all', 'a'), ('rx', 'a', ',queue=rx'),
                    ('tx', 'a', ',queue=tx,maxlen=20'),
                    ('off', 'a', ',status=off'), ('one', 'b', ',maxlen=1'))
    sent = [ether(1, 2, 60 + i, fill=i) for i in range(5)]
    back = [ether(2, 1, 1000 + i, fill=i) for i in range(3)]
    began = time.time()
    for f in sent:
        a.send(f)
        assert b.recv()[1] == f
    for f in back:
        b.send(f)
        assert a.recv()[1] == f
    wait_frames(s, 'all', 8)
    wait_frames(s, 'one', 8)
    got = {n: read(f'{folder}/{n}.pcap')
           for n in ('all', 'rx', 'tx', 'off', 'one')}
    assert [g[2] for g in got['all']] == sent + back
    assert [g[2] for g in got['rx']] == sent
    assert [g[1:] for g in got['tx']] == [(len(f), f[:20]) for f in back]
    assert got['off'] == []
    assert [g[1:] for g in got['one']] == \
        [(len(f), f[:1]) for f in sent + back]
    times = [g[0] / 1e6 for g in got['all']]
    assert times == sorted(times)
    assert began - 1 < times[0] and times[-1] < time.time() + 1
    with open(f'{folder}/tx.pcap', 'rb') as f:
        assert struct.unpack('<IHHiIII', f.read(24)) == \
            (0xa1b2c3d4, 2, 4, 0, 0, 20, 1)


@pytest.mark.skipif(not shutil.which('tcpdump'), reason='tcpdump is missing')
def test_tcpdump_reads_it(up, folder):
    s, a, b = start(up, folder, ('f', 'a', ',maxlen=96'))
    a.send(ether(1, BROADCAST, 300))
    wait_frames(s, 'f', 1)
    out = subprocess.run(['tcpdump', '-enr', f'{folder}/f.pcap'],
                         capture_output=True, text=True, check=True)
    assert 'length 300' in out.stdout and '0x88b5' in out.stdout
    assert 'link-type EN10MB (Ethernet), snapshot length 96' in out.stderr


def test_tags_are_those_of_the_wire(up, folder):
    s = up('vhost-user,id=a,vlan=10', 'vhost-user,id=t,trunk=10:20',
           extra=['-object', dump(folder, 'access', 'a'),
                  '-object', dump(folder, 'trunk', 't')])
    a, t = s.front('a'), s.front('t')
    plain = ether(1, BROADCAST, 100)
    tagged = plain[:12] + bytes.fromhex('8100000a') + plain[12:]
    a.send(plain)
    assert t.recv()[1] == tagged
    t.send(tagged[:6] + ether(2, 1)[6:12] + tagged[12:])
    assert len(a.recv()[1]) == 100
    wait_frames(s, 'access', 2)
    wait_frames(s, 'trunk', 2)
    assert [g[1] for g in read(f'{folder}/access.pcap')] == [100, 100]
    assert [g[1] for g in read(f'{folder}/trunk.pcap')] == [104, 104]
    assert read(f'{folder}/trunk.pcap')[0][2] == tagged


def test_commands(up, folder):
    s, a, b = start(up, folder)
    text = dump(folder, 'f', 'a')
    s.command('filter', 'add', text)
    a.send(ether(1, BROADCAST))
    wait_frames(s, 'f', 1)
    s.command('filter', 'set', 'f', 'status=off')
    a.send(ether(1, BROADCAST))
    assert b.recv() and b.recv()
    s.command('filter', 'set', 'f', 'status=on')
    a.send(ether(1, BROADCAST, 99))
    wait_frames(s, 'f', 2)
    assert [g[1] for g in read(f'{folder}/f.pcap')] == [60, 99]
    shown = s.call('port.show', id='a')['filters']
    assert list(shown) == ['f'] and shown['f']['frames'] == 2
    assert shown['f']['type'] == 'filter-dump'
    assert shown['f']['status'] is True
    row = s.command('filter', 'list').splitlines()[1].split()
    assert row == ['f', 'filter-dump', 'a', 'all', 'on', '2']
    for value, is_on in ((0, False), (1, True), (False, False), ('yes', True)):
        s.call('filter.set', id='f', status=value)
        assert numbers(s, 'f')['status'] is is_on
    for key, value in (('status', 'maybe'), ('status', ['on']),
                       ('status', None), ('queue', 'rx'), ('flie', 'x')):
        with pytest.raises(lab.RpcError, match=f'object f: {key}'):
            s.call('filter.set', id='f', **{key: value})
    with pytest.raises(lab.RpcError, match="no filter 'g': there are f"):
        s.call('filter.set', id='g', status='on')
    s.command('filter', 'del', 'f')
    assert s.call('filter.list') == {'filters': []}
    assert 'filters' not in s.call('port.show', id='a')
    # by members, as port.add
    s.call('filter.add', type='filter-dump', id='g', netdev='b', maxlen=64,
           file=f'{folder}/g.pcap')
    assert numbers(s, 'g')['maxlen'] == 64
    s.call('filter.set', id='g', status=False)
    assert numbers(s, 'g')['status'] is False
    # the port takes its filters with it
    s.call('port.del', id='b')
    assert s.call('filter.list') == {'filters': []}


def test_help(up, folder):
    s = up('null,id=n')
    assert 'filter-dump' in s.command('filter', 'add', 'help')
    assert 'maxlen=BYTES' in s.command('filter', 'add', 'filter-dump,help')


BAD = {
    'filter-dump,netdev=a,file={f}': 'id=NAME is missing',
    'filter-dump,id=x,file={f}': 'netdev=PORT is missing',
    'filter-dump,id=x,netdev=a': 'file=PATH is missing',
    'filter-dump,id=x,netdev=zz,file={f}': "no port 'zz': there are a, b",
    'filter-dump,id=x,netdev=a,file={f},maxlen=0': 'maxlen=0: must be',
    'filter-dump,id=x,netdev=a,file={f},queue=in': 'object x: queue=in: must be one of: all, rx',
    'filter-dump,id=x,netdev=a,file={f},status=maybe': 'status=maybe: must',
    'filter-dump,id=x,netdev=a,file={f},position=middle': 'head, tail or id=',
    'filter-dump,id=x,netdev=a,file={f},position=id=no':
        'port a has no such filter',
    'filter-dump,id=x,netdev=a,file=/no/such/x.pcap': 'No such file',
    'filter-dump,id=x,netdev=a,file={d}': 'Is a directory',
    'filter-dump,id=x,netdev=a,file={p}': 'nothing reads from that pipe',
    'filter-dump,id=x,netdev=a,flie={f}': 'flie',
    'filter-dumb,id=x,netdev=a': 'did you mean filter-dump?',
    'filter-rewriter,id=x,netdev=a': 'COLO',
    'memory-backend-memfd,id=x': 'qemu-args',
    'id=x,netdev=a': 'the type is missing',
}


@pytest.mark.parametrize('text', BAD)
def test_bad_options(up, folder, text):
    s, a, b = start(up, folder)
    os.mkfifo(f'{folder}/fifo')
    full = text.format(f=f'{folder}/x.pcap', d=folder, p=f'{folder}/fifo')
    done = s.command('filter', 'add', full, check=False)
    assert done.returncode == 2 or done.returncode == 1
    assert BAD[text] in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert s.call('filter.list') == {'filters': []}
    assert not os.path.exists(f'{folder}/x.pcap')


def test_an_id_is_unique(up, folder):
    s, a, b = start(up, folder, ('x', 'a'))
    done = s.command('filter', 'add', dump(folder, 'x', 'b'), check=False)
    assert 'id=x is taken' in done.stderr
    with pytest.raises(lab.LabError, match='id=x is used twice'):
        up('null,id=n', sub='2', extra=['-object', dump(folder, 'x', 'n'),
                                        '-object', dump(folder, 'x', 'n')])


def test_a_file_has_one_writer(up, folder):
    s, a, b = start(up, folder, ('x', 'a'))
    a.send(ether(1, BROADCAST, 60))
    second = f'filter-dump,id=y,netdev=b,file={folder}/x.pcap'
    done = s.command('filter', 'add', second, check=False)
    assert 'another filter or program has locked it' in done.stderr
    s.command('filter', 'del', 'x')
    assert os.path.getsize(f'{folder}/x.pcap') > 24 + 60
    s.command('filter', 'add', second)  # begins anew
    s.command('filter', 'del', 'y')
    assert os.path.getsize(f'{folder}/x.pcap') == 24


def test_older_options_of_qemu(folder, up):
    with pytest.raises(lab.LabError, match='write -object filter-dump,id='):
        up('null,id=n', sub='1', extra=['-net', 'dump,file=x'])
    with pytest.raises(lab.LabError, match='write -object filter-dump,id='):
        up('dump,id=n,file=x', sub='2')


def test_configuration_file(up, folder):
    with open(f'{folder}/conf', 'w') as f:
        f.write(f'netdev null,id=n\nobject {dump(folder, "f", "n")}\n'
                'object filter-replay,id=r,netdev=n,rr=1\n')
    with pytest.raises(lab.LabError, match='conf:3: .*rr'):
        up(sub='1', extra=['--config', f'{folder}/conf'])
    with open(f'{folder}/conf', 'w') as f:
        f.write(f'netdev null,id=n\nobject {dump(folder, "f", "n")}\n'
                'object filter-replay,id=r,netdev=n\n')
    s = up(sub='2', extra=['--config', f'{folder}/conf'])
    assert [f['id'] for f in s.call('filter.list')['filters']] == ['f', 'r']
    assert 'filter=r: filter-replay has no effect' in s.log_text()


def test_json(up, folder):
    s = up('null,id=n', extra=['-object', json.dumps(
        {'qom-type': 'filter-dump', 'id': 'f', 'netdev': 'n', 'maxlen': 96,
         'file': f'{folder}/f.pcap', 'status': 'off'})])
    f = numbers(s, 'f')
    assert f['maxlen'] == 96 and f['status'] is False
    for text, wrong in (('{"id": "x"}', 'the type is missing'),
                        ('{"qom-type": "filter-dump"', 'not JSON at byte'),
                        ('{"qom-type": "filter-dump", "netdev": "n"}',
                         'id=NAME is missing'),
                        ('{"qom-type": "filter-dump", "id": ["x"]}', 'id')):
        done = s.command('filter', 'add', text, check=False)
        assert wrong in done.stderr and len(done.stderr.splitlines()) == 1


def test_order_of_filters(up, folder):
    s, a, b = start(up, folder, ('m', 'a'))
    for name, where in (('t', 'tail'), ('h', 'head'), ('x', 'id=m'),
                        ('y', 'id=m,insert=before')):
        s.call('filter.add',
               object=f'filter-replay,id={name},netdev=a,position={where}')
    assert [f['id'] for f in s.call('filter.list')['filters']] == \
        ['h', 'y', 'm', 'x', 't']
    s.call('filter.del', id='y')
    s.call('filter.del', id='t')
    assert [f['id'] for f in s.call('filter.list')['filters']] == \
        ['h', 'm', 'x']
    a.send(ether(1, BROADCAST))
    wait_frames(s, 'm', 1)
    for i in range(13):
        s.call('filter.add', object=f'filter-replay,id=f{i},netdev=a')
    with pytest.raises(lab.RpcError, match='has 16 filters already'):
        s.call('filter.add', object='filter-replay,id=more,netdev=a')


def test_a_file_that_cannot_grow(up, folder):
    s = up('vhost-user,id=a', 'null,id=n', prefix=['prlimit', '--fsize=20000'],
           extra=['-object', dump(folder, 'f', 'a')])
    a = s.front('a')
    watch = lab.Rpc(s.control)
    watch.call('watch', events=['fault'])

    def ended():
        a.send(ether(1, BROADCAST, 1000))
        return 'reason' in numbers(s, 'f')

    lab.wait_until(ended, 5, 'end of the dump')
    assert numbers(s, 'f')['reason'] == 'File too large'
    event = watch.raw(b'').decode()
    assert 'filter f: dump to' in event and 'File too large' in event
    frames = read(f'{folder}/f.pcap')
    assert len(frames) == numbers(s, 'f')['frames']
    assert all(len(f[2]) == f[1] for f in frames)
    a.send(ether(1, BROADCAST))
    s.call('filter.del', id='f')


def test_changes_under_load(up, folder):
    s, a, b = start(up, folder, ('fixed', 'a'))
    stop = threading.Event()
    count = [0]

    def load():
        while not stop.is_set():
            a.send(ether(1, 2, 60 + count[0] % 1000))
            count[0] += 1
            b.recv(0)

    b.send(ether(2, 1))
    thread = threading.Thread(target=load)
    thread.start()
    try:
        for i in range(30):
            s.call('filter.add', object=dump(folder, 'f', 'a',
                                             ',position=head'))
            s.call('filter.add', object=dump(folder, 'g', 'b'))
            s.call('filter.set', id='f', status='off')
            s.call('filter.set', id='f', status='on')
            s.call('filter.del', id='f')
            s.call('filter.del', id='g')
    finally:
        stop.set()
        thread.join()
    wait_frames(s, 'fixed', count[0])
    assert numbers(s, 'fixed')['dropped'] == 0
    assert len(read(f'{folder}/fixed.pcap')) == numbers(s, 'fixed')['frames']
