// Seconds against memory at a target: who is not beaten in both at once. See zobench/analysis/pareto.py.
function paretoFigure(all, chosen) {
  const root = find("#pareto"), key = (name) => find(`[data-key="${name}"]`, root);
  const rows = data.pareto.rows.map(([problem, e, peak, final, onFinal, hardest, onHardest]) => ({
    problem, estimator: e, peak: real(peak), final: [real(final), onFinal === 1], hardest: [real(hardest), onHardest === 1],
  }));
  const known = (row, which) => Number.isFinite(row[which][0]) && Number.isFinite(row.peak);
  const reached = (p, which) => rows.filter((row) => row.problem === p && known(row, which) && !data.estimators[row.estimator].reference).length;
  fill(key("problem"), data.problems.map((p, i) => [i, p.name]));
  // begin where there is something to compare, at the final target if there is such a problem
  const start = ["final", "hardest"].flatMap((which) => data.problems.map((_, p) => [p, which])).find(([p, which]) => reached(p, which) > 1);
  if (start) [key("problem").value, key("target").value] = start;
  const of = (p) => rows.filter((row) => row.problem === p);
  let shown = [];

  function update() {
    const problem = Number(key("problem").value), which = key("target").value, picked = chosen();
    if (!data.problems[problem]) return;
    shown = of(problem).filter((row) => picked.includes(row.estimator)).sort((a, b) => picked.indexOf(a.estimator) - picked.indexOf(b.estimator))
      .map((row) => ({ name: data.estimators[row.estimator].name, place: data.estimators[row.estimator].place, estimator: row.estimator, seconds: row[which][0], peak: row.peak, front: row[which][1] }));
    const dots = shown.filter((s) => Number.isFinite(s.seconds) && s.seconds > 0 && Number.isFinite(s.peak) && s.peak > 0);
    const target = real(data.pareto.targets[problem][which === "final" ? 0 : 1]);
    key("about").textContent = Number.isNaN(target) ? "no target was reached here" : `target ${number(target)}`;
    const why = shown.length && !dots.length ? (shown.some((s) => Number.isFinite(s.peak)) ? "Nobody shown reached this target" : "Memory was not measured here") : "";
    scatter(find(".plot", root), `Seconds against memory on ${data.problems[problem].name}`, dots, why);
    const wins = (e) => rows.filter((row) => row.estimator === e && row[which][1]).length;
    const measured = new Set(rows.filter((row) => known(row, which)).map((row) => row.problem)).size;
    factTable(find(".numbers", root), ["estimator", "seconds to the target", "peak memory", "on the front", "on the front of"],
      shown.map((s) => [s.name, [duration(s.seconds), s.seconds], [memory(s.peak), s.peak], s.front ? "yes" : data.estimators[s.estimator].reference ? "reference" : "no", [`${wins(s.estimator)} of ${measured}`, wins(s.estimator)]]));
    page.pareto = shown;
  }
  key("csv").addEventListener("click", () => download("pareto.csv", [["problem", "target", "estimator", "seconds", "peak memory (bytes)", "on the front"],
    ...shown.map((s) => [data.problems[key("problem").value].name, key("target").value, s.name, s.seconds, s.peak, s.front ? "yes" : "no"])]));
  for (const name of ["problem", "target"]) key(name).addEventListener("change", update);
  return update;
}

function scatter(host, title, dots, why) {
  redrawn(host, () => {
    const width = (host.width = host.clientWidth || 800), narrow = width < 560, height = narrow ? 300 : Math.min(400, Math.round(width * 0.42));
    const edge = { left: 62, right: 24, top: 16, bottom: 46 }, right = width - edge.right, bottom = height - edge.bottom;
    const front = dots.filter((d) => d.front).sort((a, b) => a.seconds - b.seconds);
    const about = `${title}. ${dots.length ? `On the front: ${front.map((d) => d.name).join(", ") || "nobody"}. The table below has the numbers.` : why || "Nothing to draw."}`;
    if (!dots.length) return bare(host, about, why || wanted_nothing([]));
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", tabindex: "0", "aria-label": about });
    host.replaceChildren(svg);
    const range = (values) => { const low = Math.min(...values), high = Math.max(...values), room = Math.max((high / low) ** 0.12, 1.08); return { low: low / room, high: high * room, log: true }; };
    const x = { ...range(dots.map((d) => d.seconds)), label: "expected time to the target", text: duration };
    const mib = (d) => d.peak / 2 ** 20, y = { ...range(dots.map(mib)), label: "peak memory (MiB)" };
    const [X, Y] = axes(svg, x, y, { edge, right, bottom, width, height, narrow });
    const steps = front.map((d) => [X(d.seconds), Y(mib(d))]);
    if (steps.length) {
      const line = make("path", { class: "front", d: path([[steps[0][0], edge.top], ...steps, [right, steps.at(-1)[1]]], true) });
      svg.append(line);
    }
    const labels = [];
    for (const d of dots) {
      const { colour, shape } = looks(d.place), [px, py] = [X(d.seconds), Y(mib(d))];
      const mark = make("path", { class: "shape dot", d: shape, transform: `translate(${px.toFixed(1)} ${py.toFixed(1)}) scale(1.4)` }, make("title", {}, `${d.name}: ${duration(d.seconds)}, ${memory(d.peak)}`));
      mark.style.fill = colour;
      svg.append(mark);
      labels.push({ wish: d.front ? py - 9 : py + 4, x: px, y: py, text: d.name, colour, front: d.front });
    }
    // names where there is room for them: of the front first, beside their marks, never over another
    const taken = labels.map((label) => ({ from: label.x - 6, to: label.x + 6, y: label.y + 4 }));
    for (const label of labels.sort((a, b) => b.front - a.front)) {
      const text = fitted(label.text, 200, host), long = nameWidth(text, host);
      const left = label.x + 10 + long > right, box = { from: left ? label.x - 10 - long : label.x + 10, to: left ? label.x - 10 : label.x + 10 + long };
      const free = [label.wish, label.wish - 13, label.wish + 13].find((at) => at > edge.top && at < bottom && !taken.some((t) => box.from < t.to && box.to > t.from && Math.abs(t.y - at) < 13));
      if (free === undefined) continue;
      taken.push({ ...box, y: free });
      const node = make("text", { class: "name", x: left ? box.to : box.from, y: free, "text-anchor": left ? "end" : "start" }, text);
      node.style.fill = label.colour;
      svg.append(node);
    }
  });
}
