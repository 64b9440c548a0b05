#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the documented layers against the source. Prints each difference;
exit 1 when there is one.

    layers.py          docs/architecture.md has the layers of src/meson.build
                       and the steps of make check; each folder with sources is
                       a layer, and its row names only earlier layers; files
                       that the documents name exist
    layers.py BUILD    with the flags of BUILD, the compiler finds from each
                       layer its own headers and those of its row, and no other
"""
import glob
import json
import os
import re
import shlex
import subprocess
import sys

DOC = 'docs/architecture.md'
MESON = 'src/meson.build'
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
# The program: it may include every layer, and is no library, so MESON has no
# row for it.
PROGRAM = 'cli'

faults = []


def fault(where, what):
    faults.append(f'{where}:   <- {what}')


def layers_of_build():
    """Returns {folder: folders it may include}, in order."""
    with open(MESON) as f:
        table = re.search(r'^layers = \[\n(.*?)^\]$', f.read(), re.M | re.S)[1]
    rows = re.findall(r"\[\s*'([\w/]+)',\s*\[([^\]]*)\]", table)
    return {name: re.findall(r"'([\w/]+)'", below) for name, below in rows}


def layers_of_doc():
    with open(DOC) as f:
        section = re.search(r'^## 3\..*?(?=^## 4\.)', f.read(), re.M | re.S)[0]
    rows = re.findall(r'^\| `([\w/]+)/` \| ([^|]*) \|', section, re.M)
    return {name: re.findall(r'[\w/]+', below) for name, below in rows}


def check_table(layers):
    doc = layers_of_doc()
    if doc.pop(PROGRAM, None) != ['all']:
        fault(DOC, f'section 3 has no row | `{PROGRAM}/` | all |')
    for name in layers:
        if name not in doc:
            fault(DOC, f'section 3 has no row for {name}/')
        elif doc[name] != layers[name]:
            fault(DOC, f'{name}/ may include {", ".join(layers[name]) or "-"} '
                  f'({MESON}), not {", ".join(doc[name]) or "-"}')
    for name in doc:
        if name not in layers:
            fault(DOC, f'{name}/ is no layer of {MESON}')
    if not faults and list(doc) != list(layers):
        fault(DOC, f'the order of the layers is another one in {MESON}')


def check_folders(layers):
    known = []
    for name, below in layers.items():
        for other in below:
            if other not in known:
                fault(MESON, f'{name} may include {other}, which is not below')
        known.append(name)
    folders = {os.path.dirname(path)[len('src/'):]
               for path in glob.glob('src/**/*.[ch]', recursive=True)}
    for folder in sorted(folders - set(layers)):
        if folder.split('/')[0] != PROGRAM:
            fault(f'src/{folder}', f'is no layer of {MESON}')
    for name in layers:
        if name not in folders:
            fault(MESON, f'the layer {name} has no files')


def check_steps():
    with open('scripts/check.sh') as f:
        steps = re.search(r'^steps=\(([^)]*)\)', f.read(), re.M)[1].split()
    with open(DOC) as f:
        section = re.search(r'^## 12\..*', f.read(), re.M | re.S)[0]
    rows = re.findall(r'^\| ([a-z, ]+) \|', section, re.M)
    told = [s for row in rows for s in row.split(', ') if row != 'step']
    if told != steps:
        fault(DOC, f'section 12 has the steps {" ".join(told)}, '
              f'scripts/check.sh {" ".join(steps)}')


def check_names():
    """Checks paths in documents, which begin at the top, src/ or the document's
    own folder."""
    for doc in ['README.md'] + sorted(glob.glob('docs/*.md')):
        with open(doc) as f:
            for n, line in enumerate(f, 1):
                for path in re.findall(
                        r'(?<![\w/.~<:-])((?:[a-z]\w*/)+[\w.-]+\.'
                        r'(?:[ch]|py|sh|build|md))\b', line):
                    if not any(os.path.exists(os.path.join(d, path))
                               for d in ('.', 'src', os.path.dirname(doc))):
                        fault(f'{doc}:{n}', f'there is no {path}')


def headers_found(command, folder, headers):
    """Returns those of @headers that a source of the layer can include. The
    probe is read from standard input: a file's own folder would be searched
    too."""
    argv = []
    words = iter(shlex.split(command))
    for word in words:
        if word in ('-o', '-MF', '-MQ'):
            next(words)
        elif word not in ('-c', '-MD') and not word.endswith('.c'):
            argv.append(word)
    probe = ''.join(f'#if __has_include("{h}")\nyes {h}\n#endif\n'
                    for h in headers)
    done = subprocess.run(argv + ['-E', '-P', '-x', 'c', '-'], input=probe,
                          capture_output=True, text=True, cwd=folder)
    if done.returncode:
        sys.exit(f'layers.py: {" ".join(argv)}: {done.stderr}')
    return set(re.findall(r'^yes (.*)$', done.stdout, re.M))


def check_includes(layers, build):
    headers = {}
    for path in sorted(glob.glob('src/**/*.h', recursive=True)):
        name = os.path.basename(path)
        if name in headers:
            fault(path, f'{headers[name]}/ has a header of that name, too')
        headers[name] = os.path.dirname(path)[len('src/'):]
    commands = {}
    with open(os.path.join(build, 'compile_commands.json')) as f:
        for entry in json.load(f):
            path = os.path.relpath(os.path.join(entry['directory'],
                                                entry['file']))
            if path.startswith('src/'):
                commands[os.path.dirname(path)[len('src/'):]] = entry
    for name, below in layers.items():
        if name not in commands:
            continue  # headers only
        found = headers_found(commands[name]['command'],
                              commands[name]['directory'], headers)
        for header, folder in headers.items():
            may = folder == name or folder in below
            if may != (header in found):
                fault(f'src/{name}', ('cannot' if may else 'can') +
                      f' include {header} of {folder}/')


def main():
    build = os.path.abspath(sys.argv[1]) if sys.argv[1:] else None
    os.chdir(TOP)
    layers = layers_of_build()
    if build:
        check_includes(layers, build)
    else:
        check_table(layers)
        check_folders(layers)
        check_names()
        check_steps()
    print(*faults, sep='\n', end='\n' if faults else '')
    return 1 if faults else 0


sys.exit(main())
