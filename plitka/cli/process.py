"""The command as a process: signals, standard streams and a lack of memory, handled from the first moment.

Nothing large is imported before the handlers are in place.
"""

import os
import signal
import sys
import traceback
from contextlib import suppress
from types import FrameType

from plitka.cli.terminal import drop_results, prepare_streams
from plitka.device.memory_errors import SENTENCE, is_memory_error
from plitka.errors import OutputError

FAILURE = 1
# A shell's exit status of a process that a signal ended.
BY_SIGNAL = 128
# Windows has no SIGHUP.
STOPPING = tuple(signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class StoppedError(BaseException):
    """A signal asked the process to end. Not a KeyboardInterrupt, which libraries handle themselves."""


class Stopper:
    """Lets signals end the work as Ctrl-C does: unfinished files are removed and nothing is printed."""

    def __init__(self) -> None:
        self.received: list[int] = []

    def start(self) -> None:
        """Install the signal handlers."""
        for number in STOPPING:
            # A signal that is ignored at the start, as with nohup, stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._stop)

    def end(self) -> None:
        """Ignore further signals: the process is ending."""
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)
        if len(self.received) == 1:
            self._raise(0, frame)
        # `make` may send a second signal of its own; at a third the user does not want to wait.
        if len(self.received) > 2:
            os._exit(BY_SIGNAL + number)

    def _raise(self, _number: int, frame: FrameType | None) -> None:
        """Raise StoppedError; later while OpenCV is loading, which would print the exception and go on.

        Windows has no timer for that.
        """
        if not _is_loading_opencv(frame) or not hasattr(signal, "setitimer"):
            raise StoppedError
        signal.signal(signal.SIGALRM, self._raise)
        signal.setitimer(signal.ITIMER_REAL, 0.01)


def _is_loading_opencv(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__") == "cv2":
            return True
        frame = frame.f_back
    return False


def run() -> int:
    """Run the command line; returns the exit status."""
    stopper = Stopper()
    status, message = FAILURE, ""
    try:
        stopper.start()
        status, message = _run()
        stopper.end()
    except StoppedError:
        stopper.end()
    if stopper.received:
        status, message = BY_SIGNAL + stopper.received[0], ""
    with suppress(OSError, MemoryError):
        drop_results()
        if message:
            print(message, file=sys.stderr)
    return status


def _run() -> tuple[int, str]:
    """The exit status, and a message that has not been printed yet."""
    try:
        prepare_streams()
        status = _status()
        if status == 0:
            sys.stdout.flush()
        return status, ""
    except OutputError as error:
        return FAILURE, str(error)
    except BaseException as error:
        return FAILURE, SENTENCE if is_memory_error(error) else traceback.format_exc().rstrip()


def _status() -> int:
    """The exit status of the command that was asked for."""
    from plitka.cli.commands import app

    try:
        app()
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 0
    return 0
