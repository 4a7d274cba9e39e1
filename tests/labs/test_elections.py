"""What the checks of lab 04 show: a run made as small as it gets, drawn up to the step that is wrong,
and where it parts from the reference's."""

import pytest

from kube_edu.classroom.elections import lab, rules
from kube_edu.classroom.raft.lab import World
from kube_edu.classroom.raft.plans import bereaved, rivals, survivors
from kube_edu.classroom.raft.search import live, safe
from kube_edu.raft import Rules


def verdict(answer):
    return lab.exercises[answer.__name__].verdict(answer)


def test_a_second_vote_in_a_term_is_shown_in_the_fewest_acts():
    def grant_vote(voter, request):
        return (request.log_term, request.index) >= (voter.last_term, voter.last_index)

    found = verdict(grant_vote)
    broken, case, apart = found.details
    assert broken.startswith("broken: election safety")
    assert case.count("time out") == 2 and len(case.splitlines()) == 3
    assert "parts from the reference run of the same seed" in apart
    assert "✗" in found.figure[-1].text


def test_an_answer_that_raises_is_told_its_own_line():
    def enough(yes, members):
        return yes[5] in members

    assert "IndexError" in verdict(enough).reason and "yes[5]" in verdict(enough).reason


@pytest.mark.parametrize("family", [rivals, survivors, bereaved])
def test_the_reference_keeps_every_promise_and_always_finds_a_leader(family):
    for seed in range(1, 30):
        world = World(family(seed, 3))
        world.run(world.plan.seconds)
        assert safe(world) is None, seed
        assert live(world) is None, seed


def test_a_stub_is_not_a_rule():
    def grant_vote(voter, request): ...

    assert rules(grant_vote) == Rules()
