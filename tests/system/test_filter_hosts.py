# SPDX-License-Identifier: Apache-2.0
"""TCP of two hosts, with the kernel's large frames, through filters that take
its frames out of their way and put them back."""
import contextlib
import os
import threading

import lab
import pytest
from test_filter_dump import dump, numbers
from test_filter_mirror import connect, redirector, wait_state
from test_tap import iperf, name, namespaces  # noqa: F401

pytestmark = [
    pytest.mark.alone,
    pytest.mark.root,
    pytest.mark.skipif(not os.path.exists('/dev/net/tun'),
                       reason='there is no /dev/net/tun'),
]


@contextlib.contextmanager
def carried(*pairs):
    """Carries the bytes of each pair's first stream to the second."""
    def carry(out, into):
        while data := out.sock.recv(1 << 18):
            into.sock.sendall(data)

    threads = []
    for out, into in pairs:
        out.sock.settimeout(None)
        into.sock.settimeout(None)
        threads.append(threading.Thread(target=carry, args=(out, into),
                                        daemon=True))
        threads[-1].start()
    yield
    for out, _ in pairs:
        out.sock.shutdown(2)  # ends recv()
    for t in threads:
        t.join()


def test_tcp_through_filters(up, folder, namespaces):  # noqa: F811
    ta, tb = name('fa'), name('fb')
    s = up(f'tap,id=a,ifname={ta}', f'tap,id=b,ifname={tb}', extra=[
        '-object', 'filter-buffer,id=f,netdev=b,interval=1000',
        '-object', redirector(folder, ['out', 'in'],
                              ',queue=rx,vnet_hdr_support=on', 'r'),
        '-object', redirector(folder, ['out', 'in'], ',queue=tx', 't'),
        '-object', dump(folder, 'd', 'b', ',maxlen=60')])
    a, b = namespaces.new('fa'), namespaces.new('fb')
    namespaces.take(a, ta, '10.78.0.1/24')
    namespaces.take(b, tb, '10.78.0.2/24')
    s.wait_link('a')
    pairs = [[connect(f'{folder}/{n}.{side}') for side in ('out', 'in')]
             for n in 'rt']
    for n in 'rt':
        wait_state(s, n, 'out', 'connected')
        wait_state(s, n, 'in', 'connected')
    with carried(*pairs):
        namespaces.start(b, 'iperf3', '-s')
        lab.wait_until(lambda: ':5201' in namespaces.run(b, 'ss', '-ltn'), 5,
                       'iperf3 server')
        assert iperf(namespaces, a, '10.78.0.2') > 5e6
        assert iperf(namespaces, a, '10.78.0.2', '-R') > 5e6
    n = {x: numbers(s, x) for x in 'frtd'}
    for x in 'rt':
        assert n[x]['in']['received'] > 500 and n[x]['in']['bad'] == 0
        assert n[x]['out']['sent'] > 300
    assert n['f']['frames'] > 1000 and n['f']['dropped'] == 0
    # The filter next to the host sees each frame once, also those that the
    # tap drops while its interface comes up.

    def is_equal():
        d, port = numbers(s, 'd'), s.stats('b')
        return d['frames'] + d['dropped'] == \
            port['rx_frames'] + port['tx_frames'] + port['tx_drops']

    lab.wait_until(is_equal, 3, 'equal numbers')
