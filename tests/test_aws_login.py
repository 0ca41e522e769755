"""`aws login`: its file used, renewed and written, shared with botocore's own provider both ways, and the login itself."""

import base64
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from awsenv import renewal
from awsenv.aws import Aws
from awsenv.aws.dpop import new_key, proof
from awsenv.errors import Config, Storage
from awsenv.login_tokens import LoginTokenCache, login_path
from awsenv.model import Credentials, LoginSession, LoginToken, rfc3339
from awsenv.store import open_store
from awsenv.world import World
from tests.logins import Home, nobody_logged_in, until
from tests.shells import ROOT
from tests.test_fake_and_botocore import OLDEST, oldest
from tests.test_login import ended
from tests.test_login_shells import Desk, status

__all__ = ["oldest"]  # a fixture of theirs

ARN = "arn:aws:iam::111111111111:user/hoge1"
OTHER = "arn:aws:iam::111111111111:user/somebody"
ROLE = "arn:aws:iam::222222222222:role/FromLogin"
CONFIG = f"""
[profile me]
login_session = {ARN}
region = eu-west-1

[profile me-admin]
role_arn = {ROLE}
source_profile = me
region = eu-west-1
"""


@pytest.fixture
def home(house, fake, tmp_path) -> Iterator[Home]:
    with nobody_logged_in(house, fake, tmp_path) as home:
        home.configure(CONFIG)
        fake.user("111111111111", "hoge1")
        fake.user("111111111111", "somebody")
        fake.role(ROLE, [ARN])
        fake.at_the_browser(ARN)
        yield home
        fake.at_the_browser("")


def file_of(home: Home, arn: str = ARN) -> Path:
    return home.aws / "login/cache" / f"{hashlib.sha256(arn.encode()).hexdigest()}.json"


def kept(home: Home) -> dict[str, Any]:
    return json.loads(file_of(home).read_text())


def keep(home: Home, fields: dict[str, Any]) -> dict[str, Any]:
    """Put *fields* where `aws login` would."""
    path = file_of(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fields))
    path.chmod(0o600)
    return fields


def follow(home: Home, does: str = "follow", when_needed: str = "ask") -> None:
    home.browser(does, when_needed, session=f'"{ARN}"')


def exported(home: Home, *words: str) -> dict[str, str]:
    done = home("export", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def who(home: Home, keys: dict[str, str]) -> str:
    """Who the AWS CLI is with the exported *keys*."""
    env = {**home.env, "AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"]}
    env |= {"AWS_SESSION_TOKEN": keys["SessionToken"], "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    asked = ["aws", "sts", "get-caller-identity", "--query", "Arn", "--output", "text"]
    return subprocess.run(asked, env=env, capture_output=True, text=True, check=True).stdout.strip()


# ---- Its file, used and renewed -------------------------------------------------------------------------------------


def test_credentials_that_live_are_given_without_a_call_and_the_aws_cli_is_that_person(home, fake):
    fields = keep(home, fake.issue_login(ARN))
    keys = exported(home, "me", "--format", "process")
    assert keys["AccessKeyId"] == fields["accessToken"]["accessKeyId"]
    assert fake.count("CreateOAuth2Token") == 0 and kept(home) == fields
    assert who(home, keys) == ARN


def test_a_role_is_assumed_with_them(home, fake):
    keep(home, fake.issue_login(ARN))
    assert who(home, exported(home, "me-admin", "--format", "process")).startswith(
        "arn:aws:sts::222222222222:assumed-role/FromLogin/"
    )


@pytest.mark.parametrize("left", [-3600, 20, 200])
def test_what_is_about_to_end_or_has_ended_is_renewed_and_kept_as_aws_keeps_it(home, fake, left):
    before = keep(home, {**fake.issue_login(ARN, left), "theirs": {"unknown": True}})
    keys = exported(home, "me", "--format", "process")
    after = kept(home)
    assert fake.count("CreateOAuth2Token", 200) == 1
    assert after["accessToken"]["accessKeyId"] == keys["AccessKeyId"] != before["accessToken"]["accessKeyId"]
    assert after["refreshToken"] != before["refreshToken"]
    same = ("dpopKey", "clientId", "idToken", "tokenType", "theirs", "signInRegion")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert after["accessToken"]["accountId"] == "111111111111"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", after["accessToken"]["expiresAt"])
    assert stat.S_IMODE(file_of(home).stat().st_mode) == 0o600
    assert who(home, keys) == ARN


def test_many_processes_spend_a_refresh_token_once(home, fake):
    keep(home, fake.issue_login(ARN, -10))
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: exported(home, "me", "--format", "process")["AccessKeyId"], range(6)))
    assert len(set(found)) == 1
    assert fake.count("CreateOAuth2Token") == 1 and fake.spent_tokens_reused == 0


def test_a_login_that_aws_has_ended_asks_aws_once_and_then_says_what_to_type(home, fake):
    fields = keep(home, fake.issue_login(ARN, -10))
    fake.end_login(ARN, "USER_CREDENTIALS_CHANGED")
    for _ in range(3):
        ended(
            home("export", "me"),
            4,
            "the login for AWS as arn:aws:iam::111111111111:user/hoge1 ended",
            "awsenv login me",
        )
    assert fake.count("CreateOAuth2Token") == 1 and kept(home) == fields, "nothing is deleted, nobody asks again"


@pytest.mark.parametrize("by", [3600, -3600])
def test_a_clock_that_is_off_does_not_keep_a_login_from_being_renewed(home, fake, by):
    before = keep(home, fake.issue_login(ARN, -7200))
    fake.clock = lambda: time.time() + by
    try:
        exported(home, "me", "--format", "process")
    finally:
        fake.clock = time.time
    assert kept(home)["refreshToken"] != before["refreshToken"]
    assert (fake.count("CreateOAuth2Token"), fake.count("CreateOAuth2Token", 200)) == (2, 1)


def test_what_still_lives_is_given_where_it_can_not_be_renewed(home, fake):
    fields = keep(home, fake.issue_login(ARN, 200))
    fake.fail("CreateOAuth2Token", status=503, times=9)
    assert exported(home, "me", "--format", "process")["AccessKeyId"] == fields["accessToken"]["accessKeyId"]
    assert kept(home) == fields
    calls = fake.count("CreateOAuth2Token")
    exported(home, "me", "--format", "process")
    assert fake.count("CreateOAuth2Token") == calls, "the failure is shared: the next try is half a minute away"


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"html": True}, {"drop": True}, {"truncated": True}, {"body": b"[]"}]
)
def test_a_failure_of_the_network_is_one_and_deletes_nothing(home, fake, fault):
    fields = keep(home, fake.issue_login(ARN, -10))
    fake.fail("CreateOAuth2Token", times=4, **fault)
    done = home("export", "me")
    assert done.returncode == 6, done.stderr
    assert kept(home) == fields


def test_without_the_permission_for_it_aws_says_so_and_the_login_is_not_given_up(home, fake):
    fields = keep(home, fake.issue_login(ARN, -10))
    fake.end_login(ARN, "INSUFFICIENT_PERMISSIONS")
    for _ in range(2):
        ended(home("export", "me"), 5, "AWS lets arn:aws:iam::111111111111:user/hoge1 have no login", "SignInLocal")
    assert fake.count("CreateOAuth2Token") == 2 and kept(home) == fields


def test_a_request_that_aws_finds_fault_with_gives_no_login_up(home, fake):
    fields = keep(home, fake.issue_login(ARN, -10))
    body = b'{"error": "INVALID_REQUEST", "message": "that proof is old"}'
    fake.fail("CreateOAuth2Token", times=2, status=400, body=body)
    ended(home("export", "me"), 6, "that proof is old", "awsenv login me --fresh")
    assert kept(home) == fields
    keys = exported(home, "me", "--format", "process")
    assert keys["AccessKeyId"] != fields["accessToken"]["accessKeyId"], "the next try renews it"


def test_where_the_successor_could_not_be_kept_nothing_is_spent(home, fake):
    keep(home, fake.issue_login(ARN, -10))
    folder = file_of(home).parent
    folder.chmod(0o500)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("root writes anywhere")
        done = home("export", "me")
    finally:
        folder.chmod(0o700)
    assert done.returncode == 7 and fake.count("CreateOAuth2Token") == 0


def test_a_full_disk_spends_nothing(tmp_path, monkeypatch):
    cache = files(tmp_path)
    spent = LoginToken(replace(TOKEN.credentials, expires_at=float(int(time.time()) - 9)), *TOKEN_REST)
    with cache.successor(ARN, anew=True) as place:
        place.keep(spent)

    def full(*_: object, **__: object) -> None:
        raise Storage("no room")

    monkeypatch.setattr(cache, "successor", full)
    asked: list[object] = []
    aws = SimpleNamespace(renew_login=lambda *words: asked.append(words))
    ports = SimpleNamespace(logins=cache, aws=aws, asker=SimpleNamespace(say=lambda *_: None), now=time.time)
    with pytest.raises(Storage):
        renewal.live_token(SESSION, ports)
    assert asked == [] and cache.load(ARN) == spent


def test_no_file_and_no_region_say_what_to_do(home, fake):
    ended(
        home("export", "me"),
        4,
        "there is no login for AWS as arn:aws:iam::111111111111:user/hoge1 yet",
        "awsenv login me",
    )
    home.configure(f"\n[profile nowhere]\nlogin_session = {ARN}\n")
    keep(home, fake.issue_login(ARN, -10, region=None))
    ended(home("export", "nowhere"), 3, "in which region its login was made", "region")
    assert fake.count("CreateOAuth2Token") == 0


def test_the_folder_may_be_elsewhere(home, fake, tmp_path):
    fields = fake.issue_login(ARN)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / file_of(home).name).write_text(json.dumps(fields))
    done = home("export", "me", "--format", "process", AWS_LOGIN_CACHE_DIRECTORY="$THERE/there", THERE=str(tmp_path))
    assert json.loads(done.stdout)["AccessKeyId"] == fields["accessToken"]["accessKeyId"]


def test_a_token_that_would_leave_aws_goes_nowhere(home, fake):
    keep(home, fake.issue_login(ARN, -10))
    done = home("export", "me", AWS_ENDPOINT_URL_SIGNIN="https://signin.aws.example")
    assert done.returncode == 3 and "not AWS's" in done.stderr
    keep(home, {**fake.issue_login(ARN, -10), "signInRegion": "evil.example/"})
    env = {name: value for name, value in home.env.items() if name != "AWS_ENDPOINT_URL_SIGNIN"}
    bare = subprocess.run(home.argv("export", "me"), env=env, capture_output=True, text=True, timeout=60)
    assert bare.returncode == 3 and "no region where one could log in" in bare.stderr


# ---- With AWS's own provider ----------------------------------------------------------------------------------------


_THEIRS = """
import json, sys
import botocore.session
keys = botocore.session.Session(profile=sys.argv[1]).get_credentials().get_frozen_credentials()
print(json.dumps([keys.access_key, keys.secret_key, keys.token]))
"""


def theirs(home: Home, profile: str = "me") -> list[str]:
    """The keys that botocore's own provider has, with awscrt."""
    pytest.importorskip("awscrt", reason="botocore's own provider needs awscrt")
    done = subprocess.run(
        [sys.executable, "-c", _THEIRS, profile], env=home.env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_botocore_renews_what_we_have_renewed_and_we_what_it_has(home, fake):
    follow(home)
    ended(home("login", "me"), 0, "logged in to AWS as")
    for turn in range(3):
        fields = kept(home)
        fields["accessToken"]["expiresAt"] = rfc3339(time.time() - 60)
        keep(home, fields)
        key = theirs(home)[0] if turn % 2 == 0 else exported(home, "me", "--format", "process")["AccessKeyId"]
        after = kept(home)
        assert after["accessToken"]["accessKeyId"] == key != fields["accessToken"]["accessKeyId"], turn
        assert after["refreshToken"] != fields["refreshToken"] and after["dpopKey"] == fields["dpopKey"]
    assert fake.spent_tokens_reused == 0


_OLDEST = """
import json, sys
sys.path.insert(0, sys.argv[1])
import botocore
from awsenv.aws import Aws
from awsenv.login_tokens import LoginTokenCache
from awsenv.model import LoginSession
from awsenv.store import NoStore
from awsenv.world import World
world = World.current()
token = LoginTokenCache(world.login_cache_dir, NoStore(), world.clock).load(sys.argv[2])
session = LoginSession(sys.argv[2], "me", endpoint=world.env["AWS_ENDPOINT_URL_SIGNIN"])
print(botocore.__version__, Aws(world).renew_login(token, session, 20.0).credentials.access_key_id)
"""


def test_with_the_oldest_botocore_that_we_allow_which_knows_no_sign_in(home, fake, oldest):
    keep(home, fake.issue_login(ARN, -10))
    asked = [sys.executable, "-c", _OLDEST, oldest, ARN]
    done = subprocess.run(asked, env=home.env, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{OLDEST} A") and fake.count("CreateOAuth2Token", 200) == 1


def test_boto3_uses_and_renews_the_login_that_we_have_made(home, fake):
    follow(home)
    ended(home("login", "me"), 0, "logged in to AWS as")
    assert theirs(home)[0] == kept(home)["accessToken"]["accessKeyId"]
    assert fake.count("CreateOAuth2Token") == 1


# ---- The login ------------------------------------------------------------------------------------------------------


def test_a_login_by_browser_keeps_what_aws_login_keeps_and_nothing_else(home, fake):
    follow(home)
    ended(home("login", "me"), 0, f"logged in to AWS as {ARN}", "renewed until AWS ends it")
    fields = kept(home)
    known = {"accessToken", "tokenType", "clientId", "refreshToken", "idToken", "dpopKey", "signInRegion"}
    assert set(fields) == known and fields["signInRegion"] == "eu-west-1"
    assert fields["clientId"] == "arn:aws:signin:::devtools/same-device"
    assert fields["dpopKey"].startswith("-----BEGIN EC PRIVATE KEY-----\n")
    assert fields["accessToken"]["accountId"] == "111111111111"
    assert stat.S_IMODE(file_of(home).stat().st_mode) == 0o600
    assert stat.S_IMODE(file_of(home).parent.stat().st_mode) == 0o700
    asked = parse_qs(urlsplit(home.opened[0]).query)
    assert asked["code_challenge_method"] == ["SHA-256"] and asked["scope"] == ["openid"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/oauth/callback", asked["redirect_uri"][0])
    assert who(home, exported(home, "me", "--format", "process")) == ARN
    ended(home("login", "me"), 0, "already logged in", "awsenv login me --fresh")
    assert len(home.opened) == 1


def test_fresh_makes_another_login_and_what_the_old_one_gave_is_not_used(home, fake):
    follow(home)
    home("login", "me")
    first = exported(home, "me-admin", "--format", "process")
    ended(home("login", "me", "--fresh"), 0, "logged in to AWS as")
    assert exported(home, "me-admin", "--format", "process") != first and len(home.opened) == 2


def test_a_login_as_somebody_else_is_refused_and_changes_nothing(home, fake):
    follow(home)
    before = keep(home, fake.issue_login(ARN, -10))
    fake.end_login(ARN)
    fake.at_the_browser(OTHER)
    ended(home("login", "me"), 5, f"that login is one as {OTHER}", "nothing was kept")
    assert kept(home) == before and os.listdir(file_of(home).parent) == [file_of(home).name]


def test_a_no_in_the_browser_is_one(home, fake):
    follow(home)
    fake.deny_logins = True
    ended(home("login", "me"), 5, "was denied in the browser")
    assert not file_of(home).exists()


def test_a_role_profile_leads_to_the_login_of_its_source(home, fake):
    follow(home)
    ended(home("login", "me-admin"), 0, f"logged in to AWS as {ARN}")
    assert file_of(home).exists()


def test_two_at_once_open_one_browser(home, fake):
    follow(home, "wait")
    processes = [home.start("login", "me") for _ in range(2)]
    until(lambda: home.opened)
    time.sleep(0.5)
    urllib.request.urlopen(home.opened[0], timeout=20).read()
    assert [process.wait(timeout=30) for process in processes] == [0, 0]
    assert len(home.opened) == 1 and fake.count("CreateOAuth2Token") == 1


def test_sessions_lists_it_and_logout_removes_all_of_it(home, fake):
    follow(home)
    home("login", "me")
    home("export", "me-admin")
    listed = home("sessions")
    assert f"{ARN}   aws login   eu-west-1" in listed.stdout and "2 profiles, 2 sessions" in listed.stdout, (
        listed.stdout
    )
    row = next(row for row in json.loads(home("sessions", "--json").stdout) if row["login_session"])
    assert (row["login_session"], row["state"], row["login"]) == (ARN, "live", "awsenv login me")
    ended(home("logout", "me"), 0, f"logged out of AWS as {ARN}; 2 sessions removed with it")
    assert not file_of(home).exists() and home.kept() == []
    ended(home("export", "me-admin"), 4, "there is no login for AWS as")
    ended(home("logout", "me"), 0, "there was no login to AWS as")


# ---- In real shells -------------------------------------------------------------------------------------------------


@pytest.fixture
def desk(shell_name, home, tmp_path) -> Desk:
    return Desk(shell_name, home, tmp_path)


def test_use_offers_the_login_and_goes_on(desk, fake):
    follow(desk.home)
    with desk.shell.terminal() as terminal:
        terminal.child.sendline("awsenv use me")
        terminal.child.expect(r"there is no login for AWS as \S+ yet\. Log in now\? \[Y/n\] ")
        terminal.child.sendline("")
        terminal.wait()
        arn = terminal.ask("aws sts get-caller-identity --query Arn --output text")
        assert ARN in arn, arn
        assert "111111111111/hoge1" in terminal.segment
        terminal.ask("awsenv logout me")
        assert "AWS_ACCESS_KEY_ID" not in terminal.ask("env | grep ^AWS_ACC")


def test_a_code_from_another_device_is_pasted(desk, fake):
    with desk.shell.terminal() as terminal:
        terminal.child.sendline("awsenv login me --no-browser >out")
        terminal.child.expect(r"in any browser:\s+(http\S+)")
        url = terminal.child.match[1]
        asked = parse_qs(urlsplit(url).query)
        assert asked["client_id"] == ["arn:aws:signin:::devtools/cross-device"]
        page = urllib.request.urlopen(url, timeout=20).read().decode()
        code = re.search(r"<dt>Code</dt><dd>([^<]+)</dd>", page)[1]
        terminal.child.expect("the code from the browser: ")
        terminal.child.sendline(code[:40])
        terminal.child.expect("that is not the code of this login")
        terminal.child.expect("the code from the browser: ")
        terminal.child.sendline(code)
        said = terminal.wait()
        assert f"logged in to AWS as {ARN}" in said, said
    assert kept(desk.home)["clientId"] == "arn:aws:signin:::devtools/cross-device"
    assert (desk.shell.home / "out").read_text() == ""


@pytest.mark.parametrize("by", ["browser", "code"])
def test_ctrl_c_leaves_shell_and_login_as_they_were(desk, fake, by):
    follow(desk.home, "wait")
    before = keep(desk.home, fake.issue_login(ARN, -10))
    fake.end_login(ARN)
    with desk.shell.terminal() as terminal:
        env = terminal.ask("env | sort | grep ^AWS")
        line = "awsenv login me" if by == "browser" else "awsenv login me --device"
        terminal.child.sendline(line)
        terminal.child.expect("Ctrl-C gives" if by == "browser" else "the code from the browser: ")
        until(lambda: by == "code" or desk.home.opened)
        time.sleep(0.3)
        terminal.child.sendintr()
        said = terminal.wait()
        assert "nothing changed" in said and "Traceback" not in said, said
        status(terminal, 130)
        assert terminal.ask("env | sort | grep ^AWS") == env
    assert kept(desk.home) == before and os.listdir(file_of(desk.home).parent) == [file_of(desk.home).name]


# ---- Its parts ------------------------------------------------------------------------------------------------------


SESSION = LoginSession(ARN, "me", "eu-west-1")


def files(folder: Path) -> LoginTokenCache:
    store, _ = open_store(str(folder / "store"))
    return LoginTokenCache(str(folder / "cache"), store, time.time)


TOKEN_REST = ("refresh", "client", "pem", "eu-west-1", {"theirs": 1})
TOKEN = LoginToken(
    Credentials("AKIDEXAMPLE", "secret", "session", expires_at=1_900_000_000.0, account_id="111111111111"), *TOKEN_REST
)


def test_what_is_written_is_read_again(tmp_path):
    cache = files(tmp_path)
    with cache.successor(ARN, anew=True) as place:
        place.keep(TOKEN)
    found = cache.load(ARN)
    assert found == TOKEN and found.raw["theirs"] == 1
    path = Path(login_path(str(tmp_path / "cache"), ARN))
    path.write_text(json.dumps({**json.loads(path.read_text()), "since": 2}))
    with cache.successor(ARN) as place:
        place.keep(found)
    assert json.loads(path.read_text())["since"] == 2, "what somebody else has put there meanwhile"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"accessToken": "x"}', '{"accessToken": {"accessKeyId": 1}}', "\x00", '{"accessToken": {}}'],
)
def test_a_torn_or_foreign_file_is_no_login_and_stays(tmp_path, text):
    cache = files(tmp_path)
    path = Path(login_path(str(tmp_path / "cache"), ARN))
    path.parent.mkdir()
    path.write_text(text)
    assert cache.load(ARN) is None and path.read_text() == text


def test_a_file_that_is_being_written_is_read_when_it_is_whole(tmp_path):
    cache = files(tmp_path)
    with cache.successor(ARN, anew=True) as place:
        place.keep(TOKEN)
    path = Path(login_path(str(tmp_path / "cache"), ARN))
    whole = path.read_text()
    path.write_text(whole[:50])
    threading.Timer(0.1, lambda: path.write_text(whole)).start()
    assert cache.load(ARN) == TOKEN


def test_the_fake_refuses_a_proof_that_proves_nothing(home, fake):
    """Without this, what the other tests here say of DPoP would say little."""
    fields = fake.issue_login(ARN)
    url = f"{fake.identity_center_url}/v1/token"
    body = {"clientId": fields["clientId"], "grantType": "refresh_token", "refreshToken": fields["refreshToken"]}

    def answer(header: str) -> tuple[int, str]:
        request = urllib.request.Request(url, json.dumps(body).encode(), {"DPoP": header, "Content-Type": "x/json"})
        try:
            return urllib.request.urlopen(request, timeout=20).status, ""
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())["message"]

    good = proof(fields["dpopKey"], url, time.time())
    head, claims, signature = good.split(".")
    flipped = f"{head}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    assert answer("") == answer(flipped) == (400, "The DPoP proof is not valid")
    assert "not for this request" in answer(proof(fields["dpopKey"], url + "x", time.time()))[1]
    assert "not for this request" in answer(proof(fields["dpopKey"], url, time.time() - 3600))[1]
    assert "bound to another key" in answer(proof(new_key(), url, time.time()))[1]
    assert answer(good)[0] == 200
    assert "used before" in answer(good)[1]
    assert "not valid any more" in answer(proof(fields["dpopKey"], url, time.time()))[1], "and the token is spent"


@pytest.mark.parametrize(
    "pem", ["", "no key", "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", "é"]
)
def test_a_key_that_is_none_is_told(pem):
    with pytest.raises(ValueError):
        proof(pem, "https://x/v1/token", 0.0)


def test_aws_sign_in_is_called_where_botocores_rules_say():
    import botocore.session

    session = botocore.session.Session()
    api = Aws(World({}, "/", "", "", None, "tester"))
    for partition in ("aws", "aws-cn", "aws-us-gov", "aws-eusc"):
        login = LoginSession(f"arn:{partition}:iam::111111111111:user/me", "me")
        for region in session.get_available_regions("sts", partition_name=partition):
            if region.endswith("-global"):
                continue
            client = session.create_client("signin", region_name=region)
            endpoint = client._resolve_endpoint_ruleset(
                client.meta.service_model.operation_model("CreateOAuth2Token"), {}, {"client_region": region, "client_config": client.meta.config, "has_streaming_input": False, "auth_type": "none"}
            )[0]  # fmt: skip
            assert api.login_base(login, region) == endpoint, region
    for region in ("evil.example/", "eu-west-1.evil.example", "", "a@b"):
        with pytest.raises(Config):
            api.login_base(SESSION, region)


def test_a_pasted_code_of_another_login_is_none():
    from awsenv.sign_in import _pasted

    shown = base64.b64encode(b"state=mine&code=a+b%2Fc").decode()
    assert _pasted(f"  {shown[:9]}\n {shown[9:]} ", "mine") == "a b/c"
    assert _pasted(shown, "theirs") is None
    for text in (
        "",
        "x",
        "é",
        base64.b64encode(b"code=only").decode(),
        base64.b64encode(b"state=mine&code=a&code=b").decode(),
    ):
        assert _pasted(text, "mine") is None


def test_a_mere_renewal_is_no_other_login(tmp_path):
    cache = files(tmp_path)
    renewed = replace(TOKEN, credentials=replace(TOKEN.credentials, session_token="next"), refresh_token="next")
    assert not cache.is_login_of_ours(renewed, TOKEN) and cache.login_id(renewed) == cache.login_id(TOKEN)
    assert cache.is_login_of_ours(replace(renewed, dpop_key="another"), TOKEN)


def test_after_another_tool_has_logged_in_anew_the_old_answer_is_not_given_again(home, fake):
    keep(home, fake.issue_login(ARN))
    shim = {"AWSENV_SHIM": "bash:1"}
    first = home("use", "me", **shim)
    assert first.returncode == 0, first.stderr
    after = keep(home, fake.issue_login(ARN))
    again = home("use", "me", **shim)
    assert after["accessToken"]["accessKeyId"] in again.stdout and again.stdout != first.stdout
