"""`export`: an identity on stdout, for a script or as a credential_process."""

from __future__ import annotations

import secrets

from awsenv.change import export_for
from awsenv.errors import Usage
from awsenv.lease import take
from awsenv.model import EnvChange, Outcome, UseRequest
from awsenv.render import github
from awsenv.render.formats import FORMATS
from awsenv.text import word
from awsenv.world import World


def run(
    world: World, request: UseRequest, format_name: str, show: bool, to_terminal: bool, may_log_in: bool = False
) -> Outcome:
    """The identity in *format_name*; a terminal gets no secret unless *show*.

    As a credential_process nobody sits in front of it: it begins no login unless *may_log_in*. For GitHub, stdout is the
    job's log: it is told what to hide, and then the identity goes to the file that GITHUB_ENV names.
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
    unasked = "never" if format_name in ("process", "json") else "by setting"  # the two are one document
    taken = take(world, request, login="allowed" if may_log_in else unasked)
    change = export_for(taken.lease)
    text = FORMATS[format_name](taken.lease, change)
    notes = tuple(f"awsenv: {note}" for note in taken.notes)
    if format_name != "github":
        return Outcome(text, notes)
    notes += tuple(f"awsenv: {name} stays set in the later steps, which no step can undo: remove it from `env:`"
                   for name in change.unset if world.env.get(name) and name not in _EMPTIED)  # fmt: skip
    return Outcome(text, notes, append=(target, github.environment_file(_whole(change, world), secrets.token_hex(16))))


_EMPTIED = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")  # AWS's tools read an empty one as none


def _whole(change: EnvChange, world: World) -> list[tuple[str, str]]:
    """What the job's file gets: it can't unset, and beside new keys an old token would make all of it void."""
    return [*change.assign, *((name, "") for name in _EMPTIED if name in change.unset and world.env.get(name))]
