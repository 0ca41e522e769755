"""credential_process: what programs print, how they fail, hang, prompt and recurse, and that their answer is kept."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import pexpect
import pytest

from awsenv import assets
from awsenv.errors import AwsenvError, Config, Unreachable
from awsenv.model import Origin, Where
from awsenv.runner import INSIDE, Programs, _Saying, environment, without_keys
from awsenv.sources.credential_process import CredentialProcess
from tests.test_end_to_end import CALLER, shell_in

PLACE = Where("config", 2)
NOW = 1_700_000_000.0
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
GOOD = {"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": SECRET}


class Ports:
    """What the step asks for, and no more: a runner that prints *printed*, and a gate that lets everything through."""

    def __init__(self, printed: object) -> None:
        self._printed = printed if isinstance(printed, bytes) else json.dumps(printed).encode()
        self.runner = self.trust = self.clock = self

    def now(self) -> float:
        return NOW

    def to_local(self, moment: float) -> float:
        return moment

    def require(self, *about: object) -> None: ...

    def check(self, *about: object) -> None: ...

    def answer(self, command, profile, where) -> bytes:
        return self._printed


def step(**fields) -> CredentialProcess:
    command = fields.pop("command", ("/opt/tool", "--password", "hunter2"))
    return CredentialProcess(profile="p", command=command, origin=Origin("config", "d"), where=PLACE, **fields)


def fetched(printed: object, **fields):
    return step(**fields).fetch(None, Ports(printed))


# What is printed


def test_keys_without_an_expiration_do_not_expire():
    got = fetched(GOOD)
    assert (got.access_key_id, got.secret_access_key, got.session_token) == ("AKIAPROCESS", SECRET, None)
    assert got.expires_at is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2023-11-14T23:13:20Z", 3600),
        ("2023-11-15T01:13:20+02:00", 3600),
        ("2023-11-14T18:13:20-0500", 3600),
        ("2023-11-14T23:13:20.851795+00:00", 3600.851795),
        ("2023-11-14T23:13:20.851795123Z", 3600.851795),
        ("2023-11-14 23:13:20+00:00", 3600),
        ("2023-11-14T23:13:20UTC", 3600),  # as the AWS CLI writes it in its own cache
    ],
)
def test_an_expiration_of_any_offset_is_the_same_moment(text, seconds):
    assert fetched(GOOD | {"Expiration": text}).expires_at == pytest.approx(NOW + seconds)


def test_the_account_is_the_programs_else_the_profiles():
    assert fetched(GOOD | {"AccountId": "222222222222"}, account_id="111111111111").account_id == "222222222222"
    assert fetched(GOOD, account_id="111111111111").account_id == "111111111111"
    assert fetched(GOOD).account_id is None


def test_an_empty_token_is_none():
    assert fetched(GOOD | {"SessionToken": "", "Expiration": None}).session_token is None


REFUSED = {
    "nothing": (b"", "prints nothing"),
    "no JSON": (f"AccessKeyId={SECRET}".encode(), "prints no JSON object"),
    "cut short": (json.dumps(GOOD)[:-1].encode(), "prints no JSON object"),
    "a list": ([GOOD], "prints no JSON object"),
    "nested beyond reason": (b"[" * 100_000, "prints no JSON object"),
    "not UTF-8": (b'{"Version": 1, "AccessKeyId": "\xff"}', "prints no JSON object"),
    "Version 2": (GOOD | {"Version": 2}, "another Version"),
    "Version in quotes": (GOOD | {"Version": "1"}, "another Version"),
    "Version true": (GOOD | {"Version": True}, "another Version"),
    "no Version": ({k: v for k, v in GOOD.items() if k != "Version"}, "no Version"),
    "no key": (GOOD | {"AccessKeyId": ""}, "no AccessKeyId"),
    "no secret": (GOOD | {"SecretAccessKey": None}, "no SecretAccessKey"),
    "a number for a secret": (GOOD | {"SecretAccessKey": 5}, "a SecretAccessKey that is no text"),
    "a newline in the token": (GOOD | {"SessionToken": "t\ntouch PWN"}, "control characters"),
    "an escape in the key": (GOOD | {"AccessKeyId": "A\x1b]0;x\x07"}, "control characters"),
    "a bidi override": (GOOD | {"SecretAccessKey": "a\u202eb"}, "control characters"),
    "a blank": (GOOD | {"SecretAccessKey": "a b"}, "blanks"),
    "expired": (GOOD | {"Expiration": "2023-11-14T21:13:20Z"}, "expired 60m ago"),
    "expires this second": (GOOD | {"Expiration": "2023-11-14T22:13:22Z"}, "expired"),
    "no time": (GOOD | {"Expiration": "tomorrow"}, "no time"),
    "an empty time": (GOOD | {"Expiration": ""}, "no time"),
    "a number": (GOOD | {"Expiration": 1700003600}, "no time"),
    "no offset": (GOOD | {"Expiration": "2023-11-14T23:13:20"}, "without its offset"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_f41_an_answer_that_is_none_is_refused_in_plain_words_without_quoting_it(case):
    printed, words = REFUSED[case]
    with pytest.raises(Config) as refused:
        fetched(printed)
    said = "\n".join(refused.value.lines())
    assert words in said.replace("1h", "60m") and "config:2" in said and "/opt/tool" in said
    assert SECRET not in said and "hunter2" not in said and "PWN" not in said


def test_the_command_is_shown_by_its_program_alone():
    shown = repr(step()) + step().title() + repr(step().settings)
    assert "/opt/tool" in shown and "hunter2" not in shown


def test_another_command_profile_or_account_is_another_identity():
    same = [
        step(),
        step(command=("/opt/tool", "--password hunter2")),
        step(command=("/opt/tool",)),
        step(account_id="1"),
    ]
    assert len({each.identity() for each in same}) == len(same)


def test_nothing_is_run_that_the_gate_or_the_guard_refuses():
    for refusing in ("require", "check"):
        ports = Ports(GOOD)
        setattr(ports, refusing, Mock(side_effect=Config("no")))
        ports.answer = Mock()
        with pytest.raises(Config):
            step().fetch(None, ports)
        assert not ports.answer.called


# How it is run


def programs(seconds: float = 20.0, **env: str) -> Programs:
    return Programs({"PATH": os.environ["PATH"], **env}, lambda: seconds, lambda: nullcontext(None))


def answer(script: str, seconds: float = 20.0, **env: str) -> bytes:
    return programs(seconds, **env).answer(["sh", "-c", script], "p", PLACE)


def test_no_shell_comes_between(tmp_path):
    out = programs().answer(["printf", "%s|", "$(touch PWN)", "a  b", "*", "; echo"], "p", PLACE)
    assert out == b"$(touch PWN)|a  b|*|; echo|"


def test_it_is_looked_for_in_the_path_of_the_caller(tmp_path):
    tool = tmp_path / "my-tool"
    tool.write_text("#!/bin/sh\necho here\n")
    tool.chmod(0o755)
    assert programs(PATH=f"{tmp_path}:/usr/bin:/bin").answer(["my-tool"], "p", PLACE) == b"here\n"
    with pytest.raises(Config, match="there is no program my-tool"):
        programs().answer(["my-tool"], "p", PLACE)


def test_what_can_not_be_run_is_said(tmp_path):
    (tmp_path / "data").write_text("x")
    with pytest.raises(Config, match="Permission denied"):
        programs().answer([str(tmp_path / "data")], "p", PLACE)


@pytest.mark.parametrize(
    ("script", "words"),
    [("exit 1", "ended with status 1"), ("kill -9 $$", "ended by SIGKILL"), ("kill -HUP $$", "SIGHUP")],
)
def test_f41_a_program_that_fails_is_exit_3_with_how_it_ended(script, words):
    with pytest.raises(Config, match=words) as failed:
        answer(f"echo '{SECRET}'; {script}")
    assert failed.value.exit_code == 3
    assert SECRET not in "\n".join(failed.value.lines())


def test_its_standard_input_is_empty_and_never_ours():
    assert answer("cat; echo done") == b"done\n"


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def gone(*pids: int) -> bool:
    until = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(alive, pids))


STUBBORN = "trap '' TERM HUP INT; echo $$ >>{pids}; sh -c 'trap \"\" TERM HUP INT; echo $$ >>{pids}; sleep 100; sleep 100' & sleep 100; wait"


def test_f41_a_program_that_hangs_is_ended_with_all_that_it_started(tmp_path):
    began = time.monotonic()
    with pytest.raises(Unreachable, match="takes too long") as hung:
        answer(STUBBORN.format(pids=tmp_path / "pids"), seconds=0.5)
    assert hung.value.exit_code == 6 and "timeout = 300" in str(hung.value.hint)
    assert time.monotonic() - began < 10
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2 and gone(*pids)


def test_away_from_a_terminal_what_has_lost_its_parent_ends_with_the_group(tmp_path):
    orphan = f"(sh -c 'echo $$ >{tmp_path}/pid; exec sleep 100' &); sleep 100"
    with pytest.raises(Unreachable):
        answer(orphan, seconds=0.5)
    assert gone(int((tmp_path / "pid").read_text()))


def test_f41_ten_megabytes_are_refused_before_they_are_read():
    with pytest.raises(Config, match="more than 1 MiB"):
        answer("exec head -c 10000000 /dev/zero")


def test_what_it_leaves_behind_with_the_pipe_in_hand_is_not_waited_for():
    began = time.monotonic()
    assert answer("sleep 30 & echo $!").strip().isdigit()
    assert time.monotonic() - began < 5


def test_a_program_may_close_its_output_early_and_go_on():
    assert answer("echo early; exec >&- 2>&-; sleep 0.3") == b"early\n"


def test_f41_what_it_says_reaches_the_person_escaped_and_capped(capfd):
    answer("printf 'open https://example.com/?code=AB-12 \\033[31mred\\033]0;t\\007\\r\\nprod\\rdev\\n\\tx' >&2")
    said = capfd.readouterr().err
    assert said == "open https://example.com/?code=AB-12 \\x1b[31mred\\x1b]0;t\\x07\nprod\ndev\n\tx\n"
    answer("yes | head -c 200000 >&2")
    said = capfd.readouterr().err
    assert 60_000 < len(said) < 66_000 and said.endswith("the rest of what it says is left out\n")


def test_half_a_line_is_shown_while_the_program_waits(capfd):
    import threading

    runs = threading.Thread(target=answer, args=("printf 'Code: ' >&2; sleep 1.5",))
    runs.start()
    time.sleep(0.8)
    early = capfd.readouterr().err
    runs.join()
    assert early == "Code: "
    assert capfd.readouterr().err == "\n"


@pytest.mark.parametrize(
    "text",
    [
        f"key {SECRET}.",
        f"SecretAccessKey={SECRET[:30]}",
        f'{{"SecretAccessKey": "{SECRET}", "x": 1}}',
        "aws_secret_access_key = abcdef/abcdef",
        "export AWS_SESSION_TOKEN='abc123'",
        "got IQoJb3JpZ2luX2VjEA" + "aB3/" * 80,
    ],
)
def test_what_looks_like_a_key_is_left_out_of_what_it_says(text):
    shown = without_keys(text)
    assert "****" in shown
    assert not [part for part in (SECRET, SECRET[:30], "abcdef", "abc123", "aB3/aB3/") if part in shown]


@pytest.mark.parametrize(
    "text",
    [
        "open https://corp.okta.com/login/step-up?state=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "/usr/local/share/some/folder/of/mine/x.y",
        "Enter the code for arn:aws:iam::111111111111:mfa/me: ",
    ],
)
def test_what_a_person_needs_to_read_is_left_in(text):
    assert without_keys(text) == text


def test_f41_its_secrets_on_stderr_are_not_shown(capfd):
    answer(f"echo 'debug: secret {SECRET}' >&2; echo ok")
    assert capfd.readouterr().err == "debug: secret ****\n"


# Its environment


def test_the_environment_is_the_callers_as_botocore_passes_it_on():
    env = {"PATH": "/bin", "AWS_PROFILE": "mine", "AWS_REGION": "eu-west-1", "X": "y", "AWSENV_STORE": "/s"}
    assert environment(env, []) == {
        "PATH": "/bin",
        "AWS_PROFILE": "mine",
        "AWS_REGION": "eu-west-1",
        "X": "y",
        INSIDE: "[]",
    }


def test_what_awsenv_put_into_the_shell_is_taken_out_again():
    env = {"PATH": "/bin", "AWSENV_PROFILE": "other", "AWS_ACCESS_KEY_ID": "A", "AWS_SESSION_TOKEN": "t"}
    env |= {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWSENV_REGION_BEFORE": "eu-west-1"}
    seen = environment(env, [])
    assert seen == {"PATH": "/bin", "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", INSIDE: "[]"}


def test_a_program_that_asks_for_its_own_profile_is_recognised():
    inside = programs(**{INSIDE: json.dumps([["config:9", "outer"], ["config:2", "p"]])})
    with pytest.raises(Config, match="its own profile: outer → p → p") as loop:
        inside.check("p", PLACE)
    assert loop.value.exit_code == 3
    inside.check("another", PLACE)


def test_f42_programs_inside_each_other_are_not_endless():
    deep = programs(**{INSIDE: json.dumps([[f"config:{n}", f"p{n}"] for n in range(4, 8)])})
    with pytest.raises(Config, match="inside each other"):
        deep.check("p", PLACE)


@pytest.mark.parametrize("text", ["", "{", "5", "[5]", '[["a"]]', "[" * 50_000])
def test_a_guard_that_somebody_else_wrote_is_none(text):
    programs(**{INSIDE: text}).check("p", PLACE)


# The whole of it


class Place:
    """A home with a config and one program, which counts its runs."""

    def __init__(self, tmp_path: Path) -> None:
        self.home, self.runs, self.tool = tmp_path / "home", tmp_path / "runs", tmp_path / "tool"
        (self.home / ".aws").mkdir(parents=True)
        self.config = self.home / ".aws/config"
        self.store = tmp_path / "store"
        self.env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
        }
        self.env |= {"AWSENV_STORE": str(self.store), "USER": "tester"}
        self.prints(GOOD | {"SessionToken": "tok", "Expiration": "2100-01-01T00:00:00Z"})
        self.config.write_text(
            f"[profile p]\nregion = eu-west-1\ncredential_process = '{self.tool}' --password hunter2\n"
        )

    def prints(self, document: object, first: str = "") -> None:
        self.tool.write_text(
            f"#!/bin/sh\necho run >>'{self.runs}'\n{first}\ncat <<'END'\n{json.dumps(document)}\nEND\n"
        )
        self.tool.chmod(0o755)

    def count(self) -> int:
        return self.runs.read_text().count("run") if self.runs.exists() else 0

    def __call__(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-I", "-S", assets.MAIN, *words]
        return subprocess.run(
            argv, env={**self.env, **env}, capture_output=True, text=True, timeout=60, start_new_session=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path)


def test_one_run_serves_until_it_expires(place):
    first, second = place("export", "p", "--format", "json"), place("export", "p", "--format", "process")
    assert json.loads(first.stdout)["SessionToken"] == "tok", first.stderr
    assert first.stdout == second.stdout and place.count() == 1
    assert place("export", "p", "--fresh").returncode == 0 and place.count() == 2
    for path in (place.store / "keys").iterdir():
        text = path.read_text()
        path.write_text(
            text.replace(text.split()[2], str(time.time() - 5)).replace(text.split()[3], str(time.time() - 9))
        )
    assert place("export", "p").returncode == 0 and place.count() == 3


def test_what_does_not_expire_is_kept_nowhere(place):
    place.prints(GOOD)
    for _ in range(2):
        done = place("use", "p", AWSENV_SHIM="bash:1")
        assert done.returncode == 0 and SECRET in done.stdout, done.stderr
    assert place.count() == 2
    kept = [path for path in place.store.rglob("*") if path.is_file() and SECRET in path.read_text()]
    assert kept == [] and not list((place.store / "keys").iterdir())


def test_the_account_shown_is_that_of_the_keys(place):
    with place.config.open("a") as config:
        config.write("aws_account_id = 111111111111\n")
    assert "111111111111" in place("list").stdout
    place.prints(GOOD | {"AccountId": "222222222222"})
    said = place("use", "p", AWSENV_SHIM="bash:1")
    assert "AWSENV_ACCOUNT_ID='222222222222'" in said.stdout and "111111111111" not in said.stdout + said.stderr


def test_many_shells_make_one_run(place):
    place.prints(GOOD | {"SessionToken": "t", "Expiration": "2100-01-01T00:00:00Z"}, first="sleep 0.5")
    argv = [sys.executable, "-I", "-S", assets.MAIN, "export", "p", "--format", "json"]
    running = [subprocess.Popen(argv, env=place.env, stdout=subprocess.PIPE, start_new_session=True) for _ in range(8)]
    assert {json.loads(each.communicate()[0])["SessionToken"] for each in running} == {"t"}
    assert place.count() == 1


@pytest.mark.parametrize("words", [["list"], ["explain", "p"], ["explain", "p", "--json"], ["list", "--json"],
                                   ["list", "--names"], ["sessions"], ["settings"], ["use", "p", "--as", "profile"]])  # fmt: skip
def test_looking_runs_no_program_and_shows_no_argument(place, words):
    done = place(*words, AWSENV_SHIM="bash:1")
    assert done.returncode == 0, done.stderr
    assert place.count() == 0
    assert "hunter2" not in done.stdout + done.stderr


def test_a_failure_says_who_and_where_and_nothing_secret(place):
    place.prints(GOOD, first="echo 'cannot reach the vault' >&2; exit 7")
    done = place("use", "p", AWSENV_SHIM="bash:1")
    assert done.returncode == 3 and done.stdout == ""
    assert "cannot reach the vault\n" in done.stderr
    assert f'~/.aws/config:3: {place.tool}, which "p" needs, ended with status 7' in done.stderr
    assert "hunter2" not in done.stderr


def test_f42_recursion_through_awsenv_ends_at_the_second_turn(place):
    call = f"{sys.executable} -I -S {assets.MAIN} export p --format process"
    place.config.write_text(f"[profile p]\ncredential_process = {call}\n")
    began = time.monotonic()
    done = place("export", "p")
    assert done.returncode == 3
    assert "asks awsenv for its own profile: p → p" in done.stderr
    assert time.monotonic() - began < 20


def test_awsenv_is_a_good_program_for_another_profile(place):
    call = f"{sys.executable} -I -S {assets.MAIN} export p --format process"
    with place.config.open("a") as config:
        config.write(f"[profile outer]\ncredential_process = {call}\n")
    done = place("export", "outer", "--format", "json")
    assert json.loads(done.stdout)["SessionToken"] == "tok", done.stderr


def test_the_settings_say_how_long_it_may_take(place):
    settings = place.home / ".config/awsenv/config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("[process]\ntimeout = 1\n")
    place.prints(GOOD, first="sleep 30")
    began = time.monotonic()
    done = place("export", "p")
    assert done.returncode == 6 and "takes too long" in done.stderr
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ending_awsenv_ends_the_program(place, number):
    pid = place.home / "pid"
    place.prints(GOOD, first=f"echo $$ >'{pid}'; sleep 100")
    argv = [sys.executable, "-I", "-S", assets.MAIN, "export", "p"]
    running = subprocess.Popen(argv, env=place.env, start_new_session=True, stderr=subprocess.DEVNULL)
    while not (pid.exists() and pid.read_text().endswith("\n")):
        time.sleep(0.02)
    running.send_signal(number)
    assert running.wait(10) == -number
    assert gone(int(pid.read_text()))


# On a terminal


@pytest.fixture
def terminal(place):
    """awsenv in the foreground of a terminal, in the group of the shell that started it, as in `$(…)`."""
    place.env["TERM"] = "dumb"
    child = pexpect.spawn(
        "bash", ["--norc", "--noprofile", "--noediting", "-i"], env=place.env, encoding="utf-8", timeout=20
    )
    child.delaybeforesend = None
    child.sendline("PS1='READY''> '")
    child.expect("READY> ")
    child.sendline("awsenv() { " + f"{sys.executable} -I -S {assets.MAIN} " + '"$@"; }')
    child.expect("READY> ")
    yield child
    child.close(force=True)


def test_it_may_ask_on_the_terminal_even_where_output_is_captured(place, terminal):
    ask = "printf 'PIN? ' >/dev/tty; read -r pin </dev/tty; printf 'and %s? ' word >&2; read -r word; [ $pin$word = 12ab ] || exit 9"
    place.prints(GOOD | {"SessionToken": "tok", "Expiration": "2100-01-01T00:00:00Z"}, first=ask)
    terminal.sendline('out=$(echo data | awsenv export p --format json); echo "status $? ${#out}"')
    terminal.expect_exact("PIN? ")
    terminal.sendline("12")
    terminal.expect_exact("and word? ")
    terminal.sendline("ab")
    terminal.expect(r"status 0 \d\d\d")


@pytest.mark.parametrize("captured", [False, True])
def test_ctrl_c_ends_both_and_gives_the_terminal_back(place, terminal, captured):
    pids = place.home / "pids"
    stubborn = STUBBORN.format(pids=pids).replace("sleep 100; wait", "stty -echo </dev/tty; sleep 100; sleep 100; wait")
    place.prints(GOOD, first=stubborn)
    terminal.sendline("stty -a >$HOME/before")
    terminal.expect("READY> ")
    terminal.sendline("out=$(awsenv export p)" if captured else "awsenv export p >/dev/null")
    while not (pids.exists() and pids.read_text().count("\n") == 2):
        time.sleep(0.02)
    time.sleep(0.3)
    terminal.sendintr()
    terminal.expect("READY> ")
    assert gone(*map(int, pids.read_text().split()))
    terminal.sendline("stty -a | diff $HOME/before - && echo the sa''me")
    assert terminal.expect_exact(["the same", "< "]) == 0


def test_a_background_job_is_not_stopped_by_a_program_that_would_ask(place, terminal):
    place.prints(GOOD, first="read -r line </dev/tty || exit 5")
    terminal.sendline("awsenv export p >/dev/null & wait $!; echo status $?")
    terminal.expect("status 3")


# Beside AWS's tools


@pytest.fixture(scope="module")
def town(house):
    return house


def test_in_a_real_shell_boto3_is_who_the_program_says(town, fake, shell_name, tmp_path):
    shell = shell_in(town, shell_name, tmp_path)
    home, tool = tmp_path / "person", tmp_path / "tool"
    shutil.copytree(town.home / ".aws", home / ".aws")
    tool.write_text(
        f"#!{sys.executable}\nimport configparser, json\nopen({str(tmp_path / 'runs')!r}, 'a').write('run\\n')\n"
        f"keys = configparser.RawConfigParser(); keys.read({str(home / '.aws/credentials')!r}); keys = keys['hoge1']\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': keys['aws_access_key_id'],"
        " 'SecretAccessKey': keys['aws_secret_access_key'], 'Expiration': '2100-01-01T00:00:00Z'}))\n"
    )
    tool.chmod(0o755)
    fake.role("arn:aws:iam::555555555555:role/Behind", ["arn:aws:iam::111111111111:user/hoge1"])
    with (home / ".aws/config").open("a") as config:
        config.write(
            f"[profile tool]\nregion = eu-west-1\ncredential_process = {tool} hoge1\naws_account_id = 111111111111\n"
        )
        config.write(
            "[profile behind]\nrole_arn = arn:aws:iam::555555555555:role/Behind\nsource_profile = tool\nregion = eu-west-1\n"
        )
    shell.env |= {"HOME": str(home), "AWS_CONFIG_FILE": f"{home}/.aws/config"}
    shell.env |= {"AWS_SHARED_CREDENTIALS_FILE": f"{home}/.aws/credentials"}
    who = f"python -c {shell.quote(CALLER)}; "
    script = f"awsenv use tool; {who}awsenv use behind; {who}awsenv use tool; {who}" + shell.dump("end")
    result = shell.run(script, timeout=60)
    lines = [line for line in result.stdout.splitlines() if line.startswith("boto3 ")]
    user, role = (
        "boto3 arn:aws:iam::111111111111:user/hoge1",
        "boto3 arn:aws:sts::555555555555:assumed-role/Behind/awsenv-",
    )
    assert [line.removesuffix("tester").removesuffix("root") for line in lines] == [user, role, user], result.stderr
    assert result.environment("end")["AWS_ACCOUNT_ID"] == "111111111111"
    assert (tmp_path / "runs").read_text() == "run\n", "one run for three uses"


def test_errors_are_of_the_tree():
    for number in range(300):
        junk = bytes((number * 7 + n * n) % 256 for n in range(number))
        with pytest.raises(AwsenvError):
            fetched(junk)


@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 16])
def test_what_it_says_is_the_same_however_it_arrives(size, capfd):
    said = "grüße\r\nprod\rdev\r\r\n" + "x" * 70_000
    saying, data = _Saying(), said.encode()
    for start in range(0, len(data), size):
        saying.add(data[start : start + size])
    saying.end()
    shown = capfd.readouterr().err
    assert shown.startswith("grüße\nprod\ndev\n\nxxx") and shown.count("x") == (1 << 16) - 22 + 2
    assert shown.endswith("x\nawsenv: the rest of what it says is left out\n")
