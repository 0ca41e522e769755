"""A finding of the doctor's: what is wrong and where, what comes of it, what to write instead."""

from __future__ import annotations

from dataclasses import dataclass

from awsenv.model import Where

LEVELS = ("error", "warning", "note")  # worst first


@dataclass(frozen=True, slots=True)
class Edit:
    """A safe change of one line of a text file: *new* takes its place, or None removes it.

    *old* is the line as it was read, without its end and the blanks before it: what differs meanwhile is not touched.
    *new* may be two lines.
    """

    where: Where
    old: str
    new: str | None


@dataclass(frozen=True, slots=True)
class Mode:
    """A safe change of the permissions of a file or folder that is the person's own: to *mode* (0o600, 0o700)."""

    path: str
    mode: int


@dataclass(frozen=True, slots=True)
class Unmark:
    """The byte order mark at the beginning of that file goes."""

    path: str


Fix = Edit | Mode | Unmark


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know, as plain data: no text of it holds a secret, nor anything that was filtered already.

    *code* is a stable word for programs (`profile-header`); *said* one sentence without its full stop, on what is wrong;
    *means* what AWS's tools do with it, or what comes of it; *write* the lines to write instead, or commands to type.
    A check that quotes a value leaves it raw: whoever shows it filters (render/findings.py).
    *fixes* are what `--fix` may do by itself: nothing that takes a setting or changes who somebody is.
    """

    code: str
    level: str
    said: str
    where: Where | None = None
    means: str = ""
    write: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
