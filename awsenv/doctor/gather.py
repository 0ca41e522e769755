"""The edge: World → Examined. Everything that the checks may ask is read here, once."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher

from awsenv.config import AwsConfig
from awsenv.doctor import surroundings
from awsenv.doctor.examination import Examined, Stat, read_files
from awsenv.doctor.programs import KEYS, words_of
from awsenv.errors import AwsenvError, Config
from awsenv.files import read
from awsenv.lease import read_settings
from awsenv.model import Profile
from awsenv.ports import Ports
from awsenv.tokens import token_path
from awsenv.trust import gate, origin_of
from awsenv.world import World

_CACHES = ("sso/cache", "cli/cache", "login/cache")
_MOST = 2000  # files of a cache folder that are looked at
_CLOSE = 0.74  # of a folder's name to `.aws`: one letter in four


def gather(world: World, name: str | None, ports: Ports) -> Examined:
    """The facts as they are now; raises Config where a file can't be read at all."""
    files = read_files(read(world.config_path), read(world.credentials_path), world.config_path, world.credentials_path)
    config: AwsConfig = files["config"]
    profiles: dict[str, Profile] = files["profiles"]
    return Examined(
        name=name,
        home=world.home.rstrip("/"),
        user=os.geteuid(),
        env=world.env,
        before=world.before,
        now=world.clock(),
        settings=read_settings(world.settings_path),
        stats={about.path: about for about in _stats(world, profiles.values())},
        neighbours=tuple(_neighbours(world.home.rstrip("/"))),
        programs={program: shutil.which(program, path=world.env.get("PATH", "")) is not None
                  for program in _programs(profiles.values())},
        strangers=_strangers(world, files["config_data"], files["credentials_data"]),
        regions=_regions(ports),
        tokens=frozenset(key for key in _logins(config, profiles) if os.path.exists(token_path(world.sso_cache_dir, key))),
        surroundings=surroundings.gather(world, config),
        **files,
    )  # fmt: skip


def _stats(world: World, profiles: Iterable[Profile]) -> Iterator[Stat]:
    folder = f"{world.home.rstrip('/')}/.aws"
    paths = [folder, world.config_path, world.credentials_path]
    for cache in _CACHES:
        paths += [f"{folder}/{cache}", *_listed(f"{folder}/{cache}")]
    paths += [p.settings["web_identity_token_file"].value for p in profiles if p.get("web_identity_token_file")]
    for path in dict.fromkeys(paths):
        about = _stat(path)
        if about is not None:
            yield about


def _listed(folder: str) -> list[str]:
    try:
        return [f"{folder}/{name}" for name in sorted(os.listdir(folder))[:_MOST] if name.endswith(".json")]
    except OSError:
        return []


def _stat(path: str) -> Stat | None:
    target = None
    try:
        if os.path.islink(path):
            target = os.path.realpath(path)
        about = os.stat(path)
    except (OSError, ValueError):
        return Stat(path, "nothing", 0, os.geteuid(), target) if target is not None else None
    kind = "folder" if stat.S_ISDIR(about.st_mode) else "file" if stat.S_ISREG(about.st_mode) else "other"
    return Stat(path, kind, stat.S_IMODE(about.st_mode), about.st_uid, target)


def _neighbours(home: str) -> Iterator[str]:
    """AWS's files in folders beside ~/.aws whose name is nearly that."""
    try:
        names = [entry.name for entry in os.scandir(home) if entry.is_dir() and entry.name != ".aws"]
    except OSError:
        return
    for name in sorted(names):
        if len(name) > 8 or SequenceMatcher(None, name.lower(), ".aws").ratio() < _CLOSE:
            continue
        for file in ("config", "credentials"):
            if os.path.isfile(f"{home}/{name}/{file}"):
                yield f"{home}/{name}/{file}"


def _programs(profiles: Iterable[Profile]) -> set[str]:
    commands = [words_of(p.settings[key]) for p in profiles for key in KEYS if p.get(key) is not None]
    return {command[0] for command in commands if command and "\0" not in command[0]}


def _strangers(world: World, config: bytes, credentials: bytes) -> dict[str, str]:
    keeper, found = gate(world), {}
    for path, data in ((world.config_path, config), (world.credentials_path, credentials)):
        reason = keeper.stranger(path) if data else None
        if reason is not None and not keeper.is_trusted(origin_of(path, data)):
            found[path] = reason
    return found


def _regions(ports: Ports) -> frozenset[str]:
    try:
        return frozenset(name for names in ports.aws.regions().values() for name in names)
    except (AwsenvError, Config, OSError):
        return frozenset()


def _logins(config: AwsConfig, profiles: dict[str, Profile]) -> set[str]:
    urls = {p.settings["sso_start_url"].value for p in profiles.values() if p.get("sso_start_url") is not None}
    return {*config.section_names("sso-session"), *urls}
