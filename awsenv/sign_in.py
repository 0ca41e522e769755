"""A login as `aws login` makes one: in the browser on this machine, or in any browser, whose code a person brings back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

from awsenv.browser import is_openable
from awsenv.callback import Callback
from awsenv.console import hosts_of
from awsenv.endpoints import is_loopback
from awsenv.errors import Denied, LoginNeeded, TokenRejected, Unreachable
from awsenv.login import LIMIT, Manner, needed, waited_for
from awsenv.model import LoginSession, LoginToken
from awsenv.ports import Ports

# What AWS Sign-In knows the AWS CLI as; a tool of one's own can't register there.
SAME_DEVICE = "arn:aws:signin:::devtools/same-device"
CROSS_DEVICE = "arn:aws:signin:::devtools/cross-device"
_TRIES = 3  # to paste a code whole


def authorized(session: LoginSession, ports: Ports, manner: Manner, look: Callable[[], None]) -> LoginToken:
    """The token of a login as exactly *session*'s identity; raises Denied where it was made as another one, and as
    `login.log_in`. *look* is called again and again while a browser is waited for."""
    before = ports.logins.load(session.key)
    region = session.region or (before.region if before is not None else None) or hosts_of(session.partition).region
    reason = ports.browser.why_not(manner.command)
    if manner.device or not manner.may_open or reason is not None:
        if reason is not None and manner.may_open and not manner.device:
            ports.asker.say(f"awsenv: this is {reason}, so the login goes by any browser, and a code that it shows")
        token = _by_paste(session, region, ports)
    else:
        token = _by_browser(session, region, ports, manner, look)
    who = _subject(token.raw.get("idToken"))
    if who != session.arn:
        raise Denied(
            f'that login is one as {who or "nobody"}, and "{session.profile}" is {session.arn}; nothing was kept',
            session.where,
            f"choose that identity in the browser: {session.login_command()}\nor write in that line the other one",
        )
    account = session.arn.split(":")[4] or None
    return replace(token, credentials=replace(token.credentials, account_id=account))


def _by_browser(
    session: LoginSession, region: str, ports: Ports, manner: Manner, look: Callable[[], None]
) -> LoginToken:
    with Callback(session.arn) as callback:
        visit = _Visit(session, region, ports, SAME_DEVICE, callback.redirect_uri)
        ports.aws.reach(visit.base)  # no browser opens on a page that isn't there
        if not ports.browser.open(visit.url, manner.command):
            ports.asker.say("awsenv: no browser could be started, so the login goes by any browser, and a code from it")
            return _by_paste(session, region, ports)
        ports.asker.say(
            f"awsenv: your browser shows the login to {session.title()} in {region}; Ctrl-C gives it up\n  {visit.url}",
            visit.url,
        )
        end = time.monotonic() + LIMIT
        arrival = waited_for(callback, visit.state, manner.alone, look)
        if arrival is None:
            ports.asker.say(
                "awsenv: nothing has come back from the browser yet, and it is still waited for; "
                f"with a browser elsewhere: Ctrl-C, then {session.login_command()} --no-browser"
            )
            arrival = waited_for(callback, visit.state, end - time.monotonic(), look)
    if arrival is None:
        raise needed("nobody logged in within ten minutes", session)
    if arrival.code is None:
        raise Denied(f"the login to {session.title()} was denied in the browser")
    return visit.token(arrival.code)


def _by_paste(session: LoginSession, region: str, ports: Ports) -> LoginToken:
    redirect = f"{ports.aws.login_base(session, region)}/v1/sessions/confirmation"
    visit = _Visit(session, region, ports, CROSS_DEVICE, redirect)
    ports.asker.say(
        f"awsenv: log in to {session.title()} in {region}, in any browser:\n  {visit.url}\n"
        "  Then paste the code that it shows; Ctrl-C gives the login up.",
        visit.url,
    )
    ports.asker.show_qr(visit.url)
    for _ in range(_TRIES):
        code = _pasted(ports.asker.line("the code from the browser:"), visit.state)
        if code is not None:
            return visit.token(code)
        ports.asker.say("awsenv: that is not the code of this login; it is long, and has to be pasted whole")
    raise needed(f"no code came for the login to {session.title()}", session)


class _Visit:
    """One visit of a browser to AWS Sign-In, and what its code is exchanged with (RFC 7636)."""

    def __init__(self, session: LoginSession, region: str, ports: Ports, client_id: str, redirect_uri: str) -> None:
        self._session, self._region, self._ports = session, region, ports
        self._client_id, self._redirect_uri = client_id, redirect_uri
        self._verifier, self.state = secrets.token_urlsafe(48), secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self._verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": client_id,
            "state": self.state,
            "code_challenge_method": "SHA-256",  # RFC 7636 says S256; AWS Sign-In has a name of its own
            "scope": "openid",
            "redirect_uri": redirect_uri,
            "code_challenge": challenge,
        }
        self.base = ports.aws.login_base(session, region)
        self.url = f"{self.base}/v1/authorize?{urlencode(asked)}"
        if not is_openable(self.url, region, session.endpoint is not None and is_loopback(session.endpoint)):
            host = urlsplit(self.url).hostname or self.url[:60]
            raise Unreachable(f"the page for the login is not one of AWS's ({host}); it is not opened")

    def token(self, code: str) -> LoginToken:
        """What AWS gives for *code*; raises LoginNeeded where it takes it no longer."""
        try:
            return self._ports.aws.new_login(
                self._session,
                self._region,
                client_id=self._client_id,
                code=code,
                verifier=self._verifier,
                redirect_uri=self._redirect_uri,
            )
        except TokenRejected as error:
            raise _refused(error, self._session) from None


def _refused(error: TokenRejected, session: LoginSession) -> LoginNeeded:
    return needed(f"AWS did not take the code for the login to {session.title()}: {error.what}", session)


def _pasted(text: str, state: str) -> str | None:
    """The code in what the page shows, `state=…&code=…` in base64; None where it isn't, or is another login's."""
    plain = "".join(text.split())
    try:
        said = parse_qs(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode("ascii"))
    except (ValueError, binascii.Error):
        return None
    states, codes = said.get("state", []), said.get("code", [])
    if len(states) != 1 or len(codes) != 1 or not hmac.compare_digest(states[0].encode(), state.encode()):
        return None
    return codes[0]


def _subject(id_token: object) -> str | None:
    """The `sub` of a JWT that came from AWS itself, over TLS: its signature would say nothing more."""
    if not isinstance(id_token, str):
        return None
    try:
        _, payload, _ = id_token.split(".")
        fields = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return None
    subject = fields.get("sub") if isinstance(fields, dict) else None
    return subject if isinstance(subject, str) else None
