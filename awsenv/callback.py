"""Where the browser brings the code of a login: one path on 127.0.0.1 that waits for one state."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qs

from awsenv import pages
from awsenv.loopback import ADDRESS, NOT_FOUND, Loopback, Reply, is_ours

_PATH = "/oauth/callback"
_LONGEST_CODE = 16384


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came back: the *code*, or the *error* (OAuth's own words, such as access_denied; other text is "error")."""

    code: str | None = field(default=None, repr=False)
    error: str | None = None


class Callback:
    """The listener for the redirect of an authorization-code login (RFC 8252, section 7.3), inside a `with`.

    *session_title* is what the page calls the session. The port is free, and is not part of what AWS registers.
    """

    registered_uri = f"http://{ADDRESS}{_PATH}"

    def __init__(self, session_title: str) -> None:
        self._title = session_title
        self._server = Loopback()
        self.redirect_uri = f"http://{self._server.authority}{_PATH}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def wait(self, state: str, seconds: float) -> Arrival | None:
        """What arrives with *state*, its page sent; None after *seconds*. It may be called again, as for a short look.

        Anything without the right state changes nothing: a page that knows the port could else end a login, or bring
        the code of somebody else's.
        """
        arrived: Arrival | None = None

        def answer(target: str, port: int) -> Reply:
            nonlocal arrived
            path, _, query = target.partition("?")
            # The state stands in the browser's command line: another user could bring a code, and make us somebody else.
            if path != _PATH or not is_ours(port, self._server.port):
                return NOT_FOUND
            arrival = _read(query, state)
            if arrival is None:
                return Reply(pages.STRANGER, 400)
            arrived = arrival
            page = pages.signed_in(self._title) if arrival.code is not None else pages.turned_down(self._title)
            return Reply(page, is_last=True)

        return arrived if self._server.serve(answer, seconds) else None


def _read(query: str, state: str) -> Arrival | None:
    """The arrival that *query* describes; None where the state, or both of code and error, are missing or doubled."""
    try:
        said = parse_qs(query, max_num_fields=32)
    except ValueError:
        return None
    if any(len(said.get(name, "")) > 1 for name in ("state", "code", "error")):
        return None
    given, code, error = (said.get(name, [""])[0] for name in ("state", "code", "error"))
    if not state or not hmac.compare_digest(given.encode("utf-8", "replace"), state.encode()):
        return None
    if error:
        return Arrival(error=error if re.fullmatch("[a-z_]{1,64}", error) else "error")
    return Arrival(code) if code and len(code) <= _LONGEST_CODE else None
