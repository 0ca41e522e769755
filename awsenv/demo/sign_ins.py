"""Identity Center's sign-ins as a state machine: clients, device and authorization codes, access and refresh tokens."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from .behaviour import Behaviour
from .refusal import Refusal

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
ACCOUNT_SCOPE = "sso:account:access"
REGISTRATION_SECONDS = 90 * 24 * 3600
CODE_SECONDS = 600


@dataclass(frozen=True)
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
    scopes: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ()
    start_url: str = ""


@dataclass(eq=False)
class SignIn:
    """One person's session with the portal; its tokens die with it."""

    portal: Portal
    client_id: str
    has_ended: bool = False


@dataclass(eq=False)
class Device:
    portal: Portal
    client_id: str
    user_code: str
    expires: float
    state: Literal["pending", "approved", "denied"] = "pending"
    polls: int = 0


@dataclass(frozen=True)
class Code:
    portal: Portal
    client_id: str
    redirect_uri: str
    challenge: str
    expires: float


class SignIns:
    """Every method may be called from any thread, and raises Refusal where AWS would refuse."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._lock = threading.RLock()
        self._portals: dict[str, Portal] = {}
        self._clients: dict[str, Client] = {}
        self._devices: dict[str, Device] = {}
        self._codes: dict[str, Code] = {}
        self._access: dict[str, tuple[SignIn, float]] = {}
        self._refresh: dict[str, SignIn] = {}

    def open_portal(self, portal: Portal) -> None:
        self._portals[_plain(portal.start_url)] = portal

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
        device_code, letters = secrets.token_urlsafe(32), "BCDFGHJKLMNPQRSTVWXZ"
        user_code = "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(2))
        self._devices[device_code] = Device(portal, client_id, user_code, self._behaviour.clock() + CODE_SECONDS)
        return {
            "deviceCode": device_code,
            "userCode": user_code,
            "verificationUri": page,
            "verificationUriComplete": f"{page}?user_code={user_code}",
            "expiresIn": CODE_SECONDS,
            "interval": self._behaviour.device_interval,
        }

    def decide(self, user_code: str, state: Literal["approved", "denied"]) -> bool:
        """What the person at the browser does with a user code; False when there is no such code."""
        found = [device for device in self._devices.values() if device.user_code == user_code]
        for device in found:
            device.state = state
        return bool(found)

    def authorize(self, asked: Mapping[str, str]) -> str:
        """The authorization code for a browser's visit."""
        client_id, redirect_uri = asked.get("client_id", ""), asked.get("redirect_uri", "")
        client = self._clients.get(client_id)
        if client is None:
            raise _no("InvalidClientException", "Client not found")
        if not any(_same_but_port(redirect_uri, registered) for registered in client.redirect_uris):
            raise _no("InvalidRedirectUriException", "redirect_uri is not registered for this client")
        challenge = asked.get("code_challenge", "")
        if asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256" or not challenge:
            raise _no("InvalidRequestException", "response_type=code with an S256 code_challenge is required")
        code = secrets.token_urlsafe(32)
        expires = self._behaviour.clock() + CODE_SECONDS
        self._codes[code] = Code(self._portal(client.start_url), client_id, redirect_uri, challenge, expires)
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
            sign_in, refresh_token = grant(client_id, client, asked)
            access_token, seconds = self._new_access(sign_in), self._behaviour.token_seconds
            answer = {"accessToken": access_token, "tokenType": "Bearer", "expiresIn": seconds}
            return answer | ({"refreshToken": refresh_token} if refresh_token else {})

    def _by_device(self, client_id: str, client: Client, asked: Mapping[str, Any]) -> tuple[SignIn, str | None]:
        device_code = asked.get("deviceCode", "")
        device = self._devices.get(device_code)
        if device is None or device.client_id != client_id:
            raise _no("InvalidGrantException", "Invalid device code")
        if device.expires <= self._behaviour.clock():
            raise _no("ExpiredTokenException", "Device code expired")
        device.polls += 1
        if device.state == "denied" or self._behaviour.deny_logins:
            raise _no("AccessDeniedException", "The request was denied")
        if device.state == "pending" and device.polls != self._behaviour.approve_after_polls:
            raise _no("AuthorizationPendingException", "The person has not decided yet")
        del self._devices[device_code]
        return self._new_sign_in(device.portal, client_id, client)

    def _by_code(self, client_id: str, client: Client, asked: Mapping[str, Any]) -> tuple[SignIn, str | None]:
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

    def _by_refresh_token(self, client_id: str, _: Client, asked: Mapping[str, Any]) -> tuple[SignIn, str | None]:
        token = asked.get("refreshToken", "")
        sign_in = self._refresh.get(token)
        if sign_in is None or sign_in.has_ended or sign_in.client_id != client_id:
            raise _no("InvalidGrantException", "Invalid refresh token provided")
        if self._behaviour.refresh_tokens == "omit":
            return sign_in, None
        if self._behaviour.refresh_tokens == "keep":
            return sign_in, token
        del self._refresh[token]
        return sign_in, self._new_refresh(sign_in)

    def _new_sign_in(self, portal: Portal, client_id: str, client: Client) -> tuple[SignIn, str | None]:
        sign_in = SignIn(portal, client_id)
        # Only a client that registered the scope (a legacy one, without sso-session, doesn't) may refresh.
        may_refresh = ACCOUNT_SCOPE in client.scopes and "refresh_token" in (client.grant_types or ("refresh_token",))
        return sign_in, self._new_refresh(sign_in) if may_refresh else None

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

    def issue(self, start_url: str, expires_in: float, refreshable: bool, name: str) -> dict[str, str]:
        """A signed-in state, in the JSON of AWS's own files in ~/.aws/sso/cache."""
        registered = self.register({"clientType": "public", "clientName": name, "scopes": [ACCOUNT_SCOPE]})
        sign_in = SignIn(self._portal(start_url), registered["clientId"])
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


def _plain(start_url: str) -> str:
    return start_url.partition("#")[0].rstrip("/")


def _same_but_port(uri: str, registered: str) -> bool:
    """RFC 8252 7.3: a loopback redirect may come with any port."""
    one, other = urlsplit(uri), urlsplit(registered)
    return (one.scheme, one.hostname, one.path) == (other.scheme, other.hostname, other.path)


def _utc(epoch: float) -> str:
    return f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%dT%H:%M:%SZ}"
