// The page's search, as it was: it asks the backend and lists what comes.
const form = document.querySelector("form");
const list = document.querySelector("ol");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const response = await fetch(`found.json?${new URLSearchParams({ q: form.elements.query.value })}`);
  const { hits } = await response.json();
  list.replaceChildren(...hits.map(item));
});

function item(hit) {
  const element = document.createElement("li");
  element.textContent = hit.title;
  return element;
}
