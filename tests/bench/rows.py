"""ROWS: each row of the table of bars as a function from the stage to what was measured."""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import probe
from tests.bench.measure import BARE, Cost, Ratio, compare, peak, run, run_at_once
from tests.bench.scene import CHAIN, ROLE, SSO, Scene, argv, furnished

if TYPE_CHECKING:
    from awsenv.demo.fake import FakeAws

SHELLS_AT_ONCE = 50


@dataclass(frozen=True)
class Line:
    """One measured thing. *structural*: a count, which no neighbour's load can change, so that being over is a failure."""

    what: str
    ours: float
    bar: float
    unit: str
    anchor: str
    structural: bool = False
    more: str = ""

    @property
    def is_over(self) -> bool:
        return self.ours > self.bar


@dataclass
class Stage:
    """The fake AWS and the homes that the rows run in, each made when a row first asks for it."""

    folder: Path
    fake: FakeAws
    _scenes: dict[int, Scene] = field(default_factory=dict)

    def scene(self, profiles: int = 10) -> Scene:
        """A home with that many profiles, 10 or more."""
        if profiles not in self._scenes:
            named = 7  # that many are there without the others
            self._scenes[profiles] = furnished(self.folder / str(profiles), self.fake, profiles - named)
        return self._scenes[profiles]

    def warm(self, profile: str, profiles: int = 10) -> Scene:
        """The same, with *profile* in its store by way of the real cold path."""
        scene = self.scene(profiles)
        run(argv("use", profile), scene.shim())
        return scene


def warm_use(stage: Stage) -> Iterator[Line]:
    """As the shim calls it."""
    scene = stage.warm(CHAIN)
    ratio = _against_bare(argv("use", CHAIN), scene.shim(), 60)
    yield Line("warm use, by the shim: wall", ratio.wall, 1.3, "B", "python -I -c pass", more=_spread(ratio))
    yield Line("warm use, by the shim: CPU", ratio.cpu, 1.3, "B", "python -I -c pass")


def console_script(stage: Stage) -> Iterator[Line]:
    """As one types it where no shim is loaded; the wrapper is pip's or uv's, and some of them import `re`."""
    script = Path(sys.executable).parent / "awsenv"
    if not script.exists():
        raise LookupError(f"awsenv is not installed beside {sys.executable}")
    slow = "import re\n" in script.read_text(errors="replace")
    scene = stage.warm(CHAIN)
    ratio = _against_bare([str(script), "use", CHAIN], scene.shim(), 40)
    wrapper = "its wrapper imports re" if slow else "its wrapper imports sys alone"
    yield Line(
        "warm use, by the console script", ratio.wall, 2.1 if slow else 1.6, "B", "python -I -c pass",
        more=f"{_spread(ratio)}; {wrapper}",
    )  # fmt: skip


def modules(stage: Stage) -> Iterator[Line]:
    """What a warm answer loads."""
    seen = probe.loaded(["use", CHAIN], stage.warm(CHAIN).shim(), str(stage.folder / "modules"))
    beyond, heavy = seen.beyond_bare(), sorted(seen.families() & probe.HEAVY)
    yield Line("warm use: modules", len(beyond), probe.MOST, "", "beyond a bare python's", True, " ".join(beyond))
    yield Line("warm use: heavy modules", len(heavy), 0, "", "typer, boto3, typing…", True, " ".join(heavy))


def credential_process(stage: Stage) -> Iterator[Line]:
    """What an SDK starts: by the interpreter, and by the console script as `awsenv wrap` writes it."""
    scene = stage.warm(CHAIN)
    words = ("export", CHAIN, "--format", "process")
    ratio = _against_bare(argv(*words), scene.plain(), 60)
    yield Line("warm credential_process: wall", ratio.wall, 1.4, "B", "python -I -c pass", more=_spread(ratio))
    script = Path(sys.executable).parent / "awsenv"
    if script.exists():
        slow = "import re\n" in script.read_text(errors="replace")
        ratio = _against_bare([str(script), *words], scene.plain(), 40)
        yield Line(
            "warm credential_process, console script", ratio.wall, 2.2 if slow else 1.7, "B", "python -I -c pass",
            more=_spread(ratio),
        )  # fmt: skip
    seen = probe.loaded(words, scene.plain(), str(stage.folder / "modules"))
    yield Line(
        "warm credential_process: modules", len(seen.beyond_bare()), probe.MOST, "", "beyond a bare python's", True
    )


def cold_role(stage: Stage) -> Iterator[Line]:
    """One AssumeRole, from an empty store, the writing of it included."""
    yield from _against_aws_cli(stage, ROLE, "cold use, one AssumeRole", "AssumeRole")


def cold_sso(stage: Stage) -> Iterator[Line]:
    """One GetRoleCredentials with a live token."""
    yield from _against_aws_cli(stage, SSO, "cold use, Identity Center", "GetRoleCredentials")


def many_profiles(stage: Stage) -> Iterator[Line]:
    """5,000 profiles against 10."""
    few, many = stage.warm(ROLE), stage.warm(ROLE, 5000)
    warm = compare(_runner("use", ROLE, env=many.shim()), _runner("use", ROLE, env=few.shim()), 40)
    cold = compare(_cold(many, ROLE), _cold(few, ROLE), 9)
    yield Line("5,000 profiles: warm use", warm.wall, 1.1, "x", "10 profiles", more=_spread(warm))
    yield Line("5,000 profiles: cold use", cold.wall, 1.5, "x", "10 profiles", more=_spread(cold))


def list_names(stage: Stage) -> Iterator[Line]:
    """Names alone, as TAB may ask for them."""
    ratio = _against_bare(argv("list", "--names"), stage.scene(5000).plain(), 30)
    yield Line("list --names of 5,000 profiles", ratio.wall, 2.5, "B", "python -I -c pass", more=_spread(ratio))


def stampede(stage: Stage) -> Iterator[Line]:
    """Many shells want the same identity when it has just expired."""
    scene = stage.warm(ROLE)
    shares, calls = [], []
    for _ in range(3):
        bare = run_at_once(BARE, scene.env, SHELLS_AT_ONCE)
        _expire(scene)
        stage.fake.forget()
        ours = run_at_once(argv("use", ROLE), scene.shim(), SHELLS_AT_ONCE)
        shares.append(ours.cpu / bare.cpu)
        calls.append(stage.fake.count("AssumeRole"))
    times = f"{len(calls)} times: {', '.join(map(str, calls))}"
    yield Line("50 shells, one expired identity: STS calls", max(calls), 1, "", "exactly one", True, times)
    if min(calls) < 1:
        yield Line("50 shells: rounds that called nothing", 1, 0, "", "the entry was expired", True)
    yield Line("50 shells, one expired identity: CPU", statistics.median(shares), 2.5, "x", "50 bare interpreters")


def memory(stage: Stage) -> Iterator[Line]:
    """The peak of resident memory."""
    scene = stage.warm(ROLE)
    floor = peak(BARE, scene.env)
    yield Line("memory of a warm use", peak(argv("use", ROLE), scene.shim()), 14, "MiB", f"bare: {floor:.1f} MiB")
    scene.empty_store()
    yield Line("memory of a cold use", peak(argv("use", ROLE), scene.shim()), 42, "MiB", f"bare: {floor:.1f} MiB")


def typer_verbs(stage: Stage) -> Iterator[Line]:
    """Whatever is not hot."""
    env = stage.warm(ROLE).plain()
    for words, bar in ((("explain", ROLE), 9.0), (("current", "--json"), 9.0), (("--help",), 18.0)):
        extra = {"AWSENV_PROFILE": ROLE}
        ratio = _against_bare(argv(*words), {**env, **extra}, 15)
        yield Line(" ".join(words), ratio.wall, bar, "B", "python -I -c pass", more=_spread(ratio))
    seen = probe.loaded(["--help"], env, str(stage.folder / "modules"))
    heavy = sorted(seen.families() & {"pydantic", "boto3", "botocore"})
    yield Line("--help: heavy modules", len(heavy), 0, "", "pydantic, boto3, botocore", True, " ".join(heavy))


ROWS: dict[int, Callable[[Stage], Iterator[Line]]] = {
    1: warm_use,
    2: console_script,
    3: modules,
    5: cold_role,
    6: cold_sso,
    7: many_profiles,
    8: list_names,
    10: stampede,
    11: memory,
    12: typer_verbs,
    14: credential_process,
}


def _runner(*words: str, env: Mapping[str, str]) -> Callable[[], Cost]:
    return lambda: run(argv(*words), env)


def _against_bare(command: list[str], env: Mapping[str, str], rounds: int) -> Ratio:
    return compare(lambda: run(command, env), lambda: run(BARE, env), rounds)


def _cold(scene: Scene, profile: str) -> Callable[[], Cost]:
    def use() -> Cost:
        scene.empty_store()
        return run(argv("use", profile), scene.shim())

    return use


def _against_aws_cli(stage: Stage, profile: str, what: str, operation: str) -> Iterator[Line]:
    aws = Path(sys.executable).parent / "aws"
    if not aws.exists():
        raise LookupError(f"awscli (from PyPI) is not installed beside {sys.executable}")
    scene = stage.scene()

    def anchor() -> Cost:
        shutil.rmtree(scene.home / ".aws/cli", ignore_errors=True)
        before = stage.fake.count(operation)
        cost = run([str(aws), "configure", "list"], {**scene.env, "AWS_PROFILE": profile})
        if stage.fake.count(operation) == before:
            raise RuntimeError("`aws configure list` asked for nothing: it is no anchor for this row")
        return cost

    ratio = compare(_cold(scene, profile), anchor, 9)
    yield Line(what, ratio.wall, 0.5, "x", "aws configure list, cold", more=f"{_spread(ratio)}; CPU {ratio.cpu:.2f} x")


def _expire(scene: Scene) -> None:
    """The entries stay where they are, and are ten seconds past their end."""
    now = time.time()
    for entry in scene.entries():
        _, _, rest = entry.read_text().partition("\n")
        entry.write_text(f"awsenv 1 {now - 10} {now - 600} {now - 3600}\n{rest}")


def _spread(ratio: Ratio) -> str:
    return f"{ratio.low:.2f} to {ratio.high:.2f}"
