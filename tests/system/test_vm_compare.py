# SPDX-License-Identifier: Apache-2.0
"""`ringway vm` beside QEMU with -accel kvm, with the same kernel and card, in
one lab: what can be counted. Times are not compared: they mean little where KVM
is emulated. `make demo-vm` shows both.
"""
import os
import shutil
import sys

import pytest
from conftest import BINARY, TOP

sys.path.append(os.path.join(TOP, 'tests', 'lab'))
import vm_compare  # noqa: E402
import kvm_guest  # noqa: E402

MEMORY = 8  # MiB of the monitor, without the guest's
# Exits and system calls a packet change from run to run: whether a side still
# looks when the other has work decides. Of QEMU's, ours were 0.80 to 1.04
# (exits) and 0.60 to 0.97 (system calls) in 7 pairs of runs, at loads up to 28.
MARGIN = 1.15


@pytest.fixture(scope='module')
def lab_with_qemu(module_folder, images):
    if not shutil.which('mke2fs'):
        pytest.skip('mke2fs, which makes the disk with QEMU, is not installed')
    kvm_guest.prepare(images, BINARY)
    kvm_guest.prepare_full(images)
    guest = kvm_guest.start(module_folder, images, disks=('tools', 'full'))
    try:
        if guest.run('test -e /dev/kvm', check=False)[0]:
            pytest.skip('no KVM in the guest: this QEMU does not emulate '
                        'AMD-V, or KVM here is not nested')
        # Each byte of the kernel's messages is an exit, dear where KVM is
        # emulated.
        vm_compare.prepare(guest, vm_compare.PING, 'quiet ' + vm_compare.APPEND)
        yield guest
    finally:
        guest.stop()


@pytest.mark.guests
@pytest.mark.parametrize('name,monitors', vm_compare.MODES,
                         ids=[name for name, _ in vm_compare.MODES])
def test_counts(lab_with_qemu, name, monitors):
    ours, qemu = [vm_compare.run(lab_with_qemu, before, command)
                  for monitor, before, command in monitors
                  if 'microvm' not in monitor]
    told = f'{name}: ringway {ours}, QEMU {qemu}'
    print(told)
    for what in ('exits', 'calls'):
        assert 0 < ours[what] <= MARGIN * qemu[what], (what, told)
    assert ours['memory'] < MEMORY, told
