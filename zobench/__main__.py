"""The entry point of `zobench` and `python -m zobench`."""

import os
import sys
from contextlib import suppress


def main() -> None:
    """Run the command line; Ctrl-C while modules are loaded ends it as in a command."""
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
    """Open the standard streams that are closed (`>&-`), and return True if stdout was.

    Otherwise the next file that is opened, such as that of the results, would be such a stream. A
    closed stdout becomes a file without a name, whose size shows whether something was printed.
    """
    closed = []
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            closed.append(fd)
            _open_nothing(fd)
    sys.stdout, sys.stderr = sys.stdout or os.fdopen(1, "w"), sys.stderr or os.fdopen(2, "w")
    return 1 in closed


def _open_nothing(fd: int) -> None:
    new = -1
    if fd == 1:
        import tempfile

        with suppress(OSError):
            new, name = tempfile.mkstemp(prefix="zobench-")
            os.unlink(name)
    if new < 0:
        new = os.open(os.devnull, os.O_RDWR)
    if new != fd:  # usually it is the lowest free number, which is `fd`
        os.dup2(new, fd)
        os.close(new)
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
