"""A live token of a login without a person: when it is renewed, by whom, and what a failure leaves behind."""

from __future__ import annotations

import random
import time

from awsenv.errors import AwsenvError, Busy, LoginNeeded, Storage, TokenRejected, Unanswered, Unreachable
from awsenv.model import Session, SsoSession, Token, TokenT
from awsenv.ports import Ports
from awsenv.start_url import is_owned
from awsenv.text import ago
from awsenv.undisturbed import undisturbed
from awsenv.waiting import Waiting

RENEW_FROM = 600.0  # seconds before a token's end in which it is renewed while it still works
RENEW_BY = 60.0  # below this it is as good as ended
_PAUSE = 30.0  # seconds between two background workers for one session
_WHOLE = 20.0  # seconds for both tries of an exchange and what lies between
_PATIENCE = 6.0  # seconds after which a second try for want of a connection would keep a person waiting too long
_LEAST = 5.0  # seconds that a second try must have
_LONGEST_PAUSE = 3.0  # seconds before a second try; what asks for more is left to the next call


def check(session: Session[TokenT], ports: Ports, profile: str | None = None) -> TokenT:
    """The session's token as it lies there; raises LoginNeeded where only a person can bring one that works."""
    token = session.cache(ports).load(session.key)
    if token is None:
        raise _needed(f"there is no login for {session.title()} yet", session, profile)
    if session.cache(ports).is_void(token) or (
        token.expires_at <= ports.now() and not token.is_refreshable(ports.now())
    ):
        raise ended(session, token, ports, profile)
    portal = _at_portal(session)
    if portal is not None and _is_of_another_portal(portal, token):
        error = _needed(f"the login for {session.title()} is one for another start URL", session, profile)
        error.seen = token
        raise error
    return token


def _at_portal(session: object) -> SsoSession | None:
    return session if isinstance(session, SsoSession) else None


def _is_of_another_portal(session: SsoSession, token: Token) -> bool:
    """Whether the start URL was changed since: AWS's tools go by the session's name alone, and on as who they were."""
    kept = token.raw.get("startUrl")
    if not isinstance(kept, str):
        return False
    ours, theirs = (url.partition("#")[0].rstrip("/").lower() for url in (session.start_url, kept))
    # An address of one's own may be kept by the AWS CLI as what it leads to.
    return ours != theirs and is_owned(session.start_url) and is_owned(kept)


def live_token(session: Session[TokenT], ports: Ports, profile: str | None = None) -> TokenT:
    """A token that works for a minute at least, renewed where that is due.

    With more than a minute left it is handed out at once, and a worker in the background renews it, but for a token that
    is what the person gets: that one is renewed first, if it can be. Raises LoginNeeded (with the session), Unreachable or
    Storage. *profile* is for the hint: a legacy login is reached by its name.
    """
    token = check(session, ports, profile)
    now = ports.now()
    left = token.expires_at - now
    if left > session.renew_from * random.uniform(0.9, 1.1) or not token.is_refreshable(now):
        return token
    if left > RENEW_BY and (session.in_background or not _is_due(session, token, ports)):
        _renew_later(session, token, ports)
        return token
    try:
        return renew(session, token, ports, profile)
    except (LoginNeeded, Storage, Unreachable) as error:
        is_logged_out = isinstance(error, LoginNeeded) and error.seen is None
        if is_logged_out or token.expires_at <= ports.now():
            raise
        return token  # its last minute is better than nothing


def renew(session: Session[TokenT], seen: TokenT, ports: Ports, profile: str | None = None) -> TokenT:
    """The successor of *seen*, got by one process while the others wait for it; raises as `live_token`.

    A login by somebody else (the AWS CLI, another machine on the same home) ends the waiting as well. Whoever waited for
    a renewal that failed shares the failure: a hundred shells ask AWS once or twice, not a hundred times.
    """
    began = ports.now()

    def is_replaced() -> bool:
        latest = session.cache(ports).load(session.key)
        return latest is not None and _is_newer(latest, seen, ports.now())

    with session.cache(ports).locked(session.key, True, is_replaced, Waiting(session, ports.asker)):
        latest = session.cache(ports).load(session.key)
        if latest is None:
            raise _needed(f"somebody has logged out of {session.title()}", session, profile)
        if _is_newer(latest, seen, ports.now()):
            return latest
        if not latest.is_refreshable(ports.now()) or session.cache(ports).is_dead(latest):
            raise ended(session, latest, ports, profile)
        _heed_trouble(session, began, ports)
        return spend(session, latest, ports, profile)


def renew_in_background(session: SsoSession, ports: Ports) -> None:
    """What the worker does: renew, unless somebody else is at it or a try is not due yet. Raises as `live_token`."""
    with session.cache(ports).locked(session.key, wait=False) as is_ours:
        token = session.cache(ports).load(session.key)
        now = ports.now()
        if not is_ours or token is None or token.expires_at - now > 1.1 * RENEW_FROM:
            return
        trouble = session.cache(ports).trouble(session.key)
        is_hopeless = not token.is_refreshable(now) or session.cache(ports).is_dead(token)
        if is_hopeless or (trouble is not None and trouble.wait(now) > 0):
            return
        spend(session, token, ports, None)


def ended(session: Session[TokenT], token: TokenT, ports: Ports, profile: str | None = None) -> LoginNeeded:
    """The error for a login that is over."""
    since = ports.now() - token.expires_at
    when = f"ended {ago(since)} ago" if since > 0 else "was ended before its time"
    error = _needed(f"the login for {session.title()} {when}", session, profile)
    error.seen = token
    return error


def given_up(session: Session[TokenT], token: TokenT, ports: Ports, profile: str | None = None) -> LoginNeeded:
    """The error for a token that AWS has turned down before its time, and that can't be renewed; noted for everybody."""
    session.cache(ports).mark_void(token)
    return ended(session, token, ports, profile)


def _needed(what: str, session: Session[TokenT], profile: str | None) -> LoginNeeded:
    error = LoginNeeded(what, session.where, session.login_command(profile))
    error.session = session
    return error


def _is_newer(latest: Token, seen: Token, now: float) -> bool:
    return latest.access_token != seen.access_token and latest.expires_at - now > RENEW_BY


def _is_due(session: Session[TokenT], token: TokenT, ports: Ports) -> bool:
    """Whether a try to renew *token*, which still works, is not known to be in vain."""
    trouble = session.cache(ports).trouble(session.key)
    return not (session.cache(ports).is_dead(token) or (trouble is not None and trouble.wait(ports.now()) > 0))


def _renew_later(session: Session[TokenT], token: TokenT, ports: Ports) -> None:
    portal = _at_portal(session)
    if portal is None or not _is_due(session, token, ports):
        return
    now = ports.now()
    try:
        if session.cache(ports).may_start_worker(session.key, now, _PAUSE):
            ports.background.renew_login(portal)
    except AwsenvError:
        return  # it still works; whatever hindered the renewal will say so when it counts


def _heed_trouble(session: Session[TokenT], began: float, ports: Ports) -> None:
    """Raise what a failed renewal of somebody else's says to us, too: one that ended while we waited, or AWS's wish to wait."""
    trouble = session.cache(ports).trouble(session.key)
    if trouble is None:
        return
    wait = trouble.wait(ports.now())
    if trouble.is_busy and wait > 0:
        raise Busy(trouble.what, wait, f"AWS asked us to wait; in {wait:.0f} s it can be tried again")
    if trouble.at >= began:
        raise Unreachable(trouble.what, hint="check the network (a VPN, a proxy?) and try again")


def spend(session: Session[TokenT], token: TokenT, ports: Ports, profile: str | None = None) -> TokenT:
    """Exchange the refresh token, which may be good for one exchange only, and keep what comes back. Called under the lock."""
    # The room is proven first; Ctrl-C, a hang-up and a TERM wait until what AWS has issued is on the disk.
    with undisturbed(ports.asker.say), session.cache(ports).successor(session.key) as place:
        try:
            renewed = _exchange(session, token, ports)
        except TokenRejected:
            # Whoever does without our lock (the AWS CLI, an SDK, another machine on this home) may have been quicker.
            latest = session.cache(ports).load(session.key)
            if latest is not None and _is_newer(latest, token, ports.now()):
                return latest
            if latest is None or latest.refresh_token == token.refresh_token or not latest.is_refreshable(ports.now()):
                session.cache(ports).mark_dead(token)
                raise ended(session, token, ports, profile) from None
            try:
                renewed = _exchange(session, latest, ports)
            except TokenRejected:
                session.cache(ports).mark_dead(latest)
                raise ended(session, latest, ports, profile) from None
        latest = session.cache(ports).load(session.key)
        if latest is None:
            raise _needed(f"somebody has logged out of {session.title()}", session, profile)
        if latest.refresh_token != token.refresh_token and _is_newer(latest, token, ports.now()):
            return latest  # somebody has logged in anew meanwhile, and perhaps somebody else
        place.keep(renewed)
        session.cache(ports).clear_trouble(session.key)
        return renewed


def _exchange(session: Session[TokenT], token: TokenT, ports: Ports) -> TokenT:
    """One try, and a second one where the first got no answer, or a late or a busy one. What then fails is noted for all.

    A request without an answer may have spent the token: the second try is made with the same one, as long as AWS may
    still give the same answer.
    """
    began = time.monotonic()
    try:
        return session.renewed(token, ports, _WHOLE)
    except Unreachable as error:
        pause = error.retry_after if isinstance(error, Busy) and error.retry_after else random.uniform(0.1, 1.0)
        spent = time.monotonic() - began
        patience = _WHOLE - _LEAST - pause if isinstance(error, Unanswered) else _PATIENCE
        if pause > _LONGEST_PAUSE or spent > patience:
            _note(session, error, ports)
            raise
    time.sleep(pause)
    try:
        return session.renewed(token, ports, _WHOLE - spent - pause)
    except Unreachable as error:
        _note(session, error, ports)
        raise


def _note(session: Session[TokenT], error: Unreachable, ports: Ports) -> None:
    is_busy = isinstance(error, Busy) and error.is_throttled
    retry_after = error.retry_after if isinstance(error, Busy) else None
    session.cache(ports).note_trouble(session.key, ports.now(), error.what, retry_after, is_busy)
