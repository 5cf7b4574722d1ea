{{/* Metadata of a pod, given as dict "root" "component" "port" (of its metrics). */}}
{{- define "task.podMetadata" -}}
labels:
  {{- include "task.labels" . | nindent 2 }}
  sidecar.istio.io/inject: {{ .root.Values.istio.injection.pod | quote }}
{{- $scraped := dict -}}
{{- if and .root.Values.metrics.enabled (not .root.Values.metrics.serviceMonitor.enabled) -}}
{{- $scraped = dict "prometheus.io/scrape" "true" "prometheus.io/path" "/metrics" "prometheus.io/port" (toString (int64 .port)) -}}
{{- end -}}
{{- with merge (dict) (default dict .root.Values.podAnnotations) $scraped }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What all pods have, given as dict "root" "component". */}}
{{- define "task.pod" -}}
{{- with .root.Values.image.pullSecrets -}}
imagePullSecrets:
  - name: {{ . }}
{{ end -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
{{- with .root.Values.security.runAsUid }}
  runAsUser: {{ int64 . }}
{{- end }}
{{- with .root.Values.security.runAsGid }}
  runAsGroup: {{ int64 . }}
  fsGroup: {{ int64 . }}
{{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if and .root.Values.topologySpread (ne .component "migrate") }}
topologySpreadConstraints:
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "task.selector" $.root | nindent 8 }}
        app.kubernetes.io/component: {{ $.component }}
{{- end }}
{{- end }}
volumes:
  - name: tmp
    emptyDir:
      medium: Memory
      sizeLimit: 64Mi
{{- with .root.Values.volumes }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What all containers have. */}}
{{- define "task.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  - name: tmp
    mountPath: /tmp
{{- with .Values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The container that migrates the schema. */}}
{{- define "task.migrateContainer" -}}
- name: migrate
  image: {{ include "task.image" (dict "root" . "image" .Values.image) | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [migrate]
  {{- include "task.env" (dict "root" . "own" "task.migrateEnv") | nindent 2 }}
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  {{- include "task.container" . | nindent 2 }}
{{- end -}}

{{/* What comes before the container of a host's pod. */}}
{{- define "task.initContainers" -}}
{{- if eq .Values.migration.by "initContainer" -}}
initContainers:
  {{- include "task.migrateContainer" . | nindent 2 }}
{{- end -}}
{{- end -}}
