"""Answers to lab 05's second exercise."""


def of_any_term():
    def commit_index(leader):
        by_member = sorted(leader.match.values(), reverse=True)
        return max(by_member[len(by_member) // 2], leader.commit)

    return commit_index


def stops_at_an_old_term():
    def commit_index(leader):
        index = leader.commit
        while (
            sum(match > index for match in leader.match.values()) * 2 > len(leader.match)
            and leader.log.term(index + 1) == leader.term
        ):
            index += 1
        return index

    return commit_index


def half_is_enough():
    def commit_index(leader):
        for index in range(leader.log.last_index, leader.commit, -1):
            have = sum(match >= index for match in leader.match.values())
            if have * 2 >= len(leader.match) and leader.log.term(index) == leader.term:
                return index
        return leader.commit

    return commit_index


def counts_the_leader_twice():
    def commit_index(leader):
        for index in range(leader.log.last_index, leader.commit, -1):
            have = 1 + sum(match >= index for match in leader.match.values())
            if have * 2 > len(leader.match) and leader.log.term(index) == leader.term:
                return index
        return leader.commit

    return commit_index


def all_must_have_it():
    def commit_index(leader):
        index = min(leader.match.values())
        return index if leader.log.term(index) == leader.term else leader.commit

    return commit_index


def whatever_it_has_itself():
    def commit_index(leader):
        return leader.log.last_index

    return commit_index


def one_at_a_time():
    """A leader's empty entry, and then writes: two of them at once are one too many."""

    def commit_index(leader):
        by_member = sorted(leader.match.values(), reverse=True)
        index = by_member[len(by_member) // 2]
        if index > leader.commit and leader.log.term(index) == leader.term:
            first = next(
                i for i in range(leader.commit + 1, index + 1) if leader.log.term(i) == leader.term
            )
            return first
        return leader.commit

    return commit_index


def one_past():
    def commit_index(leader):
        by_member = sorted(leader.match.values(), reverse=True)
        index = by_member[len(by_member) // 2]
        if index > leader.commit and leader.log.term(index) == leader.term:
            return index + 1
        return leader.commit

    return commit_index


def says_nothing():
    def commit_index(leader):
        index = sorted(leader.match.values(), reverse=True)[len(leader.match) // 2]
        if index > leader.commit and leader.log.term(index) == leader.term:
            return index

    return commit_index


def always_three():
    """Of five a majority, of three everybody."""

    def commit_index(leader):
        index = sorted(leader.match.values(), reverse=True)[2]
        own = leader.log.term(index) == leader.term
        return index if own and index > leader.commit else leader.commit

    return commit_index


WRONG = [
    (of_any_term, "Figure 8"),
    (stops_at_an_old_term, "is not committed by counting, but along with"),
    (half_is_enough, "that is a half"),
    (counts_the_leader_twice, "must not be added to it"),
    (all_must_have_it, "Waiting for more"),
    (whatever_it_has_itself, "nobody would know of it"),
    (one_at_a_time, "Committed is the last entry that a majority has"),
    (one_past, "and the leader's log ends at"),
    (says_nothing, "returned None"),
    (always_three, "Waiting for more"),
]


def by_counting():
    def commit_index(leader):
        for index in range(leader.log.last_index, leader.commit, -1):
            have = [name for name, match in leader.match.items() if match >= index]
            if len(have) > len(leader.match) / 2 and leader.log.term(index) == leader.term:
                return index
        return leader.commit

    return commit_index


def by_the_median():
    """The lower of the two in the middle, if there are two."""

    def commit_index(leader):
        from statistics import median_low

        index = median_low(leader.match.values())
        own = leader.log.term(index) == leader.term
        return max(leader.commit, index if own else 0)

    return commit_index


RIGHT = [by_counting, by_the_median]
