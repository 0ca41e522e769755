"""HTTP on loopback for one fake service: faults speak first, every answer is recorded, nothing is printed."""

from __future__ import annotations

import io
import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from werkzeug.http import http_date
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from .behaviour import Behaviour
from .ledger import Call, Fault, Ledger
from .refusal import Refusal

BEARER_HEADER = "x-amz-sso_bearer_token"
BEARER_KEY = "awsenv.bearer"
# A captive portal. Not well-formed XML, like most pages.
GUEST_NETWORK = "<!DOCTYPE html><html><head><meta charset=utf-8></head><body><p>Sign in to the guest network</html>"


class Service(ABC):
    """A WSGI application that answers for one or more AWS services."""

    def __init__(self, ledger: Ledger, behaviour: Behaviour) -> None:
        self.ledger = ledger
        self.behaviour = behaviour
        self.stopping = threading.Event()

    @abstractmethod
    def name(self, request: Request) -> tuple[str, str]:
        """The service and the operation that the request is for."""

    @abstractmethod
    def answer(self, request: Request, operation: str, about: dict[str, str]) -> Response:
        """The true answer; `about` takes access_key_id, principal and resource for the record. Raises Refusal."""

    @abstractmethod
    def refuse(self, refusal: Refusal) -> Response:
        """The refusal as this service writes errors."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        body = request.get_data()
        environ["wsgi.input"] = io.BytesIO(body)  # read once here, and perhaps once more by moto
        service, operation = self.name(request)
        about: dict[str, str] = {}
        fault = self.ledger.next_fault(operation)
        if fault:
            self.stopping.wait(fault.delay)
        if fault and fault.drop:
            self.ledger.record(Call(service, operation, 0))
            raise ConnectionResetError  # the server then closes the connection without a word
        try:
            response = self._instead(fault) or self.answer(request, operation, about)
        except Refusal as refusal:
            response = self.refuse(refusal)
        response.headers["Date"] = http_date(self.behaviour.clock())
        response.headers.setdefault("x-amzn-RequestId", request_id())
        self.ledger.record(Call(service, operation, response.status_code, **about))
        return response(environ, start_response)

    def _instead(self, fault: Fault | None) -> Response | None:
        if fault is None or (fault.status is None and fault.body is None and not fault.html):
            return None
        status = fault.status or 200
        if fault.html:
            response = Response(GUEST_NETWORK, status, mimetype="text/html")
        elif fault.body is not None:
            response = Response(fault.body, status, mimetype="application/json")
        else:
            response = self.refuse(Refusal(status, fault.code, fault.message))
        response.headers.update(dict(fault.headers))
        return response


def request_id() -> str:
    return "-".join(secrets.token_hex(n) for n in (4, 2, 2, 2, 6))


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """The terminal belongs to the person who tries the demo."""

    def send_response(self, code: int, message: str | None = None) -> None:
        self.send_response_only(code, message)  # the Date header is the service's own

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        self.close_connection = True  # werkzeug would wait for the next request on a connection it calls dropped

    def make_environ(self) -> dict[str, Any]:
        environ = super().make_environ()
        # werkzeug drops every header with an underscore in its name; Identity Center's bearer header has one.
        environ[BEARER_KEY] = self.headers.get(BEARER_HEADER)
        return environ


class LoopbackServer:
    """Serves one application on a free port of 127.0.0.1, from threads of this process."""

    def __init__(self, application: Service) -> None:
        self._application = application
        self._server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._application.stopping.set()  # wakes delayed answers
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
