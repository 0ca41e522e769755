"""`trust`: let a config file that is not plainly one's own start the programs that it names; any edit takes that back."""

from __future__ import annotations

import os

from awsenv import place
from awsenv.errors import Config, Usage
from awsenv.files import read
from awsenv.model import Origin, Outcome, Setting
from awsenv.ports import Asker, real
from awsenv.store import NoStore
from awsenv.text import show, word
from awsenv.trust import DELICATE, Gate, commands_in, gate, origin_of
from awsenv.world import World


def run(world: World, path: str | None, listed: bool, removed: bool, yes: bool) -> Outcome:
    """Show what a file would start, ask, and remember it; without *path* the two files that are in force.

    Raises Usage where there is no terminal to ask on, Config where there is nothing to trust.
    """
    if listed and (removed or path is not None or yes):
        raise Usage("--list goes alone", hint="awsenv trust --list")
    if path == "":
        raise Usage("the path is empty", hint="awsenv trust PATH")
    keeper = gate(world)
    if listed:
        return Outcome("".join(f"{show(line, 4000)}\n" for line in _listed(keeper)))
    paths = [path] if path is not None else [world.config_path, world.credentials_path]
    if removed:
        gone = [each for each in paths if keeper.forget(each)]
        if not gone:
            raise Config(f"{' and '.join(paths)}: not trusted before either", hint="awsenv trust --list")
        return Outcome(notes=tuple(f"trusted no more: {each}" for each in gone))
    notes: list[str] = []
    for each in paths:
        notes += _trusted(world, keeper, each, yes, is_asked_for=path is not None)
    return Outcome(notes=tuple(notes))


def _trusted(world: World, keeper: Gate, path: str, yes: bool, is_asked_for: bool) -> list[str]:
    data = read(path)
    if not data:
        if is_asked_for:
            raise Config(f"there is no file {path}, or nothing in it")
        return []
    origin = origin_of(path, data)
    if os.path.basename(path) == place.FILE:
        return _trusted_place(world, keeper, origin, data, yes)
    commands, delicate = commands_in(path, data), commands_in(path, data, DELICATE)
    if keeper.stranger(path) is None:
        return [f"{path} is yours alone, and may start programs as it is"]
    if keeper.is_trusted(origin):
        return [f"{path} is trusted already"]
    if not (commands or delicate):
        return [f"{path} names no program, endpoint or certificates: there is nothing to trust"]
    asker = real(world, NoStore()).asker
    if commands:
        asker.say(f"{path} may then start, in your name:\n{_lines(commands)}")
    if delicate:
        asker.say(f"{path} may then say who answers for AWS:\n{_lines(delicate)}")
    return _agreed(asker, keeper, origin, path, yes)


def _trusted_place(world: World, keeper: Gate, origin: Origin, data: bytes, yes: bool) -> list[str]:
    path = os.path.abspath(origin.path)
    found = place.of_file(os.path.dirname(path), path)
    if found.problem or found.data != data:
        raise Config(f"{path} {found.problem or 'has changed just now'}")
    if keeper.is_trusted(origin):
        return [f"{path} is trusted already"]
    asker = real(world, NoStore()).asker
    asker.say(f"{path} may then say who a shell is in its folder:\n  {show(found.line, 2000)}")
    return _agreed(asker, keeper, origin, path, yes)


def _agreed(asker: Asker, keeper: Gate, origin: Origin, path: str, yes: bool) -> list[str]:
    """Trust the content that was just shown, if the person says so; raises Config where he doesn't."""
    if not yes:
        if not asker.is_present():
            raise Usage("there is no terminal to ask on", hint=f"awsenv trust {word(path)} --yes")
        if not asker.confirm("Trust this file, as it is now?"):
            raise Config(f"{path} is not trusted: nothing changed")
    keeper.trust(origin)
    return [f"{path} is trusted until it changes"]


def _lines(settings: list[Setting]) -> str:
    return "\n".join(f"  {show(str(line.where))}: {line.key} = {show(line.value, 2000)}" for line in settings)


def _listed(keeper: Gate) -> list[str]:
    lines = []
    for record in keeper.records():
        try:
            data = read(record.path)
        except Config:
            data = b""
        is_same = origin_of(record.path, data).digest == record.digest
        lines.append(record.path if is_same else f"{record.path}   {'changed' if data else 'gone'}: trusted no more")
    return lines
