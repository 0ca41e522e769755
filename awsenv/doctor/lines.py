"""Checks of single lines, by what AWS's tools make of the text: comments behind values, keys that are nearly right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from awsenv import sections
from awsenv.config import meant, takes_comment
from awsenv.doctor.document import Document, Part, Written
from awsenv.doctor.examination import Examined
from awsenv.doctor.finding import Edit, Finding
from awsenv.doctor.vocabulary import AUTHENTICATING, KNOWN, meant_as
from awsenv.model import Where
from awsenv.render.diff import presentable

_NESTING = frozenset(("s3", "s3api", "dynamodb", "api_versions"))  # keys with settings of their own under them


def settings_of(facts: Examined) -> Iterator[tuple[Document, Part, Written]]:
    """Every setting of every section that AWS's tools read settings from."""
    for document in facts.documents:
        for part in document.parts:
            if part.header.startswith("services") and document.is_config:
                continue
            for setting in part.settings:
                yield document, part, setting


def comments(facts: Examined) -> Iterable[Finding]:
    """awsenv reads the value that was meant (config.takes_comment); botocore and the AWS CLI know no such comments."""
    for document, _, setting in settings_of(facts):
        value = setting.value.split("\n")[0]
        if not takes_comment(setting.key) or meant(value) == value or _is_a_name(facts, setting):
            continue
        said = f"the comment behind {setting.key} is on the same line"
        means = "AWS CLI and boto3 take it as part of the value; awsenv and other SDKs don't"
        line = document.line(setting.where.line)
        bare = f"{setting.key} = {meant(value)}"
        yield Finding("comment-in-value", "error", said, setting.where, means, (_comment(value), bare),
                      _uncommented(setting, line, value))  # fmt: skip


def _is_a_name(facts: Examined, setting: Written) -> bool:
    if setting.key == "source_profile":
        return facts.config.has(setting.value)
    return setting.key == "sso_session" and facts.config.section("sso-session", setting.value) is not None


def _comment(value: str) -> str:
    return value[len(meant(value)) :].strip()


def _uncommented(setting: Written, line: str, value: str) -> tuple[Edit, ...]:
    """The comment goes to a line of its own above: nothing is lost."""
    head, found, _ = line.rstrip().rpartition(value)
    if not found or "\n" in setting.value or not meant(value):
        return ()
    indent = line[: len(line) - len(line.lstrip())]
    return (Edit(setting.where, line.rstrip(), f"{indent}{_comment(value)}\n{head}{meant(value)}"),)


def mistyped_keys(facts: Examined) -> Iterable[Finding]:
    """A key that AWS's tools don't know and that is nearly one that they do."""
    known: dict[str, str | None] = {}
    for _, part, setting in settings_of(facts):
        if setting.key not in known:
            known[setting.key] = meant_as(setting.key)
        right = known[setting.key]
        if right is None:
            continue
        line = setting.value.split("\n")[0]
        also = f" ({right} is set on line {other.where.line})" if (other := part.get(right)) is not None else ""
        yield Finding(
            "mistyped-key",
            "error" if right in AUTHENTICATING or right == "region" else "warning",
            f"there is no setting {setting.key}{also}",
            setting.where,
            "AWS's tools pass over the line without a word",
            () if also else (presentable(f"{right} = {line}"),),
        )


def swallowed_lines(facts: Examined) -> Iterable[Finding]:
    """An indented line continues the value above it, though it looks like a setting."""
    freed: set[tuple[Where, str]] = set()  # (section, key): a second of the same would make AWS's tools refuse the file
    for document, part, setting in settings_of(facts):
        first, *rest = setting.value.split("\n")
        if not first or not rest:
            continue
        for offset, line in enumerate(rest, 1):
            key = line.partition("=")[0].partition(":")[0].strip().lower()
            if key not in KNOWN:
                continue
            number = _line_of(document, setting.where.line, line, offset)
            where = Where(document.path, number)
            old = document.line(number).rstrip()
            harmless = key in ("region", "output") or key.startswith("cli_")
            safe = harmless and rest[-1] == line and part.get(key) is None and (part.where, key) not in freed
            if safe:
                freed.add((part.where, key))
            yield Finding(
                "indented-line",
                "error",
                f"this line is indented, and so it belongs to the value of {setting.key} above it",
                where,
                f"AWS CLI and boto3 read no {key} here, and a {setting.key} of several lines",
                (f"{presentable(old.strip())}   (without the blanks before it)",),
                (Edit(where, old, old.strip()),) if safe else (),
            )
            break


def _line_of(document: Document, start: int, text: str, offset: int) -> int:
    for number in range(start + offset, min(start + offset + 200, len(document.lines)) + 1):
        if document.line(number).strip() == text:
            return number
    return start + offset


def empty_values(facts: Examined) -> Iterable[Finding]:
    """An empty value is a value to AWS's tools, and not a setting that is left out."""
    for _, part, setting in settings_of(facts):
        if setting.value or setting.key not in KNOWN or setting.key in _NESTING or setting.key in _MAY_BE_EMPTY:
            continue
        if part.header == sections.DEFAULTS:
            continue
        yield Finding(
            "empty-value",
            "warning",
            f"{setting.key} is empty",
            setting.where,
            "AWS CLI and boto3 take the empty text for its value, and don't treat it as left out",
            (f"{setting.key} = VALUE, or remove the line",),
        )


_MAY_BE_EMPTY = frozenset(("aws_session_token", "aws_security_token", "cli_pager", "mfa_serial", "external_id"))

CHECKS = (comments, mistyped_keys, swallowed_lines, empty_values)
