"""`wrap`: profiles in the AWS config file that ask awsenv for others, for programs that outlive a shell's credentials."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from awsenv import assets, config_writer, wrapping
from awsenv.config import AwsConfig
from awsenv.config_writer import WRAP
from awsenv.errors import Usage
from awsenv.files import read
from awsenv.lease import Reading, plan_for
from awsenv.model import Outcome, Plan, UseRequest
from awsenv.ports import Asker, real
from awsenv.proposal import Face, Proposal, require_possible
from awsenv.sources.assume_role import AssumeRole
from awsenv.sources.mfa_session import MfaSession
from awsenv.store import NoStore
from awsenv.text import show, word
from awsenv.world import World
from awsenv.wrapping import Row, Wish, rows_for


@dataclass(frozen=True)
class Request:
    """The command line. Without *profiles*, all that are wrapped are written anew, or with *remove* taken out."""

    profiles: tuple[str, ...] = ()
    names: str | None = None
    remove: bool = False
    prune: bool = False
    yes: bool = False
    dry_run: bool = False
    as_json: bool = False

    @property
    def writes(self) -> bool:
        """Whether anything may be written in the end."""
        return not self.dry_run and (self.yes or not self.as_json)

    def again(self) -> str:
        """The command that needs no answer."""
        words = ["awsenv wrap", *(["--remove"] if self.remove else []), *map(word, self.profiles)]
        return f"{' '.join(words)} --yes   (or --dry-run, --json)"


def run(world: World, request: Request, face: Face) -> Outcome:
    """Compose the block, show the difference, ask, write it once."""
    if request.remove and (request.names is not None or request.prune):
        raise Usage("--remove takes names and nothing else", hint="awsenv wrap --remove NAME")
    template = request.names if request.names is not None else wrapping.TEMPLATE
    wrapping.check_template(template, len(request.profiles))
    reading = Reading.of(world)
    request = replace(request, profiles=tuple(reading.meant(name) for name in request.profiles))
    asker = real(world, NoStore()).asker
    file = config_writer.read(world.config_path)
    block = config_writer.find_block(file.text, wrapping.BLOCK, file.path, WRAP)
    held = wrapping.held_in(config_writer.sections_in(file.text, block), file.path)
    if not held and not request.profiles:
        raise Usage("no profile is wrapped; which ones?", hint="awsenv wrap NAME")
    if request.writes:
        require_possible(file, asker, request.yes, request.again())
    theirs = config_writer.outside(file.text, block).encode("utf-8", "surrogateescape")
    others = AwsConfig(theirs, read(world.credentials_path), file.path, world.credentials_path)
    remove = request.profiles if request.remove else None
    wish = Wish(program(world), () if request.remove else request.profiles, template, request.prune, remove)
    rows = rows_for(wish, held, others)
    # Before anything is written: a profile that awsenv itself can't use would be wrapped in vain.
    plans = [plan_for(world, reading, UseRequest(row.profile)) for row in rows if row.profile in wish.profiles]
    made = [row.section for row in rows if row.state != "removed"]
    after = config_writer.with_block(file.text, wrapping.BLOCK, made, file.path, WRAP)
    lines = {f"{wrapping.KEY} = {row.process}" for row in rows}
    lines |= {f"{wrapping.KEY} = {dict(section.settings)[wrapping.KEY]}" for section in held.values()}
    proposal = Proposal(file, after, world.home, lines)
    return _settled(request, face, proposal, rows, _notes(request, rows, plans), asker)


def program(world: World) -> tuple[str, ...]:
    """How this awsenv is started from anywhere: its script on the PATH, else the one beside its interpreter, else itself."""
    found = shutil.which("awsenv", path=world.env.get("PATH", os.defpath))
    for path in (found, os.path.join(os.path.dirname(sys.executable), "awsenv")):
        if path is not None and _is_ours(path):
            return (os.path.abspath(path),)
    return (sys.executable, "-I", "-S", assets.MAIN)


def _is_ours(path: str) -> bool:
    """Whether a script starts awsenv with this very interpreter; `awsenv` may be another project's, or another version."""
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    folder = os.path.dirname(sys.executable).encode() + b"/"
    return b"awsenv.__main__" in head and folder in head and os.access(path, os.X_OK)


def _settled(
    request: Request, face: Face, proposal: Proposal, rows: Sequence[Row], notes: tuple[str, ...], asker: Asker
) -> Outcome:
    place = proposal.place
    if request.as_json:
        if request.writes:
            proposal.write()
        return Outcome(f"{json.dumps([row.document() for row in rows], indent=2)}\n", notes)
    if proposal.is_nothing:
        return Outcome(notes=(*notes, f"awsenv: {place} has all of that already: {_counted(rows)}"))
    if request.dry_run or request.yes:
        if request.writes:
            proposal.write()
        said = f"{_said(rows, 'would be ' if request.dry_run else '')} in {place}"
        return Outcome(proposal.printed(face, (said, *(_next(rows) * request.writes))), notes)
    about = (*(show(note, 500) for note in notes), f"{_said(rows, 'will be ')} in {place}. Write this?")
    if not proposal.is_agreed(asker, face, about, "; --dry-run shows them all"):
        return Outcome(notes=("awsenv: nothing is changed",))
    return Outcome(notes=(f"awsenv: {_said(rows, '')}", *_next(rows)))


def _notes(request: Request, rows: Sequence[Row], plans: Sequence[Plan]) -> tuple[str, ...]:
    """What a person should know, a line each."""
    notes = [note for plan in plans for note in _needs(plan)]
    gone = [row for row in rows if row.state == "gone"]
    for row in gone:
        notes.append(f'"{show(row.name)}" asks for "{show(row.profile)}", which is no more; --prune removes it')
    if request.names is not None and any(row.state in ("kept", "changed") for row in rows):
        notes.append("profiles that are wrapped already keep their names, whatever --names says")
    return tuple(f"awsenv: {note}" for note in notes)


def _needs(plan: Plan) -> list[str]:
    """What only a person, or this very shell, can give: a program that asks for the profile gets none of it."""
    use = f"`awsenv use {word(plan.profile)}`"
    needs = []
    for step in plan.steps:
        if isinstance(step, MfaSession) and step.device.program is None:
            needs.append(f"takes an MFA code: {use} asks for it, and its session serves programs for twelve hours")
        elif isinstance(step, AssumeRole) and step.device is not None and step.device.program is None:
            needs.append(
                f"takes an MFA code of its own: {use} asks for it, and programs have the role until it expires"
            )
        if step.is_of_this_shell():
            needs.append("hangs on this shell's environment, which programs started elsewhere have not")
    return [f'"{show(plan.profile)}" {need}' for need in needs]


def _said(rows: Sequence[Row], tense: str) -> str:
    counts = {state: sum(row.state == state for row in rows) for state in ("added", "changed", "removed")}
    parts = [f"{count:,} profile{'' if count == 1 else 's'} {tense}{state}" for state, count in counts.items() if count]
    return ", ".join(parts) or f"the block {tense}written anew"


def _next(rows: Sequence[Row]) -> tuple[str, ...]:
    first = next((row.name for row in rows if row.state == "added"), None)
    return (
        (f"next: AWS_PROFILE={word(first)} in the program's environment, or this name in its settings",)
        if first
        else ()
    )


def _counted(rows: Sequence[Row]) -> str:
    return f"{len(rows):,} profile{'' if len(rows) == 1 else 's'}"
