# SPDX-License-Identifier: Apache-2.0
"""A vhost-user front-end with split rings in Python, for tests that check every
byte on the wire or misbehave.

It is small rather than fast. Its memory is one memfd; buffers are slots of 4096
bytes, one descriptor each; larger frames take several.
"""
import array
import mmap
import os
import select
import socket
import struct
import time

# requests
GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE = range(1, 6)
SET_LOG_BASE, SET_LOG_FD, SET_VRING_NUM, SET_VRING_ADDR = range(6, 10)
SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL = range(10, 14)
SET_VRING_ERR, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES = range(14, 17)
GET_QUEUE_NUM, SET_VRING_ENABLE, SEND_RARP, NET_SET_MTU = range(17, 21)
GET_INFLIGHT_FD = 31
RESET_DEVICE = 34
GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG = range(36, 39)
SET_STATUS, GET_STATUS = 39, 40

# feature bits
F_CSUM, F_GUEST_CSUM = 0, 1
F_MTU = 3
F_GUEST_TSO4, F_GUEST_TSO6 = 7, 8
F_GUEST_ECN, F_HOST_ECN = 9, 13
F_HOST_TSO4, F_HOST_TSO6 = 11, 12
F_MRG_RXBUF, F_MQ = 15, 22
F_EVENT_IDX, F_PROTOCOL, F_VERSION_1 = 29, 30, 32

# protocol feature bits
P_MQ, P_RARP, P_REPLY_ACK, P_MTU, P_MEM_SLOTS, P_STATUS = 0, 2, 3, 4, 15, 16

VERSION, REPLY, NEED_REPLY = 1, 4, 8
NOFD = 0x100

SLOT = 4096
GPA = 0x40000000
UVA = 0x7f5500000000
HDR = 12  # struct virtio_net_hdr with num_buffers

PLAIN = (1 << F_VERSION_1) | (1 << F_MRG_RXBUF)
OFFLOADS = PLAIN | sum(1 << b for b in (
    F_CSUM, F_GUEST_CSUM, F_GUEST_TSO4, F_GUEST_TSO6, F_HOST_TSO4,
    F_HOST_TSO6))


class Closed(Exception):
    """The back-end closed the connection."""


def bits(*numbers):
    return sum(1 << n for n in numbers)


class Ring:
    """Driver side of one split queue."""

    def __init__(self, front, idx, base):
        self.front, self.idx, self.size = front, idx, front.size
        self.desc = base
        self.avail = base + 16 * self.size
        self.used = (self.avail + 6 + 2 * self.size + 3) & ~3
        self.slots = (self.used + 6 + 8 * self.size + SLOT - 1) & ~(SLOT - 1)
        self.end = self.slots + SLOT * self.size
        self.free = list(range(self.size))
        self.chains = {}
        self.next_avail = self.next_used = 0
        self.kick = os.eventfd(0, os.EFD_NONBLOCK)
        self.call = os.eventfd(0, os.EFD_NONBLOCK)
        self.err = os.eventfd(0, os.EFD_NONBLOCK)

    @staticmethod
    def room(size):
        """Returns the bytes of a ring of this size, slots included."""
        return (26 * size + 16 + 2 * SLOT & ~(SLOT - 1)) + SLOT * size

    def put_desc(self, n, addr, length, flags, following=0):
        struct.pack_into('<QIHH', self.front.mem, self.desc + 16 * n,
                         addr, length, flags, following)

    def publish(self, head):
        """Makes a chain available, without a kick."""
        m = self.front.mem
        struct.pack_into('<H', m, self.avail + 4 +
                         2 * (self.next_avail % self.size), head)
        self.next_avail = self.next_avail + 1 & 0xffff
        # pack_into() zeroes first, which the back-end would see.
        self.front.words[(self.avail + 2) // 2] = self.next_avail

    def notify(self):
        flags, = struct.unpack_from('<H', self.front.mem, self.used)
        if not flags & 1:
            os.eventfd_write(self.kick, 1)

    def add(self, length, writable, data=b''):
        """Makes a chain of slots for @length bytes available; returns False
        when the ring is full."""
        count = max(1, -(-length // SLOT))
        if count > len(self.free):
            return False
        slots = [self.free.pop(0) for _ in range(count)]
        for i, s in enumerate(slots):
            part = min(SLOT, length - i * SLOT)
            last = i == count - 1
            if data:
                at = self.slots + s * SLOT
                self.front.mem[at:at + part] = data[i * SLOT:i * SLOT + part]
            self.put_desc(s, GPA + self.slots + s * SLOT, part,
                          (2 if writable else 0) | (0 if last else 1),
                          0 if last else slots[i + 1])
        self.chains[slots[0]] = slots
        self.publish(slots[0])
        return True

    def take(self):
        """Returns one used chain as (its slots, bytes written), or None."""
        m = self.front.mem
        idx, = struct.unpack_from('<H', m, self.used + 2)
        if idx == self.next_used:
            return None
        head, length = struct.unpack_from(
            '<II', m, self.used + 4 + 8 * (self.next_used % self.size))
        self.next_used = self.next_used + 1 & 0xffff
        slots = self.chains.pop(head)
        self.free += slots
        return slots, length

    def wait(self, timeout):
        """Waits for a call of the back-end."""
        ready = select.select([self.call], [], [], max(0, timeout))[0]
        if ready:
            os.eventfd_read(self.call)
        return bool(ready)

    def close(self):
        for fd in (self.kick, self.call, self.err):
            os.close(fd)


class Front:
    """A front-end with @pairs queue pairs. Queue 2n receives, 2n+1 sends."""

    open_ones = set()

    def __init__(self, path=None, features=PLAIN, pairs=1, size=64, sock=None,
                 start=True):
        self.size, self.pairs = size, pairs
        if sock is None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(3)
            sock.connect(path)
        sock.settimeout(3)
        self.sock = sock
        Front.open_ones.add(self)
        per_ring = Ring.room(size)
        self.mem_size = 2 * pairs * per_ring
        self.memfd = os.memfd_create('front')
        os.ftruncate(self.memfd, self.mem_size)
        self.mem = mmap.mmap(self.memfd, self.mem_size)
        self.words = memoryview(self.mem).cast('H')
        self.rings = [Ring(self, i, i * per_ring) for i in range(2 * pairs)]
        self.reply_ack = False
        if start:
            self.negotiate(features)
            self.set_memory()
            for ring in self.rings:
                self.start_ring(ring)
            for ring in self.rings[::2]:
                self.fill(ring)

    # the socket

    def send_msg(self, request, payload=b'', fds=(), flags=VERSION, size=None):
        head = struct.pack('<III', request, flags,
                           len(payload) if size is None else size)
        anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] \
            if fds else []
        self.sock.sendmsg([head + payload], anc)

    def read_exact(self, n):
        data = b''
        while len(data) < n:
            try:
                more = self.sock.recv(n - len(data))
            except ConnectionResetError:
                more = b''
            if not more:
                raise Closed()
            data += more
        return data

    def recv_msg(self):
        request, flags, size = struct.unpack('<III', self.read_exact(12))
        assert flags & 3 == VERSION and flags & REPLY, (request, flags)
        return request, self.read_exact(size)

    def ask(self, request, payload=b'', fds=()):
        """Sends a request that has a reply; returns its payload."""
        self.send_msg(request, payload, fds)
        reply, data = self.recv_msg()
        assert reply == request, (reply, request)
        return data

    def tell(self, request, payload=b'', fds=()):
        """Sends a request; with REPLY_ACK returns its status."""
        if not self.reply_ack:
            self.send_msg(request, payload, fds)
            return 0
        self.send_msg(request, payload, fds, VERSION | NEED_REPLY)
        reply, data = self.recv_msg()
        assert reply == request
        return struct.unpack('<Q', data)[0]

    def sync(self):
        """Returns when the back-end has handled every message before."""
        self.ask(GET_FEATURES)

    def is_closed(self, timeout=2):
        """Returns whether the back-end closes within the time."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if not select.select([self.sock], [], [], 0.05)[0]:
                continue
            try:
                if not self.sock.recv(4096):
                    return True
            except ConnectionResetError:
                return True
        return False

    # setting up

    def negotiate(self, features):
        self.send_msg(SET_OWNER)
        self.offered, = struct.unpack('<Q', self.ask(GET_FEATURES))
        self.protocol, = struct.unpack('<Q', self.ask(GET_PROTOCOL_FEATURES))
        wanted = bits(P_MQ, P_REPLY_ACK) & self.protocol
        self.send_msg(SET_PROTOCOL_FEATURES, struct.pack('<Q', wanted))
        self.reply_ack = bool(wanted & bits(P_REPLY_ACK))
        self.features = features & self.offered
        self.set_features(self.features)

    def set_features(self, features):
        self.tell(SET_FEATURES,
                  struct.pack('<Q', features | bits(F_PROTOCOL)))

    def set_memory(self):
        return self.tell(SET_MEM_TABLE, struct.pack(
            '<IIQQQQ', 1, 0, GPA, self.mem_size, UVA, 0), [self.memfd])

    def start_ring(self, ring, kick=True, enable=True):
        i = ring.idx
        self.tell(SET_VRING_NUM, struct.pack('<II', i, self.size))
        self.tell(SET_VRING_BASE, struct.pack('<II', i, ring.next_avail))
        self.tell(SET_VRING_ADDR, struct.pack(
            '<IIQQQQ', i, 0, UVA + ring.desc, UVA + ring.used,
            UVA + ring.avail, 0))
        self.tell(SET_VRING_CALL, struct.pack('<Q', i), [ring.call])
        self.tell(SET_VRING_ERR, struct.pack('<Q', i), [ring.err])
        if kick:
            self.tell(SET_VRING_KICK, struct.pack('<Q', i), [ring.kick])
        if enable:
            self.tell(SET_VRING_ENABLE, struct.pack('<II', i, 1))

    def stop_ring(self, ring):
        """Stops a ring; returns the available index the back-end stopped at."""
        idx, num = struct.unpack('<II', self.ask(
            GET_VRING_BASE, struct.pack('<II', ring.idx, 0)))
        assert idx == ring.idx
        return num

    # frames

    def fill(self, ring=None):
        """Offers every free receive slot."""
        ring = ring or self.rings[0]
        while ring.add(SLOT, True):
            pass
        ring.notify()

    def send(self, frame, hdr=b'', queue=0, wait=True, timeout=2):
        """Sends one frame; with @wait, returns when the back-end has used it.
        """
        ring = self.rings[2 * queue + 1]
        data = (hdr or bytes(HDR)) + bytes(frame)
        end = time.monotonic() + timeout
        while not ring.add(len(data), False, data):
            if not self.reap(ring) and time.monotonic() > end:
                raise TimeoutError('no room in the transmit queue')
        ring.notify()
        while wait and ring.chains:
            if not self.reap(ring):
                if time.monotonic() > end:
                    raise TimeoutError('frame not taken')
                ring.wait(0.01)

    @staticmethod
    def reap(ring):
        done = 0
        while ring.take():
            done += 1
        return done

    def recv(self, timeout=2, queue=0):
        """Returns the next frame as (header, bytes), or None."""
        ring = self.rings[2 * queue]
        end = time.monotonic() + timeout
        data, missing = b'', 1
        while missing:
            got = ring.take()
            if not got:
                left = end - time.monotonic()
                if left <= 0:
                    assert not data, 'a frame came without its later buffers'
                    return None
                ring.wait(min(left, 0.05))
                continue
            slots, length = got
            at = ring.slots + slots[0] * SLOT
            part = self.mem[at:at + length]
            if not data and self.features & bits(F_MRG_RXBUF):
                missing = struct.unpack_from('<H', part, 10)[0]
            data += part
            missing -= 1
            self.fill(ring)
        return data[:HDR], data[HDR:]

    def recv_all(self, timeout=0.3, queue=0):
        """Returns all frames until none arrives for @timeout seconds."""
        frames = []
        while got := self.recv(timeout, queue):
            frames.append(got)
        return frames

    def close(self):
        if self not in Front.open_ones:
            return
        Front.open_ones.remove(self)
        self.sock.close()
        for ring in self.rings:
            ring.close()
        self.words.release()
        self.mem.close()
        os.close(self.memfd)


def close_all():
    """Closes the front-ends that a test left open."""
    for front in list(Front.open_ones):
        front.close()


def accept(path, **options):
    """Returns a front-end that listens, for a port with server=off."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(5)
        sock, _ = listener.accept()
    return Front(sock=sock, **options)
