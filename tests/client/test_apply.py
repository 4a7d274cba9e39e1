"""What apply decides, from the declaration, the last one, and what is."""

from kube_edu.client.apply import plan


def service(*ports, **spec):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "dns"},
        "spec": {**spec, "ports": list(ports)},
    }


def test_what_is_as_declared_is_kept_whatever_the_server_has_added():
    declared = service({"port": 80})
    live = service({"port": 80, "protocol": "TCP", "targetPort": 80}, clusterIP="10.96.0.10")
    assert plan(declared, declared, live) == ("keep", None)


def test_what_is_no_longer_declared_is_removed_and_what_never_was_is_left():
    last, declared = service(type="NodePort"), service()
    live = service(type="NodePort", clusterIP="10.96.0.10")
    assert plan(declared, last, live) == ("patch", {"spec": {"type": None}})


def test_lists_with_a_merge_key_change_item_by_item():
    last = service({"port": 80}, {"port": 81})
    declared = service({"port": 80, "name": "web"}, {"port": 82})
    live = service({"port": 80, "protocol": "TCP"}, {"port": 81}, {"port": 90})
    ports = [{"port": 80, "name": "web"}, {"port": 82}, {"port": 81, "$patch": "delete"}]
    assert plan(declared, last, live) == ("patch", {"spec": {"ports": ports}})


def test_items_of_one_merge_key_are_kept_apart():
    udp, tcp = {"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}
    live = service({**udp, "targetPort": 53}, {**tcp, "targetPort": 53})
    assert plan(service(udp, tcp), service(udp, tcp), live) == ("keep", None)
    named = {**tcp, "name": "dns-tcp"}
    ports = [{"$patch": "replace"}, udp, named]
    assert plan(service(udp, named), service(udp, tcp), live) == (
        "patch", {"spec": {"ports": ports}},
    )  # fmt: skip


def test_zero_and_false_are_values():
    declared = service(publishNotReadyAddresses=False)
    live = service(publishNotReadyAddresses=True)
    assert plan(declared, declared, live) == (
        "patch", {"spec": {"publishNotReadyAddresses": False}},
    )  # fmt: skip


def test_what_is_empty_is_a_value_too():
    def pod(volume, *command):
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {
                "containers": [{"name": "c", "command": list(command)}],
                "volumes": [{"name": "v", **volume}],
            },
        }

    last, declared = pod({"hostPath": {"path": "/"}}, "sleep"), pod({"emptyDir": {}})
    volumes = [{"name": "v", "emptyDir": {}, "hostPath": None}]
    containers = [{"name": "c", "command": []}]
    change = {"spec": {"containers": containers, "volumes": volumes}}
    assert plan(declared, last, last) == ("patch", change)
    assert plan(declared, declared, declared) == ("keep", None)


def test_only_what_was_applied_is_pruned():
    assert plan(None, service(), service()) == ("delete", None)
    assert plan(None, None, service()) == ("keep", None)
    assert plan(None, service(), None) == ("keep", None)
