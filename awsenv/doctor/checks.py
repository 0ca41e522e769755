"""CHECKS: every check, in the order in which findings of one line are shown. A check is pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from awsenv.doctor import (
    ambient,
    chains,
    headers,
    keys_at_rest,
    lines,
    logins,
    machine,
    places,
    plans,
    programs,
    shell,
    values,
)
from awsenv.doctor.examination import Examined
from awsenv.doctor.finding import LEVELS, Finding

Check = Callable[[Examined], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    *headers.CHECKS,
    *lines.CHECKS,
    *values.CHECKS,
    *chains.CHECKS,
    *logins.CHECKS,
    *keys_at_rest.CHECKS,
    *programs.CHECKS,
    *places.CHECKS,
    *ambient.CHECKS,
    *shell.CHECKS,
    *machine.CHECKS,
)


def examine(facts: Examined) -> tuple[Finding, ...]:
    """All findings, each once, by file and line; those of no line come last. Of a profile asked for: what concerns it."""
    found = [finding for check in CHECKS for finding in check(facts)]
    found += plans.unplannable(facts, found)
    if facts.name is not None:
        found = [finding for finding in found if _concerns(finding, facts, facts.places_of(facts.name))]
    order = {facts.config_path: 0, facts.credentials_path: 1}

    def place(finding: Finding) -> tuple[int, str, int, int]:
        where = finding.where
        if where is None:
            return 3, "", 0, LEVELS.index(finding.level)
        return order.get(where.file, 2), where.file, where.line, LEVELS.index(finding.level)

    return tuple(sorted(dict.fromkeys(found), key=place))


_OF_THE_WHOLE_FILE = ("byte-order-mark", "unreadable-line", "duplicate-section", "duplicate-key")


def _concerns(finding: Finding, facts: Examined, places: frozenset[tuple[str, int]]) -> bool:
    if finding.where is None or finding.code in _OF_THE_WHOLE_FILE:
        return True
    part = facts.part_at(finding.where)
    return part is None or (part.where.file, part.where.line) in places
