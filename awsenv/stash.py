"""The environment as it was before awsenv: this one, less what is ours, with what the shim kept laid over it. Pure.

The shim hands what it kept to a `use` that asks for it (stdout is then REQUEST), as records that end in NUL: NAME=VALUE
for what was exported, and nothing for what wasn't; on a descriptor, for an argument or a variable could be seen.
"""

from __future__ import annotations

from collections.abc import Mapping

from awsenv import variables

REQUEST = ": awsenv 1 stash\n"


def before(env: Mapping[str, str], kept: bytes | None) -> Mapping[str, str] | None:
    """What *env* was before awsenv, from what the shim has *kept*; None where that can't be told."""
    if kept is None:
        return env if not _is_ours(env) else None
    found = {name: value for name, value in env.items() if name not in variables.MANAGED}
    for record in kept.decode("utf-8", "surrogateescape").split("\0"):
        name, equals, value = record.partition("=")
        if equals and name in variables.MANAGED:
            found[name] = value
    return found


def _is_ours(env: Mapping[str, str]) -> bool:
    """Whether awsenv has changed *env*, and nobody has put keys of his own over it since."""
    if not env.get("AWSENV_PROFILE"):
        return False
    key = env.get("AWS_ACCESS_KEY_ID", "")
    return not key or key == env.get("AWSENV_KEY_ID")
