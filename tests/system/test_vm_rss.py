# SPDX-License-Identifier: Apache-2.0
"""The control queue of a card: receive side scaling, hashes, and offloads that
the guest's Linux switches while it runs.
"""
import base64
import ipaddress
import re
import struct

import lab
import pytest
from test_vm_vhost import host_address
from vm_lab import APPEND, KERNEL, NET, number

KEY = bytes(range(1, 41))
HKEY = ':'.join(f'{b:02x}' for b in KEY)
SERVER, GUEST = '10.0.2.100', '10.0.2.15'
USER = f'-netdev user,id=n,ipv6=off,guestfwd=tcp:{SERVER}:7-cmd:/tmp/hello ' \
    '-device virtio-net-pci,netdev=n,mq=on,rss=on'
PORTS = range(40001, 40009)

# `counts` prints the frames that each receive queue got; `flow PORT` makes a
# connection from that port (busybox's nc ignores -p) and prints how many they
# got meanwhile.
FUNCTIONS = '''
dmesg -n 1
counts() {
  ethtool -S eth0 | awk '/rx_queue_0_packets/ { a = $2 }
    /rx_queue_1_packets/ { b = $2 } END { printf "%d %d ", a, b }'
}
flow() {
  echo $1 $1 >/proc/sys/net/ipv4/ip_local_port_range
  set -- $1 $(counts)
  nc -w 5 10.0.2.100 7 </dev/null >/tmp/answer
  set -- $* $(counts) $(cat /tmp/answer)
  echo "flow $1 $(($4 - $2)) $(($5 - $3)) $6"
}
'''


def toeplitz(data):
    """Returns the hash of RSS, bit by bit, as Microsoft describes it."""
    key = int.from_bytes(KEY + bytes(len(data)), 'big')
    size = 8 * (len(KEY) + len(data))
    result = 0
    for i in range(8 * len(data)):
        if data[i // 8] >> (7 - i % 8) & 1:
            result ^= key >> (size - 32 - i) & 0xffffffff
    return result


def flow_hash(port):
    """Returns the hash of the server's frames to @port of the guest; None: of
    the addresses alone."""
    data = ipaddress.ip_address(SERVER).packed + \
        ipaddress.ip_address(GUEST).packed
    return toeplitz(data if port is None
                    else data + struct.pack('>HH', 7, port))


def flows(text):
    """Returns {source port: frames of each queue} of a part of the output."""
    found = re.findall(r'^flow (\d+) (\d+) (\d+) hello', text, re.M)
    return {int(port): (int(a), int(b)) for port, a, b in found}


def check_queues(text, queue_of):
    """Each flow's frames are in the queue that @queue_of(port) names. ARP may
    be in the first queue besides: an answer, and a request for the guest's
    address."""
    got = flows(text)
    assert got, text
    for port, counts in got.items():
        queue = queue_of(port)
        assert counts[queue] >= 3, (port, queue, text)
        assert counts[1 - queue] <= 2 * (queue == 1), (port, queue, text)


@pytest.mark.guests
@pytest.mark.parametrize('card', [',hash=on', ',packed=on'])
def test_rss(l1, card):
    """The frames of a flow are in the queue that the guest's key, kinds of
    hashes and table say."""
    l1.run("printf '#!/bin/sh\\necho hello\\n' >/tmp/hello; chmod +x /tmp/hello")
    all_flows = ''.join(f'flow {port}; ' for port in PORTS)
    text, status = l1.boot(
        FUNCTIONS + NET +
        'echo PART; ethtool -x eth0; ethtool -n eth0 rx-flow-hash tcp4; '
        f'ethtool -X eth0 hkey {HKEY} equal 2; '
        'ethtool -K eth0 rxhash on; ethtool -k eth0 | grep hashing; '
        f'echo PART; {all_flows}'
        'ethtool -X eth0 weight 0 1; '
        'echo PART; flow 40011; flow 40012; '
        'ethtool -K eth0 rxhash off; '
        'echo PART; flow 40013; flow 40014; '
        'ethtool -K eth0 rxhash on; ethtool -X eth0 equal 2; '
        'ethtool -N eth0 rx-flow-hash tcp4 sd; '
        'echo PART; flow 40015; flow 40016; '
        'ethtool -X eth0 equal 1; ethtool -L eth0 combined 1; '
        'echo PART; flow 40017',
        '-smp 2', USER + card, timeout=200)
    assert status == 0, text
    part = text.split('PART\n')
    assert 'with 2 RX ring(s)' in part[1] and 'toeplitz: on' in part[1], text
    assert 'L4 bytes 2 & 3' in part[1], text
    assert 'receive-hashing: on' in part[1], text
    assert len(flows(part[2])) == len(PORTS), text
    queues = {port: flow_hash(port) & 1 for port in PORTS}
    assert set(queues.values()) == {0, 1}
    check_queues(part[2], queues.get)
    check_queues(part[3], lambda port: 1)
    # without any kind of hash: the queue of such frames, the first one
    check_queues(part[4], lambda port: 0)
    check_queues(part[5], lambda port: flow_hash(None) & 1)
    check_queues(part[6], lambda port: 0)


@pytest.mark.guests
def test_hash_on_one_queue(l1):
    """Headers with a hash, without RSS: frames of all sizes pass, both
    ways."""
    l1.run('mkdir -p /tmp/w; dd if=/dev/urandom of=/tmp/w/data bs=1M count=2 '
           '2>/dev/null; (httpd -p 127.0.0.1:8091 -h /tmp/w) 2>/dev/null; true')
    want = l1.run('md5sum /tmp/w/data').split()[0]
    text, status = l1.boot(
        NET + 'ethtool -K eth0 rxhash on; '
        'wget -q -O /tmp/d http://10.0.2.2:8091/data; md5sum /tmp/d; '
        'ping -q -c 1 -s 4000 10.0.2.2',
        net='-netdev user,id=n -device virtio-net-pci,netdev=n,hash=on')
    assert status == 0 and want in text, text
    assert '1 packets received' in text, text


@pytest.mark.guests
@pytest.mark.parametrize('vhost', ['off', 'on'])
def test_offloads_at_run_time(l1, vhost):
    """A guest that switches GRO of the card off gets frames no longer than its
    MTU, from this process and from the kernel; switched on, larger ones."""
    l1.run('mkdir -p /tmp/w; dd if=/dev/zero of=/tmp/w/data bs=1M count=2 '
           '2>/dev/null; (httpd -p 8092 -h /tmp/w) 2>/dev/null; true')
    host_address(l1, '10.9.0.1')
    stat = '/sys/class/net/eth0/statistics'
    text, status = l1.boot(
        f'''
load() {{
  p=$(cat {stat}/rx_packets); b=$(cat {stat}/rx_bytes)
  wget -q -O /dev/null http://10.9.0.1:8092/data
  echo "$1 $((($(cat {stat}/rx_bytes) - b) / ($(cat {stat}/rx_packets) - p)))"
}}
ip link set eth0 up; ip addr add 10.9.0.2/24 dev eth0; sleep 1
load first; ethtool -K eth0 rx-gro-hw off; load off
ethtool -k eth0 | grep gro-hw; ethtool -K eth0 rx-gro-hw on; load on''',
        net=f'-netdev tap,id=t,ifname=rwvm0,vhost={vhost} '
        '-device virtio-net-pci,netdev=t')
    assert status == 0, text
    size = {k: int(v) for k, v in re.findall(r'^(\w+) (\d+)$', text, re.M)}
    assert 'rx-gro-hw: off' in text, text
    assert size['off'] <= 1514, text
    assert size['first'] > 1514 and size['on'] > 1514, text


# What the card of a guest is connected with: the peer's netdev, and ours.
PEERS = {
    'stream': ('stream,id=s,server=on,addr.type=unix,addr.path=/tmp/peer',
               '-netdev stream,id=n,server=off,addr.type=unix,'
               'addr.path=/tmp/peer,reconnect=1'),
    'vhost-user': ('vhost-user,id=s,path=/tmp/peer',
                   '-chardev socket,id=c,path=/tmp/peer,reconnect=1 '
                   '-netdev vhost-user,id=n,chardev=c'),
}
# In one line of hexadecimal digits: an ARP request of the guest for its own
# address.
ANNOUNCED = '08060001080006040001' '52540000000b' '0a090002' \
    r'.\{12\}' '0a090002'


@pytest.mark.guests
@pytest.mark.parametrize('peer,announce', [
    ('stream', 'on'), ('stream', 'off'), ('vhost-user', 'on')])
def test_link_comes_back(l1, peer, announce):
    """The guest sees that the peer of its card goes and comes, and then tells
    its address if it is asked to."""
    script = 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; ' \
        'ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up; ' \
        'while :; do echo "carrier $(cat /sys/class/net/eth0/carrier)"; ' \
        'sleep 0.2; done'
    word = base64.b64encode(script.encode()).decode()
    theirs, ours = PEERS[peer]
    start = 'rm -f /tmp/announced; ringway up --control /tmp/peer.sock ' \
        f'-netdev {theirs} -netdev null,id=x -object filter-dump,id=d,' \
        'netdev=s,file=/tmp/announced >/tmp/peer.log 2>&1 & ' \
        'echo $! >/tmp/peer.pid; sleep 1'
    end = 'kill $(cat /tmp/peer.pid); sleep 1'

    def last_is(carrier):
        text = l1.run('tail -n 2 /tmp/back.log', check=False)[1]
        return f'carrier {carrier}' in text
    l1.run(start)
    l1.run(f'XDG_RUNTIME_DIR=/tmp ringway vm -name back -m 192 {KERNEL} '
           f'-append "{APPEND} rw.run={word}" {ours} -device virtio-net-pci,'
           f'netdev=n,mac=52:54:00:00:00:0b,guest_announce={announce} '
           '</dev/null >/tmp/back.log 2>&1 & echo $! >/tmp/back.pid')
    try:
        lab.wait_until(lambda: last_is(1), 180, 'a guest with a link')
        l1.run(end)
        lab.wait_until(lambda: last_is(0), 30, 'that the link goes')
        l1.run(start)
        lab.wait_until(lambda: last_is(1), 30, 'that the link comes')
        l1.run('sleep 2; ' + end)
        text = l1.run('od -An -v -tx1 /tmp/announced | tr -d " \\n" | '
                      f'grep -c "{ANNOUNCED}"', check=False)[1]
        assert number(text) == (announce == 'on'), text
    finally:
        l1.run('kill $(cat /tmp/back.pid) $(cat /tmp/peer.pid); sleep 0.5',
               check=False)


@pytest.mark.guests
@pytest.mark.parametrize('options,words', [
    ('-netdev user,id=n -device virtio-net-pci,netdev=n,rss=on,ctrl_vq=off',
     'rss=on: the driver sets it up by the control queue: needs ctrl_vq=on'),
    ('-netdev tap,id=n,vhost=on,vhostforce=on -device '
     'virtio-net-pci,netdev=n,hash=on',
     'hash=on: works where this process moves the frames'),
])
def test_refused(l1, options, words):
    status, text = l1.run('ringway vm -kernel /guest/vmlinuz ' + options,
                          check=False)
    assert status == 2 and words in text, text
