"""Store, the port behind which credentials are kept, and FileStore: 0600 in a 0700 folder of ours, atomic, locked.

The files are those that hot.py reads: keys/K per chain key, index/… without secrets, locks/… never removed (a lock file
that is unlinked has had two owners).
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol

from awsenv import shelf, turn
from awsenv.errors import Storage, Unreachable
from awsenv.model import Credentials
from awsenv.text import word

_LONGEST_SESSION = 13 * 3600.0  # seconds; AWS gives no role session more than twelve hours
_LONGEST_LEFTOVER = 3600.0  # seconds
_LONGEST_MARK = 100 * 86400.0  # seconds; a client registration, and with it any refresh token, dies after 90 days
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EIO, errno.ENOSYS)


class Store(Protocol):
    """Where role credentials are kept between calls."""

    def get(self, key: str) -> Credentials | None:
        """What was put under *key*, expired or not; None where there is nothing that can be read."""

    def put(self, key: str, credentials: Credentials) -> None:
        """Keep *credentials*; raises Storage where that can't be done."""

    def drop(self, key: str) -> None:
        """Forget *key*; nothing happens where there is nothing."""

    def locked(self, key: str, wait: bool = True) -> AbstractContextManager[bool]:
        """One process at a time per *key*; yields whether it is us. Raises Unreachable, naming the owner, after 30 s."""


class NoStore:
    """What stands in when there is no folder fit to keep anything in: nothing is read, nothing written."""

    def get(self, key: str) -> Credentials | None:
        return None

    def put(self, key: str, credentials: Credentials) -> None:
        del key, credentials

    def drop(self, key: str) -> None:
        del key

    @contextmanager
    def locked(self, key: str, wait: bool = True) -> Iterator[bool]:
        yield True


class FileStore:
    """The store in files. *started* says when the machine was started, by its clock: without it, a clock that was set back
    goes unnoticed."""

    def __init__(self, root: str, started: Callable[[], float] | None = None) -> None:
        self.root = root
        self._started = started

    def get(self, key: str) -> Credentials | None:
        entry = shelf.parse_entry(shelf.read_private(self._path(key)))
        if entry is None:
            return None
        (expires, _, issued, started), pairs = entry
        values = dict(pairs)
        # Its times are by the clock as it was; here they are by the clock as it is.
        by = shelf.set_back(started, self._started()) if self._started is not None else 0.0
        if "AWS_ACCESS_KEY_ID" not in values or "AWS_SECRET_ACCESS_KEY" not in values:
            return None
        return Credentials(
            values["AWS_ACCESS_KEY_ID"],
            values["AWS_SECRET_ACCESS_KEY"],
            values.get("AWS_SESSION_TOKEN"),
            issued_at=issued if issued is None else issued - by,
            expires_at=expires if expires is None else expires - by,
            account_id=values.get("AWS_ACCOUNT_ID"),
        )

    def put(self, key: str, credentials: Credentials) -> None:
        started = self._started() if self._started is not None else None
        times = (credentials.expires_at, credentials.refresh_at, credentials.issued_at, started)
        head = " ".join([shelf.FORMAT, *("-" if t is None else repr(float(t)) for t in times)])
        lines = [head, *(f"{name}={value}" for name, value in credentials.variables())]
        if any(c < " " for line in lines for c in line):
            raise Storage("AWS answered with control characters in a key; it is not kept")
        write_private(self._path(key), "\n".join(lines) + "\n")
        self._sweep()

    def _sweep(self) -> None:
        """Remove what no session can need any more, and what a killed process left behind."""
        now = time.time()  # noqa: TID251  # compared with the file system's own times
        for folder, longest in (("keys", _LONGEST_SESSION), ("marks", _LONGEST_MARK), ("index", math.inf)):
            with os.scandir(f"{self.root}/{folder}") as entries:
                for entry in entries:
                    oldest = _LONGEST_LEFTOVER if entry.name.endswith(".tmp") else longest
                    with suppress(FileNotFoundError):  # others sweep, too
                        if now - entry.stat(follow_symlinks=False).st_mtime > oldest:
                            os.unlink(entry.path)

    def drop(self, key: str) -> None:
        remove(self._path(key))

    def of_login(self, login: str) -> dict[str, Credentials]:
        """What came from *login* (a step's `login`), by key, expired or not."""
        found = {name: self.get(name) for name in self._names("keys") if name.startswith(f"{login}-")}
        return {name: credentials for name, credentials in found.items() if credentials is not None}

    def drop_login(self, login: str) -> None:
        """Forget all that came from *login*, and every recorded answer that hands it out; raises Storage."""
        for name in self._names("index"):
            text = shelf.read_private(f"{self.root}/index/{name}") or ""
            if f"\nchain\t{login}-" in text:
                remove(f"{self.root}/index/{name}")
        for name in self._names("keys"):
            if name.startswith(f"{login}-"):
                self.drop(name)

    def _names(self, folder: str) -> list[str]:
        try:
            return [name for name in os.listdir(f"{self.root}/{folder}") if not name.endswith(".tmp")]
        except OSError as error:
            raise Storage(f"can't read {self.root}/{folder}: {error.strerror}") from None

    @contextmanager
    def locked(self, key: str, wait: bool = True) -> Iterator[bool]:
        with lock(f"{self.root}/locks/{key}", wait) as is_ours:
            yield is_ours

    def _path(self, key: str) -> str:
        return f"{self.root}/keys/{key}"


def open_store(root: str | None, started: Callable[[], float] | None = None) -> tuple[Store, str | None]:
    """The store at *root*, made where it is missing, and what is wrong with it, in one line, where it can't be used."""
    if root is None:
        return NoStore(), "there is no folder to keep credentials in (HOME is not set): nothing is kept"
    try:
        for folder in (root, *(f"{root}/{part}" for part in ("keys", "index", "locks", "marks"))):
            make_private_folder(folder)
    except Storage as error:
        if (error.hint or "").startswith("chmod"):
            error.hint = f"chmod -R go-rwx {word(root)}"  # one open folder is seldom alone
        return NoStore(), f"{error.what}: nothing is kept" + (f" (fix: {error.hint})" if error.hint else "")
    return FileStore(root, started), None


def make_folder(path: str) -> None:
    """Make *path*, and what is above it, 0700 where it is missing; what is there stays as it is. Raises Storage."""
    missing = []
    above = path
    while not os.path.isdir(above) and above != os.path.dirname(above):
        missing.append(above)
        above = os.path.dirname(above)
    for folder in reversed(missing):
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass  # another process was quicker, or it is no folder: then the next step says so
        except OSError as error:
            raise Storage(f"can't make {folder}: {error.strerror}") from None


def make_private_folder(path: str) -> None:
    """Make *path* 0700 where it is missing, and raise Storage unless it is a folder, ours, and for nobody else."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        try:
            os.mkdir(path, 0o700)
            os.chmod(path, 0o700)  # whatever the umask took away
        except FileExistsError:
            pass
        about = os.lstat(path)
    except OSError as error:
        raise Storage(f"can't use {path}: {error.strerror}") from None
    kind, mode = about.st_mode & 0o170000, about.st_mode & 0o077
    if kind == 0o120000:
        raise Storage(f"{path} is a symbolic link", hint=f"rm {word(path)}")
    if kind != 0o040000:
        raise Storage(f"{path} is not a folder", hint=f"rm {word(path)}")
    if about.st_uid != os.geteuid():
        raise Storage(f"{path} belongs to somebody else", hint=f"sudo rm -r {word(path)}")
    if mode:
        raise Storage(f"{path} is open to others", hint=f"chmod 700 {word(path)}")


def remove(path: str) -> None:
    """Remove *path*, where there is one; raises Storage."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Storage(f"can't remove {path}: {error.strerror}") from None


def write_private(path: str, text: str, sync: bool = False) -> None:
    """Put *text* at *path* in one step: readers see the old file or the new one. Mode 0600, whatever the umask."""
    with reserved(path, 0) as place:
        place.keep(text, sync)


class Place:
    """A temporary file beside its target, already on the disk."""

    def __init__(self, descriptor: int, temporary: str, path: str) -> None:
        self._descriptor = descriptor
        self._temporary = temporary
        self._path = path

    def keep(self, text: str, sync: bool = True) -> None:
        """Write *text* and put it in the target's place; raises Storage."""
        try:
            data = text.encode("utf-8", "surrogateescape")
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            written = 0
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
            os.ftruncate(self._descriptor, len(data))
            if sync:
                os.fsync(self._descriptor)
            os.rename(self._temporary, self._path)
            if sync:
                _sync_folder(os.path.dirname(self._path))
        except OSError as error:
            raise Storage(f"can't write {self._path}: {error.strerror}") from None


def _sync_folder(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return  # the file is in its place; some network file systems sync no folder, and only a power cut would tell
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


@contextmanager
def reserved(path: str, size: int) -> Iterator[Place]:
    """Room of *size* bytes for a new *path*, proven before it is needed; raises Storage. What isn't kept is removed."""
    temporary = f"{os.path.dirname(path)}/.awsenv-{os.getpid()}-{random.getrandbits(48):012x}.tmp"
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Storage(f"can't write in {os.path.dirname(path)}: {error.strerror}") from None
    try:
        os.fchmod(descriptor, 0o600)
        if size:
            try:
                left = size
                while left > 0:  # a disk with room for a part of it takes that part, and says nothing
                    left -= os.write(descriptor, b" " * left)
                os.fsync(descriptor)
            except OSError as error:
                raise Storage(f"can't write in {os.path.dirname(path)}: {error.strerror}") from None
        yield Place(descriptor, temporary, path)
    finally:
        os.close(descriptor)
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass


@contextmanager
def lock(
    path: str,
    wait: bool = True,
    is_done: Callable[[], bool] = lambda: False,
    on_wait: Callable[[str, bool], None] = lambda owner, is_person: None,
) -> Iterator[bool]:
    """flock on *path*, freed by the kernel whatever becomes of us; yields whether it is ours.

    Polled from 20 to 250 ms; *is_done* is asked each round, and True ends the waiting with False. *on_wait* is called each
    round with the owner's process id ("" where unknown) and whether it waits for a person. A file system without locks
    yields True. Raises Unreachable, naming the owner, when it isn't free in time.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        yield True  # nowhere to lock: single flight is lost, the answer isn't
        return
    try:
        yield _acquire(descriptor, wait, is_done, on_wait)
    finally:
        if descriptor in turn.holding:
            turn.holding.remove(descriptor)
        os.close(descriptor)


def _acquire(descriptor: int, wait: bool, is_done: Callable[[], bool], on_wait: Callable[[str, bool], None]) -> bool:
    began, pause = time.monotonic(), 0.02
    last: tuple[str, float] | None = None
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait or is_done():
                return False
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return True
            raise Storage(f"can't lock: {error.strerror}") from None
        else:
            turn.hold(descriptor)
            return True
        owner, patience = turn.owner_of(descriptor)
        if last != (owner, patience):  # another one's turn, or it no longer waits for a person: patience begins anew
            last, began = (owner, patience), time.monotonic()
        on_wait(owner, patience > turn.WAIT)
        if time.monotonic() - began > patience:
            raise Unreachable(
                f"another awsenv (process {owner or 'unknown'}) has been renewing this for {patience:.0f} s"
            )
        time.sleep(pause)
        pause = min(0.25, pause * random.uniform(1.2, 1.8))
