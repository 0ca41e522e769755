"""How AWS is reached: FIPS, dual stack, partitions, certificates, proxies; and what a strange config file may say of it.

F43 of the faults. The hosts are botocore's: each combination is compared with a client that botocore makes by itself.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import botocore.session
import pytest
from botocore import UNSIGNED
from botocore.config import Config as ClientConfig

from awsenv.aws import Aws
from awsenv.config import AwsConfig
from awsenv.endpoints import is_aws_sts
from awsenv.model import AS_IT_COMES, Credentials, rfc3339
from awsenv.network import network_of, variables_of
from awsenv.plan import build
from awsenv.ports import real
from awsenv.resolve import chain_keys
from awsenv.store import NoStore
from awsenv.world import World
from tests.test_endpoints import FOREIGN
from tests.test_failures import Backend, backend, failed  # noqa: F401  # the fixture

KEYS = Credentials("AKIDEXAMPLE000000000", "secret")
REGIONS = ("us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-1")
SUFFIX = {"cn-north-1": "amazonaws.com.cn", "us-gov-west-1": "amazonaws.com", "eusc-de-east-1": "amazonaws.eu",
          "us-iso-east-1": "c2s.ic.gov"}  # fmt: skip
SERVICES = ("sts", "sso", "sso-oidc")
SETTINGS = {
    "use_fips_endpoint": ("AWS_USE_FIPS_ENDPOINT", ("true", "false")),
    "use_dualstack_endpoint": ("AWS_USE_DUALSTACK_ENDPOINT", ("TRUE", "false")),
    "sts_regional_endpoints": ("AWS_STS_REGIONAL_ENDPOINTS", ("legacy", "regional")),
}


def theirs(service: str, region: str, env: dict[str, str], config: Path) -> str:
    """Where botocore, left alone with the profile, sends a call: its endpoint, or why there is none."""
    with patch.dict(os.environ, {**env, "AWS_CONFIG_FILE": str(config)}):
        session = botocore.session.Session(profile="a")
        options = {} if service == "sts" else {"config": ClientConfig(signature_version=UNSIGNED)}
        return went_to(session.create_client(service, region_name=region, aws_access_key_id="a",
                                             aws_secret_access_key="s", **options), service)  # fmt: skip


def ours(service: str, region: str, env: dict[str, str], config: Path) -> str:
    with patch.dict(os.environ, env):
        profile = AwsConfig(config.read_bytes(), b"", str(config), "credentials").profile("a")
        api = Aws(World(env, "/", "", "", None, "tester"), network=network_of(profile, env))
        return went_to(api._client(service, region, None, KEYS if service == "sts" else None), service)


class Stop(Exception):
    """In place of the network."""


def went_to(client: object, service: str) -> str:
    seen: list[str] = []

    def send(request: object, **_: object) -> None:
        seen.append(request.url.partition("?")[0])
        raise Stop

    client.meta.events.register("before-send", send)
    call = {
        "sts": lambda: client.assume_role(RoleArn="arn:aws:iam::111111111111:role/x", RoleSessionName="xx"),
        "sso": lambda: client.get_role_credentials(accountId="1", roleName="x", accessToken="t"),
        "sso-oidc": lambda: client.create_token(clientId="a", clientSecret="b", grantType="refresh_token"),
    }[service]
    try:
        call()
    except Stop:
        return seen[0]
    except Exception as error:  # a partition without FIPS, say: both refuse alike
        return type(error).__name__
    raise AssertionError("nothing was sent")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("region", REGIONS)
def test_f43_every_service_is_called_where_botocore_calls_it_in_every_partition(service, region, tmp_path):
    config = tmp_path / "config"
    expected = {"sts": "sts", "sso": "portal.sso", "sso-oidc": "oidc"}[service]
    config.write_text("[profile a]\nregion = x\n")
    host = f"https://{expected}.{region}.{SUFFIX.get(region, 'amazonaws.com')}/"
    assert ours(service, region, {}, config).startswith(host)
    for fips, dual in itertools.product(("true", None), repeat=2):
        lines = {"use_fips_endpoint": fips, "use_dualstack_endpoint": dual}
        config.write_text("[profile a]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items() if value))
        assert ours(service, region, {}, config) == theirs(service, region, {}, config), lines


def test_f43_a_variable_beats_the_profiles_setting_as_in_botocore(tmp_path):
    config, seen = tmp_path / "config", set()
    for key, (variable, values) in SETTINGS.items():
        for setting, value in itertools.product((None, *values), repeat=2):
            config.write_text("[profile a]\nregion = x\n" + (f"{key} = {setting}\n" if setting else ""))
            env = {variable: value} if value else {}
            host = ours("sts", "us-east-1", env, config)
            assert host == theirs("sts", "us-east-1", env, config), (key, setting, value)
            seen.add(host)
    names = ("sts.us-east-1", "sts-fips.us-east-1", "sts")
    assert seen == {f"https://{name}.amazonaws.com/" for name in names} | {"https://sts.us-east-1.api.aws/"}


def test_f43_the_settings_are_those_of_the_profile_that_was_asked_for():
    text = b"[profile a]\nrole_arn = arn:aws:iam::111111111111:role/R\nsource_profile = b\nuse_fips_endpoint = true\n"
    text += b"[profile b]\naws_access_key_id = B\naws_secret_access_key = s\nuse_dualstack_endpoint = true\n"
    config = AwsConfig(text, b"", "config", "credentials")
    network = build(config, "a", env={}, session_name="x").network
    assert (network.fips, network.dualstack) == (True, None)


# ---- Proxies and certificates ------------------------------------------------------------------------------------------


@contextmanager
def listening() -> Iterator[tuple[int, list[bytes]]]:
    """A port, and the first line of all that is said to it; each is answered by a 502."""
    said: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        while True:
            try:
                one, _ = server.accept()
            except OSError:
                return
            with one:
                said.append(one.recv(4096).split(b"\r\n")[0])
                one.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1], said
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def test_f43_a_proxy_is_used_and_no_proxy_is_heeded(backend):  # noqa: F811
    with listening() as (port, said):
        proxy = {"HTTPS_PROXY": f"http://127.0.0.1:{port}", "https_proxy": f"http://127.0.0.1:{port}"}
        real = {"AWS_ENDPOINT_URL_STS": "", "AWS_ENDPOINT_URL": "", "NO_PROXY": "", "no_proxy": ""}
        backend.configure(
            "\n[profile far]\nregion = eu-west-1\nrole_arn = arn:aws:iam::222222222222:role/X\nsource_profile = hoge1\n"
        )
        failed(backend("use", "far", **proxy, **real), 6, "can't reach")
        assert said and {line.decode().rpartition(" ")[0] for line in said} == {
            "CONNECT sts.eu-west-1.amazonaws.com:443"
        }
        said.clear()
        assert backend("use", "piyo", **proxy).returncode == 0, "the fake's own NO_PROXY names this machine"
        assert not said


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    assert shutil.which("openssl"), "openssl makes the certificate"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=awsenv test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key", "-out", "cert"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert", folder / "key"


@contextmanager
def behind_tls(certificate: tuple[Path, Path], url: str) -> Iterator[str]:
    """*url* (plain http on loopback) by https."""
    import ssl
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from urllib.request import Request, urlopen

    class Relay(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with urlopen(Request(url.rstrip("/") + self.path, body, dict(self.headers.items()))) as reply:
                data, kind = reply.read(), reply.headers["Content-Type"]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *about: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, certificate))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


ROLE = "arn:aws:iam::222222222222:role/Behind"


def test_f43_a_ca_of_ones_own_by_variable_or_by_profile_and_never_less_than_verified(backend, fake, certificate):  # noqa: F811
    fake.role(ROLE, ["arn:aws:iam::111111111111:user/hoge1"])
    shutil.copy(certificate[0], backend.home / "ca.pem")
    text = f"region = eu-west-1\nrole_arn = {ROLE}\nsource_profile = hoge1\n"
    backend.configure(f"\n[profile plain]\n{text}\n[profile with-ca]\nca_bundle = ~/ca.pem\n{text}\n")
    backend.configure(f"\n[profile lost]\nca_bundle = /nowhere.pem\n{text}")
    with behind_tls(certificate, fake.sts_url) as url:
        there = {"AWS_ENDPOINT_URL_STS": url}
        failed(backend("use", "plain", **there), 6, "can't reach 127.0.0.1 safely", "certificate")
        done = backend("use", "plain", **there, AWS_CA_BUNDLE=str(certificate[0]))
        assert done.returncode == 0, done.stderr
        done = backend("use", "with-ca", "--fresh", **there)
        assert done.returncode == 0, done.stderr
        done = backend("use", "with-ca", "--fresh", **there, AWS_CA_BUNDLE="/nowhere.pem")
        failed(done, 3, "/nowhere.pem")  # the variable wins
        failed(backend("use", "lost", "--fresh", **there), 3, "/nowhere.pem")


def test_a_login_and_its_renewal_in_the_background_reach_aws_as_the_profile_says(backend, fake, certificate):  # noqa: F811
    shutil.copy(certificate[0], backend.home / "ca.pem")
    text = (
        "region = eu-west-1\nsso_session = test\nsso_account_id = 123456789012\nsso_role_name = AdministratorAccess\n"
    )
    backend.configure(f"\n[profile plain]\n{text}\n[profile with-ca]\nca_bundle = {backend.home}/ca.pem\n{text}\n")
    path = backend.token(fake, expiresAt="2020-01-01T00:00:00Z")
    with behind_tls(certificate, fake.identity_center_url) as url:
        there = {"AWS_ENDPOINT_URL_SSO_OIDC": url}
        failed(backend("login", "plain", **there), 6, "can't reach 127.0.0.1 safely", "certificate")
        done = backend("login", "with-ca", **there)
        assert done.returncode == 0 and "already logged in" in done.stderr, done.stderr
        renewed = path.read_text()
        ends = json.loads(renewed) | {"expiresAt": rfc3339(time.time() + 200)}
        path.write_text(json.dumps(ends))
        done = backend("use", "with-ca", "--fresh", **there)
        assert done.returncode == 0, done.stderr
        end = time.monotonic() + 10
        while json.loads(path.read_text())["accessToken"] == ends["accessToken"]:
            assert time.monotonic() < end, "the worker could not renew it"
            time.sleep(0.05)


def test_the_variables_of_a_network_say_what_the_profile_said():
    config = "[profile a]\nca_bundle = /ca\nuse_fips_endpoint = true\nuse_dualstack_endpoint = false\nsts_regional_endpoints = legacy\n"
    network = network_of(AwsConfig(config.encode(), b"", "config", "credentials").profile("a"), {})
    assert variables_of(network) == {"AWS_CA_BUNDLE": "/ca", "AWS_USE_FIPS_ENDPOINT": "true",
                                     "AWS_USE_DUALSTACK_ENDPOINT": "false", "AWS_STS_REGIONAL_ENDPOINTS": "legacy"}  # fmt: skip
    assert variables_of(AS_IT_COMES) == {}


def test_a_token_of_the_global_endpoint_is_kept_apart(tmp_path):
    text = f"[profile k]\n{KEY}[profile a]\nregion = eu-west-1\nsource_profile = k\nrole_arn = {ROLE}\n"
    config = AwsConfig((text + text.replace(" a]", " b]").partition(KEY)[2] + "sts_regional_endpoints = legacy\n").encode(), b"", "c", "k")  # fmt: skip
    ports = real(World({}, "/", "", "", None, "tester"), NoStore())
    a, b = (chain_keys(build(config, name, env={}, session_name="s"), ports)[-1] for name in "ab")
    assert a != b


# ---- A config file that is not the user's own ---------------------------------------------------------------------------

EVIL = "https://sts.us-east-1.amazonaws.com.evil.example"
SECTION = "[services s]\nsts =\n  endpoint_url = {}\nsso =\n  endpoint_url = {}\n"
KEY = "aws_access_key_id = K\naws_secret_access_key = s\n"
A_ROLE = f"role_arn = {ROLE}\nsource_profile = k\n"
A_TOKEN = f"role_arn = {ROLE}\nweb_identity_token_file = /etc/passwd\n"
A_PORTAL = "sso_session = t\nsso_account_id = 111111111111\nsso_role_name = R\n"
A_LOGIN = "login_session = arn:aws:iam::111111111111:user/me\n"
SESSION = "[sso-session t]\nsso_start_url = https://d-1.awsapps.com/start\nsso_region = eu-west-1\n"


@pytest.mark.parametrize(
    ("settings", "env", "lines"),
    [
        (f"{A_ROLE}endpoint_url = {EVIL}\n", {}, ["endpoint"]),
        (f"{A_ROLE}endpoint_url = http://10.0.0.1\n", {}, ["endpoint"]),
        (f"{A_ROLE}endpoint_url = http://127.0.0.1:4566\n", {}, []),  # a stand-in for AWS gets a signature, and no secret
        (f"{A_ROLE}endpoint_url = https://sts.eu-west-1.amazonaws.com\n", {}, []),
        (f"{A_ROLE}endpoint_url = https://vpce-0a-1b.sts.eu-west-1.vpce.amazonaws.com\n", {}, []),
        (f"{A_ROLE}endpoint_url = https://vpce-0a.vpce-svc-1b.eu-west-1.vpce.amazonaws.com\n", {}, ["endpoint"]),
        (f"{A_ROLE}endpoint_url = {EVIL}\n", {"AWS_ENDPOINT_URL": "http://mine"}, []),
        (f"{A_ROLE}services = s\n" + SECTION.format(EVIL, EVIL), {}, ["endpoint"]),
        (f"{A_ROLE}ca_bundle = ca\n", {}, ["ca"]),
        (f"{A_ROLE}ca_bundle = ca\n", {"AWS_CA_BUNDLE": "mine"}, []),
        (f"{KEY}ca_bundle = ca\nendpoint_url = {EVIL}\n", {}, []),  # nobody is called
        (A_TOKEN, {}, []),  # the file's text goes to AWS, or where the user's own environment says
        (f"{A_TOKEN}endpoint_url = {EVIL}\n", {}, ["endpoint"]),
        (f"{A_TOKEN}endpoint_url = http://127.0.0.1:4566\n", {}, ["endpoint"]),  # whoever listens there has the token
        (f"{A_PORTAL}endpoint_url = {EVIL}\n", {}, []),  # it does not apply to it
        (f"{A_PORTAL}services = s\n" + SECTION.format(EVIL, "http://127.0.0.1:1"), {}, ["endpoint"]),
        (f"{A_PORTAL}ca_bundle = ca\n", {}, ["ca"]),
        (f"{A_LOGIN}ca_bundle = ca\n", {}, ["ca"]),
        (f"{A_LOGIN}services = s\n" + SECTION.format(EVIL, EVIL).replace("sso =", "signin =").replace(EVIL, "http://127.0.0.1:1"),
         {}, ["endpoint"]),
    ],
)  # fmt: skip
def test_the_lines_by_which_a_file_could_read_along_need_its_trust(settings, env, lines):
    text = f"[profile a]\n{settings}[profile k]\n{KEY}{SESSION}"
    plan = build(AwsConfig(text.encode(), b"", "config", "credentials"), "a", env=env, session_name="x")
    found = ["ca" if "certificates" in each.deed else "endpoint" for each in plan.delicate]
    assert found == lines
    if lines:
        line = text.split("\n")[plan.delicate[0].where.line - 1]
        assert "ca_bundle" in line or "endpoint_url" in line


def test_the_lines_of_a_wrapped_source_need_it_too():
    text = f"[profile a]\nrole_arn = {ROLE}\nsource_profile = w\n"
    text += "[profile w]\ncredential_process = awsenv export x --format process\n"
    text += f"[profile x]\n{A_TOKEN}endpoint_url = {EVIL}\n"
    plan = build(AwsConfig(text.encode(), b"", "config", "credentials"), "a", env={}, session_name="x")
    assert plan.steps[0].endpoint == EVIL and [each.where.line for each in plan.delicate] == [9]


@pytest.mark.parametrize(
    "url", [*FOREIGN[:-10], "https://sts.evil.amazonaws.com", "https://x.sts.us-east-1.amazonaws.com"]
)
def test_no_other_host_passes_for_sts(url):
    assert not is_aws_sts(url)


@pytest.mark.parametrize("region", REGIONS[:-1])
def test_every_host_of_sts_itself_passes(region):
    session = botocore.session.Session()
    for fips, dual in itertools.product((False, True), repeat=2):
        config = ClientConfig(use_dualstack_endpoint=dual, use_fips_endpoint=fips, signature_version=UNSIGNED)
        url = session.create_client("sts", region_name=region, config=config).meta.endpoint_url
        assert is_aws_sts(url), url


def test_a_strange_config_file_sends_nothing_anywhere_until_it_is_trusted(backend, fake, tmp_path):  # noqa: F811
    fake.role(ROLE, ["arn:aws:iam::111111111111:user/hoge1"])
    with listening() as (port, said):
        strange = tmp_path / "project.conf"
        strange.write_text(f"[profile far]\nregion = eu-west-1\nrole_arn = {ROLE}\nsource_profile = hoge1\n"
                           f"endpoint_url = http://localtest.me.invalid:{port}\n")  # fmt: skip
        there = {"AWS_CONFIG_FILE": str(strange), "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_STS": ""}
        done = backend("use", "far", **there)
        failed(
            done,
            3,
            f"{strange}:5",
            "may not send what is for AWS to http://localtest.me.invalid",
            f"awsenv trust {strange}",
        )
        assert not said and not fake.calls
        shown = backend("trust", str(strange), "--yes", **there)
        assert shown.returncode == 0 and "who answers for AWS" in shown.stderr and ":5: endpoint_url = " in shown.stderr
        failed(backend("use", "far", **there), 6, "can't reach localtest.me.invalid")
        strange.write_text(strange.read_text() + "\n")
        failed(backend("use", "far", **there), 3, "changed since it was trusted")


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ("whoami keys", "endpoint_url = http://localtest.me.invalid\n"),
        ("doctor keys", "endpoint_url = http://localtest.me.invalid\n"),
        ("console keys --print", "endpoint_url = http://localtest.me.invalid\n"),
        ("console keys --print", "services = s\n[services s]\nsignin =\n  endpoint_url = http://127.0.0.1:1\n"),
    ],
)
def test_nor_do_other_verbs_sign_for_it_or_hand_keys_over(backend, fake, tmp_path, words, lines):  # noqa: F811
    strange = tmp_path / "project.conf"
    strange.write_text(f"[profile keys]\nregion = eu-west-1\n{KEY}{lines}")
    there = {"AWS_CONFIG_FILE": str(strange), **dict.fromkeys(("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"), "")}
    done = backend(*words.split(), **there, AWS_ENDPOINT_URL_SIGNIN="")
    assert done.returncode == 3, done.stderr
    told = done.stdout + done.stderr
    assert "may not send what is for AWS" in told and "awsenv trust" in told and "Traceback" not in told
    assert not fake.calls


@pytest.mark.parametrize("verb", ["login", "logout"])
def test_a_login_of_a_strange_file_hands_no_token_to_whom_it_names(backend, fake, tmp_path, verb):  # noqa: F811
    strange = tmp_path / "project.conf"
    strange.write_text(f"[profile p]\nregion = eu-west-1\nservices = s\n{A_PORTAL}{SESSION}"
                       + SECTION.format("http://127.0.0.1:1", "http://127.0.0.1:1"))  # fmt: skip
    there = dict.fromkeys(("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SSO_OIDC"), "")
    done = backend(verb, "p", **there, AWS_CONFIG_FILE=str(strange), AWSENV_SHIM="bash:1")
    failed(done, 3, "may not send what is for AWS to http://127.0.0.1:1", "awsenv trust")
    assert not fake.calls


def test_ones_own_config_file_may_say_all_of_that(backend):  # noqa: F811
    backend.configure(f"\n[profile far]\nregion = eu-west-1\nrole_arn = {ROLE}\nsource_profile = hoge1\n"
                      "endpoint_url = http://localtest.me.invalid\n")  # fmt: skip
    failed(backend("use", "far", AWS_ENDPOINT_URL="", AWS_ENDPOINT_URL_STS=""), 6, "can't reach localtest.me.invalid")


# ---- The account --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "credentials"),
    [
        ("[profile a]\naws_access_key_id = K\naws_secret_access_key = s\naws_account_id = 111111111111\n", ""),
        ("", "[a]\naws_access_key_id = K\naws_secret_access_key = s\naws_account_id = 111111111111\n"),
        ("[profile a]\naws_account_id = 222222222222\n", "[a]\naws_access_key_id = K\naws_secret_access_key = s\n"),
        ("", "[a]\naws_access_key_id = K\naws_secret_access_key = s\n"),
    ],
)
def test_the_account_of_a_key_is_handed_on_as_botocore_has_it_and_a_stale_one_never(
    backend,  # noqa: F811
    config,
    credentials,
    tmp_path,
):
    files = {"AWS_CONFIG_FILE": tmp_path / "config", "AWS_SHARED_CREDENTIALS_FILE": tmp_path / "credentials"}
    for path, text in zip(files.values(), (config, credentials), strict=True):
        path.write_text(text)
    env = {name: str(path) for name, path in files.items()}
    with patch.dict(os.environ, env):
        theirs = botocore.session.Session(profile="a").get_credentials().account_id
    done = backend("exec", "a", "--", "sh", "-c", "echo ${AWS_ACCOUNT_ID-none}", **env, AWS_ACCOUNT_ID="999999999999")
    assert done.stdout == f"{theirs or 'none'}\n", done.stderr
