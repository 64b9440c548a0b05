#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the initrd of the test guests: busybox, iperf3, ethtool, a peer for
# vsock (tests/lab/vsock_peer.c, compiled here) and the virtio modules of the
# kernel that guest-kernel.sh fetched, or of user-mode-linux.
#   guest-initrd.sh [DIR]     DIR (default build/guest) gets initrd.gz
#   guest-initrd.sh DIR uml   DIR gets initrd-uml.gz
#   guest-initrd.sh DIR lab BINARY  DIR gets initrd-lab.gz: a guest with KVM, in
#       which BINARY (ringway) runs other guests; their kernel and initrd, those
#       of DIR, are in its folder /guest, and SeaBIOS and iPXE where Debian has them
#   guest-initrd.sh DIR cards BINARY  DIR gets initrd-cards.gz: the same for
#       Debian's full kernel, with the modules of its own cards, VFIO and vDPA
# Does nothing when the initrd is newer than this script, the kernel and BINARY.
#
# The guest takes commands from its serial console (scripts/lab.py). After
# "RW READY" it reads lines "TAG COMMAND", runs each COMMAND in a shell, and
# prints the command's output and "RW END TAG STATUS". With rw.run=BASE64 on its
# kernel's command line it runs that script instead, and switches itself off.
set -eu
self=$(realpath "$0")
peer=$(realpath "$(dirname "$0")/../tests/lab/vsock_peer.c")
dir=$(realpath -m "${1:-$(dirname "$0")/../build/guest}")
out=$dir/initrd.gz
kernel=$dir/vmlinuz
kernel_modules=$dir/modules
binary=
if [ "${2:-}" = uml ]; then
	out=$dir/initrd-uml.gz
	kernel=$(command -v linux.uml) || {
		echo "guest-initrd.sh: there is no linux.uml" >&2
		exit 1
	}
	kernel_modules=/usr/lib/uml/modules/$("$kernel" --version)
	mkdir -p "$dir"
elif [ "${2:-}" = lab ] || [ "${2:-}" = cards ]; then
	binary=$3
	out=$dir/initrd-$2.gz
fi
exec 9>"$out.lock" # who comes meanwhile waits, and finds it done
flock 9
[ "$out" -nt "$self" ] && [ "$out" -nt "$kernel" ] &&
	[ "$out" -nt "$peer" ] && [ "$out" -nt "${binary:-$self}" ] && exit 0
root=$(mktemp -d "$dir/initrd.XXXXXX")
trap 'rm -rf "$root"' EXIT
cd "$root"
mkdir -p bin lib64 lib/modules proc sys dev tmp run etc/udhcpc www

cp "$(command -v busybox)" bin/busybox
PATH=$PATH:/usr/sbin:/sbin
programs="iperf3 ethtool"
if [ "${2:-}" != uml ]; then
	${CC:-cc} -O1 -o bin/vsock-peer "$peer"
fi
# busybox's ip makes no tunnels, and knows nothing of virtual functions
case ${2:-} in uml | cards) programs+=" ip" ;; esac
programs+=" $binary"
for program in $programs; do
	path=$(command -v $program) || {
		echo "guest-initrd.sh: there is no $program" >&2
		exit 1
	}
	cp -L "$path" bin/
	ldd "$path" | grep -o '/[^ ]*' | while read -r lib; do
		mkdir -p ".$(dirname "$lib")"
		cp -Ln "$lib" ".$lib"
	done
done

# take_modules LIST MODULE...: copies modules; LIST has them in the order given
take_modules() {
	local list=$1 path m
	shift
	for m in "$@"; do
		path=$(find "$kernel_modules" -name "$m.ko*" | head -1)
		case $path in
		'') continue ;; # built into the kernel
		*.xz) xz -dc "$path" >"lib/modules/$m.ko" ;;
		*) cp "$path" lib/modules/ ;;
		esac
		echo "$m" >>"lib/modules/$list"
	done
}

# In the order of loading.
take_modules order failover net_failover virtio_ring virtio \
	virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_net llc \
	stp garp mrp 8021q virtio_blk rng-core virtio-rng virtio_console button \
	mii e1000 8139cp pps_core ptp e1000e igbvf \
	vsock vmw_vsock_virtio_transport_common vmw_vsock_virtio_transport
# Loaded by the test that needs them.
[ "${2:-}" != uml ] || take_modules tunnels crc-ccitt ipv6 udp_tunnel \
	ip6_udp_tunnel geneve vxlan ip_tunnel gre ip_gre tunnel6 ip6_tunnel \
	ip6_gre

if [ -n "$binary" ]; then
	take_modules order irqbypass ccp kvm kvm-amd kvm-intel tun tap \
		vhost_iotlb vhost vhost_net vhost_vsock bridge
	[ "$2" = lab ] || take_modules order dca i2c-algo-bit igb \
		vfio vfio_iommu_type1 vfio-pci-core vfio-pci \
		vdpa vduse vhost_vdpa
	mkdir guest
	cp "$kernel" "$dir/initrd.gz" guest/
	bios=/usr/share/seabios/bios-256k.bin
	for file in $bios /usr/lib/ipxe/qemu/pxe-*.rom; do
		[ ! -e "$file" ] || install -D -m 644 "$file" ".$file"
	done
fi

cat >etc/udhcpc/default.script <<'SCRIPT'
#!/bin/sh
case $1 in
deconfig) ip addr flush dev $interface; ip link set $interface up ;;
bound|renew)
	ip addr add $ip/${mask:-24} dev $interface
	[ -n "$router" ] && ip route add default via ${router%% *}
	[ -n "$domain" ] && echo "search $domain" >/etc/resolv.conf
	for s in $dns; do echo "nameserver $s" >>/etc/resolv.conf; done
	set | grep -E '^(ip|mask|router|dns|hostname|domain|search|lease|serverid|tftp|bootfile|boot_file|siaddr)=' >/run/lease
	;;
esac
SCRIPT
cat >init <<'INIT'
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
# kvm-amd and kvm-intel are in one list: one of them does not fit.
for m in $(cat /lib/modules/order); do
	insmod /lib/modules/$m.ko 2>/dev/null
done
hostname guest
ip link set lo up
run=$(sed -n 's/.*rw\.run=\([^ ]*\).*/\1/p' /proc/cmdline)
if [ -n "$run" ]; then
	echo "$run" | base64 -d >/tmp/run
	sh /tmp/run >/dev/ttyS0 2>&1
	stty -F /dev/ttyS0 sane # waits for the output
	poweroff -f
fi
if grep -q 'rw\.shell' /proc/cmdline; then
	mkdir -p /tools
	mount -o ro /dev/vda /tools 2>/dev/null
	export PATH=$PATH:/tools/bin
	echo "ringway, qemu-system-x86_64, /guest/vmlinuz, /guest/initrd.gz"
	setsid cttyhack sh -l
	poweroff -f
fi
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo -onlcr
echo "RW READY $(cut -d' ' -f1 /proc/uptime)"
while read -r tag command; do
	sh -c "$command" </dev/null 2>&1
	echo "RW END $tag $?"
done
poweroff -f
INIT
chmod +x init etc/udhcpc/default.script
find . | busybox cpio -o -H newc 2>/dev/null | gzip -1 >"$out.new"
mv "$out.new" "$out"
