"""A start URL as a person has it → the one AWS answers at: an address of one's own redirects to it, once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from awsenv.browser import is_openable
from awsenv.endpoints import host_of, is_loopback
from awsenv.errors import Config
from awsenv.model import SsoSession
from awsenv.text import show

# AWS's own portals, as the AWS CLI's sso/resolve.py knows them: where one of these stands, nothing is asked.
_OWNED = re.compile(
    r"(.+\.)?(app\.aws|portal\.amazonaws\.com(\.cn)?|awsapps\.com|awsapps\.cn|amazonaws\.eu|amazonwebservices\.eu)"
    r"|identitycenter\.amazonaws\.com(\.cn)?"
)
_REGION = re.compile(
    r"[^.]+\.portal\.(?P<a>[a-z0-9-]+)\.app\.(aws|amazonwebservices\..+)"
    r"|[^.]+\.(?P<b>[a-z0-9-]+)\.portal\.amazonaws\.(com|com\.cn|eu)"
)


def is_owned(url: str) -> bool:
    """Whether *url* is a portal at an address of AWS's own."""
    return _OWNED.fullmatch(host_of(url)) is not None


def resolved(session: SsoSession, redirect_of: Callable[[str], str | None]) -> SsoSession:
    """*session* with the start URL and the region that AWS itself uses; the token is still named after the configured ones.

    One redirect, to https on a host of AWS's, as in the AWS CLI (2.35.13 and later): raises Config for anything else.
    """
    url = session.start_url
    if url[:8].lower() != "https://" or not host_of(url):
        raise Config(f"{show(url)} is no start URL: those begin with https://", session.where)
    if is_owned(url) or (session.oidc_endpoint is not None and is_loopback(session.oidc_endpoint)):
        return session
    target = redirect_of(url)
    host = host_of(target) if target is not None and target[:8].lower() == "https://" else ""
    if target is None or not _OWNED.fullmatch(host):
        to = f", it leads to {show(target)}" if target is not None else ""
        raise Config(f"{show(url)} is no start URL of AWS's{to}", session.where)
    found = _REGION.fullmatch(host)
    region = (found["a"] or found["b"]) if found else session.region
    target = target.partition("?")[0].partition("#")[0].rstrip("/")
    if not is_openable(target, region):
        raise Config(f"{show(url)} leads to {show(target)}, which is no portal of the partition of {show(region)}")
    return replace(session, start_url=target, region=region)
