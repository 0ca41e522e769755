"""The text of an AWS config file → its sections and their settings, each with its line. Damage stays where it is.

The grammar is that of Python's RawConfigParser as botocore uses it (strict, no inline comments, no interpolation), with
three differences: a header ends at the first `]` outside quotes, a line that can't be read spoils its own section
instead of the file, and repeated sections or keys are kept, with a problem, instead of raising.
Imports nothing at the top: `awsenv list --names` reads 5,000 headers on the hot path.
"""

# header, its line, where its line ends in the text, where the section ends, and whether the header has its `]`.
# A NamedTuple would import collections.
Section = tuple[str, int, int, int, bool]
DEFAULTS = "DEFAULT"  # RawConfigParser's own: not a section, but settings for every section of its file


def unified(data: bytes) -> bytes:
    """CRLF and lone CR as LF, with every byte where it was: offsets into the file stay good."""
    return data.replace(b"\r\n", b" \n").replace(b"\r", b"\n") if b"\r" in data else data


def decode(data: bytes) -> str:
    """File bytes → text, whatever they hold: a BOM is dropped, invalid UTF-8 becomes lone surrogates."""
    text = unified(data).decode("utf-8", "surrogateescape")
    return text[1:] if text.startswith("\ufeff") else text


def split(text: str) -> list[Section]:
    """The sections of *text* in order: text[start:end] is a section's body, and `closed` is False where the `]` is missing."""
    heads: list[tuple[str, int, int, int, bool]] = []
    line, counted, position = 1, 0, text.find("[")
    scanned, level, in_option = 0, 0, False
    while position >= 0:
        line_start = text.rfind("\n", 0, position) + 1
        line_end = text.find("\n", position)
        if line_end < 0:
            line_end = len(text)
        indent = position - line_start
        is_header = indent == 0
        if indent and text[line_start:position].isspace():
            if heads:  # an indented `[…` may belong to the value above it
                level, in_option = _indentation(text[scanned:line_start], level, in_option)
                scanned = line_start
            is_header = not (in_option and indent > level)
        if is_header:
            line += text.count("\n", counted, line_start)
            counted, scanned, level, in_option = line_start, line_end, 0, False
            header, closed = _header(text[position + 1 : line_end])
            heads.append((header, line, line_start, line_end, closed))
        position = text.find("[", line_end)
    ends = [head[2] for head in heads[1:]] + [len(text)]
    return [
        (header, line, start, end, closed) for (header, line, _, start, closed), end in zip(heads, ends, strict=False)
    ]


def _indentation(lines: str, level: int, in_option: bool) -> tuple[int, bool]:
    """The indentation of the last setting in *lines*, and whether there is one: what is deeper continues its value."""
    for raw in lines.split("\n"):
        stripped = raw.strip()
        if not stripped or stripped[0] in "#;":
            continue
        depth = len(raw) - len(raw.lstrip())
        if not (in_option and depth > level):
            level, in_option = depth, True
    return level, in_option


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


def words(header: str) -> tuple[str, ...]:
    """A header's words as `shlex.split` gives them; () where its quotes are unbalanced."""
    if "'" in header or '"' in header or "\\" in header:
        from shlex import split as shlex_split  # shlex doubles a bare interpreter; only a quoted name pays

        try:
            return tuple(shlex_split(header))
        except ValueError:
            return ()
    if header.isascii() and header.isprintable():
        return tuple(header.split())
    # shlex parts words at ASCII blanks alone: an ideographic or no-break space belongs to the word.
    return tuple(word for word in header.replace("\t", " ").split(" ") if word)


def profile_name(header: str) -> str | None:
    """The profile that a config-file header names, by botocore's rule (configloader.build_profile_map), else None."""
    if header == "default":
        return header
    if not header.startswith("profile"):
        return None
    parts = words(header)
    return parts[1] if len(parts) == 2 else None


def names(config: str, credentials: str) -> list[str]:
    """Every profile name of the two files, config first, each once, in the order of the files."""
    seen: dict[str, None] = {}
    for header, *_ in split(config):
        name = profile_name(header)
        if name is not None:
            seen.setdefault(name)
    for header, *_ in split(credentials):
        if header and header != DEFAULTS:
            seen.setdefault(header)
    return list(seen)


def settings(text: str, section: Section) -> tuple[list[tuple[str, str, int]], list[tuple[int, str]]]:
    """The (key, value, line) of one section's body in order, and the (line, what) of what couldn't be read.

    Keys are lower case. A value with indented lines under it holds them after newlines, as in RawConfigParser.
    """
    header, header_line, start, end, closed = section
    found: list[tuple[str, list[str], int]] = []
    problems: list[tuple[int, str]] = []
    if not closed:
        problems.append((header_line, "the section header has no closing ]"))
    elif not header:
        problems.append((header_line, "the section header is empty"))
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
                found[-1][1].append("")
            continue
        depth = len(raw) - len(raw.lstrip())
        if found and depth > level:
            key, parts, _ = found[-1]
            parts.append(value)
            if not parts[0] and not all("=" in part for part in value.splitlines() if part.strip()):
                problems.append((line, f"under an empty {key}, this line is no `key = value`"))
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
        found.append((key, [value[min(cuts) + 1 :].strip()], line))
    return [(key, "\n".join(parts).rstrip("\n"), line) for key, parts, line in found], problems


def nested(text: str, line: int) -> dict[str, tuple[str, int]]:
    """The `key = value` lines under the empty setting on *line* (`s3 =`, a service in `[services x]`), each with its line.

    One level deep, as in botocore (configloader._parse_nested): the last of two equal keys counts.
    """
    first, *rest = text.split("\n", line - 1)[-1].split("\n")
    level = len(first) - len(first.lstrip())
    children: dict[str, tuple[str, int]] = {}
    for offset, raw in enumerate(rest, 1):
        value = raw.strip()
        if not value or value[0] in "#;":
            continue
        if len(raw) - len(raw.lstrip()) <= level:
            break
        key, equals, after = value.partition("=")
        if equals:
            children[key.strip()] = (after.strip(), line + offset)
    return children
