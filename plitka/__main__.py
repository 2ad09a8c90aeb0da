"""The command's first lines, for `plitka` and for `python -m plitka`."""

import signal
import sys


def main() -> int:
    """Run the command line; returns the exit status."""
    # Until the rest is loaded there is nothing to tidy up, so Ctrl-C may end the process on the spot.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from plitka.cli.process import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
