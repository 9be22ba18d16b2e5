"""`zobench bench`: overhead, step, noise, law, numerics, blocks, rollouts and prompts."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    help="Measure zobench itself: the cost per query and the time per training step.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


_BESIDE = "Another checkout of zobench, by its folder: measure it in turn, round by round."


@app.command("step", short_help="Seconds per training step, against a textbook MeZO.")
def step(
    model: Annotated[
        str,
        typer.Option(
            help="tiny, small, a folder, a hub id, or opt-125m, 1.3b, 2.7b, 6.7b, 13b or 30b "
            "with random weights.  [default: a random OPT of the sizes below]"
        ),
    ] = "",
    estimator: Annotated[
        list[str] | None,
        typer.Option(
            "--estimator",
            "-e",
            help="An estimator, textbook or inference; repeatable.  [default: textbook, inference, "
            "mezo, mezo-bcd, lozo]",
        ),
    ] = None,
    scratch: Annotated[
        bool, typer.Option("--scratch", help="Also with perturbed copies of the layers (scratch).")
    ] = False,
    beside: Annotated[str, typer.Option(help=_BESIDE)] = "",
    law: Annotated[
        list[str] | None,
        typer.Option(
            help="Law of normal directions: gaussian or hadamard; repeatable.  [default: gaussian]"
        ),
    ] = None,
    paired: Annotated[
        bool, typer.Option("--paired", help="Also with both probes in one forward pass (paired).")
    ] = False,
    graphs: Annotated[
        bool,
        typer.Option(
            "--graphs",
            help="Also with recorded losses: CUDA graphs, or on a CPU a check of the recording.",
        ),
    ] = False,
    layers: Annotated[int, typer.Option(help="Decoder layers of the random OPT.")] = 8,
    hidden: Annotated[int, typer.Option(help="Hidden size of the random OPT.")] = 256,
    vocab: Annotated[int, typer.Option(help="Vocabulary of the random OPT.")] = 8192,
    heads: Annotated[int, typer.Option(help="Attention heads of the random OPT.")] = 4,
    batch: Annotated[int, typer.Option(help="Examples per query.")] = 16,
    tokens: Annotated[int, typer.Option(help="Tokens per example, without the label word.")] = 40,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    repeats: Annotated[int, typer.Option(help="Rounds; each round times each row once.")] = 7,
    threads: Annotated[
        int, typer.Option(help="Threads of torch.  [default: torch's]", show_default=False)
    ] = 0,
) -> None:
    """Measure seconds per step of estimators on a language model, against a textbook MeZO.

    "textbook" is MeZO as published trainers write it: four passes of fresh noise with full-size
    temporaries, one sequence per label word, logits of the whole vocabulary. "inference" is the
    two losses of a step and nothing else. The floor is the time of the forward passes and of the
    fewest passes over the weights.

    \b
    zobench bench step
    zobench bench step --layers 2 --hidden 64 --repeats 3       seconds
    zobench bench step --model opt-1.3b --dtype bfloat16 --device cuda --scratch
    zobench bench step --model opt-125m --dtype bfloat16 --device cuda --graphs
    zobench bench step --model opt-125m -e inference -e mezo --paired --batch 2
    zobench bench step -e textbook -e zo-adam --model facebook/opt-125m
    """
    from zobench.bench.subject import Setup
    from zobench.display.bench import show_step

    shape = {"layers": layers, "hidden": hidden, "vocab": vocab, "heads": heads}
    size = {"batch": batch, "tokens": tokens, "dtype": dtype, "device": device}
    setup = Setup(model, **shape, **size)
    show_step(
        setup,
        repeats,
        threads,
        estimator or [],
        scratch,
        graphs,
        paired,
        beside,
        law or ["gaussian"],
    )


@app.command("overhead", short_help="Cost per query, against plain scripts.")
def overhead(
    repeats: Annotated[int, typer.Option(help="Rounds of the cheap cases.")] = 9,
    bbob_repeats: Annotated[
        int, typer.Option(help="Rounds of the BBOB cases; 0: without these cases.")
    ] = 3,
    queries: Annotated[int, typer.Option(help="Queries per sample of the cheap cases.")] = 20_000,
    beside: Annotated[str, typer.Option(help=_BESIDE)] = "",
) -> None:
    """Measure the cost per query through zobench, against the plainest script of the same work.

    The cases run interleaved in one process; figures are medians over the rounds, with quartiles.
    The BBOB cases run 24 functions x 5 instances in 10 dimensions, 1000 queries each, through
    worker processes and the results file, against a script with COCO's own observer.

    \b
    zobench bench overhead
    zobench bench overhead --bbob-repeats 0       half a minute
    zobench bench overhead --beside ../zobench-0.2
    """
    from zobench.display.bench import show_overhead

    show_overhead(repeats, bbob_repeats, queries, beside)


@app.command("noise", short_help="Passes of fused noise, against torch.")
def noise(
    size: Annotated[int, typer.Option(help="Elements of the tensor.")] = 1 << 24,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    repeats: Annotated[int, typer.Option(help="Rounds; each round times each pass once.")] = 7,
    threads: Annotated[
        int, typer.Option(help="Threads of torch.  [default: torch's]", show_default=False)
    ] = 0,
    stochastic: Annotated[
        bool, typer.Option("--stochastic", help="With stochastic rounding, for 16-bit types.")
    ] = False,
) -> None:
    """Measure passes x += a z(seed) over a large tensor, and over 1,000 tensors of the same sum.

    Also measured are passes that make two perturbed copies, x + a z and x - a z, with a move of x
    or without one. They are compared with torch.normal and an add, and with an add alone, which
    measures the memory bandwidth.

    \b
    zobench bench noise
    zobench bench noise --device cuda --dtype bfloat16 --size 1000000000
    """
    from zobench.display.kernels import show_noise

    show_noise(size, dtype, device, repeats, threads, stochastic)


@app.command("law", short_help="How near a law of noise is to independent normals.")
def law(
    law: Annotated[
        str, typer.Option(help="hadamard, gaussian, or another law to compare with.")
    ] = "hadamard",
    count: Annotated[int, typer.Option(help="Values to draw.")] = 1 << 24,
    words: Annotated[
        bool, typer.Option("--words", help="Write 32-bit words to the output, without an end.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the words.")] = 1,
    in_order: Annotated[
        bool,
        typer.Option(
            "--in-order",
            help="Words of the elements in their order, not of a counter's 16 values side by side.",
        ),
    ] = False,
) -> None:
    """Show moments, correlations and distances from a normal distribution.

    Exact ones, from all 256 values that a byte gives, and others of drawn values. With --words,
    values become uniform words for a battery of tests.

    \b
    zobench bench law
    zobench bench law --law gaussian
    zobench bench law --words | dieharder -a -g 200
    """
    from zobench.display.laws import show_law, show_words

    if words:
        show_words(law, seed, in_order)
    else:
        show_law(law, count)


@app.command("numerics", short_help="Effects of rounding on probes and moves.")
def numerics(
    estimator: Annotated[
        str, typer.Option("--estimator", "-e", help="The estimator that probes and moves.")
    ] = "mezo",
    model: Annotated[str, typer.Option(help="tiny, small, a folder or a hub id.")] = "tiny",
    task: Annotated[str, typer.Option(help="The task that gives the loss.")] = "sentiment",
    data: Annotated[str, typer.Option(help="Folder of the task's files, for sst2 and rte.")] = "",
    lr: Annotated[float, typer.Option(help="Learning rate, if the estimator has one.")] = 1e-5,
    eps: Annotated[float, typer.Option(help="Smoothing radius, if the estimator has one.")] = 1e-3,
    dtype: Annotated[
        list[str] | None,
        typer.Option(
            help="dtype of the weights, repeatable.  [default: float32, float16, bfloat16]"
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Measure effects of rounding: drift, lost updates, and slopes that a loss cannot resolve.

    They are measured along the last probes and the last move of an estimator, after 30 steps, for
    weights of 32 and 16 bits, moved in place (walk) or perturbed in copies (scratch), rounded to
    nearest or stochastically. Runs on `llm` problems report the same figures.

    \b
    zobench bench numerics
    zobench bench numerics -e lozo --dtype bfloat16
    zobench bench numerics --model facebook/opt-1.3b --dtype bfloat16 --device cuda
    """
    from zobench.display.kernels import show_numerics

    types = dtype or ["float32", "float16", "bfloat16"]
    values = {"lr": lr, "eps": eps}
    show_numerics(types, estimator, values, model, task, data, device)


@app.command("blocks", short_help="MeZO-BCD against MeZO on quadratics, and against theory.")
def blocks(
    dim: Annotated[int, typer.Option(help="Coordinates, a multiple of the blocks.")] = 2000,
    count: Annotated[int, typer.Option("--blocks", help="Blocks of equal size.")] = 20,
    steps: Annotated[int, typer.Option(help="Steps of two queries.")] = 200,
    seeds: Annotated[int, typer.Option(help="Runs per learning rate.")] = 4,
) -> None:
    """Measure when steps on one block help: MeZO-BCD against MeZO, and against theory.

    On quadratics whose blocks have uncorrelated, positively or negatively correlated gradient
    energy and curvature. Both estimators get the same grid of learning rates, with a factor of
    sqrt(2), and are shown at their best.

    \b
    zobench bench blocks
    zobench bench blocks --dim 320 --blocks 8 --steps 80      half a minute
    """
    from zobench.display.bench import show_blocks

    show_blocks(dim, count, steps, seeds)


@app.command("rollouts", short_help="Cost per step of an episode, against a bare loop of env.step.")
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
    """Measure the cost per step of an episode, against a bare loop that replays its actions.

    The same episodes of a linear policy: a loop of env.step on the environment of gymnasium.make,
    the same loop without gymnasium's wrappers, and queries of the objective `rl`, also with
    whitening.

    \b
    zobench bench rollouts
    zobench bench rollouts -e CartPole-v1 --repeats 3       seconds
    """
    from zobench.display.bench import show_rollouts

    show_rollouts(env or [], repeats)


@app.command("prompts", short_help="Soft prompts of one call together, against one by one.")
def prompts(
    model: Annotated[str, typer.Option(help="tiny, small, a folder or a hub id.")] = "tiny",
    tokens: Annotated[
        list[int] | None,
        typer.Option(help="Prompt tokens, repeatable.  [default: 20, 50]", show_default=False),
    ] = None,
    probes: Annotated[int, typer.Option(help="Probes per call.")] = 20,
    repeats: Annotated[int, typer.Option(help="Interleaved rounds.")] = 9,
    threads: Annotated[
        int, typer.Option(help="Threads of torch.  [default: torch's]", show_default=False)
    ] = 0,
) -> None:
    """Measure queries per second of soft prompts: all probes of a call together, or one by one.

    They are also compared with the plain way: one prompt per pass, and whole sequences padded to
    the longest text.

    \b
    zobench bench prompts
    zobench bench prompts --tokens 20 --repeats 3 --threads 1       a minute
    """
    from zobench.display.bench import show_prompts

    show_prompts(model, tokens or [], probes, repeats, threads)
