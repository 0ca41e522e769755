"""A login as a person meets it in bash, zsh and fish on a pty: both flows, the question, Ctrl-C, a closed terminal, a logout."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from pexpect import EOF, TIMEOUT, spawn

from awsenv import assets
from awsenv.demo.fake import FakeAws
from awsenv.demo.house import REGION, START_URL
from tests.logins import Home, nobody_logged_in, until
from tests.shells import Shell, Terminal
from tests.test_traps import backends

ASKED = r'there is no login for the sso-session "test" yet\. Log in now\? \[Y/n\] '


class Desk:
    """A shell whose shim calls the real backend, in a home where nobody is logged in."""

    def __init__(self, name: str, home: Home, folder: Path) -> None:
        self.home = home
        self.shell = Shell(name, folder / "shell")
        self.shell.values |= {"__awsenv_main": assets.MAIN, "__awsenv_store": str(home.store)}
        self.shell.env |= {name: value for name, value in home.env.items() if name != "AWSENV_STORE"}
        self.program = " ".join(
            self.shell.quote(word) for word in home.argv()
        )  # awsenv as a program, not as a function

    @property
    def name(self) -> str:
        return self.shell.name

    def backends(self) -> list[int]:
        """The process ids of the backends at work here."""
        return backends(self.home.store)

    def holds(self, where: Path, count: int = 1) -> bool:
        """Whether so many backends have something below *where* open."""
        found = 0
        for pid in self.backends():
            try:
                links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            except OSError:
                continue
            found += any(link.startswith(str(where)) for link in links)
        return found >= count


@pytest.fixture
def home(house, fake, tmp_path) -> Iterator[Home]:
    with nobody_logged_in(house, fake, tmp_path) as home:
        yield home


@pytest.fixture
def desk(shell_name, home, tmp_path) -> Desk:
    return Desk(shell_name, home, tmp_path)


@pytest.fixture
def bash(home, tmp_path) -> Desk:
    """For what is the same in every shell, since the shim leaves it alone."""
    return Desk("bash", home, tmp_path)


def status(terminal: Terminal, code: int) -> None:
    said = terminal.ask(terminal.shell.said("status"))
    assert f"status {code}" in said, said


# ---- Both flows -----------------------------------------------------------------------------------------------------


def test_after_a_login_by_browser_use_and_the_aws_cli_are_that_person(desk, fake):
    desk.home.browser()
    with desk.shell.terminal() as terminal:
        said = terminal.ask("awsenv login test >out")
        assert 'your browser shows the login to the sso-session "test": d-1234567890.awsapps.com' in said, said
        assert desk.home.opened[0] in said and "logged in to" in said
        status(terminal, 0)
        arn = terminal.ask("aws --profile piyo sts get-caller-identity --query Arn --output text")
        assert "arn:aws:sts::333333333333:assumed-role/Deploy/" in arn, arn
        terminal.ask("awsenv use piyo")
        assert "333333333333/Deploy" in terminal.segment
    assert (desk.shell.home / "out").read_text() == "" and len(desk.home.opened) == 1


def test_after_a_login_by_code_use_works(desk, fake):
    with desk.shell.terminal() as terminal:
        terminal.child.sendline("awsenv login test --device >out")
        terminal.child.expect(r"on any device: (http\S+)\s+the code there must be: (\S{4}-\S{4})")
        address, code = terminal.child.match.groups()
        assert address.endswith(f"user_code={code}")
        fake.approve(code)
        assert "logged in to" in terminal.wait()
        terminal.ask("awsenv use piyo")
        assert "333333333333/Deploy" in terminal.segment
    assert (desk.shell.home / "out").read_text() == ""


def shown_on(home: Home, rows: int, fake: FakeAws, **env: str) -> str:
    """What a login by code puts on a terminal of so many rows."""
    fake.approve_after_polls = 1
    argv = home.argv("login", "test", "--device", "--fresh")
    child = spawn(argv[0], argv[1:], env={**home.env, **env}, encoding="utf-8", timeout=20, dimensions=(rows, 100))
    child.expect(EOF)
    child.close()
    assert child.exitstatus == 0
    return child.before


def test_a_code_comes_with_a_qr_where_there_is_room_and_a_link_where_the_terminal_knows_them(home, fake):
    rich = {"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}
    said = shown_on(home, 60, fake, **rich)
    assert "\u2580" in said and re.search(r"\x1b\]8;id=awsenv;(http\S+?)\x1b\\\1\x1b\]8;;\x1b\\", said), said
    said = shown_on(home, 20, fake, TERM="xterm-256color")
    assert "\u2580" not in said and "\x1b]8;" not in said
    said = shown_on(home, 60, fake, LANG="C", **rich)
    assert "\u2580" not in said and "\x1b]8;" in said


# ---- The question ---------------------------------------------------------------------------------------------------


def test_use_asks_once_and_enter_logs_in_and_goes_on(desk):
    desk.home.browser()
    with desk.shell.terminal() as terminal:
        terminal.child.sendline("awsenv use piyo")
        terminal.child.expect(ASKED)
        terminal.child.sendline("")
        said = terminal.wait()
        assert "Log in now?" not in said and "your browser shows" in said and "333333333333" in said, said
        assert "333333333333/Deploy" in terminal.segment
        terminal.ask("awsenv use piyo-prod")
        assert "444444444444/ReadOnly" in terminal.segment
    assert len(desk.home.opened) == 1


def test_use_and_a_no_changes_nothing_and_hints_at_the_command(desk):
    desk.home.browser()
    with desk.shell.terminal(env={"AWS_PROFILE": "mine"}) as terminal:
        before = terminal.ask("env | grep AWS | sort")
        for answer in ("n", "later"):
            terminal.child.sendline("awsenv use piyo")
            terminal.child.expect(ASKED)
            terminal.child.sendline(answer)
            said = terminal.wait()
            assert "Log in now?" not in said and "hint: awsenv login test" in said
            status(terminal, 4)
        assert terminal.segment == "" and terminal.ask("env | grep AWS | sort") == before
    assert desk.home.opened == []


@pytest.mark.parametrize(
    "line, then",
    [
        ("awsenv whoami piyo", "assumed-role/Deploy"),
        ("awsenv whoami piyo </dev/null", "assumed-role/Deploy"),
        ("awsenv exec piyo -- aws sts get-caller-identity", "assumed-role/Deploy"),
        ("awsenv export piyo --format env >out; cat out", "AWS_ACCOUNT_ID='333333333333'"),
        ('eval "$(awsenv export piyo)"; awsenv whoami', "assumed-role/Deploy"),
    ],
)
def test_whoami_exec_and_export_ask_as_well_and_go_on(bash, line, then):
    bash.home.browser()
    with bash.shell.terminal() as terminal:
        terminal.child.sendline(line)
        terminal.child.expect(ASKED)
        terminal.child.sendline("y")
        said = terminal.wait()
        assert then in said and "Log in now?" not in said, said
    assert len(bash.home.opened) == 1


def test_by_setting_it_logs_in_unasked_or_never(bash):
    with bash.shell.terminal() as terminal:
        bash.home.browser(when_needed="never")
        said = terminal.ask("awsenv use piyo")
        assert "Log in now?" not in said and "hint: awsenv login test" in said
        status(terminal, 4)
        assert bash.home.opened == []
        bash.home.browser(when_needed="always")
        said = terminal.ask("awsenv use piyo")
        assert "Log in now?" not in said and "333333333333/Deploy" in terminal.segment, said
    assert len(bash.home.opened) == 1


def test_who_was_not_asked_to_by_a_person_asks_none(bash):
    bash.home.browser(when_needed="ask")
    with bash.shell.terminal() as terminal:
        lines = [
            f"{name}=1 awsenv {verb}" for name in ("DIRENV_IN_ENVRC", "CI", "AWSENV_HOOK") for verb in ("whoami piyo",)
        ]
        lines += ["CI=1 awsenv use piyo", "awsenv export piyo --format process >out"]
        lines += [f"setsid -w {bash.program} whoami piyo"]
        for line in lines:
            said = terminal.ask(line)
            assert "Log in now?" not in said and "hint: awsenv login test" in said, (line, said)
            status(terminal, 4)
        assert bash.home.opened == []
        said = terminal.ask("awsenv export piyo --format process --allow-login >out")
        assert "Log in now?" not in said, said
        status(terminal, 0)
    assert len(bash.home.opened) == 1


def test_a_background_job_neither_asks_nor_is_stopped(desk):
    desk.home.browser(when_needed="ask")
    with desk.shell.terminal() as terminal:
        # A function of fish can't go to the background: there it is the program that somebody sends there.
        for line in [f"{desk.program} whoami piyo &"] + ["awsenv whoami piyo &"] * (desk.name != "fish"):
            terminal.child.sendline(line)
            terminal.child.expect("hint: awsenv login test")
            terminal.child.sendline("wait; jobs; echo do''ne")
            terminal.child.expect("done")
            assert not re.search("(?i)stopped|suspended|Log in now", terminal.child.before), terminal.child.before
            terminal.wait()
    assert desk.home.opened == []


def test_a_background_job_by_setting_always_opens_nothing_either(bash):
    bash.home.browser(when_needed="always")
    with bash.shell.terminal() as terminal:
        terminal.child.sendline("awsenv whoami piyo &")
        terminal.child.expect("hint: awsenv login test")
        terminal.ask("wait")
    assert bash.home.opened == []


def test_a_name_made_to_hurt_is_asked_about_filtered(bash):
    name = "x\x1b]0;OWNED\x07\x1b]52;c;T1dORUQ=\x07\u202e%F{red}$(touch PWN)"
    bash.home.configure(
        f"\n[sso-session '{name}']\nsso_start_url = {START_URL}\nsso_region = {REGION}\n"
        f"[profile hurt]\nsso_session = {name}\nsso_account_id = 123456789012\nsso_role_name = ViewOnlyAccess\n"
    )
    with bash.shell.terminal(env={"TERM": "dumb"}) as terminal:
        terminal.child.sendline("awsenv use hurt")
        terminal.child.expect(r"Log in now\? \[Y/n\] ")
        asked = terminal.child.before
        terminal.child.sendline("n")
        said = asked + terminal.wait()
        assert "\\x1b]0;OWNED\\x07" in said and "\\u202e" in said, said
        assert "\x1b]" not in said and "\x07" not in said and "\u202e" not in said
    assert not (bash.shell.home / "PWN").exists()


def test_two_shells_that_need_the_same_login_ask_once_and_both_have_it(bash):
    bash.home.browser()
    with bash.shell.terminal() as first, bash.shell.terminal() as second:
        first.ask("awsenv use hoge1")  # there is a store from now on
        first.child.sendline("awsenv use piyo")
        first.child.expect(ASKED)
        second.child.sendline("awsenv use piyo")
        second.child.expect(r"waiting for another shell that is getting the same identity \(process \d+\)")
        first.child.sendline("y")
        first.wait()
        said = second.wait()
        assert "Log in now?" not in said
        assert "333333333333/Deploy" in first.segment and "333333333333/Deploy" in second.segment
    assert len(bash.home.opened) == 1


def test_two_shells_that_were_asked_for_different_profiles_open_one_browser(bash):
    bash.home.browser()
    with bash.shell.terminal() as first, bash.shell.terminal() as second:
        for terminal, profile in ((first, "piyo"), (second, "piyo-prod")):
            terminal.child.sendline(f"awsenv use {profile}")
            terminal.child.expect(ASKED)
        for terminal, label in ((first, "333333333333/Deploy"), (second, "444444444444/ReadOnly")):
            terminal.child.sendline("y")
            terminal.wait()
            assert label in terminal.segment
    assert len(bash.home.opened) == 1


def test_where_somebody_is_logging_in_already_nobody_is_asked_but_told_for_whom_one_waits(bash):
    bash.home.browser("wait")
    first = bash.home.start("login", "test")
    until(lambda: bash.home.opened)
    with bash.shell.terminal() as terminal:
        terminal.child.sendline("awsenv use piyo")
        terminal.child.expect(f'waiting for the login to the sso-session "test" that process {first.pid} has begun')
        urlopen(bash.home.opened[0]).read()
        said = terminal.wait()
        assert "Log in now?" not in said and "333333333333/Deploy" in terminal.segment, said
    first.communicate(timeout=20)
    assert first.returncode == 0 and len(bash.home.opened) == 1


# ---- Ctrl-C ---------------------------------------------------------------------------------------------------------


def interrupted(terminal: Terminal, desk: Desk, line: str, moment: Callable[[], object] | str) -> str:
    """Type *line*, press Ctrl-C at the moment (or once that is on the screen); what was printed after it."""
    terminal.child.sendline(line)
    if isinstance(moment, str):
        terminal.child.expect(moment)
    else:
        for _ in range(800):
            if moment():
                break
            terminal.child.expect([r"\Z.", TIMEOUT], timeout=0.01)
        assert moment(), "that moment never came"
    terminal.child.sendintr()
    began = time.monotonic()
    said = terminal.wait()
    assert time.monotonic() - began < 3
    return said


def quiet(said: str, words: str) -> None:
    """One line of ours, those words in it."""
    ours = [line for line in said.replace("^C", "\n").split("\n") if line.startswith("awsenv: ")]
    assert len(ours) == 1 and words in ours[0] and "Traceback" not in said, said


def after_an_interrupt(terminal: Terminal, desk: Desk, code: int, terminal_before: str, environment: str) -> None:
    status(terminal, code)
    assert terminal.ask("stty -a") == terminal_before
    assert terminal.ask("env | grep AWS | sort") == environment and terminal.segment == ""
    assert desk.backends() == []
    assert not desk.home.token.exists() and not [name for name in desk.home.tokens() if name.endswith(".tmp")]


def test_ctrl_c_in_a_use_that_needs_a_login_leaves_shell_terminal_and_locks_as_they_were(desk, fake):
    # zsh itself ends the function, and gives 2 when no trap of the user's is set.
    code = 2 if desk.name == "zsh" else 130
    desk.home.browser("wait")
    with desk.shell.terminal(env={"AWS_PROFILE": "mine"}) as terminal:
        before = terminal.ask("stty -a"), terminal.ask("env | grep AWS | sort")
        said = interrupted(terminal, desk, "awsenv use piyo", ASKED)
        quiet(said, "nothing changed")
        after_an_interrupt(terminal, desk, code, *before)
        terminal.child.sendline("awsenv use piyo")
        terminal.child.expect(ASKED)
        terminal.child.sendline("y")
        terminal.child.expect("Ctrl-C gives it up")
        until(lambda: desk.home.opened)
        terminal.child.sendintr()
        quiet(terminal.wait().replace("awsenv: your browser", ""), "was given up; nothing changed")
        after_an_interrupt(terminal, desk, code, *before)
        desk.home.browser(when_needed="always")
        terminal.ask("awsenv use piyo")
        assert "333333333333/Deploy" in terminal.segment


def test_ctrl_c_at_each_moment_of_a_login_ends_it_with_one_quiet_line(desk, fake):
    desk.home.browser("wait")
    with desk.shell.terminal(env={"AWS_PROFILE": "mine"}) as terminal:
        before = terminal.ask("stty -a"), terminal.ask("env | grep AWS | sort")
        # while the browser is waited for
        said = interrupted(terminal, desk, "awsenv login test", r"redirect_uri=\S+\s")
        quiet(said, 'the login to the sso-session "test" was given up; nothing changed')
        after_an_interrupt(terminal, desk, 130, *before)
        # while AWS is asked about a code
        said = interrupted(terminal, desk, "awsenv login test --device --no-browser", r"Ctrl-C gives it up")
        quiet(said, "was given up; nothing changed")
        after_an_interrupt(terminal, desk, 130, *before)
        # while AWS lets us wait for an answer
        fake.fail("RegisterClient", delay=6, times=2)
        fake.fail("StartDeviceAuthorization", delay=6, times=2)
        said = interrupted(terminal, desk, "awsenv login test --device", lambda: desk.holds(Path("socket:")))
        quiet(said, "nothing changed")
        after_an_interrupt(terminal, desk, 130, *before)
        fake.forget()
        # while another's login is waited for
        before_that = len(desk.home.opened)
        other = desk.home.start("login", "test")
        until(lambda: len(desk.home.opened) > before_that)
        said = interrupted(terminal, desk, "awsenv login test", f"process {other.pid} has begun; Ctrl-C stops")
        quiet(said, "nothing changed")
        status(terminal, 130)
        assert other.poll() is None
        other.send_signal(signal.SIGINT)
        other.communicate(timeout=20)
        terminal.ask("true")
        after_an_interrupt(terminal, desk, 0, *before)
        desk.home.browser()
        assert "logged in to" in terminal.ask("awsenv login test")


# ---- The terminal goes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["awsenv use piyo", "awsenv login test"])
def test_a_terminal_closed_during_a_login_ends_it_within_a_second(desk, line):
    desk.home.browser("wait", when_needed="always")
    with desk.shell.terminal() as terminal:
        terminal.child.sendline(line)
        until(lambda: desk.home.opened)
        assert desk.backends()
        began = time.monotonic()
        terminal.child.close(
            force=True
        )  # the backend is told by the kernel alone: only the shell gets pexpect's signals
        until(lambda: not desk.backends(), 5)
        assert time.monotonic() - began < 1
    redirect = parse_qs(urlsplit(desk.home.opened[0]).query)["redirect_uri"][0]
    with pytest.raises(OSError, match="refused"):
        urlopen(redirect, timeout=2)
    assert not desk.home.token.exists()
    desk.home.browser()
    assert desk.home("login", "test").returncode == 0


# ---- Logging out ----------------------------------------------------------------------------------------------------


def test_a_logout_puts_a_shell_that_lives_on_it_back_as_off_does(desk, fake):
    desk.home.log_in(fake)
    before = {"AWS_PROFILE": "mine", "AWS_REGION": "", "AWS_SECURITY_TOKEN": "t o'k$n", "AWS_VAULT": "v"}
    shell = desk.shell
    script = (
        shell.dump("before") + "awsenv use piyo; " + shell.dump("as piyo") + "awsenv logout; " + shell.said("logout")
    )
    result = shell.run(script + shell.dump("after") + "awsenv use piyo; " + shell.said("use"), env=before)
    assert "logout 0" in result.stdout and "use 4" in result.stdout and "is gone from this shell" in result.stderr, (
        result.stderr
    )
    assert result.environment("as piyo")["AWS_ACCOUNT_ID"] == "333333333333"
    assert result.environment("after") == result.environment("before")
    assert desk.home.tokens() == [] and desk.home.kept() == [] and fake.count("Logout", 200) == 1


def test_what_was_changed_behind_our_back_survives_a_logout_and_is_named(desk, fake):
    desk.home.log_in(fake)
    shell = desk.shell
    script = "awsenv use piyo; " + shell.export("AWS_REGION", "mine") + "awsenv logout; " + shell.dump("after")
    result = shell.run(script)
    assert "left as they are, changed since: AWS_REGION" in result.stderr
    after = result.environment("after")
    assert after["AWS_REGION"] == "mine" and "AWS_ACCESS_KEY_ID" not in after and "AWSENV_PROFILE" not in after


def test_a_logout_of_something_else_leaves_the_shell_and_its_watch_for_drift(desk, fake):
    desk.home.log_in(fake)
    shell = desk.shell
    script = shell.export("AWS_PROFILE", "mine") + "awsenv use hoge1; " + shell.export("AWS_REGION", "mine")
    script += shell.dump("before") + "awsenv logout test; "
    script += shell.said("logout") + shell.dump("after")
    script += shell.export("AWS_ACCESS_KEY_ID", "theirs") + "awsenv current; awsenv off; " + shell.dump("end")
    result = shell.run(script)
    assert "logout 0" in result.stdout and result.environment("after") == result.environment("before")
    assert result.environment("after")["AWSENV_PROFILE"] == "hoge1"
    assert "no longer ours" in result.stdout
    for name in ("AWS_ACCESS_KEY_ID", "AWS_REGION"):  # of after the logout, and of before it
        assert re.search(f"changed since: .*{name}", result.stderr), result.stderr
    end = result.environment("end")
    assert (end["AWS_ACCESS_KEY_ID"], end["AWS_REGION"], end["AWS_PROFILE"]) == (
        "theirs",
        "mine",
        "mine",
    ) and "AWSENV_PROFILE" not in end


def test_a_logout_that_could_not_tell_aws_puts_the_shell_back_and_says_so(desk, fake):
    desk.home.log_in(fake)
    shell = desk.shell
    script = shell.dump("before") + "awsenv use piyo; " + shell.export("AWS_ENDPOINT_URL_SSO", "http://127.0.0.1:9")
    script += "awsenv logout; " + shell.said("logout") + shell.export("AWS_ENDPOINT_URL_SSO", fake.identity_center_url)
    result = shell.run(script + shell.dump("after"))
    assert "logout 6" in result.stdout and "AWS could not be told" in result.stderr
    assert "is gone from this shell" in result.stderr
    assert result.environment("after") == result.environment("before")
    assert desk.home.tokens() == [] and desk.home.kept() == []


def test_a_logout_takes_the_prompts_segment_along(desk, fake):
    desk.home.log_in(fake)
    with desk.shell.terminal() as terminal:
        terminal.ask("awsenv use piyo")
        assert "333333333333/Deploy" in terminal.segment
        said = terminal.ask("awsenv logout --all")
        assert "logged out of" in said and terminal.segment == ""


def test_a_logout_without_the_shim_still_logs_out(bash, fake):
    bash.home.log_in(fake)
    result = bash.shell.run(f"{bash.program} logout; " + bash.shell.said("logout"), load=False)
    assert result.stdout == "logout 0\n" and "logged out of" in result.stderr
    assert bash.home.tokens() == []


def test_the_fake_is_the_only_aws_that_was_asked(home, fake: FakeAws) -> None:
    assert all("127.0.0.1" in value for name, value in home.env.items() if name.startswith("AWS_ENDPOINT"))
