"""From a container's spec to what the runtime is told: references resolved, variables expanded.

Source: kubernetes, pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables),
pkg/kubelet/envvars, pkg/kubelet/network/dns, third_party/forked/golang/expansion.
"""

from __future__ import annotations

import base64
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from kube_edu.api import meta, quantity
from kube_edu.api.meta import Object
from kube_edu.api.status import ApiError
from kube_edu.client import ApiClient, Informer
from kube_edu.kubelet.cri import ContainerConfig, CriError, Files, PodSandboxConfig
from kube_edu.kubelet.node import CAPACITY

Volumes = Mapping[str, Files]
"""A pod's volumes by name. An emptyDir is one dict that all its containers share."""

CLUSTER_DOMAIN = "cluster.local"

VARIABLE = re.compile(r"\$(\$|\(([^()]*)\))")


@dataclass(frozen=True, slots=True)
class ConfigResolver:
    """Looks up what a pod's spec refers to. A missing ConfigMap, Secret or key raises
    CriError("CreateContainerConfigError")."""

    client: ApiClient
    services: Informer
    host_address: str
    cluster_dns: str

    def sandbox(self, pod: Object, attempt: int) -> PodSandboxConfig:
        spec = pod["spec"]
        return PodSandboxConfig(
            name=meta.name(pod),
            namespace=meta.namespace(pod),
            uid=meta.uid(pod),
            attempt=attempt,
            hostname=spec.get("hostname") or meta.name(pod),
            host_network=bool(spec.get("hostNetwork")),
            ports=[port for c in spec["containers"] for port in c.get("ports") or ()],
            dns=self._dns(pod),
        )

    async def container(
        self, pod: Object, container: Object, attempt: int, address: str, volumes: Volumes
    ) -> ContainerConfig:
        env = await self._environment(pod, container, address)
        mounts: dict[str, Files] = {}
        for mount in container.get("volumeMounts") or ():
            files: Files = volumes.get(mount["name"], {})
            path = mount["mountPath"]
            if mount.get("subPath"):  # one file, put into the folder beside others
                folder, name = posixpath.split(path)
                content = files.get(mount["subPath"], b"")
                mounts[folder] = {**mounts.get(folder, {}), name: content}
            else:
                mounts[path] = files
        return ContainerConfig(
            name=container["name"],
            image=container["image"],
            attempt=attempt,
            command=[expand(word, env) for word in container.get("command") or ()],
            args=[expand(word, env) for word in container.get("args") or ()],
            working_dir=container.get("workingDir", ""),
            env=env,
            mounts=mounts,
        )

    async def volumes(self, pod: Object) -> dict[str, Files]:
        """The files of each volume; CriError("FailedMount") names the one that fails. What no
        files can stand for (hostPath, claims) is empty."""
        volumes = {}
        for volume in pod["spec"].get("volumes") or ():
            name = volume["name"]
            try:
                volumes[name] = await self._volume(pod, volume)
            except CriError as error:
                text = f'MountVolume.SetUp failed for volume "{name}" : {error}'
                raise CriError("FailedMount", text) from None
        return volumes

    # --- environment

    async def _environment(self, pod: Object, container: Object, address: str) -> dict[str, str]:
        """Services first, then envFrom, then env: the later wins, and may use the earlier."""
        env = self._service_variables(pod)
        for source in container.get("envFrom") or ():
            prefix = source.get("prefix", "")
            for kind in ("configMapRef", "secretRef"):
                if kind in source:
                    data = await self._data(pod, kind.removesuffix("Ref"), source[kind])
                    env |= {prefix + key: value.decode() for key, value in data.items()}
        for variable in container.get("env") or ():
            if "valueFrom" in variable:
                value = await self._value_from(pod, container, variable["valueFrom"], address)
                if value is not None:
                    env[variable["name"]] = value
            else:
                env[variable["name"]] = expand(variable.get("value", ""), env)
        return env

    async def _value_from(
        self, pod: Object, container: Object, source: Object, address: str
    ) -> str | None:
        if "fieldRef" in source:
            return self._field(pod, source["fieldRef"]["fieldPath"], address)
        if "resourceFieldRef" in source:
            return self._resource(container, source["resourceFieldRef"])
        kind = "configMapKeyRef" if "configMapKeyRef" in source else "secretKeyRef"
        reference = source[kind]
        data = await self._data(pod, kind.removesuffix("KeyRef"), reference)
        if reference["key"] in data:
            return data[reference["key"]].decode()
        if reference.get("optional"):
            return None
        where = "ConfigMap" if kind == "configMapKeyRef" else "Secret"
        raise _config_error(
            f"couldn't find key {reference['key']} in {where} "
            f"{meta.namespace(pod)}/{reference['name']}"
        )

    def _field(self, pod: Object, path: str, address: str) -> str:
        """pkg/fieldpath and podFieldSelectorRuntimeValue."""
        match = re.fullmatch(r"metadata\.(labels|annotations)\['([^']*)'\]", path)
        if match:
            return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
        if path in ("status.podIP", "status.podIPs"):
            return address
        if path in ("status.hostIP", "status.hostIPs"):
            return self.host_address
        if path in ("metadata.labels", "metadata.annotations"):
            pairs = pod["metadata"].get(path.partition(".")[2]) or {}
            return "\n".join(f'{key}="{pairs[key]}"' for key in sorted(pairs))
        part, _, field = path.partition(".")
        return str(pod.get(part, {}).get(field, ""))

    def _resource(self, container: Object, reference: Object) -> str:
        kind, _, name = reference["resource"].partition(".")
        amount = (container.get("resources") or {}).get(kind, {}).get(name)
        if amount is None:  # without a limit the node's is the limit
            amount = CAPACITY.get(name, "0") if kind == "limits" else "0"
        divisor = quantity.parse(reference.get("divisor") or "1") or 1
        return str(ceil(quantity.parse(amount) / divisor))

    def _service_variables(self, pod: Object) -> dict[str, str]:
        """pkg/kubelet/envvars: where the services of the namespace are, and the API server."""
        env: dict[str, str] = {}
        links = pod["spec"].get("enableServiceLinks", True)
        for service in sorted(self.services.list(), key=meta.key):
            same = meta.namespace(service) == meta.namespace(pod) and links
            has_address = service["spec"].get("clusterIP") not in (None, "", "None")
            if has_address and (same or meta.key(service) == "default/kubernetes"):
                env |= _variables_of(service)
        return env

    # --- ConfigMaps, Secrets, volumes

    async def _data(self, pod: Object, kind: str, reference: Object) -> dict[str, bytes]:
        """The data of a ConfigMap or Secret; nothing if it is optional and not there."""
        resource = f"{kind.lower()}s"
        try:
            found = await self.client.get(resource, reference["name"], meta.namespace(pod))
        except ApiError as error:
            if error.code == 404 and reference.get("optional"):
                return {}
            not_found = f'{kind.lower()} "{reference["name"]}" not found'
            raise _config_error(not_found if error.code == 404 else error.message) from None
        texts, binary = found.get("data") or {}, found.get("binaryData") or {}
        if kind == "secret":
            texts, binary = {}, texts
        files = {name: text.encode() for name, text in texts.items()}
        return files | {name: base64.b64decode(text) for name, text in binary.items()}

    async def _volume(self, pod: Object, volume: Object) -> Files:
        if "projected" in volume:
            files: Files = {}
            for source in volume["projected"].get("sources") or ():
                files |= await self._volume(pod, source)
            return files
        for kind in ("configMap", "secret"):
            if kind in volume:
                reference = volume[kind]
                named = {"name": reference.get("secretName"), **reference}
                return _chosen(await self._data(pod, kind, named), reference)
        if "serviceAccountToken" in volume:
            return {volume["serviceAccountToken"]["path"]: await self._token(pod, volume)}
        if "downwardAPI" in volume:
            return {
                item["path"]: self._field(pod, item["fieldRef"]["fieldPath"], "").encode()
                for item in volume["downwardAPI"].get("items") or ()
                if "fieldRef" in item
            }
        return {}

    async def _token(self, pod: Object, volume: Object) -> bytes:
        """A token of the pod's account, bound to the pod."""
        projection = volume["serviceAccountToken"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": meta.name(pod), "uid": meta.uid(pod)}
        spec = {
            "audiences": [projection["audience"]] if projection.get("audience") else [],
            "expirationSeconds": projection.get("expirationSeconds", 3600),
            "boundObjectRef": bound,
        }
        account = pod["spec"].get("serviceAccountName", "default")
        try:
            token = await self.client.create_token(account, meta.namespace(pod), spec)
        except ApiError as error:
            raise CriError("FailedMount", f"failed to fetch token: {error.message}") from None
        return token.encode()

    # --- DNS

    def _dns(self, pod: Object) -> Object:
        """The pod's resolv.conf, by its dnsPolicy (pkg/kubelet/network/dns/dns.go)."""
        spec = pod["spec"]
        policy = spec.get("dnsPolicy", "ClusterFirst")
        dns: dict[str, list[str]] = {"servers": [], "searches": [], "options": []}
        on_host = spec.get("hostNetwork") and policy == "ClusterFirst"
        if policy in ("ClusterFirst", "ClusterFirstWithHostNet") and not on_host:
            services = f"svc.{CLUSTER_DOMAIN}"
            searches = [f"{meta.namespace(pod)}.{services}", services, CLUSTER_DOMAIN]
            dns = {
                "servers": [self.cluster_dns],
                "searches": searches,
                "options": ["ndots:5"],
            }
        more = spec.get("dnsConfig") or {}
        dns["servers"] += more.get("nameservers") or []
        dns["searches"] += more.get("searches") or []
        for option in more.get("options") or ():
            dns["options"].append(":".join(filter(None, (option["name"], option.get("value")))))
        return dns


def expand(text: str, env: Mapping[str, str]) -> str:
    """$(NAME) becomes the variable's value, and stays as it is if there is none; $$ is a $."""

    def value(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return env.get(match[2], match[0])

    return VARIABLE.sub(value, text)


def _variables_of(service: Object) -> dict[str, str]:
    prefix = meta.name(service).upper().replace("-", "_")
    address, ports = service["spec"]["clusterIP"], service["spec"].get("ports") or []
    env = {f"{prefix}_SERVICE_HOST": address}
    if ports:
        env[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
        env[f"{prefix}_PORT"] = _url(address, ports[0])
    for port in ports:
        if port.get("name"):
            name = port["name"].upper().replace("-", "_")
            env[f"{prefix}_SERVICE_PORT_{name}"] = str(port["port"])
        protocol = port.get("protocol", "TCP")
        link = f"{prefix}_PORT_{port['port']}_{protocol}"
        env |= {
            link: _url(address, port),
            f"{link}_PROTO": protocol.lower(),
            f"{link}_PORT": str(port["port"]),
            f"{link}_ADDR": address,
        }
    return env


def _url(address: str, port: Object) -> str:
    return f"{port.get('protocol', 'TCP').lower()}://{address}:{port['port']}"


def _chosen(data: dict[str, bytes], reference: Object) -> Files:
    """All of the data, or the `items` of it, under the paths that they give."""
    items = reference.get("items")
    if not items:
        return data
    missing = [i["key"] for i in items if i["key"] not in data]
    if missing and not reference.get("optional"):
        raise _config_error(f"references non-existent config key: {missing[0]}")
    return {i["path"]: data[i["key"]] for i in items if i["key"] in data}


def _config_error(message: str) -> CriError:
    return CriError("CreateContainerConfigError", message)
