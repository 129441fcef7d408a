// The page of an annotation: it saves what is drawn in the viewer, and keeps the viewer and the mask beside it in step.
// read.js does the rest.

import { drawingOf, frame, isSaveKey, takeEvent, takeKeys } from "./drawing.js";

const part = () => document.getElementById("mask");

let given = part()?.dataset.mask;
let isFromViewer = false;

const drawing = drawingOf({
  isOpen: () => Boolean(frame()?.src),
  told: () => part()?.querySelector("[data-mask-problem]"),
  show: say,
  saved() {
    isFromViewer = true;
    window.htmx.trigger(part(), "overread:refresh");
  },
});

function say(words) {
  const line = part()?.querySelector("[data-mask-state]");
  if (line && words) line.textContent = words;
  part()?.querySelector("[data-save-mask]")?.classList.toggle("btn-primary", drawing.isUnsaved);
}

function show() {
  const address = part()?.dataset.viewerUrl;
  if (!address || !frame()) return;
  drawing.forget();
  frame().src = address;
  document.querySelectorAll("[data-viewer-link]").forEach((link) => (link.href = address));
}

// A mask that was uploaded is shown at once. One that the viewer saved is there already, with its undo and its tools.
function keepInStep() {
  const newest = part()?.dataset.mask;
  const isNew = Boolean(newest) && newest !== given;
  given = newest;
  if (isNew && !isFromViewer) show();
  if (isNew) isFromViewer = false;
  if (drawing.isUnsaved) say("Changed, not saved");
}

// Going on would take the drawing away with the images; that nothing is there is said in spite of it.
function keepDrawing(event) {
  const form = event.target;
  if (!drawing.isUnsaved || !form.matches("[data-feedback-form]")) return;
  if (form.querySelector("[name=answer-mask]:checked")?.value !== "drawn") return;
  takeEvent(event);
  drawing.complain("What you drew last is not saved yet. Save it, then submit.");
}

function saveByKey(event) {
  if (!isSaveKey(event) || !part()) return;
  takeEvent(event);
  drawing.save();
}

document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-show-mask]")) show();
  if (target.closest("[data-save-mask]")) drawing.save();
});
takeKeys(saveByKey);
document.addEventListener("submit", keepDrawing, { capture: true });
document.addEventListener("htmx:afterSwap", keepInStep);
