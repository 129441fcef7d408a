// The page of an annotation: it keeps the viewer and the mask beside it in step. read.js does the rest.

const part = () => document.getElementById("mask");
const frame = () => document.querySelector("iframe[data-viewer]");

let given = part()?.dataset.mask;
let isFromViewer = false;

function show() {
  const address = part()?.dataset.viewerUrl;
  if (!address || !frame()) return;
  frame().src = address;
  document.querySelectorAll("[data-viewer-link]").forEach((link) => (link.href = address));
}

// A mask that was uploaded is shown at once. One that the viewer saved is there already, with its undo and its tools.
function keepInStep() {
  const newest = part()?.dataset.mask;
  const isNew = newest && newest !== given;
  given = newest;
  if (isNew && !isFromViewer) show();
  if (isNew) isFromViewer = false;
}

function takeWord({ origin, source, data }) {
  if (origin !== location.origin || source !== frame()?.contentWindow || data?.overread !== "saved") return;
  isFromViewer = true;
  window.htmx.trigger(part(), "overread:refresh");
}

window.addEventListener("message", takeWord);
document.addEventListener("htmx:afterSwap", keepInStep);
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-show-mask]")) show();
});
