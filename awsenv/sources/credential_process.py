"""A program of the user's that prints credentials: `credential_process`, AWS's door for everybody else's tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, NoReturn

from awsenv.errors import Config
from awsenv.model import Claim, Context, Credentials, Origin, Profile, Step, Where
from awsenv.ports import Ports
from awsenv.program import shown, starting, words
from awsenv.text import ago, show

_CLOCKS_DIFFER = 5.0  # seconds; what has less left is as good as expired


@dataclass(frozen=True, kw_only=True)
class CredentialProcess(Step):
    """One program. *command* may hold a password as an argument: only its first word is ever shown."""

    command: tuple[str, ...] = field(repr=False)
    origin: Origin
    where: Where
    account_id: str | None = None  # of the profile, where the program names none

    kind: ClassVar[str] = "credential-process"

    @property
    def program(self) -> str:
        """What it may be called."""
        return self.command[0]

    def title(self) -> str:
        return f"what the program {show(self.program)} prints"

    def identity(self) -> tuple[str, ...]:
        return (self.profile, json.dumps(self.command), self.account_id or "")

    def principal(self) -> tuple[str | None, str | None]:
        return self.account_id, None

    def check(self, ports: Ports) -> None:
        ports.trust.require(self.origin, starting(self.program), self.where)
        ports.runner.check(self.profile, self.where)

    def fetch(self, upstream: Credentials | None, ports: Ports) -> Credentials:
        self.check(ports)  # again: whatever comes between, no program is run without it
        printed = ports.runner.answer(self.command, self.profile, self.where)
        return _Answer(self, printed).credentials(ports.now(), ports.clock.to_local)


class _Answer:
    """What a program printed. No message quotes a word of it: any of them may be a secret."""

    def __init__(self, step: CredentialProcess, printed: bytes) -> None:
        self._step = step
        try:
            document = json.loads(printed.decode("utf-8"))
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            self._refuse("no JSON object" if printed.strip() else "nothing")
        self._document = document

    def credentials(self, now: float, to_local: Callable[[float], float]) -> Credentials:
        version = self._document.get("Version")
        if version != 1 or isinstance(version, bool):
            self._refuse(f"{'no Version' if version is None else 'another Version'}, and not Version 1")
        account = self._text("AccountId")
        expiration = self._expiration()
        expires_at = to_local(expiration) if expiration is not None else None
        if expires_at is not None and expires_at - now < _CLOCKS_DIFFER:
            self._refuse(f"credentials that expired {ago(now - expires_at)} ago")
        return Credentials(
            self._required("AccessKeyId"),
            self._required("SecretAccessKey"),
            self._text("SessionToken"),
            issued_at=now,
            expires_at=expires_at,
            account_id=account if account and len(account) == 12 and account.isdigit() else self._step.account_id,
        )

    def _required(self, key: str) -> str:
        value = self._text(key)
        if value is None:
            self._refuse(f"no {key}")
        return value

    def _text(self, key: str) -> str | None:
        """The value, None where it is absent or empty; one that no variable can hold is refused."""
        value = self._document.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            self._refuse(f"{'an' if key[0] == 'A' else 'a'} {key} that is no text")
        if not (value.isascii() and value.isprintable()) or " " in value:
            self._refuse(f"control characters, blanks or letters beyond ASCII in {key}")
        return value

    def _expiration(self) -> float | None:
        """Epoch seconds; None where the credentials don't expire. Without an offset a time could be anybody's."""
        value = self._document.get("Expiration")
        if value is None:
            return None
        text = value.strip() if isinstance(value, str) else ""
        try:
            moment = datetime.fromisoformat(f"{text[:-3]}+00:00" if text.endswith("UTC") else text)
        except (ValueError, OverflowError):
            self._refuse("an Expiration that is no time (such as 2030-01-31T12:00:00Z)")
        if moment.tzinfo is None:
            self._refuse("an Expiration without its offset from UTC (such as 2030-01-31T12:00:00Z)")
        return moment.timestamp()

    def _refuse(self, what: str) -> NoReturn:
        step = self._step
        raise Config(f'{show(step.program)}, which "{step.profile}" asks for credentials, prints {what}', step.where)


def claim(profile: Profile, context: Context) -> Claim | None:
    """`credential_process` (botocore's rule, credentials.ProcessProvider)."""
    setting = profile.settings.get("credential_process")
    if setting is None:
        return None
    command = words(setting)
    account = profile.get("aws_account_id")
    return Claim(
        CredentialProcess(
            profile=profile.name,
            settings=(shown(setting, command),),
            command=command,
            origin=context.origin(setting),
            where=setting.where,
            account_id=account.value if account else None,
        )
    )
