"""Which URL may be opened, whether a browser here can come back to us, and which programs open one. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from awsenv.endpoints import host_of, is_loopback

# ---- Which URL ------------------------------------------------------------------------------------------------------

# What AWS's URLs are made of, and no more: no quote, `$`, `;` or blank, since many an opener is a shell script; no
# user@; no backslash. `%action` is a placeholder of Python's webbrowser, whose check for it came late (CVE-2026-4519).
_PLAIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+([/?#][A-Za-z0-9._~:/?#&=%+,!*-]*)?")
_LONGEST = 8000

_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
# Identity Center's own hosts (OIDC, the page for device codes, the portals) and the console's, by partition. A suffix
# alone would not do: below amazonaws.com and app.aws people run code of their own (buckets, execute-api, SageMaker).
_HOSTS = {
    "aws": (
        r"(oidc|device\.sso|signin)(-fips)?\.{region}\.(amazonaws\.com|api\.aws)",
        r"{label}\.awsapps\.com",
        r"{label}\.portal\.{region}\.app\.aws",
        r"{label}\.{region}\.portal\.amazonaws\.com",
        r"identitycenter\.amazonaws\.com",
        r"({label}\.)?(signin|console)\.aws\.amazon\.com",
    ),
    "aws-cn": (
        r"(oidc|device\.sso|signin)(-fips)?\.{region}\.(amazonaws\.com\.cn|api\.amazonwebservices\.com\.cn)",
        r"({label}\.){{1,3}}awsapps\.cn",
        r"{label}\.portal\.{region}\.app\.amazonwebservices\.com\.cn",
        r"{label}\.{region}\.portal\.amazonaws\.com\.cn",
        r"identitycenter\.amazonaws\.com\.cn",
        r"({label}\.)?(signin|console)\.amazonaws\.cn",
    ),
    "aws-us-gov": (
        r"(oidc|device\.sso|signin)(-fips)?\.{region}\.(amazonaws\.com|api\.aws)",
        r"start\.({region}\.)?us-gov-home\.awsapps\.com",
        r"{label}\.portal\.{region}\.app\.aws",
        r"{label}\.{region}\.portal\.amazonaws\.com",
        r"identitycenter(\.us-gov)?\.amazonaws\.com",
        r"({label}\.)?(signin|console)\.amazonaws-us-gov\.com",
    ),
    "aws-eusc": (
        r"(oidc|device\.sso|signin)(-fips)?\.{region}\.(amazonaws\.eu|api\.amazonwebservices\.eu)",
        r"{label}\.portal\.{region}\.(app|api)\.amazonwebservices\.eu",
        r"{label}\.{region}\.portal\.amazonaws\.eu",
        r"({label}\.)?(signin|console)\.(amazonaws-eusc\.eu|amazonaws\.eu)",
    ),
}
_REGIONS = {
    "aws-cn": r"cn-[a-z]+-\d{1,2}",
    "aws-us-gov": r"us-gov-[a-z]+-\d{1,2}",
    "aws-eusc": r"eusc-[a-z]+-[a-z]+-\d{1,2}",
    "aws": r"(?!us-gov-|us-iso)(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d{1,2}",
}  # botocore's partitions.json


def is_openable(url: str, region: str, loopback_ok: bool = False) -> bool:
    """Whether a browser may be sent to *url*: https on a host that AWS itself answers for in the partition of *region*.

    With *loopback_ok* (the service is called on loopback too) also http(s) to this machine. The hosts: the IAM Identity
    Center user guide's allow list ("Enabling IAM Identity Center"), the GovCloud and China guides for their portals,
    AWS Sign-In's guide ("Domains to add to your allow list"), and the AWS CLI's sso/resolve.py, but narrower than its suffixes.
    """
    if not is_plain(url):
        return False
    if loopback_ok and is_loopback(url):
        return True
    authority = re.match(r"https://([a-z0-9.-]+)(:443)?(?=[/?#]|$)", url, re.IGNORECASE)
    if authority is None or authority[1].lower() != host_of(url):
        return False
    for partition, regions in _REGIONS.items():
        if re.fullmatch(regions, region):
            hosts = (host.format(region=f"({regions})", label=_LABEL) for host in _HOSTS[partition])
            return any(re.fullmatch(host, host_of(url)) for host in hosts)
    return False


def is_plain(url: str) -> bool:
    """Whether *url* is http(s), and means the same to every program that it may pass through."""
    return len(url) <= _LONGEST and _PLAIN.fullmatch(url) is not None and "%action" not in url.lower()


# ---- Whether --------------------------------------------------------------------------------------------------------

_WSL = ("/proc/sys/fs/binfmt_misc/WSLInterop", "/proc/sys/fs/binfmt_misc/WSLInterop-late")
_CONTAINER = ("/.dockerenv", "/run/.containerenv")


def why_not(
    env: Mapping[str, str], platform: str, exists: Callable[[str], bool], chosen: tuple[str, ...] | None = None
) -> str | None:
    """Why no browser started here could come back to a port of ours, as in "this is …"; None where one could.

    *platform* is sys.platform, *exists* asks for a file. A command *chosen* in our settings is the person's word for
    it, wherever we are. $BROWSER is taken for a display, but not for a way back: on a remote machine it is the editor
    that sets it, and whether that forwards our port can't be seen from here.
    """
    if chosen:
        return None
    for is_so, name in (
        (env.get("CODESPACES") == "true", "Codespaces"),
        (any(variable.startswith("GITPOD_") for variable in env), "Gitpod"),
        (env.get("AWS_EXECUTION_ENV", "").startswith("CloudShell"), "CloudShell"),
        (any(env.get(variable) for variable in ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT")), "an SSH session"),
        (is_wsl(env) or any(exists(path) for path in _WSL), "WSL"),
        (env.get("REMOTE_CONTAINERS") or env.get("KUBERNETES_SERVICE_HOST"), "a container"),
        (any(exists(path) for path in _CONTAINER), "a container"),
    ):
        if is_so:
            return name
    return None if platform == "darwin" or _has_display(env) or _of_variable(env) else "a machine without a display"


def is_wsl(env: Mapping[str, str]) -> bool:
    """Whether the environment is that of a Windows Subsystem for Linux."""
    return bool(env.get("WSL_DISTRO_NAME") or env.get("WSL_INTEROP"))


def _has_display(env: Mapping[str, str]) -> bool:
    return bool(env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"))


# ---- Which program --------------------------------------------------------------------------------------------------

# They would paint over the terminal, or into what the shell is about to eval.
TEXT_BROWSERS = frozenset(("w3m", "lynx", "links", "links2", "elinks", "www-browser", "browsh", "carbonyl", "netrik"))


def commands(env: Mapping[str, str], platform: str, chosen: tuple[str, ...] | None = None) -> list[tuple[str, ...]]:
    """The commands to try in turn, each a template for `argv_for`; none where nothing could show a page.

    A *chosen* one stands alone: it separates two identities at one portal, and another browser would be the other one.
    """
    if chosen:
        return [] if _is_text(chosen) else [chosen]
    found = _of_variable(env)
    if platform == "darwin":
        found.append(("open",))
    if is_wsl(env):
        found.append(("wslview",))
    if platform != "darwin" and _has_display(env):
        found += [("xdg-open",), ("gio", "open"), ("x-www-browser",), ("sensible-browser",)]
    return found


def _of_variable(env: Mapping[str, str]) -> list[tuple[str, ...]]:
    """$BROWSER: commands separated by colons, `%s` for the URL; without those for a terminal."""
    import shlex  # only a login pays

    found = []
    for command in env.get("BROWSER", "").split(":"):
        try:
            words = tuple(shlex.split(command))
        except ValueError:
            continue
        words = words[:-1] if words[-1:] == ("&",) else words
        if words and not _is_text(words):
            found.append(words)
    return found


def _is_text(words: tuple[str, ...]) -> bool:
    """Whether a text browser is the program, or is what a terminal or `env` in front of it is to start."""
    return any(word.rpartition("/")[2] in TEXT_BROWSERS for word in words)


def argv_for(template: tuple[str, ...], url: str) -> list[str]:
    """*template* with *url* in the place of `%s`, or at its end."""
    if any("%s" in word for word in template):
        return [word.replace("%s", url) for word in template]
    return [*template, url]


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """*env* for a browser: no key or token of AWS's, nothing of the shim's, and no $BROWSER that names a text browser.

    (xdg-open and sensible-browser follow $BROWSER.) A browser lives for weeks; what it inherits can be read all the while.
    """
    from awsenv.variables import WIRE

    kept = {name: value for name, value in env.items() if name not in WIRE and not _is_secret(name)}
    if "BROWSER" in kept:
        usable = [command for command in kept.pop("BROWSER").split(":") if _of_variable({"BROWSER": command})]
        if usable:
            kept["BROWSER"] = ":".join(usable)
    return kept


def _is_secret(name: str) -> bool:
    return name.startswith(("AWS_", "ACTIONS_")) and any(
        part in name for part in ("KEY", "SECRET", "TOKEN", "PASSWORD")
    )
