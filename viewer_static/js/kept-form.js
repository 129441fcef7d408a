// Nothing that was entered is lost: not by leaving, not by an error, not by a session that ended.

import { csrfToken } from "./csrf.js";

const form = () => document.querySelector("[data-feedback-form]");
export const KEPT = "Your answers are still here, and not saved.";

let changed = false;

export const isChanged = () => changed;

export function markSaved() {
  changed = false;
}

export function markChanged() {
  changed = true;
}

function warnOfLoss(event) {
  if (changed && form()) event.preventDefault();
}

export function say(problem) {
  const line = form()?.querySelector("[data-problem]");
  if (!line) return;
  line.textContent = problem;
  line.hidden = problem === "";
  if (problem) line.scrollIntoView({ block: "nearest" });
}

function useFreshToken({ detail }) {
  const token = csrfToken();
  if (!token || !detail.parameters.csrfmiddlewaretoken) return;
  detail.parameters.csrfmiddlewaretoken = token;
  detail.headers["X-CSRFToken"] = token;
}

const pathOf = (address) => new URL(address, location.href).pathname;

// 409 and 422 bring the form back with everything in it. Any other refusal leaves the form as it stands.
function swapOrSay({ detail }) {
  const { xhr } = detail;
  if (!detail.target?.matches("#feedback")) return;
  const isOurs = pathOf(xhr.responseURL) === pathOf(detail.pathInfo.requestPath);
  detail.shouldSwap = isOurs && [200, 409, 422].includes(xhr.status);
  if (detail.shouldSwap) {
    detail.isError = false;
    return;
  }
  say(isOurs ? refusal(xhr.status) : `You are signed out. ${KEPT} Sign in in another tab, then submit again.`);
}

export function refusal(status) {
  if (status === 403) return `The portal did not take this from you. ${KEPT} Sign in again in another tab, then submit.`;
  if (status === 404) return `This is no longer open to you. ${KEPT} Ask the study's coordinator.`;
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

document.addEventListener("input", (event) => {
  if (event.target.closest("[data-feedback-form]")) changed = true;
});
document.addEventListener("submit", (event) => {
  if (event.target === form() && !window.htmx) changed = false;
});
window.addEventListener("beforeunload", warnOfLoss);
document.addEventListener("htmx:configRequest", useFreshToken);
document.addEventListener("htmx:beforeOnLoad", ({ detail }) => {
  if (detail.xhr.getResponseHeader("HX-Redirect")) markSaved();
});
document.addEventListener("htmx:beforeSwap", swapOrSay);
document.addEventListener("htmx:afterSwap", showNew);
document.addEventListener("htmx:sendError", () => say(`The portal cannot be reached. ${KEPT} Submit again in a moment.`));
