"""`zobench` and `python -m zobench`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while its parts are loaded ends it as later."""
    try:
        from zobench import cli
    except KeyboardInterrupt:
        print("zobench: interrupted", file=sys.stderr)
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
