{{/*
The environment of a container, given as dict "root" "own": `own` names a template with the chart's own variables. A
variable that extraVars or secretEnv have is theirs: no container may have one twice.
*/}}
{{- define "task.env" -}}
{{- $given := dict -}}
{{- $env := list -}}
{{- range .root.Values.extraVars -}}
{{- $_ := set $given .name true -}}
{{- $env = append $env . -}}
{{- end -}}
{{- range $name, $secret := .root.Values.secretEnv -}}
{{- if not (hasKey $given $name) -}}
{{- $_ := set $given $name true -}}
{{- $env = append $env (dict "name" $name "valueFrom" (dict "secretKeyRef" (dict "name" $secret.name "key" $secret.key))) -}}
{{- end -}}
{{- end -}}
{{- $own := list -}}
{{- range (include .own .root | fromYamlArray) -}}
{{- if not (hasKey $given .name) -}}{{- $own = append $own . -}}{{- end -}}
{{- end -}}
{{- with concat $own $env -}}
env:
{{- toYaml . | nindent 2 }}
{{- end }}
{{- if or .root.Values.useSecretRef .root.Values.useConfigMap }}
envFrom:
{{- if .root.Values.useSecretRef }}
  - secretRef:
      name: {{ required "secretRefName is empty: useSecretRef needs it" .root.Values.secretRefName }}
{{- end }}
{{- if .root.Values.useConfigMap }}
  - configMapRef:
      name: {{ required "configMapName is empty: useConfigMap needs it" .root.Values.configMapName }}
{{- end }}
{{- end }}
{{- end -}}

{{/* How the database is reached. */}}
{{- define "task.databaseEnv" -}}
{{- if .Values.database.existingSecret }}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.existingSecret }}
      key: {{ .Values.database.urlKey }}
{{- with .Values.database.listenUrlKey }}
- name: LISTEN_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.database.existingSecret }}
      key: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "task.logEnv" -}}
{{- with .Values.log.level }}
- name: LOG_LEVEL
  value: {{ get (dict "WARN" "WARNING" "FATAL" "CRITICAL" "PANIC" "CRITICAL") (upper .) | default (upper .) | quote }}
{{- end }}
{{- end -}}

{{/* The variables of the migration. */}}
{{- define "task.migrateEnv" -}}
{{- include "task.databaseEnv" . }}
{{- include "task.logEnv" . }}
{{- end -}}

{{/* The variables of the API and of the workers. */}}
{{- define "task.hostEnv" -}}
{{- include "task.databaseEnv" . }}
{{- include "task.logEnv" . }}
{{- with .Values.database.poolSize }}
- name: DATABASE_POOL_SIZE
  value: {{ int64 . | quote }}
{{- end }}
{{- with .Values.task.http.host }}
- name: HTTP_HOST
  value: {{ . | quote }}
{{- end }}
- name: HTTP_PORT
  value: {{ int64 .Values.task.http.port | quote }}
{{- with .Values.task.http.timeout.idle }}
- name: HTTP_IDLE_TIMEOUT
  value: {{ . | quote }}
{{- end }}
{{- with .Values.task.http.timeout.read }}
- name: HTTP_READ_TIMEOUT
  value: {{ . | quote }}
{{- end }}
{{- with .Values.task.http.timeout.write }}
- name: HTTP_WRITE_TIMEOUT
  value: {{ . | quote }}
{{- end }}
- name: METRICS_PORT
  value: {{ ternary (int64 .Values.metrics.port) 0 .Values.metrics.enabled | quote }}
- name: WORKER_PROCESSES
  value: {{ int64 .Values.worker.processes | quote }}
- name: WORKER_CONCURRENCY
  value: {{ int64 .Values.worker.concurrency | quote }}
{{- range $setting, $value := .Values.settings }}
{{- if kindIs "bool" $value }}
- name: {{ $setting | snakecase | upper }}
  value: {{ ternary "on" "off" $value | quote }}
{{- else if not (kindIs "invalid" $value) }}
- name: {{ $setting | snakecase | upper }}
  value: {{ int64 $value | quote }}
{{- end }}
{{- end }}
{{- with .Values.addresses.policy }}
- name: POLICY_ADDR
  value: {{ . | quote }}
{{- end }}
{{- with .Values.addresses.cache }}
- name: CACHE_ADDR
  value: {{ . | quote }}
{{- end }}
{{- with .Values.egressAllow }}
- name: EGRESS_ALLOW
  value: {{ join "," . | quote }}
{{- end }}
{{- if kindIs "bool" .Values.auth.enabled }}
- name: AUTH_ENABLED
  value: {{ ternary "on" "off" .Values.auth.enabled | quote }}
{{- end }}
{{- range $key := list "jwkUrl" "refreshInterval" "audience" "issuer" "adminScope" }}
{{- with get $.Values.auth $key }}
- name: {{ printf "AUTH_%s" ($key | snakecase | upper) }}
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- with .Values.oauth.tokenUrl }}
- name: OAUTH_TOKEN_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.oauth.clientId }}
- name: OAUTH_CLIENT_ID
  value: {{ . | quote }}
{{- end }}
{{- with .Values.oauth.existingSecret }}
- name: OAUTH_CLIENT_SECRET
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $.Values.oauth.secretKey }}
{{- end }}
{{- end -}}

{{/* The variables of the bridge. */}}
{{- define "task.bridgeEnv" -}}
{{- include "task.databaseEnv" . }}
{{- include "task.logEnv" . }}
{{- with .Values.task.http.host }}
- name: BRIDGE_HOST
  value: {{ . | quote }}
{{- end }}
- name: NATS_ADDR
  value: {{ .Values.nats.addr | quote }}
- name: NATS_SUBJECT
  value: {{ .Values.nats.subject | quote }}
{{- with .Values.nats.queueGroup }}
- name: NATS_QUEUE_GROUP
  value: {{ . | quote }}
{{- end }}
{{- with .Values.nats.stream }}
- name: NATS_STREAM
  value: {{ . | quote }}
{{- end }}
{{- end -}}
