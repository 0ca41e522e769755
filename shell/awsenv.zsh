# awsenv for zsh 5 and later: the `awsenv` function, a prompt segment in psvar[9] (`%9v` in PROMPT), and completion.
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
    'use'|'off'|'refresh') ;;
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
  \builtin local 'name' 'answer=' 'changed='
  for name in "${__awsenv_managed[@]}" "${__awsenv_own[@]}"; do
    if [[ "${(Pt)name}" == *'readonly'* ]]; then
      __awsenv_say "$name is readonly in this shell; nothing changed"
      \builtin return 1
    fi
  done
  if [[ "$1" == 'off' ]]; then
    __awsenv_list_changed
  fi

  answer="$(__awsenv_ask "$@")" || \builtin return

  # Only a reply whose last line is ours is complete.
  case "${answer##*$'\n'}" in
    ': awsenv 1 end') __awsenv_apply "$1" ;;
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
  \builtin unset 'AWSENV_PREVIOUS' 'AWSENV_STASHED' 'AWSENV_CHANGED'
  \builtin export 'AWSENV_SHIM=zsh:1' "AWSENV_STORE=$__awsenv_store"
  if [[ "$1" == 'use' && -n "${__awsenv_previous-}" ]]; then
    \builtin export "AWSENV_PREVIOUS=$__awsenv_previous"
  fi
  if (( ${+__awsenv_was} )); then
    \builtin export 'AWSENV_STASHED=1'
  fi
  if [[ "$1" == 'off' ]]; then
    \builtin export "AWSENV_CHANGED=$changed"
  fi
  \builtin exec "$__awsenv_python" '-I' '-S' "$__awsenv_main" "$@"
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
  if [[ "$1" == 'off' ]]; then
    __awsenv_restore
  else
    __awsenv_remember
  fi
  if [[ -n "${AWSENV_PROFILE-}" ]]; then
    after="${AWSENV_OPTIONS:+$AWSENV_OPTIONS }-- $AWSENV_PROFILE"
  fi
  if [[ -n "$before" && "$before" != "$after" ]]; then
    \builtin typeset -g +x "__awsenv_previous=$before"
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
# PROMPT='%9v %# ' shows it. No process starts here: this runs at every prompt.

function __awsenv_hook {
  \builtin emulate -L 'zsh' -o 'no_xtrace'
  # Seam: the renewal of credentials that are due will be asked for here, before the segment is drawn.
  __awsenv_draw_segment
  # zsh itself gives every precmd function the user's $?, and a false one would end a shell under `set -e`.
  \builtin return 0
}

function __awsenv_draw_segment {
  psvar[9]=''
  if [[ -z "${AWSENV_LABEL-}" || -z "${AWS_ACCESS_KEY_ID-}${AWS_PROFILE-}" ]]; then
    \builtin return 0
  fi
  # This came through the environment: it may be anything.
  \builtin local "text=${AWSENV_LABEL//[^A-Za-z0-9_.@:\/+=, -]/?}" "identity=${AWS_ACCESS_KEY_ID-}"
  if [[ -n "${AWS_PROFILE-}" ]]; then
    # Keys beside a profile: one SDK takes the first, another the second, so neither is what we set.
    identity="${identity:+both:}profile:$AWS_PROFILE"
  fi
  if [[ "$identity" != "${AWSENV_KEY_ID-}" ]]; then
    case "${LC_ALL:-${LC_CTYPE:-${LANG-}}}" in
      *[Uu][Tt][Ff]'-8'*|*[Uu][Tt][Ff]'8'*) psvar[9]="$text ≠" ;;
      *) psvar[9]="$text !=" ;;
    esac
    \builtin return 0
  fi

  psvar[9]="$text"
  # Digits only before any arithmetic, which would evaluate a name or a subscript.
  case "${AWSENV_EXPIRES_AT-}" in
    ''|*[!0-9]*|????????????*) \builtin return 0 ;;
  esac
  # EPOCHSECONDS needs a module that a small zsh may lack; the prompt's own clock is always there.
  \builtin local 'now=%D{%s}' 'left='
  now="${(%)now}"
  case "$now" in
    ''|*[!0-9]*) \builtin return 0 ;;
  esac
  left=$(( 10#$AWSENV_EXPIRES_AT - now ))
  if (( left <= 0 )); then
    left='expired'
  elif (( left < 60 )); then
    left="${left}s"
  elif (( left < 3600 )); then
    left="$(( left / 60 ))m"
  else
    \builtin printf -v left '%dh%02dm' $(( left / 3600 )) $(( left % 3600 / 60 ))
  fi
  psvar[9]="$text $left"
}

# ---- Loading --------------------------------------------------------------------------------------------------------
# In a function, for `emulate`; under `set -a` what is set here would otherwise be handed to every child.

function __awsenv_load {
  \builtin emulate -L 'zsh' -o 'no_xtrace'
  \builtin typeset -g +x '__awsenv_python' '__awsenv_main' '__awsenv_store' '__awsenv_completions'

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
  # First, so that prompts which are computed by a later hook see this one's work. Not through add-zsh-hook: that needs
  # an intact fpath.
  \builtin typeset -ga 'precmd_functions'
  if (( ! ${precmd_functions[(Ie)__awsenv_hook]} )); then
    precmd_functions=('__awsenv_hook' "${precmd_functions[@]}")
  fi
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
