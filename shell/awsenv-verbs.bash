# shellcheck shell=bash
# awsenv for bash, the second part: what a shell needs only once its identity changes. awsenv.bash reads this file at that
# time, with tracing and `set -a` off.
# The two belong together: __awsenv_verbs at the end is the number of the protocol, which changes when their terms do.

# shellcheck disable=SC2154 # what is used here and assigned in awsenv.bash

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

function __awsenv_ask_and_apply {
  \builtin local reply='' changed='' left='' user_trap='' status=0
  __awsenv_interrupted=
  __awsenv_are_writable || \builtin return
  case $1 in
  off | logout) __awsenv_list_changed ;;
  here)
    __awsenv_list_changed
    __awsenv_look_back
    ;;
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
  elif [[ $status == 0 && $reply == ': awsenv 1 wait '* ]]; then
    __awsenv_heed
  elif [[ $status == 0 && $reply == ': awsenv 1 stay'* ]]; then
    __awsenv_stay
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
  \builtin unset -v AWSENV_PREVIOUS AWSENV_STASHED AWSENV_CHANGED AWSENV_STASH_FD AWSENV_LEFT AWSENV_NAMED
  \builtin export "AWSENV_SHIM=bash:1" "AWSENV_STORE=$__awsenv_store"
  if [[ $1 == use && -n ${__awsenv_previous-} ]]; then
    \builtin export "AWSENV_PREVIOUS=$__awsenv_previous"
  elif [[ $1 == region && -n ${__awsenv_previous_region-} ]]; then
    \builtin export "AWSENV_PREVIOUS=$__awsenv_previous_region"
  elif [[ $1 == here ]]; then
    \builtin export "AWSENV_LEFT=$left" "AWSENV_NAMED=${__awsenv_named-}"
  fi
  if [[ -n ${__awsenv_was+x} ]]; then
    \builtin export "AWSENV_STASHED=1"
  fi
  if [[ -n ${__awsenv_descriptor-} ]]; then
    \builtin export "AWSENV_STASH_FD=$__awsenv_descriptor"
  fi
  if [[ -n ${__awsenv_unasked-} ]]; then
    \builtin export "AWSENV_HOOK=${__awsenv_told:-1}"
  fi
  \builtin export "AWSENV_CHANGED=$changed"
  \builtin exec "$__awsenv_python" -I -S "$__awsenv_main" "$@"
}

# Only a reply whose last line is ours is complete.
function __awsenv_is_whole {
  case ${reply##*$'\n'} in
  ': awsenv 1 end') \builtin return 0 ;;
  ': awsenv '*' end')
    [[ -n ${__awsenv_unasked-} ]] || \builtin printf '%s\n' "awsenv was updated: start a new shell or run: exec \$SHELL" >&2
    ;;
  *) __awsenv_say 'the reply was cut short; nothing changed' ;;
  esac
  \builtin return 1
}

function __awsenv_apply {
  \builtin local before='' after='' region="${AWS_REGION:-${AWS_DEFAULT_REGION-}}"
  if [[ -n ${AWSENV_PROFILE-} ]]; then
    before="${AWSENV_OPTIONS:+$AWSENV_OPTIONS }-- $AWSENV_PROFILE"
  fi
  # An identity that was here when the shell started belongs to an outer shell: its keys are not what `off` should bring back.
  if [[ ($1 == use || $1 == region || $1 == here) && -z ${__awsenv_was+x} && -z $before ]]; then
    __awsenv_stash
  fi
  # Without its last line: `:` may be an alias too.
  \builtin eval "${reply%: awsenv 1 end}"
  __awsenv_next=0 __awsenv_due=0 __awsenv_needs='' __awsenv_told=''
  # A logout from something else than what this shell lives on leaves it as it is.
  if [[ $1 == off || (($1 == logout || $1 == here) && -n $before && -z ${AWSENV_PROFILE-}) ]]; then
    __awsenv_restore
  elif [[ $1 != logout ]]; then
    __awsenv_remember
  fi
  if [[ -n ${AWSENV_PROFILE-} ]]; then
    after="${AWSENV_OPTIONS:+$AWSENV_OPTIONS }-- $AWSENV_PROFILE"
  fi
  if [[ $1 == region ]]; then
    __awsenv_previous_region=$region
  elif [[ $before != "$after" ]]; then
    __awsenv_previous_region= # of an identity that is another one now
    __awsenv_previous=${before:-${__awsenv_previous-}}
  fi
  case $1 in
  here | region) __awsenv_settle_in "$1" ;;
  esac
  # Whoever has assigned PROMPT_COMMAND since has put our hook out, and the prompt would go on showing who we were.
  if [[ $- == *i* && ${BASH_SUBSHELL:-0} == 0 ]]; then
    __awsenv_install_hook
  fi
  if [[ ${BASH_SUBSHELL:-0} != 0 && -z ${__awsenv_subshell_said-} ]]; then
    __awsenv_subshell_said=1
    __awsenv_say 'this is a subshell or a pipe: only it has changed, not the shell around it'
  fi
}

# ---- Places ---------------------------------------------------------------------------------------------------------
# A shell that has become what a folder is for lives on that: __awsenv_lives_on says who that is, and __awsenv_before who
# it was, both as `OPTIONS -- PROFILE`. Whoever it has been made by hand since stays.

# Sets the caller's `left`: an x and who we were, for a shell that still is what its folder has made it.
function __awsenv_look_back {
  \builtin local identity
  identity="${AWSENV_OPTIONS:+$AWSENV_OPTIONS }-- ${AWSENV_PROFILE-}"
  if \builtin [ "$identity" = "${__awsenv_lives_on-}" ]; then
    left="x${__awsenv_before-}"
  else
    __awsenv_lives_on=
  fi
}

# Works on the caller's `reply`: nothing changes, but a person may have been told of something, and once is enough.
function __awsenv_stay {
  \builtin local number
  number=${reply#': awsenv 1 stay'}
  number=${number# }
  case $number in
  '' | *[!0123456789]* | ????????????*) \builtin return 0 ;;
  esac
  case " ${__awsenv_named-} " in
  *" $number "*) ;;
  *) __awsenv_named="${__awsenv_named:+${__awsenv_named:0:2000} }$number" ;;
  esac
}

# $1 is the verb. Works on the `before` and `after` of its caller.
function __awsenv_settle_in {
  if [[ $1 == region ]]; then
    if \builtin [ "$before" = "${__awsenv_lives_on-}" ]; then
      __awsenv_lives_on=$after
    fi
    \builtin return 0
  fi
  if [[ -z ${__awsenv_lives_on-} ]] || ! \builtin [ "$before" = "$__awsenv_lives_on" ]; then
    __awsenv_before=$before
  fi
  __awsenv_lives_on=$after
  if \builtin [ "$after" = "${__awsenv_before-}" ]; then
    __awsenv_lives_on=
  elif [[ -z $after ]]; then
    __awsenv_previous=$__awsenv_before # which the store had no more: `use -` leads there
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

# Works on the caller's `reply` and `now`: when to ask again, and what a person has to do first.
function __awsenv_heed {
  \builtin local seconds needs
  seconds=${reply##*' wait '}
  needs=${seconds#* }
  seconds=${seconds%% *}
  case $seconds in
  '' | *[!0123456789]* | ????*) \builtin return 0 ;;
  esac
  __awsenv_next=$((now + 10#$seconds))
  case $needs in
  login | mfa | refresh) __awsenv_needs=$needs __awsenv_told=$needs ;;
  failed) __awsenv_told=$needs ;;
  esac
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

# ---- What the prompt shows ------------------------------------------------------------------------------------------
# The others work on the variables of the first, or of __awsenv_renew_now.

function __awsenv_draw_text {
  \builtin local text left drift colour plain tab
  text='' left='' drift='' colour=36 plain='39;49' tab=''
  if [[ (-n ${AWSENV_LABEL-} || ${AWSENV_FOREIGN-} == on) && -n ${AWS_ACCESS_KEY_ID-}${AWS_PROFILE-} && ${AWSENV_FIELDS-} != none ]]; then
    case ${AWSENV_CLASS-} in
    prod) colour='37;41' ;;
    staging) colour=33 ;;
    esac
    __awsenv_look_for_drift
    __awsenv_tell_time
    __awsenv_compose
    case "$drift  ${AWSENV_FIELDS-} " in
    ' '*' tab ') tab=${AWSENV_CLASS-} ;;
    esac
  fi
  if [[ $tab != "$__awsenv_in_tab" ]]; then
    __awsenv_mark_tab
  fi
  # A prompt that is a process of its own sees what is exported; it is for those who export it.
  if [[ -n ${AWSENV_SEGMENT+x} ]]; then
    AWSENV_SEGMENT=$text
    if [[ -n ${AWSENV_ALARM+x} ]]; then
      AWSENV_ALARM=
      case $colour in
      31 | '37;41') AWSENV_ALARM=$text AWSENV_SEGMENT= ;;
      esac
    fi
  fi
  if [[ -n $text ]]; then
    __awsenv_segment="$text "
    if [[ $colour != '37;41' ]]; then
      plain=39
    fi
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
  colour=31 # whatever class ours is of: these are not ours
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
  if [[ -n $__awsenv_needs ]]; then
    __awsenv_alarm 31
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
  class='' label=${AWSENV_LABEL-} region=${AWS_REGION-} fields=${AWSENV_FIELDS:-class label region left}
  label=${label:0:64}
  if [[ -n $drift ]]; then
    # What AWS's tools would use instead, marked as foreign. Of a key's id, what tells it from another one.
    room=${AWS_ACCESS_KEY_ID-}
    if [[ ${#room} -gt 8 ]]; then
      room=${room:0:4}..${room:${#room}-4}
    fi
    label=${AWS_PROFILE-}
    label=${label:0:48}
    label=$label${room:+${label:+ }$room}
  fi
  label=${label//[^ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@:\/+=, -]/?}
  label=${drift:+$drift }$label
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
  # Whatever fields are wanted: who it is that isn't ours, and what has to be typed before ours can be renewed.
  if [[ -n $drift ]]; then
    text="$text${label:+${text:+ }$label}"
  else
    text="$text${__awsenv_needs:+${text:+ }$__awsenv_needs!}"
  fi
}

# For `[prompt] tab` in the settings: prod in the tab, by its colour or its title, and what was there before afterwards.
function __awsenv_mark_tab {
  case "${TERM-}:${TERM_PROGRAM-}:${LC_TERMINAL-}:$__awsenv_in_tab>$tab" in
  dumb:* | linux:* | :*) ;;
  *:iTerm*'>prod') \builtin printf '\033]6;1;bg;%s\007' 'red;brightness;200' 'green;brightness;30' 'blue;brightness;30' >&2 ;;
  *:iTerm*':prod>'*) \builtin printf '\033]6;1;bg;*;default\007' >&2 ;;
  *'>prod') \builtin printf '\033[22;2t\033]2;prod\007' >&2 ;;
  *':prod>'*) \builtin printf '\033[23;2t' >&2 ;;
  esac
  __awsenv_in_tab=$tab
}

# What is due. Works on the `now` of its caller, __awsenv_renew.
function __awsenv_renew_now {
  \builtin local drift colour waiting
  drift='' colour=36 waiting=''
  __awsenv_look_for_drift
  if [[ -n $drift || ${AWSENV_REFRESH-} == off || -z ${AWSENV_PROFILE-} ]] || ! __awsenv_is_found; then
    \builtin return 0
  fi
  case ${AWSENV_EXPIRES_AT-} in
  '' | *[!0123456789]* | ????????????*) ;;
  *)
    if [[ ${1-} == command && $now -ge $((10#$AWSENV_EXPIRES_AT)) ]]; then
      waiting=1
    fi
    ;;
  esac
  if __awsenv_change refresh --hook ${waiting:+--wait} </dev/null; then
    __awsenv_settle 0
  else
    __awsenv_settle 0
  fi
  __awsenv_drawn= # whatever came of it
}

__awsenv_verbs=1
