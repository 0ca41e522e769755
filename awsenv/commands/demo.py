"""`demo`: the whole product in a throw-away home, against a fake AWS on loopback."""

from __future__ import annotations

from collections.abc import Mapping

from awsenv import hot
from awsenv.errors import Usage
from awsenv.model import Outcome
from awsenv.render.shells import DIALECTS
from awsenv.world import World


def run(world: World, command: tuple[str, ...], shell: str | None) -> Outcome:
    """Open the user's shell in the demo, or run *command* in it; the exit status is theirs."""
    try:
        from awsenv.demo.visit import visit  # moto is half a second; only the demo pays
    except ImportError as error:
        raise Usage(
            f"the demo needs a package that is not installed: {error.name}",
            hint="install awsenv with its demo extra: pip install '.[demo]' in the checkout",
        ) from None
    name = shell or _users_shell(world)
    if name not in DIALECTS:
        raise Usage(f"there is no shim for {name}", hint=f"awsenv demo --shell {next(iter(DIALECTS))}")
    code = visit(command or None, base_env=world.child_env(), shell_name=name, init_for=_shim)
    return Outcome(exit_code=code)


def _users_shell(world: World) -> str:
    import shellingham

    try:
        name: str = shellingham.detect_shell()[0]
    except shellingham.ShellDetectionFailure:
        name = (world.env.get("SHELL") or "bash").rpartition("/")[2]
    return name if name in DIALECTS else "bash"


def _shim(shell: str, env: Mapping[str, str]) -> str:
    """What `awsenv init` prints in *env*: the demo's own, for it names the store."""
    answer = hot.answer(["init", shell], env)
    assert answer is not None, "a shell of DIALECTS and a home are all that init needs"
    return answer.stdout.decode("utf-8", "surrogateescape")
