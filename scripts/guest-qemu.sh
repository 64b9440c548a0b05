#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches a newer QEMU than the system's and unpacks it. Installs nothing and
# needs no root:
#   guest-qemu.sh DIR [SUITE]  DIR gets usr/bin/qemu-system-x86_64 and what it
#       boots with, of SUITE (default bookworm-backports: QEMU 10, which has the
#       card igb)
# Does nothing when DIR has it.
set -eu
dir=$(realpath -m "$1")
suite=${2:-bookworm-backports}
. "$(dirname "$(realpath "$0")")/apt-suite.sh"
[ -x "$dir/usr/bin/qemu-system-x86_64" ] && exit 0
mkdir -p "$dir"
# Who comes meanwhile waits, and finds it done.
exec 9>"$dir/.lock"
flock 9
[ -x "$dir/usr/bin/qemu-system-x86_64" ] && exit 0
cd "$dir"
rm -rf new ./*.deb
apt_suite "$dir" "$suite" && apt-get -qq "${apt_options[@]}" download \
	{qemu-system-{x86,common,data},seabios}"/$suite" || {
	echo "guest-qemu.sh: cannot fetch QEMU of $suite; is there a way to" \
		"the Debian mirror of /etc/apt/sources.list?" >&2
	exit 1
}
for deb in ./*.deb; do
	dpkg -x "$deb" new
done
new/usr/bin/qemu-system-x86_64 --version >/dev/null || {
	echo "guest-qemu.sh: QEMU of $suite does not run here" >&2
	exit 1
}
mv new/usr usr
rm -rf new apt ./*.deb
