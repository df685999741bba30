// What a terminal shows of the demo, as SVG: the picture that is drawn anew all the while, as it is when
// the clock has passed MOMENT, and the summary under it. Reads what a program writes to a terminal.
// Usage: node terminal.mjs COMMAND COLUMNS MOMENT FIRST < OUTPUT > PICTURE.svg; the terminal had so many
// COLUMNS, and the summary is shown from the line on that holds the words FIRST.
import { readFileSync } from "node:fs";

const [command, terminal, moment, first] = process.argv.slice(2);
const styles = { 1: "bold", 2: "faint", "38;5;28": "green", "1;38;5;160": "bold red", "38;5;166": "orange", 36: "cyan" };
const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

// A terminal of no height: lines of cells, each a character with its style.
let [lines, row, column, style] = [[[]], 0, 0, ""];
const text = (line) => line.map((cell) => cell?.[0] ?? " ").join("").trimEnd();
const clock = () => lines.map((line) => text(line).match(/^time +(\d+:\d\d)/)?.[1]).find(Boolean);
const down = () => {
  row += 1;
  lines[row] ??= [];
};
const put = (character) => {
  if (column === Number(terminal)) [down(), (column = 0)];
  lines[row][column] = [character, style];
  column += 1;
};

let drawn;
for (const [token, code, letter] of readFileSync(0, "utf8").matchAll(/\u001b\[([0-9;?]*)([A-Za-z])|\u001b.|[^]/gu)) {
  const count = Number(code) || 1;
  if (letter === "A") {
    // A frame is complete when the next one begins.
    const now = clock();
    if (!drawn && now && now >= moment) drawn = lines.map((line) => [...line]);
    row = Math.max(0, row - count);
  } else if (letter === "B") for (let step = 0; step < count; step += 1) down();
  else if (letter === "K") lines[row] = code === "2" ? [] : lines[row].slice(0, column);
  else if (letter === "J") lines.length = row + 1;
  else if (letter === "m") style = styles[code] ?? "";
  else if (token === "\r") column = 0;
  else if (token === "\n") [down(), (column = 0)];
  else if (token >= " ") put(token);
}
if (!drawn) throw new Error(`no clock has passed ${moment}`);
const begins = lines.findIndex((line) => text(line).includes(first));
if (begins < 0) throw new Error(`no line says ${first}`);
const summary = lines.slice(begins);
const prompt = [...`$ ${command}`].map((character) => [character, "bold"]);
const trimmed = (of) => {
  const filled = of.map((line) => text(line) !== "");
  return of.slice(Math.max(0, filled.indexOf(true)), filled.lastIndexOf(true) + 1);
};
const shown = [prompt, [], ...trimmed(drawn), [], ...trimmed(summary)];

const [cell, leading, margin] = [8.43, 18, 16];
const columns = Math.max(...shown.map((line) => text(line).length));
const [width, height] = [Math.ceil(columns * cell + 2 * margin), shown.length * leading + 2 * margin];
// Each run of one style has its own place and length, whatever the font's width.
const drawRow = (line, at) => {
  const runs = [];
  for (let from = 0; from < text(line).length; from += 1) {
    const [character, kind] = line[from] ?? [" ", ""];
    const run = runs.at(-1);
    if (run && run.kind === kind) run.text += character;
    else runs.push({ from, kind, text: character });
  }
  const drawnRuns = runs.filter((run) => run.text.trim()).map((run) => {
    const length = (run.text.length * cell).toFixed(1);
    const of = run.kind && ` class="${run.kind}"`;
    return `<tspan x="${(margin + run.from * cell).toFixed(1)}" textLength="${length}"${of}>${escape(run.text)}</tspan>`;
  });
  return drawnRuns.length === 0 ? "" : `<text y="${at * leading + 30}" xml:space="preserve">${drawnRuns.join("")}</text>`;
};

console.log(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<style>text{font:14px ui-monospace,Menlo,"DejaVu Sans Mono",monospace;fill:#e6edf3}.bold{font-weight:700}.faint{fill:#a5b0bc}.red{fill:#ff7b72}.green{fill:#7ee787}.orange{fill:#ffc078}.cyan{fill:#76e3ea}</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${shown.map(drawRow).filter(Boolean).join("\n")}
</svg>`);
