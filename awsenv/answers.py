"""A question's answer, by an option or by the person, who is asked again until it can be taken, with a word why."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from awsenv.config_writer import header_of, is_plain_value
from awsenv.endpoints import host_of
from awsenv.errors import AwsenvError, Usage
from awsenv.hot import is_region
from awsenv.model import ACCOUNT_SCOPE
from awsenv.ports import Asker, AwsApi
from awsenv.text import nearest, show

_SCOPE = re.compile(r"[A-Za-z0-9_:.*/-]{1,100}")
_IN_URL = re.compile(r"https://[^/]*?\.(?:portal\.)?([a-z]{2,4}(?:-[a-z]+)+-\d{1,2})\.(?:app\.aws|portal\.amazonaws\.)")
Check = Callable[[str], str | None]  # an answer → why it can't be taken


@dataclass(frozen=True)
class Talk:
    """A conversation. With *brief* (`--yes`) what has a default isn't asked for."""

    asker: Asker
    brief: bool

    def answer(self, option: str, given: str | None, question: str, default: str | None, check: Check) -> str:
        """The answer to *question*, by its option or by the person, who is asked until it can be taken."""
        if given is None and default is not None and self.brief and check(default) is None:
            given = default
        if given is not None:
            reason = check(given.strip())
            if reason is not None:
                raise Usage(reason, hint=f"{option} answers this: {question}")
            return given.strip()
        while True:
            answer = self.asker.line(f"{question}{f' [{default}]' if default else ''}:") or default or ""
            reason = check(answer)
            if reason is None:
                return answer
            self.asker.say(f"  {reason}")


def url_fault(text: str) -> str | None:
    """Of a start URL, as far as it can be told without asking AWS."""
    if not text:
        return "the start URL is that of your company's AWS access portal, such as https://corp.awsapps.com/start"
    if text[:8].lower() != "https://" or not host_of(text):
        return f"{show(text)} is no start URL: those begin with https://"
    return None if is_plain_value(text) else f"{show(text)} can't be written into a config file"


def region_fault(aws: AwsApi) -> Check:
    """Of a region: AWS must have one of that name."""

    def check(text: str) -> str | None:
        if not text:
            return "such as eu-west-1: where the portal is, which your administrator knows"
        known = [region for regions in aws.regions().values() for region in regions]
        if is_region(text) and text in known:
            return None
        close = nearest(text, known)
        return f"{show(text)} is no region" + (f"; {' or '.join(close)}?" if close else ", such as eu-west-1")

    return check


def region_or_none(aws: AwsApi) -> Check:
    """Of a region that may be left out."""
    check = region_fault(aws)
    return lambda text: check(text) if text else None


def scopes_fault(text: str) -> str | None:
    """Of registration scopes."""
    scopes = re.split(r"[\s,]+", text)
    if not all(_SCOPE.fullmatch(scope) for scope in scopes):
        return f"scopes are words like {ACCOUNT_SCOPE}, with commas between"
    return None if ACCOUNT_SCOPE in scopes else f"without {ACCOUNT_SCOPE} AWS tells of no accounts"


def name_fault(text: str, kind: str = "sso-session") -> str | None:
    """Of the name of an sso-session or a profile."""
    try:
        header_of(kind, text)
    except AwsenvError:
        return f'"{show(text)}" can\'t be the name of a section' if text else "it needs a name"
    if text.startswith("-") or not is_plain_value(text):
        return f'"{show(text)}" can\'t be written as a setting, or typed as an argument'
    return None


def new_name_fault(text: str, known: Sequence[str]) -> str | None:
    """Of the name of an sso-session that is none of *known*."""
    return f"there is an sso-session {show(text)} already" if text in known else name_fault(text)


def free_name(name: str, known: Sequence[str]) -> str:
    """*name*, with a number behind it where that is one of *known*."""
    number = 2
    free = name
    while free in known:
        free, number = f"{name}-{number}", number + 1
    return free


def region_in(url: str) -> str | None:
    """The region that stands in the newer kinds of start URLs."""
    found = _IN_URL.match(url.lower())
    return found[1] if found else None
