"""The options over any profile: what they make of a plan, what is refused before anybody is asked, and that a session with
a policy and one without are never taken for each other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from awsenv import explain, hot, overlay, shelf, spelling
from awsenv.change import said_of
from awsenv.config import AwsConfig
from awsenv.demo.house import DEPLOY, READ_ONLY, SWITCHED_ROLE
from awsenv.errors import Config, Usage
from awsenv.model import Lease, SessionPolicy
from awsenv.plan import build
from awsenv.prompt import shown_for
from awsenv.resolve import chain_keys
from awsenv.settings import Settings
from awsenv.sources.assume_role import AssumeRole
from tests.test_end_to_end import shell_in

ROLE = "arn:aws:iam::222222222222:role/Hop"
READS = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ALLOW = '{"Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}'
CONFIG = b"""\
[profile user]
region = eu-west-1
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = s
[profile user-with-device]
mfa_serial = arn:aws:iam::111111111111:mfa/me
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = s
[profile session]
mfa_serial = arn:aws:iam::111111111111:mfa/me
aws_access_key_id = ASIAIOSFODNN7EXAMPLE
aws_secret_access_key = s
aws_session_token = t
[profile sso]
sso_start_url = https://x.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 111111111111
sso_role_name = Dev
[profile deploy]
role_arn = arn:aws:iam::111111111111:role/Deploy
source_profile = user
external_id = theirs
role_session_name = mine
[profile china]
role_arn = arn:aws-cn:iam::111111111111:role/Deploy
source_profile = user
[profile guarded]
role_arn = arn:aws:iam::111111111111:role/Guarded
source_profile = user
mfa_serial = arn:aws:iam::111111111111:mfa/me
[profile pod]
role_arn = arn:aws:iam::111111111111:role/Pod
web_identity_token_file = /token
[profile program]
credential_process = /bin/program
"""


def over(*words: str) -> overlay.Overlay:
    """The options as a command line has them."""
    request = hot.parse("use", ["x", *words], {})
    assert request is not None, words
    return overlay.asked(request.over)


def plan(profile: str, *words: str, duration: int | None = None, text: str | None = None):
    asked = over(*words)
    if text is not None:
        asked, _ = overlay.with_policy(asked, text.encode(), None)
    config = AwsConfig(CONFIG, b"", "config", "credentials")
    return build(config, profile, env={}, session_name="awsenv-test", duration=duration, over=asked)


def last(profile: str, *words: str, **more):
    step = plan(profile, *words, **more).steps[-1]
    assert isinstance(step, AssumeRole)
    return step


# ---- What they make of a plan ---------------------------------------------------------------------------------------


def test_a_role_is_one_hop_more_with_what_the_profile_is():
    assert [step.kind for step in plan("deploy", "--role", ROLE).steps] == ["static", "assume-role", "assume-role"]
    hop = last("deploy", "--role", ROLE)
    assert (hop.role_arn, hop.session_name, hop.external_id, hop.seconds) == (ROLE, "awsenv-test", None, None)
    assert plan("deploy", "--role", ROLE).principal == ("222222222222", "Hop")


def test_the_options_belong_to_the_last_role():
    both = plan(
        "deploy", "--role", ROLE, "--external-id", "id:/1", "--session-name", "you", "--tag", "a=b", duration=1800
    )
    deploy, hop = both.steps[1:]
    assert (deploy.external_id, deploy.session_name, deploy.tags, deploy.seconds) == ("theirs", "mine", (), None)
    assert (hop.external_id, hop.session_name, hop.tags, hop.seconds) == ("id:/1", "you", (("a", "b"),), 1800)
    own = last("deploy", "--external-id", "ours", "--session-name", "you", "--source-identity", "me@example.com")
    assert (own.external_id, own.session_name, own.source_identity) == ("ours", "you", "me@example.com")


@pytest.mark.parametrize(("profile", "arn"), [("deploy", READS), ("china", READS.replace("aws:iam", "aws-cn:iam"))])
def test_read_only_is_the_managed_policy_of_the_roles_partition(profile, arn):
    step = last(profile, "--read-only")
    assert step.policy == SessionPolicy(arns=(arn,))
    assert step.narrowed() == "read-only" and ", read-only" in step.title()


def test_a_policy_is_sent_without_its_blanks_and_limits_a_token_role_too():
    sent = '{"Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}'
    for profile in ("deploy", "pod"):
        step = plan(profile, "--policy", "p.json", "--policy-arn", READS, text=ALLOW).steps[-1]
        assert step.policy == SessionPolicy(sent, (READS,)), profile
        assert step.narrowed() == "limited"


def test_a_role_over_a_role_session_gets_an_hour_and_the_plan_says_so():
    for profile in ("deploy", "sso", "session", "pod"):
        capped = plan(profile, "--role", ROLE, duration=7200)
        assert capped.steps[-1].seconds == 3600, profile
        assert "7200 s asked for, 3600 s taken" in capped.notes[-1].text
    free = plan("user", "--role", ROLE, duration=7200)
    assert (free.steps[-1].seconds, free.notes) == (7200, ())


def test_a_users_own_device_serves_the_role_on_top_and_one_that_is_a_session_already_asks_for_none():
    kinds = [step.kind for step in plan("user-with-device", "--role", ROLE).steps]
    assert kinds == ["static", "mfa-session", "assume-role"]
    longer = plan("user-with-device", "--role", ROLE, duration=7200)
    assert [step.kind for step in longer.steps] == ["static", "assume-role"]
    assert longer.steps[-1].device.serial == "arn:aws:iam::111111111111:mfa/me" and longer.steps[-1].seconds == 7200
    assert [step.kind for step in plan("session", "--role", ROLE).steps] == ["static", "assume-role"]
    assert last("session", "--role", ROLE).device is None


def test_explain_names_every_option_and_the_command_line_as_its_origin():
    said = explain.text(
        plan("deploy", "--role", ROLE, "--read-only", "--tag", "a=b", "--session-name", "you", duration=1800)
    )
    hop = said[said.index("3. ") :]
    assert hop.startswith(f"3. assume role {ROLE}, read-only, for 30m\n")
    for option, value in (("--role", ROLE), ("--read-only", "yes"), ("--tag", "a=b"), ("--duration", "1800")):
        row = next(line for line in hop.splitlines() if line.split()[0] == option)
        assert row.split()[1] == value and row.endswith("  the command line"), row
    assert "role_session_name  mine" in said[: said.index("3. ")]


def test_explain_shows_a_line_that_an_option_replaces_no_more():
    said = explain.text(plan("deploy", "--session-name", "you", "--external-id", "ours"))
    assert "mine" not in said and "theirs" not in said and "you" in said


def test_no_word_of_a_policy_is_shown():
    secret = ALLOW.replace("s3:Get*", "s3:SECRET")
    shown = plan("deploy", "--policy", "p.json", text=secret)
    assert "SECRET" not in explain.text(shown) + repr(shown) + repr(over("--policy", "p.json"))
    assert "p.json" in explain.text(shown)


# ---- What is refused, and when --------------------------------------------------------------------------------------

BASE = ["--read-only", "--policy=p.json", f"--policy-arn={READS}", "--tag=a=b", "--source-identity=me",
        "--session-name=me", "--external-id=id"]  # fmt: skip


@pytest.mark.parametrize("option", BASE)
@pytest.mark.parametrize("profile", ["user", "user-with-device", "session", "sso", "program"])
def test_what_no_role_is_there_for_is_refused_and_the_way_out_named(profile, option):
    with pytest.raises(Usage) as refused:
        plan(profile, option)
    assert option.partition("=")[0] in refused.value.what and f'"{profile}"' in refused.value.what
    assert "--role ARN" in str(refused.value.hint)
    assert refused.value.exit_code == 2
    assert isinstance(plan(profile, "--role", ROLE, option).steps[-1], AssumeRole)  # and that way works


@pytest.mark.parametrize("option", ["--tag=a=b", "--source-identity=me", "--external-id=id"])
def test_what_aws_takes_with_no_web_identity_token_is_refused(option):
    with pytest.raises(Usage, match="assumes its role with a token"):
        plan("pod", option)


REFUSED = {
    "a role that is none": ["--role=arn:aws:iam::1:role/x"],
    "an empty role": ["--role="],
    "a user's ARN": ["--role=arn:aws:iam::111111111111:user/x"],
    "a session name of one": ["--session-name=x"],
    "a session name of 65": ["--session-name=" + "x" * 65],
    "a blank in a session name": ["--session-name=a b"],
    "accents": ["--session-name=éé"],
    "aws: as identity": ["--source-identity=AWS:me"],
    "a colon in an identity": ["--source-identity=a:b"],
    "an external id of one": ["--external-id=x"],
    "an external id of 1225": ["--external-id=" + "x" * 1225],
    "a blank in an external id": ["--external-id=a b"],
    "a tag without a value": ["--tag=a"],
    "a tag without a key": ["--tag==a"],
    "a key of 129": ["--tag=" + "k" * 129 + "=v"],
    "a value of 257": ["--tag=k=" + "v" * 257],
    "a star in a tag": ["--tag=k=*"],
    "a line break in a tag": ["--tag=k=\u2028"],
    "AWS's own tag": ["--tag=AWS:k=v"],
    "a tag twice": ["--tag=Team=a", "--tag=team=b"],
    "51 tags": [f"--tag=k{i}=v" for i in range(51)],
    "no policy": ["--policy="],
    "no ARN of a policy": ["--policy-arn=ReadOnlyAccess"],
    "eleven policies": [f"--policy-arn=arn:aws:iam::111111111111:policy/p{i}" for i in range(11)],
    "another account's policy": ["--policy-arn=arn:aws:iam::333333333333:policy/x"],
    "another partition's policy": ["--policy-arn=arn:aws-cn:iam::aws:policy/ReadOnlyAccess"],
    "read-only and more": ["--read-only", "--policy-arn=arn:aws:iam::aws:policy/AdministratorAccess"],
    "read-only and a file": ["--read-only", "--policy=p.json"],
}
ALLOWED = {
    "names at their limits": ["--session-name=" + "x" * 64, "--source-identity=_+=,.@-", "--external-id=" + "x" * 1224],
    "tags at their limits": [f"--tag=k{i}=" for i in range(49)] + ["--tag=" + "é" * 128 + "=" + "日 b:=@" + "v" * 250],
    "ten policies, one twice": [f"--policy-arn=arn:aws:iam::111111111111:policy/p{i % 10}" for i in range(11)],
}


@pytest.mark.parametrize("words", REFUSED.values(), ids=REFUSED)
def test_what_aws_could_only_refuse_is_refused_first(words):
    with pytest.raises(Usage) as refused:
        plan("deploy", *words)
    assert refused.value.what.isprintable()


@pytest.mark.parametrize("words", ALLOWED.values(), ids=ALLOWED)
def test_what_aws_takes_is_taken(words):
    assert last("deploy", *words)


NO_POLICY = {
    "nothing": b"",
    "no JSON": b"{'Statement': []}",
    "a list": b"[]",
    "no statement": b'{"Version": "2012-10-17"}',
    "an empty statement": b'{"Statement": []}',
    "a statement that is text": b'{"Statement": "x"}',
    "no UTF-8": b'{"Statement": ["\xff"]}',
    "NaN": b'{"Statement": [NaN]}',
    "a key twice": b'{"Statement": [{"Effect": "Deny", "Effect": "Allow"}]}',
    "a tower": b'{"Statement": ' + b"[" * 100000,
    "2049 characters": json.dumps({"Statement": ["x" * (2049 - 17 - 1)]}).encode(),
}


@pytest.mark.parametrize("data", NO_POLICY.values(), ids=NO_POLICY)
def test_a_file_that_is_no_policy_is_refused_by_its_name_and_not_quoted(data):
    with pytest.raises(Usage) as refused:
        overlay.minified(data, "/p.json")
    assert refused.value.lines()[0].startswith("awsenv: /p.json:")
    assert "Effect" not in str(refused.value.lines()) and "xxx" not in str(refused.value.lines())


def test_the_limit_of_a_policy_counts_what_is_sent_and_not_its_blanks():
    text = '{"Statement":["' + "x" * (2048 - 17 - 1) + '"]}'
    assert len(text) == 2048
    assert overlay.minified(("  " + text.replace(":", " :\n\n  ")).encode(), "p") == text


def test_a_policy_that_has_changed_since_is_refused_and_blanks_are_no_change():
    asked = over("--policy", "/p.json")
    _, digest = overlay.with_policy(asked, ALLOW.encode(), None)
    assert overlay.with_policy(asked, b"\n " + ALLOW.encode(), digest)[1] == digest
    with pytest.raises(Config, match="has changed since"):
        overlay.with_policy(asked, ALLOW.replace("Get", "*").encode(), digest)


# ---- Never one for the other ----------------------------------------------------------------------------------------


class _NoPorts:
    """Nothing of these plans hangs on the disk."""


SESSIONS = [
    [],
    ["--read-only"],
    [f"--policy-arn={READS.replace('ReadOnlyAccess', 'SecurityAudit')}"],
    [f"--policy-arn={READS}", "--policy-arn=arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"],
    ["--policy=p.json"],
    ["--tag=a=b"],
    ["--tag=a=c"],
    ["--tag=a=b", "--tag=c=d"],
    ["--source-identity=me"],
    ["--session-name=me"],
    ["--external-id=me"],
    [f"--role={ROLE}"],
    [f"--role={ROLE}", "--read-only"],
]


def test_every_other_session_has_another_key_in_the_store():
    keys = []
    for words in SESSIONS:
        text = ALLOW if "--policy=p.json" in words else None
        keys.append(chain_keys(plan("deploy", *words, text=text), _NoPorts())[-1])
    keys.append(chain_keys(plan("deploy", "--policy=p.json", text=ALLOW.replace("Get", "Put")), _NoPorts())[-1])
    assert len(set(keys)) == len(SESSIONS) + 1
    # By what is in it, and not by where it stands: a copy of the file, the same policies in another order.
    assert keys[4] == chain_keys(plan("deploy", "--policy=q.json", text=ALLOW), _NoPorts())[-1]
    swapped = plan("deploy", *reversed(SESSIONS[3]))
    assert keys[3] == chain_keys(swapped, _NoPorts())[-1]


def test_what_comes_before_the_last_role_is_shared_with_the_profile_itself():
    full, narrow = (chain_keys(plan("deploy", *words), _NoPorts()) for words in ([], ["--read-only"]))
    assert full[0] == narrow[0] and full[1] != narrow[1]
    hop = chain_keys(plan("deploy", "--role", ROLE, "--read-only"), _NoPorts())
    assert hop[:2] == full


def test_every_other_request_has_another_record_for_the_fast_lane():
    requests = [hot.parse("use", ["deploy", *words], {}) for words in SESSIONS]
    assert len({shelf.header(request, {}) for request in requests}) == len(SESSIONS)
    assert len({shelf.index_name(request) for request in requests}) == len(SESSIONS)


def test_a_record_of_another_request_is_not_believed_whatever_its_name(tmp_path):
    """Two requests may share a file's name: what it begins with decides."""
    root = tmp_path / "store"
    (root / "index").mkdir(parents=True)
    narrow, full = hot.parse("use", ["deploy", "--read-only"], {}), hot.parse("use", ["deploy"], {})
    body = "region\t\nset\tAWSENV_PROFILE\tdeploy\nsaid\tdeploy\n"
    for stored, asked in ((full, narrow), (narrow, full), (narrow, narrow), (full, full)):
        path = root / "index" / shelf.index_name(asked)
        path.write_text(shelf.header(stored, {}) + body)
        path.chmod(0o600)
        assert (hot.look_up(str(root), path.name, asked, {}) is not None) == (stored is asked)


# ---- How they are remembered ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["a b", "x--", "-", "%41", "é日", "\udcff", "a=b", "--read-only", "-- piyo", "", "'\"$(x)"]
)
def test_a_remembered_value_comes_back_exactly_and_breaks_no_record(value):
    packed = spelling.packed(value)
    assert spelling.unpacked(packed) == value
    assert packed.isascii() and " " not in packed and not packed.endswith("-")
    text = spelling.text((("--tag", value), ("--read-only", "")))
    before = hot.parse("use", ["-"], {"AWSENV_PREVIOUS": f"{text} -- with -- blanks"})
    assert before is not None
    assert (before.profile, before.over) == ("with -- blanks", (("--tag", value), ("--read-only", "")))


def test_a_value_that_awsenv_did_not_write_is_no_request():
    assert hot.parse("refresh", [], {"AWSENV_PROFILE": "x", "AWSENV_OPTIONS": "--tag=%4"}) is None
    assert hot.parse("refresh", [], {"AWSENV_PROFILE": "x", "AWSENV_OPTIONS": "--tag=%zz"}) is None


def test_the_last_of_what_counts_once_counts_and_a_new_policy_forgets_the_old_ones_content():
    env = {"AWSENV_PREVIOUS": "--session-name=a --tag=x=y --policy=/p --policy-sha256=00 -- n"}
    kept = hot.parse("use", ["-", "--tag=z=z", "--session-name=b"], env)
    assert kept.over == (("--session-name", "b"), ("--tag", "x=y"), ("--tag", "z=z"), ("--policy", "/p"),
                         ("--policy-sha256", "00"))  # fmt: skip
    assert hot.parse("use", ["-", "--policy=/q"], env).over[-1] == ("--policy", "/q")


def test_a_relative_policy_is_remembered_from_where_it_was_typed():
    typed = hot.parse("use", ["n", "--policy", "sub/../p.json"], {})
    assert typed.over == (("--policy", f"{os.getcwd()}/sub/../p.json"),)


@pytest.mark.parametrize(("options", "said"), [
    ("", ""), ("--region=eu-west-1 --tag=a=--read-only", ""), ("--read-only", "read-only"), ("--policy=/p", "limited"),
    (f"--policy-arn={READS}", "read-only"), (f"--policy-arn={READS} --policy=/p", "limited"),
])  # fmt: skip
def test_what_the_shell_remembers_and_what_the_plan_knows_say_the_same(options, said):
    assert spelling.narrowed(options) == said
    words = options.split()
    text = ALLOW if "--policy=/p" in words else None
    assert plan("deploy", *[word for word in words if "region" not in word], text=text).steps[-1].narrowed() == said


@pytest.mark.parametrize("label", ["{account}/{role}", "{profile}", "x" * 70, "{role}"])
def test_the_label_ends_in_what_the_session_is_whatever_it_is_made_of(label):
    about = ("piyo", "eu-west-1", None, "444444444444", "Deploy")
    shown = shown_for(Lease(*about, narrowed="read-only"), Settings(label=label)).label
    assert shown.endswith(" read-only") and len(shown) <= 64
    assert "read-only" not in shown_for(Lease(*about), Settings(label=label)).label
    assert said_of(Lease(*about, narrowed="read-only")) == "piyo · 444444444444 · Deploy · read-only"


# ---- In real shells, against the fake AWS ---------------------------------------------------------------------------

CREATE = "aws iam create-group --group-name {} --query Group.GroupName --output text"
ALIAS = "aws iam list-account-aliases --query AccountAliases --output text"


@pytest.fixture
def shell(house, shell_name, tmp_path):
    return shell_in(house, shell_name, tmp_path)


def test_a_read_only_production_shell_can_look_and_not_touch(fake, shell, tmp_path):
    script = "awsenv use piyo-prod --read-only; " + shell.dump("narrow")
    script += f"{ALIAS}; {CREATE.format('n-' + shell.name)}; " + shell.said("write")
    script += "awsenv current; awsenv use piyo-prod; " + shell.dump("full") + CREATE.format("f-" + shell.name) + "; "
    script += shell.said("full write")
    result = shell.run(script)
    narrow, full = result.environment("narrow"), result.environment("full")
    assert "demo-production" in result.stdout, result.stderr
    assert "\nwrite 25" in result.stdout and "is not authorized to perform: iam:CreateGroup" in result.stderr
    assert "no session policy allows" in result.stderr
    assert narrow["AWSENV_OPTIONS"] == "--read-only" and narrow["AWSENV_ROLE"] == "ReadOnly"
    assert (
        narrow["AWSENV_LABEL"].endswith("/ReadOnly read-only")
        and "piyo-prod · 444444444444 · ReadOnly · read-only" in result.stdout
    )
    assert f"f-{shell.name}\n" in result.stdout and "full write 0" in result.stdout
    assert "AWSENV_OPTIONS" not in full and not full["AWSENV_LABEL"].endswith("read-only")
    assert narrow["AWS_ACCESS_KEY_ID"] != full["AWS_ACCESS_KEY_ID"]


def test_refresh_and_use_dash_keep_it_read_only_and_off_ends_it(fake, shell):
    fake.forget()
    script = "awsenv use piyo-prod --read-only; " + shell.dump("a") + "awsenv refresh; " + shell.dump("b")
    script += "awsenv refresh --fresh; " + shell.dump("c") + "awsenv use hoge1; awsenv use -; " + shell.dump("d")
    script += f"{CREATE.format('x')}; awsenv off; " + shell.dump("off")
    result = shell.run(script)
    a, b, c, d = (result.environment(name) for name in "abcd")
    assert a == b, result.stderr
    assert a["AWS_ACCESS_KEY_ID"] != c["AWS_ACCESS_KEY_ID"] and c == d, result.stderr
    assert {env["AWSENV_OPTIONS"] for env in (a, b, c, d)} == {"--read-only"}
    assert "is not authorized to perform: iam:CreateGroup" in result.stderr
    assert not [name for name in result.environment("off") if name.startswith(("AWSENV_", "AWS_ACCESS"))]
    sessions = [call.session for call in fake.calls if call.operation == "AssumeRole" and call.resource == READ_ONLY]
    assert len(sessions) == 2 and all(f"PolicyArns.member.1.arn={READS}" in session for session in sessions)
    # and nothing ahead of it is narrowed: piyo's own session serves both
    assert not [call for call in fake.calls if call.resource == DEPLOY and "PolicyArns" in call.session]


def test_the_second_read_only_use_is_answered_by_the_fast_lane_from_the_store(fake, house, tmp_path):
    shell = shell_in(house, "bash", tmp_path)
    shell.run("awsenv use piyo-prod --read-only; awsenv use piyo-prod")
    fake.forget()
    env = shell.env | {"AWSENV_SHIM": "bash:1", "AWSENV_STORE": shell.values["__awsenv_store"]}
    narrow = hot.answer(["use", "piyo-prod", "--read-only"], env)
    full = hot.answer(["use", "piyo-prod"], env)
    assert narrow is not None and full is not None
    assert b"--read-only" in narrow.stdout and b"--read-only" not in full.stdout
    assert "read-only" in narrow.said and "read-only" not in full.said
    keys = [
        next(line for line in reply.stdout.split(b"\n") if b"AWS_ACCESS_KEY_ID=" in line) for reply in (narrow, full)
    ]
    assert keys[0] != keys[1]
    assert fake.calls == ()


def test_every_option_reaches_sts_and_the_keys_are_those_of_the_hop(fake, shell, tmp_path):
    policy = tmp_path / "my policy.json"
    policy.write_text('{\n  "Statement": [{"Effect": "Allow", "Action": "iam:List*", "Resource": "*"}]\n}\n')
    fake.role("arn:aws:iam::555555555555:role/Hop", [READ_ONLY], external_id="ext:1")
    fake.forget()
    words = ["--role", "arn:aws:iam::555555555555:role/Hop", "--session-name", "me--", "--external-id", "ext:1",
             "--source-identity", "me@example.com", "--tag", "Team=a b", "--tag", "C=d", "--policy", "my policy.json",
             "--policy-arn", "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess", "--duration", "2h"]  # fmt: skip
    typed = " ".join(shell.quote(word) for word in words)
    script = f"cd {shell.quote(str(tmp_path))}; awsenv use piyo-prod {typed}; " + shell.dump("on") + "cd /; "
    script += f"aws sts get-caller-identity --query Arn --output text; {CREATE.format('x')}; "
    script += "awsenv use hoge1; awsenv use -; " + shell.dump("again") + "awsenv refresh; " + shell.dump("third")
    result = shell.run(script)
    on = result.environment("on")
    assert "arn:aws:sts::555555555555:assumed-role/Hop/me--" in result.stdout, result.stderr
    assert "is not authorized to perform: iam:CreateGroup" in result.stderr and "3600 s taken" in result.stderr
    assert on == result.environment("again") == result.environment("third")
    assert on["AWSENV_LABEL"].endswith(" limited")
    (asked,) = [call.session for call in fake.calls if call.operation == "AssumeRole" and "me--" in call.session]
    assert set(asked.split("\n")) == {
        "RoleSessionName=me--", "ExternalId=ext:1", "SourceIdentity=me@example.com", "DurationSeconds=3600",
        "Tags.member.1.Key=Team", "Tags.member.1.Value=a b", "Tags.member.2.Key=C", "Tags.member.2.Value=d",
        'Policy={"Statement":[{"Effect":"Allow","Action":"iam:List*","Resource":"*"}]}',
        "PolicyArns.member.1.arn=arn:aws:iam::aws:policy/job-function/ViewOnlyAccess",
    }  # fmt: skip


def test_a_policy_file_that_has_changed_is_not_followed_by_refresh(fake, shell, tmp_path):
    policy = tmp_path / "p.json"
    policy.write_text(ALLOW)
    widened = ALLOW.replace("s3:Get", "").replace('"', '\\"')
    script = f"awsenv use piyo-prod --policy {policy}; " + shell.dump("on") + "awsenv refresh; " + shell.said("same")
    script += f'printf "%s" "{widened}" >{policy}; awsenv refresh; ' + shell.said("changed")
    script += "awsenv use hoge1; awsenv use -; " + shell.said("back") + f"awsenv use piyo-prod --policy {policy}; "
    script += shell.said("typed") + shell.dump("wide")
    result = shell.run(script)
    assert "same 0\nchanged 3\nback 3\ntyped 0\n" in result.stdout, result.stderr
    assert f"{policy}: the policy has changed since `awsenv use`" in result.stderr
    on, wide = result.environment("on"), result.environment("wide")
    assert on["AWS_ACCESS_KEY_ID"] != wide["AWS_ACCESS_KEY_ID"] and on["AWSENV_OPTIONS"] != wide["AWSENV_OPTIONS"]


def test_what_can_not_be_honoured_is_said_before_a_code_is_asked_for_or_aws_called(fake, shell):
    fake.forget()
    script = "awsenv use hoge1 --read-only; " + shell.said("keys")
    script += "awsenv use AdministratorAccess-123456789012 --read-only; " + shell.said("sso")
    script += (
        "awsenv use fuga --policy /nowhere.json; "
        + shell.said("file")
        + "awsenv use fuga --tag x; "
        + shell.said("tag")
    )
    script += (
        "awsenv use fuga --read-only --as profile; "
        + shell.said("mode")
        + "awsenv whoami --read-only; "
        + shell.said("name")
    )
    result = shell.run(script)
    assert result.stdout == "keys 2\nsso 2\nfile 2\ntag 2\nmode 2\nname 2\n", result.stderr
    assert "MFA code" not in result.stderr and "terminal" not in result.stderr and fake.calls == ()
    assert "awsenv use fuga --read-only --as keys" in result.stderr


def awsenv(house, tmp_path: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command as a script runs it, with a store of its own."""
    root = str(Path(__file__).resolve().parent.parent)
    base = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": root, "USER": "tester"}
    base |= {"AWSENV_STORE": str(tmp_path / "store"), **house.environment, **env}
    command = [sys.executable, "-m", "awsenv", *words]
    return subprocess.run(command, env=base, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


def test_exec_export_whoami_console_and_explain_take_the_same_options(fake, house, tmp_path):
    fake.forget()
    ran = awsenv(house, tmp_path, "exec", "piyo-prod", "--read-only", "--", *CREATE.format("y").split())
    assert ran.returncode and "not authorized to perform: iam:CreateGroup" in ran.stderr, ran.stderr
    whole = awsenv(house, tmp_path, "exec", "piyo-prod", "--", *CREATE.format("exec").split())
    assert whole.returncode == 0 and whole.stdout == "exec\n", whole.stderr
    keys = [
        json.loads(awsenv(house, tmp_path, "export", "piyo-prod", "--format", "process", *more).stdout)["AccessKeyId"]
        for more in (["--read-only"], [], ["--read-only"], [])
    ]
    assert keys[0] == keys[2] != keys[1] == keys[3]
    who = awsenv(house, tmp_path, "whoami", "hoge1", f"--role={SWITCHED_ROLE}", "--read-only", "--mfa-stdin")
    assert who.returncode == 5, who.stderr  # the role wants MFA, which hoge1 by itself has not
    who = awsenv(house, tmp_path, "whoami", "AdministratorAccess-123456789012", f"--role={DEPLOY}", "--session-name=me")
    assert "assumed-role/Deploy/me\n" in who.stdout, who.stderr
    link = awsenv(house, tmp_path, "console", "piyo-prod", "--read-only", "--print")
    assert "SigninToken=" in link.stdout and "/ReadOnly read-only" in link.stderr, link.stderr
    said = awsenv(house, tmp_path, "explain", "piyo-prod", "--read-only").stdout
    assert "role/ReadOnly, read-only" in said and "[fresh, " in said.split("\n3. ")[1]
    document = json.loads(awsenv(house, tmp_path, "explain", "piyo-prod", "--read-only", "--json").stdout)
    assert document["steps"][-1]["settings"][-1] == {
        "key": "--read-only", "value": "yes", "file": "the command line", "line": None
    }  # fmt: skip


def test_without_a_name_a_read_only_shell_stays_read_only(fake, house, tmp_path):
    here = {"AWSENV_PROFILE": "piyo-prod", "AWSENV_OPTIONS": "--region=us-east-1 --read-only"}
    said = awsenv(house, tmp_path, "explain", "--session-name", "me", **here).stdout
    assert "role/ReadOnly, read-only" in said and "region us-east-1" in said and "--session-name  me" in said
    fake.forget()
    assert awsenv(house, tmp_path, "whoami", **here).returncode == 0
    assert awsenv(house, tmp_path, "console", "--print", **here).returncode == 0
    sessions = [call.session for call in fake.calls if call.resource == READ_ONLY and call.operation == "AssumeRole"]
    assert sessions and all("PolicyArns" in session for session in sessions)


@pytest.mark.parametrize("about", [
    {"Policy": "{}"}, {"Policy": '{"Statement": [{"Effect": "Maybe", "Action": "*"}]}'}, {"Policy": " " * 2049},
    {"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/NoSuchPolicy"}]},
    {"PolicyArns": [{"arn": "arn:aws-cn:iam::aws:policy/ReadOnlyAccess"}]},
    {"PolicyArns": [{"arn": READS}] * 11}, {"SourceIdentity": "a:b"}, {"Tags": [{"Key": "*", "Value": ""}]},
])  # fmt: skip
def test_the_fake_refuses_what_aws_would(fake, about):
    import boto3
    from botocore.config import Config as ClientConfig
    from botocore.exceptions import ClientError

    key, secret = fake.user("111111111111", "policy-tester")
    fake.role("arn:aws:iam::111111111111:role/Anyone", ["*"])
    sts = boto3.client("sts", region_name="us-east-1", endpoint_url=fake.sts_url, aws_access_key_id=key,
                       aws_secret_access_key=secret, config=ClientConfig(parameter_validation=False))  # fmt: skip
    asked = {"RoleArn": "arn:aws:iam::111111111111:role/Anyone", "RoleSessionName": "tester"}
    sts.assume_role(**asked)
    with pytest.raises(ClientError) as refused:
        sts.assume_role(**asked, **about)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
