"""`awsenv setup` in real shells and homes: what a new shell has, what the files hold, what is refused, what comes out again."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from awsenv import rcfile
from awsenv.commands import setup as verb
from awsenv.errors import Config, Storage, Usage
from awsenv.model import Outcome
from awsenv.render.shells import DIALECTS
from awsenv.terminal import Terminal
from awsenv.world import World
from tests.shells import ROOT

BIN = str(Path(sys.executable).parent)
IS_ROOT = os.geteuid() == 0
NOBODY = 65534

# A prompt that says when the shell is ready, and nothing that a shell or terminal would add to it by itself.
QUIET = {
    "bash": "bind 'set enable-bracketed-paste off' 2>/dev/null\nPS1='READY> '\n",
    "zsh": "unsetopt prompt_sp prompt_cr beep zle_bracketed_paste 2>/dev/null\nPROMPT='READY> '\nautoload -Uz compinit; compinit -u\n",
    "fish": "set -g fish_greeting\nfunction fish_prompt; echo -n 'READY> '; end\nfunction fish_title; end\n",
}


COPIES = {".local/share/awsenv/awsenv.zsh", ".local/share/awsenv/awsenv-verbs.zsh"}


class Home:
    """A home whose path has a blank and a quote in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700)
        self.env = {"HOME": str(path), "PATH": f"{BIN}:{os.environ['PATH']}", "LANG": "C.UTF-8", "TERM": "dumb"}

    def rc(self, shell: str) -> Path:
        return self.path / {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/conf.d/awsenv.fish"}[shell]

    def shim(self, shell: str) -> Path:
        return self.path / ".local/share/awsenv" / DIALECTS[shell].file

    def verbs(self, shell: str) -> Path:
        return self.shim(shell).with_name(DIALECTS[shell].verbs)

    def quiet(self, shell: str) -> None:
        """Give *shell* the rc file of a person who has one."""
        file = self.path / ".config/fish/config.fish" if shell == "fish" else self.rc(shell)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(QUIET[shell])

    def type(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """`awsenv setup WORDS` where there is no terminal."""
        return subprocess.run(
            [f"{BIN}/awsenv", "setup", *words],
            env=self.env | env,
            cwd=self.path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            start_new_session=True,
        )

    def run(self, shell: str | None, remove: bool = False, yes: bool = True, only: bool = False, **env: str) -> Outcome:
        """The same without the start of a process."""
        known = self.env | env
        world = World(known, known["HOME"], "/none", "/none", None, "me")
        return verb.run(world, shell, yes, remove, only)

    def files(self) -> dict[str, bytes | str]:
        """Every file below, with what is in it or where it leads."""
        return {
            str(path.relative_to(self.path)): os.readlink(path) if path.is_symlink() else path.read_bytes()
            for path in sorted(self.path.rglob("*"))
            if path.is_symlink() or path.is_file()
        }


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "it's a home")


def said(outcome: Outcome) -> str:
    return "\n".join(outcome.notes)


@pytest.fixture
def on_a_terminal() -> Iterator[Callable[..., "pexpect.spawn[str]"]]:
    opened: list[pexpect.spawn[str]] = []

    def start(home: Home, command: str, *words: str, **env: str) -> "pexpect.spawn[str]":
        child = pexpect.spawn(
            command,
            list(words),
            env=home.env | env,
            cwd=str(home.path),
            encoding="utf-8",
            timeout=15,
            dimensions=(40, 300),
        )
        child.delaybeforesend = None
        opened.append(child)
        return child

    yield start
    for child in opened:
        child.close(force=True)


# ---- What a new shell has -------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    return re.sub(r"\x1b(\[[0-9;?>=]*[a-zA-Z]|[()=>][B0]?|\][^\x07\x1b]*(\x07|\x1b\\))|[\r\x0f]", "", text)


def test_a_new_shell_has_the_function_and_tab_and_prints_nothing_at_its_start(shell_name, home, on_a_terminal):
    home.quiet(shell_name)
    assert home.type(shell_name, "--yes").returncode == 0
    terminal = on_a_terminal(home, shell_name, "-i", TERM="xterm")
    terminal.expect_exact("READY> ")
    assert plain(terminal.before).strip() == ""
    terminal.send("awsenv whoa\t\r")
    terminal.expect("no identity in this shell")
    terminal.send("awsenv off\r")  # an answer that only the shim's call gets
    terminal.expect("nothing to put back")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_loading_the_copy_takes_next_to_no_time(shell, home):
    home.run(shell)
    clock = "zmodload zsh/datetime; " if shell == "zsh" else ""
    script = clock + 'for i in 1 2 3 4 5 6 7 8 9; do a=$EPOCHREALTIME; . "$1"; echo "$a $EPOCHREALTIME"; done'
    done = subprocess.run(
        [shell, "-ic", script, "-", str(home.shim(shell))],
        env=home.env,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    spans = [float(end) - float(start) for start, end in (line.split() for line in done.stdout.splitlines())]
    assert len(spans) == 9
    assert min(spans) < 0.005  # seconds; a process would take more


def test_the_copy_is_what_init_prints_and_for_nobody_else(shell_name, home):
    assert home.type(shell_name, "--yes").returncode == 0
    printed = subprocess.run(
        [f"{BIN}/awsenv", "init", shell_name], env=home.env, capture_output=True, check=True
    ).stdout
    assert printed.endswith((ROOT / "shell" / DIALECTS[shell_name].file).read_bytes())
    dialect, folder = DIALECTS[shell_name], home.shim(shell_name).parent
    before, after = (dialect.assignment("__awsenv_shell", str(path)).encode() for path in (ROOT / "shell", folder))
    assert printed.count(before) == 1
    assert home.shim(shell_name).read_bytes() == printed.replace(before, after)
    assert home.verbs(shell_name).read_bytes() == (ROOT / "shell" / dialect.verbs).read_bytes()
    assert stat.S_IMODE(home.shim(shell_name).stat().st_mode) == 0o600
    assert stat.S_IMODE(home.verbs(shell_name).stat().st_mode) == 0o600
    assert stat.S_IMODE(home.shim(shell_name).parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "name", ["it's", "a b", "$(touch PWN)", "`touch PWN`", "=ls", "back\\slash", '"quoted"', "x\\'; touch PWN; #"]
)
def test_any_path_is_loaded_as_it_stands(shell_name, name, tmp_path):
    home = tmp_path / name / "home"
    for path in (home / "plain", home / name, tmp_path / name / "outside"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("echo loaded\n")
        line = rcfile.loading_line(shell_name, str(path), f"{home}/")
        assert ("$HOME" in line) == path.is_relative_to(home)
        command = {"bash": ["bash", "--norc"], "zsh": ["zsh", "-f"], "fish": ["fish", "--no-config"]}[shell_name]
        env = {"HOME": str(home), "PATH": os.environ["PATH"]}
        done = subprocess.run([*command, "-c", line], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=30)
        assert (done.stdout, done.stderr) == ("loaded\n", ""), line
        path.unlink()
        gone = subprocess.run([*command, "-c", line], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=30)
        assert (gone.stdout, gone.stderr) == ("", ""), "without the file the line does nothing, and says nothing"
    assert not list(tmp_path.rglob("PWN"))


def test_the_running_shell_is_found(shell_name, home):
    script = "awsenv setup --print; true"  # not the last word: a shell would become the command
    done = subprocess.run(
        [shell_name, "-c", script], env=home.env | {"SHELL": "/bin/nosh"}, capture_output=True, text=True, timeout=30
    )
    assert f"awsenv/awsenv.{shell_name}" in done.stdout, done.stderr


def test_a_shell_without_a_shim_is_refused(home):
    done = home.type("dash", "--yes")
    assert done.returncode == 2
    assert "no shim for dash" in done.stderr
    assert "awsenv setup bash" in done.stderr
    assert home.files() == {}


# ---- Once, and back out ---------------------------------------------------------------------------------------------

HOSTILE = (
    b"# >>> conda initialize >>>\n# <<< conda initialize <<<\n"
    b"touch PWN; $(touch PWN) `touch PWN`\n\x1b]0;OWNED\x07\x1b[31m\x0c\x0b\x1c\xff\xfe\x00\n"
    b"echo '# >>> awsenv >>>'\n  # >>> awsenv >>>\n#>>> awsenv >>>\nexport A=1 \\\n\xe2\x80\xa8B=2\rC\n"
)
TEXTS = {
    "nothing": b"",
    "a line": b"alias ll='ls -l'\n",
    "no final newline": b"alias ll='ls -l'\nexport A=1",
    "CRLF": b"alias ll='ls -l'\r\nexport A=1\r\n",
    "CRLF, no final newline": b"alias ll='ls -l'\r\nexport A=1",
    "blank lines": b"\n\n\n",
    "hostile": HOSTILE,
    "hostile, no final newline": HOSTILE + b"\\",
}


@pytest.mark.parametrize("case", TEXTS)
def test_what_is_taken_out_leaves_every_byte_as_it_was(shell_name, case, home):
    rc = home.rc(shell_name)
    rc.parent.mkdir(parents=True, exist_ok=True)
    rc.write_bytes(TEXTS[case])
    rc.chmod(0o640)
    before = home.files()
    assert "done" in said(home.run(shell_name))
    added = rc.read_bytes().removeprefix(TEXTS[case])
    assert rcfile.BEGIN.encode() in added
    assert stat.S_IMODE(rc.stat().st_mode) == 0o640
    once = home.files()
    assert "set up already" in said(home.run(shell_name))
    assert home.files() == once
    assert "done" in said(home.run(shell_name, remove=True))
    assert home.files() == before
    assert stat.S_IMODE(rc.stat().st_mode) == 0o640
    assert "has nothing of" in said(home.run(shell_name, remove=True))
    assert home.files() == before


def test_a_file_that_setup_made_is_no_one_elses_to_write_and_goes_again(shell_name, home):
    umask = os.umask(0)
    try:
        home.run(shell_name)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(home.rc(shell_name).stat().st_mode) == 0o644
    home.run(shell_name, remove=True)
    assert home.files() == {}
    assert not home.shim(shell_name).parent.exists()


def test_a_file_that_setup_made_stays_once_it_holds_more(shell_name, home):
    home.run(shell_name)
    with home.rc(shell_name).open("a") as file:
        file.write("echo mine\n")
    home.run(shell_name, remove=True)
    assert home.rc(shell_name).read_text() == "echo mine\n"


def test_removing_one_shells_lines_leaves_the_others(home):
    home.run("bash")
    home.run("zsh")
    home.run("bash", remove=True)
    assert set(home.files()) == {".zshrc", *COPIES}


def test_run_twice_by_a_person_is_once(home):
    assert home.type("bash", "--yes").returncode == 0
    once = home.files()
    again = home.type("bash")  # nothing to ask, so no terminal is needed
    assert (again.returncode, again.stdout) == (0, "")
    assert "set up already" in again.stderr
    assert home.files() == once


def test_an_outdated_copy_is_renewed_without_a_question(home):
    home.type("bash", "--yes")
    now = home.files()
    for copy in (home.shim("bash"), home.verbs("bash")):
        copy.write_text("old\n")
        done = home.type("bash")
        assert done.returncode == 0
        assert "renewed" in done.stderr
        assert home.files() == now


def test_the_copy_of_an_awsenv_that_had_one_file_is_renewed(home):
    home.type("bash", "--yes")
    now = home.files()
    home.verbs("bash").unlink()
    home.shim("bash").write_text("awsenv() { :; }\n")
    done = home.type("bash")
    assert (done.returncode, home.files()) == (0, now), done.stderr


def test_the_two_copies_go_with_each_other_whatever_is_installed(shell_name, home):
    """An upgrade without a new `setup`, and an interpreter that went with it: old reads old."""
    home.run(shell_name)
    text = home.verbs(shell_name).read_text()
    home.verbs(shell_name).write_text(f'echo the copy >>"$HOME/read"\n{text}')
    gone = DIALECTS[shell_name].assignment("__awsenv_python", "/gone/python")
    script = f'. "$HOME/.local/share/awsenv/awsenv.{shell_name}"; SWAP; awsenv off'
    command = {"bash": ["bash", "--norc"], "zsh": ["zsh", "-f"], "fish": ["fish", "--no-config"]}[shell_name]
    for number, swap in enumerate(("true", gone), 1):
        argv = [*command, "-c", script.replace("SWAP", swap)]
        done = subprocess.run(argv, env=home.env, capture_output=True, text=True, timeout=30)
        assert "nothing to put back" in done.stderr
        assert ("no longer works" in done.stderr) == (swap == gone)
        assert (home.path / "read").read_text() == "the copy\n" * number


def test_a_stale_block_is_replaced_where_it_stands(home):
    home.rc("bash").write_text("first\n" + rcfile.block(". /old/awsenv.bash") + "last\n")
    shown = said(home.run("bash"))
    line = rcfile.loading_line("bash", str(home.shim("bash")), str(home.path))
    assert home.rc("bash").read_text() == "first\n" + rcfile.block(line) + "last\n"
    assert "- . /old/awsenv.bash" in shown
    assert f"+ {line}" in shown


def test_several_blocks_become_one(home):
    home.rc("bash").write_text(
        "a\n" + rcfile.block(". /old/awsenv.bash") + "b\n" + rcfile.block(". /older/awsenv.bash") + "c\n"
    )
    home.run("bash")
    assert home.rc("bash").read_text().count(rcfile.BEGIN) == 1
    home.run("bash", remove=True)
    assert home.rc("bash").read_text() == "a\nb\nc\n"


@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"a\n{rcfile.BEGIN}\nexport MINE=1\n", 2),
        (f"{rcfile.END}\n", 1),
        (f"{rcfile.BEGIN}\n{rcfile.BEGIN}\n{rcfile.END}\n", 1),
        (f"{rcfile.BEGIN}\n. x/awsenv.bash\nexport MINE=1\n{rcfile.END}\n", 1),
        (f"{rcfile.BEGIN}\n{rcfile.BEGIN}\n. x/awsenv.bash\n{rcfile.END}\n", 1),
        (f"{rcfile.block('. x/awsenv.bash')}export MINE=1\n{rcfile.END}\n", 5),
    ],
)
def test_lines_that_a_person_wrote_between_the_markers_are_not_touched(home, text, line, remove):
    home.rc("bash").write_text(text)
    with pytest.raises(Config) as caught:
        home.run("bash", remove=remove)
    assert str(caught.value.where) == f"{home.rc('bash')}:{line}"
    assert home.files() == {".bashrc": text.encode()}


def test_what_was_appended_later_is_not_glued_to_the_line_before(home):
    home.rc("bash").write_text("export A=1")
    home.run("bash")
    with home.rc("bash").open("a") as file:
        file.write("export B=2\n")
    home.run("bash", remove=True)
    assert home.rc("bash").read_text() == "export A=1\nexport B=2\n"


LINES = st.lists(
    st.one_of(
        st.text(st.characters(exclude_characters="\n"), max_size=8),
        st.sampled_from(["# >>> conda >>>", " # >>> awsenv >>>", "\r"]),
    ),
    max_size=6,
)


@given(lines=LINES)
def test_the_one_undoes_the_other(lines):
    text = "\n".join(lines)
    added = rcfile.with_block(text, ". awsenv")
    assert added.startswith(text)
    assert rcfile.with_block(added, ". awsenv") == added
    assert rcfile.stray_marker(added) is None
    assert rcfile.without_block(added) == text
    assert rcfile.without_block(rcfile.with_block(None, ". awsenv")) is None


def test_a_line_that_loads_it_as_well_is_named(home):
    home.rc("bash").write_text('# eval "$(awsenv init bash)"\n\neval "$(awsenv init bash)"\n')
    assert "~/.bashrc:3 loads awsenv as well" in said(home.run("bash"))


# ---- Asking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("remove", [False, True])
def test_without_a_terminal_and_without_yes_nothing_is_done(home, remove):
    if remove:
        home.run("bash")
    before = home.files()
    done = home.type("bash", *(["--remove"] if remove else []))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"hint: awsenv setup bash {'--remove ' if remove else ''}--yes" in done.stderr
    assert home.files() == before


@pytest.mark.parametrize(
    ("typed", "status", "says"),
    [("n\r", 0, "nothing is changed"), ("\r", 0, "nothing is changed"), ("yup\r", 0, "nothing is changed"),
     ("\x04", 0, "nothing is changed"), ("\x03", 130, "nothing changed"), ("Y\r", 0, "exec bash"), ("yes\r", 0, "exec bash")],
)  # fmt: skip
def test_the_change_is_shown_and_then_asked_for(home, on_a_terminal, typed, status, says):
    home.rc("bash").write_text("export A=1\n")
    terminal = on_a_terminal(home, f"{BIN}/awsenv", "setup", "bash")
    terminal.expect_exact("Make this change? [y/N] ")
    shown = terminal.before.replace("\r\n", "\n")
    line = rcfile.loading_line("bash", str(home.shim("bash")), str(home.path))
    assert shown.startswith(f"~/.bashrc\n  line 2:\n    + {rcfile.BEGIN}\n    + {line}\n    + {rcfile.END}\n")
    assert home.files() == {".bashrc": b"export A=1\n"}
    terminal.send(typed)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert says in terminal.before
    assert terminal.exitstatus == status
    copies = "~/.local/share/awsenv/awsenv-verbs.bash (new: the shell function)\n~/.local/share/awsenv/awsenv.bash (new"
    assert copies in shown
    assert len(home.files()) == (3 if says == "exec bash" else 1)
    if says != "exec bash":
        assert home.files() == {".bashrc": b"export A=1\n"}


def test_the_question_is_put_on_the_terminal_whatever_stdin_and_stdout_are(home, on_a_terminal):
    script = f"echo y | {BIN}/awsenv setup bash >out 2>err"
    terminal = on_a_terminal(home, "sh", "-c", script)
    terminal.expect_exact("[y/N] ")
    terminal.send("n\r")
    terminal.expect(pexpect.EOF)
    assert not home.rc("bash").exists()
    assert (home.path / "out").read_text() == ""


def test_a_file_that_changes_under_the_question_is_left_alone(home, monkeypatch):
    def somebody_else(self: Terminal, question: str) -> bool:
        home.rc("bash").write_text("new\n")
        return True

    home.rc("bash").write_text("old\n")
    monkeypatch.setattr(Terminal, "is_present", lambda self: True)
    monkeypatch.setattr(Terminal, "confirm", somebody_else)
    with pytest.raises(Storage, match="changed while you were asked"):
        home.run("bash", yes=False)
    assert home.files() == {".bashrc": b"new\n"}


def test_print_prints_the_lines_says_where_and_changes_nothing(shell_name, home):
    done = home.type(shell_name, "--print")
    line = rcfile.loading_line(shell_name, str(home.shim(shell_name)), str(home.path))
    assert (done.returncode, done.stdout) == (0, rcfile.block(line))
    assert str(home.rc(shell_name)).replace(str(home.path), "~") in done.stderr
    assert verb.PASTE[shell_name] in done.stderr, "the lines alone load nothing yet"
    assert home.files() == {}


def test_print_and_remove_are_no_pair(home):
    with pytest.raises(Usage):
        home.run("bash", remove=True, only=True)


# ---- Where the rc file is -------------------------------------------------------------------------------------------


def test_zdotdir_in_the_environment_is_followed(home):
    (home.path / "zsh").mkdir()
    home.run("zsh", ZDOTDIR=str(home.path / "zsh"))
    assert set(home.files()) == {"zsh/.zshrc", *COPIES}


def test_zdotdir_that_only_zshenv_knows_is_followed_and_zshenv_never_touched(home, on_a_terminal):
    zshenv = b"echo noise; print -n '/wrong\\0'\nZDOTDIR=$HOME/.config/zsh\nzshexit() { echo bye }\n"
    (home.path / ".zshenv").write_bytes(zshenv)
    (home.path / ".config/zsh").mkdir(parents=True)
    rc = home.path / ".config/zsh/.zshrc"
    rc.write_text("mine=1\n")
    assert home.type("zsh", "--yes").returncode == 0
    assert set(home.files()) == {".zshenv", ".config/zsh/.zshrc", *COPIES}
    has = subprocess.run(["zsh", "-ic", "whence -w awsenv"], env=home.env, capture_output=True, text=True, timeout=30)
    assert "awsenv: function" in has.stdout
    assert home.type("zsh", "--remove", "--yes").returncode == 0
    assert home.files() == {".zshenv": zshenv, ".config/zsh/.zshrc": b"mine=1\n"}


def test_a_zsh_that_does_not_answer_means_the_environment_or_the_home(home):
    (home.path / "zsh").mkdir()
    for folder in (home.path, home.path / "zsh"):
        (folder / ".zshenv").write_text("exit 3\n")
    home.run("zsh", ZDOTDIR=str(home.path / "zsh"))
    assert "zsh/.zshrc" in home.files()
    home.run("zsh")
    assert ".zshrc" in home.files()


def test_fish_gets_a_file_of_its_own(home):
    home.quiet("fish")
    home.run("fish", XDG_CONFIG_HOME=str(home.path / "else where"))
    assert (home.path / "else where/fish/conf.d/awsenv.fish").exists()
    assert (home.path / ".config/fish/config.fish").read_text() == QUIET["fish"]


DATA = {
    "nothing set": "", "elsewhere": "/some where/it's", "with a slash": "/else/", "blank": " ", "relative": "some/where",
}  # fmt: skip


@pytest.mark.parametrize("case", DATA)
def test_the_copy_is_where_platformdirs_puts_data(case, monkeypatch):
    env = {"HOME": "/home/some one", "XDG_DATA_HOME": DATA[case]}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    world = World(env, env["HOME"], "/none", "/none", None, "me")
    assert verb.data_folder(world) == os.path.normpath(platformdirs.user_data_dir("awsenv", appauthor=False))


@pytest.mark.parametrize(
    ("files", "note"),
    [
        ({".bash_profile": "export A=1\n"}, "~/.bash_profile"),
        ({".profile": "export A=1\n"}, "~/.profile"),
        ({".bash_profile": "export A=1\n", ".profile": ". ~/.bashrc\n"}, "~/.bash_profile"),
        ({".bash_profile": ". ~/.bashrc\n", ".profile": "export A=1\n"}, None),
        ({}, None),
    ],
)
def test_a_login_shell_that_passes_bashrc_by_is_named(home, files, note):
    for name, text in files.items():
        (home.path / name).write_text(text)
    found = re.findall(r"note: login shells read (\S+)", said(home.run("bash")))
    assert found == ([note] if note else [])


# ---- Links, owners, and what can't be written -----------------------------------------------------------------------


def test_a_link_stays_a_link_and_its_target_keeps_mode_and_owner(home):
    dotfiles = home.path / "dotfiles"
    dotfiles.mkdir()
    (dotfiles / "zshrc").write_text("mine=1\n")
    (dotfiles / "zshrc").chmod(0o604)
    (home.path / "hop").symlink_to("dotfiles/zshrc")
    home.rc("zsh").symlink_to("hop")
    owner = (NOBODY, NOBODY) if IS_ROOT else (os.geteuid(), os.getegid())
    os.chown(dotfiles / "zshrc", *owner)
    before = home.files()
    assert "~/.zshrc → ~/dotfiles/zshrc" in said(home.run("zsh"))
    about = (dotfiles / "zshrc").lstat()
    assert rcfile.BEGIN in (dotfiles / "zshrc").read_text()
    assert (stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid) == (0o604, *owner)
    assert (home.rc("zsh").readlink(), (home.path / "hop").readlink()) == (Path("hop"), Path("dotfiles/zshrc"))
    home.run("zsh", remove=True)
    assert home.files() == before


def test_a_link_to_a_file_that_is_not_there_yet_is_written_through(home):
    home.rc("bash").symlink_to("dotfiles/bashrc")
    home.run("bash")
    assert home.rc("bash").is_symlink()
    assert rcfile.BEGIN in (home.path / "dotfiles/bashrc").read_text()
    home.run("bash", remove=True)
    assert home.files() == {".bashrc": "dotfiles/bashrc"}


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def make_hard_link(path: Path) -> None:
    path.write_text("a\n")
    os.link(path, path.with_name("second name"))


@pytest.mark.parametrize("make", [make_fifo, Path.mkdir, make_loop, make_hard_link])
def test_what_is_no_regular_file_with_one_name_is_refused(home, make):
    make(home.rc("bash"))
    before = sorted(path.name for path in home.path.iterdir())
    refused(home.type("bash", "--yes"), "bash")  # a process, for a FIFO could hold up this one
    assert sorted(path.name for path in home.path.iterdir()) == before


def refused(done: subprocess.CompletedProcess[str], shell: str) -> None:
    assert (done.returncode, done.stdout) == (7, ""), done.stderr
    assert "nothing is changed" in done.stderr
    assert f"hint: {verb.PASTE[shell]}" in done.stderr


@pytest.fixture
def as_somebody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """`awsenv setup` as one who is not root, for whom modes count; and a home of theirs."""
    prefix: list[str] = []
    folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    if IS_ROOT:
        if not shutil.which("setpriv"):
            pytest.skip("root ignores modes, and there is no setpriv to be somebody else")
        prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        probe = subprocess.run(
            [*prefix, sys.executable, "-I", "-c", "import awsenv, typer"], cwd="/", capture_output=True
        )
        if probe.returncode:
            pytest.skip("the checkout and its Python can be read by root alone")
        os.chown(folder, NOBODY, NOBODY)

    def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
        base = {"HOME": str(folder), "PATH": f"{BIN}:{os.environ['PATH']}", "LANG": "C.UTF-8"}
        return subprocess.run(
            [*prefix, sys.executable, "-I", str(ROOT / "awsenv/__main__.py"), "setup", *words],
            env=base | env, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, start_new_session=True,
        )  # fmt: skip

    run.home = folder  # type: ignore[attr-defined]
    yield run
    subprocess.run(["chmod", "-R", "u+rwx", str(folder)], check=True)
    shutil.rmtree(folder)


def give(path: Path, text: str, mode: int) -> None:
    path.write_text(text)
    path.chmod(mode)
    if IS_ROOT:
        os.chown(path, NOBODY, NOBODY)


def test_a_read_only_file_is_refused_with_what_to_paste(as_somebody):
    give(as_somebody.home / ".bashrc", "mine=1\n", 0o444)
    refused(as_somebody("bash", "--yes"), "bash")
    assert [path.name for path in as_somebody.home.iterdir()] == [".bashrc"]
    (as_somebody.home / ".bashrc").chmod(0o644)
    assert as_somebody("bash", "--yes").returncode == 0
    block = (as_somebody.home / ".bashrc").read_text()
    (as_somebody.home / ".bashrc").chmod(0o444)
    done = as_somebody("bash", "--remove", "--yes")
    assert done.returncode == 7
    assert f"- {rcfile.BEGIN}" in done.stderr, "the lines to take out"
    assert (as_somebody.home / ".bashrc").read_text() == block
    assert (as_somebody.home / ".local/share/awsenv/awsenv.bash").exists()


def test_a_read_only_folder_is_refused_with_what_to_paste(as_somebody):
    folder = as_somebody.home / "zsh"
    folder.mkdir()
    give(folder / ".zshrc", "mine=1\n", 0o644)
    folder.chmod(0o555)
    if IS_ROOT:
        os.chown(folder, NOBODY, NOBODY)
    refused(as_somebody("zsh", "--yes", ZDOTDIR=str(folder)), "zsh")
    assert (folder / ".zshrc").read_text() == "mine=1\n"
    assert [path.name for path in as_somebody.home.iterdir()] == ["zsh"]


def test_a_file_that_cannot_even_be_read_is_refused(as_somebody):
    give(as_somebody.home / ".bashrc", "mine=1\n", 0o200)
    refused(as_somebody("bash", "--yes"), "bash")


def test_a_folder_that_cannot_be_made_is_refused(as_somebody):
    as_somebody.home.chmod(0o555)
    refused(as_somebody("fish", "--yes"), "fish")


def test_an_immutable_file_is_refused_even_to_root(home):
    rc = home.rc("bash")
    rc.write_text("mine=1\n")
    if not IS_ROOT or subprocess.run(["chattr", "+i", str(rc)], capture_output=True).returncode:
        pytest.skip("only root may make a file immutable, and not on every file system")
    try:
        refused(home.type("bash", "--yes"), "bash")
        assert home.files() == {".bashrc": b"mine=1\n"}
    finally:
        subprocess.run(["chattr", "-i", str(rc)], check=True)


def test_a_write_that_fails_leaves_nothing_behind(home, monkeypatch):
    def full(source: str, target: str) -> None:
        if target == str(home.rc("bash")):
            raise OSError(28, "No space left on device")
        os.replace(source, target)

    home.rc("bash").write_text("mine=1\n")
    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(Storage, match="No space left") as caught:
        home.run("bash")
    assert caught.value.hint == verb.PASTE["bash"]
    assert home.files() == {".bashrc": b"mine=1\n"}


def test_another_persons_home_is_refused_under_sudo(home):
    if not IS_ROOT:
        pytest.skip("it takes root to have somebody else's home")
    os.chown(home.path, NOBODY, NOBODY)
    done = home.type("bash", "--yes", SUDO_UID=str(NOBODY))
    assert done.returncode == 2
    assert "without sudo" in done.stderr
    assert home.files() == {}


def test_a_home_that_is_not_there_is_not_made(home, tmp_path):
    with pytest.raises(Storage, match="no home folder"):
        home.run("bash", HOME=str(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


def test_a_path_that_no_line_can_hold_is_refused(home):
    with pytest.raises(Storage, match="control characters"):
        home.run("bash", XDG_DATA_HOME=f"{home.path}/a\nb")
    assert home.files() == {}


# ---- Plugin managers ------------------------------------------------------------------------------------------------

OPTIONS = [
    "",
    "ksh_arrays",
    "sh_word_split",
    "no_unset",
    "err_exit",
    "warn_create_global",
    "no_aliases",
    "posix_argzero",
    "no_function_argzero",
]
ASK = """
    print -r -- LOADED; whence -w awsenv; print -r -- ${_comps[awsenv]-none}
    (autoload -Uz +X _awsenv) && print -r -- found
    awsenv off; awsenv --version
"""


def in_zsh(home: Home, rc: str) -> subprocess.CompletedProcess[str]:
    home.rc("zsh").write_text(rc)
    return subprocess.run(["zsh", "-ic", ASK], env=home.env, cwd="/", capture_output=True, text=True, timeout=30)


def loads(done: subprocess.CompletedProcess[str]) -> None:
    assert done.stdout.splitlines()[:4] == ["LOADED", "awsenv: function", "_awsenv", "found"], (
        done.stdout,
        done.stderr,
    )
    assert "nothing to put back" in done.stderr, "the shim was asked, and found the program"
    assert re.search(r"^awsenv \d", done.stdout, re.MULTILINE)


def test_oh_my_zsh_loads_the_repositorys_own_folder(home):
    """oh-my-zsh.sh: fpath of every plugin, compinit, and only then the plugins."""
    plugins = home.path / "custom/plugins"
    plugins.mkdir(parents=True)
    (plugins / "awsenv").symlink_to(ROOT / "shell")
    rc = """
        ZSH_CUSTOM="$HOME/custom"
        fpath=($ZSH_CUSTOM/plugins/awsenv $fpath)
        autoload -U compinit; compinit -i -d "$HOME/dump"
        for plugin (awsenv); do source $ZSH_CUSTOM/plugins/$plugin/$plugin.plugin.zsh; done
    """
    loads(in_zsh(home, rc))


@pytest.mark.parametrize("option", OPTIONS)
def test_antidote_and_zinit_load_it_from_a_function_before_compinit(home, option):
    rc = f"""
        load() {{
          {f"setopt local_options {option}" if option else ":"}
          fpath+=( '{ROOT}/shell' )
          source '{ROOT}/shell/awsenv.plugin.zsh'
        }}
        load
        autoload -Uz compinit; compinit -u -C -d "$HOME/dump"
    """
    if option:
        done = in_zsh(home, rc.replace("autoload -Uz compinit; compinit -u -C", ": no"))
        assert done.stdout.splitlines()[:2] == ["LOADED", "awsenv: function"], done.stderr
        assert "awsenv.plugin.zsh" not in done.stderr
    else:
        loads(in_zsh(home, rc))


def test_fisher_installs_the_repositorys_own_folder(home, on_a_terminal):
    """fisher 4.4: the folder is copied with its links as they are, from there file by file with links followed."""
    home.quiet("fish")
    copied, config = home.path / "copied", home.path / ".config/fish"
    for folder in (copied, config):
        for kind in ("completions", "conf.d", "functions", "themes"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
    subprocess.run(f'cp -Rf "{ROOT}/shell/"* "{copied}"', shell=True, check=True)
    for path in sorted(copied.glob("[cft]*/*")):
        subprocess.run(["cp", "-RLf", path, config / path.parent.name / path.name], check=True)
    shutil.rmtree(copied)
    assert sorted(str(path.relative_to(config)) for path in config.glob("[cft]*/*")) == [
        "completions/awsenv.fish",
        "conf.d/awsenv.fish",
    ]
    terminal = on_a_terminal(home, "fish", "-i", TERM="xterm")
    terminal.expect_exact("READY> ")
    assert plain(terminal.before).strip() == ""
    terminal.send("awsenv whoa\t\r")
    terminal.expect("no identity in this shell")
    terminal.send("awsenv off\r")
    terminal.expect("nothing to put back")


def test_fishers_files_say_nothing_where_awsenv_is_not_installed(home):
    script = f"source '{ROOT}/shell/conf.d/awsenv.fish'; source '{ROOT}/shell/completions/awsenv.fish'"
    env = home.env | {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(["fish", "--no-config", "-c", script], env=env, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("", "")


def test_links_of_the_plugin_folder_lead_nowhere_out_of_it():
    links = [path for path in (ROOT / "shell").rglob("*") if path.is_symlink()]
    assert links
    for link in links:
        assert not os.path.isabs(os.readlink(link))
        assert link.resolve().is_relative_to(ROOT / "shell") and link.is_file(), link
