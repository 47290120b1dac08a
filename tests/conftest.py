"""Fixtures shared by the tests: small texts, small models."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# The same examples on every run, and no time limit per example on a busy machine.
settings.register_profile("capgap", deadline=None, derandomize=True)
settings.load_profile("capgap")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """One torch thread: small models gain nothing from more, and results depend on it."""
    try:
        import torch
    except ModuleNotFoundError:
        return
    torch.set_num_threads(1)


@pytest.fixture
def words() -> list[str]:
    """Made-up words, always the same."""
    rng = np.random.default_rng(7)
    letters = np.array(list("etaoinshrdlu"))
    return ["".join(rng.choice(letters, size=rng.integers(2, 8))) for _ in range(200)]


@pytest.fixture
def text_folder(tmp_path: Path, words: list[str]) -> Path:
    """Thirty small text files of made-up prose, about 1.5 kB each."""
    folder = tmp_path / "texts"
    folder.mkdir()
    rng = np.random.default_rng(8)
    for i in range(30):
        text = " ".join(rng.choice(words, size=300)) + ".\n"
        (folder / f"{i:02d}.txt").write_text(text, encoding="utf-8")
    return folder
