"""The bridge: takes CloudEvents from a NATS subject and puts them into the event queue, as they are."""
