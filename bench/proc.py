# SPDX-License-Identifier: Apache-2.0
"""What /proc tells of a process."""
import os

TICK = os.sysconf('SC_CLK_TCK')


def read(pid, name):
    with open(f'/proc/{pid}/{name}') as f:
        return f.read()


def cpu_seconds(pid):
    """User and system time of all threads, in ns where the kernel tells."""
    total = 0
    for tid in os.listdir(f'/proc/{pid}/task'):
        try:
            total += int(read(pid, f'task/{tid}/schedstat').split()[0]) / 1e9
        except (OSError, IndexError):
            fields = read(pid, f'task/{tid}/stat').rsplit(')', 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def family_seconds(pids):
    """The same for the first of @pids, the children it has outlived, and those
    of the others that are still there."""
    fields = read(pids[0], 'stat').rsplit(')', 1)[1].split()
    total = (int(fields[13]) + int(fields[14])) / TICK
    for pid in pids:
        try:
            total += cpu_seconds(pid)
        except FileNotFoundError:
            pass  # ended just now, and in the next sum
    return total


def queued_seconds(pid):
    """Time the threads of a process were ready but had no processor: others
    used it."""
    return sum(int(read(pid, f'task/{tid}/schedstat').split()[1])
               for tid in os.listdir(f'/proc/{pid}/task')) / 1e9


def memory_kib(pid, what):
    """VmRSS; RssAnon: without the guests' memory, which counts as the
    daemon's too where it has read or written it."""
    for line in read(pid, 'status').splitlines():
        if line.startswith(what + ':'):
            return int(line.split()[1])
    return 0
