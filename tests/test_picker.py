"""The searchable list: keys in, lines out; and on a pty, where it must come at once and leave everything as it was."""

import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from hypothesis import given
from hypothesis import strategies as st

from awsenv.picker import Look, Picker, fitted, keys_in, narrowed, width_of
from tests.payloads import PAYLOADS, has_controls
from tests.shells import ROOT

ROWS = [
    ("prod", "111111111111", "Admin"),
    ("Data Lab (EU)", "222222222222", "Analyst"),
    ("prod-eu", "333333333333", "Admin"),
]


def picker(rows=ROWS, several=True, colour=False, utf8=True) -> Picker:
    return Picker(rows, "accounts", several, Look(colour, utf8))


def press(list_: Picker, *keys: str) -> Picker:
    for key in keys:
        for each in [key] if key in NAMED else key:
            list_.press(each)
    return list_


NAMED = {
    "leave",
    "enter",
    "tab",
    "back",
    "clear",
    "word",
    "all",
    "up",
    "down",
    "page up",
    "page down",
    "first",
    "last",
    "unknown",
}


def rows_of(list_: Picker, columns: int = 80, lines: int = 24) -> list[str]:
    return list_.frame(columns, lines)[0][2:]


# ---- Keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"a\xc3\xa9\xe6\x97\xa5\xf0\x9f\x9a\x80", ["a", "é", "日", "🚀"]),
        (b"\x1b[A\x1bOB\x1b[5~\x1b[6~", ["up", "down", "page up", "page down"]),
        (b"\x1b[1;5A\x1bx\x1b[200~", ["unknown"] * 3),
        (b"\r\n\t\x7f\x15\x17\x01\x03", ["enter", "enter", "tab", "back", "clear", "word", "all", "leave"]),
        (b"\x1b\x1b[A", ["leave", "up"]),
        (b"\x00\x1a\x80\xff\xc2\x9b", ["unknown"] * 5),
    ],
)
def test_bytes_are_keys(data, keys):
    assert keys_in(data, False) == (keys, b"")


def test_an_esc_alone_is_a_key_only_when_nothing_follows():
    assert keys_in(b"\x1b", False) == ([], b"\x1b")
    assert keys_in(b"\x1b", True) == (["leave"], b"")


@pytest.mark.parametrize("begun", [b"\x1b[", b"\x1bO", b"\x1b[1;"])
def test_an_arrow_cut_in_two_by_a_slow_line_never_leaves(begun):
    assert keys_in(begun, False) == ([], begun)
    assert keys_in(begun, True) == (["unknown"], b"")


@given(st.binary(max_size=40), st.integers(0, 40))
def test_any_bytes_are_read_to_the_end_and_give_no_control_character(data, cut):
    first, rest = keys_in(data[:cut], False)
    second, nothing = keys_in(rest + data[cut:], True)
    assert nothing == b""
    assert all(key in NAMED or key.isprintable() for key in first + second)


# ---- Searching and taking -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", [0, 1, 2]),
        ("PROD", [0, 2]),
        ("3333", [2]),
        ("analyst", [1]),
        ("admin eu", [2]),
        ("lab (eu", [1]),
        ("data lab (eu)", [1]),
        ("nowhere", []),
    ],
)
def test_typing_keeps_the_rows_that_hold_every_word_in_any_cell(typed, found):
    list_ = press(picker(), typed, "all", "enter")
    assert list_.taken == (found or None)


def test_the_row_that_is_called_so_comes_first():
    names = [("x-prod",), ("prod-eu",), ("prod",)]
    list_ = press(picker(names, several=False), "prod")
    assert [line[2:] for line in rows_of(list_)] == ["prod", "prod-eu", "x-prod"]
    assert press(list_, "enter").taken == [2]


def test_enter_takes_the_row_under_the_bar():
    assert press(picker(), "down", "enter").taken == [1]
    assert press(picker(), "last", "up", "enter").taken == [1]
    assert press(picker(), "down", "down", "down", "down", "enter").taken == [2]


def test_tab_marks_several_and_they_come_in_the_order_of_the_rows():
    assert press(picker(), "last", "tab", "first", "tab", "enter").taken == [0, 2]
    assert press(picker(), "tab", "up", "tab", "enter").taken == [1], "marked twice is not marked"


def test_marks_outlive_another_search():
    assert press(picker(), "data", "tab", "clear", "3333", "tab", "enter").taken == [1, 2]


def test_a_space_marks_unless_one_is_typing():
    assert press(picker(), " ", "down", " ", "enter").taken == [0, 2]
    assert press(picker(), "lab (eu", "enter").taken == [1]
    assert press(picker(), "prod", "down", " ", "enter").taken == [2]


def test_all_that_fit_are_marked_and_unmarked():
    assert press(picker(), "prod", "all", "enter").taken == [0, 2]
    assert press(picker(), "prod", "all", "all", "down", "enter").taken == [2]


def test_where_one_is_wanted_nothing_can_be_marked():
    list_ = press(picker(several=False), "all", "tab", "enter")
    assert list_.taken == [1] and "[" not in rows_of(list_)[0]


def test_enter_takes_nothing_where_nothing_fits():
    list_ = press(picker(), "nowhere", "enter")
    assert not list_.is_over and "nothing fits" in list_.frame(80, 24)[0][1]
    assert press(list_, "back", "clear", "enter").taken == [0]


def test_leaving_takes_nothing():
    list_ = press(picker(), "tab", "leave")
    assert list_.is_over and list_.taken is None


def test_words_are_taken_back_from_the_end():
    list_ = press(picker(), "prod eu x", "word")
    assert list_.frame(80, 24)[0][0] == "accounts: prod eu "
    assert press(list_, "word", "back", "back").frame(80, 24)[0][0] == "accounts: pro"


# ---- Lines ----------------------------------------------------------------------------------------------------------

MANY = [(f"account-{n:05d}-production", f"{n:012d}", "AdministratorAccess", "") for n in range(5000)]


@given(st.integers(1, 120), st.integers(1, 40), st.lists(st.sampled_from(sorted(NAMED)), max_size=12))
def test_no_line_is_wider_than_the_terminal_and_the_bar_is_on_it(columns, lines, keys):
    list_ = press(
        picker([*ROWS, ("日本" * 30, "👩‍👩‍👧", "é" * 200)] * 9), *(key for key in keys if key not in ("enter", "leave"))
    )
    found, cursor = list_.frame(columns, lines)
    assert len(found) <= max(1, lines) and all(width_of(line) <= columns for line in found) and cursor <= columns
    if lines > 2 and columns > 3:
        assert sum(line.startswith(">") for line in found[2:]) == 1


def test_at_80_columns_account_id_and_role_can_be_read():
    list_ = picker([(f"a-very-long-name-of-an-account-{'x' * 60}-prod", "123456789012", "AdministratorAccess", "")])
    (line,) = rows_of(list_)
    assert len(line) <= 80 and "123456789012  AdministratorAccess" in line and "…" in line and "-prod" in line


@pytest.mark.parametrize("pid", PAYLOADS)
def test_no_row_and_no_prompt_brings_a_control_character(pid):
    list_ = Picker([(PAYLOADS[pid], "x")] * 2, PAYLOADS[pid], True, Look(colour=False))
    press(list_, PAYLOADS[pid][:5])
    for line in list_.frame(100, 10)[0]:
        assert not has_controls(line) and "\u202e" not in line


def test_without_utf8_everything_is_ascii():
    list_ = press(picker([("ünï-日本-🚀" * 20, "1", "2")], utf8=False), "é")
    assert all(line.isascii() for line in list_.frame(80, 24)[0])
    assert Look.of({"LANG": "C"}).utf8 is False and Look.of({"LANG": "C", "LC_ALL": "en_GB.UTF-8"}).utf8 is True


def test_no_color_means_no_escape_at_all_in_a_line():
    coloured, plain = (picker(colour=colour).frame(80, 24)[0] for colour in (True, False))
    assert "\x1b[7m" in coloured[2] and not any("\x1b" in line for line in plain)
    bare = Look.of({"NO_COLOR": "", "LANG": "C.UTF-8"})
    assert (bare.colour, bare.utf8) == (False, True)


def test_fitted_and_narrowed_fit():
    assert fitted("abcdefgh", 5, True) == "ab…gh" and fitted("abcdefgh", 5, False) == "ab~gh"
    assert fitted("日本語", 4, True) == "日…" + " " and fitted("ab", 4, True) == "ab  "
    assert narrowed([60, 12, 19], 80) == [45, 12, 19]


# ---- On a terminal --------------------------------------------------------------------------------------------------

# Says how long it took from the call to the first picture, the import included; then what was taken.
CODE = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
import os
rows = [(f"account-{{n:05d}}-production", f"{{n:012d}}", "AdministratorAccess", "") for n in range(int(sys.argv[1]))]
began = time.perf_counter()
import awsenv.picker as module
def timed(terminal, text, write=module._write):
    write(terminal, text)
    if "account-00000" in text and not took: took.append(time.perf_counter() - began)
took, module._write = [], timed
terminal = os.open("/dev/tty", os.O_RDWR)
try: taken = module.pick(terminal, rows, "accounts", True, dict(os.environ))
except KeyboardInterrupt: taken = "interrupted"
print("took", took[0] if took else None, "taken", taken)
"""


class Sitting:
    """A person before the list: a shell notes the terminal's modes before and after."""

    def __init__(self, folder: Path, rows: int = 50, **env: str) -> None:
        self.folder = folder
        (folder / "code.py").write_text(CODE)
        run = f"{sys.executable} -I -S code.py {rows} >out"
        script = (
            f'stty -a >before; {run}; code=$?; stty -a >after; read -t 1 -r rest; echo "rest $rest" >>out; exit $code'
        )
        self.child = pexpect.spawn(
            "bash", ["--norc", "-c", script], cwd=str(folder), dimensions=(24, 80), encoding="utf-8", timeout=15,
            env={"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8", **env},
        )  # fmt: skip
        self.child.delaybeforesend = None
        self.child.expect_exact("type to search")

    def type(self, text: str) -> None:
        self.child.send(text)

    def end(self) -> str:
        """What was printed on stdout; the terminal must be as it was."""
        self.child.expect(pexpect.EOF)
        self.screen = self.child.before
        self.child.close()
        before, after = ((self.folder / name).read_text().split("line =")[1] for name in ("before", "after"))
        assert before == after
        return (self.folder / "out").read_text()


@pytest.fixture
def sit(tmp_path) -> Iterator[type]:
    sittings: list[Sitting] = []

    def start(rows: int = 50, **env: str) -> Sitting:
        sittings.append(Sitting(tmp_path, rows, **env))
        return sittings[-1]

    yield start
    for sitting in sittings:
        sitting.child.close(force=True)


def test_arrows_tab_and_enter_take_rows_and_stdout_holds_nothing_of_the_picture(sit):
    sitting = sit()
    sitting.type("\x1b[B\t\x1b[B\t\r")
    out = sitting.end()
    assert "taken [1, 3]" in out and "\x1b" not in out
    assert "\x1b[?1049l" in sitting.screen and sitting.screen.rindex("\x1b[?7h") > 0 and "\x1b[?25h" in sitting.screen


def test_what_is_typed_narrows_the_picture(sit):
    sitting = sit(5000)
    sitting.type("account-04321")
    sitting.child.expect_exact("1 of 5,000")
    sitting.type("\r")
    assert "taken [4321]" in sitting.end()


@pytest.mark.parametrize("key", ["\x1b", "\x03", "\x04"], ids=["Esc", "Ctrl-C", "Ctrl-D"])
def test_leaving_gives_nothing_and_puts_the_terminal_back(sit, key):
    sitting = sit()
    sitting.type(key)
    assert "taken None" in sitting.end()


def test_an_arrow_in_two_parts_is_an_arrow(sit):
    sitting = sit()
    sitting.type("\x1b")
    time.sleep(0.04)
    sitting.type("[B\r")
    assert "taken [1]" in sitting.end()


def test_what_is_typed_ahead_is_left_for_the_next_question(sit):
    sitting = sit()
    sitting.type("\rnext answer\n")
    assert "rest next answer" in sitting.end()


def test_another_size_is_another_picture(sit):
    sitting = sit()
    sitting.child.setwinsize(10, 30)
    sitting.child.expect_exact("\x1b[H\x1b[2J")
    sitting.child.expect(r"\[ \] acc\S*…\S*")
    sitting.child.setwinsize(5, 80)
    sitting.child.expect_exact("\x1b[H\x1b[2J")
    sitting.type("\x1b[6~\r")
    assert "taken [3]" in sitting.end(), "a page is what there is room for"


def test_one_key_sends_what_changes_and_no_more(sit):
    sitting = sit(5000)
    sitting.child.expect(pexpect.TIMEOUT, timeout=0.3)
    before = len(sitting.child.before)
    sitting.type("\x1b[B")
    sitting.child.expect(pexpect.TIMEOUT, timeout=0.3)
    assert 0 < len(sitting.child.before) - before < 300, "two rows, not the whole picture"
    sitting.type("\x03")
    sitting.end()


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"LANG": "C"}])
def test_the_picture_suits_the_terminal(sit, env):
    sitting = sit(**env)
    sitting.type("production\x7f\x03")
    sitting.end()
    assert sitting.screen.isascii()
    assert ("\x1b[7m" in sitting.screen) == ("NO_COLOR" not in env)


# The signal reaches another thread than the one that waits for a key: as when it comes just before that wait begins.
BESIDE = """
import signal, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
"""


@pytest.mark.parametrize("before", ["", BESIDE], ids=["while it waits", "just before it waits"])
def test_a_termination_puts_the_terminal_back(tmp_path, before):
    (tmp_path / "code.py").write_text(before + CODE)
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execve(sys.executable, [sys.executable, "-I", "-S", "code.py", "9"], {"TERM": "xterm", "LANG": "C.UTF-8"})
    modes = termios.tcgetattr(master)
    seen = b""
    while b"type to search" not in seen:
        seen += os.read(master, 4096)
    assert termios.tcgetattr(master)[3] != modes[3]
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + 10
    while termios.tcgetattr(master) != modes and time.monotonic() < end:
        time.sleep(0.01)
    after = termios.tcgetattr(master)
    if after != modes:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(master)
    assert after == modes
    if not before:  # there it has blocked what it then sends itself
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGTERM


@pytest.mark.parametrize("rows", [3000, 5000])
def test_the_first_picture_comes_at_once(sit, rows):
    sitting = sit(rows)
    sitting.type("\x03")
    took = re.search(r"took (\S+)", sitting.end())
    assert took and float(took[1]) < 0.25, "30 ms here; the bar is 100 ms on a machine that does nothing else"


def test_a_key_over_5000_rows_is_answered_at_once():
    list_ = picker(MANY)
    began = time.perf_counter()
    for key in "production 00":
        list_.press(key)
        list_.frame(80, 24)
    assert (time.perf_counter() - began) / 13 < 0.05


def test_nothing_heavy_is_imported():
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import awsenv.picker; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"asyncio", "boto3", "botocore", "typer", "rich", "prompt_toolkit", "subprocess", "unicodedata"} & set(
        loaded
    )
