"""A day at work, for tests: shells on ptys, one store, the fake AWS, and a clock that can be put forward under all of them.

day.elapse(75)                  # minutes, while every prompt stands as it was drawn
day.command(terminal)           # types `aws`, and notes what it was given, what AWS says to that, and what the prompt says

The clock goes forward by all else going back: the store, the login, AWS's own sessions, and, before anything of awsenv runs
in a shell, the times which that shell keeps.
"""

import dataclasses
import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from awsenv import assets
from awsenv.demo.fake import FakeAws
from awsenv.demo.house import SESSION, START_URL, furnish, token_file
from tests.shells import ROOT, Shell, Terminal

ROLE = "arn:aws:iam::555555555555:role/Worker"
WORKER = f"""
[profile worker]
region = eu-west-1
role_arn = {ROLE}
source_profile = hoge1
duration_seconds = 900
"""
HALF_A_DAY = "AdministratorAccess-123456789012"
LIMIT = 5.0  # milliseconds that a hook may take
ASKED = re.compile(r"\[[yY]/[nN]\]|MFA code for|Password|code there must be|your browser shows")
NETWORK = ("AssumeRole", "GetRoleCredentials", "CreateToken", "GetCallerIdentity")

# Catches up with the clock, runs the hook, and notes what it took. A run that took too long, and asked no backend, is
# measured once more, alone and with all its work to do again: a machine that did something else meanwhile is no fault of it.
_WATCH = {
    "bash": r"""
__day_moved=0
__day_catch_up() {
  local total by name
  read -r total <"$__day_clock"
  by=$((total - __day_moved)) __day_moved=$total
  ((by)) || return 0
  for name in AWSENV_EXPIRES_AT AWSENV_REFRESH_AT __awsenv_due __awsenv_next __awsenv_since __awsenv_until; do
    if [[ ${!name-} =~ ^[0-9]+$ && ${!name} -gt 1000000000 && ${!name} -lt 999999999999 ]]; then
      __awsenv_drawn=${__awsenv_drawn//"|${!name}|"/"|$((${!name} - by))|"}
      printf -v "$name" %s $((${!name} - by))
    fi
  done
}
__day_timed() {
  local n began took asked=$__day_asked again=-
  began=${EPOCHREALTIME/[^0-9]/}; "$@"; took=$((${EPOCHREALTIME/[^0-9]/} - began))
  if [[ $asked == "$__day_asked" && $took -gt 5000 ]]; then
    for n in 1 2 3; do
      __awsenv_drawn=
      began=${EPOCHREALTIME/[^0-9]/}; "$@"; began=$((${EPOCHREALTIME/[^0-9]/} - began))
      [[ $again != - && $began -gt $again ]] || again=$began
    done
  fi
  echo "$1 $((__day_asked - asked)) $took $again" >>"$__day_log"
}
__day_asked=0
__day_copy() { eval "__day_of$1() $(declare -f "$1" | tail -n +2)"; }
__awsenv_load_verbs
__day_copy __awsenv_hook; __day_copy __awsenv_before_debug; __day_copy __awsenv_change
__awsenv_hook() { __day_catch_up; __day_timed __day_of__awsenv_hook; }
__awsenv_before_debug() { __day_catch_up; __day_timed __day_of__awsenv_before_debug "$1"; : "$1"; }
__awsenv_change() { __day_asked=$((__day_asked + 1)); __day_of__awsenv_change "$@"; }
PS1='held:${AWS_ACCESS_KEY_ID-},${AWS_PROFILE-} [${__awsenv_segment% }]READY> '
""",
    "zsh": r"""
zmodload zsh/datetime; setopt prompt_subst
typeset -gi __day_moved=0 __day_asked=0
__day_catch_up() {
  local total by name
  read -r total <"$__day_clock"
  by=$((total - __day_moved)); __day_moved=$total
  ((by)) || return 0
  for name in AWSENV_EXPIRES_AT AWSENV_REFRESH_AT __awsenv_due __awsenv_next __awsenv_since __awsenv_until; do
    if [[ ${(P)name} == <1000000000-999999999998> ]]; then
      __awsenv_drawn=${__awsenv_drawn//"|${(P)name}|"/"|$((${(P)name} - by))|"}
      : ${(P)name::=$((${(P)name} - by))}
    fi
  done
}
__day_timed() {
  local n began took asked=$__day_asked again=-
  began=$EPOCHREALTIME; "$@"; took=$(((EPOCHREALTIME - began) * 1000000))
  if ((asked == __day_asked && took > 5000)); then
    for n in 1 2 3; do
      __awsenv_drawn=
      began=$EPOCHREALTIME; "$@"; began=$(((EPOCHREALTIME - began) * 1000000))
      if [[ $again == - ]] || ((began < again)); then again=$began; fi
    done
  fi
  echo "$1 $((__day_asked - asked)) ${took%.*} ${again%.*}" >>"$__day_log"
}
__awsenv_load_verbs
for name in __awsenv_hook __awsenv_before_command __awsenv_change; do functions[__day_of$name]=$functions[$name]; done
__awsenv_hook() { __day_catch_up; __day_timed __day_of__awsenv_hook }
__awsenv_before_command() { __day_catch_up; __day_timed __day_of__awsenv_before_command "$@" }
__awsenv_change() { __day_asked+=1; __day_of__awsenv_change "$@" }
PROMPT='held:${AWS_ACCESS_KEY_ID-},${AWS_PROFILE-} [%9v]READY> '
""",
    "fish": r"""
set -g __day_moved 0; set -g __day_asked 0
function __day_catch_up
    read -l total <$__day_clock
    set -l by (math $total - $__day_moved); set -g __day_moved $total
    test $by -ne 0; or return 0
    for name in AWSENV_EXPIRES_AT AWSENV_REFRESH_AT __awsenv_next __awsenv_watched
        string match -qr '\A[0-9]{10,11}\z' -- "$$name"; or continue
        set -l then (math $$name - $by)
        set -g __awsenv_drawn (string replace -a "|$$name|" "|$then|" -- $__awsenv_drawn)
        set -g $name $then
    end
    for name in __awsenv_due __awsenv_since __awsenv_until __awsenv_since_due # by fish's own clock
        set -q {$name}[1]; and set -g $name (math $$name - $by)
    end
end
function __day_timed
    set -l asked $__day_asked
    time $argv # fish says it to the terminal, wherever its stderr goes
    if test $asked -eq $__day_asked # no clock to compare by: the other times are for all
        for n in 1 2 3
            set -g __awsenv_drawn ''
            time $argv >/dev/null
        end
    end
    echo "hook $argv[1] "(math $__day_asked - $asked) >&2
end
__awsenv_load_verbs
for name in at_prompt before_command change segment_text
    functions -c __awsenv_$name __day_of__awsenv_$name
end
function __awsenv_at_prompt --on-event fish_prompt; __day_catch_up; __day_timed __day_of__awsenv_at_prompt; end
function __awsenv_before_command --on-event fish_preexec; __day_catch_up; __day_timed __day_of__awsenv_before_command $argv; end
function __awsenv_change; set -g __day_asked (math $__day_asked + 1); __day_of__awsenv_change $argv; end
function fish_prompt
    set -g prompts (math $prompts + 1)
    set -l text (__day_timed __day_of__awsenv_segment_text | string trim --right | string collect --allow-empty)
    printf 'held:%s,%s [%s]READY%d> ' "$AWS_ACCESS_KEY_ID" "$AWS_PROFILE" "$text" $prompts
end
""",
}
_AWS = '#!/bin/sh\necho "$AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY ${AWS_SESSION_TOKEN:--}" >>"$DAY_AWS"\n'


@dataclass
class Tally:
    """What a day came to."""

    commands: int = 0
    dead: list[str] = field(default_factory=list)
    """Commands that AWS refused, and whose credentials could have been renewed."""
    helpless: int = 0
    """Commands that AWS refused, where only a person, or the network, could have helped."""
    backed_off: int = 0
    """Commands that AWS refused in the minutes after a renewal that failed, before the next one is tried."""
    foreign: int = 0
    false: list[str] = field(default_factory=list)
    """Prompts that said something else than was so."""
    prompts: int = 0
    questions: list[str] = field(default_factory=list)
    hooks: list[float] = field(default_factory=list)
    """Milliseconds of each run that asked no backend."""
    again: int = 0
    slow: list[str] = field(default_factory=list)
    """Runs over LIMIT, the first time and each of three more."""

    def line(self) -> str:
        worst = max(self.hooks, default=0)
        return (
            f"{self.commands} commands, {len(self.dead)} dead ({self.helpless} beyond help, {self.backed_off} backed off, {self.foreign} foreign), "
            f"{len(self.false)} of {self.prompts} prompts false, {len(self.slow)} of {len(self.hooks)} hook runs slow "
            f"(median {sorted(self.hooks)[len(self.hooks) // 2]:.2f} ms, worst {worst:.2f} ms, {self.again} run again), "
            f"{len(self.questions)} questions"
        )


class Day:
    """The shells of one day, on one store."""

    def __init__(self, name: str, folder: Path, fake: FakeAws, stack: ExitStack) -> None:
        self.name, self.folder, self.fake, self.stack = name, folder, fake, stack
        fake.role(ROLE, ["arn:aws:iam::111111111111:user/hoge1"])
        self._before = set(self._sessions)
        self.house = furnish(folder / "house", fake, logged_in=False)
        config = self.house.home / ".aws/config"
        config.write_text(config.read_text() + WORKER)
        self.store, self.clock, self.log = folder / "store", folder / "clock", folder / "aws.log"
        self.clock.write_text("0\n")
        self.moved, self.renewable, self.logged_in = 0, True, False
        self.tally = Tally()
        self.terminals: list[Terminal] = []
        self.opened = folder / "opened"
        tools = folder / "bin"
        tools.mkdir()
        for tool, text in (("aws", _AWS), ("browser", f'#!/bin/sh\necho "$1" >>{self.opened}\n')):
            (tools / tool).write_text(text)
            (tools / tool).chmod(0o755)
        self.env = dict(self.house.environment) | {"USER": "tester", "LANG": "C.UTF-8", "TERM": "dumb"}
        self.env |= {
            "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "BROWSER": str(tools / "browser"),
            "DAY_AWS": str(self.log),
        }

    @property
    def _sessions(self) -> dict:
        return self.fake._running()._sessions

    # -- shells

    def shell(self) -> Terminal:
        """Another terminal, with everything watched."""
        home = self.folder / f"shell {len(self.terminals)}"
        home.mkdir()
        shell = Shell(self.name, home)
        shell.values |= {
            "__awsenv_main": assets.MAIN,
            "__awsenv_store": str(self.store),
            "__awsenv_shell": str(ROOT / "shell"),
        }
        shell.env |= self.env | ({"AWSENV_DEBUG_TRAP": "on"} if shell.family == "bash" else {})
        terminal = self.stack.enter_context(shell.terminal())
        terminal.ask("true")
        watch = home / "watch"
        watch.write_text(
            shell.assign("__day_clock", str(self.clock))
            + shell.assign("__day_log", str(home / "hooks"))
            + _WATCH[shell.family]
        )
        terminal.ask(f"source {shell.quote(str(watch))}")
        terminal.home = home
        self.terminals.append(terminal)
        return terminal

    def ask(self, terminal: Terminal, line: str) -> str:
        """Type a line that is no business of awsenv's; a question to it is one too many."""
        opened = self.opened.exists() and self.opened.read_text()
        said = terminal.ask(line)
        if ASKED.search(said) or opened != (self.opened.exists() and self.opened.read_text()):
            self.tally.questions.append(said)
        if terminal.shell.family == "fish":
            with (terminal.home / "hooks").open("a") as log:
                log.write(said)
        self._read_prompt(terminal, said)
        return said

    def log_in(self, terminal: Terminal) -> None:
        """As a person does it, by a code."""
        terminal.child.sendline(f"awsenv login {SESSION} --device")
        terminal.child.expect(r"the code there must be: (\S{4}-\S{4})")
        self.fake.approve(terminal.child.match[1])
        terminal.wait()
        assert token_file(self.house.home).exists()
        self.logged_in = True

    def log_out_elsewhere(self) -> None:
        argv = [sys.executable, "-I", "-S", assets.MAIN, "logout", SESSION]
        env = self.env | {"AWSENV_STORE": str(self.store)}
        done = subprocess.run(argv, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        self.logged_in = False

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """No network."""
        for operation in NETWORK[:3]:
            self.fake.fail(operation, drop=True, times=1000)
        self.renewable = False
        yield
        self.quiet()
        self.fake.forget()
        self.renewable = True

    # -- the clock

    def quiet(self) -> None:
        """Until no renewal is under way."""
        deadline = time.monotonic() + 15
        for path in (self.store / "locks").glob("*"):
            with path.open("rb+") as lock:
                while True:
                    try:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    except BlockingIOError:
                        assert time.monotonic() < deadline, path
                        time.sleep(0.02)

    def elapse(self, minutes: float) -> None:
        self.quiet()
        by = int(minutes * 60)
        for path in (self.store / "keys").glob("*"):
            first, *lines = path.read_text().split("\n")
            text = "\n".join([_earlier(first, by), *lines])
            path.write_text(re.sub(r"(AWSENV_\w+_AT)=(\d+)", lambda m: f"{m[1]}={int(m[2]) - by}", text))
        for path in (self.store / "marks").glob("renewal-*"):
            first, *lines = path.read_text().split("\n")
            path.write_text("\n".join([_earlier(first, by), *lines]))
        for path in (self.store / "locks").glob("*"):
            was = path.stat().st_mtime - by
            os.utime(path, (was, was))
        token = token_file(self.house.home)
        if token.exists():
            kept = json.loads(token.read_text())
            ends = time.mktime(time.strptime(kept["expiresAt"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone - by
            token.write_text(json.dumps(kept | {"expiresAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends))}))
        for key in set(self._sessions) - self._before:
            session = self._sessions[key]
            minted = dataclasses.replace(session.minted, expires=session.minted.expires - by)
            self._sessions[key] = dataclasses.replace(session, minted=minted)
        self.moved += by
        self.clock.write_text(f"{self.moved}\n")

    # -- the judge

    def command(self, terminal: Terminal, line: str = "aws s3 ls") -> None:
        """One command of the day: what was it given, and what does AWS say to that?"""
        before = self.log.read_text().count("\n") if self.log.exists() else 0
        backed_off = self._is_backed_off(terminal.identity)
        said = self.ask(terminal, line)
        lines = self.log.read_text().splitlines()
        assert len(lines) == before + 1, said
        key, secret, token = lines[-1].split(" ")
        self.tally.commands += 1
        if key not in self._sessions:
            self.tally.foreign += 1
        elif not self._accepts(key, secret, token):
            if backed_off:
                self.tally.backed_off += 1
            elif self.renewable and (self.logged_in or "worker" in terminal.identity):
                self.tally.dead.append(f"{self.moved // 60} min: {terminal.identity} {key} {said}")
            else:
                self.tally.helpless += 1

    def _is_backed_off(self, profile: str) -> bool:
        """Whether the last renewal failed so shortly before that nobody tries again yet; hook.py has the format."""
        marks = [
            path.read_text().split("\n")[0].split("\t") for path in (self.store / "marks").glob(f"renewal-{profile}*")
        ]
        return any(word == "failed" and float(until) > time.time() for _, word, _, until, *_ in marks)

    def _accepts(self, key: str, secret: str, token: str) -> bool:
        client = boto3.client(
            "sts", region_name="us-east-1", endpoint_url=self.fake.sts_url, aws_access_key_id=key,
            aws_secret_access_key=secret, aws_session_token=token, config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip
        try:
            client.get_caller_identity()
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ExpiredToken", error
            return False
        return True

    def _read_prompt(self, terminal: Terminal, said: str) -> None:
        """Whether the segment says what AWS knows of the key that the shell holds."""
        *_, (key, profile) = re.findall(r"held:(\S*?),(\S*) ", said)
        self.tally.prompts += 1
        if not self._is_true(terminal.segment, key, profile):
            self.tally.false.append(f"{self.moved // 60} min: {key},{profile} [{terminal.segment}]")

    def _is_true(self, segment: str, key: str, profile: str) -> bool:
        if not key and not profile:
            return segment == ""
        session = self._sessions.get(key)
        if session is None or profile:
            return segment.startswith(f"≠ {profile}") and (not key or f"{key[:4]}..{key[-4:]}" in segment)
        account, role = re.search(r"::(\d{12}):assumed-role/(?:AWSReservedSSO_)?([^/_]+)", session.minted.arn).groups()
        if "login!" in segment and self.logged_in:
            return False
        words = segment.replace("login!", "").split()
        left = session.minted.expires - time.time()
        return f"{account}/{role}" in words and any(words[-1] == _left(left + by) for by in (-1, 0, 1, 2, 3))

    def close(self) -> Tally:
        """The tally, with what the shells have measured."""
        for terminal in self.terminals:
            text = (terminal.home / "hooks").read_text()
            for what, asked, took, again in _fish_runs(text) if self.name == "fish" else _runs(text):
                if asked:
                    continue
                self.tally.hooks.append(took)
                self.tally.again += took > LIMIT
                if took > LIMIT and (again is None or again > LIMIT):
                    self.tally.slow.append(f"{what} {took:.2f} {again} ms")
        return self.tally


def _earlier(line: str, by: int) -> str:
    """The line with every time in it so many seconds earlier."""
    return re.sub(r"\b\d{10}(\.\d+)?\b", lambda m: str(float(m[0]) - by), line)


def _left(seconds: float) -> str:
    """How the README says that a time left reads."""
    whole = int(seconds)
    if whole <= 0:
        return "expired!"
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m" if whole < 3600 else f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def _runs(text: str) -> Iterator[tuple[str, int, float, float | None]]:
    for line in text.splitlines():
        what, asked, took, again = line.split()
        yield what, int(asked), float(took or 0) / 1000, None if again == "-" else float(again or 0) / 1000


def _fish_runs(text: str) -> Iterator[tuple[str, int, float, float | None]]:
    unit = {"micros": 1e-3, "millis": 1.0, "secs": 1e3}
    for times, what, asked in re.findall(r"([\s\S]*?)\nhook (\S+) (\d+)", text):
        found = re.findall(r"Executed in +([\d.]+) (\w+)", times)
        first, *again = [float(number) * unit[name] for number, name in found]
        yield what, int(asked), first, min(again, default=None)


__all__ = ["HALF_A_DAY", "START_URL", "Day", "Tally"]
