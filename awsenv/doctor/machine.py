"""Checks of what lies on this machine: awsenv's store, AWS's caches and logins, what killed programs left, the clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from awsenv.clock import Skew
from awsenv.doctor.examination import Examined
from awsenv.doctor.finding import Finding
from awsenv.text import ago, word

_ROOM = 1 << 20  # bytes; a session is 2 KiB
_SHOWN = 3


def store(facts: Examined) -> Iterator[Finding]:
    """Where awsenv keeps credentials: usable, for us alone, with room in it."""
    around = facts.surroundings
    if around is None:
        return
    if around.store_trouble:
        what, _, fix = around.store_trouble.partition(" (fix: ")
        yield Finding("store", "warning", f"awsenv's store can't be used: {what}",
                      means="every `use` asks AWS anew, and for an MFA code each time",
                      write=(fix.removesuffix(")"),) if fix else ())  # fmt: skip
    if around.store_ignored:
        said = f"{_files(around.store_ignored)} in awsenv's store {_is(around.store_ignored)} not for you alone"
        yield Finding("store-file", "warning", said, means="awsenv reads no such file: what is in it may be anybody's",
                      write=(_remove(around.store_ignored),))  # fmt: skip
    if around.store_room is not None and around.store_room < _ROOM:
        said = f"there are {around.store_room >> 10} KiB left where awsenv keeps credentials ({_short(around.store, facts)})"
        yield Finding("store-full", "warning", said, means="new ones are not kept, and no login can be renewed")


def leftovers(facts: Examined) -> Iterator[Finding]:
    """What programs that were killed left behind, and what has ended."""
    around = facts.surroundings
    if around is None:
        return
    if around.leftovers:
        said = f"{_files(around.leftovers)} of programs that were killed {_is(around.leftovers)} left"
        means = "nothing reads them; there may be credentials in them"
        yield Finding("leftovers", "note", said, means=means, write=(_remove(around.leftovers),))
    if around.stale_cache:
        said = f"{_files(around.stale_cache)} of ended sessions {_is(around.stale_cache)} in the AWS CLI's cache"
        yield Finding("stale-cache", "note", said, means="they are worth nothing, and the AWS CLI never removes them",
                      write=(_remove(around.stale_cache),))  # fmt: skip
    if around.broken:
        said = f"{_files(around.broken)} in AWS's caches can't be read: half written, or damaged"
        means = "AWS CLI and boto3 fail on one that they need, or take its login for ended"
        yield Finding("broken-cache", "warning", said, means=means, write=(_remove(around.broken),))


def logins(facts: Examined) -> Iterator[Finding]:
    """Logins that have ended and can't be renewed without a person."""
    around = facts.surroundings
    if around is None:
        return
    for login in around.logins:
        if login.lasts or login.ended is None or login.ended > facts.now:
            continue
        when = f"{ago(facts.now - login.ended)} ago"
        if login.name is None:
            said = f"a login that no profile uses ended {when}"
            yield Finding("login-ended", "note", said, write=(_remove((login.path,)),))
            continue
        section = facts.config.section("sso-session", login.name)
        yield Finding("login-ended", "note", f"the login of {login.name} ended {when}",
                      section.where if section is not None else None, "its profiles have no credentials until the next one",
                      (f"awsenv login {word(login.name)}",))  # fmt: skip


def known_clock(facts: Examined) -> Iterator[Finding]:
    """As the last answer of AWS's told, to whoever asked."""
    if facts.surroundings is not None:
        yield from clock(facts.surroundings.skew)


def clock(skew: Skew | None) -> Iterator[Finding]:
    """Our clock against AWS's."""
    if skew is not None and skew.is_worth_a_word:
        means = "AWS refuses what is signed 15 minutes off; tools misjudge when credentials end"
        yield Finding("clock", "error" if abs(skew.seconds) >= 900 else "warning", skew.line(), means=means,
                      write=("sudo timedatectl set-ntp true",))  # fmt: skip


def _files(paths: Sequence[str]) -> str:
    return f"{len(paths)} file{'' if len(paths) == 1 else 's'}"


def _is(paths: Sequence[str]) -> str:
    return "is" if len(paths) == 1 else "are"


def _remove(paths: Sequence[str]) -> str:
    more = "" if len(paths) <= _SHOWN else f"   (and {len(paths) - _SHOWN} more)"
    return f"rm {' '.join(word(path) for path in paths[:_SHOWN])}{more}"


def _short(path: str, facts: Examined) -> str:
    return f"~{path[len(facts.home) :]}" if facts.home and path.startswith(f"{facts.home}/") else path


CHECKS = (store, leftovers, logins, known_clock)
