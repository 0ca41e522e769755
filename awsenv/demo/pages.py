"""The pages that a person's browser shows: plain HTML without scripts or anything from elsewhere, all text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from werkzeug.wrappers import Response

STYLE = """
:root { color-scheme: light dark; --ink: #16202e; --soft: #5a6778; --paper: #fff; --ground: #eef2f7; --line: #d5dde8;
  --yes: #12703c; --no: #a52a2a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8edf4; --soft: #9fadc0; --paper: #1b2432; --ground: #111822;
  --line: #33415a; --yes: #2f9e62; --no: #d76767; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; color: var(--ink);
  background: var(--ground); font: 16px/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 30rem; padding: 2rem; background: var(--paper); border: 1px solid var(--line);
  border-radius: 14px; }
.where { margin: 0 0 1.5rem; color: var(--soft); font-size: .85rem; }
h1 { margin: 0 0 .75rem; font-size: 1.35rem; line-height: 1.25; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .4rem 1rem; margin: 1.25rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
code { font: .95em ui-monospace, monospace; } .code { font-size: 1.5rem; letter-spacing: .08em; }
form { display: flex; gap: .75rem; margin-top: 1.5rem; }
input { flex: 1; min-width: 0; padding: .6rem .8rem; font: 1.1rem ui-monospace, monospace; text-transform: uppercase;
  color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 8px; }
button { flex: 1; padding: .65rem 1rem; font: inherit; font-weight: 600; color: #fff; background: var(--yes); border: 0;
  border-radius: 8px; cursor: pointer; } button.no { background: transparent; color: var(--no);
  border: 1px solid currentColor; }
"""
WHERE = "A fake AWS on this computer, for tests and for the demo of awsenv. Nothing here is real."
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def allow_or_deny(to: str, hidden: Mapping[str, str], facts: Mapping[str, str], user_code: str = "") -> Response:
    """Asks the person; the answer is a POST to the path `to` with the hidden fields and decision=allow or =deny."""
    app = escape(facts["Application"])
    fields = "".join(f'<input type="hidden" name="{escape(n)}" value="{escape(v)}">' for n, v in hidden.items())
    code = "<p>Allow it only if your terminal shows this very code:</p>" if user_code else ""
    code += f'<p><code class="code">{escape(user_code)}</code></p>' if user_code else ""
    return page(
        f"Allow {app} to use your accounts?",
        f"<p>It asks to act with the accounts and roles that you have at this portal.</p>{_list(facts)}{code}"
        f'<form method="post" action="{escape(to)}">{fields}<button name="decision" value="allow">Allow</button>'
        '<button class="no" name="decision" value="deny">Deny</button></form>',
    )


def type_code(unknown: str = "") -> Response:
    """Asks for the code that the terminal shows; `unknown` is one that was typed and that nobody waits for."""
    found = "Nobody waits for this code" if unknown else "Type the code that your terminal shows"
    about = f"<p><code>{escape(unknown)}</code> may have expired. Look again, or start a new sign-in.</p>"
    return page(
        found,
        (about if unknown else "")
        + '<form method="get" action="/device"><input name="user_code" aria-label="Code" placeholder="BCDF-GHJK" '
        'autocomplete="off" autofocus required maxlength="20"><button>Next</button></form>',
        404 if unknown else 200,
    )


def said(title: str, text: str, facts: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """Tells something, in plain text."""
    return page(escape(title), f"<p>{escape(text)}</p>{_list(facts or {})}", status)


def page(title: str, inside: str, status: int = 200) -> Response:
    """Both texts are HTML."""
    text = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f'<body><main><p class="where">{WHERE}</p><h1>{title}</h1>{inside}</main></body></html>\n'
    )
    return Response(text, status, HEADERS, content_type="text/html; charset=utf-8")


def listed(words: Iterable[str]) -> str:
    return ", ".join(words) or "none"


def _list(facts: Mapping[str, str]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f"<dl>{rows}</dl>" if rows else ""
