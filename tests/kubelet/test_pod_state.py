"""What to do about a pod is a pure function: properties of it over many states."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from kube_edu.api.meta import Object
from kube_edu.kubelet.cri import ContainerConfig, ContainerStatus, PodSandboxConfig, SandboxStatus
from kube_edu.kubelet.pod_state import PodState, compute_actions

SANDBOX = SandboxStatus("s", PodSandboxConfig("p", "default", "uid"), True, "10.0.0.1", 0.0)


@st.composite
def pods(draw: st.DrawFn) -> Object:
    inits = [
        {"name": f"init-{n}", "image": "i", **({"restartPolicy": "Always"} if stays else {})}
        for n, stays in enumerate(draw(st.lists(st.booleans(), max_size=3)))
    ]
    mains = [{"name": f"main-{n}", "image": "i"} for n in range(draw(st.integers(1, 3)))]
    policy = draw(st.sampled_from(["Always", "OnFailure", "Never"]))
    return {"spec": {"initContainers": inits, "containers": mains, "restartPolicy": policy}}


def container(name: str, state: str, code: int = 0) -> ContainerStatus:
    return ContainerStatus(f"id-{name}", "s", ContainerConfig(name, "i"), state, exit_code=code)


@st.composite
def states(draw: st.DrawFn, pod: Object) -> PodState:
    containers = {}
    for spec in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]:
        kind = draw(st.sampled_from(["none", "created", "running", "exited"]))
        if kind != "none":
            status = container(spec["name"], kind, draw(st.sampled_from([0, 1])))
            containers[spec["name"]] = [status]
    sandbox = replace(SANDBOX, ready=draw(st.booleans()))
    return PodState([sandbox], containers)


@given(st.data())
def test_nothing_that_runs_is_started_and_nothing_else_is_killed(data: st.DataObject) -> None:
    pod = data.draw(pods())
    state = data.draw(states(pod))
    actions = compute_actions(pod, state, {})
    running = [c.config.name for c in state.running() if state.current(c.config.name)]
    assert not {spec["name"] for spec in actions.start} & set(running)
    assert actions.kill == []


@given(st.data())
def test_never_means_never(data: st.DataObject) -> None:
    pod = data.draw(pods())
    pod["spec"]["restartPolicy"] = "Never"
    pod["spec"]["initContainers"] = []
    state = data.draw(states(pod))
    ended = [name for name, (c, *_) in state.containers.items() if c.state == "exited"]
    actions = compute_actions(pod, state, {})
    assert not {spec["name"] for spec in actions.start} & set(ended)


@given(st.data())
def test_doing_what_is_to_be_done_ends_with_nothing_to_do(data: st.DataObject) -> None:
    pod = data.draw(pods())
    passing = [
        c["name"] for c in pod["spec"]["initContainers"] if c.get("restartPolicy") != "Always"
    ]
    state = PodState()
    for _ in range(10):
        actions = compute_actions(pod, state, {})
        if actions.create_sandbox:
            state = replace(state, sandboxes=[SANDBOX])
        for spec in actions.start:  # init containers end well at once, the others run
            kind = "exited" if spec["name"] in passing else "running"
            here = {spec["name"]: [container(spec["name"], kind)]}
            state = replace(state, containers={**state.containers, **here})
    assert compute_actions(pod, state, {}).start == []
    assert {c.config.name for c in state.running()} == {
        c["name"]
        for c in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
        if c["name"] not in passing
    }


@given(st.data())
def test_no_container_runs_before_every_init_container_has_done_its_part(
    data: st.DataObject,
) -> None:
    pod = data.draw(pods())
    state = data.draw(states(pod))
    names = [c["name"] for c in pod["spec"]["containers"]]
    if any(state.current(name) for name in names):
        return  # it has been initialized before
    started = {spec["name"] for spec in compute_actions(pod, state, {}).start}
    if started & set(names):
        for spec in pod["spec"]["initContainers"]:
            status = state.current(spec["name"])
            assert status is not None
            stays = spec.get("restartPolicy") == "Always"
            assert status.state == ("running" if stays else "exited")
