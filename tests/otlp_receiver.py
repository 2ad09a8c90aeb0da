"""A receiver of OpenTelemetry's spans: protobuf over HTTP, as an exporter sends it."""

import gzip
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class ReceivedSpan:
    scope: str
    name: str
    trace: str
    id: str
    parent: str
    begun: int
    ended: int
    attributes: dict
    error: str


def spans_in(data):
    for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
        for scoped in resource.scope_spans:
            for span in scoped.spans:
                attributes = {
                    attribute.key: getattr(attribute.value, attribute.value.WhichOneof("value"))
                    for attribute in span.attributes
                }
                yield ReceivedSpan(
                    scoped.scope.name,
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    attributes,
                    span.status.message,
                )


@contextmanager
def otlp_receiver():
    """An address, and the spans that were sent to it."""
    received = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            assert self.path == "/v1/traces"
            data = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            received.extend(spans_in(gzip.decompress(data) if packed else data))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}", received
        listening.shutdown()
