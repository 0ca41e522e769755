"""A shell of tests.shells whose shim calls the real backend, in a home of profiles that need no network."""

from pathlib import Path

from awsenv import assets
from tests.shells import Shell

CONFIG = """\
[profile fuga]
region = eu-central-1
aws_access_key_id = AKIAFUGA
aws_secret_access_key = fuga-secret

[profile piyo-prod]
region = us-east-1
aws_access_key_id = AKIAPIYO
aws_secret_access_key = piyo-secret

[profile nowhere]
aws_access_key_id = AKIANOWHERE
aws_secret_access_key = nowhere-secret

[profile gov]
region = us-gov-west-1
aws_access_key_id = AKIAGOV
aws_secret_access_key = gov-secret

[profile "with a blank"]
aws_access_key_id = AKIABLANK
aws_secret_access_key = blank-secret
"""


def real_shell(name: str, folder: Path, settings: str = "", config: str = CONFIG) -> Shell:
    """Its HOME is *folder*, made where it is missing; *settings* is awsenv's own file."""
    folder.mkdir(exist_ok=True)
    shell = Shell(name, folder)
    shell.values |= {"__awsenv_main": assets.MAIN, "__awsenv_store": str(folder / "store")}
    (folder / ".aws").mkdir(exist_ok=True)
    (folder / ".aws/config").write_text(config)
    if settings:
        own = folder / ".config/awsenv"
        own.mkdir(parents=True, exist_ok=True)
        (own / "config.toml").write_text(settings)
    shell.env |= {"AWS_EC2_METADATA_DISABLED": "true", "USER": "tester", "XDG_RUNTIME_DIR": "/nonexistent"}
    return shell


def history_of(shell: Shell) -> list[str]:
    """The identities in its history file, in the order of the lines."""
    path = shell.home / ".local/state/awsenv/history"
    return [line.split(" ", 2)[2] for line in path.read_text().splitlines()] if path.exists() else []
