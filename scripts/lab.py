# SPDX-License-Identifier: Apache-2.0
"""Daemons, guests and a control client for scripts/demo.py and the system
tests. Each object ends the process that it started, and no other."""
import base64
import fcntl
import functools
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
IMAGES = os.environ.get('RINGWAY_GUEST', os.path.join(TOP, 'build', 'guest'))
QEMU = 'qemu-system-x86_64'


class LabError(Exception):
    """A failure of the daemon or a guest; the text says what and where."""


def tail(path, lines=5):
    """Returns the last lines of a log, for messages."""
    try:
        with open(path, errors='replace') as f:
            return '\n'.join(f.read().strip().splitlines()[-lines:])
    except OSError:
        return ''


def wait_until(check, timeout, what, every=0.01):
    """Polls until check() is true; returns its value."""
    end = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f'{what}: not within {timeout} s')
        time.sleep(every)


def iperf(run):
    """Returns the bits a second that arrived. run() runs "iperf3 -J -c ..." and
    returns its output. It runs again while the server is busy with the previous
    test, which iperf3 reports with exit status 0."""
    end = time.monotonic() + 5
    while True:
        out = json.loads(run())
        if 'error' not in out:
            return out['end']['sum_received']['bits_per_second']
        if 'server is busy' not in out['error'] or time.monotonic() > end:
            raise LabError(f'iperf3: {out["error"]}')
        time.sleep(0.1)


def free_port(kind=socket.SOCK_STREAM):
    """Returns a port number of 127.0.0.1 that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def have_kvm():
    with open('/proc/cpuinfo') as f:
        flags = f.read().split()
    return ('vmx' in flags or 'svm' in flags) and \
        os.access('/dev/kvm', os.R_OK | os.W_OK)


def end_process(process, timeout=3):
    """Sends SIGTERM, then SIGKILL; returns the exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(error.get('message', str(error)))
        self.code = error.get('code')
        self.data = error.get('data')


class Rpc:
    """A JSON-RPC 2.0 client of the control socket, one object a line."""

    def __init__(self, path, timeout=5):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.buffer = b''
        self.next_id = 1

    def raw(self, data):
        """Sends bytes, returns the next line."""
        if data:
            self.sock.sendall(data)
        while b'\n' not in self.buffer:
            more = self.sock.recv(65536)
            if not more:
                raise LabError('the control socket was closed')
            self.buffer += more
        line, self.buffer = self.buffer.split(b'\n', 1)
        return line

    def call(self, method, **params):
        request = {'jsonrpc': '2.0', 'id': self.next_id, 'method': method}
        if params:
            request['params'] = params
        self.next_id += 1
        reply = json.loads(self.raw(json.dumps(request).encode() + b'\n'))
        if reply.get('id') != request['id']:
            raise LabError(f'reply to another request: {reply}')
        if 'error' in reply:
            raise RpcError(reply['error'])
        return reply['result']

    def close(self):
        self.sock.close()


class Daemon:
    """One `ringway up`, in a folder of its own."""

    def __init__(self, binary, folder, netdevs=(), extra=(), env=None,
                 prefix=(), pass_fds=()):
        self.binary = binary
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.control = os.path.join(folder, 'ctl.sock')
        self.log = os.path.join(folder, 'ringway.log')
        argv = [*prefix, binary, 'up', '--control', self.control, *extra]
        for netdev in netdevs:
            argv += ['-netdev', netdev]
        self.argv = argv
        start = time.monotonic()
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                pass_fds=pass_fds)
        self.pid = self.process.pid
        self.rpc = None
        try:
            wait_until(self.is_ready, 5, f'{shlex.join(argv)} (log {self.log})',
                       every=0.002)
        except LabError:
            self.stop()
            raise
        self.ready_seconds = time.monotonic() - start

    def is_ready(self):
        if self.process.poll() is not None:
            raise LabError(f'{shlex.join(self.argv)} ended with '
                           f'{self.process.returncode}: {tail(self.log)}')
        try:
            self.rpc = Rpc(self.control)
        except OSError:
            return False
        # The kernel takes connections before the daemon serves them.
        self.rpc.call('version')
        return True

    def call(self, method, **params):
        return self.rpc.call(method, **params)

    def command(self, *args, check=True):
        """Runs a `ringway` subcommand; returns its standard output, or without
        check the subprocess's result."""
        done = subprocess.run(
            [self.binary, *args, '--control', self.control],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=20)
        if check and done.returncode != 0:
            raise LabError(f'ringway {shlex.join(args)}: exit '
                           f'{done.returncode}: {done.stderr.strip()}')
        return done.stdout if check else done

    def qemu_args(self, port, memory='192M'):
        return self.command('qemu-args', port, '--memory', memory).split()

    def threads(self):
        return os.listdir(f'/proc/{self.pid}/task')

    def status(self, key):
        """Returns a number from /proc/PID/status, such as VmRSS (kB)."""
        with open(f'/proc/{self.pid}/status') as f:
            for line in f:
                if line.startswith(key + ':'):
                    return int(line.split()[1])
        raise KeyError(key)

    def stop(self, how=signal.SIGTERM, timeout=5):
        """Ends the daemon; returns (exit status, seconds it took)."""
        if self.rpc:
            self.rpc.close()
            self.rpc = None
        start = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise LabError(f'ringway did not end within {timeout} s '
                           f'(log {self.log})') from None
        return status, time.monotonic() - start


class Guest:
    """A Linux guest in QEMU that runs commands from its serial console.

    @net: QEMU arguments of its network cards. @with_memory adds shared memory,
    for @net that does not do so itself. @append goes to the kernel.
    """

    def __init__(self, name, folder, net, memory='192M', cpus=1, images=IMAGES,
                 with_memory=False, cpu_list=None, initrd='initrd.gz',
                 append='', qemu=QEMU):
        self.prepare(name, folder)
        argv = self.command(memory, cpus, images, initrd, append, qemu)
        argv += ['-serial', 'stdio']
        if with_memory:
            argv += ['-object', f'memory-backend-memfd,id=ram,size={memory},'
                     'share=on', '-machine', 'memory-backend=ram']
        argv += net
        if cpu_list:
            argv = ['taskset', '-c', cpu_list] + argv
        self.start(argv)

    @staticmethod
    def command(memory, cpus, images, initrd, append='', qemu=QEMU):
        """Returns the command line of a guest without serial port."""
        argv = [qemu, '-nodefaults', '-display', 'none',
                '-no-reboot', '-smp', str(cpus), '-m', memory,
                '-kernel', os.path.join(images, 'vmlinuz'),
                '-initrd', os.path.join(images, initrd),
                '-append', 'console=ttyS0 quiet mitigations=off tsc=reliable '
                'no_timer_check panic=-1 rdinit=/init' + append]
        # ERMS: an emulated REP MOVSB takes a byte at a time, and with the flag
        # kernels clear and copy pages with it.
        argv += ['-accel', 'kvm', '-cpu', 'host'] if have_kvm() else \
            ['-accel', 'tcg', '-cpu', 'max,erms=off']
        return argv + ['-machine', 'q35']

    def prepare(self, name, folder):
        os.makedirs(folder, exist_ok=True)
        self.name = name
        self.console = os.path.join(folder, f'{name}.console')
        self.errors = os.path.join(folder, f'{name}.qemu')
        self.tag = 0
        self.text = b''

    def start(self, argv, **how):
        self.started = time.monotonic()
        with open(self.errors, 'wb') as errors:
            errors.write(shlex.join(argv).encode() + b'\n')
            errors.flush()
            self.process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=errors, **how)
        fd = self.process.stdout.fileno()
        fcntl.fcntl(fd, fcntl.F_SETFL,
                    fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)
        self.log = open(self.console, 'wb')

    def read_until(self, mark, timeout, what):
        """Returns (text before the first @mark, the line from there on). What
        came before it may have had no end of line."""
        end = time.monotonic() + timeout
        fd = self.process.stdout.fileno()
        while True:
            lines = self.text.split(b'\n')
            for i, line in enumerate(lines[:-1]):
                at = line.find(mark)
                if at >= 0:
                    self.text = b'\n'.join(lines[i + 1:])
                    before = lines[:i] + ([line[:at]] if at else [])
                    return (b'\n'.join(before).decode(errors='replace'),
                            line[at:].decode(errors='replace'))
            left = end - time.monotonic()
            if left <= 0 or self.process.poll() is not None:
                why = f'not within {timeout} s' if left <= 0 else \
                    f'it ended with {self.process.returncode}: ' \
                    f'{tail(self.errors, 2)}'
                raise LabError(f'guest {self.name}: {what}: {why} '
                               f'(console {self.console})')
            if not select.select([fd], [], [], min(left, 0.5))[0]:
                continue
            try:
                data = os.read(fd, 65536)
            except BlockingIOError:
                continue
            if not data:
                time.sleep(0.02)
            self.log.write(data)
            self.log.flush()
            self.text += data.replace(b'\r', b'')

    def wait_boot(self, timeout=90):
        """Returns the seconds from the start of QEMU to the shell."""
        self.read_until(b'RW READY', timeout, 'boot')
        return time.monotonic() - self.started

    def begin(self, command):
        """Starts a command; finish() waits for it."""
        self.tag += 1
        self.process.stdin.write(f'{self.tag} {command}\n'.encode())
        self.process.stdin.flush()

    def finish(self, timeout=20, check=True, command='command'):
        out, end = self.read_until(f'RW END {self.tag} '.encode(), timeout,
                                   command)
        status = int(end.split()[3])
        if check and status != 0:
            raise LabError(f'guest {self.name}: {command}: exit {status}: '
                           f'{out.strip()}')
        return out if check else (status, out)

    def run(self, command, timeout=20, check=True):
        """Runs a command; returns its output (and, unchecked, its status)."""
        self.begin(command)
        return self.finish(timeout, check, command)

    def put(self, path, text):
        """Writes a file in the guest, through its console."""
        word = base64.b64encode(text.encode()).decode()
        self.run(f'rm -f {path}.b64')
        for i in range(0, len(word), 700):
            self.run(f'echo {word[i:i + 700]} >>{path}.b64')
        self.run(f'base64 -d {path}.b64 >{path}')

    def pids(self):
        """Returns the guest's processes."""
        return [self.process.pid]

    def stop(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


@functools.cache
def uml_fault():
    """Returns why user-mode-linux does not run on this machine, or ''. It keeps
    a process's registers in 832 bytes, and the kernel of a processor with more
    of them (AVX-512, AMX) does not take so few back."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                ['linux.uml', 'mem=64M', 'rootfstype=hostfs', 'rootflags=/',
                 'quiet', 'con=null', 'con0=null,fd:1', 'uml_dir=' + folder,
                 'init=/bin/true'], stdin=subprocess.DEVNULL, timeout=30,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                errors='replace')
        except FileNotFoundError:
            return 'user-mode-linux is not installed'
        except subprocess.TimeoutExpired:
            return 'user-mode-linux does not start here'
    if 'set fp regs failed' in done.stdout:
        return 'user-mode-linux does not know all registers of this processor'
    return ''


class Uml(Guest):
    """A guest that is a user-mode-linux kernel, whose only network card is the
    vhost-user port at @path. Runs at native speed without KVM, on one CPU."""

    def __init__(self, name, folder, path, memory='192M', images=IMAGES,
                 cpu_list=None):
        self.prepare(name, folder)
        argv = ['linux.uml', f'mem={memory}', 'quiet', 'con=null',
                'ssl0=fd:0,fd:1', 'rdinit=/init',
                'initrd=' + os.path.join(images, 'initrd-uml.gz'),
                # virtio device ID 1 is a network card
                f'virtio_uml.device={path}:1', 'uml_dir=' + folder]
        if cpu_list:
            argv = ['taskset', '-c', cpu_list] + argv
        # A process group of its own, which kill() ends as a whole.
        self.start(argv, start_new_session=True)

    def pids(self):
        """Returns the kernel's process, then one for each address space."""
        def group(pid):
            try:
                return os.getpgid(pid)
            except ProcessLookupError:
                return None

        kernel = self.process.pid
        return [kernel] + [
            int(p) for p in os.listdir('/proc')
            if p.isdigit() and int(p) != kernel and group(int(p)) == kernel]

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self):
        self.kill()
        super().stop()
