"""The federation endpoint of a fake AWS console: temporary credentials → a sign-in token → a page that says who it is.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from . import pages
from .behaviour import Behaviour
from .moto_accounts import MotoAccounts, Session
from .refusal import Refusal

PATH = "/federation"
OPERATIONS = {"getSigninToken": "GetSigninToken", "login": "ConsoleLogin"}
TOKEN_SECONDS = 15 * 60
NOT_LONGER = "SessionDuration cannot be given for a federated user, nor for a role that another role assumed"


@dataclass(frozen=True)
class SignedIn:
    """What a sign-in token stands for, until `expires` (epoch seconds)."""

    session: Session
    expires: float


class Console:
    def __init__(self, behaviour: Behaviour, accounts: MotoAccounts) -> None:
        self._behaviour, self._accounts = behaviour, accounts
        self._tokens: dict[str, SignedIn] = {}

    def operation(self, request: Request) -> str | None:
        return OPERATIONS.get(request.values.get("Action", "")) if request.method in ("GET", "POST") else None

    def answer(self, operation: str, asked: Mapping[str, str], about: dict[str, str]) -> Response:
        """Raises Refusal (400), as AWS does for whatever it doesn't like."""
        if operation == "GetSigninToken":
            return self._signin_token(asked, about)
        return self._login(asked, about)

    def _signin_token(self, asked: Mapping[str, str], about: dict[str, str]) -> Response:
        session = self._session(asked.get("Session", ""))
        about["principal"], about["access_key_id"] = session.caller.arn, session.caller.access_key_id
        seconds = asked.get("SessionDuration")
        if seconds is not None:
            if not seconds.isdecimal() or not 900 <= int(seconds) <= 43200:
                raise _bad("SessionDuration is a number of seconds from 900 to 43200")
            if session.caller.is_chained or session.caller.kind == "federated user":
                raise _bad(NOT_LONGER)
        token = secrets.token_urlsafe(96)
        self._tokens[token] = SignedIn(session, self._behaviour.clock() + TOKEN_SECONDS)
        return Response(json.dumps({"SigninToken": token}), 200, content_type="application/json")

    def _session(self, text: str) -> Session:
        try:
            given = json.loads(text)
            keys = given["sessionId"], given["sessionKey"], given["sessionToken"]
        except (ValueError, KeyError, TypeError):
            raise _bad("Session is a JSON object with sessionId, sessionKey and sessionToken") from None
        session = self._accounts.session_of(*map(str, keys))
        if session is None or session.minted.expires <= self._behaviour.clock():
            raise _bad("The credentials are not valid, or have expired")
        if session.caller.kind == "user session":
            raise _bad("Only a role's session and a federated user's may sign in here")
        return session

    def _login(self, asked: Mapping[str, str], about: dict[str, str]) -> Response:
        signed_in = self._tokens.get(asked.get("SigninToken", ""))
        if signed_in is None or signed_in.expires <= self._behaviour.clock():
            raise _bad("The sign-in token is not valid, or has expired")
        destination = asked.get("Destination", "")
        if urlsplit(destination).scheme != "https" or not urlsplit(destination).hostname:
            raise _bad("Destination is an https address of the console")
        caller = signed_in.session.caller
        about["principal"], about["resource"] = caller.arn, destination
        alias = self._accounts.alias_of(caller.account)
        facts = {
            "Account": f"{caller.account} ({alias})" if alias else caller.account,
            "Signed in as": caller.arn,
            "Going to": destination,
            "Issuer": asked.get("Issuer", ""),
        }
        told = {name: value for name, value in facts.items() if value}
        return pages.said("You are signed in", "Here AWS would show its web console.", told)


def _bad(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)
