"""The Pod Security Standards, a check a rule; the texts are what people search for.

Source: k8s.io/pod-security-admission/policy/check_*.go. Every check gets a pod's metadata and
spec, and says "reason (detail)", or nothing. Lists are in the order in which violations are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kube_edu.api import meta, tables
from kube_edu.api.meta import Object
from kube_edu.api.podutil import containers

Check = Callable[[Object], str]

_LISTS = tables.read("lists")
DEFAULT_CAPABILITIES = _LISTS["default-capabilities"]
SAFE_SYSCTLS = _LISTS["safe-sysctls"]
SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
           "projected", "secret")  # fmt: skip
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def violations(pod: Object, level: str) -> list[str]:
    """What the pod does that is not allowed at a level."""
    return [found for check in LEVEL[level] if (found := check(pod))]


# --- baseline: what is known to lead out of the container


def app_armor(pod: Object) -> str:
    who, _ = _setters(pod, "appArmorProfile", lambda p: p.get("type") == "Unconfined")
    found = [f'{_and(who)} must not set AppArmor profile type to "Unconfined"'] if who else []
    for key, value in sorted(meta.annotations(pod).items()):
        is_safe = value in ("", "runtime/default") or value.startswith("localhost/")
        if key.startswith(APPARMOR) and not is_safe:
            found.append(f'{key}="{value}"')
    reason = "forbidden AppArmor profile" + ("s" if len(found) > 1 else "")
    return _violation(reason, ", ".join(found))


def default_capabilities(pod: Object) -> str:
    return _added_capabilities(pod, DEFAULT_CAPABILITIES, "non-default capabilities")


def host_namespaces(pod: Object) -> str:
    shared = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC")
              if pod["spec"].get(name)]  # fmt: skip
    return _violation("host namespaces", ", ".join(shared))


def host_path_volumes(pod: Object) -> str:
    names = [v["name"] for v in pod["spec"].get("volumes") or () if "hostPath" in v]
    return _violation("hostPath volumes", _named("volume", names))


def host_ports(pod: Object) -> str:
    ports: dict[str, list[str]] = {}
    for container in containers(pod["spec"]):
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                ports.setdefault(container["name"], []).append(str(port["hostPort"]))
    used = sorted({port for each in ports.values() for port in each})
    use = f"use{'s' if len(ports) == 1 else ''} hostPort{'s' if len(used) > 1 else ''}"
    detail = f"{_named('container', ports)} {use} {', '.join(used)}"
    return _violation("hostPort", detail if ports else "")


def privileged(pod: Object) -> str:
    names = _containers(pod, lambda security: security.get("privileged"))
    return _must_not("privileged", names, "securityContext.privileged=true")


def proc_mount(pod: Object) -> str:
    names = _containers(pod, lambda s: s.get("procMount", "Default") != "Default")
    return _must_not("procMount", names, 'securityContext.procMount to "Unmasked"')


def selinux_options(pod: Object) -> str:
    who, bad = _setters(
        pod,
        "seLinuxOptions",
        lambda o: o.get("type", "") not in SELINUX_TYPES or o.get("user") or o.get("role"),
    )
    types = sorted({o["type"] for o in bad if o.get("type", "") not in SELINUX_TYPES})
    wrong = [_named("type", types)] if types else []
    wrong += [f"{part} may not be set" for part in ("user", "role")
              if any(options.get(part) for options in bad)]  # fmt: skip
    detail = f"{_and(who)} set forbidden securityContext.seLinuxOptions: {'; '.join(wrong)}"
    return _violation("seLinuxOptions", detail if who else "")


def seccomp_not_unconfined(pod: Object) -> str:
    return _bad_seccomp(pod, ("RuntimeDefault", "Localhost", ""))


def sysctls(pod: Object) -> str:
    names = [s["name"] for s in _security(pod["spec"]).get("sysctls") or ()]
    return _violation("forbidden sysctls", ", ".join(n for n in names if n not in SAFE_SYSCTLS))


def windows_host_process(pod: Object) -> str:
    who, _ = _setters(pod, "windowsOptions", lambda options: options.get("hostProcess"))
    detail = f"{_and(who)} must not set securityContext.windowsOptions.hostProcess=true"
    return _violation("hostProcess", detail if who else "")


# --- restricted: what hardening asks for


def privilege_escalation(pod: Object) -> str:
    if _on_windows(pod):
        return ""
    names = _containers(pod, lambda s: s.get("allowPrivilegeEscalation") is not False)
    return _must(
        "allowPrivilegeEscalation != false", names, "allowPrivilegeEscalation=false", "container"
    )


def no_capabilities(pod: Object) -> str:
    if _on_windows(pod):
        return ""
    kept = _containers(
        pod, lambda s: "ALL" not in ((s.get("capabilities") or {}).get("drop") or ())
    )
    details = []
    if kept:
        named = _named("container", kept)
        details.append(f'{named} must set securityContext.capabilities.drop=["ALL"]')
    if added := _added_capabilities(pod, ("NET_BIND_SERVICE",)):
        details.append(added)
    return _violation("unrestricted capabilities", "; ".join(details))


def volume_types(pod: Object) -> str:
    found = {v["name"]: kind for v in pod["spec"].get("volumes") or ()
             for kind in v if kind not in (*VOLUMES, "name")}  # fmt: skip
    types = sorted(set(found.values()))
    use = f"use{'s' if len(found) == 1 else ''} restricted volume"
    detail = f"{_named('volume', found)} {use} {_named('type', types)}"
    return _violation("restricted volume types", detail if found else "")


def run_as_non_root(pod: Object) -> str:
    who, _ = _setters(pod, "runAsNonRoot", lambda value: value is False)
    if who:
        return _violation(
            "runAsNonRoot != true", f"{_and(who)} must not set securityContext.runAsNonRoot=false"
        )
    names = []
    if not _security(pod["spec"]).get("runAsNonRoot"):
        names = _containers(pod, lambda security: security.get("runAsNonRoot") is None)
    return _must("runAsNonRoot != true", names, "runAsNonRoot=true", "pod or container")


def run_as_user(pod: Object) -> str:
    who, _ = _setters(pod, "runAsUser", lambda value: value == 0)
    return _violation("runAsUser=0", f"{_and(who)} must not set runAsUser=0" if who else "")


def seccomp_set(pod: Object) -> str:
    if _on_windows(pod):
        return ""
    if found := _bad_seccomp(pod, ("RuntimeDefault", "Localhost")):
        return found
    names = []
    if "seccompProfile" not in _security(pod["spec"]):
        names = _containers(pod, lambda security: "seccompProfile" not in security)
    wanted = 'seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return _must("seccompProfile", names, wanted, "pod or container")


BASELINE: list[Check] = [
    app_armor, default_capabilities, host_namespaces, host_path_volumes, host_ports, privileged,
    proc_mount, selinux_options, seccomp_not_unconfined, sysctls, windows_host_process,
]  # fmt: skip
_STRICTER = (default_capabilities, host_path_volumes, seccomp_not_unconfined)
"""Of the baseline, what restricted says in stricter words."""
RESTRICTED: list[Check] = [
    *(check for check in BASELINE if check not in _STRICTER),
    privilege_escalation, no_capabilities, volume_types, run_as_non_root, run_as_user, seccomp_set,
]  # fmt: skip
LEVEL: dict[str, list[Check]] = {
    "privileged": [],
    "baseline": BASELINE,
    "restricted": RESTRICTED,
}


# --- who does it, and how that is said


def _security(of: Object) -> Object:
    return of.get("securityContext") or {}


def _containers(pod: Object, wrong: Callable[[Object], Any]) -> list[str]:
    """Names of the containers in whose security context something is wrong."""
    return [c["name"] for c in containers(pod["spec"]) if wrong(_security(c))]


def _setters(pod: Object, field: str, wrong: Callable[[Any], Any]) -> tuple[list[str], list[Any]]:
    """Who sets a field of the security context wrongly ("pod", `container "c"`), and to what."""
    values = [_security(pod["spec"]).get(field)]
    who = ["pod"] if values[0] is not None and wrong(values[0]) else []
    names = []
    for container in containers(pod["spec"]):
        value = _security(container).get(field)
        values.append(value)
        if value is not None and wrong(value):
            names.append(container["name"])
    who += [_named("container", names)] if names else []
    return who, [value for value in values if value is not None and wrong(value)]


def _added_capabilities(pod: Object, allowed: Iterable[str], reason: str = "") -> str:
    added = {
        container["name"]: [
            capability
            for capability in (_security(container).get("capabilities") or {}).get("add") or ()
            if capability not in allowed
        ]
        for container in containers(pod["spec"])
    }
    names = [name for name, capabilities in added.items() if capabilities]
    if not names:
        return ""
    every = _quoted(sorted({c for capabilities in added.values() for c in capabilities}))
    detail = (
        f"{_named('container', names)} must not include {every} in securityContext.capabilities.add"
    )
    return _violation(reason, detail) if reason else detail


def _bad_seccomp(pod: Object, allowed: Iterable[str]) -> str:
    who, bad = _setters(pod, "seccompProfile", lambda profile: profile.get("type") not in allowed)
    values = _quoted(sorted({profile.get("type", "") for profile in bad}))
    detail = f"{_and(who)} must not set securityContext.seccompProfile.type to {values}"
    return _violation("seccompProfile", detail if who else "")


def _on_windows(pod: Object) -> bool:
    return (pod["spec"].get("os") or {}).get("name") == "windows"


def _must_not(reason: str, names: list[str], what: str) -> str:
    return _violation(reason, f"{_named('container', names)} must not set {what}" if names else "")


def _must(reason: str, names: list[str], what: str, who: str) -> str:
    detail = f"{_named(who, names)} must set securityContext.{what}"
    return _violation(reason, detail if names else "")


def _violation(reason: str, detail: str) -> str:
    return f"{reason} ({detail})" if detail else ""


def _named(what: str, names: Iterable[str]) -> str:
    """`container "a"`, `containers "a", "b"`; "" for none."""
    listed = list(names)
    return f"{what}{'s' if len(listed) > 1 else ''} {_quoted(listed)}" if listed else ""


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _and(who: list[str]) -> str:
    return " and ".join(who)
