"""The file in which a CI job's later steps find their environment: appended to, never made or replaced."""

from __future__ import annotations

import os
import stat

from awsenv.errors import Storage


def append(path: str, text: str) -> None:
    """Add *text* to the regular file at *path*; raises Storage where there is none, or it can't be written."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        raise Storage(f"can't write {path}: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Storage(f"can't write {path}: it is not a regular file")
        data = text.encode("utf-8", "surrogateescape")
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError as error:
        raise Storage(f"can't write {path}: {error.strerror}") from None
    finally:
        os.close(descriptor)
