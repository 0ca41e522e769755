"""`login`: a person logs in to Identity Center; awsenv, the AWS CLI and the SDKs all have it from then on."""

from __future__ import annotations

from awsenv import logins
from awsenv.errors import LoginNeeded
from awsenv.lease import Reading
from awsenv.login import log_in
from awsenv.model import Outcome, SsoToken
from awsenv.offer import manner_for
from awsenv.ports import real
from awsenv.renewal import live_token
from awsenv.store import open_store
from awsenv.text import left
from awsenv.world import World


def run(world: World, name: str | None, device: bool, may_open: bool, fresh: bool) -> Outcome:
    """Log in where that takes a person; a login that is still good, or can be renewed, is left as it is unless *fresh*."""
    reading = Reading.of(world)
    session = logins.named(world, reading, name)
    store, trouble = open_store(world.store_root)
    ports = real(world, store)
    notes = (f"awsenv: {trouble}",) if trouble else ()
    seen = ports.tokens.load(session.key)
    if not fresh:
        try:
            token = live_token(session, ports)
        except LoginNeeded as error:
            seen = error.seen
        else:
            again = f"{session.login_command(name)} --fresh"
            said = f"already logged in to {session.title()}: {_lasts(token, ports.now())}   (anew: {again})"
            return Outcome(notes=(*notes, said))
    token = log_in(session, ports, manner_for(session, reading.settings, device, may_open), seen)
    return Outcome(notes=(*notes, f"logged in to {session.title()}: {_lasts(token, ports.now())}"))


def _lasts(token: SsoToken, now: float) -> str:
    if token.is_refreshable(now):
        return "renewed by itself until AWS ends the session"
    return f"for {left(token.expires_at - now)}, without renewal"
