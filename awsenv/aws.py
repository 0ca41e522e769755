"""AWS for real, by botocore: calls in, our values and our errors out. The only module that knows botocore."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import botocore.loaders
import botocore.parsers
import botocore.session
from botocore import UNSIGNED, exceptions
from botocore.config import Config as ClientConfig

from awsenv import __version__, tokens
from awsenv.errors import AwsenvError, Config, Denied, TokenRejected, Unreachable
from awsenv.model import Credentials, SsoToken

if TYPE_CHECKING:
    from awsenv.world import World

DEADLINE = 20.0  # seconds for one exchange, name look-up, retries and all
_SERVICES = ["iam", "sso", "sso-oidc", "sts"]
_REFUSED = ("InvalidGrantException", "ExpiredTokenException", "UnauthorizedClientException", "InvalidClientException")
_BUSY = ("Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDownException", "ServiceUnavailable")
_T = TypeVar("_T")


class _Loader(botocore.loaders.Loader):
    """Knows our four services by name, where botocore's own looks through 400 folders first: half of a client's cost."""

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


class Aws:
    """The AwsApi port."""

    def __init__(self, world: World) -> None:
        self._now = world.clock
        self._sessions: dict[bool, _Session] = {}
        # FIPS and dual-stack host names are in the whole list alone.
        variants = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")
        self._variants = any(world.env.get(name, "").lower() == "true" for name in variants)

    def _session(self, whole: bool) -> _Session:
        if whole not in self._sessions:
            # AWS_PROFILE in our environment must not choose anything here.
            session = _Session(session_vars={"profile": (None, None, None, None)})
            session.register_component("data_loader", _Loader(whole))
            session.user_agent_extra = f"awsenv/{__version__}"
            self._sessions[whole] = session
        return self._sessions[whole]

    def assume_role(
        self,
        credentials: Credentials,
        *,
        role_arn: str,
        session_name: str,
        seconds: int | None,
        external_id: str | None,
        mfa_serial: str | None,
        mfa_code: str | None,
        region: str | None,
        endpoint: str | None,
    ) -> Credentials:
        wanted = {
            "RoleArn": role_arn,
            "RoleSessionName": session_name,
            "DurationSeconds": seconds,
            "ExternalId": external_id,
            "SerialNumber": mfa_serial,
            "TokenCode": mfa_code,
        }
        client = self._client("sts", region or self._home_region(role_arn), endpoint, credentials)
        issued = self._now()
        with _translated("sts", client):
            reply = _within(lambda: client.assume_role(**{k: v for k, v in wanted.items() if v is not None}))
            keys = reply["Credentials"]
            return Credentials(
                keys["AccessKeyId"],
                keys["SecretAccessKey"],
                keys["SessionToken"],
                issued_at=issued,
                expires_at=keys["Expiration"].timestamp(),
                account_id=reply["AssumedRoleUser"]["Arn"].split(":")[4] or None,
            )

    def role_credentials(
        self, access_token: str, *, account: str, role: str, region: str, endpoint: str | None
    ) -> Credentials:
        client = self._client("sso", region, endpoint)
        issued = self._now()
        with _translated("sso", client):
            reply = _within(
                lambda: client.get_role_credentials(accountId=account, roleName=role, accessToken=access_token)
            )
            keys = reply["roleCredentials"]
            return Credentials(
                keys["accessKeyId"],
                keys["secretAccessKey"],
                keys["sessionToken"],
                issued_at=issued,
                expires_at=keys["expiration"] / 1000,
                account_id=account,
            )

    def account_roles(self, access_token: str, *, account: str, region: str, endpoint: str | None) -> list[str]:
        client = self._client("sso", region, endpoint)
        with _translated("sso", client):
            pages = client.get_paginator("list_account_roles").paginate(accountId=account, accessToken=access_token)
            names: list[str] = _within(lambda: [role["roleName"] for page in pages for role in page["roleList"]])
            return names

    def renew_token(self, token: SsoToken, *, region: str, endpoint: str | None) -> SsoToken:
        client = self._client("sso-oidc", region, endpoint)
        with _translated("sso-oidc", client):
            reply = _within(
                lambda: client.create_token(
                    grantType="refresh_token",
                    clientId=token.client_id,
                    clientSecret=token.client_secret,
                    refreshToken=token.refresh_token,
                )
            )
            expires_at = self._now() + reply["expiresIn"]
            return tokens.renewed(token, reply["accessToken"], expires_at, reply.get("refreshToken"))

    def caller(self, credentials: Credentials, *, region: str | None, endpoint: str | None) -> tuple[str, str, str]:
        client = self._client("sts", region or "us-east-1", endpoint, credentials)
        with _translated("sts", client):
            reply = _within(client.get_caller_identity)
            return reply["Account"], reply["Arn"], reply["UserId"]

    def account_alias(self, credentials: Credentials, *, region: str | None) -> str | None:
        client = self._client("iam", region or "us-east-1", None, credentials, own_endpoints=True)
        try:
            with _translated("iam", client):
                aliases: list[str] = _within(client.list_account_aliases)["AccountAliases"]
                return aliases[0] if aliases else None
        except AwsenvError:
            return None  # most roles may not ask; the account id says it as well

    def _client(
        self,
        service: str,
        region: str,
        endpoint: str | None,
        credentials: Credentials | None = None,
        own_endpoints: bool = False,
    ) -> Any:
        options: dict[str, Any] = {
            "connect_timeout": 3,
            "read_timeout": 10,
            "retries": {"mode": "standard", "total_max_attempts": 2},
        }
        if credentials is None:
            options["signature_version"] = UNSIGNED
        if not own_endpoints:
            options["ignore_configured_endpoint_urls"] = True  # the plan has decided: see endpoints.py
        with _translated(service, None):
            # iam and `aws-global` are not regional, which the partitions alone don't say.
            whole = self._variants or own_endpoints or region.endswith("-global")
            return self._session(whole).create_client(
                service,
                region_name=region,
                endpoint_url=endpoint,
                aws_access_key_id=credentials.access_key_id if credentials else None,
                aws_secret_access_key=credentials.secret_access_key if credentials else None,
                aws_session_token=credentials.session_token if credentials else None,
                config=ClientConfig(**options),
            )

    def _home_region(self, arn: str) -> str:
        """A region of the ARN's partition, from botocore's own data, where the user names none."""
        partition = arn.split(":")[1]
        if partition == "aws":
            return "us-east-1"
        regions = self._session(False).get_available_regions("sts", partition_name=partition)
        if not regions:
            raise Config(f'{arn} is in a partition that botocore does not know: "{partition}"')
        return str(regions[0])


def _within(call: Callable[[], _T]) -> _T:
    """*call*'s result, or Unreachable after DEADLINE: a hanging name look-up heeds no timeout, so a thread takes it."""
    result: list[_T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            result.append(call())
        except BaseException as error:  # handed on below, in the thread that asked
            failure.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(DEADLINE)
    if failure:
        raise failure[0]
    if not result:
        raise Unreachable(f"no answer from AWS in {DEADLINE:.0f} s")
    return result[0]


@contextmanager
def _translated(service: str, client: Any) -> Iterator[None]:
    """botocore's errors as ours. Types and codes are matched, never messages."""
    host = urlsplit(client.meta.endpoint_url).hostname if client is not None else service
    try:
        yield
    except exceptions.ClientError as error:
        raise _from_reply(service, error) from None
    except (exceptions.SSLError, exceptions.ProxyConnectionError) as error:
        raise Unreachable(f"can't reach {host} safely: {_first_line(error)}") from None
    except (exceptions.ConnectionError, exceptions.HTTPClientError):
        raise Unreachable(f"can't reach {host}", hint="check the network (a VPN, a proxy?) and try again") from None
    except (exceptions.NoRegionError, exceptions.InvalidRegionError, exceptions.UnknownRegionError) as error:
        raise Config(f"{_first_line(error)}") from None
    except (exceptions.ParamValidationError, exceptions.UnknownEndpointError, ValueError) as error:
        raise Config(f"AWS would not take this: {_first_line(error)}") from None
    except (exceptions.BotoCoreError, botocore.parsers.ResponseParserError, KeyError, TypeError, AttributeError):
        raise Unreachable(
            f"{host} answered with something that is not AWS's (a captive portal?)",
            hint="open any web page, then try again",
        ) from None


def _from_reply(service: str, error: Any) -> AwsenvError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(error.response.get("Error", {}).get("Message", "")).strip() or code
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if status == 429 or status >= 500 or code in _BUSY:
        return Unreachable(f"AWS ({service}) is busy or broken just now: {status} {code}", hint="try again in a minute")
    if service == "sso" and status == 401:
        return TokenRejected(message)
    if service == "sso-oidc" and code in _REFUSED:
        return TokenRejected(message)
    if service == "sso-oidc" and not code.endswith("Exception"):
        return Unreachable(f"unexpected answer to the renewal of a login ({status})")
    if code in ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"):
        return Denied(
            f"AWS does not accept this access key: {message}", hint="was it deactivated, deleted or mistyped?"
        )
    if code in ("ExpiredToken", "ExpiredTokenException"):
        return Denied(f"AWS says that the session has expired: {message}", hint="try again with --fresh")
    return Denied(f"AWS refused: {message}")


def _first_line(error: BaseException) -> str:
    return str(error).split("\n")[0]
