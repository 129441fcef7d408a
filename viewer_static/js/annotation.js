// The page of an annotation: it saves what is drawn in the viewer, and keeps the viewer and the mask beside it in step.
// ohif/portal-extension.js answers. A save that fails leaves the drawing in the viewer. read.js does the rest.

const part = () => document.getElementById("mask");
const frame = () => document.querySelector("iframe[data-viewer]");
const KEPT = "What you drew is still in the viewer.";

let given = part()?.dataset.mask;
let isFromViewer = false;
let isSaving = false;
let isUnsaved = false;

function say(words) {
  const line = part()?.querySelector("[data-mask-state]");
  if (line) line.textContent = words;
  part()?.querySelector("[data-save-mask]")?.classList.toggle("btn-primary", isUnsaved);
}

function complain(problem) {
  const line = part()?.querySelector("[data-mask-problem]");
  if (!line) return;
  line.textContent = problem;
  line.hidden = problem === "";
  if (problem) line.scrollIntoView({ block: "nearest" });
}

function show() {
  const address = part()?.dataset.viewerUrl;
  if (!address || !frame()) return;
  isUnsaved = false;
  frame().src = address;
  document.querySelectorAll("[data-viewer-link]").forEach((link) => (link.href = address));
}

function save() {
  if (isSaving || !frame()?.src) return;
  isSaving = true;
  complain("");
  say("Saving\u2026");
  frame().contentWindow.postMessage({ overread: "save" }, location.origin);
}

function settle({ problem }) {
  isSaving = false;
  isUnsaved = Boolean(problem);
  if (problem) {
    say("Not saved");
    return complain(`${problem} ${KEPT}`);
  }
  isFromViewer = true;
  window.htmx.trigger(part(), "overread:refresh");
}

function hear({ origin, source, data }) {
  if (origin !== location.origin || source !== frame()?.contentWindow) return;
  if (data?.overread === "saved") settle(data);
  if (data?.overread === "mask-changed" && !isUnsaved) {
    isUnsaved = true;
    if (!isSaving) say("Changed, not saved");
  }
}

// A mask that was uploaded is shown at once. One that the viewer saved is there already, with its undo and its tools.
function keepInStep() {
  const newest = part()?.dataset.mask;
  const isNew = Boolean(newest) && newest !== given;
  given = newest;
  if (isNew && !isFromViewer) show();
  if (isNew) isFromViewer = false;
  if (isUnsaved) say("Changed, not saved");
}

// Going on would take the drawing away with the images; that nothing is there is said in spite of it.
function keepDrawing(event) {
  const form = event.target;
  if (!isUnsaved || !form.matches("[data-feedback-form]")) return;
  if (form.querySelector("[name=answer-mask]:checked")?.value !== "drawn") return;
  event.preventDefault();
  event.stopImmediatePropagation();
  complain("What you drew last is not saved yet. Save it, then submit.");
}

function saveByKey(event) {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "s" || !part()) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  save();
}

document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-show-mask]")) show();
  if (target.closest("[data-save-mask]")) save();
});
document.addEventListener("keydown", saveByKey, { capture: true });
document.addEventListener("submit", keepDrawing, { capture: true });
document.addEventListener("htmx:afterSwap", keepInStep);
window.addEventListener("message", hear);
window.addEventListener("beforeunload", (event) => {
  if (isUnsaved) event.preventDefault();
});
frame()?.addEventListener("load", () => frame().contentWindow.addEventListener("keydown", saveByKey, { capture: true }));
