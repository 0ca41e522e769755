"""Credentials that run out in a shell: renewed behind the prompt, before a command, by one shell for all, and by nobody's hand.

The clock is moved by making the keys older: in the store, and in the variables of the shells that live on them.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from awsenv import assets, hook, renewer, spawn
from awsenv.demo.house import token_file
from awsenv.errors import LoginNeeded, TokenRejected
from awsenv.login_tokens import login_path
from awsenv.model import LoginSession
from awsenv.world import World
from tests.shells import SHELLS_AND_LONG_OLD, Shell, Terminal, missing

ROLE = "arn:aws:iam::555555555555:role/Worker"
OTHER = "arn:aws:iam::555555555555:role/Another"
PROFILES = f"""
[profile worker]
region = eu-west-1
role_arn = {ROLE}
source_profile = hoge1
duration_seconds = 900
"""
ID = "echo id=$AWS_ACCESS_KEY_ID"


@pytest.fixture(scope="module")
def town(fake, house):
    """The how-to's house, and a role for fifteen minutes that takes no person."""
    for role in (ROLE, OTHER):
        fake.role(role, ["arn:aws:iam::111111111111:user/hoge1"])
    config = house.home / ".aws/config"
    config.write_text(config.read_text() + PROFILES)
    return house


class Stage:
    """One store, and shells that live on it."""

    def __init__(self, town, fake, name: str, folder: Path) -> None:
        self.town, self.fake, self.name, self.folder = town, fake, name, folder
        self.store = folder / "store"
        self.count = 0

    def shell(self, watch: bool = True) -> Shell:
        """Another one; *watch*: a bash before 5.3 is to look before a command, too."""
        self.count += 1
        home = self.folder / f"home {self.count}"
        home.mkdir()
        shell = Shell(self.name, home)
        if watch and shell.family == "bash":
            shell.env["AWSENV_DEBUG_TRAP"] = "on"
        shell.values["__awsenv_main"] = assets.MAIN
        shell.values["__awsenv_store"] = str(self.store)
        shell.env |= dict(self.town.environment)
        shell.env["USER"] = "tester"
        shell.env["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return shell

    def age(self, seconds: int) -> None:
        """Let so much time have gone by for every key in the store."""
        for path in (self.store / "keys").iterdir():
            first, *lines = path.read_text().split("\n")
            times = [str(float(t) - seconds) if t[0].isdigit() and float(t) > 1e9 else t for t in first.split(" ")[2:]]
            text = "\n".join([" ".join(["awsenv", "1", *times]), *lines])
            text = re.sub(r"(AWSENV_\w+_AT)=(\d+)", lambda m: f"{m[1]}={int(m[2]) - seconds}", text)
            path.write_text(text)

    def until(self, holds: Callable[[], object], seconds: float = 8) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stored(self) -> str:
        """The key ids in the store."""
        return " ".join(
            sorted(p.read_text().split("AWS_ACCESS_KEY_ID=")[1].split()[0] for p in (self.store / "keys").iterdir())
        )


@pytest.fixture(params=SHELLS_AND_LONG_OLD)
def stage(request: pytest.FixtureRequest, town, fake, tmp_path: Path) -> Stage:
    if missing(request.param):
        pytest.skip(f"no {request.param} here")
    fake.forget()
    return Stage(town, fake, request.param, tmp_path)


@pytest.fixture
def commanding(stage: Stage) -> Stage:
    """The same, but for a bash that can't look before a command."""
    if stage.name == "bash-old":
        pytest.skip("before 5.3 and without bash-preexec or a DEBUG trap, bash lets nobody look before a command")
    return stage


def older(shell: Shell, seconds: int) -> str:
    """A line that makes the shell's own keys so much older."""
    if shell.family == "fish":
        return "; ".join(f"set -gx {n} (math ${n} - {seconds})" for n in ("AWSENV_EXPIRES_AT", "AWSENV_REFRESH_AT"))
    return "; ".join(f"export {n}=$(({n} - {seconds}))" for n in ("AWSENV_EXPIRES_AT", "AWSENV_REFRESH_AT"))


def key(terminal: Terminal) -> str:
    found = re.search(r"id=(\w+)", terminal.ask(ID))
    assert found
    return found[1]


def idle(terminal: Terminal, stage: Stage) -> str:
    """The key id that a shell has used, and that ends while nobody touches it: its prompt was drawn before."""
    old = key(terminal)
    stage.age(1000)
    end = int(time.time()) + 2
    terminal.ask("".join(terminal.shell.export(n, str(end)) for n in ("AWSENV_REFRESH_AT", "AWSENV_EXPIRES_AT")))
    assert key(terminal) == old
    time.sleep(end + 0.1 - time.time())
    return old


def test_inside_the_window_it_is_renewed_behind_the_prompt_and_every_shell_takes_it_over(stage: Stage) -> None:
    first, second = stage.shell(), stage.shell()
    with first.terminal() as one, second.terminal() as two:
        one.ask("awsenv use worker")
        two.ask("awsenv use worker")
        old = key(one)
        assert key(two) == old and stage.fake.count("AssumeRole") == 1
        stage.age(700)
        began = time.monotonic()
        one.ask(older(first, 700))
        assert time.monotonic() - began < 1.0
        stage.until(lambda: old not in stage.stored())
        one.ask(":" if first.family != "fish" else "true")
        new = key(one)
        assert new != old
        two.ask(older(second, 700))
        assert key(two) == new
        assert stage.fake.count("AssumeRole") == 2
        assert re.search(r"1[45]m", two.segment), two.segment


def test_what_has_expired_is_renewed_before_the_command_runs(commanding: Stage) -> None:
    shell = commanding.shell()
    with shell.terminal() as terminal:
        terminal.ask("awsenv use worker")
        old = idle(terminal, commanding)
        assert key(terminal) != old
        assert commanding.fake.count("AssumeRole") == 2
        terminal.ask("true")
        assert re.search("1[45]m", terminal.segment)


def test_another_shells_renewal_is_taken_over_before_the_command_runs(commanding: Stage) -> None:
    first, second = commanding.shell(), commanding.shell()
    with first.terminal() as one, second.terminal() as two:
        one.ask("awsenv use worker")
        two.ask("awsenv use worker")
        old = idle(two, commanding)
        one.ask("awsenv refresh")
        assert key(two) == key(one) != old
        assert commanding.fake.count("AssumeRole") == 2


def test_a_hung_renewal_holds_a_command_back_no_longer_than_its_deadline(commanding: Stage) -> None:
    shell = commanding.shell()
    with shell.terminal() as terminal:
        terminal.ask("awsenv use worker")
        idle(terminal, commanding)
        commanding.fake.fail("AssumeRole", delay=13.0)
        began = time.monotonic()
        said = terminal.ask("echo r''an")
        assert 9.5 < time.monotonic() - began < 14
        assert re.search(
            r"worker has expired; renewing it.*\n(.*\n)?awsenv: worker is not renewed after 10 s.*\n(.*\n)?ran", said
        )
        began = time.monotonic()
        terminal.ask("echo r''an")
        assert time.monotonic() - began < 5, "the next command does not wait for the same worker once more"


def test_a_word_is_said_after_half_a_second_and_ctrl_c_gives_the_prompt_back(commanding: Stage) -> None:
    shell = commanding.shell()
    with shell.terminal() as terminal:
        terminal.ask("awsenv use worker")
        idle(terminal, commanding)
        commanding.fake.fail("AssumeRole", delay=13.0)
        began = time.monotonic()
        terminal.child.sendline("echo r''an")
        terminal.child.expect("worker has expired; renewing it")
        assert 0.4 < time.monotonic() - began < 2.5
        time.sleep(0.3)
        terminal.child.sendintr()
        said = terminal.wait()
        assert time.monotonic() - began < 5
        # fish has no way to hold a command back: there it runs.
        assert ("\nran" in said.replace("\r", "")) == (shell.family == "fish"), said
        began = time.monotonic()
        assert "again" in terminal.ask("echo ag''ain")
        assert time.monotonic() - began < 2, "whoever gave up is not made to wait again"


def test_a_profile_that_takes_a_code_is_left_to_its_person_and_one_line_says_so_once(stage: Stage) -> None:
    shell = stage.shell()
    with shell.terminal() as terminal:
        terminal.child.sendline("awsenv use fuga")
        terminal.child.expect(r"MFA code for fuga .*: ")
        terminal.child.sendline(stage.town.mfa_code)
        terminal.wait()
        stage.age(3600 - 300)  # five minutes of the role's hour are left; of the session that the code opened, nothing
        for path in (stage.store / "keys").iterdir():
            if "5555" not in path.name and "AWS_ACCOUNT_ID=222222222222" not in path.read_text():
                path.unlink()
        calls = stage.fake.count("AssumeRole")
        said = terminal.ask(older(shell, 3300))
        deadline = time.monotonic() + 8
        while "mfa!" not in terminal.segment:
            assert time.monotonic() < deadline, terminal.segment
            time.sleep(0.2)
            said += terminal.ask("true")
        said += "".join(terminal.ask("awsenv current") for _ in range(4))  # each lets it ask anew
        assert len(re.findall("renewing it takes an MFA code: awsenv refresh", said)) == 1
        assert re.search("fuga ends in [45]m, and", said)
        assert stage.fake.count("AssumeRole") == calls
        assert "MFA code for" not in said


def test_a_login_that_is_over_is_said_once_and_the_next_login_is_enough(stage: Stage) -> None:
    shell = stage.shell()
    token = token_file(stage.town.home)
    text = token.read_text()
    with shell.terminal() as terminal:
        try:
            terminal.ask("awsenv use piyo")
            old = key(terminal)
            ended = json.loads(text) | {"expiresAt": "2020-01-01T00:00:00Z"}
            ended.pop("refreshToken", None)
            token.write_text(json.dumps(ended))
            stage.age(3300)
            said = terminal.ask(older(shell, 3300))
            deadline = time.monotonic() + 8
            while "login!" not in terminal.segment:
                assert time.monotonic() < deadline, terminal.segment
                time.sleep(0.2)
                said += terminal.ask("true")
            said += "".join(terminal.ask("awsenv current") for _ in range(4))  # each lets it ask anew
            assert len(re.findall("the login for .* ended .* ago: awsenv login", said)) == 1, said
            assert key(terminal) == old
            token.write_text(text)
            terminal.ask("awsenv current")
            stage.until(lambda: key(terminal) != old)
            assert "login!" not in terminal.segment
        finally:
            token.write_text(text)


def test_after_a_failure_no_shell_tries_again_for_a_minute_and_no_prompt_waits(stage: Stage) -> None:
    shells = [stage.shell() for _ in range(3)]
    with ExitStack() as stack:
        terminals = [stack.enter_context(shell.terminal()) for shell in shells]
        for terminal in terminals:
            terminal.ask("awsenv use worker")
        stage.age(700)
        stage.fake.fail("AssumeRole", status=503, code="ServiceUnavailable", times=100)
        said = ""
        for turn in range(4):
            for shell, terminal in zip(shells, terminals, strict=True):
                began = time.monotonic()
                said += terminal.ask(older(shell, 700) if turn == 0 else "true")
                assert time.monotonic() - began < 1.5
            time.sleep(1.0)
        stage.until(lambda: [*(stage.store / "marks").glob("renewal-worker*")])
        tried = stage.fake.count("AssumeRole")
        for terminal in terminals * 3:
            said += terminal.ask("true")
        time.sleep(0.5)
        assert stage.fake.count("AssumeRole") == tried <= 6, "one try, and botocore's own few"
        assert "awsenv:" not in said, "it still works, and may be renewed yet"
        stage.fake.forget()


def test_the_pauses_grow_from_one_minute_to_five(town, fake, tmp_path: Path) -> None:
    stage = Stage(town, fake, "bash", tmp_path)
    shell = stage.shell()
    assert shell.run("awsenv use worker").status == 0
    fake.fail("AssumeRole", status=403, code="AccessDenied", times=100)
    pauses = []
    world = {**shell.env, "AWSENV_PROFILE": "worker", "AWSENV_STORE": str(stage.store), "AWSENV_HOOK": "1"}
    stage.age(700)
    for _ in range(4):
        argv = [sys.executable, "-I", "-S", assets.MAIN, hook.VERB]
        assert subprocess.run(argv, env=world, capture_output=True).returncode == 5
        (path,) = (stage.store / "marks").glob("renewal-worker*")
        mark = hook.read_mark(str(stage.store), path.name.removeprefix("renewal-"))
        assert mark is not None and mark.word == "failed"
        pauses.append(round(mark.until - mark.at))
    fake.forget()
    assert pauses == [60, 120, 300, 300]
    assert subprocess.run(argv, env=world, capture_output=True).returncode == 0
    assert not path.exists()


def test_switched_off_nothing_is_asked(stage: Stage) -> None:
    shell = stage.shell()
    shell.env["AWSENV_REFRESH"] = "off"
    with shell.terminal() as terminal:
        terminal.ask("awsenv use worker")
        old = idle(terminal, stage)
        assert key(terminal) == old
        terminal.ask("true")
        time.sleep(1)
        assert key(terminal) == old and stage.fake.count("AssumeRole") == 1
        assert "expired!" in terminal.segment


def test_the_setting_switches_it_off_for_what_is_used_from_then_on(stage: Stage) -> None:
    shell = stage.shell()
    folder = stage.folder / "settings/awsenv"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("[refresh]\nautomatic = false\n")
    shell.env["XDG_CONFIG_HOME"] = str(folder.parent)
    result = shell.run("awsenv use worker; awsenv use worker; " + shell.dump("after"))
    assert result.status == 0, result.stderr
    after = result.environment("after")
    assert "AWSENV_EXPIRES_AT" in after and "AWSENV_REFRESH_AT" not in after


def test_a_script_is_never_renewed(stage: Stage) -> None:
    shell = stage.shell()
    script = "awsenv use worker; " + shell.export("AWSENV_REFRESH_AT", "1") + shell.export("AWSENV_EXPIRES_AT", "1")
    result = shell.run(script + "true; true; " + shell.dump("after"))
    assert stage.fake.count("AssumeRole") == 1
    assert result.environment("after")["AWSENV_EXPIRES_AT"] == "1"
    assert not (stage.store / "marks" / "renewal-worker@@@keys").exists()


def test_keys_that_are_not_ours_are_left_alone(stage: Stage) -> None:
    shell = stage.shell()
    with shell.terminal() as terminal:
        terminal.ask("awsenv use worker")
        stage.age(1000)
        terminal.ask(shell.export("AWS_ACCESS_KEY_ID", "AKIAOTHERTOOL1234") + older(shell, 1000))
        time.sleep(1)
        assert key(terminal) == "AKIAOTHERTOOL1234"
        assert terminal.segment.startswith("≠ AKIA..1234") and stage.fake.count("AssumeRole") == 1


def test_nobody_becomes_somebody_else_by_a_renewal(stage: Stage) -> None:
    shell = stage.shell()
    config = stage.town.home / ".aws/config"
    text = config.read_text()
    with shell.terminal() as terminal:
        terminal.ask("awsenv use worker")
        old = key(terminal)
        try:
            config.write_text(text.replace(ROLE, OTHER))
            stage.age(700)
            said = terminal.ask(older(shell, 700))
            deadline = time.monotonic() + 8
            while "refresh!" not in terminal.segment:
                assert time.monotonic() < deadline, terminal.segment
                time.sleep(0.2)
                said += terminal.ask("true")
        finally:
            config.write_text(text)
        assert key(terminal) == old
        assert said.count('the config now makes "worker" somebody else') == 1


def test_a_renewal_leaves_the_shell_in_the_region_that_it_is_in(stage: Stage) -> None:
    shell = stage.shell()
    with shell.terminal() as terminal:
        terminal.ask("awsenv use worker")
        old = key(terminal)
        terminal.ask(shell.export("AWS_REGION", "us-east-2") + shell.unset("AWS_DEFAULT_REGION"))
        stage.age(700)
        terminal.ask(older(shell, 700))
        deadline = time.monotonic() + 8
        while key(terminal) == old:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert "[us-east-2][]" in terminal.ask("""printf '[%s]' "$AWS_REGION" "$AWS_DEFAULT_REGION"; echo""")


def test_what_does_not_expire_is_never_asked_about(stage: Stage) -> None:
    shell = stage.shell()
    with shell.terminal() as terminal:
        terminal.ask("awsenv use hoge1")
        before = set(stage.store.rglob("*"))
        for _ in range(3):
            terminal.ask("true")
        assert set(stage.store.rglob("*")) == before and "!" not in terminal.segment


def test_a_value_that_is_no_number_is_never_computed(stage: Stage) -> None:
    shell = stage.shell()
    with shell.terminal() as terminal:
        terminal.ask("awsenv use worker")
        for bad in ("a[$(touch PWN)0]", "$(touch PWN)", "1;touch PWN", "-5", "9" * 20):
            said = terminal.ask(shell.export("AWSENV_REFRESH_AT", bad) + shell.export("AWSENV_EXPIRES_AT", bad))
            assert key(terminal)
            assert not re.search("error|bad|great|syntax|math|long|invalid", said + terminal.ask("true")), bad
        assert not (shell.home / "PWN").exists()


def test_a_shell_that_asks_gets_no_other_answer_than_these(town, fake, tmp_path: Path) -> None:
    stage = Stage(town, fake, "bash", tmp_path)
    shell = stage.shell()

    def asked(env: dict[str, str], *words: str) -> tuple[int, str]:
        argv = [sys.executable, "-I", "-S", assets.MAIN, "refresh", "--hook", *words]
        done = subprocess.run(argv, env={**shell.env, **env}, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout

    wired = {"AWSENV_SHIM": "bash:1", "AWSENV_STORE": str(stage.store)}
    assert asked({})[0] == 2
    assert asked(wired) == (0, ": awsenv 1 wait 300\n")  # nobody
    assert asked({**wired, "AWSENV_PROFILE": "worker"}) == (0, ": awsenv 1 wait 300\n")  # no store yet
    assert asked({**wired, "AWSENV_PROFILE": "worker", "AWSENV_OPTIONS": "--as=profile"}) == (
        0,
        ": awsenv 1 wait 300\n",
    )


def test_ps0_of_bash_5_3_calls_what_the_debug_trap_calls(tmp_path: Path) -> None:
    # 5.3 itself is nowhere to be had: its branch is taken by telling this bash that it is one, and what it puts into
    # PS0 evaluated as `${ …; }` does it, in the shell itself.
    shell = Shell("bash", tmp_path)
    shell.shim = re.sub(r"(?m)^__awsenv_bash=.*$", "__awsenv_bash=503", shell.shim)
    shell.stub.answer("refresh", assign={"AWS_ACCESS_KEY_ID": "new"})
    script = """
    PS0='theirs'; now=1; __awsenv_watch_commands; __awsenv_watch_commands; echo "$PS0"
    call=${PS0#'${ '}; export AWSENV_PROFILE=p AWS_ACCESS_KEY_ID=a AWSENV_KEY_ID=a AWSENV_REFRESH_AT=5 AWSENV_EXPIRES_AT=6
    eval "${call%%;*}"; echo "$AWS_ACCESS_KEY_ID"
    shopt -u promptvars; PS0=; __awsenv_watch_commands; echo "[$PS0]"
    """
    assert shell.run(script).stdout == "${ __awsenv_before_command; }theirs\nnew\n[]\n"
    assert [call.args for call in shell.stub.calls] == [["refresh", "--hook", "--wait"]]
    assert shell.stub.calls[0].env["AWSENV_HOOK"] == "1" and shell.stub.calls[0].tty[0] is False


def test_what_a_shell_does_before_a_command_is_in_no_trace(tmp_path: Path) -> None:
    shell = Shell("bash", tmp_path)
    shell.stub.answer("refresh", assign={"AWS_ACCESS_KEY_ID": "newest", "AWS_SECRET_ACCESS_KEY": "secret"})
    script = """
    export AWSENV_PROFILE=p AWS_ACCESS_KEY_ID=oldest AWSENV_KEY_ID=oldest AWSENV_REFRESH_AT=5 AWSENV_EXPIRES_AT=6
    set -x; __awsenv_before_command ls; : still traced; set +x; echo "$AWS_ACCESS_KEY_ID"
    """
    result = shell.run(script)
    assert result.stdout == "newest\n" and "still traced" in result.stderr
    assert not any(word in result.stderr for word in ("oldest", "newest", "secret"))


def test_a_worker_keeps_nothing_that_the_shell_has_open_but_its_lock(tmp_path: Path) -> None:
    theirs = os.open(tmp_path / "theirs", os.O_RDWR | os.O_CREAT)
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    try:
        os.set_inheritable(theirs, True)  # as a shell's own `exec 9>file` is
        script = f"ls -l /proc/self/fd > {tmp_path}/seen.new && mv {tmp_path}/seen.new {tmp_path}/seen"
        assert spawn.detached(["/bin/sh", "-c", script], {"PATH": "/usr/bin:/bin"}, lock)
    finally:
        os.close(theirs)
        os.close(lock)
    deadline = time.monotonic() + 8
    while not (tmp_path / "seen").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    seen = (tmp_path / "seen").read_text()
    assert f"{tmp_path}/lock" in seen and f"{tmp_path}/theirs" not in seen


def test_what_is_kept_of_a_failure_knows_which_login_would_mend_it(tmp_path: Path) -> None:
    world = World({}, str(tmp_path), f"{tmp_path}/config", f"{tmp_path}/credentials", None, "me")
    session = LoginSession("arn:aws:iam::111111111111:user/me", "me")
    ended = LoginNeeded("the login ended")
    ended.session = session
    assert renewer._read(ended, world)[-1] == login_path(world.login_cache_dir, session.arn)
    assert renewer._in_words(ended)[0] == "login"
    assert renewer._in_words(LoginNeeded("a code is needed"))[0] == "mfa"
    assert renewer._in_words(TokenRejected("the web identity token has expired"))[0] == "failed"


def test_bash_preexec_and_ble_sh_call_it_where_they_are_loaded(tmp_path: Path) -> None:
    shell = Shell("bash", tmp_path)
    script = """
    now=1; bash_preexec_imported=defined; preexec_functions=(theirs); __awsenv_watch_commands; __awsenv_watch_commands
    echo "${preexec_functions[@]}"
    blehook() { echo "blehook $*" >&3; }; BLE_VERSION=0.4; { __awsenv_watch_commands; __awsenv_watch_commands; } 3>&1
    """
    assert shell.run(script).stdout == "theirs __awsenv_before_command\nblehook PREEXEC!=__awsenv_before_command\n"


@pytest.mark.parametrize("wanted", ["", "on"])
def test_a_debug_trap_only_where_it_was_asked_for(tmp_path: Path, wanted: str) -> None:
    shell = Shell("bash", tmp_path)
    shell.env["AWSENV_DEBUG_TRAP"] = wanted
    with shell.terminal() as terminal:
        assert ("__awsenv_before_debug" in terminal.ask("trap -p DEBUG")) == (wanted == "on")
        assert "=two=" in terminal.ask("true one two; echo =$_=")


def test_a_shell_is_told_by_its_backend_alone(stage: Stage) -> None:
    """A reply that is none of ours changes nothing, and says nothing that nobody has asked for."""
    shell = Shell(stage.name, stage.folder / "stubbed")
    if stage.name == "bash":
        shell.env["AWSENV_DEBUG_TRAP"] = "on"
    past = {"AWS_ACCESS_KEY_ID": "a", "AWSENV_KEY_ID": "a", "AWSENV_PROFILE": "p", "AWSENV_LABEL": "l"}
    past |= {"AWSENV_REFRESH_AT": "5", "AWSENV_EXPIRES_AT": "6"}
    wait = ": awsenv 1 wait "
    for text in (
        "",
        "echo PWN",
        wait,
        wait + "x",
        wait + "$(touch PWN)",
        wait + "5 evil",
        ": awsenv 2 end",
        wait + "9" * 20,
    ):
        shell.stub.answer("refresh", text=text + "\n")
        before = len(shell.stub.calls)
        with shell.terminal() as terminal:
            said = terminal.ask("".join(shell.export(*pair) for pair in past.items()))
            said += terminal.ask("true")
        assert len(shell.stub.calls) == before + 1, text
        assert "awsenv" not in said.replace("AWSENV", "") and terminal.segment == "l expired!", (text, said)
    assert not (shell.home / "PWN").exists()
