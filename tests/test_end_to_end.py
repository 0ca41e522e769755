"""A person's day in a real shell on a pty: after `use`, every AWS tool in it agrees on who they are."""

import json
import os
import shutil
import stat
import sys
import time
from pathlib import Path

import pytest

from awsenv import assets
from awsenv.demo.house import DEPLOY, READ_ONLY, token_file
from tests.shells import Shell

ONE_ROLE = "arn:aws:iam::555555555555:role/Operator"
AUDIT = "arn:aws:iam::666666666666:role/path/Audit"
MORE_PROFILES = f"""
[profile operator]
region = eu-west-1
role_arn = {ONE_ROLE}
source_profile = hoge1
external_id = a/b:c=d@e+f,g.h

[profile audit]
region = eu-central-1
role_arn = {AUDIT}
source_profile = piyo-prod
"""
# profile → what STS must say of it, with the default session name
WHO = {
    "hoge1": "arn:aws:iam::111111111111:user/hoge1",
    "operator": "arn:aws:sts::555555555555:assumed-role/Operator/awsenv-",
    "fuga": "arn:aws:sts::222222222222:assumed-role/SwitchedRole/awsenv-",
    "AdministratorAccess-123456789012": "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_AdministratorAccess_",
    "piyo": "arn:aws:sts::333333333333:assumed-role/Deploy/awsenv-",
    "piyo-prod": "arn:aws:sts::444444444444:assumed-role/ReadOnly/awsenv-",
    "audit": "arn:aws:sts::666666666666:assumed-role/Audit/awsenv-",
}
REGIONS = {"operator": "eu-west-1", "audit": "eu-central-1"}
CALLER = "import boto3; print('boto3', boto3.client('sts').get_caller_identity()['Arn'])"


@pytest.fixture(scope="module")
def town(fake, house):
    """The how-to's house with two more roles: one without MFA, and one three hops behind Identity Center."""
    fake.role(ONE_ROLE, [WHO["hoge1"]], external_id="a/b:c=d@e+f,g.h")
    fake.role(AUDIT, [READ_ONLY])
    config = house.home / ".aws/config"
    config.write_text(config.read_text() + MORE_PROFILES)
    return house


def shell_in(town, name: str, tmp_path: Path) -> Shell:
    """A shell whose shim calls the real backend, with a store of its own."""
    shell = Shell(name, tmp_path)
    shell.values["__awsenv_main"] = assets.MAIN
    shell.values["__awsenv_store"] = str(tmp_path / "store")
    shell.env |= dict(town.environment)
    shell.env["USER"] = "tester"
    shell.env["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return shell


def use(terminal, profile: str, code: str) -> str:
    """Type `awsenv use`, and the code where it is asked for; what was said."""
    if profile != "fuga":
        return terminal.ask(f"awsenv use {profile}")
    terminal.child.sendline(f"awsenv use {profile}")
    terminal.child.expect(r"MFA code for fuga \(arn:aws:iam::111111111111:mfa/hoge\): ")
    terminal.child.sendline(code)
    return terminal.wait()


def test_after_use_the_aws_cli_and_boto3_are_that_identity(town, shell_name, tmp_path):
    shell = shell_in(town, shell_name, tmp_path)
    with shell.terminal() as terminal:
        for profile, arn in WHO.items():
            said = use(terminal, profile, town.mfa_code)
            assert profile in said, said
            assert "status 0" in terminal.ask(shell.said("status")), said
            assert arn in terminal.ask("aws sts get-caller-identity --query Arn --output text")
            assert arn in terminal.ask(f"python -c {shell.quote(CALLER)}")
            assert REGIONS.get(profile, "ap-northeast-1") in terminal.ask("echo $AWS_REGION $AWS_DEFAULT_REGION")
        assert "666666666666/Audit" in terminal.segment and "m" in terminal.segment


def test_a_chain_is_fetched_once_for_every_profile_on_it(town, fake, shell_name, tmp_path):
    shell = shell_in(town, shell_name, tmp_path)
    fake.forget()
    result = shell.run(
        "awsenv use audit; awsenv use piyo-prod; awsenv use piyo; awsenv use audit; " + shell.dump("end")
    )
    assert result.status == 0, result.stderr
    assert (fake.count("GetRoleCredentials"), fake.count("AssumeRole")) == (1, 3)
    assert result.environment("end")["AWSENV_ROLE"] == "Audit"


def test_off_puts_back_exactly_what_was_there(town, shell_name, tmp_path):
    shell = shell_in(town, shell_name, tmp_path)
    before = {"AWS_PROFILE": "mine", "AWS_REGION": "", "AWS_SECURITY_TOKEN": "t o'k$n", "AWS_VAULT": "v"}
    script = (
        shell.dump("before")
        + "awsenv use piyo; "
        + shell.dump("as piyo")
        + "awsenv use hoge1; awsenv off; "
        + shell.dump("after")
    )
    result = shell.run(script, env=before)
    assert result.environment("before") == result.environment("after"), result.stderr
    as_piyo = result.environment("as piyo")
    assert "AWS_PROFILE" not in as_piyo and "AWS_VAULT" not in as_piyo and "AWS_SECURITY_TOKEN" not in as_piyo
    assert as_piyo["AWS_ACCOUNT_ID"] == "333333333333"


def test_use_dash_goes_back_with_its_options(town, shell_name, tmp_path):
    shell = shell_in(town, shell_name, tmp_path)
    result = shell.run("awsenv use piyo --region us-west-2; awsenv use hoge1; awsenv use -; " + shell.dump("end"))
    end = result.environment("end")
    assert (end["AWSENV_PROFILE"], end["AWS_REGION"], end["AWSENV_OPTIONS"]) == (
        "piyo",
        "us-west-2",
        "--region=us-west-2",
    )


def test_a_failed_use_changes_nothing_and_says_so_in_its_status(town, shell_name, tmp_path):
    shell = shell_in(town, shell_name, tmp_path)
    script = "awsenv use piyo; " + shell.dump("before")
    script += "awsenv use pyio; " + shell.said("unknown") + "awsenv use fuga; " + shell.said("no-terminal")
    script += "awsenv use piyo --duration 1d; " + shell.said("usage") + shell.dump("after")
    result = shell.run(f"{script}")
    assert "unknown 3\nno-terminal 4\nusage 2\n" in result.stdout, result.stderr
    assert result.environment("before") == result.environment("after")
    assert "did you mean piyo" in result.stderr
    assert "Traceback" not in result.stderr


def test_profile_mode_leaves_the_keys_to_aws_tools(town, shell_name, tmp_path):
    shell = shell_in(town, shell_name, tmp_path)
    script = "awsenv use hoge1; awsenv use piyo --as profile; " + shell.dump("end")
    script += "aws sts get-caller-identity --query Arn --output text; awsenv use fuga --as profile; " + shell.said(
        "mfa"
    )
    result = shell.run(script)
    end = result.environment("end")
    assert end["AWS_PROFILE"] == "piyo" and "AWS_ACCESS_KEY_ID" not in end and "AWSENV_EXPIRES_AT" not in end
    assert end["AWSENV_KEY_ID"] == "profile:piyo"
    assert "assumed-role/Deploy/" in result.stdout and "mfa 3" in result.stdout
    assert "--as keys" in result.stderr


def test_f23_ctrl_c_at_the_mfa_prompt_leaves_shell_terminal_and_store_as_they_were(town, shell_name, tmp_path):
    shell = shell_in(town, shell_name, tmp_path)
    with shell.terminal() as terminal:
        before = terminal.ask("stty -a")
        terminal.child.sendline("awsenv use fuga")
        terminal.child.expect("MFA code for fuga")
        terminal.child.sendintr()
        terminal.wait()
        # zsh itself ends the function, and gives 2 when no trap of the user's is set (5.9); the backend's own is 130.
        assert f"status {2 if shell_name == 'zsh' else 130}" in terminal.ask(shell.said("status"))
        assert "AWSENV_PROFILE" not in terminal.ask("env")
        assert terminal.ask("stty -a") == before
        assert not list((tmp_path / "store/keys").iterdir())
        said = use(terminal, "fuga", town.mfa_code)  # and no lock is left behind
        assert "222222222222" in said, said


def test_a_wrong_mfa_code_is_asked_for_again_and_refused_by_name_and_status(town, shell_name, tmp_path):
    shell = shell_in(town, shell_name, tmp_path)
    with shell.terminal() as terminal:
        terminal.child.sendline("awsenv use fuga")
        terminal.child.expect("MFA code for fuga")
        terminal.child.sendline("12 34")
        terminal.child.expect("six digits")
        for _ in range(3):
            terminal.child.expect("MFA code for fuga")
            terminal.child.sendline("000000")
        said = terminal.wait()
        assert "AWS did not accept that code: MultiFactorAuthentication failed" in said, said
        assert "000000" not in said  # the code is not echoed
        assert "status 5" in terminal.ask(shell.said("status"))
        terminal.child.sendline("awsenv use fuga")
        terminal.child.expect("MFA code for fuga")
        terminal.child.sendline("000000")
        terminal.child.expect("AWS did not accept that code")
        terminal.child.expect("MFA code for fuga")
        terminal.child.sendline(town.mfa_code)
        assert "222222222222" in terminal.wait()


def test_an_ended_login_is_said_with_the_command_to_type(town, shell_name, tmp_path):
    shell = shell_in(town, shell_name, tmp_path)
    home = tmp_path / "elsewhere"
    shutil.copytree(town.home / ".aws", home / ".aws")
    shell.env |= {"HOME": str(home), "AWS_CONFIG_FILE": "", "AWS_SHARED_CREDENTIALS_FILE": ""}
    path = token_file(home)
    token = json.loads(path.read_text())
    token["expiresAt"] = "2020-01-01T00:00:00Z"
    del token["refreshToken"]
    path.write_text(json.dumps(token))
    result = shell.run("awsenv use piyo; " + shell.said("ended"))
    assert "ended 4" in result.stdout
    assert "awsenv login test" in result.stderr
    assert json.loads(path.read_text()) == token
    path.unlink()
    result = shell.run("awsenv use piyo; " + shell.said("none"))
    assert "none 4" in result.stdout and "no login" in result.stderr


def test_an_expired_token_is_renewed_silently_and_written_back_for_aws_tools(town, fake, tmp_path):
    shell = shell_in(town, "bash", tmp_path)
    home = tmp_path / "elsewhere"
    shutil.copytree(town.home / ".aws", home / ".aws")
    shell.env |= {"HOME": str(home), "AWS_CONFIG_FILE": "", "AWS_SHARED_CREDENTIALS_FILE": ""}
    path = token_file(home)
    token = fake.issue_token("https://d-1234567890.awsapps.com/start", session="test")
    token["expiresAt"] = "2020-01-01T00:00:00Z"
    token["somethingElse"] = {"kept": True}
    path.write_text(json.dumps(token))
    fake.forget()
    result = shell.run(
        "awsenv use piyo; " + shell.said("renewed") + "aws sts get-caller-identity --profile piyo",
        env={"AWS_CONFIG_FILE": str(home / ".aws/config")},
    )
    assert "renewed 0" in result.stdout and "assumed-role/Deploy" in result.stdout, result.stderr
    renewed = json.loads(path.read_text())
    assert renewed["accessToken"] != token["accessToken"] and renewed["refreshToken"] != token["refreshToken"]
    assert renewed["somethingElse"] == {"kept": True} and renewed["clientId"] == token["clientId"]
    assert renewed["expiresAt"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert fake.count("CreateToken") == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_exec_becomes_the_command_and_leaves_nothing_in_the_shell(town, shell_name, tmp_path):
    shell = shell_in(town, shell_name, tmp_path)
    script = shell.dump("before") + "awsenv exec piyo-prod -- aws sts get-caller-identity --query Arn --output text; "
    script += "awsenv exec -- hoge1 sh -c 'exit 7'; " + shell.said("code") + shell.dump("after")
    script += "awsenv exec piyo -- env"
    result = shell.run(script)
    assert WHO["piyo-prod"] in result.stdout and "code 7" in result.stdout
    assert result.environment("before") == result.environment("after")
    inside = result.stdout.rpartition("code 7")[2]
    assert "AWS_SESSION_TOKEN=" in inside and "AWSENV_" not in inside


def test_whoami_asks_aws(town, shell_name, tmp_path):
    shell = shell_in(town, shell_name, tmp_path)
    result = shell.run("awsenv use piyo-prod; awsenv whoami; awsenv whoami --json; awsenv whoami hoge1")
    assert "444444444444 (demo-production)" in result.stdout and WHO["piyo-prod"] in result.stdout
    assert WHO["hoge1"] in result.stdout
    assert result.status == 0


def test_without_the_shim_use_prints_no_secret_and_says_how_to_load_it(town, tmp_path):
    shell = shell_in(town, "bash", tmp_path)
    result = shell.run(
        "python -m awsenv use hoge1; " + shell.said("status"),
        load=False,
        env={"PYTHONPATH": str(Path(assets.MAIN).parent.parent)},
    )
    assert result.stdout == "status 2\n"
    assert 'eval "$(awsenv init bash)"' in result.stderr


@pytest.mark.parametrize("way", ["off", "on"])
def test_no_secret_is_traced(town, shell_name, tmp_path, way):
    shell = shell_in(town, shell_name, tmp_path)
    trace = {"bash": "set -x", "zsh": "setopt xtrace", "fish": "set -g fish_trace 1"}[shell_name]
    result = shell.run(f"{trace}\nawsenv use piyo\nawsenv {'off' if way == 'off' else 'use hoge1'}\n")
    store = "".join(path.read_text() for path in (tmp_path / "store/keys").iterdir())
    secrets = [line.partition("=")[2] for line in store.splitlines() if line.startswith(("AWS_SECRET", "AWS_SESSION"))]
    assert len(secrets) == 4
    assert not [secret for secret in secrets if secret in result.stderr + result.stdout]


def test_an_assumed_role_may_live_no_longer_than_what_it_came_from(town, tmp_path):
    shell = shell_in(town, "bash", tmp_path)
    result = shell.run("awsenv use piyo --duration 2h; " + shell.said("capped"))
    assert "capped 0" in result.stdout and "3600 s taken" in result.stderr
    assert DEPLOY.rpartition("/")[2] in result.stderr
