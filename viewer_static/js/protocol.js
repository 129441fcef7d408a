// The protocol's page: says when what was typed did not reach the server, and moves a row of a list by Alt and arrows.

const MOVES = { ArrowUp: "up.", ArrowDown: "down." };

function stateOf(element) {
  const form = element.closest("form[data-section]");
  return form && document.getElementById(`state-${form.dataset.section}`);
}

function say(element, words, kind) {
  const state = stateOf(element);
  if (!state) return;
  const line = document.createElement("span");
  line.className = kind;
  line.textContent = words;
  state.replaceChildren(line);
}

document.addEventListener("input", (event) => say(event.target, "Saving", "quiet"));

document.addEventListener("htmx:responseError", (event) => {
  say(event.detail.requestConfig.elt, "Not saved: the server refused it. Load the page again.", "wrong");
});

document.addEventListener("htmx:sendError", (event) => {
  say(event.detail.requestConfig.elt, "Not saved: the server cannot be reached. It is tried again when you go on typing.", "wrong");
});

document.addEventListener("keydown", (event) => {
  if (!event.altKey || !(event.key in MOVES)) return;
  const row = event.target.closest("[data-row]");
  const button = row && row.querySelector(`button[id^="${MOVES[event.key]}"]`);
  if (!button) return;
  event.preventDefault();
  if (!button.disabled) button.click();
});
