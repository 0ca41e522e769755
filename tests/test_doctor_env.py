"""What `doctor` finds in the environment, the shell and the machine: one row a finding, and nothing where nothing is."""

from dataclasses import replace

import pytest

from awsenv.clock import Skew
from awsenv.doctor import ambient, machine, shell
from awsenv.doctor.examination import Examined, read_files
from awsenv.doctor.finding import LEVELS
from awsenv.doctor.surroundings import Loading, Login, Surroundings, moment
from awsenv.model import Where
from awsenv.render.findings import Look, report

NOW = 1_790_000_000.0
CONFIG = b"""\
[profile dev]
sso_session = corp
sso_account_id = 111111111111
sso_role_name = Dev

[profile box]
credential_source = Ec2InstanceMetadata
role_arn = arn:aws:iam::111111111111:role/Box

[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-west-1
"""
KEYS = {"AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "SECRETSECRET", "AWS_SESSION_TOKEN": "TOKENTOKEN"}
OURS = {**KEYS, "AWSENV_PROFILE": "dev", "AWSENV_KEY_ID": "ASIAEXAMPLE", "AWSENV_EXPIRES_AT": str(int(NOW + 900))}
LONG = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "SECRETSECRET"}
RC = Where("/home/you/.bashrc", 7)
CHECKS = (*ambient.CHECKS, *shell.CHECKS, *machine.CHECKS)


def facts(env: dict[str, str] | None = None, **around: object) -> Examined:
    return Examined(
        name=None, home="/home/you", user=1000, env=env or {}, now=NOW, surroundings=Surroundings(**around),
        **read_files(CONFIG, b"", "/home/you/.aws/config", "/home/you/.aws/credentials"),
    )  # fmt: skip


def found(examined: Examined) -> list[tuple[str, str]]:
    return [(finding.code, finding.level) for check in CHECKS for finding in check(examined)]


ENVIRONMENTS = [
    # What is set, and what is found. Beside each finding stands the nearest thing that is none.
    ({}, []),
    (KEYS, []),
    (OURS, []),
    (LONG, []),
    ({"AWS_PROFILE": "dev"}, []),
    ({"AWS_PROFILE": "dev", "AWS_DEFAULT_PROFILE": "dev", "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}, []),
    ({**KEYS, "AWS_PROFILE": "dev"}, [("env-keys-and-profile", "warning")]),
    ({"AWS_PROFILE": "dev", "AWS_DEFAULT_PROFILE": "box"}, [("env-two-profiles", "error")]),
    ({"AWS_PROFILE": "gone"}, [("env-unknown-profile", "error")]),
    ({"AWS_DEFAULT_PROFILE": "gone"}, [("env-unknown-profile", "error")]),
    ({"AWS_PROFILE": "default"}, []),
    ({"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE"}, [("env-half-key", "error")]),
    ({"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": ""}, [("env-half-key", "error")]),
    ({"AWS_SECRET_ACCESS_KEY": "SECRETSECRET"}, [("env-half-key", "warning")]),
    ({**KEYS, "AWS_SECURITY_TOKEN": "OLD"}, [("env-security-token", "error")]),
    ({**KEYS, "AWS_SECURITY_TOKEN": "TOKENTOKEN"}, [("env-security-token", "note")]),
    ({**LONG, "AWS_SESSION_TOKEN": "TOKENTOKEN"}, [("env-stale-token", "error")]),
    ({**LONG, "AWS_SECURITY_TOKEN": "OLD"}, [("env-security-token", "error"), ("env-stale-token", "error")]),
    ({**KEYS, "AWS_SESSION_TOKEN": ""}, [("env-no-token", "error")]),
    ({"AWS_SECURITY_TOKEN": "OLD"}, [("env-stale-token", "warning")]),
    ({"AWS_SESSION_TOKEN": "OLD"}, [("env-stale-token", "warning")]),
    ({**KEYS, "AWS_SECRET_ACCESS_KEY": "SECRETSECRET "}, [("env-blank-in-key", "error")]),
    ({**KEYS, "AWS_ACCESS_KEY_ID": '"ASIAEXAMPLE"'}, [("env-blank-in-key", "error")]),
    ({**KEYS, "AWS_SESSION_TOKEN": "TOKEN\nTOKEN"}, [("env-blank-in-key", "error")]),
    ({"AWS_PROFILE": ""}, [("env-empty", "warning")]),
    ({"AWS_DEFAULT_PROFILE": ""}, [("env-empty", "warning")]),
    ({"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, [("env-empty", "warning")] * 2),
    ({"AWS_CONFIG_FILE": ""}, [("env-empty", "warning")]),
    ({"AWS_SHARED_CREDENTIALS_FILE": ""}, [("env-empty", "warning")]),
    ({**KEYS, "AWS_CREDENTIAL_EXPIRATION": "2030-01-01T00:00:00Z"}, []),
    ({**KEYS, "AWS_CREDENTIAL_EXPIRATION": "2030-01-01T00:00:00"}, [("env-expiration", "error")]),
    ({**KEYS, "AWS_CREDENTIAL_EXPIRATION": "1900000000"}, [("env-expiration", "error")]),
    ({**KEYS, "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00+00:00"}, [("env-expired", "error")]),
    ({"AWS_CREDENTIAL_EXPIRATION": "2030-01-01T00:00:00Z"}, [("env-expiration", "note")]),
    ({**OURS, "AWSENV_EXPIRES_AT": str(int(NOW - 1))}, [("env-expired", "error")]),
    ({**OURS, "AWSENV_ACCOUNT_ID": "111111111111", "AWS_ACCOUNT_ID": "111111111111"}, []),
    ({**OURS, "AWSENV_ACCOUNT_ID": "111111111111", "AWS_ACCOUNT_ID": "999999999999"}, [("env-account", "error")]),
    ({"AWS_PROFILE": "dev", "AWS_ACCOUNT_ID": "999999999999"}, [("env-account", "error")]),
    ({"AWS_PROFILE": "dev", "AWS_ACCOUNT_ID": "111111111111"}, []),
    ({"AWS_ACCOUNT_ID": "999999999999"}, [("env-account", "warning")]),
    ({**KEYS, "AWS_ACCOUNT_ID": "999999999999"}, []),
    ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}, [("env-two-regions", "warning")]),
    ({"AWS_PROFILE": "dev", "AWS_ROLE_ARN": "arn:x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}, [("env-role", "warning")]),
    ({"AWS_PROFILE": "dev", "AWS_ROLE_ARN": "arn:x"}, [("env-role", "warning")]),
    ({"AWS_PROFILE": "dev", "AWS_ROLE_SESSION_NAME": "x"}, []),
    ({"AWS_ROLE_ARN": "arn:x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}, []),
    ({"AWS_ENDPOINT_URL": "http://x"}, [("env-endpoint", "note")]),
    ({"AWS_ENDPOINT_URL_S3": "http://x", "AWS_ENDPOINT_URL_STS": "http://y"}, [("env-endpoint", "note")]),
    ({"AWS_ENDPOINT_URL": "http://x", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, []),
    ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "HTTP_PROXY": "http://p"},
     [("env-endpoint", "note"), ("env-proxy", "warning")]),
    ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "HTTP_PROXY": "http://p", "NO_PROXY": "127.0.0.1, localhost,169.254.169.254"},
     [("env-endpoint", "note")]),
    ({"HTTPS_PROXY": "http://p"}, [("env-proxy", "warning")]),  # for the instance role of `box`
    ({"HTTPS_PROXY": "http://p", "no_proxy": "169.254.169.254"}, []),
    ({"HTTPS_PROXY": "http://p", "NO_PROXY": "*"}, []),
    ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"}, [("env-container", "note")]),
    ({"AWS_EC2_METADATA_DISABLED": "true"}, [("env-metadata-disabled", "warning")]),
    ({"AWS_EC2_METADATA_DISABLED": "false"}, []),
    ({"AWS_SDK_LOAD_CONFIG": "0"}, [("env-load-config", "note")]),
    ({"AWS_SDK_LOAD_CONFIG": "1"}, []),
    *(({name: "x"}, [("env-switcher", "warning")]) for _, names, _ in ambient._SWITCHERS for name in names),
    *(({**KEYS, names[0]: "x"}, [("env-switcher", "note")]) for _, names, _ in ambient._SWITCHERS),
    ({**OURS, "AWS_VAULT": "x"}, [("env-switcher", "warning")]),
    ({**OURS, "AWS_ACCESS_KEY_ID": "ASIAOTHER"}, [("env-drift", "warning")]),
    ({"AWSENV_PROFILE": "dev", "AWSENV_KEY_ID": "ASIAEXAMPLE"}, [("env-drift", "warning")]),
    ({"AWSENV_PROFILE": "dev", "AWSENV_KEY_ID": "profile:dev", "AWS_PROFILE": "dev"}, []),
    ({"AWSENV_PROFILE": "dev", "AWSENV_KEY_ID": "profile:dev", "AWS_PROFILE": "box"}, [("env-drift", "warning")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("env", "expected"), ENVIRONMENTS, ids=lambda value: " ".join(value) if isinstance(value, dict) else ""
)
def test_in_the_environment(env, expected):
    assert found(facts(env)) == expected


SURROUNDINGS = [
    ({}, []),
    ({"missing": {"AWS_CONFIG_FILE": "/nope"}}, [("env-no-such-file", "error")]),
    ({"shell": "bash", "is_interactive": True}, [("shim-not-loaded", "warning")]),
    ({"shell": "bash", "is_interactive": True, "is_loaded": True}, []),
    ({"shell": "bash", "is_interactive": False}, []),
    ({"shell": "", "is_interactive": True}, []),
    ({"shell": "bash", "is_interactive": True, "loadings": (Loading("bash", RC, "init"),)}, [("shim-not-loaded", "note")]),
    ({"shell": "bash", "is_interactive": True, "loadings": (Loading("zsh", RC, "init"),)}, [("shim-not-loaded", "warning")]),
    ({"loadings": (Loading("bash", RC, "init"), Loading("bash", RC, "init"))}, [("shim-twice", "note")]),
    ({"loadings": (Loading("bash", RC, "init"), Loading("zsh", RC, "init"))}, []),
    ({"loadings": (Loading("bash", RC, "stray"),)}, [("shim-by-hand", "warning")]),
    ({"loadings": (Loading("bash", RC, "block"),)}, [("shim-missing", "error")]),
    ({"loadings": (Loading("bash", RC, "block"),), "copies": {"/d/awsenv.bash": True}}, []),
    ({"copies": {"/d/awsenv.bash": False}}, [("shim-old", "warning")]),
    ({"programs": ("/usr/bin/awsenv",)}, []),
    ({"programs": ("/home/you/bin/awsenv", "/usr/bin/awsenv")}, [("several-programs", "warning")]),
    ({"completions": ("fish",)}, [("completion-missing", "warning")]),
    ({"versions": {"boto3": ("1.40.0", "1.40")}}, []),
    ({"versions": {"boto3": ("1.9.9", "1.40")}}, [("library", "warning")]),
    ({"versions": {"boto3": ("", "1.40")}}, [("library", "error")]),
    ({"store_trouble": "/s is open to others: nothing is kept (fix: chmod -R go-rwx /s)"}, [("store", "warning")]),
    ({"store_ignored": ("/s/keys/x",)}, [("store-file", "warning")]),
    ({"store_room": 4096}, [("store-full", "warning")]),
    ({"store_room": 1 << 30}, []),
    ({"leftovers": ("/h/.aws/.awsenv-1-a.tmp",)}, [("leftovers", "note")]),
    ({"stale_cache": ("/h/.aws/cli/cache/x.json",)}, [("stale-cache", "note")]),
    ({"broken": ("/h/.aws/sso/cache/x.json",)}, [("broken-cache", "warning")]),
    ({"logins": (Login("/x", "corp", NOW - 60),)}, [("login-ended", "note")]),
    ({"logins": (Login("/x", None, NOW - 60),)}, [("login-ended", "note")]),
    ({"logins": (Login("/x", "corp", NOW - 60, lasts=True), Login("/y", "corp", NOW + 60), Login("/z", None, None))}, []),
    ({"skew": Skew(301, NOW, 0)}, [("clock", "warning")]),
    ({"skew": Skew(-3600, NOW, 0)}, [("clock", "error")]),
    ({"skew": Skew(299, NOW, 0)}, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("around", "expected"), SURROUNDINGS, ids=lambda value: " ".join(value) if isinstance(value, dict) else ""
)
def test_around_it(around, expected):
    assert found(facts(**around)) == expected


def test_every_check_of_these_is_shown_finding_something():
    examined = [facts(env) for env, _ in ENVIRONMENTS] + [facts(**around) for around, _ in SURROUNDINGS]
    for check in CHECKS:
        assert any(list(check(one)) for one in examined), check.__qualname__


def test_every_level_is_one():
    assert {level for _, rows in ENVIRONMENTS + SURROUNDINGS for _, level in rows} == set(LEVELS)


def test_without_surroundings_the_environment_is_examined_all_the_same():
    assert found(replace(facts({"AWS_PROFILE": ""}), surroundings=None)) == [("env-empty", "warning")]


@pytest.mark.parametrize(("name", "command"), [("fish", "set -e"), ("zsh", "unset"), ("", "unset")])
def test_the_command_is_the_asking_shells(name, command):
    (finding,) = [one for check in CHECKS for one in check(facts({"AWS_VAULT": "x"}, shell=name))]
    assert finding.write == (f"{command} AWS_VAULT",)


HOSTILE = "\x1b]0;owned\x07$(touch /tmp/x)\n`id`\u202e"


def test_no_secret_is_printed_and_no_control_character():
    secrets = {"AWS_ACCESS_KEY_ID": "AKIAHUSHHUSH", "AWS_SECRET_ACCESS_KEY": "hush-secret\n", "AWS_SESSION_TOKEN": "hush-token ",
               "AWS_SECURITY_TOKEN": "hush-older", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "hush-bearer"}  # fmt: skip
    names = {name for env, _ in ENVIRONMENTS for name in env} - set(secrets)
    env = {**dict.fromkeys(names, HOSTILE), **secrets, "AWS_ENDPOINT_URL": f"https://user:hush-url@x/{HOSTILE}?hush"}
    loading = Loading("bash", Where(f"/home/you/{HOSTILE}", 1), "stray")
    around = facts(
        env, shell="bash", is_interactive=True, loadings=(loading, replace(loading, kind="block")), programs=(HOSTILE, "/x"),
        missing={"AWS_CONFIG_FILE": HOSTILE}, leftovers=(HOSTILE,), broken=(HOSTILE,), stale_cache=(HOSTILE,),
        store_ignored=(HOSTILE,), copies={f"{HOSTILE}/awsenv.bash": False}, logins=(Login(HOSTILE, HOSTILE, 1.0),),
        store_trouble=f"{HOSTILE} (fix: rm {HOSTILE})",
    )  # fmt: skip
    findings = [finding for check in CHECKS for finding in check(around)]
    assert len(findings) > 20
    rows = report(findings, lambda where: HOSTILE, "/home/you", Look(utf8=False))
    text = "\n".join(rows)
    assert "hush" not in text.lower()
    assert all(row.isprintable() for row in rows)


@pytest.mark.parametrize(
    "env", [{"AWS_REGION": "$(id)", "AWS_DEFAULT_REGION": "x"}, {"HTTPS_PROXY": "p", "NO_PROXY": "$(id)"}]
)
def test_a_command_to_paste_runs_nothing_of_a_value(env):
    (finding,) = [finding for check in CHECKS for finding in check(facts(env))]
    assert "'" in finding.write[0] and finding.write[0].index("'") < finding.write[0].index("$(id)")


@pytest.mark.parametrize(
    ("text", "epoch"),
    [("2026-11-22T19:52:44Z", 1795377164), ("2026-11-22T19:52:44UTC", 1795377164), ("2026-11-22T19:52:44", 1795377164),
     ("2026-11-22T20:52:44+01:00", 1795377164), ("soon", None), (None, None), (5, None)],
)  # fmt: skip
def test_a_time_as_awss_tools_write_it(text, epoch):
    assert moment(text) == epoch
