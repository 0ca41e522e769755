"""`region`: this shell's region, in real shells: both variables, back again, kept by refresh, put back by off."""

import json
import os
import re
import shutil
from pathlib import Path

import botocore
import pytest

from awsenv import regional, regions
from awsenv.errors import Usage
from awsenv.lease import request_of_shell
from awsenv.world import World
from tests.real_shell import history_of, real_shell
from tests.shells import Shell
from tests.test_completion import Terminal as TabTerminal

BOTH = ("AWS_REGION", "AWS_DEFAULT_REGION")


@pytest.fixture
def shell(shell_name, tmp_path) -> Shell:
    return real_shell(shell_name, tmp_path / "home")


def both(environment) -> tuple[str | None, str | None]:
    return environment.get("AWS_REGION"), environment.get("AWS_DEFAULT_REGION")


# ---- The table ------------------------------------------------------------------------------------------------------


def partitions() -> dict:
    path = os.path.join(os.path.dirname(botocore.__file__), "data", "partitions.json")
    return {about["id"]: about for about in json.loads(Path(path).read_text())["partitions"]}


def test_every_region_that_botocore_knows_is_known_in_its_partition():
    for partition, about in partitions().items():
        theirs = {name for name in about["regions"] if not name.endswith("-global")}
        assert theirs and theirs <= set(regions.PARTITIONS[partition])
        assert {regions.partition_of(name) for name in regions.PARTITIONS[partition]} == {partition}


def test_the_completions_name_every_region():
    known = {name for names in regions.PARTITIONS.values() for name in names}
    for file in ("awsenv.bash", "_awsenv", "awsenv.fish"):
        words = set((Path(__file__).parent.parent / "completions" / file).read_text().split())
        assert known <= {re.sub(r".*\(|\)", "", word) for word in words}, file


# ---- Changing it ----------------------------------------------------------------------------------------------------


def test_both_variables_change_and_the_identity_stays(shell):
    result = shell.run("awsenv use fuga; awsenv region ap-south-1; " + shell.said() + shell.dump("after"))
    after = result.environment("after")
    assert both(after) == ("ap-south-1", "ap-south-1")
    assert after["AWS_ACCESS_KEY_ID"] == "AKIAFUGA" and after["AWSENV_PROFILE"] == "fuga"
    assert "status 0" in result.stdout
    assert "fuga · ap-south-1" in result.stderr


def test_minus_goes_back_and_forth(shell):
    script = "awsenv use fuga; awsenv region ap-south-1; awsenv region -; " + shell.dump("back")
    result = shell.run(script + "awsenv region -; " + shell.dump("forth"))
    assert both(result.environment("back")) == ("eu-central-1",) * 2
    assert both(result.environment("forth")) == ("ap-south-1",) * 2


def test_without_one_before_there_is_nothing_to_go_back_to(shell):
    result = shell.run("awsenv use fuga; awsenv region -; " + shell.said() + shell.dump("after"))
    assert "status 2" in result.stdout
    assert "there is no region before this one" in result.stderr
    assert both(result.environment("after")) == ("eu-central-1",) * 2


def test_another_identity_has_no_region_before_this_one(shell):
    result = shell.run(
        "awsenv use fuga; awsenv region ap-south-1; awsenv use piyo-prod; awsenv region -; " + shell.said()
    )
    assert "status 2" in result.stdout


def test_refresh_keeps_it_and_the_next_identity_has_its_own(shell):
    script = "awsenv use fuga; awsenv region ap-south-1; awsenv refresh; " + shell.dump("renewed")
    result = shell.run(script + "awsenv use piyo-prod; " + shell.dump("other") + "awsenv use -; " + shell.dump("back"))
    assert both(result.environment("renewed")) == ("ap-south-1",) * 2
    assert both(result.environment("other")) == ("us-east-1",) * 2
    assert both(result.environment("back")) == ("ap-south-1",) * 2


def test_a_change_of_region_is_no_change_of_identity_for_use_minus(shell):
    result = shell.run(
        "awsenv use piyo-prod; awsenv use fuga; awsenv region ap-south-1; awsenv use -; " + shell.dump("back")
    )
    assert result.environment("back")["AWSENV_PROFILE"] == "piyo-prod"


def test_it_is_not_what_the_shell_had_before_awsenv(shell):
    before = shell.export("AWS_REGION", "sa-east-1")
    script = "awsenv use fuga; awsenv region ap-south-1; awsenv use nowhere; " + shell.dump("other")
    result = shell.run(script + "awsenv off; " + shell.dump("off"), before=before)
    assert both(result.environment("other")) == ("sa-east-1",) * 2
    assert both(result.environment("off")) == ("sa-east-1", None)


def test_off_puts_back_what_was_there(shell):
    before = shell.export("AWS_REGION", "sa-east-1") + shell.export("AWS_DEFAULT_REGION", "us-west-2")
    result = shell.run("awsenv use fuga; awsenv region ap-south-1; awsenv off; " + shell.dump("off"), before=before)
    assert both(result.environment("off")) == ("sa-east-1", "us-west-2")


def test_without_an_identity_it_works_too_and_off_puts_back(shell):
    before = shell.export("AWS_REGION", "sa-east-1") + shell.export("AWS_PROFILE", "theirs")
    script = "awsenv region ap-south-1; " + shell.dump("changed") + "awsenv off; " + shell.dump("off")
    result = shell.run(script, before=before)
    changed, off = result.environment("changed"), result.environment("off")
    assert both(changed) == ("ap-south-1",) * 2 and changed["AWS_PROFILE"] == "theirs"
    assert not [name for name in changed if name.startswith("AWSENV_")]
    assert both(off) == ("sa-east-1", None) and off["AWS_PROFILE"] == "theirs"
    assert "off: the region is as it was" in result.stderr


def test_a_region_chosen_before_any_identity_is_that_of_a_profile_without_one(shell):
    script = "awsenv region ap-south-1; awsenv use nowhere; " + shell.dump("used") + "awsenv off; " + shell.dump("off")
    result = shell.run(script, before=shell.export("AWS_REGION", "sa-east-1"))
    assert both(result.environment("used")) == ("ap-south-1",) * 2
    assert both(result.environment("off")) == ("sa-east-1", None)


def test_options_that_cannot_be_read_are_kept_and_never_taken_for_none():
    env = {"AWSENV_PROFILE": "fuga", "AWSENV_OPTIONS": "--read-only --of-a-later-version=x"}
    assert regional.assignments("eu-west-1", env) == [(name, "eu-west-1") for name in BOTH]
    with pytest.raises(Usage, match="AWSENV_OPTIONS"):
        request_of_shell(World(env, "/", "", "", None, "me"))


def test_in_profile_mode_it_works_too(shell):
    script = "awsenv use fuga --as profile; awsenv region ap-south-1; awsenv refresh; " + shell.dump("after")
    after = shell.run(script).environment("after")
    assert both(after) == ("ap-south-1",) * 2
    assert after["AWS_PROFILE"] == "fuga" and "AWS_ACCESS_KEY_ID" not in after
    assert after["AWSENV_OPTIONS"] == "--region=ap-south-1 --as=profile"


def test_the_segment_and_a_label_with_the_region_follow(shell_name, tmp_path):
    shell = real_shell(shell_name, tmp_path / "home", '[prompt]\nlabel = "{profile}@{region}"\n')
    with shell.terminal(env={"COLUMNS": "120"}) as terminal:
        terminal.ask("awsenv use fuga")
        assert "fuga@eu-central-1 eu-central-1" in terminal.segment
        terminal.ask("awsenv region ap-south-1")
        assert "fuga@ap-south-1 ap-south-1" in terminal.segment
        assert "eu-central-1" not in terminal.segment


def test_it_is_no_entry_of_the_history(shell):
    shell.run("awsenv use fuga; awsenv region ap-south-1; awsenv refresh")
    assert history_of(shell) == ["-- fuga"]


# ---- What is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("eu-central-11", "did you mean eu-central-1"),
        ("EU-CENTRAL-1", "is no region"),
        ("eu-central-1; touch PWN", "is no region"),
        ("xx-moon-1", "no region xx-moon-1 is known here"),
        ("cn-north-1", "is in the partition aws-cn, and fuga is an identity of aws"),
        ("", "there is no region"),
        ("eu--", "is no region"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(shell, name, said):
    result = shell.run(f"awsenv use fuga; awsenv region {shell.quote(name)}; " + shell.said() + shell.dump("after"))
    assert "status 2" in result.stdout, result.stderr
    assert said in result.stderr
    assert both(result.environment("after")) == ("eu-central-1",) * 2
    assert not list(shell.home.rglob("PWN*"))


@pytest.mark.parametrize("name", ["xx-moon-1", "cn-north-1"])
def test_with_force_it_is_taken_and_minus_leads_back(shell, name):
    script = f"awsenv use fuga; awsenv region {name} --force; " + shell.dump("forced")
    result = shell.run(script + "awsenv region -; " + shell.dump("back"))
    assert both(result.environment("forced")) == (name,) * 2
    assert both(result.environment("back")) == ("eu-central-1",) * 2


def test_what_the_profile_itself_says_counts_for_its_partition(shell):
    script = "awsenv use gov; awsenv region us-east-1 --force; awsenv region us-gov-east-1; " + shell.dump("after")
    assert both(shell.run(script).environment("after")) == ("us-gov-east-1",) * 2


# ---- Showing it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "shown", "origin"),
    [
        ("awsenv use fuga; ", "eu-central-1", "~/.aws/config:2 (profile fuga)"),
        (
            "awsenv use fuga; awsenv region ap-south-1; ",
            "ap-south-1",
            "chosen in this shell; fuga's own is eu-central-1",
        ),
        ("awsenv use nowhere; ", "sa-east-1", "what this shell had before awsenv"),
        ("", "sa-east-1", "from AWS_REGION"),
    ],
)
def test_alone_it_shows_the_region_for_a_pipe_and_where_it_comes_from_beside(shell, script, shown, origin):
    result = shell.run(script + "awsenv region", before=shell.export("AWS_REGION", "sa-east-1"))
    assert result.stdout == f"{shown}\n"
    assert origin in result.stderr


def test_without_any_region_it_says_so(shell):
    result = shell.run("awsenv region; " + shell.said())
    assert result.stdout == "status 3\n"
    assert "no region in this shell" in result.stderr


def test_two_variables_that_differ_are_named(shell):
    before = shell.export("AWS_REGION", "sa-east-1") + shell.export("AWS_DEFAULT_REGION", "us-west-2")
    result = shell.run("awsenv region", before=before)
    assert "AWS_DEFAULT_REGION is another one, us-west-2" in result.stderr


# ---- TAB ------------------------------------------------------------------------------------------------------------


def offered(shell_name, tmp_path, **env) -> set[str]:
    terminal = TabTerminal(shell_name, tmp_path, **env)
    try:
        return terminal.offers("awsenv region ")
    finally:
        terminal.close()


@pytest.mark.parametrize(
    "region", ["eu-west-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-isob-east-1", "eu-isoe-west-1"]
)
def test_tab_offers_the_regions_of_the_identitys_partition(shell_name, tmp_path, region):
    if not shutil.which(shell_name):
        pytest.skip(f"no {shell_name}")
    found = offered(shell_name, tmp_path, AWSENV_PROFILE="x", AWS_REGION=region)
    assert found - {"-"} == set(regions.PARTITIONS[regions.partition_of(region)])
    assert "-" in found


def test_tab_without_an_identity_offers_all_but_the_secret_partitions(shell_name, tmp_path):
    found = offered(shell_name, tmp_path, AWS_REGION="cn-north-1") - {"-"}
    assert found == {
        name for partition, names in regions.PARTITIONS.items() if "iso" not in partition for name in names
    }
