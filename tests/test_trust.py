"""Trust: a config file that is not plainly the user's own starts no program until its very content was trusted."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pexpect
import platformdirs
import pytest

from awsenv import assets, trust
from awsenv.errors import Config, Storage
from awsenv.model import Where
from awsenv.program import starting
from awsenv.trust import Gate, commands_in, origin_of

CONFIG = b"[profile p]\nregion = eu-west-1\ncredential_process = '%s' --password hunter2\n"
PRINTED = '{"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "s", "Expiration": "2100-01-01T00:00:00Z"}'


@pytest.fixture
def home(tmp_path) -> Path:
    folder = tmp_path / "home"
    (folder / ".aws").mkdir(parents=True)
    (folder / ".aws/config").write_text("[profile p]\n")
    return folder


def gate(home: Path, *named: str) -> Gate:
    return Gate(str(home), str(home / "trust"), lambda: named)


# Whose a file is


def test_ones_own_two_files_are_trusted_as_they_are(home):
    assert gate(home).stranger(f"{home}/.aws/config") is None
    (home / ".aws/credentials").write_text("")
    assert gate(home).stranger(f"{home}/.aws/../.aws/credentials") is None


def test_a_file_anywhere_else_is_a_stranger_unless_the_settings_name_it(home):
    other = home / "aws.conf"
    other.write_text("")
    assert "neither" in gate(home).stranger(str(other))
    assert gate(home, str(other)).stranger(str(other)) is None
    assert gate(home, "~/aws.conf").stranger(str(other)) is None


def open_to_all(home):
    (home / ".aws/config").chmod(0o646)


def open_folder(home):
    (home / ".aws").chmod(0o777)


def open_home(home):
    home.chmod(0o757)


def foreign_file(home):
    os.chown(home / ".aws/config", 12345, -1)


def foreign_folder(home):
    os.chown(home / ".aws", 12345, -1)


def foreign_group(home):
    os.chown(home / ".aws/config", -1, 12345)
    (home / ".aws/config").chmod(0o664)


def open_place_behind_a_link(home):
    place = home / "shared"
    place.mkdir()
    place.chmod(0o777)
    (place / "config").write_text("")
    (home / ".aws/config").unlink()
    (home / ".aws/config").symlink_to("../shared/config")


def link_through_an_open_place(home):
    mine, place = home / "mine", home / "shared"
    mine.write_text("")
    place.mkdir()
    place.chmod(0o777)
    (place / "link").symlink_to(mine)
    (home / ".aws/config").unlink()
    (home / ".aws/config").symlink_to(place / "link")


def fifo(home):
    (home / ".aws/config").unlink()
    os.mkfifo(home / ".aws/config", 0o600)


def nothing(home):
    (home / ".aws/config").unlink()


def endless_link(home):
    (home / ".aws/config").unlink()
    (home / ".aws/config").symlink_to("config")


WEAK = {
    open_to_all: "others can write to",
    open_folder: "others can write to",
    open_home: "others can write to",
    foreign_file: "belongs to somebody else",
    foreign_folder: "belongs to somebody else",
    foreign_group: "others can write to",
    open_place_behind_a_link: "others can write to",
    link_through_an_open_place: "others can write to",
    fifo: "is not a regular file",
    nothing: "No such file",
    endless_link: "too many links",
}


@pytest.mark.parametrize("weaken", WEAK, ids=lambda weaken: weaken.__name__)
def test_a_place_that_others_can_change_is_not_ones_own(home, weaken):
    if os.geteuid() and "foreign" in weaken.__name__:
        pytest.skip("only root can give a file away")
    weaken(home)
    assert WEAK[weaken] in (gate(home).stranger(f"{home}/.aws/config") or "")


def test_a_file_in_ones_own_dotfiles_behind_a_link_is_ones_own(home):
    (home / "dotfiles").mkdir()
    (home / ".aws/config").rename(home / "dotfiles/aws")
    (home / ".aws/config").symlink_to("../dotfiles/aws")
    assert gate(home).stranger(f"{home}/.aws/config") is None
    assert gate(home).stranger(f"{home}/dotfiles/aws") is None


def test_a_group_of_ones_own_may_write(home, monkeypatch):
    (home / ".aws/config").chmod(0o660)
    monkeypatch.setattr(trust, "_is_private_group", lambda gid, uid: (gid, uid) == (os.getegid(), os.geteuid()))
    assert gate(home).stranger(f"{home}/.aws/config") is None
    monkeypatch.undo()
    import grp
    import pwd

    me = pwd.getpwuid(os.geteuid())
    alone = grp.getgrgid(me.pw_gid).gr_name == me.pw_name and set(grp.getgrgid(me.pw_gid).gr_mem) <= {me.pw_name}
    assert trust._is_private_group(me.pw_gid, me.pw_uid) is alone
    assert not trust._is_private_group(54321, me.pw_uid)


# What was trusted


@pytest.fixture
def stranger(tmp_path) -> Path:
    path = tmp_path / "project/aws.conf"
    path.parent.mkdir()
    path.write_bytes(CONFIG)
    return path


def require(keeper: Gate, path: Path) -> None:
    keeper.require(origin_of(str(path), path.read_bytes()), starting("/opt/tool"), Where(str(path), 3))


def test_trust_is_for_that_content_at_that_place_alone(home, stranger):
    keeper = gate(home)
    with pytest.raises(Config, match=r"may not start a program \(/opt/tool\)") as refused:
        require(keeper, stranger)
    assert refused.value.exit_code == 3 and refused.value.hint == f"awsenv trust {stranger}"
    keeper.trust(origin_of(str(stranger), stranger.read_bytes()))
    require(keeper, stranger)
    elsewhere = stranger.with_name("copy.conf")
    elsewhere.write_bytes(stranger.read_bytes())
    with pytest.raises(Config):
        require(keeper, elsewhere)
    stranger.write_bytes(CONFIG + b"\n")
    with pytest.raises(Config, match="changed since it was trusted"):
        require(keeper, stranger)


def test_trusting_an_edit_takes_back_what_was_before(home, stranger):
    keeper = gate(home)
    keeper.trust(origin_of(str(stranger), CONFIG))
    keeper.trust(origin_of(str(stranger), CONFIG + b"#"))
    assert not keeper.is_trusted(origin_of(str(stranger), CONFIG))
    assert [record.path for record in keeper.records()] == [str(stranger)]


def test_by_another_way_to_the_same_file_it_is_the_same(home, stranger, monkeypatch):
    keeper = gate(home)
    monkeypatch.chdir(stranger.parent)
    keeper.trust(origin_of("./aws.conf", CONFIG))
    (home / "link").symlink_to(stranger)
    assert keeper.is_trusted(origin_of(f"{home}/link", CONFIG))
    assert keeper.forget(str(stranger)) and not keeper.forget(str(stranger))
    assert not keeper.is_trusted(origin_of("./aws.conf", CONFIG))


def test_records_are_private_and_one_that_others_could_write_is_none(home, stranger):
    keeper, old = gate(home), os.umask(0)
    try:
        keeper.trust(origin_of(str(stranger), CONFIG))
    finally:
        os.umask(old)
    (record,) = (home / "trust").iterdir()
    assert stat.S_IMODE(record.stat().st_mode) == 0o600 and stat.S_IMODE((home / "trust").stat().st_mode) == 0o700
    record.chmod(0o666)
    assert not keeper.is_trusted(origin_of(str(stranger), CONFIG))
    record.chmod(0o600)
    assert keeper.is_trusted(origin_of(str(stranger), CONFIG))
    record.rename(record.with_name("0" * 64))
    assert keeper.records() == [], "a record says what its name says"
    (home / "trust").chmod(0o777)
    with pytest.raises(Storage):
        keeper.trust(origin_of(str(stranger), CONFIG))


def test_every_command_of_a_file_is_found_wherever_it_stands():
    text = b"""[DEFAULT]
credential_process = lent
[profile a]
CREDENTIAL_PROCESS = one # not a comment
[b]
mfa_process: two
[profile c]
junk
credential_process =
  three
[sso-session s]
credential_process = of nobody
"""
    found = [(line.where.line, line.key, line.value) for line in commands_in("f", text)]
    assert found == [
        (2, "credential_process", "lent"),
        (4, "credential_process", "one # not a comment"),
        (6, "mfa_process", "two"),
        (9, "credential_process", "\nthree"),
        (12, "credential_process", "of nobody"),
    ], "a section of the config file may be read as one of the credentials file"


# As a person meets it


class Project:
    """A project that leads AWS_CONFIG_FILE to a file of its own, which names a program."""

    def __init__(self, home: Path, stranger: Path, tmp_path: Path) -> None:
        self.runs, tool = tmp_path / "runs", tmp_path / "tool"
        tool.write_text(f"#!/bin/sh\necho run >>'{self.runs}'\necho '{PRINTED}'\n")
        tool.chmod(0o755)
        self.path = stranger
        stranger.write_bytes(CONFIG % os.fsencode(tool))
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home), "AWS_CONFIG_FILE": "./aws.conf", "USER": "tester"}
        self.env |= {"AWSENV_STORE": str(tmp_path / "store"), "LANG": "C.UTF-8", "TERM": "dumb"}
        self.argv = [sys.executable, "-I", "-S", assets.MAIN]

    def __call__(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.argv, *words], env=self.env | env, cwd=self.path.parent, capture_output=True, text=True, timeout=60,
            start_new_session=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def has_run(self) -> bool:
        return self.runs.exists()


@pytest.fixture
def project(home, stranger, tmp_path) -> Project:
    return Project(home, stranger, tmp_path)


@pytest.mark.parametrize("words", [("use", "p"), ("export", "p"), ("export", "p", "--format", "process"), ("whoami", "p"),
                                   ("exec", "p", "--", "true"), ("refresh",), ("console", "p", "--print")])  # fmt: skip
def test_nothing_of_an_untrusted_file_runs(project, words):
    done = project(*words, AWSENV_PROFILE="p", **({"AWSENV_SHIM": "bash:1"} if words[0] in ("use", "refresh") else {}))
    assert done.returncode == 3 and not project.has_run()
    assert "./aws.conf:3: this file may not start a program" in done.stderr
    assert "hint: awsenv trust ./aws.conf" in done.stderr
    assert "hunter2" not in done.stderr


def test_region_and_names_of_an_untrusted_file_can_be_read(project):
    assert "eu-west-1" in project("explain", "p").stdout and "p" in project("list").stdout


def test_with_yes_it_is_trusted_until_it_is_edited(project):
    done = project("trust", "--yes")
    assert done.returncode == 0 and "--password hunter2" in done.stderr, "whole: this is what is being trusted"
    assert project("export", "p").returncode == 0 and project.has_run()
    assert project("trust", "aws.conf").stderr == "aws.conf is trusted already\n"
    assert project("trust", "--list").stdout == f"{project.path}\n"
    project.path.write_bytes(project.path.read_bytes() + b"# an edit\n")
    done = project("export", "p", "--fresh")
    assert done.returncode == 3 and "has changed since it was trusted" in done.stderr
    assert project("trust", "--list").stdout == f"{project.path}   changed: trusted no more\n"
    assert project("trust", "--remove").stderr == "trusted no more: ./aws.conf\n"
    assert project("trust", "--list").stdout == ""
    assert project("trust", "--remove").returncode == 3


def test_without_a_terminal_nobody_is_asked_and_nothing_is_trusted(project):
    done = project("trust")
    assert done.returncode == 2 and "awsenv trust ./aws.conf --yes" in done.stderr
    assert project("trust", "--list").stdout == ""


@pytest.mark.parametrize(("typed", "is_trusted"), [("y", True), ("n", False), ("", False)])
def test_a_person_sees_the_command_and_says_yes(project, typed, is_trusted):
    project.path.write_bytes(project.path.read_bytes().replace(b"hunter2", b"\x1b[31mhunter2"))
    child = pexpect.spawn(
        project.argv[0], [*project.argv[1:], "trust"], env=project.env, cwd=str(project.path.parent), timeout=20
    )
    child.expect_exact("--password \\x1b[31mhunter2")
    child.expect_exact("Trust this file, as it is now? [y/N] ")
    child.sendline(typed)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == (0 if is_trusted else 3)
    assert (project("export", "p").returncode == 0) is is_trusted


def test_what_needs_no_trust_is_said(project, home):
    (home / ".aws/config").write_text("[profile p]\ncredential_process = x\n")
    assert "yours alone" in project("trust", f"{home}/.aws/config").stderr
    project.path.write_text("[profile p]\nregion = eu-west-1\n")
    assert "names no program" in project("trust").stderr
    assert project("trust", "nowhere").returncode == 3
    assert project("trust", "--list", "--yes").returncode == 2


def test_a_file_that_the_settings_name_needs_no_trust(project, home):
    settings = home / ".config/awsenv/config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[trust]\nfiles = ["{project.path}"]\n')
    assert project("export", "p").returncode == 0
    project.path.chmod(0o666)
    done = project("export", "p", "--fresh")
    assert done.returncode == 3 and "others can write to" in done.stderr


def test_a_credentials_file_elsewhere_is_a_stranger_as_well(project, home):
    tool = project.path.read_text().split("'")[1]
    (project.path.parent / "creds").write_text(f"[q]\ncredential_process = {tool}\n")
    env = {"AWS_CONFIG_FILE": f"{home}/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "creds"}
    done = project("export", "q", **env)
    assert done.returncode == 3 and "creds:2" in done.stderr and not project.has_run()
    (home / ".aws/config").write_text(
        "[profile role]\nrole_arn = arn:aws:iam::222222222222:role/R\nsource_profile = q\n"
    )
    assert project("export", "role", **env).returncode == 3 and not project.has_run()
    assert project("trust", "--yes", **env).returncode == 0
    assert project("export", "q", **env).returncode == 0 and project.has_run()


@pytest.mark.skipif(sys.platform != "linux", reason="the XDG variables are Linux's")
def test_records_stay_when_the_store_goes(project, tmp_path):
    assert project("trust", "--yes", XDG_STATE_HOME=str(tmp_path / "state")).returncode == 0
    assert len(list((tmp_path / "state/awsenv/trust").iterdir())) == 1
    assert platformdirs.user_state_dir("awsenv", appauthor=False).endswith("/awsenv")
