"""The listeners on 127.0.0.1 under attack: only the right state ends a login, only our own browser gets a secret URL."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from awsenv import handover, loopback
from awsenv.callback import Arrival, Callback
from awsenv.errors import Internal
from awsenv.handover import hand_over
from tests.shells import ROOT

STATE = "the-state-of-this-login"


class Waiting:
    """A listener whose `wait` runs beside the test."""

    def __init__(self, callback, seconds):
        self.callback = callback
        self.port = callback._server.port
        self.arrival = "still waiting"
        self.thread = threading.Thread(target=self._wait, args=(seconds,))
        self.thread.start()

    def _wait(self, seconds):
        self.arrival = self.callback.wait(STATE, seconds)

    def ask(self, target, method="GET", host=None, body=b""):
        host = f"127.0.0.1:{self.port}" if host is None else host
        return ask(self.port, f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() + body)

    def finish(self, query=f"code=good&state={STATE}"):
        page = self.ask(f"/oauth/callback?{query}")
        self.thread.join(5)
        assert not self.thread.is_alive()
        return page


@contextmanager
def listening(seconds=20.0, title='the sso-session "corp"'):
    with Callback(title) as callback:
        waiting = Waiting(callback, seconds)
        try:
            yield waiting
        finally:
            if waiting.thread.is_alive():
                waiting.finish()


def ask(port, said):
    """All that comes back until the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(said)
        return read_all(connection)


def read_all(connection):
    back = b""
    while more := connection.recv(65536):
        back += more
    return back.decode()


def status(reply):
    return int(reply.split(" ", 2)[1])


# ---- What ends a login ----------------------------------------------------------------------------------------------


def test_the_code_with_the_right_state_is_the_login():
    with listening() as waiting:
        page = waiting.finish("code=abc%2B%2F%3D&state=" + STATE)
        assert waiting.arrival == Arrival(code="abc+/=")
    assert status(page) == 200
    assert "the sso-session &quot;corp&quot;" in page
    assert "You can close this tab and go back to the terminal." in page


def test_the_address_is_loopback_and_what_aws_registers_has_no_port():
    with Callback("x") as callback:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d{4,5}/oauth/callback", callback.redirect_uri)
        assert Callback.registered_uri == "http://127.0.0.1/oauth/callback"


def test_a_denied_login_ends_it_and_the_page_says_so():
    with listening() as waiting:
        page = waiting.finish(f"error=access_denied&error_description=%3Cb%3E&state={STATE}")
        assert waiting.arrival == Arrival(error="access_denied")
    assert "Not signed in" in page
    assert "access_denied" not in page


@pytest.mark.parametrize("error", ["%3Cscript%3E", "a" * 65, "x%0Ay", "Access Denied", "%1b[31m"])
def test_an_error_that_is_no_word_of_oauths_is_passed_on_as_error(error):
    with listening() as waiting:
        waiting.finish(f"error={error.replace(' ', '+')}&state={STATE}")
        assert waiting.arrival == Arrival(error="error")


def test_an_error_beside_a_code_is_an_error():
    with listening() as waiting:
        waiting.finish(f"code=good&error=access_denied&state={STATE}")
        assert waiting.arrival == Arrival(error="access_denied")


NOT_OURS = {
    "no query": "",
    "no state": "code=evil",
    "an empty state": "code=evil&state=",
    "another state": "code=evil&state=guess",
    "a state in other letters": f"code=evil&state={STATE.upper()}",
    "a state with more behind it": f"code=evil&state={STATE}x",
    "the state and another": f"code=evil&state={STATE}&state=guess",
    "two codes": f"code=evil&code=good&state={STATE}",
    "neither code nor error": f"state={STATE}",
    "an empty code": f"code=&state={STATE}",
    "an endless code": f"code={'x' * 20000}&state={STATE}",
    "an error without the state": "error=access_denied",
    "an error with another state": "error=access_denied&state=guess",
    "bytes that are no text": "code=evil&state=%ff%fe",
    "a state beyond ASCII": "code=evil&state=%C3%A9",
    "too many fields": "&".join(f"a{i}=b" for i in range(100)) + f"&code=evil&state={STATE}",
}


@pytest.mark.parametrize("case", NOT_OURS)
def test_waiting_goes_on_after(case):
    with listening() as waiting:
        page = waiting.ask(f"/oauth/callback?{NOT_OURS[case]}")
        assert status(page) == 400
        assert "not the sign-in" in page
        waiting.finish()
        assert waiting.arrival == Arrival(code="good")


def test_waiting_goes_on_after_a_hundred_wrong_states():
    with listening() as waiting:
        for number in range(100):
            assert status(waiting.ask(f"/oauth/callback?code=evil&state=guess{number}")) == 400
        waiting.finish()
        assert waiting.arrival == Arrival(code="good")


def test_no_state_is_asked_for_means_that_none_is_right():
    with Callback("x") as callback:
        thread = threading.Thread(target=ask, args=(callback._server.port, request(callback, "code=evil&state=")))
        thread.start()
        assert callback.wait("", 0.5) is None
        thread.join()


def request(callback, query):
    host = f"127.0.0.1:{callback._server.port}"
    return f"GET /oauth/callback?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


# ---- What is answered, and how --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT"])
def test_nothing_but_get_is_allowed(method):
    with listening() as waiting:
        assert status(waiting.ask(f"/oauth/callback?code=evil&state={STATE}", method)) == 405
        waiting.finish()
        assert waiting.arrival == Arrival(code="good")


@pytest.mark.parametrize(
    "target",
    ["/", "/favicon.ico", "/oauth/callback/", "/oauth", "//oauth/callback", "/oauth/Callback", "/oauth/%63allback"],
)
def test_no_other_path_is_there(target):
    with listening() as waiting:
        assert status(waiting.ask(f"{target}?code=evil&state={STATE}")) == 404
        waiting.finish()
        assert waiting.arrival == Arrival(code="good")


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost", "127.0.0.1", "127.0.0.1:1", "", "127.0.0.1:{port}.evil.example"]
)
def test_a_name_that_somebody_points_at_us_gets_nothing(host):
    with listening() as waiting:
        target = f"/oauth/callback?code=evil&state={STATE}"
        assert status(waiting.ask(target, host=host.replace("{port}", str(waiting.port)))) == 404
        two = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{waiting.port}\r\nHost: evil.example\r\n\r\n"
        assert status(ask(waiting.port, two.encode())) == 404
        none = f"GET {target} HTTP/1.1\r\nAccept: */*\r\n\r\n"
        assert status(ask(waiting.port, none.encode())) == 404


@pytest.mark.parametrize(
    "said",
    [b"\r\n\r\n", b"GET\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
     b"GET /\x1b[31m HTTP/1.1\r\n\r\n", b"GET http://127.0.0.1/oauth/callback HTTP/1.1\r\n\r\n", b"GET / HTTP/2\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_request_is_refused(said):
    with listening() as waiting:
        assert status(ask(waiting.port, said)) == 400


def test_every_answer_keeps_the_browser_from_remembering_and_from_loading_anything():
    with listening() as waiting:
        replies = [waiting.ask("/favicon.ico"), waiting.ask("/oauth/callback?state=x"), waiting.ask("/", "POST"),
                   ask(waiting.port, b"?\r\n\r\n"), waiting.finish()]  # fmt: skip
    assert [status(reply) for reply in replies] == [404, 400, 405, 400, 200]
    for reply in replies:
        head, _, body = reply.partition("\r\n\r\n")
        assert "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; " in head
        for line in ("Referrer-Policy: no-referrer", "Cache-Control: no-store", "X-Content-Type-Options: nosniff",
                     "Connection: close", f"Content-Length: {len(body.encode())}"):  # fmt: skip
            assert line in head.split("\r\n")


def test_nothing_of_a_request_comes_back():
    with listening() as waiting:
        for path in ("/oauth/callback", "/elsewhere"):
            plain, marked = (
                waiting.ask(f"{path}?state={x}&code={x}&{x}={x}") for x in ("a", "<script>alert(1)</script>")
            )
            assert plain == marked


def test_the_page_shows_the_name_of_a_session_as_text():
    with listening(title='the sso-session "<script>alert(1)</script>\u202e"') as waiting:
        page = waiting.finish()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "\u202e" not in page


def test_the_whole_page_arrives_though_the_listener_is_gone():
    with Callback("x") as callback:
        connection = socket.create_connection(("127.0.0.1", callback._server.port))
        connection.sendall(request(callback, f"code=good&state={STATE}"))
        assert callback.wait(STATE, 5) == Arrival(code="good")
    with connection:
        assert read_all(connection).endswith("</html>\n")


def test_nothing_is_said_on_the_terminal(capfd):
    with listening() as waiting:
        waiting.ask("/favicon.ico")
        waiting.ask("/oauth/callback?state=x")
        ask(waiting.port, b"?\r\n\r\n")
        waiting.finish()
    assert capfd.readouterr() == ("", "")


def test_no_code_is_in_a_traceback():
    assert "good" not in repr(Arrival(code="good"))


# ---- Who holds it up ------------------------------------------------------------------------------------------------


def test_silent_connections_hold_up_nobody():
    with listening() as waiting:
        silent = [socket.create_connection(("127.0.0.1", waiting.port)) for _ in range(100)]
        begun = time.monotonic()
        waiting.finish()
        assert waiting.arrival == Arrival(code="good")
        assert time.monotonic() - begun < 2
        for connection in silent:
            connection.close()


def test_no_more_than_the_crowd_is_kept():
    with listening() as waiting:
        silent = [socket.create_connection(("127.0.0.1", waiting.port)) for _ in range(100)]
        waiting.ask("/favicon.ico")
        assert len(waiting.callback._server._visits) <= loopback._CROWD
        for connection in silent:
            connection.close()


def test_a_slow_loris_is_cut_off_and_holds_up_nobody(monkeypatch):
    monkeypatch.setattr(loopback, "_PATIENCE", 0.5)
    with listening() as waiting, socket.create_connection(("127.0.0.1", waiting.port)) as loris:
        begun = time.monotonic()
        with pytest.raises(OSError):
            for byte in request(waiting.callback, f"code=evil&state={STATE}" + "x" * 300):
                loris.send(bytes([byte]))
                time.sleep(0.05)
        assert time.monotonic() - begun < 3
        waiting.finish()
        assert waiting.arrival == Arrival(code="good")


def test_an_endless_request_is_cut_off():
    with listening() as waiting, socket.create_connection(("127.0.0.1", waiting.port), 5) as endless:
        begun = time.monotonic()
        with pytest.raises(OSError):
            for _ in range(2000):
                endless.sendall(b"x" * 8192)
        assert time.monotonic() - begun < 2, "by its size, not by its time"
        waiting.finish()
        assert waiting.arrival == Arrival(code="good")


def test_a_browser_with_many_cookies_is_heard():
    with listening() as waiting:
        head = request(waiting.callback, f"code=good&state={STATE}")[:-2] + b"Cookie: " + b"c" * 40000 + b"\r\n\r\n"
        assert status(ask(waiting.port, head)) == 200
        waiting.thread.join(5)
        assert waiting.arrival == Arrival(code="good")


def test_a_second_callback_changes_nothing():
    with Callback("x") as callback:
        first, second = (socket.create_connection(("127.0.0.1", callback._server.port)) for _ in range(2))
        first.sendall(request(callback, f"code=first&state={STATE}"))
        time.sleep(0.05)
        second.sendall(request(callback, f"code=second&state={STATE}"))
        assert callback.wait(STATE, 5) == Arrival(code="first")
    with first, second:
        assert read_all(first).endswith("</html>\n")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is no address of this machine")
def test_no_other_address_of_this_machine_leads_to_it():
    with Callback("x") as callback:
        assert callback._server._listener.getsockname()[0] == "127.0.0.1"
        for address in ("127.0.0.2", socket.gethostbyname(socket.gethostname())):
            if address == "127.0.0.1":
                continue
            with pytest.raises(OSError):
                socket.create_connection((address, callback._server.port), 1)


# ---- The end --------------------------------------------------------------------------------------------------------


def test_the_time_is_over():
    with Callback("x") as callback:
        begun = time.monotonic()
        assert callback.wait(STATE, 0.3) is None
        assert 0.3 <= time.monotonic() - begun < 1


def test_somebody_who_keeps_asking_does_not_make_it_longer():
    with listening(0.5) as waiting:
        until = time.monotonic() + 2
        while waiting.thread.is_alive() and time.monotonic() < until:
            try:
                waiting.ask("/favicon.ico")
            except OSError:
                break
        assert waiting.arrival is None


def test_a_request_in_two_halves_may_fall_into_two_waits():
    with Callback("x") as callback, socket.create_connection(("127.0.0.1", callback._server.port)) as browser:
        said = request(callback, f"code=good&state={STATE}")
        browser.sendall(said[:30])
        assert callback.wait(STATE, 0.1) is None
        browser.sendall(said[30:])
        assert callback.wait(STATE, 5) == Arrival(code="good")


def test_the_port_is_free_afterwards():
    with Callback("x") as callback:
        port = callback._server.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_ctrl_c_ends_it_at_once_and_frees_the_port():
    script = (
        "from awsenv.callback import Callback\n"
        "with Callback('x') as callback:\n"
        "    print(callback.redirect_uri, flush=True)\n"
        "    callback.wait('s', 600)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    port = int(child.stdout.readline().split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)):
        time.sleep(0.1)
        begun = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=5)
    assert time.monotonic() - begun < 1
    assert errors.rstrip().endswith("KeyboardInterrupt")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


# ---- A secret URL ---------------------------------------------------------------------------------------------------

SECRET = "https://us-east-1.signin.aws.amazon.com/federation?Action=login&SigninToken=s3cret"


class Visitor:
    """A browser as `hand_over` starts it: it fetches, beside the test, what *targets* make of the address."""

    def __init__(self, *targets, fetch=None):
        self.targets = targets or ("{path}",)
        self.fetch = fetch or self._fetch
        self.replies = []
        self.address = ""

    def __call__(self, address):
        self.address = address
        threading.Thread(target=self._run).start()
        return True

    def _run(self):
        host, _, path = self.address.removeprefix("http://").partition("/")
        for target in self.targets:
            self.replies.append(self.fetch(host, target.format(path="/" + path)))

    def _fetch(self, host, target):
        method, _, rest = target.rpartition(" ")
        said = f"{method or 'GET'} {rest} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        return ask(int(host.split(":")[1]), said.encode())


def wait_for(visitor, count):
    until = time.monotonic() + 5
    while len(visitor.replies) < count and time.monotonic() < until:
        time.sleep(0.01)
    return visitor.replies


def test_a_browser_is_sent_on_to_the_secret_url():
    visitor = Visitor()
    assert hand_over(SECRET, visitor, 5) is True
    (reply,) = wait_for(visitor, 1)
    assert status(reply) == 303
    assert f"Location: {SECRET}" in reply.split("\r\n")
    assert "Referrer-Policy: no-referrer" in reply.split("\r\n")
    assert SECRET not in reply.partition("\r\n\r\n")[2]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{43}", visitor.address)


def test_it_is_handed_over_once():
    visitor = Visitor()
    assert hand_over(SECRET, visitor, 5)
    wait_for(visitor, 1)
    with pytest.raises(ConnectionRefusedError):
        visitor.fetch(visitor.address.split("/")[2], "/x")


def test_no_two_addresses_are_alike():
    one, two = Visitor(), Visitor()
    assert hand_over(SECRET, one, 5) and hand_over(SECRET, two, 5)
    assert one.address.rpartition("/")[2] != two.address.rpartition("/")[2]


def test_nothing_but_the_whole_address_brings_it():
    wrong = ("/", "/favicon.ico", "{path}x", "{path}?a=b", "{path}/", "/x{path}", "HEAD {path}", "POST {path}")
    visitor = Visitor(*wrong, "{path}")
    assert hand_over(SECRET, visitor, 5) is True
    *refused, last = wait_for(visitor, len(wrong) + 1)
    assert [status(reply) for reply in refused] == [404] * 6 + [405] * 2
    assert not [reply for reply in refused if "s3cret" in reply]
    assert status(last) == 303


def test_another_users_browser_is_refused(monkeypatch):
    def as_nobody(host, target):
        os.seteuid(65534)  # whoever makes a socket owns it
        try:
            connection = socket.socket()
        finally:
            os.seteuid(0)
        with connection:
            connection.connect(("127.0.0.1", int(host.split(":")[1])))
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            return read_all(connection)

    if sys.platform != "linux":
        pytest.skip("only Linux says whose a connection is")
    if os.getuid() == 0:
        visitor = Visitor(fetch=as_nobody)
    else:  # then it is we who are another
        another = os.getuid() + 1
        monkeypatch.setattr(handover.os, "getuid", lambda: another)
        visitor = Visitor()
    assert hand_over(SECRET, visitor, 2) is False
    (reply,) = visitor.replies
    assert status(reply) == 404
    assert "s3cret" not in reply


ROWS = """\
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0 20 4 30 10 -1
   2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1
   3: 0000000000000000FFFF00000100007F:C351 0000000000000000FFFF00000100007F:1F90 01 0:0 00:0 0  1001 0 4
"""


def test_whose_a_connection_is():
    rows = ROWS.splitlines()
    assert loopback._owner(rows, 0xC350, 0x1F90) == 1000, "the browser's end, not ours"
    assert loopback._owner(rows, 0xC351, 0x1F90) == 1001
    assert loopback._owner(rows, 0xC352, 0x1F90) is None


def test_a_connection_that_the_kernel_does_not_list_is_refused(monkeypatch, tmp_path):
    table = tmp_path / "tcp"
    table.write_text(f"  sl  local_address rem_address\n{ROWS.splitlines()[0]}\n")
    monkeypatch.setattr(loopback, "_TABLES", (str(table),))
    visitor = Visitor()
    assert hand_over(SECRET, visitor, 0.5) is False
    assert status(visitor.replies[0]) == 404


def test_where_the_kernel_lists_no_connections_the_address_is_enough(monkeypatch):
    monkeypatch.setattr(loopback, "_TABLES", ("/nowhere/tcp",))
    visitor = Visitor()
    assert hand_over(SECRET, visitor, 5) is True


def test_no_browser_that_starts_means_not_waiting():
    begun = time.monotonic()
    assert hand_over(SECRET, lambda _: False, 60) is False
    assert time.monotonic() - begun < 1


def test_a_browser_that_never_comes():
    begun = time.monotonic()
    assert hand_over(SECRET, lambda _: True, 0.3) is False
    assert 0.3 <= time.monotonic() - begun < 1


@pytest.mark.parametrize("url", ["https://a/\r\nSet-Cookie: x=y", "https://a/ b", "https://ä/", "https://a/\x1b"])
def test_a_url_that_could_forge_a_header_is_never_sent(url):
    with pytest.raises(Internal):
        hand_over(url, lambda _: pytest.fail("opened"), 1)


def test_the_secret_is_on_no_command_line(tmp_path):
    seen = tmp_path / "seen"
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\ntr "\\0" " " < /proc/$$/cmdline > {seen} 2>/dev/null || printf %s "$*" > {seen}\n')
    script.chmod(0o755)
    visitor = Visitor()

    def open_it(address):
        subprocess.run([str(script), address], check=True)
        return visitor(address)

    assert hand_over(SECRET, open_it, 5)
    line = Path(seen).read_text()
    assert visitor.address in line
    assert "s3cret" not in line


def test_a_code_that_another_user_brings_is_not_taken(monkeypatch):
    monkeypatch.setattr(loopback, "_owner", lambda rows, peer, port: 4711 if os.getuid() != 4711 else 4712)
    with Callback("corp") as callback:
        seen: list[int] = []

        def bring() -> None:
            with socket.create_connection(
                ("127.0.0.1", int(callback.redirect_uri.split(":")[2].split("/")[0]))
            ) as there:
                host = callback.redirect_uri.split("/")[2]
                there.sendall(f"GET /oauth/callback?state=s&code=theirs HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                seen.append(int(there.recv(64).split()[1]))

        visitor = threading.Thread(target=bring)
        visitor.start()
        assert callback.wait("s", 1.0) is None
        visitor.join()
        assert seen == [404]
