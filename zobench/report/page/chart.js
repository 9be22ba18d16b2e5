// A chart: axes, curves with bands, labels at their ends, and a cursor for mouse and keyboard.
// wanted: {title, x: {label, low, high, log, text}, y: {...}, step, cut, targets: [[y, text]],
//   empty (what to say where nothing is drawn), series: [{name, index, points: [[x, y]], band: [[x, low, high]], at: x -> y where drawn, read: x -> y as told, cross, thin: [points]}]}
function chart(host, wanted) {
  redrawn(host, () => drawn(host, wanted));
}

function redrawn(host, draw) {  // now, and whenever the width changes
  host.redraw = draw;
  if (!host.watched) {
    host.watched = new ResizeObserver(() => { if (host.clientWidth !== host.width) host.redraw(); });
    host.watched.observe(host);
  }
  draw();
}

function drawn(host, { title, x, y, series, step, cut, targets = [], empty = "" }) {
  const width = (host.width = host.clientWidth || 800), narrow = width < 560;
  const height = narrow ? 300 : Math.min(430, Math.round(width * 0.45));
  const longest = Math.max(0, ...series.map((s) => nameWidth(s.name, host)));
  const edge = { left: 58, right: narrow ? 14 : Math.min(260, Math.round(width * 0.36), 22 + longest), top: 12, bottom: 46 };
  const right = width - edge.right, bottom = height - edge.bottom;
  const about = `${title}. ${series.length ? `Curves: ${series.map((s) => s.name).join(", ")}. Arrow keys move a cursor; the table below has the numbers.` : "Nothing to draw."}`;
  if (!series.some((s) => s.points.length)) return bare(host, about, empty || wanted_nothing(series));
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", tabindex: "0", "aria-label": about });
  const box = make("div", { class: "readout", hidden: true });
  host.replaceChildren(svg, box);
  const [X, Y] = axes(svg, x, y, { edge, right, bottom, width, height, narrow });

  const name = `clip-${host.parentNode.id}`;
  svg.append(make("defs", {}, make("clipPath", { id: name }, make("rect", { x: edge.left, y: edge.top - 6, width: Math.max(0, right - edge.left + 4), height: Math.max(0, bottom - edge.top + 8) }))));
  const area = make("g", { "clip-path": `url(#${name})` });
  svg.append(area);
  for (const [value, text] of targets) {
    area.append(make("line", { class: "target", x1: edge.left, x2: right, y1: Y(value), y2: Y(value) }));
    if (text) area.append(make("text", { x: edge.left + 6, y: Y(value) - 4 }, text));
  }
  const line = (facts, colour, dash) => {
    const node = make("path", facts);
    node.style.stroke = colour;
    if (dash) node.style.strokeDasharray = dash;
    return node;
  };
  for (const s of series) {
    const { colour } = looks(s.index);
    if (s.band) {
      const band = make("path", { class: "band", d: outline(s.band, X, Y, step) });
      band.style.fill = colour;
      area.append(band);
    }
    for (const points of s.thin ?? []) area.append(line({ class: "thin", d: path(points.map(([a, b]) => [X(a), Y(b)]), step) }, colour));
  }
  const labels = [];
  for (const s of series) {
    const { colour, shape, dash } = looks(s.index);
    const points = s.points.map(([a, b]) => [X(a), Y(b)]).filter((p) => p.every(Number.isFinite));
    if (!points.length) continue;
    area.append(line({ class: "line", d: path(points, step) }, colour, dash));
    const put = (px, py, d) => {
      const node = make("path", { class: "shape", d, transform: `translate(${px.toFixed(1)} ${py.toFixed(1)})` });
      node.style.fill = colour;
      area.append(node);
    };
    const [from, to] = [points[0][0], Math.min(points.at(-1)[0], right)];
    for (let k = 1; k <= 5; k++) {  // shapes at places that differ from curve to curve
      const px = from + ((to - from) * (k - 0.75 + ((s.index * 0.37) % 0.6))) / 5;
      const py = s.at(x.log ? X.back(px) : X.back(px));
      if (Number.isFinite(py) && Number.isFinite(Y(py))) put(px, Y(py), shape);
    }
    if (s.cross && s.cross <= x.high * 1.001) area.append(line({ class: "line", d: `M-6,-6L6,6M-6,6L6,-6`, transform: `translate(${X(s.cross)} ${Y(s.at(s.cross))})` }, colour));
    labels.push({ wish: Math.min(bottom, Math.max(edge.top, points.filter((p) => p[0] <= right + 0.5).at(-1)?.[1] ?? points[0][1])), x: to, text: s.name, colour });
  }
  if (!narrow) {
    spread(labels, edge.top + 2, bottom, 15);
    for (const label of labels) {
      svg.append(line({ class: "leader", d: `M${Math.max(label.x, edge.left) + 3},${label.wish}L${right + 10},${label.y}`, fill: "none" }, label.colour));
      const text = make("text", { class: "name", x: right + 14, y: label.y + 4 }, fitted(label.text, edge.right - 16, host), make("title", {}, label.text));
      text.style.fill = label.colour;
      svg.append(text);
    }
  }
  if (cut) svg.append(make("line", { class: "cut", x1: X(cut), x2: X(cut), y1: edge.top, y2: bottom }));
  cursor(svg, box, { x, y, series, X, edge, right, bottom, width });
}

function bare(host, about, why) {  // a figure without anything in it, no larger than its reason
  const svg = make("svg", { viewBox: `0 0 ${host.width} 60`, height: 60, role: "img", tabindex: "0", "aria-label": about });
  svg.append(make("text", { x: host.width / 2, y: 34, "text-anchor": "middle", class: "empty" }, why));
  host.replaceChildren(svg);
}

function axes(svg, x, y, { edge, right, bottom, width, height, narrow }) {
  const X = scaled(x.low, x.high, edge.left, right, x.log), Y = scaled(y.low, y.high, bottom, edge.top, y.log);
  const say = (axis) => axis.text ?? ((v) => tickText(v, axis.log));
  const once = (axis, most) => ticks(axis.low, axis.high, axis.log, most).filter((v, i, all) => !i || say(axis)(v) !== say(axis)(all[i - 1]));  // rounding may make two alike
  for (const v of once(y, 6)) {
    svg.append(make("line", { class: "grid", x1: edge.left, x2: right, y1: Y(v), y2: Y(v) }));
    svg.append(make("text", { x: edge.left - 8, y: Y(v) + 4, "text-anchor": "end" }, say(y)(v)));
  }
  for (const v of once(x, narrow ? 5 : 9)) {
    svg.append(make("line", { class: "base", x1: X(v), x2: X(v), y1: bottom, y2: bottom + 5 }));
    svg.append(make("text", { x: X(v), y: bottom + 19, "text-anchor": "middle" }, say(x)(v)));
  }
  svg.append(make("line", { class: "base", x1: edge.left, x2: right, y1: bottom, y2: bottom }));
  svg.append(make("text", { x: (edge.left + right) / 2, y: height - 6, "text-anchor": "middle" }, x.label));
  svg.append(make("text", { x: 14, y: (edge.top + bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 14 ${(edge.top + bottom) / 2})` }, y.label));
  return [X, Y];
}

const wanted_nothing = (series) => (series.length ? "No numbers to draw here" : "No estimator is chosen, or none has runs here");

function cursor(svg, box, { x, y, series, X, edge, right, bottom, width }) {
  const mark = make("line", { class: "cursor", y1: edge.top, y2: bottom, visibility: "hidden" });
  svg.append(mark);
  let place = null;
  const text = (axis, v) => (axis.text ? axis.text(v) : number(v));
  const show = (px, aloud) => {
    place = Math.min(right, Math.max(edge.left, px));
    const v = X.back(place);
    const rows = series.map((s) => [s, (s.read ?? s.at)(v)]).filter(([, value]) => !Number.isNaN(value)).sort((a, b) => b[1] - a[1]);
    mark.setAttribute("visibility", "visible");
    mark.setAttribute("x1", place);
    mark.setAttribute("x2", place);
    const lines = rows.slice(0, 12).map(([s, value]) => {
      const name = make("span", {}, s.name);
      name.style.color = looks(s.index).colour;
      return make("div", {}, name, make("b", {}, text(y, value)));
    });
    box.replaceChildren(make("div", {}, `${x.label}: ${x.read ? x.read(v) : number(v)}`), ...lines);
    box.hidden = false;
    const left = place > width / 2;
    box.style.left = left ? "" : `${place + 12}px`;
    box.style.right = left ? `${width - place + 12}px` : "";
    box.style.top = `${edge.top + 4}px`;
    if (aloud) say(`${x.label} ${x.read ? x.read(v) : number(v)}: ${rows.map(([s, value]) => `${s.name} ${text(y, value)}`).join(", ")}`);
  };
  const hide = () => { box.hidden = true; mark.setAttribute("visibility", "hidden"); };
  svg.addEventListener("pointermove", (event) => show(((event.clientX - svg.getBoundingClientRect().left) * width) / svg.getBoundingClientRect().width));
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const size = (right - edge.left) / 40, now = place ?? (edge.left + right) / 2;
    const next = { ArrowLeft: now - size, ArrowRight: now + size, Home: edge.left, End: right }[event.key];
    if (event.key === "Escape") hide();
    if (next === undefined) return;
    event.preventDefault();
    show(next, true);
  });
}
