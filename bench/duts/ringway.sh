# SPDX-License-Identifier: Apache-2.0
# DUT: Ringway, one worker on one core. No hugepages of its own.
# ROLE = server (default) | client. Offloads are always offered; TSO and LARGE need nothing.
# RINGWAY = the binary; RINGWAY_EXTRA = more options of `ringway up`
# PIN=no: the worker runs where there is room, for guests that use both cores
MODE=${MODE:-learn}; ROLE=${ROLE:-server}
RINGWAY=${RINGWAY:-$TOP/build/ringway}
dut_start() {
  local srv=; [ "$ROLE" = client ] && srv=,server=off
  rm -f "$S0" "$S1" "$SOCKS/rw.ctl"
  local t0; t0=$(date +%s.%N)
  local pin="--cpus $DUTCORE"; [ "$PIN" = no ] && pin=
  # Control stays on the generator's core; the worker pins itself with --cpus.
  taskset -c "$GENCORE,$DUTCORE" "$RINGWAY" up --workers 1 $pin --control "$SOCKS/rw.ctl" $RINGWAY_EXTRA \
    -netdev "vhost-user,id=p0,path=$S0$srv" -netdev "vhost-user,id=p1,path=$S1$srv" > "$RUN/dut.log" 2>&1 &
  DUT_PIDS=($!)
  if [ "$ROLE" = server ]; then wait_sock "$S1" 5 || return 1; else wait_sock "$SOCKS/rw.ctl" 5 || return 1; fi
  DUT_STARTUP=$(echo "$(date +%s.%N) - $t0" | bc)
}
dut_stats() { "$RINGWAY" stats --control "$SOCKS/rw.ctl" | sed 's/^/  # /'; }
dut_json() { "$RINGWAY" stats --json --control "$SOCKS/rw.ctl"; }
dut_stop() { kill_wait "${DUT_PIDS[@]}"; rm -f "$S0" "$S1" "$SOCKS/rw.ctl"; }
dut_version() { "$RINGWAY" --version; }
