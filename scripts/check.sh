#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every test of the project, in steps:
#   lint      scripts/lint.sh
#   gcc       builds with gcc, warnings are errors; unit tests
#   sanitize  builds with clang, warnings are errors, with ASan and UBSan;
#             unit tests
#   threads   the unit tests of suite "threads" under TSan
#   system    tests/system against the gcc build
#   asan, tsan  those of tests/system that need no guests, against the builds of
#             sanitize and threads
#   check.sh [STEP...]      without arguments: all of them
# Logs go to build-check/. The last line is the sum over all test runs; a step
# that fails before its tests counts as one failure. PYTEST_ARGS is passed on.
set -u
cd "$(dirname "$0")/.." || exit 1
out=$PWD/build-check
mkdir -p "$out"
passed=0 failed=0 skipped=0
notes=()
start_all=$SECONDS

# count LABEL FILE...: adds the results in FILE to the sums
count() {
	local lines counts
	mapfile -t lines < <(scripts/check-count.py "$@" 2>&1)
	if ! [[ ${lines[0]:-} =~ ^[0-9]+\ [0-9]+\ [0-9]+$ ]]; then
		fail "$1" "no test results (${lines[*]: -1})"
		return
	fi
	read -ra counts <<<"${lines[0]}"
	passed=$((passed + counts[0])) failed=$((failed + counts[1]))
	skipped=$((skipped + counts[2]))
	tally="${counts[0]} passed, ${counts[1]} failed, ${counts[2]} skipped"
	notes+=("${lines[@]:1}")
}

# fail LABEL REASON: one failure that is no test's
fail() {
	failed=$((failed + 1))
	notes+=("$1: failed: $2")
	tally="failed: $2"
}

# step NAME TITLE FUNCTION ARGS...: runs, times and reports one step
step() {
	local name=$1 title=$2 start=$SECONDS
	shift 2
	printf '%-10s %-50s ' "$name" "$title"
	tally=
	"$@"
	printf '%4d s  %s\n' $((SECONDS - start)) "${tally:-done}"
}

lint() {
	scripts/lint.sh >"$out/lint.log" 2>&1 && return
	fail lint "$(grep -c . "$out/lint.log") finding(s), see build-check/lint.log"
	mapfile -t -O ${#notes[@]} notes < <(head -10 "$out/lint.log")
}

# build_and_test NAME SUITE TARGET MESON-ARGS...
build_and_test() {
	local name=$1 suite=$2 target=$3 dir=$out/$1 log=$out/$1.log
	shift 3
	if [ ! -f "$dir/build.ninja" ]; then
		rm -rf "$dir"
		meson setup "$dir" -Dwerror=true "$@" >"$log" 2>&1 ||
			{ fail "$name" "meson setup, see $log"; return; }
	fi
	if [ "$suite" = threads ] && ! meson introspect --tests "$dir" |
		grep -q 'threads"'; then
		tally="no test in this suite"
		return
	fi
	if ! ninja -C "$dir" $target >"$log" 2>&1; then
		fail "$name" "build, see $log"
		mapfile -t -O ${#notes[@]} notes < <(
			grep -E 'error|warning|undefined' "$log" | head -5)
		return
	fi
	rm -f "$dir/meson-logs/testlog.json"
	meson test -C "$dir" --no-rebuild --suite "$suite" >>"$log" 2>&1
	count "$name" "$dir/meson-logs/testlog.json"
}

# system_tests NAME BUILD PYTEST-ARGS...
system_tests() {
	local name=$1 binary=$out/$2/ringway xml=$out/$1.xml log=$out/$1.log
	shift 2
	if [ ! -x "$binary" ]; then
		fail "$name" "there is no $binary to test"
		return
	fi
	rm -f "$xml"
	RINGWAY=$binary RINGWAY_TEST_LOGS=$out/$name \
		/usr/bin/python3 -m pytest -p no:cacheprovider -q -rs \
		--durations=15 --junitxml="$xml" "$@" ${PYTEST_ARGS:-} \
		tests/system >"$log" 2>&1
	case $? in
	0 | 1) count "$name" "$xml" ;;
	*) fail "$name" "pytest, see $log" ;;
	esac
}

run() {
	case $1 in
	lint) step lint "forbidden words, licence lines, characters" lint ;;
	gcc) CC=gcc step gcc "build with gcc -Werror, unit tests" \
		build_and_test gcc unit "" ;;
	# Frames of -O1 are what makes the reports readable; the warnings are
	# the same at any level with clang.
	sanitize) CC=clang step sanitize "build with clang -Werror, ASan, UBSan" \
		build_and_test sanitize unit "" -Doptimization=1 \
		-Db_sanitize=address,undefined -Db_lundef=false ;;
	threads) CC=clang step threads "thread tests under TSan" \
		build_and_test threads threads "" -Doptimization=1 \
		-Db_sanitize=thread -Db_lundef=false ;;
	system) step system "daemon, testpmd, guests, tap, user port" \
		system_tests system gcc ;;
	asan) step asan "the daemon with ASan and UBSan" \
		system_tests asan sanitize -m "not guests and not measures" ;;
	tsan) step tsan "the daemon with TSan" \
		system_tests tsan threads \
		-m "not guests and not measures and not shares" ;;
	*)
		echo "check.sh: unknown step '$1'" \
			"(lint, gcc, sanitize, threads, system, asan, tsan)" >&2
		exit 2
		;;
	esac
}

export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export ASAN_OPTIONS=detect_stack_use_after_return=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
[ $# -gt 0 ] || set -- lint gcc sanitize threads system asan tsan
for s in "$@"; do
	run "$s"
done

[ ${#notes[@]} -eq 0 ] || printf '  %s\n' "${notes[@]}"
echo "logs in build-check/, $((SECONDS - start_all)) s"
echo "$passed passed, $failed failed, $skipped skipped" | tee "$out/tally"
[ $failed -eq 0 ]
