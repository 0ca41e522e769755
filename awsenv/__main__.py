"""The front door: hot.py first, all else to cli. The only writer of stdout and of exit codes.

The shim runs this file by its path with `python -I -S`: isolated, so that nothing in the working directory or in
PYTHON* runs, and without `site`, which a warm answer doesn't need.
"""

import _signal  # type: ignore[import-not-found]  # `signal` itself imports enum, half a bare interpreter

# Before the first import: with -S, `os` alone takes 2 ms.
if not __package__ and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # until main() can answer for it: no traceback while we load

import os
import sys

if not __package__:
    # At the end: where this is a site-packages, a module of the same name there must not come before Python's own.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from awsenv import hot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


def console() -> None:
    """The console script's entry."""
    leave(main(sys.argv[1:]))


def main(argv: "list[str]") -> int:
    """Run *argv*; the exit status."""
    try:
        if _signal.getsignal(_signal.SIGINT) == _signal.SIG_DFL:
            _signal.signal(_signal.SIGINT, _interrupted)
        _open_standard_streams()
        answer = hot.answer(argv, os.environ)
        if answer is None:
            return _cold(argv)
        if answer.instead is not None:
            return _cold(answer.instead)
        return emit(_for_reader(answer.stdout), answer.said, answer.code)
    except KeyboardInterrupt:
        write(2, b"awsenv: stopped; nothing changed\n")
        return 130


def _interrupted(signal: int, frame: "FrameType | None") -> None:
    """Ctrl-C. In the middle of an import Python prints, turns into another error or swallows it: there, just end."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen "):
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt


def _open_standard_streams() -> None:
    """A caller may have closed one (`>&-`): the next file that we open would take its place, and get what we print."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open("/dev/null", os.O_RDWR)  # takes the lowest free number, which is this one


def emit(stdout: bytes, line: str, code: int) -> int:
    """Say, then answer: the statements go out last and in one piece, so that a shim never evals half of them."""
    if line:
        write(2, said((line,)))
    return _ended(code, write(1, stdout))


def _for_reader(data: bytes) -> bytes:
    """An answer as it is for a program, and in ASCII for a person whose terminal knows no more."""
    if data.isascii() or not os.isatty(1):
        return data
    from awsenv.text import for_terminal

    return for_terminal(data.decode("utf-8", "surrogateescape"), os.environ).encode("utf-8", "surrogateescape")


def write(descriptor: int, data: bytes) -> "OSError | None":
    """All of *data*; what hindered it, None for nothing."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except OSError as error:
            return error
    return None


def _ended(code: int, error: "OSError | None") -> int:
    """The exit status after an answer that may not have arrived: a reader that has left is no news, a full disk is."""
    if error is None:
        return code
    if isinstance(error, BrokenPipeError):
        return code or 141
    write(2, f"awsenv: can't write the answer: {error.strerror}\n".encode())
    return code or 7


def leave(code: int) -> None:
    """Exit without the interpreter's finalisation, which costs a tenth of a warm run."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        pass
    os._exit(code)


def _cold(argv: "list[str]") -> int:
    to_terminal = os.isatty(1)
    channel = 1
    if _is_evaluated(argv):
        # Whatever any library prints from here on lands on stderr, and can never be evaluated by a shell.
        channel = os.dup(1)
        os.dup2(2, 1)
    if sys.flags.no_site:
        _add_site_packages()
    from awsenv.cold import run  # all that a warm answer does without

    outcome = run(argv, to_terminal, lambda notes: write(2, said(notes)))
    if sys.stdout is not None:  # None when the caller closed it
        sys.stdout.flush()
    write(2, said(outcome.notes))
    answer = outcome.stdout.encode("utf-8", "surrogateescape")
    error = write(channel, answer if channel != 1 else _for_reader(answer))
    if outcome.append is not None and error is None:
        from awsenv.cold import append

        outcome = append(*outcome.append)
        write(2, said(outcome.notes))
    return _ended(outcome.exit_code, error)


def said(notes: "tuple[str, ...]") -> bytes:
    """Lines for a person's terminal: nothing that isn't printable reaches it, wherever it came from."""
    from awsenv.text import for_terminal, show

    shown = "".join(f"{show(note, 500)}\n" for note in notes)
    return for_terminal(shown, os.environ).encode("utf-8", "surrogateescape")


def _is_evaluated(argv: "list[str]") -> bool:
    before = argv[: argv.index("--")] if "--" in argv else argv
    verb = argv[0] if argv else ""
    return (verb in hot.CAPTURED or verb in ("export", "init")) and "--help" not in before and "-h" not in before


def _add_site_packages() -> None:
    """What `-S` left out: the interpreter's own site-packages, and the user's where awsenv itself is installed there."""
    import site

    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    site.main()
    user = site.getusersitepackages()
    if ours == user and user not in sys.path[1:]:
        site.addsitedir(user)


if __name__ == "__main__":
    console()
