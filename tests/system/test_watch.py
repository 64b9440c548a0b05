# SPDX-License-Identifier: Apache-2.0
"""Events: clients that asked get them, and a client that does not read them
harms no other."""
import json
import os
import re
import select
import subprocess
import time

import lab
import pytest
from conftest import BINARY
from frames import BROADCAST, ether, mac


class Watcher(lab.Rpc):
    """A connection that asked for events."""

    def __init__(self, switch, *kinds):
        super().__init__(switch.control)
        self.kinds = self.call('watch', **({'events': kinds} if kinds else {}))

    def next(self):
        message = json.loads(self.raw(b''))
        assert message['method'] == 'event' and 'id' not in message
        return message['params']

    def is_silent(self, seconds=0.2):
        return not self.buffer and \
            not select.select([self.sock], [], [], seconds)[0]

    def brief(self, n):
        """Returns the next n events, without their times."""
        events = [self.next() for _ in range(n)]
        for e in events:
            assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z',
                                e.pop('time'))
        return events


def added(port, net='default'):
    return {'event': 'port-added', 'port': port, 'net': net}


def removed(port, net='default'):
    return {'event': 'port-removed', 'port': port, 'net': net}


def link(port, is_up, net='default'):
    return {'event': 'link', 'port': port, 'net': net, 'up': is_up}


def test_ports_and_links(up, folder):
    s = up()
    w = Watcher(s)
    assert {'port-added', 'port-removed', 'link'} <= set(w.kinds['events'])
    s.call('port.add', netdev=f'vhost-user,id=a,net=lab,path={folder}/a.sock')
    assert w.brief(1) == [added('a', 'lab')]
    front = s.front('a')
    assert w.brief(1) == [link('a', True, 'lab')]
    front.close()
    assert w.brief(1) == [link('a', False, 'lab')]
    front = s.front('a')
    assert w.brief(1) == [link('a', True, 'lab')]
    s.call('port.del', id='a')
    assert w.brief(1) == [removed('a', 'lab')]
    assert w.is_silent()


def test_addresses(up):
    s = up('vhost-user,id=a,vlan=10', 'vhost-user,id=b,vlan=10',
           'vhost-user,id=c')
    w = Watcher(s, 'mac')
    text = watch(s, 'mac')
    fronts = {n: s.front(n) for n in 'abc'}

    def learned(port, number, **more):
        fronts[port].send(ether(number, BROADCAST))
        assert w.brief(1) == [{'event': 'mac', 'port': port, 'net': 'default',
                               'mac': mac(number), **more}]

    learned('a', 1, vlan=10)
    learned('c', 1)             # a new address: it has no VLAN
    learned('c', 2)
    learned('b', 1, vlan=10, **{'from': 'a'})
    fronts['b'].send(ether(1, BROADCAST))
    assert w.is_silent()        # the address is known
    while not select.select([text.stdout], [], [], 0.05)[0]:
        s.call('mac.flush')
        fronts['b'].send(ether(1, BROADCAST))
    lab.end_process(text)
    assert re.search(r'^\S+Z  mac          b \(default\) 02:00:00:00:01:01 '
                     r'vlan 10( from a)?$', text.communicate()[0], re.M)


def test_faults_and_moves(up):
    s = up('vhost-user,id=a', 'vhost-user,id=b', 'vhost-user,id=c',
           extra=['--workers', '2', '--rebalance', 'off'])
    w = Watcher(s, 'fault', 'queue-move')
    fronts = [s.front(n) for n in 'abc']
    fronts[0].rings[1].publish(0xffff)  # no such descriptor
    os.eventfd_write(fronts[0].rings[1].kick, 1)
    event, = w.brief(1)
    assert event.pop('text')
    assert event == {'event': 'fault', 'port': 'a', 'net': 'default',
                     'queue': 1}
    s.call('port.del', id='b')  # leaves two queues on one worker
    moves = s.call('rebalance')['moves']
    assert len(moves) == 1
    # The event arrived before the reply did on the other connection.
    assert w.brief(1) == [{'event': 'queue-move', 'net': 'default', **moves[0]}]


def test_only_the_kinds_asked_for(up):
    s = up()
    w = Watcher(s, 'port-removed')
    assert w.kinds == {'events': ['port-removed']}
    s.call('port.add', type='null', id='n')
    s.call('port.del', id='n')
    assert w.brief(1) == [removed('n')]
    # A second request of the same connection replaces the kinds.
    assert w.call('watch', events='port-added') == {'events': ['port-added']}
    s.call('port.add', type='null', id='n')
    assert w.brief(1) == [added('n')]
    s.call('port.del', id='n')
    assert w.is_silent()
    with pytest.raises(lab.RpcError, match='nosuch.*port-added'):
        w.call('watch', events=['link', 'nosuch'])
    s.call('port.add', type='null', id='n')     # the kinds are as before
    assert w.brief(1) == [added('n')]


def test_own_changes_are_told_before_their_reply(up):
    s = up()
    w = Watcher(s, 'port-added')
    line = w.raw(b'{"jsonrpc":"2.0","id":9,"method":"port.add",'
                 b'"params":{"type":"null","id":"n"}}\n')
    assert json.loads(line)['params']['port'] == 'n'
    assert json.loads(w.raw(b''))['id'] == 9


def flap(rpc, times):
    """Adds and removes a port @times times, in one batch."""
    one = [{'jsonrpc': '2.0', 'method': 'port.add',
            'params': {'type': 'null', 'id': 'flap'}},
           {'jsonrpc': '2.0', 'method': 'port.del', 'params': {'id': 'flap'}}]
    last = [{'jsonrpc': '2.0', 'method': 'version', 'id': 1}]
    reply = rpc.raw(json.dumps(one * times + last).encode() + b'\n')
    assert len(json.loads(reply)) == 1


def test_a_client_that_does_not_read(up):
    s = up()
    lazy = Watcher(s, 'port-added', 'port-removed')
    busy = Watcher(s, 'port-removed')   # reads, and misses nothing
    other = lab.Rpc(s.control)
    flap(s.rpc, 100)
    for _ in range(100):
        flap(s.rpc, 200)
        start = time.monotonic()
        other.call('version')
        assert time.monotonic() - start < 1
        seen = [busy.next() for _ in range(200)]
        assert all('lost' not in e for e in seen)
    assert len([busy.next() for _ in range(100)]) == 100
    # The lazy client reads at last: first the events that fitted its buffer,
    # then the number of lost ones.
    told = []
    while not lazy.is_silent():
        told.append(lazy.next())
    assert len(told) > 1000 and all('lost' not in e for e in told)
    flap(s.rpc, 1)
    told += [lazy.next(), lazy.next()]
    assert told[-2]['lost'] > 1000 and 'lost' not in told[-1]
    assert len(told) + told[-2]['lost'] == 2 * (100 + 100 * 200 + 1)
    lazy.close()
    flap(s.rpc, 1)
    assert busy.next()['event'] == 'port-removed'


@pytest.mark.measures
def test_it_costs_little_memory(up):
    s = up()
    lazy = [Watcher(s) for _ in range(4)]
    flap(s.rpc, 100)
    before = s.status('VmRSS')
    for _ in range(100):
        flap(s.rpc, 200)    # 40,000 events of 100 bytes for each
    # Each has at most 1 MiB, in a buffer that grows by doubling.
    assert 1 << 10 < s.status('VmRSS') - before < len(lazy) * 3 << 10


def watch(s, *args):
    return subprocess.Popen([BINARY, 'watch', *args, '--control', s.control],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def test_command(up):
    s = up('vhost-user,id=a')
    text, lines = watch(s), watch(s, 'link', '--json')
    def come_and_go():
        s.front('a').close()
        s.wait_link('a', False)
        time.sleep(0.1)  # a link that comes back within 50 ms never went
        s.call('port.add', type='null', id='try')
        s.call('port.del', id='try')
    for command in (text, lines):   # until both have printed an event
        while not select.select([command.stdout], [], [], 0.02)[0]:
            come_and_go()
    come_and_go()
    ups = [json.loads(lines.stdout.readline())['up'] for _ in range(3)]
    assert ups[0] is not ups[1] and ups[1] is not ups[2]
    s.command('down')
    out, err = text.communicate(timeout=5)
    assert re.search(r'^\S+Z  port-added   try \(default\)$', out, re.M)
    assert re.search(r'^\S+Z  link         a \(default\) up$', out, re.M)
    assert re.search(r'^\S+Z  port-removed a \(default\)$', out, re.M)
    assert text.returncode == 1 and 'closed' in err
    out, err = lines.communicate(timeout=5)
    assert lines.returncode == 1 and len(err.splitlines()) == 1
    bad = s.command('watch', 'nosuch', check=False)
    assert bad.returncode == 2 and 'port-added' in bad.stderr
