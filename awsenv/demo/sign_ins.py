"""Identity Center's sign-ins as a state machine: clients, device and authorization codes, access and refresh tokens."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Any, Literal
from urllib.parse import urlsplit

from .behaviour import Behaviour
from .meters import Meters
from .refusal import Refusal

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
ACCOUNT_SCOPE = "sso:account:access"
REGISTRATION_SECONDS = 90 * 24 * 3600
CODE_SECONDS = 600
POLL_TOLERANCE = 0.1  # seconds: two clocks and a network lie between a poll and its arrival
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # of a user code: no vowels, so no words


@dataclass(eq=False)
class Portal:
    """Where people sign in. `accounts`: account id → (account name, permission sets that the user has there)."""

    start_url: str
    region: str
    user: str
    accounts: Mapping[str, tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Client:
    secret: str = field(repr=False)
    expires: float
    name: str = ""
    scopes: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ()
    start_url: str = ""


@dataclass(eq=False)
class SignIn:
    """One person's session with the portal; its tokens die with it."""

    portal: Portal
    client_id: str
    ends: float = inf
    has_ended: bool = False


@dataclass(eq=False)
class Device:
    portal: Portal
    client_id: str
    user_code: str
    expires: float
    state: Literal["pending", "approved", "denied"] = "pending"
    polls: int = 0
    polled: float = -inf
    """Of the last poll, in seconds of time.monotonic(): a clock that is set has no say in how fast polls come."""


@dataclass(frozen=True)
class Code:
    portal: Portal
    client_id: str
    redirect_uri: str
    challenge: str
    expires: float


@dataclass(frozen=True)
class Spent:
    """A refresh token that was used, and what it was answered."""

    at: float
    answer: Mapping[str, Any] = field(repr=False)


class SignIns:
    """Every method may be called from any thread, and raises Refusal where AWS would refuse."""

    def __init__(self, behaviour: Behaviour, meters: Meters) -> None:
        self._behaviour, self._meters = behaviour, meters
        self._lock = threading.RLock()
        self._portals: dict[str, Portal] = {}
        self._clients: dict[str, Client] = {}
        self._devices: dict[str, Device] = {}
        self._codes: dict[str, Code] = {}
        self._access: dict[str, tuple[SignIn, float]] = {}
        self._refresh: dict[str, SignIn] = {}
        self._spent: dict[str, Spent] = {}

    def open_portal(self, portal: Portal) -> None:
        """Opening it again changes what people have who are signed in already."""
        known = self._portals.setdefault(_plain(portal.start_url), portal)
        known.region, known.user, known.accounts = portal.region, portal.user, portal.accounts

    def register(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if asked.get("clientType") != "public" or not asked.get("clientName"):
            raise _no("InvalidClientMetadataException", "clientName and a clientType of public are required")
        for uri in asked.get("redirectUris") or ():
            if urlsplit(uri).hostname not in ("127.0.0.1", "localhost", "::1"):
                raise _no("InvalidRedirectUriException", "A public client redirects to a loopback address")
        now = self._behaviour.clock()
        client_id = secrets.token_urlsafe(16)
        client = Client(
            secrets.token_urlsafe(64),
            now + REGISTRATION_SECONDS,
            str(asked["clientName"]),
            tuple(asked.get("scopes") or ()),
            tuple(asked.get("redirectUris") or ()),
            tuple(asked.get("grantTypes") or ()),
            asked.get("issuerUrl") or "",
        )
        self._clients[client_id] = client
        return {
            "clientId": client_id,
            "clientSecret": client.secret,
            "clientIdIssuedAt": int(now),
            "clientSecretExpiresAt": int(client.expires),
        }

    def start_device(self, asked: Mapping[str, Any], page: str) -> dict[str, Any]:
        client_id, _ = self._client(asked)
        portal = self._portal(asked.get("startUrl") or "")
        device_code, seconds = secrets.token_urlsafe(32), self._behaviour.device_code_seconds
        user_code = "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(2))
        self._devices[device_code] = Device(portal, client_id, user_code, self._behaviour.clock() + seconds)
        return {
            "deviceCode": device_code,
            "userCode": user_code,
            "verificationUri": page,
            "verificationUriComplete": f"{page}?user_code={user_code}",
            "expiresIn": seconds,
            "interval": self._behaviour.device_interval,
        }

    def waiting(self, user_code: str) -> tuple[Client, Device] | None:
        """Who waits under a user code, in whatever way a person typed it; None when nobody (still) does."""
        device = self._waiting(user_code)
        return (self._clients[device.client_id], device) if device else None

    def decide(self, user_code: str, state: Literal["approved", "denied"]) -> bool:
        """What the person at the browser does with a user code; False when there is no such code (any more)."""
        with self._lock:
            device = self._waiting(user_code)
            if device:
                device.state = state
            return device is not None

    def _waiting(self, user_code: str) -> Device | None:
        typed = _letters(user_code)
        now = self._behaviour.clock()
        alike = (device for device in self._devices.copy().values() if _letters(device.user_code) == typed)
        return next((device for device in alike if device.expires > now), None)

    def visitor(self, asked: Mapping[str, str]) -> tuple[Client, Portal]:
        """Who sent a browser to sign in, and where to; refused before a person is shown anything."""
        client_id, redirect_uri = asked.get("client_id", ""), asked.get("redirect_uri", "")
        client = self._clients.get(client_id)
        if client is None:
            raise _no("InvalidClientException", "Client not found")
        if not any(_same_but_port(redirect_uri, registered) for registered in client.redirect_uris):
            raise _no("InvalidRedirectUriException", "redirect_uri is not registered for this client")
        challenge = asked.get("code_challenge", "")
        if asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256" or not challenge:
            raise _no("InvalidRequestException", "response_type=code with an S256 code_challenge is required")
        return client, self._portal(client.start_url)

    def authorize(self, asked: Mapping[str, str]) -> str:
        """The authorization code for a browser's visit."""
        _, portal = self.visitor(asked)
        code = secrets.token_urlsafe(32)
        expires = self._behaviour.clock() + CODE_SECONDS
        self._codes[code] = Code(portal, asked["client_id"], asked["redirect_uri"], asked["code_challenge"], expires)
        return code

    def token(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        client_id, client = self._client(asked)
        grants = {
            DEVICE_CODE: self._by_device,
            "authorization_code": self._by_code,
            "refresh_token": self._by_refresh_token,
        }
        grant = grants.get(asked.get("grantType", ""))
        if grant is None:
            raise _no("UnsupportedGrantTypeException", "Unsupported grant type")
        with self._lock:
            return grant(client_id, client, asked)

    def _tokens(self, sign_in: SignIn, refresh_token: str | None) -> dict[str, Any]:
        access_token, seconds = self._new_access(sign_in), self._behaviour.token_seconds
        answer = {"accessToken": access_token, "tokenType": "Bearer", "expiresIn": seconds}
        return answer | ({"refreshToken": refresh_token} if refresh_token else {})

    def _by_device(self, client_id: str, client: Client, asked: Mapping[str, Any]) -> dict[str, Any]:
        device_code = asked.get("deviceCode", "")
        device = self._devices.get(device_code)
        if device is None or device.client_id != client_id:
            raise _no("InvalidGrantException", "Invalid device code")
        if device.expires <= self._behaviour.clock():
            raise _no("ExpiredTokenException", "Device code expired")
        since, device.polled = time.monotonic() - device.polled, time.monotonic()
        if self._behaviour.enforce_interval and since < self._behaviour.device_interval - POLL_TOLERANCE:
            raise _no("SlowDownException", "Polled sooner than the interval allows")
        device.polls += 1
        if device.state == "denied" or self._behaviour.deny_logins:
            raise _no("AccessDeniedException", "The request was denied")
        if device.state == "pending" and device.polls != self._behaviour.approve_after_polls:
            raise _no("AuthorizationPendingException", "The person has not decided yet")
        del self._devices[device_code]
        return self._new_sign_in(device.portal, client_id, client)

    def _by_code(self, client_id: str, client: Client, asked: Mapping[str, Any]) -> dict[str, Any]:
        code = self._codes.pop(asked.get("code", ""), None)  # a code is worth one try, right or wrong
        verifier = hashlib.sha256(str(asked.get("codeVerifier", "")).encode()).digest()
        if (
            code is None
            or code.client_id != client_id
            or code.redirect_uri != asked.get("redirectUri")
            or code.challenge != base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
            or code.expires <= self._behaviour.clock()
        ):
            raise _no("InvalidGrantException", "Invalid authorization code")
        return self._new_sign_in(code.portal, client_id, client)

    def _by_refresh_token(self, client_id: str, _: Client, asked: Mapping[str, Any]) -> dict[str, Any]:
        token = asked.get("refreshToken", "")
        sign_in, spent = self._refresh.get(token), self._spent.get(token)
        is_spent = spent is not None and time.monotonic() - spent.at >= self._behaviour.refresh_grace
        if is_spent:
            self._meters.count_reuse()
        if sign_in is None or sign_in.has_ended or sign_in.client_id != client_id or is_spent:
            raise _no("InvalidGrantException", "Invalid refresh token provided")
        if sign_in.ends <= self._behaviour.clock():
            raise _no("ExpiredTokenException", "The session at the portal has ended")
        if spent:
            return dict(spent.answer)
        if self._behaviour.refresh_tokens == "omit":
            return self._tokens(sign_in, None)
        if self._behaviour.refresh_tokens == "keep":
            return self._tokens(sign_in, token)
        answer = self._tokens(sign_in, self._new_refresh(sign_in))
        self._spent[token] = Spent(time.monotonic(), answer)
        return answer

    def _new_sign_in(self, portal: Portal, client_id: str, client: Client) -> dict[str, Any]:
        sign_in = SignIn(portal, client_id, self._end_of_sign_in())
        # Only a client that registered the scope (a legacy one, without sso-session, doesn't) may refresh.
        may_refresh = ACCOUNT_SCOPE in client.scopes and "refresh_token" in (client.grant_types or ("refresh_token",))
        return self._tokens(sign_in, self._new_refresh(sign_in) if may_refresh else None)

    def _end_of_sign_in(self) -> float:
        seconds = self._behaviour.sign_in_seconds
        return inf if seconds is None else self._behaviour.clock() + seconds

    def _new_access(self, sign_in: SignIn, seconds: float | None = None) -> str:
        token = f"aoa{secrets.token_urlsafe(96)}"
        lifetime = self._behaviour.token_seconds if seconds is None else seconds
        self._access[token] = (sign_in, self._behaviour.clock() + lifetime)
        return token

    def _new_refresh(self, sign_in: SignIn) -> str:
        token = f"aor{secrets.token_urlsafe(96)}"
        self._refresh[token] = sign_in
        return token

    def find(self, access_token: str) -> SignIn | None:
        """The sign-in that a bearer token stands for, while it lives."""
        sign_in, expires = self._access.get(access_token, (None, 0.0))
        return sign_in if sign_in and not sign_in.has_ended and expires > self._behaviour.clock() else None

    def end(self, access_token: str) -> None:
        """Signed out, or revoked by an administrator: refreshing ends, too."""
        sign_in, _ = self._access.get(access_token, (None, 0.0))
        if sign_in:
            sign_in.has_ended = True

    def end_access(self, access_token: str) -> None:
        """The access token alone is dead, long before the time that its file tells; it can be refreshed."""
        sign_in, _ = self._access.get(access_token, (None, 0.0))
        if sign_in:
            self._access[access_token] = (sign_in, -inf)

    def issue(self, start_url: str, expires_in: float, refreshable: bool, name: str) -> dict[str, str]:
        """A signed-in state, in the JSON of AWS's own files in ~/.aws/sso/cache."""
        registered = self.register({"clientType": "public", "clientName": name, "scopes": [ACCOUNT_SCOPE]})
        sign_in = SignIn(self._portal(start_url), registered["clientId"], self._end_of_sign_in())
        token = {
            "startUrl": start_url,
            "region": sign_in.portal.region,
            "accessToken": self._new_access(sign_in, expires_in),
            "expiresAt": _utc(self._behaviour.clock() + expires_in),
            "clientId": registered["clientId"],
            "clientSecret": registered["clientSecret"],
            "registrationExpiresAt": _utc(registered["clientSecretExpiresAt"]),
        }
        return token | ({"refreshToken": self._new_refresh(sign_in)} if refreshable else {})

    def _client(self, asked: Mapping[str, Any]) -> tuple[str, Client]:
        client_id = asked.get("clientId", "")
        client = self._clients.get(client_id)
        if client is None or client.secret != asked.get("clientSecret") or client.expires <= self._behaviour.clock():
            raise _no("InvalidClientException", "Invalid client provided")
        return client_id, client

    def _portal(self, start_url: str) -> Portal:
        portal = self._portals.get(_plain(start_url))
        if portal is None:
            raise _no("InvalidRequestException", "Invalid start URL provided")
        return portal


def _no(code: str, description: str) -> Refusal:
    return Refusal(401 if code == "InvalidClientException" else 400, code, description)


def _letters(user_code: str) -> str:
    return "".join(letter for letter in user_code.upper() if letter in LETTERS)


def _plain(start_url: str) -> str:
    return start_url.partition("#")[0].rstrip("/")


def _same_but_port(uri: str, registered: str) -> bool:
    """RFC 8252 7.3: a loopback redirect may come with any port."""
    one, other = urlsplit(uri), urlsplit(registered)
    return (one.scheme, one.hostname, one.path) == (other.scheme, other.hostname, other.path)


def _utc(epoch: float) -> str:
    return f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%dT%H:%M:%SZ}"
