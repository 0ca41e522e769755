"""A person's accounts and roles → profile names by a template. Pure, and the same whatever order they come in."""

from __future__ import annotations

import hashlib
import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from awsenv.errors import Config, Usage
from awsenv.model import Account

TEMPLATE = "{account_name}-{role}"
FIELDS = ("account_name", "account_id", "role", "session", "email")
_LONGEST = 100  # characters; room for what tells two of the same name apart
_OTHER = re.compile(r"[^A-Za-z0-9_.@+]+")


@dataclass(frozen=True)
class Access:
    """One role in one account: what a portal offers."""

    account: Account
    role: str

    @property
    def key(self) -> tuple[str, str]:
        """(account id, role): what stays when an account is renamed."""
        return self.account.id, self.role


def check_template(template: str) -> None:
    """Raise Usage unless *template* is text with some of FIELDS in braces."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        raise Usage(f"the braces of --names don't match: {template}", hint=f"--names '{TEMPLATE}'") from None
    for _, name, spec, conversion in parts:
        if name is not None and (name not in FIELDS or spec or conversion):
            known = " ".join(f"{{{field}}}" for field in FIELDS)
            raise Usage(f"--names has no {{{name}}}; known are {known}", hint=f"--names '{TEMPLATE}'")
    if not any(name for _, name, _, _ in parts):
        raise Usage("--names without a field would give all profiles one name", hint=f"--names '{TEMPLATE}'")


def plain(text: str) -> str:
    """*text* in the characters that no shell minds, runs of any others as one dash, none at either end; it may be empty.

    Of the accents of Latin letters the letters are left: `Réseau` is Reseau.
    """
    from unicodedata import normalize  # an import alone pays

    bare = "".join(c for c in normalize("NFKD", text) if not "\u0300" <= c <= "\u036f")
    return _OTHER.sub("-", bare)[:_LONGEST].lstrip(".-").rstrip("-")


def name_of(template: str, access: Access, session: str) -> str:
    """The name that the template gives, never empty, nor `default`, which is a profile like no other."""
    values = {
        "account_name": access.account.name,
        "account_id": access.account.id,
        "role": access.role,
        "session": session,
        "email": access.account.email,
    }
    name = plain(template.format_map(values))
    return name if name and name != "default" else plain(f"{access.account.id}-{name or access.role}")


def names_for(
    accesses: Iterable[Access],
    accounts: Iterable[Account],
    template: str,
    session: str,
    kept: Mapping[tuple[str, str], str],
    taken: Set[str],
) -> dict[tuple[str, str], str]:
    """(account id, role) → profile name for every one of *accesses*; those in *kept* keep theirs.

    Where two would have one name, or it is *taken*, all of them get the account id behind it, and where that is not
    enough a hash of account and role. Two of *accounts* of one name count as such whether or not the same role is seen in
    both: so a name depends neither on what else was asked for, nor on the order, nor on who comes later to other names.
    """
    twins = _twins(accounts, template, session)
    wanted = {}
    for access in accesses:
        if access.key not in kept:
            name = name_of(template, access, session)
            longer = (name, f"{name}-{access.account.id}", f"{name}-{access.account.id}-{_hash(*access.key)}")
            wanted[access.key] = longer[1:] if access.account.id in twins else longer
    return {**kept, **_apart(wanted, {*taken, *kept.values()})}


def names_over(
    sources: Mapping[tuple[str, str], str],
    role: str,
    kept: Mapping[tuple[str, str], str],
    taken: Set[str],
) -> dict[tuple[str, str], str]:
    """(account id, role) of a source → the name NAME-ROLE of the switch role profile on top of it."""
    wanted = {}
    for key, source in sources.items():
        if key not in kept:
            name = f"{source}-{plain(role.rpartition('/')[2]) or 'role'}"
            wanted[key] = (name, f"{name}-{key[0]}", f"{name}-{key[0]}-{_hash(*key, role)}")
    return {**kept, **_apart(wanted, {*taken, *kept.values(), *sources.values()})}


def _twins(accounts: Iterable[Account], template: str, session: str) -> set[str]:
    """The ids of accounts that the template does not tell apart."""
    alike: dict[str, list[str]] = {}
    for account in accounts:
        alike.setdefault(name_of(template, Access(account, "role"), session), []).append(account.id)
    return {account for group in alike.values() if len(group) > 1 for account in group}


def _apart(wanted: Mapping[tuple[str, str], tuple[str, ...]], taken: Set[str]) -> dict[tuple[str, str], str]:
    """For each the first of its names that nobody else has: all that share one move on to their next together."""
    chosen = dict.fromkeys(wanted, 0)
    while True:
        names = {key: wanted[key][place] for key, place in chosen.items()}
        counted = Counter(names.values())
        again = [key for key, name in names.items() if counted[name] > 1 or name in taken]
        if not again:
            return names
        for key in again:
            if chosen[key] + 1 == len(wanted[key]):
                raise Config(
                    f'every name for role "{key[1]}" in account {key[0]} is another profile\'s', hint="--names"
                )
            chosen[key] += 1


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:8]


def matches(patterns: Iterable[str], *subjects: str) -> bool:
    """Whether one of the globs fits one of *subjects*, without regard to case; no globs fit all."""
    from fnmatch import fnmatchcase

    globs = [pattern.lower() for pattern in patterns]
    return not globs or any(fnmatchcase(subject.lower(), glob) for subject in subjects for glob in globs)
