#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A machine to try `ringway vm` in, where there is no KVM: a guest with
/dev/kvm, /dev/vhost-net, QEMU, and a kernel and an initrd for its own guests.

  run.py              a shell in it
  run.py COMMAND      runs the shell command in it; its status is returned
"""
import os
import subprocess
import sys
import tempfile

import kvm_guest

IMAGES = os.path.join(os.path.realpath(kvm_guest.TOP), 'build', 'guest')
BINARY = os.path.join(os.path.realpath(kvm_guest.TOP), 'build', 'ringway')


def shell():
    lab = kvm_guest.lab
    argv = lab.Guest.command('2G', 1, IMAGES, 'initrd-lab.gz', ' rw.shell')
    argv += ['-drive', f'file={IMAGES}/tools.img,format=raw,if=virtio,'
             'readonly=on', '-serial', 'mon:stdio']
    print('A shell in the lab; "exit" ends it, Ctrl-A x ends QEMU.')
    return subprocess.call(argv)


def run(command):
    with tempfile.TemporaryDirectory() as folder:
        guest = kvm_guest.start(folder, IMAGES)
        try:
            status, text = guest.run('export PATH=$PATH:/tools/bin; ' +
                                     command, 600, check=False)
        except kvm_guest.lab.LabError:
            print(guest.text.decode(errors='replace'))
            print('run.py: the command did not end within 600 s',
                  file=sys.stderr)
            return 124
        finally:
            guest.stop()
    sys.stdout.write(text)
    return status


def main():
    if sys.argv[1:2] in (['-h'], ['--help']):
        print(__doc__)
        return 0
    kvm_guest.prepare(IMAGES, BINARY)
    return run(' '.join(sys.argv[1:])) if len(sys.argv) > 1 else shell()


if __name__ == '__main__':
    sys.exit(main())
