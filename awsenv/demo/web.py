"""HTTP on loopback for one fake service: faults speak first, every answer is recorded, nothing is printed."""

from __future__ import annotations

import io
import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from werkzeug.http import http_date
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from . import faults
from .behaviour import Behaviour
from .ledger import Call, Fault, Ledger
from .refusal import Refusal

BEARER_HEADER = "x-amz-sso_bearer_token"
BEARER_KEY = "awsenv.bearer"


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

    def during(self, request: Request, operation: str) -> AbstractContextManager[None]:
        """Entered for as long as a request is worked on, planted delays included."""
        return nullcontext()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        body = request.get_data()
        environ["wsgi.input"] = io.BytesIO(body)  # read once here, and perhaps once more by moto
        service, operation = self.name(request)
        about: dict[str, str] = {}
        fault = self.ledger.next_fault(operation) or Fault(operation)
        with self.during(request, operation):
            self.stopping.wait(fault.delay)
            response = self._answer_with(fault, request, operation, about)
        if fault.drop or fault.reset:
            self.ledger.record(Call(service, operation, 0, **about))
            if fault.reset:
                faults.reset(environ["werkzeug.socket"])
            raise ConnectionResetError  # the server then closes the connection without a word
        self.ledger.record(Call(service, operation, response.status_code, **about))
        if fault.dribble:
            faults.dribble(environ["werkzeug.socket"], response, fault.dribble, self.stopping)
            raise ConnectionResetError
        return response(environ, start_response)

    def _answer_with(self, fault: Fault, request: Request, operation: str, about: dict[str, str]) -> Response:
        is_silent = fault.drop or fault.reset
        response = Response()
        if fault.committed or not (is_silent or fault.replaces):
            try:
                response = self.answer(request, operation, about)
            except Refusal as refusal:
                response = self.refuse(refusal)
                response.headers.update(refusal.headers)
        if fault.replaces:
            response = faults.another_answer(fault, self.refuse)
        response.headers.setdefault("x-amzn-RequestId", request_id())
        response.headers["Date"] = http_date(self.behaviour.clock())
        faults.disfigure(fault, response)
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
