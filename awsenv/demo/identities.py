"""Web identity tokens, as an identity provider signs them, and GitHub's endpoint that gives one to a job."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

from werkzeug.wrappers import Request, Response

from .behaviour import Behaviour
from .ledger import Ledger
from .refusal import Refusal
from .web import Service

JOB = "repo:acme/infrastructure:ref:refs/heads/main"
JOB_SECONDS = 5 * 60
AUDIENCE = "sts.amazonaws.com"


@dataclass(frozen=True)
class WebIdentity:
    """What a token says: who, for whom it was made, until when (epoch seconds)."""

    subject: str
    audience: str
    expires: float


class Issuer:
    """Knows every token that it has issued; a real one would be recognised by its signature."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._issued: dict[str, WebIdentity] = {}
        self.bearer = secrets.token_urlsafe(24)
        """What the runner hands to a job that may ask for a token."""

    def issue(self, subject: str, audience: str = AUDIENCE, seconds: float = 3600) -> str:
        token = f"eyJ.{secrets.token_urlsafe(48)}.{secrets.token_urlsafe(32)}"
        self._issued[token] = WebIdentity(subject, audience, self._behaviour.clock() + seconds)
        return token

    def judge(self, token: str, subjects: frozenset[str]) -> None:
        """Raises Refusal, in AWS's words, unless *token* is one that a role trusting *subjects* takes."""
        known = self._issued.get(token)
        if known is None:
            raise Refusal(400, "InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
        if known.audience != AUDIENCE:
            raise Refusal(400, "InvalidIdentityToken", "Incorrect token audience")
        now = int(self._behaviour.clock())
        if known.expires <= now:
            dates = f"current date/time {now} must be before the expiration date/time {int(known.expires)}"
            raise Refusal(400, "ExpiredTokenException", f"Token expired: {dates}")
        if known.subject not in subjects:
            raise Refusal(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")


class RunnerTokens(Service):
    """GET ?audience=… with the job's bearer → {"value": token}.

    https://docs.github.com/en/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
    """

    def __init__(self, ledger: Ledger, behaviour: Behaviour, issuer: Issuer) -> None:
        super().__init__(ledger, behaviour)
        self._issuer = issuer

    def name(self, request: Request) -> tuple[str, str]:
        return "github", "GetJobToken" if request.path == "/token" else f"{request.method} {request.path}"

    def answer(self, request: Request, operation: str, about: dict[str, str]) -> Response:
        if operation != "GetJobToken":
            raise Refusal(404, "NotFound", "Not Found")
        if request.headers.get("Authorization") != f"bearer {self._issuer.bearer}":
            raise Refusal(401, "Unauthorized", "Unauthorized")
        audience = about["resource"] = request.args.get("audience", "https://github.com/acme")
        value = self._issuer.issue(JOB, audience, JOB_SECONDS)
        return Response(json.dumps({"count": len(value), "value": value}), content_type="application/json")

    def refuse(self, refusal: Refusal) -> Response:
        return Response(json.dumps({"message": refusal.message}), refusal.status, content_type="application/json")
