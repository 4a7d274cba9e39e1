"""The API server: authentication, admission, a registry for every resource, watch caches."""

from kube_edu.apiserver.server import ApiServer

__all__ = ["ApiServer"]
