# SPDX-License-Identifier: Apache-2.0
"""Hubs: hubport and ports with net=hubN, with front-ends that see every byte.
test_socket_guests.py has QEMU's hub as a peer."""
import time

import lab
import pytest
from frames import BROADCAST, ether


def hubport(folder, name, hub=0):
    return f'hubport,id={name},hubid={hub},path={folder}/{name}.sock'


def nets(switch):
    return {n['name']: (n['kind'], sorted(p['id'] for p in n['ports']))
            for n in switch.call('show')['networks']}


def refused(switch, netdev):
    with pytest.raises(lab.RpcError) as e:
        switch.call('port.add', netdev=netdev)
    return str(e.value)


def test_everybody_gets_every_frame(up, folder):
    s = up(hubport(folder, 'a'), hubport(folder, 'b'),
           'vhost-user,id=spy,net=hub0', 'vhost-user,id=other,net=hub1',
           'vhost-user,id=plain')
    assert nets(s) == {'hub0': ('hub', ['a', 'b', 'spy']),
                       'hub1': ('hub', ['other']),
                       'default': ('switch', ['plain'])}
    a, b, spy, other = (s.front(p) for p in ('a', 'b', 'spy', 'other'))
    # Each address is known from its sender's first frame on, were it a switch.
    frames = [(a, ether(1, BROADCAST)), (b, ether(2, 1)), (a, ether(1, 2)),
              (spy, ether(3, 1, 1514)), (a, ether(1, 1, 900)), (b, ether(2, 9))]
    for sender, frame in frames * 3:
        sender.send(frame)
        for receiver in (a, b, spy):
            if receiver is not sender:
                assert receiver.recv()[1] == frame
    for front in (a, b, spy, other):
        assert front.recv(0.05) is None
    assert s.macs() == {}
    drops = [s.stats(p)['rx_drops'] + s.stats(p)['tx_drops']
             for p in ('a', 'b', 'spy')]
    assert drops == [0, 0, 0]
    text = s.command('show')
    assert 'network hub0: 3 ports, a hub' in text
    assert 'path=' in s.command('qemu-args', 'a')


def test_tags_pass(up, folder):
    s = up(hubport(folder, 'a'), hubport(folder, 'b'))
    a, b = s.front('a'), s.front('b')
    for tag in ('81000007', '88a80064' '81000007'):
        frame = ether(1, 2)
        frame = frame[:12] + bytes.fromhex(tag) + frame[12:]
        a.send(frame)
        assert b.recv()[1] == frame
    assert 'hub0 is a hub' in refused(s, 'null,id=v,net=hub0,trunk=1-5')
    with pytest.raises(lab.RpcError, match='hub0 is a hub'):
        s.call('port.set', id='a', vlan=5)
    a.send(ether(1, 2))
    assert b.recv()[1] == ether(1, 2)


def test_netdev_joins_and_goes_home(up, folder):
    s = up('vhost-user,id=vm,net=lan', 'vhost-user,id=n,net=lan',
           hubport(folder, 'hp', 3), 'hubport,id=j,hubid=3,netdev=n')
    assert nets(s) == {'lan': ('switch', ['vm']),
                       'hub3': ('hub', ['hp', 'j', 'n'])}
    vm, n, hp = s.front('vm'), s.front('n'), s.front('hp')
    assert s.link('j')
    assert s.call('port.show', id='j')['state'] == {'netdev': 'n',
                                                    'home': 'lan'}
    n.send(ether(1, BROADCAST))
    assert hp.recv()[1] == ether(1, BROADCAST)
    assert vm.recv(0.05) is None
    # The port cannot go before its hubport.
    with pytest.raises(lab.RpcError, match='`port del j` first'):
        s.call('port.del', id='n')
    s.call('port.del', id='j')
    assert nets(s) == {'lan': ('switch', ['n', 'vm']), 'hub3': ('hub', ['hp'])}
    n.send(ether(1, BROADCAST, 100))
    assert vm.recv()[1] == ether(1, BROADCAST, 100)
    assert hp.recv(0.05) is None
    assert s.link('n')  # the session went on
    vm.send(ether(2, 1))
    assert n.recv()[1] == ether(2, 1)
    s.call('port.add', type='hubport', id='j', hubid=3, netdev='n')
    n.close()
    s.wait_link('j', False)
    s.call('port.del', id='j')
    s.call('port.del', id='n')


def test_refusals(up, folder):
    s = up(hubport(folder, 'hp'), 'vhost-user,id=n', 'vhost-user,id=v,vlan=3',
           'hubport,id=j,hubid=0,netdev=n', 'null,id=h,net=hub5')
    before = nets(s)
    for netdev, words in (
            ('hubport,id=x,netdev=n', ['hubid=N is missing']),
            ('hubport,id=x,hubid=-1', ['hubid=-1', '0 to 2147483647']),
            ('hubport,id=x,hubid=1', ['path', 'netdev=PORT']),
            ('hubport,id=x,hubid=1,netdev=no', ['netdev=no', 'no such port']),
            ('hubport,id=x,hubid=1,netdev=x', ['netdev=x', 'no such port']),
            ('hubport,id=x,hubid=1,netdev=n', ['in a hub already', 'hub0']),
            ('hubport,id=x,hubid=0,netdev=n', ['in a hub already', 'hub0']),
            ('hubport,id=x,hubid=1,netdev=h', ['in a hub already', 'hub5']),
            ('hubport,id=x,hubid=1,netdev=hp', ['in a hub already', 'hub0']),
            ('hubport,id=x,hubid=1,netdev=j', ['in a hub already', 'hub0']),
            ('hubport,id=x,hubid=1,netdev=v', ['netdev=v', 'vlan', 'a hub']),
            ('hubport,id=x,hubid=1,net=lan,netdev=n', ['net=lan', 'hub1']),
            (f'hubport,id=x,hubid=1,netdev=n,path={folder}/x', ['guest']),
            ('hubport,id=n,hubid=1,netdev=n', ['id=n'])):
        text = refused(s, netdev)
        for word in words:
            assert word in text, text
    assert nets(s) == before


def test_order_on_the_command_line(up, folder):
    with pytest.raises(lab.LabError, match='must come before'):
        up('hubport,id=j,hubid=0,netdev=n', 'vhost-user,id=n')


def test_move_under_traffic(up, folder):
    """A port joins and leaves a hub a hundred times while frames come in by
    it; the session stays, and nothing gets lost afterwards."""
    s = up('vhost-user,id=n', 'vhost-user,id=vm', hubport(folder, 'hp'),
           extra=('--workers', '2'))
    n, vm, hp = s.front('n'), s.front('vm'), s.front('hp')
    end = time.monotonic() + 2
    for i in range(100):
        n.send(ether(1, BROADCAST, fill=i))
        if i % 2 == 0:
            s.call('port.add', type='hubport', id='j', hubid=0, netdev='n')
        else:
            s.call('port.del', id='j')
        n.send(ether(1, BROADCAST, fill=i))
        if time.monotonic() > end:
            break
    while vm.recv(0.05) or hp.recv(0.05):
        pass
    where = hp if any(p['id'] == 'j' for p in s.call('port.list')['ports']) \
        else vm
    n.send(ether(1, 77, 200))
    assert where.recv()[1] == ether(1, 77, 200)
    assert s.link('n')


def test_no_frames_pass_a_hubport_with_netdev(up, folder):
    s = up('null,id=n', 'hubport,id=h,hubid=1,netdev=n')
    words = 'port h only puts n into a hub, and no frames pass it: name n'
    for argv in (('filter', 'add',
                  f'filter-dump,id=f,netdev=h,file={folder}/f'),
                 ('capture', 'h', '-w', f'{folder}/c')):
        done = s.command(*argv, check=False)
        assert words in done.stderr, done.stderr
