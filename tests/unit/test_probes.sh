#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# test_probes.sh READELF BINARY: every probe point has its note, with a place
# for each argument.
notes=$("$1" -n "$2") || exit 1
status=0
# name and number of arguments, each written SIZE@WHERE
for probe in kick:2 pop:3 forward:3 push:3 call:3; do
	name=${probe%:*}
	args=$(echo "$notes" | awk -v name="$name" '
		$1 == "Provider:" { ours = $2 == "ringway" }
		$1 == "Name:" { hit = ours && $2 == name }
		$1 == "Arguments:" && hit { print gsub("@", "@"); exit }')
	if [ "$args" != "${probe#*:}" ]; then
		echo "$name: ${args:-no note} where ${probe#*:} are promised"
		status=1
	fi
done
exit $status
