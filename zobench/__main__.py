"""`zobench` and `python -m zobench`."""

import os
import sys
from contextlib import suppress


def main() -> None:
    """Run the command line; Ctrl-C while its parts are loaded ends it as later."""
    closed = _open_streams()
    try:
        from zobench import cli
    except KeyboardInterrupt:
        print("zobench: interrupted", file=sys.stderr)
        sys.exit(130)
    try:
        cli.main()
    finally:
        if closed:
            _say_what_is_lost()


def _open_streams() -> bool:
    """Give a command that was started without streams (`>&-`) ones that lead nowhere.

    Else the next file that is opened, such as the results, would stand in their place. Was stdout
    closed? Then it is a file without a name, whose size tells whether something was printed.
    """
    closed = []
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            closed.append(fd)
            _open_nowhere(fd)
    sys.stdout, sys.stderr = sys.stdout or os.fdopen(1, "w"), sys.stderr or os.fdopen(2, "w")
    return 1 in closed


def _open_nowhere(fd: int) -> None:
    made = -1
    if fd == 1:
        import tempfile

        with suppress(OSError):
            made, name = tempfile.mkstemp(prefix="zobench-")
            os.unlink(name)
    if made < 0:
        made = os.open(os.devnull, os.O_RDWR)
    if made != fd:  # it is the lowest number that is free, which is `fd`
        os.dup2(made, fd)
        os.close(made)
    os.set_inheritable(fd, True)


def _say_what_is_lost() -> None:
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        if os.fstat(1).st_size:
            print(
                "zobench: stdout is closed, so what this command has printed is lost; "
                "send it to a file, or to /dev/null if nobody needs it",
                file=sys.stderr,
            )


if __name__ == "__main__":
    main()
