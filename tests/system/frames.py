# SPDX-License-Identifier: Apache-2.0
"""Frames for the tests, and checks of what came out."""
import logging
import struct

logging.getLogger('scapy').setLevel(logging.ERROR)
from scapy.layers.inet import IP, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402

BROADCAST = 'ff:ff:ff:ff:ff:ff'
NEEDS_CSUM, DATA_VALID = 1, 2
GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4 = 0, 1, 4, 5


def mac(n):
    return f'02:00:00:00:01:{n:02x}'


def ether(src, dst, size=60, fill=0x5a):
    """Returns a frame of @size bytes with a local-experiment Ethertype."""
    head = bytes.fromhex((mac(dst) if isinstance(dst, int) else dst)
                         .replace(':', '')) + \
        bytes.fromhex(mac(src).replace(':', '')) + b'\x88\xb5'
    return head + bytes((fill + i) & 0xff for i in range(size - len(head)))


def tcp(src, dst, payload, v6=False, seq=1000, flags='PA'):
    net = IPv6(src=f'fd00::{src}', dst=f'fd00::{dst}') if v6 else \
        IP(src=f'10.1.0.{src}', dst=f'10.1.0.{dst}', id=7, flags='DF')
    return Ether(src=mac(src), dst=mac(dst)) / net / \
        TCP(sport=1111, dport=2222, seq=seq, ack=5, flags=flags) / Raw(payload)


def udp(src, dst, payload, v6=False):
    net = IPv6(src=f'fd00::{src}', dst=f'fd00::{dst}') if v6 else \
        IP(src=f'10.1.0.{src}', dst=f'10.1.0.{dst}', id=7)
    return Ether(src=mac(src), dst=mac(dst)) / net / \
        UDP(sport=1111, dport=2222) / Raw(payload)


def checksum(data):
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def l4_offset(frame):
    return 14 + (40 if frame[12:14] == b'\x86\xdd' else 4 * (frame[14] & 15))


def pseudo(frame, length):
    """Returns the sum of the pseudo header."""
    if frame[12:14] == b'\x86\xdd':
        return checksum(frame[22:54] + struct.pack('!II', length, frame[20]))
    return checksum(frame[26:34] + struct.pack('!HH', frame[23], length))


def partial(packet):
    """Returns (frame, csum_start, csum_offset) as of a guest with checksum
    offload: the checksum field has the sum of the pseudo header only."""
    frame = bytearray(bytes(packet))
    at = l4_offset(frame)
    protocol = frame[20] if frame[12:14] == b'\x86\xdd' else frame[23]
    offset = 16 if protocol == 6 else 6
    struct.pack_into('!H', frame, at + offset,
                     pseudo(frame, len(frame) - at))
    return bytes(frame), at, offset


def header(flags=0, gso=GSO_NONE, hdr_len=0, gso_size=0, start=0, offset=0):
    """Returns a struct virtio_net_hdr with num_buffers 0."""
    return struct.pack('<BBHHHHH', flags, gso, hdr_len, gso_size, start,
                       offset, 0)


def parse_header(data):
    return dict(zip(('flags', 'gso', 'hdr_len', 'gso_size', 'start', 'offset',
                     'buffers'), struct.unpack('<BBHHHHH', data)))


def checksums_are_good(frame):
    """Returns whether the IPv4 header's and the TCP or UDP checksum are good.
    """
    at = l4_offset(frame)
    v6 = frame[12:14] == b'\x86\xdd'
    end = 54 + struct.unpack_from('!H', frame, 18)[0] if v6 else \
        14 + struct.unpack_from('!H', frame, 16)[0]
    if not v6 and checksum(frame[14:at]) != 0xffff:
        return False
    total = pseudo(frame, end - at) + checksum(frame[at:end])
    return (total & 0xffff) + (total >> 16) == 0xffff
