"""What was written comes back, whatever the batch; what was damaged is refused by name."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.teacher_cache.caches_of_tests import (  # noqa: E402
    CPU,
    FORMS,
    LENGTH,
    VOCABULARY,
    WINDOWS,
    TableTeacher,
    batches,
    build,
    dense,
    same_target,
    spec_of,
)

from capgap.errors import InputError  # noqa: E402
from capgap.lm.losses.targets import HiddenTarget, SampledTarget, SparseTarget  # noqa: E402
from capgap.lm.teacher_cache import (  # noqa: E402
    CacheSpec,
    TeacherCache,
    build_cache,
    cache_spec,
    verify_cache,
)
from capgap.lm.teacher_cache import reader as reader_module  # noqa: E402
from capgap.lm.teacher_cache.codec import Target, decode, encode  # noqa: E402


def directly(spec: CacheSpec, first: int, count: int) -> Target:
    """Targets of windows from the teacher itself, without a file."""
    teacher = TableTeacher()
    tokens = torch.from_numpy(batches().rows(first, count)[:, :-1])
    with torch.no_grad():
        states = teacher.hidden(tokens).flatten(0, 1)
        arrays, _ = encode(spec.outputs, teacher.head(states), states, first, LENGTH)
    target = decode(spec.outputs, arrays, CPU)
    if spec.outputs.kind == "hidden":
        assert isinstance(target, torch.Tensor)
        return HiddenTarget(target, teacher.head.weight.detach())
    return target


@pytest.mark.parametrize("form", FORMS)
def test_any_windows_across_any_shards(form: str, tmp_path: Path) -> None:
    """All 36 pairs of first window and count; oracle: the teacher itself, without a file."""
    build(tmp_path, form)
    cache = TeacherCache.open(tmp_path, spec_of(form))
    for first in range(WINDOWS):
        for count in range(1, WINDOWS - first + 1):
            found = cache.targets(first, count)
            assert len(dense(found, VOCABULARY)) == count * LENGTH
            assert same_target(found, directly(cache.spec, first, count)), (first, count)


def test_forms_have_their_types(tmp_path: Path) -> None:
    kinds = {
        "full": torch.Tensor, "hidden": HiddenTarget, "top-k:3": SparseTarget,
        "top-p:0.8,tail=drop": SparseTarget, "sampled:4": SampledTarget,
    }  # fmt: skip
    for form, kind in kinds.items():
        build(tmp_path / form, form)
        target = TeacherCache.open(tmp_path / form).targets(0, 2, torch.device("cpu"))
        assert isinstance(target, kind), form
        if isinstance(target, SparseTarget):
            assert (target.log_tail is None) == ("drop" in form)
            assert target.log_probs.dtype == torch.float32
            assert target.indices.dtype == torch.int64


def test_few_shards_are_mapped_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "MAPPED", 1)
    build(tmp_path, "top-p:0.8")
    cache = TeacherCache.open(tmp_path)
    for first in (0, 7, 3, 0, 2, 5):
        count = min(2, WINDOWS - first)
        assert same_target(cache.targets(first, count), directly(cache.spec, first, count))
        assert len(cache._mapped) == 1


@pytest.mark.parametrize("form", ["top-p:0.8", "hidden"])
def test_a_truncated_or_missing_file_is_refused_when_opened(form: str, tmp_path: Path) -> None:
    build(tmp_path, form)
    paths = [p for p in tmp_path.iterdir() if p.suffix in (".bin", ".safetensors")]
    assert len(paths) == (4 if form == "hidden" else 3)
    for path in paths:
        data = path.read_bytes()
        for wrong in (data[:-1], data + b"\0", b""):
            path.write_bytes(wrong)
            with pytest.raises(InputError, match=f"{path.name} is damaged: {len(wrong)} bytes"):
                TeacherCache.open(tmp_path)
            assert f"{path.name} is damaged" in verify_cache(tmp_path).problems[0]
        path.unlink()
        with pytest.raises(InputError, match=f"cannot read .*{path.name}: No such file"):
            TeacherCache.open(tmp_path)
        path.write_bytes(data)
    assert verify_cache(tmp_path).sound


@pytest.mark.parametrize("form", ["top-p:0.8", "hidden"])
def test_a_flipped_bit_is_refused_when_the_file_is_first_used(form: str, tmp_path: Path) -> None:
    build(tmp_path, form)
    for path in sorted(tmp_path.iterdir()):
        if path.suffix not in (".bin", ".safetensors"):
            continue
        data = path.read_bytes()
        for place in (0, len(data) // 2, len(data) - 1):
            wrong = bytearray(data)
            wrong[place] ^= 1
            path.write_bytes(wrong)
            cache = TeacherCache.open(tmp_path)
            with pytest.raises(InputError, match=f"{path.name} is damaged: its SHA-256"):
                cache.targets(0, WINDOWS)
            problems = verify_cache(tmp_path).problems
            assert len(problems) == 1
            assert path.name in problems[0]
        path.write_bytes(data)
    # Windows of undamaged shards are served before a damaged one is met.
    last = tmp_path / "shard-000002.bin"
    last.write_bytes(bytes(len(last.read_bytes())))
    cache = TeacherCache.open(tmp_path)
    assert same_target(cache.targets(0, 6), directly(cache.spec, 0, 6))
    with pytest.raises(InputError, match=r"shard-000002\.bin"):
        cache.targets(5, 2)


def test_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    """A flip of any byte (every seventh is tried), or any cut."""
    build(tmp_path, "top-k:3")
    path = tmp_path / "manifest.json"
    data = path.read_bytes()
    for place in range(0, len(data) - 1, 7):
        wrong = bytearray(data)
        wrong[place] ^= 1
        for content in (bytes(wrong), data[:place]):
            path.write_bytes(content)
            with pytest.raises(InputError, match=r"manifest\.json is damaged"):
                TeacherCache.open(tmp_path)
            with pytest.raises(InputError, match=r"manifest\.json is damaged"):
                build(tmp_path, "top-k:3")
    path.write_bytes(data)
    TeacherCache.open(tmp_path)


def test_what_is_no_cache_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no cache \(manifest\.json is missing\)"):
        TeacherCache.open(tmp_path / "nothing")
    for content in ("[]", "{}", "null", '{"format": "other", "sha256": "0"}'):
        (tmp_path / "manifest.json").write_text(content)
        with pytest.raises(InputError, match=r"manifest\.json is damaged"):
            TeacherCache.open(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("teacher", "u" * 16), ("teacher_sha256", "b" * 64), ("corpus", "text-2"),
        ("half", "teacher"), ("windows", 9), ("order_seed", 1), ("sequence_length", 4),
        ("vocab_size", 8), ("precision", "bfloat16"),
    ],
)  # fmt: skip
def test_a_cache_that_does_not_serve_names_the_field(
    tmp_path: Path, field: str, value: object
) -> None:
    build(tmp_path, "top-k:3")
    own = getattr(spec_of("top-k:3"), field)
    with pytest.raises(InputError, match=f"not serve this run: {field}: it has {own!r}, the run"):
        TeacherCache.open(tmp_path, spec_of("top-k:3", **{field: value}))


def test_form_tail_and_seed_are_compared(tmp_path: Path) -> None:
    build(tmp_path, "sampled:4")
    for other in ("sampled:4,seed=1", "sampled:5", "full"):
        with pytest.raises(InputError, match="outputs: it has sampled:4, the run needs"):
            TeacherCache.open(tmp_path, spec_of(other))


def test_a_longer_cache_serves_shorter_runs_of_any_batch_size(tmp_path: Path) -> None:
    build(tmp_path, "top-k:3")
    for needed in (spec_of("top-k:3", windows=3), spec_of("top-k:3", teacher_sha256=None)):
        cache = TeacherCache.open(tmp_path, needed)
    joined = np.concatenate([dense(cache.targets(i, 2), VOCABULARY) for i in (0, 2, 4, 6)])
    assert np.array_equal(joined, dense(cache.targets(0, 8), VOCABULARY))


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, 0), (8, 1), (7, 2)])
def test_windows_that_are_not_there(tmp_path: Path, first: int, count: int) -> None:
    build(tmp_path, "top-k:3")
    with pytest.raises(InputError, match="are not among the 8 of"):
        TeacherCache.open(tmp_path).targets(first, count)


def test_large_vocabulary_through_files(tmp_path: Path) -> None:
    """Indices of 4 bytes come first in the file, before values of 2."""
    teacher = TableTeacher(vocabulary=65_600)
    spec = spec_of("top-p:0.5", vocab_size=65_600)
    build_cache(tmp_path, spec, teacher, batches(), device=CPU, windows_per_shard=3)
    target = TeacherCache.open(tmp_path).targets(2, 3)
    tokens = torch.from_numpy(batches().rows(2, 3)[:, :-1])
    with torch.no_grad():
        best = teacher(tokens).flatten(0, 1).argmax(-1)
    assert isinstance(target, SparseTarget)
    assert torch.equal(target.indices[:, 0], best)
    assert int(best.max()) > 65_535 or int(target.indices.max()) > 65_535


def test_a_run_without_stored_outputs_reads_no_cache() -> None:
    from capgap.lm.config import RunConfig

    with pytest.raises(InputError, match="needs a teacher and teacher_outputs"):
        cache_spec(RunConfig(depth=1, tokens=4096, corpus="text"))
