"""Every trap of shells that has bitten somebody's shim or prompt: which test holds ours to it, and those not told elsewhere.

The table names a test for each trap by its id (b: hooks of bash, p: prompts, z: zsh, f: fish, e: the eval and the
environment, c: completion) or by its name. A trap is here because it was reproduced once, in one of the shells.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from awsenv import assets
from awsenv.render.shells import DIALECTS
from tests.shells import BASH, POSIX, ROOT, SHELLS, Result, Shell
from tests.test_shim_contract import changing, keys, make, managed

CONTRACT, PROMPT, HERE, TAB = "test_shim_contract", "test_prompt", "test_traps", "test_completion"
END, LINT, SINKS, README = "test_end_to_end", "test_shell_lint", "test_sinks", "test_readme"

TRAPS = {
    # -- hooks of bash
    "b1 each hook of an array has the user's status": [(HERE, "test_later_hooks_see_the_users_status_and_pipestatus")],
    "b2 before 5.1 only element 0 of an array runs": [(CONTRACT, "test_older_bash_is_hooked_on_a_new_line")],
    "b3 a hook in front collapses PIPESTATUS": [(HERE, "test_later_hooks_see_the_users_status_and_pipestatus")],
    "b4 the next command has the user's status": [
        (CONTRACT, "test_the_prompt_leaves_the_status_alone"),
        (HERE, "test_the_next_command_sees_the_users_last_word"),
    ],
    "b5 nounset in a hook": [(HERE, "test_under_nounset_a_prompt_is_silent_and_the_other_hooks_run")],
    "b6 errexit and a hook that ends false": [(CONTRACT, "test_under_set_e_a_prompt_does_not_end_the_shell")],
    "b7 errexit and a hook that returns the status": [(CONTRACT, "test_under_set_e_a_prompt_does_not_end_the_shell")],
    "b8 an empty array under nounset": [(LINT, "test_no_array_that_may_be_empty_is_expanded_bare")],
    "b9 any ending of PROMPT_COMMAND": [(HERE, "test_the_hook_runs_behind_a_prompt_command_of_any_ending")],
    "b10 sourced twice": [(CONTRACT, "test_bash_is_hooked_first_in_the_array"), (CONTRACT, "test_zsh_is_hooked_once")],
    "b11 a tool that overwrites PROMPT_COMMAND": [
        (HERE, "test_a_hook_that_was_put_out_is_back_after_the_next_use"),
        (HERE, "test_a_hook_that_another_tool_runs_is_not_registered_again"),
    ],
    "b12 before prompts that are computed": [
        (CONTRACT, "test_bash_is_hooked_first_in_the_array"),
        (PROMPT, "test_a_prompt_made_anew_each_time_may_hold_the_text_itself"),
    ],
    "b13 PS1 belongs to others": [
        (HERE, "test_the_prompt_is_never_assigned"),
        (PROMPT, "test_loading_leaves_the_prompt_alone"),
    ],
    "b14 EPOCHSECONDS unset": [(HERE, "test_without_epochseconds_the_time_is_right")],
    "b15 the time without a process": [
        (PROMPT, "test_it_starts_no_process"),
        (HERE, "test_seconds_set_back_does_not_move_the_time"),
    ],
    "b16 what bash 3.2 lacks": [
        (LINT, "test_what_bash_3_2_lacks_stands_behind_a_question_for_the_version"),
        (CONTRACT, "test_bash_3_2_can_read_the_shim"),
    ],
    "b17 posix mode": [
        (CONTRACT, "test_loading_prints_nothing_and_can_be_repeated"),
        (HERE, "test_in_posix_mode_the_prompt_follows"),
    ],
    "b18 an alias of our name": [(CONTRACT, "test_loading_over_an_alias_of_that_name")],
    "b19 aliases over builtins": [(CONTRACT, "test_aliases_over_builtins_change_nothing")],
    "b20 digits in IFS": [
        (CONTRACT, "test_it_works_whatever_the_user_has_set"),
        (PROMPT, "test_it_shows_the_same_whatever_the_user_has_set"),
    ],
    "b21 noclobber": [(CONTRACT, "test_it_works_whatever_the_user_has_set")],
    "b22 allexport": [(CONTRACT, "test_set_a_exports_nothing_of_the_shim")],
    "b23 job control noise": [(HERE, "test_no_job_of_ours_is_ever_announced_or_waited_for")],
    "b24 type-ahead": [(HERE, "test_what_is_typed_ahead_is_run_afterwards")],
    "b25 Ctrl-C during the call": [(CONTRACT, "test_ctrl_c_during_the_call_changes_nothing")],
    # -- prompts
    "p1 a name in PS1 is executed": [(PROMPT, "test_hostile_values_on_a_real_prompt")],
    "p2 promptvars off": [(PROMPT, "test_a_prompt_made_anew_each_time_may_hold_the_text_itself")],
    "p3 colour that takes room on the line": [
        (PROMPT, "test_readline_knows_how_wide_it_is"),
        (PROMPT, "test_bash_without_line_editing_gets_no_marks_for_readline"),
    ],
    "p4 percent signs": [(PROMPT, "test_hostile_values_on_a_real_prompt")],
    "p5 psvar": [
        (PROMPT, "test_beside_a_theme_that_substitutes_in_its_prompt"),
        (PROMPT, "test_the_users_own_psvar_is_kept"),
    ],
    "p6 control characters in a name": [(PROMPT, "test_no_value_runs_anything_or_reaches_the_terminal_raw")],
    "p7 one more segment a nested shell": [(PROMPT, "test_the_readmes_line_turns_it_on_and_says_it_once")],
    "p8 vi-mode redraws the prompt": [(PROMPT, "test_vi_mode_can_redraw_the_prompt")],
    "p9 p10k instant prompt": [
        (HERE, "test_loading_needs_no_terminal_and_prints_nothing"),
        (PROMPT, "test_the_instant_prompt_makes_the_same_calls_in_any_environment"),
    ],
    "p10 recursive prompt_subst": [(PROMPT, "test_beside_a_theme_that_substitutes_in_its_prompt")],
    # -- zsh
    "z1 each precmd function has the user's status": [(HERE, "test_later_hooks_see_the_users_status_and_pipestatus")],
    "z2 ksh_arrays, sh_word_split, warn_create_global, no_aliases": [(CONTRACT, "test_zsh_options_change_nothing")],
    "z3 xtrace inside emulate": [(CONTRACT, "test_no_secret_is_traced")],
    "z4 global aliases": [(CONTRACT, "test_global_aliases_of_zsh_change_nothing")],
    "z5 csh_junkie_quotes": [(CONTRACT, "test_zsh_options_change_nothing")],
    "z6 compdef before compinit": [(CONTRACT, "test_completion_is_read_at_the_first_tab")],
    "z7 without zsh/datetime": [(HERE, "test_a_zsh_without_modules_tells_the_time")],
    "z8 job control noise": [(HERE, "test_no_job_of_ours_is_ever_announced_or_waited_for")],
    "z9 -ic and scripts never draw a prompt": [
        (CONTRACT, "test_a_script_gets_no_hook"),
        (END, "test_exec_becomes_the_command_and_leaves_nothing_in_the_shell"),
        (HERE, "test_a_shell_that_runs_one_command_interactively_is_no_trouble"),
    ],
    "z10 fpath is broken": [(HERE, "test_a_broken_fpath_hinders_nothing")],
    # -- fish
    "f1 universal variables": [(CONTRACT, "test_universal_variables_are_hidden_or_named_and_never_touched")],
    "f2 partial output is sourced": [(CONTRACT, "test_cut_at_any_byte_the_environment_is_old_or_wholly_new")],
    "f3 a reply of several lines": [(CONTRACT, "test_use_changes_exactly_what_the_reply_says")],
    "f4 the time without a process": [(PROMPT, "test_it_asks_the_kernel_for_no_process_and_no_file")],
    "f5 fish_trace": [(CONTRACT, "test_no_secret_is_traced")],
    "f6 functions named like builtins": [(CONTRACT, "test_functions_named_like_builtins_change_nothing")],
    "f7 status and fish_prompt stay": [
        (PROMPT, "test_fish_keeps_the_status_for_the_rest_of_the_prompt"),
        (PROMPT, "test_loading_leaves_the_prompt_alone"),
    ],
    "f8 the reply comes on stdout": [(CONTRACT, "test_the_terminal_belongs_to_an_uncaptured_command")],
    "f9 vendor_conf.d": [
        (HERE, "test_fish_loads_it_from_vendor_conf_d"),
        (README, "test_the_wheel_carries_shims_and_completions_where_installers_place_them"),
    ],
    # -- the eval, secrets, the environment
    "e1 xtrace": [
        (CONTRACT, "test_no_secret_is_traced"),
        (SINKS, "test_no_secret_is_in_an_argument_a_trace_an_error_or_a_file_beside_the_keys"),
    ],
    "e2 local masks the status": [(CONTRACT, "test_a_failure_evaluates_nothing_and_keeps_the_status")],
    "e3 failure, or no last line": [(CONTRACT, "test_a_reply_without_the_last_line_is_not_evaluated")],
    "e4 subshells and pipes": [(CONTRACT, "test_in_a_subshell_it_says_once_that_only_that_changes")],
    "e5 direnv behind our back": [
        (HERE, "test_a_folder_that_sets_a_profile_of_its_own_shows_as_drift_while_one_is_in_it")
    ],
    "e6 tmux": [
        (HERE, "test_a_new_tmux_pane_shows_only_what_it_has_credentials_for"),
        (PROMPT, "test_in_tmux_the_prompt_stands_right_and_the_pane_knows_the_text"),
    ],
    "e7 history": [(HERE, "test_no_secret_gets_into_the_history")],
    "e8 variables of other tools": [(END, "test_off_puts_back_exactly_what_was_there")],
    "e9 the expiry's form": [(HERE, "test_the_expiry_that_other_tools_read_has_its_zone")],
    "e10 a label without credentials": [(PROMPT, "test_it_is_empty_without_label_or_credentials")],
    "e11 other programs of our name in PATH": [(HERE, "test_no_python_and_no_awsenv_of_the_path_is_called")],
    # -- completion
    "c1 names that need quotes": [(TAB, "test_names_arrive_exactly_and_nothing_runs")],
    "c2 a colon in a name": [(TAB, "test_a_colon_in_a_name_is_no_obstacle")],
    "c3 compgen -W": [(LINT, "test_no_data_is_ever_handed_to_what_evaluates_it")],
    "c4 unquoted candidates": [(TAB, "test_names_arrive_exactly_and_nothing_runs")],
    "c5 bash-completion loads lazily": [
        (CONTRACT, "test_completion_is_read_at_the_first_tab"),
        (README, "test_the_wheel_carries_shims_and_completions_where_installers_place_them"),
    ],
    "c6 compinit is the user's": [(LINT, "test_compinit_is_left_to_the_user")],
    # -- by name
    "exec $SHELL": [(HERE, "test_exec_shell_keeps_the_identity_and_its_label")],
    "nested shells": [
        (HERE, "test_off_in_a_nested_shell_is_for_that_shell_alone"),
        (CONTRACT, "test_off_in_a_nested_shell_unsets_and_restores_nothing"),
    ],
    "functrace": [
        (HERE, "test_with_a_debug_trap_inherited_by_functions_it_all_works"),
        (CONTRACT, "test_no_secret_is_traced"),
    ],
    "a shim older or newer than the backend": [
        (CONTRACT, "test_another_protocol_is_named_in_words"),
        (HERE, "test_a_shim_of_another_protocol_is_told_so_by_the_backend"),
    ],
    "the backend is gone": [
        (CONTRACT, "test_without_any_awsenv_the_shell_stays_usable"),
        (HERE, "test_when_the_backend_goes_while_the_shell_is_open_the_prompt_lives_on"),
    ],
    "Ctrl-C in the middle of the eval": [(CONTRACT, "test_an_interrupt_in_the_middle_of_the_eval_waits_for_its_end")],
    "Ctrl-C at the MFA prompt": [
        (END, "test_f23_ctrl_c_at_the_mfa_prompt_leaves_shell_terminal_and_store_as_they_were")
    ],
    "Ctrl-C at any other moment": [(HERE, "test_ctrl_c_at_any_moment_of_a_use_is_quiet")],
    "Ctrl-C while AWS is slow": [(HERE, "test_ctrl_c_while_aws_is_slow_changes_nothing_and_leaves_no_lock")],
    "Ctrl-C while another shell has the lock": [
        (HERE, "test_ctrl_c_while_another_shell_is_at_it_stops_this_one_alone")
    ],
    "Ctrl-C while the shim asks where the backend is": [
        (HERE, "test_ctrl_c_while_asking_for_the_values_leaves_the_shell_as_it_was")
    ],
    "the backend is killed at the MFA prompt": [
        (HERE, "test_a_backend_killed_at_its_question_leaves_a_terminal_that_echoes")
    ],
    "stdin is a pipe": [(HERE, "test_an_mfa_code_is_asked_for_on_the_terminal_even_if_stdin_is_none")],
}


def test_every_trap_is_held_by_a_test_that_exists() -> None:
    for trap, held in TRAPS.items():
        assert held, trap
        for module, name in held:
            assert f"\ndef {name}(" in (ROOT / "tests" / f"{module}.py").read_text(), f"{trap}: no {module}.py::{name}"


def test_no_trap_is_missing_from_the_table() -> None:
    found = {trap.split(" ")[0] for trap in TRAPS}
    expected = {
        f"{kind}{n}"
        for kind, last in (("b", 25), ("p", 10), ("z", 10), ("f", 9), ("e", 11), ("c", 6))
        for n in range(1, last + 1)
    }
    assert expected <= found


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    return make(request.param, tmp_path)


@pytest.fixture(params=POSIX)
def posix(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    return make(request.param, tmp_path)


@pytest.fixture(params=BASH)
def bash(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    return make(request.param, tmp_path)


# ---- Hooks ----------------------------------------------------------------------------------------------------------


def test_later_hooks_see_the_users_status_and_pipestatus(posix: Shell) -> None:
    statuses = '"${pipestatus[*]}"' if posix.family == "zsh" else '"${PIPESTATUS[*]}"'
    later = f"later() {{ echo later' '$? {statuses}; }}\n"
    # Before 5.1 nothing can be put in front of a hook without that: there it is ours that comes last.
    with posix.terminal(
        before=later + ("precmd_functions=(later)" if posix.family == "zsh" else "PROMPT_COMMAND=later")
    ) as terminal:
        terminal.ask("awsenv use dev")
        assert "later 4 3 4\n" in terminal.ask("(exit 3) | (exit 4)")


def test_the_next_command_sees_the_users_last_word(bash: Shell) -> None:
    with bash.terminal() as terminal:
        terminal.ask("awsenv use dev")
        terminal.ask("true one two")
        assert "last two" in terminal.ask("echo la'st' $_")


def test_under_nounset_a_prompt_is_silent_and_the_other_hooks_run(posix: Shell) -> None:
    later = "later() { echo lat''er; }\n" + (
        "precmd_functions+=(later)" if posix.family == "zsh" else "PROMPT_COMMAND=later"
    )
    with posix.terminal(before="set -u\n" + later) as terminal:
        assert terminal.ask(":") == "\nlater\n"
        terminal.ask("awsenv use dev")
        for name in ("AWSENV_LABEL", "AWSENV_KEY_ID", "AWS_ACCESS_KEY_ID", "COLUMNS", "LANG"):
            assert terminal.ask(f"unset {name}") == "\nlater\n"


@pytest.mark.parametrize("ending", ["", ";", "; ", "\n", " # a comment", " &"])
def test_the_hook_runs_behind_a_prompt_command_of_any_ending(bash: Shell, ending: str) -> None:
    with bash.terminal(
        before=f"theirs() {{ echo the''irs; }}\nPROMPT_COMMAND={bash.quote('theirs' + ending)}"
    ) as terminal:
        for _ in range(20):  # a hook in the background may print late
            if "theirs" in terminal.ask("awsenv use dev"):
                break
        else:
            raise AssertionError("their hook does not run")
        assert "dev/Admin" in terminal.segment


def hooks_of(shell: Shell) -> str:
    """A statement that prints the hooks, one a line."""
    if shell.family == "zsh":
        return 'printf "%s\\n" "hook:${^precmd_functions[@]}"'
    return 'for h in "${PROMPT_COMMAND[@]}"; do echo "hook:$h"; done'


def test_a_hook_that_was_put_out_is_back_after_the_next_use(posix: Shell) -> None:
    overwrite = "precmd_functions=(:)" if posix.family == "zsh" else "PROMPT_COMMAND=:"
    with posix.terminal(before=posix.load + overwrite) as terminal:
        terminal.ask(overwrite)
        terminal.ask("awsenv use dev")
        assert "dev/Admin" in terminal.segment
        terminal.ask(overwrite)
        terminal.ask("awsenv use prod")
        terminal.ask("awsenv use prod")
        assert "prod/Admin" in terminal.segment
        assert terminal.ask(hooks_of(posix)).replace("\n", " ").count("__awsenv_hook") == 1
        assert "hook::" in terminal.ask(hooks_of(posix))
        terminal.ask(overwrite)
        terminal.ask("awsenv off")
        assert terminal.segment == ""


@pytest.mark.parametrize("tool", ["STARSHIP_PROMPT_COMMAND", "__vsc_original_prompt_command", "in front", "behind"])
def test_a_hook_that_another_tool_runs_is_not_registered_again(bash: Shell, tool: str) -> None:
    # starship keeps element 0 and takes its place; VS Code keeps all of it, as an array where it is one.
    after = {
        "STARSHIP_PROMPT_COMMAND": "STARSHIP_PROMPT_COMMAND=$PROMPT_COMMAND\ntool() { eval \"$STARSHIP_PROMPT_COMMAND\"; }\nPROMPT_COMMAND=tool",
        "__vsc_original_prompt_command": '__vsc_original_prompt_command=("${PROMPT_COMMAND[@]}")\n'
        'tool() { local c; for c in "${__vsc_original_prompt_command[@]}"; do eval "$c"; done; }\nunset PROMPT_COMMAND\nPROMPT_COMMAND=tool',
        "in front": "tool() { :; }\nPROMPT_COMMAND=\"tool;$PROMPT_COMMAND\"",
        "behind": "tool() { :; }\nPROMPT_COMMAND=\"$PROMPT_COMMAND;tool\"",
    }  # fmt: skip
    with bash.terminal() as terminal:
        (bash.home / "later").write_text(after[tool])
        terminal.ask("source ./later")
        terminal.ask(bash.load.strip())
        terminal.ask("awsenv use dev")
        assert "dev/Admin" in terminal.segment
        held = terminal.ask(hooks_of(bash)).count("__awsenv_hook")
        assert held == (0 if tool.isupper() or tool.startswith("_") else 1)


def test_the_prompt_is_never_assigned(posix: Shell) -> None:
    with posix.terminal() as terminal:
        assert "readonly" not in terminal.ask("readonly PS1 PS2 PS4")
        for verb in ("use dev", "use prod", "refresh", "off"):
            assert "read-only" not in terminal.ask(f"awsenv {verb}").replace("readonly", "read-only")
        terminal.ask("awsenv use dev")
        assert "dev/Admin" in terminal.segment


def test_without_epochseconds_the_time_is_right(bash: Shell) -> None:
    with bash.terminal() as terminal:
        terminal.ask("unset EPOCHSECONDS")
        terminal.ask("awsenv use dev")
        terminal.ask(f"export AWSENV_EXPIRES_AT={int(time.time()) + 47 * 60 + 30}")
        assert "47m" in terminal.segment
        terminal.ask("EPOCHSECONDS=soon")
        assert "47m" in terminal.segment


def test_seconds_set_back_does_not_move_the_time(tmp_path: Path) -> None:
    bash = make("bash-old", tmp_path)
    # bash 3.2 has no clock but SECONDS; today's bash is kept from the one that it has since 4.2.
    assert bash.shim.count("__awsenv_bash=302") == 1
    with bash.terminal() as terminal:
        terminal.ask("awsenv use dev")
        for seconds in ("100000", "5", "0", "90000"):
            terminal.ask(f"export AWSENV_EXPIRES_AT={int(time.time()) + 47 * 60 + 30}; SECONDS={seconds}")
            if seconds != "100000" and seconds != "90000":
                terminal.ask(":")
                assert "47m" in terminal.segment, seconds


def test_in_posix_mode_the_prompt_follows(posix: Shell) -> None:
    mode = "emulate sh" if posix.family == "zsh" else "set -o posix"
    with posix.terminal() as terminal:
        terminal.ask(mode)
        for profile in ("dev", "prod"):
            assert terminal.ask(f"awsenv use {profile}") == "\n"
            assert f"{profile}/Admin" in terminal.segment
        assert terminal.ask("awsenv off") == "\n"
        assert terminal.segment == ""


def test_with_a_debug_trap_inherited_by_functions_it_all_works(posix: Shell) -> None:
    trap = (
        "setopt debug_before_cmd; trap 'debugged=1' DEBUG"
        if posix.family == "zsh"
        else "set -o functrace; trap 'debugged=1' DEBUG"
    )
    with posix.terminal() as terminal:
        terminal.ask(trap)
        listing = terminal.ask("trap" if posix.family == "zsh" else "trap -p DEBUG")
        assert "debugged=1" in listing
        assert terminal.ask("awsenv use dev") == "\n"
        assert "dev/Admin" in terminal.segment
        assert terminal.ask("trap" if posix.family == "zsh" else "trap -p DEBUG") == listing
        assert "debugged 1" in terminal.ask("echo debug'ged' $debugged")
        assert terminal.ask("awsenv off") == "\n"


# ---- The terminal ---------------------------------------------------------------------------------------------------


def test_no_job_of_ours_is_ever_announced_or_waited_for(shell: Shell) -> None:
    with shell.terminal() as terminal:
        said = "".join(
            terminal.ask(line) for line in ("awsenv use dev", ":", "awsenv refresh", ":", "awsenv off", ":", "jobs")
        )
        assert not re.search(r"\[\d+\]|Done|Terminated|running|has ended|%\d", said), said
        began = time.monotonic()
        terminal.ask("wait")
        assert time.monotonic() - began < 5


def test_what_is_typed_ahead_is_run_afterwards(shell: Shell) -> None:
    shell.stub.answer("use slow", **changing(keys("slow")), sleep=0.7)
    with shell.terminal() as terminal:
        terminal.child.sendline("awsenv use slow")
        while not shell.stub.calls:
            time.sleep(0.01)
        terminal.child.sendline("echo typed ah''ead as $AWSENV_PROFILE")
        terminal.child.expect("typed ahead as slow")
        terminal.wait()
        assert "slow/Admin" in terminal.segment


def test_loading_needs_no_terminal_and_prints_nothing(shell: Shell) -> None:
    script = shell.load + "awsenv use dev; " + shell.dump("after")
    done = subprocess.run([*shell.argv("-i"), "-c", script], env=shell.env, cwd=shell.home, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, start_new_session=True, timeout=30)  # fmt: skip
    noise = ("bash: cannot set terminal process group", "bash: no job control")
    assert (done.stdout, [line for line in done.stderr.splitlines() if not line.startswith(noise)]) == ("", [])
    assert managed(Result(0, "", "", shell.home).environment("after")) == keys("dev")


def test_no_secret_gets_into_the_history(shell: Shell) -> None:
    with shell.terminal() as terminal:
        if shell.family == "bash":
            terminal.ask("set -o history")
        terminal.ask("awsenv use dev")
        terminal.ask("awsenv off")
        listed = terminal.ask({"bash": "history", "zsh": "fc -l 1", "fish": "history | cat"}[shell.family])
        assert "AWS_SECRET" not in listed and keys("dev")["AWS_SECRET_ACCESS_KEY"] not in listed
        if shell.family != "fish":  # it keeps none without a configuration
            assert "awsenv use dev" in listed


def test_ctrl_c_while_asking_for_the_values_leaves_the_shell_as_it_was(shell: Shell) -> None:
    program = shell.home / "bin/awsenv"
    program.parent.mkdir()
    answer = shell.home / "values"
    answer.write_text(shell.preamble + ": awsenv 1 end\n")
    program.write_text(
        f"#!/bin/sh\necho asked >>{shell.home}/asked\n[ -e {shell.home}/quick ] || sleep 30\ncat {answer}\n"
    )
    program.chmod(0o755)
    shell.values = {}
    with shell.terminal(env={"PATH": f"{program.parent}:{shell.env['PATH']}"}) as terminal:
        terminal.interrupt_when((shell.home / "asked").exists, "awsenv use dev")
        assert terminal.segment == "" and shell.stub.calls == []
        (shell.home / "quick").touch()
        terminal.ask("awsenv use dev")
        assert "dev/Admin" in terminal.segment


def test_when_the_backend_goes_while_the_shell_is_open_the_prompt_lives_on(shell: Shell) -> None:
    with shell.terminal(env={"PATH": "/usr/bin:/bin"}) as terminal:
        terminal.ask("awsenv use dev")
        shell.stub.main.unlink()
        for _ in range(2):
            assert not re.search("awsenv|rror|No such", terminal.ask("true"))
            assert "dev/Admin" in terminal.segment
        said = terminal.ask("awsenv use prod")
        assert said.count("awsenv:") == 1 and "cannot find the awsenv program" in said
        assert "status 127" in terminal.ask(shell.said())
        assert "dev/Admin" in terminal.segment


def test_a_folder_that_sets_a_profile_of_its_own_shows_as_drift_while_one_is_in_it(shell: Shell) -> None:
    with shell.terminal() as terminal:
        terminal.ask("awsenv use prod")
        terminal.ask(shell.export("AWS_PROFILE", "of-the-folder"))
        assert "≠" in terminal.segment
        terminal.ask(shell.unset("AWS_PROFILE"))
        assert "≠" not in terminal.segment and "prod/Admin" in terminal.segment


def test_no_python_and_no_awsenv_of_the_path_is_called(shell: Shell) -> None:
    folder = shell.home / "shims"
    folder.mkdir()
    for name in ("python", "python3", Path(sys.executable).name, "awsenv", "env", "date"):
        (folder / name).write_text(f"#!/bin/sh\necho {name} >>{shell.home}/called\n")
        (folder / name).chmod(0o755)
    shell.run("awsenv use dev; awsenv refresh; awsenv list; awsenv off", env={"PATH": f"{folder}:{os.environ['PATH']}"})
    assert len(shell.stub.calls) == 4
    assert not (shell.home / "called").exists()


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_a_shell_that_runs_one_command_interactively_is_no_trouble(name: str, tmp_path: Path) -> None:
    shell = make(name, tmp_path)
    rc = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}[name]
    (tmp_path / rc).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / rc).write_text(shell.load)
    script = "awsenv use dev; awsenv use prod; " + shell.dump("after")
    done = subprocess.run([name, "-ic", script], env={**shell.env, "ZDOTDIR": str(tmp_path)}, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    assert done.stdout == "" and "awsenv" not in done.stderr, done.stderr
    assert managed(Result(0, "", "", tmp_path).environment("after")) == keys("prod")


def test_a_zsh_without_modules_tells_the_time(tmp_path: Path) -> None:
    zsh = make("zsh", tmp_path)
    state = "".join(zsh.export(n, v) for n, v in keys("dev", AWSENV_EXPIRES_AT=str(int(time.time()) + 2850)).items())
    script = f'awsenv use dev; awsenv off; {state}__awsenv_hook; print -r -- "${{psvar[9]}}"; zmodload zsh/datetime'
    result = zsh.run(script, before="module_path=(/nonexistent)")
    assert "dev/Admin" in result.stdout and "47m" in result.stdout
    assert result.stderr.count("\n") == 1 and "zsh/datetime" in result.stderr  # the proof that there was none


def test_a_broken_fpath_hinders_nothing(tmp_path: Path) -> None:
    zsh = make("zsh", tmp_path)
    with zsh.terminal(before="fpath=(/nonexistent)\nunset FPATH") as terminal:
        assert terminal.ask("awsenv use dev") == "\n"
        assert "dev/Admin" in terminal.segment


def test_fish_loads_it_from_vendor_conf_d(tmp_path: Path) -> None:
    fish = make("fish", tmp_path)
    folder = tmp_path / ".local/share/fish/vendor_conf.d"
    folder.mkdir(parents=True)
    (folder / "awsenv.fish").write_text(fish.preamble + fish.shim)
    done = subprocess.run(
        ["fish", "-c", "awsenv use dev; " + fish.dump("after")],
        env=fish.env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert managed(Result(0, "", "", tmp_path).environment("after")) == keys("dev")


# ---- With the real backend, and the fake AWS behind it --------------------------------------------------------------


@pytest.fixture(params=["bash", "zsh", "fish"])
def real(request: pytest.FixtureRequest, house, fake, tmp_path: Path) -> Iterator[Shell]:
    """A shell whose shim calls the real backend, with a store of its own."""
    shell = make(request.param, tmp_path)
    shell.values |= {"__awsenv_main": assets.MAIN, "__awsenv_store": str(tmp_path / "store")}
    shell.env |= {**house.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    fake.forget()
    yield shell
    fake.forget()


def backends(store: Path) -> list[int]:
    """The process ids of the backends at work on this store."""
    wanted = f"AWSENV_STORE={store}".encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if assets.MAIN.encode() in words and wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(int(pid))
        except OSError:
            continue
    return found


def holds(store: Path, what: str, count: int = 1) -> Callable[[], bool]:
    """Whether *count* backends have something open whose name begins so: `socket:` while AWS is asked, or a lock."""

    def hold() -> bool:
        found = 0
        for pid in backends(store):
            try:
                found += any(
                    os.readlink(f"/proc/{pid}/fd/{fd}").startswith(what) for fd in os.listdir(f"/proc/{pid}/fd")
                )
            except OSError:
                continue
        return found >= count

    return hold


def test_ctrl_c_while_aws_is_slow_changes_nothing_and_leaves_no_lock(real: Shell, fake) -> None:
    store = Path(real.values["__awsenv_store"])
    fake.fail("GetRoleCredentials", delay=8)
    with real.terminal(env={"AWS_PROFILE": "mine"}) as terminal:
        began = time.monotonic()
        said = terminal.interrupt_when(holds(store, "socket:"), "awsenv use piyo")
        assert time.monotonic() - began < 7 and "Traceback" not in said, said
        assert re.search(r"status (130|2)\b", terminal.ask(real.said()))
        terminal.ask(real.dump("after"))
        assert terminal.segment == "" and backends(store) == []
        terminal.ask("awsenv use piyo")
        assert "333333333333/Deploy" in terminal.segment
    assert managed(Result(0, "", "", real.home).environment("after")) == {"AWS_PROFILE": "mine"} | {**managed(real.env)}


def test_ctrl_c_while_another_shell_is_at_it_stops_this_one_alone(real: Shell, fake) -> None:
    store = Path(real.values["__awsenv_store"])
    fake.fail("GetRoleCredentials", delay=2.5)
    with real.terminal() as first, real.terminal() as second:
        first.child.sendline("awsenv use piyo")
        while not holds(store, "socket:")():
            time.sleep(0.01)
        said = second.interrupt_when(holds(store, f"{store}/locks/", 2), "awsenv use piyo")
        assert "Traceback" not in said
        assert second.segment == ""
        first.wait()
        assert "333333333333/Deploy" in first.segment
        second.ask("awsenv use piyo")
        assert "333333333333/Deploy" in second.segment
    assert fake.count("AssumeRole") == 1


@pytest.mark.long
def test_ctrl_c_at_any_moment_of_a_use_is_quiet(house, fake, tmp_path: Path) -> None:
    fake.forget()
    env = {**house.environment, "PATH": os.environ["PATH"], "AWSENV_SHIM": "bash:1", "AWSENV_STORE": str(tmp_path)}
    ends = set()
    for step in range(20):
        backend = subprocess.Popen([sys.executable, "-I", "-S", assets.MAIN, "use", "piyo", "--fresh"], env=env, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0)  # fmt: skip
        # Python's own first few milliseconds are out of everybody's hands.
        while b"lib-dynload" not in Path(f"/proc/{backend.pid}/maps").read_bytes():
            time.sleep(0.001)
        time.sleep(0.013 * step)
        backend.send_signal(signal.SIGINT)
        out, said = backend.communicate(timeout=20)
        ends.add(backend.returncode)
        assert "Traceback" not in said and "bug of ours" not in said and "KeyboardInterrupt" not in said, said
        if backend.returncode == 0:
            assert out.endswith(": awsenv 1 end\n")
        else:
            assert backend.returncode in (130, -signal.SIGINT) and out == ""
    assert 130 in ends


def test_what_is_typed_ahead_while_aws_is_slow_is_run_afterwards(real: Shell, fake) -> None:
    fake.fail("GetRoleCredentials", delay=0.7)
    with real.terminal() as terminal:
        terminal.child.sendline("awsenv use piyo")
        while not holds(Path(real.values["__awsenv_store"]), "socket:")():
            time.sleep(0.01)
        terminal.child.sendline("echo typed ah''ead as $AWSENV_PROFILE")
        terminal.child.expect("typed ahead as piyo")


def test_exec_shell_keeps_the_identity_and_its_label(real: Shell) -> None:
    if real.family == "fish":  # has no hook to double, and exec'd on a busy pty it may draw nothing for long
        again = real.home / "again"
        again.write_text(f"{real.load}__awsenv_segment_text\nawsenv whoami\nawsenv off\n{real.dump('end')}")
        result = real.run(f"awsenv use hoge1; exec fish --no-config {real.quote(str(again))}")
        assert "hoge1 " in result.stdout and "user/hoge1" in result.stdout, result.stderr
        assert "not known here" in result.stderr
        assert "AWSENV_PROFILE" not in result.environment("end")
        return
    rc = real.home / "rc"
    with real.terminal() as terminal:
        terminal.ask("awsenv use hoge1")
        before = terminal.segment
        assert "hoge1" in before
        start = " ".join(
            real.argv({"bash": "--noediting -i", "zsh": "-i -o no_zle -o no_prompt_sp", "fish": "-i"}[real.family])
        )
        terminal.child.sendline(f"exec {start}")
        terminal.child.expect(r"[#$%>] $")
        terminal.prompts = 0
        terminal.child.sendline(f"source {rc}")
        terminal.wait()
        assert terminal.segment == before
        assert "user/hoge1" in terminal.ask("awsenv whoami")
        assert terminal.ask(hooks_of(real)).count("__awsenv_hook") == 1
        # What was there before is known to the shell that has made room for this one, and to no other.
        assert "not known here" in terminal.ask("awsenv off")
        assert terminal.segment == ""


def test_off_in_a_nested_shell_is_for_that_shell_alone(real: Shell) -> None:
    with real.terminal(env={"AWS_PROFILE": "mine"}) as terminal:
        terminal.ask("awsenv use hoge1")
        if real.family == "fish":
            terminal.ask("set -g prompts 1000")  # so that the inner shell's are never taken for a later one of these
        outer = terminal.segment
        start = " ".join(
            real.argv({"bash": "--noediting -i", "zsh": "-i -o no_zle -o no_prompt_sp", "fish": "-i"}[real.family])
        )
        terminal.child.sendline(start)
        terminal.child.expect(r"[#$%>] $")
        outer_prompts, terminal.prompts = terminal.prompts, 0
        terminal.child.sendline(f"source {real.home / 'rc'}")
        terminal.wait()
        assert terminal.segment == outer
        terminal.ask("awsenv use piyo")
        assert "Deploy" in terminal.segment
        terminal.ask("awsenv off")
        assert terminal.segment == ""
        terminal.ask(real.dump("inner"))
        terminal.child.sendline("exit")
        terminal.prompts = outer_prompts
        terminal.wait()
        assert terminal.segment == outer
        terminal.ask("awsenv off")
        terminal.ask(real.dump("outer"))
    result = Result(0, "", "", real.home)
    assert "AWS_ACCESS_KEY_ID" not in result.environment("inner")
    assert result.environment("outer")["AWS_PROFILE"] == "mine"


def test_a_shim_of_another_protocol_is_told_so_by_the_backend(real: Shell) -> None:
    verbs = Path(real.values["__awsenv_shell"]) / DIALECTS[real.family].verbs
    changed = re.subn(r"(bash|zsh|fish):1\b", r"\g<1>:2", verbs.read_text())
    assert changed[1] == 1
    real.values["__awsenv_shell"] = str(real.home)
    (real.home / verbs.name).write_text(changed[0])
    result = real.run("awsenv use hoge1; " + real.said() + real.dump("after"))
    assert result.stdout == "status 2\n"
    assert "another version of awsenv" in result.stderr and "exec $SHELL" in result.stderr
    assert "AWSENV_PROFILE" not in result.environment("after")


def test_the_expiry_that_other_tools_read_has_its_zone(real: Shell) -> None:
    result = real.run("awsenv use piyo; " + real.dump("after"))
    after = result.environment("after")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", after["AWS_CREDENTIAL_EXPIRATION"])
    assert re.fullmatch(r"\d{10}", after["AWSENV_EXPIRES_AT"])


def test_a_backend_killed_at_its_question_leaves_a_terminal_that_echoes(real: Shell) -> None:
    with real.terminal() as terminal:
        before = terminal.ask("stty -a")
        terminal.child.sendline("awsenv use fuga")
        terminal.child.expect("MFA code for fuga")
        (backend,) = backends(Path(real.values["__awsenv_store"]))
        os.kill(backend, signal.SIGKILL)
        terminal.wait()
        assert "status 137" in terminal.ask(real.said())
        assert terminal.ask("stty -a") == before
        assert terminal.segment == ""


def test_an_mfa_code_is_asked_for_on_the_terminal_even_if_stdin_is_none(real: Shell, house) -> None:
    with real.terminal() as terminal:
        terminal.child.sendline("awsenv use fuga </dev/null 2>/dev/null")
        terminal.child.expect(r"MFA code for fuga \(arn:aws:iam::111111111111:mfa/hoge\): ")
        terminal.child.sendline(house.mfa_code)
        terminal.wait()
        assert "222222222222/SwitchedRole" in terminal.segment


# ---- tmux -----------------------------------------------------------------------------------------------------------


@contextmanager
def tmux_server(shell: Shell) -> Iterator[Callable[..., str]]:
    """A tmux server of its own, started from a shell environment without an identity; the function runs a tmux command in it."""
    socket = f"awsenv-test-{os.getpid()}"
    command = ["tmux", "-L", socket, "-f", "/dev/null"]
    env = {**shell.env, "TMUX_TMPDIR": str(shell.home)}

    def tmux(*words: str, **more: str) -> str:
        return subprocess.run(
            [*command, *words], env={**env, **more}, cwd=shell.home, capture_output=True, text=True, check=True
        ).stdout

    try:
        yield tmux
    finally:
        subprocess.run([*command, "kill-server"], env=env, capture_output=True)


def shown_in(tmux: Callable[..., str], window: str, until: str) -> str:
    """What is on the window, once *until* is on it."""
    for _ in range(200):
        text = tmux("capture-pane", "-p", "-t", window)
        if re.search(until, text):
            return text
        time.sleep(0.05)
    raise AssertionError(f"no {until} in {text!r}")


def test_a_new_tmux_pane_shows_only_what_it_has_credentials_for(real: Shell) -> None:
    if shutil.which("tmux") is None and "CI" not in os.environ:
        pytest.skip("no tmux here: apt-get install tmux")
    with real.terminal():
        pass  # writes the rc
    start = {"bash": "bash --norc --noprofile -i", "zsh": "zsh -f -i", "fish": "fish --no-config -i"}[real.family]
    typed = (f" source {real.home / 'rc'}; clear", "Enter")
    with tmux_server(real) as tmux:
        tmux("new-session", "-d", "-s", "s", "-n", "one", "-x", "150", "-y", "20", start)
        tmux("send-keys", "-t", "one", *typed)
        shown_in(tmux, "one", r"\[\]READY")
        tmux("send-keys", "-t", "one", "awsenv use hoge1", "Enter")
        shown_in(tmux, "one", r"\[hoge1.*\]READY")

        # A label in the server's environment, as `setenv -g` or update-environment puts it there, and no credentials.
        tmux("set-environment", "-g", "AWSENV_LABEL", "stale/Label")
        tmux("set-environment", "-g", "AWSENV_KEY_ID", "AKIASTALE")
        tmux("new-window", "-n", "two", start)
        tmux("send-keys", "-t", "two", *typed)
        shown_in(tmux, "two", r"\[\]READY")
        tmux("send-keys", "-t", "two", "awsenv current; echo sta''tus; env | grep -c ^AWS_ACCESS", "Enter")
        said = shown_in(tmux, "two", r"status\n0")
        assert "no awsenv identity in this shell" in said and "stale" not in said

        # The credentials of somebody else beside it: the label is not about them, and not shown.
        tmux("set-environment", "-g", "AWS_ACCESS_KEY_ID", "AKIAOTHER")
        tmux("new-window", "-n", "three", start)
        tmux("send-keys", "-t", "three", *typed)
        shown_in(tmux, "three", r"\[(≠|!=) AKIA\.\.THER\]READY")
        assert "hoge1" in tmux("capture-pane", "-p", "-t", "one")
