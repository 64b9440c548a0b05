# SPDX-License-Identifier: Apache-2.0
"""A guest with /dev/kvm, /dev/vhost-net and tap, whether this machine has them
or not: QEMU emulates AMD's virtualisation where there is no KVM. In it there are
busybox, ringway, a kernel and an initrd for guests of its own (/guest), and
QEMU (/tools/bin)."""
import os
import subprocess
import sys

TOP = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..')
sys.path.append(os.path.join(TOP, 'scripts'))
import lab  # noqa: E402


def prepare(images, binary):
    """Fetches the kernel and makes the images, if they are not there."""
    def script(*argv):
        subprocess.run([os.path.join(TOP, *argv[0].split('/')), *argv[1:]],
                       check=True)
    script('scripts/guest-kernel.sh', images)
    if not os.path.exists(os.path.join(images, 'initrd.gz')):
        script('scripts/guest-initrd.sh', images)
    script('scripts/guest-initrd.sh', images, 'lab', binary)
    script('tests/lab/image.sh', os.path.join(images, 'tools.img'),
           'qemu-system-x86_64', 'ip')


def start(folder, images, memory='2G', cpus=1):
    guest = lab.Guest('lab', folder, [
        '-drive', f'file={images}/tools.img,format=raw,if=virtio,readonly=on'],
        memory=memory, images=images, initrd='initrd-lab.gz', cpus=cpus)
    guest.read_until(b'RW READY', 120, 'boot')
    guest.run('mkdir -p /tools && mount -o ro /dev/vda /tools')
    return guest
