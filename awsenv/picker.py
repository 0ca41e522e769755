"""A list on the terminal that is searched by typing: rows in, the numbers of those that were taken out.

Our own, after measuring (5,000 rows, from the call to the first picture, where 100 ms is what a person takes for at once):
prompt_toolkit, and with it questionary and InquirerPy, takes 80 to 120 ms for its import alone, half of that asyncio, which
can't wait on /dev/tty on macOS either; simple-term-menu asks tput by a process each time. This takes 30 ms.
`Picker` is the list without a terminal: keys in, lines out. `pick` puts it on one.
"""

from __future__ import annotations

import os
import re
import select
import signal
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from awsenv.text import show

Row = tuple[str, ...]  # cells; all are searched

_LONGEST_CELL = 120  # characters, which is how much `show` lets stand
_LONE_ESC = 0.15  # seconds until an ESC is the key and not the begin of another's code; slow lines part those
_CONTROLS = {
    0x03: "leave", 0x04: "leave", 0x07: "leave",
    0x0D: "enter", 0x0A: "enter", 0x09: "tab", 0x7F: "back", 0x08: "back", 0x15: "clear", 0x17: "word", 0x01: "all",
    0x10: "up", 0x0E: "down", 0x0B: "up",
}  # fmt: skip
_CODES = {
    b"[A": "up", b"OA": "up", b"[B": "down", b"OB": "down", b"[5~": "page up", b"[6~": "page down",
    b"[H": "first", b"OH": "first", b"[1~": "first", b"[7~": "first",
    b"[F": "last", b"OF": "last", b"[4~": "last", b"[8~": "last",
}  # fmt: skip
_CODE = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|O[ -~]|[^\x1b\[O])", re.DOTALL)
_CHARACTER = re.compile(rb"[\xc0-\xdf][\x80-\xbf]?|[\xe0-\xef][\x80-\xbf]{,2}|[\xf0-\xf7][\x80-\xbf]{,3}|.", re.DOTALL)
_BEGUN = re.compile(rb"\x1b(\[[0-?]*[ -/]*|O)?")


class Look:
    """What the terminal can show. No dataclass: a list that one waits for does without their import, 9 ms."""

    __slots__ = ("colour", "utf8")

    def __init__(self, colour: bool = True, utf8: bool = True) -> None:
        self.colour = colour
        self.utf8 = utf8

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Look:
        locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""
        return cls("NO_COLOR" not in env, "utf" in locale.lower())

    def plain(self, text: str) -> str:
        """*text* as it may be shown there."""
        shown = show(text)
        return shown if self.utf8 or shown.isascii() else shown.encode("ascii", "replace").decode()


# ---- Keys -----------------------------------------------------------------------------------------------------------


def keys_in(data: bytes, is_all: bool) -> tuple[list[str], bytes]:
    """The keys in *data* (a character, or a name of several), and what is not a whole key yet: nothing if that *is_all*."""
    keys = []
    while data:
        code = _CODE.match(data)
        if code is not None:
            keys.append(_CODES.get(code[1], "unknown"))
            data = data[code.end() :]
        elif data[0] == 0x1B:
            begun = _BEGUN.match(data)
            assert begun is not None, "it begins with an ESC"
            if begun.end() == len(data) and not is_all:
                break
            keys.append("leave" if begun[1] is None else "unknown")
            data = data[begun.end() :]
        else:
            whole = _CHARACTER.match(data)
            assert whole is not None, "every byte begins something"
            if whole.end() == len(data) < _length(data[0]) and not is_all:
                break
            text = whole[0].decode("utf-8", "ignore")
            keys.append(_CONTROLS.get(data[0], text if text.isprintable() and text else "unknown"))
            data = data[whole.end() :]
    return keys, data


def _length(first: int) -> int:
    """Of a character in UTF-8, by its first byte."""
    return 4 if 0xF0 <= first < 0xF8 else 3 if 0xE0 <= first < 0xF0 else 2 if 0xC0 <= first < 0xE0 else 1


# ---- The list -------------------------------------------------------------------------------------------------------


class Picker:
    """The list: what was typed, which rows fit, where the bar stands, what is marked. *is_over* when it was taken or left."""

    def __init__(self, rows: Sequence[Row], prompt: str, several: bool, look: Look) -> None:
        self._cells, self._widths = _shown(rows, look)
        self._texts = ["\n".join(cells).casefold() for cells in self._cells]
        self._prompt, self._several, self._look = look.plain(prompt), several, look
        self._typed, self._is_typing = "", False
        self._fitting = list(range(len(rows)))
        self._at = self._top = 0
        self._page = 10
        self._marked: dict[int, None] = {}
        self.is_over = False
        self.taken: list[int] | None = None

    def press(self, key: str) -> None:
        """Do what *key* means."""
        was_typing, self._is_typing = self._is_typing, len(key) == 1 or key in ("back", "word")
        if key == "leave":
            self.is_over = True
        elif key == "enter":
            self._take()
        elif key == "tab" or (key == " " and not (was_typing and self._typed) and self._several):
            self._is_typing = False
            self._mark()
        elif key == "all":
            self._mark_all()
        elif len(key) == 1:
            self._search(self._typed + key)
        elif key in ("back", "clear", "word"):
            shorter = {"back": self._typed[:-1], "word": re.sub(r"\S*\s*$", "", self._typed), "clear": ""}
            self._search(shorter[key])
        else:
            self._move(key)

    def frame(self, columns: int, lines: int) -> tuple[list[str], int]:
        """The lines to show, none wider than *columns*, and the column of the cursor in the first."""
        asked = f"{self._prompt}: "
        typed = self._look.plain(self._typed)
        asked = asked if width_of(asked) < columns - 20 else ""
        typed = fitted(typed, min(width_of(typed), columns - width_of(asked) - 1), self._look.utf8)
        rows = [self._styled("1", asked) + typed]
        if lines > 2:
            rows.append(self._styled("2", fitted(self._hint(columns), columns, self._look.utf8).rstrip()))
        room = max(0, lines - len(rows))
        self._page = max(1, room)
        self._top = min(max(self._top, self._at - self._page + 1), self._at, max(0, len(self._fitting) - self._page))
        widths = narrowed(self._widths, columns - (6 if self._several else 2))
        for place in range(self._top, min(self._top + room, len(self._fitting))):
            rows.append(self._row(place, widths, columns))
        return rows, width_of(asked) + width_of(typed)

    def _row(self, place: int, widths: Sequence[int], columns: int) -> str:
        number = self._fitting[place]
        mark = ("[x] " if number in self._marked else "[ ] ") if self._several else ""
        cells = (fitted(cell, width, self._look.utf8) for cell, width in zip(self._cells[number], widths, strict=True))
        line = f"{'>' if place == self._at else ' '} {mark}{'  '.join(cells)}".rstrip()
        if width_of(line) > columns:
            line = fitted(line, columns, self._look.utf8)
        return self._styled("7", line) if place == self._at else line

    def _hint(self, columns: int) -> str:
        count = f"{len(self._fitting):,} of {len(self._cells):,}"
        marked = f", {len(self._marked):,} marked" if self._marked else ""
        if not self._fitting:
            return f"{count}{marked}: nothing fits what was typed   Ctrl-U clears it, Esc leaves"
        ways = "Tab marks, Enter takes, Esc leaves" if self._several else "Enter takes, Esc leaves"
        whole = f"{count}{marked}   type to search, {ways}"
        return whole if len(whole) <= columns else f"{count}{marked}   Esc leaves"

    def _styled(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._look.colour and text else text

    def _search(self, typed: str) -> None:
        """Keep the rows that hold every word of *typed*; first the one that it is the first cell of, then those it begins."""
        self._typed = typed
        whole = self._look.plain(typed).strip().casefold()
        words = whole.split()
        found = [number for number, text in enumerate(self._texts) if all(word in text for word in words)]
        if whole:
            found.sort(key=lambda n: 0 if self._texts[n].startswith(f"{whole}\n") or self._texts[n] == whole else
                       1 if self._texts[n].startswith(whole) else 2)  # fmt: skip
        self._fitting, self._at, self._top = found, 0, 0

    def _move(self, key: str) -> None:
        steps = {"up": -1, "down": 1, "page up": -self._page, "page down": self._page}
        ends = {"first": -len(self._fitting), "last": len(self._fitting)}
        self._at = max(0, min(len(self._fitting) - 1, self._at + {**steps, **ends}.get(key, 0)))

    def _mark(self) -> None:
        if self._several and self._fitting:
            number = self._fitting[self._at]
            if number in self._marked:
                del self._marked[number]
            else:
                self._marked[number] = None
        self._move("down")

    def _mark_all(self) -> None:
        """Mark all rows that fit; or none of them, where all were marked."""
        if not self._several:
            return
        if all(number in self._marked for number in self._fitting):
            self._marked = {number: None for number in self._marked if number not in set(self._fitting)}
        else:
            self._marked |= dict.fromkeys(self._fitting)

    def _take(self) -> None:
        """What is marked, in the order of the rows; else the row under the bar."""
        if self._marked or self._fitting:
            self.taken = sorted(self._marked) or [self._fitting[self._at]]
            self.is_over = True


def _shown(rows: Sequence[Row], look: Look) -> tuple[list[Row], list[int]]:
    """*rows* as they may be shown, and the width of each column. All of them at once: one by one 5,000 take 40 ms."""
    columns: list[Row] = list(zip(*rows, strict=True))
    widths = []
    for place, column in enumerate(columns):
        whole = "".join(column)
        if whole.isascii() and whole.isprintable() and max(map(len, column)) <= _LONGEST_CELL:
            widths.append(max(map(len, column)))
            continue
        shown = {cell: look.plain(cell) for cell in set(column)}  # an account or a way stands in many rows
        columns[place] = tuple([shown[cell] for cell in column])
        widths.append(max(map(width_of, shown.values())))
    return list(zip(*columns, strict=True)), widths


# ---- Widths ---------------------------------------------------------------------------------------------------------


def width_of(text: str) -> int:
    """How many columns a terminal gives to *text*."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width  # only names beyond ASCII pay

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def fitted(text: str, columns: int, utf8: bool) -> str:
    """*text* in exactly that many columns: padded, or without its middle."""
    wide = width_of(text)
    if wide <= columns:
        return text + " " * (columns - wide)
    if columns < 1:
        return ""
    head, tail = "", ""
    for character in text:
        if width_of(head + character) > columns // 2:
            break
        head += character
    for character in reversed(text):
        if width_of(head) + 1 + width_of(character + tail) > columns:
            break
        tail = character + tail
    cut = f"{head}{'…' if utf8 else '~'}{tail}"
    return cut + " " * (columns - width_of(cut))


def narrowed(widths: Sequence[int], columns: int) -> list[int]:
    """*widths*, the widest made less until all of them, two blanks between, fit into *columns*."""
    narrow = list(widths)
    while narrow and sum(narrow) + 2 * (len(narrow) - 1) > columns and max(narrow) > 1:
        narrow[narrow.index(max(narrow))] -= 1
    return narrow


# ---- On a terminal --------------------------------------------------------------------------------------------------


def pick(terminal: int, rows: Sequence[Row], prompt: str, several: bool, env: Mapping[str, str]) -> list[int] | None:
    """The numbers of the rows that the person took; None where they left with Esc or Ctrl-C, or the terminal is gone.

    *terminal* is a descriptor for reading and writing; it is left as it was, also what was typed ahead.
    """
    picker = Picker(rows, prompt, several, Look.of(env))
    try:
        with _raw(terminal), _signals() as signalled:
            _converse(terminal, picker, signalled)
    except OSError:
        return None
    return picker.taken


def _converse(terminal: int, picker: Picker, signalled: int) -> None:
    """One picture for all keys that have come meanwhile: a slow line isn't sent what nobody would see."""
    picture: list[str] = []
    size, data = (0, 0), b""
    while not picker.is_over:
        now = _size(terminal)
        rows, cursor = picker.frame(*now)
        _write(terminal, _changes(picture if now == size else [], rows, cursor))
        picture, size = rows, now
        wait: float | None = None
        while not picker.is_over:
            ready, _, _ = select.select([terminal, signalled], [], [], _LONE_ESC if data else wait)
            if terminal in ready:
                more = os.read(terminal, 1)  # no more than what is understood: the next question's answer may follow
                if not more:
                    return
                keys, data = keys_in(data + more, False)
                wait = 0.0
            elif data and not ready:
                keys, data = keys_in(data, True)
            else:
                if ready:
                    os.read(signalled, 64)
                break
            for key in keys:
                picker.press(key)


def _changes(old: Sequence[str], new: Sequence[str], cursor: int) -> str:
    """What turns the screen from *old* lines to *new*; from none: everything."""
    parts = ["\x1b[?25l", "" if old else "\x1b[H\x1b[2J"]
    for number in range(max(len(old), len(new))):
        line = new[number] if number < len(new) else ""
        if number >= len(old) or old[number] != line:
            parts.append(f"\x1b[{number + 1};1H{line}\x1b[K")
    return f"{''.join(parts)}\x1b[1;{cursor + 1}H\x1b[?25h"


def _size(terminal: int) -> tuple[int, int]:
    columns, lines = os.get_terminal_size(terminal)
    return columns or 80, lines or 24


def _write(terminal: int, text: str) -> None:
    data = text.encode("utf-8", "replace")
    while data:
        data = data[os.write(terminal, data) :]


@contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Every key is ours (Ctrl-C, too), and the picture has a screen of its own; afterwards all is as it was."""
    try:
        before = termios.tcgetattr(terminal)
    except termios.error as error:
        raise OSError(*error.args) from None
    ours = list(before)
    ours[0] &= ~(termios.ICRNL | termios.IXON | termios.ISTRIP)
    ours[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
    ours[6] = list(before[6])
    ours[6][termios.VMIN], ours[6][termios.VTIME] = 1, 0
    ended = False

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        nonlocal ended
        ended = True
        raise OSError

    terminated = signal.signal(signal.SIGTERM, end)
    try:
        termios.tcsetattr(terminal, termios.TCSADRAIN, ours)
        _write(terminal, "\x1b[?1049h\x1b[?7l")  # a screen of its own, where too long a line is cut and never wrapped
        yield
    finally:
        try:
            _write(terminal, "\x1b[?7h\x1b[?1049l\x1b[?25h")
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        except (OSError, termios.error):
            pass  # it is gone
        signal.signal(signal.SIGTERM, terminated)
        if ended:
            signal.raise_signal(signal.SIGTERM)


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor that can be read whenever a signal has come: the window has another size, or we are told to end.

    Written to by the interpreter's own handler: one that comes just before select() wakes it, too.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    before = signal.signal(signal.SIGWINCH, lambda number, frame: None)
    woken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGWINCH, before)
        os.close(reader)
        os.close(writer)
