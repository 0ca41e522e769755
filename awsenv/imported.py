"""What a session's block holds and what its portal offers → what the block is to hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from awsenv import naming
from awsenv.config import meant
from awsenv.config_writer import Section, header_of
from awsenv.errors import Config
from awsenv.model import Account, Where
from awsenv.naming import Access
from awsenv.portal import Offer

Key = tuple[str, str]  # account id, role
State = Literal["added", "changed", "kept", "gone", "removed"]  # gone: no longer offered, and kept all the same
_SSO_KEYS = ("sso_session", "sso_account_id", "sso_role_name")
_OVER_KEYS = ("role_arn", "source_profile")
_K = TypeVar("_K", bound=tuple[str, ...])


@dataclass(frozen=True)
class Wish:
    """What was asked for. *over* is the role to switch to through each, *partition* that of its ARNs."""

    session: str
    template: str = naming.TEMPLATE
    region: str | None = None
    over: str | None = None
    partition: str = "aws"
    accounts: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    prune: bool = False

    def wants_account(self, account: Account) -> bool:
        """Whether the account is within the filters."""
        return naming.matches(self.accounts, account.id, account.name)

    def wants_role(self, role: str) -> bool:
        """Whether the role is within the filters."""
        return naming.matches(self.roles, role)

    def arn(self, account: str) -> str:
        """The role to switch to in *account*."""
        return f"arn:{self.partition}:iam::{account}:role/{self.over}"


@dataclass(frozen=True)
class Held:
    """The block as it stands: profile sections by what they are for. *over* has the role's ARN as a third part."""

    sso: Mapping[Key, Section]
    over: Mapping[tuple[str, str, str], Section]

    @classmethod
    def of(cls, found: Sequence[Section], session: str, path: str) -> Held:
        """Raises Config at the first section that `sso import` did not write, or that can't be read."""
        sso: dict[Key, Section] = {}
        over: dict[tuple[str, str, str], Section] = {}
        by_name: dict[str, Key] = {}
        rest = []
        for section in found:
            if section.damage:
                raise Config(section.damage[0][1], Where(path, section.damage[0][0]), "mend that line")
            values = {key: meant(value) for key, value in section.settings}
            if section.profile and all(values.get(key) for key in _SSO_KEYS) and values["sso_session"] == session:
                key = (values["sso_account_id"], values["sso_role_name"])
                _enter(sso, key, section, path)
                by_name[section.profile] = key
            else:
                rest.append((section, values))
        for section, values in rest:
            source = by_name.get(values.get("source_profile", ""))
            if not section.profile or source is None or not values.get("role_arn"):
                what = f"[{section.header}] stands between the marks of `awsenv sso import {session}` and is not from there"
                raise Config(what, Where(path, section.line), "move it out, below the last mark")
            _enter(over, (*source, values["role_arn"]), section, path)
        return cls(sso, over)

    def names(self) -> set[str]:
        """Every profile in it."""
        return {str(section.profile) for section in (*self.sso.values(), *self.over.values())}


def _enter(held: dict[_K, Section], key: _K, section: Section, path: str) -> None:
    if key in held:
        what = f"[{section.header}] is for the same account and role as [{held[key].header}]"
        raise Config(what, Where(path, section.line), "remove one of the two")
    held[key] = section


@dataclass(frozen=True)
class Row:
    """One profile and what becomes of it. *over* is the ARN that it switches to, *source* the profile it starts from."""

    name: str
    state: State
    account: str
    account_name: str
    role: str
    section: Section
    over: str | None = None
    source: str | None = None

    def document(self) -> dict[str, str | None]:
        """For programs."""
        values = dict(self.section.settings)
        return {
            "profile": self.name,
            "state": self.state,
            "account_id": self.account,
            "account_name": self.account_name or None,
            "role": self.role,
            "region": values.get("region"),
            "source_profile": self.source,
            "role_arn": self.over,
        }


def rows_for(wish: Wish, held: Held, offer: Offer, taken: frozenset[str]) -> list[Row]:
    """Every profile of the block as it will be, and those that go, by name. *taken*: the names of all other profiles."""
    accounts = {account.id: account for account in offer.accounts}
    seen = [
        Access(accounts[account], role)
        for account, roles in offer.roles.items()
        for role in roles
        if wish.wants_role(role)
    ]
    kept_names = {key: str(section.profile) for key, section in held.sso.items()}
    reserved = taken | held.names()
    names = naming.names_for(seen, offer.accounts, wish.template, wish.session, kept_names, reserved)
    offered = {access.key for access in seen}
    rows, gone = [], set()
    for key, name in names.items():
        old = held.sso.get(key)
        state: State = "kept"
        if key not in offered and _is_gone(key, wish, offer, accounts):
            state = "removed" if wish.prune else "gone"
            gone.add(key)
        fixed = {"sso_session": wish.session, "sso_account_id": key[0], "sso_role_name": key[1]}
        rows.append(_row(name, state, key, accounts, old, fixed, wish.region if key in offered else None))
    return sorted([*rows, *_rows_over(wish, held, names, offered, gone, accounts, reserved)], key=_order)


def _rows_over(
    wish: Wish,
    held: Held,
    names: Mapping[Key, str],
    offered: set[Key],
    gone: set[Key],
    accounts: Mapping[str, Account],
    reserved: frozenset[str] | set[str],
) -> list[Row]:
    """The switch role profiles: those that are there, as long as what they start from stays, and those asked for."""
    over = {key: str(section.profile) for key, section in held.over.items()}
    if wish.over is not None:
        same = {key: over[*key, wish.arn(key[0])] for key in offered if (*key, wish.arn(key[0])) in over}
        sources = {key: names[key] for key in sorted(offered)}
        for key, name in naming.names_over(sources, wish.over, same, {*reserved, *names.values()}).items():
            over[*key, wish.arn(key[0])] = name
    rows = []
    for (account, role, arn), name in over.items():
        key = (account, role)
        fixed = {"role_arn": arn, "source_profile": names[key]}
        state: State = "kept" if key not in gone else "removed" if wish.prune else "gone"
        asked = wish.over is not None and key in offered and arn == wish.arn(account)
        region = wish.region if asked else None
        rows.append(_row(name, state, key, accounts, held.over.get((*key, arn)), fixed, region, arn))
    return rows


def _row(
    name: str,
    state: State,
    key: Key,
    accounts: Mapping[str, Account],
    old: Section | None,
    fixed: Mapping[str, str],
    region: str | None,
    arn: str | None = None,
) -> Row:
    """What a person added to the profile stays, behind what it is made of."""
    values = {**fixed, **({"region": region} if region else {})}
    managed = _OVER_KEYS if arn else _SSO_KEYS
    for setting, value in old.settings if old else ():
        if setting not in managed:
            values.setdefault(setting, value)
    section = Section(old.header if old else header_of("profile", name), tuple(values.items()))
    if state == "kept" and old != section:
        state = "changed" if old else "added"
    known = accounts.get(key[0])
    return Row(name, state, key[0], known.name if known else "", key[1], section, arn, fixed.get("source_profile"))


def _is_gone(key: Key, wish: Wish, offer: Offer, accounts: Mapping[str, Account]) -> bool:
    """Whether the portal offers it no more, as far as was asked: what the filters leave out is not known to be gone."""
    account, role = key
    if not wish.wants_role(role):
        return False
    if account in accounts:
        return account in offer.roles  # neither one that was not asked for nor one that AWS would not tell about
    return naming.matches(wish.accounts, account)


def _order(row: Row) -> tuple[str, str, str]:
    source = row.source or row.name
    return source.lower(), source, row.name if row.source else ""
