# SPDX-License-Identifier: Apache-2.0
"""Cards of `ringway vm` on a vDPA device: one that a port of another switch is
(VDUSE). The machines run in a guest of their own, see vm_lab.py."""
import base64
import json
import re

import pytest
from vm_lab import APPEND, KERNEL, number

NODE = '/dev/vhost-vdpa-0'
MAC = '52:54:00:00:00:07'
SWITCH = 'ringway up --control /tmp/sw.sock -netdev vduse,id=v,name=vd0,mac=' \
    f'{MAC},mtu=1500 -netdev user,id=u >>/tmp/sw.log 2>&1 & echo $! ' \
    f'>/tmp/sw.pid; for i in $(seq 100); do [ -e {NODE} ] && break; ' \
    'usleep 100000; done'
CARD = f'-netdev vhost-vdpa,id=n,vhostdev={NODE} -device virtio-net-pci,' \
    'netdev=n'
# What is wrong with a line, and the word that says it.
LINES = [
    (CARD + ',mac=52:54:00:00:00:09', f'has the address {MAC} and keeps it'),
    (CARD + ',host_mtu=1600', 'has an MTU of 1500 at most'),
    (CARD + ',rss=on', 'rss=on: .* has no such feature'),
    (CARD.replace(NODE, NODE + ',queues=2') + ',mq=on',
     '2 queue pairs are needed, the back-end has 1'),
    (CARD.replace(NODE, '/dev/vhost-vdpa-7'), '`vdpa dev add` makes one'),
    (CARD.replace(NODE, '/dev/null'), 'is no device of vhost-vdpa'),
    (CARD.replace(f'vhostdev={NODE}', 'vhostfd=77'),
     'vhostfd=77: must be the number of an open descriptor'),
]
SCRIPT = 'cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu; ' \
    'ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ' \
    'wget -q -O - http://10.0.2.2:8090/data | md5sum; while :; do ' \
    'ping -q -c 1 -W 1 10.0.2.2 >/dev/null && echo alive; sleep 0.2; ' \
    'echo carrier $(cat /sys/class/net/eth0/carrier); done'


class Machine:
    def __init__(self, l1):
        self.l1 = l1
        word = base64.b64encode(SCRIPT.encode()).decode()
        l1.run(f'XDG_RUNTIME_DIR=/tmp ringway vm -m 192 {KERNEL} -append '
               f'"{APPEND} rw.run={word}" {CARD} </dev/null >/tmp/vd.log 2>&1 '
               '& echo $! >/tmp/vd.pid')

    def ask(self, words):
        return self.l1.run(f'XDG_RUNTIME_DIR=/tmp ringway vm {words}')

    def log(self):
        return self.l1.run('cat /tmp/vd.log').replace('\r', '')

    def count(self, mark):
        return number(self.l1.run(f'grep -c "{mark}" /tmp/vd.log; true'))

    def wait(self, mark='^alive', more=2, timeout=100):
        """Waits until @mark is in the log so much more often."""
        want = self.count(mark) + more
        self.l1.run(f'for i in $(seq {timeout}); do [ $(grep -c "{mark}" '
                    f'/tmp/vd.log) -ge {want} ] && break; sleep 1; done',
                    3 * timeout)
        assert self.count(mark) >= want, self.log()[-2000:]

    def device(self):
        text = self.ask('show --json')
        show = json.loads(text[text.index('{'):text.rindex('}') + 1])
        return next(d for d in show['devices'] if d['id'] == 'n.card')


@pytest.mark.guests
def test_vdpa(l1_cards):
    """The device has the rings: frames move, a guest that is reset finds them
    again, a process that ends takes the link down until the next one is there,
    and SIGKILL of the monitor lets the device go."""
    l1 = l1_cards
    if l1.run('test -e /dev/vduse/control', check=False)[0]:
        pytest.skip('no /dev/vduse/control in the lab')
    l1.run('mkdir -p /tmp/w; dd if=/dev/urandom of=/tmp/w/data bs=1M count=1 '
           '2>/dev/null; (httpd -p 127.0.0.1:8090 -h /tmp/w) 2>/dev/null; true')
    want = l1.run('md5sum /tmp/w/data').split()[0]
    l1.run(SWITCH)
    try:
        for line, words in LINES:
            status, text = l1.run(f'ringway vm -name x {KERNEL} -serial none '
                                  f'{line} </dev/null', check=False)
            assert status and re.search(words, text), (line, text)
        m = Machine(l1)
        m.wait(timeout=200)
        log = m.log()
        assert want in log and f'{MAC}\n1500\n' in log, log
        d = m.device()
        assert d['vdpa_device'] == 'vd0' and d['mapped_mib'] == 192, d
        assert 'it goes to the device vd0' in m.ask('explain')
        status, text = l1.run(f'ringway vm -name x {KERNEL} -serial none '
                              f'{CARD} </dev/null', check=False)
        assert status and 'another process has it open' in text, text

        m.ask('reset')
        m.wait(timeout=200)
        l1.run('kill -9 $(cat /tmp/sw.pid)')
        m.wait('^carrier 0')
        assert m.device()['back_end'] == 'gone'
        assert len(re.findall('^ringway: warning: .*', m.log(), re.M)) == 1
        l1.run(SWITCH)
        m.wait()
        assert 'the process of the VDUSE device ended' in m.log()

        m.ask('device del n.card --wait 20')
        assert not l1.run('ls -l /proc/$(cat /tmp/vd.pid)/fd | grep vdpa',
                          check=False)[1].strip()
        m.ask('device add virtio-net-pci,netdev=n')
        assert m.device()['back_end'] == 'connected'
        l1.run(f'kill -9 $(cat /tmp/vd.pid); sleep 2; (exec 3<>{NODE})')
    finally:
        l1.run('kill $(cat /tmp/vd.pid) 2>/dev/null; '
               'kill $(cat /tmp/sw.pid); sleep 1; true')
    assert 'vd0' not in l1.run('ls /dev/vduse')
