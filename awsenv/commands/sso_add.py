"""`sso add`: a login and first profiles of it in the AWS config file, by a short conversation that options can answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from awsenv import config_writer, logins, naming, renewal, start_url
from awsenv.answers import (
    Talk,
    free_name,
    name_fault,
    new_name_fault,
    region_fault,
    region_in,
    region_or_none,
    scopes_fault,
    url_fault,
)
from awsenv.browser import is_openable
from awsenv.config import AwsConfig
from awsenv.config_writer import ConfigFile, Section, header_of, is_plain_value
from awsenv.endpoints import endpoint_of, host_of, is_loopback
from awsenv.errors import AwsenvError, Config, Interrupted, LoginNeeded, Usage
from awsenv.lease import Reading
from awsenv.login import log_in
from awsenv.model import ACCOUNT_SCOPE, Account, Outcome, Profile, SsoSession, SsoToken
from awsenv.naming import Access
from awsenv.offer import manner_for
from awsenv.portal import Memo, Offer, Pace, Portal
from awsenv.ports import Asker, Ports, real
from awsenv.proposal import Face, Proposal
from awsenv.render.progress import bar
from awsenv.store import NoStore, open_store
from awsenv.text import nearest, show, word
from awsenv.world import World

_MANY = 60  # accounts whose roles are all asked for at once: at AWS's pace, four seconds
_SAME_URL = re.compile(r"[#?].*$|/+$")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Request:
    """The command line: an answer for each question, None where it is to be asked."""

    session: str | None = None
    start_url: str | None = None
    region: str | None = None
    scopes: str | None = None
    account: str | None = None
    role: str | None = None
    profile: str | None = None
    profile_region: str | None = None
    yes: bool = False
    device: bool = False
    may_open: bool = True


def run(world: World, request: Request, face: Face) -> Outcome:
    """Ask, log in, let choose, show the difference, ask, write it once."""
    reading = Reading.of(world)
    store, remark = open_store(world.store_root)
    ports = real(world, store)
    file = config_writer.read(world.config_path)
    config_writer.require_writable(file)
    _require_answers(request, reading.config, ports.asker)
    talk = Talk(ports.asker, request.yes)
    session = _session(world, reading, request, ports, talk)
    token, is_made_for_this = _token(session, request, reading, ports)
    outcome = _NOTHING
    try:
        outcome = _written(world, request, face, file, session, token, reading, ports, talk)
    finally:
        if outcome is _NOTHING and is_made_for_this and session.where is None:
            _end(session, token, ports)  # no file names it: nobody could find it any more to log out of
    return Outcome(outcome.stdout, (*((f"awsenv: {remark}",) if remark else ()), *outcome.notes))


_NOTHING = Outcome(notes=("awsenv: nothing is changed",))


def _written(
    world: World,
    request: Request,
    face: Face,
    file: ConfigFile,
    session: SsoSession,
    token: SsoToken,
    reading: Reading,
    ports: Ports,
    talk: Talk,
) -> Outcome:
    """What is wanted of the login, in the file; _NOTHING where the person said no."""
    offer, chosen = _chosen(request, session, token, reading, ports, face)
    known = _profiles_of(session, reading.config)
    if request.yes or (request.account is not None and request.role is not None):  # nobody chose it from the list
        there = [known[access.key] for access in chosen if access.key in known]
        chosen = [access for access in chosen if access.key not in known]
        if not chosen:
            listed = ", ".join(show(name) for name in there[:5])
            return Outcome(notes=(f"awsenv: that is there already: {listed}", f"next: awsenv use {word(there[0])}"))
    names = _names(request, session, offer, chosen, reading.config, talk)
    given = "" if request.yes and request.profile_region is None else request.profile_region
    question = "region of the profile, such as eu-west-1 (empty: none)"
    region = talk.answer("--profile-region", given, question, None, region_or_none(ports.aws))
    made = [*_session_section(session), *(_profile_section(session, access, names, region) for access in chosen)]
    after = config_writer.with_sections(file.text, made, file.path)
    following = f"next: awsenv use {word(names[chosen[0].key])}"
    return _settled(request, face, Proposal(file, after, world.home), following, ports)


def _end(session: SsoSession, token: SsoToken, ports: Ports) -> None:
    """Log out again. Where AWS can't be told, what lies here goes all the same, and the session ends by itself."""
    with suppress(AwsenvError):
        ports.aws.sign_out(token.access_token, session)
    with suppress(AwsenvError):
        ports.tokens.drop(session.key)
        ports.tokens.drop_registration(session)


def _settled(request: Request, face: Face, proposal: Proposal, following: str, ports: Ports) -> Outcome:
    """Shown, asked about, written; _NOTHING where the person said no. *following* is the last line."""
    place = proposal.place
    if request.yes:
        proposal.write()
        return Outcome(proposal.printed(face, (f"written to {place}", following)))
    if not proposal.is_agreed(ports.asker, face, ("Write this?",)):
        return _NOTHING
    return Outcome(notes=(f"awsenv: written to {place}", following))


def _require_answers(request: Request, config: AwsConfig, asker: Asker) -> None:
    """Where nobody can be asked: raise Usage with the options that are missing."""
    if asker.is_present():
        return
    known = config.section_names("sso-session")
    if request.session is not None:
        is_known = request.session in known
    elif request.start_url is not None:
        is_known = any(_url_of(config, each) == request.start_url for each in known)
    else:
        is_known = len(known) == 1
    needed = [("--account A", request.account), ("--role R", request.role)]
    if not is_known and request.session is None and len(known) > 1 and request.start_url is None:
        needed.append(("--session NAME", None))
    elif not is_known:
        needed += [("--start-url URL", request.start_url), ("--region R", request.region)]
    missing = [*(option for option, given in needed if not given), *(() if request.yes else ("--yes",))]
    if missing:
        raise Usage(
            f"there is no terminal to ask on; still to be said: {', '.join(missing)}", hint="awsenv sso add --help"
        )


# ---- The login ------------------------------------------------------------------------------------------------------


def _session(world: World, reading: Reading, request: Request, ports: Ports, talk: Talk) -> SsoSession:
    """The sso-session that was named, as it stands in the file or as it will."""
    known = reading.config.section_names("sso-session")
    name = request.session
    if name is None and request.start_url is not None:
        name = next((each for each in known if _url_of(reading.config, each) == request.start_url), None)
    elif name is None and known:
        listed = ", ".join(show(each, 40) for each in known[:5]) + (", …" if len(known) > 5 else "")
        default = known[0] if len(known) == 1 or not request.yes else None
        question = f"sso-session ({listed}, or a new name)"
        name = talk.answer(
            "--session", None, question, default, lambda text: None if text in known else name_fault(text)
        )
    if name is not None and name in known:
        session = logins.of_section(world, reading, name)
        _require_same(request, session)
        if not is_plain_value(name):
            raise Config(f'no profile can name the sso-session "{show(name)}"', session.where, "give it a plainer name")
        return session
    if name is not None and (fault := name_fault(name)):
        raise Usage(fault, hint="--session corp")
    url, region = _portal(world, reading, request, ports, talk)
    if name is None:
        free = free_name(naming.plain(host_of(url).partition(".")[0]) or "sso", known)
        name = talk.answer("--session", None, "name of the sso-session", free, lambda text: new_name_fault(text, known))
    scopes = talk.answer("--scopes", request.scopes, "registration scopes", ACCOUNT_SCOPE, scopes_fault)
    return _made(world, reading, name, url, region, tuple(re.split(r"[\s,]+", scopes)))


def _url_of(config: AwsConfig, session: str) -> str | None:
    section = config.section("sso-session", session)
    setting = section.get("sso_start_url") if section is not None else None
    return setting.value if setting is not None else None


def _made(
    world: World, reading: Reading, name: str | None, url: str, region: str, scopes: tuple[str, ...] | None
) -> SsoSession:
    """A session that no file holds yet. Only such a one is without a place."""
    bare, trust = Profile("", {}, None), reading.settings.allow_endpoint_override
    portal, oidc = (endpoint_of(each, bare, reading.config, world.env, trust) for each in ("sso", "sso_oidc"))
    return SsoSession(name, url, region, scopes, portal, oidc)


def _portal(world: World, reading: Reading, request: Request, ports: Ports, talk: Talk) -> tuple[str, str]:
    """(start URL as it was written, region) that belong together; both are asked for until they do."""
    url, region = request.start_url, request.region
    while True:
        url = talk.answer("--start-url", request.start_url, "start URL of the portal", url, url_fault)
        guess = region or region_in(url)
        region = talk.answer("--region", request.region, "region of the portal", guess, region_fault(ports.aws))
        session = _made(world, reading, None, url, region, None)
        try:
            found = start_url.resolved(session, ports.aws.redirect_of)
        except Config as error:
            reason: str | None = error.what
        else:
            is_local = session.oidc_endpoint is not None and is_loopback(session.oidc_endpoint)
            reason = None if found.region == region else f"the portal of {show(url)} is in {found.region}"
            if reason is None and not (is_local or is_openable(found.start_url, region)):
                reason = f"{show(url)} is no portal of the partition of {region}"
            elif reason is not None:
                region = found.region
        if reason is None:
            return url, region
        if talk.brief or (request.start_url is not None and request.region is not None):
            raise Usage(reason, hint="awsenv sso add --start-url URL --region R")
        talk.asker.say(f"  {reason}")


def _require_same(request: Request, session: SsoSession) -> None:
    """Raise Usage where an option contradicts the section that stands in the file: it is never changed."""
    asked = (
        ("--start-url", request.start_url, session.start_url),
        ("--region", request.region, session.region),
        ("--scopes", request.scopes and ",".join(re.split(r"[\s,]+", request.scopes)), ",".join(session.scopes)),
    )
    for option, given, there in asked:
        if given is not None and _SAME_URL.sub("", given) != _SAME_URL.sub("", there):
            what = f"{session.title()} is there already, with {show(there)} for {option}"
            raise Usage(what, session.where, "--session with another name")


def _token(session: SsoSession, request: Request, reading: Reading, ports: Ports) -> tuple[SsoToken, bool]:
    """The login that is there, else a new one, and whether it is new. One of another portal of this name goes nowhere."""
    seen = ports.tokens.load(session.key)
    if seen is None or session.where is not None or seen.raw.get("startUrl") in (None, session.start_url):
        try:
            return renewal.live_token(session, ports), False
        except LoginNeeded as error:
            seen = error.seen if isinstance(error.seen, SsoToken) else None
    return log_in(session, ports, manner_for(session, reading.settings, request.device, request.may_open), seen), True


# ---- Accounts and roles ---------------------------------------------------------------------------------------------


def _chosen(
    request: Request, session: SsoSession, token: SsoToken, reading: Reading, ports: Ports, face: Face
) -> tuple[Offer, list[Access]]:
    """What the portal offers, and the accounts and roles that are wanted of it."""
    accounts = _asked(session, token, ports, Face(), lambda account: False).accounts  # one request: no bar
    wanted = [a for a in accounts if naming.matches([request.account] if request.account else [], a.id, a.name)]
    _require_some(wanted, "account", request.account, [name for a in accounts for name in (a.name, a.id)])
    is_all_said = request.account is not None and request.role is not None
    if len(wanted) > _MANY and not is_all_said:
        wanted = _taken(sorted(wanted, key=_by_name), lambda a: (a.name, a.id), "accounts", ports.asker)
    ids = {account.id for account in wanted}
    offer = _asked(session, token, ports, face, lambda account: account.id in ids)
    there = [Access(a, role) for a in sorted(wanted, key=_by_name) for role in sorted(offer.roles.get(a.id, ()))]
    accesses = [access for access in there if naming.matches([request.role] if request.role else [], access.role)]
    _require_some(accesses, "role", request.role, sorted({access.role for access in there}))
    for line in offer.skipped[:10]:
        ports.asker.say(f"awsenv: {line}")
    if is_all_said:
        return offer, accesses
    known = _profiles_of(session, reading.config)

    def row(access: Access) -> tuple[str, ...]:
        has = known.get(access.key)
        return access.account.name, access.account.id, access.role, f"is {has}" if has else ""

    return offer, _taken(accesses, row, "accounts and roles", ports.asker)


def _by_name(account: Account) -> tuple[str, str]:
    return account.name.casefold(), account.id


def _taken(things: Sequence[_T], row: Callable[[_T], tuple[str, ...]], prompt: str, asker: Asker) -> list[_T]:
    """Those that the person takes; the only one without asking."""
    try:
        taken = [0] if len(things) == 1 else asker.pick([row(thing) for thing in things], prompt, True)
    except Usage as error:
        error.hint = "--account A --role R say it without a list"
        raise
    for number in taken[:5]:
        asker.say(f"  {'the only one: ' if len(things) == 1 else ''}{'  '.join(row(things[number])).rstrip()}")
    if len(taken) > 5:
        asker.say(f"  and {len(taken) - 5} more")
    return [things[number] for number in taken]


def _asked(session: SsoSession, token: SsoToken, ports: Ports, face: Face, wanted: Callable[[Account], bool]) -> Offer:
    memo = Memo(NoStore(), session, "", ports.now())
    portal = Portal(ports.aws, session, token, lambda seen: renewal.renew(session, seen, ports), Pace(), memo)
    try:
        with bar("accounts", face.bar, face.colour_asked) as draw:
            return portal.offer(wanted, draw)
    except KeyboardInterrupt:
        raise Interrupted("stopped: nothing changed") from None


def _require_some(found: Sequence[object], kind: str, given: str | None, names: Sequence[str]) -> None:
    if found:
        return
    if given is None or not names:
        raise Config(f"this login has no {kind}s; whoever administers the portal can assign some")
    close = nearest(given, list(names))
    hint = (
        "did you mean " + " or ".join(word(each) for each in close) + "?" if close else "awsenv sso add   (and choose)"
    )
    raise Usage(f"this login has no {kind} {show(given)}", hint=hint)


def _profiles_of(session: SsoSession, config: AwsConfig) -> dict[tuple[str, str], str]:
    """(account id, role) → the first profile that is there for it."""
    found: dict[tuple[str, str], str] = {}
    for name in config.names():
        settings = config.profile(name).settings
        values = {
            key: settings[key].value for key in ("sso_session", "sso_account_id", "sso_role_name") if key in settings
        }
        if len(values) == 3 and values["sso_session"] == session.name:
            found.setdefault((values["sso_account_id"], values["sso_role_name"]), name)
    return found


# ---- Profiles -------------------------------------------------------------------------------------------------------


def _names(
    request: Request, session: SsoSession, offer: Offer, chosen: Sequence[Access], config: AwsConfig, talk: Talk
) -> Mapping[tuple[str, str], str]:
    """(account id, role) → profile name: asked for where there is one, by the usual template where there are several."""
    taken = frozenset(config.names())
    names = naming.names_for(chosen, offer.accounts, naming.TEMPLATE, str(session.name), {}, taken)
    if len(chosen) > 1:
        if request.profile is not None:
            raise Usage(
                f"--profile names one profile, and {len(chosen)} were chosen", hint="awsenv sso import --names TEMPLATE"
            )
        return names

    def check(text: str) -> str | None:
        return f"there is a profile {show(text)} already" if config.has(text) else name_fault(text, "profile")

    (key,) = names
    return {key: talk.answer("--profile", request.profile, "name of the profile", names[key], check)}


def _session_section(session: SsoSession) -> list[Section]:
    """The section to write; none where it stands in the file."""
    if session.where is not None:
        return []
    settings = {"sso_start_url": session.start_url, "sso_region": session.region}
    settings["sso_registration_scopes"] = ",".join(session.scopes)
    return [Section(header_of("sso-session", str(session.name)), config_writer.pairs(settings))]


def _profile_section(session: SsoSession, access: Access, names: Mapping[tuple[str, str], str], region: str) -> Section:
    account, role = access.key
    settings = {"sso_session": str(session.name), "sso_account_id": account, "sso_role_name": role}
    if region:
        settings["region"] = region
    return Section(header_of("profile", names[access.key]), config_writer.pairs(settings))
