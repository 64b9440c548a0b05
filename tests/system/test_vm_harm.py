# SPDX-License-Identifier: Apache-2.0
"""Harm done to `ringway vm`: SIGKILL at any instant, guests that write nonsense
into registers, and what it is refused for."""
import base64
import json
import random
import re

import lab
import pytest
from vm_lab import APPEND, KERNEL

KILLS = 20
LIMIT = 200  # seconds: a busy machine
# What one start has: a tap of its own, vhost threads, an image, a back-end.
NETS = ['-netdev tap,id=n,ifname=rwvm0', '-netdev tap,id=n,ifname=rwvm0,vhost=on',
        '-netdev user,id=n']


def start(l1, name, script, options):
    """Starts a machine in the background; its log is /tmp/NAME.log."""
    word = base64.b64encode(script.encode()).decode()
    l1.run(f'XDG_RUNTIME_DIR=/tmp ringway vm -name {name} -m 192 {KERNEL} '
           f'-append "{APPEND} iomem=relaxed rw.run={word}" {options} '
           f'</dev/null >/tmp/{name}.log 2>&1 & echo $! >/tmp/{name}.pid')


def wait_answer(l1, name):
    """Waits until the machine answers: its kernel is unpacked."""
    lab.wait_until(lambda: not l1.run(
        f'XDG_RUNTIME_DIR=/tmp ringway vm show --json --name {name} >/dev/null',
        check=False)[0], LIMIT, f'an answer of {name}')


def wait_line(l1, name, word):
    """Returns the log once it has @word."""
    def has_it():
        status, text = l1.run(f'kill -0 $(cat /tmp/{name}.pid); s=$?; '
                              f'cat /tmp/{name}.log; exit $s', check=False)
        if status and word not in text:
            raise lab.LabError(f'{name} ended: {text}')
        return text if word in text else None
    return lab.wait_until(has_it, LIMIT, f'"{word}" of {name}', 0.3)


def wait_end(l1, name):
    lab.wait_until(lambda: l1.run(f'kill -0 $(cat /tmp/{name}.pid)',
                                  check=False)[0], LIMIT, f'the end of {name}')


def show(l1, name):
    return json.loads(l1.run(f'XDG_RUNTIME_DIR=/tmp ringway vm show --json '
                             f'--name {name}'))


@pytest.mark.guests
def test_killed(l1):
    """SIGKILL while it starts, boots, runs and is reset: nothing is left that
    a second start would meet, no tap, no thread of the kernel, no lock on the
    image; the next start, at the same socket, works at once."""
    l1.run('dd if=/dev/zero of=/tmp/disk bs=1M count=1 2>/dev/null')
    rng = random.Random(7)
    for i in range(KILLS):
        start(l1, 'kill', 'sleep 1000', f'-drive file=/tmp/disk -pidfile '
              f'/tmp/kill.lock {NETS[i % 3]} -device virtio-net-pci,netdev=n')
        if i % 2:  # a random instant of a machine that runs, or of its reset
            wait_answer(l1, 'kill')
            reset = 'XDG_RUNTIME_DIR=/tmp ringway vm reset --name kill;' \
                if i % 4 == 3 else ''
            l1.run(f'usleep {rng.randrange(1500000)}; {reset} '
                   f'usleep {rng.randrange(200000)}')
        else:  # of its start
            l1.run(f'usleep {rng.randrange(300000)}')
        status, text = l1.run(
            'p=$(cat /tmp/kill.pid); kill -0 $p || cat /tmp/kill.log; '
            'kill -9 $p; for i in $(seq 50); do kill -0 $p 2>/dev/null || '
            'break; usleep 20000; done; ip link show rwvm0 2>/dev/null; '
            'grep -l "^vhost-$p$" /proc/[0-9]*/comm', check=False)
        assert not text.strip(), (i, text)
    start(l1, 'kill', 'echo "alive"', f'-drive file=/tmp/disk -pidfile '
          f'/tmp/kill.lock {NETS[1]} -device virtio-net-pci,netdev=n')
    wait_line(l1, 'kill', 'alive')
    wait_end(l1, 'kill')
    assert not l1.run('ls /tmp/kill.lock /tmp/ringway/vm-kill.sock '
                      '2>/dev/null', check=False)[1].strip()


# The victims are in the slots 1 to 3; the card behind them goes on. Their
# drivers let go, or these would write, too.
NONSENSE = r'''
cd /sys/bus/pci/devices
word() { echo $((RANDOM << 17 ^ RANDOM << 8 ^ RANDOM)); }
for d in /sys/bus/virtio/drivers/*/virtio[012]; do
	echo ${d##*/} >${d%/*}/unbind
done
echo "begin"
for slot in 1 2 3; do
	while read -r from to flags; do # the BAR of the registers
		[ $((to - from)) != 16383 ] || base=$from
	done <0000:00:0$slot.0/resource
	# a ring whose memory is not there
	devmem $((base + 0x14)) 8 0
	for status in 1 3; do devmem $((base + 0x14)) 8 $status; done
	devmem $((base + 8)) 32 1
	devmem $((base + 12)) 32 1
	devmem $((base + 0x14)) 8 11
	devmem $((base + 0x16)) 16 0
	for at in 0x20 0x28 0x30; do
		devmem $((base + at)) 32 $((slot << 12))
		devmem $((base + at + 4)) 32 0x7fff
	done
	devmem $((base + 0x1c)) 16 1
	devmem $((base + 0x14)) 8 15
	echo "slot $slot status $(devmem $((base + 0x14)) 8)"
done
echo "look"; sleep 1
for slot in 1 2 3; do
	while read -r base end flags; do
		[ $((base)) -gt 0 ] || continue
		for i in $(seq 120); do
			at=$((base + RANDOM % (end - base + 1)))
			case $((i % 3)) in
			0) devmem $((at & ~3)) 32 $(word) ;;
			1) devmem $((at & ~1)) 16 $((RANDOM * 2)) ;;
			2) devmem $at 8 $((RANDOM % 256)) ;;
			esac
			[ $((i % 10)) != 0 ] || devmem $((at & ~3)) 32 >/dev/null
		done
	done <0000:00:0$slot.0/resource
done
# Ports, but for those that reset or switch off.
for i in $(seq 300); do
	port=$((RANDOM * 2 + RANDOM % 2))
	case $i in *[05]) port=$((0xcf8 + 4 * (RANDOM % 2))) ;; esac
	[ $port -lt 1536 -o $port -gt 1600 ] && [ $port != 100 ] &&
		[ $port != 146 ] && [ $port != 3321 ] || continue
	[ $port -lt 1016 -o $port -gt 1023 ] || continue
	head -c 1 /dev/urandom | dd of=/dev/port bs=1 seek=$port 2>/dev/null
done
echo "ping"
ping -q -c 3 10.0.2.2
for i in $(seq 30); do
	for slot in 1 2 3; do
		dd if=/dev/urandom of=0000:00:0$slot.0/config bs=64 count=4 \
			2>/dev/null
	done
done
echo "config done"
sleep 1000
'''


@pytest.fixture
def no_bad(l1):
    """The machine "bad" does not outlive its test."""
    yield
    l1.run('kill -9 $(cat /tmp/bad.pid) 2>/dev/null; '
           'rm -f /tmp/ringway/vm-bad.sock')


@pytest.mark.guests
@pytest.mark.usefixtures('no_bad')
def test_nonsense(l1):
    """A guest writes nonsense into all registers of three devices: they stop
    themselves where they must, the monitor answers, grows no more than a
    little, logs a few lines, and the card beside them goes on."""
    l1.guest.put('/tmp/disk', NONSENSE)
    l1.run('truncate -s 1M /tmp/disk')
    start(l1, 'bad', 'ip link set eth1 up; udhcpc -i eth1 -q -n; '
          r"tr -d '\0' </dev/vda >/tmp/bad; sh /tmp/bad",
          '-no-reboot -netdev null,id=v -netdev user,id=n '
          '-device virtio-net-pci,netdev=v,id=victim -device virtio-rng-pci '
          '-drive file=/tmp/disk,id=d,if=none -device virtio-blk-pci,drive=d '
          '-device virtio-net-pci,netdev=n,id=good')

    def memory():
        return int(re.search(r'RssAnon:\s+(\d+)', l1.run(
            'cat /proc/$(cat /tmp/bad.pid)/status')).group(1))
    text = wait_line(l1, 'bad', 'look')
    before = memory()
    status = {d['slot']: d['status'] for d in show(l1, 'bad')['devices']}
    for slot in (1, 2, 3):
        assert 'needs-reset' in status[slot], (status, text)
    assert 'needs-reset' not in status[4]
    text = wait_line(l1, 'bad', 'config done')
    assert '3 packets received' in text, text
    assert show(l1, 'bad')['machine']['pid'] and memory() - before < 2048
    told = [line for line in text.splitlines() if 'device=' in line]
    assert len(told) < 40, text
    l1.run('kill $(cat /tmp/bad.pid)')
    wait_end(l1, 'bad')


@pytest.mark.guests
@pytest.mark.parametrize('options,words', [
    ('-device virtio-rng-pci,addr=3 -device virtio-rng-pci,id=b,addr=3',
     'device b: addr=3: virtio-rng-pci-0 has this slot'),
    ('-netdev null,id=n -netdev null,id=m -device virtio-net-pci,netdev=n,'
     'mac=52:54:00:00:00:01 -device virtio-net-pci,netdev=m,mac='
     '52:54:00:00:00:01', 'mac=52:54:00:00:00:01: is the address of device'),
    ('-netdev null,id=n -netdev null,id=n', 'id=n is used twice'),
    ('-device virtio-rng-pci,id=x -device virtio-rng-pci,id=x',
     'device x: .*(twice|has it)'),
    ('-netdev null,id=n -device virtio-net-pci,netdev=n,id=x -device '
     'virtio-rng-pci,id=x', 'device x: .*(twice|has it)'),
    ('-m 64G', 'memory: 65536 MiB are more than this machine'),
])
def test_refused(l1, options, words):
    """In one line, and the same with --dry-run but for what only the machine
    that it runs on can tell."""
    for dry in ('', '--dry-run')[:1 if '64G' in options else 2]:
        status, text = l1.run(f'ringway vm {KERNEL} {options} {dry} '
                              '</dev/null', check=False)
        assert status in (1, 2) and re.search(words, text), text
        assert len(text.strip().splitlines()) == 1, text


@pytest.mark.guests
def test_no_right(l1):
    """/dev/kvm is there and is somebody else's."""
    l1.run('chmod 600 /dev/kvm; chmod 755 / /guest; chmod 644 /guest/*; '
           'echo "nobody:x:12345:12345::/tmp:/bin/sh" >/etc/passwd')
    try:
        status, text = l1.run(f'su nobody -c "ringway vm --control /tmp/none '
                              f'{KERNEL} </dev/null"', check=False)
    finally:
        l1.run('rm /etc/passwd')
    assert status == 1 and '/dev/kvm: no right to it: join' in text, text
    assert len(text.strip().splitlines()) == 1, text


@pytest.mark.guests
def test_held(l1):
    """-S: the guest begins with `vm cont`, a reset changes nothing; -pidfile has
    the number."""
    start(l1, 'held', 'echo "begun"', '-S -pidfile /tmp/held.lock')
    wait_answer(l1, 'held')
    assert show(l1, 'held')['machine']['state'] == 'stopped'
    assert l1.run('cat /tmp/held.lock').strip() == \
        l1.run('cat /tmp/held.pid').strip()
    assert not sum(show(l1, 'held')['vcpus'][0]['exits'].values())
    l1.run('XDG_RUNTIME_DIR=/tmp ringway vm reset --name held; sleep 1')
    assert show(l1, 'held')['machine']['state'] == 'stopped'
    assert l1.run('XDG_RUNTIME_DIR=/tmp ringway vm cont --name held') == ''
    wait_line(l1, 'held', 'begun')
    wait_end(l1, 'held')
    assert l1.run('test -e /tmp/held.lock', check=False)[0]
