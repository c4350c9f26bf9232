"""`gradhouse up` as a user has it: one command, and HTTP."""

from pathlib import Path
from typing import Any

import httpx

from tests.servers import Command, eventually, free_port


class Service:
    """`gradhouse up` in a folder of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=f"{self.url}/api/v1", timeout=10)
        self._folder, self._environment = folder, environment
        self.start()

    def start(self) -> None:
        """Starts it, and waits until it says that it is there."""
        words = ("up", "--data-dir", str(self._folder / "data"), "--port", str(self.port))
        self.command = Command(*words, environment=self._environment, log=self._folder / "up.log")
        eventually(self.is_ready, what=self.command.output)

    def close(self) -> None:
        """Leaves nothing behind."""
        self.client.close()
        self.command.close()

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The document that a POST gives."""
        return self._document(self.client.post(path, json=body))

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """The document that a GET gives."""
        return self._document(self.client.get(path, params=query))

    def train(self, dataset: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """The job, when it is done."""
        response = self.client.post("/jobs", json={"dataset_id": dataset["id"], **body})
        assert response.status_code == 202, response.text
        where = response.headers["Location"]
        return eventually(lambda: self._done(where), what="the job is done")

    def _done(self, where: str) -> dict[str, Any] | None:
        job = self._document(self.client.get(httpx.URL(self.url).join(where)))
        return job if job["done"] else None

    def is_ready(self) -> bool:
        """Says whether API, broker, database and a worker answer."""
        assert self.command.process.poll() is None, self.command.output
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    @staticmethod
    def _document(response: httpx.Response) -> dict[str, Any]:
        assert response.is_success, response.text
        document: dict[str, Any] = response.json()
        return document
