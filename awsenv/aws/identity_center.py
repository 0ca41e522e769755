"""IAM Identity Center: a login's tokens, and the accounts and roles that they open."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from awsenv import tokens
from awsenv.aws.client import Clients
from awsenv.aws.exchange import DEADLINE, translated, within
from awsenv.errors import Denied, LoginNeeded, TokenRejected, Unreachable
from awsenv.model import AS_IT_COMES, Account, Credentials, DeviceCode, Network, Registration, SsoSession, SsoToken

if TYPE_CHECKING:
    from awsenv.clock import ServerClock
    from awsenv.world import World

_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_PAGE = 100  # entries, the most that a page of the portal holds
# An operation that lists → the member with its entries, the field that every entry has, those that it may have.
_LISTED = {
    "list_accounts": ("accountList", "accountId", "accountName", "emailAddress"),
    "list_account_roles": ("roleList", "roleName"),
}


class IdentityCenter(Clients):
    """AwsApi's calls to Identity Center: sso-oidc for the tokens, sso for what is behind them."""

    def __init__(self, world: World, clock: ServerClock | None = None, network: Network = AS_IT_COMES) -> None:
        super().__init__(world, clock, network)
        self._portals: dict[tuple[str, str | None], Any] = {}
        self._making = threading.Lock()

    def role_credentials(
        self, access_token: str, *, account: str, role: str, region: str, endpoint: str | None
    ) -> Credentials:
        client = self._client("sso", region, endpoint)
        issued = self._now()
        with translated("sso", client):
            reply = within(
                lambda: client.get_role_credentials(accountId=account, roleName=role, accessToken=access_token)
            )
            keys = reply["roleCredentials"]
            return Credentials(
                keys["accessKeyId"],
                keys["secretAccessKey"],
                keys["sessionToken"],
                issued_at=issued,
                expires_at=self._local(keys["expiration"] / 1000),
                account_id=account,
            )

    def accounts(
        self, access_token: str, session: SsoSession, before_call: Callable[[], None] = lambda: None
    ) -> list[Account]:
        client = self._portal(session)
        pages = self._pages(client, "list_accounts", before_call, accessToken=access_token)
        return [Account(*entry) for entry in pages]

    def roles(
        self, access_token: str, session: SsoSession, account: str, before_call: Callable[[], None] = lambda: None
    ) -> list[str]:
        client = self._portal(session)
        pages = self._pages(client, "list_account_roles", before_call, accessToken=access_token, accountId=account)
        return [name for (name,) in pages]

    def _portal(self, session: SsoSession) -> Any:
        """One client for a listing's thousand calls, from several threads: making one is the dearest part of a call."""
        key = (session.region, session.portal_endpoint)
        with self._making:
            if key not in self._portals:
                self._portals[key] = self._client("sso", session.region, session.portal_endpoint, attempts=1)
            return self._portals[key]

    def _pages(
        self, client: Any, operation: str, before_call: Callable[[], None], **asked: str
    ) -> list[tuple[str, ...]]:
        """The entries of all pages, each page its own exchange: a thousand accounts take longer than one may."""
        member, first, *others = _LISTED[operation]
        found: list[tuple[str, ...]] = []
        tokens: list[str] = []
        while True:
            before_call()
            following = {"nextToken": tokens[-1]} if tokens else {}
            with translated("sso", client):
                page = within(partial(getattr(client, operation), maxResults=_PAGE, **asked, **following))
                found += [(entry[first], *(entry.get(name) or "" for name in others)) for entry in page[member]]
            token = page.get("nextToken")
            if not token:
                return found
            if token in tokens:
                raise Unreachable(f"AWS (sso) pages in a circle: {operation}")
            tokens.append(token)

    def sign_out(self, access_token: str, session: SsoSession) -> None:
        client = self._client("sso", session.region, session.portal_endpoint)
        with translated("sso", client):
            within(lambda: client.logout(accessToken=access_token))

    def register_client(self, session: SsoSession, redirect_uri: str | None) -> Registration:
        client = self._client("sso-oidc", session.region, session.oidc_endpoint)
        # A login is named in the account's records by this: the session's name, as the AWS CLI has it.
        asked: dict[str, Any] = {"clientType": "public", "scopes": list(session.scopes)}
        asked["clientName"] = f"awsenv-client-{session.name or int(self._now())}"
        grants: tuple[str, ...] = ()
        if redirect_uri is not None:
            grants = ("authorization_code", "refresh_token")
            asked |= {"grantTypes": list(grants), "redirectUris": [redirect_uri], "issuerUrl": session.start_url}
        with translated("sso-oidc", client):
            reply = within(lambda: client.register_client(**asked))
            return Registration(
                reply["clientId"],
                reply["clientSecret"],
                float(reply["clientSecretExpiresAt"]),
                session.scopes,
                grants,
            )

    def start_device(self, registration: Registration, session: SsoSession) -> DeviceCode:
        client = self._client("sso-oidc", session.region, session.oidc_endpoint)
        with translated("sso-oidc", client):
            reply = within(
                lambda: client.start_device_authorization(
                    clientId=registration.client_id,
                    clientSecret=registration.client_secret,
                    startUrl=session.start_url,
                )
            )
            return DeviceCode(
                reply["deviceCode"],
                reply["userCode"],
                reply["verificationUri"],
                reply.get("verificationUriComplete") or reply["verificationUri"],
                float(reply["expiresIn"]),
                float(reply.get("interval") or 5),  # RFC 8628, section 3.2
            )

    def token_by_device(self, registration: Registration, device: DeviceCode, session: SsoSession) -> SsoToken | None:
        client = self._client("sso-oidc", session.region, session.oidc_endpoint, attempts=1)
        pending, too_late = client.exceptions.AuthorizationPendingException, client.exceptions.ExpiredTokenException
        try:
            return self._new_token(
                client, registration, (pending, too_late), grantType=_DEVICE_GRANT, deviceCode=device.device_code
            )
        except pending:
            return None
        except too_late:
            raise LoginNeeded("the code was not used in time") from None

    def token_by_code(
        self, registration: Registration, session: SsoSession, *, code: str, verifier: str, redirect_uri: str
    ) -> SsoToken:
        client = self._client("sso-oidc", session.region, session.oidc_endpoint)
        return self._new_token(
            client,
            registration,
            (),
            grantType="authorization_code",
            code=code,
            codeVerifier=verifier,
            redirectUri=redirect_uri,
        )

    def _new_token(
        self, client: Any, registration: Registration, let_pass: tuple[type[Exception], ...], **grant: str
    ) -> SsoToken:
        with translated("sso-oidc", client, let_pass):
            reply = within(
                lambda: client.create_token(
                    clientId=registration.client_id, clientSecret=registration.client_secret, **grant
                )
            )
            return SsoToken(
                reply["accessToken"],
                self._now() + reply["expiresIn"],
                refresh_token=reply.get("refreshToken"),
                client_id=registration.client_id,
                client_secret=registration.client_secret,
                registration_expires_at=registration.expires_at,
            )

    def oidc_base(self, session: SsoSession) -> str:
        client = self._client("sso-oidc", session.region, session.oidc_endpoint)
        return str(client.meta.endpoint_url).rstrip("/")

    def renew_token(self, token: SsoToken, session: SsoSession, seconds: float = DEADLINE) -> SsoToken:
        client = self._client("sso-oidc", session.region, session.oidc_endpoint, attempts=1)
        try:
            with translated("sso-oidc", client):
                reply = within(
                    lambda: client.create_token(
                        grantType="refresh_token",
                        clientId=token.client_id,
                        clientSecret=token.client_secret,
                        refreshToken=token.refresh_token,
                    ),
                    seconds,
                )
                expires_at = self._now() + reply["expiresIn"]
                return tokens.renewed(token, reply["accessToken"], expires_at, reply.get("refreshToken"))
        except Denied as error:  # whatever AWS's reason is, the answer to this token will be the same
            raise TokenRejected(error.what) from None
