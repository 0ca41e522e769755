"""A file that belongs to the person: read, and replaced in one step. Its links, mode and owner stay as they are."""

from __future__ import annotations

import os
import random
import stat

from awsenv.errors import Storage
from awsenv.text import show


def read_whole(path: str) -> bytes | None:
    """A regular file's bytes; None where there is none. Raises OSError for all else (a FIFO would block)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is not a regular file")
    with open(descriptor, "rb") as file:
        return file.read()


def obstacle(path: str) -> str | None:
    """Why the file at *path*, behind all links, can't be replaced; asked first, so that nobody says yes to what can't be."""
    folder = os.path.dirname(path)
    if os.path.lexists(path):
        if not os.access(path, os.W_OK):
            return "it is read-only"
        if os.stat(path).st_nlink > 1:
            return "it has a second name (a hard link), and replacing it would part the two"
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return None if os.access(folder, os.W_OK | os.X_OK) else f"the folder {show(folder)} is read-only"


def replace(path: str, data: bytes, new_mode: int, folder_mode: int = 0o777) -> None:
    """Put *data* at *path* in one step, with the mode and the owner that were there; a new file gets *new_mode*.

    Folders that are missing are made with *folder_mode*. Raises OSError; then everything is as it was.
    """
    os.makedirs(os.path.dirname(path), folder_mode, exist_ok=True)
    try:
        was = os.stat(path)
    except FileNotFoundError:
        was = None
    temporary = f"{os.path.dirname(path)}/.awsenv-{os.getpid()}-{random.getrandbits(48):012x}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600 if was else new_mode)
    try:
        with open(descriptor, "wb") as file:
            if was:
                now = os.fstat(descriptor)
                if (now.st_uid, now.st_gid) != (was.st_uid, was.st_gid):
                    os.fchown(descriptor, was.st_uid, was.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(was.st_mode))
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.rename(temporary, path)
    except BaseException:  # Ctrl-C too
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise


def set_mode(path: str, mode: int) -> None:
    """Give the person's own file or folder at *path*, behind all links, the permissions *mode*; raises Storage."""
    try:
        descriptor = os.open(os.path.realpath(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Storage(f"can't change the permissions of {path}: {error.strerror}") from None
