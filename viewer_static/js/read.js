// The page of a read: it claims the read, shows the images, saves what is entered, and counts the time in use.

import "./form.js";
import { csrfToken } from "./csrf.js";
import { isChanged, KEPT, markChanged, markSaved, say } from "./kept-form.js";
import { showImages, showRead } from "./next-read.js";
import { forgetMeasurements } from "./read-measurements.js";
import "./viewer-frame.js";

const SAVE_AFTER_MS = 1000;
const TRY_AGAIN_MS = 5000;

const page = document.querySelector("[data-read]");
const form = () => document.querySelector("[data-feedback-form]");
const isOpen = () => Boolean(form() && page?.dataset.open);
const state = () => form()?.querySelector("[data-save-state]");

function tell(words) {
  if (state()) state().textContent = words;
}

function post(address, body) {
  body.set("csrfmiddlewaretoken", csrfToken());
  return fetch(address, { method: "POST", body, redirect: "manual" });
}

// Opening: the images' address comes with the claim, so that a page which was fetched before its turn shows nothing.

async function open() {
  let answer;
  try {
    answer = await post(page.dataset.open, new FormData());
  } catch {
    return say("The portal cannot be reached, so the images are not here yet. Reload the page in a moment.");
  }
  if (answer.ok) return start(await answer.json());
  if (answer.type === "opaqueredirect") document.dispatchEvent(new Event("overread:refused"));
  const [navigation] = performance.getEntriesByType("navigation");
  if (answer.status === 409 && navigation.type !== "reload") return location.reload();
  if (answer.status === 409) return say((await answer.json()).problem);
  say("This read cannot be opened now. Go to My work, and open it from there.");
}

function start({ claim, active, viewer, place }) {
  // A page that was fetched before its turn counted from then.
  document.querySelector("[data-place]").textContent = place;
  document.title = document.title.replace(/^Read \d+ of \d+/, place);
  form().querySelector("[name=claim]").value = claim;
  const counted = form().querySelector("[data-active]");
  counted.value = Math.max(active, Number(counted.value));
  showImages(viewer);
  page.querySelectorAll("[data-viewer-link]").forEach((link) => (link.href = viewer));
  form().querySelector("[data-claim]").hidden = true;
  document.dispatchEvent(new Event("overread:claimed"));
}

// After the submission: the answer names where to go.

let isLeaving = false;

async function goOn(event) {
  const address = event.detail.xhr.getResponseHeader("HX-Redirect");
  if (!address?.startsWith("/reads/") || event.detail.target?.id !== "feedback") return;
  event.preventDefault();
  isLeaving = true;
  if (!(await showRead(address))) return location.assign(address);
  isLeaving = false;
  forgetMeasurements();
  open();
}

function send(event) {
  clearTimeout(timer);
  if (isLeaving) event.preventDefault();
}

// Saving

let timer = null;
let isSaving = false;

function saveSoon(after = SAVE_AFTER_MS) {
  clearTimeout(timer);
  timer = setTimeout(save, after);
}

async function save() {
  if (!isOpen() || isLeaving || !form().querySelector("[name=claim]").value) return;
  if (isSaving) return saveSoon();
  isSaving = true;
  markSaved();
  const { draft } = page.dataset;
  try {
    const answer = await post(draft, new FormData(form()));
    if (draft === page.dataset.draft && !isLeaving) await settle(answer);
  } catch {
    keepTrying("Not saved: the portal cannot be reached. Trying again.");
  } finally {
    isSaving = false;
  }
}

async function settle(answer) {
  if (answer.status === 204) {
    if (!isChanged()) tell(`Saved ${new Date().toTimeString().slice(0, 8)}`);
    return;
  }
  if (answer.status === 409) {
    const { problem, claimed } = await answer.json();
    say(problem);
    tell("Not saved");
    if (form()) form().querySelector("[data-claim]").hidden = !claimed;
    return;
  }
  if (answer.type === "opaqueredirect") {
    document.dispatchEvent(new Event("overread:refused"));
    return keepTrying(`You are signed out. ${KEPT}`);
  }
  keepTrying(`Not saved (error ${answer.status}). Trying again.`);
}

function keepTrying(words) {
  markChanged();
  tell(words);
  saveSoon(TRY_AGAIN_MS);
}

// The clock shows what form.js counts.

function showTime() {
  const seconds = Number(form()?.querySelector("[data-active]")?.value ?? 0);
  const shown = `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
  const clock = document.querySelector("[data-clock]");
  if (clock && clock.textContent !== shown) clock.textContent = shown;
}

document.addEventListener("input", (event) => {
  if (event.target.closest("[data-feedback-form]") && isOpen()) saveSoon();
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-claim]")) open().then(() => save()).then(() => say(""));
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden" && isChanged()) save();
});
document.addEventListener("htmx:beforeRequest", send);
document.addEventListener("htmx:beforeOnLoad", goOn);
if (isOpen()) open();
setInterval(showTime, 1000);
