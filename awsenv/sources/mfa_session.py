"""A user's session that an MFA code has bought: STS GetSessionToken, once for all that stands behind one device."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from awsenv.errors import Denied, WrongCode
from awsenv.mfa import Device
from awsenv.model import Credentials, Step, Where
from awsenv.ports import Ports
from awsenv.text import left, word

SECONDS = 12 * 3600  # AWS's default for a user; the root user gets an hour, whatever is asked


@dataclass(frozen=True, kw_only=True)
class MfaSession(Step):
    """Between an IAM user's own keys and the roles. No role session: it is the user, who has shown his device."""

    device: Device
    seconds: int = SECONDS
    region: str | None = None
    endpoint: str | None = None

    kind: ClassVar[str] = "mfa-session"

    def title(self) -> str:
        at = f", at {self.endpoint}" if self.endpoint else ""
        return f"a session with a code of {self.device.serial}, for {left(self.seconds)}{at}"

    def identity(self) -> tuple[str, ...]:
        return (self.device.serial, str(self.seconds), self.endpoint or "")  # and no profile: all behind it share it

    def principal(self) -> tuple[str | None, str | None]:
        # A device is of its user's account, which the serial of a hardware token does not name.
        found = re.match(r"arn:[\w-]+:iam::([0-9]{12}):mfa/", self.device.serial)
        return (found[1] if found else None), None

    def lost_on_aws_tools(self) -> tuple[str, Where | None] | None:
        return "it asks for an MFA code, which AWS tools can't do by themselves", self.device.where

    def check(self, ports: Ports) -> None:
        self.device.check(self.profile, ports)

    def fetch(self, upstream: Credentials | None, ports: Ports) -> Credentials:
        assert upstream is not None, "a session is always a user's"

        def exchange(code: str) -> Credentials:
            return ports.aws.session_token(
                upstream,
                serial=self.device.serial,
                code=code,
                seconds=self.seconds,
                region=self.region,
                endpoint=self.endpoint,
            )

        try:
            return self.device.spent(self.profile, ports, exchange)
        except WrongCode:
            raise
        except Denied as denied:
            hint = denied.hint or f"awsenv explain {word(self.profile)}"
            raise Denied(f'"{self.profile}": {denied.what}', self.device.where, hint) from None
