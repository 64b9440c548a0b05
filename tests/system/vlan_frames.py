# SPDX-License-Identifier: Apache-2.0
"""Frames with VLAN tags for the VLAN tests, and their meaning on the wire."""
import functools
import struct

from frames import (GSO_NONE, GSO_TCPV4, GSO_TCPV6, NEEDS_CSUM, checksum,
                    parse_header)
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

CTAG, STAG = 0x8100, 0x88a8
TYPE = 0x88b5   # local experiment


def tag(ethertype, vid, pcp=0, dei=0):
    cls = Dot1Q if ethertype == CTAG else Dot1AD
    # The second field is called id or dei, depending on scapy's version.
    return cls(vlan=vid, prio=pcp, **{cls.fields_desc[1].name: dei})


class Sample:
    """One frame as a guest sends it: bytes and virtio-net header."""

    def __init__(self, data, flags=0, gso=GSO_NONE, size=0, start=0, offset=0,
                 hdr_len=0):
        self.data = data
        self.fields = (flags, gso, size, start, offset)
        self.header = struct.pack('<BBHHHHH', flags, gso, hdr_len, size, start,
                                  offset, 0)

    def has_offload(self):
        return bool(self.fields[0] | self.fields[1])


def ether(src, dst, tags, payload, ethertype=TYPE):
    """Returns a frame with @tags, a list of (ethertype, VID, PCP, DEI), the
    outermost first."""
    p = Ether(src=src, dst=dst)
    for t in tags:
        p /= tag(*t)
    p.lastlayer().type = ethertype
    return bytes(p) + payload


@functools.cache
def ip(kind, v6, size):
    """Returns a TCP or UDP packet with the DF bit, which TCP sets."""
    net = IPv6(src='fd00::1', dst='fd00::2') if v6 else \
        IP(src='10.1.0.1', dst='10.1.0.2', id=0xfffe, flags='DF')
    l4 = UDP(sport=1111, dport=2222) if kind == 'udp' else \
        TCP(sport=1111, dport=2222, seq=0xffffff00, ack=5, flags='PA')
    payload = bytes((i * 7 + (i >> 8)) & 0xff for i in range(size))
    return bytes(net / l4 / Raw(payload))


def plain(src, dst, tags, size, ethertype=TYPE):
    """Returns a frame with @size bytes of payload."""
    return Sample(ether(src, dst, tags, bytes((size + i) & 0xff
                                              for i in range(size)), ethertype))


def transport(src, dst, tags, kind, v6, size, mss=0, whole=False):
    """Returns a TCP or UDP frame with only the pseudo header in its checksum,
    or with a @whole checksum; with @mss a large TCP frame."""
    data = ether(src, dst, tags, ip(kind, v6, size), 0x86dd if v6 else 0x0800)
    if whole:
        return Sample(data)
    start = 14 + 4 * len(tags) + (40 if v6 else 20)
    offset = 6 if kind == 'udp' else 16
    data = bytearray(data)
    struct.pack_into('!H', data, start + offset, pseudo(data, start))
    gso = (GSO_TCPV6 if v6 else GSO_TCPV4) if mss else GSO_NONE
    return Sample(bytes(data), NEEDS_CSUM, gso, mss, start, offset,
                  start + 20 if mss else 0)


# Reading

def tags_of(frame):
    """Returns ([(ethertype, TCI)], offset behind the last Ethertype)."""
    tags, at = [], 12
    while len(frame) >= at + 4:
        ethertype, tci = struct.unpack_from('!HH', frame, at)
        if ethertype not in (CTAG, STAG):
            break
        tags.append((ethertype, tci))
        at += 4
    return tags, at + 2


def pseudo(frame, start):
    """Returns the sum of the pseudo header of an IP packet without extension
    headers, whose TCP or UDP header is at @start."""
    _, l3 = tags_of(frame)
    length = len(frame) - start
    if frame[l3] >> 4 == 6:
        return checksum(bytes(frame[l3 + 8:l3 + 40]) +
                        struct.pack('!II', length, frame[l3 + 6]))
    return checksum(bytes(frame[l3 + 12:l3 + 20]) +
                    struct.pack('!HH', frame[l3 + 9], length))


def finish(frame, start, offset):
    """Returns the frame with its checksum, whose field has a partial sum."""
    total = ~checksum(bytes(frame[start:])) & 0xffff
    struct.pack_into('!H', frame, start + offset, total or 0xffff)
    return bytes(frame)


def segments(frame, start, mss):
    """Returns the segments of a large TCP frame."""
    _, l3 = tags_of(frame)
    v6 = frame[l3] >> 4 == 6
    head = start + 4 * (frame[start + 12] >> 4)
    payload = frame[head:]
    out = []
    for i in range(0, len(payload), mss):
        part = payload[i:i + mss]
        f = bytearray(frame[:head] + part)
        if v6:
            struct.pack_into('!H', f, l3 + 4, len(f) - l3 - 40)
        else:
            ident, = struct.unpack_from('!H', f, l3 + 4)
            struct.pack_into('!HH', f, l3 + 2, len(f) - l3,
                             ident + i // mss & 0xffff)
            struct.pack_into('!H', f, l3 + 10, 0)
            struct.pack_into('!H', f, l3 + 10,
                             ~checksum(bytes(f[l3:start])) & 0xffff)
        seq, = struct.unpack_from('!I', f, start + 4)
        struct.pack_into('!I', f, start + 4, seq + i & 0xffffffff)
        if i + mss < len(payload):
            f[start + 13] &= ~0x09  # FIN, PSH
        if i:
            f[start + 13] &= ~0x80  # CWR
        struct.pack_into('!H', f, start + 16, pseudo(f, start))
        out.append(finish(f, start, 16))
    return out


class Output:
    """One frame that came out of a port. The comparison ignores hdr_len, a hint
    (Linux writes the length of its buffer's linear part), num_buffers, and
    fields whose flag is not set."""

    def __init__(self, data):
        head = parse_header(data[:12])
        self.frame = bytes(data[12:])
        self.flags, self.gso = head['flags'], head['gso']
        self.size = head['gso_size'] if self.gso else 0
        partial = self.flags & NEEDS_CSUM
        self.start, self.offset = (head['start'], head['offset']) if partial \
            else (0, 0)

    def key(self):
        return (self.flags, self.gso, self.size, self.start, self.offset,
                self.frame)

    def canonical(self):
        """Returns the frames without offloads that this one represents."""
        if self.gso:
            return segments(self.frame, self.start, self.size)
        if self.flags & NEEDS_CSUM:
            return [finish(bytearray(self.frame), self.start, self.offset)]
        return [self.frame]

    def __str__(self):
        text = f'{len(self.frame)} bytes'
        if self.flags or self.gso:
            text += f', flags {self.flags}, gso {self.gso} of {self.size}, ' \
                f'checksum {self.start}+{self.offset}'
        return f'{text}: {describe(self.frame)}'


def describe(frame):
    """Returns the addresses, the tags and a short dump, for messages."""
    tags, at = tags_of(frame)
    names = {CTAG: '802.1Q', STAG: '802.1ad'}
    words = [frame[6:12].hex(':'), '->', frame[:6].hex(':')]
    words += [f'[{names[t]} vid {tci & 0xfff} pcp {tci >> 13} '
              f'dei {tci >> 12 & 1}]' for t, tci in tags]
    dump = frame[:at + 42].hex()
    more = '...' if len(frame) > at + 42 else ''
    return f'{" ".join(words)} {dump}{more}'


def canonical(outputs):
    return [f for o in outputs for f in o.canonical()]
