"""A config file's text → Document: every section and setting as it stands, repeated ones too, for checks of the text itself."""

from __future__ import annotations

from dataclasses import dataclass

from awsenv import sections
from awsenv.model import Where

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Written:
    """One `key = value` as it was written: *value* whole, with comments and the lines under it."""

    key: str
    value: str
    where: Where


@dataclass(frozen=True, slots=True)
class Part:
    """One section. *header* is what stands between its brackets by our reading; *line* the whole first line."""

    header: str
    line: str
    where: Where
    closed: bool
    settings: tuple[Written, ...]
    last: int  # the number of its last line

    def get(self, key: str) -> Written | None:
        """The last setting of that key."""
        return next((setting for setting in reversed(self.settings) if setting.key == key), None)


@dataclass(frozen=True, slots=True)
class Document:
    """One file. *lines* are its lines without their ends; `lines[n - 1]` is line n, as bytes decoded by surrogateescape."""

    path: str
    is_config: bool
    has_bom: bool
    lines: tuple[str, ...]
    parts: tuple[Part, ...]

    def line(self, number: int) -> str:
        """Line *number*; "" beyond the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def profile_of(self, part: Part) -> str | None:
        """The profile that a section of this file defines, by botocore's rule; None for another section."""
        if not self.is_config:
            return part.header or None
        return sections.profile_name(part.header)


def read_document(data: bytes, path: str, is_config: bool) -> Document:
    """The file at *path* that holds *data*."""
    text = sections.decode(data)
    lines = tuple(text.split("\n"))
    parts = []
    found = sections.split(text)
    for place, section in enumerate(found):
        header, number, _, _, closed = section
        pairs, _ = sections.settings(text, section)
        settings = tuple(Written(key, value, Where(path, line)) for key, value, line in pairs)
        last = found[place + 1][1] - 1 if place + 1 < len(found) else len(lines)
        parts.append(Part(header, lines[number - 1], Where(path, number), closed, settings, last))
    return Document(path, is_config, data.startswith(_BOM), lines, tuple(parts))
