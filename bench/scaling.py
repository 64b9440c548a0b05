#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What more queue pairs and more workers bring, in rate as far as there are
processors, and in instructions beyond.

Runs build/tests/bench/scale_bench: two ports send 64-byte frames of many flows
to each other on all their queue pairs; the workers play the guests as well. The
rate is the median of some rounds in turns. Instructions are counted by
valgrind (callgrind) inside forward_poll(), the path of a burst, without the
guests' part. No root needed.

  scaling.py [--rounds N] [--secs S] [--no-count]
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.join(HERE, '..', 'build', 'tests', 'bench', 'scale_bench')
STEPS = (1, 2, 4)
GUEST = ('guest_send', 'guest_receive')


def run(argv):
    """The table that scale_bench prints: {(pairs, workers): [numbers]}"""
    out = subprocess.run(argv, check=True, capture_output=True,
                         text=True).stdout
    rows = [line.split() for line in out.splitlines()[1:]]
    return {(int(r[0]), int(r[1])): [float(v) for v in r[2:]] for r in rows}


def rates(rounds, secs):
    found = {}
    for _ in range(rounds):
        for key, (mpps, cycles, *_) in run([BENCH, str(secs)]).items():
            found.setdefault(key, []).append((mpps, cycles))
    return {k: [statistics.median(x) for x in zip(*v)]
            for k, v in found.items()}


def instructions(pairs, workers):
    """Of forward_poll() and what it calls, a frame, without the guests'."""
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, 'out')
        argv = ['valgrind', '-q', '--tool=callgrind', '--fair-sched=yes',
                '--toggle-collect=forward_poll',
                f'--callgrind-out-file={out}', BENCH, '1', str(pairs),
                str(workers)]
        frames = run(argv)[(pairs, workers)][3]
        text = subprocess.run(
            ['callgrind_annotate', '--inclusive=yes', '--threshold=100', out],
            check=True, capture_output=True, text=True).stdout
    count = {}
    for line in text.splitlines():
        m = re.match(r'\s*([\d,]+) \(.*?%\)\s+(?:.*:)?(.*?)( \[.*)?$', line)
        if m:
            count.setdefault(m[2], int(m[1].replace(',', '')))
    return (count['forward_poll'] - sum(count[g] for g in GUEST)) / frames


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--secs', type=float, default=0.5)
    p.add_argument('--no-count', action='store_true')
    args = p.parse_args()
    rate = rates(args.rounds, args.secs)
    can_count = not args.no_count and shutil.which('valgrind')
    if not can_count and not args.no_count:
        print('instructions are left out: valgrind is not installed')
    print('| queue pairs | workers | Mpps | of one worker | cycles a frame | '
          'instructions a frame |')
    print('|---' * 6 + '|')
    for pairs in STEPS:
        for workers in STEPS:
            mpps, cycles = rate.get((pairs, workers), (None, None))
            cells = [f'{mpps:.2f}', f'{mpps / rate[(pairs, 1)][0]:.2f}',
                     f'{cycles:.0f}'] if mpps else ['-'] * 3
            count = f'{instructions(pairs, workers):.0f}' if can_count else '-'
            print(f'| {pairs} | {workers} | ' + ' | '.join(cells) +
                  f' | {count} |', flush=True)


main()
