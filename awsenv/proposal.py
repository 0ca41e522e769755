"""A change of the AWS config file, as every verb that makes one offers it: shown, asked about, written in one step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from awsenv import config_writer
from awsenv.config_writer import ConfigFile
from awsenv.errors import Usage
from awsenv.ports import Asker
from awsenv.render.diff import coloured, difference
from awsenv.text import show

_MOST_ROWS = 300  # of a difference that a question can be asked about


@dataclass(frozen=True)
class Face:
    """What the person sees it on: colours on stdout, colours on the terminal, a bar on stderr."""

    colour: bool = False
    colour_asked: bool = False
    bar: bool = False

    @classmethod
    def of(cls, env: Mapping[str, str], out: bool, err: bool) -> Face:
        """*out*, *err*: whether stdout and stderr are terminals."""
        is_dumb = env.get("TERM") == "dumb"
        paints = "NO_COLOR" not in env and not is_dumb
        return cls(paints and out, paints, err and not is_dumb)


@dataclass(frozen=True)
class Proposal:
    """*file* is to hold *after*. *home* is the person's, *known* the lines that may be shown whole (`difference`)."""

    file: ConfigFile
    after: str
    home: str
    known: Collection[str] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether the file says all of that already."""
        return self.after == self.file.text

    @property
    def place(self) -> str:
        """The file, as people write it."""
        home = self.home.rstrip("/")
        inside = home and self.file.path.startswith(f"{home}/")
        return show(f"~{self.file.path[len(home) :]}" if inside else self.file.path, 300)

    def write(self) -> None:
        """Do it; raises Storage, also where the file is no longer the one that was shown."""
        if not self.is_nothing:
            config_writer.write(self.file, self.after)

    def printed(self, face: Face, said: Sequence[str]) -> str:
        """For stdout: the difference, then what it comes to. On stderr *said* would stand above a screenful of it."""
        return "".join(f"{line}\n" for line in (*coloured(self._rows(), face.colour), *said))

    def is_agreed(self, asker: Asker, face: Face, about: Sequence[str], rest: str = "") -> bool:
        """Show it, ask, and do it after a yes. *about* ends with the question, *rest* says how all of a long one is seen."""
        rows = self._rows()
        more = [f"… and {len(rows) - _MOST_ROWS:,} lines more{rest}"] if len(rows) > _MOST_ROWS else []
        shown = coloured([*rows[:_MOST_ROWS], *more], face.colour_asked)
        if not asker.confirm("\n".join((self.place, *shown, *about))):
            return False
        self.write()
        return True

    def _rows(self) -> list[str]:
        return difference(self.file.text, self.after, self.known)


def require_possible(file: ConfigFile, asker: Asker, yes: bool, hint: str) -> None:
    """Raise before anything is asked of anybody: Storage for a file that can't be written, Usage where nobody can say yes."""
    config_writer.require_writable(file)
    if not (yes or asker.is_present()):
        raise Usage("there is no terminal to ask on: nothing is changed", hint=hint)
