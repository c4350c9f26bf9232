// Starts Swagger UI from a file of our own: the page's policy allows no inline script.
const place = document.getElementById("swagger-ui");
SwaggerUIBundle({ domNode: place, url: place.dataset.url, deepLinking: true, validatorUrl: null });
