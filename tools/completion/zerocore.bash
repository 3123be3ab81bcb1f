# SPDX-License-Identifier: MIT OR LGPL-2.1
# shellcheck shell=bash
#
# zerocore.bash - bash completion for the command zerocore

# The option names of a command, from its own --help.
_zerocore_options()
{
	"$1" "${@:2}" --help 2>/dev/null |
		grep -oE -- '(^|[ ,])--[a-z0-9-]+' | tr -d ' ,' | sort -u
}

_zerocore()
{
	local command=${COMP_WORDS[0]} cur prev noun verb words='' first before=''
	local pool_verbs='create list info check grow shrink remove evict'
	local nouns='pool pub sub blocks service reader cleaner member top events clean bench help'

	COMPREPLY=()
	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	noun=${COMP_WORDS[1]-}
	verb=${COMP_WORDS[2]-}

	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$nouns --help --version" -- "$cur")
		return
	fi

	# --option=value: bash makes three words of it, unless it was told not to.
	if [[ $cur == --*=* ]]; then
		prev=${cur%%=*} before=${cur%%=*}=
		cur=${cur#*=}
	elif [ "$cur" = = ]; then
		cur=
	elif [ "$prev" = = ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi

	# What stands behind an option.
	case $prev in
	--huge) words='try never transparent require gigantic' ;;
	--backend) words='auto shm device' ;;
	--numa) words='0 interleave' ;;
	--on-slow) words='block drop disconnect' ;;
	--guard) words='off magic header full' ;;
	--sort) words='index rate lag memory name' ;;
	--print) words='sequence size age name hex text value none' ;;
	--state) words='free claimed using clean' ;;
	-s)
		[ "$noun" != blocks ] || words='free claimed using clean'
		[ "$noun" != top ] || words='index rate lag memory name'
		;;
	--payload) words='touch whole' ;;
	--utilisation) words='0.6 0.8' ;;
	--peers) words=$("$command" bench compare --list 2>/dev/null | sed -n '/^Peers/,/^Loads/s/^  \([a-z-]*\) .*/\1/p') ;;
	--loads) words=$("$command" bench compare --list 2>/dev/null | sed -n '/^Loads/,$s/^  \([a-z-]*\) .*/\1/p') ;;
	--files | -f | --files-from | --output | -o)
		if [ "$prev" != -o ] || [ "$noun" = sub ]; then
			mapfile -t COMPREPLY < <(compgen -P "$before" -f -- "$cur")
			compopt -o filenames 2>/dev/null
			return
		fi
		;;
	esac
	if [ -n "$words" ]; then
		mapfile -t COMPREPLY < <(compgen -P "$before" -W "$words" -- "$cur")
		return
	fi
	# A value that may be anything.
	[ -z "$before" ] && [ "${COMP_WORDS[COMP_CWORD]}" != = ] || return

	# Where the pool's name is expected.
	first=2
	case $noun in
	pool | service | reader | cleaner | member)
		first=3
		if [ "$COMP_CWORD" = 2 ]; then
			words=list
			[ "$noun" != pool ] || words=$pool_verbs
			mapfile -t COMPREPLY < <(compgen -W "$words --help" -- "$cur")
			return
		fi
		;;
	bench)
		if [ "$COMP_CWORD" = 2 ]; then
			words=$("$command" bench --help 2>/dev/null |
				sed -n 's/^  \([a-z]\{1,\}\)  .*/\1/p')
			mapfile -t COMPREPLY < <(compgen -W "$words --help" -- "$cur")
			return
		fi
		;;
	help)
		if [ "$COMP_CWORD" = 2 ]; then
			words=$nouns
		elif [ "$COMP_CWORD" = 3 ]; then
			case $verb in
			pool) words=$pool_verbs ;;
			service | reader | cleaner | member) words=list ;;
			esac
		fi
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
		;;
	esac

	if [[ $cur == -* ]]; then
		words=$noun
		[ "$first" = 2 ] && [ "$noun $verb" != 'bench compare' ] || words="$noun $verb"
		# shellcheck disable=SC2086 # a list of words
		words=$(_zerocore_options "$command" $words)
	elif [ "$COMP_CWORD" = "$first" ]; then
		case $noun$verb in
		poolcreate | poollist) ;;
		*) words=$("$command" pool list --quiet 2>/dev/null) ;;
		esac
	elif [[ $noun$verb =~ ^pool(info|check|remove)$ ]]; then
		words=$("$command" pool list --quiet 2>/dev/null)
	elif [ "$COMP_CWORD" = 3 ] && [[ $noun == [ps]ub ]]; then
		words=$("$command" service list "$verb" --json 2>/dev/null |
			sed -n 's/^{"service":"\([^"]*\)".*/\1/p')
	elif [ "$noun" = pub ]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames 2>/dev/null
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _zerocore zerocore
