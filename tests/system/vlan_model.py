# SPDX-License-Identifier: Apache-2.0
"""VLAN options of ports as Ringway and a Linux bridge take them, and a simple
model of their meaning. The model is a third opinion: its few lines define what
both switches must do, and help to explain a difference between them."""
import struct

from vlan_bridge import PVID, UNTAGGED
from vlan_frames import CTAG, STAG

# In a network with VLAN options, untagged frames of ports without them are in
# VLAN 0. A Linux bridge has no VLAN 0; it gets this one instead, which is in no
# frame and no option of the tests.
OTHERS = 4001


class Port:
    """The options of one port. @trunk: a list of (first, last)."""

    def __init__(self, vlan=0, trunk=(), native=0):
        self.vlan, self.trunk, self.native = vlan, tuple(trunk), native

    def is_plain(self):
        return not self.vlan and not self.trunk

    def options(self, separator=':'):
        """Returns every VLAN option, '' for one that is not set."""
        return {'vlan': self.vlan or '', 'native': self.native or '',
                'trunk': separator.join(f'{a}-{b}' if a != b else str(a)
                                        for a, b in self.trunk)}

    def accepts(self, vid):
        if self.is_plain():
            return 0 <= vid <= 4094
        return vid > 0 and (vid == self.vlan or
                            any(a <= vid <= b for a, b in self.trunk))

    def ingress(self, vid):
        """Returns the VLAN of a frame that arrives with this VID (None: no
        tag), or None when the port does not take the frame."""
        if not vid:
            vid = 0 if self.is_plain() else self.vlan or self.native or None
        return vid if vid is not None and self.accepts(vid) else None

    def is_untagged(self, vid):
        return vid in (0, self.vlan, self.native)

    def linux(self, vids):
        """Returns {vid: flags} for a bridge, of only those VIDs that occur in
        @vids: thousands of others would take most of the time."""
        table = {v: 0 for v in vids if v and self.accepts(v)}
        untagged = OTHERS if self.is_plain() else self.vlan or self.native
        if untagged:
            table[untagged] = PVID | UNTAGGED
        return table

    def __str__(self):
        return ','.join(f'{k}={v}' for k, v in self.options().items() if v) or \
            'no VLAN options'



def shifted(sample, frame, by):
    """Returns header and frame of a frame that became longer by @by bytes."""
    flags, gso, size, start, offset = sample.fields
    return struct.pack('<BBHHHHH', flags, gso, 0, size, start + by if flags & 1
                       else start, offset, 0) + frame


class Model:
    """A model of a switch with VLANs."""

    def __init__(self, ports, stag=()):
        """@stag: by port, whether its tags are 802.1ad."""
        self.ports = list(ports)
        self.stag = list(stag) or [False] * len(self.ports)
        self.macs = {}
        self.refused = [0] * len(ports)     # frames of VLANs not allowed
        self.seen = {}

    def set(self, port, options):
        """Sets the port's options. Forgets its addresses, except in VLANs that
        the port stays in."""
        self.ports[port] = options
        self.macs = {(vid, mac): at for (vid, mac), at in self.macs.items()
                     if at != port or options.accepts(vid)}

    def dot1ad(self, _, value):
        self.stag = [value] * len(self.ports)

    def count(self, what):
        self.seen[what] = self.seen.get(what, 0) + 1

    def frame(self, port, sample):
        """Forwards a frame; returns a list, by port, of lists of (header,
        frame)."""
        out = [[] for _ in self.ports]
        data = sample.data
        has_vlans = not all(p.is_plain() for p in self.ports)
        vid, tci, inner = 0, 0, data
        if has_vlans:
            kind, = struct.unpack_from('!H', data, 12)
            tagged = kind == (STAG if self.stag[port] else CTAG)
            if tagged:
                tci, = struct.unpack_from('!H', data, 14)
                inner = data[:12] + data[16:]
            vid = self.ports[port].ingress(tci & 0xfff if tagged else None)
            if vid is None:
                self.refused[port] += 1
                self.count('refused')
                return out
            if tagged and not tci & 0xfff:
                self.count('priority tag')
        dst, src = data[:6], data[6:12]
        before = self.macs.get((vid, src))
        self.count('new address' if before is None else 'known address'
                   if before == port else 'moved address')
        self.macs[vid, src] = port
        to = None if dst[0] & 1 else self.macs.get((vid, dst))
        self.count('flooded' if to is None else 'to one port'
                   if to != port else 'not sent back')
        for i, p in enumerate(self.ports):
            if i == port or (to is not None and to != i) or \
                    (has_vlans and not p.accepts(vid)):
                continue
            frame = inner
            if has_vlans and not p.is_untagged(vid):
                frame = inner[:12] + struct.pack(
                    '!HH', STAG if self.stag[i] else CTAG,
                    tci & 0xf000 | vid) + inner[12:]
            by = len(frame) - len(data)
            out[i].append(shifted(sample, frame, by))
            self.count({-4: 'tag taken off', 0: 'as it came',
                        4: 'tag put on'}[by])
            if has_vlans and tci >> 12 and frame is not inner:
                self.count('priority kept')
        return out
