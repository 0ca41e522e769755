"""The names of the environment variables that awsenv sets, unsets and remembers; the shims carry the same list."""

# What an identity switch may leave stale or contradictory: every one is set or unset by `use`, and put back by `off`.
# AWS_SECURITY_TOKEN is here because botocore prefers it over AWS_SESSION_TOKEN; other switchers' variables because
# prompts believe them before AWS_PROFILE; AWS_ROLE_ARN and its kin because they hijack a profile named in AWS_PROFILE.
MANAGED = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_SESSION_EXPIRATION",
    "AWS_CREDENTIALS_EXPIRATION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCOUNT_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CREDENTIAL_FILE",
    "AWS_EB_PROFILE",
    "AWS_PROFILE_REGION",
    "AWS_VAULT",
    "AWSUME_PROFILE",
    "AWSUME_EXPIRATION",
    "AWSUME_COMMAND",
    "AWSU_PROFILE",
    "AWS_SSO_PROFILE",
    "AWS_SSO_ACCOUNT_ID",
    "AWS_SSO_ROLE_NAME",
    "AWS_SSO_ROLE_ARN",
    "AWS_SSO_SESSION_EXPIRATION",
    "AWS_SSO_DEFAULT_REGION",
    "AWS_SSO",
    "GRANTED_SSO",
    "GRANTED_SSO_START_URL",
    "GRANTED_SSO_ROLE_NAME",
    "GRANTED_SSO_REGION",
    "GRANTED_SSO_ACCOUNT_ID",
)

# What awsenv itself exports, for prompts and for its own next call.
OWN = (
    "AWSENV_PROFILE",
    "AWSENV_OPTIONS",
    "AWSENV_ACCOUNT_ID",
    "AWSENV_ROLE",
    "AWSENV_LABEL",
    "AWSENV_CLASS",
    "AWSENV_FIELDS",
    "AWSENV_EXPIRES_AT",
    "AWSENV_REFRESH_AT",
    "AWSENV_KEY_ID",
    "AWSENV_REGION_BEFORE",
)

# What the shim sets for one call of the backend; nothing that awsenv starts inherits it.
WIRE = (
    "AWSENV_SHIM",
    "AWSENV_STORE",
    "AWSENV_PREVIOUS",
    "AWSENV_STASHED",
    "AWSENV_CHANGED",
    "AWSENV_STASH_FD",
    "AWSENV_LEFT",
    "AWSENV_NAMED",
)

# What a plan depends on besides the config files: the same profile under another of these is another plan.
PLAN_INPUTS = (
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_SSO_OIDC",
    "AWS_ENDPOINT_URL_SIGNIN",
    "AWS_LOGIN_CACHE_DIRECTORY",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "HOME",
    "USER",
    "LOGNAME",
    "XDG_CONFIG_HOME",
    "GITHUB_ACTIONS",
)
