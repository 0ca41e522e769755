"""The web console's URLs: partition, region and service → where a browser goes, and the link that signs it in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from awsenv import services
from awsenv.errors import Config, Usage
from awsenv.model import Plan
from awsenv.sources.assume_role import AssumeRole
from awsenv.sources.login import ConsoleLogin
from awsenv.sources.sso import SsoRole
from awsenv.text import nearest, show

LINK_MINUTES = 15  # how long AWS honours a login link, whatever the session's own length (the guide named at login_url)


@dataclass(frozen=True, slots=True)
class Hosts:
    """A partition's console and sign-in hosts; *region* is where one signs in who names none."""

    console: str
    signin: str
    region: str


# botocore has the console's hosts nowhere, and knows the service `signin` since 1.41 only: a test compares the second column
# with its rules. Sources: AWS General Reference, "AWS Management Console endpoints" and "AWS Sign-In endpoints" (aws);
# "How IAM users sign in" of docs.amazonaws.cn (aws-cn); AWS GovCloud User Guide, "Configuring your account" (aws-us-gov);
# the endpoints page of the European Sovereign Cloud's General Reference, docs.aws.eu (aws-eusc). The isolated partitions
# have no console that the public documents.
PARTITIONS = {
    "aws": Hosts("console.aws.amazon.com", "signin.aws.amazon.com", "us-east-1"),
    "aws-cn": Hosts("console.amazonaws.cn", "signin.amazonaws.cn", "cn-north-1"),
    "aws-us-gov": Hosts("console.amazonaws-us-gov.com", "signin.amazonaws-us-gov.com", "us-gov-west-1"),
    "aws-eusc": Hosts("console.amazonaws-eusc.eu", "signin.amazonaws-eusc.eu", "eusc-de-east-1"),
}

Regions = Mapping[str, tuple[str, ...]]  # partition → its regions, as botocore lists them


def service_of(typed: str) -> str:
    """The service that *typed* means (`CloudFormation` and `cfn` mean `cloudformation`); raises Usage for none."""
    plain = typed.lower().replace("-", "").replace("_", "").replace(" ", "")
    name = services.ALSO.get(plain, plain)
    if name in services.REGIONAL or name in services.GLOBAL:
        return name
    close = nearest(plain, list(services.NAMES))
    known = ", ".join((*services.REGIONAL, *services.GLOBAL)[:6])
    raise Usage(
        f'no service of the console is called "{show(typed)}" here',
        hint=f"did you mean {' or '.join(close)}?" if close else f"such as {known}; TAB lists them all",
    )


def partition_of(plan: Plan | None, region: str | None, known: Regions) -> str:
    """The partition that an identity belongs to: by its role's ARN, its portal's region, its own region; else `aws`."""
    for step in reversed(plan.steps if plan is not None else ()):
        if isinstance(step, AssumeRole):
            return step.role_arn.split(":")[1]
        if isinstance(step, ConsoleLogin):
            return step.session.partition
        if isinstance(step, SsoRole):
            region = step.session.region
    return next((partition for partition, regions in known.items() if region in regions), "aws")


def hosts_of(partition: str) -> Hosts:
    """The partition's hosts; raises Config where it has no public console."""
    if partition not in PARTITIONS:
        raise Config(f"no public console is known for the partition {show(partition)}")
    return PARTITIONS[partition]


def require_region(region: str, partition: str, known: Regions) -> None:
    """Raise Usage unless *region* is one of the partition's: it becomes part of a host's name."""
    regions = known.get(partition, ())
    if region in regions:
        return
    elsewhere = next((other for other, theirs in known.items() if region in theirs), None)
    if elsewhere is not None:
        raise Usage(
            f"{region} is in the partition {elsewhere}, and this identity in {partition}",
            hint=f"--region {hosts_of(partition).region}",
        )
    close = nearest(region, list(regions)) or [hosts_of(partition).region]
    raise Usage(f'"{show(region)}" is no region of {partition}', hint=f"--region {close[0]}")


def destination(partition: str, region: str | None, service: str | None) -> str:
    """The page to land on. *region* has passed require_region, *service* comes from service_of; None for the home page.

    The host never depends on either: the console itself leads on to the region's host.
    """
    path = "console/home"
    if service is not None:
        path = services.REGIONAL.get(service) or services.GLOBAL[service]
        region = region if service in services.REGIONAL else None
    path, mark, place = path.partition("#")
    query = f"?{urlencode({'region': region})}" if region else ""
    return f"https://{hosts_of(partition).console}/{path}{query}{mark}{place}"


def signin_base(partition: str, region: str | None, override: str | None) -> str:
    """The sign-in service's URL without a path. A token is good at the regional endpoint that gave it, so it serves both."""
    if override is not None:
        return override.rstrip("/")
    hosts = hosts_of(partition)
    return f"https://{region or hosts.region}.{hosts.signin}"


def login_url(base: str, landing: str, token: str) -> str:
    """The link that signs a browser in: a secret. From "Enable custom identity broker access to the AWS console", IAM guide.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html
    """
    asked = {"Action": "login", "Issuer": "awsenv", "Destination": landing, "SigninToken": token}
    return f"{base}/federation?{urlencode(asked)}"
