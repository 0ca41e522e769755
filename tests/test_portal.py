"""Enumerating a portal: every account and role, never too fast, patient with a busy AWS, and from where it was stopped."""

import json
import os
import stat
import threading
import time
from itertools import pairwise

import pytest

from awsenv.aws import Aws
from awsenv.errors import Busy, Denied, LoginNeeded, TokenRejected, Unreachable
from awsenv.model import Account, SsoSession, SsoToken
from awsenv.portal import RATE, Memo, Offer, Pace, Portal
from awsenv.store import FileStore, NoStore, open_store
from awsenv.world import World
from tests.payloads import PAYLOADS

SESSION = SsoSession("corp", "https://corp.awsapps.com/start", "eu-west-1")
TOKEN = SsoToken("token", 4e9)


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pace(self, rate: float = RATE) -> Pace:
        return Pace(rate, lambda: self.now, self.sleep, lambda: 0.0)


class PortalApi:
    """AwsApi's two listings, with *troubles*: what an account's roles fail with, one after the other."""

    def __init__(self, count: int = 10, **troubles: list[BaseException]) -> None:
        self.listed = [Account(f"{100000000000 + n}", f"acct{n}") for n in range(count)]
        self.names: dict[str, list[str]] = {account.id: ["Admin", "View"] for account in self.listed}
        self.troubles = {number.strip("_"): list(errors) for number, errors in troubles.items()}
        self.asked: list[str] = []
        self.token = "token"

    def accounts(self, access_token, session, before_call=lambda: None):
        return self._answer("accounts", access_token, before_call) or self.listed

    def roles(self, access_token, session, account, before_call=lambda: None):
        self._answer(account, access_token, before_call)
        return self.names[account]

    def _answer(self, what, access_token, before_call):
        before_call()
        self.asked.append(what)
        if self.troubles.get(what):
            raise self.troubles[what].pop(0)
        if access_token != self.token:
            raise TokenRejected("unauthorized")


def no_renewal(token: SsoToken) -> SsoToken:
    raise LoginNeeded("the login has ended")


def memo(root: str | None = None, now: float = 1000.0, login: str = "login") -> Memo:
    return Memo(FileStore(root) if root else NoStore(), SESSION, login, now)


def offered(api, pace=None, renew=no_renewal, kept=None, wanted=lambda account: True, progress=None) -> Offer:
    portal = Portal(api, SESSION, TOKEN, renew, pace or Clock().pace(1e6), kept or memo())
    return portal.offer(wanted, progress or (lambda done, total: None))


@pytest.fixture
def root(tmp_path) -> str:
    store, _ = open_store(str(tmp_path / "store"))
    assert isinstance(store, FileStore)
    return store.root


# ---- What is found --------------------------------------------------------------------------------------------------


def test_every_account_and_role_is_found():
    offer = offered(PortalApi(30))
    assert len(offer.accounts) == 30
    assert dict(offer.roles) == {f"{100000000000 + n}": ("Admin", "View") for n in range(30)}
    assert (offer.unknown, offer.skipped, offer.resumed) == (frozenset(), (), 0)


def test_accounts_that_are_not_wanted_cost_no_request():
    api = PortalApi(30)
    offer = offered(api, wanted=lambda account: account.name == "acct7")
    assert list(offer.roles) == ["100000000007"] and len(offer.accounts) == 30
    assert api.asked == ["accounts", "100000000007"]


def test_progress_is_told_to_the_end():
    told: list[tuple[int, int]] = []
    offered(PortalApi(5), progress=lambda done, total: told.append((done, total)))
    assert told == [(n, 5) for n in range(6)]


def test_an_account_that_aws_does_not_tell_about_is_named_and_the_rest_is_found():
    offer = offered(PortalApi(3, _100000000001=[Denied("no access")]))
    assert offer.unknown == {"100000000001"} and sorted(offer.roles) == ["100000000000", "100000000002"]


def test_ids_and_roles_that_no_config_can_hold_are_left_out_by_name():
    api = PortalApi(2)
    api.listed += [Account("12", "short"), Account("١" * 12, "arabic"), Account("1234\n5678901", "lines")]
    for text in PAYLOADS.values():
        api.names["100000000000"].append(text)
    offer = offered(api)
    assert [account.id for account in offer.accounts] == ["100000000000", "100000000001"]
    for line in offer.skipped:
        assert line.startswith("left out") and line.isprintable()
    good = offer.roles["100000000000"]
    assert good[:2] == ("Admin", "View") and "prod cn-north-1" in good
    for role in good:
        assert role.isprintable() and role == role.strip() and len(role) <= 256 and role[0] not in "#;"
    assert len(good) + len(offer.skipped) == 2 + len(PAYLOADS) + 3


# ---- How fast -------------------------------------------------------------------------------------------------------


def test_turns_are_evenly_spaced_and_never_more_than_twenty_a_second():
    clock = Clock()
    pace, times = clock.pace(), []
    for _ in range(100):
        pace.turn()
        times.append(clock.now)
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert min(gaps) == pytest.approx(max(gaps)) == pytest.approx(1 / RATE)
    assert max(sum(start <= t <= start + 1 for t in times) for start in times) <= 20


def test_a_thousand_accounts_take_a_minute_and_no_longer():
    clock = Clock()
    offered(PortalApi(1000), clock.pace())
    assert 1000 / RATE - 1 < clock.now < 8 * 1000 / RATE  # the threads' sleeps add up on one clock


def test_many_threads_share_one_pace():
    pace, times, lock = Pace(200.0), [], threading.Lock()

    def ask() -> None:
        for _ in range(10):
            pace.turn()
            with lock:
                times.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(times) - min(times) >= 79 / 200 - 0.02


def test_what_aws_asks_us_to_wait_is_waited_by_all():
    clock = Clock()
    pace = clock.pace(10.0)
    pace.turn()
    pace.slow_down(30.0, 0)
    pace.turn()
    assert clock.now >= 30 and pace.rate == 5.0


def test_without_a_word_from_aws_the_pauses_grow_and_have_an_end():
    pauses = []
    for attempt in range(8):
        clock = Clock()
        pace = clock.pace()
        pace.slow_down(None, attempt)
        pace.turn()
        pauses.append(clock.now)
    assert pauses == sorted(pauses) and pauses[0] == 0.25 and pauses[-1] == 10


def test_the_pace_is_halved_once_a_burst_and_recovers():
    clock = Clock()
    pace = clock.pace(16.0)
    for _ in range(8):
        pace.slow_down(0.1, 0)
    assert pace.rate == 8
    for _ in range(100):
        pace.went_well()
    assert pace.rate == 16


def test_a_busy_portal_is_asked_again_after_the_time_it_names():
    clock = Clock()
    api = PortalApi(1, _100000000000=[Busy("429", 7.0), Busy("429", None)], accounts=[Busy("429", 3.0)])
    assert offered(api, clock.pace()).roles == {"100000000000": ("Admin", "View")}
    assert clock.now > 10
    assert api.asked == ["accounts"] * 2 + ["100000000000"] * 3


def test_a_portal_that_stays_busy_ends_the_run():
    with pytest.raises(Busy):
        offered(PortalApi(1, accounts=[Busy("429", None)] * 99))
    with pytest.raises(Busy):
        offered(PortalApi(1, accounts=[Busy("429", 301.0)]))


def test_a_network_that_blinks_is_tried_once_more_and_one_that_is_gone_is_not_sat_out():
    assert len(offered(PortalApi(2, _100000000001=[Unreachable("gone")])).roles) == 2
    api = PortalApi(2, _100000000001=[Unreachable("gone")] * 9)
    with pytest.raises(Unreachable, match="gone"):
        offered(api)
    assert api.asked.count("100000000001") == 2


# ---- The token ------------------------------------------------------------------------------------------------------


def test_a_token_that_ends_halfway_is_renewed_once_for_all():
    renewed: list[SsoToken] = []

    def renew(token: SsoToken) -> SsoToken:
        renewed.append(token)
        return SsoToken("second", 4e9)

    api = PortalApi(20)
    threading_roles = api.roles

    def roles(access_token, session, account, before_call=lambda: None):
        if account == "100000000010":
            api.token = "second"
        return threading_roles(access_token, session, account, before_call)

    api.roles = roles  # type: ignore[method-assign]
    assert len(offered(api, renew=renew).roles) == 20
    assert renewed == [TOKEN]


def test_a_login_that_is_over_says_so_and_what_was_found_is_kept(root):
    api = PortalApi(4)
    api.troubles["100000000003"] = [TokenRejected("gone")]
    with pytest.raises(LoginNeeded, match="the login has ended"):
        offered(api, kept=memo(root))
    assert set(memo(root).load()) <= {"100000000000", "100000000001", "100000000002"}


def test_a_new_token_that_is_turned_down_too_is_the_end():
    api = PortalApi(2)
    api.token = "none of ours"
    with pytest.raises(TokenRejected):
        offered(api, renew=lambda token: SsoToken(token.access_token + "+", 4e9))
    assert len(api.asked) <= 4


# ---- Going on -------------------------------------------------------------------------------------------------------


def stopped_run(root: str, count: int, at: int, pace: Pace | None = None) -> PortalApi:
    api = PortalApi(count)

    def stop(done: int, total: int) -> None:
        if done == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        offered(api, pace, kept=memo(root), progress=stop)
    return api


def test_what_a_stopped_run_had_finished_is_not_asked_again(root):
    stopped_run(root, 40, 25)
    known = set(memo(root).load())
    assert len(known) == 25
    api = PortalApi(40)
    offer = offered(api, kept=memo(root))
    assert offer.resumed == 25 and len(offer.roles) == 40
    assert set(api.asked[1:]) == {account.id for account in api.listed} - known


def test_what_is_kept_is_private_and_holds_no_token(root):
    stopped_run(root, 10, 5)
    (path,) = [f"{root}/marks/{name}" for name in os.listdir(f"{root}/marks")]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with open(path) as file:
        assert "token" not in file.read()


@pytest.mark.parametrize("other", [{"now": 1000.0 + 3600}, {"now": 999.0}, {"login": "another"}])
def test_what_is_kept_is_for_an_hour_and_for_one_login(root, other):
    stopped_run(root, 10, 5)
    assert memo(root, **other).load() == {}


def test_after_an_hour_it_is_removed_as_well(root):
    stopped_run(root, 10, 5)
    memo(root, now=9999.0).load()
    assert os.listdir(f"{root}/marks") == []


def test_a_spoiled_memo_is_none(root):
    stopped_run(root, 10, 5)
    (path,) = [f"{root}/marks/{name}" for name in os.listdir(f"{root}/marks")]
    for text in ("", "{", "[1000.0, 5]\n", '["x", {}]\n', json.dumps([1000.0, {"1": 5}]) + "\n"):
        with open(path, "w") as file:
            file.write(text)
        assert memo(root).load() == {}


def test_stopping_stops_the_workers_too(root):
    api = stopped_run(root, 200, 3, Pace(100.0))
    count = len(api.asked)
    time.sleep(0.3)
    assert len(api.asked) <= count + 8


# ---- The real client against the fake portal ------------------------------------------------------------------------


@pytest.fixture
def portal_of(fake, monkeypatch):
    def build(count: int) -> Portal:
        accounts = {f"{100000000000 + n}": (f"acct {n}", ["Admin"]) for n in range(count)}
        fake.portal(SESSION.start_url, SESSION.region, accounts)
        token = SsoToken(fake.issue_token(SESSION.start_url)["accessToken"], 4e9)
        session = SsoSession("corp", SESSION.start_url, SESSION.region, portal_endpoint=fake.identity_center_url)
        for name, value in fake.environment().items():
            monkeypatch.setenv(name, value)
        fake.forget()
        return Portal(Aws(World.current()), session, token, no_renewal, Pace(), memo())

    yield build
    fake.portal_requests_per_second = None
    fake.forget()


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_the_portal_never_sees_more_than_twenty_requests_in_a_second(fake, portal_of, delay):
    portal = portal_of(70)
    fake.portal_requests_per_second = 20
    if delay:
        fake.fail("ListAccountRoles", delay=delay, times=1000)
    began = time.monotonic()
    assert len(portal.offer(lambda account: True, lambda done, total: None).roles) == 70
    assert fake.busiest_second <= 20
    assert fake.count("ListAccountRoles", 429) == 0
    assert time.monotonic() - began < 2 + 71 / RATE, "latency does not slow it down"


def test_a_portal_that_allows_less_is_enumerated_all_the_same(fake, portal_of):
    portal = portal_of(25)
    fake.portal_requests_per_second = 6
    assert len(portal.offer(lambda account: True, lambda done, total: None).roles) == 25
    assert fake.count("ListAccountRoles", 429) + fake.count("ListAccounts", 429) > 0
