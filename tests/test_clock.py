"""A clock that is wrong, or is set: no keys outlive AWS's word, none are fetched twice, and a person hears of it once."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from awsenv import assets, clock, shelf
from awsenv.clock import ServerClock, Skew, learnt
from awsenv.model import Credentials, rfc3339, window_of
from awsenv.store import FileStore, NoStore, open_store
from awsenv.world import World
from tests.test_failures import SENTINEL, Backend

NOON = 1_790_000_000.0
HOUR = 3600.0


def http_date(moment: float) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(moment))


# ---- Pure -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", [0, 1, -1, HOUR, -HOUR, 86400 * 400])
def test_the_skew_is_the_servers_date_less_our_clock(off):
    assert learnt(http_date(NOON + off), NOON, 0.0) == Skew(off, NOON, 0.0)


@pytest.mark.parametrize("date", ["", "noon", "Mon, 99 Nov 2026 12:00:00 GMT", "\x1b[2J", "0"])
def test_what_is_no_date_teaches_nothing(date):
    assert learnt(date, NOON, 0.0) is None


@pytest.mark.parametrize(("off", "moved"), [(0, 0), (59, 0), (-59, 0), (61, -61), (HOUR, -HOUR), (-HOUR, HOUR)])
def test_a_time_of_awss_is_put_into_ours_by_a_skew_that_is_one(off, moved):
    assert Skew(off, NOON, 0.0).to_local(NOON) == NOON + moved


@pytest.mark.parametrize(
    ("off", "line"),
    [(HOUR, "this machine's clock is 1h behind AWS's"), (-360, "this machine's clock is 6m ahead of AWS's")],
)
def test_a_skew_is_said_in_which_way(off, line):
    assert Skew(off, NOON, 0.0).line() == line


@pytest.mark.parametrize(("off", "told"), [(299, False), (-300, False), (301, True), (-301, True)])
def test_above_five_minutes_it_is_worth_a_word(off, told):
    assert Skew(off, NOON, 0.0).is_worth_a_word is told


@pytest.mark.parametrize(
    ("now", "started", "holds"),
    [(NOON + 9 * HOUR, 0, True), (NOON, 59, True), (NOON, 61, False), (NOON, -61, False), (NOON - 61, 0, False)],
)
def test_what_was_learnt_holds_until_the_clock_is_set(now, started, holds):
    assert Skew(HOUR, NOON, 0.0).holds(now, started) is holds


@pytest.mark.parametrize(
    ("times", "now", "started", "due"),
    [
        ((NOON + HOUR, NOON + 50, NOON, 0.0), NOON + 49, 0.0, False),
        ((NOON + HOUR, NOON + 50, NOON, 0.0), NOON + 50, 0.0, True),
        ((NOON + HOUR, NOON + 50, NOON, 0.0), NOON + 9, 59.0, False),  # slewed
        ((NOON + HOUR, NOON + 50, NOON, 0.0), NOON + 9, -61.0, True),  # set back
        ((NOON + HOUR, NOON + 50, NOON, 0.0), NOON + 9, 900.0, False),  # started again
        ((NOON + HOUR, NOON + 50, NOON, None), NOON - 61, 0.0, True),  # from the future
        ((NOON + HOUR, NOON + 50, NOON, None), NOON + 9, -900.0, False),  # written by an older awsenv
        ((None, None, None, None), NOON, 0.0, False),
    ],
)
def test_an_entry_is_due_when_its_time_has_come_or_the_clock_was_set_back(times, now, started, due):
    assert shelf.is_due(list(times), now, started) is due


@pytest.mark.parametrize("lifetime", [-7200.0, -1.0, 0.0, 1.0, 900.0, 43200.0])
def test_no_window_is_negative(lifetime):
    assert 0 <= window_of(lifetime) <= max(lifetime, 0)


def test_what_was_issued_in_the_future_is_not_fresh():
    keys = Credentials("AKIA", "s", "t", issued_at=NOON, expires_at=NOON + HOUR)
    assert keys.is_fresh(NOON - 30) and not keys.is_fresh(NOON - 2 * HOUR)


# ---- What is kept ---------------------------------------------------------------------------------------------------


class Hands:
    """The two hands of a clock that a test may set."""

    def __init__(self) -> None:
        self.now, self.started = NOON, NOON - 5 * HOUR

    def set(self, by: float) -> None:
        self.now += by
        self.started += by


@pytest.fixture
def hands():
    return Hands()


@pytest.fixture
def store(tmp_path, hands):
    found, trouble = open_store(str(tmp_path / "store"), lambda: hands.started)
    assert isinstance(found, FileStore) and trouble is None
    return found


def at(store, hands) -> ServerClock:
    """A new process's."""
    return ServerClock(store, lambda: hands.now, lambda: hands.started)


def test_one_warning_a_day_and_skew(store, hands):
    first = at(store, hands)
    first.hear(http_date(NOON + HOUR))
    assert first.warning() == f"this machine's clock is 1h behind AWS's: {clock.ADVICE}"
    again = at(store, hands)
    again.hear(http_date(NOON + HOUR + 1))
    assert again.warning() is None
    hands.now += 25 * HOUR
    tomorrow = at(store, hands)
    tomorrow.hear(http_date(hands.now + HOUR))
    assert tomorrow.warning() is not None
    other = at(store, hands)
    other.hear(http_date(hands.now - HOUR))
    assert "ahead of" in other.warning()


def test_the_skew_is_kept_for_the_next_process_in_a_file_of_ours_alone(store, hands):
    first = at(store, hands)
    first.hear(http_date(NOON + HOUR))
    first.warning()
    assert os.stat(f"{store.root}/marks/clock").st_mode & 0o777 == 0o600
    assert at(store, hands).to_local(NOON) == NOON - HOUR
    hands.set(HOUR)  # put right
    assert at(store, hands).skew is None


def test_a_right_clock_is_known_and_not_spoken_of(store, hands):
    first = at(store, hands)
    first.hear(http_date(NOON + 2))
    assert first.warning() is None and first.to_local(NOON) == NOON


@pytest.mark.parametrize("text", ["", "x\n", "1 2\n", "- - - -\n", "nan 1 2 3\n", "1 2 3 4 5\n"])
def test_a_damaged_note_is_none(store, hands, text):
    path = f"{store.root}/marks/clock"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(text)
    assert at(store, hands).to_local(NOON) == NOON


def test_without_a_store_it_is_learnt_each_time(hands):
    watch = at(NoStore(), hands)
    watch.hear(http_date(NOON + HOUR))
    assert watch.to_local(NOON) == NOON - HOUR and watch.warning() is not None


def test_a_clock_that_was_set_back_takes_what_is_stored_with_it(store, hands):
    store.put("k", Credentials("AKIA", "s", "t", issued_at=NOON, expires_at=NOON + 12 * HOUR))
    hands.now += 3 * HOUR
    hands.set(-2 * HOUR)
    found = store.get("k")
    assert (found.issued_at, found.expires_at) == (NOON - 2 * HOUR, NOON + 10 * HOUR)


def test_a_clock_that_was_set_forward_only_shortens(store, hands):
    keys = Credentials("AKIA", "s", "t", issued_at=NOON, expires_at=NOON + 12 * HOUR)
    store.put("k", keys)
    hands.set(2 * HOUR)
    assert store.get("k") == keys


# ---- End to end -----------------------------------------------------------------------------------------------------


@pytest.fixture
def backend(house, fake, tmp_path):
    fake.forget()
    yield Backend(house, tmp_path)
    fake.clock = time.time
    fake.forget()


def skewed(fake, by: float) -> None:
    """AWS's clock is *by* seconds ahead of ours."""
    fake.clock = lambda: time.time() + by


def exported(done) -> dict[str, str]:
    """The variables that the statements set."""
    assert done.returncode == 0 and done.stdout.endswith(SENTINEL), done.stderr
    argv = ["bash", "-c", f"{done.stdout}\nexport -p >/dev/null; env -0"]
    found = subprocess.run(argv, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, check=True).stdout
    return dict(entry.split("=", 1) for entry in found.split("\0") if "=" in entry)


@pytest.mark.parametrize(("by", "way"), [(-HOUR, "1h ahead of"), (HOUR, "1h behind")])
@pytest.mark.parametrize("profile", ["piyo", "AdministratorAccess-123456789012"])
def test_an_hour_off_the_keys_live_as_long_as_they_live_and_are_fetched_once(backend, fake, by, way, profile):
    skewed(fake, by)
    backend.token(fake)
    first = backend("use", profile)
    values = exported(first)
    assert way in first.stderr, first.stderr
    ends = time.time() + HOUR
    assert abs(int(values["AWSENV_EXPIRES_AT"]) - ends) < 30
    assert values["AWS_CREDENTIAL_EXPIRATION"] == rfc3339(int(values["AWSENV_EXPIRES_AT"]))
    calls = len(fake.calls)
    assert calls
    second = backend("use", profile)
    assert exported(second) == values and len(fake.calls) == calls
    assert "clock" not in second.stderr
    assert "59m" in second.stderr or "1h00m" in second.stderr


def test_one_warning_and_no_more(backend, fake):
    skewed(fake, HOUR)
    backend.token(fake)
    said = [backend("use", "piyo", "--fresh").stderr for _ in range(3)]
    assert ["clock" in text for text in said] == [True, False, False]


def test_a_right_clock_leaves_awss_times_alone(backend, fake):
    backend.token(fake)
    assert "clock" not in backend("use", "piyo").stderr
    skewed(fake, 20)
    assert "clock" not in backend("use", "piyo", "--fresh").stderr


@pytest.mark.parametrize("by", [-HOUR, HOUR])
def test_the_keys_are_not_used_after_their_true_end(backend, fake, by):
    """Ours are put to the minute before their end as AWS has it, whatever our clock says."""
    skewed(fake, by)
    backend.token(fake)
    assert backend("use", "piyo").returncode == 0
    for path in (backend.store / "keys").iterdir():
        assert abs(float(path.read_text().split()[2]) - time.time() - HOUR) < 30


def test_a_signature_that_is_refused_for_its_time_names_the_clock(backend, fake):
    skewed(fake, -HOUR)
    words = "Signature not yet current: 20261123T060000Z is still later than 20261123T051500Z"
    fake.fail("AssumeRole", status=403, code="SignatureDoesNotMatch", message=words, times=9)
    backend.token(fake)
    done = backend("use", "piyo")
    assert done.returncode == 5 and done.stdout == ""
    assert "1h ahead of AWS's" in done.stderr and "timedatectl" in done.stderr and "mistyped" not in done.stderr


def test_the_same_refusal_by_a_right_clock_names_the_key(backend, fake):
    fake.fail("AssumeRole", status=403, code="SignatureDoesNotMatch", message="The request signature", times=9)
    backend.token(fake)
    assert "mistyped" in backend("use", "piyo").stderr


def test_a_guest_network_does_not_set_the_clock(backend, fake):
    backend.token(fake)
    fake.fail("GetRoleCredentials", html=True, headers={"x-amzn-RequestId": "", "Date": http_date(NOON)}, times=9)
    fake.fail("AssumeRole", html=True, headers={"x-amzn-RequestId": "", "Date": http_date(NOON)}, times=9)
    assert backend("use", "piyo").returncode == 6
    assert not (backend.store / "marks/clock").exists()


@pytest.mark.parametrize(
    ("headers", "parsed", "heard"),
    [
        ({"x-amzn-requestid": "1", "date": http_date(NOON + HOUR)}, {}, True),
        ({"date": http_date(NOON + HOUR)}, {"Error": {"Code": "403"}}, False),  # a guest network's page
        ({"x-amzn-requestid": "1"}, {}, False),
        ({"x-amzn-requestid": "1", "date": http_date(NOON + HOUR)}, None, False),  # an answer that can't be read
    ],
)
def test_the_time_is_taken_from_awss_answers_alone(hands, headers, parsed, heard):
    from awsenv.aws.client import Clients

    watch = at(NoStore(), hands)
    Clients(World.current(), watch)._hear({"headers": headers}, parsed)
    assert (watch.skew is not None) is heard


@pytest.mark.parametrize(
    ("endpoint", "listens"),
    [(None, True), ("http://127.0.0.1:9", True), ("https://sts.example.com", False), ("http://10.0.0.7:4566", False)],
)
def test_another_hosts_clock_is_not_awss(hands, endpoint, listens):
    from awsenv.aws.client import Clients

    clients = Clients(World.current(), at(NoStore(), hands))
    heard = []
    clients._hear = lambda **_: heard.append(1)
    client = clients._client("sts", "eu-west-1", endpoint)
    client.meta.events.emit("response-received.sts.GetCallerIdentity", response_dict={}, parsed_response={})
    assert bool(heard) is listens


def stepped(backend, by: float) -> None:
    """Our clock has been set by *by* seconds since all that is stored was: its times are then *by* in the other way."""
    for path in (backend.store / "keys").iterdir():
        head, rest = path.read_text().split("\n", 1)
        times = [str(float(word) - by) for word in head.split()[2:]]
        path.write_text(" ".join(["awsenv", "1", *times]) + "\n" + rest)


def test_a_clock_that_steps_back_two_hours_gives_nobody_two_hours_more(backend, fake):
    backend.token(fake)
    assert backend("use", "piyo").returncode == 0
    stepped(backend, -2 * HOUR)
    calls = len(fake.calls)
    values = exported(backend("use", "piyo"))
    assert abs(int(values["AWSENV_EXPIRES_AT"]) - time.time() - HOUR) < 30
    assert len(fake.calls) == calls, "what is stored is still good, and its age known"


def test_what_ended_while_the_clock_stepped_back_is_not_served(backend, fake):
    backend.token(fake)
    assert backend("use", "piyo").returncode == 0
    backend.expire()
    for path in (
        backend.store / "keys"
    ).iterdir():  # ended ten minutes ago; by the clock, set back since, in 110 minutes
        rest = path.read_text().split("\n", 1)[1]
        ends, started = time.time() + 6600, time.time() - shelf.uptime() + 7200
        path.write_text(f"awsenv 1 {ends} {ends - 600} {ends - 7800} {started}\n" + rest)
    fake.forget()
    assert backend("use", "piyo").returncode == 0
    assert fake.count("AssumeRole") == 1


def test_the_prompts_clock_and_the_stores_agree_in_a_real_shell(house, fake, tmp_path, shell_name):
    skewed(fake, -HOUR)
    try:
        fake.forget()
        backend = Backend(house, tmp_path)
        backend.token(fake)
        env = {name: value for name, value in backend.env.items() if name not in ("AWSENV_SHIM", "AWSENV_STORE")}
        env["XDG_CACHE_HOME"] = str(tmp_path / "cache")
        env["XDG_RUNTIME_DIR"] = "/nowhere"
        script = "awsenv use piyo\nawsenv use piyo\nenv | grep ^AWSENV_REFRESH_AT="
        done = loaded(shell_name, script, env)
        assert done.returncode == 0, done.stderr
        refresh_at = int(done.stdout.split("AWSENV_REFRESH_AT=")[1].split()[0])
        assert refresh_at > time.time() + 1800, "a hook that compares it with the shell's clock stays quiet"
        assert fake.count("AssumeRole") == 1
    finally:
        fake.clock = time.time


FAKETIME = shutil.which("faketime")


@pytest.mark.skipif(FAKETIME is None, reason="faketime is not installed")
def test_under_a_clock_that_really_steps_back_two_hours(backend, fake):
    """The kernel's own calls, answered by libfaketime: an hour ahead, then an hour behind, AWS's clock right all along."""

    def used(step: str) -> subprocess.CompletedProcess[str]:
        argv = [FAKETIME, "-f", step, sys.executable, "-I", "-S", assets.MAIN, "use", "piyo"]
        env = {**backend.env, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    backend.token(fake)
    ahead = used("+1h")
    assert "1h ahead of AWS's" in ahead.stderr
    assert abs(int(exported(ahead)["AWSENV_EXPIRES_AT"]) - time.time() - 2 * HOUR) < 30
    calls = len(fake.calls)
    assert exported(used("+1h")) == exported(ahead) and len(fake.calls) == calls
    behind = used("-1h")
    assert abs(int(exported(behind)["AWSENV_EXPIRES_AT"]) - time.time()) < 30, "an hour, as that clock counts"
    assert len(fake.calls) == calls, "nothing is fetched for a clock alone"


def loaded(shell: str, script: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """*script* in a real shell that has loaded awsenv."""
    start = subprocess.run(
        [sys.executable, assets.MAIN, "init", shell], env=env, capture_output=True, text=True, check=True
    )
    flags = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    argv = [shell, *flags, "-c", f"{start.stdout}\n{script}"]
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
