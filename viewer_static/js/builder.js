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
  window.htmx.ajax("POST", stepUrl(editor), {
    source: builder(),
    target: "#builder",
    swap: "outerHTML",
    values: withState(values),
  });
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
document.addEventListener("htmx:afterSettle", focusStep);
