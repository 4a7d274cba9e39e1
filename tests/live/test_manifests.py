"""The folder of static pods."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from kube_edu.live import manifests
from kube_edu.live.manifests import static_pods

POD = "{apiVersion: v1, kind: Pod, metadata: {name: %s}}"


def test_pods_come_and_go_with_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(manifests, "LOOK_EVERY", 0.01)

    async def story() -> None:
        (tmp_path / "a.yaml").write_text(POD % "a")
        (tmp_path / ".a.yaml.swp").write_text("x")
        async with aclosing(static_pods(tmp_path)) as seen:  # type: ignore[type-var]
            assert [pod["metadata"]["name"] for pod in await anext(seen)] == ["a"]
            (tmp_path / "b.yaml").write_text(POD % "b")
            assert [pod["metadata"]["name"] for pod in await anext(seen)] == ["a", "b"]
            (tmp_path / "b.yaml").write_text("kind: Pod: no")
            assert [pod["metadata"]["name"] for pod in await anext(seen)] == ["a"]
            (tmp_path / "a.yaml").unlink()
            assert await anext(seen) == []

    asyncio.run(story())
    assert "b.yaml: could not process manifest file: mapping values are not allowed" in (
        capsys.readouterr().err
    )
