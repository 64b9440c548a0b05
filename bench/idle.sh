#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Idle cost of a DUT with two connected, silent ports: start-up time, CPU, context switches, RSS, hugepages.
. "$(dirname "$0")/lib.sh"
DUT=${DUT:-testpmd}; load_dut
VARIANT=${VARIANT:-split-mrg}; SECS=${SECS:-10}
hp() { awk '/HugePages_Total/ {t=$2} /HugePages_Free/ {f=$2} END {print (t-f)*2}' /proc/meminfo; }
# nanoseconds of processor time of all threads; ticks of 10 ms would hide what a good DUT uses
cpu_ns() { cat $(for p in "${DUT_PIDS[@]}"; do echo /proc/$p/task/*/schedstat; done) 2>/dev/null | awk '{s+=$1} END {printf "%.0f", s}'; }
percent() { awk "BEGIN { printf \"%.3f\", ($2 - $1) / $3 / 1e7 }"; }
csw() { cat $(for p in "${DUT_PIDS[@]}"; do echo /proc/$p/task/*/status; done) 2>/dev/null | awk '/ctxt/ {s+=$2} END {print s+0}'; }
rss() { local s=0 p a; for p in "${DUT_PIDS[@]}"; do a=$(awk '/VmRSS/ {print $2}' /proc/$p/status); s=$((s + ${a:-0})); done; echo $s; }
pss() { local s=0 p a; for p in "${DUT_PIDS[@]}"; do a=$(awk '/^Pss:/ {print $2}' /proc/$p/smaps_rollup); s=$((s + ${a:-0})); done; echo $s; }
trap 'dut_stop; exit 1' INT TERM
need_huge 3072; h0=$(hp); t0=$(date +%s.%N)
dut_start || { say "DUT did not start"; dut_stop; exit 1; }
t1=$(date +%s.%N); up=${DUT_STARTUP:-$(echo "$t1 - $t0 - ${DUT_SETTLE:-0}" | bc)}
sleep 1; h1=$(hp)
c0=$(cpu_ns); w0=$(csw); sleep 3; c1=$(cpu_ns); w1=$(csw)
echo "IDLE dut=$DUT mode=$MODE startup_s=$up hugepages_MiB=$((h1 - h0)) rss_MiB=$(($(rss) / 1024)) pss_MiB=$(($(pss) / 1024)) cpu_unconnected=$(percent $c0 $c1 3)% csw_per_s=$(((w1 - w0) / 3))" | tee -a "$RES/idle.txt"
gen "$VARIANT" 256 --mode idle > "$RUN/idle.log" & sleep 5
grep -q 'IDLE ready' "$RUN/idle.log" || say "generator not connected"
c0=$(cpu_ns); w0=$(csw); sleep "$SECS"; c1=$(cpu_ns); w1=$(csw)
echo "IDLE dut=$DUT mode=$MODE connected: cpu=$(percent $c0 $c1 $SECS)% csw_per_s=$(((w1 - w0) / SECS)) rss_MiB=$(($(rss) / 1024)) threads=$(ls /proc/${DUT_PIDS[0]}/task | wc -l)" | tee -a "$RES/idle.txt"
for t in /proc/${DUT_PIDS[0]}/task/*; do echo "   $(cat $t/comm) utime+stime=$(awk '{print $14+$15}' $t/stat)"; done | sort -t= -k2 -n -r | head -6
kill "$(cat "$RUN/gen.pid")" 2>/dev/null
sleep 0.5; dut_stop
