"""`awsenv wrap`: what stands in the config file, what is refused, and AWS's own tools renewing by it."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import botocore.compat
import botocore.session
import pexpect
import pytest

from awsenv import assets, config_writer, wrapping
from awsenv.commands import wrap as verb
from awsenv.commands.wrap import Request
from awsenv.config import AwsConfig
from awsenv.config_writer import WRAP
from awsenv.demo.house import MFA_CODE
from awsenv.errors import Config, Storage, UnknownProfile, Usage
from awsenv.model import Outcome, Plan
from awsenv.plan import build
from awsenv.proposal import Face
from awsenv.world import World
from tests.bench.scene import ROLE, SSO, STATIC, Scene, furnished
from tests.payloads import PAYLOADS
from tests.test_end_to_end import shell_in

PROGRAM = ("/opt/a'b c/bin/awsenv",)
BEGIN, END = config_writer.marks(wrapping.BLOCK, WRAP)


# ---- The command ----------------------------------------------------------------------------------------------------


def said(name: str, program: tuple[str, ...] = PROGRAM) -> str | None:
    """The command, or None where it is refused."""
    try:
        return wrapping.command(program, name)
    except Config:
        return None


SAYABLE = [
    *PAYLOADS.values(),
    "fuga",
    "a b",
    "it's",
    "-x",
    "--",
    "-",
    "a;b",
    "x;",
    "\\",
    '"',
    "''",
    "a\\'b",
    "$HOME",
    "=",
    "~",
    "a=b",
]


@pytest.mark.parametrize(
    "program", [PROGRAM, ("/bin/awsenv",), ("/usr/bin/python3", "-I", "-S", "/a b/awsenv/__main__.py")]
)
def test_every_reader_of_the_file_starts_exactly_what_was_meant(program, tmp_path):
    shown, counted = tmp_path / "shown", 0
    for name in SAYABLE:
        value = said(name, program)
        if value is None:
            continue
        counted += 1
        file = f"[profile w]\ncredential_process = {value}\n".encode()
        config = AwsConfig(file, b"", "c", "")
        assert config.profile("w").settings["credential_process"].value == value
        words = botocore.compat.compat_shell_split(value)
        assert tuple(words[: len(program)]) == program and wrapping.target(words) == name
        # Go, Java, JavaScript, Rust: a shell. NUL between the words, since a name may hold anything else.
        script = f"show() {{ printf '%s\\0' \"$@\" >'{shown}'; }}; show {value}"
        subprocess.run(["sh", "-c", script], check=True, cwd=tmp_path)
        assert shown.read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1] == words
    assert counted > 40
    assert not list(tmp_path.glob("PWN"))


@pytest.mark.parametrize("name", ["", "a\nb", "nul\0", "\x1b[2J", "a #b", "a ;b", "bad\udcff", "\u2028", "prod\rdev"])
def test_a_name_that_cannot_be_said_exactly_is_refused(name):
    assert said(name) is None


def test_a_quote_at_both_ends_which_some_readers_would_strip_is_refused():
    assert said("-a b", ("/opt/a b/awsenv",)) is None and said("-a b", ("/opt/awsenv",)) is not None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("/usr/bin/awsenv export fuga --format process", "fuga"),
        ("awsenv export --format=json fuga", "fuga"),
        ("awsenv export --format process -- '-x y'", "-x y"),
        ("/p/python -I -S /x/awsenv/__main__.py export fuga --format json", "fuga"),
        ("/usr/bin/awsenv export fuga", None),  # prints for a shell
        ("/usr/bin/awsenv export fuga --format process --duration 2h", None),  # another identity than fuga
        ("/usr/bin/awsenv export fuga --format process --region eu-west-1", None),
        ("/usr/bin/awsenv export fuga --format process --fresh", None),
        ("/usr/bin/awsenv export fuga hoge --format process", None),
        ("/usr/bin/awsenv use fuga --format process", None),
        ("/usr/bin/awsenv2 export fuga --format process", None),
        ("env awsenv export fuga --format process", None),
        ("awsenv", None),
        ("awsenv export 'fuga --format process", None),
        ("", None),
    ],
)
def test_awsenvs_own_command_is_told_from_others(value, name):
    assert wrapping.asked_for(value) == name


# ---- A plan for a wrapped profile -----------------------------------------------------------------------------------

TOWN = """\
[profile base]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = x
mfa_serial = arn:aws:iam::111111111111:mfa/me
[profile role]
role_arn = arn:aws:iam::222222222222:role/R
source_profile = base
region = eu-west-1
[profile w]
credential_process = /bin/awsenv export role --format process
region = eu-north-1
[profile ww]
credential_process = /bin/awsenv export w --format process
[profile wu]
credential_process = /bin/awsenv export base --format process
[profile over]
role_arn = arn:aws:iam::333333333333:role/S
source_profile = wu
[profile circle]
credential_process = /bin/awsenv export circle2 --format process
[profile circle2]
credential_process = /bin/awsenv export circle --format process
[profile nowhere]
credential_process = /bin/awsenv export rolle --format process
[profile keys-first]
role_arn = arn:aws:iam::444444444444:role/T
source_profile = base
credential_process = /bin/awsenv export role --format process
"""


def plan(name: str, **more: object) -> Plan:
    config = AwsConfig(TOWN.encode(), b"", "c", "")
    return build(config, name, env={}, session_name="me", **more)  # type: ignore[arg-type]


def test_awsenv_starts_no_process_of_itself():
    inner = plan("role")
    for name, wraps in (("w", "role"), ("ww", "w")):
        outer = plan(name)
        assert outer.steps == inner.steps and (outer.profile, outer.wraps) == (name, wraps)
    assert plan("w").region == "eu-north-1" and plan("w", region="us-east-1").region == "us-east-1"
    assert plan("wu").steps == plan("base").steps, "the user with MFA, as the process would be"


def test_a_wrapped_source_is_what_the_process_would_be():
    steps = plan("over").steps
    assert steps[:-1] == plan("base").steps and steps[-1].profile == "over"


def test_options_go_to_the_last_role_of_what_is_wrapped():
    assert plan("w", duration=7200).steps == plan("role", duration=7200).steps
    assert plan("keys-first").wraps is None, "another source comes first"


def test_circles_and_unknown_names_are_said_with_their_line():
    with pytest.raises(Config, match="its own profile: circle → circle2 → circle") as caught:
        plan("circle")
    assert caught.value.where is not None and caught.value.where.line == 22
    with pytest.raises(UnknownProfile, match='no profile "rolle"') as caught:
        plan("nowhere")
    assert caught.value.where is not None and caught.value.where.line == 24


# ---- The block ------------------------------------------------------------------------------------------------------

THEIRS = """\
# mine
[default]
region = eu-central-1   # home

[profile prod]
role_arn = arn:aws:iam::999999999999:role/Mine
source_profile = base
external_id = secret-ish
mfa_serial = arn:aws:iam::111111111111:mfa/me
region = eu-west-1 # close
output = json
use_fips_endpoint = true
s3 =
    max_concurrent_requests = 3
    addressing_style = path

[profile base]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = abc

[profile taken-awsenv]
region = eu-west-1
[profile taken]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = abc
"""


class Home:
    """A home with a config file, and no AWS."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / ".aws").mkdir(parents=True)
        self.config = path / ".aws/config"
        self.config.write_text(THEIRS)
        self.env = {"HOME": str(path), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "xterm"}
        self.env |= {"XDG_RUNTIME_DIR": "/nonexistent"}

    def run(self, *profiles: str, yes: bool = True, face: Face = Face(), **options) -> Outcome:  # noqa: B008
        """The verb in this process."""
        store = f"{self.path}/store"
        world = World(self.env, str(self.path), str(self.config), f"{self.path}/.aws/credentials", store, "me")
        return verb.run(world, Request(profiles, yes=yes, **options), face)

    def type(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """`awsenv wrap WORDS` where there is no terminal."""
        return subprocess.run(
            [sys.executable, "-I", "-S", assets.MAIN, "wrap", *words],
            env=self.env | env, stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True, timeout=60,
        )  # fmt: skip

    def sit(self, *words: str) -> "pexpect.spawn[str]":
        """The same at a terminal."""
        argv = ["-I", "-S", assets.MAIN, "wrap", *words]
        child = pexpect.spawn(sys.executable, argv, env=self.env, encoding="utf-8", timeout=30, dimensions=(50, 150))
        child.delaybeforesend = None
        return child

    def profiles(self) -> dict[str, dict[str, object]]:
        """What botocore reads in the block."""
        session = botocore.session.Session(session_vars={"config_file": (None, None, str(self.config), None)})
        found: dict[str, dict[str, object]] = session.full_config["profiles"]
        mine = {"default", "prod", "base", "taken", "taken-awsenv"}
        return {name: settings for name, settings in found.items() if name not in mine}


@pytest.fixture
def home(tmp_path) -> Iterator[Home]:
    yield Home(tmp_path / "person")


def process(name: str) -> str:
    return " ".join(
        map(shlex.quote, (*verb.program(World({}, "/", "", "", None, "")), "export", name, "--format", "process"))
    )


def test_a_wrapped_profile_asks_awsenv_and_has_all_settings_that_do_not_say_who_it_is(home):
    outcome = home.run("prod", "base")
    assert home.profiles() == {
        "prod-awsenv": {
            "region": "eu-west-1", "output": "json", "use_fips_endpoint": "true",
            "s3": {"max_concurrent_requests": "3", "addressing_style": "path"}, "credential_process": process("prod"),
        },
        "base-awsenv": {"credential_process": process("base")},
    }  # fmt: skip
    text = home.config.read_text()
    assert text.startswith(THEIRS + BEGIN) and text.endswith(END + "\n")
    assert f"+credential_process = {process('prod')}\n" in outcome.stdout, "our own line is shown whole"
    assert "2 profiles added in ~/.aws/config" in outcome.stdout and "next: AWS_PROFILE=prod-awsenv" in outcome.stdout


def test_what_a_person_wrote_is_shown_as_little_as_ever(home):
    home.config.write_text(THEIRS + "credential_process = /bin/tool --password hunter2\n")
    shown = home.run("prod").stdout
    assert "hunter2" not in shown and "secret-ish" not in shown and "@@ line" in shown


def test_a_second_run_changes_nothing_and_a_bare_one_writes_all_anew(home):
    home.run("prod")
    before = home.config.read_bytes(), home.config.stat().st_mtime_ns
    for names in (("prod",), ()):
        assert "has all of that already: 1 profile" in home.run(*names).notes[-1]
    assert (home.config.read_bytes(), home.config.stat().st_mtime_ns) == before
    home.config.write_text(home.config.read_text().replace("region = eu-west-1 # close", "region = eu-west-3"))
    assert "1 profile changed" in home.run().stdout
    assert home.profiles()["prod-awsenv"]["region"] == "eu-west-3"


def test_the_block_moves_with_awsenv(home):
    home.run("prod")
    home.config.write_text(
        home.config.read_text().replace(process("prod"), "/old/bin/awsenv export prod --format process")
    )
    home.run()
    assert home.profiles()["prod-awsenv"]["credential_process"] == process("prod")


def test_names_are_given_once(home):
    home.run("prod", names="{profile}-tf")
    assert any("keep their names" in note for note in home.run("prod", "base", names="x-{profile}").notes)
    assert set(home.profiles()) == {"prod-tf", "x-base"}
    home.run("taken", names="mine")
    assert set(home.profiles()) == {"prod-tf", "x-base", "mine"}


@pytest.mark.parametrize(
    ("profiles", "names"),
    [(("prod", "base"), "x"), (("prod",), "{role}"), (("prod",), "{"), (("prod",), "{profile!r}")],
)
def test_a_template_that_names_nothing_is_a_usage_error(home, profiles, names):
    with pytest.raises(Usage, match="--names"):
        home.run(*profiles, names=names)
    assert home.config.read_text() == THEIRS


def test_no_profile_is_shadowed(home):
    with pytest.raises(Config, match="is another profile's name") as caught:
        home.run("taken")
    assert caught.value.where is not None and "--names" in str(caught.value.hint)
    for names in ("{profile}", "default", ""):
        with pytest.raises((Config, Usage)):
            home.run("prod", names=names)
    (home.path / ".aws/credentials").write_text("[prod-awsenv]\naws_access_key_id = a\naws_secret_access_key = b\n")
    with pytest.raises(Config, match="is another profile's name"):
        home.run("prod")
    home.run("prod", names="mine")
    with pytest.raises(Config, match="is another profile's name"):
        home.run("base", names="mine")
    assert set(home.profiles()) == {"mine"}


def test_what_is_wrapped_is_not_wrapped_again(home):
    home.run("prod")
    home.config.write_text(f"{home.config.read_text()}\n[profile by-hand]\ncredential_process = {process('prod')}\n")
    before = home.config.read_bytes()
    for name in ("prod-awsenv", "by-hand"):
        with pytest.raises(Config, match='asks awsenv for "prod" already'):
            home.run(name)
    with pytest.raises(UnknownProfile):
        home.run("nobody")
    assert home.config.read_bytes() == before


def test_what_is_gone_is_said_and_pruned_on_request(home):
    home.run("prod", "base")
    text = home.config.read_text()
    home.config.write_text(text.replace("[profile prod]", "[profile prod2]", 1))
    assert any('asks for "prod", which is no more' in note for note in home.run().notes)
    assert "prod-awsenv" in home.profiles()
    assert "1 profile removed" in home.run(prune=True).stdout
    assert "prod-awsenv" not in home.profiles() and "base-awsenv" in home.profiles()


@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
def test_removing_leaves_what_was_there_before(home, end):
    home.config.write_bytes((THEIRS.rstrip("\n") + end).encode())
    before = home.config.read_bytes()
    home.run("prod", "base")
    home.run("prod-awsenv", remove=True)
    assert set(home.profiles()) == {"base-awsenv"}
    home.run("base", remove=True)
    assert home.config.read_bytes() == before
    home.run("prod", "base")
    home.run(remove=True)
    assert home.config.read_bytes() == before
    with pytest.raises(Usage):
        home.run(remove=True)


def test_removing_what_is_not_wrapped_is_a_usage_error(home):
    home.run("prod")
    with pytest.raises(Usage, match='"base" is not wrapped'):
        home.run("base", remove=True)
    for more in ({"prune": True}, {"names": "x"}):
        with pytest.raises(Usage):
            home.run("prod", remove=True, **more)


def test_beside_a_block_of_sso_import_each_keeps_its_own(home):
    begin, end = config_writer.marks("corp")
    imported = f"{begin}\n{config_writer.IMPORT.about}\n[profile i]\nsso_session = corp\n\n{end}\n"
    home.config.write_text(THEIRS + imported)
    home.run("prod")
    text = home.config.read_text()
    assert text.startswith(THEIRS + imported + BEGIN)
    assert config_writer.find_block(text, "corp", "c") is not None
    home.run(remove=True)
    assert home.config.read_text() == THEIRS + imported


@pytest.mark.parametrize("damage", ["foreign", "mark", "twice"])
def test_a_block_that_was_changed_by_hand_is_left_alone_and_named(home, damage):
    home.run("prod", "base")
    text = home.config.read_text()
    if damage == "foreign":
        text = text.replace(f"\n{END}", f"\n[profile x]\nregion = a\n\n{END}")
    elif damage == "mark":
        text = text.replace(END, END[:-3])
    else:
        text = text.replace("export base", "export prod")
    home.config.write_text(text)
    with pytest.raises(Config) as caught:
        home.run("base")
    assert caught.value.where is not None and home.config.read_text() == text


def test_through_a_link_the_file_behind_it_changes(home):
    real = home.path / "dotfiles"
    home.config.rename(real)
    home.config.symlink_to(real)
    home.run("prod")
    assert home.config.is_symlink() and real.read_text().startswith(THEIRS + BEGIN)


def test_a_file_that_cannot_be_written_is_said_before_the_question(home, monkeypatch):
    monkeypatch.setattr(config_writer, "obstacle", lambda target: "Read-only file system")
    with pytest.raises(Storage, match="Read-only"):
        home.run("prod", yes=False)


# ---- Asking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "status"), [("\x03", 130), ("\x04", 0), ("n\n", 0), ("\n", 0), ("yes please\n", 0)])
def test_anything_but_yes_leaves_the_file_as_it_is_to_the_byte(home, answer, status):
    before = home.config.read_bytes(), home.config.stat().st_mtime_ns
    child = home.sit("prod")
    child.expect_exact("will be added in ~/.aws/config. Write this? [y/N] ")
    child.send(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == status, child.before
    assert (home.config.read_bytes(), home.config.stat().st_mtime_ns) == before
    assert "nothing" in child.before and "Traceback" not in child.before


def test_a_yes_writes_what_was_shown_in_colour(home):
    child = home.sit("prod")
    child.expect_exact("\x1b[32m+[profile prod-awsenv]\x1b[0m")
    child.expect_exact("[y/N] ")
    child.send("y\n")
    child.expect_exact("1 profile added")
    child.expect(pexpect.EOF)
    assert set(home.profiles()) == {"prod-awsenv"}


def test_without_a_terminal_nothing_happens_unless_told(home):
    done = home.type("prod")
    assert done.returncode == 2 and "awsenv wrap prod --yes" in done.stderr
    dry = home.type("prod", "--dry-run")
    assert dry.returncode == 0 and "would be added" in dry.stdout
    assert home.type().returncode == 2
    assert home.config.read_text() == THEIRS
    assert home.type("prod", "--yes").returncode == 0 and "prod-awsenv" in home.profiles()


def test_json_writes_only_with_yes(home):
    done = home.type("prod", "--json")
    (row,) = json.loads(done.stdout)
    assert row == {
        "profile": "prod-awsenv", "asks_for": "prod", "state": "added", "region": "eu-west-1",
        "credential_process": process("prod"),
    }  # fmt: skip
    assert home.config.read_text() == THEIRS
    assert json.loads(home.type("prod", "--json", "--yes").stdout) == [row] and "prod-awsenv" in home.profiles()
    assert json.loads(home.type("prod", "--json").stdout) == [{**row, "state": "kept"}]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_hostile_name_is_wrapped_exactly_or_refused(home, payload):
    name = PAYLOADS[payload]
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    section = f'[profile "{quoted}"]\naws_access_key_id = AKIA\naws_secret_access_key = b\n'
    home.config.write_bytes(f"{THEIRS}{section}".encode("utf-8", "surrogateescape"))
    before = home.config.read_bytes()
    try:
        outcome = home.run(name, names="hostile")
    except (Config, Usage):
        assert home.config.read_bytes() == before
        return
    value = home.profiles()["hostile"]["credential_process"]
    assert isinstance(value, str) and botocore.compat.compat_shell_split(value)[-3:].count(name) == 1
    assert all(c.isprintable() or c == "\n" for c in outcome.stdout)
    home.run(remove=True)
    assert home.config.read_bytes() == before


def test_it_finds_the_awsenv_that_is_installed_and_no_other(home, tmp_path):
    (tmp_path / "bin").mkdir()
    other = tmp_path / "bin/awsenv"
    other.write_text(f"#!{os.path.dirname(sys.executable)}/python3\nfrom awsenv.cli import main\n")
    other.chmod(0o755)
    world = World({"PATH": f"{tmp_path}/bin"}, "/", "", "", None, "")
    assert verb.program(world) != (str(other),), "another project's"
    other.write_text("#!/elsewhere/bin/python3\nfrom awsenv.__main__ import console\n")
    assert verb.program(world) != (str(other),), "another installation's"
    other.write_text(f"#!{os.path.dirname(sys.executable)}/python3\nfrom awsenv.__main__ import console\n")
    assert verb.program(world) == (str(other),)
    other.chmod(0o644)
    assert verb.program(world) != (str(other),)


def test_what_takes_a_person_is_said_when_it_is_wrapped(home):
    assert any("takes an MFA code" in note and "awsenv use prod" in note for note in home.run("prod").notes)
    assert not home.run("base").notes


# ---- AWS's own tools ------------------------------------------------------------------------------------------------


@pytest.fixture
def scene(fake, tmp_path) -> Iterator[Scene]:
    fake.forget()
    yield furnished(tmp_path / "home", fake)
    fake.session_seconds = None
    fake.forget()


def wrap(scene: Scene, *names: str) -> None:
    argv = [sys.executable, "-I", "-S", assets.MAIN, "wrap", *names, "--yes"]
    done = subprocess.run(argv, env=scene.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


TWO = """
import boto3, sys
for name in sys.argv[1:]:
    session = boto3.Session(profile_name=name)
    print(session.region_name, session.client("sts").get_caller_identity()["Arn"])
"""


def test_boto3_is_two_wrapped_profiles_in_one_process_as_terraform_is(scene, fake):
    wrap(scene, ROLE, SSO)
    argv = [sys.executable, "-c", TWO, f"{ROLE}-awsenv", f"{SSO}-awsenv"]
    for _ in range(2):
        done = subprocess.run(argv, env=scene.env, capture_output=True, text=True)
        first, second = done.stdout.splitlines()
        assert ":assumed-role/Operator/awsenv-" in first and first.startswith("ap-northeast-1 "), done.stderr
        assert ":assumed-role/AWSReservedSSO_AdministratorAccess_" in second
    assert (fake.count("AssumeRole"), fake.count("GetRoleCredentials")) == (1, 1), "the second process: from the store"


LONG = """
import boto3, sys, time
client = boto3.Session(profile_name=sys.argv[1]).client("sts")
keys, end = set(), time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    client.get_caller_identity()
    keys.add(client._request_signer._credentials.access_key)
    time.sleep(0.25)
print(len(keys))
"""


def test_a_long_program_outlives_several_credentials_and_pays_one_call_for_each(scene, fake):
    fake.session_seconds = 6
    wrap(scene, ROLE)
    done = subprocess.run(
        [sys.executable, "-c", LONG, f"{ROLE}-awsenv", "14"], env=scene.env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    seen, calls = int(done.stdout), fake.count("AssumeRole")
    assert 3 <= seen <= calls <= 6, "one is good for four seconds: neither one a request nor one for all"


def test_a_program_in_the_sdks_window_does_not_call_aws_for_each_request(scene, fake):
    fake.session_seconds = 960 + 3600  # outside at first
    wrap(scene, ROLE)
    fake.session_seconds = 900  # AWS's shortest: always inside botocore's window
    done = subprocess.run(
        [sys.executable, "-c", LONG, f"{ROLE}-awsenv", "4"], env=scene.env, capture_output=True, text=True
    )
    assert done.stdout == "1\n" and fake.count("AssumeRole") == 1, done.stderr


def test_what_needs_a_code_works_in_programs_after_use_and_says_so_before(scene):
    wrap(scene, "fuga")
    argv = [sys.executable, "-c", TWO, "fuga-awsenv"]
    done = subprocess.run(argv, env=scene.env, capture_output=True, text=True)
    assert done.returncode == 1 and "needs an MFA code" in done.stderr and "awsenv use fuga" in done.stderr
    use = [sys.executable, "-I", "-S", assets.MAIN, "use", "fuga", "--mfa-stdin"]
    env = {**scene.env, "AWSENV_SHIM": "bash:1"}
    assert subprocess.run(use, env=env, input=f"{MFA_CODE}\n", text=True, capture_output=True).returncode == 0
    done = subprocess.run(argv, env=scene.env, capture_output=True, text=True)
    assert ":assumed-role/SwitchedRole/" in done.stdout, done.stderr


def test_use_of_a_wrapped_profile_is_use_of_the_profile(scene, fake):
    wrap(scene, ROLE)
    fake.forget()
    for name in (ROLE, f"{ROLE}-awsenv"):
        argv = [sys.executable, "-I", "-S", assets.MAIN, "use", name]
        env = {**scene.env, "AWSENV_SHIM": "bash:1"}
        done = subprocess.run(argv, env=env, capture_output=True, text=True)
        assert f"AWSENV_PROFILE='{name}'" in done.stdout and "AWSENV_ROLE='Operator'" in done.stdout, done.stderr
    assert fake.count("AssumeRole") == 1


def test_profile_mode_of_a_wrapped_profile_is_what_it_is_for(scene):
    wrap(scene, "fuga", STATIC)
    argv = [sys.executable, "-I", "-S", assets.MAIN, "use", "fuga-awsenv", "--as", "profile"]
    done = subprocess.run(argv, env={**scene.env, "AWSENV_SHIM": "bash:1"}, capture_output=True, text=True)
    assert "AWS_PROFILE='fuga-awsenv'" in done.stdout, done.stderr


def test_in_a_real_shell_the_aws_cli_is_a_wrapped_profile(house, fake, shell_name, tmp_path):
    shell = shell_in(house, shell_name, tmp_path)
    place = furnished(tmp_path / "person", fake)
    shell.env |= {
        name: place.env[name]
        for name in ("HOME", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
        if name in place.env
    }
    cli = Path(sys.executable).parent / "aws"
    who = f"{cli} sts get-caller-identity --query Arn --output text"
    result = shell.run(
        f"awsenv wrap {ROLE} {SSO} --yes; env AWS_PROFILE={ROLE}-awsenv {who}; {who} --profile {SSO}-awsenv; "
        f"awsenv use {ROLE}-awsenv --as profile; {who}; awsenv off; awsenv wrap --remove --yes",
        timeout=120,
    )
    arns = [line for line in result.stdout.splitlines() if line.startswith("arn:")]
    assert [arn.split("/")[1].split("_")[0] for arn in arns] == ["Operator", "AWSReservedSSO", "Operator"], (
        result.stderr
    )
