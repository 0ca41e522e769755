"""`console`: where its links lead, what it takes for credentials, and that nobody but the browser sees the link."""

import http.server
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import botocore.loaders
import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import UnknownServiceError

from awsenv import browser, console, services
from awsenv.aws import Aws
from awsenv.config import AwsConfig
from awsenv.demo.fake import FakeAws
from awsenv.demo.house import House
from awsenv.endpoints import is_aws_owned
from awsenv.errors import AwsenvError, Busy, Config, Denied, Unreachable, Usage
from awsenv.model import Credentials
from awsenv.plan import build
from tests.payloads import PAYLOADS
from tests.test_completion import COMPLETIONS
from tests.test_failures import Backend, failed

KEYS = Credentials("ASIAFAKEFAKEFAKEFAKE", "a-secret/that+nobody=sees", "a-token/that+nobody=sees")


def aws(**env: str) -> Aws:
    return Aws(SimpleNamespace(clock=lambda: 0.0, env=env))  # type: ignore[arg-type]


REGIONS = aws().regions()


# ---- Where the links lead -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("partition", "region", "service", "landing", "base"),
    [
        ("aws", None, None, "https://console.aws.amazon.com/console/home", "https://us-east-1.signin.aws.amazon.com"),
        ("aws", "eu-west-1", None, "https://console.aws.amazon.com/console/home?region=eu-west-1",
         "https://eu-west-1.signin.aws.amazon.com"),
        ("aws", "eu-west-1", "s3", "https://console.aws.amazon.com/s3/home?region=eu-west-1",
         "https://eu-west-1.signin.aws.amazon.com"),
        ("aws", "eu-west-1", "iam", "https://console.aws.amazon.com/iam/home", "https://eu-west-1.signin.aws.amazon.com"),
        ("aws", "us-east-1", "logs", "https://console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:log-groups",
         "https://us-east-1.signin.aws.amazon.com"),
        ("aws-cn", "cn-northwest-1", "ec2", "https://console.amazonaws.cn/ec2/home?region=cn-northwest-1",
         "https://cn-northwest-1.signin.amazonaws.cn"),
        ("aws-us-gov", "us-gov-east-1", "lambda", "https://console.amazonaws-us-gov.com/lambda/home?region=us-gov-east-1",
         "https://us-gov-east-1.signin.amazonaws-us-gov.com"),
        ("aws-eusc", "eusc-de-east-1", "rds", "https://console.amazonaws-eusc.eu/rds/home?region=eusc-de-east-1",
         "https://eusc-de-east-1.signin.amazonaws-eusc.eu"),
        ("aws-cn", None, "route53", "https://console.amazonaws.cn/route53/v2/home", "https://cn-north-1.signin.amazonaws.cn"),
    ],
)  # fmt: skip
def test_a_link_leads_to_the_console_of_the_partition(partition, region, service, landing, base):
    assert console.destination(partition, region, service) == landing
    assert console.signin_base(partition, region, None) == base


@pytest.mark.parametrize("partition", console.PARTITIONS)
def test_the_sign_in_hosts_are_those_that_botocore_knows(partition):
    loader = botocore.loaders.Loader()
    try:
        rules = loader.load_service_model("signin", "endpoint-rule-set-1")
    except UnknownServiceError:
        pytest.skip("this botocore does not know the service yet")
    provider = EndpointProvider(rules, loader.load_data("partitions"))
    for region in REGIONS[partition]:
        known = provider.resolve_endpoint(Region=region, UseFIPS=False, UseDualStack=False).url
        assert console.signin_base(partition, region, None) == known


@pytest.mark.parametrize("partition", console.PARTITIONS)
def test_every_link_may_be_opened_and_nothing_of_it_is_lost_in_a_shell(partition):
    home = console.hosts_of(partition).region
    assert home in REGIONS[partition]
    for service in (None, *services.REGIONAL, *services.GLOBAL):
        url = console.login_url(
            console.signin_base(partition, home, None), console.destination(partition, home, service), "t" * 2000
        )
        assert browser.is_openable(url, home), url
    assert is_aws_owned(console.signin_base(partition, home, None)), "and may be named in AWS_ENDPOINT_URL_SIGNIN"


def test_every_parameter_of_a_link_is_encoded():
    token = "a&Destination=https://evil.example/#+ =\n"
    url = console.login_url("https://x.example", "https://console.aws.amazon.com/s3/home?region=eu-west-1", token)
    asked = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert asked["SigninToken"] == [token]
    assert asked["Destination"] == ["https://console.aws.amazon.com/s3/home?region=eu-west-1"]
    assert urlsplit(url).fragment == ""


@pytest.mark.parametrize("payload", [text for text in PAYLOADS.values() if text])
def test_a_hostile_region_or_service_never_becomes_part_of_a_link(payload):
    with pytest.raises(Usage):
        console.require_region(payload, "aws", REGIONS)
    with pytest.raises(Usage):
        console.service_of(payload)
    landing = console.destination("aws", payload.encode("utf-8", "replace").decode(), "ec2")
    assert urlsplit(landing).netloc == "console.aws.amazon.com"
    assert len(parse_qs(urlsplit(landing).query)) == 1


def test_a_region_is_looked_for_in_the_identitys_own_partition():
    with pytest.raises(Usage) as wrong:
        console.require_region("cn-north-1", "aws", REGIONS)
    assert "aws-cn" in wrong.value.what
    with pytest.raises(Usage) as close:
        console.require_region("eu-wset-1", "aws", REGIONS)
    assert close.value.hint == "--region eu-west-1"
    with pytest.raises(Usage):
        console.require_region("aws-global", "aws", REGIONS)


def test_a_partition_without_a_public_console_is_said():
    with pytest.raises(Config, match="aws-iso"):
        console.destination("aws-iso", "us-iso-east-1", None)


CONFIGURED = b"""
[profile keys]
[profile role-cn]
role_arn = arn:aws-cn:iam::111111111111:role/R
source_profile = keys
[profile portal-gov]
sso_start_url = https://start.us-gov-home.awsapps.com/directory/d-1
sso_region = us-gov-west-1
sso_account_id = 111111111111
sso_role_name = R
[profile role-on-portal]
role_arn = arn:aws-us-gov:iam::222222222222:role/R
source_profile = portal-gov
"""


@pytest.mark.parametrize(
    ("profile", "region", "partition"),
    [
        ("keys", None, "aws"),
        ("keys", "eu-west-1", "aws"),
        ("keys", "cn-north-1", "aws-cn"),
        ("keys", "evil.example/#", "aws"),
        ("role-cn", None, "aws-cn"),
        ("role-cn", "eu-west-1", "aws-cn"),
        ("portal-gov", None, "aws-us-gov"),
        ("role-on-portal", "eu-west-1", "aws-us-gov"),
    ],
)
def test_the_partition_is_that_of_the_role_before_that_of_a_region(profile, region, partition):
    credentials = b"[keys]\naws_access_key_id = AKIAFAKE\naws_secret_access_key = x\n"
    plan = build(AwsConfig(CONFIGURED, credentials, "config", "credentials"), profile, env={}, session_name="s")
    assert console.partition_of(plan, region, REGIONS) == partition
    assert console.partition_of(None, "eusc-de-east-1", REGIONS) == "aws-eusc"


@pytest.mark.parametrize(
    ("typed", "service"),
    [("s3", "s3"), ("CFN", "cloudformation"), ("step-functions", "stepfunctions"), ("secrets_manager", "secretsmanager"),
     ("sso", "singlesignon"), ("Route 53", "route53")],
)  # fmt: skip
def test_a_service_has_the_names_that_people_type(typed, service):
    assert console.service_of(typed) == service


def test_an_unknown_service_names_its_neighbours():
    with pytest.raises(Usage) as raised:
        console.service_of("lambad")
    assert raised.value.hint == "did you mean lambda?"


def test_the_tables_of_services_fit_together():
    assert not set(services.REGIONAL) & set(services.GLOBAL)
    assert set(services.ALSO.values()) <= {*services.REGIONAL, *services.GLOBAL}
    assert not set(services.ALSO) & {*services.REGIONAL, *services.GLOBAL}
    for name, path in (services.REGIONAL | services.GLOBAL).items():
        assert re.fullmatch(r"[a-z0-9]+", name)
        assert re.fullmatch(r"[a-zA-Z0-9-]+(/[a-zA-Z0-9-]+)*(#[A-Za-z0-9:-]+)?", path)


@pytest.mark.parametrize("script", sorted(path.name for path in COMPLETIONS.iterdir()))
def test_tab_offers_exactly_the_services_there_are(script):
    text = (COMPLETIONS / script).read_text().replace("\\\n", " ")
    (listed,) = re.findall(r"\bacm amplify\b[^)\n]*(?:\n[^)\n]*)*?(?=\n *\)|\ncomplete)", text)
    assert sorted(listed.split()) == sorted((*services.REGIONAL, *services.GLOBAL))


# ---- The federation endpoint ----------------------------------------------------------------------------------------


class Endpoint:
    """A sign-in service that answers one thing, and keeps what it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.kind = 200, b"", "application/json"
        self.asked: list[tuple[str, str, bytes]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append((self.command, self.path, body))
                self.send_response(outer.status)
                self.send_header("Content-Type", outer.kind)
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def says(self, body: object, status: int = 200, kind: str = "application/json") -> str:
        self.body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.status, self.kind = status, kind
        return self.url


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    running = Endpoint()
    threading.Thread(target=running.server.serve_forever, daemon=True).start()
    yield running
    running.server.shutdown()
    running.server.server_close()


def test_the_keys_are_posted_and_stand_in_no_url(endpoint):
    assert aws().signin_token(KEYS, endpoint.says({"SigninToken": "tok"})) == "tok"
    ((method, path, body),) = endpoint.asked
    assert (method, path) == ("POST", "/federation")
    form = parse_qs(body.decode(), strict_parsing=True)
    assert form["Action"] == ["getSigninToken"] and "SessionDuration" not in form
    session = {
        "sessionId": KEYS.access_key_id,
        "sessionKey": KEYS.secret_access_key,
        "sessionToken": KEYS.session_token,
    }
    assert json.loads(form["Session"][0]) == session


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("<html>Bad Request</html>", 400, Denied),
        ({"message": "no"}, 403, Denied),
        ("<html>Welcome to the hotel</html>", 200, Unreachable),
        ("<html>Log in first</html>", 302, Unreachable),
        ("<html>Network authentication required</html>", 511, Unreachable),
        ({"SigninToken": None}, 200, Unreachable),
        ({"SigninToken": ""}, 200, Unreachable),
        (["SigninToken"], 200, Unreachable),
        ("", 200, Unreachable),
        ({"SigninToken": "tok"}, 302, Unreachable),
        ("slow down", 429, Busy),
        ("down", 503, Busy),
    ],
)
def test_what_is_not_a_token_is_never_taken_for_one(endpoint, body, status, error):
    with pytest.raises(error) as raised:
        aws().signin_token(KEYS, endpoint.says(body, status))
    said = "\n".join(raised.value.lines())
    assert KEYS.secret_access_key not in said and str(KEYS.session_token) not in said and "<html>" not in said


def test_nobody_there_is_unreachable_and_names_the_host_alone():
    with pytest.raises(Unreachable) as raised:
        aws(NO_PROXY="127.0.0.1").signin_token(KEYS, "http://127.0.0.1:9")
    assert "127.0.0.1" in raised.value.what and "that nobody" not in str(raised.value)


def test_a_broken_ca_bundle_is_no_traceback(tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.write_text("no certificate\n")
    with pytest.raises(AwsenvError):
        aws(AWS_CA_BUNDLE=str(bundle)).signin_token(KEYS, "https://127.0.0.1:9")


# ---- From a profile to the page -------------------------------------------------------------------------------------


@pytest.fixture
def backend(house: House, fake: FakeAws, tmp_path: Path) -> Backend:
    fake.forget()
    return Backend(house, tmp_path)


def page_of(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as reply:
        return unescape(reply.read().decode())


def printed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    (url,) = done.stdout.splitlines()
    return url


def session_of(backend: Backend, profile: str) -> dict[str, str]:
    """What `use` puts into a shell."""
    done = backend("export", profile, "--format", "json")
    assert done.returncode == 0, done.stderr
    keys = json.loads(done.stdout)
    return {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }


@pytest.mark.parametrize(
    ("profile", "account", "principal"),
    [
        ("AdministratorAccess-123456789012", "123456789012", "assumed-role/AWSReservedSSO_AdministratorAccess_"),
        ("piyo", "333333333333", "assumed-role/Deploy/"),
        ("piyo-prod", "444444444444", "assumed-role/ReadOnly/"),
        ("hoge1", "111111111111", "federated-user/awsenv-"),
    ],
)
def test_the_printed_link_signs_in_as_the_profile(backend, profile, account, principal):
    done = backend("console", profile, "--print", "--service", "lambda", "--region", "eu-west-1")
    page = page_of(printed(done))
    assert f":{account}:{principal}" in page
    assert "https://console.aws.amazon.com/lambda/home?region=eu-west-1" in page
    assert "SigninToken" not in done.stderr
    assert re.search(r"^console: .* · eu-west-1 · lambda; .*15 minutes$", done.stderr, re.M), done.stderr


def test_a_stored_session_is_used_again(backend, fake):
    printed(backend("console", "piyo-prod", "--print"))
    before = len([call for call in fake.calls if call.operation == "AssumeRole"])
    printed(backend("console", "piyo-prod", "--print"))
    assert len([call for call in fake.calls if call.operation == "AssumeRole"]) == before == 2


def test_without_a_name_it_is_this_shells_identity(backend, fake):
    shell = session_of(backend, "piyo")
    shutil.rmtree(backend.store)  # what the shell holds must do: another session could cost an MFA code
    fake.forget()
    ours = {"AWSENV_PROFILE": "piyo", "AWSENV_KEY_ID": shell["AWS_ACCESS_KEY_ID"], "AWS_REGION": "us-west-2"}
    done = backend("console", "--print", **shell, **ours)
    page = page_of(printed(done))
    assert ":333333333333:assumed-role/Deploy/" in page and "region=us-west-2" in page
    assert [call.operation for call in fake.calls] == ["GetSigninToken", "ConsoleLogin"]


def test_a_shell_whose_session_ended_gets_another(backend):
    old = {
        "AWS_ACCESS_KEY_ID": "ASIAOLD",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_SESSION_TOKEN": "y",
        "AWSENV_EXPIRES_AT": "1000",
    }
    page = page_of(printed(backend("console", "--print", **old, AWSENV_PROFILE="piyo", AWSENV_KEY_ID="ASIAOLD")))
    assert ":333333333333:assumed-role/Deploy/" in page


def test_keys_of_another_hand_are_those_that_count(backend):
    shell = session_of(backend, "piyo-prod")
    done = backend("console", "--print", **shell, AWSENV_PROFILE="piyo", AWSENV_KEY_ID="ASIAOTHER")
    assert ":444444444444:assumed-role/ReadOnly/" in page_of(printed(done))
    assert f"the keys ****{shell['AWS_ACCESS_KEY_ID'][-4:]} of this shell" in done.stderr


def test_a_shell_without_an_identity_is_told_to_name_one(backend):
    failed(backend("console", "--print"), 2, "no identity", "awsenv console NAME")


def test_a_session_that_the_console_refuses_is_denied_in_words(backend, fake, house):
    shell = session_of(backend, "piyo")
    fake.fail("GetSigninToken", status=400, code="BadRequest", message="x")
    done = backend("console", "--print", **shell)
    failed(done, 5, "does not take these credentials", "get-session-token", "name the profile of a role")


def test_a_user_who_may_not_federate_is_told_what_it_takes(backend, fake):
    fake.fail("GetFederationToken", status=403, code="AccessDenied", message="not authorized")
    failed(backend("console", "hoge1", "--print"), 5, "not authorized", "sts:GetFederationToken")


def test_a_captive_portal_is_unreachable(backend, endpoint):
    url = endpoint.says("<html>Welcome</html>", kind="text/html")
    failed(backend("console", "piyo", "--print", AWS_ENDPOINT_URL_SIGNIN=url), 6, "captive portal")


def test_keys_are_sent_to_no_host_that_is_not_aws(backend):
    failed(backend("console", "piyo", "--print", AWS_ENDPOINT_URL_SIGNIN="https://signin.evil.example"), 3, "not AWS's")


@pytest.mark.parametrize("region", ["evil.example/#", "Admin&account_id=222", "eu-wset-1", "", "../../x", "aws-global"])
def test_a_region_that_is_none_fetches_nothing(backend, fake, region):
    failed(backend("console", "piyo", "--print", "--region", region), 2, "region")
    assert fake.calls == ()


def test_an_unknown_service_fetches_nothing(backend, fake):
    failed(backend("console", "piyo", "--service", "evil.example/#"), 2, "no service")
    assert fake.calls == ()


def test_over_ssh_it_says_so_and_how_to_get_the_link(backend, fake):
    done = backend("console", "piyo", "--service", "s3", SSH_CONNECTION="192.0.2.1 1 192.0.2.2 22")
    failed(done, 2, "an SSH session", "awsenv console piyo --print")
    assert fake.calls == ()


# ---- The browser ----------------------------------------------------------------------------------------------------


def with_browser(backend: Backend, tmp_path: Path, script: str) -> Path:
    """Sets a browser for the sso-session `test` that notes its command line in the file returned, then runs *script*."""
    noted, program = tmp_path / "argv", tmp_path / "browser.py"
    program.write_text(
        f"import os, sys, urllib.request\nopen({str(noted)!r}, 'a').write(repr(sys.argv[1:]) + '\\n')\n"
        f"environment = {{name for name in os.environ if 'SECRET' in name or 'TOKEN' in name}}\n{script}\n"
    )
    settings = backend.home / ".config/awsenv/config.toml"
    settings.parent.mkdir(parents=True)
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(program))} --profile two"
    settings.write_text(f"[browsers]\ntest = {json.dumps(command)}\n")
    backend.env["XDG_CONFIG_HOME"] = str(backend.home / ".config")
    return noted


FETCH = """
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
open({seen!r}, 'wb').write(opener.open(sys.argv[-1], timeout=10).read() + repr(environment).encode())
"""


def test_the_sessions_own_browser_lands_signed_in_and_no_command_line_shows_the_link(backend, tmp_path):
    seen = tmp_path / "page"
    noted = with_browser(backend, tmp_path, FETCH.format(seen=str(seen)))
    done = backend("console", "piyo-prod", "--service", "s3")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    page = unescape(seen.read_text())
    assert ":444444444444:assumed-role/ReadOnly/" in page and "https://console.aws.amazon.com/s3/home?region=" in page
    assert page.endswith("set()"), "the browser inherited secrets"
    (argv,) = noted.read_text().splitlines()
    assert "'--profile', 'two'" in argv
    assert re.search(r"'http://127\.0\.0\.1:\d+/[\w-]+'\]$", argv), argv
    for text in (argv, done.stderr):
        assert "SigninToken" not in text and "federation" not in text
    assert re.search(
        r"^console: 444444444444/ReadOnly · ap-northeast-1 · s3, opened in your browser; .*15 minutes$",
        done.stderr,
        re.M,
    )


def test_no_browser_is_sent_to_a_host_that_is_only_trusted_with_keys(backend, fake, tmp_path):
    noted = with_browser(backend, tmp_path, "")
    settings = backend.home / ".config/awsenv/config.toml"
    settings.write_text(settings.read_text() + "[trust]\nallow_endpoint_override = true\n")
    fake.forget()
    failed(
        backend("console", "piyo", AWS_ENDPOINT_URL_SIGNIN="https://signin.evil.example"),
        3,
        "signin.evil.example",
        "--print",
    )
    assert fake.calls == () and not noted.exists()


def test_a_browser_that_does_not_start_is_said_with_the_other_way(backend, tmp_path):
    with_browser(backend, tmp_path, "sys.exit(1)")
    failed(backend("console", "piyo-prod"), 6, "no browser came", "awsenv console piyo-prod --print")
