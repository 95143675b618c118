"""A till that looks for its server: prints what it finds and what goes, a line each, until it is ended."""

import sys

from zeroconf import ServiceBrowser, ServiceListener, Zeroconf


class Till(ServiceListener):
    def add_service(self, zeroconf, kind, name):
        found = zeroconf.get_service_info(kind, name, timeout=10_000)
        about = sorted(f"{key.decode()}={value.decode()}" for key, value in found.properties.items())
        print("found", name, found.server, found.port, *found.parsed_addresses(), *about, flush=True)

    def remove_service(self, zeroconf, kind, name):
        print("gone", name, flush=True)

    def update_service(self, zeroconf, kind, name):
        pass


ServiceBrowser(Zeroconf(interfaces=[sys.argv[1]]), "_tillcast._tcp.local.", Till())
print("looking", flush=True)
sys.stdin.read()
