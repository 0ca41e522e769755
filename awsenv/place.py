"""Which identity a folder is for: the nearest `.awsenv`, or the settings' paths. The fast lane's: os alone.

A `.awsenv` comes with a folder, from whoever made that: it counts once its very content was trusted, and it can name a
profile of the user's own and say where and how long, no more. The settings are the user's own.
"""

import os

from awsenv import hot, shelf, spelling

FILE = ".awsenv"
LARGEST = 4096  # bytes of a `.awsenv`
DEEPEST = 64  # folders upwards; the shims count the same
MODES = ("offer", "switch", "off")  # of the settings' [place] when_entering
TAKEN = ("--region", "--duration", spelling.FLAG)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Place:
    """A folder that is for an identity. *source* is the file that says so; *line* is what it says, "" where nothing can be
    taken from it, and then *problem* says why; *data* is the content to be trusted, None for the settings'."""

    __slots__ = ("data", "folder", "line", "problem", "source")

    def __init__(self, folder: str, source: str) -> None:
        self.folder, self.source = folder, source
        self.data: bytes | None = None
        self.line = self.problem = ""


def find(pwd: str, home: str, paths: "Mapping[str, str]", settings_path: str) -> "Place | None":
    """The place that *pwd* belongs to: the nearest, and of two at the same folder that of the settings (*paths*)."""
    known = {whole(path, home): line for path, line in paths.items()}
    folder = pwd
    for _ in range(DEEPEST):
        if folder in known:
            place = Place(folder, settings_path)
            place.line = known[folder]
            return place
        path = f"{folder.rstrip('/')}/{FILE}"
        if os.path.isfile(path):
            return of_file(folder, path)
        if folder in ("/", ""):
            return None
        folder = os.path.dirname(folder)
    return None


def whole(path: str, home: str) -> str:
    """A path of the settings as it stands in PWD: `~` spelled out, no slash at its end."""
    if path == "~" or path.startswith("~/"):
        path = home.rstrip("/") + path[1:]
    return path.rstrip("/") or "/"


def of_file(folder: str, path: str) -> Place:
    """What the `.awsenv` at *path* says, whether it is trusted or not."""
    place = Place(folder, path)
    try:
        place.data = _read(path)
        place.line = only_line(place.data.decode("utf-8", "surrogateescape"))
        parse(place.line)
    except OSError as error:
        place.problem = f"can't be read: {error.strerror}"
    except ValueError as error:
        place.line, place.problem = "", str(error)
    return place


def _read(path: str) -> bytes:
    """The bytes of a regular file of the user's or root's that not everybody can write to; raises OSError, ValueError."""
    try:
        descriptor = os.open(
            path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )  # a FIFO must not hang us
    except OSError:
        if os.path.islink(path):
            raise ValueError("is a link, and nothing is taken from one") from None
        raise
    try:
        about = os.fstat(descriptor)
        if about.st_mode & 0o170000 != 0o100000:
            raise ValueError("is not a regular file")
        if about.st_uid not in (0, os.geteuid()):
            raise ValueError("belongs to somebody else, and nothing is taken from it")
        if about.st_mode & 0o002:
            raise ValueError("can be written by anybody, and nothing is taken from it")
        data = os.read(descriptor, LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(data) > LARGEST:
        raise ValueError(f"is larger than {LARGEST >> 10} KiB, and nothing is taken from it")
    return data


def only_line(text: str) -> str:
    """The one line that isn't empty, without its comment; raises ValueError, saying why."""
    lines = [line.partition(" #")[0].strip(" \t\r") for line in text.split("\n")]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise ValueError("names no profile")
    if len(lines) > 1:
        raise ValueError("has more than one line; it takes a profile and its options")
    if not lines[0].replace("\t", " ").isprintable():
        raise ValueError("holds characters that can't be shown, and nothing is taken from it")
    return lines[0]


def parse(line: str) -> "hot.Use":
    """`acme-dev --region eu-west-1 --read-only` as a request; what is no option is the profile's name, with its blanks.

    Raises ValueError, saying why, for all that is more than that.
    """
    words = line.replace("\t", " ").split(" ")
    names: list[str] = []
    options: list[tuple[str, str]] = []
    while words:
        option, equals, value = words.pop(0).partition("=")
        if not option.startswith("-"):
            names.append(option + equals + value)
        elif option not in TAKEN or (option == spelling.FLAG and equals):
            raise ValueError(f"{option} is no option for a folder; those are {', '.join(TAKEN)}")
        elif option != spelling.FLAG and not equals:
            options.append((option, words.pop(0) if words else ""))
        else:
            options.append((option, value))
    request = hot.Use(" ".join(names).strip(" "))
    if not request.profile:
        raise ValueError("names no profile")
    for option, value in options:
        if not hot.apply(request, option, value):
            raise ValueError(f"{option} can't be {value!r}")
    return request


def words_of(request: "hot.Use") -> list[str]:
    """*request* as the words behind `use`."""
    words = [f"--region={request.region}"] if request.region else []
    words += [f"--duration={request.duration}"] if request.duration else []
    words += [spelling.FLAG] if request.over else []
    return [*words, "--", request.profile]


def pwd_of(env: "Mapping[str, str]") -> str:
    """The working directory, with the links that its person came by; "" where it is gone."""
    try:
        named, about = env.get("PWD", ""), os.stat(".")
        if named.startswith("/") and os.path.normpath(named) == named and os.path.samestat(os.stat(named), about):
            return named
        return os.getcwd()
    except (OSError, ValueError):
        return ""


def is_trusted(path: str, data: bytes, env: "Mapping[str, str]") -> bool:
    """Whether trust.py has a record of *path* with this content: the record's name is made of both."""
    from hashlib import sha256  # only where a `.awsenv` is found

    folder = trust_folder(env)
    name = record_name(path, sha256(data).hexdigest())
    return folder is not None and shelf.read_private(f"{folder}/{name}") is not None


def was_trusted(path: str, env: "Mapping[str, str]") -> bool:
    """Whether trust.py has a record of *path* with any content."""
    import json

    folder, quoted = trust_folder(env), json.dumps(os.path.realpath(path))
    try:
        names = os.listdir(folder or "")
    except OSError:
        return False
    return any(f'"path": {quoted}' in (shelf.read_private(f"{folder}/{name}") or "") for name in names)


def trust_folder(env: "Mapping[str, str]") -> "str | None":
    """Where the records are; World.trust_dir is the same, from platformdirs."""
    state = shelf.user_folder(env, "state")
    return f"{state}/trust" if state is not None else None


def record_name(path: str, digest: str) -> str:
    """The name of the record for *path* with the content of that *digest*: the same text elsewhere is another file."""
    from hashlib import sha256

    return sha256(f"{os.path.realpath(path)}\n{digest}".encode("utf-8", "surrogateescape")).hexdigest()
