# SPDX-License-Identifier: Apache-2.0
"""user-mode-linux as a front-end without a hypervisor: Ringway serves its
control queue. With one queue pair and with two."""
import hashlib
import os
import socket
import subprocess
import threading

import lab
import pytest

pytestmark = pytest.mark.guests

DATA = os.urandom(1 << 16) * 64  # 4 MiB


@pytest.fixture(scope='module')
def images():
    done = subprocess.run(
        [os.path.join(lab.TOP, 'scripts', 'guest-initrd.sh'), lab.IMAGES,
         'uml'], capture_output=True, text=True)
    if done.returncode or lab.uml_fault():
        pytest.skip(done.stderr.strip() or lab.uml_fault())
    return lab.IMAGES


class Bed:
    def __init__(self, switch, guest, queues, port_in):
        self.switch = switch
        self.guest = guest
        self.queues = queues
        self.port_in = port_in

    def control(self):
        return self.switch.call('port.show', id='vm')['state']['control_queue']

    def wait_control(self, check, what):
        lab.wait_until(lambda: check(self.control()), 5,
                       f'{what}: {self.control()}')


@pytest.fixture(scope='module', params=[1, 2], ids=['one-pair', 'two-pairs'])
def bed(request, images, module_folder, module_up):
    name = f'vm{request.param}'
    port_in = lab.free_port()
    switch = module_up(
        f'vhost-user,id=vm,queues={request.param}',
        f'user,id=nat,hostfwd=tcp:127.0.0.1:{port_in}-:5000', sub=name)
    guest = lab.Uml(name, module_folder,
                    os.path.join(module_folder, name, 'vm.sock'),
                    images=images)
    try:
        guest.wait_boot()
        guest.run('ip link set eth0 up')
        yield Bed(switch, guest, request.param, port_in)
    finally:
        guest.stop()


def test_dhcp_and_ping(bed):
    bed.guest.run('udhcpc -i eth0 -n -q -t 5')
    assert '10.0.2.15' in bed.guest.run('ip addr show eth0')
    assert ' 0% packet loss' in bed.guest.run('ping -c 3 -W 2 10.0.2.2')


def test_tcp_out(bed):
    """The guest fetches from the host."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        def serve():
            with server.accept()[0] as peer:
                peer.sendall(DATA)

        thread = threading.Thread(target=serve)
        thread.start()
        out = bed.guest.run(
            f'nc 10.0.2.2 {server.getsockname()[1]} | md5sum', timeout=30)
        thread.join(5)
    assert hashlib.md5(DATA).hexdigest() in out


def test_tcp_in(bed):
    """The host sends to the guest through a forwarded port."""
    bed.guest.begin('nc -l -p 5000 | md5sum')

    def send():
        # Connections are closed until the guest listens.
        try:
            with socket.create_connection(('127.0.0.1', bed.port_in)) as peer:
                peer.settimeout(10)
                peer.sendall(DATA)
                peer.shutdown(socket.SHUT_WR)
                return peer.recv(1) == b''
        except OSError:
            return False

    lab.wait_until(send, 10, 'a connection to the guest', every=0.2)
    assert hashlib.md5(DATA).hexdigest() in bed.guest.finish(30)


def test_large_frames(bed):
    """The counters have the transfers above; no control command was refused."""
    stats = bed.switch.stats('vm')
    rx, tx = stats['rx'], stats['tx']
    assert sum(q['bytes'] for q in tx) > len(DATA)
    assert sum(q['bytes'] for q in rx) / sum(q['frames'] for q in rx) > 50
    assert bed.control()['refused'] == 0


def test_control_address_and_modes(bed):
    """Control commands of the driver take effect and are shown."""
    mac = bed.guest.run('cat /sys/class/net/eth0/address').strip()
    assert bed.control()['mac'] == mac
    assert 'promiscuous' not in bed.control()
    bed.guest.run('ip link set eth0 promisc on')
    bed.wait_control(lambda c: c.get('promiscuous'), 'promiscuous')
    bed.guest.run('ip link set eth0 promisc off')
    bed.wait_control(lambda c: 'promiscuous' not in c, 'not promiscuous')
    bed.guest.run('ifconfig eth0 allmulti')
    bed.wait_control(lambda c: c.get('all_multicast'), 'all multicast')
    bed.guest.run('ifconfig eth0 -allmulti')
    bed.wait_control(lambda c: 'all_multicast' not in c, 'not all multicast')
    bed.guest.run('ip link set eth0 address 02:12:34:56:78:9a')
    bed.wait_control(lambda c: c['mac'] == '02:12:34:56:78:9a', 'address')
    # The filter passes frames to the new address.
    assert ' 0% packet loss' in bed.guest.run('ping -c 2 -W 2 10.0.2.2')


def test_control_queues(bed):
    """MQ is negotiated with one pair and with two, and the driver uses the
    first: it reads the number of pairs from the configuration space, which
    user-mode-linux requests from the back-end, and the back-end does not offer.
    """
    assert bed.control()['pairs'] == 1
    state = bed.switch.call('port.show', id='vm')['state']
    assert state['queue_pairs'] == bed.queues
    assert 'MQ' in state['features']
    assert len(bed.switch.stats('vm')['tx']) == bed.queues
    assert sum(q['frames'] for q in bed.switch.stats('vm')['tx'][1:]) == 0


def test_unplug(bed):
    """The process ends in the middle of a transfer; the port is ready for the
    next front-end."""
    bed.guest.begin('ping -c 100 -i 0.01 10.0.2.2')
    bed.guest.kill()
    bed.switch.wait_link('vm', up=False)
    assert 'control_queue' not in bed.switch.call('port.show',
                                                  id='vm')['state']
