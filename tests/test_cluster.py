"""The files of docs/cluster: what Ray itself reads of them, and that they fit this project."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

pytestmark = pytest.mark.services  # Ray's own code, whose import takes seconds


@pytest.fixture
def folder(repository: Path) -> Path:
    return repository / "docs/cluster"


def pinned(repository: Path, name: str) -> str:
    """The version that pyproject.toml pins."""
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    (found,) = (r for r in map(Requirement, project["dependencies"]) if r.name == name)
    return str(found.specifier).removeprefix("==")


def job(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((folder / "rayjob.yaml").read_text())
    return loaded


def test_the_autoscaler_reads_the_cluster_of_the_job(folder: Path) -> None:
    from ray.autoscaler._private.kuberay.autoscaling_config import (
        _derive_autoscaling_config_from_ray_cr,
    )

    asked = job(folder)
    assert (asked["apiVersion"], asked["kind"]) == ("ray.io/v1", "RayJob")
    cluster = {"metadata": asked["metadata"], "spec": asked["spec"]["rayClusterSpec"]}
    nodes = _derive_autoscaling_config_from_ray_cr(cluster)["available_node_types"]
    gpus = nodes["gpus"]
    assert (gpus["min_workers"], gpus["resources"]["GPU"]) == (2, 8)
    assert [node["resources"]["CPU"] for name, node in nodes.items() if name != "gpus"] == [0]


def test_every_container_has_the_project_and_its_secrets(folder: Path) -> None:
    cluster = job(folder)["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
        assert "/project" in {mount["mountPath"] for mount in container["volumeMounts"]}
        assert container["envFrom"] and container["image"].endswith("/biomedgpt:0.1.0")
        assert group["rayStartParams"]["disable-usage-stats"] == "true"


def test_ray_up_accepts_its_file(folder: Path) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(yaml.safe_load((folder / "ray-up.yaml").read_text()))
    validate_config(config)
    starts = config["head_start_ray_commands"] + config["worker_start_ray_commands"]
    assert sum("--disable-usage-stats" in line for line in starts) == 2


def test_versions_are_those_of_the_project(folder: Path, repository: Path) -> None:
    ray = pinned(repository, "ray")
    assert job(folder)["spec"]["rayClusterSpec"]["rayVersion"] == ray
    dockerfile = (folder / "Dockerfile").read_text()
    assert f"FROM rayproject/ray:{ray}-py311-gpu" in dockerfile
    assert f"torch=={pinned(repository, 'torch')}" in dockerfile
