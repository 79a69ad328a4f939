// The Helm that renders the chart in tests and demos, pinned by go.sum (dev/helm.py builds it).
//go:build tools

package tools

import _ "helm.sh/helm/v3/cmd/helm"
