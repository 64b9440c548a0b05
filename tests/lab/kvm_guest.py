# SPDX-License-Identifier: Apache-2.0
"""A guest with /dev/kvm, /dev/vhost-net and tap, whether this machine has them
or not: QEMU emulates AMD's virtualisation where there is no KVM. In it there are
busybox, ringway, a kernel and an initrd for guests of its own (/guest), and
QEMU (/tools/bin); if asked for, a kernel with drivers of all cards (/full)."""
import os
import shutil
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


def prepare_full(images):
    """Makes full.img, the disk with the other kernel and its initrd."""
    full = os.path.join(images, 'full')
    disk = os.path.join(full, 'disk')
    for argv in (['guest-kernel.sh', full, 'amd64'], ['guest-initrd.sh', full]):
        subprocess.run([os.path.join(TOP, 'scripts', argv[0]), *argv[1:]],
                       check=True)
    shutil.rmtree(disk, ignore_errors=True)
    os.mkdir(disk)
    for name in ('vmlinuz', 'initrd.gz'):
        os.link(os.path.join(full, name), os.path.join(disk, name))
    subprocess.run(['mke2fs', '-q', '-F', '-t', 'ext4', '-O', '^has_journal',
                    '-d', disk, os.path.join(images, 'full.img'), '48M'],
                   check=True, capture_output=True)
    shutil.rmtree(disk)


def start(folder, images, memory='2G', cpus=1, disks=('tools',)):
    """Starts it with the disks of these names, each mounted in a folder of its
    name."""
    drives = []
    for name in disks:
        drives += ['-drive', f'file={images}/{name}.img,format=raw,if=virtio,'
                   'readonly=on']
    guest = lab.Guest('lab', folder, drives, memory=memory, images=images,
                      initrd='initrd-lab.gz', cpus=cpus)
    guest.read_until(b'RW READY', 120, 'boot')
    for letter, name in zip('abcdef', disks):
        guest.run(f'mkdir -p /{name} && mount -o ro /dev/vd{letter} /{name}')
    return guest
