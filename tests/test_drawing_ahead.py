"""The final picture is drawn while the reader has the preview, and ends with whoever wanted it."""

import ctypes
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_engine import FakeEngine, request_of
from interruptions import Cancelled

from plitka.device.worker_thread import Worker
from plitka.generation import generate

# Against a hang alone: a busy machine is slow, not wrong.
PATIENCE = 300


class SlowEngine(FakeEngine):
    """Its final picture takes steps until it is allowed to be finished, or nobody wants it."""

    def __init__(self):
        super().__init__()
        self.began, self.may_end = threading.Event(), threading.Event()

    def draw(self, job):
        for drawing in super().draw(job):
            if drawing.name == "final":
                job.pace.output.write("final: 0%\n")
                self.began.set()
                while not self.may_end.is_set():
                    job.pace.check()
                    time.sleep(0.01)
            yield drawing


def finished(engine):
    """The files of a request, by an engine that may end its final picture."""
    engine.may_end.set()
    return [result.data for result in generate(request_of(), engine)]


def test_the_final_picture_is_begun_while_the_reader_has_the_preview():
    engine = SlowEngine()
    results = generate(request_of(), engine)
    assert next(results).name == "preview"
    assert engine.began.wait(PATIENCE)
    engine.may_end.set()
    assert [result.name for result in results] == ["final", "colormap"]


def test_a_reader_that_leaves_at_the_preview_ends_the_final_picture():
    engine = SlowEngine()
    results = generate(request_of(), engine)
    next(results)
    assert engine.began.wait(PATIENCE)
    results.close()
    assert engine.closed
    assert finished(SlowEngine()) == finished(SlowEngine())


def test_cancelled_as_cog_does_while_it_waits_the_drawing_ends_and_the_next_is_whole():
    engine, raised = SlowEngine(), []

    def read():
        try:
            list(generate(request_of(), engine))
        except BaseException as error:
            raised.append((type(error), engine.closed))

    reader = threading.Thread(target=read)
    reader.start()
    assert engine.began.wait(PATIENCE)
    # An object of Cog's server in Rust does the same to the thread that runs the prediction.
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(reader.ident), ctypes.py_object(Cancelled))
    reader.join(PATIENCE)
    assert raised == [(Cancelled, True)]
    assert len(finished(SlowEngine())) == 3


def test_an_error_in_measuring_the_preview_ends_the_final_picture(monkeypatch):
    engine = SlowEngine()

    def fail(*given):
        assert engine.began.wait(PATIENCE)
        raise ValueError("unmeasurable")

    monkeypatch.setattr("plitka.generation.measure_and_correct", fail)
    with pytest.raises(ValueError, match="unmeasurable"):
        next(generate(request_of(), engine))
    assert engine.closed


def test_progress_of_the_final_picture_is_shown_once_the_reader_has_dealt_with_the_preview(capsys):
    engine = SlowEngine()
    results = generate(request_of(), engine)
    next(results)
    assert engine.began.wait(PATIENCE)
    print("the preview is written", file=sys.stderr)
    assert capsys.readouterr().err == "the preview is written\n"
    engine.may_end.set()
    next(results)
    assert capsys.readouterr().err == "final: 0%\n"
    list(results)


def test_progress_of_a_picture_that_nobody_waits_for_is_not_shown(capsys):
    engine = SlowEngine()
    results = generate(request_of(), engine)
    next(results)
    assert engine.began.wait(PATIENCE)
    results.close()
    assert capsys.readouterr().err == ""


def test_a_worker_left_in_its_own_thread_does_not_wait_for_itself():
    done = threading.Event()

    def leave():
        with Worker("plitka-test") as inner:
            inner.submit(print)
        done.set()

    with Worker("plitka-test") as worker:
        worker.submit(leave)
        assert done.wait(PATIENCE)


@pytest.mark.long
@pytest.mark.parametrize("imported_first", ["plitka.engine.protocol", "concurrent.futures.thread"])
def test_a_program_that_ends_with_the_preview_does_not_wait_for_the_final_picture(imported_first):
    program = (
        f"import {imported_first}\n"
        "from test_drawing_ahead import SlowEngine, generate, request_of\n"
        "results = generate(request_of(), SlowEngine())\n"
        "print(next(results).name)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert ended.stdout == "preview\n"
