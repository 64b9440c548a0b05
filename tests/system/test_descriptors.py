# SPDX-License-Identifier: Apache-2.0
"""A daemon that has no descriptors left for its control socket."""
import json
import os
import resource
import socket
import time

import lab
import pytest


def leave_room(s, n):
    """Lets the daemon open @n more descriptors."""
    highest = max(int(f) for f in os.listdir(f'/proc/{s.pid}/fd'))
    soft, hard = resource.prlimit(s.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, (highest + 1 + n, hard))
    return soft, hard


def connect(s):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(s.control)
    return sock


def test_accepting_rests_and_says_so_once(up, eventually):
    s = up('null,id=n')
    limits = leave_room(s, 2)

    def count(text):
        return s.log_text().count(text)
    for _ in range(2):
        before = count('cannot accept')
        crowd = [connect(s) for _ in range(5)]
        eventually(lambda: count('cannot accept') == before + 1)
        ticks = s.cpu_ticks()
        time.sleep(1)           # enough for ten attempts
        assert s.cpu_ticks() - ticks < 10
        assert count('cannot accept') == before + 1
        assert 'accepts again' not in s.log_text().split('cannot accept')[-1]
        s.call('version')       # an open connection is served
        for sock in crowd:
            sock.close()
        late = lab.Rpc(s.control)
        late.call('version')    # a waiting client too, once there is room
        late.close()
        # Once, or twice if it tried between two of the closes above.
        eventually(lambda: count('accepts again, after') ==
                   count('cannot accept') <= before + 2)
        eventually(lambda: len(os.listdir(f'/proc/{s.pid}/fd')) <
                   resource.prlimit(s.pid, resource.RLIMIT_NOFILE)[0])
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, limits)


def test_a_port_and_a_capture_without_descriptors(up):
    s = up('null,id=n')
    s.call('version')
    for room in (0, 1):
        limits = leave_room(s, room)
        with pytest.raises(lab.RpcError, match='cannot start user networking: '
                           'Too many open files'):
            s.call('port.add', netdev='user,id=u')
        resource.prlimit(s.pid, resource.RLIMIT_NOFILE, limits)
    rpc = lab.Rpc(s.control)
    rpc.call('version')
    limits = leave_room(s, 1)   # for the one that comes along
    assert start_capture(s, rpc, 1)['error']['message'] == \
        'cannot start the capture: Too many open files'
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, limits)
    s.call('port.add', netdev='user,id=u')


def test_one_client_too_many_is_told(up):
    s = up('null,id=n')
    s.call('version')
    crowd = [connect(s) for _ in range(255)]
    told = 'there are 256 control connections, as many as may be: close one'
    for args in (['show'], ['capture', 'n', '-w', os.devnull]):
        for _ in range(5):      # the daemon may close before or after we write
            done = s.command(*args, check=False)
            assert done.returncode == 1 and told in done.stderr
    late = connect(s)
    reply = json.loads(late.makefile().readline())
    assert reply['id'] is None and reply['error']['message'] == told
    assert reply['error']['data']['errno'] == 'EUSERS'
    assert f'control: a connection was refused: {told}' in s.log_text()
    for sock in (late, *crowd):
        sock.close()

    def is_served():        # the daemon sees the ends of the others in its time
        return 'result' in json.loads(lab.Rpc(s.control).raw(
            b'{"jsonrpc":"2.0","id":1,"method":"version"}\n'))
    lab.wait_until(is_served, 5, 'room for a client')


def start_capture(s, rpc, count):
    """Asks for a capture with @count descriptors; returns the reply."""
    request = {'jsonrpc': '2.0', 'id': 1, 'method': 'capture.start',
               'params': {'id': 'n'}}
    read, write = os.pipe()
    socket.send_fds(rpc.sock, [json.dumps(request).encode() + b'\n'],
                    [write] * count)
    os.close(write)
    os.close(read)
    return json.loads(rpc.raw(b''))


@pytest.mark.parametrize('room,count', [(0, 1), (50, 9)])
def test_a_lost_descriptor_is_told(up, room, count):
    s = up('null,id=n')
    before = len(os.listdir(f'/proc/{s.pid}/fd'))
    rpc = lab.Rpc(s.control)
    rpc.call('version')
    limits = leave_room(s, room)
    error = start_capture(s, rpc, count).get('error')
    if count == 1:
        assert error['data']['errno'] == 'EMFILE'
        assert 'RLIMIT_NOFILE' in error['message']
    else:
        assert error is None    # takes the first, closes the others
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, limits)
    rpc.close()
    lab.wait_until(lambda: len(os.listdir(f'/proc/{s.pid}/fd')) <= before, 5,
                   'nothing is left open')
