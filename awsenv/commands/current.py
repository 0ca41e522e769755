"""`current`: who this shell is, from its variables alone. The plain form is hot.py's; this is `--json`."""

from __future__ import annotations

import json

from awsenv import hot, quick
from awsenv.model import Outcome
from awsenv.world import World


def run(world: World, as_json: bool) -> Outcome:
    """Exit status 3 where there is no identity."""
    if not as_json:
        answer = hot.answer(["current"], world.env)
        assert answer is not None, "hot.py always answers a plain `current`"
        return Outcome(
            answer.stdout.decode("utf-8", "surrogateescape"), (answer.said,) if answer.said else (), answer.code
        )
    profile = world.env.get("AWSENV_PROFILE")
    expires = world.env.get("AWSENV_EXPIRES_AT", "")
    document = {
        "profile": profile,
        "account": world.env.get("AWSENV_ACCOUNT_ID"),
        "role": world.env.get("AWSENV_ROLE"),
        "narrowed": quick.narrowed(world.env) or None,
        "region": world.env.get("AWS_REGION"),
        "expires_at": int(expires) if expires.isascii() and expires.isdigit() else None,
        "drift": bool(quick.drifted(world.env)) if profile else False,
    }
    return Outcome(json.dumps(document, indent=2) + "\n", exit_code=0 if profile else 3)
