"""What a server must not gather over its weeks: memory that nobody uses, and threads."""

import threading
import time

import psutil
from local_predictor import LocalPredictor, predict, run

from plitka import generation
from plitka.device.worker_thread import Worker
from plitka.tile.plan import plan_for

MIB = 2**20
BLOCKS, BLOCK_BYTES = 16_000, 4096


def scattered():
    """One block at the heap's end, which keeps 60 MiB of freed ones below it from the system."""
    blocks = [bytes(BLOCK_BYTES) for _ in range(BLOCKS)]
    return blocks[-1]


def resident_mib():
    return psutil.Process().memory_info().rss / MIB


def test_memory_that_a_prediction_has_freed_goes_back_to_the_system(tmp_path, monkeypatch):
    predictor, kept, memory = LocalPredictor(tmp_path), [], []

    def wasteful(*given):
        yield from generation.generate(*given)
        kept.append(scattered())
        memory.append(resident_mib())

    run(predictor)
    before = resident_mib()
    with monkeypatch.context() as patch:
        patch.setattr(predict, "generate", wasteful)
        run(predictor)
    assert memory[0] - before > 40, "the case must be one where the C library keeps the memory by itself"
    assert memory[0] - resident_mib() > 40


def test_every_prediction_is_planned_in_the_same_thread(tmp_path, monkeypatch):
    threads = []

    def noted(request):
        threads.append(threading.current_thread())
        return plan_for(request)

    monkeypatch.setattr(generation, "plan_for", noted)
    predictor = LocalPredictor(tmp_path)
    for _ in range(3):
        run(predictor)
    assert len(threads) == 3
    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()


def test_work_that_was_not_begun_is_dropped_and_work_that_was_is_waited_for():
    begun, done = threading.Event(), []

    def slow():
        begun.set()
        time.sleep(0.05)
        done.append("slow")

    with Worker("test") as worker:
        worker.submit(slow)
        never = worker.submit(done.append, "never")
        begun.wait()
    assert done == ["slow"]
    assert never.cancelled()
    with Worker("test") as worker:
        assert worker.submit(len, "next").result() == 4
