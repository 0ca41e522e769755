"""The last check: whatever no other has found, and still keeps awsenv from making a plan of a profile."""

from __future__ import annotations

from collections.abc import Iterable

from awsenv.doctor.examination import Examined
from awsenv.doctor.finding import LEVELS, Finding
from awsenv.errors import AwsenvError, Config, NoCredentials
from awsenv.plan import build


def unplannable(facts: Examined, found: Iterable[Finding]) -> Iterable[Finding]:
    """One finding for each profile that `use` would refuse, where nothing in *found* is about its sections already."""
    spoilt = {(f.where.file, part.where.line) for f in found if f.level == "error" and f.where is not None
              if (part := facts.part_at(f.where)) is not None}  # fmt: skip
    told = {f.where for f in found if f.where is not None}
    fresh: dict[object, Finding] = {}
    before = facts.before if facts.before is not None else facts.env
    for name in facts.profiles:
        if _touches(facts, name, spoilt):
            continue  # also because the error that is known would cost a search among all names
        try:
            build(facts.config, name, env=facts.env, session_name="awsenv", before=before,
                  trust_endpoints=facts.settings.allow_endpoint_override)  # fmt: skip
        except NoCredentials as error:
            finding = _without_credentials(name, error, facts)
        except AwsenvError as error:
            finding = Finding("unusable", "error", error.what, error.where, "awsenv refuses the profile", _hint(error))
        else:
            continue
        if finding.where in told or (name == "default" and finding.level == "note"):
            continue
        place = finding.where if finding.where is not None else finding
        if place not in fresh or LEVELS.index(finding.level) < LEVELS.index(fresh[place].level):
            fresh[place] = finding  # of many profiles that stand on one line, one will do
    return fresh.values()


def _without_credentials(name: str, error: Config, facts: Examined) -> Finding:
    setting = facts.profiles[name].get("credential_source")
    if setting is not None or error.where is None or facts.line_at(error.where).lstrip()[:1] != "[":
        means = "right elsewhere, perhaps: what it needs is not here now"
        return Finding("not-here", "note", error.what, error.where, means, _hint(error))
    if error.details:
        means = "AWS's tools refuse the profile"
        return Finding("source-without-credentials", "error", error.what, error.where, means, _hint(error))
    means = "AWS's tools look for credentials elsewhere then: a container's, an instance's"
    return Finding("no-credentials", "note", error.what, error.where, means, _hint(error))


def _touches(facts: Examined, name: str, spoilt: set[tuple[str, int]]) -> bool:
    """Whether a section that profile *name* is made of, or one that it names, has an error already."""
    return any(place in spoilt for place in facts.places_of(name))


def _hint(error: AwsenvError) -> tuple[str, ...]:
    return tuple(line for line in (error.hint or "").split("\n") if line)
