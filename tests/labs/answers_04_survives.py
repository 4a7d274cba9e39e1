"""Answers to lab 04's fourth exercise: wrong ones, each with the reason to give, and right ones that
are unlike ours."""


def _only(*names):
    def survives(state):
        return {name: state[name] for name in names}

    return survives


def nothing():
    def survives(state):
        return {}

    return survives


def no_vote():
    return _only("term", "log")


def no_term():
    return _only("vote", "log")


def only_the_log():
    return _only("log", "commit")


def no_log():
    return _only("term", "vote", "commit")


def only_the_term():
    return _only("term")


def everything():
    def survives(state):
        return state

    return survives


def keeps_the_leader():
    return _only("term", "vote", "log", "leader")


def keeps_the_votes():
    return _only("term", "vote", "log", "votes")


def keeps_its_patience():
    return _only("term", "vote", "log", "election_elapsed")


def invents():
    def survives(state):
        return {**_only("term", "vote", "log")(state), "members": 3}

    return survives


def begins_anew():
    def survives(state):
        return {"term": 0, "vote": "", "log": state["log"]}

    return survives


WRONG = [
    (nothing, "it forgets everything"),
    (no_vote, "it forgets its vote"),
    (no_term, "it forgets its term"),
    (only_the_log, "it forgets term and vote"),
    (no_log, "it forgets its log"),
    (only_the_term, "it forgets vote and log"),
    (everything, "it keeps its role"),
    (keeps_the_leader, "it keeps who led"),
    (keeps_the_votes, "it keeps the votes it was given"),
    (keeps_its_patience, "it writes to disk at every tick"),
    (invents, "there is no such thing in state"),
    (begins_anew, "it keeps another term than there is"),
]


def with_commit():
    """As etcd does: the commit index is there to start faster."""
    return _only("term", "vote", "log", "commit")


def by_leaving_out():
    def survives(state):
        volatile = ("role", "leader", "votes", "election_elapsed", "commit")
        return {name: value for name, value in state.items() if name not in volatile}

    return survives


RIGHT = [with_commit, by_leaving_out]
