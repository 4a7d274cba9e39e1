"""Requests made from the server's own OpenAPI, good ones and bad ones: none gets a 5xx."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from kube_edu.apiserver import openapi
from tests.apiserver.fakes import World

GROUPS = list(openapi.index()["paths"])
SAMPLE = ["apis/coordination.k8s.io/v1", "apis/policy/v1", "apis/rbac.authorization.k8s.io/v1"]
CALM = settings(
    deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def operations(group: str) -> list[Any]:
    schema = schemathesis.openapi.from_dict(openapi.document(group))
    return [result.ok() for result in schema.get_all_operations()]


def ask(group: str, examples: int, requests: int) -> None:
    """Send so many requests to each of so many fresh servers."""
    cases = st.one_of(
        operation.as_strategy(generation_mode=mode)
        for operation in operations(group)
        for mode in GenerationMode
    )

    @settings(CALM, max_examples=examples)
    @given(st.lists(cases, min_size=requests, max_size=requests))
    def none_fails(sent: list[Any]) -> None:
        asyncio.run(answered(sent))

    none_fails()


async def answered(cases: list[Any]) -> None:
    async with World(accounts=True) as world:
        for case in cases:
            body = None if _absent(case.body) else json.dumps(case.body, default=str).encode()
            query = "&".join(
                f"{name}={quote(str(value))}" for name, value in (case.query or {}).items()
            )
            answer = await world.raw(
                case.method.upper(), f"{case.formatted_path}?{query}", body,
                content_type=case.media_type or "application/json",
            )  # fmt: skip
            assert answer.status < 500 or answer.status == 504, (case, answer.body)
            await answer.close()


def _absent(body: Any) -> bool:
    return type(body).__name__ == "NotSet"


@pytest.mark.parametrize("group", SAMPLE)
def test_no_request_of_the_schema_fails(group: str) -> None:
    ask(group, 2, 5)


@pytest.mark.nightly
@pytest.mark.parametrize("group", GROUPS)
def test_no_request_of_many_fails(group: str) -> None:
    ask(group, 20, 20)
