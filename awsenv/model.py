"""The values that flow: from config text to a plan, from a plan to credentials, from credentials to an environment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from awsenv.shelf import CLOCK_JITTER
from awsenv.text import word

if TYPE_CHECKING:
    from awsenv.ports import Ports, TokenCache

SECRET_KEYS = frozenset(
    ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token", "credential_process")
)


@dataclass(frozen=True, slots=True)
class Where:
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    def short(self, home: str) -> str:
        """The same with `~` for *home*, as people write it."""
        inside = bool(home) and self.file.startswith(f"{home}/")
        return f"~{str(self)[len(home) :]}" if inside else str(self)


COMMAND_LINE = Where("the command line", 0)  # where a setting comes from that an option gave


@dataclass(frozen=True, slots=True)
class Setting:
    """One `key = value` of a config file. *written* is the value with the comment that stood behind it."""

    key: str
    value: str = field(repr=False)
    where: Where
    written: str | None = field(default=None, repr=False)

    @property
    def comment(self) -> str:
        """What stood behind the value and was not meant as part of it; "" for none."""
        return (self.written or self.value)[len(self.value) :].strip()

    def __repr__(self) -> str:
        shown = "…" if self.key in SECRET_KEYS else repr(self.value)
        return f"Setting({self.key}={shown} {self.where})"


@dataclass(frozen=True, slots=True)
class Origin:
    """A file as it was read: what trust is given to. *digest* is the SHA-256 of its bytes, in hex."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a section that can't be read as it stands."""

    where: Where
    what: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile's settings, raw: only the source that uses one parses it. *problems* make it unusable, and only it."""

    name: str
    settings: Mapping[str, Setting]
    where: Where | None
    problems: tuple[Problem, ...] = ()
    ours_alone: bool = False  # AWS's own tools don't see a profile of this name: it exists by our reading alone

    def get(self, key: str) -> Setting | None:
        """The setting, or None where it is absent or empty."""
        setting = self.settings.get(key)
        return setting if setting is not None and setting.value else None


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys that sign. Times are epoch seconds, UTC; None where they don't expire."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    issued_at: float | None = None
    expires_at: float | None = None
    account_id: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(****{self.access_key_id[-4:]}, expires_at={self.expires_at})"

    @property
    def refresh_at(self) -> float | None:
        """When renewal begins: expiry less the window of `window_of`; None for what doesn't expire."""
        if self.expires_at is None:
            return None
        lifetime = self.expires_at - self.issued_at if self.issued_at is not None else 3600.0
        return self.expires_at - window_of(lifetime)

    def variables(self) -> tuple[tuple[str, str], ...]:
        """(name, value) of the variables that hand these credentials to AWS's tools and to the prompt."""
        pairs: list[tuple[str, str]] = [
            ("AWS_ACCESS_KEY_ID", self.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", self.secret_access_key),
        ]
        if self.session_token is not None:
            pairs.append(("AWS_SESSION_TOKEN", self.session_token))
        if self.account_id is not None:
            pairs.append(("AWS_ACCOUNT_ID", self.account_id))
        if self.expires_at is not None and self.refresh_at is not None:
            pairs += [
                ("AWS_CREDENTIAL_EXPIRATION", rfc3339(self.expires_at)),
                ("AWSENV_EXPIRES_AT", str(int(self.expires_at))),
                ("AWSENV_REFRESH_AT", str(int(self.refresh_at))),
            ]
        pairs.append(("AWSENV_KEY_ID", self.access_key_id))
        return tuple(pairs)

    def is_fresh(self, now: float) -> bool:
        """Whether renewal isn't due yet at *now* (epoch seconds); what comes from the future says nothing of its age."""
        if self.issued_at is not None and self.issued_at > now + CLOCK_JITTER:
            return False
        return self.refresh_at is None or now < self.refresh_at


def rfc3339(epoch: float) -> str:
    """UTC with a `Z`, whole seconds: botocore and starship refuse or mistake a time without an offset."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def window_of(lifetime: float) -> float:
    """Seconds before expiry in which credentials of *lifetime* seconds are renewed.

    Ten minutes or 15 % for long ones, and never more than a third of a short one, so that 15 minutes stay usable.
    """
    lifetime = max(lifetime, 0.0)  # a clock that is off; see clock.py
    return max(min(600.0, 0.15 * lifetime), min(300.0, lifetime / 3))


class Token(Protocol):
    """What a login leaves on the disk, as far as its renewal knows: SsoToken or LoginToken."""

    @property
    def access_token(self) -> str:
        """What tells it from its predecessor and its successor: a secret."""

    @property
    def expires_at(self) -> float:
        """Epoch seconds."""

    @property
    def refresh_token(self) -> str | None: ...
    @property
    def raw(self) -> Mapping[str, object]:
        """Every field of its file, known to us or not."""

    def is_refreshable(self, now: float) -> bool:
        """Whether it carries all that a silent renewal takes at *now*."""


TokenT = TypeVar("TokenT", bound=Token)


class Session(Protocol[TokenT]):
    """Where a person logs in: SsoSession or LoginSession."""

    renew_from: ClassVar[float]
    """Seconds before a token's end in which it is renewed while it still works."""
    in_background: ClassVar[bool]
    """Whether a worker does that, while the old token is handed out."""

    @property
    def key(self) -> str:
        """What AWS's tools name the token file after."""

    @property
    def where(self) -> Where | None: ...
    def title(self) -> str:
        """As a sentence calls it."""

    def login_command(self, profile: str | None = None) -> str:
        """What to type to log in."""

    def cache(self, ports: Ports) -> TokenCache[TokenT]:
        """Where its token is."""

    def renewed(self, token: TokenT, ports: Ports, seconds: float) -> TokenT:
        """One exchange of the refresh token; see AwsApi.renew_token."""


ACCOUNT_SCOPE = "sso:account:access"


@dataclass(frozen=True, slots=True)
class SsoSession:
    """Where a person logs in to Identity Center: an `[sso-session]` section, or a legacy profile's own start URL.

    *name* is None for the latter. *asked_scopes* is `sso_registration_scopes` as configured, None where it isn't. The two
    endpoints are overrides of AWS's own, None for none.
    """

    name: str | None
    start_url: str
    region: str
    asked_scopes: tuple[str, ...] | None = None
    portal_endpoint: str | None = None
    oidc_endpoint: str | None = None
    where: Where | None = field(default=None, compare=False)

    renew_from: ClassVar[float] = 600.0
    in_background: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """What AWS's tools name the token file after: the session, else the start URL as written."""
        return self.name if self.name is not None else self.start_url

    @property
    def scopes(self) -> tuple[str, ...]:
        """What a login asks for; without the account scope there is no refresh token."""
        return self.asked_scopes or (ACCOUNT_SCOPE,)

    def title(self) -> str:
        """As a sentence calls it."""
        return f'the sso-session "{self.name}"' if self.name is not None else self.start_url

    def login_command(self, profile: str | None = None) -> str:
        """What to type to log in; a legacy one is reached by the name of a *profile* of it."""
        return f"awsenv login {word(self.name if self.name is not None else profile or self.start_url)}"

    def cache(self, ports: Ports) -> TokenCache[SsoToken]:
        """AWS's folder of Identity Center tokens."""
        return ports.tokens

    def renewed(self, token: SsoToken, ports: Ports, seconds: float) -> SsoToken:
        """CreateToken at Identity Center."""
        return ports.aws.renew_token(token, self, seconds)


@dataclass(frozen=True, slots=True)
class LoginSession:
    """Where a person logs in by `aws login`: AWS Sign-In, as the console identity *arn* (the profile's `login_session`).

    *region* is where AWS Sign-In is called, unless the token names another; None where nobody names one. *endpoint*
    overrides AWS's own.
    """

    arn: str
    profile: str = field(compare=False)
    region: str | None = field(default=None, compare=False)
    endpoint: str | None = None
    where: Where | None = field(default=None, compare=False)

    # Its token is the credentials themselves, for 15 minutes: nobody is handed the last of them while there are more.
    renew_from: ClassVar[float] = 300.0
    in_background: ClassVar[bool] = False

    @property
    def key(self) -> str:
        """What AWS's tools name the token file after."""
        return self.arn

    @property
    def partition(self) -> str:
        """That of the ARN; `aws` where it is none."""
        parts = self.arn.split(":")
        return parts[1] if len(parts) > 5 and parts[1] else "aws"

    def title(self) -> str:
        """As a sentence calls it."""
        return f"AWS as {self.arn}"

    def login_command(self, profile: str | None = None) -> str:
        """What to type to log in."""
        return f"awsenv login {word(profile or self.profile)}"

    def cache(self, ports: Ports) -> TokenCache[LoginToken]:
        """AWS's folder of login tokens."""
        return ports.logins

    def renewed(self, token: LoginToken, ports: Ports, seconds: float) -> LoginToken:
        """CreateOAuth2Token at AWS Sign-In."""
        return ports.aws.renew_login(token, self, seconds)


@dataclass(frozen=True, slots=True)
class Registration:
    """An OIDC client that AWS knows us as for 90 days. Times are epoch seconds."""

    client_id: str
    client_secret: str = field(repr=False)
    expires_at: float
    scopes: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """A login that waits for a person: *user_code* is compared or typed at *uri*. Seconds."""

    device_code: str = field(repr=False)
    user_code: str
    uri: str
    uri_complete: str
    expires_in: float
    interval: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """A renewal that failed, shared by all processes. Times are epoch seconds; *is_busy*: AWS itself asked us to wait."""

    at: float
    next_attempt: float
    count: int
    is_busy: bool
    what: str

    def wait(self, now: float) -> float:
        """Seconds until the next try is due; none where the clock was set back since, or a wait of hours could come of it."""
        return max(0.0, self.next_attempt - now) if now >= self.at else 0.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """AWS's no to a role, remembered for *wait* more seconds."""

    what: str
    hint: str | None
    wait: float


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An IAM user's access key as IAM lists it, without its secret. Epoch seconds; *used_at* None for never."""

    id: str
    is_active: bool
    created_at: float
    used_at: float | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account as a portal lists it; every text is somebody else's."""

    id: str
    name: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class SsoToken:
    """An Identity Center token as AWS's tools keep it. *raw* holds every field of the file, known to us or not."""

    access_token: str = field(repr=False)
    expires_at: float
    refresh_token: str | None = field(default=None, repr=False)
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    registration_expires_at: float | None = None
    raw: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"SsoToken(expires_at={self.expires_at})"

    def is_refreshable(self, now: float) -> bool:
        """Whether it carries all that a silent renewal takes, and the client registration still stands at *now*."""
        registered = self.registration_expires_at is None or self.registration_expires_at > now
        return bool(self.refresh_token and self.client_id and self.client_secret and registered)


@dataclass(frozen=True, slots=True)
class LoginToken:
    """What `aws login` keeps: credentials for 15 minutes, and what renews them. *dpop_key* is a private key in PEM, to which
    AWS binds the refresh token. *region* is where the login was made, where the file says so."""

    credentials: Credentials
    refresh_token: str | None = field(default=None, repr=False)
    client_id: str | None = None
    dpop_key: str | None = field(default=None, repr=False)
    region: str | None = None
    raw: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)

    @property
    def access_token(self) -> str:
        """The session token."""
        return self.credentials.session_token or ""

    @property
    def expires_at(self) -> float:
        """Epoch seconds."""
        return self.credentials.expires_at or 0.0

    def is_refreshable(self, now: float) -> bool:
        """Whether it carries all that a silent renewal takes; when AWS ends the login, nobody is told."""
        del now
        return bool(self.refresh_token and self.client_id and self.dpop_key)


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """What a role's session is narrowed to: *text*, a policy in JSON, and managed policies by their ARNs. A session may
    then do what its role and any one of these allow."""

    text: str | None = field(default=None, repr=False)
    arns: tuple[str, ...] = ()

    def identity(self) -> tuple[str, ...]:
        """What tells sessions under two policies apart; nothing where there is none."""
        text = (f"policy {self.text}",) if self.text is not None else ()
        return (*text, *(f"policy-arn {arn}" for arn in sorted(self.arns)))

    @property
    def narrows(self) -> str:
        """What it makes of the session, as spelling.narrowed tells it from the options; "" for none."""
        if self.text is None and not self.arns:
            return ""
        reads = self.text is None and len(self.arns) == 1 and self.arns[0].endswith(":iam::aws:policy/ReadOnlyAccess")
        return "read-only" if reads else "limited"


NO_POLICY = SessionPolicy()


@dataclass(frozen=True, kw_only=True)
class Step:
    """One exchange of a plan. Frozen and free of secrets, so that it can be compared, printed and pasted in an issue."""

    profile: str
    settings: tuple[Setting, ...] = ()  # what it was read from, for `explain`

    kind: ClassVar[str]
    stored: ClassVar[bool] = True  # False where the store would hold a copy of a long-lived key
    is_role_session: ClassVar[bool] = False  # roles assumed with its credentials are capped at an hour
    at_hand: ClassVar[str] = "read from the file"  # how `explain` calls the state of what is not stored

    def title(self) -> str:
        """What it does, in a few words."""
        raise NotImplementedError

    def identity(self) -> tuple[str, ...]:
        """What makes its credentials differ from another step's of the same kind and upstream."""
        raise NotImplementedError

    def principal(self) -> tuple[str | None, str | None]:
        """(account id, role or permission set or user name), as far as the plan knows them."""
        return None, None

    def binding(self, ports: Ports) -> str:
        """What else its stored credentials hang on that only the disk knows (a login); "" where nothing."""
        del ports
        return ""

    def login(self) -> str:
        """The name of the login that this stands on, as the store groups what hangs on one; "" for none."""
        return ""

    def lost_on_aws_tools(self) -> tuple[str, Where | None] | None:
        """What AWS's own tools, left alone with the profile, would not do as we do, and its line; None for nothing."""
        return None

    def called(self) -> str:
        """What a sentence calls whoever has its credentials."""
        return f'"{self.profile}"'

    @property
    def may_be_role_session(self) -> bool:
        """Whether its credentials are temporary and of unknown origin: they are capped as a role session's are."""
        return False

    def narrowed(self) -> str:
        """Where a session policy is on its credentials, "read-only" or "limited"; else nothing."""
        return ""

    def is_of_this_shell(self) -> bool:
        """Whether it hangs on more of this shell than variables.PLAN_INPUTS: the fast lane then keeps no record of it."""
        return False

    def check(self, ports: Ports) -> None:
        """Raise now what is already known to fail, before anything ahead of it is fetched or asked."""
        del ports

    def fetch(self, upstream: Credentials | None, ports: Ports) -> Credentials:
        """Get credentials, with those of the step before it."""
        raise NotImplementedError


class Context(Protocol):
    """What a source may ask while it decides whether a profile uses it. Pure: it answers from what was read already."""

    @property
    def region(self) -> str | None:
        """The region of the profile that was asked for, which is where STS is called (as botocore does)."""

    @property
    def session_name(self) -> str:
        """The role session name where a profile gives none."""

    @property
    def as_source(self) -> bool:
        """Whether the profile is read as another one's source_profile."""

    @property
    def env(self) -> Mapping[str, str]:
        """The environment, for what hangs on the place that we run in."""

    @property
    def before(self) -> Mapping[str, str] | None:
        """The environment as it was before awsenv; None where that can't be told."""

    def endpoint(self, service: str) -> str | None:
        """The overriding URL of *service*, or None for AWS's own; raises Config where a token would leave AWS."""

    def sso_session(self, name: str) -> Profile | None:
        """The `[sso-session name]` section, or None."""

    def own_keys(self, name: str, credentials_file: bool) -> Mapping[str, Setting]:
        """The access key settings of profile *name* in that one file."""

    def origin(self, setting: Setting) -> Origin:
        """The file that *setting* stands in, as it was read."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A source's answer: yes, this profile uses me. *upstream* is the setting that names what comes before it: another
    profile (`source_profile`), or what is no profile (`credential_source`)."""

    step: Step
    upstream: Setting | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know about a plan, and the line it is about."""

    text: str
    where: Where | None = None

    def line(self, home: str = "") -> str:
        """One line for a person."""
        return f"{self.where.short(home)}: {self.text}" if self.where else self.text


@dataclass(frozen=True, slots=True)
class Network:
    """What a profile says of how AWS is reached; None where it says nothing. *sts_regional* is `legacy` or `regional`."""

    ca_bundle: str | None = None
    fips: bool | None = None
    dualstack: bool | None = None
    sts_regional: str | None = None


AS_IT_COMES = Network()


@dataclass(frozen=True, slots=True)
class Delicate:
    """What a file may do only if it is the user's own, or trusted: *deed* completes "this file may not …"."""

    origin: Origin
    deed: str
    where: Where


@dataclass(frozen=True, slots=True)
class Plan:
    """How a profile gets its credentials: steps from the root of the chain to the profile itself."""

    profile: str
    region: str | None
    steps: tuple[Step, ...]
    notes: tuple[Note, ...] = ()
    ours_alone: bool = False
    network: Network = AS_IT_COMES
    delicate: tuple[Delicate, ...] = ()
    wraps: str | None = None  # the profile that this one's credential_process asks awsenv for: its steps are these

    @property
    def principal(self) -> tuple[str | None, str | None]:
        """(account id, role or user name) of the last step."""
        return self.steps[-1].principal()


@dataclass(frozen=True, slots=True)
class UseRequest:
    """What `use` was asked for. *duration* in seconds; *mode* is `keys` or `profile`.

    Without *mfa_session* an IAM user is himself: the calls ahead (GetFederationToken) refuse the session of a code.
    *early*: an SDK asks, and would again at once for what has less than a quarter of an hour left.
    *over* are the options over a profile, as spelling.canonical has them. *agreed*: what a guard would ask is answered.
    """

    profile: str
    region: str | None = None
    duration: int | None = None
    mode: str = "keys"
    fresh: bool = False
    mfa_session: bool = True
    early: bool = False
    over: tuple[tuple[str, str], ...] = ()
    agreed: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """An identity in hand. *credentials* is None in profile mode, where AWS's own tools fetch them."""

    profile: str
    region: str | None
    credentials: Credentials | None
    account_id: str | None
    role: str | None
    reused: bool = False
    narrowed: str = ""  # "read-only" or "limited" where a session policy is on it


@dataclass(frozen=True, slots=True)
class EnvChange:
    """What happens to an environment: names to unset, then (name, value) to set, in order."""

    unset: tuple[str, ...] = ()
    assign: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"EnvChange(unset={len(self.unset)}, assign={[name for name, _ in self.assign]})"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verb answers: text for stdout, lines for stderr, an exit status; or a command to become.

    *append* is (path, text) for the end of a file, written when stdout is out.
    """

    stdout: str = field(default="", repr=False)
    append: tuple[str, str] | None = field(default=None, repr=False, kw_only=True)
    notes: tuple[str, ...] = ()
    exit_code: int = 0
    become: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = field(default=None, repr=False)
