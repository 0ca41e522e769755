"""Our plan against botocore's resolver, over generated configs: the same principal, or a named exception.

MENDED and REWRITTEN are the whole of what may differ. A row of the first says over which files botocore gives the answer
that awsenv promises; one of the second turns its answer into ours. After all of them the two must be equal, profile by
profile. A row that no case needs is a claim nobody checks: that fails too.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from unittest.mock import Mock

import pytest
from botocore.exceptions import ConfigParseError

from awsenv import sections
from awsenv.config import AwsConfig
from awsenv.endpoints import is_aws_owned, is_loopback
from awsenv.errors import Config
from awsenv.files import AwsFiles
from awsenv.machine import Here
from awsenv.resolve import chain_keys
from awsenv.sources.assume_role import HOUR, LONGEST, SHORTEST, AssumeRole
from awsenv.sources.mfa_session import MfaSession
from awsenv.sources.sso import SsoRole
from tests import generated
from tests.generated import Case
from tests.principals import NO_SECTION, Answer, Hop, Principal, Theirs, ours


def no_fall_through(principal: Principal) -> Principal | None:
    return None if principal.root.what in ("container", "instance") and not principal.hops else principal


def empty_means_absent(principal: Principal) -> Principal | None:
    root, hops, region, *_ = principal
    if root.what == "keys":
        key, secret, token = root.about
        if not key or not secret:
            return None
        root = root._replace(about=(key, secret, token or None))
    elif root.what == "sso" and not all(root.about):
        return None
    elif root.what == "web identity":
        root = root._replace(about=(root.about[0], root.about[1] or None, *root.about[2:]))
    hops = tuple(h._replace(external_id=h.external_id or None, mfa_serial=h.mfa_serial or None) for h in hops)
    return principal._replace(root=root, hops=hops, region=region or None) if all(hop.arn for hop in hops) else None


def user_with_mfa(principal: Principal) -> Principal:
    root = principal.root
    is_user = root.what == "keys" and root.about[2] is None and not principal.hops
    return principal._replace(mfa=principal.unasked or None if is_user else None, unasked=None)


def checked_before_asking(principal: Principal) -> Principal | None:
    for hop in principal.hops:
        if not re.fullmatch(r"arn:aws:iam::\d{12}:role/\S+", hop.arn):
            return None
        if hop.seconds is not None and not SHORTEST <= hop.seconds <= LONGEST:
            return None
    root = principal.root
    if root.what == "sso" and not re.fullmatch(r"\d{12}", str(root.about[0])):
        return None
    if root.what == "web identity" and not re.fullmatch(r"arn:aws:iam::\d{12}:role/\S+", str(root.about[0])):
        return None
    return principal


def chained_roles_capped(principal: Principal) -> Principal:
    root = principal.root
    is_session = root.what not in ("keys", "environment") or root.about[2] is not None
    hops: list[Hop] = []
    for hop in principal.hops:
        hops.append(hop._replace(seconds=min(hop.seconds, HOUR)) if is_session and hop.seconds else hop)
        is_session = True
    return principal._replace(hops=tuple(hops))


def endpoints_for_tokens(principal: Principal) -> Principal | None:
    root = principal.root
    if root.what == "web identity":
        return principal  # STS, which takes what botocore takes
    if root.what != "sso" or root.own is None:
        return principal._replace(root=root._replace(endpoint=None))
    if root.own == NO_SECTION or not (is_loopback(root.own) or is_aws_owned(root.own)):
        return None
    return principal._replace(root=root._replace(endpoint=root.own))


TOKENS = {"aws_session_token", "aws_security_token"}


def without_hiding_tokens(case: Case) -> Case:
    """*case* without the empty one of two token settings in a section: botocore stops at the first that is there."""

    def mended(block: generated.Block) -> generated.Block:
        if not {entry.key.lower() for entry in block.entries} >= TOKENS:
            return block
        kept = (entry for entry in block.entries if entry.key.lower() not in TOKENS or entry.value.strip())
        return replace(block, entries=tuple(kept))

    return case.mended(config=tuple(map(mended, case.config)), credentials=tuple(map(mended, case.credentials)))


MENDED: dict[str, Callable[[Case], Case]] = {
    "a file that botocore loses whole is read, less the profiles that the damage touches": lambda case: case.mended(
        damage=None
    ),
    "a comment behind a value is no part of it": lambda case: case.mended(comments=False),
    "a header ends at its bracket, whatever the comment behind it holds": lambda case: case.mended(tails=False),
    "~ before a web_identity_token_file is the home folder": lambda case: case.mended(home=generated.HOME),
    "an empty session token doesn't hide the one under its other name": without_hiding_tokens,
}
REWRITTEN: dict[str, Callable[[Principal], Principal | None]] = {
    "a named profile never falls through to the container's or the instance's credentials": no_fall_through,
    "an empty optional setting is none, an empty key, role or account is refused": empty_means_absent,
    "a user's profile with an mfa_serial is the user with MFA": user_with_mfa,
    "what AWS can only refuse is refused with its line": checked_before_asking,
    "a role chained on a role session is capped at an hour": chained_roles_capped,
    "services that carry tokens obey their own endpoint alone, on this machine or at AWS": endpoints_for_tokens,
}
BY_CHAIN = "a role reached by two ways has two sessions, where the AWS CLI's cache knows one"


def check(case: Case, theirs: Theirs) -> Counter[str]:
    """Assert that the two agree on every profile of *case*; returns how often each exception was needed."""
    taken: Counter[str] = Counter()
    given = {name: ours(case, name) for name in case.names()}
    answers = theirs.answers(case)
    touched = {name for name in given if is_touched(case, name)}
    if case.damage is not None:
        assert all(isinstance(answer.error, ConfigParseError) for answer in answers.values()), f"no damage: {case}"
        for name in touched:
            error = given[name].error
            assert isinstance(error, Config) and error.where is not None, said(case, name, given[name], None)
            assert error.where.file == case.damage.file and "mend that line" in str(error.hint)
    mended = case
    for row, mend in MENDED.items():
        after = mend(mended)
        if after.files() != mended.files():
            better = theirs.answers(after)
            taken[row] += sum(better[n].principal != answers[n].principal for n in given if n not in touched)
            answers = better
        mended = after
    for name in given.keys() - touched:
        expected = answers[name].principal
        for row, rewrite in REWRITTEN.items():
            if expected is not None:
                rewritten = rewrite(expected)
                taken[row] += rewritten is None or rewritten._replace(unasked=None) != expected._replace(unasked=None)
                expected = rewritten
        assert given[name].principal == expected, said(mended, name, given[name], answers[name])
    taken["agreed without any"] += sum(given[n].principal == answers[n].principal is not None for n in given)
    return taken


def is_touched(case: Case, name: str) -> bool:
    """Whether the damage is in a section that *name* stands on."""
    plan = ours(case.mended(damage=None), name).plan
    if case.damage is None or case.damage.at is None or plan is None:
        return False
    header = getattr(case, case.damage.file)[case.damage.at].header
    if case.damage.file == "config" and header.startswith("sso-session"):
        return any(isinstance(s, SsoRole) and s.session.name == sections.words(header)[1] for s in plan.steps)
    hurt = header if case.damage.file == "credentials" else sections.profile_name(header)
    return any(step.profile == hurt for step in plan.steps)


def said(case: Case, name: str, mine: Answer, theirs: Answer | None) -> str:
    files = "\n".join(f"--- {file}\n{data.decode(errors='replace')}" for file, data in case.files().items())
    return f"seed {case.seed}, profile {name!r}, {case.env}\nours:   {mine}\ntheirs: {theirs}\n{files}"


def check_cache_keys(case: Case, theirs: Theirs) -> int:
    """Assert that no two principals share a store key; returns for how many profiles the AWS CLI's cache gets that wrong."""
    ports = Mock()
    ports.tokens.load.return_value = ports.logins.load.return_value = None
    ports.files.absolute = AwsFiles().absolute
    ports.machine = Here(case.env)
    owners: dict[str, object] = {}
    for name in case.names():
        answer = ours(case, name)
        if answer.plan is None or answer.principal is None:
            continue
        for i, key in enumerate(chain_keys(answer.plan, ports)):
            root, hops = answer.principal.root, answer.principal.hops
            passed = sum(isinstance(step, AssumeRole) for step in answer.plan.steps[: i + 1])
            hops = tuple(hop._replace(seconds=hop.seconds or HOUR) for hop in hops[:passed])  # AWS's default
            device = step.device.serial if isinstance(step := answer.plan.steps[i], MfaSession) else None
            who = (root if root.what != "keys" else root.about[0], hops, device)  # a key id has one secret
            assert owners.setdefault(key, who) == who, said(case, name, answer, None)
    alone, shared = theirs.answers(case), theirs.answers(case, as_the_cli=True)
    return sum(alone[name].principal != shared[name].principal for name in alone)


def every_row_is_needed(taken: Counter[str]) -> None:
    rows = [*MENDED, *REWRITTEN, BY_CHAIN, "agreed without any"]
    assert set(taken) <= set(rows)
    assert not [row for row in rows if not taken[row]], taken


@pytest.fixture(autouse=True)
def quiet(caplog):
    """botocore logs each refusal with its traceback, thousands of them."""
    caplog.set_level(logging.CRITICAL, logger="botocore")


def run(seeds: Iterable[int], tmp_path) -> None:
    theirs = Theirs(tmp_path)
    taken: Counter[str] = Counter()
    for seed in seeds:
        case = generated.case(seed)
        taken += check(case, theirs)
        if seed % 3 == 0 and case.damage is None:
            taken[BY_CHAIN] += check_cache_keys(case, theirs)
    every_row_is_needed(taken)


def test_our_plan_and_botocore_agree_but_for_the_named_exceptions(tmp_path):
    run([*range(300), 2825], tmp_path)  # the last: where two token settings meet, which is rare


@pytest.mark.long
def test_our_plan_and_botocore_agree_over_thousands_of_configs(tmp_path):
    run(range(1000, 6000), tmp_path)


def test_the_same_profiles_exist_for_botocore(tmp_path):
    theirs, seen = Theirs(tmp_path), 0
    for seed in range(100):
        case = generated.case(seed).mended(damage=None, tails=False)
        files = case.files()
        names = AwsConfig(files["config"], files["credentials"], "config", "credentials").names()
        assert set(names) == theirs.names(case), f"seed {seed}"
        seen += len(names)
    assert seen > 300


@pytest.mark.parametrize("kind", [*generated.IN_NO_BLOCK, *generated.IN_A_BLOCK])
def test_every_kind_of_damage_is_generated(kind):
    kinds = {case.damage.kind for case in map(generated.case, range(300)) if case.damage is not None}
    assert kind in kinds
