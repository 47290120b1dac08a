"""Training: schedule, muP groups, determinism, learning, failure."""

import dataclasses
import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.errors import CapgapError, InputError  # noqa: E402
from capgap.lm.checkpoint import load_model, save_model  # noqa: E402
from capgap.lm.config import ModelShape, RunConfig  # noqa: E402
from capgap.lm.corpus import Corpus, load_text  # noqa: E402
from capgap.lm.model import Transformer  # noqa: E402
from capgap.lm.mup import parameter_groups  # noqa: E402
from capgap.lm.training import learning_rate, open_device, train  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture
def corpus(text_folder: Path) -> Corpus:
    return load_text([text_folder])


def small(corpus: Corpus, **changes: object) -> RunConfig:
    values: dict[str, object] = {
        "depth": 1, "aspect_ratio": 8, "tokens": 6400, "corpus": corpus.fingerprint,
        "sequence_length": 32, "batch_size": 4, **changes,
    }  # fmt: skip
    return RunConfig(**values)  # type: ignore[arg-type]


def weights(model: Transformer) -> list[torch.Tensor]:
    return list(model.state_dict().values())


def test_same_configuration_gives_the_same_weights_bit_for_bit(corpus: Corpus) -> None:
    config = small(corpus)
    one, two = (train(config, corpus, device=CPU) for _ in range(2))
    assert all(
        torch.equal(a, b) for a, b in zip(weights(one.model), weights(two.model), strict=True)
    )
    assert one.curve == two.curve
    other = train(dataclasses.replace(config, seed=1), corpus, device=CPU)
    assert not torch.equal(weights(one.model)[0], weights(other.model)[0])


def test_training_learns_the_text(corpus: Corpus) -> None:
    """From log 256 at the start to below the entropy of independent letters (12 letters
    and a space: at most log 14 = 2.64)."""
    training = train(small(corpus, tokens=40_000), corpus, device=CPU)
    assert training.failure is None
    assert training.curve[0][1] > training.curve[-1][1]
    assert training.curve[-1][1] < math.log(14)
    assert training.curve[-1][0] == small(corpus, tokens=40_000).D


def test_student_comes_closer_to_its_teacher_than_an_untaught_model(corpus: Corpus) -> None:
    """A teacher of random weights predicts noise that is not in the text: only a student
    that is taught can match it."""
    teacher_config = small(corpus, half="teacher")
    teacher = Transformer(teacher_config.shape, 5)
    with torch.no_grad():
        teacher.head.weight.normal_(0.0, 0.3, generator=torch.Generator().manual_seed(5))
    taught = train(
        small(corpus, tokens=20_000, teacher=teacher_config, distillation_weight=1.0),
        corpus, teacher=teacher, device=CPU,
    )  # fmt: skip
    untaught = train(small(corpus, tokens=20_000), corpus, device=CPU)
    tokens = torch.from_numpy(corpus.stream("student")[:320].astype("int64")).view(10, 32)

    def divergence(model: Transformer) -> float:
        with torch.no_grad():
            p, q = teacher(tokens).log_softmax(-1), model(tokens).log_softmax(-1)
        return float((p.exp() * (p - q)).sum(-1).mean())

    assert divergence(taught.model) < 0.2 * divergence(untaught.model)
    assert all(point[2] is not None for point in taught.curve)
    assert all(point[2] is None for point in untaught.curve)


def test_schedule_rises_linearly_and_falls_as_a_cosine() -> None:
    config = RunConfig(
        depth=1, tokens=1000 * 1024, corpus="c", warmup_fraction=0.1, final_fraction=0.01
    )
    rates = [learning_rate(step, config) for step in range(config.steps + 1)]
    assert rates[:100] == pytest.approx([(s + 1) / 100 for s in range(100)])
    assert max(rates) == 1.0
    assert rates[550] == pytest.approx(0.505, abs=1e-12)  # half way down
    assert rates[-1] == pytest.approx(0.01, abs=1e-12)


def test_every_parameter_is_in_one_group_with_its_rate_and_decay() -> None:
    config = RunConfig(depth=8, tokens=4096, corpus="c", base_width=64)
    model = Transformer(config.shape)
    groups = parameter_groups(model, config)
    grouped = [id(p) for group in groups for p in group["params"]]  # type: ignore[attr-defined]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())
    matrices, tables, gains = groups
    assert matrices["lr"] == pytest.approx(0.01 * 64 / 128)
    assert tables["lr"] == gains["lr"] == pytest.approx(0.01)
    # torch shrinks by lr x weight_decay: independent decay makes that the same for both.
    for group in (matrices, tables):
        shrinkage = group["lr"] * group["weight_decay"]  # type: ignore[operator]
        assert shrinkage == pytest.approx(config.weight_decay)
    assert gains["weight_decay"] == 0.0


def test_half_precision_trains_to_nearly_the_same_loss(corpus: Corpus) -> None:
    """bfloat16 keeps three digits of each product; the loss after 50 steps agrees to 5%."""
    full = train(small(corpus), corpus, device=CPU)
    half = train(small(corpus, precision="bfloat16"), corpus, device=CPU)
    assert half.curve[-1][1] == pytest.approx(full.curve[-1][1], rel=0.05)
    assert not torch.equal(weights(full.model)[0], weights(half.model)[0])
    assert all(w.dtype == torch.float32 for w in weights(half.model))


def test_divergence_is_told_and_not_hidden(corpus: Corpus) -> None:
    training = train(
        small(corpus, peak_learning_rate=10.0, clip=1e9, z_weight=1e30), corpus, device=CPU
    )
    assert training.failure is not None
    assert "not finite" in training.failure


def test_wrong_text_and_missing_teacher_are_refused(corpus: Corpus) -> None:
    config = small(corpus)
    with pytest.raises(InputError, match="for corpus other"):
        train(dataclasses.replace(config, corpus="other"), corpus, device=CPU)
    distilled = dataclasses.replace(config, teacher=config, distillation_weight=1.0)
    with pytest.raises(InputError, match="teacher model is needed"):
        train(distilled, corpus, device=CPU)
    with pytest.raises(InputError, match="shape is not the one"):
        train(distilled, corpus, teacher=Transformer(ModelShape(depth=2)), device=CPU)


def test_unusable_device_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="'abacus' cannot be used") as caught:
        open_device("abacus")
    assert "\n" not in str(caught.value)


def test_weights_survive_the_disk_and_damage_is_noticed(tmp_path: Path) -> None:
    model, path = Transformer(ModelShape(depth=1), 3), tmp_path / "m.safetensors"
    digest = save_model(model, path)
    again = load_model(ModelShape(depth=1), path, digest)
    assert all(torch.equal(a, b) for a, b in zip(weights(model), weights(again), strict=True))
    with pytest.raises(InputError, match="does not hold this model"):
        load_model(ModelShape(depth=2), path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="SHA-256 differs"):
        load_model(ModelShape(depth=1), path, digest)
    with pytest.raises(InputError, match="does not hold this model"):
        load_model(ModelShape(depth=1), path)
    with pytest.raises(InputError, match="cannot read"):
        load_model(ModelShape(depth=1), tmp_path / "none")


def test_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    save_model(Transformer(ModelShape(depth=1), 0), path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CapgapError, match="No space left on device"):
        save_model(Transformer(ModelShape(depth=1), 1), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
