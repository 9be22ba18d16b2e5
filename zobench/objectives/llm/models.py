"""The language models: three embedded ones, random ones, and those that transformers can load."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from zobench.errors import BadInput, unknown
from zobench.objectives.llm.checkpoint import check_complete, naming
from zobench.objectives.llm.decoder import check, check_config
from zobench.objectives.llm.hub import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch
    from transformers import (
        OPTForCausalLM,
        PreTrainedModel,
        PreTrainedTokenizerBase,
    )

FOLDER = Path(__file__).parent / "models"
EMBEDDED = ("tiny", "small", "deep")
DTYPES = ("float32", "bfloat16", "float16")


def load(
    model: str = "tiny",
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float32",
    pretrained: bool = True,
    seed: int = 0,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model in evaluation mode, and its tokenizer.

    Args:
        model: "tiny", "small" or "deep" (embedded; their content hash is verified), a local folder
            in the hub's format, or a hub id.
        device: cpu, cuda, cuda:1, ..., or auto, which spreads the layers over all GPUs (with
            accelerate).
        dtype: of the weights.
        pretrained: False draws new weights from `seed` for the same configuration.
        seed: of random weights.

    Returns:
        (model, tokenizer).

    Raises:
        BadInput: if there is no such model, device or dtype; if the model is not a decoder or
            reads padding; if the checkpoint lacks some of its weights; or if the embedded weights
            are not the published ones.
    """
    precision = as_dtype(dtype)
    spread = _spread(pretrained) if device == "auto" else {}
    target = as_device("cpu" if spread else device)
    files = source(model)
    if model in EMBEDDED:
        _verify(FOLDER / model)
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    hint = f"give a local folder, a hub id that can be reached, or one of {', '.join(EMBEDDED)}"
    with one_line(f"model {model!r}", hint):
        config = AutoConfig.from_pretrained(files)
    with naming(model):
        check_config(config)
    with one_line(f"model {model!r}", hint):
        tokenizer = AutoTokenizer.from_pretrained(files)
        if pretrained:
            net, info = AutoModelForCausalLM.from_pretrained(  # pyright: ignore
                files, config=config, dtype=precision, output_loading_info=True,
                ignore_mismatched_sizes=True, **spread,
            )  # fmt: skip
        else:
            with seeded(seed, target):
                net, info = AutoModelForCausalLM.from_config(config, dtype=precision), None
    net = (net if spread else net.to(target)).eval()
    with naming(model):
        if info is not None:
            check_complete(config, info)
        check(net)
    return net, tokenizer


def _spread(pretrained: bool) -> dict[str, str]:
    """Return the arguments with which `from_pretrained` spreads a model over devices."""
    if importlib.util.find_spec("accelerate") is None:
        raise BadInput("device auto needs the package accelerate: pip install 'zobench[trainer]'")
    if not pretrained:
        raise BadInput("device auto loads pretrained weights; random ones are made on one device")
    return {"device_map": "auto"}


def random_opt(
    layers: int,
    hidden: int,
    vocab: int,
    heads: int,
    max_positions: int = 2048,
    seed: int = 0,
    dtype: str | torch.dtype = "float32",
    device: str | torch.device = "cpu",
) -> OPTForCausalLM:
    """Make an OPT decoder with seeded random weights, for measurements of speed and memory.

    It has the shapes of the published family: feed-forward 4 * hidden, tied output embedding, no
    dropout. The weights are drawn on `device`, so they differ between a CPU and a GPU.
    """
    from transformers import OPTConfig, OPTForCausalLM

    if hidden % heads:
        raise BadInput(f"hidden={hidden} is not a multiple of heads={heads}")
    config = OPTConfig(
        vocab_size=vocab,
        hidden_size=hidden,
        word_embed_proj_dim=hidden,
        ffn_dim=4 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=max_positions,
        dropout=0.0,
        attention_dropout=0.0,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    target = as_device(device)
    with seeded(seed, target):
        net = OPTForCausalLM._from_config(config, dtype=as_dtype(dtype))
    return net.to(target).eval()  # pyright: ignore[reportArgumentType]


def content_hash(tensors: Mapping[str, torch.Tensor]) -> str:
    """Compute the sha256 of name, dtype, shape and bytes of every tensor, in order of the names."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def as_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """Return the torch dtype of a name in DTYPES."""
    import torch

    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    return getattr(torch, dtype)


def as_device(device: str | torch.device) -> torch.device:
    """Return the torch device of a name such as "cpu" or "cuda:0".

    Raises BadInput if this machine does not have it.
    """
    import torch

    try:
        result = torch.device(device)
    except RuntimeError:
        raise BadInput(f"no device named {device!r}; known: cpu, cuda, cuda:<index>") from None
    if result.type == "cuda" and (result.index or 0) >= torch.cuda.device_count():
        raise BadInput(f"no device {device!s}: torch sees {torch.cuda.device_count()} CUDA GPUs")
    return result


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Make tensors on `device`, drawn from `seed`; then restore the global generators."""
    import torch

    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), torch.device(device):
        torch.manual_seed(seed)
        yield


def source(model: str) -> str | Path:
    """Find the model's files: a folder of this package, a local folder, or a hub id.

    Raises BadInput for a folder that does not exist or holds no model.
    """
    if model in EMBEDDED:
        return FOLDER / model
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise BadInput(f"{folder} holds no model: config.json, weights and tokenizer expected")
        return folder
    if model.startswith(("/", ".", "~")) or model.count("/") > 1:
        raise BadInput(
            f"no model folder {model!r}; give a folder that holds config.json, a hub id, "
            f"or one of {', '.join(EMBEDDED)}"
        )
    if difflib.get_close_matches(model, EMBEDDED, n=1, cutoff=0.7):
        raise unknown("model", model, EMBEDDED)
    return model


def _verify(folder: Path) -> None:
    from safetensors.torch import load_file

    published = json.loads((folder / "card.json").read_text())["weights_sha256"]
    actual = content_hash(load_file(folder / "model.safetensors"))
    if actual != published:
        raise BadInput(
            f"the weights of the embedded model {folder.name!r} are not the published ones "
            f"(sha256 {actual[:12]}, card.json says {published[:12]}); install zobench again"
        )
