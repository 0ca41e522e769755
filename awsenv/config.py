"""AWS config text → AwsConfig, every setting knowing the file and line it came from. Only what is asked for is parsed."""

from __future__ import annotations

from awsenv import sections, text
from awsenv.errors import Config, UnknownProfile
from awsenv.model import Note, Problem, Profile, Setting, Where

# A comment behind the value is what the writer meant; botocore and the AWS CLI take it as part of the value.
# Never in settings whose value may hold ` #` in earnest: commands, paths, external ids, session names, keys.
COMMENTED = frozenset(
    (
        "region",
        "output",
        "role_arn",
        "mfa_serial",
        "source_profile",
        "credential_source",
        "duration_seconds",
        "sso_session",
        "sso_start_url",
        "sso_region",
        "sso_account_id",
        "sso_role_name",
        "sso_registration_scopes",
    )
)
_KEY_NAMES = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token")


def meant(value: str) -> str:
    """The value without the comment behind it."""
    cuts = [cut for cut in (value.find(" #"), value.find(" ;"), value.find("\t#"), value.find("\t;")) if cut >= 0]
    return value[: min(cuts)].rstrip() if cuts else value


class _File:
    """One file's text and where its sections lie, by what they define."""

    def __init__(self, path: str, data: bytes, is_config: bool) -> None:
        self.path = path
        self.has_bom = data.startswith(b"\xef\xbb\xbf")
        self.text = sections.decode(data)
        self.profiles: dict[str, list[sections.Section]] = {}
        self.others: dict[tuple[str, str], list[sections.Section]] = {}
        self.bare: dict[str, int] = {}  # [x] in the config file, which AWS's tools ignore: name → line
        headers: dict[str, int] = {}
        self.repeated: dict[str, tuple[int, int]] = {}
        for section in sections.split(self.text):
            header, line = section[0], section[1]
            if header in headers:
                self.repeated.setdefault(header, (line, headers[header]))
            headers.setdefault(header, line)
            self._file(section, header, line, is_config)

    def _file(self, section: sections.Section, header: str, line: int, is_config: bool) -> None:
        if not is_config:
            self.profiles.setdefault(header, []).append(section)
            return
        name = sections.profile_name(header)
        if name is not None:
            self.profiles.setdefault(name, []).append(section)
            return
        for kind in ("sso-session", "services"):
            if header.startswith(kind):
                parts = sections.words(header)
                if len(parts) == 2:
                    self.others.setdefault((kind, parts[1]), []).append(section)
                    return
        first, _, rest = header.strip().partition(" ")
        if first == "profile" and rest.strip():
            self.profiles.setdefault(rest.strip("'\" "), []).append(section)  # unquoted blanks: ours alone
        else:
            self.bare.setdefault(header, line)

    def parse(self, section: sections.Section) -> tuple[dict[str, Setting], list[Problem]]:
        found, damage = sections.settings(self.text, section)
        problems = [Problem(Where(self.path, line), what) for line, what in damage]
        if section[0] in self.repeated:
            line, first = self.repeated[section[0]]
            problems.append(
                Problem(Where(self.path, line), f"[{section[0]}] stands here a second time (first on line {first})")
            )
        values = {}
        for key, value, line in found:
            where = Where(self.path, line)
            if any("\ud800" <= c <= "\udfff" for c in value):
                problems.append(Problem(where, f"{key} holds bytes that are not UTF-8"))
            values[key] = Setting(key, meant(value) if key in COMMENTED else value, where, value)
        return values, problems

    def damage(self) -> list[Problem]:
        problems = [Problem(Where(self.path, 1), "the file begins with a byte order mark")] if self.has_bom else []
        for section in sections.split(self.text):
            problems += self.parse(section)[1]
        return problems


class AwsConfig:
    """Both files, read once. Profiles are merged as botocore merges them: the credentials file's settings win."""

    def __init__(self, config: bytes, credentials: bytes, config_path: str, credentials_path: str) -> None:
        self.config_path = config_path
        self.credentials_path = credentials_path
        self._config = _File(config_path, config, is_config=True)
        self._credentials = _File(credentials_path, credentials, is_config=False)

    def names(self) -> list[str]:
        """Every profile name, in the order of the files, config first."""
        return list({**dict.fromkeys(self._config.profiles), **dict.fromkeys(self._credentials.profiles)})

    def has(self, name: str) -> bool:
        """Whether a profile of exactly that name exists in either file."""
        return name in self._config.profiles or name in self._credentials.profiles

    def profile(self, name: str, asked_by: Setting | None = None) -> Profile:
        """The merged profile; raises UnknownProfile with the nearest names, or what AWS's tools make of a near miss.

        *asked_by* is the `source_profile` setting that named it.
        """
        if not self.has(name):
            raise self._unknown(name, asked_by)
        values: dict[str, Setting] = {}
        problems: list[Problem] = []
        for file in (self._config, self._credentials):
            parts = file.profiles.get(name, [])
            for section in parts[-1:] if self._overwrites(parts) else parts:
                found, damage = file.parse(section)
                values.update({key: self._kept(setting) for key, setting in found.items()})
                problems += damage
        first = next(iter(values.values()), None)
        return Profile(name, values, first.where if first else None, tuple(problems), self._is_ours_alone(name))

    @staticmethod
    def _overwrites(parts: list[sections.Section]) -> bool:
        # [default] and [profile default] (or "a b" spelled twice): botocore keeps the later one whole.
        return len({section[0] for section in parts}) > 1

    def _is_ours_alone(self, name: str) -> bool:
        """Whether only we find the profile: AWS's tools drop its header, which they read up to the line's last `]`."""
        if name in self._credentials.profiles:
            return False
        for section in self._config.profiles[name]:
            header_line = self._config.text[self._config.text.rfind("\n", 0, section[2]) + 1 : section[2]].strip()
            if section[4] and sections.profile_name(header_line.rpartition("]")[0][1:]) == name:
                return False
        return True

    def _kept(self, setting: Setting) -> Setting:
        """A comment taken off a name that exists just so, ` #` and all, is put back."""
        written = setting.written or ""
        if setting.comment and (
            (setting.key == "source_profile" and self.has(written))
            or (setting.key == "sso_session" and ("sso-session", written) in self._config.others)
        ):
            return Setting(setting.key, written, setting.where, written)
        return setting

    def damage(self) -> list[Problem]:
        """All that makes AWS's own tools refuse a whole file. Parses everything: not for the daily path."""
        found: list[Problem] = []
        for file in (self._config, self._credentials):
            found += file.damage()
        return found

    def section(self, kind: str, name: str) -> Profile | None:
        """An `sso-session` or `services` section as a bag of settings; None where there is none."""
        parts = self._config.others.get((kind, name))
        if not parts:
            return None
        values: dict[str, Setting] = {}
        problems: list[Problem] = []
        for section in parts:
            found, damage = self._config.parse(section)
            values.update(found)
            problems += damage
        return Profile(name, values, Where(self.config_path, parts[0][1]), tuple(problems))

    def section_names(self, kind: str) -> list[str]:
        """The names of all `sso-session` or `services` sections."""
        return [name for found, name in self._config.others if found == kind]

    def keys_in(self, name: str, credentials_file: bool) -> bool:
        """Whether the profile's own section of that one file holds an access key (botocore reads the files apart)."""
        file = self._credentials if credentials_file else self._config
        return any("aws_access_key_id" in file.parse(section)[0] for section in file.profiles.get(name, []))

    def own_keys(self, name: str, credentials_file: bool) -> dict[str, Setting]:
        """The key settings in the profile's section of that one file."""
        file = self._credentials if credentials_file else self._config
        found: dict[str, Setting] = {}
        for section in file.profiles.get(name, [])[-1:]:
            values, _ = file.parse(section)
            found.update(
                {key: values[key] for key in (*_KEY_NAMES, "aws_account_id") if key in values and values[key].value}
            )
        return found

    def notes_for(self, name: str) -> list[Note]:
        """What AWS's own tools read otherwise: a bare `[name]` in the config file."""
        if name in self._config.bare:
            return [self._bare_note(name)]
        return []

    def _bare_note(self, name: str) -> Note:
        where = Where(self.config_path, self._config.bare[name])
        return Note(f"AWS tools ignore [{name}] in this file; write [profile {_quoted(name)}]", where)

    def _unknown(self, name: str, asked_by: Setting | None) -> Config:
        if name in self._config.bare:
            where = Where(self.config_path, self._config.bare[name])
            return UnknownProfile(
                f'AWS tools ignore [{name}] in this file, and so there is no profile "{name}"',
                where,
                f"write [profile {_quoted(name)}] on that line",
            )
        close = text.nearest(name, self.names())
        hint = "did you mean " + " or ".join(_quoted(text.show(n)) for n in close) + "?" if close else "awsenv list"
        if asked_by is not None:
            return Config(f'source_profile names "{name}", and there is no such profile', asked_by.where, hint)
        if not self.names():
            what = f'there is no profile "{name}": neither {self.config_path} nor {self.credentials_path} holds any'
            return UnknownProfile(what, None, "aws configure sso   (or: aws configure)")
        return UnknownProfile(f'there is no profile "{name}"', None, hint)


def _quoted(name: str) -> str:
    if name and all(c.isalnum() or c in "_.-@+=,/:%" for c in name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def require_sound(profile: Profile) -> None:
    """Raise Config at the first line of *profile* that can't be read as it stands."""
    if profile.problems:
        problem = profile.problems[0]
        raise Config(problem.what, problem.where, "mend that line; until then AWS tools refuse the whole file")
