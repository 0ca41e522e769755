"""AWS's own folder of `aws login` tokens, read and written in AWS's format: one login serves awsenv and AWS's tools."""

from __future__ import annotations

from awsenv.model import Credentials, LoginToken, rfc3339
from awsenv.tokens import TokenFiles, digest, epoch_of, header_text


def login_path(folder: str, arn: str) -> str:
    """The token's file: botocore's utils.generate_login_cache_key names it by the SHA-256 of the `login_session`."""
    return f"{folder}/{digest(arn)}.json"


class LoginTokenCache(TokenFiles[LoginToken]):
    """The TokenCache port over `~/.aws/login/cache`."""

    lock_prefix = "login-"

    def path(self, key: str) -> str:
        return login_path(self._folder, key)

    def read(self, fields: dict[str, object]) -> LoginToken | None:
        keys = fields.get("accessToken")
        if not isinstance(keys, dict):
            return None
        key_id, secret, token, account = (
            header_text(keys.get(name)) for name in ("accessKeyId", "secretAccessKey", "sessionToken", "accountId")
        )
        expires = epoch_of(keys.get("expiresAt"))
        if key_id is None or secret is None or token is None or expires is None:
            return None
        pem = fields.get("dpopKey")
        return LoginToken(
            Credentials(key_id, secret, token, expires_at=expires, account_id=account),
            refresh_token=header_text(fields.get("refreshToken")),
            client_id=header_text(fields.get("clientId")),
            dpop_key=pem if isinstance(pem, str) and pem else None,
            region=header_text(fields.get("signInRegion")),
            raw=fields,
        )

    def written(self, token: LoginToken, before: dict[str, object]) -> dict[str, object]:
        keys = token.credentials
        held = before.get("accessToken")
        fields: dict[str, object] = {
            **before,
            **token.raw,
            "accessToken": {
                **(held if isinstance(held, dict) else {}),
                "accessKeyId": keys.access_key_id,
                "secretAccessKey": keys.secret_access_key,
                "sessionToken": keys.session_token,
                "accountId": keys.account_id,
                "expiresAt": rfc3339(token.expires_at),
            },
            "refreshToken": token.refresh_token,
            "clientId": token.client_id,
            "dpopKey": token.dpop_key,
        }
        return fields if token.region is None else {**fields, "signInRegion": token.region}

    def login_id(self, token: LoginToken) -> str:
        """Of the key that AWS has bound the login to: every login has a new one, and every renewal the same."""
        return digest(token.dpop_key) if token.dpop_key is not None else digest(token.access_token)

    def is_login_of_ours(self, token: LoginToken, seen: LoginToken) -> bool:
        return self.login_id(token) != self.login_id(seen)
