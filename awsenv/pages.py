"""The pages that a browser shows after a login: nothing of a request, no script, nothing from elsewhere. Pure."""

from __future__ import annotations

from html import escape

from awsenv.text import show

# Colours follow the system; both pairs keep 4.5:1. The icon is empty so that none is asked for.
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title} · awsenv</title>
<style>
:root {{ --ground: #f4f5f7; --card: #fff; --line: #dfe2e8; --text: #1b2030; --soft: #5a6274; --sign: {light} }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ground: #11141b; --card: #1a1f2a; --line: #2c3341; --text: #eceff5; --soft: #a2abbd; --sign: {dark} }}
}}
* {{ box-sizing: border-box; margin: 0 }}
body {{ min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--ground);
  color: var(--text); font: 1.0625rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }}
main {{ width: 100%; max-width: 27rem; padding: 2.5rem 2.25rem 2rem; text-align: center; background: var(--card);
  border: 1px solid var(--line); border-radius: 1rem; box-shadow: 0 1px 2px #0001, 0 12px 32px #0000000f }}
svg {{ width: 3.5rem; height: 3.5rem; fill: none; stroke: var(--sign); stroke-width: 2.5; stroke-linecap: round;
  stroke-linejoin: round }}
circle {{ fill: var(--sign); fill-opacity: .12; stroke: none }}
h1 {{ margin: 1rem 0 .5rem; font-size: 1.5rem; font-weight: 650; line-height: 1.25; letter-spacing: -.01em }}
p {{ color: var(--soft); text-wrap: balance }}
strong {{ color: var(--text); font-weight: 600; overflow-wrap: anywhere }}
p + p {{ margin-top: .75rem }}
footer {{ margin-top: 1.75rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft);
  font: .8125rem/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace }}
</style>
<main>
<svg viewBox="0 0 32 32" aria-hidden="true"><circle cx="16" cy="16" r="15"/><path d="{sign}"/></svg>
<h1>{title}</h1>
{body}
<footer>awsenv</footer>
</main>
</html>
"""

_DONE = {"sign": "M10 16.5l4.2 4.2L22.5 12", "light": "#12804a", "dark": "#4cc38a"}
_STOP = {"sign": "M11.5 11.5l9 9m0-9l-9 9", "light": "#b3372a", "dark": "#f2867a"}
_PLAIN = {"sign": "M16 9.5v8m0 5v.01", "light": "#5a6274", "dark": "#a2abbd"}


def signed_in(session: str) -> str:
    """The login to *session* (the words for it) is done."""
    body = f"<p>to <strong>{_words(session)}</strong></p>\n<p>You can close this tab and go back to the terminal.</p>"
    return _PAGE.format(title="You are signed in", body=body, **_DONE)


def turned_down(session: str) -> str:
    """The person, or AWS, said no to the login to *session*."""
    body = (
        f"<p>The sign-in to <strong>{_words(session)}</strong> was turned down, and nothing has changed.</p>\n"
        "<p>You can close this tab and go back to the terminal.</p>"
    )
    return _PAGE.format(title="Not signed in", body=body, **_STOP)


def _words(session: str) -> str:
    return escape(show(session, 200))


def _plain(title: str, text: str) -> str:
    return _PAGE.format(title=title, body=f"<p>{text}</p>", **_PLAIN)


STRANGER = _plain(
    "Another sign-in",
    "This is not the sign-in that the terminal is waiting for. It goes on waiting for its own.",
)
ON_THE_WAY = _plain("One moment", "On the way to the AWS console.")
NOT_FOUND = _plain("Nothing here", "awsenv is waiting for a browser at another address.")
