// Copies what a field holds. Where the browser forbids it (no TLS), the text is marked for Ctrl+C.

async function copy(button) {
  const field = document.querySelector(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = button.dataset.copied;
  } catch (fault) {
    if (!(fault instanceof TypeError || fault instanceof DOMException)) throw fault;
    button.textContent = "Press Ctrl+C";
    field.focus();
    field.select();
  }
}

for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button));
