"""The mapping task against its definition, by brute force."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import chisquare

from capgap.errors import InputError
from capgap.measurement.mapping.task import Task, label_of


def legal(n: int) -> dict[tuple[tuple[int, ...], int], int]:
    """All (context, pointer) with a label, by the definition, without numpy."""
    found = {}
    for context in itertools.product((0, 1, 2), repeat=n):
        for i, value in enumerate(context):
            others = [j for j in range(n) if j != i and context[j] == value]
            if value == 0:
                found[context, i] = i
            elif len(others) == 1:
                found[context, i] = others[0]
    return found


@pytest.mark.parametrize("n", [3, 4, 6])
def test_all_examples_are_there_once_with_the_right_label(n: int) -> None:
    examples = Task(n).examples()
    listed = {
        (tuple(int(v) for v in context), int(i)): int(y)
        for context, i, y in zip(examples.context, examples.pointer, examples.label, strict=True)
    }
    assert len(listed) == len(examples)
    assert listed == legal(n)
    assert all(label_of(context, i) == y for (context, i), y in listed.items())


@pytest.mark.parametrize("share", [0.2, 1 / 3, 0.7])
def test_probabilities_are_those_of_the_formula(share: float) -> None:
    """P(c, i) of the docstring, recomputed example by example; tolerance: rounding."""
    n = 5
    examples = Task(n, share).examples()
    for context, i, p in zip(examples.context, examples.pointer, examples.probability, strict=True):
        value = context[i]
        wanted = share / 3 ** (n - 1) if value == 0 else (1 - share) / 2 / 2 ** (n - 2) / (n - 1)
        assert p == pytest.approx(wanted / n, rel=1e-12)
    assert math.fsum(examples.probability) == pytest.approx(1, abs=1e-12)


def test_uniform_share_makes_examples_equally_likely() -> None:
    task = Task(5)
    examples = Task(5, task.uniform_zero_share).examples()
    assert np.ptp(examples.probability) < 1e-15
    assert np.ptp(task.examples().probability) > 1e-4  # the default's are not


def index_of(contexts: np.ndarray, pointers: np.ndarray, n: int) -> np.ndarray:
    codes = contexts @ 3 ** np.arange(n)[::-1]
    return np.asarray(codes * n + pointers)


@pytest.mark.parametrize(("planted", "accepted"), [(0.4, True), (0.45, False)])
def test_sampler_follows_the_listed_distribution(planted: float, accepted: bool) -> None:
    """Two ways to the same distribution; chi-square over all 195 examples of n = 4.

    Negative control: a sampler of another zero_share is told apart by the same test.
    """
    n = 4
    listed = Task(n, 0.4).examples()
    drawn = Task(n, planted).sample(40_000, np.random.default_rng(1))
    place = {int(k): j for j, k in enumerate(index_of(listed.context, listed.pointer, n))}
    seen = [place[int(k)] for k in index_of(drawn.context, drawn.pointer, n)]
    assert (listed.label[seen] == drawn.label).all()
    counts = np.bincount(seen, minlength=len(listed))
    chance = chisquare(counts, 40_000 * listed.probability).pvalue
    assert (chance > 0.001) == accepted


def test_shortcut_loss_is_that_of_the_best_predictor_without_pairs() -> None:
    """The entropy of the label given pointer and is-it-zero, summed over the examples."""
    task = Task(5, 0.3)
    examples = task.examples()
    zero = examples.context[np.arange(len(examples)), examples.pointer] == 0
    joint: dict[tuple[int, bool, int], float] = {}
    for i, z, y, p in zip(
        examples.pointer, zero, examples.label, examples.probability, strict=True
    ):
        key = (int(i), bool(z), int(y))
        joint[key] = joint.get(key, 0.0) + p
    given: dict[tuple[int, bool], float] = {}
    for (i, z, _), p in joint.items():
        given[i, z] = given.get((i, z), 0.0) + p
    entropy = -math.fsum(p * math.log(p / given[i, z]) for (i, z, _), p in joint.items())
    assert task.shortcut_loss == pytest.approx(entropy, rel=1e-12)


def test_inputs_hold_the_values_and_the_pointer() -> None:
    examples = Task(3).examples()
    assert examples.inputs.shape == (51, 6)
    np.testing.assert_array_equal(examples.inputs[:, :3], examples.context)
    np.testing.assert_array_equal(examples.inputs[:, 3:].argmax(1), examples.pointer)
    assert (examples.inputs[:, 3:].sum(1) == 1).all()
    assert (examples.targets.argmax(1) == examples.label).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Task(2), "num_classes = 2"),
        (lambda: Task(11), "num_classes = 11"),
        (lambda: Task(8, 1.0), "zero_share = 1.0"),
        (lambda: Task(4).sample(0, np.random.default_rng(0)), "count = 0"),
        (lambda: label_of([0, 1], 2), "pointer = 2"),
        (lambda: label_of([0, 1, 0], 1), "not 1 times"),
        (lambda: label_of([1, 1, 1], 1), "not 3 times"),
    ],
)
def test_bad_input_is_named(call: object, words: str) -> None:
    assert callable(call)
    with pytest.raises(InputError, match=words):
        call()
