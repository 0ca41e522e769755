"""The fast lane: answers the hot verbs from the store, with sys, os and time alone. Any doubt falls through.

Every prompt-to-prompt `use` comes this way, so what is imported here is what a person waits for; a test counts it. The
cold path writes, beside an identity's keys, an index without secrets: what `use PROFILE FLAGS` answered and which files
that answer was read from. While those files, the environment's plan inputs and the keys' expiry still say the same, the
answer is given again. Otherwise the lock is taken *before* anything heavy is imported, the store read again (another
shell may have been quicker), and only the winner goes on to the cold path.
"""

import os
import time

from awsenv import shelf, variables
from awsenv.render import shells

HOT = ("use", "off", "refresh", "init", "current", "list")
CAPTURED = ("use", "off", "refresh", "logout")

SETTABLE = variables.MANAGED + variables.OWN
_KINDS = ("file", "chain", "key", "slice", "region", "set", "said")  # of lines in an index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Answer:
    """What a hot verb answers: bytes for stdout, a line for the person, an exit status."""

    __slots__ = ("code", "said", "stdout")

    def __init__(self, stdout: bytes = b"", said: str = "", code: int = 0) -> None:
        self.stdout = stdout
        self.said = said
        self.code = code


class Use:
    """`use` as the command line has it. *duration* in seconds or None; *mode* `keys` or `profile`."""

    __slots__ = ("duration", "fresh", "mode", "profile", "region")

    def __init__(self, profile: str) -> None:
        self.profile = profile
        self.region: str | None = None
        self.duration: int | None = None
        self.mode = "keys"
        self.fresh = False

    def options(self) -> str:
        """The options that make the identity what it is, as AWSENV_OPTIONS keeps them."""
        words = [f"--region={self.region}"] if self.region else []
        if self.duration:
            words.append(f"--duration={self.duration}")
        if self.mode != "keys":
            words.append(f"--as={self.mode}")
        return " ".join(words)


def answer(argv: "list[str]", env: "Mapping[str, str]") -> "Answer | None":
    """The answer to *argv* (without the program's name), or None: then the cold path has to."""
    if not argv or argv[0] not in HOT:
        return None
    verb, words = argv[0], argv[1:]
    if verb in ("use", "refresh"):
        request = parse(verb, words, env)
        return None if request is None or request.fresh else _use(request, env)
    from awsenv import quick

    return quick.answer(verb, words, env)


def parse(verb: str, words: "list[str]", env: "Mapping[str, str]") -> "Use | None":
    """`use` and `refresh` in their plain forms; None for all that wants Typer: help, mistakes, anything unknown."""
    names: list[str] = []
    options: list[tuple[str, str]] = []
    fresh = plain = False
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if plain or not word.startswith("-") or word == "-":
            names.append(word)
        elif word == "--":
            plain = True
        elif word == "--fresh":
            fresh = True
        elif word in ("--region", "--duration", "--as") and rest:
            options.append((word, rest.pop(0)))
        elif word.startswith(("--region=", "--duration=", "--as=")):
            option, _, value = word.partition("=")
            options.append((option, value))
        else:
            return None
    if verb == "refresh":
        if names or options or not env.get("AWSENV_PROFILE"):
            return None
        names = [env["AWSENV_PROFILE"]]
        options = _remembered(env.get("AWSENV_OPTIONS", ""))
    elif names == ["-"] and not plain:
        before, _, name = env.get("AWSENV_PREVIOUS", "").partition("-- ")
        names, options = [name], _remembered(before) + options
    if len(names) != 1 or not names[0]:
        return None
    request = Use(names[0])
    request.fresh = fresh
    return request if all(_apply(request, option, value) for option, value in options) else None


def _remembered(text: str) -> "list[tuple[str, str]]":
    pairs = [word.partition("=") for word in text.split()]
    return [(option, value) for option, _, value in pairs]


def _apply(request: Use, option: str, value: str) -> bool:
    if option == "--region":
        request.region = value
        return is_region(value)
    if option == "--as":
        request.mode = value
        return value in ("keys", "profile")
    if option == "--duration":
        from awsenv.text import seconds_of

        request.duration = seconds_of(value)
        return request.duration is not None
    return False


def is_region(text: str) -> bool:
    """Whether *text* can be a region's name: it goes into host names and prompts."""
    plain = text.isascii() and text.replace("-", "").isalnum() and text == text.lower()
    return plain and len(text) <= 40 and not text.startswith("-")


def ambient_region(env: "Mapping[str, str]") -> "str | None":
    """The region that the user had before awsenv: in an awsenv shell, the one remembered, never the one that we set."""
    if env.get("AWSENV_PROFILE"):
        return env.get("AWSENV_REGION_BEFORE") or None
    return env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or None


# use


def _use(request: Use, env: "Mapping[str, str]") -> "Answer | None":
    shell, _, protocol = env.get("AWSENV_SHIM", "").partition(":")
    root = shelf.store_root(env)
    name = shelf.index_name(request)
    if shell not in shells.DIALECTS or protocol != str(shells.PROTOCOL) or root is None or name is None:
        return None
    if not shelf.is_ours(root):
        return None
    found = _look_up(root, name, request, shell, env)
    if found is None:
        from awsenv import turn  # a warm answer needs no lock

        again = lambda: _look_up(root, name, request, shell, env)  # noqa: E731
        found = turn.wait(root, name, again)
    return found


def _look_up(root: str, name: str, request: Use, shell: str, env: "Mapping[str, str]") -> "Answer | None":
    text = shelf.read_private(f"{root}/index/{name}")
    if text is None or not text.startswith(
        f"{shelf.FORMAT}\nprofile\t{request.profile}\ninputs\t{shelf.inputs(env)}\n"
    ):
        return None
    lines = [line.split("\t") for line in text[:-1].split("\n")[3:]]
    try:
        return _from_index(root, lines, request, shell, env) if _is_whole(lines) else None
    except (IndexError, ValueError, OSError):
        return None  # not in our format, or the file behind it is gone: the cold path writes it anew


def _is_whole(lines: "list[list[str]]") -> bool:
    """Whether an index was not cut short, and gives values to nothing but what awsenv manages."""
    known = all(line[0] in _KINDS for line in lines)
    return (
        known and lines[-1][0] == "said" and all(line[1] in SETTABLE for line in lines if line[0] in ("set", "slice"))
    )


def _from_index(
    root: str, lines: "list[list[str]]", request: Use, shell: str, env: "Mapping[str, str]"
) -> "Answer | None":
    assign: list[tuple[str, str]] = []
    files: list[tuple[str, str]] = []
    said = request.profile
    expires: float | None = None
    for kind, *fields in lines:
        if kind == "file":
            files.append((fields[0], fields[1]))
            if shelf.fingerprint(shelf.stat_of(fields[0])) != fields[1]:
                return None
        elif kind == "key":
            entry = shelf.parse_entry(shelf.read_private(f"{root}/keys/{fields[0]}"))
            if entry is None:
                return None
            expires, refresh_at, _ = entry[0]
            if refresh_at is not None and time.time() >= refresh_at:
                return None
            assign += entry[1]
        elif kind == "slice":
            path, stamp = files[int(fields[1])]
            assign.append((fields[0], _slice(path, stamp, int(fields[2]), int(fields[3]))))
        elif kind == "region":
            region = ambient_region(env) if fields[0] == "*" else fields[0]
            assign += [("AWS_REGION", region), ("AWS_DEFAULT_REGION", region)] if region else []
        elif kind == "set":
            assign.append((fields[0], fields[1]))
        elif kind == "said":
            said = fields[0]
    before = ambient_region(env)
    if before:
        assign.append(("AWSENV_REGION_BEFORE", before))
    if not assign:
        return None
    return Answer(statements(shell, assign), tell(said, expires))


def _slice(path: str, stamp: str, offset: int, length: int) -> str:
    """A static key's secret, from its place in the user's own file: never a copy of it anywhere."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if shelf.fingerprint(os.fstat(descriptor)) != stamp:
            raise ValueError
        return os.pread(descriptor, length, offset).decode("ascii")
    finally:
        os.close(descriptor)


def statements(shell: str, assign: "list[tuple[str, str]]") -> bytes:
    """The reply to a shim: of all that awsenv manages, what isn't set is unset."""
    names = {name for name, _ in assign}
    unset = [name for name in SETTABLE if name not in names]
    return shells.reply(shell, unset, assign).encode("utf-8", "surrogateescape")


def tell(said: str, expires: "float | None") -> str:
    """The line for the person: `fuga · 222222222222 · ReadOnly · 58m`."""
    if expires is None:
        return said
    from awsenv.text import left

    return f"{said} · {left(int(expires) - int(time.time()))}"
