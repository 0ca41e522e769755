"""botocore made small: its sessions and its clients, with no config file read and the short way to an endpoint."""

from __future__ import annotations

from os.path import exists, expanduser
from typing import TYPE_CHECKING, Any

import botocore.loaders
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config as ClientConfig
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from awsenv import __version__
from awsenv.aws.exchange import CLOCK, translated
from awsenv.endpoints import is_aws_owned, is_aws_sts, is_loopback
from awsenv.errors import Config
from awsenv.model import AS_IT_COMES, Credentials, Network

if TYPE_CHECKING:
    from awsenv.clock import ServerClock
    from awsenv.world import World

_SERVICES = ["iam", "sso", "sso-oidc", "sts"]


class _Loader(botocore.loaders.Loader):
    """Knows our few services by name, where botocore's own looks through 400 folders first: half of a client's cost."""

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self._whole = whole

    def list_available_services(self, type_name: str) -> list[str]:
        return _SERVICES

    def load_data_with_path(self, name: str) -> tuple[Any, str]:
        """endpoints.json is 1.25 MB: 14 ms and 8 MiB for what the services' own rule sets decide anyway. All that is left
        of it is the partitions; a test compares where requests then go, and how they are signed."""
        if name != "endpoints" or self._whole:
            data, path = super().load_data_with_path(name)
            return data, path
        partitions = [_shortened(partition) for partition in self.load_data("partitions")["partitions"]]
        return {"version": 3, "partitions": partitions}, f"{self.BUILTIN_DATA_PATH}/endpoints.json"


def _shortened(partition: dict[str, Any]) -> dict[str, Any]:
    regions: dict[str, Any] = {name: {} for name in partition["regions"] if not name.endswith("-global")}
    return {
        "partition": partition["id"],
        "dnsSuffix": partition["outputs"]["dnsSuffix"],
        "regionRegex": partition["regionRegex"],
        "regions": regions,
        "services": {"sts": {"endpoints": regions}},
        "defaults": {"hostname": "{service}.{region}.{dnsSuffix}", "protocols": ["https"], "signatureVersions": ["v4"]},
    }


class _Session(botocore.session.Session):
    """Reads no config file: what it would take from there is in the plan already, and 5,000 profiles cost a second."""

    @property
    def full_config(self) -> dict[str, dict[str, Any]]:
        return {"profiles": {}, "sso_sessions": {}, "services": {}}


class Clients:
    """What one of AWS's services is called with; each service's calls are a class on top of it."""

    def __init__(self, world: World, clock: ServerClock | None = None, network: Network = AS_IT_COMES) -> None:
        self._network = network
        self._now = world.clock
        self._clock = clock
        self._sessions: dict[bool, _Session] = {}
        # FIPS and dual-stack host names are in the whole list alone.
        variants = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")
        # botocore's order: the variable, the profile, what the library behind it has.
        own = expanduser(network.ca_bundle) if network.ca_bundle else None
        self._ca_bundle = world.env.get("AWS_CA_BUNDLE") or own or world.env.get("REQUESTS_CA_BUNDLE") or True
        self._variants = network.fips or network.dualstack
        self._variants = self._variants or any(world.env.get(name, "").lower() == "true" for name in variants)

    def _session(self, whole: bool) -> _Session:
        if whole not in self._sessions:
            # AWS_PROFILE in our environment must not choose anything here.
            session = _Session(session_vars={"profile": (None, None, None, None)})
            session.register_component("data_loader", _Loader(whole))
            session.user_agent_extra = f"awsenv/{__version__}"
            if self._network.sts_regional is not None:
                session.set_config_variable("sts_regional_endpoints", self._network.sts_regional.lower())
            self._sessions[whole] = session
        return self._sessions[whole]

    def _client(
        self,
        service: str,
        region: str,
        endpoint: str | None,
        credentials: Credentials | None = None,
        own_endpoints: bool = False,
        attempts: int = 2,
    ) -> Any:
        if isinstance(self._ca_bundle, str) and not exists(self._ca_bundle):
            raise Config(f"there are no certificates at {self._ca_bundle} (AWS_CA_BUNDLE, or the setting ca_bundle)")
        options: dict[str, Any] = {
            "connect_timeout": 3,
            "read_timeout": 10,
            "retries": {"mode": "standard", "total_max_attempts": attempts},
        }
        if credentials is None:
            options["signature_version"] = UNSIGNED
        if self._network.fips is not None:
            options["use_fips_endpoint"] = self._network.fips
        if self._network.dualstack is not None:
            options["use_dualstack_endpoint"] = self._network.dualstack
        if not own_endpoints:
            options["ignore_configured_endpoint_urls"] = True  # the plan has decided: see endpoints.py
        with translated(service, None):
            # iam and `aws-global` are not regional, which the partitions alone don't say.
            whole = self._variants or own_endpoints or region.endswith("-global")
            client = self._session(whole).create_client(
                service,
                region_name=region,
                endpoint_url=endpoint,
                verify=self._ca_bundle if self._network.ca_bundle else None,
                aws_access_key_id=credentials.access_key_id if credentials else None,
                aws_secret_access_key=credentials.secret_access_key if credentials else None,
                aws_session_token=credentials.session_token if credentials else None,
                config=ClientConfig(**options),
            )
        if any(told(client.meta.endpoint_url) for told in (is_aws_owned, is_aws_sts, is_loopback)):
            client.meta.events.register("response-received", self._hear)  # another host's clock is not AWS's
        return client

    def _hear(self, response_dict: Any = None, parsed_response: Any = None, **_: Any) -> None:
        """Learn AWS's time from one of its answers, refusals included. A guest network's page has no request id."""
        if self._clock is None or not isinstance(parsed_response, dict) or not isinstance(response_dict, dict):
            return
        headers = response_dict.get("headers") or {}
        if not (headers.get("x-amzn-requestid") and headers.get("date")):
            return
        skew = self._clock.hear(str(headers["date"]))
        if skew is not None and skew.is_worth_a_word and "Error" in parsed_response:
            parsed_response.setdefault("ResponseMetadata", {})[CLOCK] = skew.line()

    def _local(self, moment: float) -> float:
        """A time of AWS's (epoch seconds), by our clock."""
        return moment if self._clock is None else self._clock.to_local(moment)

    def _http(self, url: str) -> URLLib3Session:
        """botocore's HTTP with the proxies and the CA bundle that its clients would have."""
        verify: Any = self._ca_bundle  # a path as well, which the stubs don't know
        return URLLib3Session(verify=verify, proxies=get_environ_proxies(url), timeout=10)

    def _home_region(self, arn: str) -> str:
        """A region of the ARN's partition, from botocore's own data, where the user names none."""
        partition = arn.split(":")[1]
        if partition == "aws":
            return "us-east-1"
        regions = self._session(False).get_available_regions("sts", partition_name=partition)
        if not regions:
            raise Config(f'{arn} is in a partition that botocore does not know: "{partition}"')
        return str(regions[0])

    def regions(self) -> dict[str, tuple[str, ...]]:
        data = self._session(False).get_component("data_loader").load_data("partitions")
        return {
            partition["id"]: tuple(sorted(name for name in partition["regions"] if not name.endswith("-global")))
            for partition in data["partitions"]
        }
