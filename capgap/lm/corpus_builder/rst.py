"""English prose out of reStructuredText.

Markup, code and tables are dropped, hard-wrapped lines are joined; paragraphs are
separated by blank lines.
"""

import re

__all__ = ["STRONG", "blocks", "from_rst", "reflow", "untitle"]

_ITEM = re.compile(r"([*+o-]|#\.|\(?[0-9a-zA-Z]{1,2}[.)]|:[^:\s][^:]*:|\.\.) +\S|\|")


def reflow(lines: list[str]) -> str:
    r"""One block's hard-wrapped lines joined; list items and definitions start new lines.

    >>> reflow(["The cat", "sat.", "* one", "  more", "* two"])
    'The cat sat.\n* one more\n* two'
    >>> reflow(["term", "    what it", "    means"])
    'term\nwhat it means'
    """
    out: list[str] = []
    for i, line in enumerate(lines):
        words = " ".join(line.split())
        definition = i == 1 and _indent(line) > _indent(lines[0]) and not _ITEM.match(out[0])
        if not out or definition or _ITEM.match(words):
            out.append(words)
        else:
            out[-1] += " " + words
    return "\n".join(out)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def blocks(text: str) -> list[list[str]]:
    """Runs of lines between blank lines, tabs expanded."""
    blocks: list[list[str]] = [[]]
    for line in text.expandtabs(8).splitlines():
        if line.strip():
            blocks[-1].append(line.rstrip())
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


# A line of three or more of one punctuation mark: under or over a title, or a table's border.
_RULE = re.compile(r"\s*([^\w\s])\1{2,}\s*$")
_BORDER = re.compile(r"\s*(\+[-=+]{3,}\+?|[=~-]{2,}(\s+[=~-]{2,})+)\s*$")


def untitle(block: list[str]) -> list[list[str]]:
    """Titles of a block as blocks of their own, their rules gone."""
    parts: list[list[str]] = [[]]
    for i, line in enumerate(block):
        if _RULE.match(line):
            continue
        if i + 1 < len(block) and _RULE.match(block[i + 1]) and len(line) < 90:
            parts += [[line], []]
        else:
            parts[-1].append(line)
    return [part for part in parts if part]


# Directives whose body is prose: admonitions and descriptions of an object.
_PROSE_DIRECTIVE = re.compile(
    r"note|warning|tip|hint|important|caution|attention|danger|seealso|impl-detail|availability"
    r"|versionadded|versionchanged|deprecated(-removed)?|topic|sidebar|glossary|epigraph|rubric"
    r"|function|(class|static)?method|class|data|attribute|exception|decorator|describe"
    r"|(cmd)?option|opcode|pdbcommand|envvar|c:(function|type|macro|member|var|struct|enum\w*)"
)
_DIRECTIVE = re.compile(r"\s*\.\. +([\w:.+-]+?)::(?:\s+(.*))?$")
_ROLE = re.compile(r":[\w:+.-]+:`([^`]*)`")
_LINK = re.compile(r"`([^`<]+?)\s*<[^`>]*>`_{0,2}|`([^`]+)`_{1,2}")
STRONG = re.compile(r"(?<![\w*])(\*{1,2})(?=[^\s*])([^*]*[^\s*])\1(?![\w*])")


def _role_text(match: re.Match[str]) -> str:
    text = re.sub(r"\s*<[^<>]*>$", "", match[1]).lstrip("!")
    return text[1:].rpartition(".")[2] if text.startswith("~") else text


def _rst_inline(text: str) -> str:
    text = _ROLE.sub(_role_text, text)
    text = _LINK.sub(lambda m: m[1] or m[2], text)
    text = text.replace("``", "").replace("`", "")
    text = re.sub(r"(\]|\w)_(?=[\s.,;:)]|$)", r"\1", text)  # reference marks: [1]_ and word_
    text = STRONG.sub(r"\2", text)
    return re.sub(r"\\(?=[^\w\s])|\\ ", "", text)


def from_rst(text: str) -> str:
    r"""Prose of a reStructuredText file.

    Kept: titles, paragraphs, lists, and the bodies of admonitions and of descriptions of
    functions and the like. Dropped: literal blocks, doctests, tables, comments, targets,
    and every other directive with its body. Roles and emphasis are replaced by their text.

    >>> from_rst("Tea\n===\n\nSee :ref:`hot drinks <hot>`, **now**::\n\n    x = 1\n\nDone.")
    'Tea\n\nSee hot drinks, now:\n\nDone.'
    """
    out: list[str] = []
    hidden: int | None = None  # drop blocks indented more than this
    for block in blocks(text):
        indent = _indent(block[0])
        if hidden is not None:
            if indent > hidden:
                continue
            hidden = None
        if block[0].lstrip().startswith((".. ", "..\t")) or block[0].strip() == "..":
            body, hidden = _directive(block, indent)
            block = body
        if not block or block[0].lstrip().startswith(">>>") or any(map(_BORDER.match, block)):
            continue
        for part in untitle(block):
            paragraph = reflow(part)
            if paragraph.endswith("::"):
                # The marker of a literal block: it follows, indented deeper than this one.
                hidden = min(map(_indent, part))
                paragraph = paragraph[:-1] if paragraph[-3:-2].strip() else paragraph[:-2].rstrip()
            if paragraph:
                out.append(_rst_inline(paragraph))
    return "\n\n".join(out)


def _directive(block: list[str], indent: int) -> tuple[list[str], int | None]:
    """What stays of a block that begins with '..', and whether its later body is hidden."""
    match = _DIRECTIVE.match(block[0])
    # Lines at the margin after a one-line target or comment are an ordinary paragraph.
    rest = next((i for i, line in enumerate(block) if i and _indent(line) <= indent), len(block))
    after = block[rest:]
    if after and after[0].lstrip().startswith(".. "):
        return _directive(after, indent)
    if match is None or not _PROSE_DIRECTIVE.fullmatch(match[1]):
        return after, None if after else indent
    body = [line for line in block[1:rest] if not re.match(r"\s*:[\w-]+:", line)]
    first = [] if not match[2] else [" " * indent + match[2]]
    return first + body + after, None
