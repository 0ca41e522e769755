"""Plan + Store + Ports → Credentials: the newest fresh step is taken from the store, what comes after it is fetched."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from awsenv import shelf
from awsenv.errors import AwsenvError, Interrupted, Storage
from awsenv.model import Credentials, Plan, Step
from awsenv.ports import Ports
from awsenv.store import Store
from awsenv.text import left

LEAST = 60.0  # seconds; what has less left is as good as gone


@dataclass(frozen=True)
class Resolved:
    """Credentials, whether nothing had to be fetched for them, and what a person should hear."""

    credentials: Credentials
    reused: bool
    notes: tuple[str, ...] = ()
    trouble: AwsenvError | None = None  # why they were not renewed, though that was due


def chain_keys(plan: Plan, ports: Ports) -> list[str]:
    """A store key per step: who calls is part of it, so that one role reached by two ways has two; prefixes are shared."""
    keys: list[str] = []
    # A token of STS's global endpoint is void in the regions that have to be opted in to.
    before, login = "global" if (plan.network.sts_regional or "").lower() == "legacy" else "", ""
    for step in plan.steps:
        parts = (before, step.kind, *step.identity(), step.binding(ports))
        before = hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
        login = step.login() or login  # all that was got through a login is named after it: a logout finds it
        keys.append(f"{login}-{before}" if login else before)
    return keys


def resolve(plan: Plan, store: Store, ports: Ports, *, fresh: bool = False, early: bool = False) -> Resolved:
    """Credentials for *plan*; with *fresh*, all anew; *early*: renewed before an SDK would ask again (shelf.early).

    Inside the renewal window they are renewed; where that fails, what is stored is served, with a note, while it has a
    minute left. Raises what the step that failed raised.
    """
    keys = chain_keys(plan, ports)
    stored = [store.get(key) if step.stored else None for key, step in zip(keys, plan.steps, strict=True)]
    last = stored[-1]
    try:
        return _walk(plan, keys, stored, store, ports, fresh, early)
    except Interrupted:
        raise
    except AwsenvError as error:
        now = ports.now()
        if fresh or last is None or last.expires_at is None or last.expires_at - now < LEAST:
            raise
        note = f"could not renew ({error.what}); what is stored is good for {left(last.expires_at - now)}"
        return Resolved(last, True, (note,), error)


def _walk(
    plan: Plan,
    keys: list[str],
    stored: list[Credentials | None],
    store: Store,
    ports: Ports,
    fresh: bool,
    early: bool,
) -> Resolved:
    credentials: Credentials | None = None
    start = 0
    if not fresh:
        for i in range(len(stored) - 1, -1, -1):
            found = stored[i]
            is_last = i == len(stored) - 1
            if found is not None and _is_fresh(found, ports.now(), early and is_last):
                start, credentials = i + 1, found
                break
    reused = start == len(plan.steps)
    if not reused:
        for each in plan.delicate:
            ports.trust.require(each.origin, each.deed, each.where)
    for step in plan.steps[start:]:
        step.check(ports)
    notes: list[str] = []
    for key, step, seen in list(zip(keys, plan.steps, stored, strict=True))[start:]:
        credentials = (
            _fetch(step, key, seen, credentials, store, ports, notes) if step.stored else step.fetch(credentials, ports)
        )
        reused = reused and not step.stored
    assert credentials is not None, "a plan has at least one step"
    return Resolved(credentials, reused, tuple(notes))


def _is_fresh(found: Credentials, now: float, early: bool) -> bool:
    if early and found.expires_at is not None and found.refresh_at is not None:
        return found.is_fresh(now) and now < shelf.early(found.expires_at, found.refresh_at, found.issued_at)
    return found.is_fresh(now)


def _fetch(
    step: Step,
    key: str,
    seen: Credentials | None,
    upstream: Credentials | None,
    store: Store,
    ports: Ports,
    notes: list[str],
) -> Credentials:
    with store.locked(key):
        quicker = store.get(key)  # another process may have fetched it while we waited for the lock
        if quicker is not None and quicker != seen and quicker.is_fresh(ports.now()):
            return quicker
        credentials = step.fetch(upstream, ports)
        if credentials.account_id is None:
            credentials = replace(credentials, account_id=step.principal()[0])
        if credentials.expires_at is None:
            return credentials  # long-lived, from a program: it is never copied, and the program asked again
        try:
            store.put(key, credentials)
        except Storage as error:
            notes.append(
                f"{error.what}: these credentials are not kept" + (f" (fix: {error.hint})" if error.hint else "")
            )
        return credentials
