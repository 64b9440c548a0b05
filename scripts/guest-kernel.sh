#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches a kernel of Debian's for test guests and unpacks it. Installs nothing
# and needs no root:
#   guest-kernel.sh [DIR [KIND [SUITE]]]  DIR (default build/guest) gets vmlinuz
#       and modules/ of linux-image-KIND (default cloud-amd64; amd64 has drivers
#       of all cards), of the system's suites or of SUITE (bookworm-backports)
# Does nothing when DIR has both.
set -eu
kind=${2:-cloud-amd64}
suite=${3:-}
. "$(dirname "$(realpath "$0")")/apt-suite.sh"
dir=$(realpath -m "${1:-$(dirname "$0")/../build/guest}")
[ -s "$dir/vmlinuz" ] && [ -d "$dir/modules" ] && exit 0
mkdir -p "$dir"
# Who comes meanwhile waits, and finds it done.
exec 9>"$dir/.lock"
flock 9
[ -s "$dir/vmlinuz" ] && [ -d "$dir/modules" ] && exit 0
cd "$dir"

# fetch APT-OPTIONS...: downloads the package that the meta package depends on
fetch() {
	local package
	package=$(apt-cache "$@" depends "linux-image-$kind" 2>/dev/null |
		awk '/Depends: linux-image-/ { print $2; exit }')
	[ -n "$package" ] && rm -f linux-image-*.deb &&
		apt-get -qq -o APT::Sandbox::User= "$@" download "$package"
}

# The lists of the system may be missing or outdated.
if [ -n "$suite" ] || ! fetch; then
	apt_suite "$dir" "$suite" && fetch "${apt_options[@]}" || {
		echo "guest-kernel.sh: cannot fetch the package that" \
			"linux-image-$kind${suite:+ of $suite} depends on; is" \
			"there a way to the Debian mirror of" \
			"/etc/apt/sources.list?" >&2
		exit 1
	}
fi
rm -rf unpacked modules
dpkg -x linux-image-*.deb unpacked
mv unpacked/lib/modules/* modules
mv unpacked/boot/vmlinuz-* vmlinuz
rm -rf unpacked apt linux-image-*.deb
