"""A law set is found by its name, or else in a file."""

from pathlib import Path

import pytest

from capgap.errors import InputError
from capgap.theory.coefficients import law_set
from capgap.theory.law_set import save_law_set
from capgap.theory.named_laws import find_law_set


@pytest.mark.parametrize("name", ["printed", "reconstructed", "chinchilla"])
def test_name_gives_the_named_set(name: str) -> None:
    assert find_law_set(name) == law_set(name)


def test_file_is_read_and_a_name_goes_before_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_law_set(law_set("printed"), Path("mine.json"))
    save_law_set(law_set("printed"), Path("reconstructed"))
    assert find_law_set("mine.json").laws == law_set("printed").laws
    assert find_law_set("reconstructed").laws == law_set("reconstructed").laws
    assert find_law_set("./reconstructed").laws == law_set("printed").laws


def test_neither_name_nor_law_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^coefficients: 'best' must be one of printed, .* file$"):
        find_law_set("best")
    with pytest.raises(InputError, match="must be one of"):
        find_law_set(str(tmp_path))  # a folder
    path = tmp_path / "broken.json"
    path.write_text("{")
    with pytest.raises(InputError, match=r"broken\.json is not JSON"):
        find_law_set(str(path))
