"""What goes wrong, as a person meets it: the message, the status, and everything left as it was."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from awsenv import assets
from awsenv.demo.house import START_URL, token_file

SENTINEL = ": awsenv 1 end\n"


class Backend:
    """The backend as a shim calls it, in a home that is a copy of the house's."""

    def __init__(self, house, tmp_path: Path) -> None:
        self.home = tmp_path / "home"
        shutil.copytree(house.home / ".aws", self.home / ".aws")
        self.store = tmp_path / "store"
        self.env = {
            **house.environment,
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "AWS_CONFIG_FILE": str(self.home / ".aws/config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.home / ".aws/credentials"),
            "AWSENV_SHIM": "bash:1",
            "AWSENV_STORE": str(self.store),
        }

    def __call__(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-I", "-S", assets.MAIN, *words]
        return subprocess.run(
            argv,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=60,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )

    def configure(self, text: str) -> None:
        path = self.home / ".aws/config"
        path.write_text(path.read_text() + text)

    def token(self, fake, **fields: object) -> Path:
        path = token_file(self.home)
        path.write_text(json.dumps({**fake.issue_token(START_URL, session="test"), **fields}))
        return path

    def expire(self) -> None:
        """Make every stored session one that ended."""
        for path in (self.store / "keys").iterdir():
            _, rest = path.read_text().split("\n", 1)
            path.write_text("awsenv 1 1000.0 900.0 1.0\n" + rest)

    def age(self, left: float) -> None:
        """Leave every stored session *left* seconds to live, well inside its window."""
        import time

        for path in (self.store / "keys").iterdir():
            _, rest = path.read_text().split("\n", 1)
            end = time.time() + left
            path.write_text(f"awsenv 1 {end} {end - 600} {end - 3600}\n" + rest)


@pytest.fixture
def backend(house, fake, tmp_path):
    fake.forget()
    return Backend(house, tmp_path)


def failed(done, code: int, *words: str) -> None:
    """Nothing on stdout, that status, those words, one to four lines, and no traceback."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr and 1 <= done.stderr.count("\n") <= 4, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_no_network_is_said_with_the_host_and_deletes_nothing(backend, fake):
    path = backend.token(fake)
    before = path.read_bytes()
    dead = {"AWS_ENDPOINT_URL_SSO": "http://127.0.0.1:9", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"}
    failed(backend("use", "piyo", **dead), 6, "can't reach 127.0.0.1", "hint:")
    assert path.read_bytes() == before


def test_no_network_with_a_fresh_session_needs_none(backend):
    assert backend("use", "piyo").returncode == 0
    done = backend("use", "piyo")
    assert done.returncode == 0 and done.stdout.endswith(SENTINEL)


def test_a_failing_renewal_serves_what_still_works_with_a_note(backend, fake):
    assert backend("use", "piyo").returncode == 0
    backend.age(200)
    fake.fail("AssumeRole", status=503, code="ServiceUnavailable", message="x", times=9)
    fake.fail("GetRoleCredentials", status=503, code="ServiceUnavailable", message="x", times=9)
    done = backend("use", "piyo")
    fake.forget()
    assert done.returncode == 0 and done.stdout.endswith(SENTINEL)
    assert "could not renew" in done.stderr and "good for 3m" in done.stderr


def test_inside_the_window_it_is_renewed(backend, fake):
    assert backend("use", "piyo").returncode == 0
    backend.age(200)
    fake.forget()
    assert backend("use", "piyo").returncode == 0
    assert fake.count("AssumeRole") == 1


def test_a_session_that_ended_is_never_served(backend, fake):
    assert backend("use", "piyo").returncode == 0
    backend.expire()
    fake.fail("GetRoleCredentials", status=500, code="InternalFailure", message="x", times=9)
    failed(backend("use", "piyo"), 6, "busy or broken")
    fake.forget()


def test_a_role_that_is_not_offered_names_those_that_are(backend):
    backend.configure(
        "\n[profile typo]\nsso_session = test\nsso_account_id = 123456789012\nsso_role_name = AdministratoAccess\n"
    )
    failed(
        backend("use", "typo"), 5, "AdministratorAccess, ViewOnlyAccess", "did you mean AdministratorAccess?", "config:"
    )


def test_an_account_that_offers_nothing_is_said(backend):
    backend.configure("\n[profile far]\nsso_session = test\nsso_account_id = 999999999999\nsso_role_name = X\n")
    failed(backend("use", "far"), 5, "999999999999")


def test_a_refused_role_says_why_and_where(backend):
    backend.configure("\n[profile nope]\nrole_arn = arn:aws:iam::222222222222:role/Nope\nsource_profile = hoge1\n")
    failed(backend("use", "nope"), 5, "not authorized to perform: sts:AssumeRole", "config:", "awsenv explain nope")


def test_a_dead_key_is_said(backend):
    path = backend.home / ".aws/credentials"
    path.write_text("[hoge1]\naws_access_key_id = AKIANOSUCHKEY\naws_secret_access_key = x\n")
    backend.configure("\n[profile r]\nrole_arn = arn:aws:iam::222222222222:role/Nope\nsource_profile = hoge1\n")
    failed(backend("use", "r"), 5, "does not accept this access key")


def test_a_revoked_login_is_renewed_once_and_then_said(backend, fake):
    path = backend.token(fake)
    token = json.loads(path.read_text())
    fake.revoke(token["accessToken"])
    fake.fail("CreateToken", status=400, code="InvalidGrantException", message="x", times=9)
    failed(backend("use", "piyo"), 4, "was ended before its time", "awsenv login test")
    assert json.loads(path.read_text()) == token
    first = fake.count("CreateToken")
    failed(backend("use", "piyo"), 4, "awsenv login")
    assert fake.count("CreateToken") == first  # a refresh token that AWS refused is not tried again
    fake.forget()


@pytest.mark.parametrize("way", ["html", "500", "429"])
def test_a_renewal_that_gets_nonsense_or_nothing_keeps_the_token(backend, fake, way):
    path = backend.token(fake, expiresAt="2020-01-01T00:00:00Z")
    before = path.read_bytes()
    if way == "html":
        fake.fail("CreateToken", status=200, html=True, times=9)
    else:
        fake.fail("CreateToken", status=int(way), code="SlowDownException", message="x", times=9)
    failed(backend("use", "piyo"), 6)
    fake.forget()
    assert path.read_bytes() == before
    if way == "429":  # it asked to be left alone, and is
        failed(backend("use", "piyo"), 6, "AWS asked us to wait")
        assert fake.count("CreateToken") == 0
        (mark,) = (backend.store / "marks").glob("wait-*")
        mark.unlink()
    assert backend("use", "piyo").returncode == 0


def test_a_refresh_token_is_not_spent_when_its_successor_cannot_be_kept(backend, fake):
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere; the same is shown on a full disk below")
    path = backend.token(fake, expiresAt="2020-01-01T00:00:00Z")
    path.parent.chmod(0o500)
    try:
        failed(backend("use", "piyo"), 7)
        assert fake.count("CreateToken") == 0
    finally:
        path.parent.chmod(0o700)


def test_on_a_full_disk_no_refresh_token_is_spent(backend, fake, tmp_path):
    path = backend.token(fake, expiresAt="2020-01-01T00:00:00Z")
    text = path.read_text()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k,mode=0700", "tmpfs", str(path.parent)], capture_output=True
    )
    if done.returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        path.write_text(text)
        with open(path.parent / "filler", "wb") as filler, pytest.raises(OSError):
            while True:
                os.write(filler.fileno(), b"x" * 1024)
        failed(backend("use", "piyo"), 7, "No space left")
        assert fake.count("CreateToken") == 0 and path.read_text() == text
    finally:
        subprocess.run(["umount", "-l", str(path.parent)], check=True)


def test_a_dead_login_takes_its_stored_roles_along(backend, fake):
    assert backend("use", "piyo-prod").returncode == 0
    assert len(list((backend.store / "keys").iterdir())) == 3
    token_file(backend.home).unlink()
    failed(backend("use", "piyo-prod"), 4, "no login")
    assert list((backend.store / "keys").iterdir()) == []


def test_another_persons_login_does_not_get_the_first_ones_roles(backend, fake):
    assert backend("use", "piyo").returncode == 0
    backend.token(fake, clientId="another-registration")
    fake.forget()
    assert backend("use", "piyo").returncode == 0
    assert fake.count("GetRoleCredentials") == 1


def test_an_unusable_store_serves_without_keeping_and_says_the_fix(backend):
    backend.store.mkdir(mode=0o755)
    backend.store.chmod(0o755)
    done = backend("use", "piyo")
    assert done.returncode == 0 and done.stdout.endswith(SENTINEL)
    assert f"chmod -R go-rwx {backend.store}" in done.stderr
    assert list(backend.store.iterdir()) == []
    done = backend("export", "piyo", "--format", "json")
    assert done.returncode == 0 and json.loads(done.stdout)["Version"] == 1


def test_a_store_in_a_place_that_cannot_be_made_is_said_and_served(backend):
    done = backend("use", "piyo", AWSENV_STORE="/proc/nonesuch/awsenv")
    assert done.returncode == 0 and done.stdout.endswith(SENTINEL) and "nothing is kept" in done.stderr


def test_long_lived_keys_are_nowhere_in_the_store(backend):
    assert backend("use", "hoge1").returncode == 0
    secret = (backend.home / ".aws/credentials").read_text().split("aws_secret_access_key = ")[1].strip()
    assert secret in backend("use", "hoge1").stdout
    for path in backend.store.rglob("*"):
        assert not path.is_file() or secret not in path.read_text()


def test_no_secret_is_in_an_error_an_explanation_or_a_list(backend, fake):
    assert backend("use", "piyo-prod").returncode == 0
    secrets = [(backend.home / ".aws/credentials").read_text().split("aws_secret_access_key = ")[1].strip()]
    token = json.loads(token_file(backend.home).read_text())
    secrets += [token["accessToken"], token["refreshToken"], token["clientSecret"]]
    for path in (backend.store / "keys").iterdir():
        secrets += [
            line.partition("=")[2] for line in path.read_text().splitlines() if "SECRET" in line or "TOKEN" in line
        ]
    backend.expire()
    fake.fail("AssumeRole", status=400, code="Boom", message="x", times=9)
    texts = [
        backend("use", "piyo-prod"),
        backend("explain", "piyo-prod"),
        backend("explain", "hoge1", "--json"),
        backend("list", "--json"),
    ]
    fake.forget()
    said = "".join(done.stdout + done.stderr for done in texts)
    assert len(secrets) == 10 and not [secret for secret in secrets if secret in said]


def test_a_bug_of_ours_says_its_place_and_quotes_nothing(backend):
    (backend.home / "sitecustomize.py").write_text("")
    code = (
        "import sys, os; sys.path.insert(0, sys.argv[1]); sys.argv = ['awsenv']\n"
        "import awsenv.lease\n"
        "def boom(*a, **k): raise RuntimeError('s3cret-in-a-message')\n"
        "awsenv.lease.take = boom\n"
        "import awsenv.commands.use; awsenv.commands.use.take = boom\n"
        "from awsenv.__main__ import main, leave; leave(main(['use', 'piyo']))\n"
    )
    root = str(Path(assets.MAIN).parent.parent)
    done = subprocess.run([sys.executable, "-c", code, root], env=backend.env, capture_output=True, text=True)
    failed(done, 1, "RuntimeError", "boom")
    assert "s3cret" not in done.stderr


def test_a_stray_print_of_a_library_can_never_be_evaluated(backend):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); sys.argv = ['awsenv']\n"
        "import awsenv.commands.use as use; real = use.take\n"
        "def noisy(*a, **k): print('; touch PWN'); import os; os.write(1, b'; touch PWN2'); return real(*a, **k)\n"
        "use.take = noisy\n"
        "from awsenv.__main__ import main, leave; leave(main(['use', 'piyo']))\n"
    )
    root = str(Path(assets.MAIN).parent.parent)
    done = subprocess.run([sys.executable, "-c", code, root], env=backend.env, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith(SENTINEL)
    assert "PWN" not in done.stdout and "touch PWN2" in done.stderr and "; touch PWN\n" in done.stderr


@pytest.mark.parametrize("home", ["", "relative"])
def test_a_home_that_is_no_absolute_path_is_refused(backend, home):
    failed(backend("use", "piyo", HOME=home), 3, "HOME is not an absolute path")


def test_a_closed_stdout_is_no_traceback(backend):
    for words in (("list",), ("list", "--names"), ("use", "piyo"), ("export", "piyo")):
        argv = [sys.executable, "-I", "-S", assets.MAIN, *words]
        done = subprocess.run(
            ["bash", "-c", 'exec "$@" >&-', "-", *argv], env=backend.env, capture_output=True, text=True
        )
        assert "Traceback" not in done.stderr and "bug of ours" not in done.stderr, done.stderr


def test_a_terminal_gets_no_secret_without_show(backend):
    import pexpect

    argv = ["-I", "-S", assets.MAIN, "export", "piyo"]
    child = pexpect.spawn(sys.executable, argv, env=backend.env, encoding="utf-8", timeout=20, dimensions=(40, 400))
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2 and "--show" in child.before and "export AWS" not in child.before
    child = pexpect.spawn(
        sys.executable, [*argv, "--show"], env=backend.env, encoding="utf-8", timeout=20, dimensions=(40, 4000)
    )
    child.expect("AWS_SESSION_TOKEN='")
    child.expect(pexpect.EOF)


def test_the_credential_process_document_works_in_botocore(backend, tmp_path):
    (tmp_path / "conf").write_text(
        f"[profile through]\nregion = eu-west-1\ncredential_process = {sys.executable} -I -S {assets.MAIN} export piyo-prod --format process\n"
    )
    code = (
        "import boto3; s = boto3.Session(profile_name='through'); print(s.client('sts').get_caller_identity()['Arn'])"
    )
    # The backend inside needs the real files: it is given them by HOME, as a person has them.
    env = {k: v for k, v in backend.env.items() if k not in ("AWS_SHARED_CREDENTIALS_FILE", "AWSENV_SHIM")}
    wrapper = tmp_path / "awsenv"
    wrapper.write_text(f'#!/bin/sh\nunset AWS_CONFIG_FILE\nexec {sys.executable} -I -S {assets.MAIN} "$@"\n')
    wrapper.chmod(0o755)
    (tmp_path / "conf").write_text(
        f"[profile through]\nregion = eu-west-1\ncredential_process = {wrapper} export piyo-prod --format process\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**env, "AWS_CONFIG_FILE": str(tmp_path / "conf")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "assumed-role/ReadOnly/" in done.stdout, done.stderr
    document = json.loads(backend("export", "piyo-prod", "--format", "process").stdout)
    assert sorted(document) == ["AccessKeyId", "AccountId", "Expiration", "SecretAccessKey", "SessionToken", "Version"]
    assert document["Expiration"].endswith("Z") and document["AccountId"] == "444444444444"
    assert (
        backend("export", "piyo-prod", "--format", "json").stdout
        == backend("export", "piyo-prod", "--format", "process").stdout
    )


def test_the_token_file_is_named_as_botocore_names_it(backend):
    from botocore.utils import SSOTokenLoader

    from awsenv.tokens import token_path

    expected = SSOTokenLoader()._generate_cache_key(START_URL, "test")
    assert token_path("x", "test") == f"x/{expected}.json"
    assert token_path("x", START_URL) == f"x/{SSOTokenLoader()._generate_cache_key(START_URL, None)}.json"
    assert expected == hashlib.sha1(b"test").hexdigest()
