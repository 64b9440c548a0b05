# SPDX-License-Identifier: Apache-2.0
"""`ringway vf`: virtual functions of the host's cards, which are made, set,
lent to guests, and given back, also after a kill."""
import base64
import json
import re

import pytest
from vm_lab import APPEND, KERNEL

# Of the card: whether it has virtual functions, and how the host's drivers and
# interfaces stand. Addresses of virtual functions are random.
STATE = 'cd /sys/bus/pci/devices; for d in *; do echo $d ' \
    '$(basename $(readlink $d/driver || echo -)) $(cat $d/driver_override) ' \
    '$(cat $d/sriov_numvfs $d/sriov_drivers_autoprobe 2>/dev/null) ' \
    '$(ls $d/net 2>/dev/null); done; ls /run/ringway 2>/dev/null; ' \
    'ls /sys/class/net'


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
    l1.run(f'ip link set {card} up')
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
    for words, text in (
            (f'vf-of={card},index=1', 'has 1 virtual functions'),
            (f'vf-of={card},index=1,create=on', 'has 1 virtual functions'),
            (f'vf-of={card},index=8,create=on', 'can have 7 virtual'),
            ('vf-of=nope', "no interface 'nope'"),
            (f'vf-of={l1.name("e1000e")},create=on', 'no SR-IOV'),
            (f'vf-of={card},mac=01:00:00:00:00:01', 'one interface'),
            (f'vf-of={card},host={l1.pci("igb")}', 'not both'),
            (f'host={l1.pci("igb")},index=0', 'index= is for'),
            (f'vf-of={card},bind=off', 'has the driver igbvf')):
        status, said = l1.run(
            'ringway vm -m 64 -kernel /guest/vmlinuz -serial none -device '
            f'vfio-pci,{words} 2>&1 </dev/null', check=False)
        assert status in (1, 2) and text in said, (words, said)
        assert '\n' not in said, said
    name = vfs(l1, card)[0]['interface']
    l1.run(f'ip addr add 10.9.0.1/24 dev {name}; ip link set {name} up')
    assert f'is {name}, which has addresses' in refused(l1, f'delete {card}')
    assert 'keeps its 1 virtual' in refused(l1, f'create {card} 2')
    l1.run(f'ip addr flush dev {name}; ringway vf delete {card}')
    assert l1.run(STATE) == before


MACHINE = f'ringway vm -name vf -m 192 {KERNEL} -append "{APPEND} rw.run=RUN"'
# What a guest does with its virtual function.
USE = '''while ! [ -e /sys/class/net/eth0 ]; do usleep 100000; done
ip link set eth0 up; ip addr add 10.7.0.2/24 dev eth0
echo "mac $(cat /sys/class/net/eth0/address)"
echo "by $(basename $(readlink /sys/class/net/eth0/device/driver))"
until ping -q -c 1 -W 1 10.7.0.1 >/dev/null; do :; done
ping -q -A -c 20 10.7.0.1 | grep received; echo VF USED; sleep 1000'''


def waits_for(condition, seconds=120):
    """Returns a shell command that waits until @condition holds."""
    return f'n=0; until {condition} || [ $n -ge {seconds * 5} ]; do ' \
        'usleep 200000; n=$((n + 1)); done; '


@pytest.mark.guests
def test_guest(l1_cards):
    """One command makes a virtual function and gives it to a guest; meanwhile
    it cannot be taken away, and afterwards all is as before."""
    l1, card = l1_cards, l1_cards.name('igb')
    l1.run(f'ip link set {card} up')
    before = l1.run(STATE)
    word = base64.b64encode(USE.encode()).decode()
    l1.run(MACHINE.replace('RUN', word) + f' -device vfio-pci,vf-of={card},'
           'index=1,create=on,mac=52:54:00:bb:00:07 </dev/null '
           '>/tmp/vf.log 2>&1 & echo $! >/tmp/vf.pid')
    try:
        l1.run(waits_for('grep -q "VF USED" /tmp/vf.log || '
                         '! kill -0 $(cat /tmp/vf.pid)'), 150)
        said = l1.run('cat /tmp/vf.log')
        assert '20 packets received' in said and 'by igbvf' in said, said
        assert 'mac 52:54:00:bb:00:07' in said, said
        mine = vfs(l1, card)[1]
        pid = int(l1.run('cat /tmp/vf.pid'))
        assert mine['guest_pid'] == pid and mine['driver'] == 'vfio-pci'
        assert f'process {pid}' in refused(l1, f'delete {card}')
        assert f'process {pid}' in refused(l1, f'create {card} 3')
        assert l1.run('ringway vf restore') == 'nothing to restore: process ' \
            f'{pid} has not ended, and still has what it borrowed'
        said = l1.run('ringway vm -m 64 -kernel /guest/vmlinuz -device '
                      f'vfio-pci,vf-of={card},index=1 2>&1 </dev/null',
                      check=False)[1]
        assert f'in use by another ringway (process {pid})' in said, said
    finally:
        l1.run('kill $(cat /tmp/vf.pid); ' +
               waits_for('! kill -0 $(cat /tmp/vf.pid) 2>/dev/null', 20))
    assert l1.run(STATE) == before


# Starts a machine, kills it at a random instant, restores. Ends after SECONDS,
# or when something is not as before. Prints how often.
KILLS = '''end=$(($(cut -d. -f1 /proc/uptime) + SECONDS)); i=0
state() { STATE; }
state >/tmp/before
while [ $(cut -d. -f1 /proc/uptime) -lt $end ]; do
	case $((i % 3)) in
	0) ringway vm -m 64 -kernel /guest/vmlinuz -serial none -device \\
		vfio-pci,vf-of=CARD,index=1,create=on,mac=52:54:00:bb:00:07 & ;;
	1) ringway vm -m 64 -kernel /guest/vmlinuz -serial none -device \\
		vfio-pci,host=OTHER,bind=on & ;;
	2) ringway vf create CARD 2 & ;;
	esac
	usleep $(od -An -N3 -tu4 /dev/urandom | awk '{print $1 % 3000000}')
	kill -9 $!; wait $!
	ringway vf restore >/tmp/restored || { cat /tmp/restored; break; }
	grep -q again /tmp/restored && r=$((r + 1))
	[ $((i % 3)) -ne 2 ] || ringway vf delete CARD
	state >/tmp/after; i=$((i + 1))
	cmp /tmp/before /tmp/after || { diff /tmp/before /tmp/after; break; }
done >/tmp/kills.log 2>&1
cmp /tmp/before /tmp/after && echo "kills $i restored $((r))" || \\
	cat /tmp/kills.log'''


@pytest.mark.guests
def test_killed(l1_cards):
    """However a machine is killed, or a command, restoring makes drivers,
    virtual functions and interfaces as they were."""
    l1 = l1_cards
    script = KILLS.replace('SECONDS', '50').replace('STATE', STATE).replace(
        'CARD', l1.name('igb')).replace('OTHER', l1.pci('e1000e'))
    word = base64.b64encode(script.encode()).decode()
    l1.run(f'echo {word} | base64 -d >/tmp/kills')
    said = l1.run('sh /tmp/kills', 120)
    count = re.search(r'kills (\d+) restored (\d+)', said)
    assert count and int(count[1]) >= 5 and int(count[2]) >= 2, said
