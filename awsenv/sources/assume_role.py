"""A switch role: STS AssumeRole with the credentials of a source profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from awsenv.errors import Config, Denied, WrongCode
from awsenv.mfa import Device, device_of
from awsenv.model import NO_POLICY, Claim, Context, Credentials, Note, Profile, SessionPolicy, Setting, Step, Where
from awsenv.ports import Ports
from awsenv.roles import checked_arn, principal_of
from awsenv.text import left, show, word

SHORTEST, HOUR, LONGEST = 900, 3600, 43200  # seconds; the STS model's limits, and AWS's for chained roles
_SOURCES = ("source_profile", "credential_source")
_USED = ("role_arn", *_SOURCES, "external_id", "role_session_name", "duration_seconds")


@dataclass(frozen=True, kw_only=True)
class AssumeRole(Step):
    """One hop. *seconds* None leaves the length to AWS's default of an hour; *device* is whose code goes along with it."""

    role_arn: str
    session_name: str
    external_id: str | None = None
    device: Device | None = None
    seconds: int | None = None
    source_identity: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    policy: SessionPolicy = NO_POLICY
    region: str | None = None
    endpoint: str | None = None

    kind: ClassVar[str] = "assume-role"
    is_role_session: ClassVar[bool] = True

    def title(self) -> str:
        length = f", for {left(self.seconds)}" if self.seconds else ""
        only = f", {self.policy.narrows}" if self.policy.narrows else ""
        return f"assume role {self.role_arn}{only}{length}{f', at {self.endpoint}' if self.endpoint else ''}"

    def identity(self) -> tuple[str, ...]:
        length = str(self.seconds or HOUR)
        return (
            self.role_arn,
            self.session_name,
            self.external_id or "",
            self.device.serial if self.device else "",
            length,
            self.endpoint or "",
            self.role_arn.split(":")[1] if self.role_arn.count(":") > 1 else "",
            *((f"source-identity {self.source_identity}",) if self.source_identity else ()),
            *(f"tag {key}={value}" for key, value in sorted(self.tags)),
            *self.policy.identity(),
        )

    def narrowed(self) -> str:
        return self.policy.narrows

    def principal(self) -> tuple[str | None, str | None]:
        return principal_of(self.role_arn)

    def check(self, ports: Ports) -> None:
        if self.device is not None:
            self.device.check(self.profile, ports)

    def fetch(self, upstream: Credentials | None, ports: Ports) -> Credentials:
        assert upstream is not None, "a role is always assumed with somebody's credentials"

        def exchange(code: str | None) -> Credentials:
            return ports.aws.assume_role(
                upstream,
                role_arn=self.role_arn,
                session_name=self.session_name,
                seconds=self.seconds,
                external_id=self.external_id,
                mfa_serial=self.device.serial if self.device is not None else None,
                mfa_code=code,
                source_identity=self.source_identity,
                tags=self.tags,
                policy=self.policy,
                region=self.region,
                endpoint=self.endpoint,
            )

        try:
            return self.device.spent(self.profile, ports, exchange) if self.device is not None else exchange(None)
        except WrongCode:
            raise
        except Denied as denied:
            where = next((setting.where for setting in self.settings if setting.key in ("role_arn", "--role")), None)
            raise Denied(
                f'"{self.profile}": {denied.what}', where, denied.hint or f"awsenv explain {word(self.profile)}"
            ) from None

    def lost_on_aws_tools(self) -> tuple[str, Where | None] | None:
        if self.device is None:
            return None
        return "it asks for an MFA code, which AWS tools can't do by themselves", self.device.where


def has_own_keys(profile: Profile) -> bool:
    """botocore's test (AssumeRoleProvider._has_static_credentials) of a source profile: either half of a key will do."""
    return "aws_access_key_id" in profile.settings or "aws_secret_access_key" in profile.settings


def claim(profile: Profile, context: Context) -> Claim | None:
    """`role_arn` without `web_identity_token_file` (botocore's rule, credentials.AssumeRoleProvider).

    *upstream* is then the source_profile, or the credential_source, which is no profile.
    """
    role = profile.settings.get("role_arn")
    if role is None or "web_identity_token_file" in profile.settings:
        return None
    if context.as_source and has_own_keys(profile):
        return None  # As a source, a profile's own keys make its role_arn void; that lets a profile name itself.
    source, direct = profile.settings.get("source_profile"), profile.settings.get("credential_source")
    if source is not None and direct is not None:
        raise Config(
            f'"{profile.name}" has both source_profile and credential_source', direct.where, "keep one of the two"
        )
    source = source or direct
    if source is None:
        raise Config(
            f'"{profile.name}" has a role_arn, and nothing says whose credentials assume it',
            role.where,
            "add: source_profile = NAME   (or: credential_source = Environment)",
        )
    session_name = profile.get("role_session_name")
    external_id, device = profile.get("external_id"), device_of(profile, context)
    seconds, notes = _seconds(profile.get("duration_seconds"))
    return Claim(
        AssumeRole(
            profile=profile.name,
            settings=(
                *(s for s in map(profile.get, _USED) if s is not None),
                *(device.settings if device is not None else ()),
            ),
            role_arn=checked_arn(role),
            session_name=session_name.value if session_name else context.session_name,
            external_id=external_id.value if external_id else None,
            device=device,
            seconds=seconds,
            region=context.region,
            endpoint=context.endpoint("sts"),
        ),
        upstream=source,
        notes=notes,
    )


def _seconds(setting: Setting | None) -> tuple[int | None, tuple[Note, ...]]:
    if setting is None:
        return None, ()
    try:
        seconds = int(setting.value)  # as botocore does, `3_600` and all
    except ValueError:
        what = f"duration_seconds = {show(setting.value)} is no number of seconds; it is ignored, as AWS tools do"
        return None, (Note(what, setting.where),)
    if not SHORTEST <= seconds <= LONGEST:
        raise Config(f"a role lasts from {SHORTEST} to {LONGEST} seconds, not {seconds}", setting.where)
    return seconds, ()
