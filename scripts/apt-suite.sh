# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For scripts that fetch a package without installing it; sourced.

# apt_suite DIR SUITE: sets apt_options, with which apt-get and apt-cache know
# the packages of SUITE (bookworm-backports), from the mirror of the system's
# first source; '' is the system's own suites. Their lists are in DIR/apt, which
# is fetched when it is not there. Returns 1 without a way to the mirror.
apt_suite() {
	local dir=$1/apt suite=$2 own=/etc/apt/sources.list.d/debian.sources
	apt_options=(-o "Dir::State::lists=$dir/lists"
		-o "Dir::Cache=$dir/cache" -o APT::Sandbox::User=
		-o Debug::NoLocking=1)
	mkdir -p "$dir"/{lists,cache/archives}/partial "$dir/sources"
	if [ -n "$suite" ]; then
		if [ -e "$own" ]; then
			sed '/^$/,$d' "$own" >"$dir/sources/suite.sources"
			sed -i "s/^Suites:.*/Suites: $suite/" \
				"$dir/sources/suite.sources"
		else
			sed -nE "s/^(deb (\[[^]]*\] )?[^ ]+) [^ ]+ .*/\1 $suite main/p" \
				/etc/apt/sources.list | head -1 \
				>"$dir/sources/suite.list"
		fi
		apt_options+=(-o "Dir::Etc::sourceparts=$dir/sources"
			-o Dir::Etc::sourcelist=/dev/null)
	fi
	[ -e "$dir/fetched" ] ||
		{ apt-get -qq "${apt_options[@]}" update && touch "$dir/fetched"; }
}
