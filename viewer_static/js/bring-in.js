// Bring exams in: files go to the server one a request, a few at a time; what fails is tried again or listed.

import { dropped, filesOfEntries, filesOfInput, isIgnored, opened } from "./bring-in-files.js";
import { keyOf, remember, remembered } from "./bring-in-memory.js";
import { BadZip } from "./bring-in-zip.js";
import { ResultList, inBytes } from "./bring-in-results.js";
import { csrfToken } from "./csrf.js";

const AT_ONCE = 4, ATTEMPTS = 4, PAUSE_MS = 1000;
const KEPT = new Set(["new", "repeat", "quarantined", "waiting"]);
const SIGNED_OUT = "You are signed out. Sign in again in another tab, then go on.";

const panel = document.querySelector("[data-bring-in]");
const part = (name) => document.querySelector(`[data-${name}]`);
const state = { queue: [], total: 0, done: 0, bytes: 0, doneBytes: 0, running: 0, paused: false, startedAt: 0 };
const results = panel && new ResultList(part);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Stop extends Error {} // nothing more can be kept now, whatever the file

// Sending one file

async function send(file, to) {
  const content = await file.read();
  const response = await fetch(`${panel.dataset.bringIn}?to=${encodeURIComponent(to)}`, {
    method: "POST",
    body: content,
    redirect: "manual",
    headers: {
      "Content-Type": "application/octet-stream",
      "X-CSRFToken": csrfToken() || document.querySelector("meta[name=csrf-token]").content,
    },
  });
  if (response.type === "opaqueredirect") throw new Stop(SIGNED_OUT);
  if (!response.headers.get("Content-Type")?.includes("json")) {
    return { fate: "refused", sentence: `The server answered ${response.status}.`, again: response.status >= 500 };
  }
  const brought = await response.json();
  if (response.status === 507) throw new Stop(brought.sentence);
  return { ...brought, again: response.status === 503 };
}

// A connection that breaks and a database that is away for a moment are waited for; the rest is an answer.
async function sendWithPatience(file, to) {
  for (let attempt = 1; ; attempt += 1) {
    let brought;
    try {
      brought = await send(file, to);
    } catch (error) {
      if (error instanceof Stop) throw error;
      if (error instanceof BadZip) return { fate: "refused", sentence: error.message };
      const isNetwork = error instanceof TypeError;
      const sentence = isNetwork ? "The server cannot be reached." : `It cannot be read (${error.name}).`;
      brought = { fate: "refused", sentence, again: isNetwork };
    }
    if (!brought.again || attempt === ATTEMPTS) return brought;
    await wait(PAUSE_MS * 2 ** (attempt - 1));
  }
}

function withoutSending(file, skip) {
  if (isIgnored(file.name)) return { fate: "left out", sentence: "No image: a list or a note of a disc or a system." };
  if (file.obstacle) return { fate: "refused", sentence: file.obstacle };
  if (file.size > Number(panel.dataset.largest)) {
    return { fate: "refused", sentence: `Larger than ${inBytes(Number(panel.dataset.largest))}. Send it over DICOM.` };
  }
  return skip.has(keyOf(file, file.to)) ? { fate: "kept before" } : null;
}

// The queue

function count(file, brought) {
  state.done += 1;
  state.doneBytes += file.size;
  results.add(file, brought);
  if (KEPT.has(brought.fate)) remember(keyOf(file, file.to));
}

async function work() {
  state.running += 1;
  try {
    while (state.queue.length && !state.paused) {
      const file = state.queue.shift();
      try {
        count(file, withoutSending(file, state.skip) ?? (await sendWithPatience(file, file.to)));
      } catch (error) {
        state.queue.unshift(file);
        if (!(error instanceof Stop)) throw error;
        pause(error.message);
      }
      show();
    }
  } finally {
    state.running -= 1;
    show();
  }
}

function run() {
  state.paused = false;
  trouble("");
  while (state.running < Math.min(AT_ONCE, state.queue.length)) work();
  show();
}

function pause(why) {
  state.paused = true;
  trouble(why);
}

async function take(files) {
  const to = part("to").value;
  part("progress").hidden = false;
  part("said").textContent = "Looking";
  state.skip = part("skip").checked ? await remembered() : new Set();
  const found = (await opened(files)).map((file) => ({ ...file, to }));
  found.sort((one, other) => (one.name < other.name ? -1 : 1));
  if (!isBusy()) startAfresh();
  state.total += found.length;
  state.bytes += found.reduce((sum, file) => sum + file.size, 0);
  state.queue.push(...found);
  run();
}

function startAfresh() {
  Object.assign(state, { total: 0, done: 0, bytes: 0, doneBytes: 0, startedAt: Date.now() });
  results.clear();
}

function takeAgain() {
  const files = results.takeRefused();
  state.done -= files.length;
  state.doneBytes -= files.reduce((sum, file) => sum + file.size, 0);
  state.queue.push(...files);
  run();
}

// What the page says

const isBusy = () => state.queue.length > 0 || state.running > 0;

function trouble(why) {
  const line = part("trouble");
  line.hidden = !why;
  line.textContent = why ? `Stopped: ${why}` : "";
}

function said() {
  if (!state.total) return "There is no file in that.";
  if (state.paused && isBusy()) return "Paused";
  return isBusy() ? "Bringing in" : "Done";
}

function show() {
  const seconds = (Date.now() - state.startedAt) / 1000;
  const rate = isBusy() && seconds > 1 ? `, ${inBytes(state.doneBytes / seconds)}/s` : "";
  part("said").textContent = said();
  part("figures").textContent =
    `${state.done} of ${state.total} files, ${inBytes(state.doneBytes)} of ${inBytes(state.bytes)}${rate}`;
  part("bar").max = Math.max(1, state.total);
  part("bar").value = state.done;
  part("pause").hidden = !isBusy();
  part("pause").textContent = state.paused ? "Go on" : "Pause";
  part("retry").hidden = isBusy() || !results.hasRefused;
  results.show({ quietSeconds: Number(part("to").selectedOptions[0].dataset.quiet), isBusy: isBusy() });
}

function listen() {
  const drop = part("drop");
  const over = (event) => {
    event.preventDefault();
    drop.classList.toggle("is-over", event.type === "dragover");
  };
  // Beside the zone a drop would open the file instead of this page.
  for (const name of ["dragover", "dragleave"]) document.addEventListener(name, over);
  document.addEventListener("drop", async (event) => {
    over(event);
    const entries = dropped(event.dataTransfer);
    if (entries.length) await take(await filesOfEntries(entries));
  });
  for (const input of document.querySelectorAll("[data-choose]")) {
    input.addEventListener("change", async () => {
      const files = filesOfInput(input);
      input.value = ""; // so that the same folder can be chosen again
      if (files.length) await take(files);
    });
  }
  part("pause").addEventListener("click", () => (state.paused ? run() : (pause(""), show())));
  part("retry").addEventListener("click", takeAgain);
  window.addEventListener("beforeunload", (event) => {
    if (isBusy()) event.preventDefault();
  });
}

if (panel) listen();
