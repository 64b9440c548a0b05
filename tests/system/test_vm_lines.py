# SPDX-License-Identifier: Apache-2.0
"""Options of QEMU's command lines that people paste behind `ringway vm`: each
is taken, or refused in one line that says what to do here. With --dry-run, so
no KVM is needed. The same lines are tried in a -config file.
"""
import fcntl
import os
import re
import shlex
import subprocess

import pytest
from conftest import BINARY

CARD = '-netdev null,id=n -device virtio-net-pci,netdev=n'
MEMORY = '-object memory-backend-memfd,id=ram,size=512M,share=on'

# (options, words of the plan), or (options, words of the refusal, True)
LINES = [
    ('-nodefaults -no-user-config -nographic', 'machine vm:'),
    ('-display none -vga none -monitor none -parallel none', 'machine vm:'),
    ('-accel kvm -cpu host -enable-kvm -no-hpet', 'machine vm:'),
    ('-msg timestamp=on -rtc base=utc', 'machine vm:'),
    ('-net none -nic none', 'machine vm:'),
    (f'{MEMORY} -numa node,memdev=ram', 'machine vm:'),
    ('-object memory-backend-memfd,id=m,size=1G,hugetlb=on,hugetlbsize=2M',
     'in pages of 2 MiB'),
    ('-name guest=web,debug-threads=on', 'machine web:'),
    ('-name web', 'machine web:'),
    ('-S', 'vCPUs wait for'),
    (CARD, r'n\.card +1 +52:54:00:[0-9a-f:]+ +n +null +n +1 +workers of'),
    (f'-device virtio-rng-pci,id=r,addr=1 {CARD}', r'(?s)n\.card +2 .*\nr +1 '),
    (f'-device virtio-rng-pci,addr=1e {CARD}', r'virtio-rng-pci-0 +30 '),
    ('-display gtk', 'display=gtk: must be none: there is no screen', True),
    ('-vga std', 'vga=std: must be none: there is no screen', True),
    ('-monitor stdio', 'monitor=stdio: must be none: `ringway vm show`', True),
    ('-parallel stdio', 'parallel=stdio: must be none: there is no', True),
    ('-rtc base=localtime', 'must be base=utc: the clock is', True),
    ('-numa cpu,node-id=0', 'all memory and vCPUs are one node', True),
    ('-numa node,memdev=a -numa node,memdev=b', 'are one node', True),
    ('-object memory-backend-file,id=m,mem-path=/x,size=1G',
     'memory is a memfd here', True),
    ('-object memory-backend-memfd,id=m,size=1G,share=off',
     'share=off: not here: memory is a memfd that is shared', True),
    ('-nic user', 'write -netdev user,id=user0', True),
    ('-net nic,model=virtio', "nic is the guest's card", True),
    ('-daemonize', 'option of QEMU: a machine stays in the foreground', True),
    ('-qmp unix:/tmp/q,server=on', 'JSON-RPC', True),
    ('-vnc :0', 'no screen', True),
    ('-hda disk.img', 'a disk is -drive file=FILE', True),
    ('-snapshot', 'copy it before', True),
    ('-incoming defer', 'cannot be moved', True),
    ('-gdb tcp::1234', "debugger's port", True),
    ('-s', "debugger's port", True),
    ('-runas nobody', 'start it as the user', True),
    ('-virtfs local,path=/x', 'no shared folder', True),
    ('-D /tmp/log', '--log FILE', True),
    ('-no-kvm', 'KVM runs the guest', True),
    ('-name a/b', "must not have a '/'", True),
    ('-name vm,proces=x', "name: 'proces' is not known", True),
    ('-device virtio-rng-pci,addr=2 -device virtio-rng-pci,id=b,addr=2',
     'device b: addr=2: virtio-rng-pci-0 has this slot', True),
    (f'{CARD},addr=20', r'device n\.card: addr=20: must be a slot', True),
    (' '.join(f'-device virtio-rng-pci,id=r{i}' for i in range(32)),
     'device r31: no PCI slot is free: there are 31', True),
    ('-netdev tap,id=t,vhostforce=on -device virtio-net-pci,netdev=t -object '
     'filter-dump,id=f,netdev=t,file=/x',
     'object f: netdev=t: its frames do not pass this process', True),
    ('-netdev vhost-user-front,id=v,path=/x,queues=2 -device '
     'virtio-net-pci,netdev=v',
     r'device v\.card: queues=1: netdev v has 2: write the same', True),
    ('-netdev tap,id=t,vhostforce=on,queues=2 -device virtio-net-pci,netdev=t',
     r'device t\.card: queues=1: netdev t has 2: write the same', True),
    ('-netdev tap,id=t,vhostforce=on,fds=3:4 -device virtio-net-pci,netdev=t',
     r'device t\.card: queues=1: netdev t has 2: write the same', True),
    ('-netdev vhost-vdpa,id=v,vhostdev=/dev/vhost-vdpa-0 -device '
     'virtio-net-pci,netdev=v', r'v\.card +1 +as the back-end +v +vhost-vdpa '
     r'+1 +a vDPA device'),
    ('-netdev vhost-vdpa,id=v,vhostdev=/x,queues=4 -device '
     'virtio-net-pci,netdev=v,mq=on', r'v\.card .* as the back-end +a vDPA'),
    ('-netdev vhost-vdpa,id=v -device virtio-net-pci,netdev=v',
     r'netdev v: vhostdev: missing: names the device', True),
    ('-netdev vhost-vdpa,id=v,vhostdev=/x,vhostfd=3 -device '
     'virtio-net-pci,netdev=v', 'vhostfd=3: cannot stand together', True),
    ('-netdev vhost-vdpa,id=v,vhostdev=/x,queues=2 -device '
     'virtio-net-pci,netdev=v',
     r'device v\.card: queues=1: netdev v has 2: write the same', True),
    ('-netdev vhost-vdpa,id=v,vhostdev=/x -device e1000,netdev=v',
     r'device v\.card: netdev v is a vDPA device, which serves', True),
    ('-netdev vhost-vdpa,id=v,vhostdev=/x,net=a -netdev null,id=b,net=a '
     '-device virtio-net-pci,netdev=v',
     'netdev v: port b is in its network, a, too', True),
    ('-boot order=x', 'boot: order=x: must be letters', True),
    ('-boot order=cn,once=n,menu=off,strict=on', 'vCPU', False),
    ('-boot splash=x', "boot: unknown option 'splash'", True),
    ('-kernl x', 'did you mean kernel', True),
    ('-nodefault', 'did you mean nodefaults', True),
]


def vm(folder, *argv):
    return subprocess.run(
        [BINARY, 'vm', '--control', f'{folder}/c.sock', '--dry-run', *argv],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)


def check(done, words, is_refused):
    if is_refused:
        assert done.returncode in (1, 2) and not done.stdout, done
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert re.search(words, done.stderr), done.stderr
    else:
        assert done.returncode == 0 and not done.stderr, done.stderr
        assert re.search(words, done.stdout), done.stdout


@pytest.mark.parametrize('line,words,is_refused',
                         [(*row, False)[:3] for row in LINES],
                         ids=[row[0][:50] for row in LINES])
def test_line(folder, line, words, is_refused):
    check(vm(folder, '-kernel', 'k', *shlex.split(line)), words, is_refused)
    assert not os.listdir(folder)


@pytest.mark.parametrize('line,words,is_refused',
                         [(*row, False)[:3] for row in LINES],
                         ids=[row[0][:50] for row in LINES])
def test_line_of_a_file(folder, line, words, is_refused):
    """The grammar is the same; what is wrong has file and line."""
    options = re.split(r'(?:^| )-(?=[a-zA-Z])', line)[1:]
    path = os.path.join(folder, 'vm.conf')
    with open(path, 'w') as f:
        f.write('\n'.join(['# a machine', 'kernel k', *options]) + '\n')
    done = vm(folder, '-config', path)
    check(done, words, is_refused)
    late = ('addr=', 'no PCI slot', 'object f:', 'netdev v has',
            'netdev t has', 'netdev v: ', 'netdev v is', 'cannot stand',
            'boot:')  # of several lines together
    if is_refused and not any(word in words for word in late):
        assert re.match(rf'ringway: {path}:[3-9]: ', done.stderr), done.stderr


def test_pidfile(folder):
    """It goes with the process, also when that does not start; one that a
    process has locked stays as it is."""
    path = f'{folder}/vm.pid'
    argv = [BINARY, 'vm', '--control', f'{folder}/c.sock', '-kernel',
            '/etc/passwd', '-pidfile', path]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 1 and not os.listdir(folder), done.stderr
    with open(path, 'w') as f:
        f.write('1')
        f.flush()
        fcntl.lockf(f, fcntl.LOCK_EX)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=20,
                              capture_output=True, text=True)
    assert done.returncode == 1 and 'a process that runs has it' in done.stderr
    with open(path) as f:
        assert f.read() == '1'
    done = vm(folder, '-kernel', 'k', '-pidfile', f'{folder}/new')
    assert done.returncode == 0 and not os.path.exists(f'{folder}/new')


def test_backend_without_card(folder):
    """One that no port of the switch is waits for a card to be added: that is
    said, and neither the plan nor a start needs the card."""
    idle = ['-netdev', f'vhost-user-front,id=idle,path={folder}/s,server=on']
    done = vm(folder, '-kernel', 'k', *idle, *shlex.split(CARD))
    assert done.returncode == 0, done.stderr
    assert 'netdev idle: no device uses it' in done.stderr, done.stderr
    assert re.search(r'n\.card +1 ', done.stdout), done.stdout
    done = subprocess.run(
        [BINARY, 'vm', '--control', f'{folder}/c.sock', '-kernel',
         '/etc/passwd', '-serial', 'none', *idle], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and 'waits for' not in done.stderr, done
    assert done.stderr.splitlines()[-1].startswith('ringway: '), done.stderr
    assert not os.listdir(folder)


def test_value_is_missing(folder):
    path = os.path.join(folder, 'vm.conf')
    for text, words in (('kernel', '1: kernel: needs a value: kernel=FILE'),
                        ('device', '1: device: needs a value'),
                        ('display', '1: display: needs a value: none'),
                        ('kernel=x', '1: .*write KEY VALUE'),
                        ('config x', '1: .*config')):
        with open(path, 'w') as f:
            f.write(text)
        done = vm(folder, '-config', path)
        assert done.returncode in (1, 2), text
        assert re.search(f'vm.conf:{words}', done.stderr), done.stderr
        assert len(done.stderr.splitlines()) == 1
