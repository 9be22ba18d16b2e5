"""Print the public names whose types a checker cannot know; the exit status is 1 if there are any.

Run as `python tests/public_types.py`; it takes about 30 s. `pyright --verifytypes` looks at every
module. Here its report is reduced to what users import: the names in `zobench.__all__`, those in
`__all__` of public modules, their attributes, methods and bases.
"""

import inspect
import json
import subprocess
import sys
import tempfile

import zobench


def public() -> set[str]:
    """The full names of public classes, their bases, functions and constants."""
    names = set()
    for name in zobench.__all__:
        value = getattr(zobench, name)
        holder, inner = (value, value.__all__) if inspect.ismodule(value) else (zobench, [name])
        for name in inner:
            names.add(f"{holder.__name__}.{name}")
            part = getattr(holder, name)
            bases = inspect.getmro(part) if inspect.isclass(part) else [part]
            names |= {
                f"{base.__module__}.{base.__qualname__}"
                for base in bases
                if getattr(base, "__module__", "").startswith("zobench.")
                and hasattr(base, "__qualname__")
            }
    return names


def report() -> list[dict]:
    """The symbols that pyright finds in the package, from a folder that holds no other code."""
    words = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
    words += ["--verifytypes", "zobench", "--ignoreexternal", "--outputjson"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(words, capture_output=True, text=True, cwd=folder)
    return json.loads(done.stdout[done.stdout.index("{") :])["typeCompleteness"]["symbols"]


def main() -> int:
    names = public()
    symbols = [s for s in report() if s["name"] in names or s["name"].rpartition(".")[0] in names]
    assert len(symbols) > 500, "pyright did not find the package"
    unknown = [s for s in symbols if s["isTypeAmbiguous"] or not s["isTypeKnown"]]
    for symbol in unknown:
        texts = [d["message"].replace("\n", " ") for d in symbol["diagnostics"]]
        print(symbol["name"], *texts, sep="\n    ")
    print(f"{len(symbols) - len(unknown)} of {len(symbols)} public symbols have a known type")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
