"""One exchange with AWS: it ends in time, and what goes wrong is one of our errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import botocore.parsers
from botocore import exceptions

from awsenv.errors import (
    AwsenvError,
    Busy,
    Config,
    Denied,
    TokenRejected,
    Unanswered,
    Unreachable,
    WrongCode,
)

DEADLINE = 20.0  # seconds for one exchange, name look-up, retries and all
_REFUSED = ("InvalidGrantException", "ExpiredTokenException", "UnauthorizedClientException", "InvalidClientException")
# The one refusal known by its words: AWS has no code of its own for it, and a role's policy is refused as AccessDenied, too.
_WRONG_CODE = "MultiFactorAuthentication failed"
_AFTER_A_CODE = (
    "each code works once, for half a minute: take the next one; is it the right device, and its clock right?"
)
_BUSY = ("Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDownException", "ServiceUnavailable")
# How a request is refused whose signature is too old, or not yet valid: STS and IAM have the first, others the rest.
_UNTIMELY = ("SignatureDoesNotMatch", "InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed")
CLOCK = "awsenv-clock"  # in a reply's metadata: what is to be said of our clock, where that is minutes off
_T = TypeVar("_T")


def within(call: Callable[[], _T], seconds: float = DEADLINE) -> _T:
    """*call*'s result, or Unreachable after *seconds*: a hanging name look-up heeds no timeout, so a thread takes it."""
    result: list[_T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            result.append(call())
        except BaseException as error:  # handed on below, in the thread that asked
            failure.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(seconds)
    if failure:
        raise failure[0]
    if not result:
        raise Unanswered(f"no answer from AWS in {seconds:.0f} s")
    return result[0]


@contextmanager
def translated(service: str, client: Any, let_pass: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """botocore's errors as ours, but for *let_pass*. Types and codes are matched, and messages for want of these alone."""
    host = urlsplit(client.meta.endpoint_url).hostname if client is not None else service
    with reaching(str(host)):
        try:
            yield
        except let_pass:
            raise
        except exceptions.ClientError as error:
            raise from_reply(service, str(host), error) from None


@contextmanager
def reaching(host: str) -> Iterator[None]:
    """What can go wrong before *host* has said anything that is AWS's."""
    try:
        yield
    except (exceptions.SSLError, exceptions.ProxyConnectionError) as error:
        raise Unreachable(f"can't reach {host} safely: {_first_line(error)}") from None
    except (exceptions.ReadTimeoutError, exceptions.ConnectionClosedError):
        raise Unanswered(f"no answer from {host}", hint="check the network (a VPN, a proxy?) and try again") from None
    except (exceptions.ConnectionError, exceptions.HTTPClientError):
        raise Unreachable(f"can't reach {host}", hint="check the network (a VPN, a proxy?) and try again") from None
    except (exceptions.NoRegionError, exceptions.InvalidRegionError, exceptions.UnknownRegionError) as error:
        raise Config(f"{_first_line(error)}") from None
    except (exceptions.ParamValidationError, exceptions.UnknownEndpointError, ValueError) as error:
        raise Config(f"AWS would not take this: {_first_line(error)}") from None
    except (exceptions.BotoCoreError, botocore.parsers.ResponseParserError, KeyError, TypeError, AttributeError):
        raise not_aws(host) from None


def not_aws(host: str) -> Unreachable:
    return Unreachable(
        f"{host} answered with something that is not AWS's (a captive portal?)",
        hint="open any web page, then try again",
    )


def from_reply(service: str, host: str, error: Any) -> AwsenvError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(error.response.get("Error", {}).get("Message", "")).strip() or code
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if status == 429 or status >= 500 or code in _BUSY:
        what = f"AWS ({service}) is busy or broken just now: {status} {code}"
        return Busy(what, _retry_after(error), "try again in a minute", is_throttled=status < 500)
    if service in ("sso", "sso-oidc") and not code.endswith("Exception"):
        return not_aws(host)  # every refusal of these two names its type; a page for guests, or a proxy's, doesn't
    if service == "sso" and status == 401:
        return TokenRejected(message)
    if service == "sso-oidc" and code in _REFUSED:
        return TokenRejected(message)
    clock = error.response.get("ResponseMetadata", {}).get(CLOCK)
    if clock and code in _UNTIMELY:
        return Denied(f"{clock}, and AWS refuses what it signs: {message}", hint="sudo timedatectl set-ntp true")
    if code in ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"):
        return Denied(
            f"AWS does not accept this access key: {message}", hint="was it deactivated, deleted or mistyped?"
        )
    if code in ("ExpiredToken", "ExpiredTokenException"):
        return Denied(f"AWS says that the session has expired: {message}", hint="try again with --fresh")
    if code == "AccessDenied" and message.startswith(_WRONG_CODE):
        return WrongCode(f"AWS did not accept that code: {message}", hint=_AFTER_A_CODE)
    return Denied(f"AWS refused: {message}")


def _retry_after(error: Any) -> float | None:
    """Seconds; the other form of the header, a date, is not worth a parser."""
    value = str(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", ""))
    return float(value) if value.isascii() and value.isdigit() else None


def _first_line(error: BaseException) -> str:
    return str(error).split("\n")[0]
