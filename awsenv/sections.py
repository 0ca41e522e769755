"""The text of an AWS config file → its sections and their settings, each with its line. Damage stays where it is.

The grammar is that of Python's RawConfigParser as botocore uses it (strict, no inline comments, no interpolation), with
three differences: a header ends at the first `]` outside quotes, a line that can't be read spoils its own section
instead of the file, and repeated sections or keys are kept, with a problem, instead of raising.
Imports nothing at the top: `awsenv list --names` reads 5,000 headers on the hot path.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class Section(NamedTuple):
        header: str
        line: int
        start: int
        end: int
        closed: bool
else:
    Section = (
        tuple  # (header, line, start, end, closed): body is text[start:end]; a NamedTuple would import collections
    )


def unified(data: bytes) -> bytes:
    """CRLF and lone CR as LF, with every byte where it was: offsets into the file stay good."""
    return data.replace(b"\r\n", b" \n").replace(b"\r", b"\n") if b"\r" in data else data


def decode(data: bytes) -> str:
    """File bytes → text, whatever they hold: a BOM is dropped, invalid UTF-8 becomes lone surrogates."""
    text = unified(data).decode("utf-8", "surrogateescape")
    return text[1:] if text.startswith("\ufeff") else text


def split(text: str) -> "list[Section]":
    """The sections of *text* in order, as (header, line, start, end, closed); `closed` is False where the `]` is missing."""
    found: list[tuple[str, int, int, bool]] = []
    line, counted, position = 1, 0, text.find("[")
    while position >= 0:
        line_start = text.rfind("\n", 0, position) + 1
        line_end = text.find("\n", position)
        if line_end < 0:
            line_end = len(text)
        indent = position - line_start
        if indent == 0 or (text[line_start:position].isspace() and not _continues(text, found, line_start, indent)):
            line += text.count("\n", counted, line_start)
            counted = line_start
            header, closed = _header(text[position + 1 : line_end])
            found.append((header, line, line_end, closed))
        position = text.find("[", line_end)
    sections = []
    for i, (header, at, start, closed) in enumerate(found):
        end = text.rfind("\n", 0, _line_start(text, found, i + 1)) + 1 if i + 1 < len(found) else len(text)
        sections.append((header, at, start, max(start, end), closed))
    return sections  # type: ignore[return-value]  # plain tuples, see above


def _line_start(text: str, found: "list[tuple[str, int, int, bool]]", i: int) -> int:
    return text.rfind("\n", 0, found[i][2]) + 1


def _continues(text: str, found: "list[tuple[str, int, int, bool]]", line_start: int, indent: int) -> bool:
    """Whether an indented `[…` belongs to the value above it, as RawConfigParser sees it."""
    if not found:
        return False
    level, in_option = 0, False
    for raw in text[found[-1][2] : line_start].split("\n"):
        stripped = raw.strip()
        if not stripped or stripped[0] in "#;":
            continue
        depth = len(raw) - len(raw.lstrip())
        if not (in_option and depth > level):
            level, in_option = depth, True
    return in_option and indent > level


def _header(rest: str) -> tuple[str, bool]:
    end = rest.find("]")
    plain = rest if end < 0 else rest[:end]
    if "'" not in plain and '"' not in plain and "\\" not in plain:
        return (plain, True) if end >= 0 else (plain.strip(), False)
    quote, escaped = "", False
    for i, character in enumerate(rest):
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            if character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character == "]":
            return rest[:i], True
    return (plain, True) if end >= 0 else (plain.strip(), False)  # an unbalanced quote: it still ends somewhere


def words(header: str) -> "tuple[str, ...]":
    """A header's words as `shlex.split` gives them; () where its quotes are unbalanced."""
    if "'" not in header and '"' not in header and "\\" not in header:
        return tuple(header.split())
    from shlex import split as shlex_split  # shlex doubles a bare interpreter; only a quoted name pays

    try:
        return tuple(shlex_split(header))
    except ValueError:
        return ()


def profile_name(header: str) -> "str | None":
    """The profile that a config-file header names, by botocore's rule (configloader.build_profile_map), else None."""
    if header == "default":
        return header
    if not header.startswith("profile"):
        return None
    parts = words(header)
    return parts[1] if len(parts) == 2 else None


def names(config: str, credentials: str) -> "list[str]":
    """Every profile name of the two files, config first, each once, in the order of the files."""
    seen: dict[str, None] = {}
    for header, *_ in split(config):
        name = profile_name(header)
        if name is not None:
            seen.setdefault(name)
    for header, *_ in split(credentials):
        seen.setdefault(header)
    return list(seen)


def settings(text: str, section: "Section") -> "tuple[list[tuple[str, str, int]], list[tuple[int, str]]]":
    """The (key, value, line) of one section's body in order, and the (line, what) of what couldn't be read.

    Keys are lower case. A value with indented lines under it holds them after newlines, as in RawConfigParser.
    """
    _, header_line, start, end, closed = section
    found: list[list[object]] = []
    problems: list[tuple[int, str]] = [] if closed else [(header_line, "the section header has no closing ]")]
    seen: dict[str, int] = {}
    level = 0
    for offset, raw in enumerate(text[start:end].split("\n")):
        line = header_line + offset
        if offset == 0:
            continue  # what follows the header on its own line: a comment, or nothing that AWS's tools read
        value = raw.strip()
        if value[:1] in ("#", ";"):
            continue
        if not value:
            if found:
                found[-1][1] = f"{found[-1][1]}\n"
            continue
        depth = len(raw) - len(raw.lstrip())
        if found and depth > level:
            found[-1][1] = f"{found[-1][1]}\n{value}"
            continue
        level = depth
        cuts = [cut for cut in (value.find("="), value.find(":")) if cut >= 0]
        if not cuts or min(cuts) == 0:
            problems.append((line, "this line is neither a setting nor a comment"))
            continue
        key = value[: min(cuts)].rstrip().lower()
        if key in seen:
            problems.append((line, f"{key} stands here a second time (first on line {seen[key]})"))
        seen.setdefault(key, line)
        found.append([key, value[min(cuts) + 1 :].strip(), line])
    return [(str(key), str(value).rstrip("\n"), int(str(line))) for key, value, line in found], problems


def nested(value: str) -> "dict[str, str]":
    """The `key = value` lines under an otherwise empty setting (`s3 =`, a service in `[services x]`), one level deep."""
    children = {}
    for line in value.split("\n"):
        key, equals, rest = line.partition("=")
        if equals:
            children[key.strip()] = rest.strip()
    return children
