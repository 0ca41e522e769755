"""`explain`: the plan of a profile, before anything happens."""

from __future__ import annotations

import json
from dataclasses import replace

from awsenv import explain
from awsenv.lease import Reading, plan_for
from awsenv.model import Note, Outcome, UseRequest
from awsenv.ports import real
from awsenv.resolve import chain_keys
from awsenv.store import NoStore, open_store
from awsenv.world import World


def run(world: World, request: UseRequest, as_json: bool) -> Outcome:
    """Each step with the lines it comes from, fresh or to fetch. Touches no network, and no secret."""
    reading = Reading.of(world)
    plan = plan_for(world, reading, request)
    if plan.profile != request.profile:
        alias = Note(
            f"{request.profile} is an alias of this profile", reading.settings.origins[f"aliases.{request.profile}"]
        )
        plan = replace(plan, notes=(alias, *plan.notes))
    store, trouble = open_store(world.store_root, world.started)
    ports = real(world, store)
    states = []
    for key, step in zip(chain_keys(plan, ports), plan.steps, strict=True):
        stored = store.get(key) if step.stored else None
        states.append(explain.state_of(step, stored, world.clock(), kept=not isinstance(store, NoStore)))
    if as_json:
        return Outcome(json.dumps(explain.document(plan, states), indent=2) + "\n")
    return Outcome(explain.text(plan, states, world.home), (f"awsenv: {trouble}",) if trouble else ())
