{{/* The name of the API's objects; the others add their component to it. */}}
{{- define "task.name" -}}
{{- default .Values.name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* What tells the pods of this release from others. */}}
{{- define "task.selector" -}}
app.kubernetes.io/name: {{ include "task.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of an object, given as dict "root" "component". */}}
{{- define "task.labels" -}}
{{ include "task.selector" .root }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* An image, given as dict "root" "image". */}}
{{- define "task.image" -}}
{{- $name := .image.repository -}}
{{- with .image.name -}}{{- $name = printf "%s/%s" $name . -}}{{- end -}}
{{- if .image.sha -}}
{{ $name }}@sha256:{{ trimPrefix "sha256:" .image.sha }}
{{- else -}}
{{ $name }}:{{ default .root.Chart.AppVersion .image.tag }}
{{- end -}}
{{- end -}}
