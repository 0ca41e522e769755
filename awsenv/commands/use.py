"""`use` and `refresh`: this shell becomes an identity."""

from __future__ import annotations

from awsenv import history, hot, index, stash
from awsenv.change import change_for, said_of
from awsenv.errors import Config, StashNeeded, Storage, Usage
from awsenv.lease import hot_request, take
from awsenv.model import Outcome, UseRequest
from awsenv.prompt import shown_for
from awsenv.render import shells
from awsenv.world import World


def run(world: World, request: UseRequest, by_name: bool = True) -> Outcome:
    """Statements for the shim that asked; raises Usage where none did. Only a `use` *by_name* is one for the history."""
    shell = asked_by_shim(world, "use")
    try:
        taken = take(world, request, guarded="use" if by_name else "refresh")
    except StashNeeded:
        if world.kept is not None or not world.env.get("AWSENV_STASHED"):
            raise
        return Outcome(stash.REQUEST)  # the shim then asks again, and brings what it kept
    spelled = hot_request(request)
    shown = shown_for(taken.lease, taken.reading.settings)
    change = change_for(taken.lease, shown, taken.options, hot.ambient_region(world.env))
    try:
        reply = shells.reply(shell, change.unset, change.assign)
    except ValueError as name:
        raise Config(f"{name} would hold control characters; they are not put into a shell") from None
    notes = list(taken.notes)
    try:
        index.remember(world, taken, spelled, change)
    except Storage as error:
        notes.append(f"{error.what}: the next use will take longer")
    if by_name:
        history.note(world.env, taken.options, taken.lease.profile, world.clock())
    credentials = taken.lease.credentials
    said = hot.tell(said_of(taken.lease), credentials.expires_at if credentials else None)
    return Outcome(reply, (*(f"awsenv: {note}" for note in notes), said))


def asked_by_shim(world: World, verb: str) -> str:
    """The shell whose shim asked; raises Usage, saying how to load it, where none did, or one of another version."""
    if world.shell is None:
        raise Usage(
            f"`{verb}` changes the shell it is typed in, and awsenv is not loaded in this one",
            hint='eval "$(awsenv init bash)"   (or zsh; in fish: awsenv init fish | source)',
        )
    if world.shell not in shells.DIALECTS or world.protocol != str(shells.PROTOCOL):
        raise Usage("this shell loaded another version of awsenv than the one installed now", hint="exec $SHELL")
    return world.shell
