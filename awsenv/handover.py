"""A secret URL to a browser without a command line that shows it: the browser fetches it from us, once."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable

from awsenv import pages
from awsenv.errors import Internal
from awsenv.loopback import NOT_FOUND, Loopback, Reply

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LOCAL = ("0100007F", "0000000000000000FFFF00000100007F")  # 127.0.0.1 as these tables write it
_LOCAL_BIG_ENDIAN = ("7F000001", "00000000000000000000FFFF7F000001")


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
            if not hmac.compare_digest(target, path) or not _is_ours(port, server.port):
                return NOT_FOUND
            return Reply(pages.ON_THE_WAY, 303, location=url, is_last=True)

        return open_it(f"http://{server.authority}{path}") and server.serve(answer, seconds)


def _is_ours(peer: int, port: int) -> bool:
    """Whether the socket connected from *peer* to *port* is ours or root's; True where there is no such table."""
    rows = []
    for table in _TABLES:
        try:
            with open(table, encoding="ascii") as file:
                rows += file.readlines()[1:]
        except OSError:
            continue
    return not rows or _owner(rows, peer, port) in (os.getuid(), 0)


def _owner(rows: list[str], peer: int, port: int) -> int | None:
    """The uid that the kernel's table has for that connection: proc(5), /proc/net/tcp; None where it isn't there."""
    for row in rows:
        fields = row.split()
        for address in (*_LOCAL, *_LOCAL_BIG_ENDIAN):
            if fields[1:3] == [f"{address}:{peer:04X}", f"{address}:{port:04X}"]:
                return int(fields[7])
    return None
