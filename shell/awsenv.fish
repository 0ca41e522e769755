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
    builtin contains -- "$argv[1]" use off refresh logout; or return 1
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
    if builtin contains -- $argv[1] off logout
        set changed (__awsenv_list_changed)
    end

    # A local variable that isn't exported hides one of that name in the environment.
    set -l AWSENV_PREVIOUS
    set -l AWSENV_STASHED
    set -l AWSENV_CHANGED
    set -l AWSENV_STASH_FD
    if test $argv[1] = use; and test -n "$__awsenv_previous"
        set -x AWSENV_PREVIOUS $__awsenv_previous
    end
    if set -qg __awsenv_was
        set -x AWSENV_STASHED 1
    end
    set -x AWSENV_CHANGED "$changed"
    set -lx AWSENV_SHIM fish:1
    set -lx AWSENV_STORE $__awsenv_store
    set -l reply (command $__awsenv_python -I -S $__awsenv_main $argv)
    set -l code $status
    if test $code -eq 0; and test "$reply" = ': awsenv 1 stash'
        set -x AWSENV_STASH_FD 0
        set reply (__awsenv_print_stash | command $__awsenv_python -I -S $__awsenv_main $argv)
        set code $status
    end
    # 6: AWS could not be told of the logout, but here it is over.
    if test $code -ne 0; and not test $argv[1]$code = logout6 -a -n "$reply"
        # Killed at its question for a code, the backend could not turn the echo on again.
        test $code -gt 130 -a -t 2; and command stty echo echoe echok <&2 2>/dev/null
        return $code
    end

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
    # A logout from something else than what this shell lives on leaves it as it is.
    if test $argv[1] = off; or test $argv[1] = logout -a -n "$before" -a -z "$AWSENV_PROFILE"
        __awsenv_restore $changed
    else if test $argv[1] != logout
        __awsenv_shadow
        __awsenv_remember
    end
    set -l after (__awsenv_identity)
    if test -n "$before"; and test "x$before" != "x$after"
        set -gu __awsenv_previous $before
    end
    return $code
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

# What was exported, NAME=VALUE and NUL each, for a backend that asks. A pipe: an argument or a variable could be seen.
function __awsenv_print_stash
    set -l fish_trace
    set -l index 0
    for name in $__awsenv_managed
        set index (math $index + 1)
        test $__awsenv_was[$index] = exported; and builtin printf '%s=%s\0' $name "$__awsenv_was_value[$index]"
    end
    return 0
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
# Most prompts find it as it was: it is drawn anew only when something that it shows has changed, or its time would read
# differently.

set -gu __awsenv_segment ''
set -gu __awsenv_drawn ''
set -gu __awsenv_since
set -gu __awsenv_until
set -gu __awsenv_in_tmux ''

# For fish_prompt or fish_right_prompt: prints the text and a blank, without a newline, or nothing. No process starts here.
function __awsenv_segment_text
    set -l code $status
    set -l fish_trace
    # Seam: the renewal of credentials that are due gets a `--on-event fish_prompt` function of its own. The text needs
    # no event: it is worked out when the prompt asks for it.
    if test "$AWSENV_LABEL|$AWSENV_CLASS|$AWSENV_FIELDS|$AWSENV_EXPIRES_AT|$AWSENV_KEY_ID|$AWS_ACCESS_KEY_ID|$AWS_PROFILE|$AWS_REGION|$COLUMNS|$NO_COLOR|$TERM" != "$__awsenv_drawn"
        __awsenv_draw_segment
    else if set -q __awsenv_until[1]
        set -l clock (__awsenv_clock)
        test "$clock" -ge $__awsenv_since -a "$clock" -lt $__awsenv_until; or __awsenv_draw_segment
    end
    builtin printf %s "$__awsenv_segment"
    return $code
end

# fish has no clock variable, but a builtin that knows how many seconds ago a file was changed: that does for a clock
# until the file changes again, and then it reads so differently that the segment is drawn anew. Before fish 3.5 there
# is no way but a process.
if builtin -q path
    function __awsenv_clock
        builtin path mtime -R /
    end
    function __awsenv_clock_zero
        builtin path mtime /
    end
else
    function __awsenv_clock
        command date +%s
    end
    function __awsenv_clock_zero
        builtin printf 0
    end
end

function __awsenv_draw_segment
    set -g __awsenv_drawn "$AWSENV_LABEL|$AWSENV_CLASS|$AWSENV_FIELDS|$AWSENV_EXPIRES_AT|$AWSENV_KEY_ID|$AWS_ACCESS_KEY_ID|$AWS_PROFILE|$AWS_REGION|$COLUMNS|$NO_COLOR|$TERM"
    set -g __awsenv_segment ''
    set -g __awsenv_until
    set -l text
    set -l left
    set -l drift
    set -l colour 36
    if test -n "$AWSENV_LABEL"; and test -n "$AWS_ACCESS_KEY_ID$AWS_PROFILE"; and test "x$AWSENV_FIELDS" != xnone
        __awsenv_look_for_drift
        __awsenv_tell_time
        __awsenv_compose
    end
    if test -n "$text"
        set -g __awsenv_segment "$text "
        if test -z "$NO_COLOR"; and test "x$TERM" != xdumb
            set -l plain 39
            test "x$AWSENV_CLASS" = xprod; and set plain '39;49'
            set -g __awsenv_segment \e"[$colour""m$text"\e"[$plain""m "
        end
    end
    # A process, and so only for those who ask for it, and only when the text is another one.
    if test -n "$AWSENV_TMUX"; and test -n "$TMUX_PANE"; and test "x$text" != "x$__awsenv_in_tmux"
        set -g __awsenv_in_tmux "$text"
        command tmux set-option -pqt $TMUX_PANE @awsenv "$text" </dev/null >/dev/null 2>&1
    end
end

# These three work on the variables of their caller.

# Sets `drift` when what AWS's tools read is not what we set.
function __awsenv_look_for_drift --no-scope-shadowing
    set -l identity "$AWS_ACCESS_KEY_ID"
    if test -n "$AWS_PROFILE"
        # Keys beside a profile: one SDK takes the first, another the second, so neither is what we set.
        test -n "$identity"; and set identity both:
        set identity $identity"profile:$AWS_PROFILE"
    end
    if test "x$identity" != "x$AWSENV_KEY_ID"
        set -l locale (string match -r '.+' -- $LC_ALL $LC_CTYPE $LANG)
        set drift !=
        string match -qir 'utf-?8' -- "$locale[1]"; and set drift ≠
        set colour 31
    end
end

# Sets `left`, and until when it will read like that.
function __awsenv_tell_time --no-scope-shadowing
    test -z "$drift"; and string match -qr '\A[0-9]{1,11}\z' -- "$AWSENV_EXPIRES_AT"; or return
    set -g __awsenv_since (__awsenv_clock)
    set left (builtin math $AWSENV_EXPIRES_AT - (__awsenv_clock_zero) - $__awsenv_since)
    if test $left -le 0
        set left expired!
        set colour 31
        set -g __awsenv_until 999999999999 # or until the clock is set back
        return
    end
    test $left -lt 600; and set colour 33
    set -g __awsenv_until (builtin math $__awsenv_since + $left % 60 + 1)
    if test $left -lt 60
        set -g __awsenv_until (builtin math $__awsenv_since + 1)
        set left $left's'
    else if test $left -lt 3600
        set left (builtin math "floor($left / 60)")m
    else
        set left (builtin printf '%dh%02dm' (builtin math "floor($left / 3600)") (builtin math "floor($left % 3600 / 60)"))
    end
end

# Sets `text`. What it is made of came through the environment: it may be anything.
function __awsenv_compose --no-scope-shadowing
    set -l class
    set -l label (string replace -ra '[^A-Za-z0-9_.@:/+=, -]' '?' -- "$AWSENV_LABEL" | string sub -l 64)
    set -l region (string replace -ra '[^A-Za-z0-9-]' '?' -- "$AWS_REGION" | string sub -l 32)
    switch "$AWSENV_CLASS"
        case prod
            set class prod # in words, too: not everyone sees colours
            set colour '37;41'
        case staging
            test $colour = 36; and set colour 33
    end

    # A narrow terminal: no region, and of the label so much that about half of the line stays free.
    if string match -qr '\A([1-9]|[123][0-9])\z' -- "$COLUMNS"
        set region
        set -l room (builtin math "max(4, floor($COLUMNS / 2) - "(string length -- "$class$left")" - 4)")
        if test (string length -- "$label") -gt (builtin math $room + 2)
            set -l half (builtin math "floor($room / 2)")
            set label (string sub -l (builtin math $room - $half) -- "$label")..(string sub -s -$half -- "$label")
        end
    end

    # Each field once, however often the list has it.
    set -l fields class label region left
    test -n "$AWSENV_FIELDS"; and set fields (string match -ra '[a-z]+' -- "$AWSENV_FIELDS")
    for field in $fields
        builtin contains -- $field class label region left; or continue
        test -n "$$field"; and set -a text "$$field"
        set $field
    end
    set text (string join ' ' -- $text $drift)
end

# ---- Completion -----------------------------------------------------------------------------------------------------

if status is-interactive; and set -q __awsenv_completions[1]
    builtin contains -- $__awsenv_completions $fish_complete_path
    or set -gp fish_complete_path $__awsenv_completions
end
true
