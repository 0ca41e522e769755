"""Every trap that a shell sets for a plug-in, by the number under which we know it, and the test that stands for it.

The numbers are those of the project's notes on shells: b bash's hook, p the prompt, z zsh, f fish, e the eval contract,
c completion. Most tests live beside what they test; those that need a whole session are below.
"""

import ast
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pexpect
import pytest

from awsenv import assets
from tests.shells import Shell

# number → (file, test). What concerns no code of ours is in NOT_OURS, with the reason.
TRAPS = {
    "b1": ("test_shim_contract", "test_later_hooks_get_the_users_status"),
    "b2": ("test_shim_contract", "test_older_bash_is_hooked_on_a_new_line"),
    "b3": ("test_shim_contract", "test_bash_is_hooked_first_in_the_array"),
    "b4": ("test_shim_contract", "test_the_prompt_leaves_the_status_alone"),
    "b5": ("test_prompt", "test_it_shows_the_same_whatever_the_user_has_set"),
    "b6": ("test_shim_contract", "test_under_set_e_a_prompt_does_not_end_the_shell"),
    "b7": ("test_shim_contract", "test_under_set_e_a_prompt_does_not_end_the_shell"),
    "b8": ("test_shim_contract", "test_bash_3_2_can_read_the_shim"),
    "b9": ("test_shim_contract", "test_older_bash_is_hooked_on_a_new_line"),
    "b10": ("test_shim_contract", "test_bash_is_hooked_first_in_the_array"),
    "b11": ("test_traps", "test_a_hook_that_another_tool_displaced_is_back_after_the_next_call_and_once"),
    "b12": ("test_prompt", "test_the_whole_segment_stands_beside_starship"),
    "b13": ("test_prompt", "test_loading_leaves_the_prompt_alone"),
    "b14": ("test_prompt", "test_it_reads_right_in_every_second_of_an_hour_and_when_the_clock_is_set_back"),
    "b15": ("test_prompt", "test_it_reads_right_in_every_second_of_an_hour_and_when_the_clock_is_set_back"),
    "b16": ("test_shim_contract", "test_bash_3_2_can_read_the_shim"),
    "b17": ("test_shim_contract", "test_it_works_whatever_the_user_has_set"),
    "b18": ("test_shim_contract", "test_loading_over_an_alias_of_that_name"),
    "b19": ("test_shim_contract", "test_aliases_over_builtins_change_nothing"),
    "b20": ("test_shim_contract", "test_it_works_whatever_the_user_has_set"),
    "b21": ("test_shim_contract", "test_it_works_whatever_the_user_has_set"),
    "b22": ("test_shim_contract", "test_set_a_exports_nothing_of_the_shim"),
    "b23": ("test_traps", "test_a_use_makes_no_job_and_no_noise_of_one"),
    "b24": ("test_traps", "test_what_was_typed_ahead_is_kept"),
    "b25": ("test_shim_contract", "test_ctrl_c_during_the_call_changes_nothing"),
    "p1": ("test_prompt", "test_hostile_values_on_a_real_prompt"),
    "p2": ("test_prompt", "test_a_prompt_made_anew_each_time_may_hold_the_text_itself"),
    "p3": ("test_prompt", "test_readline_knows_how_wide_it_is"),
    "p4": ("test_prompt", "test_beside_a_theme_that_substitutes_in_its_prompt"),
    "p5": ("test_prompt", "test_the_users_own_psvar_is_kept"),
    "p6": ("test_prompt", "test_no_value_runs_anything_or_reaches_the_terminal_raw"),
    "p7": ("test_prompt", "test_the_readmes_line_turns_it_on_and_says_it_once"),
    "p8": ("test_prompt", "test_vi_mode_can_redraw_the_prompt"),
    "p9": ("test_prompt", "test_powerlevel10k_is_given_a_segment_and_one_for_its_instant_prompt"),
    "p10": ("test_prompt", "test_beside_a_theme_that_substitutes_in_its_prompt"),
    "z1": ("test_shim_contract", "test_the_prompt_leaves_the_status_alone"),
    "z2": ("test_shim_contract", "test_zsh_options_change_nothing"),
    "z3": ("test_shim_contract", "test_no_secret_is_traced"),
    "z4": ("test_shim_contract", "test_global_aliases_of_zsh_change_nothing"),
    "z5": ("test_shim_contract", "test_zsh_options_change_nothing"),
    "z6": ("test_shim_contract", "test_completion_is_read_at_the_first_tab"),
    "z7": ("test_prompt", "test_it_reads_right_in_every_second_of_an_hour_and_when_the_clock_is_set_back"),
    "z8": ("test_traps", "test_a_use_makes_no_job_and_no_noise_of_one"),
    "z9": ("test_shim_contract", "test_a_script_gets_no_hook"),
    "z10": ("test_shim_contract", "test_zsh_is_hooked_once"),
    "f1": ("test_shim_contract", "test_universal_variables_are_hidden_or_named_and_never_touched"),
    "f2": ("test_shim_contract", "test_a_failure_evaluates_nothing_and_keeps_the_status"),
    "f3": ("test_shim_contract", "test_hostile_values_arrive_byte_for_byte"),
    "f4": ("test_prompt", "test_it_asks_the_kernel_for_no_process_and_no_file"),
    "f5": ("test_shim_contract", "test_no_secret_is_traced"),
    "f6": ("test_shim_contract", "test_functions_named_like_builtins_change_nothing"),
    "f7": ("test_prompt", "test_fish_keeps_the_status_for_the_rest_of_the_prompt"),
    "f8": ("test_failures", "test_a_stray_print_of_a_library_can_never_be_evaluated"),
    "f9": ("test_readme", "test_the_wheel_carries_shims_and_completions_where_installers_place_them"),
    "e1": ("test_end_to_end", "test_no_secret_is_traced"),
    "e2": ("test_shim_contract", "test_a_failure_evaluates_nothing_and_keeps_the_status"),
    "e3": ("test_shim_contract", "test_a_reply_without_the_last_line_is_not_evaluated"),
    "e4": ("test_shim_contract", "test_in_a_subshell_it_says_once_that_only_that_changes"),
    "e5": ("test_prompt", "test_drift_shows_instead_of_the_time"),
    "e6": ("test_traps", "test_a_new_tmux_pane_has_no_label_without_its_credentials"),
    "e7": ("test_traps", "test_no_secret_gets_into_the_history"),
    "e8": ("test_end_to_end", "test_off_puts_back_exactly_what_was_there"),
    "e9": ("test_failures", "test_the_credential_process_document_works_in_botocore"),
    "e10": ("test_prompt", "test_it_is_empty_without_label_or_credentials"),
    "e11": ("test_readme", "test_the_readmes_install_gives_a_working_demo_in_a_new_environment"),
    "c1": ("test_completion", "test_names_arrive_exactly_and_nothing_runs"),
    "c2": ("test_completion", "test_a_colon_in_a_name_is_no_obstacle"),
    "c3": ("test_completion", "test_names_arrive_exactly_and_nothing_runs"),
    "c4": ("test_completion", "test_a_word_begun_in_quotes_is_finished_in_them"),
    "c5": ("test_readme", "test_the_wheel_carries_shims_and_completions_where_installers_place_them"),
    "c6": ("test_shim_contract", "test_completion_is_read_at_the_first_tab"),
}
NUMBERS = [
    *(f"b{n}" for n in range(1, 26)), *(f"p{n}" for n in range(1, 11)), *(f"z{n}" for n in range(1, 11)),
    *(f"f{n}" for n in range(1, 10)), *(f"e{n}" for n in range(1, 12)), *(f"c{n}" for n in range(1, 7)),
]  # fmt: skip


def test_every_trap_has_a_test_that_exists():
    assert list(TRAPS) == NUMBERS
    here = Path(__file__).parent
    for file in {file for file, _ in TRAPS.values()}:
        tree = ast.parse((here / f"{file}.py").read_text())
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert {test for of, test in TRAPS.values() if of == file} <= names, file


@pytest.fixture
def shell(shell_name: str, tmp_path: Path) -> Shell:
    found = Shell(shell_name, tmp_path)
    found.stub.answer(
        "use dev",
        assign={
            "AWSENV_PROFILE": "dev",
            "AWSENV_LABEL": "1/Dev",
            "AWS_ACCESS_KEY_ID": "A",
            "AWS_SECRET_ACCESS_KEY": "s3cr3t",
            "AWSENV_KEY_ID": "A",
        },
    )
    found.stub.answer("off", unset=("AWSENV_PROFILE", "AWSENV_LABEL", "AWS_ACCESS_KEY_ID", "AWSENV_KEY_ID"))
    found.stub.answer(
        "use slow",
        assign={"AWSENV_PROFILE": "slow", "AWS_ACCESS_KEY_ID": "B", "AWSENV_KEY_ID": "B", "AWSENV_LABEL": "slow"},
        sleep=1,
    )
    return found


def test_what_was_typed_ahead_is_kept(shell: Shell):
    with shell.terminal() as terminal:
        terminal.child.sendline("awsenv use slow")
        terminal.child.sendline("echo typed $AWSENV_PROFILE ahead")
        terminal.child.expect("typed slow ahead")


def test_a_use_makes_no_job_and_no_noise_of_one(shell: Shell):
    with shell.terminal() as terminal:
        said = terminal.ask("awsenv use dev") + terminal.ask("true") + terminal.ask("awsenv off") + terminal.ask("jobs")
        assert "[1]" not in said and "Done" not in said and "done" not in said


def test_no_secret_gets_into_the_history(shell: Shell):
    with shell.terminal() as terminal:
        terminal.ask("awsenv use dev")
        assert "s3cr3t" not in terminal.ask(
            {"bash": "history", "zsh": "fc -l 1", "fish": "echo $history"}[shell.family]
        )


def test_a_shell_that_execs_itself_keeps_the_identity_and_is_hooked_once(shell: Shell):
    if shell.family == "fish":  # has no hook to double, and on this pty an exec'd fish draws nothing
        (shell.home / "rc").write_text(
            f"{shell.load}{shell.dump('after')}__awsenv_segment_text\nawsenv off\n{shell.dump('end')}"
        )
        result = shell.run(f"awsenv use dev; exec fish --no-config {shell.quote(str(shell.home / 'rc'))}")
        assert result.environment("after")["AWSENV_PROFILE"] == "dev" and "1/Dev" in result.stdout
        assert "AWS_ACCESS_KEY_ID" not in result.environment("end")
        return
    with shell.terminal() as terminal:
        terminal.ask("awsenv use dev")
        rc = shell.home / "rc"
        start = {
            "bash": f"exec bash --noprofile --rcfile {rc} --noediting -i",
            "zsh": "exec zsh -f -i -o no_zle -o no_prompt_sp",
        }
        terminal.child.sendline(start[shell.family])
        if shell.family == "zsh":
            terminal.child.expect(pexpect.TIMEOUT, timeout=1.5)  # a shell that starts drops what is typed too early
            terminal.child.sendline(f"source {rc}")
        terminal.wait()
        assert "1/Dev" in terminal.segment
        hooked = {"bash": 'printf "<%s>" "${PROMPT_COMMAND[@]}"', "zsh": 'printf "<%s>" $precmd_functions'}
        assert terminal.ask(hooked[shell.family]).count("<__awsenv_hook>") == 1
        terminal.ask("awsenv off")
        assert "AWS_ACCESS_KEY_ID is unset" in terminal.ask(shell.show("AWS_ACCESS_KEY_ID"))


@pytest.mark.parametrize("name", ["bash", "bash-old"])
def test_a_hook_that_another_tool_displaced_is_back_after_the_next_call_and_once(name: str, tmp_path: Path):
    shell = Shell(name, tmp_path)
    shell.stub.answer("use dev", assign={"AWSENV_PROFILE": "dev"})
    with shell.terminal() as terminal:
        terminal.ask("PROMPT_COMMAND='other=1'")
        assert "__awsenv_hook" not in terminal.ask('printf "<%s>" "${PROMPT_COMMAND[@]}"')
        terminal.ask("awsenv use dev")
        terminal.ask("awsenv use dev")
        registered = terminal.ask('printf "<%s>" "${PROMPT_COMMAND[@]}"')
        assert registered.count("__awsenv_hook") == 1 and "other=1" in registered


def test_under_functrace_and_a_debug_trap_the_shell_is_as_it_was(tmp_path: Path):
    shell = Shell("bash", tmp_path)
    shell.stub.answer("use dev", assign={"AWSENV_PROFILE": "dev", "AWS_SECRET_ACCESS_KEY": "s3cr3t"})
    log = tmp_path / "debug"
    result = shell.run(
        f"awsenv use dev; {shell.dump('after')} trap - DEBUG; set -o | grep functrace",
        before=f"set -T; trap 'echo \"$BASH_COMMAND\" >>{log}' DEBUG",
    )
    assert result.environment("after")["AWSENV_PROFILE"] == "dev"
    assert re.search(r"functrace\s+on", result.stdout)
    assert "s3cr3t" not in log.read_text()


def test_a_new_tmux_pane_has_no_label_without_its_credentials(house, tmp_path: Path):
    """The server hands every pane what it was started with, which is not what the pane beside it has become."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    shell = Shell("bash", tmp_path)
    shell.values |= {"__awsenv_main": assets.MAIN, "__awsenv_store": str(tmp_path / "store")}
    rc = tmp_path / "rc"
    rc.write_text(f"{shell.load}PS1='[${{__awsenv_segment}}]READY> '\n")
    env = {
        **house.environment,
        **shell.env,
        "HOME": str(house.home),
        "TERM": "xterm-256color",
        "TMUX_TMPDIR": str(tmp_path),
    }
    tmux = ["tmux", "-L", "traps", "-f", "/dev/null"]
    command = f"bash --noprofile --rcfile {rc} -i"

    def shows(text: str, pane: str) -> bool:
        for _ in range(60):
            seen = subprocess.run(
                [*tmux, "capture-pane", "-p", "-t", pane], env=env, capture_output=True, text=True
            ).stdout
            if text in seen:
                return True
            time.sleep(0.1)
        pytest.fail(seen)

    subprocess.run([*tmux, "new-session", "-d", "-s", "s", "-x", "100", "-y", "20", command], env=env, check=True)
    try:
        assert shows("[]READY>", "s:0.0")
        subprocess.run([*tmux, "send-keys", "-t", "s:0.0", "awsenv use piyo", "Enter"], env=env, check=True)
        assert shows("[333333333333/Deploy", "s:0.0")
        subprocess.run([*tmux, "split-window", "-t", "s", command], env=env, check=True)
        assert shows("[]READY>", "s:0.1")
        # Even where the label came along (a server started from such a shell), it shows nothing without its keys.
        subprocess.run([*tmux, "set-environment", "-g", "AWSENV_LABEL", "333333333333/Deploy"], env=env, check=True)
        subprocess.run([*tmux, "split-window", "-t", "s", command], env=env, check=True)
        assert shows("[]READY>", "s:0.2")
    finally:
        subprocess.run([*tmux, "kill-server"], env=env, capture_output=True)


def test_ctrl_c_while_aws_is_slow_gives_the_prompt_back_and_changes_nothing(
    house, fake, shell_name: str, tmp_path: Path
):
    shell = Shell(shell_name, tmp_path)
    shell.values |= {"__awsenv_main": assets.MAIN, "__awsenv_store": str(tmp_path / "store")}
    shell.env |= {**house.environment, "HOME": str(house.home)}
    fake.forget()
    fake.fail("GetRoleCredentials", status=503, code="x", message="x", delay=8, times=1)
    try:
        with shell.terminal() as terminal:
            terminal.child.sendline("awsenv use piyo")
            for _ in range(200):
                if fake.count("GetRoleCredentials") or (tmp_path / "store/locks").exists():
                    break
                terminal.child.expect(pexpect.TIMEOUT, timeout=0.05)
            terminal.child.expect(pexpect.TIMEOUT, timeout=0.8)
            began = time.monotonic()
            terminal.child.sendintr()
            terminal.wait()
            assert time.monotonic() - began < 3
            assert "AWSENV_PROFILE is unset" in terminal.ask(shell.show("AWSENV_PROFILE"))
            assert "piyo · 333333333333" in terminal.ask("awsenv use piyo")  # nothing is locked
    finally:
        fake.forget()


def test_a_shell_within_a_shell_can_use_and_leave_without_knowing_what_was_before(
    house, shell_name: str, tmp_path: Path
):
    outer, inner = Shell(shell_name, tmp_path), Shell(shell_name, tmp_path)
    for shell in (outer, inner):
        shell.values |= {"__awsenv_main": assets.MAIN, "__awsenv_store": str(tmp_path / "store")}
        shell.env |= {**house.environment, "HOME": str(house.home)}
    script = tmp_path / "inner script"
    script.write_text(
        f"{inner.load}{inner.dump('inherited')}awsenv use hoge1; {inner.dump('inside')}awsenv off; {inner.dump('left')}"
    )
    result = outer.run(
        f"awsenv use piyo; {' '.join(inner.argv())} {outer.quote(str(script))}; {outer.dump('outside')}awsenv off; {outer.dump('end')}",
        env={"AWS_PROFILE": "mine"},
    )
    assert result.environment("inherited")["AWSENV_PROFILE"] == "piyo"
    assert result.environment("inside")["AWSENV_PROFILE"] == "hoge1"
    left = result.environment("left")
    assert not [name for name in left if name.startswith(("AWSENV_", "AWS_ACCESS", "AWS_SESSION", "AWS_PROFILE"))]
    assert "not known here" in result.stderr
    assert result.environment("outside")["AWSENV_PROFILE"] == "piyo"
    assert result.environment("end")["AWS_PROFILE"] == "mine"


def test_no_trap_of_this_file_leaves_a_process_behind():
    own = f"{os.getpid()}"
    found = subprocess.run(["pgrep", "-P", own, "-a"], capture_output=True, text=True).stdout
    assert not [line for line in found.splitlines() if "fish" in line or "zsh" in line]
