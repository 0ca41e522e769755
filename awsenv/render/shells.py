"""DIALECTS: how bash, zsh and fish spell set, unset and a quoted value. Imported by the hot path: imports nothing."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Assignments = Sequence[tuple[str, str]]

PROTOCOL = 1
SENTINEL = f": awsenv {PROTOCOL} end"


def asking(env: "Mapping[str, str]") -> "str | None":
    """The shell whose shim asked; None where none did, or one that speaks otherwise."""
    shell, _, protocol = env.get("AWSENV_SHIM", "").partition(":")
    return shell if shell in DIALECTS and protocol == str(PROTOCOL) else None


def is_exportable(value: str) -> bool:
    """True when *value* may reach a shell: no control characters (C0, DEL, C1), no lone surrogate beyond raw bytes."""
    return not any(c < " " or "\x7f" <= c <= "\x9f" for c in value)


def quote_posix(value: str) -> str:
    """*value* in single quotes for bash and zsh. shlex.quote leaves `=ls` bare, which zsh expands to a path."""
    return "'" + value.replace("'", "'\\''") + "'"


def quote_fish(value: str) -> str:
    """*value* in single quotes for fish, where a backslash escapes inside them too."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _posix_statements(unset: "Sequence[str]", assign: "Assignments") -> list[str]:
    lines = []
    if unset:
        lines.append("\\builtin unset -v " + " ".join(unset))
    if assign:
        lines.append("\\builtin export " + " ".join(f"{name}={quote_posix(value)}" for name, value in assign))
    return lines


def _fish_statements(unset: "Sequence[str]", assign: "Assignments") -> list[str]:
    lines = [f"set -eg {name}" for name in unset]
    lines += [f"set -gx {name} {quote_fish(value)}" for name, value in assign]
    return lines


def _posix_assignment(name: str, value: str) -> str:
    return f"{name}={quote_posix(value)}"


def _fish_assignment(name: str, value: str) -> str:
    return f"set -g {name} {quote_fish(value)}"


class Dialect:
    """One shell: its set and unset statements as lines, an unexported assignment, and the names of its shim's files: *file*
    is what a shell starts with, *verbs* what that reads at the first change."""

    __slots__ = ("assignment", "file", "name", "statements", "verbs")

    def __init__(
        self,
        name: str,
        file: str,
        statements: "Callable[[Sequence[str], Assignments], list[str]]",
        assignment: "Callable[[str, str], str]",
    ) -> None:
        self.name = name
        self.file = file
        self.verbs = file.replace(".", "-verbs.")
        self.statements = statements
        self.assignment = assignment


DIALECTS = {
    "bash": Dialect("bash", "awsenv.bash", _posix_statements, _posix_assignment),
    "zsh": Dialect("zsh", "awsenv.zsh", _posix_statements, _posix_assignment),
    "fish": Dialect("fish", "awsenv.fish", _fish_statements, _fish_assignment),
}


def reply(dialect: str, unset: "Sequence[str]", assign: "Assignments") -> str:
    """The whole text for a shim: unset first, then set, then the sentinel; raises ValueError with the name of a variable
    whose value can't be exported."""
    for name, value in assign:
        if not is_exportable(value):
            raise ValueError(name)
    return "\n".join([*DIALECTS[dialect].statements(unset, assign), SENTINEL]) + "\n"
