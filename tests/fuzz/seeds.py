#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the first inputs of a fuzz target: seeds.py TARGET FOLDER. They are
good frames and packets, as in the unit and system tests."""
import os
import struct
import sys

ETHER = bytes.fromhex('0200000000020200000000018100000788b5')
ETHER_IP = bytes.fromhex('0200000000020200000000010800')
IPV4 = bytes.fromhex('4500004800074000400600000a0100010a010002')
ETHER_IP6 = ETHER_IP[:12] + b'\x86\xdd'
IPV6 = bytes.fromhex('6000000000280640') + bytes(15) + b'\1' + bytes(15) + b'\2'
TCP = struct.pack('!HHIIBBHHH', 1111, 2222, 1000, 5, 0x50, 0x18, 8192, 0, 0)
UDP = struct.pack('!HHHH', 1111, 2222, 28, 0)


def header(flags=0, gso=0, size=0, start=0, offset=0):
    return struct.pack('<BBHHHH', flags, gso, 0, size, start, offset)


def frames():
    data = bytes(range(200))
    yield header() + ETHER + data
    yield header(1, 1, 50, 34, 16) + ETHER_IP + IPV4 + TCP + data
    yield header(1, 4, 50, 54, 16) + ETHER_IP6 + IPV6 + TCP + data
    yield header(1, 5, 50, 34, 6) + ETHER_IP + IPV4[:9] + b'\x11' + \
        IPV4[10:] + UDP + data
    yield header(1, 0, 0, 34, 16) + ETHER_IP + IPV4 + TCP + data


def disks():
    def request(kind, sector, readable=(), writable=(), data=b''):
        head = struct.pack('<IIQ', kind, 0, sector)
        out = bytes([1 + len(readable), 1 + len(writable)])
        for i, n in enumerate((16, *readable)):
            out += struct.pack('<H', n - 1) + (data if i else head)
        return out + b''.join(struct.pack('<H', n - 1) for n in (*writable, 1))
    area = struct.pack('<QII', 8, 8, 0)
    yield request(0, 3, writable=(512, 512))
    yield request(1, 63, readable=(512,), data=bytes(512))
    yield request(4, 0)
    yield request(8, 0, writable=(20,))
    yield request(11, 0, readable=(32,), data=area * 2)
    yield request(13, 0, readable=(16,), data=area[:12] + b'\1\0\0\0')


def streams():
    def framed(n):
        return struct.pack('!I', n) + (ETHER + bytes(n))[:n]
    yield b'\x10' + framed(60) + framed(1514) + framed(14)
    yield b'\x00' + framed(60) * 5
    yield b'\xff' + framed(0) + framed(13) + framed(60) + b'\xff' * 4
    yield b'\x01' + framed(60)[:40]


def packets():
    for choice in range(32):
        data = struct.pack('!I', 0x30000) if choice & 1 else \
            b'' if choice & 2 else bytes([0x45]) + bytes(19)
        data += struct.pack('!I', 1)
        if choice & 4:
            data += struct.pack('!Q', 2)[0 if choice & 8 else 4:]
        yield bytes([choice]) + data + bytes(4 if choice & 16 else 0) + ETHER


def tunnels():
    yield b'\0' + struct.pack('!II', 0x8 << 24, 7 << 8) + ETHER
    yield b'\1' + struct.pack('!II', 0x6558, 7 << 8) + ETHER
    for inner in (ETHER_IP + IPV4, ETHER_IP6 + IPV6):
        yield b'\1' + struct.pack('!II', 0x6558, 7 << 8) + inner + TCP
    option = struct.pack('!HBB', 0x102, 1, 1) + bytes(4)
    for flags in (0, 0x40, 0x80):
        yield b'\1' + struct.pack('!BBHI', 4, flags, 0x6558, 7 << 8) + \
            option * 2 + ETHER
    yield b'\1' + struct.pack('!BBHI', 2, 0, 0x6558, 7 << 8) + \
        b'\1\2\x81\1' + bytes(4) + ETHER
    for bits in range(0, 16):
        head = struct.pack('!HH', (bits & 11) << 12, 0x6558)
        yield b'\2' + head + bytes(4 * bin(bits).count('1')) + ETHER


def wires():
    """The streams of filters, without and with a header in each frame."""
    for data in frames():
        yield b'\0' + struct.pack('!I', len(data[10:])) + data[10:]
        yield b'\1' + struct.pack('!II', len(data), 10) + data
        full = data[:10] + b'\0\0' + data[10:]
        yield b'\1' + struct.pack('!II', len(full), 12) + full + \
            struct.pack('!II', 60, 0) + data[10:70]
    yield b'\0' + bytes(4) + b'\xff' * 4
    yield b'\1' + struct.pack('!II', 20, 13) + bytes(20)


def words(*ops):
    """A byte string of fuzz_vpci: (operation, arguments of 1, 2 or 4 bytes)."""
    return b''.join(struct.pack('<B' + form, op, *args)
                    for op, form, *args in ops)


def machines():
    """Life of a driver: modern and legacy, with and without MSI-X, and a ring
    with one chain."""
    chain = words((4, 'HB', 0x4000, 32)) + struct.pack(
        '<QIHHQIHH', 0x8000, 16, 1, 1, 0x8100, 16, 2, 0)
    avail = {True: 0x4000 + 16 * 16, False: 0x4000 + 16 * 64}
    for kind in range(3):
        for is_modern in (True, False):
            start = (5, 'BIB', 1, 0x10000000, 0) if is_modern else \
                (6, 'BI', 1, 0x10000000)
            kick = (2, 'BHI', 0x11, 0x3004, 1) if is_modern else \
                (2, 'BHI', 0x10, 16, 1)
            packed = words((5, 'BIB', 1, 0x10000000, 5), (4, 'HB', 0x4000, 32))
            packed += struct.pack('<QIHHQIHH', 0x8000, 16, 3, 0x81, 0x8100,
                                  16, 3, 0x82)
            packed += words((2, 'BHI', 0x11, 0x3004, 1), (7, ''), (10, ''),
                            (13, 'BBI', 0x14, 0x40, 7))
            body = words((9, 'B', kind & 1), start) + chain + words(
                (4, 'HB', avail[is_modern], 6)) + \
                struct.pack('<HHH', 0, 1, 0) + \
                words(kick, (7, ''), (8, 'BB', 3, 9), (3, 'BH', 0x22, 0),
                      (9, 'B', ~kind & 1), (1, 'BB', 0x40, 2),
                      (0, 'BBI', 0x10, 2, 0x4001), (10, ''),
                      (11, 'BIBI', 4, 20, 0, 0))
            yield bytes([kind]) + body
            yield bytes([kind | 4]) + body + packed


def cards():
    """Life of a driver of each emulated card: it sets its rings up, sends and
    receives."""
    def put(off, value, how=0x20):
        return 0, 'BHI', how, off, value
    frame = (4, 'HBB', 0x2000, 63, 0), bytes.fromhex('020000000063') + \
        bytes.fromhex('020000000007') + b'\x08\0' + IPV4 + bytes(30)
    tail = ((5, 'B', 3), (6, 'BH', 0x11, 100), (6, 'BH', 2, 50),
            (6, 'BH', 5, 1500), (8, ''), (5, 'B', 3), (6, 'BH', 0x30, 4000),
            (9, 'B', 0), (8, ''), (9, 'B', 1), (7, 'BBI', 0x10, 2, ~0 & 2**32 - 1))

    def life(model, setup, ring, descs):
        out = bytes([model]) + words(frame[0]) + frame[1]
        for desc in descs:
            out += words((4, 'HBB', ring, len(desc) - 1, 31)) + desc
            ring += 0x1000
        return out + words(*setup, *tail)
    e1000 = (put(0x3800, 0x4000), put(0x3808, 256), put(0x2800, 0x5000),
             put(0x2808, 256), put(0x400, 2), put(0x100, 0x800a),
             put(0x5400, 0x2), put(0x5404, 0x80000700), put(0xd0, 0xdf),
             put(0x2818, 15), put(0x3818, 12))
    for extra in (0, 1 << 20):
        yield life(0, e1000, 0x4000, (
            struct.pack('<QIBBH', 0x2000, 60 | 0xb << 24 | extra, 0, 0, 0),
            struct.pack('<QQ', 0x6000, 0)))
    yield life(0, e1000, 0x4000, (
        struct.pack('<IIII', 0x220e100e, 0x32102a22, 0x20000000 | 0x7 << 24,
                    0x00320800) +
        struct.pack('<QIBBH', 0x2000, 60 | 0x2f << 24 | 1 << 20, 0, 3, 0),
        struct.pack('<QQ', 0x6000, 0)))
    plain = (put(0x37, 0x10, 1), put(0x30, 0x6000, 0x21),
             put(0x37, 0xc, 1), put(0x44, 0xf, 0x21), put(0x3c, 0xffff, 0x11),
             put(0x20, 0x2000, 0x21), put(0x10, 60, 0x21),
             put(0x24, 0x2000, 0x21), put(0x14, 64, 0x21))
    yield life(1, plain, 0x4000, ())
    ring = (put(0x37, 0x10, 1), put(0xe0, 0x43, 0x11),
            put(0x20, 0x4000, 0x21), put(0xe4, 0x5000, 0x21),
            put(0x37, 0xc, 1), put(0x44, 0xf, 0x21), put(0x3c, 0xffff, 0x11),
            put(0xd9, 0x40, 1))
    for flags in (0xb0000000, 0xb8010000, 0xb0070000):
        yield life(1, ring, 0x4000, (
            struct.pack('<IIQ', flags | 62, 0x20007, 0x2000),
            struct.pack('<IIQ', 0x80000600, 0, 0x6000)))


def commands():
    """Commands of a virtio-net driver, in buffers as Linux makes them and in
    small ones."""
    rss = b'\4\1' + struct.pack('<IHH', 63, 7, 3) + \
        struct.pack('<8H', *[0, 1, 2, 3] * 2) + struct.pack('<HB', 4, 40) + \
        bytes(range(40))
    known = [b'\0\0\0', b'\0\1\1', b'\1\1\2' + bytes(5),
             b'\1\0' + struct.pack('<I', 1) + bytes(6) +
             struct.pack('<I', 2) + bytes(12), b'\2\0\1\0', b'\3\0',
             b'\4\0\2\0', rss,
             b'\4\2' + struct.pack('<I8sB', 7, bytes(8), 1) + b'k',
             b'\5\0' + struct.pack('<Q', 0x82)]
    for size in (2, 255):
        yield b''.join(bytes([len(c), size]) + c for c in known)


def main():
    target, folder = sys.argv[1:]
    made = {'blk': disks, 'ctrl': commands, 'frame': frames,
            'nic': cards, 'stream': streams, 'l2tpv3': packets, 'tunnel': tunnels,
            'vpci': machines, 'wire': wires}[target]()
    for i, data in enumerate(made):
        with open(os.path.join(folder, f'seed-{i}'), 'wb') as f:
            f.write(data)


if __name__ == '__main__':
    main()
