"""The network service: as much of Neutron's API as Nova and a user of addresses need.

Nova comes as packages that run without root's network powers; Neutron doesn't. So
this is the one service here that isn't the real one. What it hands out works all
the same: the network "lan", which everyone shares, has addresses of this machine's
loopback, where guests are reached at their own address and port as in a network.
The network "public" is the external one, for floating addresses. Networks that a
user makes are out of reach from here, as private ones are.

https://docs.openstack.org/api-ref/network/v2/
"""

import ipaddress
import json
import random
import re
import uuid
from datetime import datetime, timezone
from urllib.parse import parse_qsl

from keystonemiddleware import auth_token

COLLECTIONS = {
    "networks": "network", "subnets": "subnet", "ports": "port",
    "floatingips": "floatingip", "security-groups": "security_group",
    "security-group-rules": "security_group_rule",
}
# What may come in unless a user says otherwise: what the tests' guests listen on.
OPEN_PORTS = (22, 80, 8080)


class Refusal(Exception):
    def __init__(self, status, kind, message):
        super().__init__(message)
        self.status = status
        self.body = {"NeutronError": {"type": kind, "message": message, "detail": ""}}


def not_found(kind, item_id):
    return Refusal("404 Not Found", f"{kind.title()}NotFound", f"{kind} {item_id} could not be found")


class Store:
    """Everything there is, by collection and id; what changes is told to the listeners."""

    def __init__(self, loopback):
        """loopback: a network of 127.0.0.0/8, given as its first three numbers."""
        self.items = {collection: {} for collection in COLLECTIONS}
        self.on_floating = lambda floatingip, port_id, opened: None
        lan = self.add_network("lan", shared=True)
        self.add_subnet(lan, f"{loopback}.0/24", first=f"{loopback}.10", last=f"{loopback}.149")
        public = self.add_network("public", external=True)
        self.add_subnet(public, f"{loopback}.0/24", first=f"{loopback}.150", last=f"{loopback}.250")

    def add(self, collection, **fields):
        item = {"id": str(uuid.uuid4()), "name": "", "description": "", "tenant_id": "",
                "created_at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), **fields}
        item["project_id"] = item["tenant_id"]
        self.items[collection][item["id"]] = item
        return item

    def add_network(self, name, tenant_id="", shared=False, external=False):
        return self.add("networks", name=name, tenant_id=tenant_id, shared=shared, status="ACTIVE",
                        admin_state_up=True, subnets=[], mtu=1500, port_security_enabled=True,
                        **{"router:external": external})

    def add_subnet(self, network, cidr, first=None, last=None, tenant_id=""):
        hosts = ipaddress.ip_network(cidr)
        pool = {"start": first or str(hosts[10]), "end": last or str(hosts[-2])}
        subnet = self.add("subnets", network_id=network["id"], cidr=cidr, tenant_id=tenant_id,
                          ip_version=4, gateway_ip=str(hosts[1]), enable_dhcp=True,
                          allocation_pools=[pool], dns_nameservers=[], host_routes=[])
        network["subnets"].append(subnet["id"])
        # Guests are told to ask for their address when there is somebody to ask.
        self.add_port(network, device_owner="network:dhcp", address=str(hosts[2]))
        return subnet

    def add_port(self, network, address=None, **fields):
        subnet = self.items["subnets"].get(next(iter(network["subnets"]), None))
        fixed = [] if subnet is None else [
            {"subnet_id": subnet["id"], "ip_address": address or self.free_address(subnet)}]
        mac = "fa:16:3e:" + ":".join(f"{random.randrange(256):02x}" for _ in range(3))
        port = {"device_id": "", "device_owner": "", "status": "ACTIVE", "admin_state_up": True,
                "security_groups": [], "port_security_enabled": True,
                "binding:vif_type": "tap", "binding:vnic_type": "normal", "binding:host_id": "",
                "binding:profile": {}, "binding:vif_details": {}, **fields}
        port.update(network_id=network["id"], mac_address=mac, fixed_ips=fixed)
        return self.add("ports", **port)

    def free_address(self, subnet):
        taken = {fixed["ip_address"] for port in self.items["ports"].values()
                 for fixed in port["fixed_ips"]}
        taken |= {one["floating_ip_address"] for one in self.items["floatingips"].values()}
        pool = subnet["allocation_pools"][0]
        first, last = (int(ipaddress.ip_address(pool[end])) for end in ("start", "end"))
        free = [str(ipaddress.ip_address(number)) for number in range(first, last + 1)
                if str(ipaddress.ip_address(number)) not in taken]
        if not free:
            raise Refusal("409 Conflict", "IpAddressGenerationFailure",
                          f"No more IP addresses available on network {subnet['network_id']}.")
        # Not the one that was given back last: its connections may still linger.
        return random.choice(free)

    def default_group(self, tenant_id):
        for group in self.items["security-groups"].values():
            if group["tenant_id"] == tenant_id and group["name"] == "default":
                return group
        group = self.add("security-groups", name="default", tenant_id=tenant_id)
        for port in OPEN_PORTS:
            self.add("security-group-rules", security_group_id=group["id"], tenant_id=tenant_id,
                     direction="ingress", ethertype="IPv4", protocol="tcp",
                     port_range_min=port, port_range_max=port)
        return group

    def open_ports(self, port_id):
        """The TCP ports at which a port of the network may be reached."""
        port = self.items["ports"].get(port_id)
        groups = port["security_groups"] if port else []
        return sorted({number for rule in self.items["security-group-rules"].values()
                       if rule["security_group_id"] in groups and rule["direction"] == "ingress"
                       and rule["protocol"] == "tcp"
                       for number in range(rule["port_range_min"], rule["port_range_max"] + 1)})

    def floating_of(self, port_id):
        return [one for one in self.items["floatingips"].values() if one["port_id"] == port_id]


class NetworkService:
    """The API over a Store, as a WSGI application."""

    def __init__(self, store, conf):
        self.store = store
        self.authenticated = auth_token.AuthProtocol(self.answer, {"oslo_config_config": conf})

    def __call__(self, environ, start_response):
        if re.fullmatch(r"/?(v2\.0/?)?", environ["PATH_INFO"]):
            versions = [{"id": "v2.0", "status": "CURRENT", "links": []}]
            return send(start_response, "200 OK", {"versions": versions})
        return self.authenticated(environ, start_response)

    def answer(self, environ, start_response):
        try:
            status, body = self.handle(Call(environ))
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
        return send(start_response, status, body)

    def handle(self, call):
        match = re.fullmatch(r"/v2\.0/([\w-]+)(?:/([\w-]+))?(?:/\w+)?(?:\.json)?", call.path)
        collection, item_id = match.groups() if match else (None, None)
        if collection == "quotas":
            return "200 OK", {"quota": {"port": -1}}
        if collection not in COLLECTIONS:
            # Extensions, routers and the like: there are none.
            return "200 OK", {(collection or "resources").replace("-", "_"): []}
        kind = COLLECTIONS[collection]
        if collection == "security-groups":
            for tenant_id in {call.project_id, *call.query.get("tenant_id", [])}:
                self.store.default_group(tenant_id)
        if call.method == "POST":
            return "201 Created", {kind: self.create(collection, call)}
        if item_id is None:
            return "200 OK", {f"{kind}s": self.list(collection, call)}
        item = self.store.items[collection].get(item_id)
        if item is None or not self.is_visible(item, call):
            raise not_found(kind, item_id)
        if call.method == "PUT":
            self.update(collection, item, call.body[kind])
        elif call.method == "DELETE":
            self.delete(collection, item)
            return "204 No Content", None
        return "200 OK", {kind: item}

    @staticmethod
    def is_visible(item, call):
        return (call.is_admin or item.get("shared") or item.get("router:external")
                or item["tenant_id"] in (call.project_id, ""))

    def list(self, collection, call):
        def fits(item):
            return all(str(item.get(key)).lower() in (value.lower() for value in values)
                       for key, values in call.query.items() if key in item)
        return [item for item in self.store.items[collection].values()
                if self.is_visible(item, call) and fits(item)]

    def create(self, collection, call):
        store, wanted = self.store, call.body[COLLECTIONS[collection]]
        tenant_id = wanted.get("tenant_id") or call.project_id
        if collection == "networks":
            return store.add_network(wanted.get("name", ""), tenant_id)
        if collection == "subnets":
            return store.add_subnet(self.get("networks", wanted["network_id"]), wanted["cidr"],
                                    tenant_id=tenant_id)
        if collection == "ports":
            groups = wanted.pop("security_groups", None) or [store.default_group(tenant_id)["id"]]
            fixed = next(iter(wanted.pop("fixed_ips", [])), {})
            return store.add_port(self.get("networks", wanted.pop("network_id")),
                                  address=fixed.get("ip_address"),
                                  **{**wanted, "tenant_id": tenant_id, "security_groups": groups})
        if collection == "floatingips":
            network = self.get("networks", wanted["floating_network_id"])
            if not network["router:external"]:
                raise Refusal("400 Bad Request", "BadRequest",
                              f"Network {network['id']} is not a valid external network")
            subnet = store.items["subnets"][network["subnets"][0]]
            item = store.add("floatingips", tenant_id=tenant_id, status="DOWN", port_id=None,
                             fixed_ip_address=None, router_id=None, tags=[],
                             floating_network_id=network["id"],
                             floating_ip_address=store.free_address(subnet),
                             description=wanted.get("description", ""))
            self.update(collection, item, {"port_id": wanted.get("port_id")})
            return item
        return store.add(collection, **{**wanted, "tenant_id": tenant_id})

    def get(self, collection, item_id):
        item = self.store.items[collection].get(item_id)
        if item is None:
            raise not_found(COLLECTIONS[collection], item_id)
        return item

    def update(self, collection, item, changes):
        if collection == "floatingips" and "port_id" in changes:
            self.lead(item, changes.pop("port_id"))
        item.update(changes)

    def lead(self, floatingip, port_id):
        """Lets a floating address lead to a port, or nowhere."""
        before = floatingip["port_id"]
        port = None if port_id is None else self.get("ports", port_id)
        fixed = port["fixed_ips"][0]["ip_address"] if port and port["fixed_ips"] else None
        floatingip.update(port_id=port_id, fixed_ip_address=fixed,
                          status="DOWN" if port is None else "ACTIVE")
        if before is not None:
            self.store.on_floating(floatingip, before, False)
        if port is not None:
            self.store.on_floating(floatingip, port_id, True)

    def delete(self, collection, item):
        if collection == "ports":
            for floatingip in self.store.floating_of(item["id"]):
                self.lead(floatingip, None)
        if collection == "floatingips":
            self.lead(item, None)
        if collection == "networks":
            ports = [port for port in self.store.items["ports"].values()
                     if port["network_id"] == item["id"]]
            if any(port["device_owner"] != "network:dhcp" for port in ports):
                raise Refusal("409 Conflict", "NetworkInUse", f"Network {item['id']} is in use")
            for port in ports:
                del self.store.items["ports"][port["id"]]
            for subnet_id in item["subnets"]:
                del self.store.items["subnets"][subnet_id]
        del self.store.items[collection][item["id"]]


class Call:
    """One request of somebody whose token was checked."""

    def __init__(self, environ):
        self.method = environ["REQUEST_METHOD"]
        self.path = environ["PATH_INFO"].rstrip("/")
        self.project_id = environ.get("HTTP_X_PROJECT_ID", "")
        self.is_admin = "admin" in environ.get("HTTP_X_ROLES", "").split(",")
        self.query = {}
        for key, value in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True):
            if key not in ("fields", "limit", "marker", "sort_key", "sort_dir"):
                self.query.setdefault(key, []).append(value)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        self.body = json.loads(environ["wsgi.input"].read(length)) if length else {}


def send(start_response, status, body):
    content = b"" if body is None else json.dumps(body).encode()
    headers = [("Content-Length", str(len(content)))]
    if body is not None:
        headers.append(("Content-Type", "application/json"))
    start_response(status, headers)
    return [content]
