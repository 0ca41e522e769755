"""`explain`: the plan of a profile, before anything happens."""

from __future__ import annotations

import json

from awsenv import explain
from awsenv.lease import Reading, plan_for
from awsenv.model import Outcome, UseRequest
from awsenv.ports import real
from awsenv.resolve import chain_keys
from awsenv.store import NoStore, open_store
from awsenv.world import World


def run(world: World, request: UseRequest, as_json: bool) -> Outcome:
    """Each step with the lines it comes from, fresh or to fetch. Touches no network, and no secret."""
    plan = plan_for(world, Reading.of(world), request)
    store, trouble = open_store(world.store_root)
    ports = real(world, store)
    states = []
    for key, step in zip(chain_keys(plan, ports), plan.steps, strict=True):
        stored = store.get(key) if step.stored else None
        states.append(explain.state_of(step, stored, world.clock(), kept=not isinstance(store, NoStore)))
    if as_json:
        return Outcome(json.dumps(explain.document(plan, states), indent=2) + "\n")
    return Outcome(explain.text(plan, states, world.home), (f"awsenv: {trouble}",) if trouble else ())
