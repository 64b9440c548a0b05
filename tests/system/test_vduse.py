# SPDX-License-Identifier: Apache-2.0
"""The vduse port: the kernel's own virtio-net (driver virtio_vdpa) on a VDUSE
device, in one network namespace, and a tap port in another. Needs a kernel with
the modules vduse and virtio_vdpa."""
import glob
import json
import os
import signal
import subprocess
import time

import lab
import pytest
from conftest import BINARY, Switch
from test_tap import iperf, name, namespaces, sh  # noqa: F401

MAC = '52:54:00:00:00:07'


def missing():
    for module in ('vduse', 'virtio_vdpa'):
        subprocess.run(['modprobe', '-q', module], check=False,
                       capture_output=True)
    if not os.path.exists('/dev/vduse/control'):
        return 'no /dev/vduse/control here: modprobe vduse'
    if not os.path.exists('/sys/bus/vdpa/drivers/virtio_vdpa'):
        return 'no driver virtio_vdpa here'
    return None


WHY_NOT = missing() if os.geteuid() == 0 and os.path.exists('/sbin/modprobe') \
    else 'needs root and modprobe'
pytestmark = [pytest.mark.root,
              pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]


def on_bus(device):
    return os.path.exists(f'/sys/bus/vdpa/devices/{device}')


def is_there(device):
    return on_bus(device) or os.path.exists(f'/dev/vduse/{device}')


def show(s, port='v'):
    return s.call('port.show', id=port)['state']


def write(path, text):
    with open(path, 'w') as f:
        f.write(text)


def fds(s):
    where = f'/proc/{s.pid}/fd'
    return sorted(os.readlink(f'{where}/{fd}') for fd in os.listdir(where))


def interface(device):
    """Waits for the kernel's interface on the device."""
    pattern = f'/sys/bus/vdpa/devices/{device}/virtio*/net/*'
    return os.path.basename(lab.wait_until(lambda: glob.glob(pattern), 5,
                                           f'interface of {device}')[0])


def ping(namespaces, ns, address, count=2):
    namespaces.run(ns, 'busybox', 'ping', '-c', str(count), '-W', '2', address)


class Wire:
    """A vduse port and a tap port, each end in a namespace with an address."""

    def __init__(self, s, namespaces, device, tap):
        self.s, self.ns = s, namespaces
        self.a, self.b = namespaces.new('va'), namespaces.new('vb')
        self.tap = tap
        namespaces.take(self.b, tap, '10.78.0.2/24', 'fd78::2/64')
        self.plug(device)

    def plug(self, device):
        self.link = interface(device)
        self.ns.take(self.a, self.link, '10.78.0.1/24', 'fd78::1/64')
        self.s.wait_link('v')

    def ping(self, count=2):
        ping(self.ns, self.a, '10.78.0.2', count)
        ping(self.ns, self.b, '10.78.0.1', count)


@pytest.fixture
def device():
    d = name('vd')
    yield d
    assert not is_there(d), 'the device stayed'


@pytest.fixture
def wire(up, namespaces, device):
    tap = name('vt')
    s = up(f'vduse,id=v,name={device},mac={MAC}', f'tap,id=t,ifname={tap}')
    yield Wire(s, namespaces, device, tap)
    s.stop()


def test_ping_and_tcp(wire):
    wire.ping()
    state = show(wire.s)
    assert state['state'] == 'in use'
    assert state['driver'] == 'virtio_vdpa'
    link = json.loads(sh('ip', '-n', wire.a, '-j', 'link', 'show',
                         wire.link))[0]
    assert link['address'] == MAC
    wire.ns.start(wire.b, 'iperf3', '-s')
    lab.wait_until(lambda: ':5201' in wire.ns.run(wire.b, 'ss', '-ltn'), 10,
                   'iperf3 server')
    before = wire.s.stats('v')
    out = iperf(wire.ns, wire.a, '10.78.0.2')
    back = iperf(wire.ns, wire.a, 'fd78::2', '-R')
    after = wire.s.stats('v')
    print(f'{out / 1e6:.0f} Mbit/s out, {back / 1e6:.0f} back')
    assert out > 5e6 and back > 5e6
    size = (after['rx_bytes'] - before['rx_bytes']) / \
        (after['rx_frames'] - before['rx_frames'])
    assert size > 1000, 'no large frames: offloads are not in use'


def test_add_and_delete_again(up, namespaces, device):
    tap = name('vt')
    s = up(f'tap,id=t,ifname={tap}')
    a, b = namespaces.new('va'), namespaces.new('vb')
    namespaces.take(b, tap, '10.78.0.2/24')
    for i in range(4):
        s.command('port', 'add', f'vduse,id=v,name={device},mtu={1400 + i}')
        link = interface(device)
        with open(f'/sys/class/net/{link}/mtu') as f:
            assert int(f.read()) == 1400 + i
        namespaces.take(a, link, '10.78.0.1/24')
        s.wait_link('v')
        ping(namespaces, a, '10.78.0.2', 1)
        s.command('port', 'del', 'v')
        assert not is_there(device)
    before = fds(s)
    s.command('port', 'add', f'vduse,id=v,name={device}')
    s.command('port', 'del', 'v')  # while the device joins the bus
    assert not is_there(device)
    lab.wait_until(lambda: len(fds(s)) <= len(before), 2,
                   f'{before} {fds(s)}')


def test_start_after_kill(up, namespaces, folder, device):
    netdevs = (f'vduse,id=v,name={device}', f'tap,id=t,ifname={name("vt")}')
    killed = Switch(BINARY, f'{folder}/killed', netdevs)
    interface(device)
    killed.stop(signal.SIGKILL)
    assert on_bus(device), 'nothing was left to clear away'
    s = up(*netdevs)
    assert 'that an ended program left' in s.log_text()
    wire = Wire(s, namespaces, device, name('vt'))
    wire.ping()
    s.stop()


def test_name_in_use(up, device):
    s = up(f'vduse,id=v,name={device}')
    done = s.command('port', 'add', f'vduse,id=w,name={device}', check=False)
    assert done.returncode == 1
    assert 'another program has this VDUSE device open' in done.stderr
    assert show(s)['state'] in ('in use', 'joining the vDPA bus')
    s.stop()


def test_vdpa_dev_del_under_traffic(wire, device):
    """Somebody else takes the device off the bus, and puts it back."""
    flood = wire.ns.start(wire.a, 'busybox', 'ping', '-qA',
                          '10.78.0.2')
    time.sleep(0.3)
    assert flood.poll() is None
    wire.ping(1)
    sh('vdpa', 'dev', 'del', device, timeout=10)
    wire.s.wait_link('v', up=False)
    state = lab.wait_until(
        lambda: 'reason' in show(wire.s) and show(wire.s), 5, 'a reason')
    assert state['state'] == 'not on the vDPA bus'
    assert f'vdpa dev add name {device} mgmtdev vduse' in state['reason']
    sh('vdpa', 'dev', 'add', 'name', device, 'mgmtdev', 'vduse', timeout=10)
    wire.plug(device)
    wire.ping()
    assert 'reason' not in show(wire.s)


def test_other_namespace(namespaces, folder, device):
    """The kernel has its vDPA bus in the first network namespace only: a
    person adds the device."""
    ns = namespaces.new('vc')
    s = Switch(BINARY, f'{folder}/s', [f'vduse,id=v,name={device}'],
               prefix=['ip', 'netns', 'exec', ns])
    try:
        state = lab.wait_until(
            lambda: 'reason' in show(s) and show(s), 5, 'a reason')
        assert f'vdpa dev add name {device} mgmtdev vduse' in state['reason']
        sh('vdpa', 'dev', 'add', 'name', device, 'mgmtdev', 'vduse',
           timeout=10)
        interface(device)
        s.wait_link('v')
        sh('vdpa', 'dev', 'del', device, timeout=10)
    finally:
        s.stop()


def test_link_down_and_up(wire):
    """The driver resets nothing here, but gives and takes all buffers."""
    for _ in range(3):
        sh('ip', '-n', wire.a, 'link', 'set', wire.link, 'down')
        sh('ip', '-n', wire.a, 'link', 'set', wire.link, 'up')
        wire.ping(1)


def test_vhost_vdpa(up, device):
    """With the driver vhost_vdpa a guest's program has the device; while it has
    it open, the kernel would wait for it in `vdpa dev del`."""
    if subprocess.run(['modprobe', '-q', 'vhost_vdpa']).returncode:
        pytest.skip('no driver vhost_vdpa here')
    s = up(f'vduse,id=v,name={device}', 'null,id=n')
    interface(device)
    bus = '/sys/bus/vdpa'
    write(f'{bus}/drivers/virtio_vdpa/unbind', device)
    s.wait_link('v', up=False)
    assert show(s)['state'] == 'no driver'
    write(f'{bus}/devices/{device}/driver_override', 'vhost_vdpa')
    write(f'{bus}/drivers/vhost_vdpa/bind', device)
    assert show(s)['driver'] == 'vhost_vdpa'
    assert show(s)['state'] == 'waits for its driver'
    node = glob.glob(f'{bus}/devices/{device}/vhost-vdpa-*')[0]
    with open(f'/dev/{os.path.basename(node)}', 'r+b', buffering=0):
        s.command('port', 'del', 'v')
        assert 'has its /dev/vhost-vdpa-N open' in s.log_text()
        assert on_bus(device)
        # Nobody answers the reset that comes when the file is closed.
        write(f'/sys/class/vduse/{device}/msg_timeout', '1')
        s.command('port', 'add', f'vduse,id=v,name={device}')
        state = lab.wait_until(
            lambda: show(s)['state'] == 'failed' and show(s), 5, 'a failure')
        assert 'end the guest' in state['reason']
        s.command('port', 'del', 'v')
    s.command('port', 'add', f'vduse,id=v,name={device}')
    lab.wait_until(lambda: s.link('v'), 5, 'link')
    s.stop()


def test_without_rights(device):
    done = subprocess.run(
        ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', BINARY,
         'up', '--control', f'/tmp/{device}.sock', '-netdev',
         f'vduse,id=v,name={device}'],
        capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert 'no right to use /dev/vduse/control: run as root' in done.stderr


def test_bad_options(up):
    s = up('null,id=n')
    for options, text in [
            ('name=a/b', 'must have letters'),
            ('name=control', 'not be "control"'),
            ('name=x,queue-size=100', 'must be a power of two'),
            ('name=x,mac=01:00:00:00:00:01', 'address of one interface')]:
        done = s.command('port', 'add', f'vduse,id=v,{options}', check=False)
        assert done.returncode != 0 and text in done.stderr
    s.stop()
