"""The fast lane: answers the hot verbs from the store, with sys, os and time alone. Any doubt falls through.

Every prompt-to-prompt `use` comes this way, so what is imported here is what a person waits for; a test counts it. The
cold path writes, beside an identity's keys, an index without secrets: what `use PROFILE FLAGS` answered and which files
that answer was read from. While those files, the environment's plan inputs and the keys' expiry still say the same, the
answer is given again. Otherwise the lock is taken *before* anything heavy is imported, the store read again (another
shell may have been quicker), and only the winner goes on to the cold path.

Text formats, one fact a line, tab-separated; a path or name with a control character is never written to them.

    index/NAME   awsenv 1 | profile P | inputs … | file P FINGERPRINT | key K or - | region R or * |
                 set NAME VALUE | slice NAME FILE OFFSET LENGTH | said TEXT
    keys/K       awsenv 1 EXPIRES REFRESH ISSUED (epoch seconds, or -), then NAME=VALUE, variables as they are exported
"""

import os
import sys
import time

from awsenv import variables
from awsenv.render import shells

HOT = ("use", "off", "refresh", "init", "current", "list")
CAPTURED = ("use", "off", "refresh")
FORMAT = "awsenv 1"
FORMAT_LINE_SIZE = 1 << 20  # bytes; nothing of ours is larger
WAIT = 30.0  # seconds for another process's renewal
WAIT_FOR_PERSON = 600.0  # seconds for another process's question to a person

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

holding: "list[int]" = []  # descriptors of the locks that this process has; the one taken here is kept until it ends


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
    if verb == "off":
        return _off(env) if not words else None
    if verb == "init":
        return _init(words, env)
    if verb == "current":
        return _current(env) if not words else None
    return _names(env) if words == ["--names"] else None


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
    return 0 < len(text) <= 40 and text.isascii() and text.replace("-", "a").isalnum() and text == text.lower()


def ambient_region(env: "Mapping[str, str]") -> "str | None":
    """The region that the user had before awsenv: in an awsenv shell, the one remembered, never the one that we set."""
    if env.get("AWSENV_PROFILE"):
        return env.get("AWSENV_REGION_BEFORE") or None
    return env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or None


# The store, read-only


def store_root(env: "Mapping[str, str]") -> "str | None":
    """Where the store is: the folder that `init` chose, else the runtime folder on a tmpfs, else the user's cache folder."""
    given = env.get("AWSENV_STORE", "")
    if given.startswith("/"):
        return given
    runtime = env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    if _is_ours(runtime) and _is_tmpfs(runtime):
        return f"{runtime}/awsenv"
    home = env.get("HOME", "")
    if sys.platform == "darwin":
        return f"{home}/Library/Caches/awsenv" if home.startswith("/") else None
    cache = env.get("XDG_CACHE_HOME") or ""
    if not cache.startswith("/"):
        cache = f"{home}/.cache" if home.startswith("/") else ""
    return f"{cache}/awsenv" if cache else None


def _is_ours(path: str) -> bool:
    try:
        about = os.lstat(path)
    except OSError:
        return False
    return about.st_mode & 0o170077 == 0o040000 and about.st_uid == os.geteuid()


def _is_tmpfs(path: str) -> bool:
    try:
        device = os.lstat(path).st_dev
        wanted = f"{os.major(device)}:{os.minor(device)}"
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                if line.split(" ", 3)[2] == wanted:
                    return line.partition(" - ")[2].startswith("tmpfs ")
    except (OSError, IndexError):
        return False
    return False


def read_private(path: str) -> "str | None":
    """A file of ours: regular, owned by us, for nobody else, no link; None for anything else, or for none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        about = os.fstat(descriptor)
        if about.st_mode & 0o170077 != 0o100000 or about.st_uid != os.geteuid() or about.st_nlink != 1:
            return None
        data = os.read(descriptor, FORMAT_LINE_SIZE) if about.st_size <= FORMAT_LINE_SIZE else b""
    except OSError:
        return None
    finally:
        os.close(descriptor)
    try:
        return data.decode("utf-8", "surrogateescape") if data.endswith(b"\n") else None
    except ValueError:
        return None


def index_name(request: Use) -> "str | None":
    """The index file's name: readable, the same on a file system that folds case, None where it would be too long."""
    safe = "".join(
        chr(byte) if chr(byte) in "abcdefghijklmnopqrstuvwxyz0123456789_-" else f"={byte:02x}"
        for byte in request.profile.encode("utf-8", "surrogateescape")
    )
    name = f"{safe}@{request.region or ''}@{request.duration or ''}@{request.mode}"
    return name if len(name) <= 200 else None


def config_paths(env: "Mapping[str, str]") -> "tuple[str, str]":
    """(config file, credentials file), by botocore's rule: the variable with ~ and $NAME expanded, else ~/.aws."""
    paths = []
    for variable, default in (("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")):
        path = env.get(variable) or f"~/.aws/{default}"
        if "$" in path:
            path = os.path.expandvars(path)
        paths.append(os.path.expanduser(path))
    return paths[0], paths[1]


def inputs(env: "Mapping[str, str]") -> str:
    """What a plan depends on in the environment, as one line."""
    values = [env.get(name, "\x02") for name in variables.PLAN_INPUTS]
    return "\x1f".join(values).replace("\n", "\x03").replace("\t", "\x04")


def fingerprint(about: "os.stat_result | None") -> str:
    """What changes when a file is written; `-` for no file."""
    return f"{about.st_mtime_ns}/{about.st_size}/{about.st_ino}" if about is not None else "-"


def stat_of(path: str) -> "os.stat_result | None":
    """The file's stat, None where there is none to be had."""
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def parse_entry(text: "str | None") -> "tuple[list[float | None], list[tuple[str, str]]] | None":
    """([expires, refresh at, issued], variables) of an entry's text; None where it isn't one. Times: epoch seconds, UTC."""
    if not text:
        return None
    first, *lines = text[:-1].split("\n")
    head = first.split(" ")
    if head[:2] != FORMAT.split(" ") or len(head) != 5:
        return None
    pairs = [line.partition("=") for line in lines]
    assign = [(name, value) for name, equals, value in pairs if equals]
    if len(assign) != len(lines) or not assign or any(name not in STORED for name, _ in assign):
        return None
    try:
        times = [None if part == "-" else float(part) for part in head[2:]]
    except ValueError:
        return None
    return times, assign


STORED = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ACCOUNT_ID",
    "AWSENV_EXPIRES_AT",
    "AWSENV_REFRESH_AT",
    "AWSENV_KEY_ID",
)


# use


def _use(request: Use, env: "Mapping[str, str]") -> "Answer | None":
    shell, _, protocol = env.get("AWSENV_SHIM", "").partition(":")
    root = store_root(env)
    name = index_name(request)
    if shell not in shells.DIALECTS or protocol != str(shells.PROTOCOL) or root is None or name is None:
        return None
    if not _is_ours(root):
        return None
    found = _look_up(root, name, request, shell, env)
    if found is None and _wait_for_turn(root, name, request, lambda: _look_up(root, name, request, shell, env)):
        found = _look_up(root, name, request, shell, env)
    return found


def _look_up(root: str, name: str, request: Use, shell: str, env: "Mapping[str, str]") -> "Answer | None":
    text = read_private(f"{root}/index/{name}")
    if text is None or not text.startswith(f"{FORMAT}\nprofile\t{request.profile}\ninputs\t{inputs(env)}\n"):
        return None
    lines = [line.split("\t") for line in text[:-1].split("\n")[3:]]
    try:
        return _from_index(root, lines, request, shell, env)
    except (IndexError, ValueError, OSError):
        return None  # not in our format, or the file behind it is gone: the cold path writes it anew


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
            if fingerprint(stat_of(fields[0])) != fields[1]:
                return None
        elif kind == "key" and fields[0] != "-":
            entry = parse_entry(read_private(f"{root}/keys/{fields[0]}"))
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
        if fingerprint(os.fstat(descriptor)) != stamp:
            raise ValueError
        return os.pread(descriptor, length, offset).decode("ascii")
    finally:
        os.close(descriptor)


def statements(shell: str, assign: "list[tuple[str, str]]") -> bytes:
    """The reply to a shim: of all that awsenv manages, what isn't set is unset."""
    names = {name for name, _ in assign}
    unset = [name for name in variables.MANAGED + variables.OWN if name not in names]
    return shells.reply(shell, unset, assign).encode("utf-8", "surrogateescape")


def tell(said: str, expires: "float | None") -> str:
    """The line for the person: `fuga · 222222222222 · ReadOnly · 58m`."""
    if expires is None:
        return said
    from awsenv.text import left

    return f"{said} · {left(int(expires) - int(time.time()))}"


def _wait_for_turn(root: str, name: str, request: Use, is_there: "object") -> bool:
    """Take the lock of this (profile, flags), or wait until whoever has it has stored an answer.

    True: look again. False: go on, holding the lock. It is left to the kernel to free it at exit.
    """
    import fcntl

    try:
        descriptor = os.open(f"{root}/locks/{name}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    began, pause, told = time.monotonic(), 0.02, False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        except OSError:
            return False  # no locks on this file system: go on without
        else:
            hold(descriptor)
            return True
        waited = time.monotonic() - began
        owner, patience = owner_of(descriptor)
        if waited > patience:
            return False
        if waited > 1.0 and not told:
            told = True
            whose = f" (process {owner})" if owner else ""
            sys.stderr.write(
                f"awsenv: waiting for another shell that is getting the same identity{whose}; Ctrl-C stops\n"
            )
            sys.stderr.flush()
        time.sleep(pause)
        pause = min(0.25, pause * (1.3 + (os.getpid() % 16) / 32))
        if callable(is_there) and is_there() is not None:
            os.close(descriptor)
            return True


def hold(descriptor: int) -> None:
    """Note in a lock that we have just taken who has it, for the message of those who wait."""
    holding.append(descriptor)
    _note(descriptor, "")


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
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}{state}\n".encode(), 0)
    except OSError:
        pass  # a full disk: the lock holds all the same, only the message to others is poorer


# The others


def _off(env: "Mapping[str, str]") -> "Answer | None":
    shell, _, protocol = env.get("AWSENV_SHIM", "").partition(":")
    if shell not in shells.DIALECTS or protocol != str(shells.PROTOCOL):
        return None
    unset, said = reverse(env)
    text = shells.reply(shell, unset, ())
    return Answer(text.encode(), said)


def reverse(env: "Mapping[str, str]") -> "tuple[list[str], str]":
    """`off`: (names to unset, what to say). What changed behind our back stays; the shim puts back what was there before."""
    changed = [name for name in env.get("AWSENV_CHANGED", "").split() if name in variables.MANAGED]
    if not env.get("AWSENV_STASHED"):
        if not env.get("AWSENV_PROFILE"):
            return [], "nothing to put back: no awsenv identity in this shell"
        changed = drifted(env)
    unset = [name for name in variables.MANAGED if name not in changed] + list(variables.OWN)
    was = env.get("AWSENV_LABEL") or "awsenv"
    said = [f"off: {was} is gone from this shell"]
    if not env.get("AWSENV_STASHED"):
        said.append("what was there before it is not known here (a nested shell): nothing is put back")
    if changed:
        said.append("left as they are, changed since: " + ", ".join(changed))
    return unset, "; ".join(said)


def drifted(env: "Mapping[str, str]") -> "list[str]":
    """The identity variables that somebody else has set since, where no shim remembers what we set."""
    key = env.get("AWSENV_KEY_ID", "")
    if key.startswith("profile:"):
        return ["AWS_PROFILE"] if env.get("AWS_PROFILE", "") != key[8:] and env.get("AWS_PROFILE") else []
    if not env.get("AWS_ACCESS_KEY_ID") or env.get("AWS_ACCESS_KEY_ID") == key:
        return []
    return ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]


def _current(env: "Mapping[str, str]") -> Answer:
    profile = env.get("AWSENV_PROFILE")
    if not profile:
        return Answer(b"", "no awsenv identity in this shell", 3)
    from awsenv.text import left, show

    parts = [profile, env.get("AWSENV_ACCOUNT_ID", ""), env.get("AWSENV_ROLE", ""), env.get("AWS_REGION", "")]
    expires = env.get("AWSENV_EXPIRES_AT", "")
    if drifted(env):
        parts.append("≠ the variables that AWS tools read are no longer ours")
    elif expires.isascii() and expires.isdigit():
        parts.append(left(int(expires) - int(time.time())))
    return Answer((" · ".join(show(part) for part in parts if part) + "\n").encode("utf-8", "surrogateescape"))


def _init(words: "list[str]", env: "Mapping[str, str]") -> "Answer | None":
    values_only = words[:1] == ["--values"]
    name = words[-1] if words else ""
    if len(words) != 1 + values_only or name not in shells.DIALECTS:
        return None
    root = store_root({key: value for key, value in env.items() if key != "AWSENV_STORE"})
    if root is None:
        return None
    from awsenv import assets

    dialect = shells.DIALECTS[name]
    values = (
        ("__awsenv_python", sys.executable),
        ("__awsenv_main", assets.MAIN),
        ("__awsenv_store", root),
        ("__awsenv_completions", assets.folder("completions")),
    )
    lines = [dialect.assignment(key, value) for key, value in values]
    end = shells.SENTINEL + "\n" if values_only else assets.text("shell", dialect.file)
    return Answer(("\n".join(lines) + "\n" + end).encode("utf-8", "surrogateescape"))


def _names(env: "Mapping[str, str]") -> "Answer | None":
    from awsenv import sections
    from awsenv.text import show

    texts = []
    for path in config_paths(env):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            texts.append("")
            continue
        except OSError:
            return None
        with open(descriptor, "rb") as file:
            if os.fstat(descriptor).st_mode & 0o170000 != 0o100000:
                return None
            texts.append(sections.decode(file.read()))
    names = [name if name.isprintable() else show(name) for name in sections.names(*texts)]
    return Answer("".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape"))
