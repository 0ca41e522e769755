"""A simulated working day in each shell: no command on dead keys, no false prompt, no slow hook, no question from one."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from awsenv.demo.fake import FakeAws
from tests.shells import Terminal, missing
from tests.working_day import HALF_A_DAY, Day, Tally

SHORT, LONG = [3, 4, 6, 1, 9, 2], [3, 2, 5, 1, 8, 14, 4, 16, 2, 31, 3, 7, 1, 59, 2, 6]


def a_day(day: Day, steps: list[int]) -> Tally:
    """From the login in the morning to `off` in the evening; *steps*: the minutes between commands."""
    shells = [day.shell() for _ in range(4)]
    beside, hour = shells[1:3]
    day.log_in(hour)
    for terminal, profile in zip(shells, ("worker", "worker", "piyo-prod", HALF_A_DAY), strict=True):
        become(day, terminal, profile)

    def work(minutes: list[int]) -> None:
        for pause in minutes:
            day.elapse(pause)
            for terminal in shells:
                day.command(terminal)
            day.quiet()  # what was begun behind a prompt: the next one finds it

    work(steps)
    work([75])  # lunch
    work([1])
    with day.cut_off():
        work([7, 4, 2])
    work([1, 3, 6])
    day.ask(beside, beside.shell.export("AWS_ACCESS_KEY_ID", "AKIAOTHERTOOL1234"))
    assert beside.segment.startswith("≠ AKIA..1234")
    work([2, 20])
    become(day, beside, "worker")
    day.log_out_elsewhere()
    work([5, 65])
    assert "login!" in hour.segment
    day.log_in(hour)
    become(day, hour, "piyo-prod")
    work([1, *steps, 180])
    for terminal in shells:
        day.ask(terminal, "awsenv off")
        assert terminal.segment == ""
    return day.close()


def become(day: Day, terminal: Terminal, profile: str) -> None:
    terminal.identity = profile
    day.ask(terminal, f"awsenv use {profile}")
    assert "/" in terminal.segment, profile


def judged(name: str, folder: Path, fake: FakeAws, steps: list[int], monkeypatch: pytest.MonkeyPatch) -> Tally:
    if missing(name):
        pytest.skip(f"no {name} here")
    fake.forget()
    monkeypatch.setattr(fake, "role_credentials_seconds", 12 * 3600)
    try:
        with ExitStack() as stack:
            return a_day(Day(name, folder, fake, stack), steps)
    finally:
        fake.forget()


@pytest.mark.parametrize("steps", [SHORT, pytest.param(LONG, marks=pytest.mark.long)], ids=["short", "long"])
@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_a_working_day_has_no_dead_key_no_false_prompt_no_slow_hook_and_no_question(
    name: str, steps: list[int], tmp_path: Path, fake: FakeAws, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    tally = judged(name, tmp_path, fake, steps, monkeypatch)
    print(f"\n{name}: {tally.line()}")
    assert tally.commands >= 4 * (2 * len(steps) + 10)
    assert not tally.dead
    assert not tally.false
    assert not tally.questions
    assert not tally.slow
    assert tally.helpless, "somewhere in the day a login is missing"
    assert tally.foreign == 2
