"""STS as AWS does it, in front of moto, which alone ignores MFA, trust policies, external ids and durations.

Everything else that is signed (IAM, any other service of moto's) passes through untouched, so signatures still hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from werkzeug.wrappers import Request, Response

from . import trust
from .behaviour import Behaviour
from .identities import Issuer
from .ledger import Ledger
from .mfa import MfaDevices
from .moto_accounts import Minted, MotoAccounts, signed_by
from .refusal import Refusal
from .trust import Ask, Caller, TrustedRole
from .web import Service, request_id

VERSION = "2011-06-15"  # of the STS protocol
NAMESPACE = f"https://sts.amazonaws.com/doc/{VERSION}/"
FEDERATED_NAME = re.compile(r"[\w+=,.@-]{2,32}", re.ASCII)
SESSION = ("DurationSeconds", "ExternalId", "Policy", "RoleSessionName", "SourceIdentity", "Tags")
"""How the parameters begin that shape a role's session; none holds a secret."""
Xml = Mapping[str, "str | Xml"]


class StsFront(Service):
    def __init__(
        self,
        ledger: Ledger,
        behaviour: Behaviour,
        accounts: MotoAccounts,
        roles: Mapping[str, TrustedRole],
        devices: MfaDevices,
        issuer: Issuer,
    ) -> None:
        super().__init__(ledger, behaviour)
        self._accounts, self._roles, self._devices, self._issuer = accounts, roles, devices, issuer

    def name(self, request: Request) -> tuple[str, str]:
        asked = _parameters(request)
        service = signed_by(request)[1] or ("sts" if asked.get("Version") == VERSION else "unsigned")
        return service, asked.get("Action") or f"{request.method} {request.path}"

    def answer(self, request: Request, operation: str, about: dict[str, str]) -> Response:
        service, about["access_key_id"] = self.name(request)[0], signed_by(request)[0]
        asked = _parameters(request)
        about["resource"] = asked.get("RoleArn", "")
        about["session"] = "\n".join(f"{name}={value}" for name, value in asked.items() if name.startswith(SESSION))
        if service not in ("sts", "iam"):
            return self._accounts.forward(request)
        if operation == "AssumeRoleWithWebIdentity":
            return self._assume_role_with_web_identity(asked)
        resource = asked.get("RoleArn", "*")
        caller = self._accounts.authenticate(request, operation, resource, self.behaviour.clock())
        about["principal"] = caller.arn
        if caller.kind == "federated user" and operation != "GetCallerIdentity":
            # Such a session may call neither IAM nor, but for this one, STS; whatever its policy says.
            raise trust.denied(caller.arn, f"{service}:{operation}", resource)
        if operation == "AssumeRole":
            return self._assume_role(caller, asked)
        if operation == "GetFederationToken":
            return self._get_federation_token(caller, asked)
        if operation == "GetSessionToken":
            return self._get_session_token(caller, asked)
        if service == "iam" and caller.kind == "user session" and not caller.has_mfa:
            # AWS lets a GetSessionToken session call IAM only when it was made with MFA.
            raise Refusal(403, "InvalidClientTokenId", "The security token included in the request is invalid")
        return self._accounts.forward(request)

    def _assume_role(self, caller: Caller, asked: Mapping[str, str]) -> Response:
        ask = _ask(asked)
        _unless(trust.malformed(ask))
        has_mfa = self._devices.check(caller, asked.get("SerialNumber"), asked.get("TokenCode"))
        _unless(trust.untrusted(ask, caller, self._roles.get(ask.role_arn), has_mfa))
        role = self._roles[ask.role_arn]
        chained = ("role session", "user session") if self.behaviour.cap_user_sessions else ("role session",)
        _unless(trust.too_long(ask, role, is_chained=caller.kind in chained))
        is_chained = caller.kind == "role session"
        policies = self._accounts.policies_of(ask)
        expiry = self._expiry(ask.seconds or 3600)
        minted = self._accounts.role_session(ask.role_arn, ask.session_name, expiry, is_chained, policies)
        also = {"SourceIdentity": ask.source_identity} if ask.source_identity else {}
        return _answer("AssumeRole", _role_session(minted) | also | {"PackedPolicySize": "0"})

    def _assume_role_with_web_identity(self, asked: Mapping[str, str]) -> Response:
        ask = _ask(asked)
        _unless(trust.malformed(ask))
        role = self._roles.get(ask.role_arn)
        token = asked.get("WebIdentityToken", "")
        if role is None or not (role.web_identity_tokens or role.web_identities):
            raise Refusal(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        if token not in role.web_identity_tokens:
            self._issuer.judge(token, role.web_identities)
        _unless(trust.too_long(ask, role, is_chained=False))
        policies, expiry = self._accounts.policies_of(ask), self._expiry(ask.seconds or 3600)
        minted = self._accounts.role_session(ask.role_arn, ask.session_name, expiry, policies=policies)
        return _answer("AssumeRoleWithWebIdentity", _role_session(minted))

    def _get_session_token(self, caller: Caller, asked: Mapping[str, str]) -> Response:
        if caller.kind != "user":
            raise Refusal(403, "AccessDenied", "Cannot call GetSessionToken with session credentials")
        seconds = _seconds(asked)
        _unless(trust.out_of_range(seconds, 129600))
        has_mfa = self._devices.check(caller, asked.get("SerialNumber"), asked.get("TokenCode"))
        minted = self._accounts.user_session(caller, self._expiry(seconds or 43200), has_mfa)
        return _answer("GetSessionToken", {"Credentials": _credentials(minted)})

    def _get_federation_token(self, caller: Caller, asked: Mapping[str, str]) -> Response:
        if caller.kind != "user":
            raise Refusal(403, "AccessDenied", "Cannot call GetFederationToken with session credentials")
        name, seconds = asked.get("Name", ""), _seconds(asked)
        if not FEDERATED_NAME.fullmatch(name):
            raise trust.unfit(name, "name", r"satisfy regular expression pattern: [\w+=,.@-]*, 2 to 32 of them")
        _unless(trust.out_of_range(seconds, 129600))
        minted = self._accounts.federated_session(caller, name, self._expiry(seconds or 43200))
        user = {"Arn": minted.arn, "FederatedUserId": minted.principal_id}
        result: Xml = {"FederatedUser": user, "Credentials": _credentials(minted), "PackedPolicySize": "0"}
        return _answer("GetFederationToken", result)

    def _expiry(self, seconds: int) -> int:
        return int(self.behaviour.clock() + (self.behaviour.session_seconds or seconds))

    def refuse(self, refusal: Refusal) -> Response:
        fault = "Sender" if refusal.status < 500 else "Receiver"
        error: Xml = {"Type": fault, "Code": refusal.code, "Message": refusal.message}
        return _document("ErrorResponse", {"Error": error, "RequestId": request_id()}, refusal.status)


def _unless(refusal: Refusal | None) -> None:
    if refusal:
        raise refusal


def _parameters(request: Request) -> dict[str, str]:
    text = request.get_data(as_text=True) if request.method == "POST" else request.query_string.decode()
    return dict(parse_qsl(text, keep_blank_values=True))


def _ask(asked: Mapping[str, str]) -> Ask:
    keys, values = _members(asked, "Tags", ".Key"), _members(asked, "Tags", ".Value")
    return Ask(
        asked.get("RoleArn", ""),
        asked.get("RoleSessionName", ""),
        _seconds(asked),
        asked.get("ExternalId"),
        asked.get("Policy"),
        _members(asked, "PolicyArns", ".arn"),
        tuple(zip(keys, values, strict=False)),
        asked.get("SourceIdentity"),
    )


def _members(asked: Mapping[str, str], name: str, of: str) -> tuple[str, ...]:
    """A list, as the query protocol spells it: Name.member.1, Name.member.2 and so on."""
    found: list[str] = []
    while (value := asked.get(f"{name}.member.{len(found) + 1}{of}")) is not None:
        found.append(value)
    return tuple(found)


def _seconds(asked: Mapping[str, str]) -> int | None:
    text = asked.get("DurationSeconds")
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise Refusal(400, "MalformedInput", "DurationSeconds is not a number") from None


def _role_session(minted: Minted) -> dict[str, str | Xml]:
    user = {"AssumedRoleId": minted.principal_id, "Arn": minted.arn}
    return {"AssumedRoleUser": user, "Credentials": _credentials(minted)}


def _credentials(minted: Minted) -> Xml:
    return {
        "AccessKeyId": minted.access_key_id,
        "SecretAccessKey": minted.secret_access_key,
        "SessionToken": minted.session_token,
        "Expiration": f"{datetime.fromtimestamp(minted.expires, UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


def _answer(operation: str, result: Xml) -> Response:
    metadata = {"RequestId": request_id()}
    return _document(f"{operation}Response", {f"{operation}Result": result, "ResponseMetadata": metadata}, 200)


def _document(root: str, content: Xml, status: int) -> Response:
    return Response(f'<{root} xmlns="{NAMESPACE}">{_xml(content)}</{root}>', status, content_type="text/xml")


def _xml(content: Xml) -> str:
    inner = {name: escape(value) if isinstance(value, str) else _xml(value) for name, value in content.items()}
    return "".join(f"<{name}>{text}</{name}>" for name, text in inner.items())
