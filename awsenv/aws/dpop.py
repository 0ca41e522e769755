"""DPoP (RFC 9449): the key that AWS Sign-In binds a login to, and the proof that we hold it."""

from __future__ import annotations

import secrets

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import ECAlgorithm


def new_key() -> str:
    """A new P-256 key as AWS's tools keep it: SEC 1 in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode("ascii")


def proof(pem: str, url: str, now: float) -> str:
    """The `DPoP` header of one POST to *url* at *now* (epoch seconds); ValueError where *pem* holds no such key."""
    try:
        key = load_pem_private_key(pem.encode("ascii"), None)
    except (ValueError, TypeError):
        raise ValueError("not a private key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a key on the curve P-256")
    public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return jwt.encode(
        {"htm": "POST", "htu": url, "iat": int(now), "jti": secrets.token_urlsafe(24)},
        key,
        algorithm="ES256",
        headers={"typ": "dpop+jwt", "jwk": {name: public[name] for name in ("kty", "crv", "x", "y")}},
    )
