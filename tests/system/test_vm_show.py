# SPDX-License-Identifier: Apache-2.0
"""What `ringway vm show` and its sisters tell of a machine with a card of each
kind, and what other commands say of cards that are no ports."""
import base64
import json
import re

import lab
import pytest
from vm_lab import APPEND, KERNEL, answers

SCRIPT = 'for i in 0 1 2; do ip link set eth$i up; ' \
    'ip addr add 10.9.$i.2/24 dev eth$i; done; ' \
    'while :; do for i in 0 1 2; do ping -q -c 1 -W 1 10.9.$i.1 >/dev/null; ' \
    'done; echo alive; done'
NET = '-netdev user,id=own,net=10.9.0.0/24,host=10.9.0.1 -netdev ' \
    'tap,id=tap,ifname=rwvm0,vhost=on -chardev socket,id=c,path=/tmp/vm.sock ' \
    '-netdev vhost-user,id=vu,chardev=c ' + ' '.join(
        f'-device virtio-net-pci,netdev={n},id={n}.card'
        for n in ('own', 'tap', 'vu'))


@pytest.fixture(scope='module')
def machine(l1):
    """Returns ringway(words): runs a command about the machine, which has a
    card of each kind, and returns its status and output."""
    l1.run('ringway up --control /tmp/sw.sock -netdev vhost-user,id=vm,path='
           '/tmp/vm.sock -netdev user,id=n,net=10.9.2.0/24,host=10.9.2.1 '
           '>/tmp/sw.log 2>&1 & echo $! >/tmp/sw.pid; ' + answers('/tmp/sw.sock'))
    word = base64.b64encode(SCRIPT.encode()).decode()
    l1.run(f'XDG_RUNTIME_DIR=/tmp ringway vm -name three -m 192 {KERNEL} '
           f'-append "{APPEND} rw.run={word}" {NET} </dev/null >/tmp/three.log '
           '2>&1 & echo $! >/tmp/three.pid')
    l1.run('for i in $(seq 100); do ip addr add 10.9.1.1/24 dev rwvm0 '
           '2>/dev/null && break; usleep 100000; done; '
           'ip link set rwvm0 up')

    def ringway(words, timeout=30):
        return l1.run(f'XDG_RUNTIME_DIR=/tmp ringway {words}', timeout,
                      check=False)
    try:
        lab.wait_until(lambda: 'alive' in l1.run('tail -n 5 /tmp/three.log'),
                       200, 'a guest that pings')
        yield ringway
    finally:
        l1.run('kill $(cat /tmp/three.pid); sleep 1; kill $(cat /tmp/sw.pid); '
               'sleep 0.5')


@pytest.mark.guests
def test_show(machine):
    """Threads of all who move frames, with their CPU and wakeups; interrupts
    by ring; who copies, kicks and wakes, for each kind of card."""
    status, text = machine('vm show --name three')
    assert status == 0, text
    for words in (r'worker0 +\d+ +\d+% +\d+ +moves frames',
                  r"vhost-\d+ +\d+ +\d+% +\d+ +the kernel's vhost: moves frames",
                  r'worker0 +\d+ +\d+% +\d+ +of the back-end, ringway',
                  r'1 tap, .*1 /dev/vhost-net',
                  r'own\.card +0 +to the guest +256 +1 +\d+ +\d+ +\d+',
                  r'tap\.card +0 +to the guest +256 +1 +- +- +-',
                  r'EXITS/S +IO +MMIO +HALT +IRQ +WINDOW +OTHER +INJECTED',
                  r'own\.card: worker 0 copies; .*wakes worker 0 through KVM',
                  r'tap\.card: vhost-net copies; ',
                  r'vu\.card: the vhost-user back-end copies; '):
        assert re.search(words, text), (words, text)
    shown = json.loads(machine('vm show --name three --json')[1])
    card = {d['id']: d for d in shown['devices']}
    assert card['own.card']['queues'][0]['interrupts'] > 0
    assert card['tap.card']['frames_out'] > 0
    vhost = [t for t in shown['threads'] if t['name'].startswith('vhost-')]
    assert vhost and vhost[0]['wakeups'] > 0


@pytest.mark.guests
def test_explain(machine):
    text = machine('vm explain --name three')[1]
    assert 'not counted' not in text, text
    for words in (r'left the guest \d+ times: \d+ were for this process',
                  r'signals the eventfd of .*vector, .*\(\d+ signals\)',
                  r'its threads woke up \d+ times; nobody counts kicks',
                  r'`ringway stats` tells \(process [1-9]\d*\)'):
        assert re.search(words, text), (words, text)


@pytest.mark.guests
@pytest.mark.parametrize('port,words', [
    ('tap', 'tap is no port: .*vhost-net.*`tcpdump -i rwvm0`'),
    ('vu.card', r'vu.card is no port: its vhost-user back-end, process [1-9]\d*'),
])
def test_capture_of_what_is_no_port(machine, port, words):
    status, text = machine(f'capture {port} -w /tmp/x --control '
                           '/tmp/ringway/vm-three.sock')
    assert status == 1 and re.search(words, text), text
    assert len(text.strip().splitlines()) == 1, text


@pytest.mark.guests
def test_done_already(machine):
    assert machine('vm cont --name three') == \
        (0, 'the machine is running already')
    assert machine('vm stop --name three') == (0, '')
    assert machine('vm stop --name three') == \
        (0, 'the machine is stopped already')
    assert machine('vm cont --name three') == (0, '')


@pytest.mark.guests
def test_hung_machine(machine, l1):
    """A monitor that does not answer holds no command up."""
    l1.run('kill -STOP $(cat /tmp/three.pid)')
    try:
        for what in ('show', 'explain', 'stop', 'powerdown'):
            status, text = machine(f'vm {what} --name three --timeout 1', 10)
            assert status == 1 and 'no answer within 1 s' in text, text
    finally:
        l1.run('kill -CONT $(cat /tmp/three.pid)')
    assert machine('vm cont --name three')[0] == 0
