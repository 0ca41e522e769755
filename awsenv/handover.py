"""A secret URL to a browser without a command line that shows it: the browser fetches it from us, once."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable

from awsenv import pages
from awsenv.errors import Internal
from awsenv.loopback import NOT_FOUND, Loopback, Reply, is_ours


def hand_over(url: str, open_it: Callable[[str], bool], seconds: float = 60) -> bool:
    """Whether the browser that *open_it* starts on a local address came within *seconds* and was sent on to *url*.

    Any user may read another's command lines. What stands there is an address that answers once, and on Linux only to
    a process of ours (or root's, which could read the URL from our memory anyway).
    """
    if not (url.isascii() and url.isprintable() and " " not in url):
        raise Internal("that is no URL to send a browser to")
    path = f"/{secrets.token_urlsafe(32)}"

    with Loopback() as server:

        def answer(target: str, port: int) -> Reply:
            if not hmac.compare_digest(target, path) or not is_ours(port, server.port):
                return NOT_FOUND
            return Reply(pages.ON_THE_WAY, 303, location=url, is_last=True)

        return open_it(f"http://{server.authority}{path}") and server.serve(answer, seconds)
