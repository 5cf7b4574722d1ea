"use strict";

// Relative to the page, wherever it is served: under a stage, under a base path, or at the root.
SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: "openapi.json",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  tryItOutEnabled: false,
  // No other site is asked whether the document is valid.
  validatorUrl: null,
});
