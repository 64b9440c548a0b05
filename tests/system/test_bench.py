# SPDX-License-Identifier: Apache-2.0
"""The bench's evaluation of samples: classes of distances, samples left out,
pairs, verdicts, and the printed text. Nothing is measured here."""
import argparse
import json
import os
import subprocess
import sys

import lab
import pytest
from conftest import TOP

sys.path.append(os.path.join(TOP, 'bench'))

import compare  # noqa: E402
import distance  # noqa: E402
import gtable  # noqa: E402
import harness  # noqa: E402


def sample(turn, before, after, **values):
    return {'round': turn, **values, **distance.label(before, after)}


@pytest.mark.parametrize('ns, name', [
    (1, 'close'), (110, 'close'), (199, 'close'), (200, 'apart'),
    (470, 'apart'), (619, 'apart'), (620, 'far'), (1050, 'far'),
    (2000, 'shared'), (30000, 'shared'), (None, 'unknown'), (0, 'unknown')])
def test_class_of_a_distance(ns, name):
    assert distance.class_of(ns) == name


@pytest.mark.parametrize('before, after, name', [
    (53, 65, 'close'), (480, 470, 'apart'), (800, 1050, 'far'),
    (53, 330, 'changed'), (330, 53, 'changed'),
    (190, 210, 'changed'),        # a small change across a bound
    (53, 155, 'changed'),         # one class, but too large a change
    (100, 150, 'close'), (100, 151, 'changed'),
    (None, 53, 'unknown'), (53, None, 'unknown')])
def test_class_of_a_sample(before, after, name):
    assert distance.label(before, after) == {
        'distance_before': before, 'distance_after': after, 'class': name}


def test_other_bounds():
    assert distance.class_of(155, (100, 250, 2000)) == 'apart'
    old = [sample(0, 155, 160, mpps=3.0)]
    assert old[0]['class'] == 'close'
    new = distance.label_all(old, (100, 250, 2000))
    assert (new[0]['class'], new[0]['mpps']) == ('apart', 3.0)
    assert old[0]['class'] == 'close'


def test_left_out_and_counted():
    samples = {('a', '64'): [sample(0, 53, 54, mpps=20.0),
                             sample(1, 53, 330, mpps=1.0),
                             sample(2, 330, 340, mpps=9.0)],
               ('b', '64'): [sample(0, 400, 53, mpps=2.0)]}
    assert distance.classes(samples) == ['close', 'apart']
    close = distance.of_class(samples, 'close')
    assert list(close) == [('a', '64')]
    assert harness.median(close, 'a', '64', 'mpps') == 20.0
    apart = distance.of_class(samples, 'apart')
    assert harness.values(apart, 'a', '64', 'mpps') == [9.0]
    assert distance.title(apart, 'apart') == \
        'apart (330 to 340 ns between the processors), 1 sample'
    assert distance.remarks(samples) == [
        '2 of 4 samples left out, the distance changed meanwhile: a 64 1, '
        'b 64 1']


def test_remark_about_two_places_in_one_class():
    said = distance.remarks({('a', '64'): [sample(0, 53, 55),
                                           sample(1, 155, 160)]})
    assert len(said) == 2 and '53 to 160 ns' in said[1]
    said = distance.remarks({('a', '64'): [sample(0, 3000, 3500)]})
    assert len(said) == 2 and 'take turns' in said[1]
    assert distance.remarks({}) == ['no samples']


def test_samples_of_older_files_are_kept():
    samples = {('old', '64'): distance.label_all([{'mpps': 8.0}]),
               ('new', '64'): [{'mpps': 9.0}]}
    assert distance.classes(samples) == ['unknown']
    assert len(distance.of_class(samples, 'unknown')) == 2
    assert distance.remarks(samples)[0].startswith('0 of 2')


def test_pairs_are_of_one_round_and_one_class():
    a = [sample(0, 53, 54, mpps=20.0), sample(1, 330, 340, mpps=9.0),
         sample(2, 53, 54, mpps=22.0), sample(3, 53, 330, mpps=5.0),
         sample(5, 53, 54, mpps=21.0)]
    b = [sample(5, 53, 54, mpps=7.0),       # in another order
         sample(0, 53, 54, mpps=10.0),
         sample(1, 53, 54, mpps=10.0),      # another class
         sample(2, 53, 340, mpps=1.0),      # left out
         sample(3, 53, 330, mpps=5.0),      # both left out: no pair
         sample(4, 53, 54, mpps=1.0)]       # no partner
    assert distance.ratios(a, b, 'mpps') == [2.0, 3.0]
    assert distance.ratios(b, a, 'mpps') == [pytest.approx(1 / 3), 0.5]
    assert distance.ratios(a, [], 'mpps') == []
    # a value is missing, or the divisor is 0
    assert distance.ratios([sample(0, 53, 54, mpps=1.0)],
                           [sample(0, 53, 54, mpps=0.0)], 'mpps') == []
    assert distance.ratios([sample(0, 53, 54)],
                           [sample(0, 53, 54, mpps=1.0)], 'mpps') == []
    assert harness.ratios({('x', '64'): a, ('y', '64'): b}, 'x', 'y', '64',
                          'mpps') == [2.0, 3.0]


def test_verdict():
    assert compare.verdict(1.2, 0.1, True, 5) == 'better'
    assert compare.verdict(1.2, 0.1, False, 5) == 'worse'
    assert compare.verdict(0.8, 0.1, True, 5) == 'worse'
    assert compare.verdict(1.1, 0.2, True, 5) == 'the same'
    assert compare.verdict(3.0, 0.1, True, 4) == 'too few samples'


def test_comparison_has_a_line_for_each_class(capsys):
    def side(close, apart):
        return [*(sample(i, 53, 54, mpps=close) for i in range(5)),
                *(sample(i, 330, 340, mpps=apart) for i in range(5, 11)),
                sample(11, 53, 330, mpps=100.0)]
    compare.report({('old', '64'): side(20.0, 10.0),
                    ('new', '64'): side(20.0, 12.0)}, True)
    lines = [[c.strip() for c in x.split('|')[1:-1]]
             for x in capsys.readouterr().out.splitlines() if '|' in x]
    assert [x[2:9] for x in lines[2:]] == [
        ['close', '5', '20.00', '20.00', '1.000', '+-0%', 'the same'],
        ['apart', '6', '10.00', '12.00', '1.200', '+-0%', 'better']]


def test_comparison_of_files_uses_these_bounds(folder):
    path = f'{folder}/run.json'
    with open(path, 'w') as f:
        json.dump({'commit': 'c', 'when': 'w', 'machine': {'cpu': 'x'},
                   'rows': [{'device': 'ringway', 'row': '64', 'samples': [
                       sample(0, 155, 156, mpps=1.0)]}]}, f)
    found = compare.from_files(path, path, (100, 620, 2000))
    assert [s['class'] for v in found.values() for s in v] == ['apart'] * 2


@pytest.fixture
def linebench(folder):
    """Returns make(OUTPUT...), which makes a program that prints the next
    OUTPUT at each call, and at further calls the last one again."""
    def make(*outputs):
        path = f'{folder}/linebench'
        with open(path, 'w') as f:
            f.write('#!/bin/sh\nn=$(cat "$0.n" 2>/dev/null || echo 0)\n'
                    'echo $((n + 1)) >"$0.n"\nset -- ' + ' '.join(outputs) +
                    '\n[ $n -lt $# ] || n=$(($# - 1))\nshift $n\necho "$1"\n')
        os.chmod(path, 0o755)
        return path
    return make


def meter(program, *args):
    p = argparse.ArgumentParser()
    distance.add_arguments(p)
    return distance.Meter(program, (0, 1), p.parse_args(args))


def test_sample_is_labelled(linebench):
    samples = {}
    m = meter(linebench('53', '54', '55', '330'))
    assert m.take(samples, 'k', 7, lambda: {'mpps': 2.0})['class'] == 'close'
    assert m.take(samples, 'k', 8, lambda: {'mpps': 1.0})['class'] == 'changed'
    assert m.take(samples, 'k', 9, lambda: None) is None
    assert samples == {'k': [
        {'round': 7, 'mpps': 2.0, 'distance_before': 53, 'distance_after': 54,
         'class': 'close'},
        {'round': 8, 'mpps': 1.0, 'distance_before': 55, 'distance_after': 330,
         'class': 'changed'}]}


def test_wait_for_a_class(linebench, monkeypatch):
    monkeypatch.setattr(distance, 'POLL_S', 0)
    m = meter(linebench('53', '54', '800', '330'), '--class', 'apart')
    assert m.wait() == 330
    m = meter(linebench('53'), '--class', 'far', '--wait', '0.05')
    with pytest.raises(distance.NotReached, match='far within 0.05 s; they '
                       'are close, 53 ns'):
        m.wait()


def test_distance_that_cannot_be_measured(linebench, folder):
    for program in (linebench('nonsense'), f'{folder}/none'):
        m = meter(program)
        assert m.take({}, 'k', 0, lambda: {'mpps': 1.0})['class'] == 'unknown'
        with pytest.raises(distance.NotReached, match='cannot be measured'):
            meter(program, '--class', 'close').wait()


@pytest.mark.parametrize('args', [
    ['--class', 'near'], ['--bounds', '1,2'], ['--bounds', '3,2,1'],
    ['--bounds', '0,1,2'], ['--bounds', '1,x,3'], ['--bounds', '1,1,2']])
def test_bad_arguments(args, capsys):
    with pytest.raises(SystemExit):
        meter('', *args)
    assert repr(args[1]) in capsys.readouterr().err


def test_guests_log_has_distances():
    tcp = '[  5]   0.00-2.00   sec  256 MBytes  1074 Mbits/sec  receiver'
    run, = gtable.parse(['== backend=tap tso=on', 'G_DISTANCE 53',
                         'rtt min/avg/max = 1.0/1.5/2.0 ms', 'G_DISTANCE 54',
                         'G_TCP to peer', tcp, 'G_CPU switch=0 guests=2',
                         'G_DISTANCE 330', 'G_TCP to peer', tcp,
                         'G_CPU switch=0 guests=2', 'G_DISTANCE 0'])
    assert run['ping'] == {'avg_ms': 1.5, 'distance_before': 53,
                           'distance_after': 54}
    assert [(t['distance_before'], t['distance_after'])
            for t in run['tcp']] == [(54, 330), (330, None)]


def test_busy_processors():
    cpus = sorted(os.sched_getaffinity(0))[:2]
    with distance.Busy(cpus) as busy:
        for cpu, loop in zip(cpus, busy.loops):
            lab.wait_until(lambda: os.sched_getscheduler(loop.pid) ==
                           os.SCHED_IDLE, 5, 'the lowest priority')
            assert os.sched_getaffinity(loop.pid) == {cpu}
    assert all(loop.returncode is not None for loop in busy.loops)


@pytest.mark.parametrize('wanted,turn,loops', [
    ('', 0, 0), ('', 1, 2), ('close', 1, 0), ('apart', 0, 2), ('far', 1, 2)])
def test_processors_are_busy_meanwhile(wanted, turn, loops, tmp_path):
    readings = tmp_path / 'readings'
    readings.write_text({'apart': '60 61 330 331', 'far': '60 900 901',
                         'close': '330 60 61'}.get(wanted, '60 61'))
    program = tmp_path / 'linebench'
    program.write_text(f"""#!/bin/sh
        read first rest < {readings}; echo "$rest" > {readings}; echo $first""")
    program.chmod(0o755)
    args = argparse.Namespace(wanted=wanted, wait=60, bounds=distance.BOUNDS)
    cpus = sorted(os.sched_getaffinity(0))[:1] * 2
    samples, seen = {}, []

    def step():
        seen.append(subprocess.run(
            ['pgrep', '-c', '-P', str(os.getpid()), '-f', 'while :'],
            capture_output=True, text=True).stdout.strip())
        return {'mpps': 1}
    got = distance.Meter(str(program), cpus, args).take(samples, 'a', turn,
                                                       step)
    assert got['class'] == (wanted or 'close')
    assert seen == [str(loops)]
