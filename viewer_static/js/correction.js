// Correcting a segmentation: the editor opens in the viewer's frame, and the page saves what was drawn there.
// ohif/portal-extension.js answers. A save that fails leaves the drawing in the viewer, to be saved again.

const block = () => document.querySelector("[data-correction]");
const frame = () => document.querySelector("iframe[data-viewer]");
const csrfToken = () => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";
const claim = () => document.querySelector("[data-feedback-form] [name=claim]")?.value ?? "";

const KEPT = "What you drew is still in the viewer.";
let subject = "";
let viewing = "";
let opened = "";
let isEditing = false;
let isUnsaved = false;
let isSaving = false;

function complain(problem) {
  const line = block()?.querySelector("[data-correction-problem]");
  if (!line) return;
  line.textContent = problem;
  line.hidden = problem === "";
  if (problem) line.scrollIntoView({ block: "nearest" });
}

function say(words) {
  const line = block()?.querySelector("[data-says]");
  if (line) line.textContent = words;
}

// A page of reads goes on to the next one in place.
function follow() {
  const address = block()?.dataset.address ?? "";
  if (address === subject) return;
  subject = address;
  viewing = opened = "";
  isEditing = isUnsaved = isSaving = false;
}

// Not by the viewer's own way from one mode to another: that leaves segmentations without their overlay (OHIF 3.13.2).
const go = (address) => frame().contentWindow.location.replace(address);

function show() {
  follow();
  const part = block();
  if (!part) return;
  for (const button of part.querySelectorAll("[data-correct]")) button.hidden = isEditing;
  for (const button of part.querySelectorAll("[data-save], [data-leave]")) button.hidden = !isEditing;
  for (const input of part.querySelectorAll("[data-opened]")) input.value = opened;
  for (const button of part.querySelectorAll("[data-save]")) button.disabled = isSaving;
  if (isUnsaved) say("Changed, not saved");
}

async function begin() {
  if (isEditing || !block()?.dataset.begin) return;
  const body = new FormData();
  body.set("csrfmiddlewaretoken", csrfToken());
  body.set("claim", claim());
  let answer;
  try {
    answer = await fetch(block().dataset.begin, { method: "POST", body, redirect: "manual" });
  } catch {
    return complain("The portal cannot be reached, so the editor did not open. Try again in a moment.");
  }
  if (answer.status === 409) return complain((await answer.json()).problem);
  if (!answer.ok) return complain("The editor did not open: you may be signed out. Sign in again, and reload the page.");
  const found = await answer.json();
  const { pathname, search } = frame().contentWindow.location;
  viewing = pathname + search;
  opened = found.opened;
  isEditing = true;
  complain("");
  go(found.viewer);
  show();
}

function leave() {
  if (isUnsaved && !window.confirm("Leave the editor? What you drew since the last save is lost.")) return;
  isEditing = isUnsaved = false;
  go(viewing);
  complain("");
  reload();
}

function save() {
  if (!isEditing || isSaving) return;
  isSaving = true;
  complain("");
  show();
  say("Saving\u2026");
  frame().contentWindow.postMessage({ overread: "save", opened }, location.origin);
}

function reload() {
  window.htmx.ajax("GET", block().dataset.address, { target: "#correction", swap: "outerHTML" });
}

function settle({ problem }) {
  isSaving = false;
  if (problem) {
    isUnsaved = true;
    show();
    say("Not saved");
    return complain(`${problem} ${KEPT}`);
  }
  isUnsaved = false;
  show();
  reload();
}

function hear({ origin, source, data }) {
  if (origin !== location.origin || source !== frame()?.contentWindow) return;
  if (data?.overread === "saved") settle(data);
  if (data?.overread === "mask-changed" && isEditing && !isUnsaved) {
    isUnsaved = true;
    show();
  }
}

// Going on would take the drawing away with the images.
function keepDrawing(event) {
  if (!isUnsaved || !event.target.matches("[data-feedback-form]")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  complain("Your correction is not saved yet. Save it, or go back to viewing to discard it; then submit.");
}

function pressKeys(event) {
  if (!block()) return;
  const isSave = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s";
  const isCorrect = event.shiftKey && event.key === "E" && !event.ctrlKey && !event.target.matches?.("textarea, input:not([type=radio], [type=checkbox])");
  if (!(isSave && isEditing) && !(isCorrect && !isEditing)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (isSave) save();
  else begin();
}

document.addEventListener("click", ({ target }) => {
  if (target.closest?.("[data-correct]")) begin();
  if (target.closest?.("[data-save]")) save();
  if (target.closest?.("[data-leave]")) leave();
});
document.addEventListener("keydown", pressKeys, { capture: true });
document.addEventListener("submit", keepDrawing, { capture: true });
document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (!detail.elt.closest?.("[data-correction]")) return;
  detail.headers["X-CSRFToken"] = csrfToken();
  if ("window" in detail.parameters) detail.parameters.window = claim();
});
document.addEventListener("htmx:afterSwap", show);
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target?.id !== "correction" || detail.xhr.status !== 409) return;
  detail.shouldSwap = true;
  detail.isError = false;
});
document.addEventListener("htmx:responseError", ({ detail }) => {
  if (detail.elt?.closest?.("[data-correction]")) complain(`The portal failed (error ${detail.xhr.status}). Try again in a moment.`);
});
document.addEventListener("htmx:sendError", ({ detail }) => {
  if (detail.elt?.closest?.("[data-correction]")) complain("The portal cannot be reached. Try again in a moment.");
});
window.addEventListener("message", hear);
window.addEventListener("beforeunload", (event) => {
  if (isUnsaved) event.preventDefault();
});
show();
frame()?.addEventListener("load", () => frame().contentWindow.addEventListener("keydown", pressKeys, { capture: true }));
