# awsenv for zsh 5 and later: the `awsenv` function, a prompt segment in $__awsenv_prompt, and completion.
#
# `awsenv init zsh` prints this file after five assignments: __awsenv_python, __awsenv_main, __awsenv_store,
# __awsenv_completions and __awsenv_shell. Loaded without them, the function asks `command awsenv init --values zsh` at
# its first use. What a new shell does not need is in awsenv-verbs.zsh, in the folder __awsenv_shell.
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
    __awsenv_next=0 __awsenv_due=0 __awsenv_drawn='' # it may be a login, which lets be renewed what could not be
    if [[ "${1-}" == 'trust' ]]; then
      __awsenv_here='' __awsenv_place='' # this very folder's, maybe
    fi
    AWSENV_STORE="$__awsenv_store" \command "$__awsenv_python" '-I' '-S' "$__awsenv_main" "$@"
    \builtin return
  fi
  __awsenv_change "$@"
}

# The verbs that change this shell; the rest, and all help, keeps the terminal to itself.
function __awsenv_is_captured {
  \builtin local 'word'
  case "${1-}" in
    'use'|'here'|'off'|'refresh'|'logout') ;;
    'region') (( $# > 1 )) || \builtin return 1 ;;
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

# What nobody has typed says nothing of its own troubles.
function __awsenv_say {
  if [[ -z "${__awsenv_unasked-}" ]]; then
    \builtin print -r -u 2 -- "awsenv: $1"
  fi
}

# Do we know what to call? A plugin manager loads this file alone, and an upgrade can move the interpreter.
function __awsenv_ready {
  if __awsenv_is_found; then
    \builtin return 0
  fi
  \builtin local 'values=' "gone=${__awsenv_python-}" "beside=${__awsenv_shell-}"
  values="$(\command 'awsenv' 'init' '--values' 'zsh' <'/dev/null' 2>'/dev/null')" || values=''
  if [[ "$values" == *$'\n: awsenv 1 end' ]]; then
    \builtin typeset -g +x '__awsenv_python' '__awsenv_main' '__awsenv_store' '__awsenv_completions' '__awsenv_shell'
    \builtin eval "$values"
    if [[ -n "$beside" && -r "$beside/awsenv-verbs.zsh" ]]; then
      __awsenv_shell="$beside" # the one that came with this file
    fi
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

function __awsenv_change {
  \builtin emulate -L 'zsh' -o 'no_xtrace' -o 'no_aliases'
  __awsenv_load_verbs || \builtin return
  __awsenv_ask_and_apply "$@"
}

# Reads the second file, once, with zsh's own options; a prompt that has something to show comes here too.
function __awsenv_load_verbs {
  \builtin emulate -L 'zsh' -o 'no_xtrace' -o 'no_aliases' -o 'no_verbose'
  if [[ "$__awsenv_verbs" == '1' ]]; then
    \builtin return 0
  fi
  if [[ -z "${__awsenv_shell-}" ]]; then
    __awsenv_ready || \builtin return
  fi
  \builtin local "file=${__awsenv_shell-}/awsenv-verbs.zsh"
  if [[ ! -f "$file" || ! -r "$file" ]]; then
    __awsenv_say "cannot read $file: nothing changed (was awsenv moved or removed?)"
    \builtin return 127
  fi
  \builtin source "$file" 2>'/dev/null' || \builtin true
  if [[ "$__awsenv_verbs" != '1' ]]; then
    __awsenv_say "$file is not of this version: start a new shell or run: exec \$SHELL"
    \builtin return 127
  fi
  \builtin return 0
}

# ---- The prompt segment ---------------------------------------------------------------------------------------------
# PROMPT="$__awsenv_prompt$PROMPT" shows it, with a blank after it, where there is something to show. The text is in
# psvar[9], where nothing in it can mean anything to the prompt; psvar[5] to [8] say its colour, by which is not empty.
# This runs at every prompt, so no process starts here, and it is drawn anew only when something that it shows has
# changed or its time would read differently.

function __awsenv_hook {
  \builtin emulate -L 'zsh' -o 'no_xtrace'
  # EPOCHSECONDS needs a module that a small zsh may lack; the prompt's own clock is always there.
  \builtin local 'now=%D{%s}' 'state='
  now="${(%)now}"
  if [[ "${PWD-}" != "$__awsenv_here" ]]; then
    __awsenv_look_around
  fi
  state="${AWSENV_LABEL-}|${AWSENV_CLASS-}|${AWSENV_FIELDS-}|${AWSENV_EXPIRES_AT-}|${AWSENV_KEY_ID-}|${AWS_ACCESS_KEY_ID-}|${AWS_PROFILE-}|${AWS_REGION-}|${COLUMNS-}|${NO_COLOR-}|${TERM-}"
  if [[ "$state" != "$__awsenv_drawn" ]] || (( now < __awsenv_since || now >= __awsenv_until )); then
    __awsenv_drawn="$state"
    __awsenv_renew
    __awsenv_draw_segment
  fi
  # zsh itself gives every precmd function the user's $?, and a false one would end a shell under `set -e`.
  \builtin return 0
}

# After a `cd`: is this folder, or the nearest above it, for an identity? For a "no" no process starts; a path that only
# seems to stand in the settings is for the backend to read.
function __awsenv_look_around {
  \builtin local "folder=${PWD-}" 'short=' 'place=' 'text=' 'depth=0' '__awsenv_unasked=1'
  \builtin local -a 'lines'
  # While powerlevel10k's instant prompt is up nothing may be said: the next prompt is soon enough.
  if (( ${+__p9k_instant_prompt_active} )); then
    \builtin return 0
  fi
  __awsenv_here="$folder"
  if [[ "${AWSENV_PLACES-}" == 'off' ]]; then
    folder=''
  else
    short="${XDG_CONFIG_HOME:-${HOME-}/.config}/awsenv/config.toml"
    if [[ ! -f "$short" ]]; then
      short="${HOME-}/Library/Application Support/awsenv/config.toml"
    fi
    if [[ -f "$short" && -r "$short" ]]; then
      lines=(${(f)"$(<"$short")"})
      lines=(${(M)lines:#[\"\'[:blank:]]*} ${(M)lines:#places*}) # where a path may stand before the equals sign
      text="${(F)lines}"
    fi
  fi
  while [[ "$folder" == '/'* ]] && (( depth < 64 )); do
    if [[ -f "$folder/.awsenv" ]]; then
      place="$folder"
      \builtin break
    fi
    if [[ -n "$text" ]]; then
      short="$folder"
      if [[ -n "${HOME-}" && "$folder/" == "$HOME/"* ]]; then
        short="~${folder#"$HOME"}"
      fi
      case "$text" in
        *[\"\']"$folder"[\"\'/]*|*[\"\']"$short"[\"\'/]*)
          place="$folder"
          \builtin break
          ;;
      esac
    fi
    folder="${folder%/*}"
    depth=$(( depth + 1 ))
  done
  if [[ "$place" == "$__awsenv_place" ]]; then
    \builtin return 0
  fi
  __awsenv_place="$place"
  if [[ -z "$place$__awsenv_lives_on" ]] || ! __awsenv_ready; then
    \builtin return 0
  fi
  __awsenv_change 'here' '--hook' <'/dev/null'
  \builtin return 0
}

# Works on the caller's `now`, as the next functions do on this one's variables: a $( ) would be a process.
function __awsenv_draw_segment {
  \builtin local '__awsenv_unasked=1'
  __awsenv_since=0
  __awsenv_until=999999999999
  psvar[5,9]=('' '' '' '' '')
  # With nobody to show, and nobody shown, the second file is not needed.
  if [[ -n "${AWSENV_LABEL-}$__awsenv_in_tab$__awsenv_in_tmux${AWSENV_SEGMENT-}${AWSENV_ALARM-}" || "${AWSENV_FOREIGN-}" == 'on' ]] && __awsenv_load_verbs; then
    __awsenv_draw_text
  fi
  __awsenv_set_due
  if (( __awsenv_until > __awsenv_due )); then
    __awsenv_until="$__awsenv_due"
  fi
}

# ---- Renewal --------------------------------------------------------------------------------------------------------
# __awsenv_due is when the backend is asked next, so that a prompt and a command each compare two numbers and no more;
# __awsenv_next is before when it may not be asked. What it needs of a person is in __awsenv_needs, and what of that was
# said in __awsenv_told.

function __awsenv_before_command {
  \builtin emulate -L 'zsh' -o 'no_xtrace'
  \builtin local 'now=%D{%s}'
  now="${(%)now}"
  if (( now >= __awsenv_due )); then
    case "${1-}" in
      'awsenv'|'awsenv '*|' awsenv '*) ;; # it has its own way with what has expired
      *) __awsenv_renew 'command' ;;
    esac
  fi
  \builtin return 0
}

# Sets __awsenv_due by the caller's `now`. Digits only before any arithmetic.
function __awsenv_set_due {
  __awsenv_due=999999999999
  case "${AWSENV_REFRESH_AT-}" in
    ''|*[!0-9]*|????????????*) \builtin return 0 ;;
  esac
  if (( __awsenv_next > now + 300 )); then
    __awsenv_next=0 # the clock was set back
  fi
  __awsenv_due=$(( 10#$AWSENV_REFRESH_AT > __awsenv_next ? 10#$AWSENV_REFRESH_AT : __awsenv_next ))
}

# Where it is due: takes over what somebody has renewed, or has it renewed behind the scenes. Before a command, keys that
# have expired are waited for. Works on the caller's `now`.
function __awsenv_renew {
  \builtin local '__awsenv_unasked=1'
  __awsenv_set_due
  if (( now >= __awsenv_due )); then
    # First: Ctrl-C ends this function where it stands.
    __awsenv_next=$(( now + 60 ))
    __awsenv_due="$__awsenv_next"
    if __awsenv_load_verbs; then
      __awsenv_renew_now "$@"
    fi
  fi
  \builtin return 0
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
  \builtin typeset -ga 'preexec_functions'
  if (( ! ${preexec_functions[(Ie)__awsenv_before_command]} )); then
    preexec_functions=('__awsenv_before_command' "${preexec_functions[@]}")
  fi
}

# ---- Loading --------------------------------------------------------------------------------------------------------
# In a function, for `emulate`; under `set -a` what is set here would otherwise be handed to every child.

function __awsenv_load {
  \builtin emulate -L 'zsh' -o 'no_xtrace'
  \builtin typeset -g +x '__awsenv_python' '__awsenv_main' '__awsenv_store' '__awsenv_completions' '__awsenv_shell'
  \builtin typeset -g +x '__awsenv_verbs=' # nothing of the second file, or of an older one
  \builtin typeset -g +x '__awsenv_drawn=' '__awsenv_since=0' '__awsenv_until=0' '__awsenv_in_tmux=' '__awsenv_in_tab=' '__awsenv_prompt='
  \builtin typeset -g +x '__awsenv_due=0' '__awsenv_next=0' '__awsenv_needs=' '__awsenv_told='
  # Where we have looked last, the folder that was found, and what the second file remembers of it.
  \builtin typeset -g +x '__awsenv_here=' '__awsenv_place=' '__awsenv_lives_on' '__awsenv_before' '__awsenv_named'
  __awsenv_prompt='%(9V.%(5V.%K{red}%F{white}%9v%f%k.%(6V.%F{red}%9v%f.%(7V.%F{yellow}%9v%f.%(8V.%F{cyan}%9v%f.%9v)))) .)'

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
