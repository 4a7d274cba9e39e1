from collections.abc import Iterator

import pytest

from tests.client.fakeapi import World


@pytest.fixture(autouse=True)
def close_worlds() -> Iterator[None]:
    yield
    World.close_all()
