// The viewer in its frame beside a form: a word when it does not load, and the way of the keyboard between the two.

import { isTyping } from "./form.js";

const LONGEST_START_MS = 45_000;
const CHOOSERS = "input[type=radio], input[type=checkbox]";

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
  let late = null;
  const check = () => {
    fault.hidden = !hasFailed(frame);
    if (fault.hidden) frame.contentWindow.addEventListener("keydown", comeBack, { capture: true });
    clearTimeout(late);
    late = setTimeout(() => (fault.hidden = false), LONGEST_START_MS);
  };
  window.addEventListener("message", ({ origin, source, data }) => {
    if (origin !== location.origin || source !== frame.contentWindow || data?.overread !== "ready") return;
    clearTimeout(late);
    fault.hidden = true;
  });
  frame.addEventListener("load", check);
  if (frame.contentDocument?.readyState === "complete" && frame.contentWindow.location.href !== "about:blank") check();
}

// The images have keys of their own. Q brings the keyboard back to the questions.
function comeBack(event) {
  if (event.key.toLowerCase() !== "q" || event.ctrlKey || event.metaKey || isTyping(event.target)) return;
  const within = document.querySelector("[data-feedback-form]") ?? document.getElementById("feedback");
  window.focus();
  (within.querySelector("input:checked") ?? within.querySelector(CHOOSERS) ?? within).focus();
}

function sayWhereKeysGo() {
  const line = document.querySelector("[data-keys-elsewhere]");
  if (line) line.hidden = document.activeElement?.tagName !== "IFRAME";
}

window.addEventListener("blur", () => setTimeout(sayWhereKeysGo));
document.addEventListener("focusin", sayWhereKeysGo);
document.querySelectorAll("[data-viewer]").forEach(watchViewer);
