"""Fixes → the text of a file with them in it. Pure; a line that isn't what it was when it was read stops all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from awsenv.doctor.finding import Edit, Finding, Fix, Mode, Unmark
from awsenv.errors import Storage
from awsenv.render.diff import presentable
from awsenv.text import show

_LINE_END = re.compile(r"\r\n|\n|\r")
_BOM = "\ufeff"


def fixes_of(findings: Iterable[Finding]) -> tuple[Fix, ...]:
    """What may be mended, each line once: of two findings of one line the first has it, and the next run the other."""
    found: dict[object, Fix] = {}
    for finding in findings:
        for fix in finding.fixes:
            found.setdefault((fix.where.file, fix.where.line) if isinstance(fix, Edit) else fix, fix)
    return tuple(found.values())


def mended(text: str, path: str, fixes: Iterable[Fix]) -> str:
    """*text* of the file at *path* with those of *fixes* that are of it; raises Storage where it has changed since."""
    edits = {fix.where.line: fix for fix in fixes if isinstance(fix, Edit) and fix.where.file == path}
    has_mark = text.startswith(_BOM)
    body = text[1:] if has_mark else text
    ends = [0, *(end.end() for end in _LINE_END.finditer(body))]
    pieces = [body[start:end] for start, end in zip(ends, [*ends[1:], len(body)], strict=True)]
    for number, edit in edits.items():
        if not 0 < number <= len(pieces):
            raise _changed(path)
        piece = pieces[number - 1]
        line = piece.rstrip("\r\n")
        newline = piece[len(line) :]
        if line.rstrip() != edit.old.rstrip():
            raise _changed(path)
        if edit.new is None:
            pieces[number - 1] = ""
        else:
            pieces[number - 1] = edit.new.replace("\n", newline or "\n") + newline
    keeps_mark = has_mark and not any(isinstance(fix, Unmark) and fix.path == path for fix in fixes)
    return (_BOM if keeps_mark else "") + "".join(pieces)


def shown(text: str, path: str, fixes: Iterable[Fix]) -> list[str]:
    """What `mended` does to *text*, as rows of a diff: each line that goes or comes, with the section that it is in."""
    edits = sorted((f for f in fixes if isinstance(f, Edit) and f.where.file == path), key=lambda edit: edit.where.line)
    marks = [f for f in fixes if isinstance(f, Unmark) and f.path == path]
    rows = ["-(byte order mark)"] if marks else []
    lines = _LINE_END.split(text)
    for edit in edits:
        header = next((line for line in reversed(lines[: edit.where.line - 1]) if line[:1] == "["), "")
        rows.append(show(f"@@ line {edit.where.line} {header}".rstrip(), 200))
        old = edit.old.rstrip()
        rows.append(f"-{show(presentable(old), 300)}")
        for line in edit.new.split("\n") if edit.new is not None else ():
            # What comes is made of what goes: where that may be seen, this may.
            rows.append(f"+{show(line if presentable(old) == old else presentable(line), 300)}")
    return rows


def modes_of(fixes: Iterable[Fix]) -> dict[str, int]:
    """The permissions to give, by path."""
    return {fix.path: fix.mode for fix in fixes if isinstance(fix, Mode)}


def _changed(path: str) -> Storage:
    return Storage(f"{path} was changed meanwhile: nothing is written", hint="try again")
