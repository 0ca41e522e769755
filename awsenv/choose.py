"""`use` without a name: the person chooses the profile from a list on the terminal. Then it is a `use` like any other.

Comes before the cold path, whose imports alone take half of the tenth of a second that a list may take to appear.
"""

import gc
import os

from awsenv import hot, roster, shelf, stash
from awsenv.hot import Answer
from awsenv.render import shells
from awsenv.text import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Rows = Sequence[tuple[str, ...]]

_MISSED_LEAST = (4, 3, 5, 2, 1)  # columns of a roster: way, region, state, role, account
_SHOWN = 30  # rows on a terminal that only prints


def answer(words: "list[str]", env: "Mapping[str, str]", now: float) -> "Answer | None":
    """What `use` with the options *words*, and a name that the person chooses, answers; None where nobody can choose.

    *now* in epoch seconds.
    """
    spelled = hot.split(words, ("--region", "--duration", "--as"))
    if spelled is None or spelled[0] or shells.asking(env) is None:
        return None
    terminal = _terminal()
    if terminal is None:
        return None
    try:
        gc.disable()  # what a list of thousands is made of is looked through again and again, for a third of the time
        program, accounts = _wishes(env)
        rows = roster.rows(env, accounts, now)
        if any(row[4].startswith("Environment") for row in rows) and _may_bring_stash(env):
            return Answer(stash.REQUEST.encode())  # first of all, or the list would come twice
        name = _chosen(terminal, rows, program, env)
    except KeyboardInterrupt:
        name = None
    except OSError as error:
        return Answer(said=f"awsenv: {error.strerror or error}", code=3)
    finally:
        gc.enable()
        os.close(terminal)
    if name is None:
        return Answer(said="awsenv: stopped; nothing changed", code=130)
    if not name:
        paths = " or ".join(shelf.config_paths(env))
        return Answer(said=f"awsenv: no profiles in {paths}; begin with: awsenv sso add", code=3)
    named = ["use", *words, *(() if "--" in words else ("--",)), name]
    served = hot.answer(named, env)
    if served is None:
        served = Answer()
        served.instead = named
    return served


def _terminal() -> "int | None":
    """The terminal, where we are in its foreground: stdout is the shell's, and stdin may be a pipe."""
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.tcgetpgrp(descriptor) == os.getpgrp():
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _may_bring_stash(env: "Mapping[str, str]") -> bool:
    """Whether the shim has what the shell had before awsenv, and hasn't brought it yet."""
    return bool(env.get("AWSENV_STASHED")) and not env.get("AWSENV_STASH_FD")


def _chosen(terminal: int, rows: "Rows", program: str, env: "Mapping[str, str]") -> "str | None":
    """The name of the profile; "" where there is none at all, None where the person leaves."""
    if not rows:
        return ""
    number = _way(program, env)(terminal, _fitting(rows, os.get_terminal_size(terminal).columns or 80), env)
    return rows[number][0] if number is not None else None


def _fitting(rows: "Rows", columns: int) -> "Rows":
    """*rows* without the columns that are missed least, so that the rest is shown whole."""
    shown = list(range(len(rows[0])))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for place in _MISSED_LEAST:
        if sum(widths[n] + 2 for n in shown if widths[n]) + 2 <= columns:
            break
        shown.remove(place)
    shown = [n for n in shown if widths[n]] or [0]
    return rows if len(shown) == len(rows[0]) else [tuple([row[n] for n in shown]) for row in rows]


def _way(program: str, env: "Mapping[str, str]") -> "Callable[[int, Rows, Mapping[str, str]], int | None]":
    """fzf where it is installed and wanted, our own list, or for a terminal without a movable cursor a printed one."""
    if env.get("TERM") in (None, "", "dumb"):
        return _printed
    if program != "own":
        from awsenv import fzf

        if fzf.program(env) is not None:
            return fzf.pick
        if program == "fzf":
            os.write(2, b"awsenv: [picker] program is fzf, and there is no fzf in PATH\n")
    return _own


def _own(terminal: int, rows: "Rows", env: "Mapping[str, str]") -> "int | None":
    from awsenv.picker import pick

    taken = pick(terminal, rows, "profile", False, env)
    return taken[0] if taken else None


def _printed(terminal: int, rows: "Rows", env: "Mapping[str, str]") -> "int | None":
    """Numbered lines, and a question: a number, or text that narrows them down; an empty line leaves."""
    del env
    fitting = list(range(len(rows)))
    while True:
        lines = [
            f"{place:>4}  {show('  '.join(cell for cell in rows[n] if cell))}"
            for place, n in enumerate(fitting[:_SHOWN], 1)
        ]
        more = f" (the first {_SHOWN} of {len(fitting):,})" if len(fitting) > _SHOWN else ""
        typed = _asked(terminal, "".join(f"{line}\n" for line in lines) + f"profile: number, or part of a name{more}: ")
        if not typed:
            return None
        if typed.isascii() and typed.isdigit() and 0 < int(typed) <= len(fitting):
            return fitting[int(typed) - 1]
        exact = [n for n, row in enumerate(rows) if row[0] == typed]
        words = typed.casefold().split()
        found = exact or [n for n, row in enumerate(rows) if all(word in " ".join(row).casefold() for word in words)]
        if len(found) == 1:
            return found[0]
        fitting = found or list(range(len(rows)))
        if not found:
            os.write(terminal, b"nothing fits that\n")


def _asked(terminal: int, question: str) -> str:
    """The line typed behind *question*, "" at the end of the input."""
    os.write(terminal, question.encode("utf-8", "replace"))
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(terminal, 256)
        if not more:
            break
        line += more
    return line.decode("utf-8", "replace").strip()


def _wishes(env: "Mapping[str, str]") -> "tuple[str, Mapping[str, str]]":
    """([picker] program, [accounts]) of the settings. What is wrong there `awsenv settings` says; here it is nothing."""
    folder = shelf.user_folder(env, "config")
    try:
        with open(f"{folder}/config.toml", "rb") as file:
            data = file.read()
    except OSError:
        return "auto", {}
    if b"accounts" not in data and b"picker" not in data:
        return "auto", {}
    import tomllib

    try:
        document = tomllib.loads(data.decode("utf-8", "replace"))
    except tomllib.TOMLDecodeError:
        return "auto", {}
    accounts, picker = document.get("accounts"), document.get("picker")
    named = (
        {number: name for number, name in accounts.items() if isinstance(name, str)}
        if isinstance(accounts, dict)
        else {}
    )
    program = picker.get("program") if isinstance(picker, dict) else None
    return program if program in ("fzf", "own") else "auto", named
