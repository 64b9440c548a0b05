# SPDX-License-Identifier: Apache-2.0
"""Ringway with ports for the VLAN tests, and the comparison of two switches."""
import vufront
from vlan_bridge import TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6
from vlan_cases import NETWORKS
from vlan_frames import Output, canonical

# All front-ends send frames with offloads; the offloads they take depend on the
# port.
SENDS = vufront.PLAIN | vufront.bits(
    vufront.F_CSUM, vufront.F_HOST_TSO4, vufront.F_HOST_TSO6)
TAKES = ((TUN_F_CSUM, vufront.F_GUEST_CSUM), (TUN_F_TSO4, vufront.F_GUEST_TSO4),
         (TUN_F_TSO6, vufront.F_GUEST_TSO6))


def features(offloads):
    return SENDS | vufront.bits(*(f for bit, f in TAKES if offloads & bit))


class Networks:
    """One daemon with the ports of NETWORKS, a front-end on each."""

    def __init__(self, up):
        names = [(n, i) for n, ports in enumerate(NETWORKS)
                 for i in range(len(ports))]
        self.switch = up(*(f'vhost-user,id={self.port(n, i)},net=n{n}'
                           for n, i in names))
        self.fronts = [[] for _ in NETWORKS]
        for n, i in names:
            self.fronts[n].append(self.switch.front(
                self.port(n, i), size=128, features=features(NETWORKS[n][i])))

    @staticmethod
    def port(net, i):
        return f'n{net}p{i}'

    def set(self, net, i, **options):
        self.switch.call('port.set', id=self.port(net, i), **options)

    def refused(self, net, i):
        """Returns the frames of VLANs that are not allowed, so far."""
        return self.switch.stats(self.port(net, i))['rx'][0]['drops'].get(
            'rx-vlan', 0)

    def frame(self, net, i, sample):
        """Sends a frame; returns the frames that each port receives. They are
        there when the sender's frame is used: receivers' rings are published
        before the sender's."""
        self.fronts[net][i].send(sample.data, sample.header)
        out = []
        for front in self.fronts[net]:
            got = []
            while frame := front.recv(0):
                got.append(frame[0] + frame[1])
            out.append(got)
        return out

    def run(self, case):
        """Returns replies by step, as vlan_bridge.py does."""
        net, replies = case.net, []
        self.switch.call('mac.flush', net=f'n{net}')
        for i, (port, stag) in enumerate(zip(case.ports, case.stag)):
            self.set(net, i, **port.options(':,'[i % 2]), dot1ad=stag)
        for what, port, value in case.steps:
            reply = None
            if what == 'frame':
                reply = self.frame(net, port, value)
            elif what == 'set':
                self.set(net, port, **value.options())
            else:
                for i in range(len(case.ports)):
                    self.set(net, i, dot1ad=value)
            replies.append(reply)
        return replies


def is_same(ours, theirs, form):
    """Returns whether two outputs agree. @form: 'same', offloads included;
    'whole': our checksums may be whole where theirs are partial; 'any': a large
    frame also equals its segments."""
    ours, theirs = ([Output(d) for d in out] for out in (ours, theirs))
    if [o.key() for o in ours] == [o.key() for o in theirs]:
        return True
    if form == 'whole' and any(o.flags or o.gso for o in ours):
        return False
    return form != 'same' and canonical(ours) == canonical(theirs)


def differences(case, ours, theirs, names, form=None):
    """Returns a text for each step whose replies differ."""
    texts = []
    expected, _ = case.model()
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a is None and b is None:
            continue
        # Ringway fills in the checksum of a flooded frame once, when one of the
        # receivers needs it.
        filled = any(b[p] and not takes & TUN_F_CSUM
                     for p, takes in enumerate(case.offloads))
        how = form or ('whole' if filled else 'same')
        for port in range(len(case.ports)):
            if is_same(a[port], b[port], how):
                continue
            lines = [f'{case.name}: port {port} after', case.text(i)]
            for name, out in zip((*names, 'the model'), (a, b, expected[i])):
                lines.append(f'{name}: {len(out[port])} frame(s)')
                lines += [f'    {Output(d)}' for d in out[port]]
            texts.append('\n'.join(lines))
    return texts
