"""The AWS config file as a person wrote it → the same with sections of ours in it. Not a byte of theirs changes.

What a verb writes stands in a block of its own between two comment lines: `awsenv sso import` has one an sso-session,
`awsenv wrap` one. A file whose last line had no end gets a memo in the block that says so: taking the block out leaves
what was there before. Whatever is composed is read again before it is written, and must say exactly what was meant
(names from a portal are strangers').
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from awsenv import sections
from awsenv.config import AwsConfig
from awsenv.errors import Config, Internal, Storage
from awsenv.files import LARGEST
from awsenv.model import Where
from awsenv.replacing import obstacle, read_whole, replace
from awsenv.text import show

JOINED = "# The line above had no end; awsenv gave it one."
_LINE_END = re.compile(r"\r\n|\n|\r")
_BARE_NAME = re.compile(r"[A-Za-z0-9_.@+=,/:%-]+")
_QUOTABLE_NAME = re.compile(r"[^\"'\\\]]+")


@dataclass(frozen=True)
class Author:
    """A verb that has blocks in the file. *about* is the comment at the head of each."""

    verb: str
    about: str

    @property
    def mark(self) -> re.Pattern[str]:
        """What looks like a mark of its blocks. A line begins behind any of the three line ends that AWS's tools know."""
        return re.compile(rf"(?:(?<![^\r\n])|(?<=\A\ufeff))[ \t]*#[ \t]*(?:>>>|<<<)[ \t]*{self.verb}[^\r\n]*")

    @property
    def whole_mark(self) -> re.Pattern[str]:
        """What is one."""
        return re.compile(rf"# (?P<side>>>>|<<<) {self.verb} (?P<session>\S+) (?P=side)[ \t]*")


IMPORT = Author(
    "awsenv sso import",
    "# Written anew by each `awsenv sso import`: settings of these profiles are kept, comments in here are not.",
)
WRAP = Author(
    "awsenv wrap",
    "# Written anew by each `awsenv wrap`: each profile asks awsenv for another one, and has that one's settings.",
)


@dataclass(frozen=True)
class Section:
    """A section to write: its header without the brackets, and its settings in order. Equal by what it says."""

    header: str
    settings: tuple[tuple[str, str], ...]
    line: int = field(default=0, compare=False)
    damage: tuple[tuple[int, str], ...] = field(default=(), compare=False)

    @property
    def profile(self) -> str | None:
        """The profile that it defines, if it defines one."""
        return sections.profile_name(self.header)


@dataclass(frozen=True)
class Block:
    """Where in a text one session's block lies: from its first mark to behind the end of its last line."""

    session: str
    start: int
    inside: int
    inside_end: int
    end: int
    line: int


@dataclass(frozen=True)
class ConfigFile:
    """The file as it was read. *target* is the file behind all links; *data* None where there is none yet."""

    path: str
    target: str
    data: bytes | None

    @property
    def text(self) -> str:
        """Its characters, every byte and every line end kept."""
        return (self.data or b"").decode("utf-8", "surrogateescape")


# ---- Sections -------------------------------------------------------------------------------------------------------


def header_of(kind: str, name: str) -> str:
    """`profile NAME` or `sso-session NAME`, quoted where AWS's tools need that; raises Config for a name that can't be."""
    if kind == "profile" and name == "default":
        return name
    if _BARE_NAME.fullmatch(name):
        return f"{kind} {name}"
    header = f'{kind} "{name}"'
    if not name.isprintable() or not _QUOTABLE_NAME.fullmatch(name) or sections.words(header) != (kind, name):
        raise Config(f'"{show(name)}" can\'t be the name of a section')
    return header


def is_plain_value(value: str) -> bool:
    """Whether *value* comes back from a config file exactly as it was written there, whoever reads it."""
    return (
        bool(value)
        and value == value.strip()
        and value.isprintable()
        and value[0] not in "#;"
        and not re.search(r"\s[#;]", value)
    )


def parsed(text: str, first_line: int = 1) -> list[Section]:
    """The sections of *text*, whose first line has the number *first_line*."""
    plain = sections.decode(text.encode("utf-8", "surrogateescape"))
    found = []
    for section in sections.split(plain):
        settings, problems = sections.settings(plain, section)
        pairs = tuple((key, value) for key, value, _ in settings)
        damage = tuple((line + first_line - 1, what) for line, what in problems)
        found.append(Section(section[0], pairs, section[1] + first_line - 1, damage))
    return found


def _rendered(made: Sequence[Section], newline: str) -> str:
    parts = []
    for section in made:
        parts.append(f"[{section.header}]")
        for key, value in section.settings:
            parts.append(f"{key} = {value}".rstrip().replace("\n", f"{newline}    "))
        parts.append("")
    return "".join(f"{part}{newline}" for part in parts)


# ---- The block ------------------------------------------------------------------------------------------------------


def marks(session: str, author: Author = IMPORT) -> tuple[str, str]:
    """The two lines around the block of *session*, whose name can't end them: what isn't plain is written as %XX."""
    plain = re.compile(rb"[A-Za-z0-9_.@+=,:/-]")
    name = "".join(
        chr(byte) if plain.fullmatch(bytes([byte])) else f"%{byte:02X}"
        for byte in session.encode("utf-8", "surrogateescape")
    )
    return f"# >>> {author.verb} {name} >>>", f"# <<< {author.verb} {name} <<<"


def find_block(text: str, session: str, path: str, author: Author = IMPORT) -> Block | None:
    """The block of *session*; raises Config at the first mark, of any session, that is not one of a whole pair."""
    begin, _ = marks(session, author)
    verb = author.verb
    open_mark: re.Match[str] | None = None
    open_name, found = "", None
    seen: set[str] = set()
    for mark in author.mark.finditer(text):
        where = Where(path, _line_of(text, mark.start()))
        whole = author.whole_mark.fullmatch(mark[0])
        if whole is None:
            raise Config(f"this mark of `{verb}` was changed by hand", where, "mend it, or remove both lines of marks")
        if whole["side"] == ">>>":
            if open_mark is not None:
                what = f"this mark of `{verb}` stands inside the block that begins on line {_line_of(text, open_mark.start())}"
                raise Config(what, where, "remove the mark that is too much")
            if whole["session"] in seen:
                raise Config(
                    f"this is the second block of `{verb} {show(whole['session'])}`", where, "remove one of them"
                )
            open_mark, open_name = mark, whole["session"]
            seen.add(open_name)
        elif open_mark is None or open_name != whole["session"]:
            raise Config(f"this mark of `{verb}` ends a block that never began", where, "remove that line")
        else:
            if open_mark[0].rstrip() == begin:
                inside, end = _behind(text, open_mark.end()), _behind(text, mark.end())
                line = _line_of(text, open_mark.start())
                found = Block(session, open_mark.start(), inside, mark.start(), end, line)
            open_mark = None
    if open_mark is not None:
        where = Where(path, _line_of(text, open_mark.start()))
        raise Config(
            f"the block of `{verb}` that begins here has no end",
            where,
            f"remove that line, or write: {marks(open_name, author)[1]}",
        )
    return found


def _behind(text: str, position: int) -> int:
    end = _LINE_END.match(text, position)
    return end.end() if end else position


def _line_of(text: str, position: int) -> int:
    return len(_LINE_END.findall(text, 0, position)) + 1


def sections_in(text: str, block: Block | None) -> list[Section]:
    """The sections that the block holds."""
    return parsed(text[block.inside : block.inside_end], block.line + 1) if block else []


def outside(text: str, block: Block | None) -> str:
    """*text* without the block; where its lines lie no longer counts."""
    return text[: block.start] + text[block.end :] if block else text


def with_block(text: str, session: str, made: Sequence[Section], path: str, author: Author = IMPORT) -> str:
    """*text* with one block of *session* that holds *made*, where it was or else at the end; without any for no sections.

    Raises Config where the marks are damaged, or where what was composed does not read as it was meant.
    """
    block = find_block(text, session, path, author)
    if not made:
        return _without(text, block)
    newline = _newline_of(text)
    before, after, memo = text, "", ""
    if block is not None:
        before, after = text[: block.start], text[block.end :]
        memo = JOINED if text[block.inside :].startswith(JOINED) else ""
        _refuse_homeless_lines(text, block, path, author.verb)
    elif text.strip("\ufeff") and not text.endswith(("\n", "\r")):
        before, memo = text + newline, JOINED
    begin, end = marks(session, author)
    head = "".join(f"{line}{newline}" for line in (begin, memo, author.about) if line)
    # A blank line stands before the last mark: behind it `aws configure set` would put what it adds to the last profile.
    last = end if block is not None and not _ends_a_line(text[: block.end]) else f"{end}{newline}"
    composed = before + head + _rendered(made, newline) + last + after
    _require_meant(composed, before, made, after, path)
    return composed


def _ends_a_line(text: str) -> bool:
    return text.endswith(("\n", "\r"))


def _newline_of(text: str) -> str:
    first = _LINE_END.search(text)
    return "\r\n" if first and first[0] == "\r\n" else "\n"


def _without(text: str, block: Block | None) -> str:
    if block is None:
        return text
    before, after = text[: block.start], text[block.end :]
    if text[block.inside :].startswith(JOINED) and not after:
        before = before.removesuffix("\n").removesuffix("\r") if before.endswith("\n") else before
    return before + after


def with_sections(text: str, made: Sequence[Section], path: str) -> str:
    """*text* with *made* behind its end, a blank line before them. Raises Config where that would not read as meant."""
    newline = _newline_of(text)
    before = text
    if text.strip("\ufeff") and not _ends_a_line(text):
        before += newline
    if before.strip() and not before.endswith(newline * 2):
        before += newline
    composed = before + _rendered(made, newline).removesuffix(newline)
    _require_meant(composed, before, made, "", path)
    return composed


def with_value(text: str, where: Where, key: str, value: str) -> str:
    """*text* with *value* for the setting *key* on that line; raises Config where the line doesn't hold it."""
    ends = [0, *(end.end() for end in _LINE_END.finditer(text)), len(text)]
    if where.line < len(ends):
        start, end = ends[where.line - 1], ends[where.line]
        found = re.fullmatch(
            rf"([ \t]*{re.escape(key)}[ \t]*[=:][ \t]*)[^\r\n]*([\r\n]*)", text[start:end], re.IGNORECASE
        )
        if found and is_plain_value(value):
            return f"{text[:start]}{found[1]}{value}{found[2]}{text[end:]}"
    raise Config(f"there is no {key} to change", where)


def _refuse_homeless_lines(text: str, block: Block, path: str, verb: str) -> None:
    """Lines right behind the block would be settings of its last profile, whichever that is."""
    for number, line in enumerate(_LINE_END.split(text[block.end :]), _line_of(text, block.end)):
        if line[:1] == "[":  # an indented one continues the value above it
            return
        if line.strip() and line.lstrip()[0] not in "#;":
            what = f"this line stands behind the block of `{verb}` and under no section of its own"
            raise Config(what, Where(path, number), "move it into the section that it belongs to")


def _require_meant(composed: str, before: str, made: Sequence[Section], after: str, path: str) -> None:
    """Raise unless *composed* reads as the sections before, *made*, and those behind: no more, no less, none changed."""
    expected = [*parsed(before), *made, *parsed(after)]
    rendered = _rendered(made, "\n")
    if any("\ud800" <= character <= "\udfff" for character in rendered):
        raise Config(f"what was composed for {path} is not UTF-8: nothing is written")
    if parsed(composed) != expected or any(section.damage for section in parsed(rendered)):
        raise Internal(f"what was composed for {path} does not read as it was meant: nothing is written")
    theirs = AwsConfig(_bytes(before + after), b"", path, "")
    ours = AwsConfig(_bytes(composed), b"", path, "")
    names = [section.profile for section in made if section.profile is not None]
    doubles = [name for name in names if theirs.has(name)]
    if doubles or len(names) != len(set(names)):
        raise Config(f'there would be two profiles "{show((doubles or names)[0])}" in {path}: nothing is written')
    if set(ours.names()) != {*theirs.names(), *names}:
        raise Internal(f"other profiles than were meant would stand in {path}: nothing is written")
    for kind in ("sso-session", "services"):
        new = [words[1] for words in (sections.words(section.header) for section in made) if words[:1] == (kind,)]
        if set(ours.section_names(kind)) != {*theirs.section_names(kind), *new}:
            raise Internal(f"other sections than were meant would stand in {path}: nothing is written")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


# ---- The file -------------------------------------------------------------------------------------------------------


def read(path: str) -> ConfigFile:
    """The config file at *path*; raises Storage where it can't be read."""
    target = os.path.realpath(path)
    try:
        data = read_whole(target)
    except OSError as error:
        raise Storage(f"can't read {target}: {error.strerror}") from None
    if data is not None and len(data) > LARGEST:
        raise Storage(f"{target} is {len(data) >> 20} MiB large; awsenv reads at most {LARGEST >> 20}")
    return ConfigFile(path, target, data)


def require_writable(file: ConfigFile) -> None:
    """Raise Storage where *file* can't be replaced: nobody is to say yes to what can't be."""
    reason = obstacle(file.target)
    if reason:
        raise Storage(f"can't write {file.target}: {reason}")


def write(file: ConfigFile, text: str) -> None:
    """Put *text* in the place of *file*, in one step; raises Storage where it isn't the file any more that was read."""
    require_writable(file)
    with _one_writer(os.path.dirname(file.target)):
        if read(file.path) != file:
            raise Storage(f"{file.target} was changed meanwhile: nothing is written", hint="try again")
        try:
            replace(file.target, _bytes(text), 0o600, 0o700)
        except OSError as error:
            raise Storage(f"can't write {file.target}: {error.strerror or type(error).__name__}") from None


@contextmanager
def _one_writer(folder: str) -> Iterator[None]:
    """One awsenv at a time between the comparison and the rename; the lock is on the folder, and leaves nothing behind."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield  # there is no folder yet: then there is nothing to lose
        return
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def pairs(settings: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Settings as a Section holds them."""
    return tuple(settings.items())
