package example.greeting

import rego.v1

language := object.get(input, "language", "en")

message := sprintf("%s, %s!", [object.get(data.greetings, language, data.greetings.en), input.name])
