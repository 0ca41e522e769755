"""Trust, the port that decides whether a config file may start a program: the user's own may, another when it was trusted.

`AWS_CONFIG_FILE` is often set by a project (a Makefile, a dev container, a file of variables), and what it leads to can
name a command. So a file that isn't plainly the user's own starts nothing until its very content was trusted.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from awsenv import place, shelf
from awsenv.config import AwsConfig
from awsenv.errors import Config, Storage
from awsenv.model import Origin, Setting, Where
from awsenv.store import make_private_folder, remove, write_private
from awsenv.text import word
from awsenv.world import World

EXECUTABLE = ("credential_process", "mfa_process")  # the keys whose value is a command
DELICATE = ("endpoint_url", "ca_bundle")  # who answers for AWS: see network.py
_OWN = (".aws/config", ".aws/credentials")
_MOST_LINKS = 40  # as Linux has it


@dataclass(frozen=True)
class Record:
    """A file that was trusted, as it was then. *name* is that of the record's own file."""

    name: str
    path: str
    digest: str


class Gate:
    """The Trust port. Records are in *folder*, private; *named* are the files that the user's settings name."""

    def __init__(self, home: str, folder: str, named: Callable[[], Sequence[str]] = tuple) -> None:
        self._home = home
        self._folder = folder
        self._named = named

    def require(self, origin: Origin, deed: str, where: Where) -> None:
        """Raise Config unless the file is the user's alone, or was trusted with this very content; *deed*: "start …"."""
        reason = self.stranger(origin.path)
        if reason is None or self.is_trusted(origin):
            return
        real = os.path.realpath(origin.path)
        if any(record.path == real for record in self.records()):
            reason = "it has changed since it was trusted"
        raise Config(
            f"this file may not {deed} until you trust it: {reason}",
            where,
            f"awsenv trust {word(origin.path)}",
        )

    def stranger(self, path: str) -> str | None:
        """Why *path* is not taken as the user's own; None where it is."""
        real = os.path.realpath(path)
        own = [f"{self._home}/{name}" for name in _OWN]
        named = [f"{self._home}{name[1:]}" if name.startswith("~/") else name for name in self._named()]
        if real not in map(os.path.realpath, (*own, *named)):
            return "it is neither ~/.aws/config nor ~/.aws/credentials"
        return _weakness(os.path.abspath(path), os.geteuid())

    def is_trusted(self, origin: Origin) -> bool:
        """Whether it was trusted with this content."""
        return _parsed(_name(origin), shelf.read_private(f"{self._folder}/{_name(origin)}")) is not None

    def trust(self, origin: Origin) -> None:
        """Trust it from now on, as it was read, and as nothing that it was before; raises Storage."""
        make_private_folder(self._folder)
        self.forget(origin.path)
        text = json.dumps({"path": os.path.realpath(origin.path), "digest": origin.digest})
        write_private(f"{self._folder}/{_name(origin)}", f"{text}\n", sync=True)

    def forget(self, path: str) -> bool:
        """Trust *path* no more; whether it was trusted. Raises Storage."""
        found = [record for record in self.records() if record.path == os.path.realpath(path)]
        for record in found:
            remove(f"{self._folder}/{record.name}")
        return bool(found)

    def records(self) -> list[Record]:
        """Everything that was trusted, by path."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Storage(f"can't read {self._folder}: {error.strerror}") from None
        found = [_parsed(name, shelf.read_private(f"{self._folder}/{name}")) for name in names]
        return sorted((record for record in found if record is not None), key=lambda record: record.path)


def gate(world: World) -> Gate:
    """The real one."""
    from awsenv.lease import read_settings

    return Gate(world.home, world.trust_dir, lambda: read_settings(world.settings_path).trusted_files)


def origin_of(path: str, data: bytes) -> Origin:
    """*path* with *data* in it."""
    return Origin(path, hashlib.sha256(data).hexdigest())


def commands_in(path: str, data: bytes, keys: Sequence[str] = EXECUTABLE) -> list[Setting]:
    """Every line of an AWS config or credentials file that names a command, or sets another of *keys*, in order."""
    found: dict[Where, Setting] = {}
    for config in (AwsConfig(data, b"", path, ""), AwsConfig(b"", data, "", path)):
        sections = [config.profile(name) for name in config.names()]
        sections += [s for name in config.section_names("services") if (s := config.section("services", name))]
        for section in sections:
            settings = [*section.settings.values()]
            settings += [inner for setting in settings for inner in config.nested(setting).values()]
            found |= {setting.where: setting for setting in settings if setting.key in keys}
    return sorted(found.values(), key=lambda setting: setting.where.line)


def _name(origin: Origin) -> str:
    """The name of its record: the path is part of it, so that the same text elsewhere is another file."""
    return place.record_name(origin.path, origin.digest)


def _parsed(name: str, text: str | None) -> Record | None:
    """The record, None unless it is one and says what its name says."""
    try:
        about = json.loads(text or "")
        record = Record(name, about["path"], about["digest"])
    except (ValueError, TypeError, KeyError):
        return None
    return record if _name(Origin(record.path, record.digest)) == name else None


# Whose a file is


def _weakness(path: str, uid: int) -> str | None:
    """Who else could change what is found at *path*, in words; None where only *uid* and root can.

    Every folder on the way counts, and those of the links on it: who can rename one can put another in its place.
    """
    resolved, left, links = "/", [part for part in path.split("/") if part], 0
    weak = _weak_folder("/", uid)
    while left and weak is None:
        part = left.pop(0)
        if part in (".", ".."):
            resolved = os.path.dirname(resolved) if part == ".." else resolved
            continue
        here = f"{resolved.rstrip('/')}/{part}"
        try:
            about = os.lstat(here)
            target = os.readlink(here) if stat.S_ISLNK(about.st_mode) else None
        except OSError as error:
            return f"{here}: {error.strerror}"
        if target is not None:
            links += 1
            if links > _MOST_LINKS:
                return f"{here} is one of too many links"
            left = [part for part in target.split("/") if part] + left
            resolved = "/" if target.startswith("/") else resolved
        elif left:
            weak, resolved = _weak_folder(here, uid), here
        elif not stat.S_ISREG(about.st_mode):
            return f"{here} is not a regular file"
        else:
            weak = _weak(about, uid, here)
    return weak


def _weak_folder(path: str, uid: int) -> str | None:
    try:
        about = os.lstat(path)
    except OSError as error:
        return f"{path}: {error.strerror}"
    if about.st_mode & stat.S_ISVTX and about.st_uid in (0, uid):
        return None  # as in /tmp: what is mine there only I can rename
    return _weak(about, uid, path)


def _weak(about: os.stat_result, uid: int, path: str) -> str | None:
    if about.st_uid not in (0, uid):
        return f"{path} belongs to somebody else"
    if about.st_mode & stat.S_IWOTH or (about.st_mode & stat.S_IWGRP and not _is_private_group(about.st_gid, uid)):
        return f"others can write to {path}"
    return None


def _is_private_group(gid: int, uid: int) -> bool:
    """Whether a group has nobody in it but the user: with one each, and umask 002, all that one makes is group-writable."""
    import grp
    import pwd

    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(uid)
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
