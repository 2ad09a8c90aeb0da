"""The runner of `plitka catalogue` that the options ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import typer

from plitka.settings import (
    REPLICATE_TOKEN_VARIABLE,
    RUNNER_TOKEN_VARIABLE,
    check_engine_name,
    engine_name,
    replicate_token,
    runner_token,
)

if TYPE_CHECKING:
    from plitka.batch.runner import Runner

RunnerName = Literal["local", "ray", "cog", "replicate"]
# Hosts to which a token may go without TLS: it does not leave the machine.
_OWN_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class RunnerOptions:
    """What the command line says of the runner; None where it says nothing."""

    runner: RunnerName
    engine: str | None
    weights: Path | None
    workers: int | None
    url: str | None
    model: str | None
    price: float | None
    patience: float | None
    ray_address: str | None
    gpus: float | None

    def make(self) -> Runner:
        """The runner. Raises typer.BadParameter for options that do not go together, and CatalogueError."""
        self._check()
        if self.runner == "local":
            from plitka.batch.local_runner import LocalRunner

            return LocalRunner(self._engine(), self.weights, self.workers)
        if self.runner == "ray":
            from plitka.batch.ray_runner import RayRunner

            return RayRunner(self._engine(), self.weights, self.workers, self.ray_address, self.gpus or 0)
        return self._over_http()

    def _engine(self) -> str:
        return check_engine_name(self.engine) if self.engine else engine_name()

    def _check(self) -> None:
        """Refuse what another runner needs: it would be without effect."""
        own = {
            "local": ("engine", "weights"),
            "ray": ("engine", "weights", "ray_address", "gpus"),
            "cog": ("url", "price", "patience"),
            "replicate": ("model", "price", "patience"),
        }
        names = ("engine", "weights", "url", "model", "price", "patience", "ray_address", "gpus")
        for name in names:
            if getattr(self, name) is not None and name not in own[self.runner]:
                runners = " and ".join(runner for runner, options in own.items() if name in options)
                option = f"--{name.replace('_', '-')}"
                raise typer.BadParameter(f"{option}: is of the runner {runners}, and this is {self.runner}")
        needed = {"cog": "url", "replicate": "model"}.get(self.runner)
        if needed and getattr(self, needed) is None:
            raise typer.BadParameter(f"--{needed}: the runner {self.runner} needs it")

    def _over_http(self) -> Runner:
        from plitka.batch.http_runner import DEFAULT_CONCURRENCY, DEFAULT_PATIENCE, HttpRunner
        from plitka.batch.services import REPLICATE_API, CogService, ReplicateService, Service

        service: Service
        if self.runner == "replicate":
            assert self.model is not None
            name, _, version = self.model.partition(":")
            if name.count("/") != 1 or not all(name.split("/")) or (":" in self.model and not version):
                raise typer.BadParameter(f"--model: {self.model} is not owner/name or owner/name:version")
            token, address = replicate_token(), REPLICATE_API
            if token is None:
                raise typer.BadParameter(f"--runner replicate: {REPLICATE_TOKEN_VARIABLE} is not set")
            service = ReplicateService(self.model)
        else:
            assert self.url is not None
            token, address = runner_token(), self.url
            service = CogService(address)
        return HttpRunner(
            service,
            token=token,
            host=_host(address, token),
            concurrency=self.workers or DEFAULT_CONCURRENCY,
            patience=DEFAULT_PATIENCE if self.patience is None else self.patience,
            price=self.price,
        )


def _host(url: str, token: str | None) -> str:
    """The host of a service's address. Raises typer.BadParameter for an address that cannot be used."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.username or parts.query:
        raise typer.BadParameter("--url: is not an address such as http://127.0.0.1:5000, without a password")
    if token is not None and parts.scheme == "http" and host not in _OWN_HOSTS:
        words = f"--url: {RUNNER_TOKEN_VARIABLE} is set, and a token goes over https only"
        raise typer.BadParameter(words)
    return host
