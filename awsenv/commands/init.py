"""`init` as Typer meets it: a mistake or a missing home, for the plain form is hot.py's; and the copies that `setup` keeps."""

from __future__ import annotations

from awsenv import assets, hot
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


def copied(shell: str, folder: str) -> tuple[str, str]:
    """The paths of the shim's two files in *folder*, in the order of writing: the first is read by the other one."""
    dialect = DIALECTS[shell]
    return f"{folder}/{dialect.verbs}", f"{folder}/{dialect.file}"


def copies(world: World, shell: str, folder: str) -> dict[str, str]:
    """Path → text of both; they find each other in *folder*, so that an upgrade never pairs an old one with a new one."""
    dialect = DIALECTS[shell]
    installed, beside = (dialect.assignment("__awsenv_shell", where) for where in (assets.folder("shell"), folder))
    shim = run(world, shell, False).stdout
    assert f"{installed}\n" in shim, "the shim says where its second file is"
    texts = (assets.text("shell", dialect.verbs), shim.replace(installed, beside, 1))
    return dict(zip(copied(shell, folder), texts, strict=True))
