"""Who a profile turns out to be: by botocore's own resolver over faked AWS clients, and by our plan. Values that compare.

A principal is (root, hops, region): the root is where the first credentials come from, a hop one AssumeRole with all that
it was asked with. None is a profile that doesn't resolve.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from unittest.mock import Mock, patch

import botocore.credentials
import botocore.session
import botocore.tokens
from botocore.compat import compat_shell_split
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.exceptions import InvalidConfigError

from awsenv.config import AwsConfig
from awsenv.errors import AwsenvError
from awsenv.files import AwsFiles, locate
from awsenv.machine import Here
from awsenv.model import Plan, Where
from awsenv.plan import build
from awsenv.sources.assume_role import HOUR, AssumeRole
from awsenv.sources.credential_process import CredentialProcess
from awsenv.sources.credential_source import ContainerRole, EnvironmentKeys, InstanceRole
from awsenv.sources.login import ConsoleLogin
from awsenv.sources.mfa_session import MfaSession
from awsenv.sources.sso import SsoRole
from awsenv.sources.static import StaticKeys
from awsenv.sources.web_identity import TokenFileRole
from tests.generated import HOME, LOGINS, SESSIONS, START_URLS, Case

UNNAMED = "awsenv-unnamed"
NO_SECTION = "services names a section that is not there"
LATER = datetime.now(UTC) + timedelta(days=1)


class Root(NamedTuple):
    """*what*: keys, sso, login, process, web identity, environment, container, instance. *own* is the service's own endpoint override."""

    what: str
    about: tuple[str | None, ...] = ()
    endpoint: str | None = None
    own: str | None = None


class Hop(NamedTuple):
    arn: str
    external_id: str | None
    mfa_serial: str | None
    seconds: int | None
    session_name: str | None
    endpoint: str | None


class Principal(NamedTuple):
    root: Root
    hops: tuple[Hop, ...]
    region: str | None
    mfa: str | None = None  # the device whose code has made the root a session, where no hop says so
    unasked: str | None = None  # a device that the profile names, and nobody was asked for its code


@dataclass(frozen=True)
class Answer:
    """What one side makes of a profile: a principal, or why not."""

    principal: Principal | None
    error: Exception | None = None
    plan: Plan | None = None


class Theirs:
    """botocore's resolver over the files of one case, with every client, process and metadata service faked."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[Root, tuple[Hop, ...]]] = {}
        for key in (*SESSIONS, *START_URLS):
            self._write_token(key)
        for arn in LOGINS:
            self._write_login(arn)

    def _write_token(self, key: str) -> None:
        token = {"accessToken": f"token of {key}", "expiresAt": LATER.strftime("%Y-%m-%dT%H:%M:%SZ")}
        token |= {"startUrl": "https://d-1.awsapps.com/start", "region": "eu-west-1"}
        name = hashlib.sha1(key.encode()).hexdigest()
        (self._folder / f"{name}.json").write_text(json.dumps(token))

    def _write_login(self, arn: str) -> None:
        keys = {"accessKeyId": self._mint(Root("login", (arn,))), "secretAccessKey": "s", "sessionToken": "t"}
        keys |= {"accountId": "111111111111", "expiresAt": LATER.strftime("%Y-%m-%dT%H:%M:%SZ")}
        token = {"accessToken": keys, "refreshToken": "r", "dpopKey": "k", "clientId": "c"}
        (self._folder / f"{hashlib.sha256(arn.encode()).hexdigest()}.json").write_text(json.dumps(token))

    def answers(self, case: Case, as_the_cli: bool = False) -> dict[str, Answer]:
        """Who botocore is as each profile of *case*; *as_the_cli*: with one cache for all, as the AWS CLI has on its disk."""
        env = self._placed(case)
        instance = botocore.credentials.Credentials(self._mint(Root("instance")), "s") if case.on_instance else None
        is_container = any(name.startswith("AWS_CONTAINER") for name in case.env)
        container = botocore.credentials.Credentials(self._mint(Root("container")), "s") if is_container else None
        cache: dict[str, object] | None = {} if as_the_cli else None
        with (
            patch.dict("os.environ", env),
            patch.object(botocore.credentials.SSOProvider, "_SSO_TOKEN_CACHE_DIR", str(self._folder)),
            patch.object(botocore.tokens.SSOTokenProvider, "_SSO_TOKEN_CACHE_DIR", str(self._folder)),
            patch.object(botocore.credentials, "EC", object()),  # without awscrt it would not even read the file
            patch.object(botocore.credentials, "get_login_token_cache_directory", lambda: str(self._folder)),
            patch.object(botocore.credentials.ProcessProvider, "_retrieve_credentials_using", self._by_process),
            patch.object(botocore.credentials.FileWebIdentityTokenLoader, "__call__", _web_token),
            patch.object(botocore.credentials.ContainerProvider, "load", lambda _: container),
            patch.object(botocore.credentials.InstanceMetadataProvider, "load", lambda _: instance),
        ):
            return {name: self._answer(name, cache) for name in case.names()}

    @property
    def _by_process(self) -> Callable[[botocore.credentials.ProcessProvider, str], dict[str, object]]:
        """What stands in for the start of a program: keys for its words, and the account that the profile names."""

        def answer(provider: botocore.credentials.ProcessProvider, command: str) -> dict[str, object]:
            words = compat_shell_split(command)
            if not words[0]:
                raise FileNotFoundError
            account = provider._get_account_id({})
            return {"access_key": self._mint(Root("process", (json.dumps(words), account or None))), "secret_key": "s"}

        return answer

    def names(self, case: Case) -> set[str]:
        """The profiles that botocore finds in the files of *case*."""
        with patch.dict("os.environ", self._placed(case)):
            return set(botocore.session.Session(include_builtin_handlers=False).available_profiles)

    def _placed(self, case: Case) -> dict[str, str]:
        for name, data in case.files().items():
            (self._folder / name).write_bytes(data)
        return {
            "AWS_CONFIG_FILE": str(self._folder / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self._folder / "credentials"),
            **_environment(case),
        }

    def _answer(self, name: str, cache: dict[str, object] | None) -> Answer:
        session = botocore.session.Session(profile=name, include_builtin_handlers=False)  # they are 4/5 of its cost
        session.create_client = lambda service, **asked: _Client(self, session, service, asked)
        try:
            resolver = botocore.credentials.create_credential_resolver(session, cache=cache)
            resolver.get_provider("assume-role")._prompter = lambda prompt: "123456"
            found = resolver.load_credentials()
            if found is None:
                return Answer(None)
            frozen = found.get_frozen_credentials()
            root, hops = self._whose(frozen.access_key, frozen.secret_key, frozen.token)
            settings = session.get_scoped_config()
            return Answer(Principal(root, hops, settings.get("region"), unasked=settings.get("mfa_serial")))
        except Exception as error:  # whatever stops botocore: it does not resolve
            return Answer(None, error)

    def _mint(self, root: Root, hops: tuple[Hop, ...] = ()) -> str:
        key = f"minted {len(self._known)}"
        self._known[key] = root, hops
        return key

    def _whose(self, key: str, secret: str, token: str | None) -> tuple[Root, tuple[Hop, ...]]:
        if key == "ENVIRONMENT":
            return Root("environment", (key, secret, token)), ()
        return self._known.get(key, (Root("keys", (key, secret, token)), ()))

    def issue(self, caller: tuple[str, str, str | None], endpoint: str | None, asked: dict[str, object]) -> str:
        """The key of an AssumeRole that *caller* made."""
        root, hops = self._whose(*caller)
        session_name = str(asked["RoleSessionName"])
        hop = Hop(
            asked["RoleArn"],
            asked.get("ExternalId"),
            asked.get("SerialNumber"),
            asked.get("DurationSeconds"),
            None if session_name.startswith("botocore-session-") else session_name,
            endpoint,
        )
        return self._mint(root, (*hops, hop))

    def issue_root(self, root: Root) -> str:
        return self._mint(root)


class _Client:
    """A client of sts or sso that answers with keys which stand for who asked, and for what."""

    class exceptions:
        class UnauthorizedException(Exception):
            pass

    def __init__(
        self, theirs: Theirs, session: botocore.session.Session, service: str, asked: dict[str, object]
    ) -> None:
        self._theirs, self._service, self._asked = theirs, service, asked
        store = session.get_component("config_store")
        ignored = store.get_config_variable("ignore_configured_endpoint_urls")
        lookup = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), service)
        self._endpoint = None if ignored else lookup.provide()
        self._own = None if ignored else self._own_of(lookup)

    @staticmethod
    def _own_of(lookup: ConfiguredEndpointProvider) -> str | None:
        try:
            return lookup._get_endpoint_url_environment_service() or lookup._get_endpoint_url_config_service()
        except InvalidConfigError:
            return NO_SECTION

    def assume_role(self, **asked: object) -> dict[str, object]:
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        caller = tuple(self._asked.get(name) for name in names)
        return self._reply(self._theirs.issue(caller, self._endpoint, asked))

    def assume_role_with_web_identity(self, **asked: object) -> dict[str, object]:
        name, length = str(asked["RoleSessionName"]), asked.get("DurationSeconds")
        given = None if name.startswith("botocore-session-") else name
        about = (str(asked["RoleArn"]), given, str(asked["WebIdentityToken"]), str(length) if length else None)
        return self._reply(self._theirs.issue_root(Root("web identity", about, self._endpoint)))

    def _reply(self, key: str) -> dict[str, object]:
        keys = {"AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": "t", "Expiration": LATER.isoformat()}
        return {"Credentials": keys}

    def get_role_credentials(self, **asked: str) -> dict[str, object]:
        about = (asked["accountId"], asked["roleName"], asked["accessToken"], self._asked["config"].region_name)
        key = self._theirs.issue_root(Root("sso", about, self._endpoint, self._own))
        expiration = LATER.timestamp() * 1000
        keys = {"accessKeyId": key, "secretAccessKey": "s", "sessionToken": "t", "expiration": expiration}
        return {"roleCredentials": keys}


def _environment(case: Case) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": "ENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "s", **case.env}


def _web_token(loader: botocore.credentials.FileWebIdentityTokenLoader) -> str:
    """The token of every file: the file's name. None is in a folder called `~`, which is what botocore would look for."""
    if loader._web_identity_token_path.startswith("~"):
        raise FileNotFoundError(loader._web_identity_token_path)
    return f"token in {loader._web_identity_token_path}"


def ours(case: Case, name: str) -> Answer:
    """Who awsenv plans to be as *name*."""
    files = case.files()
    config = AwsConfig(files["config"], files["credentials"], "config", "credentials")
    try:
        env = _environment(case) | ({} if case.on_instance else {"AWS_EC2_METADATA_DISABLED": "true"})
        plan = build(config, name, env=env, session_name=UNNAMED, before=env)
        root = _root(plan, files, env)
        hops, mfa = _hops(plan)
        return Answer(Principal(root, hops, plan.region, mfa), plan=plan)
    except AwsenvError as error:
        return Answer(None, error)


def _root(plan: Plan, files: dict[str, bytes], env: dict[str, str]) -> Root:
    def value(where: Where | None) -> str | None:
        return locate(files[where.file], where)[0] if where is not None else None

    step = plan.steps[0]
    if isinstance(step, StaticKeys):
        return Root("keys", (step.access_key_id, value(step.secret_at), value(step.token_at)))
    if isinstance(step, CredentialProcess):
        return Root("process", (json.dumps(step.command), step.account_id))
    if isinstance(step, EnvironmentKeys):
        keys = step.fetch(None, Mock(machine=Here({}, env)))
        assert step.has_token == (keys.session_token is not None)
        return Root("environment", (keys.access_key_id, keys.secret_access_key, keys.session_token))
    if isinstance(step, ContainerRole | InstanceRole):
        return Root(step.kind)
    if isinstance(step, TokenFileRole):
        given = None if step.session_name == UNNAMED else step.session_name
        with patch.dict("os.environ", HOME=HOME):
            token = f"token in {AwsFiles().absolute(step.token_file)}"
        length = str(step.seconds) if step.seconds else None
        return Root("web identity", (step.role_arn, given, token, length), step.endpoint)
    if isinstance(step, ConsoleLogin):
        return Root("login", (step.session.arn,))
    assert isinstance(step, SsoRole)
    return Root(
        "sso",
        (step.account, step.role, f"token of {step.session.key}", step.session.region),
        step.session.portal_endpoint,
        step.session.portal_endpoint,
    )


def _hops(plan: Plan) -> tuple[tuple[Hop, ...], str | None]:
    """The roles, and the device of a session that none of them follows. A code that buys the session counts as the role's."""
    hops: list[Hop] = []
    serial: str | None = None
    for step in plan.steps[1:]:
        if isinstance(step, MfaSession):
            assert not hops and serial is None, "a session is a user's own"
            serial = step.device.serial
            continue
        assert isinstance(step, AssumeRole)
        assert serial is None or (step.device is None and (step.seconds or HOUR) <= HOUR), "AWS would refuse it"
        device = step.device.serial if step.device is not None else serial
        name = None if step.session_name == UNNAMED else step.session_name
        hops.append(Hop(step.role_arn, step.external_id, device, step.seconds, name, step.endpoint))
        serial = None
    return tuple(hops), serial
