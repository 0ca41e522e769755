"""The one settings file, TOML → Settings; every value knows where it came from, and a mistake never stops a `use`. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from awsenv import place
from awsenv.model import Problem, Where

FIELDS = ("class", "label", "region", "left")
LONGEST_PROCESS = 3600  # seconds
LOGINS = ("ask", "always", "never")
LABEL_FIELDS = ("profile", "account", "role", "region", "class")
PICKERS = ("auto", "fzf", "own")
GUARDS = ("confirm", "name", "no")
_ALIAS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")  # what TOML takes without quotes, and no option
_CLASS_NAME = re.compile(r"[a-z][a-z0-9-]{0,15}")

TEMPLATE = """\
# awsenv's settings. All of it is optional; `awsenv settings` shows what is in force and why.

# What kind of place an identity is: the first class with a matching pattern wins. A pattern is matched against the
# profile's name, the account id, the account's name below, the role, and `account/role`; * and ? are wildcards.
[classes]
prod = ["*prod*"]
staging = ["*stag*"]
dev = ["*dev*"]

# What is asked at the terminal before `use` and `exec` become one of a class: confirm (y or n), or name, the profile's.
[guard]
# prod = "confirm"

# Names for account ids, shown in their place.
[accounts]
# 111111111111 = "billing"

# Short names for profiles, wherever a profile is named: `awsenv use p`. A profile of the same name wins.
[aliases]
# p = "piyo-prod"

[picker]                                         # `awsenv use` without a name
program = "auto"                                 # auto (fzf, where it is installed), fzf, or own

[prompt]
label = "{account}/{role}"                       # of {profile} {account} {role} {region} {class}
fields = ["class", "label", "region", "left"]    # what the segment shows, in this order; [] turns it off
tab = false                                      # say prod in the terminal's tab: its colour in iTerm2, elsewhere its title

[login]
when_needed = "ask"                              # when a login has ended, at a terminal: ask, always (log in), or never

[refresh]
automatic = true                                 # renew at a prompt or before a command what is about to expire

[place]                                          # folders that are for an identity: see `awsenv here`
when_entering = "offer"                          # offer (a line that says what to type), switch (by what is stored), or off

[places]                                         # such folders, beside those with a .awsenv: a profile, and its options
# "~/clients/acme" = "acme-dev --read-only"

[browsers]                                       # what opens a login or the console, by sso-session (%s is the address)
# corp = "firefox -P corp"

[process]
timeout = 60                                     # seconds that a credential_process may take

[trust]
allow_endpoint_override = false                  # let the tokens of a login go to hosts that are not AWS's
files = []                                       # AWS config files of yours elsewhere than in ~/.aws, which may start programs
"""


@dataclass(frozen=True)
class Settings:
    """What is in force. *origins* maps a value's dotted name to the line that set it; what is absent is a default."""

    classes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    guards: Mapping[str, str] = field(default_factory=dict)  # class → confirm or name
    accounts: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    picker: str = "auto"
    label: str = "{account}/{role}"
    fields: tuple[str, ...] = FIELDS
    tab: bool = False
    login_when_needed: str = "ask"
    refresh_automatically: bool = True
    when_entering: str = "offer"
    places: Mapping[str, str] = field(default_factory=dict)  # path as it is written → profile and options
    browsers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    process_timeout: float = 60.0
    allow_endpoint_override: bool = False
    trusted_files: tuple[str, ...] = ()
    origins: Mapping[str, Where] = field(default_factory=dict)
    mistakes: tuple[Problem, ...] = ()

    def class_of(self, profile: str, account: str | None, role: str | None) -> str | None:
        """The first class one of whose patterns matches, without regard to case; None for none."""
        named = self.accounts.get(account or "", "")
        subjects = [profile, account or "", named, role or "", f"{account or ''}/{role or ''}"]
        for name, patterns in self.classes:
            for pattern in patterns:
                if any(subject and fnmatchcase(subject.lower(), pattern.lower()) for subject in subjects):
                    return name
        return None


def parse(text: str, path: str) -> Settings:
    """*text* of the file at *path*; what is wrong in it keeps its default and becomes a mistake with its line."""
    if not text.strip():
        return Settings()  # no file, mostly: that does without tomllib
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = int(found[1]) if found else max(1, text.count("\n"))
        what = f"not TOML: {str(error).partition(' (at ')[0]}; none of this file is in force"
        return Settings(mistakes=(Problem(Where(path, line), what),))
    return _Reader(document, text, path).settings()


class _Reader:
    """One pass over a parsed document, noting where things stand and what can't be."""

    def __init__(self, document: Mapping[str, Any], text: str, path: str) -> None:
        self._document = document
        self._lines = text.split("\n")
        self._path = path
        self._origins: dict[str, Where] = {}
        self._mistakes: list[Problem] = []

    def settings(self) -> Settings:
        default = Settings()
        known = {
            "classes": None,
            "guard": None,
            "accounts": None,
            "aliases": None,
            "picker": ("program",),
            "prompt": ("label", "fields", "tab"),
            "login": ("when_needed",),
            "refresh": ("automatic",),
            "place": ("when_entering",),
            "places": None,
            "browsers": None,
            "process": ("timeout",),
            "trust": ("allow_endpoint_override", "files"),
        }
        for section, value in self._document.items():
            if section not in known:
                self._mistake(section, None, f"there is no setting {section}; known are {', '.join(known)}")
            elif not isinstance(value, dict):
                self._mistake(section, None, f"{section} is a section: [{section}]")
            else:
                for key in value:
                    allowed = known[section]
                    if allowed is not None and key not in allowed:
                        self._mistake(
                            section, key, f"there is no setting {section}.{key}; known are {', '.join(allowed)}"
                        )
        return Settings(
            classes=self._classes(),
            guards=self._guards(),
            accounts=self._accounts(),
            aliases=self._aliases(),
            picker=self._choice("picker", "program", PICKERS),
            label=self._label(default.label),
            fields=self._fields(default.fields),
            tab=self._flag("prompt", "tab"),
            login_when_needed=self._choice("login", "when_needed", LOGINS),
            refresh_automatically=self._flag("refresh", "automatic", default.refresh_automatically),
            when_entering=self._choice("place", "when_entering", place.MODES),
            places=self._places(),
            browsers=self._browsers(),
            process_timeout=self._seconds("process", "timeout", default.process_timeout),
            allow_endpoint_override=self._flag("trust", "allow_endpoint_override"),
            trusted_files=self._files("trust", "files"),
            origins=self._origins,
            mistakes=tuple(self._mistakes),
        )

    def _section(self, name: str) -> Mapping[str, Any]:
        value = self._document.get(name)
        return value if isinstance(value, dict) else {}

    def _classes(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        classes = []
        for name, patterns in self._section("classes").items():
            if not _CLASS_NAME.fullmatch(name):
                self._mistake("classes", name, f"a class is named in small letters, digits and -, not {name}")
            elif not (isinstance(patterns, list) and all(isinstance(pattern, str) for pattern in patterns)):
                self._mistake("classes", name, f'{name} takes a list of patterns: {name} = ["*{name}*"]')
            else:
                self._note("classes", name)
                classes.append((name, tuple(patterns)))
        return tuple(classes)

    def _guards(self) -> dict[str, str]:
        """By class. One that can't be read asks all the same: who wrote it wants to be asked."""
        guards = {}
        for name, way in self._section("guard").items():
            if name not in self._section("classes"):
                self._mistake("guard", name, f'there is no class {name}: [classes] {name} = ["*{name}*"]')
            elif way not in GUARDS:
                self._mistake(
                    "guard", name, f"{name} takes one of {', '.join(GUARDS)}; until then you are asked: confirm"
                )
                guards[name] = GUARDS[0]
            else:
                self._note("guard", name)
                if way != "no":
                    guards[name] = way
        return guards

    def _accounts(self) -> dict[str, str]:
        accounts = {}
        for number, name in self._section("accounts").items():
            if not (re.fullmatch(r"\d{12}", number) and isinstance(name, str) and name):
                self._mistake("accounts", number, 'an account takes twelve digits and a name: 111111111111 = "billing"')
            else:
                self._note("accounts", number)
                accounts[number] = name
        return accounts

    def _aliases(self) -> dict[str, str]:
        aliases = {}
        for alias, profile in self._section("aliases").items():
            if not (_ALIAS.fullmatch(alias) and isinstance(profile, str) and profile):
                what = 'an alias takes letters, digits, _ and -, and the name of a profile: p = "piyo-prod"'
                self._mistake("aliases", alias, what)
            else:
                self._note("aliases", alias)
                aliases[alias] = profile
        return aliases

    def _label(self, default: str) -> str:
        label = self._section("prompt").get("label", default)
        if not isinstance(label, str) or not label:
            self._mistake("prompt", "label", "label takes a text such as {account}/{role}")
            return default
        unknown = [name for name in re.findall(r"\{([^{}]*)\}", label) if name not in LABEL_FIELDS]
        if unknown:
            known = " ".join(f"{{{name}}}" for name in LABEL_FIELDS)
            self._mistake("prompt", "label", f"label has no {{{unknown[0]}}}; known are {known}")
            return default
        self._note("prompt", "label")
        return label

    def _fields(self, default: tuple[str, ...]) -> tuple[str, ...]:
        fields = self._section("prompt").get("fields")
        if fields is None:
            return default
        if not isinstance(fields, list) or any(name not in FIELDS for name in fields):
            self._mistake("prompt", "fields", f"fields takes a list of {', '.join(FIELDS)}")
            return default
        self._note("prompt", "fields")
        return tuple(dict.fromkeys(fields))

    def _flag(self, section: str, key: str, default: bool = False) -> bool:
        value = self._section(section).get(key, default)
        if not isinstance(value, bool):
            self._mistake(section, key, f"{key} takes true or false")
            return default
        self._note(section, key)
        return value

    def _seconds(self, section: str, key: str, default: float) -> float:
        value = self._section(section).get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST_PROCESS:
            self._mistake(section, key, f"{key} takes seconds, up to {LONGEST_PROCESS}")
            return default
        self._note(section, key)
        return float(value)

    def _files(self, section: str, key: str) -> tuple[str, ...]:
        value = self._section(section).get(key, [])
        if not (isinstance(value, list) and all(isinstance(path, str) and path[:1] in ("/", "~") for path in value)):
            self._mistake(section, key, f'{key} takes a list of whole paths: {key} = ["~/projects/aws/config"]')
            return ()
        self._note(section, key)
        return tuple(value)

    def _choice(self, section: str, key: str, choices: tuple[str, ...]) -> str:
        """One of *choices*, of which the first is the default."""
        value = self._section(section).get(key, choices[0])
        if value not in choices:
            self._mistake(section, key, f"{key} takes one of {', '.join(choices)}")
            return choices[0]
        self._note(section, key)
        return str(value)

    def _places(self) -> dict[str, str]:
        places = {}
        for path, line in self._section("places").items():
            if path[:1] not in ("/", "~") or not isinstance(line, str):
                what = 'a place takes a whole path and a profile with its options: "~/clients/acme" = "acme-dev --read-only"'
                self._mistake("places", path, what)
                continue
            try:
                place.parse(line)
            except ValueError as error:
                self._mistake("places", path, f"{path}: {error}")
            else:
                self._note("places", path)
                places[path] = line
        return places

    def _browsers(self) -> dict[str, tuple[str, ...]]:
        browsers = {}
        for session, command in self._section("browsers").items():
            words = _words(command)
            if not words:
                self._mistake("browsers", session, f'a browser takes a command: {session} = "firefox -P {session}"')
            else:
                self._note("browsers", session)
                browsers[session] = words
        return browsers

    def _note(self, section: str, key: str) -> None:
        if key in self._section(section):
            self._origins[f"{section}.{key}"] = self._where(section, key)

    def _mistake(self, section: str, key: str | None, what: str) -> None:
        self._mistakes.append(Problem(self._where(section, key), what))

    def _where(self, section: str, key: str | None) -> Where:
        """The line of `key =` after `[section]`, or of a dotted `section.key =`; the parser gives no positions."""
        inside = False
        for number, line in enumerate(self._lines, 1):
            bare = line.strip()
            header = re.match(r"\[+\s*[\"']?([\w-]+)", bare)
            if header:
                inside = header[1] == section
                if inside and key is None:
                    return Where(self._path, number)
                continue
            name = re.split(r"[=\s]", bare.replace('"', "").replace("'", ""), maxsplit=1)[0]
            if (
                (inside and name == key)
                or name == f"{section}.{key}"
                or (key is None and name.split(".")[0] == section)
            ):
                return Where(self._path, number)
        return Where(self._path, 1)


def _words(command: object) -> tuple[str, ...]:
    """A command's words: a list as it stands, a text split as a shell would; () for anything else."""
    if isinstance(command, list):
        return tuple(command) if all(isinstance(word, str) and word for word in command) else ()
    if not isinstance(command, str):
        return ()
    import shlex  # few have a browser of their own

    try:
        return tuple(shlex.split(command))
    except ValueError:
        return ()


def void_aliases(settings: Settings, is_profile: Callable[[str], bool]) -> list[Problem]:
    """A mistake for each alias that says nothing: a profile has that name, or none has the one that it stands for."""
    found = []
    for alias, profile in settings.aliases.items():
        where = settings.origins[f"aliases.{alias}"]
        if is_profile(alias):
            found.append(Problem(where, f"the alias {alias} is void: a profile has that name"))
        elif not is_profile(profile):
            found.append(Problem(where, f'the alias {alias} is void: there is no profile "{profile}"'))
    return found


def rows(settings: Settings) -> list[tuple[str, str, str]]:
    """(name, value, where it came from) of everything in force, for `awsenv settings`."""
    found = [(f"classes.{name}", " ".join(patterns)) for name, patterns in settings.classes]
    found += [(f"guard.{name}", way) for name, way in settings.guards.items()]
    found += [(f"accounts.{number}", name) for number, name in settings.accounts.items()]
    found += [(f"aliases.{alias}", profile) for alias, profile in settings.aliases.items()]
    found.append(("picker.program", settings.picker))
    found.append(("prompt.label", settings.label))
    found.append(("prompt.fields", " ".join(settings.fields) or "(off)"))
    found.append(("prompt.tab", str(settings.tab).lower()))
    found.append(("login.when_needed", settings.login_when_needed))
    found.append(("refresh.automatic", str(settings.refresh_automatically).lower()))
    found.append(("place.when_entering", settings.when_entering))
    found += [(f"places.{path}", line) for path, line in settings.places.items()]
    found += [(f"browsers.{session}", " ".join(words)) for session, words in settings.browsers.items()]
    found.append(("process.timeout", f"{settings.process_timeout:g}"))
    found.append(("trust.allow_endpoint_override", str(settings.allow_endpoint_override).lower()))
    found.append(("trust.files", " ".join(settings.trusted_files) or "(none)"))
    return [(name, value, str(settings.origins.get(name, "default"))) for name, value in found]
