# SPDX-License-Identifier: Apache-2.0
# Completion for bash. `ringway help --complete` prints the completions of the
# last word: commands, options and values, and ports of the running daemon.
_ringway()
{
	local cur=${COMP_WORDS[COMP_CWORD]} IFS=$'\n'

	COMPREPLY=($(ringway help --complete \
		"${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
	if [[ ${COMPREPLY[0]} == =file ]]; then
		compopt -o filenames 2>/dev/null
		COMPREPLY=($(compgen -f -- "$cur"))
	fi
}
complete -F _ringway ringway
