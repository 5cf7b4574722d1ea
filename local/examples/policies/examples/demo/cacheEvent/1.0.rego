package demo.cacheEvent

import rego.v1

# What an event's task gives its policy, and what such a policy may make of it.
entry := {"key": input.key, "namespace": input.namespace, "scope": input.scope}

message := sprintf("%s was set, %s runs", [input.key, input.TaskName])
