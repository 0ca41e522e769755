"""The Typer face: signatures and help → requests. No logic: every body builds a request and calls a command."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import Annotated, Any, Optional

import typer
import typer.core

from awsenv import __version__, spelling
from awsenv.errors import Usage
from awsenv.model import Outcome, UseRequest
from awsenv.text import seconds_of
from awsenv.world import World

app = typer.Typer(
    name="awsenv",
    help='Switch the AWS identity of the shell you are in. Load it once: eval "$(awsenv init bash)"',
    add_completion=False,  # Typer's own runs data on TAB; ours are in completions/
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A profile of your AWS config.", show_default=False)]
MaybeName = Annotated[
    Optional[str], typer.Argument(metavar="[NAME]", help="A profile; left out: this shell.", show_default=False)
]
Region = Annotated[Optional[str], typer.Option(help="Region, instead of the profile's own.", metavar="REGION")]
Duration = Annotated[Optional[str], typer.Option(help="Length of the last role: 1h, 45m, 3600.", metavar="TIME")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Get new credentials, whatever is stored.")]
AsMode = Annotated[
    str, typer.Option("--as", help="keys, or profile: set AWS_PROFILE and let AWS tools fetch.", metavar="keys|profile")
]
MfaStdin = Annotated[bool, typer.Option("--mfa-stdin", help="Read the MFA code, where one is needed, from stdin.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask, whatever the settings guard.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


class _OverAnyProfile(typer.core.TyperCommand):
    """A verb that takes an identity, and so all the options that change one; `_request` finds them in the context."""

    _HELP = (
        ("--role", "ARN", "Assume this role, too, with what the profile is."),
        ("--session-name", "NAME", "Name of the last role's session."),
        ("--external-id", "ID", "What the last role's trust policy asks for."),
        ("--source-identity", "NAME", "Who is behind it, for every record AWS keeps."),
        ("--tag", "K=V", "Session tag; may be repeated."),
        ("--policy-arn", "ARN", "No more than this managed policy allows; may be repeated."),
        ("--policy", "FILE", "No more than the policy in this file allows."),
        (spelling.FLAG, None, "Look, and change nothing: no more than AWS's ReadOnlyAccess allows."),
    )

    def __init__(self, name: str | None, *, params: Any = None, **more: Any) -> None:
        super().__init__(name, params=[*(params or ()), *map(self._option, self._HELP)], **more)

    @staticmethod
    def _option(row: tuple[str, str | None, str]) -> typer.core.TyperOption:
        option, metavar, told = row
        if metavar is None:
            return typer.core.TyperOption(param_decls=[option], help=told, is_flag=True, default=False)
        several = option in spelling.REPEATED
        return typer.core.TyperOption(param_decls=[option], help=told, metavar=metavar, multiple=several)

    def invoke(self, ctx: Any) -> Any:
        pairs: list[tuple[str, str]] = []
        for option, metavar, _ in self._HELP:
            value = ctx.params.pop(option[2:].replace("-", "_"))
            if metavar is None:
                pairs += [(option, "")] if value else []
            elif value is not None:
                pairs += [(option, one) for one in ((value,) if isinstance(value, str) else value)]
        ctx.meta["awsenv.over"] = spelling.canonical(pairs)
        return super().invoke(ctx)


def _over(ctx: typer.Context) -> spelling.Over:
    over: spelling.Over = ctx.meta["awsenv.over"]
    return over


def _request(
    ctx: typer.Context, name: str, region: str | None, duration: str | None, fresh: bool = False, mode: str = "keys"
) -> UseRequest:
    from awsenv.hot import is_region

    if region is not None and not is_region(region):
        raise Usage(f'"{region}" is no region', hint="such as eu-west-1")
    seconds = seconds_of(duration) if duration is not None else None
    if duration is not None and seconds is None:
        raise Usage(f'"{duration}" is no length of time', hint="such as 1h, 45m or 3600")
    if mode not in ("keys", "profile"):
        raise Usage(f"--as takes keys or profile, not {mode}")
    return UseRequest(name, region, seconds, mode, fresh, over=_over(ctx))


_NEEDS_NAME = "these options go with the name of a profile: what this shell has is made already"


def _on_top(shell: UseRequest, asked: UseRequest) -> UseRequest:
    """What made this shell, with what was *asked* besides; as in `use -`."""
    over = spelling.canonical((*shell.over, *asked.over))
    return replace(asked, region=asked.region or shell.region, duration=asked.duration or shell.duration, over=over)


def _told(world: World, mfa_stdin: bool) -> World:
    return replace(world, mfa_on_stdin=mfa_stdin)


def _screen(world: World) -> tuple[int, bool]:
    """(columns, whether colours may be used) of what a table is printed on."""
    colour = os.isatty(1) and "NO_COLOR" not in world.env and world.env.get("TERM") != "dumb"
    return shutil.get_terminal_size((200, 24)).columns if os.isatty(1) else 200, colour


@app.callback(invoke_without_command=True)
def main(
    ctx: typer.Context, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False
) -> Outcome | None:
    if version:
        return Outcome(f"awsenv {__version__}\n")
    if ctx.invoked_subcommand is None:
        return Outcome(ctx.get_help() + "\n")
    return None


@app.command(cls=_OverAnyProfile)
def use(
    ctx: typer.Context,
    name: Annotated[
        Optional[str], typer.Argument(metavar="NAME", help="A profile, or - for the one before.", show_default=False)
    ] = None,
    region: Region = None,
    duration: Duration = None,
    fresh: Fresh = False,
    mode: AsMode = "keys",
    mfa_stdin: MfaStdin = False,
    yes: Yes = False,
) -> Outcome:
    """Make this shell an identity."""
    from awsenv.commands.use import asked_by_shim, run
    from awsenv.hot import parse

    before = None
    if name == "-":
        before = parse("use", ["-"], ctx.obj.env)
        if before is None:
            raise Usage("there is no identity before this one, in this shell or any other")
        name, mode = before.profile, before.mode if mode == "keys" else mode
    if name == "":
        raise Usage("the name of the profile is empty", hint="awsenv use NAME")
    if name is None:
        if ctx.obj.shell is None:
            asked_by_shim(ctx.obj, "use")
        return Outcome(notes=tuple(ctx.get_help().split("\n")), exit_code=2)
    request = _request(ctx, name, region, duration, fresh, mode)
    if before is not None:
        request = _on_top(UseRequest(name, before.region, before.duration, over=before.over), request)
    return run(_told(ctx.obj, mfa_stdin), replace(request, agreed=yes))


@app.command()
def here(ctx: typer.Context) -> Outcome:
    """Make this shell what its folder is for: .awsenv, or [places]."""
    from awsenv.commands.use import asked_by_shim

    asked_by_shim(ctx.obj, "here")
    raise Usage("here takes nothing else")


@app.command()
def off(ctx: typer.Context) -> Outcome:
    """Put back what was there before awsenv."""
    from awsenv.commands.use import asked_by_shim

    asked_by_shim(ctx.obj, "off")
    raise Usage("off takes nothing else")


@app.command()
def refresh(ctx: typer.Context, fresh: Fresh = False) -> Outcome:
    """Renew this shell's credentials where that is due."""
    from awsenv.commands.use import asked_by_shim
    from awsenv.lease import request_of_shell

    asked_by_shim(ctx.obj, "refresh")
    request_of_shell(ctx.obj)  # says so where there is one, and its options can't be read
    raise Usage("no awsenv identity in this shell", hint="awsenv use NAME")


@app.command()
def region(
    ctx: typer.Context,
    name: Annotated[
        Optional[str],
        typer.Argument(
            metavar="[NAME]", help="A region, or - for the one before; left out: show it.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Take one that awsenv doesn't know, or of elsewhere.")] = False,
) -> Outcome:
    """Show or change the region of this shell."""
    from awsenv.commands.region import run

    return run(ctx.obj, name, force)


@app.command()
def current(ctx: typer.Context, as_json: Json = False) -> Outcome:
    """Show who this shell is, from its variables alone."""
    from awsenv.commands.current import run

    return run(ctx.obj, as_json)


@app.command(cls=_OverAnyProfile)
def whoami(ctx: typer.Context, name: MaybeName = None, as_json: Json = False, mfa_stdin: MfaStdin = False) -> Outcome:
    """Ask AWS who these credentials are."""
    from awsenv.commands.whoami import run

    if name is None and _over(ctx):
        raise Usage(_NEEDS_NAME, hint="awsenv whoami NAME")
    request = _request(ctx, name, None, None) if name is not None else None
    return run(_told(ctx.obj, mfa_stdin), request, as_json)


@app.command(cls=_OverAnyProfile)
def console(
    ctx: typer.Context,
    name: MaybeName = None,
    service: Annotated[
        Optional[str], typer.Option(help="Where to land: s3, ec2, cloudwatch, …", metavar="SERVICE")
    ] = None,
    region: Annotated[Optional[str], typer.Option(help="The console's region.", metavar="REGION")] = None,
    print_only: Annotated[bool, typer.Option("--print", help="Print the link, open nothing.")] = False,
    mfa_stdin: MfaStdin = False,
) -> Outcome:
    """Open the AWS web console as a profile."""
    from awsenv.commands.console import run

    if name is None and _over(ctx):
        raise Usage(_NEEDS_NAME, hint="awsenv console NAME")
    request = _request(ctx, name, None, None) if name is not None else None
    return run(_told(ctx.obj, mfa_stdin), request, service, region, print_only)


@app.command()
def login(
    ctx: typer.Context,
    name: Annotated[
        Optional[str],
        typer.Argument(
            metavar="[SESSION|PROFILE]", help="Left out: this shell's, or the only one.", show_default=False
        ),
    ] = None,
    device: Annotated[bool, typer.Option("--device", help="By a code on any device.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Show the link, open nothing.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Log in anew, whatever is still good.")] = False,
) -> Outcome:
    """Log in to IAM Identity Center, or as `aws login` does: for awsenv, the AWS CLI and the SDKs."""
    from awsenv.commands.login import run

    return run(ctx.obj, name, device, not no_browser, fresh)


@app.command()
def logout(
    ctx: typer.Context,
    name: Annotated[
        Optional[str],
        typer.Argument(
            metavar="[SESSION|PROFILE]", help="Left out: this shell's, or the only one.", show_default=False
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every login.")] = False,
) -> Outcome:
    """End a login, at AWS and here, with all that came from it."""
    from awsenv.commands.logout import run

    return run(ctx.obj, name, everything)


@app.command()
def sessions(ctx: typer.Context, as_json: Json = False) -> Outcome:
    """Show every login, how long it lasts, and what hangs on it."""
    from awsenv.commands.sessions import run

    return run(ctx.obj, as_json)


@app.command("list")
def list_(
    ctx: typer.Context,
    as_json: Json = False,
    names: Annotated[bool, typer.Option("--names", help="Names alone, one a line.")] = False,
) -> Outcome:
    """Show every profile and how it authenticates."""
    from awsenv.commands.list import run

    return run(ctx.obj, as_json, names, *_screen(ctx.obj))


@app.command(cls=_OverAnyProfile)
def explain(
    ctx: typer.Context, name: MaybeName = None, region: Region = None, duration: Duration = None, as_json: Json = False
) -> Outcome:
    """Show how a profile gets its credentials, before anything happens."""
    from awsenv.commands.explain import run
    from awsenv.lease import request_of_shell

    shell = request_of_shell(ctx.obj) if name is None else None
    chosen = shell.profile if shell is not None else name
    if chosen is None:
        raise Usage("which profile?", hint="awsenv explain NAME")
    request = _request(ctx, chosen, region, duration)
    return run(ctx.obj, request if shell is None else _on_top(shell, request), as_json)


@app.command(cls=_OverAnyProfile)
def export(
    ctx: typer.Context,
    name: Name,
    format_name: Annotated[
        str, typer.Option("--format", help="env, fish, json, process, dotenv, powershell or github.", metavar="FORMAT")
    ] = "env",
    show: Annotated[bool, typer.Option("--show", help="Put secrets on the screen.")] = False,
    region: Region = None,
    duration: Duration = None,
    fresh: Fresh = False,
    allow_login: Annotated[bool, typer.Option("--allow-login", help="Log in if it takes that, unasked.")] = False,
    mfa_stdin: MfaStdin = False,
) -> Outcome:
    """Print an identity for a script, or as a credential_process."""
    from awsenv.commands.export import run

    request = _request(ctx, name, region, duration, fresh)
    return run(_told(ctx.obj, mfa_stdin), request, format_name, show, channel_is_terminal, allow_login)


@app.command("exec", cls=_OverAnyProfile)
def exec_(
    ctx: typer.Context,
    name: Name,
    command: Annotated[
        Optional[list[str]], typer.Argument(metavar="-- CMD…", help="What to run.", show_default=False)
    ] = None,
    region: Region = None,
    duration: Duration = None,
    fresh: Fresh = False,
    mfa_stdin: MfaStdin = False,
    yes: Yes = False,
) -> Outcome:
    """Become a command that runs as an identity."""
    from awsenv.commands.exec import run

    words = tuple(command or ())
    request = replace(_request(ctx, name, region, duration, fresh), agreed=yes)
    return run(_told(ctx.obj, mfa_stdin), request, words[1:] if words[:1] == ("--",) else words)


@app.command()
def init(
    ctx: typer.Context,
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="Your shell.", show_default=False)],
    values: Annotated[bool, typer.Option("--values", help="Where awsenv is, alone.")] = False,
) -> Outcome:
    """Print what loads awsenv into a shell."""
    from awsenv.commands.init import run

    return run(ctx.obj, shell, values)


@app.command()
def setup(
    ctx: typer.Context,
    shell: Annotated[
        Optional[str], typer.Argument(metavar="[bash|zsh|fish]", help="Left out: the running one.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take it out again.")] = False,
    print_only: Annotated[bool, typer.Option("--print", help="Print the lines, change nothing.")] = False,
) -> Outcome:
    """Load awsenv into every new shell from now on."""
    from awsenv.commands.setup import run

    return run(ctx.obj, shell, yes, remove, print_only)


@app.command()
def settings(
    ctx: typer.Context,
    as_json: Json = False,
    template: Annotated[bool, typer.Option("--template", help="A file to start from.")] = False,
) -> Outcome:
    """Show awsenv's own settings and where each comes from."""
    from awsenv.commands.settings import run

    return run(ctx.obj, as_json, template)


@app.command()
def trust(
    ctx: typer.Context,
    path: Annotated[
        Optional[str], typer.Argument(metavar="[PATH]", help="Left out: the two files in force.", show_default=False)
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Show what is trusted.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Trust it no more.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> Outcome:
    """Let a config file elsewhere than in ~/.aws start the programs that it names, or a .awsenv count, until it changes."""
    from awsenv.commands.trust import run

    return run(ctx.obj, path, listed, remove, yes)


@app.command()
def doctor(
    ctx: typer.Context,
    name: Annotated[
        Optional[str],
        typer.Argument(metavar="[NAME]", help="A profile, tried for real; left out: all.", show_default=False),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is safe to mend, after a diff.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the diff, change nothing.")] = False,
    as_json: Json = False,
) -> Outcome:
    """Find what is wrong, and say what to write instead. Exit status: 3 with an error, 0 with warnings or notes alone."""
    from awsenv.commands.doctor import Request, run
    from awsenv.render.findings import Look

    return run(ctx.obj, Request(name, fix, yes, dry_run, as_json), Look.of(ctx.obj.env, *_screen(ctx.obj)))


@app.command()
def wrap(
    ctx: typer.Context,
    profiles: Annotated[
        Optional[list[str]],
        typer.Argument(metavar="[NAME]…", help="Profiles; left out: those that are wrapped.", show_default=False),
    ] = None,
    names: Annotated[
        Optional[str], typer.Option(help="How wrapped ones are called: {profile}-awsenv.", metavar="TEMPLATE")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take them out again.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Remove those whose profile is no more.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the change, make none.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; writes only with --yes.")] = False,
) -> Outcome:
    """Write profiles that ask awsenv for others, so that Terraform, IDEs and long programs renew by themselves."""
    from awsenv.commands.wrap import Request, run
    from awsenv.proposal import Face

    request = Request(tuple(profiles or ()), names, remove, prune, yes, dry_run, as_json)
    return run(ctx.obj, request, Face.of(ctx.obj.env, os.isatty(1), os.isatty(2)))


@app.command()
def demo(
    ctx: typer.Context,
    command: Annotated[
        Optional[list[str]], typer.Argument(metavar="[-- CMD…]", help="Run this and leave.", show_default=False)
    ] = None,
    shell: Annotated[
        Optional[str], typer.Option(help="bash, zsh or fish, instead of your own.", metavar="SHELL")
    ] = None,
) -> Outcome:
    """Try it all in a throw-away home with a fake AWS: no account, no network."""
    from awsenv.commands.demo import run

    words = tuple(command or ())
    return run(ctx.obj, words[1:] if words[:1] == ("--",) else words, shell)


sso = typer.Typer(rich_markup_mode=None, help="Write profiles of IAM Identity Center: add, import.")
app.add_typer(sso, name="sso")


@sso.callback(invoke_without_command=True)
def sso_(ctx: typer.Context) -> Outcome | None:
    if ctx.invoked_subcommand is None:
        return Outcome(notes=tuple(ctx.get_help().split("\n")), exit_code=2)
    return None


@sso.command("import")
def sso_import(
    ctx: typer.Context,
    session: Annotated[
        Optional[str],
        typer.Argument(metavar="[SESSION]", help="An sso-session; left out: the only one.", show_default=False),
    ] = None,
    names: Annotated[
        Optional[str],
        typer.Option(help="Of {account_name} {account_id} {role} {session} {email}.", metavar="TEMPLATE"),
    ] = None,
    region: Annotated[Optional[str], typer.Option(help="Region of the profiles.", metavar="REGION")] = None,
    role_over: Annotated[
        Optional[str], typer.Option(help="A profile more for each, that switches to this role.", metavar="ROLE")
    ] = None,
    account: Annotated[
        Optional[list[str]], typer.Option(help="Accounts of this name or id alone; may be repeated.", metavar="GLOB")
    ] = None,
    role: Annotated[
        Optional[list[str]], typer.Option(help="These roles alone; may be repeated.", metavar="GLOB")
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove profiles that are offered no more.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the change, make none.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; writes only with --yes.")] = False,
) -> Outcome:
    """Write every account and role that a login offers into the AWS config file."""
    from awsenv.commands.sso_import import Request, run
    from awsenv.hot import is_region
    from awsenv.proposal import Face

    if region is not None and not is_region(region):
        raise Usage(f'"{region}" is no region', hint="such as eu-west-1")
    globs = (tuple(account or ()), tuple(role or ()))
    request = Request(session, names, region, role_over, *globs, prune, yes, dry_run, as_json)
    return run(ctx.obj, request, Face.of(ctx.obj.env, os.isatty(1), os.isatty(2)))


@sso.command("add")
def sso_add(
    ctx: typer.Context,
    session: Annotated[
        Optional[str], typer.Option(help="An sso-session, there already or new.", metavar="NAME")
    ] = None,
    start_url: Annotated[Optional[str], typer.Option(help="Start URL of the portal.", metavar="URL")] = None,
    region: Annotated[Optional[str], typer.Option(help="Region of the portal.", metavar="REGION")] = None,
    scopes: Annotated[Optional[str], typer.Option(help="Registration scopes.", metavar="SCOPES")] = None,
    account: Annotated[Optional[str], typer.Option(help="Accounts of this name or id.", metavar="GLOB")] = None,
    role: Annotated[Optional[str], typer.Option(help="The role there.", metavar="ROLE")] = None,
    profile: Annotated[Optional[str], typer.Option(help="Name of the profile.", metavar="NAME")] = None,
    profile_region: Annotated[Optional[str], typer.Option(help="Region of the profile.", metavar="REGION")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask for what has a default, nor whether to write.")] = False,
    device: Annotated[bool, typer.Option("--device", help="Log in by a code on any device.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Show the link, open nothing.")] = False,
) -> Outcome:
    """Add a login and profiles of it to the AWS config file; asks for what no option says."""
    from awsenv.commands.sso_add import Request, run
    from awsenv.proposal import Face

    answers = (session, start_url, region, scopes, account, role, profile, profile_region)
    face = Face.of(ctx.obj.env, os.isatty(1), os.isatty(2))
    return run(ctx.obj, Request(*answers, yes, device, not no_browser), face)


@app.command("renew-login", hidden=True)
def renew_login(ctx: typer.Context, session: str) -> Outcome:
    """What a background worker runs."""
    from awsenv.background import work
    from awsenv.ports import real
    from awsenv.store import open_store

    work(session, real(ctx.obj, open_store(ctx.obj.store_root)[0]))
    return Outcome()


def verbs() -> list[str]:
    """Every verb, in the order of the help; one of two words (`sso import`) as both."""
    found = []
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        if not command.hidden:
            found += [f"{name} {below}" for below in command.commands] if hasattr(command, "commands") else [name]
    return found


# Typer carries its own click from 0.27 on and a separate one before: its public BadParameter leads to the base of either.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]

channel_is_terminal = False  # whether what a command prints reaches a screen; the front door knows


def dispatch(argv: list[str], world: World, to_terminal: bool) -> Outcome:
    """Run *argv* (without the program's name); raises the error tree, Usage for what click can't parse."""
    global channel_is_terminal
    channel_is_terminal = to_terminal
    try:
        result = typer.main.get_command(app).main(args=argv, prog_name="awsenv", standalone_mode=False, obj=world)
    except typer.Abort:  # Ctrl-C, as older ones have it
        raise KeyboardInterrupt from None
    except _UsageError as error:
        known = [" ".join(argv[:count]) for count in (2, 1) if " ".join(argv[:count]) in verbs()]
        message = error.format_message()  # type: ignore[attr-defined]
        raise Usage(message, hint=" ".join(["awsenv", *known[:1], "--help"])) from None
    if isinstance(result, Outcome):
        return result
    if result == 130:  # Ctrl-C, which Typer keeps to itself; a person is told that it was heard
        raise KeyboardInterrupt
    return Outcome(exit_code=result if isinstance(result, int) else 0)
