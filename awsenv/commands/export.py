"""`export`: an identity on stdout, for a script or as a credential_process."""

from __future__ import annotations

from awsenv.change import export_for
from awsenv.errors import Usage
from awsenv.lease import take
from awsenv.model import Outcome, UseRequest
from awsenv.render.formats import FORMATS
from awsenv.text import word
from awsenv.world import World


def run(
    world: World, request: UseRequest, format_name: str, show: bool, to_terminal: bool, may_log_in: bool = False
) -> Outcome:
    """The identity in *format_name*; a terminal gets no secret unless *show*.

    As a credential_process nobody sits in front of it: it begins no login unless *may_log_in*.
    """
    if format_name not in FORMATS:
        raise Usage(f"there is no format {format_name}", hint=f"one of: {', '.join(FORMATS)}")
    if to_terminal and not show:
        raise Usage(
            "this would put secret keys on your screen",
            hint=f"awsenv export {word(request.profile)} --format {format_name} --show",
        )
    unasked = "never" if format_name == "process" else "by setting"
    taken = take(world, request, login="allowed" if may_log_in else unasked)
    text = FORMATS[format_name](taken.lease, export_for(taken.lease))
    return Outcome(text, tuple(f"awsenv: {note}" for note in taken.notes))
