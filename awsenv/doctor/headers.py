"""Checks of the files' shape: what AWS's tools can't read at all, and sections that they pass over or take for others."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from awsenv import sections
from awsenv.config_writer import header_of
from awsenv.doctor.document import Document, Part
from awsenv.doctor.examination import Examined
from awsenv.doctor.finding import Edit, Finding, Unmark
from awsenv.doctor.vocabulary import AUTHENTICATING, KNOWN, SECRET
from awsenv.errors import Config
from awsenv.model import Where
from awsenv.text import nearest

_REFUSED = "AWS's tools refuse the whole file for it, and find no profile at all"
_PASSED_OVER = "AWS's tools pass over the whole section without a word"
_KINDS = ("sso-session", "services")
_OTHERS = ("plugins", "preview", "toplevel")  # the AWS CLI's own, besides [DEFAULT]


def damage(facts: Examined) -> Iterable[Finding]:
    """What makes botocore refuse a file: AwsConfig knows the lines, the text tells one kind from another."""
    told: set[Where] = set()
    for document in facts.documents:
        for finding in _repeated(document):
            if finding.where is not None:
                told.add(finding.where)
            yield finding
        if document.has_bom:
            told.add(Where(document.path, 1))
            yield Finding(
                "byte-order-mark",
                "error",
                "the file begins with a byte order mark, which some editors put there",
                Where(document.path, 1),
                _REFUSED,
                ("save it as UTF-8 without BOM",),
                (Unmark(document.path),),
            )
    for problem in facts.config.damage():
        if problem.where not in told:
            told.add(problem.where)
            yield Finding(
                "unreadable-line", "error", problem.what, problem.where, _REFUSED, ("mend or remove the line",)
            )


def _repeated(document: Document) -> Iterator[Finding]:
    heads: dict[str, Where] = {}
    for part in document.parts:
        if part.header in heads and part.header != sections.DEFAULTS:
            yield Finding(
                "duplicate-section",
                "error",
                f"[{part.header}] stands here a second time (first on line {heads[part.header].line})",
                part.where,
                _REFUSED,
                ("put the settings of both into one section",),
            )
        heads.setdefault(part.header, part.where)
        seen: dict[str, str] = {}
        lines: dict[str, int] = {}
        for setting in part.settings:
            if setting.key in seen:
                is_same = seen[setting.key] == setting.value and "\n" not in setting.value
                safe = is_same and setting.key not in SECRET
                old = document.line(setting.where.line)
                yield Finding(
                    "duplicate-key",
                    "error",
                    f"{setting.key} stands here a second time (first on line {lines[setting.key]})",
                    setting.where,
                    _REFUSED,
                    ("remove this line: it says the same" if is_same else "keep one of the two lines",),
                    (Edit(setting.where, old, None),) if safe else (),
                )
            seen.setdefault(setting.key, setting.value)
            lines.setdefault(setting.key, setting.where.line)


def ignored_sections(facts: Examined) -> Iterable[Finding]:
    """Sections of the config file that define nothing: `[x]` for `[profile x]`, and its relatives."""
    config = facts.documents[0]
    taken = set(facts.documents_by_profile(0))
    for part in config.parts:
        if _is_known(part) or not (part.closed and part.header):
            continue
        known = [setting.key for setting in part.settings if setting.key in KNOWN]
        header = _likely(part)
        if header is None or not known:
            said = f"[{part.header}] is no section that AWS's tools know"
            yield Finding("unknown-section", "note", said, part.where, _PASSED_OVER)
            continue
        fixes = _header_fix(facts, part, header, known, taken)
        if fixes:
            taken.add(sections.profile_name(header) or "")  # of two sections that were meant as one, one is mended
        yield Finding(
            "ignored-section",
            "error",
            f"[{part.header}] defines nothing in the config file: a profile's header begins with the word profile"
            if header.startswith("profile ") and not part.header.lower().startswith("profile")
            else f"[{part.header}] defines nothing in the config file",
            part.where,
            f"{_PASSED_OVER}: {_listed(known)}",
            (f"[{header}]",),
            fixes,
        )


def _is_known(part: Part) -> bool:
    header = part.header
    if sections.profile_name(header) is not None or header == sections.DEFAULTS or header in _OTHERS:
        return True
    return any(header.startswith(kind) for kind in _KINDS) and len(sections.words(header)) == 2


def _likely(part: Part) -> str | None:
    """The header that was meant; None where that can't be told."""
    first, *rest = part.header.split(None, 1)
    name = (rest[0] if rest else "").strip("'\" ")
    kind = next(iter(nearest(first, ["profile", *_KINDS])), None) if rest else "profile"
    if kind is None:
        kind, name = "profile", part.header.strip("'\" ")
    try:
        return header_of(kind, name if rest else part.header.strip("'\" "))
    except Config:
        return None


def _header_fix(facts: Examined, part: Part, header: str, known: list[str], taken: Container[str]) -> tuple[Edit, ...]:
    """The header may be mended where that takes nobody's name, and gives no profile that is in use another identity."""
    name = sections.profile_name(header)
    if name is None or name in taken:
        return ()
    if facts.config.has(name) and set(known) & AUTHENTICATING:
        return ()
    closing = part.line.find("]")
    if part.line[:1] != "[" or closing < 0 or part.line[1:closing] != part.header:
        return ()
    return (Edit(part.where, part.line, f"[{header}]{part.line[closing + 1 :].rstrip()}"),)


def credentials_headers(facts: Examined) -> Iterable[Finding]:
    """In the credentials file the header is the profile's name, word for word."""
    for part in facts.documents[1].parts:
        words = sections.words(part.header)
        if len(words) == 2 and words[0] == "profile":
            yield Finding(
                "profile-word",
                "error",
                f'[{part.header}] defines a profile called "{part.header}": this file takes bare names',
                part.where,
                f'AWS\'s tools find no profile "{words[1]}" here',
                (f"[{words[1]}]",),
            )
        elif len(words) == 2 and words[0] in _KINDS:
            yield Finding(
                "misplaced-section",
                "error",
                f"[{part.header}] belongs in the config file",
                part.where,
                f'AWS\'s tools take it for a profile called "{part.header}"',
                (f"move the section to {facts.config_path}",),
            )


def rival_sections(facts: Examined) -> Iterable[Finding]:
    """Two sections of one file that define the same profile by different headers: the later one counts, whole."""
    seen: dict[str, Part] = {}
    for part in facts.documents[0].parts:
        name = sections.profile_name(part.header)
        if name is None:
            continue
        first = seen.get(name)
        if first is not None and first.header != part.header:
            yield Finding(
                "rival-sections",
                "warning",
                f"[{first.header}] on line {first.where.line} and [{part.header}] define the same profile",
                part.where,
                "AWS's tools take this one, and nothing of the first",
                ("put the settings of both into one section",),
            )
        seen[name] = part


def lent_settings(facts: Examined) -> Iterable[Finding]:
    """[DEFAULT] in capitals: RawConfigParser lends its settings to every section of the file."""
    for document in facts.documents:
        for part in document.parts:
            if part.header == sections.DEFAULTS and part.settings:
                yield Finding(
                    "capital-default",
                    "warning",
                    "[DEFAULT] in capitals is no profile",
                    part.where,
                    f"AWS CLI and boto3 give {_listed([setting.key for setting in part.settings])} "
                    "to every section of this file; other SDKs don't",
                    ("[default]",),
                )


def headers_read_otherwise(facts: Examined) -> Iterable[Finding]:
    """Headers by which only awsenv finds the profile: AWS's tools read one up to the line's last bracket."""
    for name, profile in facts.profiles.items():
        if profile.ours_alone and not profile.problems:
            for note in facts.config.notes_for(name):
                if note.where is not None:
                    part = facts.part_at(note.where)
                    write = (f"[{part.header}]",) if part is not None else ()
                    yield Finding("header-bracket", "error", f'"{name}" is a profile for awsenv alone', note.where,
                                  note.text, write)  # fmt: skip


def _listed(keys: list[str]) -> str:
    few = list(dict.fromkeys(keys))
    return ", ".join(few[:4]) + (", …" if len(few) > 4 else "")


CHECKS = (damage, ignored_sections, credentials_headers, rival_sections, lent_settings, headers_read_otherwise)
