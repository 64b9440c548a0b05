#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a disk image with programs of this machine and the libraries that they
# need, for a guest that has only busybox. Needs no root.
#   image.sh FILE PROGRAM...     FILE is an ext4 image; it is left alone when it
#                                is newer than all programs
# In the guest, after `mount -o ro /dev/vda /tools`:
#   /tools/bin/PROGRAM           starts it; QEMU finds its firmware
set -eu
out=$(realpath -m "$1")
shift
mkdir -p "$(dirname "$out")"
programs=()
for p in "$@"; do
	programs+=("$(command -v "$p")") || {
		echo "image.sh: there is no program $p" >&2
		exit 1
	}
done
exec 9>"$out.lock" # who comes meanwhile waits, and finds it done
flock 9
is_new=1
[ "$(cat "$out.list" 2>/dev/null)" = "$*" ] || is_new=
for p in "${programs[@]}" "$0"; do
	[ "$out" -nt "$p" ] || is_new=
done
[ -z "$is_new" ] || exit 0

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir"/{bin,real,lib,share/qemu}
for p in "${programs[@]}"; do
	name=$(basename "$p")
	cp -L "$p" "$dir/real/"
	ldd "$p" | awk '/=> \// { print $3 } /^\t\// { print $1 }' |
		xargs -r cp -Lu -t "$dir/lib"
	options=
	case $name in qemu-*) options='-L /tools/share/qemu' ;; esac
	cat >"$dir/bin/$name" <<-END
		#!/bin/sh
		exec /tools/lib/ld-linux-x86-64.so.2 --library-path /tools/lib \\
			/tools/real/$name $options "\$@"
	END
	chmod +x "$dir/bin/$name"
done
# What QEMU boots a kernel with; the folders differ between distributions.
for f in bios-256k.bin bios-microvm.bin qboot.rom pvh.bin linuxboot_dma.bin \
	kvmvapic.bin; do
	for from in /usr/share/qemu /usr/share/seabios /usr/lib/ipxe/qemu; do
		[ -e "$from/$f" ] && cp -L "$from/$f" "$dir/share/qemu/" && break
	done
done
size=$(($(du -sk "$dir" | cut -f 1) * 5 / 4 + 8192))
rm -f "$out.new"
PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 -O ^has_journal -d "$dir" \
	"$out.new" "${size}k"
mv "$out.new" "$out"
echo "$*" >"$out.list"
