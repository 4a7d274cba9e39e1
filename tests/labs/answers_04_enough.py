"""Answers to lab 04's first exercise: wrong ones, each with the reason to give, and right ones that
are unlike ours."""


def half():
    def enough(yes, members):
        return len(yes) >= len(members) / 2

    return enough


def always_two():
    def enough(yes, members):
        return len(yes) >= 2

    return enough


def everybody():
    def enough(yes, members):
        return len(yes) == len(members)

    return enough


def rounded():
    def enough(yes, members):
        return len(yes) >= max(round(len(members) / 2), 1)

    return enough


def anybody():
    def enough(yes, members):
        return len(yes) > 0

    return enough


def one_more_than_needed():
    def enough(yes, members):
        return len(yes) > len(members) // 2 + 1

    return enough


def only_of_three():
    def enough(yes, members):
        return len(yes) > len(members) / 2 and len(members) != 5

    return enough


def two_thirds():
    def enough(yes, members):
        return 3 * len(yes) >= 2 * len(members)

    return enough


def a_number():
    def enough(yes, members):
        return len(yes) - len(members) // 2

    return enough


WRONG = [
    (half, "half, and not a majority"),
    (always_two, "it counts to two, whatever the size"),
    (everybody, "it wants the vote of every member"),
    (rounded, "look at how Python rounds"),
    (anybody, "a single vote is enough"),
    (one_more_than_needed, "one vote more than a majority"),
    (only_of_three, "3 of 5 are a majority, and it says that they are not"),
    (two_thirds, "it wants two thirds"),
    (a_number, "it should return True or False, and returned int"),
]


def by_division():
    def enough(yes, members):
        return len(yes) / len(members) > 0.5

    return enough


def against_the_rest():
    def enough(yes, members):
        rest = [member for member in members if member not in yes]
        return len(yes) > len(rest)

    return enough


def as_in_etcd():
    def enough(yes, members):
        quorum = len(members) // 2 + 1
        return sum(1 for _ in yes) >= quorum

    return enough


RIGHT = [by_division, against_the_rest, as_in_etcd]
