# SPDX-License-Identifier: Apache-2.0
"""The Linux bridge that the VLAN tests compare with.

compare_with_linux(runs) gives a list of runs to a bridge with VLAN filtering
and taps, and returns the output of each tap. When this machine's kernel has no
VLAN filtering, it starts a user-mode-linux kernel with the host's files as its
root file system. In both cases this file, run as a program, drives the bridge:

    vlan_bridge.py INPUT OUTPUT

A run is a list of steps, each a tuple:
    ('reset', filtering, ethertype)  forgets addresses, VLANs and offloads
    ('offloads', port, bits)         what the tap's reader takes: TUN_F_*
    ('vlans', port, {vid: flags})    all VLANs of the port: PVID, UNTAGGED
    ('ethertype', n)                 of the bridge's own tags
    ('frame', port, data)            virtio-net header (12 bytes) and frame
The reply to a frame is a list, by port, of the frames read there; the reply to
any other step is None.

Nothing else sends on this bridge: no IPv6, no spanning tree, no multicast
snooping. A write() to a tap returns after the bridge has handled the frame, so
the output can be read at once; main() looks for late frames at the end.
"""
import ctypes
import errno
import fcntl
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback

PORTS = 6
HDR = 12
PVID, UNTAGGED, RANGE_BEGIN, RANGE_END = 2, 4, 8, 16
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 = 1, 2, 4

NOT_HERE = 77           # exit status: this kernel has no VLAN filtering

CLONE_NEWNET = 0x40000000
TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454ca, 0x400454d0, 0x400454d8
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 2, 0x1000, 0x4000

RTM_NEWLINK, RTM_SETLINK, RTM_DELLINK = 16, 19, 17
NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE = 1, 4, 0x200, 0x400
NLMSG_ERROR, AF_BRIDGE, IFF_UP = 2, 7, 1
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER = 1, 3, 4, 10
IFLA_LINKINFO, IFLA_AF_SPEC, IFLA_INFO_KIND, IFLA_INFO_DATA = 18, 26, 1, 2
IFLA_BRIDGE_VLAN_INFO = 2
BR_AGEING_TIME, BR_STP_STATE, BR_VLAN_FILTERING, BR_VLAN_PROTOCOL = 4, 5, 7, 8
BR_FDB_FLUSH, BR_MCAST_SNOOPING, BR_VLAN_DEFAULT_PVID = 21, 23, 39

RB_POWER_OFF = 0x4321fedc
SYS_FINIT_MODULE = 313  # of x86-64, the only machine of user-mode-linux
UML, UML_MODULES = 'linux.uml', '/usr/lib/uml/modules'
MODULES = ('tun', 'bridge')


# Netlink

def attr(kind, data):
    return struct.pack('=HH', 4 + len(data), kind) + data + \
        bytes(-len(data) % 4)


def u8(kind, n):
    return attr(kind, struct.pack('=B', n))


def u32(kind, n):
    return attr(kind, struct.pack('=I', n))


class Netlink:
    """A netlink socket that changes links; raises errors as OSError."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.sock.bind((0, 0))

    def link(self, message, index, attrs, family=0, flags=0, link_flags=0,
             mask=0):
        body = struct.pack('=BxHiII', family, 0, index, link_flags, mask) + \
            attrs
        self.sock.send(struct.pack(
            '=IHHII', 16 + len(body), message,
            NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0) + body)
        reply = self.sock.recv(65536)
        kind, = struct.unpack_from('=H', reply, 4)
        code, = struct.unpack_from('=i', reply, 16)
        assert kind == NLMSG_ERROR
        if code:
            raise OSError(-code, os.strerror(-code))

    def bridge(self, index, data, flags=0, more=b''):
        self.link(RTM_NEWLINK, index, more + attr(
            IFLA_LINKINFO, attr(IFLA_INFO_KIND, b'bridge\0') +
            attr(IFLA_INFO_DATA, data)), flags=flags)

    def vlans(self, message, index, infos):
        """Sends @infos, a list of (flags, vid), in messages of at most 64 KiB
        of attributes."""
        for i in range(0, len(infos), 4000):
            self.link(message, index, attr(IFLA_AF_SPEC, b''.join(
                attr(IFLA_BRIDGE_VLAN_INFO, struct.pack('=HH', *info))
                for info in infos[i:i + 4000])), family=AF_BRIDGE)


def ranges(vids):
    """Returns VLANs that leave tagged as the fewest (flags, vid)."""
    infos = []
    vids = sorted(vids)
    at = 0
    while at < len(vids):
        end = at
        while end + 1 < len(vids) and vids[end + 1] == vids[end] + 1:
            end += 1
        infos += [(0, vids[at])] if end == at else \
            [(RANGE_BEGIN, vids[at]), (RANGE_END, vids[end])]
        at = end + 1
    return infos


class Bridge:
    """br0 with taps t0, t1, ... on it, in this process's network namespace."""

    def __init__(self, count):
        for which in ('all', 'default'):
            path = f'/proc/sys/net/ipv6/conf/{which}/disable_ipv6'
            if os.path.exists(path):
                with open(path, 'w') as f:
                    f.write('1')
        self.netlink = Netlink()
        # The bridge forgets no address within an hour. Its own address is in no
        # frame of the tests.
        self.netlink.bridge(
            0, u8(BR_VLAN_FILTERING, 1) + u8(BR_MCAST_SNOOPING, 0) +
            u32(BR_AGEING_TIME, 360000) + u32(BR_STP_STATE, 0) +
            attr(BR_VLAN_DEFAULT_PVID, struct.pack('=H', 0)),
            NLM_F_CREATE | NLM_F_EXCL,
            attr(IFLA_IFNAME, b'br0\0') +
            attr(IFLA_ADDRESS, bytes.fromhex('0eeeee0000ff')))
        self.index = socket.if_nametoindex('br0')
        self.netlink.link(RTM_NEWLINK, self.index, b'', link_flags=IFF_UP,
                          mask=IFF_UP)
        self.taps, self.indices = [], []
        self.has = [{} for _ in range(count)]
        self.poll = select.poll()
        for i in range(count):
            fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack(
                '16sH22x', b't%d' % i, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
            fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack('=i', HDR))
            index = socket.if_nametoindex(f't{i}')
            # Frames with three tags and 1500 bytes may pass.
            self.netlink.link(
                RTM_NEWLINK, index,
                u32(IFLA_MASTER, self.index) + u32(IFLA_MTU, 4000) +
                attr(IFLA_ADDRESS, bytes.fromhex('0eeeee0000%02x' % i)),
                link_flags=IFF_UP, mask=IFF_UP)
            self.taps.append(fd)
            self.indices.append(index)
            self.poll.register(fd, select.POLLIN)

    def reset(self, filtering, ethertype):
        for port in range(len(self.taps)):
            self.vlans(port, {})
            self.offloads(port, 0)
        self.netlink.bridge(self.index, u8(BR_VLAN_FILTERING, filtering) +
                            attr(BR_FDB_FLUSH, b''))
        self.ethertype(ethertype)

    def ethertype(self, n):
        self.netlink.bridge(self.index, attr(BR_VLAN_PROTOCOL,
                                             struct.pack('!H', n)))

    def offloads(self, port, bits):
        fcntl.ioctl(self.taps[port], TUNSETOFFLOAD, bits)

    def vlans(self, port, wanted):
        """Sets the port's VLANs. Makes only the necessary changes: the bridge
        forgets the addresses of a VLAN that the port leaves."""
        has, index = self.has[port], self.indices[port]
        gone = [(0, vid) for vid in has if vid not in wanted]
        if gone:
            self.netlink.vlans(RTM_DELLINK, index,
                               ranges(vid for _, vid in gone))
        new = {vid: flags for vid, flags in wanted.items()
               if has.get(vid) != flags}
        # The VLAN of untagged frames comes last: it replaces the old one.
        infos = ranges(vid for vid, flags in new.items() if not flags) + \
            [(flags, vid) for vid, flags in new.items() if flags]
        if infos:
            self.netlink.vlans(RTM_SETLINK, index, infos)
        self.has[port] = dict(wanted)

    def read(self, wait=0):
        """Returns the frames that can be read now, a list by port."""
        out = [[] for _ in self.taps]
        while ready := self.poll.poll(wait):
            for fd, _ in ready:
                out[self.taps.index(fd)].append(os.read(fd, 70000))
        return out

    def frame(self, port, data):
        try:
            os.write(self.taps[port], data)
        except OSError as e:
            # The kernel drops a frame that its header does not fit.
            if e.errno != errno.EINVAL:
                raise
        return self.read()

    def run(self, steps):
        return [getattr(self, what)(*args) for what, *args in steps]


# As a program

def libc_call(name, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*args):
        raise OSError(ctypes.get_errno(),
                      f'{name}: {os.strerror(ctypes.get_errno())}')


def load_modules():
    """Loads the needed modules, each after those it depends on."""
    folder = os.path.join(UML_MODULES, os.uname().release)
    needs = {}
    with open(os.path.join(folder, 'modules.dep')) as f:
        for line in f:
            path, _, others = line.partition(':')
            needs[path] = others.split()
    loaded = set()
    for name in MODULES:
        path, = (p for p in needs if os.path.basename(p) == name + '.ko')
        for p in [*reversed(needs[path]), path]:
            if p not in loaded:
                loaded.add(p)
                with open(os.path.join(folder, p), 'rb') as f:
                    libc_call('syscall', SYS_FINIT_MODULE, f.fileno(), b'', 0)


def become_init():
    """Prepares the system as the first process of a kernel must."""
    for kind, where in ((b'proc', b'/proc'), (b'devtmpfs', b'/dev')):
        try:
            libc_call('mount', kind, where, kind, 0, None)
        except OSError as e:
            if e.errno != errno.EBUSY:
                raise
    load_modules()


def serve(source, target):
    with open(source, 'rb') as f:
        runs = pickle.load(f)
    try:
        bridge = Bridge(PORTS)
    except OSError as e:
        print(f'a bridge with VLAN filtering: {e}', file=sys.stderr)
        return NOT_HERE
    replies = [bridge.run(steps) for steps in runs]
    late = bridge.read(100)
    assert not any(late), f'frames that came too late: {late}'
    with open(target + '.new', 'wb') as f:
        pickle.dump(replies, f)
    os.rename(target + '.new', target)
    return 0


def main(source, target):
    if os.getpid() != 1:
        try:
            libc_call('unshare', CLONE_NEWNET)
        except OSError as e:
            print(e, file=sys.stderr)
            return NOT_HERE
        return serve(source, target)
    # As init, this process must always switch the machine off.
    try:
        become_init()
        return serve(source, target)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        libc_call('reboot', RB_POWER_OFF)


# For the tests

def run_command(argv, log, timeout):
    """Runs a command, ends all processes that it started, and returns its exit
    status."""
    with open(log, 'wb') as f:
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                             start_new_session=True)
    try:
        return p.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        try:
            os.killpg(p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        p.wait()


def log_text(path):
    with open(path, errors='replace') as f:
        return f.read().strip()[-2000:]


class Unavailable(Exception):
    """No bridge with VLAN filtering is available; the text has the reason."""


def compare_with_linux(runs, folder, timeout=120):
    """Returns (replies, seconds it took); see the top of this file."""
    source, target = (os.path.join(folder, f'bridge.{n}')
                      for n in ('in', 'out'))
    log = os.path.join(folder, 'bridge.log')
    with open(source, 'wb') as f:
        pickle.dump(runs, f)
    me = os.path.abspath(__file__)
    start = time.monotonic()
    status = run_command([sys.executable, '-B', me, source, target], log,
                         timeout)
    if status == NOT_HERE:
        import lab  # not found where this file is a program
        fault = lab.uml_fault()
        if fault or not os.path.isdir(UML_MODULES):
            raise Unavailable(f'{log_text(log)}, and ' + (
                fault or f'there is no {UML_MODULES}'))
        status = run_command(
            [UML, 'mem=192M', 'rootfstype=hostfs', 'rootflags=/', 'rw', 'quiet',
             f'uml_dir={folder}', 'umid=bridge', 'con=null', 'con0=null,fd:1',
             f'init={sys.executable}', '--', '-B', me, source, target], log,
            timeout)
    if not os.path.exists(target):
        raise RuntimeError(f'the Linux bridge gave no answer (exit status '
                           f'{status}): {log_text(log)}')
    with open(target, 'rb') as f:
        return pickle.load(f), time.monotonic() - start


if __name__ == '__main__':
    # user-mode-linux appends arguments of its own.
    sys.exit(main(*sys.argv[1:3]))
