"""Each test of the contract runs on each store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.etcd.contract.stores import IN_PROCESS, SERVED, Run, in_process, member, over_grpc
from tests.etcd.members import OURS, real_etcd


@pytest.fixture(scope="session", params=IN_PROCESS + SERVED)
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """Runs a test, an async function of a Store, on an empty store (but for its revision)."""
    if request.param == "in process":
        yield in_process
        return
    command = OURS if request.param == "kube-edu etcd" else real_etcd()
    with member(command, tmp_path_factory.mktemp("member")) as endpoint:
        yield over_grpc(endpoint)
