"""Which URLs are opened, where a browser is plausible, which program opens it, and what that inherits."""

import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from awsenv import browser, process
from awsenv.browser import argv_for, commands, environment, is_openable, why_not
from awsenv.process import SystemBrowser, start_browser, start_detached
from tests.payloads import PAYLOADS

# ---- Which URL ------------------------------------------------------------------------------------------------------

OPENED = [
    (
        "us-east-1",
        "https://oidc.us-east-1.amazonaws.com/authorize?response_type=code&state=x&redirect_uri=http%3A%2F%2F127",
    ),
    ("us-east-1", "https://oidc-fips.us-east-1.amazonaws.com/authorize"),
    ("us-east-1", "https://oidc.us-east-1.api.aws/authorize"),
    ("eu-west-1", "https://device.sso.eu-west-1.amazonaws.com/?user_code=ABCD-EFGH"),
    ("us-east-1", "https://d-1234567890.awsapps.com/start/#/device?user_code=ABCD-EFGH"),
    ("us-east-1", "https://view.awsapps.com/start"),
    ("us-east-1", "https://D-1234567890.AwsApps.com/start"),
    ("us-east-1", "https://corp.awsapps.com:443/start"),
    ("us-east-2", "https://ssoins-1234567890abcdef.portal.us-east-1.app.aws/start/#/device"),
    ("us-east-1", "https://ssoins-1234567890abcdef.us-east-1.portal.amazonaws.com"),
    ("us-east-1", "https://identitycenter.amazonaws.com/ssoins-1234567890abcdef"),
    ("us-east-1", "https://signin.aws.amazon.com/federation?Action=login"),
    ("us-east-1", "https://us-east-1.signin.aws.amazon.com/federation?Action=login"),
    ("us-east-1", "https://eu-central-1.console.aws.amazon.com/s3/home?region=eu-central-1#"),
    ("us-east-1", "https://console.aws.amazon.com/"),
    ("cn-north-1", "https://oidc.cn-north-1.amazonaws.com.cn/authorize"),
    ("cn-north-1", "https://start.home.awsapps.cn/directory/d-1234567890"),
    ("cn-north-1", "https://start.cn-north-1.home.awsapps.cn/directory/corp"),
    ("cn-northwest-1", "https://signin.amazonaws.cn/federation"),
    ("cn-northwest-1", "https://cn-northwest-1.console.amazonaws.cn/"),
    ("us-gov-west-1", "https://oidc.us-gov-west-1.amazonaws.com/authorize"),
    ("us-gov-west-1", "https://device.sso.us-gov-west-1.amazonaws.com/"),
    ("us-gov-west-1", "https://start.us-gov-home.awsapps.com/directory/corp"),
    ("us-gov-east-1", "https://start.us-gov-east-1.us-gov-home.awsapps.com/directory/corp"),
    ("us-gov-west-1", "https://signin.amazonaws-us-gov.com/federation"),
    ("us-gov-west-1", "https://console.amazonaws-us-gov.com/"),
    ("eusc-de-east-1", "https://oidc.eusc-de-east-1.amazonaws.eu/authorize"),
    ("eusc-de-east-1", "https://ssoins-1234567890abcdef.eusc-de-east-1.portal.amazonaws.eu/"),
    ("eusc-de-east-1", "https://eusc-de-east-1.signin.amazonaws-eusc.eu/federation"),
    ("eusc-de-east-1", "https://console.amazonaws-eusc.eu/"),
]


@pytest.mark.parametrize(("region", "url"), OPENED)
def test_a_url_of_aws_is_opened(region, url):
    assert is_openable(url, region)


PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}


@pytest.mark.parametrize(("region", "url"), OPENED)
def test_it_is_opened_for_its_own_partition_alone(region, url):
    regions = {"us-east-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "eusc-de-east-1": "aws-eusc"}
    own = next((name for start, name in PARTITIONS.items() if region.startswith(start)), "aws")
    others = [other for other, name in regions.items() if name != own]
    assert len(others) == 3
    shared = "identitycenter.amazonaws.com/" in url  # which serves two of them
    assert [other for other in others if is_openable(url, other) and not shared] == []


REFUSED = [
    "http://oidc.us-east-1.amazonaws.com/authorize",
    "ftp://corp.awsapps.com/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:text/html,x",
    "corp.awsapps.com/start",
    "//corp.awsapps.com/start",
    "https:corp.awsapps.com",
    "https:///corp.awsapps.com",
    "https://",
    "",
    "--remote-debugging-port=1",
    "-https://corp.awsapps.com/",
    "%action https://corp.awsapps.com/",
    "https://corp.awsapps.com/%action",
    "https://corp.awsapps.com/%ACTION--incognito",
    " https://corp.awsapps.com/",
    "https://corp.awsapps.com/ --flag",
    "https://corp.awsapps.com/\n",
    "https://corp.awsapps.com\t/",
    "https://corp.awsapps.com/\x00",
    "https://corp.awsapps.com/\x1b]0;x\x07",
    "https://user@corp.awsapps.com/",
    "https://corp.awsapps.com@evil.example/",
    "https://corp.awsapps.com:443@evil.example/",
    "https://evil.example\\@corp.awsapps.com/",
    "https://evil.example\\.awsapps.com/",
    "https://evil.example/.awsapps.com",
    "https://evil.example?.awsapps.com",
    "https://evil.example#.awsapps.com",
    "https://corp.awsapps.com:8443/",
    "https://corp.awsapps.com:/",
    "https://corp.awsapps.com:443443/",
    "https://corp.awsapps.com./",
    "https://awsapps.com/",
    "https://.awsapps.com/",
    "https://-.awsapps.com/",
    "https://a.b.c.awsapps.com/",
    "https://corp.awsapps.com.evil.example/",
    "https://corpawsapps.com/",
    "https://evil.example/?u=https://corp.awsapps.com/",
    "https://cоrp.awsapps.com/",  # a Cyrillic o
    "https://corp.awsapps.com/ü",
    "https://corp%2eawsapps.com/",
    "https://corp.awsapps.com/'",
    'https://corp.awsapps.com/"',
    "https://corp.awsapps.com/$(touch PWN)",
    "https://corp.awsapps.com/$IFS",
    "https://corp.awsapps.com/`id`",
    "https://corp.awsapps.com/;id",
    "https://corp.awsapps.com/|id",
    "https://corp.awsapps.com/<x>",
    "https://bucket.s3.amazonaws.com/",
    "https://abc.execute-api.us-east-1.amazonaws.com/",
    "https://oidc.us-east-1.evil.amazonaws.com/",
    "https://oidc.evil.amazonaws.com/",
    "https://oidc.us-east-1.amazonaws.com.evil.example/",
    "https://x.studio.sagemaker.us-east-1.app.aws/",
    "https://evil.app.aws/",
    "https://a.b.portal.us-east-1.app.aws/",
    "https://evil.portal.amazonaws.com/",
    "https://aws.amazon.com/",
    "https://a.b.signin.aws.amazon.com/",
    "https://xsignin.aws.amazon.com/",
    "https://127.0.0.1/",
    "https://corp.awsapps.com/" + "x" * 9000,
]


@pytest.mark.parametrize("url", REFUSED)
def test_any_other_url_is_not(url):
    assert not is_openable(url, "us-east-1")


@pytest.mark.parametrize(
    "region", ["", "us-east-1.evil", "x", "us-east-1\n", ".*", "us-iso-east-1", "us-isob-east-1", "US-EAST-1"]
)
def test_without_a_region_of_a_known_partition_nothing_is_opened(region):
    assert not [url for _, url in OPENED if is_openable(url, region)]


@pytest.mark.parametrize("name", PAYLOADS)
def test_no_payload_is_a_url_or_a_part_of_one(name):
    payload = PAYLOADS[name]
    assert not is_openable(payload, "us-east-1", loopback_ok=True)
    if is_openable(f"https://{payload}.awsapps.com/", "us-east-1"):
        assert payload.isascii() and payload.isalnum()
    if is_openable(f"https://corp.awsapps.com/{payload}", "us-east-1"):
        assert all(c.isascii() and (c.isalnum() or c in "._~:/?#&=%+,!*-") for c in payload)
    assert not is_openable("https://corp.awsapps.com/", payload)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:4566/authorize?a=b", "http://localhost/", "https://[::1]:8443/x", "https://127.0.0.1/"]
)
def test_loopback_is_opened_where_the_service_is_there_too(url):
    assert is_openable(url, "us-east-1", loopback_ok=True)
    assert not is_openable(url, "us-east-1")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1.evil.example/", "http://127.0.0.1@evil.example/", "http://0x7f000001/", "http://127.1/",
            "http://localhost.evil.example/", "http://[::ffff:127.0.0.1]/", "http://10.0.0.1/", "http://127.0.0.1/;id"]
)  # fmt: skip
def test_what_only_looks_like_loopback_is_not(url):
    assert not is_openable(url, "us-east-1", loopback_ok=True)


# ---- Whether --------------------------------------------------------------------------------------------------------

SCREEN = {"DISPLAY": ":0"}
PLAUSIBLE = {
    "a desktop": (SCREEN, "linux", (), None),
    "Wayland": ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", (), None),
    "a Mac": ({}, "darwin", (), None),
    "no display": ({}, "linux", (), "a machine without a display"),
    "an empty display": ({"DISPLAY": ""}, "linux", (), "a machine without a display"),
    "$BROWSER without a display": ({"BROWSER": "firefox"}, "linux", (), None),
    "a text browser is no display": ({"BROWSER": "w3m"}, "linux", (), "a machine without a display"),
    "ssh": ({"SSH_CONNECTION": "1 2 3 4"}, "linux", (), "an SSH session"),
    "ssh -X": ({"SSH_TTY": "/dev/pts/1", **SCREEN}, "linux", (), "an SSH session"),
    "ssh to a Mac": ({"SSH_CLIENT": "1 2 3"}, "darwin", (), "an SSH session"),
    "ssh from an editor that sets $BROWSER": (
        {"SSH_CONNECTION": "1", "BROWSER": "/x/helpers/browser.sh"}, "linux", (), "an SSH session"),
    "WSL": ({"WSL_DISTRO_NAME": "Debian", **SCREEN}, "linux", (), "WSL"),
    "WSL under sudo": (SCREEN, "linux", ("/proc/sys/fs/binfmt_misc/WSLInterop",), "WSL"),
    "Docker": (SCREEN, "linux", ("/.dockerenv",), "a container"),
    "Podman": (SCREEN, "linux", ("/run/.containerenv",), "a container"),
    "a dev container": ({"REMOTE_CONTAINERS": "true", "BROWSER": "/x/browser.sh"}, "linux", (), "a container"),
    "Kubernetes": ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "linux", (), "a container"),
    "Codespaces": ({"CODESPACES": "true", "BROWSER": "/x/browser.sh"}, "linux", ("/.dockerenv",), "Codespaces"),
    "Gitpod": ({"GITPOD_WORKSPACE_ID": "x"}, "linux", ("/.dockerenv",), "Gitpod"),
    "CloudShell": ({"AWS_EXECUTION_ENV": "CloudShell"}, "linux", ("/.dockerenv",), "CloudShell"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLAUSIBLE)
def test_a_browser_here_could_come_back(case):
    env, platform, files, expected = PLAUSIBLE[case]
    assert why_not(env, platform, files.__contains__) == expected


@pytest.mark.parametrize("case", PLAUSIBLE)
def test_with_a_command_of_the_settings_it_always_could(case):
    env, platform, files, _ = PLAUSIBLE[case]
    assert why_not(env, platform, files.__contains__, ("firefox", "-P", "corp")) is None


# ---- Which program --------------------------------------------------------------------------------------------------

LINUX = [("xdg-open",), ("gio", "open"), ("x-www-browser",), ("sensible-browser",)]
COMMANDS = {
    "Linux": (SCREEN, "linux", None, LINUX),
    "Linux without a display": ({}, "linux", None, []),
    "a Mac": ({}, "darwin", None, [("open",)]),
    "WSL": ({"WSL_INTEROP": "/x"}, "linux", None, [("wslview",)]),
    "WSL with windows of its own": ({"WSL_INTEROP": "/x", **SCREEN}, "linux", None, [("wslview",), *LINUX]),
    "$BROWSER first": ({"BROWSER": "firefox", **SCREEN}, "linux", None, [("firefox",), *LINUX]),
    "$BROWSER, several": ({"BROWSER": "firefox --new-window %s:chromium"}, "linux", None,
                          [("firefox", "--new-window", "%s"), ("chromium",)]),
    "$BROWSER, quoted": ({"BROWSER": "open -a 'Google Chrome'"}, "darwin", None,
                         [("open", "-a", "Google Chrome"), ("open",)]),
    "$BROWSER in the background": ({"BROWSER": "firefox %s &"}, "linux", None, [("firefox", "%s")]),
    "$BROWSER that can't be read": ({"BROWSER": "'firefox::&: :chromium"}, "linux", None, [("chromium",)]),
    "text browsers": ({"BROWSER": "w3m:/usr/bin/lynx %s:elinks:links2:www-browser:env w3m:xterm -e w3m"}, "linux", None, []),
    "the session's own, alone": ({"BROWSER": "chromium", **SCREEN}, "linux", ("firefox", "-P", "a"), [("firefox", "-P", "a")]),
    "the session's own is a text browser": (SCREEN, "linux", ("lynx",), []),
}  # fmt: skip


@pytest.mark.parametrize("case", COMMANDS)
def test_the_commands_in_turn(case):
    env, platform, chosen, expected = COMMANDS[case]
    assert commands(env, platform, chosen) == expected


URL = "https://corp.awsapps.com/start?a=%s&b=%25"


@pytest.mark.parametrize(
    ("template", "argv"),
    [
        (("firefox",), ["firefox", URL]),
        (("firefox", "%s", "-x"), ["firefox", URL, "-x"]),
        (("firefox", "--url=%s"), ["firefox", f"--url={URL}"]),
        (("sh", "-c", "x"), ["sh", "-c", "x", URL]),
    ],
)
def test_the_url_is_one_word_or_part_of_one(template, argv):
    assert argv_for(template, URL) == argv


# ---- What it inherits -----------------------------------------------------------------------------------------------


def test_a_browser_inherits_no_secret():
    secret = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
              "AWS_BEARER_TOKEN_BEDROCK", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWSENV_SHIM", "AWSENV_STASHED"}  # fmt: skip
    kept = {"PATH": "/bin", "DISPLAY": ":0", "AWS_PROFILE": "dev", "HTTPS_PROXY": "http://p", "AWSENV_PROFILE": "dev"}
    assert environment(dict.fromkeys(secret, "s3cret") | kept) == kept


def test_an_opener_does_not_learn_of_a_text_browser():
    assert "BROWSER" not in environment({"BROWSER": "w3m"})
    assert environment({"BROWSER": "lynx:firefox %s"}) == {"BROWSER": "firefox %s"}


def program(folder, name, script):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def content(path, seconds=5.0):
    until = time.monotonic() + seconds
    while not (path.exists() and path.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    return path.read_text() if path.exists() else ""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "bin"


def environ(folder, **more):
    return {"PATH": f"{folder}:/usr/bin:/bin", **more}


def test_what_is_started_has_neither_our_terminal_nor_our_keys(folder, tmp_path):
    seen = tmp_path / "seen"
    look = f'said=$(for f in 0 1 2; do readlink /proc/$$/fd/$f; done; ps -o sid= -p $$; env); echo "$said" > {seen}'
    program(folder, "look", look)
    assert start_browser(["look"], environ(folder, AWS_SECRET_ACCESS_KEY="s3cret", AWS_PROFILE="dev"))
    lines = content(seen).splitlines()
    assert "AWS_PROFILE=dev" in lines
    assert "s3cret" not in "".join(lines)
    if sys.platform == "linux":
        assert lines[:3] == ["/dev/null"] * 3
    assert str(os.getsid(0)) not in {line.strip() for line in lines}


def test_a_descriptor_of_ours_is_not_inherited(folder, tmp_path):
    if sys.platform != "linux":
        pytest.skip("/proc/PID/fd is Linux's")
    seen = tmp_path / "seen"
    program(folder, "look", f'said=$(ls -l /proc/$$/fd); echo "$said" > {seen}')
    secret = tmp_path / "secret"
    secret.write_text("x")
    with open(secret) as file:
        os.set_inheritable(file.fileno(), True)
        assert start_browser(["look"], environ(folder))
    assert "/dev/null" in content(seen)
    assert str(secret) not in content(seen)


@pytest.mark.parametrize("script", ["exit 1", "sleep 0.3; exit 4", "kill -9 $$"])
def test_a_program_that_fails_was_no_browser(folder, script):
    program(folder, "opener", script)
    assert start_browser(["opener"], environ(folder)) is False


@pytest.mark.parametrize("argv", [["no-such-program"], ["/"], ["/etc/passwd"], ["a\0b"]])
def test_a_program_that_is_missing_was_no_browser(folder, argv):
    assert start_browser(argv, environ(folder)) is False


def test_one_that_stays_is_the_browser_itself(folder, monkeypatch):
    monkeypatch.setattr(process, "_WATCHED", 0.2)
    program(folder, "stays", "exec sleep 3")
    begun = time.monotonic()
    assert start_browser(["stays"], environ(folder)) is True
    assert time.monotonic() - begun < 1


def test_the_next_is_tried_where_one_fails(folder, tmp_path):
    seen = tmp_path / "seen"
    program(folder, "xdg-open", "exit 3")
    program(folder, "gio", f'printf "%s\\n" "$@" > {seen}')
    program(folder, "x-www-browser", f"echo too many >> {seen}")
    url = "https://corp.awsapps.com/start?a=%20b&c=*"
    assert SystemBrowser(environ(folder, DISPLAY=":9"), "linux").open(url)
    assert content(seen) == f"open\n{url}\n"


def test_the_sessions_own_command_fails_alone(folder, tmp_path):
    seen = tmp_path / "seen"
    program(folder, "firefox", "exit 1")
    program(folder, "xdg-open", f"echo opened > {seen}")
    system = SystemBrowser(environ(folder, DISPLAY=":9", BROWSER="xdg-open"), "linux")
    assert system.open("https://corp.awsapps.com/", ("firefox", "-P", "corp")) is False
    assert not seen.exists(), "that one would be somebody else at the same portal"


@pytest.mark.parametrize(
    "url", ["--flag", "file:///etc/passwd", "https://a/ b", "https://a/%action", "https://a/;id", ""]
)
def test_what_is_no_plain_url_starts_nothing(folder, tmp_path, url):
    seen = tmp_path / "seen"
    program(folder, "xdg-open", f"echo opened > {seen}")
    assert SystemBrowser(environ(folder, DISPLAY=":9"), "linux").open(url) is False
    assert not seen.exists()


# F38: no text browser is started, and none writes into what the shell is about to eval.
@pytest.mark.parametrize("variable", ["w3m", "{bin}/w3m %s", "lynx:w3m", "env w3m"])
@pytest.mark.parametrize("display", ["", ":9"])
def test_a_text_browser_is_never_started(folder, tmp_path, capfd, variable, display):
    seen = tmp_path / "seen"
    for name in ("w3m", "lynx", "www-browser"):
        program(folder, name, f"echo painted; echo {name} >> {seen}")
    program(folder, "xdg-open", 'test -z "$BROWSER" || exec $BROWSER "$1"; exit 3')  # as the real one would
    for name in ("gio", "x-www-browser", "sensible-browser"):
        program(folder, name, "exit 3")
    env = environ(folder, BROWSER=variable.replace("{bin}", str(folder)), DISPLAY=display)
    assert SystemBrowser(env, "linux").open("https://corp.awsapps.com/") is False
    assert not seen.exists()
    assert capfd.readouterr() == ("", "")


def test_what_a_browser_says_reaches_nobody(folder, capfd):
    program(folder, "firefox", "echo noise; echo noise >&2; cat")
    assert SystemBrowser(environ(folder), "linux").open("https://corp.awsapps.com/", ("firefox",))
    assert capfd.readouterr() == ("", "")


def test_a_worker_is_not_waited_for(folder, tmp_path):
    seen = tmp_path / "seen"
    program(folder, "worker", f'sleep 0.5; echo "$AWS_SESSION_TOKEN" > {seen}')
    begun = time.monotonic()
    assert start_detached(["worker"], environ(folder, AWS_SESSION_TOKEN="kept"))
    assert time.monotonic() - begun < 0.4
    assert content(seen) == "kept\n", "it is ours, and may need it"
    assert not start_detached(["no-such-program"], environ(folder))


def test_the_list_of_text_browsers_is_by_program_not_by_folder():
    assert browser.commands({"BROWSER": "/opt/w3m/firefox"}, "linux") == [("/opt/w3m/firefox",)]
    assert shlex.join(browser.commands({"BROWSER": "/usr/bin/firefox"}, "linux")[0]) == "/usr/bin/firefox"
    assert Path("/usr/bin/w3m").name in browser.TEXT_BROWSERS
