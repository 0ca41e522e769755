"""Faults of the files, the terminal and the place, each named after its row: what is survived, what is refused, and how."""

from __future__ import annotations

import os
import pwd
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest

from awsenv import assets, hot
from awsenv.demo.house import MFA_CODE
from awsenv.errors import Config
from awsenv.world import World
from tests.test_end_to_end import shell_in
from tests.test_failures import Backend, backend, failed  # noqa: F401  # the fixture

KEYS = "aws_access_key_id = AKIAX\naws_secret_access_key = s\n"


@pytest.fixture
def config(backend) -> Path:  # noqa: F811
    return backend.home / ".aws/config"


def served(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(": awsenv 1 end\n")


# ---- What the files hold -----------------------------------------------------------------------------------------------


def test_f16_a_byte_order_mark_is_no_hindrance(backend, config):  # noqa: F811
    config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes())
    served(backend("use", "hoge1"))  # the section right behind it
    served(backend("use", "piyo"))


def test_f17_line_ends_of_another_system_are_no_hindrance(backend, config):  # noqa: F811
    for path in (config, config.with_name("credentials")):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    for name in ("hoge1", "piyo-prod"):
        done = backend("use", name)
        served(done)
        assert "\r" not in done.stdout


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"\n[profile twice]\n{KEYS}\n[profile twice]\nregion = x\n", "a second time"),
        (f"\n[profile twice]\nregion = x\nregion = y\n{KEYS}", "a second time"),
    ],
)
def test_f18_what_stands_twice_costs_that_profile_alone(backend, config, text, what):  # noqa: F811
    line = (
        config.read_text().count("\n") + text[: text.rindex("region" if "region = y" in text else "[")].count("\n") + 1
    )
    backend.configure(text)
    failed(backend("use", "twice"), 3, f"config:{line}: ", what, "mend that line")
    served(backend("use", "piyo"))


ODD = b"\n[profile caf\xe9]\nregion = x\n[profile esc\x1b]0;x\x07]\n[profile nul\x00]\n[profile \xe2\x80\xae dorp]\n[profile ok]\n"


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "en_US.UTF-8"])
def test_f19_bytes_that_are_no_text_and_control_characters_cost_nobody_else_anything(backend, config, locale):  # noqa: F811
    config.write_bytes(config.read_bytes() + ODD)
    there = {"LC_ALL": locale, "PYTHONIOENCODING": "utf-8:strict"}
    served(backend("use", "hoge1", **there))
    for words in (
        ("list",),
        ("list", "--json"),
        ("list", "--names"),
        ("explain", "caf\udce9"),
        ("use", "esc\x1b]0;x\x07"),
    ):
        argv = [sys.executable, "-I", "-S", assets.MAIN, *words]
        done = subprocess.run(argv, env={**backend.env, **there}, capture_output=True, timeout=60)
        assert b"Traceback" not in done.stderr and b"a bug of ours" not in done.stderr, done.stderr
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", done.stdout + done.stderr), words
        if words == ("list", "--names"):
            names = done.stdout.split(b"\n")
            assert {b"ok", b"caf\\udce9", b"esc\\x1b", b"nul\\x00"} <= set(
                names
            )  # TAB offers none of the three: test_completion


@pytest.mark.parametrize("header", ["[profile a b]", '[profile "a b]', "[profile 'a]", '[profile "a" b]'])
def test_f21_a_name_that_botocore_passes_over_is_no_profile_here_and_the_line_to_write_is_said(
    backend,  # noqa: F811
    config,
    header,
):
    import botocore.session

    backend.configure(f"\n{header}\n{KEYS}")
    session = botocore.session.Session()
    session.set_config_variable("config_file", str(config))
    theirs = set(session.available_profiles)
    assert set(backend("list", "--names").stdout.split("\n")) - {""} == theirs
    name = header.removeprefix("[profile ").rstrip("]").strip("'\" ")
    failed(backend("use", name), 3, "no profile")


def chain(*names: str) -> str:
    return "".join(
        f"\n[profile {one}]\nrole_arn = arn:aws:iam::111111111111:role/R\nsource_profile = {two}\n"
        for one, two in zip(names, (*names[1:], names[0]), strict=True)
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (chain("a", "b", "c"), ("circle", "a → b", "b → c", "c → a")),
        (chain("a"), ("circle", "a → a")),
        (chain(*"a", *(f"p{n}" for n in range(50))), ("circle", "p49 → a")),
        (
            chain("a", "b").replace("source_profile = a", "source_profile = gone"),
            ("gone", "no such profile", "a → b", "b → gone"),
        ),
    ],
)
def test_f22_a_chain_that_leads_nowhere_is_printed_at_once(backend, fake, text, words):  # noqa: F811
    from awsenv.config import AwsConfig
    from awsenv.plan import build

    backend.configure(text)
    done = backend("use", "a")
    assert done.returncode == 3 and done.stdout == "" and fake.calls == ()
    for word in words:
        assert word in done.stderr, done.stderr
    read = AwsConfig(text.encode(), b"", "config", "credentials")
    quickest = 1.0
    for _ in range(3):
        started = time.process_time()
        with pytest.raises(Config):
            build(read, "a", env={}, session_name="x")
        quickest = min(quickest, time.process_time() - started)
    assert quickest < 0.05


def seconds(backend: Backend, *words: str) -> float:  # noqa: F811
    """Of a processor's time, in the quickest of three runs: others may be busy on this machine."""
    found = []
    for _ in range(3):
        before = os.times()
        assert backend(*words).returncode == 0
        after = os.times()
        found.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return min(found)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_f20_a_hundred_thousand_profiles_slow_neither_tab_nor_a_second_use(backend, config):  # noqa: F811
    assert backend("use", "piyo").returncode == 0
    quick = {words: seconds(backend, *words) for words in (("list", "--names"), ("use", "piyo"))}
    rest = "".join(
        f"[profile p{n:06}]\nregion = eu-west-1\noutput = json\nsso_session = test\n" for n in range(100_000)
    )
    config.write_text(config.read_text() + rest)
    assert config.stat().st_size > 7_000_000
    assert seconds(backend, "use", "hoge1") < 6, "botocore takes eleven seconds for such a file"
    served(backend("use", "piyo"))
    assert seconds(backend, "use", "piyo") < quick["use", "piyo"] + 0.02, "the second time the file is not read"
    assert backend("list", "--names").stdout.count("\n") > 100_000
    assert seconds(backend, "list", "--names") < quick["list", "--names"] + 0.5


def test_f20_a_line_of_ten_megabytes_is_survived(backend):  # noqa: F811
    backend.configure(f"\n[profile wide]\nregion = eu-west-1\noutput = {'x' * 10_000_000}\n{KEYS}")
    served(backend("use", "wide"))
    served(backend("use", "hoge1"))
    assert "wide" in backend("list", "--names").stdout.split("\n")


# ---- The person at the prompt for a code -------------------------------------------------------------------------------


def test_f24_after_a_kill_at_the_prompt_for_a_code_the_terminal_echoes_again(house, shell_name, tmp_path):
    shell = shell_in(house, shell_name, tmp_path)
    with shell.terminal() as terminal:
        before = terminal.ask("stty -a")
        assert re.search(r"(?<!-)\becho\b", before)
        terminal.child.sendline("awsenv use fuga")
        terminal.child.expect("MFA code for fuga")
        os.kill(backend_below(terminal.child.pid), signal.SIGKILL)
        said = terminal.wait()
        assert "Traceback" not in said
        assert "AWSENV_PROFILE" not in terminal.ask("env")
        assert terminal.ask("stty -a") == before
        terminal.child.sendline("awsenv use fuga")  # no lock is left behind either
        terminal.child.expect("MFA code for fuga")
        terminal.child.sendline(MFA_CODE)
        assert "222222222222" in terminal.wait()


def backend_below(shell: int) -> int:
    """The process of awsenv's that *shell*, or a subshell of it, has started."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    for number in parents:
        above = number
        while above in parents and above != shell:
            above = parents[above]
        try:
            words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if above == shell and assets.MAIN.encode() in words:
            return number
    raise AssertionError("awsenv does not run in that shell")


def test_f27_where_stdin_is_a_pipe_the_terminal_is_asked_and_without_one_nothing_hangs(backend, fake, tmp_path):  # noqa: F811
    command = f"true | {sys.executable} -I -S {assets.MAIN} exec fuga -- sh -c 'echo in as $AWS_ACCOUNT_ID' | cat"
    child = pexpect.spawn("/bin/sh", ["-c", command], env=backend.env, encoding="utf-8", timeout=30)
    child.expect("MFA code for fuga")
    child.sendline(MFA_CODE)
    child.expect("in as 222222222222")
    child.expect(pexpect.EOF)
    child.close()
    started = time.perf_counter()
    failed(backend("use", "fuga", AWSENV_STORE=str(tmp_path / "other")), 4, "no terminal")
    assert time.perf_counter() - started < 10
    assert "123456" not in (Path(assets.MAIN).parent / "cli.py").read_text()


# ---- The place ---------------------------------------------------------------------------------------------------------


def without_home(backend: Backend, *words: str, **env: str) -> subprocess.CompletedProcess[str]:  # noqa: F811
    kept = {name: value for name, value in backend.env.items() if name != "HOME" and not name.startswith("XDG")}
    argv = [sys.executable, "-I", "-S", assets.MAIN, *words]
    return subprocess.run(argv, env={**kept, **env}, cwd=backend.home, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, start_new_session=True)  # fmt: skip


def test_f29_without_a_home_the_one_of_the_passwd_entry_is_used_and_never_a_folder_called_tilde(backend):  # noqa: F811
    del backend.env["AWS_CONFIG_FILE"], backend.env["AWS_SHARED_CREDENTIALS_FILE"]
    done = without_home(backend, "use", "no-such-profile")
    assert done.returncode == 3 and pwd.getpwuid(os.getuid()).pw_dir in done.stderr, done.stderr
    failed(without_home(backend, "use", "hoge1", HOME=""), 3, "HOME")
    failed(without_home(backend, "use", "hoge1", HOME="relative"), 3, "HOME")
    assert not (backend.home / "~").exists()


def test_f29_without_a_passwd_entry_either_it_says_so(monkeypatch):
    def nobody(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.delenv("HOME")
    with pytest.raises(Config, match="HOME") as refused:
        World.current()
    assert refused.value.exit_code == 3
    for verb in (["use", "hoge1"], ["list", "--names"], ["current"], ["off"]):
        answer = hot.answer(verb, {"AWSENV_SHIM": "bash:1"})
        assert answer is None or b"~" not in answer.stdout, "the fast lane guesses no folder"
        assert answer is None or not answer.stdout or verb == ["off"]


# ---- The terminal's limits -----------------------------------------------------------------------------------------------

POOR = {"LC_ALL": "C", "PYTHONUTF8": "0", "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "1", "LINES": "1"}
LOOKING = (
    "list",
    "explain piyo-prod",
    "current",
    "whoami",
    "sessions",
    "settings",
    "use pyio",
    "use audit",
    "--help",
    "list --json",
)


def test_f44_on_the_poorest_terminal_nothing_crashes_and_all_of_it_is_ascii(house, shell_name, tmp_path):
    shell = shell_in(house, shell_name, tmp_path)
    shell.env |= POOR
    shell.env.pop("LANG")
    with shell.terminal() as terminal:
        for words in ("use piyo", *LOOKING, "use hoge1 --region us-west-2", "off"):
            said = terminal.ask(f"awsenv {words}")
            assert "Traceback" not in said and "a bug of ours" not in said, said
            said = said.replace("⏎", "")  # fish's own
            assert said.isascii(), (words, said)
            assert "\x1b[3" not in said, words
        terminal.ask("awsenv use piyo")
        assert terminal.segment.isascii()


def test_f44_one_column_is_enough_not_to_crash(backend):  # noqa: F811
    for words in LOOKING:
        argv = [sys.executable, "-I", "-S", assets.MAIN, *words.split()]
        child = pexpect.spawn(argv[0], argv[1:], env={**backend.env, **POOR}, dimensions=(1, 1), timeout=30)
        said = child.read()
        child.close()
        assert b"Traceback" not in said and b"bug of ours" not in said, said
        assert child.signalstatus is None
