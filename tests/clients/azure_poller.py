"""Waits for a job by Azure's LROPoller, and prints how it went as JSON.

usage: azure_poller.py ADDRESS BODY
"""

import json
import sys
from typing import Any

from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.polling import LROPoller
from azure.core.polling.base_polling import LROBasePolling
from azure.core.rest import HttpRequest


def run(address: str, body: dict[str, Any]) -> dict[str, Any]:
    """Submits the job and waits until the poller says that it is done."""
    client = PipelineClient(address)
    request = HttpRequest("POST", f"{address}/api/v1/jobs", json=body)
    first = client.send_request(request, _return_pipeline_response=True)
    poller: Any = LROPoller(client, first, lambda answer: answer.http_response.json(), LROBasePolling(0.05))
    try:
        result = poller.result(60)
    except HttpResponseError as error:
        return {"status": poller.status(), "error": error.error and [error.error.code, error.error.message]}
    return {"status": poller.status(), "result": result}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], json.loads(sys.argv[2]))))
