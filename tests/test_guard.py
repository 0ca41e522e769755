"""The guard: a question before a shell or a command becomes one of a class; no warm answer goes past it, no hook meets it."""

import os
import re
import sys
import time
from collections.abc import Mapping

import pexpect
import pytest

from awsenv import assets, hook, hot, turn
from awsenv.model import Where
from awsenv.settings import parse
from tests.real_shell import real_shell
from tests.shells import Shell
from tests.test_failures import Backend, backend, failed  # noqa: F401

PROD = '[classes]\nprod = ["*prod*"]\n[guard]\nprod = "confirm"\n'
BY_NAME = PROD.replace("confirm", "name")
ROLE = "arn:aws:iam::555555555555:role/Guarded"


# ---- The setting ----------------------------------------------------------------------------------------------------


def test_nothing_is_guarded_unless_it_is_asked_for():
    assert parse('[classes]\nprod = ["*prod*"]\n', "f").guards == {}
    assert parse(PROD.replace("confirm", "no"), "f").guards == {}
    settings = parse(PROD, "f")
    assert settings.guards == {"prod": "confirm"} and settings.origins["guard.prod"] == Where("f", 4)


@pytest.mark.parametrize("value", ["true", '"yes"', "1", "[]"])
def test_one_that_cannot_be_read_asks_all_the_same_and_is_named(value):
    settings = parse(PROD.replace('"confirm"', value), "f")
    assert settings.guards == {"prod": "confirm"}
    (mistake,) = settings.mistakes
    assert mistake.where == Where("f", 4) and "confirm, name, no" in mistake.what


def test_a_class_that_there_is_not_is_a_mistake():
    settings = parse('[guard]\nlive = "name"\n', "f")
    assert settings.guards == {}
    assert [problem.what.split(":")[0] for problem in settings.mistakes] == ["there is no class live"]


# ---- At a terminal --------------------------------------------------------------------------------------------------


@pytest.fixture
def shell(shell_name, tmp_path) -> Shell:
    return real_shell(shell_name, tmp_path / "home", PROD)


def answered(terminal, line: str, question: str, answer: str) -> str:
    """Type *line*, and *answer* behind the *question*; what was said from there on."""
    terminal.child.sendline(line)
    terminal.child.expect(question)
    terminal.child.sendline(answer)
    return terminal.wait()


QUESTION = r"this is prod: piyo-prod.*\. Go on\? \[y/N\] "


def test_yes_goes_on_and_anything_else_changes_nothing(shell):
    who = f"echo {shell.status}=$AWSENV_PROFILE=$AWS_ACCESS_KEY_ID="
    with shell.terminal() as terminal:
        assert "fuga" in terminal.ask("awsenv use fuga")
        for answer in ("n", "", "piyo-prod", "yess"):
            assert "stopped: nothing changed" in answered(terminal, "awsenv use piyo-prod", QUESTION, answer)
            assert "130=fuga=AKIAFUGA=" in terminal.ask(who)
        assert "piyo-prod" in answered(terminal, "awsenv use piyo-prod", QUESTION, "y")
        assert "0=piyo-prod=AKIAPIYO=" in terminal.ask(who)


def test_ctrl_c_and_ctrl_d_at_the_question_change_nothing(shell):
    who = f"echo {shell.status}=$AWSENV_PROFILE="
    with shell.terminal() as terminal:
        terminal.ask("awsenv use fuga")
        for key in ("\x03", "\x04"):
            terminal.child.sendline("awsenv use piyo-prod")
            terminal.child.expect(QUESTION)
            terminal.child.send(key)
            terminal.wait()
            said = terminal.ask(who)
            assert re.search(r"(130|1|2)=fuga=" if key == "\x03" else "130=fuga=", said), said


def test_what_the_shell_is_already_asks_nothing_and_after_off_it_asks_again_however_warm(shell):
    with shell.terminal() as terminal:
        answered(terminal, "awsenv use piyo-prod", QUESTION, "y")
        for again in ("awsenv use piyo-prod", "awsenv use piyo-prod --region ap-south-1", "awsenv refresh"):
            said = terminal.ask(again)
            assert "piyo-prod" in said and "Go on?" not in said
        terminal.ask("awsenv off")
        assert "stopped" in answered(terminal, "awsenv use piyo-prod", QUESTION, "n")
        assert "stopped" in answered(terminal, "awsenv use -", QUESTION, "n")


def test_where_another_hand_has_set_keys_since_it_asks_again(shell):
    with shell.terminal() as terminal:
        answered(terminal, "awsenv use piyo-prod", QUESTION, "y")
        terminal.ask(shell.export("AWS_ACCESS_KEY_ID", "AKIAOTHER"))
        assert "stopped" in answered(terminal, "awsenv use piyo-prod", QUESTION, "n")
        assert "Go on?" not in terminal.ask("awsenv refresh")  # that goes nowhere
        assert "key=AKIAPIYO=" in terminal.ask("echo key=$AWS_ACCESS_KEY_ID=")


def test_the_gravest_wants_the_profiles_name(tmp_path):
    shell = real_shell("bash", tmp_path / "home", BY_NAME + '[aliases]\np = "piyo-prod"\n')
    question = r"this is prod: piyo-prod.*Type the profile's name to go on: "
    with shell.terminal() as terminal:
        for wrong in ("y", "p", "Piyo-prod", "piyo"):
            assert "that is not its name: nothing changed" in answered(terminal, "awsenv use p", question, wrong)
            assert "130==" in terminal.ask("echo $?=$AWSENV_PROFILE=")
        assert "AKIA" not in answered(terminal, "awsenv use p", question, "piyo-prod")
        assert "who=piyo-prod=" in terminal.ask("echo who=$AWSENV_PROFILE=")
        terminal.ask("awsenv off")
        assert "not its name" in answered(terminal, "awsenv use p", question, "p")  # an alias is warm, too


def test_the_question_names_account_and_role_and_shows_nothing_raw(backend, fake):  # noqa: F811
    fake.role(ROLE, ["arn:aws:iam::111111111111:user/hoge1"])
    backend.configure(f"\n[profile x-prod]\nrole_arn = {ROLE}\nsource_profile = hoge1\nregion = eu-west-1\n")
    set_up(backend, PROD + '[accounts]\n555555555555 = "b\\u001b]0;PWN\\u0007ank"\n')
    child = pexpect.spawn(sys.executable, ["-I", "-S", assets.MAIN, "use", "x-prod"], env=backend.env, encoding="utf-8")
    child.expect(re.escape("[y/N] "))
    assert "x-prod · b\\x1b]0;PWN\\x07ank (555555555555) · Guarded · eu-west-1. Go on?" in child.before
    child.close(force=True)


def test_the_question_comes_before_a_code_is_asked_for(backend):  # noqa: F811
    set_up(backend, '[classes]\nprod = ["222222222222"]\n[guard]\nprod = "confirm"\n')
    child = pexpect.spawn(sys.executable, ["-I", "-S", assets.MAIN, "use", "fuga"], env=backend.env, encoding="utf-8")
    assert child.expect([r"Go on\? \[y/N\] ", "MFA code"]) == 0
    child.sendline("n")
    child.expect("stopped: nothing changed")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130


def test_nobody_waits_for_the_person_of_another_terminal(backend, fake):  # noqa: F811
    guarded_role(backend, fake)
    assert backend("use", "hoge1").returncode == 0  # from here on there is a store, and locks in it
    first, second = (
        pexpect.spawn(sys.executable, ["-I", "-S", assets.MAIN, "use", "x-prod"], env=backend.env, encoding="utf-8")
        for _ in range(2)
    )
    for child in (first, second):
        child.expect(r"Go on\? \[y/N\] ", timeout=15)
    second.sendline("y")
    second.expect("end\r\n")
    first.close(force=True)


# ---- Without one ----------------------------------------------------------------------------------------------------


def set_up(home: Backend, settings: str) -> None:
    home.env["XDG_CONFIG_HOME"] = str(home.home / ".config")  # the house's own is everybody's
    path = home.home / ".config/awsenv/config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(settings)


def guarded_role(home: Backend, fake, settings: str = PROD) -> None:
    fake.role(ROLE, ["arn:aws:iam::111111111111:user/hoge1"])
    home.configure(f"\n[profile x-prod]\nrole_arn = {ROLE}\nsource_profile = hoge1\nregion = eu-west-1\n")
    set_up(home, settings)


def test_a_script_says_yes_or_is_told_how(backend, fake):  # noqa: F811
    guarded_role(backend, fake)
    done = backend("use", "x-prod")
    failed(done, 2, '"x-prod" is prod', "nobody can be asked here", "config.toml:4", "awsenv use x-prod --yes")
    assert fake.count("AssumeRole") == 0
    done = backend("use", "x-prod", "--yes")
    assert done.returncode == 0 and "AWS_ACCESS_KEY_ID='" in done.stdout


@pytest.mark.parametrize("name", ["AWSENV_HOOK", "DIRENV_IN_ENVRC", "CI"])
def test_where_a_program_works_on_a_persons_terminal_the_person_is_not_asked(backend, fake, name):  # noqa: F811
    guarded_role(backend, fake)
    env = {**backend.env, name: "1"}
    child = pexpect.spawn(sys.executable, ["-I", "-S", assets.MAIN, "use", "x-prod"], env=env, encoding="utf-8")
    child.expect("nobody can be asked here")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2


def test_exec_starts_nothing_without_a_yes(backend, fake):  # noqa: F811
    guarded_role(backend, fake)
    run = ("--", "sh", "-c", "echo started $AWS_ACCESS_KEY_ID")
    done = backend("exec", "x-prod", *run)
    failed(done, 2, "awsenv exec x-prod --yes -- CMD")
    assert "started" not in done.stdout
    assert backend("exec", "x-prod", "--yes", *run).stdout.startswith("started ASIA")
    child = pexpect.spawn(
        sys.executable, ["-I", "-S", assets.MAIN, "exec", "x-prod", *run], env=backend.env, encoding="utf-8"
    )
    child.expect(r"\[y/N\] ")
    child.sendline("n")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130 and "started" not in child.before


def test_yes_behind_the_dashes_is_the_commands_own(backend, fake):  # noqa: F811
    guarded_role(backend, fake)
    failed(backend("exec", "x-prod", "--", "echo", "--yes"), 2, "nobody can be asked here")


@pytest.mark.parametrize("words", [("--as", "profile"), ("--region", "ap-south-1"), ("--duration", "20m")])
def test_no_form_of_use_goes_past_it_cold_or_warm(backend, fake, words):  # noqa: F811
    guarded_role(backend, fake)
    failed(backend("use", "x-prod", *words), 2, "is prod")
    assert backend("use", "x-prod", *words, "--yes").returncode == 0
    done = backend("use", "x-prod", *words)
    failed(done, 2, "is prod")
    assert done.stdout == ""


def variables(statements: str) -> dict[str, str]:
    return dict(re.findall(r"(AWS\w+)='([^']*)'", statements))


def served(env: Mapping[str, str], *words: str) -> hot.Answer | None:
    """What the fast lane says, which asks nobody; no lock is left behind."""
    try:
        return hot.answer(list(words), env)
    finally:
        turn.let_go()


def test_the_fast_lane_serves_a_guarded_identity_to_nobody_but_those_who_have_it(backend, fake):  # noqa: F811
    guarded_role(backend, fake)
    ours = variables(backend("use", "x-prod", "--yes").stdout)
    shell = {**backend.env, **ours}
    assert list((backend.store / "index").iterdir()) != []  # it is warm
    assert served(backend.env, "use", "x-prod") is None
    assert served({**backend.env, "AWSENV_PREVIOUS": "-- x-prod"}, "use", "-") is None
    for words in (("use", "x-prod"), ("refresh",), ("refresh", "--hook")):
        answer = served(shell, *words)
        assert answer is not None and b"AWS_ACCESS_KEY_ID='" in answer.stdout, words
    for other in ("AWSENV_PROFILE", "AWSENV_ACCOUNT_ID", "AWSENV_ROLE", "AWS_ACCESS_KEY_ID"):
        assert served({**shell, other: "other"}, "use", "x-prod") is None, other
    assert served({**shell, "AWS_PROFILE": "other"}, "use", "x-prod") is None
    assert served({**shell, "AWSENV_OPTIONS": "--read-only"}, "use", "x-prod") is None
    assert served({**backend.env, "AWSENV_PROFILE": "x-prod"}, "use", "x-prod") is None  # a name without its keys


@pytest.mark.parametrize("way", ["export", "worker"])
def test_what_another_verb_has_stored_is_guarded_as_well(backend, fake, way):  # noqa: F811
    guarded_role(backend, fake)
    if way == "export":
        assert backend("export", "x-prod", "--format", "process").returncode == 0
    else:
        ours = variables(backend("use", "x-prod", "--yes").stdout)
        (index,) = (backend.store / "index").glob("x-prod*")
        index.unlink()
        assert backend(hook.VERB, **ours, AWSENV_HOOK="1").returncode == 0
    (index,) = (backend.store / "index").glob("x-prod*")
    assert "\nset\tAWSENV_PROFILE\tx-prod\n" in index.read_text()
    assert served(backend.env, "use", "x-prod") is None
    failed(backend("use", "x-prod"), 2, "is prod")


def test_a_guard_that_is_new_counts_for_what_is_warm_already(backend, fake):  # noqa: F811
    guarded_role(backend, fake, PROD.replace("confirm", "no"))
    assert backend("use", "x-prod").returncode == 0
    assert served(backend.env, "use", "x-prod") is not None
    set_up(backend, PROD)
    failed(backend("use", "x-prod"), 2, "is prod")


def test_the_hook_renews_it_and_asks_nobody(backend, fake):  # noqa: F811
    guarded_role(backend, fake)
    ours = variables(backend("use", "x-prod", "--yes").stdout)
    backend.age(200)
    ours["AWSENV_EXPIRES_AT"] = str(int(time.time()) + 200)
    child = pexpect.spawn(
        sys.executable, ["-I", "-S", assets.MAIN, "refresh", "--hook", "--wait"],
        env={**backend.env, **ours, "AWSENV_HOOK": "1"}, encoding="utf-8", timeout=20,
    )  # fmt: skip
    child.expect(pexpect.EOF)
    assert "Go on?" not in child.before
    new = variables(child.before)
    assert new["AWSENV_PROFILE"] == "x-prod" and new["AWS_ACCESS_KEY_ID"] != ours["AWS_ACCESS_KEY_ID"]


@pytest.mark.parametrize("guard", [True, False])
def test_a_folder_makes_no_shell_a_guarded_identity_by_itself(backend, fake, guard):  # noqa: F811
    place = f'[place]\nwhen_entering = "switch"\n[places]\n"{os.getcwd()}" = "x-prod"\n'
    guarded_role(backend, fake, (PROD if guard else "") + place)
    assert backend("use", "x-prod", "--yes").returncode == 0
    answer = served(backend.env, "here", "--hook")
    assert (b"AWS_ACCESS_KEY_ID='" in answer.stdout) is not guard
    assert ("is for x-prod: awsenv here" in answer.said) is guard
    assert (served(backend.env, "here").instead is not None) is guard  # which then is a `use`, and asks


def test_a_refresh_that_would_be_somebody_else_asks(backend, fake):  # noqa: F811
    guarded_role(backend, fake)
    ours = variables(backend("use", "x-prod", "--yes").stdout)
    other = ROLE.replace("Guarded", "Another")
    fake.role(other, ["arn:aws:iam::111111111111:user/hoge1"])
    config = backend.home / ".aws/config"
    assert backend("refresh", **ours).returncode == 0
    config.write_text(config.read_text().replace(ROLE, other))
    failed(backend("refresh", **ours), 2, "awsenv use x-prod --yes")


def test_a_shell_that_may_only_look_is_let_in_and_asked_when_it_may_touch(backend, fake):  # noqa: F811
    guarded_role(backend, fake)
    looking = backend("use", "x-prod", "--read-only")
    assert looking.returncode == 0, looking.stderr
    assert served(backend.env, "use", "x-prod", "--read-only") is not None
    failed(backend("use", "x-prod", **variables(looking.stdout)), 2, "is prod")
    failed(backend("use", "x-prod", "--policy-arn", "arn:aws:iam::aws:policy/PowerUserAccess"), 2, "is prod")


def test_what_only_the_credentials_say_of_the_account_counts(backend, tmp_path):  # noqa: F811
    program = backend.home / "keys"
    program.write_text(
        '#!/bin/sh\necho run >>"$HOME/runs"\n'
        'echo \'{"Version": 1, "AccessKeyId": "ASIAX", "SecretAccessKey": "s", "SessionToken": "t", '
        '"AccountId": "777777777777", "Expiration": "2090-01-01T00:00:00Z"}\'\n'
    )
    program.chmod(0o700)
    backend.configure(f"\n[profile plain]\ncredential_process = {program}\n")
    set_up(backend, '[classes]\nprod = ["777777777777"]\n[guard]\nprod = "confirm"\n')
    for _ in range(2):  # cold, and with the credentials in the store
        done = backend("use", "plain")
        failed(done, 2, '"plain" is prod')
        assert done.stdout == ""
    ours = variables(backend("use", "plain", "--yes").stdout)
    for pattern in ("777777777777", "plain"):  # by its name it is guarded before it says where it is
        set_up(backend, f'[classes]\nprod = ["{pattern}"]\n[guard]\nprod = "confirm"\n')
        assert backend("use", "plain", **ours).returncode == 0


def test_export_asks_nobody(backend, fake):  # noqa: F811
    guarded_role(backend, fake)
    for form in ("env", "process"):
        assert "ASIA" in backend("export", "x-prod", "--format", form).stdout


def test_other_classes_and_none_are_not_asked_about(backend):  # noqa: F811
    set_up(backend, PROD)
    done = backend("use", "fuga", "--mfa-stdin")
    assert "is prod" not in done.stderr
    assert backend("use", "hoge1").returncode == 0
