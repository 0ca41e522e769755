"""How a profile wants AWS reached: certificates, FIPS, dual stack; and which lines of it need their file's trust. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from awsenv.config import AwsConfig
from awsenv.endpoints import CARRY_TOKENS, endpoint_setting, is_aws_owned, is_aws_sts, is_loopback
from awsenv.model import Delicate, Network, Profile, Setting, Step
from awsenv.sources.assume_role import AssumeRole
from awsenv.sources.login import ConsoleLogin
from awsenv.sources.mfa_session import MfaSession
from awsenv.sources.sso import SsoRole
from awsenv.sources.web_identity import GithubRole, TokenFileRole
from awsenv.text import show

# A setting of the profile → the variable that beats it (botocore.configprovider.BOTOCORE_DEFAUT_SESSION_VARIABLES), an
# empty one too.
VARIABLES = {
    "ca_bundle": "AWS_CA_BUNDLE",
    "use_fips_endpoint": "AWS_USE_FIPS_ENDPOINT",
    "use_dualstack_endpoint": "AWS_USE_DUALSTACK_ENDPOINT",
    "sts_regional_endpoints": "AWS_STS_REGIONAL_ENDPOINTS",
}
_SIGNED = AssumeRole | MfaSession  # a request that is signed: whoever gets it can't send it on, its host is signed too
_BEARING = TokenFileRole | GithubRole  # one that carries all that is needed to be somebody


def network_of(profile: Profile, env: Mapping[str, str]) -> Network:
    """What *profile* says of it where the environment is silent; that one the clients read by themselves."""
    said = {key: profile.get(key) for key, variable in VARIABLES.items() if variable not in env}
    values = {key: setting.value for key, setting in said.items() if setting is not None}
    return Network(
        values.get("ca_bundle"),
        _truth(values.get("use_fips_endpoint")),
        _truth(values.get("use_dualstack_endpoint")),
        values.get("sts_regional_endpoints"),
    )


def variables_of(network: Network) -> dict[str, str]:
    """The same as variables, for a process of ours that has no profile to read."""
    said = {
        "ca_bundle": network.ca_bundle,
        "use_fips_endpoint": None if network.fips is None else str(network.fips).lower(),
        "use_dualstack_endpoint": None if network.dualstack is None else str(network.dualstack).lower(),
        "sts_regional_endpoints": network.sts_regional,
    }
    return {VARIABLES[key]: value for key, value in said.items() if value is not None}


def needs_trust(
    steps: tuple[Step, ...], profile: Profile, config: AwsConfig, env: Mapping[str, str]
) -> tuple[Delicate, ...]:
    """The lines by which a file that is not the user's own could read along, or be handed a token.

    A `ca_bundle` can vouch for a false AWS. An endpoint gets what is sent there: a token may go to AWS alone, a signed
    request also to this machine, where projects run stand-ins for AWS.
    """
    found: list[Delicate] = []
    asks_aws = any(isinstance(step, _SIGNED | _BEARING | SsoRole | ConsoleLogin) for step in steps)
    bundle = profile.get("ca_bundle")
    if bundle is not None and asks_aws and VARIABLES["ca_bundle"] not in env:
        found.append(_delicate(config, bundle, "say whose certificates are AWS's"))
    bears = any(isinstance(step, _BEARING) for step in steps)
    services = ["sts"] if any(isinstance(step, _SIGNED | _BEARING) for step in steps) else []
    services += ["sso", "sso_oidc"] if any(isinstance(step, SsoRole) for step in steps) else []
    services += ["signin"] if any(isinstance(step, ConsoleLogin) for step in steps) else []
    for service in services:
        found += for_call(service, profile, config, env, bears)
    return tuple(found)


def for_call(
    service: str, profile: Profile, config: AwsConfig, env: Mapping[str, str], bears: bool = False
) -> tuple[Delicate, ...]:
    """The same for the endpoint of one call, which carries a token where the service's do, or *bears* says so."""
    setting = endpoint_setting(service, profile, config, env)
    if setting is None:
        return ()
    is_safe = is_aws_owned(setting.value) if service in CARRY_TOKENS else is_aws_sts(setting.value)
    if is_safe or (service == "sts" and not bears and is_loopback(setting.value)):
        return ()
    return (_delicate(config, setting, f"send what is for AWS to {show(setting.value)}"),)


def _delicate(config: AwsConfig, setting: Setting, deed: str) -> Delicate:
    return Delicate(config.origin(setting), deed, setting.where)


def _truth(value: str | None) -> bool | None:
    return None if value is None else value.lower() == "true"
