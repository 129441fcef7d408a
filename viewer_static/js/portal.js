// Small behaviours that every page shares: times that stay current, keys and menus.

const MINUTE = 60, HOUR = 3600, DAY = 86400;

// The same words as the server's `ago` filter.
function inWords(moment) {
  const seconds = (Date.now() - Date.parse(moment)) / 1000;
  if (seconds < 10) return "just now";
  if (seconds < MINUTE) return `${Math.floor(seconds)} s ago`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h ago`;
  if (seconds < 7 * DAY) return `${Math.floor(seconds / DAY)} d ago`;
  return moment.slice(0, 10);
}

function refreshTimes() {
  for (const element of document.querySelectorAll("time[data-ago]")) {
    const words = inWords(element.dateTime);
    if (element.textContent !== words) element.textContent = words;
  }
}

function isTyping(target) {
  return target.isContentEditable || target.closest("input, textarea, select");
}

// An element with data-key="n Enter" is pressed by those keys. Enter stays with whatever has the focus.
function pressByKey(event) {
  if (document.querySelector("dialog:modal")) return;
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  for (const element of document.querySelectorAll("[data-key]")) {
    if (element.dataset.key.split(" ").includes(key)) {
      event.preventDefault();
      element.click();
      return;
    }
  }
}

function closeMenus(event) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (event.type === "keydown" ? event.key === "Escape" : !menu.contains(event.target)) menu.open = false;
  }
}

document.addEventListener("keydown", pressByKey);
document.addEventListener("keydown", closeMenus);
document.addEventListener("click", closeMenus);
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});
document.addEventListener("htmx:afterSwap", refreshTimes);
setInterval(refreshTimes, 5000);
refreshTimes();
