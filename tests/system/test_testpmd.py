# SPDX-License-Identifier: Apache-2.0
"""DPDK's virtio-user on both ports: every kind of ring, several queues, both
socket roles, and the end of either side by SIGKILL."""
import os

import lab
import pytest
from testpmd import VARIANTS

MIN_FRAMES = 500  # in half a second, in each direction


def check_traffic(t, s=None):
    rates = t.rate(0.4)
    assert len(rates) == 2 and min(rates) > MIN_FRAMES, rates
    assert t.errors() == 0
    if s:
        assert s.drops('a') == s.drops('b') == 0


@pytest.mark.parametrize('variant', VARIANTS)
def test_variant(up, testpmd, variant):
    s = up('vhost-user,id=a', 'vhost-user,id=b')
    t = testpmd([f'{s.folder}/{p}.sock' for p in 'ab'], variant)
    t.start()
    check_traffic(t)


@pytest.mark.parametrize('variant', ['mergeable', 'packed-in-order'])
def test_four_queues(up, testpmd, variant):
    s = up('vhost-user,id=a,queues=4', 'vhost-user,id=b,queues=4')
    t = testpmd([f'{s.folder}/{p}.sock' for p in 'ab'], variant, queues=4)
    t.start()
    check_traffic(t)
    # Each queue that testpmd sends on was read.
    assert all(q['frames'] for q in s.stats('a')['rx'])


@pytest.mark.parametrize('variant', ['split', 'packed'])
def test_client_role(up, testpmd, variant):
    s = up('vhost-user,id=a,server=off', 'vhost-user,id=b,server=off')
    paths = [f'{s.folder}/{p}.sock' for p in 'ab']
    s.foreign = paths
    t = testpmd(paths, variant, server=True)
    s.wait_link('a')
    s.wait_link('b')
    t.start()
    check_traffic(t)


def test_front_end_killed_and_back_with_another_ring(up, testpmd):
    s = up('vhost-user,id=a', 'vhost-user,id=b')
    paths = [f'{s.folder}/{p}.sock' for p in 'ab']
    for variant in ('mergeable', 'packed-mergeable', 'split'):
        t = testpmd(paths, variant)
        t.start()
        check_traffic(t)
        t.kill()
        s.wait_link('a', False)
        s.wait_link('b', False)


@pytest.mark.parametrize('variant', ['mergeable', 'packed'])
def test_switch_killed_and_back(up, testpmd, variant):
    """virtio-user listens: it outlives the switch and serves the next one."""
    s = up('vhost-user,id=a,server=off', 'vhost-user,id=b,server=off')
    paths = [f'{s.folder}/{p}.sock' for p in 'ab']
    s.foreign = paths
    t = testpmd(paths, variant, server=True)
    s.wait_link('a')
    s.wait_link('b')
    t.start()
    check_traffic(t)
    s.process.kill()
    s.process.wait()
    s.process.returncode = 0        # the end was intended
    os.unlink(s.control)
    again = up('vhost-user,id=a,server=off', 'vhost-user,id=b,server=off')
    again.foreign = paths
    again.wait_link('a', timeout=10)
    again.wait_link('b', timeout=10)
    # The circling frames are lost with the old switch: send new ones.
    t.command('stop')
    t.start()
    lab.wait_until(lambda: min(t.rate(0.2)) > 100, 5, 'traffic again')


@pytest.mark.alone
@pytest.mark.shares
def test_busy_queue_moves_to_a_quiet_worker(up, testpmd):
    """Two ports that send to each other begin on one worker, and two silent
    ports on the other."""
    s = up(*(f'vhost-user,id={p}' for p in 'abqrst'),
           extra=['--workers', '2'])
    fronts = {p: s.front(p) for p in 'qrst'}  # workers 0 1 0 1
    for p in 'rt':
        fronts[p].close()
        s.wait_link(p, False)
    t = testpmd([f'{s.folder}/{p}.sock' for p in 'ab'], 'mergeable')
    t.command('set txpkts 1500')

    def workers():
        return [s.stats(p)['rx'][0]['worker'] for p in 'ab']
    s.wait_link('a')
    s.wait_link('b')
    assert workers() == [1, 1]
    t.start()
    lab.wait_until(lambda: sorted(workers()) == [0, 1], 20,
                   'a busy queue moved')
    check_traffic(t, s)
    # No frame was lost by the move, and the queue stays on its worker.
    assert sorted(workers()) == [0, 1]
    assert [s.stats(p)['rx'][0]['worker'] for p in 'qs'] == [0, 0]
