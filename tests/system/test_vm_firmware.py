# SPDX-License-Identifier: Apache-2.0
"""`ringway vm` without -kernel: firmware, and a disk with a boot loader of its
own (tests/lab/boot-disk.sh: GRUB, Linux, an initrd)."""
import base64
import re
import subprocess

import lab
import pytest
from conftest import BINARY
from vm_lab import APPEND, NET

BIOS = '/usr/share/seabios/bios-256k.bin'


def plain(text):
    """Returns @text without what moves the cursor and colours a terminal."""
    return re.sub(r'\x1b(\[[0-9;?]*[A-Za-z]|c)', '', text.replace('\r', ''))


@pytest.mark.guests
def test_disk_with_its_own_loader(l1):
    """SeaBIOS starts GRUB from the second disk, as bootindex asks. GRUB writes
    to the disk and resets; then it shows its menu and starts Linux, which has
    two processors, the disk and the network, and switches itself off."""
    if l1.no_disk:
        pytest.skip(l1.no_disk)
    if l1.run(f'test -e {BIOS}', check=False)[0]:
        pytest.skip('seabios is not installed')
    l1.run('cat /dev/vda >/tmp/disk; truncate -s 1M /tmp/blank')
    status, text = l1.run(
        'ringway vm -m 192 -smp 2 -drive file=/tmp/blank '
        '-drive file=/tmp/disk,if=none,id=d '
        '-device virtio-blk-pci,drive=d,bootindex=1 '
        '-netdev user,id=n -device virtio-net-pci,netdev=n,bootindex=2,romfile= '
        '</dev/null', timeout=500, check=False)
    l1.run('rm /tmp/disk /tmp/blank')
    text = plain(text)
    assert status == 0, text
    assert text.count('SeaBIOS (version') == 2, text
    assert 'append:' not in text, text  # a hint for kernels
    for words in ('GNU GRUB  version', 'Linux of this disk',
                  '2 packets received', 'processors:2', '1+0 records out'):
        assert words in text, (words, text)


HELLO = """#!ipxe
echo HELLO ${net0/chip} ${net0/mac}
exit
"""
LINUX = """#!ipxe
echo HELLO ${net0/chip} ${net0/mac}
kernel http://10.0.2.2:8097/vmlinuz initrd=initrd.gz %s rw.run=%s
initrd http://10.0.2.2:8097/initrd.gz
boot
"""
NETWORK = NET + 'ping -q -c 2 10.0.2.2; ' \
    'sed s/^/address:/ /sys/class/net/eth0/address; ' \
    'cd /sys/bus/pci/devices/0000:00:09.0; echo 1 >rom; ' \
    'head -c 2 rom | hexdump -e \'"signature %x\\n"\''


@pytest.mark.guests
def test_network(l1):
    """iPXE boots by each kind of card, in the order of bootindex, then of
    -boot: its scripts print and go back to SeaBIOS, which tries the next; the
    last one starts Linux, which reads the expansion ROM of a card."""
    for path in (BIOS, '/usr/lib/ipxe/qemu/pxe-virtio.rom'):
        if l1.run(f'test -e {path}', check=False)[0]:
            pytest.skip(f'{path} is not installed')
    word = base64.b64encode(NETWORK.encode()).decode()
    for name, text in ('hello', HELLO), ('linux', LINUX % (APPEND, word)):
        code = base64.b64encode(text.encode()).decode()
        l1.run(f'mkdir -p /tmp/tftp; echo {code} | base64 -d >/tmp/tftp/{name}')
    l1.run('httpd -p 127.0.0.1:8097 -h /guest; truncate -s 1M /tmp/blank')
    user = 'user,tftp=/tmp/tftp,bootfile'
    # The lab counts seconds. If its sleep(1) does not end, it stands still as a
    # whole, and the machine in it cannot be judged.
    try:
        status, text = l1.run(
            '(ringway vm -m 192 -drive file=/tmp/blank -boot n -no-reboot '
            f'-netdev {user}=hello,id=a -netdev {user}=hello,id=b '
            f'-netdev {user}=linux,id=c '
            '-device e1000,netdev=a,bootindex=2,addr=9,mac=52:54:00:00:00:0a '
            '-device rtl8139,netdev=b,bootindex=1,mac=52:54:00:00:00:0b '
            '-device virtio-net-pci,netdev=c,mac=52:54:00:00:00:0c '
            '</dev/null & p=$!; for i in $(seq 120); do '
            'kill -0 $p 2>/dev/null || break; sleep 1; done; '
            'kill -9 $p 2>/dev/null && echo HANGS; wait $p)',
            timeout=300, check=False)
    except lab.LabError as e:
        if 'not within' not in str(e):
            raise
        pytest.skip('the lab stood still, its own sleep(1) too')
    text = plain(text)
    assert status == 0, text
    assert re.findall(r'^HELLO (\S+) \S+:(\w+)', text, re.M) == [
        ('rtl8139', '0b'), ('82540em', '0a'), ('virtio-net', '0c')], text
    for words in ('2 packets received', 'address:52:54:00:00:00:0c',
                  'signature aa55'):
        assert words in text, (words, text)


@pytest.mark.guests
@pytest.mark.parametrize('options,words', [
    ('-bios /nowhere/bios.bin',
     'bios /nowhere/bios.bin: there is no such file: Debian\'s package seabios'),
    ('-bios /init', 'bios /init: is no firmware: its size is .* multiple of '
     '64 KiB'),
    ('-bios /tmp', 'bios /tmp: is a directory'),
    ('-boot n -netdev null,id=n -device e1000,netdev=n,romfile=/init',
     'device n.card: romfile=/init: is no expansion ROM: it does not begin'),
    ('-boot n -netdev null,id=n -device virtio-net-pci,netdev=n,romfile=none',
     'device n.card: romfile=none: cannot be read: No such file'),
])
def test_no_firmware(l1, options, words):
    status, text = l1.run(f'ringway vm {options} </dev/null', check=False)
    assert status in (1, 2) and re.search(words, text), text
    assert len(text.strip().splitlines()) == 1, text


@pytest.mark.parametrize('options,words', [
    ([], 'kernel: missing: -kernel FILE names what to boot, or -drive'),
    (['-device', 'virtio-rng-pci'], 'kernel: missing'),
    (['-drive', 'file=x', '-append', 'quiet'], 'append: needs a kernel'),
    (['-drive', 'file=x', '-initrd', 'x'], 'initrd: needs a kernel'),
    (['-bios', 'x', '-initrd', 'x'], 'initrd: needs a kernel'),
    (['-drive', 'file=x', '-machine', 'q35,kernel-irqchip=split'],
     'machine: kernel-irqchip=split: firmware needs'),
    (['-kernel', 'x', '-bios', 'y'], 'bios=y: a kernel is entered without'),
    (['-device', 'virtio-blk-pci,file=x,bootindex=1', '-netdev', 'null,id=n',
      '-device', 'virtio-net-pci,netdev=n,bootindex=1'],
     'device virtio-blk-pci-0: bootindex=1: device n.card has it already'),
    (['-device', 'virtio-rng-pci,bootindex=0', '-device',
      'virtio-blk-pci,file=x,bootindex=0'],
     'device virtio-rng-pci-0 has it already'),
    (['-device', 'virtio-blk-pci,file=x,bootindex=-1'],
     'bootindex=-1: must be'),
])
def test_bad_options(folder, options, words):
    done = subprocess.run([BINARY, 'vm', '--control', f'{folder}/c.sock',
                           *options], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20)
    assert done.returncode in (1, 2) and words in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_plan(folder):
    done = subprocess.run([BINARY, 'vm', '--dry-run', '-drive', 'file=x',
                           '--control', f'{folder}/c.sock'],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and f'bios     {BIOS}' in done.stdout
    assert 'kernel' not in done.stdout


@pytest.mark.parametrize('options', [
    ['-boot', 'n'], ['-boot', 'once=n,menu=on'],
    ['-netdev', 'null,id=n', '-device', 'e1000,netdev=n,bootindex=1'],
    ['-netdev', 'null,id=n', '-device', 'e1000,netdev=n,romfile=x'],
])
def test_network_plan(folder, options):
    """Whoever asks for a boot over the network gets firmware."""
    done = subprocess.run([BINARY, 'vm', '--dry-run', '--control',
                           f'{folder}/c.sock', *options],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and f'bios     {BIOS}' in done.stdout
