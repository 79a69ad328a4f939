# SPDX-License-Identifier: Apache-2.0
"""What can a test ask for? One module per thing given: a database, an API server, a store, a proxy."""
