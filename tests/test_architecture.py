"""What is absent from awsenv: who may import what, who touches the outside, what a warm answer loads."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import platformdirs
import pytest

import awsenv
from awsenv import cli, hot, shelf, sources, variables
from awsenv.render import formats
from awsenv.render.shells import DIALECTS
from tests.bench import probe
from tests.bench.scene import CHAIN, ROLE, SSO, STATIC, argv, furnished
from tests.shells import ROOT

PACKAGE = ROOT / "awsenv"


# ---- Reading the source ---------------------------------------------------------------------------------------------


@dataclass
class Module:
    """A file of the package, read: the dotted names that it imports or uses, and its calls and strings."""

    path: str
    tree: ast.Module
    names: dict[str, list[int]] = field(default_factory=dict)  # dotted name, aliases resolved → lines
    imports: set[str] = field(default_factory=set)

    def uses(self, name: str) -> bool:
        """Whether *name*, or something below it, is imported or used."""
        return any(used == name or used.startswith(name + ".") for used in self.names)

    def dotted(self, node: ast.expr) -> str | None:
        """`os.path.join` of such an expression, by what the imports of this file call it; None for any other."""
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return f"{base}.{node.attr}" if base else None
        return self.aliases.get(node.id, node.id) if isinstance(node, ast.Name) else None

    @property
    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """(dotted name, call) of every call; `?.method` where it is called on something without a name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                method = f"?.{node.func.attr}" if isinstance(node.func, ast.Attribute) else "?"
                yield self.dotted(node.func) or method, node

    def __post_init__(self) -> None:
        self.aliases: dict[str, str] = {}
        folder = "awsenv." + self.path.rpartition("/")[0].replace("/", ".")
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    self.aliases[name.asname or name.name.partition(".")[0]] = (
                        name.name if name.asname else name.name.partition(".")[0]
                    )
                    self._note(name.name, node)
                    self.imports.add(name.name)
            elif isinstance(node, ast.ImportFrom):
                base = ".".join(filter(None, (folder.strip(".") if node.level else "", node.module)))
                for name in node.names:
                    self.aliases[name.asname or name.name] = f"{base}.{name.name}"
                    self._note(f"{base}.{name.name}", node)
                    self.imports.add(f"{base}.{name.name}")
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute | ast.Name) and (used := self.dotted(node)):
                self._note(used, node)

    def _note(self, name: str, node: ast.AST) -> None:
        self.names.setdefault(name, []).append(node.lineno)


@cache
def modules() -> dict[str, Module]:
    """Every file of the package by its path below awsenv/."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        found[name] = Module(name, ast.parse(path.read_text(), name))
    return found


def users_of(*names: str) -> set[str]:
    """The files that import or use one of *names*; aws/, and demo/, which is a world of its own, count as one each."""
    using = {path for path, module in modules().items() if any(module.uses(name) for name in names)}
    return {re.sub(r"^(aws|demo)/.*", r"\1/", path) for path in using}


# ---- Who may --------------------------------------------------------------------------------------------------------

MAY_USE = {
    "boto3 botocore": {"aws/", "demo/"},
    "moto werkzeug flask": {"demo/"},
    "jwt cryptography": {"aws/", "demo/"},
    "typer click": {"cli.py"},
    "rich": {"render/table.py", "render/progress.py"},
    "termios tty pty getpass curses prompt_toolkit questionary": {"terminal.py", "picker.py"},
    "subprocess": {"terminal.py", "process.py", "runner.py", "fzf.py", "demo/"},
    "multiprocessing asyncio concurrent": {"demo/"},
    "os.fork os.forkpty os.system os.popen os.posix_spawn os.posix_spawnp os.spawnv os.spawnvp": {
        "terminal.py",
        "process.py",
        "spawn.py",
    },
    "os.execv os.execve os.execvp os.execvpe os.execl os.execle os.execlp": {"process.py"},
    "platformdirs": {"world.py"},  # shelf.store_root says what it would, and is compared with it below
    "os.getenv os.environb os.putenv os.unsetenv": set(),
    "datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today time.time_ns": set(),
    "time.localtime time.ctime": set(),
    "print sys.__stdout__ builtins.print input": set(),
    "logging warnings tempfile pickle marshal shelve random.seed": {"demo/"},
}


@pytest.mark.parametrize("names", MAY_USE)
def test_only_its_owner_uses(names):
    assert users_of(*names.split()) - MAY_USE[names] == set()


def test_the_environment_is_read_in_world_alone():
    # hot.py is handed it by __main__.py, and cannot wait for world.py. The demo builds one for its visitor.
    assert users_of("os.environ") - {"demo/"} == {"__main__.py", "world.py"}
    main = modules()["__main__.py"]
    assert len(main.names["os.environ"]) == 3, "handed to hot.answer; and to those who ask it for the terminal's signs"


def test_the_clock_is_read_in_world_and_hot_alone():
    # The fake AWS is a service with a clock of its own.
    assert users_of("time.time") - {"demo/"} == {"world.py", "hot.py", "hook.py", "quick.py", "store.py"}


def test_the_one_other_reading_of_the_clock_says_why():
    module = modules()["store.py"]
    (line,) = module.names["time.time"]
    (function,) = [
        node for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or 0)
    ]  # fmt: skip
    source = (PACKAGE / "store.py").read_text().splitlines()[line - 1]
    assert function.name == "_sweep"
    assert re.search(r"# noqa: TID251 +# \w+", source), "a silenced rule needs its reason on the line"


def test_stdout_has_one_writer():
    assert users_of("sys.stdout") - {"demo/"} == {"__main__.py"}


def test_nobody_but_the_front_doors_writes_to_a_bare_descriptor_1():
    writers = set()
    for path, module in modules().items():
        for name, call in module.calls:
            first = call.args[0] if call.args else None
            if name in ("os.write", "write", "os.fdopen") and isinstance(first, ast.Constant) and first.value == 1:
                writers.add(path)
    assert writers == {"__main__.py"}


def test_only_the_terminal_opens_dev_tty():
    holders = set()
    for path, module in modules().items():
        texts = {node.value for node in ast.walk(module.tree) if isinstance(node, ast.Constant)}
        if {"/dev/tty", "/dev/console", "/dev/stdin"} & {text for text in texts if isinstance(text, str)}:
            holders.add(path)
    # choose.py draws a list before the ports can be there.
    assert holders == {"terminal.py", "choose.py"}


def test_only_the_ports_know_the_real_aws_and_the_real_terminal():
    assert users_of("awsenv.aws") - {"aws/"} == {"ports.py"}
    assert users_of("awsenv.terminal") == {"ports.py"}
    top_level = [node for node in modules()["ports.py"].tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not [node for node in top_level if getattr(node, "module", "") in ("awsenv.aws", "awsenv.terminal")]


def test_only_its_verb_imports_the_demo():
    assert users_of("awsenv.demo") - {"demo/"} == {"commands/demo.py"}


@pytest.mark.parametrize("path", [path for path in modules() if path.startswith("sources/") and "__init__" not in path])
def test_a_source_knows_the_values_and_the_ports_alone(path):
    ours = {name.split(".")[1] for name in modules()[path].imports if name.startswith("awsenv.")}
    # renewal: a live token, no source's own; mfa and program: what several sources take
    assert ours <= {"model", "errors", "ports", "text", "roles", "renewal", "mfa", "program"}


PURE = ("model.py", "errors.py", "text.py", "sections.py", "config.py", "plan.py", "endpoints.py", "change.py",
        "explain.py", "prompt.py", "rcfile.py", "wrapping.py", "settings.py", "variables.py", "pages.py", "browser.py", "console.py",
        "services.py", "overlay.py", "start_url.py", "naming.py", "network.py", "roles.py", "render/formats.py", "render/github.py",
        "render/shells.py", "render/findings.py", *(f"doctor/{name}.py" for name in (
            "finding", "examination", "checks", "document", "headers", "lines", "values", "vocabulary", "chains", "logins",
            "keys_at_rest", "programs", "places", "plans", "mending")))  # fmt: skip


@pytest.mark.parametrize("path", PURE)
def test_what_decides_touches_nothing(path):
    module = modules()[path]
    outside = {
        name for name in module.names
        if name.split(".")[0] in ("os", "sys", "io", "socket", "pathlib", "fcntl", "open", "subprocess", "ssl")
    }  # fmt: skip
    assert outside == set()


# ---- Who writes files -----------------------------------------------------------------------------------------------

_OF_OS = ("rename", "replace", "unlink", "remove", "mkdir", "makedirs", "rmdir", "link", "symlink", "truncate", "chmod",
          "chown", "mkfifo", "mknod", "utime", "removedirs", "renames")  # fmt: skip
_OF_SHUTIL = ("rmtree", "copy", "copy2", "copyfile", "copytree", "move")
_ALWAYS = {*(f"os.{name}" for name in _OF_OS), *(f"shutil.{name}" for name in _OF_SHUTIL)}
_METHODS = ("write_text", "write_bytes", "touch", "unlink", "rename", "mkdir", "symlink_to", "hardlink_to", "chmod")
_FLAGS = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_APPEND", "O_TRUNC")


def file_writes(module: Module) -> Iterator[str]:
    """What creates, changes or removes a file, by the name of the function."""
    for name, call in module.calls:
        rest = [*call.args, *(keyword.value for keyword in call.keywords)]
        if name in _ALWAYS or ("." in name and name.rpartition(".")[2] in _METHODS):
            yield name
        elif name in ("open", "io.open", "os.fdopen"):
            modes = [node.value for node in rest if isinstance(node, ast.Constant) and isinstance(node.value, str)]
            if any(set(mode) <= set("rwxabt+") and set(mode) & set("wxa+") for mode in modes):
                yield f"{name} to write"
        elif name == "os.open" and _is_to_write(call):
            yield "os.open to write"


def _is_to_write(call: ast.Call) -> bool:
    is_device = "/dev/" in ast.unparse(call.args[0])  # which is no file of anybody's
    return not is_device and any(flag in ast.unparse(arg) for arg in call.args[1:] for flag in _FLAGS)


WRITERS = (
    "store.py",
    "replacing.py",
    "commands/setup.py",
)  # replacing: a person's own file, with links, mode and owner
# Beside these and demo/: the lock, which is taken before store.py may be imported, and holds a process id.
# And the file that a CI job hands to its later steps; and the history, a line of which a warm `use` adds.
MAY_WRITE = {name: {"os.open to write"} for name in ("turn.py", "job.py", "history.py")}


def test_files_are_written_by_the_store_and_setup_and_the_demo_alone():
    found = {path: set(file_writes(module)) for path, module in modules().items()}
    others = {
        path: writes for path, writes in found.items()
        if writes and path not in WRITERS and not path.startswith("demo/") and writes != MAY_WRITE.get(path)
    }  # fmt: skip
    assert others == {}
    assert found["store.py"], "this test sees no writing at all"


def test_all_that_hot_writes_is_its_lock_and_a_line_of_history():
    (call,) = [call for name, call in modules()["turn.py"].calls if name == "os.open" and _is_to_write(call)]
    assert "/locks/" in ast.unparse(call)
    (call,) = [call for name, call in modules()["history.py"].calls if name == "os.open" and _is_to_write(call)]
    assert "O_APPEND" in ast.unparse(call) and "O_NOFOLLOW" in ast.unparse(call)


# ---- The map and its rows -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", modules())
def test_the_codemap_names(path):
    codemap = awsenv.__doc__ or ""
    folder, _, name = path.rpartition("/")
    if path == "__init__.py":
        assert codemap
    elif folder:
        assert re.search(rf"\b{re.escape(folder)}/", codemap)
    else:
        assert re.search(rf"(?<![\w/]){re.escape(name)}(?!\w)", codemap)


@pytest.mark.parametrize("path", modules())
def test_says_in_one_line_what_it_is_for(path):
    first, *rest = (ast.get_docstring(modules()[path].tree, clean=False) or "").split("\n")
    assert re.fullmatch(r"\S.*[.!?]", first), "a whole sentence"
    assert rest[:1] in ([], [""]), "on one line"


def test_no_file_of_the_codemap_is_missing():
    named = re.findall(r"(?<![\w/])(\w+\.py|\w+/(?=\s))", awsenv.__doc__ or "")
    assert len(named) > 20
    assert [
        name for name in named if not any((folder / name).exists() for folder in (PACKAGE, PACKAGE / "render", ROOT))
    ] == []


def test_every_dialect_has_its_shim_and_its_completion_and_the_reverse():
    shims = {path.name for path in (ROOT / "shell").iterdir() if re.fullmatch(r"awsenv\.\w+", path.name)}
    assert shims == {dialect.file for dialect in DIALECTS.values()}, "beside them lie what plugin managers look for"
    assert all(name == dialect.name for name, dialect in DIALECTS.items())
    completions = {"bash": "awsenv.bash", "zsh": "_awsenv", "fish": "awsenv.fish"}
    assert set(completions) == set(DIALECTS)
    assert {path.name for path in (ROOT / "completions").iterdir()} == set(completions.values())


def test_every_source_is_asked_and_every_claim_belongs_to_one():
    claims = {
        f"{Path(path).stem}.{node.name}"
        for path, module in modules().items() if path.startswith("sources/")
        for node in module.tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("claim")
    }  # fmt: skip
    asked = [f"{claim.__module__.rpartition('.')[2]}.{claim.__name__}" for claim in sources.SOURCES]
    assert sorted(asked) == sorted(claims)
    assert len(asked) == len(set(asked))


def test_every_format_is_a_row_and_is_offered():
    written = {
        node.name for node in modules()["render/formats.py"].tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }  # fmt: skip
    assert {function.__name__ for function in formats.FORMATS.values()} == written
    text = (PACKAGE / "cli.py").read_text()
    offered = re.search(r'"--format", help="([^"]*)"', text)
    assert offered and set(re.findall(r"\w+", offered[1])) - {"or"} == set(formats.FORMATS)


def test_every_verb_has_its_file_and_every_file_its_verb():
    files = {path.stem.replace("_", " ") for path in (PACKAGE / "commands").glob("*.py")} - {"  init  "}
    assert set(cli.verbs()) - files <= set(hot.CAPTURED), "off and refresh are hot.py's and use.py's"
    assert files <= set(cli.verbs())
    assert set(hot.HOT) <= set(cli.verbs())
    assert set(hot.CAPTURED) <= set(cli.verbs())


_ASK = {
    "bash": 'for v in {verbs}; do __awsenv_is_captured "$v" x && echo "captured $v"; done; '
            'echo managed "${{__awsenv_managed[@]}}"; echo own "${{__awsenv_own[@]}}"',
    "fish": 'for v in {verbs}; __awsenv_is_captured "$v" x; and echo "captured $v"; end; '
            "echo managed $__awsenv_managed; echo own $__awsenv_own",
}  # fmt: skip
_ASK["zsh"] = _ASK["bash"]


def test_the_shims_carry_the_same_lists(shell_name):
    verbs = [*cli.verbs(), *hot.CAPTURED, "frobnicate"]
    files = (DIALECTS[shell_name].file, DIALECTS[shell_name].verbs)
    script = "".join(f"source '{ROOT / 'shell' / file}'; " for file in files)
    script += _ASK[shell_name].format(verbs=" ".join(verbs))
    start = {"bash": ["bash", "--norc"], "zsh": ["zsh", "-f"], "fish": ["fish", "--no-config"]}[shell_name]
    lines = subprocess.run([*start, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {line.split()[1] for line in lines if line.startswith("captured ")} == set(hot.CAPTURED)
    said = {line.split()[0]: tuple(line.split()[1:]) for line in lines if line.startswith(("managed ", "own "))}
    assert said == {"managed": variables.MANAGED, "own": variables.OWN}


# ---- What is loaded -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scene(fake, tmp_path_factory):
    """A furnished home whose store knows every identity used here, by way of the cold path."""
    scene = furnished(tmp_path_factory.mktemp("scene"), fake)
    for profile in (STATIC, SSO, CHAIN):
        subprocess.run(argv("use", profile), env=scene.shim(), check=True, capture_output=True)
    return scene


WARM = {
    "use, static": (["use", STATIC], {}),
    "use, Identity Center": (["use", SSO], {}),
    "use, a chain": (["use", CHAIN], {}),
    "use, flags": (["use", "--", CHAIN], {}),
    "use -": (["use", "-"], {"AWSENV_PREVIOUS": f"-- {CHAIN}"}),
    "refresh": (["refresh"], {"AWSENV_PROFILE": CHAIN}),
    "here --hook": (["here", "--hook"], {}),
    "region": (["region", "eu-west-1"], {"AWSENV_PROFILE": CHAIN, "AWS_REGION": "eu-central-1"}),
    "off": (["off"], {"AWSENV_PROFILE": CHAIN, "AWSENV_STASHED": "1", "AWSENV_CHANGED": "AWS_REGION"}),
    "current": (["current"], {"AWSENV_PROFILE": CHAIN, "AWSENV_EXPIRES_AT": "9999999999"}),
    "init bash": (["init", "bash"], {}),
    "init --values fish": (["init", "--values", "fish"], {}),
    "list --names": (["list", "--names"], {}),
    "export, static": (["export", STATIC, "--format", "process"], {}),
    "export, a chain": (["export", CHAIN, "--format", "process"], {}),
    "export, as JSON": (["export", "--format=json", "--", SSO], {}),
}


@pytest.mark.parametrize("case", WARM)
def test_a_hot_verb_loads_next_to_nothing(case, scene, tmp_path):
    words, more = WARM[case]
    calls = probe.loaded(words, scene.shim(**more), str(tmp_path / "modules"))
    beyond = calls.beyond_bare()
    print(f"{case}: {len(beyond)} modules beyond a bare interpreter's: {' '.join(beyond)}")
    assert calls.status == 0, calls.stderr
    assert calls.stdout, "it has answered"
    assert "awsenv.cold" not in calls.modules, "this run was not warm"
    assert calls.families() & probe.HEAVY == set()
    assert len(beyond) <= probe.MOST


def test_every_hot_verb_is_among_those():
    assert {words[0] for words, _ in WARM.values()} == set(hot.HOT)


def test_a_cold_use_does_without_typer_and_rich(scene, tmp_path):
    env = scene.shim(AWSENV_STORE=str(tmp_path / "store"))
    calls = probe.loaded(["use", ROLE], env, str(tmp_path / "modules"))
    assert calls.status == 0, calls.stderr
    assert "botocore" in calls.modules, "this run was not cold"
    assert calls.families() & {"typer", "click", "rich", "pydantic", "boto3"} == set()


def test_help_does_without_aws(scene, tmp_path):
    for words in (["--help"], ["use", "--help"]):
        calls = probe.loaded(words, scene.plain(), str(tmp_path / "modules"))
        assert calls.status == 0
        assert "Usage" in calls.stdout
        assert calls.families() & {"boto3", "botocore", "pydantic"} == set()


def test_nothing_of_the_outside_is_imported_by_naming_a_profile_wrongly(scene, tmp_path):
    calls = probe.loaded(["use", "nobody"], scene.shim(), str(tmp_path / "modules"))
    assert calls.status == 3
    assert calls.families() & {"typer", "rich", "boto3", "botocore"} == set()


# ---- The paths that hot.py works out by itself ----------------------------------------------------------------------

CACHES = {
    "nothing set": {},
    "XDG_CACHE_HOME": {"XDG_CACHE_HOME": "/somewhere/else"},
    "with a blank and a quote": {"XDG_CACHE_HOME": "/some where/it's"},
    "empty": {"XDG_CACHE_HOME": ""},
    "blank": {"XDG_CACHE_HOME": " "},
    "relative, which the XDG specification says to ignore": {"XDG_CACHE_HOME": "relative"},
    "with a slash at its end": {"XDG_CACHE_HOME": "/somewhere/else/"},
    "the runtime folder is not ours": {"XDG_RUNTIME_DIR": "/"},
    "no runtime folder": {"XDG_RUNTIME_DIR": "/nonexistent"},
}


@pytest.mark.skipif(sys.platform != "linux", reason="the XDG variables are Linux's")
@pytest.mark.parametrize("case", CACHES)
def test_the_store_is_where_platformdirs_puts_a_cache(case, monkeypatch):
    env = {"HOME": "/home/some one", "XDG_RUNTIME_DIR": "/nonexistent", **CACHES[case]}
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    root = shelf.store_root(env)
    assert root is not None
    assert os.path.normpath(root) == os.path.normpath(platformdirs.user_cache_dir("awsenv"))


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="needs a tmpfs")
def test_a_runtime_folder_of_ours_in_memory_comes_first(tmp_path):
    folder = Path("/dev/shm") / f"awsenv-test-{os.getpid()}"
    folder.mkdir(mode=0o700)
    env = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(folder)}
    try:
        assert shelf.store_root(env) == f"{folder}/awsenv"
        folder.chmod(0o755)
        assert shelf.store_root(env) == f"{tmp_path}/.cache/awsenv", "others may look into it"
        folder.chmod(0o700)
        link = tmp_path / "link"
        link.symlink_to(folder)
        assert shelf.store_root(env | {"XDG_RUNTIME_DIR": str(link)}) == f"{tmp_path}/.cache/awsenv"
    finally:
        shutil.rmtree(folder)


def test_a_runtime_folder_on_a_disk_is_not_used(tmp_path):
    tmp_path.chmod(0o700)
    if "tmpfs" in subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True).stdout:
        pytest.skip("the tests' folder is in memory here")
    env = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    assert shelf.store_root(env) == f"{tmp_path}/.cache/awsenv"


def test_without_a_home_there_is_no_store():
    assert shelf.store_root({"XDG_RUNTIME_DIR": "/nonexistent"}) is None
    assert shelf.store_root({"XDG_RUNTIME_DIR": "/nonexistent", "HOME": "relative"}) is None
