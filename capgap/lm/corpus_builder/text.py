"""Clean text, keep prose, drop what was already seen.

Three steps that every document of a built corpus passes, whatever its source:

1. `normalize`: Unicode NFC, LF newlines, no control characters but newline and tab.
2. `is_prose`: a few of the quality rules of Rae et al. (Gopher), arXiv 2112.11446, appendix A.1.
3. `Deduplicator`: exact documents by hash, then paragraphs by hash (Wenzek et al., CCNet,
   arXiv 1911.00359, section 3.1), which also drops near-copies of a document.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

__all__ = ["MIN_PARAGRAPH", "MIN_WORDS", "DeduplicationCounts", "Deduplicator", "is_prose"]
__all__ += ["decode", "normalize"]

MIN_WORDS = 20
MIN_PARAGRAPH = 60
STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})

_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_TRAILING = re.compile(r"[ \t]+\n")
_GAPS = re.compile(r"\n{3,}")


def decode(raw: bytes) -> str:
    r"""Text of bytes that are UTF-8 but for some lines of Latin-1.

    A few old files mix both; a line that is not UTF-8 is read as Latin-1, which cannot fail.

    >>> decode(b"caf\xc3\xa9\ncaf\xe9\n") == "caf\u00e9\n" * 2
    True
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(_decode_line(line) for line in raw.splitlines(keepends=True))


def _decode_line(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def normalize(text: str) -> str:
    r"""NFC, LF newlines, at most one blank line in a row, one newline at the end.

    Control characters except newline and tab, lone surrogates and byte-order marks are
    removed; an empty text stays empty. Normalizing twice changes nothing.

    >>> normalize("cafe\u0301 \r\n\r\n\r\n\x00tea")
    'café\n\ntea\n'
    """
    text = _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))
    text = unicodedata.normalize("NFC", text)
    text = _GAPS.sub("\n\n", _TRAILING.sub("\n", text + "\n"))
    text = text.strip("\n").rstrip()
    return text + "\n" if text else ""


def is_prose(text: str) -> bool:
    """Whether a text reads as English prose by simple counts over its words.

    True when it has at least `MIN_WORDS` words, their mean length is from 3 to 10
    characters, at least 70 % of them hold a letter, and at least two different words are in
    {the, be, to, of, and, that, have, with}. The source (arXiv 2112.11446, appendix A.1) asks
    for 50 to 100,000 words and 80 %: we take shorter and longer documents, since an
    encyclopedia's summary is short and a manual long, and 70 %, since technical prose
    carries numbers and options.

    >>> is_prose("the cat and the dog " * 5)
    True
    >>> is_prose("0x1f 0x2e 0x3d == ++ " * 5)
    False
    """
    words = text.split()
    if len(words) < MIN_WORDS:
        return False
    mean_length = sum(map(len, words)) / len(words)
    lettered = sum(any(c.isalpha() for c in word) for word in words)
    common = STOP_WORDS.intersection(text.lower().split())
    return 3 <= mean_length <= 10 and lettered >= 0.7 * len(words) and len(common) >= 2


@dataclass(frozen=True)
class DeduplicationCounts:
    """What deduplication removed.

    Attributes
    ----------
    exact_documents
        Documents equal to an earlier one, up to case and white space.
    near_documents
        Documents more than half of whose characters lie in paragraphs seen earlier.
    paragraphs
        Paragraphs seen earlier that were cut out of documents that stayed.
    """

    exact_documents: int
    near_documents: int
    paragraphs: int


class Deduplicator:
    """Drops documents and paragraphs that repeat earlier ones; remembers only hashes.

    Two texts are equal here when they agree after lower-casing and after every run of
    white space becomes one space. A paragraph (text between blank lines) counts when it
    has at least `MIN_PARAGRAPH` characters in that form, so that headings and short
    answers may repeat. A license notice or a standard footer in many files is such a
    paragraph: its first copy stays, the later ones are cut, and a file that holds hardly
    anything else goes as a near-copy. A document that is dropped leaves no paragraphs
    behind in the memory. Hashes have 128 bits: among 10 million paragraphs the chance of
    any accidental match is below 1e-24 (birthday bound n^2 / 2^129).

    Examples
    --------
    >>> seen = Deduplicator()
    >>> fox = "The quick brown fox jumps over the lazy dog, and then it sleeps for an hour."
    >>> seen.admit(fox), seen.admit(fox.upper())
    ('The quick brown fox jumps over the lazy dog, and then it sleeps for an hour.\\n', None)
    >>> seen.counts
    DeduplicationCounts(exact_documents=1, near_documents=0, paragraphs=0)
    """

    def __init__(self) -> None:
        self._documents: set[bytes] = set()
        self._paragraphs: set[bytes] = set()
        self._exact = self._near = self._cut = 0

    @property
    def counts(self) -> DeduplicationCounts:
        """What was removed so far."""
        return DeduplicationCounts(self._exact, self._near, self._cut)

    def admit(self, text: str) -> str | None:
        """The document without its repeated paragraphs, or None if it is a copy."""
        document = _digest(_plain(text))
        if document in self._documents:
            self._exact += 1
            return None
        self._documents.add(document)
        kept: list[str] = []
        new: set[bytes] = set()
        total = repeated = cut = 0
        for paragraph in text.strip("\n").split("\n\n"):
            plain = _plain(paragraph)
            total += len(plain)
            if len(plain) >= MIN_PARAGRAPH:
                digest = _digest(plain)
                if digest in new or digest in self._paragraphs:
                    # Repeats inside one document are cut too, but do not make it a copy.
                    repeated += len(plain) if digest in self._paragraphs else 0
                    cut += 1
                    continue
                new.add(digest)
            kept.append(paragraph)
        if 2 * repeated > total:
            self._near += 1
            return None
        self._paragraphs |= new
        self._cut += cut
        return "\n\n".join(kept) + "\n"


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _digest(plain: str) -> bytes:
    return hashlib.blake2b(plain.encode("utf-8"), digest_size=16).digest()
