"""A fake IAM Identity Center over HTTP: the sign-in service (sso-oidc) and the access portal (sso), on one server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlencode

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from .behaviour import Behaviour
from .ledger import Ledger
from .moto_accounts import MotoAccounts
from .refusal import Refusal
from .sign_ins import SignIn, SignIns
from .trust import permission_set_role
from .web import BEARER_KEY, Service

OPERATIONS = {
    ("POST", "/client/register"): ("sso-oidc", "RegisterClient"),
    ("POST", "/device_authorization"): ("sso-oidc", "StartDeviceAuthorization"),
    ("POST", "/token"): ("sso-oidc", "CreateToken"),
    ("GET", "/authorize"): ("sso-oidc", "Authorize"),
    ("GET", "/device"): ("sso-oidc", "ApproveDevice"),
    ("GET", "/federation/credentials"): ("sso", "GetRoleCredentials"),
    ("GET", "/assignment/accounts"): ("sso", "ListAccounts"),
    ("GET", "/assignment/roles"): ("sso", "ListAccountRoles"),
    ("POST", "/logout"): ("sso", "Logout"),
}


class IdentityCenter(Service):
    def __init__(self, ledger: Ledger, behaviour: Behaviour, accounts: MotoAccounts, sign_ins: SignIns) -> None:
        super().__init__(ledger, behaviour)
        self._accounts, self._sign_ins = accounts, sign_ins

    def name(self, request: Request) -> tuple[str, str]:
        unknown = ("unknown", f"{request.method} {request.path}")
        return OPERATIONS.get((request.method, request.path), unknown)

    def answer(self, request: Request, operation: str, about: dict[str, str]) -> Response:
        if operation == "Authorize":
            return self._authorize(request.args)
        if operation == "ApproveDevice":
            return self._approve_device(request.args)
        sign_in_operations: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
            "RegisterClient": self._sign_ins.register,
            "CreateToken": self._sign_ins.token,
            "StartDeviceAuthorization": lambda asked: self._sign_ins.start_device(asked, f"{request.host_url}device"),
        }
        if operation in sign_in_operations:
            return _json(sign_in_operations[operation](_body(request)))
        bearer = request.environ.get(BEARER_KEY) or ""
        sign_in = self._sign_ins.find(bearer)
        if self.name(request)[0] == "unknown":
            raise Refusal(404, "UnknownOperationException", "The fake does not know this operation")
        if sign_in is None:
            raise Refusal(401, "UnauthorizedException", "Session token not found or invalid")
        about["principal"] = sign_in.portal.user
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

    def _authorize(self, asked: Mapping[str, str]) -> Response:
        code = self._sign_ins.authorize(asked)
        outcome = {"error": "access_denied"} if self.behaviour.deny_logins else {"code": code}
        return redirect(asked["redirect_uri"] + "?" + urlencode(outcome | {"state": asked.get("state", "")}))

    def _approve_device(self, asked: Mapping[str, str]) -> Response:
        state: Literal["approved", "denied"] = "denied" if self.behaviour.deny_logins else "approved"
        if not self._sign_ins.decide(asked.get("user_code", ""), state):
            return Response("<p>There is no such code. Open the complete address that awsenv showed.</p>", 404)
        return Response(f"<p>The fake Identity Center {state} this sign-in. You may close this page.</p>", 200)

    def _role_credentials(self, sign_in: SignIn, account: str, permission_set: str) -> Response:
        if permission_set not in _roles_of(sign_in, account):
            raise Refusal(403, "ForbiddenException", "No access")
        expires = int(self.behaviour.clock() + self.behaviour.role_credentials_seconds)
        role = permission_set_role(account, permission_set)
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
        size, token = asked.get("max_result", "100"), asked.get("next_token", "0")
        if not (size.isdecimal() and 1 <= int(size) <= 100 and token.isdecimal()):
            raise Refusal(400, "InvalidRequestException", "max_result or next_token is invalid")
        start, end = int(token), int(token) + min(int(size), self.behaviour.page_size)
        following = {"nextToken": str(end)} if end < len(entries) else {}
        return _json({member: list(entries[start:end]), **following})

    def refuse(self, refusal: Refusal) -> Response:
        # SDKs take the code from the header; the body's members are those of the sso-oidc model.
        error = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", refusal.code.removesuffix("Exception")).lower()
        body = {"message": refusal.message, "error": error, "error_description": refusal.message}
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
