// What is measured in the viewer: a button saves it to the read, and submitting saves what is not saved yet.

import { say } from "./kept-form.js";

const LONGEST_MS = 30_000;
const NO_ANSWER = "The viewer did not say whether the measurements were saved. Save them again.";
const GO_ON = "Submit again to go on without them.";

let isUnsaved = false;
let mayGoWithout = false; // saving failed once: the answers are not held up for ever
let settled = null; // called with what is wrong, "" for nothing, once the viewer has answered

const viewer = () => document.querySelector("[data-viewer]")?.contentWindow;
const button = () => document.querySelector("[data-save-measurements]");

function show() {
  if (!button()) return;
  button().hidden = !isUnsaved;
  button().disabled = settled !== null;
}

function save() {
  const answered = new Promise((resolve) => {
    settled = resolve;
    setTimeout(() => resolve(NO_ANSWER), LONGEST_MS);
  });
  viewer().postMessage({ overread: "report" }, location.origin);
  show();
  return answered.then((problem) => {
    settled = null;
    show();
    say(problem);
    return problem;
  });
}

function hear({ origin, source, data }) {
  if (origin !== location.origin || source !== viewer()) return;
  if (data?.overread === "measured") {
    isUnsaved = data.count > 0;
    mayGoWithout = false;
    show();
  }
  if (data?.overread === "reported") take(data.problem);
}

function take(problem) {
  if (!problem) {
    isUnsaved = false;
    document.dispatchEvent(new Event("overread:reported"));
  }
  if (settled) settled(problem);
  else say(problem); // saved by the viewer's own button
  show();
}

async function saveFirst(event) {
  const { elt, issueRequest, triggeringEvent } = event.detail;
  if (!elt.matches("[data-feedback-form]") || triggeringEvent?.submitter?.name === "language") return;
  if (!isUnsaved || mayGoWithout) return;
  event.preventDefault();
  if (settled) return;
  const problem = await save();
  if (!problem) return issueRequest(true);
  mayGoWithout = true;
  say(`${problem} ${GO_ON}`);
}

// The next read begins with nothing drawn.
export function forgetMeasurements() {
  isUnsaved = mayGoWithout = false;
}

document.addEventListener("click", ({ target }) => target.closest?.("[data-save-measurements]") && save());
document.addEventListener("htmx:confirm", saveFirst);
document.addEventListener("htmx:afterSwap", show);
window.addEventListener("message", hear);
