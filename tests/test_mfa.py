"""MFA: one code a device and a day, where it comes from, what is said of a wrong one, and when a role takes its own."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest

from awsenv import assets
from awsenv.demo.house import MFA_CODE, MFA_SERIAL
from tests.shells import Shell
from tests.test_end_to_end import shell_in
from tests.test_failures import Backend, backend, failed  # noqa: F401  # the fixture

HOGE1 = "arn:aws:iam::111111111111:user/hoge1"
LONG, SECOND = "arn:aws:iam::222222222222:role/Long", "arn:aws:iam::333333333333:role/BehindMfa"
PROMPT = r"MFA code for [\w-]+ \(arn:aws:iam::111111111111:mfa/hoge\): "
MORE = f"""
[profile second]
role_arn = {SECOND}
source_profile = hoge1
mfa_serial = {MFA_SERIAL}
[profile long]
role_arn = {LONG}
source_profile = hoge1
mfa_serial = {MFA_SERIAL}
duration_seconds = 7200
[profile behind]
role_arn = arn:aws:iam::444444444444:role/BehindBoth
source_profile = second
[profile program]
role_arn = {SECOND}
source_profile = hoge1
mfa_serial = {MFA_SERIAL}
mfa_process = PROGRAM
[profile fido]
role_arn = {SECOND}
source_profile = hoge1
mfa_serial = arn:aws:iam::111111111111:u2f/user/hoge/key-ABC
"""


@pytest.fixture
def home(backend: Backend, fake) -> Backend:  # noqa: F811
    """Two roles behind one device, one that lasts longer, and one behind the second."""
    fake.role(SECOND, [HOGE1], mfa=True)
    fake.role(LONG, [HOGE1], mfa=True)
    fake.role("arn:aws:iam::444444444444:role/BehindBoth", [SECOND])
    program = backend.home / "code"
    program.write_text('#!/bin/sh\necho \'touch the key\' >&2\necho run >> "$HOME/runs"\ncat "$HOME/shown"\n')
    program.chmod(0o700)
    (backend.home / "shown").write_text(f"  {MFA_CODE}\r\n")
    backend.configure(MORE.replace("PROGRAM", str(program)))
    return backend


def user_with_mfa(home: Backend) -> None:
    path = home.home / ".aws/config"
    path.write_text(path.read_text().replace("[profile hoge1]\n", f"[profile hoge1]\nmfa_serial = {MFA_SERIAL}\n"))


def given(home: Backend, *words: str, stdin: str = f"{MFA_CODE}\n", **env: str) -> subprocess.CompletedProcess[str]:
    """The backend away from any terminal, with *stdin*."""
    argv = [sys.executable, "-I", "-S", assets.MAIN, *words]
    return subprocess.run(
        argv, env={**home.env, **env}, input=stdin, capture_output=True, text=True, timeout=60, start_new_session=True
    )


def asked(home: Backend, *words: str, codes: tuple[str, ...] = (MFA_CODE,)) -> tuple[str, int]:
    """The backend on a terminal, each question answered from *codes*: what was said, and the status."""
    child = pexpect.spawn(sys.executable, ["-I", "-S", assets.MAIN, *words], env=home.env, encoding="utf-8", timeout=30)
    said = ""
    for code in codes:
        child.expect(PROMPT)
        said += child.before + child.after
        child.sendline(code)
    child.expect(pexpect.EOF)
    child.close()
    return said + child.before, child.exitstatus


def whoami(home: Backend, profile: str, *more: str) -> str:
    done = given(home, "whoami", profile, *more)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- One code for all ----------------------------------------------------------------------------------------------


def test_two_roles_behind_one_device_take_one_code(home, fake):
    said, status = asked(home, "use", "fuga")
    assert status == 0 and said.count("MFA code for") == 1
    assert ":assumed-role/BehindMfa/" in whoami(home, "second")
    assert ":assumed-role/BehindBoth/" in whoami(home, "behind")
    assert (fake.count("GetSessionToken"), fake.count("AssumeRole")) == (1, 3)


def test_a_second_shell_asks_for_none(home, fake, shell_name: str, tmp_path: Path, house):
    first = shell_in(house, shell_name, tmp_path)
    first.env |= {name: home.env[name] for name in ("HOME", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    with first.terminal() as terminal:
        terminal.child.sendline("awsenv use fuga")
        terminal.child.expect(PROMPT)
        terminal.child.sendline(MFA_CODE)
        assert "222222222222" in terminal.wait()
    with first.terminal() as terminal:
        assert "333333333333" in terminal.ask("awsenv use second")
    assert fake.count("GetSessionToken") == 1


def test_the_session_lasts_twelve_hours_and_its_end_asks_again(home, fake):
    assert given(home, "use", "fuga", "--mfa-stdin").returncode == 0
    kept = [path.read_text().split("\n")[0].split() for path in (home.store / "keys").iterdir()]
    lengths = sorted(round(float(line[2]) - float(line[4])) for line in kept)
    assert lengths == pytest.approx([3600, 43200], abs=5)
    home.expire()
    failed(home("use", "second"), 4, "needs an MFA code", "--mfa-stdin")
    assert given(home, "use", "second", "--mfa-stdin").returncode == 0
    assert fake.count("GetSessionToken") == 2


def test_two_at_once_put_one_question(home, fake):
    argv = [sys.executable, "-I", "-S", assets.MAIN, "use"]
    first = pexpect.spawn(argv[0], [*argv[1:], "fuga"], env=home.env, encoding="utf-8", timeout=30)
    first.expect(PROMPT)
    second = pexpect.spawn(argv[0], [*argv[1:], "second"], env=home.env, encoding="utf-8", timeout=30)
    time.sleep(1.5)
    assert second.isalive()
    first.sendline(MFA_CODE)
    first.expect(pexpect.EOF)
    second.expect(pexpect.EOF)
    for child in (first, second):
        child.close()
        assert child.exitstatus == 0, child.before
    assert "MFA code" not in second.before and fake.count("GetSessionToken") == 1


def test_sessions_are_of_the_key_and_of_the_device(home, fake):
    other = "arn:aws:iam::111111111111:mfa/other"
    fake.mfa_device(other, "654321", user="hoge1")
    home.configure(f"[profile other]\nrole_arn = {SECOND}\nsource_profile = hoge1\nmfa_serial = {other}\n")
    assert given(home, "use", "fuga", "--mfa-stdin").returncode == 0
    failed(home("use", "other"), 4, "needs an MFA code")
    assert given(home, "use", "other", "--mfa-stdin", stdin="654321\n").returncode == 0
    key, secret = fake.user("111111111111", "hoge1")
    (home.home / ".aws/credentials").write_text(f"[hoge1]\naws_access_key_id={key}\naws_secret_access_key={secret}\n")
    failed(home("use", "fuga"), 4, "needs an MFA code")


# ---- The user himself, and longer roles ----------------------------------------------------------------------------


def test_a_user_with_an_mfa_serial_is_the_user_with_mfa(home, fake):
    user_with_mfa(home)
    failed(home("use", "hoge1"), 4, "needs an MFA code")
    done = given(home, "use", "hoge1", "--mfa-stdin")
    assert (
        done.returncode == 0 and "AWS_SESSION_TOKEN" in done.stdout and "AWS tools use the key without" in done.stderr
    )
    assert ":user/hoge1" in whoami(home, "hoge1")
    assert ":assumed-role/SwitchedRole/" in whoami(home, "fuga")  # the very same session
    assert fake.count("GetSessionToken") == 1
    failed(home("use", "hoge1", "--as", "profile"), 3, "MFA code", "--as keys")


def test_the_console_takes_the_users_keys_and_no_session_of_a_code(home, fake):
    user_with_mfa(home)
    shell = given(home, "export", "hoge1", "--mfa-stdin", "--format", "dotenv")
    held = dict(line.split("=", 1) for line in shell.stdout.splitlines() if "=" in line)
    held = {name: value.strip("'\"") for name, value in held.items()}
    inside = held | {"AWSENV_PROFILE": "hoge1", "AWSENV_KEY_ID": held["AWS_ACCESS_KEY_ID"]}
    for done in (home("console", "hoge1", "--print"), home("console", "--print", **inside)):
        assert done.returncode == 0, done.stderr
        assert "SigninToken=" in done.stdout
    assert (fake.count("GetFederationToken", 200), fake.count("GetSigninToken", 200)) == (2, 2)


def test_a_role_of_more_than_an_hour_takes_a_code_of_its_own_under_either_reading_of_aws(home, fake):
    explained = home("explain", "long").stdout
    assert "a session with a code" not in explained and "this role takes a code of its own: 7200 s" in explained
    for cap in (True, False):
        fake.cap_user_sessions = cap
        try:
            assert given(home, "use", "long", "--mfa-stdin", "--fresh").returncode == 0
            assert given(home, "use", "second", "--mfa-stdin", "--fresh").returncode == 0
            assert given(home, "use", "second", "--mfa-stdin", "--duration", "2h").returncode == 0
        finally:
            fake.cap_user_sessions = False
    assert fake.count("GetSessionToken") == 2


# ---- Where a code comes from ---------------------------------------------------------------------------------------


def test_a_code_on_stdin_is_one_line_and_the_rest_is_the_commands(home):
    done = given(home, "exec", "fuga", "--mfa-stdin", "--", "cat", stdin=f"{MFA_CODE}\nfor the command\n")
    assert (done.returncode, done.stdout) == (0, "for the command\n"), done.stderr


@pytest.mark.parametrize(
    ("line", "words"), [("", "nothing"), ("12345\n", "six digits"), ("１２３４５６\n", "six digits")]
)
def test_what_is_no_code_on_stdin_is_a_usage_error_that_does_not_quote_it(home, line, words):
    done = given(home, "use", "fuga", "--mfa-stdin", stdin=line)
    failed(done, 2, "--mfa-stdin", words)
    assert not line.strip() or line.strip() not in done.stderr


def test_a_wrong_code_on_stdin_is_said_once(home, fake):
    failed(given(home, "use", "fuga", "--mfa-stdin", stdin="000000\n111111\n"), 5, "AWS did not accept that code")
    assert fake.count("GetSessionToken") == 1 and not list((home.store / "keys").iterdir())


def test_no_option_holds_a_code(home):
    done = given(home, "use", "fuga", f"--mfa-stdin={MFA_CODE}")
    assert (done.returncode, done.stdout) == (2, "") and MFA_CODE not in done.stderr


def test_the_shims_pass_stdin_through(home, shell_name: str, tmp_path: Path, house):
    shell: Shell = shell_in(house, shell_name, tmp_path)
    shell.env |= {name: home.env[name] for name in ("HOME", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    result = shell.run("awsenv use fuga --mfa-stdin; " + shell.dump("end"), stdin=f"{MFA_CODE}\n")
    assert result.environment("end")["AWSENV_ROLE"] == "SwitchedRole", result.stderr
    assert "mfa" not in result.environment("end").get("AWSENV_OPTIONS", "")


def test_a_program_prints_the_code_and_speaks_to_the_person(home, fake):
    done = home("use", "program")
    assert done.returncode == 0 and "touch the key" in done.stderr
    assert ":assumed-role/SwitchedRole/" in whoami(home, "fuga")  # the same device, and so the same session
    assert (home.home / "runs").read_text() == "run\n"
    assert home("explain", "program").stdout.count("mfa_process") == 1


@pytest.mark.parametrize(
    ("shown", "words"),
    [("", "prints nothing"), ("hunter2\n", "else than six digits"), ("123456\n123456\n", "six digits")],
)
def test_a_program_that_prints_no_code_is_said_with_its_line_and_not_quoted(home, fake, shown, words):
    (home.home / "shown").write_text(shown)
    done = home("use", "program")
    assert done.returncode == 3 and words in done.stderr and "config:" in done.stderr
    assert "hunter2" not in done.stderr and fake.count("GetSessionToken") == 0


def test_a_program_with_a_wrong_code_runs_once(home):
    (home.home / "shown").write_text("000000")
    done = home("use", "program")
    assert done.returncode == 5 and "AWS did not accept that code" in done.stderr
    assert (home.home / "runs").read_text() == "run\n"


def test_behind_a_prompts_back_no_program_is_started(home):
    failed(home("use", "program", AWSENV_HOOK="1"), 4, "needs an MFA code of /", "config:")
    assert not (home.home / "runs").exists()


def test_a_program_of_a_strange_file_is_not_started(home, tmp_path):
    strange = tmp_path / "config"
    strange.write_text((home.home / ".aws/config").read_text())
    done = home("use", "program", AWS_CONFIG_FILE=str(strange))
    assert done.returncode == 3 and "awsenv trust" in done.stderr and not (home.home / "runs").exists()


def test_on_a_terminal_a_wrong_code_is_asked_for_again_three_times(home, fake):
    said, status = asked(home, "use", "fuga", codes=("000000", MFA_CODE))
    assert status == 0 and said.count("AWS did not accept that code") == 1
    said, status = asked(home, "use", "second", "--fresh", codes=("000000", "111111", "222222"))
    assert status == 5 and said.count("AWS did not accept that code") == 3
    assert not re.search("000000|111111(?!111111)|222222(?!222222)", said.replace("111111111111", ""))


def test_f27_without_a_terminal_nothing_hangs_and_nothing_is_asked_of_aws(home, fake):
    began = time.monotonic()
    failed(home("use", "fuga"), 4, "no terminal to ask for it on", "config:")
    assert time.monotonic() - began < 5 and not fake.calls


def test_a_fido_key_is_refused_with_what_to_do(home, fake):
    done = home("use", "fido")
    failed(done, 3, "FIDO", "config:", "authenticator app")
    assert not fake.calls
