#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks the rules that a machine can check. Prints a line for each finding;
# exit 1 when there is one. Two more checks lie elsewhere: Meson enforces what a
# folder may include (src/meson.build), and scripts/tidy.sh runs clang-tidy.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
found=0

# rule MESSAGE PATTERN FILE...: prints the lines of code that match PATTERN;
# comments and strings are blanked first and cannot match
rule() {
	local message=$1 pattern=$2
	shift 2
	[ $# -gt 0 ] || return
	code "$@" | grep -P -- "$pattern" | sed "s|\$|   <- $message|" &&
		found=1
}

# text MESSAGE PATTERN FILE...: prints the lines of FILE that match PATTERN,
# those of comments and strings included
text() {
	local message=$1 pattern=$2
	shift 2
	[ $# -gt 0 ] || return
	grep -nHP -- "$pattern" "$@" | sed "s|\$|   <- $message|" && found=1
}

# code FILE...: prints FILE:LINE:code with comments and string literals blanked
code() {
	awk '
	FNR == 1 { inside = 0 }
	{
		line = $0; out = ""
		gsub(/\\./, "", line)
		gsub(/"[^"]*"/, "\"\"", line)
		while (line != "") {
			if (inside) {
				p = index(line, "*/")
				if (!p) { line = ""; break }
				inside = 0; line = substr(line, p + 2)
			} else {
				p = index(line, "/*")
				if (!p) { out = out line; break }
				out = out substr(line, 1, p - 1)
				inside = 1; line = substr(line, p + 2)
			}
		}
		sub(/\/\/.*/, "", out)
		print FILENAME ":" FNR ":" out
	}' "$@"
}

mapfile -t all < <(git ls-files 2>/dev/null)
[ ${#all[@]} -gt 0 ] || mapfile -t all < <(find . -type f \
	-not -path './.git/*' -not -path './build*' -printf '%P\n')
# select_files REGEX [REGEX-NOT]: prints the files that exist and match REGEX,
# but not REGEX-NOT
select_files() {
	local f
	for f in "${all[@]}"; do
		[ -f "$f" ] && [[ $f =~ $1 ]] &&
			{ [ -z "${2:-}" ] || ! [[ $f =~ $2 ]]; } && echo "$f"
	done
}

mapfile -t lib < <(select_files '^src/.*\.[ch]$' '^src/(cli|print)/')
mapfile -t c_files < <(select_files '\.[ch]$')
mapfile -t texts < <(select_files '' '(\.(png|bin|pcap)$|^LICENSE$)')
mapfile -t licensed < <(select_files \
	'(\.(c|h|sh|py|service)$|meson\.build$|^Makefile$|^\.ci/)')

rule 'only cli/ and print/ end the process' \
	'(?<![\w.>])(exit|_exit|abort|quick_exit)\s*\(' "${lib[@]}"
rule 'only cli/ and print/ print; log or return an error' \
	'(?<![\w.>])(printf|puts|putchar|perror|vprintf)\s*\(' "${lib[@]}"
rule 'stdio of the process belongs to cli/, print/ and base/log.c' \
	'\b(stdout|stderr)\b' $(printf '%s\n' "${lib[@]}" | grep -v base/log.c)
rule 'shared memory goes through base/shm.h' \
	'\b(__atomic_\w+|__sync_\w+|atomic_thread_fence|(?<!__asm__ )volatile)\b' \
	$(printf '%s\n' "${lib[@]}" | grep -v base/shm.h)
rule 'ring indices wrap by mask or comparison, not by %' \
	'(idx|avail|used|head|tail|slot)\w*\s*%(?! _Alignof)[^=s"]' \
	"${lib[@]}"
rule 'unbounded string function' \
	'(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|alloca)\s*\(' \
	"${lib[@]}"
text 'a header is included by its name alone (layers: src/meson.build)' \
	'^\s*#\s*include\s+"[^"]*/' \
	$(printf '%s\n' "${c_files[@]}" | grep '^src/')
text 'unfinished; say it in docs/caveats.md' '\b(TODO|FIXME|XXX|HACK)\b' \
	$(printf '%s\n' "${texts[@]}" | grep -v '^scripts/lint.sh$')
text 'not ASCII' '[^\x00-\x7f]' "${texts[@]}"
text 'space at the end of the line' '[ \t\r]$' "${texts[@]}"
for f in "${licensed[@]}"; do
	head -3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
		{ echo "$f:1:   <- no SPDX line"; found=1; }
done

# The layout is the one that clang-format writes. Its exit status is ignored:
# with pipefail it would become the status of the pipe.
{ clang-format --dry-run -Werror "${c_files[@]}" 2>&1 || true; } |
	sed -n 's/: error: .*/:   <- clang-format writes this otherwise/p' |
	sort -u | grep . && found=1
command -v clang-format >/dev/null ||
	{ echo 'scripts/lint.sh:   <- clang-format is not installed'; found=1; }
for check in hotpath sizes layers; do
	scripts/$check.py || found=1
done
exit $found
