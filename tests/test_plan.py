"""Config text → what `explain` says of it: a folder of tests/plans/ for every case, each read as a person would have it.

A case is a folder with `config`, `credentials` (either may be missing) and `explain.txt`, what is said of its profiles: of
all of them in the files' order, or of the lines of `ask`, each a profile's name with options and variables as one types
them (`AWS_ENDPOINT_URL=http://x ops --duration 2h`). A new case takes no code: write the input, run
`WRITE_PLANS=1 python -m pytest tests/test_plan.py`, and read what it wrote.
"""

import os
import pathlib
import shlex

import pytest

from awsenv import explain, stash
from awsenv.config import AwsConfig
from awsenv.errors import AwsenvError, Usage
from awsenv.hot import ambient_region
from awsenv.model import Plan
from awsenv.plan import build
from awsenv.text import seconds_of, show

PLANS = pathlib.Path(__file__).parent / "plans"
CASES = sorted(path.name for path in PLANS.iterdir())


def config_of(case: str) -> AwsConfig:
    data = [path.read_bytes() if (path := PLANS / case / name).exists() else b"" for name in ("config", "credentials")]
    return AwsConfig(*data, "config", "credentials")


def plan_of(config: AwsConfig, asked: list[str]) -> Plan:
    env = dict(word.split("=", 1) for word in asked if word.startswith(("AWS_", "AWSENV_", "GITHUB_", "ACTIONS_")))
    name, *options = asked[len(env) :]
    given = dict(zip(options[::2], options[1::2], strict=True))
    return build(
        config,
        name,
        env=env,
        session_name="awsenv-test",
        region=given.get("--region"),
        ambient_region=ambient_region(env),
        duration=seconds_of(given["--duration"]) if "--duration" in given else None,
        before=stash.before(env, None),
    )


def said_of(case: str) -> str:
    """What `awsenv explain` says, one block a profile, with an error as it is worded on stderr."""
    config, ask = config_of(case), PLANS / case / "ask"
    asked = (
        [shlex.split(line) for line in ask.read_text().splitlines()] if ask.exists() else [[n] for n in config.names()]
    )
    blocks = []
    for words in asked:
        try:
            said = explain.text(plan_of(config, words))
        except AwsenvError as error:
            said = "\n".join(error.lines()) + "\n"
        blocks.append(f"$ {' '.join(shlex.quote(show(word)) for word in words)}\n{said}")
    return "\n".join(blocks)


@pytest.mark.parametrize("case", CASES)
def test_a_plan_reads_as_its_folder_says(case):
    golden = PLANS / case / "explain.txt"
    said = said_of(case)
    if os.environ.get("WRITE_PLANS"):
        golden.write_text(said)
    assert said == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_a_plan_shows_no_secret(case):
    config = config_of(case)
    secrets = {"wJalrXUtnFEMI", "je7MtGbClwBF", "IQoJb3JpZ2luX2Vj", "FQoGZXIvYXdz", "IOSFODNN7", "I44QH8DHB"}
    shown = (PLANS / case / "explain.txt").read_text()
    for name in config.names():
        try:
            shown += repr(plan_of(config, [name]).notes) + repr(config.profile(name))
        except AwsenvError as error:
            shown += repr(error)
    assert not [secret for secret in secrets if secret in shown]


def test_every_case_says_something():
    assert len(CASES) >= 40
    assert all((PLANS / case / "explain.txt").read_text().strip() for case in CASES)


def test_goldens_hold_nothing_that_a_terminal_obeys():
    for case in CASES:
        assert all(c.isprintable() or c == "\n" for c in (PLANS / case / "explain.txt").read_text()), case


def test_a_duration_with_nothing_to_apply_to_is_a_usage_error():
    with pytest.raises(Usage):
        plan_of(config_of("static-keys"), ["in-config", "--duration", "1h"])


def test_a_chain_of_hundreds_of_hops_is_planned_and_its_loop_is_found():
    hops = "".join(
        f"[profile h{i}]\nrole_arn = arn:aws:iam::123456789012:role/R{i}\nsource_profile = h{i + 1}\n"
        for i in range(500)
    )
    root = "[profile h500]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n"
    assert len(plan_of(AwsConfig((hops + root).encode(), b"", "config", "credentials"), ["h0"]).steps) == 501
    circle = root.split("\n")[0] + "\nrole_arn = arn:aws:iam::123456789012:role/R\nsource_profile = h3\n"
    with pytest.raises(AwsenvError) as loop:
        plan_of(AwsConfig((hops + circle).encode(), b"", "config", "credentials"), ["h0"])
    lines = loop.value.lines()
    assert (lines[1], lines[501]) == ("  h0 → h1   (config:3)", "  h500 → h3   (config:1503)")
