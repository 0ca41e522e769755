"""A plan in words: each step, the lines it was read from, and whether it is fresh. Pure; a plan holds no secret."""

from __future__ import annotations

from collections.abc import Sequence

from awsenv.model import Credentials, Plan, Step
from awsenv.text import left, show


def state_of(step: Step, stored: Credentials | None, now: float, kept: bool) -> str:
    """`fresh, 47m left`, `to fetch`, or how the step's keys are read."""
    if not step.stored:
        return step.at_hand
    if stored is None:
        return "to fetch" if kept else "to fetch (nothing can be kept here)"
    if stored.expires_at is None:
        return "fresh"
    remaining = left(stored.expires_at - now)
    return (
        f"fresh, {remaining} left"
        if stored.is_fresh(now)
        else f"to fetch ({remaining} left)".replace("expired left", "expired")
    )


def text(plan: Plan, states: Sequence[str] | None = None, home: str = "") -> str:
    """The plan for a person; *states*, one per step, may be left out (the goldens do: they depend on the clock)."""
    lines = [
        f"{show(plan.profile)}   region {show(plan.region)}" if plan.region else f"{show(plan.profile)}   no region"
    ]
    if plan.wraps is not None:
        lines.append(
            f"its credential_process is awsenv's own, for {show(plan.wraps)}: answered here, without a process"
        )
    for number, step in enumerate(plan.steps, 1):
        state = f"   [{states[number - 1]}]" if states is not None else ""
        lines.append(f"{number}. {show(step.title(), 300)}{state}")
        rows = [("profile", show(step.profile), "")]
        rows += [(s.key, show(s.value, 200), show(s.where.short(home), 200)) for s in step.settings]
        wide = max(len(key) for key, *_ in rows)
        far = max(len(value) for _, value, _ in rows)
        lines += [f"   {key:<{wide}}  {value:<{far}}  {where}".rstrip() for key, value, where in rows]
    lines += [f"note: {show(note.line(home), 400)}" for note in plan.notes]
    return "\n".join(lines) + "\n"


def document(plan: Plan, states: Sequence[str]) -> dict[str, object]:
    """The same for a program."""
    return {
        "profile": plan.profile,
        "region": plan.region,
        "wraps": plan.wraps,
        "steps": [
            {
                "kind": step.kind,
                "profile": step.profile,
                "title": step.title(),
                "state": state,
                "settings": [
                    {"key": s.key, "value": s.value, "file": s.where.file, "line": s.where.line or None}
                    for s in step.settings
                ],
            }
            for step, state in zip(plan.steps, states, strict=True)
        ],
        "notes": [note.line() for note in plan.notes],
    }
