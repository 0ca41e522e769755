"""Every profile as a row for the picker: account, role, region, way and state, read off the files' text and the store.

`list` plans each profile, which takes seconds for thousands; a person who waits for a list to choose from has a tenth of
one. So this reads lines and believes them; what is wrong with a profile, `use` says. Imports no dataclass: 20 ms.
"""

import os
import re

from awsenv import history, sections, shelf
from awsenv.text import left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Settings = dict[str, str]

HEADER = ("profile", "account", "role", "region", "way", "state")
# Any setting but the secrets, which nothing here needs.
_LINE = re.compile(r"\n[ \t]*(?!aws_se[cs])([a-z_]+)[ \t]*[=:][ \t]*(.*)")
_ARN = re.compile(r"arn:[^:]*:iam::(\d{12}):role/(?:.*/)?([^/\s]+)")
_SSO = ("sso_account_id", "sso_role_name")


def rows(env: "Mapping[str, str]", accounts: "Mapping[str, str]", now: float) -> "list[tuple[str, ...]]":
    """A row a profile, as HEADER has it, those first that are used often and lately; *now* in epoch seconds.

    *accounts* are names for account ids. Raises OSError where a file can't be read.
    """
    profiles, sessions = _read(env)
    scores = history.scores(env, now)
    current = env.get("AWSENV_PROFILE", "")
    cached = _cached(env, now)
    ended = _Ended(env, sessions, now)
    ways = _Ways(profiles)
    found: list[tuple[str, ...]] = []
    for name, settings in profiles.items():
        account, role = _principal(settings)
        way, root = ways.of(settings)
        state = "in use" if name == current else ""
        if not state and name in cached:
            state = f"cached {left(cached[name] - now)}"
        if not state and "sso_account_id" in root and ended.is_over(root):
            state = "login needed"
        found.append((name, accounts.get(account, account), role, _meant(settings.get("region", "")), way, state))
    # Who opens the list wants another identity than the present one.
    found.sort(key=lambda row: -scores.get(row[0], 0.0) if row[0] != current else -1e-9)
    return found


def _read(env: "Mapping[str, str]") -> "tuple[dict[str, Settings], dict[str, Settings]]":
    """(profiles, sso-sessions) of the two files, by name."""
    profiles: dict[str, Settings] = {}
    sessions: dict[str, Settings] = {}
    for path, is_config in zip(shelf.config_paths(env), (True, False), strict=True):
        text = _text(path)
        for header, _, start, end, _ in sections.split(text):
            name = sections.profile_name(header) if is_config else header
            into = profiles
            if is_config and name is None and header.startswith("sso-session"):
                words = sections.words(header)
                name, into = words[1] if len(words) == 2 else None, sessions
            if name and name != sections.DEFAULTS:
                into.setdefault(name, {}).update(_LINE.findall(text, start, end))
    return profiles, sessions


def _text(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return ""
    with open(descriptor, "rb") as file:
        if os.fstat(descriptor).st_mode & 0o170000 != 0o100000:
            raise OSError(f"{path} is not a regular file")
        return sections.decode(file.read())


def _principal(settings: "Settings") -> "tuple[str, str]":
    """(account id, role), what is not known as ""."""
    arn = _ARN.match(settings.get("role_arn", ""))
    if arn:
        return arn[1], arn[2]
    return _meant(settings.get("sso_account_id", "")), _meant(settings.get("sso_role_name", ""))


class _Ways:
    """How a profile authenticates, in the words of `list`; and its root: the settings at the beginning of its chain."""

    def __init__(self, profiles: "dict[str, Settings]") -> None:
        self._profiles = profiles
        self._sources: dict[str, tuple[str, Settings]] = {}

    def of(self, settings: "Settings") -> "tuple[str, Settings]":
        return self._followed(settings, ())

    def _followed(self, settings: "Settings", trail: "tuple[str, ...]") -> "tuple[str, Settings]":
        if "role_arn" not in settings or (trail and "aws_access_key_id" in settings):
            way = _own_way(settings)
            return f"{way} → MFA" if way == "keys" and not trail and "mfa_serial" in settings else way, settings
        if "web_identity_token_file" in settings:
            return "web identity", settings
        name = _meant(settings.get("source_profile", ""))
        if name not in self._profiles or name in trail:
            return f"{settings.get('credential_source', '?')} → role", settings
        if name not in self._sources:
            self._sources[name] = self._followed(self._profiles[name], (*trail, name))
        way, root = self._sources[name]
        return f"{way} → MFA → role" if way == "keys" and "mfa_serial" in settings else f"{way} → role", root


def _own_way(settings: "Settings") -> str:
    if any(key in settings for key in _SSO):
        return "sso"
    ways = {"aws_access_key_id": "keys", "login_session": "login", "credential_process": "program"}
    return next((way for key, way in ways.items() if key in settings), "?")


def _meant(value: str) -> str:
    """*value* without the comment behind it."""
    for mark in (" #", " ;", "\t#", "\t;") if "#" in value or ";" in value else ():
        value = value.partition(mark)[0]
    return value.rstrip()


def _cached(env: "Mapping[str, str]", now: float) -> "dict[str, float]":
    """Profile → until when what is stored for it is good, whatever the options."""
    found: dict[str, float] = {}
    root = shelf.store_root(env)
    if root is None or not shelf.is_ours(root):
        return found
    try:
        names = os.listdir(f"{root}/index")
    except OSError:
        return found
    for name in names:
        lines = [line.split("\t") for line in (shelf.read_private(f"{root}/index/{name}") or "").split("\n")]
        values = {line[1]: line[2] for line in lines if line[0] == "set" and len(line) == 3}
        profile = values.get("AWSENV_PROFILE")
        for key in (line[1] for line in lines if line[0] == "key" and len(line) == 2):
            entry = shelf.parse_entry(shelf.read_private(f"{root}/keys/{key}"))
            expires = entry[0][0] if entry is not None else None
            if profile and expires is not None and expires > now:
                found[profile] = max(expires, found.get(profile, 0.0))
    return found


class _Ended:
    """Which logins to Identity Center are over and can't be renewed unattended, by AWS's own token files."""

    def __init__(self, env: "Mapping[str, str]", sessions: "dict[str, Settings]", now: float) -> None:
        self._folder = f"{env.get('HOME', '')}/.aws/sso/cache"
        self._sessions = sessions
        self._now = now
        self._known: dict[str, bool] = {}

    def is_over(self, settings: "Settings") -> bool:
        key = _meant(settings.get("sso_session") or settings.get("sso_start_url", ""))
        if key not in self._known:
            self._known[key] = self._looked_up(key)
        return self._known[key]

    def _looked_up(self, key: str) -> bool:
        from hashlib import sha1  # only Identity Center's profiles pay

        digest = sha1(key.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
        try:
            text = _text(f"{self._folder}/{digest}.json")
        except OSError:
            return True
        fields = dict(re.findall(r'"(expiresAt|refreshToken|registrationExpiresAt)"\s*:\s*"([^"]*)"', text))
        if _epoch(fields.get("expiresAt", "")) > self._now:
            return False
        return not ("refreshToken" in fields and _epoch(fields.get("registrationExpiresAt", "")) > self._now)


def _epoch(text: str) -> float:
    """RFC 3339 in UTC, as AWS's tools write it, as epoch seconds; 0.0 for anything else."""
    parts = re.match(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)", text)
    if parts is None:
        return 0.0
    from calendar import timegm  # only an Identity Center profile pays

    return float(timegm(tuple(int(part) for part in parts.groups())))
