"""`doctor NAME` against the fake AWS: each step tried for real, the first failure said with what to do, nothing lost."""

import json
import os
import re
import stat
import sys
import time
from pathlib import Path

import pexpect
import pytest

from awsenv import assets
from awsenv.demo.house import MFA_CODE, token_file
from awsenv.doctor.live import mismatch, told_of
from awsenv.model import AccessKey
from awsenv.sources.assume_role import AssumeRole
from tests.test_failures import Backend

DAY = 86400.0
NOW = 1_790_000_000.0


@pytest.fixture
def backend(house, fake, tmp_path):
    fake.forget()
    made = Backend(house, tmp_path)
    for name in ("AWSENV_SHIM", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        made.env.pop(name, None)
    made.env["PATH"] = "/usr/bin:/bin"
    made.token(fake)
    yield made
    fake.clock = time.time
    fake.forget()


def steps(backend, name: str, code: int = 0, **env: str) -> tuple[list[str], list[dict], str]:
    """(each step's result, the findings of trying them, what was printed)."""
    done = backend("doctor", name, "--json", **env)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    answer = json.loads(done.stdout)
    # No second-key: the fake AWS serves many tests, and each has given the user a key.
    live = ("step-failed", "wrong-identity", "old-key", "key-age-unknown", "clock")
    found = [finding for finding in answer["findings"] if finding["code"] in live]
    return [step["result"] for step in answer["steps"]], found, done.stdout


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a store but its locks."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.parent.name != "locks"
    }


def test_every_step_of_a_chain_is_tried_and_named_by_aws(backend, fake):
    results, found, text = steps(backend, "piyo-prod")
    assert results == ["ok", "ok", "ok"] and found == []
    assert "assumed-role/AWSReservedSSO_AdministratorAccess_" in text and "assumed-role/ReadOnly/" in text
    assert fake.count("GetCallerIdentity") == 3 and fake.count("AssumeRole") == 2


def test_a_person_reads_the_plan_and_then_each_step(backend):
    done = backend("doctor", "piyo")
    plan, tried = done.stdout.split("each step tried now:\n")
    assert plan.startswith("piyo   region ap-northeast-1\n1. Identity Center role AdministratorAccess")
    assert re.match(r"1\. ok: Identity Center role .*\n   arn:aws:sts::123456789012:assumed-role/", tried)
    assert "2. ok: assume role arn:aws:iam::333333333333:role/Deploy" in tried
    assert done.returncode == 0, done.stdout


def test_what_is_kept_stays_as_it_is(backend, fake):
    assert backend("use", "piyo", AWSENV_SHIM="bash:1").returncode == 0
    before = snapshot(backend.store)
    assert any(name.startswith("keys/") for name in before)
    steps(backend, "piyo")
    assert snapshot(backend.store) == before
    assert fake.count("AssumeRole") == 2, "it is tried for real, whatever is kept"


def test_wrong_source_keys_are_found_at_the_first_step(backend, fake):
    path = backend.home / ".aws/credentials"
    path.write_text(re.sub("(secret_access_key = ).*", r"\1" + "w" * 40, path.read_text()))
    results, (failure,), text = steps(backend, "fuga", 5)
    assert results == ["failed", "not tried", "not tried"]
    assert failure["code"] == "step-failed" and failure["file"] == str(path) and failure["line"] == 2
    assert "w" * 40 not in text
    assert fake.count("AssumeRole") == 0 and fake.count("GetSessionToken") == 0


def test_a_denied_role_is_found_at_its_own_step(backend):
    text = "\n[profile no]\nrole_arn = arn:aws:iam::333333333333:role/Nobodys\nsource_profile = piyo\n"
    backend.configure(text)
    results, (failure,), _ = steps(backend, "no", 5)
    assert results == ["ok", "ok", "failed"]
    lines = (backend.home / ".aws/config").read_text().split("\n")
    assert lines[failure["line"] - 1].startswith("role_arn = arn:aws:iam::333333333333:role/Nobodys")
    assert "AWS refused" in failure["said"]


def test_no_network_is_found_at_the_first_step(backend, fake):
    dead = {"AWS_ENDPOINT_URL_SSO": "http://127.0.0.1:9", "AWS_ENDPOINT_URL_SSO_OIDC": "http://127.0.0.1:9"}
    results, (failure,), _ = steps(backend, "piyo", 6, **dead)
    assert results == ["failed", "not tried"] and "can't reach 127.0.0.1" in failure["said"]
    assert token_file(backend.home).exists()


def test_an_sts_out_of_reach_is_not_laid_to_the_step_that_gave_credentials(backend, fake):
    results, (failure,), text = steps(backend, "piyo", 6, AWS_ENDPOINT_URL_STS="http://127.0.0.1:9")
    assert results == ["failed", "not tried"] and "STS can't be asked whose these credentials are" in text
    assert "can't reach 127.0.0.1" in failure["said"] and failure["file"] is None


def test_an_ended_login_is_not_begun_anew_but_said(backend, fake):
    backend.token(fake, expiresAt="2020-01-01T00:00:00Z", refreshToken=None)
    results, (failure,), _ = steps(backend, "piyo", 4)
    assert results == ["failed", "not tried"] and failure["write"] == ["awsenv login test"]
    assert fake.count("StartDeviceAuthorization") == 0 and fake.count("RegisterClient") == 0


def test_without_a_terminal_a_code_is_not_waited_for(backend):
    results, (failure,), _ = steps(backend, "fuga", 4)
    assert results == ["ok", "failed", "not tried"]
    assert "no terminal" in failure["said"]


def at_terminal(backend, name: str, *answers: str) -> str:
    """What `doctor NAME` says at a terminal where each question for a code gets the next of *answers*."""
    argv = ["-I", "-S", assets.MAIN, "doctor", name]
    child = pexpect.spawn(sys.executable, argv, env=backend.env, encoding="utf-8", timeout=30, dimensions=(50, 200))
    for answer in answers:
        child.expect("(?i)code.*: ")
        child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    return child.before


def test_a_code_is_asked_for_once_and_what_it_buys_is_kept(backend, fake):
    first = at_terminal(backend, "fuga", MFA_CODE)
    assert "2. ok: a session with a code" in first and "3. ok: assume role" in first, first
    results, _, text = steps(backend, "fuga")
    assert results == ["ok", "kept", "ok"] and "kept, 1" in text
    assert fake.count("GetSessionToken") == 1
    assert backend("use", "fuga", AWSENV_SHIM="bash:1").returncode == 0, "and `use` needs no other code"


def test_a_wrong_code_is_told_with_the_line_of_the_device(backend):
    said = at_terminal(backend, "fuga", "000000", "000001", "000002")
    assert "2. failed: a session with a code" in said and "3. not tried" in said
    assert "did not accept that code" in said and "000000" not in said.split("each step tried now")[1]


def test_an_account_that_is_not_the_promised_one_is_wrong(backend):
    path = backend.home / ".aws/config"
    path.write_text(path.read_text().replace("[profile hoge1]\n", "[profile hoge1]\naws_account_id = 999999999999\n"))
    credentials = backend.home / ".aws/credentials"
    credentials.write_text(credentials.read_text() + "aws_account_id = 999999999999\n")
    results, found, _ = steps(backend, "hoge1", 5)
    assert results == ["failed"] and found[0]["code"] == "wrong-identity"
    assert "promises account 999999999999, and AWS says 111111111111" in found[0]["said"]


def test_an_unknown_profile_is_refused_with_the_nearest(backend):
    done = backend("doctor", "piyoo")
    assert done.returncode == 3 and "piyo" in done.stderr and done.stdout == ""


def test_a_profile_without_a_plan_is_not_tried(backend, fake):
    backend.configure("\n[profile loop]\nrole_arn = arn:aws:iam::333333333333:role/Deploy\nsource_profile = pool\n"
                      "[profile pool]\nrole_arn = arn:aws:iam::333333333333:role/Deploy\nsource_profile = loop\n")  # fmt: skip
    done = backend("doctor", "loop")
    assert done.returncode == 3 and "nothing to try" in done.stdout and not fake.calls


def test_an_old_key_is_told_by_awss_own_clock(backend, fake):
    results, found, _ = steps(backend, "hoge1")
    assert results == ["ok"] and found == []
    fake.clock = lambda: time.time() + 100 * DAY
    _, found, _ = steps(backend, "hoge1", 3)
    assert [finding["code"] for finding in found] == ["old-key", "clock"]
    assert "100 days old" in found[0]["said"] and found[0]["file"].endswith("/.aws/credentials")


def test_a_user_who_may_not_list_his_keys_gets_a_note(backend, fake):
    fake.fail("ListAccessKeys", status=403, code="AccessDenied", message="not authorized to perform iam:ListAccessKeys")
    results, found, _ = steps(backend, "hoge1")
    assert results == ["ok"] and [(f["code"], f["level"]) for f in found] == [("key-age-unknown", "note")]


@pytest.mark.parametrize(
    ("keys", "codes"),
    [
        ([AccessKey("AKIA1", True, NOW - 89 * DAY)], []),
        ([AccessKey("AKIA1", True, NOW - 91 * DAY)], ["old-key"]),
        ([AccessKey("AKIA1", True, NOW), AccessKey("AKIA2", True, NOW - 400 * DAY, NOW - DAY)], ["second-key"]),
        ([AccessKey("AKIA1", True, NOW), AccessKey("AKIA2", False, NOW - 400 * DAY)], []),
        ([], []),
    ],
)
def test_what_there_is_to_say_of_a_users_keys(keys, codes):
    assert [finding.code for finding in told_of(keys, "AKIA1", NOW, None)[1]] == codes


def test_a_clock_that_is_off_is_found_without_a_single_warning_before(backend, fake):
    fake.clock = lambda: time.time() - 3600
    backend.token(fake)
    _, found, _ = steps(backend, "piyo", 3)
    assert [finding["said"] for finding in found] == ["this machine's clock is 1h ahead of AWS's"]
    _, found, _ = steps(backend, "piyo", 3)
    assert len(found) == 1, "known from the first time, and said once"


def test_what_aws_says_reaches_no_terminal_unfiltered(backend, fake):
    fake.fail("AssumeRole", status=403, code="AccessDenied", message="no \x9b2J\u202eend", times=9)
    done = backend("doctor", "piyo")
    assert done.returncode == 5
    assert all(line.isprintable() for line in done.stdout.split("\n"))
    assert "AWS refused" in done.stdout


def test_no_secret_is_printed(backend, house):
    secrets = re.findall("secret_access_key = (.*)", (backend.home / ".aws/credentials").read_text())
    secrets += [value for value in json.loads(token_file(backend.home).read_text()).values() if len(str(value)) > 30]
    assert backend("use", "piyo", AWSENV_SHIM="bash:1").returncode == 0
    for entry in (backend.store / "keys").iterdir():
        secrets += re.findall("(?:SECRET_ACCESS_KEY|SESSION_TOKEN)=(.*)", entry.read_text())
    said = "".join(backend("doctor", *words).stdout for words in (("piyo",), ("hoge1",), ("hoge1", "--json"), ()))
    urls = ("http",)
    assert len(secrets) > 4
    assert [secret for secret in secrets if str(secret) in said and not str(secret).startswith(urls)] == []


@pytest.mark.parametrize(
    ("account", "arn", "wrong"),
    [
        ("333333333333", "arn:aws:sts::333333333333:assumed-role/Deploy/me", ""),
        ("444444444444", "arn:aws:sts::444444444444:assumed-role/Deploy/me", "account 333333333333"),
        ("333333333333", "arn:aws:sts::333333333333:assumed-role/Deployer/me", "role Deploy, "),
        ("333333333333", "arn:aws:sts::333333333333:assumed-role/AWSReservedSSO_Deploy_0123456789abcdef/me", ""),
        (
            "333333333333",
            "arn:aws:sts::333333333333:assumed-role/AWSReservedSSO_Deployer_0123456789abcdef/me",
            "role Deploy, ",
        ),
    ],
)
def test_the_promised_identity_is_the_account_and_the_role(account, arn, wrong):
    step = AssumeRole(profile="x", role_arn="arn:aws:iam::333333333333:role/Deploy", session_name="me")
    said = mismatch(step, account, arn)
    assert (wrong in said) if wrong else said == ""


# ---- What is around -------------------------------------------------------------------------------------------------


def codes(backend, **env: str) -> dict[str, dict]:
    done = backend("doctor", "--json", **env)
    assert "Traceback" not in done.stderr and done.returncode in (0, 3), done.stderr
    return {finding["code"]: finding for finding in json.loads(done.stdout)["findings"]}


def old(path: Path, text: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - 7200,) * 2)
    return path


def test_a_house_in_order_has_nothing_around_it(backend, fake):
    assert backend("use", "piyo", AWSENV_SHIM="bash:1").returncode == 0
    found = set(codes(backend))
    assert found <= {"env-endpoint", "long-lived-key"}, found
    assert not [call for call in fake.calls[2:] if call.operation != "GetRoleCredentials"]


def test_leftovers_are_found_and_a_writer_at_work_is_not(backend):
    old(backend.home / ".aws/.awsenv-12-ab.tmp")
    old(backend.home / ".aws/sso/cache/tmpabcd.tmp")
    (backend.home / ".aws/.awsenv-13-cd.tmp").write_text("now")
    finding = codes(backend)["leftovers"]
    assert finding["said"].startswith("2 files")
    assert ".awsenv-12-ab.tmp" in finding["write"][0] and "awsenv-13" not in finding["write"][0]


def test_a_damaged_token_and_an_ended_session_of_the_cli_are_found(backend):
    (backend.home / ".aws/sso/cache/half.json").write_text('{"accessToken": "x')
    ended = {"Credentials": {"Expiration": "2020-01-01T00:00:00UTC"}}
    old(backend.home / ".aws/cli/cache/ended.json", json.dumps(ended))
    old(
        backend.home / ".aws/cli/cache/live.json", json.dumps({"Credentials": {"Expiration": "2090-01-01T00:00:00UTC"}})
    )
    found = codes(backend)
    assert "half.json" in found["broken-cache"]["write"][0]
    assert "ended.json" in found["stale-cache"]["write"][0] and "live.json" not in found["stale-cache"]["write"][0]


def test_an_ended_login_is_noted_with_its_line(backend, fake):
    backend.token(fake, expiresAt="2020-01-01T00:00:00Z", refreshToken=None)
    finding = codes(backend)["login-ended"]
    assert finding["write"] == ["awsenv login test"] and finding["line"]


def test_a_store_that_is_open_to_others_is_found_and_left(backend):
    backend.store.mkdir(mode=0o755)
    finding = codes(backend)["store"]
    assert "open to others" in finding["said"] and finding["write"][0].startswith("chmod")
    assert stat.S_IMODE(backend.store.stat().st_mode) == 0o755


def test_a_file_in_the_store_that_others_may_read_is_found(backend):
    assert backend("use", "piyo", AWSENV_SHIM="bash:1").returncode == 0
    next((backend.store / "keys").iterdir()).chmod(0o644)
    assert codes(backend)["store-file"]["level"] == "warning"


def test_a_shim_that_setup_copied_before_an_upgrade_is_found(backend):
    assert backend("setup", "bash", "--yes").returncode == 0
    assert "shim-old" not in codes(backend) and "shim-missing" not in codes(backend)
    copy, verbs = (backend.home / ".local/share/awsenv" / name for name in ("awsenv.bash", "awsenv-verbs.bash"))
    for file in (copy, verbs):
        text = file.read_text()
        file.write_text(text + "\n# older\n")
        assert codes(backend)["shim-old"]["write"][0] == "awsenv setup bash"
        file.write_text(text)
        assert "shim-old" not in codes(backend)
    verbs.unlink()
    assert codes(backend)["shim-old"]["write"][0] == "awsenv setup bash"
    copy.unlink()
    missing = codes(backend)["shim-missing"]
    assert (
        missing["file"].endswith("/.bashrc")
        and "awsenv.bash" in Path(missing["file"]).read_text().split("\n")[missing["line"] - 1]
    )


def test_a_shell_that_loads_it_twice_is_found(backend):
    (backend.home / ".bashrc").write_text('eval "$(awsenv init bash)"\n')
    (backend.home / ".bash_profile").write_text('# mine\neval "$(awsenv init bash)"\n. ~/.bashrc\n')
    finding = codes(backend)["shim-twice"]
    assert (finding["file"], finding["line"]) == (str(backend.home / ".bash_profile"), 2)


def test_two_programs_on_path_are_found(backend, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        (folder / "awsenv").write_text("#!/bin/sh\n")
        (folder / "awsenv").chmod(0o755)
    path = ":".join(map(str, folders))
    assert "several-programs" in codes(backend, PATH=path)
    (folders[1] / "awsenv").unlink()
    (folders[1] / "awsenv").symlink_to(folders[0] / "awsenv")
    assert "several-programs" not in codes(backend, PATH=path)


def test_files_that_variables_name_and_that_are_not_there_are_found(backend):
    finding = codes(backend, AWS_CA_BUNDLE="/nope/ca.pem")["env-no-such-file"]
    assert "AWS_CA_BUNDLE" in finding["said"]


def test_an_interactive_shell_without_the_function_is_told(backend):
    env = {k: v for k, v in backend.env.items() if k != "AWSENV_STORE"} | {"SHELL": "/bin/bash"}
    argv = ["--norc", "--noprofile", "-c", f"{sys.executable} -I -S {assets.MAIN} doctor; exit"]
    said = pexpect.run("bash " + " ".join(argv[:2]) + f" -c '{argv[3]}'", env=env, encoding="utf-8", timeout=30)
    assert "awsenv is not loaded in this bash" in said
    loaded = pexpect.run(
        "bash " + " ".join(argv[:2]) + f" -c '{argv[3]}'", env=backend.env, encoding="utf-8", timeout=30
    )
    assert "is not loaded" not in loaded
