"""TokenCache: a folder of AWS's own with the tokens of logins, read and written in AWS's format: one login serves all."""

from __future__ import annotations

import calendar
import hashlib
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Generic

from awsenv import shelf
from awsenv.errors import Storage
from awsenv.model import Refusal, Registration, SsoSession, SsoToken, TokenT, Trouble, rfc3339
from awsenv.store import FileStore, Place, Store, lock, make_folder, remove, reserved, write_private

_ROOM = 8 << 10  # bytes beyond the old token's size
_LARGEST = 1 << 20  # bytes
_REREADS, _LONGEST_WRITE = 3, 0.5  # of half a file; seconds
_LONGEST_LEFTOVER = 3600.0  # seconds; a login waits ten minutes for its person
_SHORTEST_WAIT, _LONGEST_WAIT = 30.0, 300.0  # seconds after a renewal that failed, shared by all processes
_REFUSED_FOR = 60.0  # seconds in which a role that AWS refused is not asked for again


LOGIN = "awsenvLogin"  # a field of the token's file, which AWS's tools leave alone or drop


def token_path(folder: str, key: str) -> str:
    """The token file: botocore's utils.SSOTokenLoader names it by the SHA-1 of the session's name or start URL."""
    digest = hashlib.sha1(key.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    return f"{folder}/{digest}.json"


def registration_path(folder: str, session: SsoSession) -> str:
    """The client registration's file, under the AWS CLI's own key (its SSOTokenFetcher): one serves both."""
    asked = {
        "tool": "botocore",
        "startUrl": session.start_url,
        "region": session.region,
        "scopes": list(session.asked_scopes) if session.asked_scopes is not None else None,
        "session_name": session.name,
    }
    return token_path(folder, json.dumps(asked, sort_keys=True))


class _Successor(Generic[TokenT]):
    def __init__(self, place: Place, written: Callable[[TokenT], dict[str, object]]) -> None:
        self._place = place
        self._written = written

    def keep(self, token: TokenT) -> None:
        self._place.keep(json.dumps(self._written(token)))


class TokenFiles(Generic[TokenT]):
    """The TokenCache port over a folder of AWS's, less the format of its files; locks and marks lie in our own store."""

    lock_prefix: str

    def __init__(self, folder: str, store: Store, now: Callable[[], float]) -> None:
        """*now*: epoch seconds, to compare with the file system's own times."""
        self._folder = folder
        self._now = now
        self._root = store.root if isinstance(store, FileStore) else None

    def path(self, key: str) -> str:
        """The file of the token that is named after *key*."""
        raise NotImplementedError

    def read(self, fields: dict[str, object]) -> TokenT | None:
        """The token of such a file; None where it is none."""
        raise NotImplementedError

    def written(self, token: TokenT, before: dict[str, object]) -> dict[str, object]:
        """The fields of *token*'s file in the place of one with those of *before*: what we don't know, stays."""
        raise NotImplementedError

    def load(self, key: str) -> TokenT | None:
        fields = self._whole(self.path(key))
        return self.read(fields) if fields else None

    def _whole(self, path: str) -> dict[str, object] | None:
        """The file's fields. The AWS CLI writes in place, and a reader can see half a file: it is read again before it is none.

        Three times are enough for a file that lies there damaged; one that was touched just now, by a writer that a busy
        machine has put aside, gets half a second.
        """
        began, reads = time.monotonic(), 0
        while True:
            fields = _read(path)
            reads += 1
            if fields is None or fields:
                return fields
            if reads > _REREADS and not (time.monotonic() - began < _LONGEST_WRITE and self._is_just_written(path)):
                return None
            time.sleep(0.015 * random.uniform(0.7, 1.3))

    def _is_just_written(self, path: str) -> bool:
        about = shelf.stat_of(path)
        return about is not None and abs(self._now() - about.st_mtime) < 1.0

    @contextmanager
    def locked(
        self,
        key: str,
        wait: bool,
        is_done: Callable[[], bool] = lambda: False,
        on_wait: Callable[[str, bool], None] = lambda owner, is_person: None,
    ) -> Iterator[bool]:
        if self._root is None:
            yield True
            return
        with lock(f"{self._root}/locks/{self.lock_prefix}{digest(key)}", wait, is_done, on_wait) as is_ours:
            yield is_ours

    @contextmanager
    def successor(self, key: str, anew: bool = False) -> Iterator[_Successor[TokenT]]:
        path = self.path(key)
        make_folder(self._folder)
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise Storage(f"can't write in {self._folder}, where the login has to go")
        if not anew and os.stat(self._folder).st_uid != os.geteuid():
            # As under sudo: the new file would be root's, and its person's login gone.
            raise Storage(f"{self._folder} belongs to somebody else; their login is not renewed from here")
        old = shelf.stat_of(path)
        with reserved(path, (old.st_size if old else 0) + _ROOM) as place:
            _sweep(self._folder)
            before = {} if anew else _read(path) or {}
            yield _Successor(place, lambda token: self.written(token, before))

    def drop(self, key: str) -> None:
        remove(self.path(key))

    def trouble(self, key: str) -> Trouble | None:
        text = shelf.read_private(f"{self._root}/marks/wait-{digest(key)}") if self._root is not None else None
        if text is None:
            return None
        try:
            at, next_attempt, count, kind, what = text.rstrip("\n").split("\t")
            return Trouble(float(at), float(next_attempt), int(count), kind == "busy", what)
        except ValueError:
            return None

    def note_trouble(self, key: str, now: float, what: str, retry_after: float | None, is_busy: bool) -> None:
        if self._root is None:
            return
        before = self.trouble(key)
        count = before.count + 1 if before is not None and now - before.next_attempt < _LONGEST_WAIT else 1
        wait = min(_LONGEST_WAIT, max(_SHORTEST_WAIT * 2 ** min(count - 1, 9), retry_after or 0.0))
        words = " ".join(what.split())
        line = f"{now!r}\t{now + wait!r}\t{count}\t{'busy' if is_busy else 'silent'}\t{words}\n"
        _write_mark(f"{self._root}/marks/wait-{digest(key)}", line)

    def clear_trouble(self, key: str) -> None:
        if self._root is not None:
            with suppress(Storage):
                remove(f"{self._root}/marks/wait-{digest(key)}")

    def may_start_worker(self, key: str, now: float, pause: float) -> bool:
        if self._root is None:
            return False
        with self.locked(key, wait=False) as is_ours:
            if not is_ours:
                return False
            path = f"{self._root}/marks/worker-{digest(key)}"
            text = shelf.read_private(path) or ""
            if text[:-1].replace(".", "", 1).isdigit() and 0 <= now - float(text) < pause:
                return False
            write_private(path, f"{now}\n")
            return True

    def is_void(self, token: TokenT) -> bool:
        return self._root is not None and shelf.read_private(self._void(token)) is not None

    def mark_void(self, token: TokenT) -> None:
        if self._root is not None:
            _write_mark(self._void(token), "refused\n")

    def _void(self, token: TokenT) -> str:
        return f"{self._root}/marks/void-{digest(token.access_token)}"

    def is_dead(self, token: TokenT) -> bool:
        path = self._mark(token)
        return path is not None and shelf.read_private(path) is not None

    def mark_dead(self, token: TokenT) -> None:
        path = self._mark(token)
        if path is not None:
            _write_mark(path, "refused\n")

    def _mark(self, token: TokenT) -> str | None:
        if self._root is None or token.refresh_token is None:
            return None
        return f"{self._root}/marks/dead-{digest(token.refresh_token)}"


class AwsTokenCache(TokenFiles[SsoToken]):
    """The SsoTokenCache port over `~/.aws/sso/cache`."""

    lock_prefix = "sso-"

    def path(self, key: str) -> str:
        return token_path(self._folder, key)

    def read(self, fields: dict[str, object]) -> SsoToken | None:
        return _token(fields)

    def written(self, token: SsoToken, before: dict[str, object]) -> dict[str, object]:
        renewed = header_text(token.raw.get("accessToken"))
        fields = {
            # AWS's tools write none; a renewal keeps the name
            **({LOGIN: digest(renewed)} if renewed is not None else {}),
            **before,
            **token.raw,
            "accessToken": token.access_token,
            "expiresAt": rfc3339(token.expires_at),
        }
        if token.refresh_token is not None:
            fields["refreshToken"] = token.refresh_token
        return fields

    def login_id(self, token: SsoToken) -> str:
        """The name that we gave the login, and keep as it is renewed; a token of AWS's own tools is a login by itself.

        Not the client registration: that serves one login after the other, of one person and of another.
        """
        return header_text(token.raw.get(LOGIN)) or digest(token.access_token)

    def is_login_of_ours(self, token: SsoToken, seen: SsoToken) -> bool:
        return LOGIN in token.raw and self.login_id(token) != self.login_id(seen)

    def registration(self, session: SsoSession, with_callback: bool) -> Registration | None:
        fields = self._whole(registration_path(self._folder, session)) or {}
        client_id, secret = header_text(fields.get("clientId")), header_text(fields.get("clientSecret"))
        expires, scopes, grants = epoch_of(fields.get("expiresAt")), fields.get("scopes"), fields.get("grantTypes")
        if client_id is None or secret is None or expires is None or "accessToken" in fields:
            return None
        granted = tuple(str(name) for name in grants) if isinstance(grants, list) else ()
        if ("authorization_code" in granted) != with_callback:
            return None  # the AWS CLI keeps one of either kind, too
        return Registration(
            client_id, secret, expires, tuple(str(s) for s in scopes) if isinstance(scopes, list) else (), granted
        )

    def keep_registration(self, session: SsoSession, registration: Registration) -> None:
        fields: dict[str, object] = {
            "clientId": registration.client_id,
            "clientSecret": registration.client_secret,
            "expiresAt": rfc3339(registration.expires_at),
            "scopes": list(registration.scopes),
        }
        if registration.grant_types:
            fields["grantTypes"] = list(registration.grant_types)
        write_private(registration_path(self._folder, session), json.dumps(fields))

    def drop_registration(self, session: SsoSession) -> None:
        remove(registration_path(self._folder, session))

    def refusal(self, token: SsoToken, name: str, now: float) -> Refusal | None:
        text = shelf.read_private(self._refused(token, name)) if self._root is not None else None
        try:
            at, what, hint = json.loads(text or "null")
        except (ValueError, TypeError):
            return None
        since = now - at
        return Refusal(what, hint, _REFUSED_FOR - since) if 0 <= since < _REFUSED_FOR else None

    def note_refusal(self, token: SsoToken, name: str, now: float, what: str, hint: str | None) -> None:
        if self._root is not None:
            _write_mark(self._refused(token, name), f"{json.dumps([now, what, hint])}\n")

    def _refused(self, token: SsoToken, name: str) -> str:
        return f"{self._root}/marks/refused-{digest(f'{token.access_token} {name}')}"


def _write_mark(path: str, line: str) -> None:
    """A mark spares others a call; a full disk must not turn what it stands for into another failure."""
    with suppress(Storage):
        write_private(path, line)


def _sweep(folder: str) -> None:
    """Remove the rooms that were reserved by processes killed since: a closed terminal in the middle of a login."""
    try:
        now = os.stat(folder).st_mtime  # by the file system's clock: a room has just been made in it
        names = os.listdir(folder)
    except OSError:
        return  # it may be written in, and not read: then it is not ours to clean
    for name in names:
        if name.startswith(".awsenv-") and name.endswith(".tmp"):
            with suppress(OSError, Storage):
                if now - os.lstat(f"{folder}/{name}").st_mtime > _LONGEST_LEFTOVER:
                    remove(f"{folder}/{name}")


def _read(path: str) -> dict[str, object] | None:
    """The file's fields; {} where it can't be parsed (yet), None where there is no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
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


def digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _token(fields: dict[str, object]) -> SsoToken | None:
    access, expires = header_text(fields.get("accessToken")), epoch_of(fields.get("expiresAt"))
    if access is None or expires is None:
        return None  # a client registration lies in the same folder, and has no token
    return SsoToken(
        access,
        expires,
        refresh_token=header_text(fields.get("refreshToken")),
        client_id=header_text(fields.get("clientId")),
        client_secret=header_text(fields.get("clientSecret")),
        registration_expires_at=epoch_of(fields.get("registrationExpiresAt")),
        raw=fields,
    )


def renewed(token: SsoToken, access_token: str, expires_at: float, refresh_token: str | None) -> SsoToken:
    """The successor of *token*. A reply without a refresh token leaves the old one in force (RFC 6749, section 6)."""
    return replace(
        token, access_token=access_token, expires_at=expires_at, refresh_token=refresh_token or token.refresh_token
    )


def header_text(value: object) -> str | None:
    """A token, an id or a secret: what could not stand in an HTTP header is none."""
    return value if isinstance(value, str) and value.isascii() and value.isprintable() and value else None


def epoch_of(value: object) -> float | None:
    """`2026-11-22T19:52:44Z`, or `…UTC` as old CLIs wrote, as epoch seconds."""
    if not isinstance(value, str):
        return None
    stamp = value.removesuffix("UTC").removesuffix("Z")
    try:
        if len(stamp) > 19:  # a fraction, an offset
            from datetime import UTC, datetime

            time_of = datetime.fromisoformat(stamp)
            return (time_of if time_of.tzinfo else time_of.replace(tzinfo=UTC)).timestamp()
        return float(calendar.timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%S")))
    except (ValueError, OverflowError):
        return None
