"""Answers to lab 02's first exercise: wrong ones, each with the reason to give, and right ones that
are unlike ours."""


def service(deployment, selector, ports, **metadata):
    meta = {key: deployment["metadata"][key] for key in ("name", "namespace")}
    spec = {"selector": selector, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta | metadata, "spec": spec}


def labels_of(deployment):
    return deployment["spec"]["template"]["metadata"]["labels"]


def port_of(deployment):
    return deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0]


def target(deployment):
    return [{"port": 80, "targetPort": port_of(deployment)["containerPort"]}]


def selects_the_deployment():
    def expose(deployment):
        return service(deployment, deployment["metadata"]["labels"], target(deployment))

    return expose


def match_labels():
    def expose(deployment):
        return service(deployment, deployment["spec"]["selector"], target(deployment))

    return expose


def no_target_port():
    def expose(deployment):
        return service(deployment, labels_of(deployment), [{"port": 80}])

    return expose


def the_containers_port():
    def expose(deployment):
        ports = [{"port": port_of(deployment)["containerPort"]}]
        return service(deployment, labels_of(deployment), ports)

    return expose


def one_label():
    def expose(deployment):
        return service(deployment, {"app": labels_of(deployment)["app"]}, target(deployment))

    return expose


def no_selector():
    def expose(deployment):
        return service(deployment, {}, target(deployment))

    return expose


def another_name():
    def expose(deployment):
        name = deployment["metadata"]["name"] + "-service"
        return service(deployment, labels_of(deployment), target(deployment), name=name)

    return expose


def default_namespace():
    def expose(deployment):
        return service(deployment, labels_of(deployment), target(deployment), namespace="default")

    return expose


def no_kind():
    def expose(deployment):
        made = service(deployment, labels_of(deployment), target(deployment))
        del made["kind"]
        return made

    return expose


def fixed():
    def expose(deployment):
        return service(deployment, {"app": "web"}, target(deployment))

    return expose


def text():
    def expose(deployment):
        return f"kind: Service, name: {deployment['metadata']['name']}"

    return expose


def borrows():
    def expose(deployment):
        deployment["kind"] = "Service"
        return deployment

    return expose


def text_for_a_number():
    def expose(deployment):
        return service(deployment, labels_of(deployment), [{"port": "80", "targetPort": 80}])

    return expose


WRONG = [
    (selects_the_deployment, "matches none of the pods"),
    (match_labels, "the API server refuses"),
    (no_target_port, "nothing listens"),
    (the_containers_port, "clients ask port 80"),
    (one_label, "another Deployment's"),
    (no_selector, "the selector (none)"),
    (another_name, "is called 'web-service'"),
    (default_namespace, "your Service in 'default'"),
    (no_kind, "kind None"),
    (fixed, "matches none of the pods"),
    (text, "returned str"),
    (borrows, "changed an object"),
    (text_for_a_number, "the API server refuses"),
]


def by_port_name():
    """targetPort by name where the container gives one."""

    def expose(deployment):
        port = port_of(deployment)
        ports = [{"port": 80, "targetPort": port.get("name", port["containerPort"])}]
        return service(deployment, deployment["spec"]["selector"]["matchLabels"], ports)

    return expose


def with_more():
    """A NodePort with two ports and labels of its own."""

    def expose(deployment):
        number = port_of(deployment)["containerPort"]
        ports = [
            {"name": "web", "port": 80, "targetPort": number, "protocol": "TCP"},
            {"name": "direct", "port": 8000, "targetPort": number},
        ]
        made = service(deployment, dict(labels_of(deployment)), ports, labels={"made": "by-hand"})
        made["spec"]["type"] = "NodePort"
        return made

    return expose


RIGHT = [by_port_name, with_more]
