"""AWS Sign-In as `aws login` uses it: codes, rotating refresh tokens, and the key that each login is bound to (DPoP)."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from .behaviour import Behaviour
from .meters import Meters
from .moto_accounts import MotoAccounts
from .refusal import Refusal
from .trust import Caller

SAME_DEVICE = "arn:aws:signin:::devtools/same-device"
CROSS_DEVICE = "arn:aws:signin:::devtools/cross-device"
CONFIRMATION = "/v1/sessions/confirmation"
CODE_SECONDS = 600
SKEW = 300  # seconds that a proof's time may be off


@dataclass(eq=False)
class Login:
    """One login of a person's, until it ends; *key* is the thumbprint of the one that it is bound to."""

    arn: str
    client_id: str
    key: str
    ends: float = inf
    refusal: str | None = None


@dataclass(frozen=True)
class Code:
    arn: str
    client_id: str
    redirect_uri: str
    challenge: str
    expires: float


@dataclass
class Spent:
    at: float
    answer: Mapping[str, Any] = field(repr=False)


class AwsLogins:
    """Every method may be called from any thread, and raises Refusal where AWS would refuse. *person* is who sits at the
    browser: the ARN of an IAM user or of an assumed role's session."""

    def __init__(self, behaviour: Behaviour, meters: Meters) -> None:
        self._behaviour, self._meters = behaviour, meters
        self._lock = threading.RLock()
        self._codes: dict[str, Code] = {}
        self._refresh: dict[str, Login] = {}
        self._spent: dict[str, Spent] = {}
        self._proofs: set[str] = set()
        self.person = ""

    def visitor(self, asked: Mapping[str, str]) -> None:
        """Raises Refusal, before a person is shown anything, unless the visit is one of `aws login`'s."""
        client, redirect = asked.get("client_id", ""), asked.get("redirect_uri", "")
        loopback = re.fullmatch(r"http://127\.0\.0\.1:\d+/oauth/callback", redirect)
        if not ((client == SAME_DEVICE and loopback) or (client == CROSS_DEVICE and redirect.endswith(CONFIRMATION))):
            raise _no("INVALID_REQUEST", "client_id and redirect_uri do not go together")
        if asked.get("code_challenge_method") != "SHA-256" or asked.get("scope") != "openid":
            raise _no("INVALID_REQUEST", "code_challenge_method must be SHA-256, and scope openid")
        if asked.get("response_type") != "code" or len(asked.get("code_challenge", "")) != 43 or not asked.get("state"):
            raise _no("INVALID_REQUEST", "response_type=code, state and a code_challenge are required")
        if not self.person:
            raise _no("INVALID_REQUEST", "Nobody is signed in to the console in this browser")

    def authorize(self, asked: Mapping[str, str]) -> str:
        """The code for a browser's visit."""
        self.visitor(asked)
        code, expires = secrets.token_urlsafe(96), self._behaviour.clock() + CODE_SECONDS
        self._codes[code] = Code(
            self.person, asked["client_id"], asked["redirect_uri"], asked["code_challenge"], expires
        )
        return code

    def token(self, asked: Mapping[str, Any], proof: str, url: str, accounts: MotoAccounts) -> dict[str, Any]:
        """CreateOAuth2Token: POSTed to *url* with *proof* in its header."""
        key = self._proven(proof, url)
        with self._lock:
            if asked.get("grantType") == "authorization_code":
                return self._by_code(asked, key, accounts)
            if asked.get("grantType") == "refresh_token":
                return self._by_refresh_token(asked, key, accounts)
        raise _no("INVALID_REQUEST", "Unsupported grant type")

    def _by_code(self, asked: Mapping[str, Any], key: str, accounts: MotoAccounts) -> dict[str, Any]:
        code = self._codes.pop(str(asked.get("code", "")), None)
        verifier = str(asked.get("codeVerifier", ""))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if code is None or code.expires <= self._behaviour.clock():
            raise _no("AUTHCODE_EXPIRED", "The authorization code has expired")
        if not re.fullmatch(r"[A-Za-z0-9\-._~]{43,128}", verifier) or challenge != code.challenge:
            raise _no("INVALID_REQUEST", "code_verifier does not match")
        if (asked.get("clientId"), asked.get("redirectUri")) != (code.client_id, code.redirect_uri):
            raise _no("INVALID_REQUEST", "client_id or redirect_uri does not match")
        seconds = self._behaviour.sign_in_seconds
        ends = self._behaviour.clock() + (12 * 3600 if seconds is None else seconds)
        login = Login(code.arn, code.client_id, key, ends)
        return {**self._tokens(login, accounts), "idToken": _id_token(login.arn)}

    def _by_refresh_token(self, asked: Mapping[str, Any], key: str, accounts: MotoAccounts) -> dict[str, Any]:
        token = str(asked.get("refreshToken", ""))
        login, spent = self._refresh.get(token), self._spent.get(token)
        is_spent = spent is not None and time.monotonic() - spent.at >= self._behaviour.refresh_grace
        if is_spent:
            self._meters.count_reuse()
        if login is None or is_spent or login.client_id != asked.get("clientId"):
            raise _no("TOKEN_EXPIRED", "The refresh token is not valid any more")
        if login.key != key:
            raise _no("INVALID_REQUEST", "The refresh token is bound to another key")
        if login.refusal is not None:
            raise _no(login.refusal, "The login is over")
        if login.ends <= self._behaviour.clock():
            raise _no("TOKEN_EXPIRED", "The login has expired")
        if spent:
            return dict(spent.answer)
        answer = self._tokens(login, accounts)
        self._spent[token] = Spent(time.monotonic(), answer)
        return answer

    def _tokens(self, login: Login, accounts: MotoAccounts) -> dict[str, Any]:
        seconds = self._behaviour.aws_login_seconds
        keys = self._minted(login.arn, accounts, seconds)
        refresh = f"rt-{secrets.token_urlsafe(96)}"
        self._refresh[refresh] = login
        return {"accessToken": keys, "tokenType": "aws_sigv4", "expiresIn": seconds, "refreshToken": refresh}

    def _minted(self, arn: str, accounts: MotoAccounts, seconds: float) -> dict[str, str]:
        expires = int(self._behaviour.clock() + seconds)
        _, _, _, _, account, who = arn.split(":", 5)
        if who.startswith("assumed-role/"):
            _, role, session = who.split("/", 2)
            minted = accounts.role_session(f"arn:aws:iam::{account}:role/{role}", session, expires)
        else:
            minted = accounts.user_session(Caller("", arn, account, arn, "user"), expires, has_mfa=False)
        return {
            "accessKeyId": minted.access_key_id,
            "secretAccessKey": minted.secret_access_key,
            "sessionToken": minted.session_token,
        }

    def issue(self, arn: str, expires_in: float, region: str | None, accounts: MotoAccounts) -> dict[str, Any]:
        """A logged-in state, in the JSON of AWS's own file in ~/.aws/login/cache."""
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_numbers()
        login = Login(arn, SAME_DEVICE, _thumbprint(public.x, public.y))
        answer = self._tokens(login, accounts)
        expires = datetime.fromtimestamp(self._behaviour.clock() + expires_in, UTC)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
        keys = self._minted(arn, accounts, expires_in)
        made = {"accountId": arn.split(":")[4], "expiresAt": f"{expires:%Y-%m-%dT%H:%M:%SZ}"}
        return {
            "accessToken": {**keys, **made},
            "tokenType": "aws_sigv4",
            "clientId": SAME_DEVICE,
            "refreshToken": answer["refreshToken"],
            "idToken": _id_token(arn),
            "dpopKey": pem,
        } | ({"signInRegion": region} if region else {})

    def end(self, arn: str, reason: str = "TOKEN_EXPIRED") -> None:
        """What is refused from now on, and how: USER_CREDENTIALS_CHANGED after a new password, say."""
        for login in self._refresh.values():
            if login.arn == arn:
                login.refusal = reason

    def _proven(self, proof: str, url: str) -> str:
        """The thumbprint of the key that signed *proof*; raises Refusal where it proves nothing (RFC 9449, section 4.3)."""
        try:
            head, body, tail = proof.split(".")
            header, claims = json.loads(_decoded(head)), json.loads(_decoded(body))
            jwk = header["jwk"]
            x, y = (int.from_bytes(_decoded(jwk[name]), "big") for name in "xy")
            signature = _decoded(tail)
            known = (header["typ"], header["alg"], jwk["kty"], jwk["crv"]) == ("dpop+jwt", "ES256", "EC", "P-256")
            if not known or "d" in jwk or len(signature) != 64:
                raise ValueError
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            public.verify(encode_dss_signature(r, s), f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
            told = (claims["htm"], claims["htu"], abs(claims["iat"] - self._behaviour.clock()) < SKEW)
        except (ValueError, KeyError, TypeError, InvalidSignature):
            raise _no("INVALID_REQUEST", "The DPoP proof is not valid") from None
        if told != ("POST", url, True):
            raise _no("INVALID_REQUEST", f"The DPoP proof is not for this request: {told}")
        with self._lock:
            if claims.get("jti") in self._proofs or not claims.get("jti"):
                raise _no("INVALID_REQUEST", "The DPoP proof was used before")
            self._proofs.add(claims["jti"])
        return _thumbprint(x, y)


def pasted(code: str, state: str) -> str:
    """What the page of a cross-device login shows, to be copied."""
    return base64.b64encode(f"state={state}&code={code}".encode()).decode()


def _no(reason: str, message: str) -> Refusal:
    code = "ValidationException" if reason == "INVALID_REQUEST" else "AccessDeniedException"
    return Refusal(400, code, message, error=reason)


def _id_token(arn: str) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, {"sub": arn, "iss": "fake"})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + ".x"


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _thumbprint(x: int, y: int) -> str:
    return hashlib.sha256(f"{x:064x}{y:064x}".encode()).hexdigest()
