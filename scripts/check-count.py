#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Counts test results: check-count.py LABEL FILE...

FILE is Meson's testlog.json (each program is a cmocka run, whose cases are
counted) or pytest's JUnit XML. Prints "PASSED FAILED SKIPPED" on the first
line, then one line for each failure and each skipped test with its reason.
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


def count_junit(path, notes):
    passed = failed = skipped = 0
    for case in ET.parse(path).iter('testcase'):
        name = f'{case.get("classname", "").split(".")[-1]}::{case.get("name")}'
        bad = [n for n in case if n.tag in ('failure', 'error')]
        skip = case.find('skipped')
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


def main():
    label, notes, sums = sys.argv[1], [], (0, 0, 0)
    for path in sys.argv[2:]:
        count = count_junit if path.endswith('.xml') else count_meson
        sums = [a + b for a, b in zip(sums, count(path, notes))]
    print(*sums)
    for note in notes:
        print(note if note.startswith(' ') else f'{label}: {note}')


main()
