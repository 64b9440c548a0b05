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
import pytest

APPEND = 'console=ttyS0 quiet mitigations=off tsc=reliable no_timer_check ' \
    'panic=-1 rdinit=/init'
KERNEL = '-kernel /guest/vmlinuz -initrd /guest/initrd.gz'
NET = 'ip link set eth0 up; udhcpc -i eth0 -q -n >/dev/null 2>&1; '



def answers(control):
    """Returns a shell command that waits until the switch with this control
    socket answers: then all of its ports are there."""
    return f'for i in $(seq 100); do ringway show --control {control} ' \
        '>/dev/null 2>&1 && break; usleep 200000; done'


def number(text):
    """Returns the number that a command printed; the kernel may have put lines
    of its own between."""
    return int(re.findall(r'^(\d+)$', text.replace('\r', ''), re.M)[-1])


# The disk with a boot loader: at the first start GRUB writes to it and resets
# the machine, at the second one it starts Linux.
GRUB_CFG = """load_env
if [ "$once" != more ]; then
    set once=more
    save_env once
    reboot
fi
set timeout=1
menuentry 'Linux of this disk' {
    linux /boot/vmlinuz %s rw.run=%s
    initrd /boot/initrd
}"""
DISK_SCRIPT = NET + 'ping -q -c 2 10.0.2.2; nproc | sed s/^/processors:/; ' \
    'dd if=/dev/zero of=$(ls /dev/vd?1 | sed s/.$//) bs=512 seek=2000 count=1'


def make_disk(images):
    """Makes a disk with a boot loader. Returns its path, or None and why there
    is none."""
    path = os.path.join(images, 'boot-disk.img')
    word = base64.b64encode(DISK_SCRIPT.encode()).decode()
    done = subprocess.run([
        os.path.join(lab.TOP, 'tests', 'lab', 'boot-disk.sh'), path,
        os.path.join(images, 'vmlinuz'), os.path.join(images, 'initrd.gz'),
        GRUB_CFG % (APPEND, word)], capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip()[-200:]
    return path, ''


class Lab:
    """The guest in which ringway boots others. /dev/vda is the image @disk. In
    the fixture l1 that is the one of make_disk(), unless no_disk says why there
    is none. One that does not answer any more ends; the next test gets a new
    one."""

    no_disk = ''

    def __init__(self, folder, images, disk=None, machine=(),
                 initrd='initrd-lab.gz', **guest):
        drive = ['-drive', f'file={disk},format=raw,if=virtio,readonly=on']
        self.args = 'lab', folder, [*machine, *(drive if disk else [])]
        self.options = dict(guest, memory='1500M', images=images,
                            initrd=initrd)
        self.guest = None
        self.start()

    def start(self):
        self.guest = lab.Guest(*self.args, **self.options)
        self.guest.read_until(b'RW READY', 240, 'boot')
        if self.run('test -e /dev/kvm', check=False)[0]:
            pytest.skip('no KVM in the guest: this QEMU does not emulate '
                        'AMD-V, or KVM here is not nested')

    def stop(self):
        if self.guest:
            self.guest.stop()
        self.guest = None

    def run(self, command, timeout=60, check=True):
        if not self.guest:
            self.start()
        try:
            return self.guest.run(command, timeout, check)
        except lab.LabError as e:
            if re.search('not within|it ended with', str(e)):
                self.stop()
            raise

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


# The machine of Cards: an IOMMU (with KVM it wants its interrupts split), cards
# behind ports of their own, and two behind one bridge, which makes them one
# group. All of them are on one cable with the lab's own card. QEMU's user
# netdev is there, too, without IPv4 (it would answer for others): while nobody
# takes frames, nobody can send.
CARDS = {'e1000e': '52:54:00:aa:00:01', 'igb': '52:54:00:aa:00:02',
         'pci-a': '52:54:00:aa:00:03', 'pci-b': '52:54:00:aa:00:04',
         'peer': '52:54:00:aa:00:05'}
CARDS_MACHINE = [
    '-machine', 'kernel-irqchip=split', '-device', 'intel-iommu,intremap=on',
    *(f'-device pcie-root-port,id=rp{i},chassis={i},slot={i},addr={7 + i}'
      for i in (1, 2, 3)),
    '-device pcie-pci-bridge,id=pb,bus=rp3',
    '-netdev user,id=sink,ipv4=off -netdev hubport,id=s,hubid=0,netdev=sink',
    *(f'-netdev hubport,id={name},hubid=0' for name in CARDS),
    *(f'-device {kind},netdev={name},mac={CARDS[name]},{place}'
      for name, kind, place in (
          ('e1000e', 'e1000e', 'bus=rp1'), ('igb', 'igb', 'bus=rp2'),
          ('pci-a', 'e1000', 'bus=pb,addr=1'),
          ('pci-b', 'e1000', 'bus=pb,addr=2'),
          ('peer', 'virtio-net-pci', 'addr=11')))]


class Cards(Lab):
    """A lab with Debian's full kernel, an IOMMU, and cards to be passed through
    (e1000e, igb with SR-IOV; pci-a and pci-b, which are e1000s in one group),
    all on one cable with the card "peer", which has the address 10.7.0.1/24.
    Their drivers have them; vfio_pci, vduse and vhost_vdpa are loaded. A guest
    has the full kernel, too."""

    def __init__(self, folder, images):
        super().__init__(
            folder, images, append=' intel_iommu=on', initrd='initrd-cards.gz',
            machine=' '.join(CARDS_MACHINE).split(),
            qemu=os.path.join(images, 'qemu10', 'usr', 'bin', lab.QEMU))

    def start(self):
        super().start()
        found = self.run(
            'cd /sys/class/net; for i in *; do echo $(cat $i/address) $i '
            '$(basename $(realpath $i/device)); done')
        self.names, self.addresses = {}, {}
        for mac, name, address in re.findall(r'(52\S+) (\S+) (\S+)', found):
            card = next(c for c in CARDS if CARDS[c] == mac)
            self.names[card] = name
            self.addresses[card] = address if ':' in address else None
        self.run(f'ip link set {self.names["peer"]} up; '
                 f'ip addr add 10.7.0.1/24 dev {self.names["peer"]}')

    def name(self, card):
        """Returns the interface of a card, as it was after the start."""
        return self.names[card]

    def pci(self, card):
        """Returns the address of a card, such as 0000:01:00.0."""
        return self.addresses[card]
