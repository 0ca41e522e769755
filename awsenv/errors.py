"""What can go wrong, and the exit status that says so.

    AwsenvError
      Internal        1   a bug of ours
      Usage           2   the words of the command line
      Config          3   the AWS config files, or what they start
        UnknownProfile
        NoCredentials
          StashNeeded
        SourceLoop
      LoginNeeded     4   a person must log in, or type a code where there is no terminal
        TokenRejected     AWS turned down the token of a login
      Denied          5   AWS said no
        WrongCode         to an MFA code
      Unreachable     6   AWS can't be reached, or took too long
        Busy              AWS answers, and wants us to come back later
        Unanswered        the request went out, and nothing came back
      Storage         7   a file or folder that can't be used
      Interrupted   130   Ctrl-C

An error says what happened, where (file and line), and what to type. It is raised where most is known and caught once,
in `__main__`. No text of it is made of a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from awsenv.model import Session, Token, Where
from awsenv.text import show


class AwsenvError(Exception):
    """Base of all: *what* happened, *where* in the user's files, a *hint* (a command, or a line to write), and *details*.

    *what* is one line: a line break in it is data, and shown as such. A hint may have several lines of ours.
    """

    exit_code = 1

    def __init__(
        self, what: str, where: Where | None = None, hint: str | None = None, details: Sequence[str] = ()
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint
        self.details = tuple(details)

    def lines(self, home: str = "") -> list[str]:
        """The error as a person reads it, `~` for *home*; what came from outside is filtered by `show`."""
        place = f"{show(self.where.short(home))}: " if self.where else ""
        return [
            f"awsenv: {place}{show(self.what, 500)}",
            *(f"  {show(line, 500)}" for line in self.details),
            *(f"  hint: {show(line, 300)}" for line in (self.hint or "").split("\n") if line),
        ]


class Internal(AwsenvError):
    """A bug of ours."""


class Usage(AwsenvError):
    """The command line asks for what can't be."""

    exit_code = 2


class Config(AwsenvError):
    """A setting is missing, contradictory or can't be read."""

    exit_code = 3


class UnknownProfile(Config):
    """No profile of that name."""


class NoCredentials(Config):
    """The profile is there and does not say how to authenticate."""


class StashNeeded(NoCredentials):
    """The keys are those that the environment held before awsenv, and only the shell itself knows them."""


class SourceLoop(Config):
    """The source profiles lead back to where they began."""


class LoginNeeded(AwsenvError):
    """A person is needed: a login, or a code where there is no terminal to ask on.

    *session* is where to log in, None where a login would not help; *seen* the token that is of no use any more.
    """

    exit_code = 4
    session: Session[Any] | None = None
    seen: Token | None = None


class TokenRejected(LoginNeeded):
    """AWS turned down the token of a login: expired, revoked or spent."""


class Denied(AwsenvError):
    """AWS refused."""

    exit_code = 5


class WrongCode(Denied):
    """AWS did not accept an MFA code."""


class Unreachable(AwsenvError):
    """No answer, or none in time, or one that isn't AWS's."""

    exit_code = 6


class Busy(Unreachable):
    """Too many requests (*is_throttled*), or a server of AWS's in trouble.

    *retry_after*: the seconds that AWS asks us to wait, if it says.
    """

    def __init__(
        self, what: str, retry_after: float | None = None, hint: str | None = None, is_throttled: bool = True
    ) -> None:
        super().__init__(what, hint=hint)
        self.retry_after = retry_after
        self.is_throttled = is_throttled


class Unanswered(Unreachable):
    """The request went out and no answer came back: it may have been done all the same."""


class Storage(AwsenvError):
    """A file or folder can't be read or written safely."""

    exit_code = 7


class Interrupted(AwsenvError):
    """Ctrl-C."""

    exit_code = 130
