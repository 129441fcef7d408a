// In a window of its own, work in the images keeps its user signed in. Inside a page, the page's own script sees to that.

import { csrfToken } from './requests.js';

const TELL_SECONDS = 60;
let toldAt = Date.now();

function tellOfWork() {
  if (Date.now() - toldAt < TELL_SECONDS * 1000) return;
  toldAt = Date.now();
  fetch('/session/', { method: 'POST', headers: { 'X-CSRFToken': csrfToken() } }).catch(() => {
    toldAt = 0; // the portal is away: the next sign of work tells it
  });
}

export function tellOfWorkInAWindowOfItsOwn() {
  if (globalThis.parent !== globalThis) return;
  for (const sign of ['keydown', 'pointerdown', 'wheel']) {
    window.addEventListener(sign, tellOfWork, { capture: true, passive: true });
  }
}
