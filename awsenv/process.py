"""Programs that are not asked for an answer: the one that `exec` becomes, a browser, a worker of our own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from time import monotonic, sleep
from typing import TYPE_CHECKING

from awsenv.errors import Usage

if TYPE_CHECKING:
    import subprocess

_WATCHED = 2.0  # seconds: an opener without a browser to open says so by then


def become(command: tuple[str, ...], env: Mapping[str, str]) -> None:
    """Replace this process; returns never, raises Usage where there is no such program."""
    try:
        os.execvpe(command[0], list(command), dict(env))
    except FileNotFoundError:
        raise _not_run(f"there is no program {command[0]}", 127) from None
    except OSError as error:
        raise _not_run(f"can't run {command[0]}: {error.strerror}", 126) from None


def _not_run(what: str, code: int) -> Usage:
    """The error, with the exit status that a shell has for it (POSIX, 2.8.2): `exec` stands for the command."""
    error = Usage(what)
    error.exit_code = code
    return error


class SystemBrowser:
    """The Browser port: the person's browser, started with *env*."""

    def __init__(self, env: Mapping[str, str], platform: str = sys.platform) -> None:
        self._env = env
        self._platform = platform

    def why_not(self, command: tuple[str, ...] | None = None) -> str | None:
        """What this machine is, where no browser on it could come back to us (`browser.why_not`)."""
        from awsenv import browser  # like subprocess below, and for the same reason

        return browser.why_not(self._env, self._platform, os.path.exists, command)

    def open(self, url: str, command: tuple[str, ...] | None = None) -> bool:
        """Whether a browser took *url*: the session's own *command* alone, else each that there is in turn."""
        from awsenv import browser

        if not browser.is_plain(url):
            return False
        templates = browser.commands(self._env, self._platform, command)
        return any(start_browser(browser.argv_for(template, url), self._env) for template in templates)


def start_browser(argv: list[str], env: Mapping[str, str]) -> bool:
    """Start *argv* away from this terminal; False where it is missing, or fails within two seconds.

    It is looked for in the PATH of *env*, and inherits that without AWS's keys (`browser.environment`).
    """
    from awsenv import browser

    program = _start(argv, browser.environment(env))
    if program is None:
        return False
    until = monotonic() + _WATCHED
    while program.poll() is None and monotonic() < until:
        sleep(0.02)
    return not program.returncode  # None: it is the browser itself, and stays


def start_detached(argv: list[str], env: Mapping[str, str]) -> bool:
    """Start a worker of ours that outlives us and the terminal; False where it can't be started. Nobody waits for it."""
    return _start(argv, env) is not None


def _start(argv: list[str], env: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
    """In a session of its own, so that neither Ctrl-C nor the end of the terminal reaches it; saying nothing to anybody."""
    import subprocess  # half a bare interpreter; a miss that needs no login does without

    try:
        return subprocess.Popen(
            argv,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError):  # ValueError: a NUL in a word
        return None
