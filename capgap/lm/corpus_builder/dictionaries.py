"""English prose out of dictionaries, WordNet, an encyclopedia's summaries and plays.

Dictionary entries are short, so consecutive entries are gathered into pages of about
`PAGE` characters: one page is one document, one entry one paragraph.
"""

import json
import re
from collections.abc import Iterable, Iterator

__all__ = ["PAGE", "dictd_entries", "gcide_entry", "glossary_entry", "pages", "play_scenes"]
__all__ += ["encyclopedia_articles", "wordnet_entries"]

PAGE = 4000


def pages(entries: Iterable[str]) -> Iterator[str]:
    """Consecutive entries joined by blank lines, a page ending once it has `PAGE` characters.

    >>> [len(page) for page in pages(["x" * 3000, "y" * 2000, "z"])]
    [5002, 1]
    """
    page: list[str] = []
    size = 0
    for entry in entries:
        page.append(entry)
        size += len(entry)
        if size >= PAGE:
            yield "\n\n".join(page)
            page, size = [], 0
    if page:
        yield "\n\n".join(page)


_BASE64 = {
    c: i for i, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = 64 * value + _BASE64[digit]
    return value


def dictd_entries(index: str, text: bytes) -> Iterator[bytes]:
    """Entries of a dictd database, each once, in the order of the text.

    A line of the index is 'headword TAB offset TAB length' with numbers in base 64 (dictfmt,
    RFC 2229 servers); several headwords may share an entry. The entries named '00-database'
    or '00database' describe the database itself and are left out.

    >>> list(dictd_entries("cat\\tA\\tD\\ndog\\tD\\tE\\npuss\\tA\\tD\\n", b"catdogs"))
    [b'cat', b'dogs']
    """
    spans: set[tuple[int, int]] = set()
    own: set[tuple[int, int]] = set()
    for line in index.splitlines():
        word, offset, length = line.split("\t")[:3]
        span = (_number(offset), _number(length))
        (own if re.match("00-?database", word) else spans).add(span)
    for start, size in sorted(spans - own):
        yield text[start : start + size]


# Tags of origin such as [1913 Webster], [WordNet 1.5 +PJC], [PJC].
_ORIGIN = re.compile(r"\s*\[(?:[^\[\]]*(?:Webster|WordNet|PJC|Century Dict)[^\[\]]*|RDH|AS)\]")
# After the last tag of an entry sometimes the catchword of the printed page.
_CATCHWORD = re.compile(r"(\[[^\[\]]*Webster[^\[\]]*\]) +[^\n\[\]]{1,40}\s*\Z")
_PRONUNCIATION = re.compile(r"\s*\\[^\\\n]*\\")
_ACCENTED = re.compile(r"\[[^\w\s\[\]]{1,2}([A-Za-z]{1,2})\]|\[([A-Za-z])[^\w\s\[\].,?]{1,2}\]")
_PHONETIC = re.compile(r"\s*\(\?[^()]*\)|\s*\([^()\s]*(?:\[[^\[\]]{2,3}\]|[\"`*])[^()\s]*\)")
_GREEK = re.compile(r"(?:\bfr\. )?\bGr\. \?+[,;]?\s?")


def gcide_entry(text: str) -> str:
    r"""One GCIDE entry as plain lines: headword, then each sense or quotation on its line.

    Tags of origin, the respelling between backslashes and the phonetic key are dropped, so
    is Greek that the database replaced by question marks; accents written as [e'] become
    plain letters and references lose their braces.

    >>> entry = 'Tea \\Tea\\ (t[=e]), n. [Chin.]\n   1. The leaves of\n      a shrub.\n   [PJC]'
    >>> gcide_entry(entry)
    'Tea, n. [Chin.]\n1. The leaves of a shrub.'
    """
    text = _ORIGIN.sub("", _CATCHWORD.sub(r"\1", text))
    text = _PHONETIC.sub("", _PRONUNCIATION.sub("", text))
    text = _ACCENTED.sub(lambda m: m[1] or m[2], text)
    text = re.sub(r"\[(ae|oe|AE|OE)\]", r"\1", text)
    text = re.sub(r"\[\s*\]|\(\s*\)", "", _GREEK.sub("", text))
    return _joined(text.replace("{", "").replace("}", ""), hanging=True)


def glossary_entry(text: str) -> str:
    r"""One entry of FOLDOC or the Jargon File: the term on a line, then its paragraphs.

    >>> glossary_entry("actor\n\n   1. <theory> An {object} which\n   exists.\n\n   (1994-11-08)\n")
    'actor\nAn object which exists.'
    """
    text = re.sub(r"\n\s*\(\d{4}-\d\d-\d\d\)\s*$", "", text.rstrip())
    text = re.sub(r"(?:\d+\. )?<[a-z][\w ,/-]*> ", "", text)
    return _joined(re.sub(r"[{}]", "", re.sub(r"\{\s+", "{", text)), hanging=False)


def _joined(text: str, *, hanging: bool) -> str:
    """Each block of lines as one line; with `hanging`, numbered senses start new lines."""
    out: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.split("\n")
        if hanging:
            lines = re.sub(r"\n\s+(?=(?:\d+|\([a-z]\))\.? )", "\0", block).split("\0")
        elif len(lines) > 1 and lines[0][:1].strip() and not lines[1][:1].strip():
            lines = [lines[0], "\n".join(lines[1:])]
        else:
            lines = [block]
        out += [" ".join(line.split()) for line in lines if line.strip()]
    return "\n".join(out)


def wordnet_entries(text: str) -> Iterator[str]:
    """Lines 'words: gloss' of a WordNet data file (format: wndb(5)).

    A data line holds offset, file number, part of speech, a hexadecimal count of words,
    the words each with an identifier, pointers, and after ' | ' the gloss.

    >>> list(wordnet_entries("00001740 03 n 02 tea_leaf 0 leaf 0 000 | dried leaves; 'tea'  "))
    ["tea leaf, leaf: dried leaves; 'tea'"]
    """
    for line in text.splitlines():
        data, bar, gloss = line.partition(" | ")
        if line.startswith("  ") or not bar:
            continue  # the license at the top of the file
        fields = data.split()
        words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        names = (re.sub(r"\((a|p|ip)\)$", "", word).replace("_", " ") for word in words)
        yield f"{', '.join(names)}: {gloss.strip()}"


def encyclopedia_articles(text: str) -> Iterator[tuple[str, str]]:
    """Titles and texts of a JSON object {title: {"title": ..., "extract": ...}}.

    >>> list(encyclopedia_articles('{"Tea": {"title": "Tea", "extract": "Tea is hot."}}'))
    [('Tea', 'Tea\\n\\nTea is hot.')]
    """
    for title, article in json.loads(text).items():
        if article["extract"].strip():
            yield title, f"{article['title']}\n\n{article['extract']}"


def play_scenes(text: str) -> Iterator[str]:
    r"""Scenes of a play in Markdown, each with the play's title, act and scene on top.

    A play begins '# Title', an act '## ACT', a scene '### SCENE'; a speaker stands in
    '**bold**', a stage direction in '_italics_' and becomes '[direction]'.

    >>> play = "# Tea\n\n## ACT I\n\n### SCENE I. Here.\n\n_Enter A_\n\n**A**  \nHot  \ntea.\n"
    >>> list(play_scenes(play))
    ['Tea\nACT I\nSCENE I. Here.\n\n[Enter A]\n\nA\nHot\ntea.']
    """
    title, _, rest = text.partition("\n")
    for act in re.split(r"^## ", rest, flags=re.M):
        name, _, body = act.partition("\n")
        for scene in re.split(r"^### ", body, flags=re.M):
            head, _, speech = scene.strip().partition("\n")
            if not speech.strip():
                continue
            speech = re.sub(r"^_(.+?)_$", r"[\1]", speech.strip(), flags=re.M)
            speech = re.sub(r"\*\*(.+?)\*\*", r"\1", speech).replace("_", "")
            speech = re.sub(r"\\(?=[^\w\s])", "", speech)  # Markdown's escapes
            speech = re.sub(r"[ \t]+$", "", speech, flags=re.M)
            yield f"{title.lstrip('# ').strip()}\n{name.strip()}\n{head}\n\n{speech}"
