# SPDX-License-Identifier: Apache-2.0
"""Readings of /proc about a process."""
import os

TICK = os.sysconf('SC_CLK_TCK')


def read(pid, name):
    with open(f'/proc/{pid}/{name}') as f:
        return f.read()


def cpu_seconds(pid):
    """Returns the user and system time of all threads, with the resolution of
    schedstat (ns) where the kernel has it."""
    total = 0
    for tid in os.listdir(f'/proc/{pid}/task'):
        try:
            total += int(read(pid, f'task/{tid}/schedstat').split()[0]) / 1e9
        except (OSError, IndexError):
            fields = read(pid, f'task/{tid}/stat').rsplit(')', 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def family_seconds(pids):
    """Returns the user and system time of the first of @pids, of its children
    that have ended, and of the others of @pids that still exist."""
    fields = read(pids[0], 'stat').rsplit(')', 1)[1].split()
    total = (int(fields[13]) + int(fields[14])) / TICK
    for pid in pids:
        try:
            total += cpu_seconds(pid)
        except FileNotFoundError:
            pass  # just ended: the next call counts it as a child
    return total


def queued_seconds(pid):
    """Returns the time that the threads of a process were ready to run while
    others used the processor."""
    return sum(int(read(pid, f'task/{tid}/schedstat').split()[1])
               for tid in os.listdir(f'/proc/{pid}/task')) / 1e9


def memory_kib(pid, what):
    """Returns @what of /proc/PID/status, such as VmRSS. RssAnon leaves out the
    guests' memory; VmRSS includes the pages that the daemon has touched."""
    for line in read(pid, 'status').splitlines():
        if line.startswith(what + ':'):
            return int(line.split()[1])
    return 0
