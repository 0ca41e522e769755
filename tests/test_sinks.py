"""Hostile text in every field but the profile's name, through every verb, onto a real terminal: it is shown, and does nothing."""

import fcntl
import functools
import importlib
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from awsenv import assets, turn
from awsenv.__main__ import main
from awsenv.demo.house import DEPLOY, START_URL, House, token_file
from awsenv.model import Credentials
from awsenv.text import show
from awsenv.tokens import token_path
from awsenv.variables import OWN
from tests.payloads import PAYLOADS
from tests.shells import Shell

if TYPE_CHECKING:
    from awsenv.demo.fake import FakeAws

# What only a terminal and a reader of lines can suffer from: one line that passes for two of ours.
FORGERIES = {
    "hint": "x\n  hint: forged",
    "line": "x\nawsenv: forged",
    "cr": "x\rawsenv: forged",
    "DEL": "a\x7fb",
    "tab": "a\tb",
    "comment": "\x1b[2J\u202ex # comment",
}
ALL = {**PAYLOADS, **FORGERIES}
# No shell is at work here, so what only a shell would mind is left to `pytest -m long`, and to the real shells below.
_LIKE_OTHERS = ("P21", "P25", "P26", "tab")
_PRINTABLE = ("P01", "P05", "P13", "P20", "P30", "P31", "P32", "P37a", "P38b", "P38d", "P38e")
EVERY = [
    pid
    if pid in _PRINTABLE or (not text.isprintable() and pid not in _LIKE_OTHERS)
    else pytest.param(pid, marks=pytest.mark.long)
    for pid, text in ALL.items()
]
DOCUMENTED = (
    0,
    2,
    3,
    4,
    5,
    6,
    7,
    126,
    127,
)  # the last two: exec, of a command; 1 would be a bug of ours, 130 nobody pressed

KEYS = "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = wJalr/+=\n"
ARN = "arn:aws:iam::222222222222:role/Role"
ROLE = f"role_arn = {ARN}\nsource_profile = base\n"
SSO = "sso_account_id = 123456789012\nsso_role_name = Admin\n"
LEGACY = f"{SSO}sso_start_url = https://corp.awsapps.com/start\nsso_region = eu-west-1\n"
# Every setting that awsenv reads, shows or passes on, and where the hostile text stands in it.
FIELDS = {
    "region": KEYS + "region = {}",
    "output": KEYS + "output = {}",
    "unknown-key": "{} = x",
    "role-arn": "source_profile = base\nrole_arn = {}",
    "role-name": "source_profile = base\nrole_arn = arn:aws:iam::222222222222:role/{}",
    "role-account": "source_profile = base\nrole_arn = arn:aws:iam::{}:role/Role",
    "partition": "source_profile = base\nrole_arn = arn:{}:iam::222222222222:role/Role",
    "source-profile": f"role_arn = {ARN}\nsource_profile = {{}}",
    "session-name": ROLE + "role_session_name = {}",
    "external-id": ROLE + "external_id = {}",
    "mfa-serial": ROLE + "mfa_serial = {}",
    "duration": ROLE + "duration_seconds = {}",
    "role-region": ROLE + "region = {}",
    "role-endpoint": ROLE + "endpoint_url = {}",
    "credential-source": f"role_arn = {ARN}\ncredential_source = {{}}",
    "sso-session": SSO + "sso_session = {}",
    "sso-account": "sso_session = corp\nsso_role_name = Admin\nsso_account_id = {}",
    "sso-role": "sso_session = corp\nsso_account_id = 123456789012\nsso_role_name = {}",
    "sso-legacy-url": SSO + "sso_region = eu-west-1\nsso_start_url = {}",
    "sso-legacy-region": SSO + "sso_start_url = https://corp.awsapps.com/start\nsso_region = {}",
    "sso-section-url": SSO + "sso_session = url",
    "sso-section-region": SSO + "sso_session = place",
    "services": LEGACY + "services = {}",
    "process": "credential_process = {}",
    "web-identity": f"role_arn = {ARN}\nweb_identity_token_file = {{}}",
    "login": "login_session = {}",
    "key-id": "aws_secret_access_key = x\naws_access_key_id = {}",
    "secret": "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = {}",
    "token": KEYS + "aws_session_token = {}",
    "account": KEYS + "aws_account_id = {}",
}
SECTIONS = """\
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-west-1
[sso-session url]
sso_region = eu-west-1
sso_start_url = {0}
[sso-session place]
sso_start_url = https://corp.awsapps.com/start
sso_region = {0}
[sso-session {0}]
sso_start_url = {0}
sso_region = {0}
[services {0}]
sts =
  endpoint_url = {0}
"""


def config_with(text: str) -> str:
    """A profile for every field, each with *text* in it."""
    profiles = "".join(f"[profile {name}]\n{body.replace('{}', text)}\n" for name, body in FIELDS.items())
    return f"[profile base]\n{KEYS}\n{profiles}{SECTIONS.replace('{0}', text)}"


_ASSIGNMENT = re.compile(r"[A-Z][A-Z_]*=")
_END = b"~~~ that was all, with the status "

# ---- The front door, in a fork of this process: real descriptors, a real terminal, and 20 ms instead of 300 ----------


@dataclass(frozen=True)
class Said:
    """What came out on the terminal (stdout too, unless it was captured), and what was captured."""

    code: int
    raw: bytes
    captured: bytes

    @property
    def text(self) -> str:
        """As it is meant to be read; raises where it isn't UTF-8."""
        return re.sub(rb"\x1b\[[0-9;]*m", b"", self.raw.replace(b"\r\n", b"\n")).decode("utf-8")


@dataclass(frozen=True)
class Door:
    """A home and a working directory that the front door is opened in."""

    home: Path
    cwd: Path
    env: Mapping[str, str]

    def __call__(self, *words: str, **how: Any) -> Said:
        """`awsenv WORDS` with a terminal; see `each`."""
        return self.each([words], **how)[0]

    def each(
        self,
        lines: Sequence[Sequence[str]],
        *,
        captured: bool = False,
        typed: bytes = b"",
        columns: int = 400,
        aws: Callable[[], None] | None = None,
        **env: str,
    ) -> list[Said]:
        """Each of *lines* in turn, in one fork; as in a shell, NAME=VALUE may stand before the verb.

        *typed* lies in the terminal from the start.
        *captured*: stdout is not the terminal. *aws* puts something in AWS's place, in that process alone.
        """
        out = self.cwd.parent / "captured"
        out.write_bytes(b"")
        pid, master = pty.fork()
        if pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
                os.chdir(self.cwd)
                (aws or answering())()
                channel = os.open(out, os.O_WRONLY) if captured else os.dup(1)
                for line in lines:
                    words = list(line)
                    os.environ.clear()
                    os.environ.update({**self.env, **env})
                    while words and _ASSIGNMENT.match(words[0]):
                        name, _, value = words.pop(0).partition("=")
                        os.environ[name] = value
                    os.dup2(channel, 1)
                    sys.stdout, sys.stderr = (open(fd, "w", closefd=False, errors="surrogateescape") for fd in (1, 2))  # noqa: SIM115  # they live as long as the process
                    code = main(words)
                    sys.stdout.flush()
                    sys.stderr.flush()
                    while turn.holding:  # at its end a process lets go of its locks
                        os.close(turn.holding.pop())
                    os.write(2, b"%s%d\n" % (_END, code))
            except BaseException as error:
                os.write(2, f"Traceback escaped: {error!r}{_END.decode()}99\n".encode("utf-8", "backslashreplace"))
            finally:
                os._exit(99)
        if typed:
            os.write(master, typed)
        raw = _read_all(pid, master)
        *said, rest = re.split(rb"%s(\d+)\r\n" % _END, raw)
        # What was typed is echoed at once; a process that asks nothing may have ended before.
        assert rest.strip() in (b"", typed.strip()) and len(said) == 2 * len(lines), (lines, raw)
        return [Said(int(said[i + 1]), said[i], out.read_bytes()) for i in range(0, len(said), 2)]

    def configure(self, text: str, name: str = "config") -> None:
        (self.home / ".aws" / name).write_bytes(text.encode("utf-8", "surrogateescape"))

    def log_in(self, *keys: str, **fields: str) -> None:
        """A token for each of these sessions or start URLs; a live one unless *fields* say otherwise."""
        folder = self.home / ".aws/sso/cache"
        folder.mkdir(parents=True, exist_ok=True)
        for key in keys:
            token = {"accessToken": "t", "expiresAt": "2099-01-01T00:00:00Z", "region": "eu-west-1", **fields}
            Path(token_path(str(folder), key)).write_text(json.dumps(token))


def _read_all(pid: int, master: int) -> bytes:
    """What the process writes on the terminal until its end, which is made after 20 silent seconds."""
    raw = b""
    while True:
        if not select.select([master], [], [], 20)[0]:
            os.kill(pid, signal.SIGKILL)
        try:
            more = os.read(master, 65536)
        except OSError:  # EIO: nobody has it open any more
            more = b""
        if not more:
            os.waitpid(pid, 0)
            os.close(master)
            return raw
        raw += more


@functools.cache
def warm() -> Any:
    """All that a verb imports, and a botocore session that has made each client once: forks start with them."""
    import difflib  # noqa: F401

    import platformdirs  # noqa: F401
    import rich.box
    import rich.console
    import rich.table  # noqa: F401

    import awsenv.cli
    import awsenv.cold
    import awsenv.terminal  # noqa: F401
    from awsenv.aws import Aws
    from awsenv.world import World

    for command in Path(assets.MAIN).parent.glob("commands/*.py"):
        if command.stem != "demo":
            importlib.import_module(f"awsenv.commands.{command.stem}")
    aws = Aws(World.current())
    for service in ("sts", "sso", "sso-oidc", "iam"):
        aws._client(service, "eu-west-1", None)
    return aws._session


@pytest.fixture
def door(tmp_path: Path) -> Door:
    warm()
    home, cwd = tmp_path / "home", tmp_path / "cwd"
    (home / ".aws").mkdir(parents=True)
    cwd.mkdir()
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    env["AWSENV_HOOK"] = "1"  # nobody is there to be offered a login; tests/test_login.py has that question
    return Door(home, cwd, {**env, "AWSENV_STORE": str(tmp_path / "store")})


def refusal(service: str, status: int, text: str) -> Exception:
    """What awsenv makes of an answer of AWS's with *text* for its code and its message."""
    from botocore.exceptions import ClientError

    from awsenv.aws.exchange import from_reply

    code = text if service in ("sts", "iam") else f"{text}Exception"  # without it, it isn't Identity Center's
    error = {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return from_reply(service, f"{service}.example", ClientError(error, "Operation"))


def answering(
    role: Callable[..., object] | None = None,
    sso: Callable[..., object] | None = None,
    roles: Callable[..., object] = lambda **_: [],
    renewal: Callable[..., object] | None = None,
    caller: Callable[..., object] | None = None,
    alias: Callable[..., object] = lambda **_: None,
) -> Callable[[], None]:
    """AWS as told: each is a function of what was asked, whose answer is returned, or raised if it is an error."""

    def install() -> None:
        from awsenv.aws import Aws

        def method(answer: Callable[..., object], service: str) -> Callable[..., object]:
            def called(self: Aws, *_: object, **asked: object) -> object:
                # The real client is made where that matters: botocore has its own opinion of regions and endpoints.
                arn, region = str(asked.get("role_arn", "arn:aws:")), asked.get("region")
                if not arn.startswith("arn:aws:") or region not in (None, "eu-west-1") or asked.get("endpoint"):
                    self._client(service, str(region or self._home_region(arn)), asked.get("endpoint"))  # type: ignore[arg-type]
                found = answer(**asked)
                if isinstance(found, Exception):
                    raise found
                return found

            return called

        def echo(service: str) -> Callable[..., object]:
            return lambda **asked: refusal(service, 403, " ".join(str(v) for v in asked.values() if v is not None))

        Aws._session = warm()  # type: ignore[misc,assignment]
        Aws.assume_role = method(role or echo("sts"), "sts")  # type: ignore[method-assign]
        Aws.role_credentials = method(sso or echo("sso"), "sso")  # type: ignore[method-assign]
        Aws.renew_token = method(renewal or echo("sso-oidc"), "sso-oidc")  # type: ignore[method-assign]
        Aws.roles = method(roles, "sso")  # type: ignore[method-assign]
        Aws.caller = method(caller or echo("sts"), "sts")  # type: ignore[method-assign]
        Aws.account_alias = method(alias, "iam")  # type: ignore[method-assign]

    return install


def judged(door: Door, lines: Sequence[Sequence[str]], **how: Any) -> str:
    """What all of *lines* showed, after each has been judged."""
    return "".join(judge(said, door, *line) for line, said in zip(lines, door.each(lines, **how), strict=True))


def judge(said: Said, door: Door, *about: object) -> str:
    """What was shown, after it has been seen to be printable, ours alone, and of a documented status."""
    text = said.text
    assert [c for c in text if c != "\n" and not c.isprintable()] == [], (*about, said.raw)
    assert "Traceback" not in text and "bug of ours" not in text, (*about, text)
    lines = [line.strip() for line in text.split("\n")]
    assert not [line for line in lines if line.startswith(("hint: forged", "awsenv: forged"))], (*about, text)
    assert said.code in DOCUMENTED, (*about, said.code, text)
    assert os.listdir(door.cwd) == [], about
    return text


# ---- The config file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pid", ALL)
def test_hostile_settings_are_shown_and_do_nothing(door: Door, pid: str) -> None:
    payload = ALL[pid]
    door.configure(config_with(payload))
    door.log_in("corp", "url", "place", payload.strip(), "https://corp.awsapps.com/start")
    explained = [["explain", name] for name in FIELDS] if pid in EVERY else [["explain", "sso-section-url"]]
    judged(door, [["list"], ["list", "--json"], ["list", "--names"], *explained])
    aws = answering(roles=lambda **_: [payload])
    uses = [["use", name] for name in FIELDS]
    text = judged(door, uses, captured=True, typed=b"123456\n", aws=aws, AWSENV_SHIM="bash:1")
    if pid in ("P01", "P24", "P28", "P30"):
        assert f"MFA code for mfa-serial ({show(payload)}): " in text


@pytest.mark.parametrize("verb", ["list", "explain"])
def test_markup_is_shown_as_it_is_written(door: Door, verb: str) -> None:
    markup = [PAYLOADS[pid] for pid in ("P30", "P31", "P32", "P20")]
    door.configure(f"[profile base]\n{KEYS}" + "".join(f'[profile "{m}"]\n{ROLE}region = {m}\n' for m in markup))
    said = judged(door, [[verb]] if verb == "list" else [[verb, m] for m in markup])
    assert all(said.count(m) >= 2 for m in markup), said
    assert ":bomb:" in said and "\U0001f4a3" not in said


@pytest.mark.parametrize("columns", [1, 2, 7, 40])
def test_a_narrow_or_dumb_terminal_is_no_obstacle(door: Door, columns: int) -> None:
    door.configure(config_with("ünï-日本"))
    lines = [["list"], ["explain", "role-arn"], ["explain", "external-id"], ["settings"], ["current"], []]
    more = [{}, {"TERM": "dumb"}, {"NO_COLOR": "1"}, {"LANG": "C", "LC_ALL": "C"}]
    for env in more:
        said = door.each(lines, columns=columns, **env)
        assert all(judge(one, door, env) for one in said)
        if "TERM" in env or "NO_COLOR" in env:
            assert not any(b"\x1b" in one.raw for one in said)


# ---- What AWS says --------------------------------------------------------------------------------------------------

STATUSES = {"sts": (400, 403, 429, 500), "sso": (401, 403, 500)}
ANSWERED = f"""\
[profile base]
{KEYS}
[profile renewed]
sso_session = ended
{SSO}
[sso-session ended]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-west-1
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-west-1
""" + "".join(
    [f"[profile sts{status}]\nrole_arn = arn:aws:iam::222222222222:role/{status}\nsource_profile = base\n" for status in (*STATUSES["sts"], 200, 201)]
    + [f"[profile sso{status}]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = {status}\n" for status in STATUSES["sso"]]
)  # fmt: skip


@pytest.mark.parametrize("pid", EVERY)
def test_hostile_words_of_aws_are_shown_and_do_nothing(door: Door, pid: str) -> None:
    payload, now = ALL[pid], time.time()
    door.configure(ANSWERED)
    door.log_in("corp")
    door.log_in("ended", expiresAt="2020-01-01T00:00:00Z", refreshToken="r", clientId="c", clientSecret="s")
    given: list[object] = []

    def role(role_arn: str, **_: object) -> object:
        status = int(role_arn.rpartition("/")[2])
        if status == 200 and not given:  # five minutes are left of these, so that the next `use` tries to renew them
            given.append(status)
            return Credentials("ASIAEXAMPLE", "s", "t", now - 3300, now + 300, "222222222222")
        if status == 201:
            return Credentials(payload or "x", payload or "x", payload or "x", now, now + 3600, payload)
        return refusal("sts", 503 if status == 200 else status, payload)

    aws = answering(
        role=role,
        sso=lambda role, **_: refusal("sso", int(role), payload),
        roles=lambda **_: [payload, "sso403", payload],
        renewal=lambda **_: refusal("sso-oidc", 400, payload),
        caller=lambda **_: (payload, payload, payload),
        alias=lambda **_: payload,
    )
    names = [f"{service}{status}" for service, statuses in STATUSES.items() for status in statuses]
    program = payload.replace("\0", "")
    lines = [["use", name] for name in (*names, "renewed", "renewed", "sts200", "sts200", "sts201", "sts201")]
    lines += [["export", "sts403"], ["export", "sts200"], ["export", "sts201", "--format", "json"]]
    lines += [["AWSENV_PROFILE=sts200", "refresh"], ["exec", "sts200", "--", f"/nonesuch/{program}"]]
    said = judged(door, lines, captured=True, aws=aws, AWSENV_SHIM="bash:1")
    assert "could not renew" in said
    # Here stdout is the terminal, too.
    keys = ("AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=x")
    shown = [
        ["whoami", "base"],
        ["whoami", "base", "--json"],
        [*keys, "whoami"],
        ["whoami", "sts403"],
        ["list"],
        ["explain", "sts200"],
    ]
    judged(door, shown, aws=aws)


# ---- The environment ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pid", EVERY)
def test_a_hostile_environment_is_shown_and_does_nothing(door: Door, pid: str) -> None:
    payload = ALL[pid].replace("\0", "")
    door.configure(ANSWERED)
    aws = answering(caller=lambda **_: ("1", "arn", "id"))
    ours = dict.fromkeys(OWN, payload)
    judged(
        door,
        [["current"], ["current", "--json"], ["list"], ["explain"], ["whoami"], ["AWS_PROFILE=" + payload, "whoami"]],
        aws=aws,
        **ours,
    )
    here = {
        "AWSENV_PROFILE": "base",
        "AWSENV_KEY_ID": "AKIA",
        "AWS_ACCESS_KEY_ID": payload,
        "AWS_SECRET_ACCESS_KEY": payload,
    }
    judged(door, [["current"], [f"AWSENV_EXPIRES_AT={payload}", "current"], ["whoami"], ["off"]], aws=aws, **here)
    lines = [
        ["off"],
        ["AWSENV_STASHED=1", "off"],
        ["AWSENV_STASHED=1", f"AWSENV_CHANGED={payload} AWS_PROFILE", "off"],
        ["refresh"],
        ["AWSENV_PROFILE=base", "refresh"],
        ["AWSENV_PROFILE=base", "AWSENV_OPTIONS=", "refresh"],
        [f"AWSENV_PREVIOUS={payload}", "use", "-"],
        [f"AWSENV_PREVIOUS=-- {payload}", "use", "-"],
        [f"AWSENV_PREVIOUS=--region={payload} -- base", "use", "-"],
        ["use", "--region", payload, "base"],
        ["use", "--duration", payload, "base"],
        ["use", "--as", payload, "base"],
        ["use", f"--{payload or 'none'}"],  # `use --` alone is the list, which waits for a person
        ["use", "base", payload],
        ["export", "base", "--format", payload],
        [payload],
        ["init", payload],
    ]
    judged(door, lines, captured=True, aws=aws, AWSENV_SHIM="zsh:1", **ours)
    names = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO", "USER",
             "AWS_CA_BUNDLE", "AWSENV_SHIM", "AWS_USE_FIPS_ENDPOINT", "HTTPS_PROXY")  # fmt: skip
    lines = [[f"{name}={payload}", "use", profile] for name in names for profile in ("base", "sts403")]
    lines += [
        [f"AWS_ENDPOINT_URL_SSO={payload}", "explain", "sso403"],
        [f"AWS_CONFIG_FILE={payload}", "list"],
        [f"HOME={payload}", "list"],
    ]
    judged(door, lines, captured=True, aws=aws, AWSENV_SHIM="fish:1")


@pytest.mark.parametrize("pid", EVERY)
def test_hostile_paths_are_shown_and_do_nothing(door: Door, pid: str) -> None:
    if pid in ("P38a", "P38b"):
        pytest.skip("no file can be named so")
    folder = door.cwd.parent / "deep" / ("f" + ALL[pid].replace("/", "%"))
    for path in (folder / "awsenv", folder / "open", folder / "none"):
        path.mkdir(parents=True)
    (folder / "open").chmod(0o777)
    (folder / "file").write_text("")
    config = folder / "config"
    config.write_text(
        "[profile base]\n"
        + KEYS
        + "[profile x]\nsource_profile = nonesuch\nrole_arn = y\n[z]\nregion = a\n[profile c]\n"
        + KEYS
        + "region = x # y\n"
    )
    (folder / "awsenv/config.toml").write_text("nonsense = 1\n[prompt]\nlabel = 3\n")
    lines = [
        [f"AWS_CONFIG_FILE={config}", "list"],
        *([f"AWS_CONFIG_FILE={config}", verb, name] for verb in ("use", "explain") for name in ("x", "z", "c", "n")),
        [f"AWS_CONFIG_FILE={folder}/none", "use", "x"],
        [f"AWS_CONFIG_FILE={folder}/nonesuch", "list"],
        [f"AWS_CONFIG_FILE={folder}/nonesuch", "use", "x"],
        *([f"{name}={folder}/none", *words] for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE") for words in (["list"], ["list", "--names"])),
        *([f"AWS_CONFIG_FILE={config}", f"AWSENV_STORE={folder}/{store}", verb, "base"] for store in ("open", "file", "file/x") for verb in ("use", "explain", "export")),
        [f"XDG_CONFIG_HOME={folder}", "settings"],
        [f"XDG_CONFIG_HOME={folder}", f"AWS_CONFIG_FILE={config}", "use", "base"],
        [f"HOME={folder}", "use", "x"],
        ["AWS_ACCESS_KEY_ID=", "exec", "x", "--", f"{folder}/file"],
    ]  # fmt: skip
    said = judged(door, lines, captured=True, AWSENV_SHIM="bash:1")
    assert "open to others" in said and "is not a regular file" in said
    judged(
        door,
        [["list"], ["settings"], ["settings", "--json"], ["explain", "c"]],
        AWS_CONFIG_FILE=str(config),
        XDG_CONFIG_HOME=str(folder),
    )


@pytest.mark.parametrize("pid", EVERY)
def test_hostile_settings_of_ours_are_shown_and_do_nothing(door: Door, pid: str) -> None:
    payload = ALL[pid]
    text = json.dumps(
        payload
    )  # TOML's strings are JSON's, but for a lone surrogate: then this is a file that is no TOML
    door.configure(f"[profile base]\n{KEYS}aws_account_id = 111111111111\n")
    files = {
        "values": f"[classes]\nprod = [{text}]\n[accounts]\n111111111111 = {text}\n[prompt]\nlabel = {text}\n",
        "names": f"{text} = 1\n[classes]\n{text} = 1\n[accounts]\n{text} = 1\n[prompt]\n{text} = 1\nfields = [{text}]\n",
        "label": f"[prompt]\nlabel = {json.dumps('{' + payload + '}')}\n",
        "raw": payload,
    }
    for name, content in files.items():
        path = door.home / name / "awsenv/config.toml"
        path.parent.mkdir(parents=True)
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    judged(
        door,
        [
            [f"XDG_CONFIG_HOME={door.home}/{name}", *words]
            for name in files
            for words in (["settings"], ["settings", "--json"], ["list"])
        ],
    )
    use = [[f"XDG_CONFIG_HOME={door.home}/{name}", "use", "base", "--fresh"] for name in files]
    judged(door, use, captured=True, AWSENV_SHIM="bash:1")


# ---- In the shells --------------------------------------------------------------------------------------------------


def in_a_shell(shell_name: str, tmp_path: Path, house: House, more: str) -> Shell:
    """A shell on the real backend, in a home with the house's profiles and *more* of them."""
    shell = Shell(shell_name, tmp_path / "cwd")
    shell.values |= {"__awsenv_main": assets.MAIN, "__awsenv_store": str(tmp_path / "store")}
    home = tmp_path / "home"
    shutil.copytree(house.home / ".aws", home / ".aws")
    shell.env |= {**house.environment, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "TERM": "xterm-256color"}
    shell.env |= {
        "AWS_CONFIG_FILE": str(home / ".aws/config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / ".aws/credentials"),
    }
    config = home / ".aws/config"
    config.write_bytes(config.read_bytes() + more.encode("utf-8", "surrogateescape"))
    return shell


@contextmanager
def on_a_terminal(shell: Shell, script: str) -> Iterator["pexpect.spawn[bytes]"]:
    """The script in a shell whose terminal is a pty, without a prompt and a line editor to write on it as well."""
    argv = [*shell.argv(), "-c", shell.load + script]
    child = pexpect.spawn(argv[0], argv[1:], env=shell.env, cwd=str(shell.home), timeout=60, dimensions=(40, 400))
    try:
        yield child
    finally:
        child.close(force=True)


@pytest.mark.parametrize(
    "pid", ["P01", "P24", "hint", *(pytest.param(pid, marks=pytest.mark.long) for pid in ("P04", "P09", "P16", "P28"))]
)
def test_in_a_real_shell_nothing_runs_and_nothing_raw_is_shown(
    shell_name: str, tmp_path: Path, house: House, fake: "FakeAws", pid: str
) -> None:
    payload = ALL[pid]
    fields = f"region = {payload}\nrole_session_name = {payload}\nexternal_id = {payload}\n"
    more = f"\n[profile static]\n{KEYS}region = {payload}\naws_account_id = {payload}\n"
    more += f"[profile refused]\nrole_arn = {DEPLOY}\nsource_profile = hoge1\n{fields}"
    more += f"[profile answer]\nrole_arn = {DEPLOY}\nsource_profile = hoge1\n"
    more += f"[profile none]\nsso_session = test\nsso_account_id = 123456789012\nsso_role_name = {payload}\n"
    shell = in_a_shell(shell_name, tmp_path, house, more)
    fake.fail("AssumeRole", status=403, code=payload, message=payload)
    verbs = ["use answer", "use refused", "use none", "use static", "current", "list", "explain refused", "off"]
    script = "".join(f"awsenv {verb}; {shell.said(verb)}\n" for verb in verbs)
    with on_a_terminal(shell, script) as child:
        child.expect(pexpect.EOF)
        raw = child.before
    fake.forget()
    assert not (shell.home / "PWN").exists() and not (tmp_path / "PWN").exists()
    text = Said(0, raw, b"").text
    assert [c for c in text if c != "\n" and not c.isprintable()] == [], raw
    assert "Traceback" not in text and "bug of ours" not in text, text
    assert not [line for line in text.split("\n") if line.strip().startswith(("hint: forged", "awsenv: forged"))], text
    statuses = dict(re.findall(r"(?m)^([a-z ]+) (\d+)$", text))
    assert set(statuses) == set(verbs) and {int(n) for n in statuses.values()} <= {*DOCUMENTED}, text
    assert statuses["list"] == "0" and statuses["use answer"] != "0"


TRACE = {"bash": "set -x", "zsh": "setopt xtrace", "fish": "set -g fish_trace 1"}
CODE, DEVICE, CANARY = "907318", "arn:aws:iam::111111111111:mfa/canary", "arn:aws:iam::777777777777:role/Canary"


class Commandlines(threading.Thread):
    """All that any process of this machine says of its arguments, looked at again and again."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self.enough = False

    def run(self) -> None:
        while not self.enough:
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    self.seen.add(Path(f"/proc/{pid}/cmdline").read_bytes())
                except OSError:
                    continue  # it has ended
            time.sleep(0.001)


def test_no_secret_is_in_an_argument_a_trace_an_error_or_a_file_beside_the_keys(
    shell_name: str, tmp_path: Path, house: House, fake: "FakeAws"
) -> None:
    fake.mfa_device(DEVICE, CODE, user="hoge1")
    fake.role(CANARY, ["arn:aws:iam::111111111111:user/hoge1"], mfa=True)
    shell = in_a_shell(
        shell_name,
        tmp_path,
        house,
        f"\n[profile canary]\nrole_arn = {CANARY}\nsource_profile = hoge1\nmfa_serial = {DEVICE}\n",
    )
    file = token_file(tmp_path / "home")
    login = fake.issue_token(START_URL, session="test") | {"expiresAt": "2020-01-01T00:00:00Z"}  # so that it is renewed
    file.write_text(json.dumps(login))
    watch = Commandlines()
    watch.start()
    script = f"{TRACE[shell_name]}\nawsenv use canary\nawsenv use piyo-prod\nawsenv use hoge1\nawsenv exec piyo -- true\nawsenv off\n"
    script += "awsenv use canary --fresh\necho the' 'end\n"
    with on_a_terminal(shell, script) as child:
        child.expect("MFA code for canary")
        child.send(CODE + "\n")
        shown = child.before
        for _ in range(3):
            child.expect("MFA code for canary")
            shown += child.before
            child.send("000000\n")
        child.expect(pexpect.EOF)
        shown += child.before
    watch.enough = True
    watch.join()

    renewed = json.loads(file.read_text())
    assert renewed["accessToken"] != login["accessToken"]
    static = re.findall(r"(?m)^aws_secret_access_key = (.+)$", (tmp_path / "home/.aws/credentials").read_text())
    kept = "".join(path.read_text() for path in (tmp_path / "store/keys").iterdir())
    sessions = re.findall(r"(?m)^AWS_(?:SECRET_ACCESS_KEY|SESSION_TOKEN)=(.+)$", kept)
    secrets = [CODE, *static, *sessions]
    secrets += [token[key] for token in (login, renewed) for key in ("accessToken", "refreshToken", "clientSecret")]
    assert len(static) == 1 and len(sessions) == 10 and all(len(secret) >= 6 for secret in secrets)

    assert b"the end" in shown and b"MultiFactorAuthentication failed" in shown
    assert shown.count(b"awsenv use") >= 4  # it was traced
    backends = [line for line in watch.seen if assets.MAIN.encode() in line.split(b"\0")]
    assert {verb for line in backends for verb in line.split(b"\0") if verb in (b"use", b"exec", b"off")} >= {
        b"use",
        b"exec",
    }
    beside = b"".join(
        path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file() and path.parent.name != "keys"
    )
    assert b"piyo-prod" in beside  # the index
    for secret in map(str.encode, secrets):
        assert not [line for line in watch.seen if secret in line]
        assert secret not in shown
        assert secret not in beside
    assert not [secret for secret in (CODE, *static) if secret in kept]
