"""schemathesis against the committed schema: what it makes of it, the server answers as the schema says."""

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from plitka.server.schema_file import SCHEMA_FILE
from plitka.server.serve import ROOT

# What else Cog describes, `plitka serve` does not pass on.
PASSED_ON = "^/(health-check|predictions)"
schema = schemathesis.openapi.from_path(str(ROOT / SCHEMA_FILE)).include(path_regex=PASSED_ON)


@schema.parametrize()
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
def test_every_request_of_the_schema_gets_an_answer_of_the_schema(case, render_server):
    response = case.call(base_url=render_server.url)
    case.validate_response(response, checks=[not_a_server_error, response_schema_conformance])
    assert "Traceback" not in response.text
    assert render_server.idle_status() == "READY"
