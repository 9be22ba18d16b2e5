"""transformers.Trainer with zeroth-order steps: a tiny random OPT on a small list."""

import pytest
import torch

pytest.importorskip("accelerate")

from transformers import OPTConfig, OPTForCausalLM, TrainingArguments

from zobench.errors import BadInput
from zobench.optim import ZerothOrder, replay
from zobench.optim.trainer import ZerothOrderTrainer

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning"),
]


def model(dropout: float = 0.1) -> OPTForCausalLM:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return OPTForCausalLM(
            OPTConfig(
                vocab_size=16, hidden_size=16, word_embed_proj_dim=16, ffn_dim=32, dropout=dropout,
                num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=32,
                pad_token_id=0, bos_token_id=1, eos_token_id=2,
            )
        )  # fmt: skip


def rows(count: int) -> list[dict[str, torch.Tensor]]:
    draw = torch.Generator().manual_seed(0)
    tokens = torch.randint(3, 6, (count, 8), generator=draw)
    lengths = torch.randint(2, 9, (count,), generator=draw)  # labels: a number of its own a row
    asked = [torch.where(torch.arange(8) < n, row, -100) for row, n in zip(tokens, lengths)]
    return [{"input_ids": row, "labels": label} for row, label in zip(tokens, asked)]


def trainer(folder, steps=20, dropout=0.1, settings=None, **given) -> ZerothOrderTrainer:
    kept = {"estimator", "record", "groups"} & set(given)
    own = {name: given.pop(name) for name in kept}
    arguments = {
        "output_dir": str(folder), "max_steps": steps, "per_device_train_batch_size": 8,
        "learning_rate": 1e-2, "logging_steps": 5, "report_to": [], "use_cpu": True,
        "disable_tqdm": True, "save_strategy": "no", "seed": 3,
    }  # fmt: skip
    return ZerothOrderTrainer(
        model(dropout),
        TrainingArguments(**arguments | given),
        train_dataset=rows(32),
        eval_dataset=rows(8),
        settings={"eps": 1e-2} | (settings or {}),
        **own,
    )


def equal(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters()))


def test_it_trains_evaluates_and_schedules(tmp_path):
    run = trainer(tmp_path, 60, estimator="mezo", settings={"n": 2}, dropout=0.0)
    before = run.evaluate()["eval_loss"]
    run.train()
    assert run.evaluate()["eval_loss"] < before - 0.15
    logs = [entry for entry in run.state.log_history if "loss" in entry]
    assert logs[-1]["loss"] < logs[0]["loss"] < 2 * before
    assert logs[-1]["learning_rate"] < 0.1 * logs[0]["learning_rate"]
    assert "grad_norm" not in logs[0]
    assert all(p.grad is None for p in run.model.parameters())


@pytest.mark.parametrize("estimator", ["mezo-bcd", "zo-adam"])
def test_a_resumed_run_is_the_uninterrupted_one(estimator, tmp_path):
    settings = {"dwell": 3} if estimator == "mezo-bcd" else {}
    given = {
        "estimator": estimator, "settings": settings, "save_strategy": "steps", "save_steps": 5,
        "gradient_accumulation_steps": 2, "learning_rate": 1e-3, "weight_decay": 0.1,
    }  # fmt: skip
    record = tmp_path / "run.zo"
    whole = trainer(tmp_path / "run", 14, record=record, **given)
    whole.train()
    again = trainer(tmp_path / "run", 14, **given)
    again.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-5"))
    assert equal(whole.model, again.model)
    assert again.state.log_history[-2]["loss"] == whole.state.log_history[-2]["loss"]
    fresh = model()
    assert not equal(whole.model, fresh)
    assert replay(record, fresh) == 14
    assert equal(whole.model, fresh)


def test_accumulated_batches_are_one_batch(tmp_path):
    """Also where batches have unequal numbers of labels: Trainer's mean is over all of them."""
    one = trainer(tmp_path, 6, dropout=0.0)
    four = trainer(
        tmp_path, 6, dropout=0.0, per_device_train_batch_size=2, gradient_accumulation_steps=4
    )
    one.train(), four.train()
    for x, y in zip(one.model.parameters(), four.model.parameters()):
        assert torch.allclose(x, y, atol=1e-4)
    losses = [run.state.log_history[0]["loss"] for run in (one, four)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_step_is_that_of_the_optimizer(tmp_path):
    run, own = trainer(tmp_path, 4, dropout=0.0, lr_scheduler_type="constant"), model(0.0)
    batches = []
    step = run.compute_loss
    run.compute_loss = lambda m, inputs, **k: (batches.append(inputs), step(m, inputs, **k))[1]
    run.train()
    opt = ZerothOrder(own, "mezo", lr=1e-2, eps=1e-2, seed=3, delay=False)
    for batch in batches[::2]:  # a pair of probes a step
        opt.step(lambda batch=batch: own(**batch).loss)
    for x, y in zip(run.model.parameters(), own.parameters()):
        assert torch.allclose(x, y, atol=1e-5)


def test_what_does_not_go_with_it_is_refused(tmp_path):
    with pytest.raises(BadInput, match="lr is set in TrainingArguments"):
        trainer(tmp_path, settings={"lr": 1.0})
    with pytest.raises(BadInput, match="fp16 scales gradients"):
        trainer(tmp_path, fp16=True)
    net = model()
    with pytest.raises(BadInput, match="name and settings instead of an optimizer"):
        ZerothOrderTrainer(
            net,
            TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[]),
            optimizers=(torch.optim.SGD(net.parameters()), None),
        )
