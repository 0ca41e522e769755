"""One process at a time for a (profile, flags), before anything heavy is imported; and word for those who wait."""

import fcntl
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Found = TypeVar("Found")

WAIT = 30.0  # seconds for another process's renewal
WAIT_FOR_PERSON = 600.0  # seconds for another process's question to a person
RECENT = 60.0  # seconds after which a renewal that can wait is tried again

holding: "list[int]" = []  # descriptors of the locks that this process has; the one taken here is kept until it ends


def wait(root: str, name: str, look: "Callable[[], Found | None]") -> "Found | None":
    """Take the lock of this (profile, flags), or wait until whoever has it has stored an answer: what *look* then finds.

    None: go on, holding the lock, which the kernel frees at exit.
    """
    try:
        descriptor = _opened(root, name)
    except OSError:
        return None
    began, pause, told = time.monotonic(), 0.02, False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        except OSError:
            return None  # no locks on this file system: go on without
        else:
            hold(descriptor)
            return look()  # whoever had it may have stored an answer
        waited = time.monotonic() - began
        owner, patience = owner_of(descriptor)
        if waited > patience:
            return None
        if waited > 1.0 and not told:
            told = True
            whose = f" (process {owner})" if owner else ""
            sys.stderr.write(
                f"awsenv: waiting for another shell that is getting the same identity{whose}; Ctrl-C stops\n"
            )
            sys.stderr.flush()
        time.sleep(pause)
        pause = min(0.25, pause * (1.3 + (os.getpid() % 16) / 32))
        found = look()
        if found is not None:
            os.close(descriptor)
            return found


def is_tried(root: str, name: str, now: float) -> bool:
    """Whether somebody is at it, or was less than a minute before *now* (epoch seconds): for a renewal that can wait.

    Taking a lock writes to its file (`hold`), so the file's own time tells.
    """
    try:
        descriptor = os.open(f"{root}/locks/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if 0 <= now - os.fstat(descriptor).st_mtime < RECENT:
            return True
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # closing it gives it back
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def try_take(root: str, name: str) -> "tuple[int, float] | None":
    """(descriptor, when it was last held, 0.0 for never) of the lock of this (profile, flags), which is ours until that is
    closed, here and in whoever inherits it; None where another process has it, or there are no locks to be had."""
    try:
        descriptor = _opened(root, name)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        about = os.fstat(descriptor)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor, about.st_mtime if about.st_size else 0.0


def _opened(root: str, name: str) -> int:
    return os.open(f"{root}/locks/{name}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def hold(descriptor: int) -> None:
    """Note in a lock that we have just taken who has it, for the message of those who wait."""
    holding.append(descriptor)
    _note(descriptor, "")


def let_go() -> None:
    """Give back what is held: what a person is asked from here on is nobody else's concern."""
    while holding:
        os.close(holding.pop())


def owner_of(descriptor: int) -> "tuple[str, float]":
    """(process id of a lock's owner, how many seconds to wait for it: longer while it asks a person something)."""
    pid, _, state = os.pread(descriptor, 64, 0).decode("ascii", "replace").split("\n")[0].partition(" ")
    return pid if pid.isdigit() else "", WAIT_FOR_PERSON if state == "person" else WAIT


def wait_for_person(asks: bool) -> None:
    """Tell those who wait for this process that it waits for a person, or does so no more."""
    for descriptor in holding:
        _note(descriptor, " person" if asks else "")


def _note(descriptor: int, state: str) -> None:
    try:
        text = f"{os.getpid()}{state}\n".encode()
        os.pwrite(descriptor, text, 0)  # before the rest is cut off: a reader in between must not find nothing
        os.ftruncate(descriptor, len(text))
    except OSError:
        pass  # a full disk: the lock holds all the same, only the message to others is poorer
