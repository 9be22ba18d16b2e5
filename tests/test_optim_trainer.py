"""transformers.Trainer with zeroth-order steps: a tiny random OPT on a small list."""

import copy
import math

import pytest
import torch
from conftest import require

pytest.importorskip("accelerate")

from transformers import OPTConfig, OPTForCausalLM, Trainer, TrainerCallback, TrainingArguments

from zobench.errors import BadInput
from zobench.optim import ZerothOrder, replay
from zobench.optim.trainer import ZerothOrderTrainer
from zobench.registry import estimators

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
    net = given.pop("own", None)
    kept = {"estimator", "record", "groups", "compute_loss_func"} & set(given)
    own = {name: given.pop(name) for name in kept}
    arguments = {
        "output_dir": str(folder), "max_steps": steps, "per_device_train_batch_size": 8,
        "learning_rate": 1e-2, "logging_steps": 5, "report_to": [], "use_cpu": True,
        "disable_tqdm": True, "save_strategy": "no", "seed": 3,
    }  # fmt: skip
    settings = {"eps": 1e-2} if settings is None else dict(settings)
    return ZerothOrderTrainer(
        model(dropout) if net is None else net,
        TrainingArguments(**arguments | given),
        train_dataset=rows(32),
        eval_dataset=rows(8),
        settings=settings,
        **own,
    )


def equal(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters()))


def test_it_trains_evaluates_and_schedules(tmp_path):
    run = trainer(tmp_path, 60, estimator="mezo", settings={"eps": 1e-2, "n": 2}, dropout=0.0)
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
    settings = {"eps": 1e-2} | ({"dwell": 3} if estimator == "mezo-bcd" else {})
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
    opt = ZerothOrder(own, "mezo", lr=1e-2, eps=1e-2, seed=3)
    for batch in batches[1::2]:  # a pair of probes per step, and one call more at the first
        opt.step(lambda batch=batch: own(**batch).loss)
    for x, y in zip(run.model.parameters(), own.parameters()):
        assert torch.allclose(x, y, atol=1e-5)


def only(keep):
    net = model(0.0)
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(keep(name))
    return net


def adapted(kind: str, **given):
    peft = pytest.importorskip("peft")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return peft.get_peft_model(model(0.0), getattr(peft, kind)(task_type="CAUSAL_LM", **given))


TRAINABLE = {
    "all weights": lambda: model(0.0),
    "LoRA": lambda: adapted("LoraConfig", r=4, target_modules=["q_proj", "v_proj"]),
    "LoRA with its biases": lambda: adapted("LoraConfig", target_modules=["fc1"], bias="lora_only"),
    "prompt tuning": lambda: adapted("PromptTuningConfig", num_virtual_tokens=3),
    "prefix tuning": lambda: adapted("PrefixTuningConfig", num_virtual_tokens=3),
    "biases": lambda: only(lambda name: name.endswith("bias")),
    "matrices": lambda: only(lambda name: name.endswith("proj.weight")),
}


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("make", TRAINABLE.values(), ids=TRAINABLE)
def test_it_trains_what_trainer_trains(make, tmp_path):
    net = make()
    before = {name: p.clone() for name, p in net.named_parameters()}
    run = trainer(tmp_path, 2, own=net, save_strategy="steps", save_steps=1)
    run.train()
    run = trainer(tmp_path, 3, own=net, save_strategy="steps", save_steps=1)
    run.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, before[name]) is not parameter.requires_grad, name


@pytest.mark.parametrize(
    "entry", [e for e in estimators.load().values() if not e.first_order and "lr" not in e.defaults]
)
def test_an_estimator_without_a_learning_rate_trains(entry, tmp_path):
    require(entry)
    net = only(lambda name: name.endswith("layer_norm.bias"))
    given = {"settings": entry.sanity, "estimator": entry.name, "own": net}
    run = trainer(tmp_path, 3, save_strategy="steps", save_steps=2, logging_steps=1, **given)
    opt = ZerothOrder(only(lambda name: name.endswith("layer_norm.bias")), entry.name)
    try:
        if opt._engine.asks_and_tells:
            raise BadInput("a library keeps its state")
        opt.state_dict()
        run.train()
        assert (tmp_path / "checkpoint-2" / "optimizer.pt").exists()
    except BadInput:
        with pytest.warns(RuntimeWarning, match="checkpoints hold the model only"):
            run.train()
        assert (tmp_path / "checkpoint-2" / "model.safetensors").exists()
        assert not (tmp_path / "checkpoint-2" / "optimizer.pt").exists()
    losses = [entry["loss"] for entry in run.state.log_history if "loss" in entry]
    assert len(losses) == 3
    assert len(set(losses)) > 1


class Classifier(torch.nn.Module):
    """Takes the number of labels, as all models of transformers do, and does not use it."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(16, 2)
        self.bias = torch.nn.Parameter(torch.zeros(2))  # so that both groups hold something
        torch.nn.init.zeros_(self.table.weight)

    def forward(self, input_ids, labels, **_):
        logits = self.table(input_ids).mean(1) + self.bias
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("label", [lambda k: torch.tensor(k % 2), None], ids=["classes", "words"])
def test_the_loss_of_an_accumulation_is_its_mean(steps, label, tmp_path):
    """Not the sum of its batches, where the model does not use `num_items_in_batch`."""
    data = [row | ({"labels": label(k)} if label else {}) for k, row in enumerate(rows(32))]
    net = Classifier() if label else model(0.0)
    whole = {"per_device_train_batch_size": 12, "gradient_accumulation_steps": 1}
    parts = {"per_device_train_batch_size": 12 // steps, "gradient_accumulation_steps": steps}
    found = []
    for given in (whole, parts):
        run = trainer(tmp_path, 2, own=copy.deepcopy(net), logging_steps=1, **given)
        run.train_dataset = data
        run.train()
        found.append([e["loss"] for e in run.state.log_history if "loss" in e])
        found.append([run.model.state_dict()])
    assert found[0] == pytest.approx(found[2], rel=1e-4)
    assert found[0][0] == pytest.approx(math.log(2 if label else 16), rel=0.1)
    for name, tensor in found[1][0].items():
        assert torch.allclose(tensor, found[3][0][name], atol=1e-4)


def test_a_loss_function_of_the_users_own_is_told_the_number_of_labels(tmp_path):
    seen = []

    def summed(outputs, labels, num_items_in_batch):
        seen.append(float(num_items_in_batch))
        logits = outputs.logits[:, :-1].flatten(0, 1)
        targets = labels[:, 1:].flatten()
        total = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
        return total / num_items_in_batch

    one = trainer(tmp_path, 2, dropout=0.0)
    two = trainer(
        tmp_path, 2, dropout=0.0, per_device_train_batch_size=4, gradient_accumulation_steps=2,
        compute_loss_func=summed,
    )  # fmt: skip
    one.train(), two.train()
    for x, y in zip(one.model.parameters(), two.model.parameters()):
        assert torch.allclose(x, y, atol=1e-4)
    assert len(set(seen)) == 2


class Reads(TrainerCallback):
    """Reads weights as callbacks do, when Trainer says that a step is done."""

    def __init__(self, held):
        self.held, self.seen = held, []

    def _read(self, *_, model, **__):
        weight = model.model.decoder.layers[0].fc1.weight
        self.seen.append((weight.detach().clone(), self.held.detach().clone()))

    on_step_end = on_optimizer_step = on_log = _read


def test_callbacks_see_the_point(tmp_path):
    run = trainer(tmp_path, 3, learning_rate=0.0, settings={"eps": 1.0}, logging_steps=1)
    held = run.model.model.decoder.layers[0].fc1.weight
    before, reads = held.detach().clone(), Reads(held)
    run.add_callback(reads)
    run.train()
    assert len(reads.seen) >= 9
    assert all(torch.allclose(x, before, atol=1e-4) for pair in reads.seen for x in pair)


def test_trainer_itself_is_told_of_ours(tmp_path):
    net = model()
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[], max_steps=1)
    run = Trainer(
        net, arguments, train_dataset=rows(8), optimizers=(ZerothOrder(net), None)
    )  # fmt: skip
    with pytest.raises(BadInput, match=r"takes a closure .*ZerothOrderTrainer"):
        run.train()


def test_what_does_not_go_with_it_is_refused(tmp_path):
    with pytest.raises(BadInput, match="lr is set in TrainingArguments"):
        trainer(tmp_path, settings={"lr": 1.0})
    with pytest.raises(BadInput, match="a Trainer hands each step a fresh minibatch"):
        trainer(tmp_path, settings={"share_batch": True})
    with pytest.raises(BadInput, match="fp16 scales gradients"):
        trainer(tmp_path, fp16=True)
    net = model()
    with pytest.raises(BadInput, match="name and settings instead of an optimizer"):
        ZerothOrderTrainer(
            net,
            TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[]),
            optimizers=(torch.optim.SGD(net.parameters()), None),
        )


def test_the_way_back_waits_for_the_next_step(tmp_path, monkeypatch):
    """Nothing in Trainer's own loop makes it; a callback of the user's does."""
    waiting: list[bool] = []
    made = ZerothOrderTrainer.training_step

    def observed(self, *args):
        step = getattr(self.optimizer, "optimizer", self.optimizer)
        waiting.append(step._weights.waiting)
        return made(self, *args)

    monkeypatch.setattr(ZerothOrderTrainer, "training_step", observed)
    run = trainer(tmp_path, 4)
    run.train()
    assert waiting == [False, False, True, True]  # the first step counts the parameters
    assert not getattr(run.optimizer, "optimizer", run.optimizer)._weights.waiting
    assert "zero_grad" not in vars(run.model)
    waiting.clear()
    run = trainer(tmp_path, 4)
    run.add_callback(TrainerCallback())
    run.train()
    assert waiting == [False] * 4


def test_whoever_looks_between_two_steps_sees_the_point(tmp_path):
    """A subclass, a method put into the object, a hook of the optimizer: as a callback does."""
    given = {"learning_rate": 0.0, "settings": {"eps": 1.0}, "logging_steps": 1}
    seen: list[float] = []

    class Looking(ZerothOrderTrainer):
        def training_step(self, *args, **kwargs):
            loss = super().training_step(*args, **kwargs)
            seen.append(float(self.model.model.decoder.layers[0].fc1.weight.detach().norm()))
            return loss

    plain = trainer(tmp_path, 3, **given)
    expected = float(plain.model.model.decoder.layers[0].fc1.weight.detach().norm())
    plain.__class__ = Looking
    plain.train()
    hooked = trainer(tmp_path, 3, **given)
    weight = hooked.model.model.decoder.layers[0].fc1.weight
    hooked.create_optimizer().register_step_post_hook(
        lambda *_: seen.append(float(weight.detach().norm()))
    )
    hooked.train()
    logged = trainer(tmp_path, 3, **given)
    held, log = logged.model.model.decoder.layers[0].fc1.weight, logged.log
    logged.log = lambda *a, **k: (seen.append(float(held.detach().norm())), log(*a, **k))[1]
    logged.train()
    assert len(seen) >= 9
    assert seen == pytest.approx([expected] * len(seen), rel=1e-3)
