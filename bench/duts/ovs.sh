# SPDX-License-Identifier: Apache-2.0
# DUT: Open vSwitch with the DPDK datapath, one PMD core.
# MODE = normal (learning switch, NORMAL action) | flow (static port-to-port OpenFlow rules)
# ROLE = client (dpdkvhostuserclient, default) | server (dpdkvhostuser)
# TSO=1: userspace-tso-enable; LARGE=1: mtu_request=9000
MODE=${MODE:-normal}; ROLE=${ROLE:-client}
OVSD=$RUN/ovs
ovsx() { local c=$1; shift; OVS_RUNDIR=$OVSD OVS_LOGDIR=$OVSD OVS_DBDIR=$OVSD "$c" "$@"; }
vctl() { ovsx ovs-vsctl --db=unix:$OVSD/db.sock --no-wait "$@"; }
vctlw() { ovsx ovs-vsctl --db=unix:$OVSD/db.sock "$@"; }
dut_start() {
  need_huge 3072
  rm -rf "$OVSD"; mkdir -p "$OVSD"; rm -f "$S0" "$S1"
  local t0; t0=$(date +%s.%N)
  ovsdb-tool create "$OVSD/conf.db" /usr/share/openvswitch/vswitch.ovsschema
  taskset -c "$GENCORE" ovsdb-server "$OVSD/conf.db" --remote=punix:$OVSD/db.sock --pidfile=$OVSD/db.pid \
    --log-file=$OVSD/db.log -vconsole:off --unixctl=$OVSD/db.ctl &
  local dbp=$!
  wait_sock "$OVSD/db.sock" 5
  vctl init
  vctl set Open_vSwitch . other_config:dpdk-init=true \
    other_config:dpdk-extra="$DPDK_MEM --file-prefix ovs" other_config:dpdk-socket-mem="${DUT_MEM:-1024}" \
    other_config:dpdk-lcore-mask=$(printf 0x%x $((1 << GENCORE))) other_config:pmd-cpu-mask=$(printf 0x%x $((1 << DUTCORE)))
  [ "${TSO:-0}" != 0 ] && vctl set Open_vSwitch . other_config:userspace-tso-enable=true
  [ -n "$OVS_EXTRA" ] && vctl set Open_vSwitch . $OVS_EXTRA
  OVS_RUNDIR=$OVSD OVS_LOGDIR=$OVSD OVS_DBDIR=$OVSD taskset -c "$GENCORE,$DUTCORE" /usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk \
    unix:$OVSD/db.sock --pidfile=$OVSD/vs.pid --unixctl=$OVSD/vs.ctl --log-file=$OVSD/vs.log -vconsole:off &
  local vsp=$!
  DUT_PIDS=($vsp $dbp); DUT_MAIN=$vsp
  vctlw --timeout=30 add-br brbench -- set bridge brbench datapath_type=netdev || return 1
  local i s
  for i in 0 1; do
    s=S$i
    if [ "$ROLE" = client ]; then
      vctlw --timeout=30 add-port brbench vh$i -- set Interface vh$i type=dpdkvhostuserclient options:vhost-server-path=${!s} \
        ${LARGE:+mtu_request=${OVS_MTU:-9000}} ofport_request=$((i + 1)) || return 1
    else
      vctlw --timeout=30 add-port brbench vh$i -- set Interface vh$i type=dpdkvhostuser \
        ${LARGE:+mtu_request=${OVS_MTU:-9000}} ofport_request=$((i + 1)) || return 1
      ln -s "$OVSD/vh$i" "${!s}"
    fi
  done
  if [ "$MODE" = flow ]; then
    ovs-ofctl del-flows unix:$OVSD/brbench.mgmt
    ovs-ofctl add-flow unix:$OVSD/brbench.mgmt in_port=1,actions=output:2
    ovs-ofctl add-flow unix:$OVSD/brbench.mgmt in_port=2,actions=output:1
  fi
  DUT_STARTUP=$(echo "$(date +%s.%N) - $t0" | bc)
}
dut_reset() { ovs-appctl -t $OVSD/vs.ctl dpif-netdev/pmd-stats-clear; }
dut_stats() {
  ovs-appctl -t $OVSD/vs.ctl dpif-netdev/pmd-stats-show | grep -v '^main' | grep -e cycles -e 'hits' -e batch | sed 's/^/  # /'
}
dut_stop() { kill_wait "${DUT_PIDS[@]}"; rm -f "$S0" "$S1"; ip link del brbench 2>/dev/null; ip link del ovs-netdev 2>/dev/null; return 0; }
dut_version() { ovs-vswitchd --version 2>/dev/null | head -1; dpkg-query -W -f='${Version}\n' openvswitch-switch-dpdk; }
