# SPDX-License-Identifier: Apache-2.0
"""The devices of `ringway vm` besides the network card: disks, sockets.

The machines run in a guest of their own, see vm_lab.py.
"""
import base64
import re

import lab
import pytest
from test_vm import vm
from vm_lab import APPEND, KERNEL, number

VSOCK = '-device vhost-vsock-pci,guest-cid='


def background(l1, name, script, options):
    """Starts a machine that runs @script."""
    word = base64.b64encode(script.encode()).decode()
    l1.run(f'XDG_RUNTIME_DIR=/tmp ringway vm -name {name} -m 192 {KERNEL} '
           f'-append "{APPEND} rw.run={word}" {options} </dev/null '
           f'>/tmp/{name}.log 2>&1 & echo $! >/tmp/{name}.pid')


def says(l1, name, word):
    return number(l1.run(f'grep -c "{word}" /tmp/{name}.log', check=False)[1])


def await_word(l1, name, word, what):
    """Seldom asks: the machine has its processor from the same one."""
    try:
        lab.wait_until(lambda: says(l1, name, word), 240, what, every=1)
    except lab.LabError as e:
        log = l1.run(f'tail -c 1500 /tmp/{name}.log; echo; ps', check=False)
        raise AssertionError(f'{e}: {log[1]}') from e


# A guest that calls the host and resets the machine once.
CALL = 'answer=$(echo from guest | vsock-peer 2 {}); ' \
    'echo "answer $answer"; [ "$answer" != again ] || reboot -f'


def listen(l1, port):
    """Answers two calls of a guest."""
    l1.run('rm -f /tmp/heard; (for answer in again done; do echo $answer | '
           f'vsock-peer -l {port} >>/tmp/heard; done) >/dev/null 2>&1 &')


@pytest.mark.guests
def test_vsock(l1):
    """Host and guest connect to each other, also after a reset of the guest;
    who moves the bytes is shown."""
    l1.run('head -c 1000000 /dev/urandom >/tmp/data')
    want = l1.run('md5sum </tmp/data').split()[0]
    listen(l1, 1000)
    background(l1, 'sock', 'vsock-peer -c; ' + CALL.format(1000) +
               '; vsock-peer -l 1001 </tmp/run | md5sum; '
               'grep virtio0 /proc/interrupts; sleep 1000',
               VSOCK + '77')
    try:
        await_word(l1, 'sock', 'answer done', 'a second boot')
        assert says(l1, 'sock', 'answer again') == 1
        assert says(l1, 'sock', '^77') == 2
        assert l1.run('grep -c "from guest" /tmp/heard').strip() == '2'
        back = l1.run('vsock-peer 77 1001 </tmp/data; echo')
        assert 'vsock-peer 2 1000' in back, back
        await_word(l1, 'sock', 'MSI.*virtio0-tx', 'interrupts')
        assert says(l1, 'sock', want) == 1
        for what in ('show', 'explain'):
            text = l1.run(f'XDG_RUNTIME_DIR=/tmp ringway vm {what} '
                          '--name sock')
            assert "the kernel's vhost-vsock" in text, text
        assert l1.run('vsock-peer -c', check=False)[0] == 0
    finally:
        l1.run('kill $(cat /tmp/sock.pid)')


@pytest.mark.guests
def test_vsock_id_in_use(l1):
    """A context id belongs to one machine, and is free after its SIGKILL."""
    background(l1, 'one', 'echo ready; sleep 1000', VSOCK + '78')
    second = f'timeout -s INT 10 ringway vm -name two -m 192 {KERNEL} ' \
        f'{VSOCK}78 -serial file:/tmp/two.serial </dev/null'
    await_word(l1, 'one', 'ready', 'a boot')
    status, text = l1.run(second, check=False)
    assert status == 1 and 'guest-cid=78: another machine' in text, text
    l1.run('kill -9 $(cat /tmp/one.pid); sleep 1')
    background(l1, 'two', 'echo ready; poweroff -f', VSOCK + '78')
    await_word(l1, 'two', 'ready', 'a second boot')


@pytest.mark.guests
def test_vsock_passed(l1):
    """A descriptor that was passed serves after a reset, too."""
    listen(l1, 1002)
    text, status = l1.boot(CALL.format(1002), VSOCK + '79,vhostfd=9 9<>/dev/vhost-vsock',
                           net='', timeout=240)
    assert status == 0 and 'answer again' in text, text
    assert 'answer done' in text, text


@pytest.mark.guests
def test_vsock_is_not_there(l1):
    l1.run('mv /dev/vhost-vsock /dev/away')
    try:
        status, text = l1.run(f'ringway vm {KERNEL} {VSOCK}5 </dev/null',
                              check=False)
        assert status == 1 and 'modprobe vhost_vsock' in text, text
    finally:
        l1.run('mv /dev/away /dev/vhost-vsock')
    status, text = l1.run(f'ringway vm {KERNEL} {VSOCK}5,vhostfd=9 '
                          '9</dev/null </dev/null', check=False)
    assert status == 1 and 'vhostfd: must be an open' in text, text


@pytest.mark.guests
def test_disk_of_a_full_host(l1):
    """A host without room: the guest sees an error, the log has a line, and
    the disk goes on."""
    l1.run('mkdir -p /tmp/small; mount -t tmpfs -o size=1m small /tmp/small; '
           'dd if=/dev/zero of=/tmp/small/disk bs=512 seek=8191 count=1 '
           '2>/dev/null')
    try:
        text, status = l1.boot(
            'dd if=/dev/zero of=/dev/vda bs=4096 count=512 conv=fsync 2>&1; '
            'dd if=/dev/vda of=/dev/null bs=4096 count=1 2>&1 && echo alive',
            '-drive file=/tmp/small/disk,serial=full', net='', timeout=240)
    finally:
        l1.run('umount /tmp/small')
    assert status == 0 and 'alive' in text, text
    assert 'fsync' in text.lower() or 'I/O error' in text, text
    said = [x for x in text.splitlines() if 'No space left' in x]
    assert 1 <= len(said) <= 6 and 'virtio-blk-pci-0: write at' in said[0], text


@pytest.mark.guests
@pytest.mark.parametrize('cache,mode', [
    ('writethrough', 'write through'), ('unsafe', 'write back')])
def test_disk_caches(l1, cache, mode):
    """The guest is told whether it has to ask for a flush; discards make
    holes; a disk of large blocks is one."""
    l1.run('dd if=/dev/urandom of=/tmp/disk bs=1M count=4 2>/dev/null')
    before = number(l1.run('stat -c %b /tmp/disk'))
    text, status = l1.boot(
        'cat /sys/block/vda/queue/write_cache; '
        'cat /sys/block/vda/queue/logical_block_size; '
        'blkdiscard -o 1048576 -l 1048576 /dev/vda && echo discarded; '
        'dd if=/dev/vda bs=4096 skip=256 count=256 2>/dev/null | '
        "tr -d '\\0' | wc -c; dd if=/dev/zero of=/dev/vda bs=4096 count=16 "
        'conv=fsync && echo written',
        f'-drive file=/tmp/disk,if=none,id=d,cache={cache},discard=unmap '
        '-device virtio-blk-pci,drive=d,logical_block_size=4096', net='',
        timeout=240)
    assert status == 0 and mode in text and '4096' in text, text
    assert 'written' in text, text
    if 'discarded' in text:  # this busybox has the program
        assert number(l1.run('stat -c %b /tmp/disk')) < before


@pytest.mark.parametrize('options,words', [
    (['-device', 'vhost-vsock-pci'], 'guest-cid=N is missing'),
    (['-device', 'vhost-vsock-pci,guest-cid=2'], 'guest-cid=2: must be'),
    (['-device', 'vhost-vsock-pci,guest-cid=4294967295'],
     'guest-cid=4294967295: must be'),
    (['-drive', 'file=x,cache=wt'],
     'cache=wt: must be one of: writeback, writethrough, none'),
    (['-drive', 'file=x,aio=native'], 'aio=native: must be one of: threads'),
    (['-device', 'virtio-serial-pci'],
     "no type 'virtio-serial-pci': a console needs no bus: -device virtio-con"),
    (['-device', 'virtconsole,chardev=c'], '-device virtio-console,path='),
    (['-device', 'scsi-hd,drive=d'], 'a disk is -drive file=FILE'),
    (['-drive', 'file=x,media=disk'], 'media'),
    (['-drive', 'file=x,if=ide'], 'if=ide: must be one of: virtio, none'),
    (['-device', 'virtio-rng-pci,addr=4', '-device',
      'virtio-rng-pci,addr=4', '--dry-run'],
     'device virtio-rng-pci-1: addr=4: virtio-rng-pci-0 has this slot'),
    (['-device', 'virtio-rng-pci,addr=20', '--dry-run'],
     'addr=20: must be a slot'),
    (['-device', 'virtio-rng-pci,addr=0', '--dry-run'],
     'addr=0: the host bridge has this slot'),
    (['-device', 'virtio-rng-pci'] * 32 + ['--dry-run'],
     'no PCI slot is free: there are 31'),
])
def test_bad_options(folder, options, words):
    done = vm(folder, '-kernel', 'x', *options)
    assert done.returncode in (1, 2) and words in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize('options,words', [
    (['-drive', 'help'], ['cache=', 'discard=', 'readonly=']),
    (['-m', 'help'], ['MiB']), (['-smp', 'help'], ['vCPUs']),
    (['-serial', 'help'], ['stdio']),
    (['-device', 'vhost-vsock-pci,help'], ['guest-cid=']),
    (['-device', 'virtio-blk-pci,help'], ['logical_block_size=', 'cache=']),
])
def test_help(folder, options, words):
    """Help does not ask for a kernel."""
    done = vm(folder, *options)
    assert done.returncode == 0 and not done.stderr, done.stderr
    for word in words:
        assert word in done.stdout, done.stdout


def test_plan(folder):
    """What no device uses is said, and what a start would not find."""
    with open(f'{folder}/disk', 'wb') as f:
        f.truncate(1 << 20)
    with open(f'{folder}/odd', 'wb') as f:
        f.truncate(1000)
    done = vm(folder, '-kernel', f'{folder}/disk', '-initrd', '/nowhere/i',
              '-netdev', 'null,id=n', '-netdev', 'null,id=a,net=lan',
              '-netdev', 'null,id=b,net=lan', '-device',
              'virtio-net-pci,netdev=a', '-drive',
              f'file={folder}/disk,if=none,id=d', '-drive',
              f'file={folder}/disk', '-drive', f'file={folder}/odd',
              '--dry-run')
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert len(said) == 2, done.stderr
    assert 'netdev n: no device uses it' in said[0], done.stderr
    assert 'drive d: no device uses it' in said[1], done.stderr
    assert '/nowhere/i: No such file' in done.stdout, done.stdout
    assert re.search(r'virtio-blk-pci-0 .*ready', done.stdout), done.stdout
    assert 'truncate -s %512' in done.stdout, done.stdout
