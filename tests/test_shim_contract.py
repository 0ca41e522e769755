"""What every shim promises, in real shells: with a stub for a backend, so that any answer can be given."""

import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from awsenv.render.shells import reply
from awsenv.variables import MANAGED, OWN
from tests.shells import BASH, POSIX, ROOT, SENTINEL, SHELLS, Result, Shell, missing

BASH_FILES = (ROOT / "shell/awsenv.bash", ROOT / "shell/awsenv-verbs.bash")
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQ=="

# facts: the shared payload set, those without control characters; refusing the others is the backend's work.
HOSTILE = (
    "x$(touch PWN)", "x`touch PWN`", "x; touch PWN; #", 'x"; touch PWN; "', "x'; touch PWN; '", "x\\", "x\\'; touch PWN; #",
    "x(touch PWN)", 'x"(touch PWN)"', "x & touch PWN", "x | touch PWN", "x<(touch PWN)", "*", "~root", "None", "\\$(touch PWN)",
    "\\`touch PWN\\`", "p:$(touch PWN)", "p[$(touch PWN)]", "p%n@%m%F{red}X", "\u202edorp", "\u2028\u200b\ufeff", "[/foo]",
    "[link=https://evil]prod[/link]", ":bomb:", "evil.example/#", "Admin&account_id=222", "../../x", "--help", "-rf", "@file",
    "x" * 10_000, "\udcff", "", " leading", "trailing ", "a  b", "${IFS}", "!!", "{a,b}", "=ls", "#comment", "prod cn-north-1",
    "'", "''", "\\\\", "\\'", "'\\''", '"', "$HOME", "$'x'", "a\\nb", "%s%d", "-n", "x=y", "ünï/日本", SENTINEL, "$argv", "(",
    "!",
)  # fmt: skip


def keys(name: str, **more: str) -> dict[str, str]:
    """What `use NAME` would set in keys mode."""
    return {
        "AWS_ACCESS_KEY_ID": f"AKIA{name.upper()}",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_REGION": "eu-west-1",
        "AWSENV_PROFILE": name,
        "AWSENV_LABEL": f"{name}/Admin",
        "AWSENV_KEY_ID": f"AKIA{name.upper()}",
        **more,
    }


def changing(assign: Mapping[str, str]) -> dict[str, object]:
    """The arguments of `Stub.answer` for a whole switch: everything of ours unset but what is set."""
    return {"unset": [n for n in (*MANAGED, *OWN) if n not in assign], "assign": assign}


def managed(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that awsenv may touch."""
    return {n: v for n, v in environment.items() if n in MANAGED or n in OWN}


def strange(environment: Mapping[str, str]) -> set[str]:
    """Exported names that can only have leaked out of a shim: its own, and functions exported by `set -a`."""
    return {n for n in environment if n.startswith(("__awsenv", "BASH_FUNC")) or n in ("AWSENV_SHIM", "AWSENV_STORE")
            or n in ("AWSENV_PREVIOUS", "AWSENV_STASHED", "AWSENV_CHANGED")}  # fmt: skip


def make(name: str, home: Path) -> Shell:
    if missing(name):
        pytest.skip(f"no {name} here")
    shell = Shell(name, home)
    for profile in ("dev", "prod"):
        shell.stub.answer(f"use {profile}", **changing(keys(profile)))
    shell.stub.answer("use -", **changing(keys("dev")))
    shell.stub.answer("refresh", **changing(keys("dev", AWS_SESSION_TOKEN="renewed")))
    shell.stub.answer("off", unset=(*MANAGED, *OWN))
    return shell


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    return make(request.param, tmp_path)


@pytest.fixture(params=POSIX)
def posix(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    return make(request.param, tmp_path)


@pytest.fixture(params=BASH)
def bash(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    return make(request.param, tmp_path)


@pytest.fixture
def zsh(tmp_path: Path) -> Shell:
    return make("zsh", tmp_path)


@pytest.fixture
def fish(tmp_path: Path) -> Shell:
    return make("fish", tmp_path)


# ---- The files ------------------------------------------------------------------------------------------------------


def test_the_name_lists_are_those_of_the_backend(shell: Shell) -> None:
    if shell.family == "fish":
        result = shell.run("__awsenv_load_verbs; echo $__awsenv_managed; echo $__awsenv_own")
    else:
        result = shell.run('__awsenv_load_verbs; echo "${__awsenv_managed[@]}"; echo "${__awsenv_own[@]}"')
    listed, own = result.stdout.splitlines()
    assert tuple(listed.split()) == MANAGED
    assert tuple(own.split()) == OWN


def test_shellcheck_has_nothing_to_say() -> None:
    if shutil.which("shellcheck") is None and "CI" not in os.environ:
        pytest.skip("no shellcheck here")
    # SC2250 wants ${x} for $x everywhere, SC2249 a default in every case; SC2310 and SC2312 warn that a function called
    # in a condition runs without `set -e`, which is what ours are written for.
    argv = [
        "shellcheck",
        "-S",
        "style",
        "-o",
        "all",
        "-e",
        "SC2250,SC2249,SC2310,SC2312",
        *map(str, BASH_FILES),
    ]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "argv", [["bash", "-n", "X.bash"], ["bash", "--posix", "-n", "X.bash"], ["zsh", "-n", "X.zsh"],
             ["fish", "--no-execute", "X.fish"], ["fish_indent", "--check", "X.fish"]], ids=" ".join
)  # fmt: skip
@pytest.mark.parametrize("name", ["awsenv", "awsenv-verbs"])
def test_the_shell_itself_finds_no_fault(argv: list[str], name: str) -> None:
    words = [word.replace("X.", f"{name}.") for word in argv]
    done = subprocess.run(words, cwd=ROOT / "shell", capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_lint_exemption_says_why() -> None:
    for line in (line for path in BASH_FILES for line in path.read_text().splitlines()):
        if "shellcheck disable" in line or "shellcheck source" in line:
            assert re.search(r" # \w+", line), line


def code_of_bash() -> list[str]:
    lines = [line for path in BASH_FILES for line in path.read_text().splitlines()]
    return [line.split(" # ")[0] for line in lines if not line.lstrip().startswith("#")]


# What bash 3.2 cannot read at all. (What it reads and then lacks, `local -` say, stands behind a test of the version.)
NOT_IN_3_2 = (
    r"\bmapfile\b", r"\breadarray\b", r"declare -[A-Za-z]*[Agn]", r"local -[An]", r"\$\{[^}]*@[A-Za-z]\}",
    r"\$\{[^}]*(\^\^|,,)", r"\|&", r"&>>", r";;?&", r"\bcoproc\b", r"\[-1\]",
    r"\{\w+\}[<>]", r"\[\[ -[vR] ", r"<\(",
)  # fmt: skip


def test_bash_3_2_can_read_the_shim() -> None:
    assert [(line, banned) for line in code_of_bash() for banned in NOT_IN_3_2 if re.search(banned, line)] == []


def test_in_bash_no_builtin_is_called_by_its_bare_name() -> None:
    names = "local export unset eval printf return set trap kill exec source complete compgen unalias continue command"
    names += " builtin echo read"
    bare = r"(^|[;&|({!]|\b(then|do|else)\b)\s*(" + names.replace(" ", "|") + r")(\s|$)"
    assert [line for line in code_of_bash() if re.search(bare, line)] == []


# ---- Loading --------------------------------------------------------------------------------------------------------

LOADINGS = [
    ("bash", "-euo pipefail"), ("bash", "--posix -eu"), ("bash", "-euC -i"), ("bash", "-ea"), ("bash", "-O nullglob -f"),
    ("bash", "-k -i"), ("bash-old", "-euo pipefail"), ("bash-old", "-eu -i"), ("zsh", "-eu -o pipefail"), ("zsh", "-i -eu"),
    ("zsh", "-i -a"), ("zsh", "-C"), ("fish", ""), ("fish", "-i"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "flags"), LOADINGS)
def test_loading_prints_nothing_and_can_be_repeated(name: str, flags: str, tmp_path: Path) -> None:
    shell = make(name, tmp_path)
    result = shell.run(
        shell.load + "awsenv use dev; " + shell.dump("after") + "awsenv off; echo ok", flags=flags.split()
    )
    noise = "bash: cannot set terminal process group", "bash: no job control"
    assert [line for line in result.stderr.splitlines() if not line.startswith(noise)] == []
    assert (result.status, result.stdout) == (0, "ok\n")
    assert managed(result.environment("after")) == keys("dev")


def test_loading_calls_nothing(shell: Shell) -> None:
    # Not even to look for the values it lacks: a plugin manager's shim waits for its first use.
    script = f"source {shell.quote(str(shell.shim_path))}; echo loaded"
    env = {**shell.env, "PATH": "/nonexistent"}
    done = subprocess.run([str(shutil.which(shell.family)), "-c", script], env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("loaded\n", "")
    assert shell.stub.calls == []


def test_loading_over_an_alias_of_that_name(posix: Shell) -> None:
    before = (
        "shopt -s expand_aliases\nalias awsenv='echo alias'" if posix.family == "bash" else "alias awsenv='echo alias'"
    )
    result = posix.run("\nawsenv use dev && echo used", before=before)
    assert (result.stdout, result.stderr) == ("used\n", "")


@pytest.fixture
def moved(shell: Shell) -> Shell:
    """A shell whose shim knows nothing, and an `awsenv` in PATH that can tell it."""
    program = shell.home / "bin" / "awsenv"
    program.parent.mkdir()
    answer = shell.home / "values"
    answer.write_text(shell.preamble + SENTINEL + "\n")
    check = f'[ "$*" = "init --values {shell.family}" ] || exit 2'
    program.write_text(f'#!/bin/sh\n{check}\necho asked >>"{shell.home}/asked"\ncat "{answer}"\n')
    program.chmod(0o755)
    shell.env["PATH"] = f"{program.parent}:{shell.env['PATH']}"
    return shell


def asked(shell: Shell) -> int:
    log = shell.home / "asked"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_without_values_it_asks_once_at_the_first_use(moved: Shell) -> None:
    moved.values = {}
    result = moved.run("awsenv use dev; awsenv use prod; " + moved.dump("after"))
    assert (result.stdout, result.stderr) == ("", "")
    assert result.environment("after")["AWSENV_PROFILE"] == "prod"
    assert strange(result.environment("after")) == set()
    assert asked(moved) == 1


def test_an_interpreter_that_vanished_is_replaced_with_one_warning(moved: Shell) -> None:
    moved.values["__awsenv_python"] = "/gone/bin/python"
    result = moved.run("awsenv use dev; awsenv use prod; " + moved.dump("after"))
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("awsenv: /gone/bin/python no longer works")
    assert result.environment("after")["AWSENV_PROFILE"] == "prod"
    assert asked(moved) == 1


def test_values_that_were_cut_short_are_not_believed(moved: Shell) -> None:
    moved.values = {}
    (moved.home / "values").write_text("echo evaluated\n: awsenv 1 en")
    result = moved.run("awsenv use dev; " + moved.said())
    assert result.stdout == "status 127\n"
    assert result.stderr == "awsenv: cannot find the awsenv program (was it moved or removed?)\n"


def test_without_any_awsenv_the_shell_stays_usable(shell: Shell) -> None:
    shell.values["__awsenv_main"] = "/gone/awsenv/__main__.py"
    result = shell.run("awsenv list; " + shell.said() + "echo usable")
    assert result.stdout == "status 127\nusable\n"
    assert result.stderr == "awsenv: cannot find the awsenv program (was it moved or removed?)\n"


# ---- The second file ------------------------------------------------------------------------------------------------


@pytest.fixture
def verbs(shell: Shell) -> Path:
    """The second file, as a copy of the shell's own, in a folder with a blank and a quote in its name."""
    folder = shell.home / "shell of 'mine"
    folder.mkdir()
    shell.values["__awsenv_shell"] = str(folder)
    path = folder / f"awsenv-verbs.{shell.family}"
    path.write_text((ROOT / "shell" / path.name).read_text())
    return path


def test_the_second_file_is_read_at_the_first_change_and_once(shell: Shell, verbs: Path) -> None:
    verbs.write_text(f"echo read >>{shell.quote(str(shell.home / 'log'))}\n" + verbs.read_text())
    result = shell.run("awsenv list; awsenv use --help; " + shell.dump("before"))
    assert (result.stdout, result.stderr) == ("", "") and not (shell.home / "log").exists()
    shell.run("awsenv use dev; awsenv refresh; awsenv use prod; awsenv off")
    assert (shell.home / "log").read_text() == "read\n"


def test_a_new_shim_in_an_old_shell_reads_its_own_second_file(shell: Shell, verbs: Path) -> None:
    verbs.write_text(f"echo read >>{shell.quote(str(shell.home / 'log'))}\n" + verbs.read_text())
    shell.run(f"awsenv use dev; {shell.load}awsenv use prod")
    assert (shell.home / "log").read_text() == "read\nread\n"


HIDDEN = {
    "gone": None,
    "a folder": "",
    "cut short": "echo half\n",
    "of another protocol": "echo new\n__awsenv_verbs=2\n",
}


@pytest.mark.parametrize("state", HIDDEN)
@pytest.mark.parametrize("before", ["", "set -eu", "set -o posix"])
def test_without_its_second_file_nothing_changes_and_one_sentence_says_so(
    shell: Shell, verbs: Path, state: str, before: str
) -> None:
    if before and (shell.family == "fish" or (before == "set -o posix" and shell.family == "zsh")):
        pytest.skip("not an option of this shell")
    text = HIDDEN[state]
    verbs.unlink()
    if state == "a folder":
        verbs.mkdir()
    elif text is not None:
        verbs.write_text(
            text.replace("__awsenv_verbs=2", "set -gu __awsenv_verbs 2") if shell.family == "fish" else text
        )
    shown = "awsenv use dev; " if shell.family == "fish" else "awsenv use dev || "
    result = shell.run(shown + shell.said() + shell.dump("after") + "awsenv list && echo listed", before=before)
    assert result.stdout.endswith("status 127\nlisted\n")
    wrong = f"cannot read {verbs}: nothing changed (was awsenv moved or removed?)"
    if text:
        wrong = f"{verbs} is not of this version: start a new shell or run: exec $SHELL"
    assert result.stderr == f"awsenv: {wrong}\n"
    assert managed(result.environment("after")) == {} and strange(result.environment("after")) == set()
    assert [call.args for call in shell.stub.calls] == [["list"]]


def test_a_hook_says_nothing_of_a_second_file_that_is_gone(shell: Shell, verbs: Path) -> None:
    verbs.unlink()
    hook = "__awsenv_at_prompt" if shell.family == "fish" else "__awsenv_hook"
    env = keys("dev", AWSENV_REFRESH_AT="1", AWSENV_EXPIRES_AT="2")
    script = f"{hook}; __awsenv_before_command ls; {shell.said()}{shell.dump('after')}"
    result = shell.run(script, env=env, flags=["-i"] if shell.family == "fish" else [])
    assert (result.stdout, result.stderr) == ("status 0\n", "")
    assert managed(result.environment("after")) == env
    assert shell.stub.calls == []


@pytest.mark.parametrize("flag", ["v", "x", "a", "T", "k"])
def test_reading_the_second_file_neither_shows_nor_exports_it(posix: Shell, flag: str) -> None:
    if posix.family == "zsh" and flag in "Tk":
        pytest.skip("no such option in zsh, or another meaning")
    # The prompt's own way to it, and a verb's.
    script = f"set -{flag}\n__awsenv_hook\nawsenv use dev\n{{ set +{flag}; }} 2>/dev/null\n{posix.dump('after')}"
    due = {"AWSENV_PROFILE": "dev", "AWSENV_REFRESH_AT": "1", "AWSENV_KEY_ID": "AKIA1", "AWS_ACCESS_KEY_ID": "AKIA1"}
    for env in ({}, due):
        result = posix.run(script, before=posix.load, env=env)
        assert "__awsenv_stash" not in result.stderr and SECRET not in result.stderr
        assert strange(result.environment("after")) == set()
        assert managed(result.environment("after")) == keys("dev")


def test_aliases_of_the_second_files_words_change_nothing(posix: Shell) -> None:
    """Those that came after the shim was loaded: it is parsed then."""
    words = (
        "local export unset eval printf return set trap kill exec source command complete continue : test true builtin"
    )
    words += " emulate setopt typeset print autoload" if posix.family == "zsh" else ""
    aliases = "shopt -s expand_aliases\n" if posix.family == "bash" else ""
    aliases += "".join(f"alias {word}='echo ALIAS'\n" for word in words.split())
    if posix.family == "zsh":
        aliases += "".join(
            f"alias -g {w}='| cat -n'\n" for w in ["L", "G", "NE", "name", "answer", "before", "after", "use", "off"]
        )
    shell = posix.run(f"{aliases}\n'awsenv' 'use' 'dev'\n{posix.dump('on')}", load=True)
    assert (shell.stdout, shell.stderr) == ("", "")
    assert managed(shell.environment("on")) == keys("dev")


# ---- What is captured, what is called -------------------------------------------------------------------------------


@pytest.mark.parametrize("args", ["use dev", "use", "off", "refresh", "use -- --help", "use dev -- -h", "use 'a b'"])
def test_a_verb_that_changes_the_shell_is_captured(shell: Shell, args: str) -> None:
    shell.stub.answer("use", **changing(keys("dev")))
    shell.run(f"awsenv {args}")
    (call,) = shell.stub.calls
    assert call.args == [word.strip("'") for word in re.findall(r"'[^']*'|\S+", args)]
    assert call.env["AWSENV_SHIM"] == f"{shell.family}:1"
    assert call.env["AWSENV_STORE"] == str(shell.stub.store)
    assert call.flags == (1, 1)


@pytest.mark.parametrize(
    "args", ["", "list", "exec dev -- use", "use --help", "use dev -h", "off -h", "--help", "-- use"]
)
def test_all_else_runs_uncaptured(shell: Shell, args: str) -> None:
    text = "on stdout, no newline $(touch PWN)"
    shell.stub.answer("", text=text, stderr="on stderr", status=5, stdin=True)
    for profile in ("use dev", "off", "use -"):
        (shell.stub.folder / f"answer {profile}").unlink()
    result = shell.run(f"awsenv {args}; " + shell.said(), stdin="typed\n")
    (call,) = shell.stub.calls
    assert result.stdout == text + "status 5\n"
    assert result.stderr == "stdin: typed\non stderr"
    assert "AWSENV_SHIM" not in call.env
    assert call.env["AWSENV_STORE"] == str(shell.stub.store)
    assert call.flags == (1, 1)


def test_nothing_of_a_call_stays_behind(shell: Shell) -> None:
    shown = shell.show("AWSENV_STORE") + shell.show("AWSENV_SHIM")
    result = shell.run("awsenv list; awsenv use dev; awsenv use prod; " + shell.dump("after") + shown)
    assert strange(result.environment("after")) == set()
    assert result.stdout == "AWSENV_STORE is unset\nAWSENV_SHIM is unset\n"


def test_stdin_and_stderr_of_a_captured_verb_are_the_callers(shell: Shell) -> None:
    shell.stub.answer("use dev", **changing(keys("dev")), stderr="MFA code: ", stdin=True)
    result = shell.run("awsenv use dev; " + shell.dump("after"), stdin="123456\n")
    assert result.stderr == "stdin: 123456\nMFA code: "
    assert managed(result.environment("after")) == keys("dev")


def test_the_terminal_belongs_to_an_uncaptured_command(shell: Shell) -> None:
    with shell.terminal() as terminal:
        terminal.ask("awsenv list")
        terminal.ask("awsenv use dev")
    plain, captured = shell.stub.calls
    assert plain.tty == (True, True, True)
    assert captured.tty == (True, False, True)


# ---- The reply ------------------------------------------------------------------------------------------------------


def test_use_changes_exactly_what_the_reply_says(shell: Shell) -> None:
    result = shell.run(
        shell.dump("before") + "awsenv use dev; " + shell.said() + shell.dump("after"),
        env={"AWS_PROFILE": "old", "AWS_SECURITY_TOKEN": "old", "AWS_CONFIG_FILE": "/mine"},
    )
    assert (result.stdout, result.stderr) == ("status 0\n", "")
    before, after = result.environment("before"), result.environment("after")
    assert managed(after) == keys("dev")
    assert dict(after.items() - managed(after).items()) == dict(before.items() - managed(before).items())


@pytest.mark.parametrize("status", [1, 2, 4, 70, 130])
def test_a_failure_evaluates_nothing_and_keeps_the_status(shell: Shell, status: int) -> None:
    shell.stub.answer("use dev", **changing(keys("dev")), status=status, stderr="awsenv: no\n")
    result = shell.run("awsenv use dev; " + shell.said() + shell.dump("after"), env={"AWS_PROFILE": "old"})
    assert (result.stdout, result.stderr) == (f"status {status}\n", "awsenv: no\n")
    assert managed(result.environment("after")) == {"AWS_PROFILE": "old"}


@pytest.mark.parametrize(
    "tail", ["", "\n", SENTINEL[:-1], " " + SENTINEL, SENTINEL + " x", SENTINEL + "\nmore", "#" + SENTINEL]
)
def test_a_reply_without_the_last_line_is_not_evaluated(shell: Shell, tail: str) -> None:
    whole = reply(shell.family, (), (("AWS_PROFILE", "new"),))
    shell.stub.answer("use dev", text=whole.removesuffix(SENTINEL + "\n") + tail)
    result = shell.run("awsenv use dev; " + shell.said() + shell.dump("after"), env={"AWS_PROFILE": "old"})
    assert (result.stdout, result.stderr) == ("status 1\n", "awsenv: the reply was cut short; nothing changed\n")
    assert managed(result.environment("after")) == {"AWS_PROFILE": "old"}


def test_silence_is_not_success(shell: Shell) -> None:
    shell.stub.answer("use dev", text="")
    result = shell.run("awsenv use dev; " + shell.said())
    assert (result.stdout, result.stderr) == ("status 1\n", "awsenv: the reply was cut short; nothing changed\n")


def test_another_protocol_is_named_in_words(shell: Shell) -> None:
    whole = reply(shell.family, (), (("AWS_PROFILE", "new"),))
    shell.stub.answer("use dev", text=whole.replace("awsenv 1 end", "awsenv 12 end"))
    result = shell.run("awsenv use dev; " + shell.said() + shell.dump("after"))
    assert result.stdout == "status 1\n"
    assert result.stderr == "awsenv was updated: start a new shell or run: exec $SHELL\n"
    assert managed(result.environment("after")) == {}


def test_cut_at_any_byte_the_environment_is_old_or_wholly_new(shell: Shell) -> None:
    new = {"AWS_ACCESS_KEY_ID": "AKIANEW", "AWS_SECRET_ACCESS_KEY": "it's \\new", "AWSENV_PROFILE": "ünï"}
    whole = reply(shell.family, ("AWS_PROFILE", "AWS_VAULT"), tuple(new.items())).encode()
    # A stand-in for the interpreter that starts in 1 ms: there are some hundred cuts.
    (shell.home / "whole").write_bytes(whole)
    python = shell.home / "python"
    python.write_text(f'#!/bin/sh\nexec head -c "$CUT" {shell.home}/whole\n')
    python.chmod(0o755)
    shell.values["__awsenv_python"] = str(python)

    old = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_VAULT"), "old") | {
        "AWSENV_PROFILE": ""
    }
    names = sorted({*old, *new})
    state = "".join(shell.show(n) for n in names)
    step = f"awsenv use x 2>/dev/null; echo $CUT {shell.status}; {state}"
    if shell.family == "fish":
        script = f"for cut in (seq 0 {len(whole)}); set -gx CUT $cut; {step} end"
    else:
        script = f"CUT=0; export CUT; while [ $CUT -le {len(whole)} ]; do {step} CUT=$((CUT+1)); done"
    blocks = re.findall(r"(?m)^(\d+) (\d+)\n((?:AWS.*\n)+)", shell.run(script, env=old).stdout)

    def shown(values: Mapping[str, str]) -> str:
        return "".join(f"{n}=[{values[n]}]\n" if n in values else f"{n} is unset\n" for n in names)

    assert [int(cut) for cut, _, _ in blocks] == list(range(len(whole) + 1))
    for cut, status, seen in blocks:
        # The newline at the very end is the only byte that can be missing.
        expected = ("0", shown(new)) if int(cut) >= len(whole) - 1 else ("1", shown(old))
        assert (status, seen) == expected, f"cut after {cut} bytes"


def arrives_exactly(shell: Shell, values: list[str]) -> None:
    for start in range(0, len(values), len(MANAGED)):
        sent = dict(zip(MANAGED, values[start : start + len(MANAGED)], strict=False))
        shell.stub.answer("use dev", unset=[n for n in MANAGED if n not in sent], assign=sent)
        result = shell.run("awsenv use dev; " + shell.said() + shell.dump("after"), flags=["-i"] if start == 0 else [])
        assert "status 0\n" in result.stdout
        assert managed(result.environment("after")) == sent
    assert not (shell.home / "PWN").exists()


def test_hostile_values_arrive_byte_for_byte(shell: Shell) -> None:
    arrives_exactly(shell, list(HOSTILE))


def test_random_values_arrive_byte_for_byte(shell: Shell) -> None:
    pick = random.Random(20261122)
    letters = "ab '\"\\$`(){}[]<>|&;#~*?!=%@^:,.-+/_é日\u202e\U0001f600\udcff"
    arrives_exactly(shell, ["".join(pick.choices(letters, k=pick.randint(1, 40))) for _ in range(6 * len(MANAGED))])


def test_hostile_values_survive_being_put_back(shell: Shell) -> None:
    for start in range(0, len(HOSTILE), len(MANAGED)):
        mine = dict(zip(MANAGED, HOSTILE[start:], strict=False))
        result = shell.run("awsenv use dev; awsenv off; " + shell.dump("after"), env=mine)
        assert managed(result.environment("after")) == mine
    assert not (shell.home / "PWN").exists()


# ---- What was there before ------------------------------------------------------------------------------------------


def test_off_puts_back_what_was_there_exported_or_not(shell: Shell) -> None:
    before = shell.export("AWS_PROFILE", "mine") + shell.assign("AWS_REGION", "not exported")
    before += shell.export("AWS_VAULT", "") + shell.assign("AWS_SSO", "")
    shown = "".join(shell.show(n) for n in ("AWS_PROFILE", "AWS_REGION", "AWS_VAULT", "AWS_SSO", "AWS_DEFAULT_REGION"))
    verbs = "awsenv use dev; awsenv use prod; awsenv refresh; awsenv off; "
    result = shell.run(shown + verbs + shell.said() + shown + shell.dump("after"), before=before)
    first, last = result.stdout.split("status 0\n")
    assert first == last
    assert managed(result.environment("after")) == {"AWS_PROFILE": "mine", "AWS_VAULT": ""}


def test_a_value_set_since_is_left_alone_and_named_to_the_backend(shell: Shell) -> None:
    shell.stub.answer("off", unset=[n for n in (*MANAGED, *OWN) if n not in ("AWS_PROFILE", "AWS_REGION")])
    meddle = shell.export("AWS_PROFILE", "later") + shell.unset("AWS_REGION")
    result = shell.run(
        "awsenv use dev; " + meddle + "awsenv off; " + shell.dump("after"),
        env={"AWS_PROFILE": "mine", "AWS_REGION": "mine", "AWS_VAULT": "mine"},
    )
    assert set(shell.stub.calls[-1].env["AWSENV_CHANGED"].split(" ")) == {"AWS_PROFILE", "AWS_REGION"}
    assert managed(result.environment("after")) == {"AWS_PROFILE": "later", "AWS_VAULT": "mine"}


def test_what_a_refresh_set_counts_as_ours(shell: Shell) -> None:
    shell.run("awsenv use dev; awsenv refresh; awsenv off")
    assert shell.stub.calls[-1].env["AWSENV_CHANGED"] == ""


def test_the_backend_hears_of_a_stash_only_while_there_is_one(shell: Shell) -> None:
    shell.run("awsenv use dev; awsenv use prod; awsenv off; awsenv use dev; awsenv off; awsenv off")
    assert [call.env.get("AWSENV_STASHED") for call in shell.stub.calls] == [None, "1", "1", None, "1", None]


def test_a_failed_use_stashes_nothing(shell: Shell) -> None:
    shell.stub.answer("use dev", **changing(keys("dev")), status=4)
    shell.run("awsenv use dev; awsenv off")
    assert "AWSENV_STASHED" not in shell.stub.calls[-1].env


def test_a_failed_off_keeps_the_stash(shell: Shell) -> None:
    shell.stub.answer("off", text="", status=7)
    shell.run("awsenv use dev; awsenv off; awsenv off", env={"AWS_PROFILE": "mine"})
    assert shell.stub.calls[-1].env["AWSENV_STASHED"] == "1"


def test_off_in_a_nested_shell_unsets_and_restores_nothing(shell: Shell) -> None:
    result = shell.run("awsenv use prod; awsenv off; " + shell.dump("after"), env=keys("dev"))
    # The outer shell's keys without the outer shell's AWSENV_* would be an identity that no prompt shows.
    assert managed(result.environment("after")) == {}
    assert "AWSENV_STASHED" not in shell.stub.calls[-1].env


def test_the_stash_never_reaches_a_child(shell: Shell) -> None:
    result = shell.run(
        "awsenv use dev; " + shell.dump("after"), before=shell.assign("AWS_SECRET_ACCESS_KEY", "kept to myself")
    )
    assert "kept to myself" not in repr(result.environment("after"))
    assert "kept to myself" not in repr(shell.stub.calls[0].env)


@pytest.mark.parametrize(
    ("script", "previous"),
    [
        ("use dev; use prod", [None, None]),
        ("use dev; use prod; use -", [None, None, "-- dev"]),
        ("use dev; use prod; use -; use -", [None, None, "-- dev", "-- prod"]),
        ("use dev; off; use -", [None, None, "-- dev"]),
        ("use dev; use dev; use -", [None, None, None]),
        ("use dev; use prod; use prod; use -", [None, None, "-- dev", "-- dev"]),
        ("use opt; use dev; use -", [None, None, "--region x -- opt a"]),
    ],
)
def test_the_identity_before_this_one_is_told_to_use(shell: Shell, script: str, previous: list[str | None]) -> None:
    shell.stub.answer("use opt", **changing(keys("opt a", AWSENV_OPTIONS="--region x")))
    shell.run("; ".join(f"awsenv {verb}" for verb in script.split("; ")))
    assert [call.env.get("AWSENV_PREVIOUS") for call in shell.stub.calls] == previous


SUBSHELL = "awsenv: this is a subshell or a pipe: only it has changed, not the shell around it"

# ---- Shells that stand in the way -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWSENV_LABEL", "GRANTED_SSO_ACCOUNT_ID"])
def test_a_readonly_name_stops_everything_and_is_named(posix: Shell, name: str) -> None:
    script = f"readonly {name}=mine; awsenv use dev; " + posix.said() + posix.dump("after")
    result = posix.run(script, env={"AWS_VAULT": "mine"})
    assert (result.stdout, result.stderr) == (
        "status 1\n",
        f"awsenv: {name} is readonly in this shell; nothing changed\n",
    )
    assert managed(result.environment("after")) == {"AWS_VAULT": "mine"}
    assert posix.stub.calls == []


@pytest.mark.parametrize(
    "script", ["(awsenv use dev; awsenv off)", "awsenv use dev | cat", "echo | { awsenv use dev; cat; }"]
)
def test_in_a_subshell_it_says_once_that_only_that_changes(posix: Shell, script: str) -> None:
    if posix.family == "zsh" and script.startswith("echo"):
        pytest.skip("zsh runs the end of a pipe itself: there the change stays")
    result = posix.run(f"{script}; " + posix.dump("after"))
    assert result.stderr == SUBSHELL + "\n"
    assert managed(result.environment("after")) == {}


def test_in_the_shell_itself_it_says_nothing(posix: Shell) -> None:
    assert posix.run("awsenv use dev; awsenv refresh; awsenv off").stderr == ""


HARDENED = {
    "bash": ["set -euo pipefail", "set -eEuo pipefail; trap 'echo ERR >&2' ERR", "IFS=0", "IFS=0:A/", "IFS=", "set -fC",
             "set -k", "set -o posix", "shopt -s nullglob failglob", "shopt -s extglob dotglob globstar",
             "shopt -s nocasematch", "shopt -s xpg_echo", "unset BASH_SUBSHELL"],
    "zsh": ["set -euo pipefail", "IFS=0", "IFS=", "set -C", "setopt err_return; TRAPZERR() { echo ERR >&2 }"],
    "fish": ["set -g IFS ''", "set -g IFS 0", "set -g fish_trace ''"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "setting"), [(s, x) for s in SHELLS for x in HARDENED[s.split("-")[0]]])
def test_it_works_whatever_the_user_has_set(name: str, setting: str, tmp_path: Path) -> None:
    shell = make(name, tmp_path)
    script = "awsenv use dev; " + shell.dump("on") + "awsenv off; " + shell.dump("off") + "echo done"
    result = shell.run(script, before=setting, env={"AWS_PROFILE": "mine"})
    assert (result.status, result.stdout, result.stderr) == (0, "done\n", "")
    assert managed(result.environment("on")) == keys("dev")
    assert managed(result.environment("off")) == {"AWS_PROFILE": "mine"}


def test_the_users_options_are_as_before(posix: Shell) -> None:
    script = (
        'before=$(set +o; echo $-); awsenv use dev; after=$(set +o; echo $-); [ "$before" = "$after" ] && echo same'
    )
    result = posix.run(script, before="set -auCT +h" if posix.family == "bash" else "set -auC")
    assert result.stdout == "same\n"


def test_a_failure_ends_a_script_under_set_e(posix: Shell) -> None:
    posix.stub.answer("use dev", text="", status=4)
    result = posix.run("awsenv use dev; echo went on", before="set -e")
    assert (result.status, result.stdout) == (4, "")


def test_aliases_over_builtins_change_nothing(posix: Shell) -> None:
    words = (
        "local export unset eval printf return set trap kill exec source command complete compgen continue : test true "
    )
    words += "builtin emulate setopt typeset print autoload" if posix.family == "zsh" else "builtin ["
    before = "shopt -s expand_aliases\n" if posix.family == "bash" else ""
    before += "".join(f"alias {w}='echo ALIAS'\n" for w in words.split())
    # As a file and as text, the two ways of loading: eval parses all of it before the first line runs.
    for load in (posix.load.replace("source", "\\source"), f"\\eval \"$(cat '{posix.home}/awsenv.{posix.family}')\"\n"):
        script = "\nawsenv use dev\n/usr/bin/env -0 >'{0}/environment on'\nawsenv off\n/usr/bin/env -0 >'{0}/environment off'\n"
        result = posix.run(load + script.format(posix.home), before=before, load=False, env={"AWS_PROFILE": "mine"})
        assert (result.stdout, result.stderr) == ("", "")
        assert managed(result.environment("on")) == keys("dev")
        assert managed(result.environment("off")) == {"AWS_PROFILE": "mine"}


def test_global_aliases_of_zsh_change_nothing(zsh: Shell) -> None:
    words = "L G H T V NE NUL ... use off refresh text left x aliases zsh INT no_xtrace interactive before after list"
    # Under `eval` these would break any file at all: it is parsed before its first line could do something about it.
    builtins = " local export unset typeset setopt unalias return emulate trap eval awsenv name word"
    for more, load in ((builtins, zsh.load), ("", f"eval \"$(cat '{zsh.home}/awsenv.zsh')\"\n")):
        before = "".join(f"alias -g {w}='| cat -n'\n" for w in (words + more).split())
        # The words of this script are the user's own to keep clear of.
        script = f"{load}\n'awsenv' 'use' 'dev'; {zsh.dump('on')} 'awsenv' 'off'; {zsh.dump('gone')}"
        result = zsh.run(script, before=before, load=False, flags=["-i"], env={"AWS_PROFILE": "mine"})
        assert (result.stdout, result.stderr) == ("", "")
        assert managed(result.environment("on")) == keys("dev")
        assert managed(result.environment("gone")) == {"AWS_PROFILE": "mine"}


ZSH_OPTIONS = [
    "ksh_arrays", "sh_word_split", "no_unset", "err_exit", "err_return", "warn_create_global", "warn_nested_var",
    "no_aliases", "ksh_glob", "sh_glob", "null_glob", "csh_null_glob", "no_nomatch", "extended_glob",
    "csh_junkie_quotes", "csh_junkie_loops", "csh_junkie_history", "rc_quotes", "ignore_braces",
    "ignore_close_braces", "posix_builtins", "posix_identifiers", "posix_aliases", "posix_strings", "posix_traps",
    "all_export", "glob_subst", "glob_assign", "rc_expand_param", "ksh_typeset", "ksh_autoload", "octal_zeroes",
    "c_bases", "c_precedences", "typeset_silent", "no_equals", "magic_equal_subst", "no_function_argzero",
    "local_traps", "local_options", "no_short_loops", "no_bare_glob_qual", "ksh_zero_subscript", "no_multi_func_def",
    "sh_file_expansion", "sh_nullcmd", "csh_nullcmd", "no_case_match", "no_case_glob", "brace_ccl", "no_bad_pattern",
    "continue_on_error", "no_global_export", "no_clobber", "no_rcs", "path_dirs", "hash_cmds", "no_hash_cmds",
    "print_exit_value", "debug_before_cmd", "interactive_comments", "no_multibyte",
]  # fmt: skip


@pytest.mark.parametrize("loading", ["source", "eval"])
def test_zsh_options_change_nothing(zsh: Shell, loading: str) -> None:
    zsh.stub.answer("use dev", **changing(keys("dev", AWS_PROFILE="a'b \\ =ls *")))
    load = zsh.load
    if loading == "eval":
        load = f"eval \"$(< '{zsh.home}/awsenv.zsh')\"\n"
    segment = "AWSENV_LABEL=a/b AWS_PROFILE=p AWSENV_KEY_ID=profile:p AWSENV_EXPIRES_AT=1\n__awsenv_hook\nprint -rP -- '%9v'\n"
    script = "".join(
        f"( setopt {option} 2>/dev/null || exit 0\n{load}"
        f"awsenv use dev\n{zsh.dump(option)}\nawsenv off\n{zsh.dump(option + ' off')}\n{segment})\n"
        for option in ZSH_OPTIONS
    )
    # One zsh forks for all of them; each says that it is a subshell, and no more than that.
    result = zsh.run(script, load=False, env={"AWS_PROFILE": "mine"})
    assert set(result.stderr.splitlines()) == {SUBSHELL}
    seen = [option for option in ZSH_OPTIONS if (zsh.home / f"environment {option}").exists()]
    assert len(seen) > len(ZSH_OPTIONS) - 6  # a later zsh may drop one
    assert result.stdout.count("a/b expired!\n") == len(seen)
    for option in seen:
        after = result.environment(option)
        assert managed(after) == keys("dev", AWS_PROFILE="a'b \\ =ls *"), option
        assert managed(result.environment(f"{option} off")) == {"AWS_PROFILE": "mine"}, option


def test_functions_named_like_builtins_change_nothing(fish: Shell) -> None:
    words = "source printf contains math path export echo functions type"
    before = "".join(f"function {w}; builtin echo FUNCTION; end\n" for w in words.split())
    script = "awsenv use dev; " + fish.dump("on") + "awsenv off; __awsenv_segment_text; " + fish.dump("off")
    load = fish.load.replace("source", "builtin source")
    result = fish.run(load + script, before=before, load=False, env={"AWS_PROFILE": "mine"})
    assert (result.stdout, result.stderr) == ("", "")
    assert managed(result.environment("on")) == keys("dev")
    assert managed(result.environment("off")) == {"AWS_PROFILE": "mine"}


def test_universal_variables_are_hidden_or_named_and_never_touched(
    fish: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fish, "argv", lambda *flags: ["fish", *flags])  # --no-config leaves universal variables out
    fish.run("set -Ux AWS_VAULT uni; set -U AWS_SSO uni; set -Ux AWS_REGION uni", load=False)
    shown = "".join(fish.show(n) for n in ("AWS_VAULT", "AWS_SSO", "AWS_REGION"))
    script = (
        "awsenv use dev; "
        + shown
        + fish.dump("on")
        + "awsenv use prod; echo off; awsenv off; "
        + shown
        + fish.dump("off")
    )
    result = fish.run(script)
    on, off = result.stdout.split("off\n")
    assert on == "AWS_VAULT=[uni]\nAWS_SSO=[]\nAWS_REGION=[eu-west-1]\n"
    assert off == "AWS_VAULT=[uni]\nAWS_SSO=[uni]\nAWS_REGION=[uni]\n"
    # fish gives an exported universal variable to programs whatever hides it: that can only be said.
    assert managed(result.environment("on")) == {**keys("dev"), "AWS_VAULT": "uni"}
    assert managed(result.environment("off")) == {"AWS_VAULT": "uni", "AWS_REGION": "uni"}
    assert (
        result.stderr == "awsenv: programs still get these universal variables: AWS_VAULT\n  hint: set -eU AWS_VAULT\n"
    )
    assert fish.run(shown, load=False).stdout == off


def test_a_universal_profile_that_programs_still_get_shows_as_drift(
    fish: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fish, "argv", lambda *flags: ["fish", *flags])
    fish.run("set -Ux AWS_PROFILE uni", load=False)
    assert fish.run("awsenv use dev; __awsenv_segment_text").stdout == "≠ uni AKIADEV eu-west-1 "


# ---- Secrets --------------------------------------------------------------------------------------------------------

TRACING = [
    ("bash", "set -x"), ("bash", "set -xv"), ("bash", "exec 9>trace; BASH_XTRACEFD=9; set -x"),
    ("bash", "set -T; trap 'printf \"%s\\n\" \"$BASH_COMMAND\" >&2' DEBUG"), ("bash-old", "set -x"), ("bash-old", "set -xv"),
    ("zsh", "set -x"), ("zsh", "set -xv"), ("zsh", "functions -T awsenv"),
    ("zsh", "functions -t __awsenv_{change,apply,stash,restore,remember,list_changed}"), ("fish", "set -g fish_trace 1"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "tracing"), TRACING)
def test_no_secret_is_traced(name: str, tracing: str, tmp_path: Path) -> None:
    shell = make(name, tmp_path)
    shell.stub.answer("refresh", **changing(keys("dev", AWS_SESSION_TOKEN=TOKEN)))
    script = f"{tracing}\nawsenv use dev; awsenv refresh; awsenv use prod; awsenv off; echo still traced; exit 3"
    result = shell.run(script, env={"AWS_SECRET_ACCESS_KEY": "ambient-" + SECRET})
    trace = result.stderr + ((tmp_path / "trace").read_text() if (tmp_path / "trace").exists() else "")
    assert SECRET not in trace
    assert TOKEN not in trace
    assert result.status == 3
    assert len(shell.stub.calls) == 4
    if not tracing.startswith("functions"):
        assert "still traced" in trace  # the user's own tracing goes on


def test_the_prompt_hook_traces_no_key_id(posix: Shell) -> None:
    result = posix.run("set -x; __awsenv_hook; case $- in *x*) echo still on;; esac", env=keys("dev"))
    assert "AKIADEV" not in result.stderr
    assert result.stdout == "still on\n"


def test_set_a_exports_nothing_of_the_shim(posix: Shell) -> None:
    script = "awsenv use dev; " + posix.dump("on") + "__awsenv_hook; awsenv use prod; " + posix.dump("hooked")
    script += "awsenv off; " + posix.dump("off") + "case $- in *a*) echo still on;; esac"
    before = posix.assign("AWS_SECRET_ACCESS_KEY", "kept to myself") + "set -a\n"
    result = posix.run(script, before=before, flags=["-i"])
    assert result.stdout == "still on\n"
    for moment in ("on", "hooked", "off"):
        assert strange(result.environment(moment)) == set(), moment
        assert "kept to myself" not in repr(result.environment(moment))
    assert all("kept to myself" not in repr(call.env) for call in posix.stub.calls)
    assert managed(result.environment("off")) == {}


def test_nothing_secret_stays_after_off(posix: Shell) -> None:
    result = posix.run("awsenv use dev; awsenv off; typeset; set")
    assert SECRET not in result.stdout
    assert TOKEN not in result.stdout


# ---- Ctrl-C ---------------------------------------------------------------------------------------------------------


def test_ctrl_c_during_the_call_changes_nothing(shell: Shell) -> None:
    shell.stub.answer("use slow", **changing(keys("slow")), sleep=30)
    with shell.terminal(env={"AWS_PROFILE": "mine"}) as terminal:
        if shell.family != "fish":
            terminal.ask("set -a")
        begun = time.monotonic()
        terminal.interrupt_when(lambda: len(shell.stub.calls) == 1, "awsenv use slow")
        assert time.monotonic() - begun < 15
        status = terminal.ask(shell.said())
        terminal.ask(shell.dump("after"))
        assert terminal.segment == ""
        terminal.ask("awsenv use dev")
        assert terminal.segment == "dev/Admin eu-west-1"
        if shell.family != "fish":
            assert "still on" in terminal.ask("case $- in *a*) echo still' 'on;; esac")
    after = Result(0, "", "", shell.home).environment("after")
    assert managed(after) == {"AWS_PROFILE": "mine"}
    assert strange(after) == set()
    assert re.search(r"status (130|2)\b", status)


def test_ctrl_c_leaves_the_loop_around_it(shell: Shell) -> None:
    shell.stub.answer("use slow", **changing(keys("slow")), sleep=30)
    loop = (
        "for p in slow dev; awsenv use $p; end"
        if shell.family == "fish"
        else "for p in slow dev; do awsenv use $p; done"
    )
    with shell.terminal() as terminal:
        terminal.interrupt_when(lambda: len(shell.stub.calls) == 1, loop)
        terminal.ask("echo waited")
    assert len(shell.stub.calls) == 1


SAY = 'echo my" "trap'
TRAPS = [(name, f"trap '{SAY}' INT") for name in POSIX] + [("zsh", f"TRAPINT() {{ {SAY}; return 130 }}")]


@pytest.mark.parametrize(("name", "trap"), TRAPS)
def test_the_users_own_interrupt_trap_is_kept_and_runs(name: str, trap: str, tmp_path: Path) -> None:
    shell = make(name, tmp_path)
    shell.stub.answer("use slow", **changing(keys("slow")), sleep=30)
    listing = "trap -p INT" if shell.family == "bash" else "trap; functions TRAPINT"
    with shell.terminal() as terminal:
        terminal.ask(trap)
        before = terminal.ask(listing)
        terminal.ask("awsenv use dev")
        terminal.ask("awsenv off")
        assert terminal.ask(listing) == before
        assert terminal.interrupt_when(lambda: len(shell.stub.calls) == 3, "awsenv use slow").count("my trap") == 1
        assert terminal.ask(listing) == before
    assert "echo my" in before


def test_an_interrupt_in_the_middle_of_the_eval_waits_for_its_end(posix: Shell) -> None:
    first, second = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
    interrupt = "kill -INT $$\nsleep 0.1\n"
    use = f"\\builtin export {first}='new'\n{interrupt}\\builtin export {second}='new'\n{SENTINEL}"
    off = f"\\builtin unset -v {first}\n{interrupt}\\builtin unset -v {second}\n{SENTINEL}"
    posix.stub.answer("use dev", text=use)
    posix.stub.answer("off", text=off)
    with posix.terminal(env={first: "old", second: "old"}) as terminal:
        terminal.ask("awsenv use dev")
        terminal.ask(posix.dump("on"))
        terminal.ask("awsenv off")
        terminal.ask(posix.dump("off"))
    result = Result(0, "", "", posix.home)
    assert managed(result.environment("on")) == {first: "new", second: "new"}
    assert managed(result.environment("off")) == {first: "old", second: "old"}


def test_options_come_back_after_ctrl_c_under_tracing(posix: Shell) -> None:
    posix.stub.answer("use slow", **changing(keys("slow")), sleep=30)
    with posix.terminal() as terminal:
        terminal.ask("set -x")
        terminal.interrupt_when(lambda: len(posix.stub.calls) == 1, "awsenv use slow")
        assert "still on" in terminal.ask("case $- in *x*) echo still' 'on;; esac")


# ---- The prompt hook; what the segment shows is in test_prompt.py ---------------------------------------------------


def test_each_prompt_shows_what_is_so_now(shell: Shell) -> None:
    with shell.terminal() as terminal:
        assert terminal.segment == ""
        terminal.ask("awsenv use dev")
        assert terminal.segment == "dev/Admin eu-west-1"
        terminal.ask(shell.export("AWSENV_EXPIRES_AT", str(int(time.time()) + 47 * 60 + 30)))
        assert terminal.segment == "dev/Admin eu-west-1 47m"
        terminal.ask(shell.export("AWS_PROFILE", "other"))
        assert terminal.segment == "≠ other AKIADEV eu-west-1"
        terminal.ask("awsenv off")
        assert terminal.segment == ""


def test_the_prompt_leaves_the_status_alone(shell: Shell) -> None:
    fail = "sh -c 'exit 42'"
    with shell.terminal() as terminal:
        terminal.ask("awsenv use dev")
        terminal.ask(fail)
        assert "status 42" in terminal.ask(shell.said())
        terminal.ask("false | true")
        assert "pipe 1 0" in terminal.ask(
            "echo p'ipe' " + ('"${PIPESTATUS[@]}"' if shell.family == "bash" else "$pipestatus")
        )


def test_later_hooks_get_the_users_status(posix: Shell) -> None:
    later = {
        "bash": "later() { echo later' '$?; }; PROMPT_COMMAND=later",
        "bash-old": "later() { echo later' '$?; }; PROMPT_COMMAND=__awsenv_hook$'\\n'later",
        "zsh": "later() { echo later' '$? }; precmd_functions+=(later)",
    }
    with posix.terminal(before=later[posix.name]) as terminal:
        assert "later 42" in terminal.ask("sh -c 'exit 42'")


def test_under_set_e_a_prompt_does_not_end_the_shell(posix: Shell) -> None:
    with posix.terminal() as terminal:
        terminal.ask("set -e; ! true")
        assert "alive" in terminal.ask("echo al'ive'")
        terminal.ask("set -u; unset AWSENV_LABEL AWSENV_EXPIRES_AT")
        assert "alive" in terminal.ask("echo al'ive'")


def hooks(bash: Shell, before: str, after: str = "", flags: tuple[str, ...] = ("-i",)) -> list[str]:
    result = bash.run(f'{after}\nprintf "%s\\0" "${{PROMPT_COMMAND[@]}}"', before=before, flags=flags)
    return result.stdout.split("\0")[:-1]


def test_bash_is_hooked_first_in_the_array(tmp_path: Path) -> None:
    bash = make("bash", tmp_path)
    assert hooks(bash, "") == ["__awsenv_hook"]
    assert hooks(bash, "PROMPT_COMMAND='a; b #c'") == ["__awsenv_hook", "a; b #c"]
    assert hooks(bash, "PROMPT_COMMAND=(a 'b c')") == ["__awsenv_hook", "a", "b c"]
    assert hooks(bash, "PROMPT_COMMAND=(a b)", bash.load * 2) == ["__awsenv_hook", "a", "b"]
    assert hooks(bash, "PROMPT_COMMAND=(a __awsenv_hook)") == ["a", "__awsenv_hook"]
    assert hooks(bash, "PROMPT_COMMAND=a", "PROMPT_COMMAND='x;'$PROMPT_COMMAND\n" + bash.load) == [
        "x;__awsenv_hook",
        "a",
    ]
    assert hooks(bash, "PROMPT_COMMAND=(a b)", "PROMPT_COMMAND=x\n" + bash.load) == ["__awsenv_hook", "x", "a", "b"]


def test_older_bash_is_hooked_on_a_new_line(tmp_path: Path) -> None:
    bash = make("bash-old", tmp_path)
    assert hooks(bash, "") == ["__awsenv_hook"]
    for theirs in ("a", "a;", "a; ", "a # comment", "a &", "a\n"):
        assert hooks(bash, f"PROMPT_COMMAND='{theirs}'") == [f"{theirs}\n__awsenv_hook"]
    assert hooks(bash, "PROMPT_COMMAND=a", bash.load * 2) == ["a\n__awsenv_hook"]
    assert hooks(bash, "PROMPT_COMMAND=(a b)") == ["a\n__awsenv_hook", "b"]


def test_a_readonly_prompt_command_is_left_in_peace(bash: Shell) -> None:
    script = "awsenv use dev; " + bash.said() + 'echo "$PROMPT_COMMAND"'
    result = bash.run(script, before="readonly PROMPT_COMMAND=theirs", flags=["-i"])
    assert result.stdout == "status 0\ntheirs\n"
    assert "readonly" not in result.stderr


def test_zsh_is_hooked_once(zsh: Shell) -> None:
    result = zsh.run(zsh.load + "print -r -- $precmd_functions", before="precmd_functions=(a b)", flags=["-i"])
    assert result.stdout == "__awsenv_hook a b\n"


def test_a_script_gets_no_hook(shell: Shell) -> None:
    if shell.family == "fish":
        handlers = "functions --handlers | string match '*awsenv*'; "
        assert shell.run(handlers + "contains $__awsenv_completions $fish_complete_path; and echo there").stdout == ""
    elif shell.family == "zsh":
        assert "awsenv" not in shell.run("print -r -- $precmd_functions; print -r -- $fpath").stdout
    else:
        assert shell.run('echo "${PROMPT_COMMAND-none}"; complete -p awsenv').stdout == "none\n"


# ---- Completion is loaded, not shipped here -------------------------------------------------------------------------


@pytest.fixture
def completions(shell: Shell) -> Iterator[Shell]:
    """A stand-in for completions/: it offers one word, and says when it is loaded."""
    folder = shell.home / "my completions"
    folder.mkdir()
    note = f"echo loaded >>'{shell.home}/loaded'\n"
    (folder / "awsenv.bash").write_text(note + "_stand_in() { COMPREPLY=(offered); }\ncomplete -F _stand_in awsenv\n")
    (folder / "_awsenv").write_text("#compdef awsenv\n" + note + "compadd offered\n")
    (folder / "awsenv.fish").write_text(note + "complete -c awsenv -f -a offered\n")
    shell.values["__awsenv_completions"] = str(folder)
    yield shell


@pytest.mark.parametrize("compinit", ["before", "after"])
def test_completion_is_read_at_the_first_tab(completions: Shell, compinit: str) -> None:
    shell = completions
    if shell.family != "zsh" and compinit == "after":
        pytest.skip("only zsh has a compinit")
    shell.stub.answer("offered", text="ran with the offered word\n")
    init = "autoload -Uz compinit; compinit -u -D"
    with shell.terminal(before=init if (shell.family, compinit) == ("zsh", "before") else "") as terminal:
        if shell.family == "zsh":
            terminal.ask(init if compinit == "after" else ":")
        if shell.family == "bash":
            terminal.ask("set -o emacs")
        if shell.family == "zsh":
            terminal.child.sendline("setopt zle")
            terminal.wait()
        assert not (shell.home / "loaded").exists()
        terminal.child.send("awsenv off\t")
        for _ in range(100):
            if (shell.home / "loaded").exists():
                break
            time.sleep(0.05)
        time.sleep(0.3)
        terminal.child.send("\r")
        terminal.wait()
    assert (shell.home / "loaded").read_text() == "loaded\n"
    assert shell.stub.calls[-1].args == ["offered"]
