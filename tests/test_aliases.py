"""Aliases: short names for profiles, for every verb that takes one, as fast as the name; a profile of that name wins."""

import json

import pytest

from awsenv.model import Where
from awsenv.settings import parse
from tests.bench import probe
from tests.real_shell import real_shell
from tests.shells import Shell
from tests.test_completion import Terminal as TabTerminal

SETTINGS = """\
[aliases]
p = "piyo-prod"
fuga = "piyo-prod"
gone = "nobody"
b = "with a blank"
"""


@pytest.fixture
def shell(shell_name, tmp_path) -> Shell:
    return real_shell(shell_name, tmp_path / "home", SETTINGS)


@pytest.fixture
def bash(tmp_path) -> Shell:
    """For what is the same in every shell."""
    return real_shell("bash", tmp_path / "home", SETTINGS)


def test_the_shell_becomes_the_profile_and_not_the_alias(shell):
    result = shell.run("awsenv use p; " + shell.dump("cold") + "awsenv off; awsenv use p; " + shell.dump("warm"))
    for moment in ("cold", "warm"):
        found = result.environment(moment)
        assert (found["AWSENV_PROFILE"], found["AWS_ACCESS_KEY_ID"]) == ("piyo-prod", "AKIAPIYO")


def test_refresh_and_minus_go_on_with_the_profile(shell):
    script = "awsenv use p; awsenv refresh; awsenv use fuga; awsenv use -; " + shell.dump("back")
    assert shell.run(script).environment("back")["AWSENV_PROFILE"] == "piyo-prod"


def test_options_go_with_an_alias(shell):
    found = shell.run("awsenv use p --region ap-south-1 --as profile; " + shell.dump("after")).environment("after")
    assert (found["AWS_PROFILE"], found["AWS_REGION"]) == ("piyo-prod", "ap-south-1")


def test_warm_it_is_answered_without_the_cold_path(bash, tmp_path):
    bash.run("awsenv use p")
    env = {**bash.env, "AWSENV_SHIM": "bash:1", "AWSENV_STORE": bash.values["__awsenv_store"]}
    calls = probe.loaded(["use", "p"], env, str(tmp_path / "modules"))
    assert "AKIAPIYO" in calls.stdout
    assert "awsenv.cold" not in calls.modules and calls.families() & probe.HEAVY == set()


def test_another_meaning_counts_at_once(bash):
    bash.run("awsenv use p; awsenv use p")
    (bash.home / ".config/awsenv/config.toml").write_text('[aliases]\np = "nowhere"\n')
    assert bash.run("awsenv use p; " + bash.dump("after")).environment("after")["AWSENV_PROFILE"] == "nowhere"


def test_a_profile_of_that_name_wins_and_the_line_is_named(bash):
    result = bash.run("awsenv use fuga; " + bash.dump("after"))
    assert result.environment("after")["AWS_ACCESS_KEY_ID"] == "AKIAFUGA"
    assert "config.toml:3: " in result.stderr or "config.toml:3" in result.stderr
    assert "the alias fuga is void: a profile has that name" in result.stderr


def test_a_profile_that_comes_later_wins_at_once(bash):
    bash.run("awsenv use p; awsenv use p")
    config = bash.home / ".aws/config"
    config.write_text(config.read_text() + "[profile p]\naws_access_key_id = AKIANEW\naws_secret_access_key = x\n")
    assert bash.run("awsenv use p; " + bash.dump("after")).environment("after")["AWS_ACCESS_KEY_ID"] == "AKIANEW"


def test_an_alias_of_nothing_is_named_by_its_line(bash):
    result = bash.run("awsenv use gone; " + bash.said())
    assert "status 3" in result.stdout
    assert "config.toml:4" in result.stderr
    assert 'the alias gone stands for "nobody", and there is no such profile' in result.stderr


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("awsenv explain p", "p is an alias of this profile"),
        ("awsenv export p --format json", "AKIAPIYO"),
        ("awsenv exec p -- sh -c 'echo $AWS_ACCESS_KEY_ID'", "AKIAPIYO"),
        ("awsenv export b --format json", "AKIABLANK"),
        ("awsenv wrap p --dry-run", "[profile piyo-prod-awsenv]"),
    ],
)
def test_the_other_verbs_take_it_too(bash, line, found):
    result = bash.run(line)
    assert result.status == 0, result.stderr
    assert found in result.stdout


@pytest.mark.parametrize("line", ["awsenv login p", "awsenv console p --print", "awsenv whoami p", "awsenv logout p"])
def test_verbs_that_would_ask_aws_know_who_is_meant(bash, line):
    result = bash.run(line, env={"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"})
    assert result.status != 0
    assert 'there is no profile "p"' not in result.stderr and "no sso-session and no profile" not in result.stderr


def test_list_shows_them(bash):
    rows = {row["profile"]: row["aliases"] for row in json.loads(bash.run("awsenv list --json").stdout)}
    assert rows["piyo-prod"] == ["p"] and rows["with a blank"] == ["b"]
    assert rows["fuga"] == []
    (line,) = [line for line in bash.run("awsenv list").stdout.splitlines() if "piyo-prod" in line]
    assert line.split()[:2] == ["piyo-prod", "p"]


def test_list_has_no_such_column_without_any(tmp_path):
    shell = real_shell("bash", tmp_path / "home")
    assert "alias" not in shell.run("awsenv list").stdout


def test_settings_names_what_is_void(bash):
    result = bash.run("awsenv settings; " + bash.said())
    assert "aliases.p" in result.stdout and "status 3" in result.stdout
    assert "the alias fuga is void" in result.stderr and 'there is no profile "nobody"' in result.stderr


@pytest.mark.parametrize("alias", ['"a b"', '"-x"', '"$(x)"', '""', '"x\\u001b"', "é"])
def test_a_name_that_completion_could_not_read_is_a_mistake_with_its_line(alias):
    text = f'[aliases]\nok = "fuga"\n{alias} = "fuga"\n' if alias != "é" else '[aliases]\nok = "fuga"\n"é" = "fuga"\n'
    settings = parse(text, "f")
    assert dict(settings.aliases) == {"ok": "fuga"}
    (mistake,) = settings.mistakes
    assert "an alias takes letters" in mistake.what
    assert settings.origins["aliases.ok"] == Where("f", 2)


@pytest.mark.parametrize("value", ["1", '""', "[]", "{}"])
def test_what_it_stands_for_is_a_text(value):
    assert not parse(f"[aliases]\np = {value}\n", "f").aliases


# ---- TAB ------------------------------------------------------------------------------------------------------------

WRITTEN = """\
x = 1
[classes]
prod = ["*prod*"]
 [ aliases ] # short ones
p = "piyo-prod"
  'qq' = 'fuga'
"r-1"="fuga"   # not this
# s = "fuga"
"bad name" = "fuga"
-t = "fuga"
"x$(touch PWN)" = "fuga"
[prompt]
label = "{role}"
"""


@pytest.fixture
def tab(shell_name, tmp_path):
    opened = []

    def opener(settings: str, config: str = "[profile piyo-prod]\n", **env: str) -> TabTerminal:
        terminal = TabTerminal(shell_name, tmp_path, **env)
        opened.append(terminal)
        terminal.config.write_text(config)
        folder = tmp_path / "awsenv"  # XDG_CONFIG_HOME is tmp_path there
        folder.mkdir(exist_ok=True)
        (folder / "config.toml").write_text(settings)
        return terminal

    yield opener
    for terminal in opened:
        terminal.close()


def test_tab_offers_them_beside_the_profiles(tab):
    assert tab(WRITTEN).offers("awsenv use ") == {"-", "piyo-prod", "p", "qq", "r-1"}


def test_tab_completes_one(tab):
    assert tab(WRITTEN).enter("awsenv explain q") == ["explain", "qq"]


def test_tab_offers_one_that_a_profile_has_taken_once(tab):
    terminal = tab('[aliases]\npiyo-prod = "x"\n')
    hits = [hit.partition("\t")[0] for hit in terminal.shown("awsenv explain pi")]
    assert hits.count("piyo-prod") == 1 or terminal.shell == "fish"


def test_tab_reads_no_aliases_from_elsewhere(tab):
    assert tab('[accounts]\np = "x"\n[prompt]\nq = "y"\n').offers("awsenv explain ") == {"piyo-prod"}


def test_tab_with_aliases_alone(tab):
    assert tab('[aliases]\np = "x"', config="").offers("awsenv explain ") == {"p"}
