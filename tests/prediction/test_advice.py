"""The verdict by its rule, and a sentence that says what it rests on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.prediction.advice import advise_plan, advise_prediction, describe_teacher, judge
from capgap.prediction.flat import SLACK, FlatRanges
from capgap.prediction.question import Question
from capgap.theory.coefficients import law_set

OPPOSITE = {"distil": "train alone", "train alone": "distil", "undecided": "undecided"}
PLAN = Question(1e9, 1e22, "both").allocate(law_set())


@pytest.mark.parametrize(
    ("gain", "interval", "verdict"),
    [
        (0.05, (0.01, 0.09), "distil"),
        (-0.05, (-0.09, -0.01), "train alone"),
        (0.05, (-0.01, 0.09), "undecided"),
        (0.05, (0.0, 0.09), "undecided"),  # 0 is in the interval
        (0.05, None, "undecided"),
        (SLACK, (0.0001, 0.002), "distil"),
        (0.999 * SLACK, (0.0001, 0.002), "undecided"),
        (-0.999 * SLACK, (-0.002, -0.0001), "undecided"),
    ],
)
def test_judge(gain: float, interval: tuple[float, float] | None, verdict: str) -> None:
    assert judge(gain, interval) == verdict


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_loss_is_judged_like_a_gain(gain: float, below: float, above: float) -> None:
    turned = judge(-gain, (-gain - above, -gain + below))
    assert turned == OPPOSITE[judge(gain, (gain - below, gain + above))]


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_wider_interval_decides_no_more(
    gain: float, below: float, above: float, wider: float
) -> None:
    narrow = judge(gain, (gain - below, gain + above))
    wide = judge(gain, (gain - below - wider, gain + above + wider))
    assert wide in (narrow, "undecided")


def test_the_sentence_of_a_gain() -> None:
    found = advise_prediction(
        describe_teacher(np.nan, np.nan, 2.1), 2e10, 0.04, (0.02, 0.05), 0.9, ("a, b",)
    )
    assert found.text == (
        "Distil: on 20B tokens a teacher at 2.100 nats gains 0.040 nats over training alone"
        " (90% interval 0.020 to 0.050); a, b."
    )


def test_the_sentence_of_a_loss_turns_its_interval() -> None:
    found = advise_plan(PLAN, -0.033, (-0.054, -0.01), 0.9)
    assert found.text.startswith("Train alone: even the best choice, a teacher of 2.95B parameters")
    assert "loses 0.033 nats against training alone (90% interval 0.010 to 0.054)" in found.text


@pytest.mark.parametrize(
    ("gain", "interval", "words"),
    [
        (
            0.0004,
            (-0.01, 0.01),
            "is worth +0.0004 nats against training alone (90% interval -0.010 to 0.010)",
        ),
        (0.0004, (-0.01, 0.01), "too little to matter"),
        (0.02, (-0.01, 0.05), "its sign is not sure"),
        (-0.02, (-0.05, 0.01), "is worth -0.020 nats against training alone (90% interval -0.050"),
        (0.02, None, "nothing is known of the error"),
    ],
)
def test_why_it_is_undecided(gain: float, interval: tuple[float, float] | None, words: str) -> None:
    found = advise_plan(PLAN, gain, interval, 0.9)
    assert found.verdict == "undecided"
    assert found.text.startswith("Undecided: ")
    assert words in found.text


@pytest.mark.parametrize(
    ("flat", "words"),
    [
        (
            FlatRanges(0.001, (2.0, 2.1), (1e11, 2e11), (2e9, 4e9), (1e11, 2e11)),
            "teachers of 2B to 4B",
        ),
        (FlatRanges(0.001, (2.0, 2.1), (1e11, 1e11)), "teachers at 2.000 to 2.100 nats"),
        (FlatRanges(0.001, (2.0, 2.1), (1e11, 2e11), (2e9, 2.5e9), (1e11, 2e11)), None),
        (None, None),
    ],
)
def test_flatness_is_told_where_there_is_some(flat: FlatRanges | None, words: str | None) -> None:
    text = advise_plan(PLAN, -0.033, (-0.054, -0.01), 0.9, flat=flat).text
    assert (words in text) if words else ("teachers" not in text)


def test_names_and_free_teachers() -> None:
    best = Question(1e9, 1e22, "best").allocate(law_set())
    assert (
        "a teacher at 1.985 nats on 1.36T student tokens"
        in advise_plan(best, 0.1, (0.05, 0.2), 0.9).text
    )
    assert (
        "'ours', a teacher of 2.95B" in advise_plan(PLAN, 0.1, (0.05, 0.2), 0.9, name="ours").text
    )
