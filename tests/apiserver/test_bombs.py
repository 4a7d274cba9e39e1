"""Small bodies that would grow: each is refused, quickly, and nothing of it is kept."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from kube_edu.api import manifest
from tests.apiserver.fakes import World, config_map

NS = "/api/v1/namespaces/default"
REVISIONS = "/apis/apps/v1/namespaces/default/controllerrevisions"
YAML = "application/yaml"


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def revision(data: str) -> bytes:
    """An object whose data may have any form."""
    return b'{"metadata": {"name": "x"}, "revision": 1, "data": %b}' % data.encode()


def laughs(aliases: int, levels: int) -> bytes:
    """Lists of aliases of lists of aliases."""
    lines = ["a0: &a0 [x]"]
    for n in range(levels):
        lines.append(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * aliases)}]")
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        *(("application/json", revision(nested(n))) for n in (120, 300, 480, 700, 900, 3000)),
        ("application/json", revision("[" * 300 + "]" * 300)),
        ("application/json", revision("1e400")),
        ("application/json", revision("-1e400")),
        ("application/json", revision("9" * 400)),
        ("application/json", revision("9" * 5000)),
        (YAML, revision(nested(120))),
        (YAML, revision(".inf")),
        (YAML, revision(".nan")),
        (YAML, laughs(10, 9)),
        (YAML, laughs(2, 40)),
        (YAML, b"a: &a {b: *a}"),
        (YAML, b"a: &a [1]\nb:\n" + b"- *a\n" * 110_000),
        (YAML, b"[" * 200_000),
        (YAML, b"- " * 50_000),
    ],
    ids=range(20),
)
def test_a_body_that_grows_is_refused(media_type: str, body: bytes) -> None:
    async def main() -> None:
        async with World() as world:
            answer = await world.raw("POST", REVISIONS, body, content_type=media_type)
            assert answer.status == 400, answer.body
            assert (await world.ask("GET", REVISIONS))["items"] == []

    asyncio.run(main())


def test_numbers_that_are_too_large_for_go_become_floats() -> None:
    async def main() -> None:
        async with World() as world:
            made = await world.raw("POST", REVISIONS, revision(f'{{"a": {2**63}}}'))
            assert made.body["data"] == {"a": float(2**63)}

    asyncio.run(main())


def test_aliases_as_people_write_them_are_taken() -> None:
    text = "base: &base {a: 1}\nmore: {<<: *base, b: 2}\nagain: *base\n"
    assert manifest.load(text) == {"base": {"a": 1}, "more": {"a": 1, "b": 2}, "again": {"a": 1}}


DOUBLING: list[Any] = [{"op": "copy", "from": "/data", "path": f"/data/x{n}"} for n in range(40)]
DEEPER: list[Any] = [
    {"op": "add", "path": "/data" + "/a" * 50 * n, "value": json.loads(nested(50))}
    for n in range(40)
]
MANY: list[Any] = [{"op": "test", "path": "/data/a", "value": "1"}] * 10_001


@pytest.mark.parametrize(
    ("patch", "status"), [(DOUBLING, 422), (DEEPER, 422), (MANY, 413)], ids=range(3)
)
def test_a_patch_that_grows_is_refused(patch: list[Any], status: int) -> None:
    async def main() -> None:
        async with World() as world:
            await world.ask("POST", f"{NS}/configmaps", config_map(a="1"))
            body, kind = json.dumps(patch).encode(), "application/json-patch+json"
            answer = await world.raw("PATCH", f"{NS}/configmaps/cm", body, content_type=kind)
            assert answer.status == status, answer.body

    asyncio.run(main())


def test_a_warning_cannot_break_out_of_its_header_and_many_are_cut_short() -> None:
    async def main() -> None:
        async with World() as world:
            odd = {**config_map(), "a\r\nset-cookie: b": 1, 'q"': 2}
            made = await world.raw("POST", f"{NS}/configmaps", json.dumps(odd).encode())
            assert made.status == 201
            assert made.headers["warning"] == '299 - "unknown field \\"q\\"\\""'
            many = {**config_map("y"), **{f"field{n}": 1 for n in range(5000)}}
            made = await world.raw("POST", f"{NS}/configmaps", json.dumps(many).encode())
            assert made.status == 201 and len(made.headers["warning"]) < 6000

    asyncio.run(main())
