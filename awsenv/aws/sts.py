"""STS: one identity's credentials for another's, and who an identity is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from awsenv.aws.client import Clients
from awsenv.aws.exchange import translated, within
from awsenv.errors import AwsenvError, TokenRejected
from awsenv.model import AccessKey, Credentials, SessionPolicy

# The effective rights are what this and the user's own policies both allow; without a policy there would be none.
# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
_WHAT_THE_USER_MAY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


class Sts(Clients):
    """AwsApi's calls to STS; and to IAM, for the one name that STS doesn't say."""

    def assume_role(
        self,
        credentials: Credentials,
        *,
        role_arn: str,
        session_name: str,
        seconds: int | None,
        external_id: str | None,
        mfa_serial: str | None,
        mfa_code: str | None,
        source_identity: str | None,
        tags: Sequence[tuple[str, str]],
        policy: SessionPolicy,
        region: str | None,
        endpoint: str | None,
    ) -> Credentials:
        wanted = {
            "RoleArn": role_arn,
            "RoleSessionName": session_name,
            "DurationSeconds": seconds,
            "ExternalId": external_id,
            "SerialNumber": mfa_serial,
            "TokenCode": mfa_code,
            "SourceIdentity": source_identity,
            "Tags": [{"Key": key, "Value": value} for key, value in tags] or None,
            **_narrowed(policy),
        }
        client = self._client("sts", region or self._home_region(role_arn), endpoint, credentials)
        issued = self._now()
        with translated("sts", client):
            reply = within(lambda: client.assume_role(**_given(wanted)))
            return self._of_sts(reply, issued, reply["AssumedRoleUser"]["Arn"].split(":")[4] or None)

    def assume_role_with_web_identity(
        self,
        token: str,
        *,
        role_arn: str,
        session_name: str,
        seconds: int | None,
        policy: SessionPolicy,
        region: str | None,
        endpoint: str | None,
    ) -> Credentials:
        wanted = {
            "RoleArn": role_arn,
            "RoleSessionName": session_name,
            "WebIdentityToken": token,
            "DurationSeconds": seconds,
            **_narrowed(policy),
        }
        client = self._client("sts", region or self._home_region(role_arn), endpoint)
        issued = self._now()
        too_old = client.exceptions.ExpiredTokenException
        try:
            with translated("sts", client, let_pass=(too_old,)):
                reply = within(lambda: client.assume_role_with_web_identity(**_given(wanted)))
                return self._of_sts(reply, issued, reply["AssumedRoleUser"]["Arn"].split(":")[4] or None)
        except too_old:
            raise TokenRejected("the web identity token has expired") from None

    def session_token(
        self,
        credentials: Credentials,
        *,
        serial: str,
        code: str,
        seconds: int,
        region: str | None,
        endpoint: str | None,
    ) -> Credentials:
        home = self._home_region(serial) if serial.startswith("arn:") else "us-east-1"
        client = self._client("sts", region or home, endpoint, credentials)
        issued = self._now()
        with translated("sts", client):
            reply = within(
                lambda: client.get_session_token(SerialNumber=serial, TokenCode=code, DurationSeconds=seconds)
            )
            return self._of_sts(reply, issued, credentials.account_id)

    def federation_token(
        self, credentials: Credentials, *, name: str, region: str | None, endpoint: str | None
    ) -> Credentials:
        client = self._client("sts", region or "us-east-1", endpoint, credentials)
        issued = self._now()
        with translated("sts", client):
            reply = within(lambda: client.get_federation_token(Name=name, Policy=_WHAT_THE_USER_MAY))
            return self._of_sts(reply, issued, reply["FederatedUser"]["Arn"].split(":")[4] or None)

    def caller(self, credentials: Credentials, *, region: str | None, endpoint: str | None) -> tuple[str, str, str]:
        client = self._client("sts", region or "us-east-1", endpoint, credentials)
        with translated("sts", client):
            reply = within(client.get_caller_identity)
            return reply["Account"], reply["Arn"], reply["UserId"]

    def access_keys(self, credentials: Credentials, *, region: str | None) -> list[AccessKey]:
        client = self._client("iam", region or "us-east-1", None, credentials, own_endpoints=True)
        with translated("iam", client):
            listed = within(client.list_access_keys)["AccessKeyMetadata"]
            found = [(key["AccessKeyId"], key["Status"] == "Active", key["CreateDate"].timestamp()) for key in listed]
        return [AccessKey(*key, used_at=self._last_used(client, key[0])) for key in found]

    def _last_used(self, client: Any, key_id: str) -> float | None:
        try:
            with translated("iam", client):
                used = within(lambda: client.get_access_key_last_used(AccessKeyId=key_id))["AccessKeyLastUsed"]
                return float(used["LastUsedDate"].timestamp()) if "LastUsedDate" in used else None
        except AwsenvError:
            return None

    def account_alias(self, credentials: Credentials, *, region: str | None) -> str | None:
        client = self._client("iam", region or "us-east-1", None, credentials, own_endpoints=True)
        try:
            with translated("iam", client):
                aliases: list[str] = within(client.list_account_aliases)["AccountAliases"]
                return aliases[0] if aliases else None
        except AwsenvError:
            return None  # most roles may not ask; the account id says it as well

    def _of_sts(self, reply: Any, issued: float, account_id: str | None) -> Credentials:
        """The session in an answer of STS's."""
        keys = reply["Credentials"]
        return Credentials(
            keys["AccessKeyId"],
            keys["SecretAccessKey"],
            keys["SessionToken"],
            issued_at=issued,
            expires_at=self._local(keys["Expiration"].timestamp()),
            account_id=account_id,
        )


def _given(asked: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if value is not None}


def _narrowed(policy: SessionPolicy) -> dict[str, Any]:
    return {"Policy": policy.text, "PolicyArns": [{"arn": arn} for arn in policy.arns] or None}
