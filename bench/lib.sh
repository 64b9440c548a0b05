# SPDX-License-Identifier: Apache-2.0
# Shared settings and helpers; sourced by the other scripts.
HERE=${HERE:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}
TOP=$(dirname "$HERE")
T=$(realpath -m "${BENCH_TMP:-$TOP/build/bench}")  # logs, binaries, results
RUN=$T/run; RES=${RES:-$T/res}; BIN=$T/bin
SOCKS=${TMPDIR:-/tmp}/ringway-bench.$UID  # short: a UNIX socket's path has 107 bytes
GENCORE=${GENCORE:-0}                 # generator core
DUTCORE=${DUTCORE:-1}                 # device under test core
mkdir -p "$RUN" "$RES"; mkdir -p -m 700 "$SOCKS"
S0=$SOCKS/s0.sock; S1=$SOCKS/s1.sock      # the two vhost-user sockets
DPDK_MEM="--in-memory --single-file-segments --no-pci --iova-mode=va"
HUGE=$T/huge                          # a hugetlbfs that harness.py mounts
VIRTIO_PMD=$(ls /usr/lib/*/librte_net_virtio.so 2>/dev/null | head -1)
say() { echo "[$(date +%H:%M:%S)] $*" >&2; }
need_huge() { # pages of 2 MiB
  [ "$(cat /proc/sys/vm/nr_hugepages)" -ge "$1" ] || echo "$1" > /proc/sys/vm/nr_hugepages ||
    { say "cannot reserve $1 hugepages, which the generator and the peers need (are you root?)"; return 1; }
}
# A DPDK application without -i reads one byte from stdin and exits on EOF: give it a silent FIFO.
silent_stdin() { [ -p "$RUN/quiet" ] || mkfifo "$RUN/quiet"; sleep 100000 > "$RUN/quiet" & QUIET_PID=$!; }
wait_sock() { # path seconds
  local i; for ((i = 0; i < $2 * 100; i++)); do [ -S "$1" ] && return 0; sleep 0.01; done; return 1; }
kill_wait() { local p; for p in "$@"; do kill "$p" 2>/dev/null; done
  for p in "$@"; do local i; for ((i = 0; i < 300; i++)); do kill -0 "$p" 2>/dev/null || break; sleep 0.02; done
    kill -9 "$p" 2>/dev/null; done; return 0; }
# virtio-user vdev parameters of a virtqueue variant
variant_args() {
  case $1 in
    split)         echo mrg_rxbuf=0,in_order=0 ;;               # split, non-mergeable
    split-mrg)     echo mrg_rxbuf=1,in_order=0 ;;               # split, mergeable (Linux guest default)
    split-inorder) echo mrg_rxbuf=1,in_order=1 ;;
    split-vec)     echo mrg_rxbuf=0,in_order=1,vectorized=1 ;;
    packed)        echo packed_vq=1,mrg_rxbuf=0,in_order=0 ;;
    packed-mrg)    echo packed_vq=1,mrg_rxbuf=1,in_order=0 ;;
    packed-inorder) echo packed_vq=1,mrg_rxbuf=1,in_order=1 ;;
    packed-vec)    echo packed_vq=1,mrg_rxbuf=0,in_order=1,vectorized=1 ;;
    *) echo "$1" ;;
  esac
}
# The generator's memory: the same pages for one device after the other, where harness.py prepared that. Other pages can give a
# rate that differs by a third.
gen_mem() {
  mountpoint -q "$HUGE" || { echo "$DPDK_MEM"; return; }
  echo "--huge-dir $HUGE --huge-unlink=never --single-file-segments --no-pci --iova-mode=va"
}
# gen VARIANT QSIZE vgen-args...   (ROLE = role of the DUT)
gen() {
  local v=$1 q=$2 srv=; shift 2
  need_huge 1024 || return 1  # not every device asks for some
  [ "$ROLE" = client ] && { srv=,server=1; rm -f "$S0" "$S1"; }
  local a; a=$(variant_args "$v")
  ( echo "$BASHPID" > "$RUN/gen.pid"; exec taskset -c "$GENCORE" timeout "${GEN_TIMEOUT:-180}" "$BIN/vgen" -l "$GENCORE" $(gen_mem) -m "${GEN_MEM:-512}" \
    --file-prefix ringway-gen --no-telemetry -d "$VIRTIO_PMD" \
    --vdev "net_virtio_user0,path=$S0,queues=1,queue_size=$q,$a$srv" \
    --vdev "net_virtio_user1,path=$S1,queues=1,queue_size=$q,$a$srv" \
    -- --txd "$q" "$@" 2>&1 ) | grep --line-buffered -v -e '^EAL' -e TELEMETRY -e init_mac
}
load_dut() { . "$HERE/duts/$DUT.sh"; }
