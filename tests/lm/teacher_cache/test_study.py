"""What the study of caches measures, on a teacher for which it can be computed by hand."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.teacher_cache.caches_of_tests import (  # noqa: E402
    CPU,
    VOCABULARY,
    WINDOWS,
    TableTeacher,
    batches,
    soft64,
    spec_of,
)

from capgap.lm.teacher_cache import TeacherCache, build_cache  # noqa: E402

SCRIPT = Path(__file__).parents[3] / "simulations" / "study_teacher_caches.py"


@pytest.fixture(scope="module")
def study() -> ModuleType:
    found = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def measured(study: ModuleType, folder: Path, form: str) -> tuple[float, float, float]:
    build_cache(folder, spec_of(form), TableTeacher(), batches(), device=CPU)
    tokens = torch.from_numpy(batches().rows(0, WINDOWS))
    student = TableTeacher(scale=0.5)
    found: tuple[float, float, float] = study.measure(
        TeacherCache.open(folder), TableTeacher(), student, tokens
    )
    return found


def probabilities(scale: float) -> np.ndarray:
    tokens = torch.from_numpy(batches().rows(0, WINDOWS)[:, :-1])
    with torch.no_grad():
        return np.exp(soft64(TableTeacher(scale=scale)(tokens).flatten(0, 1)))


def test_exact_forms_have_neither_distance_nor_bias(study: ModuleType, tmp_path: Path) -> None:
    for form, tolerance in (("hidden", 1e-6), ("full", 1e-3), (f"top-k:{VOCABULARY}", 1e-3)):
        distance, bias, _ = measured(study, tmp_path / form, form)
        assert distance < tolerance
        assert abs(bias) < tolerance


def test_a_dropped_tail_is_its_mass_away(study: ModuleType, tmp_path: Path) -> None:
    """Total variation of p and its renormalized head is the tail's mass; the bias of the
    cross-entropy is sum (kept - p) (-log q)."""
    p, q = probabilities(2.0), probabilities(0.5)
    kept = np.where(p >= -np.sort(-p)[:, 2:3], p, 0)
    tail = 1 - kept.sum(-1)
    head = kept / kept.sum(-1, keepdims=True)
    distance, bias, _ = measured(study, tmp_path, "top-k:3,tail=drop")
    assert distance == pytest.approx(tail.mean(), abs=1e-3)  # float16
    assert bias == pytest.approx(((head - p) * -np.log(q)).sum(-1).mean(), abs=2e-3)


def test_a_bucket_pulls_by_what_the_student_thinks_of_the_tail(
    study: ModuleType, tmp_path: Path
) -> None:
    p, q = probabilities(2.0), probabilities(0.5)
    rest = p < -np.sort(-p)[:, 2:3]
    tails = [np.where(rest, x, 0).sum(-1, keepdims=True) for x in (p, q)]
    seen = np.where(rest, tails[0] * q / tails[1], p)
    distance, bias, _ = measured(study, tmp_path, "top-k:3")
    assert distance == pytest.approx(0.5 * np.abs(seen - p).sum(-1).mean(), abs=1e-3)
    lower = (np.where(rest, p * (np.log(q) - np.log(tails[1])), 0)).sum(-1).mean()
    assert bias == pytest.approx(lower, abs=2e-3)
    assert bias < 0


def test_sampled_targets_have_noise_and_no_bias(study: ModuleType, tmp_path: Path) -> None:
    """Of 8 windows; a t statistic of 7 degrees beyond 5 has a chance of 0.2%."""
    distance, bias, error = measured(study, tmp_path, "sampled:4")
    assert distance > 0.1
    assert abs(bias) < 5 * error
    assert error > 0
