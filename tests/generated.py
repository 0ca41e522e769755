"""Random AWS configs for the agreement test: a value that can be written out as it is, or mended of what we forgive."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

NAMES = ("default", "a", "b", "c", "d", "sp ace", "é")
SESSIONS = ("s1", "s2", "sp ess")
LOGINS = ("arn:aws:iam::111111111111:user/me", "arn:aws:sts::222222222222:assumed-role/Ops/me")
START_URLS = ("https://d-1.awsapps.com/start", "https://d-2.awsapps.com/start#/")
ARNS = tuple(f"arn:aws:iam::{n * 12}:role/{role}" for n in "12" for role in ("Ops", "path/Dev"))
FOREIGN = "https://evil.example"
HOME_SHORT, HOME = "~", "/home/me"
_TAKES_COMMENT = (
    "region",
    "output",
    "role_arn",
    "mfa_serial",
    "source_profile",
    "credential_source",
    "duration_seconds",
)


@dataclass(frozen=True)
class Entry:
    """One setting. *children* are nested under it."""

    key: str
    value: str
    comment: str = ""
    gap: str = " = "
    children: tuple[tuple[str, str], ...] = ()

    def lines(self, comments: bool) -> list[str]:
        own = f"{self.key}{self.gap}{self.value}{self.comment if comments else ''}"
        return [own, *(f"  {key} = {value}" for key, value in self.children)]


@dataclass(frozen=True)
class Block:
    """One section. *tail* stands behind its header, in earnest a comment that holds a bracket."""

    header: str
    entries: tuple[Entry, ...]
    tail: str = ""
    name: str | None = None  # of the profile it means to be


@dataclass(frozen=True)
class Damage:
    """What loses botocore the whole file, done to the block *at* of one file (None: to no block)."""

    kind: str
    file: str
    at: int | None


@dataclass(frozen=True)
class Case:
    """Two files and a world around them."""

    seed: int
    config: tuple[Block, ...]
    credentials: tuple[Block, ...]
    env: dict[str, str] = field(default_factory=dict)
    on_instance: bool = False
    newline: str = "\n"
    damage: Damage | None = None
    comments: bool = True
    tails: bool = True
    home: str = HOME_SHORT

    def mended(self, **changes: object) -> Case:
        return replace(self, **changes)

    def files(self) -> dict[str, bytes]:
        return {name: self._bytes(name) for name in ("config", "credentials")}

    def has_comments(self) -> bool:
        return self.comments and any(e.comment for b in (*self.config, *self.credentials) for e in b.entries)

    def has_tails(self) -> bool:
        return self.tails and any(b.tail for b in (*self.config, *self.credentials))

    def names(self) -> list[str]:
        """Every name that anything in the files may be taken for, and one that nothing is."""
        found = dict.fromkeys(block.name for block in (*self.config, *self.credentials) if block.name is not None)
        return [*found, "nobody"]

    def _bytes(self, name: str) -> bytes:
        damage = self.damage if self.damage is not None and self.damage.file == name else None
        lines: list[bytes] = []
        for i, block in enumerate(getattr(self, name)):
            own = [
                f"[{block.header}]{block.tail if self.tails else ''}",
                *(x for e in block.entries for x in e.lines(self.comments)),
            ]
            raw = [line.replace(f"{HOME_SHORT}/", f"{self.home}/").encode() for line in (*own, "")]
            lines += _hurt(raw, damage.kind) if damage is not None and damage.at == i else raw
        if damage is not None and damage.at is None:
            lines = _hurt(lines, damage.kind)
        return self.newline.encode().join(lines)


def _hurt(lines: list[bytes], kind: str) -> list[bytes]:
    header, rest = lines[0], lines[1:]
    return {
        "byte order mark": [b"\xef\xbb\xbf" + header, *rest],
        "line before the first section": [b"region = nowhere", header, *rest],
        "stray byte in a comment": [header, b"# caf\xe9", *rest],
        "empty header": [*lines, b"[]"],
        "section twice": [*lines, header, b"x = y"],
        "key twice": [header, b"zz = 1", b"ZZ = 2", *rest],
        "junk": [header, b"junk", *rest],
        "stray byte": [header, b"zz = caf\xe9", *rest],
        "open header": [header.partition(b"]")[0], *rest],
        "nested junk": [header, b"zz =", b"  junk", *rest],
    }[kind]


IN_NO_BLOCK = ("byte order mark", "line before the first section", "stray byte in a comment", "empty header")
IN_A_BLOCK = ("section twice", "key twice", "junk", "stray byte", "open header", "nested junk")


def case(seed: int) -> Case:
    """The case of *seed*: small, and crowded with what tools disagree about."""
    return _Maker(Random(seed)).case(seed)


class _Maker:
    def __init__(self, random: Random) -> None:
        self.random = random

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def pick(self, *options: str) -> str:
        return self.random.choice(options)

    def case(self, seed: int) -> Case:
        self.names = self.random.sample(NAMES, self.random.randint(3, 6))
        config: list[Block] = []
        credentials: list[Block] = []
        for name in self.names:
            if self.chance(0.85):
                config.append(self.block(self.header(name), self.settings(name), name))
                if self.chance(0.08):  # one name by two headers: the later one counts, whole
                    again = {config[-1].header: None, f"profile '{name}'": None, f'profile "{name}"': None}
                    config.append(self.block([*again][1], self.settings(name), name))
            if self.chance(0.4):
                header = name if self.chance(0.95) else f"profile {name}"
                body = self.keys() if self.chance(0.7) else self.settings(name)
                credentials.append(self.block(header, body, header))
        for session in SESSIONS:
            if self.chance(0.85):
                header = f"sso-session {session}" if " " not in session else f'sso-session "{session}"'
                config.append(self.block(header, self.session(), None))
        config += [self.block("services local", {}, None, self.endpoints())] if self.chance(0.7) else []
        for blocks in (config, credentials):
            if self.chance(0.1):
                blocks.append(self.block("DEFAULT", self.lent(), None))
            self.random.shuffle(blocks)
        made = Case(
            seed,
            tuple(config),
            tuple(credentials),
            env=self.env(),
            on_instance=self.chance(0.4),
            newline="\r\n" if self.chance(0.1) else "\n",
        )
        twice = len({block.name for block in config if block.name}) < sum(1 for block in config if block.name)
        return replace(made, damage=self.damage(made)) if self.chance(0.25) and not twice else made

    def damage(self, made: Case) -> Damage | None:
        file = self.pick("config", "credentials")
        blocks = getattr(made, file)
        hurtable = [i for i, block in enumerate(blocks) if block.name is not None or "session" in block.header]
        if not hurtable:
            return None
        if self.chance(0.4):
            return Damage(self.pick(*IN_NO_BLOCK), file, None)
        return Damage(self.pick(*IN_A_BLOCK), file, self.random.choice(hurtable))

    def header(self, name: str) -> str:
        if name == "default" and self.chance(0.6):
            return name
        if self.chance(0.06):
            return self.pick(name, f"profile {name} too", f'profile "{name}', f"Profile {name}", f"profile\u3000{name}")
        if " " in name or self.chance(0.2):
            return self.pick(f'profile "{name}"', f"profile '{name}'", f'profilefoo   "{name}"')
        return self.pick(f"profile {name}", f"profile   {name}\t")

    def block(self, header: str, settings: dict[str, str], name: str | None, more: tuple[Entry, ...] = ()) -> Block:
        entries = [self.entry(key, value) for key, value in settings.items()]
        if self.chance(0.1):
            entries.append(Entry("s3", "", children=(("max_concurrent_requests", "5"), ("x", "y=z"))))
        self.random.shuffle(entries)
        tail = self.pick(" # note", " ; x = y") if self.chance(0.05) else " # [note]" if self.chance(0.04) else ""
        return Block(header, (*entries, *more), tail if name is not None else "", name)

    def entry(self, key: str, value: str) -> Entry:
        takes = key in _TAKES_COMMENT or key.startswith("sso_")
        comment = self.pick(" # note", "\t; note", "  #") if takes and self.chance(0.04) else ""
        if self.chance(0.01) and key != "sso_start_url":  # which botocore asks for, and then never looks at
            value = ""
        written = key.upper() if self.chance(0.05) else key
        return Entry(written, value, comment, gap=self.pick(" = ", "=", ": ", "\t=  "))

    def settings(self, name: str) -> dict[str, str]:
        made: dict[str, str] = {}
        for _ in range(2 if self.chance(0.2) else 1):
            kind = self.random.choices(
                (self.role, self.keys, self.sso, self.legacy, self.later, dict), (45, 15, 20, 5, 8, 7)
            )[0]
            made.update(kind())
        if self.chance(0.5):
            made["region"] = self.pick("eu-west-1", "us-east-1")
        if self.chance(0.05):
            made["services"] = self.pick("local", "local", "nowhere")
        if self.chance(0.04):
            made["endpoint_url"] = "http://127.0.0.1:3"
        if self.chance(0.03):
            made["ignore_configured_endpoint_urls"] = self.pick("true", "false")
        return made

    def role(self) -> dict[str, str]:
        made = {"role_arn": self.pick(*ARNS) if self.chance(0.95) else self.pick("Ops", ARNS[0].replace("1", ""))}
        if self.chance(0.95):
            made["source_profile"] = self.pick(*self.names) if self.chance(0.96) else "nobody"
        if self.chance(0.04):
            made["credential_source"] = self.pick("Environment", "environment", "")
        options = {
            "external_id": ("x1", "x # 2"),
            "mfa_serial": ("arn:aws:iam::111111111111:mfa/me",),
            "role_session_name": ("me", "you"),
            "duration_seconds": ("900", "3600", "7200", "7200", "43200", "3_600", "soon", "60", "50000"),
        }
        return made | {key: self.pick(*values) for key, values in options.items() if self.chance(0.25)}

    def keys(self) -> dict[str, str]:
        number = self.random.randint(1, 9)
        made = {"aws_access_key_id": f"AKIA{number}", "aws_secret_access_key": f"secret {number} # ; ="}
        if self.chance(0.2):
            made[self.pick("aws_session_token", "aws_security_token")] = f"token{number}"
        if self.chance(0.05):
            made["aws_session_token"] = f"other{number}"
        if self.chance(0.08):
            del made[self.random.choice(list(made))]
        if self.chance(0.2):
            made["mfa_serial"] = self.pick("arn:aws:iam::111111111111:mfa/me", "GAHT12345678")
        return made

    def sso(self) -> dict[str, str]:
        made = {"sso_session": self.pick(*SESSIONS) if self.chance(0.95) else "s9"}
        made |= {"sso_account_id": self.pick("111111111111", "222222222222"), "sso_role_name": self.pick("Dev", "Ops")}
        if self.chance(0.05):
            made["sso_account_id"] = "12345"
        if self.chance(0.15):
            made["sso_region"] = self.pick("eu-west-1", "us-east-1")
        if self.chance(0.08):
            del made[self.random.choice(list(made))]
        return made

    def legacy(self) -> dict[str, str]:
        made = {"sso_start_url": self.pick(*START_URLS), "sso_region": "eu-west-1"}
        made |= {"sso_account_id": "333333333333", "sso_role_name": "Old"}
        if self.chance(0.1):
            del made[self.random.choice(list(made))]
        return made

    def later(self) -> dict[str, str]:
        return self.random.choice(
            (
                self.process(),
                self.process(),
                self.web_identity(),
                self.web_identity(),
                {"web_identity_token_file": "/var/token"},
                self.credential_source(),
                self.credential_source(),
                {"login_session": LOGINS[0]},
                {"login_session": LOGINS[1]},
            )
        )

    def web_identity(self) -> dict[str, str]:
        made = {"web_identity_token_file": self.pick("/var/token", "/var/my # token", f"{HOME_SHORT}/token")}
        made["role_arn"] = self.pick(*ARNS) if self.chance(0.95) else "Ops"
        options = {"role_session_name": ("me", "you"), "duration_seconds": ("7200", "60"), "external_id": ("x1",)}
        if self.chance(0.1):  # for GitHub Actions, which this is not; no AWS tool knows it
            made["awsenv_github_role_arn"] = ARNS[3]
        return made | {key: self.pick(*values) for key, values in options.items() if self.chance(0.25)}

    def credential_source(self) -> dict[str, str]:
        made = self.role()
        made.pop("source_profile", None)
        sources = ("Environment", "EcsContainer", "Ec2InstanceMetadata", "SharedConfig", "ecscontainer")
        return made | {"credential_source": self.random.choices(sources, (40, 25, 25, 5, 5))[0]}

    def process(self) -> dict[str, str]:
        commands = (
            "/opt/tool # x",
            "/opt/tool",
            "'/opt/my tool' a\\ b \"c  d\"",
            "$HOME/tool *",
            '/opt/tool "open',
            "''",
        )
        made = {"credential_process": self.pick(*commands[:4]) if self.chance(0.95) else self.pick(*commands[4:])}
        if self.chance(0.3):
            made["aws_account_id"] = self.pick("111111111111", "222222222222")
        return made

    def session(self) -> dict[str, str]:
        made = {"sso_start_url": self.pick(*START_URLS), "sso_region": self.pick("eu-west-1", "eu-west-1", "us-east-1")}
        if self.chance(0.1):
            made["sso_role_name"] = self.pick("Dev", "Shared")
        if self.chance(0.05):
            del made[self.random.choice(list(made))]
        return made

    def endpoints(self) -> tuple[Entry, ...]:
        urls = {"sts": "http://127.0.0.1:4", "sso": self.pick("http://localhost:5", FOREIGN)}
        return tuple(Entry(key, "", children=(("endpoint_url", url),)) for key, url in urls.items() if self.chance(0.7))

    def lent(self) -> dict[str, str]:
        return self.random.choice(
            (
                {"region": "ap-south-1"},
                {"source_profile": self.pick(*self.names)},
                {"mfa_serial": "arn:aws:iam::999999999999:mfa/lent", "duration_seconds": "1800"},
                self.keys(),
            )
        )

    def env(self) -> dict[str, str]:
        made = {
            "AWS_ENDPOINT_URL": "http://127.0.0.1:2",
            "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
            "AWS_ENDPOINT_URL_SSO": self.pick("http://127.0.0.1:6", FOREIGN),
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": self.pick("true", "false", ""),
            "AWS_SESSION_TOKEN": self.pick("t", ""),
            "AWS_SECURITY_TOKEN": "older",
        }
        found = {name: value for name, value in made.items() if self.chance(0.06)}
        return found | ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/task"} if self.chance(0.3) else {})
