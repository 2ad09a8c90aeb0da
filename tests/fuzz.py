"""Bad input by the hundred thousand: through the parser, or through the real Cog server.

    python tests/fuzz.py parser [--cases 100000] [--seed 1] [--state FILE]
    python tests/fuzz.py server [--cases 2000]   [--seed 1] [--state FILE]

Half of the parser's cases are spoiled requests, of which it is known what the error has to name; half are
hypothesis's. Every case has to give a valid request or one error that names its field. With --state, a run
that was broken off goes on where it stopped: the batches depend on the seed and on their number alone.
Prints the figures as JSON; cases that broke a rule are printed too, and make the exit status 1.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

import hypothesis
import psutil
from cog_server import CogServer
from hypothesis import HealthCheck, Phase, strategies
from request_mutations import Case, mutated_case
from request_oracle import check_answer, check_parser
from request_strategies import any_text, documents, objects, simple_inputs

BATCH = {"parser": 1000, "server": 60}
SHOWN_FAILURES = 20

hypothesis_cases = strategies.one_of(
    any_text.map(lambda text: Case({"params_json": text})),
    documents.map(lambda document: Case({"params_json": json.dumps(document)})),
    objects.map(lambda document: Case({"params_json": json.dumps(document)})),
    simple_inputs.map(Case),
)


def cases_of_hypothesis(count, seed):
    """So many cases from hypothesis's strategies, the same for the same seed."""
    cases = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=HealthCheck,
    )
    @hypothesis.given(hypothesis_cases)
    def collect(case):
        cases.append(case)

    collect()
    return cases


def batch_of(number, count, seed):
    """The cases of one batch; every second one is hypothesis's."""
    if number % 2:
        return cases_of_hypothesis(count, seed * 1_000_003 + number)
    source = random.Random(f"{seed}:{number}")
    return [mutated_case(source) for _ in range(count)]


def run_batch(number, count, seed, check):
    """Check every case of a batch: how many were valid, refused, or broke a rule."""
    counts, failures, slowest = {"valid": 0, "refused": 0, "unclear": 0}, [], 0.0
    for index, case in enumerate(batch_of(number, count, seed)):
        start = time.perf_counter()
        try:
            counts[check(case)] += 1
        # A request that breaks the program is what is looked for.
        except Exception as error:
            counts["unclear"] += 1
            failures.append(
                {"batch": number, "case": index, "error": repr(error)[:500], "inputs": repr(case)[:800]}
            )
        slowest = max(slowest, time.perf_counter() - start)
    return {"batch": number, **counts, "slowest_ms": round(1000 * slowest, 1), "failures": failures}


def run(target, cases, seed, state, check, processes):
    """Run the batches that the state does not hold yet; yields the record of every batch."""
    done = {record["batch"]: record for record in read_records(state)}
    yield from done.values()
    for number in range(-(-cases // BATCH[target])):
        if number in done:
            continue
        count = min(BATCH[target], cases - number * BATCH[target])
        record = {**run_batch(number, count, seed, check), "rss": memory_of(processes())}
        if state:
            with state.open("a") as file:
                file.write(json.dumps(record) + "\n")
        yield record


def read_records(state):
    """What an earlier run has left."""
    if state and state.exists():
        return [json.loads(line) for line in state.read_text().splitlines()]
    return []


def memory_of(processes):
    """Resident bytes of some processes."""
    return sum(process.memory_info().rss for process in processes)


def summary(target, records, seconds):
    """The figures of a run. Memory grows from the end of the first tenth, which warms everything up."""
    totals = {key: sum(record[key] for record in records) for key in ("valid", "refused", "unclear")}
    records = sorted(records, key=lambda record: record["batch"])
    warm, last = records[len(records) // 10]["rss"], records[-1]["rss"]
    return {
        "target": target,
        "cases": sum(totals.values()),
        **totals,
        "slowest_ms": max(record["slowest_ms"] for record in records),
        "rss_mib_after_first_tenth": round(warm / 2**20, 1),
        "rss_mib_at_the_end": round(last / 2**20, 1),
        "rss_growth_percent": round(100 * (last / warm - 1), 2),
        "seconds": round(seconds),
    }


def family(process):
    """A process and all that it started."""
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def fuzz(target, cases, seed, state):
    """All batches of a run: their records, and the seconds that this part of it took."""
    start = time.perf_counter()
    if target == "parser":
        records = list(run(target, cases, seed, state, check_parser, lambda: [psutil.Process()]))
        return records, time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        server = CogServer.start(Path(folder), "render")
        try:
            server.wait_until_started()
            records = list(
                run(
                    target,
                    cases,
                    seed,
                    state,
                    lambda case: check_answer(server, case),
                    lambda: family(server.process),
                )
            )
        finally:
            server.stop()
    return records, time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=BATCH)
    parser.add_argument("--cases", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path)
    arguments = parser.parse_args()
    cases = arguments.cases or {"parser": 100_000, "server": 2_000}[arguments.target]
    records, seconds = fuzz(arguments.target, cases, arguments.seed, arguments.state)
    figures = summary(arguments.target, records, seconds)
    print(json.dumps(figures, indent=2))
    failures = [failure for record in records for failure in record["failures"]]
    for failure in failures[:SHOWN_FAILURES]:
        print(json.dumps(failure, ensure_ascii=True))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
