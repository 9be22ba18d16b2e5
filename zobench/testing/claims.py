"""Read the numbers that an estimator's docstring claims: queries per step and memory."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Mapping
from typing import Any

FUNCTIONS = {"ln": math.log, "log": math.log, "log2": math.log2, "sqrt": math.sqrt,
             "floor": math.floor, "ceil": math.ceil, "min": min, "max": max}  # fmt: skip
_OPERATORS: dict[type, Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Pow: operator.pow, ast.USub: operator.neg,
}  # fmt: skip
_NUMBERS = {"a": 1, "an": 1, "the": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_ARRAYS = r"(?:moments?|momentum|momenta|vectors?|arrays?|cop(?:y|ies)|points?|gradients?|blocks?)"


def sentence(doc: str, title: str) -> str:
    """Return the sentence after `title` and a colon, on one line; "" if there is none."""
    match = re.search(rf"{title}:\s+(.*?)(?:\.(?=\s)|\.?$|\n\n)", doc, re.DOTALL)
    return " ".join(match[1].split()) if match else ""


def queries_claim(doc: str) -> str:
    """Return a docstring's claim about queries per step."""
    return sentence(doc, "Queries (?:a|per) step")


def queries(claim: str, settings: Mapping[str, Any], dim: int) -> list[tuple[float, float]]:
    """Return the (least, most) queries that a claim allows, one pair per alternative.

    A claim is a formula in the settings and the dimension d, such as "2n", "n + 1" or "at most
    10". "or" separates alternatives. Text after a comma, a bracket or a semicolon is a comment. The
    result is empty if no alternative is a formula.
    """
    names = {k: v for k, v in settings.items() if type(v) in (int, float)} | {"d": dim}
    spans = []
    for part in re.split(r"\bor\b", re.sub(r"(?<![\w])\((?=[^)]*[a-z]{3})[^)]*\)", ";", claim)):
        text = re.split(r"[,;:]", part.strip())[0].strip()
        bound = re.match(r"(at most|up to|at least)\s+", text)
        ends = re.split(r"\s+to\s+", text[bound.end() :] if bound else text)
        values = [value(end, names) for end in ends]
        if not values or len(values) > 2 or None in values:
            continue
        low, high = float(values[0] or 0), float(values[-1] or 0)
        if bound:
            low, high = (low, math.inf) if bound[1] == "at least" else (0.0, high)
        spans.append((math.floor(low), high))
    return spans


def value(text: str, names: Mapping[str, float]) -> float | None:
    """Evaluate a formula such as "2n" or "4 + 3 ln d"; None if the text is not a formula."""
    text = text.replace("^", "**")
    text = re.sub(rf"\b({'|'.join(FUNCTIONS)})\s+(\w+)", r"\1(\2)", text)
    text = re.sub(r"(?<![\w.])(\d+)\s*(?=[A-Za-z(])", r"\1*", text)
    try:
        return _value(ast.parse(text, mode="eval").body, names)
    except (SyntaxError, ValueError, KeyError, TypeError, ZeroDivisionError, OverflowError):
        return None


def _value(node: ast.AST, names: Mapping[str, float]) -> float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value  # pyright: ignore[reportReturnType]
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left, names), _value(node.right, names))
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_value(node.operand, names))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return FUNCTIONS[node.func.id](*(_value(arg, names) for arg in node.args))
    raise ValueError("not a formula")


def memory(claim: str, settings: Mapping[str, Any], dim: int) -> float | None:
    """Return how many arrays of the point's size a claim allows in addition to the weights.

    This is 0 for "the weights", 2 for "the weights and two moments", d for "d^2 numbers", and None
    if the claim does not state a number.
    """
    names = {k: v for k, v in settings.items() if type(v) in (int, float)} | {"d": dim}
    total = 0.0
    for part in re.split(r",(?!\d)|;|\band\b|\bplus\b", re.sub(r"\([^)]*\)", "", claim)):
        text = part.strip().removeprefix("of ")
        if not text or re.match(r"(the|its) (weights|parameters|point)$", text):
            continue
        if re.match(r"(a|one|the) (buffer|scalar|seed|number|counter)\b", text):
            continue
        if numbers := re.match(r"(.+?) numbers$", text):
            count = value(numbers[1].replace(",", ""), names)
            if count is None:
                return None
            total += count / dim
        elif arrays := re.match(rf"(.+?)\s+{_ARRAYS}\b", text):
            count = _NUMBERS.get(arrays[1], value(arrays[1], names))
            if count is None:
                return None
            total += float(count)
        else:
            return None
    return total
