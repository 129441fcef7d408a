// The list of files with what became of each, filtered by fate. Long lists show their newest rows.

const ROWS_SHOWN = 300, DRAW_MS = 200;
const WORDS = {
  refused: ["Refused", "failed"],
  quarantined: ["Quarantined", "failed"],
  waiting: ["Kept, to be filed", "queued"],
  new: ["New", "succeeded"],
  repeat: ["Repeat", "skipped"],
  "kept before": ["Kept before", "skipped"],
  "left out": ["Left out", "skipped"],
};

export function inBytes(size) {
  if (size < 1000) return `${Math.round(size)} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = size;
  let unit = -1;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function row({ file, brought }) {
  const [word, looks] = WORDS[brought.fate];
  const made = document.createElement("tr");
  const state = document.createElement("td");
  state.append(element("span", `state state-${looks}`, word));
  made.append(
    element("td", "code bring-in-name", file.name),
    element("td", "number", inBytes(file.size)),
    state,
    element("td", "reason bring-in-why", brought.sentence ?? ""),
  );
  return made;
}

const canBeTriedAgain = ({ file, brought }) => brought.fate === "refused" && Boolean(file.read);

export class ResultList {
  constructor(part) {
    this.part = part;
    this.isDrawing = false;
    this.clear();
    part("fates").addEventListener("click", (event) => this.choose(event));
  }

  clear() {
    this.lines = [];
    this.counts = new Map();
    this.exams = new Set();
    this.fate = "";
    this.hasRefused = false;
  }

  add(file, brought) {
    const line = { file, brought };
    this.lines.push(line);
    this.hasRefused ||= canBeTriedAgain(line);
    this.counts.set(brought.fate, (this.counts.get(brought.fate) ?? 0) + 1);
    if (brought.exam) this.exams.add(brought.exam);
  }

  // The refused leave the list: they are tried again.
  takeRefused() {
    const again = this.lines.filter(canBeTriedAgain);
    this.lines = this.lines.filter((line) => !canBeTriedAgain(line));
    this.hasRefused = false;
    this.counts.set("refused", (this.counts.get("refused") ?? 0) - again.length);
    return again.map(({ file }) => file);
  }

  choose(event) {
    const link = event.target.closest("a");
    if (!link) return;
    event.preventDefault();
    this.fate = link.dataset.fate;
    this.draw();
  }

  // However fast files come, the list is drawn a few times a second.
  show(about) {
    this.about = about;
    if (this.isDrawing) return;
    this.isDrawing = true;
    setTimeout(() => {
      this.isDrawing = false;
      this.draw();
    }, DRAW_MS);
  }

  draw() {
    const chosen = this.lines.filter(({ brought }) => !this.fate || brought.fate === this.fate);
    const order = Object.keys(WORDS);
    const rank = ({ brought }) => (this.fate ? 0 : Math.min(order.indexOf(brought.fate), 3));
    const shown = chosen.reverse().sort((one, other) => rank(one) - rank(other)).slice(0, ROWS_SHOWN);
    this.part("empty").hidden = this.lines.length > 0;
    this.part("results").hidden = this.lines.length === 0;
    this.part("rows").replaceChildren(...shown.map(row));
    this.part("more").hidden = chosen.length <= ROWS_SHOWN;
    this.part("more").textContent = `and ${chosen.length - shown.length} more`;
    this.drawFates();
    this.drawExams();
  }

  drawFates() {
    const links = [["", `All ${this.lines.length}`]];
    for (const [fate, [word]] of Object.entries(WORDS)) {
      if (this.counts.get(fate)) links.push([fate, `${word} ${this.counts.get(fate)}`]);
    }
    const made = links.map(([fate, text]) => {
      const link = element("a", "", text);
      link.href = "#files";
      link.dataset.fate = fate;
      if (fate === this.fate) link.setAttribute("aria-current", "true");
      return link;
    });
    this.part("fates").replaceChildren(...(this.lines.length ? made : []));
  }

  drawExams() {
    const line = this.part("exams");
    line.hidden = this.exams.size === 0 || this.about.isBusy;
    const count = this.exams.size;
    const links = [...this.exams].slice(0, 20).map((address, index) => {
      const link = element("a", "", `exam ${index + 1}`);
      link.href = address;
      return link;
    });
    const words = `${count} exam${count === 1 ? "" : "s"}, complete after ${this.about.quietSeconds} s without a new image: `;
    line.replaceChildren(words, ...links.flatMap((link, index) => (index ? [", ", link] : [link])));
  }
}
