"""A function of the reader's own serves real kubectl: `kube-edu up --with ROLE=FILE`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.cluster import Up, folder_of
from tests.live.test_up import up

MINE = """
def score(pod, node_info):
    return 100 if node_info.node["metadata"]["name"] == "node-2" else 0
"""


def test_pods_go_where_a_score_of_mine_sends_them(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(MINE)
    with folder_of("root") as folder:
        cluster = Up(folder, "--etcd-members", "1", "--with", f"scheduler.score={mine}")
        cluster.wait()
        cluster.kubectl("create", "deployment", "web", "--image=nginx", "--replicas=4")
        cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        wide = cluster.kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}")
        assert wide.split() == ["node-2"] * 4
        cluster.stop()


@pytest.mark.parametrize(
    ("role", "text", "said"),
    [
        ("scheduler.scoer", MINE, "no role is called 'scheduler.scoer'"),
        ("scheduler.score", "def points(pod, node): ...", "defines no score"),
        ("scheduler.score", "def score(:", "invalid syntax"),
        ("scheduler.score", None, "No such file"),
    ],
)
def test_what_is_wrong_with_it_is_one_clear_line(
    tmp_path: Path, role: str, text: str | None, said: str
) -> None:
    mine = tmp_path / "mine.py"
    if text is not None:
        mine.write_text(text)
    line = up(tmp_path / "dir", "--with", f"{role}={mine}")
    assert said in line
    assert not (tmp_path / "dir").exists()
