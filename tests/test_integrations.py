"""awsenv beside other tools: what it exports for prompts of another process, the terminal's tab, direnv, VS Code."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from awsenv import assets
from awsenv.change import change_for
from awsenv.prompt import shown_for
from awsenv.settings import parse
from tests.real_shell import real_shell
from tests.shells import ROOT, Shell
from tests.test_failures import Backend, backend  # noqa: F401
from tests.test_prompt import FULL, PLAIN, at, printed, typing
from tests.test_settings import lease

README = (ROOT / "README.md").read_text()


@pytest.fixture
def shell(shell_name: str, tmp_path: Path) -> Shell:
    return Shell(shell_name, tmp_path)


# ---- For prompts that are another process ---------------------------------------------------------------------------


def exported(shell: Shell, states: list[Mapping[str, str]], wish: str) -> list[str]:
    """What a child process finds in the two names at a prompt in each state."""
    names = sorted({name for state in states for name in state})
    draw = "__awsenv_segment_text >/dev/null" if shell.family == "fish" else "__awsenv_hook"
    script = f"{wish}\n"
    for state in states:
        script += "".join(shell.export(n, state[n]) if n in state else shell.unset(n) for n in names)
        script += f"""{draw}; sh -c 'echo "${{AWSENV_SEGMENT-unset}}|${{AWSENV_ALARM-unset}}"'\n"""
    result = shell.run(script, env={"COLUMNS": "100"})
    assert result.stderr == ""
    return result.stdout.splitlines()


def states() -> dict[str, Mapping[str, str]]:
    """What is shown → the environment; made when it is wanted, since time goes on."""
    return {
        "acme/Admin eu-west-1 47m|": at(2850),
        "acme/Admin eu-west-1 5m|": at(330),
        "|prod acme/Admin eu-west-1": {**FULL, "AWSENV_CLASS": "prod"},
        "|acme/Admin eu-west-1 expired!": at(-1),
        "|≠ ASIA..1234 eu-west-1": {**FULL, "AWS_ACCESS_KEY_ID": "ASIAFOREIGN1234"},
        "|≠ other AKIA1 eu-west-1": {**FULL, "AWS_PROFILE": "other"},
        "|": {"AWSENV_LABEL": "acme/Admin"},
        "acme/Admin eu-west-1|": FULL,
    }


def test_those_who_export_the_names_get_the_truth_of_every_prompt_and_what_is_red_apart(shell: Shell) -> None:
    wish = shell.export("AWSENV_SEGMENT", "") + shell.export("AWSENV_ALARM", "")
    rows = states()
    assert exported(shell, list(rows.values()), wish) == list(rows)


def test_with_the_first_name_alone_all_of_it_is_there(shell: Shell) -> None:
    wish = shell.export("AWSENV_SEGMENT", "")
    rows = states()
    assert exported(shell, list(rows.values()), wish) == [f"{row.replace('|', '')}|unset" for row in rows]


def test_who_does_not_ask_for_them_finds_none(shell: Shell) -> None:
    assert exported(shell, [FULL, at(-1), {}], "") == ["unset|unset"] * 3
    draw = "__awsenv_segment_text >/dev/null" if shell.family == "fish" else "__awsenv_hook"
    result = shell.run(f"{draw}; {shell.show('AWSENV_SEGMENT')}{shell.show('AWSENV_ALARM')}", env=FULL)
    assert result.stdout == "AWSENV_SEGMENT is unset\nAWSENV_ALARM is unset\n"  # nor unexported


def test_they_are_drawn_in_fish_without_a_prompt_that_asks_for_the_text(tmp_path: Path) -> None:
    shell = Shell("fish", tmp_path)
    wish = "set -gx AWSENV_SEGMENT; set -gx AWSENV_ALARM"
    with typing(shell, f"{PLAIN['fish']}\n{wish}\n{shell.load}", env=FULL) as child:
        child.sendline("echo segment=(sh -c 'echo $AWSENV_SEGMENT')=")
        child.expect("segment=acme/Admin eu-west-1=")


# ---- The tab --------------------------------------------------------------------------------------------------------


def test_the_tab_is_for_those_who_want_it():
    def fields(settings: str) -> str | None:
        found = parse(settings, "f")
        assert found.mistakes == ()
        return dict(change_for(lease(), shown_for(lease(), found)).assign).get("AWSENV_FIELDS")

    assert fields("") is None
    assert fields("[prompt]\ntab = true") == "class label region left tab"
    assert fields("[prompt]\ntab = true\nfields = []") == "tab"


def marks(shell: Shell, states: list[Mapping[str, str]], **env: str) -> list[str]:
    """What the terminal is told at a prompt in each state."""
    names = sorted({name for state in states for name in state})
    draw = "__awsenv_segment_text" if shell.family == "fish" else "__awsenv_hook"
    script = ""
    for state in states:
        script += "".join(shell.export(n, state[n]) if n in state else shell.unset(n) for n in names)
        script += f"{draw} >/dev/null; printf '|' >&2\n"
    result = shell.run(script, env={"TERM": "xterm-256color", "COLUMNS": "100", **env})
    *found, rest = result.stderr.split("|")
    assert (result.stdout, rest) == ("", "")
    return found


TAB = {**FULL, "AWSENV_CLASS": "prod", "AWSENV_FIELDS": "class label region left tab"}
DAY = [
    FULL, TAB, TAB, {**TAB, "AWS_REGION": "x"}, {**TAB, "AWS_ACCESS_KEY_ID": "ASIAOTHER"}, TAB,
    {**TAB, "AWSENV_CLASS": "dev"}, {**TAB, "AWSENV_FIELDS": "tab"}, {},
]  # fmt: skip


def test_prod_is_the_title_while_it_is_true_and_the_terminal_keeps_the_one_before(shell: Shell) -> None:
    on, off = "\x1b[22;2t\x1b]2;prod\x07", "\x1b[23;2t"
    assert marks(shell, DAY) == ["", on, "", "", off, on, off, on, off]


@pytest.mark.parametrize("iterm", [{"TERM_PROGRAM": "iTerm.app"}, {"LC_TERMINAL": "iTerm2"}])
def test_in_iterm_prod_is_a_red_tab(shell: Shell, iterm: dict[str, str]) -> None:
    on = "".join(
        f"\x1b]6;1;bg;{part}\x07" for part in ("red;brightness;200", "green;brightness;30", "blue;brightness;30")
    )
    off = "\x1b]6;1;bg;*;default\x07"
    assert marks(shell, DAY, **iterm) == ["", on, "", "", off, on, off, on, off]


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"TERM": "linux"}, {"TERM": ""}])
def test_a_terminal_without_a_tab_is_told_nothing(shell: Shell, env: dict[str, str]) -> None:
    assert marks(shell, DAY, **env) == [""] * len(DAY)


def test_who_does_not_want_it_sees_nothing_of_it(shell: Shell) -> None:
    states = [{key: value for key, value in state.items() if key != "AWSENV_FIELDS"} for state in DAY]
    assert marks(shell, states) == [""] * len(DAY)


def test_a_hostile_class_or_field_tells_the_terminal_nothing_of_its_own(shell: Shell) -> None:
    bad = "\x1b]0;PWN\x07$(touch PWN)>prod"
    states = [{**TAB, "AWSENV_CLASS": bad}, {**TAB, "AWSENV_FIELDS": f"{bad} tab"}, {}]
    assert "PWN" not in "".join(marks(shell, states))
    assert not (shell.home / "PWN").exists()


def test_the_word_tab_is_no_part_of_the_segment(shell: Shell) -> None:
    first, second = printed(shell, [TAB, {**TAB, "AWSENV_FIELDS": "class label region left"}])
    assert first == second and "tab" not in first


# ---- direnv ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def direnv(backend: Backend, tmp_path: Path) -> Path:  # noqa: F811
    """A folder with an .envrc, the README's function in direnvrc, and `awsenv` in the PATH."""
    if shutil.which("direnv") is None:
        pytest.skip("no direnv here: apt-get install direnv")
    (function,) = re.findall(r"```bash\n(use_awsenv\(\) .*?)```", README, re.DOTALL)
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "direnvrc").write_text(function)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "awsenv").write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {assets.MAIN} "$@"\n')
    (bin_folder / "awsenv").chmod(0o755)
    del backend.env["AWSENV_SHIM"]
    backend.env |= {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "DIRENV_CONFIG": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
    }
    return folder


def entered(folder: Path, home: Backend, envrc: str) -> subprocess.CompletedProcess[str]:
    """A command in *folder*, as direnv lets it run there."""
    (folder / ".envrc").write_text(envrc)
    subprocess.run(["direnv", "allow", str(folder)], env=home.env, check=True, capture_output=True)
    return subprocess.run(
        ["direnv", "exec", str(folder), "env"], env=home.env, cwd="/", capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def test_use_awsenv_in_an_envrc_is_that_identity_and_nothing_beside_it(direnv: Path, backend: Backend) -> None:  # noqa: F811
    backend.env["AWS_PROFILE"] = "other"
    done = entered(direnv, backend, "use awsenv hoge1 --region eu-west-1\n")
    found = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    assert found["AWS_ACCESS_KEY_ID"].startswith("AKIA") and found["AWS_REGION"] == "eu-west-1", done.stderr
    assert "AWS_PROFILE" not in found


def test_cd_asks_for_no_code_though_there_is_a_terminal_and_says_what_to_type(direnv: Path, backend: Backend) -> None:  # noqa: F811
    import pexpect

    (direnv / ".envrc").write_text("use awsenv fuga\n")
    subprocess.run(["direnv", "allow", str(direnv)], env=backend.env, check=True, capture_output=True)
    child = pexpect.spawn("direnv", ["exec", str(direnv), "true"], env=backend.env, encoding="utf-8", timeout=30)
    assert child.expect(["MFA code for", "awsenv use fuga"]) == 1
    child.expect(pexpect.EOF)
    child.close()


# ---- VS Code --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_the_marks_of_an_editor_around_the_prompt_survive_use_and_off(name: str, tmp_path: Path) -> None:
    # As VS Code's shell integration does it: marks written into the prompt once, and never again.
    shell = real_shell(name, tmp_path / "home")
    mark = {
        "bash": r"PS1='\[\e]633;A\a\]'$PS1'\[\e]633;B\a\]'",
        "zsh": "PROMPT=$'%{\\e]633;A\\a%}'$PROMPT$'%{\\e]633;B\\a%}'",
    }[name]
    with typing(shell, f"{PLAIN[name]}\n{shell.load}\n{mark}") as child:
        for line in ("awsenv use fuga", "awsenv off"):
            child.sendline(line)
            child.expect("fuga")
            child.expect("\x1b]633;A\x07.*plain> .*\x1b]633;B\x07")
