"""A login with a person, one at a time; to Identity Center: in the browser on this machine, or with a code on any device."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from awsenv import start_url, turn
from awsenv.browser import is_openable
from awsenv.callback import Arrival, Callback
from awsenv.endpoints import is_loopback
from awsenv.errors import Busy, Denied, Interrupted, LoginNeeded, TokenRejected, Unreachable
from awsenv.model import Registration, Session, SsoSession, SsoToken, TokenT, rfc3339
from awsenv.ports import Ports
from awsenv.renewal import RENEW_BY
from awsenv.text import left, show
from awsenv.tokens import LOGIN
from awsenv.undisturbed import undisturbed
from awsenv.waiting import Waiting

LIMIT = 600.0  # seconds that a person has; AWS's own codes live as long
ALONE = 90.0  # seconds for the browser before the device code is offered beside it
_GRACE = 300.0  # seconds that a registration must still be good for
_BLINKS = 5  # polls in a row without an answer
_LOOK = 0.3  # seconds between two looks for a login that somebody else has made meanwhile


@dataclass(frozen=True)
class Manner:
    """How to log in. *command* is the browser set for the session; *alone* the seconds for the browser on its own."""

    device: bool = False
    may_open: bool = True
    command: tuple[str, ...] | None = None
    alone: float = ALONE


def log_in(session: Session[TokenT], ports: Ports, manner: Manner, seen: TokenT | None) -> TokenT:
    """A token newer than *seen*, kept where AWS's tools look for it; one login at a time per session, shared by who waits.

    Raises Storage before anything is asked where it could not be kept, Denied where the person says no, LoginNeeded where
    nobody came or the login we waited for was given up, Interrupted, Unreachable, Config. The token's *raw* says in which
    region the portal really is.
    """
    waiting = Waiting(session, ports.asker)
    cache = session.cache(ports)
    with cache.locked(session.key, True, lambda: newer(session, ports, seen) is not None, waiting):
        latest = newer(session, ports, seen)
        if latest is not None:
            return latest
        if waiting.owner is not None:  # giving one up must not begin another: there may be a hundred of us
            raise needed(f"the login to {session.title()} that process {waiting.owner} had begun was given up", session)
        turn.wait_for_person(True)
        is_kept = False
        try:
            with cache.successor(session.key, anew=True) as place:
                token: TokenT = _way(session)(session, ports, manner, lambda: _give_way(session, ports, seen))
                with undisturbed(ports.asker.say):
                    place.keep(token)
                    is_kept = True
                    cache.clear_trouble(session.key)
                return token
        except _Overtaken as overtaken:
            ports.asker.say(f"awsenv: somebody else has just logged in to {session.title()}: that will do")
            theirs: TokenT = overtaken.token
            return theirs
        except KeyboardInterrupt:
            if is_kept:  # it came too late
                raise Interrupted(f"stopped; the login to {session.title()} is made, and kept") from None
            raise Interrupted(f"the login to {session.title()} was given up; nothing changed") from None
        finally:
            turn.wait_for_person(False)


def _way(session: object) -> Callable[..., Any]:
    """How a person logs in there: (session, ports, manner, look) → the token, with all that its file needs."""
    if isinstance(session, SsoSession):
        return _to_portal
    from awsenv.sign_in import authorized  # only a login by AWS Sign-In pays

    return authorized


def _to_portal(session: SsoSession, ports: Ports, manner: Manner, look: Callable[[], None]) -> SsoToken:
    there = start_url.resolved(session, ports.aws.redirect_of)
    if there.region != session.region:
        moved = f"the portal is in {there.region}, and the config says sso_region = {session.region}"
        ports.asker.say(f"awsenv: {moved}{f' ({session.where})' if session.where else ''}")
    token = _authorized(there, ports, manner, look)
    return replace(token, raw=_as_kept(session.start_url, there.region, token))


def newer(session: Session[TokenT], ports: Ports, seen: TokenT | None) -> TokenT | None:
    """A token that has come since *seen* turned out to be of no use, and has not ended; None for none.

    Where *seen* still works, and a person wants another login all the same, a mere renewal of it doesn't count.
    """
    cache = session.cache(ports)
    latest = cache.load(session.key)
    if latest is None or latest.expires_at <= ports.now() + RENEW_BY or cache.is_void(latest):
        return None
    if seen is None:
        return latest
    if latest.access_token == seen.access_token:
        return None
    is_wanted_anew = seen.expires_at > ports.now() + RENEW_BY and not cache.is_void(seen)
    return latest if cache.is_login_of_ours(latest, seen) or not is_wanted_anew else None


class _Overtaken(Exception):
    """There is a login now that is not ours: AWS's own tools know nothing of our lock."""

    def __init__(self, token: Any) -> None:
        super().__init__()
        self.token = token


def _give_way(session: Session[TokenT], ports: Ports, seen: TokenT | None) -> None:
    latest = newer(session, ports, seen)
    if latest is not None:
        raise _Overtaken(latest)


def _as_kept(start_url: str, region: str, token: SsoToken) -> dict[str, object]:
    """The fields that AWS's tools want beside the token itself (botocore's SSOTokenProvider renews with them)."""
    fields: dict[str, object] = {"startUrl": start_url, "region": region, LOGIN: secrets.token_hex(16)}
    fields |= {"clientId": token.client_id, "clientSecret": token.client_secret}
    if token.registration_expires_at is not None:
        fields["registrationExpiresAt"] = rfc3339(token.registration_expires_at)
    return fields


def needed(what: str, session: Session[Any]) -> LoginNeeded:
    """The error for a login that did not come about."""
    error = LoginNeeded(what, session.where, session.login_command())
    error.session = session
    return error


def _authorized(session: SsoSession, ports: Ports, manner: Manner, look: Callable[[], None]) -> SsoToken:
    """*look* is called again and again while a person is waited for; what it raises ends the waiting."""
    reason = ports.browser.why_not(manner.command)
    if manner.device or reason is not None:
        if reason is not None and not manner.device:
            ports.asker.say(f"awsenv: this is {reason}, so the login goes by a code on any device with a browser")
        return _by_device(session, ports, manner, look, opens=reason is None and manner.may_open)
    return _by_browser(session, ports, manner, look)


# ---- By a browser on this machine: authorization code with PKCE (RFC 7636, RFC 8252) ---------------------------------


def _by_browser(session: SsoSession, ports: Ports, manner: Manner, look: Callable[[], None]) -> SsoToken:
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with Callback(session.name or urlsplit(session.start_url).hostname or "") as callback:
        registration = _registered(session, ports, callback.registered_uri)
        query = {
            "response_type": "code",
            "client_id": registration.client_id,
            "redirect_uri": callback.redirect_uri,
            "state": state,
            "code_challenge_method": "S256",
            "code_challenge": challenge,
            "scopes": " ".join(session.scopes),
        }
        base = ports.aws.oidc_base(session)
        url = f"{base}/authorize?{urlencode(query)}"
        _require_openable(url, session)
        ports.aws.reach(base)  # no browser opens on a page that isn't there
        if not _shown_in_browser(url, session, ports, manner):
            ports.asker.say("awsenv: no browser could be started, so the login goes by a code on any device with one")
            return _by_device(session, ports, manner, look, opens=False)
        arrival = waited_for(callback, state, manner.alone, look)
        if arrival is None:
            ports.asker.say("awsenv: nothing has come back from the browser yet; a code on any device will do as well")
            device = _beside_browser(session, ports)
            end = time.monotonic() + LIMIT - manner.alone
            while arrival is None and time.monotonic() < end:
                token = device.poll() if device is not None else None
                if token is not None:
                    return token
                arrival = waited_for(callback, state, device.pause if device is not None else 5.0, look)
        if arrival is None:
            raise needed("nobody logged in within ten minutes", session)
        if arrival.error == "access_denied":
            raise Denied(f"the login to {session.title()} was denied in the browser")
        if arrival.code is None:
            ports.asker.say("awsenv: the browser came back without a login, so it goes by a code on any device")
            return _by_device(session, ports, manner, look, opens=False)
        try:
            return ports.aws.token_by_code(
                registration, session, code=arrival.code, verifier=verifier, redirect_uri=callback.redirect_uri
            )
        except TokenRejected:
            ports.tokens.drop_registration(
                session
            )  # if it is the client that AWS no longer knows, the next try has a new one
            raise needed(f"AWS did not take the code that the browser brought for {session.title()}", session) from None


def waited_for(callback: Callback, state: str, seconds: float, look: Callable[[], None]) -> Arrival | None:
    """What the browser brought; None after *seconds*. *look* is called again and again meanwhile."""
    end = time.monotonic() + seconds
    while (left_over := end - time.monotonic()) > 0:
        arrival = callback.wait(state, min(_LOOK, left_over))
        if arrival is not None:
            return arrival
        look()
    return None


def _shown_in_browser(url: str, session: SsoSession, ports: Ports, manner: Manner) -> bool:
    host = urlsplit(session.start_url).hostname
    opened = manner.may_open and ports.browser.open(url, manner.command)
    if manner.may_open and not opened:
        return False
    first = "your browser shows" if opened else "open this page in a browser on this machine for"
    ports.asker.say(
        f"awsenv: {first} the login to {session.title()}: {host} in {session.region}; Ctrl-C gives it up\n  {url}", url
    )
    return True


# ---- By a code on any device (RFC 8628) -----------------------------------------------------------------------------


def _by_device(session: SsoSession, ports: Ports, manner: Manner, look: Callable[[], None], opens: bool) -> SsoToken:
    device = _Device(session, ports)
    device.show()
    if opens:
        ports.browser.open(device.code.uri_complete, manner.command)
    end = time.monotonic() + min(LIMIT, device.code.expires_in)
    while time.monotonic() < end:
        _pause(device.pause, look)
        token = device.poll()
        if token is not None:
            return token
    raise needed(f"the code for {session.title()} was not used in time", session)


def _pause(seconds: float, look: Callable[[], None]) -> None:
    end = time.monotonic() + seconds
    while (left_over := end - time.monotonic()) > 0:
        time.sleep(min(_LOOK, left_over))
        look()


def _beside_browser(session: SsoSession, ports: Ports) -> _Device | None:
    """A code to offer while the browser is waited for; None where there is none to be had: the browser may still come."""
    try:
        device = _Device(session, ports)
    except (Unreachable, Denied) as error:
        ports.asker.say(f"awsenv: no code can be had ({error.what}); the browser is still waited for")
        return None
    device.show()
    return device


class _Device:
    """One device code, and the polls for what a person makes of it."""

    def __init__(self, session: SsoSession, ports: Ports) -> None:
        self._session = session
        self._ports = ports
        self._registration = _registered(session, ports, None)
        try:
            with _about(session):
                self.code = ports.aws.start_device(self._registration, session)
        except TokenRejected:  # AWS no longer knows the client that we, or the AWS CLI, registered
            ports.tokens.drop_registration(session)
            self._registration = _registered(session, ports, None)
            self.code = ports.aws.start_device(self._registration, session)
        for url in (self.code.uri, self.code.uri_complete):
            _require_openable(url, session)
        self.pause = self.code.interval
        self._silent = 0

    def show(self) -> None:
        """The code, where it goes, and the sentence that makes a phisher's code useless."""
        session, code = self._session, self.code
        host = urlsplit(session.start_url).hostname
        self._ports.asker.say(
            f"awsenv: log in to {session.title()}: {host} in {session.region}\n"
            f"  on any device: {code.uri_complete}\n"
            f"  the code there must be: {code.user_code}\n"
            f"  Approve only if you just started this. "
            f"The code is good for {left(min(LIMIT, code.expires_in))}; Ctrl-C gives it up.",
            code.uri_complete,
        )
        self._ports.asker.show_qr(code.uri_complete)

    def poll(self) -> SsoToken | None:
        """The token; None while it is pending. Raises Denied, LoginNeeded, Unreachable."""
        try:
            token = self._ports.aws.token_by_device(self._registration, self.code, self._session)
        except Busy as error:
            self.pause += 5  # RFC 8628, section 3.5
            self.pause = max(self.pause, min(error.retry_after or 0.0, 60.0))
            return None
        except Unreachable:
            self._silent += 1  # a network may blink while a person types
            if self._silent >= _BLINKS:
                raise
            return None
        except TokenRejected:
            raise needed(f"AWS no longer knows the code for {self._session.title()}", self._session) from None
        except LoginNeeded as error:
            raise needed(f"{error.what} (login to {self._session.title()})", self._session) from None
        except Denied as error:
            raise Denied(f"the login to {self._session.title()} was denied: {error.what}") from None
        self._silent = 0
        return token


# ---- Both -----------------------------------------------------------------------------------------------------------


def _registered(session: SsoSession, ports: Ports, redirect_uri: str | None) -> Registration:
    """The client that AWS knows us as: the one kept last time, by us or by the AWS CLI, else a new one."""
    known = ports.tokens.registration(session, redirect_uri is not None)
    if known is not None and known.expires_at > ports.now() + _GRACE:
        return known
    with _about(session):
        registration = ports.aws.register_client(session, redirect_uri)
    ports.tokens.keep_registration(session, registration)
    return registration


@contextmanager
def _about(session: SsoSession) -> Iterator[None]:
    """AWS's no with what it is about: the start URL, as a rule, and the line that has it."""
    try:
        yield
    except Denied as error:
        url = show(session.start_url)
        raise Denied(f"AWS takes no login to {session.title()} ({url}): {error.what}", session.where) from None


def _require_openable(url: str, session: SsoSession) -> None:
    is_local = session.oidc_endpoint is not None and is_loopback(session.oidc_endpoint)
    if not is_openable(url, session.region, is_local):
        host = urlsplit(url).hostname or url[:60]
        raise Unreachable(f"the page for the login is not one of AWS's ({host}); it is not opened")
