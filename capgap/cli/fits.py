"""The commands fit, rollout and compare-laws."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from capgap.cli.fit_options import (
    Source,
    add_fit_options,
    add_runs,
    default_laws,
    law_argument,
    load,
    parse_point,
    parse_terms,
)
from capgap.cli.fit_pictures import draw_comparison, draw_fit, draw_rollout
from capgap.cli.fit_records import comparison_record, rollout_record
from capgap.cli.fit_tables import (
    print_chain,
    print_comparison,
    print_fit,
    print_predictions,
    print_rollout,
)
from capgap.cli.options import add_command
from capgap.cli.progress import bars
from capgap.comparison.fitting.search import Fit
from capgap.comparison.fitting.tables import LAWS, TAUGHT_LAWS
from capgap.comparison.held_out import (
    compare_laws,
    compare_rollouts,
    forward_chain,
    rollout,
)
from capgap.comparison.held_out.cutoff import cutoff_mask
from capgap.comparison.summary.prediction import foretell
from capgap.comparison.summary.record import fit_record, save_fit
from capgap.comparison.summary.request import FitRequest
from capgap.comparison.summary.summarize import FitSummary, summarize
from capgap.errors import InputError

__all__ = ["add_commands"]


def add_commands(commands: Any) -> None:
    """Add fit, rollout and compare-laws."""
    _add_fit(commands)
    _add_rollout(commands)
    _add_comparison(commands)


def _add_fit(commands: Any) -> None:
    parser = add_command(
        commands,
        "fit",
        run_fit,
        "fit a law to runs: coefficients, intervals, and what the runs cannot tell",
        "capgap fit chinchilla --law plain --at N=70B,D=1.4T --out chinchilla_fit.json",
    )
    add_runs(parser)
    law_argument(parser)
    add_fit_options(parser)
    parser.add_argument(
        "--bootstrap", type=int, default=1000, metavar="K", help="refits behind intervals (1000)"
    )
    parser.add_argument(
        "--kind", choices=("residuals", "noise", "wild", "pairs", "cells"),
        help="of refits: the residuals' own noise, normal noise, wild (by cell), or drawn runs or"
        " cells (residuals; noise with --shared)",
    )  # fmt: skip
    parser.add_argument(
        "--seed-noise", type=float, metavar="S",
        help="standard deviation of log loss between seeds, to test the law against",
    )  # fmt: skip
    parser.add_argument(
        "--noise-profile", action="store_true",
        help="let the noise of a run depend on its inputs, and weigh runs by it",
    )  # fmt: skip
    parser.add_argument(
        "--starts", choices=("own", "paper"), default="paper",
        help="search from our own starts alone, or from the paper's grid too (paper)",
    )  # fmt: skip
    parser.add_argument(
        "--profiles", choices=("weak", "all", "none"), default="weak",
        help="coefficients whose likelihood is profiled (weak)",
    )  # fmt: skip
    parser.add_argument(
        "--influence", action="store_true", help="leave out each cell and see what moves"
    )
    parser.add_argument(
        "--at", action="append", default=[], metavar="N=..,D=..",
        help="predict the loss here (may be repeated)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="FILE",
        help="save the fit, for --coefficients of predict and plan",
    )  # fmt: skip


def _add_rollout(commands: Any) -> None:
    parser = add_command(
        commands,
        "rollout",
        run_rollout,
        "fit below a cutoff, predict the other runs, and compare",
        "capgap rollout chinchilla --law plain --cutoff 'C<1e21' --forward 6",
    )
    add_runs(parser)
    law_argument(parser)
    add_fit_options(parser)
    parser.add_argument(
        "--cutoff", required=True, metavar="COLUMN<VALUE",
        help="which runs to fit, such as C<1e21 (C = 6 N D) or loss>=2.2",
    )  # fmt: skip
    parser.add_argument(
        "--forward", type=int, metavar="K",
        help="forward chaining besides: K shares in the order of compute",
    )  # fmt: skip
    parser.add_argument(
        "--bootstrap", type=int, default=400, metavar="K", help="refits behind intervals (400)"
    )


def _add_comparison(commands: Any) -> None:
    parser = add_command(
        commands,
        "compare-laws",
        run_comparison,
        "compare laws by what they say of runs that they have not seen",
        "capgap compare-laws simulations/runs --laws distillation-reduced,hinge"
        " --terms tokens --where 'depth>=2' --groups L_T",
    )
    add_runs(parser)
    parser.add_argument(
        "--laws", metavar="LAW,...", help=f"two or more of {', '.join(LAWS)} (those that apply)"
    )
    add_fit_options(parser)
    parser.add_argument(
        "--groups", default="cell", metavar="WHAT",
        help="left out together: cell (equal N and D), or one value of N, D (N_S, D_S) or L_T"
        " (cell)",
    )  # fmt: skip
    parser.add_argument(
        "--folds", type=int, default=12, metavar="K", help="at most so many folds (12)"
    )
    parser.add_argument(
        "--measure", choices=("absolute", "squared"), default="absolute",
        help="errors that decide (absolute)",
    )  # fmt: skip
    parser.add_argument(
        "--cutoff", metavar="COLUMN<VALUE", help="hold out the runs beyond this cutoff instead"
    )
    parser.add_argument(
        "--bootstrap", type=int, default=100, metavar="K",
        help="refits per fold behind the intervals whose coverage is told, or 0 (100)",
    )  # fmt: skip


def run_fit(options: argparse.Namespace) -> None:
    """``capgap fit``."""
    points = [parse_point(text) for text in options.at]
    request = _request(options, options.law, grid=options.starts, **_fit_settings(options))
    source = load(options, request.taught)
    for point in points:
        _check_point(point, source)
    summary = _summarize(source, request)
    foretold = tuple(
        foretell(summary.fit, summary.draws, summary.refits, point, options.level)
        for point in points
    )
    if options.out is not None:
        usable = save_fit(summary, options.out, foretold=foretold, family=source.family)
    if options.figures is not None:
        draw_fit(summary, options.figures)
    if options.json:
        print(json.dumps(fit_record(summary, foretold), allow_nan=False))
        return
    print_fit(summary, source.notes)
    print_predictions(foretold, options.level)
    if options.out is not None:
        what = "" if usable else "; it belongs to no supervised law, so plans cannot use it"
        print(f"\nsaved in {options.out}{what}")
    if options.figures is not None:
        print(f"pictures in {options.figures}")


def run_rollout(options: argparse.Namespace) -> None:
    """``capgap rollout``."""
    taught = options.law in TAUGHT_LAWS
    source = load(options, taught)
    summary = _summarize(source, _bare(options, options.law))
    mask = _mask(summary.fit, source, options.cutoff)
    settings = {
        "seed": options.seed, "level": options.level, "draws": options.bootstrap,
        "shared": options.shared,
    }  # fmt: skip
    rolled = rollout(summary.fit, mask, **settings)
    chain = None
    if options.forward is not None:
        chain = forward_chain(summary.fit, folds=options.forward, **settings)
    if options.figures is not None:
        draw_rollout(rolled, chain, options.law, options.cutoff, source, options.figures)
    if options.json:
        print(
            json.dumps(rollout_record(options.law, options.cutoff, rolled, chain), allow_nan=False)
        )
        return
    assert source.runs.row is not None
    skipped = rolled.fit.residual.size - len(source.runs)
    rows = [0] * skipped + [int(row) for row in source.runs.row]
    print_rollout(options.law, options.cutoff, rolled, rows)
    if chain is not None:
        print_chain(chain)


def run_comparison(options: argparse.Namespace) -> None:
    """``capgap compare-laws``."""
    laws = tuple(dict.fromkeys(options.laws.split(","))) if options.laws else ()
    for law in laws:
        if law not in LAWS:
            raise InputError(f"compare-laws: {law!r} must be one of {', '.join(LAWS)}")
    kinds = {law in TAUGHT_LAWS for law in laws}
    if len(kinds) == 2:
        raise InputError("compare-laws: laws must all be with teachers or all without")
    source = load(options, kinds.pop() if kinds else None)
    laws = laws or default_laws(source.runs)
    fits = {law: _summarize(source, _bare(options, law)).fit for law in laws}
    settings = {
        "seed": options.seed, "level": options.level, "measure": options.measure,
        "draws": options.bootstrap, "shared": options.shared,
        "groups": _groups(options.groups, source),
    }  # fmt: skip
    if options.cutoff is None:
        with bars() as display:
            display.add_task("leaving out runs", total=None, note="")
            found = compare_laws(fits, folds=options.folds, **settings)
        how = f"cross-validation, {options.groups} by {options.groups}"
    else:
        mask = _mask(next(iter(fits.values())), source, options.cutoff)
        found, _ = compare_rollouts(fits, mask, **settings)
        how = f"runs beyond {options.cutoff}"
    if options.figures is not None:
        draw_comparison(found, source, options.figures)
    if options.json:
        print(json.dumps(comparison_record(found, how), allow_nan=False))
        return
    print_comparison(found, how)


def _fit_settings(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "refits": options.bootstrap,
        "kind": options.kind,
        "seed_noise": options.seed_noise,
        "noise_profile": options.noise_profile,
        "profiles": options.profiles,
        "influence": options.influence,
    }


def _request(options: argparse.Namespace, law: str, **settings: Any) -> FitRequest:
    return FitRequest(
        law=law,
        gamma=options.gamma,
        terms=parse_terms(options.terms),
        own=options.own if law in TAUGHT_LAWS else "fixed",
        delta=options.delta,
        use_standard_errors=options.standard_errors,
        level=options.level,
        seed=options.seed,
        shared=options.shared,
        **settings,
    )


def _bare(options: argparse.Namespace, law: str) -> FitRequest:
    """The fit alone, for what is held out from it."""
    return _request(options, law, grid="own", refits=0, profiles="none")


def _summarize(source: Source, request: FitRequest) -> FitSummary:
    with bars() as display:
        task = display.add_task("", total=None, note="")
        return summarize(
            source.runs,
            request,
            supervised_law=source.supervised_law,
            supervised_runs=source.supervised_runs,
            report=lambda step: display.update(task, description=step),
        )


def _check_point(point: Mapping[str, float], source: Source) -> None:
    wanted = list(source.runs.inputs)
    if sorted(point) != sorted(wanted):
        raise InputError(f"--at: {', '.join(point)} must be {', '.join(wanted)}")
    for name, value in point.items():
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"--at: {name} = {value:g} must be finite and > 0")


def _mask(fit: Fit, source: Source, cutoff: str) -> Any:
    """Which runs of the fit to keep; supervised runs of a joint fit are always kept."""
    mask = cutoff_mask(source.runs, cutoff)
    return np.concatenate([np.ones(fit.residual.size - mask.size, dtype=bool), mask])


def _groups(text: str, source: Source) -> str:
    """An input's name as the law has it: N and D are N_S and D_S where there are teachers."""
    if source.runs.taught and text in ("N", "D"):
        return f"{text}_S"
    return text
