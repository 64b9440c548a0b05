#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sections 4 and 5: real guests over every backend (about 8 minutes). QEMU's stream/dgram/socket/vde/user backends carry
# no virtio-net header, so they never get TSO or checksum offload whatever the device offers.
cd "$(dirname "$0")"; export SECS=${SECS:-5}
for b in tap; do for t in on off; do BACKEND=$b TSO=$t ./guests.sh; done; done
for t in on off; do BACKEND=ovs TSO=$t CORES="0 0" ./guests.sh; done
for b in stream dgram socket vde slirp passt; do BACKEND=$b ./guests.sh; done
BACKEND=ovs TSO=on CORES="0 1" ./guests.sh
BACKEND=dut DUT=testpmd TSO=on CORES="0 0" ./guests.sh
echo ALL DONE
