"""`settings`: what is in force, and where each value comes from."""

from __future__ import annotations

import json

from awsenv.errors import AwsenvError
from awsenv.lease import Reading, read_settings
from awsenv.model import Outcome
from awsenv.settings import TEMPLATE, rows
from awsenv.text import show
from awsenv.world import World


def run(world: World, as_json: bool, template: bool) -> Outcome:
    """Exit status 3 where something in the file can't be."""
    if template:
        return Outcome(TEMPLATE)
    path = world.settings_path
    try:
        settings = Reading.of(world).settings  # with what an alias has to do with profiles
    except AwsenvError:
        settings = read_settings(path)
    found = rows(settings)
    notes = tuple(f"awsenv: {show(m.where.short(world.home), 300)}: {show(m.what, 300)}" for m in settings.mistakes)
    code = 3 if settings.mistakes else 0
    if as_json:
        values = [{"name": name, "value": value, "from": origin} for name, value, origin in found]
        mistakes = [{"file": m.where.file, "line": m.where.line, "what": m.what} for m in settings.mistakes]
        return Outcome(json.dumps({"file": path, "settings": values, "mistakes": mistakes}, indent=2) + "\n", (), code)
    cells = [(show(name), show(value), show(origin, 300)) for name, value, origin in found]
    wide, far = (max(len(row[i]) for row in cells) for i in (0, 1))
    lines = [f"{name:<{wide}}  {value:<{far}}  {origin}".rstrip() for name, value, origin in cells]
    return Outcome(f"{show(path, 300)}\n" + "".join(f"  {line}\n" for line in lines), notes, code)
