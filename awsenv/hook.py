"""What a shell's own question is answered, at a prompt or before a command: from the store, or by a worker that is started.

Nobody has typed `refresh --hook`, so nothing here may ask, wait for a prompt's sake, or fail aloud. The answer is either
statements (somebody has renewed what the shell lives on) or `: awsenv 1 wait SECONDS WORD`: when to ask again, and what
stands in the way, for the segment. With `--wait`, a command is about to run on credentials that have expired: then the
worker is waited for.

The worker (renewer.py) has a session of its own and no terminal, so no renewal can ask a person anything, and it
goes on when Ctrl-C ends the waiting. It inherits the lock of its identity: there is never a second one. What came of it,
when it failed, is in `marks/renewal-NAME`, which every shell reads: that is how they share the back-off.
"""

import os
import sys
import time

from awsenv import hot, shelf, variables
from awsenv.render import shells

VERB = "renew-identity"  # the worker's; not for people: it is missing in every help
DEADLINE = 10.0  # seconds that a command is held back
BRIEFLY = 2.0  # seconds where the last try failed: whatever was in the way, a network that was cut, say, may be over
WORD_AFTER = 0.5  # seconds of silence before a person is told what is going on
PAUSES = (60, 120, 300)  # seconds after the first, second, and any further failure in a row
IN_A_ROW = 900.0  # seconds between two failures that belong together
SOON = 0  # seconds: a worker is at it, and the next prompt or command may find its work done
HUNG = 20  # seconds: a worker takes longer than anybody waits
LATER = 300  # seconds: nothing that could be done
LONGEST = 30  # seconds until a shell looks again: somebody else may have been luckier, or a person has logged in
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
WORDS = ("login", "mfa", "refresh", "failed")  # what stands in the way: which the segment shows, except for the last

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Mark:
    """A renewal that failed: one of WORDS, when (epoch seconds), until when nobody tries again, how many in a row, what to
    say and what to type, and the files (path, fingerprint) that it had read: when one changes, it is void."""

    __slots__ = ("at", "count", "files", "hint", "until", "what", "word")

    def __init__(self, word: str, at: float, until: float, count: int, what: str, hint: str) -> None:
        self.word, self.at, self.until, self.count, self.what, self.hint = word, at, until, count, what, hint
        self.files: list[tuple[str, str]] = []

    def text(self) -> str:
        """As it is kept; a control character in a word of it ends up as a blank."""
        rows = [
            [shelf.FORMAT, self.word, repr(self.at), repr(self.until), str(self.count)],
            [self.what],
            [self.hint],
            *([path, stamp] for path, stamp in self.files),
        ]
        return "".join("\t".join("".join(c if c >= " " else " " for c in cell) for cell in row) + "\n" for row in rows)

    def holds(self, now: float, pause: "float | None" = None) -> bool:
        """Whether it is too early for another try (or less than *pause* seconds ago), and nothing has changed since.

        A clock that was set back makes no pause longer than its own.
        """
        if not 0 <= now - self.at < (self.until - self.at if pause is None else pause):
            return False
        return all(shelf.fingerprint(shelf.stat_of(path)) == stamp for path, stamp in self.files)


def mark_path(root: str, name: str) -> str:
    """Where what came of the last renewal of *name* (an index file's name) is kept."""
    return f"{root}/marks/renewal-{name}"


def read_mark(root: str, name: str) -> "Mark | None":
    """The last renewal's failure; None where it did not fail, or nothing can be read of it."""
    text = shelf.read_private(mark_path(root, name))
    try:
        head, what, hint, *files = [line.split("\t") for line in (text or "")[:-1].split("\n")]
        mark = Mark(head[1], float(head[2]), float(head[3]), int(head[4]), what[0], hint[0])
        mark.files = [(path, stamp) for path, stamp in files]
    except (ValueError, IndexError):
        return None
    return mark if head[0] == shelf.FORMAT and mark.word in WORDS else None


def answer(words: "list[str]", env: "Mapping[str, str]") -> "hot.Answer":
    """The answer to `refresh --hook` in a shell whose environment is *env*. Never None: the cold path can't help."""
    shell, _, protocol = env.get("AWSENV_SHIM", "").partition(":")
    if shell not in shells.DIALECTS or protocol != str(shells.PROTOCOL):
        return hot.Answer(b"", "awsenv: refresh --hook is what awsenv's own prompt hook asks", 2)
    request = hot.parse("refresh", [], env)
    place = hot.place_of(request, env) if request is not None else None
    if request is None or place is None or request.mode != "keys":
        return _later(LATER)
    question = _Question(request, *place, shell, env)
    found = question.taken_over() or question.held_back()
    if found is not None:
        return found
    from awsenv import turn

    taken = turn.try_take(*place)
    if taken is not None:
        lock, last_held = taken
        try:
            found = question.taken_over()  # whoever had the lock may have stored an answer
            if found is not None:
                return found
            if question.left_no_word(last_held):
                return _later(LONGEST)
            if not _start(lock, place[0], env):
                return _later(LATER)
        finally:
            os.close(lock)
    if "--wait" not in words:
        return _later(SOON)
    return question.awaited(DEADLINE if question.is_hopeful() else BRIEFLY)


class _Question:
    """Whether there are fresh keys for *request*, asked as often as it takes."""

    def __init__(self, request: "hot.Use", root: str, name: str, shell: str, env: "Mapping[str, str]") -> None:
        self._request, self._root, self._name, self._shell, self._env = request, root, name, shell, env
        self._began = time.time()

    def taken_over(self) -> "hot.Answer | None":
        """Statements, where somebody has renewed it."""
        found = hot.look_up(self._root, self._name, self._request, self._env)
        if found is None:
            return None
        values = dict(found.assign)
        for name in ("AWSENV_ACCOUNT_ID", "AWSENV_ROLE"):
            if values.get(name) != self._env.get(name):
                # The config was edited. Who a shell is, its person decides.
                what = f'the config now makes "{self._request.profile}" somebody else: this shell stays who it was'
                return self._told("refresh", what, "awsenv refresh", LONGEST)
        try:
            return hot.Answer(hot.statements(self._shell, self._in_its_region(found.assign)))
        except ValueError:
            return _later(LATER)

    def _in_its_region(self, assign: "list[tuple[str, str]]") -> "list[tuple[str, str]]":
        """The same in the region that the shell is in: keys are renewed behind a person's back, and nothing else is."""
        kept = [(name, value) for name, value in assign if name not in _REGIONS]
        return kept + [(name, self._env[name]) for name in _REGIONS if self._env.get(name)]

    def held_back(self, since: float = 0.0) -> "hot.Answer | None":
        """What the last try came to, where it is too early for another one."""
        mark, now = read_mark(self._root, self._name), time.time()
        if mark is None or mark.at < since or not mark.holds(now):
            return None
        wait = max(1, min(LONGEST, int(mark.until - now)))
        if mark.word == "failed" and self._left() > 0:
            return _later(wait)  # it still works, and may be renewed yet
        return self._told(mark.word, mark.what, mark.hint, wait)

    def is_hopeful(self) -> bool:
        """Whether it is worth a person's time to wait long: not where the last try failed, for whatever reason, just before."""
        mark = read_mark(self._root, self._name)
        return mark is None or not mark.holds(time.time(), IN_A_ROW)

    def left_no_word(self, last_held: float) -> bool:
        """Whether somebody had the lock at *last_held*, less than a minute ago, and neither renewed it nor said why not."""
        mark = read_mark(self._root, self._name)
        return 0 <= time.time() - last_held < PAUSES[0] and (mark is None or mark.at < last_held)

    def awaited(self, seconds: float) -> "hot.Answer":
        """What the worker comes to, if it does so in that time."""
        began, told = time.monotonic(), False
        while (waited := time.monotonic() - began) < seconds:
            if waited >= WORD_AFTER and not told:
                told = True
                _say(f"awsenv: {_shown(self._request.profile)} has expired; renewing it (Ctrl-C stops)")
            time.sleep(0.03)
            found = self.taken_over() or self.held_back(self._began)
            if found is not None:
                return found
        _say(f"awsenv: {_shown(self._request.profile)} is not renewed after {seconds:.0f} s; that goes on")
        return _later(HUNG)  # every command would wait as long again

    def _left(self) -> float:
        expires = self._env.get("AWSENV_EXPIRES_AT", "")
        return int(expires) - time.time() if expires.isascii() and expires.isdigit() else 0.0

    def _told(self, word: str, what: str, hint: str, wait: int) -> "hot.Answer":
        if self._env.get("AWSENV_HOOK") == word:  # the shell says what it has told its person already
            return _later(wait, word)
        from awsenv.text import left, show

        seconds = self._left()
        when = f"ends in {left(seconds)}" if seconds > 0 else "has expired"
        line = f"awsenv: {show(self._request.profile)} {when}, and {show(what, 300)}"
        return _later(wait, word, f"{line}: {show(hint)}" if hint else line)


def _later(seconds: int, word: str = "", said: str = "") -> "hot.Answer":
    words = f": awsenv {shells.PROTOCOL} wait {seconds} {word}".rstrip()
    return hot.Answer(f"{words}\n".encode(), said)


def _start(lock: int, root: str, env: "Mapping[str, str]") -> bool:
    from awsenv import assets, spawn

    argv = [sys.executable, "-I", "-S", assets.MAIN, VERB, str(lock)]
    inherited = {name: value for name, value in env.items() if name not in variables.WIRE}
    return spawn.detached(argv, {**inherited, "AWSENV_STORE": root, "AWSENV_HOOK": "1"}, lock)


def _shown(text: str) -> str:
    from awsenv.text import show

    return show(text)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
