# awsenv for fish, the second part: what a shell needs only once its identity changes. awsenv.fish reads this file then.
# The two belong together: __awsenv_verbs at the end is the number of the protocol, which changes when their terms do.

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

# Ctrl-C in the backend cancels this function where it stands: nothing has changed by then.
function __awsenv_ask_and_apply
    set -l fish_trace
    set -l IFS \n # a user's empty IFS would keep the reply in one piece
    set -l changed
    if builtin contains -- $argv[1] off logout here
        set changed (__awsenv_list_changed)
    end

    # A local variable that isn't exported hides one of that name in the environment.
    set -l AWSENV_PREVIOUS
    set -l AWSENV_STASHED
    set -l AWSENV_CHANGED
    set -l AWSENV_STASH_FD
    set -l AWSENV_LEFT
    set -l AWSENV_NAMED
    if test $argv[1] = use; and test -n "$__awsenv_previous"
        set -x AWSENV_PREVIOUS $__awsenv_previous
    else if test $argv[1] = region; and test -n "$__awsenv_previous_region"
        set -x AWSENV_PREVIOUS $__awsenv_previous_region
    else if test $argv[1] = here
        set -x AWSENV_LEFT (__awsenv_look_back)
        set -x AWSENV_NAMED "$__awsenv_named"
    end
    if set -qg __awsenv_was
        set -x AWSENV_STASHED 1
    end
    set -l unasked
    if builtin contains -- --hook $argv
        set unasked 1
        set -fx AWSENV_HOOK 1
        test -n "$__awsenv_told"; and set AWSENV_HOOK $__awsenv_told
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
        case ': awsenv 1 wait *'
            __awsenv_heed $reply[-1]
            return 0
        case ': awsenv 1 stay*'
            # Nothing changes, but a person may have been told of something, and once is enough.
            set -l number (string match -rg ' stay ([0-9]{1,11})\z' -- $reply[-1])
            builtin contains -- "$number" $__awsenv_named; or set -gu __awsenv_named $__awsenv_named[-100..] $number
            return 0
        case ': awsenv 1 end'
        case ': awsenv * end'
            test -z "$unasked"; and builtin printf '%s\n' 'awsenv was updated: start a new shell or run: exec $SHELL' >&2
            return 1
        case '*'
            test -z "$unasked"; and __awsenv_say 'the reply was cut short; nothing changed'
            return 1
    end

    set -l before (__awsenv_identity)
    set -l region $AWS_REGION $AWS_DEFAULT_REGION
    # An identity that was here when the shell started belongs to an outer shell: its keys are not what `off` should bring back.
    if builtin contains -- $argv[1] use region here; and test -z "$before"; and not set -qg __awsenv_was
        __awsenv_stash
    end
    string join \n -- $reply | builtin source
    set -gu __awsenv_next 0
    set -gu __awsenv_watched none
    set -gu __awsenv_needs ''
    set -gu __awsenv_told ''
    # A logout from something else than what this shell lives on leaves it as it is.
    if test $argv[1] = off; or begin
            builtin contains -- $argv[1] logout here
            and test -n "$before" -a -z "$AWSENV_PROFILE"
        end
        __awsenv_restore $changed
    else if test $argv[1] != logout
        __awsenv_shadow
        __awsenv_remember
    end
    set -l after (__awsenv_identity)
    if test $argv[1] = region
        set -gu __awsenv_previous_region "$region[1]"
    else if test "x$before" != "x$after"
        set -gu __awsenv_previous_region '' # of an identity that is another one now
        test -z "$before"; or set -gu __awsenv_previous $before
    end
    __awsenv_settle_in $argv[1] "$before" "$after"
    return $code
end

# A shell that has become what a folder is for lives on that: __awsenv_lives_on says who that is, and __awsenv_before who
# it was, both as `OPTIONS -- PROFILE`. Whoever it has been made by hand since stays.

# Prints an x and who we were, for a shell that still is what its folder has made it.
function __awsenv_look_back
    set -l identity (__awsenv_identity)
    if test -n "$__awsenv_lives_on"; and test "x$__awsenv_lives_on" = "x$identity"
        builtin printf 'x%s\n' "$__awsenv_before"
    else
        set -gu __awsenv_lives_on ''
    end
end

# The verb, and who the shell was before it and is after it.
function __awsenv_settle_in
    if test $argv[1] = region
        test -n "$__awsenv_lives_on" -a "x$argv[2]" = "x$__awsenv_lives_on"; and set -gu __awsenv_lives_on "$argv[3]"
    else if test $argv[1] = here
        test -n "$__awsenv_lives_on" -a "x$argv[2]" = "x$__awsenv_lives_on"; or set -gu __awsenv_before "$argv[2]"
        set -gu __awsenv_lives_on "$argv[3]"
        if test "x$argv[3]" = "x$__awsenv_before"
            set -gu __awsenv_lives_on ''
        else if test -z "$argv[3]"
            set -gu __awsenv_previous $__awsenv_before # which the store had no more: `use -` leads there
        end
    end
    return 0
end

function __awsenv_identity
    if test -n "$AWSENV_PROFILE"
        string join ' ' -- $AWSENV_OPTIONS -- $AWSENV_PROFILE
    end
end

# When to ask again, and what a person has to do first.
function __awsenv_heed
    set -l words (string match -rg ' wait ([0-9]{1,3})(?: (login|mfa|refresh|failed))?\z' -- $argv[1]); or return
    set -gu __awsenv_next (builtin math (__awsenv_clock_zero) + (__awsenv_clock) + $words[1])
    switch "$words[2]"
        case login mfa refresh
            set -gu __awsenv_needs $words[2]
            set -gu __awsenv_told $words[2]
        case failed
            set -gu __awsenv_told $words[2]
    end
    return 0
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

# ---- What the prompt shows ------------------------------------------------------------------------------------------
# Those without a scope of their own work on the variables of their caller.

function __awsenv_draw_text
    set -l text
    set -l left
    set -l drift
    set -l colour 36
    set -l tab
    if test -n "$AWSENV_LABEL" -o "x$AWSENV_FOREIGN" = xon; and test -n "$AWS_ACCESS_KEY_ID$AWS_PROFILE"; and test "x$AWSENV_FIELDS" != xnone
        __awsenv_look_for_drift
        __awsenv_tell_time
        __awsenv_compose
        string match -q '* tab ' -- " $AWSENV_FIELDS "; and test -z "$drift"; and set tab "$AWSENV_CLASS"
    end
    test "x$tab" = "x$__awsenv_in_tab"; or __awsenv_mark_tab
    # A prompt that is a process of its own sees what is exported; it is for those who export it.
    if set -q AWSENV_SEGMENT
        set -gx AWSENV_SEGMENT "$text"
        if set -q AWSENV_ALARM
            set -gx AWSENV_ALARM ''
            if contains -- $colour 31 '37;41'
                set -gx AWSENV_ALARM "$text"
                set -gx AWSENV_SEGMENT ''
            end
        end
    end
    if test -n "$text"
        set -g __awsenv_segment "$text "
        if test -z "$NO_COLOR"; and test "x$TERM" != xdumb
            set -l plain 39
            test $colour = '37;41'; and set plain '39;49'
            set -g __awsenv_segment \e"[$colour""m$text"\e"[$plain""m "
        end
    end
    # A process, and so only for those who ask for it, and only when the text is another one.
    if test -n "$AWSENV_TMUX"; and test -n "$TMUX_PANE"; and test "x$text" != "x$__awsenv_in_tmux"
        set -g __awsenv_in_tmux "$text"
        command tmux set-option -pqt $TMUX_PANE @awsenv "$text" </dev/null >/dev/null 2>&1
    end
end

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
    test -n "$__awsenv_needs"; and set colour 31
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
    set -l label (string sub -l 64 -- "$AWSENV_LABEL")
    if test -n "$drift"
        # What AWS's tools would use instead, marked as foreign. Of a key's id, what tells it from another one.
        set -l key (string replace -r '(?s)\A(.{4}).+(.{4})\z' '$1..$2' -- "$AWS_ACCESS_KEY_ID")
        set label (string sub -l 48 -- "$AWS_PROFILE")
        set label (string join ' ' -- (string match -r '.+' -- $label $key))
    end
    set label (string replace -ra '[^A-Za-z0-9_.@:/+=, -]' '?' -- "$label")
    test -n "$drift"; and set label "$drift $label"
    set -l region (string replace -ra '[^A-Za-z0-9-]' '?' -- "$AWS_REGION" | string sub -l 32)
    switch "$drift$AWSENV_CLASS"
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
    # Whatever fields are wanted: who it is that isn't ours, and what has to be typed before ours can be renewed.
    if test -n "$drift"
        test -n "$label"; and set -a text "$label"
    else
        test -n "$__awsenv_needs"; and set -a text $__awsenv_needs!
    end
    set text (string join ' ' -- $text)
end

# For `[prompt] tab` in the settings: prod in the tab, by its colour or its title, and what was there before afterwards.
function __awsenv_mark_tab --no-scope-shadowing
    switch "$TERM:$TERM_PROGRAM:$LC_TERMINAL:$__awsenv_in_tab>$tab"
        case 'dumb:*' 'linux:*' ':*'
        case '*:iTerm*>prod'
            builtin printf '\033]6;1;bg;%s\007' 'red;brightness;200' 'green;brightness;30' 'blue;brightness;30' >&2
        case '*:iTerm*:prod>*'
            builtin printf '\033]6;1;bg;*;default\007' >&2
        case '*>prod'
            builtin printf '\033[22;2t\033]2;prod\007' >&2
        case '*:prod>*'
            builtin printf '\033[23;2t' >&2
    end
    set -g __awsenv_in_tab "$tab"
end

# What is due: only its caller, __awsenv_renew, knows that it is.
function __awsenv_renew_now
    set -l now (builtin math (__awsenv_clock_zero) + $__awsenv_since_due)
    set -l drift
    set -l colour
    __awsenv_look_for_drift
    test -z "$drift" -a "x$AWSENV_REFRESH" != xoff -a -n "$AWSENV_PROFILE"; and __awsenv_is_found; or return 0
    set -l waiting
    if test $argv[1] = command; and string match -qr '\A[0-9]{1,11}\z' -- "$AWSENV_EXPIRES_AT"
        test $now -ge $AWSENV_EXPIRES_AT; and set waiting --wait
    end
    __awsenv_change refresh --hook $waiting </dev/null
    set -g __awsenv_drawn '' # whatever came of it
    return 0
end

set -gu __awsenv_verbs 1
