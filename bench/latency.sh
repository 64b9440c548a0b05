#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Round-trip latency of one 64-byte frame at a time: vgen port 0 -> DUT -> port 1 -> DUT -> port 0.
#   DUT=... [MODE=...] [ROLE=...] VARIANTS="split-mrg packed-mrg" GAPS="0 100 1000" (idle microseconds between requests)
. "$(dirname "$0")/lib.sh"
DUT=${DUT:-testpmd}; load_dut
VARIANTS=${VARIANTS:-split-mrg}; GAPS=${GAPS:-0 100 1000}; SECS=${SECS:-5}; WARM=${WARM:-1}; REPEAT=${REPEAT:-3}
trap 'dut_stop; exit 1' INT TERM
dut_start || { say "DUT did not start"; dut_stop; exit 1; }
for v in $VARIANTS; do for g in $GAPS; do
  gen "$v" 256 --mode rr --size "${SIZE:-64}" --gap "$g" --secs "$SECS" --warm "$WARM" --repeat "$REPEAT" $EXTRA |
    awk -v d="$DUT/$MODE" -v v="$v" '/^RR/ { print d, v, $0 }' | tee -a "$RES/latency.txt"
done; done
dut_stop
