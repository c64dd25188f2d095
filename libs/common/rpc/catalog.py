"""Every RPC of the suite, by its descriptors: who may call what, for whoever asks before a call is made."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

import eridu
from eridu.common.v1 import access_pb2
from eridu.common.v1.access_pb2 import Access
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor


@cache
def services() -> tuple[ServiceDescriptor, ...]:
    """Every gRPC service of the suite, by name."""
    packages = [module.name for module in pkgutil.walk_packages(eridu.__path__, "eridu.") if module.ispkg]
    found = [service for package in packages for service in services_of(package)]
    return tuple(sorted(found, key=lambda service: str(service.full_name)))


@cache
def services_of(package: str) -> tuple[ServiceDescriptor, ...]:
    """The gRPC services of one package, `eridu.production.v1`."""
    modules = pkgutil.iter_modules(import_module(package).__path__, f"{package}.")
    files = [import_module(module.name).DESCRIPTOR for module in modules if module.name.endswith("_service_pb2")]
    return tuple(service for file in files for service in file.services_by_name.values())


def service(name: str) -> ServiceDescriptor:
    """A gRPC service by its full name. Its file may say nothing else, and then nobody has imported it yet."""
    services_of(name.rpartition(".")[0])
    return descriptor_pool.Default().FindServiceByName(name)


@cache
def methods() -> dict[str, MethodDescriptor]:
    """Every RPC by its path, `eridu.production.v1.ShowService/StartShow`."""
    return {f"{service.full_name}/{method.name}": method for service in services() for method in service.methods}


def access_of(method: MethodDescriptor) -> Access:
    """What an RPC declares about who may call it."""
    return method.GetOptions().Extensions[access_pb2.access]
