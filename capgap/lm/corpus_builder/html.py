"""English prose out of HTML pages.

Scripts, code blocks and navigation are dropped; what a browser would show as a paragraph
becomes one line, and paragraphs are separated by blank lines.
"""

import re
from html.parser import HTMLParser

__all__ = ["from_html", "html_sections"]

_SKIPPED = re.compile("script|style|head|nav|header|footer|pre|svg|math")
_BLOCK = re.compile("p|div|h[1-6]|li|[uod]l|d[td]|tr|table|blockquote|section|article|br|hr")
_VOID = re.compile("area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr")
# Values of class and id that mark navigation in the packages we read.
_NAVIGATION = re.compile(
    r"nav|navheader|navfooter|docnav|global-nav|\S*navigation|toc|page-links|indexterm|headerlink"
    r"|nosearch|sidebar|searchbox|sphinxsidebar"
)
_FRAME_IDS = frozenset({"banner", "title", "hd", "ft"})
_HEADINGS = frozenset({"h1", "h2", "h3"})


class _Text(HTMLParser):
    """Collects paragraphs; a heading's paragraph is marked."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.paragraphs: list[tuple[bool, str]] = []  # (is it a heading, its text)
        self._pieces: list[str] = []
        self._open: list[tuple[str, bool]] = []  # (tag, does it hide its content)
        self._hidden = 0
        self._heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if _BLOCK.fullmatch(tag):
            self.flush()
        if _VOID.fullmatch(tag):
            return
        hides = bool(_SKIPPED.fullmatch(tag)) or _is_navigation(attrs)
        self._open.append((tag, hides))
        self._hidden += hides
        self._heading = self._heading or tag in _HEADINGS

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if _BLOCK.fullmatch(tag):
            self.flush()

    def handle_endtag(self, tag: str) -> None:
        if _BLOCK.fullmatch(tag):
            self.flush()
        if tag in _HEADINGS:
            self._heading = False
        if any(tag == opened for opened, _ in self._open):
            # Close what was left open inside, as a browser does.
            while self._open:
                opened, hides = self._open.pop()
                self._hidden -= hides
                if opened == tag:
                    break

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._pieces.append(data)

    def flush(self) -> None:
        text = " ".join("".join(self._pieces).split())
        self._pieces.clear()
        if text:
            self.paragraphs.append((self._heading, text))


def _is_navigation(attrs: list[tuple[str, str | None]]) -> bool:
    words = [(n, w) for n, value in attrs if n in {"class", "id"} for w in (value or "").split()]
    return any(_NAVIGATION.fullmatch(w) or (n == "id" and w in _FRAME_IDS) for n, w in words)


def _parse(markup: str) -> list[tuple[bool, str]]:
    parser = _Text()
    parser.feed(markup)
    parser.close()
    parser.flush()
    return parser.paragraphs


def from_html(markup: str) -> str:
    r"""Paragraphs of a page's body, without scripts, code blocks and navigation.

    >>> page = "<head><title>T</title></head><h1>Tea</h1><p>Hot &amp;\n<b>strong</b>.<pre>x=1</pre>"
    >>> from_html(page)
    'Tea\n\nHot & strong.'
    """
    return "\n\n".join(text for _, text in _parse(markup))


def html_sections(markup: str) -> list[str]:
    """The page cut before each heading of level 1 to 3; each part begins with its heading.

    >>> html_sections("<p>Intro.</p><h2>One</h2><p>First.</p><h2>Two</h2><p>Second.</p>")
    ['Intro.', 'One\\n\\nFirst.', 'Two\\n\\nSecond.']
    """
    sections: list[list[str]] = []
    for heading, text in _parse(markup):
        if heading or not sections:
            sections.append([])
        sections[-1].append(text)
    return ["\n\n".join(section) for section in sections]
