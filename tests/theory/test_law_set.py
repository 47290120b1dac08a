"""Law sets: saved and read back to the last bit, sampled as their intervals say."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.theory.additive_hinge import AdditiveHingeLaw
from capgap.theory.coefficients import distillation_law, law_set, supervised_law
from capgap.theory.hinge import HingeLaw
from capgap.theory.law_set import (
    Laws,
    LawSet,
    coefficients_of,
    from_dict,
    load_law_set,
    save_law_set,
    to_dict,
)
from capgap.theory.supervised import SupervisedLaw

OWN = supervised_law()
STUDENT = replace(OWN, B=0.8 * OWN.B)
TAUGHT = {
    "eq8": distillation_law(),
    "eq8-reduced": distillation_law().reduced(),
    "hinge": HingeLaw(STUDENT, rho=0.8, s=0.05, c=2e-3, p=0.25, q=0.01),
    "hinge-additive": AdditiveHingeLaw(STUDENT, rho=0.8, s=0.05, c=2e-3, p=0.25, q=0.01),
}
N, D, L_T = 7e8, 3e10, 2.2


@pytest.mark.parametrize("kind", TAUGHT)
def test_saved_sets_come_back_bit_for_bit(kind: str, tmp_path) -> None:
    draws = tuple(Laws(replace(OWN, E=E), TAUGHT[kind]) for E in (1.2, 1.21))
    if kind.startswith("eq8"):
        draws = tuple(
            Laws(own, replace(TAUGHT[kind], supervised=own))
            for own in (replace(OWN, E=1.2), replace(OWN, E=1.21))
        )
    saved = LawSet(
        "mine", Laws(OWN, TAUGHT[kind]), "made up", intervals={"supervised.E": (1.1, 1.3)},
        draws=draws, fitted={"N_S": (1e6, 1e9)}, family=ModelFamily(16, 12.5, 256, 256),
    )  # fmt: skip
    save_law_set(saved, tmp_path / "mine.json")
    read = load_law_set(tmp_path / "mine.json")
    assert read.laws == saved.laws
    assert read.draws == saved.draws
    assert read.family == saved.family
    assert dict(read.intervals) == {"supervised.E": (1.1, 1.3)}
    assert read.taught.loss(N, D, L_T) == saved.taught.loss(N, D, L_T)
    assert to_dict(read) == to_dict(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "capgap laws 0"}, "format must be 'capgap laws 1'"),
        ({"laws": {"supervised": "cubic"}}, "law 'cubic' must be one of supervised, product"),
        ({"name": None, "coefficients": {}}, "missing"),
        ({"intervals": {"supervised.E": [2, 1]}}, r"supervised.E = \(2, 1\) must be ordered"),
        ({"intervals": {"taught.zeta": [1, 2]}}, "of no coefficient"),
        ({"intervals": {"supervised.E": [1]}}, "law set: "),
        ({"fitted": {"N": [1, 2]}}, "fitted 'N' must be one of N_S"),
        ({"draws": {"supervised.E": [1], "supervised.A": []}}, "must have one length"),
        ({"family": {"n_ctx": 0}}, "n_ctx = 0"),
        ({"laws": []}, "law set: "),
        ({"coefficients": [1, 2]}, "law set: "),
        ({"intervals": {"supervised.E": [1, 10**400]}}, "law set: "),
        ({"draws": {"supervised.E": 7}}, "law set: "),
    ],
)
def test_damaged_files_are_refused_in_one_line(change: dict, message: str, tmp_path) -> None:
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps({**to_dict(law_set()), **change}))
    with pytest.raises(InputError, match=message) as caught:
        load_law_set(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_coefficient_out_of_its_domain_and_no_json_and_no_file(tmp_path) -> None:
    record = to_dict(law_set())
    record["coefficients"]["supervised.alpha"] = -1
    with pytest.raises(InputError, match="alpha = -1 must be finite and > 0"):
        from_dict(record)
    (tmp_path / "text").write_text("E = 1.2")
    with pytest.raises(InputError, match="is not JSON"):
        load_law_set(tmp_path / "text")
    (tmp_path / "deep").write_text("[" * 100_000)
    with pytest.raises(InputError, match="is not JSON"):
        load_law_set(tmp_path / "deep")
    with pytest.raises(InputError, match="No such file"):
        load_law_set(tmp_path / "nothing")


def test_independent_draws_have_the_stated_intervals() -> None:
    """4,000 draws: 90% of a normal is in its interval, standard error .5%; three of them.

    Negative control: the same count against an interval of half the width."""
    chosen = law_set("printed")
    draws = [coefficients_of(laws) for laws in chosen.sample(4000, seed=1)]
    for name, (low, high) in chosen.intervals.items():
        values = np.array([row[name] for row in draws])
        if low == high:
            assert np.all(values == coefficients_of(chosen.laws)[name])
            continue
        # Intervals are not quite centered on their values: the share in them is a little off.
        center = np.sqrt(low * high)
        width = np.log(high / low) / 2
        offset = np.log(coefficients_of(chosen.laws)[name] / center)
        inside = np.mean(np.abs(np.log(values / center) - offset) <= width)
        assert inside == pytest.approx(0.9, abs=3 * 0.0048)
        narrow = np.mean(np.abs(np.log(values / center) - offset) <= width / 2)
        assert narrow < 0.7


def test_joint_draws_are_used_where_there_are_some() -> None:
    own = tuple(Laws(SupervisedLaw(E, 10.0 * E, 1.0, 0.5, 0.5)) for E in (1.0, 2.0, 3.0))
    chosen = LawSet("joint", own[0], "made up", draws=own)
    drawn = chosen.sample(3, seed=0)
    assert sorted(laws.supervised.E for laws in drawn) == [1.0, 2.0, 3.0]
    assert len(chosen.sample(50, seed=0)) == 50
    assert all(laws.supervised.A == 10 * laws.supervised.E for laws in chosen.sample(50, seed=0))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_same_seed_same_draws(seed: int) -> None:
    chosen = law_set()
    assert chosen.sample(3, seed) == chosen.sample(3, seed)
    assert chosen.sample(1, seed) != chosen.sample(1, seed + 1)


def test_outside_names_what_is_outside() -> None:
    chosen = law_set()
    assert chosen.outside(N_S=1e9, D_S=2e10, L_T=2.2) == ()
    low, high = chosen.outside(N_S=1e7, L_T=3.0)
    assert "N_S = 1e+07 is below" in low
    assert "L_T = 3 is above" in high
