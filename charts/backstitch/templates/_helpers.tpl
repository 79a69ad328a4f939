{{- define "backstitch.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "backstitch.fullname" -}}
{{- $name := include "backstitch.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "backstitch.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "backstitch.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "backstitch.selector" -}}
app.kubernetes.io/name: {{ include "backstitch.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "backstitch.labels" -}}
{{ include "backstitch.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "backstitch.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- /* What the operator may do, and no more. Secrets and ConfigMaps: `get` by name, never list or watch. */ -}}
{{- define "backstitch.rules" -}}
# patch: our finalizer on a running migration
- apiGroups: [backstitch.dev]
  resources: [databasemigrations]
  verbs: [get, list, watch, patch]
- apiGroups: [backstitch.dev]
  resources: [migrationtargets, migrationapprovals]
  verbs: [get, list, watch]
- apiGroups: [backstitch.dev]
  resources: [databasemigrations/status, migrationtargets/status]
  verbs: [patch]
# clusters with the OwnerReferencesPermissionEnforcement admission ask for this to set finalizers
- apiGroups: [backstitch.dev]
  resources: [databasemigrations/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
