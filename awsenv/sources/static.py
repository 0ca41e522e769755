"""An access key in a file: an IAM user's, or a session that some tool wrote there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from awsenv.errors import Config
from awsenv.model import Claim, Context, Credentials, Profile, Setting, Step, Where
from awsenv.ports import Ports

_TOKEN_KEYS = ("aws_security_token", "aws_session_token")  # botocore's order


@dataclass(frozen=True, kw_only=True)
class StaticKeys(Step):
    """Keys read where they lie, when they are needed. The plan knows their id and their lines, never a secret."""

    access_key_id: str
    secret_at: Where
    token_at: Where | None = None
    account_id: str | None = None

    kind: ClassVar[str] = "static"
    stored: ClassVar[bool] = False

    @property
    def may_be_role_session(self) -> bool:
        """Whether the key is temporary: a token of unknown origin may be a role's, which caps what is chained on it."""
        return self.token_at is not None

    def title(self) -> str:
        return f"access key ****{self.access_key_id[-4:]}" + (" with a session token" if self.token_at else "")

    def identity(self) -> tuple[str, ...]:
        return (self.access_key_id,)

    def principal(self) -> tuple[str | None, str | None]:
        return self.account_id, None

    def fetch(self, upstream: Credentials | None, ports: Ports) -> Credentials:
        token = ports.files.value(self.token_at) if self.token_at else None
        secret = ports.files.value(self.secret_at)
        return Credentials(self.access_key_id, secret, token, account_id=self.account_id)


def claim_in_credentials(profile: Profile, context: Context) -> Claim | None:
    """Keys in the credentials file."""
    keys = context.own_keys(profile.name, True)
    return _claim(profile, keys) if "aws_access_key_id" in keys else None


def claim_in_config(profile: Profile, context: Context) -> Claim | None:
    """Keys in the config file: botocore looks there after credential_process, and never mixes the two files."""
    keys = context.own_keys(profile.name, False)
    return _claim(profile, keys) if "aws_access_key_id" in keys else None


def _claim(profile: Profile, keys: Mapping[str, Setting]) -> Claim:
    key = keys["aws_access_key_id"]
    secret = keys.get("aws_secret_access_key")
    if secret is None:
        raise Config(
            f'"{profile.name}" has aws_access_key_id without aws_secret_access_key beside it',
            key.where,
            "both belong in the same section of the same file",
        )
    token = next((keys[name] for name in _TOKEN_KEYS if name in keys and keys[name].value), None)
    for setting in (key, secret, token):
        if setting is not None and (not setting.value or "\n" in setting.value):
            raise Config(f"{setting.key} is {'longer than a line' if setting.value else 'empty'}", setting.where)
    account = keys.get("aws_account_id")
    shown = [Setting("aws_access_key_id", f"****{key.value[-4:]}", key.where)]
    if token is not None:
        shown.append(Setting(token.key, "****", token.where))
    return Claim(
        StaticKeys(
            profile=profile.name,
            settings=tuple(shown),
            access_key_id=key.value,
            secret_at=secret.where,
            token_at=token.where if token else None,
            account_id=account.value if account and account.value else None,
        )
    )
