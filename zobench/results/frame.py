"""The type of a pandas DataFrame or Series, as far as a checker need know it."""

from typing import Any

Frame = Any  # what pandas annotates does not pass a strict reading of correct code
