"""A role for whom somebody else vouches: a token in a file, or the one that GitHub Actions gives to a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from awsenv.errors import Config, Denied, TokenRejected
from awsenv.model import NO_POLICY, Claim, Context, Credentials, Note, Profile, SessionPolicy, Setting, Step, Where
from awsenv.ports import Ports
from awsenv.roles import checked_arn, principal_of
from awsenv.text import left, show, word

HOUR = 3600  # seconds; AWS's default for a role
AUDIENCE = "sts.amazonaws.com"
# A profile's way in CI stands beside its way on a laptop: keys that no AWS tool knows, and so all of them pass over.
GITHUB_ROLE, GITHUB_AUDIENCE = "awsenv_github_role_arn", "awsenv_github_audience"
_PERMISSIONS = "permissions:\n  id-token: write\nin the workflow, for this job (a fork's pull request never gets it)"


@dataclass(frozen=True, kw_only=True)
class _VouchedRole(Step):
    """AssumeRoleWithWebIdentity: nobody's keys sign it. *seconds* None leaves the length to AWS's default of an hour."""

    role_arn: str
    session_name: str
    seconds: int | None = None
    policy: SessionPolicy = NO_POLICY
    region: str | None = None
    endpoint: str | None = None

    is_role_session: ClassVar[bool] = True

    def by_whom(self) -> str:
        """Where the token comes from, in a few words."""
        raise NotImplementedError

    def title(self) -> str:
        length = f", for {left(self.seconds)}" if self.seconds else ""
        at = f", at {self.endpoint}" if self.endpoint else ""
        only = f", {self.policy.narrows}" if self.policy.narrows else ""
        return f"assume role {self.role_arn} with {self.by_whom()}{only}{length}{at}"

    def identity(self) -> tuple[str, ...]:
        about = (self.role_arn, self.session_name, str(self.seconds or HOUR), self.endpoint or "")
        return (*about, *self.policy.identity())

    def narrowed(self) -> str:
        return self.policy.narrows

    def principal(self) -> tuple[str | None, str | None]:
        return principal_of(self.role_arn)

    def fetch(self, upstream: Credentials | None, ports: Ports) -> Credentials:
        try:
            return ports.aws.assume_role_with_web_identity(
                self._token(ports),
                role_arn=self.role_arn,
                session_name=self.session_name,
                seconds=self.seconds,
                policy=self.policy,
                region=self.region,
                endpoint=self.endpoint,
            )
        except TokenRejected as rejected:
            raise TokenRejected(f'"{self.profile}": {rejected.what}', self._where(), self._renewal()) from None
        except Denied as denied:
            hint = denied.hint or f"awsenv explain {word(self.profile)}"
            raise Denied(f'"{self.profile}": {denied.what}', self._where(), hint) from None

    def _token(self, ports: Ports) -> str:
        raise NotImplementedError

    def _renewal(self) -> str:
        raise NotImplementedError

    def _where(self) -> Where | None:
        return self.settings[0].where if self.settings else None


@dataclass(frozen=True, kw_only=True)
class TokenFileRole(_VouchedRole):
    """The token is in a file that another program keeps fresh (Kubernetes does)."""

    token_file: str

    kind: ClassVar[str] = "web-identity"

    def by_whom(self) -> str:
        return f"the web identity token in {self.token_file}"

    def identity(self) -> tuple[str, ...]:
        return (*super().identity(), self.token_file)

    def is_of_this_shell(self) -> bool:
        return not self.token_file.startswith(("/", "~"))  # another folder, another file

    def lost_on_aws_tools(self) -> tuple[str, Where | None] | None:
        return ("AWS tools take the ~ for a folder's name", self._where()) if self.token_file[:1] == "~" else None

    def binding(self, ports: Ports) -> str:
        return ports.files.absolute(self.token_file)

    def _token(self, ports: Ports) -> str:
        where = self._where()
        assert where is not None, "a token file is always a setting"
        return ports.files.token(self.token_file, where)

    def _renewal(self) -> str:
        return f"the program that writes {self.token_file} has to write a new one"


@dataclass(frozen=True, kw_only=True)
class GithubRole(_VouchedRole):
    """The token is asked of the runner, which gives it to a job with `id-token: write`."""

    audience: str

    kind: ClassVar[str] = "github"

    def by_whom(self) -> str:
        aimed = f" for {self.audience}" if self.audience != AUDIENCE else ""
        return f"this job's token{aimed} from GitHub Actions"

    def identity(self) -> tuple[str, ...]:
        return (*super().identity(), self.audience)

    def lost_on_aws_tools(self) -> tuple[str, Where | None] | None:
        return f"AWS tools don't know {GITHUB_ROLE}", self._where()

    def binding(self, ports: Ports) -> str:
        return ports.machine.job()  # a runner that serves many repositories keeps one home for all of them

    def _token(self, ports: Ports) -> str:
        return ports.machine.github_token(self.audience)

    def _renewal(self) -> str:
        return "run the job again"


def claim_github(profile: Profile, context: Context) -> Claim | None:
    """`awsenv_github_role_arn`, in a job of GitHub Actions; anywhere else it says nothing."""
    role = profile.get(GITHUB_ROLE)
    if role is None or context.env.get("GITHUB_ACTIONS") != "true":
        return None
    arn = checked_arn(role)
    if not context.env.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
        raise Config(f'"{profile.name}" takes this job\'s own token here, and the job may ask for none', role.where,
                     f"add: {_PERMISSIONS}")  # fmt: skip
    audience, session_name = profile.get(GITHUB_AUDIENCE), profile.get("role_session_name")
    return Claim(
        GithubRole(
            profile=profile.name,
            settings=tuple(s for s in (role, audience, session_name) if s is not None),
            role_arn=arn,
            session_name=session_name.value if session_name else context.session_name,
            audience=audience.value if audience else AUDIENCE,
            region=context.region,
            endpoint=context.endpoint("sts"),
        )
    )


def claim(profile: Profile, context: Context) -> Claim | None:
    """`web_identity_token_file` with `role_arn`; without, an error as in botocore. An empty one is none, there too.

    The AWS_WEB_IDENTITY_TOKEN_FILE of the environment is not asked: botocore asks it for no profile that was named either.
    """
    token_file = profile.get("web_identity_token_file")
    if token_file is None:
        return None
    role, session_name = profile.settings.get("role_arn"), profile.get("role_session_name")
    if role is None:
        raise Config(
            f'"{profile.name}" has a web_identity_token_file, and no role to assume with it',
            token_file.where,
            "add: role_arn = ARN",
        )
    return Claim(
        TokenFileRole(
            profile=profile.name,
            settings=tuple(s for s in (token_file, role, session_name) if s is not None),
            role_arn=checked_arn(role),
            session_name=session_name.value if session_name else context.session_name,
            token_file=token_file.value,
            region=context.region,
            endpoint=context.endpoint("sts"),
        ),
        notes=_ignored(profile.get("duration_seconds")),
    )


def _ignored(duration: Setting | None) -> tuple[Note, ...]:
    if duration is None:
        return ()
    what = f"duration_seconds = {show(duration.value)} is ignored beside a web_identity_token_file, as AWS tools do"
    return (Note(f"{what}; --duration is not", duration.where),)
