"""The faults of an Identity Center login by their numbers: no network, trouble at AWS, guests' networks, full disks, revoked roles."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from awsenv import assets
from awsenv.demo.house import START_URL
from tests.test_failures import SENTINEL, Backend, failed
from tests.test_tokens import small_disk

NOWHERE = "http://127.0.0.1:9"
DEAD = {"AWS_ENDPOINT_URL_SSO": NOWHERE, "AWS_ENDPOINT_URL_SSO_OIDC": NOWHERE, "AWS_ENDPOINT_URL_STS": NOWHERE}
ENDED = "2020-01-01T00:00:00Z"
ROOT = str(Path(assets.MAIN).parent.parent)


@pytest.fixture
def backend(house, fake, tmp_path):
    fake.forget()
    yield Backend(house, tmp_path)
    fake.forget()
    fake.refresh_grace = 0


def served(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0 and done.stdout.endswith(SENTINEL), done.stderr


def soon(backend: Backend, fake, left: float = 300) -> Path:
    """A token in its advisory window."""
    path = backend.token(fake)
    path.write_text(json.dumps(fake.issue_token(START_URL, expires_in=left)))
    return path


def run_with(backend: Backend, patch: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The product in a process in which *patch* was run first."""
    code = f"import sys; sys.path.insert(0, {ROOT!r})\n{patch}\nfrom awsenv.__main__ import main, leave\nleave(main({list(words)!r}))\n"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**backend.env, **env},
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
    )


def marks(backend: Backend, kind: str) -> list[Path]:
    folder = backend.store / "marks"
    return [path for path in folder.iterdir() if path.name.startswith(f"{kind}-")] if folder.exists() else []


def until(claim, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, "it has not come true"
        time.sleep(0.02)


NO_SOCKETS = "sys.addaudithook(lambda event, _: event.startswith('socket.') and __import__('os')._exit(99))"


@pytest.mark.parametrize(
    "words", [("use", "piyo"), ("export", "piyo"), ("exec", "piyo", "--", "true")], ids=lambda w: w[0]
)
def test_f01_with_a_fresh_session_no_socket_is_opened(backend, words):
    served(backend("use", "piyo"))
    done = run_with(backend, NO_SOCKETS, *words)
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert run_with(backend, NO_SOCKETS, "use", "piyo", "--fresh").returncode == 99  # the trap does catch


def test_f02_no_network_in_the_window_uses_the_token_and_tells_everybody_when_to_try_again(backend, fake):
    path = soon(backend, fake)
    before = path.read_bytes()
    served(backend("use", "piyo", AWS_ENDPOINT_URL_SSO_OIDC=NOWHERE))
    until(lambda: marks(backend, "wait"))
    at, next_attempt, *_ = marks(backend, "wait")[0].read_text().split("\t")
    assert float(next_attempt) - float(at) == pytest.approx(30)
    served(backend("use", "piyo", "--fresh"))
    assert path.read_bytes() == before and fake.count("CreateToken") == 0


def test_f03_no_network_and_all_ended_is_said_in_ten_seconds_and_deletes_nothing(backend, fake):
    path = backend.token(fake, expiresAt=ENDED)
    before = path.read_bytes()
    served_before = backend("use", "hoge1")
    began = time.monotonic()
    failed(backend("use", "piyo", **DEAD), 6, "can't reach 127.0.0.1", "hint:")
    assert time.monotonic() - began < 10
    assert path.read_bytes() == before and served_before.returncode == 0


@pytest.mark.parametrize("status", [500, 503])
def test_f04_trouble_at_aws_costs_two_calls_and_no_token_that_works(backend, fake, status):
    path = soon(backend, fake)
    before = path.read_bytes()
    fake.fail("CreateToken", status=status, times=99)
    served(backend("use", "piyo"))
    until(lambda: marks(backend, "wait"))
    served(backend("use", "piyo", "--fresh"))
    assert fake.count("CreateToken") == 2 and path.read_bytes() == before
    fake.forget()
    fake.fail("CreateToken", status=status, times=99)
    backend.token(fake, expiresAt=ENDED)
    for path in (backend.store / "keys").iterdir():
        path.unlink()
    failed(backend("use", "piyo"), 6, str(status))
    assert fake.count("CreateToken") == 2


def test_f05_a_retry_after_is_heeded(backend, fake):
    backend.token(fake, expiresAt=ENDED)
    fake.fail("CreateToken", status=429, code="TooManyRequestsException", headers={"Retry-After": "2"})
    served(backend("use", "piyo"))
    first, second = (call.at for call in fake.calls if call.operation == "CreateToken")
    assert 2.0 <= second - first < 3.5


HANGING = "import socket, time; socket.getaddrinfo = lambda *a, **k: time.sleep(3600)"


@pytest.mark.parametrize("seconds", [2.0, pytest.param(20.0, marks=pytest.mark.long)])
def test_f06_a_name_look_up_that_hangs_ends_by_the_deadline(backend, fake, seconds):
    backend.token(fake, expiresAt=ENDED)
    patch = (
        f"{HANGING}\nimport awsenv.renewal; awsenv.renewal._WHOLE = {seconds}; awsenv.renewal._PATIENCE = {seconds} / 4"
    )
    began = time.monotonic()
    done = run_with(backend, patch, "use", "piyo", AWS_ENDPOINT_URL_SSO_OIDC="http://localhost:9")
    failed(done, 6, f"no answer from AWS in {seconds:.0f} s")
    assert seconds <= time.monotonic() - began < seconds + 3


PORTALS = {
    "page": {"html": True},
    "redirect": {"redirect": "http://192.0.2.1/guests"},
    "truncated": {"truncated": True},
    "not JSON": {"body": b"<html>hello</html>"},
    "empty": {"body": b""},
    "a list": {"body": b"[]"},
    "other fields": {"body": b'{"hello": 1}'},
    "page with an error status": {"html": True, "status": 403},
}


@pytest.mark.parametrize(
    ("operation", "way"),
    [
        *(("CreateToken", way) for way in PORTALS),
        *(("GetRoleCredentials", way) for way in ("page", "truncated", "a list")),
    ],
)
def test_f07_what_is_not_aws_is_called_so_and_costs_nobody_a_token(backend, fake, way, operation):
    path = backend.token(fake, **({"expiresAt": ENDED} if operation == "CreateToken" else {}))
    before = path.read_bytes()
    fake.refresh_grace = 9  # half an answer is the true one: the token is spent
    fake.fail(operation, **PORTALS[way], times=9)
    done = backend("use", "piyo")
    failed(done, 6, "127.0.0.1")
    assert "captive portal" in done.stderr or way == "truncated", done.stderr
    assert path.read_bytes() == before and marks(backend, "dead") == []


@pytest.mark.parametrize("way", ["truncated", "drop", "reset"])
def test_f07_an_answer_that_was_lost_is_asked_for_once_more_while_aws_still_gives_it(backend, fake, way):
    backend.token(fake, expiresAt=ENDED)
    fake.refresh_grace = 9
    fake.fail("CreateToken", **{way: True}, committed=True)
    served(backend("use", "piyo"))
    assert fake.count("CreateToken") == 2 and fake.spent_tokens_reused == 0


def test_f07_an_answer_with_another_content_type_is_still_aws(backend, fake):
    """Proxies relabel things; what was asked for is in it, and the refresh token is spent."""
    backend.token(fake, expiresAt=ENDED)
    fake.fail("CreateToken", content_type="text/html")
    served(backend("use", "piyo"))
    assert fake.count("CreateToken") == 1


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("operation", ["CreateToken", "GetRoleCredentials"])
def test_f07_no_redirect_is_followed_with_a_token(backend, fake, status, operation):
    backend.token(fake, **({"expiresAt": ENDED} if operation == "CreateToken" else {}))
    fake.fail(operation, redirect=f"{fake.sts_url}/stolen", status=status, times=9)
    failed(backend("use", "piyo"), 6, "captive portal")
    assert {call.service for call in fake.calls} <= {"sso", "sso-oidc"}, fake.calls


def test_f07_a_captive_portal_leaves_a_token_in_the_window_in_use(backend, fake):
    path = soon(backend, fake)
    before = path.read_bytes()
    fake.fail("CreateToken", html=True, times=9)
    served(backend("use", "piyo"))
    until(lambda: marks(backend, "wait"))
    assert path.read_bytes() == before


def test_f08_an_ended_session_is_asked_about_once_ever(backend, fake):
    path = backend.token(fake, expiresAt=ENDED)
    fake.revoke(json.loads(path.read_text())["accessToken"])
    for verb in (("use", "piyo"), ("export", "piyo-prod"), ("whoami",), ("exec", "piyo", "--", "true")):
        failed(backend(*verb, **({"AWSENV_PROFILE": "piyo"} if verb == ("whoami",) else {})), 4, "awsenv login test")
    assert fake.count("CreateToken") == 1
    backend.token(fake)
    served(backend("use", "piyo"))


def test_f09_a_revoked_token_is_renewed_once_and_stored_roles_stay(backend, fake):
    backend.token(fake)
    served(backend("use", "AdministratorAccess-123456789012"))
    kept = {path.name: path.read_bytes() for path in (backend.store / "keys").iterdir()}
    path = backend.home / ".aws/sso/cache"
    (token,) = path.glob("*.json")
    before = token.read_bytes()
    fake.revoke(json.loads(before)["accessToken"])
    failed(backend("use", "--fresh", "AdministratorAccess-123456789012"), 4, "was ended before its time")
    assert fake.count("CreateToken") == 1 and token.read_bytes() == before
    assert kept == {path.name: path.read_bytes() for path in (backend.store / "keys").iterdir()}
    served(backend("use", "AdministratorAccess-123456789012"))  # IAM keeps what it gave until its end
    # The same, with a refresh token that AWS still takes: nobody has to log in.
    backend.token(fake)
    fake.end_access(json.loads(token.read_text())["accessToken"])
    served(backend("use", "--fresh", "AdministratorAccess-123456789012"))
    assert fake.count("CreateToken") == 2


def test_f10_a_role_that_was_taken_away_is_named_and_not_asked_for_again_for_a_minute(backend, fake):
    path = backend.token(fake)
    before = path.read_bytes()
    backend.configure(
        "\n[profile gone]\nsso_session = test\nsso_account_id = 222222222222\nsso_role_name = Administrator\n"
    )
    failed(backend("use", "gone"), 5, "Administrator", "222222222222", "Developer")
    calls = len(fake.calls)
    for verb in ("use", "export", "use"):
        done = backend(verb, "gone")
        failed(done, 5, "Administrator", "222222222222", "Developer", "config:", "; AWS is asked again in ")
        assert 50 <= int(done.stderr.split("asked again in ")[1].split(" s")[0]) <= 60
    assert len(fake.calls) == calls and path.read_bytes() == before
    served(backend("use", "piyo"))  # only that role
    (mark,) = marks(backend, "refused")
    at, *rest = json.loads(mark.read_text())
    mark.write_text(json.dumps([at - 61, *rest]) + "\n")
    calls = len(fake.calls)
    failed(backend("use", "gone"), 5, "Developer")
    assert len(fake.calls) == calls + 2
    backend.token(fake)  # another login may have it
    calls = len(fake.calls)
    failed(backend("use", "gone"), 5, "Developer")
    assert len(fake.calls) == calls + 2


def test_f13_on_a_full_disk_what_is_in_hand_is_served_and_said(backend, fake, tmp_path):
    backend.token(fake)
    with small_disk(tmp_path / "small", "64k") as place:
        backend.env["AWSENV_STORE"] = str(place / "store")
        served(backend("use", "AdministratorAccess-123456789012"))
        kept = {path: path.read_bytes() for path in place.rglob("*") if path.is_file() and "locks" not in path.parts}
        with open(place / "filler", "wb") as filler, pytest.raises(OSError):
            while True:
                os.write(filler.fileno(), b"x" * 512)
        done = backend("use", "piyo")
        served(done)
        assert "not kept" in done.stderr and "No space left" in done.stderr
        assert {path: path.read_bytes() for path in kept} == kept


def test_f13_on_a_full_disk_a_token_in_its_window_is_used_and_not_renewed(backend, fake, tmp_path):
    path = soon(backend, fake, left=100)
    text = path.read_text()
    with small_disk(path.parent, "16k"):
        path.write_text(text)
        with open(path.parent / "filler", "wb") as filler, pytest.raises(OSError):
            while True:
                os.write(filler.fileno(), b"x" * 512)
        served(backend("use", "piyo"))
        until(lambda: marks(backend, "worker"))
        time.sleep(1.5)  # the worker has tried by now
        assert fake.count("CreateToken") == 0 and path.read_text() == text


def test_f14_on_a_read_only_disk_nothing_is_spent_and_a_live_token_serves(backend, fake, tmp_path):
    path = backend.token(fake, expiresAt=ENDED)
    ended = path.read_text()
    live = json.dumps({**json.loads(ended), "expiresAt": "2099-01-01T00:00:00Z"})
    for text, is_live in ((ended, False), (live, True)):
        with small_disk(path.parent, "64k"):
            path.write_text(text)
            subprocess.run(["mount", "-o", "remount,ro", str(path.parent)], check=True)
            if is_live:
                served(backend("use", "piyo"))
            else:
                failed(backend("use", "piyo"), 7, "can't write in")
                failed(backend("login", "test"), 7, "can't write in")  # before a person is sent anywhere
            assert path.read_text() == text
    assert (
        fake.count("CreateToken") == 0 and fake.count("RegisterClient") == fake.count("StartDeviceAuthorization") == 0
    )


def test_f34_after_a_sleep_one_renewal_and_no_stale_answer(backend, fake):
    served(backend("use", "piyo"))
    backend.expire()  # what nine hours with the lid closed do
    path = backend.home / ".aws/sso/cache"
    (token,) = path.glob("*.json")
    token.write_text(json.dumps({**json.loads(token.read_text()), "expiresAt": ENDED}))
    fake.forget()
    served(backend("use", "piyo"))
    served(backend("use", "piyo"))
    assert (fake.count("CreateToken"), fake.count("GetRoleCredentials")) == (1, 1)


def test_f35_a_logout_elsewhere_ends_every_role_of_that_login_here(backend, fake):
    backend.token(fake)  # the house's own is everybody's
    served(backend("use", "piyo-prod"))
    served(backend("use", "hoge1"))
    (token,) = (backend.home / ".aws/sso/cache").glob("*.json")
    fake.revoke(json.loads(token.read_text())["accessToken"])
    token.unlink()
    calls = len(fake.calls)
    failed(backend("use", "piyo-prod"), 4, "awsenv login test")
    assert list((backend.store / "keys").iterdir()) == [] and len(fake.calls) == calls
    failed(backend("use", "piyo"), 4, "awsenv login test")
    served(backend("use", "hoge1"))
