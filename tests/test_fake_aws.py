"""The fake AWS refuses what AWS refuses; judged by botocore and the AWS CLI, whose signatures it has to verify."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import botocore.session
import pexpect
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.parsers import ResponseParserError

from awsenv.demo.behaviour import Behaviour
from awsenv.demo.fake import FakeAws
from awsenv.demo.house import START_URL, environment_for, furnish, token_file

REGION = "ap-northeast-1"
HOGE1 = "arn:aws:iam::111111111111:user/hoge1"
DEVICE = "arn:aws:iam::111111111111:mfa/hoge"
PLAIN = "arn:aws:iam::222222222222:role/Plain"
WITH_MFA = "arn:aws:iam::222222222222:role/WithMfa"
WITH_EXTERNAL_ID = "arn:aws:iam::222222222222:role/WithExternalId"
SHORT = "arn:aws:iam::222222222222:role/Short"
NEXT_HOP = "arn:aws:iam::333333333333:role/path/NextHop"
BY_WEB_IDENTITY = "arn:aws:iam::333333333333:role/GitHubActions"
PORTAL = "https://d-1234567890.awsapps.com/start"
ACCOUNTS = {"123456789012": ("admin", ["Admin", "Viewer"]), "555555555555": ("dev", ["Dev"])}
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


class Aws:
    """botocore clients of the fake, and what they are told."""

    def __init__(self, fake: FakeAws) -> None:
        self.fake = fake
        self.session = botocore.session.Session()

    def client(self, service: str, keys: Any = None) -> Any:
        url = self.fake.sts_url if not service.startswith("sso") else self.fake.identity_center_url
        signing = {} if keys else {"signature_version": UNSIGNED}
        # No validation here: the fake is to judge. No retries: each answer counts.
        config = Config(retries={"total_max_attempts": 1}, read_timeout=5, parameter_validation=False, **signing)
        secret = {"aws_access_key_id": keys[0], "aws_secret_access_key": keys[1]} if keys else {}
        token = {"aws_session_token": keys[2]} if keys and len(keys) > 2 else {}
        return self.session.create_client(service, REGION, endpoint_url=url, config=config, **secret, **token)

    def assume(self, keys: Any, role: str = PLAIN, **more: Any) -> dict[str, Any]:
        return self.client("sts", keys).assume_role(RoleArn=role, RoleSessionName="tester", **more)  # type: ignore[no-any-return]

    def arn(self, keys: Any) -> str:
        return str(self.client("sts", keys).get_caller_identity()["Arn"])

    def register(self, **more: Any) -> dict[str, str]:
        asked = {"clientName": "awsenv", "clientType": "public", "scopes": ["sso:account:access"], "issuerUrl": PORTAL}
        answer = self.client("sso-oidc").register_client(**(asked | more))
        return {"clientId": answer["clientId"], "clientSecret": answer["clientSecret"]}

    def refresh(self, token: dict[str, str], refresh_token: str | None = None) -> dict[str, Any]:
        return self.client("sso-oidc").create_token(  # type: ignore[no-any-return]
            clientId=token["clientId"],
            clientSecret=token["clientSecret"],
            grantType="refresh_token",
            refreshToken=refresh_token or token["refreshToken"],
        )

    def role_credentials(self, token: str, account: str = "123456789012", role: str = "Admin") -> dict[str, Any]:
        sso = self.client("sso")
        answer = sso.get_role_credentials(roleName=role, accountId=account, accessToken=token)
        return answer["roleCredentials"]  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def shared_fake() -> Iterator[FakeAws]:
    with FakeAws() as fake:
        admin = fake.permission_set_role("123456789012", "Admin")
        fake.mfa_device(DEVICE, "123456", user="hoge1")
        fake.role(PLAIN, [HOGE1, admin])
        fake.role(WITH_MFA, [HOGE1], mfa=True)
        fake.role(WITH_EXTERNAL_ID, [HOGE1], external_id="tenant-7")
        fake.role(SHORT, [HOGE1], max_seconds=3600)
        fake.role(NEXT_HOP, [PLAIN])
        fake.role(BY_WEB_IDENTITY, web_identity_tokens=["the.id.token"])
        yield fake


@pytest.fixture
def fake(shared_fake: FakeAws) -> FakeAws:
    """The same fake for every test, as if it were new."""
    shared_fake.forget()
    for knob, value in vars(Behaviour()).items():
        setattr(shared_fake, knob, value)
    shared_fake.portal(PORTAL, REGION, ACCOUNTS)
    return shared_fake


@pytest.fixture
def aws(fake: FakeAws) -> Aws:
    return Aws(fake)


@pytest.fixture(scope="module")
def hoge1(shared_fake: FakeAws) -> tuple[str, str]:
    return shared_fake.user("111111111111", "hoge1")


def refusal(call: Callable[[], Any]) -> tuple[int, str, str]:
    """Status, code and message with which the call is refused."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"]["Message"]


def keys_of(answer: dict[str, Any]) -> tuple[str, str, str]:
    made = answer["Credentials"]
    return made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]


def sso_keys(made: dict[str, Any]) -> tuple[str, str, str]:
    return made["accessKeyId"], made["secretAccessKey"], made["sessionToken"]


def seconds_left(answer: dict[str, Any]) -> float:
    return float(answer["Credentials"]["Expiration"].timestamp() - time.time())


def not_authorized(role: str, who: str = HOGE1) -> tuple[int, str, str]:
    return 403, "AccessDenied", f"User: {who} is not authorized to perform: sts:AssumeRole on resource: {role}"


# STS: who am I


def test_a_users_key_is_that_user_in_that_account(aws: Aws, hoge1: Any) -> None:
    answer = aws.client("sts", hoge1).get_caller_identity()
    assert (answer["Arn"], answer["Account"], answer["UserId"][:4]) == (HOGE1, "111111111111", "AIDA")


def test_an_unknown_key_is_refused(aws: Aws, hoge1: Any) -> None:
    assert refusal(lambda: aws.arn(("AKIAUNKNOWNUNKNOWN00", hoge1[1])))[:2] == (403, "InvalidClientTokenId")


def test_a_wrong_secret_is_refused(aws: Aws, hoge1: Any) -> None:
    assert refusal(lambda: aws.arn((hoge1[0], "x" * 40)))[:2] == (403, "SignatureDoesNotMatch")
    assert refusal(lambda: aws.assume((hoge1[0], "x" * 40)))[:2] == (403, "SignatureDoesNotMatch")


def test_other_services_check_signatures_too(aws: Aws, hoge1: Any) -> None:
    assert refusal(aws.client("sns", hoge1).list_topics)[1] == "AccessDenied"
    assert refusal(aws.client("sns", (hoge1[0], "x" * 40)).list_topics)[1] == "SignatureDoesNotMatch"


def test_a_session_needs_its_own_token(aws: Aws, hoge1: Any) -> None:
    key, secret, token = keys_of(aws.assume(hoge1))
    assert refusal(lambda: aws.arn((key, secret)))[1] == "InvalidClientTokenId"
    assert refusal(lambda: aws.arn((key, secret, token[:-1])))[1] == "InvalidClientTokenId"


def test_a_users_key_with_a_left_over_token_is_refused(aws: Aws, hoge1: Any) -> None:
    assert refusal(lambda: aws.arn((*hoge1, "left-over")))[1] == "InvalidClientTokenId"


def test_an_unsigned_request_is_refused(aws: Aws) -> None:
    assert refusal(lambda: aws.client("sts").get_caller_identity())[:2] == (403, "MissingAuthenticationToken")


def test_an_expired_session_is_refused(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    keys = keys_of(aws.assume(hoge1))
    fake.clock = lambda: time.time() + 3601
    assert refusal(lambda: aws.arn(keys)) == (
        403,
        "ExpiredToken",
        "The security token included in the request is expired",
    )


# STS: AssumeRole


def test_an_assumed_role_works_and_says_so(aws: Aws, hoge1: Any) -> None:
    answer = aws.assume(hoge1)
    assert aws.arn(keys_of(answer)) == "arn:aws:sts::222222222222:assumed-role/Plain/tester"
    assert answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::222222222222:assumed-role/Plain/tester"
    assert 3590 < seconds_left(answer) <= 3600


def test_expirations_are_in_whole_seconds_as_in_aws(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    fake.clock = lambda: 2_000_000_000.75
    assert aws.assume(hoge1)["Credentials"]["Expiration"].timestamp() == 2_000_003_600


def test_a_role_that_does_not_exist_is_refused_like_any_other(aws: Aws, hoge1: Any) -> None:
    missing = "arn:aws:iam::222222222222:role/Missing"
    assert refusal(lambda: aws.assume(hoge1, missing)) == not_authorized(missing)


def test_a_stranger_is_refused(aws: Aws, fake: FakeAws) -> None:
    stranger = fake.user("111111111111", "stranger")
    arn = "arn:aws:iam::111111111111:user/stranger"
    assert refusal(lambda: aws.assume(stranger)) == not_authorized(PLAIN, arn)


def test_a_trust_in_the_account_is_a_trust_in_its_users(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    role = fake.role("arn:aws:iam::222222222222:role/ForTheAccount", ["arn:aws:iam::111111111111:root"])
    assert aws.assume(hoge1, role)["Credentials"]


def test_a_user_whose_policies_do_not_allow_it_is_refused(aws: Aws, fake: FakeAws) -> None:
    powerless = fake.user("111111111111", "powerless", actions=["iam:GetUser"])
    fake.role("arn:aws:iam::222222222222:role/Open", ["*"])
    assert refusal(lambda: aws.assume(powerless, "arn:aws:iam::222222222222:role/Open"))[:2] == (403, "AccessDenied")


def test_a_changed_trust_policy_counts_at_once(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    role = fake.role("arn:aws:iam::222222222222:role/Changing", [HOGE1])
    aws.assume(hoge1, role)
    fake.role(role, [])
    assert refusal(lambda: aws.assume(hoge1, role)) == not_authorized(role)


def test_the_right_external_id_is_needed(aws: Aws, hoge1: Any) -> None:
    assert refusal(lambda: aws.assume(hoge1, WITH_EXTERNAL_ID)) == not_authorized(WITH_EXTERNAL_ID)
    assert refusal(lambda: aws.assume(hoge1, WITH_EXTERNAL_ID, ExternalId="other")) == not_authorized(WITH_EXTERNAL_ID)
    assert aws.assume(hoge1, WITH_EXTERNAL_ID, ExternalId="tenant-7")["Credentials"]


def test_a_malformed_role_arn_is_invalid(aws: Aws, hoge1: Any) -> None:
    bad = "arn:aws:iam::2222:role/Plain"
    assert refusal(lambda: aws.assume(hoge1, bad)) == (400, "ValidationError", f"{bad} is invalid")


@pytest.mark.parametrize("name", ["with space", "x" * 65, "naïve"])
def test_a_bad_session_name_is_invalid(aws: Aws, hoge1: Any, name: str) -> None:
    sts = aws.client("sts", hoge1)
    assert refusal(lambda: sts.assume_role(RoleArn=PLAIN, RoleSessionName=name))[:2] == (400, "ValidationError")


# STS: MFA


def test_a_role_with_mfa_is_refused_without_a_code(aws: Aws, hoge1: Any) -> None:
    assert refusal(lambda: aws.assume(hoge1, WITH_MFA)) == not_authorized(WITH_MFA)


def test_a_role_with_mfa_takes_the_right_code(aws: Aws, hoge1: Any) -> None:
    answer = aws.assume(hoge1, WITH_MFA, SerialNumber=DEVICE, TokenCode="123456")
    assert aws.arn(keys_of(answer)).endswith("assumed-role/WithMfa/tester")


@pytest.mark.parametrize("role", [WITH_MFA, PLAIN])
def test_a_wrong_mfa_code_is_refused_even_where_none_is_needed(aws: Aws, hoge1: Any, role: str) -> None:
    expected = (403, "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.")
    assert refusal(lambda: aws.assume(hoge1, role, SerialNumber=DEVICE, TokenCode="654321")) == expected


def test_somebody_elses_mfa_device_is_refused(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    fake.mfa_device("arn:aws:iam::111111111111:mfa/other", "123456", user="other")
    for serial in ("arn:aws:iam::111111111111:mfa/other", "arn:aws:iam::111111111111:mfa/nowhere"):
        _, code, message = refusal(lambda s=serial: aws.assume(hoge1, WITH_MFA, SerialNumber=s, TokenCode="123456"))  # type: ignore[misc]
        assert (code, "unable to validate MFA code" in message) == ("AccessDenied", True)


def test_half_of_an_mfa_is_refused(aws: Aws, hoge1: Any) -> None:
    assert "must provide both" in refusal(lambda: aws.assume(hoge1, WITH_MFA, SerialNumber=DEVICE))[2]


def test_a_code_that_is_not_six_digits_is_invalid(aws: Aws, hoge1: Any) -> None:
    assert refusal(lambda: aws.assume(hoge1, WITH_MFA, SerialNumber=DEVICE, TokenCode="12345x"))[1] == "ValidationError"


def test_a_single_use_code_works_once(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    serial = "arn:aws:iam::111111111111:mfa/once"
    fake.mfa_device(serial, "111111", single_use=True)
    aws.assume(hoge1, WITH_MFA, SerialNumber=serial, TokenCode="111111")
    again = refusal(lambda: aws.assume(hoge1, WITH_MFA, SerialNumber=serial, TokenCode="111111"))
    assert "invalid MFA one time pass code" in again[2]


# STS: durations


@pytest.mark.parametrize("seconds", [899, 43201])
def test_a_duration_out_of_range_is_invalid(aws: Aws, hoge1: Any, seconds: int) -> None:
    status, code, message = refusal(lambda: aws.assume(hoge1, DurationSeconds=seconds))
    assert (status, code, f"Value '{seconds}' at 'durationSeconds'" in message) == (400, "ValidationError", True)


def test_the_longest_duration_is_granted_to_a_user(aws: Aws, hoge1: Any) -> None:
    assert seconds_left(aws.assume(hoge1, DurationSeconds=43200)) > 43100


def test_a_duration_above_the_roles_maximum_is_invalid(aws: Aws, hoge1: Any) -> None:
    expected = (
        400,
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    assert refusal(lambda: aws.assume(hoge1, SHORT, DurationSeconds=3601)) == expected


def test_a_chained_role_works_for_an_hour_and_no_longer(aws: Aws, hoge1: Any) -> None:
    first = keys_of(aws.assume(hoge1))
    answer = aws.assume(first, NEXT_HOP, DurationSeconds=3600)
    assert aws.arn(keys_of(answer)) == "arn:aws:sts::333333333333:assumed-role/NextHop/tester"
    status, code, message = refusal(lambda: aws.assume(first, NEXT_HOP, DurationSeconds=3601))
    limit = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
    assert (status, code, message) == (400, "ValidationError", limit)


def test_sessions_can_be_made_shorter_than_asked(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    fake.session_seconds = 20
    assert seconds_left(aws.assume(hoge1, DurationSeconds=7200)) <= 20


# STS: GetSessionToken and web identity


def test_a_user_session_is_the_user(aws: Aws, hoge1: Any) -> None:
    answer = aws.client("sts", hoge1).get_session_token()
    assert aws.arn(keys_of(answer)) == HOGE1
    assert seconds_left(answer) > 43100


def test_two_users_get_sessions_of_their_own(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    other = fake.user("555555555555", "other")
    sessions = [keys_of(aws.client("sts", keys).get_session_token()) for keys in (hoge1, other)]
    assert [aws.arn(keys) for keys in sessions] == [HOGE1, "arn:aws:iam::555555555555:user/other"]


def test_an_mfa_session_opens_roles_that_want_mfa(aws: Aws, hoge1: Any) -> None:
    sts = aws.client("sts", hoge1)
    with_mfa = keys_of(sts.get_session_token(SerialNumber=DEVICE, TokenCode="123456"))
    assert aws.assume(with_mfa, WITH_MFA, DurationSeconds=7200)["Credentials"]
    assert refusal(lambda: aws.assume(keys_of(sts.get_session_token()), WITH_MFA)) == not_authorized(WITH_MFA)


def test_user_sessions_count_as_chaining_when_told_so(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    session = keys_of(aws.client("sts", hoge1).get_session_token())
    fake.cap_user_sessions = True
    assert "role chaining" in refusal(lambda: aws.assume(session, DurationSeconds=7200))[2]


def test_a_wrong_code_gets_no_user_session(aws: Aws, hoge1: Any) -> None:
    sts = aws.client("sts", hoge1)
    message = refusal(lambda: sts.get_session_token(SerialNumber=DEVICE, TokenCode="000000"))[2]
    assert message == "MultiFactorAuthentication failed with invalid MFA one time pass code."


def test_a_session_gets_no_user_session(aws: Aws, hoge1: Any) -> None:
    sts = aws.client("sts", keys_of(aws.assume(hoge1)))
    expected = (403, "AccessDenied", "Cannot call GetSessionToken with session credentials")
    assert refusal(sts.get_session_token) == expected


def test_iam_answers_a_user_session_only_with_mfa(aws: Aws, hoge1: Any) -> None:
    sts = aws.client("sts", hoge1)
    without = keys_of(sts.get_session_token())
    with_mfa = keys_of(sts.get_session_token(SerialNumber=DEVICE, TokenCode="123456"))
    assert refusal(aws.client("iam", without).list_account_aliases)[1] == "InvalidClientTokenId"
    assert aws.client("iam", with_mfa).list_account_aliases()["AccountAliases"] == []


def test_web_identity_needs_a_token_that_the_role_trusts(aws: Aws) -> None:
    sts = aws.client("sts")
    asked = {"RoleArn": BY_WEB_IDENTITY, "RoleSessionName": "ci"}
    made = sts.assume_role_with_web_identity(WebIdentityToken="the.id.token", **asked)
    assert aws.arn(keys_of(made)) == "arn:aws:sts::333333333333:assumed-role/GitHubActions/ci"
    wrong = refusal(lambda: sts.assume_role_with_web_identity(WebIdentityToken="another", **asked))
    assert wrong[:2] == (400, "InvalidIdentityToken")
    closed = refusal(
        lambda: sts.assume_role_with_web_identity(WebIdentityToken="the.id.token", **asked | {"RoleArn": PLAIN})
    )
    assert closed == (403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")


def test_iam_knows_the_alias_and_the_key(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    fake.account_alias("111111111111", "demo-people")
    iam = aws.client("iam", hoge1)
    assert iam.list_account_aliases()["AccountAliases"] == ["demo-people"]
    assert hoge1[0] in [key["AccessKeyId"] for key in iam.list_access_keys(UserName="hoge1")["AccessKeyMetadata"]]


def test_what_no_policy_allows_is_denied_by_iam(aws: Aws, hoge1: Any) -> None:
    assert refusal(aws.client("iam", hoge1).list_users)[:2] == (403, "AccessDenied")


# Identity Center: the portal


def test_role_credentials_are_the_permission_sets_role(aws: Aws, fake: FakeAws) -> None:
    made = aws.role_credentials(fake.issue_token(PORTAL)["accessToken"])
    prefix, role, user = aws.arn(sso_keys(made)).split("/")
    assert (prefix, user) == ("arn:aws:sts::123456789012:assumed-role", "demo")
    name, _, suffix = role.rpartition("_")
    assert (name, len(suffix), int(suffix, 16) > 0) == ("AWSReservedSSO_Admin", 16, True)
    assert 3590_000 < made["expiration"] - time.time() * 1000 <= 3600_000


def test_a_role_is_assumed_from_a_permission_set_for_an_hour(aws: Aws, fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL)["accessToken"]
    keys = sso_keys(aws.role_credentials(token))
    assert aws.arn(keys_of(aws.assume(keys))) == "arn:aws:sts::222222222222:assumed-role/Plain/tester"
    assert "role chaining" in refusal(lambda: aws.assume(keys, DurationSeconds=7200))[2]
    viewer = sso_keys(aws.role_credentials(token, role="Viewer"))
    assert refusal(lambda: aws.assume(viewer)) == not_authorized(PLAIN, aws.arn(viewer))


def test_the_lifetime_of_role_credentials_can_be_set(aws: Aws, fake: FakeAws) -> None:
    fake.role_credentials_seconds = 900
    assert aws.role_credentials(fake.issue_token(PORTAL)["accessToken"])["expiration"] <= (time.time() + 900) * 1000


@pytest.mark.parametrize(
    "account, role", [("123456789012", "Admni"), ("999999999999", "Admin"), ("555555555555", "Admin")]
)
def test_what_is_not_assigned_gives_no_access(aws: Aws, fake: FakeAws, account: str, role: str) -> None:
    token = fake.issue_token(PORTAL)["accessToken"]
    assert refusal(lambda: aws.role_credentials(token, account, role)) == (403, "ForbiddenException", "No access")


def test_an_account_id_has_twelve_digits(aws: Aws, fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL)["accessToken"]
    assert refusal(lambda: aws.role_credentials(token, "1234567890"))[:2] == (400, "InvalidRequestException")


def test_an_unknown_expired_or_revoked_token_is_unauthorized(aws: Aws, fake: FakeAws) -> None:
    revoked = fake.issue_token(PORTAL)["accessToken"]
    fake.revoke(revoked)
    for token in ("unknown", fake.issue_token(PORTAL, expires_in=-1)["accessToken"], revoked):
        expected = (401, "UnauthorizedException", "Session token not found or invalid")
        assert refusal(lambda t=token: aws.role_credentials(t)) == expected  # type: ignore[misc]


def test_accounts_and_roles_come_in_pages(aws: Aws, fake: FakeAws) -> None:
    fake.page_size = 1
    sso, token = aws.client("sso"), fake.issue_token(PORTAL)["accessToken"]
    accounts = sso.get_paginator("list_accounts").paginate(accessToken=token).build_full_result()["accountList"]
    assert [(account["accountId"], account["accountName"]) for account in accounts] == [
        ("123456789012", "admin"),
        ("555555555555", "dev"),
    ]
    roles = sso.get_paginator("list_account_roles").paginate(accessToken=token, accountId="123456789012")
    assert [role["roleName"] for role in roles.build_full_result()["roleList"]] == ["Admin", "Viewer"]
    assert (fake.count("ListAccounts"), fake.count("ListAccountRoles")) == (2, 2)


def test_logout_ends_the_token_and_its_refresh_token(aws: Aws, fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL)
    aws.client("sso").logout(accessToken=token["accessToken"])
    assert refusal(lambda: aws.role_credentials(token["accessToken"]))[0] == 401
    assert refusal(lambda: aws.refresh(token))[1] == "InvalidGrantException"


def test_role_credentials_outlive_the_sign_in(aws: Aws, fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL)["accessToken"]
    keys = sso_keys(aws.role_credentials(token))
    fake.revoke(token)
    assert "AWSReservedSSO_Admin_" in aws.arn(keys)


# Identity Center: signing in


def test_a_refresh_token_works_once(aws: Aws, fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL, expires_in=-1)
    fresh = aws.refresh(token)
    assert aws.role_credentials(fresh["accessToken"])
    assert refusal(lambda: aws.refresh(token)) == (400, "InvalidGrantException", "Invalid refresh token provided")
    assert aws.refresh(token, fresh["refreshToken"])["accessToken"]


def test_without_rotation_a_refresh_token_works_again(aws: Aws, fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL)
    fake.refresh_tokens = "keep"
    assert aws.refresh(token)["refreshToken"] == token["refreshToken"]
    assert aws.refresh(token)["accessToken"]


def test_a_refresh_may_answer_without_a_refresh_token(aws: Aws, fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL)
    fake.refresh_tokens = "omit"
    assert "refreshToken" not in aws.refresh(token)


def test_a_spent_refresh_token_is_counted_when_it_comes_back(aws: Aws, fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL)
    aws.refresh(token)
    assert fake.spent_tokens_reused == 0
    assert refusal(lambda: aws.refresh(token))[1] == "InvalidGrantException"
    fake.revoke(token["accessToken"])
    assert refusal(lambda: aws.refresh(token))[1] == "InvalidGrantException"
    assert fake.spent_tokens_reused == 2
    fake.forget()
    assert fake.spent_tokens_reused == 0


def test_an_unknown_refresh_token_is_refused_and_not_counted_as_spent(aws: Aws, fake: FakeAws) -> None:
    assert refusal(lambda: aws.refresh(fake.issue_token(PORTAL), "unknown"))[1] == "InvalidGrantException"
    assert fake.spent_tokens_reused == 0


def test_within_the_grace_a_spent_token_is_answered_with_the_same_successor(aws: Aws, fake: FakeAws) -> None:
    fake.refresh_grace = 0.5
    token = fake.issue_token(PORTAL)
    first, second = aws.refresh(token), aws.refresh(token)
    assert [first[name] for name in ("accessToken", "refreshToken")] == [
        second[name] for name in ("accessToken", "refreshToken")
    ]
    assert fake.spent_tokens_reused == 0
    time.sleep(0.5)
    assert refusal(lambda: aws.refresh(token))[1] == "InvalidGrantException"
    assert fake.spent_tokens_reused == 1


def test_refreshes_with_one_token_at_a_time_are_measured(aws: Aws, fake: FakeAws) -> None:
    token, other = fake.issue_token(PORTAL), fake.issue_token(PORTAL)
    fake.refresh_tokens = "keep"
    aws.refresh(token)
    aws.refresh(token)
    assert fake.most_refreshes_at_once == 1
    fake.fail("CreateToken", delay=0.5, times=4)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(aws.refresh, [token, other, token, token]))
    assert fake.most_refreshes_at_once == 3


def test_a_session_at_the_portal_ends_and_its_refresh_token_with_it(aws: Aws, fake: FakeAws) -> None:
    fake.sign_in_seconds = 3600
    token = fake.issue_token(PORTAL)
    fresh = aws.refresh(token)["refreshToken"]
    fake.clock = lambda: time.time() + 3601
    assert refusal(lambda: aws.refresh(token, fresh))[1] == "ExpiredTokenException"


def test_an_access_token_may_end_before_its_refresh_token(aws: Aws, fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL)
    fake.end_access(token["accessToken"])
    assert refusal(lambda: aws.role_credentials(token["accessToken"]))[:2] == (401, "UnauthorizedException")
    assert aws.role_credentials(aws.refresh(token)["accessToken"])


def test_a_role_taken_away_is_gone_for_who_is_signed_in(aws: Aws, fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL)["accessToken"]
    assert aws.role_credentials(token, role="Viewer")
    fake.portal(PORTAL, REGION, {"123456789012": ("admin", ["Admin"])})
    assert refusal(lambda: aws.role_credentials(token, role="Viewer")) == (403, "ForbiddenException", "No access")
    assert aws.role_credentials(token)


def test_another_client_cannot_refresh(aws: Aws, fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL)
    assert refusal(lambda: aws.refresh(token | aws.register()))[1] == "InvalidGrantException"


def test_a_wrong_client_secret_is_refused(aws: Aws, fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL) | {"clientSecret": "wrong"}
    assert refusal(lambda: aws.refresh(token))[:2] == (401, "InvalidClientException")


def test_an_expired_registration_is_refused(aws: Aws, fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL)
    fake.clock = lambda: time.time() + 91 * 24 * 3600
    assert refusal(lambda: aws.refresh(token))[1] == "InvalidClientException"


def test_the_token_file_has_awss_own_members(fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL, expires_in=60)
    members = "startUrl region accessToken expiresAt clientId clientSecret registrationExpiresAt refreshToken"
    assert set(token) == set(members.split())
    assert token["expiresAt"].endswith("Z") and token["startUrl"] == PORTAL
    assert "refreshToken" not in fake.issue_token(PORTAL, refreshable=False)


def test_a_device_sign_in_waits_for_the_person(aws: Aws, fake: FakeAws) -> None:
    fake.enforce_interval = False
    oidc, client = aws.client("sso-oidc"), aws.register()
    device = oidc.start_device_authorization(startUrl=PORTAL + "/", **client)
    grant = {"grantType": "urn:ietf:params:oauth:grant-type:device_code", "deviceCode": device["deviceCode"], **client}
    assert refusal(lambda: oidc.create_token(**grant))[1] == "AuthorizationPendingException"
    with urllib.request.urlopen(device["verificationUriComplete"]) as page:
        assert page.status == 200
    token = oidc.create_token(**grant)
    assert aws.role_credentials(token["accessToken"]) and token["refreshToken"]
    assert refusal(lambda: oidc.create_token(**grant))[1] == "InvalidGrantException"


def test_errors_carry_the_oauth_word_too(aws: Aws) -> None:
    oidc, client = aws.client("sso-oidc"), aws.register()
    code = oidc.start_device_authorization(startUrl=PORTAL, **client)["deviceCode"]
    with pytest.raises(oidc.exceptions.AuthorizationPendingException) as caught:
        oidc.create_token(grantType="urn:ietf:params:oauth:grant-type:device_code", deviceCode=code, **client)
    assert caught.value.response["error"] == "authorization_pending"


def test_a_denied_device_sign_in_ends(aws: Aws, fake: FakeAws) -> None:
    oidc, client = aws.client("sso-oidc"), aws.register()
    code = oidc.start_device_authorization(startUrl=PORTAL, **client)["deviceCode"]
    fake.deny_logins = True
    grant = {"grantType": "urn:ietf:params:oauth:grant-type:device_code", "deviceCode": code, **client}
    assert refusal(lambda: oidc.create_token(**grant))[1] == "AccessDeniedException"


def test_a_device_code_expires(aws: Aws, fake: FakeAws) -> None:
    oidc, client = aws.client("sso-oidc"), aws.register()
    code = oidc.start_device_authorization(startUrl=PORTAL, **client)["deviceCode"]
    fake.clock = lambda: time.time() + 601
    grant = {"grantType": "urn:ietf:params:oauth:grant-type:device_code", "deviceCode": code, **client}
    assert refusal(lambda: oidc.create_token(**grant))[1] == "ExpiredTokenException"


def test_a_device_sign_in_can_approve_itself(aws: Aws, fake: FakeAws) -> None:
    fake.approve_after_polls, fake.enforce_interval = 2, False
    oidc, client = aws.client("sso-oidc"), aws.register()
    code = oidc.start_device_authorization(startUrl=PORTAL, **client)["deviceCode"]
    grant = {"grantType": "urn:ietf:params:oauth:grant-type:device_code", "deviceCode": code, **client}
    assert refusal(lambda: oidc.create_token(**grant))[1] == "AuthorizationPendingException"
    assert oidc.create_token(**grant)["accessToken"]


def test_a_poll_before_its_time_is_told_to_slow_down(aws: Aws, fake: FakeAws) -> None:
    fake.approve_after_polls = 2
    oidc, client = aws.client("sso-oidc"), aws.register()
    code = oidc.start_device_authorization(startUrl=PORTAL, **client)["deviceCode"]
    grant = {"grantType": DEVICE_CODE, "deviceCode": code, **client}
    assert refusal(lambda: oidc.create_token(**grant))[1] == "AuthorizationPendingException"
    for _ in range(2):  # these don't count as polls
        with pytest.raises(oidc.exceptions.SlowDownException) as caught:
            oidc.create_token(**grant)
        assert caught.value.response["error"] == "slow_down"
    time.sleep(1)
    assert oidc.create_token(**grant)["accessToken"]


def test_the_life_of_a_device_code_can_be_set(aws: Aws, fake: FakeAws) -> None:
    fake.device_code_seconds = 60
    oidc, client = aws.client("sso-oidc"), aws.register()
    device = oidc.start_device_authorization(startUrl=PORTAL, **client)
    assert device["expiresIn"] == 60
    fake.clock = lambda: time.time() + 61
    with pytest.raises(LookupError):
        fake.approve(device["userCode"])
    grant = {"grantType": DEVICE_CODE, "deviceCode": device["deviceCode"], **client}
    assert refusal(lambda: oidc.create_token(**grant))[1] == "ExpiredTokenException"


def test_a_person_can_deny_one_device_sign_in(aws: Aws, fake: FakeAws) -> None:
    oidc, client = aws.client("sso-oidc"), aws.register()
    device = oidc.start_device_authorization(startUrl=PORTAL, **client)
    fake.deny(device["userCode"])
    grant = {"grantType": DEVICE_CODE, "deviceCode": device["deviceCode"], **client}
    assert refusal(lambda: oidc.create_token(**grant))[1] == "AccessDeniedException"


def test_an_unknown_start_url_is_refused(aws: Aws) -> None:
    oidc, client = aws.client("sso-oidc"), aws.register()
    unknown = "https://d-0000000000.awsapps.com/start"
    assert refusal(lambda: oidc.start_device_authorization(startUrl=unknown, **client))[:2] == (
        400,
        "InvalidRequestException",
    )


def test_a_client_without_the_scope_gets_no_refresh_token(aws: Aws, fake: FakeAws) -> None:
    oidc, client = aws.client("sso-oidc"), aws.register(scopes=[])
    device = oidc.start_device_authorization(startUrl=PORTAL, **client)
    fake.approve(device["userCode"])
    grant = {"grantType": "urn:ietf:params:oauth:grant-type:device_code", "deviceCode": device["deviceCode"], **client}
    assert "refreshToken" not in oidc.create_token(**grant)


def test_a_public_client_may_only_redirect_to_loopback(aws: Aws) -> None:
    away = ["https://example.com/oauth/callback"]
    assert refusal(lambda: aws.register(redirectUris=away))[1] == "InvalidRedirectUriException"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class BrowserVisit:
    """What a browser and the listening tool do in an authorization code sign-in with PKCE."""

    def __init__(self, aws: Aws) -> None:
        self.oidc = aws.client("sso-oidc")
        grants = ["authorization_code", "refresh_token"]
        self.client = aws.register(grantTypes=grants, redirectUris=["http://127.0.0.1/oauth/callback"])
        self.verifier, self.back = secrets.token_urlsafe(48), "http://127.0.0.1:54321/oauth/callback"
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        self.asked = {
            "response_type": "code",
            "client_id": self.client["clientId"],
            "redirect_uri": self.back,
            "state": "the state",
            "code_challenge_method": "S256",
            "scopes": "sso:account:access",
            "code_challenge": challenge,
        }
        self.url = aws.fake.identity_center_url

    def open(self, **changed: str) -> tuple[int, str, dict[str, list[str]]]:
        """Status, address without the query, and the query that the browser is sent to."""
        try:
            urllib.request.build_opener(_NoRedirect).open(f"{self.url}/authorize?{urlencode(self.asked | changed)}")
        except urllib.error.HTTPError as answer:
            to = urlsplit(answer.headers.get("Location", ""))
            return answer.code, f"{to.scheme}://{to.netloc}{to.path}", parse_qs(to.query)
        raise AssertionError("the fake did not redirect")

    def token(self, code: str, **changed: str) -> dict[str, Any]:
        asked = {"code": code, "redirectUri": self.back, "codeVerifier": self.verifier} | changed
        return self.oidc.create_token(grantType="authorization_code", **self.client, **asked)  # type: ignore[no-any-return]


def test_a_browser_sign_in_with_pkce_gives_a_token(aws: Aws) -> None:
    visit = BrowserVisit(aws)
    status, address, query = visit.open()
    assert (status, address, query["state"]) == (302, visit.back, ["the state"])
    token = visit.token(query["code"][0])
    assert aws.role_credentials(token["accessToken"]) and token["refreshToken"]
    assert refusal(lambda: visit.token(query["code"][0]))[1] == "InvalidGrantException"


def test_a_wrong_code_verifier_is_refused_and_spends_the_code(aws: Aws) -> None:
    visit = BrowserVisit(aws)
    code = visit.open()[2]["code"][0]
    assert refusal(lambda: visit.token(code, codeVerifier="x" * 43))[1] == "InvalidGrantException"
    assert refusal(lambda: visit.token(code))[1] == "InvalidGrantException"


def test_a_different_redirect_uri_is_refused(aws: Aws) -> None:
    visit = BrowserVisit(aws)
    assert visit.open(redirect_uri="http://127.0.0.1:54321/elsewhere")[0] == 400
    code = visit.open()[2]["code"][0]
    assert (
        refusal(lambda: visit.token(code, redirectUri="http://127.0.0.1:1/oauth/callback"))[1]
        == "InvalidGrantException"
    )


def test_a_plain_code_challenge_is_refused(aws: Aws) -> None:
    assert BrowserVisit(aws).open(code_challenge_method="plain")[0] == 400


def test_a_person_who_says_no_is_sent_back_with_an_error(aws: Aws, fake: FakeAws) -> None:
    fake.deny_logins = True
    assert BrowserVisit(aws).open()[2] == {"error": ["access_denied"], "state": ["the state"]}


# Identity Center: the pages


class Page:
    """A page as a browser without scripts has it: text, and forms that can be sent."""

    def __init__(self, url: str, form: dict[str, str] | None = None) -> None:
        data = urlencode(form).encode() if form is not None else None
        try:
            answer = urllib.request.build_opener(_NoRedirect).open(urllib.request.Request(url, data))
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            self.status, self.headers, self.html = answer.status, answer.headers, answer.read().decode()
        self.url = url
        self.text = unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", self.html, flags=re.DOTALL))
        self.hidden = {
            unescape(name): unescape(value)
            for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', self.html)
        }

    def press(self, button: str) -> Page:
        (value,) = re.findall(rf'name="decision" value="([a-z]+)">{button}<', self.html)
        (action,) = re.findall(r'<form method="post" action="([^"]+)">', self.html)
        return Page(urljoin(self.url, unescape(action)), self.hidden | {"decision": value})

    @property
    def sent_to(self) -> dict[str, list[str]]:
        """The query of the address that the browser is sent to."""
        assert self.status == 302, self.text
        return parse_qs(urlsplit(self.headers["Location"]).query)


def test_a_browser_sign_in_can_ask_the_person_first(aws: Aws, fake: FakeAws) -> None:
    fake.ask_in_browser = True
    visit = BrowserVisit(aws)
    page = Page(f"{visit.url}/authorize?{urlencode(visit.asked)}")
    for told in ("fake AWS on this computer", "awsenv", PORTAL, "sso:account:access", "Allow", "Deny"):
        assert told in page.text
    answer = page.press("Allow").sent_to
    assert answer["state"] == ["the state"]
    assert visit.token(answer["code"][0])["accessToken"]
    assert page.press("Deny").sent_to == {"error": ["access_denied"], "state": ["the state"]}


def test_a_decision_that_is_neither_is_no_decision(aws: Aws, fake: FakeAws) -> None:
    fake.ask_in_browser = True
    visit = BrowserVisit(aws)
    page = Page(f"{visit.url}/authorize", visit.asked)
    assert (page.status, "neither allow nor deny" in page.text) == (400, True)


def test_a_visitor_who_is_not_registered_is_told_so_on_a_page(aws: Aws, fake: FakeAws) -> None:
    fake.ask_in_browser = True
    visit = BrowserVisit(aws)
    away = visit.asked | {"redirect_uri": "https://evil.example/"}
    for page in (Page(f"{visit.url}/authorize?{urlencode(away)}"), Page(f"{visit.url}/authorize", away)):
        assert (page.status, page.headers["Location"]) == (400, None)
        assert page.headers["Content-Type"].startswith("text/html")


def test_a_device_sign_in_can_ask_the_person_first(aws: Aws, fake: FakeAws) -> None:
    fake.ask_in_browser, fake.enforce_interval = True, False
    oidc, client = aws.client("sso-oidc"), aws.register(clientName="my terminal")
    device = oidc.start_device_authorization(startUrl=PORTAL, **client)
    grant = {"grantType": DEVICE_CODE, "deviceCode": device["deviceCode"], **client}
    page = Page(device["verificationUriComplete"])
    assert device["userCode"] in page.text and "my terminal" in page.text
    assert refusal(lambda: oidc.create_token(**grant))[1] == "AuthorizationPendingException"
    assert "Signed in" in page.press("Allow").text
    assert oidc.create_token(**grant)["accessToken"]


def test_a_person_may_deny_a_device_sign_in_on_its_page(aws: Aws, fake: FakeAws) -> None:
    fake.ask_in_browser = True
    oidc, client = aws.client("sso-oidc"), aws.register()
    device = oidc.start_device_authorization(startUrl=PORTAL, **client)
    assert "Denied" in Page(device["verificationUriComplete"]).press("Deny").text
    grant = {"grantType": DEVICE_CODE, "deviceCode": device["deviceCode"], **client}
    assert refusal(lambda: oidc.create_token(**grant))[1] == "AccessDeniedException"


def test_a_code_can_be_typed_in_any_spelling(aws: Aws, fake: FakeAws) -> None:
    fake.ask_in_browser = True
    device = aws.client("sso-oidc").start_device_authorization(startUrl=PORTAL, **aws.register())
    empty = Page(device["verificationUri"])
    assert '<form method="get" action="/device"><input name="user_code"' in empty.html and empty.status == 200
    typed = device["userCode"].lower().replace("-", " ")
    assert device["userCode"] in Page(f"{device['verificationUri']}?{urlencode({'user_code': typed})}").text
    assert Page(f"{device['verificationUri']}?user_code=BBBB-BBBB").status == 404


def test_what_a_client_says_of_itself_is_text_on_the_page(aws: Aws, fake: FakeAws) -> None:
    fake.ask_in_browser = True
    evil = '"><script>alert(1)</script>&amp;'
    client = aws.register(clientName=evil, scopes=[evil])
    device = aws.client("sso-oidc").start_device_authorization(startUrl=PORTAL, **client)
    page = Page(device["verificationUriComplete"])
    # In the title, the heading, and twice in the list.
    assert page.text.count(evil) == 4 and "<script" not in page.html
    unknown = Page(f"{device['verificationUri']}?{urlencode({'user_code': evil})}")
    assert evil in unknown.text and "<script" not in unknown.html
    visit = BrowserVisit(aws)
    page = Page(f"{visit.url}/authorize?{urlencode(visit.asked | {'state': evil})}")
    assert "<script" not in page.html and page.press("Allow").sent_to["state"] == [evil]


def test_the_pages_load_nothing_and_run_nothing(aws: Aws, fake: FakeAws) -> None:
    fake.ask_in_browser = True
    device = aws.client("sso-oidc").start_device_authorization(startUrl=PORTAL, **aws.register())
    page = Page(device["verificationUriComplete"])
    assert not re.search(r"<script|\bsrc=|<link|@import|url\(", page.html)
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["Cache-Control"] == "no-store"


# Identity Center: a busy portal


def test_too_many_portal_requests_are_refused_with_a_time_to_wait(aws: Aws, fake: FakeAws) -> None:
    fake.portal_requests_per_second = 3
    sso, token = aws.client("sso"), fake.issue_token(PORTAL)["accessToken"]
    sso.list_accounts(accessToken=token)
    sso.list_account_roles(accessToken=token, accountId="123456789012")
    aws.role_credentials(token)
    with pytest.raises(sso.exceptions.TooManyRequestsException) as caught:
        sso.list_accounts(accessToken=token)
    answer = caught.value.response["ResponseMetadata"]
    assert (answer["HTTPStatusCode"], answer["HTTPHeaders"]["retry-after"]) == (429, "1")
    assert sso.list_accounts(accessToken=fake.issue_token(PORTAL)["accessToken"])  # another token has its own measure
    time.sleep(1)
    assert sso.list_accounts(accessToken=token)


def test_the_busiest_second_counts_every_portal_request(aws: Aws, fake: FakeAws) -> None:
    sso, token = aws.client("sso"), fake.issue_token(PORTAL)
    for _ in range(5):
        sso.list_accounts(accessToken=token["accessToken"])
    assert refusal(lambda: sso.list_accounts(accessToken="unknown"))[0] == 401
    aws.refresh(token)
    assert fake.busiest_second == 6
    time.sleep(1)
    sso.list_accounts(accessToken=token["accessToken"])
    assert fake.busiest_second == 6


def test_a_portal_with_a_thousand_accounts_is_open_at_once(aws: Aws, fake: FakeAws) -> None:
    began = time.monotonic()
    many = {f"{n:012d}": (f"account {n}", ["Admin", "Developer", "Viewer"]) for n in range(1, 1001)}
    fake.portal(PORTAL, REGION, many)
    token, sso = fake.issue_token(PORTAL)["accessToken"], aws.client("sso")
    pages = sso.get_paginator("list_accounts").paginate(accessToken=token, PaginationConfig={"PageSize": 100})
    assert len(pages.build_full_result()["accountList"]) == 1000
    assert fake.count("ListAccounts") == 10
    assert aws.role_credentials(token, "000000001000", "Viewer")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("size", [0, 101])
def test_a_page_has_one_to_a_hundred_entries(aws: Aws, fake: FakeAws, size: int) -> None:
    token = fake.issue_token(PORTAL)["accessToken"]
    asked = {"accessToken": token, "maxResults": size}
    assert refusal(lambda: aws.client("sso").list_accounts(**asked))[:2] == (400, "InvalidRequestException")


# The console


def sign_in_token(fake: FakeAws, keys: Any, **more: str) -> Page:
    session = dict(zip(("sessionId", "sessionKey", "sessionToken"), keys, strict=False))
    asked = {"Action": "getSigninToken", "Session": json.dumps(session)} | more
    return Page(f"{fake.identity_center_url}/federation?{urlencode(asked)}")


def log_in(fake: FakeAws, token: str, destination: str = "https://console.aws.amazon.com/s3") -> Page:
    asked = {"Action": "login", "SigninToken": token, "Destination": destination, "Issuer": "https://awsenv.example"}
    return Page(f"{fake.identity_center_url}/federation?{urlencode(asked)}")


def token_of(page: Page) -> str:
    assert page.status == 200, page.text
    return str(json.loads(page.html)["SigninToken"])


def test_a_role_signs_in_at_the_console(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    fake.account_alias("222222222222", "demo-staging")
    token = token_of(sign_in_token(fake, keys_of(aws.assume(hoge1))))
    page = log_in(fake, token, "https://console.aws.amazon.com/?q=<b>&region=x")
    for told in ("222222222222 (demo-staging)", "assumed-role/Plain/tester", "?q=<b>&region=x", "awsenv.example"):
        assert told in page.text
    assert page.status == 200 and "<b>" not in page.html
    last = fake.calls[-2:]
    assert [(call.service, call.operation) for call in last] == [
        ("signin", "GetSigninToken"),
        ("signin", "ConsoleLogin"),
    ]
    assert {call.principal for call in last} == {"arn:aws:sts::222222222222:assumed-role/Plain/tester"}
    assert token not in repr(fake.calls)


def test_a_sign_in_token_can_be_asked_for_with_a_post(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    key, secret, token = keys_of(aws.assume(hoge1))
    session = json.dumps({"sessionId": key, "sessionKey": secret, "sessionToken": token})
    page = Page(f"{fake.identity_center_url}/federation", {"Action": "getSigninToken", "Session": session})
    assert log_in(fake, token_of(page)).status == 200


def test_the_console_takes_no_credentials_that_are_not_exactly_right(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    key, secret, token = keys_of(aws.assume(hoge1))
    other = keys_of(aws.assume(hoge1))
    wrong = [(key, "x" * 40, token), (key, secret, other[2]), ("ASIAUNKNOWN", secret, token), (key, secret), hoge1]
    wrong.append((*hoge1, ""))
    for keys in wrong:
        assert sign_in_token(fake, keys).status == 400
    assert sign_in_token(fake, (key, secret, token)).status == 200
    fake.clock = lambda: time.time() + 3601
    assert sign_in_token(fake, (key, secret, token)).status == 400


def test_the_console_takes_no_user_session(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    session = keys_of(aws.client("sts", hoge1).get_session_token())
    assert sign_in_token(fake, session).status == 400


def test_a_sign_in_token_is_good_for_fifteen_minutes(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    token = token_of(sign_in_token(fake, keys_of(aws.assume(hoge1))))
    assert log_in(fake, "unknown").status == 400
    for elsewhere in ("javascript:alert(1)", "http://console.aws.amazon.com/", "/s3", ""):
        assert log_in(fake, token, elsewhere).status == 400
    fake.clock = lambda: time.time() + 890
    assert log_in(fake, token).status == 200
    fake.clock = lambda: time.time() + 901
    assert log_in(fake, token).status == 400


def test_a_console_session_has_a_length_but_not_behind_a_chained_role(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    first = keys_of(aws.assume(hoge1))
    chained = keys_of(aws.assume(first, NEXT_HOP))
    federated = keys_of(aws.client("sts", hoge1).get_federation_token(Name="guest"))
    assert sign_in_token(fake, first, SessionDuration="43200").status == 200
    for seconds in ("899", "43201", "-900", "an hour"):
        assert sign_in_token(fake, first, SessionDuration=seconds).status == 400
    for keys in (chained, federated):
        assert sign_in_token(fake, keys, SessionDuration="900").status == 400
        assert sign_in_token(fake, keys).status == 200


def test_a_federated_user_is_one_and_may_do_nothing_else(aws: Aws, hoge1: Any) -> None:
    made = aws.client("sts", hoge1).get_federation_token(Name="guest", DurationSeconds=900)
    guest = "arn:aws:sts::111111111111:federated-user/guest"
    assert (made["FederatedUser"]["Arn"], made["FederatedUser"]["FederatedUserId"]) == (guest, "111111111111:guest")
    assert aws.arn(keys_of(made)) == guest
    assert 880 < seconds_left(made) <= 900
    assert refusal(lambda: aws.assume(keys_of(made)))[:2] == (403, "AccessDenied")
    assert refusal(aws.client("iam", keys_of(made)).list_account_aliases)[:2] == (403, "AccessDenied")


def test_only_a_users_own_key_gets_a_federated_user(aws: Aws, hoge1: Any) -> None:
    for keys in (keys_of(aws.assume(hoge1)), keys_of(aws.client("sts", hoge1).get_session_token())):
        sts = aws.client("sts", keys)
        assert refusal(lambda sts=sts: sts.get_federation_token(Name="guest"))[:2] == (403, "AccessDenied")  # type: ignore[misc]
    sts = aws.client("sts", hoge1)
    for wrong in ({"Name": "g"}, {"Name": "guest of honour"}, {"Name": "guest", "DurationSeconds": 899}):
        assert refusal(lambda wrong=wrong: sts.get_federation_token(**wrong))[:2] == (400, "ValidationError")  # type: ignore[misc]


# Faults, and the record


def test_a_planted_error_is_used_up(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    fake.fail("AssumeRole", status=503, code="ServiceUnavailable", message="later", times=2)
    for _ in range(2):
        assert refusal(lambda: aws.assume(hoge1)) == (503, "ServiceUnavailable", "later")
    assert aws.assume(hoge1)["Credentials"]
    assert (fake.count("AssumeRole"), fake.count("AssumeRole", status=503)) == (3, 2)


def test_a_planted_error_speaks_the_services_protocol(aws: Aws, fake: FakeAws) -> None:
    token = fake.issue_token(PORTAL)
    fake.fail("CreateToken", status=400, code="SlowDownException", message="slower", headers={"Retry-After": "7"})
    with pytest.raises(ClientError) as caught:
        aws.refresh(token)
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["error"]) == ("SlowDownException", "slow_down")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "7"
    assert aws.refresh(token)["accessToken"]  # the fault did not spend the token


def test_a_captive_portal_answers_with_a_page(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    fake.fail("GetCallerIdentity", html=True)
    fake.fail("GetRoleCredentials", html=True)
    with pytest.raises(ResponseParserError):
        aws.arn(hoge1)
    # In rest-json botocore takes a page for an empty answer: no error, no credentials.
    with pytest.raises(KeyError, match="roleCredentials"):
        aws.role_credentials(fake.issue_token(PORTAL)["accessToken"])
    assert [call.status for call in fake.calls] == [200, 200]


def test_any_bytes_can_be_the_answer(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    fake.fail("GetCallerIdentity", body=b"<GetCallerIdentityResp")
    with pytest.raises(ResponseParserError):
        aws.arn(hoge1)


def test_a_dropped_connection_is_recorded_without_a_status(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    fake.fail("GetCallerIdentity", drop=True)
    with pytest.raises(ConnectionClosedError):
        aws.arn(hoge1)
    assert fake.calls[-1].status == 0


def test_a_delayed_answer_is_the_true_one(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    fake.fail("GetCallerIdentity", delay=0.3)
    began = time.monotonic()
    assert aws.arn(hoge1) == HOGE1
    assert time.monotonic() - began >= 0.3


def raw_reply(url: str, path: str = "/assignment/accounts", timeout: float = 5) -> tuple[bytes, str]:
    """What comes over the wire, and how it ends: "end" or the name of the error."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    received = b""
    with socket.create_connection((host, port), timeout) as wire:
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        try:
            while chunk := wire.recv(4096):
                received += chunk
        except OSError as error:
            return received, type(error).__name__
    return received, "end"


def test_a_redirect_leads_away_from_the_service(fake: FakeAws) -> None:
    fake.fail("ListAccounts", redirect="http://portal.example/login")
    page = Page(f"{fake.identity_center_url}/assignment/accounts")
    assert (page.status, page.headers["Location"]) == (302, "http://portal.example/login")
    assert page.headers["Content-Type"].startswith("text/html")


def test_a_truncated_body_is_shorter_than_it_promises(aws: Aws, fake: FakeAws) -> None:
    fake.fail("ListAccounts", truncated=True)
    head, _, body = raw_reply(fake.identity_center_url)[0].partition(b"\r\n\r\n")
    assert body and f"Content-Length: {2 * len(body)}".encode()[:-1] in head
    fake.fail("CreateToken", truncated=True)
    token = fake.issue_token(PORTAL)
    assert "accessToken" not in aws.refresh(token)  # to botocore an empty answer, as any body that is no JSON
    assert refusal(lambda: aws.refresh(token))[1] == "InvalidGrantException"  # it was done


def test_a_reset_connection_is_not_just_closed(fake: FakeAws) -> None:
    fake.fail("ListAccounts", drop=True)
    fake.fail("ListAccounts", reset=True)
    assert raw_reply(fake.identity_center_url) == (b"", "end")
    assert raw_reply(fake.identity_center_url) == (b"", "ConnectionResetError")
    assert [call.status for call in fake.calls] == [0, 0]


def test_a_dribbling_answer_starts_at_once_and_takes_its_time(fake: FakeAws) -> None:
    fake.fail("ListAccounts", status=500, dribble=0.005)
    began = time.monotonic()
    received, end = raw_reply(fake.identity_center_url, timeout=0.5)  # no single read takes that long
    assert received.startswith(b"HTTP/1.1 500 ") and b"A planted fault." in received and end == "end"
    assert time.monotonic() - began > 0.005 * len(received)


def test_a_true_answer_can_have_a_wrong_content_type(aws: Aws, fake: FakeAws) -> None:
    fake.fail("CreateToken", content_type="text/plain")
    answer = aws.refresh(fake.issue_token(PORTAL))
    assert answer["accessToken"] and answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "text/plain"


@pytest.mark.parametrize("fault", [{"drop": True}, {"reset": True}, {"status": 503}, {"html": True}])
def test_what_was_done_may_be_lost_on_the_way_back(aws: Aws, fake: FakeAws, fault: dict[str, Any]) -> None:
    spent, unspent = fake.issue_token(PORTAL), fake.issue_token(PORTAL)
    for token, committed in ((spent, True), (unspent, False)):
        fake.fail("CreateToken", committed=committed, **fault)
        with pytest.raises((ClientError, ConnectionClosedError, KeyError)):
            _ = aws.refresh(token)["accessToken"]
    assert refusal(lambda: aws.refresh(spent))[1] == "InvalidGrantException"
    assert aws.refresh(unspent)["accessToken"]


def test_one_answer_can_have_a_clock_of_its_own(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    fake.fail("GetCallerIdentity", headers={"Date": "Wed, 18 May 2033 03:33:20 GMT"})
    headers = aws.client("sts", hoge1).get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]
    assert headers["date"] == "Wed, 18 May 2033 03:33:20 GMT"


def test_the_date_header_is_the_fakes_clock(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    fake.clock = lambda: 2_000_000_000.0
    headers = aws.client("sts", hoge1).get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]
    assert headers["date"] == "Wed, 18 May 2033 03:33:20 GMT"


def test_the_record_says_who_did_what_and_holds_no_secret(aws: Aws, fake: FakeAws, hoge1: Any) -> None:
    answer = aws.assume(hoge1, WITH_MFA, SerialNumber=DEVICE, TokenCode="123456")
    token = fake.issue_token(PORTAL)
    made = aws.role_credentials(token["accessToken"])
    first, second = fake.calls
    assert time.monotonic() - 5 < first.at <= second.at <= time.monotonic()
    assert (first.service, first.operation, first.status) == ("sts", "AssumeRole", 200)
    assert (first.access_key_id, first.principal, first.resource) == (hoge1[0], HOGE1, WITH_MFA)
    assert (second.service, second.principal, second.resource) == ("sso", "demo", "123456789012/Admin")
    told = repr(fake.calls)
    for secret in (hoge1[1], *keys_of(answer)[1:], *sso_keys(made)[1:], *token.values(), "123456'"):
        assert secret in (PORTAL, REGION) or secret not in told


# The house, and the world outside


def test_the_furnished_house_lets_the_real_aws_cli_in(tmp_path: Path, fake: FakeAws, aws: Aws) -> None:
    house = furnish(tmp_path / "home", fake)
    environment = environment_for(house, {"PATH": os.environ["PATH"]})
    # `piyo-prod` is the longest chain; the keys are exported as awsenv would, so token and signature must survive.
    answer = aws_cli("sts", "get-caller-identity", environment=environment | {"AWS_PROFILE": "piyo-prod"})
    assert answer["Arn"].startswith("arn:aws:sts::444444444444:assumed-role/ReadOnly/")
    session = botocore_keys(house.environment, "piyo")
    exported = {"AWS_ACCESS_KEY_ID": session[0], "AWS_SECRET_ACCESS_KEY": session[1], "AWS_SESSION_TOKEN": session[2]}
    answer = aws_cli("sts", "get-caller-identity", environment=environment | exported | {"AWS_DEFAULT_REGION": REGION})
    assert answer["Arn"].startswith("arn:aws:sts::333333333333:assumed-role/Deploy/")


def aws_cli(*arguments: str, environment: dict[str, str]) -> Any:
    program = Path(sys.executable).with_name("aws")
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def botocore_keys(environment: Any, profile: str) -> tuple[str, str, str]:
    """Credentials of a profile, resolved by botocore in its own process (it binds HOME when it is imported)."""
    code = (
        "import json, sys, botocore.session as s;"
        f"c = s.Session(profile={profile!r}).get_credentials().get_frozen_credentials();"
        "print(json.dumps([c.access_key, c.secret_key, c.token]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=dict(environment), capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, done.stderr
    keys: tuple[str, str, str] = tuple(json.loads(done.stdout))
    return keys


def test_the_house_is_private_and_complete(tmp_path: Path, fake: FakeAws) -> None:
    house = furnish(tmp_path / "home", fake)
    kept = list(house.home.rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in kept if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in [house.home, *kept] if path.is_dir()} == {0o700}
    assert json.loads(token_file(house.home).read_text())["startUrl"] == START_URL
    assert token_file(house.home).name == hashlib.sha1(b"test").hexdigest() + ".json"


def test_a_house_can_be_furnished_without_a_sign_in(tmp_path: Path, fake: FakeAws) -> None:
    house = furnish(tmp_path / "home", fake, logged_in=False)
    assert list((house.home / ".aws/sso/cache").iterdir()) == []


def test_the_portal_of_the_house_has_more_than_its_profiles(tmp_path: Path, fake: FakeAws, aws: Aws) -> None:
    furnish(tmp_path / "home", fake)
    sso, token = aws.client("sso"), fake.issue_token(START_URL)["accessToken"]
    accounts = sso.list_accounts(accessToken=token)["accountList"]
    assert ("123456789012", "demo-admin") in [(account["accountId"], account["accountName"]) for account in accounts]
    assert len(accounts) > 2


def test_the_house_leads_every_variable_inside_and_drops_what_was_inherited(tmp_path: Path, fake: FakeAws) -> None:
    house = furnish(tmp_path / "home", fake)
    inherited = {
        "AWS_PROFILE": "real",
        "AWS_SESSION_TOKEN": "real",
        "AWSENV_PROFILE": "real",
        "HOME": "/real",
        "LANG": "C",
    }
    environment = environment_for(house, inherited | {"AWS_ENDPOINT_URL_S3": "https://real", "BASH_ENV": "/real"})
    assert "real" not in repr(environment)
    assert environment["LANG"] == "C"
    for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        assert Path(environment[name]).is_relative_to(house.home)
    endpoints = [value for name, value in environment.items() if name.startswith("AWS_ENDPOINT_URL")]
    assert len(endpoints) == 6 and all(url.startswith("http://127.0.0.1:") for url in endpoints)
    assert "secret" not in repr(house).lower()


def test_two_fakes_in_one_process_do_not_disturb_each_other(aws: Aws, hoge1: Any) -> None:
    with FakeAws() as second:
        keys = second.user("111111111111", "hoge1")
        assert Aws(second).arn(keys) == HOGE1
    assert aws.arn(hoge1) == HOGE1
    assert refusal(lambda: aws.arn((hoge1[0], "x" * 40)))[1] == "SignatureDoesNotMatch"


def test_a_stopped_fake_listens_no_more() -> None:
    fake = FakeAws().start()
    url = fake.sts_url
    fake.stop()
    fake.stop()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=2)


# The visit

VISIT = """
import os, sys
from awsenv.demo.visit import visit
init = {
    "bash": "__awsenv_segment='[bash says] '",
    "zsh": "__awsenv_prompt='[zsh says] '",
    "fish": "function __awsenv_segment_text; echo -n '[fish says] '; end",
}
shell, *command = sys.argv[1:]
there = dict(os.environ)
sys.exit(visit(tuple(command) or None, base_env=there, shell_name=shell, init_for=lambda name, _: init[name]))
"""


def visit_environment(tmp_path: Path) -> dict[str, str]:
    """A visitor's environment, with identities that must not get in; the throw-away homes appear in tmp_path."""
    root = Path(__file__).parent.parent
    foreign = {"AWS_PROFILE": "real", "AWSENV_PROFILE": "real", "HISTFILE": str(tmp_path / "real-history")}
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root), "TMPDIR": str(tmp_path), "TERM": "dumb", "HOME": "/"}
    return own | foreign


def test_a_visiting_command_sees_the_fake_and_gives_its_status(tmp_path: Path) -> None:
    script = 'env; test "$AWS_PROFILE$AWSENV_PROFILE" = "" && aws sts get-caller-identity --profile hoge1; exit 7'
    arguments = [sys.executable, "-c", VISIT, "bash", "sh", "-c", script]
    done = subprocess.run(arguments, env=visit_environment(tmp_path), capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (7, "")
    assert f'"Arn": "{HOGE1}"' in done.stdout
    environment = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert environment["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert environment["HOME"].startswith(str(tmp_path / "awsenv-demo-"))
    assert list(tmp_path.iterdir()) == []


def test_what_a_visiting_shell_keeps_is_in_its_own_home(tmp_path: Path) -> None:
    environment = visit_environment(tmp_path) | {"HOME": str(tmp_path / "real"), "XDG_RUNTIME_DIR": str(tmp_path)}
    arguments = [sys.executable, "-m", "awsenv", "demo", "--shell", "bash"]
    script = 'awsenv use hoge1; echo "kept in $__awsenv_store"\n'
    done = subprocess.run(arguments, env=environment, input=script, capture_output=True, text=True, timeout=30)
    assert f"kept in {tmp_path}/awsenv-demo-" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_visit_starts_logged_out(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", VISIT, "bash", "sh", "-c", 'ls -A "$HOME/.aws/sso/cache"']
    done = subprocess.run(arguments, env=visit_environment(tmp_path), capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_person_is_asked_only_where_a_browser_can_be_seen(tmp_path: Path) -> None:
    from awsenv.demo.visit import has_browser

    (tmp_path / "xdg-open").touch(0o755)
    desktop = {"DISPLAY": ":0", "PATH": str(tmp_path)}
    assert has_browser(desktop, "linux")
    assert has_browser({"WAYLAND_DISPLAY": "wayland-0", "PATH": str(tmp_path)}, "linux")
    assert has_browser({}, "darwin")
    assert not has_browser({"PATH": str(tmp_path)}, "linux")
    assert not has_browser({"DISPLAY": ":0", "PATH": "/nowhere"}, "linux")
    assert not has_browser(desktop | {"SSH_CONNECTION": "x"}, "linux")
    assert not has_browser({"SSH_TTY": "/dev/pts/1"}, "darwin")


def test_a_visit_with_an_unknown_command_ends_with_127(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", VISIT, "bash", "no-such-command"]
    done = subprocess.run(arguments, env=visit_environment(tmp_path), capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (127, "awsenv: no-such-command: command not found\n")
    assert list(tmp_path.iterdir()) == []


def test_a_visiting_commands_deadly_signal_becomes_its_status(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", VISIT, "bash", "sh", "-c", "kill -KILL $$"]
    assert subprocess.run(arguments, env=visit_environment(tmp_path), timeout=20).returncode == 128 + signal.SIGKILL


def test_ctrl_c_is_the_visiting_commands_business(tmp_path: Path) -> None:
    arguments = [
        sys.executable,
        "-c",
        VISIT,
        "bash",
        "sh",
        "-c",
        "trap 'exit 9' INT; echo ready; while :; do sleep 0.1; done",
    ]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    visit = subprocess.Popen(arguments, env=visit_environment(tmp_path), start_new_session=True, **pipes)
    assert visit.stdout and visit.stdout.readline() == "ready\n"
    os.killpg(visit.pid, signal.SIGINT)  # as a terminal does: to the command and to the visit alike
    assert visit.communicate(timeout=10) == ("", "")
    assert visit.returncode == 9
    assert list(tmp_path.iterdir()) == []


def test_a_visit_that_is_told_to_end_takes_its_child_and_home_along(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", VISIT, "bash", "sh", "-c", "echo $$; exec sleep 60"]
    visit = subprocess.Popen(arguments, env=visit_environment(tmp_path), stdout=subprocess.PIPE, text=True)
    assert visit.stdout
    child = int(visit.stdout.readline())
    visit.send_signal(signal.SIGTERM)
    assert visit.wait(10) == 128 + signal.SIGTERM
    visit.stdout.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell, prompt", [("bash", "demo[$#] "), ("zsh", "demo[%#] "), ("fish", "demo> ")])
def test_a_visiting_shell_shows_the_tour_and_the_segment(tmp_path: Path, shell: str, prompt: str) -> None:
    if not shutil.which(shell) and not os.environ.get("CI"):
        pytest.skip(f"{shell} is not installed")
    prompt = rf"\[{shell} says\] {prompt}"
    arguments = ["-c", VISIT, shell]
    visit = pexpect.spawn(sys.executable, arguments, env=visit_environment(tmp_path), encoding="utf-8", timeout=15)
    visit.expect(prompt)
    assert "awsenv use piyo-prod" in visit.before and "123456" in visit.before
    first = re.search(r"Try:\s+(awsenv [a-z ]+?)  ", visit.before)
    assert first and first[1] == "awsenv login test"
    visit.sendline("""printf '<%s>' "at=$PWD" "home=$HOME" "profile=$AWS_PROFILE" """)
    visit.expect(r"<at=(/\S+)><home=\1><profile=>")
    visit.expect(prompt)
    visit.sendline("sleep 30")
    visit.expect("sleep 30")
    time.sleep(0.3)
    visit.sendintr()  # Ctrl-C ends the command, not the visit
    visit.expect(prompt)
    visit.sendline("exit 5")
    visit.expect(pexpect.EOF)
    visit.close()
    assert visit.exitstatus == 5
    assert list(tmp_path.iterdir()) == []


def test_closing_the_terminal_ends_the_visit_and_removes_the_home(tmp_path: Path) -> None:
    arguments = ["-c", VISIT, "bash"]
    visit = pexpect.spawn(sys.executable, arguments, env=visit_environment(tmp_path), encoding="utf-8", timeout=15)
    visit.expect("demo[$#] ")
    assert len(list(tmp_path.iterdir())) == 1
    os.close(visit.child_fd)
    deadline = time.monotonic() + 10
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []
