"""AWS for real, by botocore: calls in, our values and our errors out. The only module that knows botocore."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import botocore.loaders
import botocore.parsers
import botocore.session
from botocore import UNSIGNED, exceptions
from botocore.awsrequest import AWSRequest
from botocore.config import Config as ClientConfig
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from awsenv import __version__, tokens
from awsenv.errors import (
    AwsenvError,
    Busy,
    Config,
    Denied,
    LoginNeeded,
    TokenRejected,
    Unanswered,
    Unreachable,
    WrongCode,
)
from awsenv.model import Account, Credentials, DeviceCode, Registration, SsoSession, SsoToken

if TYPE_CHECKING:
    from awsenv.world import World

DEADLINE = 20.0  # seconds for one exchange, name look-up, retries and all
_SERVICES = ["iam", "sso", "sso-oidc", "sts"]
_REFUSED = ("InvalidGrantException", "ExpiredTokenException", "UnauthorizedClientException", "InvalidClientException")
# The one refusal known by its words: AWS has no code of its own for it, and a role's policy is refused as AccessDenied, too.
_WRONG_CODE = "MultiFactorAuthentication failed"
_AFTER_A_CODE = (
    "each code works once, for half a minute: take the next one; is it the right device, and its clock right?"
)
_BUSY = ("Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDownException", "ServiceUnavailable")
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
# The effective rights are what this and the user's own policies both allow; without a policy there would be none.
# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
_WHAT_THE_USER_MAY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
_PAGE = 100  # entries, the most that a page of the portal holds
# An operation that lists → the member with its entries, the field that every entry has, those that it may have.
_LISTED = {
    "list_accounts": ("accountList", "accountId", "accountName", "emailAddress"),
    "list_account_roles": ("roleList", "roleName"),
}
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
        self._portals: dict[tuple[str, str | None], Any] = {}
        self._making = threading.Lock()
        # FIPS and dual-stack host names are in the whole list alone.
        variants = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")
        self._ca_bundle = world.env.get("AWS_CA_BUNDLE") or world.env.get("REQUESTS_CA_BUNDLE") or True
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
            return _of_sts(reply, issued, reply["AssumedRoleUser"]["Arn"].split(":")[4] or None)

    def assume_role_with_web_identity(
        self,
        token: str,
        *,
        role_arn: str,
        session_name: str,
        seconds: int | None,
        region: str | None,
        endpoint: str | None,
    ) -> Credentials:
        wanted = {"RoleArn": role_arn, "RoleSessionName": session_name, "WebIdentityToken": token}
        length = {"DurationSeconds": seconds} if seconds is not None else {}
        client = self._client("sts", region or self._home_region(role_arn), endpoint)
        issued = self._now()
        too_old = client.exceptions.ExpiredTokenException
        try:
            with _translated("sts", client, let_pass=(too_old,)):
                reply = _within(lambda: client.assume_role_with_web_identity(**wanted, **length))
                return _of_sts(reply, issued, reply["AssumedRoleUser"]["Arn"].split(":")[4] or None)
        except too_old:
            raise TokenRejected("the web identity token has expired") from None

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

    def accounts(
        self, access_token: str, session: SsoSession, before_call: Callable[[], None] = lambda: None
    ) -> list[Account]:
        client = self._portal(session)
        pages = self._pages(client, "list_accounts", before_call, accessToken=access_token)
        return [Account(*entry) for entry in pages]

    def roles(
        self, access_token: str, session: SsoSession, account: str, before_call: Callable[[], None] = lambda: None
    ) -> list[str]:
        client = self._portal(session)
        pages = self._pages(client, "list_account_roles", before_call, accessToken=access_token, accountId=account)
        return [name for (name,) in pages]

    def _portal(self, session: SsoSession) -> Any:
        """One client for a listing's thousand calls, from several threads: making one is the dearest part of a call."""
        key = (session.region, session.portal_endpoint)
        with self._making:
            if key not in self._portals:
                self._portals[key] = self._client("sso", session.region, session.portal_endpoint, attempts=1)
            return self._portals[key]

    def _pages(
        self, client: Any, operation: str, before_call: Callable[[], None], **asked: str
    ) -> list[tuple[str, ...]]:
        """The entries of all pages, each page its own exchange: a thousand accounts take longer than one may."""
        member, first, *others = _LISTED[operation]
        found: list[tuple[str, ...]] = []
        tokens: list[str] = []
        while True:
            before_call()
            following = {"nextToken": tokens[-1]} if tokens else {}
            with _translated("sso", client):
                page = _within(partial(getattr(client, operation), maxResults=_PAGE, **asked, **following))
                found += [(entry[first], *(entry.get(name) or "" for name in others)) for entry in page[member]]
            token = page.get("nextToken")
            if not token:
                return found
            if token in tokens:
                raise Unreachable(f"AWS (sso) pages in a circle: {operation}")
            tokens.append(token)

    def sign_out(self, access_token: str, session: SsoSession) -> None:
        client = self._client("sso", session.region, session.portal_endpoint)
        with _translated("sso", client):
            _within(lambda: client.logout(accessToken=access_token))

    def register_client(self, session: SsoSession, redirect_uri: str | None) -> Registration:
        client = self._client("sso-oidc", session.region, session.oidc_endpoint)
        # A login is named in the account's records by this: the session's name, as the AWS CLI has it.
        asked: dict[str, Any] = {"clientType": "public", "scopes": list(session.scopes)}
        asked["clientName"] = f"awsenv-client-{session.name or int(self._now())}"
        grants: tuple[str, ...] = ()
        if redirect_uri is not None:
            grants = ("authorization_code", "refresh_token")
            asked |= {"grantTypes": list(grants), "redirectUris": [redirect_uri], "issuerUrl": session.start_url}
        with _translated("sso-oidc", client):
            reply = _within(lambda: client.register_client(**asked))
            return Registration(
                reply["clientId"],
                reply["clientSecret"],
                float(reply["clientSecretExpiresAt"]),
                session.scopes,
                grants,
            )

    def start_device(self, registration: Registration, session: SsoSession) -> DeviceCode:
        client = self._client("sso-oidc", session.region, session.oidc_endpoint)
        with _translated("sso-oidc", client):
            reply = _within(
                lambda: client.start_device_authorization(
                    clientId=registration.client_id,
                    clientSecret=registration.client_secret,
                    startUrl=session.start_url,
                )
            )
            return DeviceCode(
                reply["deviceCode"],
                reply["userCode"],
                reply["verificationUri"],
                reply.get("verificationUriComplete") or reply["verificationUri"],
                float(reply["expiresIn"]),
                float(reply.get("interval") or 5),  # RFC 8628, section 3.2
            )

    def token_by_device(self, registration: Registration, device: DeviceCode, session: SsoSession) -> SsoToken | None:
        client = self._client("sso-oidc", session.region, session.oidc_endpoint, attempts=1)
        pending, too_late = client.exceptions.AuthorizationPendingException, client.exceptions.ExpiredTokenException
        try:
            return self._new_token(
                client, registration, (pending, too_late), grantType=_DEVICE_GRANT, deviceCode=device.device_code
            )
        except pending:
            return None
        except too_late:
            raise LoginNeeded("the code was not used in time") from None

    def token_by_code(
        self, registration: Registration, session: SsoSession, *, code: str, verifier: str, redirect_uri: str
    ) -> SsoToken:
        client = self._client("sso-oidc", session.region, session.oidc_endpoint)
        return self._new_token(
            client,
            registration,
            (),
            grantType="authorization_code",
            code=code,
            codeVerifier=verifier,
            redirectUri=redirect_uri,
        )

    def _new_token(
        self, client: Any, registration: Registration, let_pass: tuple[type[Exception], ...], **grant: str
    ) -> SsoToken:
        with _translated("sso-oidc", client, let_pass):
            reply = _within(
                lambda: client.create_token(
                    clientId=registration.client_id, clientSecret=registration.client_secret, **grant
                )
            )
            return SsoToken(
                reply["accessToken"],
                self._now() + reply["expiresIn"],
                refresh_token=reply.get("refreshToken"),
                client_id=registration.client_id,
                client_secret=registration.client_secret,
                registration_expires_at=registration.expires_at,
            )

    def oidc_base(self, session: SsoSession) -> str:
        client = self._client("sso-oidc", session.region, session.oidc_endpoint)
        return str(client.meta.endpoint_url).rstrip("/")

    def reach(self, url: str) -> None:
        with _reaching(urlsplit(url).hostname or url):
            _within(partial(self._http(url).send, AWSRequest(method="HEAD", url=url).prepare()))

    def redirect_of(self, url: str) -> str | None:
        host = urlsplit(url).hostname or url
        with _reaching(host):
            for method in ("HEAD", "GET"):  # not every server answers to HEAD
                request = AWSRequest(method=method, url=url).prepare()
                reply = _within(partial(self._http(url).send, request))
                if reply.status_code not in (405, 501):
                    break
        if 300 <= reply.status_code < 400 and reply.headers.get("Location"):
            return urljoin(url, str(reply.headers["Location"]))
        if reply.status_code >= 400:
            raise Unreachable(f"{host} answered {reply.status_code}")
        return None

    def renew_token(self, token: SsoToken, session: SsoSession, seconds: float = DEADLINE) -> SsoToken:
        client = self._client("sso-oidc", session.region, session.oidc_endpoint, attempts=1)
        try:
            with _translated("sso-oidc", client):
                reply = _within(
                    lambda: client.create_token(
                        grantType="refresh_token",
                        clientId=token.client_id,
                        clientSecret=token.client_secret,
                        refreshToken=token.refresh_token,
                    ),
                    seconds,
                )
                expires_at = self._now() + reply["expiresIn"]
                return tokens.renewed(token, reply["accessToken"], expires_at, reply.get("refreshToken"))
        except Denied as error:  # whatever AWS's reason is, the answer to this token will be the same
            raise TokenRejected(error.what) from None

    def caller(self, credentials: Credentials, *, region: str | None, endpoint: str | None) -> tuple[str, str, str]:
        client = self._client("sts", region or "us-east-1", endpoint, credentials)
        with _translated("sts", client):
            reply = _within(client.get_caller_identity)
            return reply["Account"], reply["Arn"], reply["UserId"]

    def session_token(
        self,
        credentials: Credentials,
        *,
        serial: str,
        code: str,
        seconds: int,
        region: str | None,
        endpoint: str | None,
    ) -> Credentials:
        home = self._home_region(serial) if serial.startswith("arn:") else "us-east-1"
        client = self._client("sts", region or home, endpoint, credentials)
        issued = self._now()
        with _translated("sts", client):
            reply = _within(
                lambda: client.get_session_token(SerialNumber=serial, TokenCode=code, DurationSeconds=seconds)
            )
            return _of_sts(reply, issued, credentials.account_id)

    def federation_token(
        self, credentials: Credentials, *, name: str, region: str | None, endpoint: str | None
    ) -> Credentials:
        client = self._client("sts", region or "us-east-1", endpoint, credentials)
        issued = self._now()
        with _translated("sts", client):
            reply = _within(lambda: client.get_federation_token(Name=name, Policy=_WHAT_THE_USER_MAY))
            return _of_sts(reply, issued, reply["FederatedUser"]["Arn"].split(":")[4] or None)

    def signin_token(self, credentials: Credentials, base: str) -> str:
        url, host = f"{base}/federation", urlsplit(base).hostname or base
        keys = (credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
        session = json.dumps(dict(zip(("sessionId", "sessionKey", "sessionToken"), keys, strict=True)))
        # AWS's guide shows a query string; its own IDE toolkits post a form. The keys stay out of URLs so, which proxies
        # log and errors quote. No SessionDuration: refused after GetFederationToken and for a role reached by a role.
        form = urlencode({"Action": "getSigninToken", "Session": session})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        request = AWSRequest(method="POST", url=url, data=form, headers=headers).prepare()
        with _reaching(host):
            reply = _within(partial(self._http(url).send, request))
        if reply.status_code == 429 or reply.status_code >= 500:
            raise Busy(f"AWS (sign-in) is busy or broken just now: {reply.status_code}", hint="try again in a minute")
        if reply.status_code in (400, 401, 403):
            raise Denied(f"the console does not take these credentials ({host} answered {reply.status_code})")
        try:
            token = json.loads(reply.content)["SigninToken"]
        except (ValueError, KeyError, TypeError):
            raise _not_aws(host) from None
        if reply.status_code != 200 or not (isinstance(token, str) and token):
            raise _not_aws(host)
        return token

    def regions(self) -> dict[str, tuple[str, ...]]:
        data = self._session(False).get_component("data_loader").load_data("partitions")
        return {
            partition["id"]: tuple(sorted(name for name in partition["regions"] if not name.endswith("-global")))
            for partition in data["partitions"]
        }

    def _http(self, url: str) -> URLLib3Session:
        """botocore's HTTP with the proxies and the CA bundle that its clients would have."""
        verify: Any = self._ca_bundle  # a path as well, which the stubs don't know
        return URLLib3Session(verify=verify, proxies=get_environ_proxies(url), timeout=10)

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
        attempts: int = 2,
    ) -> Any:
        options: dict[str, Any] = {
            "connect_timeout": 3,
            "read_timeout": 10,
            "retries": {"mode": "standard", "total_max_attempts": attempts},
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


def _of_sts(reply: Any, issued: float, account_id: str | None) -> Credentials:
    """The session in an answer of STS's."""
    keys = reply["Credentials"]
    return Credentials(
        keys["AccessKeyId"],
        keys["SecretAccessKey"],
        keys["SessionToken"],
        issued_at=issued,
        expires_at=keys["Expiration"].timestamp(),
        account_id=account_id,
    )


def _within(call: Callable[[], _T], seconds: float = DEADLINE) -> _T:
    """*call*'s result, or Unreachable after *seconds*: a hanging name look-up heeds no timeout, so a thread takes it."""
    result: list[_T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            result.append(call())
        except BaseException as error:  # handed on below, in the thread that asked
            failure.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(seconds)
    if failure:
        raise failure[0]
    if not result:
        raise Unanswered(f"no answer from AWS in {seconds:.0f} s")
    return result[0]


@contextmanager
def _translated(service: str, client: Any, let_pass: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """botocore's errors as ours, but for *let_pass*. Types and codes are matched, and messages for want of these alone."""
    host = urlsplit(client.meta.endpoint_url).hostname if client is not None else service
    with _reaching(str(host)):
        try:
            yield
        except let_pass:
            raise
        except exceptions.ClientError as error:
            raise _from_reply(service, str(host), error) from None


@contextmanager
def _reaching(host: str) -> Iterator[None]:
    """What can go wrong before *host* has said anything that is AWS's."""
    try:
        yield
    except (exceptions.SSLError, exceptions.ProxyConnectionError) as error:
        raise Unreachable(f"can't reach {host} safely: {_first_line(error)}") from None
    except (exceptions.ReadTimeoutError, exceptions.ConnectionClosedError):
        raise Unanswered(f"no answer from {host}", hint="check the network (a VPN, a proxy?) and try again") from None
    except (exceptions.ConnectionError, exceptions.HTTPClientError):
        raise Unreachable(f"can't reach {host}", hint="check the network (a VPN, a proxy?) and try again") from None
    except (exceptions.NoRegionError, exceptions.InvalidRegionError, exceptions.UnknownRegionError) as error:
        raise Config(f"{_first_line(error)}") from None
    except (exceptions.ParamValidationError, exceptions.UnknownEndpointError, ValueError) as error:
        raise Config(f"AWS would not take this: {_first_line(error)}") from None
    except (exceptions.BotoCoreError, botocore.parsers.ResponseParserError, KeyError, TypeError, AttributeError):
        raise _not_aws(host) from None


def _not_aws(host: str) -> Unreachable:
    return Unreachable(
        f"{host} answered with something that is not AWS's (a captive portal?)",
        hint="open any web page, then try again",
    )


def _from_reply(service: str, host: str, error: Any) -> AwsenvError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(error.response.get("Error", {}).get("Message", "")).strip() or code
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if status == 429 or status >= 500 or code in _BUSY:
        what = f"AWS ({service}) is busy or broken just now: {status} {code}"
        return Busy(what, _retry_after(error), "try again in a minute", is_throttled=status < 500)
    if service in ("sso", "sso-oidc") and not code.endswith("Exception"):
        return _not_aws(host)  # every refusal of these two names its type; a page for guests, or a proxy's, doesn't
    if service == "sso" and status == 401:
        return TokenRejected(message)
    if service == "sso-oidc" and code in _REFUSED:
        return TokenRejected(message)
    if code in ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"):
        return Denied(
            f"AWS does not accept this access key: {message}", hint="was it deactivated, deleted or mistyped?"
        )
    if code in ("ExpiredToken", "ExpiredTokenException"):
        return Denied(f"AWS says that the session has expired: {message}", hint="try again with --fresh")
    if code == "AccessDenied" and message.startswith(_WRONG_CODE):
        return WrongCode(f"AWS did not accept that code: {message}", hint=_AFTER_A_CODE)
    return Denied(f"AWS refused: {message}")


def _retry_after(error: Any) -> float | None:
    """Seconds; the other form of the header, a date, is not worth a parser."""
    value = str(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", ""))
    return float(value) if value.isascii() and value.isdigit() else None


def _first_line(error: BaseException) -> str:
    return str(error).split("\n")[0]
