"""How the fake behaves: the knobs that a test may turn while the fake runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass
class Behaviour:
    """Lifetimes in seconds, and what Identity Center does when someone logs in."""

    clock: Callable[[], float] = time.time
    """The service's own clock, epoch seconds; it also writes the Date header, so a test can make clocks disagree."""

    session_seconds: int | None = None
    """STS sessions live this long whatever was asked; None: as long as asked."""

    cap_user_sessions: bool = False
    """Count AssumeRole after GetSessionToken as role chaining, too (one hour)."""

    role_credentials_seconds: int = 3600
    """Identity Center's GetRoleCredentials."""

    token_seconds: int = 8 * 3600
    """Identity Center's access tokens."""

    aws_login_seconds: int = 900
    """The credentials of `aws login`."""

    refresh_tokens: Literal["rotate", "keep", "omit"] = "rotate"
    """A refresh answers with a new refresh token (and the old one is spent), with the same one, or with none."""

    refresh_grace: float = 0
    """For so many seconds a spent refresh token is answered once more with what it was answered before."""

    sign_in_seconds: int | None = None
    """The session at the portal: after so many seconds nothing can be refreshed. None: it never ends by itself."""

    page_size: int = 20
    """Entries a page in ListAccounts and ListAccountRoles, where the caller asks for no number (1 to 100)."""

    portal_requests_per_second: int | None = None
    """With one access token; what comes beyond is answered 429 with a Retry-After. AWS allows about 20."""

    device_interval: int = 1
    """Seconds between two polls that StartDeviceAuthorization asks for."""

    enforce_interval: bool = True
    """Answer a device's poll that comes sooner than the interval with SlowDownException."""

    device_code_seconds: int = 600
    """For so long a person may approve a device sign-in."""

    approve_after_polls: int | None = None
    """Approve a device login by itself at this poll; None: when its page was opened or approve() was called."""

    deny_logins: bool = False
    """The person at the browser says no."""

    ask_in_browser: bool = False
    """Show a page with Allow and Deny, as AWS does; without it, opening the address of a sign-in decides."""
