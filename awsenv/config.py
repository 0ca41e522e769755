"""AWS config text → AwsConfig, every setting knowing the file and line it came from. Only what is asked for is parsed."""

from __future__ import annotations

from awsenv import sections, text
from awsenv.errors import Config, UnknownProfile
from awsenv.model import Note, Origin, Problem, Profile, Setting, Where

# A comment behind the value is what the writer meant; botocore and the AWS CLI take it as part of the value.
# Never in settings whose value may hold ` #` in earnest: commands, paths, external ids, session names, keys.
_COMMENTED = frozenset(
    ("region", "output", "role_arn", "mfa_serial", "source_profile", "credential_source", "duration_seconds")
)
_OWN_KEYS = (
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_security_token",
    "aws_account_id",
)
_KINDS = ("sso-session", "services")
_NOT_UTF8 = "bytes that are not UTF-8"
_Parsed = tuple[dict[str, Setting], list[Problem]]


def takes_comment(key: str) -> bool:
    """Whether ` #` and ` ;` begin a comment behind the value of *key*."""
    return key in _COMMENTED or key.startswith("sso_")


def meant(value: str) -> str:
    """The value without the comment behind it."""
    if value[:1] in ("#", ";"):
        return ""
    cuts = [cut for cut in (value.find(" #"), value.find(" ;"), value.find("\t#"), value.find("\t;")) if cut >= 0]
    return value[: min(cuts)].rstrip() if cuts else value


class _File:
    """One file's text and where its sections lie, by what they define."""

    def __init__(self, path: str, data: bytes, is_config: bool) -> None:
        self.path = path
        self.data = data
        self.has_bom = data.startswith(b"\xef\xbb\xbf")
        self.text = sections.decode(data)
        self.profiles: dict[str, list[sections.Section]] = {}
        self.others: dict[tuple[str, str], list[sections.Section]] = {}
        self.ignored: dict[str, tuple[str, int]] = {}  # what AWS's tools pass over: the likely name → (header, line)
        self.repeated: dict[str, tuple[int, int]] = {}  # header → the (second, first) lines it stands on
        self._is_config = is_config
        self._defaults: list[sections.Section] = []
        self._inherited: _Parsed | None = None
        self._digest: str | None = None
        self._sections = sections.split(self.text)
        headers: dict[str, int] = {}
        for section in self._sections:
            header, line = section[0], section[1]
            if header == sections.DEFAULTS:
                self._defaults.append(section)  # as often as one likes
                continue
            if header in headers:
                self.repeated.setdefault(header, (line, headers[header]))
            headers.setdefault(header, line)
            self._enter(section, header, line)

    def _enter(self, section: sections.Section, header: str, line: int) -> None:
        if not header:
            return
        if not self._is_config:
            self.profiles.setdefault(header, []).append(section)
            return
        name = sections.profile_name(header)
        if name is not None:
            self.profiles.setdefault(name, []).append(section)
            return
        for kind in _KINDS:
            if header.startswith(kind):
                parts = sections.words(header)
                if len(parts) == 2:
                    self.others.setdefault((kind, parts[1]), []).append(section)
                    return
        first, *rest = header.split(None, 1)
        likely = rest[0].strip("'\" ") if rest and first.lower().startswith("profile") else header.strip()
        self.ignored.setdefault(likely, (header, line))

    def parse(self, parts: list[sections.Section]) -> _Parsed:
        """The settings of the sections that define one thing, with what [DEFAULT] lends them, and what is wrong there."""
        if len({section[0] for section in parts}) > 1:
            # [default] and [profile default], or one name with two quotings: botocore keeps the later one whole.
            parts = parts[-1:]
        inherited, lent_problems = self._lent()
        values, problems = dict(inherited), list(lent_problems)
        for section in parts:
            found, damage = self._read(section)
            values.update(found)
            problems += damage
        header = parts[0][0] if parts else ""
        if header in self.repeated:
            line, first = self.repeated[header]
            what = f"[{header}] stands here a second time (first on line {first})"
            problems.append(Problem(Where(self.path, line), what))
        return values, problems

    def _lent(self) -> _Parsed:
        """RawConfigParser's [DEFAULT], which few know: its settings stand in every other section of the same file."""
        if self._inherited is None:
            values: dict[str, Setting] = {}
            problems: list[Problem] = []
            for section in self._defaults:
                found, damage = self._read(section)
                again = [
                    Problem(s.where, f"{key} stands here a second time") for key, s in found.items() if key in values
                ]
                values.update(found)
                problems += damage + again
            self._inherited = values, problems
        return self._inherited

    def _read(self, section: sections.Section) -> _Parsed:
        found, damage = sections.settings(self.text, section)
        problems = [Problem(Where(self.path, line), what) for line, what in damage]
        values = {}
        for key, value, line in found:
            where = Where(self.path, line)
            if _has_stray_bytes(key) or _has_stray_bytes(value):
                problems.append(Problem(where, f"{text.show(key)} holds {_NOT_UTF8}"))
            values[key] = Setting(key, meant(value) if takes_comment(key) else value, where, value)
        return values, problems

    def ours_alone(self, parts: list[sections.Section]) -> Where | None:
        """The first header of *parts*, where RawConfigParser, which reads one up to the line's last `]`, finds another."""
        for header, _, start, _, closed in parts:
            line = self.text[self.text.rfind("\n", 0, start) + 1 : start].strip()
            if closed and line.rpartition("]")[0][1:] == header:
                return None
        return Where(self.path, parts[0][1])

    def digest(self) -> str:
        """The SHA-256 of its bytes, in hex; worked out once, for `doctor` asks it for every profile with a program."""
        if self._digest is None:
            import hashlib  # only what starts a program pays

            self._digest = hashlib.sha256(self.data).hexdigest()
        return self._digest

    def damage(self) -> list[Problem]:
        """All that makes RawConfigParser, or botocore behind it, refuse the whole file. Parses everything."""
        found = []
        if self.has_bom:
            found.append(Problem(Where(self.path, 1), "the file begins with a byte order mark"))
        begin = self.text.rfind("\n", 0, self._sections[0][2]) + 1 if self._sections else len(self.text)
        for number, before in enumerate(self.text[:begin].split("\n"), 1):
            if before.strip() and before.strip()[0] not in "#;":
                found.append(Problem(Where(self.path, number), "this line stands before the first section"))
                break
        found += self._lent()[1]
        for section in self._sections:
            found += self._read(section)[1] if section[0] != sections.DEFAULTS else []
        for header, (line, first) in self.repeated.items():
            what = f"[{header}] stands here a second time (first on line {first})"
            found.append(Problem(Where(self.path, line), what))
        if _has_stray_bytes(self.text) and not any(_NOT_UTF8 in problem.what for problem in found):
            number = next(n for n, raw in enumerate(self.text.split("\n"), 1) if _has_stray_bytes(raw))
            found.append(Problem(Where(self.path, number), f"this line holds {_NOT_UTF8}"))
        return found


def _has_stray_bytes(value: str) -> bool:
    return not value.isascii() and any("\udc80" <= character <= "\udcff" for character in value)


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

    def profile(self, name: str) -> Profile:
        """The merged profile; raises UnknownProfile with the nearest names, or what AWS's tools make of a near miss."""
        if not self.has(name):
            raise self.unknown(name)
        values: dict[str, Setting] = {}
        problems: list[Problem] = []
        where = None
        for file in (self._config, self._credentials):
            parts = file.profiles.get(name)
            if parts:
                found, damage = file.parse(parts)
                values.update({key: self._kept(setting) for key, setting in found.items()})
                problems += damage
                where = where or Where(file.path, parts[-1][1])
        return Profile(name, values, where, tuple(problems), self._header_of_ours(name) is not None)

    def _header_of_ours(self, name: str) -> Where | None:
        """The header by which only we find the profile, or None: AWS's tools read one up to the line's last `]`."""
        ours = None
        for file in (self._config, self._credentials):
            parts = file.profiles.get(name)
            if parts:
                where = file.ours_alone(parts)
                if where is None:
                    return None
                ours = ours or where
        return ours

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
        return [*self._config.damage(), *self._credentials.damage()]

    def section(self, kind: str, name: str) -> Profile | None:
        """An `sso-session` or `services` section as a bag of settings; None where there is none."""
        parts = self._config.others.get((kind, name))
        if not parts:
            return None
        values, problems = self._config.parse(parts)
        where, alone = Where(self.config_path, parts[-1][1]), self._config.ours_alone(parts) is not None
        return Profile(name, values, where, tuple(problems), alone)

    def origin(self, setting: Setting) -> Origin:
        """The file that *setting* stands in, as it was read."""
        file = self._config if setting.where.file == self.config_path else self._credentials
        return Origin(file.path, file.digest())

    def section_names(self, kind: str) -> list[str]:
        """The names of all `sso-session` or `services` sections."""
        return [name for found, name in self._config.others if found == kind]

    def nested(self, setting: Setting) -> dict[str, Setting]:
        """The settings indented under an empty one of the config file (`sts =` in a `services` section)."""
        if setting.where.file != self.config_path or not setting.value.startswith("\n"):
            return {}
        found = sections.nested(self._config.text, setting.where.line)
        return {key: Setting(key, value, Where(self.config_path, line)) for key, (value, line) in found.items()}

    def own_keys(self, name: str, credentials_file: bool) -> dict[str, Setting]:
        """The access key settings in the profile's section of that one file: botocore reads keys from each file apart."""
        file = self._credentials if credentials_file else self._config
        parts = file.profiles.get(name)
        values = file.parse(parts)[0] if parts else {}
        return {key: values[key] for key in _OWN_KEYS if key in values}

    def notes_for(self, name: str) -> list[Note]:
        """What AWS's own tools read otherwise in the headers of profile *name*."""
        notes = []
        if name in self._config.ignored and name not in self._config.profiles:
            header, line = self._config.ignored[name]
            what = f"AWS tools ignore [{header}] in this file; write [profile {_quoted(name)}]"
            notes.append(Note(what, Where(self.config_path, line)))
        ours = self._header_of_ours(name)
        if ours is not None:
            what = (
                f'AWS tools read this header up to its last ], and so find no profile "{name}"; move what is behind it'
            )
            notes.append(Note(what, ours))
        return notes

    def unknown(self, name: str) -> UnknownProfile:
        """The error for a profile that isn't there: a header that AWS's tools ignore, or the nearest names."""
        if name in self._config.ignored:
            header, line = self._config.ignored[name]
            return UnknownProfile(
                f'AWS tools ignore [{header}] in this file, and so there is no profile "{name}"',
                Where(self.config_path, line),
                f"{self.config_path}:{line} should read: [profile {_quoted(name)}]",
            )
        shown, names = text.show(name), self.names()
        if not names:
            what = f'there is no profile "{shown}": neither {self.config_path} nor {self.credentials_path} holds any'
            return UnknownProfile(what, None, "awsenv sso add   (or: aws configure)")
        close = text.nearest(name, names)
        hint = "did you mean " + " or ".join(_quoted(text.show(n)) for n in close) + "?" if close else "awsenv list"
        return UnknownProfile(f'there is no profile "{shown}"', None, hint)


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
