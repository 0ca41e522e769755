"""A fake IAM Identity Center over HTTP: the sign-in service (sso-oidc) with its pages, and the access portal (sso).

The console's federation endpoint (console.py) and `aws login` (aws_login.py) are on the same server.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal
from urllib.parse import urlencode

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from . import pages
from .aws_login import CONFIRMATION, AwsLogins, pasted
from .behaviour import Behaviour
from .console import PATH, Console
from .ledger import Ledger
from .meters import Meters
from .moto_accounts import MotoAccounts
from .refusal import Refusal
from .sign_ins import Client, Portal, SignIn, SignIns
from .trust import permission_set_role
from .web import BEARER_KEY, Service

OPERATIONS = {
    ("POST", "/client/register"): ("sso-oidc", "RegisterClient"),
    ("POST", "/device_authorization"): ("sso-oidc", "StartDeviceAuthorization"),
    ("POST", "/token"): ("sso-oidc", "CreateToken"),
    ("GET", "/authorize"): ("sso-oidc", "Authorize"),
    ("POST", "/authorize"): ("sso-oidc", "DecideAuthorize"),
    ("GET", "/device"): ("sso-oidc", "ApproveDevice"),
    ("POST", "/device"): ("sso-oidc", "DecideDevice"),
    ("GET", "/federation/credentials"): ("sso", "GetRoleCredentials"),
    ("GET", "/assignment/accounts"): ("sso", "ListAccounts"),
    ("GET", "/assignment/roles"): ("sso", "ListAccountRoles"),
    ("POST", "/logout"): ("sso", "Logout"),
    ("GET", "/v1/authorize"): ("signin", "AuthorizeLogin"),
    ("POST", "/v1/authorize"): ("signin", "DecideLogin"),
    ("GET", CONFIRMATION): ("signin", "ConfirmLogin"),
    ("POST", "/v1/token"): ("signin", "CreateOAuth2Token"),
}


LOGIN_PAGES = ("AuthorizeLogin", "DecideLogin", "ConfirmLogin")
PAGES = (
    "Authorize", "DecideAuthorize", "ApproveDevice", "DecideDevice", "GetSigninToken", "ConsoleLogin", *LOGIN_PAGES
)  # fmt: skip
PORTAL = ("GetRoleCredentials", "ListAccounts", "ListAccountRoles")


class IdentityCenter(Service):
    def __init__(
        self,
        ledger: Ledger,
        behaviour: Behaviour,
        accounts: MotoAccounts,
        sign_ins: SignIns,
        meters: Meters,
        aws_logins: AwsLogins,
    ) -> None:
        super().__init__(ledger, behaviour)
        self._aws_logins = aws_logins
        self._accounts, self._sign_ins, self._meters = accounts, sign_ins, meters
        self._console = Console(behaviour, accounts)

    def name(self, request: Request) -> tuple[str, str]:
        unknown = ("unknown", f"{request.method} {request.path}")
        if request.path == PATH and (operation := self._console.operation(request)):
            return "signin", operation
        return OPERATIONS.get((request.method, request.path), unknown)

    def during(self, request: Request, operation: str) -> AbstractContextManager[None]:
        if operation in PORTAL:
            self._meters.portal_request()
        token = _refresh_token(request) if operation in ("CreateToken", "CreateOAuth2Token") else None
        return self._meters.refreshing(token) if token else nullcontext()

    def answer(self, request: Request, operation: str, about: dict[str, str]) -> Response:
        if operation in PAGES:
            try:
                return self._page_for(request, operation, about)
            except Refusal as refusal:  # a person reads it
                return pages.said(f"{refusal.status}: {refusal.code}", refusal.message, status=refusal.status)
        sign_in_operations: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
            "RegisterClient": self._sign_ins.register,
            "CreateToken": self._sign_ins.token,
            "StartDeviceAuthorization": lambda asked: self._sign_ins.start_device(asked, f"{request.host_url}device"),
        }
        if operation in sign_in_operations:
            return _json(sign_in_operations[operation](_body(request)))
        if operation == "CreateOAuth2Token":
            proof = request.headers.get("DPoP", "")
            return _json(self._aws_logins.token(_body(request), proof, request.base_url, self._accounts))
        bearer = request.environ.get(BEARER_KEY) or ""
        sign_in = self._sign_ins.find(bearer)
        if self.name(request)[0] == "unknown":
            raise Refusal(404, "UnknownOperationException", "The fake does not know this operation")
        if sign_in is None:
            raise Refusal(401, "UnauthorizedException", "Session token not found or invalid")
        about["principal"] = sign_in.portal.user
        if operation in PORTAL:
            self._keep_pace(bearer)
        if operation == "Logout":
            self._sign_ins.end(bearer)
            return Response(b"", 200)
        if operation == "ListAccounts":
            return self._list_accounts(sign_in, request.args)
        account = about["resource"] = _account(request.args)
        if operation == "ListAccountRoles":
            return self._list_roles(sign_in, account, request.args)
        permission_set = _required(request.args, "role_name")
        about["resource"] = f"{account}/{permission_set}"
        return self._role_credentials(sign_in, account, permission_set)

    def _page_for(self, request: Request, operation: str, about: dict[str, str]) -> Response:
        if operation in ("GetSigninToken", "ConsoleLogin"):
            return self._console.answer(operation, request.values, about)
        if operation in LOGIN_PAGES:
            return self._login_page(request, operation)
        asks = self.behaviour.ask_in_browser
        if operation == "Authorize" and asks:
            client, portal = self._sign_ins.visitor(request.args)
            return pages.allow_or_deny("/authorize", request.args.to_dict(), _facts(client, portal))
        if operation in ("Authorize", "DecideAuthorize"):
            return self._authorize(request.values, self._is_allowed(request))
        user_code = request.values.get("user_code", "")
        found = self._sign_ins.waiting(user_code)
        if found is None:
            return pages.type_code(user_code)
        client, device = found
        facts, user_code = _facts(client, device.portal), device.user_code
        if operation == "ApproveDevice" and asks:
            return pages.allow_or_deny("/device", {"user_code": user_code}, facts, user_code)
        return self._decide_device(user_code, self._is_allowed(request), facts)

    def _login_page(self, request: Request, operation: str) -> Response:
        asked = request.values
        if operation == "ConfirmLogin":
            if "error" in asked:
                return pages.said("Denied", "Nobody was logged in. You can close this page.")
            shown = pasted(asked.get("code", ""), asked.get("state", ""))
            return pages.said("Logged in", "Copy this code, and paste it where your terminal waits.", {"Code": shown})
        self._aws_logins.visitor(asked)
        if operation == "AuthorizeLogin" and self.behaviour.ask_in_browser:
            facts = {"Application": "AWS CLI", "Person": self._aws_logins.person, "Client": asked["client_id"]}
            return pages.allow_or_deny("/v1/authorize", asked.to_dict(), facts)
        is_allowed = self._is_allowed(request)
        outcome = {"code": self._aws_logins.authorize(asked)} if is_allowed else {"error": "access_denied"}
        return redirect(asked["redirect_uri"] + "?" + urlencode(outcome | {"state": asked["state"]}))

    def _is_allowed(self, request: Request) -> bool:
        """What the person said; a visit that nobody is asked about is a yes."""
        decision = request.form.get("decision", "") if request.method == "POST" else "allow"
        if decision not in ("allow", "deny"):
            raise Refusal(400, "InvalidRequestException", "The decision is neither allow nor deny")
        return decision == "allow" and not self.behaviour.deny_logins

    def _authorize(self, asked: Mapping[str, str], is_allowed: bool) -> Response:
        code = self._sign_ins.authorize(asked)
        outcome = {"code": code} if is_allowed else {"error": "access_denied"}
        return redirect(asked["redirect_uri"] + "?" + urlencode(outcome | {"state": asked.get("state", "")}))

    def _decide_device(self, user_code: str, is_allowed: bool, facts: Mapping[str, str]) -> Response:
        state: Literal["approved", "denied"] = "approved" if is_allowed else "denied"
        self._sign_ins.decide(user_code, state)
        if is_allowed:
            return pages.said("Signed in", "You can close this page and go back to your terminal.", facts)
        return pages.said("Denied", "Nobody was signed in. You can close this page.", facts)

    def _keep_pace(self, access_token: str) -> None:
        most = self.behaviour.portal_requests_per_second
        wait = self._meters.wait_before(access_token, most) if most is not None else 0.0
        if wait > 0:
            later = {"Retry-After": str(math.ceil(wait))}
            raise Refusal(429, "TooManyRequestsException", "HTTP 429 Unknown Code", later)

    def _role_credentials(self, sign_in: SignIn, account: str, permission_set: str) -> Response:
        if permission_set not in _roles_of(sign_in, account):
            raise Refusal(403, "ForbiddenException", "No access")
        expires = int(self.behaviour.clock() + self.behaviour.role_credentials_seconds)
        role = permission_set_role(account, permission_set)
        self._accounts.add_role(role)  # only now: a portal may have thousands that nobody asks for
        minted = self._accounts.role_session(role, sign_in.portal.user, expires)
        credentials = {
            "accessKeyId": minted.access_key_id,
            "secretAccessKey": minted.secret_access_key,
            "sessionToken": minted.session_token,
            "expiration": minted.expires * 1000,
        }
        return _json({"roleCredentials": credentials})

    def _list_accounts(self, sign_in: SignIn, asked: Mapping[str, str]) -> Response:
        entries = [
            {"accountId": account, "accountName": name, "emailAddress": f"{account}@example.com"}
            for account, (name, _) in sorted(sign_in.portal.accounts.items())
        ]
        return self._page("accountList", entries, asked)

    def _list_roles(self, sign_in: SignIn, account: str, asked: Mapping[str, str]) -> Response:
        if account not in sign_in.portal.accounts:
            raise Refusal(403, "ForbiddenException", "No access")
        entries = [{"roleName": name, "accountId": account} for name in _roles_of(sign_in, account)]
        return self._page("roleList", entries, asked)

    def _page(self, member: str, entries: Sequence[Mapping[str, str]], asked: Mapping[str, str]) -> Response:
        size, token = asked.get("max_result", str(self.behaviour.page_size)), asked.get("next_token", "0")
        if not (size.isdecimal() and 1 <= int(size) <= 100 and token.isdecimal()):
            raise Refusal(400, "InvalidRequestException", "max_result or next_token is invalid")
        start, end = int(token), int(token) + int(size)
        following = {"nextToken": str(end)} if end < len(entries) else {}
        return _json({member: list(entries[start:end]), **following})

    def refuse(self, refusal: Refusal) -> Response:
        # SDKs take the code from the header; the body's members are those of the sso-oidc model.
        error = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", refusal.code.removesuffix("Exception")).lower()
        body = {"message": refusal.message, "error": refusal.error or error, "error_description": refusal.message}
        response = _json(body, refusal.status)
        response.headers["x-amzn-ErrorType"] = refusal.code
        return response


def _json(content: Mapping[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(content), status, content_type="application/json")


def _body(request: Request) -> Mapping[str, Any]:
    try:
        body = json.loads(request.get_data())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(400, "InvalidRequestException", "The body is not a JSON object")
    return body


def _refresh_token(request: Request) -> str | None:
    try:
        asked = _body(request)
    except Refusal:
        return None
    return str(asked.get("refreshToken", "")) if asked.get("grantType") == "refresh_token" else None


def _facts(client: Client, portal: Portal) -> dict[str, str]:
    """What a person should know before saying yes."""
    scopes = pages.listed(client.scopes)
    return {"Application": client.name, "Portal": portal.start_url, "Person": portal.user, "Scopes": scopes}


def _required(asked: Mapping[str, str], name: str) -> str:
    if not asked.get(name):
        raise Refusal(400, "InvalidRequestException", f"{name} is required")
    return asked[name]


def _account(asked: Mapping[str, str]) -> str:
    account = _required(asked, "account_id")
    if not re.fullmatch(r"\d{12}", account, re.ASCII):
        raise Refusal(400, "InvalidRequestException", "Invalid account id")
    return account


def _roles_of(sign_in: SignIn, account: str) -> tuple[str, ...]:
    _, permission_sets = sign_in.portal.accounts.get(account, ("", ()))
    return permission_sets
