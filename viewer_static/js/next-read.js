// From one read to the next without loading the viewer anew: the questions are exchanged, the viewer is asked for other
// images. Wherever that cannot be, the browser goes to the next read's page as to any other.

const LONGEST_MS = 30_000; // then the viewer is loaded anew
const SETTLED_MS = 1000; // from the first image to overlays and the images around it
const SIDE = "#read-side";

const frame = () => document.querySelector("[data-viewer]");
const cover = () => document.querySelector("[data-viewer-cover]");

let isReady = false; // whether the viewer said that it is there
let asked = ""; // the address that the viewer was told to show
let expected = ""; // the same while its images are on their way

// Show the read at `address`; what is to be done with it then is the caller's. False where it needs a page of its own.
export async function showRead(address) {
  if (!isReady) return false;
  cover().hidden = false;
  const next = await pageAt(address);
  if (!next) return false;
  history.pushState(null, "", address);
  document.title = next.title;
  const { open, draft, address: own, beside = "" } = next.querySelector("[data-read]").dataset;
  Object.assign(document.querySelector("[data-read]").dataset, { open, draft, address: own, beside });
  window.htmx.swap(SIDE, next.querySelector(SIDE).outerHTML, { swapStyle: "outerHTML", settleDelay: 0 });
  return true;
}

// The page there, if it is that of a read with images.
async function pageAt(address) {
  let answer;
  try {
    answer = await fetch(address, { redirect: "error" });
  } catch {
    return null;
  }
  if (!answer.ok) return null;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  return next.querySelector("[data-viewer]") && next.querySelector("[data-read]")?.dataset.open ? next : null;
}

// The images of the read that is open now.
export function showImages(address) {
  if (address === asked) return;
  asked = address;
  if (!frame().src) {
    frame().src = address;
    return;
  }
  expected = address;
  frame().contentWindow.postMessage({ overread: "go", address }, location.origin);
  setTimeout(() => expected === address && loadAnew(address), LONGEST_MS);
}

function loadAnew(address) {
  isReady = false;
  frame().addEventListener("load", uncover, { once: true });
  frame().src = address;
}

function uncover() {
  expected = "";
  cover().hidden = true;
}

function hear({ origin, source, data }) {
  if (origin !== location.origin || source !== frame()?.contentWindow) return;
  if (data?.overread === "ready") isReady = true;
  if (data?.overread !== "shown") return;
  if (rootIn(data.address) === rootIn(expected)) uncover();
  setTimeout(fetchAhead, SETTLED_MS);
}

// The page of the read that comes next, once nobody waits for this one's images any more.
function fetchAhead() {
  const { beside } = document.querySelector("[data-read]").dataset;
  if (!beside || document.querySelector(`link[rel=prefetch][href="${beside}"]`)) return;
  document.head.append(Object.assign(document.createElement("link"), { rel: "prefetch", as: "document", href: beside }));
}

const rootIn = (address) => new URL(address, location.href).searchParams.get("dicomweb");

window.addEventListener("message", hear);
// The way back and forward leads to a read's own page, also where it was gone before this script could hear of it.
const READ = /^\/reads\/[0-9a-f-]{36}\/$/;
const isOfAnother = () => READ.test(location.pathname) && location.pathname !== document.querySelector("[data-read]").dataset.address;

window.addEventListener("popstate", () => location.reload());
if (isOfAnother()) location.reload();
