# SPDX-License-Identifier: Apache-2.0
"""The guest in which `ringway vm` boots others: it has /dev/kvm whether this
machine has it or not (scripts/guest-initrd.sh, lab; QEMU emulates AMD's
virtualisation). All tests of a session share it: conftest's fixture l1.
"""
import base64
import re

import lab

APPEND = 'console=ttyS0 quiet mitigations=off tsc=reliable no_timer_check ' \
    'panic=-1 rdinit=/init'
KERNEL = '-kernel /guest/vmlinuz -initrd /guest/initrd.gz'
NET = 'ip link set eth0 up; udhcpc -i eth0 -q -n >/dev/null 2>&1; '


def number(text):
    """Returns the number that a command printed; the kernel may have put lines
    of its own between."""
    return int(re.findall(r'^(\d+)$', text.replace('\r', ''), re.M)[-1])


class Lab:
    """The guest in which ringway boots others."""

    def __init__(self, folder, images):
        self.guest = lab.Guest('lab', folder, [], memory='1500M',
                               images=images, initrd='initrd-lab.gz')
        self.guest.read_until(b'RW READY', 120, 'boot')

    def run(self, command, timeout=60, check=True):
        return self.guest.run(command, timeout, check)

    def boot(self, script, options='', net='-netdev user,id=n -device '
             'virtio-net-pci,netdev=n', kernel=KERNEL, append=APPEND,
             timeout=150):
        """Boots a guest that runs @script, and returns what it printed and the
        status of ringway."""
        word = base64.b64encode(script.encode()).decode()
        status, text = self.run(
            f'ringway vm -m 192 {kernel} -append "{append} rw.run={word}" '
            f'{net} {options} </dev/null', timeout, check=False)
        return text.replace('\r', ''), status
