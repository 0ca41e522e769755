"""`logout`: end a login at AWS and here, with every credential that came from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from awsenv import logins, quick, renewal
from awsenv.commands.use import asked_by_shim
from awsenv.errors import AwsenvError, Interrupted, LoginNeeded, TokenRejected, Unreachable, Usage
from awsenv.lease import Reading
from awsenv.logins import AnySession, Login
from awsenv.model import AS_IT_COMES, Credentials, Outcome, SsoSession
from awsenv.ports import Ports, real
from awsenv.render import shells
from awsenv.store import FileStore, Store, open_store
from awsenv.text import left
from awsenv.undisturbed import undisturbed
from awsenv.waiting import Waiting
from awsenv.world import World


@dataclass
class _Done:
    """What has become of the logins so far: words for the person, an exit status, which of them are over."""

    said: list[str] = field(default_factory=list)
    code: int = 0
    over: list[AnySession] = field(default_factory=list)


def run(world: World, name: str | None, everything: bool) -> Outcome:
    """Log out of one login, or of all that there are; a shell that lives on one is put back as by `off`.

    Where AWS can't be told, all is removed here all the same, as the person asked, and the exit status is 6; where
    something can't be removed, it is 7, and the rest is gone.
    """
    if name is not None and everything:
        raise Usage("either a session or --all", hint="awsenv logout --all")
    shell = asked_by_shim(world, "logout") if world.shell is not None else None
    reading = Reading.of(world)
    store, _ = open_store(world.store_root)
    ports = real(world, store, AS_IT_COMES if everything else logins.network(world, reading, name))
    if everything:
        found, _ = logins.every(world, reading)
        sessions = [login.session for login in found if _is_known(login, ports, store)]
    else:
        sessions = [logins.named(world, reading, name)]
    done = _Done()
    for session in sessions:
        try:
            _end(session, ports, store, done)
        except KeyboardInterrupt:
            is_over = session in done.over  # Ctrl-C came while it was brought to its end
            when = "after" if is_over else "before"
            if any(_lives_on(world, reading, over) for over in done.over):
                done.said.append("this shell still holds keys of that login: awsenv off")
            raise Interrupted(f"stopped {when} {session.title()} was logged out of", details=done.said) from None
    if not sessions:
        done.said.append("nobody is logged in")
    unset: list[str] = []
    if any(_lives_on(world, reading, session) for session in done.over):
        if shell is not None and done.code in (0, Unreachable.exit_code):
            unset, off = quick.reverse(world.env)
            done.said.append(off)
        else:
            done.said.append("  this shell still holds keys of that login: awsenv off")
    answers = shell is not None and done.code in (
        0,
        Unreachable.exit_code,
    )  # the shims take this one with status 6, too
    text = shells.reply(shell, unset, ()) if answers and shell is not None else ""
    return Outcome(text, tuple(done.said), done.code)


def _is_known(login: Login, ports: Ports, store: Store) -> bool:
    return login.session.cache(ports).load(login.session.key) is not None or bool(_held(login.session, store))


def _held(session: AnySession, store: Store) -> dict[str, Credentials]:
    return store.of_login(logins.group_of(session)) if isinstance(store, FileStore) else {}


def _lives_on(world: World, reading: Reading, session: AnySession) -> bool:
    """Whether the identity of this shell came from *session*."""
    profile = world.env.get("AWSENV_PROFILE")
    if not profile:
        return False
    try:
        return logins.of_profile(world, reading, profile).key == session.key
    except AwsenvError:
        return False


def _end(session: AnySession, ports: Ports, store: Store, done: _Done) -> None:
    """End *session*. All of it under its lock: a login or a renewal of this moment must not be half undone."""
    with (
        session.cache(ports).locked(session.key, wait=True, on_wait=Waiting(session, ports.asker)),
        undisturbed(ports.asker.say, "the logout has begun, and is brought to its end"),
    ):
        was_there = session.cache(ports).load(session.key) is not None
        error = _tell_aws(session, ports)
        held = _held(session, store)
        failures = _removed(session, ports, store)
        ends = [credentials.expires_at for credentials in held.values() if credentials.expires_at is not None]
        last = max(ends, default=0.0) - ports.now()
        said = f"logged out of {session.title()}" if was_there else f"there was no login to {session.title()}"
        if held:
            what = "role session" if isinstance(session, SsoSession) else "session"
            said += f"; {len(held)} {what}{'s' if len(held) > 1 else ''} removed with it"
        done.said.append(said)
        done.over.append(session)
        if last > 0:
            done.said.append(f"  what programs already took of these stays valid at AWS for up to {left(last)}")
        if error is not None:
            done.said += [
                f"awsenv: AWS could not be told: {error.what}",
                "  hint: the session may live on at AWS until it ends there by itself",
            ]
            done.code = done.code or error.exit_code
        for failure in failures:
            done.said += failure.lines()
            done.code = failure.exit_code


def _tell_aws(session: AnySession, ports: Ports) -> AwsenvError | None:
    """End the session at AWS; the reason where it could not be told."""
    if not isinstance(session, SsoSession):
        return None  # AWS Sign-In has no call for it that these credentials may make
    token = ports.tokens.load(session.key)
    if token is None:
        return None
    try:
        if token.expires_at <= ports.now():
            if not token.is_refreshable(ports.now()) or ports.tokens.is_dead(token):
                return None  # it has ended already
            # The session outlives its tokens: only with a live one can AWS be told to end it.
            token = renewal.spend(session, token, ports)
        ports.aws.sign_out(token.access_token, session)
    except (TokenRejected, LoginNeeded):
        return None
    except AwsenvError as error:
        return Unreachable(error.what)
    return None


def _removed(session: AnySession, ports: Ports, store: Store) -> list[AwsenvError]:
    """Remove all that is kept of the login, what hands out credentials first; what hindered it."""
    failures: list[AwsenvError] = []
    steps: list[Callable[[], None]] = [
        lambda: session.cache(ports).drop(session.key),
        lambda: session.cache(ports).clear_trouble(session.key),
    ]
    if isinstance(session, SsoSession):
        steps.append(partial(ports.tokens.drop_registration, session))
    if isinstance(store, FileStore):
        steps.insert(0, partial(store.drop_login, logins.group_of(session)))
    for step in steps:
        try:
            step()
        except AwsenvError as error:
            failures.append(error)
    return failures
