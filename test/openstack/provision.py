"""Fills a fresh Keystone: projects, users, roles and the service catalogue.

The user "outsider" has no role in any project; every other user's project has
the user's name.

    provision.py KEYSTONE_URL GLANCE_URL [PLACEMENT_URL [NOVA_URL NEUTRON_URL [CINDER_URL]]]

Waits for each service before it is used. Safe to run again: what is there
already is kept. Needs only what Debian's python3-keystone brings along.
"""

import datetime
import os
import sys
import time

import requests

PASSWORD = os.environ["OPENSTACK_PASSWORD"]
PRODUCER_AND_CONSUMERS = ("images", "consumer-a", "consumer-b")
PATIENCE_S = 300
# Name, processors, memory in MiB, disk in GiB. "tiny" is for servers without a guest, and no host is
# as large as "huge".
FLAVORS = (("tiny", 1, 64, 1), ("small", 1, 512, 1), ("medium", 2, 1024, 4),
           ("huge", 1, 2_000_000, 1))

http = requests.Session()
http.trust_env = False


def wait_for(what, ready):
    """Calls ready() until it is true; a refused connection counts as false."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            if ready():
                return
        except requests.ConnectionError:
            pass
        if time.monotonic() > end:
            sys.exit(f"{what} is not ready after {PATIENCE_S} s")
        time.sleep(0.2)


def call(method, url, **kwargs):
    response = http.request(method, url, timeout=30, **kwargs)
    response.raise_for_status()
    return response


class AdminToken(requests.auth.AuthBase):
    """A token of the user "admin", another one after half of its life, which may be seconds."""

    def __init__(self, url):
        self.url = url
        self.until = 0
        self.http = requests.Session()
        self.http.trust_env = False

    def __call__(self, request):
        if time.monotonic() >= self.until:
            self.sign_in()
        request.headers["X-Auth-Token"] = self.token
        return request

    def sign_in(self):
        domain = {"id": "default"}
        began = time.monotonic()
        response = self.http.post(f"{self.url}/auth/tokens", timeout=30, json={"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": "admin", "domain": domain, "password": PASSWORD}}},
            "scope": {"project": {"name": "admin", "domain": domain}}}})
        response.raise_for_status()
        self.token = response.headers["X-Subject-Token"]
        token = response.json()["token"]
        life = instant(token["expires_at"]) - instant(token["issued_at"])
        self.until = began + life.total_seconds() / 2


def instant(text):
    return datetime.datetime.fromisoformat(text.rstrip("Z"))


class Keystone:
    def __init__(self, url):
        self.url = url
        wait_for("keystone", lambda: http.get(url, timeout=30).ok)
        http.auth = AdminToken(url)
        self.roles = {role["name"]: role["id"] for role in self.list("roles")}

    def list(self, collection, **filters):
        return call("GET", f"{self.url}/{collection}", params=filters).json()[collection]

    def ensure(self, kind, key, **fields):
        """The id of the one that has the given fields named by key, made if need be."""
        collection = kind + "s"
        found = self.list(collection, **{name: fields[name] for name in key})
        if found:
            return found[0]["id"]
        return call("POST", f"{self.url}/{collection}", json={kind: fields}).json()[kind]["id"]

    def ensure_user(self, name, project_id, role):
        user_id = self.ensure("user", ["name"], name=name, domain_id="default",
                              password=PASSWORD, default_project_id=project_id)
        call("PUT", f"{self.url}/projects/{project_id}/users/{user_id}/roles/{self.roles[role]}")

    def ensure_project(self, name):
        return self.ensure("project", ["name"], name=name, domain_id="default")

    def ensure_endpoint(self, name, service_type, url):
        service_id = self.ensure("service", ["name"], name=name, type=service_type)
        for interface in ("public", "internal", "admin"):
            self.ensure("endpoint", ["service_id", "interface"], service_id=service_id,
                        interface=interface, region_id="RegionOne", url=url)


def main(keystone_url, glance_url, placement_url=None, nova_url=None, neutron_url=None,
         cinder_url=None):
    keystone = Keystone(keystone_url)

    service_project = keystone.ensure_project("service")
    for name in ("glance", "placement", "nova", "cinder"):
        keystone.ensure_user(name, service_project, "admin")
    for name in PRODUCER_AND_CONSUMERS:
        keystone.ensure_user(name, keystone.ensure_project(name), "member")
    keystone.ensure("user", ["name"], name="outsider", domain_id="default", password=PASSWORD)

    keystone.ensure_endpoint("glance", "image", glance_url)
    wait_for("glance", lambda: http.get(f"{glance_url}/v2/images", timeout=30).ok)

    if placement_url:
        keystone.ensure_endpoint("placement", "placement", placement_url)
        wait_for("placement",
                 lambda: http.get(f"{placement_url}/resource_providers", timeout=30).ok)

    if nova_url:
        keystone.ensure_endpoint("nova", "compute", nova_url)
        # A hypervisor is listed once the scheduler has mapped its host to the cell.
        wait_for("nova", lambda: http.get(f"{nova_url}/os-hypervisors", timeout=30)
                 .json().get("hypervisors"))
        keystone.ensure_endpoint("neutron", "network", neutron_url)
        there = {one["id"] for one in call("GET", f"{nova_url}/flavors").json()["flavors"]}
        for name, vcpus, ram, disk in FLAVORS:
            if name not in there:
                call("POST", f"{nova_url}/flavors", json={"flavor": {
                    "id": name, "name": name, "ram": ram, "vcpus": vcpus, "disk": disk}})

    if cinder_url:
        keystone.ensure_endpoint("cinder", "volumev3", f"{cinder_url}/%(project_id)s")
        # Volumes can be made once the scheduler has heard of the volume service.
        wait_for("cinder", lambda: any(
            one["binary"] == "cinder-volume" and one["state"] == "up"
            for one in http.get(f"{cinder_url}/os-services", timeout=30)
            .json().get("services", [])))


main(*sys.argv[1:])
