"use strict";

// The requests of "Try it out" go to where the page came from, whatever prefix a proxy adds.
const place = document.getElementById("docs");
const root = location.origin + location.pathname.replace(/\/docs\/?$/, "");
const address = root + place.dataset.openapi;

fetch(address)
  .then((answer) => answer.json())
  .then((spec) => {
    spec.servers = [{ url: root }];
    SwaggerUIBundle({ spec, domNode: place, deepLinking: true, validatorUrl: null });
  })
  .catch((error) => {
    place.textContent = `${address} can't be shown: ${error}`;
  });
