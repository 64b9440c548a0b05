# SPDX-License-Identifier: Apache-2.0
"""Two Linux guests, booted once, with a user port and one card for every kind
of ring."""
import http.server
import json
import os
import re
import socket
import socketserver
import struct
import subprocess
import threading
import time
import urllib.request

import lab
import pytest

pytestmark = pytest.mark.guests

# network: properties of the card
CARDS = {
    'lan': '',
    'plain': ',csum=off,gso=off,host_tso4=off,host_tso6=off,host_ufo=off,'
             'guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ufo=off,'
             'guest_ecn=off,host_ecn=off',
    'packed': ',packed=on',
    'mq': ',mq=on',
}
NAMES = list(CARDS)
# QEMU 7.2 crashes under TCG when a vhost-user device uses MSI-X.
VECTORS = '' if lab.have_kvm() else ',vectors=0'
DNS = '127.0.5.3'


def card(guest, net):
    return f'52:54:00:00:{guest:02x}:{NAMES.index(net):02x}'


class Host:
    """The servers on the host that the guests use: web and DNS."""

    def __init__(self):
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = b'from the host ' * 20000
                self.send_response(200)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.web = socketserver.ThreadingTCPServer(('127.0.0.1', 0), Page)
        self.web.daemon_threads = True
        self.web_port = self.web.server_address[1]
        threading.Thread(target=self.web.serve_forever, daemon=True).start()
        self.names = None

    def start_dns(self):
        """Starts a name server that answers every query with 192.0.2.77."""
        class Names(socketserver.BaseRequestHandler):
            def handle(self):
                query, sock = self.request
                end = query.index(b'\0', 12) + 5
                kind, = struct.unpack_from('!H', query, end - 4)
                answer = b''
                if kind == 1:
                    answer = b'\xc0\x0c' + struct.pack('!HHIH', 1, 1, 60, 4) \
                        + bytes([192, 0, 2, 77])
                sock.sendto(query[:2] + struct.pack(
                    '!HHHHH', 0x8180, 1, 1 if answer else 0, 0, 0) +
                    query[12:end] + answer, self.client_address)

        try:
            self.names = socketserver.ThreadingUDPServer((DNS, 53), Names)
        except OSError:
            return False
        self.names.daemon_threads = True
        threading.Thread(target=self.names.serve_forever, daemon=True).start()
        return True

    def stop(self):
        for server in (self.web, self.names):
            if server:
                server.shutdown()
                server.server_close()


@pytest.fixture(scope='module')
def host(module_folder):
    h = Host()
    yield h
    h.stop()


@pytest.fixture(scope='module')
def world(images, module_up, module_folder, host):
    """Yields the switch and two booted guests."""
    netdevs = []
    for g in (1, 2):
        for net in NAMES:
            queues = ',queues=2' if net == 'mq' else ''
            netdevs.append(f'vhost-user,id={net}{g},net={net}{queues}')
    hostfwd = lab.free_port()
    netdevs.append(f'user,id=nat,net=lan,hostname=ringway-guest,'
                   f'hostfwd=tcp:127.0.0.1:{hostfwd}-:80')
    prefix = []
    if os.geteuid() == 0 and host.start_dns():
        # The user port asks the host's name server: this makes it ours.
        conf = os.path.join(module_folder, 'resolv.conf')
        with open(conf, 'w') as f:
            f.write(f'nameserver {DNS}\n')
        prefix = ['unshare', '-m', 'sh', '-c',
                  f'mount --bind {conf} /etc/resolv.conf && exec "$@"', 'sh']
        if subprocess.run(prefix + ['true'], capture_output=True).returncode:
            prefix = []
    s = module_up(*netdevs, prefix=prefix)
    s.has_dns = bool(prefix)
    s.hostfwd = hostfwd
    guests = []
    try:
        for g in (1, 2):
            args = []
            for net in NAMES:
                port = f'{net}{g}'
                queues = ',queues=2' if net == 'mq' else ''
                args += ['-chardev', f'socket,id=c{net},path='
                         f'{module_folder}/{port}.sock',
                         '-netdev', f'vhost-user,id={net},chardev=c{net}'
                         f'{queues}', '-device',
                         f'virtio-net-pci,netdev={net},mac={card(g, net)},'
                         f'romfile={VECTORS}{CARDS[net]}']
            guests.append(lab.Guest(f'vm{g}', module_folder, args, cpus=2,
                                    with_memory=True, images=images))
        for g, guest in enumerate(guests, 1):
            guest.wait_boot(120)
            guest.nic = {}
            out = guest.run('for i in /sys/class/net/*; do '
                            'echo $(basename $i) $(cat $i/address); done')
            by_mac = {m: i for i, m in re.findall(r'^(\S+) (\S+)$', out, re.M)}
            for n, net in enumerate(NAMES):
                nic = guest.nic[net] = by_mac[card(g, net)]
                if net != 'lan':
                    guest.run(
                        f'echo 0 >/proc/sys/net/ipv6/conf/{nic}/accept_dad; '
                        f'ip link set {nic} up; '
                        f'ip addr add 10.9.{n}.{g}/24 dev {nic}; '
                        f'ip -6 addr add fd09:{n}::{g}/64 dev {nic}')
        guests[1].run('iperf3 -s -D')
        yield s, guests[0], guests[1]
    finally:
        for guest in guests:
            guest.stop()


def address(net, g, v6=False):
    n = NAMES.index(net)
    return f'fd09:{n}::{g}' if v6 else f'10.9.{n}.{g}'


def ping(guest, to, count=3):
    out = guest.run(f'ping -c {count} -i 0.2 -W 2 -q {to}', check=False)[1]
    return int(re.search(r'(\d+) packets received', out).group(1))


def iperf(guest, to, extra=''):
    """Returns the bits a second that arrived."""
    return lab.iperf(lambda: guest.run(f'iperf3 -J -t 2 -c {to} {extra}',
                                       timeout=40))


@pytest.fixture(scope='module')
def leases(world):
    """Returns the DHCP leases of the guests, the first guest's first."""
    s, *guests = world
    got = []
    for guest in guests:
        guest.run(f'udhcpc -n -q -t 5 -T 2 -i {guest.nic["lan"]}', timeout=30)
        lease = dict(re.findall(r"^(\w+)='([^']*)'",
                                guest.run('cat /run/lease'), re.M))
        got.append(lease)
    return got


@pytest.mark.parametrize('net', ['plain', 'packed', 'mq'])
def test_ping_both_ways(world, net):
    _, vm1, vm2 = world
    assert ping(vm1, address(net, 2)) == 3
    assert ping(vm2, address(net, 1)) == 3
    assert ping(vm1, address(net, 2, True)) == 3


@pytest.mark.parametrize('net', ['plain', 'packed', 'mq'])
def test_tcp_both_ways(world, net):
    s, vm1, _ = world
    extra = '-P 2' if net == 'mq' else ''
    before = s.stats(f'{net}1')
    assert iperf(vm1, address(net, 2), extra) > 5e6
    after = s.stats(f'{net}1')
    size = (after['rx_bytes'] - before['rx_bytes']) / \
        (after['rx_frames'] - before['rx_frames'])
    if net == 'plain':
        assert size <= 1514
    else:
        assert size > 3000, 'no large frames: offloads are not in use'
    assert iperf(vm1, address(net, 2), extra + ' -R') > 5e6


def test_tcp_over_ipv6(world):
    _, vm1, _ = world
    assert iperf(vm1, address('packed', 2, True)) > 5e6


def test_packed_ring_was_negotiated(world):
    s, vm1, _ = world
    device = f'/sys/class/net/{vm1.nic["packed"]}/device/features'
    features = vm1.run(f'cat {device}').strip()
    assert features[34] == '1', 'RING_PACKED'
    assert features[29] == '1', 'EVENT_IDX'


def test_both_queue_pairs_carry_traffic(world):
    s, vm1, vm2 = world
    nic = vm1.nic['mq']
    out = vm1.run(f'ethtool -l {nic}')
    if re.findall(r'Combined:\s+(\d+)', out)[-1] != '2':
        vm1.run(f'ethtool -L {nic} combined 2')
        vm2.run(f'ethtool -L {vm2.nic["mq"]} combined 2')
    iperf(vm1, address('mq', 2), '-P 8')
    assert all(q['frames'] for q in s.stats('mq1')['rx'])
    assert sum(bool(q['frames']) for q in s.stats('mq2')['tx']) == 2


def test_offloads_differ_between_guests(world):
    """Large frames of a guest are cut for a guest without offloads."""
    _, vm1, vm2 = world
    vm2.run(f'ethtool -K {vm2.nic["packed"]} rx off gro off tso off',
            check=False)
    try:
        assert iperf(vm1, address('packed', 2)) > 3e6
    finally:
        vm2.run(f'ethtool -K {vm2.nic["packed"]} rx on gro on tso on',
                check=False)


def test_dhcp(world, leases):
    one, two = leases
    assert one['ip'].startswith('10.0.2.') and two['ip'].startswith('10.0.2.')
    assert one['ip'] != two['ip']
    assert one['router'] == '10.0.2.2' and one['dns'] == '10.0.2.3'


def test_gateway_and_each_other(world, leases):
    _, vm1, vm2 = world
    assert ping(vm1, '10.0.2.2') == 3
    assert ping(vm2, leases[0]['ip']) == 3


def test_dns(world, leases):
    s, vm1, _ = world
    if not s.has_dns:
        pytest.skip('needs root and 127.0.5.3:53 for a name server')
    assert '192.0.2.77' in vm1.run('nslookup any.ringway.test 10.0.2.3')


def test_http_through_nat(world, leases, host):
    _, vm1, vm2 = world
    for vm in (vm1, vm2):
        out = vm.run(f'wget -q -O - http://10.0.2.2:{host.web_port}/ | wc -c')
        assert int(out) == len(b'from the host ' * 20000)


def test_tcp_out_and_in_through_nat(world, leases):
    _, vm1, _ = world
    port = lab.free_port()
    server = subprocess.Popen(['iperf3', '-s', '-p', str(port)],
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL)
    try:
        vm1.run('sleep 0.3')
        assert iperf(vm1, '10.0.2.2', f'-p {port}') > 3e6
        assert iperf(vm1, '10.0.2.2', f'-p {port} -R') > 3e6
    finally:
        lab.end_process(server)


def test_hostfwd(world, leases):
    s, vm1, vm2 = world
    assert leases[0]['ip'] == '10.0.2.15', 'the default of hostfwd'
    for g, vm in ((1, vm1), (2, vm2)):
        vm.run(f'echo page of guest {g} >/www/index.html; '
               'httpd -p 80 -h /www')

    def fetch(port):
        url = f'http://127.0.0.1:{port}/'
        return urllib.request.urlopen(url, timeout=5).read()

    assert fetch(s.hostfwd) == b'page of guest 1\n'
    # A second forward, to the other guest, is added and removed at run time.
    port = lab.free_port()
    rule = f'tcp:127.0.0.1:{port}-{leases[1]["ip"]}:80'
    s.call('port.set', id='nat', **{'hostfwd+': rule})
    assert fetch(port) == b'page of guest 2\n'
    assert fetch(s.hostfwd) == b'page of guest 1\n'
    s.call('port.set', id='nat', **{'hostfwd-': rule})
    with socket.socket() as x:
        assert x.connect_ex(('127.0.0.1', port)) != 0


def test_ipv6_through_nat(world, leases):
    _, vm1, _ = world
    lab.wait_until(
        lambda: 'fec0:' in vm1.run(f'ip -6 addr show {vm1.nic["lan"]}'),
        15, 'address from the router advertisement', every=0.5)
    assert ping(vm1, 'fec0::2') == 3


def tagged(s, vm1, vm2, net):
    """Puts guest 1 on a trunk with VLAN devices and guest 2 on an access port.
    Returns a function that undoes it."""
    nic = vm1.nic[net]
    s.command('port', 'set', f'{net}1', 'trunk=10:20')
    s.command('port', 'set', f'{net}2', 'vlan=10')
    for vlan in (10, 20):
        vm1.run(f'ip link add link {nic} name v{vlan} type vlan id {vlan}; '
                f'ip link set v{vlan} up; '
                f'ip addr add 10.8.{vlan}.1/24 dev v{vlan}')
        vm2.run(f'ip addr add 10.8.{vlan}.2/24 dev {vm2.nic[net]}')

    def undo():
        vm1.run('ip link del v10; ip link del v20', check=False)
        for vlan in (10, 20):
            vm2.run(f'ip addr del 10.8.{vlan}.2/24 dev {vm2.nic[net]}',
                    check=False)
        s.command('port', 'set', f'{net}1', 'trunk=none')
        s.command('port', 'set', f'{net}2', 'vlan=none')
    return undo


@pytest.mark.parametrize('net', ['plain', 'packed'])
def test_vlans(world, net):
    """The guest's VLAN device reaches the other guest's untagged card, with
    offloads; a device of another VLAN does not."""
    s, vm1, vm2 = world
    undo = tagged(s, vm1, vm2, net)
    try:
        assert ping(vm1, '10.8.10.2') == 3
        assert ping(vm2, '10.8.10.1') == 3
        assert ping(vm1, '10.8.20.2', 1) == 0
        # A full frame with its tag passes without fragmentation.
        assert '1 packets received' in vm1.run(
            'ping -c 1 -W 2 -s 1472 10.8.10.2')
        before = s.stats(f'{net}1')
        assert iperf(vm1, '10.8.10.2') > 5e6
        assert iperf(vm1, '10.8.10.2', '-R') > 5e6
        after = s.stats(f'{net}1')
        size = (after['rx_bytes'] - before['rx_bytes']) / \
            (after['rx_frames'] - before['rx_frames'])
        if net == 'packed':
            assert size > 3000, 'no large frames with tags'
    finally:
        undo()


def test_vlan_changes_under_tcp(world):
    """The access port leaves its VLAN and comes back while TCP runs: the
    connection stalls and goes on, and other ports work."""
    s, vm1, vm2 = world
    undo = tagged(s, vm1, vm2, 'packed')
    try:
        vm1.begin('iperf3 -J -t 4 -c 10.8.10.2')
        for vlan in (20, 10, 20, 10):
            time.sleep(0.4)
            s.command('port', 'set', 'packed2', f'vlan={vlan}')
        result = json.loads(vm1.finish(timeout=40))
        assert result['end']['sum_received']['bits_per_second'] > 1e6
        assert ping(vm1, address('mq', 2)) == 3
    finally:
        undo()


def test_link_goes_with_the_port(world):
    """A port is deleted under a running guest and added again. Checks only the
    switch's state: QEMU reconnects only when configured to."""
    s, vm1, vm2 = world
    path = os.path.join(s.folder, 'packed1.sock')
    s.call('port.del', id='packed1')
    assert not os.path.exists(path)
    assert ping(vm1, address('mq', 2)) == 3
