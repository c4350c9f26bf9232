"""Asks a model by KServe's own client, in both of its protocols, and prints the answers as JSON.

usage: kserve_client.py ADDRESS MODEL ROWS
"""

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig


async def ask(address: str, model: str, rows: list[list[float]]) -> dict[str, Any]:
    """Whatever the client can ask of a model."""
    found: dict[str, Any] = {}
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        found["live"] = await client.is_server_live(address)
        found["server_ready"] = await client.is_server_ready(address)
        found["ready"] = await client.is_model_ready(address, model)
        found["nobody"] = await client.is_model_ready(address, "nobody")
        for name, binary in (("v2", False), ("v2_binary", True)):
            found[name] = await infer(client, address, model, np.array(rows), binary=binary)
        try:
            await infer(client, address, model, np.ones((1, 9)), binary=True)
        except httpx.HTTPStatusError as error:
            found["refused"] = error.response.status_code
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        found["v1_ready"] = await client.is_model_ready(address, model)
        found["predict"] = await client.infer(address, {"instances": rows}, model_name=model)
        found["explain"] = await client.explain(address, model, {"instances": rows})
    return found


async def infer(client: Any, address: str, model: str, rows: Any, *, binary: bool) -> dict[str, Any]:
    """Every output of an inference, as lists."""
    tensor = InferInput("input", list(rows.shape), "FP64")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    request = InferRequest(model, [tensor], parameters={"binary_data_output": binary})
    answer = await client.infer(address, request, model_name=model)
    cells = {each.name: each.as_numpy() for each in answer.outputs}
    texts = [each.decode() if isinstance(each, bytes) else each for each in cells.pop("label")]
    return {"label": texts, **{name: numbers.tolist() for name, numbers in cells.items()}}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ask(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))))
