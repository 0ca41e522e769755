"""The accounts, users, roles and sessions that moto keeps for the fake; the only file that knows moto's inside.

moto's models are used directly rather than over HTTP: with its signature checks on, its own API would need an
administrator's key for every step, and working sessions of a user (GetSessionToken) can't be had through it at all.
"""

from __future__ import annotations

import hmac
import json
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

from moto.iam.access_control import IAMPolicy, IAMRequest, PermissionResult
from moto.iam.models import get_account_id_from, iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sts.models import AssumedRole, sts_backends
from werkzeug.exceptions import HTTPException
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from .refusal import Refusal
from .trust import ROLE_ARN, Ask, Caller, denied

# What the demo's people need: every STS call, what `whoami` and `doctor` ask IAM, and one thing to be kept from.
ACTIONS = (
    "sts:*",
    "iam:ListAccountAliases",
    "iam:GetUser",
    "iam:ListAccessKeys",
    "iam:GetAccessKeyLastUsed",
    "iam:ListMFADevices",
    "iam:CreateGroup",  # something that changes: a session with --read-only may not
)
REGION = "us-east-1"  # any region of the partition: IAM has none


@dataclass(frozen=True)
class Minted:
    """Fresh temporary credentials; `expires` is epoch seconds."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expires: int
    principal_id: str
    arn: str


@dataclass(frozen=True)
class Session:
    caller: Caller
    minted: Minted
    policies: tuple[str, ...] = field(default=(), repr=False)
    """Session policies: with any, it may do what its role and one of them allow."""


class UserSession(AssumedRole):
    """To moto a session of a role that stands in for the user; to GetCallerIdentity the user, as in AWS."""

    user: Any

    @property
    def arn(self) -> str:
        return str(self.user.arn)

    @property
    def user_id(self) -> str:
        return str(self.user.id)


class FederatedSession(AssumedRole):
    """GetFederationToken's: to moto a session of the user's stand-in; to GetCallerIdentity a federated user."""

    @property
    def arn(self) -> str:
        return federated_user(self.account_id, self.session_name)

    @property
    def user_id(self) -> str:
        return f"{self.account_id}:{self.session_name}"


class MotoAccounts:
    """One moto serves all fakes of a process, for its state is global: the last one to close clears it."""

    _open = 0
    _lock = threading.Lock()

    def __init__(self) -> None:
        self.application = DomainDispatcherApplication(create_backend_app)
        self._admin = Client(self.application)
        self._sessions: dict[str, Session] = {}
        self._roles = threading.Lock()
        with MotoAccounts._lock:
            MotoAccounts._open += 1
            self._check_signatures(True)

    def close(self) -> None:
        with MotoAccounts._lock:
            MotoAccounts._open -= 1
            if MotoAccounts._open == 0:
                self._check_signatures(False)
                self._admin.post("/moto-api/reset")

    def _check_signatures(self, wanted: bool) -> None:
        """moto's own switch: after how many unchecked requests it starts to check signatures and policies."""
        self._admin.post("/moto-api/reset-auth", data="0" if wanted else "inf", content_type="text/plain")

    def add_user(self, account: str, name: str, actions: Iterable[str] = ACTIONS) -> tuple[str, str]:
        """The user's new access key, as (id, secret) that moto made up. An existing user gets one more key."""
        iam = _iam(account)
        if name not in iam.users:
            user = iam.create_user(REGION, name)
            user.id = f"AIDA{user.id.upper()[4:]}"  # the form that AWS's ids of users have
        iam.put_user_policy(name, "awsenv-demo", _policy(actions))
        self._add_role(f"arn:aws:iam::{account}:role/{_stand_in(name)}", actions)
        key = iam.get_user(name).create_access_key(prefix="AKIA")
        iam.access_keys[key.physical_resource_id] = key
        return key.access_key_id, key.secret_access_key

    def add_role(self, arn: str, max_seconds: int = 3600, actions: Iterable[str] = ACTIONS) -> None:
        self._add_role(arn, actions, max_seconds)

    def _add_role(self, arn: str, actions: Iterable[str], max_seconds: int = 3600) -> None:
        account, name = _role(arn)
        path = arn.partition(":role")[2].removesuffix(name)
        with self._roles:
            if not any(role.name == name for role in _iam(account).get_roles()):
                # Open to all as far as moto knows: it can't read trust policies well enough; the STS front judges them.
                trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
                policy = json.dumps({"Statement": [trust]})
                _iam(account).create_role(name, policy, path, None, "", [], max_session_duration=str(max_seconds))
            _iam(account).put_role_policy(name, "awsenv-demo", _policy(actions))

    def name_account(self, account: str, alias: str) -> None:
        _iam(account).create_account_alias(alias)

    def alias_of(self, account: str) -> str:
        """Empty where the account has none."""
        return next(iter(_iam(account).account_aliases), "")

    def role_session(
        self,
        role_arn: str,
        session_name: str,
        expires: int,
        is_chained: bool = False,
        policies: tuple[str, ...] = (),
    ) -> Minted:
        account, _ = _role(role_arn)
        minted = self._mint(AssumedRole, account, role_arn, session_name, expires)
        key = minted.access_key_id
        caller = Caller(key, minted.arn, account, role_arn, "role session", is_chained=is_chained)
        self._sessions[key] = Session(caller, minted, policies)
        return minted

    def policies_of(self, ask: Ask) -> tuple[str, ...]:
        """The session policies asked for; raises Refusal for a managed one that does not exist."""
        return tuple(map(self._managed, ask.policy_arns)) + ((ask.policy,) if ask.policy is not None else ())

    def _managed(self, arn: str) -> str:
        """A managed policy's document: AWS's own, as moto has them."""
        from moto.iam.aws_managed_policies import aws_managed_policies_data  # 1.4 MB of text: only who asks pays

        found = json.loads(aws_managed_policies_data).get(arn.rpartition("/")[2])
        if found is None or not arn.endswith(f":iam::aws:policy{found['Path']}{arn.rpartition('/')[2]}"):
            raise Refusal(400, "ValidationError", f"{arn} does not exist")
        return json.dumps(found["Document"])

    def user_session(self, user: Caller, expires: int, has_mfa: bool) -> Minted:
        name = user.identity.rpartition("/")[2]
        stand_in = f"arn:aws:iam::{user.account}:role/{_stand_in(name)}"
        minted = self._mint(UserSession, user.account, stand_in, name, expires, user=_iam(user.account).get_user(name))
        session = replace(user, access_key_id=minted.access_key_id, kind="user session", has_mfa=has_mfa)
        self._remember(session, minted)
        return minted

    def federated_session(self, user: Caller, name: str, expires: int) -> Minted:
        stand_in = f"arn:aws:iam::{user.account}:role/{_stand_in(user.identity.rpartition('/')[2])}"
        minted = self._mint(FederatedSession, user.account, stand_in, name, expires)
        self._remember(Caller(minted.access_key_id, minted.arn, user.account, minted.arn, "federated user"), minted)
        return minted

    def _remember(self, caller: Caller, minted: Minted) -> None:
        self._sessions[caller.access_key_id] = Session(caller, minted)

    def session_of(self, access_key_id: str, secret_access_key: str, session_token: str) -> Session | None:
        """The session with these very credentials, expired or not; None for any others, a user's own key among them."""
        session = self._sessions.get(access_key_id)
        if session is None:
            return None
        same_secret = hmac.compare_digest(session.minted.secret_access_key.encode(), secret_access_key.encode())
        same_token = hmac.compare_digest(session.minted.session_token.encode(), session_token.encode())
        return session if same_secret and same_token else None

    def _mint(self, kind: Any, account: str, role_arn: str, name: str, expires: int, **members: Any) -> Minted:
        key = _iam(account).create_temp_access_key()
        key.role_arn = role_arn
        made = kind(account, REGION, key, name, role_arn, policy=None, duration=0, external_id=None)
        made.expiration = datetime.fromtimestamp(expires, UTC)
        for member, value in members.items():
            setattr(made, member, value)
        sts_backends[account]["aws"].assumed_roles.append(made)
        return Minted(made.access_key_id, made.secret_access_key, made.session_token, expires, made.user_id, made.arn)

    def authenticate(self, request: Request, operation: str, resource: str, now: float) -> Caller:
        """Who signed the request. Raises Refusal: unknown key, wrong signature, expired session, no permission."""
        access_key_id, _ = signed_by(request)
        if not access_key_id:
            raise Refusal(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
        account = get_account_id_from(access_key_id)
        session = self._sessions.get(access_key_id)
        try:
            path = request.path + ("?" + request.query_string.decode() if request.query_string else "")
            form, body, headers = request.form.to_dict(), request.get_data(), cast(Any, request.headers)
            signed = IAMRequest(account, request.method, path, form, body, headers, operation)
            signed.check_signature()
            if session and session.minted.expires <= now:
                raise Refusal(403, "ExpiredToken", "The security token included in the request is expired")
            signed.check_action_permitted(resource)
            if session and session.policies:
                action = f"{signed_by(request)[1]}:{operation}"
                _require_allowed(session, action, resource)
        except HTTPException as error:
            raise _as_refusal(error) from None
        except (IndexError, KeyError):
            raise Refusal(400, "IncompleteSignature", "Authorization header is not well formed.") from None
        return session.caller if session else self._user(access_key_id, account)

    def _user(self, access_key_id: str, account: str) -> Caller:
        user = _iam(account).get_user_from_access_key_id(access_key_id)
        if user is None:
            raise Refusal(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        return Caller(access_key_id, user.arn, account, user.arn, "user")

    def forward(self, request: Request) -> Response:
        """moto's own answer to the very same request."""
        return Response.from_app(self.application, request.environ, buffered=True)


def signed_by(request: Request) -> tuple[str, str]:
    """(access key id, service) out of the Authorization header; two empty strings where there is none."""
    scope = re.search(r"Credential=([^/\s]+)/\d+/[^/]+/([^/]+)/aws4_request", request.headers.get("Authorization", ""))
    return (scope[1], scope[2]) if scope else ("", "")


def _require_allowed(session: Session, action: str, resource: str) -> None:
    """Raises Refusal unless a session policy allows the call and none denies it; moto looks at the role's alone."""
    if action == "sts:GetCallerIdentity":
        return  # nobody can be denied that
    results = {IAMPolicy(policy).is_action_permitted(action, resource) for policy in session.policies}
    if PermissionResult.DENIED in results or PermissionResult.PERMITTED not in results:
        refusal = denied(session.caller.arn, action, resource)
        why = f"because no session policy allows the {action} action"
        raise Refusal(refusal.status, refusal.code, f"{refusal.message} {why}")


def federated_user(account: str, name: str) -> str:
    return f"arn:aws:sts::{account}:federated-user/{name}"


def _iam(account: str) -> Any:
    return iam_backends[account]["aws"]


def _role(arn: str) -> tuple[str, str]:
    match = ROLE_ARN.fullmatch(arn)
    if not match:
        raise ValueError(f"not the ARN of a role: {arn}")
    return match[1], match[2]


def _stand_in(user: str) -> str:
    return f"sessions-of-{user}"


def _policy(actions: Iterable[str]) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _as_refusal(error: Any) -> Refusal:
    return Refusal(error.code, error.error_type, error.message)
