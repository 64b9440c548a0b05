#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs clang-tidy on src/, with the checks of .clang-tidy:
#   tidy.sh [BUILD [FILE...]]   BUILD (default build) is a Meson build folder;
#                               its compile_commands.json has the flags
# Prints the findings; exit 1 when there is one.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build}
shift
if [ ! -f "$build/compile_commands.json" ]; then
	echo "tidy.sh: there is no $build/compile_commands.json" >&2
	exit 1
fi
# Some sources are compiled again for tests, with other flags.
flags=$(mktemp -d) || exit 1
trap 'rm -rf "$flags"' EXIT
python3 - "$build" "$flags" <<'END' || exit 1
import json, os, sys
with open(f'{sys.argv[1]}/compile_commands.json') as f:
    commands = [c for c in json.load(f) if not c['output'].startswith('tests/')]
with open(f'{sys.argv[2]}/compile_commands.json', 'w') as f:
    json.dump(commands, f)
with open(f'{sys.argv[2]}/sources', 'w') as f:
    for c in sorted(commands, key=lambda c: c['file']):
        path = os.path.join(c['directory'], c['file'])
        print(os.path.relpath(path), end='\0', file=f)
END
# What this build leaves out has no flags.
[ $# -gt 0 ] || mapfile -t -d '' <"$flags/sources"
[ $# -gt 0 ] || set -- "${MAPFILE[@]}"
# On success clang-tidy's output only counts the warnings of system headers, so
# the output of a run is printed only when it fails.
printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" sh -c '
	out=$(clang-tidy -p "$0" --quiet "$1" 2>&1)
	status=$?
	[ $status -eq 0 ] || printf "%s\n" "$out"
	exit $status' "$flags" | sed "s|$PWD/||g; s|^[^ :]*\.\./src/|src/|"
exit "${PIPESTATUS[1]}"
