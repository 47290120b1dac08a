"""Options that say what a student learns from: runs, foreign models, or stored outputs."""

import argparse
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capgap.cli.options import load_corpus
from capgap.errors import InputError
from capgap.lm.config import RunConfig, TeacherShare
from capgap.lm.external import ExternalModel
from capgap.lm.objective import DIVERGENCES, TemperatureSchedule, WeightSchedule
from capgap.lm.teacher_outputs import TeacherOutputs
from capgap.measurement.records import RunStore

if TYPE_CHECKING:
    from torch import nn

    from capgap.lm.text import Text

__all__ = ["Lesson", "add_teacher_options", "lesson_of"]


@dataclass(frozen=True)
class Lesson:
    """Text and teachers of one run.

    Attributes
    ----------
    corpus : Text
        In the teacher's tokens, where it is a model from elsewhere.
    settings : dict
        Of the run's configuration.
    stores : list of RunStore
        Where teachers are.
    external : mapping of str to callable
        Loaders of models from elsewhere, by their SHA-256.
    cache : Path or None
        Folder of stored outputs.
    """

    corpus: "Text"
    settings: dict[str, Any] = field(default_factory=dict)
    stores: list[RunStore] = field(default_factory=list)
    external: Mapping[str, "Callable[[], nn.Module]"] = field(default_factory=dict)
    cache: Path | None = None


def add_teacher_options(parser: argparse.ArgumentParser) -> None:
    """Options of distill about teachers and their losses."""
    parser.add_argument(
        "--teacher", action="append", default=[], metavar="ID[:WEIGHT]",
        help="id of the teacher's run, or the folder of a Hugging Face model; may be repeated:"
        " the first has the weight that the others leave",
    )  # fmt: skip
    parser.add_argument(
        "--teacher-runs", type=Path, action="append", default=[], metavar="DIR",
        help="another folder where teachers are; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER",
        help="stored outputs (capgap cache build) in place of a running teacher; they settle"
        " half, context, data order and precision",
    )  # fmt: skip
    parser.add_argument(
        "--outputs", type=_form, metavar="FORM",
        help="store the teacher's outputs first, in the folder of runs: full, hidden, top-k:12,"
        " top-k:12,tail=drop, top-p:0.9, sampled:12",
    )  # fmt: skip
    parser.add_argument(
        "--loss", choices=DIVERGENCES, default="forward-kl", dest="divergence",
        help="what is minimized against the teacher (forward-kl)",
    )  # fmt: skip
    parser.add_argument(
        "--jsd-beta", type=float, default=0.5, metavar="B",
        help="weight of the teacher in the mixture of --loss jsd (0.5)",
    )  # fmt: skip
    weight = parser.add_mutually_exclusive_group()
    weight.add_argument(
        "--weight", type=float, default=1.0, metavar="LAMBDA", help="weight of the teacher (1)"
    )
    weight.add_argument(
        "--weight-schedule", metavar="START,END[,SHAPE]",
        help="lambda from START to END, linear or cosine",
    )  # fmt: skip
    heat = parser.add_mutually_exclusive_group()
    heat.add_argument(
        "--temperature", type=float, default=1.0, metavar="TAU", help="softmax temperature (1)"
    )
    heat.add_argument(
        "--temperature-schedule", metavar="TAU0,A,TAU_INF",
        help="tau = TAU0 exp(-A t) + TAU_INF, t the share of the run that is done",
    )  # fmt: skip


def _form(text: str) -> TeacherOutputs:
    try:
        return TeacherOutputs.parse(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def lesson_of(options: argparse.Namespace) -> Lesson:
    """What the options of distill ask for."""
    if not options.teacher and options.cache is None:
        raise InputError("distill: give --teacher or --cache")
    settings = _loss_settings(options)
    folders = [Path(_split(text)[0]) for text in options.teacher]
    foreign = [folder for folder in folders if (folder / "config.json").is_file()]
    if foreign and len(folders) > 1:
        raise InputError("distill: a model from elsewhere is the only teacher of a run")
    if foreign:
        return _foreign(foreign[0], options, settings)
    if options.cache is not None:
        return _cached(options, settings)
    places = _places(options)
    settings |= _teachers([_split(text) for text in options.teacher], places)
    return Lesson(load_corpus(options.text), settings, places)


def _places(options: argparse.Namespace) -> list[RunStore]:
    """Folders where teachers may be: those named, then that of the run."""
    return [RunStore(folder) for folder in (*options.teacher_runs, options.runs)]


def _config_of(name: str, places: list[RunStore]) -> RunConfig:
    """The configuration of a run, from the first folder that has it."""
    for place in places[:-1]:
        with suppress(InputError):
            return place.read(name).config
    return places[-1].read(name).config


def _loss_settings(options: argparse.Namespace) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "distillation_weight": options.weight,
        "temperature": options.temperature,
        "divergence": options.divergence,
        "jsd_beta": options.jsd_beta,
        "teacher_outputs": options.outputs,
    }
    if options.weight_schedule is not None:
        parts = options.weight_schedule.split(",")
        if len(parts) not in (2, 3):
            raise InputError("--weight-schedule: must be two numbers and a shape, such as 1,0.5")
        start, end = _numbers("--weight-schedule", parts[:2])
        schedule = WeightSchedule(start=start, end=end, shape=(*parts, "linear")[2])
        settings["weight_schedule"] = schedule
        settings["distillation_weight"] = max(schedule.start, schedule.end)
    if options.temperature_schedule is not None:
        parts = options.temperature_schedule.split(",")
        if len(parts) != 3:
            raise InputError("--temperature-schedule: must be three numbers, such as 2,3,1")
        start, rate, final = _numbers("--temperature-schedule", parts)
        settings["temperature_schedule"] = TemperatureSchedule(start=start, rate=rate, final=final)
    return settings


def _numbers(option: str, parts: list[str]) -> list[float]:
    try:
        return [float(part) for part in parts]
    except ValueError:
        raise InputError(f"{option}: {','.join(parts)} must be numbers") from None


def _split(text: str) -> tuple[str, float | None]:
    """A teacher and its weight, if it has one."""
    name, mark, weight = text.rpartition(":")
    if not mark:
        return text, None
    try:
        return name, float(weight)
    except ValueError:
        return text, None  # a colon in a path


def _teachers(named: list[tuple[str, float | None]], places: list[RunStore]) -> dict[str, Any]:
    """The first teacher and the shares of the others."""
    configs: list[RunConfig] = [_config_of(name, places) for name, _ in named]
    first = named[0][1]
    weights = [weight for _, weight in named[1:]]
    if None in weights:
        raise InputError("distill: every teacher after the first needs a weight: --teacher ID:0.3")
    rest = 1.0 - sum(weight for weight in weights if weight is not None)
    if first is not None and abs(first - rest) > 1e-9:
        raise InputError(f"distill: the weights of the teachers sum to {first + 1 - rest:g}, not 1")
    shares = tuple(
        TeacherShare(teacher=config, weight=weight)
        for config, weight in zip(configs[1:], weights, strict=True)
        if weight is not None
    )
    return {"teacher": configs[0], "further_teachers": shares}


def _foreign(folder: Path, options: argparse.Namespace, settings: dict[str, Any]) -> Lesson:
    """A Hugging Face model, or its stored outputs: the text is read in its tokens."""
    from capgap.lm.hugging_face.opening import open_external
    from capgap.lm.training import open_device

    stored = _stored(options)
    length = stored.get("sequence_length", options.sequence_length)
    model, loader, corpus = open_external(folder, options.text, length)
    if stored.get("teacher", model) != model:
        raise InputError(f"distill: the cache {options.cache} is not of the model in {folder}")
    device = open_device(options.device)
    external = {model.sha256: lambda: loader(device, options.precision)}
    settings = {**settings, **stored, "teacher": model}
    return Lesson(corpus, settings, [], external, options.cache)


def _cached(options: argparse.Namespace, settings: dict[str, Any]) -> Lesson:
    """Stored outputs of one of our own runs."""
    stored = _stored(options)
    if options.teacher:
        raise InputError("distill: the cache knows its teacher; leave out --teacher")
    if isinstance(stored["teacher"], ExternalModel):
        raise InputError("distill: the tokens of this cache's teacher are needed: --teacher FOLDER")
    corpus = load_corpus(options.text)
    return Lesson(corpus, {**settings, **stored}, _places(options), cache=options.cache)


def _stored(options: argparse.Namespace) -> dict[str, Any]:
    """What a cache settles: its teacher, its form, half, context, order and precision."""
    if options.cache is None:
        return {}
    from capgap.lm.teacher_cache import read_manifest

    if options.outputs is not None:
        raise InputError("distill: a cache has its own form; leave out --outputs")
    return read_manifest(options.cache).run_settings()
