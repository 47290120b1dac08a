"""A build that is killed at any moment ends, called again, with the bytes of an undisturbed one."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.teacher_cache.caches_of_tests import (  # noqa: E402
    CPU,
    FORMS,
    VOCABULARY,
    TableTeacher,
    batches,
    build,
    files_of,
    spec_of,
)

from capgap.errors import CapgapError, InputError  # noqa: E402
from capgap.lm.teacher_cache import TeacherCache, build_cache, read_manifest  # noqa: E402
from capgap.lm.teacher_cache.lock import only_builder  # noqa: E402

TESTS = Path(__file__).parents[2]


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("form", FORMS)
def test_killed_at_every_write(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the file has its name, and after; with the half-written file left behind."""
    build(tmp_path / "undisturbed", form)
    expected = files_of(tmp_path / "undisturbed")
    writes = len(expected) - 1 + 4  # every file, and the manifest 4 times in all
    replace = os.replace
    for moment in range(2 * writes):
        folder, count = tmp_path / f"killed-{moment}", 0

        def fall(source: Any, target: Any, moment: int = moment) -> None:
            nonlocal count
            before = count == moment
            count += 1
            if before:
                # As after SIGKILL: nobody tidies up.
                replace(source, Path(target).with_name(f".{Path(target).name}.1.part"))
                raise Killed
            replace(source, target)
            after = count == moment
            count += 1
            if after:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", fall)
            with pytest.raises(Killed):
                build(folder, form)
        shards = sorted(folder.glob("shard-*.bin"))
        if (folder / "manifest.json").exists():
            listed = len(read_manifest(folder).shards)
            assert len(shards) - 1 <= listed <= len(shards)  # a kill loses at most one shard
            if listed < 3:
                with pytest.raises(InputError, match=f"incomplete \\({listed} of 3 shards\\)"):
                    TeacherCache.open(folder)
        build(folder, form)
        assert files_of(folder) == expected


def test_killed_in_the_middle_of_the_teacher(tmp_path: Path) -> None:
    class Tired(TableTeacher):
        calls = 0

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            if self.calls == 2:
                raise Killed
            return super().forward(tokens)

    def again(teacher: TableTeacher) -> None:
        build_cache(
            tmp_path / "killed", spec_of("top-k:3"), teacher, batches(), device=CPU,
            windows_per_shard=3,
        )  # fmt: skip

    with pytest.raises(Killed):
        again(Tired())
    assert len(read_manifest(tmp_path / "killed").shards) == 1
    again(TableTeacher())
    build(tmp_path / "undisturbed", "top-k:3")
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "undisturbed")


def test_a_real_kill(tmp_path: Path) -> None:
    """SIGKILL in a process of its own, while the second shard lies half-named on the disk."""
    script = (
        "import os, signal, sys\n"
        f"sys.path.insert(0, {str(TESTS)!r})\n"
        "from pathlib import Path\n"
        "from lm.teacher_cache.caches_of_tests import build\n"
        "replace = os.replace\n"
        "def fall(source, target):\n"
        "    if 'shard-000001' in str(target):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    replace(source, target)\n"
        "os.replace = fall\n"
        "build(Path(sys.argv[1]), 'top-p:0.8')\n"
    )
    folder = tmp_path / "killed"
    ended = subprocess.run([sys.executable, "-c", script, str(folder)], timeout=120)
    assert ended.returncode == -signal.SIGKILL
    assert len(read_manifest(folder).shards) == 1
    assert len(list(folder.glob(".shard-000001.bin.*.part"))) == 1
    build(folder, "top-p:0.8")
    build(tmp_path / "undisturbed", "top-p:0.8")
    assert files_of(folder) == files_of(tmp_path / "undisturbed")


def test_a_complete_cache_is_not_made_again(tmp_path: Path) -> None:
    first = build(tmp_path, "full")

    class Refuses(TableTeacher):
        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            raise AssertionError

    seen = []
    again = build_cache(
        tmp_path, spec_of("full"), Refuses(), batches(), device=CPU,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert again == first
    assert seen == [(8, 8)]


@pytest.mark.parametrize("name", ["head.safetensors", "shard-000001.bin"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_what_is_missing_is_made_again(tmp_path: Path, name: str, damage: str) -> None:
    build(tmp_path, "hidden")
    expected = files_of(tmp_path)
    if damage == "missing":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(expected[name][:-1])
    build(tmp_path, "hidden")
    assert files_of(tmp_path) == expected


def test_bytes_do_not_depend_on_the_batch_size_of_the_student(tmp_path: Path) -> None:
    build(tmp_path / "one", "top-k:3")
    build_cache(
        tmp_path / "four", spec_of("top-k:3"), TableTeacher(), batches(batch_size=4), device=CPU,
        windows_per_shard=3,
    )  # fmt: skip
    assert files_of(tmp_path / "one") == files_of(tmp_path / "four")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("teacher", "u" * 16), ("teacher_sha256", "b" * 64), ("corpus", "text-2"),
        ("half", "teacher"), ("windows", 9), ("precision", "bfloat16"),
    ],
)  # fmt: skip
def test_a_folder_of_another_cache_is_refused(tmp_path: Path, field: str, value: object) -> None:
    build(tmp_path, "top-k:3")
    before = files_of(tmp_path)
    with pytest.raises(InputError, match=f"holds another cache: its {field} is"):
        build(tmp_path, "top-k:3", **{field: value})
    assert files_of(tmp_path) == before


def test_a_folder_of_another_form_is_refused(tmp_path: Path) -> None:
    build(tmp_path, "top-k:3")
    with pytest.raises(InputError, match="its outputs is 'top-k:3', not 'top-k:4'"):
        build(tmp_path, "top-k:4")


def test_a_second_builder_is_refused_or_waits(tmp_path: Path) -> None:
    with only_builder(tmp_path):
        with pytest.raises(CapgapError, match="another process is building"):
            build(tmp_path, "full")
        waiting = threading.Thread(
            target=build_cache,
            args=(tmp_path, spec_of("full"), TableTeacher(), batches()),
            kwargs={"device": CPU, "wait": True},
        )
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        assert not (tmp_path / "manifest.json").exists()
    waiting.join(60)
    assert read_manifest(tmp_path).complete


def teacher_with(logits: torch.Tensor) -> torch.nn.Module:
    """A teacher that says the same everywhere."""

    class Says(torch.nn.Module):
        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return logits.expand(*tokens.shape, len(logits))

    return Says()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_outputs_that_are_no_distribution_are_refused(tmp_path: Path, bad: float) -> None:
    logits = torch.zeros(VOCABULARY)
    logits[2] = bad
    with pytest.raises(InputError, match="outputs from window 0 on are not finite"):
        build_cache(tmp_path, spec_of("top-k:3"), teacher_with(logits), batches(), device=CPU)
    assert not list(tmp_path.glob("shard-*"))


def test_minus_infinity_is_a_probability_of_zero(tmp_path: Path) -> None:
    logits = torch.full((VOCABULARY,), -torch.inf)
    logits[3] = 0.0
    build_cache(tmp_path, spec_of("full"), teacher_with(logits), batches(), device=CPU)
    found = TeacherCache.open(tmp_path).targets(0, 1)
    assert found.softmax(-1)[0].tolist() == [0, 0, 0, 1, 0, 0, 0]  # type: ignore[union-attr]


def test_what_cannot_be_built_is_refused(tmp_path: Path) -> None:
    def refused(words: str, form: str = "full", **changes: Any) -> None:
        given = {"teacher": TableTeacher(), "text": batches(), **changes}
        with pytest.raises(InputError, match=words):
            build_cache(tmp_path, spec_of(form), given["teacher"], given["text"], device=CPU)

    refused("vocabulary has 3 tokens, must have 7", teacher=teacher_with(torch.zeros(3)))
    refused("order_seed of the batches is 1, must be 0", text=batches(seed=1))
    refused("sequence_length of the batches is 4, must be 5", text=batches(length=4))
    refused("hidden outputs need a teacher with", "hidden", teacher=teacher_with(torch.zeros(7)))
    biased = TableTeacher()
    biased.head = torch.nn.Linear(3, 7)
    refused("need a head without bias", "hidden", teacher=biased)


def test_half_precision_of_matrix_products_reaches_the_teacher(tmp_path: Path) -> None:
    for precision in ("float32", "bfloat16"):
        spec = spec_of("full", precision=precision)
        build_cache(tmp_path / precision, spec, TableTeacher(), batches(), device=CPU)
    one, two = (TeacherCache.open(tmp_path / p).targets(0, 8) for p in ("float32", "bfloat16"))
    assert isinstance(one, torch.Tensor)
    assert isinstance(two, torch.Tensor)
    assert not torch.equal(one, two)
    assert torch.allclose(one, two, atol=0.2)  # logits of size 10 in bfloat16: 2^-8 x 10, twice
