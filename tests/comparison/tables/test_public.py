"""The shipped sets: counts, values by hand, licenses, and what their README says of them."""

import gzip
import hashlib
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from capgap.comparison.tables import public
from capgap.comparison.tables.public import PUBLIC
from capgap.comparison.tables.read import read_runs
from capgap.errors import InputError

FOLDER = files(public)
README = FOLDER.joinpath("README.md").read_text(encoding="utf-8")
ROWS = {
    "chinchilla": 240,
    "gemstones-hot": 220,
    "gemstones-cool-begin": 199,
    "gemstones-cool-end": 199,
    "gadre-c4": 34,
    "gadre-redpajama": 35,
    "gadre-refinedweb": 35,
    "gadre-redpajama-own": 35,
    "gadre-refinedweb-own": 35,
    "datablations": 296,
    "datablations-unique": 41,
}


def content(name: str) -> bytes:
    data = FOLDER.joinpath(name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def test_every_set_is_counted_here_and_in_the_readme() -> None:
    assert set(ROWS) == set(PUBLIC)
    listed = re.findall(r"^\| ([a-z0-9-]+) \| (\d+) \|", README, re.MULTILINE)
    assert {name: int(rows) for name, rows in listed} == ROWS


@pytest.mark.parametrize("name", PUBLIC)
def test_a_set_reads_and_has_its_license(name: str) -> None:
    runs = read_runs(name)
    assert len(runs) == ROWS[name]
    assert not runs.taught
    assert runs.source.startswith(name)
    terms = FOLDER.joinpath(PUBLIC[name].license).read_text(encoding="utf-8")
    assert "MIT License" in terms or "Apache License" in terms
    # Sizes and lengths of language models, losses in nats.
    assert np.all((runs.N > 5e6) & (runs.N < 2e10))
    assert np.all((runs.D > 4e7) & (runs.D < 1e12))
    assert np.all((runs.loss > 1.7) & (runs.loss < 11.1))


def test_files_are_those_that_the_readme_describes() -> None:
    listed = dict(re.findall(r"^\| (\S+\.csv(?:\.gz)?) \|.*\| ([0-9a-f]{64}) \|$", README, re.M))
    shipped = [one.name for one in FOLDER.iterdir() if ".csv" in one.name]
    assert sorted(listed) == sorted(shipped)
    assert {one.file for one in PUBLIC.values()} == set(shipped)
    for name, digest in listed.items():
        assert hashlib.sha256(content(name)).hexdigest() == digest


def test_chinchilla_by_hand() -> None:
    """First row of the file below the 5th largest loss is the sixth; D = FLOP / (6 N).

    9.08578900048968e+18 / (6 * 1730543416.124146) = 8.75040e8.
    """
    runs = read_runs("chinchilla")
    losses = sorted(float(line.rsplit(",", 1)[1]) for line in content("chinchilla.csv").decode()
                    .splitlines()[1:])  # fmt: skip
    assert runs.loss.max() < losses[-5]
    assert sorted(runs.loss) == losses[:-5]
    assert runs.row is not None
    assert (int(runs.row[0]), float(runs.N[0])) == (6, 1730543416.124146)
    assert runs.D[0] == pytest.approx(8.7504e8, rel=1e-4)


def test_gemstones_by_hand() -> None:
    """First rows of the files; 22 models, two of which were never cooled down."""
    for name, tokens, loss in (
        ("hot", 10003415040, 3.1010556221),
        ("cool-begin", 10003415040, 3.1010556221),
        ("cool-end", 10997465088, 3.0146045685),
    ):
        runs = read_runs(f"gemstones-{name}")
        assert (runs.N[0], runs.D[0], runs.loss[0]) == (543482880, tokens, loss)
        assert runs.cell is not None
        assert len(set(runs.cell)) == (22 if name == "hot" else 20)


def test_gadre_by_hand() -> None:
    """Third line of the file: 3.53053282244497 - 3.525283367304321 = .00524945514;
    over 2 * 1.959964 it is .00133918."""
    runs = read_runs("gadre-c4")
    assert (runs.N[0], runs.D[0], runs.loss[0]) == (359973888, 2058081280, 3.5279492850157737)
    assert runs.standard_error is not None
    assert runs.standard_error[0] == pytest.approx(0.00133918, rel=1e-5)
    assert read_runs("gadre-c4", columns={"N": "params"}).N[0] == 411616256


def test_datablations_by_hand() -> None:
    """Seeds of one configuration: 2.81e9 parameters, 55e9 tokens, lines read off the file."""
    unique = read_runs("datablations-unique")
    seeds = unique.where((unique.N == 2.81e9) & (unique.D == 55e9))
    assert sorted(seeds.loss) == [2.568221, 2.569587, 2.569702, 2.570589, 2.574117]


def test_more_filters_and_other_columns() -> None:
    assert len(read_runs("chinchilla", where=["Training FLOP<1e21"])) == 217
    small = read_runs("gemstones-hot", columns={"cell": "width"}, where=["N<100M"])
    assert small.N.max() < 1e8
    assert small.cell is not None
    assert set(small.cell) <= {"256", "384", "512"}
    with_D = read_runs("chinchilla", columns={"D": "x"})
    assert with_D.D[0] == 151.13178
    with pytest.raises(InputError, match="runs: chinchilla: no column 'y2'"):
        read_runs("chinchilla", columns={"N": "y2"})


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chinchilla").write_text("N,D,loss\n1,2,3\n")
    assert len(read_runs("chinchilla")) == 1
