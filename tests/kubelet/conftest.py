from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kubelet.world import World


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Nothing of one test's world is left for the next."""
    yield
    while World.open:
        World.open.pop().simulation.close()
