"""Answers to lab 07's third exercise: wrong ones, each with the reason to give, and right ones that
are unlike ours."""

KEY = "gate.example/images-from"
ALL = ("containers", "initContainers", "ephemeralContainers")


def images(pod, fields=ALL):
    return [c["image"] for field in fields for c in (pod or {}).get("spec", {}).get(field) or []]


def mistaken(
    name, *, verbs=("create", "update"), subresources=("", "ephemeralcontainers"), fields=ALL,
    slash="/", strip=True, only_new=True, quantifier=all, places=None, kinds=("pods",),
    unlisted=None, refuse=lambda attributes: attributes.refused("not trusted"),
):  # fmt: skip
    """An answer that is right but for what is given."""

    def answer():
        async def trusted_images(attributes, cluster):
            a = attributes
            if a.resource.plural not in kinds or a.verb not in verbs:
                return None
            if subresources is not None and a.subresource not in subresources:
                return None
            namespace = await cluster.find("namespaces", "", a.namespace)
            listed = namespace["metadata"].get("annotations", {}).get(KEY, unlisted)
            if listed is None:
                return None
            trusted = [p.strip() if strip else p for p in listed.split(",")][:places]
            known = images(a.old, fields) if only_new else []
            judged = [i for i in images(a.object, fields) if i not in known]
            fine = [any(i.startswith(p + slash) for p in trusted) for i in judged]
            if not fine or quantifier(fine):
                return None
            problem = refuse(a)
            if isinstance(problem, Exception):
                raise problem
            return problem

        return trusted_images

    answer.__name__ = name
    return answer


def nothing():
    async def trusted_images(attributes, cluster):
        await cluster.find("namespaces", "", attributes.namespace)

    return trusted_images


def throws_out():
    """Takes the container out instead of refusing."""

    async def trusted_images(attributes, cluster):
        if attributes.is_about("pods", "create"):
            spec = attributes.object["spec"]
            spec["containers"] = [c for c in spec.get("containers", []) if "nginx" not in c["image"]]

    return trusted_images


def forgets_to_wait():
    async def trusted_images(attributes, cluster):
        namespace = cluster.find("namespaces", "", attributes.namespace)
        namespace["metadata"]

    return trusted_images


def no_annotation():
    async def trusted_images(attributes, cluster):
        if attributes.is_about("pods", "create", "update"):
            namespace = await cluster.find("namespaces", "", attributes.namespace)
            places = namespace["metadata"]["annotations"][KEY].split(",")
            for image in images(attributes.object):
                if image.split("/")[0] not in "".join(places):
                    raise attributes.refused(image)

    return trusted_images


WRONG = [
    (nothing, "is admitted"),
    (mistaken("no_slash", slash=""), "begins so"),
    (mistaken("main_ones", fields=("containers", "ephemeralContainers")), "init container"),
    (mistaken("create_only", verbs=("create",)), "changes its image"),
    (mistaken("no_ephemeral", subresources=("",)), "kubectl debug"),
    (mistaken("blanks", strip=False), "with blanks"),
    (mistaken("first_place", places=1), "several places"),
    (mistaken("one_is_enough", quantifier=any), "does not speak for the others"),
    (mistaken("old_ones_too", only_new=False), "there already"),
    (mistaken("status_too", subresources=None), "pods/status"),
    (mistaken("deletes_too", verbs=("create", "update", "delete")), "refuses a delete"),
    (mistaken("closed_by_default", unlisted="nowhere"), "says nothing about images"),
    (mistaken("says_false", refuse=lambda a: False), "nobody looks at that"),
    (mistaken("value_error", refuse=lambda a: ValueError("no")), "ValueError"),
    (throws_out, "changes the object"),
    (forgets_to_wait, "is an `await` missing?"),
    (no_annotation, "KeyError"),
]


def one_by_one():
    async def trusted_images(attributes, cluster):
        a = attributes
        if not (a.resource.plural == "pods" and a.verb != "delete"):
            return
        if a.subresource and a.subresource != "ephemeralcontainers":
            return
        shop = await cluster.find("namespaces", "", a.namespace)
        rule = (shop["metadata"].get("annotations") or {}).get(KEY)
        if rule is None:
            return
        places = tuple(place.strip().rstrip("/") + "/" for place in rule.split(","))
        before = set(images(a.old))
        for image in images(a.object):
            if image not in before and not image.startswith(places):
                raise a.refused(f"{image}: only {', '.join(places)}")

    return trusted_images


RIGHT = [mistaken("by_table"), one_by_one]
