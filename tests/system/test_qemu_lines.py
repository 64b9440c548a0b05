# SPDX-License-Identifier: Apache-2.0
"""The -netdev lines of QEMU's manual ("Network options"), each with what it must
do here: it is taken, and `port show` has the same meaning; or it is refused
with the reason.

A line with -nic in the manual stands here as its -netdev. The daemon runs in a
network namespace that has the addresses and bridges of the manual's examples.
"""
import os
import re
import shutil
import subprocess

import lab
import pytest
from conftest import BINARY, switch_factory
from test_bridge import HELPER
from test_tap import name, sh

pytestmark = pytest.mark.root

USER = {'net': '10.0.2.0', 'mask': '255.255.255.0', 'host': '10.0.2.2',
        'dns': '10.0.2.3', 'dhcpstart': '10.0.2.15'}
IPV6 = {'ipv6-prefix': 'fec0::', 'ipv6-host': 'fec0::2', 'ipv6-dns': 'fec0::3'}
TAP = {'interface_state': 'up', 'vnet_hdr': True, 'created': True}
BRIDGED = {'interface_state': 'up', 'vnet_hdr': True, 'interface': 'tap0'}
FWD = 'tcp:10.0.2.100:1234-'

# (line, {what config or state of `port show` has} or words of the refusal)
LINES = [
    # user
    ('user,id=n1,ipv6=off', {**USER, 'ipv6': False, 'ipv6-prefix': None}),
    ('user,id=n1,ipv4=on,ipv6=on', {**USER, **IPV6}),
    ('user,id=n1,net=192.168.5.0/24',
     {'net': '192.168.5.0', 'mask': '255.255.255.0', 'host': '192.168.5.2',
      'dns': '192.168.5.3', 'dhcpstart': '192.168.5.15'}),
    ('user,id=n1,net=10.1.0.0/255.255.0.0,host=10.1.0.9,dhcpstart=10.1.0.20,'
     'dns=10.1.0.8',
     {'net': '10.1.0.0', 'mask': '255.255.0.0', 'host': '10.1.0.9',
      'dns': '10.1.0.8', 'dhcpstart': '10.1.0.20'}),
    ('user,id=n1,ipv6-net=fd00:1::/64,ipv6-host=fd00:1::9,ipv6-dns=fd00:1::8',
     {**USER, 'ipv6-prefix': 'fd00:1::', 'ipv6-host': 'fd00:1::9',
      'ipv6-dns': 'fd00:1::8'}),
    ('user,id=n1,restrict=on,hostname=box,domainname=example.org',
     {**USER, 'restrict': True, 'hostname': 'box',
      'domainname': 'example.org'}),
    ('user,id=n1,dnssearch=mgmt.example.org,dnssearch=example.org',
     {'dnssearch': ['mgmt.example.org', 'example.org']}),
    # libslirp never frees the server's name, which LeakSanitizer would tell
    ('user,id=n1,tftp=/path/to/tftp/files,bootfile=/pxelinux.0,'
     'tftp-server-name=boot', 'tftp=/path/to/tftp/files: must be a directory'),
    ('user,id=n1,tftp=/usr,bootfile=/pxelinux.0',
     {'tftp': '/usr', 'bootfile': '/pxelinux.0'}),
    ('user,id=n1,smb=/usr,smbserver=10.0.2.4', 'smb: .*a Samba server'),
    ('user,id=n1,hostfwd=tcp:127.0.0.1:6001-:6000',
     {'hostfwd': ['tcp:127.0.0.1:6001-:6000']}),
    ('user,id=n1,hostfwd=tcp::5555-:23', {'hostfwd': ['tcp::5555-:23']}),
    (f'user,id=n1,guestfwd={FWD}tcp:10.10.1.1:4321',
     {'guestfwd': [FWD + 'tcp:10.10.1.1:4321']}),
    (f'user,id=n1,guestfwd={FWD}cmd:netcat 10.10.1.1 4321',
     {'guestfwd': [FWD + 'cmd:netcat 10.10.1.1 4321']}),
    # tap: QEMU's default is to run /etc/qemu-ifup, ours is not to
    ('tap,id=n1', {**TAP, 'interface': 'tap0', 'script': 'no'}),
    ('tap,id=nd0,ifname=tap0', {**TAP, 'interface': 'tap0'}),
    ('tap,id=nd1,ifname=tap1', {**TAP, 'interface': 'tap1'}),
    ('tap,id=n1,ifname=tap5,script=no,downscript=no',
     {**TAP, 'interface': 'tap5'}),
    ('tap,id=n1,br=br0', {**TAP, 'bridge': 'br0'}),
    ('tap,id=n1,script=/etc/qemu-ifup,downscript=/etc/qemu-ifdown',
     'script=/etc/qemu-ifup: cannot run it: No such file'),
    ('tap,id=n1,fd=9', 'fd: descriptor 9 is no open tap'),
    ('tap,id=n1,helper=/path/to/qemu-bridge-helper',
     'helper=/path/to/qemu-bridge-helper: cannot run it: No such file'),
    (f'tap,id=n1,helper={HELPER}', {**BRIDGED, 'helper': HELPER}),
    (f'tap,id=n1,helper={HELPER},vhost=on,poll-us=50', BRIDGED),
    # bridge, which has no options about vhost-net
    ('bridge,id=n1,vhost=on', "unknown option 'vhost'"),
    ('bridge,id=n1', {**BRIDGED, 'br': 'br0', 'helper': HELPER}),
    ('bridge,br=qemubr0,id=n1', {**BRIDGED, 'br': 'qemubr0'}),
    (f'bridge,id=n1,br=br0,helper={HELPER}', BRIDGED),
    # socket
    ('socket,id=n1,listen=:1234',
     {'server': True, 'address': '0.0.0.0:1234', 'state': 'listening'}),
    ('socket,id=n2,connect=127.0.0.1:1234',
     'connect: cannot connect to 127.0.0.1:1234: Connection refused'),
    ('socket,id=n2,connect=127.0.0.1:4321',
     {'server': False, 'address': '127.0.0.1:4321', 'state': 'connected'}),
    ('socket,id=n1,mcast=230.0.0.1:1234', {'remote': '230.0.0.1:1234'}),
    ('socket,id=n1,mcast=239.192.168.1:1102',
     {'remote': '239.192.168.1:1102'}),
    ('socket,id=n1,mcast=239.192.168.1:1102,localaddr=1.2.3.4',
     {'remote': '239.192.168.1:1102', 'sends_from': re.compile(
         r'1\.2\.3\.4:')}),
    ('socket,id=n1,fd=9', 'fd=9: must be a socket that'),
    # l2tpv3
    ('l2tpv3,id=n1,src=4.2.3.1,dst=1.2.3.4,udp,srcport=16384,dstport=16384,'
     'rxsession=0xffffffff,txsession=0xffffffff,counter',
     {'local': '4.2.3.1:16384', 'remote': '1.2.3.4:16384', 'udp': True,
      'counter': True, 'rxsession': 0xffffffff, 'txsession': 0xffffffff}),
    ('l2tpv3,id=n1,src=4.2.3.1,dst=1.2.3.4,txsession=1,rxsession=2,cookie64,'
     'txcookie=0x1122334455667788,rxcookie=0x8877665544332211,offset=4',
     {'udp': False, 'cookie64': True, 'offset': 4}),
    ('l2tpv3,id=n1,src=4.2.3.1,dst=1.2.3.4,txsession=1,pincounter',
     'pincounter: needs counter=on'),
    # stream and dgram, of newer manuals
    ('stream,id=n1,server=on,addr.type=inet,addr.host=127.0.0.1,'
     'addr.port=1234', {'server': True, 'address': '127.0.0.1:1234'}),
    ('stream,id=n1,addr.type=inet,addr.host=127.0.0.1,addr.port=4321',
     {'server': False, 'state': 'connected'}),
    ('stream,id=n1,addr.type=fd,addr.str=9', 'addr.str=9: must be a socket'),
    ('dgram,id=n1,remote.type=inet,remote.host=230.0.0.1,remote.port=1234,'
     'local.type=inet,local.host=1.2.3.4',
     {'remote': '230.0.0.1:1234', 'sends_from': re.compile(r'1\.2\.3\.4:')}),
    ('dgram,id=n1,local.type=inet,local.host=4.2.3.1,local.port=1234,'
     'remote.type=inet,remote.host=1.2.3.4,remote.port=1235',
     {'local': '4.2.3.1:1234', 'remote': '1.2.3.4:1235'}),
    # vhost-user, whose socket is a -chardev in the manual
    ('type=vhost-user,id=net0,chardev=chr0', 'chardev'),
    # not of Linux's user land, or of QEMU alone
    ('netmap,id=n1,ifname=eth0', 'write packet,ifname=NAME'),
    ('nic,model=virtio', "write the guest's card as an option of QEMU"),
    # types of their own tests: add a row when one comes
    ('hubport,id=h1,hubid=0', 'path: is missing.*netdev=PORT'),
    ('hubport,id=h1,hubid=0,netdev=nd0', 'netdev=nd0: there is no such port'),
    ('vde,id=n1,sock=/tmp/myswitch', 'no vde_switch is there'),
    ('vhost-vdpa,id=n1,vhostdev=/path/to/dev', 'serves the rings of a guest'),
]


@pytest.fixture(scope='module')
def space():
    """A network namespace with the manual's addresses and bridges."""
    ns = name('ml')
    done = subprocess.run(['ip', 'netns', 'add', ns], capture_output=True,
                          text=True)
    if done.returncode:
        pytest.skip(f'no network namespaces: {done.stderr.strip()}')
    try:
        for command in ('link set lo up', 'addr add 1.2.3.4/32 dev lo',
                        'addr add 4.2.3.1/32 dev lo',
                        'route add 224.0.0.0/4 dev lo',
                        'link add br0 type bridge',
                        'link add qemubr0 type bridge'):
            sh('ip', '-n', ns, *command.split())
        yield ns
    finally:
        subprocess.run(['ip', 'netns', 'del', ns])


@pytest.fixture(scope='module')
def switch(space, module_folder, request):
    """A daemon there, with an /etc that allows the helper all bridges."""
    etc = os.path.join(module_folder, 'etc')
    os.makedirs(os.path.join(etc, 'qemu'))
    for file in ('passwd', 'group', 'resolv.conf'):
        shutil.copy(f'/etc/{file}', etc)
    with open(os.path.join(etc, 'qemu', 'bridge.conf'), 'w') as f:
        f.write('allow all\n')
    for up in switch_factory(module_folder, request.node):
        yield up('socket,id=peer,net=peer,listen=127.0.0.1:4321', prefix=[
            'ip', 'netns', 'exec', space, 'unshare', '-m', 'sh', '-c',
            f'mount --bind {etc} /etc && exec "$@"', 'sh'])


def same(value, wanted):
    if isinstance(wanted, re.Pattern):
        return bool(wanted.match(value))
    return value == wanted


@pytest.mark.parametrize('line,wanted', LINES,
                         ids=[line[:60] for line, _ in LINES])
def test_line(switch, space, line, wanted):
    if HELPER in str(wanted) and not os.path.exists(HELPER):
        pytest.skip(f'there is no {HELPER}')
    if isinstance(wanted, str):
        with pytest.raises(lab.RpcError) as refusal:
            switch.call('port.add', netdev=line)
        assert re.search(wanted, str(refusal.value)), refusal.value
        return
    port = switch.call('port.add', netdev=line)['id']
    try:
        def is_there():
            shown = switch.call('port.show', id=port)
            return shown if shown['state'].get('state') != 'connecting' and \
                shown['state'].get('interface_state') != 'helper running' \
                else None
        shown = lab.wait_until(is_there, 5, 'the start')
        for key, value in wanted.items():
            where = shown['state'] if key in shown['state'] \
                else shown['config']
            assert same(where.get(key), value), (key, shown)
        if 'br' in wanted or 'bridge' in wanted:
            br = wanted.get('br') or wanted.get('bridge')
            assert 'tap0' in sh('ip', '-n', space, '-br', 'link', 'show',
                                'master', br)
    finally:
        switch.call('port.del', id=port)
    lab.wait_until(lambda: 'tap' not in sh('ip', '-n', space, '-br', 'link'),
                   3, 'the end of the interface')


def test_the_table_has_thirty_lines():
    assert len(LINES) >= 30 and len(dict(LINES)) == len(LINES)


def test_help_lists_the_types_of_the_table():
    done = subprocess.run([BINARY, 'up', '-netdev', 'help'],
                          capture_output=True, text=True)
    for line, wanted in LINES:
        if isinstance(wanted, dict):
            assert re.search(rf'^\s*{line.split(",")[0]}\b', done.stdout,
                             re.M), line
