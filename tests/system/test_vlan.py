# SPDX-License-Identifier: Apache-2.0
"""VLANs: Ringway and a Linux bridge with VLAN filtering get the same frames and
must send the same frames. Options that the bridge does not have are compared
with a model, which agrees with the bridge elsewhere.

RINGWAY_VLAN_SEED and RINGWAY_VLAN_CASES choose the random cases (8, 320);
RINGWAY_VLAN_ONLY=N leaves only case N.
"""
import collections
import os

import pytest
from vlan_bridge import Unavailable, compare_with_linux
from vlan_cases import Case, RandomCase
from vlan_frames import CTAG, STAG, plain, transport
from vlan_model import Port
from vlan_ringway import Networks, differences

SEED = os.environ.get('RINGWAY_VLAN_SEED', '8')
COUNT = int(os.environ.get('RINGWAY_VLAN_CASES', '320'))
ONLY = os.environ.get('RINGWAY_VLAN_ONLY')
CHUNKS = 8

BROADCAST = 'ff:ff:ff:ff:ff:ff'
A, B, C = ('02:00:00:00:01:0' + n for n in 'abc')


def named_cases():
    """Returns cases that are tested with every seed."""
    def frame(port, *args, **options):
        return ('frame', port, plain(*args, **options))

    vlan10, vlan20 = (CTAG, 10, 0, 0), (CTAG, 20, 0, 0)
    customer = (CTAG, 7, 3, 0)
    both = Port(trunk=[(10, 10), (20, 20)])
    yield Case('one address in two VLANs', 1,
               (Port(vlan=10), Port(vlan=20), both, Port(vlan=10)), (
                   frame(0, A, BROADCAST, [], 46),
                   frame(1, A, BROADCAST, [], 46),
                   frame(2, B, A, [vlan10], 46), frame(2, B, A, [vlan20], 46),
                   frame(3, C, A, [], 46), frame(3, C, B, [], 46),
                   # A moves in one VLAN only.
                   frame(3, A, BROADCAST, [], 46),
                   frame(2, B, A, [vlan10], 46), frame(2, B, A, [vlan20], 46)),
               vids=(10, 20))
    yield Case('a port leaves a VLAN, and comes back', 1, (both,) * 4, (
        frame(0, A, BROADCAST, [vlan10], 46),
        frame(0, A, BROADCAST, [vlan20], 46),
        ('set', 0, Port(vlan=20)),
        frame(1, B, A, [vlan10], 46), frame(1, B, A, [vlan20], 46),
        ('set', 0, both),
        frame(1, B, A, [vlan10], 46), frame(1, B, A, [vlan20], 46)),
        vids=(10, 20))
    large = [transport(A, B, tags, 'tcp', v6, 30000, 1440)
             for v6 in (False, True)
             for tags in ([], [customer], [customer, customer])]
    yield Case('customers of an 802.1ad network', 1,
               (Port(vlan=100), Port(trunk=[(100, 200)]), Port(vlan=100),
                Port(vlan=101)),
               [frame(0, A, BROADCAST, tags, size)
                for tags in ([], [customer], [customer, customer])
                for size in (46, 1500)] +
               [frame(1, B, BROADCAST, [(STAG, vid, 5, 1), customer], 1500)
                for vid in (100, 101, 102)] +
               [('frame', port, sample) for port in (0, 2)
                for sample in large],
               stag=True, vids=(100, 101, 102))


class Reference:
    """The cases and the Linux bridge's replies to them."""

    def __init__(self, folder):
        numbers = [int(ONLY)] if ONLY else range(COUNT)
        self.random = [RandomCase(SEED, n) for n in numbers]
        self.named = {c.name: c for c in named_cases()}
        cases = [c for c in [*self.random, *self.named.values()]
                 if c.has_linux]
        runs, before = zip(*(c.linux() for c in cases))
        self.cases = cases
        replies, self.seconds = compare_with_linux(runs, folder)
        self.replies = {c.name: r[n:]
                        for c, r, n in zip(cases, replies, before)}


@pytest.fixture(scope='module')
def reference(module_folder):
    try:
        return Reference(module_folder)
    except Unavailable as e:
        pytest.skip(f'there is no Linux bridge with VLAN filtering: {e}')


@pytest.fixture(scope='module')
def networks(module_up):
    return Networks(module_up)


def check(texts):
    """Fails if there are @texts; the message has the first in full."""
    rest = f'\n({len(texts) - 1} more)' if len(texts) > 1 else ''
    assert not texts, f'RINGWAY_VLAN_SEED={SEED}: {texts[0]}{rest}'


def test_the_model_does_what_linux_does(reference):
    texts, seen = [], collections.Counter()
    for case in reference.cases:
        replies, model = case.model()
        seen.update(model.seen)
        # The model does not cut frames for receivers of small ones.
        texts += differences(case, replies, reference.replies[case.name],
                             ('the model', 'Linux'), 'any')
    check(texts)
    if not ONLY and COUNT >= 320:
        # Good random cases have many of each of these events.
        for what in ('refused', 'priority tag', 'priority kept', 'flooded',
                     'to one port', 'not sent back', 'moved address',
                     'tag put on', 'tag taken off', 'as it came'):
            assert seen[what] > 100, (what, seen)


def compare(networks, reference, cases):
    texts = []
    refused = collections.Counter()
    for case in cases:
        ours = networks.run(case)
        expected, model = case.model()
        texts += differences(
            case, ours, reference.replies.get(case.name, expected),
            ('Ringway', 'Linux' if case.has_linux else 'expected'),
            None if case.has_linux else 'any')
        for i, n in enumerate(model.refused):
            refused[case.net, i] += n
    check(texts)
    return refused


@pytest.mark.parametrize('chunk', range(CHUNKS))
def test_frames_go_where_linux_sends_them(networks, reference, chunk):
    cases = reference.random[chunk::CHUNKS]
    ports = {(c.net, i) for c in cases for i in range(len(c.ports))}
    before = {p: networks.refused(*p) for p in ports}
    refused = compare(networks, reference, cases)
    assert {p: networks.refused(*p) - before[p] for p in ports} == \
        {p: refused[p] for p in ports}


@pytest.mark.parametrize('name', [c.name for c in named_cases()])
def test_named_case(networks, reference, name):
    compare(networks, reference, [reference.named[name]])
