"""The config writer: our block comes and goes, and not a byte around it changes; damage and injection write nothing."""

import os
import stat
from pathlib import Path

import botocore.configloader
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from awsenv import config_writer as writer
from awsenv.config import AwsConfig
from awsenv.config_writer import Section
from awsenv.errors import AwsenvError, Config, Internal, Storage
from tests.payloads import PAYLOADS

ADMIN = Section(
    "profile prod-Admin", (("sso_session", "corp"), ("sso_account_id", "123456789012"), ("sso_role_name", "Admin"))
)
VIEW = Section(
    "profile prod-View", (("sso_session", "corp"), ("sso_account_id", "123456789012"), ("sso_role_name", "View"))
)
BEGIN, END = writer.marks("corp")
THEIRS = "# mine\n[default]\nregion = eu-west-1   # home\n\n[profile x]\nrole_arn=arn:aws:iam::1:role/x\n  deep = 1\n"


def put(text: str, *made: Section, session: str = "corp") -> str:
    return writer.with_block(text, session, made, "config")


def with_botocore(text: str, tmp_path: Path) -> dict[str, dict[str, str]]:
    """The profiles of a config file by name, as real botocore reads them."""
    path = tmp_path / "read-by-botocore"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    profiles: dict[str, dict[str, str]] = botocore.configloader.load_config(str(path))["profiles"]
    return profiles


# ---- The text -------------------------------------------------------------------------------------------------------


def test_the_block_goes_to_the_end_and_botocore_reads_it(tmp_path):
    text = put(THEIRS, ADMIN, VIEW)
    assert text.startswith(THEIRS + BEGIN + "\n") and text.endswith(END + "\n")
    before, after = with_botocore(THEIRS, tmp_path), with_botocore(text, tmp_path)
    assert {name: after[name] for name in before} == before
    assert {name: after[name] for name in after if name not in before} == {
        "prod-Admin": dict(ADMIN.settings),
        "prod-View": dict(VIEW.settings),
    }


def test_it_is_replaced_where_it_stands():
    behind = "\n[profile later]\nregion = us-east-1\n"
    text = put(put(THEIRS, ADMIN) + behind, VIEW)
    assert text.startswith(THEIRS + BEGIN) and text.endswith(END + "\n" + behind)
    assert "prod-Admin" not in text and text.count(BEGIN) == 1


def test_each_session_has_a_block_of_its_own():
    other = Section("profile lab", (("sso_session", "lab"),))
    both = put(put("", ADMIN), other, session="lab")
    assert put(both, session="lab") == put("", ADMIN)
    assert put(both) == put("", other, session="lab")


def test_windows_line_ends_are_kept_and_used():
    text = put(THEIRS.replace("\n", "\r\n"), ADMIN)
    assert text.count("\n") == text.count("\r\n")
    assert put(text) == THEIRS.replace("\n", "\r\n")


def test_a_last_line_without_an_end_gets_one_and_loses_it_again():
    text = put(THEIRS.rstrip("\n"), ADMIN)
    assert text.startswith(THEIRS + BEGIN) and writer.JOINED in text
    assert put(text, VIEW).count(writer.JOINED) == 1
    assert put(put(text, VIEW)) == THEIRS.rstrip("\n")
    assert put(text + "[profile later]\n") == THEIRS + "[profile later]\n", "then the line end is needed"


def test_a_block_whose_last_mark_has_no_line_end_stays_so():
    text = put(THEIRS, ADMIN).rstrip("\n")
    assert put(text, VIEW).endswith(END)


LINES = st.sampled_from(
    ["[default]", "[profile a]", "[profile 'q r']", "[sso-session corp]", "region = x", "  nested = 1", "# note", "; c",
     "", " ", "key", "[broken", "[profile a]", "\ufeff", "é", "\udcff", "\x0c", "\x85", "# >>> awsenv >>>", "[DEFAULT]", "]"]
)  # fmt: skip
TEXTS = st.lists(st.tuples(LINES, st.sampled_from(["\n", "\n", "\r\n", "\r", ""])), max_size=12).map(
    lambda parts: "".join(line + end for line, end in parts)
) | st.text(st.characters(codec="utf-8"), max_size=60)


@given(TEXTS, TEXTS)
def test_whatever_stands_around_it_stays_to_the_byte(before, after):
    once = put(before, ADMIN)
    joined = writer.JOINED in once
    assert once.startswith(before)
    assert put(once, ADMIN) == once, "written twice is the same"
    assert put(once) == before, "taken out, nothing is left of it"
    try:
        later = put(once + after, VIEW)
    except Config as error:
        assert "under no section" in error.what or "stands" in error.what
        return
    block = writer.find_block(later, "corp", "config")
    assert block is not None
    assert later[block.end :] == after
    assert later[: block.start] == once[: once.index(BEGIN)]
    assert put(later) == (once[: once.index(BEGIN)] if joined and after else before) + after


@given(TEXTS)
def test_sections_at_the_end_leave_all_before_them_as_it_was(before):
    assume(before == "" or before.endswith(("\n", "\r")))
    text = writer.with_sections(before, [ADMIN], "config")
    assert text.startswith(before)
    assert writer.parsed(text)[:-1] == writer.parsed(before)
    assert writer.parsed(text)[-1] == ADMIN


def test_what_aws_configure_set_adds_to_the_last_profile_lands_inside(tmp_path):
    from awscli.customizations.configure.writer import ConfigFileWriter

    path = tmp_path / "config"
    path.write_text(put(THEIRS, ADMIN))
    ConfigFileWriter().update_config({"__section__": "profile prod-Admin", "output": "json"}, str(path))
    text = path.read_text()
    block = writer.find_block(text, "corp", "config")
    assert block and ("output", "json") in writer.sections_in(text, block)[0].settings
    assert put(text) == THEIRS


# ---- Damage ---------------------------------------------------------------------------------------------------------

DAMAGED = {
    "an end without a beginning": (f"[default]\n{END}\n", 2),
    "a beginning without an end": (f"[default]\n\n{BEGIN}\n[profile a]\n", 3),
    "a second block": (f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n", 3),
    "a block within a block": (f"{BEGIN}\n{BEGIN}\n{END}\n", 2),
    "another session's mark inside": (f"{BEGIN}\n{writer.marks('lab')[0]}\n{END}\n", 2),
    "another session's end": (f"{BEGIN}\n{writer.marks('lab')[1]}\n", 2),
    "an indented mark": (f"  {BEGIN}\n{END}\n", 1),
    "a mark that was shortened": ("# >>> awsenv sso import corp\n", 1),
    "a mark turned round": ("x\r# >>> awsenv sso import corp <<<\n", 2),
    "a line behind the block": (f"{BEGIN}\n[profile a]\nsso_session = corp\n\n{END}\noutput = json\n", 6),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_marks_are_named_by_their_line(case):
    text, line = DAMAGED[case]
    with pytest.raises(Config) as caught:
        put(text, ADMIN)
    assert caught.value.where is not None and (caught.value.where.file, caught.value.where.line) == ("config", line)


# ---- Injection ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pid", PAYLOADS)
def test_a_hostile_name_of_a_session_stays_in_its_comment_line(pid, tmp_path):
    if not PAYLOADS[pid]:
        return
    for mark in writer.marks(PAYLOADS[pid]):
        assert mark.isascii() and mark.isprintable()
    text = put(THEIRS, ADMIN, session=PAYLOADS[pid])
    assert set(with_botocore(text, tmp_path)) == {"default", "x", "prod-Admin"}
    assert put(text, session=PAYLOADS[pid]) == THEIRS


@pytest.mark.parametrize("pid", PAYLOADS)
@pytest.mark.parametrize("place", ["value", "name", "header"])
def test_a_hostile_text_is_written_exactly_or_not_at_all(pid, place, tmp_path):
    payload = PAYLOADS[pid]
    name, value = ("prod", payload) if place == "value" else (payload, "x")
    try:
        header = f"profile {payload}" if place == "header" else writer.header_of("profile", name)
        text = put(THEIRS, Section(header, (("sso_role_name", value),)))
    except AwsenvError:
        return
    assert place != "value" or value == value.strip()
    found, before = with_botocore(text, tmp_path), with_botocore(THEIRS, tmp_path)
    assert {key: found[key] for key in before} == before
    new = {key: found[key] for key in found if key not in before}
    if new:
        assert list(new.values()) == [{"sso_role_name": value}]
    assert place != "name" or list(new) == [name]


@pytest.mark.parametrize("pid", PAYLOADS)
def test_what_is_called_a_plain_value_comes_back_as_it_was(pid, tmp_path):
    value = PAYLOADS[pid]
    if writer.is_plain_value(value):
        text = put("", Section("profile a", (("sso_role_name", value),)))
        assert with_botocore(text, tmp_path)["a"] == {"sso_role_name": value}
        assert AwsConfig(text.encode(), b"", "c", "d").profile("a").settings["sso_role_name"].value == value
    else:
        assert (
            pid in ("P08", "P23", "P36", "P38a", "P38c", "P38d", "P38e", "P39e")
            or not value.isprintable()
            or "; " in value
        )


def test_what_reads_otherwise_than_it_was_meant_is_not_written(monkeypatch):
    monkeypatch.setattr(
        writer, "_rendered", lambda made, newline: f"[profile a]{newline}credential_process = x{newline}"
    )
    with pytest.raises(Internal):
        put(THEIRS, Section("profile a", (("sso_session", "corp"),)))


@pytest.mark.parametrize("header", ["profile x", "profile 'x'", "default", "profile default"])
def test_a_name_that_is_taken_outside_is_not_written_a_second_time(header):
    with pytest.raises(Config, match="two profiles"):
        put(THEIRS, Section(header, (("sso_session", "corp"),)))


# ---- The file -------------------------------------------------------------------------------------------------------


def test_a_new_file_is_for_its_owner_alone(tmp_path):
    os.umask(0o022)
    path = tmp_path / "home/.aws/config"
    writer.write(writer.read(str(path)), "[default]\n")
    assert path.read_text() == "[default]\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640, 0o664])
def test_links_and_modes_stay(tmp_path, mode):
    real, link = tmp_path / "dotfiles/config", tmp_path / "config"
    real.parent.mkdir()
    real.write_text("x\n")
    real.chmod(mode)
    link.symlink_to("dotfiles/config")
    writer.write(writer.read(str(link)), "[default]\n")
    assert link.is_symlink() and real.read_text() == "[default]\n"
    assert stat.S_IMODE(real.stat().st_mode) == mode
    assert sorted(path.name for path in real.parent.iterdir()) == ["config"], "nothing is left beside it"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_stays(tmp_path):
    path = tmp_path / "config"
    path.write_text("x\n")
    os.chown(path, 65534, 65534)
    writer.write(writer.read(str(path)), "[default]\n")
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


def test_a_file_that_changed_meanwhile_is_left_as_it_is(tmp_path):
    path = tmp_path / "config"
    path.write_text("[default]\n")
    file = writer.read(str(path))
    path.write_text("[default]\nregion = x\n")
    with pytest.raises(Storage, match="changed meanwhile"):
        writer.write(file, "[profile a]\n")
    assert path.read_text() == "[default]\nregion = x\n"


def test_a_file_that_came_into_being_meanwhile_is_left_as_it_is(tmp_path):
    path = tmp_path / "config"
    file = writer.read(str(path))
    path.write_text("[default]\n")
    with pytest.raises(Storage, match="changed meanwhile"):
        writer.write(file, "[profile a]\n")
    assert path.read_text() == "[default]\n"


def test_a_link_that_leads_elsewhere_meanwhile_is_noticed(tmp_path):
    (tmp_path / "a").write_text("same\n")
    (tmp_path / "b").write_text("same\n")
    link = tmp_path / "config"
    link.symlink_to("a")
    file = writer.read(str(link))
    link.unlink()
    link.symlink_to("b")
    with pytest.raises(Storage):
        writer.write(file, "new\n")


def test_a_hard_link_and_a_fifo_are_refused(tmp_path):
    path = tmp_path / "config"
    path.write_text("x\n")
    os.link(path, tmp_path / "second")
    with pytest.raises(Storage, match="hard link"):
        writer.write(writer.read(str(path)), "y\n")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(Storage, match="not a regular file"):
        writer.read(str(tmp_path / "fifo"))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "config"
    path.write_text("old\n")
    file = writer.read(str(path))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Storage, match="No space left"):
        writer.write(file, "new\n")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("config", "old\n")]


def test_bytes_that_are_not_utf8_and_a_byte_order_mark_are_kept(tmp_path):
    path = tmp_path / "config"
    data = b"\xef\xbb\xbf# caf\xe9\r\n[default]\r\nregion = x\r\n"
    path.write_bytes(data)
    file = writer.read(str(path))
    writer.write(file, put(file.text, ADMIN))
    assert path.read_bytes().startswith(data) and b"prod-Admin]\r\n" in path.read_bytes()
    file = writer.read(str(path))
    writer.write(file, put(file.text))
    assert path.read_bytes() == data
