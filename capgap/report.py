"""One self-contained HTML page: headings, paragraphs, tables and pictures, no network."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from capgap.errors import InputError

__all__ = ["Picture", "Section", "Table", "render"]

STYLE = """
:root { --ink: #22262b; --muted: #6b7280; --line: #e5e7eb; --accent: #0072b2; --paper: #fff; }
* { box-sizing: border-box; }
body { margin: 0; background: #f6f7f8; color: var(--ink);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 3rem 2rem 4rem; background: var(--paper); }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .5rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 3rem 0 .5rem; padding-top: 1rem;
  border-top: 1px solid var(--line); }
p, ul { max-width: 46rem; }
.lead { font-size: 1.1rem; color: var(--muted); }
.verdict { border-left: 4px solid var(--accent); background: #f0f6fb; padding: .8rem 1.2rem;
  margin: 1.5rem 0; max-width: 52rem; }
.verdict p { margin: .3rem 0; }
figure { margin: 1.5rem 0; }
figure img { width: 100%; height: auto; display: block; border: 1px solid var(--line); }
figcaption { color: var(--muted); font-size: .9rem; margin-top: .5rem; max-width: 52rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .92rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem .3rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
th { color: var(--muted); font-weight: 600; }
table.prose th, table.prose td { text-align: left; vertical-align: top; }
code { font-size: .88em; background: #f3f4f6; padding: .1em .3em; border-radius: 3px; }
footer { margin-top: 3rem; color: var(--muted); font-size: .85rem; }
.scroll { overflow-x: auto; }
"""


@dataclass(frozen=True)
class Picture:
    """A PNG file and its caption."""

    path: Path
    caption: str


@dataclass(frozen=True)
class Table:
    """A header and rows of text; the first column is aligned left, the others right.

    `prose` aligns all of them left and at the top, for columns of sentences.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    prose: bool = False


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it, in the order given."""

    title: str
    body: Sequence[str | Picture | Table] = field(default_factory=tuple)


def render(
    title: str, lead: str, verdict: Sequence[str], sections: Sequence[Section], footer: str
) -> str:
    """The page as one string; pictures are embedded, all text is escaped.

    Raises
    ------
    InputError
        A picture is missing, or a row has another length than its header.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title><style>{STYLE}</style></head><body><main>",
        f'<h1>{_text(title)}</h1><p class="lead">{_text(lead)}</p>',
        '<div class="verdict">',
        *(f"<p>{_text(line)}</p>" for line in verdict),
        "</div>",
    ]
    for section in sections:
        parts.append(f"<h2>{_text(section.title)}</h2>")
        parts += [_block(block) for block in section.body]
    parts.append(f"<footer>{_text(footer)}</footer></main></body></html>")
    return "\n".join(parts) + "\n"


def _block(block: str | Picture | Table) -> str:
    if isinstance(block, str):
        return f"<p>{_text(block)}</p>"
    if isinstance(block, Picture):
        return _picture(block)
    for row in block.rows:
        if len(row) != len(block.header):
            raise InputError(f"report: row {list(row)} does not fit header {list(block.header)}")
    head = "".join(f"<th>{_text(cell)}</th>" for cell in block.header)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in block.rows
    )
    kind = ' class="prose"' if block.prose else ""
    return f'<div class="scroll"><table{kind}><tr>{head}</tr>{rows}</table></div>'


def _picture(picture: Picture) -> str:
    try:
        data = base64.b64encode(picture.path.read_bytes()).decode()
    except OSError as error:
        raise InputError(f"report: cannot read {picture.path}: {error.strerror}") from None
    caption = _text(picture.caption)
    alternative = html.escape(picture.caption, quote=True)
    return (
        f'<figure><img alt="{alternative}" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _text(text: str) -> str:
    """Escaped text; pieces between backquotes become code."""
    pieces = html.escape(text, quote=False).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(pieces))
