# awsenv for fish 3.4 and later: the `awsenv` function, `__awsenv_segment_text` for a prompt, and completion.
#
# `awsenv init fish` prints this file after five assignments: __awsenv_python, __awsenv_main, __awsenv_store,
# __awsenv_completions and __awsenv_shell. Loaded without them, the function asks `command awsenv init --values fish` at
# its first use. What a new shell does not need is in awsenv-verbs.fish, in the folder __awsenv_shell.
#
# Scopes are always spelled out. A bare `set` or `set -x` would write to a universal variable of that name, and so to
# every fish of this user, now and later.

set -gu __awsenv_verbs '' # nothing of the second file, or of an older one

# ---- The command ----------------------------------------------------------------------------------------------------

function awsenv --description 'Switch AWS identity in this shell'
    set -l fish_trace # empty: nothing below is traced, nor in what it calls
    __awsenv_ready; or return
    if __awsenv_is_captured $argv
        __awsenv_change $argv
    else
        # It may be a login, which lets be renewed what could not be.
        set -gu __awsenv_next 0
        set -gu __awsenv_watched none
        if test "$argv[1]" = trust # this very folder's .awsenv, maybe
            set -gu __awsenv_here ''
            set -gu __awsenv_place ''
        end
        set -lx AWSENV_STORE $__awsenv_store
        command $__awsenv_python -I -S $__awsenv_main $argv
    end
end

# The verbs that change this shell; the rest, and all help, keeps the terminal to itself.
function __awsenv_is_captured
    builtin contains -- "$argv[1]" use here off refresh logout region; or return 1
    test "$argv" != region; or return 1
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
    set -l beside $__awsenv_shell
    if command -sq awsenv
        set -l IFS \n
        set -l values (command awsenv init --values fish </dev/null 2>/dev/null)
        if test $status -eq 0 -a "$values[-1]" = ': awsenv 1 end'
            string join \n -- $values | builtin source
            # The one that came with this file.
            test -n "$beside" -a -r "$beside/awsenv-verbs.fish"; and set -g __awsenv_shell $beside
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

function __awsenv_change
    set -l fish_trace
    __awsenv_load_verbs $argv; or return
    __awsenv_ask_and_apply $argv
end

# Reads the second file, once; a prompt that has something to show comes here too. A hook says nothing of its troubles.
function __awsenv_load_verbs
    test "$__awsenv_verbs" = 1; and return 0
    set -qg __awsenv_shell[1]; or __awsenv_ready 2>/dev/null
    set -l file "$__awsenv_shell/awsenv-verbs.fish"
    if not test -f "$file" -a -r "$file"
        builtin contains -- --hook $argv
        or __awsenv_say "cannot read $file: nothing changed (was awsenv moved or removed?)"
        return 127
    end
    builtin source $file 2>/dev/null
    test "$__awsenv_verbs" = 1; and return 0
    builtin contains -- --hook $argv
    or __awsenv_say "$file is not of this version: start a new shell or run: exec \$SHELL"
    return 127
end

# ---- The prompt segment ---------------------------------------------------------------------------------------------
# Most prompts find it as it was: it is drawn anew only when something that it shows has changed, or its time would read
# differently.

set -gu __awsenv_segment ''
set -gu __awsenv_drawn ''
set -gu __awsenv_since
set -gu __awsenv_until
set -gu __awsenv_in_tmux ''
set -gu __awsenv_in_tab ''

# For fish_prompt or fish_right_prompt: prints the text and a blank, without a newline, or nothing. No process starts here.
function __awsenv_segment_text
    set -l code $status
    set -l fish_trace
    # No event for this: the text is worked out when the prompt asks for it.
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
    # With nobody to show, and nobody shown, the second file is not needed.
    test -n "$AWSENV_LABEL$__awsenv_in_tab$__awsenv_in_tmux$AWSENV_SEGMENT$AWSENV_ALARM" -o "x$AWSENV_FOREIGN" = xon; or return 0
    __awsenv_load_verbs --hook; and __awsenv_draw_text
    return 0
end

# ---- Renewal --------------------------------------------------------------------------------------------------------
# __awsenv_due is when the backend is asked next, by the clock above, so that a prompt and a command each compare two
# numbers and no more; __awsenv_next is before when it may not be asked, in seconds since 1970. What it needs of a person
# is in __awsenv_needs, and what of that was said in __awsenv_told.

set -gu __awsenv_next 0
set -gu __awsenv_watched none
set -gu __awsenv_since_due 0
set -gu __awsenv_due
set -gu __awsenv_needs ''
set -gu __awsenv_told ''

# Where we have looked last, the folder that was found, and what the second file remembers of it.
set -gu __awsenv_here ''
set -gu __awsenv_place ''
set -qg __awsenv_lives_on; or set -gu __awsenv_lives_on ''
set -qg __awsenv_before; or set -gu __awsenv_before ''
set -qg __awsenv_named; or set -gu __awsenv_named

if status is-interactive
    function __awsenv_at_prompt --on-event fish_prompt
        set -l fish_trace
        test "x$PWD" = "x$__awsenv_here"; or __awsenv_look_around
        if test "x$AWSENV_REFRESH_AT" = "x$__awsenv_watched"
            set -q __awsenv_due[1]; or return
            set -l clock (__awsenv_clock)
            test "$clock" -ge $__awsenv_since_due -a "$clock" -lt $__awsenv_due; and return
        end
        __awsenv_renew prompt
    end

    # What is exported, and the tab, are drawn whether or not a prompt asks for the text.
    function __awsenv_draw_unasked --on-event fish_prompt
        set -q AWSENV_SEGMENT; or set -q AWSENV_FIELDS; or test -n "$__awsenv_in_tab"; or return
        set -l fish_trace
        __awsenv_segment_text >/dev/null
    end

    # fish runs the command whatever becomes of this: after Ctrl-C, too.
    function __awsenv_before_command --on-event fish_preexec
        set -l fish_trace
        if test "x$AWSENV_REFRESH_AT" = "x$__awsenv_watched"
            set -q __awsenv_due[1]; or return
            set -l clock (__awsenv_clock)
            test "$clock" -ge $__awsenv_since_due -a "$clock" -lt $__awsenv_due; and return
        end
        # awsenv has its own way with what has expired.
        string match -qr '\A *awsenv( |\z)' -- "$argv[1]"; or __awsenv_renew command
    end
end

# After a `cd`: is this folder, or the nearest above it, for an identity? For a "no" no process starts; a path that only
# seems to stand in the settings is for the backend to read.
function __awsenv_look_around
    set -gu __awsenv_here "$PWD"
    set -l place ''
    set -l folders
    if test "x$AWSENV_PLACES" != xoff; and string match -qr '\A/[^\n]+\z' -- $PWD
        set -l folder ''
        for name in (string split -n / -- $PWD)
            set folder $folder/$name
            set -p folders $folder
        end
        set -l settings "$HOME/.config/awsenv/config.toml"
        test -n "$XDG_CONFIG_HOME"; and set settings "$XDG_CONFIG_HOME/awsenv/config.toml"
        test -f $settings; or set settings "$HOME/Library/Application Support/awsenv/config.toml"
        # The paths before an equals sign, as they are written and with ~ spelled out.
        set -l written
        if test -f $settings -a -r $settings
            set written (string match -ar '(?:"[~/][^"]*"|\'[~/][^\']*\')(?=\s*=)' <$settings | string trim -c '"\'' | string trim -rc /)
            set written $written $HOME(string match -rg '\A~(.*)' -- $written)
        end
        for folder in $folders[1..64]
            if test -f "$folder/.awsenv"; or builtin contains -- $folder $written
                set place $folder
                break
            end
        end
    end
    test "x$place" = "x$__awsenv_place"; and return 0
    set -gu __awsenv_place "$place"
    test -n "$place$__awsenv_lives_on"; and __awsenv_is_found; or return 0
    __awsenv_change here --hook </dev/null
    set -g __awsenv_drawn '' # whatever came of it
    return 0
end

function __awsenv_set_due
    set -gu __awsenv_watched "$AWSENV_REFRESH_AT"
    set -gu __awsenv_due
    string match -qr '\A[0-9]{1,11}\z' -- "$AWSENV_REFRESH_AT"; or return
    set -gu __awsenv_since_due (__awsenv_clock)
    set -l zero (__awsenv_clock_zero)
    if test $__awsenv_next -gt (builtin math $zero + $__awsenv_since_due + 300)
        set -gu __awsenv_next 0 # the clock was set back
    end
    set -gu __awsenv_due (builtin math "max($AWSENV_REFRESH_AT, $__awsenv_next) - $zero")
end

# Where it is due: takes over what somebody has renewed, or has it renewed behind the scenes. Before a command, keys that
# have expired are waited for.
function __awsenv_renew
    __awsenv_set_due
    set -q __awsenv_due[1]; and test $__awsenv_since_due -ge $__awsenv_due; or return 0
    # First: Ctrl-C ends this function where it stands.
    set -gu __awsenv_next (builtin math (__awsenv_clock_zero) + $__awsenv_since_due + 60)
    __awsenv_set_due
    __awsenv_load_verbs --hook; and __awsenv_renew_now $argv
    __awsenv_set_due
    return 0
end

# ---- Completion -----------------------------------------------------------------------------------------------------

if status is-interactive; and set -q __awsenv_completions[1]
    builtin contains -- $__awsenv_completions $fish_complete_path
    or set -gp fish_complete_path $__awsenv_completions
end
true
