"""Checks of what a profile stands on: its source profiles, two ways at once, the hour that a chained role gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from awsenv.doctor.examination import Examined
from awsenv.doctor.finding import Edit, Finding
from awsenv.model import Profile, Setting
from awsenv.sources.assume_role import HOUR, has_own_keys
from awsenv.text import nearest

_MOST_NEAR = 5  # missing names for which the nearest is looked for: that takes milliseconds each
_DEEP = 5  # hops that nobody sets up on purpose


def ways_of(profile: Profile, facts: Examined) -> list[tuple[str, Setting]]:
    """(what it is called, its setting) of each way in which *profile* authenticates, in botocore's order of precedence."""
    settings, found = profile.settings, []
    role, token_file = settings.get("role_arn"), settings.get("web_identity_token_file")
    if role is not None and token_file is None:
        found.append(("role_arn", role))
    if token_file is not None and token_file.value:
        found.append(("web_identity_token_file", token_file))
    asked = settings.get("sso_account_id") or settings.get("sso_role_name")
    if asked is not None:
        found.append((asked.key, asked))
    in_credentials = facts.config.own_keys(profile.name, True).get("aws_access_key_id")
    if in_credentials is not None:
        found.append(("the access key in the credentials file", in_credentials))
    for key in ("login_session", "credential_process"):
        if settings.get(key) is not None:
            found.append((key, settings[key]))
    in_config = facts.config.own_keys(profile.name, False).get("aws_access_key_id")
    if in_config is not None:
        found.append(("the access key in the config file", in_config))
    return found


def two_ways(facts: Examined) -> Iterable[Finding]:
    """A profile that says twice who it is: one way is taken, the others are passed over."""
    for profile in facts.profiles.values():
        ways = ways_of(profile, facts)
        if len(ways) < 2:
            continue
        (first, taken), (second, passed) = ways[:2]
        source = profile.get("source_profile")
        if source is not None and source.value == profile.name and has_own_keys(profile) and len(ways) == 2:
            continue  # its own keys assume its role: AWS's own guide writes that
        means = f"AWS's tools take {first} and pass over the other"
        if taken.key == "role_arn" and has_own_keys(profile):
            means += "; but as another's source_profile its own key counts, and the role doesn't"
        elif taken.key == "role_arn" and source is None and profile.get("credential_source") is None:
            means = "AWS's tools refuse it: role_arn counts, and nothing says whose credentials assume the role"
        write = f"keep one of the two, or make two profiles: [profile {profile.name}] and a source_profile for it"
        yield Finding(
            "two-ways",
            "warning",
            f'"{profile.name}" says twice how to authenticate: {first} (line {taken.where.line}) and {second}',
            passed.where,
            means,
            (write,),
        )


def sources(facts: Examined) -> Iterable[Finding]:
    """`source_profile` and `credential_source`: there, one of them, and no circle."""
    looked = 0
    told: set[str] = set()
    for profile in facts.profiles.values():
        role = profile.settings.get("role_arn")
        source, direct = profile.settings.get("source_profile"), profile.settings.get("credential_source")
        if source is not None and direct is not None:
            said = f'"{profile.name}" has both source_profile and credential_source'
            yield Finding("two-sources", "error", said, direct.where, "AWS's tools refuse the profile",
                          ("keep one of the two",))  # fmt: skip
            continue
        if role is None:
            if (source or direct) is not None:
                yield from _roleless(profile, source or direct, facts)
            continue
        if "web_identity_token_file" in profile.settings:
            continue
        if source is None and direct is None:
            said = f'"{profile.name}" has a role_arn, and nothing says whose credentials assume it'
            write = ("source_profile = NAME   (or: credential_source = Environment)",)
            yield Finding("role-without-source", "error", said, role.where, "AWS's tools refuse the profile", write)
        elif source is not None and source.value and not facts.config.has(source.value):
            looked += 1
            yield from _missing(profile, source, facts, looked <= _MOST_NEAR)
        elif source is not None:
            yield from _circle(profile, facts, told)


def _roleless(profile: Profile, setting: Setting | None, facts: Examined) -> Iterator[Finding]:
    if setting is None or ways_of(profile, facts):
        return
    said = f'"{profile.name}" has a {setting.key}, and no role to assume with it'
    means = "AWS's tools ignore the line: the profile has no credentials"
    yield Finding("source-without-role", "error", said, setting.where, means, ("role_arn = ARN",))


def _missing(profile: Profile, source: Setting, facts: Examined, may_look: bool) -> Iterator[Finding]:
    ignored = {p.header.strip("'\" ") for p in facts.documents[0].parts} if may_look else set()
    if source.value in ignored:
        return  # headers.ignored_sections names that section, which is the one thing to mend
    names = nearest(source.value, facts.config.names()) if may_look else []
    said = f'"{profile.name}" starts from "{source.value}", and there is no such profile'
    write = tuple(f"source_profile = {name}" for name in names[:1]) or (f"[profile {source.value}], with credentials",)
    yield Finding("missing-source", "error", said, source.where, "AWS's tools refuse the profile", write)


def _circle(profile: Profile, facts: Examined, told: set[str]) -> Iterator[Finding]:
    """The way from *profile* along its sources, told once for each circle, and for a chain of many hops."""
    trail, current = [profile], profile
    names = {profile.name}
    while True:
        source = current.settings.get("source_profile")
        if source is None or "role_arn" not in current.settings or "web_identity_token_file" in current.settings:
            break
        if current is not profile and has_own_keys(current):
            break  # as a source, its own keys count
        if source.value in names:
            again = facts.profiles[source.value]
            if again is profile and has_own_keys(again):
                break
            circle = [p.name for p in trail]
            circle = circle[circle.index(source.value) :]
            if told.isdisjoint(circle):
                said = f"the source profiles lead in a circle: {' → '.join([*circle, source.value])}"
                write = ("one of them needs keys or an sso_session of its own",)
                yield Finding("source-loop", "error", said, source.where, "AWS's tools refuse all of them", write)
            told.update(circle)
            return
        following = facts.profiles.get(source.value)
        if following is None:
            break
        names.add(following.name)
        trail.append(following)
        current = following
        if len(trail) > 200:
            break
    if len(trail) == _DEEP + 1:
        said = f'"{profile.name}" is {_DEEP} hops from its credentials'
        means = "each hop is a call to AWS, and one more that can be refused"
        where = profile.settings["source_profile"].where
        yield Finding("many-hops", "note", said, where, means)


def chained_durations(facts: Examined) -> Iterable[Finding]:
    """More than an hour for a role that is assumed from a role session: AWS refuses it."""
    for profile in facts.profiles.values():
        length, role = profile.get("duration_seconds"), profile.settings.get("role_arn")
        if length is None:
            continue
        if role is None:
            if any(key in profile.settings for key in ("sso_account_id", "sso_role_name")):
                means = "AWS's tools ignore it: the permission set says how long its session lasts"
                yield Finding("duration-ignored", "note", "duration_seconds has no effect here", length.where, means)
            continue
        if "web_identity_token_file" in profile.settings:
            means = "AWS CLI and boto3 ignore it for a web identity: the role lasts an hour"
            yield Finding("duration-ignored", "note", "duration_seconds has no effect here", length.where, means)
            continue
        source = profile.get("source_profile")
        upstream = facts.profiles.get(source.value) if source is not None else None
        is_long = length.value.isdigit() and int(length.value) > HOUR
        if not is_long or upstream is None or not _is_role_session(upstream, facts):
            continue
        line = facts.line_at(length.where).rstrip()
        plain = line.endswith(length.value)
        yield Finding(
            "chained-duration",
            "error",
            f'{length.value} s are asked for, and "{upstream.name}", which assumes the role, is a role session itself',
            length.where,
            "AWS gives such a chained role an hour at the most, and refuses more; awsenv asks for the hour",
            (f"duration_seconds = {HOUR}",),
            (Edit(length.where, line, f"{line[: -len(length.value)]}{HOUR}"),) if plain else (),
        )


def _is_role_session(profile: Profile, facts: Examined) -> bool:
    """Whether *profile*, as a source, gives the session of a role."""
    if has_own_keys(profile):
        return False
    return bool(ways_of(profile, facts)) and ways_of(profile, facts)[0][1].key in (
        "role_arn",
        "web_identity_token_file",
        "sso_account_id",
        "sso_role_name",
    )


def user_mfa(facts: Examined) -> Iterable[Finding]:
    """`mfa_serial` where there is no role: botocore looks for it beside a role_arn alone."""
    for profile in facts.profiles.values():
        serial = profile.get("mfa_serial")
        if serial is None or "role_arn" in profile.settings:
            continue
        if facts.config.own_keys(profile.name, True) or facts.config.own_keys(profile.name, False):
            means = "AWS's tools use the key without MFA, and say nothing; awsenv asks for the code"
        else:
            means = "AWS's tools ignore it: it counts beside a role_arn"
        said = f'"{profile.name}" names an MFA device, and no role'
        yield Finding("mfa-ignored", "warning", said, serial.where, means)


CHECKS = (two_ways, sources, chained_durations, user_mfa)
