// The queue of QC by keyboard: a verdict, another image, the next case. What is shown comes from the server.

const IDLE_MS = 60_000;
const TICK_MS = 250;
const LOOK_MS = 300; // a key that is held, or pressed twice, must not judge the case that came after it

const page = () => document.querySelector("[data-qc]");
const find = (name) => page()?.querySelector(`[data-qc-${name}]`);
const all = (name) => [...(page()?.querySelectorAll(`[data-qc-${name}]`) ?? [])];
const keys = () => document.querySelector("[data-qc-keys]");
const isTyping = (target) => target.matches("textarea, select, input:not([type=radio], [type=checkbox])");

let shownAt = 0;
let lastActive = Date.now();
let active = 0;
let isSending = false;

// The time in which the case was in front and in use

function count() {
  const isInUse = document.visibilityState === "visible" && document.hasFocus() && Date.now() - lastActive < IDLE_MS;
  if (isInUse && !isSending) active += TICK_MS / 1000;
  const input = find("active");
  if (input) input.value = active.toFixed(2);
}

// Images

const fetched = new Map(); // kept, so that the browser keeps them decoded

function fetchAhead(addresses) {
  for (const address of addresses.filter(Boolean)) {
    if (fetched.has(address)) continue;
    const image = new Image();
    image.src = address;
    fetched.set(address, image);
  }
}

function show(small) {
  const { plain, overlaid, caption, width, height } = small.dataset;
  for (const [name, source, words] of [["plain", plain, "without"], ["overlaid", overlaid, "with"]]) {
    const image = find(name);
    Object.assign(image, { width, height, alt: `${caption}, ${words} the finding` });
    image.src = source;
  }
  find("caption").textContent = caption;
  for (const one of all("small")) one.setAttribute("aria-pressed", String(one === small));
  find("pair").classList.remove("qc-off");
}

function showBeside(step) {
  const smalls = all("small");
  const here = smalls.findIndex((one) => one.getAttribute("aria-pressed") === "true");
  if (smalls.length) show(smalls[(here + step + smalls.length) % smalls.length]);
}

function toggleOverlay() {
  const pressed = all("small").find((one) => one.getAttribute("aria-pressed") === "true");
  const image = find("overlaid");
  if (!pressed || !image) return;
  const isOff = find("pair").classList.toggle("qc-off");
  image.src = isOff ? pressed.dataset.plain : pressed.dataset.overlaid;
}

// Rejecting

const reasons = () => find("reasons");
const isRejecting = () => Boolean(reasons() && !reasons().hidden);

function askWhy() {
  if (!reasons()) return;
  reasons().hidden = false;
  find("choose").hidden = true;
  find("reject").setAttribute("aria-expanded", "true");
  (reasons().querySelector("input:checked") ?? reasons().querySelector("input")).focus();
}

function goBack() {
  reasons().hidden = true;
  for (const input of reasons().querySelectorAll("input[type=radio]")) input.checked = false;
  find("choose").hidden = false;
  find("reject").setAttribute("aria-expanded", "false");
  find("reject").focus();
}

function chooseReason(digit) {
  const input = reasons().querySelector(`[data-qc-digit="${digit}"]`);
  if (!input) return;
  input.checked = true;
  input.focus();
  find("said").replaceChildren();
}

function confirmRejection() {
  if (reasons().querySelector("input[type=radio]:checked")) find("confirm").click();
  else tell("Choose a reason: press its digit.");
}

function tell(words) {
  const said = document.createElement("span");
  said.className = "qc-word qc-wrong";
  said.textContent = words;
  find("said").replaceChildren(said);
}

// Keys

const ACTIONS = {
  a: () => find("accept")?.click(),
  r: askWhy,
  n: () => find("next")?.click(),
  u: () => find("last")?.click(),
  v: () => find("viewer")?.click(),
  o: toggleOverlay,
  ArrowLeft: () => showBeside(-1),
  ArrowRight: () => showBeside(1),
  "?": () => keys().showModal(),
};
const JUDGES = new Set(["a", "r", "n", "u"]);

function rejectByKey(event) {
  if (event.key === "Escape") goBack();
  else if (event.key === "Enter" && !event.target.closest("button, a")) confirmRejection();
  else if (/^[1-9]$/.test(event.key) && !isTyping(event.target)) chooseReason(event.key);
  else return;
  event.preventDefault();
}

function press(event) {
  if (!page() || document.querySelector("dialog:modal")) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (isRejecting()) return rejectByKey(event);
  if (event.target.matches("input, textarea, select")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const act = ACTIONS[key];
  if (!act) return;
  event.preventDefault();
  const isTooSoon = event.repeat || isSending || Date.now() - shownAt < LOOK_MS;
  if (JUDGES.has(key) && isTooSoon) return;
  act();
}

// Another case

function settle() {
  isSending = false;
  active = 0;
  shownAt = lastActive = Date.now();
  const smalls = all("small");
  fetchAhead(smalls.flatMap(({ dataset }) => [dataset.plain, dataset.overlaid]));
  const next = (page()?.dataset.nextPictures ?? "").split(" ");
  const kept = new Set([...next, ...smalls.flatMap(({ dataset }) => [dataset.plain, dataset.overlaid])]);
  for (const address of fetched.keys()) if (!kept.has(address)) fetched.delete(address);
  fetchAhead(next);
}

document.addEventListener("keydown", press);
document.addEventListener("click", ({ target }) => {
  const small = target.closest?.("[data-qc-small]");
  if (small) show(small);
  if (target.closest?.("[data-qc-reject]")) askWhy();
  if (target.closest?.("[data-qc-back]")) goBack();
  if (target.closest?.("[data-qc-help]")) keys().showModal();
});
for (const kind of ["pointermove", "pointerdown", "keydown", "wheel"]) {
  document.addEventListener(kind, () => (lastActive = Date.now()), { passive: true });
}
document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (detail.verb === "post" && find("active")) detail.parameters.active = active.toFixed(2);
});
document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (!detail.elt.matches("[data-qc-poll]")) isSending = true;
});
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  isSending = false;
  if (detail.successful || detail.xhr.status === 401) return;
  tell(detail.xhr.status ? `Nothing was kept (error ${detail.xhr.status}). Try again.` : "Nothing was kept: the portal cannot be reached. Try again.");
});
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  settle();
  if (!detail.requestConfig?.elt?.matches?.("[data-qc-poll]")) find("title")?.focus({ preventScroll: true });
});
setInterval(count, TICK_MS);
settle();
