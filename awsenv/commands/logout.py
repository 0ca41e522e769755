"""`logout`: end a login at AWS and here, with every credential that came from it."""

from __future__ import annotations

from awsenv import logins, quick, renewal
from awsenv.commands.use import asked_by_shim
from awsenv.errors import AwsenvError, TokenRejected, Unreachable, Usage
from awsenv.lease import Reading
from awsenv.logins import Login
from awsenv.model import Outcome, SsoSession
from awsenv.ports import Ports, real
from awsenv.render import shells
from awsenv.sources.sso import login_group
from awsenv.store import FileStore, Store, open_store
from awsenv.text import left
from awsenv.world import World


def run(world: World, name: str | None, everything: bool) -> Outcome:
    """Log out of one login, or of all that there are; a shell that lives on one is put back as by `off`.

    What AWS could not be told is said, with exit status 6; here it is gone all the same, as the person asked.
    """
    if name is not None and everything:
        raise Usage("either a session or --all", hint="awsenv logout --all")
    shell = asked_by_shim(world, "logout") if world.shell is not None else None
    reading = Reading.of(world)
    store, _ = open_store(world.store_root)
    ports = real(world, store)
    if everything:
        found, _ = logins.every(world, reading)
        sessions = [login.session for login in found if _is_known(login, ports, store)]
    else:
        sessions = [logins.named(world, reading, name)]
    said: list[str] = []
    code = 0
    is_this_shells = False
    for session in sessions:
        is_this_shells = is_this_shells or _lives_on(world, reading, session)
        error = _tell_aws(session, ports)
        said += _forget(session, ports, store)
        if error is not None:
            said += [
                f"awsenv: AWS could not be told: {error.what}",
                "  hint: the session may live on at AWS until it ends there by itself",
            ]
            code = error.exit_code
    if not sessions:
        said.append("nobody is logged in")
    unset: list[str] = []
    if is_this_shells and shell is not None and code == 0:
        unset, off = quick.reverse(world.env)
        said.append(off)
    elif is_this_shells:
        said.append("  this shell still holds keys of that login: awsenv off")
    text = shells.reply(shell, unset, ()) if shell is not None and code == 0 else ""
    return Outcome(text, tuple(said), code)


def _is_known(login: Login, ports: Ports, store: Store) -> bool:
    held = store.of_login(login_group(login.session)) if isinstance(store, FileStore) else {}
    return ports.tokens.load(login.session.key) is not None or bool(held)


def _lives_on(world: World, reading: Reading, session: SsoSession) -> bool:
    """Whether the identity of this shell came from *session*."""
    profile = world.env.get("AWSENV_PROFILE")
    if not profile:
        return False
    try:
        return logins.of_profile(world, reading, profile).key == session.key
    except AwsenvError:
        return False


def _tell_aws(session: SsoSession, ports: Ports) -> Unreachable | None:
    """End the session at AWS; the reason where it can't be reached."""
    token = ports.tokens.load(session.key)
    if token is None:
        return None
    try:
        if token.expires_at <= ports.now():
            # The session outlives its tokens: only with a live one can AWS be told to end it.
            token = renewal.live_token(session, ports)
        ports.aws.sign_out(token.access_token, session)
    except Unreachable as error:
        return error
    except AwsenvError as error:
        if isinstance(error, TokenRejected) or error.exit_code == 4:
            return None  # it had ended already
        return Unreachable(error.what)
    return None


def _forget(session: SsoSession, ports: Ports, store: Store) -> list[str]:
    """Remove all that is kept of the login; what to say of it."""
    told: list[str] = []

    def wait(owner: str, is_person: bool) -> None:
        if is_person and not told:
            told.append(owner)
            what = f"waiting for the login to {session.title()} that process {owner or 'unknown'} has begun"
            ports.asker.say(f"awsenv: {what}; Ctrl-C stops")

    with ports.tokens.locked(session.key, wait=True, on_wait=wait):
        was_there = ports.tokens.load(session.key) is not None
        ports.tokens.drop(session.key)
        ports.tokens.drop_registration(session)
        ports.tokens.clear_trouble(session.key)
    held = store.of_login(login_group(session)) if isinstance(store, FileStore) else {}
    ends = [credentials.expires_at for credentials in held.values() if credentials.expires_at is not None]
    last = max(ends, default=0.0) - ports.now()
    if isinstance(store, FileStore):
        store.drop_login(login_group(session))
    said = f"logged out of {session.title()}" if was_there else f"there was no login to {session.title()}"
    if held:
        said += f"; {len(held)} role session{'s' if len(held) > 1 else ''} removed with it"
    lines = [said]
    if last > 0:
        lines.append(f"  what programs already took of these stays valid at AWS for up to {left(last)}")
    return lines
