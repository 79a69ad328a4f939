# SPDX-License-Identifier: Apache-2.0
"""Which plugins give the tests their servers, markers and doors? Nothing else is here."""

pytest_plugins = [
    "tests.plugins.ending",
    "tests.plugins.markers",
    "tests.plugins.offline",
    "tests.plugins.pg",
    "tests.plugins.kube",
    "tests.plugins.helm",
    "tests.plugins.store",
    "tests.plugins.cli",
    "tests.plugins.proxy",
    "tests.plugins.engine",
    "tests.plugins.operator",
    "tests.plugins.replicas",
    "tests.plugins.physical",
]
