// A drawing in the viewer that its page saves, by a button or Ctrl+S. ohif/portal/correction.js does it, and answers.
// A save that fails leaves the drawing in the viewer, to be saved again.

const KEPT = "What you drew is still in the viewer.";

export const frame = () => document.querySelector("iframe[data-viewer]");

// isOpen: whether there is something to be saved now. told: the line for problems. show: after each change, with words
// for it where there are some. saved: once the portal has it.
export function drawingOf({ isOpen, told, show, saved }) {
  let isSaving = false;
  let isUnsaved = false;

  function complain(problem) {
    const line = told();
    if (!line) return;
    line.textContent = problem;
    line.hidden = problem === "";
    if (problem) line.scrollIntoView({ block: "nearest" });
  }

  function save(more = {}) {
    if (!isOpen() || isSaving) return;
    isSaving = true;
    complain("");
    show("Saving\u2026");
    frame().contentWindow.postMessage({ overread: "save", ...more }, location.origin);
  }

  function forget() {
    isSaving = isUnsaved = false;
  }

  function settle(problem) {
    isSaving = false;
    isUnsaved = Boolean(problem);
    show(problem ? "Not saved" : "");
    if (problem) complain(`${problem} ${KEPT}`);
    else saved();
  }

  window.addEventListener("message", ({ origin, source, data }) => {
    if (origin !== location.origin || source !== frame()?.contentWindow) return;
    if (data?.overread === "saved") settle(data.problem);
    if (data?.overread !== "mask-changed" || isUnsaved || !isOpen()) return;
    isUnsaved = true;
    show(isSaving ? "" : "Changed, not saved");
  });
  window.addEventListener("beforeunload", (event) => {
    if (isUnsaved) event.preventDefault();
  });
  return {
    get isSaving() {
      return isSaving;
    },
    get isUnsaved() {
      return isUnsaved;
    },
    complain,
    forget,
    save,
  };
}

// Keys that the page takes before the form or the viewer does, wherever the keyboard is.
export function takeKeys(pressed) {
  document.addEventListener("keydown", pressed, { capture: true });
  frame()?.addEventListener("load", () => frame().contentWindow.addEventListener("keydown", pressed, { capture: true }));
}

export const isSaveKey = (event) => (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s";

export function takeEvent(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}
