# SPDX-License-Identifier: Apache-2.0
"""Captures whose file cannot take all frames: the file has whole packets, the
client gets the reason, and the daemon goes on."""
import json
import os
import socket
import struct
import subprocess

import lab
import pytest
from conftest import BINARY
from frames import BROADCAST, ether


def packets(path):
    """Returns the captured size of each packet; asserts that the file ends
    with a whole packet."""
    with open(path, 'rb') as f:
        data = f.read()
    sizes, at = [], 24
    assert len(data) == 0 or len(data) >= at
    while at < len(data):
        assert len(data) - at >= 16, 'cut in the header of a packet'
        kept = struct.unpack_from('<I', data, at + 8)[0]
        at += 16 + kept
        assert at <= len(data), 'cut in a packet'
        sizes.append(kept)
    return sizes


def capture(s, front, where, *args, prefix=(), size=1000):
    """Sends frames while a capture runs, until the capture ends by itself."""
    process = subprocess.Popen(
        [*prefix, BINARY, 'capture', 'a', '-w', where, *args, '--control',
         s.control], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    lab.wait_until(lambda: process.poll() is not None or
                   s.call('port.show', id='a')['captured'], 5, 'capture')
    for i in range(500):
        if process.poll() is not None:
            break
        front.send(ether(1, BROADCAST, size + i))
    process.stdout_text, process.stderr_text = process.communicate(timeout=10)
    # The daemon forwards and captures as before.
    assert not s.call('port.show', id='a')['captured']
    good = subprocess.Popen(
        [BINARY, 'capture', 'a', '-w', f'{s.folder}/good.pcap', '-c', '1',
         '--control', s.control], stderr=subprocess.DEVNULL)
    lab.wait_until(lambda: s.call('port.show', id='a')['captured'], 5,
                   'the next capture')
    front.send(ether(1, BROADCAST, 77))
    assert good.wait(5) == 0
    assert packets(f'{s.folder}/good.pcap') == [77]
    return process


def start(up, **options):
    s = up('vhost-user,id=a', 'null,id=n', **options)
    return s, s.front('a')


def check(done, reason, count):
    assert done.returncode == 1, done.stderr_text
    assert reason in done.stderr_text
    assert f' {count} frames' in done.stderr_text
    assert len(done.stderr_text.splitlines()) == 1


@pytest.mark.parametrize('size', [60, 1000, 9000])
def test_a_file_that_may_not_grow(up, size):
    """A limit of the file's size has the effect of a full disk without root: it
    shortens a write, and the next one fails and raises SIGXFSZ, which would end
    a process that does not ignore it."""
    limit = 100000
    s, front = start(up, prefix=['prlimit', f'--fsize={limit}'])
    path = f'{s.folder}/x.pcap'
    done = capture(s, front, path, size=size)
    kept = packets(path)
    check(done, 'File too large', len(kept))
    # The file has as many packets as fit below the limit.
    assert 24 + sum(kept) + 16 * len(kept) <= limit
    assert kept[:3] == [size, size + 1, size + 2]
    assert 24 + sum(kept) + 16 * (len(kept) + 1) + kept[-1] + 1 > limit


def test_a_file_that_is_appended_to(up):
    s, front = start(up, prefix=['prlimit', '--fsize=100000'])
    path = f'{s.folder}/x.pcap'
    with open(path, 'wb') as f:
        f.write(b'before')
    done = capture(s, front, '-',
                   prefix=['sh', '-c', f'exec "$@" >>{path}', 'sh'])
    with open(path, 'rb') as f:
        assert f.read(6) == b'before'
        rest = f.read()
    with open(path, 'wb') as f:
        f.write(rest)
    check(done, 'File too large', len(packets(path)))


@pytest.mark.root
@pytest.mark.parametrize('size', ['4k', '200k'])
def test_a_full_disk(up, size):
    s, front = start(up)
    mount = f'{s.folder}/disk'
    os.mkdir(mount)
    # The mount ends with the process, which has its own mount namespace.
    done = capture(
        s, front, f'{mount}/x.pcap', prefix=[
            'unshare', '-m', 'sh', '-c',
            f'mount -t tmpfs -o size={size} none {mount} && "$@"; code=$?; '
            f'cp {mount}/x.pcap {s.folder}/x.pcap && exit $code', 'sh'])
    kept = packets(f'{s.folder}/x.pcap')
    check(done, 'No space left on device', len(kept))
    assert len(kept) >= (3 if size == '4k' else 100)


def test_dev_full(up):
    s, front = start(up)
    for _ in range(5):  # the end may arrive together with the first reply
        check(capture(s, front, '/dev/full'), 'No space left on device', 0)
    done = capture(s, front, '/dev/full', '--json')
    assert done.returncode == 1
    reply = json.loads(done.stdout_text)
    assert reply['frames'] == 0 and reply['error'] == 'ENOSPC'
    assert reply['reason'] == 'No space left on device'
    assert 'No space left' in done.stderr_text


def start_into(s, fd):
    """Returns a connection that asked for a capture into @fd."""
    rpc = lab.Rpc(s.control)
    request = {'jsonrpc': '2.0', 'id': 1, 'method': 'capture.start',
               'params': {'id': 'a'}}
    socket.send_fds(rpc.sock, [json.dumps(request).encode() + b'\n'], [fd])
    return rpc


def test_writing_fails(up):
    """Such a descriptor can come from another client than our command; the
    notification has the reason."""
    s, _ = start(up)
    with open('/dev/full', 'wb') as f:
        rpc = start_into(s, f.fileno())
    messages = [json.loads(rpc.raw(b'')), json.loads(rpc.raw(b''))]
    ended = [m['params'] for m in messages if 'method' in m]
    assert ended[0]['error'] == 'ENOSPC' and ended[0]['frames'] == 0


def test_a_descriptor_that_is_not_for_writing(up):
    s, _ = start(up)
    read, write = os.pipe()
    with open('/dev/null', 'rb') as f:
        for fd in (f.fileno(), read):
            reply = json.loads(start_into(s, fd).raw(b''))
            assert 'is not open for writing' in reply['error']['message']
    os.close(read)
    os.close(write)
