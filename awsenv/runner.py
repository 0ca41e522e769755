"""Runner, the port that asks a program of the user's config for an answer: no shell, a time limit, nothing left over.

Such a program may have to ask a person something, on its terminal. In a process group of its own it would be stopped for
that (SIGTTIN), and a foreground that was handed to it would be lost to the shell if we were killed. So where we are in the
foreground of a terminal the program stays in our group, which Ctrl-C and Ctrl-Z reach as one; what it started is then found
by parentage when it has to end. Anywhere else nobody can be asked: it gets a session, and so a group, of its own.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import selectors
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from time import monotonic, sleep
from types import FrameType

from awsenv import turn, variables
from awsenv.errors import Config, Interrupted, Unreachable
from awsenv.hot import ambient_region
from awsenv.model import Where
from awsenv.text import left, show

INSIDE = "AWSENV_INSIDE"  # the programs, of awsenv's, that we run inside of: [[place, profile], …]
DEEPEST = 4  # as the AWS CLI's own guard has it
LONGEST_ANSWER = 1 << 20  # bytes of stdout
LONGEST_SAYING = 64 << 10  # bytes of stderr
_ROUND = 0.05  # seconds between two looks at the program
_QUIET = 0.1  # seconds after which half a line is shown: it may be a question
_GRACE = 1.0  # seconds between TERM and KILL
_STOPPED = 5.0  # seconds; a round that took longer was one in which Ctrl-Z had stopped us


class Programs:
    """The Runner port. *terminal* lends the descriptor of one where we are in its foreground, else None."""

    def __init__(
        self,
        env: Mapping[str, str],
        seconds: Callable[[], float],
        terminal: Callable[[], AbstractContextManager[int | None]],
    ) -> None:
        self._env = env
        self._seconds = seconds
        self._terminal = terminal

    def check(self, profile: str, where: Where) -> None:
        """Raise Config where we run inside that very program already, or inside too many."""
        inside = chain_of(self._env)
        names = " → ".join(show(name) for _, name in (*inside, (str(where), profile)))
        if (str(where), profile) in inside:
            raise Config(f"the program asks awsenv for its own profile: {names}", where, "it must name another one")
        if len(inside) >= DEEPEST:
            raise Config(f"programs that ask awsenv, {DEEPEST} of them inside each other: {names}", where)

    def answer(self, command: Sequence[str], profile: str, where: Where) -> bytes:
        """What the program prints; what it says on stderr is passed on, shown escaped and without what looks like a key.

        Raises Config where it can't be started, fails or prints too much, Unreachable where it takes too long,
        Interrupted on Ctrl-C.
        """
        seconds, called = self._seconds(), show(command[0])
        env = environment(self._env, [*chain_of(self._env), (str(where), profile)])
        turn.wait_for_person(True)
        try:
            with self._terminal() as terminal, _signals_raise():
                program = _started(command, env, terminal, called, where)
                try:
                    printed = _listened(program, seconds)
                except BaseException as error:
                    _end(
                        program, alone=terminal is None, told=terminal is not None and type(error) is KeyboardInterrupt
                    )
                    raise
                finally:
                    for stream in (program.stdout, program.stderr):
                        assert stream is not None, "both are pipes"
                        stream.close()
        except KeyboardInterrupt:
            raise Interrupted(f"stopped, and {called} with it: nothing changed") from None
        except _Terminated as ended:
            os.kill(os.getpid(), ended.number)
            raise Interrupted("stopped: nothing changed") from None
        except _TooLong:
            what = f"{called} has printed nothing for {left(seconds)}" if seconds >= 60 else f"{called} takes too long"
            more = "more time for it, in awsenv's settings:\n[process]\ntimeout = 300"
            raise Unreachable(f"{what}; it was ended", where, more) from None
        except _TooMuch:
            raise Config(f"{called} prints more than {LONGEST_ANSWER >> 20} MiB; it was ended", where) from None
        finally:
            turn.wait_for_person(False)
        if program.returncode:
            raise Config(f'{called}, which "{profile}" needs, {_ended_how(program.returncode)}', where)
        return printed


class _TooLong(Exception):
    pass


class _TooMuch(Exception):
    pass


class _Terminated(BaseException):
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def chain_of(env: Mapping[str, str]) -> list[tuple[str, str]]:
    """(place, profile) of the programs that we run inside of, the outermost first."""
    try:
        return [(str(place), str(profile)) for place, profile in json.loads(env.get(INSIDE) or "[]")]
    except (ValueError, TypeError, RecursionError):
        return []  # not of our making


def environment(env: Mapping[str, str], chain: Sequence[tuple[str, str]]) -> dict[str, str]:
    """*env* for the program, as botocore passes it on, less what awsenv put there.

    With another profile's keys in it a program that calls AWS's tools would answer otherwise in each shell, and its answer
    is kept for all of them.
    """
    kept = {name: value for name, value in env.items() if name not in variables.WIRE}
    if env.get("AWSENV_PROFILE"):
        ours = {*variables.MANAGED, *variables.OWN}
        kept = {name: value for name, value in kept.items() if name not in ours}
        region = ambient_region(env)
        kept |= {"AWS_REGION": region, "AWS_DEFAULT_REGION": region} if region else {}
    return kept | {INSIDE: json.dumps(list(chain))}


def _started(
    command: Sequence[str], env: Mapping[str, str], terminal: int | None, called: str, where: Where
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(command),
            env=dict(env),
            stdin=terminal if terminal is not None else subprocess.DEVNULL,  # ours may be data for somebody else
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=terminal is None,
        )
    except FileNotFoundError:
        raise Config(f"there is no program {called}", where) from None
    except OSError as error:
        raise Config(f"can't run {called}: {error.strerror}", where) from None


def _listened(program: subprocess.Popen[bytes], seconds: float) -> bytes:
    """All of its stdout, once it has ended; a process that it leaves behind with the pipe in hand is not waited for."""
    assert program.stdout is not None and program.stderr is not None, "both are pipes"
    printed, saying = bytearray(), _Saying()
    began = last = monotonic()
    with selectors.DefaultSelector() as pipes:
        for stream in (program.stdout, program.stderr):
            os.set_blocking(stream.fileno(), False)
            pipes.register(stream, selectors.EVENT_READ)
        while True:
            has_ended = program.poll() is not None  # before looking: what it wrote by then is in the pipes
            ready = pipes.select(0 if has_ended else _ROUND)
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                if not data:
                    pipes.unregister(key.fileobj)
                elif key.fileobj is program.stderr:
                    saying.add(data)
                else:
                    printed += data
                    if len(printed) > LONGEST_ANSWER:
                        raise _TooMuch
            if has_ended and not ready:
                saying.end()
                return bytes(printed)
            now = monotonic()
            began += now - last if now - last > _STOPPED else 0.0
            last = now
            if now - began > seconds:
                raise _TooLong
            if not ready:
                saying.pause(now)
            if not pipes.get_map():
                sleep(_ROUND)  # it has closed both, and goes on


class _Saying:
    """What a program says on stderr, on its way to ours: line by line, half a line when nothing follows."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._pending = ""
        self._left = LONGEST_SAYING
        self._since = 0.0
        self._is_open = False  # half a line stands on the terminal

    def add(self, data: bytes) -> None:
        if self._left < 0:
            return
        text = self._pending + self._decode(data[: self._left])
        half = text.endswith("\r")  # of a \r\n, perhaps
        *lines, self._pending = text[: len(text) - half].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._pending += "\r" * half
        for line in lines:
            self._say(line, "\n")
        self._since = monotonic()
        self._left -= len(data)
        if self._left < 0:
            self.end()
            self._say("awsenv: the rest of what it says is left out", "\n")

    def pause(self, now: float) -> None:
        if self._pending and now - self._since > _QUIET:
            self._say(self._pending.rstrip("\r"), "\n" if self._pending.endswith("\r") else "")
            self._pending = ""

    def end(self) -> None:
        if self._pending or self._is_open:
            self._say(self._pending.rstrip("\r"), "\n")
            self._pending = ""

    def _say(self, text: str, end: str) -> None:
        self._is_open = not end
        shown = "\t".join(show(part, LONGEST_SAYING) for part in without_keys(text).split("\t"))
        with suppress(OSError):  # a terminal that is gone is no reason to stop
            os.write(2, f"{shown}{end}".encode("utf-8", "backslashreplace"))


# A secret key has forty characters, small and large letters among them (which a SHA-1 does not). A session token is long,
# and begins with what stands for its version. Links that a person must open are neither.
_NAMED = re.compile(r"""(?i)((?:secret_?access_?key|session_?token|security_?token)["']?\s*[=:]\s*["']?)[^\s"',]+""")
_KEY = re.compile(r"(?<![A-Za-z0-9/+=])(?=[^\s]{0,39}[a-z])(?=[^\s]{0,39}[A-Z])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_TOKEN = re.compile(r"(?<![A-Za-z0-9/+=])(?:IQoJ|FQoG|FwoG|AQoD)[A-Za-z0-9/+=]{60,}")


def without_keys(text: str) -> str:
    """*text* without what looks like a secret key or a session token of AWS's."""
    return _TOKEN.sub("****", _KEY.sub("****", _NAMED.sub(r"\1****", text)))


# Ending it


@contextmanager
def _signals_raise() -> Iterator[None]:
    """TERM and HUP, which would end us and leave the program behind, become an exception meanwhile."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise _Terminated(number)

    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _end(program: subprocess.Popen[bytes], *, alone: bool, told: bool) -> None:
    """End it and all that it started; *alone*: in a group of its own; *told*: Ctrl-C has reached it, too."""
    family = _family({program.pid: ""})
    try:
        if not (told and _has_ended(program, _GRACE)):
            _tell(program, family, signal.SIGTERM, alone)
            _has_ended(program, _GRACE)
    except KeyboardInterrupt:
        pass  # no more patience
    finally:
        for _ in range(20):  # each round stops what the one before has found, so that it starts nothing more
            found = _family(family)
            if found.keys() <= family.keys():
                break
            _tell(program, found, signal.SIGSTOP, alone)
            family |= found
        _tell(program, family, signal.SIGKILL, alone)
        program.wait()


def _has_ended(program: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        program.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _tell(program: subprocess.Popen[bytes], family: Mapping[int, str], number: int, alone: bool) -> None:
    if alone:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(program.pid, number)
    now = _processes()
    for pid, born in family.items():
        if pid == program.pid:
            program.send_signal(number)  # not where it has been waited for: the number may be somebody else's
        elif pid in now and (not born or now[pid][1] == born):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def _family(roots: Mapping[int, str]) -> dict[int, str]:
    """*roots* and all that descends from them: process id → when it began, which tells it from a later one."""
    processes, found = _processes(), dict(roots)
    grown = True
    while grown:
        more = {pid: born for pid, (parent, born) in processes.items() if parent in found and pid not in found}
        found |= more
        grown = bool(more)
    return found


def _processes() -> dict[int, tuple[int, str]]:
    """Every process: its id → (its parent's, when it began)."""
    try:
        pids = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return _processes_by_ps()
    found = {}
    for pid in pids:
        with suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            found[int(pid)] = int(fields[1]), fields[19].decode()
    return found


def _processes_by_ps() -> dict[int, tuple[int, str]]:
    try:
        done = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,lstart="],
            capture_output=True,
            text=True,
            timeout=5,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    rows = [line.split(None, 2) for line in done.stdout.splitlines()]
    return {int(row[0]): (int(row[1]), row[2].strip()) for row in rows if len(row) == 3}


def _ended_how(status: int) -> str:
    if status > 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
