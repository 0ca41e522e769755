"""TAB in real shells: what is offered, that a name arrives in argv exactly as it stands in the file, and that nothing runs."""

import os
import re
import shlex
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import botocore.configloader
import pexpect
import pytest

ROOT = Path(__file__).resolve().parent.parent
COMPLETIONS = ROOT / "completions"
FILES = {"bash": COMPLETIONS / "awsenv.bash", "zsh": COMPLETIONS / "_awsenv", "fish": COMPLETIONS / "awsenv.fish"}
SHELLS = tuple(FILES)

VERBS = {
    "use",
    "here",
    "off",
    "refresh",
    "region",
    "current",
    "whoami",
    "login",
    "logout",
    "sessions",
    "console",
    "list",
    "explain",
    "export",
    "exec",
    "init",
    "setup",
    "settings",
    "doctor",
    "wrap",
    "trust",
    "demo",
    "sso",
}
# Those over any profile, of every verb that takes an identity.
OVER = {
    "--role", "--session-name", "--external-id", "--source-identity", "--tag", "--policy", "--policy-arn", "--read-only"
}  # fmt: skip
OPTIONS = {
    "use": {"--region", "--duration", "--fresh", "--as", "--mfa-stdin", "--yes"} | OVER,
    "here": set(),
    "off": set(),
    "refresh": {"--fresh"},
    "region": {"--force"},
    "current": {"--json"},
    "whoami": {"--json", "--mfa-stdin"} | OVER,
    "login": {"--device", "--no-browser", "--fresh"},
    "logout": {"--all"},
    "sessions": {"--json"},
    "console": {"--service", "--region", "--print", "--mfa-stdin"} | OVER,
    "list": {"--json", "--names"},
    "explain": {"--json", "--region", "--duration"} | OVER,
    "export": {"--format", "--show", "--allow-login", "--region", "--duration", "--fresh", "--mfa-stdin"} | OVER,
    "exec": {"--region", "--duration", "--fresh", "--mfa-stdin", "--yes"} | OVER,
    "init": {"--values"},
    "setup": {"--yes", "--remove", "--print"},
    "settings": {"--json", "--template"},
    "doctor": {"--fix", "--yes", "--dry-run", "--json"},
    "wrap": {"--names", "--remove", "--prune", "--yes", "--dry-run", "--json"},
    "trust": {"--list", "--remove", "--yes"},
    "demo": {"--shell"},
    "sso": set(),
}
# verb → the verbs below it → their options
BELOW = {
    "sso": {
        "import": {
            "--names", "--region", "--role-over", "--account", "--role", "--prune", "--yes", "--dry-run", "--json"
        },
        "add": {
            "--session", "--start-url", "--region", "--scopes", "--account", "--role", "--profile", "--profile-region",
            "--yes", "--device", "--no-browser",
        },
    },
}  # fmt: skip

# Names that a file can hold and a shell could trip over. None has a control character.
PAYLOADS = [
    "x$(touch PWN)",
    "x`touch PWN`",
    "x; touch PWN; #",
    'x"; touch PWN; "',
    "x'; touch PWN; '",
    "x\\",
    "x\\'; touch PWN; #",
    "x(touch PWN)",
    'x"(touch PWN)"',
    "x & touch PWN",
    "x<(touch PWN)",
    "x>PWN",
    "x|touch PWN",
    "*",
    "?ile[AB]",
    "~root",
    "~",
    "None",
    "\\$(touch PWN)",
    "\\`touch PWN\\`",
    "p:$(touch PWN)",
    "acct:Admin:",
    "p[$(touch PWN)]",
    "p%n@%m%F{red}X",
    "p\\[\\e]0;OWNED\\a\\]\\u",
    "[/foo]",
    "[link=https://evil]prod[/link]",
    ":bomb:",
    "evil.example/#",
    "Admin&account_id=222",
    "../../x",
    "@file",
    "${IFS}",
    "!!",
    "{a,b}",
    "=ls",
    "a=b",
    "#comment",
    "prod cn-north-1",
    " led and  trailed ",
    "it's",
    'the "big" one',
    "ünï-日本-🚀",
    "default",
    "n" * 1000,
]
# Never offered: what can't be seen can't be chosen. Bytes, since some are not UTF-8.
HIDDEN = [
    b"h\x1b]0;OWNED\x07",
    b"h\x1b[31m",
    b"h\x07",
    b"h\x7f",
    b"h\x01",
    b"h\ttab",
    b"prod\rdev",
    "h\u009b31m".encode(),
    "h\u202edorp".encode(),
    "h\u2028".encode(),
    "h\u200b".encode(),
    "h\ufeff".encode(),
    b"h\xff",
    b"h\xc3(",
    b"h\xed\xb3\xbf",
]

# fish offers nothing that begins with a dot, and leaves a ~ it inserts to be expanded, until one has typed that much.
FISH_BEGINS = {"../../x": ".", "~root": "\\~", "~": "'~"}

SETUP = {
    "bash": """
        bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; bind 'set completion-query-items 0'
        bind 'set page-completions off'
        awsenv() {{ command printf '%s\\0' "$@" >|"$OUT.part"; command mv "$OUT.part" "$OUT"; }}
        {options}
        . {file}
        record() {{ __awsenv_complete "$@"; printf '%s\\n' "${{COMPREPLY[@]}}" >|"$HITS"; }}
        PS1='ready> '
    """,
    "zsh": """
        fpath=({folder} $fpath); autoload -Uz compinit; compinit -D -u
        unsetopt beep; LISTMAX=100000
        awsenv() {{ command printf '%s\\0' "$@" >|"$OUT.part"; command mv "$OUT.part" "$OUT" }}
        record() {{
          compadd() {{
            [[ ${{@[(I)-(O|A|D)]}} == 0 ]] && {{ local -a hits; builtin compadd -O hits "$@"; print -rl -- $hits >>$HITS }}
            builtin compadd "$@"
          }}
        }}
        {options}
        PS1='ready> '
    """,
    "fish": """
        set fish_greeting; set -p fish_complete_path {folder}
        function awsenv; command printf '%s\\0' $argv >$OUT.part; command mv $OUT.part $OUT; end
        {options}
        function fish_prompt; echo -n 'ready> '; end
    """,
}


class Terminal:
    """A shell on a pty whose `awsenv` notes the arguments it was given, in an empty folder where a canary would show."""

    def __init__(self, shell: str, tmp: Path, options: str = "", argv: tuple[str, ...] = (), **env: str) -> None:
        self.shell = shell
        self.home, self.cwd, self.out, self.hits = tmp / "home", tmp / "cwd", tmp / "argv", tmp / "hits"
        for folder in (self.home / ".aws", self.cwd):
            folder.mkdir(parents=True, exist_ok=True)
        (self.cwd / "fileA").touch()
        self.config, self.credentials = self.home / ".aws/config", self.home / ".aws/credentials"
        rc = tmp / f"rc.{shell}"
        rc.write_text(SETUP[shell].format(options=options, folder=FILES[shell].parent, file=FILES[shell]))
        start = {
            "bash": ["bash", "--norc", "--noprofile", "-i"],
            "zsh": ["zsh", "-f", "-i"],
            "fish": ["fish", "--no-config", "-i"],
        }
        base = {"HOME": str(self.home), "PATH": os.environ["PATH"], "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        base |= {"OUT": str(self.out), "HITS": str(self.hits), "XDG_DATA_HOME": str(tmp), "XDG_CONFIG_HOME": str(tmp)}
        command = [*start[shell], *argv]
        self.child = pexpect.spawn(
            command[0], command[1:], cwd=self.cwd, env=base | env, encoding="utf-8", dimensions=(60, 400), timeout=15
        )
        self.child.delaybeforesend = None
        self.child.sendline(f" . {shlex.quote(str(rc))}")
        self.child.expect_exact("ready> ")

    def enter(self, line: str, tabs: int = 1) -> list[str]:
        """The arguments that `awsenv` got when *line*, TAB and Enter were typed."""
        self.out.unlink(missing_ok=True)
        self.child.send(line + "\t" * tabs + "\r")
        deadline = time.monotonic() + 15
        while not self.out.exists():
            assert time.monotonic() < deadline, f"awsenv was never called; the terminal shows {self.screen()!r}"
            time.sleep(0.002)
        self.child.expect_exact("ready> ")
        return self.out.read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1]

    def screen(self) -> str:
        """What has been printed since the last look."""
        try:
            self.child.expect(pexpect.TIMEOUT, timeout=0.5)
        except pexpect.EOF:
            return str(self.child.before) + "<the shell is gone>"
        return str(self.child.before)

    def offers(self, line: str) -> set[str]:
        """The candidates behind *line*, as bash quotes them, as zsh and fish name them; without their descriptions."""
        return {hit.partition("\t")[0] for hit in self.shown(line)}

    def shown(self, line: str) -> list[str]:
        """The candidates behind *line*, each as often as it is offered; in fish with its description behind a tab."""
        self.hits.unlink(missing_ok=True)
        if self.shell == "fish":
            self.child.sendline(f"complete -C {fish_quote(line)} >$HITS.part; command mv $HITS.part $HITS; awsenv")
            self.child.expect_exact("ready> ")
        else:
            self.enter({"bash": "complete -F record awsenv; awsenv", "zsh": "record; awsenv"}[self.shell], tabs=0)
            self.child.send(line + "\t\x15")
            self.enter("awsenv", tabs=0)
        while not self.hits.exists():
            if self.shell == "zsh":
                return []  # compadd was never called
            time.sleep(0.002)
        return [hit for hit in self.hits.read_text(errors="surrogateescape").splitlines() if hit]

    def close(self) -> None:
        self.child.close(force=True)
        assert not list(self.cwd.parent.rglob("PWN*")), "a name was executed"


def fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted(name: str) -> str:
    """The header by which botocore finds exactly *name* in the config file."""
    return '[profile "' + name.replace("\\", "\\\\").replace('"', '\\"') + '"]\n'


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(shell: str, *args: str, **kwargs: str) -> Terminal:
        if not shutil.which(shell):
            if os.environ.get("CI"):
                pytest.fail(f"{shell} is missing")
            pytest.skip(f"{shell} is not installed here")
        opened.append(Terminal(shell, tmp_path, *args, **kwargs))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


@pytest.fixture(params=SHELLS)
def terminal(request: pytest.FixtureRequest, open_terminal: Callable[..., Terminal]) -> Terminal:
    return open_terminal(request.param)


# What is offered


def test_every_verb_is_offered(terminal: Terminal) -> None:
    assert terminal.offers("awsenv ") == VERBS


def test_help_and_version_are_offered_before_a_verb(terminal: Terminal) -> None:
    assert terminal.offers("awsenv --") == {"--help", "--version"}


def test_every_verb_offers_its_own_options_and_help(terminal: Terminal) -> None:
    offered = {verb: {o.rstrip("=") for o in terminal.offers(f"awsenv {verb} --")} - {"--"} for verb in VERBS}
    assert offered == {verb: options | {"--help"} for verb, options in OPTIONS.items()}


@pytest.mark.parametrize("verb", BELOW)
def test_every_verb_below_a_verb_is_offered_with_its_own_options(terminal: Terminal, verb: str) -> None:
    assert terminal.offers(f"awsenv {verb} ") == set(BELOW[verb])
    for below, options in BELOW[verb].items():
        offered = {option.rstrip("=") for option in terminal.offers(f"awsenv {verb} {below} --")} - {"--"}
        assert offered == options | {"--help"}, below


def test_a_file_is_offered_where_one_is_to_be_trusted(terminal: Terminal) -> None:
    assert terminal.enter("awsenv trust fil") == ["trust", "fileA"]
    assert terminal.enter("awsenv trust --rem") == ["trust", "--remove"]


def test_profiles_are_offered_at_every_place_behind_wrap(terminal: Terminal) -> None:
    terminal.config.write_text("[profile one]\n[profile two words]\n" + quoted("two words"))
    assert terminal.enter("awsenv wrap --names x on") == ["wrap", "--names", "x", "one"]
    assert terminal.enter("awsenv wrap one --yes tw") == ["wrap", "one", "--yes", "two words"]


def test_sessions_are_offered_where_one_is_meant_and_profiles_are_not(open_terminal: Callable[..., Terminal]) -> None:
    for shell in SHELLS:
        if not shutil.which(shell):
            continue
        terminal = open_terminal(shell)
        terminal.config.write_text(
            "[profile corp-dev]\n[sso-session corp]\n[sso-session 'two words']\n[sso-session]\n[services corp-x]\n"
            '[sso-session "x$(touch PWN)"]\n[sso-session h\x1b[31m]\n[sso-session a b]\n'
        )
        assert terminal.enter("awsenv sso import co") == ["sso", "import", "corp"], shell
        assert terminal.enter("awsenv login tw") == ["login", "two words"], shell
        assert terminal.enter("awsenv logout corp-") == ["logout", "corp-dev"], shell
        assert terminal.enter("awsenv sso import --yes --names x tw") == [
            "sso",
            "import",
            "--yes",
            "--names",
            "x",
            "two words",
        ]
        assert terminal.enter("awsenv sso add --session tw") == ["sso", "add", "--session", "two words"], shell
        assert terminal.enter("awsenv sso import x\\$") == ["sso", "import", "x$(touch PWN)"], shell
        assert len(terminal.offers("awsenv sso import ") - {"--"}) == 3, shell
        assert not terminal.offers("awsenv sso import corp c"), shell
        terminal.close()


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("awsenv sso im", ["sso", "import"]),
        ("awsenv sso import --dry", ["sso", "import", "--dry-run"]),
        ("awsenv sso a", ["sso", "add"]),
        ("awsenv sso add --start-url x --profile-r", ["sso", "add", "--start-url", "x", "--profile-region"]),
        (
            "awsenv sso add --profile y --profile-region eusc",
            ["sso", "add", "--profile", "y", "--profile-region", "eusc-de-east-1"],
        ),
        ("awsenv sso import --region eusc", ["sso", "import", "--region", "eusc-de-east-1"]),
        ("awsenv ref", ["refresh"]),
        ("awsenv use x --region eusc", ["use", "x", "--region", "eusc-de-east-1"]),
        ("awsenv use --region=cn-northw", ["use", "--region=cn-northwest-1"]),
        ("awsenv explain --region us-gov-e", ["explain", "--region", "us-gov-east-1"]),
        ("awsenv exec x --duration 3", ["exec", "x", "--duration", "30m"]),
        ("awsenv use --as p", ["use", "--as", "profile"]),
        ("awsenv export --format dot", ["export", "--format", "dotenv"]),
        ("awsenv console --service lam", ["console", "--service", "lambda"]),
        ("awsenv console dep", ["console", "deploy"]),
        ("awsenv demo --shell z", ["demo", "--shell", "zsh"]),
        ("awsenv init f", ["init", "fish"]),
        ("awsenv list --n", ["list", "--names"]),
        ("awsenv use --region eu-west-1 dep", ["use", "--region", "eu-west-1", "deploy"]),
        ("awsenv exec deploy -- printen", ["exec", "deploy", "--", "printenv"]),
        ("awsenv exec deploy -- cat fi", ["exec", "deploy", "--", "cat", "fileA"]),
        ("awsenv demo -- printen", ["demo", "--", "printenv"]),
    ],
)
def test_what_is_begun_is_completed(shell_of_lines: dict[str, Terminal], line: str, arguments: list[str]) -> None:
    for terminal in shell_of_lines.values():
        assert terminal.enter(line) == arguments, terminal.shell


@pytest.fixture(scope="module")
def shell_of_lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Terminal]]:
    """One terminal a shell for all the lines above: starting them takes longer than typing."""
    terminals = {shell: Terminal(shell, tmp_path_factory.mktemp(shell)) for shell in SHELLS if shutil.which(shell)}
    for terminal in terminals.values():
        terminal.config.write_text("[profile deploy]\n")
    yield terminals
    for terminal in terminals.values():
        terminal.close()


@pytest.mark.parametrize("verb", ["use", "whoami", "explain", "export", "exec"])
def test_profile_names_are_offered_once_and_only_as_the_first_word(
    shell_of_lines: dict[str, Terminal], verb: str
) -> None:
    for terminal in shell_of_lines.values():
        assert terminal.enter(f"awsenv {verb} d") == [verb, "deploy"]
        assert not terminal.offers(f"awsenv {verb} deploy d")


@pytest.mark.parametrize("verb", ["off", "refresh", "current", "list", "init", "demo"])
def test_verbs_without_a_profile_offer_none(shell_of_lines: dict[str, Terminal], verb: str) -> None:
    for terminal in shell_of_lines.values():
        assert "deploy" not in terminal.offers(f"awsenv {verb} d")


def test_the_previous_identity_is_offered_to_use_alone(shell_of_lines: dict[str, Terminal]) -> None:
    for terminal in shell_of_lines.values():
        assert "-" in terminal.offers("awsenv use ")
        assert "-" in terminal.offers("awsenv use -")
        assert "-" not in terminal.offers("awsenv whoami ")


def test_managed_policies_and_files_are_suggested_for_a_session(shell_of_lines: dict[str, Terminal]) -> None:
    managed = {f"arn:aws:iam::aws:policy/{name}" for name in ("ReadOnlyAccess", "SecurityAudit", "PowerUserAccess")}
    for terminal in shell_of_lines.values():
        typed = terminal.enter("awsenv use x --policy-arn arn:aws:iam::aws:policy/Read")
        assert typed == ["use", "x", "--policy-arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"], terminal.shell
        assert terminal.enter("awsenv exec x --policy fil") == ["exec", "x", "--policy", "fileA"], terminal.shell
        assert terminal.enter("awsenv exec x --tag a=b --rea")[-1] == "--read-only", terminal.shell
        if terminal.shell != "bash":  # whose candidates lack what readline already has
            assert managed < terminal.offers("awsenv use x --policy-arn ar")


def test_durations_are_suggested(shell_of_lines: dict[str, Terminal]) -> None:
    for terminal in shell_of_lines.values():
        assert terminal.offers("awsenv use --duration ") == {"15m", "30m", "1h", "2h", "4h", "8h", "12h"}


# Which names there are

CONFIG = """\ufeff[default]
# the team's file
region = eu-west-1
[profile plain]
  s3 =
    addressing_style = path
[profile "two words"]
[profile 'single']\r
[profile half'way quoted'] # it's a comment
[profile it\\'s]
[profile "cl]osed"] # see [there]
[profilefoo zzz]
[profile\ttabbed]
[profile plain]
; [profile commented]
#[profile commented2]
[profile three words x]
[profile "unbalanced]
[profile ""]
[profile]
[bare]
[sso-session corp]
[services local]
[plugins]
[ profile led]
[profile deploy]
"""
CREDENTIALS = """[deploy]
aws_access_key_id = AKIA
[profile verbatim]
[sso-session also a profile here]
[with "quotes"]
[back\\slash]
[it's]
"""
NAMES = {"default", "plain", "two words", "single", "halfway quoted", "it's", "cl]osed", "zzz", "tabbed", "deploy"}
NAMES |= {"profile verbatim", "sso-session also a profile here", 'with "quotes"', "back\\slash"}


def test_the_names_are_those_that_awsenv_itself_finds(terminal: Terminal) -> None:
    terminal.config.write_text(CONFIG, newline="")
    terminal.credentials.write_text(CREDENTIALS)
    offered = [hit.partition("\t")[0] for hit in terminal.shown("awsenv whoami ")]
    if terminal.shell == "bash":
        offered = [shlex.split(name)[0] for name in offered]
    assert sorted(offered) == sorted(NAMES)
    sections = pytest.importorskip("awsenv.sections")
    assert set(sections.names(CONFIG.removeprefix("\ufeff"), CREDENTIALS)) - {""} == NAMES


def test_windows_line_ends_are_no_part_of_a_name(terminal: Terminal) -> None:
    terminal.config.write_bytes(CONFIG.replace("\r\n", "\n").replace("\n", "\r\n").encode())
    assert terminal.enter("awsenv whoami pl") == ["whoami", "plain"]
    assert terminal.enter("awsenv whoami two") == ["whoami", "two words"]


def test_files_named_in_the_environment_are_read_instead(terminal: Terminal, tmp_path: Path) -> None:
    terminal.config.write_text("[profile wrong]\n")
    (terminal.home / "odd = name").write_text("[profile right]\n")
    (tmp_path / "cwd/creds=x").write_text("[other]\n")
    export = {"fish": "set -gx {} '{}'; awsenv"}.get(terminal.shell, "export {}='{}'; awsenv")
    terminal.enter(export.format("AWS_CONFIG_FILE", "~/odd = name"), tabs=0)
    terminal.enter(export.format("AWS_SHARED_CREDENTIALS_FILE", "creds=x"), tabs=0)
    assert terminal.offers("awsenv whoami ") == {"right", "other"}


CORP = """[profile corp]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = Admin\u001b[31mReadOnly
[profile ops]
# role_arn = arn:aws:iam::999999999999:role/Commented
role_arn=arn:aws:iam::444455556666:role/path/Op:er$(touch PWN)ator
[profile keys]
region = eu-west-1
"""


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_descriptions_name_account_and_role(open_terminal: Callable[..., Terminal], shell: str) -> None:
    terminal = open_terminal(shell)
    terminal.config.write_text(CORP)
    if shell == "fish":
        shown = "\n".join(terminal.shown("awsenv use "))
    else:
        terminal.child.send("awsenv use \t")
        shown = terminal.screen()
    assert "111122223333/Admin" in shown
    assert "444455556666/Op:er$(touch" in shown
    assert "999999999999" not in shown
    assert "\x1b[31mRead" not in shown


# That a name arrives exactly, and nothing runs


@pytest.mark.parametrize("where", ["config", "credentials"])
def test_names_arrive_exactly_and_nothing_runs(terminal: Terminal, where: str) -> None:
    sections = pytest.importorskip("awsenv.sections")
    wrong, tried = {}, 0
    for name in PAYLOADS:
        if where == "config":
            terminal.config.write_text(quoted(name))
            assert name in botocore.configloader.load_config(str(terminal.config))["profiles"], name
        else:
            terminal.credentials.write_text(f"[{name}]\n")
            if sections.names("", f"[{name}]\n") != [name]:
                continue
        tried += 1
        begun = FISH_BEGINS.get(name, "") if terminal.shell == "fish" else ""
        got = terminal.enter(f"awsenv whoami {begun}")
        if got != ["whoami", name]:
            wrong[name] = got
    assert not wrong
    assert tried > 30
    assert not list(terminal.cwd.glob("PWN*"))


OPEN_QUOTES = [
    'it\'s a "name"',
    "it $(touch PWN) `touch PWN`",
    "it's \\ it",
    "it!!",
    "it costs $HOME",
    "it:has:colons",
    "it's'",
    "it!",
    "it\\",
    "it`",
    'it"',
]


@pytest.mark.parametrize("begun", ["it", "'it", '"it'])
def test_a_word_begun_in_quotes_is_finished_in_them(terminal: Terminal, begun: str) -> None:
    wrong = {}
    for name in OPEN_QUOTES:
        terminal.config.write_text(quoted(name))
        got = terminal.enter(f"awsenv whoami {begun}")
        if got != ["whoami", name]:
            wrong[name] = got
    assert not wrong


@pytest.mark.parametrize(
    "typed",
    ["acct:A", "acct:", "acct\\:Ad", "'acct:A", '"acct:A', "acc"],
)
def test_a_colon_in_a_name_is_no_obstacle(shell_of_lines: dict[str, Terminal], typed: str) -> None:
    for terminal in shell_of_lines.values():
        config = terminal.home / "colons"
        config.write_text('[profile "acct:Admin role"]\n')
        word = "set -gx AWS_CONFIG_FILE" if terminal.shell == "fish" else "export AWS_CONFIG_FILE="
        terminal.enter(f"{word} {config}; awsenv".replace("= ", "="), tabs=0)
        assert terminal.enter(f"awsenv whoami {typed}") == ["whoami", "acct:Admin role"], terminal.shell
        terminal.enter(
            "set -e AWS_CONFIG_FILE; awsenv" if terminal.shell == "fish" else "unset AWS_CONFIG_FILE; awsenv", tabs=0
        )


def test_what_several_names_share_is_inserted_and_the_rest_can_follow(terminal: Terminal) -> None:
    terminal.config.write_text(quoted("team a (dev)") + quoted("team a (prod)"))
    assert terminal.enter("awsenv whoami t\tp") == ["whoami", "team a (prod)"]


@pytest.mark.parametrize("name", ["--help", "-rf", "--", "-"])
def test_a_name_that_looks_like_an_option_is_offered_only_behind_dashes(terminal: Terminal, name: str) -> None:
    terminal.config.write_text(quoted(name))
    assert terminal.enter("awsenv whoami ") == ["whoami"]
    assert terminal.enter("awsenv whoami -- ") == ["whoami", "--", name]


def test_names_that_cannot_be_seen_are_never_offered(terminal: Terminal) -> None:
    terminal.config.write_bytes(
        b"".join(b'[profile "%s"]\n[profile %s]\n' % (name, name) for name in HIDDEN) + b"[profile hello]\n"
    )
    terminal.credentials.write_bytes(b"".join(b"[%s]\n" % name for name in HIDDEN))
    assert terminal.offers("awsenv whoami ") == {"hello"}
    assert terminal.enter("awsenv whoami h") == ["whoami", "hello"]


def test_a_nul_in_the_file_hides_only_its_own_name(terminal: Terminal) -> None:
    terminal.config.write_bytes(b'[profile "h\0x"]\n[profile hello]\n')
    assert terminal.enter("awsenv whoami h") == ["whoami", "hello"]


# Files that are not there, odd settings


def _missing(path: Path) -> None:
    path.unlink(missing_ok=True)


def _unreadable(path: Path) -> None:
    path.write_text("[profile secret]\n")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads everything")


@pytest.mark.parametrize("spoil", [_missing, _unreadable, Path.mkdir, os.mkfifo, Path.touch], ids=lambda f: f.__name__)
def test_a_file_that_cannot_be_read_means_no_names_no_words_and_no_wait(
    terminal: Terminal, spoil: Callable[[Path], None]
) -> None:
    spoil(terminal.config)
    terminal.credentials.write_text("[deploy]\n")
    assert terminal.enter("awsenv whoami d") == ["whoami", "deploy"]
    spoil_too = terminal.credentials
    spoil_too.unlink()
    spoil(spoil_too)
    terminal.screen()
    assert terminal.enter("awsenv whoami d") == ["whoami", "d"]
    assert not re.search(r"awsenv_|denied|No such|directory|error|warning|awk", str(terminal.child.before))


ODD_BASH = """
    set -euC -o pipefail; set -f; shopt -s nullglob failglob extglob; IFS=0:
    alias local=false printf=false case=false awk=false exec=false set=false return=false compgen=false builtin=false
    awk() { false; }; printf() { false; }; local() { false; }; set() { false; }
    GREP_OPTIONS=x; POSIXLY_CORRECT=1
"""
ODD_ZSH = """
    setopt ksh_arrays sh_word_split glob_subst no_unset warn_create_global no_aliases rc_expand_param csh_null_glob \
        no_nomatch rc_quotes ignore_braces no_bare_glob_qual csh_junkie_quotes magic_equal_subst
    alias -g awsenv_read=false
"""
ODD_FISH = "set -g IFS 0; function string_; end; alias cat=false; set -g token x; set -g names y; set -g file z"


@pytest.mark.parametrize(("shell", "options"), [("bash", ODD_BASH), ("zsh", ODD_ZSH), ("fish", ODD_FISH)])
def test_odd_settings_of_the_shell_do_no_harm(open_terminal: Callable[..., Terminal], shell: str, options: str) -> None:
    terminal = open_terminal(shell, options)
    terminal.config.write_text(quoted("two *") + "[profile other]\n")
    assert terminal.enter("awsenv whoami tw") == ["whoami", "two *"]
    assert terminal.enter("awsenv use --region us-gov-w") == ["use", "--region", "us-gov-west-1"]
    assert terminal.enter("awsenv ref") == ["refresh"]


def test_the_shells_own_settings_survive_a_tab_in_bash(open_terminal: Callable[..., Terminal]) -> None:
    terminal = open_terminal("bash")
    terminal.config.write_text("[profile deploy]\n")
    before = terminal.enter('awsenv "$-" "$IFS" "$(shopt)" "$(compgen -v)" a', tabs=0)
    assert terminal.enter("awsenv whoami d") == ["whoami", "deploy"]
    after = terminal.enter('awsenv "$-" "$IFS" "$(shopt)" "$(compgen -v)" a', tabs=0)
    strip = {"COMPREPLY", "_", "BASH_ARGC", "BASH_ARGV"}
    assert after[:3] == before[:3]
    assert set(after[3].split()) - set(before[3].split()) - strip == set()


def test_bash_in_posix_mode_completes(open_terminal: Callable[..., Terminal]) -> None:
    terminal = open_terminal("bash", "set -o posix")
    terminal.config.write_text(quoted("two words"))
    assert terminal.enter("awsenv whoami tw") == ["whoami", "two words"]


def test_a_tab_in_bash_starts_one_process_and_no_more(open_terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is not installed here")
    (tmp_path / "one").write_text("[profile deploy]\n")
    press = "COMP_LINE='awsenv use d' COMP_POINT=12; __awsenv_complete awsenv d; [[ ${COMPREPLY[0]} == deploy ]]"
    script = f". {FILES['bash']}; {press}"
    trace = tmp_path / "trace"
    command = [
        "strace",
        "-f",
        "-e",
        "trace=clone,clone3,fork,vfork,execve",
        "-o",
        str(trace),
        "bash",
        "--norc",
        "-c",
        script,
    ]
    subprocess.run(command, check=True, env={"PATH": os.environ["PATH"], "AWS_CONFIG_FILE": str(tmp_path / "one")})
    calls = trace.read_text()
    assert len(re.findall(r"\b(?:clone3?|v?fork)\(", calls)) == 1
    assert len(re.findall(r"execve\(.* = 0", calls)) == 2  # bash itself and awk


# The files themselves


def test_shellcheck_has_nothing_to_say() -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed here")
    found = subprocess.run(["shellcheck", str(FILES["bash"])], capture_output=True, text=True)
    assert found.stdout + found.stderr == ""


@pytest.mark.parametrize(
    "command",
    [["bash", "-n"], ["bash", "--posix", "-n"], ["zsh", "-n"], ["fish", "--no-execute"], ["fish_indent", "--check"]],
    ids=" ".join,
)
def test_each_shell_can_read_its_file(command: list[str]) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed here")
    file = FILES["fish" if command[0] == "fish_indent" else command[0]]
    found = subprocess.run([*command, str(file)], capture_output=True, text=True)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_sourcing_twice_prints_nothing(shell: str, tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed here")
    strict = "set -euo pipefail; " if shell == "bash" else ""
    found = subprocess.run(
        [shell, "-c", f"{strict}. {FILES[shell]}; . {FILES[shell]}"],
        capture_output=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")


def test_bash_file_keeps_to_what_bash_3_2_knows() -> None:
    text = re.sub(r"(?m)^\s*#.*", "", FILES["bash"].read_text())
    newer = r"mapfile|readarray|local -n|declare -A|local -A|coproc|EPOCH|%\(|&>>|\|&|\[-1\]|<<<|< <\("
    newer += r"|\$\{\w+@|\$\{\w+(\^|,,)|compgen -W"  # the last one every bash has, and evaluates names with
    assert re.findall(newer, text) == []


def test_no_file_is_executable() -> None:
    assert [file.name for file in FILES.values() if file.stat().st_mode & stat.S_IXUSR] == []


def _spellings(shell: str) -> tuple[str, Callable[[str], str]]:
    text = FILES[shell].read_text()
    if shell == "fish":
        return text, lambda option: rf"(?m)^complete .* -l {re.escape(option.removeprefix('--'))}\b"
    return text, lambda option: rf"(?<![\w-]){re.escape(option)}(?![\w-])"


@pytest.mark.parametrize("shell", SHELLS)
def test_every_visible_verb_and_option_of_the_program_is_in_the_file(shell: str) -> None:
    cli = pytest.importorskip("awsenv.cli")
    import typer.main

    tree = typer.main.get_command(cli.app)
    text, spelling = _spellings(shell)
    verbs = {name: verb for name, verb in tree.commands.items() if not verb.hidden}  # type: ignore[attr-defined]
    assert set(verbs) == VERBS
    missing = []
    for name, command in {"": tree, **verbs}.items():
        for parameter in command.params:
            if getattr(parameter, "hidden", False) or parameter.param_type_name != "option":
                continue
            for option in (*parameter.opts, *parameter.secondary_opts):
                if option.startswith("--") and not re.search(spelling(option), text):
                    missing.append(f"{name} {option}")
    assert missing == []
    offered = {
        name: {o for p in verb.params for o in p.opts if o.startswith("--") and not getattr(p, "hidden", False)}
        for name, verb in verbs.items()
    }
    assert {name: options - {"--help"} for name, options in offered.items()} == OPTIONS
    below = {
        name: {
            sub: {o for p in verb.params for o in p.opts if o.startswith("--")} - {"--help"}
            for sub, verb in group.commands.items()  # type: ignore[attr-defined]
        }
        for name, group in verbs.items() if hasattr(group, "commands")
    }  # fmt: skip
    assert below == BELOW
    missing = [
        o for group in below.values() for options in group.values() for o in options if not re.search(spelling(o), text)
    ]
    assert missing == []
