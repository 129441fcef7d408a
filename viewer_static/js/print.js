// A page for paper: its button opens the browser's own print dialogue.

document.querySelector("[data-print]")?.addEventListener("click", () => window.print());
