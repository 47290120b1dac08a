"""A model folder and a text, opened together as teacher and corpus of a distillation."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from capgap.lm.corpus import load_shipped, load_text
from capgap.lm.external import ExternalModel
from capgap.lm.hugging_face.loading import HuggingFaceTeacher, describe_folder, load_teacher
from capgap.lm.hugging_face.tokenizing import FolderTokenizer
from capgap.lm.tokenized import TokenizedCorpus

__all__ = ["Loader", "open_external"]

# Called with device and precision; checks the hash of the record.
Loader = Callable[..., HuggingFaceTeacher]


def open_external(
    folder: str | Path, text_paths: Sequence[str | Path] = (), context: int | None = None
) -> tuple[ExternalModel, Loader, TokenizedCorpus]:
    """Record, loader and corpus of a Hugging Face teacher; its weights are not loaded yet.

    Parameters
    ----------
    folder : path
        See `capgap.lm.hugging_face.load_teacher`.
    text_paths : sequence of path
        See `capgap.lm.corpus.load_text`; empty: the shipped speeches.
    context : int or None
        The student's sequence length, see `describe_folder`.

    Returns
    -------
    ExternalModel
        For `RunConfig.teacher`.
    Loader
        ``loader(device, precision)`` loads the weights and refuses them if they are not the
        ones recorded.
    TokenizedCorpus
        The text in the teacher's tokens; the student's `vocab_size` is its `vocab_size`.

    Raises
    ------
    InputError
        Folder or text cannot be used.
    """
    record = describe_folder(folder, context)
    text = load_text(text_paths) if text_paths else load_shipped()
    corpus = TokenizedCorpus(text, FolderTokenizer.open(folder), record.vocab_size)
    return record, partial(load_teacher, folder, sha256=record.sha256), corpus
