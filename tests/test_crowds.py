"""Many processes on one login: one renews it, whoever is killed, stopped or interrupted, and whatever else writes the file."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from awsenv import assets
from awsenv.demo.house import SESSION, START_URL
from awsenv.model import rfc3339
from tests.bench.kills import Stage, kills
from tests.renewing import POINTS, Crowd

ROLES = ("piyo", "piyo-prod", "AdministratorAccess-123456789012")


@pytest.fixture
def stage(fake, tmp_path):
    fake.forget()
    yield Stage(fake, tmp_path / "home")
    fake.forget()


@pytest.fixture
def crowd(stage):
    with Crowd(stage.env) as forks:
        yield forks


def start(stage: Stage, *words: str, **env: str) -> subprocess.Popen[str]:
    """The product itself, in a session without a terminal."""
    argv = [sys.executable, "-I", "-S", assets.MAIN, *words]
    return subprocess.Popen(
        argv, env={**stage.env, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip


def until(claim, seconds: float = 10.0):
    """What *claim* is at last, or a failure."""
    end = time.monotonic() + seconds
    while not (found := claim()):
        assert time.monotonic() < end, "it has not come true"
        time.sleep(0.01)
    return found


# ---- One call -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 16, pytest.param(100, marks=pytest.mark.long)])
def test_any_number_of_processes_on_an_ended_token_make_one_call_and_share_its_token(stage, crowd, count):
    stage.login()
    stage.fake.fail("CreateToken", delay=0.3)
    ends = crowd.run(count)
    assert [end.code for end in ends] == [0] * count, ends
    assert {end.token for end in ends} == {stage.fields()["accessToken"]}
    assert (stage.fake.count("CreateToken"), stage.fake.most_refreshes_at_once) == (1, 1)


def test_whole_programs_for_different_roles_make_one_call_too(stage):
    stage.login()
    stage.fake.fail("CreateToken", delay=0.3)
    started = [start(stage, "export", profile, "--format", "json") for profile in ROLES * 2]
    ends = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0] * 6, ends
    assert stage.fake.count("CreateToken") == 1


@pytest.mark.parametrize("count", [12, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.parametrize("headers", [{"Retry-After": "30"}, {}])
def test_throttled_processes_make_three_calls_at_most_and_end_soon(stage, crowd, count, headers):
    stage.login()
    stage.fake.fail("CreateToken", status=429, code="TooManyRequestsException", headers=headers, times=999)
    for _ in range(2):
        ends = crowd.run(count)
        assert [end.code for end in ends] == [6] * count, ends
        assert all("can be tried again" in end.said or "in a minute" in end.said for end in ends)
    assert 1 <= stage.fake.count("CreateToken") <= 3
    assert max(end.seconds for end in ends) < 5


@pytest.mark.parametrize("count", [12, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.parametrize("fault", [{"drop": True}, {"html": True}, {"status": 503}])
def test_who_waited_for_a_renewal_that_failed_shares_the_failure(stage, crowd, count, fault):
    stage.login()
    before = stage.path.read_bytes()
    stage.fake.fail("CreateToken", delay=0.2, times=999, **fault)
    ends = crowd.run(count)
    assert [end.code for end in ends] == [6] * count, ends
    assert stage.fake.count("CreateToken") <= 4  # the first one's two, and of one that came too late to have waited
    assert stage.path.read_bytes() == before


@pytest.mark.parametrize("count", [16, pytest.param(100, marks=pytest.mark.long)])
def test_a_dead_token_costs_a_crowd_one_call_and_the_next_crowd_none(stage, crowd, count):
    stage.login()
    stage.fake.revoke(stage.fields()["accessToken"])
    for _ in range(2):
        ends = crowd.run(count)
        assert [end.code for end in ends] == [4] * count, ends
        assert all(f"awsenv login {SESSION}" in end.said for end in ends)
    assert stage.fake.count("CreateToken") == 1


# ---- Kills and stops ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grace", [5.0, 0.0])
def test_a_kill_at_any_moment_costs_a_login_at_most_and_never_a_loop(fake, tmp_path, grace):
    tally = kills(fake, tmp_path / "home", 15, grace)
    assert tally.kills == 15 and tally.survivors[0] > 15


@pytest.mark.long
@pytest.mark.parametrize("grace", [5.0, 0.0])
def test_three_hundred_kills(fake, tmp_path, grace):
    kills(fake, tmp_path / "home", 300, grace)


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_a_named_moment_needs_a_login_only_when_the_reply_was_not_kept(stage, crowd, point):
    stage.login()
    before = stage.fields()
    assert [end.code for end in crowd.run(1, halt=point)] == [-9]
    renewed = stage.fields()
    assert (renewed["refreshToken"] != before["refreshToken"]) == (point == "after the rename")
    is_lost = point in ("after the reply", "before the rename")
    assert stage.is_free() and [end.code for end in crowd.run(1)] == [4 if is_lost else 0]
    left = [path.name for path in stage.path.parent.iterdir() if path.suffix == ".tmp"]
    assert len(left) == (point not in ("after the lock", "after the rename"))  # swept when an hour old


def test_a_stopped_owner_makes_waiters_wait_and_not_call(stage):
    stage.login()
    with Crowd(stage.env, "import awsenv.turn; awsenv.turn.WAIT = 0.5") as crowd:
        assert crowd.run(1, halt="before the call", leave=True) == []
        ends = crowd.run(3)
        assert [end.code for end in ends] == [6] * 3 and all(f"process {crowd.stopped}" in end.said for end in ends)
        assert max(end.seconds for end in ends) < 2 and stage.fake.count("CreateToken") == 0
        crowd.forget_stopped()
        assert [end.code for end in crowd.run(2)] == [0, 0] and stage.fake.count("CreateToken") == 1


@pytest.mark.long
def test_a_stopped_owner_is_given_up_after_thirty_seconds(stage, crowd):
    stage.login()
    assert crowd.run(1, halt="before the call", leave=True) == []
    (end,) = crowd.run(1)
    assert end.code == 6 and f"process {crowd.stopped}" in end.said and 29 < end.seconds < 31


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGHUP, -1)], ids=["INT", "TERM", "HUP"]
)
def test_a_signal_in_the_middle_waits_for_the_new_token_to_be_saved(stage, number, status):
    stage.login()
    stage.fake.fail("CreateToken", delay=1.0)
    process = start(stage, "export", "piyo", "--format", "json")
    until(lambda: stage.fake.most_refreshes_at_once)
    process.send_signal(number)
    time.sleep(0.2)
    process.send_signal(number)  # an impatient one
    out, said = process.communicate(timeout=20)
    assert (process.returncode, out) == (status, ""), said
    assert stage.fields()["expiresAt"] > "2021" and stage.fake.count("GetRoleCredentials") == 0
    assert said.count("a login is just being renewed") == (number == signal.SIGINT) and "Traceback" not in said
    assert said.count("\n") == (2 if number == signal.SIGINT else 0), said
    assert stage.is_free(0.1)


def test_ctrl_c_while_waiting_for_somebody_elses_renewal_ends_at_once(stage):
    stage.login()
    with stage.tokens.locked(SESSION, wait=True):
        process = start(stage, "export", "piyo")
        locks = stage.home / "store/locks"
        until(lambda: len(list(locks.iterdir())) > 1)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, said = process.communicate(timeout=10)
        assert time.monotonic() - began < 1
    assert (process.returncode, out) == (130, "") and "Traceback" not in said
    assert stage.fake.count("CreateToken") == 0


# ---- The worker -----------------------------------------------------------------------------------------------------


def soon(stage: Stage) -> None:
    """A token in its advisory window: five minutes from its end."""
    token = stage.fake.issue_token(START_URL, session=SESSION, expires_in=300)
    stage.path.write_text(json.dumps(token))


def workers(stage: Stage) -> list[str]:
    """The running workers of this home."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            argv = (process / "cmdline").read_bytes().split(b"\0")
            if b"renew-login" in argv and str(stage.home).encode() in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            pass
    return found


def test_in_the_window_the_answer_comes_at_once_and_one_detached_worker_renews(stage):
    soon(stage)
    before = stage.fields()
    stage.fake.fail("CreateToken", delay=2.0)
    started = [start(stage, "export", profile, "--format", "json") for profile in ROLES * 2]
    (worker,) = until(lambda: workers(stage))
    until(lambda: stage.fake.most_refreshes_at_once)
    ends = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0] * 6, ends
    assert {said for _, said in ends} == {""} and workers(stage) == [worker]
    # What it is cut off from, and what everybody on this machine may read of it.
    stat = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
    session, terminal = stat[3], stat[4]
    assert (session, terminal) == (worker, "0")
    assert {os.readlink(f"/proc/{worker}/fd/{n}") for n in (0, 1, 2)} == {"/dev/null"}
    argv = Path(f"/proc/{worker}/cmdline").read_text()
    secrets = [before[name] for name in ("accessToken", "refreshToken", "clientSecret", "clientId")]
    assert not [secret for secret in secrets if secret in argv] and START_URL in argv
    assert stage.fields() == before  # all were answered before the renewal was
    until(lambda: stage.fields() != before)
    assert stage.fake.count("CreateToken") == 1 and stage.fields()["refreshToken"] != before["refreshToken"]
    until(lambda: not workers(stage))


def test_an_answer_in_the_window_takes_no_longer_than_one_before_it(stage):
    stage.fake.fail("CreateToken", delay=3.0, times=9)
    took = {}
    for name, left in (("before", 8 * 3600.0), ("within", 300.0)) * 2:
        token = stage.fake.issue_token(START_URL, session=SESSION, expires_in=left)
        stage.path.write_text(json.dumps(token))
        began = time.monotonic()
        process = start(stage, "export", "AdministratorAccess-123456789012", "--format", "json")
        assert process.communicate(timeout=20)[0] and process.returncode == 0
        took[name] = min(took.get(name, 99.0), time.monotonic() - began)
    # On a machine with two cores the worker's start is beside ours; the renewal's three seconds are not in it.
    assert took["within"] < took["before"] + 1.0, took
    until(lambda: not workers(stage))


def test_a_worker_uses_the_store_that_the_shim_named(stage):
    soon(stage)
    other = stage.home / "other-store"
    process = start(stage, "use", "piyo", AWSENV_STORE=str(other), AWSENV_SHIM="bash:1")
    assert process.communicate(timeout=20)[0] and process.returncode == 0
    until(lambda: stage.fake.count("CreateToken") == 1 and not workers(stage))
    assert sorted(p.parent.name for p in stage.home.rglob("locks")) == ["other-store", "store"]
    assert list((stage.home / "store/locks").iterdir()) == []
    assert len([p for p in (other / "locks").iterdir() if p.name.startswith("sso-")]) == 1


# ---- A mixed fleet --------------------------------------------------------------------------------------------------

SDK = """
import sys, time, botocore.session
s = botocore.session.Session()
s.set_config_variable("profile", "AdministratorAccess-123456789012")
print(s.get_credentials().get_frozen_credentials().access_key)
"""


def botocore_once(stage: Stage) -> None:
    done = subprocess.run([sys.executable, "-c", SDK], env=stage.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("ASIA"), done.stderr


def test_botocore_reads_what_we_renewed_and_we_what_botocore_renewed(stage, crowd):
    stage.login(theirs={"kept": ["by", "us"]})
    assert crowd.run(1)[0].code == 0
    ours = stage.fields()
    assert ours["theirs"] == {"kept": ["by", "us"]}
    botocore_once(stage)
    assert stage.fake.count("CreateToken") == 1 and stage.fields() == ours
    stage.expire()
    botocore_once(stage)
    theirs = stage.fields()
    assert stage.fake.count("CreateToken") == 2 and theirs["refreshToken"] != ours["refreshToken"]
    (end,) = crowd.run(1)
    assert end.token == theirs["accessToken"] and stage.fake.count("CreateToken") == 2
    stage.expire()
    assert crowd.run(1)[0].code == 0 and stage.fake.spent_tokens_reused == 0


@contextmanager
def writing_in_place(stage: Stage):
    """A writer as the AWS CLI is: the file is emptied, and filled again in two steps, all the time."""
    stop = threading.Event()
    text = json.dumps({**stage.fake.issue_token(START_URL, session=SESSION), "expiresAt": rfc3339(time.time() + 7200)})

    def write() -> None:
        while not stop.is_set():
            with open(stage.path, "w") as file:
                file.write(text[:200])
                file.flush()
                time.sleep(0.0005)
                file.write(text[200:])
            time.sleep(0.004)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield json.loads(text)["accessToken"]
    finally:
        stop.set()
        writer.join()


def mixed_fleet(stage: Stage, crowd: Crowd, seconds: float) -> None:
    stage.login()
    with writing_in_place(stage) as access:
        end = time.monotonic() + seconds
        runs = torn = 0
        while time.monotonic() < end:
            try:
                stage.fields()
            except ValueError:
                torn += 1
            ends = crowd.run(8)
            assert [(end.code, end.token) for end in ends] == [(0, access)] * 8, ends
            runs += 1
        assert runs > 2 and stage.fake.count("CreateToken") == 0
    # Now all of them renew: we under our lock, botocore without one. A login is needed in the end by nobody.
    stage.fake.refresh_grace = 5.0
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            stage.expire()
            sdk = [
                subprocess.Popen(
                    [sys.executable, "-c", SDK], env=stage.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
                )
                for _ in range(2)
            ]
            until_told = time.monotonic() + 1.5
            while time.monotonic() < until_told:
                assert {end.code for end in crowd.run(4)} == {0}
            for process in sdk:
                process.communicate(timeout=60)  # botocore may well lose; its own affair
        assert {end.code for end in crowd.run(4)} == {0}
    finally:
        stage.fake.refresh_grace = 0


def test_beside_botocore_and_a_writer_in_place_we_never_fail(stage, crowd):
    mixed_fleet(stage, crowd, 1.5)


@pytest.mark.long
def test_beside_botocore_and_a_writer_in_place_we_never_fail_in_a_minute(stage, crowd):
    mixed_fleet(stage, crowd, 60.0)
