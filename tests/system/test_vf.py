# SPDX-License-Identifier: Apache-2.0
"""`ringway vf`: virtual functions of the host's cards, which are made, set,
lent to guests, and given back, also after a kill."""
import json

import pytest

# Of the card: whether it has virtual functions, and how the host's drivers and
# interfaces stand. Addresses of virtual functions are random.
STATE = 'cd /sys/bus/pci/devices; for d in *; do echo $d ' \
    '$(basename $(readlink $d/driver || echo -)) $(cat $d/driver_override) ' \
    '$(cat $d/sriov_numvfs $d/sriov_drivers_autoprobe 2>/dev/null) ' \
    '$(ls $d/net 2>/dev/null); done; ls /run/ringway 2>/dev/null; ' \
    '/bin/ip -br link | cut -c 1-30'


def ip_vfs(l1, card):
    """Returns what iproute2 says of the virtual functions of a card. Its path
    keeps the shell from its own ip, which has none."""
    said = l1.run(f'/bin/ip -d -j link show {card}')
    return json.loads(said)[0].get('vfinfo_list', [])


def vfs(l1, card):
    said = json.loads(l1.run(f'ringway vf list {card} --json'))
    return said['cards'][0]['virtual_functions']


def refused(l1, command, code=1):
    """Returns the line with which a command is refused."""
    status, said = l1.run(f'ringway vf {command} 2>&1', check=False)
    assert status == code and '\n' not in said, (command, said)
    return said


def compare(ours, theirs):
    """Both lists have the same settings."""
    assert len(ours) == len(theirs)
    for our, ip in zip(ours, theirs):
        assert our['index'] == ip['vf']
        assert our['mac'] == ip.get('address', ip.get('mac'))
        vlan = ip.get('vlan_list', [{}])[0]
        assert our['vlan'] == vlan.get('vlan', 0)
        assert our['qos'] == vlan.get('qos', 0)
        assert our['spoofchk'] == ip['spoofchk']
        assert our['trust'] == ip['trust']
        assert our['rate'] == ip['rate']['max_tx']
        assert our['link'] == ip['link_state']


@pytest.mark.guests
def test_settings(l1_cards):
    """Two virtual functions are made, set as `ip link` would, listed, and taken
    away."""
    l1, card = l1_cards, l1_cards.name('igb')
    l1.run(f'ip link set {card} up')
    before = l1.run(STATE)
    assert '0 of 7 virtual functions' in l1.run('ringway vf list')
    l1.run(f'ringway vf create {card} 2')
    ours = vfs(l1, card)
    assert [v['driver'] for v in ours] == ['igbvf', 'igbvf']
    assert len({v['group'] for v in ours}) == 2
    compare(ours, ip_vfs(l1, card))
    l1.run(f'ringway vf set {card} 1 mac=52:54:00:bb:00:01 vlan=10 qos=3 '
           'spoofchk=off trust=on')
    l1.run(f'ringway vf set {l1.pci("igb")} 0 mac 52:54:00:bb:00:00 trust on')
    ours = vfs(l1, card)
    compare(ours, ip_vfs(l1, card))
    assert ours[1]['mac'] == '52:54:00:bb:00:01' and ours[1]['vlan'] == 10
    assert ours[1]['trust'] and not ours[1]['spoofchk']
    assert not ours[0]['vlan'] and ours[0]['trust']
    # Refused by the driver: what was set before it is as it was.
    said = refused(l1, f'set {card} 1 vlan=20 link=disable')
    assert 'link: its driver' in said, said
    assert vfs(l1, card) == ours
    table = l1.run(f'ringway vf list {card}')
    assert '10 qos 3' in table and '52:54:00:bb:00:01' in table, table
    l1.run(f'ringway vf create {card} 3 --unbound')
    assert ['driver' in v for v in vfs(l1, card)] == [False] * 3
    l1.run(f'ringway vf delete {card}')
    assert l1.run(STATE) == before


@pytest.mark.guests
def test_refused(l1_cards):
    """What cannot be is one line that says why, and changes nothing."""
    l1, card = l1_cards, l1_cards.name('igb')
    before = l1.run(STATE)
    assert 'can have 7 virtual functions, not 8' in \
        refused(l1, f'create {card} 8')
    said = refused(l1, f'create {l1.name("e1000e")} 1')
    assert 'driver e1000e) has no virtual functions' in said, said
    assert "no interface 'nope'" in refused(l1, 'create nope 1')
    assert 'no PCI device 0000:7f:00.0' in refused(l1, 'list 0000:7f:00.0')
    assert 'no interface of a PCI card' in refused(l1, 'create lo 1')
    assert 'has 0 virtual functions' in refused(l1, f'set {card} 0 vlan=1')
    assert 'count=0' in refused(l1, f'create {card} 0', 2)
    for words, text in (('vlan=5000', 'from 0 to 4094'), ('qos=1', 'vlan='),
                        ('mac=1', '52:54:00'), ('speed=1', 'valid are mac'),
                        ('trust', 'has no value')):
        l1.run(f'ringway vf create {card} 1')
        assert text in refused(l1, f'set {card} 0 {words}', 2)
    name = vfs(l1, card)[0]['interface']
    l1.run(f'ip addr add 10.9.0.1/24 dev {name}; ip link set {name} up')
    assert f'is {name}, which has addresses' in refused(l1, f'delete {card}')
    assert 'keeps its 1 virtual' in refused(l1, f'create {card} 2')
    l1.run(f'ip addr flush dev {name}; ringway vf delete {card}')
    assert l1.run(STATE) == before
