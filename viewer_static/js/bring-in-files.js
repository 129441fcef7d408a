// What was dropped or chosen, as one list of files: `{name, size, changed, read}`, or `{name, size, obstacle}`.

import { BadZip, filesOfZip } from "./bring-in-zip.js";

const IGNORED = new Set(["dicomdir", ".ds_store", "thumbs.db", "desktop.ini"]);

const ofDisk = (file, name) => ({ name, size: file.size, changed: file.lastModified, read: async () => file, file });

// What a disc or an operating system adds: the list of the images, and its own notes.
export function isIgnored(name) {
  const parts = name.split("/");
  const last = parts.at(-1);
  return IGNORED.has(last.toLowerCase()) || last.startsWith("._") || parts.includes("__MACOSX");
}

const entriesOf = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

async function* walk(entry) {
  const name = entry.fullPath.replace(/^\//, "");
  try {
    if (entry.isFile) {
      yield ofDisk(await fileOf(entry), name);
      return;
    }
    const reader = entry.createReader();
    for (let batch = await entriesOf(reader); batch.length; batch = await entriesOf(reader)) {
      for (const inner of batch) yield* walk(inner);
    }
  } catch (error) {
    yield { name, size: 0, obstacle: `It cannot be read (${error.name}).` };
  }
}

// Entries have to be taken while the drop is handled: afterwards the list is empty.
export function dropped(transfer) {
  return [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
}

export async function filesOfEntries(entries) {
  const files = [];
  for (const entry of entries) {
    for await (const file of walk(entry)) files.push(file);
  }
  return files;
}

export function filesOfInput(input) {
  return [...input.files].map((file) => ofDisk(file, file.webkitRelativePath || file.name));
}

const mayBeZip = (one, files) => !one.obstacle && (files.length === 1 || /\.zip$/i.test(one.name));

async function isZip(file) {
  const start = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  return start[0] === 0x50 && start[1] === 0x4b && (start[2] === 3 || start[2] === 5);
}

// A zip's files stand in its place. One that cannot be opened stays, with its reason.
export async function opened(files) {
  const all = [];
  for (const one of files) {
    try {
      if (mayBeZip(one, files) && (await isZip(one.file))) {
        for (const inner of await filesOfZip(one.file)) all.push({ ...inner, name: `${one.name}/${inner.name}` });
      } else {
        all.push(one);
      }
    } catch (error) {
      const obstacle = error instanceof BadZip ? error.message : `It cannot be read (${error.name}).`;
      all.push({ name: one.name, size: one.size, obstacle });
    }
  }
  return all;
}
