#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The whole section 1 sweep (about 25 minutes). Output: $RES/vm2vm.csv and stdout.
cd "$(dirname "$0")"; export SECS=${SECS:-5} WARM=${WARM:-1} REPEAT=${REPEAT:-3}
four="split split-mrg packed packed-inorder"; five="64 256 512 1024 1518"
DUT=testpmd MODE=io     VARIANTS="$four" SIZES="$five" ./vm2vm.sh
DUT=ovs     MODE=normal VARIANTS="$four" SIZES="$five" ./vm2vm.sh
DUT=testpmd MODE=macswap VARIANTS="split-mrg packed" SIZES="64 512 1518" ./vm2vm.sh
DUT=ovs     MODE=flow   VARIANTS="split-mrg" SIZES="64 512 1518" ./vm2vm.sh
# large frames: 9000 with a plain jumbo MTU; 9000 / 65000 as TSO frames
DUT=testpmd MODE=io VARIANTS=split-mrg SIZES=9000 EXTRA="--rxbuf 4096" ./vm2vm.sh
DUT=ovs MODE=normal TAG=mtu9000 LARGE=1 VARIANTS=split-mrg SIZES=9000 EXTRA="--rxbuf 4096" ./vm2vm.sh
export GEN_MEM=1024
DUT=testpmd MODE=io TAG=tso+mbuf2k TSO=1 VARIANTS=split-mrg SIZES=65000 EXTRA="--rxbuf 16384 --tso 1448" ./vm2vm.sh
DUT=testpmd MODE=io TAG=tso+mbuf64k TSO=1 LARGE=1 MBUF=65535 DUT_MBUFS=3000 DUT_RXD=128 DUT_MEM=1024 VARIANTS=split-mrg SIZES=65000 EXTRA="--rxbuf 16384 --tso 1448" ./vm2vm.sh
DUT=ovs MODE=normal TAG=tso TSO=1 VARIANTS=split-mrg SIZES="9000 65000" EXTRA="--rxbuf 16384 --tso 1448" ./vm2vm.sh
DUT=ovs MODE=normal TAG=tso TSO=1 VARIANTS=split-mrg SIZES="65000" EXTRA="--rxbuf 4096 --tso 1448" ./vm2vm.sh
unset GEN_MEM
# other side of the socket, ring size, cache-cold buffers, both directions at once
DUT=testpmd MODE=io ROLE=client VARIANTS=split-mrg SIZES="64 1518" ./vm2vm.sh
DUT=ovs MODE=normal ROLE=server VARIANTS=split-mrg SIZES="64 1518" ./vm2vm.sh
for d in testpmd ovs; do
  m=io; [ $d = ovs ] && m=normal
  DUT=$d MODE=$m QSIZE=1024 VARIANTS=split-mrg SIZES="64 1518" ./vm2vm.sh
  DUT=$d MODE=$m EXTRA="--bidir" VARIANTS=split-mrg SIZES="64 1518" ./vm2vm.sh
  DUT=$d MODE=$m EXTRA="--cold 60000" GEN_MEM=768 VARIANTS=split-mrg SIZES="64 1518" ./vm2vm.sh
done
echo ALL DONE
