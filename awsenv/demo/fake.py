"""A fake AWS on 127.0.0.1: STS, IAM and IAM Identity Center with real signatures, in threads of this process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from . import trust
from .aws_login import AwsLogins
from .behaviour import Behaviour
from .identities import AUDIENCE, JOB, Issuer, RunnerTokens
from .identity_center import IdentityCenter
from .ledger import Call, Fault, Ledger
from .meters import Meters
from .mfa import Device, MfaDevices
from .moto_accounts import ACTIONS, MotoAccounts
from .sign_ins import Portal, SignIns
from .sts_front import StsFront
from .trust import TrustedRole
from .web import LoopbackServer


class FakeAws(Behaviour):
    """Use as a context manager. The attributes that it has from Behaviour may be changed while it runs."""

    JOB = JOB
    """The subject of the token that its runner gives to a job."""

    def __init__(self) -> None:
        super().__init__()
        self._ledger, self._meters = Ledger(), Meters()
        self._accounts: MotoAccounts | None = None
        self._servers: list[LoopbackServer] = []
        self._roles: dict[str, TrustedRole] = {}
        self._devices = MfaDevices()
        self._issuer = Issuer(self)
        self._sign_ins = SignIns(self, self._meters)
        self._aws_logins = AwsLogins(self, self._meters)

    def start(self) -> Self:
        self._accounts = MotoAccounts()
        sts = StsFront(self._ledger, self, self._accounts, self._roles, self._devices, self._issuer)
        identity_center = IdentityCenter(
            self._ledger, self, self._accounts, self._sign_ins, self._meters, self._aws_logins
        )
        runner = RunnerTokens(self._ledger, self, self._issuer)
        self._servers = [LoopbackServer(sts), LoopbackServer(identity_center), LoopbackServer(runner)]
        return self

    def stop(self) -> None:
        """May be called twice."""
        for server in self._servers:
            server.stop()
        self._servers = []
        if self._accounts:
            self._accounts.close()
        self._accounts = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _running(self) -> MotoAccounts:
        if self._accounts is None:
            raise RuntimeError("the fake AWS is not running; call start() first")
        return self._accounts

    @property
    def sts_url(self) -> str:
        return self._servers[0].url

    @property
    def identity_center_url(self) -> str:
        return self._servers[1].url

    def environment(self) -> dict[str, str]:
        """Variables that send every AWS client to the fake, and none of them beyond loopback."""
        sts, identity_center = self.sts_url, self.identity_center_url
        return {
            "AWS_ENDPOINT_URL": sts,
            "AWS_ENDPOINT_URL_STS": sts,
            "AWS_ENDPOINT_URL_IAM": sts,
            "AWS_ENDPOINT_URL_SSO": identity_center,
            "AWS_ENDPOINT_URL_SSO_OIDC": identity_center,
            "AWS_ENDPOINT_URL_SIGNIN": identity_center,
            "AWS_EC2_METADATA_DISABLED": "true",
            # What GitHub's runner sets in a job with `id-token: write`.
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self._servers[2].url}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self._issuer.bearer,
            # botocore would hand even loopback to a proxy.
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def user(self, account: str, name: str, actions: Iterable[str] = ACTIONS) -> tuple[str, str]:
        """An IAM user's new access key, as (id, secret)."""
        return self._running().add_user(account, name, tuple(actions))

    def role(
        self,
        arn: str,
        trusts: Iterable[str] = (),
        *,
        external_id: str | None = None,
        mfa: bool = False,
        max_seconds: int = 12 * 3600,
        web_identity_tokens: Iterable[str] = (),
        web_identities: Iterable[str] = (),
    ) -> str:
        """A role and its trust policy; a second call with the same ARN replaces the policy. Returns the ARN.

        `trusts` holds ARNs of users, roles (see permission_set_role) or sessions, account ids, or "*"; `web_identities`
        the subjects of web_identity_token's that may assume it.
        """
        tokens, subjects = frozenset(web_identity_tokens), frozenset(web_identities)
        self._running().add_role(arn, max_seconds)
        self._roles[arn] = TrustedRole(arn, frozenset(trusts), external_id, mfa, max_seconds, tokens, subjects)
        return arn

    def web_identity_token(self, subject: str, audience: str = AUDIENCE, seconds: float = 3600) -> str:
        """A token as a cluster's or a CI's identity provider writes it into a file."""
        return self._issuer.issue(subject, audience, seconds)

    def permission_set_role(self, account: str, permission_set: str) -> str:
        """The ARN of the role behind a permission set, as a trust policy names it."""
        return trust.permission_set_role(account, permission_set)

    def mfa_device(self, serial: str, code: str, *, user: str | None = None, single_use: bool = False) -> None:
        """A device of that user (None: of any user) of the account in its ARN, showing that code."""
        self._devices.add(serial, Device(serial.split(":")[4], code, user, single_use))

    def account_alias(self, account: str, alias: str) -> None:
        self._running().name_account(account, alias)

    def portal(
        self, start_url: str, region: str, accounts: Mapping[str, tuple[str, Iterable[str]]], user: str = "demo"
    ) -> None:
        """`accounts`: account id → (account name, permission sets that the user has there).

        Called again with the same start URL, it changes what everyone has who is signed in already.
        """
        assigned = {account: (name, tuple(sets)) for account, (name, sets) in accounts.items()}
        self._sign_ins.open_portal(Portal(start_url, region, user, assigned))

    def issue_token(
        self, start_url: str, expires_in: float = 8 * 3600, refreshable: bool = True, session: str = "test"
    ) -> dict[str, str]:
        """Signs in without a browser: the content of AWS's own token file in ~/.aws/sso/cache."""
        return self._sign_ins.issue(start_url, expires_in, refreshable, session)

    def at_the_browser(self, arn: str) -> None:
        """Who is signed in to the console in the person's browser: what `aws login` then is. "" for nobody."""
        self._aws_logins.person = arn

    def issue_login(self, arn: str, expires_in: float = 900, region: str | None = "us-east-1") -> dict[str, Any]:
        """Logs in without a browser: the content of AWS's own token file in ~/.aws/login/cache."""
        return self._aws_logins.issue(arn, expires_in, region, self._running())

    def end_login(self, arn: str, reason: str = "TOKEN_EXPIRED") -> None:
        """Every login of that identity is over, and AWS says so with *reason*."""
        self._aws_logins.end(arn, reason)

    def revoke(self, access_token: str) -> None:
        """Ends the sign-in behind the token; its refresh token is worth nothing then, either."""
        self._sign_ins.end(access_token)

    def end_access(self, access_token: str) -> None:
        """The access token is worth nothing any more, whatever its file says; its refresh token still is."""
        self._sign_ins.end_access(access_token)

    def approve(self, user_code: str) -> None:
        """What opening the page of a device sign-in does."""
        if not self._sign_ins.decide(user_code, "approved"):
            raise LookupError(f"no device sign-in has the code {user_code}")

    def deny(self, user_code: str) -> None:
        """The person at the page of a device sign-in says no."""
        if not self._sign_ins.decide(user_code, "denied"):
            raise LookupError(f"no device sign-in has the code {user_code}")

    @property
    def spent_tokens_reused(self) -> int:
        """How often a refresh token was refused because it had been used before (after its grace, if any)."""
        return self._meters.spent_tokens_reused

    @property
    def most_refreshes_at_once(self) -> int:
        """How many refreshes with one and the same token were under way together, at most."""
        return self._meters.most_refreshes_at_once

    @property
    def busiest_second(self) -> int:
        """The most requests for accounts, roles and role credentials in any second, refused ones included."""
        return self._meters.busiest_second

    @property
    def calls(self) -> tuple[Call, ...]:
        return self._ledger.calls

    def count(self, operation: str, status: int | None = None) -> int:
        """How often the operation was called; with `status`, how often it was answered so."""
        return sum(call.operation == operation and status in (None, call.status) for call in self.calls)

    def forget(self) -> None:
        """Forgets the calls, what was measured, and the faults that were not used up."""
        self._ledger.clear()
        self._meters.clear()

    def fail(
        self,
        operation: str,
        *,
        status: int | None = None,
        code: str = "InternalFailure",
        message: str = "A planted fault.",
        times: int = 1,
        delay: float = 0.0,
        html: bool = False,
        body: bytes | None = None,
        drop: bool = False,
        headers: Mapping[str, str] | None = None,
        redirect: str | None = None,
        content_type: str | None = None,
        truncated: bool = False,
        reset: bool = False,
        dribble: float = 0.0,
        committed: bool = False,
    ) -> None:
        """The next `times` calls of the operation go wrong.

        Another answer: an error with `status` and `code`, a page (`html`), a page elsewhere (`redirect`), any bytes
        (`body`). No answer: a closed connection (`drop`), or one that is torn down (`reset`).
        Otherwise the true answer, and these go with any answer: late (`delay`, seconds), byte by byte with so many
        seconds between (`dribble`), cut in the middle (`truncated`), with another `content_type` or other `headers`.
        `committed`: the operation is done all the same, a refresh token spent, say; only the caller doesn't learn it.
        """
        headers = dict(headers or {})
        fault = Fault(
            operation, status, code, message, delay, html, body, drop, headers,
            redirect, content_type, truncated, reset, dribble, committed,
        )  # fmt: skip
        self._ledger.plant(fault, times)
