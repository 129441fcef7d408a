// A session that ends costs nothing that was entered, and shows nothing to who comes by. What was entered stays in the
// page, and nowhere else: it is sent again by the very request that was refused, once the same user has signed in.

import { csrfToken } from "./csrf.js";

const part = document.querySelector("[data-session]");
const warning = part.querySelector("[data-session-warning]");
const ended = part.querySelector("[data-session-ended]");
const signIn = ended.querySelector("form");
const { user: USER, state: STATE } = part.dataset;
const IDLE = Number(part.dataset.idle);
const WARN = Math.min(60, IDLE / 3);
const TELL = Math.min(60, IDLE / 4);

const SIGNED_OUT = "Nothing was done here for a while, or the session was ended elsewhere.";
const ANOTHER = "Somebody else signed in in this browser meanwhile.";
const UNREACHABLE = "The portal cannot be reached. Try again in a moment.";
const TOO_OLD = "This page is too old to sign in from. Sign in in another tab, then come back here.";

let endsAt = Date.now() + Number(part.dataset.seconds) * 1000;
let toldAt = Date.now();
let isTouched = false;
let isAsking = false;
let isOut = false;
const sends = new WeakMap(); // by element: how htmx sends its last request again
const pending = new Map(); // what was refused or held back, in order

// What the server knows

function useFreshToken() {
  const token = csrfToken();
  if (!token) return;
  document.querySelector("meta[name=csrf-token]").content = token;
  for (const input of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) input.value = token;
}

// Who is signed in, or null when the portal cannot be asked. POST is a sign of the user.
async function ask(method = "GET") {
  try {
    const headers = method === "POST" ? { "X-CSRFToken": csrfToken() } : {};
    const response = await fetch(STATE, { method, headers, credentials: "same-origin" });
    return response.ok ? await response.json() : null;
  } catch (fault) {
    if (fault instanceof TypeError || fault instanceof SyntaxError) return null;
    throw fault;
  }
}

async function look(method) {
  if (isAsking) return;
  isAsking = true;
  const state = await ask(method);
  isAsking = false;
  if (state) accept(state);
}

function accept(state) {
  if (state.user !== USER) {
    showSignedOut(state.user ? ANOTHER : SIGNED_OUT);
    return;
  }
  endsAt = Date.now() + state.seconds * 1000;
  if (isOut) comeBack();
}

// Time

function tick() {
  if (isOut) return;
  const left = (endsAt - Date.now()) / 1000;
  if (isTouched && Date.now() - toldAt > TELL * 1000) tell();
  else if (left <= WARN) warn(left);
  else if (warning.open) warning.close();
}

function tell() {
  isTouched = false;
  toldAt = Date.now();
  look("POST");
}

// Another tab may have made the session last longer, so the server is asked before anything is said.
async function warn(left) {
  if (!warning.open || left <= 0) await look("GET");
  const now = Math.max(0, (endsAt - Date.now()) / 1000);
  if (isOut || now > WARN) return;
  warning.querySelector("[data-session-countdown]").textContent = `${Math.ceil(now)} s`;
  if (!warning.open) warning.showModal();
}

function touched() {
  if (!warning.open) isTouched = true;
}

function listenTo(target) {
  for (const sign of ["keydown", "pointerdown", "wheel", "input"]) {
    target.addEventListener(sign, touched, { capture: true, passive: true });
  }
}

// Work in the images is work. A frame that shows an error page is not ours to look into.
function listenToFrame(frame) {
  try {
    if (frame.contentWindow?.document) listenTo(frame.contentWindow);
  } catch (fault) {
    if (fault.name !== "SecurityError") throw fault;
  }
}

// Signed out

function showSignedOut(why) {
  isOut = true;
  if (warning.open) warning.close();
  ended.querySelector("[data-session-why]").textContent = why;
  if (!ended.open) ended.showModal();
}

function comeBack() {
  isOut = false;
  useFreshToken();
  signIn.reset();
  say("");
  ended.close();
  const waiting = [...pending.values()];
  pending.clear();
  waiting.forEach((send) => send());
}

function say(problem) {
  const line = ended.querySelector("[data-session-problem]");
  line.textContent = problem;
  line.hidden = !problem;
}

async function signInAgain(event) {
  event.preventDefault();
  const body = new FormData(signIn);
  body.set("page_user", USER);
  const button = signIn.querySelector("button");
  button.disabled = true;
  const [answer, problem] = await post(signIn.action, body);
  button.disabled = false;
  if (answer) accept(answer);
  else {
    say(problem);
    signIn.elements.password.select();
  }
}

async function post(address, body) {
  try {
    const response = await fetch(address, { method: "POST", body, headers: { "X-CSRFToken": csrfToken() } });
    if (response.status === 403) return [null, TOO_OLD];
    const answer = await response.json();
    return response.ok ? [answer, ""] : [null, answer.problem];
  } catch (fault) {
    if (fault instanceof TypeError || fault instanceof SyntaxError) return [null, UNREACHABLE];
    throw fault;
  }
}

// Requests of htmx

function rememberHowToSend({ detail }) {
  sends.set(detail.elt, () => detail.issueRequest(true));
}

function nameTheUser({ detail }) {
  const token = csrfToken();
  detail.headers["X-Overread-User"] = USER;
  if (!token) return;
  detail.headers["X-CSRFToken"] = token;
  if (detail.parameters.csrfmiddlewaretoken) detail.parameters.csrfmiddlewaretoken = token;
}

// Parts that keep themselves up to date ask again by themselves; what a person sends is kept.
function keep(element, verb) {
  if (verb !== "get" && sends.has(element)) pending.set(element, sends.get(element));
}

function holdBack(event) {
  if (!isOut) return;
  event.preventDefault();
  keep(event.detail.elt, event.detail.requestConfig.verb);
}

function keepWhatWasRefused({ detail }) {
  if (detail.xhr.status !== 401) return;
  detail.shouldSwap = false;
  detail.isError = false;
  keep(detail.requestConfig.elt, detail.requestConfig.verb); // detail.elt is what would be swapped
  showSignedOut(detail.xhr.getResponseHeader("X-Overread-Another") ? ANOTHER : SIGNED_OUT);
}

// Forms that the browser sends itself: the answer takes the page's place, so the session is looked at first.

const checked = new WeakSet();

async function sendIfSignedIn(event) {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || form.method !== "post" || form.closest("[data-session]")) return;
  if (form.matches("[data-ends-session]")) return;
  event.preventDefault();
  if (checked.has(form)) return;
  checked.add(form);
  const state = await ask();
  checked.delete(form);
  if (!state || state.user === USER) {
    send(form, submitter);
    return;
  }
  pending.set(form, () => send(form, submitter));
  showSignedOut(state.user ? ANOTHER : SIGNED_OUT);
}

// As the browser would have: with the name of the button that was pressed, and to where that button says.
function send(form, submitter) {
  useFreshToken();
  const pressed = submitter?.name ? hidden(submitter) : null;
  const action = form.getAttribute("action");
  if (pressed) form.append(pressed);
  if (submitter?.hasAttribute("formaction")) form.setAttribute("action", submitter.getAttribute("formaction"));
  HTMLFormElement.prototype.submit.call(form);
  pressed?.remove();
  if (action === null) form.removeAttribute("action");
  else form.setAttribute("action", action);
}

function hidden({ name, value }) {
  const input = document.createElement("input");
  Object.assign(input, { type: "hidden", name, value });
  return input;
}

document.addEventListener("htmx:confirm", rememberHowToSend);
document.addEventListener("htmx:configRequest", nameTheUser);
document.addEventListener("htmx:beforeRequest", holdBack);
document.addEventListener("htmx:beforeSwap", keepWhatWasRefused);
document.addEventListener("submit", sendIfSignedIn);
signIn.addEventListener("submit", signInAgain);
ended.addEventListener("cancel", (event) => event.preventDefault());
ended.addEventListener("close", () => isOut && ended.showModal());
warning.querySelector("[data-session-stay]").addEventListener("click", () => {
  warning.close();
  tell();
});
document.addEventListener("visibilitychange", () => document.hidden || look("GET"));
window.addEventListener("focus", () => isOut && look("GET"));
document.addEventListener("overread:refused", () => look("GET")); // a page's own request was sent to the sign-in
listenTo(window);
for (const frame of document.querySelectorAll("iframe")) {
  frame.addEventListener("load", () => listenToFrame(frame));
  listenToFrame(frame);
}
setInterval(tick, 1000);
