"""AWS Sign-In, as `aws login` uses it: a code for credentials, and a refresh token for the next ones.

Called by HTTP and not by a client of botocore's: that knows the service since 1.41 only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSRequest

from awsenv.aws.client import Clients
from awsenv.aws.exchange import DEADLINE, not_aws, reaching, within
from awsenv.clock import NEGLIGIBLE
from awsenv.endpoints import is_aws_owned
from awsenv.errors import Busy, Config, Denied, TokenRejected
from awsenv.model import Credentials, LoginSession, LoginToken
from awsenv.text import show

_LONGEST = 1 << 20  # bytes of an answer
_NOT_ALLOWED = "INSUFFICIENT_PERMISSIONS"
# What ends a login (botocore's credentials.LoginCredentialFetcher; the last by the newer model). Whatever else a renewal
# meets may be AWS's trouble, or our clock's, and a login that is given up takes a person.
_OVER = ("TOKEN_EXPIRED", "USER_CREDENTIALS_CHANGED", "AUTHCODE_EXPIRED", "invalid_grant")


class SignIn(Clients):
    """AwsApi's calls to AWS Sign-In."""

    def login_base(self, session: LoginSession, region: str) -> str:
        from awsenv.console import PARTITIONS  # it brings the list of services along

        if session.endpoint is not None:
            return session.endpoint.rstrip("/")
        if session.partition not in PARTITIONS:
            raise Config(f"no AWS Sign-In is known for the partition {show(session.partition)}", session.where)
        base = f"https://{region}.{PARTITIONS[session.partition].signin}"
        if not is_aws_owned(base):  # the region stands in a file, and would be part of a host's name
            raise Config(f'"{show(region)}" is no region where one could log in', session.where)
        return base

    def new_login(
        self, session: LoginSession, region: str, *, client_id: str, code: str, verifier: str, redirect_uri: str
    ) -> LoginToken:
        from awsenv.aws.dpop import new_key  # cryptography is as dear as botocore; only a login and its renewals pay

        pem = new_key()
        asked = {
            "clientId": client_id,
            "grantType": "authorization_code",
            "code": code,
            "codeVerifier": verifier,
            "redirectUri": redirect_uri,
        }
        reply = self._posted(session, region, asked, pem, DEADLINE)
        kept = {name: reply[name] for name in ("tokenType", "idToken") if isinstance(reply.get(name), str)}
        token = LoginToken(Credentials("", ""), client_id=client_id, dpop_key=pem, region=region, raw=kept)
        return self._successor(token, reply, session, region)

    def renew_login(self, token: LoginToken, session: LoginSession, seconds: float = DEADLINE) -> LoginToken:
        region = token.region or session.region
        if region is None:
            raise Config(
                f'"{session.profile}" does not say in which region its login was made', session.where, "add: region = …"
            )
        asked = {
            "clientId": token.client_id or "",
            "grantType": "refresh_token",
            "refreshToken": token.refresh_token or "",
        }
        reply = self._posted(session, region, asked, token.dpop_key or "", seconds)
        return self._successor(token, reply, session, region)

    def _successor(self, token: LoginToken, reply: Mapping[str, Any], session: LoginSession, region: str) -> LoginToken:
        """*token* with what AWS answered; raises Unreachable where that is no answer of AWS's."""
        with reaching(urlsplit(self.login_base(session, region)).hostname or ""):
            keys, seconds = reply["accessToken"], reply["expiresIn"]
            values = (keys["accessKeyId"], keys["secretAccessKey"], keys["sessionToken"], reply["refreshToken"])
            if not all(isinstance(value, str) and value for value in values) or not isinstance(seconds, int):
                raise TypeError
            now = self._now()
            credentials = Credentials(
                *values[:3], issued_at=now, expires_at=now + seconds, account_id=token.credentials.account_id
            )
            return replace(token, credentials=credentials, refresh_token=values[3])

    def _posted(
        self, session: LoginSession, region: str, asked: Mapping[str, str], pem: str, seconds: float
    ) -> dict[str, Any]:
        """The answer to a request for a token; raises TokenRejected, Denied or Unreachable."""
        url = f"{self.login_base(session, region)}/v1/token"
        host = urlsplit(url).hostname or url
        off = self._ahead()
        reply, fields = self._answer(url, host, asked, pem, seconds)
        if reply.status_code == 400 and abs(self._ahead() - off) >= NEGLIGIBLE:
            # The proof bears a time. By the answer's own we now know AWS's, and what was refused spent nothing.
            reply, fields = self._answer(url, host, asked, pem, seconds)
        if reply.status_code == 429 or reply.status_code >= 500:
            after = str(reply.headers.get("Retry-After", ""))
            wait = float(after) if after.isascii() and after.isdigit() else None
            what = f"AWS (sign-in) is busy or broken just now: {reply.status_code}"
            raise Busy(what, wait, "try again in a minute", is_throttled=reply.status_code == 429)
        if not isinstance(fields, dict) or not (reply.status_code == 200 or isinstance(fields.get("error"), str)):
            raise not_aws(host)
        if reply.status_code == 200:
            return fields
        reason, message = str(fields["error"]), str(fields.get("message") or fields["error"])
        if reason == _NOT_ALLOWED:
            raise Denied(
                f"AWS lets {session.arn} have no login for programs: {message}",
                hint="an administrator can attach the AWS managed policy SignInLocalDevelopmentAccess",
            )
        if reason in _OVER or (asked["grantType"] == "authorization_code" and reason != "server_error"):
            raise TokenRejected(message)
        hint = f"try again in a minute; if it goes on: {session.login_command()} --fresh"
        raise Busy(f"AWS (sign-in) can't answer just now: {message}", hint=hint, is_throttled=False)

    def _answer(self, url: str, host: str, asked: Mapping[str, str], pem: str, seconds: float) -> tuple[Any, Any]:
        """(AWS's reply to one POST, the JSON in it or None)."""
        from awsenv.aws.dpop import proof

        try:
            header = proof(pem, url, self._now() + self._ahead())
        except ValueError as error:
            raise TokenRejected(f"the login's key can't be used: {error}") from None
        headers = {"Content-Type": "application/json", "Accept": "application/json", "DPoP": header}
        request = AWSRequest(method="POST", url=url, data=json.dumps(asked).encode(), headers=headers).prepare()
        with reaching(host):
            reply = within(partial(self._http(url).send, request), seconds)
            content = reply.content
        try:
            fields = json.loads(content) if len(content) <= _LONGEST else None
        except (ValueError, RecursionError):
            fields = None
        if self._clock is not None and isinstance(fields, dict) and reply.headers.get("Date"):
            self._clock.hear(str(reply.headers["Date"]))  # a guest network's page is no JSON
        return reply, fields

    def _ahead(self) -> float:
        """Seconds by which AWS's clock is known to be ahead of ours."""
        skew = self._clock.skew if self._clock is not None else None
        return skew.seconds if skew is not None else 0.0
