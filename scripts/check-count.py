#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Counts test results: check-count.py LABEL FILE...

FILE is Meson's testlog.json (each program is a cmocka run, whose cases are
counted) or pytest's JUnit XML. Prints "PASSED FAILED SKIPPED" on the first
line, then one line for each failure and each skipped test with its reason.
A test that is in two XML files was run again: the last result counts, and a
failure before it is told as "unsteady".

check-count.py --again FILE prints which tests of the XML file to run again, a
line each: up to ten failures that may have come from a machine that was busy
with something else. What a sanitizer found, or a process that died, is none.
"""
import json
import re
import sys
import xml.etree.ElementTree as ET


def cmocka_cases(text, word):
    # matches "[  PASSED  ] 4 test(s)."
    return sum(int(n) for n in
               re.findall(r'^\[\s*%s\s*\] (\d+) test\(s\)' % word, text, re.M))


def count_meson(path, notes):
    passed = failed = skipped = 0
    for line in open(path, encoding='utf-8', errors='replace'):
        test = json.loads(line)
        name = test['name'].split(' / ')[-1]
        text = test.get('stdout', '') + '\n' + test.get('stderr', '')
        cases = [cmocka_cases(text, w)
                 for w in ('PASSED', 'FAILED', 'SKIPPED')]
        if test['result'] == 'OK':
            passed += max(1, cases[0] + cases[2]) - cases[2]
            skipped += cases[2]
            for case in re.findall(r'^\[  SKIPPED \] (\w+)', text, re.M):
                notes.append(f'skipped: {name}: {case}')
        elif test['result'] == 'SKIP':
            skipped += 1
            reason = (text.strip().splitlines() or ['no reason given'])[-1]
            notes.append(f'skipped: {name}: {reason}')
        else:
            # A program that died prints nothing about its last case.
            passed += cases[0]
            failed += max(1, cases[1])
            notes.append(f'failed: {name}: {test["result"].lower()}')
            for fault in re.findall(r'^(?:\[  FAILED  \] [a-z_].*|.*: error: .*|'
                                    r'.*ERROR: .*|.*runtime error: .*|'
                                    r'WARNING: ThreadSanitizer.*)$',
                                    text, re.M)[:8]:
                notes.append(f'    {fault.strip()[:150]}')
    return passed, failed, skipped


def failures(case):
    return [n for n in case if n.tag in ('failure', 'error')]


def count_junit(paths, notes):
    passed = failed = skipped = 0
    cases = {}
    for path in paths:
        for case in ET.parse(path).iter('testcase'):
            module = case.get('classname', '').split('.')[-1]
            cases.setdefault(f'{module}::{case.get("name")}', []).append(case)
    for name, runs in cases.items():
        bad = failures(runs[-1])
        skip = runs[-1].find('skipped')
        for old in [] if bad else sum(map(failures, runs), []):
            notes.append(f'unsteady: {name}: failed first: '
                         f'{(old.get("message") or "")[:150]!r}')
        if bad:
            failed += 1
            notes.append(f'failed: {name}: '
                         f'{(bad[0].get("message") or "")[:150]!r}')
        elif skip is not None:
            skipped += 1
            notes.append(f'skipped: {name}: {skip.get("message")}')
        else:
            passed += 1
    return passed, failed, skipped


def print_again(path):
    found = [(case, n) for case in ET.parse(path).iter('testcase')
             for n in failures(case)]
    if len(found) > 10 or any(
            re.search('Sanitizer|runtime error|ended with -?[1-9]',
                      (n.get('message') or '') + (n.text or ''))
            for case, n in found):
        return
    for name in {f'{case.get("classname").replace(".", "/")}.py::'
                 f'{case.get("name")}' for case, _ in found}:
        print(name)


def main():
    if sys.argv[1] == '--again':
        print_again(sys.argv[2])
        return
    label, notes, sums = sys.argv[1], [], (0, 0, 0)
    files = [[p for p in sys.argv[2:] if p.endswith('.xml')]]
    files += [p for p in sys.argv[2:] if not p.endswith('.xml')]
    for path in files:
        count = count_junit if isinstance(path, list) else count_meson
        sums = [a + b for a, b in zip(sums, count(path, notes))]
    print(*sums)
    for note in notes:
        print(note if note.startswith(' ') else f'{label}: {note}')


main()
