"""The store as the hot path reads it: where it is, what a file in it says, and whether that still holds. Read-only.

Text formats, one fact a line, tab-separated; a path or name with a control character is never written to them.

    index/NAME   awsenv 1 | profile P | inputs … | options O, if any | file P FINGERPRINT | chain K | key K |
                 without NAME | region R or * | set NAME VALUE | slice NAME FILE OFFSET LENGTH | guard ask, if any |
                 said TEXT
    keys/K       awsenv 1 EXPIRES REFRESH ISSUED STARTED (epoch seconds by this machine's clock, or -; STARTED is when the
                 machine was started), then NAME=VALUE, variables as they are exported
"""

import os
import sys
import time

from awsenv import variables

FORMAT = "awsenv 1"
LARGEST = 1 << 20  # bytes; nothing of ours is larger
# botocore asks a credential_process again, before each request, for credentials that have less than 15 minutes left
# (credentials.RefreshableCredentials); the other SDKs begin later.
SDK_WINDOW = 960.0  # seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from awsenv.hot import Use


def store_root(env: "Mapping[str, str]") -> "str | None":
    """Where the store is: the folder that `init` chose, else the runtime folder on a tmpfs, else the user's cache folder."""
    given = env.get("AWSENV_STORE", "")
    if given.startswith("/"):
        return given
    runtime = env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    if is_ours(runtime) and _is_tmpfs(runtime):
        return f"{runtime}/awsenv"
    home = env.get("HOME", "")
    if sys.platform == "darwin":
        return f"{home}/Library/Caches/awsenv" if home.startswith("/") else None
    cache = env.get("XDG_CACHE_HOME") or ""
    if not cache.startswith("/"):
        cache = f"{home}/.cache" if home.startswith("/") else ""
    return f"{cache}/awsenv" if cache else None


def is_ours(path: str) -> bool:
    try:
        about = os.lstat(path)
    except OSError:
        return False
    return about.st_mode & 0o170077 == 0o040000 and about.st_uid == os.geteuid()


def user_folder(env: "Mapping[str, str]", kind: str) -> "str | None":
    """Our folder for *kind*, `config` or `state`, where platformdirs puts it; None without a home."""
    home = env.get("HOME", "")
    if sys.platform == "darwin":
        return f"{home}/Library/Application Support/awsenv" if home.startswith("/") else None
    base = env.get({"config": "XDG_CONFIG_HOME", "state": "XDG_STATE_HOME"}[kind]) or ""
    if not base.startswith("/"):
        base = home + {"config": "/.config", "state": "/.local/state"}[kind] if home.startswith("/") else ""
    return f"{base}/awsenv" if base else None


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
        data = os.read(descriptor, LARGEST) if about.st_size <= LARGEST else b""
    except OSError:
        return None
    finally:
        os.close(descriptor)
    try:
        return data.decode("utf-8", "surrogateescape") if data.endswith(b"\n") else None
    except ValueError:
        return None


def index_name(request: "Use") -> "str | None":
    """The index file's name: readable, the same on a file system that folds case, None where it would be too long."""
    safe = "".join(
        chr(byte) if chr(byte) in "abcdefghijklmnopqrstuvwxyz0123456789_-" else f"={byte:02x}"
        for byte in request.profile.encode("utf-8", "surrogateescape")
    )
    name = f"{safe}@{request.region or ''}@{request.duration or ''}@{request.mode}"
    if request.over:
        from binascii import crc32  # rare: nobody else pays

        # It tells files apart; whether one answers the request, its header says.
        name += f"@{crc32(_options(request).encode()):08x}"
    return name if len(name) <= 200 else None


def _options(request: "Use") -> str:
    from awsenv import spelling

    return spelling.text(request.over)


def header(request: "Use", env: "Mapping[str, str]") -> str:
    """How the index of *request* begins: all that makes it the answer to exactly this."""
    text = f"{FORMAT}\nprofile\t{request.profile}\ninputs\t{inputs(env)}\n"
    return f"{text}options\t{_options(request)}\n" if request.over else text


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
    """([expires, refresh at, issued, started], variables) of an entry's text; None where it isn't one. Epoch seconds."""
    if not text:
        return None
    first, *lines = text[:-1].split("\n")
    head = first.split(" ")
    if head[:2] != FORMAT.split(" ") or len(head) not in (5, 6):  # STARTED came later
        return None
    pairs = [line.partition("=") for line in lines]
    assign = [(name, value) for name, equals, value in pairs if equals]
    if len(assign) != len(lines) or not assign or any(name not in STORED for name, _ in assign):
        return None
    if assign[-1][0] != STORED[-1]:
        return None  # cut short at the end of a line: nothing is synced to the disk, so a crash can leave that
    try:
        times = [None if part == "-" else float(part) for part in (*head[2:], "-")[:4]]
    except ValueError:
        return None
    return times, assign


def uptime() -> float:
    """Seconds since the machine was started, asleep or awake: nobody can set this clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def set_back(started: "float | None", started_now: float) -> float:
    """By how many seconds the clock has been set back since the machine was *started* at that time; 0.0 where it wasn't.

    A clock that was set forward looks like another start of the machine, and harms nobody: what is kept ends sooner.
    """
    by = started - started_now if started is not None else 0.0
    return by if by > CLOCK_JITTER else 0.0


def is_due(times: "list[float | None]", now: float, started_now: float) -> bool:
    """Whether an entry of these *times* is due for renewal, or the clock was set back since and they say nothing."""
    _, refresh_at, issued, started = times
    if issued is not None and issued > now + CLOCK_JITTER:
        return True
    return (refresh_at is not None and now >= refresh_at) or set_back(started, started_now) > 0


CLOCK_JITTER = 60.0  # seconds; a clock that is being kept right is moved by less at a time


def early(expires: float, refresh_at: float, issued: "float | None") -> float:
    """When renewal begins for a program that asks ahead of time, as AWS's SDKs do. Times: epoch seconds, UTC.

    Never in the first half of a lifetime: then each answer would cost a renewal.
    """
    lifetime = expires - issued if issued is not None else 3600.0
    return min(refresh_at, expires - min(SDK_WINDOW, lifetime / 2))


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
