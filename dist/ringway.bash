# SPDX-License-Identifier: Apache-2.0
# Completion for bash: commands, options and ports, asked from ringway itself.
_ringway()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local command=${COMP_WORDS[1]} words

	case $prev in
	--config | --control | --write | -w)
		compopt -o filenames 2>/dev/null
		COMPREPLY=($(compgen -f -- "$cur"))
		return ;;
	esac
	if ((COMP_CWORD == 1)); then
		words=$(ringway help | awk '/^  [a-z]/ { print $1 }')
	elif [[ $cur == -* ]]; then
		[[ $command == port || ${COMP_WORDS[2]} == flush ]] &&
			command+=" ${COMP_WORDS[2]}"
		words=$(ringway help $command 2>/dev/null |
			grep -o '^  --[a-z-]*')
	elif ((COMP_CWORD == 2)) && [[ $command == port ]]; then
		words='add del list set show'
	elif ((COMP_CWORD == 2)) && [[ $command == mac ]]; then
		words=flush
	elif [[ $command == help ]]; then
		words=$(ringway help | awk '/^  [a-z]/ { print $1 }')
	elif [[ $command == @(port|stats|capture|qemu-args) ]]; then
		words=$(ringway port list 2>/dev/null | awk 'NR > 1 { print $1 }')
	fi
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _ringway ringway
