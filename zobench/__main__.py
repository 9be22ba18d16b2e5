"""`zobench` and `python -m zobench`."""

import os
import sys


def main() -> None:
    """Run the command line; Ctrl-C while its parts are loaded ends it as later."""
    _open_streams()
    try:
        from zobench import cli
    except KeyboardInterrupt:
        print("zobench: interrupted", file=sys.stderr)
        sys.exit(130)
    cli.main()


def _open_streams() -> None:
    """Give a command that was started without streams (`>&-`) ones that lead nowhere.

    Else the next file that is opened, such as the results, would stand in their place.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    sys.stdout, sys.stderr = sys.stdout or os.fdopen(1, "w"), sys.stderr or os.fdopen(2, "w")


if __name__ == "__main__":
    main()
