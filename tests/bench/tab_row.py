"""The row of the TAB key: a line typed on a pty until its command runs, less the same line without TAB; its forks counted."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pexpect

from awsenv import assets
from tests.bench.measure import run
from tests.bench.rows import Line, Stage
from tests.bench.scene import ROLE, Scene
from tests.bench.shell_rows import counted, here, watched

PROFILES = (10, 500, 5000)
BAR = {"bash": 12, "zsh": 90, "fish": 60}  # ms, at the last of these
FORKS = {"bash": 1, "zsh": 0, "fish": 0}
ROUNDS = 12
SETTLED = 0.04  # s until a line that was typed is drawn; fish goes on highlighting it

TYPED = f"awsenv use {ROLE[:4]}"  # one name alone begins so, at every size
WHOLE = f"awsenv use {ROLE} "
RAN = f"<use {ROLE}>"  # never on the screen before the command runs

_START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
# The completion as the shim has it loaded, and an `awsenv` that starts nothing.
_READY = {
    "bash": """
        bind 'set bell-style none'; bind 'set enable-bracketed-paste off'
        awsenv() {{ printf '<%s>' "$*"; }}
        . {folder}/awsenv.bash
        PS1='ready> '
    """,
    "zsh": """
        fpath=({folder} $fpath); autoload -Uz compinit; compinit -D -u
        unsetopt beep
        awsenv() {{ print -n "<$*>" }}
        PS1='ready> '
    """,
    "fish": """
        set fish_greeting; set -p fish_complete_path {folder}
        function awsenv; printf '<%s>' "$argv"; end
        function fish_prompt; echo -n 'ready> '; end
    """,
}


class Keyboard:
    """Types into an interactive shell on a pty, which stands in the home of *scene*; *under* is what watches it."""

    def __init__(self, shell: str, scene: Scene, under: Sequence[str] = ()) -> None:
        rc = scene.home / f"tab.{shell}"
        folder = str(Path(assets.folder("completions"))).replace(" ", "\\ ")
        rc.write_text(_READY[shell].format(folder=folder))
        command = [*under, *_START[shell]]
        env = {**scene.env, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        self.shell = shell
        self.child = pexpect.spawn(
            command[0], command[1:], env=env, cwd=str(scene.home), encoding="utf-8", timeout=30, dimensions=(40, 200)
        )
        self.child.delaybeforesend = None
        self.child.sendline(f" . ./{rc.name}")
        self._wait("ready> ")

    def seconds(self, line: str, keys: str) -> float:
        """From *keys*, behind a *line* that is already on the screen, until the command runs with the whole name."""
        self.child.send(line)
        self.child.expect(pexpect.TIMEOUT, timeout=SETTLED)
        began = time.perf_counter()
        self.child.send(keys)
        self._wait(RAN)
        took = time.perf_counter() - began
        self._wait("ready> ")
        return took

    def leave(self) -> None:
        """The shell ends, and with it what watches it."""
        self.child.sendline("exit")
        self.child.expect(pexpect.EOF)
        self.child.close()

    def _wait(self, text: str) -> None:
        try:
            self.child.expect_exact(text)
        except (pexpect.TIMEOUT, pexpect.EOF) as error:
            raise RuntimeError(f"{self.shell} never showed {text!r} but {self.child.before!r}") from error


def tab(stage: Stage) -> Iterator[Line]:
    """What a person waits for who completes the name of a profile."""
    for profiles in PROFILES:
        for shell in here():
            low, median, high = _net(shell, stage.scene(profiles))
            bar = BAR[shell] if profiles == PROFILES[-1] else math.inf
            what = f"TAB, {shell}, {profiles:,} profiles"
            yield Line(what, median, bar, "ms", "net of the line without it", more=f"{low:.1f} to {high:.1f}")
        yield _aws_completer(stage.scene(profiles), profiles)
    for shell in here():
        forks, programs = _started(shell, stage.scene(PROFILES[-1]), 5)
        # Only of bash's is the bar one of the table's; that of the others is what their files say of themselves.
        yield Line(f"TAB, {shell}: forks", forks, FORKS[shell], "", "strace", shell == "bash", f"execs: {programs}")


def _net(shell: str, scene: Scene) -> tuple[float, float, float]:
    """ms that TAB adds to Enter: quartiles over pairs in turns, after one that loads what the shell loads late."""
    keyboard = Keyboard(shell, scene)
    keyboard.seconds(TYPED, "\t\r"), keyboard.seconds(WHOLE, "\r")
    pairs = [(keyboard.seconds(WHOLE, "\r"), keyboard.seconds(TYPED, "\t\r")) for _ in range(ROUNDS)]
    keyboard.leave()
    low, median, high = statistics.quantiles(((pressed - plain) * 1000 for plain, pressed in pairs), n=4)
    return low, median, high


def _aws_completer(scene: Scene, profiles: int) -> Line:
    """Awscli's own program for the same name: bash starts it at every TAB, so that its whole life is waited for."""
    what = f"  beside: aws_completer, {profiles:,} profiles"
    program = Path(sys.executable).parent / "aws_completer"
    if not program.exists():
        return Line(what, math.nan, math.inf, "ms", "awscli from PyPI")
    line = f"aws --profile {ROLE[:4]}"
    env = {**scene.env, "COMP_LINE": line, "COMP_POINT": str(len(line))}
    walls = [run([str(program)], env).wall * 1000 for _ in range(5)]
    said = subprocess.run([str(program)], env=env, capture_output=True, text=True, check=True).stdout.split()
    offers = "offers it" if ROLE in said else "offers no profile"
    return Line(what, statistics.median(walls), math.inf, "ms", f"awscli, `{line}`", more=offers)


def _started(shell: str, scene: Scene, tabs: int) -> tuple[int, int]:
    """Forks and execs of one TAB, rounded up; LookupError where strace cannot say."""
    seen = []
    for times in (1, tabs + 1):  # the first may load what the shell itself loads late
        with tempfile.NamedTemporaryFile() as log:
            try:
                keyboard = Keyboard(shell, scene, watched(log.name))
            except RuntimeError as error:  # where nothing may be traced there is no prompt
                raise LookupError(f"strace cannot watch here: {error}") from error
            for _ in range(times):
                keyboard.seconds(TYPED, "\t\r")
            keyboard.leave()
            seen.append(counted(log.name))
    forks, execs = (math.ceil((seen[1][kind] - seen[0][kind]) / tabs) for kind in ("fork", "exec"))
    return forks, execs


ROWS = {9: tab}
