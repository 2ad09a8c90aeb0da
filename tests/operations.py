"""What an operator sees of a server: its figures and its log."""

import json
from collections import Counter
from dataclasses import dataclass

import local_http
from cog_server import PATIENCE_SECONDS
from prometheus_client.parser import text_string_to_metric_families


@dataclass
class Scraped:
    """The samples of `/metrics`."""

    samples: list

    def __getitem__(self, name):
        """The sum of all samples of a name."""
        return sum(sample.value for sample in self.samples if sample.name == name)

    def of(self, name, **labels):
        """The sum of the samples of a name with these labels."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def by(self, name, *labels):
        """Sums of a name by its labels, without zeros."""
        found = Counter()
        for sample in self.samples:
            if sample.name == name and sample.value:
                found[tuple(sample.labels[label] for label in labels)] += sample.value
        return dict(found)


def scrape(port):
    answer = local_http.get(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_SECONDS)
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    return Scraped([sample for family in families for sample in family.samples])


def lines_of(log):
    """Plitka's lines about predictions in the log of a server; the last line may be half written."""
    found = []
    for line in log.read_text().rpartition("\n")[0].splitlines():
        if line.startswith("{"):
            message = json.loads(line)["fields"].get("message", "")
            if message.startswith('{"event": "prediction"'):
                found.append(json.loads(message))
    return found
