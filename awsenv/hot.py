"""The fast lane: answers the hot verbs from the store, with sys, os and time alone. Any doubt falls through.

Every prompt-to-prompt `use` comes this way, so what is imported here is what a person waits for; a test counts it. The
cold path writes, beside an identity's keys, an index without secrets: what `use PROFILE FLAGS` answered and which files
that answer was read from. While those files, the environment's plan inputs and the keys' expiry still say the same, the
answer is given again. Otherwise the lock is taken *before* anything heavy is imported, the store read again (another
shell may have been quicker), and only the winner goes on to the cold path.
"""

import os
import time

from awsenv import history, shelf, variables
from awsenv.render import shells

HOT = ("use", "here", "off", "refresh", "region", "init", "current", "list", "export")
CAPTURED = ("use", "here", "off", "refresh", "logout", "region")

SETTABLE = variables.MANAGED + variables.OWN
_KINDS = ("file", "chain", "key", "without", "slice", "region", "set", "guard", "said")  # of lines in an index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Answer:
    """What a hot verb answers: bytes for stdout, a line for the person, an exit status; of a `use`, who the shell becomes."""

    __slots__ = ("code", "identity", "instead", "said", "stdout")

    def __init__(self, stdout: bytes = b"", said: str = "", code: int = 0) -> None:
        self.stdout = stdout
        self.said = said
        self.code = code
        self.identity: tuple[str, str] | None = None  # options, profile
        self.instead: list[str] | None = None  # what the cold path has to answer in place of what was typed


class Use:
    """`use` as the command line has it. *duration* in seconds or None; *mode* `keys` or `profile`; *over* are the options
    over any profile, as spelling.canonical has them."""

    __slots__ = ("duration", "fresh", "mode", "over", "profile", "region")

    def __init__(self, profile: str) -> None:
        self.profile = profile
        self.region: str | None = None
        self.duration: int | None = None
        self.mode = "keys"
        self.fresh = False
        self.over: tuple[tuple[str, str], ...] = ()

    def options(self) -> str:
        """The options that make the identity what it is, as AWSENV_OPTIONS keeps them."""
        words = [f"--region={self.region}"] if self.region else []
        if self.duration:
            words.append(f"--duration={self.duration}")
        if self.mode != "keys":
            words.append(f"--as={self.mode}")
        if self.over:
            from awsenv import spelling  # rare, and so read by those alone who need it

            words.append(spelling.text(self.over))
        return " ".join(words)


def answer(argv: "list[str]", env: "Mapping[str, str]") -> "Answer | None":
    """The answer to *argv* (without the program's name), or None: then the cold path has to."""
    if not argv or argv[0] not in HOT:
        return None
    verb, words = argv[0], argv[1:]
    if verb == "refresh" and "--hook" in words:
        from awsenv import hook

        return hook.answer(words, env)
    if verb == "here":
        from awsenv import here

        return here.answer(words, env)
    if verb in ("use", "refresh"):
        request = parse(verb, words, env)
        if request is None and verb == "use":
            from awsenv import choose  # no name, mostly

            return choose.answer(words, env, time.time())
        served = None if request is None or request.fresh else _use(request, env)
        if served is not None and served.identity is not None and verb == "use":
            history.note(env, *served.identity, time.time())
        return served
    from awsenv import quick

    return quick.answer(verb, words, env)


def parse(verb: str, words: "list[str]", env: "Mapping[str, str]") -> "Use | None":
    """`use` and `refresh` in their plain forms; None for all that wants Typer: help, mistakes, anything unknown."""
    spelled = split(words, ("--region", "--duration", "--as"))
    if spelled is None:
        return None
    names, options, fresh = spelled
    if verb == "refresh":
        if names or options or not env.get("AWSENV_PROFILE"):
            return None
        names = [env["AWSENV_PROFILE"]]
        options = _remembered(env.get("AWSENV_OPTIONS", ""))
    elif names == ["-"] and "--" not in words:
        before, _, name = history.before(env).partition("-- ")
        names, options = [name], _remembered(before) + options
    if len(names) != 1 or not names[0]:
        return None
    request = Use(names[0])
    request.fresh = fresh
    return request if all(apply(request, option, value) for option, value in options) else None


def split(words: "list[str]", valued: "tuple[str, ...]") -> "tuple[list[str], list[tuple[str, str]], bool] | None":
    """(names, options with their values, whether `--fresh` is among them); None where there is anything else.

    *valued* are the options that take a value, besides those over any profile.
    """
    names: list[str] = []
    options: list[tuple[str, str]] = []
    fresh = plain = False
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if plain or not word.startswith("-") or word == "-":
            names.append(word)
        elif word == "--":
            plain = True
        elif word == "--fresh":
            fresh = True
        elif word in valued and rest:
            options.append((word, rest.pop(0)))
        elif equals and option in valued:
            options.append((option, value))
        else:
            from awsenv import spelling

            if word == spelling.FLAG:
                options.append((word, ""))
            elif option in spelling.TAKE and (equals or rest):
                options.append((option, value if equals else rest.pop(0)))
            else:
                return None
    return names, options, fresh


def _remembered(text: str) -> "list[tuple[str, str]]":
    pairs = [word.partition("=") for word in text.split()]
    if "%" not in text:
        return [(option, value) for option, _, value in pairs]
    from awsenv import spelling

    values = [spelling.unpacked(value) for _, _, value in pairs]
    # What we did not write is no option of any kind, and whoever applies it says so.
    return [("", "") if value is None else (pair[0], value) for pair, value in zip(pairs, values, strict=True)]


def apply(request: Use, option: str, value: str) -> bool:
    """Put an option into *request*; False where its value is none of its kind."""
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
    from awsenv import spelling

    if option not in spelling.KNOWN:
        return False
    request.over = spelling.canonical((*request.over, (option, value)))
    return True


def is_region(text: str) -> bool:
    """Whether *text* can be a region's name: it goes into host names and prompts."""
    plain = text.isascii() and text.replace("-", "").isalnum() and text == text.lower()
    return plain and len(text) <= 40 and text.strip("-") == text


def ambient_region(env: "Mapping[str, str]") -> "str | None":
    """The region that the user had before awsenv: in an awsenv shell, the one remembered, never the one that we set."""
    if env.get("AWSENV_PROFILE"):
        return env.get("AWSENV_REGION_BEFORE") or None
    return env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or None


# use


class Found:
    """What the store has for a request: variables, the line for the person, and the times of the keys, as
    shelf.parse_entry has them (all None for what doesn't expire). *is_guarded*: a person is asked before a shell becomes
    that."""

    __slots__ = ("assign", "is_guarded", "said", "times")

    def __init__(self, said: str) -> None:
        self.assign: list[tuple[str, str]] = []
        self.said = said
        self.times: list[float | None] = [None, None, None, None]
        self.is_guarded = False


def _use(request: Use, env: "Mapping[str, str]") -> "Answer | None":
    shell, _, protocol = env.get("AWSENV_SHIM", "").partition(":")
    place = place_of(request, env)
    if shell not in shells.DIALECTS or protocol != str(shells.PROTOCOL) or place is None:
        return None
    root, name = place
    found = look_up(root, name, request, env)
    if found is None:
        from awsenv import turn  # a warm answer needs no lock

        found = turn.wait(root, name, lambda: look_up(root, name, request, env))
    return _served(found, shell, env) if found is not None else None


def place_of(request: Use, env: "Mapping[str, str]") -> "tuple[str, str] | None":
    """(store, name of the index file) for *request*; None where the store is not ours alone, or the name too long."""
    root = shelf.store_root(env)
    name = shelf.index_name(request)
    return (root, name) if root is not None and name is not None and shelf.is_ours(root) else None


def _served(found: Found, shell: str, env: "Mapping[str, str]") -> "Answer | None":
    values = dict(found.assign)  # where the request has an alias, these have the profile
    if found.is_guarded:
        from awsenv import quick

        if not quick.is_still(env, quick.who_of(values)):
            return None  # the cold path asks the person
    try:
        served = Answer(statements(shell, found.assign), tell(found.said, found.times[0]))
    except ValueError:
        return None  # control characters: the cold path says so
    served.identity = values.get("AWSENV_OPTIONS", ""), values.get("AWSENV_PROFILE", "")
    return served


def look_up(
    root: str, name: str, request: Use, env: "Mapping[str, str]", lasting: "float | None" = None
) -> "Found | None":
    """What the store has, as long as it need not be renewed and all that it was made from is as it was then.

    With *lasting*, whatever has so many seconds left, due for renewal or not.
    """
    text, begins = shelf.read_private(f"{root}/index/{name}"), shelf.header(request, env)
    if text is None or not text.startswith(begins):
        return None
    lines = [line.split("\t") for line in text[len(begins) : -1].split("\n")]
    try:
        return _from_index(root, lines, request, env, lasting) if _is_whole(lines) else None
    except (IndexError, ValueError, OSError):
        return None  # not in our format, or the file behind it is gone: the cold path writes it anew


def _is_whole(lines: "list[list[str]]") -> bool:
    """Whether an index was not cut short, and gives values to nothing but what awsenv manages."""
    known = all(line[0] in _KINDS for line in lines)
    return (
        known and lines[-1][0] == "said" and all(line[1] in SETTABLE for line in lines if line[0] in ("set", "slice"))
    )


def _from_index(
    root: str, lines: "list[list[str]]", request: Use, env: "Mapping[str, str]", lasting: "float | None"
) -> "Found | None":
    found = Found(request.profile)
    assign = found.assign
    files: list[tuple[str, str]] = []
    for kind, *fields in lines:
        if kind == "file":
            files.append((fields[0], fields[1]))
            if shelf.fingerprint(shelf.stat_of(fields[0])) != fields[1]:
                return None
        elif kind == "key":
            entry = shelf.parse_entry(shelf.read_private(f"{root}/keys/{fields[0]}"))
            if entry is None or not _lasts(entry[0], lasting):
                return None
            found.times = entry[0]
            assign += entry[1]
        elif kind == "without":
            assign[:] = [pair for pair in assign if pair[0] != fields[0]]
        elif kind == "slice":
            path, stamp = files[int(fields[1])]
            assign.append((fields[0], _slice(path, stamp, int(fields[2]), int(fields[3]))))
        elif kind == "region":
            region = ambient_region(env) if fields[0] == "*" else fields[0]
            assign += [("AWS_REGION", region), ("AWS_DEFAULT_REGION", region)] if region else []
        elif kind == "set":
            assign.append((fields[0], fields[1]))
        elif kind == "guard":
            found.is_guarded = True
        elif kind == "said":
            found.said = fields[0]
    before = ambient_region(env)
    if before:
        assign.append(("AWSENV_REGION_BEFORE", before))
    return found if assign else None


def _lasts(times: "list[float | None]", seconds: "float | None") -> bool:
    """Whether keys of these *times* last so many *seconds* more; for None, whether they need not be renewed."""
    now = time.time()
    if seconds is None:
        return not shelf.is_due(times, now, now - shelf.uptime())
    return times[0] is None or times[0] >= now + seconds


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
