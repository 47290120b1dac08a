"""A Hugging Face causal language model as a teacher, from a local folder of safetensors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from capgap.errors import InputError
from capgap.lm.checks import require_integer, require_member
from capgap.lm.config import PRECISIONS
from capgap.lm.external import ExternalModel
from capgap.lm.hugging_face.folder import ModelFolder
from capgap.lm.hugging_face.head_probe import check_causal, why_no_hidden_form
from capgap.lm.hugging_face.library import quiet_transformers
from capgap.lm.hugging_face.size import longest_context, measure_size
from capgap.lm.hugging_face.tokenizing import FolderTokenizer

__all__ = ["HuggingFaceTeacher", "describe_folder", "load_teacher"]


class HuggingFaceTeacher(nn.Module):
    """A loaded model with the interface of `capgap.lm.model.Transformer`; frozen, in eval mode.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model.
    folder : ModelFolder
        Where it came from.
    """

    def __init__(self, model: Any, folder: ModelFolder) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self.folder = folder
        self.vocab_size = int(model.get_output_embeddings().weight.shape[0])
        self.longest_context = longest_context(model.config)
        with torch.no_grad():
            check_causal(model, self.vocab_size)
            self.no_hidden_form = why_no_hidden_form(model, self.vocab_size)

    def train(self, mode: bool = True) -> "HuggingFaceTeacher":
        """Stays in eval mode: a teacher has no dropout."""
        return super().train(False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token in the model's own precision.

        Parameters
        ----------
        tokens : Tensor
            Integers, shape (batch, time); whole windows without padding.

        Returns
        -------
        Tensor
            Shape (batch, time, vocab_size), with capping and scaling as the architecture
            has them.
        """
        return self._run(self.model, tokens).logits  # type: ignore[no-any-return]

    def hidden(self, tokens: Tensor) -> Tensor:
        """States that the head reads, shape (batch, time, d_model).

        ``hidden(tokens) @ head.weight.T`` equals ``forward(tokens)``.

        Raises
        ------
        InputError
            The architecture does more than that after its last states.
        """
        self._require_hidden_form()
        return self._run(self.model.base_model, tokens).last_hidden_state  # type: ignore[no-any-return]

    @property
    def head(self) -> nn.Linear:
        """The output head, weight of shape (vocab_size, d_model); refused as `hidden` is."""
        self._require_hidden_form()
        return self.model.get_output_embeddings()  # type: ignore[no-any-return]

    def describe(self, context: int | None = None) -> ExternalModel:
        """The record that stands for this teacher in a run; see `describe_folder`."""
        return _describe(self.model, self.folder, context)

    def _run(self, module: Callable[..., Any], tokens: Tensor) -> Any:
        longest = self.longest_context
        if longest is not None and tokens.shape[1] > longest:
            raise InputError(
                f"teacher {self.folder.path.name}: {tokens.shape[1]} tokens in a window, but its"
                f" context ends at {longest}"
            )
        # The precision is that of the loaded weights, whatever the student's loop casts to.
        with torch.autocast(tokens.device.type, enabled=False):
            return module(input_ids=tokens, use_cache=False)

    def _require_hidden_form(self) -> None:
        if self.no_hidden_form is not None:
            raise InputError(
                f"teacher {self.folder.path.name} has no states-and-head form:"
                f" {self.no_hidden_form}; use its logits"
            )


def load_teacher(
    folder: str | Path,
    device: torch.device | str = "cpu",
    precision: str = "float32",
    *,
    sha256: str | None = None,
) -> HuggingFaceTeacher:
    """Load a causal language model from a local folder; nothing is downloaded or executed.

    Parameters
    ----------
    folder : path
        As `save_pretrained` writes it: ``config.json``, safetensors in one or several files.
    device : torch.device or str
        Where it runs.
    precision : str
        "float32" or "bfloat16": of weights and arithmetic.
    sha256 : str or None
        The hash it was recorded with (`ExternalModel.sha256`); another folder is refused.

    Raises
    ------
    InputError
        The folder holds no complete model in safetensors, is not the one recorded, needs
        code of its own, is not a causal language model, lacks weights that its
        configuration asks for, has others, or weights that are not finite.
    CapgapError
        The extra `hf` is not installed.
    """
    require_member("load", "precision", precision, PRECISIONS)
    checked = ModelFolder.open(folder)
    if sha256 is not None and checked.sha256() != sha256:
        raise InputError(
            f"load: {checked.path} is not the model that was recorded (SHA-256 differs)"
        )
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    with _library(checked) as library:
        model, report = library.AutoModelForCausalLM.from_pretrained(
            str(checked.path), config=_config(library, checked), dtype=dtype, use_safetensors=True,
            local_files_only=True, trust_remote_code=False, output_loading_info=True,
        )  # fmt: skip
    _check_report(checked, report)
    _check_finite(checked, model)
    # Examined on the CPU, whose kernels repeat themselves exactly.
    return HuggingFaceTeacher(model, checked).to(device)


def describe_folder(folder: str | Path, context: int | None = None) -> ExternalModel:
    """The record of a model without loading its weights (they are hashed).

    Parameters
    ----------
    folder : path
        See `load_teacher`.
    context : int or None
        Tokens per window that the teacher will read: FLOPs are counted for it, and the
        record states it as `sequence_length`. None: the longest that the model allows.

    Raises
    ------
    InputError
        As in `load_teacher`; or `context` is longer than the model allows, or is needed
        because the model states no limit.
    """
    checked = ModelFolder.open(folder)
    with _library(checked) as library, torch.device("meta"):
        model = library.AutoModelForCausalLM.from_config(
            _config(library, checked), trust_remote_code=False
        )
    return _describe(model, checked, context)


def _describe(model: Any, folder: ModelFolder, context: int | None) -> ExternalModel:
    length = _context(folder, longest_context(model.config), context)
    size = measure_size(model, length)
    return ExternalModel(
        name=folder.path.resolve().name,
        sha256=folder.sha256(),
        vocab_size=size.vocab_size,
        N=size.N,
        forward_flops=size.forward_flops,
        sequence_length=length,
        tokenizer=FolderTokenizer.open(folder.path).fingerprint,
    )


def _context(folder: ModelFolder, longest: int | None, asked: int | None) -> int:
    if asked is None:
        if longest is None:
            raise InputError(f"load: {folder.path} states no longest context; give one")
        return longest
    require_integer("load", "context", asked, 1)
    if longest is not None and asked > longest:
        raise InputError(
            f"load: windows of {asked} tokens are longer than the context of {folder.path},"
            f" {longest} tokens"
        )
    return asked


@contextmanager
def _library(folder: ModelFolder) -> Iterator[Any]:
    """The library; whatever it raises on a folder is that folder's error, in one line."""
    with quiet_transformers() as library:
        try:
            yield library
        except (InputError, torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:
            reason = next(filter(None, map(str.strip, str(error).splitlines())), "")
            raise InputError(
                f"load: {folder.path} cannot be loaded: {reason or type(error).__name__}"
            ) from None


def _config(library: Any, folder: ModelFolder) -> Any:
    """The configuration, of an architecture that the library itself has."""
    kind = folder.config.get("model_type")
    if kind not in library.CONFIG_MAPPING:
        own = " and would need code of its own, which is never run" * ("auto_map" in folder.config)
        raise InputError(f"load: {folder.path} has model_type {kind!r}, which is unknown{own}")
    config = library.AutoConfig.from_pretrained(
        str(folder.path), local_files_only=True, trust_remote_code=False
    )
    if type(config) not in library.MODEL_FOR_CAUSAL_LM_MAPPING:
        raise InputError(f"load: {folder.path} ({kind}) is no causal language model")
    return config


def _check_report(folder: ModelFolder, report: dict[str, Any]) -> None:
    for key, rule in (
        ("missing_keys", "lacks"),
        ("unexpected_keys", "has weights unknown to its configuration:"),
        ("mismatched_keys", "has weights of other shapes than its configuration:"),
        ("error_msgs", "cannot be loaded:"),
    ):
        if found := sorted(map(str, report.get(key) or ())):
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            raise InputError(f"load: {folder.path} {rule} {found[0]}{more}")


def _check_finite(folder: ModelFolder, model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise InputError(f"load: {folder.path}: weights {name} are not finite")
