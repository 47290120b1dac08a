"""Is a model causal, and are its logits its last states times the weights of its head?

Asked of the model itself, because hundreds of architectures answer differently: some cap or
scale logits after the head, some add a bias, some read what comes.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from capgap.errors import InputError

__all__ = ["check_causal", "why_no_hidden_form"]

LENGTH = 5
# Far outside the range where soft-capping (at 30 to 50) or a scale would go unnoticed.
PROBE_LOGIT = 1000.0
# What a later token may move, relative to the logits: rounding of experts that are fed other
# batches. Other causal models are exact.
CAUSAL_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2**-8}


@dataclass
class _Seen:
    """What passed through the head."""

    states: Tensor | None = None


def check_causal(model: Any, vocab_size: int) -> None:
    """Refuse a model whose first prediction changes with later tokens.

    Raises
    ------
    InputError
        It looks ahead, or its outputs do not have the size of its head.
    """
    tokens = _tokens(model, vocab_size)
    changed = tokens.clone()
    changed[0, 1:] = (changed[0, 1:] + LENGTH) % vocab_size
    first, second = (model(input_ids=t, use_cache=False).logits for t in (tokens, changed))
    if first.shape != (1, tokens.shape[1], vocab_size):
        raise InputError(
            f"load: {model.config.model_type} gives outputs of shape {tuple(first.shape)} for"
            f" {tokens.shape[1]} tokens and a head of {vocab_size} rows"
        )
    moved = float((first - second)[0, 0].abs().max())
    if moved > CAUSAL_TOLERANCE[first.dtype] * float(torch.maximum(first, second).abs().max()):
        raise InputError(
            f"load: {model.config.model_type} is not causal: its predictions depend on later tokens"
        )


def why_no_hidden_form(model: Any, vocab_size: int) -> str | None:
    """Why logits are not ``base_model(tokens).last_hidden_state @ head.weight.T``, or None.

    The output of the head is replaced, for one pass over a few tokens, by numbers up to
    1000; they must come out as logits unchanged, and the head must have read the last
    states of the base model.
    """
    head, base = model.get_output_embeddings(), model.base_model
    if type(head) is not nn.Linear:
        return f"its head is a {type(head).__name__}, not a linear map"
    if head.bias is not None:
        return "its head has a bias"
    if base is model:
        return "its states cannot be had without its head"
    tokens = _tokens(model, vocab_size)
    given = torch.linspace(-PROBE_LOGIT, PROBE_LOGIT, vocab_size, device=tokens.device)
    given = given.to(head.weight.dtype).expand(1, tokens.shape[1], -1)
    seen = _Seen()

    def replace(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        seen.states = inputs[0]
        return given

    hook = head.register_forward_hook(replace)
    try:
        logits = model(input_ids=tokens, use_cache=False).logits
    finally:
        hook.remove()
    if not torch.equal(logits.float(), given.float()):
        return "its logits are scaled or capped after the head"
    states = base(input_ids=tokens, use_cache=False).last_hidden_state
    if seen.states is None or not torch.equal(states.float(), seen.states.float()):
        return "its head does not read the last states of its base model"
    return None


def _tokens(model: Any, vocab_size: int) -> Tensor:
    return (torch.arange(LENGTH, device=model.device) % vocab_size)[None, :]
