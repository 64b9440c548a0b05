#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that no function on the path of a frame allocates, prints, logs,
locks or sleeps.

The rule holds for two sets of functions. Neither set is a list of files, so a
file may be split or moved:
  - all functions of the folders in PURE;
  - all functions that a worker reaches: those called from ROOTS, by name or
    through a member that any initialiser sets to them (".tx_burst = f").
Functions, calls and initialisers are found in the text, which clang-format
keeps regular. The search ends at functions and macros of libraries.

    hotpath.py            prints what breaks the rules; exit 1 if anything does
    hotpath.py --list     prints the functions that the rules hold for
"""
import collections
import glob
import os
import re
import sys

PURE = ('src/net/', 'src/virtio/', 'src/vnet/')
# A worker's thread.
ROOTS = ('worker_main',)

FORBIDDEN = {
    'allocates': r'malloc|calloc|realloc|reallocarray|free|strdup|strndup|'
                 r'v?asprintf|aligned_alloc|posix_memalign|mmap|munmap|'
                 r'json_\w+',
    'prints': r'v?f?printf|v?s?n?printf|puts|putchar|fputs|fwrite|perror|'
              r'err_set|err_prefix',
    'logs': r'log_\w+|syslog',
    'sleeps': r'sleep|usleep|nanosleep|clock_nanosleep|poll|ppoll|select|'
              r'epoll_wait|epoll_p?wait2?|sched_yield|sem_wait|flock|'
              r'pthread_(mutex_lock|cond_(timed)?wait|join)|rcu_wait_workers|'
              r'rcu_barrier|synchronize_rcu|waitpid|connect|getaddrinfo',
}
WORDS = re.compile('|'.join(FORBIDDEN.values()))
# FUNCTION: (what it may do, the reason)
ALLOWED = {
    'wait_for_events': ('sleeps', 'the place where an idle worker sleeps'),
    'look_at_events': ('sleeps', 'epoll_wait() with a timeout of 0'),
    'vnet_pairs_set_filter': ('sleeps', 'control: the filter before is freed'),
    'vq_drv_create': ('allocates', 'life of a ring'),
    'vq_drv_destroy': ('allocates', 'life of a ring'),
}

NOT_CALLS = {'if', 'for', 'while', 'switch', 'return', 'sizeof', 'alignof',
             'offsetof', 'typeof', 'defined', '__attribute__', '__asm__'}

Function = collections.namedtuple('Function', 'name path line body is_static')


def blank(match):
    """Returns the replacement of a comment or literal: blanks and newlines."""
    text = match.group()
    return '""' if text[0] in '"\'' else re.sub(r'[^\n]', ' ', text)


def read_code(path):
    with open(path) as f:
        text = f.read()
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'
                  r"'(?:\\.|[^'\\\n])*'", blank, text, flags=re.S)


def functions_of(path, code):
    """Yields each definition: it begins in column 0 and ends with a brace in
    column 0. A macro with parameters counts as a function."""
    for m in re.finditer(r'^(\w[^;{}#=]*?\b(\w+)\([^;{}]*\)[^;{}=]*)\n?\{\n'
                         r'(.*?)^\}', code, re.M | re.S):
        yield Function(m[2], path, code.count('\n', 0, m.start(3)) + 1, m[3],
                       bool(re.match(r'static\b', m[1])))
    for m in re.finditer(r'^#define (\w+)\((?:[^()]*)\)((?:.*\\\n)*.*)', code,
                         re.M):
        yield Function(m[1], path, code.count('\n', 0, m.start(2)) + 1, m[2],
                       path.endswith('.c'))


class Tree:
    def __init__(self):
        self.functions = []
        self.members = collections.defaultdict(set)
        for path in sorted(glob.glob('src/**/*.[ch]', recursive=True)):
            code = read_code(path)
            self.functions += functions_of(path, code)
            for member, f in re.findall(
                    r'(?:\.|->)(\w+)\s*=\s*&?(\w+)(?=\s*[,;}])', code):
                self.members[member].add((path, f))
        self.named = collections.defaultdict(list)
        for f in self.functions:
            self.named[f.name].append(f)

    def find(self, name, path):
        """Returns the functions that @name may mean in @path: the file's own,
        else those of other files."""
        found = self.named.get(name, ())
        return [f for f in found if f.path == path] or \
            [f for f in found if not f.is_static or f.path.endswith('.h')]

    def callees(self, function):
        for m in re.finditer(r'(\.|->)?\b(\w+)\s*\(', function.body):
            if m[1]:
                for path, name in sorted(self.members[m[2]]):
                    yield from self.find(name, path)
            elif m[2] not in NOT_CALLS and not WORDS.fullmatch(m[2]):
                yield from self.find(m[2], function.path)


def reach(tree):
    """Returns {(path, name): (function, its caller or None)} of all functions
    in the pure folders or reached from the roots."""
    todo = [f for f in tree.functions
            if f.name in ROOTS or f.path.startswith(PURE)]
    for root in ROOTS:
        if root not in tree.named:
            sys.exit(f'hotpath.py: there is no {root}() any more; ROOTS is old')
    seen = {(f.path, f.name): (f, None) for f in todo}
    # The search does not follow calls from the pure folders: functions there
    # that create or destroy may call anything.
    todo = [f for f in todo if f.name in ROOTS]
    visited = set()
    while todo:
        caller = todo.pop()
        if (caller.path, caller.name) in visited:
            continue
        visited.add((caller.path, caller.name))
        for f in tree.callees(caller):
            if (f.path, f.name) not in visited:
                if not seen.get((f.path, f.name), (None, None))[1]:
                    seen[f.path, f.name] = (f, caller)
                todo.append(f)
    return seen


def chain(seen, key):
    """Returns the callers from @key up to a root, for the message."""
    names = []
    while key in seen and seen[key][1] and len(names) < 12:
        f = seen[key][1]
        names.append(f.name)
        key = (f.path, f.name)
    return ' < '.join(names)


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
    tree = Tree()
    seen = reach(tree)
    if sys.argv[1:] == ['--list']:
        for path, name in sorted(seen):
            print(f'{path}: {name}')
        return 0
    found = 0
    used = set()
    for key, (f, caller) in sorted(seen.items()):
        for what, words in FORBIDDEN.items():
            for m in re.finditer(rf'(?<![\w.>])({words})\s*\(', f.body):
                if ALLOWED.get(f.name, ('',))[0] == what:
                    used.add(f.name)
                    continue
                line = f.line + f.body.count('\n', 0, m.start())
                via = chain(seen, key)
                print(f'{f.path}:{line}: {f.name}(): {m[1]}()   <- {what} on '
                      f'the path of a frame' + (f' (< {via})' if via else ''))
                found += 1
    for name in sorted(set(ALLOWED) - used):
        print(f'scripts/hotpath.py:1: {name}   <- needs no exception any more')
        found += 1
    return 1 if found else 0


sys.exit(main())
