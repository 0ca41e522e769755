"""What the place that we run in vouches for, by HTTP: a CI job's token, a container's and an instance's credentials."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from awsenv.endpoints import host_of, is_loopback
from awsenv.errors import Config, Denied, NoCredentials, Unreachable
from awsenv.files import LARGEST_TOKEN, read
from awsenv.model import Credentials
from awsenv.text import show

LARGEST = 1 << 20  # bytes of an answer
GITHUB_SECONDS = 10.0
CONTAINER_SECONDS, CONTAINER_ATTEMPTS = 2.0, 3
CONTAINER_HOSTS = ("169.254.170.2", "169.254.170.23", "fd00:ec2::23")  # ECS, and EKS by either version of IP
INSTANCE_SECONDS = 1.0
INSTANCE_ROLES = "/latest/meta-data/iam/security-credentials/"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """urllib would take the Authorization header along to wherever it is sent."""

    def redirect_request(self, *about: Any) -> None:
        return None


class Here:
    """The Machine port."""

    def __init__(self, env: Mapping[str, str], before: Mapping[str, str] | None = None) -> None:
        self._env, self._before = env, before

    def environment(self) -> Mapping[str, str]:
        return self._before or {}

    def job(self) -> str:
        return "\x00".join(self._env.get(name, "") for name in ("GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_JOB"))

    def github_token(self, audience: str) -> str:
        url, bearer = (self._env.get(f"ACTIONS_ID_TOKEN_REQUEST_{name}", "") for name in ("URL", "TOKEN"))
        if not (url.startswith("https://") or is_loopback(url)) or not _is_header(bearer):
            raise Config("ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN are not what a runner of GitHub Actions sets")
        url += f"{'&' if '?' in url else '?'}audience={quote(audience, safe='')}"
        headers = {"Authorization": f"bearer {bearer}"}
        status, data = _ask("GET", url, headers, GITHUB_SECONDS, proxies=not is_loopback(url))
        if status in (401, 403):
            raise Denied(f"the runner gives this job no token ({status})", hint="has the job been running for hours?")
        try:
            token = json.loads(data)["value"]
        except (ValueError, KeyError, TypeError):
            token = None
        if status != 200 or not (isinstance(token, str) and token):
            what = f"the runner was asked for this job's token and answered {status}"
            raise Unreachable(what, hint="run the job again")
        return token

    def container_name(self) -> str:
        return f"{os.uname().nodename}\x00{self._container_url()}"

    def container_credentials(self) -> Credentials:
        url = self._container_url()
        if not _may_answer_for_a_container(url):
            whence = f"this machine, {', '.join(CONTAINER_HOSTS)} or by https"
            what = f"a container's credentials come from {whence}, not from {show(url) or 'nowhere'}"
            raise Config(what, None, "unset AWS_CONTAINER_CREDENTIALS_FULL_URI")
        headers = {"Accept": "application/json", **self._container_headers()}
        for attempt in range(CONTAINER_ATTEMPTS):
            status, data = _ask("GET", url, headers, CONTAINER_SECONDS, proxies=False)
            if status < 500 or attempt + 1 == CONTAINER_ATTEMPTS:
                break
        return _credentials("the container's credential service", status, data)

    def _container_url(self) -> str:
        relative = self._env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")  # the first that is set, as in botocore
        if relative is not None:
            return f"http://{CONTAINER_HOSTS[0]}{relative}"
        return self._env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")

    def _container_headers(self) -> dict[str, str]:
        path = self._env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        token = self._env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        if path is not None:
            token = read(path, LARGEST_TOKEN).decode("ascii", "replace")
        if token is None:
            return {}
        if not _is_header(token):
            source = f"the file {show(path)}" if path is not None else "AWS_CONTAINER_AUTHORIZATION_TOKEN"
            raise Config(f"{source} holds no token for the container's credentials")
        return {"Authorization": token}

    def instance_name(self) -> str:
        return f"{os.uname().nodename}\x00{self._instance_url()}"

    def instance_credentials(self) -> Credentials:
        base, what = self._instance_url(), "the instance's metadata service"
        # Version 2 alone: the first, without a token, answers anybody who can make a program here fetch a URL.
        wanted = {"x-aws-ec2-metadata-token-ttl-seconds": "60"}
        try:
            status, token = _ask("PUT", f"{base}/latest/api/token", wanted, INSTANCE_SECONDS, proxies=False)
        except Unreachable as error:
            raise Unreachable(f"{error.what}: is this an EC2 instance?", hint="name a source_profile instead") from None
        if status != 200 or not _is_header(token.decode("ascii", "replace")):
            raise Denied(f"{what} gives out no token ({status})", hint="in a container, its hop limit may be 1")
        headers = {"x-aws-ec2-metadata-token": token.decode()}
        status, names = _ask("GET", f"{base}{INSTANCE_ROLES}", headers, INSTANCE_SECONDS, proxies=False)
        role = names.decode("ascii", "replace").split("\n")[0].strip()
        if status == 404 or (status == 200 and not role):
            raise NoCredentials("this instance has no role", hint="attach an instance profile to it")
        if status == 200:
            url = f"{base}{INSTANCE_ROLES}{quote(role, safe='')}"
            status, data = _ask("GET", url, headers, INSTANCE_SECONDS, proxies=False)
        else:
            data = b""
        return _credentials(what, status, data)

    def _instance_url(self) -> str:
        given = self._env.get("AWS_EC2_METADATA_SERVICE_ENDPOINT")
        if given:
            if not host_of(given):
                raise Config(f"AWS_EC2_METADATA_SERVICE_ENDPOINT is no http address: {show(given)}")
            return given.rstrip("/")
        is_ipv6 = self._env.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "").lower() == "ipv6"
        return "http://[fd00:ec2::254]" if is_ipv6 else "http://169.254.169.254"


def _may_answer_for_a_container(url: str) -> bool:
    """botocore's rule (utils.ContainerMetadataFetcher): in the clear only within this machine or its own link."""
    return url.startswith("https://") or is_loopback(url) or host_of(url) in CONTAINER_HOSTS


def _credentials(what: str, status: int, data: bytes) -> Credentials:
    """The document that both services answer with; raises Denied or Unreachable for any other answer."""
    if status in (400, 401, 403, 404):
        raise Denied(f"{what} refused ({status})")
    try:
        found = json.loads(data)
        key, secret, token = (found[name] for name in ("AccessKeyId", "SecretAccessKey", "Token"))
        expires = datetime.fromisoformat(found["Expiration"])
        account = found.get("AccountId")
        is_whole = status == 200 and expires.tzinfo and all(isinstance(k, str) and k for k in (key, secret, token))
    except (ValueError, KeyError, TypeError, AttributeError):
        is_whole = False
    if not is_whole:
        raise Unreachable(f"{what} gave no credentials ({status})", hint="try again in a minute")
    account = account if isinstance(account, str) else None
    return Credentials(key, secret, token, expires_at=expires.timestamp(), account_id=account)


def _is_header(value: str) -> bool:
    return bool(value) and value.isascii() and value.isprintable()


def _ask(method: str, url: str, headers: Mapping[str, str], seconds: float, proxies: bool) -> tuple[int, bytes]:
    """(status, body); raises Unreachable. *proxies*: by way of those that the environment names, if any."""
    handlers = [_NoRedirects(), *(() if proxies else (urllib.request.ProxyHandler({}),))]
    request = urllib.request.Request(url, method=method, headers=dict(headers))  # noqa: S310 # http(s): every caller looks
    host = request.host
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=seconds) as reply:
            return reply.status, reply.read(LARGEST)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(LARGEST)
    # URLError and time-outs are OSErrors; a ValueError is what urllib can't make a request of.
    except (OSError, ValueError, HTTPException):
        raise Unreachable(f"no answer from {host}") from None
