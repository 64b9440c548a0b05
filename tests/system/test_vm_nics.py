# SPDX-License-Identifier: Apache-2.0
"""Emulated network cards of `ringway vm` with Linux's own drivers, which only
Debian's full kernel has."""
import base64
import os
import re
import shutil
import subprocess

import pytest
import vm_lab
from conftest import BINARY, TOP
from vm_lab import APPEND

KERNEL = '-kernel /nics/vmlinuz -initrd /nics/initrd.gz'
CONTROL = '--control /tmp/ringway/vm-nics.sock'


def script(*argv):
    done = subprocess.run([os.path.join(TOP, 'scripts', argv[0]), *argv[1:]],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f'no guest image: {done.stderr.strip()[-200:]}')


@pytest.fixture(scope='module')
def l1(module_folder, images):
    """Returns a lab that has the full kernel in /nics."""
    if not shutil.which('mke2fs'):
        pytest.skip('mke2fs, which makes a disk with the kernel, is not '
                    'installed')
    full = os.path.join(images, 'full')
    script('guest-kernel.sh', full, 'amd64')
    script('guest-initrd.sh', full)
    script('guest-initrd.sh', images, 'lab', BINARY)
    disk = os.path.join(module_folder, 'disk')
    os.mkdir(disk)
    for name in ('vmlinuz', 'initrd.gz'):
        shutil.copy(os.path.join(full, name), disk)
    subprocess.run(['mke2fs', '-q', '-t', 'ext4', '-O', '^has_journal', '-d',
                    disk, disk + '.img', '48M'], check=True,
                   capture_output=True)
    made = vm_lab.Lab(module_folder, images, disk + '.img')
    made.run('mkdir /nics && mount -o ro /dev/vda /nics')
    made.run(f"mkdir -p /tmp/w/cgi-bin; printf '{SUM}' >/tmp/w/cgi-bin/sum; "
             'chmod +x /tmp/w/cgi-bin/sum')
    # Text: busybox's wget posts no zeros.
    made.run('dd if=/dev/urandom bs=1M count=2 2>/dev/null | base64 '
             '>/tmp/w/data; httpd -p 127.0.0.1:8090 -h /tmp/w')
    yield made
    made.stop()


# Answers with the sum of what it got.
SUM = r'#!/bin/sh\necho; head -c $CONTENT_LENGTH | md5sum\n'


# `use CARD ROUTER` uses a card: addresses, small and fragmented packets, TCP
# with large frames both ways. A function: a command line has 2047 characters.
USE = '''use() {
ip link set $1 up; udhcpc -i $1 -q -n >/dev/null 2>&1
ping -q -c 3 $2; ping -q -s 4000 -c 2 $2
wget -q -O /tmp/data http://$2:8090/data; md5sum </tmp/data
wget -q -O - --post-file=/tmp/data http://$2:8090/cgi-bin/sum
ip addr flush dev $1; ip link set $1 down
}
'''


@pytest.mark.guests
def test_traffic(l1):
    """Linux's drivers e1000, 8139cp and e1000e bring the cards up twice and
    move traffic, e1000e with large buffers, too; its self test passes; `vm
    show` and `explain` know them."""
    want = l1.run('md5sum </tmp/w/data').split()[0]
    word = base64.b64encode((
        USE + 'use eth0 10.0.2.2; use eth1 10.0.3.2; '
        'rmmod e1000; insmod /lib/modules/e1000.ko; '
        'use eth0 10.0.2.2; use eth2 10.0.4.2; '
        'ip link set eth2 mtu 9000; ip link set eth2 up; '
        'ethtool -t eth2 offline; grep eth2 /proc/interrupts; '
        'ip link set eth2 down; use eth2 10.0.4.2; '
        'ethtool -S eth2 | grep -E "header_split|csum_offload_good"; '
        'rmmod e1000e; insmod /lib/modules/e1000e.ko IntMode=0; '
        'use eth2 10.0.4.2; ip link set eth2 up; '
        'dmesg | grep -E "8139cp|e1000"; echo done; while :; do sleep 1; '
        'done').encode()).decode()
    l1.run(f'XDG_RUNTIME_DIR=/tmp ringway vm -name nics -m 256 {KERNEL} '
           f'-append "{APPEND} rw.run={word}" '
           '-netdev user,id=a -device e1000,netdev=a '
           '-netdev user,id=b,net=10.0.3.0/24 -device rtl8139,netdev=b '
           '-netdev user,id=c,net=10.0.4.0/24 -device e1000e,netdev=c '
           '</dev/null >/tmp/nics.log 2>&1 & echo $! >/tmp/nics.pid')
    try:
        l1.run('(for i in $(seq 400); do grep -q ^done /tmp/nics.log && exit; '
               'kill -0 $(cat /tmp/nics.pid) || break; sleep 1; done; '
               'tail /tmp/nics.log; exit 1)', 450)
        text = l1.run('cat /tmp/nics.log').replace('\r', '')
        assert text.count('3 packets received') == 6, text
        # libslirp answers none of 4000 bytes in one piece.
        assert text.count('2 packets received') == 5, text
        assert text.count(want) == 12, text
        assert 'eth0 NIC Link is Up 1000 Mbps Full Duplex' in text, text
        assert '100Mbps, full-duplex' in text, text
        assert 'The test result is PASS' in text, text
        assert re.search('rx_header_split: [1-9]', text), text
        assert re.search('rx_csum_offload_good: [1-9]', text), text
        assert text.count('PCI-MSI') == 3, text
        assert 'eth2: NETDEV WATCHDOG' not in text, text
        show = l1.run('XDG_RUNTIME_DIR=/tmp ringway vm show --name nics')
        assert re.search(r'a\.card .*workers of this process', show), show
        told = l1.run('XDG_RUNTIME_DIR=/tmp ringway vm explain --name nics')
        assert 'an emulated e1000,' in told, told
        assert 'emulated rtl8139' in told and 'emulated e1000e' in told, told
        drops = l1.run(f'ringway stats {CONTROL}')
        assert 'rx_bad' not in drops, drops
    finally:
        l1.run('kill $(cat /tmp/nics.pid); for i in $(seq 100); do '
               'kill -0 $(cat /tmp/nics.pid) 2>/dev/null || break; '
               'usleep 100000; done; true')


@pytest.mark.guests
def test_come_and_go(l1):
    """A card comes while the guest runs, loses its link and gets it again, and
    goes; the tap that it was on is gone, too."""
    def ringway(what):
        return l1.run(f'XDG_RUNTIME_DIR=/tmp ringway {what} --name nics', 60)

    word = base64.b64encode(b'while :; do for c in /sys/class/net/eth*; do '
                            b'ip link set ${c##*/} up; echo "${c##*/} '
                            b'carrier $(cat $c/carrier)"; done 2>/dev/null; '
                            b'sleep 1; done').decode()

    def wait(words):
        # In the lab: many questions from outside slow it down.
        l1.run('(n=$(wc -l </tmp/nics.log); for i in $(seq 200); do '
               f'tail -n +$((n + 1)) /tmp/nics.log | grep -q "{words}" && '
               'exit; sleep 0.5; done; tail /tmp/nics.log; exit 1)', 200)

    l1.run(f'XDG_RUNTIME_DIR=/tmp ringway vm -name nics -m 256 {KERNEL} '
           f'-append "{APPEND} rw.run={word}" -netdev user,id=a '
           '-device rtl8139,netdev=a </dev/null >/tmp/nics.log 2>&1 & '
           'echo $! >/tmp/nics.pid')
    try:
        wait('eth0 carrier 1')
        ringway('vm netdev add stream,id=s,server=on,addr.type=unix,'
                'addr.path=/tmp/nics.stream')
        ringway('vm device add e1000e,netdev=s,id=late')
        wait('eth1 carrier 0')
        l1.run('XDG_RUNTIME_DIR=/tmp ringway up --control /tmp/peer.sock '
               '-netdev stream,id=p,addr.type=unix,addr.path=/tmp/nics.stream '
               '-netdev null,id=z >/dev/null 2>&1 & echo $! >/tmp/peer.pid')
        wait('eth1 carrier 1')
        l1.run('kill $(cat /tmp/peer.pid)')
        wait('eth1 carrier 0')
        ringway('vm device del late --wait 60')
        assert 'late' not in ringway('vm device list')
        ringway('vm netdev del s')
        wait('eth0 carrier 1')
        wait('eth0 carrier 1')
        assert 'eth1' not in l1.run('tail -n 2 /tmp/nics.log')
    finally:
        l1.run('kill $(cat /tmp/nics.pid); for i in $(seq 100); do '
               'kill -0 $(cat /tmp/nics.pid) 2>/dev/null || break; '
               'usleep 100000; done; true')
