// Scales, ticks and marks of a chart.
const SHAPES = [
  "M-4,0A4,4 0 1 0 4,0A4,4 0 1 0 -4,0", "M-3.7,-3.7H3.7V3.7H-3.7Z", "M0,-5L4.7,3.4H-4.7Z", "M0,-5.3L4.6,0L0,5.3L-4.6,0Z",
  "M0,5L4.7,-3.4H-4.7Z", "M-1.6,-4.8H1.6V-1.6H4.8V1.6H1.6V4.8H-1.6V1.6H-4.8V-1.6H-1.6Z", "M-5,-2.6H5V2.6H-5Z", "M-2.4,-5H2.4V5H-2.4Z",
];
const DASHES = ["", "8 4", "2 3"];

// Colour, shape and dash together tell curves apart, so that none has to alone.
const looks = (index) => ({ colour: `var(--c${index % 8})`, shape: SHAPES[(index + Math.floor(index / 8)) % 8], dash: DASHES[Math.floor(index / 8) % 3] });

function scaled(low, high, from, to, log) {
  const f = log ? Math.log10 : (v) => v;
  const width = f(high) - f(low) || 1;
  const clipped = (p) => (Number.isFinite(p) ? Math.max(-1e5, Math.min(1e5, p)) : p);  // a path takes no 1e+30
  const place = (v) => clipped(from + ((f(v) - f(low)) / width) * (to - from));
  place.back = (p) => { const v = f(low) + ((p - from) / (to - from)) * width; return log ? 10 ** v : v; };
  return place;
}

function ticks(low, high, log, most) {
  if (log && high / low >= 10) {
    const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
    const step = Math.max(1, Math.ceil((last - first + 1) / most));
    const found = [];
    for (let e = first; e <= last; e += step) found.push(10 ** e);
    if (found.length >= 2) return found;
    return [1, 2, 5].flatMap((m) => [first - 1, first, last].map((e) => m * 10 ** e)).filter((v, i, all) => v >= low && v <= high && all.indexOf(v) === i).sort((a, b) => a - b);
  }
  const raw = (high - low) / Math.max(most - 1, 1), size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * size).find((s) => s >= raw) ?? raw;
  const found = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9 && found.length < 50; v += step) found.push(Math.abs(v) < step * 1e-9 ? 0 : v);
  return found.filter((v) => !log || v > 0);
}

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
function tickText(value, log) {
  const power = Math.log10(Math.abs(value));
  if (log && Math.abs(power - Math.round(power)) < 1e-9 && (power > 3.5 || power < -2.5)) return `10${[...String(Math.round(power))].map((c) => RAISED[c]).join("")}`;
  return number(value, 4).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

// Labels beside the ends of curves, pushed apart until none covers another.
function spread(labels, low, high, gap) {
  labels.sort((a, b) => a.wish - b.wish);
  labels.forEach((label, i) => { label.y = Math.max(label.wish, i ? labels[i - 1].y + gap : low); });
  for (let i = labels.length - 1, limit = high; i >= 0; i--, limit = labels[i + 1].y - gap) labels[i].y = Math.min(labels[i].y, limit);
}

// How wide a name is, as the page writes it: letters differ too much to be counted.
const pen = document.createElement("canvas").getContext("2d");
function nameWidth(text, host) {
  pen.font = `600 12.5px ${getComputedStyle(host).fontFamily}`;  // no lighter than .plot text.name
  return pen.measureText(text).width;
}

function fitted(text, room, host) {  // without its middle if there is no room: names differ in their settings, at the end
  const cut = (kept) => `${text.slice(0, Math.ceil(kept / 2))}…${text.slice(text.length - Math.floor(kept / 2))}`;
  let kept = text.length - 1;
  if (nameWidth(text, host) <= room) return text;
  while (kept > 2 && nameWidth(cut(kept), host) > room) kept--;
  return cut(kept);
}

function path(points, step) {
  let text = "", previous = null;
  for (const [x, y] of points) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) { previous = null; continue; }
    if (previous === null) text += `M${x.toFixed(1)},${y.toFixed(1)}`;
    else text += step ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `L${x.toFixed(1)},${y.toFixed(1)}`;
    previous = y;
  }
  return text;
}

function outline(band, X, Y, step) {
  const inside = band.filter(([, low, high]) => Number.isFinite(low) && Number.isFinite(high));
  const edge = (k) => inside.flatMap((row, i) => (step && i ? [[X(row[0]), Y(inside[i - 1][k])], [X(row[0]), Y(row[k])]] : [[X(row[0]), Y(row[k])]]));
  const whole = [...edge(2), ...edge(1).reverse()];
  return whole.length ? `${path(whole, false)}Z` : "";
}
