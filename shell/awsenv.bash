# shellcheck shell=bash
# awsenv for bash 3.2 and later: the `awsenv` function, a prompt segment in $__awsenv_segment, and lazy completion.
#
# `awsenv init bash` prints this file after four assignments: __awsenv_python, __awsenv_main, __awsenv_store and
# __awsenv_completions. Loaded without them, the function asks `command awsenv init --values bash` at its first use.
#
# Two habits explain the looks of it. `\builtin` and `\command`: an alias is baked into a function when it is defined,
# and the backslash stops that. Quotes around every expansion: IFS may hold anything, a digit too.

\builtin unalias awsenv >/dev/null 2>&1 || \builtin :

# Under `set -a` all that follows, the functions too, would be handed to every child.
case $- in
*a*) \builtin set +a; __awsenv_loading=a ;;
*) __awsenv_loading= ;;
esac
\builtin export -n __awsenv_python __awsenv_main __awsenv_store __awsenv_completions

__awsenv_bash=$((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1]))

# What `use` sets or unsets and `off` puts back, and what awsenv exports for itself: awsenv/variables.py has the same two lists.
__awsenv_managed=(
  AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_SECURITY_TOKEN
  AWS_CREDENTIAL_EXPIRATION AWS_SESSION_EXPIRATION AWS_CREDENTIALS_EXPIRATION
  AWS_PROFILE AWS_DEFAULT_PROFILE AWS_REGION AWS_DEFAULT_REGION AWS_ACCOUNT_ID
  AWS_WEB_IDENTITY_TOKEN_FILE AWS_ROLE_ARN AWS_ROLE_SESSION_NAME AWS_CREDENTIAL_FILE
  AWS_EB_PROFILE AWS_PROFILE_REGION AWS_VAULT
  AWSUME_PROFILE AWSUME_EXPIRATION AWSUME_COMMAND AWSU_PROFILE
  AWS_SSO_PROFILE AWS_SSO_ACCOUNT_ID AWS_SSO_ROLE_NAME AWS_SSO_ROLE_ARN
  AWS_SSO_SESSION_EXPIRATION AWS_SSO_DEFAULT_REGION AWS_SSO
  GRANTED_SSO GRANTED_SSO_START_URL GRANTED_SSO_ROLE_NAME GRANTED_SSO_REGION GRANTED_SSO_ACCOUNT_ID
)
__awsenv_own=(
  AWSENV_PROFILE AWSENV_OPTIONS AWSENV_ACCOUNT_ID AWSENV_ROLE AWSENV_LABEL AWSENV_CLASS AWSENV_FIELDS
  AWSENV_EXPIRES_AT AWSENV_REFRESH_AT AWSENV_KEY_ID AWSENV_REGION_BEFORE
)

# ---- The command ----------------------------------------------------------------------------------------------------

function awsenv {
  __awsenv_ready || \builtin return
  if ! __awsenv_is_captured "$@"; then
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
  use | off | refresh | logout) ;;
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

function __awsenv_say {
  \builtin printf 'awsenv: %s\n' "$1" >&2
}

# Do we know what to call? A plugin manager loads this file alone, and an upgrade can move the interpreter.
function __awsenv_ready {
  if __awsenv_is_found; then
    \builtin return 0
  fi
  \builtin local reply='' gone="${__awsenv_python-}"
  reply=$(\command awsenv init --values bash </dev/null 2>/dev/null) || reply=''
  if [[ $reply == *$'\n: awsenv 1 end' ]]; then
    \builtin eval "$reply"
    \builtin export -n __awsenv_python __awsenv_main __awsenv_store __awsenv_completions
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
    __awsenv_ask_and_apply "$@"
    \builtin return
  fi
  { __awsenv_options=$-; \builtin set +akvxT; } 2>/dev/null
  \builtin export -n __awsenv_options
  \builtin local flag status=0
  __awsenv_ask_and_apply "$@" || status=$?
  for flag in a k v T x; do
    case $__awsenv_options in
    *"$flag"*) \builtin set "-$flag" ;;
    esac
  done
  \builtin return "$status"
}

function __awsenv_ask_and_apply {
  \builtin local reply='' changed='' user_trap='' status=0
  __awsenv_interrupted=
  __awsenv_are_writable || \builtin return
  case $1 in
  off | logout) __awsenv_list_changed ;;
  esac

  # A handler, not an ignored signal, which the backend would inherit: Ctrl-C ends the backend and then waits for us.
  # A subshell needs none: there Ctrl-C ends everything, or runs its own trap and comes back.
  if [[ ${BASH_SUBSHELL:-0} == 0 ]]; then
    user_trap=$(\builtin trap -p INT)
    \builtin trap '__awsenv_interrupted=1' INT
  fi
  reply=$(__awsenv_ask "$@") || status=$?
  if [[ $status == 0 && $reply == ': awsenv 1 stash' ]]; then
    reply=$({ __awsenv_print_stash | __awsenv_ask_with_stash "$@" 3<&0 0<&4 4<&-; } 4<&0) || status=$?
  fi
  # Killed at its question for a code, the backend could not turn the echo on again.
  if [[ $status -gt 130 && -t 2 ]]; then
    \command stty echo echoe echok <&2 2>/dev/null || \builtin :
  fi
  if [[ -n $__awsenv_interrupted ]]; then
    status=130
  elif [[ $status == 0 || ($1$status == logout6 && -n $reply) ]]; then # 6: AWS could not be told, but here it is over
    if __awsenv_is_whole; then
      __awsenv_apply "$1"
    else
      status=1
    fi
  fi
  if [[ ${BASH_SUBSHELL:-0} != 0 ]]; then
    \builtin return "$status"
  fi
  if [[ -n $user_trap ]]; then
    \builtin eval "\\builtin $user_trap"
  else
    \builtin trap - INT
  fi
  \builtin return "$status"
}

# Runs in a command substitution, so that what it exports ends with it.
function __awsenv_ask {
  \builtin unset -v AWSENV_PREVIOUS AWSENV_STASHED AWSENV_CHANGED AWSENV_STASH_FD
  \builtin export "AWSENV_SHIM=bash:1" "AWSENV_STORE=$__awsenv_store"
  if [[ $1 == use && -n ${__awsenv_previous-} ]]; then
    \builtin export "AWSENV_PREVIOUS=$__awsenv_previous"
  fi
  if [[ -n ${__awsenv_was+x} ]]; then
    \builtin export "AWSENV_STASHED=1"
  fi
  if [[ -n ${__awsenv_descriptor-} ]]; then
    \builtin export "AWSENV_STASH_FD=$__awsenv_descriptor"
  fi
  \builtin export "AWSENV_CHANGED=$changed"
  \builtin exec "$__awsenv_python" -I -S "$__awsenv_main" "$@"
}

# Only a reply whose last line is ours is complete.
function __awsenv_is_whole {
  case ${reply##*$'\n'} in
  ': awsenv 1 end') \builtin return 0 ;;
  ': awsenv '*' end') \builtin printf '%s\n' "awsenv was updated: start a new shell or run: exec \$SHELL" >&2 ;;
  *) __awsenv_say 'the reply was cut short; nothing changed' ;;
  esac
  \builtin return 1
}

function __awsenv_apply {
  \builtin local before='' after=''
  if [[ -n ${AWSENV_PROFILE-} ]]; then
    before="${AWSENV_OPTIONS:+$AWSENV_OPTIONS }-- $AWSENV_PROFILE"
  fi
  # An identity that was here when the shell started belongs to an outer shell: its keys are not what `off` should bring back.
  if [[ $1 == use && -z ${__awsenv_was+x} && -z $before ]]; then
    __awsenv_stash
  fi
  # Without its last line: `:` may be an alias too.
  \builtin eval "${reply%: awsenv 1 end}"
  # A logout from something else than what this shell lives on leaves it as it is.
  if [[ $1 == off || ($1 == logout && -n $before && -z ${AWSENV_PROFILE-}) ]]; then
    __awsenv_restore
  elif [[ $1 != logout ]]; then
    __awsenv_remember
  fi
  if [[ -n ${AWSENV_PROFILE-} ]]; then
    after="${AWSENV_OPTIONS:+$AWSENV_OPTIONS }-- $AWSENV_PROFILE"
  fi
  if [[ -n $before && $before != "$after" ]]; then
    __awsenv_previous=$before
  fi
  # Whoever has assigned PROMPT_COMMAND since has put our hook out, and the prompt would go on showing who we were.
  if [[ $- == *i* && ${BASH_SUBSHELL:-0} == 0 ]]; then
    __awsenv_install_hook
  fi
  if [[ ${BASH_SUBSHELL:-0} != 0 && -z ${__awsenv_subshell_said-} ]]; then
    __awsenv_subshell_said=1
    __awsenv_say 'this is a subshell or a pipe: only it has changed, not the shell around it'
  fi
}

# `unset` of a readonly name fails, and in a subshell that is all it does.
function __awsenv_are_writable {
  \builtin local name
  if (\builtin unset -v "${__awsenv_managed[@]}" "${__awsenv_own[@]}") 2>/dev/null; then
    \builtin return 0
  fi
  for name in "${__awsenv_managed[@]}" "${__awsenv_own[@]}"; do
    if ! (\builtin unset -v "$name") 2>/dev/null; then
      __awsenv_say "$name is readonly in this shell; nothing changed"
      \builtin return 1
    fi
  done
}

# ---- What was here before -------------------------------------------------------------------------------------------
# __awsenv_was and __awsenv_ours run beside __awsenv_managed. In the first, '' is unset, x… exported, -… set but not
# exported; in the second, '' is unset and =… set. Arrays never reach the environment.

function __awsenv_stash {
  \builtin local name exported i=0
  exported=$'\n'$(\builtin compgen -e)$'\n'
  __awsenv_was=()
  for name in "${__awsenv_managed[@]}"; do
    case $exported in
    *$'\n'"$name"$'\n'*) __awsenv_was[i]=${!name+x}${!name-} ;;
    *) __awsenv_was[i]=${!name+-}${!name-} ;;
    esac
    i=$((i + 1))
  done
}

# What was exported, NAME=VALUE and NUL each, for a backend that asks. A pipe: an argument or a variable could be seen.
function __awsenv_print_stash {
  \builtin local name i=0
  for name in "${__awsenv_managed[@]}"; do
    case ${__awsenv_was[i]} in
    x*) \builtin printf '%s=%s\0' "$name" "${__awsenv_was[i]#x}" ;;
    esac
    i=$((i + 1))
  done
}

# The pipe is descriptor 3, and 0 still the user's: our caller has seen to that.
function __awsenv_ask_with_stash {
  \builtin local __awsenv_descriptor=3
  __awsenv_ask "$@"
}

function __awsenv_remember {
  \builtin local name i=0
  __awsenv_ours=()
  for name in "${__awsenv_managed[@]}"; do
    __awsenv_ours[i]=${!name+=}${!name-}
    i=$((i + 1))
  done
}

# Sets the caller's `changed`: the names that someone else has set or unset since our last eval.
function __awsenv_list_changed {
  \builtin local name i=0
  if [[ -z ${__awsenv_ours+x} ]]; then
    \builtin return 0
  fi
  for name in "${__awsenv_managed[@]}"; do
    if [[ ${__awsenv_ours[i]} != "${!name+=}${!name-}" ]]; then
      changed="$changed${changed:+ }$name"
    fi
    i=$((i + 1))
  done
}

function __awsenv_restore {
  \builtin local name was i=0
  if [[ -n ${__awsenv_was+x} ]]; then
    for name in "${__awsenv_managed[@]}"; do
      was=${__awsenv_was[i]}
      i=$((i + 1))
      case " $changed " in
      *" $name "*) \builtin continue ;;
      esac
      \builtin unset -v "$name"
      case $was in
      x*) \builtin export "$name=${was#x}" ;;
      -*) \builtin eval "$name=\${was#-}" ;;
      esac
    done
  fi
  \builtin unset -v __awsenv_was __awsenv_ours
}

# ---- The prompt segment ---------------------------------------------------------------------------------------------
# PS1='${__awsenv_segment}'$PS1 shows it: it ends in a blank, or is empty. This runs at every prompt, so no process
# starts here, and it is drawn anew only when something that it shows has changed or its time would read differently.

__awsenv_segment='' __awsenv_drawn='' __awsenv_since='' __awsenv_until='' __awsenv_in_tmux=''
__awsenv_clock_zero='' __awsenv_clock_last=''
__awsenv_drawing=(__awsenv_segment __awsenv_drawn __awsenv_since __awsenv_until __awsenv_in_tmux __awsenv_clock_zero __awsenv_clock_last)
\builtin export -n "${__awsenv_drawing[@]}"

function __awsenv_hook {
  \builtin local "status=$?" now # unquoted, under `set -k` it would be no argument
  now="${EPOCHSECONDS-}"
  # Seam: the renewal of credentials that are due will be asked for here, before the segment is drawn.
  case $- in
  *[ax]*) __awsenv_draw_unseen ;;
  *)
    # Not [[ … == … ]]: under nocasematch the profile Prod would be prod.
    if ! \builtin [ "${AWSENV_LABEL-}|${AWSENV_CLASS-}|${AWSENV_FIELDS-}|${AWSENV_EXPIRES_AT-}|${AWSENV_KEY_ID-}|${AWS_ACCESS_KEY_ID-}|${AWS_PROFILE-}|${AWS_REGION-}|${COLUMNS-}|${NO_COLOR-}|${TERM-}" = "$__awsenv_drawn" ]; then
      __awsenv_draw_segment
    elif [[ -n $__awsenv_until ]]; then
      case $now in
      '' | *[!0123456789]*) __awsenv_clock ;;
      esac
      if ((now < __awsenv_since || now >= __awsenv_until)); then
        __awsenv_draw_segment
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
  *x*) { \builtin set +x; __awsenv_draw_segment; \builtin set -x; } 2>/dev/null ;;
  *) __awsenv_draw_segment ;;
  esac
  \builtin export -n "${__awsenv_drawing[@]}"
}

function __awsenv_draw_segment {
  \builtin local text left drift colour plain
  text='' left='' drift='' colour=36 plain=39
  __awsenv_drawn="${AWSENV_LABEL-}|${AWSENV_CLASS-}|${AWSENV_FIELDS-}|${AWSENV_EXPIRES_AT-}|${AWSENV_KEY_ID-}|${AWS_ACCESS_KEY_ID-}|${AWS_PROFILE-}|${AWS_REGION-}|${COLUMNS-}|${NO_COLOR-}|${TERM-}"
  __awsenv_segment=
  __awsenv_until=
  if [[ -n ${AWSENV_LABEL-} && -n ${AWS_ACCESS_KEY_ID-}${AWS_PROFILE-} && ${AWSENV_FIELDS-} != none ]]; then
    case ${AWSENV_CLASS-} in
    prod) colour='37;41' plain='39;49' ;;
    staging) colour=33 ;;
    esac
    __awsenv_look_for_drift
    __awsenv_tell_time
    __awsenv_compose
  fi
  if [[ -n $text ]]; then
    __awsenv_segment="$text "
    if [[ -z ${NO_COLOR-} && ${TERM-} != dumb ]]; then
      colour=$'\033['"${colour}m" plain=$'\033['"${plain}m"
      # For readline, which has to know what takes no room on the line; without it, nobody would take these two out.
      if [[ -o emacs || -o vi ]]; then
        colour=$'\001'$colour$'\002' plain=$'\001'$plain$'\002'
      fi
      __awsenv_segment="$colour$text$plain "
    fi
  fi
  # A process, and so only for those who ask for it, and only when the text is another one.
  if [[ -n ${AWSENV_TMUX-} && -n ${TMUX_PANE-} && $text != "$__awsenv_in_tmux" ]]; then
    __awsenv_in_tmux=$text
    \command tmux set-option -pqt "$TMUX_PANE" @awsenv "$text" </dev/null >/dev/null 2>&1 || \builtin return 0
  fi
}

# The functions from here to __awsenv_compose work on the caller's variables: a $( ) would be a process.

# Sets `drift` when what AWS's tools read is not what we set.
function __awsenv_look_for_drift {
  \builtin local identity
  identity="${AWS_ACCESS_KEY_ID-}"
  if [[ -n ${AWS_PROFILE-} ]]; then
    # Keys beside a profile: one SDK takes the first, another the second, so neither is what we set.
    identity="${identity:+both:}profile:$AWS_PROFILE"
  fi
  if \builtin [ "$identity" = "${AWSENV_KEY_ID-}" ]; then
    \builtin return 0
  fi
  case ${LC_ALL:-${LC_CTYPE:-${LANG-}}} in
  *[Uu][Tt][Ff]-8* | *[Uu][Tt][Ff]8*) drift=≠ ;;
  *) drift='!=' ;;
  esac
  __awsenv_alarm 31
}

# Another colour, but not over that of prod.
function __awsenv_alarm {
  if [[ $colour != '37;41' ]]; then
    colour=$1
  fi
}

# Sets `left`, and until when it will read like that.
function __awsenv_tell_time {
  if [[ -n $drift ]]; then
    \builtin return 0
  fi
  # Digits only before any arithmetic: bash would run a command named in an array subscript.
  case ${AWSENV_EXPIRES_AT-} in
  '' | *[!0123456789]* | ????????????*) \builtin return 0 ;;
  esac
  case $now in
  '' | *[!0123456789]*) __awsenv_clock ;;
  esac
  if [[ -z $now ]]; then
    \builtin return 0
  fi
  left=$((10#$AWSENV_EXPIRES_AT - now))
  __awsenv_since=$now
  __awsenv_until=$((now + left % 60 + 1))
  if [[ $left -le 0 ]]; then
    left=expired!
    __awsenv_until=999999999999 # or until the clock is set back
    __awsenv_alarm 31
    \builtin return 0
  fi
  if [[ $left -lt 600 ]]; then
    __awsenv_alarm 33
  fi
  if [[ $left -lt 60 ]]; then
    __awsenv_until=$((now + 1))
    left=${left}s
  elif [[ $left -lt 3600 ]]; then
    left=$((left / 60))m
  else
    \builtin printf -v left '%dh%02dm' "$((left / 3600))" "$((left % 3600 / 60))"
  fi
}

# Sets `text`. What it is made of came through the environment: it may be anything. Letter by letter, because in some
# locales A-Z holds more.
function __awsenv_compose {
  \builtin local class label region fields room
  class='' label=$AWSENV_LABEL region=${AWS_REGION-} fields=${AWSENV_FIELDS:-class label region left}
  label=${label:0:64}
  label=${label//[^ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@:\/+=, -]/?}
  region=${region:0:32}
  region=${region//[^ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-]/?}
  if [[ $colour == '37;41' ]]; then
    class=prod # in words, too: not everyone sees colours
  fi

  # A narrow terminal: no region, and of the label so much that about half of the line stays free.
  case ${COLUMNS-} in
  [1-9] | [123][0-9])
    region=
    room=$((COLUMNS / 2 - ${#class} - ${#left} - 4))
    if [[ $room -lt 4 ]]; then
      room=4
    fi
    if [[ ${#label} -gt $((room + 2)) ]]; then
      label=${label:0:room-room/2}..${label:${#label}-room/2}
    fi
    ;;
  esac

  # Each field once, however often the list has it.
  fields="${fields:0:64} "
  while [[ -n $fields ]]; do
    room=${fields%% *}
    fields=${fields#* }
    case $room in
    class) room=$class class='' ;;
    label) room=$label label='' ;;
    region) room=$region region='' ;;
    left) room=$left left='' ;;
    *) room='' ;;
    esac
    text="$text${room:+${text:+ }$room}"
  done
  text="$text${drift:+${text:+ }$drift}"
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

# From 5.1 PROMPT_COMMAND may be an array: first in it, so that prompts which are computed by a later hook see this
# one's work. Before, bash runs element 0 only: a new line of that, because it may end in `;`, `&` or a comment.
function __awsenv_install_hook {
  \builtin local hook
  if ! (\builtin unset -v PROMPT_COMMAND) 2>/dev/null; then
    \builtin return 0 # readonly: their prompt, their rule
  fi
  # The other two are where starship and VS Code keep what they have taken the place of, to run it themselves.
  # shellcheck disable=SC2154 # VS Code assigns it, if anyone does
  for hook in ${PROMPT_COMMAND[@]+"${PROMPT_COMMAND[@]}"} "${STARSHIP_PROMPT_COMMAND-}" \
    ${__vsc_original_prompt_command[@]+"${__vsc_original_prompt_command[@]}"}; do
    case $hook in
    *__awsenv_hook*) \builtin return 0 ;;
    esac
  done
  if [[ $__awsenv_bash -ge 501 ]]; then
    PROMPT_COMMAND=(__awsenv_hook ${PROMPT_COMMAND[@]+"${PROMPT_COMMAND[@]}"})
  else
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
