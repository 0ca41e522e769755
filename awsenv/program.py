"""A program that a setting names: its words, as AWS's tools split them, and the file that it stands in."""

from __future__ import annotations

from dataclasses import dataclass, field

from awsenv.errors import Config
from awsenv.model import Origin, Setting, Where
from awsenv.ports import Ports
from awsenv.text import show


@dataclass(frozen=True)
class Program:
    """*command* may hold a password as an argument: only its first word is ever shown."""

    command: tuple[str, ...] = field(repr=False)
    origin: Origin
    where: Where

    @property
    def name(self) -> str:
        """What it may be called."""
        return self.command[0]

    def check(self, profile: str, ports: Ports) -> None:
        """Raise Config unless it may be started, and is not what has started us."""
        ports.trust.require(self.origin, starting(self.name), self.where)
        ports.runner.check(profile, self.where)

    def printed(self, profile: str, ports: Ports) -> bytes:
        """What it prints; it is checked again: whatever comes between, no program is run without that."""
        self.check(profile, ports)
        return ports.runner.answer(self.command, profile, self.where)


def starting(program: str) -> str:
    """What a file does that names *program*, as the Trust port calls it."""
    return f"start a program ({show(program)})"


def words(setting: Setting) -> tuple[str, ...]:
    """The command's words as botocore splits them: by quotes and backslashes, and nothing else of a shell."""
    from shlex import split  # few profiles have a program

    try:
        command = tuple(split(setting.value))
    except ValueError:
        raise Config(f"{setting.key} opens a quote, and does not close it", setting.where) from None
    if not command or not command[0]:
        raise Config(f"{setting.key} names no program", setting.where)
    if any("\0" in word for word in command):
        raise Config(f"{setting.key} holds a NUL, which no command can", setting.where)
    return command


def shown(setting: Setting, command: tuple[str, ...]) -> Setting:
    """*setting* as it may be shown: without the arguments."""
    return Setting(setting.key, f"{show(command[0])} …" if len(command) > 1 else show(command[0]), setting.where)
