#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# VM-to-VM forwarding rate through a vhost-user switch.
#   DUT=testpmd|ovs|<name in duts/>  [MODE=...] [ROLE=server|client (the DUT's side)]
#   SIZES="64 256 ..."  VARIANTS="split split-mrg packed packed-inorder"  QSIZE=256
#   CELLS="variant:size ..." instead of all variants with all sizes
#   STATS=folder: the counters before and after each cell as JSON, where the DUT has dut_json
#   SECS=5 WARM=2 REPEAT=3  EXTRA="vgen options, e.g. --bidir or --cold 65536"
# One line per (variant, size) goes to stdout and, as CSV, to $RES/vm2vm.csv.
. "$(dirname "$0")/lib.sh"
DUT=${DUT:-testpmd}; load_dut
SIZES=${SIZES:-64 256 512 1024 1518}; VARIANTS=${VARIANTS:-split split-mrg packed packed-inorder}
QSIZE=${QSIZE:-256}; SECS=${SECS:-5}; WARM=${WARM:-2}; REPEAT=${REPEAT:-3}; CSV=${CSV:-$RES/vm2vm.csv}
[ -s "$CSV" ] || echo dut,mode,role,variant,qsize,size,extra,mpps,min,max,gbps,txfull_pct,rxempty_pct,loss_pct,limit > "$CSV"
trap 'dut_stop; exit 1' INT TERM
dut_start || { say "DUT did not start"; dut_stop; exit 1; }
printf '%-8s %-8s %-6s %-15s %5s %6s %9s %7s %8s %7s %7s %6s %s\n' dut mode role variant q size Mpps spread Gbit/s txfull rxempt loss limit
[ -n "$CELLS" ] || for v in $VARIANTS; do for s in $SIZES; do CELLS+=" $v:$s"; done; done
snapshot() { [ -n "$STATS" ] && declare -F dut_json >/dev/null && dut_json > "$STATS/$1.json" 2>/dev/null; return 0; }
for cell in $CELLS; do v=${cell%:*}; s=${cell#*:}
  declare -F dut_reset >/dev/null && dut_reset >/dev/null 2>&1
  snapshot "$v-$s-before"
  out=$(gen "$v" "$QSIZE" --size "$s" --secs "$SECS" --warm "$WARM" --repeat "$REPEAT" $EXTRA)
  [ -n "$VERBOSE" ] && echo "$out"
  echo "$out" | awk -v d="$DUT" -v m="$MODE${TAG:+/$TAG}" -v r="$ROLE" -v v="$v" -v q="$QSIZE" -v s="$s" -v x="$EXTRA" -v csv="$CSV" '
    function f(k,  i, a) { for (i = 1; i <= NF; i++) { split($i, a, "="); if (a[1] == k) return a[2] + 0 } return 0 }
    /^WIN/ && f("n") >= 0 { tf += f("txfull"); re += f("rxempty"); tx += f("tx_mpps"); rx += f("rx_mpps"); n++ }
    /^RESULT/ { med = f("mpps_med"); lo = f("mpps_min"); hi = f("mpps_max"); g = f("gbps_med"); ok = 1 }
    END { if (!ok || !n) { print d, m, r, v, q, s, "FAILED"; exit }
      tf /= n; re /= n; loss = tx > 0 ? 100 * (tx - rx) / tx : 0
      lim = tf > 20 ? "DUT" : (tf < 3 ? "generator" : "both"); if (loss > 1) lim = "DUT(rx ring full; drops)"
      printf "%-8s %-8s %-6s %-15s %5d %6d %9.3f %6.1f%% %8.2f %6.1f%% %6.1f%% %5.1f%% %s\n", d, m, r, v, q, s, med, (med ? 100 * (hi - lo) / med : 0), g, tf, re, loss, lim
      printf "%s,%s,%s,%s,%d,%d,%s,%.4f,%.4f,%.4f,%.3f,%.1f,%.1f,%.2f,%s\n", d, m, r, v, q, s, x, med, lo, hi, g, tf, re, loss, lim >> csv }'
  snapshot "$v-$s-after"
  [ -n "$DUTSTATS" ] && dut_stats
done
dut_stop
