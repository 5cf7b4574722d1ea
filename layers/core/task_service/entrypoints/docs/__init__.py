"""The API's document (OpenAPI) and Swagger UI, of which nothing is imported by the functions that do the work."""
