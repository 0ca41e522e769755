"""Folders that are for an identity: entering, leaving, what is trusted, what is refused, and what a `cd` never does."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from awsenv import hot, place
from awsenv.lease import read_settings
from awsenv.settings import parse
from awsenv.trust import Gate, origin_of
from tests.bench.shell_rows import system_calls
from tests.real_shell import real_shell
from tests.shells import SHELLS_AND_LONG_OLD, Shell, Terminal, missing

SWITCH = '[place]\nwhen_entering = "switch"\n'
PLACES = '[places]\n"~/clients/acme" = "piyo-prod"\n'
WHO = 'echo "who=$AWSENV_PROFILE/$AWS_ACCESS_KEY_ID"'


@pytest.fixture(params=SHELLS_AND_LONG_OLD)
def name(request: pytest.FixtureRequest) -> str:
    if missing(request.param):
        pytest.skip(f"no {request.param} here")
    return request.param


def stage(name: str, tmp_path: Path, settings: str = SWITCH + PLACES) -> Shell:
    """A home with ~/clients/acme, which the settings name, and ~/own, which has a `.awsenv`; both have a folder `deep`."""
    shell = real_shell(name, tmp_path / "home", settings)
    for folder in ("clients/acme/deep", "own/deep", "clients/acmetwo"):
        (shell.home / folder).mkdir(parents=True)
    put(shell, "own", "# whose this is\nfuga --region eu-west-3\n")
    return shell


def put(shell: Shell, folder: str, text: str | bytes) -> Path:
    path = shell.home / folder / ".awsenv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def keeper(shell: Shell) -> Gate:
    return Gate(str(shell.home), str(shell.home / ".local/state/awsenv/trust"))


def trust(shell: Shell, path: Path) -> None:
    keeper(shell).trust(origin_of(str(path), path.read_bytes()))


def warm(terminal: Terminal, *profiles: str) -> None:
    """Let the store have them, and the shell be nobody."""
    for profile in profiles:
        terminal.ask(f"awsenv use {profile}")
    terminal.ask("awsenv off")


def who(terminal: Terminal) -> str:
    found = re.search(r"who=([\w -]*)/", terminal.ask(WHO))
    assert found
    return found[1]


def said(text: str) -> list[str]:
    """The lines of awsenv's among what a terminal shows."""
    return re.findall(r"awsenv: [^\n⏎]*", text)


# ---- Entering and leaving -------------------------------------------------------------------------------------------


def test_entering_switches_and_leaving_puts_back_who_it_was(name, tmp_path):
    with stage(name, tmp_path).terminal() as terminal:
        warm(terminal, "piyo-prod", "nowhere")
        terminal.ask("awsenv use nowhere")
        assert said(terminal.ask("cd ~/clients/acme")) == ["awsenv: ~/clients/acme: piyo-prod"]
        assert who(terminal) == "piyo-prod"
        assert "piyo-prod" in terminal.segment, "the prompt knows it at once"
        assert said(terminal.ask("cd ~/clients")) == ["awsenv: back to nowhere"]
        assert who(terminal) == "nowhere"


def test_nobody_before_is_nobody_after_with_what_was_exported(name, tmp_path):
    shell = stage(name, tmp_path)
    with shell.terminal() as terminal:
        warm(terminal, "piyo-prod")
        terminal.ask(shell.export("AWS_ACCESS_KEY_ID", "AKIAMINE"))
        terminal.ask("cd ~/clients/acme")
        assert "who=piyo-prod/AKIAPIYO" in terminal.ask(WHO)
        terminal.ask("cd ~")
        assert "who=/AKIAMINE" in terminal.ask(WHO)


def test_below_it_is_still_there_and_beside_it_is_not(name, tmp_path):
    with stage(name, tmp_path).terminal() as terminal:
        warm(terminal, "piyo-prod")
        terminal.ask("cd ~/clients/acmetwo")
        assert who(terminal) == ""
        terminal.ask("cd ~/clients/acme/deep")
        assert who(terminal) == "piyo-prod"
        assert said(terminal.ask("cd ..")) == []
        assert who(terminal) == "piyo-prod"
        terminal.ask("cd ../acmetwo")
        assert who(terminal) == ""


def test_of_two_the_nearest_counts_and_the_way_back_is_the_same(name, tmp_path):
    more = '"~/clients/acme/deep" = "fuga --region eu-west-3"\n'
    with stage(name, tmp_path, SWITCH + PLACES + more).terminal() as terminal:
        warm(terminal, "piyo-prod", "nowhere", "fuga --region eu-west-3")
        terminal.ask("awsenv use nowhere")
        seen = []
        for folder in ("~/clients/acme", "deep", "..", "~", "~/clients/acme/deep", "~"):
            terminal.ask(f"cd {folder}")
            seen.append(who(terminal))
        assert seen == ["piyo-prod", "fuga", "piyo-prod", "nowhere", "fuga", "nowhere"]


def test_a_new_shell_that_starts_in_it_has_entered_it(name, tmp_path):
    shell = stage(name, tmp_path)
    with shell.terminal() as terminal:
        warm(terminal, "piyo-prod")
    with shell.terminal(before=f"cd {shell.quote(str(shell.home / 'clients/acme/deep'))}") as terminal:
        assert who(terminal) == "piyo-prod"


def test_who_was_chosen_by_hand_inside_stays_outside(name, tmp_path):
    with stage(name, tmp_path).terminal() as terminal:
        warm(terminal, "piyo-prod", "fuga")
        terminal.ask("cd ~/clients/acme")
        terminal.ask("awsenv use fuga")
        terminal.ask("cd ~")
        assert who(terminal) == "fuga"
        terminal.ask("awsenv off; cd ~/clients/acme")
        terminal.ask("awsenv off")
        assert who(terminal) == "", "and the place doesn't insist"
        terminal.ask("cd ~")
        assert who(terminal) == ""


def test_another_region_inside_is_no_reason_to_stay(name, tmp_path):
    with stage(name, tmp_path).terminal() as terminal:
        warm(terminal, "piyo-prod")
        terminal.ask("cd ~/clients/acme")
        terminal.ask("awsenv region eu-west-1")
        terminal.ask("cd ~")
        assert who(terminal) == ""


def test_keys_that_another_hand_set_inside_are_left_alone(name, tmp_path):
    shell = stage(name, tmp_path)
    with shell.terminal() as terminal:
        warm(terminal, "piyo-prod")
        terminal.ask("cd ~/clients/acme")
        terminal.ask(shell.export("AWS_ACCESS_KEY_ID", "AKIAOTHER"))
        terminal.ask("cd ~")
        assert "who=piyo-prod/AKIAOTHER" in terminal.ask(WHO)


def test_who_was_it_already_stays_it(name, tmp_path):
    with stage(name, tmp_path).terminal() as terminal:
        warm(terminal, "piyo-prod")
        terminal.ask("awsenv use piyo-prod")
        assert said(terminal.ask("cd ~/clients/acme")) == []
        terminal.ask("cd ~")
        assert who(terminal) == "piyo-prod"


def test_two_shells_are_in_two_places(name, tmp_path):
    shell = stage(name, tmp_path)
    with shell.terminal() as one, shell.terminal() as two:
        warm(one, "piyo-prod", "nowhere")
        two.ask("awsenv use nowhere")
        one.ask("cd ~/clients/acme")
        assert (who(one), who(two)) == ("piyo-prod", "nowhere")
        one.ask("cd ~")
        assert (who(one), who(two)) == ("", "nowhere")


def test_an_identity_before_that_the_store_has_lost_is_named(name, tmp_path):
    shell = stage(name, tmp_path)
    with shell.terminal() as terminal:
        warm(terminal, "piyo-prod", "nowhere")
        terminal.ask("awsenv use nowhere")
        terminal.ask("cd ~/clients/acme")
        for path in (shell.home / "store/index").glob("nowhere@*"):
            path.unlink()
        (line,) = said(terminal.ask("cd ~"))
        assert line.endswith("; nowhere, which was here before: awsenv use -")
        assert who(terminal) == "", "rather than what only that folder is for"
        terminal.ask("awsenv use -")
        assert who(terminal) == "nowhere"


# ---- Offering -------------------------------------------------------------------------------------------------------


def test_unless_it_is_asked_for_nothing_switches_and_one_line_says_what_to_type(name, tmp_path):
    with stage(name, tmp_path, PLACES).terminal() as terminal:
        warm(terminal, "piyo-prod")
        assert said(terminal.ask("cd ~/clients/acme")) == ["awsenv: ~/clients/acme is for piyo-prod: awsenv here"]
        assert who(terminal) == ""
        assert said(terminal.ask("cd deep")) == []
        terminal.ask("awsenv here")
        assert who(terminal) == "piyo-prod"
        terminal.ask("cd ~")
        assert who(terminal) == ""


def test_what_the_store_does_not_have_is_offered_too(name, tmp_path):
    with stage(name, tmp_path).terminal() as terminal:
        assert said(terminal.ask("cd ~/clients/acme")) == ["awsenv: ~/clients/acme is for piyo-prod: awsenv here"]
        assert who(terminal) == ""


def test_what_the_settings_guard_is_never_taken_by_a_cd(name, tmp_path):
    guarded = '[classes]\nprod = ["*prod*"]\n[guard]\nprod = "confirm"\n'
    with stage(name, tmp_path, guarded + SWITCH + PLACES).terminal() as terminal:
        terminal.ask("awsenv use piyo-prod --yes")
        terminal.ask("awsenv off")
        assert said(terminal.ask("cd ~/clients/acme")) == ["awsenv: ~/clients/acme is for piyo-prod: awsenv here"]
        assert who(terminal) == ""


def test_off_in_the_settings_or_in_the_shell_is_off(name, tmp_path):
    off = '[place]\nwhen_entering = "off"\n'
    shell = stage(name, tmp_path, off + PLACES)
    with shell.terminal() as terminal:
        warm(terminal, "piyo-prod")
        assert said(terminal.ask("cd ~/clients/acme")) == []
        terminal.ask("awsenv here")
        assert who(terminal) == "piyo-prod", "by hand it works all the same"
    (shell.home / ".config/awsenv/config.toml").write_text(SWITCH + PLACES)
    with shell.terminal(env={"AWSENV_PLACES": "off"}) as terminal:
        assert said(terminal.ask("cd ~/clients/acme")) == []
        assert who(terminal) == ""


def test_here_where_nothing_is_for_anybody_says_so(name, tmp_path):
    with stage(name, tmp_path).terminal() as terminal:
        assert "this folder is for nobody" in terminal.ask("awsenv here")
        assert "status 3" in terminal.ask("awsenv here; " + terminal.shell.said())


# ---- Trust ----------------------------------------------------------------------------------------------------------


def test_an_untrusted_file_is_named_once_and_counts_once_trusted(name, tmp_path):
    shell = stage(name, tmp_path, SWITCH)
    with shell.terminal() as terminal:
        warm(terminal, "fuga --region eu-west-3")
        (line,) = said(terminal.ask("cd ~/own"))
        assert line == f"awsenv: ~/own/.awsenv is not trusted: awsenv trust {shell.home}/own/.awsenv"
        terminal.ask("cd ~")
        assert said(terminal.ask("cd ~/own/deep")) == [], "once is enough"
        assert who(terminal) == ""
        assert "is not trusted: awsenv trust" in terminal.ask("awsenv here")
        shown = terminal.ask("awsenv trust ../.awsenv --yes")
        assert "fuga --region eu-west-3" in shown, "what one agrees to is shown"
        assert who(terminal) == "fuga", "the folder that one stands in counts at once"
        terminal.ask("cd ~")
        assert who(terminal) == ""


def test_any_change_takes_the_trust_back(name, tmp_path):
    shell = stage(name, tmp_path, SWITCH)
    path = shell.home / "own/.awsenv"
    trust(shell, path)
    with shell.terminal() as terminal:
        warm(terminal, "fuga --region eu-west-3", "piyo-prod")
        terminal.ask("cd ~/own")
        assert who(terminal) == "fuga"
        terminal.ask("cd ~")
        path.write_text("piyo-prod\n")
        (line,) = said(terminal.ask("cd ~/own"))
        assert "~/own/.awsenv has changed since it was trusted: awsenv trust" in line
        assert who(terminal) == ""
        assert "has changed since it was trusted" in terminal.ask("awsenv here")
        assert who(terminal) == ""


def test_the_same_text_in_another_folder_is_another_file(tmp_path):
    shell = stage("bash", tmp_path)
    first, second = put(shell, "own", "fuga\n"), put(shell, "clients", "fuga\n")
    trust(shell, first)
    env = {"HOME": str(shell.home)}
    assert place.is_trusted(str(first), b"fuga\n", env)
    assert not place.is_trusted(str(second), b"fuga\n", env)
    assert not place.is_trusted(str(first), b"fuga\n ", env)
    assert not place.was_trusted(str(second), env) and place.was_trusted(str(first), env)


def test_the_fast_lane_finds_the_records_where_trust_writes_them(tmp_path):
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "XDG_STATE_HOME": str(tmp_path / "state of mine")}
    (tmp_path / ".awsenv").write_text("fuga\n")
    argv = [sys.executable, "-m", "awsenv", "trust", str(tmp_path / ".awsenv"), "--yes"]
    subprocess.run(argv, env=env | {"PYTHONPATH": str(Path(place.__file__).parent.parent)}, check=True)
    assert place.is_trusted(str(tmp_path / ".awsenv"), b"fuga\n", env)


def test_without_a_terminal_nothing_is_trusted_unasked(tmp_path):
    shell = stage("bash", tmp_path)
    result = shell.run("setsid -w awsenv trust own/.awsenv; echo status $?", env={
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    })  # fmt: skip
    assert "status 2" in result.stdout, result.stderr
    assert keeper(shell).records() == []


# ---- What a file may say --------------------------------------------------------------------------------------------

TAKEN = {
    "fuga": ("fuga", ""),
    "fuga --region eu-west-1": ("fuga", "--region=eu-west-1"),
    "--region=eu-west-1 fuga": ("fuga", "--region=eu-west-1"),
    "fuga --read-only --duration 1h": ("fuga", "--duration=3600 --read-only"),
    "with a blank --read-only": ("with a blank", "--read-only"),
    "a=b": ("a=b", ""),
}
REFUSED = {
    "fuga --role arn:aws:iam::1:role/x": "--role is no option for a folder",
    "fuga --policy=/etc/passwd": "--policy is no option for a folder",
    "fuga --as profile": "--as is no option for a folder",
    "fuga -- --fresh": "-- is no option for a folder",
    "fuga --read-only=1": "--read-only is no option for a folder",
    "fuga --region ../x": "--region can't be '../x'",
    "fuga --region": "--region can't be ''",
    "--read-only": "names no profile",
    "-": "- is no option for a folder",
}
FILES = {
    "": "names no profile",
    "# nothing\n\n": "names no profile",
    "fuga\npiyo-prod\n": "has more than one line",
    "fuga\x1b]0;PWN\x07\n": "characters that can't be shown",
    "fuga\u202e\n": "characters that can't be shown",
    "fuga\x00\n": "characters that can't be shown",
    b"fuga\xff\n": "characters that can't be shown",
}


@pytest.mark.parametrize("line", TAKEN)
def test_a_line_may_name_a_profile_and_say_where_and_how_long(line):
    request = place.parse(line)
    assert (request.profile, request.options()) == TAKEN[line]
    again = hot.parse("use", place.words_of(request), {})
    assert again is not None and (again.profile, again.options()) == TAKEN[line], "as `here` hands it on"


@pytest.mark.parametrize("line", REFUSED)
def test_a_line_may_say_no_more_than_that(line):
    with pytest.raises(ValueError, match=re.escape(REFUSED[line])):
        place.parse(line)
    settings = parse(f"[places]\n'~/x' = '{line.replace(chr(39), '')}'\n", "config.toml")
    assert settings.places == {} and settings.mistakes[0].where.line == 2, "in the settings it is a mistake"


@pytest.mark.parametrize("text", FILES, ids=ascii)
def test_a_file_that_says_anything_else_says_nothing(text, tmp_path):
    path = tmp_path / ".awsenv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = place.of_file(str(tmp_path), str(path))
    assert found.line == "" and FILES[text] in found.problem


def test_comments_and_blank_lines_and_windows_line_ends_are_no_part_of_it(tmp_path):
    path = tmp_path / ".awsenv"
    path.write_bytes(b"\r\n# mine\r\n  fuga --read-only # for looking\r\n\r\n")
    assert place.of_file(str(tmp_path), str(path)).line == "fuga --read-only"


# ---- Hostile --------------------------------------------------------------------------------------------------------


def _link(path: Path) -> str:
    target = path.parent / "target"
    target.write_text("fuga\n")
    path.symlink_to(target)
    return "is a link"


def _large(path: Path) -> str:
    path.write_bytes(b"#" * (1 << 20) + b"\nfuga\n")
    return "is larger than 4 KiB"


def _open(path: Path) -> str:
    path.write_text("fuga\n")
    path.chmod(0o666)
    return "can be written by anybody"


def _escapes(path: Path) -> str:
    path.write_bytes(b"fuga\x1b]0;PWNED\x07$(touch PWN)\n")
    return "characters that can't be shown"


def _option(path: Path) -> str:
    path.write_text("fuga --role arn:aws:iam::555555555555:role/Thief\n")
    return "--role is no option for a folder"


def _theirs(path: Path) -> str:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path.write_text("fuga\n")
    os.chown(path, 65534, 65534)
    return "belongs to somebody else"


@pytest.mark.parametrize("make", [_link, _large, _open, _escapes, _option, _theirs])
def test_a_hostile_file_is_named_once_and_never_counts_even_trusted(make, name, tmp_path):
    shell = stage(name, tmp_path, SWITCH)
    folder = shell.home / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    why = make(folder / ".awsenv")
    trust(shell, folder / ".awsenv")
    with shell.terminal() as terminal:
        warm(terminal, "fuga")
        shown = terminal.ask("cd ~/shared")
        (line,) = said(shown)
        assert line.startswith("awsenv: ~/shared/.awsenv ") and why in line
        assert "\x07" not in shown and "PWNED" not in shown
        terminal.ask("cd ~")
        assert said(terminal.ask("cd ~/shared")) == []
        assert who(terminal) == ""
        assert why in terminal.ask("awsenv here")
        assert who(terminal) == ""
    assert not list(shell.home.rglob("PWN"))


@pytest.mark.parametrize("kind", ["fifo", "folder", "dangling"])
def test_what_is_no_file_is_not_even_looked_into(kind, name, tmp_path):
    shell = stage(name, tmp_path, SWITCH)
    path = shell.home / "clients/.awsenv"
    {"fifo": os.mkfifo, "folder": os.mkdir, "dangling": lambda p: os.symlink("/nonexistent", p)}[kind](path)
    with shell.terminal() as terminal:
        began = time.monotonic()
        assert said(terminal.ask("cd ~/clients")) == []
        assert time.monotonic() - began < 5, "nobody writes into that pipe"
        assert "this folder is for nobody" in terminal.ask("awsenv here")


def test_a_pipe_put_in_place_between_the_look_and_the_reading_does_not_hang(tmp_path):
    path = tmp_path / ".awsenv"
    os.mkfifo(path)
    assert place.of_file(str(tmp_path), str(path)).problem == "is not a regular file"
    os.unlink(path)
    path.symlink_to("/dev/zero")
    assert "is a link" in place.of_file(str(tmp_path), str(path)).problem


def test_trust_refuses_what_could_never_count(tmp_path):
    shell = stage("bash", tmp_path)
    path = put(shell, "own", "fuga --role x\n")
    result = shell.run(f"awsenv trust {path} --yes; echo status $?")
    assert "status 3" in result.stdout and "--role is no option" in result.stderr
    assert keeper(shell).records() == []


@pytest.mark.parametrize("folder", ["a $(touch PWN) b", "x;touch PWN", "[a-z]*?", "it's", 'say "hi"', "-n", "~", "é"])
def test_a_folder_with_any_name_is_a_folder(folder, name, tmp_path):
    shell = stage(name, tmp_path, SWITCH)
    (shell.home / folder / "deep").mkdir(parents=True)
    trust(shell, put(shell, folder, "piyo-prod\n"))
    with shell.terminal() as terminal:
        warm(terminal, "piyo-prod")
        terminal.ask(f"cd {shell.quote('./' + folder + '/deep')}")
        assert who(terminal) == "piyo-prod"
        terminal.ask(f"cd {shell.quote(str(shell.home))}")
        assert who(terminal) == ""
    assert not list(shell.home.rglob("PWN"))


@pytest.mark.parametrize(
    "written", ['"~/clients/acme/"', "'~/clients/acme'", '"{home}/clients/acme"', '"{home}/clients/acme/"']
)
def test_a_path_may_be_written_in_several_ways(written, name, tmp_path):
    shell = stage(name, tmp_path, SWITCH + f'[places]\n{written.format(home=tmp_path / "home")} = "piyo-prod"\n')
    with shell.terminal() as terminal:
        warm(terminal, "piyo-prod")
        terminal.ask("cd ~/clients/acme/deep")
        assert who(terminal) == "piyo-prod"


# ---- What a cd never does -------------------------------------------------------------------------------------------

ROLE = "arn:aws:iam::555555555555:role/Placed"


def test_a_cd_calls_nobody_and_asks_nothing(name, tmp_path, fake, house):
    """An identity that takes a call to AWS, one that takes a code, and one that takes a login: before, and once stored."""
    fake.role(ROLE, ["arn:aws:iam::111111111111:user/hoge1"])
    config = (house.home / ".aws/config").read_text()
    role = (
        f"\n[profile placed]\nregion = eu-west-1\nrole_arn = {ROLE}\nsource_profile = hoge1\nduration_seconds = 900\n"
    )
    mfa = "".join(
        f"\n[profile coded]\nrole_arn = {ROLE}\nsource_profile = hoge1\nmfa_serial = arn:aws:iam::1:mfa/me\n"
        "\n[profile gone]\nsso_start_url = https://gone.awsapps.com/start\nsso_region = eu-west-1\n"
        "sso_account_id = 111111111111\nsso_role_name = X\n"
    )
    places = "".join(f'"~/p/{profile}" = "{profile}"\n' for profile in ("placed", "coded", "gone"))
    shell = real_shell(name, tmp_path / "home", SWITCH + "[places]\n" + places, config + role + mfa)
    (shell.home / ".aws/credentials").write_text((house.home / ".aws/credentials").read_text())
    own = {"HOME", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"}
    shell.env |= {k: v for k, v in house.environment.items() if k not in own and not k.startswith("XDG_")}
    shell.env["BROWSER"] = f"touch {shell.home}/browser-opened"
    for profile in ("placed", "coded", "gone"):
        (shell.home / "p" / profile).mkdir(parents=True)
    with shell.terminal() as terminal:
        fake.forget()
        for profile in ("placed", "coded", "gone"):
            assert said(terminal.ask(f"cd ~/p/{profile}")) == [f"awsenv: ~/p/{profile} is for {profile}: awsenv here"]
            assert who(terminal) == ""
        assert fake.calls == ()
        terminal.ask("cd ~/p/placed; awsenv here")
        assert who(terminal) == "placed" and fake.count("AssumeRole") == 1
        terminal.ask("cd ~")
        assert who(terminal) == ""
        terminal.ask("cd ~/p/placed")
        assert who(terminal) == "placed" and fake.count("AssumeRole") == 1, "what the store has is taken from there"
    assert not (shell.home / "browser-opened").exists()


def test_scripts_and_what_is_not_interactive_are_nowhere(name, tmp_path):
    shell = stage(name, tmp_path)
    shell.run("awsenv use piyo-prod")
    result = shell.run("cd clients/acme; true; " + shell.dump("after"))
    assert result.stderr == "" and "AWSENV_PROFILE" not in result.environment("after")


def test_the_status_of_the_command_before_survives(name, tmp_path):
    shell = stage(name, tmp_path)
    with shell.terminal() as terminal:
        warm(terminal, "piyo-prod")
        terminal.ask("cd ~/clients/acme; " + ("sh -c 'exit 7'" if shell.family == "fish" else "(exit 7)"))
        assert "status 7" in terminal.ask(shell.said())
        assert who(terminal) == "piyo-prod"


def test_no_process_starts_for_a_folder_that_is_for_nobody(name, tmp_path):
    """Counted: prompts in one folder, and prompts each in another one, with settings that name places."""
    shell = stage(name, tmp_path)
    if shell.name == "bash-old":
        pytest.skip("without EPOCHSECONDS its clock may cost a process, once")
    hook = {"bash": "__awsenv_hook", "zsh": "__awsenv_hook", "fish": "__awsenv_look_around"}[shell.family]
    (shell.home / "a").mkdir()
    (shell.home / "b").mkdir()
    calls = system_calls(shell, 40, f"cd {shell.home}/a; {hook}; cd {shell.home}/b; {hook}")
    assert calls["process"] == 0


def test_nothing_of_ours_is_exported_by_set_a(tmp_path):
    shell = stage("bash", tmp_path)
    with shell.terminal() as terminal:
        warm(terminal, "piyo-prod")
        terminal.ask("set -a; cd ~/clients/acme")
        assert who(terminal) == "piyo-prod"
        assert "__awsenv" not in terminal.ask("env | grep -v BASH_FUNC | grep -o '^__awsenv[a-z_]*'; :").replace(
            "'^__awsenv", ""
        )


# ---- The settings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[place]\nwhen_entering = "always"\n', 2),
        ("[place]\nwhen_entering = true\n", 2),
        ('[place]\nelse = "offer"\n', 2),
        ('[places]\n"clients" = "fuga"\n', 2),
        ('[places]\n"~/clients" = 3\n', 2),
    ],
)
def test_a_mistake_is_named_with_its_line_and_means_nothing(text, line):
    settings = parse(text, "config.toml")
    assert [mistake.where.line for mistake in settings.mistakes] == [line]
    assert (settings.when_entering, settings.places) == ("offer", {})


def test_settings_that_are_no_toml_are_no_places(name, tmp_path):
    with stage(name, tmp_path, PLACES + "[[[\n").terminal() as terminal:
        assert said(terminal.ask("cd ~/clients/acme")) == []


def test_the_settings_say_what_is_in_force(tmp_path):
    shell = stage("bash", tmp_path)
    settings = read_settings(str(shell.home / ".config/awsenv/config.toml"))
    assert settings.when_entering == "switch" and settings.places == {"~/clients/acme": "piyo-prod"}
