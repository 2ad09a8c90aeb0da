"""Stages of a prediction as spans of OpenTelemetry; nothing at all where tracing is not set up.

Cog's server sets it up if its environment says so (`COG_TRACE_CONFIGURED`). The library is looked for among
the modules that are loaded and never loaded from here. Attributes are names, numbers and words of our own: no
text of a request.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

Attribute = str | bool | int | float
_PREFIX = "plitka."
NANOSECONDS = 1_000_000_000


class Stage:
    """A span that others are inside of; without a tracer, nothing.

    Args:
        tracer: Makes spans.
        context: That of the span around the stages.
        span: The span of this stage; None for one that is not ours.
    """

    def __init__(
        self, tracer: Tracer | None = None, context: Context | None = None, span: Span | None = None
    ) -> None:
        self._tracer, self._context, self._span = tracer, context, span

    @contextmanager
    def stage(self, name: str, begun_ns: int | None = None, **attributes: Attribute) -> Iterator[Stage]:
        """A stage inside of this one, from now or from `begun_ns` (`time.time_ns`); from any thread.

        An error that leaves it is noted by its class: its text may repeat a request.
        """
        if self._tracer is None:
            yield self
            return
        from opentelemetry.trace import StatusCode, set_span_in_context

        span = self._tracer.start_span(name, self._context, start_time=begun_ns)
        inner = Stage(self._tracer, set_span_in_context(span, self._context), span)
        inner.note(**attributes)
        try:
            yield inner
        except BaseException as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            span.end()

    def past(self, name: str, begun_ns: int, seconds: float) -> None:
        """A stage inside of this one that has ended."""
        if self._tracer is not None:
            span = self._tracer.start_span(name, self._context, start_time=begun_ns)
            span.end(begun_ns + round(seconds * NANOSECONDS))

    def note(self, **attributes: Attribute | None) -> None:
        """Say more of this stage; None is left out."""
        if self._span is not None:
            for name, value in attributes.items():
                if value is not None:
                    self._span.set_attribute(_PREFIX + name, value)


def current_stage() -> Stage:
    """What the calling thread is inside of."""
    if "opentelemetry.trace" not in sys.modules:
        return Stage()
    from opentelemetry import context, trace

    return Stage(trace.get_tracer("plitka"), context.get_current())


def now_ns() -> int:
    """This moment for `begun_ns`."""
    return time.time_ns()
