"""The fast lane: it says what the full path says, or nothing. Every doubt falls through, and nothing foreign runs."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from awsenv import cli, cold, hot, turn, variables
from awsenv.commands import use as use_command
from awsenv.demo.house import token_file
from awsenv.errors import Usage
from awsenv.model import Outcome, UseRequest
from awsenv.render import shells
from awsenv.world import World
from tests.bench.scene import CHAIN, FLOATING, ROLE, SSO, STATIC, Scene, argv, furnished

WORLD = World(env={}, home="/", config_path="", credentials_path="", store_root=None, user="", shell="bash")


# ---- The same request through either door ---------------------------------------------------------------------------

USE = [
    ["piyo"],
    ["piyo", "--region", "eu-west-1"],
    ["piyo", "--region=eu-west-1"],
    ["--region", "eu-west-1", "piyo"],
    ["--region=eu-west-1", "--", "piyo"],
    ["piyo", "--region", "eu-west-1", "--region", "us-east-1"],
    ["piyo", "--duration", "1h"],
    ["piyo", "--duration=1h30m"],
    ["piyo", "--duration", "3600"],
    ["piyo", "--duration", "0"],
    ["piyo", "--as", "keys"],
    ["piyo", "--as=profile"],
    ["piyo", "--fresh"],
    ["--fresh", "piyo", "--fresh"],
    ["piyo", "--read-only"],
    ["--role", "arn:aws:iam::111111111111:role/x", "piyo", "--role=arn:aws:iam::111111111111:role/y", "--read-only"],
    ["piyo", "--session-name=me", "--external-id", "a b-", "--source-identity=me", "--session-name", "you"],
    ["piyo", "--source-identity", "é", "--external-id=", "--tag", "a=b", "--tag=c=%41", "--policy=p.json"],
    ["--policy", "/p q.json", "piyo", "--policy-arn", "arn:b", "--policy-arn=arn:a"],
    ["--as=profile", "--duration=45m", "--region=us-gov-west-1", "--fresh", "piyo"],
    ["--", "piyo"],
    ["--", "--fresh"],
    ["--", "--"],
    ["--fresh", "--", "-piyo"],
    ["with a blank"],
    ["a=b"],
    ["日本/prod"],
    ["$(touch x)"],
    ["\udcff"],
    ["piyo "],
]
NOT_USE = [
    [],
    [""],
    ["--"],
    ["-h"],
    ["--help"],
    ["piyo", "--help"],
    ["piyo", "-h"],
    ["piyo", "fuga"],
    ["piyo", "-"],
    ["--fresh"],
    ["-fresh", "piyo"],
    ["-f", "piyo"],
    ["--frobnicate", "piyo"],
    ["--frobnicate=1", "piyo"],
    ["--fresh=1", "piyo"],
    ["--fre", "piyo"],
    ["--no-fresh", "piyo"],
    ["piyo", "--region"],
    ["piyo", "--region="],
    ["piyo", "--region", ""],
    ["piyo", "--region", "EU-WEST-1"],
    ["piyo", "--region", "eu west 1"],
    ["piyo", "--region", "eu-west-1/../x"],
    ["piyo", "--region", "x" * 41],
    ["piyo", "--region", "évreux-1"],
    ["piyo", "--duration"],
    ["piyo", "--duration", ""],
    ["piyo", "--duration", "an hour"],
    ["piyo", "--duration", "-1"],
    ["piyo", "--duration", "1h1h"],
    ["piyo", "--duration", "²"],
    ["piyo", "--as"],
    ["piyo", "--as", "Keys"],
    ["piyo", "--as="],
    ["piyo", "--read-only=yes"],
    ["piyo", "--no-read-only"],
    ["piyo", "--tag"],
    ["piyo", "--policy"],
    ["piyo", "--policy-sha256=00"],
    ["-"],
]


def by_typer(monkeypatch: pytest.MonkeyPatch, *words: str) -> UseRequest | None:
    """The request that the Typer face makes of *words*; None where it reports usage or shows help instead."""
    asked: list[UseRequest] = []

    def run(world: World, request: UseRequest) -> Outcome:
        asked.append(request)
        return Outcome("asked")

    monkeypatch.setattr(use_command, "run", run)
    try:
        outcome = cli.dispatch(list(words), WORLD, False)
    except Usage as usage:
        assert usage.what, "a mistake is named"
        assert usage.exit_code == 2
        return None
    if not asked:
        assert outcome.exit_code in (0, 2), "help, asked for or not"
        return None
    return asked[0]


def by_hot(verb: str, words: list[str], env: Mapping[str, str] | None = None) -> UseRequest | None:
    """The request that the fast lane makes of them."""
    spelled = hot.parse(verb, words, env or {})
    if spelled is None:
        return None
    return UseRequest(spelled.profile, spelled.region, spelled.duration, spelled.mode, spelled.fresh, over=spelled.over)


@pytest.mark.parametrize("words", USE, ids=lambda words: ascii(" ".join(words)))
def test_both_doors_build_the_same_request(words, monkeypatch):
    request = by_hot("use", words)
    assert request is not None
    assert request == by_typer(monkeypatch, "use", *words)


@pytest.mark.parametrize("words", NOT_USE, ids=lambda words: ascii(" ".join(words)))
def test_what_is_no_plain_use_is_left_to_typer_which_explains(words, monkeypatch, capfd):
    assert by_hot("use", words) is None
    assert by_typer(monkeypatch, "use", *words) is None


def test_a_code_on_stdin_is_left_to_typer(monkeypatch):
    assert by_hot("use", ["piyo", "--mfa-stdin"]) is None
    request = by_typer(monkeypatch, "use", "piyo", "--mfa-stdin")
    assert request == UseRequest("piyo")  # that codes come on stdin is the world's to know


def test_behind_two_dashes_a_dash_is_a_name_and_not_the_identity_before():
    assert by_hot("use", ["--", "-"], {"AWSENV_PREVIOUS": "-- piyo"}) == UseRequest("-")


def test_every_option_of_use_is_spelled_both_ways_above():
    command = cli.typer.main.get_command(cli.app).commands["use"]
    options = {name for parameter in command.params for name in parameter.opts if name.startswith("--")} - {"--help"}
    options -= {"--mfa-stdin", "--yes"}  # for scripts: the fast lane leaves stdin alone, and it to Typer
    words = {word for row in USE for word in row}
    assert options <= {word.partition("=")[0] for word in words}
    assert {word.partition("=")[0] for word in words if "=" in word and word.startswith("--")} == options - {
        "--fresh",
        "--read-only",
    }


REMEMBERED = ["", "--region=eu-west-1", "--duration=5400 --as=profile", "--region=eu-west-1 --duration=900",
              "--role=arn:aws:iam::111111111111:role/x --tag=a=b --tag=c=d --read-only"]  # fmt: skip


@pytest.mark.parametrize("options", REMEMBERED)
@pytest.mark.parametrize("name", ["piyo", "with a blank", "-x", "--fresh", "--"])
def test_refresh_is_a_use_of_what_the_shell_is(options, name, monkeypatch):
    env = {"AWSENV_PROFILE": name, "AWSENV_OPTIONS": options}
    request = by_hot("refresh", [], env)
    assert request is not None
    assert request == by_typer(monkeypatch, "use", *options.split(), "--", name)
    assert by_hot("refresh", ["--fresh"], env) == by_typer(monkeypatch, "use", *options.split(), "--fresh", "--", name)


@pytest.mark.parametrize("options", REMEMBERED)
@pytest.mark.parametrize("name", ["piyo", "with a blank", "-x", "-- x", "--"])
def test_use_minus_is_a_use_of_the_identity_before(options, name, monkeypatch):
    env = {"AWSENV_PREVIOUS": f"{options} -- {name}".lstrip(), "AWSENV_PROFILE": "now"}
    assert by_hot("use", ["-"], env) == by_typer(monkeypatch, "use", *options.split(), "--", name)
    there = by_hot("use", ["-", "--region=us-east-1"], env)
    assert there == by_typer(monkeypatch, "use", *options.split(), "--region=us-east-1", "--", name)


@pytest.mark.parametrize("words", [["-"], ["refresh"]])
def test_without_an_identity_there_is_nothing_to_go_back_to_or_to_renew(words, monkeypatch):
    verb, rest = ("use", words) if words == ["-"] else ("refresh", [])
    assert by_hot(verb, rest) is None
    assert by_typer(monkeypatch, verb, *rest) is None


@pytest.mark.parametrize("words", [["piyo"], ["--region=eu-west-1"], ["-h"], ["--", "piyo"], ["--frobnicate"]])
def test_refresh_takes_nothing_but_fresh(words, monkeypatch, capfd):
    assert by_hot("refresh", words, {"AWSENV_PROFILE": "piyo"}) is None
    assert by_typer(monkeypatch, "refresh", *words) is None


@pytest.mark.parametrize("options", ["--frobnicate=1", "--region=", "--region=EU", "--as=x", "--duration=x", "; ls"])
def test_damaged_memories_are_no_request(options):
    assert by_hot("refresh", [], {"AWSENV_PROFILE": "piyo", "AWSENV_OPTIONS": options}) is None
    assert by_hot("use", ["-"], {"AWSENV_PREVIOUS": f"{options} -- piyo"}) is None


def test_what_a_request_says_of_its_options_makes_it_again():
    for words in USE:
        request = hot.parse("use", words, {})
        assert request is not None
        again = by_hot("refresh", [], {"AWSENV_PROFILE": request.profile, "AWSENV_OPTIONS": request.options()})
        wanted = UseRequest(request.profile, request.region, request.duration or None, request.mode, over=request.over)
        assert again == wanted


@pytest.mark.parametrize("words", [["off", "now"], ["current", "--json"], ["list"], ["list", "--json"], ["init"],
                                   ["init", "tcsh"], ["init", "--help"], ["init", "--values"], ["whoami"], [],
                                   ["--version"], ["off", "-h"], ["current", "-h"]])  # fmt: skip
def test_other_forms_of_the_hot_verbs_are_left_to_typer(words):
    env = {"AWSENV_SHIM": "bash:1", "AWSENV_PROFILE": "piyo", "HOME": "/home/x"}
    assert hot.answer(words, env) is None


# ---- The same answer ------------------------------------------------------------------------------------------------


@pytest.fixture
def scene(fake, tmp_path):
    """A furnished home with an empty store."""
    return furnished(tmp_path / "home", fake)


def ask(scene_env: Mapping[str, str], *words: str) -> hot.Answer | None:
    """What hot.py answers; the lock that it takes where it can't is given back, as the process's end would."""
    try:
        return hot.answer(list(words), scene_env)
    finally:
        while turn.holding:
            os.close(turn.holding.pop())


def cold_run(env: Mapping[str, str], *words: str) -> Outcome:
    """What the full path answers, in this process."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        outcome = cold.run(list(words), False, lambda notes: None)
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert outcome.exit_code == 0, outcome.notes
    return outcome


def in_order(text: bytes, shell: str) -> list[bytes]:
    """The statements with their assignments sorted: the only thing in which the doors may differ."""
    if shell == "fish":
        return sorted(text.split(b"\n"))
    return [
        b" ".join(sorted(re.findall(rb"(?:[^ ']|'[^']*')+", line))) if line.startswith(b"\\builtin export") else line
        for line in text.split(b"\n")
    ]


OPTIONS = ([], ["--region=eu-central-1"], ["--as=profile"])


@pytest.mark.parametrize("shell", shells.DIALECTS)
@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
@pytest.mark.parametrize("profile", [STATIC, FLOATING, SSO, ROLE, CHAIN])
def test_a_warm_answer_is_the_cold_one(profile, options, shell, scene):
    for before in ({}, {"AWS_REGION": "sa-east-1"}, {"AWSENV_PROFILE": "x", "AWSENV_REGION_BEFORE": "us-west-2"}):
        scene.empty_store()
        env = scene.shim(shell, **before)
        full = cold_run(env, "use", profile, *options)
        quick = ask(env, "use", profile, *options)
        assert quick is not None
        assert quick.code == 0
        assert in_order(quick.stdout, shell) == in_order(full.stdout.encode(), shell)
        # The time left may be one unit less by now.
        assert [re.sub(r" · \d+[hms][\dm]*$", "", line) for line in (quick.said,)] == [
            re.sub(r" · \d+[hms][\dm]*$", "", full.notes[-1])
        ]


def test_the_region_of_this_shell_is_used_and_not_the_one_of_the_shell_that_asked_first(scene):
    cold_run(scene.shim(AWS_REGION="sa-east-1"), "use", FLOATING)
    for env, region in (
        ({"AWS_REGION": "eu-north-1"}, "eu-north-1"),
        ({"AWS_DEFAULT_REGION": "eu-south-1"}, "eu-south-1"),
        ({}, None),
        ({"AWSENV_PROFILE": "x", "AWS_REGION": "set-by-us", "AWSENV_REGION_BEFORE": "us-west-2"}, "us-west-2"),
        ({"AWSENV_PROFILE": "x", "AWS_REGION": "set-by-us"}, None),
    ):
        answer = ask(scene.shim(**env), "use", FLOATING)
        assert answer is not None
        assert exported(answer.stdout).get("AWS_REGION") == region
        assert exported(answer.stdout).get("AWS_DEFAULT_REGION") == region


def exported(statements: bytes) -> dict[str, str]:
    """NAME → value of bash statements."""
    line = next(line for line in statements.decode().split("\n") if line.startswith("\\builtin export "))
    return dict(word.split("=", 1) for word in shlex.split(line.removeprefix("\\builtin export ")))


def test_every_name_is_set_or_unset_and_none_else(scene):
    for profile in (STATIC, SSO, CHAIN):
        cold_run(scene.shim(), "use", profile)
        answer = ask(scene.shim(), "use", profile)
        assert answer is not None
        unset, assign, end, rest = answer.stdout.decode().split("\n")
        names = unset.removeprefix("\\builtin unset -v ").split() + list(exported(assign.encode()))
        assert sorted(names) == sorted(variables.MANAGED + variables.OWN)
        assert (end, rest) == (shells.SENTINEL, "")


def test_use_minus_and_refresh_are_answered_warm(scene):
    cold_run(scene.shim(), "use", CHAIN)
    plain = ask(scene.shim(), "use", CHAIN)
    assert plain is not None
    for env, words in (({"AWSENV_PREVIOUS": f"-- {CHAIN}"}, ("use", "-")), ({"AWSENV_PROFILE": CHAIN}, ("refresh",))):
        answer = ask(scene.shim(**env), *words)
        assert answer is not None
        assert answer.stdout == plain.stdout


def test_fresh_is_never_answered_from_the_store(scene):
    cold_run(scene.shim(), "use", CHAIN)
    assert ask(scene.shim(), "use", CHAIN) is not None
    assert ask(scene.shim(), "use", CHAIN, "--fresh") is None


# ---- Every doubt falls through --------------------------------------------------------------------------------------

Doubt = Callable[[Scene, dict[str, str]], object]


def _config(scene: Scene) -> Path:
    return scene.home / ".aws/config"


def _credentials(scene: Scene) -> Path:
    return scene.home / ".aws/credentials"


def replace(path: Path) -> None:
    """The same bytes and the same times, as an editor leaves them that writes a new file and renames it."""
    copy = path.with_suffix(".new")
    shutil.copy2(path, copy)
    copy.rename(path)


def edit_unnoticed(path: Path) -> None:
    """Same size, same inode."""
    path.write_text(path.read_text().replace("a", "b", 1))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def touch(path: Path) -> None:
    later = path.stat().st_mtime_ns + 1
    os.utime(path, ns=(later, later))


ABOUT_FILES: dict[str, Doubt] = {
    "config touched": lambda s, e: touch(_config(s)),
    "config edited": lambda s, e: _config(s).write_text(_config(s).read_text() + "# more\n"),
    "config edited in place": lambda s, e: edit_unnoticed(_config(s)),
    "config replaced": lambda s, e: replace(_config(s)),
    "config removed": lambda s, e: _config(s).unlink(),
    "credentials touched": lambda s, e: touch(_credentials(s)),
    "credentials edited": lambda s, e: _credentials(s).write_text(_credentials(s).read_text() + "\n"),
    "credentials edited in place": lambda s, e: edit_unnoticed(_credentials(s)),
    "credentials replaced": lambda s, e: replace(_credentials(s)),
    "credentials removed": lambda s, e: _credentials(s).unlink(),
    "login gone": lambda s, e: token_file(s.home).unlink(),
    "login rewritten": lambda s, e: replace(token_file(s.home)),
    "settings written": lambda s, e: write(s.home / ".config/awsenv/config.toml", "[prompt]\n"),
    "other settings": lambda s, e: e.update(XDG_CONFIG_HOME=str(s.home / "elsewhere")),
    "another protocol": lambda s, e: e.update(AWSENV_SHIM="bash:2"),
    "another shell": lambda s, e: e.update(AWSENV_SHIM="tcsh:1"),
    "no shim": lambda s, e: e.pop("AWSENV_SHIM"),
    "another store": lambda s, e: e.update(AWSENV_STORE=str(s.home / "elsewhere")),
    "store open to others": lambda s, e: s.store.chmod(0o755),
    "store is a link": lambda s, e: (s.store.rename(s.home / "real"), s.store.symlink_to(s.home / "real")),
    "store removed": lambda s, e: s.empty_store(),
}
if os.geteuid() == 0:
    ABOUT_FILES["store of somebody else"] = lambda s, e: os.chown(s.store, 12345, -1)


@pytest.fixture
def warm(scene) -> Iterator[tuple[Scene, dict[str, str]]]:
    """A store that holds the chain, and an environment in which that was answered a moment ago."""
    env = scene.shim()
    cold_run(env, "use", CHAIN)
    assert ask(env, "use", CHAIN) is not None, "warm before any doubt"
    yield scene, env


@pytest.mark.parametrize("doubt", ABOUT_FILES)
def test_falls_through(doubt, warm):
    scene, env = warm
    ABOUT_FILES[doubt](scene, env)
    assert ask(env, "use", CHAIN) is None


def test_what_planning_reads_in_the_environment_is_among_its_inputs():
    ours = ("endpoints.py", "plan.py", "config.py", "lease.py", "world.py")
    texts = [Path(hot.__file__).with_name(name).read_text() for name in ours]
    named = {name for text in texts for name in re.findall(r"""["'](AWS_[A-Z_]+|USER|LOGNAME|HOME)["']""", text)}
    by_botocore = {"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_STS_REGIONAL_ENDPOINTS"}
    assert {"USER", "AWS_ENDPOINT_URL"} <= named
    assert (named | by_botocore) - {"AWS_REGION", "AWS_DEFAULT_REGION"} <= set(variables.PLAN_INPUTS)


@pytest.mark.parametrize("name", variables.PLAN_INPUTS)
def test_falls_through_under_another(name, warm):
    scene, env = warm
    other = {
        "AWS_CONFIG_FILE": str(_config(scene)) + "2",
        "AWS_SHARED_CREDENTIALS_FILE": str(_credentials(scene)) + "2",
    }
    shutil.copy2(_config(scene), other["AWS_CONFIG_FILE"])
    shutil.copy2(_credentials(scene), other["AWS_SHARED_CREDENTIALS_FILE"])
    for value in (other.get(name, "another"), ""):
        if env.get(name) != value:
            assert ask({**env, name: value}, "use", CHAIN) is None
    if name in env:
        del env[name]
        assert ask(env, "use", CHAIN) is None


def expire(entry: Path, seconds_left: float, window: float = 600) -> None:
    """The entry as it will be when it has that much left."""
    end = time.time() + seconds_left
    _, _, rest = entry.read_text().partition("\n")
    entry.write_text(f"awsenv 1 {end} {end - window} {end - 3600}\n{rest}")


def hold_in_its_place(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def behind_a_link(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def grow(path: Path) -> None:
    """Well formed, and a mebibyte of it is well formed, too."""
    text = path.read_text()
    at = re.search(r"(?:AWS_SESSION_TOKEN=|set\tAWSENV_ROLE\t)", text)
    assert at
    filler = "x" * ((1 << 20) - len(text.encode()))
    whole = text[: at.end()] + filler + text[at.end() :]
    path.write_text(whole + whole.rstrip("\n").rpartition("\n")[2] + "\n")


def put_in(line: str) -> Callable[[Path], object]:
    """One more line in the middle of an entry."""
    return lambda path: path.write_text(path.read_text().replace("AWS_ACCOUNT_ID=", f"{line}\nAWS_ACCOUNT_ID="))


ABOUT_TEXTS: dict[str, Callable[[Path], object]] = {
    "empty": lambda p: p.write_text(""),
    "nothing but a newline": lambda p: p.write_text("\n"),
    "another format": lambda p: p.write_text(p.read_text().replace("awsenv 1", "awsenv 2", 1)),
    "a format without a number": lambda p: p.write_text(p.read_text().replace("awsenv 1", "awsenv", 1)),
    "something before it": lambda p: p.write_text("\n" + p.read_text()),
    "CRLF": lambda p: p.write_bytes(p.read_bytes().replace(b"\n", b"\r\n")),
    "zeros, as a crash leaves them": lambda p: p.write_bytes(b"\0" * p.stat().st_size),
    "readable by others": lambda p: p.chmod(0o644),
    "writable by the group": lambda p: p.chmod(0o620),
    "a symbolic link": behind_a_link,
    "a hard link": lambda p: os.link(p, p.with_suffix(".twin")),
    "a FIFO": lambda p: hold_in_its_place(p, os.mkfifo),
    "a folder": lambda p: hold_in_its_place(p, os.mkdir),
    "gone": lambda p: p.unlink(),
    "larger than a mebibyte": grow,
    "unreadable words": lambda p: p.write_text(p.read_text() + "frobnicate\n"),
}
if os.geteuid() == 0:
    ABOUT_TEXTS["somebody else's"] = lambda p: os.chown(p, 12345, -1)

ABOUT_ENTRIES: dict[str, Callable[[Path], object]] = {
    "expired": lambda p: expire(p, -1),
    "expired long ago": lambda p: expire(p, -1e9),
    "in its window": lambda p: expire(p, 599),
    "times that are none": lambda p: p.write_text(re.sub(r"awsenv 1 \S+ \S+", "awsenv 1 soon later", p.read_text())),
    "too few times": lambda p: p.write_text(re.sub(r"awsenv 1 \S+", "awsenv 1", p.read_text())),
    "a name of no key": put_in("LD_PRELOAD=/tmp/x.so"),
    "a name that is a command": put_in("A;touch x;B=1"),
    "a managed name that is no key": put_in("AWS_PROFILE=x"),
    "control characters": lambda p: p.write_text(p.read_text().replace("AWS_ACCOUNT_ID=", "AWS_ACCOUNT_ID=\x1b[2J")),
}

ABOUT_INDEXES: dict[str, Callable[[Path], object]] = {
    "another profile's": lambda p: p.write_text(p.read_text().replace(f"profile\t{CHAIN}", "profile\tfuga")),
    "a key elsewhere": lambda p: p.write_text(re.sub(r"\nkey\t\w+", "\nkey\tabc", p.read_text())),
    "a name that is foreign": lambda p: p.write_text(p.read_text().replace("set\tAWSENV_ROLE", "set\tLD_PRELOAD")),
    "a name that is a command": lambda p: p.write_text(p.read_text().replace("set\tAWSENV_ROLE", "set\tA;ls;B")),
    "control characters": lambda p: p.write_text(p.read_text().replace("AWSENV_ROLE\t", "AWSENV_ROLE\t\x1b[2J")),
    "fields missing": lambda p: p.write_text(re.sub(r"set\tAWSENV_ROLE\t\w+", "set\tAWSENV_ROLE", p.read_text())),
}


def index_of(scene: Scene, profile: str = CHAIN) -> Path:
    (path,) = (scene.store / "index").glob(f"{profile}@*")
    return path


@pytest.mark.parametrize("doubt", [*ABOUT_TEXTS, *ABOUT_ENTRIES])
def test_falls_through_when_the_entry_is(doubt, warm):
    scene, env = warm
    {**ABOUT_TEXTS, **ABOUT_ENTRIES}[doubt](scene.entries()[-1])
    assert ask(env, "use", CHAIN) is None


@pytest.mark.parametrize("doubt", [*ABOUT_TEXTS, *ABOUT_INDEXES])
def test_falls_through_when_the_index_is(doubt, warm):
    scene, env = warm
    {**ABOUT_TEXTS, **ABOUT_INDEXES}[doubt](index_of(scene))
    assert ask(env, "use", CHAIN) is None


def test_falls_through_when_a_value_of_the_users_file_would_get_a_foreign_name(scene):
    cold_run(scene.shim(), "use", STATIC)
    path = index_of(scene, STATIC)
    path.write_text(
        path.read_text().replace("slice\tAWS_SESSION", "slice\tx").replace("slice\tAWS_SEC", "slice\tLD_SEC")
    )
    assert ask(scene.shim(), "use", STATIC) is None


def cut_short(path: Path) -> Iterator[int]:
    """Each length of less than the whole, the file being that long meanwhile: a crash soon after a rename can do that."""
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        yield length
    path.write_bytes(whole)


def test_no_part_of_an_entry_is_taken_for_the_whole(warm, monkeypatch):
    scene, env = warm
    monkeypatch.setattr(turn, "wait", lambda *_: None)
    served = [length for length in cut_short(scene.entries()[-1]) if ask(env, "use", CHAIN) is not None]
    assert served == []
    assert ask(env, "use", CHAIN) is not None


@pytest.mark.parametrize("profile", [CHAIN, STATIC])
def test_no_part_of_an_index_is_taken_for_the_whole(profile, warm, monkeypatch):
    scene, env = warm
    cold_run(env, "use", STATIC)
    monkeypatch.setattr(turn, "wait", lambda *_: None)
    served = [length for length in cut_short(index_of(scene, profile)) if ask(env, "use", profile) is not None]
    assert served == []
    assert ask(env, "use", profile) is not None


def test_an_entry_is_served_up_to_its_window(warm):
    scene, env = warm
    expire(scene.entries()[-1], 605)
    assert ask(env, "use", CHAIN) is not None


def test_a_role_whose_source_has_expired_meanwhile_is_still_itself(warm):
    scene, env = warm
    expire(scene.entries()[0], -1)
    assert ask(env, "use", CHAIN) is not None


@pytest.mark.parametrize("doubt", ["another format", "readable by others", "a symbolic link", "a folder"])
def test_after_a_doubt_the_full_path_answers(doubt, warm):
    scene, env = warm
    ABOUT_TEXTS[doubt](index_of(scene))
    ABOUT_TEXTS[doubt](scene.entries()[-1])
    assert "AWS_SESSION_TOKEN" in exported(cold_run(env, "use", CHAIN).stdout.encode())


# ---- Secrets --------------------------------------------------------------------------------------------------------


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_store_holds_no_long_lived_secret_and_the_index_none_at_all(scene):
    for profile in (STATIC, FLOATING, SSO, ROLE, CHAIN):
        cold_run(scene.shim(), "use", profile)
        assert ask(scene.shim(), "use", profile) is not None
    secrets = re.findall(r"aws_secret_access_key = (\S+)", _credentials(scene).read_text())
    tokens = re.findall(r'"(?:accessToken|refreshToken|clientSecret)": "([^"]+)"', token_file(scene.home).read_text())
    assert len(secrets) == 2 and len(tokens) == 3
    everything = files_below(scene.store)
    assert len(everything) > 8
    assert [path for path, data in everything.items() if any(word.encode() in data for word in secrets + tokens)] == []
    kept = [
        value for path in scene.entries() for value in re.findall(rb"(?:SECRET|TOKEN)\w*=(.+)", path.read_bytes())
    ]  # fmt: skip
    assert len(kept) == 6, "three role sessions with two secrets each"
    index = b"".join(files_below(scene.store / "index").values())
    assert [value for value in kept if value in index] == []
    assert {path.stat().st_mode & 0o777 for path in everything} == {0o600}


def test_a_warm_static_secret_comes_from_the_file_it_stands_in(scene):
    cold_run(scene.shim(), "use", STATIC)
    answer = ask(scene.shim(), "use", STATIC)
    assert answer is not None
    secret = re.search(r"aws_secret_access_key = (\S+)", _credentials(scene).read_text())
    assert secret and exported(answer.stdout)["AWS_SECRET_ACCESS_KEY"] == secret[1]


# ---- init -----------------------------------------------------------------------------------------------------------

START = {"bash": ["bash", "--norc", "--noprofile"], "zsh": ["zsh", "-f"], "fish": ["fish", "--no-config"]}


@pytest.mark.parametrize("form", ["init", "init --values"])
def test_what_init_prints_can_be_evaluated(form, shell_name, scene):
    odd = '/it\'s a "$HOME" \\ folder'
    env = {**scene.env, "XDG_RUNTIME_DIR": "/nonexistent", "XDG_CACHE_HOME": odd}
    answer = hot.answer([*form.split(), shell_name], env)
    assert answer is not None and answer.code == 0
    script = scene.home / "init"
    script.write_bytes(answer.stdout)
    show = f'source \'{script}\'; echo values; printf \'%s\\n\' "$__awsenv_python" "$__awsenv_main" "$__awsenv_store"'
    known = {"bash": "declare -F awsenv", "zsh": "(( $+functions[awsenv] ))", "fish": "functions -q awsenv"}[shell_name]
    done = subprocess.run(
        [*START[shell_name], "-c", f"{show}\n{known} >/dev/null && echo known; env"],
        env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    lines = done.stdout.split("\n")
    assert done.stderr == ""
    assert lines[:4] == ["values", sys.executable, argv()[-1], f"{odd}/awsenv"]
    assert ("known" in lines) == (form == "init")
    assert not [line for line in lines if line.startswith("__awsenv")], "nothing of it is exported"


def test_init_ignores_the_store_of_the_shell_that_it_is_typed_in(scene):
    assert hot.answer(["init", "bash"], scene.plain(AWSENV_STORE="/elsewhere")) is not None
    assert b"/elsewhere" not in hot.answer(["init", "bash"], scene.plain(AWSENV_STORE="/elsewhere")).stdout


# ---- Nothing foreign runs -------------------------------------------------------------------------------------------

TRAPS = ("json", "os", "time", "re", "typing", "site", "sitecustomize", "usercustomize", "botocore", "typer")


@pytest.fixture
def hostile(tmp_path):
    """A folder whose every module tells when it is run, and a home with such a user site."""
    folder, told = tmp_path / "hostile", tmp_path / "told"
    folder.mkdir()
    tell = f"open({str(told)!r}, 'a').write(__name__ + chr(10))\n"
    for name in TRAPS:
        (folder / f"{name}.py").write_text(tell)
    for package in ("awsenv", "shells"):
        (folder / package).mkdir()
        for name in ("__init__", "__main__", "hot", "cold", "text"):
            (folder / package / f"{name}.py").write_text(tell)
    (folder / "trap.pth").write_text(f"import os; {tell}")
    (folder / "startup.py").write_text(tell)
    env = {"PYTHONPATH": str(folder), "PYTHONSTARTUP": str(folder / "startup.py"), "PYTHONHOME": str(folder),
           "PYTHONUSERBASE": str(folder), "PYTHONINSPECT": "1", "PYTHONWARNINGS": "error"}  # fmt: skip
    return folder, env, told


def test_a_hostile_working_directory_runs_nothing(scene, hostile):
    folder, env, told = hostile
    calls = [
        (["use", CHAIN], scene.shim(), 0),  # cold
        (["use", CHAIN], scene.shim(), 0),  # warm
        (["refresh"], scene.shim(AWSENV_PROFILE=CHAIN), 0),
        (["off"], scene.shim(AWSENV_PROFILE=CHAIN, AWSENV_STASHED="1"), 0),
        (["init", "bash"], scene.plain(), 0),
        (["list"], scene.plain(), 0),
        (["--help"], scene.plain(), 0),
        (["use", "nobody"], scene.shim(), 3),
    ]
    for words, base, code in calls:
        done = subprocess.run(argv(*words), env={**base, **env}, cwd=folder, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        assert not told.exists(), f"{words} ran {told.read_text()}"


def test_those_traps_would_tell(hostile):
    _, env, told = hostile
    subprocess.run([sys.executable, "-c", "import json"], env={"PYTHONPATH": env["PYTHONPATH"]}, capture_output=True)
    assert "json" in told.read_text()
