"""HTTP targets: called within a time budget, at permitted addresses only."""
