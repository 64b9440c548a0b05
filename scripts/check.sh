#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every test of the project, in steps:
#   lint      scripts/lint.sh
#   gcc       builds with gcc, warnings are errors; unit tests
#   sanitize  builds with clang, warnings are errors, with ASan and UBSan;
#             unit tests
#   system    system tests (tests/system) without guests, with the gcc build
#   threads   the unit tests of suite "threads" under TSan
#   guests    system tests that boot guests
#   tidy      scripts/tidy.sh
#   asan, tsan  the tests of step system with the builds of steps sanitize and
#             threads
#   fuzz      builds with clang's libFuzzer; each target of tests/fuzz runs for
#             RINGWAY_FUZZ_SECONDS (60), from RINGWAY_FUZZ_SEED (1)
#   alone     system tests that measure time or memory or need the processors
#             for themselves, while no other step runs
#   check.sh [STEP...]      without arguments: all of them
# Two steps run at a time (RINGWAY_CHECK_JOBS); a step that needs the build of
# another runs after it. Each step prints a line at its end and logs to
# build-check/. A system test that failed while another step kept the processors
# busy is run once more, and told as unsteady. The last line is the sum over all
# test runs; a step that fails before its tests counts as one failure. pytest
# gets PYTEST_ARGS.
set -u
cd "$(dirname "$0")/.." || exit 1
out=$PWD/build-check
mkdir -p "$out"
jobs=${RINGWAY_CHECK_JOBS:-2}
start_all=$SECONDS

steps=(lint gcc sanitize system threads guests tidy asan tsan fuzz alone)
declare -A title=(
	[lint]="words, sizes, layers, layout"
	[gcc]="build with gcc -Werror, unit tests"
	[sanitize]="build with clang -Werror, ASan, UBSan, unit tests"
	[system]="daemon, testpmd, tap, user port"
	[threads]="thread tests under TSan"
	[guests]="guests in QEMU"
	[tidy]="clang-tidy"
	[asan]="the daemon with ASan and UBSan"
	[tsan]="the daemon with TSan"
	[fuzz]="fuzz targets, each for a minute"
	[alone]="time, memory, load; nothing beside it"
)
# the step whose build a step needs
declare -A need=([system]=gcc [guests]=gcc [tidy]=gcc
	[asan]=sanitize [tsan]=threads)

# The functions below run in the process of a step. They add their findings to
# these variables, which report() writes to build-check/STEP.result.
passed=0 failed=0 skipped=0 tally=
notes=()

report() {
	printf '%s\n' "$passed $failed $skipped" "${tally:-done}" "${notes[@]}"
}

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
	tally="$passed passed, $failed failed, $skipped skipped"
	notes+=("${lines[@]:1}")
}

# fail LABEL REASON: counts one failure outside of the tests
fail() {
	failed=$((failed + 1))
	notes+=("$1: failed: $2")
	tally="failed: $2"
}

# findings NAME PATTERN COMMAND...: when COMMAND fails, counts one failure and
# notes the lines of its output that match PATTERN
findings() {
	local name=$1 pattern=$2 log=$out/$1.log
	shift 2
	"$@" >"$log" 2>&1 && return
	fail "$name" "$(grep -c "$pattern" "$log") finding(s), see $log"
	mapfile -t -O ${#notes[@]} notes < <(grep "$pattern" "$log" | head -10)
}

# targets_of BUILD SUITE: prints the programs of a suite as ninja names them
targets_of() {
	meson introspect --tests "$1" | python3 -c '
import json, os, sys
build, suite = sys.argv[1:]
for test in json.load(sys.stdin):
    if any(s.endswith(":" + suite) for s in test["suite"]):
        print(os.path.relpath(test["cmd"][0], build))' "$1" "$2"
}

# build_and_test NAME SUITE MESON-ARGS...: builds, and runs the suite
build_and_test() {
	local name=$1 suite=$2 dir=$out/$1 log=$out/$1.log targets=
	shift 2
	if [ ! -f "$dir/build.ninja" ]; then
		rm -rf "$dir"
		meson setup "$dir" -Dwerror=true "$@" >"$log" 2>&1 ||
			{ fail "$name" "meson setup, see $log"; return; }
	fi
	if [ "$suite" != unit ]; then
		targets=$(targets_of "$dir" "$suite")
		[ -n "$targets" ] ||
			{ fail "$name" "no test in suite $suite"; return; }
		targets+=" ringway"
	fi
	if ! ninja -C "$dir" $targets >"$log" 2>&1; then
		rm -f "$dir/ringway" # otherwise a later step tests the old one
		fail "$name" "build, see $log"
		mapfile -t -O ${#notes[@]} notes < <(
			grep -E 'error|warning|undefined' "$log" | head -5)
		return
	fi
	rm -f "$dir/meson-logs/testlog.json"
	meson test -C "$dir" --no-rebuild --suite "$suite" >>"$log" 2>&1
	count "$name" "$dir/meson-logs/testlog.json"
}

# run_pytest NAME BINARY ARGS: results in NAME.xml, output in NAME.log
run_pytest() {
	local name=$1 binary=$2
	shift 2
	RINGWAY=$binary RINGWAY_TEST_LOGS=$out/$name \
		/usr/bin/python3 -m pytest -p no:cacheprovider -q -rs \
		--junitxml="$out/$name.xml" "$@" >"$out/$name.log" 2>&1
}

# system_tests NAME BUILD MARKERS: runs the tests that MARKERS select, and a few
# that failed once more: see check-count.py
system_tests() {
	local name=$1 binary=$out/$2/ringway log=$out/$1.log again status
	local results=("$out/$1.xml")
	if [ ! -x "$binary" ]; then
		fail "$name" "there is no $binary to test"
		return
	fi
	rm -f "$out/$name.xml"
	run_pytest "$name" "$binary" --durations=15 -m "$3" \
		${PYTEST_ARGS:-} tests/system
	status=$?
	if [ $status -eq 1 ]; then
		mapfile -t again < <(scripts/check-count.py --again "${results[0]}")
		if [ ${#again[@]} -gt 0 ]; then
			run_pytest "$name-again" "$binary" "${again[@]}"
			[ $? -gt 1 ] || results+=("$out/$name-again.xml")
		fi
	fi
	case $status,${PYTEST_ARGS:+chosen} in
	[01],*) count "$name" "${results[@]}" ;;
	5,chosen) tally="none of the tests asked for" ;;
	*) fail "$name" "pytest, see $log" ;;
	esac
}

# fuzz: builds the fuzz targets and runs each on its seeds
fuzz() {
	local dir=$out/fuzz log=$out/fuzz.log target name work
	if [ ! -f "$dir/build.ninja" ]; then
		rm -rf "$dir"
		CC=clang meson setup "$dir" -Dwerror=true -Dfuzz=true \
			-Db_sanitize=address,undefined -Db_lundef=false \
			-Doptimization=1 >"$log" 2>&1 ||
			{ fail fuzz "meson setup, see $log"; return; }
	fi
	if ! ninja -C "$dir" fuzzers >"$log" 2>&1; then
		fail fuzz "build, see $log"
		return
	fi
	for target in "$dir"/tests/fuzz/fuzz_*[!p]; do
		[ -x "$target" ] && [ -f "$target" ] || continue
		name=${target##*/fuzz_} work=$out/fuzz-$name
		mkdir -p "$work"
		python3 tests/fuzz/seeds.py "$name" "$work"
		if "$target" -max_total_time="${RINGWAY_FUZZ_SECONDS:-60}" \
			-seed="${RINGWAY_FUZZ_SEED:-1}" -max_len=4096 \
			-timeout=10 -artifact_prefix="$work-" \
			"$work" >"$work.log" 2>&1; then
			passed=$((passed + 1))
		else
			fail "fuzz_$name" "see $work.log"
		fi
	done
	[ $((passed + failed)) -gt 0 ] || fail fuzz "no target"
	[ $failed -gt 0 ] || tally="$passed passed, 0 failed, 0 skipped"
}

# Markers of the tests that may run beside other steps.
shared="not measures and not alone"

run() {
	case $1 in
	lint) findings lint . scripts/lint.sh ;;
	gcc) CC=gcc build_and_test gcc unit ;;
	# -O1 keeps the stack frames in the reports readable. clang's warnings
	# are the same at any level.
	sanitize) CC=clang build_and_test sanitize unit -Doptimization=1 \
		-Db_sanitize=address,undefined -Db_lundef=false ;;
	threads) CC=clang build_and_test threads threads -Doptimization=1 \
		-Db_sanitize=thread -Db_lundef=false ;;
	tidy) findings tidy '\(error\|warning\): ' scripts/tidy.sh "$out/gcc" ;;
	system) system_tests system gcc "not guests and $shared" ;;
	guests) system_tests guests gcc "guests and $shared" ;;
	fuzz) fuzz ;;
	asan) system_tests asan sanitize "not guests and $shared" ;;
	tsan) system_tests tsan threads \
		"not guests and not measures and not shares" ;;
	alone)
		system_tests alone gcc "measures or alone"
		system_tests alone-asan sanitize \
			"alone and not guests and not measures"
		;;
	esac
}

# The rest runs in the main process, which starts the steps and sums up.
declare -A step_of=() began=() is_over=()
sums=(0 0 0)
all_notes=()

# can_start STEP: succeeds when the step can start now
can_start() {
	local needed=${need[$1]:-}
	[ "$1" != alone ] || [ ${#todo[@]} -eq 1 -a ${#step_of[@]} -eq 0 ] ||
		return
	[ -z "$needed" ] || [ -n "${is_over[$needed]:-}" ] ||
		[[ " ${chosen[*]} " != *" $needed "* ]]
}

# Starts the first step that can start; fails when there is none.
start_one() {
	local i name
	for i in "${!todo[@]}"; do
		name=${todo[i]}
		can_start "$name" || continue
		unset "todo[i]"
		began[$name]=$SECONDS
		rm -f "$out/$name.result"
		{ run "$name"; report >"$out/$name.result"; } </dev/null &
		step_of[$!]=$name
		return 0
	done
	return 1
}

# Waits for the end of a step and prints its result.
end_one() {
	local pid name lines counts i
	wait -n -p pid "${!step_of[@]}"
	name=${step_of[$pid]}
	unset "step_of[$pid]"
	is_over[$name]=1
	mapfile -t lines < <(cat "$out/$name.result" 2>/dev/null)
	[ ${#lines[@]} -ge 2 ] || lines=("0 1 0" "failed: ended early")
	read -ra counts <<<"${lines[0]}"
	for i in 0 1 2; do
		sums[i]=$((sums[i] + counts[i]))
	done
	all_notes+=("${lines[@]:2}")
	printf '%-10s %-50s %4d s  %s\n' "$name" "${title[$name]}" \
		$((SECONDS - ${began[$name]})) "${lines[1]}"
}

# Job control gives each step a process group; an interrupt ends the groups.
set -m
interrupted() {
	local pid
	trap '' INT TERM
	for pid in "${!step_of[@]}"; do
		kill -INT -- "-$pid"
	done 2>/dev/null
	wait
	echo "interrupted: ${step_of[*]}"
	exit 130
}
trap interrupted INT TERM

export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export ASAN_OPTIONS=detect_stack_use_after_return=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
chosen=("${steps[@]}")
if [ $# -gt 0 ]; then
	for s in "$@"; do
		[ -n "${title[$s]:-}" ] && continue
		echo "check.sh: unknown step '$s' (${steps[*]})" >&2
		exit 2
	done
	# Each step once, in the order of the table.
	mapfile -t chosen < <(printf '%s\n' "${steps[@]}" |
		grep -xF "$(printf '%s\n' "$@")")
fi
todo=("${chosen[@]}")
while [ ${#todo[@]} -gt 0 ] || [ ${#step_of[@]} -gt 0 ]; do
	while [ ${#step_of[@]} -lt "$jobs" ] && start_one; do :; done
	end_one
done

[ ${#all_notes[@]} -eq 0 ] || printf '  %s\n' "${all_notes[@]}"
echo "logs in build-check/, $((SECONDS - start_all)) s"
echo "${sums[0]} passed, ${sums[1]} failed, ${sums[2]} skipped" |
	tee "$out/tally"
[ "${sums[1]}" -eq 0 ]
