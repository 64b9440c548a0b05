#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Build the helper programs into $BENCH_TMP/bin (default build/bench/bin); with arguments, only those named.
. "$(dirname "$0")/lib.sh"; set -e
cd "$HERE"; B=$BIN; mkdir -p "$B"
want() { local n=$1; shift; [ $# -eq 0 ] || [[ " $* " == *" $n "* ]]; }
newer() { [ "$B/$1" -nt "src/$1.c" ]; }
if want vgen "$@" && ! newer vgen; then
  pkg-config --exists libdpdk || { echo "libdpdk-dev is missing" >&2; exit 1; }
  gcc -O3 -march=native -Wall -Wno-format-truncation -o "$B/vgen" src/vgen.c $(pkg-config --cflags libdpdk) \
    -Wl,--no-as-needed -lrte_eal -lrte_ethdev -lrte_mbuf -lrte_mempool -lrte_net -lrte_kvargs \
    -lrte_bus_vdev -lrte_mempool_ring -lrte_net_virtio -lrte_net_null -Wl,--as-needed
fi
for s in src/*.c; do
  n=$(basename "$s" .c); [ "$n" = vgen ] && continue
  want "$n" "$@" && ! newer "$n" || continue
  libs=$(sed -n 's/^.*BUILD-LIBS: *\(.*\)\*\/.*$/\1/p' "$s")
  gcc -O2 -march=native -Wall -pthread -o "$B/$n" "$s" $libs
done
