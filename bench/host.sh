#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Host-side limits: memory copy, cross-core wake-ups, TAP, AF_PACKET, AF_XDP, UNIX sockets. About 6 minutes.
. "$(dirname "$0")/lib.sh"; o=$RES/host; mkdir -p "$o"
"$BIN/membench" "$DUTCORE" > "$o/mem.csv"
"$BIN/wakebench" > "$o/wake.txt"
unshare -n "$BIN/tapbench" "$DUTCORE" > "$o/tap.txt" 2>&1
"$BIN/sockbench" > "$o/sock.txt"
: > "$o/veth.txt"
for m in packet mmsg xdp-skb xdp-drv xdp-drv-wakeup; do for s in 64 1500; do
  unshare -n bash -c "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; ip link add va type veth peer name vb; ip link set va up; ip link set vb up; exec '$BIN/vethbench' $m $s ${SECS:-3}" >> "$o/veth.txt" 2>&1
done; done
tail -n 100 "$o"/*.txt
