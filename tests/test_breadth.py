"""Shells as they are met: strict scripts, `bash -c`, a shell in a shell in a shell, sudo, su and ssh, login shells."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from awsenv import assets
from tests.shells import _PROMPTS, Shell, Terminal, missing

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
STRICT = {"bash": "set -euo pipefail", "zsh": "set -euo pipefail", "fish": ""}
LOGIN = {"bash": ["--noediting", "-l"], "zsh": ["-l", "-o", "no_zle", "-o", "no_prompt_sp"], "fish": ["-l"]}
START_UP = {"bash": ".bash_profile", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}


def make(name: str, house, folder: Path, store: Path | None = None) -> Shell:
    """A shell whose shim calls the real backend."""
    if missing(name):
        pytest.skip(f"no {name} here")
    folder.mkdir(exist_ok=True)
    shell = Shell(name, folder)
    shell.values |= {"__awsenv_main": assets.MAIN, "__awsenv_store": str(store or folder / "store")}
    shell.env |= {**house.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return shell


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest, house, fake, tmp_path: Path) -> Shell:
    return make(request.param, house, tmp_path / "one")


def rc_of(shell: Shell) -> Path:
    """A file that loads the shim and sets the prompt."""
    path = shell.home / "rc"
    path.write_text(f"{shell.load}{_PROMPTS[shell.family]}\n")
    return path


@contextmanager
def within(terminal: Terminal, inner: Shell, start: str = "") -> Iterator[None]:
    """Another shell in the terminal's, *start* before its command line; the terminal is its own for that time."""
    outer = terminal.shell
    if outer.family == "fish":
        terminal.ask("set -g prompts 10000")  # so that none of the inner one's is taken for a later one of these
    prompts = terminal.prompts if outer.family == "fish" else 10**9
    rc = rc_of(inner)
    rc.write_text(rc.read_text() + f"echo in''side {inner.family}\n")
    (inner.home / ".zshrc").write_text(f"source {inner.quote(str(rc))}\n")
    words = {
        "bash": f"bash --noediting --noprofile --rcfile {inner.quote(str(rc))} -i",
        "zsh": f"env ZDOTDIR={inner.quote(str(inner.home))} zsh -d -i -o no_zle -o no_prompt_sp",
        "fish": f"fish --no-config -i -C 'source {rc}'",
    }
    terminal.child.sendline(start + words[inner.family])
    terminal.child.expect(f"inside {inner.family}")
    terminal.shell, terminal.prompts = inner, 0
    terminal.wait()
    yield
    terminal.child.sendline("exit")
    terminal.shell, terminal.prompts = outer, prompts
    terminal.wait()


# ---- Scripts --------------------------------------------------------------------------------------------------------


def test_a_strict_script_loads_uses_and_leaves_and_has_what_it_had_before(shell: Shell) -> None:
    script = shell.dump("before") + "awsenv use hoge1; " + shell.dump("during") + "awsenv off; " + shell.dump("after")
    result = shell.run(script + "echo done", before=STRICT[shell.family], env={"AWS_PROFILE": "mine"})
    assert (result.status, result.stdout) == (0, "done\n"), result.stderr
    before, during, after = (result.environment(name) for name in ("before", "during", "after"))
    assert during["AWSENV_PROFILE"] == "hoge1" and "AWS_PROFILE" not in during
    assert after == before


def test_a_use_that_fails_ends_a_strict_script_with_its_status(shell: Shell) -> None:
    result = shell.run("awsenv use nobody; echo went on", before=STRICT[shell.family])
    if shell.family == "fish":  # which has no such thing
        assert result.stdout == "went on\n"
    else:
        assert (result.status, result.stdout) == (3, "")


def test_what_one_shell_is_a_script_in_another_finds_and_can_leave(shell: Shell, house, tmp_path: Path) -> None:
    for name in ("bash", "zsh", "fish"):
        inner = make(name, house, tmp_path / f"inner {name}")
        script = tmp_path / f"script {name}"
        script.write_text(inner.load + inner.dump("found") + "awsenv off\n" + inner.dump("left"))
        argv = " ".join(inner.quote(word) for word in inner.argv())
        result = shell.run(
            f"awsenv use hoge1; {argv} -c {shell.quote(f'source {inner.quote(str(script))}')}; {shell.dump('outer')}"
        )
        assert result.status == 0, result.stderr
        found, left = (pairs(inner, n) for n in ("found", "left"))
        assert found["AWSENV_PROFILE"] == "hoge1" and found["AWS_ACCESS_KEY_ID"]
        assert not [key for key in left if key in KEYS or key.startswith("AWSENV_")], left
        assert result.environment("outer")["AWSENV_PROFILE"] == "hoge1"


def pairs(shell: Shell, name: str) -> dict[str, str]:
    text = (shell.home / f"environment {name}").read_text()
    return dict(entry.split("=", 1) for entry in text.split("\0") if entry)


# ---- A shell in a shell ---------------------------------------------------------------------------------------------


def test_bash_in_zsh_in_fish_each_shows_who_it_is_and_leaves_for_itself_alone(house, fake, tmp_path: Path) -> None:
    fish, zsh, bash = (make(name, house, tmp_path / name, tmp_path / "store") for name in ("fish", "zsh", "bash"))
    with fish.terminal() as terminal:
        terminal.ask("awsenv use hoge1")
        outer = terminal.segment
        assert "hoge1" in outer
        with within(terminal, zsh):
            assert terminal.segment == outer
            terminal.ask("awsenv use piyo")
            middle = terminal.segment
            assert "333333333333/Deploy" in middle
            with within(terminal, bash):
                assert terminal.segment[:22] == middle[:22]
                terminal.ask("awsenv off")
                assert terminal.segment == ""
            assert terminal.segment[:22] == middle[:22]
            terminal.ask("awsenv off")
            assert terminal.segment == ""
        assert terminal.segment == outer


def test_in_screen_a_shell_is_who_the_outer_one_was_and_leaves_for_itself_alone(
    shell: Shell, house, tmp_path: Path
) -> None:
    if not shutil.which("screen"):
        pytest.skip("screen is not installed")
    inner = make(shell.family, house, tmp_path / "inner", shell.home / "store")
    sockets = tmp_path / "sockets"
    sockets.mkdir(0o700)
    with shell.terminal() as terminal:
        terminal.ask("awsenv use piyo")
        outer = terminal.segment
        assert "333333333333/Deploy" in outer
        with within(terminal, inner, f"env SCREENDIR={sockets} TERM=vt100 screen -q -c /dev/null "):
            # Not its segment: screen draws a prompt's parts as it likes.
            who = """echo "in=${STY:+screen} who=$AWSENV_ACCOUNT_ID key=$AWS_ACCESS_KEY_ID." """
            if inner.family == "fish":
                who = """echo "in=$(set -q STY; and echo screen) who=$AWSENV_ACCOUNT_ID key=$AWS_ACCESS_KEY_ID." """
            assert re.search("in=screen who=333333333333 key=ASIA", terminal.ask(who))
            terminal.ask("awsenv use hoge1")
            assert re.search("in=screen who= ?key=AKIA|in=screen who=111111111111 key=AKIA", terminal.ask(who))
            terminal.ask("awsenv off")
            assert "in=screen who= key=." in terminal.ask(who)
        assert terminal.segment[:22] == outer[:22]


# ---- Another environment --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["like sudo", "sudo", "su or ssh"])
def test_a_shell_that_credentials_did_not_reach_shows_nothing_and_can_become_somebody(
    shell: Shell, way: str, house, tmp_path: Path
) -> None:
    inner = make(shell.family, house, tmp_path / "inner")
    if way == "sudo" and not (
        shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0
    ):
        pytest.skip("no sudo here that asks nothing")
    if way != "su or ssh":  # sudo resets the environment, but for a few
        kept = {
            k: v for k, v in inner.env.items() if k.startswith(("AWS_ENDPOINT", "AWS_CONFIG", "AWS_SHARED", "NO_PROXY"))
        }
        kept |= {name: inner.env[name] for name in ("HOME", "PATH", "TERM", "LANG")}
        given = " ".join(f"{name}={shell.quote(value)}" for name, value in kept.items())
        start = f"sudo -n env {given} " if way == "sudo" else f"env -i {given} "
    else:
        start = "env " + " ".join(f"-u {name}" for name in KEYS) + " "
    with shell.terminal() as terminal:
        terminal.ask("awsenv use piyo")
        outer = terminal.segment
        assert "333333333333/Deploy" in outer
        with within(terminal, inner, start):
            assert terminal.segment == ""
            said = terminal.ask('echo "label=$AWSENV_LABEL."')
            assert ("label=." in said) == (way != "su or ssh"), said
            terminal.ask("awsenv use hoge1")
            assert "hoge1" in terminal.segment and "≠" not in terminal.segment
            terminal.ask("awsenv off")
            assert terminal.segment == "" and "label=." in terminal.ask('echo "label=$AWSENV_LABEL."')
        assert terminal.segment[:22] == outer[:22]


# ---- Login shells ---------------------------------------------------------------------------------------------------


@contextmanager
def login_shell(shell: Shell, **env: str) -> Iterator[Terminal]:
    """A login shell on a pty, which reads its own start-up file."""
    start_up = shell.home / START_UP[shell.family]
    start_up.parent.mkdir(parents=True, exist_ok=True)
    start_up.write_text(rc_of(shell).read_text())
    own = {"HOME": str(shell.home), "XDG_CONFIG_HOME": str(shell.home / ".config"), "ZDOTDIR": str(shell.home)}
    program = shutil.which(shell.family)
    assert program
    child = pexpect.spawn(
        program, LOGIN[shell.family], env=shell.env | own | env, cwd=str(shell.home), encoding="utf-8",
        timeout=20, dimensions=(40, 400),
    )  # fmt: skip
    child.delaybeforesend = None
    try:
        terminal = Terminal(child, shell)
        terminal.wait()
        yield terminal
    finally:
        child.close(force=True)


def test_in_a_login_shell_all_is_as_in_any_other(shell: Shell) -> None:
    with login_shell(shell) as terminal:
        is_login = {
            "bash": "shopt login_shell",
            "zsh": "[[ -o login ]] && echo on",
            "fish": "status is-login; and echo on",
        }
        assert "on" in terminal.ask(is_login[shell.family])
        assert terminal.segment == ""
        terminal.ask("awsenv use hoge1")
        assert "hoge1" in terminal.segment
        terminal.ask("awsenv off")
        assert terminal.segment == ""


def test_a_login_shell_that_inherits_an_identity_shows_it(shell: Shell) -> None:
    inherited = shell.run("awsenv use hoge1; " + shell.dump("theirs")).environment("theirs")
    with login_shell(shell, **{k: v for k, v in inherited.items() if k.startswith(("AWS_", "AWSENV_"))}) as terminal:
        assert "hoge1" in terminal.segment and "≠" not in terminal.segment
        terminal.ask("awsenv off")
        assert terminal.segment == ""
