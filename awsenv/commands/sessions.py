"""`sessions`: every login that the config knows, how long it lasts, and what hangs on it. No network."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from awsenv import logins
from awsenv.lease import Reading
from awsenv.logins import AnySession, Login, group_of
from awsenv.model import LoginSession, Outcome, Token
from awsenv.ports import Ports, TokenCache, real
from awsenv.store import FileStore, Store, open_store
from awsenv.text import ago, left, show
from awsenv.world import World


@dataclass(frozen=True)
class Row:
    """One login. Times are epoch seconds. *state* is `none`, `live`, `renewable` (its token has ended) or `ended`."""

    session: str | None
    start_url: str
    region: str
    state: str
    token_expires_at: int | None
    renews: bool
    renews_until: int | None
    profiles: int
    role_sessions: int
    role_sessions_expire_at: int | None
    login: str
    login_session: str | None = None


def run(world: World, as_json: bool) -> Outcome:
    """Three lines a login for people, JSON for programs."""
    reading = Reading.of(world)
    store, _ = open_store(world.store_root)
    ports = real(world, store)
    found, wrong = logins.every(world, reading)
    rows = [_row(login, ports, store) for login in found]
    notes = tuple(line for error in wrong for line in error.lines(world.home))
    if as_json:
        return Outcome(json.dumps([asdict(row) for row in rows], indent=2) + "\n", notes)
    if not rows:
        return Outcome(notes=(*notes, "no sso-session and no Identity Center profile yet", "  hint: awsenv sso add"))
    now = ports.now()
    blocks = ((_titled(row), _login(row, now), _hangs(row, now)) for row in rows)
    return Outcome("".join(f"{show(first)}\n  {login}\n  {hangs}\n" for first, login, hangs in blocks), notes)


def _titled(row: Row) -> str:
    if row.login_session is not None:
        return f"{row.login_session}   aws login" + (f"   {row.region}" if row.region else "")
    return f"{row.session or '(legacy)'}   {row.start_url}   {row.region}"


def _row(login: Login, ports: Ports, store: Store) -> Row:
    session = login.session
    if isinstance(session, LoginSession):
        kept = ports.logins.load(session.key)
        region = (kept.region if kept is not None else None) or session.region or ""
        row = _state(session, login.profiles, ports, store)
        return replace(row, region=region, login_session=session.arn)
    token = ports.tokens.load(session.key)
    row = _state(session, login.profiles, ports, store)
    registered = token.registration_expires_at if token is not None else None
    until = int(registered) if row.renews and registered is not None else None
    return replace(row, session=session.name, start_url=session.start_url, region=session.region, renews_until=until)


def _state(session: AnySession, profiles: tuple[str, ...], ports: Ports, store: Store) -> Row:
    """The row of a login, but for what only one kind of them has."""
    now = ports.now()
    held = store.of_login(group_of(session)) if isinstance(store, FileStore) else {}
    ends = [c.expires_at for c in held.values() if c.expires_at is not None and c.expires_at > now]
    cache: TokenCache[Any] = session.cache(ports)
    token: Token | None = cache.load(session.key)
    is_over = token is not None and cache.is_void(token)
    renews = token is not None and token.is_refreshable(now) and not is_over and not cache.is_dead(token)
    if token is None:
        state = "none"
    elif token.expires_at > now and not is_over:
        state = "live"
    else:
        state = "renewable" if renews else "ended"
    return Row(
        session=None,
        start_url="",
        region="",
        state=state,
        token_expires_at=int(token.expires_at) if token is not None else None,
        renews=renews,
        renews_until=None,
        profiles=len(profiles),
        role_sessions=len(ends),
        role_sessions_expire_at=int(max(ends)) if ends else None,
        login=session.login_command(profiles[0] if profiles else None),
    )


def _login(row: Row, now: float) -> str:
    """AWS tells nobody when it ends a session; what it does tell is the token's end and the client's."""
    if row.state == "none":
        return f"not logged in: {row.login}"
    assert row.token_expires_at is not None, "there is a token"
    if row.state == "ended":
        since = now - row.token_expires_at
        return f"ended {f'{ago(since)} ago' if since > 0 else 'by AWS before its time'}: {row.login}"
    days = f" (in {int((row.renews_until - now) // 86400)} days at the latest)" if row.renews_until is not None else ""
    until = f"renewed until AWS ends the session{days}"
    if row.state == "renewable":
        return f"token ended {ago(now - row.token_expires_at)} ago; at the next use it is {until}"
    token = f"token {left(row.token_expires_at - now)}"
    return f"{token}, {until}" if row.renews else f"{token}, then: {row.login}"


def _hangs(row: Row, now: float) -> str:
    profiles = f"{row.profiles} profile{'' if row.profiles == 1 else 's'}"
    if not row.role_sessions or row.role_sessions_expire_at is None:
        return profiles
    what = "role session" if row.login_session is None else "session"  # `aws login`'s own is none of a role's
    counted = f"{row.role_sessions} {what}{'' if row.role_sessions == 1 else 's'}"
    return f"{profiles}, {counted} ({left(row.role_sessions_expire_at - now)})"
