"""`awsenv sso import`: what stands in the config file afterwards, what is asked and said, and what is left alone."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pexpect
import pytest

from awsenv import assets, config_writer
from awsenv.commands import sso_import as verb
from awsenv.commands.sso_import import Request
from awsenv.config import AwsConfig
from awsenv.demo.house import token_file
from awsenv.errors import AwsenvError, Config, LoginNeeded, Storage, Usage
from awsenv.model import Outcome
from awsenv.proposal import Face
from awsenv.world import World
from tests.payloads import PAYLOADS, has_controls

REGION = "eu-west-1"
ACCOUNTS = {
    "111111111111": ("prod", ["Admin", "View"]),
    "222222222222": ("Data Lab (EU)", ["Analyst"]),
}
THEIRS = """\
# my own; awsenv must not touch it
[default]
region = eu-central-1   # home

[profile mine]
role_arn = arn:aws:iam::999999999999:role/Mine
source_profile = default

"""
BEGIN, END = config_writer.marks("corp")


class Home:
    """A home with one login to a portal of its own."""

    def __init__(self, path: Path, fake, sessions: tuple[str, ...] = ("corp",), region: str = REGION) -> None:
        self.path, self.fake = path, fake
        self.url = f"https://{path.name[:40].replace('_', '-')}.awsapps.com/start"
        (path / ".aws/sso/cache").mkdir(parents=True)
        self.config = path / ".aws/config"
        sections = "".join(
            f"[sso-session {name}]\nsso_start_url = {self.url}\nsso_region = {region}\n" for name in sessions
        )
        self.theirs = THEIRS + sections
        self.config.write_text(self.theirs)
        self.offer(ACCOUNTS, region)
        for name in sessions:
            self.log_in(name)
        self.env = {"HOME": str(path), "PATH": os.environ["PATH"], "XDG_CACHE_HOME": f"{path}/cache", "LANG": "C.UTF-8"}
        self.env |= {"XDG_RUNTIME_DIR": "/nonexistent", "TERM": "xterm", **fake.environment()}

    def offer(self, accounts, region: str = REGION) -> None:
        self.fake.portal(self.url, region, accounts)

    def log_in(self, name: str, **how) -> None:
        from hashlib import sha1

        path = token_file(self.path).with_name(sha1(name.encode()).hexdigest() + ".json")
        path.write_text(json.dumps(self.fake.issue_token(self.url, **how)))

    def run(self, session: str | None = None, face: Face = Face(), yes: bool = True, **options) -> Outcome:  # noqa: B008
        """The verb in this process."""
        store = f"{self.path}/store"
        world = World(self.env, str(self.path), str(self.config), f"{self.path}/.aws/credentials", store, "me")
        return verb.run(world, Request(session, yes=yes, **options), face)

    def type(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """`awsenv sso import WORDS` where there is no terminal."""
        return subprocess.run(
            [sys.executable, "-I", "-S", assets.MAIN, "sso", "import", *words],
            env=self.env | env, stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True, timeout=60,
        )  # fmt: skip

    def sit(self, *words: str, **env: str) -> "pexpect.spawn[str]":
        """The same at a terminal."""
        argv = ["-I", "-S", assets.MAIN, "sso", "import", *words]
        child = pexpect.spawn(
            sys.executable, argv, env=self.env | env, encoding="utf-8", timeout=30, dimensions=(50, 150)
        )
        child.delaybeforesend = None
        return child

    def block(self) -> str:
        """What stands between the marks."""
        text = self.config.read_bytes().decode("utf-8", "surrogateescape")
        found = config_writer.find_block(text, "corp", "config")
        return text[found.inside : found.inside_end] if found else ""

    def profiles(self) -> dict[str, dict[str, str]]:
        """The profiles in the block, as real botocore reads them."""
        mine = {"default", "mine"}
        session = botocore.session.Session(session_vars={"config_file": (None, None, str(self.config), None)})
        found: dict[str, dict[str, str]] = session.full_config["profiles"]
        return {name: settings for name, settings in found.items() if name not in mine}


@pytest.fixture
def home(tmp_path, fake, monkeypatch) -> Iterator[Home]:
    for name, value in fake.environment().items():
        monkeypatch.setenv(name, value)
    yield Home(tmp_path, fake)
    fake.portal_requests_per_second = None
    fake.forget()


def sso(account: str, role: str, **more: str) -> dict[str, str]:
    return {"sso_session": "corp", "sso_account_id": account, "sso_role_name": role, **more}


ALL = {
    "prod-Admin": sso("111111111111", "Admin"),
    "prod-View": sso("111111111111", "View"),
    "Data-Lab-EU-Analyst": sso("222222222222", "Analyst"),
}


# ---- What is written ------------------------------------------------------------------------------------------------


def test_every_account_and_role_becomes_a_profile_and_all_else_stays_to_the_byte(home):
    outcome = home.run()
    assert home.profiles() == ALL
    assert home.config.read_text().startswith(home.theirs + BEGIN)
    *_, added, following = outcome.stdout.splitlines()
    assert added.startswith("3 profiles added in ") and following == "next: awsenv use Data-Lab-EU-Analyst"
    assert home.config.stat().st_mode & 0o777 == 0o644


def test_what_is_imported_works_with_boto3_and_with_awsenv(home):
    home.run(region="eu-west-1")
    arn = "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Admin_"
    done = subprocess.run(
        [sys.executable, "-I", "-S", assets.MAIN, "whoami", "prod-Admin"], env=home.env, capture_output=True, text=True
    )
    assert arn in done.stdout, done.stderr
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=home.env | {"AWS_PROFILE": "prod-Admin"}, capture_output=True, text=True
    )
    assert arn in done.stdout, done.stderr


def test_a_second_run_changes_nothing_and_says_so(home):
    home.run()
    before = home.config.read_bytes(), home.config.stat().st_mtime_ns
    outcome = home.run()
    assert (home.config.read_bytes(), home.config.stat().st_mtime_ns) == before
    assert "has all of that already: 3 profiles" in outcome.notes[-1] and outcome.stdout == ""


def test_the_region_is_written_where_one_is_named_and_kept_where_none_is(home):
    home.run(region="eu-west-3")
    assert {settings["region"] for settings in home.profiles().values()} == {"eu-west-3"}
    assert "already" in home.run().notes[-1]
    home.run(region="us-east-1", accounts=("prod",))
    assert {name: settings["region"] for name, settings in home.profiles().items()} == {
        "prod-Admin": "us-east-1", "prod-View": "us-east-1", "Data-Lab-EU-Analyst": "eu-west-3"
    }  # fmt: skip


def test_without_a_region_it_says_what_that_means(home):
    assert any("--region" in note for note in home.run().notes)
    assert not any("--region" in note for note in home.run().notes), "there is nothing new in it"


def test_what_a_person_added_to_a_profile_stays(home):
    home.run()
    home.config.write_text(
        home.config.read_text().replace("= View\n", "= View\noutput = yaml\ns3 =\n  max_queue_size = 5\n")
    )
    home.offer({**ACCOUNTS, "333333333333": ("new", ["Admin"])})
    home.run()
    assert home.profiles()["prod-View"] == sso("111111111111", "View", output="yaml", s3={"max_queue_size": "5"})
    assert "new-Admin" in home.profiles()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"accounts": ("prod",)}, {"prod-Admin", "prod-View"}),
        ({"accounts": ("2222*",)}, {"Data-Lab-EU-Analyst"}),
        ({"accounts": ("prod", "data*")}, {"prod-Admin", "prod-View", "Data-Lab-EU-Analyst"}),
        ({"roles": ("*admin*",)}, {"prod-Admin"}),
        ({"accounts": ("prod",), "roles": ("V*", "X")}, {"prod-View"}),
    ],
)
def test_filters_choose(home, options, expected):
    home.run(**options)
    assert set(home.profiles()) == expected


@pytest.mark.parametrize(
    ("options", "what", "there"),
    [
        ({"accounts": ("none", "nil*")}, "no account is called none or nil*", "prod (111111111111)"),
        ({"roles": ("Adm",)}, "no role is called Adm", "Admin, Analyst, View"),
    ],
)
def test_a_filter_that_matches_nothing_is_said_with_what_there_is(home, options, what, there):
    with pytest.raises(Config) as caught:
        home.run(**options)
    assert caught.value.what == what and there in caught.value.hint
    assert home.config.read_text() == home.theirs


def test_role_over_puts_a_switch_role_on_top_of_each(home):
    home.run(over="team/Deploy", accounts=("prod",), region="eu-west-3")
    arn = "arn:aws:iam::111111111111:role/team/Deploy"
    assert home.profiles() == {
        "prod-Admin": sso("111111111111", "Admin", region="eu-west-3"),
        "prod-Admin-Deploy": {"role_arn": arn, "source_profile": "prod-Admin", "region": "eu-west-3"},
        "prod-View": sso("111111111111", "View", region="eu-west-3"),
        "prod-View-Deploy": {"role_arn": arn, "source_profile": "prod-View", "region": "eu-west-3"},
    }
    before = home.config.read_bytes()
    home.run(accounts=("prod",))
    assert home.config.read_bytes() == before, "without --role-over they stay"


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")]
)
def test_the_partition_of_a_switch_role_is_that_of_the_portal(tmp_path, fake, region, partition):
    home = Home(tmp_path / region, fake, region=region)
    home.run(over="Deploy", roles=("Admin",))
    assert home.profiles()["prod-Admin-Deploy"]["role_arn"] == f"arn:{partition}:iam::111111111111:role/Deploy"


@pytest.mark.parametrize("role", ["arn:aws:iam::1:role/x", "a b", "", "x\ny", "x/", "/x", "x;y", "r" * 65])
def test_a_role_over_that_is_no_role_is_refused(home, role):
    with pytest.raises(Usage, match="--role-over"):
        home.run(over=role)


# ---- Names ----------------------------------------------------------------------------------------------------------


def test_a_name_of_the_persons_own_is_never_taken(home):
    home.config.write_text(home.theirs + "[profile prod-Admin]\nregion = x\n")
    (home.path / ".aws/credentials").write_text("[prod-View]\naws_access_key_id = x\naws_secret_access_key = y\n")
    home.run()
    assert home.profiles()["prod-Admin"] == {"region": "x"}
    assert set(home.profiles()) == {
        "prod-Admin",
        "prod-Admin-111111111111",
        "prod-View-111111111111",
        "Data-Lab-EU-Analyst",
    }


def test_names_stay_when_accounts_are_renamed_or_a_twin_comes(home):
    home.run()
    home.offer({"111111111111": ("production", ["Admin", "View"]), "333333333333": ("prod", ["Admin"])})
    home.run()
    assert home.profiles() == ALL | {"prod-Admin-333333333333": sso("333333333333", "Admin")}


def test_a_template_names_what_is_new_and_says_that_the_rest_keeps_its_name(home):
    home.run(roles=("Admin",))
    outcome = home.run(names="{session}/{account_id}/{role}")
    assert set(home.profiles()) == {"prod-Admin", "corp-111111111111-View", "corp-222222222222-Analyst"}
    assert any("keep their names" in note for note in outcome.notes)


@pytest.mark.parametrize("names", ["{nope}", "fixed", "{role"])
def test_a_template_that_cant_be_is_refused_before_anything_is_asked(home, names):
    home.fake.forget()
    with pytest.raises(Usage, match="--names"):
        home.run(names=names)
    assert home.fake.calls == ()


# ---- What is gone ---------------------------------------------------------------------------------------------------


def test_what_is_offered_no_more_stays_until_prune(home):
    home.run(over="Deploy")
    home.offer({"111111111111": ("prod", ["Admin"])})
    outcome = home.run()
    assert set(home.profiles()) >= set(ALL)
    assert any("4 profiles kept that corp offers no more" in note and "--prune" in note for note in outcome.notes)
    home.run(prune=True)
    assert set(home.profiles()) == {"prod-Admin", "prod-Admin-Deploy"}


def test_prune_leaves_what_the_filters_leave_out(home):
    home.run()
    home.offer({})
    home.run(prune=True, accounts=("2222*",))
    assert set(home.profiles()) == {"prod-Admin", "prod-View"}
    home.run(prune=True, roles=("View",))
    assert set(home.profiles()) == {"prod-Admin"}


def test_prune_leaves_accounts_that_aws_did_not_tell_about(home):
    home.run()
    home.fake.fail("ListAccountRoles", status=403, code="ForbiddenException", times=99)
    outcome = home.run(prune=True)
    assert home.profiles() == ALL
    assert sum("would not say" in note for note in outcome.notes) == 2


def test_when_nothing_is_left_the_block_goes_too(home):
    home.run()
    home.offer({})
    home.run(prune=True)
    assert home.config.read_text() == home.theirs


def test_a_profile_of_ones_own_that_starts_from_a_pruned_one_is_named(home):
    home.run()
    home.config.write_text(home.config.read_text() + "[profile on-top]\nrole_arn = x\nsource_profile = prod-View\n")
    home.offer({"111111111111": ("prod", ["Admin"])})
    assert any("on-top" in note for note in home.run(prune=True).notes)


# ---- What is asked and shown ----------------------------------------------------------------------------------------


def test_without_a_terminal_and_without_yes_nothing_is_asked_of_aws_and_nothing_changes(home):
    home.fake.forget()
    done = home.type()
    assert done.returncode == 2 and done.stdout == ""
    assert "awsenv sso import corp --yes" in done.stderr
    assert home.config.read_text() == home.theirs and home.fake.calls == ()


def test_a_dry_run_shows_the_difference_and_writes_nothing(home):
    done = home.type("--dry-run")
    assert done.returncode == 0 and "+[profile prod-Admin]" in done.stdout and "\x1b" not in done.stdout
    assert "would be added" in done.stdout
    assert home.config.read_text() == home.theirs


def test_json_tells_programs_what_becomes_of_each_and_asks_nothing(home):
    home.run(roles=("Admin",))
    home.offer({"111111111111": ("prod", ["View"])})
    before = home.config.read_bytes()
    done = home.type("--json", "--prune")
    assert done.returncode == 0 and home.config.read_bytes() == before
    rows = {row["profile"]: row for row in json.loads(done.stdout)}
    assert {name: row["state"] for name, row in rows.items()} == {"prod-Admin": "removed", "prod-View": "added"}
    assert rows["prod-View"] == {
        "profile": "prod-View", "state": "added", "account_id": "111111111111", "account_name": "prod", "role": "View",
        "region": None, "source_profile": None, "role_arn": None,
    }  # fmt: skip
    done = home.type("--json", "--prune", "--yes")
    assert json.loads(done.stdout) == list(rows.values()) and set(home.profiles()) == {"prod-View"}


def test_a_person_sees_colours_says_yes_and_has_it(home):
    child = home.sit()
    child.expect_exact("\x1b[32m+[profile prod-Admin]\x1b[0m")
    child.expect_exact("Write this? [y/N]")
    assert home.config.read_text() == home.theirs
    child.sendline("y")
    child.expect_exact("3 profiles added")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0 and home.profiles() == ALL


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_are_left_out_where_nobody_wants_them(home, env):
    child = home.sit(**env)
    child.expect_exact("Write this? [y/N]")
    assert "+[profile prod-Admin]" in child.before and "\x1b[3" not in child.before
    child.sendline("n")
    child.expect_exact("nothing is changed")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0 and home.config.read_text() == home.theirs


def test_ctrl_c_at_the_question_changes_nothing_and_the_next_run_looks_again_what_there_is(home):
    child = home.sit()
    child.expect_exact("Write this? [y/N]")
    child.sendcontrol("c")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130 and home.config.read_text() == home.theirs
    home.fake.forget()
    done = home.type("--yes")
    assert home.fake.count("ListAccountRoles") > 0
    assert "went on from" not in done.stderr and home.profiles() == ALL


def test_ctrl_c_halfway_changes_nothing_and_the_next_run_goes_on_from_there(home):
    accounts = {f"{100000000000 + n}": (f"acct {n}", ["Admin"]) for n in range(60)}
    home.offer(accounts)
    child = home.sit()
    child.expect(r"[12]\d/60")  # the bar
    child.sendcontrol("c")
    child.expect_exact("goes on from there")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130 and home.config.read_text() == home.theirs
    home.fake.forget()
    done = home.type("--yes")
    assert 0 < home.fake.count("ListAccountRoles") <= 50
    assert re.search(r"went on from a run that was stopped: [1-5]\d accounts", done.stderr)
    assert len(home.profiles()) == 60
    home.fake.forget()
    home.type("--yes")
    assert home.fake.count("ListAccountRoles") == 60, "what has served is forgotten"


def test_a_long_difference_is_cut_in_the_question_and_whole_in_a_dry_run(home):
    home.offer({"111111111111": ("prod", [f"Role{n}" for n in range(200)])})
    child = home.sit()
    child.expect_exact("lines more; --dry-run shows them all")
    child.expect_exact("Write this? [y/N]")
    child.sendline("n")
    child.expect(pexpect.EOF)
    child.close()
    assert home.type("--dry-run").stdout.count("+[profile prod-Role") == 200


def test_no_bar_and_no_colour_where_stderr_and_stdout_are_no_terminal(home):
    done = home.type("--yes")
    assert "\x1b" not in done.stdout + done.stderr and "/2" not in done.stderr


# ---- Which session --------------------------------------------------------------------------------------------------


def test_of_several_sessions_one_must_be_named(tmp_path, fake):
    home = Home(tmp_path / "several", fake, ("corp", "lab"))
    with pytest.raises(Usage, match="which sso-session") as caught:
        home.run()
    assert "awsenv sso import lab" in (caught.value.hint or "")
    home.run("corp")
    home.run("lab")
    assert {settings["sso_session"] for settings in home.profiles().values()} == {"corp", "lab"}
    assert len(home.profiles()) == 6


def test_an_unknown_session_is_answered_by_the_nearest(home):
    with pytest.raises(Config, match=r'no \[sso-session\] "crop"') as caught:
        home.run("crop")
    assert caught.value.hint == "did you mean corp?"


def test_without_a_session_the_way_to_one_is_named(home):
    home.config.write_text(THEIRS)
    with pytest.raises(Usage) as caught:
        home.run()
    assert caught.value.hint == "awsenv sso add"


def test_a_login_that_is_over_is_said_and_nothing_changes(home):
    home.log_in("corp", expires_in=-60, refreshable=False)
    with pytest.raises(LoginNeeded) as caught:
        home.run()
    assert caught.value.hint == "awsenv login corp"
    done = home.type("--yes")
    assert done.returncode == 4 and home.config.read_text() == home.theirs


def test_a_login_that_can_be_renewed_is(home):
    home.log_in("corp", expires_in=-60)
    home.run()
    assert home.profiles() == ALL


def test_the_portal_is_never_asked_through_a_foreign_host(home):
    home.env["AWS_ENDPOINT_URL_SSO"] = "https://evil.example"
    with pytest.raises(Config, match="not AWS's"):
        home.run()


# ---- What is in the way ---------------------------------------------------------------------------------------------


def test_a_damaged_mark_is_named_and_nothing_is_asked_of_aws(home):
    home.config.write_text(home.theirs + f"{BEGIN}\n[profile x]\n")
    home.fake.forget()
    with pytest.raises(Config, match="has no end") as caught:
        home.run()
    assert caught.value.where is not None and caught.value.where.line == home.theirs.count("\n") + 1
    assert home.fake.calls == ()


@pytest.mark.parametrize(
    ("inside", "what"),
    [
        ("[profile stray]\nregion = x\n", "is not from there"),
        ("[sso-session stray]\n", "is not from there"),
        ("[profile a\n", "no closing"),
        ("[profile a]\nnonsense\n", "neither a setting"),
        ("[profile a]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = x\n" * 2, "same account and role"),
        ("[profile a]\nrole_arn = x\nsource_profile = default\n", "is not from there"),
    ],
)
def test_what_somebody_put_into_the_block_is_never_lost(home, inside, what):
    home.config.write_text(f"{home.theirs}{BEGIN}\n{inside}{END}\n")
    before = home.config.read_bytes()
    with pytest.raises(Config, match=what) as caught:
        home.run("corp", prune=True)
    assert caught.value.where is not None and home.config.read_bytes() == before


def test_a_file_that_changes_while_the_question_stands_is_left_alone(home):
    child = home.sit()
    child.expect_exact("Write this? [y/N]")
    home.config.write_text(home.theirs + "[profile late]\n")
    child.sendline("y")
    child.expect_exact("was changed meanwhile")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 7 and home.config.read_text() == home.theirs + "[profile late]\n"


def test_a_file_that_cant_be_replaced_is_said_before_anything_is_asked(home):
    os.link(home.config, home.path / "second")
    home.fake.forget()
    with pytest.raises(Storage, match="hard link"):
        home.run()
    assert home.fake.calls == ()


def test_the_file_of_aws_config_file_is_the_one(home):
    other = home.path / "elsewhere"
    other.write_text(home.theirs)
    home.config.write_text("")
    assert home.type("--yes", AWS_CONFIG_FILE=str(other)).returncode == 0
    assert BEGIN in other.read_text() and home.config.read_text() == ""


# ---- Hostile portals ------------------------------------------------------------------------------------------------

SAFE_IN_A_URL = {pid: text for pid, text in PAYLOADS.items() if "\udcff" not in text}


def test_no_name_of_a_portal_reaches_a_header_a_key_or_a_terminal(home, tmp_path):
    texts = list(SAFE_IN_A_URL.values())
    home.offer({f"{100000000000 + n}": (text, ["Admin", text]) for n, text in enumerate(texts)})
    for words in (["--dry-run"], ["--json"], ["--yes", "--names", "{account_name}{role}{email}"]):
        done = home.type(*words)
        assert done.returncode == 0, done.stderr
        assert (
            not has_controls((done.stdout + done.stderr).replace("\n", ""))
            and "\u202e" not in done.stdout + done.stderr
        )
    found = home.profiles()
    for name, settings in found.items():
        assert re.fullmatch(r"[A-Za-z0-9_.@+-]+", name) and name[0] not in "-."
        assert set(settings) == {"sso_session", "sso_account_id", "sso_role_name"}
        assert settings["sso_session"] == "corp" and settings["sso_role_name"] in {"Admin", *texts}
        assert settings["sso_account_id"].isdigit()
    assert len([s for s in found.values() if s["sso_role_name"] == "Admin"]) == len(texts)
    assert home.config.read_text().startswith(home.theirs)
    assert "left out" in done.stderr
    config = AwsConfig(home.config.read_bytes(), b"", "config", "credentials")
    assert config.damage() == [] and set(config.names()) == {"default", "mine", *found}
    assert config.section_names("sso-session") == ["corp"]


@pytest.mark.parametrize("pid", PAYLOADS)
def test_a_hostile_name_of_a_session_writes_exactly_or_nothing(pid, tmp_path, fake):
    name = PAYLOADS[pid]
    home = Home(tmp_path / "home", fake, ())
    try:
        header = config_writer.header_of("sso-session", name)
    except AwsenvError:
        header = f'sso-session "{name}"' if "\n" not in name else "sso-session x\\ny"
    home.theirs = THEIRS + f"[{header}]\nsso_start_url = {home.url}\nsso_region = {REGION}\n"
    home.config.write_bytes(home.theirs.encode("utf-8", "surrogateescape"))
    if "\0" not in name and "\udcff" not in name:
        home.log_in(name)
    try:
        home.run()
    except AwsenvError:
        assert home.config.read_bytes() == home.theirs.encode("utf-8", "surrogateescape")
        return
    assert {settings["sso_session"] for settings in home.profiles().values()} == {name}
    before = home.config.read_bytes()
    home.run()
    assert home.config.read_bytes() == before


def test_a_control_character_in_a_line_around_the_change_is_shown_as_its_escape(home):
    home.config.write_text(home.theirs + "# \x1b]0;OWNED\a\u202e\n")
    done = home.type("--dry-run")
    assert r" # \x1b]0;OWNED\x07\u202e" in done.stdout and not has_controls(done.stdout.replace("\n", ""))


SECRETS = """\
# aws_secret_access_key = OLDSECRETOLDSECRETOLDSECRETOLDSECRET
[profile keys]
region = eu-west-1
aws_access_key_id = AKIASECRETID
aws_secret_access_key = SECRETSECRETSECRET
credential_process = vault --token SECRETTOKEN
"""


def test_the_difference_shows_nothing_of_what_a_person_keeps_beside():
    from awsenv.render.diff import difference

    rows = "\n".join(difference(SECRETS, SECRETS + "\n[profile new]\nsso_session = corp\nregion = eu-west-1\n"))
    assert "SECRET" not in rows and "+[profile new]" in rows and "+sso_session = corp" in rows
    assert "credential_process = …" in rows
    taken_out = "\n".join(difference(SECRETS, "[profile keys]\nregion = eu-west-1\n"))
    assert (
        "SECRET" not in taken_out.replace("OLDSECRETOLDSECRETOLDSECRETOLDSECRET"[:0], "")
        and "-aws_secret_access_key = …" in taken_out
    )
