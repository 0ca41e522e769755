"""The cold half of the front door: hot verbs that the store can't answer, and everything behind Typer. Errors end here."""

from __future__ import annotations

import gc
from collections.abc import Callable

from awsenv import hook, hot
from awsenv.errors import AwsenvError
from awsenv.model import Outcome, UseRequest
from awsenv.process import become
from awsenv.world import World


def run(argv: list[str], to_terminal: bool, say: Callable[[tuple[str, ...]], object]) -> Outcome:
    """The outcome of *argv*. Never raises: an error becomes its lines and its exit status.

    *to_terminal*: whether stdout, as it was at the start, is a terminal. *say* tells notes to a person before this
    process becomes another one.
    """
    gc.set_threshold(100_000)  # hardly anything that is imported is ever garbage; looking for it is 7 % of a cold `use`
    home = ""
    try:
        world = World.current()
        home = world.home
        outcome = _outcome(argv, world, to_terminal)
        if outcome.become:
            say(outcome.notes)
            become(outcome.become, outcome.environment or {})
    except AwsenvError as error:
        return Outcome(notes=tuple(error.lines(home)), exit_code=error.exit_code)
    except KeyboardInterrupt:
        return Outcome(notes=("awsenv: stopped; nothing changed",), exit_code=130)
    except Exception as error:
        return Outcome(notes=_bug(error), exit_code=1)
    return outcome


def append(path: str, text: str) -> Outcome:
    """Add *text* to the end of a file, as an outcome promised; what came of it."""
    from awsenv import job  # only a CI job pays

    try:
        job.append(path, text)
    except AwsenvError as error:
        return Outcome(notes=tuple(error.lines()), exit_code=error.exit_code)
    return Outcome()


def _outcome(argv: list[str], world: World, to_terminal: bool) -> Outcome:
    if argv and argv[0] in ("use", "refresh"):
        spelled = hot.parse(argv[0], argv[1:], world.env)
        if spelled is not None:
            from awsenv.commands import use  # the plain forms do without Typer, 7x a bare interpreter

            request = UseRequest(spelled.profile, spelled.region, spelled.duration, spelled.mode, spelled.fresh,
                                 over=spelled.over)  # fmt: skip
            return use.run(world, request, by_name=argv[0] == "use")
    if argv[:1] == [hook.VERB]:
        from awsenv import renewer

        return renewer.run(world, argv[1:])
    from awsenv.cli import dispatch

    return dispatch(argv, world, to_terminal)


def _bug(error: Exception) -> tuple[str, ...]:
    """Type and place, and not a word of the message: it may quote a secret."""
    import traceback  # only a bug pays

    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"awsenv: a bug of ours: {type(error).__name__} in {frame.name}, {frame.filename}:{frame.lineno}",
        "  hint: please report this line; nothing changed",
    )
