"""The lines that go and come in a file, for people: red and green where the terminal has colours."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from difflib import SequenceMatcher

from awsenv.text import show

_AROUND = 2  # lines that stay, on either side of a change
_SETTING = re.compile(r"[ \t]*([A-Za-z0-9_.-]+)[ \t]*[=:].*", re.DOTALL)
_OURS = re.compile(r"# (>>>|<<<|Written anew|The line above)")
_HARMLESS = frozenset(
    (
        "region",
        "output",
        "role_arn",
        "source_profile",
        "role_session_name",
        "duration_seconds",
        "mfa_serial",
        "sso_session",
        "sso_start_url",
        "sso_region",
        "sso_account_id",
        "sso_role_name",
        "sso_registration_scopes",
    )
)
_COLOURS = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m"}


def difference(before: str, after: str, known: Collection[str] = ()) -> list[str]:
    """Rows like those of `diff -u`: `@@ line N`, then the lines with ` `, `-` or `+` ahead. What isn't printable is escaped.

    *known* are lines that are shown whole, whatever they set: they are ours, and hold no secret.

    Section by section: over all lines at once difflib takes seconds for a thousand profiles that change alike.
    """
    lines = list(_marked(_chunks(before), _chunks(after)))
    near: set[int] = set()
    for place, (sign, _) in enumerate(lines):
        if sign != " ":
            near.update(range(place - _AROUND, place + _AROUND + 1))
    rows, number, was_near = [], 0, False
    for place, (sign, line) in enumerate(lines):
        number += sign != "-"
        if place in near:
            if not was_near:
                rows.append(f"@@ line {number + (sign == '-')}")
            plain = line.removesuffix("\r")
            rows.append(f"{sign}{show(plain if plain in known else presentable(plain), 300)}")
        was_near = place in near
    return rows


def presentable(line: str) -> str:
    """*line* as it may be shown: of a setting that could hold a secret, and of a comment, no more than how it begins.

    What a person keeps in a config file beside our lines is nobody's business who reads the difference, as in a CI log.
    """
    found = _SETTING.fullmatch(line)
    if line[:1] == "[" or not line.strip() or (found and found[1].lower() in _HARMLESS):
        return line
    if line.lstrip()[:1] in ("#", ";"):
        return line if _OURS.match(line) else f"{line[:24]}…" if len(line) > 24 else line
    return f"{line[: found.end(1)]} = …" if found else "…"


def coloured(rows: Sequence[str], colour: bool) -> list[str]:
    """*rows* with colours around those that go or come, or as they are."""
    if not colour:
        return list(rows)
    return [f"{_COLOURS[row[0]]}{row}\x1b[0m" if row[:1] in _COLOURS else row for row in rows]


def _chunks(text: str) -> list[list[str]]:
    """The lines of *text*, those of a section together. An end of the last line is no line of its own."""
    chunks: list[list[str]] = [[]]
    for line in text.removesuffix("\n").split("\n") if text else []:
        if line[:1] in ("[", "#"):
            chunks.append([])
        chunks[-1].append(line)
    return chunks


def _marked(old: list[list[str]], new: list[list[str]]) -> Iterator[tuple[str, str]]:
    heads = [[chunk[0] if chunk else "" for chunk in chunks] for chunks in (old, new)]
    for tag, a, a_end, b, b_end in SequenceMatcher(None, heads[0], heads[1], autojunk=False).get_opcodes():
        if tag == "equal":
            for was, now in zip(old[a:a_end], new[b:b_end], strict=True):
                yield from _lines(was, now)
        else:
            yield from _lines([line for chunk in old[a:a_end] for line in chunk], [])
            yield from _lines([], [line for chunk in new[b:b_end] for line in chunk])


def _lines(was: list[str], now: list[str]) -> Iterator[tuple[str, str]]:
    if was == now:
        yield from ((" ", line) for line in now)
        return
    for tag, a, a_end, b, b_end in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        yield from ((" " if tag == "equal" else "-", line) for line in was[a:a_end])
        if tag != "equal":
            yield from (("+", line) for line in now[b:b_end])
