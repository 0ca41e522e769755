"""What a step may ask of the outside, as protocols. `real()` builds what answers them, each part when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from awsenv.model import Credentials, SsoToken, Where

if TYPE_CHECKING:
    from awsenv.store import Store
    from awsenv.world import World


class AwsApi(Protocol):
    """AWS. Every method raises Denied, TokenRejected, LoginNeeded or Unreachable, and nothing of botocore's."""

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
        """STS AssumeRole."""

    def role_credentials(
        self, access_token: str, *, account: str, role: str, region: str, endpoint: str | None
    ) -> Credentials:
        """Identity Center's GetRoleCredentials; TokenRejected on 401, Denied on 403."""

    def account_roles(self, access_token: str, *, account: str, region: str, endpoint: str | None) -> list[str]:
        """The role names that the token's person has in *account*."""

    def renew_token(self, token: SsoToken, *, region: str, endpoint: str | None) -> SsoToken:
        """CreateToken with the refresh token; TokenRejected where AWS refuses it for good."""

    def caller(self, credentials: Credentials, *, region: str | None, endpoint: str | None) -> tuple[str, str, str]:
        """STS GetCallerIdentity: (account id, ARN, user id)."""

    def account_alias(self, credentials: Credentials, *, region: str | None) -> str | None:
        """IAM's alias of the account; None where there is none or the caller may not ask."""


class Asker(Protocol):
    """A person at a terminal."""

    def is_present(self) -> bool:
        """Whether there is a terminal to ask on."""

    def mfa_code(self, serial: str, profile: str) -> str:
        """Six digits for the device; raises LoginNeeded without a terminal, Interrupted on Ctrl-C."""

    def confirm(self, question: str) -> bool:
        """Whether the person says yes; raises Usage without a terminal, Interrupted on Ctrl-C."""

    def zsh_folder(self, env: Mapping[str, str]) -> str | None:
        """The folder of .zshrc, as zsh itself says; None where it says none."""


class Successor(Protocol):
    """Room on the disk, already there, for a token that is about to be issued."""

    def keep(self, token: SsoToken) -> None:
        """Write *token* in AWS's format and put it in the old one's place."""


class TokenCache(Protocol):
    """AWS's own folder of Identity Center tokens, shared with the AWS CLI and the SDKs."""

    def load(self, key: str) -> SsoToken | None:
        """The token named after *key* (sso-session name or start URL); None where there is none that can be read."""

    def login_id(self, token: SsoToken) -> str:
        """What stays the same while one login is renewed, and differs between logins. Never the token itself."""

    def locked(self, key: str, wait: bool) -> AbstractContextManager[bool]:
        """One process at a time; yields whether the lock is ours (always, with *wait*)."""

    def successor(self, key: str) -> AbstractContextManager[Successor]:
        """Prove that a new token can be kept; raises Storage where it can't."""

    def is_dead(self, token: SsoToken) -> bool:
        """Whether AWS has already refused to renew exactly this one."""

    def mark_dead(self, token: SsoToken) -> None:
        """Remember that, so that nobody asks again."""


class Files(Protocol):
    """The user's AWS files, read only."""

    def value(self, where: Where) -> str:
        """The value of the setting on that line; raises Config when the file has changed meanwhile."""


class Ports(Protocol):
    """All of them. *now* gives epoch seconds."""

    now: Callable[[], float]

    @property
    def aws(self) -> AwsApi: ...
    @property
    def asker(self) -> Asker: ...
    @property
    def tokens(self) -> TokenCache: ...
    @property
    def files(self) -> Files: ...


class _Real:
    """The real outside. Each property imports what it needs on first use."""

    def __init__(self, world: World, store: Store) -> None:
        self._world = world
        self._store = store
        self.now = world.clock

    @cached_property
    def aws(self) -> AwsApi:
        from awsenv.aws import Aws  # botocore is 17x a bare interpreter; only a miss pays

        return Aws(self._world)

    @cached_property
    def asker(self) -> Asker:
        from awsenv.terminal import Terminal

        return Terminal()

    @cached_property
    def tokens(self) -> TokenCache:
        from awsenv.tokens import AwsTokenCache

        return AwsTokenCache(self._world.sso_cache_dir, self._store)

    @cached_property
    def files(self) -> Files:
        from awsenv.files import AwsFiles

        return AwsFiles()


def real(world: World, store: Store) -> Ports:
    """The ports onto the real AWS, terminal and disk."""
    return _Real(world, store)
