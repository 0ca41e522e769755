"""`credential_source`: what a role is assumed with where no profile is named: variables, a container, an instance."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from awsenv import assets, stash
from awsenv.errors import Config, Denied, NoCredentials, Unreachable
from awsenv.machine import Here
from tests.shells import Shell
from tests.test_web_identity import Place

OPS = "arn:aws:iam::777777777777:role/Ops"
ROLES = "/latest/meta-data/iam/security-credentials/"
KEYS = {"AccessKeyId": "ASIA1", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}


class Answers(BaseHTTPRequestHandler):
    """Says what `server.says` has for (method, path): (status, body), or a function of the headers that gives it."""

    def do_GET(self) -> None:
        answer = self.server.says.get((self.command, self.path), (404, b""))
        status, body = answer(self.headers) if callable(answer) else answer
        self.server.asked.append((self.command, self.path))
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", body.decode())
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_GET

    def log_message(self, *about: object) -> None:
        pass


@contextmanager
def serving(**says: object) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.says, server.asked, server.url = {}, [], f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server():
    with serving() as running:
        yield running


def configure(place: Place, source: str) -> None:
    with (place.home / ".aws/config").open("a") as config:
        config.write(f"\n[profile ops]\nregion = eu-west-1\nrole_arn = {OPS}\ncredential_source = {source}\n")


@pytest.fixture
def place(house, fake, tmp_path):
    """A home with a role, and the keys of a user who may assume it."""
    made = Place(house, fake, tmp_path)
    key, secret = fake.user("111111111111", "ci")
    fake.role(OPS, ["arn:aws:iam::111111111111:user/ci", "arn:aws:iam::111111111111:role/Task"])
    made.keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    fake.forget()
    return made


def session(fake, **other: object) -> bytes:
    """What a container or an instance with the role Task gives out."""
    fake.role("arn:aws:iam::111111111111:role/Task")
    minted = fake._running().role_session("arn:aws:iam::111111111111:role/Task", "i-1", 4102444800)
    keys = {"AccessKeyId": minted.access_key_id, "SecretAccessKey": minted.secret_access_key}
    return json.dumps({**keys, "Token": minted.session_token, "Expiration": KEYS["Expiration"], **other}).encode()


# ---- The environment ------------------------------------------------------------------------------------------------


def test_the_keys_of_the_environment_make_the_role(place):
    configure(place, "Environment")
    assert place.arn("ops", **place.keys) == "arn:aws:sts::777777777777:assumed-role/Ops/awsenv-tester"


def test_other_keys_in_the_environment_are_another_chain(place, fake):
    configure(place, "Environment")
    place.arn("ops", **place.keys)
    key, secret = fake.user("111111111111", "ci")
    place.arn("ops", AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
    place.arn("ops", **place.keys)
    assert fake.count("AssumeRole") == 2


def test_no_keys_in_the_environment_is_said_before_any_call(place, fake):
    configure(place, "Environment")
    done = place("export", "ops")
    assert done.returncode == 3 and "there is no AWS_ACCESS_KEY_ID" in done.stderr and fake.calls == ()


def shell_of(place: Place, name: str, folder) -> Shell:
    shell = Shell(name, folder)
    shell.values |= {"__awsenv_main": assets.MAIN, "__awsenv_store": place.env["AWSENV_STORE"]}
    shell.env |= place.env
    return shell


WHO = "aws sts get-caller-identity --query Arn --output text; "


def test_use_takes_what_the_shell_had_before_awsenv_however_often(place, shell_name, tmp_path):
    configure(place, "Environment")
    shell = shell_of(place, shell_name, tmp_path / "shell")
    region = {"AWS_DEFAULT_REGION": "eu-west-1"}  # of the last call: that user has no profile here
    script = f"awsenv use ops; {WHO}awsenv use hoge1; {WHO}awsenv use ops --fresh; {WHO}awsenv use ops; {WHO}"
    result = shell.run(script + shell.said() + "awsenv off; " + WHO, env=region | place.keys)
    role, user = "arn:aws:sts::777777777777:assumed-role/Ops/awsenv-tester", "arn:aws:iam::111111111111:user/"
    expected = [role, user + "hoge1", role, role, "status 0", user + "ci"]
    assert result.stdout.replace("awsenv-root", "awsenv-tester").split("\n")[:-1] == expected, result.stderr


def test_refresh_has_the_earlier_environment_too(place, shell_name, tmp_path, fake):
    configure(place, "Environment")
    shell = shell_of(place, shell_name, tmp_path / "shell")
    result = shell.run(f"awsenv use ops; awsenv refresh --fresh; {shell.said()}{WHO}", env=place.keys)
    assert "status 0" in result.stdout and ":assumed-role/Ops/" in result.stdout, result.stderr
    assert fake.count("AssumeRole") == 2


def test_what_the_shell_had_is_no_ones_argument_or_variable(place, shell_name, tmp_path):
    shell = Shell(shell_name, tmp_path)
    shell.stub.answer("use one", unset=["AWS_SECRET_ACCESS_KEY"], assign={"AWS_PROFILE": "x", "AWSENV_PROFILE": "one"})
    shell.stub.answer("use two", text=stash.REQUEST)
    shell.run("awsenv use one; awsenv use two", env={"AWS_SECRET_ACCESS_KEY": "kept'$x", "AWSENV_STASH_FD": "7"})
    first, second, third = shell.stub.calls
    assert "AWSENV_STASH_FD" not in first.env and not second.env.get("AWSENV_STASH_FD")
    assert third.env["AWSENV_STASH_FD"] == ("0" if shell_name == "fish" else "3")
    assert second.env["AWSENV_STASHED"] == third.env["AWSENV_STASHED"] == "1"
    assert not any("kept'$x" in word for call in (second, third) for word in (*call.args, *call.env.values()))


def test_a_request_that_is_answered_with_the_same_changes_nothing(shell_name, tmp_path):
    shell = Shell(shell_name, tmp_path)
    shell.stub.answer("use two", text=stash.REQUEST)
    result = shell.run("awsenv use two; " + shell.said() + shell.dump("after"))
    assert "status 1" in result.stdout and "AWSENV_PROFILE" not in result.environment("after")
    assert len(shell.stub.calls) == 2


def test_a_shell_that_never_knew_says_so(place, shell_name, tmp_path):
    configure(place, "Environment")
    shell = shell_of(place, shell_name, tmp_path / "shell")
    ours = {**place.keys, "AWSENV_PROFILE": "hoge1", "AWSENV_KEY_ID": place.keys["AWS_ACCESS_KEY_ID"]}
    result = shell.run("awsenv use ops; " + shell.said(), env=ours)
    assert "status 3" in result.stdout and "what was in it before awsenv is not known here" in result.stderr


def test_what_is_kept_is_read_record_by_record():
    env = {"AWSENV_PROFILE": "p", "AWS_ACCESS_KEY_ID": "ours", "PATH": "/bin", "AWS_REGION": "r"}
    kept = b"AWS_ACCESS_KEY_ID=a=b\n\0AWS_SECRET_ACCESS_KEY=\xff\0PATH=/evil\0junk\0"
    found = {"AWSENV_PROFILE": "p", "PATH": "/bin", "AWS_ACCESS_KEY_ID": "a=b\n", "AWS_SECRET_ACCESS_KEY": "\udcff"}
    assert stash.before(env, kept) == found
    assert stash.before(env, None) == env, "whose keys are not ours has set them himself"
    assert stash.before({**env, "AWSENV_KEY_ID": "ours"}, None) is None
    assert stash.before({"AWS_PROFILE": "x"}, None) == {"AWS_PROFILE": "x"}


# ---- A container ----------------------------------------------------------------------------------------------------


def test_the_containers_role_makes_the_role(place, fake, server, tmp_path):
    configure(place, "EcsContainer")
    token = tmp_path / "token"
    token.write_text("secret")
    says = session(fake)
    server.says["GET", "/creds"] = lambda headers: (200, says) if headers["Authorization"] == "secret" else (403, b"")
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/creds"}
    assert place.arn("ops", **env, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(token)) == place.arn(
        "ops", **env, AWS_CONTAINER_AUTHORIZATION_TOKEN="secret"
    )
    assert len(server.asked) == 1, "the role on top of it is kept"
    assert place("export", "ops", "--fresh", **env, AWS_CONTAINER_AUTHORIZATION_TOKEN="wrong").returncode == 5


def test_without_a_container_its_role_is_refused_by_the_line(place, fake):
    configure(place, "EcsContainer")
    done = place("export", "ops", **place.keys)
    assert done.returncode == 3 and "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" in done.stderr and fake.calls == ()


def test_no_profile_falls_through_to_the_container_or_the_instance(place, fake, server):
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/creds", "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url}
    with (place.home / ".aws/config").open("a") as config:
        config.write("\n[profile bare]\nregion = eu-west-1\n")
    done = place("export", "bare", **env, AWS_EC2_METADATA_DISABLED="false")
    assert done.returncode == 3 and server.asked == []


@pytest.mark.parametrize(
    "url",
    ["http://evil.example/", "http://169.254.170.2.evil.example/", "http://169.254.169.254/", "file:///etc/passwd", ""],
)
def test_a_containers_credentials_come_from_nowhere_else(url):
    with pytest.raises(Config):
        Here({"AWS_CONTAINER_CREDENTIALS_FULL_URI": url}).container_credentials()


def test_the_relative_address_comes_first_as_in_botocore():
    env = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/7", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/"}
    assert Here(env).container_name().endswith("\0http://169.254.170.2/v2/7")


def container(server, **env: str) -> Here:
    return Here({"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/creds", **env})


def test_a_token_with_a_line_break_is_no_header(server, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    for name, value in (("TOKEN", "a\r\nX: y"), ("TOKEN_FILE", str(tmp_path / "token"))):
        with pytest.raises(Config):
            container(server, **{f"AWS_CONTAINER_AUTHORIZATION_{name}": value}).container_credentials()
    assert server.asked == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", json.dumps({**KEYS, "Token": None}).encode(),
                                  json.dumps({**KEYS, "Expiration": "soon"}).encode(),
                                  json.dumps({**KEYS, "Expiration": "2099-01-01T00:00:00"}).encode()])  # fmt: skip
def test_an_answer_that_is_no_credentials_is_no_traceback(server, body):
    server.says["GET", "/creds"] = (200, body)
    with pytest.raises(Unreachable):
        container(server).container_credentials()


def test_a_service_in_trouble_is_asked_again(server):
    left = [(500, b""), (500, b""), (200, json.dumps({**KEYS, "AccountId": "111111111111"}).encode())]
    server.says["GET", "/creds"] = lambda headers: left.pop(0)
    found = container(server).container_credentials()
    assert (found.access_key_id, found.session_token, found.account_id) == ("ASIA1", "t", "111111111111")
    assert found.expires_at == 4070908800 and len(server.asked) == 3


def test_a_redirect_is_not_followed_and_a_proxy_not_asked(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.says["GET", "/creds"] = (302, f"{server.url}/else".encode())
    with pytest.raises(Unreachable):
        container(server, AWS_CONTAINER_AUTHORIZATION_TOKEN="secret").container_credentials()
    assert server.asked == [("GET", "/creds")]


# ---- An instance ----------------------------------------------------------------------------------------------------


def instance(server) -> Here:
    return Here({"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url})


def with_token(status: int, body: bytes):
    return lambda headers: (status, body) if headers["x-aws-ec2-metadata-token"] == "v2" else (401, b"")


def metadata(server, keys: bytes) -> None:
    wants = "x-aws-ec2-metadata-token-ttl-seconds"
    server.says["PUT", "/latest/api/token"] = lambda headers: (200, b"v2") if headers[wants] else (400, b"")
    server.says["GET", ROLES] = with_token(200, b"my-role")
    server.says["GET", f"{ROLES}my-role"] = with_token(200, keys)


def test_the_instances_role_makes_the_role(place, fake, server):
    configure(place, "Ec2InstanceMetadata")
    metadata(server, session(fake, Code="Success", Type="AWS-HMAC"))
    env = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url + "/"}
    assert place.arn("ops", **env) == "arn:aws:sts::777777777777:assumed-role/Ops/awsenv-tester"
    done = place("export", "ops", **env | {"AWS_EC2_METADATA_DISABLED": "true"})
    assert done.returncode == 3 and "AWS_EC2_METADATA_DISABLED forbids" in done.stderr


@pytest.mark.parametrize("status", [403, 404, 405])
def test_version_one_of_the_metadata_service_is_never_used(server, status):
    metadata(server, json.dumps(KEYS).encode())
    server.says["PUT", "/latest/api/token"] = (status, b"")
    with pytest.raises(Denied):
        instance(server).instance_credentials()
    assert server.asked == [("PUT", "/latest/api/token")]


def test_an_instance_without_a_role_says_so(server):
    metadata(server, b"")
    for nothing in ((404, b""), (200, b"")):
        server.says["GET", ROLES] = nothing
        with pytest.raises(NoCredentials, match="has no role"):
            instance(server).instance_credentials()


def test_what_is_no_instance_is_said_in_a_second():
    with serving() as server:
        url = server.url
    with pytest.raises(Unreachable, match="is this an EC2 instance"):
        Here({"AWS_EC2_METADATA_SERVICE_ENDPOINT": url}).instance_credentials()
    with pytest.raises(Config):
        Here({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "file:///etc"}).instance_credentials()


def test_a_refused_role_of_the_instance_is_no_traceback(server):
    metadata(server, b'{"Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot assume the role"}')
    with pytest.raises(Unreachable):
        instance(server).instance_credentials()
