"""A home without a login, and a browser that a script plays: what the tests of `login` stand on.

home = Home(house, tmp_path)
home.browser()                       # follows every link that it is given, as a person with a live portal session would
assert home("login", "test").returncode == 0 and len(home.opened) == 1
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from awsenv import assets
from awsenv.demo.behaviour import Behaviour
from awsenv.demo.fake import FakeAws
from awsenv.demo.house import SESSION, START_URL, House, token_file

# Detached at once, so that the listener need not wait until the opener has ended. %s: what happens to the URL.
_BROWSER = """#!/bin/sh
printf '%%s\\n' "$1" >>'{home}/opened'
%s
"""
_FOLLOW = """({python} -I -S -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=20).read()' "$1" >/dev/null 2>&1 &)"""


class Home:
    """A copy of the house's home in which nobody is logged in, with settings of its own."""

    def __init__(self, house: House, folder: Path) -> None:
        self.home = folder / "home"
        self.aws = self.home / ".aws"
        shutil.copytree(house.home / ".aws", self.aws)
        shutil.rmtree(self.aws / "sso/cache")
        (self.aws / "sso/cache").mkdir(mode=0o700)
        self.cache = self.aws / "sso/cache"
        self.token = token_file(self.home)
        self.store = folder / "store"
        self._started: list[subprocess.Popen[str]] = []
        self.env = {name: value.replace(str(house.home), str(self.home)) for name, value in house.environment.items()}
        self.env |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "AWSENV_STORE": str(self.store)}
        self.env |= {"LANG": "C.UTF-8", "TERM": "dumb", "USER": "tester"}

    # -- what is in it

    def configure(self, text: str) -> None:
        """Add *text* to the AWS config."""
        path = self.aws / "config"
        path.write_text(path.read_text() + text)

    def settings(self, text: str) -> None:
        """awsenv's own settings are *text* from now on."""
        path = Path(self.env["XDG_CONFIG_HOME"]) / "awsenv/config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def browser(self, does: str = "follow", when_needed: str = "ask", session: str = SESSION) -> None:
        """A browser for the session: it notes the URL, and then does `follow` it, or nothing (`wait`), or fails (`fail`)."""
        script = self.home / "browser"
        what = {"follow": _FOLLOW.format(python=sys.executable), "wait": "", "fail": "exit 3"}[does]
        script.write_text(_BROWSER.format(home=self.home) % what)
        script.chmod(0o755)
        self.settings(f'[login]\nwhen_needed = "{when_needed}"\n[browsers]\n{session} = "{script}"\n')

    def log_in(self, fake: FakeAws, **other: object) -> dict[str, object]:
        """Put a live login in AWS's place for it, as the AWS CLI would; its fields."""
        token = {**fake.issue_token(START_URL, session=SESSION), **other}
        self.token.write_text(json.dumps(token))
        return token

    @property
    def opened(self) -> list[str]:
        """Every URL that the browser was given."""
        path = self.home / "opened"
        return path.read_text().splitlines() if path.exists() else []

    def kept(self) -> list[str]:
        """The names of the role sessions in the store."""
        folder = self.store / "keys"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def tokens(self) -> list[str]:
        """The names of all files in AWS's folder of tokens."""
        return sorted(path.name for path in self.cache.iterdir())

    # -- what a person does, without a terminal

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-I", "-S", assets.MAIN, *words]

    def start(self, *words: str, **env: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(self.argv(*words), env={**self.env, **env}, stdin=subprocess.DEVNULL, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip
        self._started.append(process)
        limit = threading.Timer(60, process.kill)  # whoever reads its stderr would else wait as long as a login does
        limit.daemon = True
        limit.start()
        return process

    def __call__(self, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*words, **env)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def close(self) -> None:
        """End what a failed test left running: a login waits ten minutes for its person."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()


def until(ready: Callable[[], object], seconds: float = 20) -> None:
    """Wait until *ready*; fails after *seconds*."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "that never came"
        time.sleep(0.01)


def reset(fake: FakeAws) -> None:
    """Every knob of the fake as it was at first, and all its calls and faults forgotten."""
    for knob in fields(Behaviour):
        setattr(fake, knob.name, knob.default)
    fake.forget()


@contextmanager
def nobody_logged_in(house: House, fake: FakeAws, folder: Path) -> Iterator[Home]:
    """A Home below *folder* and a fake as it was at first, both tidied up afterwards."""
    reset(fake)
    home = Home(house, folder)
    try:
        yield home
    finally:
        home.close()
        reset(fake)
