"""The landing pages in a real browser: headless Chromium, in light and in dark."""

import os
import shutil
import struct
import subprocess
import threading
import zlib

import pytest

from awsenv import pages
from awsenv.callback import Arrival, Callback
from awsenv.handover import hand_over

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
STATE = "state-of-the-login"


@pytest.fixture
def chromium(tmp_path):
    """Runs Chromium on a URL and gives its output; the words after it are options."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("under CI the pages are seen in a real browser, and there is no chromium")
        pytest.skip("chromium is not installed")

    def run(url, *options):
        argv = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=900,600",
                "--disable-dev-shm-usage", "--no-first-run", "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", *options, url]  # fmt: skip
        return subprocess.run(argv, capture_output=True, text=True, timeout=60)

    return run


def landing(chromium, query, *options, title='the sso-session "corp"'):
    """(what Chromium printed, what the login got) when it is redirected to us with *query*."""
    with Callback(title) as callback:
        got = []
        thread = threading.Thread(target=lambda: got.append(callback.wait(STATE, 50)))
        thread.start()
        done = chromium(f"{callback.redirect_uri}?{query}&state={STATE}", *options)
        thread.join()
    return done, got[0]


def first_pixel(png):
    """(red, green, blue) at the top left: there no filter of PNG changes a byte (all of them predict from nothing)."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data = 8, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    return tuple(zlib.decompress(data)[1:4])


def test_a_person_lands_on_the_name_of_the_session(chromium):
    done, arrival = landing(chromium, "code=good", "--dump-dom")
    assert arrival == Arrival(code="good")
    assert "<title>You are signed in · awsenv</title>" in done.stdout
    assert '<strong>the sso-session "corp"</strong>' in done.stdout
    assert "You can close this tab and go back to the terminal." in done.stdout


def test_a_person_who_said_no_lands_on_that(chromium):
    done, arrival = landing(chromium, "error=access_denied", "--dump-dom")
    assert arrival == Arrival(error="access_denied")
    assert "<h1>Not signed in</h1>" in done.stdout


def test_markup_in_a_name_is_text(chromium):
    done, _ = landing(chromium, "code=good", "--dump-dom", title="<script>document.title='PWNED'</script><img src=x>")
    assert "<script" not in done.stdout and "<img" not in done.stdout
    assert "<title>You are signed in" in done.stdout
    assert "&lt;img src=x&gt;" in done.stdout


GROUND = {"light": (0xF4, 0xF5, 0xF7), "dark": (0x11, 0x14, 0x1B)}


@pytest.mark.parametrize("scheme", GROUND)
@pytest.mark.parametrize("query", ["code=good", "error=access_denied"])
def test_it_is_light_or_dark_as_the_system_is(chromium, tmp_path, scheme, query):
    image = tmp_path / "page.png"
    setting = "--blink-settings=preferredColorScheme=" + {"dark": "0", "light": "1"}[scheme]
    done, arrival = landing(chromium, query, setting, f"--screenshot={image}")
    assert arrival is not None
    assert first_pixel(image.read_bytes()) == GROUND[scheme], "our style is applied under our own policy"
    assert "CONSOLE" not in done.stderr, "the browser has nothing to complain of"


def test_a_real_browser_is_handed_a_secret_url(chromium):
    with Callback("the console") as console:
        secret = f"{console.redirect_uri}?code=s3cret&state={STATE}"
        threads = []

        def open_it(address):
            assert "s3cret" not in address
            threads.append(threading.Thread(target=chromium, args=(address, "--dump-dom")))
            threads[0].start()
            return True

        assert hand_over(secret, open_it, 50) is True
        assert console.wait(STATE, 50) == Arrival(code="s3cret")
        threads[0].join()


@pytest.mark.parametrize("page", ["signed_in", "turned_down", "STRANGER", "NOT_FOUND", "ON_THE_WAY"])
def test_a_page_is_small_and_asks_for_nothing(page):
    made = getattr(pages, page)
    text = made if isinstance(made, str) else made("the sso-session")
    assert len(text.encode()) < 4096
    for wanting in ("<script", "http:", "https:", "url(", "@import", "src=", "onload"):
        assert wanting not in text
    assert "{" not in text.partition("</style>")[2]
