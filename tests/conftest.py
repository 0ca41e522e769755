"""What every test stands on: a home of its own, no AWS variable from outside, real shells, one fake AWS per process."""

import os
import shutil
import signal
import tempfile

# A test run started in the background ignores Ctrl-C, and so would every shell that it starts: those could trap it no more.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before anything imports botocore, which fixes its cache folders by HOME at import.
_HOME = tempfile.mkdtemp(prefix="awsenv-tests-")
for _name in list(os.environ):
    if _name.startswith(("AWS", "GRANTED_", "XDG_", "__awsenv")):
        del os.environ[_name]
os.environ["HOME"] = _HOME
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ.setdefault("LANG", "C.UTF-8")

import pytest  # noqa: E402

SHELLS = ("bash", "zsh", "fish")
MISSING = tuple(shell for shell in SHELLS if shutil.which(shell) is None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("long") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(1800))


def pytest_sessionstart(session: pytest.Session) -> None:
    if MISSING and os.environ.get("CI"):
        raise pytest.UsageError(f"under CI every shell is tested, and there is no {', '.join(MISSING)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for shell in MISSING:
        terminalreporter.write_line(f"UNTESTED: {shell} is not installed", yellow=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(params=SHELLS)
def shell_name(request: pytest.FixtureRequest) -> str:
    """bash, zsh and fish in turn; one that is not installed is skipped by name (and fails the run under CI)."""
    if request.param in MISSING:
        pytest.skip(f"{request.param} is not installed")
    return request.param


@pytest.fixture(scope="session")
def fake():
    """The fake AWS, one per test process."""
    from awsenv.demo.fake import FakeAws

    with FakeAws() as running:
        yield running


@pytest.fixture(scope="session")
def house(fake, tmp_path_factory):
    """The how-to's home, with a live login."""
    from awsenv.demo.house import furnish

    return furnish(tmp_path_factory.mktemp("house"), fake)
