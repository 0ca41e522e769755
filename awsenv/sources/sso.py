"""An IAM Identity Center role: GetRoleCredentials with the token of a login, renewed silently while it can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from awsenv.errors import AwsenvError, Config, Denied, LoginNeeded, TokenRejected
from awsenv.model import Claim, Context, Credentials, Profile, Setting, SsoToken, Step, Where
from awsenv.ports import Ports
from awsenv.text import ago, nearest, show, word

RENEW_FROM = 600.0  # seconds before a token's end in which it is renewed while it still works
RENEW_BY = 60.0  # below this it is as good as ended
_REQUIRED = ("sso_start_url", "sso_region", "sso_account_id", "sso_role_name")


@dataclass(frozen=True, kw_only=True)
class SsoRole(Step):
    """One permission set in one account. *session* is the sso-session's name, None for a legacy profile."""

    session: str | None
    start_url: str
    sso_region: str
    account: str
    role: str
    endpoint: str | None = None
    oidc_endpoint: str | None = None

    kind: ClassVar[str] = "sso"
    is_role_session: ClassVar[bool] = True

    @property
    def token_key(self) -> str:
        """What AWS's tools name the token file after: the session, else the start URL as written."""
        return self.session if self.session is not None else self.start_url

    def title(self) -> str:
        through = f'sso-session "{self.session}"' if self.session is not None else self.start_url
        at = " and ".join(dict.fromkeys(url for url in (self.endpoint, self.oidc_endpoint) if url))
        return f"Identity Center role {self.role} in {self.account} through {through}{f', at {at}' if at else ''}"

    def identity(self) -> tuple[str, ...]:
        return (self.token_key, self.start_url, self.sso_region, self.account, self.role, self.endpoint or "")

    def principal(self) -> tuple[str | None, str | None]:
        return self.account, self.role

    def binding(self, ports: Ports) -> str:
        token = ports.tokens.load(self.token_key)
        return ports.tokens.login_id(token) if token is not None else ""

    def check(self, ports: Ports) -> None:
        token = ports.tokens.load(self.token_key)
        if token is None:
            raise LoginNeeded(f"there is no login for {self._name()} yet", self._where(), self._login())
        if token.expires_at <= ports.now() and not token.is_refreshable(ports.now()):
            raise self._ended(token, ports)

    def fetch(self, upstream: Credentials | None, ports: Ports) -> Credentials:
        token = self._live_token(ports)
        try:
            return self._credentials(token, ports)
        except TokenRejected:
            # The portal turns a token down before its time when an administrator ended the session: one try to renew it.
            if not token.is_refreshable(ports.now()):
                raise self._ended(token, ports) from None
            return self._credentials(self._renewed(token, ports, must=True), ports)

    def _credentials(self, token: SsoToken, ports: Ports) -> Credentials:
        try:
            return ports.aws.role_credentials(
                token.access_token, account=self.account, role=self.role, region=self.sso_region, endpoint=self.endpoint
            )
        except Denied:
            raise self._not_assigned(token, ports) from None

    def _live_token(self, ports: Ports) -> SsoToken:
        self.check(ports)
        token = ports.tokens.load(self.token_key)
        assert token is not None, "check() has just read it"
        now = ports.now()
        left = token.expires_at - now
        if left > RENEW_FROM or not token.is_refreshable(now):
            return token
        try:
            return self._renewed(token, ports, must=left <= RENEW_BY)
        except AwsenvError:
            if left > RENEW_BY:
                return token  # it still works; whatever hindered the renewal will say so when it counts
            raise

    def _renewed(self, token: SsoToken, ports: Ports, must: bool) -> SsoToken:
        """The token's successor, got by one process for all; raises LoginNeeded, Unreachable or Storage.

        With *must* False and another process at it, the token itself.
        """
        with ports.tokens.locked(self.token_key, wait=must) as is_ours:
            if not is_ours:
                return token
            latest = ports.tokens.load(self.token_key) or token
            if latest.access_token != token.access_token and latest.expires_at - ports.now() > RENEW_FROM:
                return latest
            if ports.tokens.is_dead(latest):
                raise self._ended(latest, ports)
            with ports.tokens.successor(
                self.token_key
            ) as place:  # proves that it can be kept, before the old one is spent
                try:
                    renewed = ports.aws.renew_token(latest, region=self.sso_region, endpoint=self.oidc_endpoint)
                except TokenRejected:
                    ports.tokens.mark_dead(latest)
                    raise self._ended(latest, ports) from None
                place.keep(renewed)
            return renewed

    def _not_assigned(self, token: SsoToken, ports: Ports) -> Denied:
        where = next((s.where for s in self.settings if s.key == "sso_role_name"), self._where())
        try:
            roles = ports.aws.account_roles(
                token.access_token, account=self.account, region=self.sso_region, endpoint=self.endpoint
            )
        except AwsenvError:
            roles = []
        if not roles:
            return Denied(f"{self._name()} offers you nothing in account {self.account}", where)
        close = nearest(self.role, roles)
        return Denied(
            f"{self._name()} does not offer you the role {self.role} in account {self.account}; it offers: {', '.join(roles)}",
            where,
            f"did you mean {close[0]}?" if close else None,
        )

    def _ended(self, token: SsoToken, ports: Ports) -> LoginNeeded:
        since = ports.now() - token.expires_at
        when = f"ended {ago(since)} ago" if since > 0 else "was ended before its time"
        return LoginNeeded(f"the login for {self._name()} {when}", None, self._login())

    def _name(self) -> str:
        return f'the sso-session "{self.session}"' if self.session is not None else self.start_url

    def _login(self) -> str:
        return (
            f"aws sso login --sso-session {word(self.session)}"
            if self.session
            else f"aws sso login --profile {word(self.profile)}"
        )

    def _where(self) -> Where | None:
        return self.settings[0].where if self.settings else None


def claim(profile: Profile, context: Context) -> Claim | None:
    """`sso_account_id` or `sso_role_name` (botocore's rule, credentials.SSOProvider); a bare `sso_session` is no role."""
    asked = profile.settings.get("sso_account_id") or profile.settings.get("sso_role_name")
    if asked is None:
        return None
    session = profile.settings.get("sso_session")
    found = dict(profile.settings)
    if session is not None:
        _merge_session(session, found, context)
    missing = [key for key in _REQUIRED if key not in found or not found[key].value]
    if missing:
        raise Config(
            f'"{profile.name}" is an Identity Center profile without {" and ".join(missing)}',
            asked.where,
            "add: sso_session = NAME" if session is None and "sso_start_url" in missing else None,
        )
    account = found["sso_account_id"]
    if not (len(account.value) == 12 and account.value.isascii() and account.value.isdigit()):
        raise Config(f"an account id has twelve digits: sso_account_id = {show(account.value)}", account.where)
    order = (session, *(found[key] for key in _REQUIRED))
    return Claim(
        SsoRole(
            profile=profile.name,
            settings=tuple(setting for setting in order if setting is not None),
            session=session.value if session is not None else None,
            start_url=found["sso_start_url"].value,
            sso_region=found["sso_region"].value,
            account=account.value,
            role=found["sso_role_name"].value,
            endpoint=context.endpoint("sso"),
            oidc_endpoint=context.endpoint("sso_oidc"),
        )
    )


def _merge_session(session: Setting, found: dict[str, Setting], context: Context) -> None:
    """Put the section's settings into *found*, all of them, as botocore does; one that both hold must be the same in both."""
    section = context.sso_session(session.value)
    name = f"[sso-session {word(show(session.value))}]"
    if section is None:
        raise Config(
            f'sso_session names "{show(session.value)}", and there is no {name}',
            session.where,
            f"aws configure sso-session   (or write the section {name})",
        )
    for key in ("sso_start_url", "sso_region"):
        if section.get(key) is None:  # not even where the profile holds it: the login is the section's
            raise Config(f"{name} has no {key}", section.where)
    for key, theirs in section.settings.items():
        ours = found.get(key)
        if ours is not None and ours.value != theirs.value:
            raise Config(f"{key} differs from the one in {name} ({theirs.where})", ours.where, "remove this line")
        found[key] = theirs
