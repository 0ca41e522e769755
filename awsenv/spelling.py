"""The options over any profile as they are spelled: on a command line, and in AWSENV_OPTIONS. The fast lane's: os alone."""

import os

REPEATED = ("--tag", "--policy-arn")
TAKE = ("--role", "--session-name", "--external-id", "--source-identity", *REPEATED, "--policy")
FLAG = "--read-only"
# What a policy file held when `use` read it. AWSENV_OPTIONS alone says it, and no command line can.
SEEN = "--policy-sha256"
KNOWN = (*TAKE, SEEN, FLAG)

_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.,@:/+=-"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Over = tuple[tuple[str, str], ...]  # (option, value; "" for the flag)


def canonical(pairs: "Sequence[tuple[str, str]]") -> "Over":
    """The same for every way to write the same: in one order, the last of what counts once, a policy's path absolute."""
    given: dict[str, list[str]] = {}
    for option, value in pairs:
        if option == "--policy":
            given.pop(SEEN, None)  # that was another file, or the same at another time
            value = _absolute(value)
        given[option] = [*given.get(option, []), value] if option in REPEATED else [value]
    return tuple((option, value) for option in KNOWN for value in given.get(option, []))


def _absolute(path: str) -> str:
    # Not abspath, which would take a/link/../b for a/b.
    try:
        return os.path.join(os.getcwd(), path) if path else path
    except OSError:
        return path  # the folder is gone, and so is the file


def text(over: "Over") -> str:
    """As AWSENV_OPTIONS keeps them: words with a blank between."""
    return " ".join(option if option == FLAG else f"{option}={packed(value)}" for option, value in over)


def packed(value: str) -> str:
    """*value* without blanks, and not ending in a dash: a shim tells the options from the profile by `-- `."""
    out = "".join(
        chr(byte) if chr(byte) in _PLAIN else f"%{byte:02X}" for byte in value.encode("utf-8", "surrogateescape")
    )
    return f"{out[:-1]}%2D" if out.endswith("-") else out


def unpacked(value: str) -> "str | None":
    """The reverse; None for what packed did not write."""
    first, *rest = value.split("%")
    try:
        data = first.encode("utf-8", "surrogateescape")
        for part in rest:
            data += bytes((int(part[:2], 16),)) + part[2:].encode("utf-8", "surrogateescape")
    except ValueError:
        return None
    found = data.decode("utf-8", "surrogateescape")
    return found if packed(found) == value else None


def narrowed(options: str) -> str:
    """What AWSENV_OPTIONS says of a session policy: "read-only", "limited", or "" for none."""
    words = [word for word in options.split() if word == FLAG or word.startswith(("--policy=", "--policy-arn="))]
    if not words:
        return ""
    reads = words == [FLAG] or (len(words) == 1 and words[0].endswith(":iam::aws:policy/ReadOnlyAccess"))
    return "read-only" if reads else "limited"
