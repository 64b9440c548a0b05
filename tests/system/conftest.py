# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the system tests: a folder, daemons in it that must end cleanly,
and front-ends and peers, which always end with the test.

RINGWAY is the binary to test (default build/ringway). Logs of a failed test
are kept below RINGWAY_TEST_LOGS (default build-check/system).
"""
import glob
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, 'scripts'), HERE]

import lab  # noqa: E402
import vm_lab  # noqa: E402
import vufront  # noqa: E402
from testpmd import Testpmd  # noqa: E402

BINARY = os.path.abspath(os.environ.get(
    'RINGWAY', os.path.join(TOP, 'build', 'ringway')))
LOGS = os.environ.get('RINGWAY_TEST_LOGS',
                      os.path.join(TOP, 'build-check', 'system'))


def pytest_configure(config):
    config.addinivalue_line('markers', 'root: needs root')
    config.addinivalue_line('markers', 'guests: boots guests')
    config.addinivalue_line('markers', 'measures: time or memory, which '
                            'sanitizers change')
    config.addinivalue_line('markers', 'alone: works only while nothing else '
                            'keeps the processors busy')
    config.addinivalue_line('markers', 'shares: a front-end passes buffers from '
                            'one worker to another; TSan does not see the '
                            'order that this makes')


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            if item.get_closest_marker('root'):
                item.add_marker(pytest.mark.skip(reason='needs root'))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.has_failed = True
        for parent in item.listchain():
            parent.has_failed = True


def keep_logs(folder, name):
    where = os.path.join(LOGS, name)
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where)
    for pattern in ('*.log', '*.console', '*.qemu', '*.pcap'):
        for path in glob.glob(os.path.join(folder, pattern)):
            shutil.copy(path, where)


def make_folder(request):
    # pytest's tmp_path is too long: a UNIX socket's path has at most 107 bytes.
    path = tempfile.mkdtemp(prefix='rw.')
    yield path
    if getattr(request.node, 'has_failed', False):
        name = request.node.name.replace('/', '-').strip('.py')
        keep_logs(path, name or 'session')
    shutil.rmtree(path, ignore_errors=True)


folder = pytest.fixture(make_folder)
module_folder = pytest.fixture(scope='module')(make_folder)


class Switch(lab.Daemon):
    """A daemon with the queries that the tests need."""

    def front(self, port, **options):
        """Returns a Python front-end that is connected to the port."""
        front = vufront.Front(os.path.join(self.folder, port + '.sock'),
                              **options)
        self.wait_link(port)
        return front

    def stats(self, port):
        for p in self.call('stats', id=port)['ports']:
            if p['id'] == port:
                return p
        raise KeyError(port)

    def drops(self, port):
        """Returns the frames that were dropped on the way out at the port."""
        return self.stats(port)['tx_drops']

    def link(self, port):
        for p in self.call('port.list')['ports']:
            if p['id'] == port:
                return p['link']
        raise KeyError(port)

    def wait_link(self, port, up=True, timeout=5):
        lab.wait_until(lambda: self.link(port) == up, timeout,
                       f'link of {port} {"up" if up else "down"}')

    def macs(self):
        """Returns {(network, address): port}."""
        return {(m['net'], m['mac']): m['port']
                for m in self.call('mac.list')['macs']}

    def log_text(self):
        with open(self.log, errors='replace') as f:
            return f.read()

    def wakeups(self):
        """Returns the context switches of all threads, voluntary or not."""
        n = 0
        for t in self.threads():
            with open(f'/proc/{self.pid}/task/{t}/status') as f:
                n += sum(int(line.split()[1]) for line in f
                         if 'ctxt_switches' in line)
        return n

    def cpu_ticks(self):
        with open(f'/proc/{self.pid}/stat') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def children(self):
        pids = []
        for t in self.threads():
            try:
                with open(f'/proc/{self.pid}/task/{t}/children') as f:
                    pids += f.read().split()
            except OSError:
                pass
        return pids

    def stop_cleanly(self):
        """Asserts that SIGTERM ends the daemon soon (within a second where the
        processors are free) and that nothing is left behind."""
        if self.process.poll() is not None:
            if self.rpc:
                self.rpc.close()
            assert self.process.returncode == 0, \
                f'ended with {self.process.returncode}: {lab.tail(self.log)}'
            return
        children = self.children()
        status, seconds = self.stop()
        assert status == 0, lab.tail(self.log)
        assert seconds < 3
        left = [s for s in glob.glob(os.path.join(self.folder, '*.sock'))
                if s not in self.foreign]
        assert not left, 'sockets left behind'
        assert not [c for c in children if os.path.exists(f'/proc/{c}')]
        text = self.log_text()
        assert 'Sanitizer' not in text and 'runtime error' not in text, text

    foreign = ()  # sockets in the folder that others made


def switch_factory(folder, node):
    """Yields up(*netdevs), which starts a daemon; a vhost-user netdev without
    path= gets FOLDER/ID.sock."""
    switches = []

    def up(*netdevs, extra=(), sub='', binary=BINARY, **options):
        where = os.path.join(folder, sub) if sub else folder
        texts = []
        for n in netdevs:
            if n.startswith('vhost-user') and 'path=' not in n:
                name = n.split('id=')[1].split(',')[0]
                n += f',path={where}/{name}.sock'
            texts.append(n)
        switch = Switch(binary, where, texts, extra, **options)
        switches.append(switch)
        return switch

    yield up
    vufront.close_all()
    faults = []
    for s in switches:
        try:
            s.stop_cleanly()
        except (AssertionError, lab.LabError) as e:
            faults.append(str(e))
    if faults:
        node.has_failed = True  # what failed is reported after this fixture
    assert not faults, '\n'.join(faults)


@pytest.fixture
def up(folder, request):
    yield from switch_factory(folder, request.node)


@pytest.fixture(scope='module')
def module_up(module_folder, request):
    yield from switch_factory(module_folder, request.node)


@pytest.fixture
def testpmd(folder):
    if not shutil.which('dpdk-testpmd'):
        pytest.skip('dpdk-testpmd is not installed')
    started = []

    def start(paths, variant, **options):
        t = Testpmd(folder, paths, variant, **options)
        started.append(t)
        t.wait_prompt()
        return t

    yield start
    for t in started:
        t.quit()


@pytest.fixture(scope='session')
def images():
    """Returns the folder of the guest kernel and initrd, or skips the test."""
    if not shutil.which('qemu-system-x86_64'):
        pytest.skip('qemu-system-x86_64 is not installed')
    for script in ('guest-kernel.sh', 'guest-initrd.sh'):
        done = subprocess.run([os.path.join(TOP, 'scripts', script),
                               lab.IMAGES], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f'no guest image: {done.stderr.strip()[-200:]}')
    return lab.IMAGES


session_folder = pytest.fixture(scope='session')(make_folder)


@pytest.fixture(scope='session')
def l1(session_folder, images):
    """Returns the guest in which ringway boots others."""
    done = subprocess.run([os.path.join(TOP, 'scripts', 'guest-initrd.sh'),
                           images, 'lab', BINARY], capture_output=True,
                          text=True)
    assert not done.returncode, done.stderr
    disk, why = vm_lab.make_disk(images)
    made = vm_lab.Lab(session_folder, images, disk)
    made.no_disk = why
    yield made
    made.stop()


@pytest.fixture(scope='session')
def l1_cards(session_folder, images):
    """Returns a guest in which ringway boots others and gives them cards
    (vm_lab.Cards)."""
    where = os.path.join(images, 'cards')
    for script in (['guest-qemu.sh', os.path.join(where, 'qemu10')],
                   ['guest-kernel.sh', where, 'amd64', 'bookworm-backports'],
                   ['guest-initrd.sh', where],
                   ['guest-initrd.sh', where, 'cards', BINARY]):
        done = subprocess.run([os.path.join(TOP, 'scripts', script[0]),
                               *script[1:]], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f'no lab with cards: {done.stderr.strip()[-200:]}')
    made = vm_lab.Cards(os.path.join(session_folder, 'cards'), where)
    yield made
    made.stop()


@pytest.fixture
def nobody(folder):
    """Returns (binary, command prefix) that run Ringway as user nobody, who
    then owns the test's folder."""
    if os.geteuid() != 0:
        pytest.skip('needs root, to become somebody else')
    user = pwd.getpwnam('nobody')
    binary = shutil.copy(BINARY, os.path.join(folder, 'ringway'))
    os.chmod(binary, 0o755)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return binary, ['setpriv', f'--reuid={user.pw_uid}',
                    f'--regid={user.pw_gid}', '--clear-groups']


@pytest.fixture
def eventually():
    def check(condition, timeout=3, what='condition'):
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f'{what} not within {timeout} s'
            time.sleep(0.02)
    return check
