#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures ports beside QEMU's netdevs of the same kind and a bare loop of the
same system calls.

A generator sends frames to one port and counts those that come out of another,
both on one processor; the device has the other one. src/sockgen.c is the
generator and the loop for ports over sockets, src/netgen.c for those over
interfaces, which need root. QEMU's netdevs are connected by its hub and have no
guest; both devices get the same options. The distance between the processors
(distance.py) is measured before and after each window; each class has a table.

  backends.py [--kind NAME]... [--rounds N] [--secs S] [--json FILE]
              [--class NAME [--wait SECONDS]] [--bounds NS,NS,NS]
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import distance
import harness as h

sys.path.append(os.path.join(h.TOP, 'scripts'))
import lab  # noqa: E402

SIZES = (64, 1500)
TSO = 65226  # 45 segments and their headers
GENERATOR, DEVICE = (os.environ.get('GENCORE', '0'),
                     os.environ.get('DUTCORE', '1'))
L2TP = '0003000000000001'  # data over UDP, session 1
IN_NAMESPACE = 'RINGWAY_BENCH_NAMESPACE'  # set: we are in one of our own


def ip(*args):
    subprocess.run(['ip', *args], check=True, capture_output=True)


class Sockets:
    """A kind of port over sockets. @netdev: options of one of the two ports,
    with the places {at} (a path or our UDP port) and {to} (the generator's)."""
    needs_root, peers, sizes = False, ('loop', 'qemu'), SIZES

    def __init__(self, netdev, is_stream, header='-'):
        self.netdev, self.netdevs = netdev, (netdev, netdev)
        self.mode = 'stream' if is_stream else 'dgram'
        self.header = header

    def place(self, folder):
        """Chooses where the ports are. Returns the values of {at} and {to}."""
        if 'path' in self.netdev:
            self.args = [f'{folder}/{n}.s' for n in 'ab']
            return [(at, '') for at in self.args]
        sort = lab.socket.SOCK_STREAM if self.mode == 'stream' \
            else lab.socket.SOCK_DGRAM
        at, to = ([lab.free_port(sort) for _ in 'ab'] for _ in range(2))
        self.args = [f'{"" if self.mode == "stream" else t}:{a}'
                     for a, t in zip(at, to)]
        return list(zip(at, to))

    def loop(self, size):
        return ['sockgen', 'loop', self.mode, str(size), '0', self.header,
                *self.args]

    def generator(self, size, secs):
        return ['sockgen', 'gen', self.mode, str(size), str(secs), self.header,
                *self.args]

    def started(self):
        """Called when the device runs."""

    def end(self):
        """Removes what place() made."""


class Interfaces:
    """A kind of port over interfaces of the host. {at} is the port's one. With
    @veth the generator has the other end, else the interface itself."""
    needs_root = True

    def __init__(self, netdev, mode, peers, sizes, veth=False):
        self.netdevs, self.mode, self.peers = (netdev, netdev), mode, peers
        self.sizes, self.veth = sizes, veth
        self.ours = [f'rwb{n}' for n in 'ab']
        self.theirs = [f'rwg{n}' for n in 'ab'] if veth else self.ours

    def place(self, _):
        for a, b in zip(self.ours, self.theirs) if self.veth else ():
            ip('link', 'add', a, 'type', 'veth', 'peer', 'name', b)
            for link in (a, b):
                ip('link', 'set', link, 'up')
        return [(at, '') for at in self.ours]

    def loop(self, _):
        return ['netgen', 'loop', self.mode, *self.ours]

    def generator(self, size, secs):
        return ['netgen', 'gen', str(size), str(secs), *self.theirs]

    def started(self):
        for link in self.ours:
            ip('link', 'set', link, 'up')

    def end(self):
        for link in self.ours if self.veth else ():
            ip('link', 'del', link)


class Vxlan(Interfaces):
    """Frames come in by a tap and leave by a tunnel; the generator has the
    other end of the tunnel's way."""

    def __init__(self, options=''):
        super().__init__('', '', (), (1500, TSO))
        self.netdevs = ('tap,ifname={at},script=no', 'vxlan,vni=7,'
                        'local=10.99.0.1,remote=10.99.0.2' + options)
        self.theirs = [self.ours[0], 'rwgb']

    def place(self, _):
        ip('link', 'add', self.ours[1], 'type', 'veth', 'peer', 'name',
           self.theirs[1])
        for link in (self.ours[1], self.theirs[1]):
            ip('link', 'set', link, 'mtu', '1600', 'up')
        ip('addr', 'add', '10.99.0.1/24', 'dev', self.ours[1])
        ip('neigh', 'add', '10.99.0.2', 'lladdr', '02:00:00:00:00:99', 'dev',
           self.ours[1])
        return [(at, '') for at in self.ours]

    def started(self):
        ip('link', 'set', self.ours[0], 'up')

    def end(self):
        ip('link', 'del', self.ours[1])


class Xdp(Interfaces):
    def loop(self, _):
        return ['xdploop', *self.ours]


KINDS = {
    'tap': Interfaces('tap,ifname={at},script=no', 'tap', ('loop', 'qemu'),
                      (*SIZES, TSO)),
    'packet, veth': Interfaces('packet,ifname={at}', 'packet', ('loop',),
                               (*SIZES, TSO), veth=True),
    'xdp, veth': Xdp('xdp,ifname={at}', 'xdp', ('loop',), SIZES, veth=True),
    'vxlan': Vxlan(),
    'vxlan, no UDP_SEGMENT': Vxlan(',udp-csum=off'),
    'stream, UNIX': Sockets('stream,server=on,addr.type=unix,addr.path={at}',
                            True),
    'stream, TCP': Sockets('stream,server=on,addr.type=inet,'
                           'addr.host=127.0.0.1,addr.port={at}', True),
    'dgram, UDP': Sockets('dgram,local.type=inet,local.host=127.0.0.1,'
                          'local.port={at},remote.type=inet,'
                          'remote.host=127.0.0.1,remote.port={to}', False),
    'l2tpv3, UDP': Sockets('l2tpv3,src=127.0.0.1,dst=127.0.0.1,udp=on,'
                           'srcport={at},dstport={to},txsession=1', False,
                           L2TP),
}
DEVICES = ('loop', 'qemu', 'ringway')


def command(device, kind, size, folder, places):
    """Returns the command line of the device."""
    netdevs = [text.format(at=at, to=to)
               for text, (at, to) in zip(kind.netdevs, places)]
    if device == 'loop':
        program, *args = kind.loop(size)
        return [f'{h.OUT}/bin/{program}', *args]
    found = []
    if device == 'qemu':
        found = ['qemu-system-x86_64', '-M', 'none', '-nodefaults', '-display',
                 'none']
        for n, text in zip('ab', netdevs):
            found += ['-netdev', f'{text},id={n}', '-netdev',
                      f'hubport,id=h{n},hubid=0,netdev={n}']
        return found
    found = [h.RINGWAY, 'up', '--control', f'{folder}/c.sock']
    for n, text in zip('ab', netdevs):
        found += ['-netdev', f'{text},id={n}']
    return found


def calls_of(folder):
    """Returns Ringway's system calls for each frame, both ways together."""
    stats = json.loads(subprocess.run(
        [h.RINGWAY, 'stats', '--json', '--control', f'{folder}/c.sock'],
        stdout=subprocess.PIPE, check=True).stdout)
    queues = [q for p in stats['ports'] for q in (*p['rx'], *p['tx'])]
    frames = sum(q['frames'] for p in stats['ports'] for q in p['tx'])
    return sum(q['calls'] for q in queues) / frames if frames else None


def measure(device, kind, size, secs):
    """Starts the device and measures one window. Returns a sample, or None."""
    folder = tempfile.mkdtemp(prefix='rw.')
    places = kind.place(folder)
    program, *args = kind.generator(size, secs)
    with open(os.path.join(h.OUT, 'log-backends.txt'), 'a') as log:
        process = subprocess.Popen(
            ['taskset', '-c', DEVICE,
             *command(device, kind, size, folder, places)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            time.sleep(0.5)
            kind.started()
            done = subprocess.run(
                ['taskset', '-c', GENERATOR, f'{h.OUT}/bin/{program}', *args],
                stdout=subprocess.PIPE, stderr=log, text=True,
                timeout=secs + 10)
            calls = calls_of(folder) if device == 'ringway' else None
            # the bare loop ends with its generator
            has_died = device != 'loop' and process.poll() is not None
            if has_died or done.returncode:
                done = None
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError,
                ValueError):
            done = None
        finally:
            process.kill()
            process.wait()
            kind.end()
            shutil.rmtree(folder)
    try:
        mpps = float(done.stdout)
    except (AttributeError, ValueError):
        return None
    if not mpps:
        return None
    sample = {'mpps': mpps, 'gbps': mpps * size * 8 / 1000}
    if calls:
        sample['calls'] = calls
    return sample


def report(samples, kinds):
    """Prints the table of one class."""
    table = [['port', 'frame', 'bare loop', 'QEMU', 'Ringway', 'x loop',
              'x QEMU', 'calls a frame']]
    for name in kinds:
        for size in KINDS[name].sizes:
            line = [name, f'{size} B' if size != TSO else '64 KiB TSO']
            for device in DEVICES:
                v = h.values(samples, device, (name, size), 'mpps')
                line.append(f'{statistics.median(v):.3f} Mpps '
                            f'+-{h.spread(v):.0f}% ({len(v)})' if v else '-')
            for peer in DEVICES[:2]:
                x = h.ratios(samples, 'ringway', peer, (name, size), 'mpps')
                line.append(f'{statistics.median(x):.2f} ({len(x)})'
                            if x else '-')
            v = h.values(samples, 'ringway', (name, size), 'calls')
            line.append(f'{statistics.median(v):.3f}' if v else '-')
            table.append(line)
    h.print_table(table)


def rounds(args, kinds, devices, samples):
    """Measures all rounds. Returns the reason of an early end, or None."""
    meter, log = h.meter(args), h.Log(args.rounds)
    try:
        for turn in range(args.rounds):
            for name in kinds:
                for size in KINDS[name].sizes:
                    for device in h.in_turn([d for d in devices if d in (
                            'ringway', *KINDS[name].peers)], turn):
                        got = meter.take(
                            samples, (device, (name, size)), turn,
                            lambda d=device, k=KINDS[name], s=size: measure(
                                d, k, s, args.secs))
                        log.say(turn, f'{name}, {size} B: {device}', got)
    except distance.NotReached as e:
        return str(e)
    except KeyboardInterrupt:
        return 'interrupted'
    return None


def enter_namespace():
    """Goes on in a network namespace of our own, in which the generator's
    frames meet nobody. Returns False without the rights."""
    if os.environ.get(IN_NAMESPACE):
        ip('link', 'set', 'lo', 'up')
        with open('/proc/sys/net/ipv6/conf/default/disable_ipv6', 'w') as f:
            f.write('1')  # no frames of the kernel between ours
        return True
    if os.geteuid():
        return False
    os.environ[IN_NAMESPACE] = '1'
    os.execvp('unshare', ['unshare', '-n', sys.executable, *sys.argv])


def main():
    p, _ = h.arguments(__doc__, 'backends', (5, 1), (1, 0.5))
    p.add_argument('--kind', action='append', choices=list(KINDS))
    args = p.parse_args()
    os.makedirs(h.OUT, exist_ok=True)
    h.build('sockgen', 'netgen', 'xdploop')
    kinds, devices = args.kind or list(KINDS), list(DEVICES)
    if not enter_namespace():
        print('ports over interfaces are left out: they need root')
        kinds = [k for k in kinds if not KINDS[k].needs_root]
    if not shutil.which('qemu-system-x86_64'):
        print('qemu is left out: it is not installed')
        devices.remove('qemu')
    samples = {}
    early = rounds(args, kinds, devices, samples)
    for _, mine in h.each_class(samples):
        report(mine, kinds)
    h.save(args.json, [], samples, rounds=args.rounds, seconds=args.secs,
           bounds=args.bounds)
    if early:
        sys.exit(f'backends.py: ended early: {early}')


if __name__ == '__main__':
    main()
