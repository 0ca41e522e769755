"""Examined: the facts that the checks decide from, gathered once at the edge and frozen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from awsenv.config import AwsConfig
from awsenv.doctor.document import Document, Part, read_document
from awsenv.model import Profile, Where
from awsenv.settings import Settings

if TYPE_CHECKING:
    from awsenv.doctor.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Stat:
    """A file or folder as it stands. *mode* is its permission bits; *target* is where it leads if it is a link."""

    path: str
    kind: str  # file, folder, other
    mode: int
    owner: int
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """All that a check may ask. Pure data: the environment, the files' bytes and their modes, the time (epoch seconds).

    *name* is the profile that was asked about, None for everything. *stats* holds every path that was looked at and is
    there. *neighbours* are AWS's files in folders beside ~/.aws that are nearly called so (`.awx`). *programs* says of the
    first word of every credential_process and mfa_process whether there is such a program. *strangers* has, for each of
    the two files that may start nothing until it is trusted, the reason. *regions* are those that botocore's data knows,
    empty where that could not be asked. *tokens* are the logins (sso-sessions, start URLs) for which there is a token
    file. *before* is the environment as it was before awsenv. *surroundings* is what was gathered of the shell and the
    machine. *documents*, *profiles* and *by_name* are made of the two files: config, then credentials.
    """

    name: str | None
    home: str
    user: int
    config: AwsConfig
    config_path: str
    credentials_path: str
    config_data: bytes
    credentials_data: bytes
    env: Mapping[str, str]
    now: float
    settings: Settings = field(default_factory=Settings)
    stats: Mapping[str, Stat] = field(default_factory=dict)
    neighbours: tuple[str, ...] = ()
    programs: Mapping[str, bool] = field(default_factory=dict)
    strangers: Mapping[str, str] = field(default_factory=dict)
    regions: frozenset[str] = frozenset()
    tokens: frozenset[str] = frozenset()
    before: Mapping[str, str] | None = None
    surroundings: Surroundings | None = None
    documents: tuple[Document, ...] = ()
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    by_name: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)

    def documents_by_profile(self, number: int) -> dict[str, list[Part]]:
        """The sections of the config file (0) or the credentials file (1) by the profile that they define."""
        found: dict[str, list[Part]] = {}
        document = self.documents[number]
        for part in document.parts:
            name = document.profile_of(part)
            if name is not None:
                found.setdefault(name, []).append(part)
        return found

    def line_at(self, where: Where) -> str:
        """The line itself, as it was read; "" where it is in no file of these two."""
        return next((document.line(where.line) for document in self.documents if document.path == where.file), "")

    def part_at(self, where: Where) -> Part | None:
        """The section that the line at *where* belongs to."""
        for document in self.documents:
            if document.path == where.file:
                place = bisect_right(document.parts, where.line, key=lambda part: part.where.line)
                return document.parts[place - 1] if place else None
        return None

    def places_of(self, name: str) -> frozenset[tuple[str, int]]:
        """(file, line) of every section that profile *name* stands on: its own, its sources', their sso-sessions'.

        Sections that AWS's tools pass over count where they bear the name.
        """
        found: set[tuple[str, int]] = set()
        seen: set[str] = set()
        while name not in seen:
            seen.add(name)
            found.update(self.sections_named(name))
            profile = self.profiles.get(name)
            for key, kind in (("sso_session", "sso-session"), ("services", "services")):
                setting = profile.get(key) if profile is not None else None
                section = self.config.section(kind, setting.value) if setting is not None else None
                if section is not None and section.where is not None:
                    found.add((section.where.file, section.where.line))
            source = profile.get("source_profile") if profile is not None else None
            name = source.value if source is not None else name
        return frozenset(found)

    def sections_named(self, name: str) -> tuple[tuple[str, int], ...]:
        """(file, line) of the sections that define the profile, or bear its name and define nothing."""
        return self.by_name.get(name, ())


def _by_name(documents: tuple[Document, ...]) -> dict[str, tuple[tuple[str, int], ...]]:
    found: dict[str, tuple[tuple[str, int], ...]] = {}
    for document in documents:
        for part in document.parts:
            profile = document.profile_of(part)
            meant = part.header.split(None, 1)[-1].strip("'\" ") if part.header.split() else ""
            for name in {meant, part.header} if profile is None else {profile}:
                found[name] = (*found.get(name, ()), (document.path, part.where.line))
    return found


def read_files(config: bytes, credentials: bytes, config_path: str, credentials_path: str) -> dict[str, Any]:
    """What Examined holds of the two files, from their bytes."""
    parsed = AwsConfig(config, credentials, config_path, credentials_path)
    documents = (
        read_document(config, config_path, True),
        read_document(credentials, credentials_path, False),
    )
    return {
        "config": parsed,
        "config_path": config_path,
        "credentials_path": credentials_path,
        "config_data": config,
        "credentials_data": credentials,
        "documents": documents,
        "by_name": _by_name(documents),
        "profiles": {name: parsed.profile(name) for name in parsed.names()},
    }
