# awsenv for zsh 5 and later: the `awsenv` function, a prompt segment in $__awsenv_prompt, and completion.
#
# `awsenv init zsh` prints this file after four assignments: __awsenv_python, __awsenv_main, __awsenv_store and
# __awsenv_completions. Loaded without them, the function asks `command awsenv init --values zsh` at its first use.
#
# `\builtin` and quoted words, because aliases (global ones anywhere in a line) are expanded as this is read: `source`
# reads line by line, so that the first lines turn that off, but `eval` reads all of it before any of it runs.
# `emulate -L zsh` in what is called from outside, because the user's options would otherwise decide what it means.

if [[ -o 'aliases' ]]; then
  \builtin 'typeset' -g +x '__awsenv_loading=aliases'
  \builtin 'setopt' 'no_aliases'
fi
\builtin 'unalias' 'awsenv' 2>'/dev/null' || \builtin 'true'

# ---- The command ----------------------------------------------------------------------------------------------------

function awsenv {
  \builtin emulate -L 'zsh' -o 'no_xtrace' -o 'no_aliases'
  __awsenv_ready || \builtin return
  # No `if … else` to the end: zsh 5.9 would not see a failure in one, and `set -e` would let it pass.
  if ! __awsenv_is_captured "$@"; then
    AWSENV_STORE="$__awsenv_store" \command "$__awsenv_python" '-I' '-S' "$__awsenv_main" "$@"
    \builtin return
  fi
  __awsenv_change "$@"
}

# The verbs that change this shell; the rest, and all help, keeps the terminal to itself.
function __awsenv_is_captured {
  \builtin local 'word'
  case "${1-}" in
    'use'|'off'|'refresh'|'logout') ;;
    *) \builtin return 1 ;;
  esac
  for word in "$@"; do
    case "$word" in
      '--') \builtin return 0 ;;
      '-h'|'--help') \builtin return 1 ;;
    esac
  done
  \builtin return 0
}

function __awsenv_say {
  \builtin print -r -u 2 -- "awsenv: $1"
}

# Do we know what to call? A plugin manager loads this file alone, and an upgrade can move the interpreter.
function __awsenv_ready {
  if __awsenv_is_found; then
    \builtin return 0
  fi
  \builtin local 'values=' "gone=${__awsenv_python-}"
  values="$(\command 'awsenv' 'init' '--values' 'zsh' <'/dev/null' 2>'/dev/null')" || values=''
  if [[ "$values" == *$'\n: awsenv 1 end' ]]; then
    \builtin typeset -g +x '__awsenv_python' '__awsenv_main' '__awsenv_store' '__awsenv_completions'
    \builtin eval "$values"
  fi
  if ! __awsenv_is_found; then
    __awsenv_say 'cannot find the awsenv program (was it moved or removed?)'
    \builtin return 127
  fi
  if [[ -n "$gone" ]]; then
    __awsenv_say "$gone no longer works; this shell now uses $__awsenv_python"
  fi
  \builtin return 0
}

function __awsenv_is_found {
  [[ -n "${__awsenv_store-}" && -x "${__awsenv_python-}" && -r "${__awsenv_main-}" ]]
}

# ---- Changing this shell --------------------------------------------------------------------------------------------

# Secrets pass through the next four functions: each turns tracing off for itself too, since `functions -t` can turn it
# on for one. Ctrl-C in the backend ends this function where it stands, and zsh puts the options back.
function __awsenv_change {
  \builtin emulate -L 'zsh' -o 'no_xtrace' -o 'no_aliases'
  \builtin local 'name' 'answer=' 'changed=' 'code=0'
  for name in "${__awsenv_managed[@]}" "${__awsenv_own[@]}"; do
    if [[ "${(Pt)name}" == *'readonly'* ]]; then
      __awsenv_say "$name is readonly in this shell; nothing changed"
      \builtin return 1
    fi
  done
  case "$1" in
    'off'|'logout') __awsenv_list_changed ;;
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
    ': awsenv 1 end')
      __awsenv_apply "$1"
      \builtin return "$code"
      ;;
    ': awsenv '*' end')
      \builtin print -r -u 2 -- 'awsenv was updated: start a new shell or run: exec $SHELL'
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
  \builtin unset 'AWSENV_PREVIOUS' 'AWSENV_STASHED' 'AWSENV_CHANGED' 'AWSENV_STASH_FD'
  \builtin export 'AWSENV_SHIM=zsh:1' "AWSENV_STORE=$__awsenv_store"
  if [[ "$1" == 'use' && -n "${__awsenv_previous-}" ]]; then
    \builtin export "AWSENV_PREVIOUS=$__awsenv_previous"
  fi
  if (( ${+__awsenv_was} )); then
    \builtin export 'AWSENV_STASHED=1'
  fi
  if [[ -n "${__awsenv_descriptor-}" ]]; then
    \builtin export "AWSENV_STASH_FD=$__awsenv_descriptor"
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
  \builtin local 'before=' 'after='
  if [[ -n "${AWSENV_PROFILE-}" ]]; then
    before="${AWSENV_OPTIONS:+$AWSENV_OPTIONS }-- $AWSENV_PROFILE"
  fi
  # An identity that was here when the shell started belongs to an outer shell: its keys are not what `off` should bring back.
  if [[ "$1" == 'use' && -z "$before" ]] && (( ! ${+__awsenv_was} )); then
    __awsenv_stash
  fi
  \builtin eval "$answer"
  # A logout from something else than what this shell lives on leaves it as it is.
  if [[ "$1" == 'off' ]] || [[ "$1" == 'logout' && -n "$before" && -z "${AWSENV_PROFILE-}" ]]; then
    __awsenv_restore
  elif [[ "$1" != 'logout' ]]; then
    __awsenv_remember
  fi
  if [[ -n "${AWSENV_PROFILE-}" ]]; then
    after="${AWSENV_OPTIONS:+$AWSENV_OPTIONS }-- $AWSENV_PROFILE"
  fi
  if [[ -n "$before" && "$before" != "$after" ]]; then
    \builtin typeset -g +x "__awsenv_previous=$before"
  fi
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

# ---- The prompt segment ---------------------------------------------------------------------------------------------
# PROMPT="$__awsenv_prompt$PROMPT" shows it, with a blank after it, where there is something to show. The text is in
# psvar[9], where nothing in it can mean anything to the prompt; psvar[5] to [8] say its colour, by which is not empty.
# This runs at every prompt, so no process starts here, and it is drawn anew only when something that it shows has
# changed or its time would read differently.

function __awsenv_hook {
  \builtin emulate -L 'zsh' -o 'no_xtrace'
  # Seam: the renewal of credentials that are due will be asked for here, before the segment is drawn.
  # EPOCHSECONDS needs a module that a small zsh may lack; the prompt's own clock is always there.
  \builtin local 'now=%D{%s}' "state=${AWSENV_LABEL-}|${AWSENV_CLASS-}|${AWSENV_FIELDS-}|${AWSENV_EXPIRES_AT-}|${AWSENV_KEY_ID-}|${AWS_ACCESS_KEY_ID-}|${AWS_PROFILE-}|${AWS_REGION-}|${COLUMNS-}|${NO_COLOR-}|${TERM-}"
  now="${(%)now}"
  if [[ "$state" != "$__awsenv_drawn" ]] || (( now < __awsenv_since || now >= __awsenv_until )); then
    __awsenv_drawn="$state"
    __awsenv_draw_segment
  fi
  # zsh itself gives every precmd function the user's $?, and a false one would end a shell under `set -e`.
  \builtin return 0
}

# Works on the caller's `now`, as the next functions do on this one's variables: a $( ) would be a process.
function __awsenv_draw_segment {
  \builtin local 'text=' 'left=' 'drift=' 'colour=8'
  __awsenv_since=0
  __awsenv_until=999999999999
  if [[ -n "${AWSENV_LABEL-}" && -n "${AWS_ACCESS_KEY_ID-}${AWS_PROFILE-}" && "${AWSENV_FIELDS-}" != 'none' ]]; then
    case "${AWSENV_CLASS-}" in
      'prod') colour=5 ;;
      'staging') colour=7 ;;
    esac
    __awsenv_look_for_drift
    __awsenv_tell_time
    __awsenv_compose
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
  __awsenv_alarm 6
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
  \builtin local 'class=' "label=${AWSENV_LABEL[1,64]}" "region=${${AWS_REGION-}[1,32]}" 'field=' 'room='
  label="${label//[^A-Za-z0-9_.@:\/+=, -]/?}"
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
  text+="${drift:+${text:+ }$drift}"
}

# powerlevel10k calls these two when `awsenv` is one of its elements. It records the calls of the second, to repeat them
# before this file is read in the next shell: so what they show has to be worked out then.
function prompt_awsenv {
  if [[ -n "${psvar[5]}" ]]; then
    p10k segment -s 'PROD' -b 'red' -f 'white' -t "${psvar[9]}"
  elif [[ -n "${psvar[6]}" ]]; then
    p10k segment -s 'ALARM' -f 'red' -t "${psvar[9]}"
  elif [[ -n "${psvar[7]}" ]]; then
    p10k segment -s 'NOTICE' -f 'yellow' -t "${psvar[9]}"
  elif [[ -n "${psvar[9]}" ]]; then
    p10k segment -f 'cyan' -t "${psvar[9]}"
  fi
}
function instant_prompt_awsenv {
  p10k segment -f 'cyan' -e -c '${AWSENV_LABEL:+${AWS_ACCESS_KEY_ID-}${AWS_PROFILE-}}' \
    -t '${AWSENV_LABEL//[^A-Za-z0-9_.@:\/+=, -]/?}'
}

# First, so that prompts which are computed by a later hook see this one's work. Not through add-zsh-hook: that needs an
# intact fpath. Works with zsh's own options, which its callers have set.
function __awsenv_install_hook {
  \builtin typeset -ga 'precmd_functions'
  if (( ! ${precmd_functions[(Ie)__awsenv_hook]} )); then
    precmd_functions=('__awsenv_hook' "${precmd_functions[@]}")
  fi
}

# ---- Loading --------------------------------------------------------------------------------------------------------
# In a function, for `emulate`; under `set -a` what is set here would otherwise be handed to every child.

function __awsenv_load {
  \builtin emulate -L 'zsh' -o 'no_xtrace'
  \builtin typeset -g +x '__awsenv_python' '__awsenv_main' '__awsenv_store' '__awsenv_completions'
  \builtin typeset -g +x '__awsenv_drawn=' '__awsenv_since=0' '__awsenv_until=0' '__awsenv_in_tmux=' '__awsenv_prompt='
  __awsenv_prompt='%(9V.%(5V.%K{red}%F{white}%9v%f%k.%(6V.%F{red}%9v%f.%(7V.%F{yellow}%9v%f.%(8V.%F{cyan}%9v%f.%9v)))) .)'

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

  if [[ ! -o 'interactive' ]]; then
    \builtin return 0
  fi
  __awsenv_install_hook
  # compinit is the user's to run. Before it, fpath is enough; after it, we register by hand.
  if [[ -z "${__awsenv_completions-}" ]]; then
    \builtin return 0
  fi
  if (( ! ${fpath[(Ie)$__awsenv_completions]} )); then
    fpath=("$__awsenv_completions" "${fpath[@]}")
  fi
  if (( ${+functions[compdef]} )); then
    \builtin autoload -Uz '_awsenv'
    compdef '_awsenv' 'awsenv'
  fi
  \builtin return 0
}
__awsenv_load
\builtin unfunction '__awsenv_load'

if [[ -n "${__awsenv_loading-}" ]]; then
  \builtin 'setopt' 'aliases'
fi
\builtin 'unset' '__awsenv_loading'
