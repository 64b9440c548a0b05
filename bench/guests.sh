#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two real Linux guests (QEMU TCG) or one guest and the host: iperf3 TCP and ping.
#   BACKEND=ovs|stream|dgram|socket|tap|vde   guest <-> guest
#   BACKEND=slirp|passt                       guest <-> host
#   BACKEND=dut DUT=<name>                    guest <-> guest through a DUT from duts/ (vhost-user)
#   BACKEND=uml DUT=<name>                    the same with user-mode-linux guests: native speed without KVM
#   TSO=on|off  MTU=1500 (e.g. 65520 for passt or stream)  SECS=10  CORES="0 1" (core of guest 1, guest 2; with a polling DUT use "0 0")
. "$(dirname "$0")/lib.sh"
BACKEND=${BACKEND:-tap}; TSO=${TSO:-on}; SECS=${SECS:-10}; CORES=${CORES:-0 1}
D=$RUN/g; rm -rf "$D"; mkdir -p "$D"
if [ "$BACKEND" = uml ]; then "$TOP/scripts/guest-initrd.sh" "$TOP/build/guest" uml || exit 1
else "$TOP/scripts/guest-kernel.sh" && "$TOP/scripts/guest-initrd.sh" || exit 1; fi
set -- $CORES; C1=$1; C2=$2; PIDS=()
OFF=; [ "$TSO" = off ] && OFF=,csum=off,gso=off,host_tso4=off,host_tso6=off,host_ufo=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ufo=off,guest_ecn=off,host_ecn=off
cleanup() { sleep 1; kill_wait "${PIDS[@]}"; case $BACKEND in ovs|dut|uml) dut_stop;; esac
  [ "$BACKEND" = tap ] && { ip link del bgt0; ip link del bgt1; ip link del bgbr; } 2>/dev/null; return 0; }
trap 'cleanup; exit 1' INT TERM
# QEMU 7.2 under TCG crashes (NULL vector_irqfd) when vhost meets MSI-X: give vhost-user devices INTx
case $BACKEND in ovs|dut) DEVX=${DEVX-,vectors=0};; esac
n1=; n2=
case $BACKEND in
  ovs|dut) [ "$BACKEND" = ovs ] && DUT=ovs
    [ "$TSO" = on ] && T_=1 || T_=0; tso=$TSO; TSO=$T_; load_dut; dut_start || exit 1; TSO=$tso
    srv=; [ "$ROLE" = client ] && srv=,server=on,wait=on
    n1="-chardev socket,id=c,path=$S0$srv -netdev vhost-user,id=n,chardev=c"; n2="-chardev socket,id=c,path=$S1$srv -netdev vhost-user,id=n,chardev=c" ;;
  uml) [ "$TSO" = on ] && T_=1 || T_=0; tso=$TSO; TSO=$T_; load_dut; dut_start || exit 1; TSO=$tso
    n1=uml:$S0; n2=uml:$S1 ;;
  stream) n1="-netdev stream,id=n,server=on,addr.type=unix,addr.path=$D/s"; n2="-netdev stream,id=n,server=off,addr.type=unix,addr.path=$D/s" ;;
  dgram)  n1="-netdev dgram,id=n,local.type=unix,local.path=$D/a,remote.type=unix,remote.path=$D/b"; n2="-netdev dgram,id=n,local.type=unix,local.path=$D/b,remote.type=unix,remote.path=$D/a" ;;
  socket) n1="-netdev socket,id=n,listen=127.0.0.1:7799"; n2="-netdev socket,id=n,connect=127.0.0.1:7799" ;;
  tap) ip link add bgbr type bridge && ip link set bgbr up
    for i in 0 1; do ip tuntap add bgt$i mode tap vnet_hdr && ip link set bgt$i master bgbr up; done
    n1="-netdev tap,id=n,ifname=bgt0,script=no,downscript=no"; n2="-netdev tap,id=n,ifname=bgt1,script=no,downscript=no" ;;
  vde) silent_stdin; PIDS+=($QUIET_PID); vde_switch -s "$D/vde.ctl" < "$RUN/quiet" > "$D/vde.log" 2>&1 & PIDS+=($!); sleep 0.5
    n1="-netdev vde,id=n,sock=$D/vde.ctl"; n2=$n1 ;;
  slirp) n2="-netdev user,id=n,net=10.9.0.0/24,host=10.9.0.1"; taskset -c "$C1" iperf3 -s > "$D/ip3.log" 2>&1 & PIDS+=($!) ;;
  passt) taskset -c "$C1" passt -f -e --runas 0:0 -s "$D/p.sock" -a 10.9.0.2 -n 255.255.255.0 -g 10.9.0.1 -t none -u none > "$D/passt.log" 2>&1 & PIDS+=($!); wait_sock "$D/p.sock" 5
    n2="-netdev stream,id=n,server=off,addr.type=unix,addr.path=$D/p.sock"; taskset -c "$C1" iperf3 -s > "$D/ip3.log" 2>&1 & PIDS+=($!) ;;
esac
t0=$(date +%s)
if ! SWITCH_PIDS="${DUT_PIDS[*]}" "$HERE/guest_pair.py" "$D" "$n1" "$n2" "$OFF$DEVX" "$SECS" "${MTU:-1500}" "$C1" "$C2" > "$D/out"; then
  say "$BACKEND: the guests did not finish"; cleanup; exit 1; fi
{ echo "== backend=$BACKEND${DUT:+ dut=$DUT} tso=$TSO mtu=${MTU:-1500} cores=$CORES (total $(($(date +%s) - t0)) s)"
  grep -a -e '^G_' -e 'min/avg/max' -e 'packets transmitted' -e sender -e receiver "$D/out"; } | tee -a "$RES/guests.txt"
cleanup
