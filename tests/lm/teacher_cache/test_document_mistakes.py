"""The source document's truncation, by its numbers, against what a cache gives back.

It fills logits that it drops with 0 instead of -inf, scatters along dimension 1 whatever the
shape, and gives for top-p a formula that keeps only prefixes of mass <= p.
"""

import math

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.teacher_cache.caches_of_tests import round_trip  # noqa: E402
from torch import Tensor  # noqa: E402

from capgap.lm.losses.targets import SparseTarget  # noqa: E402


def filled_with_zero(z: Tensor, k: int) -> Tensor:
    """The document's truncation of (tokens, vocabulary) logits."""
    values, indices = z.topk(k, dim=-1)
    return torch.zeros_like(z).scatter(1, indices, values).softmax(-1)


def sparse(form: str, z: Tensor) -> SparseTarget:
    target = round_trip(form, z)
    assert isinstance(target, SparseTarget)
    return target


def test_zero_logits_give_mass_to_what_was_dropped() -> None:
    """e^3, e^2 against 1, 1: 0.932 of the mass kept, where dropping keeps 1 and a bucket 0.982."""
    z = torch.tensor([[3.0, 2.0, -1.0, -2.0]])
    wrong = filled_with_zero(z, 2)
    e = math.exp
    assert float(wrong[0, :2].sum()) == pytest.approx((e(3) + e(2)) / (e(3) + e(2) + 2), abs=1e-6)
    assert float(wrong[0, :2].sum()) == pytest.approx(0.932, abs=5e-4)
    dropped = sparse("top-k:2,tail=drop", z)
    assert dropped.log_tail is None
    assert float(dropped.log_probs.exp().sum()) == pytest.approx(1.0, abs=1e-6)
    bucket = sparse("top-k:2", z)
    assert bucket.log_tail is not None
    exact = (e(-1) + e(-2)) / (e(3) + e(2) + e(-1) + e(-2))
    assert exact == pytest.approx(0.018, abs=5e-5)
    # 2^-11 |log 0.018| relative, twice for the constant.
    assert float(bucket.log_tail.exp()) == pytest.approx(exact, rel=5e-3)


def test_zero_logits_change_the_best_token_of_log_probabilities() -> None:
    """Log-probabilities are logits too, all below 0: the zeros then win over every kept token."""
    z = torch.tensor([[3.0, 2.0, -1.0, -2.0]]).log_softmax(-1)
    wrong = filled_with_zero(z, 2)
    assert int(wrong.argmax()) in (2, 3)
    assert float(wrong[0, :2].sum()) < 0.5
    right = sparse("top-k:2,tail=drop", z)
    assert right.indices.tolist() == [[0, 1]]
    shifted = sparse("top-k:2,tail=drop", z + 50)
    assert torch.allclose(right.log_probs, shifted.log_probs, atol=1e-3)  # float16
    assert not torch.allclose(filled_with_zero(z + 50, 2), wrong, atol=1e-3)


def test_zero_logits_over_a_large_vocabulary_leave_little() -> None:
    """128 of 32168 tokens 3 nats above the rest hold 7.4%; with zeros for the rest 1.1%, at
    logits of 1 and -2, and 99.9% at logits of 13 and 10."""
    z = torch.full((1, 32168), -2.0)
    z[0, :128] = 1.0
    truth = 128 * math.exp(3) / (128 * math.exp(3) + 32040)
    for shift, kept in ((0.0, 0.0107), (12.0, 0.9994)):
        wrong = filled_with_zero(z + shift, 128)
        assert float(wrong[0, :128].sum()) == pytest.approx(kept, abs=5e-4)
        target = sparse("top-k:128", z + shift)
        assert float(target.log_probs.exp().sum()) == pytest.approx(truth, rel=0.01)
    assert truth == pytest.approx(0.0743, abs=5e-4)


def test_scattering_along_dimension_one_writes_into_other_positions() -> None:
    """Of (batch, time, vocabulary), dimension 1 is time."""
    z = torch.tensor([[[0.0, 5.0, 1.0], [7.0, 0.0, 1.0]]])
    values, indices = z.topk(1, dim=-1)
    wrong = torch.zeros_like(z).scatter(1, indices, values)
    # The best token of position 0, number 1, lands as token 0 of position 1, and is then
    # overwritten or kept by chance; what position 1 knew goes to position 0.
    assert wrong[0, 0, 0] == 7.0
    assert wrong[0, 1, 0] == 5.0
    assert int(wrong[0, 0].argmax()) != int(z[0, 0].argmax())
    right = sparse("top-k:1,tail=drop", z.flatten(0, 1))
    assert right.indices.tolist() == [[1], [0]]


def test_top_p_keeps_the_token_that_crosses() -> None:
    """0.5, 0.3, 0.2 at p = 0.6: the formula's prefix holds 0.5, less than it promises."""
    z = torch.tensor([[0.5, 0.3, 0.2]]).log()
    order = z.softmax(-1).sort(descending=True)
    by_formula = order.indices[order.values.cumsum(-1) <= 0.6]
    assert by_formula.tolist() == [0]
    target = sparse("top-p:0.6,tail=drop", z)
    assert target.indices.tolist() == [[0, 1]]
    assert target.log_probs.exp()[0].tolist() == pytest.approx([0.625, 0.375], rel=1e-3)


def test_top_p_never_keeps_nothing() -> None:
    """A sure teacher, 0.95 at p = 0.9: no prefix has mass <= p, so the formula keeps none."""
    z = torch.tensor([[0.95, 0.05]]).log()
    order = z.softmax(-1).sort(descending=True)
    assert order.indices[order.values.cumsum(-1) <= 0.9].tolist() == []
    assert sparse("top-p:0.9", z).indices.tolist() == [[0]]
