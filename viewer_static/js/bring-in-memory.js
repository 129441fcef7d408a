// What this browser has brought before, so that the same folder dropped again goes on where it was cut off.
// Kept as digests: a path may name a patient. Only a shortcut, since what is sent twice is counted as a repeat.

const STORE = "kept";

// cyrb53: two 32-bit mixes of the text, enough to tell a few million files apart.
export function digest(text) {
  let a = 0xdeadbeef, b = 0x41c6ce57;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return 4294967296 * (2097151 & b) + (a >>> 0);
}

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function store(mode) {
  const opening = indexedDB.open("bring-in", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  return (await done(opening)).transaction(STORE, mode).objectStore(STORE);
}

export const keyOf = (file, to) => digest([to, file.name, file.size, file.changed].join("\0"));

// A browser that remembers nothing (a private window, for one) sends everything.
export async function remembered() {
  try {
    return new Set(await done((await store("readonly")).getAllKeys()));
  } catch {
    return new Set();
  }
}

export async function remember(key) {
  try {
    await done((await store("readwrite")).put(Date.now(), key));
  } catch {
    // Nothing is lost: the file is sent again next time and counted as a repeat.
  }
}
