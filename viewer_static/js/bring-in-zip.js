// The files of a zip, listed from its central directory (APPNOTE 4.3.12), each unpacked only when it is asked for.
// The server never sees a zip, so there is none that could hurt it.

const END = 0x06054b50, END64 = 0x06064b50, LOCATOR64 = 0x07064b50, ENTRY = 0x02014b50, LOCAL = 0x04034b50;
const END_LENGTH = 22, LOCATOR_LENGTH = 20, LONGEST_COMMENT = 65535, FULL = 0xffffffff;
const STORED = 0, DEFLATED = 8;
const DAMAGED = "The zip is damaged here. Pack it again.";

export class BadZip extends Error {}

const viewOf = async (blob, start, end) => new DataView(await blob.slice(start, end).arrayBuffer());
const long = (view, at) => Number(view.getBigUint64(at, true));

// Where the central directory lies.
async function directory(file) {
  const start = Math.max(0, file.size - END_LENGTH - LONGEST_COMMENT - LOCATOR_LENGTH);
  const tail = await viewOf(file, start, file.size);
  let at = tail.byteLength - END_LENGTH;
  while (at >= 0 && tail.getUint32(at, true) !== END) at -= 1;
  if (at < 0) throw new BadZip("The zip is cut short or is none. Pack it again.");
  const found = { size: tail.getUint32(at + 12, true), offset: tail.getUint32(at + 16, true) };
  const locator = at - LOCATOR_LENGTH;
  if (locator < 0 || tail.getUint32(locator, true) !== LOCATOR64) return found;
  const end = await viewOf(file, long(tail, locator + 8), long(tail, locator + 8) + 56);
  if (end.byteLength < 56 || end.getUint32(0, true) !== END64) throw new BadZip("The zip is damaged. Pack it again.");
  return { size: long(end, 40), offset: long(end, 48) };
}

// Sizes and offset that do not fit 32 bits stand in the extra field 1, in this order.
function widened(entry, view, at, length) {
  for (let here = at; here + 4 <= at + length; here += 4 + view.getUint16(here + 2, true)) {
    if (view.getUint16(here, true) !== 1) continue;
    let next = here + 4;
    for (const name of ["size", "packed", "offset"]) {
      if (entry[name] === FULL) {
        entry[name] = long(view, next);
        next += 8;
      }
    }
  }
  return entry;
}

function entryAt(view, at) {
  const nameLength = view.getUint16(at + 28, true), extraLength = view.getUint16(at + 30, true);
  const name = new Uint8Array(view.buffer, view.byteOffset + at + 46, nameLength);
  const entry = {
    name: new TextDecoder().decode(name),
    isEncrypted: Boolean(view.getUint16(at + 8, true) & 1),
    method: view.getUint16(at + 10, true),
    changed: view.getUint32(at + 12, true),
    checksum: view.getUint32(at + 16, true),
    packed: view.getUint32(at + 20, true),
    size: view.getUint32(at + 24, true),
    offset: view.getUint32(at + 42, true),
    length: 46 + nameLength + extraLength + view.getUint16(at + 32, true),
  };
  return widened(entry, view, at + 46 + nameLength, extraLength);
}

// The directory says how much there is; a bomb lies about that.
async function* atMost(stream, size) {
  let seen = 0;
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    seen += next.value.byteLength;
    if (seen > size) {
      await reader.cancel();
      throw new BadZip("It unpacks to more than the zip claims.");
    }
    yield next.value;
  }
  if (seen < size) throw new BadZip("It unpacks to less than the zip claims.");
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function checksum(chunk, before) {
  let value = before;
  for (let index = 0; index < chunk.length; index += 1) value = TABLE[(value ^ chunk[index]) & 255] ^ (value >>> 8);
  return value;
}

async function content(packed, entry) {
  if (entry.method !== STORED && entry.method !== DEFLATED) {
    throw new BadZip("It is packed by a method that is not supported. Unpack the zip, bring the folder.");
  }
  const plain = packed.stream();
  const stream = entry.method === STORED ? plain : plain.pipeThrough(new DecompressionStream("deflate-raw"));
  const chunks = [];
  let sum = ~0;
  for await (const chunk of atMost(stream, entry.size)) {
    sum = checksum(chunk, sum);
    chunks.push(chunk);
  }
  if (~sum >>> 0 !== entry.checksum) throw new BadZip(DAMAGED);
  return new Blob(chunks);
}

async function unpacked(file, entry) {
  const local = await viewOf(file, entry.offset, entry.offset + 30);
  if (local.byteLength < 30 || local.getUint32(0, true) !== LOCAL) throw new BadZip(DAMAGED);
  const start = entry.offset + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  try {
    return await content(file.slice(start, start + entry.packed), entry);
  } catch (error) {
    throw error instanceof TypeError ? new BadZip(DAMAGED) : error; // what the decompression says of bad bytes
  }
}

// `{name, size, changed, read}` of each file in the zip. Throws BadZip, with nothing taken, when it is encrypted.
export async function filesOfZip(file) {
  const { size, offset } = await directory(file);
  const view = await viewOf(file, offset, offset + size);
  const files = [];
  let at = 0;
  for (; at + 46 <= view.byteLength && view.getUint32(at, true) === ENTRY; ) {
    const entry = entryAt(view, at);
    at += entry.length;
    if (entry.isEncrypted) throw new BadZip("The zip is encrypted. Unpack it with its password, then bring the folder.");
    if (entry.name.endsWith("/")) continue;
    const changed = `${entry.changed} ${entry.checksum}`;
    files.push({ name: entry.name, size: entry.size, changed, read: () => unpacked(file, entry) });
  }
  if (view.byteLength < size || at < size) throw new BadZip("The zip is cut short. Pack it again.");
  return files;
}
