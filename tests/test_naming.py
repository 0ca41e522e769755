"""Names of imported profiles: harmless to every shell, and the same whatever came in which order."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awsenv import naming
from awsenv.errors import Usage
from awsenv.model import Account
from awsenv.naming import Access, names_for, names_over
from tests.payloads import PAYLOADS

PROD, LAB = Account("111111111111", "prod", "prod@example.com"), Account("222222222222", "lab")
TWIN = Account("333333333333", "prod")


def names(*accesses: tuple[Account, str], others=(), template=naming.TEMPLATE, kept=None, taken=frozenset()):
    found = [Access(account, role) for account, role in accesses]
    accounts = {access.account.id: access.account for access in found} | {account.id: account for account in others}
    return names_for(found, accounts.values(), template, "corp", kept or {}, set(taken))


def test_the_default_is_account_name_and_role():
    assert names((PROD, "Admin")) == {("111111111111", "Admin"): "prod-Admin"}


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{session}.{account_id}.{role}", "corp.111111111111.Admin"),
        ("{email}", "prod@example.com"),
        ("--{role}--", "Admin"),
        ("{account_name}/{role} x", "prod-Admin-x"),
    ],
)
def test_a_template_says_what_a_name_is_made_of(template, name):
    assert list(names((PROD, "Admin"), template=template).values()) == [name]


@pytest.mark.parametrize(
    "template", ["", "fixed", "{nope}", "{role!r}", "{role:>9}", "{role", "{0}", "{}", "{role.__class__}", "{role[0]}"]
)
def test_a_template_that_cant_be_is_refused(template):
    with pytest.raises(Usage):
        naming.check_template(template)


@pytest.mark.parametrize("pid", PAYLOADS)
@pytest.mark.parametrize("field", ["account_name", "role", "email"])
def test_a_hostile_name_becomes_a_harmless_one(pid, field):
    account = Account("111111111111", PAYLOADS[pid], PAYLOADS[pid])
    (name,) = names((account, PAYLOADS[pid]), template="{" + field + "}").values()
    assert re.fullmatch(r"[A-Za-z0-9_@+][A-Za-z0-9_.@+-]*", name) and len(name) <= 140 and name != "default"


def test_two_accounts_of_one_name_are_told_apart_by_their_ids():
    assert names((PROD, "Admin"), (TWIN, "Admin"), (LAB, "Admin")) == {
        ("111111111111", "Admin"): "prod-Admin-111111111111",
        ("333333333333", "Admin"): "prod-Admin-333333333333",
        ("222222222222", "Admin"): "lab-Admin",
    }


def test_an_account_of_the_same_name_counts_though_its_roles_were_not_asked_for():
    assert names((PROD, "Admin"), others=[TWIN]) == {("111111111111", "Admin"): "prod-Admin-111111111111"}


def test_names_that_become_the_same_are_told_apart():
    found = names((PROD, "a b"), (PROD, "a/b"), (PROD, "c"))
    assert len(set(found.values())) == 3
    assert found["111111111111", "c"] == "prod-c"
    assert re.fullmatch(r"prod-a-b-111111111111-[0-9a-f]{8}", found["111111111111", "a b"])


def test_a_name_taken_elsewhere_is_left_to_its_owner():
    assert names((PROD, "Admin"), taken={"prod-Admin"}) == {("111111111111", "Admin"): "prod-Admin-111111111111"}


def test_a_name_once_given_stays_when_a_twin_appears():
    kept = {("111111111111", "Admin"): "prod-Admin"}
    assert names((PROD, "Admin"), (TWIN, "Admin"), kept=kept) == kept | {
        ("333333333333", "Admin"): "prod-Admin-333333333333"
    }


def test_nothing_becomes_the_default_profile():
    assert list(names((Account("111111111111", "default"), "x"), template="{account_name}").values()) == [
        "111111111111-default"
    ]


WORDS = st.sampled_from(["prod", "Prod", "a b", "a-b", "a", "b", "", "é", "default", "prod-111111111111", "x"])
IDS = st.integers(0, 5).map(lambda n: str(n + 1) * 12)
PORTALS = st.dictionaries(IDS, st.tuples(WORDS, st.sets(WORDS, min_size=1, max_size=3)), max_size=6)


@given(PORTALS, st.sets(WORDS, max_size=3), st.randoms(use_true_random=False))
def test_names_are_unique_and_free_of_order(portal, taken, chance: random.Random):
    accesses = [(Account(number, name), role) for number, (name, roles) in portal.items() for role in roles]
    found = names(*accesses, taken=taken)
    assert len(set(found.values())) == len(found) == len(accesses)
    assert not set(found.values()) & taken
    shuffled = list(accesses)
    chance.shuffle(shuffled)
    assert names(*shuffled, taken=taken) == found


@given(PORTALS)
def test_an_unrelated_account_changes_no_name(portal):
    accesses = [(Account(number, name), role) for number, (name, roles) in portal.items() for role in roles]
    more = (Account("999999999999", "unrelated"), "SomeRole")
    found = names(*accesses, more)
    assert {key: name for key, name in found.items() if key[0] != "999999999999"} == names(*accesses)


@given(PORTALS)
def test_a_second_import_gives_the_same_names(portal):
    accesses = [(Account(number, name), role) for number, (name, roles) in portal.items() for role in roles]
    found = names(*accesses)
    assert names(*accesses, kept=found) == found


def test_a_profile_on_top_is_called_after_both():
    sources = {("111111111111", "Admin"): "prod-Admin", ("111111111111", "View"): "prod-View"}
    assert names_over(sources, "team/Deploy", {}, set()) == {
        ("111111111111", "Admin"): "prod-Admin-Deploy",
        ("111111111111", "View"): "prod-View-Deploy",
    }
    assert names_over(sources, "Deploy", {}, {"prod-Admin-Deploy"})["111111111111", "Admin"] == (
        "prod-Admin-Deploy-111111111111"
    )


def test_globs_fit_without_regard_to_case_and_none_fits_all():
    assert naming.matches((), "x") and naming.matches(("PROD*",), "1", "production")
    assert not naming.matches(("lab",), "1", "production")
