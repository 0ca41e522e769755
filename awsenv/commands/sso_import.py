"""`sso import`: every account and role of a person's portal as profiles, in a marked block of the AWS config file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from awsenv import config_writer, logins, naming, renewal
from awsenv.config import AwsConfig
from awsenv.console import partition_of
from awsenv.errors import Config, Interrupted, Unreachable, Usage
from awsenv.files import read
from awsenv.imported import Held, Row, Wish, rows_for
from awsenv.lease import Reading
from awsenv.model import Outcome, SsoSession
from awsenv.offer import token_with_login
from awsenv.portal import Memo, Offer, Pace, Portal
from awsenv.ports import Asker, real
from awsenv.proposal import Face, Proposal, require_possible
from awsenv.render.progress import bar
from awsenv.store import open_store
from awsenv.text import show, word
from awsenv.world import World

_ROLE = re.compile(r"(?:[A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]{1,64}")  # IAM's RoleName, with a path before it


@dataclass(frozen=True)
class Request:
    """The command line. *session* None: the only one there is."""

    session: str | None = None
    names: str | None = None
    region: str | None = None
    over: str | None = None
    accounts: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    prune: bool = False
    yes: bool = False
    dry_run: bool = False
    as_json: bool = False

    @property
    def writes(self) -> bool:
        """Whether anything may be written in the end."""
        return not self.dry_run and (self.yes or not self.as_json)


def run(world: World, request: Request, face: Face) -> Outcome:
    """Enumerate, show the difference, ask, write it once."""
    wish = _wish(request)
    reading = Reading.of(world)
    store, remark = open_store(world.store_root)
    ports = real(world, store)
    session = _session(world, reading, request.session)
    wish = replace(wish, session=str(session.name))
    file = config_writer.read(world.config_path)
    block = config_writer.find_block(file.text, wish.session, file.path)
    held = Held.of(config_writer.sections_in(file.text, block), wish.session, file.path)
    if request.writes:
        hint = f"awsenv sso import {word(wish.session)} --yes   (or --dry-run, --json)"
        require_possible(file, ports.asker, request.yes, hint)
    token = token_with_login(session, world.env, ports, reading.settings)
    memo = Memo(store, session, ports.tokens.login_id(token), ports.now())
    portal = Portal(ports.aws, session, token, lambda seen: renewal.renew(session, seen, ports), Pace(), memo)
    offer = _offer(portal, wish, face)
    memo.forget()  # it served a run that was stopped; a later one has to see what has come since
    _require_any(offer, wish)
    if wish.over is not None:
        wish = replace(wish, partition=partition_of(None, session.region, ports.aws.regions()))
    theirs = config_writer.outside(file.text, block).encode("utf-8", "surrogateescape")
    others = AwsConfig(theirs, read(world.credentials_path), file.path, world.credentials_path)
    rows = rows_for(wish, held, offer, frozenset(others.names()))
    made = [row.section for row in rows if row.state != "removed"]
    after = config_writer.with_block(file.text, wish.session, made, file.path)
    notes = (*((f"awsenv: {remark}",) if remark else ()), *_notes(request, wish, offer, rows, others))
    return _settled(request, face, Proposal(file, after, world.home), rows, notes, ports.asker)


def _require_any(offer: Offer, wish: Wish) -> None:
    """Raise Config where the globs leave nothing of what the portal offers: that is a mistyped one, not a change."""
    accounts = [account for account in offer.accounts if wish.wants_account(account)]
    if not (wish.accounts or wish.roles) or not offer.accounts:
        return
    if not accounts:
        names = [f"{show(account.name, 40)} ({account.id})" for account in offer.accounts]
        what = f"no account is called {' or '.join(show(glob) for glob in wish.accounts)}"
        raise Config(what, None, f"there are: {', '.join(names[:9])}{', …' if len(names) > 9 else ''}")
    roles = sorted({role for account in accounts for role in offer.roles.get(account.id, ())})
    if roles and wish.roles and not any(naming.matches(list(wish.roles), role) for role in roles):
        what = f"no role is called {' or '.join(show(glob) for glob in wish.roles)}"
        raise Config(what, None, f"there are: {', '.join(show(role, 40) for role in roles[:9])}")


def _settled(
    request: Request, face: Face, proposal: Proposal, rows: Sequence[Row], notes: tuple[str, ...], asker: Asker
) -> Outcome:
    """What becomes of it: shown, asked about, written."""
    place = proposal.place
    if request.as_json:
        if request.writes:
            proposal.write()
        document = json.dumps([row.document() for row in rows], indent=2)
        return Outcome(f"{document}\n", notes)
    if proposal.is_nothing:
        return Outcome(notes=(*notes, f"awsenv: {place} has all of that already: {_counted(len(rows), 'profile')}"))
    if request.dry_run or request.yes:
        if request.writes:
            proposal.write()
        said = (f"{_said(rows, 'would be ' if request.dry_run else '')} in {place}", *(_next(rows) * request.writes))
        return Outcome(proposal.printed(face, said), notes)
    about = (*(show(note, 500) for note in notes), f"{_said(rows, 'will be ')} in {place}. Write this?")
    if not proposal.is_agreed(asker, face, about, "; --dry-run shows them all"):
        return Outcome(notes=("awsenv: nothing is changed",))
    return Outcome(notes=(f"awsenv: {_said(rows, '')}", *_next(rows)))


# ---- What was asked for ---------------------------------------------------------------------------------------------


def _wish(request: Request) -> Wish:
    template = request.names if request.names is not None else naming.TEMPLATE
    naming.check_template(template)
    if request.over is not None and not _ROLE.fullmatch(request.over):
        raise Usage(f"--role-over takes the name of a role: {request.over}", hint="--role-over ReadOnly")
    return Wish(
        "", template, request.region, request.over, "aws", request.accounts, request.roles, request.prune
    )  # fmt: skip


def _session(world: World, reading: Reading, name: str | None) -> SsoSession:
    """The sso-session of that name, else the only one; raises Config where no profile could name it."""
    found = logins.section_name(reading, name, "awsenv sso import")
    if not config_writer.is_plain_value(found):
        raise Config(f'no profile can name the sso-session "{show(found)}"', None, "give it a plainer name")
    return logins.of_section(world, reading, found)


def _offer(portal: Portal, wish: Wish, face: Face) -> Offer:
    at = (0, 0)

    def note(done: int, total: int) -> None:
        nonlocal at
        at = (done, total)
        draw(done, total)

    kept = "what was found is kept for an hour: the same command goes on from there"
    try:
        with bar(f"accounts of {show(wish.session, 40)}", face.bar, face.colour_asked) as draw:
            return portal.offer(wish.wants_account, note)
    except KeyboardInterrupt:
        raise Interrupted(f"stopped after {at[0]} of {at[1]} accounts; nothing changed", hint=kept) from None
    except Unreachable as error:
        if at[0]:
            error.hint = f"{error.hint}\n{kept}" if error.hint else kept
        raise


# ---- What is said ---------------------------------------------------------------------------------------------------


def _notes(request: Request, wish: Wish, offer: Offer, rows: Sequence[Row], others: AwsConfig) -> list[str]:
    """What a person should know, a line each."""
    notes = []
    if offer.resumed:
        notes.append(f"went on from a run that was stopped: {_counted(offer.resumed, 'account')} were known already")
    notes += offer.skipped[:10]
    if len(offer.skipped) > 10:
        notes.append(f"left out: {len(offer.skipped) - 10} more of these")
    for account in sorted(offer.unknown)[:10]:
        notes.append(f"AWS would not say which roles there are in {account}; its profiles stay as they are")
    gone = [row.name for row in rows if row.state == "gone"]
    if gone:
        notes.append(
            f"{_counted(len(gone), 'profile')} kept that {wish.session} offers no more ({_few(gone)}); --prune removes them"
        )
    removed = {row.name for row in rows if row.state == "removed"}
    orphans = [name for name in others.names() if _source(others, name) in removed] if removed else []
    if orphans:
        notes.append(f"{_few(orphans)} in your own part of the file starts from a profile that is removed")
    if wish.region is None and any(row.state == "added" and row.over is None for row in rows):
        notes.append("the new profiles have no region, so yours stays in force; --region R gives them one")
    if request.names is not None and any(_has_another_name(row, wish, offer) for row in rows):
        notes.append("profiles that are there already keep their names, whatever --names says")
    return [f"awsenv: {note}" for note in notes]


def _source(config: AwsConfig, name: str) -> str | None:
    setting = config.profile(name).get("source_profile")
    return setting.value if setting is not None else None


def _has_another_name(row: Row, wish: Wish, offer: Offer) -> bool:
    account = next((account for account in offer.accounts if account.id == row.account), None)
    if row.over is not None or row.state not in ("kept", "changed") or account is None:
        return False
    return not row.name.startswith(naming.name_of(wish.template, naming.Access(account, row.role), wish.session))


def _said(rows: Sequence[Row], tense: str) -> str:
    counts = [(state, sum(row.state == state for row in rows)) for state in ("added", "changed", "removed")]
    parts = [f"{_counted(count, 'profile')} {tense}{state}" for state, count in counts if count]
    return ", ".join(parts) or f"the block {tense}written anew"


def _next(rows: Sequence[Row]) -> tuple[str, ...]:
    first = next((row.name for row in rows if row.state == "added"), None)
    return (f"next: awsenv use {word(first)}",) if first is not None else ()


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(show(name, 60) for name in names[:3]) + (", …" if len(names) > 3 else "")
