"""Which identities were used, in any shell: for `use -` in a new one, and for the picker's order. Names and options only.

One line a `use`, added by whoever served it, on the hot path too (so this imports os and shelf.py alone, and a failure is
nobody's business): WHEN WEIGHT OPTIONS -- NAME. WHEN is epoch seconds; a WEIGHT halves with every week that passes.
"""

import os

from awsenv import shelf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

HALF = 7 * 86400.0  # seconds
_LARGEST = 64 << 10  # bytes; beyond, one line an identity is left
_MOST = 500  # identities


def path_in(env: "Mapping[str, str]") -> "str | None":
    """The file, in the user's state folder: a restart must not forget it. None where there is no home."""
    folder = shelf.user_folder(env, "state")
    return f"{folder}/history" if folder is not None else None


def note(env: "Mapping[str, str]", options: str, profile: str, now: float) -> None:
    """*profile* was used, with *options*, *now* (epoch seconds). Where that can't be noted, nothing happens."""
    path, identity = path_in(env), f"{options} -- {profile}".lstrip()
    if path is None or not profile or any(c < " " or c == "\x7f" for c in identity):
        return
    line = f"{int(now)} 1 {identity}\n".encode("utf-8", "surrogateescape")
    try:
        size = _append(path, line)
    except OSError:
        return
    if size > _LARGEST:
        _shorten(path)


def _append(path: str, line: bytes) -> int:
    """The file's size afterwards. One write at the end: lines of shells that write at once stay whole."""
    try:
        descriptor = _opened(path)
    except FileNotFoundError:
        from awsenv.errors import Storage  # the first time
        from awsenv.store import make_private_folder

        try:
            make_private_folder(os.path.dirname(path))
        except Storage as error:
            raise OSError(error.what) from None
        descriptor = _opened(path)
    try:
        about = os.fstat(descriptor)
        if about.st_mode & 0o170000 == 0o100000 and about.st_uid == os.geteuid():
            os.write(descriptor, line)
        return about.st_size
    finally:
        os.close(descriptor)


def _opened(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)


def entries(env: "Mapping[str, str]") -> "list[tuple[float, float, str]]":
    """(when, weight then, identity) of each that was used, the last one first. An identity is `OPTIONS -- NAME`."""
    path = path_in(env)
    return _entries(path) if path is not None else []


def _entries(path: str) -> "list[tuple[float, float, str]]":
    found: dict[str, tuple[float, float]] = {}
    for line in (shelf.read_private(path) or "").split("\n"):
        when, _, rest = line.partition(" ")
        weight, _, identity = rest.partition(" ")
        try:
            at, weighs = float(when), float(weight)
        except ValueError:
            continue  # damaged: one line, and no more
        if "-- " in identity and 0 <= at < 1e11 and 0 < weighs < 1e6:
            last, before = found.pop(identity, (at, 0.0))
            newest = max(last, at)
            found[identity] = (newest, decayed(before, newest - last) + decayed(weighs, newest - at))
    last_first = list(found.items())[::-1]  # which decides between two of the same second
    newest_first = sorted(last_first, key=lambda item: -item[1][0])
    return [(at, weighs, identity) for identity, (at, weighs) in newest_first]


def decayed(weight: float, seconds: float) -> float:
    """What is left of *weight* after so long."""
    return weight * float(2.0 ** (-max(0.0, seconds) / HALF))


def last(env: "Mapping[str, str]") -> str:
    """The identity (`OPTIONS -- NAME`) that was used last in any shell and isn't this shell's own; "" where there is none."""
    own = _own(env)
    return next((identity for _, _, identity in entries(env) if _anywhere(identity) != own), "")


def before(env: "Mapping[str, str]") -> str:
    """Where `use -` leads: the shell's own identity before this one, else the last one in any shell; "" for nowhere."""
    own = env.get("AWSENV_PREVIOUS", "")
    # After `region` and a `use` of the same profile the two differ in their regions alone, and it would lead to itself.
    return own if own and _anywhere(own) != _own(env) else last(env)


def _own(env: "Mapping[str, str]") -> str:
    return _anywhere(f"{env.get('AWSENV_OPTIONS', '')} -- {env.get('AWSENV_PROFILE', '')}".lstrip())


def _anywhere(identity: str) -> str:
    """*identity* without its region: turned to another one by `awsenv region`, a shell is still who it was."""
    options, dashes, name = identity.partition("-- ")
    return "".join(f"{word} " for word in options.split() if not word.startswith("--region=")) + dashes + name


def scores(env: "Mapping[str, str]", now: float) -> "dict[str, float]":
    """Profile → how often and how lately it was used, with whatever options; the more the higher."""
    found: dict[str, float] = {}
    for at, weight, identity in entries(env):
        profile = identity.partition("-- ")[2]
        found[profile] = found.get(profile, 0.0) + decayed(weight, now - at)
    return found


def _shorten(path: str) -> None:
    """One line an identity. What another shell adds meanwhile may be lost, which is a line of history."""
    from awsenv.errors import Storage  # once in a thousand times
    from awsenv.store import write_private

    lines = [f"{int(at)} {weight:.3f} {identity}\n" for at, weight, identity in _entries(path)[:_MOST]]
    lines = [line for line in lines if line.split(" ")[1] != "0.000"]
    try:
        write_private(path, "".join(reversed(lines)))
    except Storage:
        pass
