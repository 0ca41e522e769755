"""awsenv's own settings: what is in force, why, and that a mistake in them is named and stops nothing."""

import pytest

from awsenv.change import change_for
from awsenv.model import Credentials, Lease, Where
from awsenv.prompt import shown_for
from awsenv.settings import FIELDS, TEMPLATE, Settings, parse, rows

KEYS = Credentials("ASIA", "s", "t", 0.0, 3600.0, "444444444444")


def lease(profile="piyo-prod", account="444444444444", role="ReadOnly", region="eu-west-1"):
    return Lease(profile, region, KEYS, account, role)


def test_no_file_is_all_defaults():
    assert parse("", "f") == Settings()
    assert all(origin == "default" for *_, origin in rows(Settings()))


def test_the_template_is_without_mistakes_and_sets_what_it_says():
    settings = parse(TEMPLATE, "f")
    assert settings.mistakes == ()
    assert [name for name, _ in settings.classes] == ["prod", "staging", "dev"]
    assert settings.origins["classes.prod"] == Where("f", TEMPLATE.split("\n").index('prod = ["*prod*"]') + 1)


@pytest.mark.parametrize(
    ("pattern", "is_prod"),
    [
        ("*prod*", True),
        ("444444444444", True),
        ("*/readonly", True),
        ("READ*", True),
        ("billing", True),
        ("piyo", False),
        ("", False),
    ],
)
def test_a_class_is_matched_against_names_accounts_and_roles(pattern, is_prod):
    settings = parse(f'[classes]\nprod = ["{pattern}"]\n[accounts]\n444444444444 = "Billing"', "f")
    assert (shown_for(lease(), settings).kind == "prod") is is_prod


def test_the_first_class_that_matches_wins():
    settings = parse('[classes]\nstaging = ["piyo*"]\nprod = ["*prod"]', "f")
    assert shown_for(lease(), settings).kind == "staging"


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("{account}/{role}", "billing/ReadOnly"),
        ("{profile} {region}", "piyo-prod eu-west-1"),
        ("{class}:{profile}", ":piyo-prod"),
        ("aws $(x) {role}", "aws ??x? ReadOnly"),
    ],
)
def test_the_label_follows_its_setting_in_harmless_characters(label, text):
    settings = parse(f'[accounts]\n444444444444 = "billing"\n[prompt]\nlabel = "{label}"', "f")
    assert settings.mistakes == ()
    assert shown_for(lease(), settings).label == text


def test_an_access_key_is_labelled_by_its_profile():
    assert shown_for(lease("hoge1", None, None), Settings()).label == "hoge1"


def test_fields_reach_the_shell_only_where_they_differ():
    def exported(text):
        return dict(change_for(lease(), shown_for(lease(), parse(text, "f"))).assign)

    assert "AWSENV_FIELDS" not in exported("")
    assert exported('[prompt]\nfields = ["label", "left"]')["AWSENV_FIELDS"] == "label left"
    assert exported("[prompt]\nfields = []")["AWSENV_FIELDS"] == "none"
    assert exported('[classes]\nprod=["*"]')["AWSENV_CLASS"] == "prod"


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("[prompt\n", 1, "not TOML"),
        ("\n\n[prompt]\nlabel = 3\n", 4, "label takes"),
        ('[prompt]\nlabel = "{nope}"', 2, "{nope}"),
        ('[prompt]\nfields = ["clock"]', 2, "fields takes"),
        ("# c\n[prompt]\nfilds = []", 3, "prompt.filds"),
        ("prompt.filds = 1", 1, "prompt.filds"),
        ("[colours]\n", 1, "colours"),
        ('[classes]\nPROD = ["x"]', 2, "small letters"),
        ('[classes]\nprod = "x"', 2, "list of patterns"),
        ('[accounts]\n12 = "x"', 2, "twelve digits"),
        ("[trust]\nallow_endpoint_override = 1", 2, "true or false"),
        ("classes = 1", 1, "is a section"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_keeps_the_default(text, line, word):
    settings = parse(text, "f")
    (mistake,) = settings.mistakes
    assert mistake.where == Where("f", line) and word in mistake.what
    assert (settings.label, settings.fields, settings.allow_endpoint_override) == ("{account}/{role}", FIELDS, False)


def test_one_mistake_leaves_the_rest_in_force():
    settings = parse('[prompt]\nlabel = 3\nfields = ["label"]\n[classes]\nprod = ["x"]', "f")
    assert len(settings.mistakes) == 1 and settings.fields == ("label",) and settings.classes


def test_a_program_may_take_as_long_as_is_said_and_files_elsewhere_start_some():
    settings = parse('[process]\ntimeout = 300\n[trust]\nfiles = ["~/projects/config", "/srv/aws"]', "f")
    assert (settings.process_timeout, settings.trusted_files, settings.mistakes) == (
        300.0,
        ("~/projects/config", "/srv/aws"),
        (),
    )
    assert ("process.timeout", "300", "f:2") in rows(settings) and (
        "trust.files",
        "~/projects/config /srv/aws",
        "f:4",
    ) in rows(settings)


@pytest.mark.parametrize(
    "line", ["[process]\ntimeout = 0", "[process]\ntimeout = true", '[process]\ntimeout = "1m"', "[process]\ntimeout = 1e9",
             "[process]\ntimeout = nan", '[trust]\nfiles = "/x"', '[trust]\nfiles = ["aws.conf"]', "[trust]\nfiles = [1]"]
)  # fmt: skip
def test_a_length_that_is_none_and_a_path_that_is_not_whole_are_mistakes(line):
    settings = parse(line, "f")
    assert [mistake.where for mistake in settings.mistakes] == [Where("f", 2)]
    assert (settings.process_timeout, settings.trusted_files) == (60.0, ())
