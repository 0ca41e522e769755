"""What a step may ask of the outside, as protocols. `real()` builds what answers them, each part when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeVar

from awsenv.model import (
    AS_IT_COMES,
    AccessKey,
    Account,
    Credentials,
    DeviceCode,
    LoginSession,
    LoginToken,
    Network,
    Origin,
    Refusal,
    Registration,
    SessionPolicy,
    SsoSession,
    SsoToken,
    TokenT,
    Trouble,
    Where,
)

if TYPE_CHECKING:
    from awsenv.clock import ServerClock
    from awsenv.store import Store
    from awsenv.world import World


_KeptT = TypeVar("_KeptT", contravariant=True)


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
        source_identity: str | None,
        tags: Sequence[tuple[str, str]],
        policy: SessionPolicy,
        region: str | None,
        endpoint: str | None,
    ) -> Credentials:
        """STS AssumeRole; WrongCode where AWS does not accept *mfa_code*."""

    def assume_role_with_web_identity(
        self,
        token: str,
        *,
        role_arn: str,
        session_name: str,
        seconds: int | None,
        policy: SessionPolicy,
        region: str | None,
        endpoint: str | None,
    ) -> Credentials:
        """STS AssumeRoleWithWebIdentity, unsigned; TokenRejected where the token is too old."""

    def role_credentials(
        self, access_token: str, *, account: str, role: str, region: str, endpoint: str | None
    ) -> Credentials:
        """Identity Center's GetRoleCredentials; TokenRejected on 401, Denied on 403."""

    def accounts(
        self, access_token: str, session: SsoSession, before_call: Callable[[], None] = lambda: None
    ) -> list[Account]:
        """The accounts that the token's person has something in. *before_call* is called before every request."""

    def roles(
        self, access_token: str, session: SsoSession, account: str, before_call: Callable[[], None] = lambda: None
    ) -> list[str]:
        """The role names that the token's person has in *account*."""

    def sign_out(self, access_token: str, session: SsoSession) -> None:
        """Logout: the token, and what it could be renewed with, is void from then on."""

    def register_client(self, session: SsoSession, redirect_uri: str | None) -> Registration:
        """RegisterClient; with *redirect_uri* for a login by a browser on this machine, else by device code."""

    def start_device(self, registration: Registration, session: SsoSession) -> DeviceCode:
        """StartDeviceAuthorization."""

    def token_by_device(self, registration: Registration, device: DeviceCode, session: SsoSession) -> SsoToken | None:
        """CreateToken: None while the person hasn't decided; Busy for slow_down; Denied; LoginNeeded when it is too late."""

    def token_by_code(
        self, registration: Registration, session: SsoSession, *, code: str, verifier: str, redirect_uri: str
    ) -> SsoToken:
        """CreateToken with the code that the browser brought."""

    def oidc_base(self, session: SsoSession) -> str:
        """The URL of the session's OIDC service, without a path."""

    def reach(self, url: str) -> None:
        """Raise Unreachable unless somebody answers at *url*, whatever he says."""

    def redirect_of(self, url: str) -> str | None:
        """Where one request for *url* is redirected to, without going there; None where it isn't."""

    def renew_token(self, token: SsoToken, session: SsoSession, seconds: float) -> SsoToken:
        """CreateToken with the refresh token; TokenRejected where AWS refuses it for good. One request, not repeated, given
        up after *seconds*; Unanswered where the token may be spent."""

    def login_base(self, session: LoginSession, region: str) -> str:
        """The URL of AWS Sign-In in *region*, without a path; raises Config where that is none."""

    def new_login(
        self, session: LoginSession, region: str, *, client_id: str, code: str, verifier: str, redirect_uri: str
    ) -> LoginToken:
        """CreateOAuth2Token with the code that a login brought, and a new key that what follows is bound to."""

    def renew_login(self, token: LoginToken, session: LoginSession, seconds: float) -> LoginToken:
        """CreateOAuth2Token with the refresh token; as `renew_token`."""

    def caller(self, credentials: Credentials, *, region: str | None, endpoint: str | None) -> tuple[str, str, str]:
        """STS GetCallerIdentity: (account id, ARN, user id)."""

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
        """STS GetSessionToken with an MFA code; WrongCode where AWS does not accept that."""

    def federation_token(
        self, credentials: Credentials, *, name: str, region: str | None, endpoint: str | None
    ) -> Credentials:
        """STS GetFederationToken: a session with all that the IAM user of these keys may do, for the console."""

    def signin_token(self, credentials: Credentials, base: str) -> str:
        """The console's sign-in token for a session, from the federation endpoint at *base*; Denied where it takes none."""

    def regions(self) -> Mapping[str, tuple[str, ...]]:
        """Every partition's regions, as botocore lists them."""

    def access_keys(self, credentials: Credentials, *, region: str | None) -> list[AccessKey]:
        """IAM's list of the access keys of the user whose credentials these are; Denied where he may not ask.

        When each was last used is left out where he may not ask that.
        """

    def account_alias(self, credentials: Credentials, *, region: str | None) -> str | None:
        """IAM's alias of the account; None where there is none or the caller may not ask."""


class Asker(Protocol):
    """A person at a terminal."""

    def is_present(self) -> bool:
        """Whether there is a terminal to ask on."""

    def is_hook(self) -> bool:
        """Whether a prompt's hook is behind this: a person types something else, and knows nothing of it."""

    def has_codes(self) -> bool:
        """Whether MFA codes come on stdin (`--mfa-stdin`), and nobody is asked for them."""

    def mfa_code(self, serial: str, profile: str) -> str:
        """Six digits for the device; raises LoginNeeded without a terminal, Usage for none on stdin, Interrupted on Ctrl-C."""

    def terminal(self) -> str:
        """What tells this terminal from another one."""

    def is_in_charge(self) -> bool:
        """Whether there is a terminal to ask on, and we are in its foreground."""

    def confirm(self, question: str, default: bool = False) -> bool:
        """Whether the person says yes (with *default*, by Enter alone too).

        Raises Usage without a terminal, Interrupted on Ctrl-C.
        """

    def line(self, question: str) -> str:
        """What the person types behind *question*; raises Usage without a terminal, Interrupted on Ctrl-C or Ctrl-D."""

    def pick(self, rows: Sequence[tuple[str, ...]], prompt: str, several: bool) -> list[int]:
        """The numbers of the *rows* that the person takes from a list; raises Usage without a terminal, Interrupted on Esc."""

    def say(self, text: str, link: str | None = None) -> None:
        """Put *text* (several lines) before the person now, on stderr; what isn't printable in it is shown escaped."""

    def show_qr(self, url: str) -> None:
        """Draw *url* for a phone's camera, where there is room for it."""

    def zsh_folder(self, env: Mapping[str, str]) -> str | None:
        """The folder of .zshrc, as zsh itself says; None where it says none."""


class Browser(Protocol):
    """The person's web browser on this machine."""

    def why_not(self, command: tuple[str, ...] | None) -> str | None:
        """What this machine is ("WSL", "an SSH session") where no browser on it could come back to us; None elsewhere."""

    def open(self, url: str, command: tuple[str, ...] | None) -> bool:
        """Whether a browser took *url*: by the session's own *command*, else by what the person and the system have."""


class Successor(Protocol[_KeptT]):
    """Room on the disk, already there, for a token that is about to be issued."""

    def keep(self, token: _KeptT) -> None:
        """Write *token* in AWS's format and put it in the old one's place."""


class TokenCache(Protocol[TokenT]):
    """A folder of AWS's own with the tokens of logins, shared with the AWS CLI and the SDKs."""

    def load(self, key: str) -> TokenT | None:
        """The token named after *key* (see Session.key); None where there is none that can be read."""

    def login_id(self, token: TokenT) -> str:
        """What stays the same while one login is renewed, and differs between logins. Never the token itself."""

    def is_login_of_ours(self, token: TokenT, seen: TokenT) -> bool:
        """Whether *token* is certain to be of another login than *seen*, and no mere renewal of it."""

    def locked(
        self,
        key: str,
        wait: bool,
        is_done: Callable[[], bool] = lambda: False,
        on_wait: Callable[[str, bool], None] = lambda owner, is_person: None,
    ) -> AbstractContextManager[bool]:
        """One process at a time per session; yields whether the lock is ours. See store.lock."""

    def successor(self, key: str, anew: bool = False) -> AbstractContextManager[Successor[TokenT]]:
        """Prove that a new token can be kept; raises Storage where it can't. *anew*: nothing of the old file stays."""

    def drop(self, key: str) -> None:
        """Remove the token's file."""

    def trouble(self, key: str) -> Trouble | None:
        """The last renewal's failure, if it failed."""

    def note_trouble(self, key: str, now: float, what: str, retry_after: float | None, is_busy: bool) -> None:
        """Tell every process that a renewal failed at *now*: the next try is 30 seconds to 5 minutes away."""

    def clear_trouble(self, key: str) -> None:
        """It works again."""

    def may_start_worker(self, key: str, now: float, pause: float) -> bool:
        """Whether nobody renews the session or has started a worker for it in the last *pause* seconds; notes that we do."""

    def is_void(self, token: TokenT) -> bool:
        """Whether AWS has already turned down this access token before its time."""

    def mark_void(self, token: TokenT) -> None:
        """Remember that."""

    def is_dead(self, token: TokenT) -> bool:
        """Whether AWS has already refused to renew exactly this one."""

    def mark_dead(self, token: TokenT) -> None:
        """Remember that, so that nobody asks again."""


class SsoTokenCache(TokenCache[SsoToken], Protocol):
    """Identity Center's, with what else lies in that folder."""

    def registration(self, session: SsoSession, with_callback: bool) -> Registration | None:
        """The client registration that we or the AWS CLI kept, of the one kind or the other; None for none."""

    def keep_registration(self, session: SsoSession, registration: Registration) -> None:
        """Keep it for the next login."""

    def drop_registration(self, session: SsoSession) -> None:
        """Forget it."""

    def refusal(self, token: SsoToken, name: str, now: float) -> Refusal | None:
        """What AWS answered in the last minute when *token* was used for *name*, if that was a no."""

    def note_refusal(self, token: SsoToken, name: str, now: float, what: str, hint: str | None) -> None:
        """Remember that for a minute, for every process."""


class Background(Protocol):
    """What goes on after this process has answered."""

    def renew_login(self, session: SsoSession) -> None:
        """Start a worker, cut off from the terminal, that renews the token and asks nobody anything."""


class Files(Protocol):
    """The user's AWS files, read only."""

    def value(self, where: Where) -> str:
        """The value of the setting on that line; raises Config when the file has changed meanwhile."""

    def absolute(self, path: str) -> str:
        """*path* with `~` expanded, from the current folder."""

    def token(self, path: str, where: Where) -> str:
        """A token that another program keeps in the file *path*, which the setting at *where* names; raises Config."""


class Machine(Protocol):
    """The place that we run in, where it vouches for us."""

    def job(self) -> str:
        """What tells this CI job from another one on the same runner."""

    def github_token(self, audience: str) -> str:
        """This job's identity token from GitHub Actions; raises Denied, Unreachable, Config."""

    def environment(self) -> Mapping[str, str]:
        """The environment as it was before awsenv."""

    def container_name(self) -> str:
        """What tells this container from another one that shares its store."""

    def container_credentials(self) -> Credentials:
        """The role of this container; raises Denied, Unreachable, Config."""

    def instance_name(self) -> str:
        """What tells this instance from another one that shares its store."""

    def instance_credentials(self) -> Credentials:
        """The role of this EC2 instance, by IMDSv2; raises NoCredentials, Denied, Unreachable, Config."""


class Runner(Protocol):
    """Programs that a config file names."""

    def check(self, profile: str, where: Where) -> None:
        """Raise Config where we have been started by that very program, of *profile*, at *where*."""

    def answer(self, command: Sequence[str], profile: str, where: Where) -> bytes:
        """What *command*, run without a shell, prints. Raises Config, Unreachable when it takes too long, Interrupted."""


class Trust(Protocol):
    """Which files may start programs, and what else is not anybody's."""

    def require(self, origin: Origin, deed: str, where: Where) -> None:
        """Raise Config ("this file may not *deed*"), saying how to trust the file, unless it is the user's alone, or was
        trusted as it was read."""


class Ports(Protocol):
    """All of them. *now* gives epoch seconds."""

    now: Callable[[], float]

    @property
    def aws(self) -> AwsApi: ...
    @property
    def clock(self) -> ServerClock: ...
    @property
    def asker(self) -> Asker: ...
    @property
    def browser(self) -> Browser: ...
    @property
    def tokens(self) -> SsoTokenCache: ...
    @property
    def logins(self) -> TokenCache[LoginToken]: ...
    @property
    def files(self) -> Files: ...
    @property
    def background(self) -> Background: ...
    @property
    def runner(self) -> Runner: ...
    @property
    def trust(self) -> Trust: ...
    @property
    def machine(self) -> Machine: ...


class _Real:
    """The real outside. Each property imports what it needs on first use."""

    def __init__(self, world: World, store: Store, network: Network) -> None:
        self._world = world
        self._store = store
        self._network = network
        self.now = world.clock

    @cached_property
    def aws(self) -> AwsApi:
        from awsenv.aws import Aws  # botocore is 17x a bare interpreter; only a miss pays

        return Aws(self._world, self.clock, self._network)

    @cached_property
    def clock(self) -> ServerClock:
        from awsenv.clock import ServerClock

        return ServerClock(self._store, self.now, self._world.started)

    @cached_property
    def asker(self) -> Asker:
        from awsenv.terminal import Terminal

        return Terminal(self._world.env, self._world.mfa_on_stdin, self._world.unattended)

    @cached_property
    def browser(self) -> Browser:
        from awsenv.process import SystemBrowser

        return SystemBrowser(self._world.env)

    @cached_property
    def tokens(self) -> SsoTokenCache:
        from awsenv.tokens import AwsTokenCache

        return AwsTokenCache(self._world.sso_cache_dir, self._store, self.now)

    @cached_property
    def logins(self) -> TokenCache[LoginToken]:
        from awsenv.login_tokens import LoginTokenCache

        return LoginTokenCache(self._world.login_cache_dir, self._store, self.now)

    @cached_property
    def files(self) -> Files:
        from awsenv.files import AwsFiles

        return AwsFiles()

    @cached_property
    def background(self) -> Background:
        from awsenv.background import DetachedWorker

        return DetachedWorker(self._world, self._network)

    @cached_property
    def machine(self) -> Machine:
        from awsenv.machine import Here

        return Here(self._world.env, self._world.before)

    @cached_property
    def runner(self) -> Runner:
        from awsenv.lease import read_settings
        from awsenv.runner import Programs
        from awsenv.terminal import Terminal

        seconds = lambda: read_settings(self._world.settings_path).process_timeout  # noqa: E731
        return Programs(self._world.env, seconds, Terminal(self._world.env, unattended=self._world.unattended).lent)

    @cached_property
    def trust(self) -> Trust:
        from awsenv.trust import gate

        return gate(self._world)


def real(world: World, store: Store, network: Network = AS_IT_COMES) -> Ports:
    """The ports onto the real AWS, terminal and disk; *network* is how a profile wants AWS reached."""
    return _Real(world, store, network)
