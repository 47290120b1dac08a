"""A larger English corpus from Debian and Python packages, assembled on the user's machine."""

from capgap.lm.corpus_builder.build import build_corpus
from capgap.lm.corpus_builder.manifest import Manifest, check_corpus
from capgap.lm.corpus_builder.sources import SOURCES, Source

__all__ = ["SOURCES", "Manifest", "Source", "build_corpus", "check_corpus"]
