"""Answers to lab 07's second exercise: wrong ones, each with the reason to give, and right ones that
are unlike ours."""

from kube_edu.api.status import ApiError


def containers(pod, *fields):
    return [c for field in fields for c in pod.get("spec", {}).get(field) or []]


def nothing():
    async def always_pull(attributes, cluster):
        attributes.object.get("spec")

    return always_pull


def main_ones_only():
    async def always_pull(attributes, cluster):
        if attributes.is_about("pods", "create"):
            for container in attributes.object["spec"].get("containers", []):
                container["imagePullPolicy"] = "Always"

    return always_pull


def the_first_only():
    async def always_pull(attributes, cluster):
        if attributes.is_about("pods", "create"):
            for field in ("containers", "initContainers"):
                for container in attributes.object["spec"].get(field, [])[:1]:
                    container["imagePullPolicy"] = "Always"

    return always_pull


def keeps_what_is_asked():
    async def always_pull(attributes, cluster):
        if attributes.is_about("pods", "create"):
            for container in containers(attributes.object, "containers", "initContainers"):
                container.setdefault("imagePullPolicy", "Always")

    return always_pull


def any_verb():
    async def always_pull(attributes, cluster):
        if attributes.resource.plural == "pods" and not attributes.subresource:
            for container in containers(attributes.object, "containers", "initContainers"):
                container["imagePullPolicy"] = "Always"

    return always_pull


def any_kind():
    async def always_pull(attributes, cluster):
        if attributes.verb == "create":
            spec = attributes.object.get("spec", {})
            pod = spec.get("template", attributes.object)
            for container in containers(pod, "containers", "initContainers"):
                container["imagePullPolicy"] = "Always"

    return always_pull


def bindings_too():
    async def always_pull(attributes, cluster):
        if attributes.resource.plural == "pods" and attributes.verb == "create":
            spec = attributes.object.setdefault("spec", {})
            for container in containers({"spec": spec}, "containers", "initContainers"):
                container["imagePullPolicy"] = "Always"

    return always_pull


def no_subresource():
    async def always_pull(attributes, cluster):
        if attributes.resource.plural == "pods" and attributes.verb == "create":
            for container in attributes.object["spec"].get("containers", []):
                container["imagePullPolicy"] = "Always"
            for container in attributes.object["spec"].get("initContainers", []):
                container["imagePullPolicy"] = "Always"

    return always_pull


def returns_it():
    async def always_pull(attributes, cluster):
        pod = attributes.object
        if attributes.is_about("pods", "create"):
            spec = {**pod["spec"]}
            for field in ("containers", "initContainers"):
                if field in spec:
                    spec[field] = [{**c, "imagePullPolicy": "Always"} for c in spec[field]]
            pod = {**pod, "spec": spec}
        return pod

    return always_pull


def refuses():
    async def always_pull(attributes, cluster):
        if attributes.is_about("pods", "create"):
            for container in containers(attributes.object, "containers", "initContainers"):
                if container.get("imagePullPolicy") != "Always":
                    raise attributes.refused("pull always")

    return always_pull


def the_tag_too():
    async def always_pull(attributes, cluster):
        if attributes.is_about("pods", "create"):
            for container in containers(attributes.object, "containers", "initContainers"):
                container["imagePullPolicy"] = "Always"
                container["image"] = container["image"].partition(":")[0] + ":latest"

    return always_pull


def not_async():
    def always_pull(attributes, cluster):
        for container in containers(attributes.object, "containers"):
            container["imagePullPolicy"] = "Always"

    return always_pull


WRONG = [
    (nothing, "no imagePullPolicy Always"),
    (main_ones_only, "init containers"),
    (the_first_only, "only the first"),
    (keeps_what_is_asked, "only advice"),
    (any_verb, "it acts on"),
    (any_kind, "A Deployment is no pod"),
    (bindings_too, "the scheduler cannot bind"),
    (no_subresource, "KeyError"),
    (returns_it, "nobody looks at that"),
    (refuses, "it refuses"),
    (the_tag_too, "more of the container"),
    (not_async, "not an `async def`"),
]


def every_field_that_has_containers():
    async def always_pull(attributes, cluster):
        about = (attributes.verb, attributes.resource.plural, attributes.subresource)
        if about != ("create", "pods", ""):
            return
        for field, value in attributes.object["spec"].items():
            if field.lower().endswith("containers"):
                for container in value:
                    container.update(imagePullPolicy="Always")

    return always_pull


def a_new_draft():
    """Puts a new object in the place of the draft's spec."""

    async def always_pull(attributes, cluster):
        if not attributes.is_about("pods", "create"):
            return
        try:
            spec = attributes.object["spec"]
            always = {"imagePullPolicy": "Always"}
            attributes.object["spec"] = {
                field: [c | always for c in value] if "ontainers" in field else value
                for field, value in spec.items()
            }
        except ApiError:
            raise

    return always_pull


RIGHT = [every_field_that_has_containers, a_new_draft]
