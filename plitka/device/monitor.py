"""Watches memory from a thread of its own and keeps the peaks of each prediction."""

import logging
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import psutil

from plitka.device.select import DeviceInfo

MIB = 1024**2
INTERVAL_SECONDS = 2.0
# Percent of the machine's or the GPU's memory above which a line goes into the log, once per crossing.
MEMORY_ALARM = 95.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Peaks:
    """The highest values since `reset_peaks`.

    Attributes:
        vram_mib: Video memory in use on the GPU, all processes, MiB; 0 without a GPU.
        torch_vram_mib: Video memory that torch reserved for this process, MiB; 0 without a GPU.
        ram_mib: Memory of this process, MiB.
    """

    vram_mib: float = 0.0
    torch_vram_mib: float = 0.0
    ram_mib: float = 0.0


class ResourceMonitor:
    """Samples video memory, through torch, and the process's memory every `interval` seconds."""

    def __init__(self, device_info: DeviceInfo, interval: float = INTERVAL_SECONDS) -> None:
        self.device_info = device_info
        self.interval = interval
        self._process = psutil.Process()
        self._driver_answers = True
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._peaks = Peaks()
        self._alarms: set[str] = set()

    def start_monitoring(self) -> None:
        """Start the thread; a second call changes nothing."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._watch, name="plitka-monitor", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it; the peaks stay readable."""
        thread, self._thread = self._thread, None
        self._stopping.set()
        if thread is not None:
            thread.join()

    def reset_peaks(self) -> None:
        """Begin a prediction: forget the peaks and take a first sample."""
        if (torch_memory := self._torch_memory()) is not None:
            torch_memory.reset_peak_memory_stats()
        with self._lock:
            self._peaks = Peaks()
        self.sample()

    def peaks(self) -> Peaks:
        """The highest values since `reset_peaks`, this moment's included."""
        self.sample()
        with self._lock:
            return self._peaks

    def sample(self) -> None:
        """Take one sample now."""
        with self._lock:
            self._sample()

    def __enter__(self) -> Self:
        self.start_monitoring()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _sample(self) -> None:
        torch_vram_mib = self._torch_vram_mib()
        now = Peaks(
            # Without an answer of the driver, which sees other processes, torch's own share is what is known.
            vram_mib=max(self._used_vram_mib(), torch_vram_mib),
            torch_vram_mib=torch_vram_mib,
            ram_mib=self._process.memory_info().rss / MIB,
        )
        self._peaks = Peaks(
            **{key: max(value, getattr(self._peaks, key)) for key, value in vars(now).items()}
        )
        self._alarm("machine memory", psutil.virtual_memory().percent)
        if self.device_info.is_gpu:
            self._alarm("GPU memory", 100 * now.vram_mib * MIB / self.device_info.total_memory)

    def _watch(self) -> None:
        while not self._stopping.wait(self.interval):
            try:
                self.sample()
            # Watching is no part of drawing: no error of the driver or the system may end more than itself.
            except Exception:
                log.exception("resource monitoring ends after an error")
                return

    def _torch_memory(self) -> Any:
        """The module of torch that counts this device's memory; None where none does."""
        if self.device_info.backend not in ("cuda", "rocm", "xpu"):
            return None
        import torch

        return torch.xpu if self.device_info.backend == "xpu" else torch.cuda

    def _torch_vram_mib(self) -> float:
        counted = self._torch_memory()
        return float(counted.max_memory_reserved()) / MIB if counted is not None else 0.0

    def _used_vram_mib(self) -> float:
        """Memory in use on the GPU, all processes; 0 where the driver does not say."""
        counted = self._torch_memory()
        if counted is None or not self._driver_answers:
            return 0.0
        try:
            free, total = counted.mem_get_info(self.device_info.device)
        # As after an error that ends the process's connection to the GPU.
        except RuntimeError as error:
            log.warning("no more memory figures from the GPU's driver: %s", error)
            self._driver_answers = False
            return 0.0
        return float(total - free) / MIB

    def _alarm(self, what: str, percent: float) -> None:
        if percent >= MEMORY_ALARM and what not in self._alarms:
            self._alarms.add(what)
            log.warning("%s: %.0f %% in use", what, percent)
        elif percent < MEMORY_ALARM and what in self._alarms:
            self._alarms.remove(what)
            log.info("%s: back to %.0f %%", what, percent)
