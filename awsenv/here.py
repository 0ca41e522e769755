"""`here`: the shell becomes what its folder is for; and what a shell asks by itself after entering or leaving such a folder.

Nobody has typed `here --hook`, so it takes what the store has and no more: no lock, no worker, no question, no network. It
answers with statements, or with `: awsenv 1 stay NUMBER`: nothing changes, and NUMBER is what its person was told of, which
a shell is told once. A shell that lives on the place that it has left gives in AWSENV_LEFT, behind an x, who it was before.
"""

import os

from awsenv import hot, place, shelf
from awsenv.hot import Answer
from awsenv.render import shells

STAY = f": awsenv {shells.PROTOCOL} stay"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def answer(words: "list[str]", env: "Mapping[str, str]") -> "Answer | None":
    """The answer to `here`; None for what wants Typer, or where no shim has asked."""
    shell = shells.asking(env)
    if shell is None:
        return None
    if words == ["--hook"]:
        return _Question(shell, env).answer()
    return _typed(env) if not words else None


def _typed(env: "Mapping[str, str]") -> Answer:
    from awsenv.text import show, word

    found, _ = _look(env)
    if found is None:
        return Answer(
            said="awsenv: this folder is for nobody: no .awsenv here or above it, nor a path in [places]", code=3
        )
    trusted = found.data is None or place.is_trusted(found.source, found.data, env)
    if found.problem or not trusted:
        what = found.problem or _untrusted(found, env)
        hint = "" if found.problem else f": awsenv trust {word(found.source)}"
        return Answer(said=f"awsenv: {show(found.source, 300)} {what}{hint}", code=3)
    try:
        named = ["use", *place.words_of(place.parse(found.line))]
    except ValueError as error:
        return Answer(said=f"awsenv: {show(found.source, 300)}: {show(found.line)}: {error}", code=3)
    served = hot.answer(named, env)
    if served is None:
        served = Answer()
        served.instead = named
    return served


class _Question:
    """What to make of a shell whose folder has changed."""

    def __init__(self, shell: str, env: "Mapping[str, str]") -> None:
        self._shell, self._env = shell, env
        self._said: list[str] = []
        self._number = ""

    def answer(self) -> Answer:
        """Statements, or that nothing changes."""
        found, mode = _look(self._env)
        entered = self._entered(found, mode) if found is not None and mode != "off" else None
        reply = entered or self._put_back() or f"{STAY} {self._number}".rstrip().encode() + b"\n"
        return Answer(reply, "; ".join(self._said))

    def _entered(self, found: place.Place, mode: str) -> "bytes | None":
        from awsenv.text import show, word

        where = _short(found.folder, self._env)
        if found.problem or (found.data is not None and not place.is_trusted(found.source, found.data, self._env)):
            source = _short(found.source, self._env)
            if found.problem:
                self._tell_once(found, f"awsenv: {source} {found.problem}")
            else:
                self._tell_once(
                    found, f"awsenv: {source} {_untrusted(found, self._env)}: awsenv trust {word(found.source)}"
                )
            return None
        try:
            request = place.parse(found.line)
        except ValueError:
            return None  # a mistake in the settings, which they name
        if not self._has_left() and self._is_already(request):
            return None
        reply = self._statements(request, 60.0, f"awsenv: {where}: ") if mode == "switch" else None
        if reply is None:
            self._said.append(f"awsenv: {where} is for {show(request.profile)}: awsenv here")
        elif not reply:
            return None
        return reply

    def _is_already(self, request: "hot.Use") -> bool:
        return (self._env.get("AWSENV_PROFILE"), self._env.get("AWSENV_OPTIONS", "")) == (
            request.profile, request.options()
        )  # fmt: skip

    def _statements(self, request: "hot.Use", lasting: float, before: str) -> "bytes | None":
        """The store's, for keys that last so many seconds more; b"" where the shell has them already.

        *before* stands before what is said of them.
        """
        from awsenv import quick

        where = hot.place_of(request, self._env)
        found = hot.look_up(*where, request, self._env, lasting) if where is not None else None
        if found is None:
            return None
        values = dict(found.assign)
        if quick.is_still(self._env, quick.who_of(values)) and values.get("AWSENV_OPTIONS") == self._env.get(
            "AWSENV_OPTIONS"
        ):
            return b"" if not self._has_left() else hot.statements(self._shell, found.assign)
        if found.is_guarded:
            return None  # a person is asked first, and not here
        try:
            reply = hot.statements(self._shell, found.assign)
        except ValueError:
            return None
        self._said.append(before + hot.tell(found.said, found.times[0]))
        return reply

    def _has_left(self) -> bool:
        """Whether the shell lives on a place that it has left, and on nothing that another hand has set."""
        from awsenv import quick

        return self._env.get("AWSENV_LEFT", "").startswith("x") and not quick.drifted(self._env)

    def _put_back(self) -> "bytes | None":
        """Who the shell was before the place that it has left; where the store can't say, who it was before awsenv."""
        from awsenv import quick

        if not self._has_left():
            return None
        before = self._env["AWSENV_LEFT"][1:]
        if before:
            request = hot.parse("use", ["-"], {**self._env, "AWSENV_PREVIOUS": before})
            # However old the keys are: what the prompt does about those that have ended, it does about these.
            reply = self._statements(request, float("-inf"), "awsenv: back to ") if request is not None else None
            if reply:
                return reply
        unset, said = quick.reverse(self._env)
        self._said.append(f"awsenv: {said}")
        if before:
            from awsenv.text import show

            self._said.append(f"{show(before.rpartition('-- ')[2])}, which was here before: awsenv use -")
        return shells.reply(self._shell, unset, ()).encode()

    def _tell_once(self, found: place.Place, line: str) -> None:
        from binascii import crc32

        try:
            stamp = shelf.fingerprint(os.lstat(found.source))
        except OSError:
            stamp = ""
        self._number = str(crc32(f"{found.source}\n{stamp}".encode("utf-8", "surrogateescape")))
        if self._number not in self._env.get("AWSENV_NAMED", "").split():
            self._said.append(line)


def _look(env: "Mapping[str, str]") -> "tuple[place.Place | None, str]":
    """(the place that the shell is in, [place] when_entering)."""
    pwd, folder = place.pwd_of(env), shelf.user_folder(env, "config")
    path = f"{folder}/config.toml" if folder is not None else ""
    mode, paths = _wishes(path)
    return (place.find(pwd, env.get("HOME", ""), paths, path) if pwd else None), mode


def _wishes(path: str) -> "tuple[str, Mapping[str, str]]":
    """([place] when_entering, [places]) of the settings. What is wrong there `awsenv settings` says; here it is nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            data = file.read(shelf.LARGEST) if os.fstat(descriptor).st_mode & 0o170000 == 0o100000 else b""
    except (OSError, ValueError):
        data = b""
    if b"place" not in data:
        return place.MODES[0], {}
    import tomllib  # two bare interpreters; only for those who have set it, and only where the folder is named

    try:
        document = tomllib.loads(data.decode("utf-8", "replace"))
    except tomllib.TOMLDecodeError:
        return place.MODES[0], {}
    section, paths = document.get("place"), document.get("places")
    mode = section.get("when_entering") if isinstance(section, dict) else None
    known = {p: line for p, line in paths.items() if isinstance(line, str)} if isinstance(paths, dict) else {}
    return mode if mode in place.MODES else place.MODES[0], known


def _untrusted(found: place.Place, env: "Mapping[str, str]") -> str:
    return "has changed since it was trusted" if place.was_trusted(found.source, env) else "is not trusted"


def _short(path: str, env: "Mapping[str, str]") -> str:
    from awsenv.text import show

    home = env.get("HOME", "").rstrip("/")
    return show(f"~{path[len(home) :]}" if home and path.startswith(f"{home}/") else path, 300)
