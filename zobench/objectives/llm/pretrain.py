"""Pretrain an embedded model: python -m zobench.objectives.llm.pretrain --size tiny --out DIR."""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zobench.objectives.llm.corpus import documents
from zobench.objectives.llm.hub import quiet
from zobench.objectives.llm.models import as_dtype, content_hash, random_opt
from zobench.objectives.llm.tokenizer import build_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import OPTForCausalLM, PreTrainedTokenizerFast

MAX_POSITIONS = 128


@dataclass(frozen=True)
class TrainingRecipe:
    """Everything that determines the weights, on one machine and one thread."""

    layers: int
    hidden: int
    heads: int
    steps: int
    lr: float
    warmup: int = 100
    batch_size: int = 64
    length: int = 32  # tokens per packed row
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 0
    stored: str = "float32"  # type of the weights in the file; float16 halves it


RECIPES = {
    "tiny": TrainingRecipe(layers=2, hidden=64, heads=4, steps=3000, lr=3e-3),
    "small": TrainingRecipe(layers=4, hidden=128, heads=4, steps=2200, lr=2e-3),
    "deep": TrainingRecipe(layers=12, hidden=80, heads=4, steps=2600, lr=2e-3, stored="float16"),
}


def rows(recipe: TrainingRecipe, tokenizer: PreTrainedTokenizerFast) -> Iterator[torch.Tensor]:
    """Yield packed minibatches of the corpus, int64 (batch_size, length).

    Each document begins with <s>.
    """
    import torch

    size, stream, ids = recipe.batch_size * recipe.length, documents(recipe.seed), []
    while True:
        while len(ids) < size:
            texts = [next(stream) for _ in range(256)]
            ids += [token for row in tokenizer(texts)["input_ids"] for token in row]
        yield torch.tensor(ids[:size]).view(recipe.batch_size, recipe.length)
        ids = ids[size:]


def train(
    recipe: TrainingRecipe,
    tokenizer: PreTrainedTokenizerFast,
    report: Callable[[int, float], None],
) -> OPTForCausalLM:
    """Train on the next-token loss by AdamW with warm-up and a cosine schedule.

    `report` is called with (step, loss).
    """
    import torch

    net = random_opt(
        recipe.layers, recipe.hidden, len(tokenizer), recipe.heads, MAX_POSITIONS, recipe.seed
    ).train()
    optimizer = torch.optim.AdamW(net.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
    for step, ids in enumerate(rows(recipe, tokenizer), start=1):
        cosine = 0.5 * (1 + math.cos(math.pi * (step - 1) / recipe.steps))
        optimizer.param_groups[0]["lr"] = recipe.lr * min(1, step / recipe.warmup) * cosine
        loss = net(input_ids=ids, labels=ids, use_cache=False).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), recipe.clip)
        optimizer.step()
        report(step, loss.item())
        if step == recipe.steps:
            break
    return net.eval()


def save(
    net: OPTForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    recipe: TrainingRecipe,
    loss: float,
    out: Path,
) -> dict[str, object]:
    """Write the hub's files and card.json into `out`; return the card."""
    import tokenizers
    import torch
    import transformers
    from safetensors.torch import load_file

    with quiet():
        stored: Any = net.to(dtype=as_dtype(recipe.stored))  # pyright: ignore[reportCallIssue]
        stored.save_pretrained(out)
    tokenizer.save_pretrained(out)
    card = {
        "parameters": net.num_parameters(),
        "recipe": asdict(recipe),
        "loss": round(loss, 4),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__,
        },
        "weights_sha256": content_hash(load_file(out / "model.safetensors")),
    }
    (out / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    return card


def main(argv: list[str] | None = None) -> None:
    """Train one size and save it, on one thread, so that a machine repeats it bit for bit."""
    parser = argparse.ArgumentParser(prog="python -m zobench.objectives.llm.pretrain")
    parser.add_argument("--size", choices=tuple(RECIPES), required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model into")
    arguments = parser.parse_args(argv)
    import torch

    torch.set_num_threads(1)
    recipe, start, recent = RECIPES[arguments.size], time.monotonic(), []

    def report(step: int, loss: float) -> None:
        recent.append(loss)
        if step % 100 == 0 or step == recipe.steps:
            spent = time.monotonic() - start
            rest = spent / step * (recipe.steps - step)
            mean = sum(recent[-100:]) / len(recent[-100:])
            print(f"step {step}/{recipe.steps}  loss {mean:.3f}  {spent:.0f} s, {rest:.0f} s left",
                  flush=True)  # fmt: skip

    tokenizer = build_tokenizer(MAX_POSITIONS)
    net = train(recipe, tokenizer, report)
    card = save(net, tokenizer, recipe, sum(recent[-100:]) / len(recent[-100:]), arguments.out)
    print(f"{arguments.out}: {card['parameters']} parameters, sha256 {card['weights_sha256']}")


if __name__ == "__main__":
    main()
