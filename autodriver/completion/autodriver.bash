# Completion of autodriver(1) for bash. Options come from the program's own --help.
_autodriver() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=''
  case ${COMP_WORDS[1]} in
    selftest | learn | audit) [ "$COMP_CWORD" = 1 ] || command=${COMP_WORDS[1]} ;;
  esac
  COMPREPLY=()
  case $previous in
    --report | --certificate | --image) return ;; # file names: bash's default
    --network) mapfile -t COMPREPLY < <(compgen -W 'none loopback host' -- "$current") && return ;;
    --profile) mapfile -t COMPREPLY < <(compgen -W 'course strict debugger' -- "$current") && return ;;
  esac
  if [[ $current == -* ]]; then
    local options
    options=$("${COMP_WORDS[0]}" ${command:+"$command"} --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u)
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [ "$COMP_CWORD" = 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W 'gc selftest learn audit' -- "$current" && compgen -d -- "$current")
  fi
}
complete -o default -F _autodriver autodriver
