# SPDX-License-Identifier: Apache-2.0
"""The user port's options, frame by frame (test_guests.py has real guests)."""
import os
import select
import socket
import time

import lab
import pytest
from frames import BROADCAST, mac
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (ICMPv6ND_NA, ICMPv6ND_NS,
                                ICMPv6NDOptDstLLAddr, IPv6)
from scapy.layers.l2 import ARP, Ether
from scapy.layers.tftp import TFTP, TFTP_RRQ
from scapy.packet import Raw


def with_user(up, options=''):
    s = up('vhost-user,id=a', f'user,id=u{options}')
    return s, s.front('a')


def wait_frame(front, matches, timeout=3):
    """Returns the first frame that matches; skips others."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        got = front.recv(end - time.monotonic())
        if got:
            p = Ether(got[1])
            if matches(p):
                return p
    return None


def ask_dhcp(front, kind='discover', **more):
    front.send(bytes(
        Ether(src=mac(1), dst=BROADCAST) /
        IP(src='0.0.0.0', dst='255.255.255.255') / UDP(sport=68, dport=67) /
        BOOTP(chaddr=bytes.fromhex(mac(1).replace(':', '')), xid=42) /
        DHCP(options=[('message-type', kind), *more.items(), 'end'])))
    reply = wait_frame(front, lambda p: DHCP in p)
    assert reply, 'no answer to DHCP'
    options = {o[0]: o[1] for o in reply[DHCP].options if isinstance(o, tuple)}
    return reply[BOOTP], options


def resolve(front, address, own='10.0.2.15'):
    front.send(bytes(Ether(src=mac(1), dst=BROADCAST) /
                     ARP(hwsrc=mac(1), psrc=own, pdst=address)))
    reply = wait_frame(front, lambda p: ARP in p and p[ARP].op == 2 and
                       p[ARP].psrc == address)
    return reply and reply[ARP].hwsrc


def test_dhcp_options(up):
    s, a = with_user(up, ',net=192.168.77.0/24,host=192.168.77.1,'
                     'dhcpstart=192.168.77.50,dns=192.168.77.3,'
                     'hostname=guesty,dnssearch=one.test,dnssearch=two.test,'
                     'bootfile=boot.bin')
    bootp, options = ask_dhcp(a)
    assert bootp.yiaddr == '192.168.77.50'
    assert options['router'] == '192.168.77.1'
    assert options['name_server'] == '192.168.77.3'
    assert options['subnet_mask'] == '255.255.255.0'
    assert options['hostname'] == b'guesty'
    assert bootp.file.rstrip(b'\0') == b'boot.bin'
    assert any(b'\3one\4test' in v for v in options.values()
               if isinstance(v, bytes))


def test_gateway_answers(up):
    s, a = with_user(up)
    gateway = resolve(a, '10.0.2.2')
    assert gateway
    a.send(bytes(Ether(src=mac(1), dst=gateway) /
                 IP(src='10.0.2.15', dst='10.0.2.2') /
                 ICMP(id=5, seq=1) / Raw(b'x' * 100)))
    reply = wait_frame(a, lambda p: ICMP in p)
    assert reply and reply[ICMP].type == 0 and reply[Raw].load == b'x' * 100


def test_restrict(up):
    for options, allowed in (('', True), (',restrict=on', False)):
        with socket.socket() as listener:
            listener.bind(('127.0.0.1', 0))
            listener.listen()
            port = listener.getsockname()[1]
            s = up('vhost-user,id=a', f'user,id=u{options}',
                   sub='restricted' if options else 'open')
            a = s.front('a')
            gateway = resolve(a, '10.0.2.2')
            a.send(bytes(Ether(src=mac(1), dst=gateway) /
                         IP(src='10.0.2.15', dst='10.0.2.2') /
                         TCP(sport=4000, dport=port, flags='S', seq=1)))
            reply = wait_frame(a, lambda p: TCP in p, 1)
            assert bool(reply and reply[TCP].flags == 'SA') == allowed


def test_tftp(up, folder):
    os.makedirs(f'{folder}/tftp')
    with open(f'{folder}/tftp/file', 'wb') as f:
        f.write(b'contents')
    s, a = with_user(up, f',tftp={folder}/tftp')
    gateway = resolve(a, '10.0.2.2')
    a.send(bytes(Ether(src=mac(1), dst=gateway) /
                 IP(src='10.0.2.15', dst='10.0.2.2') /
                 UDP(sport=5000, dport=69) / TFTP() /
                 TFTP_RRQ(filename='file', mode='octet')))
    reply = wait_frame(a, lambda p: UDP in p and p[UDP].dport == 5000)
    assert reply and bytes(reply[UDP].payload).endswith(b'contents')


def test_guestfwd_to_a_command(up):
    s, a = with_user(up, ',guestfwd=tcp:10.0.2.100:7-cmd:cat')
    gateway = resolve(a, '10.0.2.100')
    head = Ether(src=mac(1), dst=gateway) / \
        IP(src='10.0.2.15', dst='10.0.2.100')
    a.send(bytes(head / TCP(sport=4001, dport=7, flags='S', seq=10)))
    reply = wait_frame(a, lambda p: TCP in p)
    assert reply and reply[TCP].flags == 'SA'
    ack = reply[TCP].seq + 1
    a.send(bytes(head / TCP(sport=4001, dport=7, flags='A', seq=11, ack=ack)))
    a.send(bytes(head / TCP(sport=4001, dport=7, flags='PA', seq=11, ack=ack) /
                 Raw(b'echo')))
    reply = wait_frame(a, lambda p: TCP in p and bytes(p[TCP].payload)
                       .startswith(b'echo'))
    assert reply, 'cat did not answer'


def answer_arp(front, address='10.0.2.15', timeout=3):
    """Answers the next ARP request for @address."""
    ask = wait_frame(front, lambda p: ARP in p and p[ARP].op == 1 and
                     p[ARP].pdst == address, timeout)
    assert ask, 'nobody asks for the guest'
    front.send(bytes(Ether(src=mac(1), dst=ask.src) /
                     ARP(op=2, hwsrc=mac(1), psrc=address, hwdst=ask.src,
                         pdst=ask[ARP].psrc)))


def answer_nd(front, address, timeout=3):
    """Answers the next neighbor solicitation for @address."""
    ask = wait_frame(front, lambda p: ICMPv6ND_NS in p and
                     p[ICMPv6ND_NS].tgt == address, timeout)
    assert ask, 'nobody asks for the guest'
    front.send(bytes(Ether(src=mac(1), dst=ask.src) /
                     IPv6(src=address, dst=ask[IPv6].src) /
                     ICMPv6ND_NA(tgt=address, R=0, S=1, O=1) /
                     ICMPv6NDOptDstLLAddr(lladdr=mac(1))))


@pytest.mark.measures
def test_first_packet_of_a_connection_is_not_late(up):
    """A packet that waits for ARP or ND is sent as soon as the guest answers.
    """
    ports = [lab.free_port() for _ in range(3)]
    s, a = with_user(up, ''.join(
        f',hostfwd=tcp:127.0.0.1:{p}-10.0.2.{15 + i}:22'
        for i, p in enumerate(ports)))
    for i, port in enumerate(ports):
        with socket.socket() as c:
            c.setblocking(False)
            c.connect_ex(('127.0.0.1', port))
            begin = time.monotonic()
            answer_arp(a, f'10.0.2.{15 + i}')
            assert wait_frame(a, lambda p: TCP in p and p[TCP].flags == 'S' and
                              p[IP].dst == f'10.0.2.{15 + i}')
            assert time.monotonic() - begin < 0.2


def test_large_frames_arrive(up):
    """A guest may send frames larger than the library's MTU."""
    s, a = with_user(up)
    gateway = resolve(a, '10.0.2.2')
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
        host.bind(('127.0.0.1', 0))
        host.settimeout(3)
        for size in (1473, 8972, 60000):
            a.send(bytes(Ether(src=mac(1), dst=gateway) /
                         IP(src='10.0.2.15', dst='10.0.2.2') /
                         UDP(sport=4000, dport=host.getsockname()[1]) /
                         Raw(b'x' * size)))
            assert host.recv(65536) == b'x' * size
    assert s.drops('u') == 0


@pytest.mark.measures
def test_many_connections_at_once(up):
    """As many connections as the host allows wait in the listening socket."""
    port = lab.free_port()
    s, a = with_user(up, f',hostfwd=tcp:127.0.0.1:{port}-:22')
    clients = [socket.socket() for _ in range(40)]
    begin = time.monotonic()
    try:
        for c in clients:
            c.setblocking(False)
            c.connect_ex(('127.0.0.1', port))
        for c in clients:
            c.settimeout(5)
            assert select.select([], [c], [], 5)[1]
            assert c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert time.monotonic() - begin < 0.5
    finally:
        for c in clients:
            c.close()


def test_what_is_between_guests_stays_there(up):
    """The library must not get flooded frames between guests: it acts on every
    frame, so it would connect to sockets of the host and reset connections of
    the guests."""
    s = up('vhost-user,id=a', 'vhost-user,id=b', 'user,id=u')
    a, b = s.front('a'), s.front('b')
    for front, n in ((a, 1), (b, 2)):   # the library learns both guests
        front.send(bytes(Ether(src=mac(n), dst=BROADCAST) /
                         ARP(hwsrc=mac(n), psrc=f'10.0.2.{14 + n}',
                             pdst='10.0.2.2')))
        assert wait_frame(front, lambda p: ARP in p and p[ARP].op == 2)
    with socket.socket() as tcp, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(('127.0.0.1', 0))
        tcp.listen()
        udp.bind(('127.0.0.1', 0))
        for sock in (tcp, udp):
            sock.setblocking(False)
        head = Ether(src=mac(1), dst=mac(2))
        frames = []
        for target in ('10.0.2.2', '10.0.2.16', '127.0.0.1'):
            ip = IP(src='10.0.2.15', dst=target)
            port = tcp.getsockname()[1]
            frames += [
                head / ip / TCP(sport=4000, dport=port, flags='S', seq=1),
                head / ip / TCP(sport=4001, dport=22, flags='PA', seq=9,
                                ack=7) / Raw(b'x'),
                head / ip / UDP(sport=4000, dport=udp.getsockname()[1]) /
                Raw(b'secret')]
        frames = [bytes(f) for f in frames]
        got = []
        for _ in range(30):
            s.call('mac.flush')
            for f in frames:
                a.send(f)
            got += [f for _, f in b.recv_all(0.01)]
        got += [f for _, f in b.recv_all(0.3)]
        assert [f for f in got if f in frames] == frames * 30
        assert not select.select([tcp, udp], [], [], 0.3)[0]
        got += [f for _, f in a.recv_all(0.3)]
        assert not [Ether(f).summary() for f in got
                    if Ether(f).src not in (mac(1), mac(2))]
    drops = s.stats('u')['tx'][0]['drops']
    assert 0 < drops['tx-not-mine'] <= 30 * len(frames)
    # Frames to the library itself still arrive.
    assert ask_dhcp(a)[0].yiaddr
    assert resolve(a, '10.0.2.3')


def test_addresses_run_out(up):
    """The library has 16 addresses and reports nothing when all are in use."""
    s, a = with_user(up)

    def discover(n):
        a.send(bytes(
            Ether(src=mac(n), dst=BROADCAST) /
            IP(src='0.0.0.0', dst='255.255.255.255') /
            UDP(sport=68, dport=67) /
            BOOTP(chaddr=bytes.fromhex(mac(n).replace(':', '')), xid=n) /
            DHCP(options=[('message-type', 'discover'), 'end'])))
        return wait_frame(a, lambda p: DHCP in p, 0.3)

    given = {discover(n)[BOOTP].yiaddr for n in range(1, 17)}
    assert len(given) == 16
    assert 'DHCP' not in s.log_text()
    assert not discover(17)
    assert f'port=u: DHCP: no address is left for {mac(17)}' in s.log_text()
    assert s.call('port.show', id='u')['state']['dhcp_unanswered'] == 1
    assert discover(1), 'who has one keeps it'


def test_guests_take_at_most_half_of_the_descriptors(up):
    """The bound is for all user ports together. It ends no connection, and
    leaves the daemon what it needs for everything else."""
    s = up('vhost-user,id=a', 'user,id=u',
           prefix=['prlimit', '--nofile=128:128'])
    a = s.front('a')

    def sockets(key='sockets', ports='uv'):
        return [s.call('port.show', id=p)['state'][key] for p in ports]

    def flood(begin):
        """Begins 200 flows; both user ports get each frame."""
        for port in range(begin, begin + 200):
            a.send(bytes(Ether(src=mac(1), dst=BROADCAST) /
                         IP(src='10.0.2.15', dst='10.0.2.2') /
                         UDP(sport=port, dport=9)))

    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen()
        head = Ether(src=mac(1), dst=BROADCAST) / \
            IP(src='10.0.2.15', dst='10.0.2.2')
        tcp = {'sport': 4000, 'dport': listener.getsockname()[1]}
        a.send(bytes(head / TCP(**tcp, flags='S', seq=1)))
        answer_arp(a)
        ack = wait_frame(a, lambda p: TCP in p)[TCP].seq + 1
        a.send(bytes(head / TCP(**tcp, flags='A', seq=2, ack=ack)))
        with listener.accept()[0] as c:
            s.call('port.add', netdev='user,id=v')
            flood(1000)
            lab.wait_until(lambda: sum(sockets('sockets_refused')) >= 300, 5,
                           'frames are refused')
            assert sum(sockets()) == 64 and min(sockets()) > 0
            assert len(os.listdir(f'/proc/{s.pid}/fd')) < 128 - 30
            for port in 'uv':
                assert f'port={port}: its guest cannot begin connections: ' \
                    'all user ports together' in s.log_text()
            late = lab.Rpc(s.control)
            late.call('port.add', netdev='user,id=w')
            late.close()
            a.send(bytes(head / TCP(**tcp, flags='PA', seq=2, ack=ack) /
                         Raw(b'goes on')))
            c.settimeout(3)
            assert c.recv(100) == b'goes on'
    left = sockets(ports='u')[0]
    s.call('port.del', id='v')
    flood(2000)
    lab.wait_until(lambda: sum(sockets(ports='uw')) == 64, 5,
                   'the sockets of a removed port are free for others')
    assert left < sockets(ports='u')[0]


@pytest.mark.parametrize('v6', [False, True])
def test_udp_forward_answers_all_addresses(up, v6):
    """Clients use several addresses of the host in turn."""
    family = socket.AF_INET6 if v6 else socket.AF_INET
    port = lab.free_port(socket.SOCK_DGRAM)
    guest = 'fec0::99' if v6 else '10.0.2.15'
    s, a = with_user(up, f',hostfwd=udp:[::]:{port}-[{guest}]:7' if v6 else
                     f',hostfwd=udp::{port}-:7')
    ip = IPv6 if v6 else IP

    def exchange(address, first):
        with socket.socket(family, socket.SOCK_DGRAM) as c:
            c.settimeout(3)
            c.bind((address, 0))
            c.connect(('::1' if v6 else '127.0.0.1', port))
            c.send(b'question')
            if first and not v6:
                answer_arp(a)
            elif first:
                answer_nd(a, guest)
            p = wait_frame(a, lambda p: UDP in p and p[UDP].dport == 7)
            assert p
            whole = bytes(p[ip])
            del p[UDP].chksum
            if not v6:
                del p[IP].chksum
            assert bytes(p[ip]) == whole, 'checksums'
            a.send(bytes(Ether(src=mac(1), dst=p.src) /
                         ip(src=guest, dst=p[ip].src) /
                         UDP(sport=7, dport=p[UDP].sport) / Raw(b'answer')))
            assert c.recv(100) == b'answer'
            return p[ip].src

    gateway = 'fec0::2' if v6 else '10.0.2.2'
    assert exchange('::1' if v6 else '127.0.0.1', True) == gateway
    if not v6:
        assert exchange('127.0.0.5', False) == '127.0.0.5'
        assert exchange('127.0.0.1', False) == gateway
    assert exchange('::1' if v6 else '127.0.0.1', False) == gateway


def test_hostfwd_port_in_use(up):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        s = up('null,id=n')
        with pytest.raises(lab.RpcError) as e:
            s.call('port.add',
                   netdev=f'user,id=u,hostfwd=tcp:127.0.0.1:{port}-:22')
        assert 'u' in str(e.value) and str(port) in str(e.value)
        assert [p['id'] for p in s.call('port.list')['ports']] == ['n']


def test_arrays_are_for_lists_only(up):
    ports = [lab.free_port() for _ in range(3)]
    rules = [f'tcp:127.0.0.1:{p}-10.0.2.15:{p}' for p in ports]
    s = up('null,id=n')
    s.call('port.add', type='user', id='u', hostfwd=rules[:2])

    def forwarded():
        return [p for p in ports
                if any(str(p) in r for r in s.call('port.show', id='u')
                       ['config']['hostfwd'])]
    assert forwarded() == ports[:2]
    s.call('port.set', id='u', hostfwd=rules[1:])
    assert forwarded() == ports[1:], 'the whole array replaces the list'
    for method, params in (
            ('port.add', {'type': 'null', 'id': 'x', 'trunk': [10, 20]}),
            ('port.set', {'id': 'n', 'trunk': [100, 200]}),
            ('port.set', {'id': 'n', 'trunk': []})):
        with pytest.raises(lab.RpcError) as e:
            s.call(method, **params)
        assert 'trunk: takes one value, not a list of them' in str(e.value)
    with pytest.raises(lab.RpcError) as e:
        s.call('port.del', id=['n'])
    assert 'id: takes one value, not a list of them' in str(e.value)
    assert [p['id'] for p in s.call('port.list')['ports']] == ['n', 'u']
