"""`credential_source`: a role assumed with what the place itself gives, and no profile: variables, a container, an instance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from awsenv.errors import Config, NoCredentials, StashNeeded
from awsenv.model import Context, Credentials, Setting, Step
from awsenv.ports import Ports
from awsenv.text import nearest, show

NAMES = ("Environment", "EcsContainer", "Ec2InstanceMetadata")
# Where a container is told to ask; the first of them that is set, as botocore does.
_CONTAINER = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")


@dataclass(frozen=True, kw_only=True)
class EnvironmentKeys(Step):
    """The variables that the shell had before awsenv. The plan knows the key's id, never a secret."""

    access_key_id: str
    has_token: bool = False

    kind: ClassVar[str] = "environment"
    stored: ClassVar[bool] = False
    at_hand: ClassVar[str] = "read from the environment"

    @property
    def may_be_role_session(self) -> bool:
        return self.has_token

    def called(self) -> str:
        return "the environment"

    def title(self) -> str:
        token = " with a session token" if self.has_token else ""
        return f"access key ****{self.access_key_id[-4:]}{token} from the environment"

    def identity(self) -> tuple[str, ...]:
        return (self.access_key_id,)

    def is_of_this_shell(self) -> bool:
        return True

    def lost_on_aws_tools(self) -> tuple[str, None]:
        return "AWS tools would not find the keys, which `use` takes out of the environment", None

    def fetch(self, upstream: Credentials | None, ports: Ports) -> Credentials:
        found = ports.machine.environment()
        token = found.get("AWS_SECURITY_TOKEN") or found.get("AWS_SESSION_TOKEN")  # botocore's order
        return Credentials(self.access_key_id, found["AWS_SECRET_ACCESS_KEY"], token or None)


@dataclass(frozen=True, kw_only=True)
class ContainerRole(Step):
    """The role of an ECS task, an EKS pod or a CloudShell: asked of an address that the container's variables name."""

    kind: ClassVar[str] = "container"
    stored: ClassVar[bool] = False  # the asking costs nothing, and whose they are hangs on the container
    at_hand: ClassVar[str] = "asked for each time"
    is_role_session: ClassVar[bool] = True

    def called(self) -> str:
        return "what the container gives"

    def title(self) -> str:
        return "the role of this container"

    def identity(self) -> tuple[str, ...]:
        return ()

    def is_of_this_shell(self) -> bool:
        return True

    def binding(self, ports: Ports) -> str:
        return ports.machine.container_name()

    def fetch(self, upstream: Credentials | None, ports: Ports) -> Credentials:
        return _by_our_clock(ports.machine.container_credentials(), ports)


@dataclass(frozen=True, kw_only=True)
class InstanceRole(Step):
    """The role of an EC2 instance, from its metadata service (IMDSv2 only)."""

    kind: ClassVar[str] = "instance"
    stored: ClassVar[bool] = False
    at_hand: ClassVar[str] = "asked for each time"
    is_role_session: ClassVar[bool] = True

    def called(self) -> str:
        return "what the instance gives"

    def title(self) -> str:
        return "the role of this instance"

    def identity(self) -> tuple[str, ...]:
        return ()

    def is_of_this_shell(self) -> bool:
        return True

    def binding(self, ports: Ports) -> str:
        return ports.machine.instance_name()

    def fetch(self, upstream: Credentials | None, ports: Ports) -> Credentials:
        return _by_our_clock(ports.machine.instance_credentials(), ports)


def _by_our_clock(credentials: Credentials, ports: Ports) -> Credentials:
    """Their expiry is AWS's time."""
    end = credentials.expires_at
    return credentials if end is None else replace(credentials, expires_at=ports.clock.to_local(end))


def root(name: str, setting: Setting, context: Context) -> Step:
    """The step that *setting* of profile *name* stands for; raises Config where it is none, or nothing here gives it."""
    if setting.value not in NAMES:  # in botocore, too, the case counts
        close = nearest(setting.value, list(NAMES))
        raise Config(
            f"there is no credential_source {show(setting.value)}",
            setting.where,
            f"did you mean {close[0]}?" if close else f"one of: {', '.join(NAMES)}",
        )
    if setting.value == "Environment":
        return _from_environment(name, setting, context)
    if setting.value == "EcsContainer":
        if not any(variable in context.env for variable in _CONTAINER):
            what = f'"{name}" takes the role of its container, and there is none here ({" or ".join(_CONTAINER)})'
            raise NoCredentials(what, setting.where)
        return ContainerRole(profile=name, settings=(setting,))
    if context.env.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        what = f'"{name}" takes the role of its instance, and AWS_EC2_METADATA_DISABLED forbids to ask for it'
        raise NoCredentials(what, setting.where, "unset AWS_EC2_METADATA_DISABLED")
    return InstanceRole(profile=name, settings=(setting,))


def _from_environment(name: str, setting: Setting, context: Context) -> EnvironmentKeys:
    found = context.before
    if found is None:
        what = f'"{name}" takes the keys of the environment; what was in it before awsenv is not known here'
        raise StashNeeded(what, setting.where, "awsenv off, or a shell without an identity")
    key, secret = found.get("AWS_ACCESS_KEY_ID"), found.get("AWS_SECRET_ACCESS_KEY")
    if not (key and secret):
        missing = "AWS_SECRET_ACCESS_KEY" if key else "AWS_ACCESS_KEY_ID"
        raise NoCredentials(f'"{name}" takes the keys of the environment, where there is no {missing}', setting.where)
    has_token = bool(found.get("AWS_SECURITY_TOKEN") or found.get("AWS_SESSION_TOKEN"))
    return EnvironmentKeys(profile=name, settings=(setting,), access_key_id=key, has_token=has_token)
