"""AWS's own token files, shared with tools that write them their way, and the marks that we keep beside them."""

import calendar
import json
import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from awsenv import store as store_module
from awsenv.demo.house import SESSION, START_URL
from awsenv.errors import Storage
from awsenv.model import SsoSession
from awsenv.store import NoStore, open_store, reserved
from awsenv.tokens import AwsTokenCache, registration_path, renewed, token_path

FIELDS = {
    "startUrl": START_URL,
    "region": "eu-west-1",
    "accessToken": "aoaOLD",
    "expiresAt": "2030-01-01T00:00:00Z",
    "clientId": "client",
    "clientSecret": "secret",
    "registrationExpiresAt": "2030-02-01T00:00:00Z",
    "refreshToken": "aorOLD",
}


@pytest.fixture
def cache(tmp_path) -> AwsTokenCache:
    return opened(tmp_path)


def opened(folder: Path) -> AwsTokenCache:
    return AwsTokenCache(str(folder / "cache"), open_store(str(folder / "store"))[0], time.time)


def write(folder: Path, text: str | bytes | None = None, **fields: object) -> Path:
    path = Path(token_path(str(folder / "cache"), SESSION))
    path.parent.mkdir(exist_ok=True)
    data = text if text is not None else json.dumps({**FIELDS, **fields})
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@contextmanager
def small_disk(place: Path, size: str):
    """A tmpfs of *size* at *place*; the test is skipped where this machine lets us mount nothing."""
    place.mkdir(exist_ok=True)
    argv = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(place)]
    if subprocess.run(argv, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


# ---- What is read ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2030-01-01T00:00:00Z", "2030-01-01T00:00:00"),
        ("2030-01-01T00:00:00UTC", "2030-01-01T00:00:00"),
        ("2030-01-01T00:00:00.123Z", "2030-01-01T00:00:00"),
        ("2030-01-01T09:00:00+09:00", "2030-01-01T00:00:00"),
        ("2030-01-01T09:00:00.5+09:00", "2030-01-01T00:00:00"),
        ("2030-01-01T00:00:00.123456", "2030-01-01T00:00:00"),
    ],
)
def test_an_expiry_is_read_as_every_tool_writes_it(cache, tmp_path, written, meant):
    write(tmp_path, expiresAt=written)
    expected = calendar.timegm(time.strptime(meant, "%Y-%m-%dT%H:%M:%S"))
    assert cache.load(SESSION).expires_at == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    "damage",
    [
        b"", b"[]", b"{", b"null", b"\xff\xfe", b"[" * 100_000, b"{}" + b" " * (2 << 20),
        b'{"accessToken": 1, "expiresAt": "2030-01-01T00:00:00Z"}',
        b'{"accessToken": "a", "expiresAt": 1893456000}',
        b'{"accessToken": "a", "expiresAt": "tomorrow"}',
        b'{"accessToken": "a", "expiresAt": "9999-12-31T23:59:59-23:59"}',
        b'{"accessToken": "a\\nX-Injected: 1", "expiresAt": "2030-01-01T00:00:00Z"}',
        b'{"accessToken": "\\ud800", "expiresAt": "2030-01-01T00:00:00Z"}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_no_token_and_stays_as_it_is(cache, tmp_path, damage):
    path = write(tmp_path, damage)
    found = cache.load(SESSION)
    assert found is None or found.expires_at > 2e11  # the far future is odd, and a time
    assert path.read_bytes() == damage


@pytest.mark.parametrize("trap", ["fifo", "folder", "device"])
def test_what_is_no_file_is_no_token_and_hangs_nobody(cache, tmp_path, trap):
    path = write(tmp_path)
    path.unlink()
    {"fifo": os.mkfifo, "folder": os.mkdir, "device": lambda p: os.symlink("/dev/zero", p)}[trap](path)
    began = time.monotonic()
    assert cache.load(SESSION) is None
    assert time.monotonic() - began < 2


def test_a_refresh_token_that_could_stand_in_no_header_is_none(cache, tmp_path):
    write(tmp_path, refreshToken="\ud800")
    token = cache.load(SESSION)
    assert token.refresh_token is None and not token.is_refreshable(0)
    assert not cache.is_dead(token) and cache.login_id(token)


@pytest.mark.parametrize("whole_after", [1, 2, 3])
def test_half_a_file_is_read_again_until_it_is_whole(cache, tmp_path, monkeypatch, whole_after):
    path = write(tmp_path, "{")
    naps = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == whole_after:
            write(tmp_path)

    monkeypatch.setattr(time, "sleep", nap)
    assert cache.load(SESSION).access_token == "aoaOLD"
    assert len(naps) == whole_after and all(0.01 <= nap <= 0.02 for nap in naps)
    path.write_text("{")
    os.utime(path, (1e9, 1e9))
    naps[:] = [0.0] * 9
    assert cache.load(SESSION) is None and len(naps) == 12  # what has been damaged for long: three times
    os.utime(path)
    began = time.monotonic()
    assert cache.load(SESSION) is None and len(naps) > 30  # what may be in the middle of it: half a second
    assert 0.4 < time.monotonic() - began < 1.5


def test_a_registration_is_no_token_and_a_token_no_registration(cache, tmp_path):
    session = SsoSession(SESSION, START_URL, "eu-west-1")
    write(tmp_path)
    folder = str(tmp_path / "cache")
    Path(registration_path(folder, session)).write_text(json.dumps({**FIELDS, "scopes": []}))
    assert cache.registration(session, False) is None
    Path(token_path(folder, SESSION)).write_text(
        json.dumps({"clientId": "c", "clientSecret": "s", "expiresAt": "2030-01-01T00:00:00Z"})
    )
    assert cache.load(SESSION) is None


# ---- What is written ------------------------------------------------------------------------------------------------


def test_a_renewal_keeps_every_field_that_is_not_ours(cache, tmp_path):
    path = write(tmp_path, theirs={"deep": [1, "ü"]}, another="x")
    token = cache.load(SESSION)
    login = cache.login_id(token)
    with cache.successor(SESSION) as place:
        place.keep(renewed(token, "aoaNEW", 2e9, "aorNEW"))
    assert cache.login_id(cache.load(SESSION)) == login, "renewed, it is the same login"
    theirs = json.loads(path.read_text())
    assert theirs.pop("awsenvLogin") == login
    expected = {**FIELDS, "theirs": {"deep": [1, "ü"]}, "another": "x"}
    expected |= {"accessToken": "aoaNEW", "refreshToken": "aorNEW", "expiresAt": "2033-05-18T03:33:20Z"}
    assert theirs == expected
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_token_of_aws_tools_is_a_login_by_itself_whatever_client_it_came_through(cache, tmp_path):
    write(tmp_path, accessToken="aoaALICE")
    alice = cache.login_id(cache.load(SESSION))
    write(tmp_path, accessToken="aoaBOB")
    assert cache.login_id(cache.load(SESSION)) != alice


def test_a_reply_without_a_refresh_token_leaves_the_old_one_in_force(cache, tmp_path):
    path = write(tmp_path)
    with cache.successor(SESSION) as place:
        place.keep(renewed(cache.load(SESSION), "aoaNEW", 2e9, None))
    assert json.loads(path.read_text())["refreshToken"] == "aorOLD"


def test_a_new_login_keeps_nothing_of_the_old_one(cache, tmp_path):
    path = write(tmp_path, theirs="x")
    with cache.successor(SESSION, anew=True) as place:
        place.keep(renewed(opened(tmp_path).load(SESSION), "aoaNEW", 2e9, "aorNEW").__class__("aoaNEW", 2e9))
    assert sorted(json.loads(path.read_text())) == ["accessToken", "expiresAt"]


def test_what_is_reserved_and_not_kept_leaves_no_trace(cache, tmp_path):
    path = write(tmp_path)
    before = path.read_bytes()
    with pytest.raises(KeyError), cache.successor(SESSION):
        raise KeyError
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]


def test_leftovers_of_killed_processes_are_swept_and_nobody_elses(cache, tmp_path):
    folder = write(tmp_path).parent
    for name, age in ((".awsenv-1-2.tmp", 7200), (".awsenv-3-4.tmp", 60), ("tmpabcd.tmp", 7200)):
        (folder / name).write_text("x")
        os.utime(folder / name, (time.time() - age,) * 2)
    with cache.successor(SESSION):
        pass
    assert sorted(p.name for p in folder.iterdir() if p.suffix == ".tmp") == [".awsenv-3-4.tmp", "tmpabcd.tmp"]


@pytest.mark.parametrize("free", [0, 4, 8])
def test_a_disk_with_room_for_a_part_only_is_a_full_one(tmp_path, free):
    with small_disk(tmp_path / "cache", "64k") as place:
        write(tmp_path)
        before = Path(token_path(str(place), SESSION)).read_bytes()
        filler = os.open(place / "filler", os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError):
            while True:
                os.write(filler, b"x" * 1024)
        os.ftruncate(filler, os.fstat(filler).st_size - free * 1024)
        with pytest.raises(Storage, match="No space left"), opened(tmp_path).successor(SESSION):
            pytest.fail("there is no room for a token and 8 KiB")
        assert Path(token_path(str(place), SESSION)).read_bytes() == before
        assert sorted(os.listdir(place)) == sorted(["filler", os.path.basename(token_path("", SESSION))])
        os.close(filler)


def test_a_read_only_disk_is_said_before_anything_is_spent(tmp_path):
    with small_disk(tmp_path / "cache", "64k") as place:
        write(tmp_path)
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        with pytest.raises(Storage, match="can't write in"), opened(tmp_path).successor(SESSION):
            pytest.fail("nothing can be written here")


def test_another_persons_folder_is_not_renewed_in_and_may_be_logged_in_to(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("root alone can write in somebody else's folder")
    folder = write(tmp_path).parent
    os.chown(folder, 12345, 12345)
    cache = opened(tmp_path)
    with pytest.raises(Storage, match="belongs to somebody else"), cache.successor(SESSION):
        pytest.fail("sudo awsenv would leave a file of root's, and its person without a login")
    with cache.successor(SESSION, anew=True):
        pass


def test_a_folder_that_cannot_be_synced_is_no_failure_of_a_token_in_its_place(cache, tmp_path, monkeypatch):
    path = write(tmp_path)
    real, synced = os.fsync, []

    def fsync(descriptor: int) -> None:
        synced.append(descriptor)
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(22, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(store_module.os, "fsync", fsync)
    with cache.successor(SESSION) as place:
        place.keep(renewed(cache.load(SESSION), "aoaNEW", 2e9, "aorNEW"))
    assert json.loads(path.read_text())["accessToken"] == "aoaNEW"
    assert len(synced) == 3  # the room, the token, the folder


def test_a_short_write_is_written_on(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(store_module.os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    with reserved(str(tmp_path / "file"), 100) as place:
        assert (tmp_path / next(iter(os.listdir(tmp_path)))).stat().st_size == 100
        place.keep("twelve bytes\n")
    assert (tmp_path / "file").read_text() == "twelve bytes\n"


# ---- Marks ----------------------------------------------------------------------------------------------------------


def test_waits_double_from_half_a_minute_to_five_and_start_anew_after_a_quiet_time(cache):
    waits, now = [], 1000.0
    for _ in range(6):
        cache.note_trouble(SESSION, now, "x", None, False)
        waits.append(cache.trouble(SESSION).wait(now))
        now = cache.trouble(SESSION).next_attempt + 1
    assert waits == [30, 60, 120, 240, 300, 300]
    cache.note_trouble(SESSION, now + 600, "x", None, False)
    assert cache.trouble(SESSION).wait(now + 600) == 30


def test_a_thousand_failures_are_no_failure_of_ours(cache):
    for _ in range(1200):
        cache.note_trouble(SESSION, 1000.0, "x", None, False)
    assert cache.trouble(SESSION).wait(1000.0) == 300


@pytest.mark.parametrize(("asked", "wait"), [(None, 30), (5, 30), (100, 100), (86400, 300)])
def test_a_wish_to_wait_is_heeded_up_to_five_minutes(cache, asked, wait):
    cache.note_trouble(SESSION, 1000.0, "AWS\tis\nbusy", asked, True)
    trouble = cache.trouble(SESSION)
    assert (trouble.wait(1000.0), trouble.what, trouble.is_busy) == (wait, "AWS is busy", True)


def test_a_clock_set_back_ends_a_wait(cache):
    cache.note_trouble(SESSION, 10_000.0, "x", None, True)
    assert cache.trouble(SESSION).wait(10_000.0 - 7200) == 0


@pytest.mark.parametrize("text", ["", "x\n", "1\t2\n", "1\t2\tx\tbusy\twhat\n", "\x00\n"])
def test_a_damaged_mark_is_none(cache, tmp_path, text):
    cache.note_trouble(SESSION, 1000.0, "x", None, True)
    (mark,) = (tmp_path / "store/marks").iterdir()
    mark.write_text(text)
    assert cache.trouble(SESSION) is None


def test_a_dead_refresh_token_is_known_by_every_process_and_its_successor_is_not_dead(cache, tmp_path):
    write(tmp_path)
    cache.mark_dead(cache.load(SESSION))
    assert opened(tmp_path).is_dead(cache.load(SESSION))
    write(tmp_path, refreshToken="aorNEW")
    assert not opened(tmp_path).is_dead(cache.load(SESSION))
    assert "aor" not in "".join(p.name + p.read_text() for p in (tmp_path / "store/marks").iterdir())


def test_a_refusal_is_remembered_for_a_minute_for_that_token_and_that_role(cache, tmp_path):
    write(tmp_path)
    token = cache.load(SESSION)
    cache.note_refusal(token, "1 Admin", 1000.0, 'no\t"Ädmin"\ud800', None)
    found = opened(tmp_path).refusal(token, "1 Admin", 1040.0)
    assert (found.what, found.hint, found.wait) == ('no\t"Ädmin"\ud800', None, 20.0)
    assert cache.refusal(token, "1 Admin", 1060.0) is None and cache.refusal(token, "1 Admin", 999.0) is None
    assert cache.refusal(token, "1 Other", 1010.0) is None
    write(tmp_path, accessToken="aoaNEW")
    assert cache.refusal(cache.load(SESSION), "1 Admin", 1010.0) is None
    assert "aoa" not in "".join(p.name + p.read_text() for p in (tmp_path / "store/marks").iterdir())


def test_one_worker_is_started_in_half_a_minute_and_none_while_somebody_renews(cache, tmp_path):
    other = opened(tmp_path)
    assert cache.may_start_worker(SESSION, 1000.0, 30.0)
    assert not other.may_start_worker(SESSION, 1029.0, 30.0)
    with cache.locked(SESSION, wait=True):
        assert not other.may_start_worker(SESSION, 1031.0, 30.0)
    assert other.may_start_worker(SESSION, 1031.0, 30.0)
    assert other.may_start_worker(SESSION, 900.0, 30.0)  # the clock was set back


def test_marks_that_can_be_kept_nowhere_stop_nothing(tmp_path):
    write(tmp_path)
    cache = AwsTokenCache(str(tmp_path / "cache"), NoStore(), time.time)
    token = cache.load(SESSION)
    cache.mark_dead(token)
    cache.note_trouble(SESSION, 1.0, "x", None, True)
    cache.note_refusal(token, "x", 1.0, "x", None)
    cache.clear_trouble(SESSION)
    assert not cache.is_dead(token) and cache.trouble(SESSION) is None and cache.refusal(token, "x", 1.0) is None
    assert not cache.may_start_worker(SESSION, 1.0, 30.0)
    with cache.locked(SESSION, wait=True) as is_ours:
        assert is_ours


def test_a_full_disk_under_the_marks_stops_nothing(tmp_path):
    with small_disk(tmp_path / "small", "64k") as place:
        write(tmp_path)
        cache = AwsTokenCache(str(tmp_path / "cache"), open_store(str(place / "store"))[0], time.time)
        with open(place / "filler", "wb") as filler, pytest.raises(OSError):
            while True:
                os.write(filler.fileno(), b"x" * 1024)
        cache.mark_dead(cache.load(SESSION))
        cache.note_trouble(SESSION, 1.0, "x", None, True)
        cache.note_refusal(cache.load(SESSION), "x", 1.0, "x", None)
        assert [p.name for p in (place / "store/marks").iterdir()] == []
