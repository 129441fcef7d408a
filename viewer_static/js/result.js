// The result page: nothing entered is lost, and a word when the viewer does not load. portal/form.js has the answering.

import { isTyping } from "./form.js";

const form = () => document.querySelector("[data-feedback-form]");
const choosers = "input[type=radio], input[type=checkbox]";
const KEPT = "Your answers are still here, and not saved.";

// Nothing entered is lost

let changed = false;

function warnOfLoss(event) {
  if (changed && form()) event.preventDefault();
}

function say(problem) {
  const line = form()?.querySelector("[data-problem]");
  if (!line) return;
  line.textContent = problem;
  line.hidden = false;
  line.scrollIntoView({ block: "nearest" });
}

// 409 and 422 bring the form back with everything in it. Any other refusal leaves the form as it stands; who is signed
// out (401) is asked to sign in again by session.js.
function swapOrSay({ detail }) {
  const { xhr } = detail;
  if (!detail.target?.matches("#feedback") || xhr.status === 401) return;
  detail.shouldSwap = [200, 409, 422].includes(xhr.status);
  if (detail.shouldSwap) {
    detail.isError = false;
    return;
  }
  say(refusal(xhr.status));
}

function refusal(status) {
  if (status === 403) return `The portal did not take this from you. ${KEPT} Sign in again in another tab, then submit.`;
  if (status === 404) return `This result is no longer open to you. ${KEPT} Ask the study's coordinator.`;
  return `The portal failed (error ${status}). ${KEPT} Submit again in a moment; if it fails again, tell its operator.`;
}

function showNew({ detail }) {
  if (!detail.target?.matches("#feedback")) return;
  const panel = document.getElementById("feedback");
  changed = Boolean(panel.querySelector("[data-error], [data-problem]:not([hidden])"));
  const wrong = panel.querySelector("[aria-invalid=true]");
  const first = wrong?.matches("textarea") ? wrong : wrong?.querySelector("input:checked") ?? wrong?.querySelector("input");
  (first ?? panel).focus({ preventScroll: !wrong });
}

// The viewer

function isLoaded(frame) {
  const [navigation] = frame.contentWindow.performance.getEntriesByType("navigation");
  return navigation === undefined || navigation.responseStatus < 400;
}

// A page that the browser puts in place of an unreachable one is not ours to look into.
function hasFailed(frame) {
  try {
    return !isLoaded(frame);
  } catch (fault) {
    if (fault.name === "SecurityError") return true;
    throw fault;
  }
}

function watchViewer(frame) {
  const fault = document.querySelector("[data-viewer-fault]");
  const check = () => {
    fault.hidden = !hasFailed(frame);
    if (fault.hidden) frame.contentWindow.addEventListener("keydown", comeBack, { capture: true });
  };
  frame.addEventListener("load", check);
  if (frame.contentDocument?.readyState === "complete" && frame.contentWindow.location.href !== "about:blank") check();
}

// The images have keys of their own. Q brings the keyboard back to the questions.
function comeBack(event) {
  if (event.key.toLowerCase() !== "q" || event.ctrlKey || event.metaKey || isTyping(event.target)) return;
  const within = form() ?? document.getElementById("feedback");
  window.focus();
  (within.querySelector("input:checked") ?? within.querySelector(choosers) ?? within).focus();
}

function sayWhereKeysGo() {
  const line = document.querySelector("[data-keys-elsewhere]");
  if (line) line.hidden = document.activeElement?.tagName !== "IFRAME";
}

document.addEventListener("input", (event) => {
  if (event.target.closest("[data-feedback-form]")) changed = true;
});
document.addEventListener("submit", (event) => {
  if (event.target === form() && !window.htmx) changed = false;
});
window.addEventListener("beforeunload", warnOfLoss);
document.addEventListener("htmx:beforeSwap", swapOrSay);
document.addEventListener("htmx:afterSwap", showNew);
document.addEventListener("htmx:sendError", () => say(`The portal cannot be reached. ${KEPT} Submit again in a moment.`));
window.addEventListener("blur", () => setTimeout(sayWhereKeysGo));
document.addEventListener("focusin", sayWhereKeysGo);
document.querySelectorAll("[data-viewer]").forEach(watchViewer);
