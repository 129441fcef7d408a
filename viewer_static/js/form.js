// A form as it is answered: keys, conditions, groups that grow, drawings from the viewer, and how long it was in use.
// The server checks everything again. [data-answer-form="page"] takes keys from the whole page, others only their own.

const FORM = "[data-answer-form]";
const CHOOSERS = "input[type=radio], input[type=checkbox]";
const ANSWERS = "input:not([type=hidden], [type=range]), textarea, select";
const IDLE_MS = 60_000;

const formAt = (element) => element?.closest?.(FORM) ?? document.querySelector('[data-answer-form="page"]');
const isShown = (element) => !element.closest("[hidden]");

export function isTyping(target) {
  return target.isContentEditable || target.matches?.("textarea, select, input:not([type=radio], [type=checkbox])");
}

// Keys

function fieldsOf(form) {
  return [...form.querySelectorAll("[data-field]")].filter(isShown);
}

// Digits answer the question that has the focus. Where that takes none, they answer the scale at or above it.
function fieldForDigits(form) {
  const fields = fieldsOf(form);
  const focused = document.activeElement.closest?.("[data-field]");
  if (focused?.querySelector("[data-digit]:not([data-digit=''])")) return focused;
  const upToFocus = focused ? fields.slice(0, fields.indexOf(focused) + 1) : fields.slice(0, 1);
  const isScale = (field) => field.dataset.type === "scale";
  return upToFocus.findLast(isScale) ?? fields.find(isScale);
}

// A letter of a group means the finding or segment that has the focus, else the first that is not answered.
function inputForLetter(letter, form) {
  const found = [...form.querySelectorAll(`[data-letter="${letter}"]`)].filter(isShown);
  const item = document.activeElement.closest?.("[data-item]");
  const isAnswered = (input) => input.closest("[data-field]").querySelector(":checked");
  return found.find((input) => item?.contains(input)) ?? found.find((input) => !isAnswered(input)) ?? found[0];
}

function inputFor(key, form) {
  if (/^[0-9]$/.test(key)) return fieldForDigits(form)?.querySelector(`[data-digit="${key}"]`);
  if (/^[a-z]$/i.test(key)) return inputForLetter(key.toLowerCase(), form);
  return null;
}

const firstOf = (field) => field?.querySelector("input:checked") ?? field?.querySelector(ANSWERS);

function focusNext(field, form) {
  const fields = fieldsOf(form);
  const next = fields[fields.indexOf(field) + 1];
  const target = firstOf(next) ?? next?.querySelector("button:not([hidden])") ?? form.querySelector("[data-submit]");
  target?.focus();
  if (target?.matches("input") && isTyping(target)) target.select();
}

// A question with one answer is done with it, so the focus moves on; one with several keeps it.
function focusAfter(input, form) {
  if (input.type === "radio") focusNext(input.closest("[data-field]"), form);
  else input.focus();
}

function answerByKey(event) {
  const form = formAt(event.target);
  if (!form || document.querySelector("dialog:modal")) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && event.target.matches("input") && event.target.closest(FORM)) {
    event.preventDefault();
    focusNext(event.target.closest("[data-field]"), form);
    return;
  }
  if (isTyping(event.target)) return;
  if (event.key === "+") return void groupForAdding(form)?.querySelector("[data-add]").click();
  const input = inputFor(event.key, form);
  if (!input) return;
  event.preventDefault();
  input.click();
  focusAfter(input, form);
}

// Conditions: fields look back only, so one pass in their order settles all. What is hidden is not sent.

function answersOf(name, form) {
  const inputs = [...form.querySelectorAll(`[name="${CSS.escape(name)}"]`)].filter((input) => !input.disabled);
  const given = inputs.filter((input) => !input.matches(CHOOSERS) || input.checked).map((input) => input.value.trim());
  return given.filter((value) => value !== "");
}

const isSame = (answer, value) => (typeof value === "number" ? Number(answer.replace(",", ".")) : answer) === value;

function holds({ name, test, values }, form) {
  const given = answersOf(name, form);
  if (test === "answered") return given.length > 0;
  if (test === "at-least") return given.some((answer) => Number(answer.replace(",", ".")) >= values[0]);
  return given.some((answer) => values.some((value) => isSame(answer, value)));
}

function applyConditions(form) {
  for (const field of form.querySelectorAll("[data-when]")) {
    field.hidden = !holds(JSON.parse(field.dataset.when), form);
    const inputs = field.querySelectorAll("input, textarea, select");
    for (const input of inputs) input.disabled = !isShown(input);
  }
}

// Groups that the reader makes longer

function groupForAdding(form) {
  const own = document.activeElement.closest?.("[data-group]");
  const groups = [...form.querySelectorAll("[data-group]")].filter((group) => isShown(group) && addOf(group));
  return groups.find((group) => group === own) ?? groups[0];
}

const addOf = (group) => group.querySelector("[data-add]:not([disabled])");
const itemsOf = (group) => [...group.querySelectorAll("[data-item]")];

function nameItems(group) {
  if (!group.dataset.noun) return;
  itemsOf(group).forEach((item, place) => {
    const name = `${group.dataset.noun} ${place + 1}`;
    item.querySelector("[data-item-name]").textContent = name;
    item.querySelector("[data-remove]")?.setAttribute("aria-label", `Remove ${name}`);
  });
  const add = group.querySelector("[data-add]");
  if (add) add.disabled = itemsOf(group).length >= Number(group.dataset.most);
}

function addItem(group) {
  const path = group.dataset.path;
  const numbers = [...group.querySelectorAll(`input[type=hidden][name="answer-${CSS.escape(path)}"]`)].map((input) =>
    Number(input.value),
  );
  const number = Math.max(-1, ...numbers) + 1;
  const blank = group.querySelector("template[data-blank]").innerHTML.replaceAll("__new__", String(number));
  group.querySelector("[data-items]").insertAdjacentHTML("beforeend", blank);
  settle(group.closest(FORM));
  firstOf(itemsOf(group).at(-1))?.focus();
}

function removeItem(item) {
  const group = item.closest("[data-group]");
  item.remove();
  settle(group.closest(FORM));
  group.querySelector("[data-add]").focus();
}

// Drawings: the page asks the viewer to let the reader draw, and is told what was drawn.

let waiting = null;

const viewer = () => document.querySelector("iframe[data-viewer]");
const inputOf = (drawn) => drawn.querySelector("input");

function askForDrawing(drawn) {
  waiting = drawn;
  drawn.querySelector("[data-says]").textContent = "Draw in the images now.";
  const frame = viewer();
  frame.contentWindow.postMessage({ overread: "draw", drawings: drawn.dataset.drawn.split(" ") }, location.origin);
  frame.focus();
}

const inWords = ({ type, points }) =>
  `${type} at ${points.slice(0, 4).map(([column, row]) => `(${Math.round(column)}, ${Math.round(row)})`).join(" ")}`;

function takeDrawing({ origin, source, data }) {
  if (origin !== location.origin || source !== viewer()?.contentWindow || data?.overread !== "drawn") return;
  const drawn = waiting?.isConnected ? waiting : null;
  if (!drawn || !drawn.dataset.drawn.split(" ").includes(data.drawing.type)) return;
  inputOf(drawn).value = JSON.stringify(data.drawing);
  drawn.querySelector("[data-says]").textContent = inWords(data.drawing);
  inputOf(drawn).dispatchEvent(new Event("input", { bubbles: true }));
}

function forgetDrawing(drawn) {
  inputOf(drawn).value = "";
  drawn.querySelector("[data-says]").textContent = "Nothing yet.";
  inputOf(drawn).dispatchEvent(new Event("input", { bubbles: true }));
  drawn.querySelector("[data-draw]:not([hidden]), summary").focus();
}

function showDrawingButtons(form) {
  for (const drawn of form.querySelectorAll("[data-drawn]")) {
    drawn.querySelector("[data-draw]").hidden = !viewer() || !drawn.dataset.drawn;
    drawn.querySelector("[data-forget]").hidden = !inputOf(drawn).value;
  }
}

// A slider moves the number beside it, and the number moves the slider

function matchSlider(target) {
  const field = target.closest(".field-confidence");
  if (!field) return;
  const [slider, number] = [field.querySelector("[data-slider]"), field.querySelector("[name]")];
  if (target === slider) number.value = slider.value;
  else if (number.value !== "") slider.value = number.value;
  slider.toggleAttribute("data-untouched", number.value === "");
}

// How long the page was in front and in use, viewer included

// A page that is busy with images is late to count, and makes up for it; one whose computer slept does not.
const LONGEST_STEP_MS = 5_000;
let lastActive = Date.now();
let countedAt = Date.now();
let rest = 0; // milliseconds that are no whole second yet
const markActive = () => (lastActive = Date.now());

function countActive() {
  const now = Date.now();
  const passed = Math.min(now - countedAt, LONGEST_STEP_MS);
  countedAt = now;
  const isInUse = document.visibilityState === "visible" && document.hasFocus() && now - lastActive < IDLE_MS;
  if (!isInUse) return;
  const seconds = Math.floor((rest + passed) / 1000);
  rest = (rest + passed) % 1000;
  for (const input of document.querySelectorAll("[data-active]")) input.value = Number(input.value) + seconds;
}

function listenIn(frame) {
  for (const kind of ["pointermove", "pointerdown", "keydown", "wheel"]) {
    frame.contentWindow.addEventListener(kind, markActive, { passive: true });
  }
}

function settle(form) {
  applyConditions(form);
  form.querySelectorAll("[data-group]").forEach(nameItems);
  showDrawingButtons(form);
}

function settleAll() {
  document.querySelectorAll(FORM).forEach(settle);
}

function press({ target }) {
  const button = target.closest?.("button");
  if (!button?.closest(FORM)) return;
  if (button.matches("[data-add]")) addItem(button.closest("[data-group]"));
  if (button.matches("[data-remove]")) removeItem(button.closest("[data-item]"));
  if (button.matches("[data-draw]")) askForDrawing(button.closest("[data-drawn]"));
  if (button.matches("[data-forget]")) forgetDrawing(button.closest("[data-drawn]"));
}

document.addEventListener("keydown", answerByKey);
document.addEventListener("click", press);
document.addEventListener("input", ({ target }) => {
  const form = target.closest(FORM);
  if (!form) return;
  matchSlider(target);
  settle(form);
});
window.addEventListener("message", takeDrawing);
for (const kind of ["pointermove", "pointerdown", "keydown", "wheel"]) {
  document.addEventListener(kind, markActive, { passive: true });
}
document.addEventListener("htmx:afterSwap", settleAll);
document.querySelectorAll("iframe[data-viewer]").forEach((frame) => {
  frame.addEventListener("load", () => listenIn(frame));
  if (frame.contentDocument?.readyState === "complete") listenIn(frame);
});
setInterval(countActive, 1000);
settleAll();
