"""Every RPC of the suite, by its descriptors: who may call what, for whoever asks before a call is made."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

import eridu
from eridu.common.v1 import access_pb2
from eridu.common.v1.access_pb2 import Access
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor


@cache
def services() -> tuple[ServiceDescriptor, ...]:
    """Every gRPC service of the suite, by name."""
    modules = [module.name for module in pkgutil.walk_packages(eridu.__path__, "eridu.")]
    files = [import_module(name).DESCRIPTOR for name in modules if name.endswith("_service_pb2")]
    found = [service for file in files for service in file.services_by_name.values()]
    return tuple(sorted(found, key=lambda service: str(service.full_name)))


@cache
def methods() -> dict[str, MethodDescriptor]:
    """Every RPC by its path, `eridu.production.v1.ShowService/StartShow`."""
    return {f"{service.full_name}/{method.name}": method for service in services() for method in service.methods}


def access_of(method: MethodDescriptor) -> Access:
    """What an RPC declares about who may call it."""
    return method.GetOptions().Extensions[access_pb2.access]
