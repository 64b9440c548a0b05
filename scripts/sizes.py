#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the sizes of folders, files and functions in src/. Prints each that is
larger than its limit; exit 1 when there is one. An exception below has the size
that its file had, and may only shrink. An exception that is not needed any more
is a finding too."""
import collections
import glob
import os
import re
import sys

SOURCES_PER_FOLDER = 15  # .c files; a larger folder should be two
LINES = {'.c': 450, '.h': 200}
FUNCTION_LINES = 60

# FILE or FILE:FUNCTION: lines
EXCEPTIONS = {
    'src/virtio/vq_ring.h': 235,
}


def functions(text):
    """Yields (name, lines) of each definition in text that clang-format wrote.
    """
    start = name = None
    lines = text.split('\n')
    for i, line in enumerate(lines):
        m = re.match(r'\w[^;{}#=]*?\b(\w+)\(', line)
        if m:
            start, name = i, m[1]
        elif line == '}' and name:
            yield name, i - start + 1
            name = None
        elif line.startswith('};'):
            name = None


def measure():
    """Returns {folder, file or file:function: (size, limit)}."""
    sizes = {}
    folders = collections.Counter()
    for path in sorted(glob.glob('src/**/*.[ch]', recursive=True)):
        with open(path) as f:
            text = f.read()
        sizes[path] = text.count('\n'), LINES[path[-2:]]
        for name, lines in functions(text):
            sizes[f'{path}:{name}'] = lines, FUNCTION_LINES
        if path.endswith('.c'):
            folders[os.path.dirname(path) + '/'] += 1
    for path, count in folders.items():
        sizes[path] = count, SOURCES_PER_FOLDER
    return sizes


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
    found = 0
    sizes = measure()
    for what, (size, limit) in sizes.items():
        allowed = EXCEPTIONS.get(what, limit)
        if size > allowed:
            unit = 'sources' if what.endswith('/') else 'lines'
            print(f'{what}:   <- {size} {unit}, {allowed} at most')
            found += 1
    for what in EXCEPTIONS:
        size, limit = sizes.get(what, (0, 0))
        if size <= limit:
            print(f'scripts/sizes.py: {what}   <- needs no exception any more')
            found += 1
    return 1 if found else 0


sys.exit(main())
