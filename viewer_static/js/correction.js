// Correcting a segmentation: the editor opens in the viewer's frame, and the page saves what was drawn there.

import { csrfToken } from "./csrf.js";
import { drawingOf, frame, isSaveKey, takeEvent, takeKeys } from "./drawing.js";

const block = () => document.querySelector("[data-correction]");
const claimed = () => document.querySelector("[data-feedback-form] [name=claim]");
const claim = () => claimed()?.value ?? "";
const isBeingClaimed = () => claimed()?.value === "";

let subject = "";
let viewing = "";
let opened = "";
let isEditing = false;
let saidBefore = null; // what the page said when the editor was wanted before the read was this window's

const drawing = drawingOf({
  isOpen: () => isEditing,
  told: () => block()?.querySelector("[data-correction-problem]"),
  show,
  saved: reload,
});
const { complain } = drawing;

const line = () => block()?.querySelector("[data-says]");

function say(words) {
  if (line()) line().textContent = words;
}

// A page of reads goes on to the next one in place.
function follow() {
  const address = block()?.dataset.address ?? "";
  if (address === subject) return;
  subject = address;
  viewing = opened = "";
  isEditing = false;
  saidBefore = null;
  drawing.forget();
}

// Not by the viewer's own way from one mode to another: that leaves segmentations without their overlay (OHIF 3.13.2).
const go = (address) => frame().contentWindow.location.replace(address);

function show(words = "") {
  follow();
  const part = block();
  if (!part) return;
  for (const button of part.querySelectorAll("[data-correct]")) button.hidden = isEditing;
  for (const button of part.querySelectorAll("[data-save], [data-leave]")) button.hidden = !isEditing;
  for (const input of part.querySelectorAll("[data-opened]")) input.value = opened;
  for (const button of part.querySelectorAll("[data-save]")) button.disabled = drawing.isSaving;
  if (words || drawing.isUnsaved) say(words || "Changed, not saved");
}

function waitForClaim() {
  saidBefore ??= line()?.textContent ?? "";
  say("Opens as soon as the read is open");
}

function beginIfWanted() {
  if (saidBefore === null) return;
  say(saidBefore);
  saidBefore = null;
  begin();
}

async function begin() {
  if (isEditing || !block()?.dataset.begin) return;
  if (isBeingClaimed()) return waitForClaim();
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
  if (drawing.isUnsaved && !window.confirm("Leave the editor? What you drew since the last save is lost.")) return;
  isEditing = false;
  drawing.forget();
  go(viewing);
  complain("");
  reload();
}

function reload() {
  window.htmx.ajax("GET", block().dataset.address, { target: "#correction", swap: "outerHTML" });
}

// Going on would take the drawing away with the images.
function keepDrawing(event) {
  if (!drawing.isUnsaved || !event.target.matches("[data-feedback-form]")) return;
  takeEvent(event);
  complain("Your correction is not saved yet. Save it, or go back to viewing to discard it; then submit.");
}

function pressKeys(event) {
  if (!block()) return;
  const isSave = isSaveKey(event);
  const isCorrect = event.shiftKey && event.key === "E" && !event.ctrlKey && !event.target.matches?.("textarea, input:not([type=radio], [type=checkbox])");
  if (!(isSave && isEditing) && !(isCorrect && !isEditing)) return;
  takeEvent(event);
  if (isSave) drawing.save({ opened });
  else begin();
}

document.addEventListener("click", ({ target }) => {
  if (target.closest?.("[data-correct]")) begin();
  if (target.closest?.("[data-save]")) drawing.save({ opened });
  if (target.closest?.("[data-leave]")) leave();
});
takeKeys(pressKeys);
document.addEventListener("overread:claimed", beginIfWanted);
document.addEventListener("submit", keepDrawing, { capture: true });
document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (!detail.elt.closest?.("[data-correction]")) return;
  detail.headers["X-CSRFToken"] = csrfToken();
  if ("window" in detail.parameters) detail.parameters.window = claim();
});
document.addEventListener("htmx:afterSwap", () => show());
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
show();
