"""Checks of values: the shape of ARNs, account ids, regions, lengths of time and names that AWS takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from awsenv import sections
from awsenv.config import meant, takes_comment
from awsenv.doctor.document import Written
from awsenv.doctor.examination import Examined
from awsenv.doctor.finding import Edit, Finding
from awsenv.doctor.lines import settings_of
from awsenv.endpoints import host_of, is_aws_owned, is_loopback
from awsenv.errors import Config
from awsenv.model import Setting
from awsenv.roles import checked_arn
from awsenv.sources.assume_role import HOUR, LONGEST, SHORTEST
from awsenv.sources.credential_source import NAMES
from awsenv.text import nearest, seconds_of

_REGION = re.compile(r"[a-z]{2,8}(-[a-z]+)+-\d{1,2}")
_SERIAL = re.compile(r"arn:[\w-]+:iam::\d{12}:(mfa|sms-mfa)/\S+|[A-Za-z0-9]{9,}")
_FIDO = re.compile(r"arn:[\w-]+:iam::\d*:u2f/")
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)  # the STS model's
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
# AWS's own permission sets and job functions, which most portals offer by these names.
_ROLES = ("AdministratorAccess", "PowerUserAccess", "ReadOnlyAccess", "ViewOnlyAccess", "SystemAdministrator",
          "DatabaseAdministrator", "NetworkAdministrator", "SecurityAudit", "DataScientist", "SupportUser")  # fmt: skip
_CLOSE = 3  # letters by which a name may differ in length from the one that was meant


def role_arns(value: Written, facts: Examined) -> Iterator[Finding]:
    """`role_arn`, as roles.checked_arn has it."""
    try:
        checked_arn(Setting(value.key, value.value, value.where))
    except Config as error:
        write = f"role_arn = {error.hint}" if error.hint else "role_arn = arn:aws:iam::111122223333:role/NAME"
        yield Finding("role-arn", "error", error.what, value.where, "AWS refuses it", (write,))


def account_ids(value: Written, facts: Examined) -> Iterator[Finding]:
    """Twelve digits, zeros at the front and all."""
    if re.fullmatch(r"[0-9]{12}", value.value):
        return
    digits = re.sub(r"[\s-]", "", value.value)
    if re.fullmatch(r"[0-9]{12}", digits):
        write = f"{value.key} = {digits}"
    elif re.fullmatch(r"[0-9]{9,11}", digits):
        write = f"{value.key} = {digits.zfill(12)}   (if the zeros at its front were lost)"
    else:
        write = f"{value.key} = 123456789012"
    said = f"an account id has twelve digits: {value.key} = {value.value}"
    yield Finding("account-id", "error", said, value.where, "AWS refuses it, in words that don't say so", (write,))


def regions(value: Written, facts: Examined) -> Iterator[Finding]:
    """A region's name, as botocore's data has it."""
    if not facts.regions or value.value in facts.regions or value.value.endswith("-global"):
        return
    bare = re.fullmatch(rf"({_REGION.pattern})[a-z]", value.value)
    close = [bare[1]] if bare and bare[1] in facts.regions else nearest(value.value, sorted(facts.regions))[:1]
    write = (f"{value.key} = {close[0]}",) if close else ()
    if _REGION.fullmatch(value.value):
        said = f"{value.key} = {value.value} is no region that this botocore knows"
        means = "right if the region is new; else AWS's tools call a host that isn't there"
        yield Finding("unknown-region", "warning", said, value.where, means, write)
        return
    said = f"{value.key} = {value.value} is no region" + (": this is an availability zone" if bare else "")
    yield Finding("no-region", "error", said, value.where, "AWS's tools call a host that isn't there", write)


def durations(value: Written, facts: Examined) -> Iterator[Finding]:
    """`duration_seconds`: botocore ignores what is no number, and AWS refuses what is out of its range."""
    try:
        seconds = int(value.value)
    except ValueError:
        meant_seconds = seconds_of(value.value.replace(" ", "").lower())
        write = (f"duration_seconds = {meant_seconds}",) if meant_seconds else (f"duration_seconds = {HOUR}",)
        said = f"duration_seconds = {value.value} is no number of seconds"
        means = "AWS's tools ignore it without a word: the role lasts an hour"
        yield Finding("duration-no-number", "warning", said, value.where, means, write)
        return
    if not SHORTEST <= seconds <= LONGEST:
        said = f"a role lasts from {SHORTEST} to {LONGEST} seconds, not {seconds}"
        nearer = SHORTEST if seconds < SHORTEST else LONGEST
        yield Finding("duration-range", "error", said, value.where, "AWS refuses it", (f"duration_seconds = {nearer}",))


def credential_sources(value: Written, facts: Examined) -> Iterator[Finding]:
    """Three names, and in botocore the case counts."""
    if value.value in NAMES:
        return
    right = next((name for name in NAMES if name.lower() == value.value.lower()), None)
    write = right or next(iter(nearest(value.value, list(NAMES))), None) or " | ".join(NAMES)
    line = facts.line_at(value.where).rstrip()
    is_plain = right is not None and line.endswith(value.value)
    fixes = (Edit(value.where, line, f"{line[: -len(value.value)]}{right}"),) if is_plain else ()
    said = f"there is no credential_source {value.value}" + ("; the case of its letters counts" if right else "")
    yield Finding("credential-source", "error", said, value.where, "AWS's tools refuse the profile",
                  (f"credential_source = {write}",), fixes)  # fmt: skip


def mfa_serials(value: Written, facts: Examined) -> Iterator[Finding]:
    """A device's ARN or the number on a hardware token."""
    if _FIDO.match(value.value):
        yield Finding(
            "fido-serial",
            "error",
            "this device is a FIDO key or passkey, which shows no code for AWS's API",
            value.where,
            "AWS's tools ask for a code that doesn't exist",
            ("mfa_serial = arn:aws:iam::ACCOUNT:mfa/NAME   (an authenticator app, added to the same user)",),
        )
    elif value.value and not _SERIAL.fullmatch(value.value):
        said = f"mfa_serial = {value.value} is neither a device's ARN nor a serial number"
        write = ("mfa_serial = arn:aws:iam::ACCOUNT:mfa/NAME",)
        yield Finding("mfa-serial", "error", said, value.where, "AWS refuses it", write)


def session_names(value: Written, facts: Examined) -> Iterator[Finding]:
    if not _SESSION_NAME.fullmatch(value.value):
        said = "a role session's name has 2 to 64 of the characters A-Z a-z 0-9 _ + = , . @ -"
        yield Finding("session-name", "error", said, value.where, "AWS refuses it", ("role_session_name = NAME",))


def external_ids(value: Written, facts: Examined) -> Iterator[Finding]:
    if value.value and not _EXTERNAL_ID.fullmatch(value.value):
        said = "an external id has 2 to 1224 of the characters A-Z a-z 0-9 _ + = , . @ : / -"
        write = "write it without quotes and comments"
        yield Finding("external-id", "error", said, value.where, "AWS refuses it", (write,))


def start_urls(value: Written, facts: Examined) -> Iterator[Finding]:
    if not re.match(r"https://[^\s/]+", value.value) and not is_loopback(value.value):
        said = f"sso_start_url = {value.value} is no https address"
        write = ("sso_start_url = https://d-1234567890.awsapps.com/start",)
        yield Finding("start-url", "error", said, value.where, "AWS refuses the login", write)


def scopes(value: Written, facts: Examined) -> Iterator[Finding]:
    asked = [scope.strip() for scope in value.value.split(",")]
    if "sso:account:access" not in asked:
        said = "without sso:account:access a login gives access to no account"
        write = (f"sso_registration_scopes = {', '.join(['sso:account:access', *filter(None, asked)])}",)
        yield Finding("scopes", "warning", said, value.where, "AWS refuses every role with such a login", write)


def role_names(value: Written, facts: Examined) -> Iterator[Finding]:
    """A permission set that is called nearly as one of AWS's own. Only AWS knows: `doctor NAME` asks it."""
    if value.value in _ROLES:
        return
    right = _meant_role(value.value)
    if right is not None:
        said = f"sso_role_name = {value.value} is nearly AWS's own {right}"
        means = 'if there is no such role, AWS says "No access" and not why'
        yield Finding("role-name", "warning", said, value.where, means, (f"sso_role_name = {right}",))


@lru_cache(1024)  # thousands of profiles name a few roles
def _meant_role(written: str) -> str | None:
    return next((name for name in nearest(written, list(_ROLES)) if _is_slip(written, name)), None)


def _is_slip(written: str, name: str) -> bool:
    """Whether one is the other but for a letter or two: left out, doubled or taken for another."""
    from difflib import SequenceMatcher

    if abs(len(written) - len(name)) >= _CLOSE or written.startswith(name):
        return False  # what is longer by an ending of its own is a name of its own
    return written.lower() == name.lower() or SequenceMatcher(None, written, name).ratio() > 0.94


def endpoint_urls(value: Written, facts: Examined) -> Iterator[Finding]:
    """Where requests go instead of to AWS."""
    url = value.value
    host = host_of(url)
    if is_loopback(url) or is_aws_owned(url) or (url.startswith("https://") and _is_awss(host)):
        return
    # Of an address that host_of gives no host for, some part may be a password.
    said = f"endpoint_url sends AWS requests to {host or 'a host that is hard to tell'}"
    means = "signed requests, and what AWS would answer, are in the hands of that host"
    if url.startswith("http://"):
        means += "; and without encryption"
    yield Finding("endpoint", "warning", said, value.where, means, ("remove the line, unless that is meant",))


def _is_awss(host: str) -> bool:
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"))


_BY_KEY: dict[str, Callable[[Written, Examined], Iterator[Finding]]] = {
    "role_arn": role_arns,
    "awsenv_github_role_arn": role_arns,
    "sso_account_id": account_ids,
    "aws_account_id": account_ids,
    "region": regions,
    "sso_region": regions,
    "duration_seconds": durations,
    "credential_source": credential_sources,
    "mfa_serial": mfa_serials,
    "role_session_name": session_names,
    "external_id": external_ids,
    "sso_start_url": start_urls,
    "sso_registration_scopes": scopes,
    "sso_role_name": role_names,
    "endpoint_url": endpoint_urls,
}


def values(facts: Examined) -> Iterable[Finding]:
    """Every value that has a rule, as awsenv reads it: without the comment behind it."""
    for document, part, setting in settings_of(facts):
        rule = _BY_KEY.get(setting.key)
        if rule is None or not setting.value or (document.is_config and _defines_nothing(part.header)):
            continue
        value = setting.value.split("\n")[0]
        yield from rule(
            Written(setting.key, meant(value) if takes_comment(setting.key) else value, setting.where), facts
        )


def service_endpoints(facts: Examined) -> Iterable[Finding]:
    """The same rule for the `endpoint_url` of each service in a `services` section."""
    for name in facts.config.section_names("services"):
        section = facts.config.section("services", name)
        for setting in section.settings.values() if section is not None else ():
            url = facts.config.nested(setting).get("endpoint_url")
            if url is not None and url.value:
                yield from endpoint_urls(Written(url.key, url.value, url.where), facts)


def _defines_nothing(header: str) -> bool:
    return sections.profile_name(header) is None and not header.startswith(("sso-session", sections.DEFAULTS))


CHECKS = (values, service_endpoints)
