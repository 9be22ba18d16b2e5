// Mean ranks with Nemenyi's critical difference, and tests of all against one control.
function ranksFigure() {
  const root = find("#ranks"), key = (name) => find(`[data-key="${name}"]`, root), scopes = data.tests.scopes;
  const name = (e) => data.estimators[e].name;
  const p_ = (v) => (Number.isNaN(v) ? "–" : v < 0.001 ? (v < 1e-12 ? "< 1e-12" : v.toExponential(0)) : v.toFixed(3));
  const is = (p) => (p < 1e-12 ? `p ${p_(p)}` : `p = ${p_(p)}`);
  const controls = (test) => {
    const before = key("control").value;
    fill(key("control"), test.names.map((e) => [e, name(e)]));
    const usual = test.names.find((e) => name(e).split(":")[0] === "random-search") ?? test.names[0];
    key("control").value = test.names.includes(Number(before)) && before !== "" ? before : usual ?? "";
  };
  fill(key("scope"), scopes.map((test, i) => [i, test.name]));
  let rows = [];

  function update() {
    const test = scopes[Number(key("scope").value || 0)];
    const none = !test || test.why;
    for (const part of [key("control").parentNode, find(".plot", root), find(".scroll", root)]) part.hidden = Boolean(none);
    key("said").textContent = !test ? "There are no runs." : none ? `No test of ranks: ${test.why}` : sentence(test);
    rows = [];
    page.ranks = test ?? null;
    if (none) return;
    controls(test);
    draw();
  }

  function sentence(test) {
    const p = real(test.p), differ = p < 1 - test.level, out = test.left_out.length ? ` Not ranked, as they ran on fewer problems: ${test.left_out.map(name).join(", ")}.` : "";
    const together = (a, b) => test.groups.some((group) => group.includes(a) && group.includes(b));
    const apart = test.names.flatMap((a, i) => test.names.slice(i + 1).filter((b) => !together(a, b))).length;
    const verdict = differ ? (apart ? "the estimators differ" : "some of the estimators differ, but it is not shown which") : "no difference among the estimators is shown";
    const pairs = `${count(apart)} of ${count((test.names.length * (test.names.length - 1)) / 2)} pairs`;
    const said = `By mean ranks ${apart ? `${pairs} ${apart === 1 ? "is" : "are"}` : "no pair is"} told apart: the critical difference is ${number(real(test.difference))}.`;
    const few = test.problems < 6 ? ` These are so few problems that ${differ ? "only large differences are" : "hardly anything can be"} shown.` : "";
    return `On ${test.problems} of ${test.n_problems} problems, those that all ${test.names.length} ran: ${verdict} (Iman and Davenport's F = ${number(real(test.f))}, ${is(p)}; Friedman's χ² = ${number(real(test.chi2))}, ${is(real(test.p_chi2))}). ${said}${few}${out}`;
  }

  function draw() {
    const test = scopes[Number(key("scope").value || 0)], control = test.names.indexOf(Number(key("control").value));
    const groups = test.names.map((e) => test.groups.map((g, i) => (g.includes(e) ? String.fromCharCode(65 + (i % 26)) : "")).join(""));
    rows = test.names.map((e, i) => ({
      name: name(e), place: data.estimators[e].place, rank: real(test.ranks[i]), score: real(test.score[i]), group: groups[i],
      holm: real(test.holm[control][i]), wilcoxon: real(test.wilcoxon[control][i]), effect: real(test.effect[control][i]),
    }));
    diagram(find(".plot", root), test, rows);
    factTable(find(".numbers", root), ["estimator", "mean rank", "mean score", "groups", "Holm p", "Wilcoxon p", "effect"], rows.map((r, i) => [
      r.name, [number(r.rank), r.rank], [r.score.toFixed(3), r.score], r.group || "alone", ...(i === control ? ["control", "", ""] : [[p_(r.holm), r.holm], [p_(r.wilcoxon), r.wilcoxon], [Number.isNaN(r.effect) ? "–" : r.effect.toFixed(2), r.effect]]),
    ]));
  }
  key("csv").addEventListener("click", () => download("ranks.csv", [["dimension", "control", "estimator", "mean rank", "mean score", "groups", "Holm p", "Wilcoxon p", "effect"],
    ...rows.map((r) => [scopes[Number(key("scope").value)].name, name(Number(key("control").value)), r.name, r.rank, r.score, r.group, r.holm, r.wilcoxon, r.effect])]));
  key("scope").addEventListener("change", update);
  key("control").addEventListener("change", draw);
  return update;
}

// A row each, the best on top: the mean rank, half a critical difference on both sides, and bars that join who is not told apart.
function diagram(host, test, rows) {
  redrawn(host, () => {
    const width = (host.width = host.clientWidth || 800), narrow = width < 560, gap = 22, bars = test.groups.length;
    const longest = Math.max(...rows.map((r) => nameWidth(r.name, host))), room = Math.min(narrow ? 130 : 240, 12 + longest);
    const edge = { left: room, top: 40 }, right = width - 16 - 10 * Math.min(bars, narrow ? 6 : 12), height = edge.top + gap * rows.length + 46, bottom = height - 46;
    const half = real(test.difference) / 2;
    const listed = rows.slice(0, 12).map((r) => `${r.name} ${number(r.rank)}`).join(", ");
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", tabindex: "0", "aria-label": `Mean ranks, 1 is best: ${listed}${rows.length > 12 ? ", and more in the table" : ""}. Critical difference ${number(2 * half)}.` });
    host.replaceChildren(svg);
    const X = scaled(1, Math.max(rows.length, 2), edge.left + 8, right - 8, false), inside = (v) => Math.max(edge.left + 2, Math.min(right, X(v)));
    for (const v of ticks(1, Math.max(rows.length, 2), false, narrow ? 5 : 9).filter((v) => Number.isInteger(v))) {
      svg.append(make("line", { class: "grid", x1: X(v), x2: X(v), y1: edge.top - 4, y2: bottom }), make("text", { x: X(v), y: bottom + 16, "text-anchor": "middle" }, String(v)));
    }
    const axis = "mean rank over problems, 1 is best";
    svg.append(make("text", { x: Math.min((edge.left + right) / 2, width - nameWidth(axis, host) / 2), y: height - 4, "text-anchor": "middle" }, axis));
    const ruler = Math.min(X(1 + 2 * half) - X(1), right - edge.left);
    const said = `critical difference ${number(2 * half)}`, above = edge.left + 14 + ruler + 7 * said.length > width;
    svg.append(make("path", { class: "ruler", d: `M${edge.left + 8},14v8m0,-4h${ruler.toFixed(1)}m0,-4v8` }), make("text", { x: edge.left + 14 + (above ? 0 : ruler), y: above ? 10 : 22 }, said));
    rows.forEach((r, i) => {
      const { colour, shape } = looks(r.place), py = edge.top + gap * (i + 0.5);
      const bar = make("line", { class: "reach", x1: inside(r.rank - half), x2: inside(r.rank + half), y1: py, y2: py });
      const mark = make("path", { class: "shape", d: shape, transform: `translate(${X(r.rank).toFixed(1)} ${py}) scale(1.2)` }, make("title", {}, `${r.name}: ${number(r.rank)}`));
      bar.style.stroke = mark.style.fill = colour;
      const text = make("text", { class: "name", x: edge.left - 8, y: py + 4, "text-anchor": "end" }, fitted(r.name, room - 10, host), make("title", {}, r.name));
      text.style.fill = colour;
      svg.append(bar, mark, text);
    });
    const order = test.names;
    test.groups.forEach((group, k) => {
      const at = group.map((e) => order.indexOf(e)), px = right + 10 + 10 * (k % (narrow ? 6 : 12));
      svg.append(make("line", { class: "clique", x1: px, x2: px, y1: edge.top + gap * Math.min(...at) + 5, y2: edge.top + gap * (Math.max(...at) + 1) - 5 }));
    });
  });
}
