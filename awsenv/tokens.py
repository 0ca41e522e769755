"""TokenCache: AWS's own folder of Identity Center tokens, read and written in AWS's format: one login serves all."""

from __future__ import annotations

import calendar
import hashlib
import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from awsenv import shelf
from awsenv.errors import Storage
from awsenv.model import SsoToken, rfc3339
from awsenv.store import FileStore, Place, Store, lock, reserved, write_private

_ROOM = 8 << 10  # bytes beyond the old token's size
_LARGEST = 1 << 20  # bytes


def token_path(folder: str, key: str) -> str:
    """The token file: botocore's utils.SSOTokenLoader names it by the SHA-1 of the session's name or start URL."""
    digest = hashlib.sha1(key.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    return f"{folder}/{digest}.json"


class _Successor:
    def __init__(self, place: Place, token_file: dict[str, object]) -> None:
        self._place = place
        self._fields = token_file

    def keep(self, token: SsoToken) -> None:
        fields = {
            **self._fields,
            **token.raw,
            "accessToken": token.access_token,
            "expiresAt": rfc3339(token.expires_at),
        }
        if token.refresh_token is not None:
            fields["refreshToken"] = token.refresh_token
        self._place.keep(json.dumps(fields))


class AwsTokenCache:
    """The TokenCache port over `~/.aws/sso/cache`; locks and marks lie in our own store."""

    def __init__(self, folder: str, store: Store) -> None:
        self._folder = folder
        self._root = store.root if isinstance(store, FileStore) else None

    def load(self, key: str) -> SsoToken | None:
        """The AWS CLI writes in place, and a reader can see half a file: it is read again before it counts as none."""
        for attempt in range(4):
            if attempt:
                time.sleep(0.015 * random.uniform(0.7, 1.3))
            fields = self._read(key)
            if fields is None:
                return None
            if fields:
                return _token(fields)
        return None

    def _read(self, key: str) -> dict[str, object] | None:
        """The file's fields; {} where it can't be parsed (yet), None where there is no file."""
        try:
            descriptor = os.open(token_path(self._folder, key), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return None
        about = os.fstat(descriptor)
        if about.st_mode & 0o170000 != 0o100000 or about.st_size > _LARGEST:
            os.close(descriptor)
            return None
        with os.fdopen(descriptor, "rb") as file:
            try:
                fields = json.loads(file.read())
            except (ValueError, RecursionError):
                return {}
        return fields if isinstance(fields, dict) else {}

    def login_id(self, token: SsoToken) -> str:
        """The client registration outlives renewals and not a new login; a token without one is its own login."""
        return hashlib.sha256((token.client_id or token.access_token).encode()).hexdigest()

    @contextmanager
    def locked(self, key: str, wait: bool) -> Iterator[bool]:
        if self._root is None:
            yield True
            return
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        with lock(f"{self._root}/locks/sso-{digest}", wait) as is_ours:
            yield is_ours

    @contextmanager
    def successor(self, key: str) -> Iterator[_Successor]:
        path = token_path(self._folder, key)
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise Storage(f"can't write in {self._folder}, where the renewed login has to go")
        old = shelf.stat_of(path)
        with reserved(path, (old.st_size if old else 0) + _ROOM) as place:
            yield _Successor(place, self._read(key) or {})

    def is_dead(self, token: SsoToken) -> bool:
        path = self._mark(token)
        return path is not None and shelf.read_private(path) is not None

    def mark_dead(self, token: SsoToken) -> None:
        path = self._mark(token)
        if path is not None:
            write_private(path, "refused\n")

    def _mark(self, token: SsoToken) -> str | None:
        if self._root is None or token.refresh_token is None:
            return None
        return f"{self._root}/marks/dead-{hashlib.sha256(token.refresh_token.encode()).hexdigest()}"


def _token(fields: dict[str, object]) -> SsoToken | None:
    access, expires = fields.get("accessToken"), _epoch(fields.get("expiresAt"))
    if not isinstance(access, str) or not access or expires is None:
        return None  # a client registration lies in the same folder, and has no token
    return SsoToken(
        access,
        expires,
        refresh_token=_text(fields.get("refreshToken")),
        client_id=_text(fields.get("clientId")),
        client_secret=_text(fields.get("clientSecret")),
        registration_expires_at=_epoch(fields.get("registrationExpiresAt")),
        raw=fields,
    )


def renewed(token: SsoToken, access_token: str, expires_at: float, refresh_token: str | None) -> SsoToken:
    """The successor of *token*. A reply without a refresh token leaves the old one in force (RFC 6749, section 6)."""
    return replace(
        token, access_token=access_token, expires_at=expires_at, refresh_token=refresh_token or token.refresh_token
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _epoch(value: object) -> float | None:
    """`2026-11-22T19:52:44Z`, or `…UTC` as old CLIs wrote, as epoch seconds."""
    if not isinstance(value, str):
        return None
    stamp = value.removesuffix("UTC").removesuffix("Z").split(".")[0]
    try:
        if len(stamp) > 19:  # an offset
            from datetime import datetime

            return datetime.fromisoformat(value).timestamp()
        return float(calendar.timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%S")))
    except ValueError:
        return None
