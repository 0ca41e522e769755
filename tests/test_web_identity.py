"""A role by a web identity token: from a file, and from the runner of GitHub Actions; as a person, a shell and a job see it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from awsenv import assets
from awsenv.demo.house import FROM_GITHUB, START_URL, token_file
from awsenv.errors import Config, Denied, Unreachable
from awsenv.machine import Here
from tests.shells import ROOT, Shell

POD = "arn:aws:iam::777777777777:role/Pod"
BEHIND = "arn:aws:iam::888888888888:role/Behind"
SUBJECT = "system:serviceaccount:shop:web"
IN_A_JOB = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/infrastructure", "GITHUB_RUN_ID": "7"}
PROFILES = f"""
[profile pod]
region = eu-west-1
role_arn = {POD}
web_identity_token_file = ~/tokens/web
role_session_name = pod-7

[profile behind]
region = eu-west-1
role_arn = {BEHIND}
source_profile = pod

[profile stranger]
role_arn = {BEHIND}
web_identity_token_file = ~/tokens/web

[profile here]
role_arn = {POD}
web_identity_token_file = web

[profile deploy]
region = eu-west-1
sso_session = test
sso_account_id = 123456789012
sso_role_name = AdministratorAccess
awsenv_github_role_arn = {FROM_GITHUB}
"""


class Place:
    """A home with those profiles and a token file, and awsenv in it."""

    def __init__(self, house, fake, folder: Path) -> None:
        self.home = folder / "home"
        shutil.copytree(house.home / ".aws", self.home / ".aws")
        with (self.home / ".aws/config").open("a") as config:
            config.write(PROFILES)
        self.token = self.home / "tokens/web"
        self.token.parent.mkdir()
        self.token.write_text(fake.web_identity_token(SUBJECT) + "\n")
        self.env = {name: value.replace(str(house.home), str(self.home)) for name, value in house.environment.items()}
        self.env |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LANG": "C.UTF-8", "USER": "tester"}
        self.env |= {"AWSENV_STORE": str(folder / "store")}

    def __call__(self, *words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-I", "-S", assets.MAIN, *words]
        return subprocess.run(
            argv, env={**self.env, **env}, cwd=cwd or self.home, capture_output=True, text=True, timeout=60,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def arn(self, profile: str, **env: str) -> str:
        """Who STS says that an AWS CLI under `exec` is."""
        done = self("exec", profile, "--", "aws", "sts", "get-caller-identity", "--query", "Arn", **env)
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout))


@pytest.fixture
def place(house, fake, tmp_path):
    fake.role(POD, web_identities=[SUBJECT])
    fake.role(BEHIND, [POD])
    fake.forget()
    return Place(house, fake, tmp_path)


# ---- A token in a file ----------------------------------------------------------------------------------------------


def test_a_token_file_makes_a_role_and_what_is_chained_on_it(place, fake):
    assert place.arn("pod") == "arn:aws:sts::777777777777:assumed-role/Pod/pod-7"
    assert place.arn("behind") == "arn:aws:sts::888888888888:assumed-role/Behind/awsenv-tester"
    assert fake.count("AssumeRoleWithWebIdentity") == 1, "the first role is shared by both"


def test_use_with_a_token_file_in_a_real_shell(place, fake, shell_name, tmp_path):
    shell = Shell(shell_name, tmp_path / "shell")
    shell.values |= {"__awsenv_main": assets.MAIN, "__awsenv_store": place.env["AWSENV_STORE"]}
    shell.env |= place.env | {"AWS_WEB_IDENTITY_TOKEN_FILE": "/elsewhere", "AWS_ROLE_ARN": BEHIND}
    script = (
        "awsenv use pod; "
        + shell.dump("pod")
        + "aws sts get-caller-identity --query Arn; awsenv off; "
        + shell.dump("off")
    )
    result = shell.run(script)
    assert "777777777777:assumed-role/Pod/pod-7" in result.stdout, result.stderr
    variables = result.environment("pod")
    assert not {"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"} & set(variables)
    assert variables["AWSENV_ROLE"] == "Pod" and variables["AWS_REGION"] == "eu-west-1"
    assert result.environment("off")["AWS_ROLE_ARN"] == BEHIND


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "~/tokens/web is not there, or is empty"),
        (lambda path: path.write_text(" \n"), "~/tokens/web holds no token"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "~/tokens/web holds no token"),
        (lambda path: path.write_text("two\nlines"), "~/tokens/web holds no token"),
        (lambda path: path.write_text("x" * 70_000), "awsenv reads at most 64"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "is not a regular file"),
        (lambda path: (path.unlink(), path.mkdir()), "is not a regular file"),
    ],
)
def test_a_token_file_that_holds_no_token_is_named_with_its_line_before_any_call(place, fake, spoil, said):
    spoil(place.token)
    done = place("export", "behind")
    assert (done.returncode, done.stdout) == (3, "")
    line = (place.home / ".aws/config").read_text().split("web_identity_token_file")[0].count("\n") + 1
    assert f"~/.aws/config:{line}: " in done.stderr and said in done.stderr
    assert fake.calls == ()


def test_an_expired_token_asks_for_a_new_one_and_is_not_quoted(place, fake):
    token = fake.web_identity_token(SUBJECT, seconds=-1)
    place.token.write_text(token)
    done = place("export", "pod")
    assert done.returncode == 4
    assert "the web identity token has expired" in done.stderr and "has to write a new one" in done.stderr
    assert token not in done.stderr + done.stdout


def test_a_token_that_aws_does_not_take_is_refused_in_its_words(place, fake):
    place.token.write_text("made.up.token")
    done = place("export", "pod")
    assert done.returncode == 5 and "not a valid JWT" in done.stderr and "made.up.token" not in done.stderr
    place.token.write_text(fake.web_identity_token(SUBJECT, audience="another"))
    assert "Incorrect token audience" in place("export", "pod").stderr
    place.token.write_text(fake.web_identity_token(SUBJECT))
    done = place("export", "stranger")
    assert done.returncode == 5 and "Not authorized to perform sts:AssumeRoleWithWebIdentity" in done.stderr


def test_duration_sets_the_length_of_the_role(place, fake):
    done = place("export", "pod", "--format", "json", "--duration", "15m")
    assert done.returncode == 0, done.stderr
    stored = [path.read_text().split(" ") for path in (Path(place.env["AWSENV_STORE"]) / "keys").iterdir()]
    (times,) = [[float(part) for part in (words[2], words[4].split("\n")[0])] for words in stored]
    assert 890 <= times[0] - times[1] <= 901


def test_a_relative_token_file_is_another_one_in_another_folder(place, fake, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "web").write_text(fake.web_identity_token(SUBJECT))
    shim = {"AWSENV_SHIM": "bash:1"}
    keys = [place("use", "here", cwd=tmp_path / name, **shim).stdout for name in ("one", "two", "one")]
    assert keys[0] == keys[2] != keys[1]
    assert place("use", "here", cwd=tmp_path, **shim).returncode == 3


def test_aws_tools_are_not_left_alone_with_a_tilde(place):
    done = place("use", "pod", "--as", "profile", AWSENV_SHIM="bash:1")
    assert done.returncode == 3 and "AWS tools take the ~ for a folder's name" in done.stderr


# ---- GitHub Actions -------------------------------------------------------------------------------------------------


def test_the_same_line_works_on_a_laptop_and_in_a_job(place, fake):
    path = token_file(place.home)
    path.write_text(json.dumps(fake.issue_token(START_URL, session="test")))
    assert "AWSReservedSSO_AdministratorAccess" in place.arn("deploy")
    path.unlink()
    assert place.arn("deploy", **IN_A_JOB) == "arn:aws:sts::333333333333:assumed-role/FromGithub/awsenv-tester"
    assert (fake.count("GetJobToken"), fake.count("GetRoleCredentials")) == (1, 1)


def test_the_runner_is_asked_for_a_token_for_sts_alone(place, fake):
    place.arn("deploy", **IN_A_JOB)
    assert [call.resource for call in fake.calls if call.operation == "GetJobToken"] == ["sts.amazonaws.com"]


def test_two_repositories_on_one_runner_share_nothing(place, fake):
    for repository in ("acme/infrastructure", "acme/other", "acme/infrastructure"):
        place.arn("deploy", **IN_A_JOB | {"GITHUB_REPOSITORY": repository})
    assert fake.count("GetJobToken") == 2


def test_a_job_without_the_permission_is_told_the_lines_to_add(place, fake):
    for empty in ("", None):
        if empty is None:
            del place.env["ACTIONS_ID_TOKEN_REQUEST_URL"]
        else:
            place.env["ACTIONS_ID_TOKEN_REQUEST_URL"] = empty
        done = place("export", "deploy", **IN_A_JOB)
        assert done.returncode == 3 and "id-token: write" in done.stderr
    assert fake.calls == ()


def test_a_runner_that_refuses_or_answers_nonsense_is_no_traceback(place, fake):
    assert place("export", "deploy", **IN_A_JOB | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "wrong"}).returncode == 5
    fake.fail("GetJobToken", html=True, times=1)
    assert place("export", "deploy", **IN_A_JOB).returncode == 6
    fake.fail("GetJobToken", drop=True, times=1)
    done = place("export", "deploy", **IN_A_JOB)
    assert done.returncode == 6 and "no answer from 127.0.0.1" in done.stderr and "bug" not in done.stderr


@pytest.mark.parametrize("url", ["http://runner.example/token", "file:///etc/passwd", "https://"])
def test_the_jobs_bearer_goes_nowhere_but_by_https_or_to_this_machine(url):
    here = Here({"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret"})
    with pytest.raises((Config, Unreachable)):
        here.github_token("sts.amazonaws.com")


def test_the_jobs_bearer_follows_no_redirect(fake):
    there = {name: value for name, value in fake.environment().items() if name.startswith("ACTIONS")}
    fake.fail("GetJobToken", redirect=f"{there['ACTIONS_ID_TOKEN_REQUEST_URL']}&again=1")
    before = fake.count("GetJobToken")
    with pytest.raises((Unreachable, Denied)):
        Here(there).github_token("sts.amazonaws.com")
    assert fake.count("GetJobToken") == before + 1


def in_a_job(place, tmp_path, **more: str):
    """`export --format github` and (what it said, the environment that later steps get), read as the runner reads it."""
    file = tmp_path / "github_env"
    file.write_text("BEFORE<<x\nkept\nx\n")
    done = place("export", "deploy", "--format", "github", **IN_A_JOB, GITHUB_ENV=str(file), **more)
    found = re.findall(r"^(\w+)<<(\S+)\n(.*?)\n?^\2\n", file.read_text(), re.MULTILINE | re.DOTALL)
    return done, {name: value for name, _, value in found}, [delimiter for _, delimiter, _ in found]


def test_export_for_github_hides_every_secret_and_hands_the_identity_on(place, tmp_path):
    done, variables, delimiters = in_a_job(place, tmp_path)
    assert done.returncode == 0, done.stderr
    masked = re.findall(r"^::add-mask::(.*)$", done.stdout, re.MULTILINE)
    secrets = [variables[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
    assert masked == secrets and done.stdout.count("\n") == 3, "and not a line more in the log"
    assert variables["BEFORE"] == "kept" and variables["AWS_REGION"] == "eu-west-1"
    assert not [name for name in variables if name.startswith("AWSENV")]
    assert len(set(delimiters)) == 2 and len(delimiters[1]) >= 32
    later = {**place.env, **variables}
    who = subprocess.run(["aws", "sts", "get-caller-identity"], env=later, capture_output=True, text=True, check=True)
    assert ":assumed-role/FromGithub/" in who.stdout


def test_export_for_github_says_what_no_step_can_undo_and_voids_an_old_token(place, tmp_path):
    done, variables, _ = in_a_job(place, tmp_path, AWS_PROFILE="other", AWS_SECURITY_TOKEN="old")
    assert variables["AWS_SECURITY_TOKEN"] == "" and "AWS_PROFILE" not in variables
    assert "AWS_PROFILE stays set in the later steps" in done.stderr and "SECURITY" not in done.stderr


def test_export_for_github_outside_a_step_is_refused_and_a_file_it_cannot_write_is_said(place, tmp_path):
    done = place("export", "deploy", "--format", "github", **IN_A_JOB)
    assert (done.returncode, done.stdout) == (2, "") and "GITHUB_ENV" in done.stderr
    done = place("export", "deploy", "--format", "github", **IN_A_JOB, GITHUB_ENV=str(tmp_path / "none"))
    assert done.returncode == 7 and "can't write" in done.stderr and not (tmp_path / "none").exists()
    done = place("export", "deploy", "--format", "github", **IN_A_JOB, GITHUB_ENV=str(tmp_path))
    assert done.returncode == 7


def test_aws_tools_are_not_left_alone_with_our_setting(place):
    done = place("use", "deploy", "--as", "profile", AWSENV_SHIM="bash:1", **IN_A_JOB)
    assert done.returncode == 3 and "AWS tools don't know awsenv_github_role_arn" in done.stderr
    assert place("use", "deploy", "--as", "profile", AWSENV_SHIM="bash:1").returncode == 0


def test_boto3_passes_over_our_settings(place):
    code = "import boto3; print(boto3.Session(profile_name='deploy').get_credentials().method)"
    done = subprocess.run([sys.executable, "-c", code], env=place.env, capture_output=True, text=True)
    assert done.stdout == "sso\n", done.stderr


def test_the_workflow_of_this_repository_does_what_it_says(tmp_path):
    file = tmp_path / "github_env"
    file.touch()
    env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    env |= IN_A_JOB | {"GITHUB_ENV": str(file), "ACTIONS_ID_TOKEN_REQUEST_URL": "https://real.example"}
    workflow = (ROOT / ".github/workflows/job-identity.yml").read_text()
    (command, *_) = re.findall(r"run: (awsenv demo .*)", workflow)
    done = subprocess.run(command.split(), cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arn:aws:sts::333333333333:assumed-role/FromGithub/" in done.stdout
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_REGION"):
        assert f"\n{name}<<" in "\n" + file.read_text() and name in workflow
