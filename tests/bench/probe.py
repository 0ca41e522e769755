"""Which modules a call of awsenv has loaded by the time it ends, seen in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from awsenv import assets

# Never on the way to a warm answer: each costs more than a bare interpreter.
HEAVY = frozenset(
    ("typer", "rich", "pydantic", "boto3", "botocore", "configparser", "typing", "json", "dataclasses", "subprocess")
)
MOST = 12  # modules beyond those of a bare interpreter

# Runs __main__.py as the interpreter itself would, with one difference: what `leave` calls last reports first.
_REPORT = """
import os, sys
main, note = sys.argv[1:3]
sys.argv[:] = [main, *sys.argv[3:]]
end = os._exit
def report(code):
    with open(note, "w") as file:
        file.write(" ".join(sys.modules))
    end(code)
os._exit = report
with open(main) as file:
    text = file.read()
exec(compile(text, main, "exec"), {"__name__": "__main__", "__file__": main, "__package__": None})
"""


@dataclass(frozen=True)
class Loaded:
    """Exit status, what was printed, and the names in `sys.modules`."""

    status: int
    stdout: str
    stderr: str
    modules: frozenset[str]

    def families(self) -> frozenset[str]:
        """The top-level packages."""
        return frozenset(name.partition(".")[0] for name in self.modules)

    def beyond_bare(self) -> list[str]:
        """What a bare interpreter has not."""
        return sorted(self.modules - bare())


def loaded(words: Sequence[str], env: Mapping[str, str], note: str) -> Loaded:
    """Run `awsenv WORDS…` as a shim does; *note* is a path to write to."""
    argv = [sys.executable, "-I", "-S", "-c", _REPORT, assets.MAIN, note, *words]
    done = subprocess.run(argv, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    with open(note, encoding="utf-8") as file:
        return Loaded(done.returncode, done.stdout, done.stderr, frozenset(file.read().split()))


def bare() -> frozenset[str]:
    """The modules of `python -I -c pass`."""
    argv = [sys.executable, "-I", "-c", "import sys; print(*sys.modules)"]
    return frozenset(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split())
