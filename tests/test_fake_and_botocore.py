"""The fake Identity Center, judged by clients that we did not write: the oldest botocore we support, and the newest."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from awsenv.demo.behaviour import Behaviour
from awsenv.demo.fake import FakeAws
from awsenv.demo.house import REGION, START_URL, House, furnish, token_file, write

ROOT = Path(__file__).parent.parent
OLDEST = "1.40.0"  # boto3 1.40.0 wants botocore 1.40.0 or later
PROFILE = "AdministratorAccess-123456789012"
ROLE = {"roleName": "AdministratorAccess", "accountId": "123456789012"}

# Runs under either botocore, in a process of its own: botocore fixes its folders by HOME when it is imported.
# It prints what each line of its input, an expression, comes to, or which error it raises.
CLIENT = """
import json, sys
import botocore, botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

session = botocore.session.Session(profile=sys.argv[1] or None)
config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
oidc, sso = (session.create_client(name, region_name="ap-northeast-1", config=config) for name in ("sso-oidc", "sso"))

def keys():
    made = session.get_credentials().get_frozen_credentials()
    return [made.access_key, made.secret_key, made.token]

for expression in sys.stdin.read().splitlines():
    try:
        told = eval(expression)
    except ClientError as error:
        told = {"own": type(error).__name__, "code": error.response["Error"]["Code"], "word": error.response.get("error"),
                "status": error.response["ResponseMetadata"]["HTTPStatusCode"]}
    except BotoCoreError as error:
        told = {"own": type(error).__name__}
    print(json.dumps(told, default=str))
print(json.dumps(botocore.__version__))
"""


@dataclass(frozen=True)
class Botocore:
    """A botocore on disk, and the home and fake that it is a client of."""

    version: str
    path: str
    house: House

    def ask(self, *expressions: str, profile: str = "") -> list[Any]:
        environment = dict(self.house.environment) | {"PATH": os.environ["PATH"], "PYTHONPATH": self.path}
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, profile],
            env=environment,
            input="\n".join(expressions),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        *told, version = map(json.loads, done.stdout.splitlines())
        assert version == self.version
        return told

    @property
    def token(self) -> dict[str, str]:
        """The content of AWS's own token file."""
        return dict(json.loads(token_file(self.house.home).read_text()))

    def keep(self, token: dict[str, str]) -> None:
        write(token_file(self.house.home), json.dumps(token))

    def register(self) -> dict[str, str]:
        asked = {"clientName": "a client", "clientType": "public", "scopes": ["sso:account:access"]}
        (answer,) = self.ask(f"oidc.register_client(**{asked!r})")
        return {"clientId": answer["clientId"], "clientSecret": answer["clientSecret"]}

    def device(self) -> tuple[dict[str, Any], str]:
        """A started device sign-in, and the expression that polls for it."""
        client = self.register()
        (device,) = self.ask(f"oidc.start_device_authorization(startUrl={START_URL!r}, **{client!r})")
        grant = {"grantType": "urn:ietf:params:oauth:grant-type:device_code", "deviceCode": device["deviceCode"]}
        return device, f"oidc.create_token(**{client | grant!r})"


@pytest.fixture(scope="module")
def oldest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the oldest botocore lies; tests/run prepares it, and says so in AWSENV_TEST_OLDEST_BOTOCORE."""
    prepared = os.environ.get("AWSENV_TEST_OLDEST_BOTOCORE", "")
    if prepared and (Path(prepared) / f"botocore-{OLDEST}.dist-info").exists():
        return prepared
    folder = tmp_path_factory.mktemp("oldest")
    install = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-warn-conflicts"]
    done = subprocess.run(
        [*install, "--target", str(folder), f"botocore=={OLDEST}"], capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        missing = f"botocore {OLDEST} can't be installed"
        if os.environ.get("CI"):
            pytest.fail(f"{missing}, and under CI the oldest one is tested: {done.stderr}")
        pytest.skip(missing)
    return str(folder)


@pytest.fixture(scope="module")
def shared_fake() -> Iterator[FakeAws]:
    with FakeAws() as fake:
        yield fake


@pytest.fixture
def fake(shared_fake: FakeAws) -> FakeAws:
    """The same fake for every test, as if it were new."""
    shared_fake.forget()
    for knob, value in vars(Behaviour()).items():
        setattr(shared_fake, knob, value)
    return shared_fake


@pytest.fixture(params=["oldest", "newest"])
def botocore(request: pytest.FixtureRequest, fake: FakeAws, tmp_path: Path) -> Botocore:
    house = furnish(tmp_path / "home", fake)
    if request.param == "oldest":
        return Botocore(OLDEST, request.getfixturevalue("oldest"), house)
    import botocore as installed

    return Botocore(installed.__version__, "", house)


def expired(token: dict[str, str], seconds: float = -60) -> dict[str, str]:
    return token | {"expiresAt": f"{datetime.fromtimestamp(time.time() + seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"}


def test_the_oldest_botocore_here_is_the_oldest_that_we_allow() -> None:
    """What is declared is what is tested."""
    allowed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (boto3,) = [wanted for wanted in allowed if wanted.startswith("boto3")]
    minor = re.fullmatch(r"boto3>=(\d+\.\d+)(?:\.0)?", boto3)
    assert minor and f"{minor[1]}.0" == OLDEST
    assert f"botocore=={OLDEST}" in (ROOT / "tests/run").read_text()


def test_a_profile_of_the_house_gets_credentials(botocore: Botocore, fake: FakeAws) -> None:
    who = 'session.create_client("sts", region_name="us-east-1").get_caller_identity()["Arn"]'
    (arn,) = botocore.ask(who, profile=PROFILE)
    assert "123456789012:assumed-role/AWSReservedSSO_AdministratorAccess_" in arn
    assert fake.count("GetRoleCredentials", 200) == 1 and fake.count("CreateToken") == 0


def test_a_chain_behind_a_sign_in_gets_credentials(botocore: Botocore) -> None:
    who = 'session.create_client("sts", region_name="us-east-1").get_caller_identity()["Arn"]'
    (arn,) = botocore.ask(who, profile="piyo-prod")
    assert arn.startswith("arn:aws:sts::444444444444:assumed-role/ReadOnly/")


def test_an_expired_token_is_renewed_and_its_file_rewritten(botocore: Botocore, fake: FakeAws) -> None:
    before = expired(botocore.token)
    fake.end_access(before["accessToken"])
    botocore.keep(before)
    ((key, _, _),) = botocore.ask("keys()", profile=PROFILE)
    after = botocore.token
    assert key.startswith("ASIA")
    for member in ("accessToken", "refreshToken", "expiresAt"):
        assert after[member] != before[member]
    for member in ("clientId", "clientSecret", "registrationExpiresAt", "startUrl", "region"):
        assert after[member] == before[member]
    assert datetime.fromisoformat(after["expiresAt"]).timestamp() > time.time() + 7 * 3600
    assert (fake.count("CreateToken", 200), fake.spent_tokens_reused) == (1, 0)
    botocore.ask("keys()", profile=PROFILE)  # the file that botocore wrote holds a token that the fake knows
    assert fake.count("CreateToken") == 1


def test_a_spent_refresh_token_renews_nothing(botocore: Botocore, fake: FakeAws) -> None:
    spent = expired(botocore.token)
    refresh = {name: spent[name] for name in ("clientId", "clientSecret", "refreshToken")}
    call = f"oidc.create_token(grantType='refresh_token', **{refresh!r})"
    first, again = botocore.ask(call, call)
    assert first["refreshToken"] != spent["refreshToken"]
    assert (again["own"], again["word"], again["status"]) == ("InvalidGrantException", "invalid_grant", 400)
    botocore.keep(spent)
    (told,) = botocore.ask("keys()", profile=PROFILE)
    assert told["own"] in ("UnauthorizedSSOTokenError", "TokenRetrievalError")
    assert botocore.token == spent
    assert fake.spent_tokens_reused >= 2 and fake.count("CreateToken", 200) == 1


def test_a_dead_session_is_refused_with_the_modelled_error(botocore: Botocore, fake: FakeAws) -> None:
    token = botocore.token["accessToken"]
    fake.revoke(token)
    for call in ("list_accounts(", f"get_role_credentials(**{ROLE!r}, "):
        (told,) = botocore.ask(f"sso.{call}accessToken={token!r})")
        assert (told["own"], told["status"]) == ("UnauthorizedException", 401)
    (told,) = botocore.ask("keys()", profile=PROFILE)
    assert told["own"] == "UnauthorizedSSOTokenError"


def test_a_device_sign_in_pends_slows_down_and_ends(botocore: Botocore, fake: FakeAws) -> None:
    device, poll = botocore.device()
    pending, slow, patient, late = botocore.ask(
        poll, poll, f"[__import__('time').sleep({device['interval']}), {poll}]", "1"
    )
    assert (pending["own"], pending["word"]) == ("AuthorizationPendingException", "authorization_pending")
    assert (slow["own"], slow["word"]) == ("SlowDownException", "slow_down")
    assert patient["own"] == "AuthorizationPendingException"
    assert late == 1
    fake.enforce_interval = False
    fake.approve(device["userCode"])
    token, again = botocore.ask(poll, poll)
    assert token["tokenType"] == "Bearer" and token["expiresIn"] > 0 and token["refreshToken"]
    assert again["own"] == "InvalidGrantException"
    (listed,) = botocore.ask(f"sso.list_accounts(accessToken={token['accessToken']!r})")
    assert listed["accountList"]


def test_a_denied_device_sign_in_is_a_modelled_error(botocore: Botocore, fake: FakeAws) -> None:
    device, poll = botocore.device()
    fake.deny(device["userCode"])
    (told,) = botocore.ask(poll)
    assert (told["own"], told["word"], told["status"]) == ("AccessDeniedException", "access_denied", 400)


def test_an_expired_device_code_is_a_modelled_error(botocore: Botocore, fake: FakeAws) -> None:
    fake.device_code_seconds = 0
    _, poll = botocore.device()
    (told,) = botocore.ask(poll)
    assert (told["own"], told["word"], told["status"]) == ("ExpiredTokenException", "expired_token", 400)


def test_a_wrong_client_is_a_modelled_error(botocore: Botocore) -> None:
    client = {"clientId": "unknown", "clientSecret": "unknown"}
    (told,) = botocore.ask(f"oidc.start_device_authorization(startUrl={START_URL!r}, **{client!r})")
    assert (told["own"], told["status"]) == ("InvalidClientException", 401)


def test_accounts_and_roles_come_through_the_paginators(botocore: Botocore, fake: FakeAws) -> None:
    many = {f"{n:012d}": (f"account {n}", [f"role-{m}" for m in range(n)]) for n in range(1, 131)}
    fake.portal(START_URL, REGION, many)
    token = botocore.token["accessToken"]
    paginate = "sso.get_paginator({!r}).paginate(accessToken={!r}, **{!r}).build_full_result()"
    accounts, big, roles = botocore.ask(
        paginate.format("list_accounts", token, {}),
        paginate.format("list_accounts", token, {"PaginationConfig": {"PageSize": 100}}),
        paginate.format("list_account_roles", token, {"accountId": "000000000041"}),
    )
    assert [account["accountId"] for account in accounts["accountList"]] == list(many)
    assert big == accounts
    assert [role["roleName"] for role in roles["roleList"]] == [f"role-{m}" for m in range(41)]
    assert (fake.count("ListAccounts"), fake.count("ListAccountRoles")) == (7 + 2, 3)


def test_a_busy_portal_is_a_modelled_error(botocore: Botocore, fake: FakeAws) -> None:
    fake.portal_requests_per_second = 1
    call = f"sso.list_accounts(accessToken={botocore.token['accessToken']!r})"
    first, second = botocore.ask(call, call)
    assert "accountList" in first
    assert (second["own"], second["status"]) == ("TooManyRequestsException", 429)


def test_a_role_that_is_not_assigned_is_refused_as_aws_does_it(botocore: Botocore) -> None:
    role = ROLE | {"roleName": "Nobody", "accessToken": botocore.token["accessToken"]}
    (told,) = botocore.ask(f"sso.get_role_credentials(**{role!r})")
    assert (told["own"], told["code"], told["status"]) == ("ClientError", "ForbiddenException", 403)  # not in the model


def test_a_logout_ends_the_session_for_good(botocore: Botocore, fake: FakeAws) -> None:
    token = botocore.token
    gone, after = botocore.ask(*[f"sso.logout(accessToken={token['accessToken']!r})"] * 2)
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert after["own"] == "UnauthorizedException"
    botocore.keep(expired(token))
    (told,) = botocore.ask("keys()", profile=PROFILE)
    assert told["own"] in ("UnauthorizedSSOTokenError", "TokenRetrievalError")
    assert fake.count("GetRoleCredentials") == 0
