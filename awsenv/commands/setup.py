"""`setup`: every new shell loads awsenv, by a copy of the shim and one guarded line in the rc file; or none does again."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from awsenv import rcfile
from awsenv.commands import init
from awsenv.errors import Config, Storage, Usage
from awsenv.model import Outcome, Where
from awsenv.ports import Asker, real
from awsenv.render.shells import DIALECTS, is_exportable
from awsenv.replacing import obstacle, read_whole, replace
from awsenv.store import NoStore, make_private_folder, write_private
from awsenv.text import show
from awsenv.world import World

# What a person can write where we may not: it needs no copy of the shim.
PASTE = {
    "bash": 'eval "$(awsenv init bash)"',
    "zsh": 'eval "$(awsenv init zsh)"',
    "fish": "awsenv init fish | source",
}
_INSTEAD = "nothing is changed; this line in your shell's start-up file does the same:"


@dataclass(frozen=True)
class Rc:
    """A shell's rc file. *target* is the file behind all links; *text* None where there is no file."""

    path: str
    target: str
    text: str | None


@dataclass(frozen=True)
class Copy:
    """One of the shim's files: what is there, and what is to be; None: no such file."""

    path: str
    there: str | None
    text: str | None


@dataclass(frozen=True)
class Change:
    """What the rc file is and is to be (None: no such file), and the copies of the shim's files, in the order of writing."""

    shell: str
    rc: Rc
    rc_text: str | None
    copies: tuple[Copy, ...]
    removes: bool

    @property
    def is_rc_done(self) -> bool:
        return self.rc_text == self.rc.text

    @property
    def is_shim_done(self) -> bool:
        return all(copy.text == copy.there for copy in self.copies)

    def not_done(self, reason: str) -> Storage:
        """The error that says what a person can do instead."""
        what = f"can't write {self.rc.target}: {reason}"
        if not self.removes:
            return Storage(what, hint=PASTE[self.shell], details=(_INSTEAD,))
        gone = rcfile.difference(self.rc.text, self.rc_text)
        return Storage(what, details=("nothing is changed; these are the lines to take out of it:", *gone))


def run(world: World, shell: str | None, yes: bool, remove: bool, print_only: bool) -> Outcome:
    """Show the change, ask, make it once; *remove* takes exactly that out; *print_only* only says what would come in."""
    if remove and print_only:
        raise Usage("--print shows what would be added: with --remove there is nothing to print")
    name = shell or _running_shell(world)
    if name not in DIALECTS:
        raise Usage(f"there is no shim for {name}", hint=f"one of: {', '.join(f'awsenv setup {x}' for x in DIALECTS)}")
    if not os.path.isdir(world.home):
        raise Storage(f"there is no home folder {world.home}", hint="export HOME=/home/you")
    asker = real(world, NoStore()).asker
    path, folder = _rc_path(world, name, asker), data_folder(world)
    shim_path = f"{folder}/{DIALECTS[name].file}"
    for used in (path, shim_path):
        if not is_exportable(used):
            raise Storage(f"{used}: a path with control characters can't be written into an rc file")
    line = rcfile.loading_line(name, shim_path, world.home)
    if print_only:
        return _printed(world, name, path, shim_path, line)
    rc = _read_rc(name, path)
    wanted = dict.fromkeys(init.copied(name, folder)) if remove else init.copies(world, name, folder)
    copies = tuple(Copy(file, _read_copy(file), text) for file, text in wanted.items())
    if rc.text and (number := rcfile.stray_marker(rc.text)):
        what = "awsenv's lines were changed by hand here: take out what is left of them"
        raise Config(what, Where(rc.target, number))
    if remove:
        after = rcfile.without_block(rc.text) if rc.text else rc.text
        return _take_out(world, Change(name, rc, after, copies, True), yes, asker)
    return _put_in(world, Change(name, rc, rcfile.with_block(rc.text, line), copies, False), yes, asker)


def _put_in(world: World, change: Change, yes: bool, asker: Asker) -> Outcome:
    remarks = _remarks(world, change)
    if change.is_rc_done:
        renewed = "" if change.is_shim_done else "; the shell function that it loads is renewed"
        if not change.is_shim_done:
            _write_copies(change)
        return Outcome(notes=(f"awsenv: {_short(change.rc.path, world)} is set up already{renewed}", *remarks))
    shown = _agreed(world, change, yes, asker)
    if shown is None:
        return Outcome(notes=("awsenv: nothing is changed",))
    try:
        _write_copies(change)  # first: no rc file is to load what isn't there yet
        _write_rc(change)
    except BaseException:  # Ctrl-C too
        _drop_copies(tuple(copy for copy in change.copies if copy.there is None))
        raise
    return Outcome(notes=(*shown, *remarks, f"done; next: exec {change.shell}   (or open a new terminal)"))


def _take_out(world: World, change: Change, yes: bool, asker: Asker) -> Outcome:
    if change.is_rc_done and change.is_shim_done:
        return Outcome(notes=(f"awsenv: {_short(change.rc.path, world)} has nothing of `awsenv setup`",))
    shown = _agreed(world, change, yes, asker)
    if shown is None:
        return Outcome(notes=("awsenv: nothing is changed",))
    if not change.is_rc_done:
        _write_rc(change)
    _drop_copies(change.copies)
    return Outcome(notes=(*shown, f"done; next: exec {change.shell}   (or open a new terminal): it is without awsenv"))


def _agreed(world: World, change: Change, yes: bool, asker: Asker) -> tuple[str, ...] | None:
    """What is still to be shown of a change that may be made; None where the person said no. Raises what forbids it."""
    if not change.is_rc_done and (reason := obstacle(change.rc.target)):
        raise change.not_done(reason)
    if "SUDO_UID" in world.env and os.stat(world.home).st_uid != os.geteuid():
        raise Usage(f"{world.home} is somebody else's home", hint=f"awsenv setup {change.shell}   (without sudo)")
    shown = tuple(described(world, change))
    if yes:
        return shown
    if not asker.is_present():
        words = f"awsenv setup {change.shell} {'--remove ' if change.removes else ''}--yes"
        raise Usage("there is no terminal to ask on: nothing is changed", hint=words)
    if not asker.confirm("\n".join((*shown, "Make this change?"))):
        return None
    if _read_rc(change.shell, change.rc.path) != change.rc:
        raise Storage(f"{change.rc.target} was changed while you were asked: nothing is done", hint="awsenv setup")
    return ()


def described(world: World, change: Change) -> list[str]:
    """The change as a person reads it: each file, with the lines that go and come."""
    rc, lines = change.rc, []
    if not change.is_rc_done:
        link = f" → {_short(rc.target, world)}" if rc.target != rc.path else ""
        fate = " (new)" if rc.text is None else " (removed: it has nothing else)" if change.rc_text is None else ""
        lines = [f"{_short(rc.path, world)}{link}{fate}", *rcfile.difference(rc.text, change.rc_text)]
    for copy in change.copies:
        if copy.text != copy.there:
            fate = "removed" if copy.text is None else "new: the shell function" if copy.there is None else "renewed"
            lines.append(f"{_short(copy.path, world)} ({fate})")
    return lines


def _printed(world: World, shell: str, path: str, shim_path: str, line: str) -> Outcome:
    notes = [f"awsenv: this would go into {_short(path, world)}"]
    if not os.path.exists(shim_path):
        notes.append(f"{_short(shim_path, world)} comes with `awsenv setup {shell}`; without it: {PASTE[shell]}")
    return Outcome(rcfile.block(line), tuple(notes))


def _remarks(world: World, change: Change) -> list[str]:
    """What else a person should know about their start-up files."""
    remarks = []
    if change.rc.text and (number := rcfile.other_loading_line(change.rc.text)):
        remarks.append(f"note: {_short(change.rc.path, world)}:{number} loads awsenv as well; that line can go")
    login = [name for name in (".bash_profile", ".bash_login", ".profile") if os.path.isfile(f"{world.home}/{name}")]
    if change.shell == "bash" and login:  # a login shell reads the first that there is
        try:
            text = _read(f"{world.home}/{login[0]}") or ""
        except OSError:
            return remarks
        if "bashrc" not in text:
            remarks.append(
                f"note: login shells read ~/{login[0]} alone, which doesn't load ~/.bashrc: `. ~/.bashrc` would"
            )
    return remarks


def _short(path: str, world: World) -> str:
    home = world.home.rstrip("/")
    return show(f"~{path[len(home) :]}" if home and path.startswith(f"{home}/") else path, 300)


# Where


def _running_shell(world: World) -> str:
    import shellingham

    try:
        name: str = shellingham.detect_shell()[0]
    except (shellingham.ShellDetectionFailure, OSError, RuntimeError):
        name = world.env.get("SHELL", "").rpartition("/")[2]
    if not name:
        raise Usage("can't tell which shell this is", hint=f"awsenv setup {'|'.join(DIALECTS)}")
    return name


def _rc_path(world: World, shell: str, asker: Asker) -> str:
    if shell == "bash":
        return f"{world.home}/.bashrc"
    if shell == "zsh":
        folder = asker.zsh_folder(world.child_env()) or world.env.get("ZDOTDIR") or world.home
        return f"{folder.rstrip('/')}/.zshrc"  # never .zshenv: scripts read that
    config = world.env.get("XDG_CONFIG_HOME", "")
    return f"{config if config.startswith('/') else f'{world.home}/.config'}/fish/conf.d/awsenv.fish"


def data_folder(world: World) -> str:
    """platformdirs' user data folder, from *world*; a test compares them."""
    data = world.env.get("XDG_DATA_HOME", "").strip()
    if not data.startswith("/"):
        data = f"{world.home}/{'Library/Application Support' if sys.platform == 'darwin' else '.local/share'}"
    return f"{data.rstrip('/')}/awsenv"


# Reading


def _read_rc(shell: str, path: str) -> Rc:
    target = os.path.realpath(path)
    try:
        return Rc(path, target, _read(target))
    except OSError as error:
        raise Storage(f"can't read {target}: {error.strerror}", hint=PASTE[shell], details=(_INSTEAD,)) from None


def _read(path: str) -> str | None:
    """A regular file's text, every byte kept; None where there is none. Raises OSError for all else."""
    data = read_whole(path)
    return None if data is None else data.decode("utf-8", "surrogateescape")


def _read_copy(path: str) -> str | None:
    """The copy that is there; "" for one that isn't as we leave it: a link, or open to others."""
    try:
        return (_read(path) or "") if os.lstat(path).st_mode & 0o170077 == 0o100000 else ""
    except FileNotFoundError:
        return None
    except OSError:
        return ""


# Writing


def _write_copies(change: Change) -> None:
    for copy in change.copies:
        assert copy.text is not None, "a file to write"
        make_private_folder(os.path.dirname(copy.path))
        write_private(copy.path, copy.text, sync=True)


def _drop_copies(copies: tuple[Copy, ...]) -> None:
    for copy in reversed(copies):  # what is loaded first goes first: the other one is of no use without it
        try:
            os.unlink(copy.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise Storage(f"can't remove {copy.path}: {error.strerror}") from None
        try:
            os.rmdir(os.path.dirname(copy.path))
        except OSError:
            pass  # the other file is still in it, or another shell's


def _write_rc(change: Change) -> None:
    try:
        if change.rc_text is None:
            os.unlink(change.rc.target)
        else:
            replace(change.rc.target, change.rc_text.encode("utf-8", "surrogateescape"), 0o644)
    except OSError as error:
        raise change.not_done(error.strerror or type(error).__name__) from None
