"""A profile that asks awsenv for another one: the command in it, written and recognised, and the block of them. Pure."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from awsenv import quick
from awsenv.config import AwsConfig
from awsenv.errors import Config, Usage
from awsenv.model import Profile, Where
from awsenv.render.shells import quote_posix
from awsenv.text import show, word

if TYPE_CHECKING:
    from awsenv.config_writer import Section  # every plan asks `target`; only `wrap` writes

KEY = "credential_process"
TEMPLATE = "{profile}-awsenv"
BLOCK = "profiles"  # the name in the marks of the one block
_MAIN = "/awsenv/__main__.py"

# What says who a profile is: all else (region, output, endpoints, retries, …) holds for its wrapped form, too.
_WHO = (
    "credential_process", "credential_source", "source_profile", "role_arn", "role_session_name", "external_id",
    "duration_seconds", "web_identity_token_file", "login_session", "aws_account_id", "aws_security_token",
)  # fmt: skip
_WHO_TOO = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "sso_", "mfa_", "awsenv_")

State = Literal["added", "changed", "kept", "gone", "removed"]  # gone: what it asks for is no more, and it is kept


# ---- The command ----------------------------------------------------------------------------------------------------


def command(program: Sequence[str], profile: str) -> str:
    """The credential_process that asks *program*, awsenv, for *profile*.

    botocore splits it by shlex's rules, most other SDKs hand it to `sh -c`; single quotes are the same to both. Raises
    Config for a name that can't be said so that each of them, and each reader of the file, finds it again.
    """
    from shlex import split  # a writer alone pays

    from awsenv.config_writer import is_plain_value

    named = (profile, "--format", "process") if profile[:1] != "-" else ("--format", "process", "--", profile)
    words = (*program, "export", *named)
    value = " ".join(part if _is_bare(part) else quote_posix(part) for part in words)
    # A reader of ini files may take a quote at either end for a pair around the whole.
    is_quoted = value[0] in "'\"" and value[-1] in "'\""
    if is_quoted or not is_plain_value(value) or tuple(split(value)) != words or target(words) != profile:
        raise Config(f'no credential_process can name "{show(profile)}" so that every AWS tool reads it alike')
    return value


def _is_bare(text: str) -> bool:
    return bool(text) and all((c.isascii() and c.isalnum()) or c in "_.@%+,/:-" for c in text)


def target(words: Sequence[str]) -> str | None:
    """The profile that these words of a credential_process ask awsenv for, by its plain name alone; None for any other.

    By the words, not the file: another installation's awsenv, or one that is gone, answers the same as we do.
    """
    words = tuple(words)
    if words[0].rpartition("/")[2] == "awsenv":
        rest = words[1:]
    elif words[1:3] == ("-I", "-S") and words[3:4] and words[3].endswith(_MAIN):
        rest = words[4:]
    else:
        return None
    request = quick.document_request(list(rest[1:])) if rest[:1] == ("export",) else None
    return request.profile if request is not None and not request.fresh and not request.options() else None


def asked_for(value: str) -> str | None:
    """The same for the value of a setting; None also where it can't be split."""
    from shlex import split

    try:
        words = split(value)
    except ValueError:
        return None
    return target(words) if words else None


# ---- Names ----------------------------------------------------------------------------------------------------------


def check_template(template: str, count: int) -> None:
    """Raise Usage unless *template* makes *count* names of as many profiles."""
    try:
        fields = [(name, spec, how) for _, name, spec, how in string.Formatter().parse(template) if name is not None]
    except ValueError:
        raise Usage(f"the braces of --names don't match: {template}", hint=f"--names '{TEMPLATE}'") from None
    if any(field != ("profile", "", None) for field in fields):
        raise Usage(f"--names knows {{profile}} alone: {template}", hint=f"--names '{TEMPLATE}'")
    if not fields and count != 1:
        raise Usage("--names without {profile} is for one profile", hint=f"--names '{TEMPLATE}'")


# ---- The block ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wish:
    """What was asked for: *profiles* to wrap besides those that are, or *remove* of those (None: none, empty: all)."""

    program: tuple[str, ...]
    profiles: tuple[str, ...] = ()
    template: str = TEMPLATE
    prune: bool = False
    remove: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Row:
    """One wrapped profile, what it asks for, and what becomes of it."""

    name: str
    profile: str
    state: State
    section: Section

    @property
    def process(self) -> str:
        """Its command."""
        return dict(self.section.settings)[KEY]

    def document(self) -> dict[str, str | None]:
        """For programs."""
        region = dict(self.section.settings).get("region")
        return {
            "profile": self.name,
            "asks_for": self.profile,
            "state": self.state,
            "region": region,
            KEY: self.process,
        }


def held_in(found: Sequence[Section], path: str) -> dict[str, Section]:
    """What each wrapped profile asks for → its section. Raises Config at the first that `awsenv wrap` did not write."""
    held: dict[str, Section] = {}
    for section in found:
        if section.damage:
            raise Config(section.damage[0][1], Where(path, section.damage[0][0]), "mend that line")
        profile = asked_for(dict(section.settings).get(KEY, "")) if section.profile else None
        if profile is None:
            what = f"[{section.header}] stands between the marks of `awsenv wrap` and is not from there"
            raise Config(what, Where(path, section.line), "move it out, below the last mark")
        if profile in held:
            what = f"[{section.header}] asks for the same profile as [{held[profile].header}]"
            raise Config(what, Where(path, section.line), "remove one of the two")
        held[profile] = section
    return held


def rows_for(wish: Wish, held: Mapping[str, Section], others: AwsConfig) -> list[Row]:
    """Every profile of the block as it will be, and those that go. *others*: both files without the block.

    Raises Config for a profile that can't be wrapped, Usage for one to remove that isn't.
    """
    from awsenv.config_writer import Section, header_of

    for profile in wish.profiles:
        _require_wrappable(profile, held, others)
    removed = _removed(wish.remove, held) if wish.remove is not None else set()
    taken = {str(section.profile): profile for profile, section in held.items()}
    rows = []
    for profile in dict.fromkeys((*held, *wish.profiles)):
        old = held.get(profile)
        is_there = others.has(profile)
        if old is not None and (profile in removed or not is_there):
            state: State = "removed" if profile in removed or wish.prune else "gone"
            rows.append(Row(str(old.profile), profile, state, old))
            continue
        name = str(old.profile) if old is not None else wish.template.format(profile=profile)
        if old is None:
            _require_free(name, profile, taken, others)
            taken[name] = profile
        settings = (*_settings(others.profile(profile)), (KEY, command(wish.program, profile)))
        section = Section(old.header if old is not None else header_of("profile", name), settings)
        rows.append(Row(name, profile, "added" if old is None else "kept" if old == section else "changed", section))
    return rows


def _require_wrappable(profile: str, held: Mapping[str, Section], others: AwsConfig) -> None:
    source = next((each for each, section in held.items() if section.profile == profile), None)
    where = None
    if source is None:
        setting = others.profile(profile).get(KEY)  # raises for a name that nobody has
        source, where = (asked_for(setting.value), setting.where) if setting is not None else (None, None)
    if source is not None:
        what = f'"{show(profile)}" asks awsenv for "{show(source)}" already'
        raise Config(what, where, f"awsenv wrap {word(source)}")


def _require_free(name: str, profile: str, taken: Mapping[str, str], others: AwsConfig) -> None:
    if not name or name == "default" or others.has(name) or name in taken:
        where = others.profile(name).where if name and others.has(name) else None
        what = f'"{show(name)}", as which "{show(profile)}" would be wrapped, is another profile\'s name'
        if not name or name == "default":
            what = f'a wrapped profile can\'t be called "{name}"'
        raise Config(what, where, f"awsenv wrap {word(profile)} --names '{{profile}}-via-awsenv'")


def _removed(asked: Sequence[str], held: Mapping[str, Section]) -> set[str]:
    """What the profiles to remove ask for: each is named by itself, or by that."""
    if not asked:
        return set(held)
    by_name = {str(section.profile): profile for profile, section in held.items()}
    for name in asked:
        if name not in held and name not in by_name:
            there = ", ".join(show(each) for each in [*by_name][:9])
            raise Usage(f'"{show(name)}" is not wrapped', hint=f"there are: {there}" if there else None)
    return {by_name.get(name, name) for name in asked}


def _settings(profile: Profile) -> tuple[tuple[str, str], ...]:
    """What a wrapped profile takes over: all but what says who it is, as far as it can be written again as it was read."""
    from awsenv.config_writer import is_plain_value

    return tuple(
        (key, setting.value)
        for key, setting in profile.settings.items()
        if key not in _WHO and not key.startswith(_WHO_TOO) and (is_plain_value(setting.value) or "\n" in setting.value)
    )
