"""`exec`: become a command that runs as an identity; nothing stays in the shell."""

from __future__ import annotations

from awsenv.change import export_for
from awsenv.errors import Config, Usage
from awsenv.lease import take
from awsenv.model import Outcome, UseRequest
from awsenv.render.shells import is_exportable
from awsenv.world import World


def run(world: World, request: UseRequest, command: tuple[str, ...]) -> Outcome:
    """The environment to become *command* in."""
    if not command:
        raise Usage("no command to run", hint="awsenv exec NAME -- aws sts get-caller-identity")
    taken = take(world, request, guarded="exec")
    change = export_for(taken.lease)
    env = world.child_env()
    for name in change.unset:
        env.pop(name, None)
    for name in [name for name in env if name.startswith("AWSENV_")]:
        del env[name]  # they would speak of the shell's identity, not of this one
    for name, value in change.assign:
        if not is_exportable(value):
            raise Config(f"{name} would hold control characters; nothing is started with that")
        env[name] = value
    return Outcome(notes=tuple(f"awsenv: {note}" for note in taken.notes), become=command, environment=env)
