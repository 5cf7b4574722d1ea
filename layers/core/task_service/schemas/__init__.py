"""What clients may write. Imported only where something is written: pydantic is a third of a cold start."""
