"""Lease → what changes in the environment. Pure. Its reverse, `off`, is quick.reverse."""

from __future__ import annotations

from awsenv import variables
from awsenv.model import EnvChange, Lease
from awsenv.prompt import Shown
from awsenv.settings import FIELDS


def change_for(lease: Lease, shown: Shown, options: str = "", region_before: str | None = None) -> EnvChange:
    """All that a shell needs to be *lease*, for a shim: what isn't set is unset.

    *shown* is how it presents itself; *options* are the `use` options that made it (AWSENV_OPTIONS); *region_before* is
    what the user had before awsenv.
    """
    assign = list(aws_variables(lease))
    assign.append(("AWSENV_PROFILE", lease.profile))
    if options:
        assign.append(("AWSENV_OPTIONS", options))
    if lease.account_id:
        assign.append(("AWSENV_ACCOUNT_ID", lease.account_id))
    if lease.role:
        assign.append(("AWSENV_ROLE", lease.role))
    assign.append(("AWSENV_LABEL", shown.label))
    if shown.kind:
        assign.append(("AWSENV_CLASS", shown.kind))
    if shown.fields != FIELDS:
        assign.append(("AWSENV_FIELDS", " ".join(shown.fields) or "none"))
    if lease.credentials is not None:
        unwanted = () if shown.renews else ("AWSENV_REFRESH_AT",)  # without it, no shell ever asks for a renewal
        ours = [pair for pair in lease.credentials.variables() if pair[0].startswith("AWSENV_")]
        assign += [pair for pair in ours if pair[0] not in unwanted]
    else:
        assign.append(("AWSENV_KEY_ID", f"profile:{lease.profile}"))
    if region_before:
        assign.append(("AWSENV_REGION_BEFORE", region_before))
    return _complete(assign, variables.MANAGED + variables.OWN)


def export_for(lease: Lease) -> EnvChange:
    """The same for `export` and `exec`: AWS's variables alone, and nothing of awsenv's."""
    return _complete(list(aws_variables(lease)), variables.MANAGED)


def aws_variables(lease: Lease) -> tuple[tuple[str, str], ...]:
    """The AWS_* variables of *lease*, in order."""
    assign: list[tuple[str, str]] = []
    if lease.credentials is not None:
        assign += [pair for pair in lease.credentials.variables() if pair[0].startswith("AWS_")]
        if lease.account_id and all(name != "AWS_ACCOUNT_ID" for name, _ in assign):
            assign.append(("AWS_ACCOUNT_ID", lease.account_id))
    else:
        assign.append(("AWS_PROFILE", lease.profile))
    if lease.region:
        assign += [("AWS_REGION", lease.region), ("AWS_DEFAULT_REGION", lease.region)]
    return tuple(assign)


def said_of(lease: Lease) -> str:
    """The person's line without the time left: `fuga · 222222222222 · ReadOnly`."""
    return " · ".join(part for part in (lease.profile, lease.account_id, lease.role, lease.narrowed) if part)


def _complete(assign: list[tuple[str, str]], managed: tuple[str, ...]) -> EnvChange:
    names = {name for name, _ in assign}
    return EnvChange(tuple(name for name in managed if name not in names), tuple(assign))
