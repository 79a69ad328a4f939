# SPDX-License-Identifier: Apache-2.0
"""Do the API server fixtures give what the cluster tests rely on?"""

from __future__ import annotations

import subprocess

import pytest

from dev.apiserver import ApiServer
from dev.kubebinaries import kubernetes_version
from dev.processes import ServerError


def test_the_server_says_the_pinned_version(api_server: ApiServer) -> None:
    assert f'"gitVersion": "v{kubernetes_version()}"' in api_server.run_kubectl("get", "--raw", "/version")


def test_a_user_without_a_binding_may_do_nothing(api_server: ApiServer, namespace: str) -> None:
    kubectl = [str(api_server.kubectl), "--kubeconfig", str(api_server.kubeconfig_for("stranger"))]
    refused = subprocess.run([*kubectl, "get", "secrets", "-n", namespace], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert 'User "stranger" cannot list resource "secrets"' in refused.stderr


def test_a_namespace_holds_objects_and_secret_files_are_private(api_server: ApiServer, namespace: str) -> None:
    api_server.run_kubectl("create", "configmap", "seen", "-n", namespace)
    assert "seen" in api_server.run_kubectl("get", "configmaps", "-n", namespace, "-o", "name")
    assert api_server.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_an_unknown_user_is_named_in_the_error(api_server: ApiServer) -> None:
    with pytest.raises(ServerError, match="no user 'nobody'"):
        api_server.token("nobody")


def test_a_program_that_ends_at_once_shows_its_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    programs = tmp_path_factory.mktemp("programs")
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (programs / name).write_text("#!/bin/sh\necho cannot bind; exit 4\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(programs))
    monkeypatch.delenv("BACKSTITCH_KUBECONFIG", raising=False)
    with pytest.raises(ServerError, match=r"etcd ended with code 4 while starting:\ncannot bind"):
        ApiServer().start()
