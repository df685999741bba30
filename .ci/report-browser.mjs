// What must hold of the report's pages in a browser. Screenshots are taken only where a folder for them is
// named. Usage: CHROMIUM=… node check.mjs PAGES [SCREENSHOTS]
import { readdirSync, readFileSync, statSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [pagesFolder, screenshots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const MOST_BYTES = 400_000;
const MOST_MILLISECONDS = 1_000;
// A busy machine is no fault of the page: the fastest of so many openings counts.
const OPENINGS = 5;
const views = [
  { name: "light", colorScheme: "light", width: 1280 },
  { name: "dark", colorScheme: "dark", width: 1280 },
  { name: "narrow", colorScheme: "light", width: 390 },
];

const faults = [];
const fault = (page, view, text) => {
  faults.push(`${page} ${view}: ${text}`);
  console.log(`FAULT ${page} ${view}: ${text}`);
};

// Visible pieces of text that cover one another, and text that leaves the window.
const layout = () => {
  const shown = (element) => {
    for (let at = element; at; at = at.parentElement) {
      if (Number(getComputedStyle(at).opacity) === 0) return false;
      // What is folded or scrolled away covers nothing.
      if (at.tagName === "DETAILS" && !at.open && !element.closest("summary")) return false;
    }
    return getComputedStyle(element).visibility !== "hidden";
  };
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  const flaws = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.textContent.trim() || !shown(node.parentElement)) continue;
    const scrolls = node.parentElement.closest(".scroll");
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (box.width < 1 || box.height < 1) continue;
      if (!scrolls && (box.right > innerWidth + 1 || box.left < -1) && !node.parentElement.closest(".skip"))
        flaws.push(`"${node.textContent.trim().slice(0, 40)}" leaves the window`);
      boxes.push({ node, box, scrolls });
    }
  }
  boxes.sort((a, b) => a.box.top - b.box.top);
  for (let i = 0; i < boxes.length; i += 1) {
    for (let j = i + 1; j < boxes.length && boxes[j].box.top < boxes[i].box.bottom - 3; j += 1) {
      const [a, b] = [boxes[i], boxes[j]];
      if (a.node === b.node || a.scrolls !== b.scrolls) continue;
      const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (across > 2 && down > 3)
        flaws.push(`"${a.node.textContent.trim().slice(0, 30)}" and "${b.node.textContent.trim().slice(0, 30)}" overlap`);
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) flaws.push(`the page scrolls sideways: ${document.documentElement.scrollWidth} px`);
  return flaws.slice(0, 5);
};

const screenshot = async (page, name, options = {}) => {
  if (screenshots) await page.screenshot({ path: join(screenshots, `${name}.png`), ...options });
};

// Milliseconds from the first byte asked for to everything drawn, by the browser's own clock.
const open = async (page, url) => {
  let fastest = Infinity;
  for (let opening = 0; opening < OPENINGS && fastest > MOST_MILLISECONDS; opening += 1) {
    await page.goto(url, { waitUntil: "load" });
    const took = await page.evaluate(() => new Promise((done) => requestAnimationFrame(() =>
      setTimeout(() => done(performance.now() - performance.getEntriesByType("navigation")[0].startTime)))));
    fastest = Math.min(fastest, took);
  }
  return fastest;
};

const visibleTips = (page) =>
  page.$$eval(".tip", (tips) => tips.filter((tip) => Number(getComputedStyle(tip).opacity) > 0.5).map((tip) => tip.textContent));

const data = mkdtempSync(join(tmpdir(), "report-browser-"));
const browser = await chromium.launchPersistentContext(data, {
  executablePath: process.env.CHROMIUM,
  headless: true,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const files = readdirSync(pagesFolder).filter((name) => name.endsWith(".html")).sort();
  if (files.length < 7) throw new Error(`only ${files.length} pages in ${pagesFolder}`);
  for (const file of files) {
    const name = file.replace(/\.html$/, "");
    const url = pathToFileURL(join(pagesFolder, file)).href;
    const size = statSync(join(pagesFolder, file)).size;
    if (name !== "several" && size > MOST_BYTES) fault(name, "file", `${size} bytes`);
    let slowest = 0;
    for (const view of views) {
      const page = await browser.newPage();
      const complaints = [];
      page.on("console", (message) => complaints.push(message.text()));
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("request", (request) => request.url() !== url && complaints.push(`asks for ${request.url()}`));
      await page.setViewportSize({ width: view.width, height: 900 });
      await page.emulateMedia({ colorScheme: view.colorScheme });
      const took = await open(page, url);
      slowest = Math.max(slowest, took);
      if (took > MOST_MILLISECONDS) fault(name, view.name, `took ${took.toFixed()} ms to open`);
      for (const complaint of complaints) fault(name, view.name, complaint);
      for (const flaw of await page.evaluate(layout)) fault(name, view.name, flaw);
      await screenshot(page, `${name}-${view.name}`, { fullPage: true });

      // Colours that were asked for.
      const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const dark = paper.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) < 200;
      if (dark !== (view.colorScheme === "dark")) fault(name, view.name, `the paper is ${paper}`);

      // Hovering a bar shows its figures, and nothing else's.
      const bars = await page.$$(".bars a");
      const bar = bars[Math.floor(bars.length / 3)];
      await bar.scrollIntoViewIfNeeded();
      await (await bar.$(".area")).hover({ force: true });
      let tips = await visibleTips(page);
      const metrics = name.endsWith("metrics") || name === "several";
      if (tips.length !== 1 || !/shard/i.test(tips[0]) || !/of the keys from/.test(tips[0]))
        fault(name, view.name, `hovering shows ${JSON.stringify(tips)}`);
      if (name.endsWith("metrics") && !/bytes \d+\.\d\s%/.test(tips[0] ?? "")) fault(name, view.name, `no figures in ${tips[0]}`);
      if (name.endsWith("bare") && !/load not known/.test(tips[0] ?? "")) fault(name, view.name, `unknown looks known: ${tips[0]}`);
      for (const flaw of await page.evaluate(layout)) fault(name, `${view.name}, hovered`, flaw);
      await page.mouse.move(0, 0);

      // Tabbing reaches bars, shows their figures, and following one leads to its row.
      await page.evaluate(() => { document.activeElement?.blur(); scrollTo(0, 0); });
      let stops = 0, reached = 0;
      for (; stops < 60; stops += 1) {
        await page.keyboard.press("Tab");
        const on = await page.evaluate(() => ({ bar: !!document.activeElement.closest(".bars a"), body: document.activeElement === document.body }));
        if (on.body) break;
        if (!on.bar) continue;
        reached += 1;
        tips = await visibleTips(page);
        if (tips.length !== 1) fault(name, view.name, `tabbing shows ${tips.length} tips`);
        if (reached === 1) {
          for (const flaw of await page.evaluate(layout)) fault(name, `${view.name}, tabbed`, flaw);
          await screenshot(page, `${name}-${view.name}-focus`);
        }
      }
      if (reached === 0) fault(name, view.name, "no bar is reached by Tab");
      if (metrics && reached > 30 && name !== "several") fault(name, view.name, `${reached} bars are tab stops`);
      await page.locator(".bars a[href]:not([tabindex])").first().focus();
      await page.keyboard.press("Enter");
      const row = await page.evaluate(() => {
        const target = document.querySelector(":target");
        return target && { text: target.textContent, shown: target.checkVisibility() };
      });
      if (!row || !/shardId-/.test(row.text)) fault(name, view.name, `a bar leads to ${JSON.stringify(row)}`);
      else if (!row.shown) fault(name, view.name, "a bar leads to a row that is folded away");

      // A narrow window changes what scrolls, not contrasts and names: one size is enough there.
      // axe runs beside the page's policy, not under it: Playwright's evaluate is the debugger's.
      if (view.name !== "narrow" || name.startsWith("40")) {
        await page.evaluate(axe);
        const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
        for (const violation of found.violations)
          if (["serious", "critical"].includes(violation.impact))
            fault(name, view.name, `axe: ${violation.id}: ${violation.nodes[0].html.slice(0, 120)} (${violation.nodes.length}) ${violation.nodes[0].failureSummary.slice(0, 200)}`);
          else console.log(`note ${name} ${view.name}: axe: ${violation.impact}: ${violation.id}`);
      }
      await page.close();
    }
    // On paper: light whatever the screen, everything unfolded, no wider than the sheet.
    const page = await browser.newPage();
    await page.setViewportSize({ width: 720, height: 1000 });
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    await page.goto(url, { waitUntil: "load" });
    const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    if (paper !== "rgb(255, 255, 255)") fault(name, "print", `the paper is ${paper}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 1) fault(name, "print", `wider than the sheet by ${wide} px`);
    const folded = await page.$$eval("details", (all) => all.filter((of) => of.checkVisibility() && !of.lastElementChild.checkVisibility({ contentVisibilityAuto: true })).length);
    if (folded > 0) fault(name, "print", `${folded} parts stay folded`);
    await screenshot(page, `${name}-print`, { fullPage: true });
    await page.close();
    console.log(`${name}: ${size} bytes, opens in ${slowest.toFixed()} ms`);
  }
} finally {
  await browser.close();
  rmSync(data, { recursive: true, force: true });
}
if (faults.length > 0) {
  console.error(`${faults.length} faults`);
  process.exit(1);
}
