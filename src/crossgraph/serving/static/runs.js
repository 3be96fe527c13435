// Runs that train are asked after again and again, by htmx; not while nobody looks at the page.
document.addEventListener("htmx:config:request", (event) => {
  if (document.hidden) event.preventDefault();
});
