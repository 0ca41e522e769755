# awsenv for fish 3.4 and later: the `awsenv` function, `__awsenv_segment_text` for a prompt, and completion.
#
# `awsenv init fish` prints this file after four assignments: __awsenv_python, __awsenv_main, __awsenv_store and
# __awsenv_completions. Loaded without them, the function asks `command awsenv init --values fish` at its first use.
#
# Scopes are always spelled out. A bare `set` or `set -x` would write to a universal variable of that name, and so to
# every fish of this user, now and later.

# What `use` sets or unsets and `off` puts back, and what awsenv exports for itself: awsenv/variables.py has the same two lists.
set -gu __awsenv_managed \
    AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_SECURITY_TOKEN \
    AWS_CREDENTIAL_EXPIRATION AWS_SESSION_EXPIRATION AWS_CREDENTIALS_EXPIRATION \
    AWS_PROFILE AWS_DEFAULT_PROFILE AWS_REGION AWS_DEFAULT_REGION AWS_ACCOUNT_ID \
    AWS_WEB_IDENTITY_TOKEN_FILE AWS_ROLE_ARN AWS_ROLE_SESSION_NAME AWS_CREDENTIAL_FILE \
    AWS_EB_PROFILE AWS_PROFILE_REGION AWS_VAULT \
    AWSUME_PROFILE AWSUME_EXPIRATION AWSUME_COMMAND AWSU_PROFILE \
    AWS_SSO_PROFILE AWS_SSO_ACCOUNT_ID AWS_SSO_ROLE_NAME AWS_SSO_ROLE_ARN \
    AWS_SSO_SESSION_EXPIRATION AWS_SSO_DEFAULT_REGION AWS_SSO \
    GRANTED_SSO GRANTED_SSO_START_URL GRANTED_SSO_ROLE_NAME GRANTED_SSO_REGION GRANTED_SSO_ACCOUNT_ID
set -gu __awsenv_own \
    AWSENV_PROFILE AWSENV_OPTIONS AWSENV_ACCOUNT_ID AWSENV_ROLE AWSENV_LABEL AWSENV_CLASS AWSENV_FIELDS \
    AWSENV_EXPIRES_AT AWSENV_REFRESH_AT AWSENV_KEY_ID AWSENV_REGION_BEFORE

# ---- The command ----------------------------------------------------------------------------------------------------

function awsenv --description 'Switch AWS identity in this shell'
    set -l fish_trace # empty: nothing below is traced, nor in what it calls
    __awsenv_ready; or return
    if __awsenv_is_captured $argv
        __awsenv_change $argv
    else
        set -lx AWSENV_STORE $__awsenv_store
        command $__awsenv_python -I -S $__awsenv_main $argv
    end
end

# The verbs that change this shell; the rest, and all help, keeps the terminal to itself.
function __awsenv_is_captured
    builtin contains -- "$argv[1]" use off refresh; or return 1
    for word in $argv
        switch $word
            case --
                return 0
            case -h --help
                return 1
        end
    end
    return 0
end

function __awsenv_say
    builtin printf 'awsenv: %s\n' $argv[1] >&2
end

# Do we know what to call? A plugin manager loads this file alone, and an upgrade can move the interpreter.
function __awsenv_ready
    __awsenv_is_found; and return 0
    set -l gone $__awsenv_python
    if command -sq awsenv
        set -l IFS \n
        set -l values (command awsenv init --values fish </dev/null 2>/dev/null)
        if test $status -eq 0 -a "$values[-1]" = ': awsenv 1 end'
            string join \n -- $values | builtin source
        end
    end
    if not __awsenv_is_found
        __awsenv_say 'cannot find the awsenv program (was it moved or removed?)'
        return 127
    end
    if test -n "$gone"
        __awsenv_say "$gone no longer works; this shell now uses $__awsenv_python"
    end
    return 0
end

function __awsenv_is_found
    test -n "$__awsenv_store" -a -x "$__awsenv_python" -a -r "$__awsenv_main"
end

# ---- Changing this shell --------------------------------------------------------------------------------------------

# Ctrl-C in the backend cancels this function where it stands: nothing has changed by then.
function __awsenv_change
    set -l fish_trace
    set -l IFS \n # a user's empty IFS would keep the reply in one piece
    set -l changed
    if test $argv[1] = off
        set changed (__awsenv_list_changed)
    end

    # A local variable that isn't exported hides one of that name in the environment.
    set -l AWSENV_PREVIOUS
    set -l AWSENV_STASHED
    set -l AWSENV_CHANGED
    if test $argv[1] = use; and test -n "$__awsenv_previous"
        set -x AWSENV_PREVIOUS $__awsenv_previous
    end
    if set -qg __awsenv_was
        set -x AWSENV_STASHED 1
    end
    if test $argv[1] = off
        set -x AWSENV_CHANGED "$changed"
    end
    set -lx AWSENV_SHIM fish:1
    set -lx AWSENV_STORE $__awsenv_store
    set -l reply (command $__awsenv_python -I -S $__awsenv_main $argv)
    set -l code $status
    test $code -eq 0; or return $code

    # Only a reply whose last line is ours is complete.
    switch "$reply[-1]"
        case ': awsenv 1 end'
        case ': awsenv * end'
            builtin printf '%s\n' 'awsenv was updated: start a new shell or run: exec $SHELL' >&2
            return 1
        case '*'
            __awsenv_say 'the reply was cut short; nothing changed'
            return 1
    end

    set -l before (__awsenv_identity)
    # An identity that was here when the shell started belongs to an outer shell: its keys are not what `off` should bring back.
    if test $argv[1] = use; and test -z "$before"; and not set -qg __awsenv_was
        __awsenv_stash
    end
    string join \n -- $reply | builtin source
    if test $argv[1] = off
        __awsenv_restore $changed
    else
        __awsenv_shadow
        __awsenv_remember
    end
    set -l after (__awsenv_identity)
    if test -n "$before"; and test "x$before" != "x$after"
        set -gu __awsenv_previous $before
    end
    return 0
end

function __awsenv_identity
    if test -n "$AWSENV_PROFILE"
        string join ' ' -- $AWSENV_OPTIONS -- $AWSENV_PROFILE
    end
end

# ---- What was here before -------------------------------------------------------------------------------------------
# Lists that run beside __awsenv_managed. __awsenv_was says unset, exported or kept, and __awsenv_was_value what it was;
# in __awsenv_ours '' is unset and =… set. Only the global scope counts: universal variables are never touched.

function __awsenv_stash
    set -l fish_trace
    set -l states
    set -l values
    for name in $__awsenv_managed
        if not set -qg $name
            set -a states unset
            set -a values ''
            continue
        end
        set -qgx $name; and set -a states exported; or set -a states kept
        set -a values "$$name"
    end
    set -gu __awsenv_was $states
    set -gu __awsenv_was_value $values
end

function __awsenv_remember
    set -l fish_trace
    set -l states
    for name in $__awsenv_managed
        set -qg $name; and set -a states ="$$name"; or set -a states ''
    end
    set -gu __awsenv_ours $states
end

# Prints the names that someone else has set or unset since our last eval.
function __awsenv_list_changed
    set -l fish_trace
    set -qg __awsenv_ours; or return 0
    set -l index 0
    for name in $__awsenv_managed
        set index (builtin math $index + 1)
        set -l state ''
        set -qg $name; and set state ="$$name"
        test "x$state" = "x$__awsenv_ours[$index]"; or builtin printf '%s\n' $name
    end
end

# Its arguments are the names to leave alone.
function __awsenv_restore
    set -l fish_trace
    if set -qg __awsenv_was
        set -l index 0
        for name in $__awsenv_managed
            set index (builtin math $index + 1)
            builtin contains -- $name $argv; and continue
            set -eg $name
            switch $__awsenv_was[$index]
                case exported
                    set -gx $name $__awsenv_was_value[$index]
                case kept
                    set -gu $name $__awsenv_was_value[$index]
            end
        end
    end
    set -eg __awsenv_was
    set -eg __awsenv_was_value
    set -eg __awsenv_ours
    return 0
end

# A universal variable shines through once the global one is gone. One that is not exported is hidden behind an empty
# global. One that is exported reaches programs whatever hides it (seen in fish 3.6): hiding it would only keep that from
# the prompt, which shows it as drift. Only its owner may remove it.
function __awsenv_shadow
    set -l shining
    for name in $__awsenv_managed
        set -qU $name; and not set -qg $name; or continue
        set -qUx $name; and set -a shining $name; or set -gu $name
    end
    if set -q shining[1]; and not set -qg __awsenv_shining_said
        set -gu __awsenv_shining_said 1
        __awsenv_say "programs still get these universal variables: $shining"
        builtin printf '  hint: set -eU %s\n' "$shining" >&2
    end
end

# ---- The prompt segment ---------------------------------------------------------------------------------------------

# For fish_prompt or fish_right_prompt: prints the text without a newline, or nothing. No process starts here.
function __awsenv_segment_text
    set -l code $status
    set -l fish_trace
    # Seam: the renewal of credentials that are due gets a `--on-event fish_prompt` function of its own. The text needs
    # no event: it is worked out when the prompt asks for it.
    if test -z "$AWSENV_LABEL"; or test -z "$AWS_ACCESS_KEY_ID$AWS_PROFILE"
        return $code
    end
    # It came through the environment: it may be anything. Worked out once for a label: every (…) here costs 40 µs.
    if test "x$AWSENV_LABEL" != "x$__awsenv_label"
        set -gu __awsenv_label $AWSENV_LABEL
        set -gu __awsenv_label_shown (string replace -ra '[^A-Za-z0-9_.@:/+=, -]' '?' -- "$AWSENV_LABEL")
    end

    set -l identity "$AWS_ACCESS_KEY_ID"
    if test -n "$AWS_PROFILE"
        # Keys beside a profile: one SDK takes the first, another the second, so neither is what we set.
        test -n "$identity"; and set identity both:
        set identity $identity"profile:$AWS_PROFILE"
    end
    if test "x$identity" != "x$AWSENV_KEY_ID"
        set -l locale (string match -r '.+' -- $LC_ALL $LC_CTYPE $LANG)
        set -l sign !=
        string match -qir 'utf-?8' -- "$locale[1]"; and set sign ≠
        builtin printf '%s %s' "$__awsenv_label_shown" $sign
    else if not string match -qr '^[0-9]{1,11}$' -- "$AWSENV_EXPIRES_AT"
        builtin printf %s "$__awsenv_label_shown"
    else
        # fish has no clock variable, but knows when a file was changed and how long ago: together, that is the time.
        set -l left
        if set -q __awsenv_has_path
            set left (builtin math $AWSENV_EXPIRES_AT - (builtin path mtime /) - (builtin path mtime -R /))
        else
            set left (builtin math $AWSENV_EXPIRES_AT - (command date +%s))
        end
        if test $left -le 0
            builtin printf '%s expired' "$__awsenv_label_shown"
        else if test $left -lt 60
            builtin printf '%s %ds' "$__awsenv_label_shown" $left
        else if test $left -lt 3600
            builtin printf '%s %dm' "$__awsenv_label_shown" (builtin math "floor($left / 60)")
        else
            builtin printf '%s %dh%02dm' "$__awsenv_label_shown" (builtin math "floor($left / 3600)") (builtin math "floor($left % 3600 / 60)")
        end
    end
    return $code
end

# From 3.5 on; before, there is no way but a process.
if builtin --names | string match -q path
    set -gu __awsenv_has_path 1
end

# ---- Completion -----------------------------------------------------------------------------------------------------

if status is-interactive; and set -q __awsenv_completions[1]
    builtin contains -- $__awsenv_completions $fish_complete_path
    or set -gp fish_complete_path $__awsenv_completions
end
true
