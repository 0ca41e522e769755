"""Who may assume which role, for how long: AWS's rules as pure functions that return a Refusal or None."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Literal

from .refusal import Refusal

ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(?:.+/)?([\w+=,.@-]{1,64})")
SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
CHAINED_SECONDS = 3600


@dataclass(frozen=True)
class Caller:
    """Who signed a request. `identity` is the ARN that a trust policy names: the user's or the role's own."""

    access_key_id: str
    arn: str
    account: str
    identity: str
    kind: Literal["user", "user session", "role session", "federated user"]
    has_mfa: bool = False
    is_chained: bool = False
    """A role session that was made by another one."""


@dataclass(frozen=True)
class TrustedRole:
    """A role's trust policy. `trusts` holds principal ARNs, account ids, account root ARNs, or "*"."""

    arn: str
    trusts: frozenset[str] = frozenset()
    external_id: str | None = None
    mfa: bool = False
    max_seconds: int = 12 * 3600
    web_identity_tokens: frozenset[str] = frozenset()
    web_identities: frozenset[str] = frozenset()
    """The subjects of an identity provider's tokens that it trusts."""


@dataclass(frozen=True)
class Ask:
    """What AssumeRole was asked."""

    role_arn: str
    session_name: str
    seconds: int | None = None
    external_id: str | None = None
    policy: str | None = None
    policy_arns: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    source_identity: str | None = None


def permission_set_role(account: str, permission_set: str) -> str:
    """The ARN of the role that Identity Center keeps in an account for a permission set; always the same here."""
    suffix = hashlib.sha256(f"{account}/{permission_set}".encode()).hexdigest()[:16]
    return f"arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_{permission_set}_{suffix}"


def malformed(ask: Ask) -> Refusal | None:
    """Checked before anything is looked up, as AWS does."""
    if not ROLE_ARN.fullmatch(ask.role_arn):
        return Refusal(400, "ValidationError", f"{ask.role_arn} is invalid")
    if not SESSION_NAME.fullmatch(ask.session_name):
        return unfit(ask.session_name, "roleSessionName", r"satisfy regular expression pattern: [\w+=,.@-]*")
    return out_of_range(ask.seconds, 43200) or _unfit_session(ask)


def _unfit_session(ask: Ask) -> Refusal | None:
    """What an external id, session policies, tags and a source identity have to be, by the model of STS."""
    for value, member, pattern in (
        (ask.external_id, "externalId", r"[\w+=,.@:\/-]*"),
        (ask.source_identity, "sourceIdentity", r"[\w+=,.@-]*"),
    ):
        if value is not None and not (len(value) > 1 and re.fullmatch(pattern, value, re.ASCII)):
            return unfit(value, member, f"satisfy regular expression pattern: {pattern}")
    if len(ask.policy_arns) > 10:
        return unfit(list(ask.policy_arns), "policyArns", "have length less than or equal to 10")
    if len(ask.tags) > 50:
        return unfit(len(ask.tags), "tags", "have length less than or equal to 50")
    for key, value in ask.tags:
        if not re.fullmatch(r"[\w\s.:/=+\-@]{1,128}", key) or not re.fullmatch(r"[\w\s.:/=+\-@]{0,256}", value):
            return unfit(key, "tags", r"satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+")
    return _unfit_policies(ask)


def _unfit_policies(ask: Ask) -> Refusal | None:
    partition, account = ask.role_arn.split(":")[1], ask.role_arn.split(":")[4]
    for arn in ask.policy_arns:
        if not re.fullmatch(rf"arn:{partition}:iam::(aws|{account}):policy/[\w+=,.@/-]+", arn, re.ASCII):
            return Refusal(400, "ValidationError", f"{arn} is invalid")
    if ask.policy is None:
        return None
    if len(ask.policy) > 2048:
        return unfit("…", "policy", "have length less than or equal to 2048")
    try:
        document = json.loads(ask.policy)
        statements = document["Statement"]
        statements = statements if isinstance(statements, list) else [statements]
        whole = all(s["Effect"] in ("Allow", "Deny") and ("Action" in s or "NotAction" in s) for s in statements)
    except (ValueError, KeyError, TypeError):
        whole = False
    return None if whole else Refusal(400, "MalformedPolicyDocument", "Syntax errors in policy.")


def out_of_range(seconds: int | None, most: int) -> Refusal | None:
    if seconds is not None and seconds < 900:
        return unfit(seconds, "durationSeconds", "have value greater than or equal to 900")
    if seconds is not None and seconds > most:
        return unfit(seconds, "durationSeconds", f"have value less than or equal to {most}")
    return None


def unfit(value: object, member: str, must: str) -> Refusal:
    text = f"Value '{value}' at '{member}' failed to satisfy constraint: Member must {must}"
    return Refusal(400, "ValidationError", f"1 validation error detected: {text}")


def untrusted(ask: Ask, caller: Caller, role: TrustedRole | None, has_mfa: bool) -> Refusal | None:
    """AWS words a missing role, a wrong external id, missing MFA and a stranger alike: nobody can probe for roles."""
    trusted = (
        role is not None
        and not role.trusts.isdisjoint(names_of(caller))
        and role.external_id in (None, ask.external_id)
        and (has_mfa or caller.has_mfa or not role.mfa)
    )
    return None if trusted else denied(caller.arn, "sts:AssumeRole", ask.role_arn)


def names_of(caller: Caller) -> frozenset[str]:
    """Every way in which a trust policy can name this caller."""
    account_root = f"arn:aws:iam::{caller.account}:root"
    return frozenset({caller.arn, caller.identity, caller.account, account_root, "*"})


def denied(principal: str, action: str, resource: str) -> Refusal:
    return Refusal(
        403, "AccessDenied", f"User: {principal} is not authorized to perform: {action} on resource: {resource}"
    )


def too_long(ask: Ask, role: TrustedRole, is_chained: bool) -> Refusal | None:
    seconds = ask.seconds or CHAINED_SECONDS
    if is_chained and seconds > CHAINED_SECONDS:
        limit = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        return Refusal(400, "ValidationError", limit)
    if seconds > role.max_seconds:
        limit = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        return Refusal(400, "ValidationError", limit)
    return None
