"""What may not stand in a shell file of ours: read as text, so that it is seen before a shell does it."""

import re

from tests.shells import ROOT

BASH = (ROOT / "shell/awsenv.bash", ROOT / "shell/awsenv-verbs.bash")
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
    shim = "\n".join(path.read_text() for path in BASH)
    found = {name for line in shim.splitlines() if not line.lstrip().startswith("#") for name in bare.findall(line)}
    assert found and found <= CONSTANT, found - CONSTANT
    for name in CONSTANT:
        assert len(re.findall(rf"(?m)^{name}=\(", shim)) == 1 and f"{name}=()" not in shim


# What bash 3.2 reads without complaint and then lacks, and since when it is there. What it can't even read is in
# test_shim_contract.py: that may stand nowhere, since a whole function is read before any of it runs.
SINCE = {
    r"\b(mapfile|readarray|compopt|coproc)\b": 400,
    r"\bdeclare -\w*[AlucnI]|\blocal -\w*A|\btypeset -\w*[AgnI]": 400,
    r"\$\{?BASHPID\b(?!:-)|\bread -\w*[NiI]\b|\bread -\w*t ?0?\.": 400,
    r"\$\{!?\w+(\[\W?\])?(\^|,)": 400,
    r"\breturn 124\b|\bshopt -s (globstar|autocd|checkjobs|dirspell)": 400,
    r"\bBASH_XTRACEFD\b|\bcomplete -\w*[DEI]\b|\bprintf -v '?\"?\w+\[": 401,
    r"%\([^)]*\)T|\bdeclare -\w*g|\blastpipe\b|\\[uU][0-9a-fA-F]{4}": 402,
    r"\$\{\w+:[^}:-]+:\s*-\d": 402,
    r"\blocal -n\b|\bdeclare -n\b|\bwait -n\b|\bunset -n\b": 403,
    r"\blocal -(;|\s|$)|@[QEPAa]\}|\bPS0\b|\binherit_errexit\b|\bcomplete -o nosort": 404,
    r"\$\{?EPOCH(SECONDS|REALTIME)\b(?!-)|\bBASH_ARGV0\b|\blocal -I\b": 500,
    r"\bPROMPT_COMMAND(\+)?=\(|\bSRANDOM\b|\bPROMPT_COMMAND\[[^@]": 501,
    r"\$\{ |\$\{\|": 503,
}


def bash_code() -> list[tuple[int, str, int]]:
    """(line number, code, the version of bash that this branch has asked for) of the shim's files."""
    found: list[tuple[int, str, int]] = []
    asked: list[int] = []  # of each `if` that is open
    for number, line in (line for path in BASH for line in enumerate(path.read_text().splitlines(), 1)):
        code = "" if line.lstrip().startswith("#") else re.split(r"\s#\s", line)[0]
        question = re.search(r"^\s*(?:el)?if \[\[ \$__awsenv_bash -ge (\d+) \]\]; then$", code)
        if re.match(r"\s*if\b", code):
            asked.append(0)
        if re.match(r"\s*(fi|else|elif)\b", code):
            asked[-1] = 0
        if question:
            asked[-1] = int(question[1])
        found.append((number, code, max(asked, default=0)))
        if re.match(r"\s*fi\b", code):
            asked.pop()
    assert asked == []
    return found


def test_what_bash_3_2_lacks_stands_behind_a_question_for_the_version() -> None:
    lacking = [
        (number, code.strip())
        for number, code, asked in bash_code()
        for feature, since in SINCE.items()
        if asked < since and re.search(feature, code)
    ]
    assert lacking == []
    # And the lint sees something at all: each of these is in the shim, behind its question.
    guarded = [code for _, code, asked in bash_code() if asked]
    for feature in ("local -;", "%(%s)T", "PROMPT_COMMAND=(", "return 124"):
        assert any(feature in code for code in guarded), feature


def test_a_function_of_the_bash_file_has_a_name_that_posix_mode_takes() -> None:
    names = [found[1] for _, code, _ in bash_code() if (found := re.match(r"\s*function (\S+)", code))]
    assert len(names) > 20 and all(re.fullmatch(r"__awsenv_\w+|awsenv", name, re.ASCII) for name in names)


def test_no_prompt_of_the_users_is_ever_assigned() -> None:
    for path in (ROOT / "shell").glob("awsenv*.*"):
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
        # PS0 shows nothing of its own: it is where bash 5.3 lets us look before a command runs.
        found = [line for line in lines if re.search(r"\b(PS[0-4]|R?PROMPT)\+?=|function fish_(right_)?prompt\b", line)]
        assert [line for line in found if "PS0='${ __awsenv_before_command; }'${PS0-};" not in line] == []


def test_no_data_is_ever_handed_to_what_evaluates_it() -> None:
    paths = [*(ROOT / "shell").glob("awsenv*.*"), *(ROOT / "completions").iterdir()]
    lines = [
        line.strip() for path in paths for line in path.read_text().splitlines() if not line.lstrip().startswith("#")
    ]
    assert {line for line in lines if re.search(r"\beval\b", line)} <= EVALUATED
    banned = r"compgen -W|complete -W|print -P|\$\{\(e\)|@P\}|\bsource <\("
    assert [line for line in lines if re.search(banned, line)] == []
    # fish evaluates what stands after -a: there it is a constant list or a function of ours in single quotes.
    offered = [re.search(r" -a (\S+)", line) for line in lines if line.startswith("complete -c awsenv")]
    values = {found[1] for found in offered if found}
    assert all(
        re.match(r"'[^$]*|[\w-]+$|\"\$(regions|durations|services|policies)\"$|--$|-$", value) for value in values
    ), values


def test_compinit_is_left_to_the_user() -> None:
    for path in (*(ROOT / "shell").glob("*.zsh"), ROOT / "completions/_awsenv"):
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
        assert not [line for line in lines if "compinit" in line]
