// The form builder: an open question gets its fields, steps that change other fields draw all anew, focus stays useful.

const builder = () => document.getElementById("builder");
const stepUrl = (editor) => editor.getAttribute("hx-post");

// A question's fields are fetched when it is opened, so that they know what the others are called by now.
function fillEditor({ target }) {
  if (!target.matches?.("details[data-editor]")) return;
  const room = target.querySelector("[data-editor-room]");
  if (!target.open) {
    room.replaceChildren();
    return;
  }
  for (const other of document.querySelectorAll("details[data-editor][open]")) if (other !== target) other.open = false;
  if (room.childElementCount) return;
  window.htmx.ajax("GET", target.dataset.editor, { target: room, swap: "innerHTML" });
}

// The whole builder is drawn anew after a step that changes which fields there are.
function stepAll(editor, step) {
  const values = new FormData(editor);
  values.set("do", step);
  if (drawing) waiting.push({ values, url: stepUrl(editor) });
  else draw(values, stepUrl(editor));
}

function draw(values, url) {
  drawing = values;
  pressed = null;
  window.htmx.ajax("POST", url, {
    source: builder(),
    target: "#builder",
    swap: "outerHTML",
    values: withState(values),
  });
}

// What is pressed while the builder is drawn anew comes from a part that is about to go, and htmx drops silently what
// such a part asks for. So it waits here, and is asked for by the new builder.

const MOVES = ["up", "down"];
const SHIFTS = [...MOVES, "duplicate", "remove", "undo"];
const waiting = [];
let drawing = null;
let pressed = null; // the event of the step that is being drawn: htmx asks once more when the step had to queue

function holdStep(event) {
  const { elt: form, target, triggeringEvent } = event.detail;
  if (!builder()?.contains(form) || !form.matches("form") || form.closest("#preview")) return;
  if (drawing && triggeringEvent === pressed) return;
  const values = new FormData(form, triggeringEvent?.submitter);
  if (drawing) {
    event.preventDefault();
    waiting.push({ values, url: stepUrl(form) });
  } else if (target.id === "builder") {
    drawing = values;
    pressed = triggeringEvent;
  }
}

function goOn({ detail }) {
  if (!drawing || detail.target?.id !== "builder") return;
  const drawn = drawing;
  drawing = null;
  const next = waiting.shift();
  if (!next) return;
  const at = placeAfter(drawn, next.values);
  if (at === undefined) return refuse();
  if (at) next.values.set("at", at);
  next.values.set("whole", "");
  draw(next.values, next.url);
}

// Where what a waiting step speaks of stands by now; undefined where that is not known.
function placeAfter(drawn, next) {
  const at = next.get("at") ?? "";
  const step = drawn.get("do");
  if (!at || !SHIFTS.includes(step)) return at;
  if (at !== drawn.get("at") || step === "remove") return undefined;
  return MOVES.includes(step) ? builder().dataset.focus.replaceAll("q", ".q") : at;
}

function refuse() {
  waiting.length = 0;
  const line = Object.assign(document.createElement("p"), {
    className: "notice notice-warning",
    textContent: "What you did while the form was being drawn anew was not taken. Do it again.",
  });
  line.setAttribute("role", "alert");
  document.getElementById("builder-state").after(line);
}

function giveUp({ detail }) {
  if (!drawing || detail.successful || detail.requestConfig.target?.id !== "builder") return;
  drawing = null;
  if (waiting.length) refuse();
}

function withState(values) {
  for (const [name, value] of previewAnswers()) values.append(name, value);
  values.set("revision", document.getElementById("revision").value);
  return listed(values);
}

const previewAnswers = () => {
  const form = document.getElementById("preview-form");
  return form ? new FormData(form) : [];
};

// htmx takes several values of one name as a list.
function listed(values) {
  const all = {};
  for (const name of new Set(values.keys())) {
    const given = values.getAll(name);
    all[name] = given.length === 1 ? given[0] : given;
  }
  return all;
}

function redraw(event) {
  const step = event.target.dataset?.redraw;
  if (!step) return;
  event.stopPropagation();
  stepAll(event.target.form, step);
}

function press({ target }) {
  const button = target.closest?.("button[data-do]");
  if (button) stepAll(button.form, button.dataset.do);
}

// Enter in a field saves it: there is no page to send.
function keepOnPage(event) {
  if (event.target.getAttribute("hx-trigger") === "change") event.preventDefault();
}

function saveOnEnter(event) {
  if (event.key !== "Enter" || !event.target.matches(".builder-questions input:not([type=checkbox])")) return;
  event.preventDefault();
  event.target.dispatchEvent(new Event("change", { bubbles: true }));
}

// Alt and an arrow move the question or section that has the focus.
function moveByKey(event) {
  if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
  const line = event.target.closest(".builder-row-line, .builder-section-head");
  const button = line?.querySelector(`[name=do][value=${event.key === "ArrowUp" ? "up" : "down"}]`);
  if (!button) return;
  event.preventDefault();
  button.click();
}

function focusStep({ detail }) {
  if (detail.target?.matches("[data-editor-room]")) {
    const label = detail.target.querySelector("[data-focus-at]");
    label?.focus();
    label?.select();
    return;
  }
  const at = builder()?.dataset.focus;
  if (detail.target?.id !== "builder" || !at) return;
  const target = document.querySelector(`[data-focus-at="${at}"]`);
  if (!target || document.activeElement !== document.body) return;
  target.focus();
  if (target.value.startsWith("New ")) target.select();
}

document.addEventListener("toggle", fillEditor, { capture: true });
document.addEventListener("change", redraw, { capture: true });
document.addEventListener("click", press);
document.addEventListener("submit", keepOnPage);
document.addEventListener("keydown", saveOnEnter);
document.addEventListener("keydown", moveByKey);
document.addEventListener("htmx:confirm", holdStep);
document.addEventListener("htmx:afterSettle", focusStep);
document.addEventListener("htmx:afterSettle", goOn);
document.addEventListener("htmx:afterRequest", giveUp);
