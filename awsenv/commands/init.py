"""`init` as Typer meets it: the plain form is hot.py's, so what arrives here is a mistake or a missing home."""

from __future__ import annotations

from awsenv import hot
from awsenv.errors import Storage, Usage
from awsenv.model import Outcome
from awsenv.render.shells import DIALECTS
from awsenv.world import World


def run(world: World, shell: str, values: bool) -> Outcome:
    """The shim's text."""
    if shell not in DIALECTS:
        raise Usage(f"there is no shim for {shell}", hint=f"one of: {', '.join(DIALECTS)}")
    answer = hot.answer(["init", *(["--values"] if values else []), shell], world.env)
    if answer is None:
        raise Storage("there is no folder to keep credentials in", hint="set HOME or XDG_CACHE_HOME")
    return Outcome(answer.stdout.decode("utf-8", "surrogateescape"))
