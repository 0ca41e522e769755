"""What may not stand in a shell file of ours: read as text, so that it is seen before a shell does it."""

import re

from tests.shells import ROOT

# Filled where they are declared, and never emptied: `"${name[@]}"` of an empty array ends bash 3.2 under nounset.
CONSTANT = {"__awsenv_managed", "__awsenv_own", "__awsenv_drawing"}
# The lines that evaluate, whole: the backend's quoted reply, the user's own trap, and an assignment that names a variable.
EVALUATED = {
    '\\builtin eval "$reply"',
    '\\builtin eval "\\\\builtin $user_trap"',
    '\\builtin eval "${reply%: awsenv 1 end}"',
    '-*) \\builtin eval "$name=\\${was#-}" ;;',
    '\\builtin eval "$values"',
    '\\builtin eval "$answer"',
}


def test_no_array_that_may_be_empty_is_expanded_bare() -> None:
    bare = re.compile(r'(?<!\+)"\$\{(\w+)\[@\]\}"')
    shim = (ROOT / "shell/awsenv.bash").read_text()
    found = {name for line in shim.splitlines() if not line.lstrip().startswith("#") for name in bare.findall(line)}
    assert found and found <= CONSTANT, found - CONSTANT
    for name in CONSTANT:
        assert len(re.findall(rf"(?m)^{name}=\(", shim)) == 1 and f"{name}=()" not in shim


def test_what_bash_3_2_lacks_stands_behind_a_question_for_the_version() -> None:
    lines = (ROOT / "shell/awsenv.bash").read_text().splitlines()
    lacking = re.compile(r"local -;|%\(%s\)T|PROMPT_COMMAND=\(")
    found = [number for number, line in enumerate(lines) if lacking.search(line) and not line.lstrip().startswith("#")]
    assert len(found) >= 3
    for number in found:
        assert any("$__awsenv_bash -ge" in line for line in lines[number - 2 : number]), lines[number]


def test_no_data_is_ever_handed_to_what_evaluates_it() -> None:
    paths = [*(ROOT / "shell").glob("awsenv.*"), *(ROOT / "completions").iterdir()]
    lines = [
        line.strip() for path in paths for line in path.read_text().splitlines() if not line.lstrip().startswith("#")
    ]
    assert {line for line in lines if re.search(r"\beval\b", line)} <= EVALUATED
    banned = r"compgen -W|complete -W|print -P|\$\{\(e\)|@P\}|\bsource <\("
    assert [line for line in lines if re.search(banned, line)] == []
    # fish evaluates what stands after -a: there it is a constant list or a function of ours in single quotes.
    offered = [re.search(r" -a (\S+)", line) for line in lines if line.startswith("complete -c awsenv")]
    values = {found[1] for found in offered if found}
    assert all(re.match(r"'[^$]*|[\w-]+$|\"\$(regions|durations)\"$|--$|-$", value) for value in values), values


def test_compinit_is_left_to_the_user() -> None:
    for path in (ROOT / "shell/awsenv.zsh", ROOT / "completions/_awsenv", ROOT / "shell/awsenv.plugin.zsh"):
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
        assert not [line for line in lines if "compinit" in line]
