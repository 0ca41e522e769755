"""`awsenv sso add`: the conversation on a terminal, the same by options alone, and what stands in the config file afterwards."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path
from types import SimpleNamespace

import botocore.session
import pexpect
import pytest

from awsenv import answers, assets, config_writer
from awsenv.answers import Talk
from awsenv.commands import sso_add as verb
from awsenv.commands.sso_add import Request
from awsenv.config import AwsConfig
from awsenv.errors import AwsenvError, Config, Storage, Usage
from awsenv.lease import Reading
from awsenv.model import Outcome
from awsenv.proposal import Face
from awsenv.world import World
from tests.payloads import PAYLOADS, has_controls

REGION = "eu-west-1"
ACCOUNTS = {
    "111111111111": ("prod", ["Admin", "View"]),
    "222222222222": ("Data Lab (EU)", ["Analyst"]),
}
THEIRS = "# mine\r\n[default]\r\nregion = eu-central-1   # home\r\n"
NEW = """\
[sso-session {session}]
sso_start_url = {url}
sso_region = eu-west-1
sso_registration_scopes = sso:account:access

[profile {name}]
sso_session = {session}
sso_account_id = {account}
sso_role_name = {role}
"""


class Home:
    """A home that knows no login yet, and a portal of its own at the fake."""

    def __init__(self, path: Path, fake) -> None:
        self.path, self.fake = path, fake
        self.label = re.sub(r"\W", "-", path.name)[:40].strip("-").lower().replace("_", "-")
        self.url = f"https://{self.label}.awsapps.com/start"
        self.config = path / ".aws/config"
        self.fake.portal(self.url, REGION, ACCOUNTS)
        self.env = {"HOME": str(path), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm"}
        self.env |= {"XDG_RUNTIME_DIR": "/nonexistent", "AWSENV_STORE": f"{path}/store", **fake.environment()}

    def write(self, text: str) -> str:
        self.config.parent.mkdir(mode=0o700, exist_ok=True)
        self.config.write_bytes(text.encode("utf-8", "surrogateescape"))
        return text

    def text(self) -> str:
        return self.config.read_bytes().decode("utf-8", "surrogateescape")

    def session(self, name: str = "corp") -> str:
        return f"[sso-session {name}]\nsso_start_url = {self.url}\nsso_region = {REGION}\n"

    def log_in(self, name: str, url: str | None = None) -> None:
        folder = self.path / ".aws/sso/cache"
        folder.mkdir(parents=True, exist_ok=True)
        token = self.fake.issue_token(url or self.url)
        (folder / f"{sha1(name.encode()).hexdigest()}.json").write_text(json.dumps(token))

    def run(self, logged_in: bool = True, **answers_given) -> Outcome:
        """The verb in this process, every answer given, by somebody who is logged in."""
        if logged_in and (name := answers_given.get("session") or self.label).isprintable():
            self.log_in(name.strip())
        world = World(
            self.env, str(self.path), str(self.config), f"{self.path}/.aws/credentials", f"{self.path}/store", "me"
        )
        given = {"start_url": self.url, "region": REGION, "account": "prod", "role": "Admin", "yes": True}
        return verb.run(world, Request(**{**given, **answers_given}), Face())

    def type(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """`awsenv sso add WORDS` where there is no terminal."""
        return subprocess.run(
            [sys.executable, "-I", "-S", assets.MAIN, "sso", "add", *words],
            env=self.env | env, stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True, timeout=60,
        )  # fmt: skip

    def sit(self, *words: str, **env: str) -> "Sitting":
        return Sitting(self, words, env)

    def read_by_botocore(self) -> dict[str, dict[str, object]]:
        session = botocore.session.Session(session_vars={"config_file": (None, None, str(self.config), None)})
        full: dict[str, dict[str, object]] = session.full_config
        return full


class Sitting:
    """The same in a shell on a terminal, which notes the terminal's modes before and after."""

    def __init__(self, home: Home, words: tuple[str, ...], env: dict[str, str]) -> None:
        self.home = home
        line = 'stty -a >before; "$@" >out; code=$?; stty -a >after; exit $code'
        argv = ["--norc", "-c", line, "-", sys.executable, "-I", "-S", assets.MAIN, "sso", "add", *words]
        self.child = pexpect.spawn(
            "bash", argv, env=home.env | env, cwd=str(home.path), encoding="utf-8", timeout=30, dimensions=(40, 120)
        )
        self.child.delaybeforesend = None

    def answer(self, question: str, line: str) -> None:
        self.child.expect_exact(question)
        self.child.send(f"{line}\r")

    def press(self, seen: str, keys: str) -> None:
        self.child.expect_exact(seen)
        self.child.send(keys)

    def end(self) -> int:
        """The exit status. The terminal must be as it was, and stdout clean."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert (self.home.path / "before").read_text() == (self.home.path / "after").read_text()
        assert (self.home.path / "out").read_text() == ""
        assert self.child.exitstatus is not None
        return self.child.exitstatus


@pytest.fixture
def home(tmp_path, fake, monkeypatch) -> Iterator[Home]:
    for name, value in fake.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(fake, "approve_after_polls", 1)
    fake.forget()
    yield Home(tmp_path, fake)


# ---- The conversation -----------------------------------------------------------------------------------------------


def test_from_an_empty_home_to_a_profile_that_awsenv_and_boto3_can_use(home):
    sitting = home.sit()
    sitting.answer("start URL of the portal:", home.url)
    sitting.answer("region of the portal:", REGION)
    sitting.answer(f"name of the sso-session [{home.label}]:", "corp")
    sitting.answer("registration scopes [sso:account:access]:", "")
    sitting.child.expect_exact("the code there must be")
    sitting.press("3 of 3", "adm")
    sitting.press("1 of 3", "\r")
    sitting.answer("name of the profile [prod-Admin]:", "boss")
    sitting.answer("(empty: none):", REGION)
    sitting.child.expect_exact("\x1b[32m+[profile boss]")
    sitting.answer("Write this? [y/N]", "y")
    sitting.child.expect_exact("next: awsenv use boss")
    assert sitting.end() == 0
    profile = NEW.format(session="corp", url=home.url, name="boss", account="111111111111", role="Admin")
    assert home.text() == f"{profile}region = {REGION}\n"
    assert home.config.stat().st_mode & 0o777 == 0o600 and home.config.parent.stat().st_mode & 0o777 == 0o700

    code = "import boto3; print(boto3.Session().client('sts').get_caller_identity()['Arn'])"
    env = home.env | {"AWS_PROFILE": "boss"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert "111111111111:assumed-role/AWSReservedSSO_Admin" in done.stdout, done.stderr
    done = subprocess.run(
        [sys.executable, "-I", "-S", assets.MAIN, "whoami", "boss"], env=home.env, capture_output=True, text=True
    )
    assert "111111111111:assumed-role/AWSReservedSSO_Admin" in done.stdout, done.stderr
    shell = f'eval "$({sys.executable} -I -S {assets.MAIN} init bash)"; awsenv use boss; echo "$AWS_PROFILE,$AWSENV_PROFILE,$AWS_REGION"'
    done = subprocess.run(["bash", "--norc", "-c", shell], env=home.env, capture_output=True, text=True)
    assert done.stdout == f",boss,{REGION}\n", done.stderr


def test_arrows_and_tab_choose_several_which_get_their_usual_names(home):
    home.write(THEIRS + home.session())
    home.log_in("corp")
    sitting = home.sit()
    sitting.answer("sso-session (corp, or a new name) [corp]:", "")
    sitting.press("3 of 3", "\t\x1b[B\t\r")
    sitting.answer("(empty: none):", "")
    sitting.answer("Write this? [y/N]", "y")
    assert sitting.end() == 0
    assert home.text().startswith(THEIRS + home.session())
    assert set(AwsConfig(home.config.read_bytes(), b"", "c", "d").names()) == {
        "default",
        "Data-Lab-EU-Analyst",
        "prod-View",
    }


def test_a_wrong_answer_is_asked_again_with_a_word_why(home):
    home.write("[profile there]\nregion = x\n")
    sitting = home.sit()
    for wrong, why in (
        ("", "such as https://"),
        ("http://x.awsapps.com", "begin with https://"),
        ("https://a b/", "https://"),
    ):
        sitting.answer("start URL of the portal:", wrong)
        sitting.child.expect_exact(why)
    sitting.answer("start URL of the portal:", home.url)
    for wrong, why in (("", "such as"), ("eu-west-11", "eu-west-1"), ("EU", "no region")):
        sitting.answer("region of the portal:", wrong)
        sitting.child.expect_exact(why)
    sitting.answer("region of the portal:", REGION)
    for wrong in ("a]b", "x\x16\x1b]0;y", "-x", "it's", "a #b"):
        sitting.answer("name of the sso-session", wrong)
        sitting.child.expect(r"can't be")
    sitting.answer("name of the sso-session", "corp")
    for wrong, why in (("aws:x", "tells of no accounts"), ("sso:account:access, [x]", "words like")):
        sitting.answer("registration scopes", wrong)
        sitting.child.expect_exact(why)
    sitting.answer("registration scopes", "sso:account:access, aws:x")
    sitting.press("3 of 3", "nowhere\r")
    sitting.press("nothing fits", "\x15Data\r")
    for wrong, why in (("there", "already"), ("a]b", "can't be"), ("-x", "can't be")):
        sitting.answer("name of the profile", wrong)
        sitting.child.expect_exact(why)
    sitting.answer("name of the profile", "two words")
    sitting.answer("(empty: none):", "moon-west-1")
    sitting.child.expect_exact("no region")
    sitting.answer("(empty: none):", "")
    sitting.answer("Write this? [y/N]", "y")
    sitting.child.expect_exact("next: awsenv use 'two words'")
    assert sitting.end() == 0
    assert (
        "sso_registration_scopes = sso:account:access,aws:x\n" in home.text() and '[profile "two words"]' in home.text()
    )
    assert home.read_by_botocore()["profiles"]["two words"]["sso_role_name"] == "Analyst"


QUESTIONS = (
    ("start URL of the portal:", "{url}\r"),
    ("region of the portal:", "eu-west-1\r"),
    ("name of the sso-session", "\r"),
    ("registration scopes", "\r"),
    ("the code there must be", ""),
    ("type to search", "view\r"),
    ("name of the profile", "\r"),
    ("(empty: none):", "\r"),
    ("Write this? [y/N]", "y\r"),
)


@pytest.mark.parametrize("stop", range(len(QUESTIONS)))
def test_ctrl_c_at_any_question_writes_nothing_and_leaves_the_terminal_as_it_was(home, stop, monkeypatch):
    if QUESTIONS[stop][0].startswith("the code"):
        monkeypatch.setattr(home.fake, "approve_after_polls", None)
    theirs = home.write(THEIRS)
    sitting = home.sit()
    for question, keys in QUESTIONS[:stop]:
        sitting.press(question, keys.format(url=home.url))
    sitting.press(QUESTIONS[stop][0], "\x03")
    assert sitting.end() == 130
    assert home.text() == theirs


@pytest.mark.parametrize(
    ("question", "key"), [("type to search", "\x1b"), ("start URL", "\x04"), ("type to search", "\x04")]
)
def test_esc_and_ctrl_d_stop_it_as_well(home, question, key):
    theirs = home.write(THEIRS)
    sitting = home.sit(*([] if question == "start URL" else ["--start-url", home.url, "--region", REGION, "--yes"]))
    sitting.press(question, key)
    assert sitting.end() == 130
    assert home.text() == theirs


def test_a_no_writes_nothing(home):
    theirs = home.write(THEIRS + home.session())
    home.log_in("corp")
    sitting = home.sit(
        "--account", "prod", "--role", "View", "--profile", "x", "--profile-region", "", "--session", "corp"
    )
    sitting.answer("Write this? [y/N]", "")
    sitting.child.expect_exact("nothing is changed")
    assert sitting.end() == 0 and home.text() == theirs


def test_a_file_that_changes_while_one_is_asked_is_left_alone(home):
    home.write(THEIRS)
    home.log_in("corp")
    sitting = home.sit("--session", "corp", "--start-url", home.url, "--region", REGION, "--scopes", "sso:account:access",
                       "--account", "prod", "--role", "View", "--profile", "x", "--profile-region", "")  # fmt: skip
    sitting.child.expect_exact("Write this?")
    home.write(THEIRS + "[profile late]\n")
    sitting.child.send("y\r")
    sitting.child.expect_exact("was changed meanwhile")
    assert sitting.end() == 7 and home.text() == THEIRS + "[profile late]\n"


def test_with_many_accounts_first_the_accounts_are_chosen_and_only_their_roles_asked_for(home):
    home.fake.portal(home.url, REGION, {f"{10**11 + n}": (f"team-{n:03d}", ["Admin", "View"]) for n in range(200)})
    home.write(home.session())
    home.log_in("corp")
    sitting = home.sit("--session", "corp")
    sitting.press("200 of 200", "team-12\t\t\r")
    sitting.press("4 of 4", "admin\x01\r")
    sitting.answer("(empty: none):", "")
    sitting.answer("Write this?", "y")
    assert sitting.end() == 0
    assert home.fake.count("ListAccountRoles") == 2
    assert {"team-120-Admin", "team-121-Admin"} <= set(home.read_by_botocore()["profiles"])


def test_a_profile_that_is_there_for_an_account_and_role_is_shown_beside_it(home):
    home.write(
        home.session() + "[profile old]\nsso_session = corp\nsso_account_id = 111111111111\nsso_role_name = View\n"
    )
    home.log_in("corp")
    sitting = home.sit("--session", "corp")
    sitting.child.expect(r"View +is old")
    sitting.child.send("\x03")
    assert sitting.end() == 130


def test_a_terminal_that_can_show_no_list_says_so(home):
    home.write(home.session())
    home.log_in("corp")
    sitting = home.sit("--session", "corp", TERM="dumb")
    sitting.child.expect_exact("can't show a list")
    sitting.child.expect_exact("--account")
    assert sitting.end() == 2


def test_after_a_no_the_login_that_was_made_for_it_is_ended_again(home):
    sitting = home.sit("--session", "!!", "--start-url", home.url, "--region", REGION, "--scopes", "sso:account:access",
                       "--account", "prod", "--role", "View", "--profile", "x", "--profile-region", "", "--device")  # fmt: skip
    sitting.answer("Write this? [y/N]", "")
    sitting.child.expect_exact("nothing is changed")
    assert sitting.end() == 0
    assert home.fake.count("Logout", 200) == 1
    assert not [path for path in (home.path / ".aws/sso/cache").glob("*.json") if "accessToken" in path.read_text()]


def test_what_is_there_already_is_not_written_a_second_time(home):
    home.write(home.session())
    home.log_in("corp")
    words = (
        "--session",
        "corp",
        "--account",
        "prod",
        "--role",
        "View",
        "--profile",
        "x",
        "--profile-region",
        "",
        "--yes",
    )
    assert home.type(*words).returncode == 0
    before = home.text()
    done = home.type(*words[:6], "--yes")
    assert done.returncode == 0 and "that is there already: x" in done.stderr and "awsenv use x" in done.stderr
    assert home.text() == before


# ---- By options alone -----------------------------------------------------------------------------------------------


def test_with_every_answer_nothing_is_asked_and_no_terminal_is_needed(home):
    done = home.type("--session", "corp", "--start-url", home.url, "--region", REGION, "--scopes", "sso:account:access",
                     "--account", "111111111111", "--role", "Admin", "--profile", "p", "--profile-region", "us-east-1",
                     "--device", "--no-browser", "--yes")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "+[profile p]\n" in done.stdout and "\x1b" not in done.stdout
    assert done.stdout.endswith("next: awsenv use p\n")
    new = NEW.format(session="corp", url=home.url, name="p", account="111111111111", role="Admin")
    assert home.text() == f"{new}region = us-east-1\n"


def test_yes_takes_every_default(home):
    done = home.type("--start-url", home.url, "--region", REGION, "--account", "data*", "--role", "analyst", "--yes")
    assert done.returncode == 0, done.stderr
    names = {"session": home.label, "name": "Data-Lab-EU-Analyst", "account": "222222222222", "role": "Analyst"}
    assert home.text() == NEW.format(url=home.url, **names)


@pytest.mark.parametrize(
    ("config", "words", "missing"),
    [
        ("", [], "--account A, --role R, --start-url URL, --region R, --yes"),
        ("", ["--yes", "--role", "x", "--start-url", "https://x"], "--account A, --region R"),
        ("one", ["--yes"], "--account A, --role R"),
        ("one", ["--yes", "--start-url", "URL"], "--account A, --role R"),
        ("one two", ["--yes", "--account", "x", "--role", "x"], "--session NAME"),
        ("one", ["--session", "new", "--account", "x", "--role", "x"], "--start-url URL, --region R, --yes"),
    ],
)
def test_without_a_terminal_what_is_missing_is_named_and_nothing_is_asked_of_aws(home, config, words, missing):
    theirs = home.write("".join(home.session(name) for name in config.split()))
    home.fake.forget()
    done = home.type(*(home.url if each == "URL" else each for each in words))
    assert done.returncode == 2 and f"still to be said: {missing}\n" in done.stderr
    assert home.text() == theirs and home.fake.calls == ()


def test_a_glob_takes_every_account_that_it_fits(home):
    home.run(session="corp", account="*", role="*")
    assert set(home.read_by_botocore()["profiles"]) == {"prod-Admin", "prod-View", "Data-Lab-EU-Analyst"}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"start_url": "http://x"}, "begin with https"),
        ({"start_url": "https://x/\n[profile y]"}, "https"),
        ({"region": "eu-west-11"}, "no region"),
        ({"scopes": "a b"}, "tells of no accounts"),
        ({"session": "a]b"}, "can't be the name"),
        ({"session": "-x"}, "can't be written"),
        ({"account": "prid"}, "no account prid"),
        ({"role": "Admn"}, "no role Admn"),
        ({"profile": "a\nb"}, "can't be the name"),
        ({"profile": "default"}, "already"),
        ({"profile_region": "moon"}, "no region"),
        ({"account": "*", "role": "*", "profile": "x"}, "3 were chosen"),
    ],
)
def test_an_option_that_cant_be_is_refused_and_nothing_changes(home, given, why):
    theirs = home.write(THEIRS)
    with pytest.raises(Usage, match=why) as caught:
        home.run(**given)
    assert caught.value.hint and home.text() == theirs


def test_a_misspelt_account_or_role_is_answered_by_the_nearest(home):
    for given, hint in (({"account": "prdo"}, "prod"), ({"role": "Admn"}, "Admin")):
        with pytest.raises(Usage) as caught:
            home.run(**given)
        assert caught.value.hint == f"did you mean {hint}?"


def test_somebody_with_nothing_is_told_so(home):
    home.fake.portal(home.url, REGION, {})
    with pytest.raises(Config, match="no accounts"):
        home.run(account="*", role="x")


# ---- Which session --------------------------------------------------------------------------------------------------


def test_a_session_that_is_there_is_used_as_it_stands(home):
    theirs = home.write(
        THEIRS + home.session().replace("\n", "\r\n") + "sso_registration_scopes = sso:account:access, x:y"
    )
    home.log_in("corp")
    home.run(start_url=None, region=None)
    profile = "[profile prod-Admin]\r\nsso_session = corp\r\nsso_account_id = 111111111111\r\nsso_role_name = Admin\r\n"
    assert home.text() == f"{theirs}\r\n\r\n{profile}"
    assert home.fake.count("RegisterClient") == 0, "the login that is there was used"


def test_a_start_url_that_a_session_has_means_that_session(home):
    theirs = home.write(home.session())
    home.log_in("corp")
    home.run()
    assert home.text().startswith(theirs) and home.text().count("[sso-session") == 1


@pytest.mark.parametrize(
    "given", [{"start_url": "https://other.awsapps.com/start"}, {"region": "us-east-1"}, {"scopes": "x:y"}]
)
def test_an_option_that_contradicts_the_section_is_refused(home, given):
    theirs = home.write(home.session())
    with pytest.raises(Usage, match="is there already") as caught:
        home.run(**{"session": "corp", "start_url": None, "region": None, **given})
    assert caught.value.where is not None and caught.value.where.line == 1 and home.text() == theirs


def test_a_login_of_another_portal_under_that_name_is_not_used(home):
    other = home.url.replace("https://", "https://other-")
    home.fake.portal(other, REGION, {"999999999999": ("theirs", ["Admin"])})
    home.log_in("corp", other)
    home.fake.forget()
    home.run(logged_in=False, session="corp")
    assert home.fake.count("RegisterClient") == 1
    assert home.read_by_botocore()["profiles"]["prod-Admin"]["sso_account_id"] == "111111111111"


def test_a_new_session_gets_a_name_of_its_own(home):
    home.write(f"[sso-session {home.label}]\nsso_start_url = https://x.awsapps.com/start\nsso_region = {REGION}\n")
    home.run()
    assert f"[sso-session {home.label}-2]" in home.text()


def world_of(home: Home) -> World:
    return World({"HOME": str(home.path)}, str(home.path), str(home.config), f"{home.path}/c", None, "me")


REGIONS = {"aws": ("eu-west-1", "us-east-1"), "aws-cn": ("cn-north-1",), "aws-us-gov": ("us-gov-west-1",)}


def portal(home: Home, url: str, region: str, leads_to: str | None = None) -> tuple[str, str]:
    """What becomes of these two answers at the real AWS, where *url* redirects to *leads_to*."""
    ports = SimpleNamespace(
        aws=SimpleNamespace(regions=lambda: REGIONS, redirect_of=lambda asked: leads_to), asker=None
    )
    request = Request(start_url=url, region=region)
    world = world_of(home)
    return verb._portal(world, Reading.of(world), request, ports, Talk(None, True))


@pytest.mark.parametrize(
    ("url", "region", "leads_to"),
    [
        ("https://corp.awsapps.com/start/", "eu-west-1", None),
        ("https://ssoins-1.portal.eu-west-1.app.aws", "eu-west-1", None),
        ("https://start.awsapps.cn/directory/d-1", "cn-north-1", None),
        ("https://sso.example.com/", "eu-west-1", "https://corp.awsapps.com/start"),
        ("https://sso.example.com", "eu-west-1", "https://ssoins-1.portal.eu-west-1.app.aws/?x"),
    ],
)
def test_a_start_url_is_kept_as_it_was_written(home, url, region, leads_to):
    assert portal(home, url, region, leads_to) == (url, region)


@pytest.mark.parametrize(
    ("url", "region", "leads_to", "why"),
    [
        ("https://corp.awsapps.com/start", "cn-north-1", None, "no portal of the partition"),
        ("https://corp.awsapps.com.evil.example/start", "eu-west-1", None, "no start URL of AWS"),
        ("https://sso.example.com/", "eu-west-1", "https://evil.example/", "leads to"),
        ("https://sso.example.com/", "us-east-1", "https://ssoins-1.portal.eu-west-1.app.aws", "is in eu-west-1"),
        ("https://user@corp.awsapps.com/start", "eu-west-1", None, "begin with https"),
    ],
)
def test_a_start_url_that_is_not_aws_s_is_refused(home, url, region, leads_to, why):
    with pytest.raises(Usage, match=why):
        portal(home, url, region, leads_to)


def test_the_region_stands_in_the_newer_start_urls():
    assert answers.region_in("https://ssoins-72.portal.us-gov-west-1.app.aws/start") == "us-gov-west-1"
    assert answers.region_in("https://ssoins-72.eu-west-1.portal.amazonaws.com") == "eu-west-1"
    assert answers.region_in("https://d-12.awsapps.com/start#eu-west-1") is None


# ---- What is written ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "theirs", ["", "\n", "# a comment", "[default]\nregion = x", "[default]\r\nregion = x\r\n", "\ufeff[default]\n"]
)
def test_not_a_byte_of_what_was_there_changes(home, theirs):
    home.write(theirs)
    home.run(session="corp")
    assert home.text().startswith(theirs)
    newline = "\r\n" if "\r\n" in theirs else "\n"
    new = NEW.format(session="corp", url=home.url, name="prod-Admin", account="111111111111", role="Admin")
    assert home.text().endswith(new.replace("\n", newline))


def test_behind_a_block_of_import_it_stands_outside_and_the_block_still_works(home):
    home.write(home.session())
    home.log_in("corp")
    argv = [sys.executable, "-I", "-S", assets.MAIN, "sso", "import", "corp", "--yes", "--account", "data*"]
    assert subprocess.run(argv, env=home.env, capture_output=True, timeout=60).returncode == 0
    before = home.text()
    home.run(start_url=None, region=None)
    assert home.text().startswith(before)
    block = config_writer.find_block(home.text(), "corp", "config")
    assert block is not None and "prod-Admin" not in home.text()[block.start : block.end]
    assert subprocess.run(argv, env=home.env, capture_output=True, timeout=60).returncode == 0
    assert "[profile prod-Admin]" in home.text()


def test_the_mode_and_a_link_stay(home):
    home.write(THEIRS)
    real = home.path / "real"
    home.config.rename(real)
    real.chmod(0o640)
    home.config.symlink_to(real)
    home.run()
    assert (
        home.config.is_symlink() and real.stat().st_mode & 0o777 == 0o640 and "[profile prod-Admin]" in real.read_text()
    )


def test_what_cant_be_written_is_said_before_anything_is_asked(home):
    home.write(THEIRS)
    os.link(home.config, home.path / "second")
    home.fake.forget()
    with pytest.raises(Storage, match="hard link"):
        home.run()
    assert home.fake.calls == ()


def test_a_name_of_the_credentials_file_is_never_taken(home):
    home.write("")
    (home.path / ".aws/credentials").write_text("[prod-Admin]\naws_access_key_id = x\naws_secret_access_key = y\n")
    with pytest.raises(Usage, match="already"):
        home.run(profile="prod-Admin")
    home.run()
    assert "[profile prod-Admin-111111111111]" in home.text()


SAFE_IN_A_URL = {pid: text for pid, text in PAYLOADS.items() if "\udcff" not in text}


def test_no_name_of_a_portal_reaches_a_header_a_key_or_a_terminal(home):
    home.fake.portal(
        home.url, REGION, {f"{10**11 + n}": (text, ["Admin"]) for n, text in enumerate(SAFE_IN_A_URL.values())}
    )
    done = home.type(
        "--session", "corp", "--start-url", home.url, "--region", REGION, "--account", "*", "--role", "*", "--yes"
    )
    assert done.returncode == 0, done.stderr
    assert not has_controls((done.stdout + done.stderr).replace("\n", ""))
    config = AwsConfig(home.config.read_bytes(), b"", "c", "d")
    assert config.damage() == [] and config.section_names("sso-session") == ["corp"]
    assert len(config.names()) == len(SAFE_IN_A_URL)
    for name in config.names():
        assert re.fullmatch(r"[A-Za-z0-9_.@+-]+", name) and name[0] not in "-."
        assert set(config.profile(name).settings) == {"sso_session", "sso_account_id", "sso_role_name"}


def test_no_name_of_a_portal_reaches_the_list_unfiltered(home):
    home.fake.portal(home.url, REGION, {"111111111111": ("\x1b]0;OWNED\x07\x9b31m\u202etxt", ["Admin", "View"])})
    home.write(home.session())
    home.log_in("corp")
    sitting = home.sit("--session", "corp")
    sitting.child.expect_exact("\\x1b]0;OWNED\\x07\\x9b31m\\u202etxt")
    assert "\x1b]" not in sitting.child.before and "\u202e" not in sitting.child.before
    sitting.child.send("\x03")
    assert sitting.end() == 130


@pytest.mark.parametrize("option", ["session", "profile"])
@pytest.mark.parametrize("pid", PAYLOADS)
def test_a_hostile_name_is_written_exactly_or_not_at_all(home, pid, option):
    theirs, name = home.write(THEIRS), PAYLOADS[pid]
    try:
        home.run(**{option: name})
    except AwsenvError:
        assert home.text() == theirs
        return
    config = AwsConfig(home.config.read_bytes(), b"", "c", "d")
    stripped = name.strip()
    assert config.damage() == []
    if option == "profile":
        assert config.names() == ["default", stripped] and config.section_names("sso-session") == [home.label]
    else:
        assert config.section_names("sso-session") == [stripped]
        assert config.profile("prod-Admin").settings["sso_session"].value == stripped
    botocores = home.read_by_botocore()
    assert stripped in (botocores["profiles"] if option == "profile" else botocores["sso_sessions"])
