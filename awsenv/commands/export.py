"""`export`: an identity on stdout, for a script or as a credential_process."""

from __future__ import annotations

import secrets
from dataclasses import replace

from awsenv import hot, index
from awsenv.change import change_for, export_for
from awsenv.errors import LoginNeeded, Storage, Usage
from awsenv.lease import Taken, hot_request, take
from awsenv.model import EnvChange, Outcome, UseRequest
from awsenv.prompt import shown_for
from awsenv.render import github
from awsenv.render.formats import FORMATS
from awsenv.text import word
from awsenv.world import World


def run(
    world: World, request: UseRequest, format_name: str, show: bool, to_terminal: bool, may_log_in: bool = False
) -> Outcome:
    """The identity in *format_name*; a terminal gets no secret unless *show*.

    As a credential_process nobody sits in front of it: it asks nothing, and begins no login unless *may_log_in*. `json`,
    the same document, is for a person's own script: what a profile needs to know may be asked on the terminal, but for a
    login. For GitHub, stdout is the job's log: it is told what to hide, and then the identity goes to the file that
    GITHUB_ENV names.
    """
    if format_name not in FORMATS:
        raise Usage(f"there is no format {format_name}", hint=f"one of: {', '.join(FORMATS)}")
    if to_terminal and not show:
        raise Usage(
            "this would put secret keys on your screen",
            hint=f"awsenv export {word(request.profile)} --format {format_name} --show",
        )
    target = world.env.get("GITHUB_ENV", "")
    if format_name == "github" and not target.startswith("/"):
        raise Usage("GITHUB_ENV names no file: this format is for a step of a GitHub workflow", hint="--format env")
    is_document = format_name in ("process", "json")
    unasked = "never" if is_document else "by setting"
    # direnv asks from a `cd`.
    unasked_for = format_name == "process" or bool(world.env.get("DIRENV_IN_ENVRC"))
    asking = replace(world, unattended=unasked_for and not may_log_in)
    try:
        taken = take(asking, replace(request, early=is_document), login="allowed" if may_log_in else unasked)
    except LoginNeeded as error:
        if asking.unattended and error.session is None:
            error.hint = f"awsenv use {word(request.profile)}   (once, in a terminal: what it gets serves here, too)"
        raise
    change = export_for(taken.lease)
    text = FORMATS[format_name](taken.lease, change)
    notes = tuple(
        f"awsenv: {note}" for note in (*taken.notes, *(_remembered(world, request, taken) if is_document else ()))
    )
    if format_name != "github":
        return Outcome(text, notes)
    notes += tuple(f"awsenv: {name} stays set in the later steps, which no step can undo: remove it from `env:`"
                   for name in change.unset if world.env.get(name) and name not in _EMPTIED)  # fmt: skip
    return Outcome(text, notes, append=(target, github.environment_file(_whole(change, world), secrets.token_hex(16))))


def _remembered(world: World, request: UseRequest, taken: Taken) -> tuple[str, ...]:
    """Record it for the fast lane, as the `use` that it would be; what hinders that."""
    spelled, shown = hot_request(request), shown_for(taken.lease, taken.reading.settings)
    change = change_for(taken.lease, shown, taken.options, hot.ambient_region(world.env))
    try:
        index.remember(world, taken, spelled, change)
    except Storage as error:
        return (f"{error.what}: the next answer will take longer",)
    return ()


_EMPTIED = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")  # AWS's tools read an empty one as none


def _whole(change: EnvChange, world: World) -> list[tuple[str, str]]:
    """What the job's file gets: it can't unset, and beside new keys an old token would make all of it void."""
    return [*change.assign, *((name, "") for name in _EMPTIED if name in change.unset and world.env.get(name))]
