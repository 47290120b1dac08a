"""The points read off Fig. 8: as shipped, and what the loader refuses."""

from importlib.resources import files

import numpy as np
import pytest

from capgap.comparison.digitised import fig8, read
from capgap.errors import InputError
from capgap.prediction.scenario import SCENARIOS

HEADER = "NS,scenario,log10C,L\n"


def test_points_are_those_of_the_file() -> None:
    """Counts by hand: 14 supervised points per student; no `both` curve of the 10B student."""
    figure = fig8()
    assert len(figure) == 145
    assert sorted(set(figure.N_S.tolist())) == [3e8, 1e9, 3e9, 1e10]
    counts = {name: int(figure.of(name).sum()) for name in SCENARIOS}
    assert counts == {
        "supervised": 56, "best": 24, "inference": 20, "pretraining": 30, "both": 15,
    }  # fmt: skip
    assert not np.any(figure.of("both") & (figure.N_S == 1e10))
    assert np.all((figure.loss > 1.8) & (figure.loss < 2.7))
    assert np.all((figure.budget > 1e20) & (figure.budget < 1.1e24))


def test_every_curve_falls_with_compute() -> None:
    """A point read off the wrong curve would break this."""
    figure = fig8()
    for curve in range(figure.curves.max() + 1):
        mine = figure.curves == curve
        assert len(set(zip(figure.N_S[mine], np.array(figure.scenario)[mine], strict=True))) == 1
        assert np.all(np.diff(figure.budget[mine]) > 0)
        assert np.all(np.diff(figure.loss[mine]) < 0)


def test_record_is_read_only_and_has_its_provenance_beside_it() -> None:
    with pytest.raises(ValueError, match="read-only"):
        fig8().loss[0] = 0
    note = files("capgap.comparison.digitised").joinpath("README.md").read_text(encoding="utf-8")
    assert "2502.08606" in note
    assert "0.01" in note


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NS,scenario,log10C\n1e9,best,20\n", "'L'"),
        (HEADER + "1e9,best,20,abc\n", "abc"),
        (HEADER + "1e9,worst,20,2.0\n", "scenario = 'worst'"),
        (HEADER + "1e9,best,nan,2.0\n", "must be finite"),
        (HEADER + "-1,best,20,2.0\n", "> 0"),
        (HEADER + "1e9,best,20\n", "row"),
    ],
)
def test_bad_rows_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(text)
