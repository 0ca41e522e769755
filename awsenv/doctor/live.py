"""A profile's plan tried for real, step by step: what AWS takes each one for, and the first that fails with what to do.

No login is begun, and nothing that is kept is lost. What a code of a person's bought and still stands is used, and what a
new one buys is kept; all else is fetched anew and forgotten. After each step AWS is asked whose its credentials are: that
is a check of them by themselves, so that a bad key is not found out by the role that it can't assume.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from awsenv import explain
from awsenv.doctor.examination import Examined
from awsenv.doctor.finding import Finding
from awsenv.doctor.machine import clock
from awsenv.endpoints import endpoint_of
from awsenv.errors import AwsenvError, Denied, Interrupted, Storage, Unreachable
from awsenv.lease import Reading, plan_for
from awsenv.model import AccessKey, Credentials, Plan, Step, UseRequest, Where
from awsenv.network import for_call
from awsenv.ports import Ports, real
from awsenv.resolve import chain_keys
from awsenv.store import Store, open_store
from awsenv.text import ago, left, word
from awsenv.world import World

OLD = 90 * 86400.0  # seconds; the CIS benchmark's age for an access key (IAM: "rotate every 90 days or less")
_ACCOUNT_LINES = ("sso_account_id", "aws_account_id", "role_arn", "--role")


@dataclass(frozen=True, slots=True)
class Try:
    """One step. *result* is `ok`, `kept`, `failed` or `not tried`; *arn* whom AWS takes it for; *said* what else was seen."""

    step: Step
    result: str
    arn: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """*lines* for a person, *steps* for a program; *exit_code* is that of the step that failed, 0 for none."""

    findings: tuple[Finding, ...] = ()
    lines: tuple[str, ...] = ()
    steps: tuple[dict[str, object], ...] = ()
    exit_code: int = 0


def run(world: World, facts: Examined, name: str) -> Tried:
    """Try profile *name*. What keeps it from having a plan at all is found without trying, and not said again."""
    try:
        reading = Reading.of(world)
        plan = plan_for(world, reading, UseRequest(name))
        profile = reading.config.profile(reading.meant(name))
        endpoint = endpoint_of("sts", profile, reading.config, world.env)
    except AwsenvError as error:
        return Tried(
            lines=("nothing to try at AWS: the profile can't be used as it is written", ""), exit_code=error.exit_code
        )
    store, _ = open_store(world.store_root, world.started)
    ports = real(world, store, plan.network)
    findings: tuple[Finding, ...]
    try:
        # Every step asks AWS whose its credentials are: a strange file must not say where.
        for each in (*plan.delicate, *for_call("sts", profile, reading.config, world.env)):
            ports.trust.require(each.origin, each.deed, each.where)
    except AwsenvError as error:
        tries = [Try(step, "not tried") for step in plan.steps]
        findings, code = (_failure(plan.steps[0], error),), error.exit_code
    else:
        tries, findings, code = attempt(plan, store, ports, endpoint)
    known = facts.surroundings.skew if facts.surroundings is not None else None
    if known is None or not known.is_worth_a_word:
        findings += tuple(clock(ports.clock.skew))
    ports.clock.warning()  # it is said above; this keeps it for the next call
    lines = [*explain.text(plan, home=world.home).splitlines(), "", "each step tried now:", *_lines(tries), ""]
    return Tried(findings, tuple(lines), tuple(_document(number, one) for number, one in enumerate(tries, 1)), code)


def attempt(plan: Plan, store: Store, ports: Ports, endpoint: str | None) -> tuple[list[Try], tuple[Finding, ...], int]:
    """Each step in turn, until one fails. *endpoint* is where STS is asked whose credentials are."""
    tries: list[Try] = []
    findings: list[Finding] = []
    credentials: Credentials | None = None
    code = 0
    for step in plan.steps:
        if code:
            tries.append(Try(step, "not tried"))
            continue
        try:
            credentials, kept = _fetched(step, plan, credentials, store, ports)
        except Interrupted:
            raise
        except AwsenvError as error:
            code = error.exit_code
            tries.append(Try(step, "failed", said=error.what))
            findings.append(_failure(step, error))
            continue
        try:
            account, arn, _ = ports.aws.caller(credentials, region=plan.region, endpoint=endpoint)
        except Interrupted:
            raise
        except Unreachable as error:  # no fault of the step's, nor of the line that it is written in
            code = error.exit_code
            tries.append(Try(step, "failed", said=f"STS can't be asked whose these credentials are: {error.what}"))
            findings.append(replace(_failure(step, error), where=None))
            continue
        except AwsenvError as error:
            code = error.exit_code
            tries.append(Try(step, "failed", said=error.what))
            findings.append(_failure(step, error))
            continue
        wrong = mismatch(step, account, arn)
        if wrong:
            code = Denied.exit_code
            tries.append(Try(step, "failed", arn, wrong))
            means = "the credentials work, and they are not those that the config promises"
            write = ("correct the account or the role in that line", f"awsenv explain {word(plan.profile)}")
            findings.append(Finding("wrong-identity", "error", wrong, _line(step, _ACCOUNT_LINES), means, write))
            continue
        age, about = _age(step, credentials, arn, ports, plan.region)
        findings += about
        tries.append(Try(step, "kept" if kept else "ok", arn, " · ".join(filter(None, (kept, age)))))
    return tries, tuple(findings), code


def _fetched(
    step: Step, plan: Plan, upstream: Credentials | None, store: Store, ports: Ports
) -> tuple[Credentials, str]:
    """The step's credentials, and how long those that are kept still stand, "" for new ones."""
    by_code = getattr(step, "device", None) is not None  # a code each time would be one too many
    key = chain_keys(plan, ports)[plan.steps.index(step)] if by_code else ""
    kept = store.get(key) if by_code else None
    if kept is not None and kept.is_fresh(ports.now()) and kept.expires_at is not None:
        return kept, f"kept, {left(kept.expires_at - ports.now())} left"
    step.check(ports)
    credentials = step.fetch(upstream, ports)
    if by_code:
        with suppress(Storage):
            store.put(key, credentials)
    return credentials, ""


def mismatch(step: Step, account: str, arn: str) -> str:
    """What differs between the identity that the plan promises and *arn* of *account*; "" where nothing does."""
    wanted, role = step.principal()
    if wanted and wanted != account:
        return f"the config promises account {wanted}, and AWS says {account}"
    kind, _, rest = arn.rpartition(":")[2].partition("/")
    got = rest.split("/")[0]
    # A permission set's role has its name in the middle: AWSReservedSSO_NAME_0123456789abcdef.
    if role and kind == "assumed-role" and got != role and not got.startswith(f"AWSReservedSSO_{role}_"):
        return f"the config promises the role {role}, and AWS says {got}"
    return ""


def _age(
    step: Step, credentials: Credentials, arn: str, ports: Ports, region: str | None
) -> tuple[str, tuple[Finding, ...]]:
    """How old a long-lived key is, as far as its user may ask. By AWS's clock, which wrote the date."""
    if credentials.session_token is not None or ":user/" not in arn:
        return "", ()
    skew = ports.clock.skew
    now = ports.now() + (skew.seconds if skew is not None else 0.0)
    where = step.settings[0].where if step.settings else None
    try:
        keys = ports.aws.access_keys(credentials, region=region)
    except Denied:
        return "may not ask how old it is", (
            Finding("key-age-unknown", "note", "the age of this access key is not known: its user may not list its keys",
                    where, "a policy with iam:ListAccessKeys on the user itself would tell"),
        )  # fmt: skip
    except AwsenvError as error:
        return f"its age is not known ({error.what})", ()
    return told_of(keys, credentials.access_key_id, now, where)


def told_of(keys: Sequence[AccessKey], key_id: str, now: float, where: Where | None) -> tuple[str, tuple[Finding, ...]]:
    """What there is to say of the user's *keys*, of which *key_id* is in use."""
    found: list[Finding] = []
    ours = next((key for key in keys if key.id == key_id), None)
    others = [key for key in keys if key.id != key_id and key.is_active]
    if ours is not None and now - ours.created_at > OLD:
        said = f"the access key ****{key_id[-4:]} is {ago(now - ours.created_at)} old"
        means = "long-lived keys leak, and nobody notices; 90 days are the usual limit"
        write = ("make a new one in IAM, put it in the place of this one, and delete this one",
                 "or log in with IAM Identity Center, which needs none: awsenv sso add")  # fmt: skip
        found.append(Finding("old-key", "warning", said, where, means, write))
    for key in others:
        used = f"last used {ago(now - key.used_at)} ago" if key.used_at is not None else "never used"
        said = f"the same user has another active access key, ****{key.id[-4:]}, {used}"
        found.append(Finding("second-key", "note", said, where, "one that nobody needs should be deleted"))
    if ours is None:
        return "", tuple(found)
    return f"made {ago(now - ours.created_at)} ago", tuple(found)


def _failure(step: Step, error: AwsenvError) -> Finding:
    details = "; ".join(error.details)
    where = error.where or (step.settings[0].where if step.settings else None)
    write = tuple(line for line in (error.hint or "").split("\n") if line)
    return Finding("step-failed", "error", error.what, where, details, write)


def _line(step: Step, names: Sequence[str]) -> Where | None:
    return next((setting.where for setting in step.settings if setting.key in names), None)


def _lines(tries: Sequence[Try]) -> list[str]:
    rows = []
    for number, one in enumerate(tries, 1):
        seen = " · ".join(filter(None, (one.arn, one.said)))
        rows.append(f"{number}. {one.result}: {one.step.title()}")
        if seen:
            rows.append(f"   {seen}")
    return rows


def _document(number: int, one: Try) -> dict[str, object]:
    return {
        "number": number,
        "kind": one.step.kind,
        "profile": one.step.profile,
        "title": one.step.title(),
        "result": one.result,
        "arn": one.arn or None,
        "said": one.said or None,
    }
