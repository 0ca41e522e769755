"""Findings as a good compiler prints them: where, what, the line itself, what comes of it, what to write instead."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from awsenv.doctor.finding import LEVELS, Finding
from awsenv.model import Where
from awsenv.render.diff import presentable
from awsenv.text import show

_COLOURS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "note": "\x1b[1;36m"}
_DIM, _GREEN, _BOLD, _END = "\x1b[2m", "\x1b[32m", "\x1b[1m", "\x1b[0m"
_LONGEST = 400  # characters of one text
_ASCII = str.maketrans({"…": "...", "→": "->", "–": "-", "’": "'", "·": "-"})


@dataclass(frozen=True)
class Look:
    """What it is shown on: *columns* wide, with colours or without, beyond ASCII or not."""

    columns: int = 80
    colour: bool = False
    utf8: bool = True

    @classmethod
    def of(cls, env: Mapping[str, str], columns: int, colour: bool) -> Look:
        """By the locale's variables; at most 80 columns, which is what reads well."""
        locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""
        return cls(max(20, min(80, columns)), colour, "utf" in locale.lower())


def report(
    findings: Sequence[Finding], line_at: Callable[[Where], str], home: str, look: Look, mends: str = ""
) -> list[str]:
    """Lines for a person. *line_at* gives the line of a file; *mends* is the command that fixes what can be fixed."""
    rows: list[str] = []
    for finding in findings:
        rows += [*_one(finding, line_at, home, look), ""]
    rows += _summary(findings, look, mends)
    return [plain(row, look) for row in rows]


def _one(finding: Finding, line_at: Callable[[Where], str], home: str, look: Look) -> Iterator[str]:
    where = f"{show(finding.where.short(home), 300)}: " if finding.where is not None else ""
    head = textwrap.wrap(
        f"{where}{finding.level}: {show(finding.said, _LONGEST)} [{finding.code}]",
        look.columns,
        subsequent_indent="  ",
        break_on_hyphens=False,
    )
    if look.colour:
        head[0] = head[0].replace(f"{finding.level}:", f"{_COLOURS[finding.level]}{finding.level}:{_END}", 1)
    yield from head
    quoted = line_at(finding.where) if finding.where is not None else ""
    if quoted.strip():
        yield f"    {_dim(show(presentable(quoted.strip()), look.columns - 4), look)}"
    if finding.means:
        yield from _wrapped(finding.means, look)
    for number, line in enumerate(finding.write):
        mark = "  → " if number == 0 else "    "
        shown = show(line, _LONGEST)
        yield f"{mark}{_GREEN}{shown}{_END}" if look.colour else f"{mark}{shown}"


def _wrapped(text: str, look: Look) -> list[str]:
    return textwrap.wrap(
        show(text, _LONGEST), look.columns, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )


def _summary(findings: Sequence[Finding], look: Look, mends: str) -> list[str]:
    if not findings:
        return ["nothing found"]
    counts = Counter(finding.level for finding in findings)
    parts = [f"{counts[level]} {level}{'' if counts[level] == 1 else 's'}" for level in LEVELS if counts[level]]
    fixable = sum(bool(finding.fixes) for finding in findings)
    line = ", ".join(parts)
    if fixable and mends:
        line += f"; {mends} mends {'it' if len(findings) == 1 else f'{fixable} of them'}"
    return [f"{_BOLD}{line}{_END}" if look.colour else line]


def _dim(text: str, look: Look) -> str:
    return f"{_DIM}{text}{_END}" if look.colour else text


def plain(row: str, look: Look) -> str:
    """*row* in the letters that the terminal has."""
    row = row if look.utf8 else row.translate(_ASCII)
    return row if look.utf8 or row.isascii() else row.encode("ascii", "backslashreplace").decode()


def document(finding: Finding) -> dict[str, Any]:
    """A finding for programs. What isn't printable is left to JSON's own escapes."""
    return {
        "code": finding.code,
        "level": finding.level,
        "file": finding.where.file if finding.where is not None else None,
        "line": finding.where.line if finding.where is not None else None,
        "said": finding.said,
        "means": finding.means,
        "write": list(finding.write),
        "fixable": bool(finding.fixes),
    }
