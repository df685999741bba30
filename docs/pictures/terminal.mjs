// What a terminal would show of standard input, as SVG: colours from escape sequences, the last lines
// where there are many. Usage: node terminal.mjs < OUTPUT > PICTURE.svg
import { readFileSync } from "node:fs";

const MOST_LINES = 34;
const MOST_COLUMNS = 118;
const colors = { 1: "bold", 2: "faint", 31: "red", 32: "green", 33: "yellow", 36: "cyan" };
const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

const all = readFileSync(0, "utf8").replace(/\r/g, "").replace(/\n+$/, "").split("\n");
const lines = all.length > MOST_LINES ? [all[0], "…", ...all.slice(2 - MOST_LINES)] : all;
const plain = (line) => line.replace(/\u001b\[[0-9;]*m/g, "");
const columns = Math.min(MOST_COLUMNS, Math.max(...lines.map((line) => [...plain(line)].length)));
const [width, height] = [columns * 8.4 + 32, lines.length * 18 + 32];

const row = (line, at) => {
  let style = "";
  const spans = line.split(/(\u001b\[[0-9;]*m)/).map((part) => {
    const codes = part.match(/^\u001b\[([0-9;]*)m$/);
    if (!codes) return part && `<tspan${style && ` class="${style}"`}>${escape(part)}</tspan>`;
    style = codes[1].split(";").map((code) => colors[Number(code)] ?? "").join(" ").trim();
    return "";
  });
  return `<text x="16" y="${at * 18 + 30}" xml:space="preserve">${spans.join("")}</text>`;
};

console.log(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<style>text{font:14px ui-monospace,Menlo,"DejaVu Sans Mono",monospace;fill:#e6edf3}.bold{font-weight:700}.faint{fill:#a5b0bc}.red{fill:#ff7b72}.green{fill:#7ee787}.yellow{fill:#ffc078}.cyan{fill:#76e3ea}</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${lines.map(row).join("\n")}
</svg>`);
