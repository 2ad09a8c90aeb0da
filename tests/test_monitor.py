import logging
import threading
import time
from types import SimpleNamespace

import psutil
import pytest
import torch
from cog_server import wait_for

from plitka.device.monitor import MIB, ResourceMonitor
from plitka.device.select import DeviceInfo

CPU = DeviceInfo("cpu", "cpu", "CPU", 2**34, "float32")
GPU = DeviceInfo("cuda", "cuda:0", "a GPU", 1000 * MIB, "float16")


def monitor_threads():
    return [thread for thread in threading.enumerate() if thread.name == "plitka-monitor"]


@pytest.fixture
def driver(monkeypatch):
    """torch's counters of a GPU's memory, with figures that the test sets."""
    figures = SimpleNamespace(used=100 * MIB, reserved=50 * MIB, error=None)

    def mem_get_info(device):
        if figures.error:
            raise figures.error
        return GPU.total_memory - figures.used, GPU.total_memory

    monkeypatch.setattr(torch.cuda, "mem_get_info", mem_get_info)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: figures.reserved)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    return figures


def test_the_thread_runs_samples_and_leaves_nothing_behind():
    monitor = ResourceMonitor(CPU, interval=0.01)
    monitor.start_monitoring()
    monitor.start_monitoring()
    assert len(monitor_threads()) == 1
    assert monitor_threads()[0].daemon
    wait_for(lambda: monitor.peaks().ram_mib > 0)
    monitor.stop()
    monitor.stop()
    assert monitor_threads() == []
    assert monitor.peaks().ram_mib > 10


def test_it_stops_at_once_and_can_start_again():
    monitor = ResourceMonitor(CPU, interval=3600)
    for _ in range(3):
        monitor.start_monitoring()
        monitor.stop()  # whoever waits for the interval waits beyond the limit of any test
    assert monitor_threads() == []


def test_ten_monitors_leak_no_thread():
    for _ in range(10):
        with ResourceMonitor(CPU, interval=0.001):
            pass
    assert monitor_threads() == []


def test_peaks_are_kept_until_they_are_reset(driver):
    monitor = ResourceMonitor(GPU)
    monitor.reset_peaks()
    driver.used = 700 * MIB
    monitor.sample()
    driver.used = 200 * MIB
    assert monitor.peaks().vram_mib == 700
    monitor.reset_peaks()
    assert monitor.peaks().vram_mib == 200
    assert monitor.peaks().torch_vram_mib == 50


def test_without_an_answer_from_the_driver_torch_counts(driver, caplog):
    monitor = ResourceMonitor(GPU)
    driver.error = torch.AcceleratorError("CUDA error: device-side assert triggered")
    assert monitor.peaks().vram_mib == 50
    assert monitor.peaks().vram_mib == 50
    assert caplog.text.count("device-side assert") == 1


def test_a_threshold_is_logged_when_it_is_crossed_and_not_again(driver, caplog):
    caplog.set_level(logging.INFO, logger="plitka.device.monitor")
    monitor = ResourceMonitor(GPU)
    monitor.sample()
    assert caplog.text == ""
    driver.used = 990 * MIB
    for _ in range(3):
        monitor.sample()
    assert caplog.text.count("GPU memory: 99 % in use") == 1
    driver.used = 100 * MIB
    monitor.sample()
    assert caplog.text.count("GPU memory: back to 10 %") == 1


def test_an_error_in_the_thread_is_logged_and_ends_it(monkeypatch, caplog):
    monitor = ResourceMonitor(CPU, interval=0.001)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: 1 / 0)
    monitor.start_monitoring()
    wait_for(lambda: not monitor_threads())
    assert monitor_threads() == []
    assert "resource monitoring ends after an error" in caplog.text
    monitor.stop()


def test_a_sample_waits_for_nothing(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waits"))
    monitor = ResourceMonitor(CPU)
    monitor.sample()
    assert monitor.peaks().ram_mib > 10
