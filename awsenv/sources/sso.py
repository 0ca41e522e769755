"""An IAM Identity Center role: GetRoleCredentials with the token of a login, renewed silently while it can be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

from awsenv import renewal
from awsenv.errors import AwsenvError, Config, Denied, LoginNeeded, TokenRejected
from awsenv.model import Claim, Context, Credentials, Profile, Setting, SsoSession, SsoToken, Step, Where
from awsenv.ports import Ports
from awsenv.text import nearest, show, word

_REQUIRED = ("sso_start_url", "sso_region", "sso_account_id", "sso_role_name")


@dataclass(frozen=True, kw_only=True)
class SsoRole(Step):
    """One permission set in one account, through one login."""

    session: SsoSession
    account: str
    role: str

    kind: ClassVar[str] = "sso"
    is_role_session: ClassVar[bool] = True

    def title(self) -> str:
        session = self.session
        through = f'sso-session "{session.name}"' if session.name is not None else session.start_url
        at = " and ".join(dict.fromkeys(url for url in (session.portal_endpoint, session.oidc_endpoint) if url))
        return f"Identity Center role {self.role} in {self.account} through {through}{f', at {at}' if at else ''}"

    def identity(self) -> tuple[str, ...]:
        session = self.session
        endpoint = session.portal_endpoint or ""
        return (session.key, session.start_url, session.region, self.account, self.role, endpoint)

    def principal(self) -> tuple[str | None, str | None]:
        return self.account, self.role

    def login(self) -> str:
        return login_group(self.session)

    def binding(self, ports: Ports) -> str:
        token = ports.tokens.load(self.session.key)
        return ports.tokens.login_id(token) if token is not None else ""

    def check(self, ports: Ports) -> None:
        renewal.check(self.session, ports, self.profile)

    def fetch(self, upstream: Credentials | None, ports: Ports) -> Credentials:
        token = renewal.live_token(self.session, ports, self.profile)
        try:
            return self._credentials(token, ports)
        except TokenRejected:
            # The portal turns a token down before its time when an administrator ended the session: one try to renew it.
            if not token.is_refreshable(ports.now()):
                raise renewal.given_up(self.session, token, ports, self.profile) from None
        try:
            renewed = renewal.renew(self.session, token, ports, self.profile)
        except LoginNeeded as error:
            if error.seen is not None:  # and not because somebody has logged out
                ports.tokens.mark_void(token)
            raise
        try:
            return self._credentials(renewed, ports)
        except TokenRejected:
            raise renewal.given_up(self.session, renewed, ports, self.profile) from None

    def _credentials(self, token: SsoToken, ports: Ports) -> Credentials:
        known = ports.tokens.refusal(token, self._name(), ports.now())
        if known is not None:
            again = f"; AWS is asked again in {known.wait:.0f} s"
            raise Denied(known.what + again, self._role_line(), known.hint)
        try:
            return ports.aws.role_credentials(
                token.access_token,
                account=self.account,
                role=self.role,
                region=self.session.region,
                endpoint=self.session.portal_endpoint,
            )
        except Denied:
            error = self._not_assigned(token, ports)
            ports.tokens.note_refusal(token, self._name(), ports.now(), error.what, error.hint)
            raise error from None

    def _name(self) -> str:
        """What is asked for with a token, and where."""
        return " ".join((self.account, self.role, self.session.region, self.session.portal_endpoint or ""))

    def _role_line(self) -> Where | None:
        return next((s.where for s in self.settings if s.key == "sso_role_name"), self._where())

    def _not_assigned(self, token: SsoToken, ports: Ports) -> Denied:
        where = self._role_line()
        title = self.session.title()
        try:
            roles = ports.aws.roles(token.access_token, self.session, self.account)
        except AwsenvError:
            roles = []
        if not roles:
            return Denied(f"{title} offers you nothing in account {self.account}", where)
        close = nearest(self.role, roles)
        return Denied(
            f"{title} does not offer you the role {self.role} in account {self.account}; it offers: {', '.join(roles)}",
            where,
            f"did you mean {close[0]}?" if close else None,
        )

    def _where(self) -> Where | None:
        return self.settings[0].where if self.settings else None


def login_group(session: SsoSession) -> str:
    """What the store calls everything that came from this login, so that a logout finds it."""
    return "sso" + hashlib.sha256(session.key.encode("utf-8", "surrogateescape")).hexdigest()[:16]


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
            session=SsoSession(
                name=session.value if session is not None else None,
                start_url=found["sso_start_url"].value,
                region=found["sso_region"].value,
                asked_scopes=scopes_of(found.get("sso_registration_scopes")),
                portal_endpoint=context.endpoint("sso"),
                oidc_endpoint=context.endpoint("sso_oidc"),
                where=(session or asked).where,
            ),
            account=account.value,
            role=found["sso_role_name"].value,
        )
    )


def scopes_of(setting: Setting | None) -> tuple[str, ...] | None:
    """`sso_registration_scopes`, a list with commas; None where it is not set."""
    if setting is None:
        return None
    return tuple(scope.strip() for scope in setting.value.split(",") if scope.strip()) or None


def _merge_session(session: Setting, found: dict[str, Setting], context: Context) -> None:
    """Put the section's settings into *found*, all of them, as botocore does; one that both hold must be the same in both."""
    section = context.sso_session(session.value)
    name = f"[sso-session {word(show(session.value))}]"
    if section is None:
        raise Config(
            f'sso_session names "{show(session.value)}", and there is no {name}',
            session.where,
            f"awsenv sso add   (or write the section {name})",
        )
    for key in ("sso_start_url", "sso_region"):
        if section.get(key) is None:  # not even where the profile holds it: the login is the section's
            raise Config(f"{name} has no {key}", section.where)
    for key, theirs in section.settings.items():
        ours = found.get(key)
        if ours is not None and ours.value != theirs.value:
            raise Config(f"{key} differs from the one in {name} ({theirs.where})", ours.where, "remove this line")
        found[key] = theirs
