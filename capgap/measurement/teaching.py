"""The teachers of a run: found, loaded, and their loss known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capgap.errors import InputError
from capgap.lm.config import RunConfig
from capgap.lm.external import ExternalModel
from capgap.measurement.records import RunRecord, RunStore

if TYPE_CHECKING:
    import torch
    from torch import nn

    from capgap.lm.text import Text

__all__ = ["Teaching", "find_teacher", "load_teaching"]

# Gives the module of an external model; the record says which.
External = Mapping[str, Callable[[], "nn.Module"]]


@dataclass(frozen=True)
class Teaching:
    """What a student learns from.

    Attributes
    ----------
    teacher : modules, an open cache, or None
        As `capgap.lm.training.train` takes it.
    L_T : float or None
        The teacher's validation loss; of several, that of the mixture of their distributions.
    """

    teacher: Any
    L_T: float | None


def load_teaching(
    config: RunConfig,
    corpus: "Text",
    stores: Sequence[RunStore],
    *,
    device: "torch.device",
    external: External,
    cache: Path | None,
) -> Teaching:
    """Load the teachers of a configuration, or open the cache of their outputs.

    Raises
    ------
    InputError
        A teacher is not there, failed, or is not the one of the configuration; the cache is
        of another teacher, text, order or form.
    """
    if config.teacher is None:
        return Teaching(None, None)
    if config.teacher_outputs is not None:
        return _stored(config, corpus, stores, device=device, external=external, cache=cache)
    modules = [_module(teacher, stores, external) for teacher, _ in config.teachers]
    return Teaching(modules, _loss(config, corpus, stores, modules, device))


def _stored(
    config: RunConfig,
    corpus: "Text",
    stores: Sequence[RunStore],
    *,
    device: "torch.device",
    external: External,
    cache: Path | None,
) -> Teaching:
    """The cache at hand, or one that is built now beside the records and serves later runs."""
    from capgap.lm.batches import Batches
    from capgap.lm.config_json import plain
    from capgap.lm.teacher_cache import TeacherCache, build_cache, cache_spec

    assert config.teacher is not None
    record = None
    if isinstance(config.teacher, ExternalModel):
        digest = config.teacher.sha256
    else:
        record = _record_of(config.teacher, stores)
        digest = record.weights_sha256 or ""
    spec = cache_spec(config, digest)
    if cache is None:
        cache = stores[0].folder / ".caches" / spec.name
        batches = Batches(
            corpus.stream(config.half), config.batch_size, config.sequence_length,
            config.order_seed,
        )  # fmt: skip
        module = _module(config.teacher, stores, external).to(device).eval()
        about = {"teacher": plain(config.teacher), "L_T": None if record is None else record.loss}
        build_cache(cache, spec, module, batches, device=device, about=about, wait=True)
    opened = TeacherCache.open(cache, spec)
    if record is not None:
        return Teaching(opened, record.loss)
    known = opened.manifest.about.get("L_T")
    if known is not None:
        return Teaching(opened, float(known))
    module = _module(config.teacher, stores, external)
    return Teaching(opened, _loss(config, corpus, stores, [module], device))


def _module(
    teacher: RunConfig | ExternalModel, stores: Sequence[RunStore], external: External
) -> "nn.Module":
    from capgap.lm.checkpoint import load_model

    if isinstance(teacher, ExternalModel):
        if teacher.sha256 not in external:
            raise InputError(
                f"distill: the teacher {teacher.name} is not one of our runs; its folder is needed"
            )
        return external[teacher.sha256]()
    record, place = find_teacher(teacher, stores)
    return load_model(teacher.shape, place.weights_path(record.id), record.weights_sha256)


def _loss(
    config: RunConfig,
    corpus: "Text",
    stores: Sequence[RunStore],
    modules: Sequence["nn.Module"],
    device: "torch.device",
) -> float | None:
    """Recorded for one of our own runs; measured for models from elsewhere and for several."""
    from capgap.lm.evaluation import evaluate
    from capgap.lm.mixture import Mixture

    if len(modules) == 1 and isinstance(config.teacher, RunConfig):
        return _record_of(config.teacher, stores).loss
    for record in stores[0]:  # other students of the same teachers know it already
        other = record.config
        same = (other.teachers, other.sequence_length, other.precision, other.corpus)
        if same == (config.teachers, config.sequence_length, config.precision, config.corpus):
            return record.L_T
    mixture = Mixture(modules, [weight for _, weight in config.teachers]).to(device)
    found = evaluate(
        mixture, corpus, device=device, length=config.sequence_length, precision=config.precision
    )
    return found.loss


def find_teacher(config: RunConfig, stores: Sequence[RunStore]) -> tuple[RunRecord, RunStore]:
    """The record of a teacher that was trained and whose weights are there, and its store."""
    for store in stores:
        if store.has(config.id):
            record = store.read(config.id)
            if record.status != "ok":
                raise InputError(f"distill: the teacher {config.id} failed: {record.failure}")
            if store.weights_path(config.id).is_file():
                return record, store
    where = ", ".join(str(store.folder) for store in stores)
    raise InputError(f"distill: no trained teacher {config.id} with its weights in {where}")


def _record_of(config: RunConfig, stores: Sequence[RunStore]) -> RunRecord:
    """A teacher's record, whether or not its weights are there."""
    for store in stores:
        if store.has(config.id):
            return store.read(config.id)
    where = ", ".join(str(store.folder) for store in stores)
    raise InputError(f"distill: no record of the teacher {config.id} in {where}")
