# SPDX-License-Identifier: Apache-2.0
"""A vhost-user back-end in Python, for a front-end under test: it answers the
requests, maps the memory, and lets the test write to the rings what a back-end
should not. Split rings of one queue pair or several."""
import array
import mmap
import os
import socket
import struct
import threading

import vufront as v

GOOD = v.OFFLOADS | v.bits(v.F_PROTOCOL, v.F_EVENT_IDX)


class Back:
    """Listens on @path; serves one front-end at a time on a thread. @silent_at
    is a request after which it says nothing, @close_at one at which it closes,
    and @refuses one that it refuses."""

    def __init__(self, path, features=GOOD, pairs=1, silent_at=None,
                 close_at=None, refuses=None, protocol=None):
        self.features, self.pairs = features, pairs
        self.protocol = v.bits(v.P_MQ, v.P_REPLY_ACK) if protocol is None \
            else protocol
        self.silent_at, self.close_at = silent_at, close_at
        self.refuses = refuses
        self.path = path
        self.seen = []
        self.sessions = 0
        self.rings = {}
        self.mem = None
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(4)
        self.sock = None
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        sock = self.sock
        if sock:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join()
        self.listener.close()
        os.unlink(self.path)

    def serve(self):
        while True:
            try:
                self.sock, _ = self.listener.accept()
            except OSError:
                return
            self.sessions += 1
            self.seen = []
            self.agreed = 0
            with self.sock:
                try:
                    while self.one_message():
                        pass
                except OSError:
                    pass
            self.forget()

    def forget(self):
        for ring in self.rings.values():
            for fd in (ring.get('kick'), ring.get('call')):
                if fd is not None:
                    os.close(fd)
        self.rings = {}
        if self.mem:
            self.mem.close()
            self.mem = None

    def one_message(self):
        data, anc, _, _ = self.sock.recvmsg(12, socket.CMSG_SPACE(32))
        if not data:
            return False
        fds = array.array('i')
        for _, _, content in anc:
            fds.frombytes(content)
        request, flags, size = struct.unpack('<III', data)
        body = self.sock.recv(size) if size else b''
        self.seen.append(request)
        if request == self.close_at:
            return False
        if request == self.silent_at:
            return True
        answer = self.handle(request, body, list(fds))
        if answer is None and flags & v.NEED_REPLY:
            answer = struct.pack('<Q', request == self.refuses)
        if answer is not None:
            self.sock.sendall(struct.pack('<III', request,
                                          v.VERSION | v.REPLY, len(answer)) +
                              answer)
        return True

    def handle(self, request, body, fds):
        """Returns the answer, or None for a request without one."""
        if request == v.GET_FEATURES:
            return struct.pack('<Q', self.features)
        if request == v.GET_PROTOCOL_FEATURES:
            return struct.pack('<Q', self.protocol)
        if request == v.GET_QUEUE_NUM:
            return struct.pack('<Q', self.pairs)
        if request == v.SET_FEATURES:
            self.agreed, = struct.unpack('<Q', body)
        elif request == v.SET_MEM_TABLE:
            count, _, self.gpa, size, self.uva, _ = struct.unpack(
                '<IIQQQQ', body)
            assert count == 1
            self.mem = mmap.mmap(fds[0], size)
            try:
                os.ftruncate(fds[0], 0)
                self.could_shrink = True
            except OSError:
                self.could_shrink = False
            os.close(fds[0])
        elif request == v.SET_VRING_NUM:
            idx, num = struct.unpack('<II', body)
            self.rings.setdefault(idx, {})['num'] = num
        elif request == v.SET_VRING_ADDR:
            idx, _, desc, used, avail, _ = struct.unpack('<IIQQQQ', body)
            self.rings[idx].update(desc=desc - self.uva, used=used - self.uva,
                                   avail=avail - self.uva)
        elif request in (v.SET_VRING_KICK, v.SET_VRING_CALL):
            name = 'kick' if request == v.SET_VRING_KICK else 'call'
            ring = self.rings.setdefault(body[0], {})
            if name in ring:
                os.close(ring[name])
            ring[name] = fds[0]
        return None

    # what a test writes

    def use(self, idx, entries, used_idx):
        """Writes used entries (id, length) from position 0 on and calls."""
        ring = self.rings[idx]
        for i, (n, length) in enumerate(entries):
            struct.pack_into('<II', self.mem, ring['used'] + 4 + 8 * i, n,
                             length)
        struct.pack_into('<H', self.mem, ring['used'] + 2, used_idx)
        os.eventfd_write(ring['call'], 1)

    def block_kick(self, idx):
        """Makes the next write to the kick descriptor sleep."""
        fd = self.rings[idx]['kick']
        os.set_blocking(fd, False)
        try:
            os.eventfd_read(fd)
        except BlockingIOError:
            pass
        os.eventfd_write(fd, 2**64 - 2)
        os.set_blocking(fd, True)

    def buffer(self, idx, n):
        """Returns the offset of descriptor @n's buffer in the memory."""
        addr, = struct.unpack_from('<Q', self.mem,
                                   self.rings[idx]['desc'] + 16 * n)
        return addr - self.gpa

    def put(self, idx, n, frame, buffers=1):
        """Writes a header and a frame to descriptor @n's buffer."""
        at = self.buffer(idx, n)
        data = bytes(10) + struct.pack('<H', buffers) + frame
        self.mem[at:at + len(data)] = data
        return n, len(data)
