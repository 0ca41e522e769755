"""Which endpoint a service is called at when the user overrides AWS's own: botocore's order, stricter for tokens. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from awsenv.config import AwsConfig, require_sound
from awsenv.errors import Config
from awsenv.model import Profile, Setting, Where
from awsenv.text import show

CARRY_TOKENS = frozenset(("sso", "sso_oidc", "signin"))
# AWS's own hosts for these services. A suffix alone would not do: under amazonaws.com anybody can have a host that runs
# his code (execute-api, buckets, search domains), so the service and the region must stand where AWS puts them.
_REGION = r"[a-z]{2,8}(-[a-z]+)+-\d{1,2}"
_SUFFIX = r"(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|api\.aws|api\.amazonwebservices\.(com\.cn|eu))"
_AWS_OWNED = re.compile(
    rf"((oidc|portal\.sso|signin)(-fips)?\.{_REGION}\.{_SUFFIX}"
    rf"|({_REGION}\.)?signin\.(aws\.amazon\.com|amazonaws\.cn|amazonaws-us-gov\.com|amazonaws-eusc\.eu))"
)
_AWS_STS = re.compile(rf"(vpce-[0-9a-z-]+\.sts(-fips)?\.{_REGION}\.vpce|sts(-fips)?(\.{_REGION})?)\.{_SUFFIX}")


def endpoint_of(
    service: str,
    profile: Profile,
    config: AwsConfig,
    env: Mapping[str, str],
    trust_any: bool = False,
    may_lack_section: bool = False,
) -> str | None:
    """The overriding URL for *service* (`sts`, `sso`, `sso_oidc`), or None for AWS's own.

    The order is botocore's (configprovider.ConfiguredEndpointProvider): the service's variable, the general variable, the
    profile's `services` section, the profile's `endpoint_url`. The general two never apply to a service that carries
    tokens, whose URL must also be loopback or AWS's, unless *trust_any* (the setting allow_endpoint_override): raises
    Config otherwise, or where the `services` section is missing, unless *may_lack_section*.
    """
    variable = f"AWS_ENDPOINT_URL_{service.upper()}"
    if _is_ignored(profile, env):
        return None
    if env.get(variable):
        return env[variable] if trust_any else _checked(service, env[variable], variable, None)
    if env.get("AWS_ENDPOINT_URL") and service not in CARRY_TOKENS:
        return env["AWS_ENDPOINT_URL"]
    setting = _from_files(service, profile, config, may_lack_section)
    if setting is None:
        return None
    return setting.value if trust_any else _checked(service, setting.value, "endpoint_url", setting.where)


def endpoint_setting(service: str, profile: Profile, config: AwsConfig, env: Mapping[str, str]) -> Setting | None:
    """The line that endpoint_of's answer comes from; None where it comes from a variable, or there is none."""
    general = "AWS_ENDPOINT_URL" if service not in CARRY_TOKENS else ""
    if _is_ignored(profile, env) or env.get(f"AWS_ENDPOINT_URL_{service.upper()}") or env.get(general):
        return None
    return _from_files(service, profile, config, may_lack=True)


def _is_ignored(profile: Profile, env: Mapping[str, str]) -> bool:
    ignored = env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
    return _is_true(ignored if ignored is not None else _value(profile, "ignore_configured_endpoint_urls"))


def _from_files(service: str, profile: Profile, config: AwsConfig, may_lack: bool) -> Setting | None:
    found = _from_services(service, profile, config, may_lack)
    return found or (profile.get("endpoint_url") if service not in CARRY_TOKENS else None)


def _from_services(service: str, profile: Profile, config: AwsConfig, may_lack: bool) -> Setting | None:
    named = profile.settings.get("services")
    if named is None:
        return None
    section = config.section("services", named.value)
    if section is None or not (section.settings or section.problems):
        if may_lack:
            return None
        raise Config(f'services names "{show(named.value)}", and there is no such section', named.where)
    require_sound(section)
    setting = section.settings.get(service)
    url = config.nested(setting).get("endpoint_url") if setting is not None else None
    return url if url is not None and url.value else None


def _checked(service: str, url: str, name: str, where: Where | None) -> str:
    if service in CARRY_TOKENS and not (is_loopback(url) or is_aws_owned(url)):
        raise Config(
            f"{name} sends the tokens of a login to a host that is not AWS's: {show(url)}",
            where,
            (f"unset {name}" if where is None else "remove that line")
            + "\nor, if you trust that host: allow_endpoint_override = true under [trust] in awsenv's settings",
        )
    return url


def is_loopback(url: str) -> bool:
    """Whether *url* names this machine."""
    host = host_of(url)
    if host in ("localhost", "::1"):
        return True
    parts = host.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isascii() and part.isdigit() for part in parts)


def is_aws_owned(url: str) -> bool:
    """Whether *url* is https on a host where AWS itself answers for a service that carries tokens."""
    return url[:8].lower() == "https://" and _AWS_OWNED.fullmatch(host_of(url)) is not None


def is_aws_sts(url: str) -> bool:
    """Whether *url* is https on a host where STS itself answers, an interface endpoint in one's own network included."""
    return url[:8].lower() == "https://" and _AWS_STS.fullmatch(host_of(url)) is not None


def host_of(url: str) -> str:
    """The host of a plain http(s) URL; "" for any that two parsers might read differently (user@, backslash, blanks)."""
    if not url.isascii() or any(c in "@\\" or not c.isprintable() or c == " " for c in url):
        return ""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "").lower() if parts.scheme in ("http", "https") else ""
    except ValueError:
        return ""


def _value(profile: Profile, key: str) -> str | None:
    setting = profile.get(key)
    return setting.value if setting is not None else None


def _is_true(value: str | None) -> bool:
    return value is not None and value.lower() == "true"
