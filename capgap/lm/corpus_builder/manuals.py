"""English prose out of manual pages in POD (Perl) and AsciiDoc (Git).

Markup and code are dropped, hard-wrapped lines are joined; paragraphs are separated by
blank lines.
"""

import re

from capgap.lm.corpus_builder.rst import STRONG, blocks, reflow, untitle

__all__ = ["from_asciidoc", "from_pod"]

_POD_FENCED = re.compile(r"([A-Z])<<+\s+(.*?)\s+>>+", re.S)
_POD_CODE = re.compile(r"([A-Z])<([^<>]*)>")
_POD_NAMES = {"lt": "\x01", "gt": "\x02", "verbar": "|", "sol": "/", "mdash": "—", "eacute": "é"}


def _pod_code(match: re.Match[str]) -> str:
    letter, body = match[1], _POD_CODE.sub(_pod_code, match[2])
    body = body.replace("<", "\x01").replace(">", "\x02")
    if letter in "XZ":
        return ""
    if letter == "E":
        return _POD_NAMES.get(body, "")
    if letter == "L":
        shown, bar, _ = body.partition("|")
        return shown if bar or "://" in shown else _pod_target(shown)
    return body


def _pod_target(target: str) -> str:
    """How perldoc shows a link without a text: 'section in page', 'page' or 'section'."""
    page, _, section = target.replace('"', "").partition("/")
    return f"{section} in {page}" if page and section else page or section


def _pod_inline(text: str) -> str:
    text = _POD_FENCED.sub(_pod_code, text)
    while (replaced := _POD_CODE.sub(_pod_code, text)) != text:
        text = replaced
    return text.replace("\x01", "<").replace("\x02", ">")


def from_pod(text: str) -> str:
    r"""Prose of a Perl POD file: titles, items and paragraphs; verbatim blocks are dropped.

    >>> page = "=head1 Tea\n\nB<Hot> C<< a->b >> L<perlfunc|x>\ndrink.\n\n  code();\n\n=cut\n\n$x;"
    >>> from_pod(page)
    'Tea\n\nHot a->b perlfunc drink.'
    """
    out: list[str] = []
    in_pod, in_format = False, False
    for block in re.split(r"\n\s*\n", text):
        block = block.strip("\n")
        command = re.match(r"=(\w+)\s*(.*)", block, re.S)
        if command:
            name, argument = command[1], command[2]
            in_pod = name != "cut"
            in_format = name == "begin" or (in_format and name != "end")
            if not name.startswith(("head", "item")) or argument.strip() in {"", "*"}:
                continue
            block = argument
        if in_pod and not in_format and not block[:1].isspace() and block.strip():
            out.append(" ".join(_pod_inline(block).split()))
    return "\n\n".join(out)


_ASCIIDOC_LINE = re.compile(r"(\[.*\]|\+|:[\w!-]+:.*|//.*|(ifn?def|ifeval|endif|include)::.*)$")
_DELIMITER = re.compile(r"(-{4,}|\.{4,}|={4,}|_{4,}|\*{4,}|\|={3,}|--)$")


def from_asciidoc(text: str) -> str:
    r"""Prose of an AsciiDoc manual page; listings, synopses and attributes are dropped.

    >>> page = "NAME\n----\ngit-tea - brew `tea`\n\n----\n$ git tea\n----\n\nSee linkgit:git[1]."
    >>> from_asciidoc(page)
    'NAME\n\ngit-tea - brew tea\n\nSee git(1).'
    """
    kept: list[str] = []
    fence: str | None = None
    previous = ""
    for line in text.splitlines():
        mark = line.strip()
        # A rule as long as the line above (to two marks) underlines a title.
        title = previous and abs(len(previous) - len(mark)) <= 2
        if fence is None and _DELIMITER.match(mark) and not (title and mark[0] in "-=~"):
            fence = None if mark[0] in "=_*" or mark == "--" else mark
            kept.append("")
        elif fence is not None:
            fence = None if mark == fence else fence
        elif mark == "[verse]":
            fence = ""
        else:
            kept.append("" if _ASCIIDOC_LINE.match(mark) else line)
            if mark.endswith("::"):
                kept.append("")  # a term; its description is a paragraph of its own
        previous = mark
    out = [reflow(part) for block in blocks("\n".join(kept)) for part in untitle(block)]
    joined = re.sub(r"linkgit:([\w.-]+)\[(\d)\]", r"\1(\2)", "\n\n".join(out))
    joined = re.sub(r"\b(?:link:|https?:)(\S*?)\[([^\]]+)\]", r"\2", joined)
    return STRONG.sub(r"\2", re.sub(r"::$", ":", joined, flags=re.M).replace("`", ""))
