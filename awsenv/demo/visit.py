"""`awsenv demo`: a shell, or one command, in a throw-away home with a fake AWS; all of it is gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

# Half a second, for moto's sake. At the top, so that without the demo extra importing this module fails at once.
from .fake import FakeAws
from .house import House, environment_for, furnish, write

TOUR = """\
The awsenv demo: a fake AWS on this computer, in a throw-away home.
Nothing here reaches the network, your ~/.aws or your history. Try:

  awsenv login test      log in at IAM Identity Center{sign_in}
  awsenv use piyo        a role assumed from that login
  awsenv use piyo-prod   and a role assumed from that one
  awsenv whoami          who am I now?
  awsenv explain piyo    where its credentials come from, step by step
  awsenv console piyo    the same identity in a (fake) web console
  awsenv sso import      the login's other accounts, as profiles
  awsenv use hoge1       an IAM user with an access key
  awsenv use fuga        a role that wants an MFA code: {mfa_code}
  awsenv off             back to how it was

Ctrl-D leaves the demo and removes it.
"""

BY_BROWSER = ": a page opens, and you decide"
BY_ITSELF = ", approved by itself"
BROWSERS = (
    "xdg-open",
    "firefox",
    "google-chrome",
    "chromium",
    "chromium-browser",
    "microsoft-edge",
    "sensible-browser",
)

BASH = """\
command cat -- "$HOME/.tour"
{init}
PS1='${{__awsenv_segment}}demo\\$ '
"""

ZSH = """\
command cat -- "$HOME/.tour"
autoload -Uz compinit && compinit -i -D
{init}
PROMPT="$__awsenv_prompt"'demo%# '
"""

FISH = """\
set -g fish_greeting
{init}
function fish_prompt
    functions -q __awsenv_segment_text; and __awsenv_segment_text
    printf 'demo> '
end
command cat -- "$HOME/.tour"
"""


HANG_UPS = (signal.SIGHUP, signal.SIGTERM)


def visit(
    command: tuple[str, ...] | None,
    *,
    base_env: Mapping[str, str],
    shell_name: str,
    init_for: Callable[[str, Mapping[str, str]], str],
) -> int:
    """Runs `command`, or without one the interactive shell `shell_name` (bash, zsh or fish) with awsenv loaded.

    `init_for(shell, environment)` is what `awsenv init SHELL` prints there. Returns the child's exit status as a shell
    would: 127 when it can't be found, 128 + n when signal n ended it. Call it from the main thread: it takes over
    signal handlers.
    """
    with _unwinding_on_hangup(), _throw_away_home() as home, FakeAws() as fake:
        fake.ask_in_browser = has_browser(base_env)
        if not fake.ask_in_browser:
            fake.approve_after_polls = 2  # nobody could open the page of a device sign-in
        house = furnish(home, fake, logged_in=False)
        environment = _environment(house, base_env)
        if command:
            return _run(command, environment, Path.cwd())
        tour = TOUR.format(mfa_code=house.mfa_code, sign_in=BY_BROWSER if fake.ask_in_browser else BY_ITSELF)
        write(home / ".tour", tour)
        return _run(_shell(shell_name, house, environment, init_for), environment, house.home)


def has_browser(environment: Mapping[str, str], system: str = sys.platform) -> bool:
    """A person can be expected to see, and to decide on, a page that this computer opens."""
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return False
    if system == "darwin":
        return True
    has_display = bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
    return has_display and any(shutil.which(name, path=environment.get("PATH")) for name in BROWSERS)


@contextmanager
def _throw_away_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="awsenv-demo-"))  # 0700
    try:
        yield home
    finally:
        with _handling(dict.fromkeys((signal.SIGINT, *HANG_UPS), _do_nothing)):
            _remove(home)


def _remove(home: Path) -> None:
    for _ in range(20):  # what the visitor left running may write while we remove
        shutil.rmtree(home, ignore_errors=True)
        if not home.exists():
            return
        time.sleep(0.1)
    sys.stderr.write(f"awsenv: something still writes into {home}; please remove it\n")


def _environment(house: House, base_env: Mapping[str, str]) -> dict[str, str]:
    environment = environment_for(house, base_env)
    # This very awsenv, whatever else is installed.
    environment["PATH"] = os.pathsep.join(filter(None, (str(Path(sys.executable).parent), environment.get("PATH"))))
    if user_base := site.getuserbase():
        # `pip install --user` finds its packages by HOME, and HOME is about to be another one.
        environment.setdefault("PYTHONUSERBASE", user_base)
    return environment


def _shell(
    name: str, house: House, environment: dict[str, str], init_for: Callable[[str, Mapping[str, str]], str]
) -> tuple[str, ...]:
    """Writes the start-up file of the shell; returns the command that starts it, and adds to the environment."""
    home = house.home
    if name == "bash":
        write(home / ".bashrc", BASH.format(init=init_for(name, environment)))
        return ("bash", "--rcfile", str(home / ".bashrc"), "-i")
    if name == "zsh":
        write(home / ".zshrc", ZSH.format(init=init_for(name, environment)))
        environment["ZDOTDIR"] = str(home)
        return ("zsh", "-i")
    if name == "fish":
        # Where fish finds a folder of completions, it doesn't start to make them from all man pages in the background.
        for folder in (".config/fish", ".local/share/fish/generated_completions", ".cache/fish/generated_completions"):
            (home / folder).mkdir(parents=True, mode=0o700)
        write(home / ".config/fish/config.fish", FISH.format(init=init_for(name, environment)))
        return ("fish", "-i")
    raise ValueError(f"no shell that the demo knows: {name}")


def _run(command: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> int:
    program = shutil.which(command[0], path=environment.get("PATH"))
    if program is None:
        sys.stderr.write(f"awsenv: {command[0]}: command not found\n")
        return 127
    early: list[int] = []  # a hang-up while Popen is at work has to wait: the child must be known, to be taken along

    def note(number: int, frame: FrameType | None) -> None:
        early.append(number)

    # Ctrl-C and Ctrl-\ are the child's business. Not SIG_IGN: what is ignored here would stay ignored in the child.
    quiet = dict.fromkeys((signal.SIGINT, signal.SIGQUIT), _do_nothing)
    with _handling(quiet | dict.fromkeys(HANG_UPS, note)):
        child = subprocess.Popen((program, *command[1:]), env=environment, cwd=folder)
        try:
            with _handling(dict.fromkeys(HANG_UPS, _unwind)):
                if early:
                    raise _HungUp(early[0])
                status = child.wait()
        except _HungUp as hang_up:
            _end(child, hang_up.signal_number)
            status = -hang_up.signal_number
    return status if status >= 0 else 128 - status


def _end(child: subprocess.Popen[bytes], signal_number: int) -> None:
    """Passes the signal on; a shell that ignores it (interactive ones ignore SIGTERM) is hung up, then killed."""
    for number in (signal_number, signal.SIGHUP, signal.SIGKILL):
        child.send_signal(number)
        child.send_signal(signal.SIGCONT)
        try:
            child.wait(1.0)
        except subprocess.TimeoutExpired:
            continue
        return


class _HungUp(BaseException):
    """The terminal was closed, or somebody asked us to end. Not an Exception: nobody on the way may swallow it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


def _unwind(number: int, frame: FrameType | None) -> None:
    for again in HANG_UPS:
        signal.signal(again, _do_nothing)  # a second one must not interrupt the clean-up
    raise _HungUp(number)


@contextmanager
def _unwinding_on_hangup() -> Iterator[None]:
    """SIGHUP and SIGTERM unwind the stack, so that home and servers go."""
    with _handling(dict.fromkeys(HANG_UPS, _unwind)):
        try:
            yield
        except _HungUp as hang_up:
            raise SystemExit(128 + hang_up.signal_number) from None


@contextmanager
def _handling(handlers: Mapping[signal.Signals, Callable[[int, FrameType | None], None]]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
