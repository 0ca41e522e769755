"""`doctor`: what is wrong with the files, the shell and the machine, what comes of it, and what to write instead."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from awsenv import config_writer
from awsenv.doctor import live
from awsenv.doctor.checks import examine
from awsenv.doctor.examination import Examined
from awsenv.doctor.finding import Finding
from awsenv.doctor.gather import gather
from awsenv.doctor.mending import fixes_of, mended, modes_of
from awsenv.doctor.mending import shown as shown_edits
from awsenv.errors import Usage
from awsenv.model import Outcome
from awsenv.ports import Ports, real
from awsenv.render.diff import coloured
from awsenv.render.findings import Look, document, plain, report
from awsenv.replacing import set_mode
from awsenv.store import open_store
from awsenv.text import show, word
from awsenv.world import World


@dataclass(frozen=True)
class Request:
    """The command line. *name* None: everything."""

    name: str | None = None
    fix: bool = False
    yes: bool = False
    dry_run: bool = False
    as_json: bool = False


def run(world: World, request: Request, look: Look) -> Outcome:
    """Exit status 3 where there is an error among the findings, 0 otherwise; of NAME that of the step that failed."""
    if request.name == "":
        raise Usage("the name of the profile is empty", hint="awsenv doctor NAME")
    if (request.yes or request.dry_run) and not request.fix:
        raise Usage(f"{'--yes' if request.yes else '--dry-run'} goes with --fix", hint="awsenv doctor --fix")
    if request.yes and request.dry_run:
        raise Usage("--yes and --dry-run contradict each other", hint="awsenv doctor --fix --dry-run")
    ports = real(world, open_store(world.store_root, world.started)[0])
    facts, findings = _examined(world, request.name, ports)
    if not request.fix:
        return _reported(world, request, look, facts, findings)
    return _fixed(world, request, look, ports, facts, findings)


def _examined(world: World, name: str | None, ports: Ports) -> tuple[Examined, tuple[Finding, ...]]:
    facts = gather(world, name, ports)
    if name is not None and not facts.config.has(name) and not facts.sections_named(name):
        raise facts.config.unknown(name)
    return facts, examine(facts)


def _reported(
    world: World, request: Request, look: Look, facts: Examined, findings: tuple[Finding, ...], fixed: int = 0
) -> Outcome:
    """What was found, and with a name the steps tried for real."""
    tried, steps, code = _tried(world, request, facts, findings)
    # A login that is missing is a note as long as nobody needs it; the step that does has said so.
    findings = tuple(f for f in findings if not (tried and code and f.code == "not-logged-in")) + tried
    status = _status(findings)
    if request.as_json:
        answer: dict[str, Any] = {"findings": [document(finding) for finding in findings], "fixed": fixed}
        if request.name is not None:
            answer |= {"profile": request.name, "steps": steps}
        return Outcome(json.dumps(answer, indent=2) + "\n", (), code or status)
    name = f" {word(request.name)}" if request.name is not None else ""
    rows = report(findings, facts.line_at, facts.home, look, f"awsenv doctor{name} --fix")
    lines = [*(plain(show(line, 500), look) for line in steps), *rows]
    return Outcome("".join(f"{line}\n" for line in lines), (), code or status)


def _tried(
    world: World, request: Request, facts: Examined, findings: Sequence[Finding]
) -> tuple[tuple[Finding, ...], list[Any], int]:
    """(findings, lines or documents of the steps, exit status) of the live part; nothing without a name."""
    if request.name is None or not facts.config.has(request.name):
        return (), [], 0
    done = live.run(world, facts, request.name)
    return done.findings, list(done.steps if request.as_json else done.lines), done.exit_code


def _fixed(
    world: World, request: Request, look: Look, ports: Ports, facts: Examined, findings: tuple[Finding, ...]
) -> Outcome:
    """The safe fixes: all of them shown, asked about once, written file by file, and then what is left."""
    fixes = fixes_of(findings)
    files = [config_writer.read(path) for path in dict.fromkeys((world.config_path, world.credentials_path))]
    texts = {file.path: mended(file.text, file.path, fixes) for file in files}
    changed = [file for file in files if texts[file.path] != file.text]
    modes = modes_of(fixes)
    if not changed and not modes:
        return _reported(world, request, look, facts, findings)
    for file in changed:
        config_writer.require_writable(file)
    shown: list[str] = []
    for file in changed:
        shown += [_short(file.path, facts.home), *shown_edits(file.text, file.path, fixes), ""]
    shown += [f"chmod {mode:o} {_short(path, facts.home)}" for path, mode in sorted(modes.items())]
    count = len(fixes)
    if request.dry_run:
        if request.as_json:
            return _reported(world, request, look, facts, findings)
        rows = [*coloured(shown, look.colour), f"{_counted(count)} would be made"]
        return Outcome("".join(f"{row}\n" for row in rows), (), _status(findings))
    if not request.yes:
        if request.as_json:
            raise Usage("--fix --json changes files only with --yes", hint="awsenv doctor --fix --json --yes")
        if not ports.asker.is_present():
            raise Usage(
                "there is no terminal to ask on: nothing is changed", hint="awsenv doctor --fix --yes   (or --dry-run)"
            )
        if not ports.asker.confirm("\n".join((*coloured(shown, look.colour), f"Make {_counted(count)}?"))):
            return Outcome("", ("awsenv: nothing is changed",), _status(findings))
    for file in changed:
        config_writer.write(file, texts[file.path])
    for path, mode in modes.items():
        set_mode(path, mode)
    facts, findings = _examined(world, request.name, ports)
    left = _reported(world, request, look, facts, findings, fixed=count)
    if request.as_json:
        return left
    head = [] if not request.yes else [*coloured(shown, look.colour), ""]
    made = "".join(f"{row}\n" for row in (*head, f"{_counted(count)} made; what is left:", ""))
    return Outcome(made + left.stdout, left.notes, left.exit_code)


def _status(findings: Sequence[Finding]) -> int:
    return 3 if any(finding.level == "error" for finding in findings) else 0


def _counted(count: int) -> str:
    return f"{count} change{'' if count == 1 else 's'}"


def _short(path: str, home: str) -> str:
    return show(f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path, 300)
