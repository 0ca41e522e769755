"""The README's table of where awsenv and AWS's tools differ, held against the code both ways: no row too many, none too few."""

import ast
import re

import pytest

from tests.shells import ROOT
from tests.test_agreement import BY_CHAIN, MENDED, REWRITTEN

README = (ROOT / "README.md").read_text()
# What generated configs can't show, and the test that does.
ELSEWHERE = {
    "a role with an mfa_serial is assumed with a session that its code has bought":
        "test_mfa.py::test_two_roles_behind_one_device_take_one_code",
    "the region of a profile beats the one of the environment":
        "test_precedence.py::test_the_region_of_the_command_line_beats_all_and_a_profiles_beats_the_environments_unlike_aws_tools",
    "credential_source = Environment assumes its role":
        "test_precedence.py::test_credential_source_by_profile_variable_is_assumed_here_unlike_aws_tools",
    "an AWS_CONFIG_FILE that is empty counts as none": "test_precedence.py::test_the_file_variables_move_the_files",
    "the metadata service of an instance is asked by its version 2 alone":
        "test_credential_source.py::test_version_one_of_the_metadata_service_is_never_used",
    "a config file of somebody else's starts no program, and says not who answers for AWS":
        "test_network.py::test_a_strange_config_file_sends_nothing_anywhere_until_it_is_trusted",
}  # fmt: skip


def rows() -> dict[str, tuple[str, str]]:
    """First cell → the two others."""
    section = re.search(r"^## Where awsenv and AWS's tools differ\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)
    assert section is not None
    found = [line.strip("|").split("|") for line in section[1].splitlines() if line.startswith("|")][2:]
    assert all(len(cells) == 3 for cells in found)
    return {cells[0].strip(): (cells[1].strip(), cells[2].strip()) for cells in found}


def test_every_difference_that_the_code_has_is_a_row_and_every_row_is_one():
    assert set(rows()) == {*MENDED, *REWRITTEN, BY_CHAIN, *ELSEWHERE}


def test_every_row_says_what_aws_tools_do_and_why_we_do_not():
    assert not [row for row, (theirs, why) in rows().items() if not (theirs and why)]


@pytest.mark.parametrize("test", ELSEWHERE.values())
def test_the_test_of_a_row_exists(test):
    file, name = test.split("::")
    tree = ast.parse((ROOT / "tests" / file).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
