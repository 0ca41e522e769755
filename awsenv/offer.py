"""A login that turns out to be needed in the middle of something else: whether a person is asked, and what then happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from awsenv import turn
from awsenv.errors import LoginNeeded
from awsenv.login import Manner, log_in, newer
from awsenv.model import Session, TokenT
from awsenv.ports import Asker, Ports
from awsenv.renewal import live_token
from awsenv.settings import Settings
from awsenv.text import show

# Set where a program works on a person's terminal without having been asked to by that person just now.
UNASKED = ("DIRENV_IN_ENVRC", "AWSENV_HOOK", "CI")


def manner_for(session: Session[Any], settings: Settings, device: bool = False, may_open: bool = True) -> Manner:
    """How to log in to *session* by the person's settings."""
    return Manner(device=device, may_open=may_open, command=settings.browsers.get(session.key))


def logged_in(error: LoginNeeded, env: Mapping[str, str], ports: Ports, settings: Settings, consented: bool) -> bool:
    """Whether there is a login now where *error* found none; False where nobody was asked or the answer was no.

    *consented*: the command line itself allows it. Raises what `login.log_in` raises.
    """
    session = error.session
    if session is None:
        return False
    if consented:
        log_in(session, ports, manner_for(session, settings), error.seen)
        return True
    if (
        settings.login_when_needed == "never"
        or any(env.get(name) for name in UNASKED)
        or not ports.asker.is_in_charge()
    ):
        return False
    # Twenty processes on one terminal (make -j) ask one question; another terminal asks its own.
    others: list[bool] = []
    question = f"{session.key}\0asked on terminal {ports.asker.terminal()}"
    with session.cache(ports).locked(question, wait=True, on_wait=lambda owner, is_person: others.append(is_person)):
        if newer(session, ports, error.seen) is not None:
            return True
        if any(others):  # the question was there already, and the answer no
            return False
        if not (
            settings.login_when_needed == "always" or _is_under_way(session, ports) or _says_yes(error, ports.asker)
        ):
            return False
        log_in(session, ports, manner_for(session, settings), error.seen)
        return True


def token_with_login(session: Session[TokenT], env: Mapping[str, str], ports: Ports, settings: Settings) -> TokenT:
    """A live token, by a login where that takes one and the person agrees; raises as `renewal.live_token`."""
    try:
        return live_token(session, ports)
    except LoginNeeded as error:
        if not logged_in(error, env, ports, settings, consented=False):
            raise
    return live_token(session, ports)


def _is_under_way(session: Session[Any], ports: Ports) -> bool:
    """Whether somebody is logging in to it right now: then there is nothing to ask, only to wait.

    A renewal that is under way instead is waited for: it may not lead to a browser that nobody agreed to.
    """
    waits_for_person = False

    def note(owner: str, is_person: bool) -> None:
        nonlocal waits_for_person
        waits_for_person = is_person

    with session.cache(ports).locked(session.key, True, lambda: waits_for_person, note) as is_ours:
        return not is_ours


def _says_yes(error: LoginNeeded, asker: Asker) -> bool:
    turn.wait_for_person(True)
    try:
        return asker.confirm(f"awsenv: {show(error.what, 500)}. Log in now?", default=True)
    finally:
        turn.wait_for_person(False)
