"""The history of identities: `use -` in a new shell, the picker's order, and that it can neither harm nor be harmed."""

import os
import subprocess
import sys

import platformdirs
import pytest

from awsenv import history, hot, shelf
from tests.bench import probe
from tests.real_shell import history_of, real_shell
from tests.shells import Shell

DAY = 86400.0
NOW = 1_800_000_000.0


@pytest.fixture
def shell(shell_name, tmp_path) -> Shell:
    return real_shell(shell_name, tmp_path / "home")


@pytest.fixture
def env(tmp_path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def written(env) -> str:
    path = history.path_in(env)
    assert path is not None
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def put(env, text: str, mode: int = 0o600) -> None:
    path = history.path_in(env)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    os.chmod(path, mode)


# ---- use - in another shell -----------------------------------------------------------------------------------------


def test_in_a_new_shell_minus_is_the_identity_used_last_anywhere(shell):
    shell.run("awsenv use piyo-prod; awsenv use fuga --region ap-south-1")
    result = shell.run("awsenv use -; " + shell.dump("after"))
    after = result.environment("after")
    assert (after["AWSENV_PROFILE"], after["AWS_REGION"]) == ("fuga", "ap-south-1")


def test_a_shells_own_identity_before_comes_first(shell):
    shell.run("awsenv use nowhere")
    result = shell.run("awsenv use piyo-prod; awsenv use fuga; awsenv use -; " + shell.dump("after"))
    assert result.environment("after")["AWSENV_PROFILE"] == "piyo-prod"


def test_it_is_never_the_identity_that_the_shell_has_already(shell):
    shell.run("awsenv use piyo-prod")
    result = shell.run("awsenv use fuga; awsenv use -; " + shell.dump("after"))
    assert result.environment("after")["AWSENV_PROFILE"] == "piyo-prod"


def test_a_shell_turned_to_another_region_is_still_who_it_was(shell):
    shell.run("awsenv use piyo-prod")
    result = shell.run("awsenv use fuga; awsenv region ap-south-1; awsenv use -; " + shell.dump("after"))
    assert result.environment("after")["AWSENV_PROFILE"] == "piyo-prod"


def test_a_profile_used_anew_after_a_region_is_not_the_one_before(shell):
    script = "awsenv use piyo-prod; awsenv use fuga; awsenv region ap-south-1; awsenv use fuga; awsenv use -; "
    assert shell.run(script + shell.dump("after")).environment("after")["AWSENV_PROFILE"] == "piyo-prod"


def test_minus_goes_with_the_options_that_only_the_full_path_knows(shell):
    script = "awsenv use piyo-prod --region ap-south-1; awsenv use fuga; awsenv use - --mfa-stdin; "
    after = shell.run(script + shell.dump("after")).environment("after")
    assert (after["AWSENV_PROFILE"], after["AWS_REGION"]) == ("piyo-prod", "ap-south-1")


def test_without_any_there_is_nothing_to_go_back_to(shell):
    result = shell.run("awsenv use -; " + shell.said() + shell.dump("after"))
    assert "status 2" in result.stdout
    assert "no identity before this one, in this shell or any other" in result.stderr
    assert "AWSENV_PROFILE" not in result.environment("after")


def test_warm_and_cold_are_noted_and_nothing_else_is(shell):
    script = (
        "awsenv use fuga; awsenv use fuga; awsenv refresh; awsenv use nobody; awsenv off; awsenv export piyo-prod >out"
    )
    shell.run(script)
    assert history_of(shell) == ["-- fuga", "-- fuga"]


def test_names_and_options_are_all_that_is_kept(shell):
    shell.run("awsenv use 'with a blank' --region eu-west-1 --as profile; awsenv use fuga")
    path = shell.home / ".local/state/awsenv/history"
    assert history_of(shell) == ["--region=eu-west-1 --as=profile -- with a blank", "-- fuga"]
    assert "secret" not in path.read_text() and "AKIA" not in path.read_text()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


# ---- The file -------------------------------------------------------------------------------------------------------


def test_it_is_where_platformdirs_puts_state(monkeypatch):
    for base in (None, "/somewhere else", "relative", ""):
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
        monkeypatch.setenv("HOME", "/home/some one")
        if base is not None:
            monkeypatch.setenv("XDG_STATE_HOME", base)
        assert shelf.user_folder(dict(os.environ), "state") == platformdirs.user_state_dir("awsenv")


def test_the_settings_are_where_platformdirs_puts_them(monkeypatch):
    for base in (None, "/somewhere else", "relative", ""):
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        monkeypatch.setenv("HOME", "/home/some one")
        if base is not None:
            monkeypatch.setenv("XDG_CONFIG_HOME", base)
        assert shelf.user_folder(dict(os.environ), "config") == platformdirs.user_config_dir("awsenv")


def test_without_a_home_nothing_happens():
    history.note({}, "", "fuga", NOW)
    assert history.path_in({}) is None
    assert history.last({}) == "" and history.scores({}, NOW) == {}


def test_often_and_lately_beats_once_or_long_ago(env):
    for profile, ages in {"often": (9, 8, 7, 6), "lately": (0,), "long-ago": (70, 70, 70, 70, 70)}.items():
        for age in ages:
            history.note(env, "", profile, NOW - age * DAY)
    scores = history.scores(env, NOW)
    assert sorted(scores, key=scores.__getitem__, reverse=True) == ["often", "lately", "long-ago"]
    assert scores["long-ago"] == pytest.approx(5 / 1024)


def test_a_name_that_no_line_can_hold_is_not_noted(env):
    for profile in ("two\nlines", "bell\x07", "", "tab\there"):
        history.note(env, "", profile, NOW)
    assert history.path_in(env) is not None and not os.path.exists(history.path_in(env))


def test_damaged_lines_count_for_nothing(env):
    lines = [
        "",
        "x",
        "1 2",
        "nan 1 -- a",
        "inf 1 -- b",
        "1 -5 -- c",
        "1e99 1 -- d",
        "1 1 e",
        f"{NOW} 1 -- good",
        "\udcff",
    ]
    put(env, "\n".join(lines) + "\n")
    assert [identity for *_, identity in history.entries(env)] == ["-- good"]


@pytest.mark.parametrize("options", ["--frobnicate=1", "; touch PWN", "--region=../x"])
def test_options_that_nobody_wrote_are_no_request(env, options):
    put(env, f"{NOW} 1 {options} -- fuga\n")
    assert hot.parse("use", ["-"], env) is None


def test_a_file_that_others_can_write_to_is_not_believed(env):
    put(env, f"{NOW} 1 -- theirs\n", mode=0o666)
    assert history.last(env) == ""


def test_a_link_or_a_pipe_in_its_place_is_left_alone(env, tmp_path):
    path = history.path_in(env)
    os.makedirs(os.path.dirname(path))
    target = tmp_path / "target"
    target.write_text("")
    os.symlink(target, path)
    history.note(env, "", "fuga", NOW)
    assert target.read_text() == ""
    os.unlink(path)
    os.mkfifo(path)
    history.note(env, "", "fuga", NOW)  # must not wait for a reader
    assert history.entries(env) == []


def test_an_unwritable_folder_is_no_obstacle_to_use(shell):
    (shell.home / ".local").write_text("a file in the way")
    result = shell.run("awsenv use fuga; " + shell.said() + "awsenv use fuga; " + shell.said())
    assert result.stdout == "status 0\nstatus 0\n", result.stderr


def test_it_stays_small_and_keeps_what_it_knew(env):
    put(env, "".join(f"{int(NOW) - 9000 + n} 1 -- p{n % 40}\n" for n in range(9000)))
    before = history.scores(env, NOW)
    history.note(env, "", "p1", NOW)
    assert len(written(env).splitlines()) == 40
    after = history.scores(env, NOW)
    assert after["p1"] == pytest.approx(before["p1"] + 1, rel=0.01)
    assert after["p2"] == pytest.approx(before["p2"], rel=0.01)
    assert history.last(env) == "-- p1"


def test_lines_of_shells_that_write_at_once_stay_whole(env, tmp_path):
    put(env, "")
    program = (
        "import sys; sys.path.append(sys.argv[1])\n"
        "from awsenv import history\n"
        "for n in range(200): history.note({'HOME': sys.argv[2]}, '', sys.argv[3] * 20, 1_800_000_000.0)\n"
    )
    root = os.path.dirname(os.path.dirname(history.__file__))
    argv = [sys.executable, "-I", "-S", "-c", program, root, str(tmp_path)]
    for child in [subprocess.Popen([*argv, letter]) for letter in "abcd"]:
        assert child.wait() == 0
    lines = written(env).splitlines()
    assert {line.split(" ", 2)[2] for line in lines} == {f"-- {letter * 20}" for letter in "abcd"}
    assert len(lines) == 800


def test_the_writer_loads_no_more_than_its_own_file(shell_name, tmp_path):
    if shell_name != "bash":
        pytest.skip("the same for every shell")
    shell = real_shell("bash", tmp_path / "home")
    shell.run("awsenv use fuga")
    env = {**shell.env, "AWSENV_SHIM": "bash:1", "AWSENV_STORE": shell.values["__awsenv_store"]}
    calls = probe.loaded(["use", "fuga"], env, str(tmp_path / "modules"))
    assert calls.stdout and "awsenv.cold" not in calls.modules, "this run was not warm"
    assert "awsenv.history" in calls.modules and "awsenv.store" not in calls.modules
    assert history_of(shell) == ["-- fuga", "-- fuga"]
