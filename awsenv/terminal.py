"""The person at the terminal, on /dev/tty: stdin may be a pipe and stdout belongs to the shell."""

from __future__ import annotations

import os
import termios
from collections.abc import Mapping

from awsenv import turn
from awsenv.errors import Interrupted, LoginNeeded, Usage
from awsenv.text import show

_TRIES = 3


class Terminal:
    """The Asker port."""

    def is_present(self) -> bool:
        """Whether /dev/tty opens: it doesn't without a controlling terminal."""
        try:
            os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        except OSError:
            return False
        return True

    def mfa_code(self, serial: str, profile: str) -> str:
        """Six digits, asked for until they are six; raises LoginNeeded without a terminal, Interrupted on Ctrl-C or Ctrl-D."""
        try:
            descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            raise LoginNeeded(f'"{profile}" needs an MFA code, and there is no terminal to ask for it on') from None
        turn.wait_for_person(True)
        try:
            return _ask(descriptor, f"MFA code for {show(profile)} ({show(serial)}): ")
        except KeyboardInterrupt:
            raise Interrupted("no MFA code: nothing changed") from None
        finally:
            turn.wait_for_person(False)
            os.close(descriptor)

    def confirm(self, question: str) -> bool:
        """Whether the answer is y or yes: anything else, or the end of the input, is no. *question* may have several lines.

        Raises Usage without a terminal, Interrupted on Ctrl-C.
        """
        try:
            descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            raise Usage("there is no terminal to ask on") from None
        try:
            os.write(descriptor, f"{question} [y/N] ".encode("utf-8", "replace"))
            answer = b""
            while not answer.endswith(b"\n"):
                more = os.read(descriptor, 256)
                if not more:
                    os.write(descriptor, b"\n")
                    break
                answer += more
        except KeyboardInterrupt:
            os.write(descriptor, b"\n")
            raise Interrupted("stopped: nothing changed") from None
        except OSError as error:
            raise Usage(f"the terminal can't be asked: {error.strerror}") from None
        finally:
            os.close(descriptor)
        return answer.strip().lower() in (b"y", b"yes")

    def zsh_folder(self, env: Mapping[str, str]) -> str | None:
        """The folder that zsh, started in *env*, takes its .zshrc from; None where there is no zsh, or none that says.

        ~/.zshenv may set ZDOTDIR without exporting it, so only zsh knows. What that file prints stands outside our NULs.
        """
        import subprocess  # `setup` alone pays

        ask = ["zsh", "-c", "print -rn -- $'\\0'\"${ZDOTDIR-$HOME}\"$'\\0'"]
        try:
            done = subprocess.run(
                ask, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=5
            )
        except (OSError, subprocess.SubprocessError):
            return None
        _, *said = os.fsdecode(done.stdout).rsplit("\0", 2)
        return said[0] if len(said) == 2 and said[0].startswith("/") else None


def _ask(descriptor: int, prompt: str) -> str:
    for _ in range(_TRIES):
        code = _read_hidden(descriptor, prompt).replace(" ", "")
        if code.isascii() and code.isdigit() and len(code) == 6:
            return code
        os.write(descriptor, b"an MFA code is six digits\n")
    raise LoginNeeded("no MFA code: nothing changed")


def _read_hidden(descriptor: int, prompt: str) -> str:
    """One line with echo off; the terminal is put back whatever happens, also what was typed ahead is kept."""
    before = termios.tcgetattr(descriptor)
    quiet = list(before)
    quiet[3] = int(quiet[3]) & ~(termios.ECHO | termios.ECHOE | termios.ECHOK) | termios.ICANON | termios.ISIG
    line = b""
    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, quiet)
        os.write(descriptor, prompt.encode("utf-8", "replace"))
        while not line.endswith(b"\n"):
            more = os.read(descriptor, 256)
            if not more:
                raise Interrupted("no MFA code: nothing changed")
            line += more
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        os.write(descriptor, b"\n")
    return line.decode("ascii", "replace").strip()
