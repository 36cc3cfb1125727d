"""The manifests of `deploy/kubernetes` as data, and their check against the schemas."""

import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.support.compose_files import PROJECT

FOLDER = PROJECT / "deploy/kubernetes"
_CORE = "cloudcoil.models.kubernetes"
_OPERATORS = {
    "keda.sh": "cloudcoil.models.keda",
    "monitoring.coreos.com": "cloudcoil.models.prometheus_operator",
}

Document = dict[str, Any]


def documents(text: str) -> list[Document]:
    """Return the documents of a YAML file."""
    return [found for found in yaml.safe_load_all(text) if found]


def read(name: str) -> list[Document]:
    """Return the documents of a file of the folder."""
    return documents((FOLDER / name).read_text())


def kustomization(name: str) -> Document:
    """Return the kustomization of `base`, of an overlay or of a component."""
    (found,) = read(f"{name}/kustomization.yaml")
    return found


def manifests() -> list[Document]:
    """Return every object of all folders, without the kustomizations."""
    files = sorted(FOLDER.rglob("*.yaml"))
    return [
        found
        for file in files
        if file.name != "kustomization.yaml"
        for found in documents(file.read_text())
    ]


def find(kind: str, name: str) -> Document:
    """Return one object."""
    (found,) = [
        one for one in manifests() if (one["kind"], one["metadata"]["name"]) == (kind, name)
    ]
    return found


def pod(workload: Document) -> Document:
    """Return the pod of a Deployment or a Job."""
    found: Document = workload["spec"]["template"]["spec"]
    return found


def container(workload: Document) -> Document:
    """Return the only container of a Deployment or a Job."""
    (found,) = pod(workload)["containers"]
    return dict(found)


def literals() -> dict[str, str]:
    """Return the settings that API and workers share."""
    (generated,) = kustomization("base")["configMapGenerator"]
    return dict(one.split("=", 1) for one in generated["literals"])


def problems(document: Document) -> list[str]:
    """Return what is wrong with an object: by its schema, and fields that the schema lacks.

    The models are made from the OpenAPI document of Kubernetes and the operators' CRDs. They ignore
    unknown fields, as a cluster does that does not validate strictly.
    """
    model = getattr(_module(document["apiVersion"]), document["kind"], None)
    if model is None:
        return [f"there is no {document['kind']} in {document['apiVersion']}"]
    try:
        known = model.model_validate(document)
    except ValueError as error:
        return [str(error)]
    return list(_unknown(document, known.model_dump(mode="json", by_alias=True), ""))


def _module(version: str) -> Any:
    group, _, number = version.rpartition("/")
    if group in _OPERATORS:
        return importlib.import_module(f"{_OPERATORS[group]}.{number}")
    name = re.sub(r"\..*", "", group) or "core"
    return importlib.import_module(f"{_CORE}.{name}.{number}")


def _unknown(given: object, known: object, path: str) -> Iterator[str]:
    """Yield the path of each field that was given and is not known."""
    if isinstance(given, Mapping) and isinstance(known, Mapping):
        for name, value in given.items():
            if name not in known:
                yield f"{path}.{name} is not a field"
            else:
                yield from _unknown(value, known[name], f"{path}.{name}")
    elif isinstance(given, list) and isinstance(known, list):
        for number, (one, other) in enumerate(zip(given, known, strict=True)):
            yield from _unknown(one, other, f"{path}[{number}]")
