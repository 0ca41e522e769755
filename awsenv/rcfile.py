"""rc file text → the same with awsenv's block in it, and back again to the byte. Pure.

A block is its two markers and the one line that loads the shim. A file that had no newline at its end, or that did not
exist, gets a line more in the block that says so: that is how taking the block out can leave what was there before.
"""

from __future__ import annotations

import re
from difflib import unified_diff

from awsenv.render.shells import quote_fish, quote_posix
from awsenv.text import show

BEGIN = "# >>> awsenv >>>"
END = "# <<< awsenv <<<"
MADE = "# awsenv setup made this file"
JOINED = "# awsenv setup ended the line above"

# One line between the markers, and of ours: with any more, a person has written there, and it is theirs.
_BLOCK = re.compile(
    rf"^{BEGIN}[ \t]*\r?\n(?:(?P<memo>{MADE}|{JOINED})\r?\n)?(?!{BEGIN}|{END})[^\n]*awsenv[^\n]*\n{END}[ \t]*\r?(?:\n|\Z)",
    re.MULTILINE,
)
_MARKER = re.compile(rf"^(?:{BEGIN}|{END})", re.MULTILINE)
_STARTS = re.compile(r"[-+](\d+)")
_PLAIN = re.compile(r"[A-Za-z0-9_./+-]*")


def loading_line(shell: str, path: str, home: str) -> str:
    """The line of *shell* that loads the file *path* if it is there; below *home* it is spelled from $HOME."""
    name = _spelled(shell, path, home)
    if shell == "fish":
        return f"if test -r {name}; builtin source {name}; end"
    return f"if [ -r {name} ]; then . {name}; fi"


def _spelled(shell: str, path: str, home: str) -> str:
    quote = quote_fish if shell == "fish" else quote_posix
    home = home.rstrip("/")
    if not home or not path.startswith(f"{home}/"):
        return quote(path)
    below = path[len(home) :]
    return f'"$HOME{below}"' if _PLAIN.fullmatch(below) else f'"$HOME"{quote(below)}'


def block(line: str, memo: str = "") -> str:
    """The block that holds *line*; *memo* is MADE, JOINED or nothing."""
    return "".join(f"{part}\n" for part in (BEGIN, memo, line, END) if part)


def with_block(text: str | None, line: str) -> str:
    """*text* (None: there is no file) with one block that holds *line*: where ours was, else at the end."""
    before = text or ""
    ours = _BLOCK.search(before)
    if ours:
        rest = _BLOCK.sub("", before[ours.end() :])
        return before[: ours.start()] + block(line, ours["memo"] or "") + rest
    if before and not before.endswith("\n"):
        return f"{before}\n{block(line, JOINED)}"
    return before + block(line, MADE if text is None else "")


def without_block(text: str) -> str | None:
    """*text* as it was before `with_block`; None where there was no file and nothing else has been written to it."""
    ours = _BLOCK.search(text)
    if not ours:
        return text
    before, rest = text[: ours.start()], _BLOCK.sub("", text[ours.end() :])
    if ours["memo"] == JOINED and not rest:
        before = before[:-1]
    return None if ours["memo"] == MADE and not before + rest else before + rest


def loading_block(text: str) -> int | None:
    """The number of the line in our block that loads awsenv; None where there is no block."""
    found = _BLOCK.search(text)
    return text.count("\n", 0, text.index(f"\n{END}", found.start())) + 1 if found else None


def stray_marker(text: str) -> int | None:
    """The number of the first line that is a marker of ours without being part of a whole block."""
    whole = [(found.start(), found.end()) for found in _BLOCK.finditer(text)]
    for found in _MARKER.finditer(text):
        if not any(start <= found.start() < end for start, end in whole):
            return text.count("\n", 0, found.start()) + 1
    return None


def other_loading_line(text: str) -> int | None:
    """The number of the line outside our block that loads awsenv as well (`awsenv init …`)."""
    blanked = _BLOCK.sub(lambda found: "\n" * found[0].count("\n"), text)
    found = re.search(r"^[^#\n]*\bawsenv init\b", blanked, re.MULTILINE)
    return blanked.count("\n", 0, found.start()) + 1 if found else None


def difference(before: str | None, after: str | None) -> list[str]:
    """The lines that go and come, one row each, and where. Cut at newlines alone: a form feed is part of its line."""
    found = unified_diff((before or "").split("\n"), (after or "").split("\n"), n=0, lineterm="")
    rows = []
    for row in list(found)[2:]:
        if row.startswith("@@"):
            old, new = _STARTS.findall(row)
            rows.append(f"  line {old if ',0 @@' in row else new}:")
        elif row[1:]:
            rows.append(f"    {row[0]} {show(row[1:], 300)}")
    return rows
