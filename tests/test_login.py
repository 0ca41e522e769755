"""`login`, `logout` and `sessions` without a terminal: every way in, every way it ends, and what is on the disk afterwards."""

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from awsenv import assets, login, logins, start_url
from awsenv.aws import Aws
from awsenv.commands import login as login_verb
from awsenv.commands import logout as logout_verb
from awsenv.demo.house import REGION, START_URL
from awsenv.errors import AwsenvError, Config, Denied, Interrupted, LoginNeeded, Storage, Unreachable
from awsenv.lease import Reading
from awsenv.login import Manner, log_in
from awsenv.model import SsoSession, SsoToken, rfc3339
from awsenv.offer import _says_yes, logged_in
from awsenv.process import SystemBrowser
from awsenv.settings import Settings
from awsenv.store import open_store
from awsenv.terminal import Terminal
from awsenv.tokens import AwsTokenCache
from awsenv.world import World
from tests.logins import Home, nobody_logged_in, until
from tests.payloads import PAYLOADS

LEGACY = f"""
[profile old]
sso_start_url = {START_URL}
sso_region = {REGION}
sso_account_id = 123456789012
sso_role_name = AdministratorAccess
region = {REGION}

[profile over-old]
role_arn = arn:aws:iam::333333333333:role/Deploy
source_profile = old
"""
OTHER = f"""
[sso-session other]
sso_start_url = {START_URL}
sso_region = {REGION}

[profile elsewhere]
sso_session = other
sso_account_id = 123456789012
sso_role_name = ViewOnlyAccess
region = {REGION}
"""
CALLER = "import boto3; print(boto3.Session(profile_name='{}').client('sts').get_caller_identity()['Arn'])"


@pytest.fixture
def home(house, fake, tmp_path) -> Iterator[Home]:
    with nobody_logged_in(house, fake, tmp_path) as home:
        yield home


def ended(done: "subprocess.CompletedProcess[str]", code: int, *words: str) -> None:
    """That status, those words on stderr, nothing on stdout, and no traceback."""
    assert done.returncode == code, done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr and "bug of ours" not in done.stderr, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


# ---- Both flows -----------------------------------------------------------------------------------------------------


def test_after_a_login_by_browser_boto3_and_we_have_the_same_token(home):
    home.browser()
    done = home("login", "test")
    ended(done, 0, 'logged in to the sso-session "test"', "renewed until AWS ends it")
    (url,) = home.opened
    assert url in done.stderr and urlsplit(url).path == "/authorize"
    kept = json.loads(home.token.read_text())
    assert stat.S_IMODE(home.token.stat().st_mode) == 0o600
    assert sorted(kept) == sorted(
        [
            "startUrl",
            "region",
            "accessToken",
            "expiresAt",
            "refreshToken",
            "clientId",
            "clientSecret",
            "registrationExpiresAt",
            "awsenvLogin",
        ]
    )
    assert (kept["startUrl"], kept["region"]) == (START_URL, REGION)
    assert kept["accessToken"] not in done.stderr and kept["refreshToken"] not in done.stderr
    theirs = subprocess.run([sys.executable, "-c", CALLER.format("piyo")], env=home.env, capture_output=True, text=True)
    assert "assumed-role/Deploy" in theirs.stdout, theirs.stderr
    assert "assumed-role/Deploy" in home("whoami", "piyo").stdout


def test_a_login_by_code_shows_host_region_code_and_the_warning_on_stderr_alone(home, fake):
    fake.approve_after_polls = 1
    home.browser()
    done = home("login", "test", "--device")
    ended(done, 0, "d-1234567890.awsapps.com in ap-northeast-1", "Approve only if you just started this", "logged in")
    code = done.stderr.split("the code there must be: ")[1].split("\n")[0]
    assert f"/device?user_code={code}" in done.stderr and len(code) == 9
    assert json.loads(home.token.read_text())["refreshToken"]


def test_where_no_browser_can_come_back_to_us_the_reason_is_said_and_the_code_shown(home, fake):
    fake.approve_after_polls = 1
    ended(
        home("login", "test", SSH_CONNECTION="1 2 3 4"),
        0,
        "this is an SSH session",
        "the code there must be",
        "logged in",
    )


def test_no_browser_shows_the_link_and_opens_nothing(home, fake):
    home.browser()
    process = home.start("login", "test", "--no-browser")
    line = process.stderr.readline()
    url = process.stderr.readline().strip()
    assert "open this page in a browser on this machine" in line
    urllib.request.urlopen(url).read()
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out, home.opened) == (0, "", [])
    assert home.token.exists()


def test_no_browser_with_a_code_opens_nothing_either(home, fake):
    fake.approve_after_polls = 1
    home.browser()
    ended(home("login", "test", "--device", "--no-browser"), 0, "logged in")
    assert home.opened == []


# ---- Which login ----------------------------------------------------------------------------------------------------


def world(home: Home, **env: str) -> World:
    paths = str(home.aws / "config"), str(home.aws / "credentials")
    return World({**home.env, **env}, str(home.home), *paths, str(home.store), "tester")


@pytest.mark.parametrize(
    "name, key",
    [
        ("test", "test"),
        ("AdministratorAccess-123456789012", "test"),
        ("piyo", "test"),
        ("piyo-prod", "test"),
        ("other", "other"),
        ("elsewhere", "other"),
        ("old", START_URL),
        ("over-old", START_URL),
        (START_URL, START_URL),
    ],
)
def test_a_session_a_profile_a_chain_or_a_legacy_one_leads_to_the_login_at_its_root(home, name, key):
    home.configure(LEGACY + OTHER)
    here = world(home)
    assert logins.named(here, Reading.of(here), name).key == key


@pytest.mark.parametrize("variable", ["AWSENV_PROFILE", "AWS_PROFILE"])
def test_a_bare_login_is_this_shells(home, variable):
    home.configure(OTHER)
    here = world(home, **{variable: "elsewhere"})
    assert logins.named(here, Reading.of(here), None).key == "other"


def test_a_bare_login_is_the_only_one_and_among_several_it_asks_which(home):
    here = world(home, AWSENV_PROFILE="hoge1")
    assert logins.named(here, Reading.of(here), None).key == "test"
    home.configure(OTHER)
    ended(home("login"), 2, "which sso-session? There are 2", "awsenv login test", "awsenv login other")


def test_a_name_that_nobody_knows_is_answered_with_the_nearest(home):
    ended(home("login", "tets"), 3, 'no sso-session and no profile "tets"', "did you mean test?")


def test_a_profile_that_needs_no_login_says_so(home):
    ended(home("login", "hoge1"), 3, '"hoge1" needs no login: access key', "config:")


def test_a_legacy_login_is_kept_under_its_start_url_and_serves_its_profiles(home, fake):
    home.configure(LEGACY)
    fake.approve_after_polls = 1
    ended(home("login", "over-old"), 0, f"logged in to {START_URL}")
    assert f"{hashlib.sha1(START_URL.encode()).hexdigest()}.json" in home.tokens() and not home.token.exists()
    assert "AWSReservedSSO_AdministratorAccess" in home("whoami", "old").stdout


def test_what_a_failed_legacy_login_hints_at_can_be_typed(home, fake):
    home.configure(LEGACY)
    fake.fail("CreateToken", status=400, code="ExpiredTokenException")
    done = home("login", "old")
    ended(done, 4, "hint: awsenv login ")
    hint = done.stderr.split("hint: awsenv login ")[1].strip()
    here = world(home)
    assert logins.named(here, Reading.of(here), hint).key == START_URL


# ---- Once logged in -------------------------------------------------------------------------------------------------


def test_a_login_that_is_still_good_opens_no_browser_and_fresh_logs_in_anew(home, fake):
    home.browser()
    before = home.log_in(fake)
    ended(home("login", "test"), 0, 'already logged in to the sso-session "test"', "awsenv login test --fresh")
    assert home.opened == [] and fake.count("RegisterClient") == 0
    ended(home("login", "test", "--fresh"), 0, "logged in")
    assert len(home.opened) == 1
    assert json.loads(home.token.read_text())["accessToken"] != before["accessToken"]


def test_a_login_that_can_be_renewed_is_renewed_without_a_browser(home, fake):
    home.browser()
    before = home.log_in(fake, expiresAt="2020-01-01T00:00:00Z")
    ended(home("login", "test"), 0, "already logged in")
    after = json.loads(home.token.read_text())
    assert home.opened == [] and after["accessToken"] != before["accessToken"]


# ---- In this process: a person, a browser and a clock that do as they are told --------------------------------------


class Person:
    """An Asker who listens."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str, link: str | None = None) -> None:
        self.said.append(text)

    def show_qr(self, url: str) -> None:
        self.said.append(f"QR {url}")

    @property
    def heard(self) -> str:
        return "\n".join(self.said)


class Follower:
    """A Browser that follows what it is given, or `may_start` nothing; `reason` is why it can't come back."""

    def __init__(self, may_start: bool = True, follows: bool = True, reason: str | None = None) -> None:
        self.may_start, self.follows, self.reason = may_start, follows, reason
        self.opened: list[str] = []

    def why_not(self, command: object) -> str | None:
        return self.reason

    def open(self, url: str, command: object) -> bool:
        self.opened.append(url)
        if self.may_start and self.follows:
            threading.Thread(target=visit, args=(url,), daemon=True).start()
        return self.may_start


def visit(url: str) -> None:
    try:
        urllib.request.urlopen(url, timeout=20).read()
    except urllib.error.URLError:
        pass  # the page says no; it is the login that must notice


@dataclass
class Room:
    """Ports, and the session that is logged in to. A call is a login."""

    session: SsoSession
    aws: Any
    tokens: AwsTokenCache
    browser: Any
    asker: Any

    now = staticmethod(time.time)

    def __call__(self, manner: Manner | None = None, seen: SsoToken | None = None) -> SsoToken:
        return log_in(self.session, self, manner or Manner(), seen)


@pytest.fixture
def room(home, fake) -> Room:
    endpoint = fake.identity_center_url
    session = SsoSession("test", START_URL, REGION, ("sso:account:access",), endpoint, endpoint)
    store, _ = open_store(str(home.store))
    return Room(session, Aws(world(home)), AwsTokenCache(str(home.cache), store, time.time), Follower(), Person())


@pytest.fixture
def clock(room, monkeypatch) -> SimpleNamespace:
    """The login's clock, which only goes while the login sleeps; nobody opens the page of its code."""
    room.browser.follows = False
    clock = SimpleNamespace(now=0.0)

    def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(login, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: clock.now))
    return clock


def registered(home: Home) -> Path:
    """Where the AWS CLI keeps the session's registration: SHA-1 of its own JSON, written down here by hand."""
    key = (
        f'{{"region": "{REGION}", "scopes": ["sso:account:access"], "session_name": "test", '
        f'"startUrl": "{START_URL}", "tool": "botocore"}}'
    )
    return home.cache / f"{hashlib.sha1(key.encode()).hexdigest()}.json"


def test_a_registration_is_kept_where_the_aws_cli_looks_and_used_again(room, home, fake):
    room()
    kept = json.loads(registered(home).read_text())
    assert sorted(kept) == ["clientId", "clientSecret", "expiresAt", "grantTypes", "scopes"]
    assert home.tokens() == sorted([registered(home).name, home.token.name])
    seen = room.tokens.load("test")
    room(seen=seen)
    assert (fake.count("RegisterClient"), fake.count("CreateToken", 200), len(room.browser.opened)) == (1, 2, 2)


def test_the_aws_clis_own_registration_is_used(room, home, fake):
    theirs = room.aws.register_client(replace(room.session, name="theirs"), "http://127.0.0.1/oauth/callback")
    registered(home).write_text(
        json.dumps(
            {
                "clientId": theirs.client_id,
                "clientSecret": theirs.client_secret,
                "expiresAt": rfc3339(theirs.expires_at),
                "scopes": ["sso:account:access"],
                "grantTypes": ["authorization_code", "refresh_token"],
            }
        )
    )
    fake.forget()
    assert room().client_id == theirs.client_id
    assert fake.count("RegisterClient") == 0


@pytest.mark.parametrize("expires", [-5, 200])
def test_a_registration_that_ends_before_the_login_could_is_not_used(room, home, fake, expires):
    room()
    fields = json.loads(registered(home).read_text())
    registered(home).write_text(json.dumps({**fields, "expiresAt": rfc3339(time.time() + expires)}))
    room(seen=room.tokens.load("test"))
    assert fake.count("RegisterClient") == 2


@pytest.mark.parametrize("manner", [Manner(device=True), Manner(alone=0.5)], ids=["device", "browser"])
def test_a_registration_that_aws_has_forgotten_is_made_anew_once(room, home, fake, manner):
    fake.approve_after_polls = 1
    grants = {} if manner.device else {"grantTypes": ["authorization_code", "refresh_token"]}
    gone = {"clientId": "gone", "clientSecret": "gone", "expiresAt": rfc3339(time.time() + 9999), "scopes": []}
    registered(home).write_text(json.dumps({**gone, **grants}))
    assert room(manner).client_id != "gone"
    assert fake.count("RegisterClient") == 1
    assert json.loads(registered(home).read_text())["clientId"] != "gone"


def test_a_code_that_aws_does_not_take_voids_the_registration_too(room, home, fake):
    fake.fail("CreateToken", status=401, code="InvalidClientException")
    with pytest.raises(LoginNeeded, match="did not take the code"):
        room()
    assert home.tokens() == []
    assert room().refresh_token and fake.count("RegisterClient") == 2


@pytest.mark.parametrize("asked", [None, ("sso:account:access",), ("sso:account:access", "codecatalyst:read_write")])
def test_the_configured_scopes_are_asked_for_and_without_them_the_account_scope(room, home, fake, asked):
    room.session = replace(room.session, asked_scopes=asked)
    token = room()
    wanted = asked or ("sso:account:access",)
    assert fake._sign_ins._clients[token.client_id].scopes == wanted
    assert parse_qs(urlsplit(room.browser.opened[0]).query)["scopes"] == [" ".join(wanted)]
    assert token.refresh_token  # which AWS gives for the account scope alone


def test_what_is_asked_of_the_browser_is_a_code_with_a_challenge_for_loopback(room):
    room()
    asked = {name: value[0] for name, value in parse_qs(urlsplit(room.browser.opened[0]).query).items()}
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert urlsplit(asked["redirect_uri"]).hostname == "127.0.0.1" and urlsplit(asked["redirect_uri"]).port
    assert len(asked["code_challenge"]) == 43 and len(asked["state"]) >= 32


def test_when_nothing_comes_back_from_the_browser_a_code_is_offered_in_one_sentence(room, fake):
    fake.approve_after_polls = 1
    room.browser.follows = False
    room(Manner(alone=0.2))
    assert (
        room.asker.said[1] == "awsenv: nothing has come back from the browser yet; a code on any device will do as well"
    )
    assert "the code there must be" in room.asker.said[2]


def test_while_the_code_is_offered_the_browser_may_still_come_back(room, fake):
    room.browser.follows = False
    late = threading.Timer(1.0, lambda: visit(room.browser.opened[0]))
    late.start()
    room(Manner(alone=0.2))
    late.join()
    assert "the code there must be" in room.asker.heard
    assert room.tokens.load("test") is not None


def test_where_no_browser_starts_it_goes_by_a_code(room, fake):
    fake.approve_after_polls = 1
    room.browser.may_start = False
    room()
    assert "no browser could be started" in room.asker.heard and "the code there must be" in room.asker.heard


def test_a_text_browser_is_never_started(room, home, fake, tmp_path, capfd):
    fake.approve_after_polls = 1
    program = tmp_path / "w3m"
    program.write_text(f"#!/bin/sh\necho painted; touch {tmp_path}/started\n")
    program.chmod(0o755)
    room.browser = SystemBrowser({**home.env, "BROWSER": "w3m", "PATH": f"{tmp_path}:{home.env['PATH']}"}, "linux")
    room.browser.why_not = lambda command: None
    room()
    assert "no browser could be started" in room.asker.heard
    assert not (tmp_path / "started").exists() and "painted" not in "".join(capfd.readouterr())


def test_a_browser_that_comes_back_with_nothing_leads_to_a_code(room, fake):
    fake.approve_after_polls = 1
    room.browser.open = lambda url, command: (
        bool(threading.Thread(target=turn_down, args=(url,), daemon=True).start()) or True
    )
    room()
    assert "the browser came back without a login" in room.asker.heard


def turn_down(url: str) -> None:
    asked = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
    visit(f"{asked['redirect_uri']}?error=server_error&state={asked['state']}")


def test_a_no_in_the_browser_is_the_end(room, home, fake):
    fake.deny_logins = True
    with pytest.raises(Denied, match='the login to the sso-session "test" was denied in the browser'):
        room()
    assert not home.token.exists() and fake.count("StartDeviceAuthorization") == 0


def test_a_no_to_the_code_is_the_end(room, home, fake, clock):
    fake.deny_logins = True
    with pytest.raises(Denied, match="was denied"):
        room(Manner(device=True))
    assert not home.token.exists()


def test_a_code_that_nobody_uses_runs_out(room, home, fake, clock):
    fake.device_code_seconds, fake.enforce_interval = 5, False
    with pytest.raises(LoginNeeded, match="was not used in time") as caught:
        room(Manner(device=True))
    assert 5 <= clock.now < 8 and caught.value.hint == "awsenv login test"
    assert not home.token.exists()


def test_a_code_that_aws_calls_too_late_has_run_out(room, fake, clock):
    fake.enforce_interval = False
    fake.fail("CreateToken", status=400, code="ExpiredTokenException")
    with pytest.raises(LoginNeeded, match="not used in time"):
        room(Manner(device=True))


def test_slow_down_is_heeded_for_good(room, fake, clock):
    fake.enforce_interval, fake.approve_after_polls = False, 2
    fake.fail("CreateToken", status=400, code="SlowDownException")
    room(Manner(device=True))
    assert clock.now == pytest.approx(1 + 6 + 6)


def test_a_retry_after_that_is_longer_is_heeded_as_well(room, fake, clock):
    fake.enforce_interval, fake.approve_after_polls = False, 1
    fake.fail("CreateToken", status=429, code="TooManyRequestsException", headers={"Retry-After": "20"})
    room(Manner(device=True))
    assert clock.now == pytest.approx(1 + 20)


def test_a_network_that_blinks_while_a_person_types_is_no_end_and_one_that_is_gone_is(room, fake, clock):
    fake.enforce_interval, fake.approve_after_polls = False, 1
    fake.fail("CreateToken", drop=True, times=4)
    room(Manner(device=True))
    fake.fail("CreateToken", drop=True, times=5)
    with pytest.raises(Unreachable):
        room(Manner(device=True), room.tokens.load("test"))


EVIL = (
    "https://evil.example/device",
    "https://device.sso.ap-northeast-1.amazonaws.com.evil.example/",
    "https://x.execute-api.ap-northeast-1.amazonaws.com/",
    "http://device.sso.ap-northeast-1.amazonaws.com/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "https://device.sso.ap-northeast-1.amazonaws.com/$(touch PWN)",
)


@pytest.mark.parametrize("field", ["verificationUri", "verificationUriComplete"])
@pytest.mark.parametrize("url", EVIL)
def test_a_page_that_is_not_awss_is_neither_opened_nor_shown(room, home, fake, url, field):
    good = "https://device.sso.ap-northeast-1.amazonaws.com/"
    reply = {"deviceCode": "d", "userCode": "ABCD-EFGH", "verificationUri": good, "verificationUriComplete": good}
    reply |= {"expiresIn": 600, "interval": 1, field: url}
    fake.fail("StartDeviceAuthorization", status=200, body=json.dumps(reply).encode(), content_type="application/json")
    with pytest.raises(Unreachable, match="not one of AWS's"):
        room(Manner(device=True))
    assert room.browser.opened == [] and room.asker.said == [] and not home.token.exists()


def test_a_guests_page_in_place_of_aws_changes_nothing(room, home, fake):
    fake.fail("RegisterClient", status=200, html=True, times=9)
    with pytest.raises(Unreachable, match="captive portal"):
        room()
    assert home.tokens() == [] and room.browser.opened == []


@pytest.mark.parametrize("how", ["atomically", "in place"])
@pytest.mark.parametrize("waits", ["in the browser", "for a code"])
def test_a_login_made_elsewhere_ends_the_waiting_at_once(room, home, fake, monkeypatch, waits, how):
    monkeypatch.setattr(login, "LIMIT", 3.0)
    room.browser.follows = False
    theirs = fake.issue_token(START_URL, session="test")

    def aws_sso_login() -> None:
        text = json.dumps(theirs)
        if how == "in place":  # as the AWS CLI writes: emptied first
            with open(home.token, "w") as file:
                file.write(text[:50])
                file.flush()
                time.sleep(0.1)
                file.write(text[50:])
        else:
            (home.cache / "new").write_text(text)
            (home.cache / "new").rename(home.token)
        written.append(time.monotonic())

    written: list[float] = []
    elsewhere = threading.Timer(0.3, aws_sso_login)
    elsewhere.start()
    token = room(Manner(device=waits == "for a code", alone=2))
    assert time.monotonic() - written[0] < 0.5
    assert token.access_token == theirs["accessToken"] and json.loads(home.token.read_text()) == theirs
    assert "somebody else has just logged in" in room.asker.heard


def test_ctrl_c_while_the_login_is_being_saved_comes_too_late_and_is_told_so(room, home):
    keep = AwsTokenCache.clear_trouble

    def press(key: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        keep(room.tokens, key)

    room.tokens.clear_trouble = press
    with pytest.raises(Interrupted, match="is made, and kept"):
        room()
    assert json.loads(home.token.read_text())["accessToken"]
    assert "must be saved" in room.asker.heard


# ---- A start URL of one's own ---------------------------------------------------------------------------------------

VANITY = SsoSession("corp", "https://sso.corp.example/start", "us-east-1")


@pytest.mark.parametrize(
    "target, url, region",
    [
        ("https://d-1.awsapps.com/start/", "https://d-1.awsapps.com/start", "us-east-1"),
        ("https://d-1.awsapps.com/start?x=1#/", "https://d-1.awsapps.com/start", "us-east-1"),
        ("https://ssoins-1.portal.eu-west-1.app.aws", "https://ssoins-1.portal.eu-west-1.app.aws", "eu-west-1"),
        ("https://d-1.us-east-2.portal.amazonaws.com/", "https://d-1.us-east-2.portal.amazonaws.com", "us-east-2"),
    ],
)
def test_a_start_url_of_ones_own_is_asked_once_and_gives_url_and_region(target, url, region):
    asked: list[str] = []
    found = start_url.resolved(VANITY, lambda u: asked.append(u) or target)
    assert (found.start_url, found.region, found.name) == (url, region, "corp")
    assert asked == [VANITY.start_url]


@pytest.mark.parametrize(
    "target",
    [
        None,
        "https://evil.example/start",
        "http://d-1.awsapps.com/start",
        "https://awsapps.com.evil.example/start",
        "https://evil.example/awsapps.com",
        "https://d-1.awsapps.com@evil.example/",
        "https://evil.example\\.awsapps.com/",
        "https://d-1.awsapps.cn/start",
        "https://x.portal.cn-north-1.app.aws.evil.example/",
    ],
)
def test_a_start_url_that_leads_elsewhere_is_refused(target):
    with pytest.raises(Config):
        start_url.resolved(VANITY, lambda url: target)


@pytest.mark.parametrize(
    "url",
    [
        "https://d-1.awsapps.com/start",
        "https://x.portal.eu-west-1.app.aws",
        "https://identitycenter.amazonaws.com/ssoins-1",
    ],
)
def test_awss_own_start_urls_are_not_asked(url):
    def ask(_: str) -> str:
        raise AssertionError("it was asked")

    assert start_url.resolved(replace(VANITY, start_url=url), ask).start_url == url


@pytest.mark.parametrize("url", ["http://d-1.awsapps.com/start", "d-1.awsapps.com/start", "file:///x", "https://"])
def test_a_start_url_that_is_not_https_is_refused_before_anything_is_asked(url):
    with pytest.raises(Config, match="begin with https://"):
        start_url.resolved(replace(VANITY, start_url=url), lambda _: pytest.fail("it was asked"))


def test_the_token_of_a_resolved_start_url_is_kept_as_configured(room, home, fake, monkeypatch):
    found = replace(room.session, start_url=START_URL, region="us-east-2")
    monkeypatch.setattr(login.start_url, "resolved", lambda asked, redirect_of: found)
    room.session = replace(room.session, start_url="https://sso.corp.example/start")
    room()
    kept = json.loads(home.token.read_text())
    assert (kept["startUrl"], kept["region"]) == ("https://sso.corp.example/start", "us-east-2")
    assert "the portal is in us-east-2, and the config says sso_region = " in room.asker.heard


# ---- Nowhere to keep it ---------------------------------------------------------------------------------------------


def test_where_the_login_can_not_be_kept_no_browser_is_opened(house, fake):
    """As an ordinary person: root may write anywhere."""
    folder = Path(tempfile.mkdtemp(prefix="awsenv-read-only-"))
    fake.forget()
    home = Home(house, folder)
    home.browser()
    home.cache.chmod(0o500)
    as_person: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("there is no setpriv to become somebody else with")
        as_person = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 65534, 65534)
    try:
        argv = [*as_person, *home.argv("login", "test")]
        done = subprocess.run(argv, env=home.env, capture_output=True, text=True, start_new_session=True, timeout=60)
        if "ermission denied" in done.stderr and "awsenv:" not in done.stderr:
            pytest.skip("somebody else may not even read our Python here")
        ended(done, 7, f"can't write in {home.cache}")
        assert home.opened == [] and fake.count("RegisterClient") == 0
    finally:
        home.cache.chmod(0o700)
        shutil.rmtree(folder)


def test_on_a_full_disk_no_browser_is_opened(home, fake):
    home.browser()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k,mode=0700", "tmpfs", str(home.cache)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        with open(home.cache / "filler", "wb") as filler, pytest.raises(OSError):
            while True:
                os.write(filler.fileno(), b"x" * 1024)
        ended(home("login", "test"), 7, "No space left")
        assert home.opened == [] and fake.count("RegisterClient") == 0 and home.tokens() == ["filler"]
    finally:
        subprocess.run(["umount", "-l", str(home.cache)], check=True)


def test_the_room_that_a_killed_login_left_is_removed_by_a_later_one(room, home):
    old, new = home.cache / ".awsenv-1-abc.tmp", home.cache / ".awsenv-2-abc.tmp"
    for path in (old, new):
        path.write_text(" " * 100)
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    room()
    assert not old.exists() and new.exists()


# ---- Two, and many --------------------------------------------------------------------------------------------------


def together(home: Home, count: int, *words: str) -> list["subprocess.CompletedProcess[str]"]:
    """So many at once; how they ended."""
    started = [home.start("login", "test", *words) for _ in range(count)]
    ends = []
    for process in started:
        out, err = process.communicate(timeout=240)
        ends.append(subprocess.CompletedProcess((), process.returncode, out, err))
    return ends


def held(home: Home) -> Path:
    """The lock of the session's login."""
    return home.store / "locks" / f"sso-{hashlib.sha256(b'test').hexdigest()}"


def test_of_two_logins_at_once_one_opens_a_browser_and_the_other_says_for_whom_it_waits(home, fake):
    home.browser("wait")
    first = home.start("login", "test")
    until(lambda: home.opened)
    second = home.start("login", "test")
    line = second.stderr.readline()
    assert f'waiting for the login to the sso-session "test" that process {first.pid} has begun' in line, line
    visit(home.opened[0])
    for process in (first, second):
        process.communicate(timeout=20)
        assert process.returncode == 0
    assert len(home.opened) == 1 and fake.count("RegisterClient") == 1


@pytest.mark.parametrize("count", [20, pytest.param(100, marks=pytest.mark.long)])
def test_of_many_logins_at_once_one_opens_a_browser_and_all_have_it(home, fake, count):
    home.browser()
    ends = together(home, count)
    assert [done.returncode for done in ends] == [0] * count, [done.stderr for done in ends if done.returncode]
    assert len(home.opened) == 1 and fake.count("RegisterClient") == 1 and fake.count("CreateToken", 200) == 1


def test_who_waits_for_a_login_that_is_given_up_begins_none_of_his_own(home, fake):
    home.browser("wait")
    first = home.start("login", "test")
    until(lambda: home.opened)
    others = [home.start("login", "test") for _ in range(3)]
    for other in others:
        assert f"process {first.pid} has begun" in other.stderr.readline()
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=20)
    assert first.returncode == 130 and said.splitlines()[-1].endswith("was given up; nothing changed"), said
    for other in others:
        out, said = other.communicate(timeout=20)
        assert (other.returncode, out) == (4, ""), said
        assert f"that process {first.pid} had begun was given up" in said and "hint: awsenv login test" in said
    assert len(home.opened) == 1 and fake.count("RegisterClient") == 1


@pytest.mark.parametrize("how", ["atomically", "in place"])
def test_who_waits_for_another_login_goes_on_when_the_aws_cli_brings_one(home, fake, how):
    home.browser("wait")
    first = home.start("login", "test")
    until(lambda: home.opened)
    second = home.start("login", "test")
    second.stderr.readline()
    text = json.dumps(fake.issue_token(START_URL, session="test"))
    if how == "in place":
        with open(home.token, "w") as file:
            file.write(text[:80])
            file.flush()
            time.sleep(0.2)
            file.write(text[80:])
    else:
        (home.cache / "new").write_text(text)
        (home.cache / "new").rename(home.token)
    began = time.monotonic()
    for process in (second, first):
        process.communicate(timeout=20)
        assert process.returncode == 0
    assert time.monotonic() - began < 1.0  # half a second to notice; the rest is Python's end on a busy machine
    assert json.loads(home.token.read_text()) == json.loads(text) and len(home.opened) == 1


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_login_that_is_ended_leaves_no_listener_no_lock_and_no_token(home, fake, number):
    home.browser("wait")
    process = home.start("login", "test")
    until(lambda: home.opened)
    redirect = parse_qs(urlsplit(home.opened[0]).query)["redirect_uri"][0]
    process.send_signal(number)
    process.communicate(timeout=1)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(redirect, timeout=2)
    assert not home.token.exists()
    home.browser()
    ended(home("login", "test"), 0, "logged in")


# ---- Offered where it is needed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("when_needed", ["ask", "always"])
@pytest.mark.parametrize(
    "words",
    [
        ("whoami", "piyo"),
        ("export", "piyo", "--format", "env"),
        ("exec", "piyo", "--", "true"),
        ("export", "piyo", "--format", "process"),
    ],
)
def test_without_a_terminal_nobody_is_asked_and_nothing_is_opened(home, words, when_needed):
    home.browser(when_needed=when_needed)
    ended(home(*words), 4, 'there is no login for the sso-session "test" yet', "hint: awsenv login test")
    assert home.opened == []


class Answering(Person):
    """Somebody at a terminal."""

    def __init__(self, answer: bool) -> None:
        super().__init__()
        self.answer = answer

    def terminal(self) -> str:
        return "1"

    def is_in_charge(self) -> bool:
        return True

    def confirm(self, question: str, default: bool = False) -> bool:
        self.said.append(question)
        return self.answer


def offered(room: Room, seen: SsoToken | None = None) -> bool:
    error = LoginNeeded("the login is over")
    error.session, error.seen = room.session, seen
    return logged_in(error, {}, room, Settings(), consented=False)


def test_while_somebody_renews_the_login_no_browser_is_opened_unasked(room):
    room.asker = Answering(False)
    taken, free = threading.Event(), threading.Event()

    def renewal() -> None:
        with room.tokens.locked("test", wait=True):
            taken.set()
            free.wait(10)

    worker = threading.Thread(target=renewal)
    worker.start()
    taken.wait(10)
    threading.Timer(0.3, free.set).start()
    assert not offered(room)
    worker.join()
    assert len(room.asker.said) == 1 and room.browser.opened == []


def test_a_login_that_has_come_while_we_looked_needs_no_answer(room, home, fake):
    room.asker = Answering(False)
    home.log_in(fake)
    assert offered(room)
    assert room.asker.said == [] and room.browser.opened == []


def test_a_credential_process_may_log_in_where_its_command_line_says_so(home):
    home.browser(when_needed="never")
    done = home("export", "piyo", "--format", "process", "--allow-login")
    assert done.returncode == 0 and json.loads(done.stdout)["AccountId"] == "333333333333", done.stderr
    assert len(home.opened) == 1


# ---- Logging out ----------------------------------------------------------------------------------------------------


def test_a_logout_removes_all_that_came_from_it_and_nothing_else(home, fake):
    home.configure(OTHER)
    home.browser()
    ended(home("login", "test"), 0)
    other = fake.issue_token(START_URL, session="other")
    (home.cache / f"{hashlib.sha1(b'other').hexdigest()}.json").write_text(json.dumps(other))
    for name in ("piyo-prod", "elsewhere"):
        assert home("export", name, "--format", "json").returncode == 0
    assert home("exec", "AdministratorAccess-123456789012", "--", "true").returncode == 0
    assert len(home.kept()) == 4
    theirs = json.loads(home.token.read_text())
    done = home("logout", "test")
    ended(
        done, 0, 'logged out of the sso-session "test"; 3 role sessions removed with it', "stays valid at AWS for up to"
    )
    assert home.tokens() == [f"{hashlib.sha1(b'other').hexdigest()}.json"]
    assert len(home.kept()) == 1
    assert fake.count("Logout", 200) == 1 and fake._sign_ins.find(theirs["accessToken"]) is None
    assert fake._sign_ins.find(other["accessToken"]) is not None
    ended(home("export", "piyo-prod", "--format", "json"), 4, "awsenv login test")
    assert json.loads(home("export", "elsewhere", "--format", "json").stdout)["AccountId"] == "123456789012"


def test_a_logout_without_network_is_done_here_and_says_what_it_could_not_do(home, fake):
    home.log_in(fake)
    assert home("export", "piyo", "--format", "json").returncode == 0
    done = home("logout", "test", AWS_ENDPOINT_URL_SSO="http://127.0.0.1:9")
    ended(done, 6, "AWS could not be told: can't reach 127.0.0.1", "logged out of")
    assert home.tokens() == [] and home.kept() == []


def test_a_logout_of_an_ended_token_renews_it_first_since_the_session_outlives_it(home, fake):
    home.log_in(fake, expiresAt="2020-01-01T00:00:00Z")
    ended(home("logout", "test"), 0, "logged out")
    assert fake.count("Logout", 200) == 1 and home.tokens() == []


def test_a_logout_of_a_session_that_aws_has_ended_is_a_logout(home, fake):
    fake.revoke(str(home.log_in(fake)["accessToken"]))
    ended(home("logout", "test"), 0, "logged out")
    assert home.tokens() == []


def test_a_logout_where_nobody_is_logged_in_says_so(home, fake):
    ended(home("logout", "test"), 0, 'there was no login to the sso-session "test"')
    ended(home("logout", "--all"), 0, "nobody is logged in")
    ended(home("logout", "nonesuch"), 3, "no sso-session and no profile")
    ended(home("logout", "test", "--all"), 2)
    assert fake.count("Logout") == 0


def test_logout_all_ends_every_login_legacy_ones_too(home, fake):
    home.configure(LEGACY + OTHER)
    home.log_in(fake)
    for key in ("other", START_URL):
        path = home.cache / f"{hashlib.sha1(key.encode()).hexdigest()}.json"
        path.write_text(json.dumps(fake.issue_token(START_URL, session=key)))
    assert home("export", "over-old", "--format", "json").returncode == 0
    ended(home("logout", "--all"), 0, '"test"', '"other"', f"logged out of {START_URL}; 2 role sessions removed")
    assert home.tokens() == [] and home.kept() == [] and fake.count("Logout", 200) == 3


def test_a_logout_during_a_login_says_for_whom_it_waits(home, fake):
    home.browser("wait")
    first = home.start("login", "test")
    until(lambda: home.opened)
    second = home.start("logout", "test")
    assert f"process {first.pid} has begun" in second.stderr.readline()
    visit(home.opened[0])
    for process in (first, second):
        process.communicate(timeout=20)
        assert process.returncode == 0
    assert not home.token.exists()


def test_after_a_logout_elsewhere_no_role_of_it_is_handed_out(home, fake):
    home.log_in(fake)
    shim = {"AWSENV_SHIM": "bash:1"}
    assert home("use", "piyo-prod", **shim).returncode == 0
    assert home("use", "piyo-prod", **shim).stdout
    home.token.unlink()
    fake.forget()
    ended(home("use", "piyo-prod", **shim), 4, "no login")
    assert home.kept() == [] and fake.calls == ()


# ---- What there is --------------------------------------------------------------------------------------------------


def row(home: Home, name: str | None) -> dict[str, Any]:
    done = home("sessions", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return next(each for each in json.loads(done.stdout) if each["session"] == name)


def test_sessions_tells_none_live_renewable_and_ended_apart(home, fake):
    home.configure(LEGACY)
    none = row(home, "test")
    assert (none["state"], none["token_expires_at"], none["renews"], none["login"]) == (
        "none",
        None,
        False,
        "awsenv login test",
    )
    assert (none["profiles"], none["role_sessions"], none["start_url"], none["region"]) == (3, 0, START_URL, REGION)
    assert "not logged in: awsenv login test\n  3 profiles\n" in home("sessions").stdout
    home.log_in(fake)
    assert home("export", "piyo-prod", "--format", "json").returncode == 0
    live = row(home, "test")
    assert (live["state"], live["renews"], live["role_sessions"]) == ("live", True, 3)
    assert 7.9 * 3600 < live["token_expires_at"] - time.time() < 8.1 * 3600
    assert 0 < live["role_sessions_expire_at"] - time.time() < 3700
    text = home("sessions").stdout
    assert "token 7h59m, renewed until AWS ends the session (in 89 days at the latest)\n" in text
    assert "3 profiles, 3 role sessions (59m)\n" in text
    home.log_in(fake, expiresAt="2020-01-01T00:00:00Z")
    assert row(home, "test")["state"] == "renewable"
    assert "days ago; at the next use it is renewed until" in home("sessions").stdout
    home.log_in(fake, expiresAt="2020-01-01T00:00:00Z", refreshToken=None)
    assert (row(home, "test")["state"], row(home, "test")["renews"]) == ("ended", False)
    assert "days ago: awsenv login test" in home("sessions").stdout


def test_sessions_names_a_legacy_login_by_its_profile(home, fake):
    home.configure(LEGACY)
    legacy = row(home, None)
    assert (legacy["state"], legacy["profiles"], legacy["login"]) == ("none", 2, "awsenv login old")
    assert "(legacy)" in home("sessions").stdout


def test_sessions_asks_nobody_and_shows_no_secret(home, fake):
    token = home.log_in(fake)
    fake.forget()
    for words in (("sessions",), ("sessions", "--json")):
        done = home(*words)
        for name in ("accessToken", "refreshToken", "clientSecret", "clientId"):
            assert str(token[name]) not in done.stdout + done.stderr
    assert fake.calls == ()


def test_sessions_names_what_it_can_not_use_with_its_line(home):
    home.configure("\n[sso-session half]\nsso_region = eu-west-1\n")
    done = home("sessions")
    assert done.returncode == 0 and "[sso-session half] has no sso_start_url" in done.stderr
    assert "test" in done.stdout


# ---- Names that were made to hurt -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pid", sorted(PAYLOADS))
def test_no_name_and_no_start_url_reaches_the_terminal_raw(room, fake, capfd, monkeypatch, pid):
    text = PAYLOADS[pid]
    room.asker = Terminal({})
    room.browser = Follower(may_start=False)
    room.session = replace(room.session, name=text)
    # what AWS itself would refuse, it refuses after the name was said
    fake.fail("CreateToken", status=400, code="AccessDeniedException")
    monkeypatch.setattr(login, "time", SimpleNamespace(sleep=lambda seconds: None, monotonic=lambda: 0.0))
    monkeypatch.setattr(login, "_pause", lambda seconds, look: None)
    said = ""
    try:
        room()
    except AwsenvError as error:
        said += "\n".join(error.lines())
    said += capfd.readouterr().err
    questions: list[str] = []
    _says_yes(
        LoginNeeded(f"the login for {room.session.title()} ended"),
        SimpleNamespace(confirm=lambda question, default: questions.append(question)),
    )
    assert "the code there must be" in said
    for shown in (said, *questions):
        assert all(line.isprintable() for line in shown.split("\n")), shown


def test_a_start_url_made_to_hurt_is_refused_and_shown_filtered(home):
    hostile = "https://d-1.awsapps.com/\x1b]0;OWNED\x07\u202e"
    home.configure(f"\n[sso-session bad]\nsso_start_url = {hostile}\nsso_region = {REGION}\n")
    done = home("login", "bad", AWS_ENDPOINT_URL_SSO_OIDC="")
    assert done.returncode in (3, 6) and "\x1b" not in done.stderr and "\u202e" not in done.stderr
    assert "\\x1b]0;OWNED\\x07\\u202e" in done.stderr
    done = home("sessions")
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout and "OWNED" in done.stdout


def test_the_backend_is_the_one_that_is_tested() -> None:
    assert Path(assets.MAIN) == Path(login.__file__).parent / "__main__.py"


# ---- Many on one terminal, and a portal that has moved ----------------------------------------------------------------


class Terse(Answering):
    """Somebody who takes a moment to answer."""

    def confirm(self, question: str, default: bool = False) -> bool:
        time.sleep(0.5)
        return super().confirm(question, default)


@pytest.mark.parametrize("answer", [True, False])
def test_twenty_processes_on_one_terminal_ask_one_question(room, answer):
    room.asker = Terse(answer)
    got: list[bool] = []
    workers = [threading.Thread(target=lambda: got.append(offered(room))) for _ in range(20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert got == [answer] * 20
    assert len([said for said in room.asker.said if said.endswith("Log in now?")]) == 1
    assert len(room.browser.opened) == answer


def test_a_portal_in_another_region_is_written_into_the_config_as_the_aws_cli_does(room, tmp_path):
    world = World.current()
    config = tmp_path / "config"
    config.write_text(
        f"# mine\n[sso-session test]\nsso_start_url = {START_URL}\nsso_region   = us-east-1\n[profile x]\n"
    )
    world = replace(world, config_path=str(config))
    room.asker = Answering(True)
    token = SsoToken("x", 1e12, raw={"region": "eu-west-1"})
    reading = Reading.of(world)
    said = login_verb._moved(world, logins.of_section(world, reading, "test"), token, room)
    assert said == ("wrote sso_region = eu-west-1",)
    assert config.read_text() == (
        f"# mine\n[sso-session test]\nsso_start_url = {START_URL}\nsso_region   = eu-west-1\n[profile x]\n"
    )
    room.asker.is_in_charge = lambda: False
    config.write_text(config.read_text().replace("eu-west-1", "us-east-1"))
    reading = Reading.of(world)
    said = login_verb._moved(world, logins.of_section(world, reading, "test"), token, room)
    assert "the portal is in eu-west-1" in said[0] and f"{config}:4" in said[0]
    assert "us-east-1" in config.read_text()


# ---- Who one is, after one was somebody else ---------------------------------------------------------------------------


def keys_of(done: subprocess.CompletedProcess[str]) -> str:
    return str(json.loads(done.stdout)["AccessKeyId"])


def test_whoever_logs_in_next_gets_nothing_of_whoever_logged_in_before(home, fake):
    home.browser()
    ended(home("login", "test"), 0)
    alice = keys_of(home("export", "piyo", "--format", "json"))
    assert keys_of(home("export", "piyo", "--format", "json")) == alice
    ended(home("login", "test", "--fresh"), 0)
    assert fake.count("RegisterClient", 200) == 1, "one client serves both logins"
    assert keys_of(home("export", "piyo", "--format", "json")) != alice


def test_a_renewal_is_no_new_login_and_keeps_what_came_from_it(home, fake):
    home.browser()
    fake.token_seconds = 30
    ended(home("login", "test"), 0)
    first = keys_of(home("export", "piyo", "--format", "json"))
    fake.token_seconds = 3600
    ended(home("login", "test"), 0, "already logged in")  # within its last minute: renewed
    assert fake.count("CreateToken", 200) > 1
    assert keys_of(home("export", "piyo", "--format", "json")) == first


def test_a_login_that_aws_has_ended_is_said_once_and_login_then_logs_in(home, fake):
    home.browser()
    fake.revoke(str(home.log_in(fake)["accessToken"]))
    ended(home("export", "piyo", "--format", "json"), 4, "was ended before its time", "hint: awsenv login test")
    assert row(home, "test")["state"] == "ended"
    fake.forget()
    ended(home("export", "piyo", "--format", "json"), 4, "was ended before its time")
    assert fake.calls == ()
    ended(home("login", "test"), 0, 'logged in to the sso-session "test"')
    assert home("export", "piyo", "--format", "json").returncode == 0


def test_a_start_url_that_was_changed_makes_the_old_login_no_login(home, fake):
    home.log_in(fake)
    path = home.aws / "config"
    path.write_text(path.read_text().replace(START_URL, "https://d-9876543210.awsapps.com/start"))
    ended(home("export", "piyo", "--format", "json"), 4, "is one for another start URL", "awsenv login test")
    assert fake.calls == ()


def test_a_renewal_by_others_is_not_taken_for_the_login_that_was_asked_for(room, home, fake):
    home.log_in(fake)
    seen = room.tokens.load("test")
    renewed = {**json.loads(home.token.read_text()), **fake.issue_token(START_URL, session="test")}
    home.token.write_text(json.dumps(renewed))  # as an SDK does, which knows no lock of ours
    assert login.newer(room.session, room, seen) is None
    home.token.write_text(json.dumps({**renewed, "awsenvLogin": "another"}))
    assert login.newer(room.session, room, seen) is not None


# ---- A logout that is hindered ------------------------------------------------------------------------------------------


def test_ctrl_c_while_a_logout_waits_has_told_nobody_and_removed_nothing(home, fake):
    home.log_in(fake)
    assert home("export", "piyo", "--format", "json").returncode == 0
    kept = home.kept()
    home.browser("wait")
    first = home.start("login", "test", "--fresh")
    until(lambda: home.opened)
    second = home.start("logout", "test")
    assert "has begun" in second.stderr.readline()
    second.send_signal(signal.SIGINT)
    _, said = second.communicate(timeout=20)
    assert second.returncode == 130 and "stopped before" in said
    assert fake.count("Logout") == 0 and home.kept() == kept and home.token.exists()
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=20)


def test_where_the_token_cannot_be_removed_the_roles_go_all_the_same(home, fake, monkeypatch, room):
    home.log_in(fake)
    store, _ = open_store(str(home.store))
    assert home("export", "piyo", "--format", "json").returncode == 0 and home.kept()
    monkeypatch.setattr(room.tokens, "drop", lambda key: (_ for _ in ()).throw(Storage("can't remove it")))
    failures = logout_verb._removed(room.session, room, store)
    assert [failure.what for failure in failures] == ["can't remove it"] and home.kept() == []


def test_ctrl_c_in_a_logout_that_has_begun_ends_it_first_and_says_so(home, fake):
    home.log_in(fake)
    assert home("export", "piyo", "--format", "json").returncode == 0
    fake.fail("Logout", delay=1.5)
    process = home.start("logout", "test", AWSENV_PROFILE="piyo")
    time.sleep(0.9)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert "is brought to its end" in said and 'stopped after the sso-session "test" was logged out of' in said
    assert "this shell still holds keys of that login: awsenv off" in said
    assert home.tokens() == [] and home.kept() == [] and fake.count("Logout", 200) == 1
