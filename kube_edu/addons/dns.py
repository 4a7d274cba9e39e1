"""Cluster DNS: names for services and pods, answered from what the informers hold.

The records are those of the specification "Kubernetes DNS-Based Service Discovery" 1.1.0
(kubernetes/dns, docs/specification.md); where it leaves a choice, CoreDNS with kubeadm's Corefile
is followed (coredns, plugin/kubernetes). There is no upstream resolver: a name outside of the
cluster's domain is REFUSED.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from kube_edu.api import meta
from kube_edu.api.meta import Object
from kube_edu.client import ApiClient, Informers
from kube_edu.host import Host

if TYPE_CHECKING:  # dnspython takes a while to import: only a process that answers pays for it
    import dns.message

SCHEMA_VERSION = "1.1.0"
TTL = 30  # seconds, as kubeadm's Corefile says (CoreDNS's own default is 5)
SCHEMA_TTL = 28800
SERVICE_NAME_LABEL = "kubernetes.io/service-name"
REVERSE_ZONE = ("arpa", "in-addr")

Labels = tuple[str, ...]
"""A name from the right, in lower case, without the domain: ("svc", "default", "web")."""


class Record(NamedTuple):
    """One record, its data as in a zone file. An empty `name` is the name that was asked for."""

    type: str
    data: str
    name: str = ""
    ttl: int = TTL


class Dns:
    """The name server. `answer` is a function of the query and the informers' copies alone."""

    def __init__(self, client: ApiClient, host: Host, domain: str = "cluster.local") -> None:
        self._host = host
        self._domain = domain.strip(".").lower()
        self._informers = Informers(client, host)
        self._services = self._informers("services")
        self._slices = self._informers("endpointslices")
        self._slices.add_index("service", lambda obj: [_service_key(obj)])
        self._services.add_index("address", _cluster_ips)
        self._slices.add_index("address", _slice_addresses)

    async def run(self) -> None:
        await self._informers.run()

    async def synced(self) -> None:
        """Return when there is something to answer from (CoreDNS's ready plugin)."""
        await self._informers.synced()

    async def serve_udp(self, source: str, query: bytes) -> bytes:
        """A server for a pod network (kubelet.cni.Serve)."""
        return self.answer(query, udp=True)

    async def serve_tcp(self, source: str, query: bytes) -> bytes:
        return self.answer(query, udp=False)

    def answer(self, query: bytes, udp: bool) -> bytes:
        """A message for a message, without the length that goes before it on TCP. Over UDP what
        is too long is cut, and says so, that the client may ask again over TCP."""
        import dns.exception
        import dns.flags
        import dns.message
        import dns.opcode
        import dns.rcode

        try:
            asked = dns.message.from_wire(query)
        except dns.exception.DNSException:
            return _format_error(query)
        reply = dns.message.make_response(asked, recursion_available=True)
        if asked.opcode() != dns.opcode.QUERY:
            reply.set_rcode(dns.rcode.NOTIMP)
        elif len(asked.question) != 1:
            reply.set_rcode(dns.rcode.FORMERR)
        else:
            self._resolve(reply)
        limit = max(512, asked.payload) if udp else 65535
        return reply.to_wire(max_size=limit, prefer_truncation=True)

    def _resolve(self, reply: dns.message.Message) -> None:
        """Put the records for the question into the reply, or why there are none."""
        import dns.flags
        import dns.rcode
        import dns.rdatatype

        question = reply.question[0]
        type = dns.rdatatype.to_text(question.rdtype)
        name = question.name.to_text(omit_final_dot=True).lower()
        labels = tuple(reversed(name.split(".")))
        found: list[Record] | None = None
        if labels[:2] == REVERSE_ZONE:
            found = self._reverse(labels[2:])
        elif name == self._domain or name.endswith("." + self._domain):
            found = self._find(labels[self._domain.count(".") + 1 :], name)
        else:
            reply.set_rcode(dns.rcode.REFUSED)
            self._record(name, type, ["REFUSED"])
            return
        reply.flags |= dns.flags.AA
        answers = [r for r in found or () if r.type in (type, "CNAME") and not r.name]
        answers = _rotated(answers, reply.id)
        for record in answers:
            _add(reply.answer, record, name)
        for alias in [r for r in answers if r.type == "CNAME" and type != "CNAME"]:
            target = alias.data.rstrip(".").lower()
            if target.endswith("." + self._domain):
                labels = tuple(reversed(target.split(".")))[self._domain.count(".") + 1 :]
                for record in self._find(labels, target) or ():
                    if record.type == type and not record.name:
                        _add(reply.answer, record, target)
        if type == "SRV":
            for record in found or ():
                if record.type == "A" and record.name:
                    _add(reply.additional, record, name)
        if found is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        if not answers:
            _add(reply.authority, self._start_of_authority(), self._domain)
        self._record(name, type, [r.data for r in answers] or ["NXDOMAIN" if found is None else "NOERROR"])

    def _record(self, name: str, type: str, answer: list[str]) -> None:
        self._host.record("dns.query", name=name, type=type, answer=answer)

    # --- what there is under a name: records of every type, or None where there is no such name

    def _find(self, labels: Labels, name: str) -> list[Record] | None:
        match labels:
            case ():
                return [self._start_of_authority()]
            case ("dns-version",):
                return [Record("TXT", f'"{SCHEMA_VERSION}"', ttl=SCHEMA_TTL)]
            case ("svc",) | ("pod",):
                return []
            case ("svc", namespace):
                return [] if self._services.list(namespace) else None
            case ("pod", _, address):
                return _pod_records(address)
            case ("pod", _):
                return []
            case ("svc", namespace, service, *rest):
                found = self._services.get(f"{namespace}/{service}")
                return self._service_records(found, tuple(rest)) if found else None
        return None

    def _service_records(self, service: Object, rest: Labels) -> list[Record] | None:
        """Records under a service's name: its own, its ports' ("_tcp", "_http"), or those of one
        endpoint by its host name."""
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            return None if rest else [Record("CNAME", spec["externalName"].rstrip(".") + ".")]
        full_name = f"{meta.name(service)}.{meta.namespace(service)}.svc.{self._domain}."
        endpoints = list(self._endpoints(service))
        match rest:
            case ():
                protocol = port = ""
            case (protocol,) if protocol.startswith("_"):
                return []
            case (protocol, port) if protocol.startswith("_") and port.startswith("_"):
                pass
            case (hostname,):
                return [Record("A", a) for host, a, _ in endpoints if host == hostname] or None
            case _:
                return None
        if spec.get("clusterIP") not in ("None", "", None):
            addresses = [("", spec["clusterIP"], spec.get("ports") or ())]
        else:
            addresses = endpoints
        records = []
        for hostname, address, ports in addresses:
            target = f"{hostname}.{full_name}" if hostname else full_name
            wanted = [p for p in ports if _is_port(p, protocol, port)]
            if wanted or not rest:
                records += [Record("A", address), Record("A", address, name=target)]
            records += [Record("SRV", f"0 100 {p['port']} {target}") for p in wanted]
        return records or None

    def _reverse(self, octets: Labels) -> list[Record] | None:
        """The names of an address: the service's whose cluster IP it is, or the endpoints'."""
        address = ".".join(octets)
        names = [
            f"{meta.name(service)}.{meta.namespace(service)}"
            for service in self._services.by_index("address", address)
        ]
        for endpoint_slice in self._slices.by_index("address", address):
            service = self._services.get(_service_key(endpoint_slice))
            for hostname, found, _ in self._endpoints(service) if service else ():
                if found == address and service:
                    names.append(f"{hostname}.{meta.name(service)}.{meta.namespace(service)}")
        return [Record("PTR", f"{n}.svc.{self._domain}.") for n in dict.fromkeys(names)] or None

    def _endpoints(self, service: Object) -> Iterator[tuple[str, str, list[Object]]]:
        """Host name, address and ports of each ready endpoint. One without a host name of its
        own gets one made of its address."""
        for endpoint_slice in self._slices.by_index("service", meta.key(service)):
            for endpoint in endpoint_slice.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    address = endpoint["addresses"][0]
                    hostname = endpoint.get("hostname") or address.replace(".", "-")
                    yield hostname, address, endpoint_slice.get("ports") or []

    def _start_of_authority(self) -> Record:
        zone = self._domain
        times = f"{int(self._host.now())} 7200 1800 86400 {TTL}"
        return Record("SOA", f"ns.dns.{zone}. hostmaster.{zone}. {times}")


def _pod_records(name: str) -> list[Record] | None:
    """ "10-244-1-2" → 10.244.1.2, whether there is such a pod or not (`pods insecure`)."""
    parts = name.split("-")
    if len(parts) != 4 or not all(p.isdigit() and int(p) < 256 for p in parts):
        return None
    return [Record("A", ".".join(parts))]


def _is_port(port: Object, protocol: str, name: str) -> bool:
    """Whether a port has an SRV record under these labels. Unnamed ports have none."""
    own_protocol = "_" + port.get("protocol", "TCP").lower()
    own_name = port.get("name")
    return bool(own_name) and protocol in ("", own_protocol) and name in ("", f"_{own_name}")


def _service_key(endpoint_slice: Object) -> str:
    return f"{meta.namespace(endpoint_slice)}/{meta.labels(endpoint_slice).get(SERVICE_NAME_LABEL)}"


def _cluster_ips(service: Object) -> list[str]:
    address = service.get("spec", {}).get("clusterIP")
    return [address] if address else []


def _slice_addresses(endpoint_slice: Object) -> Iterable[str]:
    return dict.fromkeys(e["addresses"][0] for e in endpoint_slice.get("endpoints") or ())


def _rotated(records: list[Record], by: int) -> list[Record]:
    """Another address first each time, for clients that only try the first (CoreDNS's
    `loadbalance`). The query's own id decides, so the same query has the same answer."""
    start = by % len(records) if records else 0
    return records[start:] + records[:start]


def _add(section: list[Any], record: Record, name: str) -> None:
    """Put a record into a section of a message, where it stands with others of its kind."""
    import dns.name
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype
    import dns.rrset

    owner = dns.name.from_text(record.name or name)
    type = dns.rdatatype.from_text(record.type)
    rdata = dns.rdata.from_text(dns.rdataclass.IN, type, record.data)
    for rrset in section:
        if rrset.name == owner and rrset.rdtype == type:
            rrset.add(rdata, record.ttl)
            return
    section.append(dns.rrset.from_rdata(owner, record.ttl, rdata))


def _format_error(query: bytes) -> bytes:
    """FORMERR for what is no message, under its id as far as it has one."""
    import dns.flags
    import dns.message
    import dns.rcode

    reply = dns.message.Message(id=int.from_bytes(query[:2].ljust(2, b"\0"), "big"))
    reply.flags |= dns.flags.QR
    reply.set_rcode(dns.rcode.FORMERR)
    return reply.to_wire()
