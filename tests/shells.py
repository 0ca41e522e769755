"""Real shells for tests: run a script in bash, zsh or fish with the shim loaded, or type into one on a pty.

shell = Shell("zsh", tmp_path)          # its own HOME; a stub stands in for the backend until `values` says otherwise
shell.stub.answer("use", assign={"AWS_PROFILE": "dev"})
result = shell.run("awsenv use dev; " + shell.dump("after"))
assert result.environment("after")["AWS_PROFILE"] == "dev"

with shell.terminal() as terminal:
    assert "hello" in terminal.ask("echo hello")
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

from awsenv.render.shells import DIALECTS, SENTINEL, quote_fish, quote_posix, reply

ROOT = Path(__file__).resolve().parent.parent

# "bash-old" is today's bash made to take the branches that bash 3.2 takes: it proves their logic, not that 3.2 parses them.
SHELLS = ("bash", "bash-old", "zsh", "fish")
# For files of long tests: what is special about it is in the files of short ones.
SHELLS_AND_LONG_OLD = tuple(
    pytest.param(name, marks=pytest.mark.long) if name == "bash-old" else name for name in SHELLS
)
POSIX = ("bash", "bash-old", "zsh")
BASH = ("bash", "bash-old")

# Prompts with the segment in them, without the blank that ends it. fish draws a prompt again and again while one types: the number tells them apart.
_PROMPTS = {
    "bash": "PS1='[${__awsenv_segment% }]READY> '",
    "zsh": "PROMPT='[%9v]READY> '",
    "fish": """
        set -g prompts 0
        function fish_prompt
            set -g prompts (math $prompts + 1)
            printf '[%s]READY%d> ' (__awsenv_segment_text | string trim --right | string collect --allow-empty) $prompts
        end
        function fish_right_prompt; end
        function fish_title; end
    """,
}


@dataclass(frozen=True)
class Call:
    """One call of the stub: the arguments, the environment, whether -I and -S were given, which of fds 0 1 2 are terminals."""

    args: list[str]
    env: dict[str, str]
    flags: tuple[int, int]
    tty: tuple[bool, bool, bool]


class Stub:
    """A backend that answers what it was told, in `folder`. As awsenv would: statements, then the sentinel."""

    def __init__(self, folder: Path, dialect: str) -> None:
        self.folder = folder
        self.dialect = dialect
        self.main = folder / "main.py"
        self.store = folder / "store of 'mine"
        folder.mkdir(parents=True, exist_ok=True)
        self.main.write_text(_STUB)

    def answer(
        self,
        key: str,
        *,
        unset: Sequence[str] = (),
        assign: Mapping[str, str] | None = None,
        text: str | bytes | None = None,
        status: int = 0,
        sleep: float = 0,
        stderr: str = "",
        stdin: bool = False,
    ) -> bytes:
        """From now on `awsenv KEY…` is answered like this (the longest KEY that opens the arguments wins); the bytes sent."""
        if text is None:
            text = reply(self.dialect, tuple(unset), tuple((assign or {}).items()))
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        answer = {"stdout": raw, "status": status, "sleep": sleep, "stderr": stderr, "stdin": stdin}
        (self.folder / f"answer {key}").write_text(repr(answer))
        return raw

    @property
    def calls(self) -> list[Call]:
        """Every call so far, oldest first."""
        log = self.folder / "calls"
        if not log.exists():
            return []
        return [Call(**ast.literal_eval(line)) for line in log.read_text().splitlines()]


_STUB = """\
import os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
args = sys.argv[1:]
for n in range(len(args), -1, -1):
    path = os.path.join(here, "answer " + " ".join(args[:n]).replace("/", "_"))
    if os.path.exists(path):
        with open(path) as file:
            answer = eval(file.read())
        break
else:
    answer = {"stdout": b"", "status": 0, "sleep": 0, "stderr": "", "stdin": False}
with open(os.path.join(here, "calls"), "a") as log:
    flags = (sys.flags.isolated, sys.flags.no_site)
    tty = tuple(os.isatty(fd) for fd in (0, 1, 2))
    print(repr({"args": args, "env": dict(os.environ), "flags": flags, "tty": tty}), file=log)
if answer["stdin"]:
    sys.stderr.write("stdin: " + sys.stdin.readline())
if answer["sleep"]:
    time.sleep(answer["sleep"])
sys.stderr.write(answer["stderr"])
sys.stderr.flush()
os.write(1, answer["stdout"])
sys.exit(answer["status"])
"""


@dataclass(frozen=True)
class Result:
    """What a script left behind."""

    status: int
    stdout: str
    stderr: str
    home: Path

    def environment(self, name: str) -> dict[str, str]:
        """The exported variables at `shell.dump(name)`, as a child of the shell gets them."""
        raw = (self.home / f"environment {name}").read_bytes().decode("utf-8", "surrogateescape")
        pairs = (entry.split("=", 1) for entry in raw.split("\0") if entry)
        return {key: value for key, value in pairs if key not in ("_", "SHLVL", "PWD", "OLDPWD")}


class Shell:
    """One shell of SHELLS with a HOME of its own and a shim that calls `stub`."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.family = name.split("-")[0]
        self.home = home
        self.stub = Stub(home / "backend", self.family)
        self.quote: Callable[[str], str] = quote_fish if self.family == "fish" else quote_posix
        self.values = {
            "__awsenv_python": sys.executable,
            "__awsenv_main": str(self.stub.main),
            "__awsenv_store": str(self.stub.store),
            "__awsenv_completions": str(ROOT / "completions"),
            "__awsenv_shell": str(ROOT / "shell"),
        }
        self.shim = (ROOT / "shell" / DIALECTS[self.family].file).read_text()
        if name == "bash-old":
            self.shim, hits = re.subn(
                r"(?m)^__awsenv_bash=.*$", "__awsenv_bash=302\n\\\\builtin unset EPOCHSECONDS", self.shim
            )
            assert hits == 1
        # A shell that `use`s in a test must look for its variables nowhere else.
        self.env = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "dumb"}
        self.status = "$status" if self.family == "fish" else "$?"

    # -- a shell's own words

    def assign(self, name: str, value: str) -> str:
        """A statement that sets a global, unexported variable."""
        return f"set -gu {name} {self.quote(value)}; " if self.family == "fish" else f"{name}={self.quote(value)}; "

    def export(self, name: str, value: str) -> str:
        """A statement that sets an exported variable."""
        return (
            f"set -gx {name} {self.quote(value)}; " if self.family == "fish" else f"export {name}={self.quote(value)}; "
        )

    def unset(self, name: str) -> str:
        """A statement that unsets a variable."""
        return f"set -eg {name}; " if self.family == "fish" else f"unset {name}; "

    def show(self, name: str) -> str:
        """A statement that prints `NAME=[value]`, or `NAME is unset`, exported or not."""
        if self.family == "fish":
            return f"set -q {name}; and printf '%s=[%s]\\n' {name} ${name}; or echo {name} is unset; "
        return f'if [ -n "${{{name}+x}}" ]; then printf "%s=[%s]\\n" {name} "${name}"; else echo {name} is unset; fi; '

    def dump(self, name: str) -> str:
        """A statement that notes what a child process gets, for `Result.environment(name)`."""
        path = self.quote(str(self.home / f"environment {name}"))
        return f"/usr/bin/env -0 >{path}; "

    def said(self, word: str = "status") -> str:
        """A statement that prints `WORD <the last status>`."""
        return f"echo {word} {self.status}; "

    # -- running

    @property
    def preamble(self) -> str:
        """What `awsenv init` prints before the shim."""
        return "".join(DIALECTS[self.family].assignment(k, v) + "\n" for k, v in self.values.items())

    @property
    def shim_path(self) -> Path:
        """The shim as a file, which is how rc files and plugin managers load it."""
        path = self.home / f"shim.{self.family}"
        path.write_text(self.shim)
        return path

    @property
    def load(self) -> str:
        """A statement that loads the shim with its values, from a file as `setup` does it."""
        path = self.home / f"awsenv.{self.family}"
        path.write_text(self.preamble + self.shim)
        return f"source {self.quote(str(path))}\n"

    def argv(self, *flags: str) -> list[str]:
        """The command line of a shell without rc files."""
        start = {"bash": ["bash", "--norc", "--noprofile"], "zsh": ["zsh", "-f"], "fish": ["fish", "--no-config"]}
        return [*start[self.family], *flags]

    def run(self, script: str, *, flags: Sequence[str] = (), before: str = "", env: Mapping[str, str] | None = None,
            load: bool = True, timeout: float = 30, stdin: str = "") -> Result:  # fmt: skip
        """Run `before`, load the shim, run `script`; not interactive unless `flags` say so."""
        text = before + "\n" + (self.load if load else "") + script
        done = subprocess.run(
            [*self.argv(*flags), "-c", text],
            env={**self.env, **(env or {})},
            cwd=self.home,
            input=stdin.encode(),
            capture_output=True,
            timeout=timeout,
        )
        out, err = (raw.decode("utf-8", "surrogateescape") for raw in (done.stdout, done.stderr))
        return Result(done.returncode, out, err, self.home)

    @contextmanager
    def terminal(self, *, before: str = "", env: Mapping[str, str] | None = None) -> Iterator["Terminal"]:
        """An interactive shell on a pty, the shim loaded, the segment in the prompt."""
        typing = {"bash": ["--noediting", "-i"], "zsh": ["-i", "-o", "no_zle", "-o", "no_prompt_sp"], "fish": ["-i"]}
        argv = self.argv(*typing[self.family])
        child = pexpect.spawn(
            argv[0], argv[1:], env={**self.env, **(env or {})}, cwd=str(self.home), encoding="utf-8",
            codec_errors="surrogateescape", timeout=20, dimensions=(40, 400),
        )  # fmt: skip
        child.delaybeforesend = None
        try:
            terminal = Terminal(child, self)
            rc = self.home / "rc"
            rc.write_text(f"{before}\n{self.load}{_PROMPTS[self.family]}\n")
            child.sendline(f"source {self.quote(str(rc))}")
            terminal.wait()
            yield terminal
        finally:
            child.close(force=True)


class Terminal:
    """A pty with a shell on it; `ask` types a line and gives what came before the next prompt."""

    def __init__(self, child: "pexpect.spawn[str]", shell: Shell) -> None:
        self.child = child
        self.shell = shell
        self.segment = ""
        self.prompts = 0

    def wait(self) -> str:
        """Until the next prompt; what was printed before it. `segment` then holds the prompt's segment."""
        text = ""
        while True:
            self.child.expect(r"\[([^\[\]\n]*)\]READY(\d*)> ")
            text += self.child.before
            self.segment, number = self.child.match.groups()
            if not number or int(number) > self.prompts:
                self.prompts = int(number or 0)
                return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()=>][B0]?|\r", "", text)

    def ask(self, line: str) -> str:
        """Type a line; what it printed, the echo of the typing left out as far as the shell makes that possible."""
        self.child.sendline(line)
        text = self.wait()
        return text.replace(line, "", 1)

    def interrupt_when(self, ready: Callable[[], bool], line: str) -> str:
        """Type a line, wait until `ready()`, press Ctrl-C; what was printed up to the next prompt."""
        self.child.sendline(line)
        for _ in range(400):
            if ready():
                break
            try:
                self.child.expect(pexpect.TIMEOUT, timeout=0.025)
            except pexpect.EOF:
                break
        assert ready()
        self.child.sendintr()
        return self.wait().replace(line, "", 1)


def missing(shell: str) -> bool:
    """True when this machine lacks the shell; under CI that is a failure, so nothing is ever skipped there."""
    return shutil.which(shell.split("-")[0]) is None and "CI" not in os.environ


__all__ = ["BASH", "POSIX", "ROOT", "SENTINEL", "SHELLS", "Call", "Result", "Shell", "Stub", "Terminal", "missing"]
