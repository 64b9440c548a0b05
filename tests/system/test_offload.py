# SPDX-License-Identifier: Apache-2.0
"""Large and small frames between the kernel (a tap in a namespace) and guests:
UDP segmentation offload passes through, small frames are merged for receivers
that take large ones, and large frames are cut for the others."""
import hashlib
import os
import struct
import subprocess
import sys

import lab
import pytest
import vufront
from frames import (GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM,
                    checksum, checksums_are_good, header, l4_offset, mac,
                    parse_header, partial, pseudo, tcp, udp)
from test_tap import name, namespaces, sh  # noqa: F401

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not os.path.exists('/dev/net/tun'),
                       reason='there is no /dev/net/tun'),
]

F_GUEST_USO4, F_GUEST_USO6, F_HOST_USO = 54, 55, 56
USO = vufront.OFFLOADS | vufront.bits(F_GUEST_USO4, F_GUEST_USO6, F_HOST_USO)

# Sends frames, given as lines of hexadecimal digits, in quick succession.
SEND_RAW = '''
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
frames = [bytes.fromhex(line) for line in sys.stdin]
for f in frames:
    s.send(f)
'''
# Sends datagrams of 1000 bytes in one call to the kernel.
SEND_UDP = '''
import socket, sys
address, n = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET,
                  socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, 103, 1000)  # UDP_SEGMENT
s.sendto(bytes(i * 7 & 255 for i in range(n)), (address, 999))
'''
# Writes the sizes of datagrams until an empty one comes.
RECV_UDP = '''
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 999))
s.settimeout(5)
print('ready', flush=True)
while data := s.recv(70000):
    print(len(data), *set(data), flush=True)
'''
# Sends standard input to a TCP connection; the receiver writes its connection
# to standard output.
SEND_TCP = '''
import shutil, socket, sys
with socket.create_connection((sys.argv[1], 7000)) as s:
    shutil.copyfileobj(sys.stdin.buffer, s.makefile('wb'))
'''
RECV_TCP = '''
import shutil, socket, sys
s = socket.create_server(('', 7000))
shutil.copyfileobj(s.accept()[0].makefile('rb'), sys.stdout.buffer)
'''


class Lab:
    """A switch with a tap that has 10.1.0.1 and fd00::1 in a namespace; guests
    have the numbers from 2 on."""

    def __init__(self, up, namespaces, *ports, options=''):
        self.tap, self.ns = name('tm'), namespaces.new('m')
        self.namespaces = namespaces
        self.switch = up(f'tap,id=t,ifname={self.tap}{options}', *ports)
        namespaces.take(self.ns, self.tap, '10.1.0.1/24', 'fd00::1/64')
        sh('ip', '-n', self.ns, 'link', 'set', self.tap, 'address', mac(1))
        self.switch.wait_link('t')

    def add_guest(self, port, n, features):
        front = self.switch.front(port, size=256, features=features)
        for address in (f'10.1.0.{n}', f'fd00::{n}'):
            sh('ip', '-n', self.ns, 'neigh', 'replace', address, 'lladdr',
               mac(n), 'dev', self.tap)
        # The switch learns the guest's address.
        front.send(bytes(udp(n, 1, b'hello')))
        return front

    def set(self, *what):
        self.namespaces.run(self.ns, 'ethtool', '-K', self.tap, *what)

    def python(self, script, *args, **options):
        return sh('ip', 'netns', 'exec', self.ns, sys.executable, '-c', script,
                  *args, timeout=30, **options)

    def send_raw(self, frames):
        self.python(SEND_RAW, self.tap,
                    input='\n'.join(bytes(f).hex() for f in frames))

    def merged(self):
        return self.switch.stats('t')['rx'][0]['merged']


def payload_of(frame):
    at = l4_offset(frame)
    is_tcp = (frame[20] if frame[12:14] == b'\x86\xdd' else frame[23]) == 6
    return frame[at + (4 * (frame[at + 12] >> 4) if is_tcp else 8):]


def take(front, protocol, port):
    """Returns [(header, frame)] of the frames that arrived for this TCP or UDP
    port; leaves out other frames of the kernel."""
    found = []
    for raw, frame in front.recv_all():
        v6 = frame[12:14] == b'\x86\xdd'
        if (v6 or frame[12:14] == b'\x08\x00') and \
                frame[20 if v6 else 23] == protocol and \
                struct.unpack_from('!H', frame, l4_offset(frame) + 2)[0] == \
                port:
            found.append((parse_header(raw), frame))
    return found


def check_large(head, frame, gso, size):
    """Asserts that the header of a large frame is what a guest relies on."""
    at = l4_offset(frame)
    assert head['gso'] == gso and head['gso_size'] == size
    assert head['flags'] == NEEDS_CSUM and head['start'] == at
    assert head['hdr_len'] == len(frame) - len(payload_of(frame))
    field = struct.unpack_from('!H', frame, at + head['offset'])[0]
    assert field == pseudo(frame, len(frame) - at)
    if frame[12:14] == b'\x08\x00':
        assert checksum(frame[14:at]) == 0xffff
        assert struct.unpack_from('!H', frame, 16)[0] == len(frame) - 14


def stream(kind, v6, count, size=400):
    frames, data = [], b''
    for i in range(count):
        payload = bytes((i + j) & 255 for j in range(size))
        p = tcp(1, 2, payload, v6, 1000 + i * size, 'A') if kind == 'tcp' \
            else udp(1, 2, payload, v6)
        if not v6:
            p.payload.id = 7 + i
        frames.append(p)
        data += payload
    return frames, data


@pytest.mark.parametrize('v6', [False, True], ids=['v4', 'v6'])
@pytest.mark.parametrize('kind', ['tcp', 'udp'])
def test_small_frames_are_merged(up, namespaces, kind, v6):  # noqa: F811
    net = Lab(up, namespaces, 'vhost-user,id=g', 'vhost-user,id=h')
    guest = net.add_guest('g', 2, USO)
    small = net.add_guest('h', 3, vufront.PLAIN)
    protocol, gso = (17, GSO_UDP_L4) if kind == 'udp' else \
        (6, GSO_TCPV6 if v6 else GSO_TCPV4)
    small.recv_all(), guest.recv_all()
    frames, data = stream(kind, v6, 30)
    largest = 0
    # The scheduler decides how many frames the worker finds at once.
    for _ in range(40):
        before = net.merged()
        net.send_raw(frames)
        got = take(guest, protocol, 2222)
        assert b''.join(payload_of(f) for _, f in got) == data
        assert net.merged() - before == 30 - len(got)
        for head, frame in got:
            if head['gso'] == GSO_NONE:
                assert checksums_are_good(frame)
            else:
                check_large(head, frame, gso, 400)
        largest = max(largest, max(len(f) for _, f in got))
        if largest > 4000:
            break
    assert largest > 4000
    # A receiver of small frames gets them unchanged.
    for f in frames:
        f.dst = mac(3)
    before = net.merged()
    net.send_raw(frames)
    got = take(small, protocol, 2222)
    assert [f for _, f in got] == [bytes(f) for f in frames]
    assert net.merged() == before
    # With gro=off every receiver gets them unchanged.
    net.switch.call('port.set', id='t', gro=False)
    for f in frames:
        f.dst = mac(2)
    net.send_raw(frames)
    got = take(guest, protocol, 2222)
    assert [f for _, f in got] == [bytes(f) for f in frames]
    assert net.merged() == before


def test_uso_from_the_kernel(up, namespaces):  # noqa: F811
    net = Lab(up, namespaces, 'vhost-user,id=g', 'vhost-user,id=h',
              options=',gro=off')
    guest = net.add_guest('g', 2, USO)
    small = net.add_guest('h', 3, vufront.OFFLOADS)
    data = bytes(i * 7 & 255 for i in range(19500))
    assert 'uso4' in str(net.switch.call('port.show', id='t'))
    guest.recv_all(), small.recv_all()
    for v6 in (False, True):
        address = 'fd00::' if v6 else '10.1.0.'
        net.python(SEND_UDP, f'{address}2', '19500')
        (head, frame), = take(guest, 17, 999)
        assert payload_of(frame) == data
        check_large(head, frame, GSO_UDP_L4, 1000)
        # The other guest gets the segments that the kernel would have made.
        net.python(SEND_UDP, f'{address}3', '19500')
        got = take(small, 17, 999)
        assert [len(payload_of(f)) for _, f in got] == [1000] * 19 + [500]
        assert b''.join(payload_of(f) for _, f in got) == data
        for head, frame in got:
            assert head['gso'] == GSO_NONE
            assert head['flags'] == NEEDS_CSUM
    assert net.switch.stats('h')['tx'][0]['segmented'] == 2
    # The kernel cuts the frame, and Ringway merges the segments.
    net.set('tx-udp-segmentation', 'off')
    net.switch.call('port.set', id='t', gro=True)
    for _ in range(40):
        net.python(SEND_UDP, '10.1.0.2', '19500')
        got = take(guest, 17, 999)
        assert b''.join(payload_of(f) for _, f in got) == data
        if len(got) < 10:
            break
    assert len(got) < 10


def test_uso_from_a_guest(up, namespaces):  # noqa: F811
    net = Lab(up, namespaces, 'vhost-user,id=g', 'vhost-user,id=h',
              'vhost-user,id=i')
    guest = net.add_guest('g', 2, USO)
    other = net.add_guest('h', 3, USO)
    small = net.add_guest('i', 4, vufront.PLAIN)
    for front in (guest, other, small):
        front.recv_all()

    def send(dst, v6=False):
        p = udp(2, dst, b'x' * 3500, v6)
        p.payload.payload.dport = 999
        frame, start, offset = partial(p)
        guest.send(frame, header(NEEDS_CSUM, GSO_UDP_L4, start + 8, 1000,
                                 start, offset))
        return frame

    for v6 in (False, True):
        frame = send(3, v6)
        (head, got), = take(other, 17, 999)
        assert got == frame
        check_large(head, got, GSO_UDP_L4, 1000)
        send(4, v6)
        got = take(small, 17, 999)
        assert [len(payload_of(f)) for _, f in got] == [1000] * 3 + [500]
        assert all(checksums_are_good(f) for _, f in got)
        assert not any(h['flags'] | h['gso'] for h, _ in got)
    p = subprocess.Popen(['ip', 'netns', 'exec', net.ns, sys.executable, '-c',
                          RECV_UDP], stdout=subprocess.PIPE, text=True)
    try:
        assert p.stdout.readline() == 'ready\n'
        send(1)
        end = udp(2, 1, b'')
        end.payload.payload.dport = 999
        guest.send(bytes(end))
        assert p.stdout.read().split('\n')[:-1] == \
            ['1000 120'] * 3 + ['500 120']
    finally:
        lab.end_process(p)


def test_tcp_through_merging(up, namespaces, folder):  # noqa: F811
    """A file goes by TCP from a kernel that sends small frames to another."""
    ta, tb = name('tm'), name('tn')
    s = up(f'tap,id=a,ifname={ta}', f'tap,id=b,ifname={tb}')
    a, b = namespaces.new('m'), namespaces.new('n')
    namespaces.take(a, ta, '10.77.0.1/24')
    namespaces.take(b, tb, '10.77.0.2/24')
    s.wait_link('a')
    namespaces.run(a, 'ethtool', '-K', ta, 'tso', 'off', 'gso', 'off')
    data = os.urandom(1 << 20) * 16
    with open(f'{folder}/data', 'wb') as f:
        f.write(data)
    for tx in ('on', 'off'):    # partial and whole checksums
        namespaces.run(a, 'ethtool', '-K', ta, 'tx', tx)
        before = s.stats('a')['rx'][0]['merged']
        frames = s.stats('b')['tx_frames']
        p = subprocess.Popen(['ip', 'netns', 'exec', b, sys.executable, '-c',
                              RECV_TCP], stdout=subprocess.PIPE)
        send = None
        try:
            lab.wait_until(lambda: ':7000' in namespaces.run(b, 'ss', '-ltn'),
                           5, 'listener')
            with open(f'{folder}/data', 'rb') as f:
                send = subprocess.Popen(['ip', 'netns', 'exec', a,
                                         sys.executable, '-c', SEND_TCP,
                                         '10.77.0.2'], stdin=f)
            got = p.stdout.read()
            assert send.wait(10) == 0
        finally:
            lab.end_process(p)
            if send:
                lab.end_process(send)
        assert len(got) == len(data)
        assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
        merged = s.stats('a')['rx'][0]['merged'] - before
        assert merged > s.stats('b')['tx_frames'] - frames
