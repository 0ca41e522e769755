"""`export NAME --format process`, started by SDKs: the full path's document at a bare interpreter's cost, nobody asked."""

import fcntl
import json
import os
import random
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import botocore.credentials
import pexpect
import pytest

from awsenv import cli, hot, quick, shelf
from awsenv.commands import export as verb
from awsenv.demo.house import MFA_CODE
from awsenv.model import Credentials, EnvChange, Lease, Outcome, UseRequest
from awsenv.render import formats
from awsenv.world import World
from tests.bench.scene import CHAIN, FLOATING, ROLE, SSO, STATIC, Scene, argv, furnished
from tests.test_hot import ABOUT_ENTRIES, ABOUT_FILES, ABOUT_INDEXES, ABOUT_TEXTS, ask, cold_run, expire, index_of

AS_PROCESS = ("--format", "process")


@pytest.fixture
def scene(fake, tmp_path):
    """A furnished home with an empty store."""
    fake.forget()
    yield furnished(tmp_path / "home", fake)
    fake.forget()


@pytest.fixture
def warm(scene) -> Scene:
    """The same, asked a moment ago."""
    cold_run(scene.plain(), "export", CHAIN, *AS_PROCESS)
    assert ask(scene.plain(), "export", CHAIN, *AS_PROCESS) is not None, "warm before any doubt"
    return scene


# ---- The same document ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [STATIC, FLOATING, SSO, ROLE, CHAIN])
@pytest.mark.parametrize("form", ["process", "json"])
def test_a_warm_document_is_the_cold_one_to_the_byte(profile, form, scene):
    full = cold_run(scene.plain(), "export", profile, "--format", form)
    quickly = ask(scene.plain(), "export", profile, "--format", form)
    assert quickly is not None and (quickly.code, quickly.said) == (0, "")
    assert quickly.stdout == full.stdout.encode()
    assert json.loads(quickly.stdout)["Version"] == 1


def test_what_use_has_stored_serves_export_and_the_other_way_round(scene, fake):
    for first, second in (("use", "export"), ("export", "use")):
        scene.empty_store()
        answers = {"use": ("use", CHAIN), "export": ("export", CHAIN, *AS_PROCESS)}
        cold_run(scene.shim(), *answers[first])
        kept = index_of(scene).read_text()
        assert ask(scene.shim(), *answers[second]) is not None
        scene.empty_store()
        cold_run(scene.shim(), *answers[second])
        assert index_of(scene).read_text().split("\n")[3:8] == kept.split("\n")[3:8]


ODD = [
    "",
    "plain",
    "a/b+c=",
    "=",
    "%",
    "'",
    "$(x)",
    "{}",
    ",",
    "\x7f",
    '"',
    "\\",
    "\\n",
    "é",
    "\u2028",
    "𝛑",
    "\t",
    "\x1b[2J",
    "</script>",
]


def found_of(lease: Lease) -> hot.Found:
    """What look_up finds for *lease* after the cold path has stored it."""
    assert lease.credentials is not None
    found = hot.Found("p")
    found.assign = list(lease.credentials.variables())
    if lease.account_id and lease.credentials.account_id is None:
        found.assign.append(("AWS_ACCOUNT_ID", lease.account_id))
    return found


def documents() -> list[Lease]:
    """Every field with every odd text, present and absent, and some at random."""
    leases = []
    draw = random.Random(7)
    for text in ODD:
        for key, secret, token, account in (
            (text, "s", None, None),
            ("k", text, "t", None),
            ("k", "s", text, "1" * 12),
        ):
            leases.append(Lease("p", None, Credentials(key, secret, token, 0.0, 4e9, account), account, None))
        leases.append(Lease("p", None, Credentials("k", "s", None), text or None, None))
    for _ in range(300):
        word = "".join(
            chr(draw.randrange(32, 300)) if draw.random() < 0.1 else chr(draw.randrange(33, 127)) for _ in range(9)
        )
        leases.append(
            Lease("p", None, Credentials("AKIA", word, word[::-1], 0.0, draw.uniform(1e9, 4e9), None), None, None)
        )
    return leases


def test_the_fast_document_is_the_full_one_or_none_whatever_the_characters():
    served = 0
    for lease in documents():
        answer = quick._document(found_of(lease))
        if answer is not None:
            served += 1
            assert answer.stdout == formats.process(lease, EnvChange()).encode(), lease
        else:
            document = formats.process(lease, EnvChange())
            assert "\\" in document or "\x7f" in document, "there was something to quote"
    assert served > 50


@pytest.mark.parametrize("words", [
    ["piyo", "--format", "process"], ["--format=process", "piyo"], ["--format", "json", "--", "-x"], ["a b", "--format=json"],
    ["piyo", "--format", "env", "--format", "json"], ["piyo", "--region", "eu-west-1", "--format", "json"],
    ["piyo", "--duration=1h30m", "--format", "json"], ["piyo", "--fresh", "--format", "process"], ["-", "--format=json"],
])  # fmt: skip
def test_both_doors_build_the_same_request(words, monkeypatch):
    asked: list[UseRequest] = []
    monkeypatch.setattr(verb, "run", lambda world, request, *rest: asked.append(request) or Outcome())
    cli.dispatch(["export", *words], World({}, "/", "", "", None, ""), False)
    spelled = quick.document_request(words)
    assert spelled is not None
    assert asked == [UseRequest(spelled.profile, spelled.region, spelled.duration, "keys", spelled.fresh)]


@pytest.mark.parametrize("words", [
    [], ["piyo"], ["piyo", "--format"], ["piyo", "--format", "env"], ["piyo", "--format", "json", "--format", "env"],
    ["piyo", "fuga", "--format", "json"], ["", "--format", "json"], ["--format", "json"], ["piyo", "--format=JSON"],
    ["piyo", "--format", "json", "--show"], ["piyo", "--format", "json", "--allow-login"], ["piyo", "--as=keys", "--format=json"],
    ["piyo", "--format", "json", "--mfa-stdin"], ["piyo", "--format", "json", "--region", "X"], ["-h"],
    ["piyo", "--format", "json", "--duration", "soon"], ["piyo", "--format", "json", "--help"],
])  # fmt: skip
def test_all_other_forms_are_left_to_typer(words):
    assert quick.document_request(words) is None


# ---- Every doubt falls through --------------------------------------------------------------------------------------

OF_SHIMS = ("another protocol", "another shell", "no shim")


@pytest.mark.parametrize("doubt", [name for name in ABOUT_FILES if name not in OF_SHIMS])
def test_falls_through(doubt, warm):
    env = warm.shim()
    ABOUT_FILES[doubt](warm, env)
    assert ask(env, "export", CHAIN, *AS_PROCESS) is None


@pytest.mark.parametrize("doubt", [*ABOUT_TEXTS, *ABOUT_ENTRIES])
def test_falls_through_when_the_entry_is(doubt, warm):
    {**ABOUT_TEXTS, **ABOUT_ENTRIES}[doubt](warm.entries()[-1])
    assert ask(warm.plain(), "export", CHAIN, *AS_PROCESS) is None


@pytest.mark.parametrize(
    "doubt", [*ABOUT_TEXTS, *(name for name in ABOUT_INDEXES if name not in ("control characters", "fields missing"))]
)
def test_falls_through_when_the_index_is(doubt, warm):
    {**ABOUT_TEXTS, **ABOUT_INDEXES}[doubt](index_of(warm))
    assert ask(warm.plain(), "export", CHAIN, *AS_PROCESS) is None


def test_on_a_terminal_it_shows_no_secret_and_the_full_path_says_why(warm):
    child = pexpect.spawn(
        argv()[0], argv("export", CHAIN, *AS_PROCESS)[1:], env=warm.plain(TERM="dumb"), encoding="utf-8"
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2 and "on your screen" in child.before and "ASIA" not in child.before


# ---- Renewal --------------------------------------------------------------------------------------------------------


def call(env: Mapping[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(argv(*words), env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


def key_of(document: str | bytes) -> str:
    found: str = json.loads(document)["AccessKeyId"]
    return found


def turn_of(scene: Scene, ago: float) -> Path:
    """The file of ROLE's turn, which somebody took so many seconds ago."""
    path = scene.store / "locks" / str(shelf.index_name(hot.Use(ROLE)))
    path.touch(0o600)
    os.utime(path, (time.time() - ago,) * 2)
    return path


def test_the_window_is_wider_than_the_one_in_which_botocore_asks_again():
    assert botocore.credentials.RefreshableCredentials._advisory_refresh_timeout + 60 <= shelf.SDK_WINDOW


@pytest.mark.parametrize(
    ("lifetime", "begins"), [(3600, 960), (12 * 3600, 960), (1800, 900), (900, 450), (600, 300), (60, 30)]
)
def test_renewal_begins_in_the_second_half_of_a_lifetime(lifetime, begins):
    credentials = Credentials("k", "s", "t", 0.0, lifetime)
    assert credentials.refresh_at is not None
    assert shelf.early(lifetime, credentials.refresh_at, 0.0) == min(lifetime - begins, credentials.refresh_at)


def test_what_an_sdk_would_ask_for_again_at_once_is_renewed_by_one_caller_and_costs_use_nothing(scene, fake):
    env = scene.plain()
    first = key_of(call(env, "export", ROLE, *AS_PROCESS).stdout)
    expire(scene.entries()[-1], 905)  # less than the SDK's window, more than our own
    assert ask(scene.shim(), "use", ROLE) is not None, "a shell has no need of another yet"
    turn_of(scene, 1)
    assert key_of(ask(env, "export", ROLE, *AS_PROCESS).stdout) == first, "somebody tried a moment ago"
    turn_of(scene, 3600)
    assert ask(env, "export", ROLE, *AS_PROCESS) is None
    turn_of(scene, 3600)
    fake.forget()
    ends = [call(env, "export", ROLE, *AS_PROCESS).stdout for _ in range(3)]
    assert len({key_of(end) for end in ends} - {first}) == 1 and fake.count("AssumeRole") == 1


def test_while_one_renews_ahead_of_time_the_others_are_answered_at_once(scene, fake):
    env = scene.plain()
    first = key_of(call(env, "export", ROLE, *AS_PROCESS).stdout)
    expire(scene.entries()[-1], 905)
    lock = turn_of(scene, 3600)
    fake.forget()
    fake.fail("AssumeRole", delay=3.0)
    slow = subprocess.Popen(argv("export", ROLE, *AS_PROCESS), env=env, stdout=subprocess.PIPE)
    while time.time() - lock.stat().st_mtime > 60:
        time.sleep(0.01)
    began = time.monotonic()
    others = [call(env, "export", ROLE, *AS_PROCESS).stdout for _ in range(5)]
    assert time.monotonic() - began < 2.5 and {key_of(other) for other in others} == {first}
    assert key_of(slow.communicate(timeout=30)[0]) != first and fake.count("AssumeRole") == 1


def test_a_renewal_ahead_of_time_that_fails_is_tried_once_a_minute_and_the_stored_one_served(scene, fake):
    env = scene.plain()
    first = call(env, "export", ROLE, *AS_PROCESS).stdout
    expire(scene.entries()[-1], 905)
    turn_of(scene, 3600)
    fake.forget()
    fake.fail("AssumeRole", status=500, times=50)
    tried = call(env, "export", ROLE, *AS_PROCESS)
    calls = fake.count("AssumeRole")
    assert tried.returncode == 0 and key_of(tried.stdout) == key_of(first) and "could not renew" in tried.stderr
    assert calls
    for _ in range(4):
        assert key_of(call(env, "export", ROLE, *AS_PROCESS).stdout) == key_of(first)
    assert fake.count("AssumeRole") == calls


@pytest.mark.parametrize("store", ["empty", "expired"])
def test_fifty_callers_make_one_call(scene, fake, store):
    env = scene.plain()
    if store == "expired":
        call(env, "export", ROLE, *AS_PROCESS)
        expire(scene.entries()[-1], -5)
        turn_of(scene, 3600)
    fake.forget()
    started = [
        subprocess.Popen(argv("export", ROLE, *AS_PROCESS), env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(50)
    ]
    ends = [each.communicate(timeout=120)[0] for each in started]
    assert [each.returncode for each in started] == [0] * 50
    assert len(set(ends)) == 1 and fake.count("AssumeRole") == 1


# ---- Nobody is asked ------------------------------------------------------------------------------------------------


def typed(env: Mapping[str, str], *words: str) -> "pexpect.spawn[str]":
    """`awsenv WORDS | cat` in the foreground of a terminal, as a tool's child is."""
    command = " ".join(f"'{word}'" for word in argv(*words)) + " | cat; exit ${PIPESTATUS[0]}"
    child = pexpect.spawn("bash", ["--norc", "-c", command], env={**env, "TERM": "dumb"}, encoding="utf-8", timeout=20)
    child.delaybeforesend = None
    return child


def test_as_a_process_it_asks_nobody_for_a_code_even_on_a_terminal(scene):
    child = typed(scene.plain(), "export", "fuga", *AS_PROCESS)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 4 and "MFA code for" not in child.before
    assert "needs an MFA code" in child.before and "awsenv use fuga" in child.before


def test_as_json_for_a_script_of_ones_own_it_does(scene):
    child = typed(scene.plain(), "export", "fuga", "--format", "json")
    child.expect("MFA code for fuga")
    child.sendline(MFA_CODE)
    child.expect('"SessionToken"')
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    again = call(scene.plain(), "export", "fuga", *AS_PROCESS)
    assert again.returncode == 0 and key_of(again.stdout), "and then a process has it, too"


def test_a_program_of_the_profile_gets_no_terminal_from_a_process(scene):
    tool = scene.home / "tool"
    tool.write_text(
        '#!/bin/sh\n(exec 3</dev/tty) 2>/dev/null && echo has a terminal >&2\nread -r x; echo "in:$x" >&2; exit 3\n'
    )
    tool.chmod(0o755)
    config = scene.home / ".aws/config"
    config.write_text(config.read_text() + f"\n[profile tool]\ncredential_process = {tool}\n")
    child = typed(scene.plain(), "export", "tool", *AS_PROCESS)
    child.expect(pexpect.EOF)
    assert "has a terminal" not in child.before and "in:\r\n" in child.before and "status 3" in child.before


def test_inside_a_program_of_awsenvs_own_no_turn_is_waited_for(scene):
    call(scene.plain(), "export", ROLE, *AS_PROCESS)
    expire(scene.entries()[-1], -5)
    with turn_of(scene, 3600).open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        began = time.monotonic()
        done = call(scene.plain(AWSENV_INSIDE='[["x:1", "y"]]'), "export", ROLE, *AS_PROCESS)
    assert done.returncode == 0 and time.monotonic() - began < 10, done.stderr
