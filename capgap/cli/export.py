"""The command that writes a run's model as a Hugging Face folder: export."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capgap.cli.options import DEFAULT_RUNS, add_command, require_folder
from capgap.errors import InputError
from capgap.measurement.records import RunRecord, RunStore

if TYPE_CHECKING:
    from capgap.lm.hugging_face.tokenizing import FolderTokenizer

__all__ = ["add_commands"]


def add_commands(commands: Any) -> None:
    """Add export."""
    export = add_command(
        commands,
        "export",
        run_export,
        "write a trained model as a Hugging Face folder (Qwen3, safetensors)",
        "capgap export 3f9a --runs runs --out student",
    )
    export.add_argument("id", metavar="ID", help="id of the run, or its beginning")
    export.add_argument(
        "--runs", type=Path, default=DEFAULT_RUNS, metavar="DIR", help="where runs are kept (runs)"
    )
    export.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="new folder to write"
    )
    export.add_argument(
        "--tokenizer", type=Path, metavar="FOLDER",
        help="the teacher's folder, for a student trained on its tokens",
    )  # fmt: skip
    export.add_argument("--json", action="store_true", help="print as JSON")


def run_export(options: argparse.Namespace) -> None:
    """``capgap export``."""
    store = RunStore(require_folder(options.runs, "export"))
    record = store.read(options.id)
    if record.weights_sha256 is None:
        raise InputError(f"export: run {record.id} failed and has no weights")
    tokenizer = _tokenizer(record, options.tokenizer)
    from capgap.lm.checkpoint import load_model
    from capgap.lm.hugging_face.export import export_student

    weights = store.weights_path(record.id)
    model = load_model(record.config.shape, weights, record.weights_sha256)
    folder = export_student(model, options.out, tokenizer)
    names = sorted(path.name for path in folder.iterdir())
    if options.json:
        print(json.dumps({"id": record.id, "folder": str(folder), "files": names}))
        return
    print(f"{record.id} as Qwen3ForCausalLM in {folder}: {', '.join(names)}")


def _tokenizer(record: RunRecord, folder: Path | None) -> "FolderTokenizer | None":
    """The tokenizer of the run: the one its corpus was made with, and no other."""
    from capgap.lm.tokenized import tokenizer_of

    wanted = tokenizer_of(record.config.corpus)
    if wanted is None:
        if folder is not None:
            raise InputError(f"export: run {record.id} reads bytes; leave out --tokenizer")
        return None
    if folder is None:
        raise InputError(
            f"export: run {record.id} has the tokens of tokenizer {wanted}; name its folder:"
            " --tokenizer FOLDER"
        )
    from capgap.lm.hugging_face.tokenizing import FolderTokenizer

    found = FolderTokenizer.open(folder)
    if found.fingerprint != wanted:
        raise InputError(
            f"export: {folder} has tokenizer {found.fingerprint}, run {record.id} needs {wanted}"
        )
    return found
