"""Cluster DNS: names for services and pods, answered from what the informers hold.

The records are those of the specification "Kubernetes DNS-Based Service Discovery" 1.1.0
(kubernetes/dns, docs/specification.md); where it leaves a choice, CoreDNS with kubeadm's Corefile
is followed (coredns, plugin/kubernetes). There is no upstream resolver: a name outside of the
cluster's domain is REFUSED.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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

    @property
    def has_synced(self) -> bool:
        return self._services.has_synced and self._slices.has_synced

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
        # dnspython would shuffle the records with the global random source
        return reply.to_wire(max_size=limit, prefer_truncation=True, want_shuffle=False)

    def _resolve(self, reply: dns.message.Message) -> None:
        """Put the records for the question into the reply, or say why there are none."""
        import dns.flags
        import dns.rcode
        import dns.rdatatype

        question = reply.question[0]
        type = dns.rdatatype.to_text(question.rdtype)
        name = question.name.to_text(omit_final_dot=True).lower()
        if not self._is_ours(name):
            reply.set_rcode(dns.rcode.REFUSED)
            self._host.record("dns.query", name=name, type=type, answer=["REFUSED"])
            return
        reply.flags |= dns.flags.AA
        found = self._find(name)
        answers = _rotated(_of_type(found, type), reply.id)
        if answers and answers[0].type == "CNAME" != type:
            alias = answers[0].data.rstrip(".").lower()
            further = _of_type(self._find(alias), type) if self._is_ours(alias) else []
            answers += [record._replace(name=alias) for record in further]
        _fill(reply.answer, answers, name)
        if type == "SRV":
            _fill(reply.additional, [record for record in found or () if record.name], name)
        if found is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        if not answers:
            zone = "in-addr.arpa" if name.endswith(".in-addr.arpa") else self._domain
            _fill(reply.authority, [self._start_of_authority()], zone)
        said = [record.data for record in answers] or [dns.rcode.to_text(reply.rcode())]
        self._host.record("dns.query", name=name, type=type, answer=said)

    def _is_ours(self, name: str) -> bool:
        return f".{name}".endswith((f".{self._domain}", ".in-addr.arpa"))

    # --- what there is under a name: records of every type, or None where there is no such name

    def _find(self, name: str) -> list[Record] | None:
        if name.endswith(".in-addr.arpa"):
            return self._find_address(".".join(reversed(name.split(".")[:-2])))
        match tuple(reversed(name.removesuffix(self._domain).strip(".").split("."))):
            case ("",):
                return [self._start_of_authority()]
            case ("dns-version",):
                return [Record("TXT", f'"{SCHEMA_VERSION}"', ttl=SCHEMA_TTL)]
            case ("svc",) | ("pod",) | ("pod", _):
                return []
            case ("pod", _, address):
                return _pod_records(address)
            case ("svc", namespace):
                return [] if self._services.list(namespace) else None
            case ("svc", namespace, name, *rest):
                service = self._services.get(f"{namespace}/{name}")
                return self._service_records(service, rest) if service else None
        return None

    def _find_address(self, address: str) -> list[Record] | None:
        """The names of an address: the service's whose cluster IP it is, or the endpoints'."""
        names = [_name(service) for service in self._services.by_index("address", address)]
        for endpoint_slice in self._slices.by_index("address", address):
            service = self._services.get(_service_key(endpoint_slice))
            for hostname, found, _ in self._endpoints(service) if service else ():
                if service and found == address:
                    names.append(f"{hostname}.{_name(service)}")
        return [Record("PTR", f"{n}.{self._domain}.") for n in dict.fromkeys(names)] or None

    def _service_records(self, service: Object, rest: Sequence[str]) -> list[Record] | None:
        """Records under a service's name: its own, its ports' ("_tcp", "_http"), or those of one
        endpoint by its host name."""
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            return None if rest else [Record("CNAME", spec["externalName"].rstrip(".") + ".")]
        full_name = f"{_name(service)}.{self._domain}."
        endpoints = list(self._endpoints(service))
        if len(rest) == 1:
            return [Record("A", a) for host, a, _ in endpoints if host == rest[0]] or None
        if spec.get("clusterIP") not in ("None", "", None):
            endpoints = [("", spec["clusterIP"], spec.get("ports") or [])]
        records = []
        for hostname, address, ports in endpoints:
            target = f"{hostname}.{full_name}" if hostname else full_name
            wanted = [port for port in ports if not rest or _port_labels(port) == list(rest)]
            if wanted or not rest:
                records += [Record("A", address), Record("A", address, name=target)]
            records += [
                Record("SRV", f"0 100 {p['port']} {target}") for p in wanted if p.get("name")
            ]
        return records or None

    def _endpoints(self, service: Object) -> Iterator[tuple[str, str, list[Object]]]:
        """Host name, address and ports of each ready endpoint. One without a host name of its
        own gets one made of its address."""
        for endpoint_slice in self._slices.by_index("service", meta.key(service)):
            if endpoint_slice.get("addressType") != "IPv4":
                continue
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


def _port_labels(port: Object) -> list[str]:
    """The labels of a port's SRV record, from the right. An unnamed port has none."""
    return (
        [f"_{port.get('protocol', 'TCP').lower()}", f"_{port['name']}"] if port.get("name") else []
    )


def _name(service: Object) -> str:
    return f"{meta.name(service)}.{meta.namespace(service)}.svc"


def _service_key(endpoint_slice: Object) -> str:
    return f"{meta.namespace(endpoint_slice)}/{meta.labels(endpoint_slice).get(SERVICE_NAME_LABEL)}"


def _cluster_ips(service: Object) -> list[str]:
    address = service.get("spec", {}).get("clusterIP")
    return [address] if address else []


def _slice_addresses(endpoint_slice: Object) -> Iterable[str]:
    return dict.fromkeys(e["addresses"][0] for e in endpoint_slice.get("endpoints") or ())


def _of_type(found: list[Record] | None, type: str) -> list[Record]:
    """The records that answer a question of this type; an alias answers any."""
    return [record for record in found or () if record.type in (type, "CNAME") and not record.name]


def _rotated(records: list[Record], by: int) -> list[Record]:
    """Another address first each time, for clients that only try the first (CoreDNS's
    `loadbalance`). The query's own id decides, so the same query has the same answer."""
    start = by % len(records) if records else 0
    return records[start:] + records[:start]


def _fill(section: list[Any], records: Iterable[Record], name: str) -> None:
    """Put records into a section of a message, those of one name and type together."""
    import dns.name
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype
    import dns.rrset

    rrsets: dict[tuple[str, str], dns.rrset.RRset] = {}
    for record in records:
        owner, type = record.name or name, dns.rdatatype.from_text(record.type)
        rdata = dns.rdata.from_text(dns.rdataclass.IN, type, record.data)
        rrset = rrsets.get((owner, record.type))
        if rrset is None:
            rrset = dns.rrset.from_rdata(dns.name.from_text(owner), record.ttl, rdata)
            rrsets[owner, record.type] = rrset
            section.append(rrset)
        rrset.add(rdata, record.ttl)


def _format_error(query: bytes) -> bytes:
    """FORMERR for what is no message, under its id as far as it has one."""
    import dns.flags
    import dns.message
    import dns.rcode

    reply = dns.message.Message(id=int.from_bytes(query[:2].ljust(2, b"\0"), "big"))
    reply.flags |= dns.flags.QR
    reply.set_rcode(dns.rcode.FORMERR)
    return reply.to_wire()
