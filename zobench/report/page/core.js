// Elements, numbers, CSV. Text from data enters a page as text nodes only, never as markup.
document.documentElement.classList.add("live");
const data = JSON.parse(document.getElementById("data").textContent);
const find = (selector, root = document) => root.querySelector(selector);
const every = (selector, root = document) => [...root.querySelectorAll(selector)];

function make(tag, facts = {}, ...children) {
  const drawn = ["svg", "g", "path", "line", "text", "circle", "rect", "title", "clipPath", "defs"].includes(tag);
  const node = drawn ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(facts)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

const NAMED = { inf: Infinity, "-inf": -Infinity };
const real = (value) => (value === null || value === undefined ? NaN : (NAMED[value] ?? Number(value)));

function number(value, digits = 3) {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(value)));
  if (size >= 6 || size < -4) return value.toExponential(Math.max(0, digits - 2)).replace("e+", "e");
  const places = Math.max(0, digits - 1 - size);
  const factor = 10 ** Math.max(0, size - digits + 1);
  const rounded = factor > 1 ? Math.round(value / factor) * factor : value;
  return rounded.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
}
const count = (value) => (Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : number(value));
const percent = (share) => (Number.isNaN(share) ? "–" : `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`);

function duration(value) {
  if (!Number.isFinite(value)) return number(value);
  const units = [[1e-3, 1e6, "µs"], [1, 1e3, "ms"], [120, 1, "s"], [7200, 1 / 60, "min"], [Infinity, 1 / 3600, "h"]];
  const [, factor, unit] = units.find(([limit]) => Math.abs(value) < limit);
  return `${number(value * factor, Math.abs(value * factor) < 99.5 ? 2 : 3)} ${unit}`;
}
function memory(bytes) {
  if (!Number.isFinite(bytes)) return number(bytes);
  const mib = bytes / 2 ** 20;
  return mib < 10000 ? `${number(mib)} MiB` : `${number(mib / 1024)} GiB`;
}

// Text that a spreadsheet would compute gets an apostrophe; numbers stay numbers.
function csvCell(value) {
  if (typeof value === "number") return Number.isNaN(value) ? "" : String(value);
  let text = String(value ?? "");
  if (/^[=+\-@\t\r\n]/.test(text) && !/^[+-]?\d[\d.,]*(e[+-]?\d+)?$/i.test(text)) text = `'${text}`;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
const csv = (rows) => rows.map((row) => row.map(csvCell).join(",")).join("\n") + "\n";

const four = (value) => Number(value.toPrecision(4));  // what 16-bit codes are good for

function download(name, rows) {
  const link = make("a", { download: name, href: URL.createObjectURL(new Blob([csv(rows)], { type: "text/csv" })) });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const say = (text) => { find("#live").textContent = text; };

function fill(select, options) {
  select.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
}

function theme() {
  const root = document.documentElement, button = find("#theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const show = () => {
    button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${dark() ? "light" : "dark"} colours`);
    button.setAttribute("aria-pressed", dark());
  };
  try { root.dataset.theme = localStorage.getItem("zobench-theme") ?? ""; } catch { /* a file may not remember */ }
  if (!root.dataset.theme) delete root.dataset.theme;
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("zobench-theme", root.dataset.theme); } catch { /* as above */ }
    show();
  });
  system.addEventListener("change", show);
  show();
}
