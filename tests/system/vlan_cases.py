# SPDX-License-Identifier: Apache-2.0
"""Random VLAN configurations and frames for them.

Some frames are left out because a Linux bridge treats them specially: source
addresses that are multicast or zero (the bridge drops these frames),
destinations 01:80:c2:00:00:0x (it does not forward them), and its own address
and those of its taps. Linux drops frames that end inside a tag, or with fewer
than two bytes behind it, before the bridge sees them; these are left out, too.
"""
import random

from vlan_bridge import TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6
from vlan_frames import CTAG, STAG, TYPE, Output, plain, transport
from vlan_model import OTHERS, Model, Port

# The offloads that the reader of each port takes, by network and port.
NONE, CSUM, TSO4 = 0, TUN_F_CSUM, TUN_F_CSUM | TUN_F_TSO4
TSO = TSO4 | TUN_F_TSO6
NETWORKS = (
    (TSO, NONE, TSO), (TSO, TSO, TSO, TSO), (NONE, CSUM, TSO4, TSO, NONE),
    (CSUM, TSO, NONE, TSO4, TSO, TSO), (NONE, NONE, NONE),
    (TSO, CSUM, NONE, CSUM), (TSO, TSO, TSO4, NONE, TSO),
    (TSO, NONE, TSO, CSUM, TSO, NONE),
)
FRAMES = 14     # for each configuration


def choose(rng, *weighted):
    """Returns the value of one of @weighted, a list of (weight, value)."""
    return rng.choices([v for _, v in weighted], [w for w, _ in weighted])[0]


def random_port(rng, vids):
    kind = choose(rng, (4, 'access'), (3, 'trunk'), (3, 'native'), (1, 'none'))
    if kind == 'access':
        return Port(vlan=rng.choice(vids))
    if kind == 'none':
        return Port()
    if rng.random() < 0.15:
        trunk = [(1, 4000), (4002, 4094)]
    else:
        trunk, last = [], 0
        for v in sorted(rng.sample(vids, rng.randint(1, len(vids)))):
            first = max(last + 1, v - rng.choice((0, 0, 0, 1, 5)))
            if first > v or first <= OTHERS <= v:
                continue
            trunk.append((first, v))
            last = v
        rng.shuffle(trunk)
    members = [v for v in vids if any(a <= v <= b for a, b in trunk)]
    return Port(trunk=trunk,
                native=rng.choice(members) if kind == 'native' else 0)


class Case:
    """One configuration: ports of one of NETWORKS, and steps: ('frame', port,
    sample), ('set', port, options), and ('dot1ad', None, bool) for all."""

    def __init__(self, name, net, ports=(), steps=(), stag=False, vids=()):
        """@vids: the VIDs in the frames."""
        self.name, self.net = name, net
        self.ports, self.steps = list(ports), list(steps)
        self.offloads = NETWORKS[net]
        self.stag = [stag] * len(self.ports)
        self.vids = vids
        # False where ports differ in dot1ad: a bridge has one Ethertype.
        self.has_linux = True

    def linux(self):
        """Returns (steps for vlan_bridge.py, how many of them precede
        self.steps)."""
        filtering = not all(p.is_plain() for p in self.ports)
        steps = [('reset', int(filtering), STAG if self.stag[0] else CTAG)]
        steps += [('offloads', i, n) for i, n in enumerate(self.offloads)]
        if filtering:
            steps += [('vlans', i, p.linux(self.vids))
                      for i, p in enumerate(self.ports)]
        before = len(steps)
        for what, port, value in self.steps:
            steps.append({
                'set': lambda: ('vlans', port, value.linux(self.vids)),
                'dot1ad': lambda: ('ethertype', STAG if value else CTAG),
                'frame': lambda: ('frame', port, value.header + value.data),
            }[what]())
        return steps, before

    def model(self):
        """Returns (replies by step as from vlan_bridge.py, the model)."""
        model = Model(self.ports, self.stag)
        return [getattr(model, what)(port, value)
                for what, port, value in self.steps], model

    def text(self, until):
        """Returns the configuration and the steps up to @until, for messages.
        """
        lines = [f'  port {i}: {p}, dot1ad={"on" if s else "off"}, offloads '
                 f'taken {o}' for i, (p, s, o) in enumerate(
                     zip(self.ports, self.stag, self.offloads))]
        for what, port, value in self.steps[:until + 1]:
            lines.append({
                'set': f'  port {port}: set {value}',
                'dot1ad': f'  all ports: set dot1ad={value}',
            }.get(what) or f'  port {port}: '
                f'{Output(value.header + value.data)}')
        return '\n'.join(lines)


class RandomCase(Case):
    """Case @number of a @seed, the same in every run."""

    def __init__(self, seed, number):
        super().__init__(f'case {number} of seed {seed}',
                         number % len(NETWORKS))
        self.rng = rng = random.Random(f'{seed}:{number}')
        count = len(self.offloads)
        members = rng.sample((1, 2, 100, 4094, rng.randint(3, 99),
                              rng.randint(101, 4000)), rng.randint(2, 4))
        self.members = members
        self.vids = members + [v for v in (rng.randint(3, 4000), 7, 4093, 4095)
                               if v not in members]
        kind = choose(rng, (1, 'no VLANs'), (6, '802.1Q'), (3, '802.1ad'),
                      (1, 'mixed'))
        self.has_vlans = kind != 'no VLANs'
        if self.has_vlans:
            self.ports = [random_port(rng, members) for _ in range(count)]
            if all(p.is_plain() for p in self.ports):
                self.ports[rng.randrange(count)] = Port(vlan=members[0])
        else:
            self.ports = [Port()] * count
        self.stag = {'802.1ad': [True] * count,
                     'mixed': [bool(i % 2) for i in range(count)]}.get(
            kind, [False] * count)
        self.has_linux = kind != 'mixed'
        self.now_stag = list(self.stag)
        self.hosts = [f'02:00:00:00:02:{i:02x}' for i in range(5)]
        self.homes = {}
        self.steps = []
        self.make_steps()

    def make_steps(self):
        now = list(self.ports)
        for i in range(FRAMES):
            if self.has_vlans and i and self.rng.random() < 0.15:
                port = self.rng.randrange(len(now))
                new = random_port(self.rng, self.members)
                others = now[:port] + now[port + 1:]
                if new.is_plain() and all(p.is_plain() for p in others):
                    continue
                now[port] = new
                self.steps.append(('set', port, new))
            if self.has_vlans and self.has_linux and self.rng.random() < 0.02:
                self.now_stag = [not s for s in self.now_stag]
                self.steps.append(('dot1ad', None, self.now_stag[0]))
            port = self.rng.randrange(len(now))
            self.steps.append(('frame', port, self.sample(port, now[port])))

    def sample(self, port, options):
        rng = self.rng
        tags = self.tags(port, options)
        src = rng.choice(self.hosts)
        # Most hosts stay at their first port.
        if self.homes.setdefault(src, port) != port and rng.random() < 0.7:
            src = rng.choice([h for h in self.hosts
                              if self.homes.get(h, port) == port] or [src])
            self.homes.setdefault(src, port)
        dst = choose(rng, (6, rng.choice([h for h in self.hosts if h != src])),
                     (1, 'ff:ff:ff:ff:ff:ff'), (1, '01:00:5e:00:00:05'),
                     (1, '33:33:00:00:00:09'), (1, '02:00:00:00:03:99'),
                     (0.3, src))
        kind = choose(rng, (10, 'plain'), (3, 'udp'), (3, 'tcp'), (2, 'tso'))
        if kind == 'plain' or len(tags) > 2:
            return plain(src, dst, tags, rng.choice(
                (46, 46, 64, 0 if not tags else 2, 28, 200, 1496, 1500)),
                rng.choice((TYPE, TYPE, 0x0806, 0x0026)))
        v6 = rng.random() < 0.5
        if kind == 'tso':
            return transport(src, dst, tags, 'tcp', v6,
                             rng.choice((3000, 14600, 60000)),
                             rng.choice((536, 1440)))
        return transport(src, dst, tags, kind, v6,
                         rng.choice((0, 1, 100, 1400)),
                         whole=rng.random() < 0.3)

    def tags(self, port, options):
        """Returns tags, the outermost of which the port usually takes."""
        rng = self.rng
        own, foreign = (STAG, CTAG) if self.now_stag[port] else (CTAG, STAG)
        takes = [v for v in self.members if options.accepts(v)]
        vid = rng.choice(takes) if takes and rng.random() < 0.8 else \
            rng.choice(self.vids)

        def one(ethertype, vid):
            return (ethertype, vid, rng.choice((0, 0, 5, 7, rng.randrange(8))),
                    int(rng.random() < 0.2))

        def customer(ethertype):
            return one(ethertype, rng.choice((0, 5, vid, 4094)))

        shape = choose(rng, (8, 'none'), (8, 'own'), (2, 'priority'),
                       (2, 'foreign'), (2, 'double'), (2, 'inside'),
                       (1, 'triple'))
        return {
            'none': [], 'own': [one(own, vid)], 'priority': [one(own, 0)],
            'foreign': [one(foreign, vid)],
            'double': [one(own, vid), customer(own)],
            'inside': [one(own, vid), customer(foreign)],
            'triple': [one(own, vid), customer(foreign), customer(own)],
        }[shape]
