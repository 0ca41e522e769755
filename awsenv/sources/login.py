"""A console identity through `aws login`: the credentials in its file while they live, renewed silently while AWS allows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import ClassVar

from awsenv import renewal
from awsenv.errors import Config
from awsenv.model import Claim, Context, Credentials, LoginSession, Profile, Step
from awsenv.ports import Ports

LIFETIME = (
    900.0  # seconds; AWS gives these credentials no longer (the signin model's `expiresIn`, the guide of `aws login`)
)


@dataclass(frozen=True, kw_only=True)
class ConsoleLogin(Step):
    """What a person is in the console, for programs."""

    session: LoginSession

    kind: ClassVar[str] = "login"

    def title(self) -> str:
        at = f", at {self.session.endpoint}" if self.session.endpoint else ""
        return f"aws login as {self.session.arn}{at}"

    def identity(self) -> tuple[str, ...]:
        return (self.session.key, self.session.endpoint or "")

    def principal(self) -> tuple[str | None, str | None]:
        parts = self.session.arn.split(":", 5)
        if len(parts) < 6:
            return None, None
        name = parts[5].split("/")[1] if parts[5].startswith("assumed-role/") else parts[5].rpartition("/")[2]
        return parts[4] or None, name or None

    @property
    def may_be_role_session(self) -> bool:
        """A role's where one signs in to the console with a role; and AWS counts a user's session as chaining, too."""
        return True

    def login(self) -> str:
        return login_group(self.session)

    def binding(self, ports: Ports) -> str:
        token = ports.logins.load(self.session.key)
        return ports.logins.login_id(token) if token is not None else ""

    def check(self, ports: Ports) -> None:
        renewal.check(self.session, ports, self.profile)

    def fetch(self, upstream: Credentials | None, ports: Ports) -> Credentials:
        found = renewal.live_token(self.session, ports, self.profile).credentials
        assert found.expires_at is not None, "the file has it"
        # The file does not say when they were issued, and the window for renewal is a part of their life.
        return replace(found, issued_at=found.issued_at or min(ports.now(), found.expires_at - LIFETIME))


def login_group(session: LoginSession) -> str:
    """What the store calls everything that came from this login, so that a logout finds it."""
    return "aws" + hashlib.sha256(session.key.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def claim(profile: Profile, context: Context) -> Claim | None:
    """`login_session`, which `aws login` writes (botocore's credentials.LoginProvider)."""
    setting = profile.settings.get("login_session")
    if setting is None:
        return None
    if not setting.value:
        raise Config(f'login_session of "{profile.name}" is empty', setting.where, "aws login writes it")
    own = profile.get("region")
    return Claim(
        ConsoleLogin(
            profile=profile.name,
            settings=(setting,),
            session=LoginSession(
                arn=setting.value,
                profile=profile.name,
                region=context.region or (own.value if own is not None else None),
                endpoint=context.endpoint("signin"),
                where=setting.where,
            ),
        )
    )
