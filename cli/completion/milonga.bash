# Completion of milonga(1) for bash. Commands and options come from the program's
# own --help, job numbers from its list.
_milonga() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local program=${COMP_WORDS[0]} command='' i
  local -a spool=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --spool) spool=(--spool "${COMP_WORDS[++i]}") ;;
      -*) ;;
      *)
        if [[ $command == image || $command == callbacks ]]; then command="$command ${COMP_WORDS[i]}"; fi
        command=${command:-${COMP_WORDS[i]}}
        ;;
    esac
  done
  COMPREPLY=()
  case $previous in
    --spool | --report | --publish | --image | --store) return ;; # file names: bash's default
    --network) mapfile -t COMPREPLY < <(compgen -W 'none loopback host' -- "$current") && return ;;
    --profile) mapfile -t COMPREPLY < <(compgen -W 'course strict debugger' -- "$current") && return ;;
  esac
  if [[ $current == -* ]]; then
    local options
    # shellcheck disable=SC2086 # "image import" is two words
    options=$("$program" $command --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u)
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ -z $command ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$("$program" --help 2>/dev/null | sed -nE 's/^  ([a-z]+) .*/\1/p' | sort -u)" -- "$current")
  else
    case $command in
      callbacks | image)
        mapfile -t COMPREPLY < <(compgen -W "$("$program" --help 2>/dev/null | sed -nE "s/^  $command ([a-z]+) .*/\1/p")" -- "$current")
        ;;
      'image inspect' | 'image verify' | 'image rm')
        mapfile -t COMPREPLY < <(compgen -W "$("$program" image list 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$current")
        ;;
      status | watch | logs | cancel)
        local ids
        ids=$("$program" "${spool[@]}" list --limit 100 2>/dev/null | awk 'NR > 1 { print $1 }')
        mapfile -t COMPREPLY < <(compgen -W "$ids" -- "$current")
        ;;
    esac
  fi
}
complete -o default -F _milonga milonga
