"""The shell, the program and the machine as the doctor finds them: facts, gathered once, and judged by checks elsewhere."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from awsenv import assets, rcfile, shelf
from awsenv.clock import ServerClock, Skew
from awsenv.commands import init
from awsenv.commands.setup import data_folder
from awsenv.config import AwsConfig
from awsenv.errors import AwsenvError, Storage
from awsenv.files import read
from awsenv.model import Where
from awsenv.render.shells import DIALECTS
from awsenv.store import FileStore, NoStore, open_store
from awsenv.tokens import token_path
from awsenv.world import World

LEFTOVER = 3600.0  # seconds after which a temporary file is nobody's any more
_MOST = 2000  # files of a folder that are looked at
_NAMING = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE",
           "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")  # fmt: skip
_RC = {
    "bash": (".bashrc", ".bash_profile", ".bash_login", ".profile"),
    "zsh": (".zshrc", ".zshenv", ".zprofile", ".zlogin"),
    "fish": ("fish/conf.d/awsenv.fish", "fish/config.fish"),
}


@dataclass(frozen=True, slots=True)
class Loading:
    """A line of a start-up file of *shell* that loads awsenv: `setup`'s *block*, a person's own `init`, or what is left of
    a block that was changed by hand (`stray`)."""

    shell: str
    where: Where
    kind: str


@dataclass(frozen=True, slots=True)
class Login:
    """A file in AWS's folder of tokens. *name* is its sso-session's, or its start URL, None for nobody's; *ended* is when
    its token did (epoch seconds), None for a file that holds no readable token; *lasts*: it can be renewed without a person."""

    path: str
    name: str | None
    ended: float | None
    lasts: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """*shell* is the one that asks, "" where that can't be told; *is_loaded*: its awsenv function started us; *copies* says of
    each copy of the shim that `setup` made whether it is what this version would write; *completions* are those shells whose
    completion is missing from the installation; *programs* are the awsenv programs on PATH that differ; *versions* are
    libraries with (installed or "", least). *missing* are the files that the environment names and that aren't there.
    """

    shell: str = ""
    is_loaded: bool = False
    is_interactive: bool = False
    loadings: tuple[Loading, ...] = ()
    copies: Mapping[str, bool] = field(default_factory=dict)
    completions: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    versions: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    leftovers: tuple[str, ...] = ()
    stale_cache: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    logins: tuple[Login, ...] = ()
    store: str = ""
    store_trouble: str | None = None
    store_ignored: tuple[str, ...] = ()
    store_room: int | None = None
    skew: Skew | None = None


def gather(world: World, config: AwsConfig) -> Surroundings:
    """All of it. Nothing is raised: what can't be read is not there, and another check's affair."""
    home, now = world.home.rstrip("/"), world.clock()
    store, trouble = open_store(world.store_root, world.started)
    ignored, room = _store(store)
    loadings = tuple(_loadings(world))
    return Surroundings(
        shell=_shell(world),
        is_loaded=bool(world.env.get("AWSENV_STORE") or world.shell),
        is_interactive=os.isatty(0),
        loadings=loadings,
        copies=_copies(world),
        completions=_completions(),
        programs=tuple(_programs(world.env.get("PATH", ""))),
        versions=_versions(),
        missing=dict(_missing(world.env)),
        leftovers=tuple(_leftovers(home, store, now)),
        stale_cache=tuple(_stale(f"{home}/.aws/cli/cache", now)),
        broken=tuple(_broken(home)),
        logins=tuple(_logins(world, config)),
        store=world.store_root or "",
        store_trouble=trouble,
        store_ignored=ignored,
        store_room=room,
        skew=ServerClock(store, world.clock, world.started).skew,
    )


# ---- The shell ------------------------------------------------------------------------------------------------------


def _shell(world: World) -> str:
    import shellingham

    try:
        name: str = shellingham.detect_shell()[0]
    except (shellingham.ShellDetectionFailure, OSError, RuntimeError):
        name = world.env.get("SHELL", "").rpartition("/")[2]
    return name if name in DIALECTS else ""


def _rc_paths(world: World) -> Iterator[tuple[str, str]]:
    home = world.home.rstrip("/")
    configured = world.env.get("XDG_CONFIG_HOME", "")
    roots = {
        "bash": home,
        "zsh": (world.env.get("ZDOTDIR") or home).rstrip("/"),
        "fish": configured if configured.startswith("/") else f"{home}/.config",
    }
    for shell, names in _RC.items():
        for name in names:
            yield shell, f"{roots[shell]}/{name}"


def _loadings(world: World) -> Iterator[Loading]:
    for shell, path in _rc_paths(world):
        try:
            text = read(path).decode("utf-8", "surrogateescape")
        except AwsenvError:
            continue
        if stray := rcfile.stray_marker(text):
            yield Loading(shell, Where(path, stray), "stray")
        if (block := rcfile.loading_block(text)) is not None:
            yield Loading(shell, Where(path, block), "block")
        if own := rcfile.other_loading_line(text):
            yield Loading(shell, Where(path, own), "init")


def _copies(world: World) -> dict[str, bool]:
    found = {}
    for shell, dialect in DIALECTS.items():
        folder = data_folder(world)
        path = f"{folder}/{dialect.file}"
        if os.path.lexists(path):
            try:
                wanted = init.copies(world, shell, folder)
                found[path] = {file: read(file).decode("utf-8", "surrogateescape") for file in wanted} == wanted
            except AwsenvError:
                found[path] = False
    return found


def _completions() -> tuple[str, ...]:
    folder = assets.folder("completions")
    files = {"bash": "awsenv.bash", "zsh": "_awsenv", "fish": "awsenv.fish"}
    return tuple(shell for shell, name in files.items() if not os.access(f"{folder}/{name}", os.R_OK))


def _programs(path: str) -> Iterator[str]:
    seen = set()
    for folder in dict.fromkeys(path.split(os.pathsep)):
        program = shutil.which("awsenv", path=folder) if folder.startswith("/") else None
        if program is not None and (real := os.path.realpath(program)) not in seen:
            seen.add(real)
            yield program


def _versions() -> dict[str, tuple[str, str]]:
    found = {}
    for name, least in (("boto3", "1.40"), ("botocore", "1.40"), ("typer", "0.20")):
        try:
            found[name] = (version(name), least)
        except PackageNotFoundError:
            found[name] = ("", least)
    return found


def _missing(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in _NAMING:
        path = env.get(name)
        if path and not os.path.exists(os.path.expanduser(os.path.expandvars(path))):
            yield name, path


# ---- AWS's folders and ours -----------------------------------------------------------------------------------------


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))[:_MOST]
    except OSError:
        return []


def _leftovers(home: str, store: FileStore | NoStore | object, now: float) -> Iterator[str]:
    """Temporary files of ours and of botocore's (tmp….tmp, by tempfile) whose writers are gone."""
    folders = [f"{home}/.aws", f"{home}/.aws/sso/cache", f"{home}/.aws/cli/cache", f"{home}/.aws/login/cache"]
    if isinstance(store, FileStore):
        folders += [f"{store.root}/{part}" for part in ("keys", "index", "marks")]
    for folder in folders:
        for name in _names(folder):
            if name.endswith(".tmp") and name.startswith((".awsenv-", "tmp")):
                about = shelf.stat_of(f"{folder}/{name}")
                if about is not None and now - about.st_mtime > LEFTOVER:
                    yield f"{folder}/{name}"


def _fields(path: str) -> dict[str, object] | None:
    try:
        found = json.loads(read(path, 1 << 20))
    except (AwsenvError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _stale(folder: str, now: float) -> Iterator[str]:
    """The AWS CLI's own cache of role sessions, as far as they have ended; the CLI never removes one."""
    for name in _names(folder):
        fields = _fields(f"{folder}/{name}") if name.endswith(".json") else None
        keys = fields.get("Credentials") if fields is not None else None
        ended = moment(keys.get("Expiration")) if isinstance(keys, dict) else None
        if ended is not None and ended <= now:
            yield f"{folder}/{name}"


def _broken(home: str) -> Iterator[str]:
    for folder in (f"{home}/.aws/sso/cache", f"{home}/.aws/cli/cache", f"{home}/.aws/login/cache"):
        for name in _names(folder):
            if name.endswith(".json") and _fields(f"{folder}/{name}") is None:
                yield f"{folder}/{name}"


def _logins(world: World, config: AwsConfig) -> Iterator[Login]:
    profiles = (config.profile(name) for name in config.names())
    urls = {setting.value for setting in (profile.get("sso_start_url") for profile in profiles) if setting is not None}
    keys = {token_path(world.sso_cache_dir, key): key for key in (*urls, *config.section_names("sso-session"))}
    for name in _names(world.sso_cache_dir):
        path = f"{world.sso_cache_dir}/{name}"
        fields = _fields(path) if name.endswith(".json") else None
        if fields is None or "accessToken" not in fields:
            continue
        registered = moment(fields.get("registrationExpiresAt"))
        lasts = bool(fields.get("refreshToken")) and (registered is None or registered > world.clock())
        yield Login(path, keys.get(path), moment(fields.get("expiresAt")), lasts)


def moment(text: object) -> float | None:
    """A time as AWS's tools write it (`…Z`, `…UTC`, with an offset), as epoch seconds."""
    from datetime import UTC, datetime

    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(f"{text[:-3]}+00:00" if text.endswith("UTC") else text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _store(store: object) -> tuple[tuple[str, ...], int | None]:
    """(files in it that are never read, because they are not ours alone; bytes that are free)."""
    if not isinstance(store, FileStore):
        return (), None
    ignored: list[str] = []
    for part in ("keys", "index", "marks"):
        ignored += _ignored(f"{store.root}/{part}", _names(f"{store.root}/{part}"))
    try:
        about = os.statvfs(store.root)
    except (OSError, Storage):
        return tuple(ignored), None
    return tuple(ignored), about.f_bavail * about.f_frsize


def _ignored(folder: str, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        try:
            about = os.lstat(f"{folder}/{name}")
        except OSError:
            continue
        if about.st_mode & 0o170077 != 0o100000 or about.st_uid != os.geteuid() or about.st_nlink != 1:
            yield f"{folder}/{name}"
