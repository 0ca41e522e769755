"""`login`: a person logs in, to Identity Center or as `aws login` does; awsenv and AWS's tools have it from then on."""

from __future__ import annotations

from typing import Any

from awsenv import config_writer, logins
from awsenv.config import AwsConfig
from awsenv.errors import LoginNeeded
from awsenv.lease import Reading
from awsenv.login import Manner, log_in
from awsenv.model import Outcome, Session, SsoSession, SsoToken, Token, TokenT
from awsenv.offer import manner_for
from awsenv.ports import Ports, real
from awsenv.renewal import live_token
from awsenv.store import open_store
from awsenv.text import left, show
from awsenv.world import World


def run(world: World, name: str | None, device: bool, may_open: bool, fresh: bool) -> Outcome:
    """Log in where that takes a person; a login that is still good, or can be renewed, is left as it is unless *fresh*."""
    reading = Reading.of(world)
    session = logins.named(world, reading, name)
    store, trouble = open_store(world.store_root)
    ports = real(world, store, logins.network(world, reading, name))
    if trouble:  # before any tab opens: without the store's locks, others may open theirs
        ports.asker.say(f"awsenv: {trouble}")
    manner = manner_for(session, reading.settings, device, may_open)
    if not isinstance(session, SsoSession):
        return Outcome(notes=_logged_in(session, name, ports, manner, fresh)[1])
    token, notes = _logged_in(session, name, ports, manner, fresh)
    return Outcome(notes=(*notes, *(_moved(world, session, token, ports) if token is not None else ())))


def _logged_in(
    session: Session[TokenT], name: str | None, ports: Ports, manner: Manner, fresh: bool
) -> tuple[TokenT | None, tuple[str, ...]]:
    """The new token, None where the old one will do, and what to say."""
    seen = session.cache(ports).load(session.key)
    if not fresh:
        try:
            good = live_token(session, ports)
        except LoginNeeded as error:
            newest: Any = error.seen  # None: somebody has logged out
            seen = newest
        else:
            again = f"{session.login_command(name)} --fresh"
            return None, (f"already logged in to {session.title()}: {_lasts(good, ports.now())}   (anew: {again})",)
    token = log_in(session, ports, manner, seen)
    return token, (f"logged in to {session.title()}: {_lasts(token, ports.now())}",)


def _moved(world: World, session: SsoSession, token: SsoToken, ports: Ports) -> tuple[str, ...]:
    """What to say, or has been done, where the start URL led to a portal in another region than the config names.

    An address of one's own can do that; the AWS CLI then writes the region into the config, without which no tool finds
    the portal's accounts.
    """
    region = token.raw.get("region")
    if not isinstance(region, str) or region == session.region:
        return ()
    # Read anew: a login takes a person minutes, and the line may be another one by now.
    file = config_writer.read(world.config_path)
    config = AwsConfig(file.data or b"", b"", world.config_path, world.credentials_path)
    found = logins.region_setting(config, session)
    where = found.where.short(world.home) if found is not None else "your AWS config"
    said = f"the portal is in {region}, and {where} says sso_region = {session.region}"
    if found is None or found.value != session.region or not ports.asker.is_in_charge():
        return (f"awsenv: {show(said, 300)}", f"  hint: write there: sso_region = {region}")
    if not ports.asker.confirm(f"awsenv: {show(said, 300)}. Write {region} there?", default=True):
        return ()
    config_writer.write(file, config_writer.with_value(file.text, found.where, "sso_region", region))
    return (f"wrote sso_region = {region}",)


def _lasts(token: Token, now: float) -> str:
    if token.is_refreshable(now):
        return "renewed until AWS ends it"
    return f"for {left(token.expires_at - now)}, without renewal"
