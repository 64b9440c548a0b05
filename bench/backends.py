#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures ports over sockets beside QEMU's netdevs of the same kind and a bare
loop of the same system calls (src/sockgen.c).

A generator sends frames to one port and counts those that come out of another,
both on one processor; the device has the other one. QEMU's netdevs are
connected by its hub and have no guest; both devices get the same options. The
distance between the processors (distance.py) is measured before and after each
window; each class has a table. Needs no root.

  backends.py [--kind NAME]... [--rounds N] [--secs S] [--json FILE]
              [--class NAME [--wait SECONDS]] [--bounds NS,NS,NS]
"""
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
GENERATOR, DEVICE = (os.environ.get('GENCORE', '0'),
                     os.environ.get('DUTCORE', '1'))
L2TP = '0003000000000001'  # data over UDP, session 1


class Kind:
    """A way to connect. @netdev: options of one of the two ports, with the
    places {at} (a path or our UDP port) and {to} (the generator's)."""

    def __init__(self, netdev, is_stream, header='-'):
        self.netdev, self.is_stream, self.header = netdev, is_stream, header


KINDS = {
    'stream, UNIX': Kind('stream,server=on,addr.type=unix,addr.path={at}',
                         True),
    'stream, TCP': Kind('stream,server=on,addr.type=inet,addr.host=127.0.0.1,'
                        'addr.port={at}', True),
    'dgram, UDP': Kind('dgram,local.type=inet,local.host=127.0.0.1,'
                       'local.port={at},remote.type=inet,'
                       'remote.host=127.0.0.1,remote.port={to}', False),
    'l2tpv3, UDP': Kind('l2tpv3,src=127.0.0.1,dst=127.0.0.1,udp=on,'
                        'srcport={at},dstport={to},txsession=1', False, L2TP),
}
DEVICES = ('loop', 'qemu', 'ringway')


def places(kind, folder):
    """Returns (where the ports are, where the generator is, its arguments)."""
    if 'path' in kind.netdev:
        at = [f'{folder}/{n}.s' for n in 'ab']
        return at, [''] * 2, at
    sort = lab.socket.SOCK_STREAM if kind.is_stream else lab.socket.SOCK_DGRAM
    at, to = ([lab.free_port(sort) for _ in 'ab'] for _ in range(2))
    return at, to, [f'{"" if kind.is_stream else t}:{a}'
                    for a, t in zip(at, to)]


def command(device, kind, size, folder, at, to, args):
    """Returns the command line of the device."""
    netdevs = [kind.netdev.format(at=a, to=t) for a, t in zip(at, to)]
    if device == 'loop':
        return [f'{h.OUT}/bin/sockgen', 'loop',
                'stream' if kind.is_stream else 'dgram', str(size), '0',
                kind.header, *args]
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


def measure(device, kind, size, secs):
    """Starts the device and measures one window. Returns a sample, or None."""
    folder = tempfile.mkdtemp(prefix='rw.')
    at, to, args = places(kind, folder)
    with open(os.path.join(h.OUT, 'log-backends.txt'), 'a') as log:
        process = subprocess.Popen(
            ['taskset', '-c', DEVICE,
             *command(device, kind, size, folder, at, to, args)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            time.sleep(0.5)
            done = subprocess.run(
                ['taskset', '-c', GENERATOR, f'{h.OUT}/bin/sockgen', 'gen',
                 'stream' if kind.is_stream else 'dgram', str(size), str(secs),
                 kind.header, *args], stdout=subprocess.PIPE, stderr=log,
                text=True, timeout=secs + 10)
            # the bare loop ends with its generator
            has_died = device != 'loop' and process.poll() is not None
            if has_died or done.returncode:
                done = None
        except subprocess.TimeoutExpired:
            done = None
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(folder)
    try:
        mpps = float(done.stdout)
    except (AttributeError, ValueError):
        return None
    return {'mpps': mpps, 'gbps': mpps * size * 8 / 1000} if mpps else None


def report(samples, kinds):
    """Prints the table of one class."""
    table = [['port', 'frame', 'bare loop', 'QEMU', 'Ringway', 'x loop',
              'x QEMU']]
    for name in kinds:
        for size in SIZES:
            line = [name, f'{size} B']
            for device in DEVICES:
                v = h.values(samples, device, (name, size), 'mpps')
                line.append(f'{statistics.median(v):.3f} Mpps '
                            f'+-{h.spread(v):.0f}% ({len(v)})' if v else '-')
            for peer in DEVICES[:2]:
                x = h.ratios(samples, 'ringway', peer, (name, size), 'mpps')
                line.append(f'{statistics.median(x):.2f} ({len(x)})'
                            if x else '-')
            table.append(line)
    h.print_table(table)


def rounds(args, kinds, devices, samples):
    """Measures all rounds. Returns the reason of an early end, or None."""
    meter, log = h.meter(args), h.Log(args.rounds)
    try:
        for turn in range(args.rounds):
            for name in kinds:
                for size in SIZES:
                    for device in h.in_turn(devices, turn):
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


def main():
    p, _ = h.arguments(__doc__, 'backends', (5, 1), (1, 0.5))
    p.add_argument('--kind', action='append', choices=list(KINDS))
    args = p.parse_args()
    os.makedirs(h.OUT, exist_ok=True)
    h.build('sockgen')
    kinds, devices = args.kind or list(KINDS), list(DEVICES)
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
