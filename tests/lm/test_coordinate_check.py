"""Activations and their changes do not grow with the width under muP; the control's do."""

import pytest

pytest.importorskip("torch", reason="needs the extra 'lm'")
import torch

from capgap.errors import InputError
from capgap.lm.coordinate_check import (
    COORDINATES,
    WidenedShape,
    activations,
    coordinate_check,
    random_tokens,
    width_slopes,
)
from capgap.lm.model import Transformer
from capgap.lm.shape import ModelShape

TOKENS = random_tokens(4, 32)
# Slopes of logarithms over widths 16 to 256. Over six seeds, both families of fixed depth and 2,
# 3 and 5 steps, those of muP lay between -0.16 and 0.21 (small widths and a random draw of each
# model; the limit is 0), and those of the control after two steps above 0.74.
FLAT = 0.25


def slopes(parametrization: str, shapes: list[ModelShape], steps: int) -> dict[str, float]:
    found = coordinate_check(shapes, TOKENS, parametrization=parametrization, steps=steps)
    assert len(found) == len(shapes) * len(COORDINATES)
    return width_slopes(found)


def more_heads() -> list[ModelShape]:
    return [WidenedShape(depth=2, heads=h, sequence_length=32) for h in (2, 4, 8, 16)]


def wider_heads() -> list[ModelShape]:
    return [ModelShape(depth=2, aspect_ratio=a, sequence_length=32) for a in (16, 32, 64, 128)]


@pytest.mark.parametrize("family", [more_heads, wider_heads])
@pytest.mark.parametrize("steps", [2, 5])
def test_changes_do_not_go_with_the_width(family, steps: int) -> None:
    found = slopes("muP", family(), steps)
    assert set(found) == set(COORDINATES)
    assert max(map(abs, found.values())) < FLAT, found


def test_control_fails_the_check() -> None:
    """One rate for all: every change grows, logits after two steps about as the width."""
    found = slopes("standard", more_heads(), 2)
    assert min(found.values()) > 0.5, found
    assert found["logits"] == pytest.approx(1.0, abs=0.35)


def test_sizes_at_the_end_do_not_go_with_the_width() -> None:
    found = coordinate_check(more_heads(), TOKENS, steps=3)
    assert max(map(abs, width_slopes(found, "size").values())) < FLAT


def test_the_residual_change_grows_with_depth() -> None:
    """What muP does not promise: along the project's family depth grows too.

    Every block adds its own change, so that of the stream grows; that it does not vanish into
    the tolerance shows that the check would see a failure of this size.
    """
    shapes = [ModelShape(depth=k, sequence_length=32) for k in (2, 4, 8)]
    assert slopes("muP", shapes, 2)["residual"] > 2 * FLAT


def test_activations_are_those_of_the_forward_pass() -> None:
    """Against the model's own logits, of weights that are all random (float32 rounding)."""
    model = Transformer(ModelShape(depth=2, sequence_length=32), 3)
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(0))
    found = activations(model, TOKENS[:, :-1])
    with torch.no_grad():
        torch.testing.assert_close(found["logits"], model(TOKENS[:, :-1]), rtol=1e-4, atol=1e-4)
    added = found["attention"].sum(0) + found["ffn"].sum(0)
    x = model.embedding(TOKENS[:, :-1]).detach() + added
    torch.testing.assert_close(found["residual"][-1], x, rtol=1e-4, atol=1e-5)


def test_rows_say_what_was_measured() -> None:
    rows = coordinate_check([ModelShape(depth=1, sequence_length=32)], TOKENS, steps=2, seeds=(4,))
    (row,) = [r for r in rows if r.kind == "logits"]
    assert row.size == row.change  # the head starts at 0, and so do logits
    assert (row.width, row.depth, row.steps, row.seed) == (16, 1, 2, 4)


def test_widened_shape_is_a_model() -> None:
    shape = WidenedShape(depth=2, heads=4, sequence_length=32)
    alike = ModelShape(depth=2, sequence_length=32)
    assert (shape.d_head, shape.depth) == (alike.d_head, alike.depth)
    assert shape.d_model == 2 * alike.d_model
    assert shape.N > 3.5 * alike.N


def test_random_tokens_are_uneven_and_repeatable() -> None:
    assert torch.equal(random_tokens(4, 32), TOKENS)
    assert TOKENS.shape == (4, 33)
    counts = torch.bincount(random_tokens(64, 256).flatten(), minlength=256)
    assert counts[0] > 50 * counts[200:].double().mean()


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="steps = 1 must be at least 2"):
        coordinate_check(more_heads(), TOKENS, steps=1)
    one = coordinate_check(more_heads()[:1], TOKENS, steps=2)
    with pytest.raises(InputError, match="two widths"):
        width_slopes(one)
