"""Every way of authenticating, end to end: `use` typed in a real shell on a pty, then the AWS CLI and boto3 in it, then `off`.

One shell a family for all ways, and one process for both clients: what is slow is shared. Each way on its own, with what
can go wrong there, is in the file of that way.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from awsenv import assets
from awsenv.config import AwsConfig
from awsenv.demo.house import DEPLOY, FROM_GITHUB, MFA_CODE, MFA_SERIAL, START_URL
from awsenv.login_tokens import login_path
from awsenv.model import Plan, Step, rfc3339
from awsenv.plan import build
from awsenv.tokens import token_path
from tests.shells import Shell
from tests.test_credential_source import ROLES, serving, with_token

ONE, POD, OPS = (f"arn:aws:iam::{n * 12}:role/{role}" for n, role in (("5", "Operator"), ("7", "Pod"), ("8", "Ops")))
TASK, LONG, HIDDEN = (f"arn:aws:iam::111111111111:role/{role}" for role in ("Task", "Long", "path/Hidden"))
LOGIN = "arn:aws:sts::111111111111:assumed-role/Task/i-1"
SUBJECT = "system:serviceaccount:shop:web"
HOGE1 = "arn:aws:iam::111111111111:user/hoge1"
ADMIN = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_AdministratorAccess_"
FOREVER = "2099-01-01T00:00:00Z"
CONTAINER, INSTANCE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT"


def assumed(role: str, session: str = "awsenv-") -> str:
    """What STS says of a role's session."""
    return f"arn:aws:sts::{role.split(':')[4]}:assumed-role/{role.rpartition('/')[2]}/{session}"


@dataclass(frozen=True)
class Way:
    """One profile: its settings, the steps that its plan has, and who STS must say that it is (the beginning of the ARN)."""

    name: str
    settings: str
    steps: tuple[str, ...]
    arn: str
    env: dict[str, str] = field(default_factory=dict)  # what the shell has besides; {NAME} is filled in
    asks_for_code: bool = False


WAYS = (
    Way("user", "", ("static",), HOGE1),  # the key is in the credentials file
    Way("session", "", ("static",), assumed(TASK, "i-1")),  # with a session token
    Way("role", f"role_arn = {ONE}\nsource_profile = user\nexternal_id = a+b:c/d\n", ("static", "assume-role"), assumed(ONE)),
    Way("user-mfa", f"mfa_serial = {MFA_SERIAL}\n", ("static", "mfa-session"), HOGE1, asks_for_code=True),
    Way("role-mfa", f"role_arn = {LONG}\nsource_profile = user\nmfa_serial = {MFA_SERIAL}\n",
        ("static", "mfa-session", "assume-role"), assumed(LONG)),  # nobody is asked: the session is there
    Way("role-mfa-long", f"role_arn = {LONG}\nsource_profile = user\nmfa_serial = {MFA_SERIAL}\nduration_seconds = 7200\n",
        ("static", "assume-role"), assumed(LONG), asks_for_code=True),
    Way("two-hops", f"role_arn = {HIDDEN}\nsource_profile = role\nrole_session_name = me@x\n",
        ("static", "assume-role", "assume-role"), assumed(HIDDEN, "me@x")),
    Way("sso", "sso_session = test\nsso_account_id = 123456789012\nsso_role_name = AdministratorAccess\n", ("sso",), ADMIN),
    Way("sso-legacy", f"sso_start_url = {START_URL}\nsso_region = ap-northeast-1\nsso_account_id = 123456789012\n"
        "sso_role_name = AdministratorAccess\n", ("sso",), ADMIN),
    Way("sso-role", f"role_arn = {DEPLOY}\nsource_profile = sso\n", ("sso", "assume-role"), assumed(DEPLOY)),
    Way("web-identity", f"role_arn = {POD}\nweb_identity_token_file = ~/token\nrole_session_name = pod-7\n",
        ("web-identity",), assumed(POD, "pod-7")),
    Way("github", f"awsenv_github_role_arn = {FROM_GITHUB}\n", ("github",), assumed(FROM_GITHUB), {"GITHUB_ACTIONS": "true"}),
    Way("program", 'credential_process = "{HOME}/a program" --for "two words"\n', ("credential-process",), assumed(TASK, "i-1")),
    Way("program-role", f"role_arn = {OPS}\nsource_profile = program\n", ("credential-process", "assume-role"), assumed(OPS)),
    Way("login", "login_session = {LOGIN}\n", ("login",), assumed(TASK, "i-1")),
    Way("login-role", f"role_arn = {OPS}\nsource_profile = login\n", ("login", "assume-role"), assumed(OPS)),
    Way("environment", f"role_arn = {OPS}\ncredential_source = Environment\n", ("environment", "assume-role"), assumed(OPS)),
    Way("container", f"role_arn = {OPS}\ncredential_source = EcsContainer\n", ("container", "assume-role"), assumed(OPS),
        {CONTAINER: "{SERVER}/creds"}),
    Way("instance", f"role_arn = {OPS}\ncredential_source = Ec2InstanceMetadata\n", ("instance", "assume-role"), assumed(OPS),
        {INSTANCE: "{SERVER}", "AWS_EC2_METADATA_DISABLED": "false"}),
)  # fmt: skip

# Both clients in a process that has them imported already and takes each caller's environment for its own: importing them
# is most of what they take. `tests.test_end_to_end` types `aws` itself.
CLIENTS = """
import os, socket, sys
import boto3
from awscli.clidriver import main

data = os.environ["AWS_DATA_PATH"]
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("ready", flush=True)
while True:
    caller, _ = server.accept()
    if os.fork():
        caller.close()
        os.wait()
        continue
    said = caller.makefile("rb").read().split(b"\\0")
    os.environ.clear()
    os.environb.update(pair.split(b"=", 1) for pair in said if pair)
    os.environ["AWS_DATA_PATH"] = data  # awscli's own doing
    for number in (1, 2):
        os.dup2(caller.fileno(), number)
    print("boto3=" + boto3.client("sts").get_caller_identity()["Arn"], flush=True)
    sys.argv = ["aws", "sts", "get-caller-identity", "--query", "join('', ['cli=', Arn])", "--output", "text"]
    sys.exit(main())
"""
ASK = """
import os, socket, sys
there = socket.socket(socket.AF_UNIX)
there.connect(sys.argv[1])
there.sendall(b"\\0".join(name + b"=" + value for name, value in os.environb.items()))
there.shutdown(socket.SHUT_WR)
sys.stdout.write(there.makefile().read())
"""


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """The command that says who the AWS CLI and boto3 are in the environment that it is started in."""
    folder = tmp_path_factory.mktemp("clients")
    (folder / "ask.py").write_text(ASK)
    server = subprocess.Popen([sys.executable, "-c", CLIENTS, str(folder / "socket")], stdout=subprocess.PIPE)
    try:
        assert server.stdout.readline() == b"ready\n"
        yield f"python -I -S {folder / 'ask.py'} {folder / 'socket'}"
    finally:
        server.kill()
        server.wait()


@dataclass(frozen=True)
class Home:
    """Where all of them are profiles; *env* is that of a shell in it."""

    folder: Path
    env: dict[str, str]
    fill: Callable[[str], str]

    def plan(self, way: Way) -> Plan:
        config, credentials = (self.folder / ".aws" / name for name in ("config", "credentials"))
        read = AwsConfig(config.read_bytes(), credentials.read_bytes(), str(config), str(credentials))
        env = {**self.env, **{name: self.fill(value) for name, value in way.env.items()}}
        return build(read, way.name, env=env, session_name="awsenv-x", before=env)


@pytest.fixture(scope="module")
def home(fake, house, tmp_path_factory):
    folder = tmp_path_factory.mktemp("everybody")
    shutil.copytree(house.home / ".aws", folder / ".aws")
    key, secret = fake.user("111111111111", "hoge1")
    fake.role(TASK)
    minted = fake._running().role_session(TASK, "i-1", 4102444800)
    fake.role(ONE, [HOGE1], external_id="a+b:c/d")
    fake.role(HIDDEN, [ONE])
    fake.role(LONG, [HOGE1], mfa=True)
    fake.role(OPS, [HOGE1, TASK])
    fake.role(POD, web_identities=[SUBJECT])
    (folder / "token").write_text(fake.web_identity_token(SUBJECT))
    legacy = Path(token_path(str(folder / ".aws/sso/cache"), START_URL))
    legacy.write_text(json.dumps(fake.issue_token(START_URL)))
    keys = {"AccessKeyId": minted.access_key_id, "SecretAccessKey": minted.secret_access_key, "Expiration": FOREVER}
    token = {"accessKeyId": minted.access_key_id, "secretAccessKey": minted.secret_access_key}
    token |= {
        "sessionToken": minted.session_token,
        "accountId": "111111111111",
        "expiresAt": rfc3339(time.time() + 840),
    }
    signed_in = Path(login_path(str(folder / ".aws/login/cache"), LOGIN))
    signed_in.parent.mkdir(parents=True)
    signed_in.write_text(
        json.dumps({"accessToken": token, "refreshToken": "r", "clientId": "c", "tokenType": "aws_sigv4"})
    )
    program = folder / "a program"
    program.write_text(
        f"#!/bin/sh\ncat <<'.'\n{json.dumps({'Version': 1, **keys, 'SessionToken': minted.session_token})}\n.\n"
    )
    program.chmod(0o700)
    with serving() as server:
        body = json.dumps({**keys, "Token": minted.session_token, "Code": "Success"}).encode()
        server.says["GET", "/creds"] = (200, body)
        server.says["PUT", "/latest/api/token"] = (200, b"v2")
        server.says["GET", ROLES] = with_token(200, b"Task")
        server.says["GET", f"{ROLES}Task"] = with_token(200, body)

        def fill(text: str) -> str:
            filled = {"{SERVER}": server.url, "{HOME}": str(folder), "{LOGIN}": LOGIN}
            for name, value in filled.items():
                text = text.replace(name, value)
            return text

        with (folder / ".aws/config").open("a") as config:
            config.writelines(f"\n[profile {way.name}]\nregion = eu-west-1\n{fill(way.settings)}" for way in WAYS)
        with (folder / ".aws/credentials").open("a") as credentials:
            for name in ("user", "user-mfa"):
                credentials.write(f"\n[{name}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
            credentials.write(f"\n[session]\naws_access_key_id = {minted.access_key_id}\n")
            credentials.write(f"aws_secret_access_key = {minted.secret_access_key}\n")
            credentials.write(f"aws_session_token = {minted.session_token}\n")
        env = {name: value.replace(str(house.home), str(folder)) for name, value in house.environment.items()}
        env |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LANG": "C.UTF-8", "USER": "tester"}
        env |= {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "us-east-2"}
        yield Home(folder, env, fill)


def test_every_kind_of_step_is_in_a_row_and_each_row_has_the_steps_that_it_says(home):
    plans = {way.name: tuple(step.kind for step in home.plan(way).steps) for way in WAYS}
    assert plans == {way.name: way.steps for way in WAYS}
    known = {kind for way in WAYS for kind in way.steps}
    assert known == {step.kind for step in _all_kinds(Step) if hasattr(step, "kind")}


def _all_kinds(step: type[Step]) -> list[type[Step]]:
    kinds = [step for step in step.__subclasses__() if step.__module__.startswith("awsenv.")]
    return [*kinds, *(found for kind in kinds for found in _all_kinds(kind))]


@pytest.mark.timeout(300)
def test_every_way_is_that_identity_for_the_aws_cli_and_for_boto3_until_off(home, clients, shell_name, tmp_path):
    shell = Shell(shell_name, tmp_path)
    shell.values |= {"__awsenv_main": assets.MAIN, "__awsenv_store": str(tmp_path / "store")}
    shell.env |= home.env
    with shell.terminal() as terminal:
        terminal.ask(shell.dump("at first"))
        for way in WAYS:
            before = {name: home.fill(value) for name, value in way.env.items()}
            terminal.ask("".join(shell.export(name, value) for name, value in before.items()) or ":")
            terminal.child.sendline(f"awsenv use {way.name}")
            if way.asks_for_code:
                terminal.child.expect(r"MFA code for [\w-]+ \([^)]*\): ")
                terminal.child.sendline(MFA_CODE)
            said = terminal.wait()
            assert "status 0" in terminal.ask(shell.said("status")), said
            found = dict(re.findall(r"^(cli|boto3)=(\S+)", terminal.ask(clients), re.MULTILINE))
            assert set(found) == {"cli", "boto3"}, way.name
            assert found["cli"] == found["boto3"], way.name
            assert found["cli"].startswith(way.arn), (way.name, found)
            promised(home.plan(way), found["cli"])
            terminal.ask("awsenv off")
            restored = {name: home.env[name] for name in before if name in home.env}
            undo = "".join(shell.unset(name) for name in before if name not in restored)
            terminal.ask((undo + "".join(shell.export(name, value) for name, value in restored.items())) or ":")
            terminal.ask(shell.dump("after"))
            assert environment(tmp_path, "after") == environment(tmp_path, "at first"), way.name


def promised(plan: Plan, arn: str) -> None:
    """Assert that *arn* is what the plan, as `explain` and `list` show it, says: as far as a plan can."""
    account, role = plan.principal
    assert account in (None, arn.split(":")[4]), (account, arn)
    assert role is None or re.search(rf"assumed-role/(AWSReservedSSO_{role}_\w+|{re.escape(role)})/", arn), (role, arn)


def environment(folder: Path, name: str) -> dict[str, str]:
    """The exported variables at a dump, but for the shells' own."""
    entries = (folder / f"environment {name}").read_text().split("\0")
    pairs = (entry.split("=", 1) for entry in entries if entry)
    return {key: value for key, value in pairs if key not in ("_", "SHLVL", "PWD", "OLDPWD", "COLUMNS", "LINES")}
