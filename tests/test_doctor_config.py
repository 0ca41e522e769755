"""`awsenv doctor` on the two config files: each slip gives its finding at its line, a sound file none, and --fix mends what is safe."""

import json
import os
import re
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import botocore.configloader
import botocore.exceptions
import botocore.session
import pexpect
import pytest

from awsenv.doctor import checks
from awsenv.doctor.examination import Examined, Stat, read_files
from awsenv.doctor.finding import LEVELS, Edit, Finding, Unmark
from awsenv.doctor.mending import fixes_of, mended, shown
from awsenv.doctor.vocabulary import KNOWN, meant_as
from awsenv.errors import AwsenvError
from awsenv.model import Problem, Where
from awsenv.plan import build
from awsenv.render.findings import Look, document, report
from awsenv.settings import Settings
from tests.generated import case
from tests.payloads import PAYLOADS
from tests.shells import ROOT

ARTICLE = ROOT.parent / "shared" / "article"
HOME = "/home/me"
CONFIG, CREDENTIALS = f"{HOME}/.aws/config", f"{HOME}/.aws/credentials"
REGIONS = frozenset(("eu-west-1", "us-east-1", "ap-northeast-1", "cn-north-1"))
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY = f"aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {SECRET}\n"
OTHER = KEY.replace("IOSF", "OTHR")
SESSION = "[sso-session s]\nsso_start_url = https://d-1.awsapps.com/start\nsso_region = eu-west-1\n"
SSO = "sso_session = s\nsso_account_id = 111122223333\nsso_role_name = Dev\n"
ROLE = "role_arn = arn:aws:iam::111122223333:role/R\n"
LOGIN = f"[profile login]\n{SSO}"  # four lines, of which one is the header


def facts(config="", credentials="", **more) -> Examined:
    """What would be gathered of these files and nothing else."""
    data = (text if isinstance(text, bytes) else text.encode() for text in (config, credentials))
    known = {
        "name": None, "home": HOME, "user": 1000, "env": {}, "now": 1_800_000_000.0, "regions": REGIONS,
        "tokens": frozenset(("s", "https://d-1.awsapps.com/start")), "programs": {"/bin/tool": True, "tool": True},
    }  # fmt: skip
    return Examined(**read_files(*data, CONFIG, CREDENTIALS), **(known | more))


def found(*args, **more) -> list[Finding]:
    return list(checks.examine(facts(*args, **more)))


def told(findings):
    """(code, line) of each; a line of the credentials file is below zero, none is 0."""
    return [
        (f.code, 0 if f.where is None else f.where.line if f.where.file == CONFIG else -f.where.line) for f in findings
    ]


# ---- One row a finding ----------------------------------------------------------------------------------------------

# what → (config, credentials, [(code, line)], …): exactly these, in this order. Long-lived keys are told of in each file
# that has one; ROLES' key is not the point, and stands in [k].
K = f"[k]\n{KEY}"
LONG = ("long-lived-key", -2)
ROWS = {
    # the shape of the files
    "a profile's header without the word": ("[a]\nregion = eu-west-1\n", "", [("ignored-section", 1)]),
    "three words without quotes": ("[profile a b]\nregion = eu-west-1\n", "", [("ignored-section", 1)]),
    "a quote that is not closed": ('[profile "a]\nregion = eu-west-1\n', "", [("ignored-section", 1)]),
    "Profile in capitals": ("[Profile a]\nregion = eu-west-1\n", "", [("ignored-section", 1)]),
    "sso_session for sso-session": (
        SESSION + "[sso_session t]\nsso_start_url = https://d-1.awsapps.com/start\nsso_region = eu-west-1\n", "",
        [("ignored-section", 4)],
    ),
    "a section of another tool": ("[other tool]\nfoo = bar\n", "", [("unknown-section", 1)]),
    "the AWS CLI's own sections": ("[plugins]\nx = y\n[preview]\nx = y\n", "", []),
    "profile in the credentials file": ("", f"[profile a]\n{KEY}", [("profile-word", -1), LONG]),
    "an sso-session in the credentials file": (
        "", SESSION, [("misplaced-section", -1)],
    ),
    "default twice": (
        f"[default]\n{ROLE}credential_source = Ec2InstanceMetadata\n[profile default]\nregion = eu-west-1\n", "",
        [("rival-sections", 4)],
    ),
    "DEFAULT in capitals": ("[DEFAULT]\nregion = eu-west-1\n" + LOGIN + SESSION, "", [("capital-default", 1)]),
    "a bracket behind a comment": (f"[profile a] # [b]\n{SSO}{SESSION}", "", [("header-bracket", 1)]),
    "a byte order mark": (b"\xef\xbb\xbf" + (LOGIN + SESSION).encode(), "", [("byte-order-mark", 1)]),
    "one section twice": (f"{LOGIN}{SESSION}[profile login]\nregion = eu-west-1\n", "", [("duplicate-section", 8)]),
    "one key twice": (f"{LOGIN}region = eu-west-1\nregion = us-east-1\n{SESSION}", "", [("duplicate-key", 6)]),
    "a line that is none": (f"{LOGIN}what is this\n{SESSION}", "", [("unreadable-line", 5)]),
    "a line before all sections": (f"region = x\n{LOGIN}{SESSION}", "", [("unreadable-line", 1)]),
    "bytes that are not UTF-8": ((LOGIN + SESSION).encode() + b"# \xff\n", "", [("unreadable-line", 8)]),
    "a header without its end": (f"{LOGIN}{SESSION}[profile b\n", "", [("unreadable-line", 8)]),
    # lines
    "a comment behind a value": (f"{LOGIN}region = eu-west-1 # near\n{SESSION}", "", [("comment-in-value", 5)]),
    "a comment with a semicolon": (f"{LOGIN}output = json ; x\n{SESSION}", "", [("comment-in-value", 5)]),
    "a profile that is called so": (
        f"[profile a]\n{ROLE}source_profile = b # c\n[profile 'b # c']\n{SSO}{SESSION}", "", [],
    ),
    "no comment in an external id": (
        f"[profile a]\n{ROLE}source_profile = login\nrole_session_name = a#b\n{LOGIN}{SESSION}", "", [("session-name", 4)],
    ),
    "a key without its underscore": (f"{LOGIN}sourceprofile = x\n{SESSION}", "", [("mistyped-key", 5)]),
    "a key with a dash": (f"{LOGIN}role-arn = x\n{SESSION}", "", [("mistyped-key", 5)]),
    "a key with a letter too few": (f"{LOGIN}sso_regio = x\n{SESSION}", "", [("mistyped-key", 5)]),
    "a key of the environment's": (f"{LOGIN}aws_region = x\n{SESSION}", "", [("mistyped-key", 5)]),
    "another tool's key": (f"{LOGIN}granted_color = x\nsso_account_name = y\nx_y = z\n{SESSION}", "", []),
    "an indented setting": (f"{LOGIN}output = json\n  region = eu-west-1\n{SESSION}", "", [("indented-line", 6)]),
    "settings under s3": (f"{LOGIN}s3 =\n  max_concurrent_requests = 5\n{SESSION}", "", []),
    "an empty region": (f"{LOGIN}region =\n{SESSION}", "", [("empty-value", 5)]),
    # values
    "a role that is none": (f"[profile a]\nrole_arn = R\nsource_profile = login\n{LOGIN}{SESSION}", "", [("role-arn", 2)]),
    "a user's ARN": (
        f"[profile a]\nrole_arn = arn:aws:iam::111122223333:user/x\nsource_profile = login\n{LOGIN}{SESSION}", "",
        [("role-arn", 2)],
    ),
    "an account with ten digits": (LOGIN.replace("111122223333", "1111222233") + SESSION, "", [("account-id", 3)]),
    "an account with dashes": (LOGIN.replace("111122223333", "1111-2222-3333") + SESSION, "", [("account-id", 3)]),
    "no region": (f"{LOGIN}region = Tokyo\n{SESSION}", "", [("no-region", 5)]),
    "a zone": (f"{LOGIN}region = eu-west-1a\n{SESSION}", "", [("no-region", 5)]),
    "a region that is new, or none": (f"{LOGIN}region = eu-wset-1\n{SESSION}", "", [("unknown-region", 5)]),
    "a duration with its unit": (
        f"[profile a]\n{ROLE}source_profile = k\nduration_seconds = 1h\n", K, [("duration-no-number", 4), LONG],
    ),
    "a duration out of range": (
        f"[profile a]\n{ROLE}source_profile = k\nduration_seconds = 60\n", K, [("duration-range", 4), LONG],
    ),
    "a credential_source in small letters": (
        f"[profile a]\n{ROLE}credential_source = environment\n", "", [("credential-source", 3)],
    ),
    "a FIDO key": (
        f"[profile a]\n{ROLE}source_profile = k\nmfa_serial = arn:aws:iam::111122223333:u2f/user/x\n", K,
        [("fido-serial", 4), LONG],
    ),
    "a device that is none": (
        f"[profile a]\n{ROLE}source_profile = k\nmfa_serial = phone\n", K, [("mfa-serial", 4), LONG],
    ),
    "a session name with a blank": (
        f"[profile a]\n{ROLE}source_profile = k\nrole_session_name = a b\n", K, [("session-name", 4), LONG],
    ),
    "an external id with a comment": (
        f"[profile a]\n{ROLE}source_profile = k\nexternal_id = a # b\n", K, [("external-id", 4), LONG],
    ),
    "a start URL without https": (LOGIN + SESSION.replace("https://", ""), "", [("start-url", 6)]),
    "scopes without the one that counts": (
        f"{LOGIN}{SESSION}sso_registration_scopes = codewhisperer:completions\n", "", [("scopes", 8)],
    ),
    "a role that is nearly AWS's own": (LOGIN.replace("Dev", "AdministratoAccess") + SESSION, "", [("role-name", 4)]),
    "a role of one's own": (LOGIN.replace("Dev", "AdministratorAccessEU") + SESSION, "", []),
    "an endpoint elsewhere": (f"{LOGIN}endpoint_url = http://evil.example/\n{SESSION}", "", [("endpoint", 5)]),
    "an endpoint of a section": (
        f"{LOGIN}services = v\n{SESSION}[services v]\ns3 =\n  endpoint_url = https://evil.example/\n", "",
        [("endpoint", 11)],
    ),
    "an endpoint at home": (f"{LOGIN}endpoint_url = http://localhost:4566\n{SESSION}", "", []),
    # what a profile stands on
    "no source": (f"[profile a]\n{ROLE}", "", [("role-without-source", 2)]),
    "two sources": (
        f"[profile a]\n{ROLE}source_profile = k\ncredential_source = Environment\n", K, [("two-sources", 4), LONG],
    ),
    "a source that isn't there": (f"[profile a]\n{ROLE}source_profile = kk\n", K, [("missing-source", 3), LONG]),
    "a source that is ignored": (
        f"[profile a]\n{ROLE}source_profile = b\n[b]\n{SSO}{SESSION}", "", [("ignored-section", 4)],
    ),
    "a source without credentials": (
        f"[profile a]\n{ROLE}source_profile = b\n[profile b]\nregion = eu-west-1\n", "",
        [("source-without-credentials", 4)],
    ),
    "a circle": (
        f"[profile a]\n{ROLE}source_profile = b\n[profile b]\n{ROLE}source_profile = a\n", "", [("source-loop", 6)],
    ),
    "one that names itself": (f"[profile a]\n{ROLE}source_profile = a\n", "", [("source-loop", 3)]),
    "one with a key that names itself": (f"[profile a]\n{ROLE}source_profile = a\n", f"[a]\n{KEY}", [LONG]),
    "a source without a role": ("[profile a]\nsource_profile = k\n", K, [("source-without-role", 2), LONG]),
    "a role and a login": (
        f"[profile a]\n{ROLE}source_profile = k\n{SSO}{SESSION}", K, [("two-ways", 5), LONG],
    ),
    "a role and a key": (
        f"[profile a]\n{ROLE}source_profile = login\n{LOGIN}{SESSION}", f"[a]\n{KEY}", [("two-ways", -2), LONG],
    ),
    "a login and a program": (f"{LOGIN}credential_process = /bin/tool\n{SESSION}", "", [("two-ways", 5)]),
    "two hours for a chained role": (
        f"[profile a]\n{ROLE}source_profile = login\nduration_seconds = 7200\n{LOGIN}{SESSION}", "",
        [("chained-duration", 4)],
    ),
    "two hours for a role of a user's": (
        f"[profile a]\n{ROLE}source_profile = k\nduration_seconds = 7200\n", K, [LONG],
    ),
    "a duration beside a login": (f"{LOGIN}duration_seconds = 3600\n{SESSION}", "", [("duration-ignored", 5)]),
    "a user's device": (
        "", f"[a]\n{KEY}mfa_serial = arn:aws:iam::111122223333:mfa/x\n", [LONG, ("mfa-ignored", -4)],
    ),
    "five hops": (
        "".join(f"[profile p{i}]\n{ROLE}source_profile = p{i + 1}\n" for i in range(5)) + f"[profile p5]\n{SSO}{SESSION}",
        "", [("many-hops", 3)],
    ),
    "nothing to authenticate with": ("[profile a]\nregion = eu-west-1\n", "", [("no-credentials", 1)]),
    "a default without": ("[default]\nregion = eu-west-1\n", "", []),
    # Identity Center
    "an account without a role": (LOGIN.replace("sso_role_name = Dev\n", "") + SESSION, "", [("sso-half", 3)]),
    "a role without an account": (LOGIN.replace("sso_account_id = 111122223333\n", "") + SESSION, "", [("sso-half", 3)]),
    "no such sso-session": (LOGIN.replace("= s\n", "= t\n") + SESSION, "", [("missing-sso-session", 2)]),
    "another region than the session's": (f"{LOGIN}sso_region = us-east-1\n{SESSION}", "", [("sso-conflict", 5)]),
    "another start URL than the session's": (
        f"{LOGIN}sso_start_url = https://d-2.awsapps.com/start\n{SESSION}", "", [("sso-conflict", 5)],
    ),
    "an sso-session without its region": (
        LOGIN + SESSION.replace("sso_region", "region"), "", [("sso-session-incomplete", 5)],
    ),
    "nowhere to log in": (LOGIN.replace("sso_session = s\n", ""), "", [("sso-without-login", 2)]),
    "a portal without its region": (
        LOGIN.replace("sso_session = s", "sso_start_url = https://d-1.awsapps.com/start"), "", [("sso-region", 2)],
    ),
    "a portal of its own": (
        LOGIN.replace("sso_session = s", "sso_start_url = https://d-1.awsapps.com/start\nsso_region = eu-west-1"), "",
        [("sso-legacy", 2)],
    ),
    # keys
    "a long-lived key": ("", K, [LONG]),
    "half a key": ("", "[a]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n", [("half-key", -2)]),
    "halves in two files": (
        "[profile a]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n", f"[a]\naws_secret_access_key = {SECRET}\n",
        [("half-key", 2), ("half-key", -2)],
    ),
    "a temporary key without its token": ("", K.replace("AKIA", "ASIA"), [("key-without-token", -2)]),
    "a temporary key with it": ("", K.replace("AKIA", "ASIA") + "aws_session_token = t\n", []),
    "a key in the config file": (f"[profile a]\n{KEY}", "", [("long-lived-key", 2), ("key-in-config", 2)]),
    "one key in two profiles": (
        "", f"{K}[a]\n{KEY}", [LONG, ("long-lived-key", -5), ("key-twice", -5)],
    ),
    "two keys in two profiles": ("", f"{K}[a]\n{OTHER}", [LONG, ("long-lived-key", -5)]),
    "a region in each file": ("[profile k]\nregion = eu-west-1\n", f"{K}region = us-east-1\n",
                              [("set-twice", 2), LONG]),
    "the same region in each file": ("[profile k]\nregion = eu-west-1\n", f"{K}region = eu-west-1\n", [LONG]),
    # programs
    "a pipe": ("[profile a]\ncredential_process = tool x | y\n", "", [("program-shell", 2)]),
    "a variable": ("[profile a]\ncredential_process = tool $HOME\n", "", [("program-variable", 2)]),
    "a home folder": ("[profile a]\ncredential_process = ~/bin/tool\n", "", [("program-tilde", 2)]),
    "a program of this folder": ("[profile a]\ncredential_process = bin/tool\n", "", [("program-relative", 2)]),
    "a quote in a command": ("[profile a]\ncredential_process = tool 'x\n", "", [("program-unreadable", 2)]),
    "a token file that isn't there": (
        f"[profile a]\n{ROLE}web_identity_token_file = /nowhere/token\n", "", [("token-file-missing", 3)],
    ),
    "a token file with a tilde": (
        f"[profile a]\n{ROLE}web_identity_token_file = ~/token\n", "", [("token-file-tilde", 3)],
    ),
    "a token file without a role": (
        "[profile a]\nweb_identity_token_file = /nowhere/token\n", "", [("role-missing", 2), ("token-file-missing", 2)],
    ),
    # what no check of ours names
    "a section of services that isn't there": (f"{LOGIN}services = gone\n{SESSION}", "", [("unusable", 5)]),
    "a container that isn't here": (
        f"[profile a]\n{ROLE}credential_source = EcsContainer\n", "", [("not-here", 3)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_one_slip_gives_one_finding_at_its_line(row):
    config, credentials, expected = ROWS[row]
    assert told(found(config, credentials)) == expected


FOLDER = f"{HOME}/.aws"
# The same for what isn't in the text: what → (config, credentials, the other facts, [(code, line)], …).
WITH = {
    "nobody is logged in": (LOGIN + SESSION, "", {"tokens": frozenset()}, [("not-logged-in", 5)]),
    "nobody needs to be": (SESSION, "", {"tokens": frozenset()}, []),
    "no such program": ("[profile a]\ncredential_process = gone --now\n", "", {"programs": {"gone": False}},
                        [("program-missing", 2)]),
    "a shell's own words": ("[profile a]\ncredential_process = sh -c 'tool $HOME | y'\n", "", {}, []),
    "a file that is not trusted": ("[profile a]\ncredential_process = tool\n", "", {"strangers": {CONFIG: "it is new"}},
                                   [("untrusted-file", 2)]),
    "such a file without a program": (LOGIN + SESSION, "", {"strangers": {CONFIG: "it is new"}}, []),
    "a mistake in the settings": ("", "", {"settings": Settings(mistakes=(Problem(Where(CONFIG, 3), "no such"),))},
                                  [("settings", 3)]),
    "a folder that is nearly ~/.aws": ("", "", {"neighbours": (f"{HOME}/.awx/credentials",)}, [("near-folder", 0)]),
    "secrets that others may read": ("", K, {"stats": {CREDENTIALS: Stat(CREDENTIALS, "file", 0o644, 1000)}},
                                     [LONG, ("readable-by-others", 0)]),
    "a config without secrets": ("", "", {"stats": {CONFIG: Stat(CONFIG, "file", 0o644, 1000)}}, []),
    "a config with secrets": (K.replace("[k]", "[profile k]"), "", {"stats": {CONFIG: Stat(CONFIG, "file", 0o644, 1000)}},
                              [("long-lived-key", 2), ("key-in-config", 2), ("readable-by-others", 0)]),
    "a folder that others may write to": ("", "", {"stats": {FOLDER: Stat(FOLDER, "folder", 0o777, 1000)}},
                                          [("writable-by-others", 0)]),
    "a folder as AWS's tools make it": ("", "", {"stats": {FOLDER: Stat(FOLDER, "folder", 0o755, 1000)}}, []),
    "a token that others may read": ("", "", {"stats": {f"{FOLDER}/sso/cache/x.json":
                                     Stat(f"{FOLDER}/sso/cache/x.json", "file", 0o644, 1000)}}, [("readable-by-others", 0)]),
    "somebody else's file": ("", "", {"stats": {CONFIG: Stat(CONFIG, "file", 0o644, 2000)}}, [("foreign-owner", 0)]),
    "root's file": ("", "", {"stats": {CONFIG: Stat(CONFIG, "file", 0o644, 0)}}, []),
    "a link to nowhere": ("", "", {"stats": {CONFIG: Stat(CONFIG, "nothing", 0, 1000, "/gone")}}, [("dangling-link", 0)]),
    "a link away": ("", "", {"stats": {CONFIG: Stat(CONFIG, "file", 0o600, 1000, "/srv/config")}}, [("link-away", 0)]),
    "a link to a folder of dotfiles": ("", "", {"stats": {CONFIG: Stat(CONFIG, "file", 0o600, 1000, f"{HOME}/dot/c")}}, []),
    "no data on regions": (f"{LOGIN}region = Tokyo\n{SESSION}", "", {"regions": frozenset()}, []),
}  # fmt: skip


@pytest.mark.parametrize("row", WITH)
def test_one_fact_gives_one_finding(row):
    config, credentials, more, expected = WITH[row]
    assert told(found(config, credentials, **more)) == expected


def every_row():
    return [(*row[:2], {}, row[2]) for row in ROWS.values()] + list(WITH.values())


OURS = [check for check in checks.CHECKS if getattr(checks, check.__module__.rpartition(".")[2], None) in (
    checks.headers, checks.lines, checks.values, checks.chains, checks.logins, checks.keys_at_rest, checks.programs,
    checks.places)]  # fmt: skip


@pytest.mark.parametrize("check", OURS, ids=lambda check: f"{check.__module__.rpartition('.')[2]}.{check.__name__}")
def test_no_check_can_be_left_out_unnoticed(check, monkeypatch):
    monkeypatch.setattr(checks, "CHECKS", tuple(each for each in checks.CHECKS if each is not check))
    assert any(
        told(found(config, credentials, **more)) != expected for config, credentials, more, expected in every_row()
    )


def test_every_code_of_these_checks_has_its_row():
    import ast

    codes = set()
    for path in (ROOT / "awsenv" / "doctor").glob("*.py"):
        if path.stem in {check.__module__.rpartition(".")[2] for check in OURS} | {"plans"}:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                    codes.add(ast.literal_eval(node.args[0]) if isinstance(node.args[0], ast.Constant) else "")
    codes -= {""}  # places.permissions chooses between two
    assert len(codes) > 50
    assert codes <= {code for *_, expected in every_row() for code, _ in expected}


def test_levels_and_texts_are_as_they_are_documented():
    for config, credentials, more, _ in every_row():
        for finding in found(config, credentials, **more):
            assert finding.level in LEVELS
            assert finding.said and not finding.said.endswith(".") and "\n" not in finding.said
            assert finding.code == finding.code.lower() and " " not in finding.code
            for text in (finding.said, finding.means, *finding.write):
                assert SECRET not in text and "AKIAIOSF" not in text, finding.code


# ---- The how-to's own files -----------------------------------------------------------------------------------------


def article(name: str) -> str:
    path = ARTICLE / name
    if not path.exists():
        pytest.skip("the how-to's files lie beside the checkout, and not here")
    return path.read_text()


def test_the_how_to_as_it_was_copied():
    findings = found(article("as-copied/config"), neighbours=(f"{HOME}/.awx/credentials",), tokens=frozenset(("test",)))
    assert told(findings) == [
        ("ignored-section", 1), ("comment-in-value", 8), ("comment-in-value", 9), ("account-id", 13), ("role-name", 14),
        ("near-folder", 0),
    ]  # fmt: skip
    write = {finding.code: finding.write for finding in findings}
    assert write["ignored-section"] == ("[profile hoge1]",)
    assert write["comment-in-value"][-1] == "source_profile = hoge1"
    assert write["role-name"] == ("sso_role_name = AdministratorAccess",)
    assert write["near-folder"] == (f"mv {HOME}/.awx/credentials {CREDENTIALS}",)


def test_the_how_to_as_it_should_be():
    findings = found(article("config"), article("credentials"), tokens=frozenset(("test",)))
    assert told(findings) == [("token-file-missing", 31), ("long-lived-key", -2)]
    assert [finding.level for finding in findings] == ["note", "warning"]


# ---- A sound file ---------------------------------------------------------------------------------------------------


def sound(count: int) -> str:
    blocks = []
    for i in range(0, count, 4):
        blocks.append(f"[profile sso{i}]\nsso_session = s\nsso_account_id = {i:012d}\nsso_role_name = Role{i % 9}\n"
                      "region = eu-west-1\noutput = json\n")  # fmt: skip
        blocks.append(f"[profile 'role {i}']\nrole_arn = arn:aws:iam::{i:012d}:role/path/x\nsource_profile = sso{i}\n"
                      "duration_seconds = 3600\nexternal_id = a/b:c\n")  # fmt: skip
        blocks.append(f"[profile program{i}]\ncredential_process = tool --account {i}\ns3 =\n  max_queue_size = 5\n")
        blocks.append(f"[profile instance{i}]\nrole_arn = arn:aws:iam::{i:012d}:role/y\n"
                      "credential_source = Ec2InstanceMetadata\n# a comment ; of its own\n")  # fmt: skip
    return "\n".join([*blocks, SESSION])


def test_a_large_sound_config_gives_nothing_and_quickly():
    text = sound(5000)
    begin = time.process_time()
    assert told(found(text)) == []
    assert time.process_time() - begin < 2


def test_a_large_config_full_of_slips_does_not_take_long():
    slip = "[profile p{0}]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = nobody{0}\nregion = x # y\nsourceprofil{0} = z\n"
    text = "".join(slip.format(i) for i in range(2500)) + "".join(f"[q{i}]\nregion = x\n" for i in range(2500))
    begin = time.process_time()
    assert len(found(text)) > 10_000
    assert time.process_time() - begin < 6


# ---- Of one profile -------------------------------------------------------------------------------------------------


def test_of_one_profile_is_said_what_it_stands_on_and_no_more():
    config = (f"[profile a]\n{ROLE}source_profile = b\n[profile b]\n{SSO}region = x # y\n[profile c]\nregion = z # y\n"
              f"{SESSION}sso_registration_scopes = x\n")  # fmt: skip
    assert told(found(config, name="a")) == [
        ("comment-in-value", 8), ("no-region", 8), ("scopes", 14),
    ]  # fmt: skip
    assert [code for code, _ in told(found(config, name="c"))] == ["comment-in-value", "no-region"]


def test_of_one_profile_is_said_what_keeps_aws_from_reading_the_file():
    config = f"{LOGIN}{SESSION}[profile c]\nregion = eu-west-1\nregion = eu-west-1\n"
    assert told(found(config, name="login")) == [("duplicate-key", 10)]


def test_a_section_that_is_ignored_is_told_of_by_its_name():
    assert told(found("[a]\nregion = eu-west-1\n[b]\nregion = eu-west-1\n", name="a")) == [("ignored-section", 1)]


# ---- Mending --------------------------------------------------------------------------------------------------------

# what → (before, after): what --fix makes of it.
MENDED = {
    "a header": ("[a]\nregion = eu-west-1\n", "[profile a]\nregion = eu-west-1\n"),
    "a header with a comment": ("[a] # b\r\nregion = eu-west-1\r\n", "[profile a] # b\r\nregion = eu-west-1\r\n"),
    "a comment": (
        f"{LOGIN}region = eu-west-1  # near\n{SESSION}", f"{LOGIN}# near\nregion = eu-west-1\n{SESSION}",
    ),
    "a comment, with CRLF": (
        f"{LOGIN}region = eu-west-1 ; near\n{SESSION}".replace("\n", "\r\n"),
        f"{LOGIN}; near\nregion = eu-west-1\n{SESSION}".replace("\n", "\r\n"),
    ),
    "a byte order mark": ("\ufeff" + LOGIN + SESSION, LOGIN + SESSION),
    "a mark and a comment": ("\ufeff" + f"{LOGIN}{SESSION}output = json # x", f"{LOGIN}{SESSION}# x\noutput = json"),
    "the same line twice": (f"{LOGIN}region = eu-west-1\nregion = eu-west-1\n{SESSION}",
                            f"{LOGIN}region = eu-west-1\n{SESSION}"),
    "an indented region": (f"{LOGIN}output = json\n  region = eu-west-1\n{SESSION}",
                           f"{LOGIN}output = json\nregion = eu-west-1\n{SESSION}"),
    "a credential_source": (f"[profile a]\n{ROLE}credential_source = ecscontainer\n",
                            f"[profile a]\n{ROLE}credential_source = EcsContainer\n"),
    "a chained duration": (
        f"[profile a]\n{ROLE}source_profile = login\nduration_seconds = 7200\n{LOGIN}{SESSION}",
        f"[profile a]\n{ROLE}source_profile = login\nduration_seconds = 3600\n{LOGIN}{SESSION}",
    ),
}  # fmt: skip


def after_fix(text: str, credentials: str = "") -> str:
    return mended(text, CONFIG, fixes_of(found(text, credentials)))


@pytest.mark.parametrize("row", MENDED)
def test_fix_mends(row, tmp_path):
    before, after = MENDED[row]
    assert after_fix(before) == after
    path = tmp_path / "config"
    path.write_bytes(after.encode())
    as_botocore = botocore.configloader.load_config(str(path))
    ours = facts(after).profiles
    assert {name: dict(p) for name, p in as_botocore["profiles"].items()} == {
        name: {key: setting.value for key, setting in profile.settings.items()} for name, profile in ours.items()
    }
    assert not [code for code, _ in told(found(after)) if code in dict(told(found(before)))], (
        "and nothing of it is left"
    )


KEPT = {
    "a key that is mistyped": f"{LOGIN}role-arn = arn:aws:iam::111122223333:role/R\n{SESSION}",
    "a key with two values": f"{LOGIN}region = eu-west-1\nregion = us-east-1\n{SESSION}",
    "a secret that stands twice": f"[profile a]\n{KEY}aws_secret_access_key = {SECRET}\n",
    "two sections of one name": f"{LOGIN}[profile login]\nregion = eu-west-1\n{SESSION}",
    "an indented region beside another": f"{LOGIN}region = eu-west-1\noutput = json\n  region = us-east-1\n{SESSION}",
    "an indented role": f"{LOGIN}output = json\n  role_arn = x\n{SESSION}",
    "a role name": LOGIN.replace("Dev", "AdministratoAccess") + SESSION,
    "a header whose name is taken": f"{LOGIN}[login]\nregion = eu-west-1\n{SESSION}",
}


@pytest.mark.parametrize("row", KEPT)
def test_fix_leaves(row):
    assert found(KEPT[row]), "there is something to mend"
    assert after_fix(KEPT[row]) == KEPT[row]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "[a]\nregion = eu-west-1\n[Profile a]\noutput = json\n",
            "[profile a]\nregion = eu-west-1\n[Profile a]\noutput = json\n",
        ),
        (
            f"{LOGIN}output = json\n  region = eu-west-1\ncli_pager = less\n  region = us-east-1\n{SESSION}",
            f"{LOGIN}output = json\nregion = eu-west-1\ncli_pager = less\n  region = us-east-1\n{SESSION}",
        ),
    ],
)
def test_of_two_lines_that_would_come_to_the_same_one_is_mended(before, after, tmp_path):
    assert after_fix(before) == after
    path = tmp_path / "config"
    path.write_text(after)
    assert botocore.configloader.load_config(str(path))["profiles"], "AWS's tools still read the file"


def test_fix_gives_no_profile_that_is_in_use_another_identity():
    text = f"[k]\n{SSO}{SESSION}"
    assert after_fix(text, K) == text
    assert after_fix(text) == text.replace("[k]", "[profile k]")


def test_a_file_that_changed_meanwhile_is_not_touched():
    fixes = fixes_of(found(f"{LOGIN}region = eu-west-1 # x\n{SESSION}"))
    with pytest.raises(Exception, match="changed meanwhile"):
        mended(f"{LOGIN}region = eu-west-2 # x\n{SESSION}", CONFIG, fixes)
    with pytest.raises(Exception, match="changed meanwhile"):
        mended(LOGIN, CONFIG, fixes)


HIDDEN = "hunter2hunter2"
HOLDS_A_SECRET = {
    "a program that is mistyped": f"[profile a]\nmfa-process = tool --password {HIDDEN}\n",
    "a key that is mistyped": f"[profile a]\naws_secret_key = {HIDDEN}\n",
    "an indented program": f"[profile a]\nregion = eu-west-1\n  credential_process = tool {HIDDEN}\n",
    "an indented program of one's own": f"[profile a]\nregion = eu-west-1\n  mfa_process = tool {HIDDEN}\n",
    "an address with a password": f"[profile a]\nendpoint_url = http://me:{HIDDEN}@evil.example/\n",
    "a program with a pipe": f"[profile a]\ncredential_process = tool {HIDDEN} | x $Y ~/z\n",
    "a program that isn't closed": f"[profile a]\ncredential_process = tool '{HIDDEN}\n",
    "an external id": f"[profile a]\nexternal_id = {HIDDEN} # x\n",
    "a line that is none": f"[profile a]\n{HIDDEN}\n",
    "another tool's key": f"[other a]\npassword = {HIDDEN}\n",
    "a key twice": f"[profile a]\npassword = {HIDDEN}\npassword = {HIDDEN}\n",
}


@pytest.mark.parametrize("row", HOLDS_A_SECRET)
def test_what_may_be_a_secret_is_in_no_finding(row):
    findings = found(HOLDS_A_SECRET[row], env={})
    assert findings
    rows = report(findings, facts(HOLDS_A_SECRET[row]).line_at, HOME, Look())
    assert HIDDEN not in "\n".join((*rows, *(json.dumps(document(finding)) for finding in findings)))
    fixes = fixes_of(findings)
    assert HIDDEN not in "\n".join(shown(HOLDS_A_SECRET[row], CONFIG, fixes))


def test_the_difference_shows_no_secret():
    text = f"[a]\n{KEY}aws_session_token = {SECRET}\n[profile b]\ncredential_process = tool --password {SECRET} | x\n"
    rows = shown(
        text, CONFIG, (Edit(Where(CONFIG, 3), f"aws_secret_access_key = {SECRET}", f"x = {SECRET}"), Unmark("x"))
    )
    assert rows == ["@@ line 3 [a]", "-aws_secret_access_key = …", "+x = …"]
    assert SECRET not in "\n".join(report(found(text), facts(text).line_at, HOME, Look()))


# ---- The report -----------------------------------------------------------------------------------------------------


def shown_report(text: str, look: Look, credentials: str = "") -> list[str]:
    return report(found(text, credentials), facts(text, credentials).line_at, HOME, look, "awsenv doctor --fix")


def test_a_finding_reads_like_a_compilers():
    assert shown_report(f"{LOGIN}region = eu-west-1 # near\n{SESSION}", Look()) == [
        "~/.aws/config:5: error: the comment behind region is on the same line",
        "  [comment-in-value]",
        "    region = eu-west-1 # near",
        "  AWS CLI and boto3 take it as part of the value; awsenv and other SDKs don't",
        "  → # near",
        "    region = eu-west-1",
        "",
        "1 error; awsenv doctor --fix mends it",
    ]


def test_without_findings_that_is_said():
    assert shown_report(LOGIN + SESSION, Look()) == ["nothing found"]


def test_under_an_ascii_locale_all_is_ascii():
    look = Look.of({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, 80, False)
    rows = shown_report("[ünï] # 日本\nregion = x # 日本…\n", look)
    assert rows and all(row.isascii() for row in rows)
    assert "->" in "\n".join(rows)


def test_colours_change_nothing_but_colours():
    text = f"{LOGIN}region = eu-west-1 # near\n{SESSION}"
    painted = shown_report(text, Look(colour=True))
    assert painted[0].startswith("~/.aws/config:5: \x1b[1;31merror:\x1b[0m")
    assert [re.sub(r"\x1b\[[0-9;]*m", "", row) for row in painted] == shown_report(text, Look())


@pytest.mark.parametrize("name", PAYLOADS)
def test_nothing_of_a_file_reaches_the_terminal_raw(name):
    payload = PAYLOADS[name]
    for form in (
        "[{0}]\nregion = {0}\n[profile {0}]\nsourceprofile = {0}\n", "[profile a]\nrole_arn = {0}\nsource_profile = {0}\n",
        "[profile a]\nsso_session = {0}\nsso_account_id = {0}\nregion = x # {0}\n[sso-session {0}]\nsso_start_url = {0}\n",
        "[profile a]\ncredential_process = {0} | {0}\nmfa_serial = {0}\nendpoint_url = http://{0}\n{0} = {0}\nrole-arn={0}\n",
    ):  # fmt: skip
        data = form.format(payload).encode("utf-8", "surrogateescape")
        rows = report(checks.examine(facts(data)), facts(data).line_at, HOME, Look(), "x")
        assert rows
        for row in rows:
            assert row.isprintable(), repr(row)
            row.encode()


def test_no_known_key_is_taken_for_a_slip_of_another():
    assert [key for key in sorted(KNOWN) if meant_as(key) is not None] == []


# ---- The verb -------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path):
    """A home with the how-to's slips in it, and nothing else."""
    folder = tmp_path / "home"
    (folder / ".aws").mkdir(parents=True, mode=0o700)
    (folder / ".aws" / "config").write_text(
        f"[a]\nregion = eu-west-1\n[profile b]\n{SSO}region = eu-west-1 # x\n{SESSION}"
    )
    (folder / ".aws" / "credentials").write_text(K)
    (folder / ".aws" / "credentials").chmod(0o644)
    return folder


def doctor(home: Path, *words: str, **env: str) -> subprocess.CompletedProcess:
    plain = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    argv = [os.sys.executable, "-m", "awsenv", "doctor", *words]
    return subprocess.run(argv, env=plain | env, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, start_new_session=True)  # fmt: skip


def codes(answer: subprocess.CompletedProcess) -> set[str]:
    return {finding["code"] for finding in json.loads(answer.stdout)["findings"]}


def test_the_exit_status_is_that_of_the_worst_finding(home):
    assert doctor(home).returncode == 3
    (home / ".aws" / "config").write_text(LOGIN + SESSION)
    answer = doctor(home, "--json")
    assert "readable-by-others" in codes(answer), "a warning"
    assert not [f for f in json.loads(answer.stdout)["findings"] if f["level"] == "error"]
    assert answer.returncode == 0


def test_json_has_the_shape_that_is_documented(home):
    answer = doctor(home, "--json")
    document = json.loads(answer.stdout)
    assert list(document) == ["findings", "fixed"]
    first = next(finding for finding in document["findings"] if finding["code"] == "ignored-section")
    assert list(first) == ["code", "level", "file", "line", "said", "means", "write", "fixable"]
    assert (first["file"], first["line"], first["fixable"]) == (str(home / ".aws" / "config"), 1, True)


def test_dry_run_shows_the_change_and_makes_none(home):
    before = (home / ".aws" / "config").read_bytes()
    answer = doctor(home, "--fix", "--dry-run")
    assert answer.returncode == doctor(home).returncode == 3  # it has mended nothing
    assert "-[a]\n+[profile a]\n" in answer.stdout
    assert "chmod 600 ~/.aws/credentials" in answer.stdout
    assert (home / ".aws" / "config").read_bytes() == before
    assert stat.S_IMODE((home / ".aws" / "credentials").stat().st_mode) == 0o644


def test_without_a_terminal_nothing_is_changed_unasked(home):
    before = (home / ".aws" / "config").read_bytes()
    answer = doctor(home, "--fix")
    assert answer.returncode == 2 and "no terminal" in answer.stderr
    assert (home / ".aws" / "config").read_bytes() == before


def test_fix_mends_files_and_modes_and_says_what_is_left(home):
    answer = doctor(home, "--fix", "--yes")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "3 changes made; what is left:" in answer.stdout
    assert stat.S_IMODE((home / ".aws" / "credentials").stat().st_mode) == 0o600
    assert (home / ".aws" / "config").read_text() == (
        f"[profile a]\nregion = eu-west-1\n[profile b]\n{SSO}# x\nregion = eu-west-1\n{SESSION}"
    )
    left = codes(doctor(home, "--json"))
    assert not left & {"ignored-section", "comment-in-value", "readable-by-others"}
    assert "long-lived-key" in left
    assert "nothing" not in doctor(home, "--fix", "--yes").stdout.partition("made")[0]


def test_a_file_without_secrets_stays_readable_when_others_may_not_change_it_any_more(home):
    (home / ".aws" / "config").chmod(0o664)
    (home / ".aws" / "credentials").chmod(0o666)
    doctor(home, "--fix", "--yes")
    modes = [stat.S_IMODE((home / ".aws" / name).stat().st_mode) for name in ("config", "credentials")]
    assert modes == [0o644, 0o600]


def test_fix_with_json_writes_only_with_yes(home):
    before = (home / ".aws" / "config").read_bytes()
    assert doctor(home, "--fix", "--json").returncode == 2
    assert (home / ".aws" / "config").read_bytes() == before
    assert json.loads(doctor(home, "--fix", "--json", "--yes").stdout)["fixed"] == 3
    assert (home / ".aws" / "config").read_bytes() != before


@pytest.mark.parametrize("words", [("--yes",), ("--dry-run",), ("--fix", "--yes", "--dry-run"), ("",)])
def test_words_that_make_no_sense_are_refused(home, words):
    assert doctor(home, *words).returncode == 2


def test_a_profile_that_is_not_there_is_refused_with_the_nearest(home):
    answer = doctor(home, "bb")
    assert answer.returncode == 3
    assert "did you mean b" in answer.stderr


def test_a_read_only_file_is_said_before_anybody_is_asked(home):
    (home / ".aws" / "config").chmod(0o400)
    if os.access(home / ".aws" / "config", os.W_OK):
        pytest.skip("root may write anything")
    assert doctor(home, "--fix", "--yes").returncode == 7


def test_no_finding_and_no_file_is_no_reason_to_fail(tmp_path):
    tmp_path.chmod(0o700)
    answer = doctor(tmp_path)
    assert answer.returncode == 0
    assert not (tmp_path / ".aws").exists()


# ---- Over generated configs -----------------------------------------------------------------------------------------

SEEDS = range(250)
_WHOLE_FILE = {"byte-order-mark", "unreadable-line", "duplicate-section", "duplicate-key"}


def generated(seed: int) -> Examined:
    files = case(seed).files()
    return facts(files["config"], files["credentials"], tokens=frozenset(("s1", "s2", "sp ess")))


def planned(about: Examined, name: str):
    """What a plan of *name* is made of; None where there is none."""
    env = {"AWS_EC2_METADATA_DISABLED": "true"}
    try:
        plan = build(about.config, name, env=env, session_name="me", before=env)
    except AwsenvError:
        return None
    return plan.region, [(step.kind, step.identity()) for step in plan.steps]


def test_a_file_that_botocore_refuses_and_no_other_is_said_to_be(tmp_path):
    refused = 0
    for seed in SEEDS:
        about = generated(seed)
        named = {finding.where.file for finding in checks.examine(about) if finding.code in _WHOLE_FILE}
        for path, data in ((CONFIG, about.config_data), (CREDENTIALS, about.credentials_data)):
            (tmp_path / "file").write_bytes(data)
            try:
                botocore.configloader.raw_config_parse(str(tmp_path / "file"))
                is_refused = False
            except botocore.exceptions.ConfigParseError:
                is_refused = True
            refused += is_refused
            assert is_refused == (path in named), f"seed {seed}: {path}"
    assert refused > 10, "these seeds hold no damage"


def test_of_a_profile_that_can_not_be_used_something_is_said():
    unusable = 0
    for seed in SEEDS:
        about = generated(seed)
        for name in about.profiles:
            if planned(about, name) is None and name != "default":
                unusable += 1
                asked = replace(about, name=name, env={"AWS_EC2_METADATA_DISABLED": "true"})
                assert checks.examine(asked), f"seed {seed}: {name}"
    assert unusable > 100


def test_fix_changes_nobodys_identity_and_makes_nothing_worse(tmp_path):
    changed = 0
    for seed in SEEDS:
        before = generated(seed)
        fixes = fixes_of(checks.examine(before))
        texts = [data.decode("utf-8", "surrogateescape") for data in (before.config_data, before.credentials_data)]
        pairs = zip(texts, (CONFIG, CREDENTIALS), strict=True)
        after_texts = [mended(text, path, fixes) for text, path in pairs]
        changed += texts != after_texts
        after = facts(*(text.encode("utf-8", "surrogateescape") for text in after_texts))
        for name in before.profiles:
            was = planned(before, name)
            assert was is None or planned(after, name) == was, f"seed {seed}: {name}"
    assert changed > 50, "these seeds have nothing to mend"


# ---- At a terminal --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["n", "y"])
def test_fix_asks_at_a_terminal_and_does_as_it_is_told(home, typed):
    before = (home / ".aws" / "config").read_text()
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm"}
    child = pexpect.spawn(sys.executable, ["-m", "awsenv", "doctor", "--fix"], env=env, cwd=str(ROOT), encoding="utf-8",
                          timeout=30, dimensions=(50, 120))  # fmt: skip
    child.expect_exact("+[profile a]")
    child.expect_exact("Make 3 changes?")
    assert (home / ".aws" / "config").read_text() == before, "not before it is answered"
    child.send(f"{typed}\r")
    child.expect(pexpect.EOF)
    child.close()
    changed = (home / ".aws" / "config").read_text() != before
    assert changed == (typed == "y")
    assert ("nothing is changed" in child.before) == (typed == "n")


def test_the_readme_shows_what_is_printed():
    block = next(b for b in re.findall(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
                 if b.startswith("$ awsenv doctor\n"))  # fmt: skip
    config = (
        "[profile hoge1]\nregion = ap-northeast-1\noutput = json\n\n[profile fuga]\nregion = ap-northeast-1\n"
        f"{ROLE}mfa_serial = arn:aws:iam::111111111111:mfa/hoge # only if needed\nsource_profile = hoge1\n\n"
        "[profile test]\nsso_session = s\nsso_account_id = 1234567890\nsso_role_name = Dev\n" + SESSION
    )
    key = KEY.replace("AKIA", "ASIA") + "aws_session_token = t\n"
    rows = shown_report(config, Look(), f"[hoge1]\n{key}")
    assert block == "".join(f"{row}\n" for row in ("$ awsenv doctor", *rows))
