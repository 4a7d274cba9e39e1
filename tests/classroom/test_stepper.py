"""The stage of lab 04: a moment is the same however one comes to it, and an act changes only what
comes after it."""

import pytest

from kube_edu.classroom.raft.dramas import DRAMAS
from kube_edu.classroom.raft.stepper import Stepper


def stepper(name="stale leader returns"):
    return Stepper(DRAMAS).play(name)


@pytest.mark.parametrize("name", DRAMAS)
def test_a_step_back_leads_to_where_one_was(name):
    stage = stepper(name)
    there = repr(stage.go(30))
    stage.go(31).go(12).go(29)
    assert repr(stage.go(30)) == there


def test_an_act_happens_now_and_nothing_before_it_changes():
    stage = stepper().to(1.5)
    before = stage.world.trace.digest()
    stage.do("crash", "etcd-2")
    assert "etcd-2" not in stage.world.nodes
    assert repr(stage).count("✓") == 4
    assert stage.go(stage.moment - 1).world.trace.digest() == before


def test_a_single_message_can_be_lost():
    stage = stepper("one election").to(1.205)
    asked = {number for number, f in stage.world.flights.items() if f.message.to == "etcd-1"}
    for number in asked:
        stage.do("drop", message=number)
    assert asked.isdisjoint(stage.world.flights)
    assert stage.to(3).world.nodes["etcd-1"].vote == ""


def test_the_widgets_follow_the_code_and_the_code_the_widgets():
    stage = stepper("split vote").to(0.51)
    assert stage._slider.value == stage.moment
    stage._slider.value = 3
    assert stage.moment == 3
    stage._choice.value = "flapping link"
    assert (stage.name, stage.moment) == ("flapping link", 0)


def test_flapping_links_cost_leaders_without_prevote_and_none_with_it():
    def leaders(name):
        trace = stepper(name).to(9).world.trace
        return [event.host for event in trace.select("raft.role", role="leader")]

    assert leaders("… with PreVote") == ["etcd-1"]
    assert len(leaders("flapping link")) == 3


def test_of_a_stale_leader_nothing_is_kept_that_was_not_committed():
    world = stepper().to(5).world
    assert {tuple(member.applied) for member in world.members.values()} == {("x=new",)}
