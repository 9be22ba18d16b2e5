"""`zobench bench`: overhead, step, numerics, blocks, rollouts and prompts."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    help="Measure zobench itself: cost per query, and seconds per training step.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command("step", short_help="Seconds a training step, against a textbook MeZO.")
def step(
    model: Annotated[
        str,
        typer.Option(
            help="tiny, small, a folder, a hub id, or opt-125m, 1.3b, 2.7b, 6.7b, 13b or 30b "
            "with random weights."
        ),
    ] = "",
    estimator: Annotated[
        list[str] | None,
        typer.Option(
            "--estimator",
            "-e",
            help="Repeatable; also textbook and inference.  [default: these, mezo, mezo-bcd, lozo]",
        ),
    ] = None,
    scratch: Annotated[
        bool, typer.Option("--scratch", help="Also with perturbed copies of the layers.")
    ] = False,
    graphs: Annotated[
        bool,
        typer.Option("--graphs", help="Also with recorded losses: CUDA graphs; on a CPU a check."),
    ] = False,
    layers: Annotated[int, typer.Option(help="Decoder layers of the random OPT.")] = 8,
    hidden: Annotated[int, typer.Option(help="Its width.")] = 256,
    vocab: Annotated[int, typer.Option(help="Its vocabulary.")] = 8192,
    heads: Annotated[int, typer.Option(help="Its attention heads.")] = 4,
    batch: Annotated[int, typer.Option(help="Examples a query.")] = 16,
    tokens: Annotated[int, typer.Option(help="Tokens an example, before the label word.")] = 40,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    repeats: Annotated[int, typer.Option(help="Rounds; every round times every method once.")] = 7,
    threads: Annotated[
        int, typer.Option(help="Threads of torch. [default: torch's]", show_default=False)
    ] = 0,
) -> None:
    """Seconds a step of estimators on a language model, against a textbook MeZO.

    The yardstick is MeZO as published trainers write it: four passes of fresh noise with
    full-size temporaries, one sequence a label word, logits of the whole vocabulary. "inference"
    is two losses and nothing else. The floor counts forward passes and the least weight passes.

    \b
    zobench bench step
    zobench bench step --layers 2 --hidden 64 --repeats 3       seconds
    zobench bench step --model opt-1.3b --dtype bfloat16 --device cuda --scratch
    zobench bench step --model opt-125m --dtype bfloat16 --device cuda --graphs
    zobench bench step -e textbook -e zo-adam --model facebook/opt-125m
    """
    from zobench.bench.subject import Setup
    from zobench.display.bench import show_step

    shape = {"layers": layers, "hidden": hidden, "vocab": vocab, "heads": heads}
    size = {"batch": batch, "tokens": tokens, "dtype": dtype, "device": device}
    show_step(Setup(model, **shape, **size), repeats, threads, estimator or [], scratch, graphs)


@app.command("overhead", short_help="The cost of a query, against plain scripts.")
def overhead(
    repeats: Annotated[int, typer.Option(help="Rounds of the cheap cases.")] = 9,
    bbob_repeats: Annotated[
        int, typer.Option(help="Rounds of the BBOB cases; 0 leaves them out.")
    ] = 3,
    queries: Annotated[int, typer.Option(help="Queries a sample of the cheap cases.")] = 20_000,
) -> None:
    """What a query costs through zobench, against the plainest script that does the same.

    Everything runs interleaved in this process; figures are medians over the rounds, with
    quartiles. The BBOB cases run 24 functions x 5 instances in 10 dimensions, 1000 queries each,
    through worker processes and the results file, against a script with COCO's own observer.

    \b
    zobench bench overhead
    zobench bench overhead --bbob-repeats 0       half a minute
    """
    from zobench.display.bench import show_overhead

    show_overhead(repeats, bbob_repeats, queries)


@app.command("noise", short_help="A pass of fused noise, against torch's.")
def noise(
    size: Annotated[int, typer.Option(help="Elements of the tensor.")] = 1 << 24,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    repeats: Annotated[int, typer.Option(help="Rounds; every round times every pass once.")] = 7,
    threads: Annotated[
        int, typer.Option(help="Threads of torch. [default: torch's]", show_default=False)
    ] = 0,
    stochastic: Annotated[bool, typer.Option("--stochastic", help="Round so, 16 bits.")] = False,
) -> None:
    """One pass x += a z(seed) over a large tensor, and over as many elements in 1,000 small ones.

    Against torch.normal plus an add, and against an add alone, which is the bandwidth.

    \b
    zobench bench noise
    zobench bench noise --device cuda --dtype bfloat16 --size 1000000000
    """
    from zobench.display.kernels import show_noise

    show_noise(size, dtype, device, repeats, threads, stochastic)


@app.command("numerics", short_help="What rounding does to probes and updates.")
def numerics(
    estimator: Annotated[
        str, typer.Option("--estimator", "-e", help="Whose probes and moves are measured.")
    ] = "mezo",
    model: Annotated[str, typer.Option(help="tiny, small, a folder or a hub id.")] = "tiny",
    task: Annotated[str, typer.Option(help="The task whose loss is used.")] = "sentiment",
    data: Annotated[str, typer.Option(help="Folder of the task's files, for sst2 and rte.")] = "",
    lr: Annotated[float, typer.Option(help="Learning rate, of a method that has one.")] = 1e-5,
    eps: Annotated[float, typer.Option(help="Length of a probe, per coordinate.")] = 1e-3,
    dtype: Annotated[
        list[str] | None, typer.Option(help="Types of weights, repeatable.  [default: all three]")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """What rounding does to a method: drift, lost updates, slopes that a loss cannot tell apart.

    Along the method's own last probes and move, after 30 steps. For weights of 32 and 16 bits,
    moved in place (walk) or perturbed in copies (scratch), rounded to nearest or stochastically.
    The runs of `llm` problems report the same figures of theirs.

    \b
    zobench bench numerics
    zobench bench numerics -e lozo --dtype bfloat16
    zobench bench numerics --model facebook/opt-1.3b --dtype bfloat16 --device cuda
    """
    from zobench.display.kernels import show_numerics

    types = dtype or ["float32", "float16", "bfloat16"]
    given = {"lr": lr, "eps": eps}
    show_numerics(types, estimator, given, model, task, data, device)


@app.command("blocks", short_help="When does moving one block at a time help?")
def blocks(
    dim: Annotated[int, typer.Option(help="Coordinates, a multiple of the blocks.")] = 2000,
    count: Annotated[int, typer.Option("--blocks", help="Blocks of equal size.")] = 20,
    steps: Annotated[int, typer.Option(help="Steps of two queries.")] = 200,
    seeds: Annotated[int, typer.Option(help="Runs a learning rate.")] = 4,
) -> None:
    """When does moving one block at a time help? MeZO-BCD against MeZO, and against theory.

    On quadratics whose blocks' gradient energy and curvature are uncorrelated, positively or
    negatively correlated. Both methods get the same grid of learning rates, a factor sqrt(2) apart,
    and are shown at their best.

    \b
    zobench bench blocks
    zobench bench blocks --dim 320 --blocks 8 --steps 80      half a minute
    """
    from zobench.display.bench import show_blocks

    show_blocks(dim, count, steps, seeds)


@app.command("rollouts", short_help="A step of an episode, against a bare loop of env.step.")
def rollouts(
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            "-e",
            help="A gymnasium id, repeatable.  [default: CartPole-v1, Pendulum-v1, HalfCheetah-v5]",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(help="Interleaved rounds.")] = 9,
) -> None:
    """What a step of an episode costs as a query, against a bare loop that replays its actions.

    The same episodes of a linear policy: a loop of env.step on what gymnasium.make gives, the same
    without gymnasium's wrappers, and queries of the objective `rl`; again with whitening.

    \b
    zobench bench rollouts
    zobench bench rollouts -e CartPole-v1 --repeats 3       seconds
    """
    from zobench.display.bench import show_rollouts

    show_rollouts(env or [], repeats)


@app.command("prompts", short_help="A population of prompts in one call, against one by one.")
def prompts(
    model: Annotated[str, typer.Option(help="tiny, small, a folder or a hub id.")] = "tiny",
    tokens: Annotated[
        list[int] | None,
        typer.Option(help="Prompt tokens, repeatable.  [default: 20, 50]", show_default=False),
    ] = None,
    probes: Annotated[int, typer.Option(help="Probes a call.")] = 20,
    repeats: Annotated[int, typer.Option(help="Interleaved rounds.")] = 9,
    threads: Annotated[
        int, typer.Option(help="Threads of torch. [default: torch's]", show_default=False)
    ] = 0,
) -> None:
    """Queries a second of soft prompts: all probes of a call together, against one by one.

    And against the plain way: one prompt a pass, whole sequences padded to the longest text.

    \b
    zobench bench prompts
    zobench bench prompts --tokens 20 --repeats 3 --threads 1       a minute
    """
    from zobench.display.bench import show_prompts

    show_prompts(model, tokens or [], probes, repeats, threads)
