"""`list`: every profile, how it authenticates, and as whom."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from awsenv import hot
from awsenv.errors import AwsenvError
from awsenv.lease import Reading, plan_for
from awsenv.model import Outcome, Plan, UseRequest
from awsenv.ports import Ports, real
from awsenv.render.table import table
from awsenv.resolve import chain_keys
from awsenv.store import Store, open_store
from awsenv.text import left, show
from awsenv.world import World

# What differs from the step's own word for it.
WAYS = {
    "static": "keys",
    "assume-role": "role",
    "credential-process": "program",
    "mfa-session": "MFA",
    "web-identity": "web identity",
}


@dataclass(frozen=True)
class Row:
    """One profile. *state* is how long its stored session lasts; *reason* why the profile can't be used, else ""."""

    profile: str
    way: str
    account: str
    role: str
    region: str
    state: str
    reason: str = ""
    aliases: tuple[str, ...] = ()


def run(world: World, as_json: bool, names: bool, width: int, colour: bool) -> Outcome:
    """A table for people, JSON or bare names for programs."""
    if names:
        answer = hot.answer(["list", "--names"], world.env)
        if answer is not None:
            return Outcome(answer.stdout.decode("utf-8", "surrogateescape"))
    reading = Reading.of(world)
    if names:
        return Outcome("".join(f"{show(name)}\n" for name in reading.config.names()))
    store, _ = open_store(world.store_root, world.started)
    ports = real(world, store)
    aliases = _aliases(reading)
    rows = [
        replace(_row(world, reading, name, store, ports), aliases=tuple(aliases.get(name, ())))
        for name in reading.config.names()
    ]
    if as_json:
        return Outcome(json.dumps([{**vars(row)} for row in rows], indent=2) + "\n")
    if not rows:
        return Outcome(notes=(f"no profiles in {world.config_path} or {world.credentials_path}",))
    return Outcome(_text(rows, world.env.get("AWSENV_PROFILE"), width, colour))


def _aliases(reading: Reading) -> dict[str, list[str]]:
    """Profile → its aliases, without those that are void."""
    found: dict[str, list[str]] = {}
    for alias in reading.settings.aliases:
        if reading.meant(alias) != alias:
            found.setdefault(reading.meant(alias), []).append(alias)
    return found


def _text(rows: list[Row], current: str | None, width: int, colour: bool) -> str:
    """The table, of as many columns as fit whole, the reasons of what can't be used below it, a line each."""
    marked = [(("→ " if row.profile == current else "  ") + row.profile, row) for row in rows]
    columns = {"  profile": [name for name, _ in marked]}
    if any(row.aliases for row in rows):
        columns["alias"] = [" ".join(row.aliases) for row in rows]
    for name in ("account", "role", "state", "region", "way"):  # what is least missed comes last, and goes first
        column = [
            str(getattr(row, name)) if not row.reason or name != "state" else "can't be used" for _, row in marked
        ]
        wide = sum(max(len(show(cell)) for cell in (header, *cells)) + 3 for header, cells in columns.items())
        if wide + max(len(show(cell)) for cell in (name, *column)) <= width:
            columns[name] = column
    order = [name for name in ("  profile", "alias", "way", "account", "role", "region", "state") if name in columns]
    cells = [tuple(columns[name][i] for name in order) for i in range(len(rows))]
    reasons = "".join(f"{show(row.profile)}: {show(row.reason, 300)}\n" for row in rows if row.reason)
    return table(order, cells, width, colour) + (f"\n{reasons}" if reasons else "")


def _row(world: World, reading: Reading, name: str, store: Store, ports: Ports) -> Row:
    try:
        plan = plan_for(world, reading, UseRequest(name))
    except AwsenvError as error:
        place = f"{error.where.short(world.home)}: " if error.where else ""
        return Row(name, "?", "", "", "", "", place + error.what.rstrip(":"))
    account, role = plan.principal
    way = " → ".join(WAYS.get(step.kind, step.kind) for step in plan.steps)
    return Row(name, way, account or "", role or "", plan.region or "", _state(plan, store, ports))


def _state(plan: Plan, store: Store, ports: Ports) -> str:
    last = plan.steps[-1]
    if not last.stored:
        return "ready"
    stored = store.get(chain_keys(plan, ports)[-1])
    if stored is None or stored.expires_at is None or stored.expires_at <= ports.now():
        return ""
    return left(stored.expires_at - ports.now())
