"""Answers to lab 07's first exercise: wrong ones, each with the reason to give, and right ones that
are unlike ours."""


def listed(rule, field, value):
    return value in rule.get(field, []) or "*" in rule.get(field, [])


def about(rule, access, *, group=True, sub=True, star_sub=True, names=True, unnamed=False,
          star_name=False):  # fmt: skip
    what = access.resource
    if sub and access.subresource:
        what += "/" + access.subresource
    resource = listed(rule, "resources", what)
    if star_sub and access.subresource:
        resource = resource or "*/" + access.subresource in rule.get("resources", [])
    wanted = rule.get("resourceNames") if names else None
    named = not wanted or access.name in wanted or (unnamed and not access.name)
    named = named or (star_name and "*" in wanted)
    return resource and named and (not group or listed(rule, "apiGroups", access.group))


def at(rule, access, prefix=True):
    for path in rule.get("nonResourceURLs", []):
        if path == access.path or (prefix and path[-1] == "*" and access.path.startswith(path[:-1])):
            return True
    return False


def rule_by(**flags):
    """An evaluator that is right but for these flags."""
    prefix = flags.pop("prefix", True)

    def one(rule, access):
        if not listed(rule, "verbs", access.verb):
            return False
        return at(rule, access, prefix) if access.path else about(rule, access, **flags)

    return one


def mistaken(name, **flags):
    one = rule_by(**flags)

    def answer():
        def allows(rules, access):
            return any(one(rule, access) for rule in rules)

        return allows

    answer.__name__ = name
    return answer


def all_of_them():
    one = rule_by()

    def allows(rules, access):
        return all(one(rule, access) for rule in rules)

    return allows


def the_first():
    one = rule_by()

    def allows(rules, access):
        for rule in rules:
            return one(rule, access)
        return False

    return allows


def mixes_rules():
    def allows(rules, access):
        if access.path:
            return any(listed(r, "verbs", access.verb) and at(r, access) for r in rules)
        return any(listed(r, "verbs", access.verb) for r in rules) and any(
            about(r, access) for r in rules
        )

    return allows


def no_stars():
    def allows(rules, access):
        what = access.qualified
        for rule in rules:
            if access.verb not in rule["verbs"]:
                continue
            if access.path and at(rule, access):
                return True
            if access.group in rule.get("apiGroups", []) and what in rule.get("resources", []):
                if not rule.get("resourceNames") or access.name in rule["resourceNames"]:
                    return True
        return False

    return allows


def no_verb():
    def allows(rules, access):
        return any(at(r, access) if access.path else about(r, access) for r in rules)

    return allows


def no_paths():
    def allows(rules, access):
        return not access.path and any(rule_by()(r, access) for r in rules)

    return allows


def fields_that_are_not_there():
    def allows(rules, access):
        return any(access.resource in rule["resources"] for rule in rules)

    return allows


def a_list():
    def allows(rules, access):
        return [rule for rule in rules if rule_by()(rule, access)]

    return allows


def everything():
    def allows(rules, access):
        return True

    return allows


WRONG = [
    (mistaken("no_group", group=False), "API group"),
    (mistaken("no_subresource", sub=False), "pods/log"),
    (mistaken("no_star_subresource", star_sub=False), "*/scale"),
    (mistaken("no_names", names=False), "resourceNames"),
    (mistaken("unnamed", unnamed=True), "names no object"),
    (mistaken("star_name", star_name=True), "no wildcard"),
    (mistaken("no_prefix", prefix=False), "every path that begins so"),
    (all_of_them, "look at every rule"),
    (the_first, "look at every rule"),
    (mixes_rules, "a sentence of its own"),
    (no_stars, "stands for every"),
    (no_verb, "none of the rule's verbs"),
    (no_paths, "path"),
    (fields_that_are_not_there, "KeyError"),
    (a_list, "True or False"),
    (everything, "says nothing about"),
]


def with_sets():
    def allows(rules, access):
        whats = {"*", access.qualified}
        if access.subresource:
            whats.add(f"*/{access.subresource}")
        for rule in rules:
            verbs = set(rule.get("verbs") or ())
            if not verbs & {"*", access.verb}:
                continue
            if access.path:
                urls = rule.get("nonResourceURLs") or ()
                if any(u == access.path or u.endswith("*") and access.path.startswith(u.rstrip("*"))
                       for u in urls):  # fmt: skip
                    return True
                continue
            groups, resources = set(rule.get("apiGroups") or ()), set(rule.get("resources") or ())
            names = rule.get("resourceNames") or [access.name]
            if groups & {"*", access.group} and resources & whats and access.name in names:
                return True
        return False

    return allows


def step_by_step():
    def allows(rules, access):
        if not rules:
            return False
        first, *others = rules
        return rule_by()(first, access) or allows(others, access)

    return allows


RIGHT = [with_sets, step_by_step]
