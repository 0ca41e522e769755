"""Which endpoint a service is called at when the user overrides AWS's own: botocore's order, stricter for tokens. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from awsenv.config import AwsConfig
from awsenv.errors import Config
from awsenv.model import Profile, Setting, Where

# The AWS CLI's list of hosts that a start URL may lead to, less what is no API host.
AWS_OWNED = (
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
    ".aws.amazon.com",
)
CARRY_TOKENS = frozenset(("sso", "sso_oidc", "signin"))


def endpoint_of(service: str, profile: Profile, config: AwsConfig, env: Mapping[str, str]) -> str | None:
    """The overriding URL for *service* (`sts`, `sso`, `sso_oidc`), or None for AWS's own.

    The order is botocore's (configprovider.ConfiguredEndpointProvider): the service's variable, the general variable, the
    profile's `services` section, the profile's `endpoint_url`. The general two never apply to a service that carries
    tokens, whose URL must also be loopback or AWS's: raises Config otherwise.
    """
    if _is_true(env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) or _is_true(
        _value(profile, "ignore_configured_endpoint_urls")
    ):
        return None
    variable = f"AWS_ENDPOINT_URL_{service.upper()}"
    if env.get(variable):
        return _checked(service, env[variable], variable, None)
    if env.get("AWS_ENDPOINT_URL") and service not in CARRY_TOKENS:
        return env["AWS_ENDPOINT_URL"]
    from_section = _from_services(service, profile, config)
    if from_section is not None:
        return _checked(service, from_section.value, "endpoint_url", from_section.where)
    general = profile.get("endpoint_url")
    return general.value if general is not None and service not in CARRY_TOKENS else None


def _from_services(service: str, profile: Profile, config: AwsConfig) -> Setting | None:
    from awsenv.sections import nested

    named = profile.get("services")
    section = config.section("services", named.value) if named is not None else None
    setting = section.settings.get(service) if section is not None else None
    url = nested(setting.value).get("endpoint_url") if setting is not None else None
    return Setting("endpoint_url", url, setting.where) if setting is not None and url else None


def _checked(service: str, url: str, name: str, where: Where | None) -> str:
    if service in CARRY_TOKENS and not (is_loopback(url) or is_aws_owned(url)):
        raise Config(
            f"{name} sends Identity Center tokens to a host that is not AWS's: {url}",
            where,
            f"unset {name}" if where is None else "remove that line",
        )
    return url


def is_loopback(url: str) -> bool:
    """Whether *url* names this machine."""
    host = _host(url)
    return host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())


def is_aws_owned(url: str) -> bool:
    """Whether *url* is https on a host of an AWS partition."""
    return url.startswith("https://") and _host(url).endswith(AWS_OWNED)


def _host(url: str) -> str:
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
