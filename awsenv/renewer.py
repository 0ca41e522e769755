"""What the worker behind a prompt does: renew the identity of the shell that started it, and leave word where it can't."""

from __future__ import annotations

import os
import stat

from awsenv import hook, hot, index, shelf, turn
from awsenv.change import change_for
from awsenv.errors import AwsenvError, LoginNeeded, StashNeeded, Storage, TokenRejected
from awsenv.lease import hot_request, request_of_shell, take
from awsenv.model import LoginSession, Outcome, UseRequest
from awsenv.prompt import shown_for
from awsenv.store import remove, write_private
from awsenv.world import World


def run(world: World, words: list[str]) -> Outcome:
    """Renew what the environment says this shell is. *words*: the descriptor of the lock, which `hook` has taken.

    Asks nobody, says nothing. A store that can't be used has no room for an answer, so there nothing is done.
    """
    try:
        os.setsid()
    except PermissionError:
        pass  # it was done for us
    if words:
        _hold(words[0])
    request = request_of_shell(world)
    place = hot.place_of(hot_request(request), world.env) if request is not None else None
    if request is None or place is None:
        return Outcome(exit_code=2)
    try:
        trouble = _renewed(world, request)
    except AwsenvError as error:
        trouble = error
    path = hook.mark_path(*place)
    try:
        if trouble is None:
            remove(path)
        else:
            write_private(path, _mark(trouble, world, request, hook.read_mark(*place)).text())
    except Storage:
        pass  # then nobody knows of it, and the next shell tries for itself
    return Outcome(exit_code=trouble.exit_code if trouble is not None else 0)


def _hold(descriptor: str) -> None:
    if descriptor.isascii() and descriptor.isdigit() and stat.S_ISREG(os.fstat(int(descriptor)).st_mode):
        os.set_inheritable(int(descriptor), False)  # what outlives us must not keep it
        turn.hold(int(descriptor))


def _renewed(world: World, request: UseRequest) -> AwsenvError | None:
    taken = take(world, request, login="never")
    shown = shown_for(taken.lease, taken.reading.settings)
    change = change_for(taken.lease, shown, taken.options, hot.ambient_region(world.env))
    index.remember(world, taken, hot_request(request), change)
    return taken.trouble


def _mark(error: AwsenvError, world: World, request: UseRequest, before: hook.Mark | None) -> hook.Mark:
    now = world.clock()
    count = before.count + 1 if before is not None and 0 <= now - before.at < hook.IN_A_ROW else 1
    pause = hook.PAUSES[min(count, len(hook.PAUSES)) - 1]
    kind, what, hint = _in_words(error)
    mark = hook.Mark(kind, now, now + pause, count, what, hint)
    mark.files = [(path, shelf.fingerprint(shelf.stat_of(path))) for path in _read(error, world)]
    return mark


def _in_words(error: AwsenvError) -> tuple[str, str, str]:
    """(what stands in the way, of hook.WORDS, how a sentence about it goes on, what to type)."""
    if isinstance(error, LoginNeeded) and error.session is not None:
        return "login", error.what, (error.hint or "").split("\n")[0]
    if isinstance(error, LoginNeeded) and not isinstance(error, TokenRejected):
        return "mfa", "renewing it takes an MFA code", "awsenv refresh"
    if isinstance(error, StashNeeded):
        return "refresh", "it stands on keys that this shell alone has", "awsenv refresh"
    return "failed", f"could not be renewed ({error.what})", "awsenv refresh"


def _read(error: AwsenvError, world: World) -> list[str]:
    """The files that a person may change so that it works: with another one, nobody waits for the pause to end."""
    paths = [world.config_path, world.credentials_path, world.settings_path]
    if isinstance(error, LoginNeeded) and error.session is not None:
        if isinstance(error.session, LoginSession):
            from awsenv.login_tokens import login_path

            paths.append(login_path(world.login_cache_dir, error.session.key))
        else:
            from awsenv.tokens import token_path

            paths.append(token_path(world.sso_cache_dir, error.session.key))
    return paths
