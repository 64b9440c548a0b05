#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a disk image as a distribution's installer would: a partition table,
# GRUB for a BIOS, and an ext4 file system with kernel, initrd and grub.cfg.
# Needs no root: grub-mkimage, mke2fs and dd.
#   boot-disk.sh FILE KERNEL INITRD CFG     CFG: the text of grub.cfg; kernel and
#                                           initrd are /boot/vmlinuz, /boot/initrd
# GRUB can keep variables (save_env). Does nothing when FILE is newer than all of
# these and has the same CFG.
set -eu
out=$(realpath -m "$1")
kernel=$2 initrd=$3 cfg=$4
grub=/usr/lib/grub/i386-pc
first=2048 # sector of the partition
[ "$out" -nt "$kernel" ] && [ "$out" -nt "$initrd" ] && [ "$out" -nt "$0" ] &&
	[ "$(cat "$out.cfg" 2>/dev/null)" = "$cfg" ] && exit 0

PATH=$PATH:/sbin:/usr/sbin
for needed in grub-mkimage mke2fs; do
	command -v $needed >/dev/null && [ -e $grub/boot.img ] || {
		echo "boot-disk.sh: needs the packages grub-pc-bin," \
			"grub-common and e2fsprogs" >&2
		exit 1
	}
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/root/boot/grub"
cp -L "$kernel" "$dir/root/boot/vmlinuz"
cp -L "$initrd" "$dir/root/boot/initrd"
echo "$cfg" >"$dir/root/boot/grub/grub.cfg"
grub-editenv "$dir/root/boot/grub/grubenv" create
size=$(($(du -sk "$dir/root" | cut -f 1) + 16384)) # KiB
mke2fs -q -q -t ext4 -d "$dir/root" "$dir/part" "${size}k"
grub-mkimage -O i386-pc -d $grub -p '(hd0,msdos1)/boot/grub' -o "$dir/core" \
	biosdisk part_msdos ext2 normal linux loadenv test reboot

# le32 NUMBER: four bytes as escapes of printf
le32() {
	local i
	for i in 0 8 16 24; do printf '\\x%02x' $(($1 >> i & 255)); done
}

# put FILE SECTOR [BYTES]
put() {
	dd if="$1" of="$out.new" bs=512 seek="$2" conv=notrunc status=none \
		${3:+iflag=count_bytes count="$3"}
}

truncate -s $((first * 512 + size * 1024)) "$out.new"
put $grub/boot.img 0 440
put "$dir/core" 1
put "$dir/part" $first
# The first entry of the table: bootable, Linux, from $first on; and the mark.
printf "\\x80\\0\\0\\0\\x83\\0\\0\\0$(le32 $first)$(le32 $((size * 2)))" |
	dd of="$out.new" bs=1 seek=446 conv=notrunc status=none
printf '\x55\xaa' | dd of="$out.new" bs=1 seek=510 conv=notrunc status=none
mv "$out.new" "$out"
echo "$cfg" >"$out.cfg"
