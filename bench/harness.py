# SPDX-License-Identifier: Apache-2.0
"""Shared by the programs here: the rows of the table, one measurement of a row
with the distance of the processors (distance.py), and the JSON of a run."""
import argparse
import csv
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

import distance

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
OUT = os.path.abspath(
    os.environ.get('BENCH_TMP', os.path.join(TOP, 'build', 'bench')))
RINGWAY = os.environ.get('RINGWAY', os.path.join(TOP, 'build', 'ringway'))
OVS = '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk'


class Row:
    """A row of the table: one virtqueue, frame size and way of sending."""

    def __init__(self, key, title, variant, size, vgen='', tso=False,
                 unit='mpps', duts=None):
        self.key, self.title = key, title
        self.variant, self.size = variant, size
        self.vgen, self.tso, self.unit = vgen, tso, unit
        self.duts = duts  # None: all


FORWARD = [
    Row('64', '64 B', 'split-mrg', 64),
    Row('64-packed', '64 B', 'packed', 64),
    Row('64-packed-inorder', '64 B', 'packed-inorder', 64),
    Row('512', '512 B', 'split-mrg', 512),
    Row('512-packed', '512 B', 'packed', 512),
    Row('1518', '1518 B', 'split-mrg', 1518, unit='gbps'),
    Row('1518-packed', '1518 B', 'packed', 1518, unit='gbps'),
    Row('1518-cold', '1518 B, cold buffers', 'split-mrg', 1518,
        '--cold 60000', unit='gbps'),
    Row('tso-16k', '65000 B TSO, 16 KiB buffers', 'split-mrg', 65000,
        '--rxbuf 16384 --tso 1448', True, 'gbps'),
    Row('tso-16k-packed', '65000 B TSO, 16 KiB buffers', 'packed-mrg', 65000,
        '--rxbuf 16384 --tso 1448', True, 'gbps'),
    Row('tso-4k', '65000 B TSO, 4 KiB buffers', 'split-mrg', 65000,
        '--rxbuf 4096 --tso 1448', True, 'gbps', ('ovs', 'ringway')),
]


class Device:
    """A switch to measure. @dut: its file in duts/."""

    def __init__(self, name, dut=None, env=None, tso_env=None):
        self.name, self.dut = name, dut or name
        self.env, self.tso_env = env or {}, tso_env or {}

    def missing(self):
        """Returns why the device cannot be measured here, or None."""
        program = {'testpmd': 'dpdk-testpmd', 'ovs': OVS}.get(
            self.dut, self.env.get('RINGWAY', RINGWAY))
        if shutil.which(program):
            return None
        return f'{program} is not installed'

    def version(self):
        command = f'. {HERE}/lib.sh; DUT={self.dut}; load_dut; dut_version'
        r = subprocess.run(['bash', '-c', command], capture_output=True,
                           text=True, env=dict(os.environ, **self.env))
        return r.stdout.strip()


# Each peer has its best configuration; testpmd needs large buffers for TSO.
DEVICES = {
    'testpmd': Device('testpmd', tso_env={
        'LARGE': '1', 'MBUF': '65535', 'DUT_MBUFS': '3000',
        'DUT_RXD': '128', 'DUT_MEM': '1024'}),
    'ovs': Device('ovs'),
    'ringway': Device('ringway', env={'RINGWAY': RINGWAY}),
}


def run(script, device, env, tso=False):
    """Runs a script of this folder; returns the folder with its results."""
    res = tempfile.mkdtemp(prefix='res.', dir=OUT)
    env = dict(os.environ, DUT=device.dut, RES=res, STATS=res, **device.env,
               **(device.tso_env if tso else {}), **env)
    with open(os.path.join(OUT, f'log-{device.name}.txt'), 'a') as log:
        run_group([os.path.join(HERE, script)], env=env, stdout=log,
                  stderr=log, stdin=subprocess.DEVNULL)
    return res


def run_group(argv, **how):
    """Runs a command in a process group of its own, which ends as a whole when
    we are interrupted: a device that was left would slow all later samples."""
    process = subprocess.Popen(argv, start_new_session=True, **how)
    try:
        process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise


def load(path):
    try:
        with open(path) as f:
            return json.load(f)
    except (OSError, ValueError):
        return None


def account(res, row):
    """Returns Ringway's own measurement of a cell: cycles a frame, in total and
    by stage."""
    before = load(f'{res}/{row.variant}-{row.size}-before.json')
    after = load(f'{res}/{row.variant}-{row.size}-after.json')
    try:
        a, b = after['workers'][0], before['workers'][0]
        frames = a['frames'] - b['frames']
        measured = a['measured']['frames'] - b['measured']['frames']
        return {
            'cycles_frame': (a['cycles']['working'] - b['cycles']['working']) /
            frames,
            'stages': {k: round((v - b['measured']['cycles'][k]) / measured, 2)
                       for k, v in a['measured']['cycles'].items()}}
    except (TypeError, KeyError, IndexError, ZeroDivisionError):
        return {}


def measure(device, row, secs, warm=0.5):
    """Starts the device and measures one window of the row. Returns a sample,
    or None."""
    env = {'SECS': str(secs), 'WARM': str(warm), 'REPEAT': '1',
           'EXTRA': row.vgen,
           'CELLS': f'{row.variant}:{row.size}'}
    if row.tso:
        env.update(TSO='1', GEN_MEM='1024')
    elif row.vgen:
        env.update(GEN_MEM='1024')  # large pools
    res = run('vm2vm.sh', device, env, row.tso)
    try:
        with open(f'{res}/vm2vm.csv') as f:
            found = list(csv.DictReader(f))
    except OSError:
        found = []
    sample = None
    for c in found:
        sample = {'mpps': float(c['mpps']), 'gbps': float(c['gbps']),
                  'txfull': float(c['txfull_pct']),
                  'loss': float(c['loss_pct']), 'limit': c['limit'],
                  **account(res, row)}
    shutil.rmtree(res, ignore_errors=True)
    return sample


def in_turn(items, turn):
    """Returns the items, beginning with another one each turn."""
    first = turn % len(items) if items else 0
    return items[first:] + items[:first]


def fields(text):
    """Returns the numbers in 'a=1 b=2.5% ...' by name."""
    return {k: float(v) for k, v in
            re.findall(r'(\w+)=(-?\d*\.?\d+)%?(?=\s|$)', text)}


def round_trip(device, secs, warm=0.5):
    """Measures one window of round trips. Returns a sample, or None."""
    res = run('latency.sh', device, {'GAPS': '0', 'VARIANTS': 'split-mrg',
                                     'SECS': str(secs), 'WARM': str(warm),
                                     'REPEAT': '1'})
    try:
        with open(f'{res}/latency.txt') as f:
            got = fields(f.read())
    except OSError:
        got = {}
    shutil.rmtree(res, ignore_errors=True)
    return got if 'p50_us' in got else None


def idle(device, secs):
    """Measures CPU time and memory of an idle device. Returns a sample, or
    None."""
    res = run('idle.sh', device, {'SECS': str(secs)})
    got = {}
    try:
        with open(f'{res}/idle.txt') as f:
            for line in f:
                got.update(fields(line))
    except OSError:
        pass
    shutil.rmtree(res, ignore_errors=True)
    return got if 'cpu' in got else None


def memcpy(samples):
    """Adds samples of one core's libc memcpy, 1500 B, in GB/s: warm (L2), L3,
    cold."""
    r = subprocess.run([os.path.join(OUT, 'bin', 'membench'),
                        os.environ.get('DUTCORE', '1'), '1500'],
                       capture_output=True, text=True)
    for c in csv.DictReader(r.stdout.splitlines()):
        if c['pages'] == '2M' and c['method'] in ('libc', 'nt'):
            samples.setdefault(('memcpy', c['method']), []).append(
                {c['ws']: float(c['GB/s(copied)'])})


def values(samples, name, key, field):
    return [s[field] for s in samples.get((name, key), []) if field in s]


def median(samples, name, key, field):
    v = values(samples, name, key, field)
    return statistics.median(v) if v else None


def ratios(samples, ours, other, key, field):
    """Returns ours / other of each round in which both samples have the same
    class of distances."""
    return distance.ratios(samples.get((ours, key), []),
                           samples.get((other, key), []), field)


def spread(v):
    """Returns half of the range, in percent of the median."""
    m = statistics.median(v) if v else 0
    return 50 * (max(v) - min(v)) / m if m else 0


def each_class(samples):
    """Prints a head for each class and yields (class, its samples); at the end
    prints remarks, such as the samples left out."""
    for name in distance.classes(samples):
        print(f'\n{distance.title(samples, name)}:\n')
        yield name, distance.of_class(samples, name)
    print()
    for sentence in distance.remarks(samples):
        print(sentence)


def print_table(rows):
    """Prints Markdown with aligned columns; the first row is the head."""
    width = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    rows = [rows[0], ['-' * w for w in width], *rows[1:]]
    for r in rows:
        print('| ' + ' | '.join(c.ljust(w) for c, w in zip(r, width)) + ' |')


def machine():
    cpu = '?'
    with open('/proc/cpuinfo') as f:
        for line in f:
            if line.startswith('model name'):
                cpu = line.split(':', 1)[1].strip()
                break
    return {'cpu': cpu, 'cores': os.cpu_count(), 'kernel': platform.release(),
            'load': os.getloadavg()[0]}


def commit():
    def git(*args):
        return subprocess.run(['git', '-C', TOP, *args], capture_output=True,
                              text=True).stdout.strip()
    name = git('describe', '--always', '--abbrev=12', '--exclude=*')
    return name + ('-changed' if git('status', '--porcelain') else '')


def save(path, devices, samples, **more):
    """Writes the samples of a run and its circumstances to a JSON file."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, 'w') as f:
        json.dump({
            'when': time.strftime('%Y-%m-%dT%H:%M:%S%z'), 'commit': commit(),
            'machine': machine(),
            'versions': {d.name: d.version() for d in devices}, **more,
            'rows': [{'device': d, 'row': k, 'samples': s}
                     for (d, k), s in samples.items()]}, f, indent=1)
    print(f'JSON: {os.path.relpath(path)}')


def restore(path):
    """Returns (the JSON, the samples) of a saved run."""
    with open(path) as f:
        run_ = json.load(f)
    return run_, {(r['device'], r['row']): r['samples'] for r in run_['rows']}


class Hugepages:
    """Keeps the generator's hugepages from one device to the next, and in the
    end restores the number of hugepages, which the scripts raise."""
    PATH = '/proc/sys/vm/nr_hugepages'
    DIR = os.path.join(OUT, 'huge')  # see gen_mem in lib.sh

    def __enter__(self):
        with open(self.PATH) as f:
            self.before = f.read()
        os.makedirs(self.DIR, exist_ok=True)
        if not os.path.ismount(self.DIR):
            subprocess.run(['mount', '-t', 'hugetlbfs', '-o', 'pagesize=2M',
                            'none', self.DIR], check=True)
        return self

    def renew(self):
        """Gives the generator other pages from now on."""
        for name in os.listdir(self.DIR):
            os.remove(os.path.join(self.DIR, name))

    def __exit__(self, *_):
        self.renew()
        subprocess.run(['umount', self.DIR])
        shutil.rmtree('/run/dpdk/ringway-gen', ignore_errors=True)
        with open(self.PATH, 'w') as f:
            f.write(self.before)


def arguments(doc, kind, rounds, secs):
    """Returns a parser with the arguments of all programs here, and whether
    this is a quick run. @rounds, @secs: defaults (full run, BENCH_QUICK)."""
    quick = os.environ.get('BENCH_QUICK', '0') not in ('', '0')
    p = argparse.ArgumentParser(description=doc,
                                formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument('--rounds', type=int, default=rounds[quick])
    p.add_argument('--secs', type=float, default=secs[quick])
    p.add_argument('--json', default=os.path.join(
        OUT, time.strftime(f'{kind}-%Y%m%d-%H%M%S.json')))
    distance.add_arguments(p)
    return p, quick


def build(*programs):
    """Builds programs of src/, and always linebench."""
    subprocess.run([os.path.join(HERE, 'build.sh'), 'linebench', *programs],
                   check=True)


def meter(args=None, cpus=None):
    """Returns a meter of the distance between the generator's core and the
    device's, or between @cpus."""
    cpus = cpus or (os.environ.get('GENCORE', '0'),
                    os.environ.get('DUTCORE', '1'))
    return distance.Meter(os.path.join(OUT, 'bin', 'linebench'), cpus, args)


class Log:
    """Prints a line for each sample: its time, its row and its distances."""

    def __init__(self, rounds):
        self.start, self.rounds = time.monotonic(), rounds

    def seconds(self):
        return time.monotonic() - self.start

    def say(self, turn, what, sample):
        where = distance.told(sample) if sample else \
            f'incomplete, see the logs in {OUT}'
        again = ', again' if turn >= self.rounds else ''
        print(f'{self.seconds():5.0f} s  round {turn % self.rounds + 1} of '
              f'{self.rounds}{again}: {what}: {where}', flush=True)


def check_rights():
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit('bench: two cores are needed, one for the generator')
    if os.geteuid() != 0:
        raise SystemExit('bench: please run as root: the generator and the '
                         'peers need hugepages')
    os.makedirs(OUT, exist_ok=True)
    if os.getloadavg()[0] > 0.5:
        print(f'WARNING: the machine is not idle (load {os.getloadavg()[0]}): '
              f'numbers of a busy machine mean nothing')
