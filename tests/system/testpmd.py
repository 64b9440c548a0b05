# SPDX-License-Identifier: Apache-2.0
"""DPDK's testpmd as a front-end (virtio-user) or a back-end (vhost), driven from
its prompt. Its memory is one shared file of ordinary pages: it needs no
hugepages."""
import os
import re
import select
import subprocess
import time

import lab

VARIANTS = {
    'split': 'mrg_rxbuf=0,in_order=0',
    'mergeable': 'mrg_rxbuf=1,in_order=0',
    'split-in-order': 'mrg_rxbuf=1,in_order=1',
    'packed': 'packed_vq=1,mrg_rxbuf=0,in_order=0',
    'packed-mergeable': 'packed_vq=1,mrg_rxbuf=1,in_order=0',
    'packed-in-order': 'packed_vq=1,mrg_rxbuf=1,in_order=1',
}


def mac(port):
    return f'02:00:00:00:00:{port + 1:02x}'


class Testpmd:
    """Two virtio-user ports with frames that run in circles: testpmd sends a
    frame that arrives at one port out of the other, with addresses for which
    the switch returns it."""

    count = 0

    def __init__(self, folder, paths, variant, queues=1, server=False,
                 queue_size=256, connects=False):
        """With variant=None the ports are back-ends that listen on @paths, or
        with connects connect to them, and send each frame back, with its
        addresses swapped."""
        Testpmd.count += 1
        self.log = os.path.join(folder, f'testpmd{Testpmd.count}.log')
        cpus = sorted(os.sched_getaffinity(0))[:2]
        argv = ['dpdk-testpmd', '-l', ','.join(map(str, cpus)), '--no-huge',
                '--single-file-segments', '--no-shconf', '--no-pci', '-m',
                '96', '--no-telemetry', '--file-prefix',
                f'rw{os.getpid()}n{Testpmd.count}']
        for i, path in enumerate(paths):
            if not variant:
                argv += ['--vdev', f'net_vhost{i},iface={path},queues={queues}'
                         + (',client=1' if connects else '')]
                continue
            argv += ['--vdev', f'net_virtio_user{i},path={path},mac={mac(i)},'
                     f'queues={queues},queue_size={queue_size},'
                     f'{VARIANTS[variant]}' + (',server=1' if server else '')]
        argv += ['--', '-i', f'--rxq={queues}', f'--txq={queues}',
                 '--total-num-mbufs=8192', '--forward-mode=' +
                 ('mac' if variant else 'macswap'),
                 f'--rxd={queue_size}', f'--txd={queue_size}']
        for i in range(len(paths)):
            argv += [f'--eth-peer={i},{mac(1 - i)}']
        self.text = ''
        with open(self.log, 'wb') as log:
            log.write(' '.join(argv).encode() + b'\n')
        # On a terminal all output is unbuffered, not only the prompt.
        self.out, terminal = os.openpty()
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE,
                                        stdout=terminal, stderr=terminal)
        os.close(terminal)

    def wait_prompt(self, timeout=15):
        """Returns the output up to the prompt."""
        end = time.monotonic() + timeout
        while 'testpmd> ' not in self.text:
            if time.monotonic() > end or self.process.poll() is not None:
                raise lab.LabError(f'testpmd: no prompt (log {self.log}): '
                                   f'{self.text[-300:]}')
            if not select.select([self.out], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.out, 65536)
            except OSError:
                continue
            with open(self.log, 'ab') as log:
                log.write(data)
            self.text += data.decode(errors='replace')
        out, self.text = self.text.split('testpmd> ', 1)
        return out

    def command(self, line, timeout=10):
        self.process.stdin.write(line.encode() + b'\n')
        self.process.stdin.flush()
        return self.wait_prompt(timeout)

    def start(self):
        """Sends the first frames, which then run in circles."""
        self.command('start tx_first 4')

    def received(self):
        """Returns the frames received so far, a number for each port."""
        text = self.command('show port stats all')
        return [int(n) for n in re.findall(r'RX-packets: (\d+)', text)]

    def rate(self, seconds=0.5):
        """Returns the frames received in @seconds, a number for each port."""
        before = self.received()
        time.sleep(seconds)
        return [b - a for a, b in zip(before, self.received())]

    def errors(self):
        text = self.command('show port stats all')
        return sum(int(n) for n in
                   re.findall(r'(?:RX|TX)-errors:\s*(\d+)', text))

    def queues_used(self):
        """Returns the receive queues of port 0 that got frames."""
        text = self.command('show fwd stats all')
        return len(re.findall(r'Forward Stats for RX Port= ?0/Queue=', text))

    def quit(self):
        if self.process.poll() is None:
            try:
                self.process.stdin.write(b'stop\nquit\n')
                self.process.stdin.flush()
                self.process.wait(5)
            except (OSError, subprocess.TimeoutExpired):
                pass
        self.kill()

    def kill(self):
        """Kills testpmd, like a crash."""
        if self.process.stdin.closed:
            return
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        os.close(self.out)
