#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that are missing for the purposes given:
#   install-deps.sh build|check|demo|bench ...
# Needs no rights when none is missing; otherwise root or sudo. With
# RINGWAY_NO_INSTALL=1 it only reports what is missing (exit 1).
set -u

# packages PURPOSE: prints the packages that it needs, with the reasons
packages() {
	case $1 in
	build)
		echo gcc libc6-dev meson ninja-build pkg-config make
		echo liburcu-dev	# publishing state to the workers (RCU)
		echo libjansson-dev	# JSON of the control socket
		echo libslirp-dev	# the user port's TCP/IP stack
		echo libglib2.0-dev	# what libslirp's pkg-config file names
		echo libxdp-dev libbpf-dev # the xdp port (AF_XDP)
		echo zlib1g-dev liblzma-dev libzstd-dev liblz4-dev # kernel images
		echo libpcap-dev	# unit tests: reads captures back
		echo libcmocka-dev	# unit tests, built with the rest
		echo systemtap-sdt-dev	# probe points for perf and bpftrace
		;;
	check)
		packages build
		echo clang libclang-rt-14-dev llvm # sanitizers, their traces
		echo clang-format clang-tidy
		echo acpica-tools # iasl reads the ACPI tables
		echo python3 python3-pytest python3-scapy
		echo dpdk-dev librte-net-virtio23 librte-mempool-ring23 # testpmd
		echo iproute2 ethtool curl
		echo bpftool	# a program beside the xdp port's
		echo passt	# a peer of the stream port
		echo openvswitch-switch # a peer of the tunnels
		echo vde-switch vdeplug # what the vde port plugs into
		echo user-mode-linux # a kernel with VLAN filtering in its bridge
		packages guest
		;;
	guest)
		echo qemu-system-x86 busybox-static iperf3 ethtool kmod
		echo e2fsprogs	# disk images
		echo seabios grub-pc-bin grub-common # a disk that boots itself
		echo ipxe-qemu # boot over the network
		echo user-mode-linux	# a guest without a hypervisor
		;;
	demo)
		packages build
		packages guest
		echo python3 iperf3 curl
		;;
	bench)
		packages build
		echo dpdk-dev libdpdk-dev librte-net-virtio23 librte-net-vhost23
		echo librte-mempool-ring23 openvswitch-switch
		echo openvswitch-switch-dpdk python3 bc iproute2 procps valgrind
		;;
	*)
		echo "install-deps.sh: unknown purpose '$1'" \
			"(build, check, demo or bench)" >&2
		exit 2
		;;
	esac
}

installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = \
		installed ]
}

[ $# -gt 0 ] || set -- build
wanted=
for purpose in "$@"; do
	wanted+=" $(packages "$purpose")" || exit 2
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	# On another distribution the build itself names what is missing.
	command -v meson >/dev/null && exit 0
	echo "install-deps.sh: this is not a Debian system; please install" \
		"what corresponds to these Debian packages:" >&2
	printf '%s\n' $wanted | sort -u | paste -sd' ' >&2
	exit 1
fi

missing=()
for p in $(printf '%s\n' $wanted | sort -u); do
	installed "$p" || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "Debian packages missing for $*: ${missing[*]}"
[ "${RINGWAY_NO_INSTALL:-0}" = 0 ] || exit 1
root=()
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "install-deps.sh: not root and no sudo; as root, please:" >&2
		echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
	root=(sudo)
fi
echo "Installing them with ${root[*]:+sudo }apt-get"
"${root[@]}" apt-get -qq update || echo "apt-get update failed; trying with" \
	"the package lists that are there" >&2
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq install \
	--no-install-recommends "${missing[@]}"
