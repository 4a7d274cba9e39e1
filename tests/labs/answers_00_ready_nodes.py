"""Answers to lab 00's exercise: wrong ones, each with the reason to give, and right ones that are
unlike ours."""


def conditions_of(node):
    return node.get("status", {}).get("conditions", [])


def all_of_them():
    def ready_nodes(nodes):
        return [node["metadata"]["name"] for node in nodes]

    return ready_nodes


def has_the_condition():
    def ready_nodes(nodes):
        return [
            node["metadata"]["name"]
            for node in nodes
            if any(c["type"] == "Ready" for c in conditions_of(node))
        ]

    return ready_nodes


def not_false():
    def ready_nodes(nodes):
        return [
            node["metadata"]["name"]
            for node in nodes
            if any(c["type"] == "Ready" and c["status"] != "False" for c in conditions_of(node))
        ]

    return ready_nodes


def not_unknown():
    def ready_nodes(nodes):
        return [
            node["metadata"]["name"]
            for node in nodes
            if any(c["type"] == "Ready" and c["status"] != "Unknown" for c in conditions_of(node))
        ]

    return ready_nodes


def the_last_condition():
    def ready_nodes(nodes):
        return [
            node["metadata"]["name"]
            for node in nodes
            if conditions_of(node) and conditions_of(node)[-1]["status"] == "True"
        ]

    return ready_nodes


def the_nodes_themselves():
    def ready_nodes(nodes):
        return [n for n in nodes if any(c["status"] == "True" for c in conditions_of(n))]

    return ready_nodes


def a_number():
    def ready_nodes(nodes):
        return len(nodes)

    return ready_nodes


def no_status_yet():
    def ready_nodes(nodes):
        return [
            node["metadata"]["name"]
            for node in nodes
            if {c["type"]: c["status"] for c in node["status"]["conditions"]}["Ready"] == "True"
        ]

    return ready_nodes


def spoils_the_nodes():
    def ready_nodes(nodes):
        for node in nodes:
            node["status"] = {c["type"]: c["status"] for c in conditions_of(node)}
        return [node["metadata"]["name"] for node in nodes if node["status"].get("Ready") == "True"]

    return ready_nodes


def nobody():
    def ready_nodes(nodes):
        return []

    return ready_nodes


WRONG = [
    (all_of_them, '"Unknown"'),
    (has_the_condition, '"Unknown"'),
    (not_false, '"Unknown"'),
    (not_unknown, '"False"'),
    (the_last_condition, "no fixed order"),
    (the_nodes_themselves, "is a dict"),
    (a_number, "returned int"),
    (no_status_yet, "raised KeyError"),
    (spoils_the_nodes, "changed an object"),
    (nobody, "is left out"),
]


def a_set():
    def ready_nodes(nodes):
        return {
            node["metadata"]["name"]
            for node in nodes
            for c in conditions_of(node)
            if (c["type"], c["status"]) == ("Ready", "True")
        }

    return ready_nodes


def in_reverse():
    def ready_nodes(nodes):
        found = []
        while nodes:
            node = nodes.pop()
            if {c["type"]: c["status"] for c in conditions_of(node)}.get("Ready") == "True":
                found.append(node["metadata"]["name"])
        return tuple(found)

    return ready_nodes


RIGHT = [a_set, in_reverse]
