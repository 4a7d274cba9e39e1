"""Answers to lab 02's second exercise: wrong ones, each with the reason to give, and right ones
that are unlike ours."""

import copy
import itertools


def difference(declared, last, live):
    patch = {}
    for name in last:
        if name not in declared and name in live:
            patch[name] = None
    for name, wanted in declared.items():
        if isinstance(wanted, dict) and isinstance(live.get(name), dict):
            inner = difference(wanted, last.get(name, {}), live[name])
            if inner:
                patch[name] = inner
        elif name not in live or wanted != live[name]:
            patch[name] = wanted
    return patch


def decide(declared, last_applied, live, patch):
    if declared is None:
        return ("delete", None) if live is not None and last_applied is not None else ("keep", None)
    if live is None:
        return ("create", declared)
    return ("patch", patch) if patch else ("keep", None)


def prunes_strangers():
    def plan(declared, last_applied, live):
        if declared is None and live is not None:
            return ("delete", None)
        return decide(
            declared, last_applied, live, difference(declared or {}, last_applied or {}, live or {})
        )

    return plan


def never_prunes():
    def plan(declared, last_applied, live):
        if declared is None:
            return ("keep", None)
        return decide(
            declared, last_applied, live, difference(declared, last_applied or {}, live or {})
        )

    return plan


def two_way():
    def plan(declared, last_applied, live):
        return decide(declared, last_applied, live, difference(declared or {}, {}, live or {}))

    return plan


def removes_what_others_set():
    def plan(declared, last_applied, live):
        return decide(
            declared, last_applied, live, difference(declared or {}, live or {}, live or {})
        )

    return plan


def always_patches():
    def plan(declared, last_applied, live):
        return decide(declared, last_applied, live, declared)

    return plan


def trusts_the_last_apply():
    def plan(declared, last_applied, live):
        last = last_applied or {}
        return decide(declared, last_applied, live, difference(declared or {}, last, last))

    return plan


def forgets_what_is_gone():
    def plan(declared, last_applied, live):
        if declared is not None and declared == last_applied and live is None:
            return ("keep", None)
        return decide(
            declared, last_applied, live, difference(declared or {}, last_applied or {}, live or {})
        )

    return plan


def creates_again():
    def plan(declared, last_applied, live):
        if declared is not None and last_applied is None:
            return ("create", declared)
        return decide(
            declared, last_applied, live, difference(declared or {}, last_applied or {}, live or {})
        )

    return plan


def mutates():
    def plan(declared, last_applied, live):
        if declared is not None and live is not None:
            live["data"].update(declared["data"])
        return decide(declared, last_applied, live, {})

    return plan


def wrong_type():
    def plan(declared, last_applied, live):
        return "create"

    return plan


def raises():
    def plan(declared, last_applied, live):
        if live["metadata"] == declared["metadata"]:
            return ("keep", None)
        return ("patch", declared)

    return plan


def endless():
    def plan(declared, last_applied, live):
        while True:
            pass

    return plan


WRONG = [
    (prunes_strangers, "never applied"),
    (never_prunes, "no longer declared: nothing would ever take it away"),
    (two_way, "only the last declaration can tell"),
    (removes_what_others_set, "somebody else set it"),
    (always_patches, "there is nothing to do"),
    (trusts_the_last_apply, "has been changed since the last apply"),
    (forgets_what_is_gone, "the object is gone"),
    (creates_again, "AlreadyExists"),
    (mutates, "changed an object that it was given"),
    (wrong_type, "returned 'create'"),
    (raises, "raised TypeError"),
    (endless, "did not come to an end"),
]


def iterative():
    """Without recursion, over paths; with redundant fields in its patch."""

    def paths(document, prefix=()):
        for name, value in (document or {}).items():
            if isinstance(value, dict) and value:
                yield from paths(value, (*prefix, name))
            else:
                yield (*prefix, name), value

    def put(document, path, value):
        for name in path[:-1]:
            document = document.setdefault(name, {})
        document[path[-1]] = value

    def plan(declared, last_applied, live):
        if declared is None:
            return (
                ["delete", None]
                if live is not None and last_applied is not None
                else ["keep", None]
            )
        if live is None:
            return ["create", copy.deepcopy(declared)]
        wanted, found = dict(paths(declared)), dict(paths(live))
        gone = [p for p in dict(paths(last_applied)) if p not in wanted and p in found]
        gone = [p for p in gone if not any(w[: len(p)] == p for w in wanted)]
        if all(found.get(p) == v for p, v in wanted.items()) and not gone:
            return ["patch", {}]
        patch = copy.deepcopy(declared)
        for path in gone:
            put(patch, path, None)
        return ["patch", patch]

    return plan


def sorted_keys():
    """The textbook way, but over the union of names in sorted order."""

    def merge(declared, last, live):
        patch = {}
        for name in sorted(set(itertools.chain(declared, last))):
            if name not in declared:
                if name in live:
                    patch[name] = None
            elif isinstance(declared[name], dict) and isinstance(live.get(name), dict):
                patch[name] = merge(declared[name], last.get(name, {}), live[name])
            elif declared[name] != live.get(name):
                patch[name] = declared[name]
        return {name: change for name, change in patch.items() if change != {}}

    def plan(declared, last_applied, live):
        return decide(
            declared, last_applied, live, merge(declared or {}, last_applied or {}, live or {})
        )

    return plan


RIGHT = [iterative, sorted_keys]
