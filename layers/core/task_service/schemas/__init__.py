"""Models of the bodies that clients write. Imported only where one is read: pydantic is a third of a cold start."""
