#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures many ports in one daemon: rate and idle CPU time with 1,000
connected guests, of which 50 are busy, compared with 2 guests.

Starts the daemon with that many vhost-user ports, connects a front-end to each
(build/tests/bench/many_bench, one thread), measures the rate of the busy ports,
then the CPU time of the idle daemon. Measures the two shapes in turn; each
class of distances between the processors (distance.py) has a table. Needs no
root and no hugepages.

  many.py [--ports N] [--busy N] [--rounds N] [--secs S] [--idle S] [--json FILE]
          [--class NAME [--wait SECONDS]] [--bounds NS,NS,NS]
"""
import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import distance
import harness as h
from proc import cpu_seconds, memory_kib, queued_seconds

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, '..', 'build')
RINGWAY = os.environ.get('RINGWAY', os.path.join(BUILD, 'ringway'))
BENCH = os.path.join(BUILD, 'tests', 'bench', 'many_bench')


def stats(control):
    out = subprocess.run([RINGWAY, 'stats', '--json', '--control', control],
                         capture_output=True, check=True).stdout
    return json.loads(out)['workers'][0]


def share(before, after, kind):
    spent = {k: after['cycles'][k] - before['cycles'][k]
             for k in after['cycles']}
    return spent[kind] / sum(spent.values())


def stages(before, after):
    """Returns the cycles a frame by stage, from the measured bursts."""
    n = after['frames'] - before['frames']
    return {k: round((after['cycles'][k] - before['cycles'][k]) / n, 1)
            for k in after['cycles']} if n else {}


def line_of(pipe, word):
    line = pipe.readline()
    if not line.startswith(word):
        sys.exit(f'many.py: many_bench said {line!r}, not {word}')
    return float(line.split('=')[1])


def measure(ports, busy, secs, idle, cpus, meter):
    """Measures one daemon with its guests; returns a sample. The distance
    belongs to the rate, so it is measured before the idle time."""
    r = {'ports': ports, 'busy': busy}
    ns = meter.wait()
    tmp = tempfile.mkdtemp(prefix='rw-many.')
    control = os.path.join(tmp, 'ctl')
    prefix = os.path.join(tmp, 'p')
    conf = os.path.join(tmp, 'conf')
    with open(conf, 'w') as f:
        for i in range(ports):
            f.write(f'netdev vhost-user,id=p{i},path={prefix}{i}.sock\n')
    start = time.monotonic()
    log = open(os.path.join(tmp, 'log'), 'w+')
    args = [RINGWAY, 'up', '--config', conf, '--workers', '1', '--control',
            control]
    if len(cpus) > 1:
        args += ['--cpus', str(cpus[1])]
    daemon = subprocess.Popen(args, stdout=log, stderr=log)
    guests = None
    try:
        while not os.path.exists(control):
            if daemon.poll() is not None or time.monotonic() - start > 60:
                log.seek(0)
                sys.exit('many.py: no daemon:\n' + log.read()[-2000:])
            time.sleep(0.001)
        r['start_s'] = time.monotonic() - start
        r['own_kib_start'] = memory_kib(daemon.pid, 'RssAnon')
        guests = subprocess.Popen(
            ['taskset', '-c', str(cpus[0]), BENCH, prefix, str(ports),
             str(busy), str(secs)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        r['connect_s'] = line_of(guests.stdout, 'CONNECTED')
        line_of(guests.stdout, 'READY')
        before = stats(control)
        queued = queued_seconds(daemon.pid) + queued_seconds(guests.pid)
        r['mpps'] = line_of(guests.stdout, 'RATE')
        after = stats(control)
        r.update(distance.label(ns, meter.read(), meter.bounds))
        r['queued_percent'] = 100 / secs * (
            queued_seconds(daemon.pid) + queued_seconds(guests.pid) - queued)
        frames = after['frames'] - before['frames']
        if frames:
            r['cycles_frame'] = (after['cycles']['working'] -
                                 before['cycles']['working']) / frames
            r['working_percent'] = 100 * share(before, after, 'working')
            r['stages'] = stages(before['measured'], after['measured'])
        r['rss_kib'] = memory_kib(daemon.pid, 'VmRSS')
        r['own_kib'] = memory_kib(daemon.pid, 'RssAnon')
        r['fds'] = len(os.listdir(f'/proc/{daemon.pid}/fd'))
        time.sleep(0.5)
        t, c = time.monotonic(), cpu_seconds(daemon.pid)
        time.sleep(idle)
        r['idle_cpu_percent'] = \
            100 * (cpu_seconds(daemon.pid) - c) / (time.monotonic() - t)
    finally:
        if guests:
            guests.stdin.close()
            guests.wait()
        start = time.monotonic()
        daemon.terminate()
        daemon.wait()
        r['stop_s'] = time.monotonic() - start
        shutil.rmtree(tmp, ignore_errors=True)
    return r


def report(samples, few, most):
    """Prints the table and stages of one class, and the rate of shape @most
    relative to that of shape @few."""
    print('| ports | busy | samples | Mpps | cycles/frame | start s | connect s'
          ' | RSS MiB | own MiB | descriptors | idle CPU % | stop s |')
    print('|---' * 12 + '|')
    for s, mine in samples.items():
        def med(key):
            return statistics.median(x.get(key, 0) for x in mine)
        print(f'| {s[0]} | {s[1]} | {len(mine)} | {med("mpps"):.2f} '
              f'| {med("cycles_frame"):.0f} | {med("start_s"):.3f} '
              f'| {med("connect_s"):.2f} | {med("rss_kib") / 1024:.1f} '
              f'| {med("own_kib") / 1024:.1f} '
              f'| {med("fds"):.0f} | {med("idle_cpu_percent"):.3f} '
              f'| {med("stop_s"):.2f} |')
    print('\nCycles a frame by stage:')
    for s, mine in samples.items():
        print(f'  {s[0]} ports, {s[1]} busy: ' + ', '.join(
            f'{k} {v:.0f}' for k, v in mine[-1].get('stages', {}).items() if v))
    x = distance.ratios(samples.get(most, []), samples.get(few, []), 'mpps')
    if x:
        print(f'\nrate with {most[0]} ports, {most[1]} busy, against {few[0]}, '
              f'median of {len(x)} rounds: {statistics.median(x):.2f}')


def main():
    quick = os.environ.get('BENCH_QUICK', '0') not in ('', '0')
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument('--ports', type=int, default=1000)
    p.add_argument('--busy', type=int, default=50)
    p.add_argument('--rounds', type=int, default=1 if quick else 3)
    p.add_argument('--secs', type=float, default=1 if quick else 3)
    p.add_argument('--idle', type=float, default=2 if quick else 5)
    p.add_argument('--json')
    distance.add_arguments(p)
    args = p.parse_args()
    h.build()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < 10 * args.ports:
        sys.exit(f'many.py: {args.ports} ports need about {10 * args.ports} '
                 f'descriptors, the hard limit is {hard} (ulimit -Hn)')
    cpus = sorted(os.sched_getaffinity(0))
    shapes = [(2, 2), (args.busy, args.busy), (args.ports, args.busy)]
    samples, early = {}, None
    meter = h.meter(args, (cpus * 2)[:2])
    try:
        for turn in range(args.rounds):
            for s in shapes:
                samples.setdefault(s, []).append(
                    {'round': turn, **measure(*s, args.secs, args.idle, cpus,
                                              meter)})
    except distance.NotReached as e:
        early = str(e)
    for _, mine in h.each_class(samples):
        report(mine, shapes[0], shapes[-1])
    queued = max([x.get('queued_percent', 0) for v in samples.values()
                  for x in v], default=0)
    if queued > 5:
        print(f'WARNING: the machine was busy with other things: daemon or '
              f'guests waited {queued:.0f} % of a window for a processor')
    if args.json:
        with open(args.json, 'w') as f:
            json.dump([x for v in samples.values() for x in v], f, indent=1)
    if early:
        sys.exit(f'many.py: ended early: {early}')


if __name__ == '__main__':
    main()
