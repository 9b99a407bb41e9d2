"""Jobs are sent and processes are killed at the same time; at the end every accepted job has its exact count."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

import httpx

from chaos.system import System
from chaos.workloads import Workload
from relucensus import read_model, verify
from relucensus.errors import InvalidCertificate


@dataclass
class Campaign:
    """What was accepted, and what became of it."""

    system: System
    accepted: dict[str, Workload] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def run(self, workloads: Sequence[Workload], *, kills: int, every: float, patience: float) -> None:
        """Send the workloads again and again, in turn, while so many processes are killed; then wait for all jobs."""
        self._until_ready(patience)
        striking = threading.Thread(target=self._strike, args=(kills, every))
        striking.start()
        sent = 0
        while striking.is_alive() or sent < len(workloads):
            self._submit(workloads[sent % len(workloads)])
            sent += 1
            striking.join(every / 2)
        end = time.monotonic() + patience
        for job_id, workload in self.accepted.items():
            self._check(job_id, workload, end)

    def _strike(self, kills: int, every: float) -> None:
        for _ in range(kills):
            time.sleep(every)
            self.system.strike()

    def _until_ready(self, patience: float) -> None:
        self._persist("GET", "/readyz", time.monotonic() + patience)

    def _submit(self, workload: Workload) -> None:
        response = self._persist(
            "POST",
            "/count",
            time.monotonic() + 60,
            files={"model": ("m", workload.file)},
            data={"request": json.dumps(workload.request)},
            headers={"Idempotency-Key": uuid.uuid4().hex},
        )
        assert response.status_code in (200, 202), response.text
        assert response.json()["id"] not in self.accepted
        self.accepted[response.json()["id"]] = workload

    def _check(self, job_id: str, workload: Workload, end: float) -> None:
        job = {"done": False}
        while not job["done"] and time.monotonic() < end:
            response = self._persist("GET", f"/count/{job_id}", end, params={"wait": 5})
            assert response.status_code == 200, f"an accepted job is gone: {response.text}"
            job = response.json()
        counts = (job.get("result") or {}).get("counts", {})
        expected = {name: {"value": value, "status": "exact"} for name, value in workload.counts.items()}
        if counts != expected:
            self.wrong.append(f"{workload.name}: {job.get('state')} {counts} {job.get('error')}, needed {expected}")
        elif workload.request.get("certificate"):
            self._verify(job["result"]["certificate"], workload, end)

    def _verify(self, address: str, workload: Workload, end: float) -> None:
        """Check the certificate of a job; a connection that breaks off is a failure of the moment."""
        certificate = self._persist("GET", address, end)
        try:
            proven = verify(read_model(workload.file).network, BytesIO(certificate.content))
        except InvalidCertificate as error:
            self.wrong.append(f"{workload.name}: {certificate.status_code}, {error}")
        else:
            if any(proven.counts[name] != count for name, count in workload.counts.items()):
                self.wrong.append(f"{workload.name}: proven are {proven.counts}, needed {workload.counts}")

    def _persist(self, method: str, path: str, end: float, **options: object) -> httpx.Response:
        """An answer that is not a failure of the moment, as a patient client gets it."""
        while True:
            try:
                response = httpx.request(method, self.system.url + path, timeout=20, trust_env=False, **options)
            except httpx.TransportError as error:
                reason = str(error)
            else:
                if response.status_code < 500:
                    return response
                reason = response.text
            if time.monotonic() > end:
                raise AssertionError(f"{method} {path}: {reason}")
            time.sleep(0.1)
