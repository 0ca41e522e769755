# awsenv for zsh, the second part: what a shell needs only once its identity changes. awsenv.zsh reads this file at that
# time, from within a function, with zsh's own options and no aliases.
# The two belong together: __awsenv_verbs at the end is the number of the protocol, which changes when their terms do.

# What `use` sets or unsets and `off` puts back, and what awsenv exports for itself: awsenv/variables.py has the same two lists.
\builtin typeset -ga '__awsenv_managed' '__awsenv_own'
__awsenv_managed=(
  'AWS_ACCESS_KEY_ID' 'AWS_SECRET_ACCESS_KEY' 'AWS_SESSION_TOKEN' 'AWS_SECURITY_TOKEN'
  'AWS_CREDENTIAL_EXPIRATION' 'AWS_SESSION_EXPIRATION' 'AWS_CREDENTIALS_EXPIRATION'
  'AWS_PROFILE' 'AWS_DEFAULT_PROFILE' 'AWS_REGION' 'AWS_DEFAULT_REGION' 'AWS_ACCOUNT_ID'
  'AWS_WEB_IDENTITY_TOKEN_FILE' 'AWS_ROLE_ARN' 'AWS_ROLE_SESSION_NAME' 'AWS_CREDENTIAL_FILE'
  'AWS_EB_PROFILE' 'AWS_PROFILE_REGION' 'AWS_VAULT'
  'AWSUME_PROFILE' 'AWSUME_EXPIRATION' 'AWSUME_COMMAND' 'AWSU_PROFILE'
  'AWS_SSO_PROFILE' 'AWS_SSO_ACCOUNT_ID' 'AWS_SSO_ROLE_NAME' 'AWS_SSO_ROLE_ARN'
  'AWS_SSO_SESSION_EXPIRATION' 'AWS_SSO_DEFAULT_REGION' 'AWS_SSO'
  'GRANTED_SSO' 'GRANTED_SSO_START_URL' 'GRANTED_SSO_ROLE_NAME' 'GRANTED_SSO_REGION' 'GRANTED_SSO_ACCOUNT_ID'
)
__awsenv_own=(
  'AWSENV_PROFILE' 'AWSENV_OPTIONS' 'AWSENV_ACCOUNT_ID' 'AWSENV_ROLE' 'AWSENV_LABEL' 'AWSENV_CLASS' 'AWSENV_FIELDS'
  'AWSENV_EXPIRES_AT' 'AWSENV_REFRESH_AT' 'AWSENV_KEY_ID' 'AWSENV_REGION_BEFORE'
)

# Secrets pass through the next four functions: each turns tracing off for itself too, since `functions -t` can turn it
# on for one. Ctrl-C in the backend ends this function where it stands, and zsh puts the options back.
function __awsenv_ask_and_apply {
  \builtin emulate -L 'zsh' -o 'no_xtrace' -o 'no_aliases'
  \builtin local 'name' 'answer=' 'changed=' 'left=' 'code=0'
  for name in "${__awsenv_managed[@]}" "${__awsenv_own[@]}"; do
    if [[ "${(Pt)name}" == *'readonly'* ]]; then
      __awsenv_say "$name is readonly in this shell; nothing changed"
      \builtin return 1
    fi
  done
  case "$1" in
    'off'|'logout') __awsenv_list_changed ;;
    'here')
      __awsenv_list_changed
      __awsenv_look_back
      ;;
  esac

  answer="$(__awsenv_ask "$@")" || {
    __awsenv_echo_again "$?"
    code=$?
    # 6: AWS could not be told of the logout, but here it is over.
    [[ "$1$code" == 'logout6' && -n "$answer" ]] || \builtin return "$code"
  }
  if [[ "$answer" == ': awsenv 1 stash' ]]; then
    answer="$({ __awsenv_print_stash | __awsenv_ask_with_stash "$@"; } 4<&0)" || __awsenv_echo_again "$?" || \builtin return
  fi

  # Only a reply whose last line is ours is complete.
  case "${answer##*$'\n'}" in
    ': awsenv 1 wait '*) __awsenv_heed ;;
    ': awsenv 1 stay'*) __awsenv_stay ;;
    ': awsenv 1 end')
      __awsenv_apply "$1"
      \builtin return "$code"
      ;;
    ': awsenv '*' end')
      [[ -n "${__awsenv_unasked-}" ]] || \builtin print -r -u 2 -- 'awsenv was updated: start a new shell or run: exec $SHELL'
      \builtin return 1
      ;;
    *)
      __awsenv_say 'the reply was cut short; nothing changed'
      \builtin return 1
      ;;
  esac
}

# Runs in a command substitution, so that what it exports ends with it.
function __awsenv_ask {
  \builtin unset 'AWSENV_PREVIOUS' 'AWSENV_STASHED' 'AWSENV_CHANGED' 'AWSENV_STASH_FD' 'AWSENV_LEFT' 'AWSENV_NAMED'
  \builtin export 'AWSENV_SHIM=zsh:1' "AWSENV_STORE=$__awsenv_store"
  if [[ "$1" == 'use' && -n "${__awsenv_previous-}" ]]; then
    \builtin export "AWSENV_PREVIOUS=$__awsenv_previous"
  elif [[ "$1" == 'region' && -n "${__awsenv_previous_region-}" ]]; then
    \builtin export "AWSENV_PREVIOUS=$__awsenv_previous_region"
  elif [[ "$1" == 'here' ]]; then
    \builtin export "AWSENV_LEFT=$left" "AWSENV_NAMED=$__awsenv_named"
  fi
  if (( ${+__awsenv_was} )); then
    \builtin export 'AWSENV_STASHED=1'
  fi
  if [[ -n "${__awsenv_descriptor-}" ]]; then
    \builtin export "AWSENV_STASH_FD=$__awsenv_descriptor"
  fi
  if [[ -n "${__awsenv_unasked-}" ]]; then
    \builtin export "AWSENV_HOOK=${__awsenv_told:-1}"
  fi
  \builtin export "AWSENV_CHANGED=$changed"
  \builtin exec "$__awsenv_python" '-I' '-S' "$__awsenv_main" "$@"
}

# Killed at its question for a code, the backend could not turn the echo on again. Gives back the status that it is given.
function __awsenv_echo_again {
  if (( $1 > 130 )) && [[ -t 2 ]]; then
    \command 'stty' 'echo' 'echoe' 'echok' <&2 2>'/dev/null'
  fi
  \builtin return "$1"
}

# Takes the caller's `answer` and `changed`: arguments would show in $@ and in traces.
function __awsenv_apply {
  \builtin emulate -L 'zsh' -o 'no_xtrace' -o 'no_aliases'
  # With local traps, which -L brings, the user's own trap is back when this function ends.
  \builtin trap '' 'INT'
  \builtin local 'before=' 'after=' "region=${AWS_REGION:-${AWS_DEFAULT_REGION-}}"
  if [[ -n "${AWSENV_PROFILE-}" ]]; then
    before="${AWSENV_OPTIONS:+$AWSENV_OPTIONS }-- $AWSENV_PROFILE"
  fi
  # An identity that was here when the shell started belongs to an outer shell: its keys are not what `off` should bring back.
  if [[ ( "$1" == 'use' || "$1" == 'region' || "$1" == 'here' ) && -z "$before" ]] && (( ! ${+__awsenv_was} )); then
    __awsenv_stash
  fi
  \builtin eval "$answer"
  __awsenv_next=0 __awsenv_due=0 __awsenv_needs='' __awsenv_told=''
  # A logout from something else than what this shell lives on leaves it as it is.
  if [[ "$1" == 'off' ]] || [[ ( "$1" == 'logout' || "$1" == 'here' ) && -n "$before" && -z "${AWSENV_PROFILE-}" ]]; then
    __awsenv_restore
  elif [[ "$1" != 'logout' ]]; then
    __awsenv_remember
  fi
  if [[ -n "${AWSENV_PROFILE-}" ]]; then
    after="${AWSENV_OPTIONS:+$AWSENV_OPTIONS }-- $AWSENV_PROFILE"
  fi
  if [[ "$1" == 'region' ]]; then
    \builtin typeset -g +x "__awsenv_previous_region=$region"
  elif [[ "$before" != "$after" ]]; then
    # The region before this one was that of an identity that is another one now.
    \builtin typeset -g +x '__awsenv_previous_region=' "__awsenv_previous=${before:-${__awsenv_previous-}}"
  fi
  case "$1" in
    'here'|'region') __awsenv_settle_in "$1" ;;
  esac
  # Whoever has assigned precmd_functions since has put our hook out, and the prompt would go on showing who we were.
  if [[ -o 'interactive' ]]; then
    __awsenv_install_hook
  fi
  if (( ZSH_SUBSHELL && ! ${+__awsenv_subshell_said} )); then
    \builtin typeset -g +x '__awsenv_subshell_said=1'
    __awsenv_say 'this is a subshell or a pipe: only it has changed, not the shell around it'
  fi
  \builtin return 0
}

# Works on the caller's `answer`: when to ask again, and what a person has to do first.
function __awsenv_heed {
  \builtin local 'seconds=' 'needs='
  seconds="${answer##*' wait '}"
  needs="${seconds#* }"
  seconds="${seconds%% *}"
  case "$seconds" in
    ''|*[!0-9]*|????*) \builtin return 0 ;;
  esac
  __awsenv_next=$(( now + seconds ))
  case "$needs" in
    'login'|'mfa'|'refresh') __awsenv_needs="$needs" __awsenv_told="$needs" ;;
    'failed') __awsenv_told="$needs" ;;
  esac
  \builtin return 0
}

# ---- Places ---------------------------------------------------------------------------------------------------------
# A shell that has become what a folder is for lives on that: __awsenv_lives_on says who that is, and __awsenv_before who
# it was, both as `OPTIONS -- PROFILE`. Whoever it has been made by hand since stays.

# Sets the caller's `left`: an x and who we were, for a shell that still is what its folder has made it.
function __awsenv_look_back {
  if [[ "${AWSENV_OPTIONS:+$AWSENV_OPTIONS }-- ${AWSENV_PROFILE-}" == "$__awsenv_lives_on" ]]; then
    left="x$__awsenv_before"
  else
    __awsenv_lives_on=''
  fi
}

# Works on the caller's `answer`: nothing changes, but a person may have been told of something, and once is enough.
function __awsenv_stay {
  \builtin local 'number='
  number="${answer#': awsenv 1 stay'}"
  number="${number# }"
  case "$number" in
    ''|*[!0-9]*|????????????*) \builtin return 0 ;;
  esac
  if [[ " $__awsenv_named " != *" $number "* ]]; then
    __awsenv_named="${__awsenv_named:+${__awsenv_named[1,2000]} }$number"
  fi
}

# $1 is the verb. Works on the `before` and `after` of its caller.
function __awsenv_settle_in {
  if [[ "$1" == 'region' ]]; then
    if [[ "$before" == "$__awsenv_lives_on" ]]; then
      __awsenv_lives_on="$after"
    fi
    \builtin return 0
  fi
  if [[ -z "$__awsenv_lives_on" || "$before" != "$__awsenv_lives_on" ]]; then
    __awsenv_before="$before"
  fi
  __awsenv_lives_on="$after"
  if [[ "$after" == "$__awsenv_before" ]]; then
    __awsenv_lives_on=''
  elif [[ -z "$after" ]]; then
    __awsenv_previous="$__awsenv_before" # which the store had no more: `use -` leads there
  fi
}

# ---- What was here before -------------------------------------------------------------------------------------------
# Two associations, name to state. In __awsenv_was '' is unset, x… exported, -… set but not exported; in __awsenv_ours
# '' is unset and =… set. Arrays never reach the environment.

function __awsenv_stash {
  \builtin emulate -L 'zsh' -o 'no_xtrace'
  \builtin local 'name'
  \builtin typeset -gA '__awsenv_was'
  for name in "${__awsenv_managed[@]}"; do
    case "${(Pt)name}" in
      '') __awsenv_was[$name]='' ;;
      *'-export'*) __awsenv_was[$name]="x${(P)name}" ;;
      *) __awsenv_was[$name]="-${(P)name}" ;;
    esac
  done
}

# What was exported, NAME=VALUE and NUL each, for a backend that asks. A pipe: an argument or a variable could be seen.
function __awsenv_print_stash {
  \builtin emulate -L 'zsh' -o 'no_xtrace'
  \builtin local 'name'
  for name in "${__awsenv_managed[@]}"; do
    case "${__awsenv_was[$name]}" in
      'x'*) \builtin printf '%s=%s\0' "$name" "${__awsenv_was[$name]#x}" ;;
    esac
  done
}

# Reads the pipe as descriptor 3; 0 is the user's again, which our caller keeps as 4.
function __awsenv_ask_with_stash {
  \builtin local '__awsenv_descriptor=3'
  \builtin exec 3<&0 0<&4 4<&-
  __awsenv_ask "$@"
}

function __awsenv_remember {
  \builtin emulate -L 'zsh' -o 'no_xtrace'
  \builtin local 'name'
  \builtin typeset -gA '__awsenv_ours'
  for name in "${__awsenv_managed[@]}"; do
    __awsenv_ours[$name]="${(P)name+=}${(P)name-}"
  done
}

# Sets the caller's `changed`: the names that someone else has set or unset since our last eval.
function __awsenv_list_changed {
  \builtin emulate -L 'zsh' -o 'no_xtrace'
  \builtin local 'name'
  if (( ! ${+__awsenv_ours} )); then
    \builtin return 0
  fi
  for name in "${__awsenv_managed[@]}"; do
    if [[ "${__awsenv_ours[$name]}" != "${(P)name+=}${(P)name-}" ]]; then
      changed+="${changed:+ }$name"
    fi
  done
}

function __awsenv_restore {
  \builtin emulate -L 'zsh' -o 'no_xtrace'
  \builtin local 'name' 'was'
  if (( ${+__awsenv_was} )); then
    for name in "${__awsenv_managed[@]}"; do
      if [[ " $changed " == *" $name "* ]]; then
        \builtin continue
      fi
      was="${__awsenv_was[$name]}"
      \builtin unset "$name"
      case "$was" in
        'x'*) \builtin typeset -gx "$name=${was#x}" ;;
        '-'*) \builtin typeset -g +x "$name=${was#-}" ;;
      esac
    done
  fi
  \builtin unset '__awsenv_was' '__awsenv_ours'
}

# ---- What the prompt shows ------------------------------------------------------------------------------------------
# The others work on the variables of the first, or of __awsenv_renew_now.

function __awsenv_draw_text {
  \builtin local 'text=' 'left=' 'drift=' 'colour=8' 'tab='
  if [[ -n "${AWSENV_LABEL-}" || "${AWSENV_FOREIGN-}" == 'on' ]] && [[ -n "${AWS_ACCESS_KEY_ID-}${AWS_PROFILE-}" && "${AWSENV_FIELDS-}" != 'none' ]]; then
    case "${AWSENV_CLASS-}" in
      'prod') colour=5 ;;
      'staging') colour=7 ;;
    esac
    __awsenv_look_for_drift
    __awsenv_tell_time
    __awsenv_compose
    if [[ "$drift  ${AWSENV_FIELDS-} " == ' '*' tab ' ]]; then
      tab="${AWSENV_CLASS-}"
    fi
  fi
  if [[ "$tab" != "$__awsenv_in_tab" ]]; then
    __awsenv_mark_tab
  fi
  # A prompt that is a process of its own sees what is exported; it is for those who export it.
  if (( ${+AWSENV_SEGMENT} )); then
    AWSENV_SEGMENT="$text"
    if (( ${+AWSENV_ALARM} )); then
      AWSENV_ALARM=
      if (( colour < 7 )); then
        AWSENV_ALARM="$text"
        AWSENV_SEGMENT=
      fi
    fi
  fi
  psvar[5,9]=('' '' '' '' "$text")
  if [[ -z "${NO_COLOR-}" && "${TERM-}" != 'dumb' ]]; then
    psvar[colour]="$text"
  fi
  # A process, and so only for those who ask for it, and only when the text is another one.
  if [[ -n "${AWSENV_TMUX-}" && -n "${TMUX_PANE-}" && "$text" != "$__awsenv_in_tmux" ]]; then
    __awsenv_in_tmux="$text"
    \command 'tmux' 'set-option' '-pqt' "$TMUX_PANE" '@awsenv' "$text" <'/dev/null' >'/dev/null' 2>&1
  fi
}

# Sets `drift` when what AWS's tools read is not what we set.
function __awsenv_look_for_drift {
  \builtin local "identity=${AWS_ACCESS_KEY_ID-}"
  if [[ -n "${AWS_PROFILE-}" ]]; then
    # Keys beside a profile: one SDK takes the first, another the second, so neither is what we set.
    identity="${identity:+both:}profile:$AWS_PROFILE"
  fi
  if [[ "$identity" == "${AWSENV_KEY_ID-}" ]]; then
    \builtin return 0
  fi
  case "${LC_ALL:-${LC_CTYPE:-${LANG-}}}" in
    *[Uu][Tt][Ff]'-8'*|*[Uu][Tt][Ff]'8'*) drift='≠' ;;
    *) drift='!=' ;;
  esac
  colour=6 # whatever class ours is of: these are not ours
}

# Another colour, but not over that of prod.
function __awsenv_alarm {
  if (( colour != 5 )); then
    colour="$1"
  fi
}

# Sets `left`, and until when it will read like that.
function __awsenv_tell_time {
  if [[ -n "$drift" ]]; then
    \builtin return 0
  fi
  # Digits only before any arithmetic, which would evaluate a name or a subscript.
  case "${AWSENV_EXPIRES_AT-}" in
    ''|*[!0-9]*|????????????*) \builtin return 0 ;;
  esac
  if [[ -n "$__awsenv_needs" ]]; then
    __awsenv_alarm 6
  fi
  left=$(( 10#$AWSENV_EXPIRES_AT - now ))
  __awsenv_since="$now"
  if (( left <= 0 )); then
    left='expired!'
    __awsenv_alarm 6
    \builtin return 0 # until the clock is set back
  fi
  if (( left < 600 )); then
    __awsenv_alarm 7
  fi
  if (( left < 60 )); then
    __awsenv_until=$(( now + 1 ))
    left="${left}s"
    \builtin return 0
  fi
  __awsenv_until=$(( now + left % 60 + 1 ))
  if (( left < 3600 )); then
    left="$(( left / 60 ))m"
  else
    \builtin printf -v left '%dh%02dm' $(( left / 3600 )) $(( left % 3600 / 60 ))
  fi
}

# Sets `text`. What it is made of came through the environment: it may be anything.
function __awsenv_compose {
  \builtin local 'class=' "label=${${AWSENV_LABEL-}[1,64]}" "region=${${AWS_REGION-}[1,32]}" 'field=' 'room='
  if [[ -n "$drift" ]]; then
    # What AWS's tools would use instead, marked as foreign. Of a key's id, what tells it from another one.
    field="${AWS_ACCESS_KEY_ID-}"
    if (( ${#field} > 8 )); then
      field="${field[1,4]}..${field[-4,-1]}"
    fi
    label="${${AWS_PROFILE-}[1,48]}"
    label+="${field:+${label:+ }$field}"
  fi
  label="${label//[^A-Za-z0-9_.@:\/+=, -]/?}"
  label="${drift:+$drift }$label"
  region="${region//[^A-Za-z0-9-]/?}"
  if (( colour == 5 )); then
    class='prod' # in words, too: not everyone sees colours
  fi

  # A narrow terminal: no region, and of the label so much that about half of the line stays free.
  case "${COLUMNS-}" in
    [1-9]|[123][0-9])
      region=''
      room=$(( COLUMNS / 2 - ${#class} - ${#left} - 4 ))
      if (( room < 4 )); then
        room=4
      fi
      if (( ${#label} > room + 2 )); then
        label="${label[1,room - room / 2]}..${label[-(room / 2),-1]}"
      fi
      ;;
  esac

  # Each field once, however often the list has it.
  for field in ${(s: :)${AWSENV_FIELDS:-class label region left}[1,64]}; do
    case "$field" in
      'class') field="$class" class='' ;;
      'label') field="$label" label='' ;;
      'region') field="$region" region='' ;;
      'left') field="$left" left='' ;;
      *) field='' ;;
    esac
    text+="${field:+${text:+ }$field}"
  done
  # Whatever fields are wanted: who it is that isn't ours, and what has to be typed before ours can be renewed.
  if [[ -n "$drift" ]]; then
    text+="${label:+${text:+ }$label}"
  else
    text+="${__awsenv_needs:+${text:+ }$__awsenv_needs!}"
  fi
}

# For `[prompt] tab` in the settings: prod in the tab, by its colour or its title, and what was there before afterwards.
function __awsenv_mark_tab {
  case "${TERM-}:${TERM_PROGRAM-}:${LC_TERMINAL-}:$__awsenv_in_tab>$tab" in
    'dumb:'*|'linux:'*|':'*) ;;
    *':iTerm'*'>prod') \builtin printf '\033]6;1;bg;%s\007' 'red;brightness;200' 'green;brightness;30' 'blue;brightness;30' >&2 ;;
    *':iTerm'*':prod>'*) \builtin printf '\033]6;1;bg;*;default\007' >&2 ;;
    *'>prod') \builtin printf '\033[22;2t\033]2;prod\007' >&2 ;;
    *':prod>'*) \builtin printf '\033[23;2t' >&2 ;;
  esac
  __awsenv_in_tab="$tab"
}

# What is due. Works on the `now` of its caller, __awsenv_renew.
function __awsenv_renew_now {
  \builtin local 'drift=' 'colour=8' 'wait='
  __awsenv_look_for_drift
  if [[ -n "$drift" || "${AWSENV_REFRESH-}" == 'off' || -z "${AWSENV_PROFILE-}" ]] || ! __awsenv_is_found; then
    \builtin return 0
  fi
  case "${AWSENV_EXPIRES_AT-}" in
    ''|*[!0-9]*|????????????*) ;;
    *)
      if [[ "${1-}" == 'command' ]] && (( now >= 10#$AWSENV_EXPIRES_AT )); then
        wait='--wait'
      fi
      ;;
  esac
  __awsenv_change 'refresh' '--hook' ${wait:+"$wait"} <'/dev/null'
  __awsenv_drawn='' # whatever came of it
  \builtin return 0
}

\builtin typeset -g +x '__awsenv_verbs=1'
