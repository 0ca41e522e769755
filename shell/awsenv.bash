# shellcheck shell=bash
# awsenv for bash 3.2 and later: the `awsenv` function, a prompt segment in $__awsenv_segment, and lazy completion.
#
# `awsenv init bash` prints this file after five assignments: __awsenv_python, __awsenv_main, __awsenv_store,
# __awsenv_completions and __awsenv_shell. Loaded without them, the function asks `command awsenv init --values bash` at
# its first use. What a new shell does not need is in awsenv-verbs.bash, in the folder __awsenv_shell.
#
# Two habits explain the looks of it. `\builtin` and `\command`: an alias is baked into a function when it is defined,
# and the backslash stops that. Quotes around every expansion: IFS may hold anything, a digit too.

\builtin unalias awsenv >/dev/null 2>&1 || \builtin :

# Under `set -a` all that follows, the functions too, would be handed to every child.
case $- in
*a*) \builtin set +a; __awsenv_loading=a ;;
*) __awsenv_loading= ;;
esac
\builtin export -n __awsenv_python __awsenv_main __awsenv_store __awsenv_completions __awsenv_shell __awsenv_verbs

__awsenv_verbs='' # nothing of the second file, or of an older one
__awsenv_bash=$((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1]))

# ---- The command ----------------------------------------------------------------------------------------------------

function awsenv {
  __awsenv_ready || \builtin return
  if ! __awsenv_is_captured "$@"; then
    __awsenv_next=0 __awsenv_due=0 __awsenv_drawn='' # it may be a login, which lets be renewed what could not be
    case ${1-} in
    trust) __awsenv_here='' __awsenv_place='' ;; # this very folder's, maybe
    esac
    AWSENV_STORE="$__awsenv_store" \command "$__awsenv_python" -I -S "$__awsenv_main" "$@"
    \builtin return
  fi

  if __awsenv_change "$@"; then
    __awsenv_settle 0
  else
    __awsenv_settle "$?"
  fi
}

# Ctrl-C was held back so that we could tidy up; now it is due, to the user's own trap or to end the line being run.
function __awsenv_settle {
  if [[ -n ${__awsenv_interrupted-} ]]; then
    \builtin unset -v __awsenv_interrupted
    \builtin kill -INT "${BASHPID:-$$}"
  fi
  \builtin return "$1"
}

# The verbs that change this shell; the rest, and all help, keeps the terminal to itself.
function __awsenv_is_captured {
  \builtin local word
  case ${1-} in
  use | here | off | refresh | logout) ;;
  region) [[ $# -gt 1 ]] || \builtin return 1 ;;
  *) \builtin return 1 ;;
  esac
  for word in "$@"; do
    case $word in
    --) \builtin return 0 ;;
    -h | --help) \builtin return 1 ;;
    esac
  done
  \builtin return 0
}

# What nobody has typed says nothing of its own troubles.
function __awsenv_say {
  if [[ -z ${__awsenv_unasked-} ]]; then
    \builtin printf 'awsenv: %s\n' "$1" >&2
  fi
}

# Do we know what to call? A plugin manager loads this file alone, and an upgrade can move the interpreter.
function __awsenv_ready {
  if __awsenv_is_found; then
    \builtin return 0
  fi
  \builtin local reply gone beside
  reply='' gone="${__awsenv_python-}" beside="${__awsenv_shell-}"
  reply=$(\command awsenv init --values bash </dev/null 2>/dev/null) || reply=''
  if [[ $reply == *$'\n: awsenv 1 end' ]]; then
    \builtin eval "$reply"
    if [[ -n $beside && -r $beside/awsenv-verbs.bash ]]; then
      __awsenv_shell=$beside # the one that came with this file
    fi
    \builtin export -n __awsenv_python __awsenv_main __awsenv_store __awsenv_completions __awsenv_shell
  fi
  if ! __awsenv_is_found; then
    __awsenv_say 'cannot find the awsenv program (was it moved or removed?)'
    \builtin return 127
  fi
  if [[ -n $gone ]]; then
    __awsenv_say "$gone no longer works; this shell now uses $__awsenv_python"
  fi
}

function __awsenv_is_found {
  [[ -n ${__awsenv_store-} && -x ${__awsenv_python-} && -r ${__awsenv_main-} ]]
}

# ---- Changing this shell --------------------------------------------------------------------------------------------

# Secrets pass below: nothing may be traced or echoed, nothing exported by `set -a`, no DEBUG trap inherited by `set -T`,
# and `set -k` must not take our assignments for its own. bash 4.4 can undo that by itself.
function __awsenv_change {
  if [[ $__awsenv_bash -ge 404 ]]; then
    { \builtin local -; \builtin set +akvxT; } 2>/dev/null
    __awsenv_load_verbs || \builtin return
    __awsenv_ask_and_apply "$@"
    \builtin return
  fi
  { __awsenv_options=$-; \builtin set +akvxT; } 2>/dev/null
  \builtin export -n __awsenv_options
  \builtin local flag status=0
  { __awsenv_load_verbs && __awsenv_ask_and_apply "$@"; } || status=$?
  for flag in a k v T x; do
    case $__awsenv_options in
    *"$flag"*) \builtin set "-$flag" ;;
    esac
  done
  \builtin return "$status"
}

# Reads the second file, once; a prompt that has something to show comes here too.
function __awsenv_load_verbs {
  \builtin local file flags
  if [[ $__awsenv_verbs == 1 ]]; then
    \builtin return 0
  fi
  if [[ -z ${__awsenv_shell-} ]]; then
    __awsenv_ready || \builtin return
  fi
  file="${__awsenv_shell-}/awsenv-verbs.bash" flags=$-
  if [[ ! -f $file || ! -r $file ]]; then
    __awsenv_say "cannot read $file: nothing changed (was awsenv moved or removed?)"
    \builtin return 127
  fi
  case $flags in *a*) \builtin set +a ;; esac # as above
  # shellcheck source=shell/awsenv-verbs.bash # it stands beside this one
  \builtin source "$file" 2>/dev/null || \builtin :
  case $flags in *a*) \builtin set -a ;; esac
  if [[ $__awsenv_verbs != 1 ]]; then
    __awsenv_say "$file is not of this version: start a new shell or run: exec \$SHELL"
    \builtin return 127
  fi
}

# ---- The prompt segment ---------------------------------------------------------------------------------------------
# PS1='${__awsenv_segment}'$PS1 shows it: it ends in a blank, or is empty. This runs at every prompt, so no process
# starts here, and it is drawn anew only when something that it shows has changed or its time would read differently.

__awsenv_segment='' __awsenv_drawn='' __awsenv_since='' __awsenv_until='' __awsenv_in_tmux='' __awsenv_in_tab=''
__awsenv_clock_zero='' __awsenv_clock_last='' __awsenv_due=0 __awsenv_next=0 __awsenv_needs='' __awsenv_told='' __awsenv_watching=''
__awsenv_here='' __awsenv_place='' # where we have looked last, and the folder that was found
__awsenv_drawing=(
  __awsenv_segment __awsenv_drawn __awsenv_since __awsenv_until __awsenv_in_tmux __awsenv_in_tab __awsenv_clock_zero __awsenv_clock_last
  __awsenv_due __awsenv_next __awsenv_needs __awsenv_told __awsenv_watching
  __awsenv_here __awsenv_place __awsenv_lives_on __awsenv_before __awsenv_named
)
\builtin export -n "${__awsenv_drawing[@]}"

function __awsenv_hook {
  \builtin local "status=$?" now # unquoted, under `set -k` it would be no argument
  now="${EPOCHSECONDS-}"
  case $- in
  *[ax]*) __awsenv_draw_unseen ;;
  *)
    # Not [[ … == … ]]: under nocasematch the profile Prod would be prod.
    if ! \builtin [ "${PWD-}" = "$__awsenv_here" ]; then
      __awsenv_look_again
    elif ! \builtin [ "${AWSENV_LABEL-}|${AWSENV_CLASS-}|${AWSENV_FIELDS-}|${AWSENV_EXPIRES_AT-}|${AWSENV_KEY_ID-}|${AWS_ACCESS_KEY_ID-}|${AWS_PROFILE-}|${AWS_REGION-}|${COLUMNS-}|${NO_COLOR-}|${TERM-}" = "$__awsenv_drawn" ]; then
      __awsenv_look_again
    elif [[ -n $__awsenv_until ]]; then
      case $now in
      '' | *[!0123456789]*) __awsenv_clock ;;
      esac
      if ((now < __awsenv_since || now >= __awsenv_until)); then
        __awsenv_look_again
      fi
    fi
    ;;
  esac
  # From 5.1 each hook is given the user's $? by bash itself. Before, the next hook sees ours; but under `set -e` it would end the shell.
  if ((__awsenv_bash < 501)) && [[ $- != *e* ]]; then
    \builtin return "$status"
  fi
  \builtin return 0
}

# Traces would show the key id, and `set -a` would hand what we remember to every child.
function __awsenv_draw_unseen {
  case $- in
  *x*)
    { \builtin set +x; } 2>/dev/null
    __awsenv_look_again
    { \builtin set -x; } 2>/dev/null
    ;;
  *) __awsenv_look_again ;;
  esac
  \builtin export -n "${__awsenv_drawing[@]}"
}

# Works on the caller's `now`, as do the functions below on the variables of theirs: a $( ) would be a process.
function __awsenv_look_again {
  case $now in
  '' | *[!0123456789]*) __awsenv_clock ;;
  esac
  if ! \builtin [ "${PWD-}" = "$__awsenv_here" ]; then
    __awsenv_look_around
  fi
  __awsenv_renew
  __awsenv_draw_segment
}

# After a `cd`: is this folder, or the nearest above it, for an identity? For a "no" no process starts; a path that only
# seems to stand in the settings is for the backend to read.
function __awsenv_look_around {
  \builtin local folder short place text line lines depth __awsenv_unasked
  __awsenv_here=${PWD-} __awsenv_unasked=1
  folder=$__awsenv_here place='' text='' depth=0 lines=()
  if [[ ${AWSENV_PLACES-} == off ]]; then
    folder=
  else
    short="${XDG_CONFIG_HOME:-${HOME-}/.config}/awsenv/config.toml"
    if [[ ! -f $short ]]; then
      short="${HOME-}/Library/Application Support/awsenv/config.toml"
    fi
    if [[ -f $short && -r $short ]]; then
      IFS=$'\n\t' \builtin read -r -d '' -a lines <"$short" || \builtin :
      for line in ${lines[@]+"${lines[@]}"}; do
        case $line in
        [\"\'\ ]* | places*) text=$text$line$'\n' ;; # where a path may stand before the equals sign
        esac
      done
    fi
  fi
  while [[ $folder == /* && $depth -lt 64 ]]; do
    if [[ -f $folder/.awsenv ]]; then
      place=$folder
      \builtin break
    fi
    if [[ -n $text ]]; then
      short=$folder
      if [[ -n ${HOME-} && $folder/ == "$HOME"/* ]]; then
        short="~${folder#"$HOME"}"
      fi
      case $text in
      *[\"\']"$folder"[\"\'/]* | *[\"\']"$short"[\"\'/]*)
        place=$folder
        \builtin break
        ;;
      esac
    fi
    folder=${folder%/*}
    depth=$((depth + 1))
  done
  if \builtin [ "$place" = "$__awsenv_place" ]; then
    \builtin return 0
  fi
  __awsenv_place=$place
  if [[ -z $place${__awsenv_lives_on-} ]] || ! __awsenv_ready; then
    \builtin return 0
  fi
  if __awsenv_change here --hook </dev/null; then
    __awsenv_settle 0
  else
    __awsenv_settle 0
  fi
}

function __awsenv_draw_segment {
  \builtin local __awsenv_unasked
  __awsenv_unasked=1
  __awsenv_drawn="${AWSENV_LABEL-}|${AWSENV_CLASS-}|${AWSENV_FIELDS-}|${AWSENV_EXPIRES_AT-}|${AWSENV_KEY_ID-}|${AWS_ACCESS_KEY_ID-}|${AWS_PROFILE-}|${AWS_REGION-}|${COLUMNS-}|${NO_COLOR-}|${TERM-}"
  __awsenv_segment=
  __awsenv_until=
  # With nobody to show, and nobody shown, the second file is not needed.
  if [[ -n ${AWSENV_LABEL-}$__awsenv_in_tab$__awsenv_in_tmux${AWSENV_SEGMENT-}${AWSENV_ALARM-} || ${AWSENV_FOREIGN-} == on ]] && __awsenv_load_verbs; then
    __awsenv_draw_text
  fi
  __awsenv_set_due
  if [[ $__awsenv_due != 999999999999 && ($__awsenv_until == '' || $__awsenv_until -gt $__awsenv_due) ]]; then
    __awsenv_until=$__awsenv_due
  fi
}

# Sets the caller's `now` where there is no EPOCHSECONDS: before 5.0, or because the user unset it. Before 4.2 no builtin
# tells the time at all: one `date`, then bash's own count of seconds. Empty if even that is not to be had.
function __awsenv_clock {
  now=
  if [[ $__awsenv_bash -ge 402 ]]; then
    \builtin printf -v now '%(%s)T' -1
    \builtin return 0
  fi
  case ${SECONDS-} in
  '' | *[!0123456789]*) \builtin return 0 ;;
  esac
  if [[ -z $__awsenv_clock_zero || $SECONDS -lt $__awsenv_clock_last ]]; then
    now=$(\command date +%s) || \builtin return 0
    __awsenv_clock_zero=$((now - SECONDS))
  fi
  __awsenv_clock_last=$SECONDS
  now=$((__awsenv_clock_zero + SECONDS))
}

# ---- Renewal --------------------------------------------------------------------------------------------------------
# __awsenv_due is when the backend is asked next, so that a prompt and a command each compare two numbers and no more;
# __awsenv_next is before when it may not be asked. What it needs of a person is in __awsenv_needs, and what of that was
# said in __awsenv_told.

# $1 is the command line, where it is known. Traces would show the key id.
function __awsenv_before_command {
  case $- in
  *x*)
    { \builtin set +x; } 2>/dev/null
    __awsenv_look_ahead "$@"
    { \builtin set -x; } 2>/dev/null
    ;;
  *) __awsenv_look_ahead "$@" ;;
  esac
}

function __awsenv_look_ahead {
  \builtin local now
  now="${EPOCHSECONDS-}"
  case $now in
  '' | *[!0123456789]*) __awsenv_clock ;;
  esac
  if ((now >= __awsenv_due)) && [[ -n $now ]]; then
    case ${1-} in
    awsenv | 'awsenv '* | ' awsenv '*) ;; # it has its own way with what has expired
    *) __awsenv_renew command ;;
    esac
  fi
  \builtin return 0
}

# Runs before every simple command, the prompt's own too; gets and gives back $_.
function __awsenv_before_debug {
  \builtin local now hook
  now="${EPOCHSECONDS-}"
  case $now in
  '' | *[!0123456789]*) __awsenv_clock ;;
  esac
  if ((now >= __awsenv_due)) && [[ -z ${COMP_LINE-} ]]; then
    # A prompt must not wait.
    for hook in ${PROMPT_COMMAND[@]+"${PROMPT_COMMAND[@]}"}; do
      hook=";${hook//$'\n'/;}"
      case "${hook//[[:space:]]/}" in
      *[\;\&\|]"${BASH_COMMAND//[[:space:]]/}"*)
        \builtin : "${1-}"
        \builtin return 0
        ;;
      esac
    done
    __awsenv_before_command "$BASH_COMMAND"
  fi
  \builtin : "${1-}"
}

# Sets __awsenv_due by the caller's `now`. Digits only before any arithmetic.
function __awsenv_set_due {
  __awsenv_due=999999999999
  case ${AWSENV_REFRESH_AT-} in
  '' | *[!0123456789]* | ????????????*) \builtin return 0 ;;
  esac
  if [[ -n $now && $__awsenv_next -gt $((now + 300)) ]]; then
    __awsenv_next=0 # the clock was set back
  fi
  __awsenv_due=$((10#$AWSENV_REFRESH_AT > __awsenv_next ? 10#$AWSENV_REFRESH_AT : __awsenv_next))
}

# Where it is due: takes over what somebody has renewed, or has it renewed behind the scenes. Before a command, keys that
# have expired are waited for. Works on the caller's `now`.
function __awsenv_renew {
  \builtin local __awsenv_unasked
  __awsenv_unasked=1
  __awsenv_watch_commands
  __awsenv_set_due
  if [[ -n $now && $now -ge $__awsenv_due ]]; then
    # First, whatever becomes of it.
    __awsenv_next=$((now + 60))
    __awsenv_due=$__awsenv_next
    if __awsenv_load_verbs; then
      __awsenv_renew_now "$@"
    fi
  fi
}

# bash has no hook for this before 5.3, and ours can be no subshell: what it sets is for this one. Asked again now and
# then, because the two that others have may be loaded behind us. A DEBUG trap only for those who ask for it: there is
# one in a shell, and it costs every simple command.
function __awsenv_watch_commands {
  if [[ -n ${BLE_VERSION-} ]]; then
    if [[ $__awsenv_watching != ble ]]; then
      __awsenv_watching=ble
      blehook 'PREEXEC!=__awsenv_before_command' >/dev/null 2>&1
    fi
  elif [[ -n ${bash_preexec_imported-}${__bp_imported-} ]]; then
    case " ${preexec_functions[*]-} " in
    *' __awsenv_before_command '*) ;;
    *) preexec_functions+=(__awsenv_before_command) ;;
    esac
  elif [[ $__awsenv_bash -ge 503 ]]; then
    # shellcheck disable=SC2016 # bash expands it, each time that a command is about to run
    case ${PS0-} in
    *__awsenv_before_command*) ;;
    *) if \builtin shopt -q promptvars; then PS0='${ __awsenv_before_command; }'${PS0-}; fi ;;
    esac
  elif [[ ${AWSENV_DEBUG_TRAP-} == on && $__awsenv_watching != debug ]]; then
    __awsenv_watching=debug
    \builtin trap '__awsenv_before_debug "$_"' DEBUG # in place of any other: in a function, none is to be seen
  fi
  \builtin return 0
}

# From 5.1 PROMPT_COMMAND may be an array: first in it, so that prompts which are computed by a later hook see this
# one's work. Before, bash runs element 0 only: a new line of that, because it may end in `;`, `&` or a comment.
function __awsenv_install_hook {
  \builtin local hook before
  # The other two are where starship and VS Code keep what they have taken the place of, to run it themselves.
  # shellcheck disable=SC2154 # VS Code assigns it, if anyone does
  for hook in ${PROMPT_COMMAND[@]+"${PROMPT_COMMAND[@]}"} "${STARSHIP_PROMPT_COMMAND-}" \
    ${__vsc_original_prompt_command[@]+"${__vsc_original_prompt_command[@]}"}; do
    case $hook in
    *__awsenv_hook*) \builtin return 0 ;;
    esac
  done
  # A readonly one is not to be unset: their prompt, their rule. To try that on a copy takes a process, which is a third
  # of what a new shell waits for us.
  if [[ $__awsenv_bash -ge 501 ]]; then
    before=(${PROMPT_COMMAND[@]+"${PROMPT_COMMAND[@]}"})
    if \builtin unset -v PROMPT_COMMAND 2>/dev/null; then
      PROMPT_COMMAND=(__awsenv_hook ${before[@]+"${before[@]}"})
    fi
  elif (\builtin unset -v PROMPT_COMMAND) 2>/dev/null; then
    # shellcheck disable=SC2178,SC2179,SC2128 # element 0 of what may be an array is what these versions run
    PROMPT_COMMAND=${PROMPT_COMMAND:+$PROMPT_COMMAND$'\n'}__awsenv_hook
  fi
}

# ---- Completion -----------------------------------------------------------------------------------------------------

# At the first TAB: load the real thing, which registers itself in our place; 124 makes bash ask again, from 4.0 on.
function __awsenv_load_completion {
  if [[ -z ${__awsenv_completions-} ]]; then
    __awsenv_ready 2>/dev/null || \builtin return 1
  fi
  if [[ ! -r ${__awsenv_completions-}/awsenv.bash ]]; then
    \builtin return 1
  fi
  # shellcheck source=/dev/null # our own file, where `awsenv init` said it is
  \builtin source "$__awsenv_completions/awsenv.bash" || \builtin return 1
  if [[ $__awsenv_bash -ge 400 ]]; then
    \builtin return 124
  fi
  \builtin local registered
  registered=$(\builtin complete -p awsenv)
  registered=${registered##*-F }
  "${registered%% *}" "$@"
}

case $- in
*i*)
  __awsenv_install_hook
  \builtin complete -F __awsenv_load_completion awsenv
  ;;
esac

if [[ -n $__awsenv_loading ]]; then
  \builtin set -a
fi
\builtin unset -v __awsenv_loading
