"""`use` without a name: the list that a person chooses from, ours, fzf's and the printed one, in real shells on a pty."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pexpect import EOF, spawn

from awsenv import assets, choose, history, roster
from awsenv.commands import list as list_command
from awsenv.lease import Reading
from awsenv.ports import real
from awsenv.store import open_store
from awsenv.tokens import token_path
from awsenv.world import World
from tests.bench.scene import CHAIN, argv, furnished
from tests.real_shell import CONFIG, history_of, real_shell
from tests.shells import Shell

NOW = time.time()
OWN = '[picker]\nprogram = "own"\n[accounts]\n333333333333 = "Third Corp"\n'
ROLES = """\
[profile base]
aws_access_key_id = AKIABASE
aws_secret_access_key = hidden-secret
mfa_serial = arn:aws:iam::111111111111:mfa/me
[profile deploy]
role_arn = arn:aws:iam::333333333333:role/path/Deploy  # ours
source_profile = base
region = eu-west-1 ; near
[profile portal]
sso_session = corp
sso_account_id = 222222222222
sso_role_name = ReadOnly
[profile behind]
role_arn = arn:aws:iam::333333333333:role/Behind
source_profile = portal
[profile program]
credential_process = /bin/true
[profile token]
role_arn = arn:aws:iam::333333333333:role/Token
web_identity_token_file = /nonexistent
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-west-1
"""


@pytest.fixture
def shell(shell_name, tmp_path) -> Shell:
    return real_shell(shell_name, tmp_path / "home", OWN)


@pytest.fixture
def bash(tmp_path) -> Shell:
    return real_shell("bash", tmp_path / "home", OWN)


def backend(shell: Shell, *words: str, columns: int = 80, lines: int = 24, **env: str) -> "spawn[str]":
    """`awsenv use` as the shim calls it, but for its stdout: on a terminal of that size."""
    call = argv("use", *words)
    given = {
        **shell.env,
        "TERM": "xterm",
        "AWSENV_SHIM": "bash:1",
        "AWSENV_STORE": shell.values["__awsenv_store"],
        **env,
    }
    return spawn(call[0], call[1:], env=given, encoding="utf-8", timeout=20, dimensions=(lines, columns))


def ended(child: "spawn[str]") -> tuple[int | None, str]:
    child.expect(EOF)
    child.close()
    return child.exitstatus, child.before


# ---- In a shell -----------------------------------------------------------------------------------------------------


def test_what_is_typed_and_taken_becomes_the_identity(shell):
    with shell.terminal() as terminal:
        terminal.child.sendline("TERM=xterm awsenv use")
        terminal.child.expect("5 of 5")
        terminal.child.send("piyo\r")
        terminal.wait()
        assert "AKIAPIYO" in terminal.ask("echo $AWS_ACCESS_KEY_ID")
        assert "piyo-prod" in terminal.ask("echo $AWSENV_PROFILE")


def test_options_go_with_what_is_chosen(shell):
    with shell.terminal() as terminal:
        terminal.child.sendline("TERM=xterm awsenv use --region ap-south-1")
        terminal.child.expect("5 of 5")
        terminal.child.send("with a\r")
        terminal.wait()
        assert "AKIABLANK ap-south-1" in terminal.ask("echo $AWS_ACCESS_KEY_ID $AWS_REGION")


@pytest.mark.parametrize("key", ["\x1b", "\x03", "\x04"], ids=["Esc", "Ctrl-C", "Ctrl-D"])
def test_leaving_changes_nothing(shell, key):
    with shell.terminal() as terminal:
        terminal.ask("awsenv use fuga")
        terminal.child.sendline("TERM=xterm awsenv use")
        terminal.child.expect("5 of 5")
        terminal.child.send(key)
        said = terminal.wait()
        assert "status 130" in terminal.ask(shell.said()), said
        assert "AKIAFUGA fuga" in terminal.ask("echo $AWS_ACCESS_KEY_ID $AWSENV_PROFILE")
    assert history_of(shell) == ["-- fuga"]


def test_nothing_of_the_list_is_evaluated(shell):
    # stdout is the shell's: a picture drawn on it would be run.
    with shell.terminal() as terminal:
        terminal.child.sendline("TERM=xterm awsenv use >out")
        terminal.child.expect("5 of 5")
        terminal.child.send("fuga\r")
        terminal.wait()
        assert "AKIAFUGA" in terminal.ask("echo $AWS_ACCESS_KEY_ID")
    assert (shell.home / "out").read_text() == ""


def test_where_a_profile_lives_on_what_was_there_before_the_list_comes_once(shell):
    config = shell.home / ".aws/config"
    config.write_text(CONFIG + "[profile outer]\nrole_arn = arn:aws:iam::1:role/x\ncredential_source = Environment\n")
    with shell.terminal() as terminal:
        terminal.ask("awsenv use piyo-prod")
        terminal.child.sendline("TERM=xterm awsenv use")
        terminal.child.expect("6 of 6")
        terminal.child.send("fuga\r")
        assert "6 of 6" not in terminal.wait()
        assert "AKIAFUGA" in terminal.ask("echo $AWS_ACCESS_KEY_ID")


def test_a_terminal_that_only_prints_gets_numbers(shell):
    with shell.terminal() as terminal:
        terminal.child.sendline("TERM=dumb awsenv use")
        terminal.child.expect(r"2  piyo-prod(.|\n)*part of a name: ")
        terminal.child.sendline("blank")
        terminal.wait()
        assert "AKIABLANK" in terminal.ask("echo $AWS_ACCESS_KEY_ID")
        terminal.child.sendline("TERM=dumb awsenv use")
        terminal.child.expect("part of a name: ")
        terminal.child.sendline("")
        terminal.wait()
        assert "AKIABLANK" in terminal.ask("echo $AWS_ACCESS_KEY_ID")


def test_without_a_terminal_it_is_a_mistake_with_help(shell):
    result = shell.run("awsenv use; " + shell.said() + shell.dump("after"))
    # A test runner may have a controlling terminal, and these shells with it: setsid has none.
    assert "AWSENV_PROFILE" not in result.environment("after")


def test_without_a_controlling_terminal_it_exits_2_with_help(bash):
    env = {**bash.env, "TERM": "xterm", "AWSENV_SHIM": "bash:1", "AWSENV_STORE": bash.values["__awsenv_store"]}
    done = subprocess.run(argv("use"), env=env, capture_output=True, text=True, start_new_session=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: awsenv use" in done.stderr


def test_without_a_shim_it_exits_2_and_shows_no_list(bash):
    call = argv("use")
    child = spawn(call[0], call[1:], env={**bash.env, "TERM": "xterm"}, encoding="utf-8", timeout=20)
    code, said = ended(child)
    assert code == 2 and "awsenv is not loaded in this one" in said and "piyo" not in said


# ---- What it shows --------------------------------------------------------------------------------------------------


@pytest.fixture
def env(tmp_path, monkeypatch) -> dict[str, str]:
    shell = real_shell("bash", tmp_path / "home", OWN, ROLES)
    env = {**shell.env, "AWSENV_STORE": shell.values["__awsenv_store"]}
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return env


def by_name(env) -> dict[str, tuple[str, ...]]:
    return {row[0]: row for row in roster.rows(env, choose._wishes(env)[1], NOW)}


def test_account_names_roles_regions_and_ways_are_shown(env):
    rows = by_name(env)
    assert rows["deploy"] == ("deploy", "Third Corp", "Deploy", "eu-west-1", "keys → role", "")
    assert rows["base"][4] == "keys → MFA"
    assert rows["portal"][1:5] == ("222222222222", "ReadOnly", "", "sso")
    assert rows["behind"][4] == "sso → role"
    assert rows["program"][4] == "program" and rows["token"][4] == "web identity"


def test_the_ways_are_those_of_list(env):
    world = World.current()
    reading, shown = Reading.of(world), by_name(env)
    store, _ = open_store(world.store_root, world.started)
    for name in ("deploy", "portal", "behind", "program", "base"):
        row = list_command._row(world, reading, name, store, real(world, store))
        assert (shown[name][2], shown[name][3], shown[name][4]) == (row.role, row.region, row.way), name


def test_a_login_that_is_missing_or_over_is_said(env):
    assert by_name(env)["portal"][5] == by_name(env)["behind"][5] == "login needed"
    folder = Path(env["HOME"]) / ".aws/sso/cache"
    folder.mkdir(parents=True)
    token = Path(token_path(str(folder), "corp"))
    token.write_text('{"accessToken": "t", "expiresAt": "2099-01-01T00:00:00Z"}')
    assert by_name(env)["portal"][5] == ""
    token.write_text('{"accessToken": "t", "expiresAt": "2019-01-01T00:00:00Z"}')
    assert by_name(env)["portal"][5] == "login needed"
    token.write_text('{"accessToken": "t", "expiresAt": "2019-01-01T00:00:00Z", "refreshToken": "r",'
                     ' "registrationExpiresAt": "2099-01-01T00:00:00Z"}')  # fmt: skip
    assert by_name(env)["portal"][5] == "", "it is renewed unattended"


def test_who_this_shell_is_stands_there_and_not_at_the_top(env):
    for _ in range(3):
        history.note(env, "", "token", NOW)
    history.note(env, "", "program", NOW)
    names = [row[0] for row in roster.rows(env, {}, NOW)]
    assert names[:2] == ["token", "program"] and names[2] == "base"
    rows = roster.rows({**env, "AWSENV_PROFILE": "token"}, {}, NOW)
    assert rows[0][0] == "program"
    assert {row[0]: row[5] for row in rows}["token"] == "in use"


def test_what_is_stored_is_shown_with_its_time(fake, tmp_path, monkeypatch):
    scene = furnished(tmp_path / "scene", fake)
    subprocess.run(argv("use", CHAIN), env=scene.shim(), check=True, capture_output=True)
    monkeypatch.setenv("HOME", str(scene.home))
    rows = {row[0]: row for row in roster.rows(scene.shim(), {}, time.time())}
    assert rows[CHAIN][5].startswith("cached ") and rows[CHAIN][5].endswith("m")


def test_no_secret_is_read(env):
    profiles, _ = roster._read(env)
    assert "hidden-secret" not in str(profiles) and "hidden-secret" not in str(by_name(env))


def test_names_that_would_do_something_to_a_terminal_are_escaped(bash):
    (bash.home / ".aws/config").write_bytes(
        b'[profile fuga]\nregion = a\n[profile e\x1b]0;OWNED\x07]\n[profile "two\x0blines"]\n[profile \xe2\x80\xaedorp]\n'
        b"[profile r]\nregion = \x1b[31mred\n"
    )
    child = backend(bash)
    child.expect("of 5")
    child.send("r\x1b")
    _, said = ended(child)
    assert "\x1b]0;OWNED" not in said and "\x1b[31m" not in said and "\u202e" not in said and "\x0b" not in said


def test_a_narrow_terminal_keeps_the_names_whole_and_drops_what_is_missed_least(bash):
    (bash.home / ".aws/config").write_text(
        "[profile AdministratorAccess-123456789012]\nrole_arn = arn:aws:iam::123456789012:role/AdministratorAccess\n"
        "source_profile = fuga\nregion = ap-northeast-1\n" + CONFIG
    )
    child = backend(bash, columns=80)
    child.expect("> AdministratorAccess-123456789012 *123456789012  AdministratorAccess\x1b")
    child.send("\x1b")
    assert ended(child)[0] == 130
    child = backend(bash, columns=130)
    child.expect("> AdministratorAccess-123456789012 *123456789012  AdministratorAccess  ap-northeast-1  keys → role")
    child.send("\x1b")
    assert ended(child)[0] == 130


@pytest.mark.parametrize("columns", [80, 40, 20])
def test_no_line_is_wider_than_the_terminal(bash, columns):
    (bash.home / ".aws/config").write_text(ROLES + f"[profile {'long-' * 30}]\n")
    child = backend(bash, columns=columns)
    child.expect(r"> base")
    child.send("\x1b")
    code, _ = ended(child)
    assert code == 130


def test_thousands_are_searched(bash):
    (bash.home / ".aws/config").write_text(
        CONFIG + "".join(f"[profile team-{n:04d}]\nregion = eu-west-1\nsource_profile = fuga\n" for n in range(5000))
    )
    child = backend(bash)
    child.expect("5,005 of 5,005")
    child.send("piyo\r")
    code, said = ended(child)
    assert code == 0 and "AKIAPIYO" in said


def test_without_any_profile_it_says_how_to_get_one(bash):
    (bash.home / ".aws/config").unlink()
    code, said = ended(backend(bash))
    assert code == 3 and "no profiles in" in said and "; begin with: awsenv sso add\r\n" in said


def test_the_first_picture_needs_none_of_the_slow_imports():
    # The model's dataclasses alone are a fifth of the tenth of a second.
    program = (
        "import sys; sys.path.append(sys.argv[1])\n"
        "from awsenv import choose, roster, picker, hot\n"
        "slow = {'dataclasses', 'json', 'awsenv.model', 'awsenv.errors', 'subprocess', 'tomllib'}\n"
        "print(sorted(slow & set(sys.modules)))\n"
    )
    root = os.path.dirname(os.path.dirname(assets.MAIN))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program, root], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ---- fzf ------------------------------------------------------------------------------------------------------------


def stand_in(shell: Shell, script: str) -> None:
    """An `fzf` in PATH that does this."""
    folder = shell.home / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / "fzf"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    shell.env["PATH"] = f"{folder}:{os.environ['PATH']}"
    (shell.home / ".config/awsenv/config.toml").write_text("")


def test_fzf_is_taken_where_there_is_one(shell):
    stand_in(shell, 'cat >"$HOME/rows"; env >"$HOME/fzf-env"; echo "$@" >"$HOME/options"; grep piyo "$HOME/rows"')
    with shell.terminal() as terminal:
        terminal.child.sendline("TERM=xterm awsenv use")
        terminal.wait()
        assert "AKIAPIYO" in terminal.ask("echo $AWS_ACCESS_KEY_ID")
    rows = (shell.home / "rows").read_text().splitlines()
    assert len(rows) == 5 and rows[0].split("\t")[0] == "0"
    assert "--no-multi" in (shell.home / "options").read_text()
    assert "AWSENV_SHIM" not in (shell.home / "fzf-env").read_text()


@pytest.mark.parametrize("script", ["exit 130", "exit 1"])
def test_leaving_fzf_changes_nothing(bash, script):
    stand_in(bash, f"cat >/dev/null; {script}")
    code, said = ended(backend(bash))
    assert code == 130 and "nothing changed" in said and "AKIA" not in said


def test_an_fzf_that_fails_is_named_with_the_way_round_it(bash):
    stand_in(bash, "cat >/dev/null; exit 2")
    code, said = ended(backend(bash))
    assert code == 3 and "fzf ended with 2" in said and 'program = "own"' in said


@pytest.mark.parametrize("output", ["query\\n1\\trow", "ctrl-x\\n1\\trow\\n", "1\\trow\\0"])
def test_what_ones_own_options_add_to_fzfs_answer_is_no_obstacle(bash, output):
    stand_in(bash, f"cat >/dev/null; printf '{output}'")
    code, said = ended(backend(bash))
    assert code == 0 and "AKIAPIYO" in said


@pytest.mark.parametrize("output", ["999\\trow", "-1\\trow", "x", "", "1e0\\trow"])
def test_an_answer_that_is_none_of_the_rows_is_nobody(bash, output):
    stand_in(bash, f"cat >/dev/null; printf -- '{output}'")
    code, said = ended(backend(bash))
    assert code == 130 and "AKIA" not in said


def test_an_fzf_that_is_not_wanted_is_not_started(bash):
    stand_in(bash, 'touch "$HOME/started"')
    (bash.home / ".config/awsenv/config.toml").write_text(OWN)
    child = backend(bash)
    child.expect("5 of 5")
    child.send("\x1b")
    assert ended(child)[0] == 130
    assert not (bash.home / "started").exists()


REAL_FZF = shutil.which("fzf")


@pytest.mark.skipif(REAL_FZF is None, reason="fzf is not installed here")
def test_the_real_fzf_finds_what_is_typed_and_leaves_at_esc(bash):
    assert REAL_FZF is not None
    bash.env["PATH"] = f"{os.path.dirname(REAL_FZF)}:{os.environ['PATH']}"
    (bash.home / ".config/awsenv/config.toml").write_text("")
    child = backend(bash)
    child.expect("5/5")
    child.send("piyo")
    child.expect("1/5")
    child.send("\r")
    code, said = ended(child)
    assert code == 0 and "AKIAPIYO" in said
    child = backend(bash)
    child.expect("5/5")
    child.send("\x1b")
    assert ended(child)[0] == 130
