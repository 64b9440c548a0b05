# SPDX-License-Identifier: Apache-2.0
"""VLAN options of ports: refused values, shown values, and effects that have no
counterpart in a Linux bridge (test_vlan.py has the others)."""
import re

import lab
import pytest
import vufront
from frames import (BROADCAST, GSO_NONE, NEEDS_CSUM, checksums_are_good,
                    parse_header)
from vlan_frames import CTAG, STAG, Output, plain, tags_of, transport
from vlan_ringway import SENDS

A, B = '02:00:00:00:01:0a', '02:00:00:00:01:0b'


def lan(up, *options, **front_options):
    """Starts a switch with ports a, b, c, ... and a front-end on each."""
    names = 'abcdef'[:len(options)]
    s = up(*(f'vhost-user,id={n}' + (f',{o}' if o else '')
             for n, o in zip(names, options)))
    front_options.setdefault('size', 128)
    return s, [s.front(n, **front_options) for n in names]


def got(front):
    """Returns a list of VIDs, one for each tag, for each frame that arrived."""
    frames = []
    while frame := front.recv(0):
        frames.append([tci & 0xfff for _, tci in tags_of(frame[1])[0]])
    return frames


def send(fronts, at, tags=(), dst=BROADCAST, src=A):
    """Sends one frame; returns got() of every port."""
    fronts[at].send(plain(src, dst, tags, 46).data)
    return [got(f) for f in fronts]


def q(vid, pcp=0):
    return (CTAG, vid, pcp, 0)


def rx_drops(s, port):
    return s.stats(port)['rx'][0]['drops']


# Refused values: one line names port, key and value, and what would be right

BAD = [
    ({'vlan': '0'}, 'vlan=0', '4094'),
    ({'vlan': '4095'}, 'vlan=4095', '4094'),
    ({'vlan': '5000'}, 'vlan=5000', '4094'),
    ({'vlan': '-1'}, 'vlan=-1', '4094'),
    ({'vlan': 'blue'}, 'vlan=blue', '4094'),
    ({'vlan': '10:20'}, 'vlan=10:20', '4094'),
    ({'trunk': '10:20-15'}, 'trunk=10:20-15', '15-20'),
    ({'trunk': '10:10'}, 'trunk=10:10', 'twice|once|overlap|already'),
    ({'trunk': '5-7:6'}, 'trunk=5-7:6', 'twice|once|overlap|already'),
    ({'trunk': '5-7:7-9'}, 'trunk=5-7:7-9', 'twice|once|overlap|already'),
    ({'trunk': '10:'}, 'trunk=10:', r'10:20-30|10,20-30|4094'),
    ({'trunk': ':10'}, 'trunk=:10', r'10:20-30|10,20-30|4094'),
    ({'trunk': '10::20'}, 'trunk=10::20', r'10:20-30|10,20-30|4094'),
    ({'trunk': '10-'}, 'trunk=10-', r'10:20-30|10,20-30|4094'),
    ({'trunk': 'a'}, 'trunk=a', r'10:20-30|10,20-30|4094'),
    ({'trunk': '0-10'}, 'trunk=0-10', '4094'),
    ({'trunk': '4000-4095'}, 'trunk=4000-4095', '4094'),
    ({'trunk': '99999999999'}, 'trunk=99999999999', '4094'),
    ({'trunk': '10:20', 'native': '30'}, 'native=30', 'trunk'),
    ({'trunk': '10:20', 'native': '0'}, 'native=0', '4094'),
    ({'trunk': '10:20', 'native': '4095'}, 'native=4095', '4094'),
    ({'native': '30'}, 'native=30', 'trunk'),
    ({'vlan': '10', 'trunk': '10:20'}, 'vlan=10', 'trunk'),
    ({'vlan': '10', 'native': '10'}, 'vlan=10', 'native'),
    ({'dot1ad': 'perhaps'}, 'dot1ad=perhaps', 'on|off|yes|no'),
]
IDS = [','.join(f'{k}={v}' for k, v in b[0].items()) for b in BAD]


def check_line(text, port, pair, right):
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert re.search(rf'\b{port}\b', text), text
    assert pair in text, text
    # The line names what would be right, apart from the given value.
    assert re.search(right, text.replace(pair, '')), text


@pytest.mark.parametrize('bad, pair, right', BAD, ids=IDS)
def test_bad_vlan_is_refused_and_nothing_changes(up, bad, pair, right):
    """Tests `port set` on an access port and on a trunk, and `port add`."""
    s, fronts = lan(up, 'vlan=10', 'trunk=10:20,native=20', 'vlan=20')
    pairs = [f'{k}={v}' for k, v in bad.items()]
    for port in ('a', 'b'):
        before = s.call('port.show', id=port)['config']
        # Options that the command does not name are checked as well.
        clear = [f'{k}=' for k in ('vlan', 'trunk', 'native')
                 if k not in bad and 'dot1ad' not in bad]
        done = s.command('port', 'set', port, *clear, *pairs, check=False)
        assert done.returncode in (1, 2) and not done.stdout
        check_line(done.stderr, port, pair, right)
        assert s.call('port.show', id=port)['config'] == before
    done = s.command('port', 'add', ','.join(['null,id=new', *pairs]),
                     check=False)
    assert done.returncode in (1, 2)
    check_line(done.stderr, 'new', pair, right)
    assert [p['id'] for p in s.call('port.list')['ports']] == ['a', 'b', 'c']
    # The ports are unchanged.
    assert send(fronts, 0) == [[], [[10]], []]
    assert send(fronts, 1, [q(10)]) == [[[]], [], []]
    assert send(fronts, 1) == [[], [], [[]]]


@pytest.mark.parametrize('bad, pair, right', [BAD[0], BAD[6], BAD[18]],
                         ids=[IDS[0], IDS[6], IDS[18]])
def test_up_with_a_bad_vlan_ends(up, bad, pair, right):
    options = ','.join(f'{k}={v}' for k, v in bad.items())
    with pytest.raises(lab.LabError) as e:
        up(f'null,id=bad,{options}')
    check_line(str(e.value).rsplit('ended with', 1)[1], 'bad', pair, right)


def test_one_change_is_checked_against_the_rest(up):
    """A value that is right alone is refused where another option excludes it.
    """
    s, fronts = lan(up, 'vlan=10', 'trunk=10:20,native=20', '')
    for port, change, right in (('a', 'trunk=10:20', 'vlan'),
                                ('a', 'native=10', 'vlan'),
                                ('b', 'vlan=10', 'trunk'),
                                ('b', 'trunk=10', 'native'),
                                ('b', 'trunk=', 'native'),
                                ('b', 'native=30', 'trunk')):
        done = s.command('port', 'set', port, change, check=False)
        assert done.returncode in (1, 2), change
        check_line(done.stderr, port, change, right)
    assert send(fronts, 1) == [[], [], [[20]]]
    # Both options in one command are right.
    s.command('port', 'set', 'a', 'vlan=', 'trunk=10:20', 'native=20')
    s.command('port', 'set', 'b', 'trunk=', 'native=', 'vlan=20')
    assert send(fronts, 1) == [[[]], [], [[20]]]


def test_a_comma_is_doubled(up):
    s, fronts = lan(up, 'trunk=10,,20-30', 'vlan=25', 'vlan=31')
    assert send(fronts, 0, [q(25)]) == [[], [[]], []]
    assert send(fronts, 0, [q(31)]) == [[], [], []]
    assert rx_drops(s, 'a') == {'rx-vlan': 1}
    s.command('port', 'set', 'a', 'trunk=10,31')
    assert send(fronts, 0, [q(31)]) == [[], [], [[]]]


# Shown values

def test_vlans_are_shown(up):
    s, fronts = lan(up, 'vlan=10', 'trunk=10:20-30,native=20', '')
    send(fronts, 0), send(fronts, 1, src=B)
    send(fronts, 2, src='02:00:00:00:01:0c')
    assert {(m['mac'], m.get('vlan'), m['port'])
            for m in s.call('mac.list')['macs']} == {
        (A, 10, 'a'), (B, 20, 'b'), ('02:00:00:00:01:0c', None, 'c')}
    text = s.command('mac')
    assert 'VLAN' in text.splitlines()[0]
    assert re.search(rf'{A}.*\b10\b.*\ba\b', text), text
    config = s.call('port.show', id='a')['config']
    assert config['vlan'] == '10'
    config = s.call('port.show', id='b')['config']
    assert config['native'] == '20'
    assert re.fullmatch('10[,:]20-30', config['trunk'])
    text = s.command('show')
    assert re.search(r'\ba\b.*\b10\b', text), text
    assert re.search(r'\bb\b.*\b10[,:]20-30\b', text), text


# Ports without VLAN options beside others

def test_the_first_vlan_of_a_network(up):
    s, fronts = lan(up, '', '', '')
    # No port has VLAN options: tags mean nothing.
    assert send(fronts, 0, [q(5)]) == [[], [[5]], [[5]]]
    assert send(fronts, 0, [q(4095)]) == [[], [[4095]], [[4095]]]
    s.command('port', 'set', 'a', 'vlan=10')
    assert send(fronts, 0) == [[], [[10]], [[10]]]
    assert send(fronts, 1) == [[], [], [[]]]
    assert send(fronts, 1, [q(10)]) == [[[]], [], [[10]]]
    assert send(fronts, 1, [q(11)]) == [[], [], [[11]]]
    assert send(fronts, 1, [q(4095)]) == [[], [], []]
    assert rx_drops(s, 'b') == {'rx-vlan': 1}
    s.command('port', 'set', 'a', 'vlan=')
    assert send(fronts, 0) == [[], [[]], [[]]]
    assert send(fronts, 1, [q(4095)]) == [[[4095]], [], [[4095]]]
    # The last port with a VLAN is deleted.
    s.command('port', 'set', 'c', 'vlan=10')
    assert send(fronts, 0) == [[], [[]], []]
    s.command('port', 'del', 'c')
    assert send(fronts[:2], 0, [q(5)]) == [[], [[5]]]


def test_networks_do_not_share_vlans(up):
    _, fronts = lan(up, 'net=x,vlan=10', 'net=x', 'net=y', 'net=y')
    assert send(fronts, 2, [q(10)]) == [[], [], [], [[10]]]
    assert send(fronts, 2, [q(4095)]) == [[], [], [], [[4095]]]
    assert send(fronts, 0) == [[], [[10]], [], []]


# Faults of other switches

def test_both_tags_fit(up):
    """With 802.1ad the customer's tag stays inside, and 1500 bytes of payload
    fit with both tags. Drops are counted for a receiver that takes no long
    frames."""
    class Small(vufront.Front):
        """A front-end with buffers of 1514 bytes, which cannot be merged."""

        def fill(self, ring=None):
            ring = ring or self.rings[0]
            while ring.add(vufront.HDR + 1514, True):
                pass
            ring.notify()

    s, fronts = lan(up, 'vlan=100,dot1ad=on', 'trunk=100,dot1ad=on',
                    'vlan=100,dot1ad=on')
    s.command('port', 'add', 'vhost-user,id=d,trunk=100,dot1ad=on,'
              f'path={s.folder}/d.sock')
    small = Small(f'{s.folder}/d.sock',
                  features=vufront.bits(vufront.F_VERSION_1))
    s.wait_link('d')
    for size, fits in ((1492, True), (1493, False), (1500, False)):
        sample = plain(A, BROADCAST, [q(7, pcp=3)], size)
        both = plain(A, BROADCAST, [(STAG, 100, 0, 0), q(7, pcp=3)], size)
        dropped = s.drops('d')
        fronts[0].send(sample.data)
        assert fronts[1].recv(0)[1] == both.data
        assert fronts[2].recv(0)[1] == sample.data
        frame = small.recv(0)
        assert (frame and frame[1]) == (both.data if fits else None)
        assert s.drops('d') - dropped == (0 if fits else 1)
    assert s.stats('d')['tx'][0]['drops'] == {'tx-too-big': 2}


def test_drops_tell_only_of_lost_frames(up):
    """Sends 1000 broadcasts with two tags to all members of a VLAN."""
    s, fronts = lan(up, 'trunk=100-200,dot1ad=on', 'trunk=100,dot1ad=on',
                    'vlan=100,dot1ad=on', 'vlan=101,dot1ad=on')
    frame = plain(A, BROADCAST, [(STAG, 100, 2, 0), q(7)], 100).data
    came = [0] * 4
    for _ in range(20):
        for _ in range(50):
            fronts[0].send(frame, wait=False)
        fronts[0].send(plain(A, BROADCAST, [(STAG, 150, 0, 0)], 46).data)
        for i, front in enumerate(fronts):
            came[i] += len(got(front))
    assert came == [0, 1000, 1000, 0]
    for port, n in zip('abcd', came):
        stats = s.stats(port)
        assert stats['tx_frames'] == n, port
        drops = {k: v for part in ('rx', 'tx') for q_ in stats[part]
                 for k, v in q_['drops'].items()}
        # The last frame of each round has no receiver in its VLAN, 150.
        assert drops in ({}, {'rx-no-receiver': 20} if port == 'a' else {})


@pytest.mark.parametrize('v6', [False, True], ids=['v4', 'v6'])
def test_a_router_gets_frames_it_can_send_on(up, v6):
    """Frames go from a guest in VLAN 10 through a router on a trunk, which
    takes no large frames, to a guest in VLAN 20."""
    s = up('vhost-user,id=a,vlan=10', 'vhost-user,id=r,trunk=10:20',
           'vhost-user,id=b,vlan=20')
    a, b = (s.front(n, size=128, features=vufront.OFFLOADS) for n in 'ab')
    r = s.front('r', size=128,
                features=SENDS | vufront.bits(vufront.F_GUEST_CSUM))
    large = transport(A, B, [], 'tcp', v6, 30000, 1440)
    a.send(large.data, large.header)
    payload, head = b'', 14 + (40 if v6 else 20) + 20
    count = 0
    while frame := r.recv(0):
        header = parse_header(frame[0])
        data = bytearray(frame[1])
        assert len(data) <= 1518 and header['gso'] == GSO_NONE
        assert tags_of(data)[0] == [(CTAG, 10)]
        assert header['flags'] == NEEDS_CSUM
        assert header['start'] == head - 20 + 4
        # The router sends it into the other VLAN with the same header.
        data[15] = 20
        r.send(bytes(data), frame[0])
        out = b.recv(0)
        result = Output(out[0] + out[1])
        assert tags_of(result.frame)[0] == []
        whole, = result.canonical()
        assert checksums_are_good(whole)
        payload += whole[head:]
        count += 1
    assert count == -(-30000 // 1440) and b.recv(0) is None
    assert payload == large.data[head:]
