"""When a login is renewed, by whom, and what is left after a failure, a kill, a stop, a torn file, a clock that jumps."""

import errno
import fcntl
import json
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from awsenv import renewal, turn
from awsenv.demo.house import REGION, SESSION, START_URL
from awsenv.errors import Busy, LoginNeeded, Storage, TokenRejected, Unanswered, Unreachable
from awsenv.model import SsoSession, SsoToken, rfc3339
from awsenv.store import open_store
from awsenv.tokens import AwsTokenCache, renewed, token_path

HOUR = 3600.0
NOW = 1_800_000_000.0
SSO = SsoSession(SESSION, START_URL, REGION)


@dataclass
class Api:
    """AWS's CreateToken in this process: refresh tokens are good for one exchange; *faults* come first, in turn."""

    clock: Callable[[], float]
    live: set[str] = field(default_factory=set)  # refresh tokens not yet spent
    faults: list[Exception | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    during: Callable[[], None] = lambda: None
    omits: bool = False
    lifetime: float = HOUR

    def renew_token(self, token: SsoToken, session: SsoSession, seconds: float) -> SsoToken:
        self.asked.append(token.refresh_token)
        self.during()
        if self.faults:
            fault = self.faults.pop(0)
            if fault is not None:
                raise fault
        if token.refresh_token not in self.live:
            raise TokenRejected("Invalid refresh token provided")
        n = len(self.asked)
        if not self.omits:
            self.live.remove(token.refresh_token)
            self.live.add(f"aor{n}-{token.refresh_token[:20]}")
        new = None if self.omits else f"aor{n}-{token.refresh_token[:20]}"
        return renewed(token, f"aoa{n}-{token.refresh_token[:20]}", self.clock() + self.lifetime, new)


class World:
    """Ports with a clock that is set by hand, the real token cache, and everything else on paper."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = NOW
        self.now = lambda: self.clock
        store, trouble = open_store(str(folder / "store"))
        assert trouble is None
        self.store = store
        self.tokens = AwsTokenCache(str(folder / "cache"), store, self.now)
        self.aws = Api(self.now)
        self.workers: list[SsoSession] = []
        self.background = SimpleNamespace(renew_login=self.workers.append)
        self.said: list[str] = []
        self.asker = SimpleNamespace(say=lambda text, link=None: self.said.append(text))

    @property
    def path(self) -> Path:
        return Path(token_path(str(self.folder / "cache"), SESSION))

    def login(self, left: float, access: str = "aoa0", refresh: str | None = "aor0", **more: object) -> None:
        """A token as the AWS CLI leaves it, *left* seconds before its end."""
        self.path.parent.mkdir(exist_ok=True)
        fields = {
            "startUrl": START_URL,
            "region": REGION,
            "accessToken": access,
            "expiresAt": rfc3339(self.clock + left),
        }
        fields |= {"clientId": "c", "clientSecret": "s", "registrationExpiresAt": rfc3339(self.clock + 90 * 24 * HOUR)}
        if refresh is not None:
            fields["refreshToken"] = refresh
            self.aws.live.add(refresh)
        self.path.write_text(json.dumps(fields | more))

    def live(self) -> str:
        return renewal.live_token(SSO, self).access_token


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    made = World(tmp_path)
    made.naps = []

    def nap(seconds: float) -> None:
        made.naps.append(seconds)

    monkeypatch.setattr(renewal.time, "sleep", nap)
    return made


# ---- Windows --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [661, 3600, 8 * HOUR])
def test_a_token_before_its_window_is_used_as_it_is(world, left):
    world.login(left)
    assert (world.live(), world.aws.asked, world.workers) == ("aoa0", [], [])


@pytest.mark.parametrize("left", [539, 300, 61])
def test_in_the_window_the_current_token_is_used_at_once_and_a_worker_renews(world, left):
    world.login(left)
    assert (world.live(), world.aws.asked, world.workers) == ("aoa0", [], [SSO])
    assert world.live() == "aoa0" and world.workers == [SSO]  # one is enough
    renewal.renew_in_background(SSO, world)
    assert world.live().startswith("aoa1") and world.aws.asked == ["aor0"]


def test_the_windows_begin_is_spread_by_a_tenth(tmp_path, monkeypatch):
    began = []
    for left in range(530, 670, 4):
        (tmp_path / str(left)).mkdir()
        world = World(tmp_path / str(left))
        world.login(left)
        for _ in range(12):
            world.workers.clear()
            for mark in (tmp_path / str(left) / "store/marks").iterdir():
                mark.unlink()
            world.live()
            began.append((left, bool(world.workers)))
    assert {started for left, started in began if left < 540} == {True}
    assert {started for left, started in began if left > 660} == {False}
    both = {left for left, started in began if started} & {left for left, started in began if not started}
    assert len(both) > 5  # of 30 lengths, each tried a dozen times


@pytest.mark.parametrize("left", [60, 1, -1, -HOUR])
def test_in_its_last_minute_and_after_its_end_a_token_is_renewed_before_it_is_used(world, left):
    world.login(left, theirs="kept")
    assert world.live().startswith("aoa1") and world.workers == []
    fields = json.loads(world.path.read_text())
    assert fields["refreshToken"].startswith("aor1") and fields["theirs"] == "kept"


@pytest.mark.parametrize("left", [300, 30])
def test_a_token_without_a_refresh_token_is_used_to_its_end(world, left):
    world.login(left, refresh=None)
    assert (world.live(), world.workers) == ("aoa0", [])


def test_a_registration_that_ended_makes_a_token_one_that_only_a_person_can_renew(world):
    world.login(-1, registrationExpiresAt=rfc3339(NOW - 1))
    with pytest.raises(LoginNeeded, match="ended 1s ago"):
        world.live()
    assert world.aws.asked == []


def test_after_a_sleep_the_wall_clock_decides_and_the_next_use_renews_once(world):
    world.login(8 * HOUR)
    assert world.live() == "aoa0"
    world.clock += 9 * HOUR  # the lid was closed; no timer of ours has run
    assert world.live().startswith("aoa1") and world.live().startswith("aoa1")
    assert world.aws.asked == ["aor0"]


def test_a_reply_without_a_refresh_token_keeps_the_old_one(world):
    world.aws.omits = True
    world.login(-1)
    world.live()
    assert json.loads(world.path.read_text())["refreshToken"] == "aor0"


# ---- Failures -------------------------------------------------------------------------------------------------------


def test_a_dead_refresh_token_is_tried_once_ever_by_anybody(world, tmp_path):
    world.login(-1)
    world.aws.live.clear()
    before = world.path.read_bytes()
    for _ in range(3):
        with pytest.raises(LoginNeeded) as caught:
            world.live()
        assert (caught.value.session, caught.value.hint) == (SSO, f"awsenv login {SESSION}")
        assert caught.value.seen.access_token == "aoa0"
    world.clock += 24 * HOUR
    with pytest.raises(LoginNeeded):
        World(tmp_path).live()
    renewal.renew_in_background(SSO, world)
    assert world.aws.asked == ["aor0"] and world.path.read_bytes() == before


def test_a_dead_refresh_token_leaves_the_access_token_in_use_while_it_lasts(world):
    world.login(400)
    world.aws.live.clear()
    with pytest.raises(LoginNeeded):
        renewal.renew_in_background(SSO, world)
    world.clock += 390
    assert [world.live() for _ in range(3)] == ["aoa0"] * 3  # its last ten seconds, and AWS is not asked again
    assert world.aws.asked == ["aor0"] and world.workers == []
    world.clock += 11
    with pytest.raises(LoginNeeded):
        world.live()
    assert world.aws.asked == ["aor0"]


def test_a_login_elsewhere_makes_a_dead_session_live(world):
    world.login(-1)
    world.aws.live.clear()
    with pytest.raises(LoginNeeded):
        world.live()
    world.login(-1, "aoaX", "aorX")
    assert world.live().startswith("aoa2") and world.aws.asked == ["aor0", "aorX"]


def test_a_refused_token_that_was_replaced_meanwhile_is_not_dead_but_old(world):
    world.login(-1)
    world.aws.live.clear()
    world.aws.during = lambda: world.login(HOUR, "aoaCLI", "aorCLI")  # the AWS CLI knows no lock of ours
    assert world.live() == "aoaCLI" and world.aws.asked == ["aor0"]
    world.login(-1, "aoa0", "aor0")
    assert not world.tokens.is_dead(world.tokens.load(SESSION))


def test_a_replacement_that_has_ended_too_is_renewed_once_and_then_given_up(world):
    world.login(-1)
    world.aws.live.clear()
    world.aws.during = lambda: len(world.aws.asked) > 1 or world.login(-1, "aoaCLI", "aorCLI")
    assert world.live().startswith("aoa2") and world.aws.asked == ["aor0", "aorCLI"]
    world.clock += 2 * HOUR
    world.aws.live.clear()
    world.aws.during = lambda: world.login(-1, f"aoa-{len(world.aws.asked)}", "aorDEAD") or world.aws.live.clear()
    with pytest.raises(LoginNeeded):
        world.live()
    assert len(world.aws.asked) == 4  # two more, and no loop


def test_a_login_during_a_renewal_is_not_overwritten_by_it(world):
    world.login(-1)
    world.aws.during = lambda: world.login(8 * HOUR, "aoaOTHER", "aorOTHER")
    assert world.live() == "aoaOTHER"
    assert json.loads(world.path.read_text())["refreshToken"] == "aorOTHER"


@pytest.mark.parametrize("left", [-1, -30, 30])
@pytest.mark.parametrize("fault", [Unreachable("x"), Busy("x", is_throttled=False), Busy("x"), Unanswered("x")])
def test_one_failure_is_followed_by_one_more_try_with_the_same_token(world, fault, left):
    world.login(left)
    world.aws.faults = [fault]
    assert world.live().startswith("aoa2") and world.aws.asked == ["aor0", "aor0"]
    assert len(world.naps) == 1 and 0.1 <= world.naps[0] <= 1.0
    assert world.tokens.trouble(SESSION) is None


@pytest.mark.parametrize("fault", [Unreachable("gone"), Busy("busy"), Unanswered("late")])
def test_two_failures_are_told_deleted_is_nothing_and_the_last_minute_still_served(world, fault):
    world.login(30)
    before = world.path.read_bytes()
    world.aws.faults = [fault] * 2
    assert world.live() == "aoa0" and len(world.aws.asked) == 2
    assert world.tokens.trouble(SESSION).what == fault.what
    world.clock += 61
    world.aws.faults = [fault] * 2
    with pytest.raises(type(fault), match=fault.what):
        world.live()
    assert world.path.read_bytes() == before


def test_a_wish_to_wait_two_seconds_is_heeded_and_a_longer_one_left_to_the_next_call(world):
    world.login(-1)
    world.aws.faults = [Busy("busy", 2.0)]
    assert world.live() and world.naps == [2.0]
    world.clock += 2 * HOUR
    world.aws.faults = [Busy("busy", 40.0)]
    with pytest.raises(Busy):
        world.live()
    assert len(world.aws.asked) == 3 and world.naps == [2.0]
    world.clock += 39
    with pytest.raises(Busy, match="busy") as caught:
        world.live()
    assert len(world.aws.asked) == 3 and "in 1 s" in caught.value.hint
    world.clock += 2
    assert world.live().startswith("aoa4") and world.tokens.trouble(SESSION) is None


@pytest.mark.parametrize(
    ("fault", "spent", "tries"), [(Unreachable("x"), 7, 1), (Unanswered("x"), 10, 2), (Unanswered("x"), 16, 1)]
)
def test_a_second_try_depends_on_what_the_first_one_cost(world, monkeypatch, fault, spent, tries):
    """No connection in 7 s: a person has waited enough. No reply in 10 s: the token may be spent, and AWS's grace short."""
    world.login(-1)
    seconds = [0.0]
    monkeypatch.setattr(renewal.time, "monotonic", lambda: seconds[0])
    given = []
    real = world.aws.renew_token

    def slow(token, session, within):
        given.append(within)
        seconds[0] += spent
        return real(token, session, within)

    world.aws.renew_token = slow
    world.aws.faults = [fault, fault]
    with pytest.raises(Unreachable):
        world.live()
    assert len(world.aws.asked) == tries
    assert given[0] == 20 and all(spent + world.naps[0] + within == pytest.approx(20) for within in given[1:])


def test_workers_heed_a_failure_and_a_person_does_not(world):
    world.login(300)
    world.aws.faults = [Unreachable("x")] * 2
    with pytest.raises(Unreachable):
        renewal.renew_in_background(SSO, world)
    assert world.live() == "aoa0" and world.workers == []
    renewal.renew_in_background(SSO, world)
    assert len(world.aws.asked) == 2
    world.clock += 299
    assert world.live().startswith("aoa3")


def test_a_worker_renews_nothing_that_is_not_due(world):
    world.login(HOUR)
    renewal.renew_in_background(SSO, world)
    world.path.unlink()
    renewal.renew_in_background(SSO, world)
    world.login(-1)
    with world.tokens.locked(SESSION, wait=True):
        renewal.renew_in_background(SSO, world)
    assert world.aws.asked == []


def test_no_room_for_the_successor_means_that_nothing_is_spent(world, monkeypatch):
    @contextmanager
    def full(key, anew=False):
        raise Storage("No space left")
        yield

    monkeypatch.setattr(world.tokens, "successor", full)
    world.login(-1)
    with pytest.raises(Storage):
        world.live()
    world.login(59)
    assert world.live() == "aoa0" and world.aws.asked == []


def test_a_logout_elsewhere_is_not_answered_with_the_old_token(world):
    world.login(30)
    seen = world.tokens.load(SESSION)
    world.path.unlink()
    with pytest.raises(LoginNeeded, match="logged out"):
        renewal.renew(SSO, seen, world)
    with pytest.raises(LoginNeeded, match="no login"):
        world.live()
    world.login(30)
    real = world.tokens.locked

    @contextmanager
    def too_late(*words):
        with real(*words) as is_ours:
            world.path.unlink()
            yield is_ours

    world.tokens.locked = too_late
    with pytest.raises(LoginNeeded, match="logged out"):
        world.live()
    assert world.aws.asked == []


# ---- Locks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
def test_where_nothing_can_be_locked_renewing_goes_on_and_the_loser_takes_the_winners_token(world, monkeypatch, number):
    def flock(descriptor, how):
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    world.login(-1)
    # The other machine on this home is in the middle of it: ours is refused, and finds theirs.
    world.aws.during = lambda: world.aws.live.clear() or world.login(HOUR, "aoaTHEIRS", "aorTHEIRS")
    assert world.live() == "aoaTHEIRS" and world.aws.asked == ["aor0"]
    assert not world.tokens.is_dead(world.tokens.load(SESSION))


def _own(path: str, note: str, ready) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}{note}\n".encode(), 0)
    ready.set()
    time.sleep(60)


@contextmanager
def owned(world: World, note: str = ""):
    """The session's lock, in the hands of a process that is stopped."""
    with world.tokens.locked(SESSION, wait=True):
        pass
    (path,) = Path(world.store.root, "locks").iterdir()
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    owner = context.Process(target=_own, args=(str(path), note, ready), daemon=True)
    owner.start()
    assert ready.wait(10)
    os.kill(owner.pid, signal.SIGSTOP)
    try:
        yield owner.pid
    finally:
        owner.kill()
        owner.join()


def test_a_stopped_owner_is_named_in_time_and_a_token_that_still_works_is_used(world, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(turn, "WAIT", 0.4)
    world.login(30)
    with owned(world) as pid:
        began = time.monotonic()
        assert world.live() == "aoa0"
        world.clock += 31
        with pytest.raises(Unreachable, match=f"process {pid}"):
            world.live()
        assert 0.8 <= time.monotonic() - began < 2
    assert world.aws.asked == [] and world.live().startswith("aoa1")


def test_who_waits_sees_a_login_by_another_tool_within_half_a_second(world, monkeypatch):
    monkeypatch.undo()
    world.login(-1)
    with owned(world):
        timer = threading.Timer(0.3, world.login, (HOUR, "aoaCLI", "aorCLI"))
        timer.start()
        began = time.monotonic()
        assert world.live() == "aoaCLI"
        assert time.monotonic() - began < 0.8
    assert world.aws.asked == []


def test_who_waits_for_a_person_says_for_whom_once(world, monkeypatch):
    monkeypatch.undo()
    world.login(-1)
    with owned(world, " person") as pid:
        timer = threading.Timer(0.5, world.login, (HOUR, "aoaNEW", "aorNEW"))
        timer.start()
        assert world.live() == "aoaNEW"
    assert len(world.said) == 1 and f"process {pid} has begun; Ctrl-C stops" in world.said[0]


def test_a_worker_is_started_while_nothing_is_locked(world):
    world.login(300)
    free = []

    def start(session):
        with world.tokens.locked(SESSION, wait=False) as is_ours:
            free.append((is_ours, len(turn.holding)))

    world.background.renew_login = start
    world.live()
    assert free == [(True, 1)]


# ---- Any order of events (C7) ---------------------------------------------------------------------------------------


class Events(RuleBasedStateMachine):
    """Reads, renewals, logins, logouts, kills in mid-exchange and jumping clocks, against what AWS itself would know."""

    folders: list[Path] = []  # noqa: RUF012  # one for each run, from the test below

    def __init__(self) -> None:
        super().__init__()
        # Not by `random`: hypothesis seeds it anew for each example.
        self.world = World(Path(tempfile.mkdtemp(dir=self.folders[0])))
        self.kills = self.logins = 0
        self.refused: list[str] = []
        real = self.world.aws.renew_token

        def noted(token, session, seconds):
            try:
                return real(token, session, seconds)
            except TokenRejected:
                self.refused.append(token.refresh_token)
                raise

        self.world.aws.renew_token = noted

    def on_disk(self) -> dict | None:
        return json.loads(self.world.path.read_text()) if self.world.path.exists() else None

    @rule(left=st.sampled_from([-10, 30, 300, 900, 8 * HOUR]), can_renew=st.booleans())
    def login(self, left, can_renew):
        self.logins += 1
        self.world.login(left, f"aoaL{self.logins}", f"aorL{self.logins}" if can_renew else None, theirs=self.logins)

    @precondition(lambda self: self.world.path.exists())
    @rule()
    def logout(self):
        self.world.path.unlink()

    @rule(seconds=st.sampled_from([1.0, 35.0, 280.0, 500.0, HOUR, 9 * HOUR]))
    def time_passes(self, seconds):
        self.world.clock += seconds

    @rule(seconds=st.sampled_from([-2 * HOUR, -90.0, 90.0, 2 * HOUR]))
    def clock_is_set(self, seconds):
        self.world.clock += seconds

    @rule(
        fault=st.sampled_from([None, Unreachable("x"), Unanswered("x"), Busy("x"), Busy("x", 20.0)]),
        times=st.integers(1, 2),
    )
    def use(self, fault, times):
        before, calls = self.on_disk(), len(self.world.aws.asked)
        refused = len(self.refused)
        self.world.aws.faults = [fault] * times if fault else []
        try:
            token = renewal.live_token(SSO, self.world)
        except LoginNeeded:
            can_renew = before is not None and before.get("refreshToken") in self.world.aws.live
            assert not can_renew, "a login that could be renewed was given up"
        except Unreachable:
            # A fault of this call, or the wish of AWS to wait that an earlier one brought.
            assert fault is not None or self.world.tokens.trouble(SESSION) is not None
        else:
            assert token.expires_at > self.world.clock, "an ended token was handed out"
            assert token.access_token == self.on_disk()["accessToken"]
            assert before["theirs"] == self.on_disk()["theirs"]
        self.world.aws.faults = []
        assert len(self.world.aws.asked) - calls <= 2
        assert len(self.refused) - refused <= 1
        if fault is not None and len(self.world.aws.asked) == calls + times:
            assert self.on_disk() == before or times == 1  # nothing is deleted or changed by a failure

    @rule(committed=st.booleans())
    def use_and_be_killed(self, committed):
        class Killed(BaseException):
            pass

        real = self.world.aws.renew_token

        def die(token, session, seconds):
            if committed:
                real(token, session, seconds)
            raise Killed

        self.world.aws.renew_token = die
        try:
            renewal.live_token(SSO, self.world)
        except Killed:
            self.kills += committed
        except (LoginNeeded, Unreachable):
            pass
        finally:
            self.world.aws.renew_token = real

    @rule()
    def worker(self):
        try:
            renewal.renew_in_background(SSO, self.world)
        except (LoginNeeded, Unreachable):
            pass

    @invariant()
    def no_refresh_token_is_refused_twice(self):
        assert len(self.refused) == len(set(self.refused))

    @invariant()
    def nothing_is_refused_without_a_kill_that_spent_it(self):
        assert len(self.refused) <= self.kills

    @invariant()
    def the_lock_is_free_and_nothing_lies_around(self):
        with self.world.tokens.locked(SESSION, wait=False) as is_ours:
            assert is_ours
        if self.world.path.parent.exists():
            assert [p.name for p in self.world.path.parent.iterdir() if p.suffix == ".tmp"] == []


def events(tmp_path, monkeypatch, examples: int) -> None:
    monkeypatch.setattr(renewal.time, "sleep", lambda seconds: None)
    Events.folders[:] = [tmp_path]
    run_state_machine_as_test(
        Events,
        settings=settings(
            max_examples=examples, stateful_step_count=30, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def test_in_any_order_of_events_no_token_is_wasted_and_no_dead_one_asked_for_twice(tmp_path, monkeypatch):
    events(tmp_path, monkeypatch, 60)


@pytest.mark.long
def test_in_any_order_of_thousands_of_events(tmp_path, monkeypatch):
    events(tmp_path, monkeypatch, 1500)
