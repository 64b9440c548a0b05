# SPDX-License-Identifier: Apache-2.0
# DUT: dpdk-testpmd with two net_vhost ports. MODE = io (default) | mac | macswap
MODE=${MODE:-io}; ROLE=${ROLE:-server}
dut_start() {
  need_huge 2048
  local c=0; [ "$ROLE" = client ] && c=1
  local x=; [ "${TSO:-0}" != 0 ] && x=,tso=1
  rm -f "$S0" "$S1"; silent_stdin
  local t0; t0=$(date +%s.%N)
  local mb=2176; [ "${LARGE:-0}" = 1 ] && mb=${MBUF:-2176}
  taskset -c "$GENCORE,$DUTCORE" dpdk-testpmd -l "$GENCORE,$DUTCORE" --main-lcore "$GENCORE" $DPDK_MEM \
    -m "${DUT_MEM:-512}" --file-prefix dut \
    --vdev "net_vhost0,iface=$S0,queues=1,client=$c$x" --vdev "net_vhost1,iface=$S1,queues=1,client=$c$x" \
    -- --forward-mode="$MODE" --auto-start --nb-cores=1 --rxq=1 --txq=1 --mbuf-size=$mb \
    --rxd=${DUT_RXD:-1024} --txd=${DUT_RXD:-1024} --total-num-mbufs=${DUT_MBUFS:-16384} \
    < "$RUN/quiet" > "$RUN/dut.log" 2>&1 &
  DUT_PIDS=($!)
  if [ "$ROLE" = server ]; then wait_sock "$S1" 20 || return 1; fi
  DUT_STARTUP=$(echo "$(date +%s.%N) - $t0" | bc); sleep 0.7	# let forwarding start
}
dut_stats() { :; }
dut_stop() { kill_wait "${DUT_PIDS[@]}" "$QUIET_PID"; rm -f "$S0" "$S1"; }
dut_version() { dpkg-query -W -f='dpdk ${Version}\n' dpdk; }
