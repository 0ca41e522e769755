"""What every store promises, and what the one in files promises beyond: modes, links, kills, full disks, one at a time."""

import multiprocessing
import os
import random
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from awsenv import hot, turn
from awsenv.errors import Storage, Unreachable
from awsenv.model import Credentials, window_of
from awsenv.store import FileStore, NoStore, lock, make_private_folder, open_store, reserved, write_private

ROLE = Credentials(
    "ASIAEXAMPLE", "s/e+c=ret", "t" * 300, issued_at=1000.5, expires_at=4600.5, account_id="123456789012"
)
OTHER = Credentials("ASIAOTHER", "x", "y", issued_at=1.0, expires_at=2.0)
KEY, KEY2 = "a" * 64, "b" * 64


class MemoryStore:
    """The smallest thing that fulfils the contract; resolve's tests use it."""

    def __init__(self) -> None:
        self.kept: dict[str, Credentials] = {}

    def get(self, key):
        return self.kept.get(key)

    def put(self, key, credentials):
        self.kept[key] = credentials

    def drop(self, key):
        self.kept.pop(key, None)

    @contextmanager
    def locked(self, key, wait=True):
        yield True


@pytest.fixture(params=["memory", "files"])
def store(request, tmp_path):
    if request.param == "memory":
        return MemoryStore()
    opened, trouble = open_store(str(tmp_path / "store"))
    assert trouble is None
    return opened


@pytest.fixture
def files(tmp_path) -> FileStore:
    opened, _ = open_store(str(tmp_path / "store"))
    assert isinstance(opened, FileStore)
    return opened


# The contract


def test_what_is_put_is_got(store):
    store.put(KEY, ROLE)
    assert store.get(KEY) == ROLE


def test_what_was_never_put_is_none(store):
    assert store.get(KEY) is None


def test_the_last_put_wins_and_keys_are_apart(store):
    store.put(KEY, ROLE)
    store.put(KEY2, OTHER)
    store.put(KEY, OTHER)
    assert (store.get(KEY), store.get(KEY2)) == (OTHER, OTHER)
    store.put(KEY, ROLE)
    assert (store.get(KEY), store.get(KEY2)) == (ROLE, OTHER)


def test_expired_is_still_got_for_the_caller_to_judge(store):
    store.put(KEY, OTHER)
    assert store.get(KEY) == OTHER and not OTHER.is_fresh(3.0)


def test_drop_forgets_and_dropping_nothing_is_nothing(store):
    store.put(KEY, ROLE)
    store.drop(KEY)
    store.drop(KEY)
    assert store.get(KEY) is None


def test_a_lock_is_had(store):
    with store.locked(KEY) as is_ours:
        assert is_ours


# Files


def test_files_are_0600_in_0700_whatever_the_umask(tmp_path):
    for mask in (0o000, 0o022, 0o077, 0o177):
        before = os.umask(mask)
        try:
            store, trouble = open_store(str(tmp_path / f"store {mask}"))
            assert trouble is None
            store.put(KEY, ROLE)
            with store.locked(KEY):
                pass
        finally:
            os.umask(before)
        for folder, _, names in os.walk(tmp_path / f"store {mask}"):
            assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
            for name in names:
                assert stat.S_IMODE(os.stat(f"{folder}/{name}").st_mode) in (0o600, 0o600 & ~mask)
        assert store.get(KEY) == ROLE


@pytest.mark.parametrize(
    "damage", ["truncated", "empty", "garbage", "list", "huge", "nul", "other format", "foreign name"]
)
def test_a_damaged_entry_is_absent_and_overwritten_by_a_good_one(files, damage):
    files.put(KEY, ROLE)
    path = Path(files.root, "keys", KEY)
    good = path.read_bytes()
    bad = {
        "truncated": good[: len(good) // 2],
        "empty": b"",
        "garbage": b"\xff\xfe\x00",
        "list": b"[]\n",
        "huge": good + b"x" * (2 << 20) + b"\n",
        "nul": good.replace(b"1", b"\0", 1),
        "other format": good.replace(b"awsenv 1", b"awsenv 2", 1),
        "foreign name": good + b"LD_PRELOAD=/tmp/x\n",
    }[damage]
    path.write_bytes(bad)
    assert files.get(KEY) is None
    files.put(KEY, ROLE)
    assert files.get(KEY) == ROLE


@pytest.mark.parametrize("trap", ["symlink", "hard link", "fifo", "folder", "open mode", "device"])
def test_nothing_but_a_private_regular_file_is_read_and_no_link_is_followed(files, tmp_path, trap):
    files.put(KEY2, ROLE)
    good, path = Path(files.root, "keys", KEY2), Path(files.root, "keys", KEY)
    victim = tmp_path / "victim"
    victim.write_bytes(good.read_bytes())
    victim.chmod(0o600)
    if trap == "symlink":
        path.symlink_to(victim)
    elif trap == "hard link":
        path.hardlink_to(victim)
    elif trap == "fifo":
        os.mkfifo(path, 0o600)
    elif trap == "folder":
        path.mkdir()
    elif trap == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(good.read_bytes())
        path.chmod(0o644)
    began = time.monotonic()
    assert files.get(KEY) is None
    assert time.monotonic() - began < 5
    if trap == "folder":
        with pytest.raises(Storage):
            files.put(KEY, OTHER)
    else:
        files.put(KEY, OTHER)
        assert files.get(KEY) == OTHER
    assert victim.read_bytes() == good.read_bytes()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o702])
def test_a_folder_open_to_others_is_neither_read_nor_written(tmp_path, mode):
    root = tmp_path / "store"
    store, _ = open_store(str(root))
    store.put(KEY, ROLE)
    root.chmod(mode)
    refused, trouble = open_store(str(root))
    assert isinstance(refused, NoStore) and f"chmod -R go-rwx {root}" in trouble
    assert refused.get(KEY) is None
    refused.put(KEY2, ROLE)
    root.chmod(0o700)
    assert store.get(KEY2) is None


def test_a_linked_or_foreign_or_occupied_place_is_said_plainly(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert "symbolic link" in open_store(str(tmp_path / "link"))[1]
    (tmp_path / "file").write_text("")
    assert "not a folder" in open_store(str(tmp_path / "file"))[1]
    assert "HOME" in open_store(None)[1]
    if os.geteuid() == 0:
        (tmp_path / "foreign").mkdir(mode=0o700)
        os.chown(tmp_path / "foreign", 12345, 12345)
        assert "somebody else" in open_store(str(tmp_path / "foreign"))[1]


def test_control_characters_in_a_key_are_not_kept(files):
    with pytest.raises(Storage):
        files.put(KEY, Credentials("ASIA", "secret\nLD_PRELOAD=/x", "t"))
    assert files.get(KEY) is None


def test_what_can_no_longer_be_alive_is_swept(files):
    for name, age in (("old", 14 * 3600), ("young", 3600)):
        path = Path(files.root, "keys", name)
        path.write_text("x\n")
        os.utime(path, (time.time() - age,) * 2)
    leftover = Path(files.root, "keys", ".awsenv-1-2.tmp")
    leftover.write_text("")
    os.utime(leftover, (time.time() - 7200,) * 2)
    files.put(KEY, ROLE)
    assert sorted(os.listdir(Path(files.root, "keys"))) == sorted(["young", KEY])


def on_a_full_disk(tmp_path: Path):
    """A 64 KiB tmpfs, full to the last byte; None where this machine lets us mount nothing."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(place)], capture_output=True
    )
    return place if done.returncode == 0 else None


def test_a_full_disk_keeps_the_old_entry_and_says_so(tmp_path):
    place = on_a_full_disk(tmp_path)
    if place is None:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        store, trouble = open_store(str(place / "store"))
        assert trouble is None
        store.put(KEY, ROLE)
        with open(place / "filler", "wb") as filler, pytest.raises(OSError):
            while True:
                os.write(filler.fileno(), b"x" * 4096)
        with pytest.raises(Storage, match="No space left"):
            store.put(KEY, OTHER)
        assert store.get(KEY) == ROLE
        with pytest.raises(Storage), reserved(str(place / "store/keys/next"), 8192):
            pass
        assert sorted(os.listdir(place / "store/keys")) == [KEY]
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _put_forever(root: str, ready) -> None:
    store = FileStore(root)
    n = 0
    while True:
        n += 1
        with store.locked(KEY):
            store.put(KEY, Credentials(f"ASIA{n}", "s" * 40, "t" * random.randrange(1, 5000), 1.0, 4e9))
        ready.set()


def kills(files: FileStore, count: int) -> None:
    context = multiprocessing.get_context("fork")
    for _ in range(count):
        ready = context.Event()
        child = context.Process(target=_put_forever, args=(files.root, ready), daemon=True)
        child.start()
        ready.wait(10)
        time.sleep(random.uniform(0, 0.004))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        found = files.get(KEY)
        assert found is not None and found.secret_access_key == "s" * 40
        began = time.monotonic()
        with files.locked(KEY) as is_ours:
            assert is_ours
        assert time.monotonic() - began < 1


def test_kill_9_at_any_moment_leaves_a_readable_entry_and_a_free_lock(files):
    kills(files, 40)


@pytest.mark.long
def test_kill_9_at_any_moment_hundreds_of_times(files):
    kills(files, 600)


def _hold(path: str, ready, stop) -> None:
    with lock(path) as is_ours:
        assert is_ours
        ready.set()
        stop.wait(30)


def test_a_held_lock_is_waited_for_or_not_as_asked(tmp_path):
    make_private_folder(str(tmp_path / "locks"))
    path = str(tmp_path / "locks/one")
    context = multiprocessing.get_context("fork")
    ready, stop = context.Event(), context.Event()
    child = context.Process(target=_hold, args=(path, ready, stop), daemon=True)
    child.start()
    try:
        assert ready.wait(10)
        with lock(path, wait=False) as is_ours:
            assert not is_ours
        with lock(path, is_done=lambda: True) as is_ours:
            assert not is_ours
        stop.set()
        with lock(path) as is_ours:
            assert is_ours
    finally:
        stop.set()
        child.join()


def test_a_stuck_owner_is_named_when_time_is_up(tmp_path, monkeypatch):
    monkeypatch.setattr(turn, "WAIT", 0.3)
    make_private_folder(str(tmp_path / "locks"))
    path = str(tmp_path / "locks/one")
    context = multiprocessing.get_context("fork")
    ready, stop = context.Event(), context.Event()
    child = context.Process(target=_hold, args=(path, ready, stop), daemon=True)
    child.start()
    try:
        assert ready.wait(10)
        with pytest.raises(Unreachable, match=f"process {child.pid}"), lock(path):
            pass
    finally:
        stop.set()
        child.join()


def test_a_program_that_we_start_does_not_inherit_the_lock(tmp_path):
    make_private_folder(str(tmp_path / "locks"))
    path = str(tmp_path / "locks/one")
    with lock(path):
        sleeper = subprocess.Popen(["sleep", "30"], close_fds=False)
    try:
        with lock(path, wait=False) as is_ours:
            assert is_ours
    finally:
        sleeper.kill()
        sleeper.wait()


def test_write_private_replaces_in_one_step(tmp_path):
    write_private(str(tmp_path / "file"), "one\n")
    write_private(str(tmp_path / "file"), "two\n")
    assert (tmp_path / "file").read_text() == "two\n" and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("lifetime", "window"), [(900, 300), (1200, 300), (3600, 540), (14400, 600), (43200, 600), (60, 20)]
)
def test_the_renewal_window(lifetime, window):
    assert window_of(lifetime) == pytest.approx(window)


# A hundred at once


def test_a_hundred_processes_on_one_expired_identity_make_one_call_and_all_succeed(fake, house, tmp_path):
    fake.forget()
    env = {
        "PATH": os.environ["PATH"],
        **house.environment,
        "AWSENV_SHIM": "bash:1",
        "AWSENV_STORE": str(tmp_path / "s"),
    }
    argv = [sys.executable, "-I", "-S", str(Path(hot.__file__).parent / "__main__.py"), "use", "piyo"]
    crowd = [subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(100)]
    answers = [process.communicate(timeout=90) for process in crowd]
    assert [process.returncode for process in crowd] == [0] * 100, answers
    assert len({b"".join(sorted(out.split())) for out, _ in answers}) == 1
    assert (fake.count("GetRoleCredentials"), fake.count("AssumeRole")) == (1, 1)


def test_export_from_many_processes_without_a_shim_makes_one_call_too(fake, house, tmp_path):
    fake.forget()
    env = {"PATH": os.environ["PATH"], **house.environment, "AWSENV_STORE": str(tmp_path / "s")}
    argv = [sys.executable, "-m", "awsenv", "export", "piyo-prod", "--format", "json"]
    crowd = [subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) for _ in range(12)]
    answers = {process.communicate(timeout=90)[0] for process in crowd}
    assert len(answers) == 1
    assert (fake.count("GetRoleCredentials"), fake.count("AssumeRole")) == (1, 2)
