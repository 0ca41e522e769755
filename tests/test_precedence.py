"""AWS's documented precedence, a test a rule: what the real botocore makes of a config, and what our plan makes of it.

Each test names the document. Where we answer otherwise on purpose, the name says `unlike AWS's tools`, and the row is in
the README ("Where awsenv and AWS's tools differ").
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from unittest.mock import patch

import botocore.session
import pytest

from awsenv.change import export_for
from awsenv.errors import Config, NoCredentials, SourceLoop, UnknownProfile
from awsenv.hot import ambient_region
from awsenv.model import Credentials, Lease
from tests.principals import Answer, Theirs, ours
from tests.test_failures import Backend, backend  # noqa: F401  # the fixture

# The documents, by title. What a page says is told in the tests' own words.
CLI = "https://docs.aws.amazon.com/cli/latest/userguide/cli-chap-authentication.html"  # Configuration and credential precedence
FILES = "https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html"  # Configuration and credential file settings
VARIABLES = "https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html"  # Environment variables for the AWS CLI
ROLE = "https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-role.html"  # Using an IAM role in the AWS CLI
PROVIDERS = (
    "https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"  # Standardized credential providers
)
SETTINGS = "https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html"  # Precedence of settings
FORMAT = "https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html"  # Shared config and credentials files
ASSUME = "https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html"  # Assume role credential provider
SSO = "https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html"  # IAM Identity Center credential provider
ENDPOINTS = "https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html"  # Service-specific endpoints
CONTAINER = "https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html"  # Container credential provider
BOTO3 = "https://docs.aws.amazon.com/boto3/latest/guide/credentials.html"  # Credentials

NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
R, S = "arn:aws:iam::111111111111:role/R", "arn:aws:iam::222222222222:role/S"
KEYS_WITH_TOKEN = {"AWS_ACCESS_KEY_ID": "K", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "new"}
CONFIG_KEYS = "aws_access_key_id = CONFIG\naws_secret_access_key = s\n"
SSO_SETTINGS = "sso_session = s1\nsso_account_id = 333333333333\nsso_role_name = Viewer\n"
SSO_SESSION = "[sso-session s1]\nsso_start_url = https://d-1.awsapps.com/start\nsso_region = eu-west-1\n"
PROCESS = "credential_process = /bin/program\n"
BASE = "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = s\n"
OTHER = "[b]\naws_access_key_id = B\naws_secret_access_key = s\n"


@dataclass(frozen=True)
class Text:
    """Two files as one writes them, and a world around them: what `tests.principals` asks of a case."""

    config: str = ""
    credentials: str = ""
    env: dict[str, str] = field(default_factory=lambda: dict(NO_KEYS))
    asked: tuple[str | None, ...] = ("a",)
    on_instance: bool = False
    seed: int = 0

    def files(self) -> dict[str, bytes]:
        return {"config": self.config.encode(), "credentials": self.credentials.encode()}

    def names(self) -> list[str | None]:
        return list(self.asked)


def told(answer: Answer) -> str | None:
    """A principal in a line: its root, then every role; None where nothing resolves."""
    if answer.principal is None:
        return None
    root, hops, *_ = answer.principal
    name = {"keys": 0, "sso": 1, "web identity": 0}.get(root.what)
    first = root.what if name is None else f"{root.what} {root.about[name]}"
    return " > ".join((first, *(hop.arn for hop in hops)))


@pytest.fixture
def theirs(tmp_path, caplog):
    caplog.set_level(logging.CRITICAL, logger="botocore")
    return Theirs(tmp_path)


@pytest.fixture
def both(theirs):
    """What both sides make of profile `a`, which must be the same."""

    def ask(config: str = "", credentials: str = "", on_instance: bool = False, **env: str) -> str | None:
        case = Text(config, credentials, {**NO_KEYS, **env}, on_instance=on_instance)
        mine, real = ours(case, "a"), theirs.answers(case)["a"]
        assert told(mine) == told(real), (mine, real)
        return told(mine)

    return ask


# ---- Which profile --------------------------------------------------------------------------------------------------


def test_a_profile_on_the_command_line_beats_the_one_of_the_environment(both, theirs):
    """CLI: command line options override every other place. `use NAME` is that option."""
    files = BASE.replace("base", "a") + BASE.replace("base", "b").replace("BASE", "B")
    assert both(files, AWS_PROFILE="b", AWS_DEFAULT_PROFILE="b") == "keys BASE"
    unnamed = Text(files, env={**NO_KEYS, "AWS_PROFILE": "b"}, asked=(None,))
    assert told(theirs.answers(unnamed)[None]) == "keys B", "unnamed, botocore takes AWS_PROFILE"


def test_a_profile_on_the_command_line_beats_keys_of_the_environment(both, theirs):
    """CLI: command line options, then the environment; BOTO3: an explicit profile drops the environment's keys."""
    files, env = BASE.replace("base", "a"), {"AWS_ACCESS_KEY_ID": "ENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "s"}
    assert both(files, **env) == "keys BASE"
    by_variable = Text(files, env={**env, "AWS_PROFILE": "a"}, asked=(None,))
    assert told(theirs.answers(by_variable)[None]) == "environment", "AWS_PROFILE alone does not"


def test_keys_of_the_environment_beat_the_files_so_what_use_sets_is_what_tools_take(backend):  # noqa: F811
    """CLI, SETTINGS: the environment before the files. Whatever AWS_PROFILE said before `use`, it says no more."""
    script = "import boto3; s = boto3.Session(); print(s.get_credentials().method, s.client('sts').get_caller_identity()['Arn'])"
    done = backend("exec", "piyo", "--", sys.executable, "-c", script, AWS_PROFILE="hoge1", AWS_DEFAULT_PROFILE="hoge1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("env arn:aws:sts::333333333333:assumed-role/Deploy/")


def test_a_profile_that_is_not_there_is_an_error_even_beside_keys(theirs):
    """VARIABLES: AWS_PROFILE has to name a profile that exists; nothing stands in for it, with us neither."""
    case = Text(BASE, env={"AWS_ACCESS_KEY_ID": "ENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "s"}, asked=("a",))
    assert theirs.answers(case)["a"].principal is None
    assert isinstance(ours(case, "a").error, UnknownProfile)


def test_in_profile_mode_the_other_profile_variable_is_taken_away_since_botocore_reads_it_first():
    """VARIABLES: AWS_PROFILE. botocore reads AWS_DEFAULT_PROFILE before it, and the AWS CLI v2 after it: one is left."""
    with patch.dict(os.environ, {"AWS_PROFILE": "a", "AWS_DEFAULT_PROFILE": "stale"}):
        assert botocore.session.Session().get_config_variable("profile") == "stale"
    change = export_for(Lease("a", None, None, None, None))
    assert ("AWS_PROFILE", "a") in change.assign and "AWS_DEFAULT_PROFILE" in change.unset


# ---- Which file, which section ---------------------------------------------------------------------------------------


def test_the_credentials_file_beats_the_config_file_for_one_profile(both):
    """FILES, FORMAT: where both files hold credentials of one profile, those of the credentials file are taken."""
    config = f"[profile a]\n{CONFIG_KEYS}"
    assert both(config, "[a]\naws_access_key_id = CREDENTIALS\naws_secret_access_key = s\n") == "keys CREDENTIALS"
    assert both(config) == "keys CONFIG"


def test_settings_of_the_credentials_file_beat_those_of_the_config_file(both):
    """FORMAT: the credentials file's value is used of a setting that stands in both."""
    config = BASE + f"[profile a]\nrole_arn = {R}\nsource_profile = base\n"
    assert both(config, f"[a]\nrole_arn = {S}\n") == f"keys BASE > {S}"


def test_keys_are_never_mixed_from_two_files(both):
    """FORMAT: a key of one file and a secret or token of the other make no pair."""
    answer = both(f"[profile a]\n{CONFIG_KEYS}", "[a]\naws_session_token = stray\n")
    assert answer == "keys CONFIG"


@pytest.mark.parametrize("first", ["default", "profile default"])
def test_of_default_and_profile_default_the_later_one_counts_whole_in_botocore_and_here(theirs, first):
    """FORMAT: `[profile default]` before `[default]`, says the guide; botocore takes whichever stands later, and we do as it does."""
    second = "profile default" if first == "default" else "default"
    config = f"[{first}]\nregion = eu-west-1\n{CONFIG_KEYS}[{second}]\naws_access_key_id = LATER\naws_secret_access_key = s\n"
    case = Text(config, asked=("default",))
    mine, real = ours(case, "default"), theirs.answers(case)["default"]
    assert told(mine) == told(real) == "keys LATER"
    assert mine.principal.region is real.principal.region is None


def test_a_section_without_the_word_profile_is_no_profile_in_the_config_file(theirs):
    """FORMAT: `[profile NAME]` in the config file, `[NAME]` in the credentials file."""
    assert (
        ours(Text(f"[a]\n{CONFIG_KEYS}"), "a").principal is theirs.answers(Text(f"[a]\n{CONFIG_KEYS}"))["a"].principal
    )
    assert isinstance(ours(Text(f"[a]\n{CONFIG_KEYS}"), "a").error, UnknownProfile)
    wrong = Text("", OTHER.replace("[b]", "[profile b]"), asked=("b",))
    assert ours(wrong, "b").principal is theirs.answers(wrong)["b"].principal is None


def test_the_file_variables_move_the_files(backend, tmp_path):  # noqa: F811
    """VARIABLES: AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE; an empty one is as good as none, unlike AWS's tools."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("[profile moved]\nregion = eu-west-1\n" + CONFIG_KEYS)
    done = backend("list", "--names", AWS_CONFIG_FILE=str(elsewhere), AWS_SHARED_CREDENTIALS_FILE="/nowhere")
    assert done.stdout == "moved\n"
    done = backend("list", "--names", AWS_CONFIG_FILE="", AWS_SHARED_CREDENTIALS_FILE="")
    assert "piyo-prod\n" in done.stdout


# ---- Which way of one profile ----------------------------------------------------------------------------------------


def test_a_role_beats_identity_center_and_keys_of_the_same_profile(both):
    """CLI, BOTO3: assume role, then web identity, then Identity Center, then the files."""
    config = (
        f"{BASE}[profile a]\nrole_arn = {R}\nsource_profile = base\n{SSO_SETTINGS}{PROCESS}{CONFIG_KEYS}{SSO_SESSION}"
    )
    assert both(config, "[a]\naws_access_key_id = C\naws_secret_access_key = s\n") == f"keys BASE > {R}"


def test_a_role_without_a_source_fails_and_falls_back_to_nothing(theirs):
    """ASSUME: role_arn wants source_profile or credential_source; that Identity Center stands beside it does not help."""
    case = Text(f"[profile a]\nrole_arn = {R}\n{SSO_SETTINGS}{SSO_SESSION}")
    mine = ours(case, "a")
    assert theirs.answers(case)["a"].principal is None
    assert isinstance(mine.error, Config) and "source_profile" in str(mine.error.hint)


def test_web_identity_beats_identity_center_and_keys(both):
    """CLI, BOTO3: web identity comes before Identity Center and the files."""
    config = (
        f"[profile a]\nrole_arn = {R}\nweb_identity_token_file = /t\n{SSO_SETTINGS}{PROCESS}{CONFIG_KEYS}{SSO_SESSION}"
    )
    assert both(config) == f"web identity {R}"


def test_a_web_identity_token_file_makes_the_source_profile_void(both):
    """ASSUME: source_profile, credential_source and web_identity_token_file are three ways; botocore prefers the last."""
    assert both(f"{BASE}[profile a]\nrole_arn = {R}\nsource_profile = base\nweb_identity_token_file = /t\n") == (
        f"web identity {R}"
    )


def test_identity_center_beats_keys_in_either_file_and_a_program(both):
    """CLI, BOTO3: Identity Center, then the credentials file, then the program, then the config file."""
    config = f"[profile a]\n{SSO_SETTINGS}{PROCESS}{CONFIG_KEYS}{SSO_SESSION}"
    assert both(config, "[a]\naws_access_key_id = C\naws_secret_access_key = s\n") == "sso Viewer"


def test_keys_in_the_credentials_file_beat_a_program_which_beats_keys_in_the_config_file(both):
    """CLI, BOTO3: the credentials file, the custom process, the config file."""
    config = f"[profile a]\n{PROCESS}{CONFIG_KEYS}"
    assert both(config, "[a]\naws_access_key_id = C\naws_secret_access_key = s\n") == "keys C"
    assert both(config) == "process"


def test_an_sso_session_must_not_contradict_the_legacy_settings_beside_it(theirs):
    """SSO: sso_start_url and sso_region stand in the sso-session; legacy ones beside it may only repeat it."""
    same = "sso_start_url = https://d-1.awsapps.com/start\nsso_region = eu-west-1\n"
    for legacy, resolves in ((same, True), (same.replace("eu-west-1", "us-east-1"), False)):
        case = Text(f"[profile a]\n{SSO_SETTINGS}{legacy}{SSO_SESSION}")
        mine, real = ours(case, "a"), theirs.answers(case)["a"]
        assert told(mine) == told(real) == ("sso Viewer" if resolves else None)


def test_the_token_of_a_session_is_that_sessions_and_not_the_start_urls(both, theirs):
    """SSO: a profile with sso_session uses that session's token, whose file is named after the session."""
    case = Text(f"[profile a]\n{SSO_SETTINGS}sso_start_url = https://d-1.awsapps.com/start\n{SSO_SESSION}")
    assert ours(case, "a").principal.root.about[2] == theirs.answers(case)["a"].principal.root.about[2] == "token of s1"


# ---- Source profiles -------------------------------------------------------------------------------------------------


def test_a_source_profiles_keys_make_its_own_role_void(both):
    """ROLE, BOTO3: the source profile's keys sign; botocore passes over the role_arn of a source that has keys."""
    source = f"[profile b]\nrole_arn = {S}\nsource_profile = base\n{CONFIG_KEYS}"
    assert both(f"{BASE}{source}[profile a]\nrole_arn = {R}\nsource_profile = b\n") == f"keys CONFIG > {R}"


def test_a_source_profile_may_itself_be_a_role_any_number_of_times(both):
    """ASSUME, ROLE: a source profile can name another."""
    b = f"[profile b]\nrole_arn = {S}\nsource_profile = base\n"
    assert both(f"{BASE}{b}[profile a]\nrole_arn = {R}\nsource_profile = b\n") == f"keys BASE > {S} > {R}"


def test_a_profile_may_name_itself_if_it_has_keys(both, theirs):
    """BOTO3: source_profile may be the profile itself, where it has keys; without them it is a circle."""
    assert both(f"[profile a]\nrole_arn = {R}\nsource_profile = a\n{CONFIG_KEYS}") == f"keys CONFIG > {R}"
    case = Text(f"[profile a]\nrole_arn = {R}\nsource_profile = a\n")
    assert theirs.answers(case)["a"].principal is None
    assert isinstance(ours(case, "a").error, SourceLoop)


def test_source_profile_and_credential_source_exclude_each_other(both):
    """ASSUME: a profile can't have both."""
    assert both(f"{BASE}[profile a]\nrole_arn = {R}\nsource_profile = base\ncredential_source = Environment\n") is None


def test_credential_source_names_are_taken_as_written(both):
    """ASSUME: Environment, EcsContainer and Ec2InstanceMetadata, in just these letters."""
    keys = {"AWS_ACCESS_KEY_ID": "ENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "s"}
    text = f"[profile a]\nrole_arn = {R}\ncredential_source = "
    assert both(f"{text}Environment\n", **keys) == f"environment > {R}"
    assert both(f"{text}environment\n", **keys) is None


def test_credential_source_by_profile_variable_is_assumed_here_unlike_aws_tools(theirs):
    """ASSUME: the role is to be assumed; botocore under AWS_PROFILE takes the environment's keys as they are."""
    keys = {"AWS_ACCESS_KEY_ID": "ENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "s"}
    text = f"[profile a]\nrole_arn = {R}\ncredential_source = Environment\n"
    by_variable = theirs.answers(Text(text, env={**keys, "AWS_PROFILE": "a"}, asked=(None,)))[None]
    assert told(by_variable) == "environment"
    assert told(ours(Text(text, env=keys), "a")) == f"environment > {R}"


# ---- The environment's own identities ---------------------------------------------------------------------------------


def test_the_web_identity_of_the_environment_counts_for_no_named_profile(both, theirs):
    """ASSUME: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN; they win under AWS_PROFILE, and not over a profile by name."""
    env = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/pod", "AWS_ROLE_ARN": S}
    config = f"[profile a]\n{SSO_SETTINGS}{SSO_SESSION}"
    assert both(config, **env) == "sso Viewer"
    assert told(theirs.answers(Text(config, env={**NO_KEYS, **env, "AWS_PROFILE": "a"}, asked=(None,)))[None]) == (
        f"web identity {S}"
    )


def test_the_role_of_the_environment_does_not_replace_a_named_profiles(both):
    """ASSUME: AWS_ROLE_ARN and AWS_ROLE_SESSION_NAME are for the environment's own token alone."""
    assert both(f"[profile a]\nrole_arn = {R}\nweb_identity_token_file = /t\n", AWS_ROLE_ARN=S) == f"web identity {R}"


def test_the_container_comes_before_the_instance(theirs):
    """PROVIDERS, BOTO3: the container's credentials, then the instance's. Ours asks for neither of itself, unlike AWS's tools."""
    env = {**NO_KEYS, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2"}
    case = Text("[profile a]\nregion = eu-west-1\n", env=env, on_instance=True)
    assert told(theirs.answers(case)["a"]) == "container"
    assert told(theirs.answers(replace(case, env=dict(NO_KEYS)))["a"]) == "instance"
    assert isinstance(ours(case, "a").error, NoCredentials)


def test_what_a_profile_says_beats_the_container_and_the_instance(both):
    """PROVIDERS: files come before the container and the instance."""
    assert both(f"[profile a]\n{CONFIG_KEYS}", on_instance=True, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="/v2") == (
        "keys CONFIG"
    )


def test_the_containers_relative_address_beats_the_full_one():
    """CONTAINER: the full URI is used only where the relative one is not set."""
    from botocore.credentials import ContainerProvider

    from awsenv.machine import Here

    env = {
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/7",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/x",
    }
    asked: list[str] = []

    class Fetcher:
        def full_url(self, relative: str) -> str:
            return f"http://169.254.170.2{relative}"

        def retrieve_full_uri(self, uri: str, headers: object) -> dict[str, str]:
            asked.append(uri)
            return {"AccessKeyId": "a", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}

    ContainerProvider(env, Fetcher()).load()
    assert [Here(env).container_name().rpartition("\0")[2]] == asked == ["http://169.254.170.2/v2/7"]


def test_the_old_name_of_the_session_token_beats_the_new_one(both, theirs):
    """BOTO3 documents AWS_SESSION_TOKEN alone; botocore reads AWS_SECURITY_TOKEN first, so `use` always takes that away."""
    keys = "aws_access_key_id = K\naws_secret_access_key = s\naws_session_token = new\naws_security_token = old\n"
    case = Text(f"[profile a]\n{keys}")
    assert ours(case, "a").principal == theirs.answers(case)["a"].principal
    assert ours(case, "a").principal.root.about[2] == "old"
    with patch.dict(os.environ, {"AWS_SECURITY_TOKEN": "stale", **KEYS_WITH_TOKEN}):
        assert botocore.session.Session().get_credentials().token == "stale"
    change = export_for(Lease("a", None, Credentials("K", "s", "new"), None, None))
    assert ("AWS_SESSION_TOKEN", "new") in change.assign and "AWS_SECURITY_TOKEN" in change.unset


# ---- The region ------------------------------------------------------------------------------------------------------


def region_of_boto3(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SAY_REGION = "import boto3, os; print(boto3.Session().region_name, os.environ.get('AWS_REGION'))"


@pytest.mark.parametrize(
    ("words", "env", "expected"),
    [
        (("--region", "us-west-2"), {"AWS_REGION": "eu-west-3"}, "us-west-2"),  # the command line
        (
            (),
            {"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-west-3"},
            "ap-northeast-1",
        ),  # the profile: see below
    ],
)
def test_the_region_of_the_command_line_beats_all_and_a_profiles_beats_the_environments_unlike_aws_tools(
    backend,  # noqa: F811
    words,
    env,
    expected,
):
    """CLI, SETTINGS: --region, then the environment, then the file. `use` makes a profile whole, with its own region: a
    region left over from before is not carried into it."""
    done = backend("exec", *words, "hoge1", "--", sys.executable, "-c", SAY_REGION, **env)
    assert region_of_boto3(done) == f"{expected} {expected}"


def test_a_profile_without_a_region_keeps_the_environments_and_aws_region_beats_the_default_one(backend):  # noqa: F811
    """VARIABLES: AWS_REGION overrides AWS_DEFAULT_REGION (AWS CLI v2; botocore reads the second alone): both are set, alike."""
    backend.configure("\n[profile bare]\nsource_profile = hoge1\n" + CONFIG_KEYS)
    words = ("exec", "bare", "--", sys.executable, "-c", SAY_REGION)
    assert (
        region_of_boto3(backend(*words, AWS_REGION="eu-west-3", AWS_DEFAULT_REGION="us-west-1"))
        == "eu-west-3 eu-west-3"
    )
    assert region_of_boto3(backend(*words, AWS_DEFAULT_REGION="us-west-1")) == "us-west-1 us-west-1"
    assert region_of_boto3(backend(*words)) == "None None"
    assert ambient_region({"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-west-1"}) == "us-west-1"


def test_a_role_is_called_in_the_region_of_the_profile_asked_for_and_not_its_sources(theirs):
    """ROLE: the profile's own region; the source profile lends credentials alone."""
    source = BASE.replace("base]\n", "base]\nregion = us-west-2\n")
    case = Text(f"{source}[profile a]\nregion = eu-west-1\nrole_arn = {R}\nsource_profile = base\n")
    mine, real = ours(case, "a").principal, theirs.answers(case)["a"].principal
    assert mine.region == real.region == "eu-west-1"


# ---- Endpoints -------------------------------------------------------------------------------------------------------

SERVICES = "[services local]\nsts =\n  endpoint_url = http://section\n"
A_ROLE = f"{BASE}[profile a]\nrole_arn = {R}\nsource_profile = base\n"


@pytest.mark.parametrize(
    ("settings", "env", "expected"),
    [
        ("services = local\nendpoint_url = http://profile\n",
         {"AWS_ENDPOINT_URL_STS": "http://own", "AWS_ENDPOINT_URL": "http://all"}, "http://own"),
        ("services = local\nendpoint_url = http://profile\n", {"AWS_ENDPOINT_URL": "http://all"}, "http://all"),
        ("services = local\nendpoint_url = http://profile\n", {}, "http://section"),
        ("endpoint_url = http://profile\n", {}, "http://profile"),
        ("", {}, None),
        ("endpoint_url = http://profile\n",
         {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_ENDPOINT_URL_STS": "http://own"}, None),
        ("ignore_configured_endpoint_urls = true\nendpoint_url = http://profile\n", {}, None),
        ("ignore_configured_endpoint_urls = true\nendpoint_url = http://profile\n",
         {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}, "http://profile"),
    ],
)  # fmt: skip
def test_an_endpoint_is_the_services_variable_then_the_general_one_then_the_section_then_the_profile(
    theirs, settings, env, expected
):
    """ENDPOINTS: that order, and AWS_IGNORE_CONFIGURED_ENDPOINT_URLS (or its setting) voids all of it."""
    case = Text(A_ROLE + settings + SERVICES, env={**NO_KEYS, **env})
    mine, real = ours(case, "a").principal, theirs.answers(case)["a"].principal
    assert mine.hops[0].endpoint == real.hops[0].endpoint == expected


def test_the_endpoints_of_a_source_profile_are_not_used(theirs):
    """ENDPOINTS: settings of the profile in use."""
    case = Text(A_ROLE.replace("[profile base]\n", "[profile base]\nendpoint_url = http://source\n"))
    mine, real = ours(case, "a").principal, theirs.answers(case)["a"].principal
    assert mine.hops[0].endpoint is real.hops[0].endpoint is None


# ---- The AWS CLI itself -----------------------------------------------------------------------------------------------


def test_the_aws_cli_reads_our_identity_from_the_environment_before_any_file(backend):  # noqa: F811
    """CLI: `aws configure list` names the place that each value comes from."""
    done = backend("exec", "piyo", "--", sys.executable, "-m", "awscli", "configure", "list", AWS_PROFILE="fuga")
    lines = {line.split()[0]: line.split() for line in done.stdout.splitlines()[2:] if line.split()}
    assert lines["access_key"][-1] == "env" == lines["secret_key"][-1], done.stdout + done.stderr
    assert "fuga" not in lines["profile"]
    asked = json.dumps(lines["region"])
    assert "ap-northeast-1" in asked and "AWS_DEFAULT_REGION" in asked
