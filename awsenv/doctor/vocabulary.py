"""The keys of AWS's config files: which there are, which authenticate, and which a near miss was meant as."""

from __future__ import annotations

from awsenv.model import SECRET_KEYS

SECRET = SECRET_KEYS
# Keys by which a profile says who it is.
AUTHENTICATING = frozenset(
    (
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "aws_security_token",
        "role_arn",
        "source_profile",
        "credential_source",
        "credential_process",
        "web_identity_token_file",
        "sso_session",
        "sso_start_url",
        "sso_region",
        "sso_account_id",
        "sso_role_name",
        "login_session",
        "mfa_serial",
        "external_id",
        "role_session_name",
        "duration_seconds",
    )
)
# The rest of what the AWS CLI and the SDKs' reference guide name, and ours.
KNOWN = AUTHENTICATING | frozenset(
    (
        "region",
        "output",
        "aws_account_id",
        "account_id_endpoint_mode",
        "api_versions",
        "aws_signing_name",
        "ca_bundle",
        "cli_auto_prompt",
        "cli_binary_format",
        "cli_follow_urlparam",
        "cli_help_output",
        "cli_history",
        "cli_pager",
        "cli_timestamp_format",
        "cli_error_format",
        "credential_process_timeout",
        "defaults_mode",
        "disable_request_compression",
        "dynamodb",
        "ec2_metadata_service_endpoint",
        "ec2_metadata_service_endpoint_mode",
        "ec2_metadata_v1_disabled",
        "endpoint_discovery_enabled",
        "endpoint_url",
        "ignore_configured_endpoint_urls",
        "max_attempts",
        "metadata_service_num_attempts",
        "metadata_service_timeout",
        "mfa_process",
        "awsenv_github_role_arn",
        "awsenv_github_audience",
        "parameter_validation",
        "request_checksum_calculation",
        "response_checksum_validation",
        "request_min_compression_size_bytes",
        "retry_mode",
        "s3",
        "s3api",
        "s3_disable_multiregion_access_points",
        "s3_us_east_1_regional_endpoint",
        "s3_use_arn_region",
        "s3_disable_express_session_auth",
        "sdk_ua_app_id",
        "services",
        "sigv4a_signing_region_set",
        "sso_registration_scopes",
        "sts_regional_endpoints",
        "tcp_keepalive",
        "use_dualstack_endpoint",
        "use_fips_endpoint",
        "user_agent_appid",
        "auth_scheme_preference",
    )
)
# Too far off for a measure of likeness, and seen often.
MISTAKEN = {
    "aws_secret_key": "aws_secret_access_key",
    "aws_access_key": "aws_access_key_id",
    "access_key_id": "aws_access_key_id",
    "secret_access_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
    "aws_region": "region",
    "default_region": "region",
    "aws_default_region": "region",
    "assume_role_arn": "role_arn",
    "sso_role": "sso_role_name",
    "sso_account": "sso_account_id",
    "sso_url": "sso_start_url",
}
# Other tools' own keys, which are like AWS's and meant as they stand.
FOREIGN = frozenset(("sso_account_name", "sso_role_arn", "sso_session_name", "mfa_serials", "role_arns"))
_CLOSE = 0.88  # difflib's ratio: one or two letters in ten
_BY_BARE = {key.replace("_", ""): key for key in KNOWN}
_CANDIDATES = sorted(KNOWN)


def meant_as(key: str) -> str | None:
    """The known key that *key* was most likely meant as; None where it is known itself, or like none."""
    if key in KNOWN or key in FOREIGN or len(key) > 60:
        return None
    if key in MISTAKEN:
        return MISTAKEN[key]
    bare = "".join(character for character in key if character.isalnum())
    if bare in _BY_BARE:
        return _BY_BARE[bare]
    if len(key) < 5:
        return None
    from difflib import get_close_matches

    close = get_close_matches(key, _CANDIDATES, n=1, cutoff=_CLOSE)
    return close[0] if close else None
