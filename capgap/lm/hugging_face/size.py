"""Parameters and FLOPs of a Hugging Face model, by the same conventions as our own models."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from capgap.compute import flops_per_token
from capgap.errors import InputError

__all__ = ["ModelSize", "longest_context", "measure_size"]


@dataclass(frozen=True)
class ModelSize:
    """What a model costs.

    Attributes
    ----------
    N : int
        Non-embedding parameters.
    N_active : int
        Those that one token meets: fewer than N in a mixture of experts.
    forward_flops : float
        Per token, at the context it was counted for.
    vocab_size : int
        Outputs.
    """

    N: int
    N_active: int
    forward_flops: float
    vocab_size: int


def measure_size(model: Any, context: int) -> ModelSize:
    r"""Count parameters and FLOPs per token.

    N is what remains of all parameters, each counted once, without tables that are looked
    up (every `torch.nn.Embedding`: of tokens, and of positions where they are learned) and
    without the weights and bias of the output head. A head tied to the embedding is one
    tensor and goes with it, so that a model has the same N tied and untied.

    .. math:: C_{fwd} = 2 N_{active} + 2 n_{layers} n_{ctx} n_{heads} d_{head}
                        + 2 n_{vocab} d_{model}

    the paper's formula (arXiv 2502.08606, appendix H), in which :math:`n_{heads} d_{head}
    = d_{model}`. Attention is counted as full and causal in every layer; sliding windows
    cost less. Of experts, the chosen share is active.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Any causal language model, on any device (also "meta", without storage).
    context : int
        n_ctx in tokens.

    Raises
    ------
    InputError
        The model has no output head or no attention, reads more than text, or does not say
        how many of its experts are active.
    """
    config, head = model.config, model.get_output_embeddings()
    if config.get_text_config(decoder=True) is not config:
        raise InputError(f"load: {config.model_type} reads more than text; it must read text alone")
    if head is None or not hasattr(head, "weight"):
        raise InputError(f"load: {config.model_type} has no output head")
    N, experts = _outside_tables(model, head)
    active = N - experts + round(experts * _active_share(config)) if experts else N
    d_model, heads = config.hidden_size, getattr(config, "num_attention_heads", None)
    if not heads:
        raise InputError(f"load: {config.model_type} has no attention; its FLOPs are not known")
    width = heads * (getattr(config, "head_dim", None) or d_model // heads)
    vocab_size = int(head.weight.shape[0])
    flops = flops_per_token(active, config.num_hidden_layers, width, context, n_vocab=0)
    return ModelSize(N, active, flops + 2.0 * vocab_size * d_model, vocab_size)


def longest_context(config: Any) -> int | None:
    """Tokens that the configuration allows; None where it states no limit."""
    length = getattr(config, "max_position_embeddings", None)
    return length if isinstance(length, int) and length > 0 else None


def _outside_tables(model: nn.Module, head: nn.Module) -> tuple[int, int]:
    """Parameters outside embeddings and head, and how many of them belong to experts."""
    tables = {
        id(parameter)
        for module in model.modules()
        if module is head or isinstance(module, nn.Embedding)
        for parameter in module.parameters()
    }
    kept = [(n, p.numel()) for n, p in model.named_parameters() if id(p) not in tables]
    return sum(size for _, size in kept), sum(size for n, size in kept if ".experts." in n)


def _active_share(config: Any) -> float:
    """Experts that a token meets over all of them."""
    chosen = getattr(config, "num_experts_per_tok", None)
    there = getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None)
    if not chosen or not there:
        raise InputError(f"load: {config.model_type} does not say how many experts a token meets")
    return float(chosen) / float(there)
