"""AwsConfig + a profile's name → Plan, and the passes on top of it. Pure: no file, no clock, no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from awsenv.config import AwsConfig, require_sound
from awsenv.endpoints import endpoint_of
from awsenv.errors import Config, SourceLoop, Usage
from awsenv.model import Claim, Note, Plan, Profile, Setting, Step
from awsenv.sources import SOURCES
from awsenv.sources.assume_role import HOUR, LONGEST, SHORTEST, AssumeRole
from awsenv.sources.static import StaticKeys
from awsenv.text import show


@dataclass(frozen=True)
class PlanContext:
    """What the sources may ask (model.Context), answered from the two files and the environment's endpoint variables."""

    config: AwsConfig
    requested: Profile
    region: str | None
    env: Mapping[str, str]
    session_name: str
    as_source: bool = False

    def endpoint(self, service: str) -> str | None:
        # From the profile that was asked for, not its source's: that is whose settings botocore's clients see.
        return endpoint_of(service, self.requested, self.config, self.env)

    def sso_session(self, name: str) -> Profile | None:
        section = self.config.section("sso-session", name)
        if section is not None:
            require_sound(section)
        return section

    def own_keys(self, name: str, credentials_file: bool) -> Mapping[str, Setting]:
        return self.config.own_keys(name, credentials_file)


def build(
    config: AwsConfig,
    name: str,
    *,
    env: Mapping[str, str],
    session_name: str,
    region: str | None = None,
    ambient_region: str | None = None,
    duration: int | None = None,
) -> Plan:
    """How *name* gets its credentials, root first.

    *region* was asked for and wins over the profile's own, *ambient_region* is what the user had before awsenv;
    *duration* is the seconds asked for on the last AssumeRole. Raises Config (UnknownProfile, SourceLoop, …) with the
    file and line, or Usage where *duration* has nothing to apply to.
    """
    requested = config.profile(name)
    require_sound(requested)
    own = requested.get("region")
    effective = region or (own.value if own is not None else None) or ambient_region
    context = PlanContext(config, requested, effective, env, session_name)
    claims, profiles = _chain(config, requested, context)
    steps = tuple(claim.step for claim in reversed(claims))
    notes = tuple(note for claim in claims for note in claim.notes)
    notes += tuple(note for profile in profiles for note in (*config.notes_for(profile.name), *_comments(profile)))
    if duration is not None:
        steps = _with_duration(steps, duration)
    steps, capped = cap_chained_roles(steps)
    return Plan(name, effective, steps, notes + capped, requested.ours_alone)


def _chain(config: AwsConfig, profile: Profile, context: PlanContext) -> tuple[list[Claim], list[Profile]]:
    claims: list[Claim] = []
    profiles = [profile]
    trail: list[Setting] = []
    while True:
        claim = _first_claim(profile, context, trail)
        if any(claim.step == earlier.step for earlier in claims):  # frozen equality is the loop detector
            raise _loop(claims, claim)
        claims.append(claim)
        if claim.upstream is None:
            return claims, profiles
        trail.append(claim.upstream)
        profile = config.profile(claim.upstream.value, asked_by=claim.upstream)
        require_sound(profile)
        profiles.append(profile)
        context = replace(context, as_source=True)


def _first_claim(profile: Profile, context: PlanContext, trail: list[Setting]) -> Claim:
    for source in SOURCES:
        claim = source(profile, context)
        if claim is not None:
            return claim
    held = ", ".join(show(key) for key in profile.settings) or "nothing"
    what = f'"{profile.name}" does not say how to authenticate; it holds: {held}'
    if context.as_source:
        what = f'the source profile "{profile.name}" has no credentials; it holds: {held}'
        raise Config(what, trail[-1].where, f"give {show(profile.name)} keys, an sso_session or a role_arn")
    raise Config(what, profile.where, "give it keys, a role_arn with a source_profile, or an sso_session")


def _loop(claims: list[Claim], again: Claim) -> SourceLoop:
    lines = [
        f"{claim.step.profile} → {claim.upstream.value}   ({claim.upstream.where})"
        for claim in claims
        if claim.upstream is not None
    ]
    start = again.step.profile
    what = "\n".join((f'the source profiles lead in a circle, back to "{start}":', *lines))
    return SourceLoop(what, None, "one of them needs keys or an sso_session of its own")


def _with_duration(steps: tuple[Step, ...], seconds: int) -> tuple[Step, ...]:
    if not SHORTEST <= seconds <= LONGEST:
        raise Usage(f"a role lasts from {SHORTEST} to {LONGEST} seconds (15m to 12h), not {seconds}")
    for i in range(len(steps) - 1, -1, -1):
        step = steps[i]
        if isinstance(step, AssumeRole):
            return (*steps[:i], replace(step, seconds=seconds), *steps[i + 1 :])
    raise Usage(
        f'--duration has nothing to apply to: "{steps[-1].profile}" assumes no role by itself',
        steps[-1].settings[0].where if steps[-1].settings else None,
        "the length of an Identity Center session is set on its permission set",
    )


def cap_chained_roles(steps: tuple[Step, ...]) -> tuple[tuple[Step, ...], tuple[Note, ...]]:
    """AWS gives a role assumed from a role session an hour at the most, and refuses to be asked for more."""
    capped: list[Step] = []
    notes: list[Note] = []
    for i, step in enumerate(steps):
        reason = _cap_reason(steps[i - 1]) if i else None
        if reason and isinstance(step, AssumeRole) and (step.seconds or HOUR) > HOUR:
            where = next((s.where for s in step.settings if s.key == "duration_seconds"), None)
            asked = cast(int, step.seconds)
            notes.append(
                Note(
                    f"{step.profile}: {asked} s asked for, 3600 s taken: {reason}, and AWS caps what is chained on one",
                    where,
                )
            )
            step = replace(step, seconds=HOUR)
        capped.append(step)
    return tuple(capped), tuple(notes)


def _cap_reason(upstream: Step) -> str | None:
    if upstream.is_role_session:
        return f'"{upstream.profile}" is a role session'
    if isinstance(upstream, StaticKeys) and upstream.may_be_role_session:
        return f'"{upstream.profile}" holds a session token, which may be a role session'
    return None


def _comments(profile: Profile) -> tuple[Note, ...]:
    return tuple(
        Note(f"{s.key}: read as {s.value}; the AWS CLI takes the comment behind it as part of the value", s.where)
        for s in profile.settings.values()
        if s.comment
    )
