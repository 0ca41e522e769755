"""The user's AWS files as bytes, and a secret read from its line at the moment it is needed."""

from __future__ import annotations

import os
import stat

from awsenv import sections
from awsenv.errors import Config
from awsenv.model import Where

LARGEST = 64 << 20  # bytes; a config file beyond that is a mistake, and reading on would hang
LARGEST_TOKEN = 64 << 10  # bytes; STS takes 20,000 characters


def read(path: str, largest: int = LARGEST) -> bytes:
    """The file's bytes, b"" where there is none; raises Config where it can't be read, or is no regular file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO in its place must not hang us
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise Config(f"can't read {path}: {error.strerror}") from None
    except ValueError:  # a NUL in it
        raise Config(f"can't read {path}: no file can have that name") from None
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise Config(f"{path} is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        if about.st_size > largest:
            raise Config(f"{path} is {about.st_size >> 10} KiB large; awsenv reads at most {largest >> 10}")
        return file.read()


class AwsFiles:
    """The Files port."""

    def value(self, where: Where) -> str:
        """The value of the setting on that line."""
        value, _ = locate(read(where.file), where)
        return value

    def absolute(self, path: str) -> str:
        return os.path.abspath(os.path.expanduser(path))

    def token(self, path: str, where: Where) -> str:
        try:
            data = read(self.absolute(path), LARGEST_TOKEN)
        except Config as error:
            raise Config(error.what, where) from None
        token = data.decode("ascii", "replace").strip()
        if token.isprintable() and token.isascii() and token:
            return token
        what = "holds no token" if data else "is not there, or is empty"
        raise Config(f"{path} {what}", where, "does the program run that writes it?")


def locate(data: bytes, where: Where) -> tuple[str, int]:
    """The value of the one-line setting at *where* and its offset in *data*, in bytes; raises Config where there is none."""
    lines = sections.unified(data).split(b"\n")
    line = lines[where.line - 1] if 0 < where.line <= len(lines) else b""
    cuts = [cut for cut in (line.find(b"="), line.find(b":")) if cut > 0]
    if not cuts or line.lstrip()[:1] in (b"#", b";"):
        raise Config("the file has changed while it was being read", where, "try again")
    raw = line[min(cuts) + 1 :].decode("utf-8", "surrogateescape")
    value = raw.strip()  # as text: the config reader strips every kind of blank, a no-break space too
    before = len(raw[: len(raw) - len(raw.lstrip())].encode("utf-8", "surrogateescape"))
    return value, sum(len(above) + 1 for above in lines[: where.line - 1]) + min(cuts) + 1 + before
