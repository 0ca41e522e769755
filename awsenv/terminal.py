"""The person at the terminal, on /dev/tty: stdin may be a pipe and stdout belongs to the shell."""

from __future__ import annotations

import os
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from awsenv import turn
from awsenv.errors import Interrupted, LoginNeeded, Usage
from awsenv.text import for_terminal, has_utf8, show

_TRIES = 3
_LONGEST_LINE = 256  # bytes; a code is six


_LINKS = (
    "VTE_VERSION",
    "KITTY_WINDOW_ID",
    "WT_SESSION",
    "KONSOLE_VERSION",
    "DOMTERM",
)  # set by terminals that know OSC 8
_LINK_PROGRAMS = ("iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "Tabby", "rio")
_LINK_TERMS = ("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm")


class Terminal:
    """The Asker port; *env* says what the terminal can. With *codes_on_stdin* an MFA code is a line of stdin.

    *unattended*: there is nobody to ask, whatever terminal there is.
    """

    def __init__(
        self,
        env: Mapping[str, str] = MappingProxyType({}),
        codes_on_stdin: bool = False,
        unattended: bool = False,
    ) -> None:
        self._env = env
        self._codes_on_stdin = codes_on_stdin
        self._unattended = unattended

    def is_present(self) -> bool:
        """Whether /dev/tty opens: it doesn't without a controlling terminal."""
        if self._unattended:
            return False
        try:
            os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        except OSError:
            return False
        return True

    def is_hook(self) -> bool:
        """Whether it was started by a prompt's hook (AWSENV_HOOK)."""
        return bool(self._env.get("AWSENV_HOOK"))

    def terminal(self) -> str:
        """The session that the terminal leads (setsid), as one of 64: all processes on one terminal share it.

        Another terminal that shares it too does no more than wait its turn, and there are never more than 64 locks.
        """
        return str(os.getsid(0) % 64)

    def is_in_charge(self) -> bool:
        """Whether there is a terminal, and we are in its foreground: a background job must not ask."""
        if self._unattended:
            return False
        try:
            descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        except OSError:
            return False
        try:
            return os.tcgetpgrp(descriptor) == os.getpgrp()
        except OSError:
            return False
        finally:
            os.close(descriptor)

    @contextmanager
    def lent(self) -> Iterator[int | None]:
        """The terminal, for a program that may ask on it, where we are in its foreground; it is put back afterwards.

        A program that is ended while it reads a password leaves the echo off.
        """
        if not self.is_in_charge():
            yield None
            return
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            before = termios.tcgetattr(descriptor)
            try:
                yield descriptor
            finally:
                if termios.tcgetattr(descriptor) != before:
                    termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        finally:
            os.close(descriptor)

    def has_codes(self) -> bool:
        """Whether MFA codes come on stdin."""
        return self._codes_on_stdin

    def mfa_code(self, serial: str, profile: str) -> str:
        """Six digits, asked for until they are six; raises LoginNeeded without a terminal, Interrupted on Ctrl-C or Ctrl-D."""
        if self._codes_on_stdin:
            return _code_on_stdin(profile)
        if self._unattended:
            raise LoginNeeded(f'"{profile}" needs an MFA code, and nobody can be asked for it here')
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

    def confirm(self, question: str, default: bool = False) -> bool:
        """Whether the answer is y or yes; with *default* an empty line is a yes, too. Anything else, or the end of the
        input, is no. *question* may have several lines.

        Raises Usage without a terminal, Interrupted on Ctrl-C.
        """
        answer = _typed(f"{question} {'[Y/n]' if default else '[y/N]'} ")
        if answer is None:
            return False
        return answer.strip().lower() in (b"y", b"yes") or (default and answer == b"\n")

    def line(self, question: str) -> str:
        """What the person types behind *question*, without the blanks around it.

        Raises Usage without a terminal, Interrupted on Ctrl-C or Ctrl-D.
        """
        answer = _typed(f"{show(question, 500)} ")
        if answer is None:
            raise Interrupted("stopped: nothing changed")
        return answer.decode("utf-8", "surrogateescape").strip()

    def pick(self, rows: Sequence[tuple[str, ...]], prompt: str, several: bool) -> list[int]:
        """The numbers of the rows that the person takes from a list that is searched by typing.

        Raises Usage where there is no terminal, or none that can show a list, Interrupted on Esc or Ctrl-C.
        """
        if self._env.get("TERM") in (None, "", "dumb"):
            raise Usage(f"this terminal can't show a list to choose from ({show(prompt)})")
        try:
            descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            raise Usage("there is no terminal to ask on") from None
        from awsenv.picker import pick

        try:
            taken = pick(descriptor, rows, prompt, several, self._env)
        except KeyboardInterrupt:
            taken = None
        finally:
            os.close(descriptor)
        if taken is None:
            raise Interrupted("stopped: nothing changed")
        return taken

    def say(self, text: str, link: str | None = None) -> None:
        """*text*, line by line through `show`, on stderr now. *link*, a plain URL in it, can be clicked where that works."""
        lines = "".join(f"{show(line, 4000)}\n" for line in text.split("\n"))
        if link is not None and self._has_links():
            # OSC 8; the id keeps one link together where the terminal wraps it.
            lines = lines.replace(link, f"\033]8;id=awsenv;{link}\033\\{link}\033]8;;\033\\")
        _to_stderr(for_terminal(lines, self._env))

    def show_qr(self, url: str) -> None:
        """*url* for a phone's camera, where stderr is a terminal that has the room and the characters."""
        if not os.isatty(2) or self._env.get("TERM") in (None, "dumb") or not self._has_utf8():
            return
        import io

        import segno  # half the work of a login by code, and only of that

        drawn = io.StringIO()
        segno.make_qr(url, error="l").terminal(drawn, compact=True, border=2)
        rows = drawn.getvalue().rstrip("\n").split("\n")
        size = os.get_terminal_size(2)
        if size.columns >= len(rows[0]) + 2 and size.lines >= len(rows) + 8:
            # Dark on light whatever the terminal's own colours: not every camera reads the reverse.
            _to_stderr("".join(f"  \033[97;40m{row}\033[0m\n" for row in rows))

    def _has_utf8(self) -> bool:
        return has_utf8(self._env)

    def _has_links(self) -> bool:
        env = self._env
        if not os.isatty(2) or env.get("TMUX") or env.get("STY") or env.get("TERM") in (None, "dumb"):
            return False
        known = any(env.get(name) for name in _LINKS) or env.get("TERM_PROGRAM") in _LINK_PROGRAMS
        return known or (env.get("TERM") or "").startswith(_LINK_TERMS)

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


def _typed(prompt: str) -> bytes | None:
    """The line typed behind *prompt*; None for the end of the input. Raises Usage, Interrupted."""
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        raise Usage("there is no terminal to ask on") from None
    try:
        os.write(descriptor, prompt.encode("utf-8", "replace"))
        answer = b""
        while not answer.endswith(b"\n"):
            more = os.read(descriptor, 256)
            if not more:
                os.write(descriptor, b"\n")
                return None
            answer += more
    except KeyboardInterrupt:
        os.write(descriptor, b"\n")
        raise Interrupted("stopped: nothing changed") from None
    except OSError as error:
        raise Usage(f"the terminal can't be asked: {error.strerror}") from None
    finally:
        os.close(descriptor)
    return answer


def _to_stderr(text: str) -> None:
    try:
        os.write(2, text.encode("utf-8", "surrogateescape"))
    except OSError:
        pass  # a terminal that is gone is no reason to stop


def _code_on_stdin(profile: str) -> str:
    """One line of it, and not a byte more: the rest may be for the command that `exec` becomes. Raises Usage."""
    line = b""
    turn.wait_for_person(True)  # a person may be typing it
    try:
        while not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
            more = os.read(0, 1)
            if not more:
                break
            line += more
    except OSError:
        pass  # closed, which is no line either
    except KeyboardInterrupt:
        raise Interrupted("no MFA code: nothing changed") from None
    finally:
        turn.wait_for_person(False)
    code = line.decode("ascii", "replace").strip().replace(" ", "")
    if not _is_code(code):
        what = "something else than six digits" if code else "nothing"
        raise Usage(f'--mfa-stdin: "{show(profile)}" needs an MFA code, and {what} came on stdin')
    return code


def _is_code(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) == 6


def _ask(descriptor: int, prompt: str) -> str:
    for _ in range(_TRIES):
        code = _read_hidden(descriptor, prompt).replace(" ", "")
        if _is_code(code):
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
