"""The README's recipes: each block, in a home of its own, with a stand-in that takes what the tool documents."""

import json
import re
import stat

import pytest

from tests.shells import ROOT
from tests.test_credential_source import OPS
from tests.test_web_identity import Place

TEXT = (ROOT / "README.md").read_text().partition("\n### Recipes\n")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```ini\n(.*?)```", TEXT, re.DOTALL)
TASK = "arn:aws:iam::111111111111:role/Task"
BEHIND = OPS.replace("777777777777", "888888888888")
# A tool → the words before its options, the options that take a value and those that don't, the ones it can't do without.
TOOLS = {
    "aws_signing_helper": (
        ["credential-process"],
        {"--certificate", "--private-key", "--trust-anchor-arn", "--profile-arn", "--role-arn", "--region", "--endpoint",
         "--intermediates", "--session-duration", "--role-session-name"},
        {"--with-proxy", "--no-verify-ssl"},
        {"--certificate", "--private-key", "--trust-anchor-arn", "--profile-arn", "--role-arn"},
    ),
    "saml2aws": (
        ["login"],
        {"--profile", "--role", "--credentials-file", "--idp-account", "--username", "--url", "--session-duration"},
        {"--credential-process", "--quiet", "--skip-prompt", "--force"},
        {"--credential-process", "--profile"},
    ),
    "okta-aws-cli": (
        ["web"],
        {"--format", "--org-domain", "--oidc-client-id", "--aws-iam-idp", "--aws-iam-role", "--aws-acct-fed-app-id"},
        {"--open-browser"},
        {"--org-domain", "--oidc-client-id", "--format"},
    ),
    "aws-vault": (["exec"], {"--duration"}, {"--json", "--no-session"}, {"--json"}),
}  # fmt: skip
STAND_IN = """#!/bin/sh
exec PYTHON -I -S - "$@" <<'.'
import sys
begin, valued, plain, needed, printed = TOOL
given, rest = sys.argv[1:], set()
if given[: len(begin)] != begin:
    sys.exit(f"unknown command {given}")
given = given[len(begin) :]
while given:
    word = given.pop(0)
    if word in valued:
        given.pop(0)
    elif word not in plain and word.startswith("-"):
        sys.exit(f"unknown option {word}")
    rest.add(word)
if not needed <= rest:
    sys.exit(f"missing {needed - rest}")
print(printed)
.
"""


@pytest.fixture(scope="module")
def home(house, fake, tmp_path_factory) -> Place:
    place = Place(house, fake, tmp_path_factory.mktemp("recipes"))
    fake.role(TASK)
    fake.role(BEHIND, [TASK])
    minted = fake._running().role_session(TASK, "i-1", 4102444800)
    keys = {"Version": 1, "AccessKeyId": minted.access_key_id, "SecretAccessKey": minted.secret_access_key}
    printed = json.dumps({**keys, "SessionToken": minted.session_token, "Expiration": "2099-01-01T00:00:00Z"})
    folder = place.home / "bin"
    folder.mkdir()
    python = place.env["PATH"].split(":")[0] + "/python"
    for name, tool in TOOLS.items():
        path = folder / name
        path.write_text(STAND_IN.replace("PYTHON", python).replace("TOOL", repr((*tool, printed))))
        path.chmod(stat.S_IRWXU)
    place.env["PATH"] = f"{folder}:{place.env['PATH']}"
    with (place.home / ".aws/config").open("a") as config:
        config.write("\n" + "\n".join(BLOCKS))
    with (place.home / ".aws/credentials").open("a") as credentials:
        credentials.write(f"\n[written]\naws_access_key_id = {minted.access_key_id}\n")
        credentials.write(
            f"aws_secret_access_key = {minted.secret_access_key}\naws_session_token = {minted.session_token}\n"
        )
        credentials.write("region = eu-west-1\naws_expiration = 2099-01-01T00:00:00Z\nx_principal_arn = whatever\n")
    return place


NAMES = re.findall(r"^\[profile (\S+)\]$", "".join(BLOCKS), re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_works_as_it_stands(home, name):
    expected = BEHIND if name == "on-top" else TASK
    arn = home.arn(name)
    assert arn.startswith(f"arn:aws:sts::{expected.split(':')[4]}:assumed-role/{expected.rpartition('/')[2]}/")


def test_keys_that_a_tool_has_written_into_the_credentials_file_need_no_line_more(home):
    assert ":assumed-role/Task/" in home.arn("written")


def test_every_tool_has_a_stand_in_and_a_wrong_option_would_be_seen(home, tmp_path):
    asked = {words.split()[0] for words in re.findall(r"^credential_process = (.*)$", TEXT, re.MULTILINE)}
    assert asked == set(TOOLS) and len(NAMES) == len(asked) + 1
    strange = tmp_path / "config"
    for wrong in ("aws-vault exec --jsn me", "aws-vault export me", "saml2aws login --quiet --profile x"):
        strange.write_text(f"[profile wrong]\ncredential_process = {wrong}\n")
        home.env["AWS_CONFIG_FILE"], before = str(strange), home.env["AWS_CONFIG_FILE"]
        try:
            home("trust", str(strange), "--yes")
            assert home("export", "wrong").returncode == 3
        finally:
            home.env["AWS_CONFIG_FILE"] = before
