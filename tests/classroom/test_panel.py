"""The failure panel: every switch is a method of the cluster, and it can be read as text."""

from kube_edu import Cluster
from kube_edu.classroom.panel import Panel


def panel():
    cluster = Cluster(nodes=2, etcd_members=3, seed=7)
    return cluster, Panel(cluster)


def test_a_switch_moves_its_machine_and_the_machine_its_switch():
    cluster, shown = panel()
    shown._switches["node-2"].value = "down"
    assert cluster.hosts["node-2"].state == "down"
    shown._switches["node-2"].value = "up"
    assert cluster.hosts["node-2"].state == "up"
    shown._switches["etcd-1"].value = "paused"
    assert cluster.hosts["etcd-1"].state == "paused"
    shown._switches["etcd-1"].value = "up"
    assert cluster.hosts["etcd-1"].state == "up"
    cluster.crash("node-1")
    shown.refresh()
    assert shown._switches["node-1"].value == "down"


def test_nothing_moves_until_time_does():
    cluster, shown = panel()
    before = cluster.now
    shown.refresh()
    assert cluster.now == before
    shown.advance(10)
    assert cluster.now == before + 10
    assert f"{before + 10:.1f} s" in shown._clock.value


def test_a_step_stops_where_something_worth_a_look_has_happened():
    cluster, shown = panel()
    cluster.run_for(30)
    cluster.crash(next(n for n, member in cluster.etcd.items() if member.node.leader == n))
    seen, before = len(cluster.trace), cluster.now
    shown.step()
    assert cluster.now < before + 5
    assert any(event.kind.startswith("raft.") for event in cluster.trace[seen:])
    assert "raft." in shown._events.value


def test_machines_can_be_cut_off_and_the_network_healed():
    cluster, shown = panel()
    shown.cut_off("etcd-1", "etcd-2")
    assert cluster.network.link("etcd-1", "etcd-3").cut
    assert not cluster.network.link("etcd-1", "etcd-2").cut
    shown.heal()
    assert not cluster.network.link("etcd-1", "etcd-3").cut


def test_the_panel_has_a_plain_text_form_that_one_seed_fixes():
    first, second = panel()[1], panel()[1]
    bundle = first._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == repr(second)
    assert "[etcd-1: up]" in repr(first)
