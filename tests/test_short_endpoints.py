"""With the short list of partitions, requests go where botocore's whole endpoints.json sends them, and sign alike."""

import pytest
from botocore.awsrequest import AWSResponse

from awsenv.aws import Aws
from awsenv.model import Credentials
from awsenv.world import World

KEYS = Credentials("AKIDEXAMPLE000000000", "secret")
CALLS = {
    "sts": lambda client: client.assume_role(RoleArn="arn:aws:iam::111111111111:role/x", RoleSessionName="xx"),
    "sso": lambda client: client.get_role_credentials(accountId="1", roleName="x", accessToken="t"),
    "sso-oidc": lambda client: client.create_token(clientId="a", clientSecret="b", grantType="refresh_token"),
}


class Stop(Exception):
    """In place of the network."""


def aws(monkeypatch: pytest.MonkeyPatch, whole: bool) -> Aws:
    """The real thing; with *whole*, made to read all of endpoints.json."""
    api = Aws(World({}, "/", "", "", None, "tester"))
    if whole:
        short = api._session
        monkeypatch.setattr(api, "_session", lambda _: short(True))
    return api


def goes_to(api: Aws, service: str, region: str) -> tuple[str, str]:
    """(URL, signing scope without the date) of a call."""
    seen: list[tuple[str, str]] = []

    def send(request: object, **_: object) -> AWSResponse:
        scope = str(request.headers.get("Authorization", b"")).split("/")[2:4]
        seen.append((request.url.partition("?")[0], "/".join(scope)))
        raise Stop

    client = api._client(service, region, None, KEYS if service == "sts" else None)
    client.meta.events.register("before-send", send)
    with pytest.raises(Stop):
        CALLS[service](client)
    return seen[0]


@pytest.mark.parametrize("mode", ["regional", "legacy"])
@pytest.mark.parametrize("service", CALLS)
def test_every_region_of_every_partition(service, mode, monkeypatch):
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", mode)
    short, whole = aws(monkeypatch, False), aws(monkeypatch, True)
    loader = whole._session(True).get_component("data_loader")
    known = [name for partition in loader.load_data("partitions")["partitions"] for name in partition["regions"]]
    regions = [*known, "eu-nowhere-9", "us-gov-nowhere-1", "zz-new-1"]
    assert len(regions) > 40
    assert {r: goes_to(short, service, r) for r in regions} == {r: goes_to(whole, service, r) for r in regions}


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-eusc"])
def test_the_home_region_of_a_partition_is_one_of_its_own(partition, monkeypatch):
    arn = f"arn:{partition}:iam::111111111111:role/x"
    home = aws(monkeypatch, False)._home_region(arn)
    whole = aws(monkeypatch, True)
    assert home in ("us-east-1", *whole._session(True).get_available_regions("sts", partition_name=partition))
    assert not home.endswith("-global")
