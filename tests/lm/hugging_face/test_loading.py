"""Loaded teachers compute what transformers computes; whatever is not such a model is refused."""

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")
pytest.importorskip("transformers", reason="needs the extra 'hf'")

import safetensors.torch  # noqa: E402

from capgap.errors import CapgapError, InputError  # noqa: E402
from capgap.lm.hugging_face import describe_folder, load_teacher  # noqa: E402

CONTEXT = 32
VOCAB_SIZE = 304
DIMENSIONS = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": VOCAB_SIZE, "max_position_embeddings": CONTEXT,
    "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None,
}  # fmt: skip
GPT2 = {
    "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT, "vocab_size": VOCAB_SIZE,
    "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
# Configuration class, settings, and why there is no states-and-head form (None: there is one).
ARCHITECTURES = {
    "qwen3": ("Qwen3Config", {**DIMENSIONS, "head_dim": 16}, None),
    "gpt2": ("GPT2Config", GPT2, None),
    "gemma2": ("Gemma2Config", {**DIMENSIONS, "head_dim": 16}, "scaled or capped"),
    "gemma3": ("Gemma3TextConfig", {**DIMENSIONS, "head_dim": 16}, None),
    "granite": ("GraniteConfig", {**DIMENSIONS, "logits_scaling": 4.0}, "scaled or capped"),
    "phi": ("PhiConfig", DIMENSIONS, "has a bias"),
    "mixtral": (
        "MixtralConfig", {**DIMENSIONS, "num_local_experts": 4, "num_experts_per_tok": 2}, None,
    ),
}  # fmt: skip


def tokens(seed: int = 1) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, VOCAB_SIZE, (2, CONTEXT), generator=generator)


def logits_of(model: Any) -> Any:
    with torch.no_grad():
        return model(tokens()).logits


@pytest.fixture
def copy(llama: tuple[Path, Any], tmp_path: Path) -> Path:
    """A folder to damage."""
    return Path(shutil.copytree(llama[0], tmp_path / "copy"))


def test_logits_are_those_of_transformers(llama: Any, sharded: Any) -> None:
    """Oracle: the model in memory, before it was saved. The same kernels: exactly equal."""
    for folder, model in (llama, sharded):
        assert torch.equal(load_teacher(folder)(tokens()), logits_of(model))
    assert not torch.equal(logits_of(llama[1]), logits_of(sharded[1]))


def test_states_times_head_are_the_logits(llama: Any, sharded: Any) -> None:
    for folder, model in (llama, sharded):
        teacher = load_teacher(folder)
        product = teacher.hidden(tokens()) @ teacher.head.weight.T
        assert torch.allclose(product, logits_of(model), atol=1e-6, rtol=0)  # one rounding


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_other_architectures(name: str, save: Callable[..., Any], tmp_path: Path) -> None:
    kind, settings, reason = ARCHITECTURES[name]
    model = save(tmp_path / name, kind, **settings)
    teacher = load_teacher(tmp_path / name)
    assert torch.equal(teacher(tokens()), logits_of(model))
    assert describe_folder(tmp_path / name) == teacher.describe()
    if reason is None:
        product = teacher.hidden(tokens()) @ teacher.head.weight.T
        assert torch.allclose(product, logits_of(model), atol=1e-6, rtol=0)
        return
    with pytest.raises(InputError, match=reason):
        teacher.hidden(tokens())
    with pytest.raises(InputError, match=reason):
        _ = teacher.head
    if name == "gemma2":
        # Why large numbers are sent through the head: a cap at 30 moves the logits x of an
        # untrained model, below 1, by x^3 / 2700 < 4e-4; comparing logits would not show it.
        states = model.model(tokens()).last_hidden_state
        uncapped = states @ model.lm_head.weight.T
        assert torch.allclose(uncapped, logits_of(model), atol=4e-4, rtol=0)


def test_teacher_is_frozen_in_eval_mode_and_float32(save: Any, tmp_path: Path) -> None:
    """GPT-2 has dropout; a student's loop may switch modes and cast."""
    save(tmp_path / "m", "GPT2Config", **GPT2)
    teacher = load_teacher(tmp_path / "m")
    expected = teacher(tokens())
    assert torch.equal(teacher.train()(tokens()), expected)
    assert not expected.requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(teacher(tokens()), expected)
    half = load_teacher(tmp_path / "m", precision="bfloat16")(tokens())
    assert half.dtype == torch.bfloat16
    # 8 bits of mantissa, logits of order 0.1 after two layers.
    assert 0 < float((half.float() - expected).abs().max()) < 0.02


def test_nothing_is_asked_of_the_network(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    load_teacher(llama[0])


def llama_parameters(d: int, ff: int, layers: int, kv: int) -> int:
    """By hand: q and o are d x d, k and v d x kv, three feed-forward matrices, gains."""
    return layers * (2 * d * d + 2 * d * kv + 3 * d * ff + 2 * d) + d


def test_parameters_by_hand_tied_and_untied(llama: Any, sharded: Any) -> None:
    N = llama_parameters(d=32, ff=48, layers=2, kv=16)
    table = VOCAB_SIZE * 32
    for (folder, model), tables in ((llama, 2), (sharded, 1)):
        assert describe_folder(folder).N == N
        assert sum(p.numel() for p in model.parameters()) == N + tables * table


def test_parameters_of_gpt2_leave_out_positions(save: Any, tmp_path: Path) -> None:
    model = save(tmp_path / "m", "GPT2Config", **GPT2)
    tables = (VOCAB_SIZE + CONTEXT) * 32
    total = sum(p.numel() for p in model.parameters())
    assert total == describe_folder(tmp_path / "m").N + tables


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
def test_flops_by_counting(kind: str, save: Any, tmp_path: Path) -> None:
    """Oracle: torch counts every matrix product of one window as 2 m n k.

    It counts attention whole, where causal attention needs half; and the formula counts
    2 FLOPs for each gain and bias, which are in no product.
    """
    from torch.utils.flop_counter import FlopCounterMode

    name, settings = ("LlamaConfig", DIMENSIONS) if kind == "llama" else ARCHITECTURES[kind][:2]
    model = save(tmp_path / "m", name, **settings)
    model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(tokens()[:1])
    width = 64 if kind == "qwen3" else 32  # heads x head width
    half_attention = 2 * 2 * CONTEXT * width
    vectors = sum(p.numel() for p in model.parameters() if p.ndim == 1)
    expected = counter.get_total_flops() / CONTEXT - half_attention + 2 * vectors
    assert describe_folder(tmp_path / "m").forward_flops == expected


def test_experts_cost_what_a_token_meets(save: Any, tmp_path: Path) -> None:
    kind, settings, _ = ARCHITECTURES["mixtral"]
    save(tmp_path / "m", kind, **settings)
    record = describe_folder(tmp_path / "m")
    expert, router = 3 * 32 * 48, 32 * 4
    dense = llama_parameters(d=32, ff=48, layers=2, kv=16)
    total = dense + 2 * (3 * expert + router)
    assert total == record.N
    active = dense + 2 * (expert + router)
    assert record.forward_flops == 2 * active + 2 * 2 * CONTEXT * 32 + 2 * VOCAB_SIZE * 32


def test_flops_are_counted_at_the_context_that_is_read(llama: Any) -> None:
    short, full = describe_folder(llama[0], 8), describe_folder(llama[0])
    assert (short.sequence_length, full.sequence_length) == (8, CONTEXT)
    assert full.forward_flops - short.forward_flops == 2 * 2 * (CONTEXT - 8) * 32
    with pytest.raises(InputError, match="33 tokens are longer"):
        describe_folder(llama[0], 33)
    with pytest.raises(InputError, match="33 tokens in a window"):
        load_teacher(llama[0])(torch.zeros(1, 33, dtype=torch.int64))


def test_identity_is_contents_not_place(llama: Any, copy: Path) -> None:
    recorded = describe_folder(llama[0])
    (copy / "README.md").write_text("hello")
    moved = describe_folder(copy)
    assert moved.sha256 == recorded.sha256
    load_teacher(copy, sha256=recorded.sha256)
    # One bit of the last weight: the file is still whole, the hash sees it.
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-4] ^= 1
    weights.write_bytes(data)
    load_teacher(copy)
    with pytest.raises(InputError, match="copy is not the model that was recorded"):
        load_teacher(copy, sha256=recorded.sha256)


def refused(folder: Path, words: str) -> None:
    for read in (load_teacher, describe_folder):
        with pytest.raises(InputError, match=words) as caught:
            read(folder)
        assert "\n" not in str(caught.value)


def test_truncated_file_is_named(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    refused(copy, r"copy/model\.safetensors is truncated or damaged")


def test_damaged_header_is_named(copy: Path) -> None:
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[20:30] = b"##########"
    weights.write_bytes(data)
    refused(copy, r"copy/model\.safetensors is truncated or damaged")


def test_truncated_missing_and_foreign_parts_are_named(sharded: Any, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sharded[0], tmp_path / "copy"))
    part = sorted(folder.glob("model-*.safetensors"))[1]
    part.write_bytes(part.read_bytes()[:-1])
    refused(folder, f"{part.name} is truncated")
    part.unlink()
    refused(folder, f"{part.name} is missing")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../other.safetensors"}}))
    refused(folder, "no safetensors file here")
    index.write_text("{}")
    refused(folder, "no weight_map")


def test_pickled_weights_are_never_opened(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    refused(copy, r"pytorch_model\.bin may hold code and is not read")
    (copy / "pytorch_model.bin").unlink()
    refused(copy, r"copy has no model\.safetensors")


def test_adapter_is_refused(copy: Path) -> None:
    """The library would load the model that the adapter names, not the one in the folder."""
    (copy / "adapter_config.json").write_text('{"base_model_name_or_path": "elsewhere"}')
    refused(copy, "holds an adapter")


def test_code_in_the_folder_is_never_run(copy: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    (copy / "modeling_own.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    config = json.loads((copy / "config.json").read_text())
    config["auto_map"] = {
        "AutoConfig": "modeling_own.OwnConfig",
        "AutoModelForCausalLM": "modeling_own.Own",
    }
    # An architecture that the library has is built by the library.
    (copy / "config.json").write_text(json.dumps(config))
    load_teacher(copy)
    config["model_type"] = "own"
    (copy / "config.json").write_text(json.dumps(config))
    refused(copy, "code of its own, which is never run")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "own"}, "model_type 'own', which is unknown"),
        ({"model_type": "t5"}, "no causal language model"),
        ({"quantization_config": {"bits": 4}}, "is quantized"),
        ({"hidden_size": "wide"}, "cannot be loaded"),
        ({"transformers_weights": "pytorch_model.bin"}, r"config\.json sets transformers_weights"),
        ({"configuration_files": ["config.4.json"]}, r"config\.json sets configuration_files"),
        ({"attn_implementation": "some/kernel"}, r"config\.json sets attn_implementation"),
    ],
)
def test_unusable_configurations(copy: Path, change: dict[str, Any], words: str) -> None:
    path = copy / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    refused(copy, words)


def test_missing_and_broken_configurations_are_named(copy: Path, tmp_path: Path) -> None:
    (copy / "config.json").write_text("{")
    refused(copy, r"config\.json is not JSON")
    (copy / "config.json").write_text("[]")
    refused(copy, r"config\.json must be a JSON object")
    (copy / "config.json").unlink()
    refused(copy, r"cannot read .*config\.json")
    refused(tmp_path / "nothing", "no such folder")


def test_weights_must_be_those_of_the_configuration(copy: Path) -> None:
    path = copy / "model.safetensors"
    whole = safetensors.torch.load_file(path)
    name = "model.layers.1.mlp.up_proj.weight"

    def write(tensors: dict[str, Any]) -> None:
        safetensors.torch.save_file(tensors, path, {"format": "pt"})

    write({n: t for n, t in whole.items() if n != name})
    with pytest.raises(InputError, match=f"copy lacks {name}"):
        load_teacher(copy)
    write({**whole, "model.layers.2.own": torch.ones(3)})
    with pytest.raises(InputError, match=r"unknown to its configuration: model\.layers\.2\.own"):
        load_teacher(copy)
    write({**whole, name: torch.ones(3, 3)})
    with pytest.raises(InputError, match="copy"):
        load_teacher(copy)
    write({**whole, name: whole[name].index_fill(0, torch.tensor([1]), torch.nan)})
    with pytest.raises(InputError, match=f"{name} are not finite"):
        load_teacher(copy)


def test_model_that_looks_ahead_is_refused(save: Any, tmp_path: Path) -> None:
    settings = {k: v for k, v in DIMENSIONS.items() if k != "num_key_value_heads"}
    save(tmp_path / "encoder", "BertConfig", **settings)
    with pytest.raises(InputError, match="bert is not causal"):
        load_teacher(tmp_path / "encoder")
    save(tmp_path / "decoder", "BertConfig", **settings, is_decoder=True)
    load_teacher(tmp_path / "decoder")


def test_context_must_be_given_where_the_model_states_none(save: Any, tmp_path: Path) -> None:
    settings = {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": VOCAB_SIZE}
    save(tmp_path / "m", "BloomConfig", **settings, bos_token_id=0, eos_token_id=0)
    with pytest.raises(InputError, match="states no longest context"):
        describe_folder(tmp_path / "m")
    assert describe_folder(tmp_path / "m", 16).sequence_length == 16


def test_missing_extra_is_told(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(CapgapError, match=r"pip install 'capgap\[lm,hf\]'"):
        load_teacher(llama[0])


def test_unknown_precision_is_refused(llama: Any) -> None:
    with pytest.raises(InputError, match="precision = 'float8'"):
        load_teacher(llama[0], precision="float8")
