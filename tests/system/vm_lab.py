# SPDX-License-Identifier: Apache-2.0
"""The guest in which `ringway vm` boots others: it has /dev/kvm whether this
machine has it or not (scripts/guest-initrd.sh, lab; QEMU emulates AMD's
virtualisation). All tests of a session share it: conftest's fixture l1.
"""
import base64
import os
import re
import subprocess

import lab

APPEND = 'console=ttyS0 quiet mitigations=off tsc=reliable no_timer_check ' \
    'panic=-1 rdinit=/init'
KERNEL = '-kernel /guest/vmlinuz -initrd /guest/initrd.gz'
NET = 'ip link set eth0 up; udhcpc -i eth0 -q -n >/dev/null 2>&1; '


def number(text):
    """Returns the number that a command printed; the kernel may have put lines
    of its own between."""
    return int(re.findall(r'^(\d+)$', text.replace('\r', ''), re.M)[-1])


# What the disk with a boot loader runs: the first time it boots again.
DISK_SCRIPT = NET + """d=$(ls /dev/vd?1); d=${d%1}
word=$(dd if=$d bs=512 skip=2000 count=1 2>/dev/null | tr -d '\\0')
echo "the disk says [$word]"
ping -q -c 2 10.0.2.2
nproc | sed s/^/processors:/
if [ "$word" = first ]; then
    echo second | dd of=$d bs=512 seek=2000 conv=sync 2>/dev/null
    sync
    reboot -f
fi"""


def make_disk(images):
    """Makes a disk with a boot loader. Returns its path, or None and why there
    is none."""
    path = os.path.join(images, 'boot-disk.img')
    word = base64.b64encode(DISK_SCRIPT.encode()).decode()
    done = subprocess.run([
        os.path.join(lab.TOP, 'tests', 'lab', 'boot-disk.sh'), path,
        os.path.join(images, 'vmlinuz'), os.path.join(images, 'initrd.gz'),
        f'{APPEND} rw.run={word}'], capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip()[-200:]
    return path, ''


class Lab:
    """The guest in which ringway boots others. /dev/vda is the disk of
    make_disk(), unless no_disk says why there is none."""

    def __init__(self, folder, images):
        disk, self.no_disk = make_disk(images)
        drive = ['-drive', f'file={disk},format=raw,if=virtio,readonly=on']
        self.guest = lab.Guest('lab', folder, drive if disk else [],
                               memory='1500M', images=images,
                               initrd='initrd-lab.gz')
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
