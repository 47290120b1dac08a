"""Small models made and saved as `save_pretrained` does it, with a tokenizer trained here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

VOCAB_SIZE = 304  # above the tokenizer's 300: model outputs are often padded
CONTEXT = 32
DIMENSIONS = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCAB_SIZE,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
}


@pytest.fixture(scope="session")
def prose() -> list[str]:
    """Made-up prose with characters of one to four bytes."""
    rng = np.random.default_rng(5)
    letters = np.array(list("etaoinshrdlué€"))
    words = ["".join(rng.choice(letters, size=rng.integers(2, 7))) for _ in range(60)]
    return [" ".join(rng.choice(words, size=60)) + " 🙂.\n" for _ in range(30)]


@pytest.fixture(scope="session")
def fast_tokenizer(prose: list[str]) -> Any:
    """Byte-level BPE of 300 tokens, `<s>` first, as transformers wraps it."""
    reason = "needs the extra 'hf'"
    transformers = pytest.importorskip("transformers", reason=reason)
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(prose, trainer)
    assert tokenizer.get_vocab_size() == 300
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")


@pytest.fixture(scope="session")
def save(fast_tokenizer: Any) -> Callable[..., Any]:
    """Make a model of a configuration class, save it with the tokenizer, return it."""
    import transformers

    from capgap.lm.hugging_face.library import quiet_transformers

    def make(folder: Path, kind: str, shard: str | None = None, **settings: Any) -> Any:
        with quiet_transformers():
            config = getattr(transformers, kind)(**settings)
            transformers.set_seed(3)
            model = transformers.AutoModelForCausalLM.from_config(config).eval()
            model.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
            fast_tokenizer.save_pretrained(folder)
        return model

    return make


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory, save: Callable[..., Any]) -> tuple[Path, Any]:
    """An untied Llama: its folder (to be copied before it is damaged) and itself."""
    folder = tmp_path_factory.mktemp("models") / "llama"
    return folder, save(folder, "LlamaConfig", **DIMENSIONS)


@pytest.fixture(scope="session")
def sharded(tmp_path_factory: pytest.TempPathFactory, save: Callable[..., Any]) -> tuple[Path, Any]:
    """A tied Llama in several files."""
    folder = tmp_path_factory.mktemp("models") / "sharded"
    model = save(folder, "LlamaConfig", "20KB", **DIMENSIONS, tie_word_embeddings=True)
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    return folder, model
